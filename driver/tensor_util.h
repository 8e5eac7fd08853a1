/* Shared by the files of the tensor reader; users include driver/tensor_file.h. */
#ifndef LATHE_DRIVER_TENSOR_UTIL_H
#define LATHE_DRIVER_TENSOR_UTIL_H

#include <stdint.h>
#include <stdio.h>

#include "driver/tensor_file.h"

lathe_status tensor_fail(tensor_message *, lathe_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Maps a whole file and gives it to a parser. */
typedef lathe_status (*tensor_parser)(const void *bytes, size_t size, void *out, tensor_message *);
lathe_status tensor_with_file(const char *path, void *out, tensor_message *, tensor_parser);
/* Opens for writing, calls write, closes; a failure of any removes the file. */
lathe_status tensor_to_file(const char *path, const lathe_tensor *, const char *name,
                            tensor_message *,
                            lathe_status (*write)(FILE *, const lathe_tensor *, const char *name,
                                                  tensor_message *));
/* Raw bits of element i of a type of at most 64 bits. */
uint64_t tensor_element_bits(const lathe_tensor *, int64_t i);
char tensor_elem_class(lathe_elem); /* as in ir/types.def; 0: unknown */

/* ---- protobuf's wire format (tensor_pb.c) ---- */
enum { PB_VARINT = 0, PB_BYTES = 2 };

typedef struct pb_reader {
    const unsigned char *at, *end;
} pb_reader;

typedef struct pb_field {
    uint32_t number, wire;
    uint64_t value; /* of the number kinds */
    pb_reader bytes;
} pb_field;

/* The next field of a message; false: there is none that could be read. */
bool pb_next(pb_reader *, pb_field *);

#endif
