#!/bin/sh
# ONNX Runtime 1.30.0: which half of a byte holds the first of two 4-bit weights.
#
# Guess: the low one, in every operator of the domain, as ONNX packs int4 and MatMulNBits does.
# Seen: MatMulNBits takes the low half first, MatMulBnb4 (FP4, NF4) the high half.
# One byte 0x1F against a column of two weights is enough: x = [1, 0] reads the first of them.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, run, tensor} from './onnx.mjs';
const K = 16, codes = new Uint8Array(K / 2).fill(0x1f);       // low half 15, high half 1
const product = (op, shape, attributes) => model({
    node: {op, domain: 'com.microsoft', inputs: ['x', 'b', 's'], outputs: ['y'], attributes: {K, N: 1, block_size: K, ...attributes}},
    inputs: [['x', FLOAT, [1, K]]], outputs: [['y', FLOAT, [1, 1]]],
    initializers: [tensor('b', UINT8, shape, codes), tensor('s', FLOAT, [1], Float32Array.of(1))],
    imports: {'': 17, 'com.microsoft': 1}});
const first = async (bytes) => {
    const x = new Float32Array(K);
    x[0] = 1;
    return (await run(ort, bytes, {x: new ort.Tensor('float32', x, [1, K])})).y.data[0];
};
// MatMulNBits without zero points: code - 8. NF4: code 15 is 1, code 1 is about -0.696.
const nbits = await first(product('MatMulNBits', [1, 1, K / 2], {bits: 4}));
const nf4 = await first(product('MatMulBnb4', [K / 2], {quant_type: 1}));
console.log(`the first weight of the byte 0x1f: MatMulNBits ${nbits} (code 15, the low half), MatMulBnb4 ${nf4} (code 1, the high half)`);
if (Math.abs(nbits - 7) > 1e-5 || Math.abs(nf4 + 0.6961928) > 1e-5) throw new Error('another order than was seen');
JS
node try.mjs
