/* Importers of RNN, GRU and LSTM. In: a layer's weights and states, any of them for one or two
 * directions. Out: for each direction one contract, the input's projection for all time steps at
 * once, and a `loop` node over time, whose body is a contract of the hidden state and a map or two
 * for the gates. Invariant: inside, everything is [time, batch, ...] in the arithmetic type;
 * layouts and element types are dealt with around the loop. A backward direction counts time down,
 * so that padded steps, at the end of each sequence, come first and leave the initial state as it
 * is. DynamicQuantizeLSTM differs in its two products: their left operand, all of the input or one
 * step's hidden state, is quantised over its own range first. */
#include "frontend/activation.h"
#include "frontend/loop.h"
#include "frontend/quant.h"

#include <string.h>

enum { MAX_STATES = 2, MAX_ACTIVATIONS = 3, MAX_DIRECTIONS = 2 };

/* Inputs by number. */
enum { X, W, R, B, LENGTHS, STATE0, PEEPHOLES = STATE0 + MAX_STATES };
enum { W_SCALE = PEEPHOLES + 1, W_ZERO, R_SCALE, R_ZERO }; /* of codes */

/* ---- the layer ---- */

typedef struct direction direction;

/* What sets the three operators apart. turn builds the next states from the nodes' params. */
typedef struct cell {
    const char *op;
    int gates, states;
    const char *activations[MAX_ACTIVATIONS];
    void (*turn)(const direction *, const ir_value *states, ir_value iter, ir_value *next);
    bool codes; /* weights are [directions, inputs, gates] of codes */
} cell;

typedef struct layer {
    fe_node *n;
    const cell *cell;
    ir_dim steps, batch, hidden, gates; /* gates: rows of a weight, gates * hidden */
    ir_elem elem, arith;
    int ndirections;
    bool reverse, batch_first, coupled, linear_before_reset, clipped;
    double clip;
    fe_activation act[MAX_DIRECTIONS * MAX_ACTIVATIONS];
} layer;

struct direction {
    const layer *layer;
    int number;
    bool backward;
    ir_value projected;       /* [time, batch, gates]: x * W + biases */
    ir_value recurrent;       /* [1, gates, hidden] */
    ir_value bias, peepholes; /* [1, ...] or IR_NONE */
};

/* ---- one turn ---- */

/* The nest of a map over [batch, hidden] at one time step. */
typedef struct point {
    const direction *d;
    ir_graph *g;
    ir_nest nest;
    ir_expr time, row, column;
} point;

static void begin_point(point *p, const direction *d, ir_value iter)
{
    const layer *l = d->layer;
    ir_graph *g = p->g = l->n->g;
    p->d = d;
    ir_nest_begin(&p->nest, &l->n->b, 2, (ir_dim[]){l->batch, l->hidden}, 0);
    p->time = ir_nest_load(&p->nest, iter, NULL);
    if (d->backward) p->time = X2(SUB, XD(ir_dim_sub(g, l->steps, ir_dim_const(g, 1))), p->time);
    p->row = ir_nest_index(&p->nest, 0);
    p->column = ir_nest_index(&p->nest, 1);
}

/* Column `column` of block k of the hidden size. */
static ir_expr in_block(const point *p, int k)
{
    ir_graph *g = p->g;
    return X2(ADD, p->column, XD(ir_dim_mul(g, ir_dim_const(g, k), p->d->layer->hidden)));
}

static ir_expr load_state(point *p, ir_value v)
{
    return ir_nest_load(&p->nest, v, (ir_expr[]){p->row, p->column});
}

/* Block k of a vector of the direction's: a bias or a peephole. */
static ir_expr load_vector(point *p, ir_value v, int k)
{
    return ir_nest_load(&p->nest, v, (ir_expr[]){ir_x_int(p->g, IR_I64, 0), in_block(p, k)});
}

static ir_expr load_input(point *p, int gate)
{
    return ir_nest_load(&p->nest, p->d->projected, (ir_expr[]){p->time, p->row, in_block(p, gate)});
}

static ir_expr load_block(point *p, ir_value v, int k)
{
    return ir_nest_load(&p->nest, v, (ir_expr[]){p->row, in_block(p, k)});
}

