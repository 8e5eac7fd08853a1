/* The importer of Loop, and of SequenceMap where a run decides how long the sequence is. In: a
 * subgraph. Out: a `loop` node with a region - or, where a small trip count is known, just the
 * nodes of all turns, which keeps contents known and lets sequences be carried item by item.
 *
 * What a loop carries or collects travels in one of four ways (slot): a tensor as it is; a scan
 * output, and a sequence that a turn only appends items of one size to, as a scan output of the
 * node; any other sequence, and scan outputs whose size only the turn's data decides, as the
 * tensors of sequence.h, carried and rebuilt by each turn. Which way a sequence goes is found by a
 * trial import of the body; that a scan output's size changes, by building the loop. */
#include "frontend/sequence.h"

#define UNROLL_TURNS 16    /* loops over tensors */
#define UNROLL_SEQUENCE 64 /* loops that carry sequences, whose items then may differ in size */
#define UNROLL_NODES 4096
#define UNROLL_TOTAL (1u << 15) /* of a model, those of trials included: loops stand in loops */

typedef enum { AS_TENSOR, AS_SCAN, AS_PACKED } way;

typedef struct slot {
    way way;
    fe_items items; /* AS_PACKED */
} slot;

typedef struct body {
    const Onnx__GraphProto *graph;
    bool map; /* of SequenceMap: its inputs are items, its outputs scan outputs, without a condition
               */
    ir_value trip, cond;
    size_t ncarried, nscans; /* of the node: tensors and sequences; scan outputs */
    slot *slots;             /* ncarried, then nscans */
    size_t ncarry, ncollect; /* tensors that the loop node carries; its scan outputs */
    fe_learn *open; /* of carried sequences that are appended to, for the turn being built */
} body;

static fe_value tensor_value(ir_value v) { return (fe_value){.kind = FE_TENSOR, .tensor = v}; }

bool fe_known_int(const fe_node *n, size_t k, int64_t *value)
{
    size_t one = 1;
    return fe_has(n, k) && n->in[k].kind == FE_TENSOR &&
           ir_content_ints(n->g, fe_in(n, k), value, 1, &one) && one == 1;
}

/* Whether slot s is a carried sequence that the node was given. */
static bool is_sequence(const fe_node *n, const body *b, size_t s)
{
    return s < b->ncarried && n->in[2 + s].kind == FE_SEQUENCE;
}

static void count_slots(body *b)
{
    b->ncarry = b->ncollect = 0;
    for (size_t s = 0; s < b->ncarried + b->nscans; s++) {
        const slot *at = &b->slots[s];
        if (at->way == AS_TENSOR) b->ncarry++;
        if (at->way == AS_SCAN) b->ncollect++;
        if (at->way == AS_PACKED) b->ncarry += fe_seq_tensors(&at->items);
    }
}

/* ---- one turn ---- */

/* A size that only the turn's data decides, where the body declares it as a number: taken as that
 * number, which the run then checks. */
static ir_value as_declared(fe_node *n, const Onnx__ValueInfoProto *info, ir_value v, fe_mark start)
{
    const Onnx__TypeProto *type = info->type;
    const Onnx__TensorShapeProto *shape =
        type && type->tensor_type ? type->tensor_type->shape : NULL;
    ir_type t = *ir_type_of(n->g, v);
    if (!shape || shape->n_dim != (size_t)t.rank) return v;
    for (int a = 0; a < t.rank; a++)
        if (shape->dim[a]->has_dim_value && fe_dim_since(n->g, t.dims[a], start))
            t.dims[a] = ir_dim_const(n->g, shape->dim[a]->dim_value);
    return ir_reshape(&n->b, v, t.rank, t.dims);
}

