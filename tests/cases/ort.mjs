// Writes the cases NAME/ of this folder whose outputs are ONNX Runtime's own: operators of com.microsoft, of which no other definition
// exists, each with every attribute and input that changes a result. One case is a model of many nodes over the same inputs.
//
//     npm install --ignore-scripts onnxruntime-node@1.30.0     (in the folder ORT_NODE_DIR)
//     ORT_NODE_DIR=... node tests/cases/ort.mjs [NAME...]
//
// The files are kept in the repository, so that `lathe test --guard tests/cases` needs none of this.
import { BOOL, Case, FLOAT, FLOAT16, INT16, INT32, INT64, INT8, MS, UINT16, UINT8 } from './ort_case.mjs';

// ---- products of floats ----

async function fusedMatMul() {
    const c = new Case('ms_fused_matmul');
    // Batch axes [2, 3], m = 4, k = 5, n = 2, in every order that the attributes name.
    const dims = (rows, columns, trans, front) => {
        const [r, k] = trans ? [columns, rows] : [rows, columns];
        return front ? [r, 2, 3, k] : [2, 3, r, k];
    };
    for (let bits = 0; bits < 4; bits++) {
        c.input(`a${bits}`, FLOAT, dims(4, 5, bits & 1, bits & 2));
        c.weight(`b${bits}`, FLOAT, dims(5, 2, bits & 1, bits & 2));
    }
    for (let a = 0; a < 4; a++)
        for (let b = 0; b < 4; b++)
            c.node('FusedMatMul', [`a${a}`, `b${b}`], [`y${a}${b}`],
                   { transA: a & 1, transBatchA: a >> 1, transB: b & 1, transBatchB: b >> 1, ...((a + b) % 3 ? { alpha: { float: 0.25 * (a + b) } } : {}) });
    await c.write();
    const d = new Case('ms_fused_matmul_ranks');
    d.input('row', FLOAT, [5]); d.input('a', FLOAT, [4, 5]); d.input('at', FLOAT, [5, 4]); d.input('batch', FLOAT, [3, 4, 5]);
    d.weight('b', FLOAT, [5, 2]); d.weight('bt', FLOAT, [2, 5]); d.weight('column', FLOAT, [5]);
    d.node('FusedMatMul', ['row', 'b'], ['vector_matrix'], { transA: 1, alpha: { float: 2 } });
    d.node('FusedMatMul', ['row', 'bt'], ['vector_transposed'], { transB: 1 });
    d.node('FusedMatMul', ['a', 'column'], ['matrix_vector'], { transB: 1 });
    d.node('FusedMatMul', ['row', 'column'], ['scalar'], { alpha: { float: -1 } });
    d.node('FusedMatMul', ['at', 'b'], ['plain'], { transA: 1 });
    d.node('FusedMatMul', ['batch', 'bt'], ['broadcast'], { transB: 1 });
    await d.write();
}

async function fusedGemm() {
    const c = new Case('ms_fused_gemm');
    c.input('a', FLOAT, [3, 4]); c.input('at', FLOAT, [4, 3]); c.input('c', FLOAT, [3, 2]);
    c.weight('b', FLOAT, [4, 2]); c.weight('bt', FLOAT, [2, 4]); c.weight('bias', FLOAT, [2]);
    const f = (x) => ({ float: x });
    const kinds = { Relu: {}, Tanh: {}, Sigmoid: {}, Softplus: {}, Softsign: {}, LeakyRelu: { alpha: 0.25 }, Elu: { alpha: 1.5 }, ThresholdedRelu: { alpha: 0.75 },
                    HardSigmoid: { alpha: 0.125, beta: 0.375 }, Selu: { alpha: 1.5, gamma: 1.25 }, ScaledTanh: { alpha: 0.5, beta: 0.25 },
                    ParametricSoftplus: { alpha: 0.5, beta: 2 } };
    let i = 0;
    for (const [activation, parameters] of Object.entries(kinds)) {
        const ta = i & 1, tb = i >> 1 & 1, extra = [['bias'], ['c'], []][i++ % 3];
        const attributes = { activation, transA: ta, transB: tb, alpha: f(0.5), ...(extra.length ? { beta: f(1.5) } : {}) };
        for (const [k, v] of Object.entries(parameters)) attributes[`activation_${k}`] = f(v);
        c.node('FusedGemm', [ta ? 'at' : 'a', tb ? 'bt' : 'b', ...extra], [activation], attributes);
    }
    await c.write();
}

