/* GroupQueryAttention of com.microsoft. In: queries, keys and values, apart or side by side, a
 * cache and the valid rows of each batch less one. Out: the same contracts, maps and softmax as for
 * ONNX's Attention. The cache is written at a position that is data, so the keys are a map that
 * chooses, row by row, between the past and the new ones. New rows are counted by the keys: a layer
 * that borrows another one's cache has none. A cache that slides holds the newest rows alone;
 * positions of keys count from the oldest row that is held, those of rotations from the first
 * token. */
#include "frontend/attend.h"

typedef struct group {
    fe_node *n;
    ir_value q, k, v, bias, lengths, positions; /* lengths: valid rows less one, [B] */
    ir_dim rows, past, total;                   /* queries; rows of the cache; total length */
    int64_t window;
    double scale, softcap;
    bool causal, sliding;
} group;

/* ---- positions ---- */

/* Valid rows of a batch before its last `rows` ones. */
static ir_expr rows_before(const group *a, ir_nest *nest, ir_expr batch, ir_dim rows)
{
    ir_graph *g = nest->b->g;
    ir_expr valid = X2(ADD, fe_load_i64(nest, a->lengths, &batch), XI(1));
    return X2(MAX, X2(SUB, valid, XD(rows)), XI(0));
}

/* How many of the newest of `count` rows a cache that slides holds: all until it is full; then it
 * is emptied down to a window whenever a row finds no room. */
static ir_expr rows_kept(const group *a, ir_graph *g, ir_expr count)
{
    if (!a->sliding) return count;
    ir_expr window = XI(a->window), room = XD(a->past),
            turn = X2(ADD, X2(SUB, room, window), XI(1)),
            since = X2(MAX, X2(SUB, count, window), XI(0)),
            rest = X2(ADD, window, X2(MOD, since, X2(MAX, turn, XI(1))));
    return ir_x_select(g, X2(LE, count, room), count, rest);
}

/* Valid rows of a batch before its last `rows` ones that the cache holds. */
static ir_expr rows_held(const group *a, ir_nest *nest, ir_expr batch, ir_dim rows)
{
    return rows_kept(a, nest->b->g, rows_before(a, nest, batch, rows));
}

/* The keys a batch has, counted from the oldest that is held. */
static ir_expr keys_of(const group *a, ir_nest *nest, ir_expr batch)
{
    ir_graph *g = nest->b->g;
    ir_expr valid = X2(ADD, fe_load_i64(nest, a->lengths, &batch), XI(1));
    if (!a->sliding) return valid;
    ir_expr fresh = X2(SUB, valid, rows_before(a, nest, batch, a->rows));
    return X2(ADD, rows_held(a, nest, batch, a->rows), fresh);
}

static ir_expr visible(const group *a, ir_nest *nest)
{
    ir_graph *g = nest->b->g;
    ir_expr batch = ir_nest_index(nest, 0), j = ir_nest_index(nest, 3),
            at = X2(ADD, ir_nest_index(nest, 2), rows_held(a, nest, batch, a->rows)),
            allowed = X2(LT, j, keys_of(a, nest, batch));
    if (a->causal) allowed = X2(AND, allowed, X2(LE, j, at));
    if (a->window > 0) allowed = X2(AND, allowed, X2(LT, X2(SUB, at, XI(a->window)), j));
    return allowed;
}

/* ---- rotation ---- */

typedef struct turn {
    const group *a;
    ir_dim rows;
} turn;

/* Given positions are read one by one, but in a first prompt the first one is where all start. */
static ir_expr token_position(void *ctx, ir_nest *nest, ir_expr batch, ir_expr s)
{
    const turn *t = ctx;
    const group *a = t->a;
    ir_graph *g = nest->b->g;
    if (a->positions == IR_NONE) return X2(ADD, s, rows_before(a, nest, batch, t->rows));
    ir_expr at[] = {batch, s}, first[] = {XI(0), XI(0)};
    ir_expr start = X2(ADD, s, fe_load_i64(nest, a->positions, first));
    return ir_x_select(g, X2(EQ, XD(a->total), XD(a->rows)), start,
                       fe_load_i64(nest, a->positions, at));
}

