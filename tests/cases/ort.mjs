// Writes the cases NAME/ of this folder whose outputs are ONNX Runtime's own: operators of com.microsoft, of which no other definition
// exists, each with every attribute and input that changes a result. One case is a model of many nodes over the same inputs.
//
//     npm install --ignore-scripts onnxruntime-node@1.30.0     (in the folder ORT_NODE_DIR)
//     ORT_NODE_DIR=... node tests/cases/ort.mjs [NAME...]
//
// The files are kept in the repository, so that `lathe test --guard tests/cases` needs none of this.
import { BOOL, Case, FLOAT, INT16, INT32, INT4, INT64, INT8, UINT16, UINT4, UINT8 } from './ort_case.mjs';

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

// Weights of so many columns that they stand in panels, where they stay codes: groups in the order of activations (each as large
// as its block, or not), two bits, tables of floats.
async function weightsInCodes() {
    const c = new Case('ms_weights_in_codes'), K = 48, N = 40, block_size = 16, blocks = 3;
    c.input('x', FLOAT, [5, K]);
    c.weight('scales', FLOAT, [N, blocks]); c.weight('zeros4', UINT8, [N, 2], c.codes(UINT8, [N, 2], 0, 255)); c.weight('bias', FLOAT, [N]);
    c.weight('float_zeros', FLOAT, [N, blocks], c.floats([N, blocks], 4));
    for (const bits of [2, 4, 8]) c.weight(`b${bits}`, UINT8, [N, blocks, block_size * bits / 8], c.codes(UINT8, [N, blocks, block_size * bits / 8], 0, 255));
    c.weight('zeros2', UINT8, [N, 1], c.codes(UINT8, [N, 1], 0, 255));
    const groups = { turned: (k) => k % blocks, behind: (k) => blocks - 1 - Math.floor(k / block_size), own: (k) => Math.floor(k / block_size), uneven: (k) => (k < 20 ? 0 : k % blocks) };
    for (const [name, of] of Object.entries(groups)) {
        c.weight(name, INT32, [K], Int32Array.from({ length: K }, (_, k) => of(k)));
        c.node('MatMulNBits', ['x', 'b4', 'scales', 'float_zeros', name, 'bias'], [`y_${name}`], { K, N, block_size, bits: 4 });
        c.node('MatMulNBits', ['x', 'b4', 'scales', '', name], [`z_${name}`], { K, N, block_size, bits: 4 });
    }
    c.node('MatMulNBits', ['x', 'b2', 'scales', 'zeros2'], ['two'], { K, N, block_size, bits: 2 });
    c.node('MatMulNBits', ['x', 'b2', 'scales'], ['two_plain'], { K, N, block_size, bits: 2 });
    c.weight('b', UINT8, [K * N / 2], c.codes(UINT8, [K * N / 2], 0, 255)); c.weight('s', FLOAT, [K * N / block_size]);
    for (const quant_type of [0, 1]) c.node('MatMulBnb4', ['x', 'b', 's'], [`table${quant_type}`], { K, N, block_size, quant_type });
    await c.write();
}