/* Stacks tensors along a new first axis. */
static ir_value stack(fe_node *n, const ir_value *items, size_t count)
{
    ir_value *parts = IR_NEW_N(n->g->arena, ir_value, count);
    for (size_t t = 0; t < count; t++) parts[t] = ir_unsqueeze(&n->b, items[t], 0);
    return ir_concat(&n->b, parts, count, 0);
}

static ir_value stack_items(fe_node *n, const fe_value *sequence)
{
    ir_value *items = IR_NEW_N(n->g->arena, ir_value, sequence->nitems);
    for (size_t i = 0; i < sequence->nitems; i++) items[i] = sequence->items[i].tensor;
    return stack(n, items, sequence->nitems);
}

/* Arguments of a turn, and what packed scan outputs have collected so far. A sequence that is only
 * appended to starts every turn empty and open, so that its items at the end are the turn's. */
static fe_value *turn_args(fe_node *n, const body *b, const ir_value *params, fe_value *collected)
{
    fe_value *args = IR_NEW_N(n->g->arena, fe_value, 2 + b->ncarried);
    for (size_t i = 0; i < 2; i++) args[i] = tensor_value(*params++);
    for (size_t s = 0; s < b->ncarried + b->nscans; s++) {
        const slot *at = &b->slots[s];
        fe_value v = {.kind = FE_SEQUENCE, .open = &b->open[s]};
        if (at->way == AS_TENSOR) v = tensor_value(*params++);
        if (at->way == AS_PACKED) v = fe_seq_take(&at->items, &params);
        if (at->way == AS_SCAN && s < b->ncarried) v.elem = n->in[2 + s].elem;
        if (s < b->ncarried) args[2 + s] = v;
        else collected[s - b->ncarried] = v;
    }
    return args;
}

/* The node's inputs, of each sequence the turn's item. */
static lathe_status item_args(fe_node *n, ir_value turn, fe_value **args)
{
    *args = IR_NEW_N(n->g->arena, fe_value, n->nin);
    for (size_t k = 0; k < n->nin; k++) {
        fe_value v = n->in[k];
        (*args)[k] = v;
        if (v.kind != FE_SEQUENCE) continue;
        (*args)[k] = (fe_value){.kind = FE_TENSOR};
        TRY(fe_seq_at(n, &v, turn, &(*args)[k].tensor));
    }
    return LATHE_OK;
}

static lathe_status put_carried(fe_node *n, const body *b, size_t s, const fe_value *out,
                                fe_mark start, ir_value **carried, ir_value **scans)
{
    const slot *at = &b->slots[s];
    fe_value v;
    if (out->kind != n->in[2 + s].kind)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "output %zu of the body is not what the loop carries there: a tensor, or a "
                       "sequence",
                       s + 1);
    if (at->way == AS_TENSOR) {
        *(*carried)++ = as_declared(n, b->graph->output[1 + s], out->tensor, start);
    } else if (at->way == AS_SCAN) {
        *(*scans)++ = stack_items(n, out);
    } else {
        TRY(fe_seq_pack(n, &at->items, out, &v));
        fe_seq_put(&v, carried);
    }
    return LATHE_OK;
}

static lathe_status put_scan(fe_node *n, const body *b, size_t k, const fe_value *out,
                             fe_mark start, const fe_value *collected, ir_value **carried,
                             ir_value **scans)
{
    fe_value v;
    if (out->kind != FE_TENSOR)
        return fe_fail(n, LATHE_BAD_INPUT, "scan output %zu of the body is not a tensor", k);
    size_t index = b->map ? k : 1 + b->ncarried + k;
    ir_value item = as_declared(n, b->graph->output[index], out->tensor, start);
    if (b->slots[b->ncarried + k].way == AS_SCAN) {
        *(*scans)++ = item;
        return LATHE_OK;
    }
    TRY(fe_seq_insert(n, collected, item, IR_NONE, &v));
    fe_seq_put(&v, carried);
    return LATHE_OK;
}

