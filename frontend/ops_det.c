/* The importers of Det and of com.microsoft's Inverse. In: square matrices. Out: for small ones of
 * known size the sum of products in one map; for others a loop over the columns, elimination with
 * the largest pivot of each.
 *
 * A turn finds the pivot's row p, exchanges it with row k and takes multiples of it from the rows
 * below; the result is the product of the pivots, negated with every exchange. A column without a
 * pivot makes the product 0 and is left as it is.
 * An inverse is found beside an identity matrix: a turn makes column k one of the identity, and
 * what stands in the identity's place in the end is the inverse. */
#include "frontend/loop.h"

#define MAX_SUM 4 /* rows of a matrix whose products are summed */

/* Determinant of the rows from `row` on, over the columns whose bits are not in `used`. */
static ir_expr cofactors(ir_nest *nest, ir_value v, ir_expr *idx, int rank, int size, int row,
                         unsigned used)
{
    ir_graph *g = nest->b->g;
    ir_expr sum = IR_NONE;
    bool negative = false;
    for (int c = 0; c < size; c++) {
        if (used >> c & 1) continue;
        idx[rank - 2] = XI(row);
        idx[rank - 1] = XI(c);
        ir_expr x = ir_nest_load(nest, v, idx);
        if (row + 1 < size)
            x = X2(MUL, x, cofactors(nest, v, idx, rank, size, row + 1, used | 1u << c));
        sum = sum == IR_NONE ? x : negative ? X2(SUB, sum, x) : X2(ADD, sum, x);
        negative = !negative;
    }
    return sum;
}

/* ---- elimination ---- */

typedef struct matrices {
    ir_value v, k; /* [batch..., n, n], and the column of this turn */
    int rank;
    ir_dim dims[IR_MAX_RANK];
} matrices;

/* A nest over the batch axes and `more` axes of n. */
static void det_space(ir_nest *nest, ir_builder *b, const matrices *m, int more, int nred)
{
    ir_nest_begin(nest, b, m->rank - 2 + more, m->dims, nred);
}

static ir_expr det_load(ir_nest *nest, const matrices *m, ir_value v, ir_expr row, ir_expr column)
{
    ir_expr idx[IR_MAX_RANK];
    for (int i = 0; i < m->rank - 2; i++) idx[i] = ir_nest_index(nest, i);
    idx[m->rank - 2] = row;
    idx[m->rank - 1] = column;
    return ir_nest_load(nest, v, idx);
}

/* An element of a value over the batch axes, or [batch..., n]. */
static ir_expr det_read(ir_nest *nest, const matrices *m, ir_value v, ir_expr at)
{
    return det_load(nest, m, v, at, IR_NONE);
}

static ir_expr det_column(ir_nest *nest, const matrices *m)
{
    return fe_x_index(nest->b->g, fe_load_scalar(nest, m->k), m->dims[m->rank - 1]);
}

/* The row of the largest element of column k from row k on. */
static ir_value pivot_row(ir_builder *b, const matrices *m)
{
    ir_graph *g = b->g;
    ir_nest nest;
    det_space(&nest, b, m, 1, 0);
    ir_expr row = ir_nest_index(&nest, m->rank - 2), k = det_column(&nest, m);
    ir_expr size = X1(ABS, det_load(&nest, m, m->v, row, k));
    ir_value sizes = ir_nest_map(&nest, ir_type_of(g, m->v)->elem,
                                 ir_x_select(g, X2(LT, row, k), XN(size, -1), size));
    if (sizes == IR_NONE) return IR_NONE;
    det_space(&nest, b, m, 1, 1);
    return ir_nest_arg(&nest, "max", false,
                       det_read(&nest, m, sizes, ir_nest_index(&nest, m->rank - 2)));
}

/* Row p[batch] of the matrices. */
static ir_value row_of(ir_builder *b, const matrices *m, ir_value p)
{
    ir_nest nest;
    if (p == IR_NONE) return IR_NONE;
    det_space(&nest, b, m, 1, 0);
    ir_expr at = fe_x_index(b->g, det_read(&nest, m, p, IR_NONE), m->dims[m->rank - 1]);
    ir_expr x = det_load(&nest, m, m->v, at, ir_nest_index(&nest, m->rank - 2));
    return ir_nest_map(&nest, ir_type_of(b->g, m->v)->elem, x);
}

