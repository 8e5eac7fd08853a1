/* Tensors in files: ONNX TensorProto (.pb) and NumPy (.npy), and comparing two tensors.
 *
 * Data is dense, row-major, little-endian, as in lathe_tensor; sub-byte types are packed low bits
 * first. Strings are kept as an array of lathe_string in `data`, whose bytes, each followed by a
 * NUL, lie in the same block. Functions return a status and write the reason to message (may be
 * NULL). */
#ifndef LATHE_DRIVER_TENSOR_FILE_H
#define LATHE_DRIVER_TENSOR_FILE_H

#include <stdbool.h>
#include "lathe_rt.h"

typedef struct tensor_file {
    lathe_tensor tensor; /* data: from malloc, never NULL after a successful read */
    char name[256];      /* "" if the file has none; longer names are cut */
} tensor_file;

typedef struct tensor_message {
    char text[512];
} tensor_message;

lathe_status tensor_read_pb(const char *path, tensor_file *, tensor_message *);
lathe_status tensor_write_pb(const char *path, const char *name, const lathe_tensor *,
                             tensor_message *);
lathe_status tensor_read_npy(const char *path, tensor_file *, tensor_message *);
/* Types that NumPy lacks are written as the unsigned integers of their bits. */
lathe_status tensor_write_npy(const char *path, const lathe_tensor *, tensor_message *);
/* What a .pb file of a data set holds: a tensor, or the tensors of a SequenceProto or an
 * OptionalProto (none, one, or those of its sequence). */
typedef struct tensor_list {
    tensor_file *items;
    size_t n;
    bool is_list;   /* it is no tensor */
    char name[256]; /* of the sequence or optional */
} tensor_list;
lathe_status tensor_list_read(const char *path, tensor_list *, tensor_message *);
lathe_status tensor_list_parse(const void *bytes, size_t size, tensor_list *, tensor_message *);
void tensor_list_free(tensor_list *);
/* Moves the tensors to to[*n], to[*n + 1], ..., of which there are `room`; the list is empty then.
 * So the files of a data set, spread, are the inputs of a model. */
lathe_status tensor_list_move(tensor_list *, tensor_file *to, int room, int *n, tensor_message *);

/* By the path's ending, .npy or else .pb. */
lathe_status tensor_read(const char *path, tensor_file *, tensor_message *);
void tensor_free(tensor_file *);

/* The same from memory, for tests and fuzzing. */
lathe_status tensor_parse_pb(const void *bytes, size_t size, tensor_file *, tensor_message *);
lathe_status tensor_parse_npy(const void *bytes, size_t size, tensor_file *, tensor_message *);

const char *tensor_elem_name(lathe_elem); /* "f32"; "?" for an unknown number */
int tensor_elem_bits(lathe_elem);         /* 0: unknown */
/* Elements and bytes of dims; false on a negative dim or overflow. */
bool tensor_count(const lathe_tensor *, int64_t *count);
bool tensor_bytes(const lathe_tensor *, size_t *bytes);
/* Element i as a double (low precision decoded, complex: the real part, strings: 0). */
double tensor_value(const lathe_tensor *, int64_t i);

/* Type, rank and dims equal, and |got - want| <= atol + rtol * |want| for floats (NaN equals NaN,
 * infinities equal themselves), exactly equal otherwise. message: the first difference, how many
 * elements differ and the largest difference. */
bool tensor_compare(const lathe_tensor *got, const lathe_tensor *want, double atol, double rtol,
                    tensor_message *);

#endif
