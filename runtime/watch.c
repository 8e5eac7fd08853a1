/* Telling the app of each step of a run. Without a watcher a step costs
 * nothing more: one word tells of watchers and of cancelling. */
#include "runtime/rt.h"

static const char *const kinds[] = {
    [LATHE_STEP_KERNEL] = "kernel", [LATHE_STEP_CALL] = "call", [LATHE_STEP_SEGMENT] = "sizes",
    [LATHE_STEP_BIND] = "sizes",    [LATHE_STEP_IF] = "if",     [LATHE_STEP_LOOP] = "loop",
    [LATHE_STEP_COPY] = "copy",     [LATHE_STEP_SET] = "sizes", [LATHE_STEP_GUARD] = "guard",
    [LATHE_STEP_PAST] = "past",
};

static int64_t slot(const lathe_session *s, uint32_t number)
{
    return rt_some(number) && s->slots[number] > 0 ? s->slots[number] : 0;
}

/* Points of the space, of which each reads and writes at most `width` bytes an operand; INT64_MAX:
 * not known. */
static int64_t most_bytes(const lathe_session *s, const lathe_step *st)
{
    int64_t operations, width = st->b & 0xFF, each = st->a ? 0 : st->b >> 8, most;
    if (!each || !rt_some(st->work)) return INT64_MAX;
    if (__builtin_mul_overflow(slot(s, st->work), slot(s, st->range), &operations) ||
        __builtin_mul_overflow(operations / each, width, &most))
        return INT64_MAX;
    return most;
}

static uint64_t moved(const lathe_session *s, const lathe_step *st)
{
    if (st->kind == LATHE_STEP_COPY) return 2 * (uint64_t)slot(s, st->range);
    if (st->kind != LATHE_STEP_KERNEL || !rt_some(st->work)) return 0;
    uint64_t sum = 0, most = (uint64_t)most_bytes(s, st);
    for (uint32_t i = 0; i < st->nbufs; i++) {
        const lathe_buf *b = &s->v->bufs[s->v->u32s[st->args + i]];
        uint64_t size = b->kind == LATHE_BUF_WEIGHT ? b->size : (uint64_t)slot(s, b->bytes);
        sum += size < most ? size : most;
    }
    return sum;
}

void rt_watch_begin(lathe_session *s, const lathe_step *st)
{
    const rt_view *v = s->v;
    bool kernel = st->kind == LATHE_STEP_KERNEL;
    lathe_step_info info = {.kind = kinds[st->kind],
                            .node = "",
                            .op = "",
                            .precision = kernel && st->a ? rt_string(v, st->b) : "",
                            .step = (uint32_t)(st - v->steps),
                            .kernel = kernel ? st->func : UINT32_MAX,
                            .multiply_adds = kernel && st->a ? slot(s, st->a - 1) : 0,
                            .bytes = moved(s, st)};
    if (rt_some(st->node)) {
        info.node = rt_string(v, v->nodes[st->node].name);
        info.op = rt_string(v, v->nodes[st->node].op);
    }
    s->watch.begin(s->watch.ctx, &info);
}

lathe_status rt_step_origin(const lathe_session *s, uint32_t step, uint32_t index,
                            const char **node, const char **op)
{
    if (!s || !node || !op || step >= s->v->t->steps.count) return LATHE_BAD_INPUT;
    const rt_view *v = s->v;
    uint32_t at = v->steps[step].node;
    if (!rt_some(at) || index >= v->nodes[at].more) return LATHE_NOT_FOUND;
    *node = rt_string(v, v->nodes[at + 1 + index].name);
    *op = rt_string(v, v->nodes[at + 1 + index].op);
    return LATHE_OK;
}

lathe_status rt_session_watch(lathe_session *s, const lathe_watch *watch)
{
    if (!s || (watch && (!watch->begin || !watch->end))) return LATHE_BAD_INPUT;
    s->watch = watch ? *watch : (lathe_watch){0};
    return LATHE_OK;
}
