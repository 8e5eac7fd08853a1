/* Operators that the app brings along. In: a node whose domain and operator an option names. Out: a
 * call of the app's function, with the node's attributes as text.
 *
 * Nobody here knows what such an operator does, so the types of its results come from outside: from
 * an input that the option names, or from what the model declares. Declared sizes must be fixed or
 * sizes of inputs, as a name that only an output has says nothing about its value. */
#include <string.h>

#include "frontend/import.h"
#include "frontend/sizes.h"

#define TYPE(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

const lathe_custom_option *fe_custom_find(fe_import *im, const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < im->options->ncustom; i++) {
        const lathe_custom_option *o = &im->options->custom[i];
        if (strcmp(o->op, fe_text(p->op_type))) continue;
        if (strcmp(fe_domain(o->domain), fe_domain(p->domain))) continue;
        im->custom_used[i] = true;
        return o;
    }
    return NULL;
}

void fe_check_custom(fe_import *im)
{
    for (size_t i = 0; i < im->options->ncustom; i++) {
        if (im->custom_used[i]) continue;
        fe_error(im, LATHE_NOT_FOUND, NULL, "no node is an operator %s of the domain '%s'",
                 im->options->custom[i].op, im->options->custom[i].domain);
    }
}

/* ---- attributes: "name=value" lines ---- */

static bool is_plain(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)bytes[i] < ' ') return false;
    return true;
}

static const char *numbers(const fe_node *n, const Onnx__AttributeProto *a)
{
    const char *text = "";
    bool ints = a->type == TYPE(INTS);
    for (size_t i = 0; i < (ints ? a->n_ints : a->n_floats); i++)
        text = ints ? ir_format(n->g->arena, "%s%s%lld", text, i ? " " : "", (long long)a->ints[i])
                    : ir_format(n->g->arena, "%s%s%.9g", text, i ? " " : "", (double)a->floats[i]);
    return text;
}

/* NULL after a message. */
static const char *value_text(const fe_node *n, const Onnx__AttributeProto *a)
{
    ir_arena *arena = n->g->arena;
    switch ((int)a->type) {
    case TYPE(INT):
        return ir_format(arena, "%lld", (long long)a->i);
    case TYPE(FLOAT):
        return ir_format(arena, "%.9g", (double)a->f);
    case TYPE(INTS):
    case TYPE(FLOATS):
        return numbers(n, a);
    case TYPE(STRING):
        if (is_plain((const char *)a->s.data, a->s.len))
            return ir_format(arena, "%.*s", (int)a->s.len, (const char *)a->s.data);
        fe_fail(n, LATHE_UNSUPPORTED, "attribute %s has control characters", a->name);
        return NULL;
    default:
        fe_fail(n, LATHE_UNSUPPORTED,
                "attribute %s is no number, list of numbers or string, all that a custom operator "
                "can have",
                a->name);
        return NULL;
    }
}

static lathe_status attributes(const fe_node *n, const char **text)
{
    *text = "";
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->proto->attribute[i];
        const char *name = fe_text(a->name), *value = value_text(n, a);
        if (!value) return LATHE_UNSUPPORTED;
        if (!*name || strchr(name, '=') || !is_plain(name, strlen(name)))
            return fe_fail(n, LATHE_BAD_INPUT, "an attribute is called '%s'", name);
        *text = ir_format(n->g->arena, "%s%s=%s\n", *text, name, value);
    }
    return LATHE_OK;
}

/* ---- results ---- */

static const Onnx__ValueInfoProto *declared(const fe_node *n, const char *name)
{
    const Onnx__GraphProto *g = n->im->model->graph;
    for (size_t i = 0; i < g->n_value_info; i++)
        if (!strcmp(fe_text(g->value_info[i]->name), name)) return g->value_info[i];
    for (size_t i = 0; i < g->n_output; i++)
        if (!strcmp(fe_text(g->output[i]->name), name)) return g->output[i];
    return NULL;
}

static lathe_status declared_dim(const fe_node *n, const char *name,
                                 const Onnx__TensorShapeProto__Dimension *d, ir_dim *out)
{
    if (d->has_dim_value && d->dim_value >= 0) *out = ir_dim_const(n->g, d->dim_value);
    else *out = fe_known_dim(n->im, fe_text(d->dim_param));
    if (*out) return LATHE_OK;
    return fe_fail(n, LATHE_UNSUPPORTED,
                   "output '%s' is declared with a size '%s' that no input has; say which input it "
                   "is like (--custom DOMAIN:OP=FUNCTION:INPUT)",
                   name, fe_text(d->dim_param));
}

static lathe_status declared_type(const fe_node *n, size_t k, ir_type *type)
{
    const char *name = n->proto->output[k];
    bool own = !n->scope->frame->function && *name;
    const Onnx__ValueInfoProto *v = own ? declared(n, name) : NULL;
    const Onnx__TypeProto__Tensor *t = v && v->type ? v->type->tensor_type : NULL;
    if (!t || !t->shape || t->shape->n_dim > IR_MAX_RANK || !t->has_elem_type ||
        t->elem_type <= 0 || t->elem_type >= IR_ELEM_COUNT)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "the model does not declare the type of output %zu ('%s'); say which input "
                       "it is like (--custom DOMAIN:OP=FUNCTION:INPUT)",
                       k, name);
    *type = (ir_type){.elem = (ir_elem)t->elem_type, .rank = (int)t->shape->n_dim};
    for (int i = 0; i < type->rank; i++)
        TRY(declared_dim(n, name, t->shape->dim[i], &type->dims[i]));
    return LATHE_OK;
}

static lathe_status result_type(const fe_node *n, const lathe_custom_option *o, size_t k,
                                ir_type *type)
{
    if (k >= o->nlike) return declared_type(n, k, type);
    if (o->like[k] >= n->nin)
        return fe_fail(n, LATHE_BAD_INPUT, "output %zu is to be like input %zu, there are %zu", k,
                       o->like[k], n->nin);
    *type = *fe_type(n, o->like[k]);
    return LATHE_OK;
}

lathe_status fe_custom_call(fe_node *n, const lathe_custom_option *o)
{
    ir_arena *arena = n->g->arena;
    ir_value *in = IR_NEW_N(arena, ir_value, n->nin + 1), *out;
    ir_type *types = IR_NEW_N(arena, ir_type, n->nout + 1);
    for (size_t i = 0; i < n->nin; i++) {
        if (n->in[i].kind != FE_TENSOR)
            return fe_fail_input(n, i, LATHE_UNSUPPORTED, "is %s; a custom operator takes tensors",
                                 n->in[i].kind == FE_SEQUENCE ? "a sequence" : "absent");
        in[i] = fe_in(n, i);
    }
    for (size_t k = 0; k < n->nout; k++) TRY(result_type(n, o, k, &types[k]));
    const char *text;
    TRY(attributes(n, &text));
    ir_attr custom = ir_a_str(n->g, IR_KEY_custom, text);
    out = IR_NEW_N(arena, ir_value, n->nout + 1);
    TRY(fe_call(n, o->function, in, n->nin, &custom, 1, types, n->nout, out));
    for (size_t k = 0; k < n->nout; k++) fe_out(n, k, out[k]);
    return LATHE_OK;
}
