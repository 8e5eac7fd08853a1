/* In: a graph; out: every violation of the invariants of docs/ir.md.
 *
 * One walk over the blocks in order. `defined` says which values and symbols are visible at the
 * point of the walk; what a region defines is taken back when it ends. A node is looked at by
 * ir_check_node first, and only if that finds nothing wrong is the rest of it trusted. */
#include "ir/check.h"
#include "ir/pool.h"
#include "ir/text.h"

#include <stdarg.h>
#include <string.h>

typedef struct verifier {
    ir_graph *g;
    ir_violation report;
    void *ctx;
    size_t violations;
    ir_node_id node;       /* being looked at */
    bool *values, *syms;   /* visible now */
    bool *nodes;           /* met in a block */
    ir_value *value_stack; /* what is visible, in order of definition */
    ir_sym *sym_stack;
    size_t nvalues, nsyms, cap_values, cap_syms;
} verifier;

static void verify_fail(verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void verify_fail(verifier *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    v->report(v->ctx, v->node, ir_vformat(v->g->arena, format, args));
    va_end(args);
    v->violations++;
}

/* ---- definitions ---- */

static void define_value(verifier *v, ir_value x)
{
    if (v->values[x]) verify_fail(v, "value %u is defined twice", x);
    v->values[x] = true;
    v->value_stack = ir_grow(v->g->arena, v->value_stack, &v->cap_values, v->nvalues + 1, sizeof x);
    v->value_stack[v->nvalues++] = x;
}

static void define_symbol(verifier *v, ir_sym s)
{
    if (v->syms[s]) return;
    v->syms[s] = true;
    v->sym_stack = ir_grow(v->g->arena, v->sym_stack, &v->cap_syms, v->nsyms + 1, sizeof s);
    v->sym_stack[v->nsyms++] = s;
}

static void leave_scope(verifier *v, size_t nvalues, size_t nsyms)
{
    while (v->nvalues > nvalues) v->values[v->value_stack[--v->nvalues]] = false;
    while (v->nsyms > nsyms) v->syms[v->sym_stack[--v->nsyms]] = false;
}

/* ---- symbols of dims ---- */

typedef void (*symbol_visit)(verifier *, ir_sym);

static void visit_symbols(verifier *v, ir_dim d, symbol_visit visit)
{
    const ir_dim_node *n = ir_dim_get(v->g, d);
    switch (n->kind) {
    case IR_DIM_CONST:
        return;
    case IR_DIM_SYM:
        visit(v, n->sym);
        return;
    case IR_DIM_SUM:
        for (int i = 0; i < n->nterms; i++)
            for (int j = 0; j < n->terms[i].natoms; j++)
                visit_symbols(v, n->terms[i].atoms[j], visit);
        return;
    default:
        visit_symbols(v, n->a, visit);
        visit_symbols(v, n->b, visit);
    }
}

static void need_symbol(verifier *v, ir_sym s)
{
    if (!v->syms[s])
        verify_fail(v, "symbol '%s' is used where it is not known",
                    ir_text(v->g, v->g->syms[s].name));
}

/* A region's own sizes are those of its parameters. */
static void own_symbol(verifier *v, ir_sym s)
{
    if (v->g->syms[s].kind == IR_SYM_REGION) define_symbol(v, s);
}

static void check_dim(verifier *v, ir_dim d, const char *where)
{
    if (d == IR_NONE || d >= v->g->pool->ndims) verify_fail(v, "%s: an unknown size", where);
    else visit_symbols(v, d, need_symbol);
}

static void check_type(verifier *v, ir_value x)
{
    const ir_type *t = ir_type_of(v->g, x);
    if (t->elem <= IR_ELEM_NONE || t->elem >= IR_ELEM_COUNT || t->rank < 0 ||
        t->rank > IR_MAX_RANK) {
        verify_fail(v, "value %u has no type", x);
        return;
    }
    for (int i = 0; i < t->rank; i++) check_dim(v, t->dims[i], "type");
}

static void check_expr_symbols(verifier *v, ir_memo *seen, ir_expr e)
{
    if (ir_memo_get(v->g->pool, seen, e)) return;
    ir_memo_put(v->g->pool, seen, e, 1);
    const ir_expr_node *n = ir_expr_get(v->g, e);
    if (n->op == IR_X_DIM) check_dim(v, (ir_dim)n->imm, "body");
    for (int i = 0; i < n->nargs; i++) check_expr_symbols(v, seen, n->args[i]);
}

/* ---- nodes ---- */

static void check_operands(verifier *v, const ir_node *n)
{
    for (uint32_t i = 0; i < n->noperands; i++)
        if (n->operands[i] != IR_NONE && !v->values[n->operands[i]])
            verify_fail(v, "operand %u is not visible here", i);
}

static void check_attr_symbols(verifier *v, const ir_attr *a)
{
    if (ir_key_kind(a->key) == IR_ATTR_DIMS)
        for (size_t i = 0; i < a->n; i++) check_dim(v, a->u.dims[i], ir_key_name(a->key));
    if (ir_key_kind(a->key) != IR_ATTR_EXPRS) return;
    ir_memo seen;
    ir_memo_begin(v->g->pool, &seen);
    for (size_t i = 0; i < a->n; i++) check_expr_symbols(v, &seen, a->u.exprs[i]);
    ir_memo_end(v->g->pool, &seen);
}

static void define_node_symbols(verifier *v, const ir_node *n)
{
    const ir_attr *syms = ir_attr_find(n, IR_KEY_syms);
    for (size_t i = 0; syms && i < syms->n; i++) {
        ir_sym s = syms->u.syms[i];
        if (s == IR_NONE || s >= v->g->nsyms || v->g->syms[s].kind != IR_SYM_DATA)
            verify_fail(v, "syms[%zu] is no data symbol", i);
        else if (v->syms[s])
            verify_fail(v, "symbol '%s' is defined twice", ir_text(v->g, v->g->syms[s].name));
        else define_symbol(v, s);
    }
}

static void check_content(verifier *v, ir_value x)
{
    const ir_value_info *info = &v->g->values[x];
    int64_t count;
    if (!info->content) return;
    if (!ir_type_static_count(v->g, &info->type, &count) || count != (int64_t)info->ncontent)
        verify_fail(v, "value %u: content of %u elements", x, info->ncontent);
    for (uint32_t i = 0; i < info->ncontent; i++) {
        if (!ir_x_is_closed(v->g, info->content[i]))
            verify_fail(v, "value %u: content is not closed", x);
        else if (ir_expr_get(v->g, info->content[i])->type != ir_elem_arith(info->type.elem))
            verify_fail(v, "value %u: content of another type", x);
    }
}

static void check_blob(verifier *v, const ir_node *n)
{
    const ir_type *t = ir_type_of(v->g, n->results[0]);
    int64_t count, size;
    if (!ir_type_static_count(v->g, t, &count)) verify_fail(v, "a constant with run-time sizes");
    else if (ir_elem_bytes(t->elem, count, &size) &&
             (uint64_t)size != ir_attr_find(n, IR_KEY_data)->u.blob.size)
        verify_fail(v, "%zu bytes for %s", ir_attr_find(n, IR_KEY_data)->u.blob.size,
                    ir_type_text(v->g, t));
}

/* The type in which the body's value is computed, against the result's element type. */
static void check_body_type(verifier *v, const ir_node *n)
{
    const ir_attr *body = ir_attr_find(n, IR_KEY_body), *end = ir_attr_find(n, IR_KEY_epilogue);
    if (!body || !body->n || n->nresults != 1 || n->op == IR_OP_ARG_REDUCE) return;
    const ir_attr *stored = end ? end : body;
    ir_elem want = ir_elem_arith(ir_type_of(v->g, n->results[0])->elem);
    bool last = !end && ir_op_is(n->op, IR_TRAIT_ROWS);
    ir_elem have = ir_expr_get(v->g, stored->u.exprs[last ? body->n - 1 : 0])->type;
    if (have != want)
        verify_fail(v, "a body of %s for elements computed in %s", ir_elem_name(have),
                    ir_elem_name(want));
}

/* What a pass said of the node, which a later one may have changed. */
static void check_roles(verifier *v, const ir_node *n)
{
    const char *wrong = n->nresults == 1 ? ir_roles_check(v->g, n) : NULL;
    if (wrong) verify_fail(v, "%s", wrong);
}

/* Inference writes the types into the values: they are put back. */
static void check_inferred(verifier *v, const ir_node *n)
{
    ir_graph *g = v->g;
    ir_type *declared = IR_NEW_N(g->arena, ir_type, n->nresults);
    size_t nguards = g->nguards;
    for (uint32_t i = 0; i < n->nresults; i++) declared[i] = *ir_type_of(g, n->results[i]);
    if (ir_infer_node(g, v->node) != LATHE_OK) verify_fail(v, "its types cannot be inferred");
    g->nguards = nguards;
    for (uint32_t i = 0; i < n->nresults; i++) {
        ir_type inferred = *ir_type_of(g, n->results[i]);
        g->values[n->results[i]].type = declared[i];
        if (!ir_type_equal(&inferred, &declared[i]))
            verify_fail(v, "result %u is %s, inferred %s", i, ir_type_text(g, &declared[i]),
                        ir_type_text(g, &inferred));
    }
}

static void check_result(verifier *v, const ir_node *n, uint32_t i)
{
    ir_value x = n->results[i];
    if (x == IR_NONE || x >= v->g->nvalues) {
        verify_fail(v, "result %u is no value", i);
        return;
    }
    const ir_value_info *info = &v->g->values[x];
    if (info->def != v->node || info->index != i || info->block != n->block)
        verify_fail(v, "result %u points elsewhere", i);
    check_type(v, x);
    check_content(v, x);
    define_value(v, x);
}

/* ---- regions ---- */

static bool alike(const verifier *v, ir_value a, ir_value b)
{
    const ir_type *s = ir_type_of(v->g, a), *t = ir_type_of(v->g, b);
    return s->elem == t->elem && s->rank == t->rank;
}

static void check_if(verifier *v, const ir_node *n)
{
    for (uint32_t r = 0; r < 2; r++) {
        const ir_block *b = &v->g->blocks[n->regions[r]];
        if (b->nparams != 0 || b->nresults != n->nresults)
            verify_fail(v, "region %u: wrong number of parameters or results", r);
        else
            for (uint32_t i = 0; i < n->nresults; i++)
                if (!alike(v, b->results[i], n->results[i]))
                    verify_fail(v, "region %u: result %u of another type", r, i);
    }
}

/* Body: (turn i64, condition bool, carried...) -> (condition bool, carried..., scan outputs...). */
static void check_loop(verifier *v, const ir_node *n)
{
    const ir_block *b = &v->g->blocks[n->regions[0]];
    uint32_t carried = n->noperands - 2;
    if (b->nparams != carried + 2 || n->nresults < carried || b->nresults != n->nresults + 1) {
        verify_fail(v, "wrong number of parameters or results of the body");
        return;
    }
    for (uint32_t i = 0; i < carried; i++)
        if (!alike(v, n->operands[i + 2], b->params[i + 2]) ||
            !alike(v, b->params[i + 2], b->results[i + 1]) ||
            !alike(v, b->params[i + 2], n->results[i]))
            verify_fail(v, "carried value %u changes its type", i);
    for (uint32_t i = carried; i < n->nresults; i++)
        if (ir_type_of(v->g, n->results[i])->rank != ir_type_of(v->g, b->results[i + 1])->rank + 1)
            verify_fail(v, "scan output %u must have one axis more than its turns", i);
}

static void check_block(verifier *v, ir_block_id id);

static void check_regions(verifier *v, ir_node_id id)
{
    const ir_node n = v->g->nodes[id];
    for (uint32_t i = 0; i < n.nregions; i++) {
        if (n.regions[i] <= 1 || n.regions[i] >= v->g->nblocks ||
            v->g->blocks[n.regions[i]].parent != id) {
            verify_fail(v, "region %u is no block of this node", i);
            return;
        }
        check_block(v, n.regions[i]);
        v->node = id;
    }
    if (n.op == IR_OP_IF) check_if(v, &n);
    if (n.op == IR_OP_LOOP) check_loop(v, &n);
}

static void check_node(verifier *v, ir_node_id id, ir_block_id block)
{
    v->node = id;
    if (v->nodes[id]) {
        verify_fail(v, "stands in two places");
        return;
    }
    v->nodes[id] = true;
    const ir_node *n = &v->g->nodes[id];
    const char *wrong = n->block != block ? "stands in another block" : ir_check_node(v->g, n);
    if (wrong) {
        verify_fail(v, "%s", wrong);
        return;
    }
    for (uint32_t i = 1; i < n->nattrs; i++)
        if (n->attrs[i - 1].key >= n->attrs[i].key) verify_fail(v, "attributes out of order");
    check_operands(v, n);
    for (uint32_t i = 0; i < n->nattrs; i++) check_attr_symbols(v, &n->attrs[i]);
    check_regions(v, id);
    define_node_symbols(v, n);
    for (uint32_t i = 0; i < n->nresults; i++) check_result(v, n, i);
    if (n->op == IR_OP_CONST) check_blob(v, n);
    check_body_type(v, n);
    check_roles(v, n);
    check_inferred(v, n);
}

static void check_block(verifier *v, ir_block_id id)
{
    const ir_block b = v->g->blocks[id];
    size_t nvalues = v->nvalues, nsyms = v->nsyms;
    for (size_t i = 0; i < b.nparams; i++) {
        const ir_type *t = ir_type_of(v->g, b.params[i]);
        for (int k = 0; k < t->rank && id != 1; k++)
            if (t->dims[k] != IR_NONE) visit_symbols(v, t->dims[k], own_symbol);
        check_type(v, b.params[i]);
        define_value(v, b.params[i]);
    }
    for (size_t i = 0; i < b.nnodes; i++)
        if (v->g->nodes[b.nodes[i]].op != IR_OP_NONE) check_node(v, b.nodes[i], id);
    v->node = b.parent;
    for (size_t i = 0; i < b.nresults; i++)
        if (b.results[i] == IR_NONE || b.results[i] >= v->g->nvalues || !v->values[b.results[i]])
            verify_fail(v, "result %zu of the region is not visible at its end", i);
    leave_scope(v, nvalues, nsyms);
}

/* ---- graph ---- */

static void check_symbols(verifier *v)
{
    for (size_t s = 1; s < v->g->nsyms; s++) {
        const ir_symbol *sym = &v->g->syms[s];
        if (sym->name == IR_NONE || ir_sym_find(v->g, ir_text(v->g, sym->name)) != s)
            verify_fail(v, "symbol %zu has no name of its own", s);
        bool negative = sym->lo < 0 && sym->kind != IR_SYM_DATA;
        if (negative || sym->lo > sym->hi)
            verify_fail(v, "symbol '%s' has an empty interval", ir_text(v->g, sym->name));
        if (sym->kind == IR_SYM_CAPACITY && sym->bound == IR_NONE)
            verify_fail(v, "capacity '%s' has no bound", ir_text(v->g, sym->name));
        if (sym->kind == IR_SYM_INPUT || sym->kind == IR_SYM_CAPACITY) v->syms[s] = true;
    }
}

/* The concat that makes a state's output of its input, or a wider form of the output of a narrower
 * one of the input. */
static bool continues(const ir_graph *g, const ir_state *s, ir_value in, ir_value out)
{
    ir_value held = ir_state_held(g, s);
    const ir_node *n = &g->nodes[g->values[held].def];
    if (n->op != IR_OP_CONCAT || ir_attr_int(n, IR_KEY_axis, 0) != s->axis ||
        !ir_attr_find(n, IR_KEY_capacity))
        return false;
    if (held == out) return n->operands[0] == in;
    const ir_node *narrows = &g->nodes[g->values[n->operands[0]].def];
    return ir_converts(g, &g->nodes[g->values[out].def]) && ir_converts(g, narrows) &&
           narrows->operands[0] == in;
}

static void check_states(verifier *v)
{
    const ir_graph *g = v->g;
    const ir_block *b = &g->blocks[1];
    v->node = IR_NONE;
    for (size_t i = 0; i < g->nstates; i++) {
        const ir_state *s = &g->states[i];
        if (s->input >= b->nparams || s->output >= b->nresults) {
            verify_fail(v, "state %zu has no such input or output", i);
            continue;
        }
        ir_value in = b->params[s->input], out = b->results[s->output];
        if (s->axis >= 0 ? !continues(g, s, in, out)
                         : !ir_type_equal(ir_type_of(g, in), ir_type_of(g, out)))
            verify_fail(v, "state %zu: output %u does not follow from input %u", i, s->output,
                        s->input);
    }
}

size_t ir_check_graph(ir_graph *g, ir_violation report, void *ctx)
{
    verifier v = {.g = g, .report = report, .ctx = ctx};
    v.values = IR_NEW_N(g->arena, bool, g->nvalues);
    v.syms = IR_NEW_N(g->arena, bool, g->nsyms);
    v.nodes = IR_NEW_N(g->arena, bool, g->nnodes);
    check_symbols(&v);
    check_block(&v, 1);
    check_states(&v);
    for (size_t i = 0; i < g->nguards; i++) {
        v.node = g->guards[i].node;
        if (g->guards[i].a == IR_NONE || g->guards[i].b == IR_NONE)
            verify_fail(&v, "guard %zu of an unknown size", i);
    }
    return v.violations;
}

static void report_to_diag(void *ctx, ir_node_id id, const char *text)
{
    ir_graph *g = ctx;
    diag_place place = {.file = ir_text(g, g->file)};
    if (id != IR_NONE) {
        const ir_node *n = &g->nodes[id];
        place.node = ir_text(g, n->name);
        place.op = n->origin != IR_NONE ? ir_text(g, n->origin) : ir_op_get(n->op)->name;
        text = ir_format(g->arena, "%s: %s", ir_op_get(n->op)->name, text);
    }
    diag_add(g->diag, LATHE_INTERNAL, &place, "%s", text);
}

lathe_status ir_verify(ir_graph *g)
{
    return ir_check_graph(g, report_to_diag, g) ? LATHE_INTERNAL : LATHE_OK;
}
