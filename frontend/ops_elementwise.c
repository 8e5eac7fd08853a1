/* Elementwise operators. In: ONNX nodes; out: one map a node, over the broadcast space of its
 * operands. Operators that are one scalar operator are rows of a table; what needs attributes has a
 * function. Broadcasting of opset < 7 (attributes broadcast and axis) is a reshape of the operand.
 */
#include "frontend/build.h"

#include <string.h>

#include "frontend/strings.h"

/* Classes of element types (types.def); complex numbers are in none of them. */
#define FLOATS "FL"
#define INTS "SU"
#define NUMBERS "FLSU"

static lathe_status broadcast(fe_node *n, ir_nest *nest, const ir_value *v, size_t count)
{
    return fe_broadcast(nest, &n->b, v, count) ? LATHE_OK : LATHE_BAD_INPUT;
}

/* ---- one operand ---- */

static const struct {
    const char *op;
    ir_scalar scalar;
    const char *classes;
} unary[] = {
    {"Abs", IR_X_ABS, NUMBERS},        {"Neg", IR_X_NEG, NUMBERS},
    {"Sign", IR_X_SIGN, NUMBERS},      {"Ceil", IR_X_CEIL, FLOATS},
    {"Floor", IR_X_FLOOR, FLOATS},     {"Round", IR_X_ROUND, FLOATS},
    {"Sqrt", IR_X_SQRT, FLOATS},       {"Exp", IR_X_EXP, FLOATS},
    {"Log", IR_X_LOG, FLOATS},         {"Sin", IR_X_SIN, FLOATS},
    {"Cos", IR_X_COS, FLOATS},         {"Tan", IR_X_TAN, FLOATS},
    {"Asin", IR_X_ASIN, FLOATS},       {"Acos", IR_X_ACOS, FLOATS},
    {"Atan", IR_X_ATAN, FLOATS},       {"Sinh", IR_X_SINH, FLOATS},
    {"Cosh", IR_X_COSH, FLOATS},       {"Tanh", IR_X_TANH, FLOATS},
    {"Asinh", IR_X_ASINH, FLOATS},     {"Acosh", IR_X_ACOSH, FLOATS},
    {"Atanh", IR_X_ATANH, FLOATS},     {"Erf", IR_X_ERF, FLOATS},
    {"Sigmoid", IR_X_SIGMOID, FLOATS}, {"Not", IR_X_NOT, "B"},
    {"BitwiseNot", IR_X_NOT, INTS},
};

lathe_status fe_import_unary(fe_node *n)
{
    size_t i = 0;
    while (i < sizeof unary / sizeof *unary && strcmp(unary[i].op, n->op) != 0) i++;
    if (i == sizeof unary / sizeof *unary) return fe_fail(n, LATHE_INTERNAL, "not in the table");
    TRY(fe_need_class(n, 0, unary[i].classes));
    fe_out(n, 0, fe_unary(&n->b, unary[i].scalar, fe_in(n, 0)));
    return LATHE_OK;
}

lathe_status fe_import_reciprocal(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(fe_need_class(n, 0, FLOATS));
    ir_value v = fe_in(n, 0);
    TRY(broadcast(n, &nest, &v, 1));
    ir_expr x = ir_nest_read(&nest, v);
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, X2(DIV, XN(x, 1), x)));
    return LATHE_OK;
}

lathe_status fe_import_isnan(fe_node *n)
{
    ir_nest nest;
    TRY(fe_need_class(n, 0, FLOATS));
    ir_value v = fe_in(n, 0);
    TRY(broadcast(n, &nest, &v, 1));
    fe_out(n, 0, ir_nest_map(&nest, IR_BOOL, ir_x_1(n->g, IR_X_ISNAN, ir_nest_read(&nest, v))));
    return LATHE_OK;
}

lathe_status fe_import_isinf(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(fe_need_class(n, 0, FLOATS));
    ir_value v = fe_in(n, 0);
    TRY(broadcast(n, &nest, &v, 1));
    ir_expr x = ir_nest_read(&nest, v), inf = X1(ISINF, x), zero = XN(x, 0);
    if (!fe_attr_int(n, "detect_positive")) inf = X2(AND, inf, X2(LT, x, zero));
    if (!fe_attr_int(n, "detect_negative")) inf = X2(AND, inf, X2(LT, zero, x));
    fe_out(n, 0, ir_nest_map(&nest, IR_BOOL, inf));
    return LATHE_OK;
}

lathe_status fe_import_identity(fe_node *n)
{
    fe_out_value(n, 0, n->in[0]);
    return LATHE_OK;
}

/* ---- two operands ---- */

/* Opset < 7: axes of input 1 start at `axis` of input 0; trailing axes of 1 align it to the right.
 */