/* The layer's activation number k of what is clipped first. */
static ir_expr activate(const point *p, int k, ir_expr x)
{
    ir_graph *g = p->g;
    const layer *l = p->d->layer;
    if (l->clipped) x = fe_x_clamp(g, x, XN(x, -l->clip), XN(x, l->clip));
    return fe_activate(g, &l->act[p->d->number * MAX_ACTIVATIONS + k], x);
}

/* A map of the next state, which stays where the sequence is over. */
static ir_value end_point(point *p, ir_expr next, ir_expr before)
{
    ir_graph *g = p->g;
    const layer *l = p->d->layer;
    if (before != IR_NONE && fe_has(l->n, LENGTHS)) {
        ir_expr length = fe_load_i64(&p->nest, fe_in(l->n, LENGTHS), &p->row);
        next = ir_x_select(g, X2(LT, p->time, length), next, before);
    }
    return ir_nest_map(&p->nest, l->arith, next);
}

/* A direction's part of an input whose axis `axis` counts directions. */
static ir_value recurrent_part_of(const direction *d, size_t k, int axis)
{
    fe_node *n = d->layer->n;
    ir_dim one = ir_dim_const(n->g, 1);
    return fe_part(&n->b, fe_in(n, k), axis, ir_dim_const(n->g, d->number), one);
}

/* The product of v (the axes of its result but the last, then what is summed over) and the codes of
 * weights, quantised as DynamicQuantizeLinear does. */
static ir_value product_of_codes(const direction *d, ir_value v, size_t weights, size_t scale,
                                 const int *axes, int rank, const ir_dim *space)
{
    fe_node *n = d->layer->n;
    ir_builder *b = &n->b;
    fe_codes q;
    if (v == IR_NONE || !fe_dynamic_codes(b, v, &q)) return IR_NONE;
    ir_value parameters[2];
    for (size_t i = 0; i < 2; i++) {
        ir_value p = recurrent_part_of(d, scale + i, 0);
        parameters[i] = fe_type(n, scale + i)->rank == 2 ? ir_squeeze(b, p, 0) : p;
    }
    ir_value w = fe_shifted(b, recurrent_part_of(d, weights, 0), parameters[1], false);
    fe_factor f[] = {{fe_shifted(b, q.codes, q.zero, true), {0}}, {w, {-1, rank - 1, rank - 2}}};
    memcpy(f[0].axes, axes, sizeof(int) * (size_t)(rank - 1));
    ir_value sum = fe_contract(b, f, 2, rank, space, 1, IR_I32);
    return sum == IR_NONE ? sum : fe_scaled_sum(b, sum, q.scale, parameters[0], IR_NONE, IR_F32);
}

/* v * R^T for `count` gates from `first` on: [batch, count * hidden]. */
static ir_value recur(const direction *d, ir_value v, int first, int count)
{
    const layer *l = d->layer;
    ir_graph *g = l->n->g;
    ir_dim from = ir_dim_mul(g, ir_dim_const(g, first), l->hidden);
    ir_dim rows = ir_dim_mul(g, ir_dim_const(g, count), l->hidden);
    ir_dim space[] = {l->batch, rows, l->hidden};
    if (l->cell->codes) /* all gates at once */
        return product_of_codes(d, v, R, R_SCALE, (int[]){0, 2}, 3, space);
    fe_factor f[] = {{v, {0, 2}}, {fe_part(&l->n->b, d->recurrent, 1, from, rows), {-1, 1, 2}}};
    return fe_contract(&l->n->b, f, 2, 3, space, 1, l->arith);
}

static void rnn_turn(const direction *d, const ir_value *states, ir_value iter, ir_value *next)
{
    ir_graph *g = d->layer->n->g;
    point p;
    ir_value r = recur(d, states[0], 0, 1);
    begin_point(&p, d, iter);
    ir_expr x = X2(ADD, load_input(&p, 0), load_block(&p, r, 0));
    next[0] = end_point(&p, activate(&p, 0, x), load_state(&p, states[0]));
}

/* Gates in the order update, reset, hidden. */
static ir_expr gru_gate(point *p, int gate, ir_value r)
{
    ir_graph *g = p->g;
    return activate(p, 0, X2(ADD, load_input(p, gate), load_block(p, r, gate)));
}

