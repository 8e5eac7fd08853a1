/* Times of steps, added up a kernel.
 *
 * In: what the runtime tells of each step. A step's time is what passes between its begin and end,
 * less the steps inside of it (of a branch, of a loop's body), so that all of them add up to the
 * run. Out: one line a kernel, the longest first; steps without a kernel make a line a kind. */
#include "driver/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lathe_experimental.h"

enum { DEPTH = 128 }; /* of steps in steps; the runtime takes 64 */

typedef struct step {
    lathe_step_info info; /* kind NULL: never told of */
    double seconds, multiply_adds, bytes;
    size_t count;
    bool unknown; /* the bytes of a run of it were not known */
} step;

typedef struct line {
    const step *first; /* of the steps with this kernel */
    double seconds, multiply_adds, bytes;
    size_t count, nsteps;
    bool unknown;
} line;

struct profile {
    const lathe_session *session; /* that is or was watched */
    step *steps;                  /* by number */
    line *lines;                  /* sorted, from profile_end on */
    size_t nsteps, nlines, runs;
    uint32_t open[DEPTH];
    int depth;
    double since, total, sum;
    bool failed;
};

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

profile *profile_new(void) { return calloc(1, sizeof(profile)); }

void profile_free(profile *p)
{
    if (!p) return;
    free(p->steps);
    free(p->lines);
    free(p);
}

/* ---- while the model runs ---- */

static bool has_room(profile *p, uint32_t number)
{
    if (number < p->nsteps) return true;
    size_t n = (size_t)number + number / 2 + 64;
    step *grown = realloc(p->steps, n * sizeof *grown);
    if (!grown) return false;
    memset(grown + p->nsteps, 0, (n - p->nsteps) * sizeof *grown);
    p->steps = grown;
    p->nsteps = n;
    return true;
}

/* The time since the last call is that of the innermost open step. */
static void pass(profile *p)
{
    double now = seconds_now();
    if (p->depth) p->steps[p->open[p->depth - 1]].seconds += now - p->since;
    p->since = now;
}

static void on_begin(void *ctx, const lathe_step_info *info)
{
    profile *p = ctx;
    if (p->failed || p->depth == DEPTH || !has_room(p, info->step)) {
        p->failed = true;
        return;
    }
    step *s = &p->steps[info->step];
    s->info = *info;
    s->multiply_adds += (double)info->multiply_adds;
    s->bytes += (double)info->bytes;
    s->unknown |= !info->bytes;
    s->count++;
    pass(p);
    p->open[p->depth++] = info->step;
}

static void on_end(void *ctx)
{
    profile *p = ctx;
    if (p->failed) return;
    pass(p);
    p->depth--;
}

lathe_status profile_begin(profile *p, lathe_session *session)
{
    const lathe_watch watch = {.begin = on_begin, .end = on_end, .ctx = p};
    p->session = session;
    return lathe_session_watch(session, &watch);
}

/* ---- afterwards ---- */

static bool is_same(const lathe_step_info *a, const lathe_step_info *b)
{
    return a->kernel == b->kernel && strcmp(a->kind, b->kind) == 0;
}

static int by_kernel(const void *a, const void *b)
{
    const step *x = *(step *const *)a, *y = *(step *const *)b;
    if (x->info.kernel != y->info.kernel) return x->info.kernel < y->info.kernel ? -1 : 1;
    int kind = strcmp(x->info.kind, y->info.kind);
    return kind ? kind : (x->info.step > y->info.step) - (x->info.step < y->info.step);
}

static int by_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    return (x->first->info.step > y->first->info.step) -
           (x->first->info.step < y->first->info.step);
}

static void profile_add(line *l, const step *s)
{
    l->seconds += s->seconds;
    l->multiply_adds += s->multiply_adds;
    l->bytes += s->bytes;
    l->count += s->count;
    l->unknown |= s->unknown;
    l->nsteps++;
}

bool profile_end(profile *p, lathe_session *session, double seconds, size_t runs)
{
    lathe_session_watch(session, NULL);
    size_t n = 0;
    for (size_t i = 0; i < p->nsteps; i++) n += p->steps[i].info.kind != NULL;
    const step **used = malloc((n + 1) * sizeof *used);
    p->lines = calloc(n + 1, sizeof *p->lines);
    if (p->failed || !used || !p->lines) {
        free(used);
        return false;
    }
    n = 0;
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].info.kind) used[n++] = &p->steps[i];
    qsort(used, n, sizeof *used, by_kernel);
    for (size_t i = 0; i < n; i++) {
        if (!i || !is_same(&used[i - 1]->info, &used[i]->info))
            p->lines[p->nlines++].first = used[i];
        profile_add(&p->lines[p->nlines - 1], used[i]);
        p->sum += used[i]->seconds;
    }
    free(used);
    qsort(p->lines, p->nlines, sizeof *p->lines, by_time);
    p->total = seconds;
    p->runs = runs;
    return true;
}

/* ---- reports ---- */

/* Whichever of arithmetic and memory takes this machine longer is what limits a product. */
typedef struct rate {
    double value, most; /* a second */
    const char *unit;
} rate;

