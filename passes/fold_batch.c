/* The second half of fold: all nodes that depend on constants alone are computed together, by code.
 *
 * In: a graph, and a function that compiles a graph for this machine and runs it. Out: a constant
 * for each result that something which stays reads. The nodes are taken out as a graph of their
 * own, whose parameters are the constants; it shares the pool, so that all ids stay what they are.
 * Not replaced: what would take more memory than the constants that it makes superfluous (a little
 * is free), what costs no more than reading it, and what is read through a dequantisation, whose
 * codes are the better form. A fault belongs to the run: then nothing with checks is computed. */
#include <string.h>

#include "passes/fold.h"
#include "passes/rewrite.h"

enum { MOST_GROWTH = 65536, MOST_BYTES = 1 << 28, MOST_POINTS = 1 << 28, CHEAP_WORK = 8 };

typedef struct batch {
    ir_graph *g;
    bool checks;           /* nodes that might fault take part */
    bool has_checks;       /* some do */
    bool *constant;        /* by value: depends on constants alone */
    bool *decoded;         /* by value: made from the result of a dequantisation */
    bool *stays;           /* by value: read by what stays whatever is chosen */
    bool *needed;          /* by value: read by what stays */
    int64_t *room;         /* by value, of constants that may go: bytes not yet used up */
    uint32_t *seen, stamp; /* by value: the root that reached it last */
    ir_node_id *nodes;     /* that depend on constants alone, in order */
    size_t nnodes, cap_nodes;
    ir_value *roots; /* that become constants */
    size_t nroots, cap_roots;
    void **bytes; /* by root */
} batch;

/* ---- what depends on constants alone ---- */

static const bool computes[IR_OP_COUNT] = {
    [IR_OP_MAP] = true,    [IR_OP_VIEW] = true,       [IR_OP_RESHAPE] = true,
    [IR_OP_CONCAT] = true, [IR_OP_REDUCE] = true,     [IR_OP_CONTRACT] = true,
    [IR_OP_ROW] = true,    [IR_OP_ARG_REDUCE] = true, [IR_OP_CUMULATE] = true,
    [IR_OP_NORM] = true,   [IR_OP_SOFTMAX] = true,    [IR_OP_SCATTER] = true,
    [IR_OP_CONV] = true,   [IR_OP_POOL] = true,
};

static int64_t fold_batch_bytes_of(const ir_graph *g, ir_value v)
{
    const ir_type *t = ir_type_of(g, v);
    int64_t count, bytes;
    return fold_static_count(g, t->dims, t->rank, NULL, &count) &&
                   ir_elem_arith(t->elem) != IR_ELEM_NONE && ir_elem_bytes(t->elem, count, &bytes)
               ? bytes
               : -1;
}

static ir_dim note_dim(void *ctx, ir_dim d)
{
    (void)d;
    *(bool *)ctx = true;
    return IR_NONE;
}

static bool has_sizes(ir_graph *g, const ir_attr *a)
{
    bool found = false;
    const ir_rewrite hooks = {.ctx = &found, .dim = note_dim};
    for (size_t k = 0; k < a->n; k++) ir_x_rewrite(g, a->u.exprs[k], &hooks);
    return found;
}

/* No size of the node is known at run time only, and it may be computed here. */
static bool is_static(batch *b, const ir_node *n, bool *checks)
{
    ir_graph *g = b->g;
    for (uint32_t i = 0; i < n->nattrs; i++) {
        const ir_attr *a = &n->attrs[i];
        ir_attr_kind kind = ir_key_kind(a->key);
        int64_t points;
        if (kind == IR_ATTR_SYMS && a->n) return false;
        if (kind == IR_ATTR_DIMS &&
            (!fold_static_count(g, a->u.dims, (int)a->n, NULL, &points) || points > MOST_POINTS))
            return false;
        if (kind != IR_ATTR_EXPRS) continue;
        if (has_sizes(g, a)) return false;
        *checks |= ir_x_measure(g, a->u.exprs, a->n).checks;
    }
    return true;
}

/* Codes become numbers: floats made from narrower integers, not one for all. */
static bool is_dequantisation(const ir_graph *g, const ir_node *n)
{
    ir_elem to = ir_type_of(g, n->results[0])->elem;
    if (!ir_elem_is_float(to)) return false;
    for (uint32_t i = 0; i < n->noperands; i++) {
        if (!n->operands[i]) continue;
        ir_elem from = ir_type_of(g, n->operands[i])->elem;
        bool codes = ir_elem_is_int(from) || (ir_elem_is_float(from) && ir_elem_bits(from) <= 8);
        if (codes && ir_elem_bits(from) < ir_elem_bits(to) &&
            fold_batch_bytes_of(g, n->operands[i]) * 8 > ir_elem_bits(from))
            return true;
    }
    return false;
}

static bool depends_on_constants(batch *b, const ir_node *n)
{
    bool checks = false;
    if (!computes[n->op]) return false;
    for (uint32_t i = 0; i < n->noperands; i++)
        if (n->operands[i] && !b->constant[n->operands[i]]) return false;
    int64_t bytes = fold_batch_bytes_of(b->g, n->results[0]);
    if (bytes < 0 || bytes > MOST_BYTES || !is_static(b, n, &checks)) return false;
    if (checks && !b->checks) return false;
    b->has_checks |= checks;
    return true;
}

