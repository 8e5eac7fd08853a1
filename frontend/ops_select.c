/* Importers of operators whose result size is data: NonZero, Compress, TopK, Unique,
 * DynamicTimeWarping, NonMaxSuppression. In: tensors. Out: `call` nodes of plain C functions of the
 * runtime (runtime/ops_*.c) that define the size's symbol, which always has a bound. Where the size
 * is known after all (everything is non-zero), a map. */
#include "frontend/build.h"
#include <math.h>

/* Input k has elements that the runtime's functions can compare: whole bytes, ordered by their
 * bits. */
static lathe_status need_ordered(const fe_node *n, size_t k)
{
    TRY(fe_need_arith(n, k));
    ir_elem elem = fe_type(n, k)->elem;
    if (ir_elem_bits(elem) < 8 || elem == IR_F8E4M3FNUZ || elem == IR_F8E5M2FNUZ)
        return fe_fail_input(n, k, LATHE_UNSUPPORTED, "element type %s is not supported here",
                             ir_elem_name(elem));
    return LATHE_OK;
}

/* ---- NonZero, Compress ---- */

/* v is made by a map of a constant that is not zero. */
static bool all_set(const ir_graph *g, ir_value v)
{
    ir_node_id def = g->values[v].def;
    if (def == IR_NONE || g->nodes[def].op != IR_OP_MAP) return false;
    const ir_attr *body = ir_attr_find(&g->nodes[def], IR_KEY_body);
    double value;
    return body && body->n == 1 && ir_x_is_const(g, body->u.exprs[0], NULL, &value) && value != 0;
}

/* [rank, count]: the coordinates of every element. */
static ir_value all_coordinates(ir_builder *b, const ir_type *t)
{
    ir_graph *g = b->g;
    ir_dim space[2] = {ir_dim_const(g, t->rank), ir_type_count(g, t)};
    ir_nest nest;
    ir_nest_begin(&nest, b, 2, space, 0);
    ir_expr body = XI(0);
    for (int a = 0; a < t->rank; a++) {
        ir_dim inner = ir_dim_product(g, t->dims + a + 1, t->rank - a - 1);
        ir_expr at = X2(FLOORDIV, ir_x_index(g, 1), XD(inner));
        if (a > 0) at = X2(MOD, at, XD(t->dims[a]));
        body = a == 0 ? at : ir_x_select(g, X2(EQ, ir_x_index(g, 0), XI(a)), at, body);
    }
    return ir_nest_map(&nest, IR_I64, body);
}

/* [rank, n] coordinates of v's elements that are not zero. */
static lathe_status nonzero(fe_node *n, ir_value v, ir_value *result)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, v);
    if (t.rank > 0 && all_set(g, v)) {
        *result = all_coordinates(&n->b, &t);
        return LATHE_OK;
    }
    ir_sym count = fe_data_symbol(n, 0, INT64_MAX, ir_type_count(g, &t));
    ir_dim dims[2] = {ir_dim_const(g, t.rank), ir_dim_sym(g, count)};
    ir_type out = ir_type_make(IR_I64, 2, dims);
    ir_attr syms = ir_a_syms(g, IR_KEY_syms, &count, 1);
    return fe_call(n, "lathe_rt_nonzero", &v, 1, &syms, 1, &out, 1, result);
}

lathe_status fe_import_non_zero(fe_node *n)
{
    TRY(need_ordered(n, 0));
    ir_value v = IR_NONE;
    TRY(nonzero(n, fe_in(n, 0), &v));
    fe_out(n, 0, v);
    return LATHE_OK;
}

lathe_status fe_import_compress(fe_node *n)
{
    TRY(fe_need_movable(n, 0));
    TRY(fe_need_class(n, 1, "B"));
    TRY(fe_need_rank(n, 1, 1));
    ir_graph *g = n->g;
    ir_value data = fe_in(n, 0), found = IR_NONE;
    int axis = 0;
    if (fe_has_attr(n, "axis")) {
        TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    } else {
        ir_dim count = ir_type_count(g, fe_type(n, 0));
        data = ir_reshape(&n->b, data, 1, &count);
    }
    TRY(nonzero(n, fe_in(n, 1), &found));
    ir_dim size = ir_type_of(g, found)->dims[1];
    fe_out(n, 0, fe_gather(n, data, ir_reshape(&n->b, found, 1, &size), axis));
    return LATHE_OK;
}

