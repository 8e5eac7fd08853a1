/* MoE and QMoE of com.microsoft: each row goes through k of the experts' small networks. In: rows,
 * a score of each expert for each row, the experts' weights, as floats or as codes. Out: the
 * products of all experts with all rows as contracts with the experts as batch, and a sum over
 * those that the row has chosen. Gathering the chosen experts' weights instead would read fewer of
 * them, but no kernel for products reads its weights at places that data decide. A row's choice is
 * counted, not sorted: an expert is chosen if fewer than k stand before it, by greater score or,
 * among equals, lower number. */
#include "frontend/quant.h"

#include <math.h>
#include <string.h>

/* Inputs by number; SIZE_MAX: the operator has none. */
typedef struct layer_inputs {
    size_t weights, scales, bias, zeros;
} layer_inputs;

static const struct {
    const char *op;
    layer_inputs fc1, fc2, fc3;
    size_t mixing;
} operators[] = {
    {"MoE",
     {2, SIZE_MAX, 3, SIZE_MAX},
     {4, SIZE_MAX, 5, SIZE_MAX},
     {6, SIZE_MAX, 7, SIZE_MAX},
     SIZE_MAX},
    {"QMoE", {2, 3, 4, 11}, {5, 6, 7, 12}, {8, 9, 10, 13}, 14},
};

typedef struct moe {
    fe_node *n;
    layer_inputs fc1, fc2, fc3;
    size_t mixing;
    bool quantised, gated, interleaved, halves;
    int64_t k, bits, block;
    double alpha, beta, limit;
    const char *activation;
    ir_dim rows, experts, hidden, inner;
} moe;

/* ---- attributes ---- */

static lathe_status read_activation(moe *m)
{
    static const char *const known[] = {"relu", "gelu", "silu", "identity", "swiglu"};
    fe_node *n = m->n;
    int64_t fusion = fe_attr_int(n, "swiglu_fusion");
    m->activation = fe_attr_str(n, "activation_type");
    size_t i = 0;
    while (i < 5 && strcmp(known[i], m->activation) != 0) i++;
    if (i == 5)
        return fe_expect(n, "attribute activation_type is", m->activation,
                         "relu, gelu, silu, identity or swiglu");
    bool swiglu = i == 4;
    if (fusion < 0 || fusion > 2)
        return fe_expect(n, "attribute swiglu_fusion is", fe_number(n, fusion), "0, 1 or 2");
    m->gated = fe_has(n, m->fc3.weights);
    m->interleaved = swiglu && fusion == 1;
    m->halves = swiglu && fusion == 2;
    if (swiglu && (fusion == 0) != m->gated)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "swiglu with swiglu_fusion %lld %s a third layer (input %zu)",
                       (long long)fusion, m->gated ? "does not take" : "needs", m->fc3.weights);
    m->alpha = fe_attr_float(n, "activation_alpha");
    m->beta = fe_attr_float(n, "activation_beta");
    m->limit = fe_attr_float_or(n, "swiglu_limit", HUGE_VAL);
    return LATHE_OK;
}

static lathe_status read_codes(moe *m)
{
    fe_node *n = m->n;
    int64_t prepacked = fe_attr_int(n, "weights_prepacked");
    m->bits = fe_attr_int(n, "expert_weight_bits");
    m->block = fe_attr_int(n, "block_size");
    if (prepacked != 0 && prepacked != -1)
        return fe_expect(n, "attribute weights_prepacked is", fe_number(n, prepacked), "0 or -1");
    TRY(fe_need_code_bits(n, "expert_weight_bits", m->bits));
    return fe_has_attr(n, "block_size") ? fe_need_block(n, m->block) : LATHE_OK;
}

/* ---- inputs ---- */

/* Input k is [a, b] or, with c, [a, b, c]. */
static lathe_status need_dims(const moe *m, size_t k, ir_dim a, ir_dim b, ir_dim c)
{
    fe_node *n = m->n;
    ir_dim dims[] = {a, b, c};
    TRY(fe_need_rank(n, k, c == IR_NONE ? 2 : 3));
    for (int i = 0; i < (c == IR_NONE ? 2 : 3); i++) TRY(fe_need_dim(n, k, i, dims[i]));
    return LATHE_OK;
}