static lathe_status second_operand(fe_node *n, ir_value *out)
{
    *out = fe_in(n, 1);
    if (n->version >= 7 || !fe_attr_int(n, "broadcast") || !fe_has_attr(n, "axis")) return LATHE_OK;
    ir_type t = *fe_type(n, 1);
    int rank = fe_type(n, 0)->rank, axis;
    TRY(fe_attr_axis(n, "axis", rank, &axis));
    if (axis + t.rank > rank)
        return fe_fail_input(n, 1, LATHE_BAD_INPUT,
                             "has rank %d, which does not fit at axis %d of input 0", t.rank, axis);
    while (axis + t.rank < rank) t.dims[t.rank++] = ir_dim_const(n->g, 1);
    *out = ir_reshape(&n->b, *out, t.rank, t.dims);
    return LATHE_OK;
}

/* Both operands, of one element type, read at a point of their space. */
static lathe_status begin_binary(fe_node *n, const char *classes, ir_nest *nest, ir_expr *x,
                                 ir_expr *y)
{
    TRY(fe_need_class(n, 0, classes));
    TRY(fe_need_class(n, 1, classes));
    ir_value v[2] = {fe_in(n, 0), IR_NONE};
    TRY(second_operand(n, &v[1]));
    TRY(broadcast(n, nest, v, 2));
    *x = ir_nest_read(nest, v[0]);
    *y = ir_nest_read(nest, v[1]);
    return LATHE_OK;
}

/* swap: the scalar operator takes the second operand first. bool result: `compare`. */
static const struct {
    const char *op;
    ir_scalar scalar;
    const char *classes;
    bool swap, compare;
} binary[] = {
    {"Add", IR_X_ADD, NUMBERS, false, false},
    {"Sub", IR_X_SUB, NUMBERS, false, false},
    {"Mul", IR_X_MUL, NUMBERS, false, false},
    {"Div", IR_X_DIV, NUMBERS, false, false},
    {"And", IR_X_AND, "B", false, false},
    {"Or", IR_X_OR, "B", false, false},
    {"Xor", IR_X_XOR, "B", false, false},
    {"BitwiseAnd", IR_X_AND, INTS, false, false},
    {"BitwiseOr", IR_X_OR, INTS, false, false},
    {"BitwiseXor", IR_X_XOR, INTS, false, false},
    {"Equal", IR_X_EQ, NUMBERS "B", false, true},
    {"Less", IR_X_LT, NUMBERS, false, true},
    {"LessOrEqual", IR_X_LE, NUMBERS, false, true},
    {"Greater", IR_X_LT, NUMBERS, true, true},
    {"GreaterOrEqual", IR_X_LE, NUMBERS, true, true},
};

lathe_status fe_import_binary(fe_node *n)
{
    ir_nest nest;
    ir_expr x, y;
    size_t i = 0;
    while (i < sizeof binary / sizeof *binary && strcmp(binary[i].op, n->op) != 0) i++;
    if (i == sizeof binary / sizeof *binary) return fe_fail(n, LATHE_INTERNAL, "not in the table");
    if (binary[i].scalar == IR_X_EQ && fe_are_strings(n)) return fe_import_equal_strings(n);
    TRY(begin_binary(n, binary[i].classes, &nest, &x, &y));
    TRY(fe_need_same(n, 0, 1));
    ir_expr r = binary[i].swap ? ir_x_2(n->g, binary[i].scalar, y, x)
                               : ir_x_2(n->g, binary[i].scalar, x, y);
    fe_out(n, 0, ir_nest_map(&nest, binary[i].compare ? IR_BOOL : fe_type(n, 0)->elem, r));
    return LATHE_OK;
}

lathe_status fe_import_mod(fe_node *n)
{
    ir_nest nest;
    ir_expr x, y;
    TRY(begin_binary(n, NUMBERS, &nest, &x, &y));
    TRY(fe_need_same(n, 0, 1));
    ir_scalar op = fe_attr_int(n, "fmod") ? IR_X_REM : IR_X_MOD;
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, ir_x_2(n->g, op, x, y)));
    return LATHE_OK;
}

lathe_status fe_import_bitshift(fe_node *n)
{
    ir_nest nest;
    ir_expr x, y;
    const char *direction = fe_attr_str(n, "direction");
    bool left = strcmp(direction, "LEFT") == 0;
    if (!left && strcmp(direction, "RIGHT") != 0)
        return fe_expect(n, "attribute direction is", direction, "LEFT or RIGHT");
    TRY(begin_binary(n, INTS, &nest, &x, &y));
    TRY(fe_need_same(n, 0, 1));
    fe_out(n, 0,
           ir_nest_map(&nest, fe_type(n, 0)->elem, ir_x_2(n->g, left ? IR_X_SHL : IR_X_SHR, x, y)));
    return LATHE_OK;
}

/* Exponents that need no logarithm; IR_NONE for others. */
static ir_expr small_power(ir_graph *g, ir_expr x, double e)
{
    if (e == 1) return x;
    if (e == 2) return X2(MUL, x, x);
    if (e == 3) return X2(MUL, X2(MUL, x, x), x);
    if (e == 0.5) return X1(SQRT, x);
    if (e == -1) return X2(DIV, XN(x, 1), x);
    return IR_NONE;
}

