// Writes the cases attributes_NAME/ of this folder: attributes of ONNX's own operators that none of ONNX's cases sets, each with
// another value than its default; outputs are ONNX Runtime's. Used like ort.mjs.
import { BOOL, Case, FLOAT, FLOAT16, INT32, INT64, INT8, UINT8 } from './ort_case.mjs';

const f = (x) => ({ float: x }), floats = (...x) => ({ floats: x });

// ---- reductions: axes as an attribute, then noop_with_empty_axes ----

async function reductions() {
    const kinds = ['ReduceMean', 'ReduceProd', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceLogSum', 'ReduceLogSumExp'];
    const c = new Case('attributes_reduce_13', 13), d = new Case('attributes_reduce_18', 18);
    for (const k of [c, d]) k.input('x', FLOAT, [2, 3, 4], k.floats([2, 3, 4]).map((v) => Math.abs(v) + 0.5));
    for (const op of kinds) {
        c.node(op, ['x'], [op], { axes: [0, -1], keepdims: 0 }, FLOAT, '');
        d.node(op, ['x'], [op], { noop_with_empty_axes: 1 }, FLOAT, '');
        d.node(op, ['x'], [`${op}_all`], { noop_with_empty_axes: 0, keepdims: 0 }, FLOAT, '');
    }
    await c.write();
    await d.write();
}

// ---- windows ----

async function windows() {
    const c = new Case('attributes_windows', 18);
    c.input('x', UINT8, [1, 4, 6, 7], c.codes(UINT8, [1, 4, 6, 7], 0, 255)); c.input('r', FLOAT, [1, 2, 7, 6]);
    c.weight('w', UINT8, [4, 2, 2, 3], c.codes(UINT8, [4, 2, 2, 3], 100, 150)); c.weight('wi', INT8, [4, 2, 2, 3], c.codes(INT8, [4, 2, 2, 3], -60, 60));
    c.weight('xz', UINT8, [], [120]); c.weight('wz', UINT8, [], [125]); c.weight('iz', INT8, [], [0]);
    c.weight('xs', FLOAT, [], [0.02]); c.weight('ws', FLOAT, [], [0.05]); c.weight('ys', FLOAT, [], [0.5]); c.weight('yz', UINT8, [], [128]);
    const integer = (name, attributes) => c.node('ConvInteger', ['x', 'w', 'xz', 'wz'], [name], { group: 2, ...attributes }, INT32, '');
    integer('integer_strides', { strides: [2, 1], kernel_shape: [2, 3] }); integer('integer_dilations', { dilations: [2, 2] });
    integer('integer_upper', { auto_pad: 'SAME_UPPER' }); integer('integer_lower', { auto_pad: 'SAME_LOWER', strides: [2, 2] }); integer('integer_valid', { auto_pad: 'VALID' });
    const linear = (name, attributes) => c.node('QLinearConv', ['x', 'xs', 'xz', 'wi', 'ws', 'iz', 'ys', 'yz'], [name], { group: 2, ...attributes }, UINT8, '');
    linear('linear_strides', { strides: [1, 2], kernel_shape: [2, 3] }); linear('linear_dilations', { dilations: [1, 2] });
    linear('linear_upper', { auto_pad: 'SAME_UPPER' }); linear('linear_lower', { auto_pad: 'SAME_LOWER' });
    c.node('GlobalLpPool', ['r'], ['global_1'], { p: 1 }, FLOAT, ''); c.node('GlobalLpPool', ['r'], ['global_3'], { p: 3 }, FLOAT, '');
    c.node('LpPool', ['r'], ['lp_pads'], { kernel_shape: [3, 2], pads: [1, 0, 1, 1], p: 3 }, FLOAT, '');
    c.node('LpPool', ['r'], ['lp_ceil'], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }, FLOAT, '');
    c.node('MeanVarianceNormalization', ['r'], ['mvn'], { axes: [1, 3] }, FLOAT, '');
    await c.write();
}

// ---- recurrent layers ----

async function recurrent() {
    const c = new Case('attributes_recurrent', 14), H = 3, I = 2;
    c.input('x', FLOAT, [4, 2, I]);
    for (const [op, gates] of [['RNN', 1], ['GRU', 3], ['LSTM', 4]]) {
        for (const n of [1, 2]) {
            c.weight(`${op}_w${n}`, FLOAT, [n, gates * H, I]); c.weight(`${op}_r${n}`, FLOAT, [n, gates * H, H]); c.weight(`${op}_b${n}`, FLOAT, [n, 2 * gates * H]);
        }
        const layer = (name, attributes, n = 1) => c.node(op, ['x', `${op}_w${n}`, `${op}_r${n}`, `${op}_b${n}`], [`${op}_${name}`, `${op}_${name}_last`],
                                                          { hidden_size: H, ...attributes }, FLOAT, '');
        const one = { RNN: ['Affine'], GRU: ['HardSigmoid', 'LeakyRelu'], LSTM: ['HardSigmoid', 'ScaledTanh', 'Tanh'] }[op];
        layer('clip', { clip: f(0.75) }); layer('reverse', { direction: 'reverse' }); layer('both', { direction: 'bidirectional' }, 2);
        layer('activations', { activations: { strings: one }, activation_alpha: floats(...[0.25, 0.5].slice(0, op === 'RNN' ? 1 : 2)),
                               activation_beta: floats(...(op === 'LSTM' ? [0.375, 0.75] : [0.375])) });
        if (op === 'GRU') layer('after', { linear_before_reset: 1 });
        if (op === 'LSTM') layer('coupled', { input_forget: 1 });
    }
    await c.write();
}