/* Rows below k without their part of the pivot's row; the row that was k in the place of p. */
static ir_value eliminated(ir_builder *b, const matrices *m, ir_value p, ir_value pivot)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (pivot == IR_NONE) return IR_NONE;
    det_space(&nest, b, m, 2, 0);
    ir_expr row = ir_nest_index(&nest, m->rank - 2), column = ir_nest_index(&nest, m->rank - 1);
    ir_expr k = det_column(&nest, m), at = det_read(&nest, m, p, IR_NONE);
    ir_expr from = ir_x_select(g, X2(EQ, row, at), k, row);
    from = X2(CHECK, from, XD(m->dims[m->rank - 1]));
    ir_expr top = det_read(&nest, m, pivot, k), x = det_load(&nest, m, m->v, from, column);
    ir_expr factor = X2(DIV, det_load(&nest, m, m->v, from, k), top);
    ir_expr less = X2(SUB, x, X2(MUL, factor, det_read(&nest, m, pivot, column)));
    ir_expr below = X2(AND, X2(LT, k, row), X2(NE, top, XN(top, 0)));
    ir_expr own = det_load(&nest, m, m->v, row, column);
    return ir_nest_map(&nest, ir_type_of(g, m->v)->elem, ir_x_select(g, below, less, own));
}

static ir_value times_pivot(ir_builder *b, const matrices *m, ir_value det, ir_value p,
                            ir_value pivot)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (pivot == IR_NONE) return IR_NONE;
    det_space(&nest, b, m, 0, 0);
    ir_expr k = det_column(&nest, m);
    ir_expr x = X2(MUL, det_read(&nest, m, det, IR_NONE), det_read(&nest, m, pivot, k));
    ir_expr same = X2(EQ, det_read(&nest, m, p, IR_NONE), k);
    return ir_nest_map(&nest, ir_type_of(g, det)->elem, ir_x_select(g, same, x, X1(NEG, x)));
}

static lathe_status det_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    matrices m = *(const matrices *)ctx;
    m.k = params[0];
    m.v = params[2];
    ir_value p = pivot_row(&n->b, &m), pivot = row_of(&n->b, &m, p);
    results[0] = params[1];
    results[1] = eliminated(&n->b, &m, p, pivot);
    results[2] = times_pivot(&n->b, &m, params[3], p, pivot);
    return LATHE_OK;
}

static lathe_status by_elimination(fe_node *n, const ir_type *t)
{
    ir_graph *g = n->g;
    ir_elem elem = ir_elem_arith(t->elem);
    ir_expr steps = XD(t->dims[t->rank - 1]);
    matrices m = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) m.dims[i] = t->dims[i];
    ir_value init[2] = {ir_cast(&n->b, fe_in(n, 0), elem),
                        fe_fill(&n->b, elem, t->rank - 2, t->dims, 1)};
    ir_value results[2];
    fe_loop loop = {.trip = ir_values(&n->b, IR_I64, 0, NULL, &steps, 1),
                    .init = init,
                    .ncarried = 2,
                    .turn = det_turn,
                    .ctx = &m};
    TRY(fe_loop_build(n, &loop, results));
    fe_out(n, 0, ir_cast(&n->b, results[1], t->elem));
    return LATHE_OK;
}

lathe_status fe_import_det(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK];
    int64_t size;
    TRY(fe_need_class(n, 0, "FL"));
    const ir_type t = *fe_type(n, 0);
    if (t.rank < 2) return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "2 or more");
    TRY(fe_need_dim(n, 0, t.rank - 1, t.dims[t.rank - 2]));
    if (!ir_dim_is_const(g, t.dims[t.rank - 1], &size) || size < 1 || size > MAX_SUM)
        return by_elimination(n, &t);
    ir_nest_begin(&nest, &n->b, t.rank - 2, t.dims, 0);
    for (int i = 0; i < t.rank - 2; i++) idx[i] = ir_nest_index(&nest, i);
    fe_out(n, 0,
           ir_nest_map(&nest, t.elem, cofactors(&nest, fe_in(n, 0), idx, t.rank, (int)size, 0, 0)));
    return LATHE_OK;
}

