/* compare: which value of a model is the first that differs from what is expected, and by how much.
 *
 * In: a model, a folder with inputs, and expected values: output_K.pb for the graph's outputs, and
 * NAME.pb or NAME.npy for the values that --keep names ('/' in a name is '_' in the file's). Out:
 * one line a value, kept ones first and in the order given, since they are computed before the
 * outputs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/cases.h"
#include "driver/driver.h"
#include "driver/library.h"

typedef struct comparison {
    const cli_options *o;
    loaded m;
    const char *dir; /* of the expected values */
    double atol, rtol;
    int compared, different;
    char first[900]; /* the first difference */
} comparison;

static bool is_kept(const cli_options *o, const char *name)
{
    for (size_t i = 0; i < o->kept.n; i++)
        if (strcmp(o->kept.items[i], name) == 0) return true;
    return false;
}

/* The file with the expected value of output i; false: there is none. */
static bool expected_file(const comparison *c, int i, const char *name, char *path, size_t size)
{
    static const char *const endings[] = {"pb", "npy"};
    char flat[512];
    snprintf(flat, sizeof flat, "%s", name);
    for (char *p = flat; (p = strchr(p, '/')); p++) *p = '_';
    for (int k = 0; k < 4; k++) {
        const char *ending = endings[k % 2];
        int n = k < 2 ? snprintf(path, size, "%s/%s.%s", c->dir, flat, ending)
                      : snprintf(path, size, "%s/output_%d.%s", c->dir, i, ending);
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
        if (k == 1 && is_kept(c->o, name)) return false;
    }
    return false;
}

static void print_line(const comparison *c, const char *name, const char *verdict, const char *why)
{
    if (c->o->json) {
        printf("{\"value\": ");
        lathe_json_string(stdout, name);
        printf(", \"verdict\": \"%s\", \"reason\": ", verdict);
        if (*why) lathe_json_string(stdout, why);
        else printf("null");
        printf("}\n");
    } else if (!c->o->quiet) {
        printf("%-9s %s%s%s\n", verdict, name, *why ? ": " : "", why);
    }
}

static int compare_value(comparison *c, int i)
{
    char path[4200];
    lathe_tensor_info info;
    tensor_file want = {0};
    tensor_message message = {""};
    lathe_info(c->m.lib->desc, LATHE_OUTPUTS, i, &info);
    if (!expected_file(c, i, info.name, path, sizeof path)) {
        print_line(c, info.name, "unknown", "no file has its expected value");
        return EXIT_OK;
    }
    lathe_status s = tensor_read(path, &want, &message);
    if (s != LATHE_OK) return fail_file(s, path, message.text);
    bool same = tensor_compare(&c->m.out[i], &want.tensor, c->atol, c->rtol, &message);
    tensor_free(&want);
    c->compared++;
    print_line(c, info.name, same ? "same" : "different", same ? "" : message.text);
    if (!same && !c->different++)
        snprintf(c->first, sizeof c->first, "'%.300s' is the first value that differs: %s",
                 info.name, message.text);
    return EXIT_OK;
}

static int compare_all(comparison *c)
{
    int code = EXIT_OK;
    for (int kept = 1; kept >= 0; kept--) {
        for (int i = 0; i < c->m.nout && code == EXIT_OK; i++) {
            lathe_tensor_info info;
            lathe_info(c->m.lib->desc, LATHE_OUTPUTS, i, &info);
            if (is_kept(c->o, info.name) == kept) code = compare_value(c, i);
        }
    }
    if (code != EXIT_OK) return code;
    if (!c->compared)
        return fail_file(LATHE_NOT_FOUND, c->dir, "there are no expected values here");
    if (c->different) return fail_file(LATHE_BAD_VALUE, c->o->paths.items[0], c->first);
    return EXIT_OK;
}

int command_compare(const cli_options *o)
{
    comparison c = {.o = o};
    cli_options with_case = *o;
    char set[4200];
    const char *dir = o->paths.n > 1 ? o->paths.items[1] : NULL;
    bool precisions = o->against && strcmp(o->against, "f32") == 0;
    if (!dir && !precisions)
        return usage_error("'compare' needs MODEL.onnx CASE; see 'lathe compare --help'");
    if (dir) {
        case_tolerance(dir, &c.atol, &c.rtol);
        snprintf(set, sizeof set, "%s/test_data_set_0", dir);
        with_case.case_dir = access(set, R_OK) == 0 ? set : dir;
    }
    if (precisions) return compare_precisions(&with_case);
    c.dir = o->against ? o->against : with_case.case_dir;
    int code = load_model(&with_case, o->paths.items[0], false, &c.m);
    if (code == EXIT_OK) {
        lathe_status s = lathe_run(c.m.session, c.m.in, c.m.out);
        code = s == LATHE_OK ? compare_all(&c)
                             : fail_run(s, o->paths.items[0], lathe_session_message(c.m.session));
    }
    unload_model(&c.m);
    return code;
}
