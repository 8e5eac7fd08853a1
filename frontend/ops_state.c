/* Operators that carry a state along a sequence. In: CausalConvWithState and LinearAttention. Out:
 * a depthwise conv over the state and the input in one row; a loop over the sequence whose carried
 * value is the state [B, G, K, V], in the arithmetic type. A turn reads its row of the operands at
 * the turn's number, so that nothing is sliced. */
#include "frontend/attend.h"
#include "frontend/loop.h"

#include <string.h>

/* ---- CausalConvWithState: x [B, C, L], weight [C, 1, K], bias, past [B, C, (K - 1) dilation] ----
 *
 * com.microsoft may have the channels of x and of the past last; they are turned first. */

typedef struct causal {
    fe_node *n;
    ir_value x, past; /* channels second; no past: zeros */
    ir_dim before;    /* rows of the past */
    int64_t dilation;
    bool last, silu; /* last: channels come last */
} causal;

static ir_value turned(const causal *c, ir_value v)
{
    return c->last ? fe_swap(&c->n->b, v, 1, 2) : v;
}

static lathe_status read_activation(const fe_node *n, bool *silu)
{
    const char *activation = fe_attr_str(n, "activation");
    *silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (!*silu && strcmp(activation, "none") != 0 && *activation)
        return fe_expect(n, "attribute activation is", activation, "none, silu or swish");
    return LATHE_OK;
}

static lathe_status check_conv(causal *c)
{
    fe_node *n = c->n;
    ir_graph *g = n->g;
    for (size_t k = 0; k < 4; k++) {
        if (k >= 2 && !fe_has(n, k)) continue;
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, k == 2 ? 1 : 3));
        TRY(fe_need_same(n, 0, k));
    }
    int axis = c->last ? 2 : 1;
    ir_dim channels = fe_type(n, 0)->dims[axis];
    TRY(fe_need_dim(n, 1, 0, channels));
    TRY(fe_need_dim(n, 1, 1, ir_dim_const(g, 1)));
    if (fe_has(n, 2)) TRY(fe_need_dim(n, 2, 0, channels));
    c->dilation = fe_attr_int_or(n, "dilation", 1);
    if (c->dilation < 1 || c->dilation > INT32_MAX)
        return fe_expect(n, "attribute dilation is", fe_number(n, c->dilation), "at least 1");
    c->before = ir_dim_mul(g, ir_dim_sub(g, fe_type(n, 1)->dims[2], ir_dim_const(g, 1)),
                           ir_dim_const(g, c->dilation));
    if (!fe_has(n, 3)) return LATHE_OK;
    TRY(fe_need_dim(n, 3, 0, fe_type(n, 0)->dims[0]));
    TRY(fe_need_dim(n, 3, axis, channels));
    return fe_need_dim(n, 3, 3 - axis, c->before);
}

