/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. In: log-probabilities [N, C, d...] (made
 * by a softmax node for the latter), labels [N, d...], class weights. Out: one map over the labels,
 * or its sum divided by the sum of the weights used. A label that is ignored has weight 0 and reads
 * class 0, so that it is never out of range. */
#include "frontend/build.h"

#include <string.h>

typedef struct loss {
    fe_node *n;
    ir_value logp;
    ir_type t; /* of logp */
} loss;

static lathe_status loss_check(const loss *s)
{
    const fe_node *n = s->n;
    TRY(fe_need_class(n, 1, "S"));
    if (s->t.rank < 2)
        return fe_expect_input(n, 0, "has rank", fe_number(n, s->t.rank), "2 or more");
    TRY(fe_need_rank(n, 1, s->t.rank - 1));
    for (int i = 0; i < s->t.rank - 1; i++) TRY(fe_need_dim(n, 1, i, s->t.dims[i ? i + 1 : 0]));
    if (!fe_has(n, 2)) return LATHE_OK;
    TRY(fe_need_class(n, 2, "FL"));
    TRY(fe_need_rank(n, 2, 1));
    TRY(fe_need_same(n, 0, 2));
    return fe_need_dim(n, 2, 0, s->t.dims[1]);
}

/* A nest over the labels, all axes reduced if `reduced`: the loss and the weight of a label. */
static void loss_begin(const loss *s, ir_nest *nest, bool reduced, ir_expr *value, ir_expr *weight)
{
    fe_node *n = s->n;
    ir_graph *g = n->g;
    const ir_type *labels = fe_type(n, 1);
    ir_expr at[IR_MAX_RANK], from[IR_MAX_RANK];
    ir_nest_begin(nest, &n->b, labels->rank, labels->dims, reduced ? labels->rank : 0);
    for (int i = 0; i < labels->rank; i++) from[i ? i + 1 : 0] = at[i] = ir_nest_index(nest, i);
    ir_expr label = fe_load_i64(nest, fe_in(n, 1), at), ignored = IR_NONE;
    if (fe_has_attr(n, "ignore_index")) {
        ignored = X2(EQ, label, XI(fe_attr_int(n, "ignore_index")));
        label = ir_x_select(g, ignored, XI(0), label);
    }
    label = fe_x_index(g, label, s->t.dims[1]);
    from[1] = label;
    ir_expr x = X1(NEG, ir_nest_load(nest, s->logp, from));
    *weight = fe_has(n, 2) ? ir_nest_load(nest, fe_in(n, 2), &label) : XN(x, 1);
    *value = X2(MUL, x, *weight);
    if (ignored == IR_NONE) return;
    *weight = ir_x_select(g, ignored, XN(x, 0), *weight);
    *value = ir_x_select(g, ignored, XN(x, 0), *value);
}

static ir_value loss_sum(const loss *s, bool of_weights)
{
    ir_nest nest;
    ir_expr value, weight;
    loss_begin(s, &nest, true, &value, &weight);
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", ir_elem_arith(s->t.elem),
                          of_weights ? weight : value);
}

static lathe_status import_loss(loss *s)
{
    fe_node *n = s->n;
    ir_nest nest;
    ir_expr value, weight;
    const char *reduction = fe_attr_str(n, "reduction");
    TRY(loss_check(s));
    if (strcmp(reduction, "none") == 0) {
        loss_begin(s, &nest, false, &value, &weight);
        fe_out(n, 0, ir_nest_map(&nest, s->t.elem, value));
        return LATHE_OK;
    }
    bool mean = strcmp(reduction, "mean") == 0;
    if (!mean && strcmp(reduction, "sum") != 0)
        return fe_expect(n, "attribute reduction is", reduction, "none, sum or mean");
    ir_value total = loss_sum(s, false);
    if (mean) total = fe_binary(&n->b, IR_X_DIV, total, loss_sum(s, true));
    fe_out(n, 0, total == IR_NONE ? IR_NONE : ir_cast(&n->b, total, s->t.elem));
    return LATHE_OK;
}

lathe_status fe_import_nllloss(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    loss s = {n, fe_in(n, 0), *fe_type(n, 0)};
    return import_loss(&s);
}

lathe_status fe_import_sceloss(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    loss s = {n, IR_NONE, *fe_type(n, 0)};
    if (s.t.rank < 2) return fe_expect_input(n, 0, "has rank", fe_number(n, s.t.rank), "2 or more");
    s.logp = fe_softmax(&n->b, fe_in(n, 0), 1, true);
    if (s.logp == IR_NONE) return LATHE_BAD_INPUT;
    if (fe_wants(n, 1)) fe_out(n, 1, s.logp);
    return import_loss(&s);
}
