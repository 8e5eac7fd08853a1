/* Elementary functions that kernels do not inline: those of f64, and rare ones of f32.
 *
 * Called lane by lane with plain doubles. They are libm's, except where ONNX or totality asks for
 * more; the linker drops what a model does not use. */
#include <math.h>
#include <stdint.h>

#define UNARY(name)                                                                                \
    double lathe_rt_##name(double);                                                                \
    double lathe_rt_##name(double x) { return name(x); }
#define BINARY(name)                                                                               \
    double lathe_rt_##name(double, double);                                                        \
    double lathe_rt_##name(double x, double y) { return name(x, y); }

UNARY(exp)
UNARY(log)
UNARY(log1p)
UNARY(expm1)
UNARY(tanh)
UNARY(erf)
UNARY(erfc)
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(sinh)
UNARY(cosh)
UNARY(asinh)
UNARY(acosh)
UNARY(atanh)
BINARY(pow)
BINARY(atan2)
BINARY(fmod)

/* exp of the negative magnitude cannot overflow, and keeps the digits of small results. */
double lathe_rt_sigmoid(double);
double lathe_rt_sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

int64_t lathe_rt_power_u64(int64_t, int64_t);
int64_t lathe_rt_power_u64(int64_t base, int64_t exponent)
{
    uint64_t r = 1, b = (uint64_t)base;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, b *= b)
        if (e & 1) r *= b;
    return (int64_t)r;
}

/* A negative power is 0 unless the base is 1 or -1. */
int64_t lathe_rt_power_i64(int64_t, int64_t);
int64_t lathe_rt_power_i64(int64_t base, int64_t exponent)
{
    if (exponent >= 0) return lathe_rt_power_u64(base, exponent);
    if (base != 1 && base != -1) return 0;
    return exponent % 2 ? base : 1;
}
