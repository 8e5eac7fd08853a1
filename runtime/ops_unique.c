/* Unique. In: a tensor and an axis. Out: its distinct slices along the axis, where each occurs
 * first, which of them every slice is, and how often each occurs. Slices are sorted as indices in
 * the results' own memory, which has room for as many entries as there are slices. */
#include "runtime/ops.h"

typedef struct slices {
    const char *data;
    rt_scalar_kind kind;
    rt_axis axis;
} slices;

static int compare(const slices *s, int64_t a, int64_t b)
{
    int64_t inner = s->axis.inner, n = s->axis.size;
    for (int64_t o = 0; o < s->axis.outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            uint64_t x = rt_order_key(s->data, s->kind, (o * n + a) * inner + i);
            uint64_t y = rt_order_key(s->data, s->kind, (o * n + b) * inner + i);
            if (x != y) return x < y ? -1 : 1;
        }
    return 0;
}

static bool before(const void *ctx, int64_t a, int64_t b)
{
    int order = compare(ctx, a, b);
    return order ? order < 0 : a < b;
}

/* Numbers the slices by their order; first[k] becomes the first slice with number k. */
static int64_t number_sorted(const slices *s, int64_t *first, int64_t *inverse)
{
    int64_t n = s->axis.size, found = 0, leader = 0;
    for (int64_t i = 0; i < n; i++) first[i] = i;
    rt_sort(first, n, 1, before, s);
    for (int64_t i = 0; i < n; i++) {
        int64_t slice = first[i];
        if (i == 0 || compare(s, leader, slice) != 0) {
            leader = slice;
            first[found++] = slice;
        }
        inverse[slice] = found - 1;
    }
    return found;
}

/* Renumbers by first occurrence; `number` is scratch. A slice's new number is set before any other
 * slice with it is met. */
static void renumber(int64_t n, int64_t *first, int64_t *inverse, int64_t *number)
{
    int64_t next = 0;
    for (int64_t i = 0; i < n; i++) {
        if (first[inverse[i]] == i) number[inverse[i]] = next++;
        inverse[i] = number[inverse[i]];
    }
    next = 0;
    for (int64_t i = 0; i < n; i++)
        if (inverse[i] == next) first[next++] = i;
}

lathe_status lathe_rt_unique(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0];
    slices s = {x->data, rt_scalar_of(x->elem), rt_split_axis(x, c->ints[0])};
    if (!s.kind.bytes) return LATHE_UNSUPPORTED;
    int64_t *first = c->out[1].data, *inverse = c->out[2].data, *counts = c->out[3].data;
    int64_t n = s.axis.size, found = number_sorted(&s, first, inverse);
    if (!c->ints[1]) renumber(n, first, inverse, counts);
    for (int64_t k = 0; k < found; k++) counts[k] = 0;
    for (int64_t i = 0; i < n; i++) counts[inverse[i]]++;
    size_t bytes = (size_t)s.axis.inner * s.kind.bytes;
    for (int64_t o = 0; o < s.axis.outer; o++)
        for (int64_t k = 0; k < found; k++)
            memcpy((char *)c->out[0].data + (size_t)(o * found + k) * bytes,
                   s.data + (size_t)(o * n + first[k]) * bytes, bytes);
    c->out[0].rank = x->rank;
    memcpy(c->out[0].dims, x->dims, sizeof x->dims);
    if (x->rank > 0) c->out[0].dims[c->ints[0]] = found;
    for (int k = 1; k < 4; k++) {
        c->out[k].rank = 1;
        c->out[k].dims[0] = k == 2 ? n : found;
    }
    c->syms[0] = found;
    return LATHE_OK;
}
