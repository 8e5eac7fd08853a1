/* inspect: what became of a model, as one HTML file that needs no network.
 *
 * In: a model, which is compiled, or a library, of which only its steps are known. The steps are
 * timed where all its sizes are known: from the inputs of --case and --input, from --at,
 * or because it leaves none open. Out: the page (driver/page/), with what was found as data in it.
 */
#include "driver/driver.h"
#include "driver/library.h"
#include "driver/page.h"
#include "driver/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct inspected {
    const cli_options *o;
    const char *path;
    char work[4096], library[4200];
    char *compilation, *times; /* JSON; NULL: there is none */
    size_t compilation_size, times_size;
    loaded m;
} inspected;

/* ---- compiling ---- */

static int compile_model(inspected *w)
{
    lathe_options l;
    compile_storage storage;
    int code = EXIT_USAGE;
    snprintf(w->library, sizeof w->library, "%s/libmodel.so", w->work);
    FILE *json = open_memstream(&w->compilation, &w->compilation_size);
    if (!json) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    if (fill_options(w->o, w->path, &l, &storage)) {
        if (!l.name) l.name = "model";
        l.output = w->library;
        l.all_origins = true;
        l.inspection = json;
        code = run_action(lathe_compile, &l);
    }
    storage_free(&storage);
    bool whole = fclose(json) == 0;
    return whole || code != EXIT_OK ? code : fail(LATHE_OUT_OF_MEMORY, "out of memory");
}

/* ---- running ---- */

static bool is_given(const option_list *list, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < list->n; i++)
        if (strncmp(list->items[i], name, n) == 0 && list->items[i][n] == '=') return true;
    return false;
}

/* Whether inputs can be made: files are given, or every free size. */
static bool has_sizes(const inspected *w)
{
    const char *name;
    if (w->o->case_dir || w->o->inputs.n) return true;
    for (int i = 0; (name = lathe_symbol(w->m.lib->desc, i)); i++)
        if (!is_given(&w->o->at, name)) return false;
    return true;
}

static void put_size(const inspected *w, FILE *f, const char *name, bool first)
{
    fputs(first ? "" : ", ", f);
    lathe_json_string(f, name);
    fprintf(f, ": %lld", (long long)input_size(&w->m, name));
}

static lathe_status measure_times(inspected *w, profile *p)
{
    const char *name;
    lathe_status s = measure_steps(&w->m, w->o->seconds, p);
    FILE *f = s == LATHE_OK ? open_memstream(&w->times, &w->times_size) : NULL;
    if (!f) return s == LATHE_OK ? LATHE_OUT_OF_MEMORY : s;
    fprintf(f, "{\"threads\": %ld, \"sizes\": {", w->o->threads);
    for (int i = 0; (name = lathe_symbol(w->m.lib->desc, i)); i++) put_size(w, f, name, i == 0);
    fputs("}, ", f);
    profile_json(p, machine_measure(w->m.threads), f);
    fputc('}', f);
    return fclose(f) == 0 ? LATHE_OK : LATHE_OUT_OF_MEMORY;
}

static int run_steps(inspected *w)
{
    cli_options at = *w->o; /* random inputs take their sizes from there */
    at.dims = w->o->at;
    int code = open_model(w->o, w->library, &w->m);
    if (code != EXIT_OK || !has_sizes(w)) return code;
    code = read_inputs(&at, &w->m, true);
    if (code != EXIT_OK) return code;
    profile *p = profile_new();
    lathe_status s = p ? measure_times(w, p) : LATHE_OUT_OF_MEMORY;
    profile_free(p);
    if (s == LATHE_OUT_OF_MEMORY) return fail(s, "out of memory");
    return s == LATHE_OK ? EXIT_OK : fail_run(s, w->path, lathe_session_message(w->m.session));
}

/* ---- the page ---- */

/* JSON inside of a script element: what could end the element is escaped. */
static void put_json(FILE *f, const char *json)
{
    for (; json && *json; json++) {
        if (*json == '<') fputs("\\u003c", f);
        else fputc(*json, f);
    }
    if (!json) fputs("null", f);
}

static void put_data(const inspected *w, FILE *f)
{
    fputs("{\"version\": ", f);
    lathe_json_string(f, lathe_version());
    fputs(", \"path\": ", f);
    lathe_json_string(f, w->path);
    fputs(", \"target\": ", f);
    lathe_json_string(f, lathe_model_target(w->m.model));
    fputs(",\n\"compilation\": ", f);
    put_json(f, w->compilation);
    fputs(",\n\"times\": ", f);
    put_json(f, w->times);
    fputs("}\n", f);
}

static bool put_page(void *ctx, FILE *f)
{
    fprintf(f, "%s<style>\n%s</style>\n%s<script>\n%s</script>\n", page_head, page_style, page_body,
            page_dagre);
    fputs("<script type=\"application/json\" id=\"data\">\n", f);
    put_data(ctx, f);
    fprintf(f, "</script>\n<script>\n\"use strict\";\n%s%s%s%s</script>\n</html>\n", page_data,
            page_graph, page_views, page_main);
    return true;
}

/* -o FILE.html, or a folder for index.html. */
static int write_page(inspected *w)
{
    char path[4200];
    const char *to = w->o->output ? w->o->output : "inspect.html";
    bool file = has_suffix(to, ".html") || strcmp(to, "-") == 0;
    if (!file && !make_folders(to)) return fail_file(LATHE_IO, to, strerror(errno));
    snprintf(path, sizeof path, file ? "%s" : "%s/index.html", to);
    if (!write_file(path, put_page, w)) return fail_file(LATHE_IO, path, "cannot be written");
    if (strcmp(path, "-") == 0) return EXIT_OK;
    if (w->o->json) {
        printf("{\"page\": ");
        lathe_json_string(stdout, path);
        printf(", \"timed\": %s}\n", w->times ? "true" : "false");
    } else if (!w->o->quiet) {
        printf("%s%s\n", path,
               w->times ? "" : ": without times, for which --at or --case gives the sizes");
    }
    return EXIT_OK;
}

static int inspect(inspected *w)
{
    int code = EXIT_OK;
    if (has_suffix(w->path, ".so")) snprintf(w->library, sizeof w->library, "%s", w->path);
    else if (!make_work_dir(w->work, sizeof w->work)) code = EXIT_RESOURCES;
    else code = compile_model(w);
    if (code == EXIT_OK) code = run_steps(w);
    return code == EXIT_OK ? write_page(w) : code;
}

int command_inspect(const cli_options *o)
{
    inspected w = {.o = o, .path = o->paths.items[0]};
    int code = inspect(&w);
    unload_model(&w.m);
    if (w.work[0]) remove_tree(w.work);
    free(w.compilation);
    free(w.times);
    return code;
}
