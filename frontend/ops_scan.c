/* Importer of Scan. In: states, sequences and a body. Out: a `loop` node whose body reads its slice
 * of each sequence at the turn's number and whose scan outputs are the stacked slices; directions
 * and axes other than the first become views around it. Opset 8's batch axis is walked here, with
 * one loop an element, so its size must be known. */
#include "frontend/loop.h"

typedef struct scan {
    const Onnx__GraphProto *graph;
    size_t nstates, nseqs, nouts;
    const ir_value *seqs;
    const int64_t *in_axes, *in_back, *out_axes, *out_back; /* NULL: all 0 */
    ir_dim turns;
} scan;

static int64_t at(const int64_t *list, size_t i) { return list ? list[i] : 0; }

/* seq without the axis, at turn `iter`. */
static ir_value slice_at(fe_node *n, const scan *s, size_t k, ir_value iter)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, s->seqs[k]);
    int axis = (int)at(s->in_axes, k);
    ir_dim dims[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK];
    for (int a = 0; a < t.rank; a++) {
        if (a != axis) dims[a < axis ? a : a - 1] = t.dims[a];
        idx[a] = ir_x_index(g, a < axis ? a : a - 1);
    }
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank - 1, dims, 0);
    ir_expr turn = ir_nest_load(&nest, iter, NULL);
    idx[axis] =
        at(s->in_back, k) ? X2(SUB, XD(ir_dim_sub(g, s->turns, ir_dim_const(g, 1))), turn) : turn;
    return ir_nest_map(&nest, t.elem, ir_nest_load(&nest, s->seqs[k], idx));
}

static lathe_status scan_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    const scan *s = ctx;
    size_t nargs = s->nstates + s->nseqs, nout = s->nstates + s->nouts;
    fe_value *args = IR_NEW_N(n->g->arena, fe_value, nargs + 1),
             *outs = IR_NEW_N(n->g->arena, fe_value, nout + 1);
    for (size_t i = 0; i < nargs; i++) {
        ir_value v = i < s->nstates ? params[2 + i] : slice_at(n, s, i - s->nstates, params[0]);
        if (v == IR_NONE) return LATHE_BAD_INPUT;
        args[i] = (fe_value){.kind = FE_TENSOR, .tensor = v};
    }
    TRY(fe_subgraph(n, s->graph, n->b.block, args, nargs, outs));
    results[0] = ir_scalar_const(&n->b, IR_BOOL, 1);
    for (size_t i = 0; i < nout; i++) {
        if (outs[i].kind != FE_TENSOR)
            return fe_fail(n, LATHE_UNSUPPORTED, "output %zu of the body is not a tensor", i);
        results[1 + i] = outs[i].tensor;
    }
    return LATHE_OK;
}

/* ---- attributes ---- */

static lathe_status list_of(fe_node *n, const char *name, size_t count, const int64_t **out)
{
    size_t given;
    *out = fe_attr_ints(n, name, &given);
    if (*out && given != count)
        return fe_expect(n, ir_format(n->g->arena, "attribute %s has length", name),
                         fe_number(n, (int64_t)given), fe_number(n, (int64_t)count));
    return LATHE_OK;
}

static lathe_status normalise_in_axes(fe_node *n, scan *s)
{
    if (!s->in_axes) return LATHE_OK;
    int64_t *axes = IR_NEW_N(n->g->arena, int64_t, s->nseqs);
    for (size_t k = 0; k < s->nseqs; k++) {
        int axis;
        TRY(fe_axis(n, s->in_axes[k], ir_type_of(n->g, s->seqs[k])->rank, &axis));
        axes[k] = axis;
    }
    s->in_axes = axes;
    return LATHE_OK;
}

/* All sequences have one length, which is the number of turns. */
static lathe_status read_turns(fe_node *n, scan *s)
{
    for (size_t k = 0; k < s->nseqs; k++) {
        const ir_type *t = ir_type_of(n->g, s->seqs[k]);
        if (t->rank < 1) return fe_fail(n, LATHE_BAD_INPUT, "scan input %zu is a scalar", k);
        ir_dim size = t->dims[at(s->in_axes, k)];
        if (k == 0) s->turns = size;
        if (!ir_dim_require(n->g, s->turns, size))
            return fe_fail(n, LATHE_BAD_INPUT, "scan inputs of lengths %s and %s",
                           ir_dim_text(n->g, s->turns), ir_dim_text(n->g, size));
    }
    return LATHE_OK;
}

/* ---- results ---- */

/* Stacked slices [turns, ...] in the order and with the axis asked for. */
static lathe_status place_output(fe_node *n, const scan *s, size_t k, ir_value *v)
{
    const ir_type t = *ir_type_of(n->g, *v);
    int axis, perm[IR_MAX_RANK];
    TRY(fe_axis(n, at(s->out_axes, k), t.rank, &axis));
    if (at(s->out_back, k)) {
        ir_dim starts[IR_MAX_RANK];
        int64_t steps[IR_MAX_RANK];
        for (int a = 0; a < t.rank; a++) {
            starts[a] =
                a ? ir_dim_const(n->g, 0) : ir_dim_sub(n->g, t.dims[0], ir_dim_const(n->g, 1));
            steps[a] = a ? 1 : -1;
        }
        *v = ir_slice(&n->b, *v, starts, steps, t.dims);
    }
    for (int a = 0; a < t.rank; a++) perm[a] = a == axis ? 0 : a < axis ? a + 1 : a;
    *v = ir_permute(&n->b, *v, perm);
    return LATHE_OK;
}

