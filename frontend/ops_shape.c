/* Importers of operators that read or change the shape and leave the elements alone. In: tensors
 * with symbolic dims. Out: views, reshapes and values that hold dims. Sizes and axes that are data
 * are bound to symbols first (sizes.h), so every result's dims are closed formulas. */
#include "frontend/build.h"

#include <string.h>

lathe_status fe_import_shape(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type *t = fe_type(n, 0);
    int64_t begin = fe_attr_int(n, "start"), end = fe_attr_int_or(n, "end", t->rank);
    begin = begin < 0 ? begin + t->rank : begin;
    end = end < 0 ? end + t->rank : end;
    begin = begin < 0 ? 0 : begin;
    end = end > t->rank ? t->rank : end;
    size_t count = end > begin ? (size_t)(end - begin) : 0;
    ir_expr *dims = IR_NEW_N(n->g->arena, ir_expr, count + 1);
    for (size_t i = 0; i < count; i++) dims[i] = ir_x_dim(n->g, t->dims[(size_t)begin + i]);
    ir_dim length = ir_dim_const(n->g, (int64_t)count);
    fe_out(n, 0, ir_values(&n->b, IR_I64, 1, &length, dims, count));
    return LATHE_OK;
}

lathe_status fe_import_size(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    ir_expr size = ir_x_dim(n->g, ir_type_count(n->g, fe_type(n, 0)));
    fe_out(n, 0, ir_values(&n->b, IR_I64, 0, NULL, &size, 1));
    return LATHE_OK;
}

/* ---- Reshape ---- */

/* Known targets: a literal 0 copies the input's dim, a literal -1 is what remains. */
static lathe_status known_target(fe_node *n, const ir_type *t, const ir_dim *want, int rank,
                                 bool zero, ir_dim *dims)
{
    ir_graph *g = n->g;
    int infer = -1;
    ir_dim others = ir_dim_const(g, 1);
    for (int i = 0; i < rank; i++) {
        int64_t v = 1;
        dims[i] = want[i];
        if (ir_dim_is_const(g, want[i], &v) && v < 0) {
            if (v < -1 || infer >= 0)
                return fe_fail(n, LATHE_BAD_INPUT, "cannot reshape to a size of %lld",
                               (long long)v);
            infer = i;
            continue;
        }
        if (ir_dim_equals(g, want[i], 0) && zero) {
            if (i >= t->rank)
                return fe_fail(n, LATHE_BAD_INPUT,
                               "entry %d of the shape is 0, but the input has no such axis to copy",
                               i);
            dims[i] = t->dims[i];
        }
        others = ir_dim_mul(g, others, dims[i]);
    }
    if (infer >= 0) dims[infer] = ir_dim_floordiv(g, ir_type_count(g, t), others);
    return LATHE_OK;
}

/* Targets that are data: the same rules, computed when the model runs, one symbol a dim. */
static lathe_status data_target(fe_node *n, const ir_type *t, ir_value shape, int rank, bool zero,
                                ir_dim *dims)
{
    ir_graph *g = n->g;
    ir_dim known[IR_MAX_RANK];
    fe_known_sizes(g, shape, known, (size_t)rank);
    for (int i = 0; i < rank; i++) {
        ir_nest nest;
        ir_expr size[IR_MAX_RANK], others = XI(1), asked = IR_NONE;
        ir_nest_begin(&nest, &n->b, 0, NULL, 0);
        for (int j = 0; j < rank; j++) {
            ir_expr at = XI(j), want = known[j] ? XD(known[j]) : fe_load_i64(&nest, shape, &at);
            ir_expr copied = zero && j < t->rank ? XD(t->dims[j]) : want;
            size[j] = ir_x_select(g, X2(EQ, want, XI(0)), copied, want);
            others = X2(MUL, others, ir_x_select(g, X2(EQ, want, XI(-1)), XI(1), size[j]));
            if (j == i) asked = want;
        }
        ir_expr rest = X2(FLOORDIV, XD(ir_type_count(g, t)), others);
        ir_expr resolved = ir_x_select(g, X2(EQ, asked, XI(-1)), rest, size[i]);
        TRY(fe_size_expr(n, &nest, resolved, 0, INT64_MAX, IR_NONE, &dims[i]));
    }
    return LATHE_OK;
}

