/* Operators of com.microsoft on lists of tokens. In: tokens, and scores or tables of factors. Out:
 * maps, and for strings a call of the runtime. */
#include "frontend/strings.h"

#include <math.h>

#define MOST_TOKENS 64 /* of a run that is compared or hashed: an expression has them all */

/* ---- NGramRepeatBlock ---- */

/* Whether the n - 1 tokens from the nest's second index on are the last ones of the list. */
static ir_expr repeats(ir_nest *nest, ir_value tokens, ir_dim length, int64_t size)
{
    ir_graph *g = nest->b->g;
    ir_expr same = ir_x_int(g, IR_BOOL, 1);
    for (int64_t j = 0; j < size - 1; j++) {
        ir_dim tail = ir_dim_sub(g, length, ir_dim_const(g, size - 1 - j));
        ir_expr here[] = {ir_x_index(g, 0), X2(ADD, ir_x_index(g, 1), XI(j))},
                last[] = {ir_x_index(g, 0), XD(tail)};
        same = X2(AND, same,
                  X2(EQ, ir_nest_load(nest, tokens, here), ir_nest_load(nest, tokens, last)));
    }
    return same;
}

/* Tokens [B, S] and scores [B, V]: a token that would repeat one of the list's runs of ngram_size
 * tokens gets minus infinity. Marks are kept apart from scores, so that NaN is overwritten too. */
lathe_status fe_import_ngram_repeat_block(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t size = fe_attr_int(n, "ngram_size");
    if (size < 1 || size > MOST_TOKENS)
        return fe_expect(n, "attribute ngram_size is", fe_number(n, size), "1 to 64");
    TRY(fe_need_class(n, 0, "S"));
    TRY(fe_need_class(n, 1, "FL"));
    for (size_t k = 0; k < 2; k++) TRY(fe_need_rank(n, k, 2));
    const ir_type tokens = *fe_type(n, 0), scores = *fe_type(n, 1);
    TRY(fe_need_dim(n, 1, 0, tokens.dims[0]));
    ir_dim runs = ir_dim_sub(g, tokens.dims[1], ir_dim_const(g, size - 1)),
           space[] = {tokens.dims[0], ir_dim_max(g, runs, ir_dim_const(g, 0))};
    int64_t known;
    if (ir_dim_is_const(g, space[1], &known) && known == 0) {
        fe_out(n, 0, fe_in(n, 1));
        return LATHE_OK;
    }
    ir_nest_begin(&nest, &n->b, 2, space, 0);
    ir_expr same = repeats(&nest, fe_in(n, 0), tokens.dims[1], size);
    ir_expr next[] = {ir_x_index(g, 0), X2(ADD, ir_x_index(g, 1), XI(size - 1))};
    ir_expr token = ir_x_cast(g, ir_nest_load(&nest, fe_in(n, 0), next), IR_I64);
    ir_expr at[] = {ir_x_index(g, 0),
                    fe_x_index(g, ir_x_select(g, same, token, XI(0)), scores.dims[1])};
    ir_value none = fe_fill(&n->b, IR_U8, 2, scores.dims, 0),
             marks = ir_nest_scatter(&nest, "max", none, ir_x_cast(g, same, IR_U8), at);
    if (!fe_broadcast(&nest, &n->b, (ir_value[]){fe_in(n, 1), marks}, 2)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, fe_in(n, 1)), mark = ir_nest_read(&nest, marks);
    x = ir_x_select(g, X2(EQ, mark, XN(mark, 0)), x, XN(x, -HUGE_VAL));
    fe_out(n, 0, ir_nest_map(&nest, scores.elem, x));
    return LATHE_OK;
}

/* ---- NGramHashMapping ---- */

typedef struct hashes {
    fe_node *n;
    ir_dim length; /* of the tokens */
    int64_t most, heads, pad;
} hashes;

/* An integer of the type of x. */
static ir_expr as(ir_graph *g, ir_expr x, int64_t value)
{
    return ir_x_int(g, ir_expr_get(g, x)->type, value);
}

