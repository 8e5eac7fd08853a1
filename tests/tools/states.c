/* The same decoder twice: states that the session owns against caches that the caller passes on.
 *
 *   states LIBRARY NAME PROMPTS THREADS
 *
 * Each prompt is a row of random actions - tokens one at a time or several, rewinds, forks, new
 * orders of the sequences, resets, saved and loaded states - on one session with lathe_state_run
 * and, with dense arrays of this program's own, through lathe_run. All outputs that are no states
 * must have the same bits. Inputs are told apart by name: masks are ones, positions count on,
 * anything else is small random numbers. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe_rt.h"

enum { MOST = 128, ROWS = 40, ACTIONS = 12 };

typedef struct dense {
    char *data;
    size_t size;
    int64_t dims[LATHE_MAX_RANK];
} dense;

typedef struct decoder {
    const lathe_desc *desc;
    lathe_model *model;
    lathe_session *session[2], *functional;
    int nin, nout, nstates;
    lathe_tensor_info in[MOST], out[MOST];
    lathe_state_place place[MOST];
    const char *length_name, *batch_name;
    dense cache[MOST]; /* of each state, as the caller keeps it */
    int64_t batch, length;
    int current; /* of the two sessions, the one with the states */
} decoder;

static uint64_t random_state = 88172645463325252u;
static int64_t chance(int64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state >> 20) % n;
}

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(1);
}

static void check(lathe_status status, const lathe_session *s, const char *what)
{
    if (status != LATHE_OK)
        die("%s: status %d: %s", what, status, s ? lathe_session_message(s) : "");
}

static unsigned bits_of(lathe_elem e)
{
    switch (e) {
    case LATHE_I64:
    case LATHE_F64:
    case LATHE_U64:
        return 64;
    case LATHE_F32:
    case LATHE_I32:
    case LATHE_U32:
        return 32;
    case LATHE_F16:
    case LATHE_BF16:
    case LATHE_I16:
    case LATHE_U16:
        return 16;
    default:
        return 8;
    }
}

static size_t bytes_of(const lathe_tensor *t)
{
    size_t n = bits_of(t->elem) / 8;
    for (int i = 0; i < t->rank; i++) n *= (size_t)t->dims[i];
    return n;
}

/* ---- inputs ---- */

static int state_of(const decoder *d, int index, int is_output)
{
    for (int i = 0; i < d->nstates; i++)
        if ((is_output ? d->place[i].output : d->place[i].input) == index) return i;
    return -1;
}

/* A dim by its text: the states' length, the batch, old and new rows together, or new rows. */
static int64_t size_of(const decoder *d, const lathe_tensor_info *info, int axis, int64_t rows)
{
    const char *text = info->dim_names[axis];
    if (info->dims[axis] >= 0) return info->dims[axis];
    if (d->length_name && strcmp(text, d->length_name) == 0) return d->length;
    if (strcmp(text, d->batch_name) == 0) return d->batch;
    if (strncmp(text, "enc", 3) == 0) return 5;
    if (strstr(text, "total") || strchr(text, '+')) return d->length + rows;
    return rows;
}

static void put_number(lathe_tensor *t, size_t i, int64_t value)
{
    switch (t->elem) {
    case LATHE_I64:
        ((int64_t *)t->data)[i] = value;
        break;
    case LATHE_I32:
        ((int32_t *)t->data)[i] = (int32_t)value;
        break;
    case LATHE_F32:
        ((float *)t->data)[i] = (float)value / 16 - 1;
        break;
    case LATHE_F16:
        ((uint16_t *)t->data)[i] = (uint16_t)(0x3000 + 64 * value);
        break;
    default:
        ((char *)t->data)[i] = (char)(value & 1);
    }
}

static void make_input(const decoder *d, int i, int64_t rows, lathe_tensor *t)
{
    const lathe_tensor_info *info = &d->in[i];
    *t = (lathe_tensor){.rank = info->rank, .elem = info->elem};
    size_t count = 1;
    for (int a = 0; a < info->rank; a++) {
        t->dims[a] = size_of(d, info, a, rows);
        count *= (size_t)t->dims[a];
    }
    t->size = bytes_of(t);
    t->data = malloc(t->size + 64);
    int64_t last = info->rank ? t->dims[info->rank - 1] : 1;
    for (size_t k = 0; k < count; k++) {
        int64_t value = chance(32);
        if (strstr(info->name, "mask")) value = 1;
        if (strstr(info->name, "position")) value = d->length + (int64_t)k % last;
        if (strstr(info->name, "seqlens")) value = d->length + rows - 1;
        if (strstr(info->name, "total")) value = d->length + rows;
        put_number(t, k, value);
    }
}

/* ---- a step ---- */

static void keep_caches(decoder *d, lathe_tensor *out)
{
    for (int i = 0; i < d->nstates; i++) {
        const lathe_tensor *t = &out[d->place[i].output];
        dense *c = &d->cache[i];
        free(c->data);
        c->size = t->size;
        c->data = malloc(c->size + 64);
        memcpy(c->data, t->data, c->size);
        memcpy(c->dims, t->dims, sizeof c->dims);
    }
}

