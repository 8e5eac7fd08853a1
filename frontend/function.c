/* Functions that the model defines, inlined where they are called. In: a node and a function. Out:
 * the function's nodes, imported at the caller's place in a scope that sees nothing around it.
 * Invariant: no function is inside itself. Attributes of the call replace references to them
 * (ref_attr_name) before a node is imported, so that importers never meet a reference. */
#include "frontend/import.h"

#include <string.h>

/* ---- finding ---- */

/* Not formatted into the arena: a file can make this run a million times. Over-long keys are cut.
 */
static ir_str function_key(fe_import *im, const char *domain, const char *name,
                           const char *overload)
{
    char key[2 * FE_MAX_NAME];
    snprintf(key, sizeof key, "%s\n%s\n%s", fe_domain(domain), fe_text(name), fe_text(overload));
    return ir_intern(im->g, key);
}

lathe_status fe_functions_index(fe_import *im)
{
    for (size_t i = 0; i < im->model->n_functions; i++) {
        const Onnx__FunctionProto *f = im->model->functions[i];
        ir_str key = function_key(im, f->domain, f->name, f->overload);
        if (fe_map_get(&im->functions, key)) {
            return fe_error(im, LATHE_BAD_INPUT, f->name, "the function is defined twice");
        }
        fe_map_put(im->arena, &im->functions, key, (uint32_t)i + 1);
    }
    return LATHE_OK;
}

const Onnx__FunctionProto *fe_function_find(fe_import *im, const Onnx__NodeProto *p)
{
    if (im->model->n_functions == 0) return NULL;
    uint32_t at = fe_map_get(&im->functions, function_key(im, p->domain, p->op_type, p->overload));
    return at ? im->model->functions[at - 1] : NULL;
}

/* ---- attributes ---- */

static const Onnx__AttributeProto *find_attr(Onnx__AttributeProto *const *attrs, size_t n,
                                             const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(fe_text(attrs[i]->name), name)) return attrs[i];
    }
    return NULL;
}

static bool has_reference(const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < p->n_attribute; i++) {
        if (*fe_text(p->attribute[i]->ref_attr_name)) return true;
    }
    return false;
}

/* A reference to an attribute that the call does not give and that has no default is dropped. */
lathe_status fe_resolve_attrs(fe_import *im, const fe_frame *frame, const Onnx__NodeProto *p,
                              const Onnx__NodeProto **out)
{
    *out = p;
    if (!has_reference(p)) return LATHE_OK;
    if (!frame->function) {
        diag_place place = {.file = im->path, .node = fe_text(p->name), .op = fe_text(p->op_type)};
        return diag_add(im->diag, LATHE_BAD_INPUT, &place,
                        "an attribute refers to a function's, but the node is in no function");
    }
    Onnx__NodeProto *copy = ir_copy(im->arena, p, 1, sizeof *p);
    copy->attribute = IR_NEW_N(im->arena, Onnx__AttributeProto *, p->n_attribute);
    copy->n_attribute = 0;
    for (size_t i = 0; i < p->n_attribute; i++) {
        const Onnx__AttributeProto *a = p->attribute[i];
        if (*fe_text(a->ref_attr_name))
            a = find_attr(frame->attrs, frame->nattrs, a->ref_attr_name);
        if (!a) continue;
        Onnx__AttributeProto *value = ir_copy(im->arena, a, 1, sizeof *a);
        value->name = p->attribute[i]->name;
        value->ref_attr_name = NULL;
        copy->attribute[copy->n_attribute++] = value;
    }
    *out = copy;
    return LATHE_OK;
}

