/* Types of results. In: a node with operands and attributes, which may come from a text; out: the
 * types of its results, or a message in the graph's diag. One small function an operator.
 *
 * Dims that must agree and are not known to are required (a guard). Results of call, if and loop,
 * and constants, get their types from whoever makes them; here they are only checked. */
#include "ir/ir.h"

#include <string.h>

typedef struct infer {
    ir_graph *g;
    const ir_node *n;
} infer;

static lathe_status infer_fail(const infer *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static lathe_status infer_fail(const infer *in, const char *format, ...)
{
    ir_builder b = {.g = in->g, .name = in->n->name, .origin = in->n->origin};
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(in->g->arena, format, args);
    va_end(args);
    return ir_fail(&b, LATHE_BAD_INPUT, IR_NONE, "%s: %s", ir_op_get(in->n->op)->name, text);
}

static const ir_type *operand(const infer *in, uint32_t k)
{
    return ir_type_of(in->g, in->n->operands[k]);
}

static lathe_status set_type(const infer *in, ir_elem elem, const ir_dim *dims, size_t rank)
{
    if (rank > IR_MAX_RANK)
        return infer_fail(in, "a tensor of %zu axes, expected at most %d", rank, IR_MAX_RANK);
    in->g->values[in->n->results[0]].type = ir_type_make(elem, (int)rank, dims);
    return LATHE_OK;
}

static lathe_status need(const infer *in, ir_key key, const ir_attr **attr)
{
    *attr = ir_attr_find(in->n, key);
    return *attr ? LATHE_OK : infer_fail(in, "attribute '%s' is missing", ir_key_name(key));
}

/* The element type that attribute `elem` names. */
static lathe_status need_elem(const infer *in, ir_elem *elem)
{
    const ir_attr *a;
    TRY(need(in, IR_KEY_elem, &a));
    const char *name = ir_text(in->g, a->u.s);
    *elem = ir_elem_parse(name, strlen(name));
    return *elem ? LATHE_OK : infer_fail(in, "unknown element type '%s'", name);
}

static lathe_status need_axis(const infer *in, int rank, int *axis)
{
    const ir_attr *a;
    *axis = 0;
    TRY(need(in, IR_KEY_axis, &a));
    if (a->u.i < 0 || a->u.i >= rank)
        return infer_fail(in, "axis %lld of %d axes", (long long)a->u.i, rank);
    *axis = (int)a->u.i;
    return LATHE_OK;
}

/* Attributes space, nred and body of a nest: at least nbody expressions. */
static lathe_status need_nest(const infer *in, size_t nbody, const ir_attr **space,
                              size_t *parallel)
{
    const ir_attr *body;
    *parallel = 0;
    TRY(need(in, IR_KEY_space, space));
    TRY(need(in, IR_KEY_body, &body));
    int64_t nred = ir_attr_int(in->n, IR_KEY_nred, 0);
    if ((*space)->n > IR_MAX_SPACE || nred < 0 || (uint64_t)nred > (*space)->n)
        return infer_fail(in, "a space of %zu axes, %lld of them reduced", (*space)->n,
                          (long long)nred);
    if (body->n != nbody) return infer_fail(in, "%zu expressions, expected %zu", body->n, nbody);
    *parallel = (*space)->n - (size_t)nred;
    return LATHE_OK;
}

/* ---- leaves ---- */

static lathe_status infer_given(const infer *in)
{
    for (uint32_t i = 0; i < in->n->nresults; i++) {
        const ir_type *t = ir_type_of(in->g, in->n->results[i]);
        if (t->elem == IR_ELEM_NONE || t->rank < 0 || t->rank > IR_MAX_RANK)
            return infer_fail(in, "result %u has no type", i);
        for (int d = 0; d < t->rank; d++)
            if (t->dims[d] == IR_NONE)
                return infer_fail(in, "result %u: axis %d has no size", i, d);
    }
    return LATHE_OK;
}

static lathe_status infer_const(const infer *in)
{
    const ir_attr *data;
    int64_t count, bytes;
    TRY(need(in, IR_KEY_data, &data));
    TRY(infer_given(in));
    const ir_type *t = ir_type_of(in->g, in->n->results[0]);
    ir_dim dims = ir_type_count(in->g, t);
    if (dims == IR_NONE || !ir_dim_is_const(in->g, dims, &count))
        return infer_fail(in, "%s is no size of a constant", ir_type_text(in->g, t));
    if (ir_elem_bits(t->elem) == 0) return LATHE_OK;
    if (!ir_elem_bytes(t->elem, count, &bytes) || (uint64_t)bytes != data->u.blob.size)
        return infer_fail(in, "%zu bytes for %s", data->u.blob.size, ir_type_text(in->g, t));
    return LATHE_OK;
}

static lathe_status infer_values(const infer *in)
{
    const ir_attr *dims, *body;
    ir_elem elem;
    TRY(need(in, IR_KEY_dims, &dims));
    TRY(need(in, IR_KEY_body, &body));
    TRY(need_elem(in, &elem));
    TRY(set_type(in, elem, dims->u.dims, dims->n));
    const ir_type *t = ir_type_of(in->g, in->n->results[0]);
    if (!ir_dim_equals(in->g, ir_type_count(in->g, t), (int64_t)body->n))
        return infer_fail(in, "%zu values for %s", body->n, ir_type_text(in->g, t));
    return LATHE_OK;
}

/* ---- nests ---- */

static lathe_status infer_nest(const infer *in)
{
    const ir_attr *space;
    size_t parallel;
    ir_elem elem;
    TRY(need_nest(in, 1, &space, &parallel));
    TRY(need_elem(in, &elem));
    return set_type(in, elem, space->u.dims, parallel);
}

static lathe_status infer_attention(const infer *in)
{
    const ir_attr *space, *body;
    size_t parallel;
    ir_elem elem;
    TRY(need(in, IR_KEY_body, &body));
    TRY(need_nest(in, body->n, &space, &parallel));
    TRY(need_elem(in, &elem));
    return set_type(in, elem, space->u.dims, parallel);
}

/* The row axes stay, and so does the number of expressions, which the kinds decide (check.c). */
static lathe_status infer_row(const infer *in)
{
    const ir_attr *space, *body;
    size_t parallel;
    ir_elem elem;
    TRY(need(in, IR_KEY_body, &body));
    TRY(need_nest(in, body->n, &space, &parallel));
    TRY(need_elem(in, &elem));
    return set_type(in, elem, space->u.dims, space->n);
}

static lathe_status infer_arg_reduce(const infer *in)
{
    const ir_attr *space;
    size_t parallel;
    TRY(need_nest(in, 1, &space, &parallel));
    if (parallel + 1 != space->n)
        return infer_fail(in, "%zu reduced axes, expected 1", space->n - parallel);
    return set_type(in, IR_I64, space->u.dims, parallel);
}

static lathe_status infer_cumulate(const infer *in)
{
    const ir_attr *space;
    int axis;
    TRY(infer_nest(in));
    TRY(need(in, IR_KEY_space, &space));
    return need_axis(in, (int)space->n, &axis);
}

static lathe_status infer_scatter(const infer *in)
{
    const ir_attr *space;
    size_t parallel;
    const ir_type data = *operand(in, 0);
    TRY(need_nest(in, (size_t)data.rank + 1, &space, &parallel));
    return set_type(in, data.elem, data.dims, (size_t)data.rank);
}

static lathe_status infer_view(const infer *in)
{
    const ir_attr *space;
    size_t parallel;
    TRY(need_nest(in, 1, &space, &parallel));
    return set_type(in, operand(in, 0)->elem, space->u.dims, parallel);
}

/* ---- whole tensors ---- */

static lathe_status infer_reshape(const infer *in)
{
    const ir_attr *dims;
    TRY(need(in, IR_KEY_dims, &dims));
    const ir_type from = *operand(in, 0);
    TRY(set_type(in, from.elem, dims->u.dims, dims->n));
    const ir_type *to = ir_type_of(in->g, in->n->results[0]);
    ir_dim before = ir_type_count(in->g, &from), after = ir_type_count(in->g, to);
    if (before == IR_NONE || after == IR_NONE)
        return infer_fail(in, "%s is too large", ir_type_text(in->g, to));
    if (!ir_dim_require(in->g, before, after))
        return infer_fail(in, "%s cannot become %s, which has another number of elements",
                          ir_type_text(in->g, &from), ir_type_text(in->g, to));
    return LATHE_OK;
}

/* Adds t, operand k of a concat along axis, to the result's type. */
static lathe_status join(const infer *in, ir_type *sum, const ir_type *t, int axis, uint32_t k)
{
    if (t->elem != sum->elem || t->rank != sum->rank)
        return infer_fail(in, "operand %u is %s, operand 0 %s", k, ir_type_text(in->g, t),
                          ir_type_text(in->g, operand(in, 0)));
    for (int i = 0; i < t->rank; i++)
        if (i != axis && !ir_dim_require(in->g, sum->dims[i], t->dims[i]))
            return infer_fail(in, "axis %d of operand %u, %s, differs from operand 0, %s", i, k,
                              ir_type_text(in->g, t), ir_type_text(in->g, operand(in, 0)));
    sum->dims[axis] = ir_dim_add(in->g, sum->dims[axis], t->dims[axis]);
    return sum->dims[axis] == IR_NONE ? infer_fail(in, "axis %d is too large", axis) : LATHE_OK;
}

static lathe_status infer_concat(const infer *in)
{
    ir_type sum = *operand(in, 0);
    int axis;
    TRY(need_axis(in, sum.rank, &axis));
    for (uint32_t k = 1; k < in->n->noperands; k++) TRY(join(in, &sum, operand(in, k), axis, k));
    const ir_attr *capacity = ir_attr_find(in->n, IR_KEY_capacity);
    if (capacity) sum.dims[axis] = capacity->u.dims[0];
    return set_type(in, sum.elem, sum.dims, (size_t)sum.rank);
}

static lathe_status infer_rows(const infer *in)
{
    const ir_type t = *operand(in, 0);
    int axis;
    TRY(need_axis(in, t.rank, &axis));
    return set_type(in, t.elem, t.dims, (size_t)t.rank);
}

static lathe_status infer_window(const infer *in)
{
    const ir_attr *dims;
    TRY(need(in, IR_KEY_dims, &dims));
    const ir_type *x = operand(in, 0);
    if (dims->n != (size_t)x->rank)
        return infer_fail(in, "%zu dims of the result, operand 0 has %d", dims->n, x->rank);
    return set_type(in, x->elem, dims->u.dims, dims->n);
}

/* ---- effects and control ---- */

static lathe_status infer_bind(const infer *in)
{
    const ir_attr *syms;
    TRY(need(in, IR_KEY_syms, &syms));
    const ir_type *t = operand(in, 0);
    if (t->elem != IR_I64 || t->rank > 1)
        return infer_fail(in, "sizes are read from %s, expected a list of i64",
                          ir_type_text(in->g, t));
    return LATHE_OK;
}

static lathe_status infer_guard(const infer *in)
{
    const ir_attr *body;
    TRY(need(in, IR_KEY_body, &body));
    if (body->n != 1) return infer_fail(in, "%zu expressions, expected 1", body->n);
    return LATHE_OK;
}

static lathe_status need_scalar(const infer *in, uint32_t k, ir_elem elem, const char *what)
{
    if (in->n->operands[k] == IR_NONE) return infer_fail(in, "%s is missing", what);
    const ir_type *t = operand(in, k);
    if (t->elem != elem || !ir_dim_require(in->g, ir_type_count(in->g, t), ir_dim_const(in->g, 1)))
        return infer_fail(in, "%s is %s, expected one %s", what, ir_type_text(in->g, t),
                          ir_elem_name(elem));
    return LATHE_OK;
}

static lathe_status infer_if(const infer *in)
{
    TRY(need_scalar(in, 0, IR_BOOL, "the condition"));
    return infer_given(in);
}

static lathe_status infer_loop(const infer *in)
{
    TRY(need_scalar(in, 0, IR_I64, "the trip count"));
    TRY(need_scalar(in, 1, IR_BOOL, "the condition"));
    if (in->n->nresults + 2 < in->n->noperands)
        return infer_fail(in, "%u carried values, %u results", in->n->noperands - 2,
                          in->n->nresults);
    return infer_given(in);
}

/* ---- entry ---- */

typedef lathe_status (*infer_op)(const infer *);

static const infer_op table[IR_OP_COUNT] = {
    [IR_OP_CONST] = infer_const,
    [IR_OP_VALUES] = infer_values,
    [IR_OP_MAP] = infer_nest,
    [IR_OP_REDUCE] = infer_nest,
    [IR_OP_CONTRACT] = infer_nest,
    [IR_OP_ROW] = infer_row,
    [IR_OP_ATTENTION] = infer_attention,
    [IR_OP_ARG_REDUCE] = infer_arg_reduce,
    [IR_OP_CUMULATE] = infer_cumulate,
    [IR_OP_SCATTER] = infer_scatter,
    [IR_OP_VIEW] = infer_view,
    [IR_OP_RESHAPE] = infer_reshape,
    [IR_OP_CONCAT] = infer_concat,
    [IR_OP_SOFTMAX] = infer_rows,
    [IR_OP_NORM] = infer_rows,
    [IR_OP_CONV] = infer_window,
    [IR_OP_POOL] = infer_window,
    [IR_OP_BIND] = infer_bind,
    [IR_OP_GUARD] = infer_guard,
    [IR_OP_CALL] = infer_given,
    [IR_OP_IF] = infer_if,
    [IR_OP_LOOP] = infer_loop,
};

lathe_status ir_infer_node(ir_graph *g, ir_node_id id)
{
    infer in = {g, &g->nodes[id]};
    if ((unsigned)in.n->op >= IR_OP_COUNT || !table[in.n->op])
        return infer_fail(&in, "no such operator");
    return table[in.n->op](&in);
}
