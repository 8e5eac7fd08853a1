/* lathe_generate.h - from logits to text: choosing tokens, for an app to take or leave.
 *
 * Only this header; nothing of it is in the runtime. Choices are made in integers, so that a seed
 * gives the same tokens on every machine that gives the same logits. Nothing here exits or prints.
 * C11 and C++17. */
#ifndef LATHE_GENERATE_H
#define LATHE_GENERATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a token is chosen. Zero-initialised: always the likeliest one, of equal ones the first. */
typedef struct lathe_sampling {
    float temperature; /* above 0: drawn with probability exp(logit / temperature) */
    int64_t top_k;     /* above 0: of the k likeliest only */
    float top_p;       /* in (0, 1): of the likeliest that together have this probability */
    float min_p;       /* above 0: of those at least this fraction as likely as the likeliest */
    float repetition_penalty; /* above 0, not 1: a logit of a token seen before is divided by it if
                                 it is positive, else multiplied */
    uint64_t seed;
} lathe_sampling;

typedef struct lathe_choice {
    int64_t token;
    uint64_t weight; /* 2^30: the likeliest */
} lathe_choice;

typedef struct lathe_sampler {
    lathe_sampling how;
    int64_t vocabulary;
    uint64_t random;
    lathe_choice *choices; /* work space of `vocabulary` */
    float *logits;         /* the same */
    int64_t *seen;         /* tokens that repetition_penalty looks at */
    int64_t nseen, cap_seen;
} lathe_sampler;

/* false: no memory, or a vocabulary below 1; the sampler can be freed all the same. */
static inline bool lathe_sampler_init(lathe_sampler *s, int64_t vocabulary,
                                      const lathe_sampling *how)
{
    memset(s, 0, sizeof *s);
    if (vocabulary < 1 || vocabulary > INT32_MAX) return false;
    if (how) s->how = *how;
    s->vocabulary = vocabulary;
    s->random = s->how.seed;
    s->choices = (lathe_choice *)malloc((size_t)vocabulary * sizeof *s->choices);
    s->logits = (float *)malloc((size_t)vocabulary * sizeof *s->logits);
    return s->choices && s->logits;
}
static inline void lathe_sampler_free(lathe_sampler *s)
{
    free(s->choices);
    free(s->logits);
    free(s->seen);
    memset(s, 0, sizeof *s);
}

/* Notes a token as seen: those of a prompt, and each that is chosen. false: no memory. */
static inline bool lathe_sampler_see(lathe_sampler *s, int64_t token)
{
    if (s->how.repetition_penalty <= 0 || s->how.repetition_penalty == 1) return true;
    if (token < 0 || token >= s->vocabulary) return true;
    for (int64_t i = 0; i < s->nseen; i++)
        if (s->seen[i] == token) return true;
    if (s->nseen == s->cap_seen) {
        int64_t cap = s->cap_seen ? 2 * s->cap_seen : 64;
        int64_t *more = (int64_t *)realloc(s->seen, (size_t)cap * sizeof *more);
        if (!more) return false;
        s->seen = more;
        s->cap_seen = cap;
    }
    s->seen[s->nseen++] = token;
    return true;
}

/* ---- arithmetic that is the same everywhere ---- */

/* splitmix64: a step of the state, and its mix (Steele, Lea, Flood: Fast splittable pseudorandom
 * number generators, 2014). */
static inline uint64_t lathe_generate_random_(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* 2^30 * 2^(-x / 2^24) for x >= 0: a polynomial for the fraction, in 30 bits, 9e-8 relative. */
static inline uint64_t lathe_generate_power_(int64_t x)
{
    static const int64_t c[] = {2004816, 9681961, 59914701, 257874615, 744265554, 1073741824};
    int64_t whole = (x + (1 << 24) - 1) >> 24, up = ((whole << 24) - x) << 6, y = 0;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) y = ((y * up) >> 30) + c[i];
    return whole > 30 ? 0 : (uint64_t)y >> whole;
}

/* 2^24 * log2(x) for x >= 1, by squaring. */
static inline int64_t lathe_generate_log_(uint64_t x)
{
    int64_t whole = 0, part = 0;
    uint64_t y;
    while (x >> whole > 1) whole++;
    y = whole > 31 ? x >> (whole - 31) : x << (31 - whole);
    for (int i = 0; i < 24; i++) {
        y = (y * y) >> 31;
        part <<= 1;
        if (y >> 32) y >>= 1, part |= 1;
    }
    return whole * (INT64_C(1) << 24) + part;
}

