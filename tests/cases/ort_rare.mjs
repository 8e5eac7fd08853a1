// Writes the cases ms_tokens, ms_windows, ms_sparse_attention, ms_masks_of_one and removed of this folder, of operators and forms that few
// models have; run it as ort.mjs is run.
import { Case, FLOAT, INT32, INT64, STRING, UINT32 } from './ort_case.mjs';

const i64 = (list) => list.map(BigInt);

async function tokens() {
    const c = new Case('ms_tokens');
    c.input('list', INT64, [2, 8], i64([5, 1, 2, 3, 5, 1, 2, 4, 7, 7, 7, 7, 0, 7, 7, 7])); c.input('scores', FLOAT, [2, 9]);
    for (let n = 1; n <= 4; n++) c.node('NGramRepeatBlock', ['list', 'scores'], [`blocked${n}`], { ngram_size: n });
    c.node('NGramRepeatBlock', ['list', 'scores'], ['free'], { ngram_size: 9 });
    c.input('before', INT64, [2, 2], i64([3, 9, 0, 4])); c.weight('factors', INT64, [3], BigInt64Array.from(i64([7919, -104729, 1299709])));
    c.weight('buckets', INT64, [4], BigInt64Array.from(i64([11, 13, 101, 97])));
    const sizes = { max_ngram_size: 3, n_head_per_ngram: 2, pad_id: 6 };
    c.node('NGramHashMapping', ['list', 'factors', 'buckets', 'before'], ['hash', 'last'], sizes, INT64);
    c.node('NGramHashMapping', ['list', 'factors', 'buckets'], ['fresh', 'fresh_last'], sizes, INT64);
    c.input('one', INT64, [2, 1], i64([8, 5]));
    c.node('NGramHashMapping', ['one', 'factors', 'buckets', 'before'], ['one_hash', 'one_last'], sizes, INT64);
    c.input('i', INT32, [6], [0, 1, -1, 2147483647, -2147483648, 123456]); c.input('u', UINT32, [3], [0, 4294967295, 3000000000]);
    c.input('s', STRING, [2, 4], ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'größer', 'a longer string than the others']);
    for (const x of ['i', 'u', 's']) {
        c.node('MurmurHash3', [x], [`${x}_hash`], {}, UINT32);
        c.node('MurmurHash3', [x], [`${x}_seeded`], { seed: 42, positive: 0 }, INT32);
    }
    await c.write();
}

async function windows() {
    const c = new Case('ms_windows');
    c.input('x', FLOAT, [2, 3, 9]);
    c.node('UnfoldTensor', ['x'], ['rows'], { size: 4, step: 2 });
    c.node('UnfoldTensor', ['x'], ['middle'], { dim: 1, size: 2 });
    const mask = (dims, f) => Int32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => f(i));
    // One channel of the mask for all of the input: ONNX Runtime 1.30 takes others at wrong places, so that what they give is computed here.
    c.input('m1', INT32, [1, 1, 9], mask([9], (i) => i % 5 !== 4));
    c.node('MaxpoolWithMask', ['x', 'm1'], ['line'], { kernel_shape: [3], pads: [1, 1], strides: [2] });
    const channels = c.input('m4', INT32, [1, 3, 9], mask([27], (i) => (i * 5) % 7 > 1)), x = c.feeds.x[2], m = c.feeds[channels][2];
    c.node('MaxpoolWithMask', ['x', channels], ['by_channel'], { kernel_shape: [2] });
    c.expect('by_channel', [2, 3, 8], Array.from({ length: 48 }, (_, i) => {
        const at = Math.floor(i / 8) * 9 + i % 8, lowest = -3.4028234663852886e38;
        return m[at % 27] ? Math.max(x[at], m[(at + 1) % 27] ? x[at + 1] : lowest) : lowest;
    }));
    c.input('y', FLOAT, [2, 2, 5, 6]); c.input('m2', INT32, [1, 1, 5, 6], mask([5, 6], (i) => (i * 7) % 11 > 2));
    c.node('MaxpoolWithMask', ['y', 'm2'], ['plane'], { kernel_shape: [2, 3], pads: [0, 1, 1, 1], strides: [2, 1] });
    c.node('MaxpoolWithMask', ['y', 'm2'], ['same'], { kernel_shape: [3, 3], auto_pad: 'SAME_UPPER' });
    c.input('z', FLOAT, [1, 2, 3, 4, 5]); c.input('m3', INT32, [1, 1, 3, 4, 5], mask([60], (i) => (i * 13) % 7 > 1));
    c.node('MaxpoolWithMask', ['z', 'm3'], ['space'], { kernel_shape: [2, 2, 2] });
    c.weight('w', FLOAT, [2, 3, 3, 2]); c.weight('bias', FLOAT, [3]); c.input('pads', INT64, [4], i64([1, 0, 0, 1])); c.weight('known', INT64, [4], BigInt64Array.from(i64([1, 1, 0, 0])));
    c.node('ConvTransposeWithDynamicPads', ['y', 'w', 'pads', 'bias'], ['wide'], { strides: [2, 1], output_padding: [1, 0], dilations: [1, 2] });
    c.weight('w2', FLOAT, [2, 2, 3, 2]);
    c.node('ConvTransposeWithDynamicPads', ['y', 'w2', 'known'], ['grouped'], { group: 2, kernel_shape: [3, 2] });
    c.input('costs', FLOAT, [1, 5, 7]); c.input('flat', FLOAT, [4, 4], new Float32Array(16));
    c.node('DynamicTimeWarping', ['costs'], ['way'], {}, INT32);
    c.node('DynamicTimeWarping', ['flat'], ['equal'], {}, INT32);
    c.node('SampleOp', ['x'], ['copy']);
    await c.write();
}

