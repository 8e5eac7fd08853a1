/* The QLinear operators of com.microsoft, and others over codes whose layout it chose. In: codes
 * with a scale and a zero point for the tensor. Out: the plain operator over what the codes stand
 * for, with the results rounded to codes again, which passes fuse; sums of codes stay integers. */
#include "frontend/quant.h"
#include "frontend/registry.h"

#include <string.h>

/* Input numbers of one quantised tensor; a zero point that is missing is 0. */
typedef struct scaled {
    size_t codes, scale, zero;
} scaled;

/* `codes` SIZE_MAX: parameters of a result. */
static lathe_status need_scaled(const fe_node *n, scaled q)
{
    if (q.codes != SIZE_MAX) {
        TRY(fe_need_class(n, q.codes, "SU"));
        TRY(fe_need_same(n, q.codes, q.zero));
    }
    if (!fe_has(n, q.scale)) return fe_fail_input(n, q.scale, LATHE_BAD_INPUT, "is missing");
    TRY(fe_need_single(n, q.scale, "FL"));
    return fe_need_single(n, q.zero, "SU");
}

static ir_expr centred_code(const fe_node *n, ir_nest *nest, scaled q, ir_expr code)
{
    ir_expr zero = fe_has(n, q.zero) ? fe_load_scalar(nest, fe_in(n, q.zero)) : IR_NONE;
    return fe_x_centred(nest->b->g, code, zero);
}

static ir_expr scale_of(const fe_node *n, ir_nest *nest, size_t k)
{
    return ir_x_cast(nest->b->g, fe_load_scalar(nest, fe_in(n, k)), IR_F32);
}

/* What a code stands for. */
static ir_expr number(const fe_node *n, ir_nest *nest, scaled q, ir_expr code)
{
    ir_graph *g = nest->b->g;
    ir_expr x = ir_x_cast(g, centred_code(n, nest, q, code), IR_F32);
    return X2(MUL, x, scale_of(n, nest, q.scale));
}

/* The codes of numbers that are divided by the scale already. */
static ir_value as_codes(const fe_node *n, ir_nest *nest, scaled y, ir_elem out, ir_expr x)
{
    ir_expr zero = fe_has(n, y.zero) ? fe_load_scalar(nest, fe_in(n, y.zero)) : IR_NONE;
    return fe_store_code(nest, x, zero, out, true);
}

static ir_value rounded(const fe_node *n, ir_nest *nest, scaled y, ir_elem out, ir_expr x)
{
    ir_graph *g = nest->b->g;
    return as_codes(n, nest, y, out, X2(DIV, x, scale_of(n, nest, y.scale)));
}

/* ---- maps ---- */

static ir_expr zero_of(const fe_node *n, ir_nest *nest, size_t k)
{
    ir_graph *g = nest->b->g;
    if (!fe_has(n, k)) return ir_x_num(g, IR_F32, 0);
    return ir_x_cast(g, fe_load_scalar(nest, fe_in(n, k)), IR_F32);
}

/* a * ra + (b * rb + rest), where the rest is what all zero points come to: these operations in
 * this order, because sums half way between two codes are common where the scales are round. */
static ir_expr sum_of_codes(const fe_node *n, ir_nest *nest, ir_expr a, ir_expr b)
{
    ir_graph *g = nest->b->g;
    ir_expr scale = scale_of(n, nest, 6);
    ir_expr ra = X2(DIV, scale_of(n, nest, 1), scale), rb = X2(DIV, scale_of(n, nest, 4), scale);
    ir_expr zeros = X2(ADD, X2(MUL, ra, zero_of(n, nest, 2)), X2(MUL, rb, zero_of(n, nest, 5)));
    ir_expr rest = X2(SUB, zero_of(n, nest, 7), zeros);
    ir_expr right = X2(ADD, X2(MUL, ir_x_cast(g, b, IR_F32), rb), rest);
    return X2(ADD, X2(MUL, ir_x_cast(g, a, IR_F32), ra), right);
}

static ir_expr product_of_codes(const fe_node *n, ir_nest *nest, scaled p, ir_expr a, scaled q,
                                ir_expr b)
{
    ir_graph *g = nest->b->g;
    ir_expr x = X2(MUL, centred_code(n, nest, p, a), centred_code(n, nest, q, b));
    ir_expr scale = X2(MUL, scale_of(n, nest, p.scale), scale_of(n, nest, q.scale));
    x = X2(MUL, ir_x_cast(g, x, IR_F32), X2(DIV, scale, scale_of(n, nest, 6)));
    return X2(ADD, x, zero_of(n, nest, 7));
}

