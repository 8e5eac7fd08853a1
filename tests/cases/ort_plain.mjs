// Writes the cases ms_plain, ms_other_providers and gqa_norm of this folder; run it as ort.mjs is run. The first has ONNX Runtime's
// outputs. Its CPU provider has no kernels for what the other two are about: their outputs are computed here from the descriptions,
// or by the operators that they stand for.
import { BOOL, Case, FLOAT, FLOAT16, INT16, INT32, INT64, INT8, UINT8 } from './ort_case.mjs';

async function plain() {
    const c = new Case('ms_plain');
    c.input('x', FLOAT, [2, 3]); c.input('pads', INT64, [4], [1n, 0n, 0n, 2n]); c.weight('row', INT64, [1, 4], [0n, 1n, 0n, 1n]); c.weight('seven', FLOAT, [1], [7]);
    c.node('Pad', ['x', 'pads', 'seven'], ['pad'], { mode: 'constant' });
    c.node('Pad', ['x', 'row'], ['mirrored'], { mode: 'reflect' });
    c.node('Pad', ['x', 'row'], ['zeros']);
    c.weight('first', INT32, [1], [0]); c.weight('last', INT32, [], [-1]);
    c.node('ExpandDims', ['x', 'first'], ['front']); c.node('ExpandDims', ['x', 'last'], ['back']);
    c.input('many', FLOAT, [7], [3, 1, 1, 4, 3, 2, 1]);
    c.node('Unique', ['many'], ['distinct', ['where', INT64], ['counts', INT64]]);
    c.input('m', FLOAT, [3, 3, 3], [2, 1, 0, 1, 3, 1, 0, 1, 4, 0, 1, 0, 1, 0, 0, 0, 0, 2, 0, 0, 4, -1, 0, 1, 0, 0.5, 8]);
    c.node('Inverse', ['m'], ['inverse']);
    c.input('a', FLOAT, [3, 4]); c.input('b', FLOAT, [5, 4]);
    c.node('CDist', ['a', 'b'], ['far'], { metric: 'euclidean' }); c.node('CDist', ['a', 'b'], ['farther'], { metric: 'sqeuclidean' });
    c.input('i', INT16, [2, 3], c.codes(INT16, [2, 3], -9000, 9000)); c.input('j', INT16, [3, 4], c.codes(INT16, [3, 4], -9000, 9000));
    c.node('MatMulInteger16', ['i', 'j'], ['wide'], {}, INT32);
    c.input('image', FLOAT, [2, 2, 5, 4]); c.input('grid', FLOAT, [2, 1, 3, 2], [-0.5, 0.25, 0.125, 0.875, -1, 1, 0, 0, 1.5, -0.5, 0.75, 0.25]);
    c.node('GridSample', ['image', 'grid'], ['sampled'], { mode: 'bilinear', padding_mode: 'border', align_corners: 1 });
    c.input('boxes', FLOAT, [3, 4], [0, 0, 1, 1, 0.25, 0.5, 0.75, 1.25, 1, 0.75, 0.25, 0]); c.input('which', INT32, [3], [0, 1, 1]);
    c.weight('crop', INT32, [2], [3, 2]); c.weight('point', INT32, [2], [1, 1]);
    c.node('CropAndResize', ['image', 'boxes', 'which', 'crop'], ['cropped'], { mode: 'bilinear', extrapolation_value: { float: -3 } });
    c.node('CropAndResize', ['image', 'boxes', 'which', 'crop'], ['picked'], { mode: 'nearest' });
    c.node('CropAndResize', ['image', 'boxes', 'which', 'point'], ['middle']);
    await c.write();
}

const erf = (x) => {  // its series, enough terms for |x| < 5
    let sum = x, term = x;
    for (let k = 1; k < 120; k++) { term *= -x * x / k; sum += term / (2 * k + 1); }
    return 2 / Math.sqrt(Math.PI) * sum;
};

// [N, places, C] in groups of `each` channels.
function groupNorm(x, [n, places, channels], each, gamma, beta, silu, eps) {
    const y = new Float32Array(x.length);
    for (let b = 0; b < n; b++)
        for (let g = 0; g < channels; g += each) {
            const at = [];
            for (let p = 0; p < places; p++) for (let k = 0; k < each; k++) at.push((b * places + p) * channels + g + k);
            const mean = at.reduce((s, i) => s + x[i], 0) / at.length, square = at.reduce((s, i) => s + (x[i] - mean) ** 2, 0) / at.length;
            for (const i of at) {
                const v = (x[i] - mean) / Math.sqrt(square + eps) * gamma[i % channels] + beta[i % channels];
                y[i] = silu ? v / (1 + Math.exp(-v)) : v;
            }
        }
    return y;
}

