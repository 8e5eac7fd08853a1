/* What operators on strings share. An element of a string tensor is a lathe_string; its bytes lie
 * in the app's memory, in the weights, or in pages that last until the session's next run. */
#ifndef LATHE_RUNTIME_STRINGS_H
#define LATHE_RUNTIME_STRINGS_H

#include "runtime/ops.h"

/* Element i; an element without data is empty whatever it says. */
lathe_string rt_string_at(const lathe_tensor *, int64_t i);
/* Room for `size` bytes until the next run; NULL with a message if there is no memory. */
char *rt_string_room(lathe_call *, size_t size);
/* Order by bytes: less than, equal to, greater than 0. */
int rt_string_compare(lathe_string, lathe_string);
/* String k of a constant: u64 count, u64 ends, then all bytes. */
int64_t rt_pool_count(const void *pool);
lathe_string rt_pool_at(const void *pool, int64_t k);

/* The code point at *at, which moves on; a byte that is not UTF-8 is RT_NO_CODE. */
#define RT_NO_CODE 0x110000u
uint32_t rt_utf8_next(lathe_string, size_t *at);
/* Bytes written, at most 4. */
size_t rt_utf8_put(char *to, uint32_t code);

#endif
