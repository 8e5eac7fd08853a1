/* A loop node from a function that builds one turn. In: initial values. Out: the node with its
 * region. Invariant: the region's results have the types of its params, where a dim that changes
 * from turn to turn is a REGION symbol. Which dims change is found by building the turn and
 * comparing: first with the initial types, then with a symbol for each dim that came out different,
 * until nothing changes. The node's `syms` are the number of turns, then one symbol for each
 * changed dim, in the order of the results' types, that holds its final value. */
#include "frontend/loop.h"

/* ---- taking a trial back ---- */

fe_mark fe_mark_now(const ir_graph *g) { return (fe_mark){g->nblocks, g->nsyms, g->nguards}; }

/* Blocks' ids are given again: no node that stays behind may name one as its region. */
void fe_discard(ir_graph *g, fe_mark mark)
{
    for (size_t b = mark.nblocks; b < g->nblocks; b++) {
        ir_block *block = &g->blocks[b];
        for (size_t i = 0; i < block->nnodes; i++) ir_delete_node(g, block->nodes[i]);
        *block = (ir_block){0};
    }
    g->nblocks = mark.nblocks;
    g->nsyms = mark.nsyms;
    g->nguards = mark.nguards;
}

bool fe_dim_since(const ir_graph *g, ir_dim d, fe_mark mark)
{
    if (d == IR_NONE) return false;
    const ir_dim_node *n = ir_dim_get(g, d);
    if (n->kind == IR_DIM_SYM) return n->sym >= mark.nsyms;
    for (int t = 0; t < n->nterms; t++)
        for (int i = 0; i < n->terms[t].natoms; i++)
            if (n->terms[t].atoms[i] != d && fe_dim_since(g, n->terms[t].atoms[i], mark))
                return true;
    return fe_dim_since(g, n->a, mark) || fe_dim_since(g, n->b, mark);
}

/* ---- finding the types ---- */

typedef struct trial {
    fe_node *n;
    fe_loop *loop;
    ir_type *types;        /* of the carried values */
    fe_mark before, start; /* of the first trial; of this one, after its region symbols */
    ir_block_id block;
    ir_value *params, *results;
    size_t nresults;
} trial;

static lathe_status one_condition(fe_node *n, ir_value *cond)
{
    if (*cond == IR_NONE) return LATHE_BAD_INPUT;
    const ir_type *type = ir_type_of(n->g, *cond);
    if (!ir_dim_require(n->g, ir_type_count(n->g, type), ir_dim_const(n->g, 1)))
        return fe_expect(n, "output 0 of the body, the condition, is", ir_type_text(n->g, type),
                         "one bool");
    *cond = fe_as_scalar(n, *cond, IR_BOOL);
    return LATHE_OK;
}

static lathe_status run_turn(trial *t)
{
    fe_node *n = t->n;
    ir_graph *g = n->g;
    ir_block_id around = n->b.block;
    t->start = fe_mark_now(g);
    t->block = ir_block_new(g, IR_NONE);
    ir_type iter = ir_type_make(IR_I64, 0, NULL), cond = ir_type_make(IR_BOOL, 0, NULL);
    t->params[0] = ir_param(g, t->block, &iter, "iter");
    t->params[1] = ir_param(g, t->block, &cond, "cond");
    for (size_t c = 0; c < t->loop->ncarried; c++)
        t->params[2 + c] = ir_param(g, t->block, &t->types[c], NULL);
    n->b.block = t->block;
    lathe_status status = t->loop->turn(t->loop->ctx, n, t->params, t->results);
    if (status == LATHE_OK) status = one_condition(n, &t->results[0]);
    n->b.block = around;
    TRY(status);
    for (size_t i = 0; i < t->nresults; i++) /* what could not be built has been reported */
        if (t->results[i] == IR_NONE) return LATHE_BAD_INPUT;
    return LATHE_OK;
}

static bool is_region(const trial *t, ir_dim d)
{
    const ir_dim_node *n = ir_dim_get(t->n->g, d);
    return n->kind == IR_DIM_SYM && n->sym >= t->before.nsyms && n->sym < t->start.nsyms;
}

