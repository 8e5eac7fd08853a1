/* Threads: every chunk once, worker numbers apart, many regions, several callers, the same bits.
 * Meant for ThreadSanitizer too. */
#ifdef __SANITIZE_THREAD__
#include "tests/unit/plain_test.h"
#else
#include <criterion/criterion.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "runtime/rt.h"
#include "tests/unit/hand_model.h"

enum { MOST = 5000 };

typedef struct tally {
    _Atomic int seen[MOST];
    _Atomic int in_use[64];
    _Atomic int clashes, workers;
    int64_t plain[MOST]; /* written by tasks without atomics, read by the caller */
} tally;

static void count(void *arg, int64_t chunk, int worker)
{
    tally *t = arg;
    if (worker < 0 || worker >= t->workers || atomic_fetch_add(&t->in_use[worker], 1) != 0)
        atomic_fetch_add(&t->clashes, 1);
    atomic_fetch_add(&t->seen[chunk], 1);
    t->plain[chunk] = 3 * chunk;
    atomic_fetch_sub(&t->in_use[worker], 1);
}

static void check_region(const lathe_threads *threads, tally *t, int64_t chunks)
{
    for (int64_t i = 0; i < chunks; i++) t->seen[i] = 0;
    threads->parallel_for(threads->ctx, count, t, chunks);
    for (int64_t i = 0; i < chunks; i++) {
        cr_assert_eq(t->seen[i], 1, "chunk %d", (int)i);
        cr_assert_eq(t->plain[i], 3 * i);
        t->plain[i] = 0;
    }
    cr_assert_eq(t->clashes, 0);
}

Test(pool, runs_every_chunk_once)
{
    for (int workers = 1; workers <= 4; workers++) {
        lathe_threads *threads;
        tally *t = calloc(1, sizeof *t);
        t->workers = workers;
        cr_assert_eq(lathe_rt_api_v1.threads_new(workers, &threads), LATHE_OK);
        cr_assert_eq(threads->workers, workers);
        for (int64_t chunks = 0; chunks < 40; chunks++) check_region(threads, t, chunks);
        check_region(threads, t, MOST);
        lathe_rt_api_v1.threads_free(threads);
        free(t);
    }
}

Test(pool, survives_many_short_regions)
{
    lathe_threads *threads;
    tally *t = calloc(1, sizeof *t);
    t->workers = 4;
    cr_assert_eq(lathe_rt_api_v1.threads_new(4, &threads), LATHE_OK);
    for (int i = 0; i < 5000; i++) check_region(threads, t, 1 + i % 9);
    lathe_rt_api_v1.threads_free(threads);
    free(t);
}

Test(pool, workers_wake_up_after_a_pause)
{
    lathe_threads *threads;
    tally *t = calloc(1, sizeof *t);
    t->workers = 3;
    cr_assert_eq(lathe_rt_api_v1.threads_new(3, &threads), LATHE_OK);
    for (int i = 0; i < 20; i++) {
        check_region(threads, t, 50);
        struct timespec pause = {.tv_nsec = 300000};
        nanosleep(&pause, NULL);
    }
    lathe_rt_api_v1.threads_free(threads);
    free(t);
}

static void *another_caller(void *arg)
{
    const lathe_threads *threads = arg;
    tally *t = calloc(1, sizeof *t);
    t->workers = threads->workers;
    for (int i = 0; i < 500; i++) check_region(threads, t, 20);
    free(t);
    return NULL;
}

Test(pool, serves_several_callers)
{
    lathe_threads *threads;
    pthread_t callers[3];
    cr_assert_eq(lathe_rt_api_v1.threads_new(3, &threads), LATHE_OK);
    for (int i = 0; i < 3; i++) pthread_create(&callers[i], NULL, another_caller, threads);
    for (int i = 0; i < 3; i++) pthread_join(callers[i], NULL);
    lathe_rt_api_v1.threads_free(threads);
}

typedef struct nested {
    const lathe_threads *threads;
    tally *inner[8];
} nested;

static void nest(void *arg, int64_t chunk, int worker)
{
    nested *n = arg;
    (void)worker;
    check_region(n->threads, n->inner[chunk], 10);
}

