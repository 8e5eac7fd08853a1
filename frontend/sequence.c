/* Sequences whose length a run decides. In and out: fe_values that hold tensors.
 *
 * Items of one size are stacked along a new first axis. Items that differ along one axis lie one
 * behind the other along that axis, which is moved to the front, and a list of i64 has their sizes:
 * that is what a loop can carry and grow, and joining them along that axis costs nothing. Items
 * that differ along two axes, or in rank, are refused. Invariant: the sizes sum to the tensor's
 * first dim and none is negative, so a part that they describe is inside. */
#include "frontend/sequence.h"

/* ---- what the items have in common ---- */

static bool differs(const ir_graph *g, const fe_learn *l, int a, ir_dim d)
{
    ir_dim known = l->items.type.dims[a];
    return known != d || fe_dim_since(g, d, l->mark);
}

void fe_learn_item(const ir_graph *g, fe_learn *l, const ir_type *t)
{
    fe_items *items = &l->items;
    if (!items->known) *items = (fe_items){.known = true, .type = *t, .axis = -1};
    l->irregular |= t->elem != items->type.elem || t->rank != items->type.rank;
    for (int a = 0; a < t->rank && !l->irregular; a++) {
        if (a == items->axis || !differs(g, l, a, t->dims[a])) continue;
        l->irregular = items->axis >= 0;
        items->axis = a;
        items->type.dims[a] = IR_NONE;
    }
}

/* The type of the items of a packed sequence. */
static ir_type item_type(const ir_graph *g, const fe_value *v)
{
    ir_type t = *ir_type_of(g, v->tensor), item = t;
    if (!v->lens) {
        item.rank--;
        for (int a = 0; a < item.rank; a++) item.dims[a] = t.dims[a + 1];
        return item;
    }
    for (int a = 0; a < v->axis; a++) item.dims[a] = t.dims[a + 1];
    item.dims[v->axis] = IR_NONE;
    return item;
}

void fe_learn_value(const ir_graph *g, fe_learn *l, const fe_value *v)
{
    for (size_t i = 0; i < v->nitems; i++)
        if (v->items[i].kind == FE_TENSOR) fe_learn_item(g, l, ir_type_of(g, v->items[i].tensor));
    if (!v->tensor) return;
    const ir_type t = item_type(g, v);
    fe_learn_item(g, l, &t);
    if (!v->lens || l->irregular || l->items.axis == v->axis) return;
    l->irregular = l->items.axis >= 0;
    l->items.axis = v->axis;
    l->items.type.dims[v->axis] = IR_NONE;
}

/* ---- small parts ---- */

bool fe_seq_is_list(const fe_value *v) { return !v->tensor && !v->open; }

size_t fe_seq_tensors(const fe_items *items) { return items->axis < 0 ? 1 : 2; }

fe_value fe_seq_take(const fe_items *items, const ir_value **values)
{
    fe_value v = {.kind = FE_SEQUENCE, .elem = items->type.elem};
    v.tensor = *(*values)++;
    if (items->axis < 0) return v;
    v.lens = *(*values)++;
    v.axis = items->axis;
    return v;
}

void fe_seq_put(const fe_value *v, ir_value **values)
{
    *(*values)++ = v->tensor;
    if (v->lens) *(*values)++ = v->lens;
}

ir_dim fe_seq_length(ir_graph *g, const fe_value *v)
{
    if (!v->tensor) return ir_dim_const(g, (int64_t)v->nitems);
    return ir_type_of(g, v->lens ? v->lens : v->tensor)->dims[0];
}

static ir_value scalar_of(fe_node *n, ir_dim d)
{
    ir_expr x = ir_x_dim(n->g, d);
    return ir_values(&n->b, IR_I64, 0, NULL, &x, 1);
}

static lathe_status size_of(fe_node *n, ir_value v, ir_dim bound, ir_dim *size)
{
    const ir_dim *dims;
    size_t one;
    if (v == IR_NONE) return LATHE_BAD_INPUT;
    TRY(fe_sizes(n, v, 0, INT64_MAX, bound, &dims, &one));
    *size = dims[0];
    return LATHE_OK;
}

