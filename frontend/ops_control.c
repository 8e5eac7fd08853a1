/* Importers of If and Loop. In: subgraphs. Out: `if` and `loop` nodes with regions - or, where the
 * condition or a small trip count is known, just the nodes of the branch taken or of all turns,
 * which keeps contents known and lets sequences be carried. */
#include "frontend/loop.h"

#define UNROLL_TURNS 16    /* loops over tensors */
#define UNROLL_SEQUENCE 64 /* loops that carry sequences, whose items then may differ in size */
#define UNROLL_NODES 4096

static bool known_int(fe_node *n, size_t k, int64_t *value)
{
    size_t one = 1;
    return fe_has(n, k) && n->in[k].kind == FE_TENSOR &&
           ir_content_ints(n->g, fe_in(n, k), value, 1, &one) && one == 1;
}

/* ---- If ---- */

typedef struct branch {
    const Onnx__GraphProto *graph;
    ir_block_id block;
    fe_value *outs;
} branch;

static lathe_status import_branch(fe_node *n, branch *b)
{
    b->block = ir_block_new(n->g, IR_NONE);
    b->outs = IR_NEW_N(n->g->arena, fe_value, b->graph->n_output + 1);
    return fe_subgraph(n, b->graph, b->block, NULL, 0, b->outs);
}

/* The if node under construction: symbols for sizes that depend on the branch. */
typedef struct joint {
    fe_mark mark; /* before the branches */
    ir_sym *syms;
    size_t nsyms, cap;
} joint;

/* A size that is x in one branch, y in the other. */
static ir_dim join_dim(fe_node *n, joint *j, ir_dim x, ir_dim y)
{
    if (x == y) return x;
    bool inner = fe_dim_since(n->g, x, j->mark) || fe_dim_since(n->g, y, j->mark);
    ir_sym s = fe_data_symbol(n, 0, INT64_MAX, inner ? IR_NONE : ir_dim_max(n->g, x, y));
    j->syms = ir_grow(n->g->arena, j->syms, &j->cap, j->nsyms + 1, sizeof *j->syms);
    j->syms[j->nsyms++] = s;
    return ir_dim_sym(n->g, s);
}

static lathe_status join(fe_node *n, joint *j, size_t k, ir_value a, ir_value b, ir_type *type)
{
    const ir_type x = *ir_type_of(n->g, a), y = *ir_type_of(n->g, b);
    if (x.elem != y.elem || x.rank != y.rank)
        return fe_fail(n, LATHE_UNSUPPORTED, "output %zu is %s in one branch, %s in the other", k,
                       ir_type_text(n->g, &x), ir_type_text(n->g, &y));
    *type = x;
    for (int i = 0; i < x.rank; i++) type->dims[i] = join_dim(n, j, x.dims[i], y.dims[i]);
    return LATHE_OK;
}

/* Lists the tensors that outputs consist of, sequences item by item. */
static size_t flatten(const fe_value *v, size_t n, ir_value *tensors)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == FE_SEQUENCE)
            count += flatten(v[i].items, v[i].nitems, tensors ? tensors + count : NULL);
        else if (v[i].kind == FE_TENSOR) {
            if (tensors) tensors[count] = v[i].tensor;
            count++;
        }
    }
    return count;
}

/* The shape of `like` with tensors taken from *next on. */
static fe_value unflatten(fe_node *n, const fe_value *like, const ir_value **next)
{
    fe_value v = *like;
    if (v.kind == FE_TENSOR) v.tensor = *(*next)++;
    if (v.kind != FE_SEQUENCE) return v;
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, v.nitems + 1);
    for (size_t i = 0; i < v.nitems; i++) items[i] = unflatten(n, &like->items[i], next);
    v.items = items;
    return v;
}

static bool same_structure(const fe_value *a, const fe_value *b)
{
    if (a->kind != b->kind || a->nitems != b->nitems) return false;
    for (size_t i = 0; i < a->nitems; i++)
        if (!same_structure(&a->items[i], &b->items[i])) return false;
    return true;
}

static lathe_status if_node(fe_node *n, branch *b, size_t nout, joint *j)
{
    ir_graph *g = n->g;
    for (size_t k = 0; k < nout; k++)
        if (!same_structure(&b[0].outs[k], &b[1].outs[k]))
            return fe_fail(n, LATHE_UNSUPPORTED,
                           "output %zu is not of one structure in both branches", k);
    size_t count = flatten(b[0].outs, nout, NULL);
    ir_value *tensors[2];
    ir_type *types = IR_NEW_N(g->arena, ir_type, count + 1);
    for (int i = 0; i < 2; i++) {
        tensors[i] = IR_NEW_N(g->arena, ir_value, count + 1);
        flatten(b[i].outs, nout, tensors[i]);
    }
    for (size_t k = 0; k < count; k++) TRY(join(n, j, k, tensors[0][k], tensors[1][k], &types[k]));
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < count; k++) ir_result(g, b[i].block, tensors[i][k]);
    ir_value cond = fe_as_scalar(n, fe_in(n, 0), IR_BOOL);
    ir_block_id regions[2] = {b[0].block, b[1].block};
    ir_attr syms = ir_a_syms(g, IR_KEY_syms, j->syms, j->nsyms);
    ir_node_id id =
        ir_node_new(&n->b, IR_OP_IF, &cond, 1, &syms, j->nsyms ? 1 : 0, types, count, regions, 2);
    if (id == IR_NONE) return fe_fail(n, LATHE_BAD_INPUT, "the branches do not fit together");
    const ir_value *next = g->nodes[id].results;
    for (size_t k = 0; k < n->nout; k++) {
        fe_value v = unflatten(n, &b[0].outs[k], &next);
        if (fe_wants(n, k)) fe_out_value(n, k, v);
    }
    return LATHE_OK;
}

