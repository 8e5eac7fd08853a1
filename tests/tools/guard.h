/* Memory between pages that cannot be touched, for units and tools. */
#ifndef LATHE_TESTS_GUARD_H
#define LATHE_TESTS_GUARD_H

#include <stddef.h>

/* size bytes whose end is, up to the alignment, the end of the last page that can be touched; NULL
 * without memory. guard_free takes the same numbers, and NULL. */
void *guard_alloc(size_t size, size_t align);
void guard_free(void *, size_t size, size_t align);

#endif