static lathe_status loop_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    const body *b = ctx;
    fe_value *collected = IR_NEW_N(n->g->arena, fe_value, b->nscans + 1);
    fe_value *outs = IR_NEW_N(n->g->arena, fe_value, b->graph->n_output + 1), *out = outs;
    fe_value *args = turn_args(n, b, params, collected);
    ir_value *carried = results + 1, *scans = results + 1 + b->ncarry;
    fe_mark start = fe_mark_now(n->g);
    if (b->map) TRY(item_args(n, params[0], &args));
    TRY(fe_subgraph(n, b->graph, n->b.block, args, b->map ? n->nin : 2 + b->ncarried, outs));
    results[0] = params[1];
    if (!b->map) {
        if (out->kind != FE_TENSOR)
            return fe_fail(n, LATHE_BAD_INPUT, "the body's condition is not a tensor");
        results[0] = as_declared(n, b->graph->output[0], out++->tensor, start);
    }
    for (size_t s = 0; s < b->ncarried; s++)
        TRY(put_carried(n, b, s, out++, start, &carried, &scans));
    for (size_t k = 0; k < b->nscans; k++)
        TRY(put_scan(n, b, k, out++, start, &collected[k], &carried, &scans));
    return LATHE_OK;
}

/* ---- a trial import of the body ---- */

typedef struct probe {
    bool known;     /* the condition after the first turn is known */
    bool through;   /* and stays true */
    fe_learn *open; /* one a carried value */
} probe;

/* fixed: with the first turn's values, so that what is known of them counts. */
static lathe_status try_body(fe_node *n, const body *b, bool fixed, probe *p)
{
    ir_graph *g = n->g;
    fe_mark mark = fe_mark_now(g);
    ir_block_id block = ir_block_new(g, IR_NONE);
    ir_type iter = ir_type_make(IR_I64, 0, NULL), cond = ir_type_make(IR_BOOL, 0, NULL);
    fe_value *args = IR_NEW_N(g->arena, fe_value, 2 + b->ncarried);
    fe_value *outs = IR_NEW_N(g->arena, fe_value, b->graph->n_output);
    args[0] = tensor_value(ir_param(g, block, &iter, "iter"));
    args[1] = tensor_value(ir_param(g, block, &cond, "cond"));
    for (size_t c = 0; c < b->ncarried; c++) {
        args[2 + c] = n->in[2 + c];
        if (fixed) continue;
        if (is_sequence(n, b, c))
            args[2 + c] =
                (fe_value){.kind = FE_SEQUENCE, .open = &p->open[c], .elem = n->in[2 + c].elem};
        else args[2 + c].tensor = ir_param(g, block, ir_type_of(g, fe_in(n, 2 + c)), NULL);
        p->open[c].mark = fe_mark_now(g);
    }
    TRY(fe_subgraph(n, b->graph, block, args, 2 + b->ncarried, outs));
    int64_t value;
    size_t one = 1;
    bool same = outs[0].kind == FE_TENSOR && outs[0].tensor == args[1].tensor;
    p->known =
        same || (outs[0].kind == FE_TENSOR && ir_content_ints(g, outs[0].tensor, &value, 1, &one));
    p->through = same || (p->known && value);
    for (size_t c = 0; c < b->ncarried && !fixed; c++) {
        const fe_value *out = &outs[1 + c];
        if (!is_sequence(n, b, c) || out->kind != FE_SEQUENCE) continue;
        if (out->open != &p->open[c] || out->nitems == 0) p->open[c].other = true;
        if (out->open != &p->open[c]) fe_learn_value(g, &p->open[c], out);
    }
    fe_discard(g, mark);
    return LATHE_OK;
}

