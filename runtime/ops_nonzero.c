/* NonZero. In: a tensor of any element type of whole bytes. Out: the coordinates of its elements
 * that are not zero, one row an axis, in row-major order of the elements. */
#include "runtime/ops.h"

/* Two passes: a row of the result can only be placed once the number of elements is known. */
lathe_status lathe_rt_nonzero(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0];
    rt_scalar_kind kind = rt_scalar_of(x->elem);
    if (!kind.bytes) return LATHE_UNSUPPORTED;
    int64_t count = rt_element_count(x), found = 0, at = 0, *out = c->out[0].data;
    static const unsigned char zeros[8];
    uint64_t zero = rt_order_key(zeros, kind, 0);
    for (int64_t i = 0; i < count; i++) found += rt_order_key(x->data, kind, i) != zero;
    for (int64_t i = 0; i < count; i++) {
        if (rt_order_key(x->data, kind, i) == zero) continue;
        int64_t rest = i;
        for (int32_t a = x->rank; a-- > 0; rest /= x->dims[a])
            out[a * found + at] = rest % x->dims[a];
        at++;
    }
    c->out[0].rank = 2;
    c->out[0].dims[0] = x->rank;
    c->out[0].dims[1] = found;
    c->syms[0] = found;
    return LATHE_OK;
}
