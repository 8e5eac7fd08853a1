/* The dim program: one op of 64-bit integers, and the same ops over intervals.
 *
 * Values: overflow and division by zero fail. Intervals: bounds saturate at the ends of int64,
 * which is sound because a value outside of int64 fails the run. Division and modulo round towards
 * minus infinity, as the compiler's dims do. */
#include "runtime/rt.h"

static bool floordiv(int64_t a, int64_t b, int64_t *q)
{
    if (b == 0 || (a == INT64_MIN && b == -1)) return false;
    *q = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

static bool floormod(int64_t a, int64_t b, int64_t *r)
{
    if (b == 0) return false;
    *r = b == -1 ? 0 : a % b;
    if (*r && (*r < 0) != (b < 0)) *r += b;
    return true;
}

bool rt_dim_apply(uint32_t op, int64_t a, int64_t b, int64_t *result)
{
    switch (op) {
    case LATHE_DIM_ADD:
        return !__builtin_add_overflow(a, b, result);
    case LATHE_DIM_MUL:
        return !__builtin_mul_overflow(a, b, result);
    case LATHE_DIM_FLOORDIV:
        return floordiv(a, b, result);
    case LATHE_DIM_MOD:
        return floormod(a, b, result);
    case LATHE_DIM_MIN:
        *result = a < b ? a : b;
        return true;
    case LATHE_DIM_MAX:
        *result = a > b ? a : b;
        return true;
    case LATHE_DIM_EQ:
        *result = a == b;
        return true;
    case LATHE_DIM_LT:
        *result = a < b;
        return true;
    case LATHE_DIM_CAPACITY:
        *result = a;
        return true;
    default:
        return false;
    }
}

/* ---- intervals ---- */

static const rt_range everything = {INT64_MIN, INT64_MAX};

static int64_t saturate(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : (int64_t)x;
}

static rt_range hull4(const int64_t x[4])
{
    rt_range r = {x[0], x[0]};
    for (int i = 1; i < 4; i++) {
        if (x[i] < r.lo) r.lo = x[i];
        if (x[i] > r.hi) r.hi = x[i];
    }
    return r;
}

static rt_range mul_range(rt_range a, rt_range b)
{
    const int64_t corners[4] = {saturate((__int128)a.lo * b.lo), saturate((__int128)a.lo * b.hi),
                                saturate((__int128)a.hi * b.lo), saturate((__int128)a.hi * b.hi)};
    return hull4(corners);
}

/* A divisor of zero fails the run, so a range that starts there starts at 1. */
static rt_range div_range(rt_range a, rt_range b)
{
    if (b.lo == 0 && b.hi == 0) return (rt_range){0, 0};
    if (b.lo == 0) b.lo = 1;
    if (b.lo < 1 || b.hi < b.lo) return everything;
    int64_t corners[4];
    floordiv(a.lo, b.lo, &corners[0]);
    floordiv(a.lo, b.hi, &corners[1]);
    floordiv(a.hi, b.lo, &corners[2]);
    floordiv(a.hi, b.hi, &corners[3]);
    rt_range r = hull4(corners);
    if (a.hi == INT64_MAX) r.hi = INT64_MAX; /* unbounded stays recognisable */
    return r;
}

static rt_range mod_range(rt_range a, rt_range b)
{
    if (b.lo < 0 || b.hi < 1) return everything;
    if (a.lo >= 0 && a.hi < b.lo) return a;
    return (rt_range){0, a.lo >= 0 && a.hi < b.hi ? a.hi : b.hi - 1};
}

static int64_t dims_least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t dims_most(int64_t a, int64_t b) { return a > b ? a : b; }

static rt_range apply_range(uint32_t op, rt_range a, rt_range b)
{
    switch (op) {
    case LATHE_DIM_ADD:
        return (rt_range){saturate((__int128)a.lo + b.lo), saturate((__int128)a.hi + b.hi)};
    case LATHE_DIM_MUL:
        return mul_range(a, b);
    case LATHE_DIM_FLOORDIV:
        return div_range(a, b);
    case LATHE_DIM_MOD:
        return mod_range(a, b);
    case LATHE_DIM_MIN:
        return (rt_range){dims_least(a.lo, b.lo), dims_least(a.hi, b.hi)};
    case LATHE_DIM_MAX:
        return (rt_range){dims_most(a.lo, b.lo), dims_most(a.hi, b.hi)};
    case LATHE_DIM_EQ:
        return (rt_range){a.lo == a.hi && b.lo == b.hi && a.lo == b.lo,
                          a.lo <= b.hi && b.lo <= a.hi};
    case LATHE_DIM_LT:
        return (rt_range){a.hi < b.lo, a.lo < b.hi};
    case LATHE_DIM_CAPACITY:
        return a;
    default:
        return everything;
    }
}

static void sweep(const rt_view *v, const rt_range *syms, rt_range *slots)
{
    for (uint32_t i = 0; i < v->ndims; i++) {
        const lathe_dim_op *op = &v->dims[i];
        if (op->op == LATHE_DIM_CONST) slots[i] = (rt_range){op->imm, op->imm};
        else if (op->op == LATHE_DIM_SYM) slots[i] = syms[op->a];
        else slots[i] = apply_range(op->op, slots[op->a], slots[op->b]);
    }
}

/* Bounds may use data symbols too, in any order: each sweep is sound and narrows the next. */
void rt_ranges(const rt_view *v, rt_range *syms, rt_range *slots)
{
    enum { MAX_SWEEPS = 8 };
    bool narrowed = true;
    for (int n = 0; n < MAX_SWEEPS && narrowed; n++) {
        narrowed = false;
        sweep(v, syms, slots);
        for (uint32_t i = v->t->n_free; i < v->nsyms; i++) {
            if (!rt_some(v->syms[i].bound_slot)) continue;
            int64_t hi = dims_most(slots[v->syms[i].bound_slot].hi, syms[i].lo);
            if (hi >= syms[i].hi) continue;
            syms[i].hi = hi;
            narrowed = true;
        }
    }
}
