// Writes the cases NAME/ of this folder whose outputs are ONNX Runtime's own: operators of com.microsoft, of which no other definition
// exists, each with every attribute and input that changes a result. One case is a model of many nodes over the same inputs.
//
//     npm install --ignore-scripts onnxruntime-node@1.30.0     (in the folder ORT_NODE_DIR)
//     ORT_NODE_DIR=... node tests/cases/ort.mjs [NAME...]
//
// The files are kept in the repository, so that `lathe test --guard tests/cases` needs none of this.
import { Case, FLOAT, INT32, INT4, INT64, INT8, UINT4, UINT8 } from './ort_case.mjs';

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
// ---- weights in blocks ----

async function matMulNBits() {
    const c = new Case('ms_matmul_nbits'), K = 40, N = 3, block_size = 16, blocks = 3;
    c.input('x', FLOAT, [2, 2, K]); c.input('row', FLOAT, [K]);
    c.weight('scales', FLOAT, [N, blocks]); c.weight('flat_scales', FLOAT, [N * blocks]); c.weight('bias', FLOAT, [N]);
    c.weight('float_zeros', FLOAT, [N, blocks], c.floats([N, blocks], 4)); c.weight('groups', INT32, [K], c.codes(INT32, [K], 0, blocks - 1));
    for (const bits of [2, 4, 8]) {
        const bytes = Math.ceil(blocks * bits / 8), attributes = { K, N, block_size, bits };
        c.weight(`b${bits}`, UINT8, [N, blocks, block_size * bits / 8], c.codes(UINT8, [N, blocks, block_size * bits / 8], 0, 255));
        c.weight(`zeros${bits}`, UINT8, [N, bytes], c.codes(UINT8, [N, bytes], 0, 255));
        const product = (name, inputs, more = {}, x = 'x') => c.node('MatMulNBits', [x, `b${bits}`, ...inputs], [`${name}_${bits}`], { ...attributes, ...more });
        product('plain', ['flat_scales'], { accuracy_level: 1 });
        product('zeros', ['scales', `zeros${bits}`]);
        product('bias', ['scales', `zeros${bits}`, '', 'bias'], { weight_prepacked: 0 });
        product('row', ['scales'], {}, 'row');
        if (bits < 8) product('float_zeros', ['scales', 'float_zeros']);
    }
    c.weight('padded_groups', INT32, [48], [...c.codes(INT32, [K], 0, blocks - 1), ...new Int32Array(8)]);
    c.node('MatMulNBits', ['x', 'b4', 'scales', '', 'padded_groups'], ['padded_groups4'], { K, N, block_size });
    // ONNX Runtime reads codes of 2 bits as ones of 4 here, and forgets packed zero points.
    for (const bits of [2, 4, 8]) {
        c.node('MatMulNBits', ['x', `b${bits}`, 'scales', `zeros${bits}`, 'groups'], [`own_groups_${bits}`], { K, N, block_size, bits });
        const code = (row, at) => c.data[`b${bits}`][row * blocks * block_size * bits / 8 + Math.floor(at * bits / 8)] >> at * bits % 8 & (1 << bits) - 1;
        const zeros = (row, block) => c.data[`zeros${bits}`][row * Math.ceil(blocks * bits / 8) + Math.floor(block * bits / 8)] >> block * bits % 8 & (1 << bits) - 1;
        const element = (row, k) => (code(row, k) - zeros(row, c.data.groups[k])) * c.data.scales[row * blocks + c.data.groups[k]];
        c.expect(`own_groups_${bits}`, [2, 2, N], Array.from({ length: 4 * N }, (_, i) => {
            let sum = 0;
            for (let k = 0; k < K; k++) sum += c.feeds.x[2][Math.floor(i / N) * K + k] * element(i % N, k);
            return sum;
        }));
    }
    c.node('MatMulNBits', ['x', 'b4', 'scales', '', 'groups'], ['groups4'], { K, N, block_size });
    c.node('MatMulNBits', ['x', 'b4', 'scales', 'float_zeros', 'groups', 'bias'], ['float_groups4'], { K, N, block_size, bits: 4 });
    await c.write();
}

