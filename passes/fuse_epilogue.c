/* fuse_epilogue: a map over the result of a reduction is applied to each result before it is
 * stored.
 *
 * In: any graph. Out: where a reduce or contract is read by one map only, element by element in its
 * own order, the map is its epilogue: bias, scale, activation, residual, several in a row. The
 * map's axes may be finer than the reduction's (a reshape that splits axes in between); those of
 * the reduction are then split alike. The node moves to the map's place, where all that it reads
 * is known. */
#include "passes/fuse.h"
#include "passes/nest.h"
#include "passes/pass.h"

#include <string.h>

typedef struct ending {
    fuse_merge m; /* of the map's loads */
    ir_graph *g;
    const ir_node *map, *red;
    uint32_t operand; /* of the map: the reduction's result */
    int rank, nred;   /* of the new space */
    ir_dim space[IR_MAX_SPACE];
    ir_expr idx[IR_MAX_SPACE]; /* of the reduction's axes, in the new space */
    bool elsewhere;            /* the map reads another element, too */
} ending;

/* ---- what fits ---- */

static void fuse_epilogue_check_load(void *ctx, const ir_expr_node *load)
{
    ending *e = ctx;
    if (load->imm != e->operand) return;
    const ir_type *t = ir_type_of(e->g, e->red->results[0]);
    for (int i = 0; i < load->nargs; i++)
        e->elsewhere |= load->args[i] != e->idx[i] && !ir_dim_equals(e->g, t->dims[i], 1);
}

/* The space: the map's axes, then the reduced ones. */
static bool set_axes(ending *e)
{
    const ir_attr *outer = ir_attr_find(e->map, IR_KEY_space),
                  *inner = ir_attr_find(e->red, IR_KEY_space);
    int rank = (int)outer->n, parallel = (int)inner->n;
    e->nred = (int)ir_attr_int(e->red, IR_KEY_nred, 0);
    parallel -= e->nred;
    e->rank = rank + e->nred;
    if (e->rank > IR_MAX_SPACE) return false;
    memcpy(e->space, outer->u.dims, outer->n * sizeof *e->space);
    memcpy(e->space + rank, inner->u.dims + parallel, (size_t)e->nred * sizeof *e->space);
    for (int i = 0; i < rank; i++) e->idx[i] = ir_x_index(e->g, i);
    if (!ir_reshape_indices(e->g, ir_type_of(e->g, e->red->results[0]), e->space, rank, false,
                            e->idx))
        return false;
    for (int i = 0; i < e->nred; i++) e->idx[parallel + i] = ir_x_index(e->g, rank + i);
    return true;
}

static bool fuse_epilogue_fits(ending *e, const fuse_uses *uses)
{
    ir_value v = e->map->operands[e->operand];
    const ir_node *red = fuse_def(e->g, v, IR_OP_CONTRACT, e->map->block);
    if (!red) red = fuse_def(e->g, v, IR_OP_REDUCE, e->map->block);
    e->red = red;
    e->elsewhere = false;
    if (!red || uses->count[v] != 1 || red->noperands + e->map->noperands > FUSE_MOST_OPERANDS + 1)
        return false;
    if (!set_axes(e)) return false;
    fuse_each_load(e->g, ir_attr_find(e->map, IR_KEY_body)->u.exprs, 1, e,
                   fuse_epilogue_check_load);
    return !e->elsewhere;
}

/* ---- the new node ---- */

static ir_expr keep_load(ending *e, ir_value v, const ir_expr_node *load)
{
    ir_expr x = pass_plain_load(&e->m.nest, v, load->args);
    e->m.failed |= x == IR_NONE;
    return x;
}

static ir_expr load_of_reduction(void *ctx, const ir_expr_node *load)
{
    ending *e = ctx;
    return keep_load(e, e->red->operands[load->imm], load);
}

/* An expression of the reduction, in the new space. */
static ir_expr from_reduction(ending *e, ir_expr x)
{
    return ir_x_rewrite(e->g, x, &(ir_rewrite){.ctx = e, .at = e->idx, .load = load_of_reduction});
}

/* What the reduction would have stored. */
static ir_expr reduced(ending *e)
{
    const ir_attr *end = ir_attr_find(e->red, IR_KEY_epilogue);
    ir_expr x = end ? from_reduction(e, end->u.exprs[0])
                    : ir_x_acc(e->g, ir_expr_get(e->g, fuse_body(e->red))->type, 0);
    return ir_x_cast(e->g, x, ir_type_of(e->g, e->red->results[0])->elem);
}

static ir_expr load_of_map(void *ctx, const ir_expr_node *load)
{
    ending *e = ctx;
    if (load->imm == e->operand) return reduced(e);
    return keep_load(e, e->map->operands[load->imm], load);
}

static ir_value fuse_epilogue_build(pass_sweep *s, ending *e)
{
    ir_graph *g = e->g;
    static const ir_key kept[] = {IR_KEY_kind, IR_KEY_precision};
    ir_attr attrs[5 + sizeof kept / sizeof *kept];
    size_t n = 0;
    ir_nest_begin(&e->m.nest, &s->b, e->rank, e->space, e->nred);
    ir_expr body = from_reduction(e, fuse_body(e->red));
    ir_expr end = ir_x_rewrite(g, fuse_body(e->map), &(ir_rewrite){.ctx = e, .load = load_of_map});
    if (body == IR_NONE || end == IR_NONE || e->m.failed) return IR_NONE;
    if (ir_x_measure(g, &end, 1).nodes > FUSE_MOST_NODES) return IR_NONE;
    attrs[n++] = ir_a_dims(g, IR_KEY_space, e->space, (size_t)e->rank);
    attrs[n++] = ir_a_int(IR_KEY_nred, e->nred);
    attrs[n++] = ir_a_exprs(g, IR_KEY_body, &body, 1);
    attrs[n++] = ir_a_exprs(g, IR_KEY_epilogue, &end, 1);
    attrs[n++] = *ir_attr_find(e->map, IR_KEY_elem);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (ir_attr_find(e->red, kept[i])) attrs[n++] = *ir_attr_find(e->red, kept[i]);
    ir_node_id id =
        ir_node_new(&s->b, e->red->op, e->m.nest.args, e->m.nest.nargs, attrs, n, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

/* The operand that was computed last is taken: what the map reads besides is there by then. */
static bool fuse_epilogue_merge(pass_sweep *s, ir_node_id id)
{
    fuse_uses *uses = s->ctx;
    const ir_node map = s->g->nodes[id]; /* by value: building moves the array */
    if (map.op != IR_OP_MAP) return false;
    ending best = {.red = NULL};
    for (uint32_t k = 0; k < map.noperands; k++) {
        ending e = {.g = s->g, .map = &map, .operand = k};
        if (fuse_epilogue_fits(&e, uses) && (!best.red || e.red->results[0] > best.red->results[0]))
            best = e;
    }
    if (!best.red) return false;
    const ir_node red = *best.red;
    best.red = &red;
    ir_value v = fuse_epilogue_build(s, &best);
    if (v == IR_NONE) return false;
    fuse_replace(s, uses, map.results[0], v);
    return true;
}

lathe_status pass_fuse_epilogue(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    fuse_uses uses;
    fuse_count(g, &uses);
    if (pass_rewrite(g, fuse_epilogue_merge, &uses)) TRY(pass_dce(g, options, diag));
    return LATHE_OK;
}