Test(pool, a_region_inside_of_a_region_runs_alone)
{
    nested n = {0};
    lathe_threads *threads;
    cr_assert_eq(lathe_rt_api_v1.threads_new(3, &threads), LATHE_OK);
    n.threads = threads;
    for (int i = 0; i < 8; i++) {
        n.inner[i] = calloc(1, sizeof *n.inner[i]);
        n.inner[i]->workers = 3;
    }
    threads->parallel_for(threads->ctx, nest, &n, 8);
    for (int i = 0; i < 8; i++) free(n.inner[i]);
    lathe_rt_api_v1.threads_free(threads);
}

Test(pool, refuses_what_makes_no_sense)
{
    lathe_threads *threads;
    cr_expect_eq(lathe_rt_api_v1.threads_new(0, &threads), LATHE_BAD_INPUT);
    cr_expect_eq(lathe_rt_api_v1.threads_new(1 << 20, &threads), LATHE_LIMIT);
    cr_expect_eq(lathe_rt_api_v1.threads_new(2, NULL), LATHE_BAD_INPUT);
    lathe_rt_api_v1.threads_free(NULL);
}

/* ---- models on threads ---- */

/* y[i] = bits that tell in which chunk a row was computed, beside x[i]. Uses its scratch memory. */
static void kernel_chunk(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *x = a->buf[0];
    float *y = a->buf[1], *scratch = a->scratch;
    (void)worker;
    scratch[0] = (float)begin;
    for (int64_t i = begin; i < end; i++) y[i] = x[i] + scratch[0];
    scratch[1] = 1;
}

static void make_parallel(hand_model *h)
{
    hand_begin(h);
    uint32_t n = hand_free(h, "n", 0, 1 << 20), four = hand_const(h, 4), work = hand_const(h, 4000);
    uint32_t bytes = hand_op(h, LATHE_DIM_MUL, n, four, 0);
    h->head.scratch_slot = hand_const(h, 8);
    uint32_t x = hand_io(h, false, "x", LATHE_F32, n, bytes),
             y = hand_io(h, true, "y", LATHE_F32, n, bytes);
    hand_step(h, hand_kernel(h, kernel_chunk), 2, 0, LIST(h, x, y), n, work);
}

static void run_parallel(const lathe_desc *desc, const lathe_threads *threads, float *x, float *y,
                         int64_t n)
{
    lathe_open_options o = {.threads = threads};
    lathe_model *model;
    lathe_session *session;
    cr_assert_eq(lathe_model_open(desc, &o, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, NULL, &session), LATHE_OK);
    lathe_tensor in = hand_tensor(LATHE_F32, x, n), out = hand_tensor(LATHE_F32, y, n);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
        out.size = (size_t)n * 4;
    }
    lathe_session_free(session);
    lathe_model_close(model);
}

/* The app's own threads, which start at the far end. */
static void backwards(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    ++*(int *)ctx;
    for (int64_t i = chunks - 1; i >= 0; i--) task(arg, i, (int)(i % 2));
}

Test(pool, results_do_not_depend_on_the_threads)
{
    enum { N = 3001 };
    static hand_model h;
    static float x[N], one[N], many[N];
    for (int i = 0; i < N; i++) x[i] = (float)i * 0.25f;
    make_parallel(&h);
    const lathe_desc *desc = hand_finish(&h);
    run_parallel(desc, NULL, x, one, N);
    cr_assert_neq(one[N - 1], x[N - 1], "there are several chunks");
    for (int workers = 1; workers <= 4; workers++) {
        lathe_threads *threads;
        cr_assert_eq(lathe_threads_new(desc, workers, &threads), LATHE_OK);
        run_parallel(desc, threads, x, many, N);
        cr_expect_eq(memcmp(one, many, sizeof one), 0, "%d workers", workers);
        lathe_threads_free(desc, threads);
    }
    int regions = 0;
    lathe_threads own = {backwards, &regions, 2};
    memset(many, 0, sizeof many);
    run_parallel(desc, &own, x, many, N);
    cr_expect_eq(memcmp(one, many, sizeof one), 0);
    cr_expect_eq(regions, 20);
    free(h.block);
}