static rate rate_of(const line *l, machine m)
{
    double flops = 2 * l->multiply_adds;
    bool reads = !flops || (m.flops > 0 && m.bytes > 0 && l->bytes / m.bytes > flops / m.flops);
    if (l->seconds <= 0 || (reads && l->unknown)) return (rate){0};
    if (reads) return (rate){l->bytes / l->seconds, m.bytes, "GB/s"};
    return (rate){flops / l->seconds, m.flops, "GFLOP/s"};
}

typedef void (*node_writer)(FILE *, const char *node, const char *op, size_t at);

/* Calls write for each node of the line's steps, unless it is called as the one before. */
static void each_node(const profile *p, const line *l, node_writer write, FILE *f)
{
    size_t n = 0;
    const char *last = NULL;
    for (uint32_t i = 0; i < p->nsteps; i++) {
        const lathe_step_info *s = &p->steps[i].info;
        if (!s->kind || !is_same(s, &l->first->info) || !(*s->node || *s->op)) continue;
        if (last == s->node) continue;
        last = s->node;
        write(f, s->node, s->op, n++);
        const char *node, *op;
        for (uint32_t k = 0; lathe_step_origin(p->session, i, k, &node, &op) == LATHE_OK; k++)
            write(f, node, op, n++);
    }
}

static void text_node(FILE *f, const char *node, const char *op, size_t at)
{
    fprintf(f, "%s%s (%s)", at ? ", " : "", node, op);
}

static void json_node(FILE *f, const char *node, const char *op, size_t at)
{
    fputs(at ? ", {\"name\": " : "{\"name\": ", f);
    lathe_json_string(f, node);
    fputs(", \"op\": ", f);
    lathe_json_string(f, op);
    fputc('}', f);
}

static double per_run(const profile *p, double seconds)
{
    return p->runs ? seconds * 1e3 / (double)p->runs : 0;
}

static double share(const profile *p, double seconds)
{
    return p->total > 0 ? 100 * seconds / p->total : 0;
}

void profile_text(const profile *p, machine m, FILE *f)
{
    fprintf(f, "machine: %.4g GFLOP/s, reads %.4g GB/s\n", m.flops * 1e-9, m.bytes * 1e-9);
    fprintf(f, "%-12s %6s %10s %6s %4s %17s %6s  %s\n", "kernel", "steps", "ms a run", "share",
            "in", "rate", "of most", "nodes");
    for (size_t i = 0; i < p->nlines; i++) {
        const line *l = &p->lines[i];
        rate r = rate_of(l, m);
        char name[32], speed[32] = "", most[16] = "";
        if (l->first->info.kernel == UINT32_MAX)
            snprintf(name, sizeof name, "%s", l->first->info.kind);
        else snprintf(name, sizeof name, "%s %u", l->first->info.kind, l->first->info.kernel);
        if (r.unit) snprintf(speed, sizeof speed, "%.4g %s", r.value * 1e-9, r.unit);
        if (r.unit && r.most > 0) snprintf(most, sizeof most, "%.0f %%", 100 * r.value / r.most);
        fprintf(f, "%-12s %6zu %10.4g %5.1f%% %4s %17s %7s  ", name, l->nsteps,
                per_run(p, l->seconds), share(p, l->seconds), l->first->info.precision, speed,
                most);
        each_node(p, l, text_node, f);
        fputc('\n', f);
    }
    fprintf(f, "%zu runs of %.4g ms; all steps together %.1f%%\n", p->runs, per_run(p, p->total),
            share(p, p->sum));
}

void profile_json(const profile *p, machine m, FILE *f)
{
    fprintf(f,
            "\"profile\": {\"runs\": %zu, \"run_ms\": %.6g, \"steps_ms\": %.6g, "
            "\"machine_gflops\": %.6g, \"machine_gbs\": %.6g, \"kernels\": [",
            p->runs, per_run(p, p->total), per_run(p, p->sum), m.flops * 1e-9, m.bytes * 1e-9);
    for (size_t i = 0; i < p->nlines; i++) {
        const line *l = &p->lines[i];
        rate r = rate_of(l, m);
        fprintf(f, "%s{\"kind\": \"%s\", ", i ? ", " : "", l->first->info.kind);
        if (l->first->info.kernel != UINT32_MAX)
            fprintf(f, "\"kernel\": %u, ", l->first->info.kernel);
        fprintf(f, "\"steps\": %zu, \"calls\": %zu, \"ms\": %.6g, \"share\": %.6g, ", l->nsteps,
                l->count, per_run(p, l->seconds), share(p, l->seconds) / 100);
        if (l->multiply_adds > 0)
            fprintf(f, "\"multiply_adds\": %.6g, ", l->multiply_adds / (double)p->runs);
        if (!l->unknown) fprintf(f, "\"bytes\": %.6g, ", l->bytes / (double)p->runs);
        if (*l->first->info.precision)
            fprintf(f, "\"precision\": \"%s\", ", l->first->info.precision);
        if (r.unit)
            fprintf(f, "\"%s\": %.6g, ", r.unit[1] == 'F' ? "gflops" : "gbs", r.value * 1e-9);
        if (r.unit && r.most > 0) fprintf(f, "\"of_machine\": %.6g, ", r.value / r.most);
        fputs("\"nodes\": [", f);
        each_node(p, l, json_node, f);
        fputs("]}", f);
    }
    fputs("]}", f);
}