// ---- norms, signals, quantisation ----

async function others() {
    const c = new Case('attributes_others', 17);
    c.input('x', FLOAT, [2, 3, 4]); c.input('signal', FLOAT, [1, 16, 1]); c.weight('scale', FLOAT, [4]); c.weight('bias', FLOAT, [4]); c.weight('scale2', FLOAT, [3, 4]);
    c.weight('size', INT64, [], [6n]); c.weight('step', INT64, [], [4n]); c.weight('length', INT64, [], [8n]);
    c.node('SimplifiedLayerNormalization', ['x', 'scale'], ['simplified'], { axis: -1, epsilon: f(0.25), stash_type: 1 }, FLOAT, '');
    c.node('LayerNormalization', ['x', 'scale', 'bias'], ['layer'], { axis: 2, epsilon: f(0.5), stash_type: 1 }, FLOAT, '');
    c.node('STFT', ['signal', 'step', '', 'length'], ['two_sides'], { onesided: 0 }, FLOAT, '');
    for (const op of ['HammingWindow', 'BlackmanWindow', 'HannWindow']) c.node(op, ['size'], [op], { output_datatype: 1, periodic: 0 }, FLOAT, '');
    await c.write();
}

// ---- com.microsoft ----

async function microsoft() {
    const c = new Case('attributes_microsoft', 17);
    c.input('x', UINT8, [1, 6, 7, 4], c.codes(UINT8, [1, 6, 7, 4], 0, 255)); c.input('rows', UINT8, [2, 3, 4], c.codes(UINT8, [2, 3, 4], 0, 255));
    c.weight('w', INT8, [4, 2, 2, 3], c.codes(INT8, [4, 2, 2, 3], -60, 60)); c.weight('wz', INT8, [], [0]);
    c.weight('xs', FLOAT, [], [0.02]); c.weight('xz', UINT8, [], [120]); c.weight('ws', FLOAT, [], [0.05]); c.weight('ys', FLOAT, [], [0.5]); c.weight('yz', UINT8, [], [128]); c.weight('ms', FLOAT, [], [0.01]);
    const conv = (name, attributes) => c.node('QLinearConv', ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'], [name], { channels_last: 1, group: 2, ...attributes }, UINT8);
    conv('upper', { auto_pad: 'SAME_UPPER' }); conv('lower', { auto_pad: 'SAME_LOWER' }); conv('dilated', { dilations: [2, 1] });
    c.node('NhwcMaxPool', ['x'], ['pool_ceil'], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }, UINT8);
    c.node('NhwcMaxPool', ['x'], ['pool_dilated'], { kernel_shape: [2, 2], dilations: [2, 3] }, UINT8);
    c.node('NhwcMaxPool', ['x'], ['pool_same'], { kernel_shape: [3, 3], auto_pad: 'SAME_LOWER', strides: [2, 2] }, UINT8);
    c.input('a', FLOAT, [2, 5, 4]); c.input('b', FLOAT, [2, 3, 5]);
    c.node('TransposeMatMul', ['a', 'b'], ['transposed'], { transA: 1, transB: 1, alpha: f(0.5) });
    await c.write();
}

async function newer() {
    const c = new Case('attributes_newer', 22);
    c.input('x', FLOAT, [2, 4, 3]); c.weight('s', FLOAT, [4]); c.weight('b', FLOAT, [4]); c.input('image', FLOAT, [1, 4, 7, 6]); c.weight('w', FLOAT, [2, 2, 2, 2]);
    c.weight('offset', FLOAT, [1, 16, 3, 3]);
    c.node('GroupNormalization', ['x', 's', 'b'], ['groups'], { num_groups: 2, stash_type: 1, epsilon: f(0.125) }, FLOAT, '');
    c.node('DeformConv', ['image', 'w', 'offset'], ['deformed'], { group: 2, offset_group: 2, strides: [2, 2], dilations: [2, 1], kernel_shape: [2, 2], pads: [0, 0, 0, 0] }, FLOAT, '');
    await c.write();
    const d = new Case('attributes_rms', 23);
    d.input('x', FLOAT, [2, 4, 3]); d.weight('s', FLOAT, [3]);
    d.node('RMSNormalization', ['x', 's'], ['rms'], { axis: -1, stash_type: 1, epsilon: f(0.125) }, FLOAT, '');
    await d.write();
}

for (const write of [newer, reductions, windows, recurrent, others, microsoft]) await write().catch((e) => console.log(`${write.name}: ${e.message.slice(0, 400)}`));