// accuracy_level 4: blocks of activations are rounded to 8 bits. ONNX Runtime adds what is no code in another order.
async function nbitsInBlocks() {
    const c = new Case('ms_nbits_in_blocks'), block_size = 32, blocks = 3;
    for (const [bits, K, N] of [[4, 80, 40], [8, 90, 260]]) { // as floats, 8 bits would be stored if they were fewer
        const scales = `scales${bits}`, bias = `bias${bits}`;
        c.weight(scales, FLOAT, [N, blocks]); c.weight(bias, FLOAT, [N]);
        const bytes = Math.ceil(blocks * bits / 8);
        c.input(`x${bits}`, FLOAT, [bits + 1, K]); c.input(`row${bits}`, FLOAT, [1, K]);
        c.weight(`b${bits}`, UINT8, [N, blocks, block_size * bits / 8], c.codes(UINT8, [N, blocks, block_size * bits / 8], 0, 255));
        c.weight(`zeros${bits}`, UINT8, [N, bytes], c.codes(UINT8, [N, bytes], 0, 255));
        const product = (name, inputs, x) => c.node('MatMulNBits', [x, `b${bits}`, ...inputs], [name], { K, N, block_size, bits, accuracy_level: 4 });
        for (const x of [`x${bits}`, `row${bits}`]) { product(`plain_${x}`, [scales], x); product(`zeros_${x}`, [scales, `zeros${bits}`, '', bias], x); }
    }
    c.tolerance = { atol: 25, rtol: 0 }; // of floats, as -O0 computes; tests/cli/blocks.sh looks closer
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

// ---- QLinear operators; scales of which many results lie half way between two codes ----

async function qlinear() {
    const c = new Case('ms_qlinear');
    for (const [kind, type, lo] of [['u', UINT8, 0], ['s', INT8, -128]]) {
        const name = (n) => `${kind}_${n}`, zero = (n, v) => c.weight(name(n), type, [], [lo + v]), scale = (n, v) => c.weight(name(n), FLOAT, n === 'one' ? [1] : [], [v]);
        c.input(name('a'), type, [2, 3, 4], c.codes(type, [2, 3, 4], lo, lo + 255)); c.input(name('b'), type, [3, 1], c.codes(type, [3, 1], lo, lo + 255)); c.input(name('image'), type, [1, 2, 5, 6], c.codes(type, [1, 2, 5, 6], lo, lo + 255));
        scale('as', 0.1); scale('bs', 0.05); scale('ys', 0.2); scale('one', 0.05); scale('ps', 1 / 256); scale('is', 0.0371); scale('js', 0.0547); /* averages of floats depend on their order */
        zero('az', 131); zero('bz', 97); zero('yz', 120); zero('low', 0);
        const op = (o, inputs, output, attributes = {}) => c.node(o, inputs.map((i) => (i && i !== 'cond' ? name(i) : i)), [[name(output), type]], attributes);
        const [A, B, Y] = [['a', 'as', 'az'], ['b', 'bs', 'bz'], ['ys', 'yz']], full = (n) => [n, 'as', 'az', ...Y];
        op('QLinearAdd', [...A, ...B, ...Y], 'add'); op('QLinearMul', [...A, ...B, ...Y], 'mul'); 
        op('QLinearSigmoid', ['a', 'as', 'az', 'ps', 'low'], 'sigmoid'); op('QLinearLeakyRelu', full('a'), 'leaky', { alpha: { float: 0.3 } }); op('QLinearLeakyRelu', ['a', 'as', '', 'one', 'yz'], 'leaky_default');
        op('QLinearSoftmax', ['a', 'as', 'az', 'ps', 'low'], 'softmax', { opset: 13 }); op('QLinearSoftmax', ['a', 'as', 'az', 'ps', 'low'], 'softmax_axis', { opset: 13, axis: 1 });
        op('QLinearSoftmax', ['a', 'as', 'az', 'ps', 'low'], 'softmax_flat', { opset: 12, axis: 1 }); op('QLinearSoftmax', ['a', 'as', 'az', 'ps', 'low'], 'softmax_flat_default', { opset: 11 });
        op('QLinearConcat', [...Y, ...A, 'a', 'bs', 'bz', ...A], 'concat', { axis: 1 }); op('QLinearConcat', ['as', 'az', ...A, 'a', 'one', 'low'], 'concat_last', { axis: -1 });
        op('QLinearAveragePool', ['image', 'is', 'az', 'js', 'yz'], 'pool', { kernel_shape: [2, 3], strides: [1, 2] });
        op('QLinearAveragePool', ['image', 'is', 'az', 'js', 'yz'], 'pool_padded', { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }); op('QLinearAveragePool', ['image', 'is', 'az', 'js', 'yz'], 'pool_ceil', { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 });
        op('QLinearAveragePool', ['image', 'is', 'az', 'js', 'yz'], 'pool_last', { kernel_shape: [2, 2], channels_last: 1 }); op('QLinearAveragePool', ['image', 'is', 'az', 'js', 'yz'], 'pool_same', { kernel_shape: [2, 2], auto_pad: 'SAME_LOWER' });
        op('QLinearGlobalAveragePool', full('image'), 'global'); op('QLinearGlobalAveragePool', full('image'), 'global_last', { channels_last: 1 });
        c.weight(name('w'), INT8, [3, 2, 2, 2], c.codes(INT8, [3, 2, 2, 2], -63, 63)); c.weight(name('ws'), FLOAT, [3], [0.01, 0.02, 0.005]); c.weight(name('wz'), INT8, [], [0]); c.weight(name('bias'), INT32, [3], [100, -200, 300]);
        c.weight(name('wide'), INT8, [2, 6, 2, 2], c.codes(INT8, [2, 6, 2, 2], -63, 63)); c.weight(name('ws1'), FLOAT, [], [0.01]);
        const conv = (x, w, ws) => [x, 'as', 'az', w, ws, 'wz', ...Y];
        op('QLinearConv', [...conv('image', 'w', 'ws'), 'bias'], 'conv', { pads: [1, 0, 0, 1] }); op('QLinearConv', conv('image', 'wide', 'ws1'), 'conv_last', { channels_last: 1, strides: [2, 1], kernel_shape: [2, 2] });
        op('NhwcMaxPool', ['image'], 'max_last', { kernel_shape: [1, 2], strides: [1, 2], pads: [0, 1, 0, 0] });
        c.weight(`${kind}_cond`, BOOL, [2, 1, 4], [1, 0, 1, 0, 0, 0, 1, 1]);
        c.node('QLinearWhere', [`${kind}_cond`, ...A.map(name), ...B.map(name), ...Y.map(name)], [[name('where'), type]]);
    }
    await c.write();
}

async function qgemm() {
    const c = new Case('ms_qgemm');
    c.input('a', UINT8, [3, 8], c.codes(UINT8, [3, 8], 0, 255)); c.input('at', UINT8, [8, 3], c.codes(UINT8, [8, 3], 0, 255)); c.input('s', INT8, [3, 8], c.codes(INT8, [3, 8], -63, 63));
    c.weight('b', INT8, [8, 4], c.codes(INT8, [8, 4], -63, 63)); c.weight('bt', INT8, [4, 8], c.codes(INT8, [4, 8], -63, 63)); c.weight('u', UINT8, [8, 4], c.codes(UINT8, [8, 4], 65, 190));
    c.weight('as', FLOAT, [], [0.013]); c.weight('az', UINT8, [], [117]); c.weight('sz', INT8, [1], [-3]); c.weight('bs', FLOAT, [], [0.021]); c.weight('bs1', FLOAT, [1], [0.021]); c.weight('bsn', FLOAT, [4], [0.021, 0.007, 0.031, 0.011]);
    c.weight('bz1', INT8, [1], [5]); c.weight('bz', INT8, [], [0]); c.weight('bzn', INT8, [4], [1, -2, 3, 0]); c.weight('uz', UINT8, [], [128]); c.weight('c', INT32, [4], [100, -200, 300, 0]); c.weight('c2', INT32, [3, 4], c.codes(INT32, [3, 4], -500, 500));
    c.weight('c1', INT32, [3, 1], [1000, -2000, 5]); c.weight('ys', FLOAT, [], [0.0731]); c.weight('yz', UINT8, [], [128]); c.weight('ysz', INT8, [], [-9]);
    const gemm = (name, inputs, attributes = {}, type = FLOAT) => c.node('QGemm', inputs, [[name, type]], attributes);
    gemm('plain', ['a', 'as', 'az', 'b', 'bs', 'bz']); gemm('alpha', ['a', 'as', 'az', 'b', 'bs', 'bz', 'c2'], { alpha: { float: 0.75 } }); gemm('columns', ['a', 'as', 'az', 'b', 'bsn', 'bzn', 'c']);
    gemm('both_transposed', ['at', 'as', 'az', 'bt', 'bsn', 'bzn', 'c1'], { transA: 1, transB: 1 }); gemm('unsigned', ['a', 'as', 'az', 'u', 'bs', 'uz', 'c']);
    gemm('codes', ['a', 'as', 'az', 'b', 'bsn', 'bzn', 'c', 'ys', 'yz'], {}, UINT8); gemm('codes_alpha', ['a', 'as', 'az', 'bt', 'bs', 'bz', '', 'ys', 'yz'], { transB: 1, alpha: { float: 0.5 } }, UINT8);
    gemm('signed', ['s', 'as', 'sz', 'b', 'bs1', 'bz1', 'c', 'ys', 'ysz'], {}, INT8);
    await c.write();
}

async function msQuantize() {
    const c = new Case('ms_quantize', 21);
    c.input('x', FLOAT, [2, 3], [1.1, -2.3, 90000, -70000, 0.4, 7.9]); c.weight('s', FLOAT, [], [0.5]); c.weight('sn', FLOAT, [3], [0.5, 1, 2]); c.weight('sr', FLOAT, [2], [1.5, 2]); c.input('i', INT32, [2, 3], [1, -2, 300000, 4, 5, 6]);
    for (const [kind, type] of [['u8', UINT8], ['i8', INT8], ['u16', UINT16], ['i16', INT16]]) {
        c.weight(`${kind}z`, type, [], [3]); c.weight(`${kind}zn`, type, [3], [1, 2, 3]); c.weight(`${kind}zr`, type, [2], [5, 6]);
        const pair = (name, scale, zero, attributes) => {
            c.node('QuantizeLinear', ['x', scale, zero], [[`${name}_codes`, type]], attributes);
            c.node('DequantizeLinear', [`${name}_codes`, scale, zero], [`${name}_numbers`], attributes);
        };
        pair(`${kind}_one`, 's', `${kind}z`, {}); pair(`${kind}_rows`, 'sr', `${kind}zr`, { axis: 0 }); pair(`${kind}_columns`, 'sn', `${kind}zn`, { axis: -1 });
    }
    c.node('QuantizeLinear', ['x', 's'], [['no_zero', UINT8]]); c.node('DequantizeLinear', ['i', 's'], ['from_i32']);
    for (const [kind, type] of [['i4', INT4], ['u4', UINT4]]) {
        c.weight(`${kind}w`, type, [2, 3], new Uint8Array([0x1f, 0x82, 0x7d])); c.weight(`${kind}z`, type, [3], new Uint8Array([0x31, 0x02]));
        c.node('DequantizeLinear', [`${kind}w`, 'sn', `${kind}z`], [`${kind}_numbers`], { axis: 1 }); c.node('DequantizeLinear', [`${kind}w`, 's'], [`${kind}_plain`]);
    }
    await c.write();
}

// ---- mixtures of experts ----

async function moe() {
    const c = new Case('ms_moe'), E = 4, H = 3, I = 2, f = (x) => ({ float: x });
    c.input('x', FLOAT, [3, H]); c.input('x3', FLOAT, [1, 3, H]); c.input('r', FLOAT, [3, E], [1, 2, 3, 0.5, -1, 0, 0.25, 0.125, 1, 2, 1.5, 0.5]);
    c.weight('w1', FLOAT, [E, I, H]); c.weight('b1', FLOAT, [E, I]); c.weight('wide', FLOAT, [E, 2 * I, H]); c.weight('wide_bias', FLOAT, [E, 2 * I]); c.weight('w2', FLOAT, [E, H, I]); c.weight('b2', FLOAT, [E, H]);
    const layer = (name, attributes, x = 'x', biases = true) => c.node('MoE', [x, 'r', 'w1', biases ? 'b1' : '', 'w2', ...(biases ? ['b2'] : [])], [name], attributes);
    for (const activation_type of ['relu', 'gelu', 'silu', 'identity']) layer(activation_type, { k: 2, activation_type });
    layer('default', {}); layer('normalized', { k: 2, normalize_routing_weights: 1, use_sparse_mixer: 0 }); layer('three', { k: 3 }, 'x3', false); layer('all', { k: 4, normalize_routing_weights: 1 });
    const fused = (name, attributes) => c.node('MoE', ['x', 'r', 'wide', 'wide_bias', 'w2', 'b2'], [name], { k: 2, activation_type: 'swiglu', swiglu_fusion: 1, ...attributes });
    fused('swiglu', {}); fused('swiglu_parameters', { activation_alpha: f(1.702), activation_beta: f(1), swiglu_limit: f(0.75) });
    // ONNX Runtime's CPU provider has the interleaved form only: the other two with the same weights in another order.
    const half = (name, dims, rows, from) => c.weight(name, FLOAT, dims, Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => c.data[name.includes('b') ? 'wide_bias' : 'wide'][from(i)]));
    const row = (e, i) => e * 2 * I + i;
    half('halves_w', [E, 2 * I, H], 0, (i) => { const e = Math.floor(i / (2 * I * H)), n = Math.floor(i / H) % (2 * I), k = i % H; return row(e, n < I ? 2 * n : 2 * (n - I) + 1) * H + k; });
    half('halves_b', [E, 2 * I], 0, (i) => { const e = Math.floor(i / (2 * I)), n = i % (2 * I); return row(e, n < I ? 2 * n : 2 * (n - I) + 1); });
    for (const [part, odd] of [['first', 0], ['third', 1]]) {
        half(`${part}_w`, [E, I, H], 0, (i) => row(Math.floor(i / (I * H)), 2 * (Math.floor(i / H) % I) + odd) * H + i % H);
        half(`${part}_b`, [E, I], 0, (i) => row(Math.floor(i / I), 2 * (i % I) + odd));
    }
    const parameters = { k: 2, activation_type: 'swiglu', activation_alpha: f(1.702), activation_beta: f(1), swiglu_limit: f(0.75) };
    const same = (await c.run()).swiglu_parameters;
    c.node('MoE', ['x', 'r', 'halves_w', 'halves_b', 'w2', 'b2'], ['swiglu_halves'], { ...parameters, swiglu_fusion: 2 });
    c.node('MoE', ['x', 'r', 'first_w', 'first_b', 'w2', 'b2', 'third_w', 'third_b'], ['swiglu_layers'], parameters);
    for (const name of ['swiglu_halves', 'swiglu_layers']) c.expect(name, same.dims, same.data);
    await c.write();
}