/* How far a logit is below the likeliest, in powers of two, 24 bits behind the point. */
static inline int64_t lathe_generate_below_(float best, float logit, float temperature)
{
    const double bits = 24204406.323122971; /* 2^24 / ln 2 */
    double d = ((double)best - (double)logit) / (double)temperature;
    return d * bits < 1e15 ? (int64_t)(d * bits) : INT64_C(1000000000000000);
}

/* ---- choosing ---- */

static inline int lathe_generate_order_(const void *a, const void *b)
{
    const lathe_choice *x = (const lathe_choice *)a, *y = (const lathe_choice *)b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* NaN is no candidate. */
static inline int64_t lathe_generate_best_(const float *logits, int64_t n)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (logits[i] == logits[i] && (best < 0 || logits[i] > logits[best])) best = i;
    return best;
}

/* Of n choices, likeliest first, how many are kept. */
static inline int64_t lathe_generate_keep_(const lathe_sampling *how, const lathe_choice *c,
                                           int64_t n)
{
    uint64_t sum = 0, part = 0, least;
    if (how->top_k > 0 && how->top_k < n) n = how->top_k;
    for (int64_t i = 0; i < n; i++) sum += c[i].weight;
    if (how->top_p > 0 && how->top_p < 1) {
        int64_t kept = 0;
        uint64_t enough = (uint64_t)((double)how->top_p * (double)sum);
        while (kept < n && (kept == 0 || part < enough)) part += c[kept++].weight;
        n = kept;
    }
    least = (uint64_t)((double)how->min_p * (double)c[0].weight);
    while (how->min_p > 0 && n > 1 && c[n - 1].weight < least) n--;
    return n;
}

/* What is likely enough to be drawn at all: within 30 powers of two of the likeliest. */
static inline int64_t lathe_generate_weigh_(lathe_sampler *s, const float *logits, float best)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->vocabulary; i++) {
        lathe_choice c;
        if (logits[i] != logits[i]) continue;
        c.token = i;
        c.weight =
            logits[i] == best
                ? UINT64_C(1) << 30
                : lathe_generate_power_(lathe_generate_below_(best, logits[i], s->how.temperature));
        if (c.weight) s->choices[n++] = c;
    }
    return n;
}

/* Of n choices one, by their weights. */
static inline int64_t lathe_generate_draw_(lathe_sampler *s, int64_t n)
{
    uint64_t sum = 0, draw, limit;
    int64_t i = 0;
    for (int64_t k = 0; k < n; k++) sum += s->choices[k].weight;
    limit = UINT64_MAX - UINT64_MAX % sum; /* from there on the first ones would be favoured */
    do draw = lathe_generate_random_(&s->random);
    while (draw >= limit);
    for (draw %= sum; draw >= s->choices[i].weight; i++) draw -= s->choices[i].weight;
    return s->choices[i].token;
}

static inline void lathe_generate_penalize_(lathe_sampler *s)
{
    float p = s->how.repetition_penalty;
    for (int64_t i = 0; i < s->nseen; i++) {
        float *x = &s->logits[s->seen[i]];
        *x = *x > 0 ? *x / p : *x * p;
    }
}

/* A token for these logits, one a token of the vocabulary, which stay as they are; -1: all are NaN.
 * logits may be s->logits. */
static inline int64_t lathe_sample(lathe_sampler *s, const float *logits)
{
    const lathe_sampling *how = &s->how;
    int64_t n, best;
    if (s->nseen) {
        if (logits != s->logits) memcpy(s->logits, logits, (size_t)s->vocabulary * sizeof *logits);
        lathe_generate_penalize_(s);
        logits = s->logits;
    }
    best = lathe_generate_best_(logits, s->vocabulary);
    if (best < 0 || how->temperature <= 0) return best;
    n = lathe_generate_weigh_(s, logits, logits[best]);
    if (how->top_k > 0 || (how->top_p > 0 && how->top_p < 1) || how->min_p > 0) {
        qsort(s->choices, (size_t)n, sizeof *s->choices, lathe_generate_order_);
        n = lathe_generate_keep_(how, s->choices, n);
    }
    return lathe_generate_draw_(s, n);
}

/* ---- a whole text ---- */

