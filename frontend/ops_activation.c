/* Activations: maps of one operand with attributes. In: ONNX nodes; out: one map a node. Each
 * activation is a function from the element to an expression, found by the operator's name; the
 * node's attributes and their defaults stand in that function. Written so that no intermediate
 * overflows where the result is finite. */
#include "frontend/build.h"

#include <string.h>

#define ATTR(name) ir_x_num(g, ir_expr_get(g, x)->type, fe_attr_float(n, name))

static ir_expr relu(const fe_node *n, ir_graph *g, ir_expr x)
{
    (void)n;
    return X2(MAX, x, XN(x, 0));
}

static ir_expr leaky_relu(const fe_node *n, ir_graph *g, ir_expr x)
{
    return ir_x_select(g, X2(LT, x, XN(x, 0)), X2(MUL, x, ATTR("alpha")), x);
}

static ir_expr thresholded_relu(const fe_node *n, ir_graph *g, ir_expr x)
{
    return ir_x_select(g, X2(LT, ATTR("alpha"), x), x, XN(x, 0));
}

static ir_expr elu(const fe_node *n, ir_graph *g, ir_expr x)
{
    return ir_x_select(g, X2(LT, x, XN(x, 0)), X2(MUL, ATTR("alpha"), X1(EXPM1, x)), x);
}

static ir_expr selu(const fe_node *n, ir_graph *g, ir_expr x)
{
    ir_expr low = X2(MUL, ATTR("alpha"), X1(EXPM1, x));
    return X2(MUL, ATTR("gamma"), ir_x_select(g, X2(LT, XN(x, 0), x), x, low));
}

static ir_expr celu(const fe_node *n, ir_graph *g, ir_expr x)
{
    ir_expr alpha = ATTR("alpha");
    return ir_x_select(g, X2(LT, x, XN(x, 0)), X2(MUL, alpha, X1(EXPM1, X2(DIV, x, alpha))), x);
}

static ir_expr unit_clamp(ir_graph *g, ir_expr x)
{
    return X2(MAX, X2(MIN, x, XN(x, 1)), XN(x, 0));
}

static ir_expr hard_sigmoid(const fe_node *n, ir_graph *g, ir_expr x)
{
    return unit_clamp(g, X2(ADD, X2(MUL, x, ATTR("alpha")), ATTR("beta")));
}

static ir_expr hard_swish(const fe_node *n, ir_graph *g, ir_expr x)
{
    (void)n;
    return X2(MUL, x, unit_clamp(g, X2(ADD, X2(MUL, x, XN(x, 1 / 6.0)), XN(x, 0.5))));
}

static ir_expr softplus(const fe_node *n, ir_graph *g, ir_expr x)
{
    (void)n;
    return X2(ADD, X2(MAX, x, XN(x, 0)), X1(LOG1P, X1(EXP, X1(NEG, X1(ABS, x)))));
}

static ir_expr parametric_softplus(const fe_node *n, ir_graph *g, ir_expr x)
{
    return X2(MUL, ATTR("alpha"), softplus(n, g, X2(MUL, ATTR("beta"), x)));
}

static ir_expr scaled_tanh(const fe_node *n, ir_graph *g, ir_expr x)
{
    return X2(MUL, ATTR("alpha"), X1(TANH, X2(MUL, ATTR("beta"), x)));
}

static ir_expr affine(const fe_node *n, ir_graph *g, ir_expr x)
{
    return X2(ADD, X2(MUL, ATTR("alpha"), x), ATTR("beta"));
}

static ir_expr scale(const fe_node *n, ir_graph *g, ir_expr x) { return X2(MUL, x, ATTR("scale")); }

static ir_expr softsign(const fe_node *n, ir_graph *g, ir_expr x)
{
    (void)n;
    return X2(DIV, x, X2(ADD, X1(ABS, x), XN(x, 1)));
}

static ir_expr mish(const fe_node *n, ir_graph *g, ir_expr x)
{
    return X2(MUL, x, X1(TANH, softplus(n, g, x)));
}

