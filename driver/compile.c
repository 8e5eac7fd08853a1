/* compile, check and ops: thin over the library. */
#include "driver/driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NAME=N in storage's copy: the '=' becomes the end of the name. */
static bool split_dims(const cli_options *o, compile_storage *s)
{
    size_t bytes = 1;
    for (size_t i = 0; i < o->dims.n; i++) bytes += strlen(o->dims.items[i]) + 1;
    s->dims = calloc(o->dims.n + 1, sizeof *s->dims);
    s->dim_names = malloc(bytes);
    if (!s->dims || !s->dim_names) return fail(LATHE_OUT_OF_MEMORY, "out of memory"), false;
    char *at = s->dim_names;
    for (size_t i = 0; i < o->dims.n; i++) {
        char *end, *name = at;
        at = stpcpy(at, o->dims.items[i]) + 1;
        char *equals = strchr(name, '=');
        if (!equals || equals == name) {
            usage_error("--dim takes NAME=N, not '%s'", o->dims.items[i]);
            return false;
        }
        *equals = '\0';
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->dims[k].name, name) == 0) {
                usage_error("--dim %s is given twice", name);
                return false;
            }
        s->dims[i] = (lathe_dim_option){name, strtoll(equals + 1, &end, 10)};
        if (strcmp(equals + 1, "each") == 0) {
            s->dims[i].value = LATHE_DIM_EACH;
            continue;
        }
        if (!equals[1] || *end || s->dims[i].value < 0) {
            usage_error("--dim %s: '%s' is not a size, nor 'each'", name, equals + 1);
            return false;
        }
    }
    return true;
}

bool fill_options(const cli_options *o, const char *model, lathe_options *l, compile_storage *s)
{
    *s = (compile_storage){0};
    *l = (lathe_options){.model = model,
                         .name = o->name,
                         .target = o->target,
                         .level = (int)o->level,
                         .allow_symlinks = o->allow_symlinks,
                         .disabled = o->disabled.items,
                         .ndisabled = o->disabled.n,
                         .keep = o->kept.items,
                         .nkeep = o->kept.n,
                         .require = o->require,
                         .precision = o->precision,
                         .memory_limit = (size_t)fmin(ceil(o->limit_memory * 0x1p20), 0x1p62),
                         .time_limit = o->limit_time,
                         .activations = o->activations,
                         .state = o->state};
    if (!split_dims(o, s) || !items_split(o, s) || !set_split(o, s) || !custom_split(o, s))
        return false;
    l->items = s->items;
    l->nitems = s->nitems;
    l->set = s->set;
    l->nset = s->nset;
    l->custom = s->custom;
    l->ncustom = s->ncustom;
    l->dims = s->dims;
    l->ndims = o->dims.n;
    if (find_runtime(o->target, s->runtime, sizeof s->runtime)) l->runtime = s->runtime;
    return true;
}

bool hidden_features(const cli_options *o, uint32_t *hidden)
{
    *hidden = 0;
    if (!o->cpu) return true;
    for (size_t i = 0; i < lathe_target_count(); i++)
        if (strcmp(lathe_target_get(i).name, o->cpu) == 0) {
            *hidden = ~lathe_target_get(i).features;
            return true;
        }
    usage_error("--cpu takes the name of one target, not '%s'", o->cpu);
    return false;
}

void storage_free(compile_storage *s)
{
    free(s->dims);
    free(s->dim_names);
    items_free(s);
    set_free(s);
    custom_free(s);
}

/* By the order of lathe_emit; options.c has made sure that it is one of them. */
static lathe_emit parse_emit(const char *text)
{
    static const char *const names[] = {"so", "obj", "a", "ir", "llvm", "asm", "program"};
    size_t i = 0;
    while (text && i + 1 < sizeof names / sizeof *names && strcmp(text, names[i]) != 0) i++;
    return (lathe_emit)i;
}

/* One line, rewritten in place, once a phase. */
static void show_progress(void *ctx, const char *phase, int percent)
{
    (void)ctx;
    fprintf(stderr, "\r\033[K%s %d %%", phase, percent);
    if (percent >= 100) fprintf(stderr, "\r\033[K");
}

int run_action(lathe_status (*action)(const lathe_options *, lathe_diag *), const lathe_options *l)
{
    lathe_diag *diag = lathe_diag_new();
    if (!diag) return fail(LATHE_OUT_OF_MEMORY, "out of memory");
    lathe_status s = lathe_options_check(l, diag);
    int code = exit_code(s) == EXIT_INPUT ? EXIT_USAGE : exit_code(s);
    if (s == LATHE_OK) code = exit_code(action(l, diag));
    print_diag(diag);
    lathe_diag_free(diag);
    return code;
}

/* One JSON object of what was written. */
typedef struct made {
    bool json;
    size_t n;
} made;

static void note_file(void *ctx, const char *path)
{
    made *m = ctx;
    struct stat st;
    if (!m->json) return;
    printf(m->n++ ? ", {\"path\": " : "{\"files\": [{\"path\": ");
    lathe_json_string(stdout, path);
    printf(", \"bytes\": %lld}", stat(path, &st) == 0 ? (long long)st.st_size : -1LL);
}

static bool is_text(lathe_emit kind)
{
    return kind == LATHE_EMIT_IR || kind == LATHE_EMIT_PROGRAM || kind == LATHE_EMIT_LLVM ||
           kind == LATHE_EMIT_ASM;
}

