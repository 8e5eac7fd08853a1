/* Guarded memory: a mapping of its own for each block, a page without rights on either side. A
 * block stands at the end of its pages, so that one byte too many is a fault. */
#include "tests/tools/guard.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct extent {
    size_t page, used, pages;
} extent;

static size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static extent extent_of(size_t size, size_t align)
{
    extent e = {.page = (size_t)sysconf(_SC_PAGESIZE), .used = round_up(size, align)};
    e.pages = round_up(e.used, e.page);
    return e;
}

void *guard_alloc(size_t size, size_t align)
{
    extent e = extent_of(size, align);
    if (size > SIZE_MAX / 4 || align > e.page) return NULL;
    char *base = mmap(NULL, e.pages + 2 * e.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    if (!e.pages || mprotect(base + e.page, e.pages, PROT_READ | PROT_WRITE) == 0)
        return base + e.page + e.pages - e.used;
    munmap(base, e.pages + 2 * e.page);
    return NULL;
}

void guard_free(void *data, size_t size, size_t align)
{
    extent e = extent_of(size, align);
    if (data) munmap((char *)data - (e.pages - e.used) - e.page, e.pages + 2 * e.page);
}