static ir_expr swish(const fe_node *n, ir_graph *g, ir_expr x)
{
    return fe_x_silu(g, x, fe_attr_float(n, "alpha"));
}

static ir_expr quick_gelu(const fe_node *n, ir_graph *g, ir_expr x)
{
    return fe_x_silu(g, x, fe_attr_float(n, "alpha"));
}

static ir_expr gelu(const fe_node *n, ir_graph *g, ir_expr x)
{
    return fe_x_gelu(g, x, strcmp(fe_attr_str_or(n, "approximate", "none"), "tanh") == 0);
}

/* Integers compute in f64, so that the attributes keep their fraction. */
static ir_expr shrink(const fe_node *n, ir_graph *g, ir_expr x)
{
    ir_expr bias = ATTR("bias"), lambda = ATTR("lambd");
    ir_expr above = ir_x_select(g, X2(LT, lambda, x), X2(SUB, x, bias), XN(x, 0));
    return ir_x_select(g, X2(LT, x, X1(NEG, lambda)), X2(ADD, x, bias), above);
}

static const struct {
    const char *op;
    ir_expr (*body)(const fe_node *, ir_graph *, ir_expr);
    const char *classes;
} activations[] = {
    {"Relu", relu, "FLS"},
    {"LeakyRelu", leaky_relu, "FL"},
    {"ThresholdedRelu", thresholded_relu, "FL"},
    {"Elu", elu, "FL"},
    {"Selu", selu, "FL"},
    {"Celu", celu, "FL"},
    {"HardSigmoid", hard_sigmoid, "FL"},
    {"HardSwish", hard_swish, "FL"},
    {"Softplus", softplus, "FL"},
    {"ParametricSoftplus", parametric_softplus, "FL"},
    {"ScaledTanh", scaled_tanh, "FL"},
    {"Affine", affine, "FL"},
    {"Scale", scale, "FL"},
    {"Softsign", softsign, "FL"},
    {"Mish", mish, "FL"},
    {"Swish", swish, "FL"},
    {"QuickGelu", quick_gelu, "FL"},
    {"Gelu", gelu, "FL"},
    {"Shrink", shrink, "FLSU"},
};

/* A gate, through Swish, times a value; their dims are the same. */
lathe_status fe_import_swiglu(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    for (size_t k = 0; k < 2; k++) TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_same(n, 0, 1));
    const ir_type gate = *fe_type(n, 0);
    TRY(fe_need_rank(n, 1, gate.rank));
    for (int i = 0; i < gate.rank; i++) TRY(fe_need_dim(n, 1, i, gate.dims[i]));
    ir_value both[] = {fe_in(n, 0), fe_in(n, 1)};
    if (!fe_broadcast(&nest, &n->b, both, 2)) return LATHE_BAD_INPUT;
    ir_expr x = fe_x_silu(g, ir_nest_read(&nest, both[0]), fe_attr_float(n, "alpha"));
    fe_out(n, 0, ir_nest_map(&nest, gate.elem, X2(MUL, x, ir_nest_read(&nest, both[1]))));
    return LATHE_OK;
}

lathe_status fe_import_activation(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    size_t i = 0;
    while (i < sizeof activations / sizeof *activations && strcmp(activations[i].op, n->op) != 0)
        i++;
    if (i == sizeof activations / sizeof *activations)
        return fe_fail(n, LATHE_INTERNAL, "not in the table");
    TRY(fe_need_class(n, 0, activations[i].classes));
    ir_value v = fe_in(n, 0);
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, v);
    ir_elem elem = fe_type(n, 0)->elem;
    if (!ir_elem_is_float(elem) && activations[i].body != relu) x = ir_x_cast(g, x, IR_F64);
    fe_out(
        n, 0,
        ir_nest_map(&nest, elem, ir_x_cast(g, activations[i].body(n, g, x), ir_elem_arith(elem))));
    return LATHE_OK;
}
