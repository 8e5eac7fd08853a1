/* Views: nests whose body is one load at affine indices, and elementwise casts.
 *
 * In: a value and the shape of the view; out: a view node, or the value itself where the view would
 * be the identity. A view always loads its operand, even where the elements are known: its own
 * content says so to whoever reads it, and it keeps the element type. */
#include "ir/ir.h"

static ir_value view(ir_builder *b, ir_value v, int rank, const ir_dim *dims, const ir_expr *idx)
{
    const ir_type *t = ir_type_of(b->g, v);
    ir_expr body = ir_x_load(b->g, ir_elem_arith(t->elem), 0, idx, t->rank);
    ir_attr attrs[] = {ir_a_dims(b->g, IR_KEY_space, dims, (size_t)rank),
                       ir_a_exprs(b->g, IR_KEY_body, &body, 1)};
    ir_node_id id = ir_node_new(b, IR_OP_VIEW, &v, 1, attrs, 2, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : b->g->nodes[id].results[0];
}

/* The operand is no tensor of which axis `axis` can be `done`. */
static ir_value views_refuse(ir_builder *b, ir_value v, int axis, const char *done)
{
    ir_fail(b, LATHE_BAD_INPUT, v, "axis %d of %s cannot be %s", axis,
            ir_type_text(b->g, ir_type_of(b->g, v)), done);
    return IR_NONE;
}

ir_value ir_permute(ir_builder *b, ir_value v, const int *perm)
{
    if (v == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(b->g, v);
    ir_dim dims[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK] = {IR_NONE};
    bool identity = true;
    for (int i = 0; i < t.rank; i++) {
        if (perm[i] < 0 || perm[i] >= t.rank || idx[perm[i]] != IR_NONE)
            return views_refuse(b, v, perm[i], "moved: it is not there, or named twice");
        dims[i] = t.dims[perm[i]];
        idx[perm[i]] = ir_x_index(b->g, i);
        identity = identity && perm[i] == i;
    }
    return identity ? v : view(b, v, t.rank, dims, idx);
}

ir_value ir_slice(ir_builder *b, ir_value v, const ir_dim *starts, const int64_t *steps,
                  const ir_dim *dims)
{
    if (v == IR_NONE) return IR_NONE;
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, v);
    ir_expr idx[IR_MAX_RANK];
    bool identity = true;
    for (int i = 0; i < t.rank; i++) {
        ir_expr scaled = ir_x_2(g, IR_X_MUL, ir_x_index(g, i), ir_x_int(g, IR_I64, steps[i]));
        idx[i] = ir_x_2(g, IR_X_ADD, scaled, ir_x_dim(g, starts[i]));
        identity =
            identity && steps[i] == 1 && ir_dim_equals(g, starts[i], 0) && dims[i] == t.dims[i];
    }
    return identity ? v : view(b, v, t.rank, dims, idx);
}

/* The size of an expanded axis: `wanted`, or the operand's where that is 1. */
static ir_dim expanded_dim(ir_graph *g, ir_dim wanted, ir_dim own)
{
    const ir_dim_node *w = ir_dim_get(g, wanted);
    int rank = 1;
    bool data = w->kind == IR_DIM_SYM && g->syms[w->sym].kind == IR_SYM_DATA;
    if (data && !ir_dim_is_const(g, own, NULL)) return ir_dims_meet(g, wanted, own);
    ir_dim dim = wanted;
    return ir_dims_broadcast(g, &dim, &rank, &own, 1) ? IR_NONE : dim;
}

ir_value ir_expand(ir_builder *b, ir_value v, int rank, const ir_dim *wanted)
{
    if (v == IR_NONE) return IR_NONE;
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, v);
    ir_dim dims[IR_MAX_RANK], one = ir_dim_const(g, 1);
    if (rank > IR_MAX_RANK)
        return views_refuse(b, v, rank - 1, "made: it is beyond the largest rank");
    int all = rank > t.rank ? rank : t.rank;
    bool identity = all == t.rank;
    for (int i = 0; i < all; i++) {
        int at = i - (all - rank), from = i - (all - t.rank);
        ir_dim want = at < 0 ? one : wanted[at], own = from < 0 ? one : t.dims[from];
        if (want == IR_NONE) return IR_NONE;
        dims[i] = expanded_dim(g, want, own);
        if (dims[i] == IR_NONE)
            return views_refuse(b, v, from,
                                ir_format(g->arena, "expanded to size %s", ir_dim_text(g, want)));
        if (dims[i] != want && want != one) ir_guard_add(g, dims[i], want, true, IR_NONE);
        identity = identity && dims[i] == own;
    }
    if (identity) return v;
    ir_nest n;
    ir_nest_begin(&n, b, all, dims, 0);
    return ir_nest_view(&n, ir_nest_read(&n, v));
}

ir_value ir_unsqueeze(ir_builder *b, ir_value v, int axis)
{
    if (v == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(b->g, v);
    ir_dim dims[IR_MAX_RANK + 1];
    ir_expr idx[IR_MAX_RANK];
    if (axis < 0 || axis > t.rank || t.rank == IR_MAX_RANK)
        return views_refuse(b, v, axis, "made: it is beyond the rank");
    for (int i = 0; i < t.rank; i++) {
        int to = i < axis ? i : i + 1;
        dims[to] = t.dims[i];
        idx[i] = ir_x_index(b->g, to);
    }
    dims[axis] = ir_dim_const(b->g, 1);
    return view(b, v, t.rank + 1, dims, idx);
}

ir_value ir_squeeze(ir_builder *b, ir_value v, int axis)
{
    if (v == IR_NONE) return IR_NONE;
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, v);
    ir_dim dims[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK];
    if (axis < 0 || axis >= t.rank || !ir_dim_require(g, t.dims[axis], ir_dim_const(g, 1)))
        return views_refuse(b, v, axis, "removed: its size is not 1");
    for (int i = 0; i < t.rank; i++) {
        int to = i < axis ? i : i - 1;
        if (i != axis) dims[to] = t.dims[i];
        idx[i] = i == axis ? ir_x_int(g, IR_I64, 0) : ir_x_index(g, to);
    }
    return view(b, v, t.rank - 1, dims, idx);
}

ir_value ir_cast(ir_builder *b, ir_value v, ir_elem to)
{
    if (v == IR_NONE || ir_type_of(b->g, v)->elem == to) return v;
    ir_nest n;
    int bad;
    if (!ir_nest_broadcast(&n, b, &v, 1, &bad)) return IR_NONE;
    return ir_nest_map(&n, to, ir_x_cast(b->g, ir_nest_read(&n, v), to));
}
