/* MultiHeadAttention and DecoderMaskedMultiHeadAttention of com.microsoft. In: queries, keys and
 * values, apart or side by side, with a bias of their projections; a mask; a bias of the scores; a
 * cache. Out: heads for ms_attend.c, the caches, and the scores.
 *
 * A cache is a tensor of past rows, which becomes a longer one; or, where past_sequence_length is
 * given, a buffer with room, whose rows from that one on are written. Beam search leaves the rows
 * of a beam where they were made and says in cache_indirection which beam's row is meant. */
#include "frontend/ms_attend.h"

/* The numbers of the inputs after queries, keys and values. */
typedef struct slots {
    size_t bias, mask, score_bias, past, length, beams;
} slots;

typedef struct multihead {
    fe_ms_attention a;
    const slots *at;
    ir_dim heads;
    ir_value kept[2]; /* what the caches of keys and values become */
} multihead;

/* ---- queries, keys, values ---- */

/* Part `which` of heads side by side, [B, S, H, parts, D], as [B, S, H D]. */
static ir_value packed_part(fe_node *n, size_t k, int which)
{
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, k);
    ir_value part = fe_part(&n->b, fe_in(n, k), 3, ir_dim_const(g, which), ir_dim_const(g, 1));
    ir_dim dims[] = {t.dims[0], t.dims[1], ir_dim_mul(g, t.dims[2], t.dims[4])};
    return part == IR_NONE ? IR_NONE : ir_reshape(&n->b, part, 3, dims);
}

static lathe_status check_packed(const multihead *m, size_t k, int parts)
{
    const fe_node *n = m->a.n;
    TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_rank(n, k, 5));
    TRY(fe_need_dim(n, k, 2, m->heads));
    return fe_need_dim(n, k, 3, ir_dim_const(n->g, parts));
}

/* Queries, keys and values as [B, S, H D], or [B, H, S, D] where the operand is. */
static lathe_status read_operands(multihead *m, ir_value *x)
{
    fe_node *n = m->a.n;
    bool keys = fe_has(n, 1), values = fe_has(n, 2);
    if (!keys && values) return fe_fail(n, LATHE_BAD_INPUT, "a value without a key");
    int packed = keys && values ? 0 : keys ? 2 : 3;
    size_t from = keys ? 1 : 0;
    if (packed) TRY(check_packed(m, from, packed));
    for (size_t k = 0; k < 3; k++) {
        if (packed && k >= from) {
            x[k] = packed_part(n, from, (int)(k - from));
            continue;
        }
        TRY(fe_need_class(n, k, "FL"));
        int rank = fe_type(n, k)->rank;
        if (rank != 3 && (rank != 4 || k == 0))
            return fe_expect_input(n, k, "has rank", fe_number(n, rank), k ? "3 or 4" : "3");
        x[k] = fe_in(n, k);
    }
    if (!packed && fe_type(n, 1)->rank != fe_type(n, 2)->rank)
        return fe_fail(n, LATHE_BAD_INPUT, "key and value differ in rank");
    return LATHE_OK;
}

/* The bias lies over all three; keys and values that are heads already get none. */
static lathe_status read_heads(multihead *m)
{
    fe_node *n = m->a.n;
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_value x[3], *out[] = {&m->a.q, &m->a.k, &m->a.v};
    ir_dim start = ir_dim_const(g, 0);
    size_t bias = m->at->bias;
    TRY(read_operands(m, x));
    if (fe_has(n, bias)) {
        TRY(fe_need_class(n, bias, "FL"));
        TRY(fe_need_rank(n, bias, 1));
    }
    for (int k = 0; k < 3; k++) {
        if (x[k] == IR_NONE) return LATHE_BAD_INPUT;
        const ir_type t = *ir_type_of(g, x[k]);
        ir_dim width = t.rank == 3 ? t.dims[2] : ir_dim_mul(g, t.dims[1], t.dims[3]);
        if (t.rank == 3 && fe_has(n, bias))
            x[k] = fe_binary(b, IR_X_ADD, x[k], fe_part(b, fe_in(n, bias), 0, start, width));
        start = ir_dim_add(g, start, width);
        *out[k] = t.rank == 3 ? fe_split_heads(b, x[k], m->heads) : x[k];
        if (*out[k] == IR_NONE) return LATHE_BAD_INPUT;
    }
    return fe_has(n, bias) ? fe_need_dim(n, bias, 0, start) : LATHE_OK;
}

