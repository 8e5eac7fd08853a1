/* Graph -> program: the tables that the runtime interprets, and the kernels to be emitted.
 *
 * In: a verified graph in core operators, after decompose. Out: cg_program. The walk visits each
 * block's nodes in order; a node becomes zero or more steps. Nothing is recomputed by the runtime
 * that is known here: buffers, lifetimes, sizes as a straight-line program, and guards, each in
 * the earliest segment where its sizes are known. */
#include "codegen/lower/lower.h"

#include <string.h>

enum { MAX_NESTING = 60 }; /* of regions; the runtime takes 64 levels */

lathe_status cg_refuse(cg_lowering *lw, lathe_status status, ir_value v, const char *format, ...)
{
    const ir_graph *g = lw->g;
    const ir_node *n = lw->node ? &g->nodes[lw->node] : NULL;
    if (lw->status != LATHE_OK) return lw->status;
    diag_place place = {.file = ir_text(g, g->file),
                        .tensor = v ? ir_text(g, g->values[v].name) : NULL};
    if (n) {
        place.node = ir_text(g, n->name);
        place.op = n->origin ? ir_text(g, n->origin) : ir_op_get(n->op)->name;
    }
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(lw->p->arena, format, args);
    va_end(args);
    lw->status = diag_add(g->diag, status, &place, "%s", text);
    return lw->status;
}

/* ---- steps ---- */

uint32_t cg_node_entry(cg_lowering *lw, const ir_node *node)
{
    uint32_t made_of = node->origin ? node->origin : 1u << 31 | (uint32_t)node->op;
    uint64_t key = (uint64_t)node->name << 32 | made_of;
    uint32_t at = cg_map_get(&lw->entries, key, LATHE_NO_SLOT);
    if (at != LATHE_NO_SLOT) return at;
    uint32_t name = cg_interned(lw, node->name), op = cg_interned(lw, node->origin);
    if (!node->origin) op = cg_string(lw, ir_op_get(node->op)->name);
    at = CG_PUSH(lw->p, nodes, (lathe_node){.name = name, .op = op});
    cg_map_put(lw->p->arena, &lw->entries, key, at);
    return at;
}

uint32_t cg_step(cg_lowering *lw, lathe_step step, const uint32_t *bufs, size_t nbufs,
                 const uint32_t *slots, size_t nslots)
{
    cg_program *p = lw->p;
    step.node = lw->node_entry;
    step.args = (uint32_t)p->nu32s;
    step.nbufs = (uint32_t)nbufs;
    step.ndims = (uint32_t)nslots;
    for (size_t i = 0; i < nbufs; i++) CG_PUSH(p, u32s, bufs[i]);
    for (size_t i = 0; i < nslots; i++) CG_PUSH(p, u32s, slots[i]);
    uint32_t at = CG_PUSH(p, steps, step), from = lw->node ? ir_origins_of(lw->g, lw->node) : 0;
    CG_PUSH(p, origins, from);
    for (size_t i = 0; i < nbufs && step.kind != LATHE_STEP_CALL; i++) cg_touch(lw, bufs[i], at);
    if (step.nbufs > p->max_bufs) p->max_bufs = step.nbufs;
    if (step.ndims > p->max_dims) p->max_dims = step.ndims;
    return at;
}

void cg_copy(cg_lowering *lw, uint32_t from, uint32_t to, uint32_t bytes)
{
    const uint32_t bufs[2] = {from, to};
    cg_step(lw, (lathe_step){.kind = LATHE_STEP_COPY, .range = bytes}, bufs, 2, NULL, 0);
}

/* ---- nodes ---- */

static lathe_status lower_nothing(cg_lowering *lw, const ir_node *node)
{
    (void)lw;
    (void)node;
    return LATHE_OK;
}

static const cg_lower_node lower_op[IR_OP_COUNT] = {
    [IR_OP_CONST] = lower_nothing,
    [IR_OP_RESHAPE] = lower_nothing,
    [IR_OP_MAP] = cg_lower_nest,
    [IR_OP_REDUCE] = cg_lower_nest,
    [IR_OP_CONTRACT] = cg_lower_nest,
    [IR_OP_ROW] = cg_lower_nest,
    [IR_OP_ATTENTION] = cg_lower_attention,
    [IR_OP_ARG_REDUCE] = cg_lower_nest,
    [IR_OP_CUMULATE] = cg_lower_nest,
    [IR_OP_SCATTER] = cg_lower_scatter,
    [IR_OP_VIEW] = cg_lower_view,
    [IR_OP_CONCAT] = cg_lower_concat,
    [IR_OP_VALUES] = cg_lower_values,
    [IR_OP_GUARD] = cg_lower_guard,
    [IR_OP_BIND] = cg_lower_bind,
    [IR_OP_CALL] = cg_lower_call,
    [IR_OP_IF] = cg_lower_if,
    [IR_OP_LOOP] = cg_lower_loop,
};

