/* Attention and QAttention of com.microsoft. In: x, weights of q, k and v side by side, their bias,
 * a mask, a past, a bias of the scores; or x and the weights as codes. Out: one product, its parts
 * as heads, and what ms_attend.c makes of them. */
#include "frontend/ms_attend.h"
#include "frontend/quant.h"

enum { X, WEIGHTS, BIAS };

/* Where the two operators differ; SIZE_MAX: the operator has no such input. */
typedef struct inputs {
    size_t mask, past, score_bias;
} inputs;

/* Columns of q, k and v in the weights. */
static lathe_status widths(const fe_node *n, ir_dim *width)
{
    ir_graph *g = n->g;
    size_t count;
    const int64_t *sizes = fe_attr_ints(n, "qkv_hidden_sizes", &count);
    ir_dim all = fe_type(n, WEIGHTS)->dims[1], three = ir_dim_const(g, 3);
    if (sizes && (count != 3 || sizes[0] < 1 || sizes[1] != sizes[0] || sizes[2] < 1))
        return fe_fail(
            n, LATHE_BAD_INPUT,
            "attribute qkv_hidden_sizes must have three positive sizes, of which q and k "
            "are equal");
    for (int i = 0; i < 3; i++)
        width[i] = sizes ? ir_dim_const(g, sizes[i]) : ir_dim_floordiv(g, all, three);
    ir_dim sum = ir_dim_add(g, ir_dim_add(g, width[0], width[1]), width[2]);
    if (ir_dim_require(g, sum, all)) return LATHE_OK;
    return fe_expect_input(n, WEIGHTS, "has columns", ir_dim_text(g, all),
                           sizes ? ir_dim_text(g, sum) : "a multiple of three");
}

static ir_value stacked_part(ir_builder *b, ir_value past, int64_t which)
{
    ir_graph *g = b->g;
    const ir_type *t = ir_type_of(g, past);
    ir_value part = fe_part(b, past, 0, ir_dim_const(g, which), ir_dim_const(g, 1));
    return part == IR_NONE ? IR_NONE : ir_reshape(b, part, 4, t->dims + 1);
}

/* past and present: [2, B, H, T, D]. */
static lathe_status stacked_cache(fe_ms_attention *a, size_t past)
{
    fe_node *n = a->n;
    ir_builder *b = &n->b;
    if (fe_has(n, past)) {
        const ir_type k = *ir_type_of(n->g, a->k);
        TRY(fe_need_rank(n, past, 5));
        if (fe_type(n, past)->elem != k.elem)
            return fe_expect_input(n, past, "has element type",
                                   ir_elem_name(fe_type(n, past)->elem), ir_elem_name(k.elem));
        TRY(fe_need_dim(n, past, 0, ir_dim_const(n->g, 2)));
        for (int i = 0; i < 4; i++)
            if (i != 2) TRY(fe_need_dim(n, past, i + 1, k.dims[i]));
        if (!ir_dim_require(n->g, k.dims[3], ir_type_of(n->g, a->v)->dims[3]))
            return fe_fail_input(n, past, LATHE_BAD_INPUT,
                                 "is a past of keys and values whose heads differ in width");
        a->past = fe_type(n, past)->dims[3];
        a->k = fe_append(b, stacked_part(b, fe_in(n, past), 0), a->k);
        a->v = fe_append(b, stacked_part(b, fe_in(n, past), 1), a->v);
    }
    if (a->k == IR_NONE || a->v == IR_NONE) return LATHE_BAD_INPUT;
    if (fe_wants(n, 1)) {
        ir_value both[] = {ir_unsqueeze(b, a->k, 0), ir_unsqueeze(b, a->v, 0)};
        fe_out(n, 1, ir_concat(b, both, 2, 0));
    }
    return LATHE_OK;
}

/* [B, 1] and [1, 1] masks are the same for all keys: no mask. */
static bool same_for_all(const fe_node *n, size_t mask, ir_dim total)
{
    if (!fe_has(n, mask)) return false;
    const ir_type *t = fe_type(n, mask);
    return t->rank == 2 && ir_dim_equals(n->g, t->dims[1], 1) && t->dims[1] != total;
}

