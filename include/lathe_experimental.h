/* lathe_experimental.h - parts of the compiler as a library that may change with any version:
 * passes by name, the tables of operators, targets and passes, and what the command prints with.
 * The same rules as in lathe.h hold. */
#ifndef LATHE_EXPERIMENTAL_H
#define LATHE_EXPERIMENTAL_H

#include "lathe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- text ---- */
/* A JSON string of any bytes, quotes included. */
void lathe_json_string(FILE *, const char *text);
/* The name that `word` was most likely meant to be; NULL if none of them is near. */
const char *lathe_nearest(const char *word, const char *const *names, size_t n);

/* ---- options ---- */
/* LATHE_OK if every value that an option takes from a list (targets, passes, precisions) is in it;
 * reads no file. lathe_compile and lathe_check begin with it. */
lathe_status lathe_options_check(const lathe_options *, lathe_diag *);

/* ---- passes ---- */
/* Parses IR text at `path`, runs the comma-separated passes and prints the result to out. */
lathe_status lathe_opt(const char *path, const char *passes, FILE *out, lathe_diag *);

/* ---- what it knows ---- */
typedef struct lathe_op_info {
    const char *domain, *name;
    int since, until; /* opset versions that are read; until 0: the newest known */
    const char *types, *lowering, *limits;
} lathe_op_info;
size_t lathe_op_count(void);
lathe_op_info lathe_op_get(size_t index);
typedef struct lathe_text {
    const char *text; /* n bytes; no zero follows them */
    int n;
} lathe_text;
/* An attribute that a node of the operator may have; one whose default or type has changed stands
 * there once for each span of versions. Texts of length 0: there is none. */
typedef struct lathe_attribute_info {
    lathe_text name, type, otherwise; /* otherwise: the default */
    lathe_text only;                  /* the one value that is supported */
    lathe_text harmless;              /* why it is not read */
    bool required;
    int since, until; /* opset versions; until 0: the newest known */
} lathe_attribute_info;
/* The k-th one of the operator; a name of length 0 past the end. */
lathe_attribute_info lathe_op_attribute(size_t index, size_t k);
/* Targets of an architecture stand from the least to the best. */
typedef struct lathe_target_info {
    const char *name, *architecture; /* "x86-64-v3", "x86_64" */
    uint32_t features;               /* LATHE_CPU_* that a processor must have */
} lathe_target_info;
size_t lathe_target_count(void);
lathe_target_info lathe_target_get(size_t index);
typedef struct lathe_pass_info {
    const char *name, *summary;
} lathe_pass_info;
size_t lathe_pass_count(void);
lathe_pass_info lathe_pass_get(size_t index);

#ifdef __cplusplus
}
#endif
#endif
