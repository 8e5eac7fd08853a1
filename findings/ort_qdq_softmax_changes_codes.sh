#!/bin/sh
# ONNX Runtime 1.30.0: a Softmax between DequantizeLinear and QuantizeLinear, as static quantisers write it.
#
# Guess: the optimisation level changes speed; codes differ where a result lies half way between two.
# Seen: from level extended on it becomes QLinearSoftmax, which multiplies by the whole number below 1 / scale.
# With a scale of 0.0039 (1 / 256.4) all results come out 256 / 256.4 of what they are: 0.741 / 0.0039 is 189.8, of
# which level basic makes 190 and level extended 189. The nearer a scale's inverse is to the next whole number,
# and the larger the scale, the more is lost.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, tensor} from './onnx.mjs';
const node = (op, inputs, output) => ({op, domain: '', inputs, outputs: [output]});
const scalar = (name, type, data) => tensor(name, type, [], data);
const bytes = model({
    nodes: [node('QuantizeLinear', ['x', 's', 'z'], 'xq'), node('DequantizeLinear', ['xq', 's', 'z'], 'xd'),
            node('Softmax', ['xd'], 'p'), node('QuantizeLinear', ['p', 'ps', 'z'], 'y')],
    inputs: [['x', FLOAT, [1, 8]]], outputs: [['y', UINT8, [1, 8]]],
    initializers: [scalar('s', FLOAT, Float32Array.of(1 / 16)), scalar('z', UINT8, Uint8Array.of(0)), scalar('ps', FLOAT, Float32Array.of(0.0039))],
    imports: {'': 21}});
const codes = async (level) => {
    const session = await ort.InferenceSession.create(bytes, {graphOptimizationLevel: level, logSeverityLevel: 4});
    const x = new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8.5), [1, 8]);
    return [...(await session.run({x})).y.data];
};
const [basic, extended] = [await codes('basic'), await codes('extended')];
console.log(`basic: ${basic.join(' ')}; extended: ${extended.join(' ')}`);
if (basic[7] !== 190 || extended[7] !== 189) throw new Error('another result than was seen');
JS
node try.mjs
