/* fuse_maps, fuse_inputs, fuse_codes: a map that is read by one nest is computed there, and not
 * stored.
 *
 * In: any graph. Out: chains of maps are one map (fuse_maps); reductions, rows and views compute
 * the maps that they read (fuse_inputs, after maps had their chance to become epilogues). An
 * element must not be computed more often than before, unless it costs next to nothing. What is
 * rounded when it is stored is rounded in the expression. Outputs stay as they are. Of products
 * only b, if the run makes it from codes, is computed as it is put in panels (fuse_codes): once for
 * all rows of a chunk. */
#include "passes/fuse.h"
#include "passes/nest.h"
#include "passes/pass.h"

#include <string.h>

enum { MAX_SWEEPS = 6, MOST_OPERANDS = 64, FREE_WORK = 8, DECODING_WORK = 32, CODES_WORK = 128 };

typedef struct fusion {
    fuse_uses uses;
    bool *weight; /* by value, of those before the sweep: b of a product */
    size_t nweight;
    uint32_t into; /* operators whose operands may be merged, as bits */
    bool codes;    /* only codes that a product reads */
} fusion;

/* How the node reads one of its operands. */
typedef struct reading {
    int body, epilogue; /* different loads */
    bool in_order;      /* along the innermost axis of the space */
    bool gathered;      /* at indices that are data */
} reading;

typedef struct readings {
    ir_graph *g;
    reading of[MOST_OPERANDS];
    int rank, parallel;
    bool epilogue; /* which expressions are being looked at */
} readings;

static void note(void *ctx, const ir_expr_node *load)
{
    readings *r = ctx;
    reading *of = &r->of[load->imm];
    const ir_expr_node *last = load->nargs ? ir_expr_get(r->g, load->args[load->nargs - 1]) : NULL;
    if (r->epilogue) of->epilogue++;
    else of->body++;
    of->gathered |= ir_x_measure(r->g, load->args, (size_t)load->nargs).checks;
    of->in_order |= !last || (last->op == IR_X_INDEX &&
                              (last->imm == r->rank - 1 || last->imm == r->parallel - 1));
}

static void read_node(ir_graph *g, const ir_node *n, readings *r)
{
    const ir_attr *space = ir_attr_find(n, IR_KEY_space), *body = ir_attr_find(n, IR_KEY_body),
                  *end = ir_attr_find(n, IR_KEY_epilogue);
    *r = (readings){.g = g, .rank = (int)space->n};
    r->parallel = r->rank - (int)ir_attr_int(n, IR_KEY_nred, 0);
    fuse_each_load(g, body->u.exprs, body->n, r, note);
    r->epilogue = true;
    if (end) fuse_each_load(g, end->u.exprs, end->n, r, note);
}

/* Whether n points are never more than the value's elements. */
static bool covers(ir_graph *g, ir_value v, const ir_dim *space, int n)
{
    int64_t lo, hi;
    ir_dim points = ir_dim_product(g, space, n), elements = ir_type_count(g, ir_type_of(g, v));
    if (points == IR_NONE || elements == IR_NONE) return false;
    if (points == elements) return true;
    ir_dim_range(g, ir_dim_sub(g, elements, points), &lo, &hi);
    return lo >= 0;
}

/* Nothing, or what takes no more time than loading the result. */
static bool is_free(const ir_graph *g, const ir_node *map, const ir_x_cost *cost)
{
    if (cost->checks || cost->work > FREE_WORK) return false;
    if (cost->loads == 0) return true;
    ir_elem to = ir_type_of(g, map->results[0])->elem, from = ir_type_of(g, map->operands[0])->elem;
    return cost->loads == 1 && cost->work <= 2 && ir_elem_bits(from) <= ir_elem_bits(to);
}

/* A table of codes: decoding all of it for the rows that are looked up would not pay. That of a
 * product is looked up where the product has it. */
