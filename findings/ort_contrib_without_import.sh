#!/bin/sh
# ONNX Runtime 1.30.0: an operator of com.microsoft in a model that imports only ai.onnx.
#
# Guess: refused, since ONNX says that a model names every operator set that its nodes use.
# Seen: it loads and runs, at version 1 of the domain; an unknown domain is an error. So exporters
# never notice that the import is missing, and such models are common.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, model, run} from './onnx.mjs';
const gelu = (domain) => model({
    node: {op: 'Gelu', domain, inputs: ['x'], outputs: ['y']},
    inputs: [['x', FLOAT, [2]]], outputs: [['y', FLOAT, [2]]], imports: {'': 17}});
const feeds = {x: new ort.Tensor('float32', Float32Array.of(0, 1), [2])};
const {y} = await run(ort, gelu('com.microsoft'), feeds);
if (Math.abs(y.data[1] - 0.8413447) > 1e-5) throw new Error(`Gelu(1) is ${y.data[1]}`);
console.log(`com.microsoft.Gelu without an import of its domain: Gelu(1) = ${y.data[1]}`);
let message = '';
await run(ort, gelu('com.example'), feeds).catch((e) => { message = e.message; });
if (!message) throw new Error('a domain that nobody knows was accepted');
console.log('com.example.Gelu: refused');
JS
node try.mjs