static ir_value gru_reset(const direction *d, ir_value state, ir_value iter, ir_value r)
{
    ir_graph *g = d->layer->n->g;
    point p;
    begin_point(&p, d, iter);
    return end_point(&p, X2(MUL, gru_gate(&p, 1, r), load_state(&p, state)), IR_NONE);
}

static void gru_turn(const direction *d, const ir_value *states, ir_value iter, ir_value *next)
{
    ir_graph *g = d->layer->n->g;
    bool linear = d->layer->linear_before_reset;
    point p;
    ir_value r = recur(d, states[0], 0, linear ? 3 : 2), reset = IR_NONE;
    if (!linear) reset = recur(d, gru_reset(d, states[0], iter, r), 2, 1);
    begin_point(&p, d, iter);
    ir_expr before = load_state(&p, states[0]), update = gru_gate(&p, 0, r), inner;
    if (linear) {
        inner = load_block(&p, r, 2);
        if (d->bias != IR_NONE) inner = X2(ADD, inner, load_vector(&p, d->bias, 5));
        inner = X2(MUL, gru_gate(&p, 1, r), inner);
    } else {
        inner = load_block(&p, reset, 0);
    }
    ir_expr fresh = activate(&p, 1, X2(ADD, load_input(&p, 2), inner));
    ir_expr mixed =
        X2(ADD, X2(MUL, X2(SUB, XN(update, 1), update), fresh), X2(MUL, update, before));
    next[0] = end_point(&p, mixed, before);
}

/* Gates in the order input, output, forget, cell; peepholes input, output, forget. */
static ir_expr lstm_gate(point *p, int gate, ir_value r, ir_expr memory)
{
    ir_graph *g = p->g;
    ir_expr x = X2(ADD, load_input(p, gate), load_block(p, r, gate));
    if (gate < 3 && p->d->peepholes != IR_NONE)
        x = X2(ADD, x, X2(MUL, load_vector(p, p->d->peepholes, gate), memory));
    return activate(p, gate == 3, x);
}

static void lstm_turn(const direction *d, const ir_value *states, ir_value iter, ir_value *next)
{
    ir_graph *g = d->layer->n->g;
    point p;
    ir_value r = recur(d, states[0], 0, 4);
    begin_point(&p, d, iter);
    ir_expr memory = load_state(&p, states[1]), in = lstm_gate(&p, 0, r, memory);
    ir_expr forget = d->layer->coupled ? X2(SUB, XN(in, 1), in) : lstm_gate(&p, 2, r, memory);
    ir_expr fresh = X2(MUL, in, lstm_gate(&p, 3, r, memory));
    next[1] = end_point(&p, X2(ADD, X2(MUL, forget, memory), fresh), memory);
    begin_point(&p, d, iter);
    memory = load_state(&p, next[1]);
    ir_expr out = X2(MUL, lstm_gate(&p, 1, r, memory), activate(&p, 2, memory));
    next[0] = end_point(&p, out, load_state(&p, states[0]));
}

static const cell cells[] = {
    {"RNN", 1, 1, {"Tanh"}, rnn_turn, false},
    {"GRU", 3, 1, {"Sigmoid", "Tanh"}, gru_turn, false},
    {"LSTM", 4, 2, {"Sigmoid", "Tanh", "Tanh"}, lstm_turn, false},
    {"DynamicQuantizeLSTM", 4, 2, {"Sigmoid", "Tanh", "Tanh"}, lstm_turn, true},
};

/* ---- one direction ---- */

/* The hidden state as the sequence output's step: 0 where the sequence is over. */
static ir_value step_output(const direction *d, ir_value state, ir_value iter)
{
    point p;
    begin_point(&p, d, iter);
    return end_point(&p, load_state(&p, state), ir_x_num(p.g, d->layer->arith, 0));
}

static lathe_status turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    const direction *d = ctx;
    int states = d->layer->cell->states;
    results[0] = ir_scalar_const(&n->b, IR_BOOL, 1);
    d->layer->cell->turn(d, params + 2, params[0], results + 1);
    if (fe_wants(n, 0))
        results[1 + states] =
            fe_has(n, LENGTHS) ? step_output(d, results[1], params[0]) : results[1];
    return LATHE_OK;
}

