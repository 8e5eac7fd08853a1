/* Reductions along axes. In: ONNX nodes; out: reduce nests followed by maps. Axes may be data: then
 * every axis has a place in both parts of the space, of which one has size 1, so that a point's
 * index along an axis is the sum of the two. Known axes give the plain form. Low-precision floats
 * are accumulated and finished in f32 and rounded once. */
#include "frontend/build.h"

#include <string.h>

/* ---- Reduce* ---- */

typedef enum { PRE_NONE, PRE_ABS, PRE_SQUARE, PRE_EXP } reduce_pre;
typedef enum { POST_NONE, POST_MEAN, POST_SQRT, POST_LOG } reduce_post;

static const struct reduce_kind {
    const char *op, *kind, *classes;
    reduce_pre pre;
    reduce_post post;
} kinds[] = {
    {"ReduceSum", "sum", "FLSU", PRE_NONE, POST_NONE},
    {"ReduceMean", "sum", "FLSU", PRE_NONE, POST_MEAN},
    {"ReduceProd", "prod", "FLSU", PRE_NONE, POST_NONE},
    {"ReduceMax", "max", "FLSUB", PRE_NONE, POST_NONE},
    {"ReduceMin", "min", "FLSUB", PRE_NONE, POST_NONE},
    {"ReduceL1", "sum", "FLSU", PRE_ABS, POST_NONE},
    {"ReduceL2", "sum", "FLSU", PRE_SQUARE, POST_SQRT},
    {"ReduceSumSquare", "sum", "FLSU", PRE_SQUARE, POST_NONE},
    {"ReduceLogSum", "sum", "FLSU", PRE_NONE, POST_LOG},
    {"ReduceLogSumExp", "sum", "FLSU", PRE_EXP, POST_LOG},
};

/* in[a]: 1 if axis a is reduced, else 0; a symbol's expression if that is data. */
typedef struct axis_set {
    ir_dim in[IR_MAX_RANK];
    size_t count;
    unsigned mask;
    bool known;
} axis_set;

static lathe_status read_axes(fe_node *n, int rank, axis_set *set)
{
    ir_graph *g = n->g;
    const ir_dim *axes;
    bool noop = fe_attr_int(n, "noop_with_empty_axes") != 0;
    TRY(fe_axes(n, "axes", 1, rank, &axes, &set->count));
    bool all = set->count == 0 && !noop;
    if (all) set->count = (size_t)rank;
    set->mask = 0;
    set->known = true;
    for (int a = 0; a < rank; a++) {
        int64_t in = 0;
        set->in[a] = all ? ir_dim_const(g, 1) : fe_axis_among(g, axes, set->count, a);
        if (!ir_dim_is_const(g, set->in[a], &in)) set->known = false;
        if (in) set->mask |= 1u << a;
    }
    return LATHE_OK;
}

/* A fold over axes that may be data; kept[a]: index into the result with axes kept. */
static bool fold_begin(fe_fold *f, ir_builder *b, ir_value v, const axis_set *set, ir_expr *kept)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return false;
    const ir_type *t = ir_type_of(g, v);
    if (set->known) {
        if (!fe_fold_begin(f, b, v, set->mask)) return false;
        for (int a = 0; a < t->rank; a++) kept[a] = set->mask >> a & 1 ? XI(0) : f->at[a];
        return true;
    }
    ir_dim space[IR_MAX_SPACE], one = ir_dim_const(g, 1);
    int rank = t->rank;
    if (2 * rank > IR_MAX_SPACE) {
        fe_refuse(b, "axes that only a run knows are supported up to rank %d, found %d",
                  IR_MAX_SPACE / 2, rank);
        return false;
    }
    for (int a = 0; a < rank; a++) {
        space[a] = ir_dim_select(g, set->in[a], one, t->dims[a]);
        space[rank + a] = ir_dim_select(g, set->in[a], t->dims[a], one);
    }
    ir_nest_begin(&f->nest, b, 2 * rank, space, rank);
    for (int a = 0; a < rank; a++) {
        kept[a] = ir_nest_index(&f->nest, a);
        f->at[a] = X2(ADD, kept[a], ir_nest_index(&f->nest, rank + a));
    }
    f->x = ir_nest_load(&f->nest, v, f->at);
    return true;
}

