/* GroupQueryAttention of com.microsoft. In: queries, keys and values, apart or side by side, a
 * cache and the valid rows of each batch less one. Out: the same contracts, maps and softmax as for
 * ONNX's Attention. The cache is written at a position that is data, so the keys are a map that
 * chooses, row by row, between the past and the new ones. New rows are counted by the keys: a layer
 * that borrows another one's cache has none. A cache that slides holds the newest rows alone;
 * positions of keys count from the oldest row that is held, those of rotations from the first
 * token. A cache may hold codes: the new rows are rounded to codes first, and attention reads what
 * the codes stand for, of old and new rows alike. */
#include "frontend/attend.h"

#include <string.h>

#include "frontend/ms_attend.h"

enum { NO_SCORES, BEFORE_SOFTMAX, AFTER_SOFTMAX }; /* qk_output */

typedef struct group {
    fe_node *n;
    ir_value q, k, v, bias, lengths, positions; /* lengths: valid rows less one, [B] */
    ir_dim rows, past, total;                   /* queries; rows of the cache; total length */
    int64_t window, scores;                     /* no window below 0; which scores are an output */
    double scale, softcap;
    bool causal, sliding;
    bool keeps;          /* behind the new rows the cache holds what it held, not zeros */
    int bits;            /* of a code in the cache; 0: it holds numbers */
    bool by_channel;     /* a scale for each channel of each head */
    ir_value factors[2]; /* the scales of keys and values, of rank 1 */
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
    if (a->window >= 0) allowed = X2(AND, allowed, X2(LT, X2(SUB, at, XI(a->window)), j));
    return allowed;
}

/* ---- rotation ---- */

typedef struct turn {
    const group *a;
    ir_dim rows;
} turn;

/* Given positions are read one by one, but in a first prompt the first one is where all start. */
static ir_expr token_position(void *ctx, ir_nest *nest, ir_expr batch, ir_expr s, ir_expr column)
{
    const turn *t = ctx;
    (void)column;
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
    if (!fe_attr_int(n, "do_rotary") || x == IR_NONE) return x;
    turn t = {.a = a, .rows = ir_type_of(n->g, x)->dims[2]};
    fe_rotary r = {.x = x,
                   .cos = fe_in(n, 7),
                   .sin = fe_in(n, 8),
                   .position = token_position,
                   .ctx = &t,
                   .interleaved = fe_attr_int(n, "rotary_interleaved") != 0};
    ir_dim half = ir_type_of(n->g, r.cos)->dims[1];
    r.dim = ir_dim_mul(n->g, half, ir_dim_const(n->g, 2));
    return fe_rotate(&n->b, &r);
}

/* ---- the cache ---- */

/* The scale of keys (0) or values (1), at a place of [B, G, T, D]. */
static ir_expr factor(const group *a, ir_nest *nest, int which, const ir_expr *at, ir_dim width)
{
    ir_graph *g = nest->b->g;
    ir_expr i = a->by_channel ? X2(ADD, X2(MUL, at[1], XD(width)), at[3]) : XI(0);
    return ir_nest_load(nest, a->factors[which], &i);
}

/* The code of a new row's element: the nearest one, of two the even one, as many as there are. */
static ir_expr code(const group *a, ir_nest *nest, int which, ir_value fresh, const ir_expr *at)
{
    ir_graph *g = nest->b->g;
    ir_expr f = factor(a, nest, which, at, ir_type_of(g, fresh)->dims[3]),
            x = ir_x_cast(g, ir_nest_load(nest, fresh, at), IR_F32),
            y = X1(ROUND, X2(MUL, x, X2(DIV, XN(f, 1), f)));
    double half = 1 << (a->bits - 1);
    return ir_x_cast(g, X2(MAX, X2(MIN, y, XN(y, half - 1)), XN(y, -half)), IR_I32);
}

/* What a new row's place in the cache holds. Of 4 bits, a byte holds two codes from -8 on, the
 * first one in its lower half. */
static ir_expr fresh_element(const group *a, ir_nest *nest, int which, ir_value fresh, ir_expr *at)
{
    ir_graph *g = nest->b->g;
    if (!a->bits) return ir_nest_load(nest, fresh, at);
    if (a->bits == 8) return ir_x_cast(g, code(a, nest, which, fresh, at), IR_I8);
    ir_expr half[2], first = X2(MUL, at[3], XI(2));
    for (int i = 0; i < 2; i++) {
        at[3] = X2(ADD, first, XI(i));
        half[i] = code(a, nest, which, fresh, at);
        half[i] = X2(ADD, half[i], XN(half[i], 8));
    }
    return ir_x_cast(g, X2(OR, half[0], X2(SHL, half[1], XN(half[1], 4))), IR_U8);
}

