/* What the machine does: two loops, run by all threads of the pool at once.
 *
 * One does nothing but multiply-adds of the widest vectors, in registers; the other one reads
 * memory that no cache holds. A step whose operands are in a cache may read faster. */
#include "driver/profile.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { TURNS = 1 << 20, CHAINS = 10, MOST_WORKERS = 256 };
#define READ_BYTES ((size_t)256 << 20)

/* Ten independent chains hide the latency; the barrier keeps them in registers and in the loop. */
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
#define FMA_LOOP(NAME, ATTRIBUTES, VECTOR, SET, FMA)                                               \
    ATTRIBUTES static void NAME(void)                                                              \
    {                                                                                              \
        VECTOR m = SET(0.5f), c[CHAINS];                                                           \
        for (int i = 0; i < CHAINS; i++) c[i] = SET((float)i);                                     \
        EACH(DECLARE)                                                                              \
        for (int t = 0; t < TURNS; t++) {                                                          \
            EACH(FMA)                                                                              \
        }                                                                                          \
        EACH(KEEP)                                                                                 \
    }

#if defined(__x86_64__)
#define KEEP(i) __asm__ volatile("" : : "x"(r##i));
#define DECLARE(i) __typeof__(m) r##i = c[i];
#define FMA_512(i)                                                                                 \
    r##i = _mm512_fmadd_ps(r##i, m, m);                                                            \
    __asm__ volatile("" : "+v"(r##i));
#define FMA_256(i)                                                                                 \
    r##i = _mm256_fmadd_ps(r##i, m, m);                                                            \
    __asm__ volatile("" : "+x"(r##i));
#define FMA_128(i)                                                                                 \
    r##i = _mm_add_ps(_mm_mul_ps(r##i, m), m);                                                     \
    __asm__ volatile("" : "+x"(r##i));
FMA_LOOP(fma_512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, FMA_512)
FMA_LOOP(fma_256, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, FMA_256)
FMA_LOOP(fma_128, , __m128, _mm_set1_ps, FMA_128)
#elif defined(__aarch64__)
#define KEEP(i) __asm__ volatile("" : : "w"(r##i));
#define DECLARE(i) __typeof__(m) r##i = c[i];
#define FMA_128(i)                                                                                 \
    r##i = vfmaq_f32(m, r##i, m);                                                                  \
    __asm__ volatile("" : "+w"(r##i));
FMA_LOOP(fma_128, , float32x4_t, vdupq_n_f32, FMA_128)
#endif

typedef struct fma_kind {
    void (*run)(void);
    int lanes;
} fma_kind;

static fma_kind machine_choose(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return (fma_kind){fma_512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (fma_kind){fma_256, 8};
    return (fma_kind){fma_128, 4};
#elif defined(__aarch64__)
    return (fma_kind){fma_128, 4};
#else
    return (fma_kind){0};
#endif
}

typedef struct work {
    fma_kind fma;
    const uint64_t *data; /* a part of `words` for each chunk */
    size_t words;
    uint64_t sum[MOST_WORKERS];
} work;

static void fma_task(void *arg, int64_t chunk, int worker)
{
    const work *w = arg;
    (void)chunk, (void)worker;
    w->fma.run();
}

static void read_task(void *arg, int64_t chunk, int worker)
{
    work *w = arg;
    const uint64_t *data = w->data + (size_t)chunk * w->words;
    uint64_t sum[8] = {0};
    (void)worker;
    for (size_t i = 0; i + 8 <= w->words; i += 8)
        for (int k = 0; k < 8; k++) sum[k] ^= data[i + (size_t)k];
    for (int k = 1; k < 8; k++) sum[0] ^= sum[k];
    *(volatile uint64_t *)&w->sum[chunk] = sum[0];
}

/* The shortest of a few times. */
static double shortest(const lathe_threads *threads, lathe_task task, work *w, int workers)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double start = seconds_now();
        if (threads) threads->parallel_for(threads->ctx, task, w, workers);
        else task(w, 0, 0);
        double took = seconds_now() - start;
        if (i == 0 || took < best) best = took;
    }
    return best;
}

machine machine_measure(const lathe_threads *threads)
{
    int workers = threads ? threads->workers : 1;
    if (workers > MOST_WORKERS) workers = MOST_WORKERS;
    machine m = {0};
    work w = {.fma = machine_choose(), .words = READ_BYTES / sizeof(uint64_t) / (size_t)workers};
    if (w.fma.run)
        m.flops =
            2.0 * CHAINS * TURNS * w.fma.lanes * workers / shortest(threads, fma_task, &w, workers);
    uint64_t *data = malloc(READ_BYTES);
    if (!data) return m;
    memset(data, 1, READ_BYTES); /* pages of its own, not the one of zeros */
    w.data = data;
    m.bytes = (double)w.words * 8 * workers / shortest(threads, read_task, &w, workers);
    free(data);
    return m;
}
