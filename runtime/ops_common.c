/* What the plain C operators share: elements of any type as ordered numbers, axes, sorting.
 * An element is compared through its bits: a float's are flipped so that they order as unsigned
 * integers do, which serves every width with the same code and no conversion. */
#include "runtime/ops.h"

rt_scalar_kind rt_scalar_of(lathe_elem elem)
{
    static const rt_scalar_kind kinds[] = {
        [LATHE_F32] = {4, 'F'},    [LATHE_U8] = {1, 'U'},       [LATHE_I8] = {1, 'S'},
        [LATHE_U16] = {2, 'U'},    [LATHE_I16] = {2, 'S'},      [LATHE_I32] = {4, 'S'},
        [LATHE_I64] = {8, 'S'},    [LATHE_BOOL] = {1, 'U'},     [LATHE_F16] = {2, 'F'},
        [LATHE_F64] = {8, 'F'},    [LATHE_U32] = {4, 'U'},      [LATHE_U64] = {8, 'U'},
        [LATHE_BF16] = {2, 'F'},   [LATHE_F8E4M3FN] = {1, 'F'}, [LATHE_F8E5M2] = {1, 'F'},
        [LATHE_F8E8M0] = {1, 'U'},
    };
    if ((size_t)elem >= sizeof kinds / sizeof *kinds) return (rt_scalar_kind){0, 0};
    return kinds[elem];
}

uint64_t rt_order_key(const void *data, rt_scalar_kind kind, int64_t i)
{
    uint64_t bits = 0, sign = (uint64_t)1 << (kind.bytes * 8 - 1);
    memcpy(&bits, (const char *)data + i * kind.bytes, kind.bytes); /* little-endian */
    if (kind.kind == 'U') return bits;
    if (kind.kind == 'S') return bits ^ sign;
    if (bits == sign) bits = 0;
    return bits & sign ? ~bits & (sign | (sign - 1)) : bits | sign;
}

rt_axis rt_split_axis(const lathe_tensor *t, int64_t axis)
{
    rt_axis a = {1, t->rank ? t->dims[axis] : 1, 1};
    for (int64_t i = 0; i < axis; i++) a.outer *= t->dims[i];
    for (int64_t i = axis + 1; i < t->rank; i++) a.inner *= t->dims[i];
    return a;
}

int64_t rt_element_count(const lathe_tensor *t)
{
    int64_t count = 1;
    for (int32_t i = 0; i < t->rank; i++) count *= t->dims[i];
    return count;
}

void rt_sift(int64_t *items, int64_t n, int64_t stride, int64_t root, rt_before before,
             const void *ctx)
{
    int64_t moving = items[root * stride];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(ctx, items[child * stride], items[(child + 1) * stride]))
            child++;
        if (!before(ctx, moving, items[child * stride])) break;
        items[root * stride] = items[child * stride];
    }
    items[root * stride] = moving;
}

void rt_sort(int64_t *items, int64_t n, int64_t stride, rt_before before, const void *ctx)
{
    for (int64_t i = n / 2; i-- > 0;) rt_sift(items, n, stride, i, before, ctx);
    for (int64_t last = n - 1; last > 0; last--) {
        int64_t top = items[0];
        items[0] = items[last * stride];
        items[last * stride] = top;
        rt_sift(items, last, stride, 0, before, ctx);
    }
}
