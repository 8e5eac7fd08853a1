/* Division, minimum, comparison of dims: what is decided by divisibility and by ranges becomes a
 * polynomial again; only the rest stays as an atom.
 *
 * floordiv(c*q + r, c) = q + floordiv(r, c) for an integer q, so coefficients are reduced modulo a
 * constant divisor; a polynomial divisor is tried by polynomial long division. A size that divides
 * is taken as non-zero, as the model's own run would fail there. */
#include "ir/dim_impl.h"

bool ir_dim_is_const(const ir_graph *g, ir_dim d, int64_t *value)
{
    if (d == IR_NONE || ir_dim_get(g, d)->kind != IR_DIM_CONST) return false;
    if (value) *value = ir_dim_get(g, d)->value;
    return true;
}

bool ir_dim_equals(const ir_graph *g, ir_dim d, int64_t value)
{
    int64_t v;
    return ir_dim_is_const(g, d, &v) && v == value;
}

/* coef times the product of a term's atoms, as a dim. */
static ir_dim term_dim(ir_graph *g, const ir_term *t, int64_t coef)
{
    return ir_dim_mul(g, ir_dim_const(g, coef), ir_dim_product(g, t->atoms, t->natoms));
}

/* Splits d into c*q + r with the coefficients of r in [0, c). */
static void split_by_const(ir_graph *g, ir_dim d, int64_t c, ir_dim *q, ir_dim *r)
{
    *q = *r = ir_dim_const(g, 0);
    for (int i = 0; i < ir_dim_get(g, d)->nterms; i++) {
        const ir_term t = ir_dim_get(g, d)->terms[i];
        int64_t quotient = ir_floordiv(t.coef, c), rest = ir_floormod(t.coef, c);
        *q = ir_dim_add(g, *q, term_dim(g, &t, quotient));
        *r = ir_dim_add(g, *r, term_dim(g, &t, rest));
    }
}

/* The range of a - b: unbounded where 64 bits do not hold the difference, which nobody asked for.
 */
static void difference_range(ir_graph *g, ir_dim a, ir_dim b, int64_t *lo, int64_t *hi)
{
    bool overflow = g->overflow;
    ir_dim difference = ir_dim_sub(g, a, b);
    g->overflow = overflow;
    ir_dim_range(g, difference, lo, hi);
}

static bool certainly_less(ir_graph *g, ir_dim a, ir_dim b)
{
    int64_t lo, hi;
    difference_range(g, b, a, &lo, &hi);
    return lo > 0;
}

static bool in_range(const ir_graph *g, ir_dim d, int64_t lo, int64_t hi)
{
    int64_t l, h;
    ir_dim_range(g, d, &l, &h);
    return l >= lo && h <= hi;
}

static ir_dim floordiv_const(ir_graph *g, ir_dim a, int64_t c)
{
    if (c == 1) return a;
    ir_dim q, r;
    split_by_const(g, a, c, &q, &r);
    if (q == IR_NONE || r == IR_NONE) return IR_NONE;
    if (in_range(g, r, 0, c - 1)) return q;
    ir_dim_node n = *ir_dim_get(g, r);
    int64_t inner, product;
    if (n.kind == IR_DIM_FLOORDIV && ir_dim_is_const(g, n.b, &inner) && inner > 0 &&
        !__builtin_mul_overflow(inner, c, &product))
        return ir_dim_add(g, q, floordiv_const(g, n.a, product));
    return ir_dim_add(g, q, ir_dim_atom(g, IR_DIM_FLOORDIV, r, ir_dim_const(g, c)));
}

/* t / by as a monomial; IR_NONE if it does not divide. */
static ir_dim divide_term(ir_graph *g, const ir_term *t, const ir_term *by)
{
    if (by->coef == 0 || (t->coef == INT64_MIN && by->coef == -1)) return IR_NONE;
    if (t->coef % by->coef != 0) return IR_NONE;
    ir_dim quotient = ir_dim_const(g, t->coef / by->coef);
    int j = 0;
    for (int i = 0; i < t->natoms; i++) {
        if (j < by->natoms && t->atoms[i] == by->atoms[j]) {
            j++;
        } else {
            quotient = ir_dim_mul(g, quotient, t->atoms[i]);
        }
    }
    return j == by->natoms ? quotient : IR_NONE;
}