/* The call's attributes, then defaults of those that it does not give. */
static void frame_attrs(fe_import *im, fe_frame *frame, const Onnx__NodeProto *call)
{
    const Onnx__FunctionProto *f = frame->function;
    Onnx__AttributeProto **attrs =
        IR_NEW_N(im->arena, Onnx__AttributeProto *, call->n_attribute + f->n_attribute_proto + 1);
    size_t n = call->n_attribute;
    if (n) memcpy(attrs, call->attribute, n * sizeof *attrs);
    for (size_t i = 0; i < f->n_attribute_proto; i++) {
        const char *name = fe_text(f->attribute_proto[i]->name);
        if (!find_attr(call->attribute, call->n_attribute, name))
            attrs[n++] = f->attribute_proto[i];
    }
    frame->attrs = attrs;
    frame->nattrs = n;
}

/* ---- calling ---- */

/* A function reads the attributes that it lists, and nothing else can. */
static lathe_status check_call_attrs(const fe_node *n, const Onnx__FunctionProto *f)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const char *name = fe_text(n->proto->attribute[i]->name);
        bool listed = find_attr(f->attribute_proto, f->n_attribute_proto, name) != NULL;
        for (size_t k = 0; k < f->n_attribute && !listed; k++)
            listed = !strcmp(fe_text(f->attribute[k]), name);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(fe_text(n->proto->attribute[k]->name), name))
                return fe_fail(n, LATHE_BAD_INPUT, "attribute %s is given twice", name);
        if (!listed && strncmp(name, "__", 2) != 0)
            return fe_fail(n, LATHE_BAD_INPUT, "attribute '%s' is not one of function %s", name,
                           fe_text(f->name));
    }
    return LATHE_OK;
}

static lathe_status check_call(const fe_node *n, const Onnx__FunctionProto *f)
{
    for (const fe_frame *at = n->scope->frame; at; at = at->caller) {
        if (at->function == f) {
            return fe_fail(n, LATHE_BAD_INPUT, "function %s calls itself", fe_text(f->name));
        }
    }
    if (n->nin > f->n_input || n->nout > f->n_output) {
        return fe_fail(n, LATHE_BAD_INPUT,
                       "%zu inputs and %zu outputs, but function %s has %zu and %zu", n->nin,
                       n->nout, fe_text(f->name), f->n_input, f->n_output);
    }
    if (f->n_attribute_proto > FE_MAX_ATTRS)
        return fe_fail(n, LATHE_LIMIT, "function %s has more than %d attributes", fe_text(f->name),
                       FE_MAX_ATTRS);
    return check_call_attrs(n, f);
}

static fe_frame *new_frame(const fe_node *n, const Onnx__FunctionProto *f)
{
    fe_import *im = n->im;
    fe_frame *frame = IR_NEW(im->arena, fe_frame);
    frame->function = f;
    frame->caller = n->scope->frame;
    frame->prefix = ir_format(im->arena, "%.*s/", FE_MAX_NAME / 2, ir_text(im->g, n->b.name));
    frame->opsets = f->n_opset_import ? f->opset_import : im->model->opset_import;
    frame->nopsets = f->n_opset_import ? f->n_opset_import : im->model->n_opset_import;
    frame_attrs(im, frame, n->proto);
    return frame;
}

lathe_status fe_function_call(fe_node *n, const Onnx__FunctionProto *f)
{
    TRY(check_call(n, f));
    fe_scope *s = fe_scope_new(n->im, NULL, new_frame(n, f), n->b.block);
    for (size_t i = 0; i < f->n_input; i++) {
        TRY(fe_scope_add(s, f->input[i], i < n->nin ? n->in[i] : (fe_value){.kind = FE_ABSENT}));
    }
    s->around = n;
    fe_nodes body = {f->node, f->n_node, (const char *const *)f->output, f->n_output};
    TRY(fe_import_nodes(s, body, n->b.block));
    lathe_status status = LATHE_OK;
    for (size_t i = 0; i < n->nout && !n->scope->rest.taken; i++) {
        n->out[i] = fe_scope_output(s, f->output[i]);
        if (n->out[i].kind == FE_POISON) status = n->im->status;
    }
    return status;
}