/* x * W^T + Wb + Rb for all steps. GRU's Rb of the hidden gate stays out where it is reset. */
static ir_value project(const direction *d)
{
    const layer *l = d->layer;
    ir_builder *b = &l->n->b;
    ir_graph *g = l->n->g;
    ir_dim space[] = {l->steps, l->batch, l->gates, fe_type(l->n, X)->dims[2]};
    fe_factor f[] = {{fe_in(l->n, X), {l->batch_first, !l->batch_first, 3}},
                     {recurrent_part_of(d, W, 0), {-1, 2, 3}}};
    ir_value v = l->cell->codes
                     ? product_of_codes(d, fe_in(l->n, X), W, W_SCALE, (int[]){0, 1, 3}, 4, space)
                     : fe_contract(b, f, 2, 4, space, 1, l->arith);
    if (v == IR_NONE || d->bias == IR_NONE) return v;
    ir_nest nest;
    ir_nest_begin(&nest, b, 3, space, 0);
    ir_expr x = ir_nest_read(&nest, v), column = ir_nest_index(&nest, 2);
    ir_expr other = X2(ADD, column, XD(l->gates));
    ir_expr mine = ir_nest_load(&nest, d->bias, (ir_expr[]){XI(0), column});
    ir_expr theirs = ir_nest_load(&nest, d->bias, (ir_expr[]){XI(0), other});
    if (l->linear_before_reset) {
        ir_dim hidden_gate = ir_dim_mul(g, ir_dim_const(g, 2), l->hidden);
        theirs = ir_x_select(g, X2(LT, column, XD(hidden_gate)), theirs, XN(theirs, 0));
    }
    return ir_nest_map(&nest, l->arith, X2(ADD, x, X2(ADD, mine, theirs)));
}

/* State s before the first step: [batch, hidden]. */
static ir_value first_state(const direction *d, int s)
{
    const layer *l = d->layer;
    ir_builder *b = &l->n->b;
    size_t k = STATE0 + (size_t)s;
    if (!fe_has(l->n, k)) return fe_fill(b, l->arith, 2, (ir_dim[]){l->batch, l->hidden}, 0);
    ir_value part = ir_squeeze(b, recurrent_part_of(d, k, l->batch_first), l->batch_first);
    return ir_cast(b, part, l->arith);
}

/* v with its first axis, time, turned round. */
static ir_value turn_round(ir_builder *b, ir_value v)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return IR_NONE;
    const ir_type t = *ir_type_of(g, v);
    ir_dim zero = ir_dim_const(g, 0), last = ir_dim_sub(g, t.dims[0], ir_dim_const(g, 1));
    return ir_slice(b, v, (ir_dim[]){last, zero, zero}, (int64_t[]){-1, 1, 1}, t.dims);
}

/* results: the final states, then the output sequence [time, batch, hidden] if it is wanted. */
static lathe_status run_direction(const layer *l, int number, bool backward, ir_value *results)
{
    fe_node *n = l->n;
    ir_graph *g = n->g;
    direction d = {.layer = l, .number = number, .backward = backward};
    d.recurrent = recurrent_part_of(&d, R, 0);
    if (fe_has(n, B)) d.bias = recurrent_part_of(&d, B, 0);
    if (l->cell->states > 1 && fe_has(n, PEEPHOLES))
        d.peepholes = recurrent_part_of(&d, PEEPHOLES, 0);
    d.projected = project(&d);
    ir_value init[MAX_STATES];
    for (int s = 0; s < l->cell->states; s++) init[s] = first_state(&d, s);
    if (d.projected == IR_NONE || init[0] == IR_NONE) return LATHE_BAD_INPUT;
    ir_expr steps = XD(l->steps);
    fe_loop loop = {.trip = ir_values(&n->b, IR_I64, 0, NULL, &steps, 1),
                    .init = init,
                    .ncarried = (size_t)l->cell->states,
                    .nscans = fe_wants(n, 0),
                    .turn = turn,
                    .ctx = &d};
    TRY(fe_loop_build(n, &loop, results));
    ir_value *sequence = &results[l->cell->states];
    if (backward && fe_wants(n, 0)) *sequence = turn_round(&n->b, *sequence);
    return LATHE_OK;
}

