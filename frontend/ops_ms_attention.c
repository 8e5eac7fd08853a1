/* Attention and MultiHeadAttention of com.microsoft. In: their nodes; out: the same contracts, maps
 * and softmax as for ONNX's Attention. A padded key is penalised: its score gets mask_filter_value
 * added; the causal rule forbids, whatever else is penalised. */
#include "frontend/attend.h"

typedef struct attention {
    fe_node *n;
    ir_value q, k, v, mask, bias;
    ir_dim past; /* rows before the queries */
    double scale, filter;
    bool causal;
} attention;

/* ---- masks ---- */

/* Whether the mask lets this score be: [B] lengths, [2B] ends and starts, [B, T] or [B, S, T]. */
static ir_expr mask_allows(const attention *a, ir_nest *nest)
{
    ir_graph *g = nest->b->g;
    const ir_type *t = ir_type_of(g, a->mask);
    ir_expr b = ir_nest_index(nest, 0), i = ir_nest_index(nest, 2), j = ir_nest_index(nest, 3),
            at[] = {b, i, j};
    if (t->rank == 3) return X2(NE, fe_load_i64(nest, a->mask, at), XI(0));
    if (t->rank == 2) {
        at[1] = j;
        return X2(NE, fe_load_i64(nest, a->mask, at), XI(0));
    }
    ir_expr allowed = X2(LT, j, fe_load_i64(nest, a->mask, &b));
    if (t->dims[0] == nest->space[0]) return allowed;
    ir_expr start = X2(ADD, b, XD(nest->space[0]));
    return X2(AND, allowed, X2(LE, fe_load_i64(nest, a->mask, &start), j));
}

static lathe_status check_mask(const attention *a, size_t k, ir_dim batch, ir_dim rows,
                               ir_dim total)
{
    const fe_node *n = a->n;
    ir_graph *g = n->g;
    if (a->mask == IR_NONE) return LATHE_OK;
    TRY(fe_need_class(n, k, "S"));
    const ir_type *t = fe_type(n, k);
    if (t->rank == 1 && t->dims[0] == ir_dim_mul(g, batch, ir_dim_const(g, 2))) return LATHE_OK;
    TRY(fe_need_dim(n, k, 0, batch));
    if (t->rank == 1) return LATHE_OK;
    if (t->rank > 3) return fe_fail_input(n, k, LATHE_UNSUPPORTED, "a mask of rank %d", t->rank);
    if (t->rank == 3) TRY(fe_need_dim(n, k, 1, rows));
    return fe_need_dim(n, k, t->rank - 1, total);
}

/* Everything that happens to a score before the softmax. */
static ir_value bias_scores(const attention *a, ir_value scores)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, &a->n->b, &scores, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, scores);
    ir_elem type = ir_expr_get(g, x)->type;
    x = X2(MUL, x, fe_x_scale(g, x, a->scale, ir_type_of(g, a->q)->dims[3]));
    if (a->bias != IR_NONE) {
        ir_expr bias = ir_nest_read(&nest, a->bias);
        if (bias == IR_NONE) return IR_NONE;
        x = X2(ADD, x, ir_x_cast(g, bias, type));
    }
    if (a->mask != IR_NONE)
        x = ir_x_select(g, mask_allows(a, &nest), x, X2(ADD, x, XN(x, a->filter)));
    if (a->causal) {
        ir_expr at = X2(ADD, ir_nest_index(&nest, 2), XD(a->past));
        x = fe_x_mask(g, X2(LE, ir_nest_index(&nest, 3), at), x);
    }
    return ir_nest_map(&nest, type, x);
}

static lathe_status ms_attention_finish(const attention *a)
{
    ir_builder *b = &a->n->b;
    ir_value p = fe_attend(b, bias_scores(a, fe_scores(b, a->q, a->k)), NULL);
    fe_out(a->n, 0, fe_merge_heads(b, fe_weighted(b, p, a->v)));
    return LATHE_OK;
}

static void read_attrs(attention *a)
{
    const fe_node *n = a->n;
    a->scale = fe_attr_float(n, "scale", 0);
    a->filter = fe_attr_float(n, "mask_filter_value", -10000);
    a->causal = fe_attr_int(n, "unidirectional", 0) != 0;
    a->past = ir_dim_const(n->g, 0);
}

static lathe_status need_heads(const fe_node *n, const char *name, ir_dim *heads)
{
    int64_t count = fe_attr_int(n, name, 0);
    if (count < 1)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute %s is %lld", name, (long long)count);
    *heads = ir_dim_const(n->g, count);
    return LATHE_OK;
}

/* ---- Attention: x, weights of q, k, v side by side, their bias, mask, past, attention bias ----
 */

/* Columns of q, k and v in the weights. */
static lathe_status widths(const fe_node *n, ir_dim *width)
{
    ir_graph *g = n->g;
    size_t count;
    const int64_t *sizes = fe_attr_ints(n, "qkv_hidden_sizes", &count);
    ir_dim all = fe_type(n, 1)->dims[1], three = ir_dim_const(g, 3);
    if (sizes && (count != 3 || sizes[0] < 1 || sizes[1] < 1 || sizes[2] < 1))
        return fe_fail(n, LATHE_BAD_INPUT, "attribute qkv_hidden_sizes");
    for (int i = 0; i < 3; i++)
        width[i] = sizes ? ir_dim_const(g, sizes[i]) : ir_dim_floordiv(g, all, three);
    ir_dim sum = ir_dim_add(g, ir_dim_add(g, width[0], width[1]), width[2]);
    if (!ir_dim_require(g, sum, all))
        return fe_fail_input(n, 1, LATHE_BAD_INPUT, "%s columns", ir_dim_text(g, all));
    return LATHE_OK;
}

