/* What trials of loops' bodies found, so that a trial inside of a trial is not made again.
 *
 * A loop's types are found by building its body until they stay (loop.c); a loop inside is found
 * anew each time, which multiplies by the depth of nesting. In: the loop's node and what was found
 * of it. Out: the same, where it still holds: what is built later inside of one search is built
 * from types that are the same or more general, and a size that changed from turn to turn still
 * does. That the condition is not known to stay true holds in the same way. The alternative,
 * keeping the nodes that a trial built, would need a translation of every id that they mention. */
#include "frontend/import.h"
#include "frontend/loop.h"

#include <string.h>

struct fe_memo {
    const Onnx__NodeProto *node;
    ir_str name;       /* with the calls around it */
    size_t ncarried;   /* 0: nothing is known of sizes */
    uint16_t *widened; /* one a carried value: a bit for each axis */
    unsigned search;   /* the outermost search that found them */
    bool stops;        /* its condition is not known to stay true */
    fe_memo *next;
};

fe_memo *fe_memo_of(fe_node *n)
{
    fe_import *im = n->im;
    for (fe_memo *m = im->memos; m; m = m->next)
        if (m->node == n->proto && m->name == n->b.name) return m;
    fe_memo *m = IR_NEW(im->arena, fe_memo);
    *m = (fe_memo){.node = n->proto, .name = n->b.name, .next = im->memos};
    return im->memos = m;
}

void fe_search_begin(fe_node *n)
{
    if (n->im->searches++ == 0) n->im->search++;
}

void fe_search_end(fe_node *n) { n->im->searches--; }

bool fe_memo_stops(fe_node *n) { return fe_memo_of(n)->stops; }

void fe_memo_note_stops(fe_node *n) { fe_memo_of(n)->stops = true; }

void fe_memo_widen(fe_node *n, ir_type *types, size_t ncarried)
{
    const fe_memo *m = fe_memo_of(n);
    if (m->search != n->im->search || m->ncarried != ncarried) return;
    for (size_t c = 0; c < ncarried; c++)
        for (int a = 0; a < types[c].rank; a++)
            if (m->widened[c] >> a & 1) types[c].dims[a] = IR_NONE;
}

void fe_memo_note_widened(fe_node *n, const uint16_t *widened, size_t ncarried)
{
    fe_memo *m = fe_memo_of(n);
    m->search = n->im->search;
    m->ncarried = ncarried;
    m->widened = ir_copy(n->im->arena, widened, ncarried, sizeof *widened);
}

uint32_t fe_imported(const fe_node *n) { return n->im->imported; }

uint32_t *fe_unrolled(fe_node *n) { return &n->im->unrolled; }
