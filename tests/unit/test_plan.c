/* The memory plan of compiled models, checked from the tables alone: buffers that are alive at one
 * step lie apart, every step finds its buffers alive, the reported bound is what the lives give,
 * and the plan stays within a quarter of it. */
#include <criterion/criterion.h>

#include "tests/unit/compiled.h"

typedef struct planned {
    uint32_t first, last;
    uint64_t begin, end; /* in the arena, rounded to 64; equal: not there */
} planned;

typedef struct plan {
    const char *model;
    const lathe_session *s;
    const rt_view *v;
    planned *at; /* by store */
    uint32_t n;
} plan;

static planned read_store(const plan *p, uint32_t i)
{
    const rt_store *st = &p->s->stores[i];
    const lathe_buf *b = i < p->v->nbufs ? &p->v->bufs[i] : NULL;
    planned at = {.first = b ? b->first : 0, .last = p->v->nsteps};
    bool elsewhere = b && (b->kind == LATHE_BUF_WEIGHT || b->kind == LATHE_BUF_INPUT);
    if (elsewhere || st->growing || !st->home_capacity) return at;
    if (b && b->kind == LATHE_BUF_ARENA && b->last < at.last) at.last = b->last;
    at.begin = (uint64_t)(st->home - p->s->arena);
    at.end = at.begin + (st->home_capacity + 63) / 64 * 64;
    return at;
}

static plan read_plan(const char *model, const lathe_session *s)
{
    plan p = {.model = model, .s = s, .v = s->v, .n = s->v->nbufs + s->v->noutputs};
    p.at = calloc(p.n + 1, sizeof *p.at);
    for (uint32_t i = 0; i < p.n; i++) p.at[i] = read_store(&p, i);
    return p;
}

/* ---- placement ---- */

static void check_apart(const plan *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        for (uint32_t k = i + 1; k < p->n; k++) {
            const planned *a = &p->at[i], *b = &p->at[k];
            if (a->last < b->first || b->last < a->first) continue;
            cr_assert(a->begin == a->end || b->begin == b->end || a->end <= b->begin ||
                          b->end <= a->begin,
                      "%s: buffers %u and %u overlap", p->model, i, k);
        }
}

static uint64_t most_alive(const plan *p)
{
    uint64_t most = 0;
    for (uint32_t step = 0; step <= p->v->nsteps; step++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < p->n; i++)
            if (p->at[i].first <= step && step <= p->at[i].last)
                sum += p->at[i].end - p->at[i].begin;
        if (sum > most) most = sum;
    }
    return most;
}

static void check_size(const plan *p)
{
    lathe_memory m;
    cr_assert_eq(lathe_session_memory(p->s, &m), LATHE_OK);
    uint64_t end = 0, bound = most_alive(p) + m.scratch;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->at[i].end > end) end = p->at[i].end;
    cr_expect_leq(end, p->s->memory.arena, "%s", p->model);
    cr_expect_eq(m.lower_bound, bound, "%s: %zu bytes are reported, %zu alive", p->model,
                 (size_t)m.lower_bound, (size_t)bound);
    cr_expect_leq(4 * (p->s->memory.arena + m.scratch), 5 * bound,
                  "%s: %zu bytes for a bound of %zu", p->model, (size_t)p->s->memory.arena,
                  (size_t)bound);
}

/* ---- lives ---- */

/* What is alive before a loop and used in it must survive the last turn. */
static void check_use(const plan *p, uint32_t buffer, uint32_t step, uint32_t loop,
                      uint32_t loop_end)
{
    const lathe_buf *b = &p->v->bufs[buffer];
    if (b->kind != LATHE_BUF_ARENA && b->kind != LATHE_BUF_OUTPUT) return;
    cr_expect_leq(b->first, step, "%s: buffer %u is used in step %u", p->model, buffer, step);
    if (b->kind != LATHE_BUF_ARENA) return;
    uint32_t last = b->first < loop ? loop_end : step;
    cr_expect_geq(b->last, last, "%s: buffer %u is used in step %u", p->model, buffer, step);
}

static void check_steps(const plan *p, uint32_t begin, uint32_t end, uint32_t loop,
                        uint32_t loop_end)
{
    const rt_view *v = p->v;
    for (uint32_t i = begin; i < end; i++) {
        const lathe_step *st = &v->steps[i];
        for (uint32_t k = 0; k < st->nbufs; k++) {
            uint32_t number = v->u32s[st->args + k];
            bool is_value = st->kind == LATHE_STEP_CALL;
            check_use(p, is_value ? v->values[number].buffer : number, i, loop, loop_end);
        }
        if (st->kind != LATHE_STEP_LOOP) continue;
        bool inner = loop_end > 0;
        check_steps(p, i + 1, i + 1 + st->b, inner ? loop : i, inner ? loop_end : i + st->b);
        i += st->b;
    }
}

/* ---- models ---- */

static void check_model(const char *name)
{
    compiled c;
    char path[512], message[512];
    if (!compiled_find(name, path, sizeof path)) return;
    cr_assert(compiled_make(&c, path), "%s", name);
    lathe_model *model;
    lathe_session *session;
    const lathe_open_options o = {.message = message, .message_size = sizeof message};
    cr_assert_eq(lathe_model_open(c.lib.desc, &o, &model), LATHE_OK, "%s: %s", name, message);
    for (int factor = 1; factor <= 3; factor++) {
        int64_t maxima[COMPILED_MOST];
        for (int i = 0; i < c.nsyms; i++) maxima[i] = factor * c.given[i];
        cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK, "%s", name);
        plan p = read_plan(name, session);
        check_apart(&p);
        check_size(&p);
        check_steps(&p, 0, p.v->nsteps, 0, 0);
        free(p.at);
        lathe_session_free(session);
    }
    lathe_model_close(model);
    compiled_free(&c);
}

Test(plan, examples)
{
    check_model("adder");
    check_model("digits");
    check_model("licence_lm");
}

Test(plan, encoders)
{
    check_model("bert");
    check_model("t5_encoder");
    check_model("deberta_v2");
    check_model("swin");
    check_model("detr");
}

Test(plan, decoders)
{
    check_model("gpt2_decode");
    check_model("gpt2_merged");
    check_model("llama");
    check_model("mixtral");
}

Test(plan, loops)
{
    check_model("mamba_scan");
    check_model("mamba_loop");
    check_model("gpt2_greedy_loop");
    check_model("bert_bilstm");
}