static bool is_decoded_table(const ir_graph *g, const fusion *f, const ir_node *map,
                             const ir_x_cost *cost)
{
    if (map->results[0] < f->nweight && f->weight[map->results[0]]) return false;
    for (uint32_t i = 0; i < map->noperands; i++)
        if (g->nodes[g->values[map->operands[i]].def].op != IR_OP_CONST) return false;
    return !cost->checks && cost->work <= DECODING_WORK;
}

/* What a contract reads of tensors of codes as its b, and what remains a product so. */
static bool is_codes_of_product(const fusion *f, ir_graph *g, const ir_node *n, ir_value v)
{
    ir_product p;
    const ir_node *map = fuse_def(g, v, IR_OP_MAP, n->block);
    if (!map || f->uses.result[v] || f->uses.count[v] != 1 || ir_product_form(g, n, &p))
        return false;
    ir_expr b = ir_expr_get(g, fuse_body(n))->args[p.b], body = fuse_body(map);
    const ir_expr_node *load = ir_product_load(g, &b);
    ir_x_cost cost = ir_x_measure(g, &body, 1);
    if (load->op != IR_X_LOAD || n->operands[load->imm] != v || *ir_product_weight(g, v))
        return false;
    const char *columns = strchr(p.roles, 'n'), *terms = strchr(p.roles, 'k');
    if (!columns || strchr(columns + 1, 'n') || !terms || strchr(terms + 1, 'k')) return false;
    bool codes = false;
    for (uint32_t i = 0; i < map->noperands; i++)
        codes |= ir_elem_bits(ir_type_of(g, map->operands[i])->elem) <= 8;
    return codes && !cost.checks && cost.work <= CODES_WORK && cost.nodes <= FUSE_MOST_NODES / 2;
}

static bool is_mergeable(pass_sweep *s, const ir_node *n, uint32_t k, const readings *r)
{
    ir_graph *g = s->g;
    const fusion *f = s->ctx;
    if (f->codes) return is_codes_of_product(f, g, n, n->operands[k]);
    ir_value v = n->operands[k];
    const reading *of = &r->of[k];
    const ir_node *map = fuse_def(g, v, IR_OP_MAP, n->block);
    if (!map || f->uses.result[v] || (n->op == IR_OP_CONTRACT && of->body)) return false;
    ir_expr body = fuse_body(map);
    ir_x_cost cost = ir_x_measure(g, &body, 1);
    if (cost.loads == 0 && is_free(g, map, &cost)) return true;
    int times = of->body + of->epilogue;
    if (of->gathered && times == 1 && is_decoded_table(g, f, map, &cost)) return true;
    const ir_dim *space = ir_attr_find(n, IR_KEY_space)->u.dims;
    bool once = times == 1 && covers(g, v, space, of->body ? r->rank : r->parallel);
    if (!once || (cost.loads > 1 && !of->in_order)) return false;
    if (n->op == IR_OP_ARG_REDUCE && cost.work > FREE_WORK) return false;
    return f->uses.count[v] == 1 || is_free(g, map, &cost);
}

/* The operands to merge, as far as the new node stays small. */
static uint64_t fuse_maps_choose(pass_sweep *s, const ir_node *n)
{
    ir_graph *g = s->g;
    uint64_t taken = 0;
    readings r;
    int nodes = 0;
    uint32_t operands = n->noperands;
    read_node(g, n, &r);
    for (uint32_t i = 0; i < n->nattrs; i++)
        if (ir_key_kind(n->attrs[i].key) == IR_ATTR_EXPRS)
            nodes += ir_x_measure(g, n->attrs[i].u.exprs, n->attrs[i].n).nodes;
    for (uint32_t k = 0; k < n->noperands; k++) {
        if (!is_mergeable(s, n, k, &r)) continue;
        const ir_node *map = &g->nodes[g->values[n->operands[k]].def];
        ir_expr body = fuse_body(map);
        int more = ir_x_measure(g, &body, 1).nodes;
        uint32_t wider = map->noperands ? map->noperands - 1 : 0;
        if (nodes + more > FUSE_MOST_NODES || operands + wider > FUSE_MOST_OPERANDS) continue;
        nodes += more;
        operands += wider;
        taken |= UINT64_C(1) << k;
    }
    return taken;
}

