/* Importers of sequences and optionals. In and out: fe_values, which exist during import only:
 * lists of tensors, where a position must be known, or, for a length that a run decides, one tensor
 * of the stacked items. Nothing of sequences reaches the graph. */
#include "frontend/sequence.h"

#include <string.h>

static lathe_status need_sequence(const fe_node *n, size_t k)
{
    if (fe_has(n, k) && n->in[k].kind == FE_SEQUENCE) return LATHE_OK;
    return fe_expect_input(n, k, "is", fe_kind_name(n, k), "a sequence");
}

/* ---- in a trial import of a loop's body ---- */

/* Whatever is read of a sequence whose items are not known yet: a tensor of their type. */
static lathe_status stand_in(fe_node *n, fe_value *v, ir_type *t)
{
    ir_graph *g = n->g;
    fe_learn *l = v->open;
    l->other = true;
    if (!l->items.known)
        return fe_fail(
            n, LATHE_UNSUPPORTED,
            "the loop reads the sequence before it is known what its items are; start it "
            "with a sequence that has an item, or insert one first");
    *t = l->items.type;
    for (int a = 0; a < t->rank; a++)
        if (t->dims[a] == IR_NONE)
            t->dims[a] = ir_dim_sym(g, fe_data_symbol(n, 0, INT64_MAX, IR_NONE));
    return LATHE_OK;
}

static fe_value still_open(const fe_value *v)
{
    v->open->other = true;
    return (fe_value){.kind = FE_SEQUENCE, .open = v->open, .elem = v->elem};
}

/* The input as tensors, for what lists cannot do. */
static lathe_status packed(fe_node *n, size_t k, const ir_type *more, fe_value *v)
{
    fe_learn l = {.mark = fe_mark_now(n->g)};
    fe_learn_value(n->g, &l, &n->in[k]);
    if (more) fe_learn_item(n->g, &l, more);
    if (!l.items.known || l.irregular)
        return fe_fail_input(
            n, k, LATHE_UNSUPPORTED,
            "is a sequence whose items differ in rank, type or along two axes, and "
            "a position in it that a run decides");
    return fe_seq_pack(n, &l.items, &n->in[k], v);
}

/* Whether input k, a position, is known while compiling. */
static bool known_position(const fe_node *n, size_t k)
{
    int64_t at;
    size_t one = 1;
    return !fe_has(n, k) || (fe_in(n, k) && ir_content_ints(n->g, fe_in(n, k), &at, 1, &one));
}

static fe_value stacked(ir_value v, ir_elem elem)
{
    return (fe_value){.kind = FE_SEQUENCE, .tensor = v, .elem = elem};
}

static fe_value sequence_tensor(ir_value v) { return (fe_value){.kind = FE_TENSOR, .tensor = v}; }

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
        return fe_fail_input(n, k, LATHE_BAD_INPUT,
                             "is position %lld, but the sequence has %lld items",
                             (long long)values[0], (long long)length);
    *at = (size_t)i;
    return LATHE_OK;
}

lathe_status fe_import_sequence_empty(fe_node *n)
{
    fe_out_value(n, 0, sequence(NULL, 0, (ir_elem)fe_attr_int(n, "dtype")));
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
    ir_value item;
    ir_type t;
    fe_value v = n->in[0];
    TRY(need_sequence(n, 0));
    TRY(fe_need_class(n, 1, "S"));
    if (v.open) {
        TRY(stand_in(n, &v, &t));
        fe_out(n, 0, fe_fill(&n->b, t.elem, t.rank, t.dims, 0));
        return LATHE_OK;
    }
    if (v.tensor || !known_position(n, 1)) {
        TRY(packed(n, 0, NULL, &v));
        TRY(fe_seq_at(n, &v, fe_in(n, 1), &item));
        fe_out(n, 0, item);
        return LATHE_OK;
    }
    TRY(position(n, 1, (int64_t)v.nitems, 0, &at));
    if (at >= v.nitems)
        return fe_fail_input(n, 1, LATHE_BAD_INPUT,
                             "is position %zu, but the sequence has %zu items", at, v.nitems);
    fe_out_value(n, 0, v.items[at]);
    return LATHE_OK;
}

static lathe_status insert_in_list(fe_node *n)
{
    const fe_value *v = &n->in[0];
    size_t at, count = v->nitems;
    TRY(position(n, 2, (int64_t)count, (int64_t)count, &at));
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, count + 1);
    for (size_t i = 0; i < count + 1; i++)
        items[i] = i < at ? v->items[i] : i == at ? n->in[1] : v->items[i - 1];
    fe_value result = sequence(items, count + 1, fe_type(n, 1)->elem);
    result.open = v->open;
    fe_out_value(n, 0, result);
    return LATHE_OK;
}