static ir_elem cache_elem(const group *a, ir_elem fresh)
{
    return a->bits == 8 ? IR_I8 : a->bits == 4 ? IR_U8 : fresh;
}

static ir_dim cache_width(const group *a, ir_dim width)
{
    ir_graph *g = a->n->g;
    return a->bits == 4 ? ir_dim_floordiv(g, width, ir_dim_const(g, 2)) : width;
}

/* Rows of past and then the new ones, [B, G, length, D], then zeros. */
static ir_value cache_rows(const group *a, int which, ir_value fresh, ir_dim length)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    ir_value past = fe_in(a->n, 3 + (size_t)which);
    if (fresh == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(g, fresh);
    ir_elem elem = cache_elem(a, t.elem);
    ir_dim space[] = {t.dims[0], t.dims[1], length, cache_width(a, t.dims[3])};
    ir_nest_begin(&nest, &a->n->b, 4, space, 0);
    ir_expr at[4], zero = XI(0), one = XI(1), x = ir_x_num(g, ir_elem_arith(elem), 0);
    for (int i = 0; i < 4; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr j = at[2], column = at[3], since = X2(SUB, j, rows_held(a, &nest, at[0], t.dims[2]));
    if (!ir_dim_equals(g, t.dims[2], 0)) {
        at[2] = fe_x_clamp(g, since, zero, X2(SUB, XD(t.dims[2]), one));
        ir_expr inside = X2(LT, since, XD(t.dims[2]));
        x = ir_x_select(g, inside, fresh_element(a, &nest, which, fresh, at), x);
        at[3] = column;
    }
    if (past != IR_NONE) {
        at[2] = fe_x_clamp(g, j, zero, X2(SUB, XD(a->past), one));
        ir_expr old = X2(LT, since, zero);
        if (a->keeps) old = X2(OR, old, X2(LE, XD(t.dims[2]), since));
        x = ir_x_select(g, old, ir_nest_load(&nest, past, at), x);
    }
    return ir_nest_map(&nest, elem, x);
}

/* What the codes of a cache stand for. */
static ir_value decoded(const group *a, int which, ir_value cache, ir_dim width)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (!a->bits || cache == IR_NONE) return cache;
    const ir_type t = *ir_type_of(g, cache);
    ir_dim space[] = {t.dims[0], t.dims[1], t.dims[2], width};
    ir_nest_begin(&nest, &a->n->b, 4, space, 0);
    ir_expr at[4];
    for (int i = 0; i < 4; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr f = factor(a, &nest, which, at, width), column = at[3];
    if (a->bits == 4) at[3] = X2(FLOORDIV, column, XI(2));
    ir_expr x = ir_x_cast(g, ir_nest_load(&nest, cache, at), IR_I32);
    if (a->bits == 4) {
        ir_expr odd = X2(EQ, X2(MOD, column, XI(2)), XI(1));
        x = ir_x_select(g, odd, X2(SHR, x, XN(x, 4)), X2(AND, x, XN(x, 15)));
        x = X2(SUB, x, XN(x, 8));
    }
    return ir_nest_map(&nest, IR_F32, X2(MUL, ir_x_cast(g, x, IR_F32), f));
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
    ir_value *x[] = {&a->k, &a->v};
    ir_dim length = a->sliding ? ir_dim_add(g, a->past, a->rows) : ir_dim_max(g, a->past, a->total);
    for (int i = 0; i < 2; i++) {
        if (*x[i] == IR_NONE) return LATHE_BAD_INPUT;
        ir_dim width = ir_type_of(g, *x[i])->dims[3];
        ir_value rows = cache_rows(a, i, *x[i], length);
        *x[i] = decoded(a, i, rows, width);
        if (*x[i] == IR_NONE) return LATHE_BAD_INPUT;
        if (fe_wants(n, 1 + (size_t)i)) fe_out(n, 1 + (size_t)i, present(a, rows));
    }
    return LATHE_OK;
}

/* ---- reading the node ---- */

static lathe_status need_heads(const fe_node *n, const char *name, int64_t *heads)
{
    *heads = fe_attr_int(n, name);
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

/* Queries and keys as rows of norm 1 times a weight, before they are turned. */
static lathe_status normalise(group *a)
{
    fe_node *n = a->n;
    ir_value *x[] = {&a->q, &a->k};
    if (fe_has(n, 14) != fe_has(n, 15))
        return fe_fail(n, LATHE_BAD_INPUT, "q_norm_weight and k_norm_weight come together");
    for (size_t i = 0; i < 2 && fe_has(n, 14); i++) {
        TRY(fe_need_class(n, 14 + i, "FL"));
        TRY(fe_need_rank(n, 14 + i, 1));
        TRY(fe_need_dim(n, 14 + i, 0, ir_type_of(n->g, *x[i])->dims[3]));
        *x[i] = fe_norm(&n->b, true, *x[i], fe_in(n, 14 + i), IR_NONE, 3,
                        fe_attr_float(n, "qk_norm_epsilon"));
        if (*x[i] == IR_NONE) return LATHE_BAD_INPUT;
    }
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
        ir_elem elem = cache_elem(a, fe_type(n, 0)->elem);
        if (fe_type(n, k)->elem != elem)
            return fe_expect_input(n, k, "is of", ir_elem_name(fe_type(n, k)->elem),
                                   ir_elem_name(elem));
        if (k == 3) a->past = fe_type(n, 3)->dims[2];
        TRY(fe_need_dim(n, k, 0, fresh.dims[0]));
        TRY(fe_need_dim(n, k, 1, fresh.dims[1]));
        TRY(fe_need_dim(n, k, 2, a->past));
        TRY(fe_need_dim(n, k, 3, cache_width(a, fresh.dims[3])));
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
    if (!fe_attr_int(n, "do_rotary")) return LATHE_OK;
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

/* A type of quantisation is NONE, PER_TENSOR or PER_CHANNEL. */
static lathe_status read_quantisation(group *a)
{
    fe_node *n = a->n;
    const char *k = fe_attr_str(n, "k_quant_type"), *v = fe_attr_str(n, "v_quant_type");
    bool none = !strcmp(k, "NONE");
    int64_t bits = fe_attr_int(n, "kv_cache_bit_width");
    a->by_channel = !strcmp(k, "PER_CHANNEL");
    if (strcmp(k, v))
        return fe_expect(n, ir_format(n->g->arena, "k_quant_type is %s, v_quant_type is", k), v, k);
    if (!none && !a->by_channel && strcmp(k, "PER_TENSOR"))
        return fe_expect(n, "attribute k_quant_type is", k, "NONE, PER_TENSOR or PER_CHANNEL");
    if (none && (fe_has(n, 12) || fe_has(n, 13)))
        return fe_fail(n, LATHE_BAD_INPUT, "k_scale or v_scale, but k_quant_type is NONE");
    if (none) return LATHE_OK;
    if (bits != 4 && bits != 8)
        return fe_expect(n, "attribute kv_cache_bit_width is", fe_number(n, bits), "4 or 8");
    a->bits = (int)bits;
    return LATHE_OK;
}

/* One scale, or one for each channel of each head, in whatever rank. */
static lathe_status read_factors(group *a)
{
    fe_node *n = a->n;
    ir_graph *g = n->g;
    for (size_t i = 0; i < 2 && a->bits; i++) {
        const ir_type x = *ir_type_of(g, i ? a->v : a->k);
        ir_dim count = a->by_channel ? ir_dim_mul(g, x.dims[1], x.dims[3]) : ir_dim_const(g, 1);
        TRY(fe_need_class(n, 12 + i, "F"));
        if (!ir_dim_require(g, ir_type_count(g, fe_type(n, 12 + i)), count))
            return fe_expect_input(n, 12 + i, "is", ir_type_text(g, fe_type(n, 12 + i)),
                                   ir_format(g->arena, "%s numbers", ir_dim_text(g, count)));
        ir_value f = ir_cast(&n->b, fe_in(n, 12 + i), IR_F32);
        a->factors[i] = f == IR_NONE ? IR_NONE : ir_reshape(&n->b, f, 1, &count);
        if (a->factors[i] == IR_NONE) return LATHE_BAD_INPUT;
        if (a->bits == 4 &&
            !ir_dim_require(g, ir_dim_mod(g, x.dims[3], ir_dim_const(g, 2)), ir_dim_const(g, 0)))
            return fe_fail(n, LATHE_BAD_INPUT, "codes of 4 bits for heads of %s values",
                           ir_dim_text(g, x.dims[3]));
    }
    return LATHE_OK;
}

static lathe_status read_scores(group *a)
{
    const fe_node *n = a->n;
    a->scores = fe_attr_int(n, "qk_output");
    if (a->scores < NO_SCORES || a->scores > AFTER_SOFTMAX)
        return fe_expect(n, "attribute qk_output is", fe_number(n, a->scores), "0, 1 or 2");
    if (fe_wants(n, 3) && a->scores == NO_SCORES)
        return fe_fail(n, LATHE_BAD_INPUT, "output 3 needs qk_output 1 or 2");
    if (fe_wants(n, 3) && a->sliding)
        return fe_fail(n, LATHE_UNSUPPORTED, "qk_output together with sliding_window_cache");
    return LATHE_OK;
}

static lathe_status read_rules(group *a)
{
    fe_node *n = a->n;
    int64_t causal = fe_attr_int(n, "causal");
    if (causal != 0 && causal != 1)
        return fe_expect(n, "attribute causal is", fe_number(n, causal), "0 or 1");
    a->causal = causal != 0;
    a->sliding = fe_attr_int(n, "sliding_window_cache") != 0;
    a->window = fe_attr_int(n, "local_window_size");
    a->scale = fe_attr_float_or(n, "scale", 0);
    a->softcap = fe_attr_float(n, "softcap");
    if (a->window >= 0 && !a->causal)
        return fe_fail(n, LATHE_UNSUPPORTED, "local_window_size together with causal=0");
    TRY(read_quantisation(a));
    TRY(read_scores(a));
    if (!fe_has(n, 11)) return LATHE_OK;
    TRY(fe_need_class(n, 11, "FL"));
    TRY(fe_need_rank(n, 11, 1));
    return fe_need_dim(n, 11, 0, ir_dim_const(n->g, fe_attr_int(n, "num_heads")));
}

/* ---- scores ---- */

/* Everything that happens to a score before the softmax. */
static ir_expr biased(const group *a, ir_nest *nest, ir_value scores)
{
    ir_graph *g = a->n->g;
    ir_expr x = ir_nest_read(nest, scores);
    x = X2(MUL, x, fe_x_scale(g, x, a->scale, ir_type_of(g, a->q)->dims[3]));
    x = fe_x_softcap(g, x, a->softcap);
    if (a->bias == IR_NONE) return x;
    ir_expr none = ir_x_num(g, ir_elem_arith(ir_type_of(g, a->bias)->elem), 0);
    ir_expr bias = fe_mask_element(nest, a->bias, true, none);
    if (bias == IR_NONE) return IR_NONE;
    return X2(ADD, x, ir_x_cast(g, bias, ir_expr_get(g, x)->type));
}

static ir_value bias_scores(const group *a, ir_value scores)
{
    ir_nest nest;
    if (scores == IR_NONE || !fe_broadcast(&nest, &a->n->b, &scores, 1)) return IR_NONE;
    ir_expr x = biased(a, &nest, scores);
    if (x == IR_NONE) return IR_NONE;
    ir_elem type = ir_expr_get(a->n->g, x)->type;
    return ir_nest_map(&nest, type, fe_x_mask(a->n->g, visible(a, &nest), x));
}

/* The scores or the weights as an output: of the keys up to the total length, and zeros where a key
 * may not be seen. */
static ir_value shown(const group *a, ir_value scores, ir_value p)
{
    ir_graph *g = a->n->g;
    ir_builder *b = &a->n->b;
    ir_value v = a->scores == AFTER_SOFTMAX ? p : scores;
    ir_nest nest;
    if (p == IR_NONE || !fe_broadcast(&nest, b, &v, 1)) return IR_NONE;
    ir_expr x = a->scores == AFTER_SOFTMAX ? ir_nest_read(&nest, v) : biased(a, &nest, v);
    x = ir_x_select(g, visible(a, &nest), x, XN(x, 0));
    ir_value all = ir_nest_map(&nest, ir_type_of(g, a->q)->elem, x);
    return fe_part(b, all, 3, ir_dim_const(g, 0), a->total);
}

/* q, k, v, past key, past value, valid rows less one, total length, cos, sin, positions, bias,
 * sink, scales of k and v, norm weights of q and k. */
lathe_status fe_group_query(fe_node *n, bool keeps)
{
    ir_builder *b = &n->b;
    group a = {.n = n, .bias = fe_in(n, 10), .positions = fe_in(n, 9), .keeps = keeps};
    TRY(read_rules(&a));
    TRY(read_heads(&a));
    TRY(normalise(&a));
    TRY(read_factors(&a));
    TRY(read_past(&a));
    TRY(read_lengths(&a));
    TRY(check_turn(&a));
    if (a.bias != IR_NONE) TRY(fe_need_class(n, 10, "FL"));
    a.q = turned(&a, a.q);
    a.k = turned(&a, a.k);
    if (a.q == IR_NONE) return LATHE_BAD_INPUT;
    TRY(join_cache(&a));
    const fe_sink sink = {.heads = fe_in(n, 11), .zero = fe_attr_int(n, "smooth_softmax") > 0};
    ir_value scores = fe_scores(b, a.q, a.k), p = fe_attend(b, bias_scores(&a, scores), &sink);
    ir_value y = fe_merge_heads(b, fe_weighted(b, p, a.v));
    fe_out(n, 0, y == IR_NONE ? IR_NONE : ir_cast(b, y, fe_type(n, 0)->elem));
    if (fe_wants(n, 3)) fe_out(n, 3, shown(&a, scores, p));
    return LATHE_OK;
}

lathe_status fe_import_group_query(fe_node *n) { return fe_group_query(n, false); }
