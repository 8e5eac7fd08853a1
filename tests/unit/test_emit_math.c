/* Accuracy of the elementary functions of f32: largest error over samples of all floats.
 *
 * The reference is libm in double. Errors are in units of the last place of the exact result, so
 * that the exactly rounded function has 0.5. Results that f32 cannot hold must be the rounded
 * reference exactly (infinities, NaN), tiny ones may be off by one denormal. A function whose error
 * is absolute has that of a larger number. */
#include "tests/unit/kernels.h"

#include <math.h>

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static const struct {
    ir_scalar op;
    double (*reference)(double);
    double ulps;  /* allowed; the polynomials' comments say the same */
    double least; /* results below are measured in its units */
} functions[] = {
    {IR_X_EXP, exp, 1, 0},        {IR_X_EXPM1, expm1, 1.5, 0},     {IR_X_LOG, log, 0.8, 0},
    {IR_X_LOG1P, log1p, 1.5, 0},  {IR_X_TANH, tanh, 1.5, 0},       {IR_X_ERF, erf, 1.2, 0},
    {IR_X_ERFC, erfc, 1.2, 1},    {IR_X_SIGMOID, sigmoid, 2.5, 0}, {IR_X_SIN, sin, 0.51, 0},
    {IR_X_COS, cos, 0.51, 0},     {IR_X_TAN, tan, 0.51, 0},        {IR_X_ASIN, asin, 0.51, 0},
    {IR_X_ACOS, acos, 0.51, 0},   {IR_X_ATAN, atan, 0.51, 0},      {IR_X_SINH, sinh, 0.51, 0},
    {IR_X_COSH, cosh, 0.51, 0},   {IR_X_ASINH, asinh, 0.51, 0},    {IR_X_ACOSH, acosh, 0.51, 0},
    {IR_X_ATANH, atanh, 0.51, 0},
};
enum { NFUNCTIONS = sizeof functions / sizeof *functions, SAMPLES = 1 << 20 };

static float x[SAMPLES], y[SAMPLES], result[SAMPLES];
static double want[SAMPLES];

static void setup(void)
{
    kernels_begin();
    ir_dim n = cdim(SAMPLES);
    cg_operand operands[] = {operand(IR_F32, 1, &n), operand(IR_F32, 1, &n)};
    cg_nest nest = {.kind = CG_NEST_MAP,
                    .rank = 1,
                    .space = {n},
                    .noperands = 2,
                    .operands = operands,
                    .out = operands[0]};
    nest.store[0] = idx(0);
    ir_expr at = idx(0), a = ir_x_load(fx.g, IR_F32, 0, &at, 1),
            b = ir_x_load(fx.g, IR_F32, 1, &at, 1);
    for (size_t i = 0; i < NFUNCTIONS; i++) {
        nest.body = ir_x_1(fx.g, functions[i].op, a);
        kernels_add(&nest);
    }
    nest.body = ir_x_2(fx.g, IR_X_POW, a, b);
    kernels_add(&nest);
}

TestSuite(emit_math, .init = setup, .fini = kernels_end, .timeout = 300);

/* Every 4093rd bit pattern, and the neighbourhood of 0 and 1 more densely. */
static void fill(void)
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        union {
            uint32_t i;
            float f;
        } v = {i * 4093u};
        x[i] = i % 4 == 3 ? (float)((int64_t)(i * 40503u % 2000003) - 1000001) / 50000 : v.f;
    }
}

static double unit(double v)
{
    int e;
    frexp(v, &e);
    return ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

/* The error in ulps; infinite where the result is of another kind than it must be. */
static double error(float got, double exact, double least)
{
    float rounded = (float)exact;
    double ulp = unit(fmax(fabs(exact), least));
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (got == rounded) return fabs(exact - got) < INFINITY ? fabs(exact - got) / ulp : 0;
    return isinf(rounded) || isinf(got) ? INFINITY : fabs(exact - got) / ulp;
}

static void check(const char *isa, const char *name, double most, double least)
{
    double worst = 0;
    int at = 0;
    for (int i = 0; i < SAMPLES; i++) {
        double e = error(result[i], want[i], least);
        if (isinf(want[i])) e = result[i] == want[i] ? 0 : INFINITY;
        if (fabs(want[i]) < 0x1p-126 && e <= 1) e = 0;
        if (e > worst) worst = e, at = i;
    }
    if (getenv("EMIT_MATH_VERBOSE"))
        fprintf(stderr, "%-10s %-8s %.3f ulp at %.9g\n", isa, name, worst, x[at]);
    cr_assert_leq(worst, most, "%s %s: %.3f ulp at %.9g, %.9g: %.9g, not %.17g", isa, name, worst,
                  x[at], y[at], result[at], want[at]);
}

static const char *const names[] = {
#define SCALAR(NAME, text, arity, result, traits) [IR_X_##NAME] = text,
#include "ir/scalar.def"
#undef SCALAR
};

Test(emit_math, functions_are_accurate)
{
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    fill();
    for (size_t i = 0; i < n; i++) {
        kernels_load(isas[i], 2);
        for (size_t f = 0; f < NFUNCTIONS; f++) {
            for (int s = 0; s < SAMPLES; s++) want[s] = functions[f].reference(x[s]);
            kernels_run(f, (void *[]){x, y, result}, NULL, 1);
            check(isas[i]->name, names[functions[f].op], functions[f].ulps, functions[f].least);
        }
        kernels_unload();
    }
}

Test(emit_math, powers_are_accurate)
{
    static const float exponents[] = {0,      1,  2,     3,    -1,     0.5f,     -0.5f,    1.0f / 3,
                                      -2.75f, 10, 1e-9f, 1e9f, -33.3f, INFINITY, -INFINITY};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    fill();
    for (int s = 0; s < SAMPLES; s++) {
        y[s] = s % 2 ? exponents[s / 2 % 15] : x[(s * 7919u + 5) % SAMPLES];
        if (s % 8 == 6) x[s] = 1 + x[s] * 0x1p-20f;
        want[s] = pow(x[s], y[s]);
    }
    for (size_t i = 0; i < n; i++) {
        kernels_load(isas[i], 2);
        kernels_run(NFUNCTIONS, (void *[]){x, y, result}, NULL, 1);
        check(isas[i]->name, "pow", 0.51, 0);
        kernels_unload();
    }
}