async function matMulBnb4() {
    const c = new Case('ms_matmul_bnb4'), K = 17, N = 3, bytes = 26, block_size = 16;
    c.input('x', FLOAT, [2, K]); c.input('xt', FLOAT, [2, N]);
    c.weight('b', UINT8, [bytes], c.codes(UINT8, [bytes], 0, 255)); c.weight('s', FLOAT, [4]);
    for (const quant_type of [0, 1]) {
        c.node('MatMulBnb4', ['x', 'b', 's'], [`y${quant_type}`], { K, N, block_size, quant_type, training_mode: quant_type });
    }
    // ONNX Runtime ignores transB and reads behind the end of A.
    const nf4 = [-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
                 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1];
    c.node('MatMulBnb4', ['xt', 'b', 's'], ['own_rows'], { K, N, block_size, quant_type: 1, transB: 0 });
    c.expect('own_rows', [2, K], Array.from({ length: 2 * K }, (_, i) => {
        let sum = 0;
        for (let n = 0; n < N; n++) {
            const at = n * K + i % K;
            sum += c.feeds.xt[2][Math.floor(i / K) * N + n] * nf4[c.data.b[at >> 1] >> (at & 1 ? 0 : 4) & 15] * c.data.s[Math.floor(at / block_size)];
        }
        return sum;
    }));
    await c.write();
}

