/* if and loop: nodes with bodies. The bodies' steps follow the node's step in the one flat list, so
 * that lifetimes stay intervals of step numbers.
 *
 * if: both branches end with their values in the node's result buffers, written there directly
 * where a branch's node produces the value. loop: the carried params' buffers live over the whole
 * loop and are the node's results; the dims that change from turn to turn are region symbols,
 * which the loop sets before each turn (lathe_loop in runtime/abi.h). */
#include "codegen/lower/lower.h"

/* Symbol that dim is, if it is one of this kind; IR_NONE otherwise. */
static ir_sym symbol_of(const ir_graph *g, ir_dim dim, ir_sym_kind kind)
{
    const ir_dim_node *d = dim ? ir_dim_get(g, dim) : NULL;
    return d && d->kind == IR_DIM_SYM && g->syms[d->sym].kind == kind ? d->sym : IR_NONE;
}

static ir_dim region_bytes_of(cg_lowering *lw, ir_value v)
{
    return cg_bytes(lw->g, ir_type_of(lw->g, v));
}

/* ---- if ---- */

static bool among(const ir_attr *syms, ir_sym s)
{
    for (size_t i = 0; syms && i < syms->n; i++)
        if (syms->u.syms[i] == s) return true;
    return false;
}

/* The sizes of the results that depend on the branch, from the branch's own. */
static void set_result_symbols(cg_lowering *lw, const ir_node *node, const ir_block *branch)
{
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    for (uint32_t r = 0; r < node->nresults && r < branch->nresults; r++) {
        const ir_type *whole = ir_type_of(lw->g, node->results[r]);
        const ir_type *part = ir_type_of(lw->g, branch->results[r]);
        for (int a = 0; a < whole->rank && a < part->rank; a++) {
            ir_sym s = symbol_of(lw->g, whole->dims[a], IR_SYM_DATA);
            if (!s || !among(syms, s)) continue;
            uint32_t slot = cg_slot(lw, part->dims[a]);
            cg_step(lw, (lathe_step){.kind = LATHE_STEP_SET, .a = cg_symbol(lw, s)}, NULL, 0, &slot,
                    1);
        }
    }
}

static lathe_status lower_branch(cg_lowering *lw, const ir_node *node, ir_block_id id,
                                 const uint32_t *out)
{
    const ir_block *branch = &lw->g->blocks[id];
    if (branch->nresults != node->nresults)
        return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "a branch has %zu results", branch->nresults);
    lw->block_segment[id] = cg_segment(lw, NULL, 0);
    cg_segment_step(lw, lw->block_segment[id]);
    for (uint32_t r = 0; r < node->nresults; r++)
        cg_set_home(lw, branch->results[r], id, region_bytes_of(lw, node->results[r]), out[r]);
    uint32_t entry = lw->node_entry;
    TRY(cg_lower_block(lw, id));
    lw->node_entry = entry;
    for (uint32_t r = 0; r < node->nresults; r++) {
        uint32_t from = cg_buffer(lw, branch->results[r]);
        if (from != out[r])
            cg_copy(lw, from, out[r], cg_slot(lw, region_bytes_of(lw, branch->results[r])));
        else cg_touch(lw, out[r], (uint32_t)lw->p->nsteps - 1);
    }
    set_result_symbols(lw, node, branch);
    return lw->status;
}

lathe_status cg_lower_if(cg_lowering *lw, const ir_node *node)
{
    cg_program *p = lw->p;
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    uint32_t segment = syms ? cg_segment(lw, syms->u.syms, syms->n) : 0;
    uint32_t cond = cg_buffer(lw, node->operands[0]);
    uint32_t at = cg_step(lw, (lathe_step){.kind = LATHE_STEP_IF}, &cond, 1, NULL, 0);
    uint32_t *out = IR_NEW_N(p->arena, uint32_t, node->nresults + 1), counts[2];
    for (uint32_t r = 0; r < node->nresults; r++) {
        out[r] = cg_buffer(lw, node->results[r]);
        cg_touch(lw, out[r], at);
    }
    for (int i = 0; i < 2; i++) {
        size_t before = p->nsteps;
        TRY(lower_branch(lw, node, node->regions[i], out));
        counts[i] = (uint32_t)(p->nsteps - before);
    }
    p->steps[at].a = counts[0];
    p->steps[at].b = counts[1];
    if (syms) cg_segment_step(lw, segment);
    return lw->status;
}

/* ---- loop ---- */

/* The parts of a loop: operands trip, cond, init...; params iter, cond, carried...; body results
 * cond, carried..., scans...; node results carried..., scans... */
typedef struct loop_parts {
    const ir_node *node;
    const ir_block *body;
    ir_block_id id;
    uint32_t ncarried, nscans;
} loop_parts;

