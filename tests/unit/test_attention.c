/* Attention's kernel against a scalar reference: sizes around every edge of blocks and panels, no
 * keys at all, long rows, shared heads, transposed keys, rows that are masked entirely, epilogues;
 * every instruction set, with threads. Operands and results end at pages that cannot be touched. */
#include <math.h>

#include "tests/tools/guard.h"
#include "tests/unit/linked.h"

enum { BATCH = 2, HEADS = 4, SHARED = 2, TERMS = 20, COLUMNS = 64, FORMS = 4, INPUTS = 6 };

/* weights: stages and weight for a score S. */
#define WEIGHTS(S) S ", exp(sub(" S ", acc1)), div(exp(sub(" S ", acc1)), acc2)"
#define PRODUCT "mul($0[i0, i2, i1, i5], $1[i0, i2, i4, i5])"

/* Columns of the form's values: narrow, with a rest, whole panels. */
static const int columns_of[FORMS] = {8, 33, 64, 40};

static const char graph[] =
    "graph \"attention\"\n"
    "symbol m: input [0, 4096]\n"
    "symbol t: input [0, 8192]\n"
    "region(%q: f32[2, 4, m, 20] \"q\", %k: f32[2, 4, t, 20] \"k\", %kt: f32[2, 4, 20, t] "
    "\"kt\", "
    "%v: f32[2, 4, t, 64] \"v\", %mask: f32[2, t] \"mask\", %r: f32[2, m, 4, 64] \"r\") {\n"
    "  %0: f32[2, m, 4, 8] = attention(%q, %k, %v, %mask) space=[2, m, 4, 8, t, 20] nred=2 "
    "kind=\"max,sum\" body=[" PRODUCT ", " WEIGHTS(
        "add(div(acc0, 4.0), $3[i0, i4])") ", "
                                           "$2[i0, i2, i4, i3]]\n"
                                           /* two heads share keys and values; tanh; an
                                              epilogue */
                                           "  %1: f32[2, m, 4, 33] = attention(%q, %k, %v, "
                                           "%r) space=[2, m, 4, 33, t, 20] nred=2 "
                                           "kind=\"max,sum\" body=[mul($0[i0, i2, i1, i5], "
                                           "$1[i0, floordiv(i2, 2), i4, i5]), " WEIGHTS(
                                               "mul(tanh(acc0), 3.0)") ", $2[i0, "
                                                                       "floordiv(i2, 2), "
                                                                       "i4, i3]] "
                                                                       "epilogue=[add(acc0,"
                                                                       " $3[i0, i1, i2, "
                                                                       "i3])]\n"
                                                                       /* keys transposed,
                                                                          the rows in front
                                                                          of the columns,
                                                                          straight to the
                                                                          result */
                                                                       "  %2: f32[2, 4, m, "
                                                                       "64] = "
                                                                       "attention(%kt, %q, "
                                                                       "%v) space=[2, 4, "
                                                                       "m, 64, t, 20] "
                                                                       "nred=2 "
                                                                       "kind=\"max,sum\" "
                                                                       "body=[mul($0[i0, "
                                                                       "i1, i5, i4], "
                                                                       "$1[i0, i1, i2, "
                                                                       "i5]), " WEIGHTS(
                                                                           "mul(acc0, "
                                                                           "0.25)") ", "
                                                                                    "$2[i0,"
                                                                                    " i1, "
                                                                                    "i4, "
                                                                                    "i3]]\n"
                                                                                    /* from
                                                                                       the
                                                                                       third
                                                                                       key
                                                                                       on, a
                                                                                       key
                                                                                       for
                                                                                       each
                                                                                       query
                                                                                       less
                                                                                       two:
                                                                                       the
                                                                                       first
                                                                                       queries
                                                                                       see
                                                                                       none
                                                                                     */
                                                                                    "  %3: "
                                                                                    "f32[2,"
                                                                                    " m, "
                                                                                    "4, "
                                                                                    "40] = "
                                                                                    "attent"
                                                                                    "ion(%"
                                                                                    "q, "
                                                                                    "%k, "
                                                                                    "%v) "
                                                                                    "space="
                                                                                    "[2, "
                                                                                    "m, 4, "
                                                                                    "40, "
                                                                                    "t, "
                                                                                    "20] "
                                                                                    "nred="
                                                                                    "2 "
                                                                                    "kind="
                                                                                    "\"max,"
                                                                                    "sum\" "
                                                                                    "body="
                                                                                    "[" PRODUCT ","
                                                                                    " " WEIGHTS(
                                                                                        "se"
                                                                                        "le"
                                                                                        "ct"
                                                                                        "(l"
                                                                                        "t("
                                                                                        "i4"
                                                                                        ", "
                                                                                        "su"
                                                                                        "b("
                                                                                        "i1"
                                                                                        ", "
                                                                                        "2)"
                                                                                        "),"
                                                                                        " a"
                                                                                        "cc"
                                                                                        "0,"
                                                                                        " -"
                                                                                        "in"
                                                                                        "f"
                                                                                        ")") ", "
                                                                                             "$2["
                                                                                             "i0, "
                                                                                             "i2, "
                                                                                             "i4, "
                                                                                             "i3]]"
                                                                                             "\n"
                                                                                             "  "
                                                                                             "retur"
                                                                                             "n %0 "
                                                                                             "\"y0"
                                                                                             "\", "
                                                                                             "%1 "
                                                                                             "\"y1"
                                                                                             "\", "
                                                                                             "%2 "
                                                                                             "\"y2"
                                                                                             "\", "
                                                                                             "%3 "
                                                                                             "\"y3"
                                                                                             "\"\n"
                                                                                             "}\n";

