/* In: one node, its operands' types known, its results not looked at (it may not be built yet).
 * Out: what is wrong with it. A node that passes is safe to infer, evaluate, print and rewrite: its
 * attributes have the kinds and lengths that its operator reads, and every load and index of its
 * expressions exists. The table says which attributes an operator must have. */
#include "ir/check.h"
#include "ir/pool.h"

#include <stdarg.h>
#include <string.h>

#define BIT(key) (UINT64_C(1) << IR_KEY_##key)
_Static_assert(IR_KEY_COUNT <= 64, "a set of keys is one word");

static const uint64_t required[IR_OP_COUNT] = {
    [IR_OP_CONST] = BIT(data),
    [IR_OP_VALUES] = BIT(dims) | BIT(body) | BIT(elem),
    [IR_OP_MAP] = BIT(space) | BIT(body) | BIT(elem),
    [IR_OP_REDUCE] = BIT(space) | BIT(nred) | BIT(body) | BIT(kind) | BIT(elem),
    [IR_OP_CONTRACT] = BIT(space) | BIT(nred) | BIT(body) | BIT(elem),
    [IR_OP_ROW] = BIT(space) | BIT(nred) | BIT(body) | BIT(kind) | BIT(elem),
    [IR_OP_ATTENTION] = BIT(space) | BIT(nred) | BIT(body) | BIT(kind) | BIT(elem),
    [IR_OP_ARG_REDUCE] = BIT(space) | BIT(nred) | BIT(body) | BIT(kind),
    [IR_OP_CUMULATE] = BIT(space) | BIT(body) | BIT(kind) | BIT(axis) | BIT(elem),
    [IR_OP_SCATTER] = BIT(space) | BIT(body) | BIT(kind),
    [IR_OP_VIEW] = BIT(space) | BIT(body),
    [IR_OP_RESHAPE] = BIT(dims),
    [IR_OP_CONCAT] = BIT(axis),
    [IR_OP_SOFTMAX] = BIT(axis),
    [IR_OP_NORM] = BIT(axis) | BIT(kind) | BIT(eps),
    [IR_OP_CONV] = BIT(dims) | BIT(kernel) | BIT(strides) | BIT(pads) | BIT(dilations),
    [IR_OP_POOL] = BIT(kind) | BIT(dims) | BIT(kernel) | BIT(strides) | BIT(pads) | BIT(dilations),
    [IR_OP_BIND] = BIT(syms),
    [IR_OP_GUARD] = BIT(body),
    [IR_OP_CALL] = BIT(func),
};

bool ir_check_needs(ir_op op, ir_key key)
{
    return (unsigned)op < IR_OP_COUNT && (required[op] >> key & 1);
}

/* Members of the families; NULL: any kind. */
static const char *const kinds[IR_OP_COUNT] = {
    [IR_OP_REDUCE] = "sum prod max min and or",
    [IR_OP_ARG_REDUCE] = "max min",
    [IR_OP_CUMULATE] = "sum prod max min",
    [IR_OP_SCATTER] = "set sum prod max min",
    [IR_OP_NORM] = "layer rms",
    [IR_OP_CONV] = "transposed",
    [IR_OP_POOL] = "max avg",
};

typedef struct node_check {
    ir_graph *g;
    const ir_node *n;
    int rank;  /* of the space that its expressions range over */
    int naccs; /* reductions whose results they may use */
    ir_elem accs[IR_MAX_STAGES];
    ir_memo seen;
    const char *wrong;
} node_check;

