#!/bin/sh
# ONNX Runtime 1.30.0: QLinearAdd of com.microsoft where the sum lies half way between two codes.
#
# Guess: the codes that DequantizeLinear, Add and QuantizeLinear give, which round the quotient half to
# even and add the zero point to that.
# Seen: the zero point is in the sum that is rounded, so that an odd zero point turns the choice round.
# The graph optimiser replaces the three operators by this one, and changes a code in two half-way cases.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, UINT8, model, run, tensor} from './onnx.mjs';
// Scales 1, 1 and 2, a zero point of 101: x + 0 is half way between two codes for each odd x.
const initializers = [tensor('b', UINT8, [1], Uint8Array.of(0)), tensor('one', FLOAT, [], Float32Array.of(1)), tensor('two', FLOAT, [], Float32Array.of(2)),
                      tensor('none', UINT8, [], Uint8Array.of(0)), tensor('zero', UINT8, [], Uint8Array.of(101))];
const common = {inputs: [['x', UINT8, [4]]], outputs: [['y', UINT8, [4]]], initializers, imports: {'': 17, 'com.microsoft': 1}};
const feeds = {x: new ort.Tensor('uint8', Uint8Array.of(1, 3, 5, 7), [4])};
const fused = (await run(ort, model({...common, node: {op: 'QLinearAdd', domain: 'com.microsoft', inputs: ['x', 'one', 'none', 'b', 'one', 'none', 'two', 'zero'], outputs: ['y']}}), feeds)).y;
const plain = (await run(ort, model({...common, nodes: [
    {op: 'DequantizeLinear', inputs: ['x', 'one', 'none'], outputs: ['p']}, {op: 'DequantizeLinear', inputs: ['b', 'one', 'none'], outputs: ['q']},
    {op: 'Add', inputs: ['p', 'q'], outputs: ['s']}, {op: 'QuantizeLinear', inputs: ['s', 'two', 'zero'], outputs: ['y']}]}), feeds)).y;
console.log(`1, 3, 5 and 7 halved, from 101 on: QLinearAdd ${[...fused.data]}, the three operators ${[...plain.data]}`);
if (`${[...fused.data]}` !== '102,102,104,104' || `${[...plain.data]}` !== '101,103,103,105') throw new Error('another result than was seen');
JS
node try.mjs