/* An axis to the front, or from there to its place. */
static ir_value axis_first(fe_node *n, ir_value v, int axis, bool back)
{
    int perm[IR_MAX_RANK];
    if (v == IR_NONE) return v;
    for (int a = 0; a < ir_type_of(n->g, v)->rank; a++) {
        int from = a == 0 ? axis : a <= axis ? a - 1 : a;
        if (back) perm[from] = a;
        else perm[a] = from;
    }
    return ir_permute(&n->b, v, perm);
}

/* v without what lies in [from, to) along its first axis, and with `between` in its place. */
static ir_value replaced(fe_node *n, ir_value v, ir_dim from, ir_dim to, ir_value between)
{
    ir_graph *g = n->g;
    ir_dim all = ir_type_of(g, v)->dims[0], rest = ir_dim_sub(g, all, to);
    ir_value parts[3];
    size_t count = 0;
    if (!ir_dim_equals(g, from, 0)) parts[count++] = fe_part(&n->b, v, 0, ir_dim_const(g, 0), from);
    if (between) parts[count++] = between;
    if (!ir_dim_equals(g, rest, 0)) parts[count++] = fe_part(&n->b, v, 0, to, rest);
    if (count == 0) parts[count++] = fe_part(&n->b, v, 0, from, ir_dim_const(g, 0));
    return ir_concat(&n->b, parts, count, 0);
}

/* ---- positions ---- */

static lathe_status need_within(fe_node *n, ir_dim at, ir_dim most)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t lo, hi;
    ir_dim_range(g, ir_dim_sub(g, most, at), &lo, &hi);
    if (lo >= 0) return LATHE_OK;
    if (hi < 0)
        return fe_fail(n, LATHE_BAD_INPUT, "there is no item at position %s of the sequence",
                       ir_dim_text(g, at));
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    return fe_guard(n, ir_nest_map(&nest, IR_BOOL, X2(LE, XD(at), XD(most))),
                    "the position is outside of the sequence");
}

static lathe_status seq_position(fe_node *n, ir_value at, ir_dim length, bool insert, ir_dim *out)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_dim most = insert ? length : ir_dim_sub(g, length, ir_dim_const(g, 1));
    if (at == IR_NONE) {
        *out = most;
        return insert ? LATHE_OK : need_within(n, ir_dim_const(g, 0), most);
    }
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr x = ir_x_cast(g, fe_load_scalar(&nest, at), IR_I64);
    ir_expr from_end = X2(ADD, x, XD(length));
    x = ir_x_select(g, X2(LT, x, XI(0)), from_end, x);
    TRY(fe_size_expr(n, &nest, x, 0, INT64_MAX, length, out));
    return need_within(n, *out, most);
}

/* Where item `at` of a list of sizes begins. */
static lathe_status begin_of(fe_node *n, const fe_value *v, ir_dim at, ir_dim *begin)
{
    ir_nest nest;
    ir_dim total = ir_type_of(n->g, v->tensor)->dims[0];
    if (at == fe_seq_length(n->g, v)) {
        *begin = total;
        return LATHE_OK;
    }
    ir_nest_begin(&nest, &n->b, 1, &at, 1);
    ir_expr i = ir_nest_index(&nest, 0);
    ir_expr x = ir_nest_load(&nest, v->lens, &i);
    return size_of(n, ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I64, x), total, begin);
}

static lathe_status size_at(fe_node *n, const fe_value *v, ir_dim at, ir_dim *size)
{
    ir_value len = fe_gather(n, v->lens, scalar_of(n, at), 0);
    return size_of(n, len, ir_type_of(n->g, v->tensor)->dims[0], size);
}

/* ---- operations ---- */

lathe_status fe_seq_at(fe_node *n, const fe_value *v, ir_value at, ir_value *item)
{
    ir_dim place, begin, size;
    if (!v->lens) {
        *item = fe_gather(n, v->tensor, fe_as_scalar(n, at, IR_I64), 0);
        return LATHE_OK;
    }
    TRY(seq_position(n, at, fe_seq_length(n->g, v), false, &place));
    TRY(begin_of(n, v, place, &begin));
    TRY(size_at(n, v, place, &size));
    *item = axis_first(n, fe_part(&n->b, v->tensor, 0, begin, size), v->axis, true);
    return LATHE_OK;
}

/* What was built of a packed sequence is there; what was not has been reported. */
static lathe_status seq_whole(const fe_value *v, bool sizes)
{
    return v->tensor != IR_NONE && (!sizes || v->lens != IR_NONE) ? LATHE_OK : LATHE_BAD_INPUT;
}

