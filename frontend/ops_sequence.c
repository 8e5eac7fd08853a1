/* Importers of sequences and optionals. In and out: fe_values, which exist during import only:
 * lists of tensors, where a position must be known, or, for a length that a run decides, one tensor
 * of the stacked items. Nothing of sequences reaches the graph. */
#include "frontend/build.h"
#include <string.h>

static lathe_status need_sequence(const fe_node *n, size_t k)
{
    if (!fe_has(n, k) || n->in[k].kind != FE_SEQUENCE)
        return fe_fail(n, LATHE_BAD_INPUT, "input %zu must be a sequence", k);
    if (n->in[k].open && strcmp(n->op, "SequenceInsert"))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "a sequence that a loop carries can only be appended to");
    return LATHE_OK;
}

/* A sequence whose items are known one by one. */
static lathe_status need_list(const fe_node *n, size_t k)
{
    TRY(need_sequence(n, k));
    if (n->in[k].tensor)
        return fe_fail(n, LATHE_UNSUPPORTED, "the length of the sequence must be known here");
    return LATHE_OK;
}

static fe_value stacked(ir_value v, ir_elem elem)
{
    return (fe_value){.kind = FE_SEQUENCE, .tensor = v, .elem = elem};
}

static fe_value tensor_value(ir_value v) { return (fe_value){.kind = FE_TENSOR, .tensor = v}; }

static fe_value sequence(const fe_value *items, size_t n, ir_elem elem)
{
    return (fe_value){.kind = FE_SEQUENCE, .items = items, .nitems = n, .elem = elem};
}

/* Position of input k in [0, length), negative ones counted from the end; `otherwise` if absent. */
static lathe_status position(fe_node *n, size_t k, int64_t length, int64_t otherwise, size_t *at)
{
    const int64_t *values;
    size_t count;
    *at = (size_t)otherwise;
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_ints(n, k, &values, &count));
    if (count != 1) return fe_expect_input(n, k, "has length", fe_number(n, (int64_t)count), "1");
    int64_t i = values[0] < 0 ? values[0] + length : values[0];
    if (i < 0 || i > length)
        return fe_fail_input(n, k, LATHE_BAD_INPUT, "position %lld of %lld", (long long)values[0],
                             (long long)length);
    *at = (size_t)i;
    return LATHE_OK;
}

lathe_status fe_import_sequence_empty(fe_node *n)
{
    fe_out_value(n, 0, sequence(NULL, 0, (ir_elem)fe_attr_int(n, "dtype", IR_F32)));
    return LATHE_OK;
}

lathe_status fe_import_sequence_construct(fe_node *n)
{
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, n->nin + 1);
    for (size_t i = 0; i < n->nin; i++) {
        TRY(fe_need_rank(n, i, -1));
        items[i] = n->in[i];
    }
    fe_out_value(n, 0, sequence(items, n->nin, n->nin ? fe_type(n, 0)->elem : IR_F32));
    return LATHE_OK;
}

lathe_status fe_import_sequence_at(fe_node *n)
{
    size_t at;
    TRY(need_sequence(n, 0));
    if (n->in[0].tensor) {
        TRY(fe_need_class(n, 1, "S"));
        fe_out(n, 0, fe_gather(n, n->in[0].tensor, fe_as_scalar(n, fe_in(n, 1), IR_I64), 0));
        return LATHE_OK;
    }
    TRY(position(n, 1, (int64_t)n->in[0].nitems, 0, &at));
    if (at >= n->in[0].nitems)
        return fe_fail(n, LATHE_BAD_INPUT, "the sequence has %zu items", n->in[0].nitems);
    fe_out_value(n, 0, n->in[0].items[at]);
    return LATHE_OK;
}

lathe_status fe_import_sequence_insert(fe_node *n)
{
    size_t at, count;
    TRY(need_list(n, 0));
    TRY(fe_need_rank(n, 1, -1));
    if (n->in[0].open && fe_has(n, 2))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "a sequence that a loop carries can only be appended to");
    const fe_value *old = n->in[0].items;
    count = n->in[0].nitems;
    TRY(position(n, 2, (int64_t)count, (int64_t)count, &at));
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, count + 1);
    for (size_t i = 0; i < count + 1; i++)
        items[i] = i < at ? old[i] : i == at ? n->in[1] : old[i - 1];
    fe_value result = sequence(items, count + 1, fe_type(n, 1)->elem);
    result.open = n->in[0].open;
    fe_out_value(n, 0, result);
    return LATHE_OK;
}

