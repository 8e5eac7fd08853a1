/* The names of all nodes of the model that steps come from.
 *
 * Lowering names a step after one node; what else was fused into it is a set in the graph. Sets are
 * written out on demand only: a deployed model needs no more than the name for its messages. Each
 * different set becomes a run of nodes[]; the entries that others refer to stay where they are. */
#include <string.h>

#include "codegen/lower/lower.h"

typedef struct naming {
    cg_program *p;
    cg_map strings, runs;
} naming;

static uint32_t origins_string(naming *w, ir_str s)
{
    uint32_t at = cg_map_get(&w->strings, s, LATHE_NO_SLOT);
    if (at != LATHE_NO_SLOT) return at;
    at = (uint32_t)w->p->nstrings;
    for (const char *c = ir_text(w->p->g, s); *c; c++) CG_PUSH(w->p, strings, *c);
    CG_PUSH(w->p, strings, '\0');
    cg_map_put(w->p->arena, &w->strings, s, at);
    return at;
}

static bool is_called(const naming *w, const lathe_node *n, const ir_origin *o)
{
    const char *strings = w->p->strings;
    return strcmp(strings + n->name, ir_text(w->p->g, o->name)) == 0 &&
           strcmp(strings + n->op, ir_text(w->p->g, o->op)) == 0;
}

/* A run of nodes[] that starts with the entry of a step and goes on with the rest of its set. */
static uint32_t origins_run(naming *w, uint32_t entry, uint32_t set)
{
    cg_program *p = w->p;
    uint64_t key = (uint64_t)entry << 32 | set;
    uint32_t at = cg_map_get(&w->runs, key, LATHE_NO_SLOT);
    if (at != LATHE_NO_SLOT) return at;
    ir_origin *list;
    size_t n = ir_origins_list(p->g, set, p->arena, &list);
    at = CG_PUSH(p, nodes, p->nodes[entry]);
    for (size_t i = 0; i < n; i++) {
        if (is_called(w, &p->nodes[at], &list[i])) continue;
        lathe_node node = {.name = origins_string(w, list[i].name),
                           .op = origins_string(w, list[i].op)};
        CG_PUSH(p, nodes, node);
        p->nodes[at].more++;
    }
    cg_map_put(p->arena, &w->runs, key, at);
    return at;
}

void cg_list_origins(cg_program *p)
{
    naming w = {.p = p};
    for (size_t i = 0; i < p->nsteps; i++) {
        uint32_t entry = p->steps[i].node, set = p->origins[i];
        if (entry == LATHE_NO_SLOT || !set) continue;
        const ir_origin *o = &p->g->origins[set];
        if (o->left || !is_called(&w, &p->nodes[entry], o))
            p->steps[i].node = origins_run(&w, entry, set);
    }
}