static void check_fail(node_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void check_fail(node_check *c, const char *format, ...)
{
    va_list args;
    if (c->wrong) return;
    va_start(args, format);
    c->wrong = ir_vformat(c->g->arena, format, args);
    va_end(args);
}

static size_t attr_count(const node_check *c, ir_key key)
{
    const ir_attr *a = ir_attr_find(c->n, key);
    return a ? a->n : 0;
}

/* ---- counts and attributes ---- */

static bool in_range(int64_t n, int min, int max) { return n >= min && (max < 0 || n <= max); }

static const char *count_end(const node_check *c, const ir_op_info *info)
{
    if (info->operands_max < 0) return " or more";
    if (info->operands_max == info->operands_min) return "";
    return ir_format(c->g->arena, " to %d", info->operands_max);
}

static void check_counts(node_check *c)
{
    const ir_op_info *info = ir_op_get(c->n->op);
    if (!in_range(c->n->noperands, info->operands_min, info->operands_max))
        check_fail(c, "%u operands, expected %d%s", c->n->noperands, info->operands_min,
                   count_end(c, info));
    if (info->results >= 0 && c->n->nresults != (uint32_t)info->results)
        check_fail(c, "%u results, expected %d", c->n->nresults, info->results);
    if (c->n->nregions != (uint32_t)info->regions)
        check_fail(c, "%u regions, expected %d", c->n->nregions, info->regions);
    bool gaps = ir_op_is(c->n->op, IR_TRAIT_GAPS);
    for (uint32_t i = 0; i < c->n->noperands; i++) {
        ir_value v = c->n->operands[i];
        if (v >= c->g->nvalues) check_fail(c, "operand %u is no value of the graph", i);
        else if (v == IR_NONE && (!gaps || (int)i < info->operands_min))
            check_fail(c, "operand %u is absent", i);
    }
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; n && (at = strstr(at, word)); at++)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

static void check_kind(node_check *c)
{
    const char *list = kinds[c->n->op], *kind = ir_attr_str(c->g, c->n, IR_KEY_kind);
    if (!list || has_word(list, kind)) return;
    if (*kind || (required[c->n->op] & BIT(kind)))
        check_fail(c, "kind \"%s\" is none of: %s", kind, list);
}

/* A const of no elements has an empty list; otherwise NULL lists have no entries. */
static void check_attrs(node_check *c)
{
    uint64_t found = 0, missing;
    for (uint32_t i = 0; i < c->n->nattrs; i++) {
        const ir_attr *a = &c->n->attrs[i];
        if (a->key <= IR_KEY_NONE || a->key >= IR_KEY_COUNT)
            check_fail(c, "attribute %u has no name", i);
        else found |= UINT64_C(1) << a->key;
        if (ir_key_kind(a->key) == IR_ATTR_DIMS)
            for (size_t k = 0; k < a->n; k++)
                if (a->u.dims[k] == IR_NONE)
                    check_fail(c, "attribute %s has an unknown size", ir_key_name(a->key));
    }
    missing = required[c->n->op] & ~found;
    if (missing)
        check_fail(c, "attribute %s is missing", ir_key_name((ir_key)__builtin_ctzll(missing)));
    if (!c->wrong) check_kind(c);
}

/* ---- expressions ---- */

bool ir_check_affine(const ir_graph *g, ir_expr e)
{
    if (ir_x_is_closed(g, e)) return true;
    const ir_expr_node *n = ir_expr_get(g, e);
    switch (n->op) {
    case IR_X_INDEX:
        return true;
    case IR_X_NEG:
        return ir_check_affine(g, n->args[0]);
    case IR_X_ADD:
    case IR_X_SUB:
        return ir_check_affine(g, n->args[0]) && ir_check_affine(g, n->args[1]);
    case IR_X_MUL:
        return (ir_x_is_closed(g, n->args[0]) && ir_check_affine(g, n->args[1])) ||
               (ir_x_is_closed(g, n->args[1]) && ir_check_affine(g, n->args[0]));
    default:
        return false;
    }
}

static void check_load_expr(node_check *c, const ir_expr_node *x)
{
    if (x->imm < 0 || x->imm >= c->n->noperands || c->n->operands[x->imm] == IR_NONE) {
        check_fail(c, "$%lld is loaded, but that operand is absent", (long long)x->imm);
        return;
    }
    const ir_type *t = ir_type_of(c->g, c->n->operands[x->imm]);
    if (x->nargs != t->rank)
        check_fail(c, "$%lld has %d indices, expected %d", (long long)x->imm, x->nargs, t->rank);
    if (x->type != ir_elem_arith(t->elem) || x->type == IR_ELEM_NONE)
        check_fail(c, "$%lld is loaded as %s, expected %s", (long long)x->imm,
                   ir_elem_name(x->type), ir_elem_name(ir_elem_arith(t->elem)));
}

/* Types of arguments are the constructors' business; what depends on the node is checked here. */
static void check_expr(node_check *c, ir_expr e)
{
    if (c->wrong || ir_memo_get(c->g->pool, &c->seen, e)) return;
    ir_memo_put(c->g->pool, &c->seen, e, 1);
    const ir_expr_node *x = ir_expr_get(c->g, e);
    for (int i = 0; i < x->nargs; i++) check_expr(c, x->args[i]);
    if (x->op == IR_X_LOAD) check_load_expr(c, x);
    if (x->op == IR_X_INDEX && (x->imm < 0 || x->imm >= c->rank))
        check_fail(c, "index i%lld in a space of %d axes", (long long)x->imm, c->rank);
    if (x->op == IR_X_ACC && (x->imm < 0 || x->imm >= c->naccs))
        check_fail(c, "acc%lld behind %d reductions", (long long)x->imm, c->naccs);
    else if (x->op == IR_X_ACC && x->type != c->accs[x->imm])
        check_fail(c, "acc%lld as %s", (long long)x->imm, ir_elem_name(x->type));
}

/* How many of the expressions are reduced, so that those behind them may use the results. */
static size_t reductions_in(const ir_node *n, const ir_attr *body)
{
    size_t others = n->op == IR_OP_ROW ? 1 : n->op == IR_OP_ATTENTION ? 2 : body->n;
    return body->n > others ? body->n - others : 0;
}

static void check_body(node_check *c, const ir_attr *body)
{
    size_t reduced = body->key == IR_KEY_body ? reductions_in(c->n, body) : 0;
    ir_memo_begin(c->g->pool, &c->seen);
    for (size_t i = 0; i < body->n && !c->wrong; i++) {
        if (body->u.exprs[i] == IR_NONE || body->u.exprs[i] >= c->g->pool->nexprs)
            check_fail(c, "expression %zu of the body is missing", i);
        else check_expr(c, body->u.exprs[i]);
        if (!c->wrong && i < reduced)
            c->accs[c->naccs++] = ir_expr_get(c->g, body->u.exprs[i])->type;
    }
    ir_memo_end(c->g->pool, &c->seen);
}

static ir_elem body_type(const node_check *c, size_t i)
{
    return ir_expr_get(c->g, ir_attr_find(c->n, IR_KEY_body)->u.exprs[i])->type;
}

/* ---- operators ---- */

static void check_space(node_check *c)
{
    int64_t nred = ir_attr_int(c->n, IR_KEY_nred, 0), axis = ir_attr_int(c->n, IR_KEY_axis, 0);
    bool row = c->n->op == IR_OP_ROW, attention = c->n->op == IR_OP_ATTENTION;
    size_t rank = attr_count(c, IR_KEY_space);
    bool reduces = ir_op_is(c->n->op, IR_TRAIT_SUMS);
    if (rank > IR_MAX_SPACE)
        check_fail(c, "a space of %zu axes, expected at most %d", rank, IR_MAX_SPACE);
    if (nred < 0 || nred > (int64_t)rank || (nred && !reduces))
        check_fail(c, "%lld reduced axes, expected 0 to %zu", (long long)nred, reduces ? rank : 0);
    if (c->n->op != IR_OP_SCATTER && (int64_t)rank - (row ? 0 : nred) > IR_MAX_RANK)
        check_fail(c, "a result of %lld axes, expected at most %d",
                   (long long)rank - (row ? 0 : nred), IR_MAX_RANK);
    if (row && nred < 1) check_fail(c, "a row needs an axis (nred=1 or more)");
    if (attention && nred != 2) check_fail(c, "two axes must be reduced");
    if (c->n->op == IR_OP_ARG_REDUCE && nred != 1) check_fail(c, "one axis must be reduced");
    if (c->n->op == IR_OP_CUMULATE && (axis < 0 || axis >= (int64_t)rank))
        check_fail(c, "axis %lld, expected 0 to %lld", (long long)axis, (long long)rank - 1);
}

/* The comma-separated kinds of a row's reductions. */
static size_t check_row_kinds(node_check *c)
{
    size_t n = 0;
    for (const char *at = ir_attr_str(c->g, c->n, IR_KEY_kind); *at; n++) {
        size_t length = strcspn(at, ",");
        const char *word = ir_format(c->g->arena, "%.*s", (int)length, at);
        if (!has_word(kinds[IR_OP_REDUCE], word))
            check_fail(c, "kind \"%s\" is none of: %s", word, kinds[IR_OP_REDUCE]);
        at += length + (at[length] == ',');
    }
    size_t most = c->n->op == IR_OP_ROW ? IR_MAX_STAGES : IR_MAX_STAGES - 1;
    if (n < 1 || n > most) check_fail(c, "%zu reductions, expected 1 to %zu", n, most);
    return n;
}

/* What stands in place of the reduced value: at the parallel axes, with acc0. */
static void check_epilogue(node_check *c, const ir_attr *body)
{
    const ir_attr *end = ir_attr_find(c->n, IR_KEY_epilogue);
    if (!end || c->wrong) return;
    if (!ir_op_is(c->n->op, IR_TRAIT_ACCUMULATES))
        check_fail(c, "an epilogue, which %s does not have", ir_op_get(c->n->op)->name);
    if (end->n != 1) check_fail(c, "%zu expressions in the epilogue, 1 needed", end->n);
    c->rank -= (int)ir_attr_int(c->n, IR_KEY_nred, 0);
    c->naccs = 1;
    c->accs[0] = ir_expr_get(c->g, body->u.exprs[0])->type;
    check_body(c, end);
}

static void check_nest(node_check *c)
{
    check_space(c);
    if (c->wrong) return;
    c->rank = (int)attr_count(c, IR_KEY_space);
    size_t want = 1;
    if (c->n->op == IR_OP_SCATTER) want += (size_t)ir_type_of(c->g, c->n->operands[0])->rank;
    bool rows = ir_op_is(c->n->op, IR_TRAIT_ROWS);
    if (rows) want += check_row_kinds(c);
    if (c->n->op == IR_OP_ATTENTION) want += 2;
    const ir_attr *body = ir_attr_find(c->n, IR_KEY_body);
    if (body->n != want) check_fail(c, "%zu expressions in the body, %zu needed", body->n, want);
    check_body(c, body);
    check_epilogue(c, body);
    if (!c->wrong && c->n->op == IR_OP_ATTENTION) {
        ir_attention form;
        c->wrong = ir_attention_form(c->g, c->n, &form);
    }
    for (size_t i = 1; i < want && !c->wrong && !rows; i++)
        if (body_type(c, i) != IR_I64)
            check_fail(c, "index %zu of the body is %s, expected i64", i - 1,
                       ir_elem_name(body_type(c, i)));
    if (c->wrong || c->n->op != IR_OP_VIEW) return;
    const ir_expr_node *load = ir_expr_get(c->g, body->u.exprs[0]);
    if (load->op != IR_X_LOAD) check_fail(c, "the body must be a load");
    for (int i = 0; i < load->nargs && !c->wrong; i++)
        if (!ir_check_affine(c->g, load->args[i])) check_fail(c, "index %d is not affine", i);
}

static void check_values(node_check *c)
{
    const ir_attr *body = ir_attr_find(c->n, IR_KEY_body), *dims = ir_attr_find(c->n, IR_KEY_dims);
    int64_t count = 1, d;
    c->rank = 0;
    for (size_t i = 0; i < dims->n; i++)
        if (!ir_dim_is_const(c->g, dims->u.dims[i], &d) || d < 0 ||
            __builtin_mul_overflow(count, d, &count))
            check_fail(c, "size %zu of dims is no constant, or they are too many", i);
    if (dims->n > IR_MAX_RANK || (size_t)count != body->n)
        check_fail(c, "%zu elements, the dims say %lld", body->n, (long long)count);
    check_body(c, body);
    for (size_t i = 1; i < body->n && !c->wrong; i++)
        if (body_type(c, i) != body_type(c, 0))
            check_fail(c, "element %zu is %s, element 0 %s", i, ir_elem_name(body_type(c, i)),
                       ir_elem_name(body_type(c, 0)));
}

static void check_guard(node_check *c)
{
    const ir_attr *body = ir_attr_find(c->n, IR_KEY_body);
    c->rank = ir_type_of(c->g, c->n->operands[0])->rank;
    if (body->n != 1) check_fail(c, "%zu expressions in the body, 1 needed", body->n);
    check_body(c, body);
    if (!c->wrong && body_type(c, 0) != IR_BOOL)
        check_fail(c, "the condition is %s, expected bool", ir_elem_name(body_type(c, 0)));
}

static ir_elem operand_arith(const node_check *c, uint32_t i)
{
    return ir_elem_arith(ir_type_of(c->g, c->n->operands[i])->elem);
}

static void check_axis(node_check *c)
{
    if (c->n->op != IR_OP_CONCAT && !ir_elem_is_float(operand_arith(c, 0)))
        check_fail(c, "operand 0 is of %s, expected floats",
                   ir_elem_name(ir_type_of(c->g, c->n->operands[0])->elem));
    int64_t axis = ir_attr_int(c->n, IR_KEY_axis, 0);
    if (axis < 0 || axis >= ir_type_of(c->g, c->n->operands[0])->rank)
        check_fail(c, "axis %lld, expected 0 to %d", (long long)axis,
                   ir_type_of(c->g, c->n->operands[0])->rank - 1);
}

static bool all_positive(const ir_attr *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->u.ints[i] <= 0) return false;
    return true;
}

