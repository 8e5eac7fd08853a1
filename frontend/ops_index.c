/* Importers of gathers and scatters. In: data and index tensors. Out: a map that loads data at
 * indices that it loads, or a scatter node. Invariant: every index that is data passes through
 * fe_x_index, so negative ones wrap and others outside their axis fault at run time. Where an index
 * is known, the load is affine and the result is a view. */
#include "frontend/build.h"
#include <string.h>

static lathe_status need_index(const fe_node *n, size_t k)
{
    TRY(fe_need_rank(n, k, -1));
    if (!ir_elem_is_int(fe_type(n, k)->elem))
        return fe_fail_input(n, k, LATHE_BAD_INPUT, "has indices of type %s, expected integers",
                             ir_elem_name(fe_type(n, k)->elem));
    return LATHE_OK;
}

/* Size of the last axis of input k, which must be known. */
static lathe_status tuple_size(const fe_node *n, size_t k, int *size)
{
    const ir_type *t = fe_type(n, k);
    int64_t last;
    if (t->rank < 1 || !ir_dim_is_const(n->g, t->dims[t->rank - 1], &last))
        return fe_fail_input(
            n, k, LATHE_UNSUPPORTED,
            "is %s, whose last axis must have a size that is known while compiling",
            ir_type_text(n->g, t));
    if (last < 0 || last > IR_MAX_RANK)
        return fe_fail_input(n, k, LATHE_BAD_INPUT,
                             "has index tuples of %lld numbers, expected at most %d",
                             (long long)last, IR_MAX_RANK);
    *size = (int)last;
    return LATHE_OK;
}

static void axis_indices(ir_graph *g, ir_expr *idx, int n, int first)
{
    for (int i = 0; i < n; i++) idx[i] = ir_x_index(g, first + i);
}

/* ---- Gather ---- */

ir_value fe_gather(fe_node *n, ir_value data, ir_value indices, int axis)
{
    ir_graph *g = n->g;
    const ir_type d = *ir_type_of(g, data), t = *ir_type_of(g, indices);
    int rank = d.rank + t.rank - 1;
    if (rank > IR_MAX_RANK)
        return fe_refuse(&n->b, "the result has %d axes, at most %d are supported", rank,
                         IR_MAX_RANK);
    ir_dim dims[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = i < axis            ? d.dims[i]
                  : i < axis + t.rank ? t.dims[i - axis]
                                      : d.dims[i - t.rank + 1];
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, rank, dims, 0);
    for (int a = 0; a < d.rank; a++) idx[a] = ir_x_index(g, a < axis ? a : a + t.rank - 1);
    axis_indices(g, at, t.rank, axis);
    idx[axis] = fe_x_index(g, fe_load_i64(&nest, indices, at), d.dims[axis]);
    bool affine = ir_x_is_closed(g, idx[axis]) && ir_expr_get(g, idx[axis])->op != IR_X_CHECK;
    return fe_nest_move(&nest, affine, d.elem, ir_nest_load(&nest, data, idx));
}

lathe_status fe_import_gather(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(need_index(n, 1));
    int axis;
    TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    fe_out(n, 0, fe_gather(n, fe_in(n, 0), fe_in(n, 1), axis));
    return LATHE_OK;
}

/* Index of an axis that runs along one of another size: known to be the same, or checked. */
static ir_expr along(ir_graph *g, ir_expr index, ir_dim runs, ir_dim size)
{
    return runs == size ? index : fe_x_index(g, index, size);
}

lathe_status fe_import_gather_elements(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(need_index(n, 1));
    ir_graph *g = n->g;
    const ir_type d = *fe_type(n, 0), t = *fe_type(n, 1);
    int axis;
    TRY(fe_need_rank(n, 1, d.rank));
    TRY(fe_attr_axis(n, "axis", d.rank, &axis));
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    axis_indices(g, at, t.rank, 0);
    for (int a = 0; a < d.rank; a++) idx[a] = along(g, at[a], t.dims[a], d.dims[a]);
    idx[axis] = fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at), d.dims[axis]);
    fe_out(n, 0, ir_nest_map(&nest, d.elem, ir_nest_load(&nest, fe_in(n, 0), idx)));
    return LATHE_OK;
}