static lathe_status run_scan(fe_node *n, scan *s, const ir_value *states, ir_value *results)
{
    TRY(read_turns(n, s));
    ir_expr turns = ir_x_dim(n->g, s->turns);
    fe_loop loop = {.trip = ir_values(&n->b, IR_I64, 0, NULL, &turns, 1),
                    .init = states,
                    .ncarried = s->nstates,
                    .nscans = s->nouts,
                    .turn = scan_turn,
                    .ctx = s};
    TRY(fe_loop_build(n, &loop, results));
    for (size_t k = 0; k < s->nouts; k++) TRY(place_output(n, s, k, &results[s->nstates + k]));
    return LATHE_OK;
}

/* Checks the counts and takes inputs from `first` on as states and sequences. */
static lathe_status begin_scan(fe_node *n, scan *s, size_t first, ir_value **inputs)
{
    s->graph = fe_attr_graph(n, "body");
    int64_t nseqs = fe_attr_int(n, "num_scan_inputs");
    if (!s->graph || nseqs < 1 || n->nin < first + (size_t)nseqs)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute num_scan_inputs is %lld, expected 1 to the number of inputs, %zu",
                       (long long)nseqs, n->nin < first ? 0 : n->nin - first);
    s->nseqs = (size_t)nseqs;
    s->nstates = n->nin - first - s->nseqs;
    if (s->graph->n_output < s->nstates || s->graph->n_output < n->nout)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute body has %zu outputs, which is less than its %zu states or the "
                       "node's %zu outputs",
                       s->graph->n_output, s->nstates, n->nout);
    s->nouts = s->graph->n_output - s->nstates;
    *inputs = IR_NEW_N(n->g->arena, ir_value, n->nin);
    for (size_t i = first; i < n->nin; i++) {
        TRY(fe_need_rank(n, i, -1));
        (*inputs)[i - first] = fe_in(n, i);
    }
    return LATHE_OK;
}

lathe_status fe_import_scan(fe_node *n)
{
    scan s = {0};
    ir_value *inputs;
    TRY(begin_scan(n, &s, 0, &inputs));
    s.seqs = inputs + s.nstates;
    TRY(list_of(n, "scan_input_axes", s.nseqs, &s.in_axes));
    TRY(list_of(n, "scan_input_directions", s.nseqs, &s.in_back));
    TRY(list_of(n, "scan_output_axes", s.nouts, &s.out_axes));
    TRY(list_of(n, "scan_output_directions", s.nouts, &s.out_back));
    TRY(normalise_in_axes(n, &s));
    ir_value *results = IR_NEW_N(n->g->arena, ir_value, s.graph->n_output);
    TRY(run_scan(n, &s, inputs, results));
    for (size_t i = 0; i < n->nout; i++)
        if (fe_wants(n, i)) fe_out(n, i, results[i]);
    return LATHE_OK;
}

/* ---- opset 8 ---- */

static ir_value batch_element(fe_node *n, ir_value v, int64_t b)
{
    ir_value part = fe_part(&n->b, v, 0, ir_dim_const(n->g, b), ir_dim_const(n->g, 1));
    return part == IR_NONE ? IR_NONE : ir_squeeze(&n->b, part, 0);
}

lathe_status fe_import_scan8(fe_node *n)
{
    scan s = {0};
    ir_value *inputs;
    int64_t batch = 0;
    if (fe_has(n, 0))
        return fe_fail_input(n, 0, LATHE_UNSUPPORTED,
                             "has lengths of sequences, which are not supported");
    TRY(begin_scan(n, &s, 1, &inputs));
    TRY(list_of(n, "directions", s.nseqs, &s.in_back));
    size_t nin = s.nstates + s.nseqs, nout = s.graph->n_output;
    ir_value *element = IR_NEW_N(n->g->arena, ir_value, nin);
    for (size_t i = 0; i < nin; i++) {
        const ir_type *t = ir_type_of(n->g, inputs[i]);
        int64_t size;
        if (t->rank < 1 || !ir_dim_is_const(n->g, t->dims[0], &size) || size < 1 || size > 64 ||
            (i && size != batch))
            return fe_fail_input(
                n, i + 1, LATHE_UNSUPPORTED,
                "has a batch that must be a known size of 1 to 64, the same for all");
        batch = size;
    }
    ir_value *results = IR_NEW_N(n->g->arena, ir_value, nout * (size_t)batch),
             *one = IR_NEW_N(n->g->arena, ir_value, nout);
    for (int64_t b = 0; b < batch; b++) {
        for (size_t i = 0; i < nin; i++) element[i] = batch_element(n, inputs[i], b);
        s.seqs = element + s.nstates;
        TRY(run_scan(n, &s, element, one));
        for (size_t k = 0; k < nout; k++)
            results[k * (size_t)batch + (size_t)b] = ir_unsqueeze(&n->b, one[k], 0);
    }
    for (size_t k = 0; k < n->nout; k++)
        if (fe_wants(n, k))
            fe_out(n, k, ir_concat(&n->b, results + k * (size_t)batch, (size_t)batch, 0));
    return LATHE_OK;
}
