/* Low-precision elements: every code is read, and floats are stored, as a plain reference says.
 *
 * The reference decodes by the formula and encodes by searching all codes for the nearest one, so
 * that it has nothing in common with the emitted bit arithmetic. */
#include "tests/unit/kernels.h"

#include <math.h>

static const struct format {
    ir_elem elem;
    int bits, mantissa, bias;
    bool inf, fnuz, nan;
    uint32_t nan_code;
} formats[] = {
    {IR_F16, 16, 10, 15, true, false, true, 0x7E00},
    {IR_BF16, 16, 7, 127, true, false, true, 0x7FC0},
    {IR_F8E4M3FN, 8, 3, 7, false, false, true, 0x7F},
    {IR_F8E4M3FNUZ, 8, 3, 8, false, true, true, 0x80},
    {IR_F8E5M2, 8, 2, 15, true, false, true, 0x7E},
    {IR_F8E5M2FNUZ, 8, 2, 16, false, true, true, 0x80},
    {IR_F4E2M1, 4, 1, 1, false, false, false, 0x8},
};
enum { NFORMATS = sizeof formats / sizeof *formats, CODES = 1 << 16, SAMPLES = 1 << 16 };

static double decode(const struct format *f, uint32_t code)
{
    uint32_t a = code & ((1u << (f->bits - 1)) - 1), e = a >> f->mantissa,
             m = a & ((1u << f->mantissa) - 1);
    uint32_t top = (1u << (f->bits - 1 - f->mantissa)) - 1;
    double sign = code >> (f->bits - 1) ? -1 : 1;
    if (f->fnuz && code == f->nan_code) return NAN;
    if (f->inf && e == top) return m ? NAN : sign * INFINITY;
    if (f->nan && !f->fnuz && !f->inf && a == f->nan_code) return NAN;
    if (e == 0) return sign * ldexp(m, 1 - f->bias - f->mantissa);
    return sign * ldexp(1 + ldexp(m, -f->mantissa), (int)e - f->bias);
}

/* Finite positive codes in ascending order have ascending values; limit: the first that is not one.
 */
static struct {
    double values[1 << 15];
    uint32_t limit;
} tables[NFORMATS];

static void make_tables(void)
{
    for (size_t i = 0; i < NFORMATS; i++) {
        uint32_t c = 0;
        for (; c < 1u << (formats[i].bits - 1) && isfinite(decode(&formats[i], c)); c++)
            tables[i].values[c] = decode(&formats[i], c);
        tables[i].limit = c;
    }
}

static uint32_t nearest(size_t i, double a)
{
    const double *values = tables[i].values;
    uint32_t low = 0, high = tables[i].limit;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (values[mid] <= a) low = mid;
        else high = mid;
    }
    double unit = low ? values[low] - values[low - 1] : values[1];
    if (low >> formats[i].mantissa > 1 && !(low & ((1u << formats[i].mantissa) - 1))) unit *= 2;
    double middle = values[low] + unit / 2;
    return a > middle || (a == middle && low & 1) ? low + 1 : low;
}

static uint32_t encode(size_t i, float v, bool saturate)
{
    const struct format *f = &formats[i];
    uint32_t sign = signbit(v) ? 1u << (f->bits - 1) : 0, limit = tables[i].limit;
    if (isnan(v)) return f->nan_code | (f->nan && !f->fnuz ? sign : 0);
    uint32_t code = nearest(i, fabs((double)v));
    if (isinf(v) || code >= limit)
        code = saturate || !f->nan ? limit - 1 : f->inf ? limit : f->nan_code;
    if (f->fnuz && (code == 0 || code == f->nan_code)) return code;
    return code | sign;
}

static ir_expr load(ir_elem t)
{
    ir_expr at = idx(0);
    return ir_x_load(fx.g, t, 0, &at, 1);
}

static void add_map(ir_elem from, ir_elem to, int64_t count, ir_expr body)
{
    ir_dim n = cdim(count);
    cg_operand in = operand(from, 1, &n);
    cg_nest nest = {.kind = CG_NEST_MAP,
                    .rank = 1,
                    .space = {n},
                    .noperands = 1,
                    .operands = &in,
                    .out = operand(to, 1, &n),
                    .body = body};
    nest.store[0] = idx(0);
    kernels_add(&nest);
}

static float floats[SAMPLES], decoded[CODES], rounded[SAMPLES];
static uint16_t codes[CODES], stored[SAMPLES];

static void setup(void)
{
    kernels_begin();
    make_tables();
    for (uint32_t i = 0; i < SAMPLES; i++) {
        union {
            uint32_t i;
            float f;
        } v = {i * 65539u};
        /* Half of the samples lie on or beside the midpoints of f16 and narrower formats. */
        if (i % 2) v.i = (v.i & 0xFFFFF000u) + i / 2 % 3 - 1;
        if (i % 8 == 7) v.i = (v.i & 0x80F00000u) | 0x3C000000u | (i & 0x700000u);
        floats[i] = v.f;
    }
}

