/* lathe.h - the compiler as a library: ONNX in, native library, header and weights out.
 *
 * Functions never exit, abort or print. A compilation uses no global state; several may run in
 * parallel. Every message is kept in the lathe_diag that the caller owns. C11 and C++17. What is
 * declared here stays; lathe_experimental.h has what may still change. */
#ifndef LATHE_H
#define LATHE_H

#include <stdbool.h>
#include <stdio.h>
#include "lathe_rt.h"

#ifdef __cplusplus
extern "C" {
#endif

const char *lathe_version(void); /* "0.1.0 (LLVM 19.1.7)" */

/* ---- diagnostics ---- */
typedef struct lathe_diag lathe_diag;
typedef enum { LATHE_ERROR, LATHE_WARNING } lathe_severity;
/* Fields that do not apply are "". Strings live as long as the diag. */
typedef struct lathe_message {
    lathe_severity severity;
    lathe_status status;
    int version; /* of the operator set that `op` is of; 0: does not apply */
    const char *file, *node, *op, *tensor;
    const char *text; /* the whole sentence; found and expected stand in it too */
    const char *found, *expected, *hint;
} lathe_message;
lathe_diag *lathe_diag_new(void); /* NULL: out of memory */
void lathe_diag_free(lathe_diag *);
size_t lathe_diag_count(const lathe_diag *);
size_t lathe_diag_errors(const lathe_diag *);
lathe_message lathe_diag_get(const lathe_diag *, size_t index);
/* "model.onnx: node 'x' (MatMul-13): tensor 'y': ...; hint: ..." into buf; the length needed. */
size_t lathe_diag_format(const lathe_message *, char *buf, size_t size);

/* ---- compiling ---- */
typedef enum {
    LATHE_EMIT_SO,
    LATHE_EMIT_OBJ,
    LATHE_EMIT_ARCHIVE,
    LATHE_EMIT_IR,
    LATHE_EMIT_LLVM,
    LATHE_EMIT_ASM,
    LATHE_EMIT_PROGRAM /* the lowered program as text */
} lathe_emit;

/* What the model calls `name` has this size; LATHE_DIM_EACH: it is a size of its own wherever an
 * input has it, called INPUT_dimAXIS, for models that give one name to sizes that may differ. */
#define LATHE_DIM_EACH (-1)
typedef struct lathe_dim_option {
    const char *name;
    int64_t value;
} lathe_dim_option;

/* An operator that the app brings along: nodes of this domain and operator become calls of the
 * function that is registered as `function` when the model is opened (lathe_custom). Output k is
 * like input like[k], in element type and dims; outputs from nlike on must be declared by the model
 * (value_info), with sizes that are fixed or are sizes of inputs. */
typedef struct lathe_custom_option {
    const char *domain, *op, *function;
    const size_t *like;
    size_t nlike;
} lathe_custom_option;

/* How many tensors a sequence or an optional among the inputs has: input x becomes the inputs x[0],
 * x[1], ..., an optional with a tensor (1) the input x, one without (0) none. rank: of the tensors,
 * where the model does not say; else -1. */
typedef struct lathe_items_option {
    const char *name;
    int64_t count;
    int rank;
} lathe_items_option;

/* An input of known sizes whose elements all have this value: the model has it as an input no
 * longer. The `use_cache_branch` of a decoder that is two in one, for instance. */
typedef struct lathe_set_option {
    const char *name;
    double value;
} lathe_set_option;

/* Zero-initialise, then set `model`. */
typedef struct lathe_options {
    const char *model;     /* path of the ONNX file, or of a .ir text */
    const char *name;      /* symbol prefix, a C identifier; NULL: from the file's name */
    const char *output;    /* main artefact; NULL: lib<name>.so, <name>.o, ... */
    const char *directory; /* where header, weights and default output go; NULL: beside output */
    lathe_emit emit;
    const char *target;           /* names of lathe_target_get, of one architecture, with commas
                                     between them; NULL: the best one that this host can run and
                                     that the model has code for */
    const lathe_dim_option *dims; /* sizes to fix */
    size_t ndims;
    const lathe_custom_option *custom;
    size_t ncustom;
    const lathe_items_option *items;
    size_t nitems;
    const lathe_set_option *set;
    size_t nset;
    const char *state; /* outputs that the next run takes as inputs: "auto" (NULL: the same), "off"
                          or "INPUT=OUTPUT,..." */
    const char *const *disabled; /* passes switched off, by name */
    size_t ndisabled;
    const char *const *keep; /* values inside of the graph that become outputs, by name */
    size_t nkeep;
    const char *dump_after; /* a pass's name or "all"; NULL: none */
    FILE *dump;             /* where dumps go; required with dump_after */
    int level;              /* 0: the general emitter alone; 2: everything */
    const char *depfile;    /* gets a rule for make: the outputs and the files they are made from */
    FILE *report;           /* what the passes did, and sizes; NULL: no report */
    bool report_json;
    FILE *inspection; /* receives one JSON object: the graph behind each pass, the lowered program,
                         its assembly; for `lathe inspect`, may change with any version; NULL: no */
    const char *require;   /* "i8": quantised products in floats are errors; NULL: they are not */
    const char *precision; /* of products: "f32", "bf16", "f16", "w8", "w4", the last two with a
                              length of blocks behind a colon; NULL: "f32" */
    bool embed_weights;
    bool all_origins;    /* profiles name all nodes of the model behind a step, not just one */
    bool allow_symlinks; /* for external data */
    size_t memory_limit; /* bytes of the graph and all that is tried; 0: by the size of the input */
    double time_limit;   /* seconds of processor time; 0: by the size of the input */
    const char *runtime; /* liblathe_rt.a; NULL: found beside the compiler */
    void (*progress)(void *ctx, const char *phase, int percent);
    void *progress_ctx;
    void (*written)(void *ctx, const char *path); /* each file, once all are in their places */
    void *written_ctx;
    const char *activations; /* of products with weights in blocks of codes: "i8": rounded to 8 bits
                                block by block, "f32": never; NULL: as the model allows */
} lathe_options;

/* On failure nothing is left behind: outputs are written beside their place and renamed. */
lathe_status lathe_compile(const lathe_options *, lathe_diag *);
/* Lists everything that compile would refuse; LATHE_OK if nothing. */
lathe_status lathe_check(const lathe_options *, lathe_diag *);

#ifdef __cplusplus
}
#endif
#endif
