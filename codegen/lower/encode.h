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
    cg_panels places; /* the same panels, axes merged, by places of the value's elements */
} cg_matrix;

/* An element of a matrix, as an expression of its row's number and its lane. */
typedef struct cg_element {
    ir_expr body;     /* f32 */
    ir_expr k, panel; /* subexpressions: the k of the row, and what counts panels */
    int64_t size_k;
    const ir_elem *elems; /* of the operands that are loaded; 0 is the number of the row */
    const ir_type *types; /* likewise */
} cg_element;

/* What is stored of an element, each an expression like it; IR_NONE: it is not there. */
enum { CG_PART_CODE, CG_PART_SCALE, CG_PART_ZERO, CG_CODED_PARTS };
typedef struct cg_coded_part {
    ir_expr body;
    ir_elem elem;
} cg_coded_part;
/* find_codes.c; false: nothing narrower than f32 holds it. *book: the operand that is the codebook,
 * if there is one. */
bool cg_find_codes(ir_graph *, const cg_element *, cg_codes *, cg_coded_part[CG_CODED_PARTS],
                   int *book);

/* A part as a graph: row numbers and constants -> rows of CG_PANEL elements. */
typedef struct cg_decoding {
    ir_graph *graph; /* NULL: it is not there */
    ir_expr body;    /* of its one node */
    ir_elem elem;
    int number;                /* which part it is */
    const cg_decoder *decoder; /* once it is open (evaluate/decode.c) */
    lathe_tensor *in;
} cg_decoding;

/* A matrix as the constants that it is made from. Not in codes: part CODE has its elements. */
struct cg_encoded {
    cg_matrix matrix;
    cg_decoding part[CG_CODED_PARTS];
    ir_blob *blobs; /* what each part reads besides the numbers of rows */
    size_t nblobs;
    const float *book; /* the codebook, filled up with zeros, or NULL */
    int64_t panels, k; /* panels of all matrices, and rows of each */
    bool checks;       /* some index is checked */
    uint32_t buffer;   /* of the panels, or LATHE_NO_SLOT */
    /* Once it is open: hands out the panels piece by piece; false: put failed, or an index was
     * outside. */
    bool (*write)(const cg_encoded *, bool (*put)(void *ctx, const void *bytes, size_t size),
                  void *ctx);
};

#endif
