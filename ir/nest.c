/* Nests: an iteration space, reads of values at explicit indices, and a body over them.
 *
 * In: values and index expressions; out: one node. A value is an operand once, however often it is
 * read. Invariant: every index made here lies inside the value for every run that satisfies the
 * recorded guards. A dim d read along an axis of size s, where neither d == s nor d == 1 is known,
 * gets the index i * (1 - eq(d, 1)): a stride of zero where d turns out to be 1. Elements that are
 * known already are used as they are, without a load. */
#include "ir/ir.h"

#include <string.h>

void ir_nest_begin(ir_nest *n, ir_builder *b, int rank, const ir_dim *space, int nred)
{
    *n = (ir_nest){.b = b, .rank = rank, .nred = nred};
    if (rank < 0 || rank > IR_MAX_SPACE || nred < 0 || nred > rank) {
        ir_fail(b, LATHE_LIMIT, IR_NONE, "%d axes to iterate over, expected at most %d", rank,
                IR_MAX_SPACE);
        n->failed = true;
        n->rank = n->nred = 0;
    }
    for (int i = 0; i < n->rank; i++) n->space[i] = space[i];
}

static void fail_read(ir_nest *n, ir_value v, const char *what)
{
    ir_graph *g = n->b->g;
    int rank = n->rank - n->nred;
    ir_type space =
        ir_type_make(ir_type_of(g, v)->elem, rank < IR_MAX_RANK ? rank : IR_MAX_RANK, n->space);
    ir_mismatch(n->b, v, ir_format(g->arena, "%s:", what), ir_type_text(g, ir_type_of(g, v)),
                ir_format(g->arena, "one that broadcasts to %s", ir_type_text(g, &space)));
    n->failed = true;
}

/* ---- broadcasting ---- */

/* How good a candidate for a result's dim is: a constant is never 1 here, a dim of at least 2 is
 * never repeated, a computed dim (past + sequence) rather is the size than a mask's symbol. */
static int merit(const ir_graph *g, ir_dim d)
{
    int64_t lo, hi, v;
    if (ir_dim_is_const(g, d, &v)) return 3;
    ir_dim_range(g, d, &lo, &hi);
    if (lo > 1) return 2;
    if (hi <= 1) return -1;
    return ir_dim_get(g, d)->kind != IR_DIM_SYM;
}

/* A size that is never more than 1 can only be the one that is repeated. */
static bool at_most_one(const ir_graph *g, ir_dim d)
{
    int64_t lo, hi;
    ir_dim_range(g, d, &lo, &hi);
    return hi <= 1;
}

static bool is_zero_or_one(const ir_graph *g, ir_dim d)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    return n->kind == IR_DIM_MIN && (ir_dim_equals(g, n->a, 1) || ir_dim_equals(g, n->b, 1));
}

/* A size that is not computed from others: a run may well set it to 1, and so it may where two of
 * them have met (ir_dims_meet). */
static bool is_free(const ir_graph *g, ir_dim d)
{
    ir_dim a, b;
    const ir_dim_node *n = ir_dim_get(g, d);
    return n->kind == IR_DIM_SYM ? g->syms[n->sym].lo <= 1 : ir_dims_met(g, d, &a, &b);
}

bool ir_dims_met(const ir_graph *g, ir_dim d, ir_dim *a, ir_dim *b)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    bool guarded = false, found = false;
    for (int i = 0; n->nterms == 1 && i < n->terms[0].natoms; i++) {
        const ir_dim_node *atom = ir_dim_get(g, n->terms[0].atoms[i]);
        guarded |= is_zero_or_one(g, n->terms[0].atoms[i]);
        if (atom->kind != IR_DIM_MAX) continue;
        *a = atom->a;
        *b = atom->b;
        found = true;
    }
    return guarded && found;
}

/* The larger one; but 1 and 0 broadcast to 0. */
ir_dim ir_dims_meet(ir_graph *g, ir_dim a, ir_dim b)
{
    ir_dim one = ir_dim_const(g, 1),
           some = ir_dim_mul(g, ir_dim_min(g, a, one), ir_dim_min(g, b, one));
    return ir_dim_mul(g, ir_dim_max(g, a, b), some);
}

/* The dim that two dims of one axis broadcast to; IR_NONE: they cannot. Two free ones may each be
 * the one that is repeated. Otherwise the computed one is taken for the size, which is a guess that
 * a guard checks: a choice between, say, past + sequence and a mask's own symbol would hide from
 * all that follows that they are equal. */
static ir_dim nest_merge(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == b || ir_dim_equals(g, b, 1)) return a;
    if (ir_dim_equals(g, a, 1)) return b;
    if (at_most_one(g, a) != at_most_one(g, b)) return at_most_one(g, a) ? b : a;
    if (is_free(g, a) && is_free(g, b)) return ir_dims_meet(g, a, b);
    int merit_a = merit(g, a), merit_b = merit(g, b);
    if (merit_a == 3 && merit_b == 3) return IR_NONE;
    return merit_b > merit_a ? b : a;
}