/* The exponent may have another type. An integer base with a float exponent computes in f64. */
lathe_status fe_import_pow(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_expr x, y;
    TRY(begin_binary(n, NUMBERS, &nest, &x, &y));
    ir_elem elem = fe_type(n, 0)->elem, type = ir_elem_arith(elem);
    bool exponent_float = ir_elem_is_float(fe_type(n, 1)->elem);
    if (!ir_elem_is_float(type) && exponent_float) type = IR_F64;
    x = ir_x_cast(g, x, type);
    double e;
    int64_t k;
    bool known = ir_x_is_const(g, y, &k, &e);
    ir_expr r = known && ir_elem_is_float(type) ? small_power(g, x, exponent_float ? e : (double)k)
                                                : IR_NONE;
    if (r == IR_NONE) r = X2(POW, x, ir_x_cast(g, y, type));
    fe_out(n, 0, ir_nest_map(&nest, elem, ir_x_cast(g, r, elem)));
    return LATHE_OK;
}

lathe_status fe_import_prelu(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(fe_need_class(n, 0, NUMBERS));
    TRY(fe_need_class(n, 1, NUMBERS));
    TRY(fe_need_same(n, 0, 1));
    ir_value v = fe_in(n, 0), slope = fe_in(n, 1);
    ir_type s = *fe_type(n, 1);
    /* Before opset 7 a slope of one axis runs along the channels. */
    if (n->version < 7 && s.rank == 1 && !ir_dim_equals(g, s.dims[0], 1)) {
        while (s.rank < fe_type(n, 0)->rank - 1) s.dims[s.rank++] = ir_dim_const(g, 1);
        slope = ir_reshape(&n->b, slope, s.rank, s.dims);
    }
    TRY(broadcast(n, &nest, (ir_value[]){v, slope}, 2));
    ir_expr x = ir_nest_read(&nest, v), scaled = X2(MUL, x, ir_nest_read(&nest, slope));
    fe_out(n, 0,
           ir_nest_map(&nest, fe_type(n, 0)->elem, ir_x_select(g, X2(LT, x, XN(x, 0)), scaled, x)));
    return LATHE_OK;
}

/* ---- any number of operands: Sum, Mean, Min, Max ---- */

lathe_status fe_import_variadic(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_value *v = IR_NEW_N(g->arena, ir_value, n->nin);
    for (size_t i = 0; i < n->nin; i++) {
        TRY(fe_need_class(n, i, NUMBERS));
        TRY(fe_need_same(n, 0, i));
        v[i] = fe_in(n, i);
    }
    TRY(broadcast(n, &nest, v, n->nin));
    ir_scalar op = strcmp(n->op, "Min") == 0   ? IR_X_MIN
                   : strcmp(n->op, "Max") == 0 ? IR_X_MAX
                                               : IR_X_ADD;
    ir_expr x = ir_nest_read(&nest, v[0]);
    for (size_t i = 1; i < n->nin; i++) x = ir_x_2(g, op, x, ir_nest_read(&nest, v[i]));
    if (strcmp(n->op, "Mean") == 0) x = X2(DIV, x, XN(x, (double)n->nin));
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, x));
    return LATHE_OK;
}

/* ---- choices ---- */

lathe_status fe_import_where(fe_node *n)
{
    ir_nest nest;
    TRY(fe_need_class(n, 0, "B"));
    TRY(fe_need_class(n, 1, NUMBERS "BT"));
    TRY(fe_need_class(n, 2, NUMBERS "BT"));
    TRY(fe_need_same(n, 1, 2));
    ir_value v[] = {fe_in(n, 0), fe_in(n, 1), fe_in(n, 2)};
    TRY(broadcast(n, &nest, v, 3));
    ir_expr x[3];
    for (int i = 0; i < 3; i++) x[i] = ir_nest_read(&nest, v[i]);
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 1)->elem, ir_x_select(n->g, x[0], x[1], x[2])));
    return LATHE_OK;
}

/* Bound k of Clip: an attribute before opset 11, then an input of one element. IR_NONE: none. */
static lathe_status clip_bound(fe_node *n, ir_nest *nest, size_t k, const char *name,
                               ir_expr *bound)
{
    ir_elem type = ir_elem_arith(fe_type(n, 0)->elem);
    *bound = IR_NONE;
    if (n->version < 11) {
        if (fe_has_attr(n, name)) *bound = ir_x_num(n->g, type, fe_attr_float(n, name));
    } else if (fe_has(n, k)) {
        TRY(fe_need_class(n, k, NUMBERS));
        TRY(fe_need_same(n, 0, k));
        TRY(fe_need_one(n, k));
        *bound = fe_load_scalar(nest, fe_in(n, k));
    }
    return LATHE_OK;
}

lathe_status fe_import_clip(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_expr lo, hi;
    TRY(fe_need_class(n, 0, NUMBERS));
    ir_value v = fe_in(n, 0);
    TRY(broadcast(n, &nest, &v, 1));
    TRY(clip_bound(n, &nest, 1, "min", &lo));
    TRY(clip_bound(n, &nest, 2, "max", &hi));
    ir_expr x = ir_nest_read(&nest, v);
    if (lo != IR_NONE) x = X2(MAX, x, lo);
    if (hi != IR_NONE) x = X2(MIN, x, hi);
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 0)->elem, x));
    return LATHE_OK;
}