async function qmoe() {
    const c = new Case('ms_qmoe'), E = 3, H = 64, I = 32;
    c.input('x', FLOAT, [2, H]); c.input('r', FLOAT, [2, E], [1, 2, 3, 0.5, -1, 0.25]); c.input('rw', FLOAT, [2, E], [0.5, 0.25, 2, 1, 4, 0.125]);
    c.weight('b1', FLOAT, [E, I]); c.weight('b2', FLOAT, [E, H]); c.weight('bw', FLOAT, [E, 2 * I]);
    const small = (name, dims) => c.weight(name, FLOAT, dims, Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => (c.next(5) + 1) / 256));
    small('s1', [E, I]); small('s2', [E, H]); small('sw', [E, 2 * I]); small('t1', [E, I, H / 16]); small('t2', [E, H, I / 16]);
    for (const bits of [2, 4, 8]) {
        const pack = 8 / bits, codes = (name, dims) => c.weight(`${name}_${bits}`, UINT8, dims, c.codes(UINT8, dims, 0, 255)), own = (...names) => names.map((n) => (/^[wzy][12w]$/.test(n) ? `${n}_${bits}` : n));
        codes('w1', [E, I, H / pack]); codes('ww', [E, 2 * I, H / pack]); codes('w2', [E, H, I / pack]); codes('z1', [E, I / pack]); codes('z2', [E, H / pack]);
        codes('y1', [E, I, Math.ceil(H / 16 / pack)]); codes('y2', [E, H, Math.ceil(I / 16 / pack)]);
        const node = (name, inputs, attributes) => c.node('QMoE', own(...inputs), [`${name}_${bits}`], { expert_weight_bits: bits, k: 2, ...attributes });
        node('rows', ['x', 'r', 'w1', 's1', 'b1', 'w2', 's2', 'b2'], {});
        node('zeros', ['x', 'r', 'w1', 's1', '', 'w2', 's2', '', '', '', '', 'z1', 'z2'], { activation_type: 'silu', quant_type: 'int' });
        node('swiglu', ['x', 'r', 'ww', 'sw', 'bw', 'w2', 's2', 'b2'], { activation_type: 'swiglu', swiglu_fusion: 1, weights_prepacked: 0, activation_alpha: { float: 1.702 }, activation_beta: { float: 1 }, swiglu_limit: { float: 7 } });
        if (bits < 8) node('blocks', ['x', 'r', 'w1', 't1', 'b1', 'w2', 't2'], { block_size: 16, activation_type: 'gelu' });
        if (bits < 8) node('block_zeros', ['x', 'r', 'w1', 't1', 'b1', 'w2', 't2', '', '', '', '', 'y1', 'y2'], { block_size: 16, k: 1 });
    }
    c.node('QMoE', ['x', 'r', 'w1_4', 's1', '', 'w2_4', 's2', '', '', '', '', '', '', '', 'rw'], ['own_weights'], { k: 2 });
    c.node('QMoE', ['x', 'r', 'w1_4', 's1', '', 'w2_4', 's2', '', '', '', '', '', '', '', 'rw'], ['own_normalized'], { k: 2, normalize_routing_weights: 1 });
    await c.write();
}

