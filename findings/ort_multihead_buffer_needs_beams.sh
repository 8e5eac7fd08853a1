#!/bin/sh
# ONNX Runtime 1.30.0: MultiHeadAttention of com.microsoft whose caches are buffers with room: past_sequence_length
# says how many rows count.
#
# Guess: the new row is written behind these; the other rows stay.
# Seen: only with cache_indirection, which beam search needs. Without it the rows of all heads but the first
# are those of other heads, and the new row of the first head is not there: rows are counted with the length
# of the past where they lie in the length of the buffer.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, INT32, model, run} from './onnx.mjs';
const heads = 2, size = 8, width = heads * size, room = 6, filled = 2;
const numbers = (n, k) => Float32Array.from({length: n}, (_, i) => Math.sin(k + i));
const feeds = {}, inputs = [];
const give = (name, type, dims, data) => {
    inputs.push([name, type, dims]);
    feeds[name] = new ort.Tensor(type === FLOAT ? 'float32' : 'int32', data, dims);
};
['q', 'k', 'v'].forEach((x, i) => give(x, FLOAT, [1, 1, width], numbers(width, i)));
['pk', 'pv'].forEach((x, i) => give(x, FLOAT, [1, heads, room, size], numbers(room * width, 5 + i)));
give('filled', INT32, [1], Int32Array.of(filled));
const wanted = Float32Array.from(feeds.pk.data);
for (let h = 0; h < heads; h++)
    wanted.set(feeds.k.data.slice(h * size, (h + 1) * size), (h * room + filled) * size);
const names = ['q', 'k', 'v', '', '', '', 'pk', 'pv', 'filled'];
const wrong = async (names) => {
    const bytes = model({node: {op: 'MultiHeadAttention', domain: 'com.microsoft', inputs: names,
                                outputs: ['y', 'present_k', 'present_v'], attributes: {num_heads: heads}},
                         inputs, outputs: ['y', 'present_k', 'present_v'].map((o) => [o, FLOAT]),
                         imports: {'': 17, 'com.microsoft': 1}});
    const found = (await run(ort, bytes, feeds)).present_k.data;
    return wanted.filter((x, i) => Math.abs(x - found[i]) > 1e-6).length;
};
const without = await wrong(names);
if (!without) throw new Error('the buffer is right without cache_indirection, too');
console.log(`without cache_indirection ${without} of ${wanted.length} numbers of the buffer are wrong`);
give('beams', INT32, [1, 1, room], new Int32Array(room));
const withBeams = await wrong([...names, 'beams']);
if (withBeams) throw new Error('the buffer is wrong with cache_indirection');
console.log('with a cache_indirection of zeros none is');
JS
node try.mjs
