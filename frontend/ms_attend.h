/* What the attention operators of com.microsoft share: masks, biases and the way from scores to
 * the result. */
#ifndef LATHE_FRONTEND_MS_ATTEND_H
#define LATHE_FRONTEND_MS_ATTEND_H

#include "frontend/attend.h"

typedef struct fe_ms_attention {
    fe_node *n;
    ir_value q, k, v;  /* [B, H, S, D], [B, H, T, D], [B, H, T, E] */
    size_t mask, bias; /* numbers of the inputs that are */
    ir_dim past;       /* rows of k before the first query's own */
    double scale, filter;
    bool causal;
} fe_ms_attention;

/* The attributes that all have; no past. */
void fe_ms_read_attrs(fe_ms_attention *);
/* Attribute num_heads. */
lathe_status fe_ms_heads(const fe_node *, ir_dim *heads);
/* Mask and bias fit q and k, once these are known. */
lathe_status fe_ms_check(const fe_ms_attention *);
/* [B, S, H E]. scores, if not NULL, gets what goes into the softmax, of q's element type, with its
 * lowest finite number where it is forbidden. */
ir_value fe_ms_attend(const fe_ms_attention *, ir_value *scores);

/* GroupQueryAttention's operands and attributes; keeps: rows of the cache behind the new ones stay
 * as they were. */
lathe_status fe_group_query(fe_node *, bool keeps);

#endif