/* Chooses a way for each slot. */
static lathe_status find_ways(fe_node *n, body *b)
{
    size_t nslots = b->ncarried + b->nscans;
    b->slots = IR_NEW_N(n->g->arena, slot, nslots + 1);
    b->open = IR_NEW_N(n->g->arena, fe_learn, nslots + 1);
    probe p = {.open = IR_NEW_N(n->g->arena, fe_learn, b->ncarried + 1)};
    bool any = false;
    for (size_t s = 0; s < nslots; s++) {
        b->slots[s].way = s < b->ncarried ? AS_TENSOR : AS_SCAN;
        if (!is_sequence(n, b, s)) continue;
        any = true;
        p.open[s].mark = fe_mark_now(n->g);
        fe_learn_value(n->g, &p.open[s], &n->in[2 + s]);
    }
    if (any) TRY(try_body(n, b, false, &p));
    for (size_t s = 0; s < b->ncarried; s++) {
        const fe_learn *l = &p.open[s];
        if (!is_sequence(n, b, s)) continue;
        if (l->irregular)
            return fe_fail(n, LATHE_UNSUPPORTED,
                           "the items of carried sequence %zu differ in rank, type or along two "
                           "axes",
                           s);
        if (!l->items.known)
            return fe_fail(n, LATHE_UNSUPPORTED,
                           "nothing says what the items of carried sequence %zu are: no turn "
                           "inserts one and it starts empty",
                           s);
        b->slots[s].way = l->other || l->items.axis >= 0 ? AS_PACKED : AS_SCAN;
        b->slots[s].items = l->items;
    }
    return LATHE_OK;
}

/* ---- the node ---- */

/* A sequence that was only appended to, after the loop: what it held before, then the turns' items,
 * all stacked. */
static lathe_status appended(fe_node *n, const fe_value *init, ir_value turns, fe_value *result)
{
    ir_type t = *ir_type_of(n->g, turns); /* [turns, items a turn, ...] */
    for (int a = 1; a < t.rank - 1; a++) t.dims[a] = t.dims[a + 1];
    t.dims[0] = ir_dim_mul(n->g, t.dims[0], ir_type_of(n->g, turns)->dims[1]);
    ir_value parts[2] = {init->tensor, ir_reshape(&n->b, turns, t.rank - 1, t.dims)};
    if (!init->tensor && init->nitems) parts[0] = stack_items(n, init);
    ir_value all = parts[0] ? ir_concat(&n->b, parts, 2, 0) : parts[1];
    if (all == IR_NONE) return LATHE_BAD_INPUT;
    *result = (fe_value){.kind = FE_SEQUENCE, .tensor = all, .elem = t.elem};
    return LATHE_OK;
}

static lathe_status first_values(fe_node *n, const body *b, ir_value *init)
{
    static const fe_value none = {.kind = FE_SEQUENCE};
    fe_value v;
    for (size_t s = 0; s < b->ncarried + b->nscans; s++) {
        const slot *at = &b->slots[s];
        if (at->way == AS_TENSOR) *init++ = fe_in(n, 2 + s);
        if (at->way != AS_PACKED) continue;
        TRY(fe_seq_pack(n, &at->items, s < b->ncarried ? &n->in[2 + s] : &none, &v));
        fe_seq_put(&v, &init);
    }
    return LATHE_OK;
}

static lathe_status final_value(fe_node *n, const body *b, size_t s, const ir_value **carried,
                                const ir_value **scans, fe_value *v)
{
    const slot *at = &b->slots[s];
    ir_value all;
    if (at->way == AS_TENSOR) *v = tensor_value(*(*carried)++);
    if (at->way == AS_SCAN) *v = tensor_value(*(*scans)++);
    if (at->way == AS_SCAN && b->map)
        *v = (fe_value){
            .kind = FE_SEQUENCE, .tensor = v->tensor, .elem = ir_type_of(n->g, v->tensor)->elem};
    if (at->way == AS_PACKED) *v = fe_seq_take(&at->items, carried);
    if (at->way == AS_SCAN && s < b->ncarried) return appended(n, &n->in[2 + s], v->tensor, v);
    if (at->way != AS_PACKED || s < b->ncarried || b->map) return LATHE_OK;
    TRY(fe_seq_stack(n, v, &all));
    *v = tensor_value(all);
    return LATHE_OK;
}

