/* Arithmetic of the scalar operators on constants: one operator, values in, value out.
 *
 * Integers travel as int64 (unsigned 64-bit ones as their bits), bool as 0 or 1, floats as double
 * that holds a value of the operator's type. f32 arithmetic done in double and rounded once is
 * exact for + - * / and sqrt. Folding (ir_scalar_fold) is limited to operators whose result is the
 * same on every host; ir_scalar_apply adds the rest through libm, for tests and oracles. */
#include "ir/dim_impl.h"

#include <math.h>
#include <string.h>

int64_t ir_wrap_int(ir_elem elem, int64_t v)
{
    int bits = ir_elem_bits(elem);
    char class = ir_elem_class(elem);
    if (class == 'B') return v != 0;
    if (bits >= 64 || bits <= 0) return v;
    uint64_t low = (uint64_t)v & ((UINT64_C(1) << bits) - 1);
    if (class == 'S' && (low >> (bits - 1)) & 1) low |= ~UINT64_C(0) << bits;
    return (int64_t)low;
}

/* Round to nearest even with `mantissa` explicit bits and least normal exponent `emin`. */
static double round_binary(double v, int mantissa, int emin, double max)
{
    if (v == 0 || !isfinite(v)) return v;
    int e;
    frexp(v, &e);
    e = e - 1 < emin ? emin : e - 1;
    double unit = ldexp(1.0, e - mantissa);
    double r = nearbyint(v / unit) * unit;
    return fabs(r) > max ? copysign(INFINITY, v) : r;
}

double ir_round_float(ir_elem elem, double v)
{
    switch (elem) {
    case IR_F32:
        return (float)v;
    case IR_F16:
        return round_binary(v, 10, -14, 65504.0);
    case IR_BF16:
        return (float)round_binary(v, 7, -126, 0x1.FEp127);
    default:
        return v;
    }
}

/* ---- integers ---- */

static bool is_unsigned(ir_elem t) { return ir_elem_class(t) == 'U' || t == IR_BOOL; }

static int64_t divide(ir_scalar op, ir_elem t, int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (is_unsigned(t)) {
        uint64_t q = (uint64_t)a / (uint64_t)b, r = (uint64_t)a % (uint64_t)b;
        return (int64_t)(ir_x_op_is(op, IR_X_QUOTIENT) ? q : r);
    }
    if (b == -1) return ir_x_op_is(op, IR_X_QUOTIENT) ? (int64_t)(0 - (uint64_t)a) : 0;
    switch (op) {
    case IR_X_DIV:
        return a / b;
    case IR_X_REM:
        return a % b;
    case IR_X_FLOORDIV:
        return ir_floordiv(a, b);
    default:
        return ir_floormod(a, b);
    }
}

static int64_t power(int64_t base, int64_t exponent, bool is_u)
{
    if (exponent < 0 && !is_u) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t r = 1, b = (uint64_t)base;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, b *= b)
        if (e & 1) r *= b;
    return (int64_t)r;
}

static int64_t shift(ir_scalar op, ir_elem t, int64_t a, int64_t n)
{
    bool out = (uint64_t)n >= (uint64_t)ir_elem_bits(t);
    if (op == IR_X_SHL) return out ? 0 : (int64_t)((uint64_t)a << n);
    if (is_unsigned(t)) return out ? 0 : (int64_t)((uint64_t)a >> n);
    return out ? (a < 0 ? -1 : 0) : a >> n;
}