// ---- layers over codes ----

async function qattention() {
    const c = new Case('ms_qattention'), B = 2, S = 3, H = 4;
    c.input('x', UINT8, [B, S, H], c.codes(UINT8, [B, S, H], 0, 255)); c.weight('bias', FLOAT, [3 * H]); c.weight('xs', FLOAT, [], [0.02]); c.weight('xz', UINT8, [], [117]); c.weight('ws', FLOAT, [], [0.01]);
    c.weight('wsn', FLOAT, [3 * H], Array.from({ length: 12 }, (_, i) => 0.002 * (i + 1))); c.input('past', FLOAT, [2, B, 2, 2, H / 2]);
    c.weight('lengths', INT32, [B], [3, 1]); c.weight('ends', INT32, [2 * B], [3, 2, 1, 0]); c.weight('keys', INT32, [B, S], [1, 0, 1, 1, 1, 0]); c.weight('pairs', INT32, [B, S, S], c.codes(INT32, [B, S, S], 0, 1));
    for (const [kind, type, lo] of [['s', INT8, -63], ['u', UINT8, 65]]) {
        c.weight(`codes_${kind}`, type, [H, 3 * H], c.codes(type, [H, 3 * H], lo, lo + 126)); c.weight(`z${kind}`, type, [], [lo + 66]); c.weight(`zn${kind}`, type, [3 * H], c.codes(type, [3 * H], lo + 60, lo + 70));
        const layer = (name, { scale = 'ws', mask = '', zero = `z${kind}`, xz = 'xz', past = '' } = {}, attributes = {}) => {
            const inputs = ['x', `codes_${kind}`, 'bias', 'xs', scale, mask, xz, zero, past];
            c.node('QAttention', inputs.slice(0, inputs.findLastIndex(Boolean) + 1), [`${name}_${kind}`, ...(past ? [`${name}_${kind}_present`] : [])], { num_heads: 2, ...attributes });
        };
        layer('plain'); layer('columns', { scale: 'wsn', zero: `zn${kind}` }); layer('no_zeros', { zero: '', xz: '' }); layer('causal', {}, { unidirectional: 1, do_rotary: 0 }); layer('scaled', {}, { scale: { float: 0.25 } });
        for (const mask of ['lengths', 'ends', 'keys', 'pairs']) layer(mask, { mask }, mask === 'keys' ? { mask_filter_value: { float: -2 } } : {});
        layer('past', { past: 'past' }, { unidirectional: 1, past_present_share_buffer: 0 });
    }
    await c.write();
}