/* The weights of a layer: rows x columns for each expert. */
static lathe_status check_layer(const moe *m, layer_inputs in, ir_dim rows, ir_dim columns)
{
    fe_node *n = m->n;
    ir_graph *g = n->g;
    ir_dim per = ir_dim_const(g, m->quantised ? 8 / m->bits : 1),
           packed = ir_dim_ceildiv(g, columns, per);
    TRY(fe_need_class(n, in.weights, m->quantised ? "U" : "FL"));
    if (!m->quantised) TRY(fe_need_same(n, 0, in.weights));
    TRY(need_dims(m, in.weights, m->experts, rows, packed));
    if (fe_has(n, in.bias)) {
        TRY(fe_need_class(n, in.bias, "FL"));
        TRY(need_dims(m, in.bias, m->experts, rows, IR_NONE));
    }
    if (!m->quantised) return LATHE_OK;
    ir_dim blocks = m->block ? ir_dim_ceildiv(g, columns, ir_dim_const(g, m->block)) : IR_NONE;
    TRY(fe_need_class(n, in.scales, "FL"));
    TRY(need_dims(m, in.scales, m->experts, rows, blocks));
    if (!fe_has(n, in.zeros)) return LATHE_OK;
    TRY(fe_need_class(n, in.zeros, "U"));
    if (m->block) return need_dims(m, in.zeros, m->experts, rows, ir_dim_ceildiv(g, blocks, per));
    return need_dims(m, in.zeros, m->experts, ir_dim_ceildiv(g, rows, per), IR_NONE);
}

static lathe_status check_inputs(moe *m)
{
    fe_node *n = m->n;
    ir_graph *g = n->g;
    TRY(fe_need_class(n, 0, "FL"));
    const ir_type x = *fe_type(n, 0);
    if (x.rank != 2 && x.rank != 3)
        return fe_expect_input(n, 0, "has rank", fe_number(n, x.rank), "2 or 3");
    TRY(fe_need_class(n, 1, "FL"));
    TRY(fe_need_rank(n, 1, 2));
    TRY(fe_need_rank(n, m->fc1.weights, 3));
    m->rows = ir_dim_product(g, x.dims, x.rank - 1);
    m->hidden = x.dims[x.rank - 1];
    m->experts = fe_type(n, m->fc1.weights)->dims[0];
    ir_dim wide = fe_type(n, m->fc1.weights)->dims[1];
    bool fused = m->interleaved || m->halves;
    m->inner = fused ? ir_dim_floordiv(g, wide, ir_dim_const(g, 2)) : wide;
    if (fused && !ir_dim_require(g, ir_dim_mul(g, m->inner, ir_dim_const(g, 2)), wide))
        return fe_fail_input(n, m->fc1.weights, LATHE_BAD_INPUT, "has an odd number of rows");
    TRY(need_dims(m, 1, m->rows, m->experts, IR_NONE));
    if (fe_has(n, m->mixing)) {
        TRY(fe_need_class(n, m->mixing, "FL"));
        TRY(need_dims(m, m->mixing, m->rows, m->experts, IR_NONE));
    }
    int64_t experts;
    if (m->k < 1 || (ir_dim_is_const(g, m->experts, &experts) && m->k > experts))
        return fe_expect(n, "attribute k is", fe_number(n, m->k),
                         ir_format(g->arena, "1 to %s", ir_dim_text(g, m->experts)));
    TRY(check_layer(m, m->fc1, wide, m->hidden));
    TRY(check_layer(m, m->fc2, m->hidden, m->inner));
    return m->gated ? check_layer(m, m->fc3, m->inner, m->hidden) : LATHE_OK;
}

/* ---- layers ---- */

/* The layer's weights as floats: [experts, rows, columns]. */
static ir_value weights(const moe *m, layer_inputs in, ir_dim rows, ir_dim columns)
{
    fe_node *n = m->n;
    ir_graph *g = n->g;
    ir_nest nest;
    if (!m->quantised) return fe_in(n, in.weights);
    ir_nest_begin(&nest, &n->b, 3, (ir_dim[]){m->experts, rows, columns}, 0);
    ir_expr at[3] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1), ir_nest_index(&nest, 2)};
    ir_expr code = fe_x_packed_code(&nest, fe_in(n, in.weights), at, 2, at[2], m->bits), zero;
    if (m->block) at[2] = X2(FLOORDIV, at[2], XI(m->block));
    ir_expr scale = ir_x_cast(g, ir_nest_load(&nest, fe_in(n, in.scales), at), IR_F32);
    if (!fe_has(n, in.zeros)) zero = XN(scale, (double)(1 << (m->bits - 1)));
    else {
        int last = m->block ? 2 : 1;
        zero = fe_x_packed_code(&nest, fe_in(n, in.zeros), at, last, at[last], m->bits);
        zero = ir_x_cast(g, zero, IR_F32);
    }
    return ir_nest_map(&nest, IR_F32, X2(MUL, X2(SUB, ir_x_cast(g, code, IR_F32), zero), scale));
}

