/* Loops as importers build them: ONNX Loop and Scan, and recurrent layers. */
#ifndef LATHE_FRONTEND_LOOP_H
#define LATHE_FRONTEND_LOOP_H

#include "frontend/build.h"

/* Builds one turn with n->b. params: the turn's number (i64), the condition (bool), the carried
 * values. Sets the next condition, the carried values and the scan outputs in `results`. It may be
 * called again from the start, in another block, when carried sizes turn out to change. */
typedef lathe_status (*fe_turn)(void *ctx, fe_node *n, const ir_value *params, ir_value *results);

typedef struct fe_loop {
    ir_value trip, cond; /* one element each; IR_NONE: unlimited, true */
    const ir_value *init;
    size_t ncarried, nscans;
    fe_turn turn;
    void *ctx;
    /* Where it is nscans when asked: the first scan output whose size changes between turns, with
     * its type; nothing was built then. Otherwise such a loop is refused. */
    size_t changing;
    ir_type changing_type;
} fe_loop;

/* results: the final carried values, then the scan outputs stacked along a new first axis. */
lathe_status fe_loop_build(fe_node *, fe_loop *, ir_value *results);
/* Input k as a number, if it is known. */
bool fe_known_int(const fe_node *, size_t k, int64_t *value);

/* ---- memo.c: what trials found ---- */

/* Around the search for a loop's types. */
void fe_search_begin(fe_node *);
void fe_search_end(fe_node *);
/* Makes dims IR_NONE that this search has found to change. */
void fe_memo_widen(fe_node *, ir_type *types, size_t ncarried);
/* A bit for each axis of each carried value that changes. */
void fe_memo_note_widened(fe_node *, const uint16_t *widened, size_t ncarried);
/* The condition is not known to stay true, even where the first turn's values are known. */
bool fe_memo_stops(fe_node *);
void fe_memo_note_stops(fe_node *);
/* Nodes imported so far; those of unrolled turns, and of trials for them. */
uint32_t fe_imported(const fe_node *);
uint32_t *fe_unrolled(fe_node *);

/* What a trial import may leave behind, so that it can be taken back. */
typedef struct fe_mark {
    size_t nblocks, nsyms, nguards;
} fe_mark;
fe_mark fe_mark_now(const ir_graph *);
/* Takes back the blocks made since with all that is in them. Constants that a block around them got
 * meanwhile stay. */
void fe_discard(ir_graph *, fe_mark);
/* d has a symbol that was made since. */
bool fe_dim_since(const ir_graph *, ir_dim, fe_mark);

#endif
