#!/bin/sh
# ONNX Runtime 1.30.0: Attention of com.microsoft without its input 2, the bias of the projections, which its
# description calls optional.
#
# Guess: runs without a bias, or is refused.
# Seen: the process ends with a segmentation fault; a bias of zeros runs.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, model, run} from './onnx.mjs';
const width = 8, rows = 3, bias = process.argv[2] === 'bias';
const data = (n) => Float32Array.from({length: n}, (_, i) => Math.sin(i));
const inputs = [['x', FLOAT, [1, rows, width]], ['w', FLOAT, [width, 3 * width]]];
const feeds = {x: new ort.Tensor('float32', data(rows * width), [1, rows, width]),
               w: new ort.Tensor('float32', data(3 * width * width), [width, 3 * width])};
if (bias) {
    inputs.push(['b', FLOAT, [3 * width]]);
    feeds.b = new ort.Tensor('float32', new Float32Array(3 * width), [3 * width]);
}
await run(ort, model({node: {op: 'Attention', domain: 'com.microsoft', inputs: inputs.map(([name]) => name), outputs: ['y'],
                             attributes: {num_heads: 2}},
                      inputs, outputs: [['y', FLOAT]], imports: {'': 17, 'com.microsoft': 1}}), feeds);
JS
node try.mjs bias
echo 'Attention with a bias of zeros: runs'
status=0
node try.mjs 2>/dev/null || status=$?
[ $status -gt 128 ] || { echo "no crash without a bias any more: status $status"; exit 1; }
echo "Attention without a bias: ended by signal $((status - 128))"