/* Queries or keys turned to their positions. */
static ir_value turned(const group *a, ir_value x)
{
    fe_node *n = a->n;
    if (!fe_attr_int(n, "do_rotary", 0) || x == IR_NONE) return x;
    turn t = {.a = a, .rows = ir_type_of(n->g, x)->dims[2]};
    fe_rotary r = {.x = x,
                   .cos = fe_in(n, 7),
                   .sin = fe_in(n, 8),
                   .position = token_position,
                   .ctx = &t,
                   .interleaved = fe_attr_int(n, "rotary_interleaved", 0) != 0};
    ir_dim half = ir_type_of(n->g, r.cos)->dims[1];
    r.dim = ir_dim_mul(n->g, half, ir_dim_const(n->g, 2));
    return fe_rotate(&n->b, &r);
}

/* ---- the cache ---- */

/* Rows of past and then the new ones, [B, G, length, D], then zeros. */
static ir_value joined(const group *a, ir_value past, ir_value fresh, ir_dim length)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (fresh == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(g, fresh);
    ir_dim space[] = {t.dims[0], t.dims[1], length, t.dims[3]};
    ir_nest_begin(&nest, &a->n->b, 4, space, 0);
    ir_expr at[4], zero = XI(0), one = XI(1), x = ir_x_num(g, ir_elem_arith(t.elem), 0);
    for (int i = 0; i < 4; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr j = at[2], since = X2(SUB, j, rows_held(a, &nest, at[0], t.dims[2]));
    if (!ir_dim_equals(g, t.dims[2], 0)) {
        at[2] = fe_x_clamp(g, since, zero, X2(SUB, XD(t.dims[2]), one));
        x = ir_x_select(g, X2(LT, since, XD(t.dims[2])), ir_nest_load(&nest, fresh, at), x);
    }
    if (past != IR_NONE) {
        at[2] = fe_x_clamp(g, j, zero, X2(SUB, XD(a->past), one));
        x = ir_x_select(g, X2(LT, since, zero), ir_nest_load(&nest, past, at), x);
    }
    return ir_nest_map(&nest, t.elem, x);
}

/* What a cache becomes: all rows, or the newest ones of a cache that slides. */
static ir_value present(const group *a, ir_value all)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (!a->sliding || all == IR_NONE) return all;
    const ir_type t = *ir_type_of(g, all);
    ir_dim space[] = {t.dims[0], t.dims[1], a->past, t.dims[3]};
    ir_nest_begin(&nest, &a->n->b, 4, space, 0);
    ir_expr at[4];
    for (int i = 0; i < 4; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr valid = X2(ADD, fe_load_i64(&nest, a->lengths, at), XI(1)),
            over = X2(SUB, keys_of(a, &nest, at[0]), rows_kept(a, g, valid));
    ir_expr from = X2(ADD, at[2], over), last = X2(SUB, XD(t.dims[2]), XI(1));
    at[2] = fe_x_clamp(g, from, XI(0), last);
    ir_expr x = ir_nest_load(&nest, all, at);
    x = ir_x_select(g, X2(LT, from, keys_of(a, &nest, at[0])), x, XN(x, 0));
    return ir_nest_map(&nest, t.elem, x);
}

static lathe_status join_cache(group *a)
{
    fe_node *n = a->n;
    ir_graph *g = n->g;
    ir_dim length = a->sliding ? ir_dim_add(g, a->past, a->rows) : ir_dim_max(g, a->past, a->total);
    a->k = joined(a, fe_in(n, 3), a->k, length);
    a->v = joined(a, fe_in(n, 4), a->v, length);
    if (a->k == IR_NONE || a->v == IR_NONE) return LATHE_BAD_INPUT;
    if (fe_wants(n, 1)) fe_out(n, 1, present(a, a->k));
    if (fe_wants(n, 2)) fe_out(n, 2, present(a, a->v));
    return LATHE_OK;
}

/* ---- reading the node ---- */

static lathe_status need_heads(const fe_node *n, const char *name, int64_t *heads)
{
    *heads = fe_attr_int(n, name, 0);
    if (*heads > 0) return LATHE_OK;
    return fe_expect(n, name, fe_number(n, *heads), "a positive number");
}

/* Queries, keys and values as heads; side by side if there are no keys. */
static lathe_status read_heads(group *a)
{
    fe_node *n = a->n;
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    int64_t heads, groups;
    TRY(need_heads(n, "num_heads", &heads));
    TRY(need_heads(n, "kv_num_heads", &groups));
    bool packed = !fe_has(n, 1);
    if (fe_has(n, 1) != fe_has(n, 2))
        return fe_fail(n, LATHE_BAD_INPUT, "key and value come together");
    for (size_t k = 0; k < (packed ? 1 : 3); k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 3));
    }
    int64_t counts[] = {heads, groups, groups};
    ir_value *parts[] = {&a->q, &a->k, &a->v};
    ir_dim all = ir_dim_const(g, heads + 2 * groups), start = ir_dim_const(g, 0),
           size = ir_dim_floordiv(g, fe_type(n, 0)->dims[2], all);
    if (packed && !ir_dim_require(g, ir_dim_mul(g, size, all), fe_type(n, 0)->dims[2]))
        return fe_expect_input(n, 0, "has a width of", ir_dim_text(g, fe_type(n, 0)->dims[2]),
                               "a multiple of num_heads + 2 kv_num_heads");
    for (int i = 0; i < 3; i++) {
        ir_dim count = ir_dim_const(g, counts[i]), width = ir_dim_mul(g, count, size);
        ir_value x = packed ? fe_part(b, fe_in(n, 0), 2, start, width) : fe_in(n, (size_t)i);
        *parts[i] = fe_split_heads(b, x, count);
        if (*parts[i] == IR_NONE) return LATHE_BAD_INPUT;
        start = ir_dim_add(g, start, width);
    }
    a->rows = ir_type_of(g, a->q)->dims[2];
    return LATHE_OK;
}