lathe_status fe_import_sequence_erase(fe_node *n)
{
    size_t at;
    TRY(need_list(n, 0));
    size_t count = n->in[0].nitems;
    TRY(position(n, 1, (int64_t)count, (int64_t)count - 1, &at));
    if (at >= count) return fe_fail(n, LATHE_BAD_INPUT, "the sequence has %zu items", count);
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, count);
    for (size_t i = 0; i + 1 < count; i++) items[i] = n->in[0].items[i < at ? i : i + 1];
    fe_out_value(n, 0, sequence(items, count - 1, n->in[0].elem));
    return LATHE_OK;
}

lathe_status fe_import_sequence_length(fe_node *n)
{
    TRY(need_sequence(n, 0));
    ir_value v = n->in[0].tensor;
    ir_dim length = v ? ir_type_of(n->g, v)->dims[0] : ir_dim_const(n->g, (int64_t)n->in[0].nitems);
    ir_expr value = ir_x_dim(n->g, length);
    fe_out(n, 0, ir_values(&n->b, IR_I64, 0, NULL, &value, 1));
    return LATHE_OK;
}

/* ---- to and from one tensor ---- */

#define MAX_ITEMS 4096

/* Sizes of the parts along the axis: a list, one size for all, or 1 each. How many parts there are
 * must be known. */
static lathe_status part_sizes(fe_node *n, ir_dim size, const ir_dim **parts, size_t *count)
{
    ir_graph *g = n->g;
    int64_t length, each = 1;
    if (fe_has(n, 1) && n->in[1].kind == FE_TENSOR && fe_type(n, 1)->rank == 1)
        return fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, size, parts, count);
    if (fe_has(n, 1)) {
        const int64_t *values;
        size_t one;
        TRY(fe_need_ints(n, 1, &values, &one));
        each = one == 1 ? values[0] : 0;
    }
    if (each < 1 || !ir_dim_is_const(g, size, &length) || length / each > MAX_ITEMS)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "how many parts there are must be known (axis of size %s)",
                       ir_dim_text(g, size));
    *count = (size_t)((length + each - 1) / each);
    ir_dim *dims = IR_NEW_N(g->arena, ir_dim, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        int64_t left = length - (int64_t)i * each;
        dims[i] = ir_dim_const(g, left < each ? left : each);
    }
    *parts = dims;
    return LATHE_OK;
}

/* One part an element of an axis whose size a run decides. */
static lathe_status split_stacked(fe_node *n, int axis, bool squeeze)
{
    int perm[IR_MAX_RANK], rank = fe_type(n, 0)->rank;
    for (int a = 0; a < rank; a++) perm[a] = a == 0 ? axis : a <= axis ? a - 1 : a;
    ir_value v = ir_permute(&n->b, fe_in(n, 0), perm);
    if (!squeeze) v = ir_unsqueeze(&n->b, v, axis + 1);
    if (v == IR_NONE) return fe_fail(n, LATHE_BAD_INPUT, "the parts cannot be taken");
    fe_out_value(n, 0, stacked(v, fe_type(n, 0)->elem));
    return LATHE_OK;
}

lathe_status fe_import_split_to_sequence(fe_node *n)
{
    TRY(fe_need_arith(n, 0));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    int axis;
    size_t count;
    const ir_dim *parts;
    TRY(fe_attr_axis(n, "axis", 0, t.rank, &axis));
    bool squeeze = !fe_has(n, 1) && !fe_attr_int(n, "keepdims", 1);
    if (!fe_has(n, 1) && !ir_dim_is_const(g, t.dims[axis], NULL))
        return split_stacked(n, axis, squeeze);
    TRY(part_sizes(n, t.dims[axis], &parts, &count));
    fe_value *items = IR_NEW_N(g->arena, fe_value, count + 1);
    ir_dim at = ir_dim_const(g, 0);
    for (size_t i = 0; i < count; i++) {
        ir_value part = fe_part(&n->b, fe_in(n, 0), axis, at, parts[i]);
        if (squeeze && part != IR_NONE) part = ir_squeeze(&n->b, part, axis);
        if (part == IR_NONE) return fe_fail(n, LATHE_BAD_INPUT, "part %zu cannot be taken", i);
        items[i] = tensor_value(part);
        at = ir_dim_add(g, at, parts[i]);
    }
    fe_out_value(n, 0, sequence(items, count, t.elem));
    return LATHE_OK;
}

/* The stacked items [n, ...] as one tensor: the new axis moved to its place, and there, unless it
 * stays, merged with the axis of the items. */