/* Number of targets in input 1, as its type says. */
static lathe_status target_rank(fe_node *n, int *rank)
{
    int64_t length;
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_rank(n, 1, 1));
    if (!ir_dim_is_const(n->g, fe_type(n, 1)->dims[0], &length))
        return fe_fail_input(n, 1, LATHE_UNSUPPORTED,
                             "decides the rank of the result, which must be known while compiling");
    if (length > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %lld axes, at most %d are supported",
                       (long long)length, IR_MAX_RANK);
    *rank = (int)length;
    return LATHE_OK;
}

lathe_status fe_import_reshape(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type t = *fe_type(n, 0);
    ir_dim want[IR_MAX_RANK], dims[IR_MAX_RANK];
    bool zero = fe_attr_int(n, "allowzero") == 0;
    size_t count = 0;
    int rank;
    const int64_t *attr = n->version < 5 ? fe_attr_ints(n, "shape", &count) : NULL;
    if (attr) {
        if (count > IR_MAX_RANK)
            return fe_fail(n, LATHE_LIMIT, "the result has %zu axes, at most %d are supported",
                           count, IR_MAX_RANK);
        for (size_t i = 0; i < count; i++) want[i] = ir_dim_const(n->g, attr[i]);
        TRY(known_target(n, &t, want, rank = (int)count, zero, dims));
    } else {
        TRY(target_rank(n, &rank));
        if (rank == 0 || ir_content_dims(n->g, fe_in(n, 1), want, IR_MAX_RANK, &count))
            TRY(known_target(n, &t, want, rank, zero, dims));
        else TRY(data_target(n, &t, fe_in(n, 1), rank, zero, dims));
    }
    fe_out(n, 0, ir_reshape(&n->b, fe_in(n, 0), rank, dims));
    return LATHE_OK;
}

lathe_status fe_import_flatten(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type *t = fe_type(n, 0);
    int64_t axis = fe_attr_int(n, "axis");
    axis = axis < 0 ? axis + t->rank : axis;
    if (axis < 0 || axis > t->rank)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute axis is %lld, expected [%d, %d]",
                       (long long)fe_attr_int(n, "axis"), -t->rank, t->rank);
    ir_dim dims[2] = {ir_dim_product(n->g, t->dims, (int)axis),
                      ir_dim_product(n->g, t->dims + axis, t->rank - (int)axis)};
    fe_out(n, 0, ir_reshape(&n->b, fe_in(n, 0), 2, dims));
    return LATHE_OK;
}

/* ---- Squeeze, Unsqueeze ---- */

/* The axes as an i64 tensor: attribute, else input 1, else (IR_NONE) absent; *n: how many. Known
 * ones are checked. */
static lathe_status axes_tensor(fe_node *n, ir_value *axes, int64_t *count)
{
    size_t given;
    const int64_t *attr = fe_attr_ints(n, "axes", &given);
    *axes = IR_NONE;
    *count = 0;
    if (attr) {
        *count = (int64_t)given;
        *axes = ir_const_ints(&n->b, IR_I64, 1, count, attr);
    } else if (fe_has(n, 1)) {
        TRY(fe_need_class(n, 1, "S"));
        const ir_type *t = fe_type(n, 1);
        *count = 1;
        if (t->rank > 1 || (t->rank == 1 && !ir_dim_is_const(n->g, t->dims[0], count)))
            return fe_fail_input(n, 1, LATHE_UNSUPPORTED,
                                 "names a number of axes that must be known while compiling");
        *axes = fe_in(n, 1);
    }
    return *count > IR_MAX_RANK ? fe_fail(n, LATHE_BAD_INPUT, "%lld axes", (long long)*count)
                                : LATHE_OK;
}