function t5Bucket(distance, buckets, most, both) {
    let first = 0, far = Math.max(-distance, 0);
    if (both) { buckets /= 2; first = distance > 0 ? buckets : 0; far = Math.abs(distance); }
    const exact = buckets / 2;
    if (far < exact) return first + far;
    return first + Math.min(exact + Math.trunc(Math.log(far / exact) / Math.log(most / exact) * (buckets - exact)), buckets - 1);
}

async function otherProviders() {
    const c = new Case('ms_other_providers');
    const x = c.floats([2, 6, 8]), skip = c.floats([2, 6, 8]), bias = c.floats([8]);
    c.input('x', FLOAT, [2, 6, 8], x); c.input('skip', FLOAT, [2, 6, 8], skip); c.weight('bias', FLOAT, [8], bias);
    c.node('BiasAdd', ['x', 'bias', 'skip'], ['sum']);
    c.expect('sum', [2, 6, 8], x.map((v, i) => v + bias[i % 8] + skip[i]));
    const half = (i, side) => { const at = (i >> 2) * 8 + side * 4 + i % 4; return x[at] + bias[at % 8]; };
    c.node('BiasSplitGelu', ['x', 'bias'], ['gated']);
    c.expect('gated', [2, 6, 4], Array.from({ length: 48 }, (_, i) => { const g = half(i, 1); return half(i, 0) * 0.5 * g * (1 + erf(g / Math.SQRT2)); }));
    const a = c.floats([2, 3]), w = c.floats([4, 3]);
    c.input('a', FLOAT, [2, 3], a); c.weight('w', FLOAT, [4, 3], w);
    const product = (i) => [0, 1, 2].reduce((s, k) => s + a[(i >> 2) * 3 + k] * w[i % 4 * 3 + k], 0) / 2;
    c.node('FusedMatMulActivation', ['a', 'w'], ['relu'], { activation: 'Relu', transB: 1, alpha: { float: 0.5 } });
    c.expect('relu', [2, 4], Array.from({ length: 8 }, (_, i) => Math.max(product(i), 0)));
    c.node('FusedMatMulActivation', ['a', 'w'], ['leaky'], { activation: 'LeakyRelu', activation_alpha: { float: 0.25 }, transB: 1, alpha: { float: 0.5 } });
    c.expect('leaky', [2, 4], Array.from({ length: 8 }, (_, i) => product(i) * (product(i) < 0 ? 0.25 : 1)));
    // 8 buckets: far enough for the logarithmic ones and for the last.
    const table = c.floats([8, 2]);
    c.weight('table', FLOAT, [8, 2], table); c.input('queries', INT64, [], [5n]); c.input('keys', INT64, [1], [30n]);
    for (const both of [0, 1]) {
        c.node('RelativePositionBias', ['table', 'queries', 'keys'], [`positions${both}`], { max_distance: 20, is_bidirectional: both });
        c.expect(`positions${both}`, [1, 2, 5, 30], Array.from({ length: 300 }, (_, i) =>
            table[t5Bucket(i % 30 - Math.floor(i / 30) % 5, 8, 20, both) * 2 + Math.floor(i / 150)]));
    }
    const image = c.floats([2, 3, 2, 8]), gamma = c.floats([8]), beta = c.floats([8]);
    c.input('image', FLOAT, [2, 3, 2, 8], image); c.weight('gamma', FLOAT, [8], gamma); c.weight('beta', FLOAT, [8], beta);
    for (const silu of [0, 1]) {
        c.node('GroupNorm', ['image', 'gamma', 'beta'], [`norm${silu}`], { groups: 2, activation: silu, epsilon: { float: 0.01 } });
        c.expect(`norm${silu}`, [2, 3, 2, 8], groupNorm(image, [2, 6, 8], 4, gamma, beta, silu, 0.01));
    }
    const flat = c.floats([2, 8]), total = image.map((v, i) => v + flat[Math.floor(i / 48) * 8 + i % 8] + bias[i % 8]);
    c.input('flat', FLOAT, [2, 8], flat);
    c.node('SkipGroupNorm', ['image', 'gamma', 'beta', 'flat', 'bias'], ['after', 'total'], { groups: 4, activation: 0 });
    c.expect('after', [2, 3, 2, 8], groupNorm(total, [2, 6, 8], 2, gamma, beta, 0, 1e-5)); c.expect('total', [2, 3, 2, 8], total);
    // The same with its channels second.
    const second = (v) => Float32Array.from({ length: 96 }, (_, i) => v[Math.floor(i / 48) * 48 + i % 6 * 8 + Math.floor(i / 6) % 8]);
    c.input('second', FLOAT, [2, 8, 3, 2], second(image));
    c.node('GroupNorm', ['second', 'gamma', 'beta'], ['norm_second'], { groups: 2, activation: 1, channels_last: 0, epsilon: { float: 0.01 } });
    c.expect('norm_second', [2, 8, 3, 2], second(groupNorm(image, [2, 6, 8], 4, gamma, beta, 1, 0.01)));
    c.node('SkipGroupNorm', ['second', 'gamma', 'beta', 'flat', 'bias'], ['after_second'], { groups: 4, activation: 0, channels_last: 0 });
    c.expect('after_second', [2, 8, 3, 2], second(groupNorm(total, [2, 6, 8], 2, gamma, beta, 0, 1e-5)));
    await c.write();
}