static void setup(void)
{
    fixture_begin();
    fx.g = ir_parse(&fx.arena, fx.diag, "attention.ir", graph, sizeof graph - 1);
    cr_assert_not_null(fx.g, "%s",
                       lathe_diag_count(fx.diag) ? lathe_diag_get(fx.diag, 0).text : "");
}

TestSuite(attention, .init = setup, .fini = fixture_end, .timeout = 600);

static float number(int64_t i) { return (float)((i * 37 + i / 7 + i % 1009 + 11) % 23 - 11) / 8; }

typedef struct sizes {
    int64_t m, t;
} sizes;

/* ---- the reference ---- */

typedef struct problem {
    sizes size;
    const float *q, *k, *v, *mask, *r;
} problem;

static double score_of(const problem *p, int form, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t shared = form == 1 ? h / SHARED : h;
    const float *q = p->q + ((b * HEADS + h) * p->size.m + i) * TERMS;
    const float *k = p->k + ((b * HEADS + shared) * p->size.t + j) * TERMS;
    double s = 0;
    for (int x = 0; x < TERMS; x++) s += (double)q[x] * k[x];
    switch (form) {
    case 0:
        return s / 4 + p->mask[b * p->size.t + j];
    case 1:
        return tanh(s) * 3;
    case 2:
        return s / 4;
    default:
        return j < i - 2 ? s : -INFINITY;
    }
}

/* One row of the result. */
static void attend(const problem *p, int form, int64_t b, int64_t h, int64_t i, double *y)
{
    int columns = columns_of[form];
    int64_t shared = form == 1 ? h / SHARED : h;
    double most = -INFINITY, sum = 0, *s = malloc(((size_t)p->size.t + 1) * sizeof *s);
    for (int64_t j = 0; j < p->size.t; j++) {
        s[j] = score_of(p, form, b, h, i, j);
        most = fmax(most, s[j]);
    }
    for (int64_t j = 0; j < p->size.t; j++) sum += s[j] = exp(s[j] - most);
    const float *r = p->r + ((b * p->size.m + i) * HEADS + h) * COLUMNS;
    for (int c = 0; c < columns; c++) y[c] = form == 1 ? r[c] : 0;
    for (int64_t j = 0; j < p->size.t; j++)
        for (int c = 0; c < columns; c++)
            y[c] += s[j] / sum * p->v[((b * HEADS + shared) * p->size.t + j) * COLUMNS + c];
    free(s);
}

static void expect_form(const problem *p, int form, const float *found, const char *what)
{
    double y[COLUMNS];
    int columns = columns_of[form];
    for (int64_t b = 0; b < BATCH; b++)
        for (int64_t h = 0; h < HEADS; h++)
            for (int64_t i = 0; i < p->size.m; i++) {
                int64_t row =
                    form == 2 ? (b * HEADS + h) * p->size.m + i : (b * p->size.m + i) * HEADS + h;
                attend(p, form, b, h, i, y);
                for (int c = 0; c < columns; c++) {
                    double have = found[row * columns + c];
                    bool same = isnan(y[c]) ? isnan(have) : fabs(have - y[c]) < 2e-5;
                    cr_assert(same,
                              "%s: form %d, %d queries, %d keys, [%d, %d, %d, %d]: %g, not %g",
                              what, form, (int)p->size.m, (int)p->size.t, (int)b, (int)h, (int)i, c,
                              have, y[c]);
                }
            }
}

/* ---- a run ---- */