/* Add and Mul: a, b, y, each with scale and zero point. These two and AveragePool round with the
 * result's zero point in the sum, all others without it: between two codes one takes the even code,
 * the other the even distance from the zero point. */
lathe_status fe_import_qlinear_binary(fe_node *n)
{
    static const scaled a = {0, 1, 2}, b = {3, 4, 5}, y = {SIZE_MAX, 6, 7};
    ir_nest nest;
    TRY(need_scaled(n, a));
    TRY(need_scaled(n, b));
    TRY(need_scaled(n, y));
    TRY(fe_need_same(n, 0, 3));
    TRY(fe_need_same(n, 0, 7));
    ir_value v[] = {fe_in(n, 0), fe_in(n, 3)};
    if (!fe_broadcast(&nest, &n->b, v, 2)) return LATHE_BAD_INPUT;
    ir_expr p = ir_nest_read(&nest, v[0]), q = ir_nest_read(&nest, v[1]);
    ir_expr x = !strcmp(n->op, "QLinearAdd") ? sum_of_codes(n, &nest, p, q)
                                             : product_of_codes(n, &nest, a, p, b, q);
    fe_out(n, 0, fe_store_code(&nest, x, IR_NONE, fe_type(n, 0)->elem, true));
    return LATHE_OK;
}

static const scaled unary_x = {0, 1, 2}, unary_y = {SIZE_MAX, 3, 4};

static lathe_status need_unary(const fe_node *n)
{
    TRY(need_scaled(n, unary_x));
    TRY(need_scaled(n, unary_y));
    return fe_need_same(n, 0, 4);
}

lathe_status fe_import_qlinear_activation(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(need_unary(n));
    ir_value v = fe_in(n, 0);
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    ir_expr x = number(n, &nest, unary_x, ir_nest_read(&nest, v));
    if (!strcmp(n->op, "QLinearSigmoid")) x = X1(SIGMOID, x);
    else {
        ir_expr low = X2(MUL, x, XN(x, fe_attr_float(n, "alpha")));
        x = ir_x_select(g, X2(LT, x, XN(x, 0)), low, x);
    }
    fe_out(n, 0, rounded(n, &nest, unary_y, fe_type(n, 0)->elem, x));
    return LATHE_OK;
}

/* condition; x, y; scale and zero point of the result. */
lathe_status fe_import_qlinear_where(fe_node *n)
{
    static const scaled x = {1, 2, 3}, y = {4, 5, 6}, z = {SIZE_MAX, 7, 8};
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(fe_need_class(n, 0, "B"));
    TRY(need_scaled(n, x));
    TRY(need_scaled(n, y));
    TRY(need_scaled(n, z));
    TRY(fe_need_same(n, 1, 4));
    TRY(fe_need_same(n, 1, 8));
    ir_value v[] = {fe_in(n, 0), fe_in(n, 1), fe_in(n, 4)};
    if (!fe_broadcast(&nest, &n->b, v, 3)) return LATHE_BAD_INPUT;
    ir_expr p = number(n, &nest, x, ir_nest_read(&nest, v[1]));
    ir_expr q = number(n, &nest, y, ir_nest_read(&nest, v[2]));
    ir_expr chosen = ir_x_select(g, ir_nest_read(&nest, v[0]), p, q);
    fe_out(n, 0, rounded(n, &nest, z, fe_type(n, 1)->elem, chosen));
    return LATHE_OK;
}

