/* Numbers as codes of few bits with a scale and a zero point for each block. */
#ifndef LATHE_PASSES_QUANTIZE_H
#define LATHE_PASSES_QUANTIZE_H

#include <stdint.h>

/* Blocks that are quantised side by side, each in a lane of its own. */
enum { QUANTIZE_LANES = 16 };

/* Codes from 0 to 2^bits - 1. A zero point is a code, too, or where there are none (zeros is
 * false) 2^(bits - 1) for every block. */
typedef struct quantize_form {
    int bits;
    int zeros;
} quantize_form;

/* n numbers of each block, all finite: x[i][lane] is nearly scale[lane] * (code[i][lane] -
 * zero[lane]), with the least sum of squared errors that a search over scales found. The scales are
 * numbers of bf16. */
void quantize_blocks(const quantize_form *, const float (*x)[QUANTIZE_LANES], int64_t n,
                     float scale[QUANTIZE_LANES], float zero[QUANTIZE_LANES],
                     uint8_t (*code)[QUANTIZE_LANES]);
/* The nearest number of bf16; ties to even. */
float quantize_to_bf16(float);
/* The bits of the nearest number of f16; ties to even. 0x7C00 and more, the sign aside: none. */
uint16_t quantize_to_f16(float);

#endif
