#!/bin/sh
# ONNX Runtime 1.30.0: attribute scale of RotaryEmbedding and MRotaryEmbedding of com.microsoft, which both describe as
# a "custom scale" that is used if it is given.
#
# Guess: both multiply the result, or the tables, by it.
# Seen: RotaryEmbedding reads it nowhere; MRotaryEmbedding multiplies the tables.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, INT64, model, run} from './onnx.mjs';
const size = 8, rows = 3;
const numbers = (n, k) => Float32Array.from({length: n}, (_, i) => 1.5 + Math.sin(k + i));
const ratio = async (op, streams, attributes) => {
    const ids = [...streams, 1, rows], results = [];
    const inputs = [['x', FLOAT, [1, rows, size]], ['ids', INT64, ids], ['cos', FLOAT, [9, size / 2]], ['sin', FLOAT, [9, size / 2]]];
    const feeds = {x: new ort.Tensor('float32', numbers(rows * size, 1), [1, rows, size]),
                   ids: new ort.Tensor('int64', BigInt64Array.from({length: rows * (streams[0] ?? 1)}, (_, i) => BigInt(i % 9)), ids),
                   cos: new ort.Tensor('float32', numbers(9 * size / 2, 2), [9, size / 2]),
                   sin: new ort.Tensor('float32', numbers(9 * size / 2, 3), [9, size / 2])};
    for (const scale of [1, 2]) {
        const bytes = model({node: {op, domain: 'com.microsoft', inputs: ['x', 'ids', 'cos', 'sin'], outputs: ['y'],
                                    attributes: {...attributes, num_heads: 1, scale: {float: scale}}},
                             inputs, outputs: [['y', FLOAT]], imports: {'': 17, 'com.microsoft': 1}});
        results.push((await run(ort, bytes, feeds)).y.data);
    }
    return results[1][0] / results[0][0];
};
const expect = (op, found, wanted) => {
    if (Math.abs(found - wanted) > 1e-5) throw new Error(`${op}: scale 2 multiplies by ${found}`);
    console.log(`${op}: scale 2 multiplies by ${wanted}`);
};
expect('RotaryEmbedding', await ratio('RotaryEmbedding', [], {}), 1);
expect('MRotaryEmbedding', await ratio('MRotaryEmbedding', [3], {mrope_section: [2, 1, 1]}), 2);
JS
node try.mjs