/* v folded with its axes kept, in arithmetic type `acc`; shift: subtracted before PRE_EXP. */
static ir_value fold(ir_builder *b, const char *kind, ir_value v, const axis_set *set,
                     reduce_pre pre, ir_value shift, ir_elem acc)
{
    ir_graph *g = b->g;
    fe_fold f;
    ir_expr kept[IR_MAX_RANK];
    if (!fold_begin(&f, b, v, set, kept)) return IR_NONE;
    ir_expr x = ir_x_cast(g, f.x, acc);
    if (pre == PRE_ABS) x = X1(ABS, x);
    if (pre == PRE_SQUARE) x = X2(MUL, x, x);
    if (pre == PRE_EXP) x = X1(EXP, X2(SUB, x, ir_nest_load(&f.nest, shift, kept)));
    return fe_fold_end(&f, kind, acc, x, set->known);
}

/* The maximum to subtract before an exponential: 0 where it is infinite. */
static ir_value finite_max(ir_builder *b, ir_value v, const axis_set *set, ir_elem acc)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_value max = fold(b, "max", v, set, PRE_NONE, IR_NONE, acc);
    if (!fe_broadcast(&nest, b, &max, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, max);
    ir_expr odd = X2(OR, X1(ISINF, x), X1(ISNAN, x));
    return ir_nest_map(&nest, acc, ir_x_select(g, odd, XN(x, 0), x));
}

static ir_value reduce_finish(ir_builder *b, ir_value folded, reduce_post post, ir_dim count,
                              ir_value shift, ir_elem out)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, b, &folded, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, folded);
    if (post == POST_MEAN) x = X2(DIV, x, ir_x_cast(g, XD(count), ir_expr_get(g, x)->type));
    if (post == POST_SQRT) x = X1(SQRT, x);
    if (post == POST_LOG) x = X1(LOG, x);
    if (shift != IR_NONE) x = X2(ADD, x, ir_nest_read(&nest, shift));
    return ir_nest_map(&nest, out, ir_x_cast(g, x, ir_elem_arith(out)));
}

/* Drops the reduced axes: result axis j is the j-th axis that was kept. */
static ir_value drop_axes(ir_builder *b, ir_value folded, const ir_type *t, const axis_set *set)
{
    ir_graph *g = b->g;
    if (folded == IR_NONE) return IR_NONE;
    ir_dim dims[IR_MAX_RANK], zero = ir_dim_const(g, 0), one = ir_dim_const(g, 1);
    int rank = t->rank - (int)set->count;
    for (int j = 0; j < rank; j++) {
        ir_dim before = zero;
        dims[j] = zero;
        for (int a = 0; a < t->rank; a++) {
            ir_dim kept = ir_dim_sub(g, one, set->in[a]),
                   here = ir_dim_eq(g, before, ir_dim_const(g, j));
            dims[j] = ir_dim_add(g, dims[j], ir_dim_mul(g, ir_dim_mul(g, kept, here), t->dims[a]));
            before = ir_dim_add(g, before, kept);
        }
    }
    return ir_reshape(b, folded, rank, dims);
}

static const char *bool_kind(const char *kind, ir_elem elem)
{
    return elem != IR_BOOL ? kind : strcmp(kind, "max") == 0 ? "or" : "and";
}