/* conv and pool: everything is per spatial axis; axes 0 and 1 are batch and channels. */
static void check_window(node_check *c)
{
    const ir_type *x = ir_type_of(c->g, c->n->operands[0]);
    size_t spatial = x->rank < 2 ? 0 : (size_t)x->rank - 2;
    const ir_attr *strides = ir_attr_find(c->n, IR_KEY_strides),
                  *dilations = ir_attr_find(c->n, IR_KEY_dilations);
    if (x->rank < 2 || attr_count(c, IR_KEY_dims) != (size_t)x->rank)
        check_fail(c, "%zu dims for an operand of rank %d, expected as many and 2 or more",
                   attr_count(c, IR_KEY_dims), x->rank);
    if (attr_count(c, IR_KEY_kernel) != spatial || strides->n != spatial ||
        dilations->n != spatial || attr_count(c, IR_KEY_pads) != 2 * spatial)
        check_fail(c,
                   "kernel, strides and dilations have %zu, %zu and %zu entries and pads %zu, "
                   "expected %zu "
                   "and twice that",
                   attr_count(c, IR_KEY_kernel), strides->n, dilations->n,
                   attr_count(c, IR_KEY_pads), spatial);
    if (!c->wrong && (!all_positive(strides) || !all_positive(dilations)))
        check_fail(c, "a stride or dilation is less than 1");
    for (uint32_t i = 1; i < c->n->noperands; i++) {
        if (ir_type_of(c->g, c->n->operands[i])->rank != (i == 1 ? x->rank : 1))
            check_fail(c, "operand %u has rank %d, expected %d", i,
                       ir_type_of(c->g, c->n->operands[i])->rank, i == 1 ? x->rank : 1);
        if (operand_arith(c, i) != operand_arith(c, 0))
            check_fail(c, "operand %u is of %s, operand 0 of %s", i,
                       ir_elem_name(operand_arith(c, i)), ir_elem_name(operand_arith(c, 0)));
    }
    if (operand_arith(c, 0) == IR_ELEM_NONE || operand_arith(c, 0) == IR_BOOL)
        check_fail(c, "operand 0 is of %s, expected numbers", ir_elem_name(x->elem));
    if (ir_attr_int(c->n, IR_KEY_group, 1) < 1)
        check_fail(c, "group is %lld, expected 1 or more",
                   (long long)ir_attr_int(c->n, IR_KEY_group, 1));
}

