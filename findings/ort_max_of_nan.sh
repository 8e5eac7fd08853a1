#!/bin/sh
# ONNX Runtime 1.30.0: the largest of a row that has a NaN in it.
#
# Guess: NaN wherever it stands, as Max gives it there and as numpy has it; or the largest number.
# Seen: it depends on the operator and on the place. Max, Relu, Clip: NaN. ReduceMax of [NaN, 1, 2]
# is NaN, of [1, NaN, 2] is 2. MaxPool over [NaN, 1] is 1. ArgMax of [1, NaN, 2] is 2 and of
# [NaN, 1, 2] is 0; TopK takes NaN for the largest. So a NaN may vanish on its way to the output.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, INT64, model, run} from './onnx.mjs';
const of = async (op, row, type, result, attributes = {}) => {
    const shape = op === 'GlobalMaxPool' ? [1, 1, row.length] : [1, row.length];
    const bytes = model({
        node: {op, domain: '', inputs: op === 'Max' ? ['x', 'x'] : ['x'], outputs: ['y'], attributes},
        inputs: [['x', FLOAT, shape]], outputs: [['y', type, result]], imports: {'': 17}});
    const x = new ort.Tensor('float32', Float32Array.from(row), shape);
    return String((await run(ort, bytes, {x})).y.data[0]);
};
const found = {
    'Max [NaN]': await of('Max', [NaN], FLOAT, [1, 1]),
    'ReduceMax [NaN, 1, 2]': await of('ReduceMax', [NaN, 1, 2], FLOAT, [1, 1]),
    'ReduceMax [1, NaN, 2]': await of('ReduceMax', [1, NaN, 2], FLOAT, [1, 1]),
    'GlobalMaxPool [NaN, 1]': await of('GlobalMaxPool', [NaN, 1], FLOAT, [1, 1, 1]),
    'ArgMax [1, NaN, 2]': await of('ArgMax', [1, NaN, 2], INT64, [1, 1], {axis: 1}),
    'ArgMax [NaN, 1, 2]': await of('ArgMax', [NaN, 1, 2], INT64, [1, 1], {axis: 1})};
console.log(JSON.stringify(found));
const seen = [found['Max [NaN]'], found['ReduceMax [NaN, 1, 2]'], found['ReduceMax [1, NaN, 2]'], found['ArgMax [1, NaN, 2]'], found['ArgMax [NaN, 1, 2]']];
if (seen.join() !== 'NaN,NaN,2,2,0') throw new Error('another result than was seen');
JS
node try.mjs