static void mark(bool *set, const ir_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) set[values[i]] = true;
}

static void visit_node(batch *b, ir_node_id id)
{
    const ir_node *n = &b->g->nodes[id];
    if (n->op == IR_OP_CONST) {
        b->constant[n->results[0]] = fold_batch_bytes_of(b->g, n->results[0]) >= 0;
        return;
    }
    if (!depends_on_constants(b, n)) {
        mark(b->stays, n->operands, n->noperands);
        return;
    }
    ir_value v = n->results[0];
    b->constant[v] = true;
    b->decoded[v] = is_dequantisation(b->g, n);
    for (uint32_t i = 0; i < n->noperands; i++) b->decoded[v] |= b->decoded[n->operands[i]];
    b->nodes = ir_grow(b->g->arena, b->nodes, &b->cap_nodes, b->nnodes + 1, sizeof id);
    b->nodes[b->nnodes++] = id;
}

static void visit_block(batch *b, ir_block_id id)
{
    const ir_block *block = &b->g->blocks[id];
    for (size_t i = 0; i < block->nnodes; i++) {
        const ir_node *n = &b->g->nodes[block->nodes[i]];
        visit_node(b, block->nodes[i]);
        for (uint32_t r = 0; r < n->nregions; r++) visit_block(b, n->regions[r]);
    }
    mark(b->stays, block->results, block->nresults);
}

/* ---- what becomes a constant ---- */

/* Calls on each constant that v is made from, once. */
static void each_source(batch *b, ir_value v, void (*call)(batch *, ir_value, int64_t *),
                        int64_t *sum)
{
    if (v == IR_NONE || b->seen[v] == b->stamp) return;
    b->seen[v] = b->stamp;
    if (fold_blob_of(b->g, v)) {
        call(b, v, sum);
        return;
    }
    const ir_node *n = &b->g->nodes[b->g->values[v].def];
    for (uint32_t i = 0; i < n->noperands; i++) each_source(b, n->operands[i], call, sum);
}

static void add_room(batch *b, ir_value v, int64_t *sum) { *sum += b->room[v]; }

static void use_room(batch *b, ir_value v, int64_t *left)
{
    int64_t used = *left < b->room[v] ? *left : b->room[v];
    b->room[v] -= used;
    *left -= used;
}

/* Moving elements or a few operations: worth storing only where its operands are no less. */
static bool is_cheap(batch *b, const ir_node *n)
{
    if (ir_op_is(n->op, IR_TRAIT_VIEW)) return true;
    if (n->op != IR_OP_MAP) return false;
    const ir_attr *body = ir_attr_find(n, IR_KEY_body);
    ir_x_cost cost = ir_x_measure(b->g, body->u.exprs, body->n);
    return cost.work <= CHEAP_WORK && cost.loads <= 1;
}

static bool is_worthwhile(batch *b, const ir_node *n)
{
    int64_t bytes = fold_batch_bytes_of(b->g, n->results[0]), read = 0, room = MOST_GROWTH;
    if (b->decoded[n->results[0]]) return false;
    for (uint32_t i = 0; i < n->noperands; i++)
        if (n->operands[i]) read += fold_batch_bytes_of(b->g, n->operands[i]);
    if (bytes > read && is_cheap(b, n)) return false;
    b->stamp++;
    each_source(b, n->results[0], add_room, &room);
    if (bytes > room) return false;
    b->stamp++;
    each_source(b, n->results[0], use_room, &bytes);
    return true;
}

/* From the last to the first: what stays needs its operands. */
static void fold_batch_choose(batch *b)
{
    ir_graph *g = b->g;
    b->nroots = 0;
    memcpy(b->needed, b->stays, g->nvalues * sizeof *b->needed);
    for (size_t v = 1; v < g->nvalues; v++)
        if (b->constant[v] && fold_blob_of(g, (ir_value)v))
            b->room[v] = b->stays[v] ? 0 : fold_batch_bytes_of(g, (ir_value)v);
    for (size_t i = b->nnodes; i-- > 0;) {
        const ir_node *n = &g->nodes[b->nodes[i]];
        if (!b->needed[n->results[0]]) continue;
        if (is_worthwhile(b, n)) {
            b->roots = ir_grow(g->arena, b->roots, &b->cap_roots, b->nroots + 1, sizeof *b->roots);
            b->roots[b->nroots++] = n->results[0];
        } else {
            mark(b->needed, n->operands, n->noperands);
        }
    }
}

/* Constants that turn out to stay make no room: once more, without counting on them. */
static void choose_roots(batch *b)
{
    bool again = true;
    while (again) {
        fold_batch_choose(b);
        again = false;
        for (size_t v = 1; v < b->g->nvalues; v++) {
            if (!b->needed[v] || b->stays[v] || !fold_blob_of(b->g, (ir_value)v)) continue;
            again = b->stays[v] = true;
        }
    }
}

