#!/bin/sh
# ONNX Runtime 1.30.0: MultiHeadAttention and GroupQueryAttention of com.microsoft with a past, once with the
# caches as outputs and once without.
#
# Guess: which outputs a node names changes none of the others.
# Seen: without present_key and present_value the result is another one, since the past and the new rows are
# joined in these outputs only: the kernel then reads behind the end of the new keys. Exporters that drop an
# unread output change what the model says.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, INT32, model, run} from './onnx.mjs';
const heads = 2, size = 8, width = heads * size, rows = 3, past = 4;
const numbers = (n, k) => Float32Array.from({length: n}, (_, i) => Math.sin(k + i));
const feeds = {}, inputs = [];
const give = (name, type, dims, data) => {
    inputs.push([name, type, dims]);
    feeds[name] = new ort.Tensor(type === FLOAT ? 'float32' : 'int32', data, dims);
};
['q', 'k', 'v'].forEach((x, i) => give(x, FLOAT, [1, rows, width], numbers(rows * width, i)));
['pk', 'pv'].forEach((x, i) => give(x, FLOAT, [1, heads, past, size], numbers(past * width, 5 + i)));
const both = async (op, names, attributes, more = []) => {
    const results = [];
    for (const outputs of [['y', 'present_k', 'present_v'], ['y']]) {
        const used = inputs.filter(([name]) => names.includes(name));
        const bytes = model({node: {op, domain: 'com.microsoft', inputs: names, outputs, attributes}, inputs: used,
                             outputs: outputs.map((o) => [o, FLOAT]), imports: {'': 17, 'com.microsoft': 1}});
        const given = Object.fromEntries(used.map(([name]) => [name, feeds[name]]));
        results.push((await run(ort, bytes, given)).y.data);
    }
    const worst = Math.max(...results[0].map((x, i) => Math.abs(x - results[1][i])));
    if (worst < 1e-3) throw new Error(`${op}: the caches change nothing any more`);
    console.log(`${op}: without the caches as outputs the result differs by ${worst.toFixed(3)}`);
};
await both('MultiHeadAttention', ['q', 'k', 'v', '', '', '', 'pk', 'pv'], {num_heads: heads});
give('valid', INT32, [1], Int32Array.of(past + rows - 1));
give('total', INT32, [1], Int32Array.of(past + rows));
await both('GroupQueryAttention', ['q', 'k', 'v', 'pk', 'pv', 'valid', 'total'], {num_heads: heads, kv_num_heads: heads});
JS
node try.mjs