// What GridSample does with places outside of the image; docs/deviations.md says where ONNX Runtime does other than ONNX.
async function gridSamples() {
    const c = new Case('grid_samples', 20), image = c.floats([1, 1, 4, 5]);
    c.input('image', FLOAT, [1, 1, 4, 5], image); c.input('grid', FLOAT, [1, 5, 6, 2]);
    for (const align_corners of [0, 1])
        for (const mode of ['nearest', 'linear', 'cubic'])
            for (const padding_mode of ['zeros', 'border', 'reflection'])
                if (mode !== 'cubic' || padding_mode !== 'border')
                    c.node('GridSample', ['image', 'grid'], [`${mode}_${padding_mode}_${align_corners}`], { mode, padding_mode, align_corners }, FLOAT, '');
    // Right of the last column, in row 1, at three distances.
    c.input('right', FLOAT, [1, 1, 3, 2], [1.125, -1 / 3, 1.25, -1 / 3, 9, -1 / 3]);
    c.node('GridSample', ['image', 'right'], ['beside'], { mode: 'cubic', padding_mode: 'border', align_corners: 1 }, FLOAT, '');
    c.expect('beside', [1, 1, 1, 3], [9, 9, 9].map((i) => image[i]));
    await c.write();
}

// Results half way between two codes, with odd zero points: some operators round with the zero point in the sum, some without.
async function halfWay() {
    const c = new Case('ms_half_way_codes'), codes = (name, type, dims, lo, hi) => c.input(name, type, dims, c.codes(type, dims, lo, hi));
    c.weight('quarter', FLOAT, [], [0.25]); c.weight('half', FLOAT, [], [0.5]); c.weight('none', INT8, [], [0]); c.weight('which', BOOL, [6], [1, 0, 1, 1, 0, 1]);
    for (const [type, name, zero] of [[UINT8, 'u', 121], [INT8, 's', -5]]) {
        const z = c.weight(`${name}_zero`, type, [], [zero]), image = codes(`${name}_image`, type, [1, 2, 6, 6], zero - 20, zero + 20), to = ['half', z], x = [image, 'quarter', z];
        const node = (op, inputs, result, attributes) => c.node(op, inputs, [`${name}_${result}`], attributes, type);
        node('QLinearAveragePool', [...x, ...to], 'pool', { kernel_shape: [2, 2] });
        node('QLinearAveragePool', [...x, ...to], 'pool_last', { kernel_shape: [2, 2], channels_last: 1 });
        node('QLinearGlobalAveragePool', [...x, ...to], 'mean', { channels_last: 0 });
        node('QLinearConcat', [...to, ...x], 'concat', { axis: 0 });
        node('QLinearWhere', ['which', ...x, ...x, ...to], 'where');
        node('QLinearLeakyRelu', [...x, ...to], 'leaky', { alpha: { float: 0.5 } });
        node('QLinearAdd', [...x, ...x, ...to], 'sum'); node('QLinearMul', [...x, ...x, ...to], 'product');
    }
    await c.write();
}

