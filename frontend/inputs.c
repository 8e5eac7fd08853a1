/* Inputs and outputs of the main graph. In: ValueInfos. Out: parameters of block 1 with symbolic
 * dims, and its results. A dim's name is a fact on inputs: equal names are one symbol. On outputs
 * types are checked and dims are ignored, they are hints. Initializers that are listed among the
 * inputs (always so before IR version 4) are constants, not inputs. */
#include "frontend/import.h"

#include <string.h>

/* ---- dims ---- */

/* A name as the IR's text form writes symbols: letters, digits, '_' and '.', and not taken yet. */
static const char *symbol_name(fe_import *im, const char *name)
{
    char *word =
        ir_format(im->arena, "%s%.*s", *name >= '0' && *name <= '9' ? "_" : "", FE_MAX_NAME, name);
    for (char *c = word; *c; c++) {
        bool letter = (*c | 0x20) >= 'a' && (*c | 0x20) <= 'z';
        if (!letter && !(*c >= '0' && *c <= '9') && *c != '.') *c = '_';
    }
    if (*word == '.') *word = '_';
    const char *unique = word;
    for (size_t i = im->g->nsyms; fe_map_get(&im->words, ir_intern(im->g, unique)); i++) {
        unique = ir_format(im->arena, "%s_%zu", word, i);
    }
    fe_map_put(im->arena, &im->words, ir_intern(im->g, unique), 1);
    return unique;
}

static const lathe_dim_option *find_option(fe_import *im, const char *name)
{
    const fe_options *o = im->options;
    for (size_t i = 0; i < o->ndims; i++) {
        if (strcmp(o->dims[i].name, name)) continue;
        im->dim_used[i] = true;
        return &o->dims[i];
    }
    return NULL;
}

ir_dim fe_known_dim(fe_import *im, const char *name)
{
    const lathe_dim_option *option = find_option(im, name);
    if (option) return ir_dim_const(im->g, option->value);
    ir_sym sym = *name ? fe_map_get(&im->dims, ir_intern(im->g, name)) : 0;
    return sym ? ir_dim_sym(im->g, sym) : IR_NONE;
}

static ir_dim named_dim(fe_import *im, const char *name)
{
    const lathe_dim_option *option = find_option(im, name);
    if (option) return ir_dim_const(im->g, option->value);
    ir_str key = ir_intern(im->g, name);
    ir_sym sym = fe_map_get(&im->dims, key);
    if (!sym) {
        sym = ir_sym_new(im->g, symbol_name(im, name), IR_SYM_INPUT, 0, INT64_MAX, IR_NONE);
        fe_map_put(im->arena, &im->dims, key, sym);
    }
    return ir_dim_sym(im->g, sym);
}

static lathe_status read_dim(fe_import *im, const char *input, size_t i,
                             const Onnx__TensorShapeProto__Dimension *d, ir_dim *out)
{
    if (d->has_dim_value && d->dim_value < 0) {
        return fe_error(im, LATHE_BAD_INPUT, input, "dim %zu of the input is %lld", i,
                        (long long)d->dim_value);
    }
    if (d->has_dim_value) *out = ir_dim_const(im->g, d->dim_value);
    else if (*fe_text(d->dim_param)) *out = named_dim(im, d->dim_param);
    else *out = named_dim(im, ir_format(im->arena, "%s_dim%zu", input, i));
    return LATHE_OK;
}

/* ---- types ---- */

static const char *kind_of(const Onnx__TypeProto *t)
{
    if (t->sequence_type) return "a sequence";
    if (t->optional_type) return "an optional";
    if (t->map_type) return "a map";
    if (t->sparse_tensor_type) return "a sparse tensor";
    return "of unknown type";
}

/* The tensor type that an input or output declares. */
static lathe_status tensor_type(fe_import *im, const Onnx__ValueInfoProto *v, const char *what,
                                const Onnx__TypeProto__Tensor **out)
{
    const char *name = fe_text(v->name);
    if (!*name) return fe_error(im, LATHE_BAD_INPUT, NULL, "an %s without a name", what);
    if (!v->type) return fe_error(im, LATHE_BAD_INPUT, name, "the %s has no type", what);
    *out = v->type->tensor_type;
    if (!*out) {
        return fe_error(im, LATHE_UNSUPPORTED, name, "the %s is %s, only tensors are supported",
                        what, kind_of(v->type));
    }
    int32_t elem = (*out)->has_elem_type ? (*out)->elem_type : 0;
    if (elem <= 0 || elem >= IR_ELEM_COUNT) {
        return fe_error(im, LATHE_BAD_INPUT, name, "element type %d of the %s is unknown",
                        (int)elem, what);
    }
    return LATHE_OK;
}