static ir_dim long_division(ir_graph *g, ir_dim a, ir_dim b)
{
    ir_dim quotient = ir_dim_const(g, 0), rest = a;
    for (int turn = 0; turn < 64; turn++) {
        const ir_dim_node *r = ir_dim_get(g, rest), *d = ir_dim_get(g, b);
        if (r->nterms == 0) return quotient;
        const ir_term lead = r->terms[r->nterms - 1], by = d->terms[d->nterms - 1];
        ir_dim q = divide_term(g, &lead, &by);
        if (q == IR_NONE) return IR_NONE;
        quotient = ir_dim_add(g, quotient, q);
        rest = ir_dim_sub(g, rest, ir_dim_mul(g, q, b));
        if (rest == IR_NONE || quotient == IR_NONE) return IR_NONE;
    }
    return IR_NONE;
}

/* Exact polynomial quotient a / b by long division on the leading (last) terms; IR_NONE if none. An
 * attempt: what overflows in it is no size of the graph. */
static ir_dim divide_exact(ir_graph *g, ir_dim a, ir_dim b)
{
    bool overflow = g->overflow;
    ir_dim quotient = long_division(g, a, b);
    g->overflow = overflow;
    return quotient;
}

/* ---- common factors ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* Narrows *common, a monomial, to what divides term t as well. */
static void common_factor(const ir_graph *g, ir_term *common, ir_dim *atoms, const ir_term *t)
{
    int n = 0, j = 0;
    for (int i = 0; i < common->natoms; i++) {
        while (j < t->natoms && ir_dim_compare(g, t->atoms[j], common->atoms[i]) < 0) j++;
        if (j < t->natoms && t->atoms[j] == common->atoms[i]) {
            atoms[n++] = common->atoms[i];
            j++;
        }
    }
    common->natoms = n;
    common->atoms = atoms;
    common->coef = gcd(common->coef, t->coef);
}

/* The magnitude of every coefficient is an int64_t. */
static bool has_magnitudes(const ir_dim_node *n)
{
    for (int i = 0; i < n->nterms; i++)
        if (n->terms[i].coef == INT64_MIN) return false;
    return true;
}

/* Divides a and b by the greatest monomial that divides all terms of both. */
static void cancel(ir_graph *g, ir_dim *a, ir_dim *b)
{
    const ir_dim_node *x = ir_dim_get(g, *a), *y = ir_dim_get(g, *b);
    if (x->nterms == 0 || y->nterms == 0 || !has_magnitudes(x) || !has_magnitudes(y)) return;
    ir_term common = x->terms[0];
    ir_dim *atoms = IR_NEW_N(g->arena, ir_dim, (size_t)common.natoms + 1);
    common.coef = common.coef < 0 ? -common.coef : common.coef;
    for (int i = 1; i < x->nterms; i++) common_factor(g, &common, atoms, &x->terms[i]);
    for (int i = 0; i < y->nterms; i++) common_factor(g, &common, atoms, &y->terms[i]);
    if (common.natoms == 0 && common.coef == 1) return;
    ir_dim factor = term_dim(g, &common, common.coef);
    ir_dim p = divide_exact(g, *a, factor), q = divide_exact(g, *b, factor);
    if (p == IR_NONE || q == IR_NONE) return; /* more terms than are tried */
    *a = p;
    *b = q;
}

ir_dim ir_dim_floordiv(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    int64_t x, y;
    if (ir_dim_is_const(g, b, &y)) {
        if (y == 0) return ir_dim_overflow(g);
        if (ir_dim_is_const(g, a, &x))
            return x == INT64_MIN && y == -1 ? ir_dim_overflow(g)
                                             : ir_dim_const(g, ir_floordiv(x, y));
        if (y > 0) return floordiv_const(g, a, y);
        if (y == INT64_MIN) return ir_dim_atom(g, IR_DIM_FLOORDIV, a, b); /* -y does not exist */
        ir_dim negated = ir_dim_sub(g, ir_dim_const(g, 0), a);
        return negated == IR_NONE ? IR_NONE : floordiv_const(g, negated, -y);
    }
    if (ir_dim_equals(g, a, 0)) return a;
    ir_dim exact = divide_exact(g, a, b);
    if (exact != IR_NONE) return exact;
    cancel(g, &a, &b);
    if (ir_dim_is_const(g, b, NULL)) return ir_dim_floordiv(g, a, b);
    if (in_range(g, a, 0, INT64_MAX) && certainly_less(g, a, b)) return ir_dim_const(g, 0);
    return ir_dim_atom(g, IR_DIM_FLOORDIV, a, b);
}