/* The token at place t, which may lie in the tokens of the run before. */
static ir_expr token_before(const hashes *h, ir_nest *nest, ir_expr batch, ir_expr t)
{
    ir_graph *g = h->n->g;
    ir_expr zero = XI(0), last = XD(ir_dim_sub(g, h->length, ir_dim_const(g, 1))),
            here[] = {batch, fe_x_clamp(g, t, zero, last)};
    ir_expr x = ir_nest_load(nest, fe_in(h->n, 0), here), old = as(g, x, h->pad);
    if (fe_has(h->n, 3)) {
        ir_expr place = X2(ADD, t, XI(h->most - 1)),
                at[] = {batch, fe_x_clamp(g, place, zero, XI(h->most - 2))};
        old = ir_x_select(g, X2(LE, zero, place), ir_nest_load(nest, fe_in(h->n, 3), at), old);
    }
    return ir_x_select(g, X2(LE, zero, t), x, old);
}

/* The hash of the runs of 2 to most tokens that end at a place, of which the nest's last axis, a
 * head, chooses one. */
static ir_value hash_runs(const hashes *h, const ir_dim *space)
{
    ir_graph *g = h->n->g;
    ir_nest nest;
    ir_nest_begin(&nest, &h->n->b, 3, space, 0);
    ir_expr batch = ir_x_index(g, 0), t = ir_x_index(g, 1), head = ir_x_index(g, 2),
            size = X2(ADD, X2(FLOORDIV, head, XI(h->heads)), XI(2)), mix = IR_NONE;
    for (int64_t k = 0; k < h->most; k++) {
        ir_expr at = XI(k), x = token_before(h, &nest, batch, X2(SUB, t, at));
        x = X2(MUL, x, ir_nest_load(&nest, fe_in(h->n, 1), &at));
        if (k > 1) x = ir_x_select(g, X2(LT, at, size), x, XN(x, 0));
        mix = k == 0 ? x : X2(XOR, mix, x);
    }
    return ir_nest_map(&nest, fe_type(h->n, 0)->elem,
                       X2(MOD, mix, ir_nest_load(&nest, fe_in(h->n, 2), &head)));
}

/* The last tokens, for the next run. */
static ir_value last_tokens(const hashes *h, ir_dim batches)
{
    ir_graph *g = h->n->g;
    ir_nest nest;
    ir_dim rows = ir_dim_const(g, h->most - 1), space[] = {batches, rows};
    ir_nest_begin(&nest, &h->n->b, 2, space, 0);
    ir_expr t = X2(ADD, ir_x_index(g, 1), XD(ir_dim_sub(g, h->length, rows)));
    return ir_nest_map(&nest, fe_type(h->n, 0)->elem, token_before(h, &nest, ir_x_index(g, 0), t));
}

static lathe_status read_hashes(hashes *h)
{
    fe_node *n = h->n;
    ir_graph *g = n->g;
    if (h->most < 2 || h->most > MOST_TOKENS)
        return fe_expect(n, "attribute max_ngram_size is", fe_number(n, h->most), "2 to 64");
    if (h->heads < 1 || h->heads > INT32_MAX)
        return fe_expect(n, "attribute n_head_per_ngram is", fe_number(n, h->heads),
                         "a positive number");
    ir_dim counts[] = {IR_NONE, ir_dim_const(g, h->most),
                       ir_dim_const(g, (h->most - 1) * h->heads)};
    for (size_t k = 0; k < 4; k++) {
        if (k == 3 && !fe_has(n, 3)) continue;
        TRY(fe_need_class(n, k, "S"));
        TRY(fe_need_same(n, 0, k));
        TRY(fe_need_rank(n, k, k == 1 || k == 2 ? 1 : 2));
        if (k == 1 || k == 2) TRY(fe_need_dim(n, k, 0, counts[k]));
    }
    if (!fe_has(n, 3)) return LATHE_OK;
    TRY(fe_need_dim(n, 3, 0, fe_type(n, 0)->dims[0]));
    return fe_need_dim(n, 3, 1, ir_dim_const(g, h->most - 1));
}

