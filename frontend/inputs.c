/* Inputs and outputs of the main graph. In: ValueInfos. Out: parameters of block 1 with symbolic
 * dims, and its results. A dim's name is a fact on inputs: equal names are one symbol. On outputs
 * types are checked and dims are ignored, they are hints. Initializers that are listed among the
 * inputs (always so before IR version 4) are constants, not inputs. */
#include "frontend/import.h"

#include <math.h>
#include <string.h>

#include "frontend/sequence.h"

enum { MOST_ITEMS = 4096 }; /* of a sequence among inputs or outputs */

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
    if (option) return option->value < 0 ? IR_NONE : ir_dim_const(im->g, option->value);
    ir_sym sym = *name ? fe_map_get(&im->dims, ir_intern(im->g, name)) : 0;
    return sym ? ir_dim_sym(im->g, sym) : IR_NONE;
}

static ir_dim named_dim(fe_import *im, const char *name)
{
    const lathe_dim_option *option = find_option(im, name);
    if (option && option->value >= 0) return ir_dim_const(im->g, option->value);
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
    const lathe_dim_option *option = find_option(im, fe_text(d->dim_param));
    bool own = !*fe_text(d->dim_param) || (option && option->value == LATHE_DIM_EACH);
    if (d->has_dim_value) *out = ir_dim_const(im->g, d->dim_value);
    else if (!own) *out = named_dim(im, d->dim_param);
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

static lathe_status check_elem(fe_import *im, const char *name, const char *what,
                               const Onnx__TypeProto__Tensor *t)
{
    int32_t elem = t->has_elem_type ? t->elem_type : 0;
    if (elem > 0 && elem < IR_ELEM_COUNT) return LATHE_OK;
    return fe_error(im, LATHE_BAD_INPUT, name, "element type %d of the %s is unknown", (int)elem,
                    what);
}

/* The type of what an input or output holds: a tensor, what an optional may hold, or the tensors of
 * a sequence. */
static lathe_status inner_type(fe_import *im, const char *name, const char *what,
                               const Onnx__TypeProto *type, bool *optional, bool *sequence,
                               const Onnx__TypeProto__Tensor **out)
{
    const Onnx__TypeProto *inner = type;
    if (!type) return fe_error(im, LATHE_BAD_INPUT, name, "the %s has no type", what);
    *optional = inner->optional_type != NULL;
    if (*optional) inner = inner->optional_type->elem_type;
    *sequence = inner && inner->sequence_type;
    if (*sequence) inner = inner->sequence_type->elem_type;
    *out = inner ? inner->tensor_type : NULL;
    if (*out) return check_elem(im, name, what, *out);
    return fe_error(im, LATHE_UNSUPPORTED, name,
                    "the %s is %s%s; tensors, sequences and optionals of tensors are supported",
                    what, kind_of(type),
                    inner && inner != type ? ir_format(im->arena, " of %s", kind_of(inner)) : "");
}

/* rank: what to take where the type has no shape; -1: that is refused. own: the dims have names of
 * their own, whatever the type calls them. */
static lathe_status read_type(fe_import *im, const char *name, const Onnx__TypeProto__Tensor *t,
                              int rank, bool own, ir_type *type)
{
    *type = (ir_type){.elem = (ir_elem)t->elem_type};
    if (ir_elem_arith(type->elem) == IR_ELEM_NONE) {
        return fe_error(im, LATHE_UNSUPPORTED, name, "the input has elements of type %s",
                        ir_elem_name(type->elem));
    }
    if (!t->shape && rank < 0) {
        return fe_error(im, LATHE_UNSUPPORTED, name,
                        "the input has no shape; its rank must be known%s",
                        own ? " (--items NAME=N:RANK)" : "");
    }
    size_t n = t->shape ? t->shape->n_dim : (size_t)rank;
    if (n > IR_MAX_RANK)
        return fe_error(im, LATHE_LIMIT, name, "the input has rank %zu, at most %d", n,
                        IR_MAX_RANK);
    type->rank = (int)n;
    for (size_t i = 0; i < n; i++) {
        static const Onnx__TensorShapeProto__Dimension unknown;
        const Onnx__TensorShapeProto__Dimension *d = t->shape ? t->shape->dim[i] : &unknown;
        if (own && !d->has_dim_value && !find_option(im, fe_text(d->dim_param))) d = &unknown;
        TRY(read_dim(im, name, i, d, &type->dims[i]));
    }
    return LATHE_OK;
}

/* ---- the graph's ---- */

static const lathe_items_option *find_items(fe_import *im, const char *name)
{
    const fe_options *o = im->options;
    for (size_t i = 0; i < o->nitems; i++) {
        if (strcmp(o->items[i].name, name)) continue;
        im->items_used[i] = true;
        return &o->items[i];
    }
    return NULL;
}

/* ---- inputs that are constants ---- */

static const lathe_set_option *find_set(fe_import *im, const char *name)
{
    const fe_options *o = im->options;
    for (size_t i = 0; i < o->nset; i++) {
        if (strcmp(o->set[i].name, name)) continue;
        im->set_used[i] = true;
        return &o->set[i];
    }
    return NULL;
}

static bool is_value(ir_elem e, double value)
{
    if (!ir_elem_computes(e)) return false;
    if (e == IR_BOOL) return value == 0 || value == 1;
    if (ir_elem_is_float(e)) return true;
    bool has_sign = ir_elem_class(e) == 'S';
    double most = ldexp(1, fmin((double)ir_elem_bits(e) - has_sign, 53));
    return value == floor(value) && value < most && value >= (has_sign ? -most : 0);
}

static lathe_status read_set(fe_import *im, const char *name, const ir_type *t, double value,
                             fe_value *out)
{
    ir_builder b = {.g = im->g, .block = 1};
    int64_t size;
    for (int a = 0; a < t->rank; a++)
        if (!ir_dim_is_const(im->g, t->dims[a], &size))
            return fe_error(im, LATHE_UNSUPPORTED, name,
                            "--set: dim %d is open, only inputs of known sizes can be set", a);
    if (!is_value(t->elem, value))
        return fe_error(im, LATHE_BAD_INPUT, name, "--set: %g does not fit in %s", value,
                        ir_elem_name(t->elem));
    *out = (fe_value){.kind = FE_TENSOR, .tensor = fe_fill(&b, t->elem, t->rank, t->dims, value)};
    return LATHE_OK;
}

static lathe_status read_tensor(fe_import *im, const char *name, const Onnx__TypeProto__Tensor *t,
                                int rank, bool own, fe_value *out)
{
    ir_type type;
    TRY(read_type(im, name, t, rank, own, &type));
    const lathe_set_option *set = find_set(im, name);
    if (set) return read_set(im, name, &type, set->value, out);
    *out = (fe_value){.kind = FE_TENSOR, .tensor = ir_param(im->g, 1, &type, name)};
    return LATHE_OK;
}

/* As many inputs as the option says, each with sizes of its own. */
static lathe_status read_sequence(fe_import *im, const char *name, const Onnx__TypeProto__Tensor *t,
                                  const lathe_items_option *option, fe_value *out)
{
    if (!option)
        return fe_error(im, LATHE_UNSUPPORTED, name,
                        "the input is a sequence: say how many tensors it has (--items %s=N)",
                        name);
    if (option->count < 0 || option->count > MOST_ITEMS)
        return fe_error(im, LATHE_LIMIT, name, "a sequence of %lld tensors, at most %d",
                        (long long)option->count, MOST_ITEMS);
    fe_value *items = IR_NEW_N(im->arena, fe_value, (size_t)option->count + 1);
    for (int64_t i = 0; i < option->count; i++)
        TRY(read_tensor(im, ir_format(im->arena, "%s[%lld]", name, (long long)i), t, option->rank,
                        true, &items[i]));
    *out = (fe_value){.kind = FE_SEQUENCE,
                      .items = items,
                      .nitems = (size_t)option->count,
                      .elem = (ir_elem)t->elem_type};
    return LATHE_OK;
}

static lathe_status read_value(fe_import *im, const Onnx__ValueInfoProto *v, fe_value *out)
{
    const char *name = fe_text(v->name);
    const Onnx__TypeProto__Tensor *t;
    bool optional, sequence;
    if (!*name) return fe_error(im, LATHE_BAD_INPUT, NULL, "an input has no name");
    TRY(inner_type(im, name, "input", v->type, &optional, &sequence, &t));
    const lathe_items_option *option = optional || sequence ? find_items(im, name) : NULL;
    if (sequence) return read_sequence(im, name, t, option, out);
    if (optional && option && option->count == 0) {
        *out = (fe_value){.kind = FE_OPTIONAL_NONE};
        return LATHE_OK;
    }
    if (option && option->count != 1)
        return fe_error(im, LATHE_BAD_INPUT, name, "the optional has %lld tensors, expected 0 or 1",
                        (long long)option->count);
    return read_tensor(im, name, t, option ? option->rank : -1, false, out);
}

static void read_input(fe_scope *s, const Onnx__ValueInfoProto *v)
{
    fe_value value = {.kind = FE_POISON};
    if (read_value(s->im, v, &value) != LATHE_OK) value = (fe_value){.kind = FE_POISON};
    fe_scope_add(s, fe_text(v->name), value);
}

void fe_read_inputs(fe_scope *s, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        if (!fe_scope_is_initializer(s, fe_text(graph->input[i]->name)))
            read_input(s, graph->input[i]);
    }
}