int ir_dims_broadcast(ir_graph *g, ir_dim *dims, int *rank, const ir_dim *other, int n)
{
    while (*rank < n) {
        memmove(dims + 1, dims, (size_t)*rank * sizeof *dims);
        dims[0] = ir_dim_const(g, 1);
        ++*rank;
    }
    for (int i = 0; i < n; i++) {
        ir_dim *d = &dims[*rank - n + i];
        if ((*d = nest_merge(g, *d, other[i])) == IR_NONE) return n - i;
    }
    return 0;
}

bool ir_nest_broadcast(ir_nest *n, ir_builder *b, const ir_value *v, size_t count, int *bad_axis)
{
    ir_dim dims[IR_MAX_RANK];
    int rank = 0;
    *bad_axis = 0;
    for (size_t i = 0; i < count && !*bad_axis; i++) {
        const ir_type *t = ir_type_of(b->g, v[i]);
        *bad_axis = ir_dims_broadcast(b->g, dims, &rank, t->dims, t->rank);
    }
    if (!*bad_axis) ir_nest_begin(n, b, rank, dims, 0);
    return !*bad_axis;
}

/* ---- reading ---- */

ir_expr ir_nest_index(ir_nest *n, int axis) { return ir_x_index(n->b->g, axis); }

static int operand_number(ir_nest *n, ir_value v)
{
    for (size_t i = 0; i < n->nargs; i++)
        if (n->args[i] == v) return (int)i;
    n->args = ir_grow(n->b->g->arena, n->args, &n->cap, n->nargs + 1, sizeof *n->args);
    n->args[n->nargs] = v;
    return (int)n->nargs++;
}

static ir_expr nest_load(ir_nest *n, ir_value v, const ir_expr *idx)
{
    ir_graph *g = n->b->g;
    const ir_type *t = ir_type_of(g, v);
    ir_elem arith = ir_elem_arith(t->elem);
    int rank = t->rank;
    for (int i = 0; i < rank; i++)
        if (idx[i] == IR_NONE) return IR_NONE;
    if (arith == IR_ELEM_NONE) return IR_NONE;
    n->elem = t->elem;
    return ir_x_load(g, arith, operand_number(n, v), idx, rank);
}

ir_expr ir_nest_load(ir_nest *n, ir_value v, const ir_expr *idx)
{
    if (v == IR_NONE) return IR_NONE;
    const ir_type *t = ir_type_of(n->b->g, v);
    ir_expr known = ir_content_at(n->b->g, v, idx, t->rank);
    if (known == IR_NONE) return nest_load(n, v, idx);
    n->elem = t->elem;
    return known;
}

/* The index into an axis of size d at this point of the space's axis; IR_NONE: it cannot fit. */
static ir_expr broadcast_index(ir_nest *n, ir_dim d, int axis)
{
    ir_graph *g = n->b->g;
    ir_dim one = ir_dim_const(g, 1), s = n->space[axis];
    if (d == one) return ir_x_int(g, IR_I64, 0);
    if (d == s) return ir_x_index(g, axis);
    ir_dim is_one = ir_dim_eq(g, d, one), is_same = ir_dim_eq(g, d, s);
    if (is_one == IR_NONE || is_same == IR_NONE) return IR_NONE;
    bool never_one = ir_dim_equals(g, is_one, 0), never_same = ir_dim_equals(g, is_same, 0);
    if (never_one && never_same) return IR_NONE;
    if (never_same) {
        ir_guard_add(g, d, one, false, IR_NONE);
        return ir_x_int(g, IR_I64, 0);
    }
    ir_guard_add(g, s, d, !never_one, IR_NONE);
    return ir_x_2(g, IR_X_MUL, ir_x_index(g, axis), ir_x_dim(g, ir_dim_sub(g, one, is_one)));
}

/* v's axes, right-aligned with the parallel ones; false after a message. */
static bool broadcast_indices(ir_nest *n, ir_value v, ir_expr *idx)
{
    const ir_type *t = ir_type_of(n->b->g, v);
    int lead = n->rank - n->nred - t->rank;
    if (n->failed) return false;
    if (lead < 0) {
        fail_read(n, v, "more axes than the result has");
        return false;
    }
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] == IR_NONE || n->space[lead + i] == IR_NONE) return false;
        idx[i] = broadcast_index(n, t->dims[i], lead + i);
        if (idx[i] == IR_NONE) {
            fail_read(n, v, "dims that do not broadcast");
            return false;
        }
    }
    return true;
}

ir_expr ir_nest_read(ir_nest *n, ir_value v)
{
    ir_expr idx[IR_MAX_RANK];
    if (v == IR_NONE || !broadcast_indices(n, v, idx)) return IR_NONE;
    return ir_nest_load(n, v, idx);
}

/* ---- ending ---- */