TestSuite(emit_convert, .init = setup, .fini = kernels_end, .timeout = 60);

static bool same(float a, float b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void fill_codes(const struct format *f)
{
    uint8_t *bytes = (uint8_t *)codes;
    for (uint32_t i = 0; i < CODES; i++) {
        if (f->bits == 16) codes[i] = (uint16_t)i;
        else if (f->bits == 8) bytes[i] = (uint8_t)i;
        else bytes[i / 2] = (uint8_t)(i % 2 ? bytes[i / 2] | (i % 16) << 4 : i % 16);
    }
}

static uint32_t stored_code(const struct format *f, uint32_t i)
{
    const uint8_t *bytes = (const uint8_t *)stored;
    if (f->bits == 16) return stored[i];
    return f->bits == 8 ? bytes[i] : bytes[i / 2] >> i % 2 * 4 & 15;
}

static void check_format(size_t i, const char *isa)
{
    const struct format *f = &formats[i];
    fill_codes(f);
    kernels_run(4 * i, (void *[]){codes, decoded}, NULL, 1);
    for (uint32_t c = 0; c < CODES; c++) {
        uint32_t code = c & ((1u << f->bits) - 1);
        if (!same(decoded[c], (float)decode(f, code)))
            cr_assert_fail("%s %s code %x: %g", isa, ir_elem_name(f->elem), code, decoded[c]);
    }
    kernels_run(4 * i + 1, (void *[]){floats, stored}, NULL, 1);
    for (uint32_t s = 0; s < SAMPLES; s++) {
        uint32_t got = stored_code(f, s), want = encode(i, floats[s], false);
        bool nan = isnan(floats[s]) && isnan(decode(f, got));
        if (got != want && !nan)
            cr_assert_fail("%s %s of %.9g: %x, not %x", isa, ir_elem_name(f->elem), floats[s], got,
                           want);
    }
    for (size_t saturate = 0; saturate < 2; saturate++) {
        kernels_run(4 * i + 2 + saturate, (void *[]){floats, rounded}, NULL, 1);
        for (uint32_t s = 0; s < SAMPLES; s++) {
            bool clamps = saturate && f->bits == 8;
            float want = (float)decode(f, encode(i, floats[s], clamps));
            if (saturate && f->bits == 16) continue;
            if (!same(rounded[s], want))
                cr_assert_fail("%s %s%s of %.9g: %.9g, not %.9g", isa, ir_elem_name(f->elem),
                               clamps ? " saturated" : "", floats[s], rounded[s], want);
        }
    }
}

Test(emit_convert, formats_agree_with_the_reference)
{
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    for (size_t i = 0; i < NFORMATS; i++) {
        ir_elem e = formats[i].elem;
        add_map(e, IR_F32, CODES, load(IR_F32));
        add_map(IR_F32, e, SAMPLES, load(IR_F32));
        add_map(IR_F32, IR_F32, SAMPLES, ir_x_cast(fx.g, load(IR_F32), e));
        ir_expr arg = load(IR_F32);
        add_map(IR_F32, IR_F32, SAMPLES, ir_x_make(fx.g, IR_X_CASTSAT, IR_F32, e, &arg, 1));
    }
    for (size_t t = 0; t < n * 2; t++) {
        kernels_load(isas[t / 2], (int)(t % 2) * 2);
        for (size_t i = 0; i < NFORMATS; i++) check_format(i, isas[t / 2]->name);
        kernels_unload();
    }
}

Test(emit_convert, scales_are_powers_of_two)
{
    static uint8_t scales[256], out[8];
    static float values[256];
    static float in[8] = {0, 1.1f, 0.124f, 2, 1e-45f, 0x1.8p-127f, -1, INFINITY};
    static const uint8_t want[8] = {0, 128, 124, 128, 0, 1, 255, 255};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    for (int i = 0; i < 256; i++) scales[i] = (uint8_t)i;
    add_map(IR_F8E8M0, IR_F32, 256, load(IR_F32));
    add_map(IR_F32, IR_F8E8M0, 8, load(IR_F32));
    for (size_t t = 0; t < n; t++) {
        kernels_load(isas[t], 2);
        kernels_run(0, (void *[]){scales, values}, NULL, 1);
        for (int i = 0; i < 255; i++) cr_assert_eq(values[i], ldexpf(1, i - 127));
        cr_assert(isnan(values[255]));
        kernels_run(1, (void *[]){in, out}, NULL, 1);
        cr_assert_arr_eq(out, want, 8);
        kernels_unload();
    }
}

/* f64 is rounded to f16 once: 1 + 2^-11 + 2^-40 lies above the middle, its f32 neighbour on it. */
Test(emit_convert, f64_is_rounded_once)
{
    static double in[4] = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, -(1 + 0x1p-11 + 0x1p-40), 1e300};
    static uint16_t out[4];
    static const uint16_t want[4] = {0x3C01, 0x3C00, 0xBC01, 0x7C00};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    add_map(IR_F64, IR_F16, 4, ir_x_cast(fx.g, load(IR_F64), IR_F16));
    for (size_t t = 0; t < n; t++) {
        kernels_load(isas[t], 2);
        kernels_run(0, (void *[]){in, out}, NULL, 1);
        cr_assert_arr_eq(out, want, sizeof out);
        kernels_unload();
    }
}

