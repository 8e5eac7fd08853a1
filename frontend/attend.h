/* Parts of attention shared by its importers: the two products and rotary positions. */
#ifndef LATHE_FRONTEND_ATTEND_H
#define LATHE_FRONTEND_ATTEND_H

#include "frontend/build.h"

/* Scores q k^T of q [B, H, S, D] and k [B, G, T, D], in the arithmetic type: [B, H, S, T]. G
 * divides H; head h reads group h / (H / G). */
ir_value fe_scores(ir_builder *, ir_value q, ir_value k);
/* p v of p [B, H, S, T] and v [B, G, T, E], of v's element type: [B, H, S, E]. */
ir_value fe_weighted(ir_builder *, ir_value p, ir_value v);
/* 1 / sqrt(d) in the type of `like`, or `given` if that is not 0. */
ir_expr fe_x_scale(ir_graph *, ir_expr like, double given, ir_dim d);
ir_expr fe_x_softcap(ir_graph *, ir_expr x, double cap); /* x itself for 0 */
/* x where allowed, minus infinity elsewhere. */
ir_expr fe_x_mask(ir_graph *, ir_expr allowed, ir_expr x);
/* A score that takes part in the sum and has no value: of each head [H], or 0 if `zero`. */
typedef struct fe_sink {
    ir_value heads;
    bool zero;
} fe_sink;
/* The softmax of scores [B, H, S, T] along T, where minus infinity means forbidden: a query that
 * may see no key gets zeros. sink may be NULL. */
ir_value fe_attend(ir_builder *, ir_value scores, const fe_sink *sink);
/* Element of a mask right-aligned with [B, H, S, T]; past its last axis, if that is short and
 * `pad` says so, `outside`. */
ir_expr fe_mask_element(ir_nest *, ir_value mask, bool pad, ir_expr outside);
/* past, if there is one, and then v, along axis 2; what a cache becomes. */
ir_value fe_append(ir_builder *, ir_value past, ir_value v);

/* Rotary positions over x [B, H, S, D]. cos and sin: [rows, half], read at `position`, which gets
 * the nest, the batch, the sequence index and the column; or [B, S, half]. dim: how much of D
 * turns. */
typedef struct fe_rotary {
    ir_value x, cos, sin;
    ir_dim dim;
    bool interleaved;
    double scale; /* of cos and sin; 0: none */
    ir_expr (*position)(void *ctx, ir_nest *, ir_expr batch, ir_expr s, ir_expr column);
    void *ctx;
} fe_rotary;
ir_value fe_rotate(ir_builder *, const fe_rotary *);
/* A position function: ctx points to an ir_value of [B, S] or, as one offset, of one element. */
ir_expr fe_position_ids(void *ctx, ir_nest *, ir_expr batch, ir_expr s, ir_expr column);

#endif