static void cache_input(const decoder *d, int state, lathe_tensor *t)
{
    const lathe_tensor_info *info = &d->in[d->place[state].input];
    const dense *c = &d->cache[state];
    *t = (lathe_tensor){.rank = info->rank, .elem = info->elem, .data = c->data, .size = c->size};
    for (int a = 0; a < info->rank; a++) t->dims[a] = c->data ? c->dims[a] : size_of(d, info, a, 0);
    if (!c->data) {
        t->size = bytes_of(t);
        t->data = calloc(1, t->size + 64);
    }
}

static void step(decoder *d, int64_t rows, const char *what)
{
    lathe_tensor in[MOST], own[MOST] = {{0}}, out[MOST] = {{0}};
    for (int i = 0; i < d->nin; i++) {
        int state = state_of(d, i, 0);
        if (state >= 0) cache_input(d, state, &in[i]);
        else make_input(d, i, rows, &in[i]);
    }
    lathe_session *s = d->session[d->current];
    check(lathe_run(d->functional, in, out), d->functional, what);
    check(lathe_state_run(s, in, own), s, what);
    for (int i = 0; i < d->nout; i++) {
        if (state_of(d, i, 1) >= 0) continue;
        if (own[i].size != out[i].size || memcmp(own[i].data, out[i].data, out[i].size) != 0)
            die("%s: output '%s' differs at %lld old and %lld new rows of %lld sequences", what,
                d->out[i].name, (long long)d->length, (long long)rows, (long long)d->batch);
    }
    for (int i = 0; i < d->nin; i++)
        if (state_of(d, i, 0) < 0 || !d->cache[state_of(d, i, 0)].data) free(in[i].data);
    keep_caches(d, out);
    for (int i = 0; i < d->nstates; i++)
        if (d->place[i].axis >= 0) d->length = d->cache[i].dims[d->place[i].axis];
    if (d->length_name && lathe_state_length(s) != d->length)
        die("%s: the state has %lld rows, expected %lld", what, (long long)lathe_state_length(s),
            (long long)d->length);
}

/* ---- actions ---- */

/* The dense caches with other rows or sequences: each axis goes through `pick`, or is cut. */
static void rebuild(decoder *d, int64_t rows, const int64_t *order, int64_t n)
{
    for (int i = 0; i < d->nstates; i++) {
        dense old = d->cache[i], *c = &d->cache[i];
        const lathe_tensor_info *info = &d->in[d->place[i].input];
        if (!old.data) continue;
        size_t unit = bits_of(info->elem) / 8, count = 1;
        for (int a = 0; a < info->rank; a++) {
            if (a == d->place[i].axis) c->dims[a] = rows;
            if (order && a == d->place[i].batch) c->dims[a] = n;
            count *= (size_t)c->dims[a];
        }
        c->size = count * unit;
        c->data = malloc(c->size + 64);
        for (size_t k = 0; k < count; k++) {
            size_t rest = k, from = 0, stride = 1;
            for (int a = info->rank; a-- > 0;) {
                int64_t at = (int64_t)(rest % (size_t)c->dims[a]);
                rest /= (size_t)c->dims[a];
                if (order && a == d->place[i].batch) at = order[at];
                from += (size_t)at * stride;
                stride *= (size_t)old.dims[a];
            }
            memcpy(c->data + k * unit, old.data + from * unit, unit);
        }
        free(old.data);
    }
    d->length = d->length_name ? rows : 0;
    if (order) d->batch = n;
}

static void forget(decoder *d)
{
    for (int i = 0; i < d->nstates; i++) {
        free(d->cache[i].data);
        d->cache[i] = (dense){0};
    }
    d->length = 0;
}

static void rewind_some(decoder *d)
{
    lathe_session *s = d->session[d->current];
    int64_t rows = d->length ? chance(d->length + 1) : 0;
    for (int i = 0; i < d->nstates; i++)
        if (d->place[i].axis < 0) rows = 0;
    check(lathe_state_rewind(s, rows), s, "rewind");
    if (rows) rebuild(d, d->length - rows, NULL, 0);
}

static void fork_it(decoder *d)
{
    check(lathe_state_fork(d->session[d->current], d->session[!d->current]),
          d->session[!d->current], "fork");
    if (chance(2)) lathe_state_reset(d->session[d->current]);
    d->current = !d->current;
}

static void reorder(decoder *d)
{
    int64_t order[4], n = 1 + chance(4);
    for (int i = 0; i < d->nstates; i++)
        if (d->place[i].batch < 0) return;
    for (int64_t i = 0; i < n; i++) order[i] = chance(d->batch);
    lathe_session *s = d->session[d->current];
    check(lathe_state_reorder(s, order, n), s, "reorder");
    rebuild(d, d->length, order, n);
}