/* Scale and zero point of the result, then each part with its own. */
lathe_status fe_import_qlinear_concat(fe_node *n)
{
    static const scaled y = {SIZE_MAX, 0, 1};
    int axis;
    TRY(need_scaled(n, y));
    TRY(fe_need_class(n, 1, "SU"));
    if (n->nin < 5 || n->nin % 3 != 2)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu inputs, expected two and three a part", n->nin);
    size_t count = n->nin / 3;
    ir_value *parts = IR_NEW_N(n->g->arena, ir_value, count);
    for (size_t i = 0; i < count; i++) {
        ir_nest nest;
        scaled x = {2 + 3 * i, 3 + 3 * i, 4 + 3 * i};
        TRY(need_scaled(n, x));
        TRY(fe_need_same(n, 1, x.codes));
        TRY(fe_need_rank(n, x.codes, fe_type(n, 2)->rank));
        ir_value v = fe_in(n, x.codes);
        if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
        ir_expr value = number(n, &nest, x, ir_nest_read(&nest, v));
        parts[i] = rounded(n, &nest, y, fe_type(n, 1)->elem, value);
        if (parts[i] == IR_NONE) return LATHE_BAD_INPUT;
    }
    TRY(fe_attr_axis(n, "axis", fe_type(n, 2)->rank, &axis));
    for (size_t i = 1; i < count; i++)
        for (int d = 0; d < fe_type(n, 2)->rank; d++)
            if (d != axis) TRY(fe_need_dim(n, 2 + 3 * i, d, fe_type(n, 2)->dims[d]));
    fe_out(n, 0, ir_concat(&n->b, parts, count, axis));
    return LATHE_OK;
}

/* ---- operators of ai.onnx over other operands ---- */

/* What the importer makes of the node with v in place of input 0 and, but for `inputs` of them,
 * without inputs. */
static lathe_status plain(fe_node *n, const char *op, int version, fe_importer import, ir_value v,
                          size_t inputs, ir_value *result)
{
    fe_value in[16] = {{.kind = FE_ABSENT}}, out[1] = {{.kind = FE_POISON}};
    for (size_t k = 1; k < inputs && k < n->nin; k++) in[k] = n->in[k];
    in[0] = (fe_value){.kind = v ? FE_TENSOR : FE_POISON, .tensor = v};
    fe_node m = *n;
    m.op = op;
    m.row = fe_op_find("", op, version);
    m.version = version;
    m.in = in;
    m.nin = inputs;
    m.out = out;
    m.nout = 1;
    *result = IR_NONE;
    if (v == IR_NONE) return LATHE_BAD_INPUT;
    const lathe_status status = import(&m);
    n->b = m.b;
    if (out[0].kind == FE_TENSOR) *result = out[0].tensor;
    return status;
}

static ir_value numbers(fe_node *n)
{
    ir_nest nest;
    ir_value v = fe_in(n, 0);
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return IR_NONE;
    return ir_nest_map(&nest, IR_F32, number(n, &nest, unary_x, ir_nest_read(&nest, v)));
}

static ir_value codes(fe_node *n, ir_value v)
{
    ir_nest nest;
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return IR_NONE;
    return rounded(n, &nest, unary_y, fe_type(n, 0)->elem, ir_nest_read(&nest, v));
}

/* [N, spatial..., C] -> [N, C, spatial...] and back. */
static ir_value channels(ir_builder *b, ir_value v, bool last)
{
    int perm[IR_MAX_RANK] = {0};
    if (v == IR_NONE) return IR_NONE;
    int rank = ir_type_of(b->g, v)->rank;
    for (int i = 1; i < rank; i++)
        perm[i] = last ? i % (rank - 1) + 1 : (i + rank - 3) % (rank - 1) + 1;
    return rank < 3 ? v : ir_permute(b, v, perm);
}

lathe_status fe_import_qlinear_softmax(fe_node *n)
{
    ir_value v;
    int64_t opset = fe_attr_int(n, "opset");
    if (opset < 1 || opset > INT32_MAX)
        return fe_expect(n, "attribute opset is", fe_number(n, opset), "1 or more");
    TRY(need_unary(n));
    if (!fe_has_attr(n, "axis")) opset = 13; /* -1, where axes are flattened too */
    TRY(plain(n, "Softmax", (int)opset, fe_import_softmax, numbers(n), 1, &v));
    fe_out(n, 0, codes(n, v));
    return LATHE_OK;
}

lathe_status fe_import_qlinear_reduce_mean(fe_node *n)
{
    ir_value v;
    TRY(need_unary(n));
    TRY(plain(n, "ReduceMean", 13, fe_import_reduce, numbers(n), 1, &v));
    fe_out(n, 0, codes(n, v));
    return LATHE_OK;
}

