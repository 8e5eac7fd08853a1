#!/bin/sh
# ONNX Runtime 1.30.0, CPU provider on x86-64: float16 tensors between nodes.
#
# Guess: with the optimisation of the graph disabled each node's result is a float16. 60000 * 2 is infinity,
# and times 0.25 still is.
# Seen: nodes without a float16 kernel are computed in float32, and the casts between them cancel at every
# optimisation level: 30000 - and a Cast to float32 of the tensor in the middle, which is declared as
# float16, gives 120000, a number that float16 does not have. A model that overflows on hardware with
# float16 looks healthy here.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, FLOAT16, model, run, tensor} from './onnx.mjs';
const half = {sixty: 0x7b53, two: 0x4000, quarter: 0x3400};  // 60000, 2, 0.25
const node = (op, inputs, output, attributes) => ({op, domain: '', inputs, outputs: [output], attributes});
const bytes = model({
    nodes: [node('Mul', ['x', 'two'], 'middle'), node('Mul', ['middle', 'quarter'], 'last'),
            node('Cast', ['middle'], 'middle_f32', {to: FLOAT}), node('Cast', ['last'], 'last_f32', {to: FLOAT})],
    inputs: [['x', FLOAT16, [1]]], outputs: [['middle_f32', FLOAT, [1]], ['last_f32', FLOAT, [1]]],
    initializers: [tensor('two', FLOAT16, [1], Uint16Array.of(half.two)), tensor('quarter', FLOAT16, [1], Uint16Array.of(half.quarter))],
    imports: {'': 21}});
const {middle_f32, last_f32} = await run(ort, bytes, {x: new ort.Tensor('float16', Uint16Array.of(half.sixty), [1])});
console.log(`60000 * 2 as float16: ${middle_f32.data[0]}; times 0.25: ${last_f32.data[0]}`);
if (middle_f32.data[0] !== 120000 || last_f32.data[0] !== 30000) throw new Error('another result than was seen');
JS
node try.mjs