/* 1 where axis `a` of `rank` is among the axes, else 0. */
static ir_expr named(ir_nest *nest, ir_value axes, int64_t count, int rank, int a)
{
    ir_graph *g = nest->b->g;
    ir_expr sum = XI(0);
    for (int64_t j = 0; j < count; j++) {
        ir_expr at = XI(ir_type_of(g, axes)->rank ? j : 0);
        ir_expr axis = X2(MOD, fe_load_i64(nest, axes, &at), XI(rank));
        sum = X2(ADD, sum, ir_x_select(g, X2(EQ, axis, XI(a)), XI(1), XI(0)));
    }
    return sum;
}

static lathe_status check_axes(fe_node *n, ir_value axes, int64_t count, int rank)
{
    int64_t known[IR_MAX_RANK];
    size_t found;
    unsigned seen = 0;
    if (!axes || !ir_content_ints(n->g, axes, known, IR_MAX_RANK, &found)) return LATHE_OK;
    for (int64_t j = 0; j < count; j++) {
        int axis;
        TRY(fe_axis(n, known[j], rank, &axis));
        if (seen >> axis & 1)
            return fe_fail(n, LATHE_BAD_INPUT, "axis %d is named twice, expected distinct axes",
                           axis);
        seen |= 1u << axis;
    }
    return LATHE_OK;
}

/* Axis i of the result is the i-th of the input's that is not named. */
static lathe_status squeezed_dim(fe_node *n, const ir_type *t, ir_value axes, int64_t count, int i,
                                 ir_dim *dim)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr place = XI(0), size = XI(1);
    for (int a = 0; a < t->rank; a++) {
        ir_expr dropped = named(&nest, axes, count, t->rank, a);
        ir_expr here = X2(AND, X2(EQ, dropped, XI(0)), X2(EQ, place, XI(i)));
        size = ir_x_select(g, here, XD(t->dims[a]), size);
        place = X2(ADD, place, X2(SUB, XI(1), dropped));
    }
    return fe_size_expr(n, &nest, size, 0, INT64_MAX, IR_NONE, dim);
}

/* Without axes: every axis that is known to have size 1. */
static ir_value unit_axes(fe_node *n, const ir_type *t, int64_t *count)
{
    int64_t axes[IR_MAX_RANK];
    *count = 0;
    for (int a = 0; a < t->rank; a++)
        if (ir_dim_equals(n->g, t->dims[a], 1)) axes[(*count)++] = a;
    return ir_const_ints(&n->b, IR_I64, 1, count, axes);
}

lathe_status fe_import_squeeze(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type t = *fe_type(n, 0);
    ir_value axes;
    ir_dim dims[IR_MAX_RANK];
    int64_t count, known[IR_MAX_RANK];
    size_t nknown;
    TRY(axes_tensor(n, &axes, &count));
    if (!axes) axes = unit_axes(n, &t, &count);
    if (count > t.rank)
        return fe_fail(n, LATHE_BAD_INPUT, "%lld axes are named, but the input has %d",
                       (long long)count, t.rank);
    TRY(check_axes(n, axes, count, t.rank));
    if (ir_content_ints(n->g, axes, known, IR_MAX_RANK, &nknown))
        for (size_t j = 0; j < nknown; j++)
            TRY(fe_need_dim(n, 0, (int)(known[j] < 0 ? known[j] + t.rank : known[j]),
                            ir_dim_const(n->g, 1)));
    for (int i = 0; i < t.rank - count; i++) TRY(squeezed_dim(n, &t, axes, count, i, &dims[i]));
    fe_out(n, 0, ir_reshape(&n->b, fe_in(n, 0), t.rank - (int)count, dims));
    return LATHE_OK;
}

