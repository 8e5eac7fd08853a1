/* Well-formed nonsense. In: a copy. Out: the copy read as a message, changed in one to three places
 * so that it says something absurd - cycles, duplicate names, other operators, odd sizes, wrong
 * types, missing inputs - and written again. What is exchanged keeps one owner. */
#include "tests/tools/damage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx.pb-c.h"
#include "lathe_experimental.h"

typedef Onnx__GraphProto graph;
typedef Onnx__NodeProto node;
typedef Onnx__AttributeProto attribute;

static node *any_node(const graph *g)
{
    return g->n_node ? g->node[damage_below(g->n_node)] : NULL;
}

static attribute *any_attribute(const node *n)
{
    return n && n->n_attribute ? n->attribute[damage_below(n->n_attribute)] : NULL;
}

/* A name used somewhere in the graph; owned by the message. */
static char **any_name(const graph *g)
{
    node *n = any_node(g);
    if (!n || n->n_input + n->n_output == 0) return NULL;
    size_t k = damage_below(n->n_input + n->n_output);
    return k < n->n_input ? &n->input[k] : &n->output[k - n->n_input];
}

static void set_text(char **text, const char *value)
{
    char *copy = strdup(value);
    if (!copy) return;
    if (*text != protobuf_c_empty_string) free(*text);
    *text = copy;
}

/* ---- names and edges ---- */

static void swap_names(graph *g)
{
    char **a = any_name(g), **b = any_name(g);
    if (!a || !b) return;
    char *t = *a;
    *a = *b;
    *b = t;
}

static void duplicate_name(graph *g)
{
    char **a = any_name(g), **b = any_name(g);
    if (a && b && a != b) set_text(a, *b);
}

static void forget_name(graph *g)
{
    static const char *const names[] = {"", "nowhere", "\xff\xfe", "a name with spaces"};
    char **a = any_name(g);
    if (a) set_text(a, names[damage_below(sizeof names / sizeof *names)]);
}

static void drop_input(graph *g)
{
    node *n = any_node(g);
    if (n && n->n_input) free(n->input[--n->n_input]);
}

static void add_input(graph *g)
{
    node *n = any_node(g);
    char **name = any_name(g), *copy = strdup(name ? *name : "");
    char **more = n && copy ? realloc(n->input, (n->n_input + 1) * sizeof *more) : NULL;
    if (more) {
        n->input = more;
        more[n->n_input++] = copy;
    } else {
        free(copy);
    }
}

static void drop_output(graph *g)
{
    node *n = any_node(g);
    if (n && n->n_output) free(n->output[--n->n_output]);
}

static void swap_nodes(graph *g)
{
    if (!g->n_node) return;
    size_t i = damage_below(g->n_node), j = damage_below(g->n_node);
    node *t = g->node[i];
    g->node[i] = g->node[j];
    g->node[j] = t;
}

/* ---- operators and attributes ---- */

static void swap_operators(graph *g)
{
    node *a = any_node(g), *b = any_node(g);
    if (!a || !b) return;
    char *t = a->op_type;
    a->op_type = b->op_type;
    b->op_type = t;
}

static void other_operator(graph *g)
{
    node *n = any_node(g);
    if (!n) return;
    lathe_op_info op = lathe_op_get(damage_below(lathe_op_count()));
    set_text(&n->op_type, op.name);
    set_text(&n->domain, op.domain);
}

static void swap_attributes(graph *g)
{
    node *a = any_node(g), *b = any_node(g);
    if (!a || !b || !a->n_attribute || !b->n_attribute) return;
    size_t i = damage_below(a->n_attribute), j = damage_below(b->n_attribute);
    attribute *t = a->attribute[i];
    a->attribute[i] = b->attribute[j];
    b->attribute[j] = t;
}

static void change_attribute(graph *g)
{
    attribute *a = any_attribute(any_node(g));
    if (!a) return;
    if (a->n_ints) a->ints[damage_below(a->n_ints)] = damage_odd_number();
    if (a->n_floats) a->floats[damage_below(a->n_floats)] = (float)damage_odd_number();
    if (a->has_i) a->i = damage_odd_number();
    if (a->has_f) a->f = damage_below(4) ? (float)damage_odd_number() : __builtin_nanf("");
    if (a->has_s && a->s.len) a->s.data[damage_below(a->s.len)] = (uint8_t)damage_next();
}

static void shorten_attribute(graph *g)
{
    attribute *a = any_attribute(any_node(g));
    if (!a) return;
    if (a->n_ints) a->n_ints--;
    if (a->n_floats) a->n_floats--;
    if (a->has_s && a->s.len) a->s.len--;
}

static void retype_attribute(graph *g)
{
    attribute *a = any_attribute(any_node(g));
    if (!a) return;
    a->has_type = 1;
    a->type = (Onnx__AttributeProto__AttributeType)damage_below(16);
}

