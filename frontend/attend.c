/* Products and positions of attention. In: four-dimensional queries, keys and values. Out: contract
 * nodes and maps. Grouped heads are an axis of their own in the space, of which keys and values
 * read nothing, so that no head is ever repeated. A rotation is the concat of its two halves, each
 * of which reads x with a constant stride. */
#include "frontend/attend.h"

#include <float.h>
#include <math.h>

/* [B, H, ...] -> [B, G, H / G, ...] with H / G in *repeat; v itself where that is 1. */
static ir_value group_heads(ir_builder *b, ir_value v, ir_dim groups, ir_dim *repeat)
{
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, v);
    *repeat = ir_dim_floordiv(g, t.dims[1], groups);
    if (!ir_dim_require(g, ir_dim_mul(g, groups, *repeat), t.dims[1]))
        return fe_refuse(b,
                         "the query has %s heads, expected a multiple of the %s of key and value",
                         ir_dim_text(g, t.dims[1]), ir_dim_text(g, groups));
    if (ir_dim_equals(g, *repeat, 1)) return v;
    ir_dim dims[] = {t.dims[0], groups, *repeat, t.dims[2], t.dims[3]};
    return ir_reshape(b, v, 5, dims);
}

/* x [B, H, S, K] times y [B, G, N, K] (or [B, G, K, N] if `plain`), summed over K. */
static ir_value attend_product(ir_builder *b, ir_value x, ir_value y, bool plain, ir_elem out)
{
    ir_graph *g = b->g;
    if (x == IR_NONE || y == IR_NONE) return IR_NONE;
    const ir_type s = *ir_type_of(g, x), t = *ir_type_of(g, y);
    ir_dim repeat, n = t.dims[plain ? 3 : 2], k = t.dims[plain ? 2 : 3];
    if (!ir_dim_require(g, s.dims[0], t.dims[0]) || !ir_dim_require(g, s.dims[3], k))
        return fe_refuse(b,
                         "%s and %s, heads apart, differ in the batch or in the size that is "
                         "summed over",
                         ir_type_text(g, &s), ir_type_text(g, &t));
    x = group_heads(b, x, t.dims[1], &repeat);
    if (x == IR_NONE) return IR_NONE;
    bool grouped = !ir_dim_equals(g, repeat, 1);
    int rank = 0;
    ir_dim space[6];
    space[rank++] = s.dims[0];
    space[rank++] = t.dims[1];
    if (grouped) space[rank++] = repeat;
    space[rank++] = s.dims[2];
    space[rank++] = n;
    space[rank++] = k;
    fe_factor f[2] = {{.v = x}, {.v = y}};
    for (int i = 0; i < rank - 2; i++) f[0].axes[i] = i;
    f[0].axes[rank - 2] = rank - 1;
    f[1].axes[1] = 1;
    f[1].axes[2] = plain ? rank - 1 : rank - 2;
    f[1].axes[3] = plain ? rank - 2 : rank - 1;
    ir_value r = fe_contract(b, f, 2, rank, space, 1, out);
    ir_dim dims[] = {s.dims[0], s.dims[1], s.dims[2], n};
    return r == IR_NONE ? IR_NONE : ir_reshape(b, r, 4, dims);
}

ir_value fe_scores(ir_builder *b, ir_value q, ir_value k)
{
    return q == IR_NONE ? IR_NONE
                        : attend_product(b, q, k, false, ir_elem_arith(ir_type_of(b->g, q)->elem));
}

ir_value fe_weighted(ir_builder *b, ir_value p, ir_value v)
{
    return v == IR_NONE ? IR_NONE : attend_product(b, p, v, true, ir_type_of(b->g, v)->elem);
}

ir_expr fe_x_scale(ir_graph *g, ir_expr like, double given, ir_dim d)
{
    int64_t size;
    if (given != 0) return XN(like, given);
    if (ir_dim_is_const(g, d, &size)) return XN(like, 1 / sqrt((double)size));
    ir_expr width = ir_x_cast(g, XD(d), ir_expr_get(g, like)->type);
    return X2(DIV, XN(like, 1), X1(SQRT, width));
}

ir_expr fe_x_softcap(ir_graph *g, ir_expr x, double cap)
{
    if (cap == 0) return x;
    return X2(MUL, X1(TANH, X2(DIV, x, XN(x, cap))), XN(x, cap));
}

ir_expr fe_x_mask(ir_graph *g, ir_expr allowed, ir_expr x)
{
    return ir_x_select(g, allowed, x, XN(x, -INFINITY));
}

/* Element of v at the first axes of the nest, written as ir_nest_read does: fusion compares. */
static ir_expr score_at(ir_nest *nest, ir_value v, int rank)
{
    ir_graph *g = nest->b->g;
    const ir_type *t = ir_type_of(g, v);
    ir_expr at[4];
    for (int i = 0; i < rank; i++)
        at[i] = ir_dim_equals(g, t->dims[i], 1) ? XI(0) : ir_nest_index(nest, i);
    return ir_nest_load(nest, v, at);
}

