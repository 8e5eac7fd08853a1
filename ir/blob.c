/* Elements of constants. In: bytes in ONNX raw_data layout (little-endian, sub-byte elements packed
 * low bits first); out: values of the arithmetic type, and back. Bytes need no alignment. A read
 * past the end of the blob fails instead of being trusted to a size checked elsewhere. */
#include "ir/pool.h"

#include <math.h>
#include <string.h>

/* Binary floats of at most 16 bits. special says which codes are no numbers. */
enum special { IEEE, ONLY_NAN, NEGATIVE_ZERO_NAN, FINITE, EXPONENT_ONLY };
typedef struct float_format {
    int exponent, mantissa, bias;
    enum special special;
} float_format;

static const float_format *low_format(ir_elem e)
{
    static const float_format formats[IR_ELEM_COUNT] = {
        [IR_F16] = {5, 10, 15, IEEE},        [IR_BF16] = {8, 7, 127, IEEE},
        [IR_F8E4M3FN] = {4, 3, 7, ONLY_NAN}, [IR_F8E4M3FNUZ] = {4, 3, 8, NEGATIVE_ZERO_NAN},
        [IR_F8E5M2] = {5, 2, 15, IEEE},      [IR_F8E5M2FNUZ] = {5, 2, 16, NEGATIVE_ZERO_NAN},
        [IR_F4E2M1] = {2, 1, 1, FINITE},     [IR_F8E8M0] = {8, 0, 127, EXPONENT_ONLY},
    };
    return &formats[e];
}

static double decode_low(const float_format *f, unsigned bits)
{
    unsigned exponent_max = (1u << f->exponent) - 1, mantissa_max = (1u << f->mantissa) - 1;
    unsigned m = bits & mantissa_max, e = (bits >> f->mantissa) & exponent_max;
    bool negative = bits >> (f->mantissa + f->exponent) & 1;
    if (f->special == EXPONENT_ONLY) return e == exponent_max ? NAN : ldexp(1, (int)e - f->bias);
    if (f->special == NEGATIVE_ZERO_NAN && negative && !e && !m) return NAN;
    if (f->special == ONLY_NAN && e == exponent_max && m == mantissa_max) return NAN;
    if (f->special == IEEE && e == exponent_max) return m ? NAN : negative ? -INFINITY : INFINITY;
    unsigned significand = e ? m + mantissa_max + 1 : m;
    double v = ldexp(significand, (int)(e ? e : 1) - f->bias - f->mantissa);
    return negative ? -v : v;
}

/* v is a value of the format (IEEE ones only). */
static unsigned encode_low(const float_format *f, double v)
{
    unsigned sign = (unsigned)(signbit(v) != 0) << (f->mantissa + f->exponent);
    unsigned infinity = ((1u << f->exponent) - 1) << f->mantissa;
    if (isnan(v)) return infinity | 1u << (f->mantissa - 1);
    if (isinf(v)) return sign | infinity;
    int e = 1 - f->bias;
    if (v != 0 && ilogb(v) > e) e = ilogb(v);
    unsigned significand = (unsigned)ldexp(fabs(v), f->mantissa - e);
    /* The hidden bit, where there is one, adds 1 to the exponent field of a subnormal, 0. */
    return sign | (((unsigned)(e + f->bias - 1) << f->mantissa) + significand);
}

uint64_t ir_bits_get(const void *from, int bits, int64_t i)
{
    const unsigned char *bytes = from;
    if (bits < 8) return bytes[i / (8 / bits)] >> (i % (8 / bits) * bits) & ((1u << bits) - 1);
    uint64_t v = 0;
    for (int k = bits / 8 - 1; k >= 0; k--) v = v << 8 | bytes[i * (bits / 8) + k];
    return v;
}

void ir_bits_set(void *to, int bits, int64_t i, uint64_t v)
{
    unsigned char *bytes = to;
    for (int k = 0; k < bits / 8; k++) bytes[i * (bits / 8) + k] = (unsigned char)(v >> 8 * k);
    if (bits >= 8) return;
    int shift = (int)(i % (8 / bits)) * bits;
    unsigned mask = ((1u << bits) - 1) << shift;
    unsigned char *at = &bytes[i / (8 / bits)];
    *at = (unsigned char)((*at & ~mask) | ((unsigned)v << shift & mask));
}

bool ir_blob_get(ir_elem elem, const ir_blob *blob, int64_t i, ir_scalar_value *out)
{
    int64_t end;
    if (ir_elem_arith(elem) == IR_ELEM_NONE || i < 0 || i == INT64_MAX) return false;
    if (!ir_elem_bytes(elem, i + 1, &end) || (uint64_t)end > blob->size) return false;
    uint64_t bits = ir_bits_get(blob->bytes, ir_elem_bits(elem), i);
    if (elem == IR_F32) {
        uint32_t low = (uint32_t)bits;
        float v;
        memcpy(&v, &low, sizeof v);
        out->f = v;
    } else if (elem == IR_F64) {
        memcpy(&out->f, &bits, sizeof out->f);
    } else if (ir_elem_class(elem) == 'L') {
        out->f = decode_low(low_format(elem), (unsigned)bits);
    } else {
        out->i = ir_wrap_int(elem, (int64_t)bits);
    }
    return true;
}

bool ir_blob_put(ir_elem elem, void *bytes, int64_t i, ir_scalar_value v)
{
    uint64_t bits;
    if (ir_elem_arith(elem) == IR_ELEM_NONE) return false;
    if (elem == IR_F32) {
        float f = (float)v.f;
        uint32_t low;
        memcpy(&low, &f, sizeof low);
        bits = low;
    } else if (elem == IR_F64) {
        memcpy(&bits, &v.f, sizeof bits);
    } else if (elem == IR_F16 || elem == IR_BF16) {
        bits = encode_low(low_format(elem), ir_round_float(elem, v.f));
    } else if (ir_elem_class(elem) == 'L') {
        return false;
    } else {
        bits = (uint64_t)ir_wrap_int(elem, v.i);
    }
    ir_bits_set(bytes, ir_elem_bits(elem), i, bits);
    return true;
}
