/* Which nodes of the model a node stands for.
 *
 * A node that passes made of several has all of them as origins, its own name and operator first
 * among them for messages. Sets are trees that share their parts, so that joining two costs the
 * same however large they are; they are only listed for reports. Number 0 is the empty set. The
 * text form does not show them: a graph that is read from text starts anew. */
#include "ir/ir.h"

static uint32_t new_origin(ir_graph *g, ir_origin o)
{
    if (!g->norigins) g->norigins = 1;
    g->origins =
        ir_grow(g->arena, g->origins, &g->cap_origins, g->norigins + 1, sizeof *g->origins);
    g->origins[g->norigins] = o;
    return (uint32_t)g->norigins++;
}

uint32_t ir_origins_of(ir_graph *g, ir_node_id id)
{
    ir_node *n = &g->nodes[id];
    if (!n->origins && (n->name != IR_NONE || n->origin != IR_NONE))
        n->origins = new_origin(g, (ir_origin){.name = n->name, .op = n->origin});
    return n->origins;
}

uint32_t ir_origins_join(ir_graph *g, uint32_t a, uint32_t b)
{
    if (a == b || !b) return a;
    if (!a) return b;
    return new_origin(g, (ir_origin){.left = a, .right = b});
}

static bool has_origin(const ir_origin *list, size_t n, const ir_origin *o)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].name == o->name && list[i].op == o->op) return true;
    return false;
}

size_t ir_origins_list(const ir_graph *g, uint32_t set, ir_arena *arena, ir_origin **list)
{
    size_t n = 0, cap = 0, depth = 0, cap_stack = 0;
    uint32_t *stack = NULL;
    bool *seen = IR_NEW_N(arena, bool, g->norigins + 1);
    *list = NULL;
    while (set || depth) {
        if (!set) set = stack[--depth];
        const ir_origin *o = &g->origins[set];
        bool known = seen[set];
        seen[set] = true;
        set = 0;
        if (known) continue;
        if (o->left) {
            stack = ir_grow(arena, stack, &cap_stack, depth + 1, sizeof *stack);
            stack[depth++] = o->right;
            set = o->left;
        } else if (!has_origin(*list, n, o)) {
            *list = ir_grow(arena, *list, &cap, n + 1, sizeof **list);
            (*list)[n++] = *o;
        }
    }
    return n;
}