static void drop_attribute(graph *g)
{
    node *n = any_node(g);
    if (n && n->n_attribute)
        onnx__attribute_proto__free_unpacked(n->attribute[--n->n_attribute], NULL);
}

/* ---- tensors and types ---- */

static Onnx__TypeProto__Tensor *any_input_type(const graph *g)
{
    if (!g->n_input) return NULL;
    Onnx__ValueInfoProto *v = g->input[damage_below(g->n_input)];
    return v->type ? v->type->tensor_type : NULL;
}

static Onnx__TensorProto *any_tensor(const graph *g)
{
    attribute *a = g->n_initializer && damage_below(4) ? NULL : any_attribute(any_node(g));
    if (a) return a->t;
    return g->n_initializer ? g->initializer[damage_below(g->n_initializer)] : NULL;
}

static void change_dims(graph *g)
{
    Onnx__TensorProto *t = damage_below(2) ? any_tensor(g) : NULL;
    Onnx__TypeProto__Tensor *type = any_input_type(g);
    if (t && t->n_dims) t->dims[damage_below(t->n_dims)] = damage_odd_number();
    if (t || !type || !type->shape || !type->shape->n_dim) return;
    Onnx__TensorShapeProto__Dimension *d = type->shape->dim[damage_below(type->shape->n_dim)];
    d->has_dim_value = 1;
    d->dim_value = damage_odd_number();
}

static void change_rank(graph *g)
{
    Onnx__TensorProto *t = damage_below(2) ? any_tensor(g) : NULL;
    Onnx__TypeProto__Tensor *type = any_input_type(g);
    if (t && t->n_dims) t->n_dims--;
    if (!t && type && type->shape && type->shape->n_dim)
        protobuf_c_message_free_unpacked(&type->shape->dim[--type->shape->n_dim]->base, NULL);
}

static void change_type(graph *g)
{
    Onnx__TensorProto *t = damage_below(2) ? any_tensor(g) : NULL;
    Onnx__TypeProto__Tensor *type = any_input_type(g);
    if (t) t->data_type = (int32_t)damage_below(30);
    else if (type) type->elem_type = (int32_t)damage_below(30);
}

/* Few integers are sizes, axes or pads, which say as much as attributes do. */
static void change_sizes(graph *g)
{
    Onnx__TensorProto *t = any_tensor(g);
    int64_t value = damage_odd_number();
    if (!t || t->data_type != LATHE_I64) return;
    if (t->n_int64_data && t->n_int64_data <= 16)
        t->int64_data[damage_below(t->n_int64_data)] = value;
    if (t->raw_data.len >= sizeof value && t->raw_data.len <= 16 * sizeof value)
        memcpy(t->raw_data.data + damage_below(t->raw_data.len / sizeof value) * sizeof value,
               &value, sizeof value);
}

/* ---- all of it ---- */

static const struct {
    void (*run)(graph *);
    const char *name;
} changes[] = {
    {swap_names, "names exchanged"},
    {duplicate_name, "a name twice"},
    {forget_name, "a name changed"},
    {drop_input, "an input missing"},
    {add_input, "an input too many"},
    {drop_output, "an output missing"},
    {swap_nodes, "nodes exchanged"},
    {swap_operators, "operators exchanged"},
    {other_operator, "another operator"},
    {swap_attributes, "attributes exchanged"},
    {change_attribute, "an attribute changed"},
    {shorten_attribute, "an attribute cut"},
    {retype_attribute, "an attribute's type"},
    {drop_attribute, "an attribute missing"},
    {change_dims, "dims changed"},
    {change_rank, "a rank changed"},
    {change_type, "a type changed"},
    {change_sizes, "sizes changed"},
};

/* The graph itself or, now and then, one inside of it. */
static graph *any_graph(graph *g)
{
    for (int depth = 0; depth < 4; depth++) {
        attribute *a = any_attribute(any_node(g));
        if (!a || !a->g) return g;
        g = a->g;
    }
    return g;
}

static void change_opset(Onnx__ModelProto *m)
{
    if (!m->n_opset_import) return;
    Onnx__OperatorSetIdProto *o = m->opset_import[damage_below(m->n_opset_import)];
    o->has_version = 1;
    o->version = damage_below(4) ? 1 + (int64_t)damage_below(30) : damage_odd_number();
}

void damage_graph(damage_copy *c)
{
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, c->n, c->at);
    c->how = "nothing";
    for (size_t k = 1 + damage_below(3); k && m && m->graph; k--) {
        size_t i = damage_below(sizeof changes / sizeof *changes + 1);
        bool opset = i == sizeof changes / sizeof *changes;
        c->how = opset ? "an opset changed" : changes[i].name;
        if (opset) change_opset(m);
        else changes[i].run(any_graph(m->graph));
    }
    if (m && m->graph && onnx__model_proto__get_packed_size(m) <= c->room)
        c->n = onnx__model_proto__pack(m, c->at);
    if (m) onnx__model_proto__free_unpacked(m, NULL);
}
