/* Shared by the files of the tensor reader; users include driver/tensor_file.h. */
#ifndef LATHE_DRIVER_TENSOR_UTIL_H
#define LATHE_DRIVER_TENSOR_UTIL_H

#include <stdint.h>
#include <stdio.h>

#include "driver/tensor_file.h"

lathe_status tensor_fail(tensor_message *, lathe_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Maps a whole file and gives it to a parser. */
lathe_status tensor_with_file(const char *path, tensor_file *, tensor_message *,
                              lathe_status (*parse)(const void *, size_t, tensor_file *,
                                                    tensor_message *));
/* Opens for writing, calls write, closes; a failure of any removes the file. */
lathe_status tensor_to_file(const char *path, const lathe_tensor *, const char *name,
                            tensor_message *,
                            lathe_status (*write)(FILE *, const lathe_tensor *, const char *name,
                                                  tensor_message *));
/* Raw bits of element i of a type of at most 64 bits. */
uint64_t tensor_element_bits(const lathe_tensor *, int64_t i);
char tensor_elem_class(lathe_elem); /* as in ir/types.def; 0: unknown */

#endif