lathe_status fe_import_reduce(fe_node *n)
{
    ir_builder *b = &n->b;
    const struct reduce_kind *k = kinds;
    while (k < kinds + sizeof kinds / sizeof *kinds && strcmp(k->op, n->op) != 0) k++;
    if (k == kinds + sizeof kinds / sizeof *kinds)
        return fe_fail(n, LATHE_INTERNAL, "not in the table");
    /* Logarithms of integers were an oversight that opset 28 ended. */
    TRY(fe_need_class(n, 0, k->post == POST_LOG && n->version >= 28 ? "FL" : k->classes));
    axis_set set;
    ir_value v = fe_in(n, 0), shift = IR_NONE;
    ir_type t = *fe_type(n, 0);
    TRY(read_axes(n, t.rank, &set));
    if (set.count > (size_t)t.rank)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu axes are reduced, but the input has %d", set.count,
                       t.rank);
    ir_elem acc = ir_elem_arith(t.elem);
    if (!ir_elem_is_float(acc) && (k->post == POST_SQRT || k->post == POST_LOG)) acc = IR_F64;
    bool plain = k->post == POST_NONE && k->pre != PRE_EXP;
    if (k->pre == PRE_EXP) shift = finite_max(b, v, &set, acc);
    ir_value r = fold(b, bool_kind(k->kind, t.elem), v, &set, k->pre, shift, plain ? t.elem : acc);
    if (!plain) {
        ir_dim count = ir_dim_const(n->g, 1);
        for (int a = 0; a < t.rank; a++)
            count = ir_dim_mul(n->g, count,
                               ir_dim_select(n->g, set.in[a], t.dims[a], ir_dim_const(n->g, 1)));
        r = reduce_finish(b, r, k->post, count, shift, t.elem);
    }
    fe_out(n, 0, fe_attr_int(n, "keepdims") ? r : drop_axes(b, r, &t, &set));
    return LATHE_OK;
}

/* ---- ArgMax, ArgMin ---- */

lathe_status fe_import_argreduce(fe_node *n)
{
    fe_fold f;
    int axis;
    TRY(fe_need_class(n, 0, "FLSU"));
    TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    if (!fe_fold_begin(&f, &n->b, fe_in(n, 0), 1u << axis)) return LATHE_BAD_INPUT;
    const char *kind = strcmp(n->op, "ArgMax") == 0 ? "max" : "min";
    ir_value r = ir_nest_arg(&f.nest, kind, fe_attr_int(n, "select_last_index") != 0, f.x);
    if (fe_attr_int(n, "keepdims") && r != IR_NONE) r = ir_unsqueeze(&n->b, r, axis);
    fe_out(n, 0, r);
    return LATHE_OK;
}

/* ---- CumSum, CumProd ---- */

static ir_value cumulate(fe_node *n, int axis)
{
    ir_nest nest;
    ir_value v = fe_in(n, 0);
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return IR_NONE;
    const char *kind = strcmp(n->op, "CumSum") == 0 ? "sum" : "prod";
    bool exclusive = fe_attr_int(n, "exclusive") != 0, reverse = fe_attr_int(n, "reverse") != 0;
    return ir_nest_cumulate(&nest, kind, axis, exclusive, reverse, fe_type(n, 0)->elem,
                            ir_nest_read(&nest, v));
}

/* The axis is data: all axes are cumulated, and the one asked for is chosen. */
static ir_value cumulate_any(fe_node *n, int rank)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_value parts[IR_MAX_RANK];
    for (int a = 0; a < rank; a++) parts[a] = cumulate(n, a);
    if (!fe_broadcast(&nest, &n->b, parts, (size_t)rank)) return IR_NONE;
    ir_expr axis = ir_x_cast(g, fe_load_scalar(&nest, fe_in(n, 1)), IR_I64);
    axis = X2(CHECK, axis, XI(rank));
    ir_expr x = ir_nest_read(&nest, parts[0]);
    for (int a = 1; a < rank; a++)
        x = ir_x_select(g, X2(EQ, axis, XI(a)), ir_nest_read(&nest, parts[a]), x);
    return ir_nest_map(&nest, fe_type(n, 0)->elem, x);
}

