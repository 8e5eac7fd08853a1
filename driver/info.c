/* info: what a model takes and gives, which targets it has code for, and what memory it needs.
 *
 * In: a library, a model that is compiled first, or a weight file. Out: lines, or one JSON object.
 * --dim gives the sizes that memory is told for; those of a library are its session's maxima, those
 * of a model are fixed by the compiler. What has no accessor in lathe_rt.h (targets, build id,
 * limits of sizes) is read off the tables in the library. */
#include "driver/driver.h"
#include "driver/library.h"
#include "runtime/abi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct info {
    const cli_options *o;
    const char *path;
    loaded m;
    const lathe_tables *t;
    int64_t *maxima;     /* one a size */
    const char *missing; /* a size without --dim; NULL: none */
    lathe_memory memory;
} info;

static const void *table(const info *i, lathe_span s) { return (const char *)i->t + s.offset; }
static const char *text(const info *i, uint32_t at)
{
    return (const char *)table(i, i->t->strings) + at;
}

static bool given(const option_list *dims, const char *name, int64_t *value)
{
    size_t n = strlen(name);
    for (size_t k = 0; k < dims->n; k++)
        if (strncmp(dims->items[k], name, n) == 0 && dims->items[k][n] == '=') {
            *value = strtoll(dims->items[k] + n + 1, NULL, 10);
            return true;
        }
    return false;
}

/* Every --dim of a library names one of its sizes; the compiler has checked those of a model. */
static int check_dims(const info *i)
{
    const char *names[256];
    size_t n = 0;
    for (const char *s; n < 256 && (s = lathe_symbol(i->m.lib->desc, (int)n)); n++) names[n] = s;
    for (size_t k = 0; has_suffix(i->path, ".so") && k < i->o->dims.n; k++) {
        char word[256], message[320];
        snprintf(word, sizeof word, "%s", i->o->dims.items[k]);
        word[strcspn(word, "=")] = '\0';
        size_t at = 0;
        while (at < n && strcmp(names[at], word) != 0) at++;
        snprintf(message, sizeof message, "no size of the model is called '%s'", word);
        if (at == n) return fail_unknown(LATHE_NOT_FOUND, message, word, names, n);
    }
    return EXIT_OK;
}

/* Memory at the sizes of --dim, if they are all given. */
static int measure(info *i)
{
    uint32_t n = i->t->n_free;
    int code = check_dims(i);
    i->maxima = calloc((size_t)n + 1, sizeof *i->maxima);
    if (!i->maxima) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < n; k++) {
        const char *name = lathe_symbol(i->m.lib->desc, (int)k);
        if (!given(&i->o->dims, name, &i->maxima[k]) && !i->missing) i->missing = name;
    }
    if (code != EXIT_OK || i->missing) return code;
    lathe_session *s = NULL;
    lathe_session_free(i->m.session);
    i->m.session = NULL;
    lathe_status status = lathe_session_new(i->m.model, i->maxima, &s);
    i->m.session = s;
    if (status == LATHE_OK) status = lathe_session_memory(s, &i->memory);
    return status == LATHE_OK
               ? EXIT_OK
               : fail_file(status, i->path, "memory for these sizes cannot be planned");
}

/* ---- text ---- */

static void put_type(const lathe_tensor_info *t)
{
    printf("%s[", tensor_elem_name(t->elem));
    for (int d = 0; d < t->rank; d++) {
        if (d) printf(", ");
        if (t->dims[d] >= 0) printf("%lld", (long long)t->dims[d]);
        else printf("%s", t->dim_names[d]);
    }
    printf("]");
}

static void text_io(const info *i, int what, const char *label)
{
    lathe_tensor_info t;
    for (int k = 0; lathe_info(i->m.lib->desc, what, k, &t) == LATHE_OK; k++) {
        printf("%-9s %s: ", label, t.name);
        put_type(&t);
        printf("\n");
    }
}

