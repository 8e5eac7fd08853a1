#!/bin/sh
# ONNX Runtime 1.30.0: what a chosen expert counts in MoE and in QMoE of com.microsoft.
#
# Guess: the same in both: the softmax over all experts' scores, divided by the chosen ones' sum where
# normalize_routing_weights is 1.
# Seen: so it is in MoE. QMoE divides always, so that with k = 1 the expert counts in full whatever the
# scores are; its attribute only matters where router_weights are given.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, run, tensor} from './onnx.mjs';
const E = 2, N = 16;
// Each expert is the identity, twice: weight 1 on the diagonal (code 9 of 4 bits is 1), so that the result is x times what the expert counts.
const at = (i) => Math.floor(i / N) % N === i % N;
const floats = Float32Array.from({length: E * N * N}, (_, i) => +at(i));
const codes = Uint8Array.from({length: E * N * N / 2}, (_, i) => (at(2 * i) ? 9 : 8) | (at(2 * i + 1) ? 9 : 8) << 4);
const first = async (quantised, normalize_routing_weights) => {
    const scales = ['s1', 's2'].map((s) => tensor(s, FLOAT, [E, N], new Float32Array(E * N).fill(1)));
    const weights = ['w1', 'w2'].map((w) => (quantised ? tensor(w, UINT8, [E, N, N / 2], codes) : tensor(w, FLOAT, [E, N, N], floats)));
    const {y} = await run(ort, model({
        node: {op: quantised ? 'QMoE' : 'MoE', domain: 'com.microsoft', inputs: quantised ? ['x', 'r', 'w1', 's1', '', 'w2', 's2'] : ['x', 'r', 'w1', '', 'w2'],
               outputs: ['y'], attributes: {k: 1, activation_type: 'identity', normalize_routing_weights}},
        inputs: [['x', FLOAT, [1, N]], ['r', FLOAT, [1, E]]], outputs: [['y', FLOAT, [1, N]]], initializers: [...weights, ...(quantised ? scales : [])],
        imports: {'': 17, 'com.microsoft': 1}}),
        {x: new ort.Tensor('float32', new Float32Array(N).fill(1), [1, N]), r: new ort.Tensor('float32', Float32Array.of(0, 1), [1, E])});
    return y.data[0];
};
const seen = [];
for (const quantised of [false, true])
    for (const normalize of [0, 1]) seen.push(await first(quantised, normalize));
console.log(`softmax of the better score: ${1 / (1 + Math.exp(-1))}; MoE ${seen[0]}, normalised ${seen[1]}; QMoE ${seen[2]}, normalised ${seen[3]}`);
if (Math.abs(seen[0] - 0.7310586) > 1e-5 || seen.slice(1).some((v) => Math.abs(v - 1) > 1e-5)) throw new Error('another result than was seen');
JS
node try.mjs
