/* lathe_generate.h: choices against exact probabilities, cut-offs, the same draws for a seed, stop
 * sequences and hooks, and beams against all texts. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "lathe_generate.h"

static lathe_sampler s;

static void begin(int64_t vocabulary, lathe_sampling how)
{
    lathe_sampler_free(&s);
    cr_assert(lathe_sampler_init(&s, vocabulary, &how));
}

static void end(void) { lathe_sampler_free(&s); }
TestSuite(generate, .fini = end);

static void draw(const float *logits, int n, int times, int *count)
{
    memset(count, 0, (size_t)n * sizeof *count);
    for (int i = 0; i < times; i++) {
        int64_t token = lathe_sample(&s, logits);
        cr_assert(token >= 0 && token < n);
        count[token]++;
    }
}

Test(generate, powers_and_logarithms)
{
    for (int i = 0; i < 2000; i++) {
        int64_t x = (int64_t)i * 250007;
        double want = 1073741824.0 * exp2(-(double)x / 16777216);
        cr_expect_lt(fabs((double)lathe_generate_power_(x) - want), 1 + want * 2e-7, "%d", i);
        uint64_t y = (uint64_t)1 + (uint64_t)i * (uint64_t)i * 7919;
        cr_expect_lt(fabs((double)lathe_generate_log_(y) - 16777216 * log2((double)y)), 3, "%d", i);
    }
    cr_expect_eq(lathe_generate_power_(0), 1 << 30);
    cr_expect_eq(lathe_generate_power_(INT64_C(1000000000000000)), 0);
}

Test(generate, the_likeliest_without_temperature)
{
    const float logits[] = {1, NAN, 3, 3, -INFINITY}, none[] = {NAN, NAN, NAN, NAN, NAN};
    begin(5, (lathe_sampling){0});
    cr_expect_eq(lathe_sample(&s, logits), 2);
    cr_expect_eq(lathe_sample(&s, none), -1);
    cr_expect_not(lathe_sampler_init(&s, 0, NULL));
}

Test(generate, drawn_as_often_as_likely)
{
    const float logits[] = {2, 1, NAN, 0, -3, -INFINITY};
    enum { N = 6, TIMES = 200000 };
    int count[N];
    double sum = 0;
    begin(N, (lathe_sampling){.temperature = 1.5f, .seed = 7});
    draw(logits, N, TIMES, count);
    for (int i = 0; i < N; i++) sum += isnan(logits[i]) ? 0 : exp(logits[i] / 1.5);
    for (int i = 0; i < N; i++) {
        double p = isnan(logits[i]) ? 0 : exp(logits[i] / 1.5) / sum;
        cr_expect_lt(fabs(count[i] - TIMES * p), 1 + 5 * sqrt(TIMES * p), "%d: %d, expected %g", i,
                     count[i], TIMES * p);
    }
}

Test(generate, a_seed_gives_the_same_everywhere)
{
    static const int64_t want[] = {9, 4, 9, 15, 6, 4, 9, 11, 8, 4, 13, 0};
    float logits[16];
    for (int i = 0; i < 16; i++) logits[i] = (float)(i * 7 % 16) / 4;
    begin(16, (lathe_sampling){.temperature = 1, .seed = 42});
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_expect_eq(lathe_sample(&s, logits), want[i], "%zu", i);
}

Test(generate, cut_offs)
{
    /* probabilities 0.4 0.3 0.2 0.1 */
    const float logits[] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    static const struct {
        lathe_sampling how;
        int kept[4];
    } tries[] = {
        {{.temperature = 1, .top_k = 2}, {0, 1, 0, 1}},
        {{.temperature = 1, .top_k = 9}, {1, 1, 1, 1}},
        {{.temperature = 1, .top_p = 0.69f}, {0, 1, 0, 1}},
        {{.temperature = 1, .top_p = 0.71f}, {0, 1, 1, 1}},
        {{.temperature = 1, .top_p = 0.01f}, {0, 1, 0, 0}},
        {{.temperature = 1, .min_p = 0.3f}, {0, 1, 1, 1}},
        {{.temperature = 1, .min_p = 0.6f}, {0, 1, 0, 1}},
        {{.temperature = 1, .top_k = 3, .top_p = 0.5f}, {0, 1, 0, 1}},
    };
    for (size_t t = 0; t < sizeof tries / sizeof *tries; t++) {
        int count[4];
        begin(4, tries[t].how);
        draw(logits, 4, 2000, count);
        for (int i = 0; i < 4; i++)
            cr_expect_eq(count[i] > 0, tries[t].kept[i], "try %zu, token %d", t, i);
    }
}