// A tensor of float16 is one between two nodes, too: 60000 * 2 overflows.
async function halves() {
    const c = new Case('half_between_nodes', 21);
    c.input('x', FLOAT16, [3], Uint16Array.of(0x7b53, 0x3c01, 0xbc01)); c.weight('two', FLOAT16, [], Uint16Array.of(0x4000)); c.weight('quarter', FLOAT16, [], Uint16Array.of(0x3400));
    c.weight('much', FLOAT16, [], Uint16Array.of(0x6400));
    const step = (op, inputs, to, attributes = {}) => c.nodes.push({ op, domain: '', inputs, outputs: [to], attributes });
    step('Mul', ['x', 'two'], 'middle'); step('Mul', ['middle', 'quarter'], 'last'); step('Cast', ['last'], 'overflow', { to: FLOAT });
    step('Add', ['x', 'much'], 'more'); step('Sub', ['more', 'much'], 'less'); step('Cast', ['less'], 'rounded', { to: FLOAT });
    c.outputs.push(['overflow', FLOAT], ['rounded', FLOAT]);
    c.expect('overflow', [3], [Infinity, 0.50048828125, -0.50048828125]);
    c.expect('rounded', [3], [60000, 1, -1]);  // 60000 + 1024 is 61024, and back
    await c.write();
}

// MoE of float16 is that of float32 over numbers which both hold, rounded.
async function halfMoe() {
    const bits = { '-2': 0xc000, '-1': 0xbc00, 0: 0, 1: 0x3c00, 2: 0x4000 }, wide = new Case('ms_moe_half'), half = new Case('ms_moe_half');
    for (const [c, type, of] of [[wide, FLOAT, (v) => v], [half, FLOAT16, (v) => bits[v]]]) {
        const data = (n, shift) => Array.from({ length: n }, (_, i) => of((i * 7 + shift) % 5 - 2));
        c.input('x', type, [2, 4], data(8, 2)); c.input('router', type, [2, 3], data(6, 0)); c.weight('first', type, [3, 8, 4], data(96, 1)); c.weight('second', type, [3, 4, 8], data(96, 3));
        c.nodes.push({ op: 'MoE', domain: 'com.microsoft', inputs: ['x', 'router', 'first', '', 'second'], outputs: ['sum'], attributes: { k: 1, activation_type: 'relu' } },
                     { op: 'Cast', domain: '', inputs: ['sum'], outputs: ['y'], attributes: { to: FLOAT } });
        c.outputs.push(['y', FLOAT]);
    }
    const { y } = await wide.run();
    half.expect('y', y.dims, y.data);
    await half.write();
}

// Queries and keys are normalised head by head before they turn: once by the operator, once in front of it.
async function queryNorm() {
    const [heads, groups, size, rows, past] = [4, 2, 16, 3, 2], given = new Case('gqa_norm'), spelled = new Case('gqa_norm');
    const outs = ['y', 'present_key', 'present_value'], attributes = { num_heads: heads, kv_num_heads: groups, do_rotary: 1 };
    for (const c of [given, spelled]) {
        c.input('q', FLOAT, [1, rows, heads * size]); c.input('k', FLOAT, [1, rows, groups * size]); c.input('v', FLOAT, [1, rows, groups * size]);
        c.input('pk', FLOAT, [1, groups, past, size]); c.input('pv', FLOAT, [1, groups, past, size]);
        c.input('valid', INT32, [1], [rows + past - 1]); c.input('all', INT32, [], [rows + past]);
        c.weight('cos', FLOAT, [8, size / 2]); c.weight('sin', FLOAT, [8, size / 2]); c.weight('qn', FLOAT, [size]); c.weight('kn', FLOAT, [size]);
    }
    for (const [x, w, count] of [['q', 'qn', heads], ['k', 'kn', groups]]) {
        spelled.weight(`${x}_split`, INT64, [4], [1n, BigInt(rows), BigInt(count), BigInt(size)]); spelled.weight(`${x}_whole`, INT64, [3], [1n, BigInt(rows), BigInt(count * size)]);
        spelled.nodes.push({ op: 'Reshape', domain: '', inputs: [x, `${x}_split`], outputs: [`${x}_heads`] },
                           { op: 'SimplifiedLayerNormalization', domain: '', inputs: [`${x}_heads`, w], outputs: [`${x}_norm`], attributes: { axis: -1, epsilon: { float: 0.001 } } },
                           { op: 'Reshape', domain: '', inputs: [`${x}_norm`, `${x}_whole`], outputs: [`${x}_n`] });
    }
    spelled.node('GroupQueryAttention', ['q_n', 'k_n', 'v', 'pk', 'pv', 'valid', 'all', 'cos', 'sin'], outs, attributes);
    const results = await spelled.run();
    given.node('GroupQueryAttention', ['q', 'k', 'v', 'pk', 'pv', 'valid', 'all', 'cos', 'sin', '', '', '', '', '', 'qn', 'kn'], outs, { ...attributes, qk_norm_epsilon: { float: 0.001 } });
    for (const o of outs) given.expect(o, results[o].dims, results[o].data);
    await given.write();
}

