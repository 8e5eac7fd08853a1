/* Quantising blocks: what codes hold exactly comes back exactly, errors are bounded by half a step,
 * the search is not worse than the range's scale; halves round as the graph's own arithmetic. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/ir.h"
#include "passes/quantize.h"

enum { LANES = QUANTIZE_LANES, MOST = 768 };

static float x[MOST][LANES], scale[LANES], zero[LANES];
static uint8_t code[MOST][LANES];
static const quantize_form w4 = {4, true}, w8 = {8, false};

static uint32_t state = 1;
static float draw(void) /* nearly normal */
{
    float sum = 0;
    for (int i = 0; i < 12; i++) {
        state = state * 1664525u + 1013904223u;
        sum += (float)(state >> 8) / (1 << 24);
    }
    return sum - 6;
}

static double value(int i, int l) { return (double)scale[l] * ((double)code[i][l] - zero[l]); }

static double error_of(int n, int l)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i][l] - value(i, l)) * (x[i][l] - value(i, l));
    return sum;
}

Test(quantize, codes_come_back)
{
    for (int form = 0; form < 2; form++) {
        for (int l = 0; l < LANES; l++)
            for (int i = 0; i < 300; i++) {
                /* 4 bits: zero point l; 8 bits: all codes but -128 */
                int c = form ? i % 255 - 127 : i % 16 - l;
                x[i][l] = ldexpf((float)c, l - 8);
            }
        quantize_blocks(form ? &w8 : &w4, x, 300, scale, zero, code);
        for (int l = 0; l < LANES; l++) {
            cr_assert_eq(zero[l], form ? 128 : l);
            cr_assert_eq(scale[l], ldexpf(1, l - 8), "lane %d: %g", l, (double)scale[l]);
            for (int i = 0; i < 300; i++) cr_assert_eq(value(i, l), (double)x[i][l]);
        }
    }
}

/* The error of rounding with the scale of the range alone. */
static double error_of_range(const quantize_form *form, int n, int l)
{
    double low = 0, high = 0, sum = 0, most = (1 << form->bits) - 1;
    for (int i = 0; i < n; i++) {
        low = fmin(low, x[i][l]);
        high = fmax(high, x[i][l]);
    }
    double step = form->zeros ? (high - low) / most : 2 * fmax(high, -low) / most;
    double middle = form->zeros ? rint(-low / step) : 128;
    for (int i = 0; i < n; i++) {
        double q = fmin(fmax(rint(x[i][l] / step + middle), 0), most);
        sum += pow(x[i][l] - step * (q - middle), 2);
    }
    return sum;
}

Test(quantize, errors)
{
    static const int sizes[] = {1, 8, 32, 40, 128, MOST};
    static const double most[2] = {0.077, 0.0062}; /* at 32 and at 128 */
    for (int form = 0; form < 2; form++)
        for (int k = 0; k < 6; k++) {
            double all = 0, range = 0, squares = 0;
            for (int times = 0; times < 50; times++) {
                for (int i = 0; i < sizes[k]; i++)
                    for (int l = 0; l < LANES; l++) x[i][l] = draw();
                quantize_blocks(form ? &w8 : &w4, x, sizes[k], scale, zero, code);
                for (int l = 0; l < LANES; l++) {
                    all += error_of(sizes[k], l);
                    range += error_of_range(form ? &w8 : &w4, sizes[k], l);
                    for (int i = 0; i < sizes[k]; i++) squares += pow(x[i][l], 2);
                    cr_assert(fabs(scale[l] - quantize_to_bf16(scale[l])) == 0);
                }
            }
            if (sizes[k] > 8) cr_assert_lt(all, range);
            if (sizes[k] == (form ? 128 : 32)) cr_assert_lt(sqrt(all / squares), most[form]);
        }
}

Test(quantize, extremes)
{
    static const float peaks[LANES] = {0,        FLT_MAX, -FLT_MAX, FLT_MIN, 1e-38f, 1e-45f,
                                       1e-30f,   1e30f,   5,        -5,      1,      -1,
                                       0x1p-14f, 3e38f,   -3e38f,   7e-5f};
    for (int form = 0; form < 2; form++) {
        for (int i = 0; i < 8; i++)
            for (int l = 0; l < LANES; l++) x[i][l] = i % 2 ? peaks[l] : -peaks[l] * 0.25f;
        quantize_blocks(form ? &w8 : &w4, x, 8, scale, zero, code);
        for (int l = 0; l < LANES; l++) {
            cr_assert(isfinite(scale[l]) && zero[l] >= 0 && zero[l] <= (form ? 255 : 15));
            for (int i = 0; i < 8; i++)
                cr_assert_leq(fabs(value(i, l) - x[i][l]),
                              fmax(fabs(peaks[l]) * (form ? 0.01 : 0.08), 1e-37),
                              "lane %d: %g is %g", l, (double)x[i][l], value(i, l));
        }
    }
}

Test(quantize, halves)
{
    for (uint32_t k = 0; k < 1u << 20; k++) {
        uint32_t bits = k * 4099u ^ k << 12;
        unsigned char want[2];
        float v, back;
        memcpy(&v, &bits, sizeof v);
        if (isnan(v)) continue;
        uint16_t half = quantize_to_f16(v);
        cr_assert(ir_blob_put(IR_F16, want, 0, (ir_scalar_value){.f = (double)v}));
        cr_assert_eq(half, want[0] | want[1] << 8, "%a: %04x", (double)v, half);
        cr_assert(ir_blob_put(IR_BF16, want, 0, (ir_scalar_value){.f = (double)v}));
        back = quantize_to_bf16(v);
        memcpy(&bits, &back, sizeof bits);
        cr_assert_eq(bits, (uint32_t)(want[0] | want[1] << 8) << 16, "%a", (double)v);
    }
}