static bool int_less(ir_elem t, int64_t a, int64_t b)
{
    return is_unsigned(t) ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t scalar_check(int64_t i, int64_t n)
{
    if (i < 0) i += n;
    return i < 0 || i >= n ? 0 : i;
}

static bool apply_int(ir_scalar op, ir_elem t, int64_t a, int64_t b, int64_t *r)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (op) {
    case IR_X_ADD:
        *r = (int64_t)(x + y);
        return true;
    case IR_X_SUB:
        *r = (int64_t)(x - y);
        return true;
    case IR_X_MUL:
        *r = (int64_t)(x * y);
        return true;
    case IR_X_DIV:
    case IR_X_REM:
    case IR_X_FLOORDIV:
    case IR_X_MOD:
        *r = divide(op, t, a, b);
        return true;
    case IR_X_MIN:
        *r = int_less(t, a, b) ? a : b;
        return true;
    case IR_X_MAX:
        *r = int_less(t, a, b) ? b : a;
        return true;
    case IR_X_POW:
        *r = power(a, b, is_unsigned(t));
        return true;
    case IR_X_NEG:
        *r = (int64_t)(0 - x);
        return true;
    case IR_X_ABS:
        *r = a < 0 && !is_unsigned(t) ? (int64_t)(0 - x) : a;
        return true;
    case IR_X_SIGN:
        *r = a == 0 ? 0 : a < 0 && !is_unsigned(t) ? -1 : 1;
        return true;
    case IR_X_FLOOR:
    case IR_X_CEIL:
    case IR_X_ROUND:
    case IR_X_TRUNC:
        *r = a;
        return true;
    case IR_X_EQ:
        *r = a == b;
        return true;
    case IR_X_NE:
        *r = a != b;
        return true;
    case IR_X_LT:
        *r = int_less(t, a, b);
        return true;
    case IR_X_LE:
        *r = !int_less(t, b, a);
        return true;
    case IR_X_ISNAN:
    case IR_X_ISINF:
        *r = 0;
        return true;
    case IR_X_AND:
        *r = a & b;
        return true;
    case IR_X_OR:
        *r = a | b;
        return true;
    case IR_X_XOR:
        *r = a ^ b;
        return true;
    case IR_X_NOT:
        *r = t == IR_BOOL ? !a : ~a;
        return true;
    case IR_X_SHL:
    case IR_X_SHR:
        *r = shift(op, t, a, b);
        return true;
    case IR_X_CHECK:
        *r = scalar_check(a, b);
        return true;
    default:
        return false;
    }
}

/* ---- floats ---- */

static double float_mod(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double float_extremum(bool max, double a, double b)
{
    if (isnan(a) || isnan(b)) return NAN;
    return max ? (a > b ? a : b) : (a < b ? a : b);
}

/* Correctly rounded on every host. */
static bool apply_exact(ir_scalar op, double a, double b, double *r)
{
    switch (op) {
    case IR_X_ADD:
        *r = a + b;
        return true;
    case IR_X_SUB:
        *r = a - b;
        return true;
    case IR_X_MUL:
        *r = a * b;
        return true;
    case IR_X_DIV:
        *r = a / b;
        return true;
    case IR_X_REM:
        *r = fmod(a, b);
        return true;
    case IR_X_MOD:
        *r = float_mod(a, b);
        return true;
    case IR_X_MIN:
        *r = float_extremum(false, a, b);
        return true;
    case IR_X_MAX:
        *r = float_extremum(true, a, b);
        return true;
    case IR_X_NEG:
        *r = -a;
        return true;
    case IR_X_ABS:
        *r = fabs(a);
        return true;
    case IR_X_SIGN:
        *r = isnan(a) ? a : (a > 0) - (a < 0);
        return true;
    case IR_X_FLOOR:
        *r = floor(a);
        return true;
    case IR_X_CEIL:
        *r = ceil(a);
        return true;
    case IR_X_ROUND:
        *r = nearbyint(a);
        return true;
    case IR_X_TRUNC:
        *r = trunc(a);
        return true;
    case IR_X_SQRT:
        *r = sqrt(a);
        return true;
    default:
        return false;
    }
}

static bool apply_libm(ir_scalar op, double a, double b, double *r)
{
    switch (op) {
    case IR_X_FLOORDIV:
        *r = floor(a / b);
        return true;
    case IR_X_POW:
        *r = pow(a, b);
        return true;
    case IR_X_ATAN2:
        *r = atan2(a, b);
        return true;
    case IR_X_EXP:
        *r = exp(a);
        return true;
    case IR_X_LOG:
        *r = log(a);
        return true;
    case IR_X_LOG1P:
        *r = log1p(a);
        return true;
    case IR_X_EXPM1:
        *r = expm1(a);
        return true;
    case IR_X_TANH:
        *r = tanh(a);
        return true;
    case IR_X_ERF:
        *r = erf(a);
        return true;
    case IR_X_ERFC:
        *r = erfc(a);
        return true;
    case IR_X_SIGMOID:
        *r = 1 / (1 + exp(-a));
        return true;
    case IR_X_SIN:
        *r = sin(a);
        return true;
    case IR_X_COS:
        *r = cos(a);
        return true;
    case IR_X_TAN:
        *r = tan(a);
        return true;
    case IR_X_ASIN:
        *r = asin(a);
        return true;
    case IR_X_ACOS:
        *r = acos(a);
        return true;
    case IR_X_ATAN:
        *r = atan(a);
        return true;
    case IR_X_SINH:
        *r = sinh(a);
        return true;
    case IR_X_COSH:
        *r = cosh(a);
        return true;
    case IR_X_ASINH:
        *r = asinh(a);
        return true;
    case IR_X_ACOSH:
        *r = acosh(a);
        return true;
    case IR_X_ATANH:
        *r = atanh(a);
        return true;
    default:
        return false;
    }
}

static bool compare_floats(ir_scalar op, double a, double b, int64_t *r)
{
    switch (op) {
    case IR_X_EQ:
        *r = a == b;
        return true;
    case IR_X_NE:
        *r = a != b;
        return true;
    case IR_X_LT:
        *r = a < b;
        return true;
    case IR_X_LE:
        *r = a <= b;
        return true;
    case IR_X_ISNAN:
        *r = isnan(a) != 0;
        return true;
    case IR_X_ISINF:
        *r = isinf(a) != 0;
        return true;
    default:
        return false;
    }
}

/* ---- casts ---- */

static int64_t saturate(ir_elem to, double v)
{
    int bits = ir_elem_bits(to);
    if (isnan(v)) return 0;
    if (ir_elem_class(to) == 'U') {
        if (v <= 0) return 0;
        if (v >= ldexp(1.0, bits))
            return (int64_t)(bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1);
        return (int64_t)(uint64_t)v;
    }
    double limit = ldexp(1.0, bits - 1);
    if (v < -limit) return bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1));
    if (v >= limit) return bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
    return (int64_t)v;
}

