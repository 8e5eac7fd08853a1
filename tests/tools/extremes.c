/* Hostile values: whatever the inputs hold, a compiled model stays inside its memory and ends.
 *
 *   extremes EVERY RUNTIME CASE...
 *
 * Compiles the model of every EVERY-th case folder - for the targets and levels of forms[] in turn,
 * or, if EVERY is 0, of every folder for each of them - and runs it in a child on inputs of the
 * case's types and dims, filled with what makes careless code trap or reach outside: NaN,
 * infinities, the ends of every type, denormals, zeros as divisors, indices far outside and just
 * outside - everywhere, in floats alone, in integers alone, in one input alone, or here and there
 * among the case's own values. A status with a message is fine; a signal, a hang, an internal error
 * or a model that never once ran to its end is not. A model that is refused counts as skipped. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/tensor_util.h"
#include "lathe.h"
#include "tests/tools/trial.h"

enum { LIMIT_S = 60 };

/* ---- values ---- */

typedef enum {
    ZERO,
    MINUS,
    HIGHEST,
    LOWEST,
    NOT_A_NUMBER,
    HUGE_NUMBER,
    MINUS_HUGE,
    TINY,
    NEAR,
    MIXED,
    RANDOM,
    KINDS
} kind;

static const char *const kind_names[KINDS] = {"zeros", "minus", "highest",    "lowest",
                                              "nan",   "huge",  "minus huge", "tiny",
                                              "near",  "mixed", "random"};

static uint64_t state = 88172645463325252u;

static uint64_t chance(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 8;
}

typedef struct format {
    lathe_elem elem;
    int exponent, mantissa;
} format;

static uint64_t float_bits(const format *f, kind k)
{
    uint64_t sign = (uint64_t)1 << (f->exponent + f->mantissa);
    uint64_t infinity = (((uint64_t)1 << f->exponent) - 1) << f->mantissa;
    uint64_t one = (((uint64_t)1 << (f->exponent - 1)) - 1) << f->mantissa;
    switch (k) {
    case ZERO:
        return 0;
    case MINUS:
        return sign; /* -0 */
    case HIGHEST:
        return infinity;
    case LOWEST:
        return infinity | sign;
    case NOT_A_NUMBER:
        return infinity | (uint64_t)1 << (chance() % (unsigned)f->mantissa) |
               (chance() & 1 ? sign : 0);
    case HUGE_NUMBER:
        return infinity - 1;
    case MINUS_HUGE:
        return (infinity - 1) | sign;
    case TINY:
        return 1;
    case NEAR:
        return one + chance() % ((uint64_t)5 << f->mantissa) + (chance() & 1 ? sign : 0);
    default:
        return chance() << 32 ^ chance();
    }
}

static uint64_t integer_bits(int width, bool is_signed, kind k)
{
    uint64_t all = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1,
             top = (uint64_t)1 << (width - 1);
    switch (k) {
    case ZERO:
        return 0;
    case MINUS:
        return all;
    case HIGHEST:
        return is_signed ? top - 1 : all;
    case LOWEST:
        return is_signed ? top : all - 1;
    case NOT_A_NUMBER:
        return UINT64_C(0xAAAAAAAAAAAAAAAA);
    case HUGE_NUMBER:
        return top >> 1;
    case MINUS_HUGE:
        return top + 1;
    case TINY:
        return 1;
    case NEAR:
        return chance() % 41 - 20; /* about the dims of small models */
    default:
        return chance() << 32 ^ chance();
    }
}

static const format *find_format(lathe_elem elem)
{
    static const format formats[] = {{LATHE_F32, 8, 23},     {LATHE_F64, 11, 52},
                                     {LATHE_F16, 5, 10},     {LATHE_BF16, 8, 7},
                                     {LATHE_F8E4M3FN, 4, 3}, {LATHE_F8E4M3FNUZ, 4, 3},
                                     {LATHE_F8E5M2, 5, 2},   {LATHE_F8E5M2FNUZ, 5, 2}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].elem == elem) return &formats[i];
    return NULL;
}