async function fusedConv() {
    const c = new Case('ms_fused_conv');
    c.input('x', FLOAT, [1, 4, 5, 6]); c.input('z', FLOAT, [1, 4, 5, 6]);
    c.weight('w', FLOAT, [4, 2, 3, 3]); c.weight('bias', FLOAT, [4]); c.weight('w1', FLOAT, [2, 4, 2, 3]);
    const kinds = { Relu: [], Tanh: [], Sigmoid: [], LeakyRelu: [0.25], Clip: [-1, 1.5], HardSigmoid: [0.125, 0.375], HardSwish: [] };
    for (const [activation, floats] of Object.entries(kinds))
        c.node('FusedConv', ['x', 'w', 'bias'], [activation], { activation, group: 2, pads: [1, 1, 1, 1], ...(floats.length ? { activation_params: { floats } } : {}) });
    c.node('FusedConv', ['x', 'w', '', 'z'], ['sum'], { activation: 'Relu', group: 2, pads: [1, 1, 1, 1], kernel_shape: [3, 3] });
    c.node('FusedConv', ['x', 'w', 'bias', 'z'], ['sum_and_bias'], { group: 2, auto_pad: 'SAME_UPPER' });
    c.node('FusedConv', ['x', 'w1'], ['strided'], { activation: 'Relu', strides: [2, 1], dilations: [1, 2] });
    await c.write();
}

// ---- products of codes; weights within +-63, so that no kernel saturates ----

async function integerProducts() {
    const c = new Case('ms_integer_products');
    c.input('a', UINT8, [2, 3, 8], c.codes(UINT8, [2, 3, 8], 0, 255)); c.input('s', INT8, [3, 8], c.codes(INT8, [3, 8], -128, 127));
    c.input('x', FLOAT, [2, 3, 8]); c.input('zero', FLOAT, [1, 8], new Float32Array(8)); c.input('ascale', FLOAT, [], [0.02]); c.input('azero', UINT8, [1], [117]);
    c.weight('b', INT8, [8, 4], c.codes(INT8, [8, 4], -63, 63)); c.weight('u', UINT8, [8, 4], c.codes(UINT8, [8, 4], 66, 190)); c.weight('bb', INT8, [2, 8, 4], c.codes(INT8, [2, 8, 4], -63, 63));
    c.weight('bs', FLOAT, [1], [0.5]); c.weight('bsn', FLOAT, [4], [0.5, 0.25, 0.125, 0.03]); c.weight('bz', INT8, [], [-3]); c.weight('bzn', INT8, [4], [1, -2, 3, 0]);
    c.weight('uz', UINT8, [], [128]); c.weight('uzn', UINT8, [4], [128, 127, 120, 0]); c.weight('sz', INT8, [], [-5]); c.weight('bias', FLOAT, [4]);
    const product = (inputs, name) => c.node('MatMulIntegerToFloat', inputs, [name]);
    product(['a', 'b', 'ascale', 'bs'], 'plain'); product(['a', 'b', 'ascale', 'bsn', 'azero', 'bzn', 'bias'], 'columns');
    product(['a', 'u', 'ascale', 'bs', 'azero', 'uz'], 'unsigned'); product(['a', 'u', 'ascale', 'bsn', '', 'uzn', 'bias'], 'unsigned_columns');
    product(['s', 'b', 'ascale', 'bsn', 'sz', 'bz'], 'signed'); product(['a', 'bb', 'ascale', 'bs', 'azero', 'bz', 'bias'], 'batches');
    const dynamic = (inputs, name) => c.node('DynamicQuantizeMatMul', inputs, [name]);
    dynamic(['x', 'b', 'bs'], 'dynamic'); dynamic(['x', 'b', 'bsn', 'bzn', 'bias'], 'dynamic_columns'); dynamic(['x', 'u', 'bsn', 'uzn'], 'dynamic_unsigned');
    dynamic(['zero', 'b', 'bs', '', 'bias'], 'dynamic_zeros');
    await c.write();
    const d = new Case('matmul_integer_ranks');
    d.input('row', UINT8, [8], d.codes(UINT8, [8], 0, 255)); d.input('a', UINT8, [3, 8], d.codes(UINT8, [3, 8], 0, 255));
    d.weight('b', INT8, [8, 4], d.codes(INT8, [8, 4], -63, 63)); d.weight('column', INT8, [8], d.codes(INT8, [8], -63, 63));
    d.weight('az', UINT8, [1], [100]); d.weight('bz', INT8, [1], [7]); d.weight('bzn', INT8, [4], [1, 2, 3, 4]);
    const integer = (inputs, name) => d.node('MatMulInteger', inputs, [name], {}, INT32, '');
    integer(['row', 'b', 'az', 'bz'], 'vector_matrix'); integer(['a', 'column', 'az', 'bz'], 'matrix_vector'); integer(['row', 'column', 'az', 'bz'], 'scalar');
    integer(['row', 'b', 'az', 'bzn'], 'vector_columns');
    await d.write();
}
// ---- what is refused ----

