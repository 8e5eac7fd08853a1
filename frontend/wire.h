/* The pre-scan of a model file: untrusted protobuf bytes in, a compact message out that protobuf-c
 * can unpack without surprises. */
#ifndef LATHE_FRONTEND_WIRE_H
#define LATHE_FRONTEND_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "ir/diag.h"

#define FE_WIRE_DEPTH 64 /* messages inside each other */
#define FE_WIRE_VIEW 128 /* bytes of raw_data from which it stays in the file */
#define FE_WIRE_MAX_FIELDS (1u << 24)
#define FE_WIRE_MAX_MESSAGES (1u << 22)

/* A ModelProto that holds only what frontend/onnx.proto states; bytes are malloc'ed. */
typedef struct fe_wire {
    uint8_t *bytes;
    size_t size;
} fe_wire;

/* On failure out->bytes is NULL and the message names the offset and the path of the field. */
lathe_status fe_wire_scan(lathe_diag *, const char *file, const uint8_t *bytes, size_t size,
                          fe_wire *out);

#endif
