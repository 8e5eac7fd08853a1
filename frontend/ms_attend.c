/* Attention of com.microsoft from its heads on. In: queries, keys and values as heads, and which
 * inputs of the node are the mask and the bias. Out: the same contracts, maps and softmax as for
 * ONNX's Attention. A padded key is penalised: its score gets mask_filter_value added; the causal
 * rule forbids, whatever else is penalised. */
#include "frontend/ms_attend.h"

#include <float.h>

void fe_ms_read_attrs(fe_ms_attention *a)
{
    const fe_node *n = a->n;
    a->scale = fe_attr_float_or(n, "scale", 0);
    a->filter = fe_attr_float(n, "mask_filter_value");
    a->causal = fe_attr_int_or(n, "unidirectional", 0) != 0;
    a->past = ir_dim_const(n->g, 0);
}

lathe_status fe_ms_heads(const fe_node *n, ir_dim *heads)
{
    int64_t count = fe_attr_int(n, "num_heads");
    if (count < 1)
        return fe_expect(n, "attribute num_heads is", fe_number(n, count), "a positive number");
    *heads = ir_dim_const(n->g, count);
    return LATHE_OK;
}

/* ---- masks ---- */

static ir_dim times(ir_graph *g, ir_dim d, int64_t by, int64_t plus)
{
    return ir_dim_add(g, ir_dim_mul(g, d, ir_dim_const(g, by)), ir_dim_const(g, plus));
}

/* 1 if the mask's only dim is a batch's times `by` and `plus`. */
static ir_dim is_dim(const fe_ms_attention *a, int64_t by, int64_t plus)
{
    ir_graph *g = a->n->g;
    return ir_dim_eq(g, fe_type(a->n, a->mask)->dims[0],
                     times(g, ir_type_of(g, a->q)->dims[0], by, plus));
}

/* Lengths, one a batch; with starts behind; or with the sums that packed sequences need behind. */
static lathe_status check_lengths(const fe_ms_attention *a, ir_dim batch)
{
    ir_graph *g = a->n->g;
    ir_dim fits = ir_dim_add(g, ir_dim_add(g, is_dim(a, 1, 0), is_dim(a, 2, 0)), is_dim(a, 3, 2));
    if (ir_dim_require(g, fits, ir_dim_const(g, 1))) return LATHE_OK;
    return fe_need_dim(a->n, a->mask, 0, batch);
}

static lathe_status check_mask(const fe_ms_attention *a, const ir_type *q, ir_dim total)
{
    const fe_node *n = a->n;
    ir_graph *g = n->g;
    TRY(fe_need_class(n, a->mask, "S"));
    const ir_type *t = fe_type(n, a->mask);
    if (t->rank == 1) return check_lengths(a, q->dims[0]);
    if (t->rank < 2 || t->rank > 4)
        return fe_expect_input(n, a->mask, "has rank", fe_number(n, t->rank), "1 to 4");
    TRY(fe_need_dim(n, a->mask, 0, q->dims[0]));
    if (t->rank == 3) TRY(fe_need_dim(n, a->mask, 1, q->dims[2]));
    if (t->rank < 4) return fe_need_dim(n, a->mask, t->rank - 1, total);
    TRY(fe_need_dim(n, a->mask, 1, ir_dim_const(g, 1)));
    TRY(fe_need_dim(n, a->mask, 2, t->dims[3]));
    if (a->causal)
        return fe_fail_input(n, a->mask, LATHE_BAD_INPUT,
                             "is a mask of rank 4, which unidirectional does not take");
    if (ir_dim_require(g, ir_dim_min(g, t->dims[3], total), total)) return LATHE_OK;
    return fe_expect_input(n, a->mask, "has a last dim of", ir_dim_text(g, t->dims[3]),
                           ir_format(g->arena, "at least %s", ir_dim_text(g, total)));
}

/* [1 or B, 1 or H, S, T]; whether an open size is 1 the run decides. */
static lathe_status check_bias(const fe_ms_attention *a, const ir_type *q, ir_dim total)
{
    const fe_node *n = a->n;
    TRY(fe_need_class(n, a->bias, "FL"));
    TRY(fe_need_rank(n, a->bias, 4));
    const ir_type *t = fe_type(n, a->bias);
    int64_t known;
    for (int i = 0; i < 2; i++)
        if (ir_dim_is_const(n->g, t->dims[i], &known) && known != 1)
            TRY(fe_need_dim(n, a->bias, i, q->dims[i]));
    TRY(fe_need_dim(n, a->bias, 2, q->dims[2]));
    return fe_need_dim(n, a->bias, 3, total);
}