static void add_output(fe_import *im, ir_value v, const char *name,
                       const Onnx__TypeProto__Tensor *declared)
{
    ir_elem elem = ir_type_of(im->g, v)->elem;
    if (!declared || (ir_elem)declared->elem_type == elem) {
        ir_output(im->g, v, name);
        return;
    }
    fe_error(im, LATHE_BAD_INPUT, name, "the output is declared as %s but is %s",
             ir_elem_name((ir_elem)declared->elem_type), ir_elem_name(elem));
}

/* A sequence that is held as tensors: its items if their number is known, else all of them stacked.
 */
static lathe_status add_packed(fe_import *im, const fe_value *v, const char *name,
                               const Onnx__TypeProto__Tensor *declared)
{
    static Onnx__NodeProto none;
    fe_node n = {.im = im, .g = im->g, .b = {.g = im->g, .block = 1}, .proto = &none, .op = name};
    int64_t count;
    bool known = ir_dim_is_const(im->g, fe_seq_length(im->g, v), &count) && count <= MOST_ITEMS;
    if (!known && v->lens)
        return fe_error(
            im, LATHE_UNSUPPORTED, name,
            "only a run knows how many tensors the sequence has, and they differ in size");
    if (!known) add_output(im, v->tensor, name, declared);
    for (int64_t i = 0; known && i < count; i++) {
        ir_value item;
        TRY(fe_note(im, fe_seq_at(&n, v, ir_const_ints(&n.b, IR_I64, 0, NULL, &i), &item)));
        add_output(im, item, ir_format(im->arena, "%s[%lld]", name, (long long)i), declared);
    }
    return LATHE_OK;
}