/* Marks (as IR_NONE) the dims that came out different; false: none did. */
static lathe_status widen(trial *t, bool *changed)
{
    ir_graph *g = t->n->g;
    *changed = false;
    for (size_t c = 0; c < t->loop->ncarried; c++) {
        const ir_type *out = ir_type_of(g, t->results[1 + c]);
        ir_type *in = &t->types[c];
        if (out->elem != in->elem || out->rank != in->rank)
            return fe_fail(t->n, LATHE_UNSUPPORTED, "carried value %zu changes from %s to %s", c,
                           ir_type_text(g, in), ir_type_text(g, out));
        for (int a = 0; a < in->rank; a++) {
            if (in->dims[a] == out->dims[a] || is_region(t, in->dims[a])) continue;
            in->dims[a] = IR_NONE;
            *changed = true;
        }
    }
    return LATHE_OK;
}

static ir_sym fresh(trial *t, ir_sym_kind kind)
{
    ir_sym s = fe_data_symbol(t->n, 0, INT64_MAX, IR_NONE);
    t->n->g->syms[s].kind = kind;
    return s;
}

static void name_changing(trial *t)
{
    for (size_t c = 0; c < t->loop->ncarried; c++)
        for (int a = 0; a < t->types[c].rank; a++)
            if (t->types[c].dims[a] == IR_NONE)
                t->types[c].dims[a] = ir_dim_sym(t->n->g, fresh(t, IR_SYM_REGION));
}

static lathe_status search_types(trial *t)
{
    fe_memo_widen(t->n, t->types, t->loop->ncarried);
    for (bool changed = true; changed;) {
        name_changing(t);
        TRY(run_turn(t));
        TRY(widen(t, &changed));
        if (changed) fe_discard(t->n->g, t->start);
    }
    return LATHE_OK;
}

static lathe_status find_types(trial *t)
{
    size_t ncarried = t->loop->ncarried;
    uint16_t *widened = IR_NEW_N(t->n->g->arena, uint16_t, ncarried + 1);
    t->before = fe_mark_now(t->n->g);
    fe_search_begin(t->n);
    lathe_status status = search_types(t);
    fe_search_end(t->n);
    TRY(status);
    for (size_t c = 0; c < ncarried; c++)
        for (int a = 0; a < t->types[c].rank; a++)
            if (is_region(t, t->types[c].dims[a])) widened[c] |= (uint16_t)(1u << a);
    fe_memo_note_widened(t->n, widened, ncarried);
    return LATHE_OK;
}

/* ---- the node ---- */

/* A region dim that grows by the same amount each turn is bounded where the turns are. */
static ir_dim growth_bound(const trial *t, ir_dim init, ir_dim now, ir_dim next, ir_dim turns)
{
    ir_graph *g = t->n->g;
    ir_dim step = ir_dim_sub(g, next, now);
    int64_t lo, hi;
    if (turns == IR_NONE || step == IR_NONE || fe_dim_since(g, step, t->before)) return IR_NONE;
    ir_dim_range(g, step, &lo, &hi);
    if (hi <= 0) return init;
    return lo < 0 ? IR_NONE : ir_dim_add(g, init, ir_dim_mul(g, turns, step));
}

/* Types of the final values; each changed dim gets a symbol of its own, appended to syms. */
static void final_types(trial *t, ir_dim turns, ir_type *types, ir_sym *syms, size_t *nsyms)
{
    ir_graph *g = t->n->g;
    for (size_t c = 0; c < t->loop->ncarried; c++) {
        types[c] = t->types[c];
        const ir_type init = *ir_type_of(g, t->loop->init[c]);
        const ir_type next = *ir_type_of(g, t->results[1 + c]);
        for (int a = 0; a < init.rank; a++) {
            if (!is_region(t, types[c].dims[a])) continue;
            ir_dim bound = growth_bound(t, init.dims[a], types[c].dims[a], next.dims[a], turns);
            g->syms[ir_dim_get(g, types[c].dims[a])->sym].bound = bound;
            ir_sym last = fresh(t, IR_SYM_DATA);
            g->syms[last].bound = bound;
            syms[(*nsyms)++] = last;
            types[c].dims[a] = ir_dim_sym(g, last);
        }
    }
}

static lathe_status scan_type(trial *t, size_t k, ir_dim turns, ir_type *type)
{
    ir_graph *g = t->n->g;
    const ir_type each = *ir_type_of(g, t->results[1 + t->loop->ncarried + k]);
    if (each.rank >= IR_MAX_RANK)
        return fe_fail(t->n, LATHE_LIMIT, "scan output %zu has %d axes, at most %d are supported",
                       k, each.rank + 1, IR_MAX_RANK);
    *type = ir_type_make(each.elem, each.rank + 1, NULL);
    type->dims[0] = turns;
    for (int a = 0; a < each.rank; a++) {
        if (fe_dim_since(g, each.dims[a], t->before))
            return fe_fail(t->n, LATHE_UNSUPPORTED,
                           "scan output %zu has a size that changes between turns", k);
        type->dims[a + 1] = each.dims[a];
    }
    return LATHE_OK;
}

