/* opt: passes on a graph in text form. Its output is there whole or not at all. */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>

static int list_passes(bool json)
{
    for (size_t i = 0; i < lathe_pass_count(); i++) {
        const lathe_pass_info p = lathe_pass_get(i);
        if (json) {
            printf("{\"name\": \"%s\", \"summary\": ", p.name);
            lathe_json_string(stdout, p.summary);
            printf("}\n");
        } else {
            printf("%-20s %s\n", p.name, p.summary);
        }
    }
    return EXIT_OK;
}

static lathe_status known_passes(const cli_options *o, lathe_diag *diag)
{
    char *list = strdup(o->passes ? o->passes : "");
    const char **names = calloc(strlen(list ? list : "") + 1, sizeof *names);
    lathe_status s = LATHE_OUT_OF_MEMORY;
    if (list && names) {
        lathe_options l = {.model = o->paths.items[0], .disabled = names};
        char *rest;
        for (char *p = strtok_r(list, ",", &rest); p; p = strtok_r(NULL, ",", &rest))
            names[l.ndisabled++] = p;
        s = lathe_options_check(&l, diag);
    }
    free(list);
    free(names);
    return s;
}

typedef struct opt_run {
    const cli_options *o;
    lathe_diag *diag;
    lathe_status status;
} opt_run;

static bool opt_write(void *ctx, FILE *f)
{
    opt_run *r = ctx;
    const char *passes = r->o->passes ? r->o->passes : "";
    r->status = lathe_opt(r->o->paths.items[0], passes, f, r->diag);
    return r->status == LATHE_OK;
}

int command_opt(const cli_options *o)
{
    opt_run r = {.o = o};
    if (o->list_passes) return list_passes(o->json);
    if (o->paths.n == 0)
        return usage_error("'opt' needs FILE.ir or --list-passes; see 'lathe opt --help'");
    if (!(r.diag = lathe_diag_new())) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    int code = known_passes(o, r.diag) == LATHE_OK ? EXIT_OK : EXIT_USAGE;
    if (code == EXIT_OK && !write_file(o->output ? o->output : "-", opt_write, &r))
        code = r.status == LATHE_OK ? fail_file(LATHE_IO, o->output, "cannot be written")
                                    : exit_code(r.status);
    print_diag(r.diag);
    lathe_diag_free(r.diag);
    return code;
}