static lathe_status read_type(fe_import *im, const Onnx__ValueInfoProto *v, ir_type *type)
{
    const Onnx__TypeProto__Tensor *t;
    TRY(tensor_type(im, v, "input", &t));
    *type = (ir_type){.elem = (ir_elem)t->elem_type};
    if (ir_elem_arith(type->elem) == IR_ELEM_NONE) {
        return fe_error(im, LATHE_UNSUPPORTED, v->name, "the input has elements of type %s",
                        ir_elem_name(type->elem));
    }
    if (!t->shape) {
        return fe_error(im, LATHE_UNSUPPORTED, v->name,
                        "the input has no shape; its rank must be known");
    }
    if (t->shape->n_dim > IR_MAX_RANK) {
        return fe_error(im, LATHE_LIMIT, v->name, "the input has rank %zu, at most %d",
                        t->shape->n_dim, IR_MAX_RANK);
    }
    type->rank = (int)t->shape->n_dim;
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        TRY(read_dim(im, v->name, i, t->shape->dim[i], &type->dims[i]));
    }
    return LATHE_OK;
}

/* ---- the graph's ---- */

static void read_input(fe_scope *s, const Onnx__ValueInfoProto *v)
{
    fe_import *im = s->im;
    ir_type type;
    fe_value value = {.kind = FE_POISON};
    if (read_type(im, v, &type) == LATHE_OK) {
        value = (fe_value){.kind = FE_TENSOR, .tensor = ir_param(im->g, 1, &type, v->name)};
    }
    fe_scope_add(s, fe_text(v->name), value);
}

void fe_read_inputs(fe_scope *s, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        if (!fe_scope_is_initializer(s, fe_text(graph->input[i]->name)))
            read_input(s, graph->input[i]);
    }
}

static void read_output(fe_scope *s, const Onnx__ValueInfoProto *v)
{
    fe_import *im = s->im;
    const Onnx__TypeProto__Tensor *t = NULL;
    fe_value value = fe_scope_output(s, fe_text(v->name));
    if (value.kind == FE_POISON) return;
    if (value.kind != FE_TENSOR) {
        fe_error(im, LATHE_UNSUPPORTED, fe_text(v->name),
                 "the output is %s, only tensors are supported",
                 value.kind == FE_SEQUENCE ? "a sequence" : "an empty optional");
        return;
    }
    if (v->type && tensor_type(im, v, "output", &t) != LATHE_OK) return;
    ir_elem elem = ir_type_of(im->g, value.tensor)->elem;
    if (t && (ir_elem)t->elem_type != elem) {
        fe_error(im, LATHE_BAD_INPUT, v->name, "the output is declared as %s but is %s",
                 ir_elem_name((ir_elem)t->elem_type), ir_elem_name(elem));
        return;
    }
    ir_output(im->g, value.tensor, v->name);
}

lathe_status fe_read_outputs(fe_scope *s, const Onnx__GraphProto *graph)
{
    fe_map seen = {0};
    if (graph->n_output == 0)
        return fe_error(s->im, LATHE_BAD_INPUT, NULL, "the graph has no output");
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = fe_text(graph->output[i]->name);
        ir_str key = ir_intern(s->im->g, name);
        if (!*name || fe_map_get(&seen, key)) {
            return fe_error(s->im, LATHE_BAD_INPUT, name, "an output %s",
                            *name ? "is listed twice" : "has no name");
        }
        fe_map_put(s->im->arena, &seen, key, 1);
        read_output(s, graph->output[i]);
    }
    return LATHE_OK;
}

static void suggest_value(fe_import *im, const Onnx__GraphProto *graph, const char *name)
{
    size_t n = 0, most = 0;
    for (size_t i = 0; i < graph->n_node; i++) most += graph->node[i]->n_output;
    const char **names = IR_NEW_N(im->arena, const char *, most + 1);
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            names[n++] = graph->node[i]->output[k];
    diag_suggest(im->diag, name, names, n);
}

static bool is_output(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (!strcmp(fe_text(graph->output[i]->name), name)) return true;
    return false;
}

void fe_keep_values(fe_scope *s, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < s->im->options->nkeep; i++) {
        const char *name = s->im->options->keep[i];
        fe_value v = {.kind = FE_ABSENT};
        if (is_output(graph, name)) continue;
        if (!*name || !fe_scope_get(s, name, &v)) {
            fe_error(s->im, LATHE_NOT_FOUND, NULL, "the graph has no value called '%s'", name);
            suggest_value(s->im, graph, name);
        } else if (v.kind == FE_TENSOR) {
            ir_output(s->im->g, v.tensor, name);
        } else if (v.kind != FE_POISON) {
            fe_error(s->im, LATHE_UNSUPPORTED, name, "only tensors can be kept");
        }
    }
}

/* By the IR's names, which differ from the model's only where those cannot be written as text. */
static void suggest_dim(fe_import *im, const char *name)
{
    const ir_graph *g = im->g;
    const char **names = IR_NEW_N(im->arena, const char *, g->nsyms);
    size_t n = 0;
    for (ir_sym s = 1; s < g->nsyms; s++)
        if (g->syms[s].kind == IR_SYM_INPUT) names[n++] = ir_text(g, g->syms[s].name);
    diag_suggest(im->diag, name, names, n);
}

void fe_check_dims(fe_import *im)
{
    for (size_t i = 0; i < im->options->ndims; i++) {
        if (im->dim_used[i]) continue;
        fe_error(im, LATHE_NOT_FOUND, NULL, "no input has a dim called '%s'",
                 im->options->dims[i].name);
        suggest_dim(im, im->options->dims[i].name);
    }
}