static int copy_out(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) return fail_file(LATHE_IO, path, "cannot be read");
    char bytes[1 << 14];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;) fwrite(bytes, 1, n, stdout);
    bool ok = !ferror(f) && fflush(stdout) == 0;
    fclose(f);
    return ok ? EXIT_OK : fail_file(LATHE_IO, "-", "cannot be written");
}

/* "-o -": the text goes through a folder of its own. */
static int compile_out(lathe_options *l)
{
    char work[4096], path[4200];
    if (!is_text(l->emit))
        return usage_error(
            "--output takes a file's name; libraries are not written to standard output");
    if (!make_work_dir(work, sizeof work)) return EXIT_RESOURCES;
    snprintf(path, sizeof path, "%s/text", work);
    l->output = path;
    int code = run_action(lathe_compile, l);
    if (code == EXIT_OK) code = copy_out(path);
    remove_tree(work);
    return code;
}

static int compile_file(const cli_options *o, lathe_options *l)
{
    made m = {.json = o->json};
    l->written = note_file;
    l->written_ctx = &m;
    int code = run_action(lathe_compile, l);
    if (m.n) printf("]}\n");
    return code;
}

int command_compile(const cli_options *o)
{
    lathe_options l;
    compile_storage storage;
    int code = EXIT_USAGE;
    if (fill_options(o, o->paths.items[0], &l, &storage)) {
        l.emit = parse_emit(o->emit);
        l.all_origins = o->origins;
        l.output = o->output;
        l.depfile = o->depfile;
        l.dump_after = o->dump_after;
        l.dump = stdout;
        if (o->weights && strcmp(o->weights, "embed") == 0) l.embed_weights = true;
        if (!o->quiet && isatty(STDERR_FILENO)) l.progress = show_progress;
        l.report = o->report ? stdout : NULL;
        l.report_json = o->report && strcmp(o->report, "json") == 0;
        bool out = o->output && strcmp(o->output, "-") == 0;
        code = out ? compile_out(&l) : compile_file(o, &l);
    }
    storage_free(&storage);
    return code;
}

int command_check(const cli_options *o)
{
    lathe_options l;
    compile_storage storage;
    int code = EXIT_USAGE;
    if (fill_options(o, o->paths.items[0], &l, &storage)) {
        code = run_action(lathe_check, &l);
        if (code == EXIT_OK && o->json) {
            printf("{\"model\": ");
            lathe_json_string(stdout, l.model);
            printf(", \"supported\": true}\n");
        } else if (code == EXIT_OK && !o->quiet) {
            printf("%s: all of it is supported\n", l.model);
        }
    }
    storage_free(&storage);
    return code;
}

static void ops_json_text(const char *key, lathe_text t)
{
    if (t.n) printf(", \"%s\": \"%.*s\"", key, t.n, t.text);
}

static void ops_attribute_json(const lathe_attribute_info *a)
{
    printf("{\"name\": \"%.*s\", \"type\": \"%.*s\", \"required\": %s, \"since\": %d, \"until\": ",
           a->name.n, a->name.text, a->type.n, a->type.text, a->required ? "true" : "false",
           a->since);
    printf(a->until ? "%d" : "null", a->until);
    ops_json_text("default", a->otherwise);
    ops_json_text("only", a->only);
    ops_json_text("harmless", a->harmless);
    putchar('}');
}

static void ops_attribute_text(const lathe_attribute_info *a, const lathe_op_info *op)
{
    printf("    %.*s %.*s", a->name.n, a->name.text, a->type.n, a->type.text);
    if (a->required) printf(" required");
    if (a->otherwise.n) printf(" default %.*s", a->otherwise.n, a->otherwise.text);
    if (a->only.n) printf(" only %.*s", a->only.n, a->only.text);
    if (a->since > op->since) printf(" since %d", a->since);
    if (a->until != op->until) printf(" until %d", a->until);
    if (a->harmless.n) printf(" not read: %.*s", a->harmless.n, a->harmless.text);
    putchar('\n');
}

static void ops_attributes(size_t index, const lathe_op_info *op, bool json)
{
    for (size_t k = 0;; k++) {
        const lathe_attribute_info a = lathe_op_attribute(index, k);
        if (!a.name.n) return;
        if (json && k) printf(", ");
        if (json) ops_attribute_json(&a);
        else ops_attribute_text(&a, op);
    }
}

int command_ops(const cli_options *o)
{
    if (o->json) printf("[\n");
    for (size_t i = 0; i < lathe_op_count(); i++) {
        lathe_op_info op = lathe_op_get(i);
        const char *domain = *op.domain ? op.domain : "ai.onnx";
        char until[16] = "";
        if (op.until) snprintf(until, sizeof until, "%d", op.until);
        if (o->json) {
            printf("  {\"domain\": \"%s\", \"name\": \"%s\", \"since\": %d, \"until\": %s, "
                   "\"types\": \"%s\", \"limits\": \"%s\", \"attributes\": [",
                   domain, op.name, op.since, op.until ? until : "null", op.types, op.limits);
        } else {
            printf("%-16s %-32s %3d-%-3s %-20s %s\n", domain, op.name, op.since, until, op.types,
                   op.limits);
        }
        ops_attributes(i, &op, o->json);
        if (o->json) printf("]}%s\n", i + 1 < lathe_op_count() ? "," : "");
    }
    if (o->json) printf("]\n");
    return EXIT_OK;
}