/* ---- attributes and inputs ---- */

/* The next of `count` values of a list. They are consumed by the functions that have the parameter;
 * a list with one value for each of the functions is taken by position. */
static double parameter(const float *list, size_t count, size_t nfunctions, size_t k, bool has,
                        size_t *next, double otherwise)
{
    if (!has) return 0;
    size_t i = count == nfunctions ? k : (*next)++;
    return i < count ? (double)list[i] : otherwise;
}

static lathe_status read_activations(layer *l)
{
    fe_node *n = l->n;
    size_t per = 0, count, nalpha, nbeta, alpha = 0, beta = 0;
    while (per < MAX_ACTIVATIONS && l->cell->activations[per]) per++;
    size_t total = per * (size_t)l->ndirections;
    const char *const *names = fe_attr_strs(n, "activations", &count);
    const float *alphas = fe_attr_floats(n, "activation_alpha", &nalpha);
    const float *betas = fe_attr_floats(n, "activation_beta", &nbeta);
    if (count && count != total)
        return fe_expect(n, "attribute activations has length", fe_number(n, (int64_t)count),
                         fe_number(n, (int64_t)total));
    for (size_t i = 0; i < total; i++) {
        const char *name = count ? names[i] : l->cell->activations[i % per];
        const fe_activation *a = fe_activation_find(name, FE_IN_LAYER, true);
        if (!a) return fe_fail(n, LATHE_UNSUPPORTED, "activation %s is not known", name);
        fe_activation *to = &l->act[i / per * MAX_ACTIVATIONS + i % per];
        *to = *a;
        to->alpha = parameter(alphas, nalpha, total, i, a->parameters > 0, &alpha, a->alpha);
        to->beta = parameter(betas, nbeta, total, i, a->parameters > 1, &beta, a->beta);
    }
    return LATHE_OK;
}

static lathe_status read_attributes(layer *l)
{
    fe_node *n = l->n;
    const char *way = fe_attr_str(n, "direction");
    bool both = !strcmp(way, "bidirectional");
    l->reverse = !strcmp(way, "reverse");
    if (!both && !l->reverse && strcmp(way, "forward") != 0)
        return fe_fail(n, LATHE_BAD_INPUT, "direction '%s' is not known", way);
    l->ndirections = both ? 2 : 1;
    l->batch_first = fe_attr_int_or(n, "layout", 0) != 0;
    l->coupled = fe_attr_int_or(n, "input_forget", 0) != 0;
    l->linear_before_reset = fe_attr_int_or(n, "linear_before_reset", 0) != 0;
    l->clip = fe_attr_float_or(n, "clip", 0);
    l->clipped = l->clip > 0;
    return read_activations(l);
}

/* Input k is absent or has these n dims and the layer's element type. */
static lathe_status need_dims(const layer *l, size_t k, int n, const ir_dim *dims)
{
    if (!fe_has(l->n, k)) return LATHE_OK;
    TRY(fe_need_rank(l->n, k, n));
    if (k != LENGTHS) TRY(fe_need_same(l->n, X, k));
    for (int i = 0; i < n; i++) TRY(fe_need_dim(l->n, k, i, dims[i]));
    return LATHE_OK;
}

/* Weights as codes, with a scale and a zero point a direction, or one a gate's row of each. */
static lathe_status need_codes(const layer *l, size_t weights, size_t scale, ir_dim inputs)
{
    fe_node *n = l->n;
    ir_dim directions = ir_dim_const(n->g, l->ndirections), dims[] = {directions, inputs, l->gates};
    TRY(fe_need_class(n, X, "F"));
    for (int i = 0; i < 3; i++) TRY(fe_need_dim(n, weights, i, dims[i]));
    TRY(fe_need_same(n, weights, scale + 1));
    for (size_t k = scale; k <= scale + 1; k++) {
        TRY(fe_need_class(n, k, k == scale ? "F" : "SU"));
        int rank = fe_type(n, k)->rank;
        if (rank != 1 && rank != 2)
            return fe_expect_input(n, k, "has rank", fe_number(n, rank), "1 or 2");
        TRY(fe_need_dim(n, k, 0, directions));
        if (rank == 2) TRY(fe_need_dim(n, k, 1, l->gates));
    }
    return LATHE_OK;
}

