/* Importers of random operators: RandomUniform, RandomNormal, their Like forms, Bernoulli,
 * Multinomial, and Dropout in training. In: dims and a seed or none. Out: a call of the runtime's
 * generator (runtime/ops_random.c), which no pass moves, merges or computes while compiling, and
 * maps of the numbers that it draws. */
#include "frontend/build.h"

#include <math.h>
#include <string.h>

enum { UNIFORM, NORMAL };

/* scale * number + offset, as f32 or f64. */
typedef struct draw {
    int kind;
    ir_elem elem;
    double scale, offset;
} draw;

static const draw plain = {UNIFORM, IR_F64, 1, 0};

/* Seeds are floats in most operators; as ONNX's reference implementation has it, the fraction is
 * dropped. */
static lathe_status read_seed(const fe_node *n, int64_t *seed)
{
    *seed = 0;
    if (!fe_has_attr(n, "seed")) return LATHE_OK;
    if (!strcmp(n->op, "Dropout")) {
        *seed = fe_attr_int(n, "seed");
        return LATHE_OK;
    }
    double value = fe_attr_float(n, "seed");
    if (!(fabs(value) < 0x1p63))
        return fe_expect(n, "attribute seed is", ir_format(n->g->arena, "%g", value),
                         "a number that 64 bits hold");
    *seed = (int64_t)value;
    return LATHE_OK;
}

static lathe_status draw_numbers(fe_node *n, draw d, int rank, const ir_dim *dims, ir_value *out)
{
    int64_t seed;
    TRY(read_seed(n, &seed));
    const int64_t ints[] = {d.kind, fe_has_attr(n, "seed"), seed};
    const double floats[] = {d.scale, d.offset};
    const ir_attr attrs[] = {ir_a_ints(n->g, IR_KEY_ints, ints, 3),
                             ir_a_floats(n->g, IR_KEY_floats, floats, 2)};
    const ir_type type = ir_type_make(d.elem, rank, dims);
    return fe_call(n, "lathe_rt_random", NULL, 0, attrs, 2, &type, 1, out);
}

static ir_elem asked_for(const fe_node *n, ir_elem otherwise)
{
    int64_t dtype = fe_attr_int_or(n, "dtype", otherwise);
    return dtype > 0 && dtype < IR_ELEM_COUNT ? (ir_elem)dtype : IR_ELEM_NONE;
}

/* ---- numbers ---- */

static lathe_status fill(fe_node *n, ir_elem elem, int rank, const ir_dim *dims)
{
    draw d = {.kind = strstr(n->op, "Normal") ? NORMAL : UNIFORM,
              .elem = elem == IR_F64 ? IR_F64 : IR_F32};
    if (!ir_elem_is_float(elem))
        return fe_expect(n, "the result has element type", ir_elem_name(elem), "floats");
    d.offset = fe_attr_float(n, d.kind == NORMAL ? "mean" : "low");
    d.scale = d.kind == NORMAL ? fe_attr_float(n, "scale") : fe_attr_float(n, "high") - d.offset;
    ir_value v;
    TRY(draw_numbers(n, d, rank, dims, &v));
    fe_out(n, 0, elem == d.elem ? v : ir_cast(&n->b, v, elem));
    return LATHE_OK;
}

lathe_status fe_import_random(fe_node *n)
{
    size_t rank;
    const int64_t *shape = fe_attr_ints(n, "shape", &rank);
    if (rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %zu axes, at most %d are supported", rank,
                       IR_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        if (shape[i] < 0)
            return fe_expect(n, ir_format(n->g->arena, "dim %zu of shape is", i),
                             fe_number(n, shape[i]), "0 or more");
    return fill(n, asked_for(n, IR_ELEM_NONE), (int)rank, fe_const_dims(n->g, shape, rank));
}

lathe_status fe_import_random_like(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type t = *fe_type(n, 0);
    return fill(n, asked_for(n, t.elem), t.rank, t.dims);
}

/* ---- samples ---- */

lathe_status fe_import_bernoulli(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    ir_elem elem = asked_for(n, t.elem);
    if (!ir_elem_computes(elem))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "attribute dtype is %lld, which is no numeric element type",
                       (long long)fe_attr_int_or(n, "dtype", t.elem));
    ir_value numbers;
    TRY(draw_numbers(n, plain, t.rank, t.dims, &numbers));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr p = ir_x_cast(g, ir_nest_read(&nest, fe_in(n, 0)), IR_F64);
    ir_expr hit = X2(LT, ir_nest_read(&nest, numbers), p);
    fe_out(n, 0, ir_nest_map(&nest, elem, ir_x_cast(g, hit, elem)));
    return LATHE_OK;
}

/* [batch, classes] of logarithms -> sums of the probabilities up to each class, in f64. */
static ir_value distribution(fe_node *n)
{
    ir_value p = fe_softmax(&n->b, ir_cast(&n->b, fe_in(n, 0), IR_F64), 1, false);
    if (p == IR_NONE) return IR_NONE;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, ir_type_of(n->g, p)->dims, 0);
    return ir_nest_cumulate(&nest, "sum", 1, false, false, IR_F64, ir_nest_read(&nest, p));
}