static ir_value stacked_part(ir_builder *b, ir_value past, int64_t which)
{
    ir_graph *g = b->g;
    const ir_type *t = ir_type_of(g, past);
    ir_value part = fe_part(b, past, 0, ir_dim_const(g, which), ir_dim_const(g, 1));
    return part == IR_NONE ? IR_NONE : ir_reshape(b, part, 4, t->dims + 1);
}

/* past and present: [2, B, H, T, D]. */
static lathe_status stacked_cache(attention *a)
{
    fe_node *n = a->n;
    ir_builder *b = &n->b;
    if (fe_has(n, 4)) {
        TRY(fe_need_rank(n, 4, 5));
        a->past = fe_type(n, 4)->dims[3];
        a->k = fe_append(b, stacked_part(b, fe_in(n, 4), 0), a->k);
        a->v = fe_append(b, stacked_part(b, fe_in(n, 4), 1), a->v);
    }
    if (a->k == IR_NONE || a->v == IR_NONE) return LATHE_BAD_INPUT;
    if (fe_wants(n, 1)) {
        ir_value both[] = {ir_unsqueeze(b, a->k, 0), ir_unsqueeze(b, a->v, 0)};
        fe_out(n, 1, ir_concat(b, both, 2, 0));
    }
    return LATHE_OK;
}

lathe_status fe_import_ms_attention(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_dim heads, width[3], start = ir_dim_const(g, 0);
    for (size_t k = 0; k < 3; k++) {
        if (k == 2 && !fe_has(n, 2)) continue;
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 3 - (int)k));
    }
    if (fe_attr_int(n, "do_rotary", 0) || fe_has(n, 6))
        return fe_fail(n, LATHE_UNSUPPORTED, "do_rotary, past_sequence_length");
    TRY(need_heads(n, "num_heads", &heads));
    TRY(widths(n, width));
    attention a = {.n = n, .mask = fe_in(n, 3), .bias = fe_in(n, 5)};
    read_attrs(&a);
    ir_value all = fe_matmul(b, fe_in(n, 0), fe_in(n, 1), false, false, fe_type(n, 0)->elem);
    if (fe_has(n, 2)) all = fe_binary(b, IR_X_ADD, all, fe_in(n, 2));
    ir_value *parts[] = {&a.q, &a.k, &a.v};
    for (int i = 0; i < 3; i++) {
        *parts[i] = fe_split_heads(b, fe_part(b, all, 2, start, width[i]), heads);
        start = ir_dim_add(g, start, width[i]);
    }
    if (a.q == IR_NONE) return LATHE_BAD_INPUT;
    TRY(stacked_cache(&a));
    const ir_type *q = ir_type_of(g, a.q);
    TRY(check_mask(&a, 3, q->dims[0], q->dims[2], ir_type_of(g, a.k)->dims[2]));
    return ms_attention_finish(&a);
}

/* ---- MultiHeadAttention: q, k, v, bias, mask, attention bias, past key, past value ---- */

/* Input k with its part of the bias, as heads; [B, H, T, D] is taken as it is. */
static lathe_status projected(fe_node *n, size_t k, ir_dim heads, ir_dim *bias_at, ir_value *out)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    TRY(fe_need_class(n, k, "FL"));
    const ir_type t = *fe_type(n, k);
    *out = fe_in(n, k);
    if (t.rank == 4) return LATHE_OK;
    TRY(fe_need_rank(n, k, 3));
    if (fe_has(n, 3)) {
        *out = fe_binary(b, IR_X_ADD, *out, fe_part(b, fe_in(n, 3), 0, *bias_at, t.dims[2]));
        *bias_at = ir_dim_add(g, *bias_at, t.dims[2]);
    }
    *out = fe_split_heads(b, *out, heads);
    return *out == IR_NONE ? LATHE_BAD_INPUT : LATHE_OK;
}

lathe_status fe_import_ms_multihead(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_dim heads, at = ir_dim_const(g, 0);
    attention a = {.n = n, .mask = fe_in(n, 4), .bias = fe_in(n, 5)};
    read_attrs(&a);
    TRY(need_heads(n, "num_heads", &heads));
    if (!fe_has(n, 1) || !fe_has(n, 2))
        return fe_fail(n, LATHE_UNSUPPORTED, "packed queries, keys and values");
    if (fe_has(n, 3)) {
        TRY(fe_need_class(n, 3, "FL"));
        TRY(fe_need_rank(n, 3, 1));
    }
    TRY(projected(n, 0, heads, &at, &a.q));
    TRY(projected(n, 1, heads, &at, &a.k));
    TRY(projected(n, 2, heads, &at, &a.v));
    if (fe_has(n, 6) && fe_has(n, 7)) {
        for (size_t k = 6; k < 8; k++) TRY(fe_need_rank(n, k, 4));
        a.past = fe_type(n, 6)->dims[2];
        a.k = fe_append(b, fe_in(n, 6), a.k);
        a.v = fe_append(b, fe_in(n, 7), a.v);
    }
    if (a.k == IR_NONE || a.v == IR_NONE) return LATHE_BAD_INPUT;
    const ir_type *q = ir_type_of(g, a.q);
    TRY(check_mask(&a, 4, q->dims[0], q->dims[2], ir_type_of(g, a.k)->dims[2]));
    if (fe_wants(n, 1)) fe_out(n, 1, a.k);
    if (fe_wants(n, 2)) fe_out(n, 2, a.v);
    return ms_attention_finish(&a);
}
