/* Failures of a run as text: which node, and what was found and expected. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/rt.h"

lathe_status rt_fail_node(lathe_session *s, lathe_status status, uint32_t node, const char *format,
                          ...)
{
    size_t size = sizeof s->text.s, at = 0;
    if (node < s->v->t->nodes.count) {
        const lathe_node *n = &s->v->nodes[node];
        int length = snprintf(s->text.s, size, "node '%.200s' (%.60s): ", rt_string(s->v, n->name),
                              rt_string(s->v, n->op));
        at = length > 0 ? (size_t)length : 0;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(s->text.s + at, size - at, format, args);
    va_end(args);
    return status;
}

lathe_status rt_fail_fault(lathe_session *s)
{
    const lathe_fault *f = &s->fault;
    if (f->kind == LATHE_FAULT_INDEX)
        return rt_fail_node(s, LATHE_BAD_VALUE, f->node - 1,
                            "index %lld is out of range for a size of %lld", (long long)f->value,
                            (long long)f->limit);
    return rt_fail_node(s, LATHE_BAD_VALUE, f->node - 1,
                        "a value is not what the operator requires (%lld, limit %lld)",
                        (long long)f->value, (long long)f->limit);
}