static lathe_status read_loop(cg_lowering *lw, const ir_node *node, loop_parts *l)
{
    *l = (loop_parts){.node = node, .id = node->regions[0], .ncarried = node->noperands - 2};
    l->body = &lw->g->blocks[l->id];
    bool ok = node->nresults >= l->ncarried && l->body->nparams == 2 + (size_t)l->ncarried &&
              l->body->nresults == 1 + (size_t)node->nresults;
    l->nscans = node->nresults - l->ncarried;
    return ok ? LATHE_OK
              : cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "the loop's body does not fit its operands");
}

static uint32_t optional_buffer(cg_lowering *lw, ir_value v)
{
    return v ? cg_buffer(lw, v) : LATHE_NO_SLOT;
}

/* A region symbol and the operand and result whose dim `axis` it follows. */
typedef struct region_sym {
    ir_sym sym;
    uint32_t carried;
    int axis;
} region_sym;

/* The symbols in the params' dims, each once. */
static size_t region_symbols(cg_lowering *lw, const loop_parts *l, region_sym *out)
{
    size_t n = 0;
    cg_map_clear(&lw->locals);
    for (uint32_t c = 0; c < l->ncarried; c++) {
        const ir_type *t = ir_type_of(lw->g, l->body->params[2 + c]);
        for (int a = 0; a < t->rank; a++) {
            ir_sym s = symbol_of(lw->g, t->dims[a], IR_SYM_REGION);
            if (!s || cg_map_get(&lw->locals, s, 0) || lw->sym_segment[s] != LATHE_NO_SLOT)
                continue;
            cg_map_put(lw->p->arena, &lw->locals, s, 1);
            out[n++] = (region_sym){s, c, a};
        }
    }
    return n;
}

/* A result's size that follows a region symbol is that symbol's value after the last turn: both
 * are one symbol of the program, read in two segments. */
static void share_final_symbols(cg_lowering *lw, const loop_parts *l, const region_sym *rs,
                                size_t n, uint32_t after)
{
    for (size_t i = 0; i < n; i++) {
        const ir_type *t = ir_type_of(lw->g, l->node->results[rs[i].carried]);
        ir_sym s = symbol_of(lw->g, t->dims[rs[i].axis], IR_SYM_DATA);
        if (!s || cg_map_get(&lw->syms, s, LATHE_NO_SLOT) != LATHE_NO_SLOT) continue;
        cg_map_put(lw->p->arena, &lw->syms, s, cg_symbol(lw, rs[i].sym));
        lw->sym_segment[s] = after;
    }
}

/* Buffers of the params: made outside of the body, so that they outlive its turns. */
static void place_params(cg_lowering *lw, const loop_parts *l, uint32_t step)
{
    for (size_t i = 0; i < l->body->nparams; i++)
        cg_touch(lw, cg_buffer(lw, l->body->params[i]), step);
    for (uint32_t c = 0; c < l->ncarried; c++)
        cg_bind_buffer(lw, l->node->results[c], cg_buffer(lw, l->body->params[2 + c]));
    for (uint32_t s = 0; s < l->nscans; s++)
        cg_touch(lw, cg_buffer(lw, l->node->results[l->ncarried + s]), step);
}

/* Whether the buffer is that of a param other than `own`: it would change before it is copied. */
static bool is_other_param(cg_lowering *lw, const loop_parts *l, uint32_t buffer, uint32_t own)
{
    for (size_t i = 0; i < l->body->nparams; i++)
        if (i != own && cg_buffer(lw, l->body->params[i]) == buffer) return true;
    return false;
}

/* Buffers of the body's results, copied where they are params that the end of a turn overwrites. */
static void place_results(cg_lowering *lw, const loop_parts *l, uint32_t *out)
{
    for (uint32_t i = 0; i < l->body->nresults; i++) {
        ir_value v = l->body->results[i];
        out[i] = cg_buffer(lw, v);
        if (i == 0 || i > l->ncarried || !is_other_param(lw, l, out[i], 1 + i)) continue;
        uint32_t bytes = cg_slot(lw, region_bytes_of(lw, v)),
                 copy = cg_buffer_new(lw, LATHE_BUF_ARENA, 0, bytes);
        cg_copy(lw, out[i], copy, bytes);
        out[i] = copy;
    }
}

static uint32_t push_list(cg_program *p, const uint32_t *items, size_t n)
{
    uint32_t at = (uint32_t)p->nu32s;
    for (size_t i = 0; i < n; i++) CG_PUSH(p, u32s, items[i]);
    return at;
}

static uint32_t push_carried(cg_lowering *lw, const loop_parts *l, const uint32_t *results)
{
    uint32_t *list = IR_NEW_N(lw->p->arena, uint32_t, 5 * (size_t)l->ncarried + 1), *at = list;
    for (uint32_t c = 0; c < l->ncarried; c++) {
        ir_value init = l->node->operands[2 + c];
        *at++ = cg_buffer(lw, init);
        *at++ = cg_buffer(lw, l->body->params[2 + c]);
        *at++ = results[1 + c];
        *at++ = cg_slot(lw, region_bytes_of(lw, init));
        *at++ = cg_slot(lw, region_bytes_of(lw, l->body->results[1 + c]));
    }
    return push_list(lw->p, list, (size_t)(at - list));
}

