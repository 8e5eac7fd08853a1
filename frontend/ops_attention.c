/* Attention of opset 23 and later, FlexAttention. In: queries, keys and values of three or
 * four axes, a mask, a cache, lengths. Out: two contracts with one map of everything that happens
 * to a score and a softmax between them. Scores stay in the arithmetic type. Order: scale, soft
 * cap, mask, softmax; qk_matmul_output is the scores after as many of these as its mode says. */
#include "frontend/attend.h"

typedef struct attention {
    fe_node *n;
    ir_value q, k, v, mask, lengths;
    ir_dim past; /* rows of the cache before this call, or IR_NONE */
    double scale, softcap;
    bool causal;
    int64_t left, right; /* how far from its own position a query sees; below 0: all the way */
} attention;

enum { RAW, CAPPED, BIASED, PROBABILITY };

/* Input k as [B, heads, rows, width]. */
static lathe_status read_heads(fe_node *n, size_t k, const char *attr, ir_value *out)
{
    TRY(fe_need_class(n, k, "FL"));
    int rank = fe_type(n, k)->rank;
    int64_t heads = fe_attr_int_or(n, attr, 0);
    *out = fe_in(n, k);
    if (rank == 4) return LATHE_OK;
    if (rank != 3) return fe_expect_input(n, k, "has rank", fe_number(n, rank), "3 or 4");
    if (heads <= 0)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute %s is needed for operands of rank 3", attr);
    *out = fe_split_heads(&n->b, *out, ir_dim_const(n->g, heads));
    return *out == IR_NONE ? LATHE_BAD_INPUT : LATHE_OK;
}

static lathe_status read_cache(attention *a)
{
    fe_node *n = a->n;
    a->past = IR_NONE;
    if (fe_has(n, 4) != fe_has(n, 5))
        return fe_fail(n, LATHE_BAD_INPUT, "past_key and past_value come together");
    if (fe_has(n, 4)) {
        for (size_t k = 4; k < 6; k++) TRY(fe_need_rank(n, k, 4));
        a->past = fe_type(n, 4)->dims[2];
        a->k = fe_append(&n->b, fe_in(n, 4), a->k);
        a->v = fe_append(&n->b, fe_in(n, 5), a->v);
        if (a->k == IR_NONE || a->v == IR_NONE) return LATHE_BAD_INPUT;
    }
    a->lengths = fe_in(n, 6);
    if (a->lengths == IR_NONE) return LATHE_OK;
    TRY(fe_need_class(n, 6, "S"));
    TRY(fe_need_rank(n, 6, 1));
    return fe_need_dim(n, 6, 0, ir_type_of(n->g, a->q)->dims[0]);
}

/* The position of a query among the keys: its row, after the past or before the end of the cache
 * that counts. */
static ir_expr query_position(const attention *a, ir_nest *nest, ir_expr length)
{
    ir_graph *g = nest->b->g;
    ir_expr offset = a->past != IR_NONE  ? XD(a->past)
                     : length != IR_NONE ? X2(SUB, length, XD(nest->space[2]))
                                         : XI(0);
    return X2(ADD, ir_nest_index(nest, 2), offset);
}

/* Which keys a query may see, by position. */
static ir_expr visible(const attention *a, ir_nest *nest, ir_expr x)
{
    ir_graph *g = nest->b->g;
    ir_expr j = ir_nest_index(nest, 3), length = IR_NONE;
    if (a->lengths != IR_NONE) {
        ir_expr batch = ir_nest_index(nest, 0);
        length = fe_load_i64(nest, a->lengths, &batch);
        x = fe_x_mask(g, X2(LT, j, length), x);
    }
    ir_expr at = query_position(a, nest, length);
    if (a->causal) x = fe_x_mask(g, X2(LE, j, at), x);
    if (a->left >= 0) x = fe_x_mask(g, X2(LE, X2(SUB, at, XI(a->left)), j), x);
    if (a->right >= 0) x = fe_x_mask(g, X2(LE, j, X2(ADD, at, XI(a->right))), x);
    return x;
}

static ir_expr masked(const attention *a, ir_nest *nest, ir_expr x)
{
    ir_graph *g = nest->b->g;
    bool pad = a->n->version >= 24;
    if (a->mask != IR_NONE && ir_type_of(g, a->mask)->elem == IR_BOOL) {
        x = fe_x_mask(g, fe_mask_element(nest, a->mask, pad, ir_x_int(g, IR_BOOL, 0)), x);
    } else if (a->mask != IR_NONE) {
        ir_expr none = ir_x_num(g, ir_elem_arith(ir_type_of(g, a->mask)->elem), -__builtin_inf());
        ir_expr m = fe_mask_element(nest, a->mask, pad, none);
        if (m == IR_NONE) return IR_NONE;
        x = X2(ADD, x, ir_x_cast(g, m, ir_expr_get(g, x)->type));
    }
    return visible(a, nest, x);
}