/* Tokens [B, S], a factor for each place of a run, a number of buckets for each head, the tokens
 * before. */
lathe_status fe_import_ngram_hash(fe_node *n)
{
    ir_graph *g = n->g;
    hashes h = {.n = n,
                .most = fe_attr_int(n, "max_ngram_size"),
                .heads = fe_attr_int(n, "n_head_per_ngram"),
                .pad = fe_attr_int(n, "pad_id")};
    TRY(read_hashes(&h));
    const ir_type t = *fe_type(n, 0);
    h.length = t.dims[1];
    ir_dim space[] = {t.dims[0], t.dims[1], ir_dim_const(g, (h.most - 1) * h.heads)};
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &space[2], 1);
    ir_expr at = ir_x_index(g, 0), buckets = ir_nest_load(&nest, fe_in(n, 2), &at);
    TRY(fe_guard(
        n, ir_nest_reduce(&nest, IR_OP_REDUCE, "and", IR_BOOL, X2(LT, XN(buckets, 0), buckets)),
        "a number of vocab_sizes is not positive"));
    fe_out(n, 0, hash_runs(&h, space));
    if (fe_wants(n, 1)) fe_out(n, 1, last_tokens(&h, t.dims[0]));
    return LATHE_OK;
}

/* ---- MurmurHash3 ---- */

static ir_expr turned(ir_graph *g, ir_expr x, int bits)
{
    return X2(OR, X2(SHL, x, XN(x, bits)), X2(SHR, x, XN(x, 32 - bits)));
}

/* x, of u32, after a shift to the right has been mixed in. */
static ir_expr shifted(ir_graph *g, ir_expr x, int bits)
{
    return X2(XOR, x, X2(SHR, x, XN(x, bits)));
}

/* The hash of four bytes, the 32-bit form for x86. */
static ir_expr hash_word(ir_graph *g, ir_expr word, int64_t seed)
{
    ir_expr k = X2(MUL, word, XN(word, 0xcc9e2d51));
    k = X2(MUL, turned(g, k, 15), XN(k, 0x1b873593));
    ir_expr h = turned(g, X2(XOR, k, as(g, k, (int64_t)(uint32_t)seed)), 13);
    h = X2(ADD, X2(MUL, h, XN(h, 5)), XN(h, 0xe6546b64));
    h = shifted(g, X2(XOR, h, XN(h, 4)), 16);
    h = shifted(g, X2(MUL, h, XN(h, 0x85ebca6b)), 13);
    return shifted(g, X2(MUL, h, XN(h, 0xc2b2ae35)), 16);
}

lathe_status fe_import_murmur_hash(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t seed = fe_attr_int(n, "seed"), positive = fe_attr_int(n, "positive");
    ir_elem out = positive == 1 ? IR_U32 : IR_I32;
    ir_value v = fe_in(n, 0);
    if (positive != 0 && positive != 1)
        return fe_expect(n, "attribute positive is", fe_number(n, positive), "0 or 1");
    if (fe_is_string(n, 0)) {
        ir_type words = *fe_type(n, 0);
        words.elem = IR_U32;
        ir_attr ints = ir_a_ints(g, IR_KEY_ints, &seed, 1);
        TRY(fe_call(n, "lathe_rt_string_hash", &v, 1, &ints, 1, &words, 1, &v));
        fe_out(n, 0, ir_cast(&n->b, v, out));
        return LATHE_OK;
    }
    TRY(fe_need_class(n, 0, "SU"));
    if (ir_elem_bits(fe_type(n, 0)->elem) != 32)
        return fe_expect_input(n, 0, "has element type", ir_elem_name(fe_type(n, 0)->elem),
                               "i32, u32 or string");
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    ir_expr word = ir_x_cast(g, ir_nest_read(&nest, v), IR_U32);
    fe_out(n, 0, ir_nest_map(&nest, out, ir_x_cast(g, hash_word(g, word, seed), out)));
    return LATHE_OK;
}