static uint32_t push_region_syms(cg_lowering *lw, const loop_parts *l, const region_sym *rs,
                                 size_t n)
{
    uint32_t *list = IR_NEW_N(lw->p->arena, uint32_t, 3 * n + 1), *at = list;
    for (size_t i = 0; i < n; i++) {
        const ir_type *init = ir_type_of(lw->g, l->node->operands[2 + rs[i].carried]);
        const ir_type *next = ir_type_of(lw->g, l->body->results[1 + rs[i].carried]);
        *at++ = cg_symbol(lw, rs[i].sym);
        *at++ = cg_slot(lw, init->dims[rs[i].axis]);
        *at++ = cg_slot(lw, next->dims[rs[i].axis]);
    }
    return push_list(lw->p, list, (size_t)(at - list));
}

static uint32_t push_scans(cg_lowering *lw, const loop_parts *l, const uint32_t *results)
{
    uint32_t *list = IR_NEW_N(lw->p->arena, uint32_t, 3 * (size_t)l->nscans + 1), *at = list;
    for (uint32_t s = 0; s < l->nscans; s++) {
        uint32_t i = 1 + l->ncarried + s;
        *at++ = results[i];
        *at++ = cg_buffer(lw, l->node->results[l->ncarried + s]);
        *at++ = cg_slot(lw, region_bytes_of(lw, l->body->results[i]));
    }
    return push_list(lw->p, list, (size_t)(at - list));
}

static lathe_status lower_body(cg_lowering *lw, const loop_parts *l, uint32_t step,
                               uint32_t *results)
{
    cg_frame frame;
    uint32_t entry = lw->node_entry;
    cg_frame_enter(lw, &frame);
    TRY(cg_lower_block(lw, l->id));
    lw->node_entry = entry;
    place_results(lw, l, results);
    uint32_t end = (uint32_t)lw->p->nsteps - 1;
    for (size_t i = 0; i < l->body->nresults; i++) cg_touch(lw, results[i], end);
    for (size_t i = 0; i < l->body->nparams; i++)
        cg_touch(lw, cg_buffer(lw, l->body->params[i]), end);
    cg_frame_leave(lw, end);
    for (uint32_t s = 0; s < l->nscans; s++)
        cg_touch(lw, cg_buffer(lw, l->node->results[l->ncarried + s]), end);
    lw->p->steps[step].b = end - step;
    return lw->status;
}

/* Segments of the body and of what follows the loop, with the symbols that each sets. */
static uint32_t open_segments(cg_lowering *lw, const loop_parts *l, const region_sym *rs, size_t n,
                              uint32_t *after)
{
    const ir_attr *syms = ir_attr_find(l->node, IR_KEY_syms);
    uint32_t body = cg_segment(lw, NULL, 0);
    for (size_t i = 0; i < n; i++) lw->sym_segment[rs[i].sym] = body;
    lw->block_segment[l->id] = body;
    *after = cg_segment(lw, syms ? syms->u.syms : NULL, syms ? syms->n : 0);
    share_final_symbols(lw, l, rs, n, *after);
    return body;
}

lathe_status cg_lower_loop(cg_lowering *lw, const ir_node *node)
{
    cg_program *p = lw->p;
    loop_parts l;
    TRY(read_loop(lw, node, &l));
    region_sym *rs = IR_NEW_N(p->arena, region_sym, (size_t)l.ncarried * IR_MAX_RANK + 1);
    uint32_t *results = IR_NEW_N(p->arena, uint32_t, l.body->nresults), after;
    size_t nrs = region_symbols(lw, &l, rs);
    uint32_t body = open_segments(lw, &l, rs, nrs, &after);
    uint32_t at = cg_step(lw, (lathe_step){.kind = LATHE_STEP_LOOP}, NULL, 0, NULL, 0);
    for (uint32_t i = 0; i < node->noperands; i++)
        if (node->operands[i]) cg_touch(lw, cg_buffer(lw, node->operands[i]), at);
    place_params(lw, &l, at);
    TRY(lower_body(lw, &l, at, results));
    const ir_attr *syms = ir_attr_find(node, IR_KEY_syms);
    bool counted = syms && syms->n && syms->u.syms[0];
    lathe_loop loop = {
        .trip = optional_buffer(lw, node->operands[0]),
        .cond = optional_buffer(lw, node->operands[1]),
        .iter = cg_buffer(lw, l.body->params[0]),
        .cond_param = cg_buffer(lw, l.body->params[1]),
        .cond_result = results[0],
        .turns = counted ? cg_symbol(lw, syms->u.syms[0]) : LATHE_NO_SLOT,
        .ncarried = l.ncarried,
        .nsyms = (uint32_t)nrs,
        .nscans = l.nscans,
        .segment = body,
        .carried = push_carried(lw, &l, results),
        .syms = push_region_syms(lw, &l, rs, nrs),
        .scans = push_scans(lw, &l, results),
    };
    p->steps[at].a = CG_PUSH(p, loops, loop);
    cg_segment_step(lw, after);
    return lw->status;
}