async function dynamicLstm() {
    const c = new Case('ms_dynamic_lstm'), S = 4, B = 2, I = 3, H = 2;
    c.tolerance = { atol: 0.02, rtol: 0 }; // a last bit of tanh moves a code of the next step's hidden state
    c.input('x', FLOAT, [S, B, I]); c.weight('lengths', INT32, [B], [4, 2]);
    for (const D of [1, 2]) {
        c.input(`h${D}`, FLOAT, [D, B, H], c.floats([D, B, H], 0.25)); c.input(`c${D}`, FLOAT, [D, B, H]); c.weight(`b${D}`, FLOAT, [D, 8 * H]); c.weight(`p${D}`, FLOAT, [D, 3 * H]);
        c.weight(`s${D}`, FLOAT, [D], [0.01, 0.02].slice(0, D)); c.weight(`sn${D}`, FLOAT, [D, 4 * H], Array.from({ length: D * 4 * H }, (_, i) => 0.003 * (i % 7 + 1)));
        for (const [kind, type, lo] of [['s', INT8, -63], ['u', UINT8, 65]]) {
            const n = (name) => `${name}${kind}${D}`;
            c.weight(n('w'), type, [D, I, 4 * H], c.codes(type, [D, I, 4 * H], lo, lo + 126)); c.weight(n('r'), type, [D, H, 4 * H], c.codes(type, [D, H, 4 * H], lo, lo + 126)); c.weight(n('z'), type, [D], [lo + 60, lo + 65].slice(0, D));
            c.weight(n('zn'), type, [D, 4 * H], new (kind === 's' ? Int8Array : Uint8Array)(D * 4 * H).fill(kind === 's' ? 0 : 130));
            const layer = (name, [b = '', lengths = '', h = '', cell = '', p = ''], scale, zero, attributes = {}) =>
                c.node('DynamicQuantizeLSTM', ['x', n('w'), n('r'), b, lengths, h, cell, p, scale, zero, scale, zero], [`${n(name)}_y`, `${n(name)}_h`, `${n(name)}_c`], { hidden_size: H, ...attributes });
            if (D === 2) layer('both', ['b2', 'lengths', 'h2', 'c2', 'p2'], 's2', n('z'), { direction: 'bidirectional' });
            else {
                layer('plain', [], 's1', n('z')); layer('columns', ['b1', '', 'h1', 'c1'], 'sn1', n('zn'), { clip: { float: 0.5 } }); layer('reverse', ['b1', '', '', '', 'p1'], 's1', n('z'), { direction: 'reverse', input_forget: 1 });
                layer('other', ['b1'], 's1', n('z'), { activations: { strings: ['HardSigmoid', 'LeakyRelu', 'Tanh'] }, activation_alpha: { floats: [0.3, 0.1] }, activation_beta: { floats: [0.4] } });
            }
        }
    }
    await c.write();
}