/* ---- the graph of its own ---- */

/* A graph with the same ids, but nothing in it. */
static ir_graph *shell_of(const ir_graph *g)
{
    ir_graph *s = ir_graph_part(g);
    s->values = ir_copy(g->arena, g->values, g->nvalues, sizeof *g->values);
    s->nodes = IR_NEW_N(g->arena, ir_node, g->nnodes);
    s->nvalues = s->cap_values = g->nvalues;
    s->nnodes = s->cap_nodes = g->nnodes;
    return s;
}

static void add_parameter(ir_graph *s, ir_value v)
{
    ir_block *body = &s->blocks[1];
    ir_value_info *info = &s->values[v];
    body->params = ir_grow(s->arena, body->params, &body->cap_params, body->nparams + 1, sizeof v);
    info->def = IR_NONE;
    info->block = 1;
    info->index = (uint32_t)body->nparams;
    body->params[body->nparams++] = v;
}

static void add_node(const batch *b, ir_graph *s, ir_node_id id)
{
    ir_block *body = &s->blocks[1];
    ir_node n = b->g->nodes[id];
    n.block = 1;
    n.operands = ir_copy(s->arena, n.operands, n.noperands, sizeof *n.operands);
    s->nodes[id] = n;
    s->values[n.results[0]].block = 1;
    for (uint32_t i = 0; i < n.noperands; i++)
        if (s->values[n.operands[i]].def && fold_blob_of(b->g, n.operands[i]))
            add_parameter(s, n.operands[i]);
    body->nodes = ir_grow(s->arena, body->nodes, &body->cap_nodes, body->nnodes + 1, sizeof id);
    body->nodes[body->nnodes++] = id;
}

/* What the roots are made from, in order. */
static ir_graph *make_graph(batch *b)
{
    ir_graph *s = shell_of(b->g);
    bool *wanted = IR_NEW_N(b->g->arena, bool, b->g->nvalues);
    for (size_t i = 0; i < b->nroots; i++) {
        wanted[b->roots[i]] = true;
        ir_output(s, b->roots[i], "");
    }
    for (size_t i = b->nnodes; i-- > 0;) {
        const ir_node *n = &b->g->nodes[b->nodes[i]];
        for (uint32_t k = 0; wanted[n->results[0]] && k < n->noperands; k++)
            wanted[n->operands[k]] = true;
    }
    for (size_t i = 0; i < b->nnodes; i++)
        if (wanted[b->g->nodes[b->nodes[i]].results[0]]) add_node(b, s, b->nodes[i]);
    return s;
}

static lathe_status evaluate(batch *b, const pass_options *options)
{
    ir_graph *g = b->g, *s = make_graph(b);
    const ir_block *body = &s->blocks[1];
    ir_blob *in = IR_NEW_N(g->arena, ir_blob, body->nparams);
    for (size_t i = 0; i < body->nparams; i++) in[i] = *fold_blob_of(g, body->params[i]);
    b->bytes = IR_NEW_N(g->arena, void *, b->nroots);
    for (size_t i = 0; i < b->nroots; i++)
        b->bytes[i] = ir_alloc(g->arena, (size_t)fold_batch_bytes_of(g, b->roots[i]) + 1, 1);
    return options->evaluate(options->ctx, s, in, b->bytes);
}

/* ---- the graph that it came from ---- */

static bool replace(pass_sweep *s, ir_node_id id)
{
    const batch *b = s->ctx;
    const ir_node n = s->g->nodes[id];
    for (size_t i = 0; i < b->nroots; i++) {
        if (!n.nresults || n.results[0] != b->roots[i]) continue;
        const ir_type type = *ir_type_of(s->g, n.results[0]);
        const ir_blob blob = {.bytes = b->bytes[i],
                              .size = (size_t)fold_batch_bytes_of(s->g, n.results[0])};
        ir_value v = ir_const(&s->b, &type, &blob);
        if (v != IR_NONE) pass_replace(s, n.results[0], v);
        return v != IR_NONE;
    }
    return false;
}

static batch fold_batch_start(ir_graph *g, bool checks)
{
    return (batch){.g = g,
                   .checks = checks,
                   .constant = IR_NEW_N(g->arena, bool, g->nvalues),
                   .decoded = IR_NEW_N(g->arena, bool, g->nvalues),
                   .stays = IR_NEW_N(g->arena, bool, g->nvalues),
                   .needed = IR_NEW_N(g->arena, bool, g->nvalues),
                   .room = IR_NEW_N(g->arena, int64_t, g->nvalues),
                   .seen = IR_NEW_N(g->arena, uint32_t, g->nvalues)};
}

lathe_status fold_batch(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)diag;
    for (int checks = 1; checks >= 0; checks--) {
        batch b = fold_batch_start(g, checks);
        visit_block(&b, 1);
        choose_roots(&b);
        if (!b.nroots) return LATHE_OK;
        lathe_status status = evaluate(&b, options);
        if (status == LATHE_BAD_VALUE && b.has_checks) continue;
        TRY(status);
        pass_rewrite(g, replace, &b);
        break;
    }
    return LATHE_OK;
}
