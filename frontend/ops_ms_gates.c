/* Gates around linear attention, of com.microsoft. In: LinearAttentionGate, GatedRMSNorm, GatedAdd.
 * Out: maps, and the rows of fe_norm. */
#include "frontend/build.h"

#include <string.h>

/* Input k has the dims of input 0; its last axis may be `last` instead. */
static lathe_status need_same_dims(const fe_node *n, size_t k, ir_dim last)
{
    const ir_type *t = fe_type(n, 0);
    TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_rank(n, k, t->rank));
    for (int i = 0; i < t->rank; i++)
        TRY(fe_need_dim(n, k, i, last != IR_NONE && i == t->rank - 1 ? last : t->dims[i]));
    return LATHE_OK;
}

/* Input k as a row of `count` numbers, in whatever rank it comes. */
static lathe_status flat(fe_node *n, size_t k, ir_dim count, ir_value *out)
{
    ir_graph *g = n->g;
    TRY(fe_need_class(n, k, "FL"));
    if (!ir_dim_require(g, ir_type_count(g, fe_type(n, k)), count))
        return fe_expect_input(n, k, "is", ir_type_text(g, fe_type(n, k)),
                               ir_format(g->arena, "%s numbers", ir_dim_text(g, count)));
    *out = ir_reshape(&n->b, fe_in(n, k), 1, &count);
    return *out == IR_NONE ? LATHE_BAD_INPUT : LATHE_OK;
}

static lathe_status need_row(const fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_rank(n, 0, -1));
    if (fe_type(n, 0)->rank) return LATHE_OK;
    return fe_expect_input(n, 0, "has rank", "0", "1 or more");
}

/* log(1 + e^x), without an overflow. */
static ir_expr soft_plus(ir_graph *g, ir_expr x)
{
    ir_expr tail = X1(LOG1P, X1(EXP, X1(NEG, X1(ABS, x))));
    return X2(ADD, X2(MAX, x, XN(x, 0)), tail);
}

/* a, bias and scale of a head, b. Out: scale softplus(a + bias); sigmoid(b). */
lathe_status fe_import_linear_gate(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    ir_value in[] = {fe_in(n, 0), IR_NONE, IR_NONE};
    TRY(need_row(n));
    const ir_type t = *fe_type(n, 0);
    for (size_t k = 1; k < 3; k++) TRY(flat(n, k, t.dims[t.rank - 1], &in[k]));
    if (!fe_broadcast(&nest, b, in, 3)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, in[0]);
    ir_elem type = ir_expr_get(g, x)->type;
    x = X2(ADD, x, ir_x_cast(g, ir_nest_read(&nest, in[1]), type));
    x = X2(MUL, soft_plus(g, x), ir_x_cast(g, ir_nest_read(&nest, in[2]), type));
    fe_out(n, 0, ir_nest_map(&nest, t.elem, x));
    if (!fe_wants(n, 1)) return LATHE_OK;
    TRY(need_same_dims(n, 3, IR_NONE));
    fe_out(n, 1, fe_unary(b, IR_X_SIGMOID, fe_in(n, 3)));
    return LATHE_OK;
}

/* x, scale, gate: x normed in groups as wide as the scale, times silu or sigmoid of the gate. */
lathe_status fe_import_gated_norm(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    const char *activation = fe_attr_str(n, "activation");
    bool silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (!silu && strcmp(activation, "sigmoid") != 0)
        return fe_expect(n, "attribute activation is", activation, "silu, swish or sigmoid");
    TRY(need_row(n));
    TRY(need_same_dims(n, 2, IR_NONE));
    TRY(fe_need_class(n, 1, "FL"));
    const ir_type t = *fe_type(n, 0);
    ir_dim width = ir_type_count(g, fe_type(n, 1)), last = t.dims[t.rank - 1];
    if (!ir_dim_require(g, ir_dim_mod(g, last, width), ir_dim_const(g, 0)))
        return fe_expect_input(n, 0, "has a last dim of", ir_dim_text(g, last),
                               ir_format(g->arena, "a multiple of %s", ir_dim_text(g, width)));
    ir_dim rows = ir_dim_floordiv(g, ir_type_count(g, &t), width), dims[] = {rows, width};
    ir_value scale;
    TRY(flat(n, 1, width, &scale));
    ir_value x = ir_reshape(b, fe_in(n, 0), 2, dims);
    x = fe_norm(b, true, x, scale, IR_NONE, 1, fe_attr_float(n, "epsilon"));
    if (x == IR_NONE) return LATHE_BAD_INPUT;
    ir_value both[] = {ir_reshape(b, x, t.rank, t.dims), fe_in(n, 2)};
    if (!fe_broadcast(&nest, b, both, 2)) return LATHE_BAD_INPUT;
    ir_expr gate = ir_nest_read(&nest, both[1]);
    gate = silu ? fe_x_silu(g, gate, 1) : X1(SIGMOID, gate);
    fe_out(n, 0, ir_nest_map(&nest, t.elem, X2(MUL, ir_nest_read(&nest, both[0]), gate)));
    return LATHE_OK;
}

/* x + y gate, a gate a row. */
lathe_status fe_import_gated_add(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_value in[] = {fe_in(n, 0), fe_in(n, 1), fe_in(n, 2)};
    TRY(need_row(n));
    TRY(need_same_dims(n, 1, IR_NONE));
    TRY(need_same_dims(n, 2, ir_dim_const(g, 1)));
    if (!fe_broadcast(&nest, &n->b, in, 3)) return LATHE_BAD_INPUT;
    ir_elem elem = fe_type(n, 0)->elem;
    ir_expr x = ir_nest_read(&nest, in[0]),
            product = X2(MUL, ir_nest_read(&nest, in[1]), ir_nest_read(&nest, in[2]));
    fe_out(n, 0, ir_nest_map(&nest, elem, X2(ADD, x, ir_x_cast(g, product, elem))));
    return LATHE_OK;
}