lathe_status fe_ms_check(const fe_ms_attention *a)
{
    const fe_node *n = a->n;
    const ir_type q = *ir_type_of(n->g, a->q);
    ir_dim total = ir_type_of(n->g, a->k)->dims[2];
    if (fe_has(n, a->mask)) TRY(check_mask(a, &q, total));
    if (fe_has(n, a->bias)) TRY(check_bias(a, &q, total));
    return LATHE_OK;
}

/* Whether the mask lets this score be. */
static ir_expr mask_allows(const fe_ms_attention *a, ir_nest *nest)
{
    ir_graph *g = nest->b->g;
    ir_value mask = fe_in(a->n, a->mask);
    const ir_type *t = ir_type_of(g, mask);
    ir_expr b = ir_nest_index(nest, 0), i = ir_nest_index(nest, 2), j = ir_nest_index(nest, 3),
            at[] = {b, i, j, j};
    if (t->rank == 1) {
        ir_expr allowed = X2(LT, j, fe_load_i64(nest, mask, &b));
        ir_expr starts = X2(EQ, XD(is_dim(a, 2, 0)), XI(1)), last = XD(t->dims[0]);
        ir_expr at_start = X2(MIN, X2(ADD, b, XD(nest->space[0])), X2(SUB, last, XI(1)));
        ir_expr start = ir_x_select(g, starts, fe_load_i64(nest, mask, &at_start), XI(0));
        return X2(AND, allowed, X2(LE, start, j));
    }
    if (t->rank == 2) at[1] = j;
    if (t->rank == 4) {
        at[1] = XI(0);
        at[2] = X2(ADD, i, XD(a->past));
    }
    return X2(LT, XI(0), fe_load_i64(nest, mask, at));
}

/* ---- scores ---- */

/* The score that goes into the softmax, but for what is forbidden. */
static ir_expr biased(const fe_ms_attention *a, ir_nest *nest, ir_value scores)
{
    ir_graph *g = nest->b->g;
    ir_expr x = ir_nest_read(nest, scores);
    x = X2(MUL, x, fe_x_scale(g, x, a->scale, ir_type_of(g, a->q)->dims[3]));
    if (fe_has(a->n, a->bias)) {
        ir_expr bias = ir_nest_read(nest, fe_in(a->n, a->bias));
        if (bias == IR_NONE) return IR_NONE;
        x = X2(ADD, x, ir_x_cast(g, bias, ir_expr_get(g, x)->type));
    }
    if (!fe_has(a->n, a->mask)) return x;
    return ir_x_select(g, mask_allows(a, nest), x, X2(ADD, x, XN(x, a->filter)));
}

/* All scores, with this number where the causal rule forbids. */
static ir_value score_map(const fe_ms_attention *a, ir_value scores, ir_elem elem, double forbidden)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, &a->n->b, &scores, 1)) return IR_NONE;
    ir_expr x = biased(a, &nest, scores);
    if (x == IR_NONE) return IR_NONE;
    if (a->causal) {
        ir_expr at = X2(ADD, ir_nest_index(&nest, 2), XD(a->past));
        x = ir_x_select(g, X2(LE, ir_nest_index(&nest, 3), at), x, XN(x, forbidden));
    }
    return ir_nest_map(&nest, elem, x);
}

static double lowest(ir_elem elem)
{
    return elem == IR_F64 ? -DBL_MAX : elem == IR_F16 ? -65504 : -(double)FLT_MAX;
}

ir_value fe_ms_attend(const fe_ms_attention *a, ir_value *scores)
{
    ir_builder *b = &a->n->b;
    ir_value raw = fe_scores(b, a->q, a->k);
    if (raw == IR_NONE) return IR_NONE;
    ir_elem elem = ir_type_of(b->g, a->q)->elem;
    if (scores) *scores = score_map(a, raw, elem, lowest(elem));
    ir_value p =
        fe_attend(b, score_map(a, raw, ir_type_of(b->g, raw)->elem, -__builtin_inf()), NULL);
    return fe_merge_heads(b, fe_weighted(b, p, a->v));
}
