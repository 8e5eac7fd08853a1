/* What a file is, by its first bytes (format.c). */
#ifndef LATHE_FRONTEND_FORMAT_H
#define LATHE_FRONTEND_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fe_format {
    const char *name; /* "a GGUF file" */
    const char *hint; /* what to do, or NULL */
    bool placeholder; /* stands for a file that somebody failed to fetch */
} fe_format;

/* NULL: it may be an ONNX model. No bytes of one are taken for something else. */
const fe_format *fe_format_find(const uint8_t *bytes, size_t size);

#endif
