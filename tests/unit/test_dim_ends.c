/* Sizes at the ends of int64: every operator either says what wide arithmetic says, or nothing.
 * What has no number becomes "unknown" (IR_NONE, an evaluation that fails), never a wrapped one. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "tests/unit/fixture.h"

static ir_dim s, b;

static void setup(void)
{
    fixture_begin();
    s = ir_dim_sym(fx.g, ir_sym_new(fx.g, "s", IR_SYM_REGION, 0, INT64_MAX, IR_NONE));
    b = ir_dim_sym(fx.g, ir_sym_new(fx.g, "b", IR_SYM_REGION, INT64_MIN, INT64_MAX, IR_NONE));
}

TestSuite(dim_ends, .init = setup, .fini = fixture_end);

#define K(v) ir_dim_const(fx.g, v)

static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -3, -1, 0, 1, 2,
                               7,         INT64_MAX / 2, INT64_MAX};
enum { N_ENDS = sizeof ends / sizeof *ends };

typedef ir_dim (*operator)(ir_graph *, ir_dim, ir_dim);

static const struct {
    const char *name;
    operator make;
} operators[] = {{"add", ir_dim_add},         {"sub", ir_dim_sub},
                 {"mul", ir_dim_mul},         {"floordiv", ir_dim_floordiv},
                 {"ceildiv", ir_dim_ceildiv}, {"mod", ir_dim_mod},
                 {"min", ir_dim_min},         {"max", ir_dim_max},
                 {"eq", ir_dim_eq},           {"lt", ir_dim_lt}};
enum { N_OPERATORS = sizeof operators / sizeof *operators };

/* False: there is no such number, or none that 64 bits hold. */
static bool wide(operator f, int64_t x, int64_t y, int64_t *value)
{
    __int128 p = x, q = y, r;
    if (f == ir_dim_floordiv || f == ir_dim_mod || f == ir_dim_ceildiv) {
        if (q == 0) return false;
        if (f == ir_dim_ceildiv) p += q - 1;
        r = p / q - (p % q != 0 && (p < 0) != (q < 0));
        if (f == ir_dim_mod) r = p - r * q;
    } else if (f == ir_dim_min || f == ir_dim_max) {
        r = (f == ir_dim_min) == (p < q) ? p : q;
    } else if (f == ir_dim_eq || f == ir_dim_lt) {
        r = f == ir_dim_eq ? p == q : p < q;
    } else {
        r = f == ir_dim_add ? p + q : f == ir_dim_sub ? p - q : p * q;
    }
    *value = (int64_t)r;
    return r >= INT64_MIN && r <= INT64_MAX;
}

Test(dim_ends, constants)
{
    for (int o = 0; o < N_OPERATORS; o++)
        for (int i = 0; i < N_ENDS; i++)
            for (int j = 0; j < N_ENDS; j++) {
                int64_t want, got;
                bool exists = wide(operators[o].make, ends[i], ends[j], &want);
                ir_dim d = operators[o].make(fx.g, K(ends[i]), K(ends[j]));
                bool right = ir_dim_is_const(fx.g, d, &got) ? exists && got == want : d == IR_NONE;
                cr_expect(right, "%s of %" PRId64 " and %" PRId64, operators[o].name, ends[i],
                          ends[j]);
            }
}

/* x*s + y*b + z, and what it is for one s and b. */
typedef struct line {
    int64_t x, y, z;
    ir_dim dim;
} line;

static ir_dim line_dim(const line *l)
{
    ir_dim x = ir_dim_mul(fx.g, K(l->x), s), y = ir_dim_mul(fx.g, K(l->y), b);
    return ir_dim_add(fx.g, ir_dim_add(fx.g, x, y), K(l->z));
}

static void check_at(int o, const line *p, const line *q, ir_dim d)
{
    for (int i = 0; i < N_ENDS; i++)
        for (int j = 0; j < N_ENDS; j++) {
            int64_t at[] = {0, ends[i], ends[j]}, x, y, want, got, lo, hi;
            if (ends[i] < 0 || !ir_dim_eval(fx.g, p->dim, at, &x) ||
                !ir_dim_eval(fx.g, q->dim, at, &y) || !wide(operators[o].make, x, y, &want) ||
                !ir_dim_eval(fx.g, d, at, &got))
                continue;
            ir_dim_range(fx.g, d, &lo, &hi);
            cr_assert(got == want && lo <= got && got <= hi,
                      "%s of %s and %s, s %" PRId64 ", b %" PRId64 ": %" PRId64 " is %" PRId64,
                      operators[o].name, ir_dim_text(fx.g, p->dim), ir_dim_text(fx.g, q->dim),
                      at[1], at[2], want, got);
        }
}

/* Every operator over lines whose coefficients stand at the ends. */
Test(dim_ends, polynomials)
{
    uint64_t state = 1;
    for (int turn = 0; turn < 3000; turn++) {
        line l[2];
        for (int k = 0; k < 2; k++) {
            int64_t drawn[3];
            for (int c = 0; c < 3; c++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                drawn[c] = (state >> 60) < 5 ? 0 : ends[(state >> 33) % N_ENDS];
            }
            l[k] = (line){drawn[0], drawn[1], drawn[2], IR_NONE};
            l[k].dim = line_dim(&l[k]);
        }
        if (l[0].dim == IR_NONE || l[1].dim == IR_NONE) continue;
        for (int o = 0; o < N_OPERATORS; o++) {
            ir_dim d = operators[o].make(fx.g, l[0].dim, l[1].dim);
            if (d != IR_NONE) check_at(o, &l[0], &l[1], d);
        }
    }
}
