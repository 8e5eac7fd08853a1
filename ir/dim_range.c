/* Intervals of dims. In: a dim; out: bounds that hold for every value its symbols can take.
 * INT64_MIN and INT64_MAX stand for "unbounded"; arithmetic saturates to them. */
#include "ir/dim_impl.h"

enum { MAX_BOUNDS = 3 };

typedef struct interval {
    int64_t lo, hi;
} interval;

static int64_t sat_add(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_add_overflow(a, b, &r)) return r;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

/* Lower bounds add with -inf absorbing, upper bounds with +inf absorbing. */
static interval dim_range_add(interval a, interval b)
{
    return (interval){a.lo == INT64_MIN || b.lo == INT64_MIN ? INT64_MIN : sat_add(a.lo, b.lo),
                      a.hi == INT64_MAX || b.hi == INT64_MAX ? INT64_MAX : sat_add(a.hi, b.hi)};
}

static int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;
    if (a == 0 || b == 0) return 0;
    bool infinite = a == INT64_MIN || a == INT64_MAX || b == INT64_MIN || b == INT64_MAX;
    if (!infinite && !__builtin_mul_overflow(a, b, &r)) return r;
    return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
}

static interval hull(const int64_t *v, int n)
{
    interval r = {v[0], v[0]};
    for (int i = 1; i < n; i++) {
        if (v[i] < r.lo) r.lo = v[i];
        if (v[i] > r.hi) r.hi = v[i];
    }
    return r;
}

static interval dim_range_mul(interval a, interval b)
{
    return hull((int64_t[]){sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo),
                            sat_mul(a.hi, b.hi)},
                4);
}

static int64_t sat_div(int64_t a, int64_t b)
{
    if (a == INT64_MIN || a == INT64_MAX) return a; /* b > 0 */
    if (b == INT64_MAX) return a < 0 ? -1 : 0;
    return ir_floordiv(a, b);
}

static interval floordiv(interval a, interval b)
{
    /* A number at an end would be taken for "unbounded", which division leaves as it is. */
    bool at_end = a.hi == INT64_MIN || a.lo == INT64_MAX;
    if (b.lo <= 0 || at_end) return (interval){INT64_MIN, INT64_MAX};
    return hull((int64_t[]){sat_div(a.lo, b.lo), sat_div(a.lo, b.hi), sat_div(a.hi, b.lo),
                            sat_div(a.hi, b.hi)},
                4);
}

static interval range(const ir_graph *g, ir_dim d, int bounds);

static interval sum_range(const ir_graph *g, const ir_dim_node *n, int bounds)
{
    interval sum = {0, 0};
    for (int i = 0; i < n->nterms; i++) {
        interval product = {n->terms[i].coef, n->terms[i].coef};
        for (int j = 0; j < n->terms[i].natoms; j++)
            product = dim_range_mul(product, range(g, n->terms[i].atoms[j], bounds));
        sum = dim_range_add(sum, product);
    }
    return sum;
}

/* Bounds mention symbols that have bounds: `bounds` limits how far that is followed, because a
 * chain that mentions each symbol several times would take exponential time. */
static interval sym_range(const ir_graph *g, const ir_symbol *s, int bounds)
{
    interval r = {s->lo, s->hi};
    if (s->bound != IR_NONE && bounds > 0) {
        interval b = range(g, s->bound, bounds - 1);
        if (b.hi < r.hi) r.hi = b.hi;
    }
    return r;
}

static int64_t min2(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max2(int64_t a, int64_t b) { return a > b ? a : b; }

static interval range(const ir_graph *g, ir_dim d, int bounds)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    switch (n->kind) {
    case IR_DIM_CONST:
        return (interval){n->value, n->value};
    case IR_DIM_SYM:
        return sym_range(g, &g->syms[n->sym], bounds);
    case IR_DIM_SUM:
        return sum_range(g, n, bounds);
    case IR_DIM_EQ:
    case IR_DIM_LT:
        return (interval){0, 1};
    default:
        break;
    }
    interval a = range(g, n->a, bounds), b = range(g, n->b, bounds);
    switch (n->kind) {
    case IR_DIM_FLOORDIV:
        return floordiv(a, b);
    case IR_DIM_MOD:
        if (b.lo <= 0) return (interval){INT64_MIN, INT64_MAX};
        return (interval){0, b.hi == INT64_MAX ? INT64_MAX : b.hi - 1};
    case IR_DIM_MIN:
        return (interval){min2(a.lo, b.lo), min2(a.hi, b.hi)};
    default:
        return (interval){max2(a.lo, b.lo), max2(a.hi, b.hi)};
    }
}

void ir_dim_range(const ir_graph *g, ir_dim d, int64_t *lo, int64_t *hi)
{
    interval r = d == IR_NONE ? (interval){INT64_MIN, INT64_MAX} : range(g, d, MAX_BOUNDS);
    *lo = r.lo;
    *hi = r.hi;
}