static ir_value fold_keys(ir_builder *b, const char *kind, ir_value v)
{
    ir_nest nest;
    const ir_type t = *ir_type_of(b->g, v);
    ir_nest_begin(&nest, b, t.rank, t.dims, 1);
    return ir_nest_reduce(&nest, IR_OP_REDUCE, kind, t.elem, score_at(&nest, v, 4));
}

/* What is subtracted from a row's scores: never minus infinity. */
static ir_expr row_floor(ir_nest *nest, ir_value most, ir_expr sink)
{
    ir_graph *g = nest->b->g;
    ir_expr m = score_at(nest, most, 3);
    double lowest = ir_expr_get(g, m)->type == IR_F64 ? -DBL_MAX : -(double)FLT_MAX;
    return X2(MAX, sink == IR_NONE ? m : X2(MAX, m, sink), XN(m, lowest));
}

/* A score that joins the sum and has no value, in the type of the scores. */
static ir_expr sink_score(ir_nest *nest, const fe_sink *sink, ir_elem type)
{
    ir_graph *g = nest->b->g;
    ir_expr head = ir_nest_index(nest, 1);
    if (sink && sink->heads != IR_NONE)
        return ir_x_cast(g, ir_nest_load(nest, sink->heads, &head), type);
    return sink && sink->zero ? ir_x_num(g, type, 0) : IR_NONE;
}

