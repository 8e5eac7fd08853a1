/* Strings: constants, and what importers of operators on strings share. A string tensor is a tensor
 * whose elements are pairs of pointer and length (lathe_string); gathers, slices, selects and the
 * like move those as they move numbers, and whatever looks at bytes is a call of the runtime. */
#ifndef LATHE_FRONTEND_STRINGS_H
#define LATHE_FRONTEND_STRINGS_H

#include "frontend/build.h"

typedef ProtobufCBinaryData fe_bytes;

/* Strings as a u8 constant - u64 count, u64 ends, bytes - which the runtime reads. */
ir_value fe_string_pool(ir_builder *, const fe_bytes *, size_t n);
/* ... as a string tensor. */
ir_value fe_strings(ir_builder *, const fe_bytes *, size_t n, int rank, const ir_dim *dims);
int fe_bytes_compare(const fe_bytes *, const fe_bytes *);

bool fe_is_string(const fe_node *, size_t k);
lathe_status fe_need_string(const fe_node *, size_t k);
/* Inputs 0 and 1 are both strings. */
bool fe_are_strings(const fe_node *);
lathe_status fe_import_equal_strings(fe_node *);

/* For each element of x the number of the key that it equals, or how many keys there are. The keys
 * are i64, f64 or strings, as x is, and sorted. */
typedef struct fe_keys {
    ir_elem elem;
    size_t n;
    const int64_t *ints;
    const double *floats;
    const fe_bytes *strings;
} fe_keys;
lathe_status fe_find(fe_node *, ir_value x, const fe_keys *, ir_value *numbers);

#endif
