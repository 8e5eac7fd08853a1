#!/bin/sh
# ONNX Runtime 1.30.0: MatMulBnb4 with transB = 0, A [.., N] times the weights [N, K].
#
# Guess: A @ W, of shape [.., K], as the operator's text says.
# Seen: the shape is right, the numbers are not: transB is ignored in the product, which takes A's rows as
# K long and so reads behind the end of A. No error.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, run, tensor} from './onnx.mjs';
const K = 16, N = 2;
// The first row is NF4's code 0 (-1) throughout, the second code 15 (1): each column's sum is 0 for x = [1, 1], 2 for [-1, 1].
const bytes = new Uint8Array(16).fill(0xff, 8);
const {y} = await run(ort, model({
    node: {op: 'MatMulBnb4', domain: 'com.microsoft', inputs: ['x', 'b', 's'], outputs: ['y'], attributes: {K, N, block_size: 16, quant_type: 1, transB: 0}},
    inputs: [['x', FLOAT, [1, N]]], outputs: [['y', FLOAT, [1, K]]],
    initializers: [tensor('b', UINT8, [16], bytes), tensor('s', FLOAT, [2], Float32Array.of(1, 1))], imports: {'': 17, 'com.microsoft': 1}}),
    {x: new ort.Tensor('float32', Float32Array.of(-1, 1), [1, N])});
console.log(`x = [-1, 1], columns [-1, 1]: expected ${K} times 2, found ${[...y.data].join(' ')}`);
if (y.data.every((v) => v === 2)) throw new Error('computed as the text says');
JS
node try.mjs
