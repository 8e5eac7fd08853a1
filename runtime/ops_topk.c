/* TopK. In: a tensor and k. Out: along one axis the k largest (or smallest) elements, best first,
 * and their indices. The indices kept so far are a heap in the result itself, its worst at the
 * root, so that n elements take n log k steps and no memory. */
#include "runtime/ops.h"
#include <stdio.h>

typedef struct row {
    const char *data;
    rt_scalar_kind kind;
    int64_t first, step; /* element i of the row is at first + i * step */
    bool largest;
} row;

/* Better elements come first; of equal ones the lower index. */
static bool better(const void *ctx, int64_t a, int64_t b)
{
    const row *r = ctx;
    uint64_t x = rt_order_key(r->data, r->kind, r->first + a * r->step);
    uint64_t y = rt_order_key(r->data, r->kind, r->first + b * r->step);
    if (x == y) return a < b;
    return r->largest ? x > y : x < y;
}

static void select_row(const row *r, int64_t n, int64_t k, int64_t *kept, int64_t stride)
{
    for (int64_t i = 0; i < k; i++) kept[i * stride] = i;
    for (int64_t i = k / 2; i-- > 0;) rt_sift(kept, k, stride, i, better, r);
    for (int64_t i = k; k > 0 && i < n; i++) {
        if (!better(r, i, kept[0])) continue;
        kept[0] = i;
        rt_sift(kept, k, stride, 0, better, r);
    }
    rt_sort(kept, k, stride, better, r);
}

lathe_status lathe_rt_topk(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0];
    rt_axis a = rt_split_axis(x, c->ints[0]);
    int64_t k = *(const int64_t *)c->in[1].data, *indices = c->out[1].data;
    row r = {.data = x->data,
             .kind = rt_scalar_of(x->elem),
             .step = a.inner,
             .largest = c->ints[1] != 0};
    if (!r.kind.bytes) return LATHE_UNSUPPORTED;
    if (k < 0 || k > a.size) {
        snprintf(c->message, 256, "k is %lld, the axis has %lld elements", (long long)k,
                 (long long)a.size);
        return LATHE_BAD_VALUE;
    }
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++) {
            int64_t *kept = indices + o * k * a.inner + i;
            char *values = (char *)c->out[0].data + (o * k * a.inner + i) * r.kind.bytes;
            r.first = o * a.size * a.inner + i;
            select_row(&r, a.size, k, kept, a.inner);
            for (int64_t j = 0; j < k; j++)
                memcpy(values + j * a.inner * r.kind.bytes,
                       r.data + (r.first + kept[j * a.inner] * a.inner) * r.kind.bytes,
                       r.kind.bytes);
        }
    for (int out = 0; out < 2; out++) {
        c->out[out].rank = x->rank;
        memcpy(c->out[out].dims, x->dims, sizeof x->dims);
        c->out[out].dims[c->ints[0]] = k;
    }
    return LATHE_OK;
}
