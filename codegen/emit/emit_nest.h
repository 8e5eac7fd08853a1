/* Shared by emit_nest.c, emit_reduce.c and emit_tiers.c: one nest while it is emitted. */
#ifndef LATHE_CODEGEN_EMIT_NEST_H
#define LATHE_CODEGEN_EMIT_NEST_H

#include "codegen/emit/emit.h"

enum { CG_MOST_TIERS = 5, CG_MOST_LANES = 64 };

/* How the nest is computed; made once for a kernel. */
typedef struct cg_shape {
    cg_kern k;
    int inner;                /* -1: a single point */
    int tiers[CG_MOST_TIERS]; /* lane counts along the inner axis, descending to 1 */
    int ntiers;
    int along; /* a reduced axis along which lanes go, or -1 */
    int red_tiers[2], nred_tiers;
    bool contract; /* sum of products: roots 0 and 1 are the factors */
    bool empty;    /* the variant for an empty reduction */
    ir_elem type;  /* of the body */
    cg_list *list; /* roots: the body (or its two factors), then the store's indices
                      unless those are in `places` */
    cg_list *places;
    int first_index; /* root of the first store index in `places` */
} cg_shape;

/* ---- emit_tiers.c ---- */
bool cg_may_be_empty(const cg_kern *, int axis);
void cg_choose_tiers(cg_shape *);

/* ---- emit_row.c ---- */
void cg_emit_row(cg_shape *);

/* ---- emit_reduce.c ---- */
void cg_emit_reduced(cg_shape *);

static inline bool cg_is_reduction(const cg_shape *s) { return cg_has(s->k.n, CG_REDUCES); }

/* What a reduction gives may be stored twice: then the last vector ends where the axis ends and
 * overlaps the one before it. A map must not do that, as its result may lie on an operand. */
static inline bool cg_may_overlap(const cg_shape *s) { return cg_is_reduction(s); }

static inline cg_list *cg_shape_plan(cg_shape *s, cg_list *l)
{
    cg_list_plan(&s->k, l);
    return l;
}

static inline void cg_shape_lanes(cg_shape *s, int lanes, int axis)
{
    s->k.lanes = lanes;
    s->k.vaxis = lanes > 1 ? axis : -1;
}

static inline int cg_all_depths(const cg_shape *s) { return s->k.n->rank + 2; }

#endif
