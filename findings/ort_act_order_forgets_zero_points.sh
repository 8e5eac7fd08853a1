#!/bin/sh
# ONNX Runtime 1.30.0: MatMulNBits with g_idx, the group of each row of the weights (GPTQ's act order).
#
# Guess: a weight is (code - zero point) * scale, both of the group that g_idx names.
# Seen: the scale is; packed zero points are not read at all, 2^(bits - 1) is taken in their place (float
# ones are read). Codes of 2 bits are read as if they were of 4. No error in either case.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, INT32, model, run, tensor} from './onnx.mjs';
const K = 32;
const product = async (bits, byte, groups) => {
    const bytes = 16 * bits / 8;
    const initializers = [tensor('b', UINT8, [1, 2, bytes], new Uint8Array(2 * bytes).fill(byte)),
                          tensor('s', FLOAT, [1, 2], Float32Array.of(1, 100)), tensor('z', UINT8, [1, 1], Uint8Array.of(0x42 >> (8 - 2 * bits) % 8))];
    if (groups) initializers.push(tensor('g', INT32, [K], Int32Array.from({length: K}, (_, i) => i >> 4)));
    const y = await run(ort, model({
        node: {op: 'MatMulNBits', domain: 'com.microsoft', inputs: ['x', 'b', 's', 'z', groups ? 'g' : ''], outputs: ['y'], attributes: {K, N: 1, block_size: 16, bits}},
        inputs: [['x', FLOAT, [1, K]]], outputs: [['y', FLOAT, [1, 1]]], initializers, imports: {'': 17, 'com.microsoft': 1}}),
        {x: new ort.Tensor('float32', new Float32Array(K).fill(1), [1, K])});
    return y.y.data[0];
};
// g_idx names the block that each row lies in anyway, so that nothing may change.
const without = await product(4, 0x99, false), with_ = await product(4, 0x99, true);
console.log(`codes 9, zero points 2 and 4, scales 1 and 100, sums of 16: ${without} without g_idx, ${with_} with the same groups in g_idx`);
if (without !== 16 * 7 + 1600 * 5 || with_ !== 16 * 1 + 1600 * 1) throw new Error('another result than was seen');
const two = [await product(2, 0xaa, false), await product(2, 0xaa, true)];
console.log(`codes of 2 bits, all 2: ${two[0]} without g_idx, ${two[1]} with it`);
if (two[0] === two[1]) throw new Error('another result than was seen');
JS
node try.mjs
