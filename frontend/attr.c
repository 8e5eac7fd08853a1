/* Attributes of the node being imported. In: names. Out: values of exactly the type that is asked
 * for, the row's default where the node has none; an attribute of another type is reported and the
 * default given instead, and the node fails when its importer returns (fe_node.fault). Strings come
 * NUL-terminated. */
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/signature.h"

#define TYPE(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

static const Onnx__AttributeProto *attr_find(const fe_node *n, const char *name)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->proto->attribute[i];
        if (!strcmp(fe_text(a->name), name)) return a;
    }
    return NULL;
}

const char *fe_type_name(int type)
{
    static const char *const names[] = {"undefined",      "float",   "int",    "string",
                                        "tensor",         "graph",   "floats", "ints",
                                        "strings",        "tensors", "graphs", "sparse_tensor",
                                        "sparse_tensors", "type",    "types"};
    return type >= 0 && (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

static void wrong(const fe_node *n, const char *name, const char *why)
{
    *n->fault = fe_fail(n, LATHE_BAD_INPUT, "attribute %s is %s", name, why);
}

/* The attribute if it has this type and, where the type needs one, its payload. */
static const Onnx__AttributeProto *typed(const fe_node *n, const char *name, int type, bool payload)
{
    const Onnx__AttributeProto *a = attr_find(n, name);
    if (!a) return NULL;
    if ((int)a->type == type && payload) return a;
    if ((int)a->type == type)
        *n->fault = fe_fail(n, LATHE_BAD_INPUT, "attribute %s is of type %s but holds none", name,
                            fe_type_name(type));
    else
        *n->fault = fe_expect(n, ir_format(n->g->arena, "attribute %s is of type", name),
                              fe_type_name((int)a->type), fe_type_name(type));
    return NULL;
}

bool fe_has_attr(const fe_node *n, const char *name) { return attr_find(n, name) != NULL; }

/* The row's default as text, or NULL. */
static const char *default_of(const fe_node *n, const char *name, int type)
{
    fe_rule r;
    if (!fe_rule_of(n->row, n->version, name, type, &r) || !r.otherwise.n) return NULL;
    return ir_format(n->g->arena, "%.*s", (int)r.otherwise.n, r.otherwise.text);
}

/* That an importer asks for what neither the node nor the row has is a mistake in the row. */
static void need_default(const fe_node *n, const char *name, int type)
{
    if (!attr_find(n, name) && !default_of(n, name, type))
        *n->fault = fe_fail(n, LATHE_INTERNAL, "attribute %s has no default", name);
}

int64_t fe_attr_int_or(const fe_node *n, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *a = typed(n, name, TYPE(INT), true);
    const char *text = a ? NULL : default_of(n, name, TYPE(INT));
    return a ? a->i : text ? strtoll(text, NULL, 10) : otherwise;
}

int64_t fe_attr_int(const fe_node *n, const char *name)
{
    need_default(n, name, TYPE(INT));
    return fe_attr_int_or(n, name, 0);
}

double fe_attr_float_or(const fe_node *n, const char *name, double otherwise)
{
    const Onnx__AttributeProto *a = typed(n, name, TYPE(FLOAT), true);
    const char *text = a ? NULL : default_of(n, name, TYPE(FLOAT));
    return a ? (double)a->f : text ? (double)strtof(text, NULL) : otherwise;
}

double fe_attr_float(const fe_node *n, const char *name)
{
    need_default(n, name, TYPE(FLOAT));
    return fe_attr_float_or(n, name, 0);
}

/* NULL after a message about a zero byte, which no name has. */
static const char *text_of(const fe_node *n, const char *name, const ProtobufCBinaryData *s)
{
    if (s->len && memchr(s->data, 0, s->len)) {
        wrong(n, name, "a string with a zero byte");
        return NULL;
    }
    char *text = ir_alloc(n->g->arena, s->len + 1, 1);
    if (s->len) memcpy(text, s->data, s->len);
    return text;
}

const char *fe_attr_str_or(const fe_node *n, const char *name, const char *otherwise)
{
    const Onnx__AttributeProto *a = typed(n, name, TYPE(STRING), true);
    const char *text = a ? text_of(n, name, &a->s) : default_of(n, name, TYPE(STRING));
    return text ? text : otherwise;
}

const char *fe_attr_str(const fe_node *n, const char *name)
{
    need_default(n, name, TYPE(STRING));
    return fe_attr_str_or(n, name, "");
}

const char *const *fe_attr_strs(const fe_node *n, const char *name, size_t *count)
{
    const Onnx__AttributeProto *a = typed(n, name, TYPE(STRINGS), true);
    *count = a ? a->n_strings : 0;
    if (!a) return NULL;
    const char **texts = IR_NEW_N(n->g->arena, const char *, a->n_strings + 1);
    for (size_t i = 0; i < a->n_strings; i++) {
        const char *text = text_of(n, name, &a->strings[i]);
        texts[i] = text ? text : "";
    }
    return texts;
}

const ProtobufCBinaryData *fe_attr_bytes(const fe_node *n, const char *name, size_t *count)
{
    static const ProtobufCBinaryData none[1];
    const Onnx__AttributeProto *a = attr_find(n, name);
    bool one = a && a->type == TYPE(STRING);
    a = typed(n, name, one ? TYPE(STRING) : TYPE(STRINGS), true);
    *count = a ? one ? 1 : a->n_strings : 0;
    if (!a) return NULL;
    return one ? &a->s : a->n_strings ? a->strings : none;
}

/* "0,2,3". */
static const int64_t *numbers_of(const fe_node *n, const char *text, size_t *count)
{
    int64_t *list = IR_NEW_N(n->g->arena, int64_t, strlen(text));
    char *end;
    for (*count = 0; *text; text = *end ? end + 1 : end) list[(*count)++] = strtoll(text, &end, 10);
    return list;
}

const int64_t *fe_attr_ints(const fe_node *n, const char *name, size_t *count)
{
    static const int64_t none[1];
    const Onnx__AttributeProto *a = typed(n, name, TYPE(INTS), true);
    const char *text = a ? NULL : default_of(n, name, TYPE(INTS));
    if (text) return numbers_of(n, text, count);
    *count = a ? a->n_ints : 0;
    if (!a) return NULL;
    return a->n_ints ? a->ints : none;
}

const float *fe_attr_floats(const fe_node *n, const char *name, size_t *count)
{
    static const float none[1];
    const Onnx__AttributeProto *a = typed(n, name, TYPE(FLOATS), true);
    *count = a ? a->n_floats : 0;
    if (!a) return NULL;
    return a->n_floats ? a->floats : none;
}

const Onnx__TensorProto *fe_attr_tensor(const fe_node *n, const char *name)
{
    const Onnx__AttributeProto *a = attr_find(n, name);
    a = typed(n, name, TYPE(TENSOR), a && a->t);
    return a ? a->t : NULL;
}

const Onnx__GraphProto *fe_attr_graph(const fe_node *n, const char *name)
{
    const Onnx__AttributeProto *a = attr_find(n, name);
    a = typed(n, name, TYPE(GRAPH), a && a->g);
    return a ? a->g : NULL;
}