/* ---- filling ---- */

/* From PARTS on: in input number p - PARTS alone. */
typedef enum { ALL, FLOATS, INTEGERS, FEW, PARTS } part;

static const char *const part_names[] = {"everywhere", "in floats", "in integers", "here and there",
                                         "in one input"};

static lathe_string hostile_string(kind k)
{
    static const char *const strings[] = {
        "", "-", "1e999", "nan", "\xff\xfe\xc0", "%s%n", "0x", "-9223372036854775809"};
    static char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    const char *s = k == HIGHEST ? longest : strings[chance() % (sizeof strings / sizeof *strings)];
    return (lathe_string){k == ZERO ? NULL : s, k == ZERO ? 0 : strlen(s) + (k == TINY)};
}

static void fill(lathe_tensor *t, kind k, part p)
{
    lathe_elem elem = t->elem == LATHE_C64    ? LATHE_F32
                      : t->elem == LATHE_C128 ? LATHE_F64
                                              : t->elem;
    const format *f = find_format(elem);
    char class = tensor_elem_class(elem);
    int bits = tensor_elem_bits(elem);
    size_t bytes = bits < 8 ? 1 : (size_t)bits / 8;
    if ((p == FLOATS && !f) || (p == INTEGERS && class != 'S' && class != 'U')) return;
    for (size_t i = 0; i < t->size / bytes; i++) {
        kind now = k == MIXED ? (kind)(chance() % MIXED) : k;
        if (p == FEW && chance() % 5) continue;
        if (elem == LATHE_STRING) {
            ((lathe_string *)t->data)[i] = hostile_string(now);
            continue;
        }
        uint64_t value = f ? float_bits(f, now) : integer_bits((int)bytes * 8, class == 'S', now);
        memcpy((char *)t->data + i * bytes, &value, bytes); /* little-endian */
    }
}

/* ---- one case, in a child ---- */

typedef struct test_case {
    const char *folder, *runtime, *target;
    int level;
    char library[PATH_MAX];
    char model[PATH_MAX];
} test_case;

static int compile(const test_case *c)
{
    lathe_options options = {.model = c->model,
                             .name = "extremes",
                             .output = c->library,
                             .runtime = c->runtime,
                             .target = c->target,
                             .level = c->level};
    lathe_diag *diag = lathe_diag_new();
    lathe_status s = lathe_compile(&options, diag);
    lathe_message m = {0};
    if (s != LATHE_OK && lathe_diag_errors(diag)) m = lathe_diag_get(diag, 0);
    trial_note(s == LATHE_OK ? "compiled" : "refused: %s: %s", m.op, m.text);
    lathe_diag_free(diag);
    return s == LATHE_OK ? TRIAL_FINE : s == LATHE_INTERNAL ? TRIAL_INTERNAL : TRIAL_REFUSED;
}

/* The case's own inputs into files[]; where there are none, zeros of small sizes. */
static int read_inputs(const test_case *c, trial_model *m, tensor_file *files)
{
    char path[PATH_MAX];
    bool found = true;
    for (int i = 0; i < m->nin && found; i++) {
        found = snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", c->folder, i) <
                    (int)sizeof path &&
                tensor_read_pb(path, &files[i], NULL) == LATHE_OK;
        m->in[i] = files[i].tensor;
        m->in[i].data = NULL;
        if (found && !trial_allocate(&m->in[i])) return TRIAL_OTHER;
    }
    if (found) return TRIAL_FINE;
    for (int i = 0; i < m->nin; i++) {
        tensor_free(&files[i]);
        files[i] = (tensor_file){0};
        guard_free(m->in[i].data, m->in[i].size, trial_align(m->in[i].elem));
    }
    return trial_inputs(m);
}