static void text_sizes(const info *i)
{
    const lathe_sym *syms = table(i, i->t->syms);
    for (uint32_t k = 0; k < i->t->n_free; k++) {
        printf("%-9s %s: from %" PRId64, "size", text(i, syms[k].name), syms[k].lo);
        if (syms[k].hi < INT32_MAX) printf(" to %" PRId64, syms[k].hi);
        printf("\n");
    }
}

static void text_states(const info *i)
{
    lathe_state_place p;
    int n = lathe_count(i->m.lib->desc, LATHE_STATES);
    for (int k = 0; k < n && lathe_state_info(i->m.lib->desc, k, &p) == LATHE_OK; k++) {
        lathe_tensor_info in, out;
        lathe_info(i->m.lib->desc, LATHE_INPUTS, p.input, &in);
        lathe_info(i->m.lib->desc, LATHE_OUTPUTS, p.output, &out);
        printf("%-9s %s = %s, ", "state", in.name, out.name);
        if (p.axis < 0) printf("replaced\n");
        else printf("grows along axis %d\n", p.axis);
    }
}

static void text_memory(const info *i)
{
    static const char *const kinds[] = {"exactly", "at most", "at least"};
    const lathe_memory *m = &i->memory;
    printf("%-9s %" PRIu64 " bytes%s\n", "weights", i->t->weights_size,
           i->m.lib->desc->weights ? ", in the library" : "");
    if (i->missing) {
        printf("%-9s depends on sizes: --dim %s=N\n", "memory", i->missing);
        return;
    }
    printf("%-9s %s %" PRIu64 " bytes a session and %" PRIu64 " a thread", "memory", kinds[m->kind],
           m->arena, m->scratch);
    if (m->states) printf(", states %" PRIu64, m->states);
    if (m->kind == LATHE_MEMORY_UNBOUNDED) printf("; what the data asks for has no bound");
    printf("\n");
}

static void text_info(const info *i)
{
    const lathe_target *targets = table(i, i->t->targets);
    printf("%-9s %s, runtime %s, build %016" PRIx64 "\n", "model", text(i, i->t->name),
           i->m.lib->desc->rt->version, i->t->build_id);
    printf("%-9s", "targets");
    for (uint32_t k = 0; k < i->t->targets.count; k++)
        printf("%s %s", k ? "," : "", text(i, targets[k].name));
    printf("; here %s\n", lathe_model_target(i->m.model));
    text_io(i, LATHE_INPUTS, "input");
    text_io(i, LATHE_OUTPUTS, "output");
    text_sizes(i);
    text_states(i);
    text_memory(i);
}

/* ---- JSON ---- */

static void json_io(const info *i, int what, const char *key)
{
    lathe_tensor_info t;
    printf(", \"%s\": [", key);
    for (int k = 0; lathe_info(i->m.lib->desc, what, k, &t) == LATHE_OK; k++) {
        printf("%s{\"name\": ", k ? ", " : "");
        lathe_json_string(stdout, t.name);
        printf(", \"type\": \"%s\", \"dims\": [", tensor_elem_name(t.elem));
        for (int d = 0; d < t.rank; d++) {
            if (d) printf(", ");
            if (t.dims[d] >= 0) printf("%lld", (long long)t.dims[d]);
            else lathe_json_string(stdout, t.dim_names[d]);
        }
        printf("]}");
    }
    printf("]");
}

static void json_sizes(const info *i)
{
    const lathe_sym *syms = table(i, i->t->syms);
    printf(", \"sizes\": [");
    for (uint32_t k = 0; k < i->t->n_free; k++) {
        printf("%s{\"name\": ", k ? ", " : "");
        lathe_json_string(stdout, text(i, syms[k].name));
        printf(", \"least\": %" PRId64 ", \"most\": ", syms[k].lo);
        if (syms[k].hi >= INT32_MAX) printf("null}");
        else printf("%" PRId64 "}", syms[k].hi);
    }
    printf("]");
}

