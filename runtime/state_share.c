/* Forks that share memory: the rows of a session once in a file of memory, which every fork of it
 * maps for itself. The system copies a page when a fork writes to it.
 *
 * Invariant: the first s->shared_rows rows of a session's states are those of the file that
 * s->shared holds, laid out as the session's are. Nobody writes to the file once it is filled, and
 * a session never lies in it, only in a mapping of its own; so whatever a session does next, what
 * the others see stays as it is. Whoever takes rows back lowers shared_rows.
 *
 * Where the system has no such files, or the app an allocator that all memory is to come from,
 * forks copy. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/state.h"

struct rt_shared {
    atomic_uint users; /* sessions */
    int file;
};

void rt_share_drop(lathe_session *s)
{
    rt_shared *shared = s->shared;
    s->shared = NULL;
    s->shared_rows = 0;
    if (!shared || atomic_fetch_sub(&shared->users, 1) > 1) return;
    close(shared->file);
    free(shared);
}

void rt_share_unmap(rt_block *b) { munmap(b->data, (size_t)b->size); }

#ifdef MFD_CLOEXEC

/* Fewer bytes than these are copied sooner than mapped. */
enum { SHARE_LEAST = 1 << 14 };

static uint64_t share_bytes(const lathe_session *s)
{
    return s->capacity ? s->rows.size / (uint64_t)s->capacity * (uint64_t)s->length : 0;
}

/* Rows [first, s->length) of all states that grow, to memory laid out as theirs. */
static void share_copy(const lathe_session *s, char *to, int64_t first)
{
    for (uint32_t i = 0; i < rt_state_count(s); i++) {
        const rt_state *st = &s->states[i];
        const rt_moved m = {.to = to + (st->now.data - s->rows.data),
                            .from = st->now.data,
                            .to_dims = st->dims,
                            .from_dims = st->dims,
                            .first = first,
                            .rows = s->length};
        if (rt_state_grows(s, i)) rt_state_move(s, i, &m);
    }
}

static char *share_map(const rt_shared *shared, uint64_t size, int how)
{
    void *at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, how, shared->file, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool share_fill(const lathe_session *s, const rt_shared *shared)
{
    char *to = ftruncate(shared->file, (off_t)s->rows.size) == 0
                   ? share_map(shared, s->rows.size, MAP_SHARED)
                   : NULL;
    if (!to) return false;
    share_copy(s, to, 0);
    munmap(to, (size_t)s->rows.size);
    return true;
}

/* A file with all rows of the session; one that has half of them is good enough. */
static bool share_rows(lathe_session *s)
{
    if (s->shared_rows && s->shared_rows >= s->length / 2) return true;
    rt_shared *shared = malloc(sizeof *shared);
    if (!shared) return false;
    atomic_init(&shared->users, 1);
    shared->file = memfd_create("lathe state", MFD_CLOEXEC);
    if (shared->file < 0 || !share_fill(s, shared)) {
        if (shared->file >= 0) close(shared->file);
        free(shared);
        return false;
    }
    rt_share_drop(s);
    s->shared = shared;
    s->shared_rows = s->length;
    return true;
}

bool rt_share(lathe_session *from, lathe_session *to, rt_block *block)
{
    if (!rt_default_memory(from->model) || !rt_default_memory(to->model) ||
        from->capacity < to->capacity || share_bytes(from) < SHARE_LEAST || !share_rows(from))
        return false;
    char *at = share_map(from->shared, from->rows.size, MAP_PRIVATE);
    if (!at) return false;
    share_copy(from, at, from->shared_rows);
    *block = (rt_block){.data = at, .size = from->rows.size, .mapped = true};
    return true;
}

#else

bool rt_share(lathe_session *from, lathe_session *to, rt_block *block)
{
    (void)from, (void)to, (void)block;
    return false;
}

#endif

void rt_share_join(lathe_session *s, const lathe_session *from)
{
    rt_share_drop(s);
    s->shared = from->shared;
    s->shared_rows = from->shared_rows;
    atomic_fetch_add(&s->shared->users, 1);
}