async function gatherBlocks() {
    const c = new Case('ms_gather_blocks', 21);
    c.input('i', INT64, [2, 2], [1n, 0n, -1n, 2n]); c.input('one', INT32, [], [-2]); c.weight('s', FLOAT, [3, 2]);
    const table = (name, type, dims, bytes) => c.weight(name, type, dims, new Uint8Array(c.codes(UINT8, [bytes], 0, 255)));
    const gather = (name, inputs, attributes) => c.node('GatherBlockQuantized', inputs, [name], attributes);
    for (const bits of [2, 4, 8]) {
        table(`codes${bits}`, UINT8, [3, 3 * bits], 9 * bits);
        table(`uz${bits}`, UINT8, [3, bits > 4 ? 2 : 1], bits > 4 ? 6 : 3);
        gather(`bytes${bits}`, [`codes${bits}`, 'i', 's'], { bits, block_size: 16 });
        gather(`bytes_zeros${bits}`, [`codes${bits}`, 'one', 's', `uz${bits}`], { bits, block_size: 16, gather_axis: -2, quantize_axis: -1 });
    }
    c.weight('s0', FLOAT, [1, 4]); c.weight('s3', FLOAT, [2, 3, 2]); c.weight('wide', FLOAT, [3, 1]);
    for (const [kind, type] of [['i4', INT4], ['u4', UINT4]]) {
        table(kind, type, [3, 32], 48); table(`${kind}z`, type, [3, 2], 3); table(`${kind}q0`, type, [16, 4], 32); table(`${kind}q0z`, type, [1, 4], 2); table(`${kind}3`, type, [2, 3, 20], 60);
        gather(`${kind}_plain`, [kind, 'i', 's'], { block_size: 16, bits: 4 });
        gather(`${kind}_zeros`, [kind, 'i', 's', `${kind}z`], { block_size: 16 });
        gather(`${kind}_rows`, [`${kind}q0`, 'i', 's0', `${kind}q0z`], { block_size: 16, quantize_axis: 0, gather_axis: 1 });
        gather(`${kind}_same_axis`, [`${kind}q0`, 'i', 's0', `${kind}q0z`], { block_size: 16, quantize_axis: 0 });
        gather(`${kind}_three`, [`${kind}3`, 'one', 's3'], { block_size: 16, gather_axis: 1, quantize_axis: 2 });
        gather(`${kind}_wide`, [kind, 'one', 'wide'], {});
    }
    await c.write();
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

async function blockRefusals() {
    const product = async (name, message, attributes, { b = [1, 1, 8], s = [1], zeros = null, groups = 16, bias = null } = {}) => {
        const c = new Case(name);
        c.input('x', FLOAT, [1, 16]); c.weight('b', UINT8, b, c.codes(UINT8, b, 0, 255)); c.weight('s', FLOAT, s);
        if (zeros) c.weight('z', UINT8, zeros, c.codes(UINT8, zeros, 0, 15));
        if (groups !== 16) c.weight('g', INT32, [groups], c.codes(INT32, [groups], 0, 0));
        if (bias) c.weight('bias', FLOAT, bias);
        c.node('MatMulNBits', ['x', 'b', 's', zeros ? 'z' : '', groups !== 16 ? 'g' : '', ...(bias ? ['bias'] : [])], ['y'], { K: 16, N: 1, block_size: 16, ...attributes });
        await c.refuse(message);
    };
    await product('nbits_bits', 'attribute bits is 3, expected 2, 4 or 8', { bits: 3 });
    await product('nbits_block', 'attribute block_size is 8, expected a power of 2, 16 or more', { block_size: 8 });
    await product('nbits_block_no_power', 'attribute block_size is 24, expected a power of 2, 16 or more', { block_size: 24 });
    await product('nbits_k', 'attribute K is 0, expected 1 to 2147483647', { K: 0 });
    await product('nbits_n', 'attribute N is -1, expected 1 to 2147483647', { N: -1 });
    await product('nbits_prepacked', 'attribute weight_prepacked is 1, only 0 is supported', { weight_prepacked: 1 });
    await product('nbits_codes', "tensor 'b': input 1 has dims [1, 1, 4], expected [1, 1, 8]", {}, { b: [1, 1, 4] });
    await product('nbits_scales', "tensor 's': input 2 has dims [2], expected [1]", {}, { s: [2] });
    await product('nbits_zeros', "tensor 'z': input 3 has dims [1, 2], expected [1, 1]", {}, { zeros: [1, 2] });
    await product('nbits_groups', "tensor 'g': input 4 has dims [15], expected [16]", {}, { groups: 15 });
    await product('nbits_bias', "tensor 'bias': input 5 has dims [2], expected [1]", {}, { bias: [2] });
    const bnb4 = async (name, message, attributes, b = [8]) => {
        const c = new Case(name);
        c.input('x', FLOAT, [1, 16]); c.weight('b', UINT8, b, c.codes(UINT8, b, 0, 255)); c.weight('s', FLOAT, [1]);
        c.node('MatMulBnb4', ['x', 'b', 's'], ['y'], { K: 16, N: 1, block_size: 16, quant_type: 1, ...attributes });
        await c.refuse(message);
    };
    await bnb4('bnb4_type', 'attribute quant_type is 2, expected 0 (FP4) or 1 (NF4)', { quant_type: 2 });
    await bnb4('bnb4_block', 'attribute block_size is 24, expected a power of 2, 16 or more', { block_size: 24 });
    await bnb4('bnb4_codes', "tensor 'b': input 1 has dims [9], expected [8]", {}, [9]);
    const gather = async (name, message, attributes, { type = UINT8, dims = [2, 8], scales = [2, 1], zeros = null } = {}) => {
        const c = new Case(name, 21);
        c.input('i', INT64, [1], [0n]); c.weight('d', type, dims, new Uint8Array(dims.reduce((a, b) => a * b) / (type === INT4 ? 2 : 1))); c.weight('s', FLOAT, scales);
        if (zeros) c.weight('z', type, zeros, new Uint8Array(zeros.reduce((a, b) => a * b)));
        c.node('GatherBlockQuantized', ['d', 'i', 's', ...(zeros ? ['z'] : [])], ['y'], { block_size: 16, ...attributes });
        await c.refuse(message);
    };
    await gather('gather_blocks_bits', 'attribute bits is 1, expected 2, 4 or 8', { bits: 1 });
    await gather('gather_blocks_bits_of_int4', 'attribute bits over codes of 4 is 8, expected 4', { bits: 8 }, { type: INT4, dims: [2, 16] });
    await gather('gather_blocks_block', 'attribute block_size is 20, expected a power of 2, 16 or more', { block_size: 20 });
    await gather('gather_blocks_axis', 'gather_axis 1 and quantize_axis 1 over bytes: only the first and the last of several axes are supported', { gather_axis: 1 });
    await gather('gather_blocks_scales', "tensor 's': input 2 has dims [2, 2], expected [2, 1]", {}, { scales: [2, 2] });
    await gather('gather_blocks_zeros', "tensor 'z': input 3 has dims [2, 2], expected [2, 1]", {}, { zeros: [2, 2] });
    await gather('gather_blocks_type', "tensor 'd': input 0 has element type i8, expected u8, i4 or u4", {}, { type: INT8, dims: [2, 16] });
}

await refusals();
await blockRefusals();
await matMulNBits();
await matMulBnb4();
await gatherBlocks();
await fusedMatMul();
await fusedGemm();
await fusedConv();
await integerProducts();
