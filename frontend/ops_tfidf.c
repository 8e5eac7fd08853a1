/* Importer of TfIdfVectorizer. In: a pool of n-grams, the shorter ones first, and the column of
 * each. Out: a call of runtime/ops_ngrams.c, whose entries are sorted here, and a map that weighs
 * the counts. */
#include <stdlib.h>
#include <string.h>

#include "frontend/ml.h"
#include "frontend/strings.h"

/* As in runtime/ops_ngrams.c. */
enum { START, SIZE, COLUMN, GRAM_FIELDS };

typedef struct gram {
    const int64_t *tokens;
    int64_t start, size, column;
} gram;

typedef struct vocabulary {
    const int64_t *pool, *counts, *columns;
    size_t npool, ncounts, ngrams;
    int64_t width; /* columns of the result */
    gram *grams;   /* those of the sizes asked for */
    size_t used;
} vocabulary;

static int compare(const void *a, const void *b)
{
    const gram *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    for (int64_t i = 0; i < x->size; i++)
        if (x->tokens[i] != y->tokens[i]) return x->tokens[i] < y->tokens[i] ? -1 : 1;
    return 0;
}

/* Entries of size k + 1 stand in the pool from counts[k] on. */
static lathe_status read_grams(const fe_node *n, vocabulary *v, int64_t least, int64_t most)
{
    size_t next = 0;
    v->grams = IR_NEW_N(n->g->arena, gram, v->ngrams + 1);
    for (size_t k = 0; k < v->ncounts; k++) {
        int64_t size = (int64_t)k + 1, at = v->counts[k];
        int64_t end = k + 1 < v->ncounts ? v->counts[k + 1] : (int64_t)v->npool;
        if (at < 0 || end < at || end > (int64_t)v->npool || (end - at) % size)
            return fe_fail(n, LATHE_BAD_INPUT, "ngram_counts and the pool do not fit together");
        for (; at < end; at += size) {
            if (next == v->ngrams) return fe_fail(n, LATHE_BAD_INPUT, "ngram_indexes is too short");
            int64_t column = v->columns[next++];
            if (size >= least && size <= most)
                v->grams[v->used++] = (gram){v->pool + at, at, size, column};
        }
    }
    if (next != v->ngrams) return fe_fail(n, LATHE_BAD_INPUT, "ngram_indexes is too long");
    qsort(v->grams, v->used, sizeof *v->grams, compare);
    for (size_t i = 1; i < v->used; i++)
        if (!compare(&v->grams[i - 1], &v->grams[i]))
            return fe_fail(n, LATHE_BAD_INPUT, "the pool has an n-gram twice");
    return LATHE_OK;
}

static lathe_status read_columns(const fe_node *n, vocabulary *v)
{
    enum { MOST = 1 << 24 };
    v->counts = fe_attr_ints(n, "ngram_counts", &v->ncounts);
    v->columns = fe_attr_ints(n, "ngram_indexes", &v->ngrams);
    for (size_t i = 0; i < v->ngrams; i++) {
        if (v->columns[i] < 0 || v->columns[i] >= MOST)
            return fe_expect(n, "attribute ngram_indexes has", fe_number(n, v->columns[i]),
                             "columns in [0, 2^24)");
        if (v->columns[i] >= v->width) v->width = v->columns[i] + 1;
    }
    return LATHE_OK;
}

/* The weight of each column; one that no n-gram has counts nothing. */
static lathe_status read_weights(const fe_node *n, const vocabulary *v, double **out)
{
    fe_numbers list;
    double *weights = IR_NEW_N(n->g->arena, double, (size_t)v->width + 1);
    bool *set = IR_NEW_N(n->g->arena, bool, (size_t)v->width + 1);
    *out = NULL;
    TRY(fe_attr_numbers(n, "weights", NULL, &list));
    if (!list.values) return LATHE_OK;
    if (list.n != v->ngrams)
        return fe_expect(n, "attribute weights has length", fe_number(n, (int64_t)list.n),
                         fe_number(n, (int64_t)v->ngrams));
    for (size_t i = 0; i < list.n; i++) {
        int64_t column = v->columns[i];
        if (set[column] && weights[column] != list.values[i])
            return fe_fail(n, LATHE_UNSUPPORTED, "two weights for column %lld", (long long)column);
        weights[column] = list.values[i];
        set[column] = true;
    }
    *out = weights;
    return LATHE_OK;
}