static void json_states(const info *i)
{
    lathe_state_place p;
    int n = lathe_count(i->m.lib->desc, LATHE_STATES);
    printf(", \"states\": [");
    for (int k = 0; k < n && lathe_state_info(i->m.lib->desc, k, &p) == LATHE_OK; k++) {
        printf("%s{\"input\": %d, \"output\": %d, \"axis\": ", k ? ", " : "", p.input, p.output);
        printf(p.axis < 0 ? "null}" : "%d}", p.axis);
    }
    printf("]");
}

static void json_memory(const info *i)
{
    static const char *const kinds[] = {"exact", "bound", "unbounded"};
    const lathe_memory *m = &i->memory;
    printf(", \"weights\": %" PRIu64 ", \"memory\": ", i->t->weights_size);
    if (i->missing) {
        printf("null");
        return;
    }
    printf("{\"kind\": \"%s\", \"arena\": %" PRIu64 ", \"scratch\": %" PRIu64
           ", \"states\": %" PRIu64 ", \"lower_bound\": %" PRIu64 "}",
           kinds[m->kind], m->arena, m->scratch, m->states, m->lower_bound);
}

static void json_info(const info *i)
{
    const lathe_target *targets = table(i, i->t->targets);
    printf("{\"model\": \"%s\", \"runtime\": \"%s\", \"build\": \"%016" PRIx64
           "\", \"target\": \"%s\", \"targets\": [",
           text(i, i->t->name), i->m.lib->desc->rt->version, i->t->build_id,
           lathe_model_target(i->m.model));
    for (uint32_t k = 0; k < i->t->targets.count; k++)
        printf("%s\"%s\"", k ? ", " : "", text(i, targets[k].name));
    printf("]");
    json_io(i, LATHE_INPUTS, "inputs");
    json_io(i, LATHE_OUTPUTS, "outputs");
    json_sizes(i);
    json_states(i);
    json_memory(i);
    printf("}\n");
}

/* ---- a weight file ---- */

static int info_weights(const cli_options *o, const char *path)
{
    lathe_weights_header h;
    FILE *f = fopen(path, "rb");
    if (!f) return fail_file(LATHE_NOT_FOUND, path, strerror(errno));
    bool whole = fread(&h, sizeof h, 1, f) == 1 && h.magic == LATHE_MAGIC;
    bool ended = fseeko(f, 0, SEEK_END) == 0;
    int64_t bytes = ended ? ftello(f) : -1;
    fclose(f);
    if (!whole) return fail_file(LATHE_BAD_INPUT, path, "this is not a weight file of lathe");
    if (bytes < LATHE_WEIGHTS_DATA || (uint64_t)bytes - LATHE_WEIGHTS_DATA < h.size) {
        char text[128];
        snprintf(text, sizeof text,
                 "the file is cut off: expected %" PRIu64 " bytes, found %" PRId64,
                 h.size + LATHE_WEIGHTS_DATA, bytes);
        return fail_file(LATHE_BAD_INPUT, path, text);
    }
    printf(o->json ? "{\"build\": \"%016" PRIx64 "\", \"weights\": %" PRIu64
                     ", \"hash\": \"%016" PRIx64 "\"}\n"
                   : "weights   of build %016" PRIx64 ", %" PRIu64 " bytes, hash %016" PRIx64 "\n",
           h.build_id, h.size, h.hash);
    return EXIT_OK;
}

int command_info(const cli_options *o)
{
    info i = {.o = o, .path = o->paths.items[0]};
    if (has_suffix(i.path, ".weights")) return info_weights(o, i.path);
    int code = open_model(o, i.path, &i.m);
    if (code == EXIT_OK) {
        i.t = i.m.lib->desc->tables;
        code = measure(&i);
    }
    if (code == EXIT_OK && o->json) json_info(&i);
    else if (code == EXIT_OK) text_info(&i);
    free(i.maxima);
    unload_model(&i.m);
    return code;
}