/* ---- TopK ---- */

lathe_status fe_import_top_k(fe_node *n)
{
    TRY(need_ordered(n, 0));
    ir_graph *g = n->g;
    ir_type t = *fe_type(n, 0);
    int axis;
    TRY(fe_attr_axis(n, "axis", t.rank, &axis));
    int64_t one = 1, fixed = fe_attr_int_or(n, "k", -1);
    if (n->version >= 10) TRY(fe_need_class(n, 1, "SU"));
    if (n->version >= 10) TRY(fe_need_one(n, 1));
    ir_value k = n->version >= 10 ? fe_in(n, 1) : ir_const_ints(&n->b, IR_I64, 1, &one, &fixed);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    ir_expr size = ir_x_cast(g, fe_load_scalar(&nest, k), IR_I64);
    ir_dim count;
    int64_t known;
    TRY(fe_size_expr(n, &nest, size, 0, INT64_MAX, t.dims[axis], &count));
    if (ir_dim_is_const(g, count, &known) && known < 0)
        return fe_fail(n, LATHE_BAD_INPUT, "k is %lld", (long long)known);
    t.dims[axis] = count;
    ir_value operands[2] = {fe_in(n, 0), ir_cast(&n->b, k, IR_I64)}, results[2];
    ir_type types[2] = {t, ir_type_make(IR_I64, t.rank, t.dims)};
    int64_t ints[3] = {axis, fe_attr_int(n, "largest"), fe_attr_int(n, "sorted")};
    ir_attr attr = ir_a_ints(g, IR_KEY_ints, ints, 3);
    TRY(fe_call(n, "lathe_rt_topk", operands, 2, &attr, 1, types, 2, results));
    for (size_t i = 0; i < 2; i++)
        if (fe_wants(n, i)) fe_out(n, i, results[i]);
    return LATHE_OK;
}

/* ---- Unique ---- */

/* Distinct elements, or rows along an axis, the first place of each, where each element of x went,
 * and how often each occurs. */
static lathe_status find_unique(fe_node *n, ir_value x, int axis, bool sorted, ir_value *results)
{
    ir_graph *g = n->g;
    ir_type t = *ir_type_of(g, x);
    ir_dim all = t.dims[axis];
    ir_sym found = fe_data_symbol(n, 0, INT64_MAX, all);
    ir_dim distinct = ir_dim_sym(g, found);
    t.dims[axis] = distinct;
    ir_type types[4] = {t, ir_type_make(IR_I64, 1, &distinct), ir_type_make(IR_I64, 1, &all),
                        ir_type_make(IR_I64, 1, &distinct)};
    int64_t ints[2] = {axis, sorted};
    ir_attr attrs[2] = {ir_a_ints(g, IR_KEY_ints, ints, 2), ir_a_syms(g, IR_KEY_syms, &found, 1)};
    return fe_call(n, "lathe_rt_unique", &x, 1, attrs, 2, types, 4, results);
}

lathe_status fe_import_unique(fe_node *n)
{
    TRY(need_ordered(n, 0));
    ir_graph *g = n->g;
    ir_value x = fe_in(n, 0), results[4];
    int axis = 0;
    if (fe_has_attr(n, "axis")) {
        TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    } else {
        ir_dim count = ir_type_count(g, fe_type(n, 0));
        x = ir_reshape(&n->b, x, 1, &count);
    }
    TRY(find_unique(n, x, axis, fe_attr_int(n, "sorted") != 0, results));
    for (size_t i = 0; i < 4; i++)
        if (fe_wants(n, i)) fe_out(n, i, results[i]);
    return LATHE_OK;
}