static bool cast_foldable(ir_elem to)
{
    return ir_elem_class(to) != 'L' || to == IR_F16 || to == IR_BF16;
}

static bool apply_cast(ir_elem from, ir_elem to, ir_scalar_value v, ir_scalar_value *out)
{
    bool from_float = ir_elem_is_float(from), to_float = ir_elem_is_float(to);
    if (!cast_foldable(to)) return false;
    if (from_float && to_float) {
        out->f = ir_round_float(to, v.f);
    } else if (from_float) {
        out->i = to == IR_BOOL ? v.f != 0 : saturate(to, v.f);
    } else if (!to_float) {
        out->i = ir_wrap_int(to, v.i);
    } else if (from == IR_U64) {
        out->f = to == IR_F64 ? (double)(uint64_t)v.i : ir_round_float(to, (float)(uint64_t)v.i);
    } else {
        out->f = to == IR_F64 ? (double)v.i : ir_round_float(to, (float)v.i);
    }
    return true;
}

static bool apply(bool exact_only, ir_scalar op, ir_elem type, ir_elem from, int64_t imm,
                  const ir_scalar_value *args, int n, ir_scalar_value *out)
{
    if (op == IR_X_CAST) return apply_cast(from, (ir_elem)imm, args[0], out);
    if (op == IR_X_SELECT) {
        *out = args[0].i ? args[1] : args[2];
        return true;
    }
    ir_scalar_value b = n > 1 ? args[1] : args[0];
    if (!ir_elem_is_float(from)) {
        if (!apply_int(op, from, args[0].i, b.i, &out->i)) return false;
        out->i = ir_wrap_int(type, out->i);
        return true;
    }
    if (compare_floats(op, args[0].f, b.f, &out->i)) return true;
    double r;
    if (!apply_exact(op, args[0].f, b.f, &r) && (exact_only || !apply_libm(op, args[0].f, b.f, &r)))
        return false;
    out->f = ir_round_float(type, r);
    return true;
}

bool ir_scalar_fold(ir_scalar op, ir_elem type, ir_elem from, int64_t imm,
                    const ir_scalar_value *args, int n, ir_scalar_value *out)
{
    return apply(true, op, type, from, imm, args, n, out);
}

bool ir_scalar_apply(ir_scalar op, ir_elem type, ir_elem from, int64_t imm,
                     const ir_scalar_value *args, int n, ir_scalar_value *out)
{
    return apply(false, op, type, from, imm, args, n, out);
}