// A node over f32 [2, 2] operands and constants, in tests/refused.
async function refusals() {
    const fused = async (name, op, message, attributes, dims = [2, 2], more = []) => {
        const c = new Case(name);
        c.input('x', FLOAT, dims); c.weight('w', FLOAT, op === 'FusedConv' ? [1, 1, 1, 1] : [2, 2]);
        for (const [k, d] of more) c.weight(k, FLOAT, d);
        c.node(op, ['x', 'w', ...more.flatMap(([k, , skip]) => (skip ? ['', k] : [k]))], ['y'], attributes);
        await c.refuse(message);
    };
    const one = { float: 1 }, image = [1, 1, 2, 2];
    await fused('fused_gemm_activation', 'FusedGemm', "activation 'Celu' is not known, accepted: Tanh, Sigmoid, Relu, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Selu, Softsign, Softplus, ParametricSoftplus", { activation: 'Celu' });
    await fused('fused_gemm_no_activation', 'FusedGemm', 'attribute activation (string) is missing', {});
    await fused('fused_gemm_no_alpha', 'FusedGemm', 'attribute activation_alpha of activation LeakyRelu is missing', { activation: 'LeakyRelu' });
    await fused('fused_gemm_no_gamma', 'FusedGemm', 'attribute activation_gamma of activation Selu is missing', { activation: 'Selu', activation_alpha: one });
    await fused('fused_gemm_surplus', 'FusedGemm', 'attribute activation_beta: activation Elu does not take it', { activation: 'Elu', activation_alpha: one, activation_beta: one });
    await fused('fused_conv_activation', 'FusedConv', "activation 'Elu' is not known, accepted: Tanh, Sigmoid, Relu, HardSwish, Clip, LeakyRelu, HardSigmoid", { activation: 'Elu' }, image);
    await fused('fused_conv_parameters', 'FusedConv', 'attribute activation_params of Clip has length 1, expected 2', { activation: 'Clip', activation_params: { floats: [1] } }, image);
    await fused('fused_conv_no_activation', 'FusedConv', 'attribute activation_params of none has length 1, expected 0', { activation_params: { floats: [1] } }, image);
    await fused('fused_conv_summand', 'FusedConv', "tensor 'z': input 3 has dims [1, 1, 2, 1], expected [1, 1, 2, 2]", { activation: 'Relu' }, image, [['z', [1, 1, 2, 1], true]]);
    const scales = async (name, message, dims) => {
        const c = new Case(name);
        c.input('x', UINT8, [3, 4], c.codes(UINT8, [3, 4], 0, 9)); c.weight('w', UINT8, [4, 2], c.codes(UINT8, [4, 2], 0, 9));
        dims.forEach((d, i) => c.weight(`s${i}`, FLOAT, d));
        c.node('MatMulIntegerToFloat', ['x', 'w', 's0', 's1'], ['y']);
        await c.refuse(message);
    };
    await scales('integer_to_float_left_scale', "input 2 is f32[2], expected one element", [[2], [1]]);
    await scales('integer_to_float_right_scale', "input 3 has dims [4, 1], expected [4, 2]", [[1], [4, 1]]);
    await scales('integer_to_float_scale_rank', "input 3 is f32[1, 1, 2], expected one element, or one a column", [[1], [1, 1, 2]]);
    await fused('fused_matmul_batch', 'FusedMatMul', 'transBatchA or transBatchB with operands of rank 2 and 2, expected equal ranks of 3 or more', { transBatchA: 1 });
}

await refusals();
await fusedMatMul();
await fusedGemm();
await fusedConv();
await integerProducts();