lathe_status fe_import_gather_nd(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(need_index(n, 1));
    ir_graph *g = n->g;
    const ir_type d = *fe_type(n, 0), t = *fe_type(n, 1);
    int64_t batch = fe_attr_int_or(n, "batch_dims", 0);
    int k, outer = t.rank - 1;
    TRY(tuple_size(n, 1, &k));
    if (batch < 0 || batch > outer || batch + k > d.rank)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "batch_dims %lld and index tuples of %d do not fit data %s",
                       (long long)batch, k, ir_type_text(g, &d));
    int first = (int)batch, rank = outer + d.rank - first - k;
    if (rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported", rank,
                       IR_MAX_RANK);
    ir_dim dims[IR_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = i < outer ? t.dims[i] : d.dims[first + k + i - outer];
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, rank, dims, 0);
    axis_indices(g, at, outer, 0);
    for (int a = 0; a < d.rank; a++) {
        at[outer] = XI(a - first);
        if (a < first) idx[a] = along(g, ir_x_index(g, a), t.dims[a], d.dims[a]);
        else if (a < first + k)
            idx[a] = fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at), d.dims[a]);
        else idx[a] = ir_x_index(g, outer + a - first - k);
    }
    fe_out(n, 0, ir_nest_map(&nest, d.elem, ir_nest_load(&nest, fe_in(n, 0), idx)));
    return LATHE_OK;
}

/* ---- scatters ---- */

static lathe_status reduction_of(const fe_node *n, const char **kind)
{
    static const char *const names[][2] = {
        {"none", "set"}, {"add", "sum"}, {"mul", "prod"}, {"max", "max"}, {"min", "min"}};
    const char *given = fe_attr_str_or(n, "reduction", "none");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *kind = names[i][1];
        if (!strcmp(given, names[i][0])) return LATHE_OK;
    }
    return fe_expect(n, "attribute reduction is", given, "none, add, mul, max or min");
}

lathe_status fe_import_scatter_elements(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(need_index(n, 1));
    TRY(fe_need_same(n, 0, 2));
    ir_graph *g = n->g;
    const ir_type d = *fe_type(n, 0), t = *fe_type(n, 1);
    const char *kind;
    int axis;
    TRY(reduction_of(n, &kind));
    TRY(fe_need_rank(n, 1, d.rank));
    TRY(fe_need_rank(n, 2, d.rank));
    TRY(fe_attr_axis(n, "axis", d.rank, &axis));
    for (int a = 0; a < d.rank; a++) TRY(fe_need_dim(n, 2, a, t.dims[a]));
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    axis_indices(g, at, t.rank, 0);
    for (int a = 0; a < d.rank; a++) idx[a] = along(g, at[a], t.dims[a], d.dims[a]);
    idx[axis] = fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at), d.dims[axis]);
    ir_expr update = ir_nest_load(&nest, fe_in(n, 2), at);
    fe_out(n, 0, ir_nest_scatter(&nest, kind, fe_in(n, 0), update, idx));
    return LATHE_OK;
}

/* The updates' dims must be what the indices and the data make them. */
static lathe_status need_updates(fe_node *n, int k)
{
    const ir_type *d = fe_type(n, 0), *t = fe_type(n, 1);
    int outer = t->rank - 1;
    if (k > d->rank)
        return fe_fail_input(n, 1, LATHE_BAD_INPUT,
                             "has index tuples of %d numbers, but the data has rank %d", k,
                             d->rank);
    TRY(fe_need_same(n, 0, 2));
    TRY(fe_need_rank(n, 2, outer + d->rank - k));
    for (int a = 0; a < outer; a++) TRY(fe_need_dim(n, 2, a, t->dims[a]));
    for (int a = k; a < d->rank; a++) TRY(fe_need_dim(n, 2, outer + a - k, d->dims[a]));
    return LATHE_OK;
}

