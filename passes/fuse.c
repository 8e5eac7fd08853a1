/* What the fusing passes share: uses of values, loads of a node under construction, and reading
 * through a map. */
#include "passes/fuse.h"
#include "ir/pool.h"
#include "passes/nest.h"

/* ---- uses ---- */

void fuse_count(ir_graph *g, fuse_uses *u)
{
    u->count = ir_count_uses(g);
    u->result = IR_NEW_N(g->arena, bool, g->nvalues);
    u->cap_count = u->cap_result = g->nvalues;
    for (size_t b = 1; b < g->nblocks; b++)
        for (size_t i = 0; i < g->blocks[b].nresults; i++)
            u->result[g->blocks[b].results[i]] = true;
}

void fuse_replace(pass_sweep *s, fuse_uses *u, ir_value old, ir_value with)
{
    ir_arena *arena = s->g->arena;
    u->count = ir_grow(arena, u->count, &u->cap_count, s->g->nvalues, sizeof *u->count);
    u->result = ir_grow(arena, u->result, &u->cap_result, s->g->nvalues, sizeof *u->result);
    u->count[with] = u->count[old];
    u->result[with] = u->result[old];
    pass_replace(s, old, with);
}

const ir_node *fuse_def(const ir_graph *g, ir_value v, ir_op op, ir_block_id block)
{
    const ir_node *n = v == IR_NONE ? NULL : &g->nodes[g->values[v].def];
    return n && n->op == op && n->block == block ? n : NULL;
}

/* ---- expressions ---- */

typedef struct load_walk {
    ir_graph *g;
    ir_memo seen;
    void *ctx;
    void (*visit)(void *, const ir_expr_node *);
} load_walk;

static void walk(load_walk *w, ir_expr e)
{
    if (ir_memo_get(w->g->pool, &w->seen, e)) return;
    ir_memo_put(w->g->pool, &w->seen, e, 1);
    const ir_expr_node n = *ir_expr_get(w->g, e);
    if (n.op == IR_X_LOAD) w->visit(w->ctx, &n);
    for (int i = 0; i < n.nargs; i++) walk(w, n.args[i]);
}

void fuse_each_load(ir_graph *g, const ir_expr *exprs, size_t n, void *ctx,
                    void (*visit)(void *, const ir_expr_node *))
{
    load_walk w = {.g = g, .ctx = ctx, .visit = visit};
    ir_memo_begin(g->pool, &w.seen);
    for (size_t i = 0; i < n; i++) walk(&w, exprs[i]);
    ir_memo_end(g->pool, &w.seen);
}

/* ---- reading through maps ---- */

static ir_expr read_value(fuse_merge *m, ir_value v, const ir_expr_node *load)
{
    ir_expr e =
        m->plain ? pass_plain_load(&m->nest, v, load->args) : ir_nest_load(&m->nest, v, load->args);
    m->failed |= e == IR_NONE;
    return e;
}

typedef struct behind {
    fuse_merge *m;
    const ir_node *map;
} behind;

static ir_expr read_behind(void *ctx, const ir_expr_node *load)
{
    const behind *b = ctx;
    return read_value(b->m, b->map->operands[load->imm], load);
}

ir_expr fuse_read(void *ctx, const ir_expr_node *load)
{
    fuse_merge *m = ctx;
    ir_value v = m->n->operands[load->imm];
    if (load->imm >= 64 || !(m->taken >> load->imm & 1)) return read_value(m, v, load);
    behind b = {m, &m->g->nodes[m->g->values[v].def]};
    ir_expr e = ir_element(m->g, b.map, load->args, &(ir_rewrite){.ctx = &b, .load = read_behind});
    m->failed |= e == IR_NONE;
    return e;
}
