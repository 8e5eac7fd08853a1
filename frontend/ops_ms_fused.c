/* FusedGemm, FusedMatMulActivation and FusedConv of com.microsoft. In: a product or a Conv with an
 * activation, the latter
 * also with a summand. Out: the plain operator's nodes and one map behind them, which a pass draws
 * into their last loop. Parameters that ONNX Runtime leaves unset when they are missing are
 * required, ones that the activation does not take are refused. */
#include "frontend/activation.h"
#include "frontend/registry.h"

#include <string.h>

static lathe_status find_activation(const fe_node *n, unsigned user, fe_activation *a)
{
    const char *name = fe_attr_str_or(n, "activation", "");
    const fe_activation *found = fe_activation_find(name, user, false);
    if (!found)
        return fe_fail(n, LATHE_UNSUPPORTED, "activation '%s' is not known, accepted: %s", name,
                       fe_activation_names(n->g, user));
    *a = *found;
    return LATHE_OK;
}

/* out = activation(out + input `extra`), the latter if it is there. */
static void finish(fe_node *n, const fe_activation *a, size_t extra)
{
    ir_nest nest;
    ir_graph *g = n->g;
    ir_value v[] = {n->out[0].tensor, fe_in(n, extra)};
    if (n->out[0].kind != FE_TENSOR) return;
    ir_elem elem = ir_type_of(g, v[0])->elem;
    if (!fe_broadcast(&nest, &n->b, v, v[1] == IR_NONE ? 1 : 2)) {
        fe_out(n, 0, IR_NONE);
        return;
    }
    ir_expr x = ir_nest_read(&nest, v[0]);
    if (v[1] != IR_NONE) x = X2(ADD, x, ir_nest_read(&nest, v[1]));
    fe_out(n, 0, ir_nest_map(&nest, elem, a ? fe_activate(g, a, x) : x));
}

/* ---- FusedGemm ---- */

static lathe_status read_parameter(const fe_node *n, const fe_activation *a, const char *name,
                                   double *to)
{
    bool has = fe_has_attr(n, name);
    if (to && !has)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute %s of activation %s is missing", name,
                       a->name);
    if (!to && has)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute %s: activation %s does not take it", name,
                       a->name);
    if (to) *to = fe_attr_float(n, name);
    return LATHE_OK;
}

static lathe_status product_activation(const fe_node *n, fe_activation *a)
{
    TRY(fe_need_class(n, 0, "FL"));
    TRY(find_activation(n, FE_IN_PRODUCT, a));
    bool gamma = !strcmp(a->name, "Selu");
    double *second = a->parameters > 1 ? &a->beta : NULL;
    TRY(read_parameter(n, a, "activation_alpha", a->parameters > 0 ? &a->alpha : NULL));
    TRY(read_parameter(n, a, "activation_beta", gamma ? NULL : second));
    return read_parameter(n, a, "activation_gamma", gamma ? second : NULL);
}

static lathe_status import_activated(fe_node *n, lathe_status (*product)(fe_node *))
{
    fe_activation a;
    TRY(product_activation(n, &a));
    TRY(product(n));
    finish(n, &a, n->nin);
    return LATHE_OK;
}

lathe_status fe_import_fused_gemm(fe_node *n) { return import_activated(n, fe_import_gemm); }

lathe_status fe_import_fused_matmul_activation(fe_node *n)
{
    return import_activated(n, fe_import_fused_matmul);
}

/* ---- FusedConv ---- */

/* Input Z is added before the activation; it has the result's dims. */
static lathe_status need_summand(const fe_node *n, size_t k)
{
    if (!fe_has(n, k) || n->out[0].kind != FE_TENSOR) return LATHE_OK;
    const ir_type *t = ir_type_of(n->g, n->out[0].tensor);
    TRY(fe_need_same(n, 0, k));
    TRY(fe_need_rank(n, k, t->rank));
    for (int i = 0; i < t->rank; i++) TRY(fe_need_dim(n, k, i, t->dims[i]));
    return LATHE_OK;
}

static lathe_status read_parameters(const fe_node *n, fe_activation *a)
{
    size_t count;
    const float *list = fe_attr_floats(n, "activation_params", &count);
    if (count != (size_t)a->parameters)
        return fe_expect(
            n, ir_format(n->g->arena, "attribute activation_params of %s has length", a->name),
            fe_number(n, (int64_t)count), fe_number(n, a->parameters));
    if (count > 0) a->alpha = (double)list[0];
    if (count > 1) a->beta = (double)list[1];
    return LATHE_OK;
}

lathe_status fe_import_fused_conv(fe_node *n)
{
    fe_activation a = {.name = "none"};
    bool active = fe_has_attr(n, "activation");
    if (active) TRY(find_activation(n, FE_IN_CONV, &a));
    TRY(read_parameters(n, &a));
    TRY(fe_import_conv(n));
    TRY(need_summand(n, 3));
    finish(n, active ? &a : NULL, 3);
    return LATHE_OK;
}