/* Of com.microsoft: elements in the order of their first places, which are no output. */
lathe_status fe_import_ms_unique(fe_node *n)
{
    ir_value results[4];
    TRY(need_ordered(n, 0));
    TRY(fe_need_rank(n, 0, 1));
    TRY(find_unique(n, fe_in(n, 0), 0, false, results));
    for (size_t i = 0; i < 3; i++)
        if (fe_wants(n, i)) fe_out(n, i, results[i ? i + 1 : 0]);
    return LATHE_OK;
}

/* ---- DynamicTimeWarping, of com.microsoft ---- */

/* The cheapest way through a matrix of costs, [rows, columns], as rows and columns: [2, steps]. */
lathe_status fe_import_time_warping(fe_node *n)
{
    ir_graph *g = n->g;
    TRY(fe_need_class(n, 0, "F"));
    ir_type t = *fe_type(n, 0);
    if (t.rank == 3) TRY(fe_need_dim(n, 0, 0, ir_dim_const(g, 1)));
    else TRY(fe_need_rank(n, 0, 2));
    const ir_dim *sizes = t.dims + (t.rank - 2);
    ir_dim one = ir_dim_const(g, 1), rows = ir_dim_add(g, sizes[0], one);
    ir_sym steps = fe_data_symbol(n, 0, INT64_MAX, ir_dim_add(g, sizes[0], sizes[1]));
    ir_dim path[] = {ir_dim_const(g, 2), ir_dim_sym(g, steps)},
           grid[] = {rows, ir_dim_add(g, sizes[1], one)};
    ir_type types[] = {ir_type_make(IR_I32, 2, path), ir_type_make(IR_F32, 2, grid),
                       ir_type_make(IR_U8, 2, grid)};
    ir_attr syms = ir_a_syms(g, IR_KEY_syms, &steps, 1);
    ir_value costs = ir_cast(&n->b, fe_in(n, 0), IR_F32), results[3];
    if (costs == IR_NONE) return LATHE_BAD_INPUT;
    TRY(fe_call(n, "lathe_rt_time_warping", &costs, 1, &syms, 1, types, 3, results));
    fe_out(n, 0, results[0]);
    return LATHE_OK;
}

/* ---- NonMaxSuppression ---- */

lathe_status fe_import_non_max_suppression(fe_node *n)
{
    ir_graph *g = n->g;
    for (size_t k = 0; k < 2; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 3));
    }
    const ir_type boxes = *fe_type(n, 0), scores = *fe_type(n, 1);
    TRY(fe_need_dim(n, 0, 2, ir_dim_const(g, 4)));
    TRY(fe_need_dim(n, 1, 0, boxes.dims[0]));
    TRY(fe_need_dim(n, 1, 2, boxes.dims[1]));
    static const ir_elem elems[] = {IR_F32, IR_F32, IR_I64, IR_F32, IR_F32};
    static const double defaults[] = {0, 0, 0, 0, -HUGE_VAL};
    ir_value operands[5], result = IR_NONE;
    for (size_t k = 0; k < 5; k++)
        operands[k] = fe_has(n, k) ? ir_cast(&n->b, fe_in(n, k), elems[k])
                                   : ir_scalar_const(&n->b, elems[k], defaults[k]);
    int64_t limit = INT64_MAX;
    size_t one = 1;
    ir_content_ints(g, operands[2], &limit, 1, &one);
    ir_dim each = ir_dim_min(g, boxes.dims[1], ir_dim_const(g, limit < 0 ? 0 : limit));
    ir_dim classes = ir_dim_mul(g, boxes.dims[0], scores.dims[1]);
    ir_sym found = fe_data_symbol(n, 0, INT64_MAX, ir_dim_mul(g, classes, each));
    ir_dim dims[2] = {ir_dim_sym(g, found), ir_dim_const(g, 3)};
    ir_type out = ir_type_make(IR_I64, 2, dims);
    int64_t center = fe_attr_int(n, "center_point_box");
    ir_attr attrs[2] = {ir_a_ints(g, IR_KEY_ints, &center, 1),
                        ir_a_syms(g, IR_KEY_syms, &found, 1)};
    TRY(fe_call(n, "lathe_rt_nms", operands, 5, attrs, 2, &out, 1, &result));
    fe_out(n, 0, result);
    return LATHE_OK;
}