static lathe_status concat_stacked(fe_node *n, ir_value v, bool keep)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, v);
    int axis, perm[IR_MAX_RANK];
    ir_dim dims[IR_MAX_RANK];
    TRY(fe_attr_axis(n, "axis", 0, t.rank - !keep, &axis));
    for (int a = 0; a < t.rank; a++) perm[a] = a == axis ? 0 : a < axis ? a + 1 : a;
    v = ir_permute(&n->b, v, perm);
    if (!keep) {
        for (int a = 0; a < t.rank - 1; a++) dims[a] = t.dims[a + 1];
        dims[axis] = ir_dim_mul(g, t.dims[0], dims[axis]);
        v = ir_reshape(&n->b, v, t.rank - 1, dims);
    }
    fe_out(n, 0, v);
    return LATHE_OK;
}

lathe_status fe_import_concat_from_sequence(fe_node *n)
{
    TRY(need_sequence(n, 0));
    if (n->in[0].tensor)
        return concat_stacked(n, n->in[0].tensor, fe_attr_int(n, "new_axis", 0) != 0);
    size_t count = n->in[0].nitems;
    if (count == 0) return fe_fail(n, LATHE_UNSUPPORTED, "the sequence is empty");
    bool stack = fe_attr_int(n, "new_axis", 0) != 0;
    int axis, rank = ir_type_of(n->g, n->in[0].items[0].tensor)->rank + stack;
    TRY(fe_attr_axis(n, "axis", 0, rank, &axis));
    ir_value *parts = IR_NEW_N(n->g->arena, ir_value, count);
    for (size_t i = 0; i < count; i++) {
        ir_value v = n->in[0].items[i].tensor;
        parts[i] = stack ? ir_unsqueeze(&n->b, v, axis) : v;
        if (parts[i] == IR_NONE || ir_type_of(n->g, parts[i])->rank != rank)
            return fe_fail(n, LATHE_BAD_INPUT, "item %zu of the sequence has another rank", i);
    }
    fe_out(n, 0, ir_concat(&n->b, parts, count, axis));
    return LATHE_OK;
}

/* ---- SequenceMap ---- */

lathe_status fe_import_sequence_map(fe_node *n)
{
    TRY(need_list(n, 0));
    const Onnx__GraphProto *body = fe_attr_graph(n, "body");
    if (!body || body->n_output < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT, "body is missing or too small");
    size_t count = n->in[0].nitems;
    fe_value **items = IR_NEW_N(n->g->arena, fe_value *, body->n_output + 1);
    fe_value *args = IR_NEW_N(n->g->arena, fe_value, n->nin),
             *outs = IR_NEW_N(n->g->arena, fe_value, body->n_output + 1);
    for (size_t k = 0; k < body->n_output; k++)
        items[k] = IR_NEW_N(n->g->arena, fe_value, count + 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n->nin; k++) {
            bool item = n->in[k].kind == FE_SEQUENCE;
            if (item && n->in[k].nitems != count)
                return fe_fail(n, LATHE_BAD_INPUT, "sequences of different lengths");
            args[k] = item ? n->in[k].items[i] : n->in[k];
        }
        TRY(fe_subgraph(n, body, n->b.block, args, n->nin, outs));
        for (size_t k = 0; k < body->n_output; k++) items[k][i] = outs[k];
    }
    for (size_t k = 0; k < n->nout; k++) {
        bool tensor = count && items[k][0].kind == FE_TENSOR;
        if (fe_wants(n, k))
            fe_out_value(
                n, k,
                sequence(items[k], count,
                         tensor ? ir_type_of(n->g, items[k][0].tensor)->elem : n->in[0].elem));
    }
    return LATHE_OK;
}

/* ---- optionals: absent, or the value itself ---- */

lathe_status fe_import_optional(fe_node *n)
{
    fe_out_value(n, 0, fe_has(n, 0) ? n->in[0] : (fe_value){.kind = FE_OPTIONAL_NONE});
    return LATHE_OK;
}

lathe_status fe_import_optional_has_element(fe_node *n)
{
    bool has = fe_has(n, 0) && n->in[0].kind != FE_OPTIONAL_NONE;
    fe_out(n, 0, ir_scalar_const(&n->b, IR_BOOL, has));
    return LATHE_OK;
}

lathe_status fe_import_optional_get_element(fe_node *n)
{
    if (!fe_has(n, 0) || n->in[0].kind == FE_OPTIONAL_NONE)
        return fe_fail(n, LATHE_BAD_INPUT, "the optional is empty");
    fe_out_value(n, 0, n->in[0]);
    return LATHE_OK;
}
