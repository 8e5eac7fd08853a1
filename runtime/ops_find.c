/* Where keys stand in a sorted list. In: i64, f64 or strings, and the keys of the same type (as a
 * constant pool, if they are strings). Out: the key's number, or how many keys there are. A NaN
 * equals a NaN and is above all numbers. */
#include <math.h>

#include "runtime/strings.h"

typedef struct keys {
    const lathe_tensor *x, *list;
} keys;

static int order_f64(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) ? !isnan(b) : -1;
    return a < b ? -1 : a > b;
}

static int order(const keys *k, int64_t i, int64_t key)
{
    if (k->x->elem == LATHE_STRING)
        return rt_string_compare(rt_string_at(k->x, i), rt_pool_at(k->list->data, key));
    if (k->x->elem == LATHE_F64)
        return order_f64(((const double *)k->x->data)[i], ((const double *)k->list->data)[key]);
    int64_t a = ((const int64_t *)k->x->data)[i], b = ((const int64_t *)k->list->data)[key];
    return a < b ? -1 : a > b;
}

lathe_status lathe_rt_find(lathe_call *c)
{
    const keys k = {&c->in[0], &c->in[1]};
    int64_t *out = c->out[0].data, count = rt_element_count(&c->out[0]), n = c->ints[0];
    for (int64_t i = 0; i < count; i++) {
        int64_t lo = 0, hi = n;
        while (lo < hi) {
            int64_t middle = lo + (hi - lo) / 2;
            if (order(&k, i, middle) > 0) lo = middle + 1;
            else hi = middle;
        }
        out[i] = lo < n && order(&k, i, lo) == 0 ? lo : n;
    }
    return LATHE_OK;
}