/* A scan output whose size only its turn decides. */
static bool find_changing(trial *t)
{
    fe_loop *l = t->loop;
    for (size_t k = 0; k < l->nscans; k++) {
        const ir_type *each = ir_type_of(t->n->g, t->results[1 + l->ncarried + k]);
        for (int a = 0; a < each->rank; a++) {
            if (!fe_dim_since(t->n->g, each->dims[a], t->before)) continue;
            l->changing = k;
            l->changing_type = *each;
            return true;
        }
    }
    return false;
}

/* The body's condition is its param or constant true: all turns of the trip count are taken. */
static bool stays_true(const trial *t)
{
    int64_t value;
    size_t one = 1;
    return t->results[0] == t->params[1] ||
           (ir_content_ints(t->n->g, t->results[0], &value, 1, &one) && value);
}

static bool known_true(fe_node *n, ir_value cond)
{
    int64_t value;
    size_t one = 1;
    return cond == IR_NONE || (ir_content_ints(n->g, cond, &value, 1, &one) && value);
}

static lathe_status make_node(trial *t, ir_value *results)
{
    fe_node *n = t->n;
    ir_graph *g = n->g;
    const fe_loop *l = t->loop;
    size_t one = 1, nsyms = 1, nout = l->ncarried + l->nscans;
    ir_dim trip = IR_NONE;
    if (l->trip && ir_content_dims(g, l->trip, &trip, 1, &one))
        trip = ir_dim_max(g, trip, ir_dim_const(g, 0));
    ir_sym *syms = IR_NEW_N(g->arena, ir_sym, 1 + l->ncarried * IR_MAX_RANK);
    syms[0] = fe_data_symbol(n, 0, INT64_MAX, trip);
    ir_dim turns =
        trip != IR_NONE && stays_true(t) && known_true(n, l->cond) ? trip : ir_dim_sym(g, syms[0]);
    ir_type *types = IR_NEW_N(g->arena, ir_type, nout + 1);
    for (size_t k = 0; k < l->nscans; k++) TRY(scan_type(t, k, turns, &types[l->ncarried + k]));
    final_types(t, trip, types, syms, &nsyms);
    ir_value *operands = IR_NEW_N(g->arena, ir_value, l->ncarried + 2);
    operands[0] = l->trip ? fe_as_scalar(n, l->trip, IR_I64)
                          : ir_const_ints(&n->b, IR_I64, 0, NULL, &(int64_t){INT64_MAX});
    operands[1] = l->cond ? fe_as_scalar(n, l->cond, IR_BOOL) : ir_scalar_const(&n->b, IR_BOOL, 1);
    for (size_t c = 0; c < l->ncarried; c++) operands[2 + c] = l->init[c];
    for (size_t i = 0; i < t->nresults; i++) ir_result(g, t->block, t->results[i]);
    ir_attr attr = ir_a_syms(g, IR_KEY_syms, syms, nsyms);
    ir_node_id id = ir_node_new(&n->b, IR_OP_LOOP, operands, l->ncarried + 2, &attr, 1, types, nout,
                                &t->block, 1);
    if (id == IR_NONE) return LATHE_BAD_INPUT;
    for (size_t i = 0; i < nout; i++) results[i] = g->nodes[id].results[i];
    return LATHE_OK;
}

lathe_status fe_loop_build(fe_node *n, fe_loop *l, ir_value *results)
{
    ir_arena *arena = n->g->arena;
    trial t = {.n = n, .loop = l, .nresults = 1 + l->ncarried + l->nscans};
    t.types = IR_NEW_N(arena, ir_type, l->ncarried + 1);
    t.params = IR_NEW_N(arena, ir_value, l->ncarried + 2);
    t.results = IR_NEW_N(arena, ir_value, t.nresults);
    for (size_t c = 0; c < l->ncarried; c++) t.types[c] = *ir_type_of(n->g, l->init[c]);
    TRY(find_types(&t));
    if (l->changing == l->nscans && find_changing(&t)) {
        fe_discard(n->g, t.before);
        return LATHE_OK;
    }
    return make_node(&t, results);
}