/* Valid rows: one a batch, in whatever rank. */
static lathe_status read_lengths(group *a)
{
    fe_node *n = a->n;
    ir_graph *g = n->g;
    const ir_dim *total;
    size_t count;
    ir_dim batch = fe_type(n, 0)->dims[0];
    TRY(fe_need_class(n, 5, "S"));
    if (!ir_dim_require(g, ir_type_count(g, fe_type(n, 5)), batch))
        return fe_expect_input(n, 5, "is", ir_type_text(g, fe_type(n, 5)), "a number a batch");
    a->lengths = ir_reshape(&n->b, fe_in(n, 5), 1, &batch);
    if (a->lengths == IR_NONE) return LATHE_BAD_INPUT;
    TRY(fe_need_class(n, 6, "S"));
    TRY(fe_sizes(n, fe_in(n, 6), 0, INT32_MAX, ir_dim_add(g, a->past, a->rows), &total, &count));
    if (count != 1)
        return fe_expect_input(n, 6, "has", fe_number(n, (int64_t)count), "one element");
    a->total = total[0];
    return LATHE_OK;
}

static lathe_status read_past(group *a)
{
    fe_node *n = a->n;
    ir_graph *g = n->g;
    if (fe_has(n, 3) != fe_has(n, 4))
        return fe_fail(n, LATHE_BAD_INPUT, "past_key and past_value come together");
    a->past = ir_dim_const(g, 0);
    for (size_t k = 3; k < 5 && fe_has(n, k); k++) {
        const ir_type fresh = *ir_type_of(g, k == 3 ? a->k : a->v);
        TRY(fe_need_rank(n, k, 4));
        TRY(fe_need_same(n, 0, k));
        if (k == 3) a->past = fe_type(n, 3)->dims[2];
        TRY(fe_need_dim(n, k, 0, fresh.dims[0]));
        TRY(fe_need_dim(n, k, 1, fresh.dims[1]));
        TRY(fe_need_dim(n, k, 2, a->past));
        TRY(fe_need_dim(n, k, 3, fresh.dims[3]));
    }
    if (!a->sliding) return LATHE_OK;
    if (!fe_has(n, 3) || a->window < 1 || fe_has(n, 10))
        return fe_fail(n, LATHE_BAD_INPUT,
                       "sliding_window_cache needs past_key, past_value and a positive "
                       "local_window_size, and takes no attention_bias");
    if (!ir_dim_require(g, ir_type_of(g, a->k)->dims[2], a->rows))
        return fe_fail(n, LATHE_BAD_INPUT, "sliding_window_cache needs as many keys as queries");
    return LATHE_OK;
}