/* f32, its elements in front of a page that cannot be touched. */
static lathe_tensor tensor(int rank, const int64_t *dims)
{
    lathe_tensor t = {.rank = rank, .elem = LATHE_F32, .size = sizeof(float)};
    for (int a = 0; a < rank; a++) {
        t.dims[a] = dims[a];
        t.size *= (size_t)dims[a];
    }
    t.data = guard_alloc(t.size ? t.size : 64, 64);
    cr_assert_not_null(t.data);
    float *x = t.data;
    for (size_t i = 0; i < t.size / sizeof *x; i++) x[i] = number((int64_t)i + rank);
    return t;
}
#define TENSOR(...) tensor((int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__})

static void release(lathe_tensor *t, int n)
{
    for (int i = 0; i < n; i++) guard_free(t[i].data, t[i].size ? t[i].size : 64, 64);
}

static void make_inputs(sizes s, lathe_tensor *in)
{
    in[0] = TENSOR(BATCH, HEADS, s.m, TERMS);
    in[1] = TENSOR(BATCH, HEADS, s.t, TERMS);
    in[2] = TENSOR(BATCH, HEADS, TERMS, s.t);
    in[3] = TENSOR(BATCH, HEADS, s.t, COLUMNS);
    in[4] = TENSOR(BATCH, s.t);
    in[5] = TENSOR(BATCH, s.m, HEADS, COLUMNS);
    const float *k = in[1].data;
    float *kt = in[2].data;
    for (int64_t b = 0; b < BATCH * HEADS; b++)
        for (int64_t x = 0; x < TERMS; x++)
            for (int64_t j = 0; j < s.t; j++)
                kt[(b * TERMS + x) * s.t + j] = k[(b * s.t + j) * TERMS + x];
}

static void make_outputs(sizes s, lathe_tensor *out)
{
    for (int f = 0; f < FORMS; f++) out[f] = TENSOR(BATCH, s.m, HEADS, columns_of[f]);
}

static void run(const linked *c, sizes s, int threads, const lathe_tensor *in, lathe_tensor *out)
{
    lathe_model *model;
    lathe_session *session;
    lathe_threads *pool = NULL;
    if (threads > 1) cr_assert_eq(lathe_threads_new(c->desc, threads, &pool), LATHE_OK);
    const lathe_open_options o = {.threads = pool, .flags = LATHE_OPEN_POISON};
    cr_assert_eq(lathe_model_open(c->desc, &o, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, (int64_t[]){s.m, s.t}, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, in, out), LATHE_OK, "%s", lathe_session_message(session));
    lathe_session_free(session);
    lathe_model_close(model);
    if (pool) lathe_threads_free(c->desc, pool);
}

/* One thread against the reference, three against one. */
static void check(const linked *c, const char *name, sizes s)
{
    lathe_tensor in[INPUTS], out[FORMS], again[FORMS];
    make_inputs(s, in);
    make_outputs(s, out);
    make_outputs(s, again);
    const problem p = {s, in[0].data, in[1].data, in[3].data, in[4].data, in[5].data};
    run(c, s, 1, in, out);
    run(c, s, 3, in, again);
    for (int f = 0; f < FORMS; f++) {
        expect_form(&p, f, out[f].data, name);
        cr_assert(memcmp(out[f].data, again[f].data, out[f].size) == 0,
                  "%s: form %d, %d queries, %d keys: threads change bits", name, f, (int)s.m,
                  (int)s.t);
    }
    release(in, INPUTS);
    release(out, FORMS);
    release(again, FORMS);
}

static void check_all(const sizes *s, size_t n)
{
    const cg_isa *isas[LINKED_MOST];
    size_t nisas = linked_runnable(isas);
    for (size_t i = 0; i < nisas; i++) {
        linked c = linked_make(isas[i], 2);
        for (size_t k = 0; k < n; k++) check(&c, isas[i]->name, s[k]);
        dlclose(c.library);
    }
}

Test(attention, edges_of_blocks_and_panels)
{
    static const int64_t m[] = {1, 2, 6, 7, 13, 14, 15, 29},
                         t[] = {1, 3, 15, 17, 31, 32, 33, 64, 67};
    sizes s[sizeof m / 8 * (sizeof t / 8)];
    size_t n = 0;
    for (size_t i = 0; i < sizeof m / 8; i++)
        for (size_t k = 0; k < sizeof t / 8; k++) s[n++] = (sizes){m[i], t[k]};
    check_all(s, n);
}

Test(attention, nothing_to_attend_to) { check_all((sizes[]){{0, 0}, {0, 5}, {5, 0}, {20, 0}}, 4); }

Test(attention, chunks_and_long_rows)
{
    check_all((sizes[]){{256, 20}, {257, 33}, {530, 40}, {15, 2047}, {16, 2049}, {3, 3000}}, 6);
}
