/* MatMul and Gemm. In: ONNX nodes; out: a contract node whose body is the product of two
 * loads, then, for Gemm, a map for alpha, beta and C. A product with an epilogue stays in the
 * arithmetic type until the map rounds it. */
#include "frontend/build.h"

#include <math.h>

lathe_status fe_import_matmul(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FLSU"));
    TRY(fe_need_class(n, 1, "FLSU"));
    TRY(fe_need_same(n, 0, 1));
    TRY(fe_need_product(n, false, false));
    fe_out(n, 0, fe_matmul(&n->b, fe_in(n, 0), fe_in(n, 1), false, false, fe_type(n, 0)->elem));
    return LATHE_OK;
}

/* ---- Gemm ---- */

/* product * alpha + c * beta, c broadcast to the product; IR_NONE: no c. */
static ir_value epilogue(ir_builder *b, ir_value product, double alpha, ir_value c, double beta,
                         ir_elem out)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (product == IR_NONE) return IR_NONE;
    const ir_type *t = ir_type_of(g, product);
    ir_nest_begin(&nest, b, t->rank, t->dims, 0);
    ir_expr x = ir_nest_read(&nest, product);
    x = X2(MUL, x, XN(x, alpha));
    if (c != IR_NONE) {
        ir_expr y = ir_nest_read(&nest, c);
        if (y == IR_NONE) return IR_NONE;
        x = X2(ADD, x, X2(MUL, y, XN(y, beta)));
    }
    return ir_nest_map(&nest, out, x);
}

lathe_status fe_import_gemm(fe_node *n)
{
    for (size_t k = 0; k < 2; k++) {
        TRY(fe_need_class(n, k, "FLSU"));
        TRY(fe_need_rank(n, k, 2));
    }
    TRY(fe_need_same(n, 0, 1));
    double alpha = fe_attr_float(n, "alpha"), beta = fe_attr_float(n, "beta");
    ir_value c = fe_in(n, 2);
    if (c != IR_NONE) TRY(fe_need_same(n, 0, 2));
    if (beta == 0) c = IR_NONE;
    ir_elem elem = fe_type(n, 0)->elem;
    if (!ir_elem_is_float(elem) && (alpha != floor(alpha) || beta != floor(beta)))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "attributes alpha and beta are %g and %g, expected whole numbers as the "
                       "operands are integers",
                       alpha, beta);
    bool plain = alpha == 1 && c == IR_NONE;
    bool ta = fe_attr_int(n, "transA") != 0, tb = fe_attr_int(n, "transB") != 0;
    TRY(fe_need_product(n, ta, tb));
    ir_value r =
        fe_matmul(&n->b, fe_in(n, 0), fe_in(n, 1), ta, tb, plain ? elem : ir_elem_arith(elem));
    fe_out(n, 0, plain ? r : epilogue(&n->b, r, alpha, c, beta, elem));
    return LATHE_OK;
}

/* ---- com.microsoft FusedMatMul: alpha * op(A) * op(B) ---- */

/* The first axis behind the batch axes: [M, batch..., K] -> [batch..., M, K]. */
static ir_value batch_first(ir_builder *b, ir_value v)
{
    int rank = ir_type_of(b->g, v)->rank, perm[IR_MAX_RANK];
    for (int i = 0; i < rank; i++) perm[i] = i + 1;
    perm[rank - 2] = 0;
    perm[rank - 1] = rank - 1;
    return ir_permute(b, v, perm);
}

lathe_status fe_import_fused_matmul(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_class(n, 1, "FL"));
    TRY(fe_need_same(n, 0, 1));
    double alpha = fe_attr_float(n, "alpha");
    ir_elem elem = fe_type(n, 0)->elem;
    bool ta = fe_attr_int(n, "transA") != 0, tb = fe_attr_int(n, "transB") != 0;
    bool first_a = fe_attr_int_or(n, "transBatchA", 0) != 0;
    bool first_b = fe_attr_int_or(n, "transBatchB", 0) != 0;
    int rank = fe_type(n, 0)->rank;
    if (!first_a && !first_b) TRY(fe_need_product(n, ta, tb));
    else if (rank < 3 || fe_type(n, 1)->rank != rank)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "transBatchA or transBatchB with operands of rank %d and %d, expected equal "
                       "ranks of 3 or more",
                       rank, fe_type(n, 1)->rank);
    ir_value a = first_a ? batch_first(&n->b, fe_in(n, 0)) : fe_in(n, 0);
    ir_value b = first_b ? batch_first(&n->b, fe_in(n, 1)) : fe_in(n, 1);
    ir_value r = fe_matmul(&n->b, a, b, ta, tb, alpha == 1 ? elem : ir_elem_arith(elem));
    fe_out(n, 0, alpha == 1 ? r : epilogue(&n->b, r, alpha, IR_NONE, 0, elem));
    return LATHE_OK;
}