static lathe_status check_turn(const group *a)
{
    const fe_node *n = a->n;
    if (!fe_attr_int(n, "do_rotary", 0)) return LATHE_OK;
    for (size_t k = 7; k < 9; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 2));
    }
    if (!fe_has(n, 9)) return LATHE_OK;
    TRY(fe_need_class(n, 9, "S"));
    TRY(fe_need_rank(n, 9, 2));
    TRY(fe_need_dim(n, 9, 0, fe_type(n, 0)->dims[0]));
    return fe_need_dim(n, 9, 1, a->rows);
}

static lathe_status read_rules(group *a)
{
    const fe_node *n = a->n;
    int64_t causal = fe_attr_int(n, "causal", 1);
    if (causal != 0 && causal != 1)
        return fe_expect(n, "attribute causal is", fe_number(n, causal), "0 or 1");
    a->causal = causal != 0;
    a->sliding = fe_attr_int(n, "sliding_window_cache", 0) != 0;
    a->window = fe_attr_int(n, "local_window_size", -1);
    a->scale = fe_attr_float(n, "scale", 0);
    a->softcap = fe_attr_float(n, "softcap", 0);
    if (a->window > 0 && !a->causal)
        return fe_fail(n, LATHE_UNSUPPORTED, "local_window_size together with causal=0");
    if (fe_attr_int(n, "kv_cache_bit_width", 0) || fe_has(n, 12) || fe_has(n, 13))
        return fe_fail(n, LATHE_UNSUPPORTED, "a quantised cache (k_scale, v_scale)");
    /* ONNX Runtime 1.30's CPU refuses them too, so there is nothing to hold the numbers to. */
    for (size_t k = 14; k < 16; k++)
        if (fe_has(n, k))
            return fe_fail_input(n, k, LATHE_UNSUPPORTED, "a norm weight is not supported");
    if (!fe_has(n, 11)) return LATHE_OK;
    TRY(fe_need_class(n, 11, "FL"));
    TRY(fe_need_rank(n, 11, 1));
    return fe_need_dim(n, 11, 0, ir_dim_const(n->g, fe_attr_int(n, "num_heads", 0)));
}

/* ---- scores ---- */

/* Everything that happens to a score before the softmax. */
static ir_value bias_scores(const group *a, ir_value scores)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (scores == IR_NONE || !fe_broadcast(&nest, &a->n->b, &scores, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, scores);
    ir_elem type = ir_expr_get(g, x)->type;
    x = X2(MUL, x, fe_x_scale(g, x, a->scale, ir_type_of(g, a->q)->dims[3]));
    x = fe_x_softcap(g, x, a->softcap);
    if (a->bias != IR_NONE) {
        ir_expr none = ir_x_num(g, ir_elem_arith(ir_type_of(g, a->bias)->elem), 0);
        ir_expr bias = fe_mask_element(&nest, a->bias, true, none);
        if (bias == IR_NONE) return IR_NONE;
        x = X2(ADD, x, ir_x_cast(g, bias, type));
    }
    return ir_nest_map(&nest, type, fe_x_mask(g, visible(a, &nest), x));
}

/* q, k, v, past key, past value, valid rows less one, total length, cos, sin, positions, bias,
 * sink, scales of k and v, norm weights of q and k; the last four are refused. */
lathe_status fe_import_group_query(fe_node *n)
{
    ir_builder *b = &n->b;
    group a = {.n = n, .bias = fe_in(n, 10), .positions = fe_in(n, 9)};
    TRY(read_rules(&a));
    TRY(read_heads(&a));
    TRY(read_past(&a));
    TRY(read_lengths(&a));
    TRY(check_turn(&a));
    if (a.bias != IR_NONE) TRY(fe_need_class(n, 10, "FL"));
    a.q = turned(&a, a.q);
    a.k = turned(&a, a.k);
    if (a.q == IR_NONE) return LATHE_BAD_INPUT;
    TRY(join_cache(&a));
    const fe_sink sink = {.heads = fe_in(n, 11), .zero = fe_attr_int(n, "smooth_softmax", 0) > 0};
    ir_value p = fe_attend(b, bias_scores(&a, fe_scores(b, a.q, a.k)), &sink);
    fe_out(n, 0, fe_merge_heads(b, fe_weighted(b, p, a.v)));
    return LATHE_OK;
}
