/* A session in steady state: runs of any size within the maxima call no allocator, neither the
 * model's own nor the C library's, and resident memory stays as it is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/unit/compiled.h"

/* ---- the C library's allocator, counted ---- */

static atomic_bool armed;
static atomic_long calls;

#ifndef LATHE_SANITIZED
static void note(void)
{
    if (armed) calls++;
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) { return note(), __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return note(), __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return note(), __libc_realloc(p, size); }
void *memalign(size_t align, size_t size) { return note(), __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return note(), __libc_memalign(align, size); }
void free(void *p) { note(), __libc_free(p); }

int posix_memalign(void **p, size_t align, size_t size)
{
    note();
    *p = __libc_memalign(align, size);
    return *p ? 0 : ENOMEM;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    note();
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
#endif

/* ---- the model's own allocator ---- */

static void *own_alloc(void *ctx, size_t size, size_t align)
{
    ++*(long *)ctx;
    void *p;
    return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void own_free(void *ctx, void *p, size_t size)
{
    (void)size;
    ++*(long *)ctx;
    free(p);
}

/* ---- runs of random sizes ---- */

typedef struct steady {
    compiled c;
    long own_calls;
    lathe_allocator allocator;
    lathe_threads *threads;
    lathe_model *model;
    lathe_session *session;
    uint32_t seed;
} steady;

static bool begin(steady *s, const char *name, bool own, int workers)
{
    char path[512];
    *s = (steady){.allocator = {own_alloc, own_free, NULL}, .seed = 1};
    s->allocator.ctx = &s->own_calls;
    if (!compiled_find(name, path, sizeof path)) return false;
    cr_assert(compiled_make(&s->c, path), "%s", name);
    const lathe_desc *desc = s->c.lib.desc;
    if (workers > 1) cr_assert_eq(lathe_threads_new(desc, workers, &s->threads), LATHE_OK);
    const lathe_open_options o = {.allocator = own ? &s->allocator : NULL, .threads = s->threads};
    armed = true;
    cr_assert_eq(lathe_model_open(desc, &o, &s->model), LATHE_OK);
    armed = false;
#ifndef LATHE_SANITIZED
    cr_assert_gt(calls, 0, "calls of the C library's allocator are not seen");
#endif
    cr_assert_eq(lathe_session_new(s->model, s->c.given, &s->session), LATHE_OK);
    return true;
}

static void end(steady *s)
{
    lathe_session_free(s->session);
    lathe_model_close(s->model);
    if (s->threads) lathe_threads_free(s->c.lib.desc, s->threads);
    compiled_free(&s->c);
}

static uint32_t next_random(steady *s)
{
    s->seed = s->seed * 1664525 + 1013904223;
    return s->seed >> 8;
}

/* Makes inputs of other sizes, at most those of the data set. */
static void choose_sizes(steady *s)
{
    int64_t sizes[COMPILED_MOST];
    for (int i = 0; i < s->c.nsyms; i++) {
        int64_t lo = s->c.v.syms[i].lo, hi = s->c.given[i];
        if (lo < 1 && hi > 0) lo = 1;
        sizes[i] = hi > lo ? lo + next_random(s) % (hi - lo + 1) : hi;
    }
    cr_assert(compiled_resize(&s->c, sizes));
}

/* Whether the run succeeds: sizes that contradict each other are refused, as quietly. */
static bool run_counted(steady *s, const char *name)
{
    long before = s->own_calls;
    armed = true;
    calls = 0;
    lathe_status status = compiled_run(&s->c, s->session);
    armed = false;
    cr_assert(status == LATHE_OK || status == LATHE_BAD_DIMS, "%s: %s", name,
              lathe_session_message(s->session));
    cr_expect_eq(calls, 0, "%s: %ld calls of the C library's allocator", name, (long)calls);
    cr_expect_eq(s->own_calls, before, "%s: %ld calls of the model's", name, s->own_calls - before);
    return status == LATHE_OK;
}

static void check_calls(const char *name)
{
    enum { RUNS = 40, LEAST = 10 };
    for (int variant = 0; variant < 3; variant++) {
        steady s;
        if (!begin(&s, name, variant == 1, variant == 2 ? 2 : 1)) return;
        int good = 0;
        for (int i = 0; i < RUNS; i++) {
            good += run_counted(&s, name);
            choose_sizes(&s);
        }
        cr_expect_geq(good, LEAST, "%s: only %d runs of other sizes", name, good);
        end(&s);
    }
}

Test(steady, examples_call_no_allocator)
{
    check_calls("adder");
    check_calls("digits");
    check_calls("licence_lm");
}

Test(steady, models_call_no_allocator)
{
    check_calls("bert");
    check_calls("llama");
    check_calls("swin");
    check_calls("mixtral");
}

/* ---- resident memory: not under a sanitizer, which keeps what is freed ---- */

#ifndef LATHE_SANITIZED
static long resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert(f && fscanf(f, "%*s %ld", &pages) == 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void check_resident(const char *name)
{
    enum { RUNS = 10000, WARM = 200, SLACK = 65536 };
    steady s;
    long start = 0;
    if (!begin(&s, name, false, 1)) return;
    for (int i = 0; i < WARM + RUNS; i++) {
        cr_assert_eq(compiled_run(&s.c, s.session), LATHE_OK, "%s",
                     lathe_session_message(s.session));
        choose_sizes(&s);
        if (i == WARM) start = resident();
    }
    long grown = resident() - start;
    cr_expect_leq(grown, SLACK, "%s: grew by %ld bytes", name, grown);
    end(&s);
}

Test(steady, memory_of_the_adder_is_flat) { check_resident("adder"); }
Test(steady, memory_of_bert_is_flat) { check_resident("bert"); }
#endif
