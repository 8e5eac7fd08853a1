/* Run-time sizes: setting symbols, and computing the slots of one segment with their guards.
 *
 * Computing a segment also makes room for the buffers whose size it gives, so that a kernel never
 * runs with a buffer smaller than its slots say. */
#include "runtime/rt.h"

lathe_status rt_set_symbol(lathe_session *s, uint32_t symbol, int64_t value, uint32_t node)
{
    const lathe_sym *sym = &s->v->syms[symbol];
    if (value < sym->lo || value > sym->hi)
        return rt_fail_node(s, LATHE_BAD_VALUE, node, "%s is %lld, must be in [%lld, %lld]",
                            rt_string(s->v, sym->name), (long long)value, (long long)sym->lo,
                            (long long)sym->hi);
    s->syms[symbol] = value;
    s->known[symbol] = true;
    return LATHE_OK;
}

static lathe_status compute(lathe_session *s, uint32_t slot)
{
    const lathe_dim_op *op = &s->v->dims[slot];
    int64_t *to = &s->slots[slot];
    if (op->op == LATHE_DIM_CONST) *to = op->imm;
    else if (op->op == LATHE_DIM_SYM) *to = s->syms[op->a];
    else if (op->op == LATHE_DIM_CAPACITY && s->owns) *to = s->capacity;
    else if (!rt_dim_apply(op->op, s->slots[op->a], s->slots[op->b], to))
        return rt_fail(&s->text, LATHE_BAD_DIMS,
                       "a size cannot be computed from %lld and %lld: overflow or division by zero",
                       (long long)s->slots[op->a], (long long)s->slots[op->b]);
    return LATHE_OK;
}

static lathe_status check_guard(lathe_session *s, const lathe_guard *g)
{
    int64_t a = s->slots[g->a], b = s->slots[g->b];
    if (a == b || (g->or_one && b == 1)) return LATHE_OK;
    const char *text = rt_string(s->v, g->text);
    return rt_fail_node(s, LATHE_BAD_DIMS, g->node, "sizes %lld and %lld must be equal%s%s%s%s",
                        (long long)a, (long long)b, g->or_one ? ", or the second 1" : "",
                        *text ? " (" : "", text, *text ? ")" : "");
}

lathe_status rt_segment(lathe_session *s, uint32_t segment)
{
    const lathe_model *m = s->model;
    lathe_status status = LATHE_OK;
    for (uint32_t i = m->dims.start[segment]; i < m->dims.start[segment + 1] && !status; i++)
        status = compute(s, m->dims.item[i]);
    for (uint32_t i = m->guards.start[segment]; i < m->guards.start[segment + 1] && !status; i++)
        status = check_guard(s, &s->v->guards[m->guards.item[i]]);
    for (uint32_t i = m->bufs.start[segment]; i < m->bufs.start[segment + 1] && !status; i++) {
        uint32_t buffer = m->bufs.item[i];
        if (s->v->bufs[buffer].kind != LATHE_BUF_WEIGHT)
            status = rt_room(s, buffer, s->slots[s->v->bufs[buffer].bytes]);
    }
    return status;
}