static ir_value depthwise(const causal *c, ir_value row, const ir_type *x, int64_t channels)
{
    fe_node *n = c->n;
    ir_graph *g = n->g;
    ir_dim zeros[] = {ir_dim_const(g, 0), ir_dim_const(g, 0)};
    int64_t one = 1;
    ir_value operands[] = {row, fe_in(n, 1), fe_in(n, 2)};
    ir_attr attrs[] = {
        ir_a_dims(g, IR_KEY_dims, x->dims, 3),
        ir_a_dims(g, IR_KEY_kernel, &fe_type(n, 1)->dims[2], 1),
        ir_a_ints(g, IR_KEY_strides, &one, 1),
        ir_a_dims(g, IR_KEY_pads, zeros, 2),
        ir_a_ints(g, IR_KEY_dilations, &c->dilation, 1),
        ir_a_int(IR_KEY_group, channels),
    };
    ir_node_id id = ir_node_new(&n->b, IR_OP_CONV, operands, 3, attrs, 6, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

static ir_value silu(ir_builder *b, ir_value v)
{
    ir_nest nest;
    if (!fe_broadcast(&nest, b, &v, 1)) return IR_NONE;
    return ir_nest_map(&nest, ir_type_of(b->g, v)->elem,
                       fe_x_silu(b->g, ir_nest_read(&nest, v), 1));
}

lathe_status fe_import_causal_conv(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    causal c = {.n = n, .last = fe_attr_int_or(n, "channels_last", 0) != 0};
    int64_t channels;
    TRY(read_activation(n, &c.silu));
    TRY(check_conv(&c));
    c.x = turned(&c, fe_in(n, 0));
    const ir_type x = *ir_type_of(g, c.x);
    if (!ir_dim_is_const(g, x.dims[1], &channels))
        return fe_fail_input(n, 0, LATHE_UNSUPPORTED, "%s channels", ir_dim_text(g, x.dims[1]));
    ir_dim dims[] = {x.dims[0], x.dims[1], c.before};
    c.past = fe_has(n, 3) ? turned(&c, fe_in(n, 3)) : fe_fill(b, x.elem, 3, dims, 0);
    ir_value row = fe_append(b, c.past, c.x), y = depthwise(&c, row, &x, channels);
    if (y == IR_NONE) return LATHE_BAD_INPUT;
    fe_out(n, 0, turned(&c, c.silu ? silu(b, y) : y));
    if (fe_wants(n, 1)) fe_out(n, 1, turned(&c, fe_part(b, row, 2, x.dims[2], c.before)));
    return LATHE_OK;
}

/* ---- LinearAttention: q [B, T, H*K], k [B, T, N*K], v [B, T, G*V], past state, decay, beta ----
 *
 * There are G states. H or G divides the other; the result has as many heads as the greater one. N
 * divides G. */

typedef struct linear {
    fe_node *n;
    ir_dim batch, steps, heads, groups, out, keys, values;
    int64_t per_query, per_state, per_key; /* heads of the result of one of q, of a state; states of
                                              a head of k */
    ir_elem type;                          /* of the state */
    double scale;
    ir_value decay, beta; /* IR_NONE: not of this update rule */
} linear;

/* v's element at [b, turn, (h, i)], where a head has `width` columns; of one column, that one. */
static ir_expr row_element(const linear *s, ir_nest *nest, ir_value v, ir_value turn, ir_expr h,
                           ir_dim width, ir_expr i)
{
    ir_graph *g = nest->b->g;
    ir_expr column = X2(ADD, X2(MUL, h, XD(width)), i);
    if (ir_dim_equals(g, ir_type_of(g, v)->dims[2], 1)) column = XI(0);
    ir_expr at[] = {ir_nest_index(nest, 0), ir_nest_load(nest, turn, NULL), column};
    return ir_x_cast(g, ir_nest_load(nest, v, at), s->type);
}

/* The state's element [b, h, k, v] after decay; h and v are axes of the nest. */
static ir_expr decayed(const linear *s, ir_nest *nest, ir_value state, ir_value turn, ir_expr k,
                       ir_expr v)
{
    ir_graph *g = nest->b->g;
    ir_expr h = ir_nest_index(nest, 1), at[] = {ir_nest_index(nest, 0), h, k, v};
    ir_expr x = ir_nest_load(nest, state, at);
    if (s->decay == IR_NONE) return x;
    bool by_head = ir_type_of(g, s->decay)->dims[2] == s->groups;
    ir_dim width = by_head ? ir_dim_const(g, 1) : s->keys;
    ir_expr rate = row_element(s, nest, s->decay, turn, h, width, by_head ? XI(0) : k);
    return X2(MUL, x, X1(EXP, rate));
}

/* The key's element for state h. */
static ir_expr key_element(const linear *s, ir_nest *nest, ir_value turn, ir_expr h, ir_expr k)
{
    ir_graph *g = nest->b->g;
    return row_element(s, nest, fe_in(s->n, 1), turn, X2(FLOORDIV, h, XI(s->per_key)), s->keys, k);
}

/* What is written: the value, less what the state returns for the key under the delta rules. */
static ir_value correction(const linear *s, ir_builder *b, ir_value state, ir_value turn)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_dim space[] = {s->batch, s->groups, s->values, s->keys};
    ir_value found = IR_NONE;
    if (s->beta != IR_NONE) {
        ir_nest_begin(&nest, b, 4, space, 1);
        ir_expr h = ir_nest_index(&nest, 1), k = ir_nest_index(&nest, 3);
        ir_expr x = decayed(s, &nest, state, turn, k, ir_nest_index(&nest, 2));
        x = X2(MUL, x, key_element(s, &nest, turn, h, k));
        found = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", s->type, x);
        if (found == IR_NONE) return IR_NONE;
    }
    ir_nest_begin(&nest, b, 3, space, 0);
    ir_expr h = ir_nest_index(&nest, 1);
    ir_expr x = row_element(s, &nest, fe_in(s->n, 2), turn, h, s->values, ir_nest_index(&nest, 2));
    if (found != IR_NONE) {
        x = X2(SUB, x, ir_nest_read(&nest, found));
        x = X2(MUL, x, row_element(s, &nest, s->beta, turn, h, ir_dim_const(g, 1), XI(0)));
    }
    return ir_nest_map(&nest, s->type, x);
}

/* q's heads read the new state of their group. */
static ir_value read_out(const linear *s, ir_builder *b, ir_value state, ir_value turn)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_dim space[] = {s->batch, s->out, s->values, s->keys};
    ir_nest_begin(&nest, b, 4, space, 1);
    ir_expr h = ir_nest_index(&nest, 1), k = ir_nest_index(&nest, 3);
    ir_expr group = X2(FLOORDIV, h, XI(s->per_state)), head = X2(FLOORDIV, h, XI(s->per_query));
    ir_expr at[] = {ir_nest_index(&nest, 0), group, k, ir_nest_index(&nest, 2)};
    ir_expr x = ir_nest_load(&nest, state, at),
            q = row_element(s, &nest, fe_in(s->n, 0), turn, head, s->keys, k);
    ir_value sum = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", s->type, X2(MUL, x, q));
    if (!fe_broadcast(&nest, b, &sum, 1)) return IR_NONE;
    x = ir_nest_read(&nest, sum);
    return ir_nest_map(&nest, fe_type(s->n, 0)->elem,
                       X2(MUL, x, fe_x_scale(g, x, s->scale, s->keys)));
}