lathe_status fe_import_cumulate(fe_node *n)
{
    int64_t axis;
    size_t count;
    int at = 0;
    TRY(fe_need_class(n, 0, "FLSU"));
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_one(n, 1));
    int rank = fe_type(n, 0)->rank;
    if (rank == 0) return fe_expect_input(n, 0, "has rank", "0", "1 or more");
    bool known = ir_content_ints(n->g, fe_in(n, 1), &axis, 1, &count) && count == 1;
    if (known) TRY(fe_axis(n, axis, rank, &at));
    fe_out(n, 0, known ? cumulate(n, at) : cumulate_any(n, rank));
    return LATHE_OK;
}

/* ---- Softmax, LogSoftmax, Hardmax ---- */

/* 1 at the first maximum along the axis. */
static ir_value hardmax(ir_builder *b, ir_value v, int axis)
{
    ir_graph *g = b->g;
    fe_fold f;
    ir_nest nest;
    if (!fe_fold_begin(&f, b, v, 1u << axis)) return IR_NONE;
    ir_value best = ir_nest_arg(&f.nest, "max", false, f.x);
    if (best != IR_NONE) best = ir_unsqueeze(b, best, axis);
    if (!fe_broadcast(&nest, b, (ir_value[]){v, best}, 2)) return IR_NONE;
    ir_elem elem = ir_type_of(g, v)->elem;
    ir_expr hit = X2(EQ, ir_nest_read(&nest, best), ir_nest_index(&nest, axis));
    return ir_nest_map(&nest, elem, ir_x_cast(g, hit, ir_elem_arith(elem)));
}

/* Before opset 13 the axes from `axis` on are one axis. */
lathe_status fe_import_softmax(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    int axis;
    TRY(fe_need_class(n, 0, "FL"));
    ir_type t = *fe_type(n, 0);
    ir_value v = fe_in(n, 0);
    TRY(fe_attr_axis(n, "axis", t.rank, &axis));
    bool flat = n->version < 13 && axis != t.rank - 1;
    if (flat) {
        ir_dim dims[] = {ir_dim_product(g, t.dims, axis),
                         ir_dim_product(g, t.dims + axis, t.rank - axis)};
        v = ir_reshape(b, v, 2, dims);
        axis = 1;
    }
    ir_value r = strcmp(n->op, "Hardmax") == 0
                     ? hardmax(b, v, axis)
                     : fe_softmax(b, v, axis, strcmp(n->op, "LogSoftmax") == 0);
    fe_out(n, 0, flat ? ir_reshape(b, r, t.rank, t.dims) : r);
    return LATHE_OK;
}

lathe_status fe_import_lpnormalization(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    fe_fold f;
    ir_nest nest;
    int axis;
    int64_t p = fe_attr_int(n, "p");
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_attr_axis(n, "axis", fe_type(n, 0)->rank, &axis));
    if (p != 1 && p != 2) return fe_expect(n, "attribute p is", fe_number(n, p), "1 or 2");
    ir_value v = fe_in(n, 0);
    ir_elem elem = fe_type(n, 0)->elem;
    if (!fe_fold_begin(&f, b, v, 1u << axis)) return LATHE_BAD_INPUT;
    ir_value sum = fe_fold_end(&f, "sum", ir_elem_arith(elem),
                               p == 1 ? X1(ABS, f.x) : X2(MUL, f.x, f.x), true);
    if (!fe_broadcast(&nest, b, (ir_value[]){v, sum}, 2)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, v), norm = ir_nest_read(&nest, sum);
    if (p == 2) norm = X1(SQRT, norm);
    ir_expr zero = XN(x, 0);
    fe_out(n, 0,
           ir_nest_map(&nest, elem, ir_x_select(g, X2(EQ, norm, zero), zero, X2(DIV, x, norm))));
    return LATHE_OK;
}
