/* A run as a timeline.
 *
 * In: what the runtime tells of each step, and the chunks that go through a lathe_threads of our
 * own in front of the app's. Out: Chrome's JSON of trace events. Each worker appends to a list of
 * its own: the interface promises that no worker number is in use twice at a time. */
#include "driver/trace.h"

#include <stdlib.h>
#include <string.h>

#include "driver/profile.h"
#include "lathe_experimental.h"

enum { DEPTH = 128 }; /* of steps in steps; the runtime takes 64 */

typedef struct event {
    const char *kind, *node, *op;
    uint32_t step, kernel;
    int64_t chunk; /* -1: it is a step */
    double start, end;
} event;

typedef struct track {
    event *events;
    size_t n, cap;
    bool failed;
} track;

struct trace {
    lathe_threads threads; /* what the model is given */
    const lathe_threads *inner;
    bool on; /* set and cleared while no run is under way */
    track steps;
    size_t open[DEPTH];
    int depth;
    double begin;
    int nworkers;
    track workers[];
};

/* One region of the threads. */
typedef struct region {
    trace *t;
    lathe_task task;
    void *arg;
} region;

static event *new_event(track *k)
{
    if (k->n == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 1024;
        event *grown = realloc(k->events, cap * sizeof *grown);
        k->failed |= !grown;
        if (!grown) return NULL;
        k->events = grown;
        k->cap = cap;
    }
    return &k->events[k->n++];
}

/* ---- chunks ---- */

static void traced_chunk(void *arg, int64_t chunk, int worker)
{
    const region *r = arg;
    trace *t = r->t;
    double start = seconds_now();
    r->task(r->arg, chunk, worker);
    event *e = new_event(&t->workers[worker]);
    if (!e) return;
    *e = t->depth ? t->steps.events[t->open[t->depth - 1]] : (event){.kind = "chunk"};
    e->chunk = chunk;
    e->start = start;
    e->end = seconds_now();
}

static void parallel_for(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    trace *t = ctx;
    region r = {t, task, arg};
    if (t->on) t->inner->parallel_for(t->inner->ctx, traced_chunk, &r, chunks);
    else t->inner->parallel_for(t->inner->ctx, task, arg, chunks);
}

trace *trace_new(const lathe_threads *inner)
{
    int workers = inner ? inner->workers : 0;
    trace *t = calloc(1, sizeof *t + (size_t)workers * sizeof t->workers[0]);
    if (!t) return NULL;
    t->inner = inner;
    t->nworkers = workers;
    t->threads = (lathe_threads){.parallel_for = parallel_for, .ctx = t, .workers = workers};
    return t;
}

void trace_free(trace *t)
{
    if (!t) return;
    free(t->steps.events);
    for (int i = 0; i < t->nworkers; i++) free(t->workers[i].events);
    free(t);
}

const lathe_threads *trace_threads(const trace *t) { return t->inner ? &t->threads : NULL; }

/* ---- steps ---- */

static void on_begin(void *ctx, const lathe_step_info *info)
{
    trace *t = ctx;
    event *e = t->depth < DEPTH ? new_event(&t->steps) : NULL;
    t->steps.failed |= !e;
    if (!e || t->steps.failed) return;
    *e = (event){.kind = info->kind,
                 .node = info->node,
                 .op = info->op,
                 .step = info->step,
                 .kernel = info->kernel,
                 .chunk = -1,
                 .start = seconds_now()};
    t->open[t->depth++] = t->steps.n - 1;
}

static void on_end(void *ctx)
{
    trace *t = ctx;
    if (t->steps.failed || !t->depth) return;
    t->steps.events[t->open[--t->depth]].end = seconds_now();
}

lathe_status trace_begin(trace *t, lathe_session *session)
{
    const lathe_watch watch = {.begin = on_begin, .end = on_end, .ctx = t};
    lathe_status s = lathe_session_watch(session, &watch);
    t->on = s == LATHE_OK;
    t->begin = seconds_now();
    return s;
}

bool trace_end(trace *t, lathe_session *session)
{
    bool complete = !t->steps.failed;
    t->on = false;
    lathe_session_watch(session, NULL);
    for (int i = 0; i < t->nworkers; i++) complete = complete && !t->workers[i].failed;
    return complete;
}

/* ---- the file ---- */

static void write_name(FILE *f, const char *key, const char *name)
{
    fprintf(f, "\"%s\": ", key);
    lathe_json_string(f, name);
}

/* The nodes of the model that a step comes from, the one that it is called after first. */
static void write_nodes(FILE *f, const lathe_session *session, const event *e)
{
    const char *node = e->node, *op = e->op;
    fputs("\"nodes\": [", f);
    for (uint32_t i = 0;; i++) {
        fputs(i ? ", {" : "{", f);
        write_name(f, "name", node);
        fputs(", ", f);
        write_name(f, "op", op);
        fputc('}', f);
        if (lathe_step_origin(session, e->step, i, &node, &op) != LATHE_OK) break;
    }
    fputc(']', f);
}

static void write_event(const trace *t, const lathe_session *session, const event *e, int row,
                        FILE *f)
{
    bool named = e->node && (*e->node || *e->op);
    fputs(",\n{", f);
    write_name(f, "name", !named ? e->kind : *e->node ? e->node : e->op);
    fprintf(f, ", \"ph\": \"X\", \"pid\": 1, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f, ", row,
            (e->start - t->begin) * 1e6, (e->end - e->start) * 1e6);
    fputs("\"args\": {", f);
    if (e->node) fprintf(f, "\"step\": %u, ", e->step);
    if (e->node && e->kernel != UINT32_MAX) fprintf(f, "\"kernel\": %u, ", e->kernel);
    if (e->chunk >= 0) fprintf(f, "\"chunk\": %lld, ", (long long)e->chunk);
    write_name(f, "kind", e->kind);
    if (named && e->chunk < 0) {
        fputs(", ", f);
        write_nodes(f, session, e);
    }
    fputs("}}", f);
}

static void write_row(FILE *f, int row, const char *name, int number)
{
    fprintf(f,
            "%s{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": %d, "
            "\"args\": {\"name\": \"%s",
            row ? ",\n" : "", row, name);
    if (row) fprintf(f, " %d", number);
    fputs("\"}}", f);
}

void trace_write(const trace *t, const lathe_session *session, FILE *f)
{
    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n", f);
    write_row(f, 0, "steps", 0);
    for (int i = 0; i < t->nworkers; i++) write_row(f, 1 + i, "worker", i);
    for (size_t i = 0; i < t->steps.n; i++) write_event(t, session, &t->steps.events[i], 0, f);
    for (int w = 0; w < t->nworkers; w++)
        for (size_t i = 0; i < t->workers[w].n; i++)
            write_event(t, session, &t->workers[w].events[i], 1 + w, f);
    fputs("\n]}\n", f);
}