lathe_status fe_import_if(fe_node *n)
{
    TRY(fe_need_class(n, 0, "B"));
    branch b[2] = {{.graph = fe_attr_graph(n, "then_branch")},
                   {.graph = fe_attr_graph(n, "else_branch")}};
    for (int i = 0; i < 2; i++)
        if (!b[i].graph || b[i].graph->n_output < n->nout)
            return fe_fail(n, LATHE_BAD_INPUT, "a branch is missing or has too few outputs");
    int64_t cond;
    if (known_int(n, 0, &cond)) {
        const Onnx__GraphProto *taken = b[cond ? 0 : 1].graph;
        fe_value *outs = IR_NEW_N(n->g->arena, fe_value, taken->n_output + 1);
        TRY(fe_subgraph(n, taken, n->b.block, NULL, 0, outs));
        for (size_t k = 0; k < n->nout; k++)
            if (fe_wants(n, k)) fe_out_value(n, k, outs[k]);
        return LATHE_OK;
    }
    if (b[0].graph->n_output != b[1].graph->n_output)
        return fe_fail(n, LATHE_BAD_INPUT, "the branches differ in outputs");
    joint j = {.mark = fe_mark_now(n->g)};
    for (int i = 0; i < 2; i++) TRY(import_branch(n, &b[i]));
    return if_node(n, b, b[0].graph->n_output, &j);
}

/* ---- Loop ---- */

typedef struct body {
    const Onnx__GraphProto *graph;
    size_t ncarried, nscans; /* of the node: tensors and sequences; scan outputs */
    size_t ntensors;         /* carried ones: those are carried by the loop node, too */
} body;

static fe_value tensor_value(ir_value v) { return (fe_value){.kind = FE_TENSOR, .tensor = v}; }

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

/* Arguments of a turn. A sequence starts every turn empty and open, so that its items at the end
 * are those that the turn appended; they leave the turn as one more scan output. */
static fe_value *turn_args(fe_node *n, const body *b, const ir_value *params)
{
    fe_value *args = IR_NEW_N(n->g->arena, fe_value, 2 + b->ncarried);
    for (size_t i = 0; i < 2; i++) args[i] = tensor_value(*params++);
    for (size_t c = 0; c < b->ncarried; c++) {
        const fe_value *init = &n->in[2 + c];
        bool tensor = init->kind == FE_TENSOR;
        args[2 + c] = tensor ? tensor_value(*params++)
                             : (fe_value){.kind = FE_SEQUENCE, .open = true, .elem = init->elem};
    }
    return args;
}

static lathe_status turn_output(fe_node *n, const body *b, size_t i, const fe_value *out,
                                fe_mark start, ir_value *result)
{
    bool sequence = i >= 1 && i <= b->ncarried && n->in[1 + i].kind == FE_SEQUENCE;
    if (out->kind != (sequence ? FE_SEQUENCE : FE_TENSOR))
        return fe_fail(n, LATHE_UNSUPPORTED, "output %zu of the body is not what the loop carries",
                       i);
    if (!sequence) {
        *result = as_declared(n, b->graph->output[i], out->tensor, start);
        return LATHE_OK;
    }
    if (!out->open || out->nitems == 0)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "a sequence that a loop carries must be appended to in each turn");
    *result = stack_items(n, out);
    return LATHE_OK;
}

static lathe_status loop_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    const body *b = ctx;
    size_t nout = 1 + b->ncarried + b->nscans, tensors = 1, others = 1 + b->ntensors;
    fe_value *args = turn_args(n, b, params), *outs = IR_NEW_N(n->g->arena, fe_value, nout);
    fe_mark start = fe_mark_now(n->g);
    TRY(fe_subgraph(n, b->graph, n->b.block, args, 2 + b->ncarried, outs));
    TRY(turn_output(n, b, 0, &outs[0], start, &results[0]));
    for (size_t i = 1; i < nout; i++) {
        bool tensor = i <= b->ncarried && n->in[1 + i].kind == FE_TENSOR;
        TRY(turn_output(n, b, i, &outs[i], start, &results[tensor ? tensors++ : others++]));
    }
    return LATHE_OK;
}