lathe_status fe_import_sequence_insert(fe_node *n)
{
    fe_value v = n->in[0], result;
    TRY(need_sequence(n, 0));
    TRY(fe_need_rank(n, 1, -1));
    if (fe_has(n, 2)) TRY(fe_need_class(n, 2, "S"));
    if (v.open) fe_learn_item(n->g, v.open, fe_type(n, 1));
    if (v.open && fe_has(n, 2)) {
        fe_out_value(n, 0, still_open(&v));
        return LATHE_OK;
    }
    if (!v.tensor && known_position(n, 2)) return insert_in_list(n);
    if (!v.tensor) TRY(packed(n, 0, fe_type(n, 1), &v));
    TRY(fe_seq_insert(n, &v, fe_in(n, 1), fe_in(n, 2), &result));
    fe_out_value(n, 0, result);
    return LATHE_OK;
}

static lathe_status erase_from_list(fe_node *n)
{
    size_t at, count = n->in[0].nitems;
    TRY(position(n, 1, (int64_t)count, (int64_t)count - 1, &at));
    if (at >= count) return fe_fail(n, LATHE_BAD_INPUT, "the sequence has %zu items", count);
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, count);
    for (size_t i = 0; i + 1 < count; i++) items[i] = n->in[0].items[i < at ? i : i + 1];
    fe_out_value(n, 0, sequence(items, count - 1, n->in[0].elem));
    return LATHE_OK;
}

lathe_status fe_import_sequence_erase(fe_node *n)
{
    fe_value v = n->in[0], result;
    TRY(need_sequence(n, 0));
    if (fe_has(n, 1)) TRY(fe_need_class(n, 1, "S"));
    if (v.open) {
        fe_out_value(n, 0, still_open(&v));
        return LATHE_OK;
    }
    if (!v.tensor && known_position(n, 1)) return erase_from_list(n);
    TRY(packed(n, 0, NULL, &v));
    TRY(fe_seq_erase(n, &v, fe_in(n, 1), &result));
    fe_out_value(n, 0, result);
    return LATHE_OK;
}

lathe_status fe_import_sequence_length(fe_node *n)
{
    TRY(need_sequence(n, 0));
    ir_graph *g = n->g;
    ir_dim length = fe_seq_length(g, &n->in[0]);
    if (n->in[0].open) {
        n->in[0].open->other = true;
        length = ir_dim_sym(g, fe_data_symbol(n, 0, INT64_MAX, IR_NONE));
    }
    ir_expr value = ir_x_dim(g, length);
    fe_out(n, 0, ir_values(&n->b, IR_I64, 0, NULL, &value, 1));
    return LATHE_OK;
}

/* ---- to and from one tensor ---- */

#define MAX_ITEMS 4096

/* Sizes of the parts along the axis, where it is known how many there are: a list, one size for
 * all, or 1 each. *parts is NULL where a run decides. */
static lathe_status part_sizes(fe_node *n, ir_dim size, const ir_dim **parts, size_t *count)
{
    ir_graph *g = n->g;
    const ir_type *t = fe_has(n, 1) ? fe_type(n, 1) : NULL;
    int64_t length, each = 1;
    size_t one = 1;
    *parts = NULL;
    if (t && t->rank == 1 && !ir_dim_is_const(g, t->dims[0], NULL)) return LATHE_OK;
    if (t && t->rank == 1) return fe_sizes(n, fe_in(n, 1), 0, INT64_MAX, size, parts, count);
    if (t && !ir_content_ints(g, fe_in(n, 1), &each, 1, &one)) return LATHE_OK;
    if (each < 1)
        return fe_fail_input(n, 1, LATHE_BAD_INPUT, "is %lld, a part has at least one element",
                             (long long)each);
    if (!ir_dim_is_const(g, size, &length) || length / each > MAX_ITEMS) return LATHE_OK;
    *count = (size_t)((length + each - 1) / each);
    ir_dim *dims = IR_NEW_N(g->arena, ir_dim, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        int64_t left = length - (int64_t)i * each;
        dims[i] = ir_dim_const(g, left < each ? left : each);
    }
    *parts = dims;
    return LATHE_OK;
}

/* Axis to the front; the rest keep their order. */
static ir_value moved_to_front(fe_node *n, ir_value v, int axis)
{
    int perm[IR_MAX_RANK];
    for (int a = 0; a < ir_type_of(n->g, v)->rank; a++)
        perm[a] = a == 0 ? axis : a <= axis ? a - 1 : a;
    return ir_permute(&n->b, v, perm);
}