static void check_operator(node_check *c)
{
    switch (c->n->op) {
    case IR_OP_VALUES:
        check_values(c);
        break;
    case IR_OP_GUARD:
        check_guard(c);
        break;
    case IR_OP_CONCAT:
        check_axis(c);
        if (ir_attr_find(c->n, IR_KEY_capacity) && attr_count(c, IR_KEY_capacity) != 1)
            check_fail(c, "%zu capacities, expected one", attr_count(c, IR_KEY_capacity));
        break;
    case IR_OP_SOFTMAX:
    case IR_OP_NORM:
        check_axis(c);
        break;
    case IR_OP_CONV:
    case IR_OP_POOL:
        check_window(c);
        break;
    case IR_OP_RESHAPE:
        if (attr_count(c, IR_KEY_dims) > IR_MAX_RANK)
            check_fail(c, "a result of %zu axes, expected at most %d", attr_count(c, IR_KEY_dims),
                       IR_MAX_RANK);
        break;
    default:
        if (ir_op_is(c->n->op, IR_TRAIT_NEST)) check_nest(c);
        break;
    }
}

const char *ir_check_node(ir_graph *g, const ir_node *n)
{
    node_check c = {.g = g, .n = n};
    if (n->op <= IR_OP_NONE || n->op >= IR_OP_COUNT) return "no operator";
    check_counts(&c);
    if (!c.wrong) check_attrs(&c);
    if (!c.wrong) check_operator(&c);
    return c.wrong;
}