lathe_status fe_import_scatter_nd(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(need_index(n, 1));
    TRY(fe_need_rank(n, 2, -1));
    ir_graph *g = n->g;
    const char *kind;
    int k;
    TRY(reduction_of(n, &kind));
    TRY(tuple_size(n, 1, &k));
    TRY(need_updates(n, k));
    const ir_type d = *fe_type(n, 0), u = *fe_type(n, 2);
    int outer = fe_type(n, 1)->rank - 1;
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, u.rank, u.dims, 0);
    axis_indices(g, at, outer, 0);
    for (int a = 0; a < d.rank; a++) {
        at[outer] = XI(a);
        idx[a] = a < k ? fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at), d.dims[a])
                       : ir_x_index(g, outer + a - k);
    }
    axis_indices(g, at, u.rank, 0);
    ir_expr update = ir_nest_load(&nest, fe_in(n, 2), at);
    fe_out(n, 0, ir_nest_scatter(&nest, kind, fe_in(n, 0), update, idx));
    return LATHE_OK;
}

/* Writes rows of `update` into a cache from each batch's write index on. */
lathe_status fe_import_tensor_scatter(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    TRY(fe_need_rank(n, 1, fe_type(n, 0)->rank));
    TRY(fe_need_same(n, 0, 1));
    ir_graph *g = n->g;
    const ir_type d = *fe_type(n, 0), u = *fe_type(n, 1);
    int axis;
    TRY(fe_attr_axis(n, "axis", d.rank, &axis));
    if (axis == 0)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute axis is 0, the batch; another axis is expected");
    for (int a = 0; a < d.rank; a++)
        if (a != axis) TRY(fe_need_dim(n, 1, a, d.dims[a]));
    bool circular = !strcmp(fe_attr_str(n, "mode"), "circular");
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_nest_begin(&nest, &n->b, u.rank, u.dims, 0);
    axis_indices(g, idx, u.rank, 0);
    axis_indices(g, at, u.rank, 0);
    if (fe_has(n, 2)) {
        TRY(need_index(n, 2));
        TRY(fe_need_rank(n, 2, 1));
        TRY(fe_need_dim(n, 2, 0, d.dims[0]));
        idx[axis] = X2(ADD, idx[axis], fe_load_i64(&nest, fe_in(n, 2), at));
    }
    if (circular) idx[axis] = X2(MOD, idx[axis], XD(d.dims[axis]));
    idx[axis] = fe_x_index(g, idx[axis], d.dims[axis]);
    ir_expr update = ir_nest_load(&nest, fe_in(n, 1), at);
    fe_out(n, 0, ir_nest_scatter(&nest, "set", fe_in(n, 0), update, idx));
    return LATHE_OK;
}

lathe_status fe_import_reverse_sequence(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(need_index(n, 1));
    TRY(fe_need_rank(n, 1, 1));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    int batch, time;
    TRY(fe_attr_axis(n, "batch_axis", t.rank, &batch));
    TRY(fe_attr_axis(n, "time_axis", t.rank, &time));
    TRY(fe_need_dim(n, 1, 0, t.dims[batch]));
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK], row = ir_x_index(g, batch), at = ir_x_index(g, time);
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    axis_indices(g, idx, t.rank, 0);
    ir_expr length = X2(MIN, fe_load_i64(&nest, fe_in(n, 1), &row), XD(t.dims[time]));
    ir_expr mirrored = X2(MAX, X2(SUB, X2(SUB, length, XI(1)), at), XI(0));
    idx[time] = ir_x_select(g, X2(LT, at, length), mirrored, at);
    fe_out(n, 0, ir_nest_map(&nest, t.elem, ir_nest_load(&nest, fe_in(n, 0), idx)));
    return LATHE_OK;
}