/* ---- the cache ---- */

static lathe_status check_past(const multihead *m)
{
    const fe_node *n = m->a.n;
    size_t past = m->at->past;
    if (fe_has(n, past) != fe_has(n, past + 1))
        return fe_fail(n, LATHE_BAD_INPUT, "past_key and past_value come together");
    for (size_t i = 0; i < 2 && fe_has(n, past); i++) {
        const ir_type t = *ir_type_of(n->g, i ? m->a.v : m->a.k);
        TRY(fe_need_rank(n, past + i, 4));
        TRY(fe_need_same(n, 0, past + i));
        for (int axis = 0; axis < 4; axis++)
            TRY(fe_need_dim(n, past + i, axis,
                            axis == 2 ? fe_type(n, past)->dims[2] : t.dims[axis]));
    }
    return LATHE_OK;
}

/* How many rows of the buffers hold something; there is room for the new ones. */
static lathe_status read_length(multihead *m, ir_dim rows)
{
    fe_node *n = m->a.n;
    ir_graph *g = n->g;
    size_t k = m->at->length, count;
    const ir_dim *length;
    ir_dim room = fe_type(n, m->at->past)->dims[2];
    TRY(fe_need_class(n, k, "S"));
    TRY(fe_sizes(n, fe_in(n, k), 0, INT32_MAX, ir_dim_sub(g, room, rows), &length, &count));
    if (count != 1)
        return fe_expect_input(n, k, "has", fe_number(n, (int64_t)count), "one element");
    m->a.past = length[0];
    ir_dim total = ir_dim_add(g, length[0], rows);
    if (ir_dim_require(g, ir_dim_min(g, room, total), total)) return LATHE_OK;
    return fe_expect_input(n, m->at->past, "has room for", ir_dim_text(g, room),
                           ir_format(g->arena, "at least %s rows", ir_dim_text(g, total)));
}

/* cache_indirection: [B / beams, beams, rows of the buffer]. */
static lathe_status check_beams(const multihead *m)
{
    const fe_node *n = m->a.n;
    ir_graph *g = n->g;
    size_t k = m->at->beams;
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_class(n, k, "S"));
    TRY(fe_need_rank(n, k, 3));
    const ir_type *t = fe_type(n, k);
    TRY(fe_need_dim(n, k, 2, fe_type(n, m->at->past)->dims[2]));
    ir_dim found = ir_dim_mul(g, t->dims[0], t->dims[1]), batch = fe_type(n, 0)->dims[0];
    if (ir_dim_require(g, found, batch)) return LATHE_OK;
    return fe_expect_input(n, k, "has beams", ir_dim_text(g, found), ir_dim_text(g, batch));
}