/* `all`: q, k and v of each row side by side, without their bias. */
static lathe_status attend(fe_node *n, const inputs *in, ir_value all)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_dim heads, width[3], start = ir_dim_const(g, 0);
    TRY(fe_ms_heads(n, &heads));
    TRY(widths(n, width));
    fe_ms_attention a = {.n = n, .mask = in->mask, .bias = in->score_bias};
    fe_ms_read_attrs(&a);
    if (fe_has(n, BIAS)) all = fe_binary(b, IR_X_ADD, all, fe_in(n, BIAS));
    ir_value *parts[] = {&a.q, &a.k, &a.v};
    for (int i = 0; i < 3; i++) {
        *parts[i] = fe_split_heads(b, fe_part(b, all, 2, start, width[i]), heads);
        if (*parts[i] == IR_NONE) return LATHE_BAD_INPUT;
        start = ir_dim_add(g, start, width[i]);
    }
    TRY(stacked_cache(&a, in->past));
    if (same_for_all(n, in->mask, ir_type_of(g, a.k)->dims[2])) a.mask = SIZE_MAX;
    TRY(fe_ms_check(&a));
    fe_out(n, 0, fe_ms_attend(&a, NULL));
    return LATHE_OK;
}

static lathe_status need_operands(const fe_node *n, const char *classes)
{
    for (size_t k = X; k <= BIAS; k++) {
        if (k == BIAS && !fe_has(n, BIAS)) continue;
        TRY(fe_need_class(n, k, k == BIAS ? "FL" : classes));
        TRY(fe_need_rank(n, k, 3 - (int)k));
    }
    return fe_has(n, BIAS) ? fe_need_dim(n, BIAS, 0, fe_type(n, WEIGHTS)->dims[1]) : LATHE_OK;
}

lathe_status fe_import_ms_attention(fe_node *n)
{
    static const inputs in = {.mask = 3, .past = 4, .score_bias = 5};
    TRY(need_operands(n, "FL"));
    return attend(
        n, &in,
        fe_matmul(&n->b, fe_in(n, X), fe_in(n, WEIGHTS), false, false, fe_type(n, X)->elem));
}

/* The product of codes, with the scales behind it, in place of the product of floats. */
lathe_status fe_import_qattention(fe_node *n)
{
    static const inputs in = {.mask = 5, .past = 8, .score_bias = SIZE_MAX};
    enum { X_SCALE = 3, W_SCALE = 4, X_ZERO = 6, W_ZERO = 7 };
    ir_builder *b = &n->b;
    TRY(need_operands(n, "SU"));
    TRY(fe_need_single(n, X_SCALE, "FL"));
    TRY(fe_need_single(n, X_ZERO, "SU"));
    TRY(fe_need_same(n, X, X_ZERO));
    TRY(fe_need_same(n, WEIGHTS, W_ZERO));
    for (size_t k = W_SCALE; k <= W_ZERO; k += W_ZERO - W_SCALE) {
        if (!fe_has(n, k)) continue;
        TRY(fe_need_class(n, k, k == W_SCALE ? "FL" : "SU"));
        if (fe_is_single(n->g, fe_type(n, k))) continue;
        TRY(fe_need_rank(n, k, 1));
        TRY(fe_need_dim(n, k, 0, fe_type(n, WEIGHTS)->dims[1]));
    }
    ir_value left = fe_shifted(b, fe_in(n, X), fe_in(n, X_ZERO), true);
    ir_value right = fe_shifted(b, fe_in(n, WEIGHTS), fe_in(n, W_ZERO), false);
    ir_value sum = fe_matmul(b, left, right, false, false, IR_I32);
    return attend(n, &in,
                  fe_scaled_sum(b, sum, fe_in(n, X_SCALE), fe_in(n, W_SCALE), IR_NONE,
                                fe_type(n, X_SCALE)->elem));
}