static lathe_status lower_node(cg_lowering *lw, ir_node_id id)
{
    const ir_node node = lw->g->nodes[id];
    if (node.op == IR_OP_NONE) return LATHE_OK;
    ir_node_id outer = lw->node;
    if (lw->dead[id]) {
        cg_uses_done(lw, &node);
        return LATHE_OK;
    }
    lw->node = id;
    lw->node_entry = cg_node_entry(lw, &node);
    cg_lower_node lower = lower_op[node.op];
    if (!lower)
        return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "operator %s is still there after all passes",
                         ir_op_get(node.op)->name);
    if (ir_is_state_conversion(lw->g, id)) cg_step_past(lw);
    TRY(lower(lw, &node));
    cg_uses_done(lw, &node);
    lw->node = outer;
    return lw->status;
}

lathe_status cg_lower_block(cg_lowering *lw, ir_block_id id)
{
    const ir_block block = lw->g->blocks[id];
    if (lw->nesting == MAX_NESTING)
        return cg_refuse(lw, LATHE_LIMIT, IR_NONE, "more than %d regions inside of each other",
                         MAX_NESTING);
    lw->nesting++;
    for (size_t i = 0; i < block.nnodes; i++) TRY(lower_node(lw, block.nodes[i]));
    lw->nesting--;
    return LATHE_OK;
}

/* ---- inputs and outputs ---- */

/* Free symbols are those that are a dim of an input by themselves; they are numbered first. */
static void number_free_symbols(cg_lowering *lw, const ir_block *body)
{
    ir_graph *g = lw->g;
    for (size_t i = 0; i < body->nparams; i++) {
        const ir_type *t = ir_type_of(g, body->params[i]);
        for (int a = 0; a < t->rank; a++) {
            const ir_dim_node *d = t->dims[a] ? ir_dim_get(g, t->dims[a]) : NULL;
            if (!d || d->kind != IR_DIM_SYM || g->syms[d->sym].kind != IR_SYM_INPUT) continue;
            lw->sym_segment[d->sym] = 0;
            cg_symbol(lw, d->sym);
        }
    }
    lw->p->n_free = (uint32_t)lw->p->nsyms;
}

static lathe_io lower_describe(cg_lowering *lw, const ir_type *t, uint32_t name, uint32_t buffer)
{
    return (lathe_io){.name = name,
                      .elem = (uint32_t)t->elem,
                      .rank = (uint32_t)t->rank,
                      .dims = cg_slot_list(lw, t->dims, t->rank, true),
                      .buffer = buffer};
}

static lathe_status lower_inputs(cg_lowering *lw, const ir_block *body)
{
    number_free_symbols(lw, body);
    for (size_t i = 0; i < body->nparams; i++) {
        ir_value v = body->params[i];
        const ir_type *t = ir_type_of(lw->g, v);
        if (ir_elem_arith(t->elem) == IR_ELEM_NONE)
            return cg_refuse(lw, LATHE_UNSUPPORTED, v, "an input of element type %s",
                             ir_elem_name(t->elem));
        uint32_t bytes = cg_slot(lw, cg_bytes(lw->g, t));
        uint32_t buffer = cg_buffer_new(lw, LATHE_BUF_INPUT, (uint32_t)i, bytes);
        cg_bind_buffer(lw, v, buffer);
        lathe_io io = lower_describe(lw, t, cg_interned(lw, lw->g->values[v].name), buffer);
        CG_PUSH(lw->p, inputs, io);
    }
    return lw->status;
}

/* A buffer for each output, as the home of its producer where one can write there. Sizes that a
 * node sets at run time have no slot yet: those outputs get theirs in lower_outputs. */
static void plan_outputs(cg_lowering *lw, const ir_block *body, uint32_t *out)
{
    for (size_t i = 0; i < body->nresults; i++) {
        out[i] = cg_buffer_new(lw, LATHE_BUF_OUTPUT, (uint32_t)i, LATHE_NO_SLOT);
        cg_set_home(lw, body->results[i], 1, cg_bytes(lw->g, ir_type_of(lw->g, body->results[i])),
                    out[i]);
    }
}

static lathe_status lower_outputs(cg_lowering *lw, const ir_block *body, const uint32_t *out)
{
    lw->node = IR_NONE;
    for (size_t i = 0; i < body->nresults; i++) {
        ir_value v = body->results[i];
        uint32_t bytes = cg_slot(lw, cg_bytes(lw->g, ir_type_of(lw->g, v))),
                 from = cg_buffer(lw, v);
        lw->p->bufs[out[i]].bytes = bytes;
        if (from != out[i]) cg_copy(lw, from, out[i], bytes);
        ir_type seen = ir_output_type(lw->g, i);
        lathe_io io = lower_describe(lw, &seen, cg_interned(lw, lw->g->output_names[i]), out[i]);
        CG_PUSH(lw->p, outputs, io);
    }
    return lw->status;
}

/* ---- states ---- */

/* The axis of a state that batches lie along: that of a size which is the first dim of an input
 * that is no state. */