ir_value fe_attend(ir_builder *b, ir_value scores, const fe_sink *sink)
{
    ir_graph *g = b->g;
    if (scores == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(g, scores);
    ir_nest nest;
    ir_value most = fold_keys(b, "max", scores);
    if (most == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, b, t.rank, t.dims, 0);
    ir_expr x = ir_nest_read(&nest, scores),
            floor = row_floor(&nest, most, sink_score(&nest, sink, t.elem));
    ir_value exps = ir_nest_map(&nest, t.elem, X1(EXP, X2(SUB, x, floor)));
    ir_value sum = exps == IR_NONE ? IR_NONE : fold_keys(b, "sum", exps);
    if (sum == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, b, t.rank, t.dims, 0);
    ir_expr e = ir_nest_read(&nest, exps), total = score_at(&nest, sum, 3),
            extra = sink_score(&nest, sink, t.elem);
    if (extra != IR_NONE)
        total = X2(ADD, total, X1(EXP, X2(SUB, extra, row_floor(&nest, most, extra))));
    return ir_nest_map(&nest, t.elem, X2(DIV, e, X2(MAX, total, XN(total, FLT_MIN))));
}

ir_expr fe_mask_element(ir_nest *nest, ir_value mask, bool pad, ir_expr outside)
{
    ir_graph *g = nest->b->g;
    const ir_type t = *ir_type_of(g, mask);
    ir_type wide = t;
    ir_expr idx[IR_MAX_RANK];
    if (!pad || t.rank == 0 || t.dims[t.rank - 1] == nest->space[3])
        return ir_nest_read(nest, mask);
    if (t.rank > 4) return fe_refuse(nest->b, "a mask of rank %d", t.rank);
    for (int i = 0; i < t.rank; i++) {
        int axis = 4 - t.rank + i;
        bool one = ir_dim_equals(g, t.dims[i], 1);
        idx[i] = one ? XI(0) : ir_nest_index(nest, axis);
        if (i == t.rank - 1 || one) continue;
        wide.dims[i] = nest->space[axis];
        if (ir_dim_is_const(g, t.dims[i], NULL) && !ir_dim_require(g, wide.dims[i], t.dims[i]))
            return fe_refuse(nest->b, "a mask of %s does not fit", ir_type_text(g, &t));
    }
    mask = fe_spread(nest->b, mask, wide.dims); /* a run may set its dims to 1 */
    if (mask == IR_NONE) return IR_NONE;
    ir_expr j = ir_nest_index(nest, 3), size = XD(t.dims[t.rank - 1]);
    idx[t.rank - 1] = fe_x_clamp(g, j, XI(0), X2(SUB, size, XI(1)));
    return ir_x_select(g, X2(LT, j, size), ir_nest_load(nest, mask, idx), outside);
}

ir_value fe_append(ir_builder *b, ir_value past, ir_value v)
{
    if (past == IR_NONE || v == IR_NONE) return v;
    return ir_concat(b, (ir_value[]){past, v}, 2, 2);
}

/* ---- rotary positions ---- */

ir_expr fe_position_ids(void *ctx, ir_nest *nest, ir_expr batch, ir_expr s, ir_expr column)
{
    ir_graph *g = nest->b->g;
    ir_value ids = *(const ir_value *)ctx;
    const ir_type *t = ir_type_of(g, ids);
    (void)column;
    if (t->rank < 2) {
        ir_expr zero = XI(0);
        return X2(ADD, fe_load_i64(nest, ids, &zero), s);
    }
    ir_expr at[2] = {ir_dim_equals(g, t->dims[0], 1) ? XI(0) : batch, s};
    return fe_load_i64(nest, ids, at);
}

static ir_expr angle(const fe_rotary *r, ir_nest *nest, ir_value table, ir_expr k)
{
    ir_graph *g = nest->b->g;
    ir_expr batch = ir_nest_index(nest, 0), s = ir_nest_index(nest, 2), at[3] = {batch, s, k};
    const ir_type *t = ir_type_of(g, table);
    if (t->rank == 3) {
        if (ir_dim_equals(g, t->dims[0], 1)) at[0] = XI(0);
        return ir_nest_load(nest, table, at);
    }
    at[1] = fe_x_index(g, r->position(r->ctx, nest, batch, s, k), t->dims[0]);
    at[2] = k;
    return ir_nest_load(nest, table, at + 1);
}

/* Half of the rotation: x1 cos - x2 sin, or x2 cos + x1 sin. space: [B, H, S, half] and, for pairs
 * that lie side by side, a last axis of 1. */
static ir_value rotated_half(ir_builder *b, const fe_rotary *r, int rank, const ir_dim *space,
                             bool second)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_expr at[4], x[2];
    ir_nest_begin(&nest, b, rank, space, 0);
    for (int i = 0; i < 3; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr k = ir_nest_index(&nest, 3);
    for (int i = 0; i < 2; i++) {
        at[3] = r->interleaved ? X2(ADD, X2(MUL, k, XI(2)), XI(i))
                : i            ? X2(ADD, k, XD(space[3]))
                               : k;
        x[i] = ir_nest_load(&nest, r->x, at);
    }
    ir_elem type = ir_expr_get(g, x[0])->type;
    ir_expr c = angle(r, &nest, r->cos, k), s = angle(r, &nest, r->sin, k);
    if (c == IR_NONE || s == IR_NONE) return IR_NONE;
    c = ir_x_cast(g, c, type);
    s = ir_x_cast(g, s, type);
    if (r->scale != 0 && r->scale != 1) {
        c = X2(MUL, c, XN(c, r->scale));
        s = X2(MUL, s, XN(s, r->scale));
    }
    c = X2(MUL, x[second], c);
    s = X2(MUL, x[!second], s);
    return ir_nest_map(&nest, ir_type_of(g, r->x)->elem, second ? X2(ADD, c, s) : X2(SUB, c, s));
}

/* The tables have the columns that the rotation reads, and rows for x where they are not looked up.
 */
static bool tables_fit(ir_builder *b, const fe_rotary *r, const ir_type *x, ir_dim half)
{
    ir_graph *g = b->g;
    for (int i = 0; i < 2; i++) {
        const ir_type *t = ir_type_of(g, i ? r->sin : r->cos);
        bool fits = t->rank == 2 ? r->position != NULL
                                 : t->rank == 3 && ir_dim_require(g, t->dims[1], x->dims[2]) &&
                                       (ir_dim_equals(g, t->dims[0], 1) ||
                                        ir_dim_require(g, t->dims[0], x->dims[0]));
        if (fits && ir_dim_require(g, t->dims[t->rank - 1], half)) continue;
        fe_refuse(b, "cos and sin of %s do not fit %s", ir_type_text(g, t), ir_type_text(g, x));
        return false;
    }
    return true;
}

ir_value fe_rotate(ir_builder *b, const fe_rotary *r)
{
    ir_graph *g = b->g;
    if (r->x == IR_NONE || r->cos == IR_NONE || r->sin == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(g, r->x);
    ir_dim two = ir_dim_const(g, 2), half = ir_dim_floordiv(g, r->dim, two),
           rest = ir_dim_sub(g, t.dims[3], r->dim);
    int64_t lo, hi;
    ir_dim_range(g, rest, &lo, &hi);
    if (hi < 0 || !ir_dim_require(g, ir_dim_mod(g, r->dim, two), ir_dim_const(g, 0)))
        return fe_refuse(b,
                         "%s values of a head are to be turned, expected an even number of at most "
                         "its %s",
                         ir_dim_text(g, r->dim), ir_dim_text(g, t.dims[3]));
    if (!tables_fit(b, r, &t, half)) return IR_NONE;
    ir_dim space[] = {t.dims[0], t.dims[1], t.dims[2], half, ir_dim_const(g, 1)};
    int rank = r->interleaved ? 5 : 4;
    ir_value parts[2];
    for (int i = 0; i < 2; i++)
        if ((parts[i] = rotated_half(b, r, rank, space, i)) == IR_NONE) return IR_NONE;
    space[3] = r->dim;
    ir_value turned = ir_concat(b, parts, 2, rank - 1);
    if (turned != IR_NONE) turned = ir_reshape(b, turned, 4, space);
    if (turned == IR_NONE || ir_dim_equals(g, rest, 0)) return turned;
    ir_value all[] = {turned, fe_part(b, r->x, 3, r->dim, rest)};
    return ir_concat(b, all, 2, 3);
}
