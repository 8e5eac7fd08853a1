/* LOOP steps; the contract stands at lathe_loop in abi.h.
 *
 * Order inside of a turn matters: the next condition and the scans are read before carried results
 * overwrite the params that they may share memory with, and the copies use sizes of this turn,
 * before the region symbols take their next values. */
#include <string.h>

#include "runtime/rt.h"

static const uint32_t *triple(const lathe_session *s, uint32_t begin, uint32_t i, uint32_t width)
{
    return s->v->u32s + begin + (size_t)width * i;
}

static lathe_status move_bytes(lathe_session *s, uint32_t from, uint32_t to, int64_t bytes)
{
    if (from == to) return rt_room(s, to, bytes);
    lathe_status status = rt_room(s, to, bytes);
    if (status || !bytes) return status;
    if ((uint64_t)bytes > s->stores[from].capacity)
        return rt_fail(&s->text, LATHE_INTERNAL, "a loop carries more than there is");
    memmove(s->stores[to].data, s->stores[from].data, (size_t)bytes);
    return LATHE_OK;
}

static bool truth(const lathe_session *s, uint32_t buffer)
{
    return !rt_some(buffer) || *s->stores[buffer].data != 0;
}

static int64_t trip_count(const lathe_session *s, uint32_t buffer)
{
    int64_t n = INT64_MAX;
    if (rt_some(buffer)) memcpy(&n, s->stores[buffer].data, sizeof n);
    return n;
}

/* which: 1 at the start (initial slots), 2 after a turn (next slots). */
static lathe_status set_regions(lathe_session *s, const lathe_loop *l, uint32_t node, int which)
{
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < l->nsyms && !status; i++) {
        const uint32_t *e = triple(s, l->syms, i, 3);
        status = rt_set_symbol(s, e[0], s->slots[e[which]], node);
    }
    return status;
}

static lathe_status begin_loop(lathe_session *s, const lathe_loop *l, uint32_t node)
{
    lathe_status status = set_regions(s, l, node, 1);
    for (uint32_t i = 0; i < l->ncarried && !status; i++) {
        const uint32_t *e = triple(s, l->carried, i, 5);
        status = move_bytes(s, e[0], e[1], s->slots[e[3]]);
    }
    for (uint32_t i = 0; i < l->nscans; i++) s->stores[triple(s, l->scans, i, 3)[1]].used = 0;
    return status;
}

static lathe_status begin_turn(lathe_session *s, const lathe_loop *l, int64_t turn)
{
    lathe_status status = LATHE_OK;
    if (rt_some(l->iter)) {
        status = rt_room(s, l->iter, sizeof turn);
        if (!status) memcpy(s->stores[l->iter].data, &turn, sizeof turn);
    }
    if (!status && rt_some(l->cond_param)) {
        status = rt_room(s, l->cond_param, 1);
        if (!status) *s->stores[l->cond_param].data = 1;
    }
    return !status && rt_some(l->segment) ? rt_segment(s, l->segment) : status;
}

static lathe_status loop_append(lathe_session *s, const uint32_t *scan, uint32_t node, int64_t turn)
{
    int64_t bytes = s->slots[scan[2]], total;
    rt_store *to = &s->stores[scan[1]];
    if (bytes < 0 || __builtin_mul_overflow(bytes, turn + 1, &total))
        return rt_fail_node(s, LATHE_BAD_DIMS, node, "a scan output is too large");
    if (to->used + (uint64_t)bytes != (uint64_t)total)
        return rt_fail_node(s, LATHE_BAD_DIMS, node, "a scan output changes its size in turn %lld",
                            (long long)turn);
    lathe_status status = rt_room(s, scan[1], total);
    if (!status && (uint64_t)bytes > s->stores[scan[0]].capacity)
        status = rt_fail_node(s, LATHE_INTERNAL, node, "a scan output takes more than there is");
    if (!status && bytes) memcpy(to->data + to->used, s->stores[scan[0]].data, (size_t)bytes);
    to->used = (uint64_t)total;
    return status;
}

static lathe_status end_turn(lathe_session *s, const lathe_loop *l, uint32_t node, int64_t turn)
{
    lathe_status status = LATHE_OK;
    for (uint32_t i = 0; i < l->nscans && !status; i++)
        status = loop_append(s, triple(s, l->scans, i, 3), node, turn);
    for (uint32_t i = 0; i < l->ncarried && !status; i++) {
        const uint32_t *e = triple(s, l->carried, i, 5);
        status = move_bytes(s, e[2], e[1], s->slots[e[4]]);
    }
    return status ? status : set_regions(s, l, node, 2);
}

lathe_status rt_loop(lathe_session *s, const lathe_step *st, uint32_t body)
{
    const lathe_loop *l = &s->v->loops[st->a];
    int64_t trips = trip_count(s, l->trip), turn = 0;
    bool go_on = truth(s, l->cond);
    lathe_status status = begin_loop(s, l, st->node);
    for (; !status && go_on && turn < trips; turn++) {
        status = rt_cancelled(s);
        if (!status) status = begin_turn(s, l, turn);
        if (!status) status = rt_steps(s, body, body + st->b);
        if (!status) go_on = truth(s, l->cond_result);
        if (!status) status = end_turn(s, l, st->node, turn);
    }
    if (!status && rt_some(l->turns)) status = rt_set_symbol(s, l->turns, turn, st->node);
    return status;
}