/* The scores after the steps up to `stage`. */
static ir_value stage(const attention *a, ir_value scores, int last, ir_elem elem)
{
    ir_graph *g = a->n->g;
    ir_nest nest;
    if (scores == IR_NONE || !fe_broadcast(&nest, &a->n->b, &scores, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, scores);
    x = X2(MUL, x, fe_x_scale(g, x, a->scale, ir_type_of(g, a->q)->dims[3]));
    if (last >= CAPPED) x = fe_x_softcap(g, x, a->softcap);
    if (last >= BIASED) x = masked(a, &nest, x);
    return x == IR_NONE ? IR_NONE : ir_nest_map(&nest, elem, x);
}

static lathe_status check_mask(attention *a)
{
    fe_node *n = a->n;
    a->mask = fe_in(n, 3);
    if (a->mask == IR_NONE) return LATHE_OK;
    TRY(fe_need_class(n, 3, "FLB"));
    int rank = fe_type(n, 3)->rank;
    if (rank > 4) return fe_expect_input(n, 3, "has rank", fe_number(n, rank), "at most 4");
    return LATHE_OK;
}

static lathe_status read_window(attention *a)
{
    const fe_node *n = a->n;
    int64_t *sides[] = {&a->left, &a->right};
    static const char *const names[] = {"left_window_size", "right_window_size"};
    for (int i = 0; i < 2; i++) {
        *sides[i] = fe_attr_int(n, names[i]);
        if (*sides[i] < -1 || *sides[i] > INT32_MAX)
            return fe_expect(n, ir_format(n->g->arena, "attribute %s is", names[i]),
                             fe_number(n, *sides[i]), "-1 or a number of keys");
    }
    return LATHE_OK;
}

lathe_status fe_import_attention(fe_node *n)
{
    ir_builder *b = &n->b;
    attention a = {.n = n,
                   .scale = fe_attr_float_or(n, "scale", 0),
                   .softcap = fe_attr_float(n, "softcap"),
                   .causal = fe_attr_int(n, "is_causal") != 0};
    int64_t mode = fe_attr_int(n, "qk_matmul_output_mode");
    if (mode < RAW || mode > PROBABILITY)
        return fe_expect(n, "attribute qk_matmul_output_mode is", fe_number(n, mode), "0 to 3");
    TRY(read_window(&a));
    TRY(read_heads(n, 0, "q_num_heads", &a.q));
    TRY(read_heads(n, 1, "kv_num_heads", &a.k));
    TRY(read_heads(n, 2, "kv_num_heads", &a.v));
    TRY(check_mask(&a));
    TRY(read_cache(&a));
    ir_elem elem = fe_type(n, 0)->elem, precise = ir_elem_arith(elem);
    ir_value raw = fe_scores(b, a.q, a.k), scores = stage(&a, raw, BIASED, precise);
    ir_value p = fe_attend(b, scores, NULL), y = fe_weighted(b, p, a.v);
    fe_out(n, 0, fe_type(n, 0)->rank == 3 ? fe_merge_heads(b, y) : y);
    if (fe_wants(n, 1)) fe_out(n, 1, a.k);
    if (fe_wants(n, 2)) fe_out(n, 2, a.v);
    if (fe_wants(n, 3))
        fe_out(n, 3, mode == PROBABILITY ? ir_cast(b, p, elem) : stage(&a, raw, (int)mode, elem));
    return LATHE_OK;
}

/* ---- FlexAttention: subgraphs change the scores and the probabilities ---- */

static lathe_status modified(fe_node *n, const char *attr, ir_value *v)
{
    const Onnx__GraphProto *graph = fe_attr_graph(n, attr);
    fe_value in = {.kind = FE_TENSOR, .tensor = *v}, out = {0};
    if (!graph) return LATHE_OK;
    if (graph->n_input != 1 || graph->n_output != 1)
        return fe_fail(n, LATHE_BAD_INPUT, "%s must have one input and one output", attr);
    TRY(fe_subgraph(n, graph, n->b.block, &in, 1, &out));
    if (out.kind != FE_TENSOR || !ir_type_equal(ir_type_of(n->g, out.tensor), ir_type_of(n->g, *v)))
        return fe_fail(n, LATHE_UNSUPPORTED, "%s does not keep the type of its input", attr);
    *v = out.tensor;
    return LATHE_OK;
}

lathe_status fe_import_flex_attention(fe_node *n)
{
    ir_builder *b = &n->b;
    attention a = {.n = n, .scale = fe_attr_float_or(n, "scale", 0), .left = -1, .right = -1};
    for (size_t k = 0; k < 3; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 4));
    }
    a.q = fe_in(n, 0);
    ir_value scores =
        stage(&a, fe_scores(b, a.q, fe_in(n, 1)), RAW, ir_elem_arith(fe_type(n, 0)->elem));
    if (scores == IR_NONE) return LATHE_BAD_INPUT;
    TRY(modified(n, "score_mod", &scores));
    ir_value p = fe_attend(b, scores, NULL);
    TRY(modified(n, "prob_mod", &p));
    fe_out(n, 0, fe_weighted(b, p, fe_in(n, 2)));
    return LATHE_OK;
}
