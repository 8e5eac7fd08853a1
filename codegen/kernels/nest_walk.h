/* Visiting all that the code of a kernel depends on; private to codegen/. */
#ifndef LATHE_CODEGEN_NEST_WALK_H
#define LATHE_CODEGEN_NEST_WALK_H

#include "codegen/lower/lower.h"

/* Calls for what nest_fields.def lists, in its order; NULL: not of interest. A visitor may replace
 * what it is shown, in a nest of its own: `behind` then gives it its own copy of `bytes` bytes
 * before what is in there is visited. */
typedef struct cg_visitor {
    void *ctx;
    void (*text)(void *ctx, const char *);
    void (*number)(void *ctx, void *at, size_t size);
    void (*dim)(void *ctx, ir_dim *, bool place);
    void (*expr)(void *ctx, ir_expr *);
    void (*behind)(void *ctx, void **at, size_t bytes);
} cg_visitor;
void cg_walk_nest(const cg_visitor *, cg_nest *);
int64_t cg_number_at(const void *at, size_t size);

/* A walk over the nodes below some expressions, arguments first, each node once. */
typedef struct cg_expr_walk {
    const ir_graph *g;
    ir_arena *arena;
    cg_map *values; /* node -> what `node` gave, not 0 */
    ir_expr *stack;
    size_t n, cap;
    void *ctx;
    uint32_t (*node)(void *ctx, ir_expr);
    /* Whether the node deals with this argument by itself; NULL: never. */
    bool (*inlines)(void *ctx, const ir_expr_node *, int arg);
} cg_expr_walk;
/* What `node` gave for the root, now or earlier. */
uint32_t cg_walk_expr(cg_expr_walk *, ir_expr root);

#endif