/* x [rows, columns] or [experts, rows, columns] through the layer: [experts, rows, width]. */
static ir_value apply(const moe *m, layer_inputs in, ir_value x, ir_dim width, ir_dim columns)
{
    fe_node *n = m->n;
    ir_graph *g = n->g;
    ir_nest nest;
    if (x == IR_NONE) return IR_NONE;
    bool shared = ir_type_of(g, x)->rank == 2;
    ir_dim space[] = {m->experts, m->rows, width, columns};
    fe_factor f[] = {{x, {0, 1, 3}}, {weights(m, in, width, columns), {0, 2, 3}}};
    if (shared) memcpy(f[0].axes, (int[]){1, 3}, sizeof(int[2]));
    ir_value v = fe_contract(&n->b, f, 2, 4, space, 1, ir_elem_arith(fe_type(n, 0)->elem));
    if (v == IR_NONE || !fe_has(n, in.bias)) return v;
    ir_nest_begin(&nest, &n->b, 3, space, 0);
    ir_expr at[] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 2)};
    ir_expr bias = ir_nest_load(&nest, fe_in(n, in.bias), at), y = ir_nest_read(&nest, v);
    return ir_nest_map(&nest, ir_expr_get(g, y)->type,
                       X2(ADD, y, ir_x_cast(g, bias, ir_expr_get(g, y)->type)));
}

static ir_expr activated(const moe *m, ir_graph *g, ir_expr x)
{
    if (!strcmp(m->activation, "relu")) return X2(MAX, x, XN(x, 0));
    if (!strcmp(m->activation, "gelu")) return fe_x_gelu(g, x, true);
    if (!strcmp(m->activation, "silu")) return fe_x_silu(g, x, 1);
    if (!strcmp(m->activation, "identity")) return x;
    return fe_x_silu(g, isinf(m->limit) ? x : X2(MIN, x, XN(x, m->limit)), m->alpha);
}

/* The factor beside the activation; swiglu's is clamped and shifted. */
static ir_expr linear_part(const moe *m, ir_graph *g, ir_expr x)
{
    if (strcmp(m->activation, "swiglu") != 0) return x;
    if (!isinf(m->limit)) x = fe_x_clamp(g, x, XN(x, -m->limit), XN(x, m->limit));
    return m->beta == 0 ? x : X2(ADD, x, XN(x, m->beta));
}

/* [experts, rows, inner] from the first layer, and the third if there is one. */
static ir_value activate(const moe *m, ir_value first, ir_value third)
{
    ir_graph *g = m->n->g;
    ir_nest nest;
    if (first == IR_NONE || (m->gated && third == IR_NONE)) return IR_NONE;
    ir_nest_begin(&nest, &m->n->b, 3, (ir_dim[]){m->experts, m->rows, m->inner}, 0);
    ir_expr at[3] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1), ir_nest_index(&nest, 2)};
    ir_expr column = at[2], linear = IR_NONE;
    if (m->gated) linear = ir_nest_load(&nest, third, at);
    if (m->interleaved) column = X2(MUL, at[2], XI(2));
    ir_expr other = X2(ADD, column, m->interleaved ? XI(1) : XD(m->inner));
    if (m->interleaved || m->halves)
        linear = ir_nest_load(&nest, first, (ir_expr[]){at[0], at[1], other});
    ir_expr x = activated(m, g, ir_nest_load(&nest, first, (ir_expr[]){at[0], at[1], column}));
    if (linear != IR_NONE) x = X2(MUL, x, linear_part(m, g, linear));
    return ir_nest_map(&nest, ir_expr_get(g, x)->type, x);
}

/* ---- choice ---- */

/* How many experts stand before each one in its row: [rows, experts]. */
static ir_value places(const moe *m, ir_value scores)
{
    ir_graph *g = m->n->g;
    ir_nest nest;
    ir_nest_begin(&nest, &m->n->b, 3, (ir_dim[]){m->rows, m->experts, m->experts}, 1);
    ir_expr row = ir_nest_index(&nest, 0), mine = ir_nest_index(&nest, 1),
            its = ir_nest_index(&nest, 2);
    ir_expr x = ir_nest_load(&nest, scores, (ir_expr[]){row, mine});
    ir_expr y = ir_nest_load(&nest, scores, (ir_expr[]){row, its});
    ir_expr before = X2(OR, X2(LT, x, y), X2(AND, X2(EQ, x, y), X2(LT, its, mine)));
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I32, ir_x_cast(g, before, IR_I32));
}