ir_dim ir_dim_ceildiv(ir_graph *g, ir_dim a, ir_dim b)
{
    return ir_dim_floordiv(g, ir_dim_sub(g, ir_dim_add(g, a, b), ir_dim_const(g, 1)), b);
}

ir_dim ir_dim_mod(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    int64_t x, y;
    if (ir_dim_is_const(g, b, &y)) {
        if (y == 0) return ir_dim_overflow(g);
        if (ir_dim_is_const(g, a, &x)) return ir_dim_const(g, ir_floormod(x, y));
        if (y > 0) {
            ir_dim q, r;
            split_by_const(g, a, y, &q, &r);
            if (r == IR_NONE || in_range(g, r, 0, y - 1)) return r;
            return ir_dim_atom(g, IR_DIM_MOD, r, b);
        }
    }
    if (divide_exact(g, a, b) != IR_NONE) return ir_dim_const(g, 0);
    if (in_range(g, a, 0, INT64_MAX) && certainly_less(g, a, b)) return a;
    return ir_dim_atom(g, IR_DIM_MOD, a, b);
}

/* An atom of a commutative kind, its operands in structural order. */
static ir_dim commutative(ir_graph *g, ir_dim_kind kind, ir_dim a, ir_dim b)
{
    return ir_dim_compare(g, a, b) <= 0 ? ir_dim_atom(g, kind, a, b) : ir_dim_atom(g, kind, b, a);
}

static ir_dim extremum(ir_graph *g, ir_dim_kind kind, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE || a == b) return a == b ? a : IR_NONE;
    int64_t lo, hi, alo, ahi, blo, bhi;
    ir_dim_range(g, a, &alo, &ahi);
    ir_dim_range(g, b, &blo, &bhi);
    bool less = ahi <= blo, more = alo >= bhi;
    if (!less && !more) {
        difference_range(g, a, b, &lo, &hi);
        less = hi <= 0;
        more = lo >= 0;
    }
    if (less) return kind == IR_DIM_MIN ? a : b;
    if (more) return kind == IR_DIM_MIN ? b : a;
    const ir_dim_node *x = ir_dim_get(g, a), *y = ir_dim_get(g, b);
    if (x->kind == kind && (x->a == b || x->b == b)) return a;
    if (y->kind == kind && (y->a == a || y->b == a)) return b;
    return commutative(g, kind, a, b);
}

ir_dim ir_dim_min(ir_graph *g, ir_dim a, ir_dim b) { return extremum(g, IR_DIM_MIN, a, b); }
ir_dim ir_dim_max(ir_graph *g, ir_dim a, ir_dim b) { return extremum(g, IR_DIM_MAX, a, b); }

ir_dim ir_dim_eq(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    if (a == b) return ir_dim_const(g, 1);
    int64_t lo, hi, alo, ahi, blo, bhi;
    ir_dim_range(g, a, &alo, &ahi);
    ir_dim_range(g, b, &blo, &bhi);
    if (ahi < blo || bhi < alo) return ir_dim_const(g, 0);
    difference_range(g, a, b, &lo, &hi);
    if (lo > 0 || hi < 0) return ir_dim_const(g, 0);
    return commutative(g, IR_DIM_EQ, a, b);
}

ir_dim ir_dim_lt(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    int64_t lo, hi, alo, ahi, blo, bhi;
    ir_dim_range(g, a, &alo, &ahi);
    ir_dim_range(g, b, &blo, &bhi);
    if (ahi < blo) return ir_dim_const(g, 1);
    if (alo >= bhi) return ir_dim_const(g, 0);
    difference_range(g, b, a, &lo, &hi);
    if (lo > 0) return ir_dim_const(g, 1);
    if (hi <= 0) return ir_dim_const(g, 0);
    return ir_dim_atom(g, IR_DIM_LT, a, b);
}

ir_dim ir_dim_select(ir_graph *g, ir_dim cond01, ir_dim a, ir_dim b)
{
    int64_t known;
    if (a == IR_NONE || b == IR_NONE || a == b) return a == b ? a : IR_NONE;
    if (ir_dim_is_const(g, cond01, &known)) return known ? a : b;
    return ir_dim_add(g, b, ir_dim_mul(g, cond01, ir_dim_sub(g, a, b)));
}
