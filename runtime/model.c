/* Opening and closing models: a descriptor in, an immutable object that sessions share out.
 *
 * Opening checks the tables, the processor and the weights, and sorts sizes, guards and buffers by
 * segment, so that a run computes a segment without looking at the others. Cost: the tables' size,
 * not the weights'. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/rt.h"

/* ---- memory ---- */

/* Large blocks ask for large pages, with which states are read a quarter faster. */
enum { LARGE_PAGE = 1 << 21 };

static void *default_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    bool large = size >= LARGE_PAGE;
    if (large && align < LARGE_PAGE) align = LARGE_PAGE;
    if (size > SIZE_MAX - align) return NULL;
    size = (size + align - 1) / align * align;
    void *block = aligned_alloc(align, size);
#ifdef MADV_HUGEPAGE
    if (block && large) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
}

static void default_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    free(ptr);
}

static void caller_alone(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    (void)ctx;
    for (int64_t i = 0; i < chunks; i++) task(arg, i, 0);
}

static const lathe_allocator default_allocator = {default_alloc, default_free, NULL};
static const lathe_threads default_threads = {caller_alone, NULL, 1};

void *rt_alloc(const lathe_model *m, size_t size)
{
    return m->allocator.alloc(m->allocator.ctx, size ? size : 1, RT_ALIGN);
}

bool rt_default_memory(const lathe_model *m) { return m->allocator.alloc == default_alloc; }

void rt_free(const lathe_model *m, void *ptr, size_t size)
{
    if (ptr) m->allocator.free(m->allocator.ctx, ptr, size ? size : 1);
}

/* ---- groups ---- */

static uint32_t dim_segment(const rt_view *v, uint32_t i) { return v->dims[i].segment; }
static uint32_t guard_segment(const rt_view *v, uint32_t i) { return v->guards[i].segment; }
static uint32_t buf_segment(const rt_view *v, uint32_t i)
{
    return v->bufs[i].kind == LATHE_BUF_WEIGHT ? 0 : v->dims[v->bufs[i].bytes].segment;
}

/* A counting sort that keeps the order inside of a segment. */
static uint32_t *group(const rt_view *v, rt_group *g, uint32_t *at, uint32_t n,
                       uint32_t (*segment)(const rt_view *, uint32_t))
{
    uint32_t segments = v->t->n_segments;
    g->start = at;
    g->item = at + segments + 1;
    memset(g->start, 0, (segments + 1) * sizeof *g->start);
    for (uint32_t i = 0; i < n; i++) g->start[segment(v, i) + 1]++;
    for (uint32_t s = 0; s < segments; s++) g->start[s + 1] += g->start[s];
    for (uint32_t i = 0; i < n; i++) g->item[g->start[segment(v, i)]++] = i;
    memmove(g->start + 1, g->start, segments * sizeof *g->start);
    g->start[0] = 0;
    return g->item + n;
}

static lathe_status make_groups(lathe_model *m, rt_text *text)
{
    const rt_view *v = &m->v;
    size_t words = 3 * ((size_t)v->t->n_segments + 1) + v->ndims + v->nguards + v->nbufs;
    m->block_size = v->t->calls.count * sizeof *m->custom + words * sizeof(uint32_t);
    m->block = rt_alloc(m, m->block_size);
    if (!m->block) return rt_fail(text, LATHE_OUT_OF_MEMORY, "no memory for the model's tables");
    m->custom = m->block;
    uint32_t *at = (uint32_t *)(m->custom + v->t->calls.count);
    at = group(v, &m->dims, at, v->ndims, dim_segment);
    at = group(v, &m->guards, at, v->nguards, guard_segment);
    group(v, &m->bufs, at, v->nbufs, buf_segment);
    return LATHE_OK;
}

/* ---- operators of the app ---- */

static const lathe_custom *find_custom(const lathe_open_options *o, const char *name)
{
    for (size_t i = 0; i < o->ncustom; i++)
        if (o->custom[i].func && strcmp(o->custom[i].name, name) == 0) return &o->custom[i];
    return NULL;
}