/* Axis i of the result is new, with size 1, or the next one of the input. */
static lathe_status unsqueezed_dim(fe_node *n, const ir_type *t, ir_value axes, int64_t count,
                                   int i, ir_dim *dim)
{
    ir_graph *g = n->g;
    int rank = t->rank + (int)count;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr place = XI(i), size = XI(1);
    for (int a = 0; a < i; a++) place = X2(SUB, place, named(&nest, axes, count, rank, a));
    for (int a = 0; a < t->rank; a++)
        size = ir_x_select(g, X2(EQ, place, XI(a)), XD(t->dims[a]), size);
    size = ir_x_select(g, X2(EQ, named(&nest, axes, count, rank, i), XI(0)), size, XI(1));
    return fe_size_expr(n, &nest, size, 0, INT64_MAX, IR_NONE, dim);
}

lathe_status fe_import_unsqueeze(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type t = *fe_type(n, 0);
    ir_value axes;
    int64_t count;
    ir_dim dims[IR_MAX_RANK];
    TRY(axes_tensor(n, &axes, &count));
    if (count + t.rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported",
                       t.rank + (int)count, IR_MAX_RANK);
    TRY(check_axes(n, axes, count, t.rank + (int)count));
    for (int i = 0; i < t.rank + count; i++) TRY(unsqueezed_dim(n, &t, axes, count, i, &dims[i]));
    fe_out(n, 0, ir_reshape(&n->b, fe_in(n, 0), t.rank + (int)count, dims));
    return LATHE_OK;
}

/* ---- Transpose, Concat, Split ---- */

lathe_status fe_import_transpose(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    int rank = fe_type(n, 0)->rank, perm[IR_MAX_RANK];
    size_t count = 0;
    const int64_t *given = fe_attr_ints(n, "perm", &count);
    if (given && count != (size_t)rank)
        return fe_expect(n, "attribute perm has length", fe_number(n, (int64_t)count),
                         fe_number(n, rank));
    unsigned seen = 0;
    for (int i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
        if (given) TRY(fe_axis(n, given[i], rank, &perm[i]));
        seen |= 1u << perm[i];
    }
    if (seen != (1u << rank) - 1)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute perm names an axis twice");
    fe_out(n, 0, ir_permute(&n->b, fe_in(n, 0), perm));
    return LATHE_OK;
}

lathe_status fe_import_concat(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type *t = fe_type(n, 0);
    int axis;
    TRY(fe_axis(n, fe_attr_int(n, "axis"), t->rank, &axis));
    ir_value *parts = IR_NEW_N(n->g->arena, ir_value, n->nin);
    for (size_t k = 0; k < n->nin; k++) {
        TRY(fe_need_rank(n, k, t->rank));
        if (fe_type(n, k)->elem != t->elem)
            return fe_expect_input(n, k, "has element type", ir_elem_name(fe_type(n, k)->elem),
                                   ir_elem_name(t->elem));
        parts[k] = fe_in(n, k);
    }
    fe_out(n, 0, n->nin == 1 ? parts[0] : ir_concat(&n->b, parts, n->nin, axis));
    return LATHE_OK;
}

/* Sizes of the parts: as given, else equal (ceil(size / parts), the last one smaller). */
static lathe_status part_sizes(fe_node *n, ir_dim size, const ir_dim **parts, size_t *count)
{
    ir_graph *g = n->g;
    size_t nattr;
    const int64_t *attr = fe_attr_ints(n, "split", &nattr);
    if (attr) {
        *parts = fe_const_dims(g, attr, nattr);
        *count = nattr;
        return LATHE_OK;
    }
    if (fe_has(n, 1)) return fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, size, parts, count);
    int64_t wanted = fe_attr_int_or(n, "num_outputs", (int64_t)n->nout);
    if (wanted < 1 || wanted < (int64_t)n->nout)
        return fe_expect(n, "attribute num_outputs is", fe_number(n, wanted),
                         "the number of outputs");
    ir_dim each = ir_dim_ceildiv(g, size, ir_dim_const(g, wanted));
    ir_dim *dims = IR_NEW_N(g->arena, ir_dim, n->nout);
    for (size_t i = 0; i < n->nout; i++) {
        ir_dim left = ir_dim_sub(g, size, ir_dim_mul(g, each, ir_dim_const(g, (int64_t)i)));
        dims[i] = ir_dim_max(g, ir_dim_min(g, each, left), ir_dim_const(g, 0));
    }
    *parts = dims;
    *count = n->nout;
    return LATHE_OK;
}

