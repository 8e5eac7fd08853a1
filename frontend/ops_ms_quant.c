/* Products of codes of com.microsoft. In: matrices of codes, or floats that are quantised on the
 * way. Out: an i32 contract with the scales behind it, the form of MatMulInteger and the nodes that
 * quantisers write around it. */
#include "frontend/quant.h"

/* A scale or zero point of matrix input m: one element, or one a column of each matrix. */
static lathe_status need_columns(const fe_node *n, size_t k, const char *classes, size_t m)
{
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_class(n, k, classes));
    const ir_type *t = fe_type(n, k), *of = fe_type(n, m);
    if (fe_is_single(n->g, t)) return LATHE_OK;
    if (t->rank > of->rank || of->rank < 2)
        return fe_expect_input(n, k, "is", ir_type_text(n->g, t), "one element, or one a column");
    for (int i = 1; i <= t->rank; i++) {
        ir_dim rows = ir_dim_const(n->g, 1);
        TRY(fe_need_dim(n, k, t->rank - i, i == 2 ? rows : of->dims[of->rank - i]));
    }
    return LATHE_OK;
}

/* Where each operand of the two operators stands; 0: it has none. */
typedef struct product {
    size_t b, a_scale, b_scale, a_zero, b_zero, bias;
} product;

/* Columns of b and the parameters along them; the bias is a list. */
static lathe_status check_product(const fe_node *n, const product *p)
{
    TRY(fe_need_class(n, p->b, "SU"));
    const ir_type *t = fe_type(n, p->b);
    if (t->rank < 1) return fe_expect_input(n, p->b, "has rank", "0", "1 or more");
    ir_dim columns = t->rank == 1 ? ir_dim_const(n->g, 1) : t->dims[t->rank - 1];
    TRY(need_columns(n, p->b_scale, "FL", p->b));
    TRY(need_columns(n, p->b_zero, "SU", p->b));
    TRY(fe_need_same(n, p->b, p->b_zero));
    if (!fe_has(n, p->bias)) return LATHE_OK;
    TRY(fe_need_class(n, p->bias, "FL"));
    TRY(fe_need_same(n, p->b_scale, p->bias));
    TRY(fe_need_rank(n, p->bias, 1));
    return fe_need_dim(n, p->bias, 0, columns);
}

static lathe_status build_product(fe_node *n, const product *p, const fe_codes *a)
{
    ir_builder *b = &n->b;
    ir_value left = fe_shifted(b, a->codes, a->zero, true);
    ir_value right = fe_shifted(b, fe_in(n, p->b), fe_in(n, p->b_zero), false);
    ir_value sum = fe_matmul(b, left, right, false, false, IR_I32);
    fe_out(n, 0,
           fe_scaled_sum(b, sum, a->scale, fe_in(n, p->b_scale), fe_in(n, p->bias),
                         fe_type(n, p->b_scale)->elem));
    return LATHE_OK;
}

lathe_status fe_import_matmul_integer_to_float(fe_node *n)
{
    static const product p = {
        .b = 1, .a_scale = 2, .b_scale = 3, .a_zero = 4, .b_zero = 5, .bias = 6};
    TRY(fe_need_class(n, 0, "SU"));
    TRY(fe_need_single(n, p.a_scale, "FL"));
    TRY(fe_need_single(n, p.a_zero, "SU"));
    TRY(fe_need_same(n, 0, p.a_zero));
    TRY(check_product(n, &p));
    fe_codes a = {fe_in(n, 0), fe_in(n, p.a_scale), fe_in(n, p.a_zero)};
    return build_product(n, &p, &a);
}

lathe_status fe_import_dynamic_quantize_matmul(fe_node *n)
{
    static const product p = {.b = 1, .b_scale = 2, .b_zero = 3, .bias = 4};
    fe_codes a;
    TRY(fe_need_class(n, 0, "F"));
    TRY(check_product(n, &p));
    if (!fe_dynamic_codes(&n->b, fe_in(n, 0), &a)) return LATHE_BAD_INPUT;
    return build_product(n, &p, &a);
}

/* ---- QGemm: A, scale, zero; B, scale, zero; C as i32 of the product's scale; y's scale, zero ----
 */

