/* Matrices that are decoded when they are packed (encode.c); private to codegen/. */
#ifndef LATHE_CODEGEN_ENCODE_H
#define LATHE_CODEGEN_ENCODE_H

#include "codegen/program.h"

/* Rows of panels that are decoded at once. */
enum { CG_DECODED_ROWS = 4096 };

/* What a product reads as its b: load, of a value, over the axes of the product's nest. Axis i of
 * the panels is the nest's axis[i]; along the others the matrix does not change. */
typedef struct cg_matrix {
    ir_value value;
    ir_expr load;
    cg_panels panels; /* strides and base are of no use here */
    int axis[IR_MAX_SPACE];
} cg_matrix;

/* A matrix as the constants that it is made from: codes, scales, zero points. */
struct cg_encoded {
    cg_matrix matrix;
    ir_graph *graph; /* row numbers and constants -> rows of panels */
    ir_expr body;    /* of its one node */
    ir_blob *blobs;
    size_t nblobs;
    int64_t rows;
    bool checks;               /* some index is checked */
    uint32_t buffer;           /* of the panels, or LATHE_NO_SLOT */
    const cg_decoder *decoder; /* once it is open (evaluate/decode.c) */
    lathe_tensor *in;
    /* Once it is open: hands out the panels piece by piece; false: put failed, or an index was
     * outside. */
    bool (*write)(const cg_encoded *, bool (*put)(void *ctx, const void *bytes, size_t size),
                  void *ctx);
};

#endif