/* ---- the inverse ---- */

/* The matrices with an identity beside each: [batch..., n, 2n]. */
static ir_value with_identity(ir_builder *b, const matrices *m, ir_value v, ir_elem elem)
{
    ir_graph *g = b->g;
    ir_nest nest;
    det_space(&nest, b, m, 2, 0);
    ir_dim n = m->dims[m->rank - 2];
    ir_expr row = ir_nest_index(&nest, m->rank - 2), column = ir_nest_index(&nest, m->rank - 1);
    ir_expr x = det_load(&nest, m, v, row, X2(MIN, column, X2(SUB, XD(n), XI(1))));
    ir_expr one = X2(EQ, column, X2(ADD, row, XD(n)));
    x = ir_x_cast(g, x, elem);
    x = ir_x_select(g, X2(LT, column, XD(n)), x, ir_x_select(g, one, XN(x, 1), XN(x, 0)));
    return ir_nest_map(&nest, elem, x);
}

static lathe_status inverse_turn(void *ctx, fe_node *n, const ir_value *params, ir_value *results)
{
    matrices m = *(const matrices *)ctx;
    ir_graph *g = n->g;
    ir_nest nest;
    m.k = params[0];
    m.v = params[2];
    results[0] = params[1];
    ir_value p = pivot_row(&n->b, &m);
    if (p == IR_NONE) return LATHE_BAD_INPUT;
    det_space(&nest, &n->b, &m, 2, 0);
    ir_dim rows = m.dims[m.rank - 2];
    ir_expr row = ir_nest_index(&nest, m.rank - 2), column = ir_nest_index(&nest, m.rank - 1);
    ir_expr k = X2(CHECK, det_column(&nest, &m), XD(rows)),
            at = X2(CHECK, det_read(&nest, &m, p, IR_NONE), XD(rows));
    ir_expr top = X2(DIV, det_load(&nest, &m, m.v, at, column), det_load(&nest, &m, m.v, at, k));
    ir_expr from = ir_x_select(g, X2(EQ, row, at), k, row);
    ir_expr less = X2(MUL, det_load(&nest, &m, m.v, from, k), top);
    ir_expr rest = X2(SUB, det_load(&nest, &m, m.v, from, column), less);
    results[1] =
        ir_nest_map(&nest, ir_type_of(g, m.v)->elem, ir_x_select(g, X2(EQ, row, k), top, rest));
    return LATHE_OK;
}

lathe_status fe_import_inverse(fe_node *n)
{
    ir_graph *g = n->g;
    TRY(fe_need_class(n, 0, "FL"));
    const ir_type t = *fe_type(n, 0);
    if (t.rank < 2) return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "2 or more");
    TRY(fe_need_dim(n, 0, t.rank - 1, t.dims[t.rank - 2]));
    ir_dim size = t.dims[t.rank - 2];
    ir_elem elem = ir_elem_arith(t.elem);
    ir_expr steps = XD(size);
    matrices m = {.rank = t.rank};
    for (int i = 0; i < t.rank - 1; i++) m.dims[i] = t.dims[i];
    m.dims[t.rank - 1] = ir_dim_mul(g, size, ir_dim_const(g, 2));
    ir_value init = with_identity(&n->b, &m, fe_in(n, 0), elem), result;
    if (init == IR_NONE) return LATHE_BAD_INPUT;
    fe_loop loop = {.trip = ir_values(&n->b, IR_I64, 0, NULL, &steps, 1),
                    .init = &init,
                    .ncarried = 1,
                    .turn = inverse_turn,
                    .ctx = &m};
    TRY(fe_loop_build(n, &loop, &result));
    fe_out(n, 0, ir_cast(&n->b, fe_part(&n->b, result, t.rank - 1, size, size), t.elem));
    return LATHE_OK;
}