/* A carried sequence after the loop: what it held before, then the turns' items, all stacked. */
static lathe_status appended(fe_node *n, const fe_value *init, ir_value turns, fe_value *result)
{
    ir_type t = *ir_type_of(n->g, turns); /* [turns, items a turn, ...] */
    for (int a = 1; a < t.rank - 1; a++) t.dims[a] = t.dims[a + 1];
    t.dims[0] = ir_dim_mul(n->g, t.dims[0], ir_type_of(n->g, turns)->dims[1]);
    ir_value parts[2] = {init->tensor, ir_reshape(&n->b, turns, t.rank - 1, t.dims)};
    if (!init->tensor && init->nitems) parts[0] = stack_items(n, init);
    ir_value all = parts[0] ? ir_concat(&n->b, parts, 2, 0) : parts[1];
    if (all == IR_NONE)
        return fe_fail(n, LATHE_UNSUPPORTED, "the items of a sequence differ in size");
    *result = (fe_value){.kind = FE_SEQUENCE, .tensor = all, .elem = t.elem};
    return LATHE_OK;
}

/* Whether the body's condition stays true, by a trial import. */
static lathe_status runs_through(fe_node *n, const body *b, bool *through)
{
    ir_graph *g = n->g;
    fe_mark mark = fe_mark_now(g);
    ir_block_id block = ir_block_new(g, IR_NONE);
    ir_type iter = ir_type_make(IR_I64, 0, NULL), cond = ir_type_make(IR_BOOL, 0, NULL);
    fe_value *args = IR_NEW_N(g->arena, fe_value, 2 + b->ncarried);
    fe_value *outs = IR_NEW_N(g->arena, fe_value, b->graph->n_output);
    args[0] = tensor_value(ir_param(g, block, &iter, "iter"));
    args[1] = tensor_value(ir_param(g, block, &cond, "cond"));
    for (size_t c = 0; c < b->ncarried; c++) args[2 + c] = n->in[2 + c];
    TRY(fe_subgraph(n, b->graph, block, args, 2 + b->ncarried, outs));
    int64_t value;
    size_t one = 1;
    *through = outs[0].kind == FE_TENSOR &&
               (outs[0].tensor == args[1].tensor ||
                (ir_content_ints(g, outs[0].tensor, &value, 1, &one) && value));
    fe_discard(g, mark);
    return LATHE_OK;
}

static lathe_status unroll(fe_node *n, const body *b, int64_t trips)
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
        if (outs[0].kind != FE_TENSOR || !ir_content_ints(g, outs[0].tensor, &go_on, 1, &one))
            return fe_fail(n, LATHE_UNSUPPORTED,
                           "the condition must be known where sequences are carried");
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

static lathe_status want_unroll(fe_node *n, const body *b, int64_t *trips, bool *yes)
{
    int64_t cond = 1;
    bool counted = known_int(n, 0, trips) && (!fe_has(n, 1) || known_int(n, 1, &cond)),
         sequences = false;
    for (size_t c = 0; c < b->ncarried; c++) sequences |= n->in[2 + c].kind != FE_TENSOR;
    *yes = false;
    if (counted && !cond) *trips = 0;
    if (sequences && counted && *trips <= UNROLL_SEQUENCE) {
        *yes = true;
        return LATHE_OK;
    }
    if (sequences || !counted || *trips < 1 || *trips > UNROLL_TURNS ||
        *trips * (int64_t)b->graph->n_node > UNROLL_NODES)
        return LATHE_OK;
    return runs_through(n, b, yes);
}

static lathe_status loop_node(fe_node *n, body *b)
{
    ir_value *init = IR_NEW_N(n->g->arena, ir_value, b->ncarried + 1);
    ir_value *results = IR_NEW_N(n->g->arena, ir_value, b->graph->n_output);
    for (size_t c = 0; c < b->ncarried; c++)
        if (n->in[2 + c].kind == FE_TENSOR) init[b->ntensors++] = fe_in(n, 2 + c);
    size_t nscans = b->ncarried - b->ntensors + b->nscans, tensors = 0, others = b->ntensors;
    fe_loop loop = {fe_in(n, 0), fe_in(n, 1), init, b->ntensors, nscans, loop_turn, b};
    TRY(fe_loop_build(n, &loop, results));
    for (size_t i = 0; i < b->ncarried + b->nscans; i++) {
        bool carried = i < b->ncarried, tensor = carried && n->in[2 + i].kind == FE_TENSOR;
        fe_value v = tensor_value(results[tensor ? tensors++ : others++]);
        if (carried && !tensor) TRY(appended(n, &n->in[2 + i], v.tensor, &v));
        if (i < n->nout && fe_wants(n, i)) fe_out_value(n, i, v);
    }
    return LATHE_OK;
}

lathe_status fe_import_loop(fe_node *n)
{
    body b = {.graph = fe_attr_graph(n, "body")};
    if (!b.graph || n->nin < 2) return fe_fail(n, LATHE_BAD_INPUT, "body or inputs are missing");
    b.ncarried = n->nin - 2;
    if (b.graph->n_output < 1 + b.ncarried || b.graph->n_output - 1 < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT, "the body has %zu outputs", b.graph->n_output);
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
