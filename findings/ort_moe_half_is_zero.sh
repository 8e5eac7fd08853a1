#!/bin/sh
# ONNX Runtime 1.30.0, CPU provider: MoE of com.microsoft over float16, the type that its exporters write.
#
# Guess: the results of float32, rounded; or refused, as other operators without a float16 kernel are.
# Seen: it loads, runs, and all results are 0, whatever the activation and `k`; float32 is right.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, FLOAT16, model, run, tensor} from './onnx.mjs';
// Whole numbers from -2 to 2, which both types hold.
const halves = {'-2': 0xc000, '-1': 0xbc00, 0: 0, 1: 0x3c00, 2: 0x4000};
const numbers = (n, shift) => Array.from({length: n}, (_, i) => (i * 7 + shift) % 5 - 2);
const results = async (type) => {
    const data = (n, shift) => type === FLOAT ? Float32Array.from(numbers(n, shift)) : Uint16Array.from(numbers(n, shift), (v) => halves[v]);
    const nodes = [{op: 'MoE', domain: 'com.microsoft', inputs: ['x', 'router', 'first', '', 'second'], outputs: ['sum'], attributes: {k: 1, activation_type: 'relu'}},
                   {op: 'Cast', domain: '', inputs: ['sum'], outputs: ['y'], attributes: {to: FLOAT}}];
    const bytes = model({
        nodes, inputs: [['x', type, [2, 4]], ['router', type, [2, 3]]], outputs: [['y', FLOAT, [2, 4]]],
        initializers: [tensor('first', type, [3, 8, 4], data(96, 1)), tensor('second', type, [3, 4, 8], data(96, 3))],
        imports: {'': 17, 'com.microsoft': 1}});
    const name = type === FLOAT ? 'float32' : 'float16';
    return [...(await run(ort, bytes, {x: new ort.Tensor(name, data(8, 2), [2, 4]), router: new ort.Tensor(name, data(6, 0), [2, 3])})).y.data];
};
const [wide, half] = [await results(FLOAT), await results(FLOAT16)];
console.log(`float32: ${wide.join(' ')}; float16: ${half.join(' ')}`);
if (wide.every((v) => v === 0) || half.some((v) => v !== 0)) throw new Error('another result than was seen');
JS
node try.mjs