/* One part an element of an axis whose size a run decides. */
static lathe_status split_stacked(fe_node *n, int axis, bool squeeze)
{
    ir_value v = moved_to_front(n, fe_in(n, 0), axis);
    if (!squeeze && v) v = ir_unsqueeze(&n->b, v, axis + 1);
    if (v == IR_NONE) return LATHE_BAD_INPUT;
    fe_out_value(n, 0, stacked(v, fe_type(n, 0)->elem));
    return LATHE_OK;
}

/* The sizes of all parts as a list of i64, from one size for all. */
static lathe_status equal_parts(fe_node *n, ir_dim size, ir_value *lens)
{
    ir_graph *g = n->g;
    const ir_dim *each;
    size_t one;
    TRY(fe_sizes(n, fe_in(n, 1), 1, INT64_MAX, IR_NONE, &each, &one));
    ir_dim count = ir_dim_ceildiv(g, size, each[0]);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &count, 0);
    ir_expr left = X2(SUB, XD(size), X2(MUL, ir_nest_index(&nest, 0), XD(each[0])));
    *lens = ir_nest_map(&nest, IR_I64, X2(MIN, left, XD(each[0])));
    return LATHE_OK;
}

/* The same from a list of a length that a run decides, which must fit the axis. */
static lathe_status listed_parts(fe_node *n, ir_dim size, ir_value *lens)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_dim count = fe_type(n, 1)->dims[0];
    *lens = ir_cast(&n->b, fe_in(n, 1), IR_I64);
    ir_nest_begin(&nest, &n->b, 1, &count, 1);
    ir_expr i = ir_nest_index(&nest, 0), x = ir_nest_load(&nest, *lens, &i);
    ir_expr bad = X2(OR, X2(LT, x, XI(0)), X2(LT, XD(size), x));
    /* A size that is none counts for more than all of them could. */
    x = ir_x_select(g, bad, X2(ADD, XD(size), XI(1)), x);
    ir_value sum = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I64, x);
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    return fe_guard(n, ir_nest_map(&nest, IR_BOOL, X2(EQ, fe_load_scalar(&nest, sum), XD(size))),
                    "the sizes of the parts do not sum to the size of the axis");
}

static lathe_status split_by_data(fe_node *n, int axis)
{
    ir_dim size = fe_type(n, 0)->dims[axis];
    fe_value v = stacked(moved_to_front(n, fe_in(n, 0), axis), fe_type(n, 0)->elem);
    TRY(fe_need_class(n, 1, "SU"));
    TRY(fe_type(n, 1)->rank ? listed_parts(n, size, &v.lens) : equal_parts(n, size, &v.lens));
    if (!v.tensor || !v.lens) return LATHE_BAD_INPUT;
    v.axis = axis;
    fe_out_value(n, 0, v);
    return LATHE_OK;
}

lathe_status fe_import_split_to_sequence(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    int axis;
    size_t count = 0;
    const ir_dim *parts;
    TRY(fe_attr_axis(n, "axis", t.rank, &axis));
    if (fe_has(n, 1)) TRY(fe_need_class(n, 1, "SU"));
    if (fe_has(n, 1) && fe_type(n, 1)->rank > 1)
        return fe_expect_input(n, 1, "has rank", fe_number(n, fe_type(n, 1)->rank), "0 or 1");
    bool squeeze = !fe_has(n, 1) && !fe_attr_int(n, "keepdims");
    TRY(part_sizes(n, t.dims[axis], &parts, &count));
    if (!parts && !fe_has(n, 1)) return split_stacked(n, axis, squeeze);
    if (!parts) return split_by_data(n, axis);
    fe_value *items = IR_NEW_N(g->arena, fe_value, count + 1);
    ir_dim at = ir_dim_const(g, 0), total = at;
    for (size_t i = 0; i < count; i++) total = ir_dim_add(g, total, parts[i]);
    if (!ir_dim_require(g, total, t.dims[axis]))
        return fe_fail(n, LATHE_BAD_INPUT, "the parts' sizes sum to %s, axis %d has %s",
                       ir_dim_text(g, total), axis, ir_dim_text(g, t.dims[axis]));
    for (size_t i = 0; i < count; i++) {
        ir_value part = fe_part(&n->b, fe_in(n, 0), axis, at, parts[i]);
        if (squeeze && part != IR_NONE) part = ir_squeeze(&n->b, part, axis);
        if (part == IR_NONE) return LATHE_BAD_INPUT;
        items[i] = sequence_tensor(part);
        at = ir_dim_add(g, at, parts[i]);
    }
    fe_out_value(n, 0, sequence(items, count, t.elem));
    return LATHE_OK;
}

