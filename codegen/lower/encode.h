/* Matrices that are decoded when they are packed (encode.c); private to codegen/. */
#ifndef LATHE_CODEGEN_ENCODE_H
#define LATHE_CODEGEN_ENCODE_H

#include "codegen/evaluate/evaluate.h"
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

/* Code that computes rows of panels; it serves all matrices of one form. */
typedef struct cg_decoder {
    ir_graph *graph;
    ir_expr body;
    cg_evaluator *evaluator; /* the program's */
    int64_t *numbers;        /* of the rows to compute, and room for them */
    float *rows;
} cg_decoder;

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
    const cg_decoder *decoder; /* once it is open */
    lathe_tensor *in;
};

/* Makes an encoded matrix ready to be written. */
lathe_status cg_encoded_open(cg_program *, cg_encoded *, lathe_diag *);
/* Hands out the panels piece by piece; false: put failed, or an index was outside. */
bool cg_encoded_write(const cg_encoded *, bool (*put)(void *ctx, const void *bytes, size_t size),
                      void *ctx);

#endif