/* A view that computes is a map. */
static ir_value fuse_maps_build(pass_sweep *s, const ir_node *n, const fuse_merge *m,
                                const ir_attr *attrs)
{
    bool view = n->op == IR_OP_VIEW;
    ir_attr *all = IR_NEW_N(s->g->arena, ir_attr, n->nattrs + 1);
    for (uint32_t i = 0; i < n->nattrs; i++) all[i] = attrs[i];
    if (view)
        all[n->nattrs] =
            ir_a_str(s->g, IR_KEY_elem, ir_elem_name(ir_type_of(s->g, n->results[0])->elem));
    ir_node_id id = ir_node_new(&s->b, view ? IR_OP_MAP : n->op, m->nest.args, m->nest.nargs, all,
                                n->nattrs + view, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : s->g->nodes[id].results[0];
}

static bool fuse_maps_merge(pass_sweep *s, ir_node_id id)
{
    fusion *f = s->ctx;
    const ir_node n = s->g->nodes[id]; /* by value: building moves the array */
    if (!(f->into >> n.op & 1) || n.noperands == 0 || n.noperands > MOST_OPERANDS) return false;
    fuse_merge m = {
        .g = s->g, .n = &n, .plain = n.op == IR_OP_CONTRACT, .taken = fuse_maps_choose(s, &n)};
    if (!m.taken) return false;
    const ir_attr *space = ir_attr_find(&n, IR_KEY_space);
    ir_nest_begin(&m.nest, &s->b, (int)space->n, space->u.dims, 0);
    bool changed = false;
    const ir_attr *attrs =
        pass_rewrite_attrs(s->g, &n, &(ir_rewrite){.ctx = &m, .load = fuse_read}, &changed);
    ir_value v = attrs && !m.failed ? fuse_maps_build(s, &n, &m, attrs) : IR_NONE;
    if (v != IR_NONE) fuse_replace(s, &f->uses, n.results[0], v);
    return v != IR_NONE;
}

static void find_weights(ir_graph *g, fusion *f)
{
    ir_product p;
    int64_t columns;
    f->nweight = g->nvalues;
    f->weight = IR_NEW_N(g->arena, bool, f->nweight);
    for (size_t id = 1; id < g->nnodes; id++) {
        const ir_node *n = &g->nodes[id];
        if (n->op != IR_OP_CONTRACT || ir_product_form(g, n, &p)) continue;
        if (ir_dim_is_const(g, ir_product_columns(g, n, &p), &columns) &&
            columns < IR_PRODUCT_COLUMNS)
            continue;
        ir_expr b = ir_expr_get(g, fuse_body(n))->args[p.b];
        const ir_expr_node *load = ir_product_load(g, &b);
        if (load->op != IR_X_LOAD) continue;
        ir_value v = n->operands[load->imm];
        if (strcmp(ir_product_weight(g, v), "computed") == 0) f->weight[v] = true;
    }
}

/* A value that two maps of a chain read has one use when they are one: once more, then. */
static lathe_status fuse(ir_graph *g, const pass_options *options, lathe_diag *diag, uint32_t into,
                         bool codes)
{
    for (int i = 0; i < MAX_SWEEPS; i++) {
        fusion f = {.into = into, .codes = codes};
        fuse_count(g, &f.uses);
        find_weights(g, &f);
        if (!pass_rewrite(g, fuse_maps_merge, &f)) break;
        TRY(pass_dce(g, options, diag));
    }
    return LATHE_OK;
}

lathe_status pass_fuse_maps(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    return fuse(g, options, diag, 1u << IR_OP_MAP, false);
}

lathe_status pass_fuse_inputs(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    return fuse(g, options, diag,
                1u << IR_OP_MAP | 1u << IR_OP_VIEW | 1u << IR_OP_REDUCE | 1u << IR_OP_CONTRACT |
                    1u << IR_OP_ROW | 1u << IR_OP_ARG_REDUCE,
                false);
}

lathe_status pass_fuse_codes(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    return fuse(g, options, diag, 1u << IR_OP_CONTRACT, true);
}