enum { QG_A, QG_A_SCALE, QG_A_ZERO, QG_B, QG_B_SCALE, QG_B_ZERO, QG_C, QG_Y_SCALE, QG_Y_ZERO };

static lathe_status check_qgemm(const fe_node *n, bool ta, bool tb)
{
    for (size_t k = QG_A; k <= QG_B; k += QG_B) {
        TRY(fe_need_class(n, k, "SU"));
        TRY(fe_need_rank(n, k, 2));
        TRY(fe_need_same(n, k, k + 2));
    }
    TRY(fe_need_single(n, QG_A_SCALE, "FL"));
    TRY(fe_need_single(n, QG_A_ZERO, "SU"));
    const ir_type *a = fe_type(n, QG_A), *b = fe_type(n, QG_B);
    TRY(fe_need_dim(n, QG_B, tb, a->dims[!ta]));
    for (size_t k = QG_B_SCALE; k <= QG_B_ZERO; k++) {
        TRY(fe_need_class(n, k, k == QG_B_SCALE ? "FL" : "SU"));
        if (fe_is_single(n->g, fe_type(n, k))) continue;
        TRY(fe_need_rank(n, k, 1));
        TRY(fe_need_dim(n, k, 0, b->dims[!tb]));
    }
    if (fe_has(n, QG_C)) TRY(fe_need_class(n, QG_C, "S"));
    if (fe_has(n, QG_Y_SCALE) != fe_has(n, QG_Y_ZERO))
        return fe_fail(n, LATHE_BAD_INPUT, "the result has %s without a %s",
                       fe_has(n, QG_Y_SCALE) ? "a scale" : "a zero point",
                       fe_has(n, QG_Y_SCALE) ? "zero point" : "scale");
    TRY(fe_need_single(n, QG_Y_SCALE, "FL"));
    return fe_need_single(n, QG_Y_ZERO, "SU");
}

/* alpha * (scale of a * scale of b) / scale of y, for each column. */
static ir_expr qgemm_factor(fe_node *n, ir_nest *nest, ir_value b_scale)
{
    ir_graph *g = n->g;
    ir_expr x = ir_x_cast(g, ir_nest_read(nest, b_scale), IR_F32);
    x = X2(MUL, ir_x_cast(g, fe_load_scalar(nest, fe_in(n, QG_A_SCALE)), IR_F32), x);
    double alpha = fe_attr_float(n, "alpha");
    if (alpha != 1) x = X2(MUL, x, XN(x, alpha));
    if (!fe_has(n, QG_Y_SCALE)) return x;
    return X2(DIV, x, ir_x_cast(g, fe_load_scalar(nest, fe_in(n, QG_Y_SCALE)), IR_F32));
}

lathe_status fe_import_qgemm(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    bool ta = fe_attr_int(n, "transA") != 0, tb = fe_attr_int(n, "transB") != 0;
    TRY(check_qgemm(n, ta, tb));
    ir_value left = fe_shifted(b, fe_in(n, QG_A), fe_in(n, QG_A_ZERO), true);
    ir_value right = fe_shifted(b, fe_in(n, QG_B), fe_in(n, QG_B_ZERO), tb);
    ir_value sum = fe_matmul(b, left, right, ta, tb, IR_I32);
    if (sum == IR_NONE) return LATHE_BAD_INPUT;
    ir_value scale = fe_single_as_scalar(b, fe_in(n, QG_B_SCALE));
    const ir_type t = *ir_type_of(g, sum);
    ir_nest_begin(&nest, b, 2, t.dims, 0);
    ir_expr x = ir_nest_read(&nest, sum);
    if (fe_has(n, QG_C)) {
        ir_expr c = ir_nest_read(&nest, fe_in(n, QG_C));
        if (c == IR_NONE) return LATHE_BAD_INPUT;
        x = X2(ADD, x, ir_x_cast(g, c, IR_I32));
    }
    x = X2(MUL, ir_x_cast(g, x, IR_F32), qgemm_factor(n, &nest, scale));
    if (!fe_has(n, QG_Y_SCALE)) fe_out(n, 0, ir_nest_map(&nest, IR_F32, x));
    else
        fe_out(n, 0,
               fe_store_code(&nest, x, fe_load_scalar(&nest, fe_in(n, QG_Y_ZERO)),
                             fe_type(n, QG_Y_ZERO)->elem, true));
    return LATHE_OK;
}