/* The third that rounds with the zero point in the sum. */
lathe_status fe_import_qlinear_average_pool(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    bool last = fe_attr_int(n, "channels_last") != 0;
    ir_value v;
    TRY(need_unary(n));
    v = numbers(n);
    if (last) v = channels(&n->b, v, false);
    TRY(plain(n, "AveragePool", 19, fe_import_average_pool, v, 1, &v));
    if (v == IR_NONE || !fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    ir_expr x = X2(DIV, ir_nest_read(&nest, v), scale_of(n, &nest, unary_y.scale));
    x = X2(ADD, x, zero_of(n, &nest, unary_y.zero));
    v = fe_store_code(&nest, x, IR_NONE, fe_type(n, 0)->elem, true);
    fe_out(n, 0, last ? channels(&n->b, v, true) : v);
    return LATHE_OK;
}

/* The sum of centred codes is exact; one factor makes the mean, and the result's scale, of it. */
lathe_status fe_import_qlinear_global_average_pool(fe_node *n)
{
    ir_graph *g = n->g;
    fe_fold f;
    ir_nest nest;
    bool last = fe_attr_int(n, "channels_last") != 0;
    TRY(need_unary(n));
    const ir_type t = *fe_type(n, 0);
    if (t.rank < 3) return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "3 or more");
    unsigned axes = ((1u << t.rank) - 1) & ~1u & ~(1u << (last ? t.rank - 1 : 1));
    if (!fe_fold_begin(&f, &n->b, fe_in(n, 0), axes)) return LATHE_BAD_INPUT;
    ir_expr x = centred_code(n, &f.nest, unary_x, f.x);
    ir_value sum = fe_fold_end(&f, "sum", IR_I32, x, true);
    if (!fe_broadcast(&nest, &n->b, &sum, 1)) return LATHE_BAD_INPUT;
    ir_expr count = ir_x_cast(g, ir_x_dim(g, fe_axes_count(g, &t, axes)), IR_F32);
    ir_expr scale = X2(DIV, scale_of(n, &nest, 1), X2(MUL, scale_of(n, &nest, 3), count));
    x = X2(MUL, ir_x_cast(g, ir_nest_read(&nest, sum), IR_F32), scale);
    fe_out(n, 0, as_codes(n, &nest, unary_y, t.elem, x));
    return LATHE_OK;
}

/* ---- codes with their channels last ---- */

lathe_status fe_import_ms_qlinear_conv(fe_node *n)
{
    bool last = fe_attr_int(n, "channels_last") != 0;
    ir_value v;
    TRY(fe_need_rank(n, 0, -1));
    v = fe_in(n, 0);
    if (last) v = channels(&n->b, v, false);
    TRY(plain(n, "QLinearConv", 10, fe_import_qlinear_conv, v, 9, &v));
    fe_out(n, 0, last ? channels(&n->b, v, true) : v);
    return LATHE_OK;
}

lathe_status fe_import_nhwc_max_pool(fe_node *n)
{
    ir_value v;
    TRY(fe_need_class(n, 0, "SU"));
    v = channels(&n->b, fe_in(n, 0), false);
    TRY(plain(n, "MaxPool", 12, fe_import_max_pool, v, 1, &v));
    fe_out(n, 0, channels(&n->b, v, true));
    return LATHE_OK;
}

/* ---- QEmbedLayerNormalization: ids, segments, tables, gamma, beta as codes, mask; their scales;
 * their zero points ---- */

lathe_status fe_import_qembed_norm(fe_node *n)
{
    enum { TABLES = 2, MASK = 7, SCALES = 8, ZEROS = 13 };
    fe_value in[MASK + 1] = {{.kind = FE_ABSENT}};
    for (size_t k = 0; k <= MASK && k < n->nin; k++) in[k] = n->in[k];
    for (size_t k = 0; k < MASK - TABLES; k++) {
        ir_nest nest;
        scaled q = {TABLES + k, SCALES + k, ZEROS + k};
        if (!fe_has(n, q.codes) && q.codes == 4) continue; /* segments */
        TRY(need_scaled(n, q));
        ir_value v = fe_in(n, q.codes);
        if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
        ir_expr x = number(n, &nest, q, ir_nest_read(&nest, v));
        in[q.codes] = (fe_value){.kind = FE_TENSOR, .tensor = ir_nest_map(&nest, IR_F32, x)};
    }
    fe_node m = *n;
    m.in = in;
    m.nin = MASK + 1;
    const lathe_status status = fe_import_embed_norm(&m);
    n->b = m.b;
    return status;
}
