/* The library's entry functions: a model of text through everything to a loaded library; other
 * kinds of output; nothing is left behind on failure; messages of the tools that are run. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/program.h"
#include "codegen/object/spawn.h"

static char folder[64];
static lathe_diag *diag;

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/lathe-compile-XXXXXX");
    cr_assert(mkdtemp(folder));
    cr_assert(diag = lathe_diag_new());
}

static void end(void)
{
    cg_spawn((const char *const[]){"rm", NULL}, (const char *const[]){"-r", folder, NULL}, NULL);
    lathe_diag_free(diag);
}

TestSuite(compile, .init = begin, .fini = end);

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *write_model(const char *text)
{
    const char *path = in_folder("model.ir");
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

/* Files in the test's folder beside the model. */
static int count_files(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             strcmp(e->d_name, "model.ir") != 0;
    closedir(d);
    return n;
}

static bool exists(const char *name) { return access(in_folder(name), F_OK) == 0; }

static lathe_options options_for(const char *text)
{
    return (lathe_options){.model = write_model(text),
                           .name = "m",
                           .directory = folder,
                           .level = 2,
                           .runtime = LATHE_RUNTIME_ARCHIVE};
}

static lathe_status compile(const lathe_options *o)
{
    lathe_status s = lathe_compile(o, diag);
    for (size_t i = 0; i < lathe_diag_count(diag); i++)
        cr_log_info("%s", lathe_diag_get(diag, i).text);
    return s;
}

/* y = x + w, with x's first axis free. */
#define ADD                                                                                        \
    "graph \"t\" file \"t.onnx\"\nsymbol s: input [0, inf]\nregion(%0: f32[s, 3] \"x\") {\n"       \
    "  %1: f32[3] = const() data=[10, 20, 30]\n"                                                   \
    "  %2: f32[s, 3] = map(%0, %1) space=[s, 3] body=[add($0[i0, i1], $1[i1])]\n"                  \
    "  return %2 \"y\"\n}\n"

static void run_library(void)
{
    void *lib = dlopen(in_folder("libm.so"), RTLD_NOW | RTLD_LOCAL);
    cr_assert(lib, "%s", dlerror());
    const lathe_desc *desc = dlsym(lib, "m_desc");
    cr_assert(desc);
    cr_expect_null(dlsym(lib, "lathe_rt_api_v1"), "only the descriptor is exported");
    lathe_model *model;
    lathe_session *session;
    cr_assert_eq(lathe_model_open(desc, &(lathe_open_options){.flags = LATHE_OPEN_VERIFY}, &model),
                 LATHE_OK);
    cr_assert_eq(lathe_session_new(model, (int64_t[]){2}, &session), LATHE_OK);
    float x[] = {1, 2, 3, 4, 5, 6}, y[6] = {0};
    const lathe_tensor in = {x, sizeof x, {2, 3}, 2, LATHE_F32};
    lathe_tensor out = {.data = y, .size = sizeof y};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    for (int i = 0; i < 6; i++) cr_expect_eq(y[i], x[i] + 10 * (float)(i % 3 + 1));
    lathe_session_free(session);
    lathe_model_close(model);
    dlclose(lib);
}

Test(compile, library_with_a_weight_file)
{
    lathe_options o = options_for(ADD);
    cr_assert_eq(compile(&o), LATHE_OK);
    cr_expect(exists("libm.so") && exists("m.h") && exists("m.weights"));
    cr_expect_eq(count_files(), 3);
    run_library();
}

Test(compile, library_with_embedded_weights)
{
    lathe_options o = options_for(ADD);
    o.embed_weights = true;
    cr_assert_eq(compile(&o), LATHE_OK);
    cr_expect_eq(count_files(), 2);
    run_library();
}

Test(compile, the_same_bytes_each_time)
{
    static char first[1 << 20], second[1 << 20];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        lathe_options o = options_for(ADD);
        o.embed_weights = true;
        cr_assert_eq(compile(&o), LATHE_OK);
        FILE *f = fopen(in_folder("libm.so"), "r");
        cr_assert(f);
        n[i] = fread(i ? second : first, 1, sizeof first, f);
        fclose(f);
    }
    cr_assert_eq(n[0], n[1]);
    cr_expect(memcmp(first, second, n[0]) == 0);
}

