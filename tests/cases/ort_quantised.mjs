// Writes the cases quantised_*/ of this folder, whose outputs are ONNX Runtime's own without its optimiser: the patterns that
// quantisers leave around products. Run it as ort.mjs is run. Inputs and most scales are such that no rounding differs; weights have
// more than 64 elements, which would be known to the compiler as numbers.
import { Case, FLOAT, INT32, INT64, INT8, UINT8 } from './ort_case.mjs';

// Nodes of ai.onnx; `to` is no output unless it is kept.
const step = (c, op, inputs, to, attributes = {}) => {
    c.nodes.push({ op, domain: '', inputs, outputs: Array.isArray(to) ? to : [to], attributes });
    return to;
};
const keep = (c, name, type = FLOAT) => c.outputs.push([name, type]);
// The scalars and lists that steps name.
function parameters(c) {
    c.weight('s', FLOAT, [], [1 / 16]); c.weight('z', UINT8, [], [128]); c.weight('zs', INT8, [], [0]); c.weight('z3', INT8, [], [-3]);
    c.weight('ys', FLOAT, [], [0.5]); c.weight('yz', UINT8, [], [117]);
    c.weight('w', INT8, [24, 6], c.codes(INT8, [24, 6], -128, 127)); c.weight('ws', FLOAT, [6], [1 / 64, 1 / 128, 1 / 32, 1 / 256, 1 / 64, 1 / 16]);
    c.weight('wz', INT8, [6], [0, 3, -128, 127, -1, 0]); c.weight('w0', INT8, [6], [0, 0, 0, 0, 0, 0]);
    c.weight('wt', INT8, [6, 24], c.codes(INT8, [6, 24], -128, 127)); c.weight('wu', UINT8, [24, 6], c.codes(UINT8, [24, 6], 0, 255));
    c.weight('uz', UINT8, [], [131]); c.weight('half', FLOAT, [], [1 / 128]);
    c.weight('bias', INT32, [6], [-4000, 12345, 0, 7, -77, 90000]); c.weight('add', FLOAT, [6]);
    c.weight('bs', FLOAT, [6], [1 / 1024, 1 / 2048, 1 / 512, 1 / 4096, 1 / 1024, 1 / 256]);
}
const quantised = (c, x, name, scale = 's', zero = 'z') => step(c, 'QuantizeLinear', [x, scale, zero], `${name}_q`);
const numbers = (c, codes, name, scale = 's', zero = 'z', attributes = {}) => step(c, 'DequantizeLinear', [codes, scale, zero], `${name}_d`, attributes);
const around = (c, x, name, scale, zero) => numbers(c, quantised(c, x, name, scale, zero), name, scale, zero);

async function staticProducts() {
    const c = new Case('quantised_static', 13);
    parameters(c);
    c.input('x', FLOAT, [2, 3, 24]); c.input('flat', FLOAT, [5, 24]);
    const x = around(c, 'x', 'x'), xs = around(c, 'x', 'xs', 's', 'zs'), flat = around(c, 'flat', 'flat');
    const w = numbers(c, 'w', 'w', 'ws', 'wz', { axis: 1 }), w0 = numbers(c, 'w', 'w0', 'ws', 'w0', { axis: 1 });
    const wt = numbers(c, 'wt', 'wt', 'ws', 'w0', { axis: 0 }), wu = numbers(c, 'wu', 'wu', 'half', 'uz');
    const bias = numbers(c, 'bias', 'bias', 'bs', '', { axis: 0 });
    for (const [name, a, b] of [['column', x, w], ['symmetric', xs, w0], ['both_unsigned', x, wu]]) keep(c, step(c, 'MatMul', [a, b], name));
    keep(c, step(c, 'MatMul', [x, step(c, 'Transpose', [wt], 'wt_t', { perm: [1, 0] })], 'transposed'));
    keep(c, step(c, 'Gemm', [flat, wt, bias], 'gemm', { transB: 1 }));
    keep(c, step(c, 'Add', [step(c, 'MatMul', [x, w0], 'sum'), bias], 'biased'));
    // One product's codes are the next one's, through a clip, a reshape and a transpose.
    const y = quantised(c, step(c, 'Relu', ['biased'], 'relu'), 'y', 'ys', 'yz');
    keep(c, y, UINT8);
    const yd = numbers(c, y, 'y', 'ys', 'yz');
    c.weight('heads', INT64, [4], [2n, 3n, 2n, 3n]);
    const heads = step(c, 'Reshape', [yd, 'heads'], 'split');
    const q = step(c, 'Transpose', [heads], 'q', { perm: [0, 2, 1, 3] }), k = step(c, 'Transpose', [heads], 'k', { perm: [0, 2, 3, 1] });
    keep(c, step(c, 'MatMul', [q, k], 'scores'));
    keep(c, quantised(c, 'scores', 'scores', 'ys', 'zs'), INT8);
    await c.write();
}