/* The rows so far, each of the beam that cache_indirection names. */
static ir_value chosen_rows(const multihead *m, ir_value past)
{
    const fe_node *n = m->a.n;
    ir_graph *g = n->g;
    ir_nest nest;
    if (!fe_has(n, m->at->beams)) return past;
    const ir_type t = *ir_type_of(g, past);
    ir_dim beams = fe_type(n, m->at->beams)->dims[1];
    ir_nest_begin(&nest, &m->a.n->b, 4, t.dims, 0);
    ir_expr at[4], width = XD(beams);
    for (int i = 0; i < 4; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr group = X2(FLOORDIV, at[0], width), which[] = {group, X2(MOD, at[0], width), at[2]},
            beam = fe_x_index(g, fe_load_i64(&nest, fe_in(n, m->at->beams), which), beams);
    at[0] = X2(ADD, X2(MUL, group, width), beam);
    return ir_nest_map(&nest, t.elem, ir_nest_load(&nest, past, at));
}

/* One buffer: *x, the new rows, becomes all rows that count; returns the buffer afterwards. */
static ir_value write_buffer(const multihead *m, ir_value buffer, ir_value *x)
{
    ir_builder *b = &m->a.n->b;
    ir_graph *g = b->g;
    ir_dim room = ir_type_of(g, buffer)->dims[2], rows = ir_type_of(g, *x)->dims[2],
           total = ir_dim_add(g, m->a.past, rows);
    ir_value past = fe_part(b, buffer, 2, ir_dim_const(g, 0), m->a.past),
             rest = fe_part(b, buffer, 2, total, ir_dim_sub(g, room, total));
    if (past == IR_NONE || rest == IR_NONE) return IR_NONE;
    ir_value kept = ir_concat(b, (ir_value[]){past, *x, rest}, 3, 2);
    past = chosen_rows(m, past);
    *x = past == IR_NONE ? IR_NONE : fe_append(b, past, *x);
    return kept;
}

static lathe_status read_cache(multihead *m)
{
    fe_node *n = m->a.n;
    ir_value *x[] = {&m->a.k, &m->a.v};
    bool past = fe_has(n, m->at->past), buffer = past && fe_has(n, m->at->length);
    TRY(check_past(m));
    if (buffer) {
        TRY(read_length(m, ir_type_of(n->g, m->a.k)->dims[2]));
        TRY(check_beams(m));
    } else if (past) {
        m->a.past = fe_type(n, m->at->past)->dims[2];
    }
    for (size_t i = 0; i < 2; i++) {
        ir_value old = fe_in(n, m->at->past + i);
        if (buffer) {
            m->kept[i] = write_buffer(m, old, x[i]);
        } else {
            m->kept[i] = *x[i] = fe_append(&n->b, old, *x[i]);
        }
        if (*x[i] == IR_NONE || m->kept[i] == IR_NONE) return LATHE_BAD_INPUT;
    }
    return LATHE_OK;
}

/* ---- the nodes ---- */

static lathe_status import_multihead(fe_node *n, const slots *at)
{
    multihead m = {.a = {.n = n, .mask = at->mask, .bias = at->score_bias}, .at = at};
    ir_value scores;
    fe_ms_read_attrs(&m.a);
    TRY(fe_ms_heads(n, &m.heads));
    TRY(read_heads(&m));
    TRY(read_cache(&m));
    TRY(fe_ms_check(&m.a));
    for (size_t i = 0; i < 2; i++)
        if (fe_wants(n, i + 1)) fe_out(n, i + 1, m.kept[i]);
    fe_out(n, 0, fe_ms_attend(&m.a, fe_wants(n, 3) ? &scores : NULL));
    if (fe_wants(n, 3)) fe_out(n, 3, scores);
    return LATHE_OK;
}

lathe_status fe_import_ms_multihead(fe_node *n)
{
    static const slots at = {3, 4, 5, 6, 8, 9};
    return import_multihead(n, &at);
}

/* beam_width says again how many beams cache_indirection has. */
static lathe_status check_width(fe_node *n, size_t width, size_t beams)
{
    ir_graph *g = n->g;
    ir_nest nest;
    if (!fe_has(n, width) || !fe_has(n, beams)) return LATHE_OK;
    TRY(fe_need_class(n, width, "S"));
    TRY(fe_need_rank(n, beams, 3));
    if (!ir_dim_require(g, ir_type_count(g, fe_type(n, width)), ir_dim_const(g, 1)))
        return fe_expect_input(n, width, "is", ir_type_text(g, fe_type(n, width)), "one element");
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr given = ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, width)), IR_I64);
    ir_expr same = X2(EQ, given, XD(fe_type(n, beams)->dims[1]));
    return fe_guard(n, ir_nest_map(&nest, IR_BOOL, same),
                    "beam_width is not the number of beams in cache_indirection");
}

/* One query a batch. Its cache is a buffer. */
lathe_status fe_import_ms_decoder(fe_node *n)
{
    static const slots at = {10, 3, 4, 5, 7, 9};
    TRY(fe_need_rank(n, 0, 3));
    TRY(fe_need_dim(n, 0, 1, ir_dim_const(n->g, 1)));
    if (fe_has(n, at.past) &&
        (!fe_attr_int(n, "past_present_share_buffer") || !fe_has(n, at.length)))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "a past without past_present_share_buffer and past_sequence_length");
    TRY(check_width(n, 8, at.beams));
    return import_multihead(n, &at);
}