// Biases of open sizes, of which a run sets some to 1.
async function open() {
    const c = new Case('ms_masks_of_one', 24), [B, H, S, T, D] = [2, 3, 4, 5, 8];
    c.input('q', FLOAT, [B, S, H * D]); c.input('k', FLOAT, [B, T, H * D]); c.input('v', FLOAT, [B, T, H * D]);
    for (const [i, dims] of [[1, 1, S, T], [B, 1, S, T], [1, H, S, T]].entries()) {
        c.open(c.input(`bias${i}`, FLOAT, dims), [`b${i}`, `h${i}`, `s${i}`, `t${i}`]);
        c.node('MultiHeadAttention', ['q', 'k', 'v', '', '', `bias${i}`], [`y${i}`], { num_heads: H });
        c.node('Attention', ['q', 'k', 'v', `bias${i}`], [`z${i}`], { q_num_heads: H, kv_num_heads: H }, FLOAT, '');
    }
    await c.write();
}

// What ONNX removed, in a model of opset 8 (MeanVarianceNormalization has another form since 9).
async function removed() {
    const c = new Case('removed', 8), f = (x) => ({ float: x }), node = (op, inputs, outputs, attributes) => c.node(op, inputs, outputs, attributes, FLOAT, '');
    c.input('x', FLOAT, [2, 3, 4, 5]); c.input('v', FLOAT, [7]);
    node('Affine', ['v'], ['affine'], { alpha: f(1.5), beta: f(-0.5) });
    node('Affine', ['v'], ['unchanged'], {});
    node('ParametricSoftplus', ['v'], ['softplus'], { alpha: f(0.5), beta: f(2) });
    node('ScaledTanh', ['v'], ['tanh'], { alpha: f(2), beta: f(0.25) });
    node('Scale', ['v'], ['scaled'], { scale: f(3) });
    node('ThresholdedRelu', ['v'], ['above_one'], {});
    node('ThresholdedRelu', ['v'], ['above'], { alpha: f(0.5) });
    node('ImageScaler', ['x'], ['image'], { scale: f(0.5), bias: { floats: [1, -2, 0.25] } });
    node('Crop', ['x'], ['bordered'], { border: [1, 0, 2, 1] });
    node('Crop', ['x'], ['sized'], { border: [1, 2, 0, 0], scale: [2, 3] });
    c.input('starts', INT64, [2], i64([1, -3])); c.input('ends', INT64, [2], i64([3, 100])); c.weight('axes', INT64, [2], BigInt64Array.from(i64([2, 3])));
    node('DynamicSlice', ['x', 'starts', 'ends', 'axes'], ['slice'], {});
    node('DynamicSlice', ['v', 'first', 'last'], ['front'], {}); c.weight('first', INT64, [1], BigInt64Array.from([1n])); c.weight('last', INT64, [1], BigInt64Array.from([4n]));
    for (const [name, across, variance] of [['mvn', 0, 1], ['across', 1, 1], ['means', 0, 0], ['mean', 1, 0]])
        node('MeanVarianceNormalization', ['x'], [name], { across_channels: across, normalize_variance: variance });
    await c.write();
}