/* A sequence is one output a tensor. */
static void read_output(fe_scope *s, const Onnx__ValueInfoProto *v)
{
    fe_import *im = s->im;
    const char *name = fe_text(v->name);
    const Onnx__TypeProto__Tensor *t = NULL;
    bool optional, sequence;
    fe_value value = fe_scope_output(s, name);
    if (value.kind == FE_POISON) return;
    if (v->type && inner_type(im, name, "output", v->type, &optional, &sequence, &t) != LATHE_OK)
        return;
    if (value.kind == FE_OPTIONAL_NONE) {
        fe_error(im, LATHE_UNSUPPORTED, name, "the output is an empty optional");
    } else if (value.kind == FE_TENSOR) {
        add_output(im, value.tensor, name, t);
    } else if (value.tensor) {
        add_packed(im, &value, name, t);
    } else {
        for (size_t i = 0; i < value.nitems; i++)
            add_output(im, value.items[i].tensor, ir_format(im->arena, "%s[%zu]", name, i), t);
    }
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
    if (s->im->status == LATHE_OK && s->im->g->blocks[1].nresults == 0)
        return fe_error(
            s->im, LATHE_UNSUPPORTED, NULL,
            "all outputs are sequences without tensors; at least one tensor is expected");
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
            fe_error(s->im, LATHE_UNSUPPORTED, name,
                     "the value is a sequence or an empty optional; only tensors can be kept");
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
    for (size_t i = 0; i < im->options->nitems; i++)
        if (!im->items_used[i])
            fe_error(im, LATHE_NOT_FOUND, NULL, "no input is a sequence or an optional called '%s'",
                     im->options->items[i].name);
    for (size_t i = 0; i < im->options->nset; i++)
        if (!im->set_used[i])
            fe_error(im, LATHE_NOT_FOUND, NULL, "--set: no input is called '%s'",
                     im->options->set[i].name);
}
