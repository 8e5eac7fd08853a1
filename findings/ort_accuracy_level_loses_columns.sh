#!/bin/sh
# ONNX Runtime 1.30.0: MatMulNBits with `accuracy_level` 4, which is what most converters write for CPUs.
#
# Guess: the product is accumulated with less accuracy, an error of some percent of the result.
# Seen: A is quantised to 8 bits in blocks of `block_size` columns first. One large column makes the step of
# its block so coarse that the others vanish: with a column of 1000 whose weight is 0 beside 31 columns of
# 0.01 to 0.31 with weights of 1 and 2, the result is 0 in place of 9.91. Level 0 gives 9.91. Activations of
# language models have such columns.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, run, tensor} from './onnx.mjs';
// Codes minus 8: the first column's weight is 0, the second's 1, all others are 2.
const codes = Uint8Array.from({length: 16}, (_, i) => i === 0 ? 0x98 : 0xaa);
const a = Float32Array.from({length: 32}, (_, i) => i === 0 ? 1000 : i / 100);
const result = async (level) => {
    const bytes = model({
        node: {op: 'MatMulNBits', domain: 'com.microsoft', inputs: ['a', 'b', 'scales'], outputs: ['y'],
               attributes: {K: 32, N: 1, bits: 4, block_size: 32, accuracy_level: level}},
        inputs: [['a', FLOAT, [1, 32]]], outputs: [['y', FLOAT, [1, 1]]],
        initializers: [tensor('b', UINT8, [1, 1, 16], codes), tensor('scales', FLOAT, [1], Float32Array.of(1))],
        imports: {'': 21, 'com.microsoft': 1}});
    return (await run(ort, bytes, {a: new ort.Tensor('float32', a, [1, 32])})).y.data[0];
};
const [exact, coarse] = [await result(0), await result(4)];
console.log(`accuracy_level 0: ${exact.toFixed(4)}, 4: ${coarse.toFixed(4)}`);
if (Math.abs(exact - 9.91) > 1e-3 || coarse !== 0) throw new Error('another result than was seen');
JS
node try.mjs