async function embeddings() {
    const c = new Case('ms_embeddings'), D = 4, f = (x) => ({ float: x });
    c.input('ids', INT32, [2, 3], [1, 0, 4, 2, 3, 1]); c.input('segments', INT32, [2, 3], [0, 1, 1, 0, 0, 1]); c.weight('mask', INT32, [2, 3], [1, 1, 0, 1, 1, 1]); c.weight('positions', INT32, [1, 3], [2, 0, 3]);
    c.weight('words', FLOAT, [5, D]); c.weight('places', FLOAT, [4, D]); c.weight('parts', FLOAT, [2, D]); c.weight('gamma', FLOAT, [D]); c.weight('beta', FLOAT, [D]);
    const plain = (name, inputs, outputs, attributes = {}) => c.node('EmbedLayerNormalization', inputs, [[name, FLOAT], ...outputs], attributes);
    plain('all', ['ids', 'segments', 'words', 'places', 'parts', 'gamma', 'beta', 'mask', 'positions'], [['all_mask', INT32], ['all_sum', FLOAT]], { epsilon: f(0.01), mask_index_type: 1 });
    plain('untyped', ['ids', '', 'words', 'places', '', 'gamma', 'beta', 'mask'], [['untyped_mask', INT32]], { mask_index_type: 0 });
    plain('few', ['ids', '', 'words', 'places', '', 'gamma', 'beta'], [['few_mask', INT32]]);
    for (const [kind, type, lo] of [['s', INT8, -128], ['u', UINT8, 0]]) {
        const n = (name) => `${name}_${kind}`, tables = ['words', 'places', 'parts', 'gamma', 'beta'], dims = [[5, D], [4, D], [2, D], [D], [D]];
        tables.forEach((t, i) => { c.weight(n(t), type, dims[i], c.codes(type, dims[i], lo, lo + 255)); c.weight(n(`${t}_scale`), FLOAT, [], [0.01 * (i + 1)]); c.weight(n(`${t}_zero`), type, [], [lo + 100 + i]); });
        const all = (suffix, without) => tables.map((t) => (without && t === 'parts' ? '' : n(t + suffix)));
        c.node('QEmbedLayerNormalization', ['ids', 'segments', ...all(''), 'mask', ...all('_scale'), ...all('_zero')], [[n('codes'), FLOAT], [n('codes_mask'), INT32]], { epsilon: f(0.02) });
        c.node('QEmbedLayerNormalization', ['ids', '', ...all('', true), '', ...all('_scale', true), ...all('_zero', true)], [[n('few_codes'), FLOAT], [n('few_codes_mask'), INT32]]);
    }
    await c.write();
}

