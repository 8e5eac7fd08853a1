/* Which of a model's targets is run: features of the processor in, a table of kernels out.
 *
 * Targets stand from the best to the least. One is taken only if the processor has every feature
 * that its code may use and the system readies them, so no code runs that the processor lacks. */
#include <string.h>

#include "runtime/rt.h"

/* "AVX2, FMA": as many names as fit. */
static void name_features(uint32_t features, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    for (; features; features &= features - 1) {
        const char *name = rt_cpu_name(features);
        size_t length = strlen(name);
        if (n + length + 3 > size) return;
        if (n) n = (size_t)(stpcpy(text + n, ", ") - text);
        memcpy(text + n, name, length + 1);
        n += length;
    }
}

lathe_status rt_target_choose(rt_view *v, uint32_t features, const lathe_target **target,
                              rt_text *text)
{
    uint32_t n = v->t->targets.count, nkernels = v->desc->n_kernels / n;
    for (uint32_t i = 0; i < n; i++) {
        const lathe_target *t = &v->targets[i];
        if ((t->features & ~features) || !rt_cpu_enable(t->features)) continue;
        *target = t;
        v->kernels = v->desc->kernels + (size_t)i * nkernels;
        return LATHE_OK;
    }
    char lacking[160];
    uint32_t least = n - 1, missing = v->targets[least].features & ~features;
    const char *name = rt_string(v, v->targets[least].name);
    if (!missing)
        return rt_fail(
            text, LATHE_UNSUPPORTED_CPU,
            "the system does not let this process use AMX; the least target of '%s' is %s",
            rt_string(v, v->t->name), name);
    name_features(missing, lacking, sizeof lacking);
    return rt_fail(text, LATHE_UNSUPPORTED_CPU,
                   "this processor lacks %s; the least target of '%s' is %s", lacking,
                   rt_string(v, v->t->name), name);
}