static lathe_status linear_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    const linear *s = ctx;
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    ir_dim space[] = {s->batch, s->groups, s->keys, s->values};
    ir_value turn = params[0], state = params[2], written = correction(s, b, state, turn);
    if (written == IR_NONE) return LATHE_BAD_INPUT;
    ir_nest_begin(&nest, b, 4, space, 0);
    ir_expr h = ir_nest_index(&nest, 1), k = ir_nest_index(&nest, 2), v = ir_nest_index(&nest, 3);
    ir_expr at[] = {ir_nest_index(&nest, 0), h, v}, key = key_element(s, &nest, turn, h, k);
    ir_expr x = X2(ADD, decayed(s, &nest, state, turn, k, v),
                   X2(MUL, key, ir_nest_load(&nest, written, at)));
    results[0] = ir_scalar_const(b, IR_BOOL, 1);
    results[1] = ir_nest_map(&nest, s->type, x);
    results[2] = read_out(s, b, results[1], turn);
    return results[2] == IR_NONE ? LATHE_BAD_INPUT : LATHE_OK;
}

/* The update rule, and the inputs that it needs. */
static lathe_status read_rule(linear *s)
{
    fe_node *n = s->n;
    const char *rule = fe_attr_str(n, "update_rule");
    bool gated = strcmp(rule, "gated") == 0, delta = strcmp(rule, "delta") == 0,
         both = strcmp(rule, "gated_delta") == 0;
    if (!gated && !delta && !both && strcmp(rule, "linear") != 0)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute update_rule is '%s'", rule);
    if (gated || both) {
        TRY(fe_need_class(n, 4, "FL"));
        TRY(fe_need_rank(n, 4, 3));
        s->decay = fe_in(n, 4);
        if (fe_type(n, 4)->dims[2] != s->groups)
            TRY(fe_need_dim(n, 4, 2, ir_dim_mul(n->g, s->groups, s->keys)));
    }
    if (delta || both) {
        TRY(fe_need_class(n, 5, "FL"));
        TRY(fe_need_rank(n, 5, 3));
        s->beta = fe_in(n, 5);
        if (!ir_dim_equals(n->g, fe_type(n, 5)->dims[2], 1)) TRY(fe_need_dim(n, 5, 2, s->groups));
    }
    for (size_t k = 4; k < 6; k++)
        for (int i = 0; i < 2 && (k == 4 ? s->decay : s->beta) != IR_NONE; i++)
            TRY(fe_need_dim(n, k, i, i ? s->steps : s->batch));
    return LATHE_OK;
}