/* The item is as those of the sequence are: but for its size along the axis where they differ. */
static lathe_status need_fitting(fe_node *n, const fe_value *v, const ir_type *item)
{
    const ir_type t = item_type(n->g, v);
    bool fits = item->elem == t.elem && item->rank == t.rank;
    for (int a = 0; fits && a < t.rank; a++)
        fits = t.dims[a] == IR_NONE || ir_dim_require(n->g, item->dims[a], t.dims[a]);
    if (fits) return LATHE_OK;
    return fe_fail(n, LATHE_UNSUPPORTED,
                   "the item is %s, but those of the sequence, of which a run decides how many "
                   "there are, are %s",
                   ir_type_text(n->g, item), ir_type_text(n->g, &t));
}

lathe_status fe_seq_insert(fe_node *n, const fe_value *v, ir_value item, ir_value at, fe_value *out)
{
    ir_graph *g = n->g;
    ir_dim place, begin;
    *out = *v;
    TRY(need_fitting(n, v, ir_type_of(g, item)));
    TRY(seq_position(n, at, fe_seq_length(g, v), true, &place));
    if (!v->lens) {
        ir_value one = ir_unsqueeze(&n->b, item, 0);
        out->tensor = one ? replaced(n, v->tensor, place, place, one) : IR_NONE;
        return seq_whole(out, false);
    }
    TRY(begin_of(n, v, place, &begin));
    ir_expr size = ir_x_dim(g, ir_type_of(g, item)->dims[v->axis]);
    ir_dim one = ir_dim_const(g, 1);
    ir_value sizes = ir_values(&n->b, IR_I64, 1, &one, &size, 1);
    out->lens = replaced(n, v->lens, place, place, sizes);
    out->tensor = replaced(n, v->tensor, begin, begin, axis_first(n, item, v->axis, false));
    return seq_whole(out, true);
}

lathe_status fe_seq_erase(fe_node *n, const fe_value *v, ir_value at, fe_value *out)
{
    ir_graph *g = n->g;
    ir_dim place, begin, size, one = ir_dim_const(g, 1);
    *out = *v;
    TRY(seq_position(n, at, fe_seq_length(g, v), false, &place));
    if (!v->lens) {
        out->tensor = replaced(n, v->tensor, place, ir_dim_add(g, place, one), IR_NONE);
        return seq_whole(out, false);
    }
    TRY(begin_of(n, v, place, &begin));
    TRY(size_at(n, v, place, &size));
    out->lens = replaced(n, v->lens, place, ir_dim_add(g, place, one), IR_NONE);
    out->tensor = replaced(n, v->tensor, begin, ir_dim_add(g, begin, size), IR_NONE);
    return seq_whole(out, true);
}

/* ---- between the forms ---- */

static ir_value filled_sizes(fe_node *n, ir_dim count, ir_dim size)
{
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &count, 0);
    return ir_nest_map(&nest, IR_I64, ir_x_dim(n->g, size));
}

/* Items of one size, stacked, as items one behind the other. */
static void line_up(fe_node *n, const fe_value *v, int axis, fe_value *out)
{
    ir_graph *g = n->g;
    ir_type t = *ir_type_of(g, v->tensor);
    int perm[IR_MAX_RANK] = {0};
    for (int a = 1; a < t.rank; a++) perm[a] = a == 1 ? axis + 1 : a <= axis + 1 ? a - 1 : a;
    ir_dim count = t.dims[0], size = t.dims[axis + 1];
    ir_value moved = ir_permute(&n->b, v->tensor, perm);
    if (moved == IR_NONE) return;
    t = *ir_type_of(g, moved);
    for (int a = 1; a < t.rank; a++) t.dims[a - 1] = t.dims[a];
    t.dims[0] = ir_dim_mul(g, count, size);
    out->tensor = ir_reshape(&n->b, moved, t.rank - 1, t.dims);
    out->lens = filled_sizes(n, count, size);
    out->axis = axis;
}

static lathe_status pack_empty(fe_node *n, const fe_items *items, fe_value *out)
{
    ir_graph *g = n->g;
    ir_type t = items->type;
    ir_dim zero = ir_dim_const(g, 0), dims[IR_MAX_RANK + 1];
    int rank = 0;
    if (t.rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the items have %d axes, at most %d are supported", t.rank,
                       IR_MAX_RANK - 1);
    dims[rank++] = zero;
    for (int a = 0; a < t.rank; a++)
        if (a != items->axis) dims[rank++] = t.dims[a];
    out->tensor = fe_fill(&n->b, t.elem, rank, dims, 0);
    if (items->axis >= 0) out->lens = filled_sizes(n, zero, zero);
    out->axis = items->axis < 0 ? 0 : items->axis;
    return seq_whole(out, items->axis >= 0);
}

