/* Topological order of a graph's nodes. In: nodes as listed. Out: a permutation in which every
 * producer stands before its readers; a sorted list keeps its order. A cycle is refused by name.
 * A node also reads what the subgraphs in its attributes capture, so these are searched for names,
 * less those that they define themselves. Depth-first with an explicit stack; only the search of
 * subgraphs recurses, bounded by the pre-scan's depth. */
#include "frontend/import.h"

typedef struct sorter {
    fe_import *im;
    fe_nodes nodes;
    fe_map producer; /* 1 + index of the node that makes a name */
    uint32_t *deps;  /* of the node being collected, and of all on the stack */
    size_t ndeps, cap_deps;
} sorter;

/* Names that subgraphs around the one being searched define. */
typedef struct local {
    fe_map names;
    const struct local *outer;
} local;

static void define(sorter *s, local *l, const char *name)
{
    ir_str key = ir_intern(s->im->g, name);
    if (!fe_map_get(&l->names, key)) fe_map_put(s->im->arena, &l->names, key, 1);
}

static void read_name(sorter *s, const local *l, const char *name)
{
    if (!*name) return;
    ir_str key = ir_intern(s->im->g, name);
    uint32_t node = fe_map_get(&s->producer, key);
    if (!node) return;
    for (; l; l = l->outer) {
        if (fe_map_get(&l->names, key)) return;
    }
    s->deps = ir_grow(s->im->arena, s->deps, &s->cap_deps, s->ndeps + 1, sizeof *s->deps);
    s->deps[s->ndeps++] = node - 1;
}

static void read_graph(sorter *s, const local *outer, const Onnx__GraphProto *graph);

static void read_node(sorter *s, const local *l, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++) read_name(s, l, node->input[i]);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (a->g) read_graph(s, l, a->g);
        for (size_t k = 0; k < a->n_graphs; k++) read_graph(s, l, a->graphs[k]);
    }
}

static void read_graph(sorter *s, const local *outer, const Onnx__GraphProto *graph)
{
    local l = {.outer = outer};
    for (size_t i = 0; i < graph->n_input; i++) define(s, &l, fe_text(graph->input[i]->name));
    for (size_t i = 0; i < graph->n_initializer; i++) {
        define(s, &l, fe_text(graph->initializer[i]->name));
    }
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t k = 0; k < node->n_output; k++) define(s, &l, node->output[k]);
    }
    for (size_t i = 0; i < graph->n_node; i++) read_node(s, &l, graph->node[i]);
    for (size_t i = 0; i < graph->n_output; i++) read_name(s, &l, fe_text(graph->output[i]->name));
}

static void index_producers(sorter *s)
{
    for (size_t i = 0; i < s->nodes.n; i++) {
        const Onnx__NodeProto *node = s->nodes.list[i];
        for (size_t k = 0; k < node->n_output; k++) {
            ir_str key = ir_intern(s->im->g, node->output[k]);
            if (fe_map_get(&s->producer, key)) continue;
            fe_map_put(s->im->arena, &s->producer, key, (uint32_t)i + 1);
        }
    }
}

/* A node on the way down, with its producers at deps[from, to). */
typedef struct visit {
    uint32_t node;
    size_t from, next, to;
} visit;

enum { UNSEEN, OPEN, DONE };

static visit enter(sorter *s, uint8_t *state, uint32_t node)
{
    visit v = {.node = node, .from = s->ndeps, .next = s->ndeps};
    state[node] = OPEN;
    read_node(s, NULL, s->nodes.list[node]);
    v.to = s->ndeps;
    return v;
}

static lathe_status report_cycle(sorter *s, uint32_t node)
{
    const Onnx__NodeProto *p = s->nodes.list[node];
    diag_place place = {.file = s->im->path,
                        .node = fe_text(p->name),
                        .op = fe_text(p->op_type),
                        .tensor = p->n_output ? p->output[0] : ""};
    return fe_note(s->im, diag_add(s->im->diag, LATHE_BAD_INPUT, &place,
                                   "the node depends on its own output"));
}

/* Visits a node after everything that it needs, appending to out. */
static lathe_status visit_all(sorter *s, uint8_t *state, uint32_t root, uint32_t *out,
                              uint32_t *done)
{
    size_t depth = 1, cap = 0;
    visit *stack = ir_grow(s->im->arena, NULL, &cap, 1, sizeof *stack);
    stack[0] = enter(s, state, root);
    while (depth > 0) {
        visit *top = &stack[depth - 1];
        if (top->next == top->to) {
            state[top->node] = DONE;
            out[(*done)++] = top->node;
            s->ndeps = top->from;
            depth--;
            continue;
        }
        uint32_t dep = s->deps[top->next++];
        if (state[dep] == OPEN) return report_cycle(s, dep);
        if (state[dep] == DONE) continue;
        stack = ir_grow(s->im->arena, stack, &cap, depth + 1, sizeof *stack);
        stack[depth++] = enter(s, state, dep);
    }
    return LATHE_OK;
}

lathe_status fe_order(fe_import *im, fe_nodes nodes, const uint32_t **order)
{
    sorter s = {.im = im, .nodes = nodes};
    uint8_t *state = IR_NEW_N(im->arena, uint8_t, nodes.n + 1);
    uint32_t *out = IR_NEW_N(im->arena, uint32_t, nodes.n + 1), done = 0;
    index_producers(&s);
    for (uint32_t i = 0; i < nodes.n; i++) {
        if (state[i] == UNSEEN) TRY(visit_all(&s, state, i, out, &done));
    }
    *order = out;
    return LATHE_OK;
}
