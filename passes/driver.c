/* The list of passes and its walk. In: a verified graph; out: the same, rewritten. A pass that
 * breaks an invariant is found where it did so: the verifier runs behind each one when asked. */
#include "passes/pass.h"

#include <string.h>

static const pass_info passes[] = {
#define PASS(function, name, level, summary) {name, summary, level, pass_##function},
#include "passes/passes.def"
#undef PASS
};

size_t pass_count(void) { return sizeof passes / sizeof *passes; }

const pass_info *pass_at(size_t i) { return i < pass_count() ? &passes[i] : NULL; }

static const pass_info *driver_find(const char *name, size_t length)
{
    for (size_t i = 0; i < pass_count(); i++)
        if (strlen(passes[i].name) == length && memcmp(passes[i].name, name, length) == 0)
            return &passes[i];
    return NULL;
}

const pass_info *pass_find(const char *name) { return driver_find(name, strlen(name)); }

static bool is_disabled(const pass_options *o, const char *name)
{
    for (size_t i = 0; i < o->ndisabled; i++)
        if (strcmp(o->disabled[i], name) == 0) return true;
    return false;
}

static bool is_dumped(const pass_options *o, const char *name)
{
    return o->dump && o->dump_after &&
           (strcmp(o->dump_after, "all") == 0 || strcmp(o->dump_after, name) == 0);
}

static lathe_status driver_run(ir_graph *g, const pass_info *pass, const pass_options *o,
                               lathe_diag *diag)
{
    TRY(pass->run(g, o, diag));
    if (is_dumped(o, pass->name)) {
        fprintf(o->dump, "// after %s\n", pass->name);
        TRY(ir_print(g, o->dump));
    }
    if (!o->verify || ir_verify(g) == LATHE_OK) return LATHE_OK;
    return diag_add(diag, LATHE_INTERNAL, NULL, "pass '%s' broke the graph", pass->name);
}

static lathe_status unknown(const char *name, lathe_diag *diag)
{
    const char *names[sizeof passes / sizeof *passes];
    for (size_t i = 0; i < pass_count(); i++) names[i] = passes[i].name;
    diag_add(diag, LATHE_NOT_FOUND, NULL, "no pass is called '%s'", name);
    diag_suggest(diag, name, names, pass_count());
    return LATHE_NOT_FOUND;
}

lathe_status pass_check_names(const pass_options *o, lathe_diag *diag)
{
    lathe_status status = LATHE_OK;
    for (size_t i = 0; i < o->ndisabled; i++)
        if (!pass_find(o->disabled[i])) status = unknown(o->disabled[i], diag);
    if (o->dump_after && strcmp(o->dump_after, "all") != 0 && !pass_find(o->dump_after))
        status = unknown(o->dump_after, diag);
    return status;
}

/* Runs a pass unless it is off, and notes the numbers of nodes for the report. */
static lathe_status step(ir_graph *g, const pass_info *pass, const pass_options *o,
                         lathe_diag *diag)
{
    pass_line line = {.name = pass->name,
                      .run = pass->level <= o->level && !is_disabled(o, pass->name)};
    pass_count_nodes(g, &line.before);
    if (line.run) TRY(driver_run(g, pass, o, diag));
    pass_count_nodes(g, &line.after);
    if (o->watch) o->watch(o->watch_ctx, g, pass, &line);
    pass_report *r = o->report;
    if (r && r->n < sizeof r->passes / sizeof *r->passes) r->passes[r->n++] = line;
    return LATHE_OK;
}

lathe_status pass_run_all(ir_graph *g, const pass_options *o, lathe_diag *diag)
{
    for (size_t i = 0; i < pass_count(); i++) TRY(step(g, &passes[i], o, diag));
    return LATHE_OK;
}

lathe_status pass_run_named(ir_graph *g, const char *names, const pass_options *o, lathe_diag *diag)
{
    for (size_t n; *names; names += names[n] == ',' ? n + 1 : n) {
        n = strcspn(names, ",");
        const pass_info *pass = driver_find(names, n);
        if (!pass) return unknown(ir_format(g->arena, "%.*s", (int)n, names), diag);
        TRY(driver_run(g, pass, o, diag));
    }
    return LATHE_OK;
}