/* How the heads of q and of the states are shared out. */
static lathe_status read_counts(linear *s)
{
    const fe_node *n = s->n;
    ir_graph *g = n->g;
    int64_t heads = fe_attr_int(n, "q_num_heads"), groups = fe_attr_int(n, "kv_num_heads");
    int64_t out = heads > groups ? heads : groups;
    if (heads < 1 || groups < 1 || out % heads || out % groups)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "q_num_heads is %lld, kv_num_heads %lld, of which one must divide the other",
                       (long long)heads, (long long)groups);
    s->heads = ir_dim_const(g, heads);
    s->groups = ir_dim_const(g, groups);
    s->out = ir_dim_const(g, out);
    s->per_query = out / heads;
    s->per_state = out / groups;
    return LATHE_OK;
}

/* Heads of k, by its width. */
static lathe_status read_keys(linear *s)
{
    const fe_node *n = s->n;
    ir_graph *g = n->g;
    int64_t count, groups = fe_attr_int(n, "kv_num_heads");
    ir_dim width = fe_type(n, 1)->dims[2];
    s->per_key = 1;
    if (ir_dim_is_const(g, ir_dim_floordiv(g, width, s->keys), &count) && count > 0 &&
        groups % count == 0)
        s->per_key = groups / count;
    ir_dim heads = ir_dim_const(g, groups / s->per_key);
    return fe_need_dim(n, 1, 2, ir_dim_mul(g, heads, s->keys));
}

static lathe_status read_linear(linear *s)
{
    fe_node *n = s->n;
    ir_graph *g = n->g;
    TRY(read_counts(s));
    for (size_t k = 0; k < 3; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 3));
        for (int i = 0; i < 2; i++) TRY(fe_need_dim(n, k, i, fe_type(n, 0)->dims[i]));
    }
    const ir_type *q = fe_type(n, 0);
    s->batch = q->dims[0];
    s->steps = q->dims[1];
    s->keys = ir_dim_floordiv(g, q->dims[2], s->heads);
    s->values = ir_dim_floordiv(g, fe_type(n, 2)->dims[2], s->groups);
    s->type = ir_elem_arith(q->elem);
    s->scale = fe_attr_float(n, "scale");
    TRY(fe_need_dim(n, 0, 2, ir_dim_mul(g, s->heads, s->keys)));
    TRY(read_keys(s));
    TRY(fe_need_dim(n, 2, 2, ir_dim_mul(g, s->groups, s->values)));
    return read_rule(s);
}

static lathe_status initial_state(const linear *s, ir_value *state)
{
    fe_node *n = s->n;
    ir_dim dims[] = {s->batch, s->groups, s->keys, s->values};
    *state = fe_fill(&n->b, s->type, 4, dims, 0);
    if (!fe_has(n, 3)) return LATHE_OK;
    TRY(fe_need_class(n, 3, "FL"));
    TRY(fe_need_rank(n, 3, 4));
    for (int i = 0; i < 4; i++) TRY(fe_need_dim(n, 3, i, dims[i]));
    *state = ir_cast(&n->b, fe_in(n, 3), s->type);
    return LATHE_OK;
}

lathe_status fe_import_linear_attention(fe_node *n)
{
    static const int perm[] = {1, 0, 2, 3};
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    linear s = {.n = n};
    ir_value state, results[2];
    TRY(read_linear(&s));
    TRY(initial_state(&s, &state));
    ir_expr steps = XD(s.steps);
    fe_loop loop = {.trip = ir_values(b, IR_I64, 0, NULL, &steps, 1),
                    .init = &state,
                    .ncarried = 1,
                    .nscans = 1,
                    .turn = linear_turn,
                    .ctx = &s};
    TRY(fe_loop_build(n, &loop, results));
    ir_dim dims[] = {s.batch, s.steps, ir_dim_mul(g, s.out, s.values)};
    fe_out(n, 0, ir_reshape(b, ir_permute(b, results[1], perm), 3, dims));
    if (fe_wants(n, 1))
        fe_out(n, 1, ir_cast(b, results[0], fe_type(n, fe_has(n, 3) ? 3 : 0)->elem));
    return LATHE_OK;
}