static lathe_status read_inputs(layer *l)
{
    fe_node *n = l->n;
    ir_graph *g = n->g;
    bool codes = l->cell->codes;
    for (size_t k = X; k <= R; k++) {
        TRY(fe_need_class(n, k, k == X || !codes ? "FL" : "SU"));
        TRY(fe_need_rank(n, k, 3));
    }
    const ir_type x = *fe_type(n, X);
    ir_dim d = ir_dim_const(g, l->ndirections), h = fe_type(n, R)->dims[codes ? 1 : 2];
    l->elem = x.elem;
    l->arith = ir_elem_arith(x.elem);
    l->steps = x.dims[l->batch_first];
    l->batch = x.dims[!l->batch_first];
    if (fe_has_attr(n, "hidden_size")) h = ir_dim_const(g, fe_attr_int(n, "hidden_size"));
    l->hidden = h;
    l->gates = ir_dim_mul(g, ir_dim_const(g, l->cell->gates), h);
    ir_dim twice = ir_dim_mul(g, ir_dim_const(g, 2), l->gates);
    ir_dim three = ir_dim_mul(g, ir_dim_const(g, 3), h);
    if (codes) {
        TRY(need_codes(l, W, W_SCALE, x.dims[2]));
        TRY(need_codes(l, R, R_SCALE, h));
    } else {
        TRY(need_dims(l, W, 3, (ir_dim[]){d, l->gates, x.dims[2]}));
        TRY(need_dims(l, R, 3, (ir_dim[]){d, l->gates, h}));
    }
    TRY(need_dims(l, B, 2, (ir_dim[]){d, twice}));
    TRY(need_dims(l, LENGTHS, 1, (ir_dim[]){l->batch}));
    if (fe_has(n, LENGTHS)) TRY(fe_need_class(n, LENGTHS, "S"));
    for (int s = 0; s < l->cell->states; s++) {
        ir_dim dims[] = {d, l->batch, h}, swapped[] = {l->batch, d, h};
        TRY(need_dims(l, STATE0 + (size_t)s, 3, l->batch_first ? swapped : dims));
    }
    return l->cell->states > 1 ? need_dims(l, PEEPHOLES, 2, (ir_dim[]){d, three}) : LATHE_OK;
}

/* ---- outputs ---- */

/* Output k: the directions' results side by side in a new axis, in the layout asked for. */
static void set_output(const layer *l, size_t k, const ir_value *each)
{
    static const int sequence_first[] = {2, 0, 1, 3}, state_first[] = {1, 0, 2};
    ir_builder *b = &l->n->b;
    ir_value parts[MAX_DIRECTIONS];
    if (!fe_wants(l->n, k)) return;
    for (int d = 0; d < l->ndirections; d++) parts[d] = ir_unsqueeze(b, each[d], k == 0);
    ir_value v =
        l->ndirections > 1 ? ir_concat(b, parts, (size_t)l->ndirections, k == 0) : parts[0];
    if (l->batch_first) v = ir_permute(b, v, k == 0 ? sequence_first : state_first);
    fe_out(l->n, k, ir_cast(b, v, l->elem));
}

lathe_status fe_import_recurrent(fe_node *n)
{
    layer l = {.n = n};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        if (!strcmp(cells[i].op, n->op)) l.cell = &cells[i];
    if (!l.cell) return fe_fail(n, LATHE_INTERNAL, "not in the table");
    TRY(read_attributes(&l));
    TRY(read_inputs(&l));
    ir_value results[MAX_DIRECTIONS][MAX_STATES + 1], column[MAX_DIRECTIONS];
    for (int d = 0; d < l.ndirections; d++)
        TRY(run_direction(&l, d, l.reverse || d == 1, results[d]));
    for (int k = 0; k <= l.cell->states; k++) {
        int from = k == 0 ? l.cell->states : k - 1;
        if (k == 0 && !fe_wants(n, 0)) continue;
        for (int d = 0; d < l.ndirections; d++) column[d] = results[d][from];
        set_output(&l, (size_t)k, column);
    }
    return LATHE_OK;
}