/* Scan outputs whose size changes from turn to turn are collected as items of a sequence. */
static lathe_status pack_scan(fe_node *n, body *b, size_t k, const ir_type *each, fe_mark mark)
{
    size_t s = 0, scans = 0;
    while (b->slots[s].way != AS_SCAN || scans++ < k) s++;
    fe_learn l = {.mark = mark};
    fe_learn_item(n->g, &l, each);
    if (l.irregular || l.items.axis < 0)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "scan output %zu changes from turn to turn along two axes", k);
    b->slots[s] = (slot){.way = AS_PACKED, .items = l.items};
    return LATHE_OK;
}

static lathe_status build_node(fe_node *n, body *b, ir_value **results)
{
    fe_mark before = fe_mark_now(n->g);
    for (;;) {
        count_slots(b);
        size_t nresults = b->ncarry + b->ncollect;
        ir_value *init = IR_NEW_N(n->g->arena, ir_value, b->ncarry + 1);
        *results = IR_NEW_N(n->g->arena, ir_value, nresults + 1);
        TRY(first_values(n, b, init));
        fe_loop loop = {.trip = b->trip,
                        .cond = b->cond,
                        .init = init,
                        .ncarried = b->ncarry,
                        .nscans = b->ncollect,
                        .turn = loop_turn,
                        .ctx = b,
                        .changing = b->ncollect};
        TRY(fe_loop_build(n, &loop, *results));
        if (loop.changing == b->ncollect) return LATHE_OK;
        TRY(pack_scan(n, b, loop.changing, &loop.changing_type, before));
    }
}

static lathe_status loop_node(fe_node *n, body *b)
{
    ir_value *results;
    TRY(find_ways(n, b));
    TRY(build_node(n, b, &results));
    const ir_value *carried = results, *scans = results + b->ncarry;
    for (size_t s = 0; s < b->ncarried + b->nscans; s++) {
        fe_value v;
        TRY(final_value(n, b, s, &carried, &scans, &v));
        if (s < n->nout && fe_wants(n, s)) fe_out_value(n, s, v);
    }
    return LATHE_OK;
}

/* ---- all turns one behind the other ---- */

static lathe_status unroll_turns(fe_node *n, const body *b, int64_t trips)
{
    ir_graph *g = n->g;
    size_t nout = 1 + b->ncarried + b->nscans, turns = 0;
    fe_value *args = IR_NEW_N(g->arena, fe_value, 2 + b->ncarried),
             *outs = IR_NEW_N(g->arena, fe_value, nout);
    ir_value *scans = IR_NEW_N(g->arena, ir_value, b->nscans * (size_t)trips + 1);
    for (size_t c = 0; c < b->ncarried; c++) args[2 + c] = n->in[2 + c];
    int64_t go_on = 1;
    for (int64_t t = 0; t < trips && go_on; t++, turns++) {
        size_t one = 1;
        args[0] = tensor_value(ir_const_ints(&n->b, IR_I64, 0, NULL, &t));
        args[1] = tensor_value(ir_scalar_const(&n->b, IR_BOOL, 1));
        TRY(fe_subgraph(n, b->graph, n->b.block, args, 2 + b->ncarried, outs));
        if (t + 1 < trips &&
            (outs[0].kind != FE_TENSOR || !ir_content_ints(g, outs[0].tensor, &go_on, 1, &one)))
            return fe_fail(n, LATHE_UNSUPPORTED,
                           "turn %lld decides by data whether there is another one, the turns "
                           "before it do not; a loop that carries sequences decides the same way "
                           "in every turn",
                           (long long)t);
        for (size_t c = 0; c < b->ncarried; c++) args[2 + c] = outs[1 + c];
        for (size_t k = 0; k < b->nscans; k++) {
            if (outs[1 + b->ncarried + k].kind != FE_TENSOR)
                return fe_fail(n, LATHE_BAD_INPUT, "scan output %zu is not a tensor", k);
            scans[k * (size_t)trips + turns] = outs[1 + b->ncarried + k].tensor;
        }
    }
    for (size_t i = 0; i < n->nout; i++) {
        if (!fe_wants(n, i)) continue;
        if (i < b->ncarried) fe_out_value(n, i, args[2 + i]);
        else fe_out(n, i, stack(n, scans + (i - b->ncarried) * (size_t)trips, turns));
    }
    return LATHE_OK;
}

