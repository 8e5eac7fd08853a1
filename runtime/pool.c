/* The thread pool behind lathe_threads: chunks are claimed, never assigned.
 *
 * `left` counts the chunks of the region that nobody has claimed; claiming is one compare-exchange
 * that lowers it. The region's fields are read after a claim only: until that chunk is reported
 * done the caller cannot return, so they cannot change. A worker that has not woken up claims
 * nothing and delays nobody; the caller works through the chunks itself.
 * Waiting: look for about 20 us, then sleep on a futex. Pure spinning would cost milliseconds when
 * two threads share a core. A second caller at the same time runs its chunks alone. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/rt.h"

enum { SPIN_NS = 20000, MAX_WORKERS = 1024 };

typedef struct pool pool;
typedef struct worker {
    pool *p;
    pthread_t thread;
    int number;
} worker;

struct pool {
    lathe_threads interface; /* first: what the caller holds */
    atomic_flag busy;
    lathe_task task; /* of the region */
    void *arg;
    int64_t chunks;
    _Alignas(64) _Atomic int64_t left;
    _Alignas(64) _Atomic int64_t done;
    _Alignas(64) _Atomic uint32_t started; /* futex of idle workers: regions begun */
    _Atomic uint32_t finished;             /* futex of the caller: regions ended */
    _Atomic int sleepers, caller_sleeps;
    atomic_bool stop;
    int nthreads;
    worker workers[];
};

/* ---- waiting ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Looks until ready(p) or the time is over. */
static bool spin(pool *p, bool (*ready)(pool *))
{
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < 64; i++) {
            if (ready(p)) return true;
            relax();
        }
        int64_t now = now_ns();
        if (!end) end = now + SPIN_NS;
        if (now >= end) return false;
    }
}

static bool has_work(pool *p) { return atomic_load(&p->left) > 0 || atomic_load(&p->stop); }
static bool is_done(pool *p) { return atomic_load(&p->done) == p->chunks; }

/* ---- chunks ---- */

static void pool_work(pool *p, int number)
{
    int64_t left = atomic_load(&p->left);
    while (left > 0) {
        if (!atomic_compare_exchange_weak(&p->left, &left, left - 1)) continue;
        int64_t chunks = p->chunks;
        p->task(p->arg, chunks - left, number);
        if (atomic_fetch_add(&p->done, 1) + 1 == chunks) {
            atomic_fetch_add(&p->finished, 1);
            if (atomic_load(&p->caller_sleeps)) futex_wake(&p->finished, 1);
        }
        left = atomic_load(&p->left);
    }
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    pool *p = w->p;
    while (!atomic_load(&p->stop)) {
        pool_work(p, w->number);
        if (spin(p, has_work)) continue;
        uint32_t seen = atomic_load(&p->started);
        atomic_fetch_add(&p->sleepers, 1);
        if (!has_work(p)) futex_wait(&p->started, seen);
        atomic_fetch_sub(&p->sleepers, 1);
    }
    return NULL;
}

static void wait_done(pool *p)
{
    if (spin(p, is_done)) return;
    atomic_store(&p->caller_sleeps, 1);
    for (;;) {
        uint32_t seen = atomic_load(&p->finished);
        if (is_done(p)) break;
        futex_wait(&p->finished, seen);
    }
    atomic_store(&p->caller_sleeps, 0);
}

static void wake_workers(pool *p, int n)
{
    atomic_fetch_add(&p->started, 1);
    if (atomic_load(&p->sleepers)) futex_wake(&p->started, n);
}

static void parallel_for(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    pool *p = ctx;
    if (chunks <= 1 || !p->nthreads || atomic_flag_test_and_set(&p->busy)) {
        for (int64_t i = 0; i < chunks; i++) task(arg, i, 0);
        return;
    }
    p->task = task;
    p->arg = arg;
    p->chunks = chunks;
    atomic_store(&p->done, 0);
    atomic_store(&p->left, chunks);
    wake_workers(p, chunks - 1 < p->nthreads ? (int)(chunks - 1) : p->nthreads);
    pool_work(p, 0);
    wait_done(p);
    atomic_flag_clear(&p->busy);
}

/* ---- life ---- */

/* Signals are left to the app's own threads. */
static bool pool_start(worker *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool ok = pthread_create(&w->thread, NULL, worker_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

lathe_status rt_threads_new(int workers, lathe_threads **threads)
{
    if (!threads) return LATHE_BAD_INPUT;
    *threads = NULL;
    if (workers < 1) return LATHE_BAD_INPUT;
    if (workers > MAX_WORKERS) return LATHE_LIMIT;
    size_t size = sizeof(pool) + (size_t)(workers - 1) * sizeof(worker);
    pool *p = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!p) return LATHE_OUT_OF_MEMORY;
    *p = (pool){.interface = {parallel_for, p, workers}, .busy = ATOMIC_FLAG_INIT};
    for (int i = 0; i < workers - 1; i++) {
        p->workers[i] = (worker){.p = p, .number = i + 1};
        if (!pool_start(&p->workers[i])) {
            rt_threads_free(&p->interface);
            return LATHE_OUT_OF_MEMORY;
        }
        p->nthreads++;
    }
    *threads = &p->interface;
    return LATHE_OK;
}

void rt_threads_free(lathe_threads *threads)
{
    if (!threads) return;
    pool *p = threads->ctx;
    atomic_store(&p->stop, true);
    wake_workers(p, p->nthreads);
    for (int i = 0; i < p->nthreads; i++) pthread_join(p->workers[i].thread, NULL);
    free(p);
}