/* What the chosen experts count, 0 for the others: [rows, experts]. */
static ir_value chosen(const moe *m, ir_value place, ir_value weight)
{
    ir_graph *g = m->n->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, &m->n->b, (ir_value[]){place, weight}, 2)) return IR_NONE;
    ir_expr p = ir_nest_read(&nest, place), w = ir_x_cast(g, ir_nest_read(&nest, weight), IR_F32);
    return ir_nest_map(&nest, IR_F32, ir_x_select(g, X2(LT, p, XN(p, (double)m->k)), w, XN(w, 0)));
}

/* MoE's weights are the softmax of all scores, or with normalize_routing_weights, and in QMoE
 * always, of the chosen ones; QMoE may be given others, which are divided by their sum if
 * normalize_routing_weights says so. */
static ir_value mixing_weights(const moe *m, ir_value place)
{
    fe_node *n = m->n;
    ir_graph *g = n->g;
    ir_nest nest;
    bool given = fe_has(n, m->mixing);
    bool normalize = fe_attr_int(n, "normalize_routing_weights") != 0 || (m->quantised && !given);
    ir_value w = given ? fe_in(n, m->mixing)
                       : fe_softmax(&n->b, ir_cast(&n->b, fe_in(n, 1), IR_F32), 1, false);
    w = chosen(m, place, w);
    if (!normalize) return w;
    ir_value sum = fe_reduce(&n->b, "sum", w, 2, IR_F32, true);
    if (!fe_broadcast(&nest, &n->b, (ir_value[]){w, sum}, 2)) return IR_NONE;
    return ir_nest_map(&nest, IR_F32, X2(DIV, ir_nest_read(&nest, w), ir_nest_read(&nest, sum)));
}

/* The sum over the experts chosen; another one's values, whatever they are, do not count. */
static ir_value mix(const moe *m, ir_value place, ir_value weight, ir_value y)
{
    ir_graph *g = m->n->g;
    ir_nest nest;
    if (weight == IR_NONE || y == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, &m->n->b, 3, (ir_dim[]){m->rows, m->hidden, m->experts}, 1);
    ir_expr row = ir_nest_index(&nest, 0), e = ir_nest_index(&nest, 2);
    ir_expr p = ir_nest_load(&nest, place, (ir_expr[]){row, e});
    ir_expr x = ir_nest_load(&nest, y, (ir_expr[]){e, row, ir_nest_index(&nest, 1)});
    ir_expr w = ir_nest_load(&nest, weight, (ir_expr[]){row, e});
    x = X2(MUL, x, ir_x_cast(g, w, ir_expr_get(g, x)->type));
    x = ir_x_select(g, X2(LT, p, XN(p, (double)m->k)), x, XN(x, 0));
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", fe_type(m->n, 0)->elem, x);
}

lathe_status fe_import_moe(fe_node *n)
{
    size_t which = strcmp(n->op, operators[0].op) != 0;
    moe m = {.n = n,
             .fc1 = operators[which].fc1,
             .fc2 = operators[which].fc2,
             .fc3 = operators[which].fc3,
             .mixing = operators[which].mixing,
             .quantised = which == 1,
             .k = fe_attr_int(n, "k")};
    TRY(read_activation(&m));
    if (m.quantised) TRY(read_codes(&m));
    TRY(check_inputs(&m));
    const ir_type t = *fe_type(n, 0);
    ir_value x = ir_reshape(&n->b, fe_in(n, 0), 2, (ir_dim[]){m.rows, m.hidden});
    ir_value first = apply(&m, m.fc1, x, fe_type(n, m.fc1.weights)->dims[1], m.hidden);
    ir_value third = m.gated ? apply(&m, m.fc3, x, m.inner, m.hidden) : IR_NONE;
    ir_value y = apply(&m, m.fc2, activate(&m, first, third), m.hidden, m.inner);
    ir_value place = places(&m, fe_in(n, 1));
    ir_value r = mix(&m, place, mixing_weights(&m, place), y);
    fe_out(n, 0, r == IR_NONE ? r : ir_reshape(&n->b, r, t.rank, t.dims));
    return LATHE_OK;
}