static lathe_status unroll(fe_node *n, const body *b, int64_t trips)
{
    uint32_t before = fe_imported(n);
    lathe_status status = unroll_turns(n, b, trips);
    *fe_unrolled(n) += fe_imported(n) - before;
    return status;
}

static lathe_status want_unroll(fe_node *n, const body *b, int64_t *trips, bool *yes)
{
    int64_t cond = 1;
    bool counted = fe_known_int(n, 0, trips) && (!fe_has(n, 1) || fe_known_int(n, 1, &cond)),
         sequences = false;
    for (size_t c = 0; c < b->ncarried; c++) sequences |= n->in[2 + c].kind != FE_TENSOR;
    probe p = {.known = true};
    *yes = false;
    if (counted && !cond) *trips = 0;
    if (sequences && counted && *trips <= UNROLL_SEQUENCE) {
        if (*trips > 1) TRY(try_body(n, b, true, &p));
        *yes = p.known;
        return LATHE_OK;
    }
    if (sequences || !counted || *trips < 1 || *trips > UNROLL_TURNS ||
        *trips * (int64_t)b->graph->n_node > UNROLL_NODES || *fe_unrolled(n) > UNROLL_TOTAL ||
        fe_memo_stops(n))
        return LATHE_OK;
    uint32_t before = fe_imported(n);
    TRY(try_body(n, b, true, &p));
    *fe_unrolled(n) += fe_imported(n) - before;
    *yes = p.through;
    if (!p.through) fe_memo_note_stops(n);
    return LATHE_OK;
}

lathe_status fe_import_loop(fe_node *n)
{
    body b = {.graph = fe_attr_graph(n, "body")};
    if (!b.graph || n->nin < 2)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute body is no graph, or there are fewer inputs than 2");
    b.trip = fe_in(n, 0);
    b.cond = fe_in(n, 1);
    b.ncarried = n->nin - 2;
    if (b.graph->n_output < 1 + b.ncarried || b.graph->n_output - 1 < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute body has %zu outputs, which is less than the condition and the "
                       "carried values",
                       b.graph->n_output);
    b.nscans = b.graph->n_output - 1 - b.ncarried;
    for (size_t k = 0; k < 2; k++)
        if (fe_has(n, k)) TRY(fe_need_class(n, k, k ? "B" : "SU"));
    for (size_t c = 0; c < b.ncarried; c++)
        if (n->in[2 + c].kind == FE_ABSENT || n->in[2 + c].kind == FE_OPTIONAL_NONE)
            return fe_fail(n, LATHE_UNSUPPORTED, "carried value %zu is absent", c);
    int64_t trips = 0;
    bool yes;
    TRY(want_unroll(n, &b, &trips, &yes));
    if (yes) return unroll(n, &b, trips);
    return loop_node(n, &b);
}

lathe_status fe_map_items(fe_node *n, const Onnx__GraphProto *graph)
{
    ir_expr length = ir_x_dim(n->g, fe_seq_length(n->g, &n->in[0]));
    body b = {.graph = graph,
              .map = true,
              .trip = ir_values(&n->b, IR_I64, 0, NULL, &length, 1),
              .nscans = graph->n_output};
    return loop_node(n, &b);
}