await open();
await removed();
await tokens();
await windows();

// Three blocks of two keys; layout 0 reads all before, layout 1 its own block and, from the third on, the first one. ONNX Runtime 1.30 takes
// past and present only where they are one buffer. Prompts of unequal length are not asked for: their padded rows hold what was there.
async function sparse() {
    const c = new Case('ms_sparse_attention');
    const heads = 4, groups = 2, width = 16, room = 6, attributes = { num_heads: heads, kv_num_heads: groups, sparse_block_size: 2 };
    c.weight('starts', INT32, [2, 4], [0, 1, 3, 6, 0, 1, 2, 4]); c.weight('columns', INT32, [2, 6], [0, 0, 1, 0, 1, 2, 0, 1, 0, 2, -1, -1]);
    c.weight('cos', FLOAT, [8, 8]); c.weight('sin', FLOAT, [8, 8]);
    const layer = (name, rows, total, lengths, more, packed) => {
        const batch = lengths.length;
        c.input(`${name}_q`, FLOAT, [batch, rows, (packed ? heads + 2 * groups : heads) * width]);
        for (const x of packed ? [] : ['k', 'v']) c.input(`${name}_${x}`, FLOAT, [batch, rows, groups * width]);
        for (const x of ['k', 'v']) {
            c.input(`${name}_past_${x}`, FLOAT, [batch, groups, room, width]);
            c.share(`${name}_present_${x}`, `${name}_past_${x}`);
        }
        c.input(`${name}_lengths`, INT32, [batch], lengths); c.input(`${name}_total`, INT32, [1], [total]);
        const kv = packed ? ['', ''] : [`${name}_k`, `${name}_v`], rotary = more.do_rotary ? ['cos', 'sin'] : [];
        c.node('SparseAttention', [`${name}_q`, ...kv, `${name}_past_k`, `${name}_past_v`, 'starts', 'columns', `${name}_total`, `${name}_lengths`, ...rotary],
               [`${name}_y`, `${name}_present_k`, `${name}_present_v`], { ...attributes, ...more });
    };
    layer('prompt', 5, 5, [5, 5], { scale: { float: 0.25 } });
    layer('turned', 6, 6, [6], { do_rotary: 1 });
    layer('step', 1, 5, [5, 5], { do_rotary: 1, rotary_interleaved: 1 });
    layer('packed', 2, 6, [6, 6], {}, true);
    // Of unequal lengths ONNX Runtime 1.30 multiplies the values by other rows' weights: each batch is run alone.
    layer('ragged', 1, 6, [6, 4], {});
    const alone = [];
    for (const [b, length] of [6, 4].entries()) {
        const one = (name) => { const [type, dims, data] = c.feeds[name], n = data.length / 2; return [type, [1, ...dims.slice(1)], data.slice(b * n, (b + 1) * n)]; };
        const d = Object.assign(new Case('alone'), { initializers: c.initializers, shared: c.shared });
        for (const x of ['q', 'k', 'v', 'past_k', 'past_v']) d.input(`ragged_${x}`, ...one(`ragged_${x}`));
        d.input('ragged_lengths', INT32, [1], [length]); d.input('ragged_total', INT32, [1], [length]);
        const { inputs, outputs, attributes: more } = c.nodes.at(-1);
        d.node('SparseAttention', inputs, outputs, more);
        alone.push(await d.run());
    }
    for (const name of c.nodes.at(-1).outputs) {
        const [x, y] = alone.map((r) => r[name]);
        c.expect(name, [2, ...x.dims.slice(1)], [...x.data, ...y.data]);
    }
    await c.write();
}

await sparse();

async function refuse(name, message, op, attributes, build, domain = 'com.microsoft') {
    const c = domain ? new Case(`ms_${name}`) : new Case(name, 9);
    c.node(op, build(c), ['y'], attributes, FLOAT, domain);
    await c.refuse(message);
}