static lathe_status count_grams(fe_node *n, const vocabulary *v, ir_value x, int64_t least,
                                int64_t most, ir_value *out)
{
    ir_graph *g = n->g;
    int64_t skips = fe_attr_int(n, "max_skip_count"), dims[] = {(int64_t)v->used, GRAM_FIELDS};
    if (skips < 0) return fe_expect(n, "max_skip_count is", fe_number(n, skips), "0 or more");
    int64_t *table = IR_NEW_N(g->arena, int64_t, v->used * GRAM_FIELDS + 1);
    for (size_t i = 0; i < v->used; i++) {
        table[i * GRAM_FIELDS + START] = v->grams[i].start;
        table[i * GRAM_FIELDS + SIZE] = v->grams[i].size;
        table[i * GRAM_FIELDS + COLUMN] = v->grams[i].column;
    }
    const ir_value in[] = {x, fe_const_i64(n, v->pool, v->npool),
                           ir_const_ints(&n->b, IR_I64, 2, dims, table)};
    const int64_t ints[] = {least, most, skips};
    const ir_attr attr = ir_a_ints(g, IR_KEY_ints, ints, 3);
    const ir_dim space[] = {ir_type_of(g, x)->dims[0], ir_dim_const(g, v->width)};
    const ir_type type = ir_type_make(IR_F32, 2, space);
    return fe_call(n, "lathe_rt_ngrams", in, 3, &attr, 1, &type, 1, out);
}

static lathe_status weigh(fe_node *n, const vocabulary *v, ir_value *counts)
{
    ir_graph *g = n->g;
    const char *mode = fe_attr_str(n, "mode");
    double *weights;
    bool term = !strcmp(mode, "TF"), inverse = !strcmp(mode, "IDF");
    if (!term && !inverse && strcmp(mode, "TFIDF"))
        return fe_expect(n, "attribute mode is", mode, "TF, IDF or TFIDF");
    TRY(read_weights(n, v, &weights));
    if (term) return LATHE_OK;
    ir_value list = weights ? ir_cast(&n->b, fe_const_f64(n, weights, (size_t)v->width), IR_F32)
                            : ir_scalar_const(&n->b, IR_F32, 1);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, ir_type_of(g, *counts)->dims, 0);
    ir_expr count = ir_nest_read(&nest, *counts), weight = ir_nest_read(&nest, list);
    ir_expr zero = XN(count, 0), body = X2(MUL, count, weight);
    if (inverse) body = ir_x_select(g, X2(LT, zero, count), weight, zero);
    *counts = ir_nest_map(&nest, IR_F32, body);
    return LATHE_OK;
}

static int compare_words(const void *a, const void *b) { return fe_bytes_compare(a, b); }

/* The pool's numbers, and the tokens of the input as such. A word's number is its place among the
 * words of the pool in order; one that is not there is given a number that none has. */
static lathe_status read_tokens(fe_node *n, vocabulary *v, ir_value *x)
{
    if (!fe_is_string(n, 0)) {
        TRY(fe_need_class(n, 0, "S"));
        v->pool = fe_attr_ints(n, "pool_int64s", &v->npool);
        *x = ir_cast(&n->b, fe_in(n, 0), IR_I64);
        return v->pool ? LATHE_OK : fe_fail(n, LATHE_BAD_INPUT, "attribute pool_int64s is missing");
    }
    const fe_bytes *words = fe_attr_bytes(n, "pool_strings", &v->npool);
    if (!words) return fe_fail(n, LATHE_BAD_INPUT, "attribute pool_strings is missing");
    fe_bytes *sorted = ir_copy(n->g->arena, words, v->npool, sizeof *words);
    int64_t *pool = IR_NEW_N(n->g->arena, int64_t, v->npool + 1);
    size_t count = 0;
    qsort(sorted, v->npool, sizeof *sorted, compare_words);
    for (size_t i = 0; i < v->npool; i++)
        if (!count || fe_bytes_compare(&sorted[count - 1], &sorted[i])) sorted[count++] = sorted[i];
    for (size_t i = 0; i < v->npool; i++) {
        const fe_bytes *at = bsearch(&words[i], sorted, count, sizeof *sorted, compare_words);
        pool[i] = at - sorted;
    }
    v->pool = pool;
    const fe_keys keys = {.elem = IR_STRING, .n = count, .strings = sorted};
    return fe_find(n, fe_in(n, 0), &keys, x);
}

lathe_status fe_import_tfidf(fe_node *n)
{
    ir_graph *g = n->g;
    vocabulary v = {0};
    int64_t least = fe_attr_int(n, "min_gram_length"), most = fe_attr_int(n, "max_gram_length");
    TRY(fe_need_movable(n, 0));
    int rank = fe_type(n, 0)->rank;
    if (rank != 1 && rank != 2)
        return fe_expect_input(n, 0, "has rank", fe_number(n, rank), "1 or 2");
    if (least < 1 || most < least)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attributes min_gram_length and max_gram_length are %lld and %lld, expected "
                       "1 or more in this order",
                       (long long)least, (long long)most);
    ir_value x, counts;
    TRY(read_tokens(n, &v, &x));
    TRY(read_columns(n, &v));
    TRY(read_grams(n, &v, least, most));
    if (rank == 1) x = ir_unsqueeze(&n->b, x, 0);
    TRY(count_grams(n, &v, x, least, most, &counts));
    TRY(weigh(n, &v, &counts));
    if (rank == 1) counts = ir_reshape(&n->b, counts, 1, &ir_type_of(g, counts)->dims[1]);
    fe_out(n, 0, counts);
    return LATHE_OK;
}