Test(generate, what_was_seen_is_less_likely)
{
    const float logits[] = {2, 1.5f, -1, -1.5f};
    begin(4, (lathe_sampling){.repetition_penalty = 2});
    cr_assert(lathe_sampler_see(&s, 0) && lathe_sampler_see(&s, 0) && lathe_sampler_see(&s, 99));
    cr_expect_eq(s.nseen, 1);
    cr_expect_eq(lathe_sample(&s, logits), 1);
    cr_expect_eq(logits[0], 2);
    for (int i = 0; i < 3; i++) lathe_sampler_see(&s, i);
    cr_expect_eq(lathe_sample(&s, logits), 0);
}

/* ---- texts ---- */

/* A model whose likeliest token is the one behind the last, of eight. */
typedef struct counter {
    int64_t last, fed, told;
    float logits[8];
    bool fails;
} counter;

static const float *count_feed(void *ctx, const int64_t *tokens, int64_t n)
{
    counter *c = ctx;
    if (c->fails) return NULL;
    c->last = tokens[n - 1];
    c->fed += n;
    for (int i = 0; i < 8; i++) c->logits[i] = i == (c->last + 1) % 8;
    return c->logits;
}
static bool count_token(void *ctx, int64_t token)
{
    counter *c = ctx;
    c->told++;
    return token != 7;
}
static void ban_five(void *ctx, float *logits, int64_t n)
{
    (void)ctx, (void)n;
    logits[5] = -1;
    logits[6] += 0.5f;
}

Test(generate, texts_end)
{
    const int64_t prompt[] = {1, 2}, stop[] = {4, 5};
    const int64_t *const stops[] = {stop, NULL};
    const int64_t lengths[] = {2};
    int64_t out[10];
    counter c = {0};
    lathe_generate g = {.feed = count_feed, .ctx = &c, .most = 3};
    begin(8, (lathe_sampling){0});
    cr_assert_eq(lathe_generate_text(&s, &g, prompt, 2, out), 3);
    cr_expect(out[0] == 3 && out[1] == 4 && out[2] == 5 && c.fed == 4);
    g.most = 10;
    g.token = count_token;
    cr_expect_eq(lathe_generate_text(&s, &g, prompt, 2, out), 5);
    cr_expect_eq(c.told, 5);
    g.stops = stops;
    g.stop_lengths = lengths;
    cr_expect_eq(lathe_generate_text(&s, &g, prompt, 2, out), 3);
    g.adjust = ban_five;
    cr_expect_eq(lathe_generate_text(&s, &g, prompt, 2, out), 4);
    cr_expect_eq(out[2], 6);
    c.fails = true;
    cr_expect_eq(lathe_generate_text(&s, &g, prompt, 2, out), -1);
}

/* ---- beams ---- */

enum { WORDS = 4, LONG = 4 };
static void table(int64_t last, float *logits)
{
    for (int t = 0; t < WORDS; t++) logits[t] = (float)((last * 5 + t * 11) % 13) / 3;
}

static double text_score(int text)
{
    double sum = 0;
    int64_t last = 0;
    for (int i = 0; i < LONG; i++, text /= WORDS) {
        float logits[WORDS];
        double all = 0;
        table(last, logits);
        for (int t = 0; t < WORDS; t++) all += exp(logits[t]);
        last = text % WORDS;
        sum += logits[last] - log(all);
    }
    return sum;
}

/* As wide as there are texts, a search finds the best of all. */
Test(generate, beams_find_the_best)
{
    enum { WIDTH = 64 };
    lathe_beam beams[WIDTH] = {{0}}, next[WIDTH];
    static float logits[WIDTH * WORDS];
    int64_t n = 1;
    for (int i = 0; i < LONG; i++) {
        for (int64_t k = 0; k < n; k++) table(i ? beams[k].token : 0, logits + k * WORDS);
        n = lathe_beam_step(beams, n, logits, WORDS, WIDTH, next);
        cr_assert_eq(n, i < 3 ? 1 << 2 * (i + 1) : WIDTH);
        for (int64_t k = 1; k < n; k++) cr_expect_geq(next[k - 1].score, next[k].score);
        memcpy(beams, next, sizeof beams);
    }
    double best = -INFINITY;
    for (int text = 0; text < 256; text++) best = fmax(best, text_score(text));
    cr_expect_lt(fabs((double)beams[0].score / 16777216 - best / log(2)), 1e-5);
}
