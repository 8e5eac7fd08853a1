#!/bin/sh
# ONNX Runtime 1.30.0: the mask of ai.onnx Attention 23.
#
# Guess: any mask that broadcasts to (batch, heads, queries, keys), as ONNX says, so above all the
# usual padding mask (batch, 1, 1, keys).
# Seen: batch and heads are broadcast, queries and keys are not: (1, 1, 2, 2) runs, (1, 1, 1, 2) and
# a mask of rank 1 fail when the model runs. An exporter has to expand a padding mask.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, model, run} from './onnx.mjs';
const attend = async (mask) => {
    const bytes = model({
        node: {op: 'Attention', domain: '', inputs: ['q', 'q', 'q', 'm'], outputs: ['y']},
        inputs: [['q', FLOAT, [1, 1, 2, 4]], ['m', FLOAT, mask]], outputs: [['y', FLOAT, [1, 1, 2, 4]]],
        imports: {'': 23}});
    const zeros = (dims) => new ort.Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
    return run(ort, bytes, {q: zeros([1, 1, 2, 4]), m: zeros(mask)}).then(() => 'runs', () => 'fails');
};
const masks = [[1, 1, 2, 2], [2, 2], [1, 1, 1, 2], [1, 2], [2]];
const found = [];
for (const m of masks) found.push(await attend(m));
masks.forEach((m, i) => console.log(`mask (${m}): ${found[i]}`));
if (found.join() !== 'runs,runs,fails,fails,fails') throw new Error('another result than was seen');
JS
node try.mjs