async function refusals() {
    const refuse = async (name, message, op, inputs, attributes = {}, outputs = ['y']) => {
        const c = new Case(name);
        for (const [k, [type, dims, data]] of inputs.entries()) (data ? c.weight : c.input).call(c, `i${k}`, type, dims, data);
        c.node(op, inputs.map((_, k) => `i${k}`), outputs, attributes);
        await c.refuse(message);
    };
    const image = [FLOAT, [1, 4, 3, 6]], norm = { groups: 2, activation: 0 }, weights = [[FLOAT, [6]], [FLOAT, [6]]], sizes = [[INT64, [], [3n]], [INT64, [], [3n]]];
    await refuse('cdist_metric', 'attribute metric is cosine, expected euclidean or sqeuclidean', 'CDist', [[FLOAT, [2, 3]], [FLOAT, [4, 3]]], { metric: 'cosine' });
    await refuse('crop_mode', 'attribute mode is cubic, expected bilinear or nearest', 'CropAndResize', [image, [FLOAT, [1, 4]], [INT32, [1]], [INT32, [2], [2, 2]]], { mode: 'cubic' });
    await refuse('crop_size', 'input 3 has 1, expected two elements', 'CropAndResize', [image, [FLOAT, [1, 4]], [INT32, [1]], [INT32, [1], [2]]]);
    await refuse('expand_dims_axis', 'axis 3 is outside [-3, 3)', 'ExpandDims', [[FLOAT, [2, 3]], [INT32, [], [3]]]);
    await refuse('expand_dims_axes', 'input 1 has 2, expected one element', 'ExpandDims', [[FLOAT, [2, 3]], [INT32, [2], [0, 1]]]);
    await refuse('split_gelu_odd', 'input 0 has a width of 3, expected an even one', 'BiasSplitGelu', [[FLOAT, [2, 3]], [FLOAT, [3]]]);
    await refuse('position_buckets', 'input 0 has a number of rows of 2, expected a known one, 4 or more', 'RelativePositionBias', [[FLOAT, [2, 3]], ...sizes], { max_distance: 9 });
    await refuse('position_distance', "attribute max_distance is 4, expected more than half of the table's rows", 'RelativePositionBias', [[FLOAT, [8, 3]], ...sizes], { max_distance: 4 });
    await refuse('group_norm_groups', 'input 0 has a number of channels of 6, expected a multiple of groups', 'GroupNorm', [image, ...weights], { ...norm, groups: 4 });
    await refuse('group_norm_none', 'attribute groups is 0, expected a positive number', 'GroupNorm', [image, ...weights], { ...norm, groups: 0 });
    await refuse('group_norm_activation', 'attribute activation is 2, expected 0 or 1', 'GroupNorm', [image, ...weights], { ...norm, activation: 2 });
    await refuse('simplified_mean', "output 1 ('mean') is a mean, which this norm has not; expected no name there", 'SkipSimplifiedLayerNormalization',
        [[FLOAT, [1, 2, 4]], [FLOAT, [1, 2, 4]], [FLOAT, [4]]], {}, ['y', 'mean']);
    await refuse('inverse_rank', 'input 0 has rank 1, expected 2 or more', 'Inverse', [[FLOAT, [3]]]);
}

await refusals();
await plain();
await gridSamples();
await halves();
await halfWay();
await halfMoe();
await otherProviders();
await queryNorm();