Test(compile, other_kinds_of_output)
{
    static const struct {
        lathe_emit emit;
        bool embed;
        const char *file;
        int files;
    } kinds[] = {
        {LATHE_EMIT_OBJ, false, "m.o", 3},        {LATHE_EMIT_OBJ, true, "m.o", 2},
        {LATHE_EMIT_ARCHIVE, false, "libm.a", 3}, {LATHE_EMIT_ARCHIVE, true, "libm.a", 2},
        {LATHE_EMIT_IR, false, "m.ir", 1},        {LATHE_EMIT_LLVM, false, "m.ll", 1},
        {LATHE_EMIT_ASM, false, "m.s", 1},        {LATHE_EMIT_PROGRAM, false, "m.program", 1},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        lathe_options o = options_for(ADD);
        o.emit = kinds[i].emit;
        o.embed_weights = kinds[i].embed;
        cr_assert_eq(compile(&o), LATHE_OK);
        cr_expect(exists(kinds[i].file), "%s", kinds[i].file);
        cr_expect_eq(count_files(), kinds[i].files, "%s: %d files", kinds[i].file, count_files());
        cg_spawn((const char *const[]){"rm", NULL},
                 (const char *const[]){"-f", in_folder("m.h"), in_folder("m.weights"),
                                       in_folder(kinds[i].file), NULL},
                 diag);
    }
}

Test(compile, emitted_text_is_input)
{
    lathe_options o = options_for(ADD);
    o.emit = LATHE_EMIT_IR;
    cr_assert_eq(compile(&o), LATHE_OK);
    o = (lathe_options){.model = in_folder("m.ir"),
                        .directory = folder,
                        .level = 2,
                        .runtime = LATHE_RUNTIME_ARCHIVE};
    cr_assert_eq(compile(&o), LATHE_OK);
    run_library();
}

Test(compile, an_object_for_another_architecture)
{
    lathe_options o = options_for(ADD);
    o.emit = LATHE_EMIT_OBJ;
    o.target = "aarch64";
    cr_assert_eq(compile(&o), LATHE_OK);
    cr_expect(exists("m.o"));
}

Test(compile, failure_leaves_nothing_behind)
{
    lathe_options o = options_for(ADD);
    o.runtime = "/nowhere/liblathe_rt.a";
    cr_assert_eq(compile(&o), LATHE_TOOLCHAIN);
    cr_expect_eq(count_files(), 0);
    cr_assert_eq(lathe_diag_errors(diag), 1);
    cr_expect(strstr(lathe_diag_get(diag, 0).text, "/nowhere/liblathe_rt.a"),
              "the linker's own words");
}

Test(compile, what_was_there_stays_on_failure)
{
    lathe_options o = options_for(ADD);
    cr_assert_eq(compile(&o), LATHE_OK);
    struct stat before, after;
    cr_assert_eq(stat(in_folder("libm.so"), &before), 0);
    o.runtime = "/nowhere/liblathe_rt.a";
    cr_assert_eq(compile(&o), LATHE_TOOLCHAIN);
    cr_assert_eq(stat(in_folder("libm.so"), &after), 0);
    cr_expect_eq(before.st_ino, after.st_ino);
    cr_expect_eq(count_files(), 3);
}

Test(compile, running_out_of_memory_is_a_status)
{
    lathe_options o = options_for(ADD);
    for (o.memory_limit = 1; o.memory_limit < 1 << 18; o.memory_limit += 1 + o.memory_limit / 2) {
        lathe_status s = lathe_compile(&o, diag);
        if (s == LATHE_OK) break;
        cr_assert_eq(s, LATHE_OUT_OF_MEMORY, "limit %zu", o.memory_limit);
        cr_assert_eq(count_files(), 0, "limit %zu", o.memory_limit);
    }
    cr_expect_gt(o.memory_limit, 1000);
}

Test(compile, bad_options)
{
    static const char *const names[] = {"lathe", "2x", "for", "a b", ""};
    lathe_options o = options_for(ADD);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        o.name = names[i];
        cr_expect_eq(compile(&o), LATHE_BAD_INPUT, "%s", names[i]);
    }
    o = options_for(ADD);
    o.target = "pdp-11";
    cr_expect_eq(compile(&o), LATHE_NOT_FOUND);
    o = options_for(ADD);
    o.directory = "/nowhere";
    cr_expect_eq(compile(&o), LATHE_IO);
    o = options_for(ADD);
    o.model = in_folder("missing.ir");
    cr_expect_eq(compile(&o), LATHE_NOT_FOUND);
    o.model = NULL;
    cr_expect_eq(compile(&o), LATHE_BAD_INPUT);
}

static void note(void *ctx, const char *phase, int percent)
{
    int *last = ctx;
    cr_expect(phase && *phase && percent >= *last && percent <= 100);
    *last = percent;
}