static const ir_attr *with_space(ir_nest *n, ir_attr *attrs, const ir_expr *body, size_t nbody)
{
    attrs[0] = ir_a_dims(n->b->g, IR_KEY_space, n->space, (size_t)n->rank);
    attrs[1] = ir_a_exprs(n->b->g, IR_KEY_body, body, nbody);
    return attrs;
}

/* attrs: two free places, which get space and body, then what the operator adds. */
static ir_value end(ir_nest *n, ir_op op, const ir_value *operands, size_t noperands,
                    ir_attr *attrs, size_t nattrs, const ir_expr *body, size_t nbody)
{
    if (n->failed) return IR_NONE;
    ir_node_id id = ir_node_new(n->b, op, operands, noperands, with_space(n, attrs, body, nbody),
                                nattrs, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : n->b->g->nodes[id].results[0];
}

static ir_attr elem_attr(ir_nest *n, ir_elem elem)
{
    return ir_a_str(n->b->g, IR_KEY_elem, ir_elem_name(elem));
}

ir_value ir_nest_map(ir_nest *n, ir_elem out, ir_expr body)
{
    ir_attr attrs[3] = {[2] = elem_attr(n, out)};
    return end(n, IR_OP_MAP, n->args, n->nargs, attrs, 3, &body, 1);
}

ir_value ir_nest_view(ir_nest *n, ir_expr body)
{
    ir_attr attrs[2];
    if (body == IR_NONE) return IR_NONE;
    if (ir_expr_get(n->b->g, body)->op != IR_X_LOAD) return ir_nest_map(n, n->elem, body);
    return end(n, IR_OP_VIEW, n->args, n->nargs, attrs, 2, &body, 1);
}

ir_value ir_nest_reduce(ir_nest *n, ir_op op, const char *kind, ir_elem out, ir_expr body)
{
    ir_graph *g = n->b->g;
    ir_attr attrs[5] = {[2] = elem_attr(n, out), [3] = ir_a_int(IR_KEY_nred, n->nred)};
    size_t nattrs = 4;
    if (op == IR_OP_CONTRACT && n->nargs == 0) { /* all factors were known */
        op = IR_OP_REDUCE;
        kind = "sum";
    }
    if (op != IR_OP_CONTRACT) attrs[nattrs++] = ir_a_str(g, IR_KEY_kind, kind);
    return end(n, op, n->args, n->nargs, attrs, nattrs, &body, 1);
}

ir_value ir_nest_arg(ir_nest *n, const char *kind, bool last, ir_expr body)
{
    ir_attr attrs[5] = {[2] = ir_a_str(n->b->g, IR_KEY_kind, kind),
                        [3] = ir_a_int(IR_KEY_last, last),
                        [4] = ir_a_int(IR_KEY_nred, n->nred)};
    return end(n, IR_OP_ARG_REDUCE, n->args, n->nargs, attrs, 5, &body, 1);
}

ir_value ir_nest_cumulate(ir_nest *n, const char *kind, int axis, bool exclusive, bool reverse,
                          ir_elem out, ir_expr body)
{
    ir_attr attrs[7] = {[2] = ir_a_str(n->b->g, IR_KEY_kind, kind),
                        [3] = ir_a_int(IR_KEY_axis, axis),
                        [4] = ir_a_int(IR_KEY_exclusive, exclusive),
                        [5] = ir_a_int(IR_KEY_reverse, reverse),
                        [6] = elem_attr(n, out)};
    return end(n, IR_OP_CUMULATE, n->args, n->nargs, attrs, 7, &body, 1);
}

/* ---- scatter ---- */

/* Operand 0 is the data, so what the nest counted from 0 counts from 1. */
static ir_expr next_operand(void *ctx, const ir_expr_node *l)
{
    return ir_x_load(ctx, l->type, (int)l->imm + 1, l->args, l->nargs);
}

ir_value ir_nest_scatter(ir_nest *n, const char *kind, ir_value data, ir_expr value,
                         const ir_expr *idx)
{
    ir_graph *g = n->b->g;
    if (data == IR_NONE) return IR_NONE;
    ir_expr body[IR_MAX_RANK + 1];
    ir_value *operands = IR_NEW_N(g->arena, ir_value, n->nargs + 1);
    ir_rewrite shift = {.ctx = g, .load = next_operand};
    int rank = ir_type_of(g, data)->rank;
    body[0] = ir_x_rewrite(g, value, &shift);
    for (int i = 0; i < rank; i++) body[i + 1] = ir_x_rewrite(g, idx[i], &shift);
    operands[0] = data;
    for (size_t i = 0; i < n->nargs; i++) operands[i + 1] = n->args[i];
    ir_attr attrs[3] = {[2] = ir_a_str(g, IR_KEY_kind, kind)};
    return end(n, IR_OP_SCATTER, operands, n->nargs + 1, attrs, 3, body, (size_t)rank + 1);
}
