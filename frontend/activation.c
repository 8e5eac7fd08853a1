/* The table of activations. In: a name and who writes it; out: how the activation is computed, with
 * its parameters' defaults. Written so that no intermediate overflows where the result is finite.
 */
#include "frontend/activation.h"

#include <string.h>
#include <strings.h>

#define ACTIVATION(name) static ir_expr name(ir_graph *g, ir_expr x, ir_expr alpha, ir_expr beta)
#define UNUSED() ((void)alpha, (void)beta)

/* clang-format off */
ACTIVATION(plain_tanh) { UNUSED(); return X1(TANH, x); }
ACTIVATION(plain_sigmoid) { UNUSED(); return X1(SIGMOID, x); }
ACTIVATION(relu) { UNUSED(); return X2(MAX, x, XN(x, 0)); }
ACTIVATION(clip) { return fe_x_clamp(g, x, alpha, beta); }
ACTIVATION(affine) { return X2(ADD, X2(MUL, alpha, x), beta); }
ACTIVATION(scaled_tanh) { return X2(MUL, alpha, X1(TANH, X2(MUL, beta, x))); }
ACTIVATION(hard_sigmoid) { return fe_x_clamp(g, affine(g, x, alpha, beta), XN(x, 0), XN(x, 1)); }
ACTIVATION(hard_swish) { UNUSED(); return X2(MUL, x, hard_sigmoid(g, x, XN(x, 1 / 6.0), XN(x, 0.5))); }
ACTIVATION(softsign) { UNUSED(); return X2(DIV, x, X2(ADD, X1(ABS, x), XN(x, 1))); }
/* clang-format on */

ACTIVATION(leaky_relu)
{
    (void)beta;
    return ir_x_select(g, X2(LT, x, XN(x, 0)), X2(MUL, alpha, x), x);
}

ACTIVATION(thresholded_relu)
{
    (void)beta;
    return ir_x_select(g, X2(LT, x, alpha), XN(x, 0), x);
}

ACTIVATION(elu)
{
    (void)beta;
    return ir_x_select(g, X2(LT, x, XN(x, 0)), X2(MUL, alpha, X1(EXPM1, x)), x);
}

/* beta is what ONNX calls gamma. */
ACTIVATION(selu) { return X2(MUL, beta, elu(g, x, alpha, beta)); }

/* log(1 + e^x) without the overflow. */
ACTIVATION(softplus)
{
    UNUSED();
    return X2(ADD, X2(MAX, x, XN(x, 0)), X1(LOG1P, X1(EXP, X1(NEG, X1(ABS, x)))));
}

ACTIVATION(parametric_softplus)
{
    return X2(MUL, alpha, softplus(g, X2(MUL, beta, x), alpha, beta));
}

#define LAYER FE_IN_LAYER
#define PRODUCT FE_IN_PRODUCT
#define CONV FE_IN_CONV

static const fe_activation activations[] = {
    {"Tanh", plain_tanh, LAYER | PRODUCT | CONV, 0, 0, 0},
    {"Sigmoid", plain_sigmoid, LAYER | PRODUCT | CONV, 0, 0, 0},
    {"Relu", relu, LAYER | PRODUCT | CONV, 0, 0, 0},
    {"HardSwish", hard_swish, CONV, 0, 0, 0},
    {"Clip", clip, CONV, 2, 0, 0},
    {"Affine", affine, LAYER, 2, 1, 0},
    {"LeakyRelu", leaky_relu, LAYER | PRODUCT | CONV, 1, 0.01f, 0},
    {"ThresholdedRelu", thresholded_relu, LAYER | PRODUCT, 1, 1, 0},
    {"ScaledTanh", scaled_tanh, LAYER | PRODUCT, 2, 1, 1},
    {"HardSigmoid", hard_sigmoid, LAYER | PRODUCT | CONV, 2, 0.2f, 0.5},
    {"Elu", elu, LAYER | PRODUCT, 1, 1, 0},
    {"Selu", selu, PRODUCT, 2, 0, 0},
    {"Softsign", softsign, LAYER | PRODUCT, 0, 0, 0},
    {"Softplus", softplus, LAYER | PRODUCT, 0, 0, 0},
    {"ParametricSoftplus", parametric_softplus, PRODUCT, 2, 0, 0},
};

#define COUNT (sizeof activations / sizeof *activations)

const fe_activation *fe_activation_find(const char *name, unsigned users, bool any_case)
{
    for (size_t i = 0; i < COUNT; i++) {
        const fe_activation *a = &activations[i];
        if ((a->users & users) != users) continue;
        if (any_case ? !strcasecmp(a->name, name) : !strcmp(a->name, name)) return a;
    }
    return NULL;
}

const char *fe_activation_names(ir_graph *g, unsigned users)
{
    const char *list = "";
    for (size_t i = 0; i < COUNT; i++) {
        if ((activations[i].users & users) != users) continue;
        list = ir_format(g->arena, "%s%s%s", list, *list ? ", " : "", activations[i].name);
    }
    return list;
}

ir_expr fe_activate(ir_graph *g, const fe_activation *a, ir_expr x)
{
    return a->make(g, x, XN(x, a->alpha), XN(x, a->beta));
}