static uint32_t batch_axis(const cg_lowering *lw, const ir_state *state)
{
    const ir_graph *g = lw->g;
    const ir_block *b = &g->blocks[1];
    const ir_type *t = ir_type_of(g, b->params[state->input]);
    for (size_t i = 0; i < b->nparams; i++) {
        const ir_type *other = ir_type_of(g, b->params[i]);
        bool is_state = false;
        for (size_t k = 0; k < g->nstates; k++) is_state |= g->states[k].input == i;
        if (is_state || !other->rank || ir_dim_get(g, other->dims[0])->kind != IR_DIM_SYM) continue;
        for (int a = 0; a < t->rank; a++)
            if (a != state->axis && t->dims[a] == other->dims[0]) return (uint32_t)a;
    }
    return LATHE_NO_SLOT;
}

static lathe_status lower_states(cg_lowering *lw)
{
    const ir_graph *g = lw->g;
    for (size_t i = 0; i < g->nstates; i++) {
        const ir_state *s = &g->states[i];
        ir_value out = g->blocks[1].results[s->output], held = ir_state_held(g, s);
        uint32_t buffer = cg_buffer(lw, held);
        if (cg_root(lw, held) != held || lw->status ||
            lw->p->bufs[buffer].kind != (held == out ? LATHE_BUF_OUTPUT : LATHE_BUF_ARENA))
            return cg_refuse(lw, LATHE_INTERNAL, out, "a state without a buffer of its own");
        lathe_state state = {.input = s->input,
                             .output = s->output,
                             .held = buffer,
                             .elem = (uint32_t)ir_type_of(g, held)->elem,
                             .axis = s->axis < 0 ? LATHE_NO_SLOT : (uint32_t)s->axis,
                             .batch = batch_axis(lw, s)};
        CG_PUSH(lw->p, states, state);
    }
    return lw->status;
}

/* ---- the whole ---- */

static cg_lowering *lower_start(ir_graph *g, const char *name)
{
    cg_lowering *lw = IR_NEW(g->arena, cg_lowering);
    cg_program *p = IR_NEW(g->arena, cg_program);
    *p = (cg_program){
        .g = g, .arena = g->arena, .name = ir_format(g->arena, "%s", name), .n_segments = 1};
    lw->g = g;
    lw->p = p;
    lw->text.arena = g->arena;
    lw->node_entry = LATHE_NO_SLOT;
    lw->buffer = IR_NEW_N(g->arena, uint32_t, g->nvalues);
    lw->home = IR_NEW_N(g->arena, uint32_t, g->nvalues);
    lw->root = IR_NEW_N(g->arena, ir_value, g->nvalues);
    lw->uses = IR_NEW_N(g->arena, uint32_t, g->nvalues);
    lw->part = IR_NEW_N(g->arena, ir_node_id, g->nvalues);
    lw->sym_segment = IR_NEW_N(g->arena, uint32_t, g->nsyms + 1);
    lw->block_segment = IR_NEW_N(g->arena, uint32_t, g->nblocks + 1);
    for (size_t i = 0; i < g->nsyms; i++) lw->sym_segment[i] = LATHE_NO_SLOT;
    CG_PUSH(p, strings, '\0');
    return lw;
}

void cg_reserve_scratch(cg_lowering *lw, ir_dim bytes)
{
    lw->scratch = lw->scratch ? ir_dim_max(lw->g, lw->scratch, bytes) : bytes;
}

/* Buffers that no step touches (unused inputs, results of dead nodes) live at step 0. */
static void lower_finish(cg_lowering *lw)
{
    cg_program *p = lw->p;
    p->scratch_slot = lw->scratch ? cg_slot(lw, lw->scratch) : LATHE_NO_SLOT;
    for (size_t i = 0; i < p->nbufs; i++)
        if (p->bufs[i].first == LATHE_NO_SLOT) p->bufs[i].first = p->bufs[i].last = 0;
}

lathe_status cg_lower(ir_graph *g, const char *name, int level, bool pairs, cg_decodes decodes,
                      cg_program **program)
{
    cg_lowering *lw = lower_start(g, name);
    *program = lw->p;
    lw->level = level;
    lw->pairs = pairs;
    lw->decodes = decodes;
    const ir_block body = g->blocks[1];
    uint32_t *out = IR_NEW_N(g->arena, uint32_t, body.nresults + 1);
    cg_count_uses(lw);
    cg_find_parts(lw);
    cg_find_encoded(lw);
    cg_find_extremes(lw);
    TRY(lower_inputs(lw, &body));
    plan_outputs(lw, &body, out);
    TRY(cg_lower_block(lw, 1));
    lw->node_entry = LATHE_NO_SLOT;
    TRY(lower_outputs(lw, &body, out));
    TRY(lower_states(lw));
    TRY(cg_lower_guards(lw));
    if (g->overflow) return cg_refuse(lw, LATHE_LIMIT, IR_NONE, "a size overflows 64 bits");
    cg_merge_kernels(lw);
    lower_finish(lw);
    return lw->status;
}
