/* How large every slot can get, for planning: the symbols' intervals in, an upper size a slot out.
 *
 * Interval arithmetic is sound but forgets that two operands are made of the same symbol: it takes
 * batch*n / batch for batch*n. So the dim program is also evaluated at the corners of the space of
 * maxima. A monotone size has its largest value at one of these; where the interval is far above
 * all of them, the corners' value is planned, and a run that needs more grows that one buffer. */
#include "runtime/rt.h"

enum { FAR = 4, SMALL = 4096 };
/* Above this, a buffer whose size is data grows as it is needed, rather than being planned. */
#define MOST_DATA ((int64_t)1 << 30)

static rt_range range_of(const lathe_session *s, uint32_t symbol)
{
    const lathe_sym *sym = &s->v->syms[symbol];
    rt_range r = {sym->lo, sym->hi};
    if (symbol < s->v->t->n_free && s->maxima[symbol] < r.hi) r.hi = s->maxima[symbol];
    return r;
}

/* Corner 0: every free symbol at its maximum; i: symbol i - 1 at its least, the others at their
 * maxima; the last: all at their least. */
static void visit_corner(lathe_session *s, uint32_t corner)
{
    const rt_view *v = s->v;
    uint32_t n_free = v->t->n_free;
    for (uint32_t i = 0; i < v->nsyms; i++) {
        rt_range r = range_of(s, i);
        bool least = corner == i + 1 || corner == n_free + 1;
        if (i < n_free) r = least ? (rt_range){r.lo, r.lo} : (rt_range){r.hi, r.hi};
        s->sym_range[i] = r;
    }
    rt_ranges(v, s->sym_range, s->corner_range);
    for (uint32_t i = 0; i < v->ndims; i++)
        if (!corner || s->corner_range[i].hi > s->corner_most[i])
            s->corner_most[i] = s->corner_range[i].hi;
}

static bool is_far(int64_t bound, int64_t most)
{
    return most < INT64_MAX / (2 * FAR) && bound > SMALL && (most < 0 || bound / FAR > most);
}

void rt_bounds(lathe_session *s)
{
    const rt_view *v = s->v;
    bool far = false;
    visit_corner(s, 0);
    for (uint32_t i = 0; i < v->nsyms; i++) s->sym_range[i] = range_of(s, i);
    rt_ranges(v, s->sym_range, s->slot_range);
    for (uint32_t i = 0; i < v->ndims; i++) far |= is_far(s->slot_range[i].hi, s->corner_most[i]);
    for (uint32_t c = 1; far && c < v->t->n_free + 2; c++) visit_corner(s, c);
    for (uint32_t i = 0; i < v->ndims; i++) {
        int64_t *hi = &s->slot_range[i].hi;
        if (is_far(*hi, s->corner_most[i])) *hi = s->corner_most[i];
        if (v->dims[i].segment && *hi > MOST_DATA) *hi = INT64_MAX;
    }
}

void rt_bounds_now(lathe_session *s)
{
    for (uint32_t i = 0; i < s->v->nsyms; i++) {
        rt_range known = {s->syms[i], s->syms[i]};
        s->sym_range[i] = s->known[i] ? known : range_of(s, i);
    }
    rt_ranges(s->v, s->sym_range, s->slot_range);
}