async function norms() {
    const c = new Case('ms_norms'), f = (x) => ({ float: x });
    c.input('x', FLOAT, [2, 3, 4]); c.input('skip', FLOAT, [2, 3, 4]); c.input('one', FLOAT, [1, 3, 4]); c.input('flat', FLOAT, [3, 4]); c.weight('gamma', FLOAT, [4]); c.weight('beta', FLOAT, [4]); c.weight('bias', FLOAT, [4]);
    for (const [op, beta] of [['SkipLayerNormalization', ['beta']], ['SkipSimplifiedLayerNormalization', []]]) {
        const norm = (name, inputs, outputs = [], attributes = {}) => c.node(op, inputs, [`${name}${beta.length}`, ...outputs], attributes);
        norm('plain', ['x', 'skip', 'gamma', ...beta]); norm('bias', ['x', 'skip', 'gamma', ...beta, 'bias'], ['', '', `sum${beta.length}`], { epsilon: f(0.1) });
        norm('broadcast', ['x', 'one', 'gamma', ...beta]); norm('rows', ['x', 'flat', 'gamma', ...beta]); norm('matrix', ['flat', 'flat', 'gamma', ...beta], [], { epsilon: f(0.01) });
    }
    c.node('SkipLayerNormalization', ['x', 'skip', 'gamma', '', 'bias'], ['no_beta']);
    c.weight('from', INT64, [], [1n]); c.weight('to', INT64, [], [8n]); c.weight('step', INT64, [], [3n]); c.weight('places', INT64, [2, 2], [1n, 0n, 0n, 2n]);
    c.node('Range', ['from', 'to', 'step'], [['range', INT64]]); c.node('GatherND', ['x', 'places'], ['gathered']); c.node('Trilu', ['x', 'from'], ['upper']); c.node('Trilu', ['x'], ['lower'], { upper: 0 });
    c.node('TransposeMatMul', ['x', 'flat'], ['transposed'], { transB: 1, alpha: f(0.5) });
    c.node('BiasGelu', ['x', 'bias'], ['bias_gelu']); c.node('FastGelu', ['x', 'bias'], ['fast_gelu_bias']); c.node('FastGelu', ['x'], ['fast_gelu']); c.node('Gelu', ['x'], ['gelu']);
    c.node('QuickGelu', ['x'], ['quick_gelu']); c.node('QuickGelu', ['x'], ['quick_gelu_alpha'], { alpha: f(0.5) });
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

async function quantRefusals() {
    const f = (x) => ({ float: x });
    const blocked = new Case('nchwc');
    blocked.input('x', FLOAT, [1, 8, 2, 2]); blocked.node('ReorderInput', ['x'], ['y'], {}, FLOAT, 'com.microsoft.nchwc');
    await blocked.refuse("operator ReorderInput of com.microsoft.nchwc (opset version 1) is not supported: ONNX Runtime laid the channels out for one processor's kernels; save the graph at optimisation level extended");
    const moe = async (name, message, attributes, { quantised = false, third = false, wide = 2, router = 2 } = {}) => {
        const c = new Case(name), E = 2, H = 16, I = 16, codes = (n, dims) => c.weight(n, UINT8, dims, c.codes(UINT8, dims, 0, 255));
        c.input('x', FLOAT, [1, H]); c.input('r', FLOAT, [1, router]);
        if (quantised) { codes('w1', [E, I, H / 2]); codes('w2', [E, H, I / 2]); c.weight('s1', FLOAT, [E, I]); c.weight('s2', FLOAT, [E, H]); }
        else { c.weight('w1', FLOAT, [E, wide * I / 2, H]); c.weight('w2', FLOAT, [E, H, I]); c.weight('w3', FLOAT, [E, I, H]); }
        c.node(quantised ? 'QMoE' : 'MoE', quantised ? ['x', 'r', 'w1', 's1', '', 'w2', 's2'] : ['x', 'r', 'w1', '', 'w2', ...(third ? ['', 'w3'] : [])], ['y'], attributes);
        await c.refuse(message);
    };
    await moe('moe_activation', 'attribute activation_type is geglu, expected relu, gelu, silu, identity or swiglu', { activation_type: 'geglu' });
    await moe('moe_fusion', 'attribute swiglu_fusion is 3, expected 0, 1 or 2', { activation_type: 'swiglu', swiglu_fusion: 3 });
    await moe('moe_no_third', 'swiglu with swiglu_fusion 0 needs a third layer (input 6)', { activation_type: 'swiglu' });
    await moe('moe_third', 'swiglu with swiglu_fusion 1 does not take a third layer (input 6)', { activation_type: 'swiglu', swiglu_fusion: 1 }, { third: true });
    await moe('moe_odd', "tensor 'w1': input 2 has an odd number of rows", { activation_type: 'swiglu', swiglu_fusion: 1 }, { wide: 1 / 8 });
    await moe('moe_k', 'attribute k is 3, expected 1 to 2', { k: 3 });
    await moe('moe_router', "tensor 'r': input 1 has dims [1, 3], expected [1, 2]", {}, { router: 3 });
    await moe('moe_sparse', 'attribute use_sparse_mixer is 1, only 0 is supported', { use_sparse_mixer: 1 });
    await moe('qmoe_type', "attribute quant_type is 'fp4', only int is supported", { quant_type: 'fp4' }, { quantised: true });
    await moe('qmoe_prepacked', 'attribute weights_prepacked is 1, expected 0 or -1', { weights_prepacked: 1 }, { quantised: true });
    await moe('qmoe_bits', 'attribute expert_weight_bits is 3, expected 2, 4 or 8', { expert_weight_bits: 3 }, { quantised: true });
    await moe('qmoe_block', 'attribute block_size is 8, expected a power of 2, 16 or more', { block_size: 8 }, { quantised: true });
    const qlinear = async (name, op, message, inputs, attributes = {}, type = UINT8) => {
        const c = new Case(name);
        c.input('x', UINT8, [1, 1, 2, 2], [1, 2, 3, 4]); c.input('i8', INT8, [1, 1, 2, 2], [1, 2, 3, 4]); c.weight('s', FLOAT, [], [0.5]); c.weight('s2', FLOAT, [2], [0.5, 1]); c.weight('z', UINT8, [], [3]); c.weight('z2', UINT8, [2], [3, 4]);
        c.weight('m', UINT8, [2, 2], [1, 2, 3, 4]); c.weight('c', INT32, [3], [1, 2, 3]);
        c.node(op, inputs, [['y', type]], attributes);
        await c.refuse(message);
    };
    const layer = async (name, op, message, inputs, attributes = {}) => {
        const c = new Case(name);
        c.input('x', UINT8, [1, 2, 4], c.codes(UINT8, [1, 2, 4], 0, 9)); c.input('f', FLOAT, [3, 1, 4]); c.weight('w', UINT8, [4, 12], c.codes(UINT8, [4, 12], 0, 9)); c.weight('b', FLOAT, [12]); c.weight('b2', FLOAT, [11]); c.weight('s', FLOAT, [], [0.5]);
        c.weight('s2', FLOAT, [11]); c.weight('z', UINT8, [], [3]); c.weight('zi', INT8, [], [3]); c.weight('lw', UINT8, [1, 4, 8], c.codes(UINT8, [1, 4, 8], 0, 9)); c.weight('lr', UINT8, [1, 2, 8], c.codes(UINT8, [1, 2, 8], 0, 9));
        c.weight('ls', FLOAT, [1], [0.5]); c.weight('lz', UINT8, [1], [3]); c.weight('ls2', FLOAT, [1, 7]); c.weight('ls3', FLOAT, [1, 1, 8]);
        c.node(op, inputs, ['y'], attributes);
        await c.refuse(message);
    };
    await layer('qattention_scale', 'QAttention', "tensor 's2': input 4 has dims [11], expected [12]", ['x', 'w', 'b', 's', 's2', '', 'z', 'z'], { num_heads: 2 });
    await layer('qattention_bias', 'QAttention', "tensor 'b2': input 2 has dims [11], expected [12]", ['x', 'w', 'b2', 's', 's', '', 'z', 'z'], { num_heads: 2 });
    await layer('qattention_zero', 'QAttention', "tensor 'zi': input 7 has element type i8, expected u8", ['x', 'w', 'b', 's', 's', '', 'z', 'zi'], { num_heads: 2 });
    await layer('qattention_rotary', 'QAttention', 'attribute do_rotary is 1, only 0 is supported', ['x', 'w', 'b', 's', 's', '', 'z', 'z'], { num_heads: 2, do_rotary: 1 });
    const lstm = (scale, zero, r = 'lr') => ['f', 'lw', r, '', '', '', '', '', scale, zero, 'ls', 'lz'];
    await layer('dynamic_lstm_scale', 'DynamicQuantizeLSTM', "tensor 'ls2': input 8 has dims [1, 7], expected [1, 8]", lstm('ls2', 'lz'), { hidden_size: 2 });
    await layer('dynamic_lstm_rank', 'DynamicQuantizeLSTM', "tensor 'ls3': input 8 has rank 3, expected 1 or 2", lstm('ls3', 'lz'), { hidden_size: 2 });
    await layer('dynamic_lstm_no_zero', 'DynamicQuantizeLSTM', 'input 9 must be a tensor', lstm('ls', ''), { hidden_size: 2 });
    await layer('dynamic_lstm_weights', 'DynamicQuantizeLSTM', "tensor 'lw': input 2 has dims [1, 4, 8], expected [1, 2, 8]", lstm('ls', 'lz', 'lw'), { hidden_size: 2 });
    await qlinear('qlinear_scale', 'QLinearAdd', "tensor 's2': input 1 is f32[2], expected one element", ['x', 's2', 'z', 'x', 's', 'z', 's', 'z']);
    await qlinear('qlinear_zero', 'QLinearSigmoid', "tensor 'z2': input 2 is u8[2], expected one element", ['x', 's', 'z2', 's', 'z']);
    await qlinear('qlinear_no_scale', 'QLinearSigmoid', 'input 3 is missing', ['x', 's', 'z', '', 'z']);
    await qlinear('qlinear_types', 'QLinearMul', "tensor 'i8': input 3 has element type i8, expected u8", ['x', 's', 'z', 'i8', 's', '', 's', 'z']);
    await qlinear('qlinear_concat_inputs', 'QLinearConcat', '6 inputs, expected two and three a part', ['s', 'z', 'x', 's', 'z', 'x'], { axis: 0 });
    await qlinear('qlinear_softmax_opset', 'QLinearSoftmax', 'attribute opset is 0, expected 1 or more', ['x', 's', 'z', 's', 'z'], { opset: 0 });
    await qlinear('qlinear_global_rank', 'QLinearGlobalAveragePool', "tensor 'm': input 0 has rank 2, expected 3 or more", ['m', 's', 'z', 's', 'z']);
    await qlinear('qgemm_no_zero', 'QGemm', 'the result has a scale without a zero point', ['m', 's', 'z', 'm', 's', 'z', '', 's'], {}, FLOAT);
    await qlinear('qgemm_no_scale', 'QGemm', 'the result has a zero point without a scale', ['m', 's', 'z', 'm', 's', 'z', '', '', 'z']);
    await qlinear('qgemm_c', 'QGemm', "tensor 'c': dims that do not broadcast: i32[3], expected one that broadcasts to i32[2, 2]", ['m', 's', 'z', 'm', 's', 'z', 'c'], {}, FLOAT);
}

await refusals();
await blockRefusals();
await quantRefusals();
await matMulNBits();
await weightsInCodes();
await nbitsInBlocks();
await matMulBnb4();
await gatherBlocks();
await fusedMatMul();
await fusedGemm();
await fusedConv();
await integerProducts();
await qlinear();
await qgemm();
await msQuantize();
await moe();
await qmoe();
await qattention();
await dynamicLstm();
await embeddings();
await norms();