/* A sample is the number of classes whose sum a number of [0, total) has passed. */
lathe_status fe_import_multinomial(fe_node *n)
{
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_rank(n, 0, 2));
    ir_graph *g = n->g;
    ir_elem elem = asked_for(n, IR_ELEM_NONE);
    int64_t samples = fe_attr_int(n, "sample_size");
    if (elem != IR_I32 && elem != IR_I64)
        return fe_expect(n, "attribute dtype is", ir_elem_name(elem), "i32 or i64");
    if (samples < 0)
        return fe_expect(n, "attribute sample_size is", fe_number(n, samples), "0 or more");
    ir_dim classes = fe_type(n, 0)->dims[1], others = ir_dim_sub(g, classes, ir_dim_const(g, 1));
    ir_dim space[] = {fe_type(n, 0)->dims[0], ir_dim_const(g, samples),
                      ir_dim_max(g, others, ir_dim_const(g, 0))};
    if (ir_dim_equals(g, classes, 0)) return fe_expect_input(n, 0, "has", "0 classes", "1 or more");
    ir_value numbers, sums = distribution(n);
    TRY(draw_numbers(n, plain, 2, space, &numbers));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 3, space, 1);
    ir_expr batch = ir_nest_index(&nest, 0), at[] = {batch, ir_nest_index(&nest, 1)},
            here[] = {batch, ir_nest_index(&nest, 2)},
            last[] = {batch, fe_x_index(g, XD(others), classes)};
    ir_expr number = X2(MUL, ir_nest_load(&nest, numbers, at), ir_nest_load(&nest, sums, last));
    ir_expr passed = ir_x_cast(g, X2(LE, ir_nest_load(&nest, sums, here), number), elem);
    fe_out(n, 0, ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", elem, passed));
    return LATHE_OK;
}

/* ---- Dropout ---- */

typedef struct dropout {
    ir_expr training, ratio; /* bool, f64 */
    bool idle;               /* known to drop nothing */
} dropout;

static dropout read_dropout(fe_node *n, ir_nest *nest)
{
    ir_graph *g = n->g;
    int64_t on;
    double ratio;
    dropout d = {.training = fe_load_scalar(nest, fe_in(n, 2)), .ratio = ir_x_num(g, IR_F64, 0.5)};
    if (fe_has(n, 1)) d.ratio = ir_x_cast(g, fe_load_scalar(nest, fe_in(n, 1)), IR_F64);
    d.idle = (ir_x_is_const(g, d.training, &on, NULL) && !on) ||
             (ir_x_is_const(g, d.ratio, NULL, &ratio) && ratio == 0);
    return d;
}

/* A ratio of 1 has no scale. */
static lathe_status check_ratio(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    dropout d = read_dropout(n, &nest);
    ir_expr zero = ir_x_num(g, IR_F64, 0), one = ir_x_num(g, IR_F64, 1);
    ir_expr fits = X2(AND, X2(LE, zero, d.ratio), X2(LT, d.ratio, one));
    ir_expr fine = X2(OR, X1(NOT, d.training), fits);
    int64_t known;
    const char *message = "ratio must be in [0, 1)";
    if (!ir_x_is_const(g, fine, &known, NULL))
        return fe_guard(n, ir_nest_map(&nest, IR_BOOL, fine), message);
    return known ? LATHE_OK : fe_fail(n, LATHE_BAD_INPUT, "%s", message);
}

static lathe_status train(fe_node *n)
{
    ir_graph *g = n->g;
    const ir_type t = *fe_type(n, 0);
    ir_elem arith = ir_elem_arith(t.elem);
    ir_value numbers;
    TRY(check_ratio(n));
    TRY(draw_numbers(n, plain, t.rank, t.dims, &numbers));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    dropout d = read_dropout(n, &nest);
    ir_expr kept = X2(LE, d.ratio, ir_nest_read(&nest, numbers));
    ir_value mask = ir_nest_map(&nest, IR_BOOL, X2(OR, X1(NOT, d.training), kept));
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    d = read_dropout(n, &nest);
    ir_expr x = ir_nest_read(&nest, fe_in(n, 0)), one = XN(x, 1);
    ir_expr scale = X2(DIV, one, X2(SUB, one, ir_x_cast(g, d.ratio, arith)));
    x = X2(MUL, x, ir_x_select(g, d.training, scale, one));
    x = ir_x_select(g, ir_nest_read(&nest, mask), x, XN(x, 0));
    fe_out(n, 0, ir_nest_map(&nest, t.elem, x));
    if (fe_wants(n, 1)) fe_out(n, 1, mask);
    return LATHE_OK;
}

lathe_status fe_import_dropout(fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 0, NULL, 0);
    if (n->version < 7 && !fe_attr_int(n, "is_test") && fe_attr_float(n, "ratio") > 0)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "attribute is_test is 0, which is training; it is supported since opset 12");
    if (n->version >= 12 && fe_has(n, 2)) {
        TRY(fe_need_class(n, 0, "FL"));
        TRY(fe_need_class(n, 2, "B"));
        if (fe_has(n, 1)) TRY(fe_need_class(n, 1, "FL"));
        if (!read_dropout(n, &nest).idle) return train(n);
    }
    const ir_type *t = fe_type(n, 0);
    fe_out(n, 0, fe_in(n, 0));
    if (fe_wants(n, 1))
        fe_out(n, 1, fe_fill(&n->b, n->version < 10 ? t->elem : IR_BOOL, t->rank, t->dims, 1));
    return LATHE_OK;
}