async function refusals() {
    const list = (c) => [c.input('list', INT64, [1, 4], i64([1, 2, 3, 1]))], block = (c) => [...list(c), c.input('scores', FLOAT, [1, 5])];
    await refuse('ngram_of_none', 'attribute ngram_size is 0, expected 1 to 64', 'NGramRepeatBlock', { ngram_size: 0 }, block);
    const hash = (c) => [...list(c), c.input('factors', INT64, [2], i64([3, 5])), c.input('buckets', INT64, [1], i64([7]))];
    await refuse('hash_of_one', 'attribute max_ngram_size is 1, expected 2 to 64', 'NGramHashMapping', { max_ngram_size: 1, n_head_per_ngram: 1, pad_id: 0 }, hash);
    await refuse('hash_without_heads', 'attribute n_head_per_ngram is 0, expected a positive number', 'NGramHashMapping', { max_ngram_size: 2, n_head_per_ngram: 0, pad_id: 0 }, hash);
    await refuse('hash_sign', 'attribute positive is 2, expected 0 or 1', 'MurmurHash3', { positive: 2 }, (c) => [c.input('x', INT32, [2], [1, 2])]);
    await refuse('hash_wide', 'has element type i64, expected i32, u32 or string', 'MurmurHash3', {}, list);
    await refuse('unfold_none', 'attribute size is 0, expected a positive number', 'UnfoldTensor', { size: 0 }, (c) => [c.input('x', FLOAT, [4])]);
    await refuse('unfold_still', 'attribute step is 0, expected a positive number', 'UnfoldTensor', { size: 2, step: 0 }, (c) => [c.input('x', FLOAT, [4])]);
    await refuse('unfold_wide', 'attribute size is 5, expected at most 4', 'UnfoldTensor', { size: 5 }, (c) => [c.input('x', FLOAT, [4])]);
    await refuse('mask_without_channels', 'has a number of channels of 0, expected a positive one', 'MaxpoolWithMask', { kernel_shape: [2] },
                 (c) => [c.input('x', FLOAT, [1, 1, 4]), c.input('m', INT32, [1, 0, 4], [])]);
    await refuse('pads_of_one_axis', 'has length 2, expected 4', 'ConvTransposeWithDynamicPads', {},
                 (c) => [c.input('x', FLOAT, [1, 1, 3, 3]), c.weight('w', FLOAT, [1, 1, 2, 2]), c.input('pads', INT64, [2], i64([0, 0]))]);
    await refuse('pads_by_size', "attribute auto_pad is 'SAME_UPPER', only NOTSET is supported", 'ConvTransposeWithDynamicPads', { auto_pad: 'SAME_UPPER' },
                 (c) => [c.input('x', FLOAT, [1, 1, 3, 3]), c.weight('w', FLOAT, [1, 1, 2, 2]), c.input('pads', INT64, [4], i64([0, 0, 0, 0]))]);
    const image = (c) => [c.input('x', FLOAT, [1, 1, 3, 4])];
    await refuse('crop_of_two', 'border has 2 and scale 0 entries, expected 4 and 0 or 2', 'Crop', { border: [1, 1] }, image, '');
    await refuse('crop_outside', 'border and scale do not fit axis 2 of size 3', 'Crop', { border: [0, 1, 0, 1], scale: [3, 1] }, image, '');
    await refuse('warp_of_many', 'input 0 has dims [2, 3, 3], expected [1, 3, 3]', 'DynamicTimeWarping', {}, (c) => [c.input('x', FLOAT, [2, 3, 3])]);
    const attention = (layouts, past, total = 1) => (c) => [c.input('q', FLOAT, [1, 1, 24]), '', '', ...['k', 'v'].map((x) => (past ? c.input(x, FLOAT, [1, 1, 4, 8]) : '')),
        c.input('starts', INT32, [layouts, 3], new Int32Array(3 * layouts)), c.input('columns', INT32, [layouts, 1], new Int32Array(layouts)),
        c.input('total', INT32, [total], new Int32Array(total)), c.input('lengths', INT32, [1], [1])];
    const sparse = { num_heads: 1, kv_num_heads: 1, sparse_block_size: 2 };
    await refuse('sparse_blocks_of_none', 'attribute sparse_block_size is 0, expected a positive number', 'SparseAttention', { ...sparse, sparse_block_size: 0 }, attention(1, true));
    await refuse('sparse_layouts', 'has a number of layouts of 2, expected one that divides num_heads', 'SparseAttention', sparse, attention(2, true));
    await refuse('sparse_without_past', 'past_key and past_value are missing', 'SparseAttention', sparse, attention(1, false));
    await refuse('sparse_totals', 'has 2, expected one element', 'SparseAttention', sparse, attention(1, true, 2));
}

await refusals();