/* Towards zero, to the nearest bound beyond the range, NaN to 0. */
static int64_t integer(double x, int bits, bool is_signed)
{
    double least = is_signed ? -ldexp(1, bits - 1) : 0, end = ldexp(1, bits - is_signed);
    if (isnan(x)) return 0;
    if (x <= least) return (int64_t)least;
    return x >= end ? (int64_t)(end - 1) : (int64_t)x;
}

static int64_t integer_at(const void *out, size_t i, int bits, bool is_signed)
{
    switch (bits) {
    case 8:
        return is_signed ? ((const int8_t *)out)[i] : ((const uint8_t *)out)[i];
    case 16:
        return is_signed ? ((const int16_t *)out)[i] : ((const uint16_t *)out)[i];
    default:
        return ((const int32_t *)out)[i];
    }
}

Test(emit_convert, floats_become_integers_of_every_size)
{
    static const ir_elem elems[] = {IR_I8, IR_U8, IR_I16, IR_U16, IR_I32};
    static double doubles[SAMPLES];
    static int32_t out[SAMPLES];
    static const float edges[] = {-129,     -128.9f,   127.9f, 128,      255.9f,    256,
                                  -0.9f,    32767.5f,  32768,  65535.5f, 65536,     0x1p31f,
                                  -0x1p31f, 0x1.8p31f, NAN,    INFINITY, -INFINITY, 0x1.fffffep30f};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8), nedges = sizeof edges / sizeof *edges;
    for (size_t i = 0; i < nedges; i++) floats[i * 7] = edges[i];
    for (size_t i = 0; i < SAMPLES; i++)
        doubles[i] = i % 3 ? floats[i] : ldexp(1 + (double)i / SAMPLES, (int)(i % 40)) - 1e-9;
    for (size_t e = 0; e < 5; e++) {
        add_map(IR_F32, elems[e], SAMPLES, ir_x_cast(fx.g, load(IR_F32), elems[e]));
        add_map(IR_F64, elems[e], SAMPLES, ir_x_cast(fx.g, load(IR_F64), elems[e]));
    }
    for (size_t t = 0; t < n; t++) {
        kernels_load(isas[t], 2);
        for (size_t k = 0; k < 10; k++) {
            int bits = ir_elem_bits(elems[k / 2]);
            bool is_signed = ir_elem_class(elems[k / 2]) == 'S';
            kernels_run(k, (void *[]){k % 2 ? (void *)doubles : (void *)floats, out}, NULL, 1);
            for (size_t i = 0; i < SAMPLES; i++) {
                double x = k % 2 ? doubles[i] : floats[i];
                int64_t want = integer(x, bits, is_signed),
                        got = integer_at(out, i, bits, is_signed);
                cr_assert_eq(got, want, "%s: %.17g as %s: %lld, not %lld", isas[t]->name, x,
                             ir_elem_name(elems[k / 2]), (long long)got, (long long)want);
            }
        }
        kernels_unload();
    }
}

Test(emit_convert, bitcasts_keep_the_bits)
{
    static float in[64];
    static int32_t ints[64];
    static uint16_t halves[64];
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    for (int i = 0; i < 64; i++) in[i] = floats[i * 977];
    ir_expr arg = load(IR_F32);
    add_map(IR_F32, IR_I32, 64,
            ir_x_make(fx.g, IR_X_BITCAST, IR_I32, IR_F32 | IR_I32 << 8, &arg, 1));
    add_map(IR_F32, IR_U16, 64,
            ir_x_make(fx.g, IR_X_BITCAST, IR_U16, IR_BF16 | IR_U16 << 8, &arg, 1));
    for (size_t t = 0; t < n; t++) {
        kernels_load(isas[t], 2);
        kernels_run(0, (void *[]){in, ints}, NULL, 1);
        cr_assert_arr_eq(ints, in, sizeof in);
        kernels_run(1, (void *[]){in, halves}, NULL, 1);
        for (int i = 0; i < 64; i++)
            cr_assert(isnan(in[i]) || halves[i] == encode(1, in[i], false));
        kernels_unload();
    }
}