Test(compile, progress_ends_at_100)
{
    int last = 0;
    lathe_options o = options_for(ADD);
    o.progress = note;
    o.progress_ctx = &last;
    cr_assert_eq(compile(&o), LATHE_OK);
    cr_expect_eq(last, 100);
}

Test(compile, check_reports_what_does_not_lower)
{
    lathe_options o = options_for(ADD);
    cr_expect_eq(lathe_check(&o, diag), LATHE_OK);
    o = options_for(
        "graph \"t\" file \"t.onnx\"\nregion(%0: c64[2] \"x\") {\n  return %0 \"y\"\n}\n");
    cr_expect_eq(lathe_check(&o, diag), LATHE_UNSUPPORTED);
    cr_expect_eq(count_files(), 0);
}

Test(compile, opt_prints_what_the_passes_make)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const char *path =
        write_model("graph \"t\" file \"t.onnx\"\nregion(%0: f32[2] \"x\") {\n"
                    "  %1: f32[2] = map(%0) space=[2] body=[neg($0[i0])]\n  return %0 \"y\"\n}\n");
    cr_assert_eq(lathe_opt(path, "dce", f, diag), LATHE_OK);
    fclose(f);
    cr_expect_null(strstr(text, "neg"));
    cr_expect(strstr(text, "return %0"));
    free(text);
    f = fopen("/dev/null", "w");
    cr_expect_eq(lathe_opt(path, "no-such-pass", f, diag), LATHE_NOT_FOUND);
    fclose(f);
}

Test(compile, what_the_library_knows)
{
    cr_expect(strstr(lathe_version(), "LLVM 19"));
    cr_expect_gt(lathe_op_count(), 0);
    cr_expect_gt(lathe_pass_count(), 0);
    cr_expect_str_eq(lathe_op_get(SIZE_MAX).name, "");
    cr_expect_str_eq(lathe_pass_get(SIZE_MAX).name, "");
}

/* ---- spawning ---- */

Test(compile, the_first_tool_that_exists_is_run)
{
    const char *const tools[] = {"no-such-tool-1", "no-such-tool-2", "true", "false", NULL},
                      *const none[] = {NULL};
    cr_expect_eq(cg_spawn(tools, none, diag), LATHE_OK);
    cr_expect_eq(cg_spawn((const char *const[]){"no-such-tool-1", NULL}, none, diag),
                 LATHE_TOOLCHAIN);
}

Test(compile, a_tool_that_fails_or_dies_is_reported)
{
    const char *const sh[] = {"sh", NULL};
    cr_expect_eq(
        cg_spawn(sh, (const char *const[]){"-c", "echo its words >&2; exit 3", NULL}, diag),
        LATHE_TOOLCHAIN);
    cr_expect_str_eq(lathe_diag_get(diag, 0).text, "sh failed: its words");
    cr_expect_eq(cg_spawn(sh, (const char *const[]){"-c", "kill -9 $$", NULL}, diag),
                 LATHE_TOOLCHAIN);
    cr_expect(strstr(lathe_diag_get(diag, 1).text, "signal 9"));
    cr_expect_eq(cg_spawn(sh, (const char *const[]){"-c", "yes | head -c 1000000", NULL}, diag),
                 LATHE_OK, "a tool that writes much does not wait for us");
}

static lathe_status inspect_into(FILE *json, lathe_emit kind)
{
    const char *model = write_model("graph \"m\"\nregion(%0: f32[4] \"x\") {\n"
                                    "  %1: f32[4] = map(%0) space=[4] body=[tanh($0[i0])]\n"
                                    "  return %1 \"y\"\n}\n");
    const lathe_options o = {
        .model = model, .output = in_folder("out"), .emit = kind, .level = 2, .inspection = json};
    return lathe_compile(&o, diag);
}

Test(compile, inspection_fails)
{
    FILE *full = fopen("/dev/full", "w");
    cr_assert(full);
    cr_assert_eq(inspect_into(full, LATHE_EMIT_OBJ), LATHE_IO);
    cr_assert_str_eq(lathe_diag_get(diag, 0).text, "the inspection cannot be written");
    fclose(full);
    cr_assert_eq(count_files(), 0);
}

Test(compile, inspection_needs_a_program)
{
    FILE *json = tmpfile();
    cr_assert(json);
    cr_assert_eq(inspect_into(json, LATHE_EMIT_IR), LATHE_BAD_INPUT);
    cr_assert_str_eq(lathe_diag_get(diag, 0).text, "only a program can be inspected");
    fclose(json);
    cr_assert_eq(count_files(), 0);
}