lathe_status fe_import_split(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    int axis;
    TRY(fe_axis(n, fe_attr_int(n, "axis"), t.rank, &axis));
    const ir_dim *parts;
    size_t count;
    TRY(part_sizes(n, t.dims[axis], &parts, &count));
    if (count < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "the input is split into %zu parts, but the node has %zu outputs", count,
                       n->nout);
    ir_dim starts[IR_MAX_RANK], dims[IR_MAX_RANK], at = ir_dim_const(g, 0), total = at;
    int64_t steps[IR_MAX_RANK];
    for (size_t k = 0; k < count; k++) total = ir_dim_add(g, total, parts[k]);
    bool given = fe_has(n, 1) || fe_has_attr(n, "split");
    if (given && !ir_dim_require(g, total, t.dims[axis]))
        return fe_fail(n, LATHE_BAD_INPUT, "the parts' sizes sum to %s, axis %d has %s",
                       ir_dim_text(g, total), axis, ir_dim_text(g, t.dims[axis]));
    for (int a = 0; a < t.rank; a++) {
        starts[a] = ir_dim_const(g, 0);
        steps[a] = 1;
        dims[a] = t.dims[a];
    }
    for (size_t k = 0; k < n->nout; k++) {
        starts[axis] = at;
        dims[axis] = parts[k];
        if (fe_wants(n, k)) fe_out(n, k, ir_slice(&n->b, fe_in(n, 0), starts, steps, dims));
        at = ir_dim_add(g, at, parts[k]);
    }
    return LATHE_OK;
}

/* ---- Expand, Tile ---- */

lathe_status fe_import_expand(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(fe_need_rank(n, 1, -1));
    const ir_dim *want;
    size_t rank;
    TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &want, &rank));
    if (rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %zu axes, at most %d are supported", rank,
                       IR_MAX_RANK);
    fe_out(n, 0, ir_expand(&n->b, fe_in(n, 0), (int)rank, want));
    return LATHE_OK;
}

/* Opset 1: how often along which axis, as scalars. */
static lathe_status old_repeats(fe_node *n, int rank, const ir_dim **repeats, size_t *count)
{
    const ir_dim *times, *axis;
    size_t one;
    TRY(fe_need_rank(n, 1, -1));
    TRY(fe_need_rank(n, 2, -1));
    TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &times, &one));
    TRY(fe_sizes(n, fe_in(n, 2), 0, rank - 1, IR_NONE, &axis, &one));
    ir_dim *all = IR_NEW_N(n->g->arena, ir_dim, (size_t)rank + 1);
    for (int a = 0; a < rank; a++)
        all[a] = fe_axis_pick(n->g, axis, 1, a, times, ir_dim_const(n->g, 1));
    *repeats = all;
    *count = (size_t)rank;
    return LATHE_OK;
}

