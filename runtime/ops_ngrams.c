/* Counts of n-grams. In: rows of tokens, a pool of n-grams, each with its column. Out: how often
 * each occurs in a row, its tokens next to each other or the same distance apart. */
#include "runtime/ops.h"

enum { START, SIZE, GRAM_COLUMN, GRAM_FIELDS };

typedef struct search {
    const int64_t *pool, *grams;
    int64_t count;
} search;

/* Order of n tokens that stand `step` apart and an entry: shorter entries come first. */
static int order(const search *s, int64_t gram, const int64_t *tokens, int64_t n, int64_t step)
{
    const int64_t *entry = s->grams + gram * GRAM_FIELDS;
    if (entry[SIZE] != n) return n < entry[SIZE] ? -1 : 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t a = tokens[i * step], b = s->pool[entry[START] + i];
        if (a != b) return a < b ? -1 : 1;
    }
    return 0;
}

/* Column of the n-gram; -1: it is not in the pool. */
static int64_t find_column(const search *s, const int64_t *tokens, int64_t n, int64_t step)
{
    int64_t lo = 0, hi = s->count;
    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        int o = order(s, middle, tokens, n, step);
        if (o == 0) return s->grams[middle * GRAM_FIELDS + GRAM_COLUMN];
        if (o < 0) hi = middle;
        else lo = middle + 1;
    }
    return -1;
}

static void count_size(const search *s, const int64_t *row, int64_t width, int64_t n, int64_t skips,
                       float *counts)
{
    int64_t farthest = n == 1 ? 1 : skips + 1; /* one token has no distance */
    for (int64_t step = 1; step <= farthest && (n == 1 || step <= (width - 1) / (n - 1)); step++)
        for (int64_t i = 0; i + (n - 1) * step < width; i++) {
            int64_t column = find_column(s, row + i, n, step);
            if (column >= 0) counts[column]++;
        }
}

lathe_status lathe_rt_ngrams(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0], *out = &c->out[0];
    const search s = {c->in[1].data, c->in[2].data, c->in[2].dims[0]};
    int64_t width = x->dims[1], columns = out->dims[1];
    for (int64_t i = 0; i < x->dims[0]; i++) {
        float *counts = (float *)out->data + i * columns;
        for (int64_t k = 0; k < columns; k++) counts[k] = 0;
        for (int64_t n = c->ints[0]; n <= c->ints[1] && n <= width; n++)
            count_size(&s, (const int64_t *)x->data + i * width, width, n, c->ints[2], counts);
    }
    return LATHE_OK;
}