async function convolutions() {
    const c = new Case('quantised_conv', 13);
    parameters(c);
    c.input('x', FLOAT, [2, 4, 6, 5]);
    c.weight('kernel', INT8, [6, 4, 3, 2], c.codes(INT8, [6, 4, 3, 2], -128, 127)); c.weight('grouped', INT8, [8, 2, 3, 3], c.codes(INT8, [8, 2, 3, 3], -127, 127));
    const x = around(c, 'x', 'x'), bias = numbers(c, 'bias', 'bias', 'bs', '', { axis: 0 });
    const kernel = numbers(c, 'kernel', 'kernel', 'ws', 'w0', { axis: 0 }), grouped = numbers(c, 'grouped', 'grouped', 'half', 'zs');
    keep(c, step(c, 'Conv', [x, kernel, bias], 'padded', { pads: [1, 0, 2, 1], strides: [1, 2] }));
    keep(c, step(c, 'Conv', [step(c, 'Relu', [x], 'clipped'), kernel], 'dilated', { dilations: [2, 1] }));
    keep(c, step(c, 'Conv', [x, grouped], 'groups', { group: 2, pads: [1, 1, 1, 1] }));
    keep(c, step(c, 'Conv', [x, numbers(c, 'kernel', 'patch', 'ws', 'w0', { axis: 0 })], 'patches', { strides: [3, 2] }));
    const pooled = around(c, step(c, 'MaxPool', ['padded'], 'pool', { kernel_shape: [2, 2] }), 'pooled', 'ys', 'yz');
    c.weight('point', INT8, [12, 6, 1, 1], c.codes(INT8, [12, 6, 1, 1], -127, 127));
    keep(c, quantised(c, step(c, 'Conv', [pooled, numbers(c, 'point', 'point', 'half', 'zs')], 'last'), 'last', 'ys', 'yz'), UINT8);
    // The operators of codes.
    c.weight('b1', INT32, [6], [1, -2, 3, -4, 5, -6]);
    const q = 'x_q';
    keep(c, step(c, 'ConvInteger', [q, 'kernel', 'z', 'zs'], 'integer', { pads: [1, 1, 1, 1] }), INT32);
    keep(c, step(c, 'QLinearConv', [q, 's', 'z', 'kernel', 'ws', 'w0', 'ys', 'yz', 'b1'], 'linear', { pads: [1, 1, 0, 0] }), UINT8);
    await c.write();
}

async function dynamicProducts() {
    const c = new Case('quantised_dynamic', 13);
    parameters(c);
    c.input('x', FLOAT, [2, 3, 24]);
    const [xq, xs, xz] = step(c, 'DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']);
    for (const [name, w, s, z] of [['query', 'w', 'ws', 'wz'], ['key', 'w', 'half', 'z3'], ['value', 'wu', 'half', 'uz'], ['plain', 'w', 'ws', '']]) {
        const sum = step(c, 'MatMulInteger', z ? [xq, w, xz, z] : [xq, w, xz], `${name}_i`), scale = step(c, 'Mul', [xs, s], `${name}_s`);
        const y = step(c, 'Mul', [step(c, 'Cast', [sum], `${name}_f`, { to: FLOAT }), scale], `${name}_y`);
        keep(c, step(c, 'Add', [y, 'add'], name));
    }
    keep(c, xq, UINT8); keep(c, xs); keep(c, xz, UINT8);
    await c.write();
}

// What exporters without these operators write, and codes that are clipped.
async function spelledProducts() {
    const c = new Case('quantised_spelled', 17);
    parameters(c);
    c.input('x', FLOAT, [2, 3, 24]);
    for (const [name, v] of [['inverse', 16], ['f128', 128], ['f0', 0], ['f255', 255], ['low', -128], ['high', 127]]) c.weight(name, FLOAT, [], [v]);
    const codes = (name, type, zero, low, high) => {
        let y = step(c, 'Round', [step(c, 'Mul', ['x', 'inverse'], `${name}_m`)], `${name}_r`);
        if (zero) y = step(c, 'Add', [y, zero], `${name}_a`);
        return step(c, 'Cast', [step(c, 'Clip', [y, low, high], `${name}_c`)], `${name}_q`, { to: type });
    };
    const u = codes('u', UINT8, 'f128', 'f0', 'f255'), s = codes('s', INT8, '', 'low', 'high');
    const ud = step(c, 'Mul', [step(c, 'Sub', [step(c, 'Cast', [u], 'u_f', { to: FLOAT }), 'f128'], 'u_z'), 's'], 'u_d');
    const sd = step(c, 'Div', [step(c, 'Cast', [s], 's_f', { to: FLOAT }), 'inverse'], 's_d');
    const w = step(c, 'Mul', [step(c, 'Cast', ['w'], 'w_f', { to: FLOAT }), 'ws'], 'w_d');
    keep(c, step(c, 'MatMul', [ud, w], 'unsigned')); keep(c, step(c, 'MatMul', [sd, w], 'signed'));
    // Codes between -100 and 90 (QCDQ); the same rounding without a cast, which stays a product of floats.
    c.weight('least', INT8, [], [-100]); c.weight('most', INT8, [], [90]);
    const q = step(c, 'Clip', [quantised(c, 'x', 'c', 's', 'zs'), 'least', 'most'], 'c_clip');
    keep(c, step(c, 'MatMul', [numbers(c, q, 'c', 's', 'zs'), w], 'clipped_codes'));
    keep(c, step(c, 'MatMul', [step(c, 'Div', ['u_c', 'inverse'], 'fake'), w], 'floats'));
    await c.write();
}

await staticProducts();
await convolutions();
await dynamicProducts();
await spelledProducts();
