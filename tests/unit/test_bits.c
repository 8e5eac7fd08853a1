/* The same bits whoever runs the chunks: the caller alone, pools of two and three threads, a
 * parallel_for that goes backwards, and one that spreads chunks over threads of its own. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/compiled.h"

static atomic_long spread_regions; /* regions of more than one chunk */

/* ---- the caller's own threads ---- */

static void backwards(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    (void)ctx;
    spread_regions += chunks > 1;
    for (int64_t i = chunks - 1; i >= 0; i--) task(arg, i, (int)(i % 2));
}

typedef struct share {
    lathe_task task;
    void *arg;
    int64_t chunks;
    int worker;
} share;

enum { OWN = 4 };

static void *run_share(void *arg)
{
    const share *s = arg;
    for (int64_t i = s->worker; i < s->chunks; i += OWN) s->task(s->arg, i, s->worker);
    return NULL;
}

static void own_threads(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    pthread_t threads[OWN];
    share shares[OWN];
    (void)ctx;
    for (int w = 0; w < OWN; w++) {
        shares[w] = (share){task, arg, chunks, w};
        cr_assert_eq(pthread_create(&threads[w], NULL, run_share, &shares[w]), 0);
    }
    for (int w = 0; w < OWN; w++) pthread_join(threads[w], NULL);
}

static const lathe_threads reversed = {backwards, NULL, 2}, own = {own_threads, NULL, OWN};

/* ---- results ---- */

typedef struct results {
    size_t n, size[COMPILED_MOST];
    void *data[COMPILED_MOST];
} results;

static void keep(results *r, const compiled *c)
{
    r->n = (size_t)c->nout;
    for (size_t i = 0; i < r->n; i++) {
        r->size[i] = c->out[i].size;
        r->data[i] = malloc(r->size[i] + 1);
        memcpy(r->data[i], c->out[i].data, r->size[i]);
    }
}

static void compare(const results *r, const compiled *c, const char *name, const char *who)
{
    for (size_t i = 0; i < r->n; i++) {
        cr_assert_eq(r->size[i], c->out[i].size, "%s, %s: size of output %zu", name, who, i);
        cr_expect_eq(memcmp(r->data[i], c->out[i].data, r->size[i]), 0,
                     "%s, %s: other bits in output %zu", name, who, i);
    }
}

static lathe_status run_with(compiled *c, const lathe_threads *threads, const char *who,
                             const char *name, results *r)
{
    lathe_model *model;
    lathe_session *session;
    const lathe_open_options o = {.threads = threads, .flags = LATHE_OPEN_POISON};
    cr_assert_eq(lathe_model_open(c->lib.desc, &o, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, NULL, &session), LATHE_OK);
    lathe_status s = compiled_run(c, session);
    if (s == LATHE_OK && !r->n) keep(r, c);
    else if (s == LATHE_OK) compare(r, c, name, who);
    lathe_session_free(session);
    lathe_model_close(model);
    return s;
}

/* Sizes so large that kernels are cut into chunks, if the model takes them. */
static void enlarge(compiled *c, const char *name, results *r)
{
    for (int factor = 8; factor > 0; factor /= 2) {
        int64_t sizes[COMPILED_MOST];
        for (int i = 0; i < c->nsyms; i++) sizes[i] = factor * c->given[i];
        cr_assert(compiled_resize(c, sizes), "%s", name);
        if (run_with(c, NULL, "alone", name, r) == LATHE_OK) return;
    }
    cr_assert_fail("%s: does not run", name);
}

/* Regions of more than one chunk that the model has. */
static long check_bits(const char *name)
{
    compiled c;
    char path[512];
    results r = {0};
    if (!compiled_find(name, path, sizeof path)) return 0;
    cr_assert(compiled_make(&c, path), "%s", name);
    enlarge(&c, name, &r);
    for (int workers = 2; workers <= 3; workers++) {
        lathe_threads *pool;
        cr_assert_eq(lathe_threads_new(c.lib.desc, workers, &pool), LATHE_OK);
        cr_expect_eq(run_with(&c, pool, workers == 2 ? "2 threads" : "3 threads", name, &r),
                     LATHE_OK);
        lathe_threads_free(c.lib.desc, pool);
    }
    spread_regions = 0;
    cr_expect_eq(run_with(&c, &reversed, "backwards", name, &r), LATHE_OK);
    cr_expect_eq(run_with(&c, &own, "own threads", name, &r), LATHE_OK);
    for (size_t i = 0; i < r.n; i++) free(r.data[i]);
    compiled_free(&c);
    return spread_regions;
}

Test(bits, examples)
{
    check_bits("adder");
    check_bits("digits");
    cr_expect_gt(check_bits("licence_lm"), 0, "nothing was cut into chunks");
}

Test(bits, models)
{
    static const char *const names[] = {"bert",      "gpt2",           "llama", "t5_encoder",
                                        "swin",      "mixtral",        "mamba", "detr",
                                        "bert_fp16", "int4_blocked_dq"};
    char path[512];
    long cut = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) cut += check_bits(names[i]);
    if (compiled_find("bert", path, sizeof path))
        cr_expect_gt(cut, 0, "nothing was cut into chunks");
}
