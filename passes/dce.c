/* dce: drops nodes whose results, and whose symbols, nobody needs.
 *
 * In: any graph; out: what the model's outputs and guard nodes reach. A node is live if it is a
 * guard, makes a live block's result, an operand of a live node, or a size that something live
 * mentions, be it in a guard of a live node. So a bind, which has no results, lives as long as its
 * symbols do. A guard on sizes outlives its node, because a nest that reads through a view relies
 * on the view's guards; it goes only when its sizes do. */
#include "ir/pool.h"
#include "passes/pass.h"

typedef struct liveness {
    ir_graph *g;
    bool *nodes, *dims, *exprs; /* by id: reached */
    ir_node_id *maker;          /* of data symbols */
    ir_node_id *work;
    size_t nwork, cap;
} liveness;

static void reach_node(liveness *l, ir_node_id id)
{
    if (id == IR_NONE || l->nodes[id]) return;
    l->nodes[id] = true;
    l->work = ir_grow(l->g->arena, l->work, &l->cap, l->nwork + 1, sizeof id);
    l->work[l->nwork++] = id;
}

static void reach_dim(liveness *l, ir_dim d)
{
    if (d == IR_NONE || l->dims[d]) return;
    l->dims[d] = true;
    const ir_dim_node *n = ir_dim_get(l->g, d);
    if (n->kind == IR_DIM_SYM) {
        reach_node(l, l->maker[n->sym]);
        reach_dim(l, l->g->syms[n->sym].bound);
    }
    reach_dim(l, n->a);
    reach_dim(l, n->b);
    if (n->kind != IR_DIM_SUM) return;
    for (int i = 0; i < n->nterms; i++)
        for (int j = 0; j < n->terms[i].natoms; j++) reach_dim(l, n->terms[i].atoms[j]);
}

static void reach_expr(liveness *l, ir_expr e)
{
    if (l->exprs[e]) return;
    l->exprs[e] = true;
    const ir_expr_node *n = ir_expr_get(l->g, e);
    if (n->op == IR_X_DIM) reach_dim(l, (ir_dim)n->imm);
    for (int i = 0; i < n->nargs; i++) reach_expr(l, n->args[i]);
}

static void reach_value(liveness *l, ir_value v)
{
    if (v == IR_NONE) return;
    const ir_value_info *info = &l->g->values[v];
    reach_node(l, info->def);
    for (int i = 0; i < info->type.rank; i++) reach_dim(l, info->type.dims[i]);
}

static void reach_values(liveness *l, const ir_value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) reach_value(l, v[i]);
}

/* What a live block needs whatever becomes of its nodes: its parameters' sizes, its results, and
 * the guards that stand in it. */
static void reach_block(liveness *l, ir_block_id id)
{
    const ir_block *b = &l->g->blocks[id];
    reach_values(l, b->params, b->nparams);
    reach_values(l, b->results, b->nresults);
    for (size_t i = 0; i < b->nnodes; i++)
        if (l->g->nodes[b->nodes[i]].op == IR_OP_GUARD) reach_node(l, b->nodes[i]);
}

static void reach_attrs(liveness *l, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nattrs; i++) {
        const ir_attr *a = &n->attrs[i];
        for (size_t k = 0; k < a->n; k++) {
            if (ir_key_kind(a->key) == IR_ATTR_DIMS) reach_dim(l, a->u.dims[k]);
            if (ir_key_kind(a->key) == IR_ATTR_EXPRS) reach_expr(l, a->u.exprs[k]);
        }
    }
}

static void follow(liveness *l)
{
    while (l->nwork) {
        const ir_node *n = &l->g->nodes[l->work[--l->nwork]];
        reach_values(l, n->operands, n->noperands);
        reach_values(l, n->results, n->nresults);
        reach_attrs(l, n);
        for (uint32_t r = 0; r < n->nregions; r++) reach_block(l, n->regions[r]);
    }
}

/* What a live node needs to hold is checked even if nothing else asks for the sizes: an expansion
 * by data to the size that its operand has already. */
static void follow_guards(liveness *l)
{
    do {
        follow(l);
        for (size_t i = 0; i < l->g->nguards; i++) {
            const ir_guard *guard = &l->g->guards[i];
            if (guard->node != IR_NONE && !l->nodes[guard->node]) continue;
            reach_dim(l, guard->a);
            reach_dim(l, guard->b);
        }
    } while (l->nwork);
}

/* All sizes of the dim are still known when the model runs. */
static bool is_known(const liveness *l, ir_dim d)
{
    const ir_dim_node *n = ir_dim_get(l->g, d);
    switch (n->kind) {
    case IR_DIM_CONST:
        return true;
    case IR_DIM_SYM:
        return l->g->syms[n->sym].kind == IR_SYM_INPUT || l->dims[d];
    case IR_DIM_SUM:
        for (int i = 0; i < n->nterms; i++)
            for (int j = 0; j < n->terms[i].natoms; j++)
                if (!is_known(l, n->terms[i].atoms[j])) return false;
        return true;
    default:
        return is_known(l, n->a) && is_known(l, n->b);
    }
}

static void find_makers(liveness *l)
{
    for (size_t id = 1; id < l->g->nnodes; id++) {
        const ir_node *n = &l->g->nodes[id];
        const ir_attr *syms = n->op == IR_OP_NONE ? NULL : ir_attr_find(n, IR_KEY_syms);
        for (size_t i = 0; syms && i < syms->n; i++) l->maker[syms->u.syms[i]] = (ir_node_id)id;
    }
}

static void drop_guards(const liveness *l)
{
    ir_graph *g = l->g;
    size_t kept = 0;
    for (size_t i = 0; i < g->nguards; i++)
        if (is_known(l, g->guards[i].a) && is_known(l, g->guards[i].b))
            g->guards[kept++] = g->guards[i];
    g->nguards = g->guards_owned = kept;
}

lathe_status pass_dce(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    (void)diag;
    liveness l = {.g = g,
                  .nodes = IR_NEW_N(g->arena, bool, g->nnodes),
                  .dims = IR_NEW_N(g->arena, bool, g->pool->ndims),
                  .exprs = IR_NEW_N(g->arena, bool, g->pool->nexprs),
                  .maker = IR_NEW_N(g->arena, ir_node_id, g->nsyms)};
    find_makers(&l);
    reach_block(&l, 1);
    follow_guards(&l);
    drop_guards(&l);
    for (size_t id = 1; id < g->nnodes; id++)
        if (!l.nodes[id]) ir_delete_node(g, (ir_node_id)id);
    ir_compact(g);
    return LATHE_OK;
}
