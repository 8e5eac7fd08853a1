/* Fused operators of com.microsoft other than attention: activations with a bias, skip and
 * embedding norms. In: their nodes; out: the same core operators that the unfused graph would give,
 * so that every pass sees one form only. */
#include "frontend/build.h"

#include <string.h>

/* ---- activations ---- */

/* BiasGelu adds its second input; FastGelu does, if it is there, and takes the tanh form. */
lathe_status fe_import_ms_gelu(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    bool fast = strcmp(n->op, "FastGelu") == 0;
    TRY(fe_need_class(n, 0, "FL"));
    if (fe_has(n, 1)) TRY(fe_need_class(n, 1, "FL"));
    TRY(fe_need_same(n, 0, 1));
    ir_value v[] = {fe_in(n, 0), fe_in(n, 1)};
    if (!fe_broadcast(&nest, &n->b, v, v[1] == IR_NONE ? 1 : 2)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, v[0]);
    if (v[1] != IR_NONE) x = X2(ADD, x, ir_nest_read(&nest, v[1]));
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, fe_x_gelu(g, x, fast)));
    return LATHE_OK;
}

/* ---- norms ---- */

/* SkipLayerNormalization: x, skip, gamma, beta, bias; the simplified one has no beta. */
lathe_status fe_import_skip_norm(fe_node *n)
{
    ir_builder *b = &n->b;
    bool rms = strcmp(n->op, "SkipSimplifiedLayerNormalization") == 0;
    size_t bias = rms ? 3 : 4;
    for (size_t k = 0; k <= bias; k++)
        if (k < 3 || fe_has(n, k)) TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_same(n, 0, 1));
    if (rms && fe_wants(n, 1))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "output 1 ('%s') is a mean, which this norm has not; expected no name there",
                       n->proto->output[1]);
    int rank = fe_type(n, 0)->rank;
    if (rank == 0) return fe_expect_input(n, 0, "has rank", "0", "1 or more");
    ir_value sum = fe_binary(b, IR_X_ADD, fe_in(n, 0), fe_in(n, 1));
    if (fe_has(n, bias)) sum = fe_binary(b, IR_X_ADD, sum, fe_in(n, bias));
    double eps = fe_attr_float(n, "epsilon");
    fe_out(n, 0, fe_norm(b, rms, sum, fe_in(n, 2), rms ? IR_NONE : fe_in(n, 3), rank - 1, eps));
    if (sum != IR_NONE) fe_norm_statistics(n, rms, sum, rank - 1, eps, 1, 2);
    if (fe_wants(n, 3)) fe_out(n, 3, sum);
    return LATHE_OK;
}

/* Row `index` of a table, at the last axis of the space. */
static ir_expr table_row(ir_nest *nest, ir_value table, ir_expr index)
{
    ir_graph *g = nest->b->g;
    ir_expr at[2] = {fe_x_index(g, index, ir_type_of(g, table)->dims[0]),
                     ir_nest_index(nest, nest->rank - 1)};
    return ir_nest_load(nest, table, at);
}

/* Word, position and, if there are any, segment embeddings added up: [B, S, D]. */
static ir_value embeddings(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const ir_type *ids = fe_type(n, 0);
    ir_dim space[] = {ids->dims[0], ids->dims[1], fe_type(n, 2)->dims[1]};
    ir_nest_begin(&nest, &n->b, 3, space, 0);
    ir_expr at[2] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1)}, where = at[1];
    ir_expr sum = table_row(&nest, fe_in(n, 2), fe_load_i64(&nest, fe_in(n, 0), at));
    if (fe_has(n, 8)) {
        ir_expr from[2] = {ir_dim_equals(g, fe_type(n, 8)->dims[0], 1) ? XI(0) : at[0], at[1]};
        where = fe_load_i64(&nest, fe_in(n, 8), from);
    }
    sum = X2(ADD, sum, table_row(&nest, fe_in(n, 3), where));
    if (fe_has(n, 1))
        sum = X2(ADD, sum, table_row(&nest, fe_in(n, 4), fe_load_i64(&nest, fe_in(n, 1), at)));
    return ir_nest_map(&nest, fe_type(n, 2)->elem, sum);
}

/* How many of a row's mask entries are set; 0 without a mask. */
static ir_value mask_lengths(fe_node *n)
{
    ir_dim batch = fe_type(n, 0)->dims[0];
    return fe_has(n, 7) ? fe_reduce(&n->b, "sum", fe_in(n, 7), 2, IR_I32, false)
                        : fe_fill(&n->b, IR_I32, 1, &batch, 0);
}

/* ids, segment ids, three tables, gamma, beta, mask, position ids. */
lathe_status fe_import_embed_norm(fe_node *n)
{
    static const char *const classes = "SSFFFFFSS";
    for (size_t k = 0; k < 9; k++) {
        bool optional = k == 1 || k == 4 || k >= 7;
        if (optional && !fe_has(n, k)) continue;
        TRY(fe_need_class(n, k, classes[k] == 'S' ? "S" : "FL"));
        TRY(fe_need_rank(n, k, k == 5 || k == 6 ? 1 : 2));
        if (k == 1 || k >= 7)
            for (int i = k == 8 && ir_dim_equals(n->g, fe_type(n, k)->dims[0], 1); i < 2; i++)
                TRY(fe_need_dim(n, k, i, fe_type(n, 0)->dims[i]));
        if (k == 3 || k == 4) TRY(fe_need_dim(n, k, 1, fe_type(n, 2)->dims[1]));
        if (k >= 3 && k <= 6) TRY(fe_need_same(n, 2, k));
    }
    if (fe_has(n, 1) && !fe_has(n, 4))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "input 1 has segment ids, but input 4, their table, is missing");
    ir_value sum = embeddings(n);
    fe_out(n, 0,
           fe_norm(&n->b, false, sum, fe_in(n, 5), fe_in(n, 6), 2, fe_attr_float(n, "epsilon")));
    if (fe_wants(n, 1)) fe_out(n, 1, mask_lengths(n));
    if (fe_wants(n, 2)) fe_out(n, 2, sum);
    return LATHE_OK;
}