/* The type of all open items joined; only their number is not known. */
static lathe_status joined_stand_in(fe_node *n, fe_value *v, bool stack)
{
    ir_graph *g = n->g;
    ir_type t;
    int axis;
    ir_dim joined = ir_dim_sym(g, fe_data_symbol(n, 0, INT64_MAX, IR_NONE));
    TRY(stand_in(n, v, &t));
    TRY(fe_attr_axis(n, "axis", t.rank + stack, &axis));
    if (stack && t.rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported",
                       t.rank + 1, IR_MAX_RANK);
    for (int a = t.rank++; stack && a > axis; a--) t.dims[a] = t.dims[a - 1];
    t.rank -= !stack;
    t.dims[axis] = joined;
    fe_out(n, 0, fe_fill(&n->b, t.elem, t.rank, t.dims, 0));
    return LATHE_OK;
}

static lathe_status join_list(fe_node *n, const fe_value *v, bool stack)
{
    size_t count = v->nitems;
    if (count == 0)
        return fe_fail_input(n, 0, LATHE_UNSUPPORTED,
                             "is an empty sequence; joining needs an item");
    int axis, rank = ir_type_of(n->g, v->items[0].tensor)->rank + stack;
    TRY(fe_attr_axis(n, "axis", rank, &axis));
    ir_value *parts = IR_NEW_N(n->g->arena, ir_value, count);
    for (size_t i = 0; i < count; i++) {
        ir_value item = v->items[i].tensor;
        parts[i] = stack ? ir_unsqueeze(&n->b, item, axis) : item;
        if (parts[i] == IR_NONE || ir_type_of(n->g, parts[i])->rank != rank)
            return fe_fail(n, LATHE_BAD_INPUT, "item %zu of the sequence has another rank", i);
    }
    fe_out(n, 0, ir_concat(&n->b, parts, count, axis));
    return LATHE_OK;
}

lathe_status fe_import_concat_from_sequence(fe_node *n)
{
    TRY(need_sequence(n, 0));
    fe_value v = n->in[0];
    bool stack = fe_attr_int(n, "new_axis") != 0;
    int axis, rank;
    ir_value joined;
    if (v.open) return joined_stand_in(n, &v, stack);
    if (!v.tensor) return join_list(n, &v, stack);
    rank = ir_type_of(n->g, v.tensor)->rank - (v.lens ? 0 : 1) + stack;
    TRY(fe_attr_axis(n, "axis", rank, &axis));
    TRY(fe_seq_concat(n, &v, axis, stack, &joined));
    fe_out(n, 0, joined);
    return LATHE_OK;
}

/* ---- SequenceMap ---- */

/* Where a run decides the length of one sequence, all of them become tensors. */
static lathe_status map_packed(fe_node *n, const Onnx__GraphProto *body)
{
    fe_value *in = IR_NEW_N(n->g->arena, fe_value, n->nin);
    fe_mark mark = fe_mark_now(n->g);
    for (size_t k = 0; k < n->nin; k++) {
        in[k] = n->in[k];
        fe_learn l = {.mark = mark};
        if (in[k].open)
            return fe_fail_input(n, k, LATHE_UNSUPPORTED,
                                 "is a sequence that a loop carries, which SequenceMap does not "
                                 "take");
        if (in[k].kind != FE_SEQUENCE || !fe_seq_is_list(&in[k])) continue;
        fe_learn_value(n->g, &l, &in[k]);
        if (!l.items.known || l.irregular)
            return fe_fail_input(n, k, LATHE_UNSUPPORTED,
                                 "is a sequence whose items differ in rank, type or along two "
                                 "axes, beside one of a length that a run decides");
        TRY(fe_seq_pack(n, &l.items, &n->in[k], &in[k]));
    }
    n->in = in;
    return fe_map_items(n, body);
}

lathe_status fe_import_sequence_map(fe_node *n)
{
    TRY(need_sequence(n, 0));
    const Onnx__GraphProto *body = fe_attr_graph(n, "body");
    if (!body || body->n_output < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute body has %zu outputs, expected %zu",
                       body ? body->n_output : 0, n->nout);
    for (size_t k = 0; k < n->nin; k++)
        if (n->in[k].kind == FE_SEQUENCE && !fe_seq_is_list(&n->in[k])) return map_packed(n, body);
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
                return fe_expect_input(n, k, "has length", fe_number(n, (int64_t)n->in[k].nitems),
                                       fe_number(n, (int64_t)count));
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