/* The case's own values as they are, then each kind of value in each part of them. */
static int run_all(trial_model *m, const tensor_file *files)
{
    int parts = PARTS + (m->nin > 1 ? m->nin : 0);
    int verdict = TRIAL_FINE;
    for (int turn = -1; turn < KINDS * parts && verdict == TRIAL_FINE; turn++) {
        kind k = turn < 0 ? ZERO : (kind)(turn / parts);
        int p = turn < 0 ? -1 : turn % parts;
        trial_note("%s %s %d", kind_names[k],
                   part_names[p < 0       ? 0
                              : p < PARTS ? p
                                          : PARTS],
                   p - PARTS);
        for (int i = 0; i < m->nin; i++) {
            if (files[i].tensor.data) memcpy(m->in[i].data, files[i].tensor.data, m->in[i].size);
            if (p >= 0 && (p < PARTS || i == p - PARTS))
                fill(&m->in[i], k, p < PARTS ? (part)p : ALL);
        }
        verdict = trial_run(m);
    }
    if (verdict == TRIAL_FINE && trial_how_far() != TRIAL_AT_END) {
        trial_note("never ran: %s", lathe_session_message(m->session));
        verdict = TRIAL_OTHER;
    }
    return verdict;
}

static int attempt(void *ctx)
{
    const test_case *c = ctx;
    trial_model m;
    int verdict = compile(c);
    if (verdict != TRIAL_FINE) return verdict;
    verdict = trial_open(&m, c->library);
    if (verdict != TRIAL_FINE || !m.session) return verdict == TRIAL_FINE ? TRIAL_REFUSED : verdict;
    tensor_file *files = calloc((size_t)m.nin + 1, sizeof *files);
    if (!files) return TRIAL_OTHER;
    verdict = read_inputs(c, &m, files);
    return verdict == TRIAL_FINE ? run_all(&m, files) : verdict;
}

static const struct form {
    const char *target;
    int level;
} forms[] = {
#if defined(__x86_64__)
    {"x86-64-v3", 2}, {"x86-64", 2}, {"x86-64-v4", 2}, {"x86-64-v3", 0}, {"x86-64", 0},
#endif
    {NULL, 2},        {NULL, 0},
};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct tally {
    int fine, bad, refused;
} tally;

static void try_case(test_case *c, const struct form *f, tally *t)
{
    c->target = f->target;
    c->level = f->level;
    if (snprintf(c->model, sizeof c->model, "%s/model.onnx", c->folder) >= (int)sizeof c->model)
        return;
    if (access(c->model, R_OK) != 0) return;
    const char *what = trial_in_child(attempt, c, LIMIT_S);
    *(!what ? &t->fine : trial_refused() ? &t->refused : &t->bad) += 1;
    if (what && !trial_refused())
        printf("FAIL %s, %s, level %d: %s\n", c->folder, c->target ? c->target : "this machine",
               c->level, what);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/lathe-extremes-XXXXXX", weights[PATH_MAX], header[PATH_MAX];
    int every = argc > 3 ? atoi(argv[1]) : -1;
    tally t = {0};
    if (every < 0 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: extremes EVERY RUNTIME CASE...\n");
        return 2;
    }
    test_case c = {.runtime = argv[2]};
    snprintf(c.library, sizeof c.library, "%s/libextremes.so", folder);
    snprintf(weights, sizeof weights, "%s/extremes.weights", folder);
    snprintf(header, sizeof header, "%s/extremes.h", folder);
    for (int k = 0; 3 + (long)k * (every ? every : 1) < argc; k++) {
        c.folder = argv[3 + (long)k * (every ? every : 1)];
        for (int i = 0; i < (every ? 1 : FORMS); i++)
            try_case(&c, &forms[every ? k % FORMS : i], &t);
    }
    unlink(c.library);
    unlink(weights);
    unlink(header);
    rmdir(folder);
    printf("%d passed, %d failed, %d skipped\n", t.fine, t.bad, t.refused);
    return t.bad != 0;
}