typedef struct lathe_generate {
    /* Gives the model n tokens more; the logits behind the last one, or NULL: it failed. */
    const float *(*feed)(void *ctx, const int64_t *tokens, int64_t n);
    /* May be NULL. Changes logits before a token is chosen: bans, biases, grammars. */
    void (*adjust)(void *ctx, float *logits, int64_t n);
    /* May be NULL. Is told each token as soon as it is chosen; false ends the text. */
    bool (*token)(void *ctx, int64_t token);
    void *ctx;
    const int64_t *const *stops; /* sequences that end the text, NULL behind the last; or NULL */
    const int64_t *stop_lengths;
    int64_t most; /* tokens to choose at most */
} lathe_generate;

/* Whether `text` ends with one of the stop sequences. */
static inline bool lathe_generate_stops_(const lathe_generate *g, const int64_t *text, int64_t n)
{
    for (int64_t i = 0; g->stops && g->stops[i]; i++) {
        int64_t m = g->stop_lengths[i];
        if (m > 0 && m <= n && memcmp(text + n - m, g->stops[i], (size_t)m * sizeof *text) == 0)
            return true;
    }
    return false;
}

/* Feeds the prompt and chooses tokens until `most`, a stop sequence, which is part of the text, or
 * the callback ends it. out: room for g->most tokens. The number chosen, or -1: feed failed, all
 * logits are NaN, or there is no memory. */
static inline int64_t lathe_generate_text(lathe_sampler *s, const lathe_generate *g,
                                          const int64_t *prompt, int64_t n, int64_t *out)
{
    int64_t count = 0;
    const int64_t *next = prompt;
    for (int64_t i = 0; i < n; i++)
        if (!lathe_sampler_see(s, prompt[i])) return -1;
    while (count < g->most) {
        const float *logits = g->feed(g->ctx, next, n);
        int64_t token;
        if (!logits) return -1;
        if (g->adjust) {
            memcpy(s->logits, logits, (size_t)s->vocabulary * sizeof *logits);
            g->adjust(g->ctx, s->logits, s->vocabulary);
            logits = s->logits;
        }
        token = lathe_sample(s, logits);
        if (token < 0 || !lathe_sampler_see(s, token)) return -1;
        out[count++] = token;
        if (g->token && !g->token(g->ctx, token)) break;
        if (lathe_generate_stops_(g, out, count)) break;
        next = &out[count - 1];
        n = 1;
    }
    return count;
}

/* ---- beams ---- */

/* A text of a beam search: the one of the step before that it continues, by which token, and the
 * logarithm of its probability to base 2, 24 bits behind the point. */
typedef struct lathe_beam {
    int64_t from, token, score;
} lathe_beam;

/* Keeps the beams best first, `width` of them at most; of equal ones the earlier one wins. */
static inline int64_t lathe_generate_offer_(lathe_beam *best, int64_t n, int64_t width,
                                            lathe_beam b)
{
    int64_t at = n;
    if (n == width && b.score <= best[n - 1].score) return n;
    if (n == width) at--;
    else n++;
    for (; at > 0 && best[at - 1].score < b.score; at--) best[at] = best[at - 1];
    best[at] = b;
    return n;
}

/* 2^24 * log2 of the sum of all exp(logit - best). */
static inline int64_t lathe_generate_norm_(const float *logits, int64_t n, float best)
{
    uint64_t sum = 0;
    for (int64_t t = 0; t < n; t++)
        if (logits[t] == logits[t])
            sum += lathe_generate_power_(lathe_generate_below_(best, logits[t], 1));
    return lathe_generate_log_(sum) - (INT64_C(30) << 24);
}

/* One step: of all continuations of n beams the `width` likeliest, best first. logits: a row of
 * `vocabulary` for each beam. The first step starts from one beam of score 0. next: room for width;
 * its `from` is what lathe_state_reorder takes. The number of beams found: fewer than width only if
 * there are fewer continuations. Whoever calls takes the texts out that have ended. */
static inline int64_t lathe_beam_step(const lathe_beam *beams, int64_t n, const float *logits,
                                      int64_t vocabulary, int64_t width, lathe_beam *next)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * vocabulary;
        int64_t top = lathe_generate_best_(row, vocabulary), norm;
        if (top < 0) continue;
        norm = lathe_generate_norm_(row, vocabulary, row[top]);
        for (int64_t t = 0; t < vocabulary; t++) {
            lathe_beam b;
            if (row[t] != row[t]) continue;
            b.from = i;
            b.token = t;
            b.score = beams[i].score - norm - lathe_generate_below_(row[top], row[t], 1);
            found = lathe_generate_offer_(next, found, width, b);
        }
    }
    return found;
}

#ifdef __cplusplus
}
#endif
#endif