static lathe_status find_customs(lathe_model *m, const lathe_open_options *o, rt_text *text)
{
    const rt_view *v = &m->v;
    for (uint32_t i = 0; i < v->t->calls.count; i++) {
        const char *name = rt_string(v, v->calls[i].custom);
        m->custom[i] = v->calls[i].custom ? find_custom(o, name) : NULL;
        if (v->calls[i].custom && !m->custom[i])
            return rt_fail(text, LATHE_NOT_FOUND,
                           "the model calls a function '%.200s' of the app, which is not among the "
                           "custom functions given",
                           name);
    }
    return LATHE_OK;
}

/* ---- opening ---- */

static lathe_status check_options(const lathe_open_options *o, rt_text *text)
{
    if (o->threads && (!o->threads->parallel_for || o->threads->workers < 1))
        return rt_fail(text, LATHE_BAD_INPUT, "threads: no parallel_for or no workers");
    for (size_t i = 0; i < o->ncustom; i++)
        if (!o->custom || !o->custom[i].name)
            return rt_fail(text, LATHE_BAD_INPUT, "custom: function %zu has no name", i);
    if (o->allocator && (!o->allocator->alloc || !o->allocator->free))
        return rt_fail(text, LATHE_BAD_INPUT, "allocator: no alloc or no free");
    if (o->flags & ~(unsigned)(LATHE_OPEN_VERIFY | LATHE_OPEN_POISON | LATHE_OPEN_PREFAULT))
        return rt_fail(text, LATHE_BAD_INPUT, "unknown flags 0x%x", o->flags);
    return LATHE_OK;
}

static lathe_status model_open_model(const lathe_desc *desc, const lathe_open_options *o,
                                     lathe_model **model, rt_text *text)
{
    lathe_model m = {.rt = &lathe_rt_api_v1, .flags = o->flags};
    lathe_status s = check_options(o, text);
    if (s == LATHE_OK) s = rt_view_make(desc, &m.v, text);
    if (s == LATHE_OK && o->build_id && o->build_id != m.v.t->build_id)
        s = rt_fail(text, LATHE_MISMATCH, "the header is of another build than the model");
    if (s == LATHE_OK) s = rt_check(&m.v, text);
    if (s == LATHE_OK)
        s = rt_target_choose(&m.v, rt_cpu_features() & ~o->hide_features, &m.target, text);
    if (s != LATHE_OK) return s;
    m.allocator = o->allocator ? *o->allocator : default_allocator;
    m.threads = o->threads ? *o->threads : default_threads;
    if (o->log) m.log = *o->log;
    s = make_groups(&m, text);
    if (s == LATHE_OK) s = find_customs(&m, o, text);
    if (s == LATHE_OK) s = rt_weights_open(&m, o, text);
    lathe_model *heap = s == LATHE_OK ? rt_alloc(&m, sizeof m) : NULL;
    if (heap) {
        *heap = m;
        *model = heap;
        return LATHE_OK;
    }
    if (s == LATHE_OK) s = rt_fail(text, LATHE_OUT_OF_MEMORY, "no memory for the model");
    rt_weights_close(&m);
    rt_free(&m, m.block, m.block_size);
    return s;
}

lathe_status rt_model_open(const lathe_desc *desc, const lathe_open_options *options,
                           lathe_model **model)
{
    static const lathe_open_options none;
    const lathe_open_options *o = options ? options : &none;
    rt_text text = {{0}};
    lathe_status s = LATHE_BAD_INPUT;
    if (model) {
        *model = NULL;
        s = model_open_model(desc, o, model, &text);
        if (s == LATHE_OK) text.s[0] = 0; /* places that were searched in vain */
    }
    if (o->message && o->message_size) snprintf(o->message, o->message_size, "%s", text.s);
    return o->log ? rt_tell(o->log, s, &text) : s;
}

const char *rt_model_target(const lathe_model *m) { return rt_string(&m->v, m->target->name); }

void rt_model_close(lathe_model *m)
{
    if (!m) return;
    rt_weights_close(m);
    rt_free(m, m->block, m->block_size);
    lathe_model copy = *m;
    rt_free(&copy, m, sizeof *m);
}
