/* Places of buffers in one block, by when they are alive.
 *
 * In: sizes and lives. Out: offsets, and the lower bound that no placement can beat, the largest
 * sum of sizes alive at one step. Buffers are placed one after the other, each in the smallest gap
 * that is free during its whole life; which order wastes least depends on the model, so a few are
 * tried and the best result stays. The first order is enough for most models: it meets the bound.
 *
 * Invariant: two items overlap in memory only if their lives [first, last] do not. */
#include <stdlib.h>
#include <string.h>

#include "runtime/rt.h"

/* ---- orders ---- */

static int descending(uint64_t x, uint64_t y) { return x < y ? 1 : x > y ? -1 : 0; }

/* Equal items keep their order, so that a plan does not depend on the C library's sort. */
static int by_size(const void *a, const void *b)
{
    const rt_item *x = a, *y = b;
    int c = descending(x->size, y->size);
    return c ? c : descending(y->store, x->store);
}

static int by_pressure(const void *a, const void *b)
{
    const rt_item *x = a, *y = b;
    int c = descending(x->pressure, y->pressure);
    return c ? c : by_size(a, b);
}

static int by_area(const void *a, const void *b)
{
    const rt_item *x = a, *y = b;
    double area = (double)x->size * (x->last - x->first + 1);
    double other = (double)y->size * (y->last - y->first + 1);
    return area < other ? 1 : area > other ? -1 : by_size(a, b);
}

static int by_life(const void *a, const void *b)
{
    const rt_item *x = a, *y = b;
    int c = descending(x->last - x->first, y->last - y->first);
    return c ? c : by_size(a, b);
}

static int by_start(const void *a, const void *b)
{
    const rt_item *x = a, *y = b;
    int c = descending(y->first, x->first);
    return c ? c : by_size(a, b);
}

static int (*const orders[])(const void *, const void *) = {by_size, by_pressure, by_area, by_life,
                                                            by_start};

/* ---- placing ---- */

/* at[i]: placed items, by offset. */
static uint64_t place_item(rt_item *it, rt_item **at, size_t nplaced)
{
    uint64_t end = 0, best = UINT64_MAX; /* end of what is alive below the gap looked at */
    it->offset = 0;
    for (size_t i = 0; i < nplaced; i++) {
        const rt_item *p = at[i];
        if (p->last < it->first || it->last < p->first) continue;
        if (p->offset > end && p->offset - end >= it->size && p->offset - end < best) {
            best = p->offset - end;
            it->offset = end;
        }
        if (p->offset + p->size > end) end = p->offset + p->size;
    }
    if (best == UINT64_MAX) it->offset = end;
    size_t i = nplaced;
    for (; i && at[i - 1]->offset > it->offset; i--) at[i] = at[i - 1];
    at[i] = it;
    return it->offset + it->size;
}

static uint64_t place_all(rt_item *items, size_t n, rt_item **at)
{
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t e = place_item(&items[i], at, i);
        if (e > end) end = e;
    }
    return end;
}

/* live[i] becomes the bytes alive at step i; the most of them. */
static uint64_t count_live(const rt_item *items, size_t n, uint64_t *live, uint32_t nsteps)
{
    uint64_t most = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        live[items[i].first] += items[i].size;
        live[items[i].last + 1] -= items[i].size;
    }
    for (uint32_t i = 0; i <= nsteps; i++) {
        live[i] = sum += live[i];
        if (sum > most) most = sum;
    }
    return most;
}

static void measure_pressure(rt_item *items, size_t n, const uint64_t *live)
{
    for (size_t i = 0; i < n; i++) {
        items[i].pressure = 0;
        for (uint32_t s = items[i].first; s <= items[i].last; s++)
            if (live[s] > items[i].pressure) items[i].pressure = live[s];
    }
}

uint64_t rt_place(rt_item *items, size_t n, rt_item **at, uint64_t *live, uint32_t nsteps,
                  uint64_t *lower_bound)
{
    uint64_t best = UINT64_MAX;
    *lower_bound = count_live(items, n, live, nsteps);
    measure_pressure(items, n, live);
    for (size_t k = 0; k < sizeof orders / sizeof *orders && best > *lower_bound; k++) {
        qsort(items, n, sizeof *items, orders[k]);
        uint64_t end = place_all(items, n, at);
        if (end >= best) continue;
        best = end;
        for (size_t i = 0; i < n; i++) items[i].best = items[i].offset;
    }
    for (size_t i = 0; i < n; i++) items[i].offset = items[i].best;
    return best;
}