lathe_status fe_seq_pack(fe_node *n, const fe_items *items, const fe_value *v, fe_value *out)
{
    *out = (fe_value){.kind = FE_SEQUENCE, .elem = items->type.elem};
    if (v->tensor && (v->lens ? items->axis == v->axis : items->axis < 0)) {
        *out = *v;
    } else if (v->tensor && !v->lens) {
        line_up(n, v, items->axis, out);
    } else if (v->tensor) {
        return fe_fail(n, LATHE_INTERNAL, "a sequence that differs along axis %d, not %d", v->axis,
                       items->axis); /* fe_learn_value would have found it irregular */
    } else {
        TRY(pack_empty(n, items, out));
        for (size_t i = 0; i < v->nitems; i++) {
            fe_value before = *out;
            if (v->items[i].kind != FE_TENSOR)
                return fe_fail(n, LATHE_UNSUPPORTED, "a sequence of sequences is not supported");
            TRY(fe_seq_insert(n, &before, v->items[i].tensor, IR_NONE, out));
        }
    }
    return seq_whole(out, items->axis >= 0);
}

lathe_status fe_seq_stack(fe_node *n, const fe_value *v, ir_value *out)
{
    ir_graph *g = n->g;
    *out = v->tensor;
    if (!v->lens) return LATHE_OK;
    ir_dim count = fe_seq_length(g, v), one = ir_dim_const(g, 1), dims[IR_MAX_RANK + 1];
    const ir_type t = *ir_type_of(g, v->tensor);
    ir_dim size = ir_dim_floordiv(g, t.dims[0], ir_dim_max(g, count, one));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &count, 1);
    ir_expr i = ir_nest_index(&nest, 0);
    ir_expr same = X2(EQ, ir_nest_load(&nest, v->lens, &i), XD(size));
    ir_value wrong =
        ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I64, ir_x_select(g, same, XI(0), XI(1)));
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    TRY(fe_guard(n, ir_nest_map(&nest, IR_BOOL, X2(EQ, fe_load_scalar(&nest, wrong), XI(0))),
                 "the items of the sequence differ in size"));
    if (t.rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the items have %d axes, at most %d are supported", t.rank,
                       IR_MAX_RANK - 1);
    dims[0] = count;
    dims[1] = size;
    for (int a = 1; a < t.rank; a++) dims[a + 1] = t.dims[a];
    ir_value split = ir_reshape(&n->b, v->tensor, t.rank + 1, dims);
    int perm[IR_MAX_RANK] = {0};
    for (int a = 1; a <= t.rank; a++) perm[a] = a - 1 == v->axis ? 1 : a - 1 < v->axis ? a + 1 : a;
    *out = split ? ir_permute(&n->b, split, perm) : IR_NONE;
    return LATHE_OK;
}

/* The stacked items [n, ...] as one tensor: the new axis moved to its place, and there, unless it
 * stays, merged with the axis of the items. */
static ir_value unstack(fe_node *n, ir_value v, int axis, bool keep)
{
    ir_graph *g = n->g;
    if (v == IR_NONE) return v;
    const ir_type t = *ir_type_of(g, v);
    ir_dim dims[IR_MAX_RANK];
    ir_value moved = axis_first(n, v, axis, true);
    if (keep) return moved;
    for (int a = 0; a < t.rank - 1; a++) dims[a] = t.dims[a + 1];
    dims[axis] = ir_dim_mul(g, t.dims[0], dims[axis]);
    return moved ? ir_reshape(&n->b, moved, t.rank - 1, dims) : IR_NONE;
}

lathe_status fe_seq_concat(fe_node *n, const fe_value *v, int axis, bool new_axis, ir_value *out)
{
    ir_value stacked;
    if (v->lens && !new_axis && axis == v->axis) {
        *out = axis_first(n, v->tensor, axis, true);
        return LATHE_OK;
    }
    TRY(fe_seq_stack(n, v, &stacked));
    *out = unstack(n, stacked, axis, new_axis);
    return LATHE_OK;
}