static void save_and_load(decoder *d)
{
    lathe_session *from = d->session[d->current], *to = d->session[!d->current];
    lathe_buffer b = {0};
    check(lathe_state_save(from, &b), from, "size of a saved state");
    b.data = malloc(b.size);
    check(lathe_state_save(from, &b), from, "save");
    size_t at = (size_t)chance((int64_t)b.size);
    ((char *)b.data)[at] ^= 1;
    if (lathe_state_load(to, b.data, b.size) == LATHE_OK) die("a damaged state was loaded");
    ((char *)b.data)[at] ^= 1;
    if (lathe_state_load(to, b.data, b.size - 1) == LATHE_OK) die("a cut state was loaded");
    check(lathe_state_load(to, b.data, b.size), to, "load");
    free(b.data);
    d->current = !d->current;
}

/* Errors that must leave the state as it is. */
static void mistakes(decoder *d)
{
    lathe_session *s = d->session[d->current];
    int64_t wrong[] = {d->batch};
    if (lathe_state_rewind(s, d->length + 1) == LATHE_OK) die("rewound too far");
    if (lathe_state_rewind(s, -1) == LATHE_OK) die("rewound forwards");
    if (lathe_state_reorder(s, wrong, 1) == LATHE_OK) die("took a sequence that is not there");
    if (lathe_state_reorder(s, wrong, 0) == LATHE_OK) die("took no sequence");
    if (lathe_state_load(s, "state", 5) == LATHE_OK) die("loaded five bytes");
}

static void prompt(decoder *d)
{
    forget(d);
    check(lathe_state_reset(d->session[d->current]), d->session[d->current], "reset");
    d->batch = 1 + chance(3);
    for (int i = 0; i < d->nin; i++) /* a batch that the model fixes */
        if (!d->batch_name[0] && d->in[i].rank && d->in[i].dims[0] > 0) d->batch = d->in[i].dims[0];
    step(d, 1 + chance(6), "prompt");
    for (int a = 0; a < ACTIONS && d->length + 6 < ROWS; a++) {
        void (*const actions[])(decoder *) = {rewind_some, fork_it, reorder, save_and_load,
                                              mistakes};
        int64_t which = chance(10);
        if (which < 5) actions[which](d);
        step(d, chance(3) ? 1 : 1 + chance(5), which < 5 ? "after an action" : "step");
    }
}

static const char *axis_name(const decoder *d)
{
    for (int i = 0; i < d->nstates; i++)
        if (d->place[i].axis >= 0) return d->in[d->place[i].input].dim_names[d->place[i].axis];
    return NULL;
}

static const char *first_batch(const decoder *d)
{
    for (int i = 0; i < d->nin; i++)
        if (state_of(d, i, 0) < 0 && d->in[i].rank && d->in[i].dims[0] < 0)
            return d->in[i].dim_names[0];
    return "";
}

static void open_decoder(decoder *d, const char *path, const char *name, lathe_threads **threads,
                         int workers)
{
    char symbol[128], message[256] = "";
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    snprintf(symbol, sizeof symbol, "%s_desc", name);
    d->desc = library ? (const lathe_desc *)dlsym(library, symbol) : NULL;
    if (!d->desc) die("%s", dlerror());
    check(lathe_threads_new(d->desc, workers, threads), NULL, "threads");
    lathe_open_options o = {
        .message = message, .message_size = sizeof message, .threads = *threads};
    if (lathe_model_open(d->desc, &o, &d->model) != LATHE_OK) die("open: %s", message);
    d->nin = lathe_count(d->desc, LATHE_INPUTS);
    d->nout = lathe_count(d->desc, LATHE_OUTPUTS);
    d->nstates = lathe_count(d->desc, LATHE_STATES);
    if (d->nin > MOST || d->nout > MOST || d->nstates < 1) die("no state was found");
    for (int i = 0; i < d->nin; i++) lathe_info(d->desc, LATHE_INPUTS, i, &d->in[i]);
    for (int i = 0; i < d->nout; i++) lathe_info(d->desc, LATHE_OUTPUTS, i, &d->out[i]);
    for (int i = 0; i < d->nstates; i++) lathe_state_info(d->desc, i, &d->place[i]);
    d->length_name = axis_name(d);
    d->batch_name = first_batch(d);
}

int main(int argc, char **argv)
{
    static decoder d;
    lathe_threads *threads;
    if (argc != 5) die("usage: states LIBRARY NAME PROMPTS THREADS");
    open_decoder(&d, argv[1], argv[2], &threads, atoi(argv[4]));
    check(lathe_session_new(d.model, NULL, &d.functional), NULL, "session");
    for (int i = 0; i < 2; i++)
        check(lathe_session_new(d.model, NULL, &d.session[i]), NULL, "session");
    for (int p = 0; p < atoi(argv[3]); p++) prompt(&d);
    for (int i = 0; i < 2; i++) lathe_session_free(d.session[i]);
    lathe_session_free(d.functional);
    forget(&d);
    lathe_model_close(d.model);
    lathe_threads_free(d.desc, threads);
    printf("%d prompts, %d states: the same bits\n", atoi(argv[3]), d.nstates);
    return 0;
}
