/* The precision that a caller asked for (precisions.def). */
#ifndef LATHE_PASSES_PRECISION_H
#define LATHE_PASSES_PRECISION_H

#include "ir/ir.h"

typedef struct pass_precision_choice {
    const char *name;  /* "w4:64"; "f32" if nothing is asked for */
    ir_elem stored;    /* of the weights of products; IR_F32: as they are */
    int64_t block;     /* along the sum, of one scale; 0: there are no scales */
    const char *small; /* the precision of weights of at most PASS_SMALL_WEIGHT elements; NULL:
                          this one */
} pass_precision_choice;
enum { PASS_SMALL_WEIGHT = 1 << 16 };

/* text: NULL: "f32". LATHE_BAD_INPUT with a message: there is no such precision. */
lathe_status pass_read_precision(const char *text, ir_arena *, pass_precision_choice *,
                                 lathe_diag *);

#endif