lathe_status fe_import_tile(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    const ir_dim *repeats;
    size_t count;
    if (n->version < 6) {
        TRY(old_repeats(n, t.rank, &repeats, &count));
    } else {
        TRY(fe_need_rank(n, 1, -1));
        TRY(fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, IR_NONE, &repeats, &count));
    }
    if (count != (size_t)t.rank)
        return fe_expect_input(n, 1, "has length", fe_number(n, (int64_t)count),
                               fe_number(n, t.rank));
    ir_dim dims[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK];
    bool affine = true;
    for (int a = 0; a < t.rank; a++) {
        dims[a] = ir_dim_mul(g, t.dims[a], repeats[a]);
        idx[a] = ir_x_index(g, a);
        if (ir_dim_equals(g, t.dims[a], 1)) idx[a] = XI(0);
        else if (!ir_dim_equals(g, repeats[a], 1))
            affine = false, idx[a] = X2(MOD, idx[a], XD(t.dims[a]));
    }
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, dims, 0);
    ir_expr load = ir_nest_load(&nest, fe_in(n, 0), idx);
    fe_out(n, 0, fe_nest_move(&nest, affine, t.elem, load));
    return LATHE_OK;
}

/* ---- blocks of pixels as channels ---- */

static lathe_status block_size(fe_node *n, int64_t *block)
{
    TRY(fe_need_rank(n, 0, 4));
    *block = fe_attr_int(n, "blocksize");
    if (*block < 1 || *block > 1 << 20)
        return fe_expect(n, "attribute blocksize is", fe_number(n, *block), "1 to 2^20");
    return LATHE_OK;
}

/* Whether a channel's block stays together: mode CRD, else DCR. */
static lathe_status column_first(const fe_node *n, bool *crd)
{
    const char *mode = fe_attr_str(n, "mode");
    *crd = strcmp(mode, "CRD") == 0;
    if (*crd || strcmp(mode, "DCR") == 0) return LATHE_OK;
    return fe_expect(n, "attribute mode is", mode, "DCR or CRD");
}

lathe_status fe_import_depth_to_space(fe_node *n)
{
    int64_t block;
    TRY(block_size(n, &block));
    ir_graph *g = n->g;
    const ir_dim *d = fe_type(n, 0)->dims, b = ir_dim_const(g, block);
    bool crd;
    TRY(column_first(n, &crd));
    ir_dim depth = ir_dim_floordiv(g, d[1], ir_dim_mul(g, b, b));
    ir_dim out[4] = {d[0], depth, ir_dim_mul(g, d[2], b), ir_dim_mul(g, d[3], b)};
    ir_dim dcr_dims[6] = {d[0], b, b, depth, d[2], d[3]},
           crd_dims[6] = {d[0], depth, b, b, d[2], d[3]};
    const int dcr_perm[6] = {0, 3, 4, 1, 5, 2}, crd_perm[6] = {0, 1, 4, 2, 5, 3};
    ir_value split = ir_reshape(&n->b, fe_in(n, 0), 6, crd ? crd_dims : dcr_dims);
    ir_value mixed = ir_permute(&n->b, split, crd ? crd_perm : dcr_perm);
    fe_out(n, 0, ir_reshape(&n->b, mixed, 4, out));
    return LATHE_OK;
}

lathe_status fe_import_space_to_depth(fe_node *n)
{
    int64_t block;
    TRY(block_size(n, &block));
    ir_graph *g = n->g;
    const ir_dim *d = fe_type(n, 0)->dims, b = ir_dim_const(g, block);
    ir_dim h = ir_dim_floordiv(g, d[2], b), w = ir_dim_floordiv(g, d[3], b);
    ir_dim out[4] = {d[0], ir_dim_mul(g, d[1], ir_dim_mul(g, b, b)), h, w};
    ir_dim parts[6] = {d[0], d[1], h, b, w, b};
    const int dcr[6] = {0, 3, 5, 1, 2, 4}, crd[6] = {0, 1, 3, 5, 2, 4};
    bool channel_first;
    TRY(column_first(n, &channel_first));
    ir_value split = ir_reshape(&n->b, fe_in(n, 0), 6, parts);
    ir_value mixed = ir_permute(&n->b, split, channel_first ? crd : dcr);
    fe_out(n, 0, ir_reshape(&n->b, mixed, 4, out));
    return LATHE_OK;
}
