/* The compiler as a library: lathe_compile, lathe_check and lathe_opt.
 *
 * A model's path in; library, header and weights out. This is the one file that sees all stages.
 * Each entry function owns a `work` on the heap: whatever a stage opens is recorded there, so that
 * a failing allocation, which jumps back here, releases it like any other failure does. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codegen/object/c_names.h"
#include "codegen/emit/annotate.h"
#include "codegen/evaluate/evaluate.h"
#include "codegen/inspect.h"
#include "codegen/output.h"
#include "codegen/program.h"
#include "frontend/fe.h"
#include "passes/pass.h"
#include "passes/precision.h"

typedef struct work {
    const lathe_options *o;
    lathe_diag *diag;
    cg_inspector *inspector;
    bool checking;      /* lathe_check: code is neither compiled nor run */
    const char *passes; /* lathe_opt: names, and where the text goes */
    FILE *out;
    ir_arena arena;
    fe_files *files;
    cg_outputs outputs;
    FILE *source; /* an .ir file being read */
    char *code;   /* what cg_emit made */
    size_t code_size;
    ir_graph *g;
    cg_program *p;
    cg_targets targets;
    pass_precision_choice precision;
    const char *name, *folder, *output;
    pass_report report;
    double started;
} work;

static void progress(const work *w, const char *phase, int percent)
{
    if (w->o->progress) w->o->progress(w->o->progress_ctx, phase, percent);
}

/* ---- the boundary ---- */

static void release(work *w)
{
    cg_output_discard(&w->outputs);
    if (w->source) fclose(w->source);
    cg_program_close(w->p);
    fe_files_free(w->files);
    free(w->code);
    ir_arena_destroy(&w->arena);
}

/* Without limits of the caller's, the work may grow with the input's size: the least is plenty for
 * any model of a megabyte. A build that checks itself is slower. */
static void set_limits(work *w, double input)
{
    enum { MB = 1 << 20, LEAST_MEMORY = 256, MEMORY_PER_MB = 64, LEAST_SECONDS = 8 };
#if !defined NDEBUG || defined LATHE_SANITIZED
    const double slowness = 20;
#else
    const double slowness = 1;
#endif
    const lathe_options *o = w->o;
    ir_arena *a = &w->arena;
    double mb = input > MB ? input / MB - 1 : 0;
    double memory = (LEAST_MEMORY + MEMORY_PER_MB * mb) * MB;
    a->limit = o->memory_limit ? o->memory_limit : (size_t)fmin(memory, 0x1p62);
    a->time_limit = o->time_limit > 0 ? o->time_limit : LEAST_SECONDS * (1 + mb) * slowness;
    a->deadline = w->started + a->time_limit;
}

static double file_size(const char *path)
{
    struct stat s;
    return path && stat(path, &s) == 0 ? (double)s.st_size : 0;
}

/* Runs an action with an arena whose failing allocations return here. */
static lathe_status compile_run(const work *start, lathe_status (*action)(work *))
{
    jmp_buf boundary;
    work *w = malloc(sizeof *w);
    if (!w) return diag_add(start->diag, LATHE_OUT_OF_MEMORY, NULL, "out of memory");
    *w = *start;
    ir_arena_init(&w->arena, &boundary);
    w->started = ir_thread_seconds();
    set_limits(w, file_size(w->o->model));
    w->outputs = (cg_outputs){.arena = &w->arena, .diag = w->diag};
    volatile lathe_status status = LATHE_OUT_OF_MEMORY;
    if (setjmp(boundary) == 0) status = action(w);
    else status = diag_stopped(w->diag, &w->arena);
    release(w);
    free(w);
    return status;
}

/* ---- reading ---- */

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static lathe_status read_text(work *w, const char *path, char **text, size_t *size)
{
    const diag_place place = {.file = path};
    size_t cap = 0, got;
    *text = NULL;
    *size = 0;
    w->source = fopen(path, "rbe");
    if (!w->source)
        return diag_add(w->diag, errno == ENOENT ? LATHE_NOT_FOUND : LATHE_IO, &place,
                        "cannot be opened: %m");
    do {
        *text = ir_grow(&w->arena, *text, &cap, *size + 65536, 1);
        got = fread(*text + *size, 1, cap - *size, w->source);
        *size += got;
    } while (got);
    bool bad = ferror(w->source);
    fclose(w->source);
    w->source = NULL;
    return bad ? diag_add(w->diag, LATHE_IO, &place, "cannot be read") : LATHE_OK;
}

static lathe_status read_ir(work *w, const char *path)
{
    char *text;
    size_t size;
    TRY(read_text(w, path, &text, &size));
    w->g = ir_parse(&w->arena, w->diag, path, text, size);
    return w->g ? ir_verify(w->g) : LATHE_BAD_INPUT;
}

static lathe_status read_model(work *w)
{
    const lathe_options *o = w->o;
    if (!o->model) return diag_add(w->diag, LATHE_BAD_INPUT, NULL, "no model is given");
    progress(w, "reading", 0);
    if (has_suffix(o->model, ".ir")) return read_ir(w, o->model);
    w->files = fe_files_new();
    if (!w->files) return diag_add(w->diag, LATHE_OUT_OF_MEMORY, NULL, "out of memory");
    fe_options options = {.dims = o->dims,
                          .ndims = o->ndims,
                          .custom = o->custom,
                          .ncustom = o->ncustom,
                          .items = o->items,
                          .nitems = o->nitems,
                          .set = o->set,
                          .nset = o->nset,
                          .keep = o->keep,
                          .nkeep = o->nkeep,
                          .allow_symlinks = o->allow_symlinks,
                          .check_only = w->checking};
    TRY(fe_read(&w->arena, w->diag, w->files, o->model, &options, &w->g));
    set_limits(w, (double)fe_files_size(w->files));
    return LATHE_OK;
}

/* ---- the pipeline ---- */

/* What constants alone decide, for the passes. */
static lathe_status evaluate(void *ctx, ir_graph *g, const ir_blob *in, void *const *out)
{
    const work *w = ctx;
    const pass_options plain = {.level = 0};
    TRY(pass_run_all(g, &plain, w->diag));
    TRY(ir_verify(g));
    return cg_evaluate(g, in, out, w->diag);
}

static void forget(void *ctx, const ir_blob *blob)
{
    const work *w = ctx;
    if (w->files) fe_files_forget(w->files, blob->bytes, blob->size);
}

static pass_options options_of_passes(work *w)
{
    const lathe_options *o = w->o;
    return (pass_options){.level = o->level,
                          .disabled = o->disabled,
                          .ndisabled = o->ndisabled,
                          .states = o->state ? o->state : "auto",
                          .dump_after = o->dump_after,
                          .dump = o->dump,
                          .report = o->report || o->require ? &w->report : NULL,
                          .evaluate = w->checking ? NULL : evaluate,
                          .precision = &w->precision,
                          .activations = w->o->activations,
                          .forget = forget,
                          .ctx = w};
}

static void watch_pass(void *ctx, ir_graph *g, const pass_info *pass, const pass_line *line)
{
    cg_inspect_pass(ctx, g, pass->name, pass->summary, line->run);
}

static lathe_status run_passes(work *w)
{
    pass_options options = options_of_passes(w);
    if (w->o->inspection) {
        w->inspector = cg_inspect_begin(&w->arena, w->o->inspection, w->g);
        options.watch = watch_pass;
        options.watch_ctx = w->inspector;
    }
#if !defined NDEBUG || defined LATHE_SANITIZED
    options.verify = true;
#endif
    progress(w, "rewriting", 10);
    TRY(pass_run_all(w->g, &options, w->diag));
    if (w->o->require) TRY(pass_require(&w->report, w->o->require, w->diag));
    return ir_verify(w->g);
}

static lathe_status choose_names(work *w)
{
    static const char *const formats[][2] = {
        [LATHE_EMIT_SO] = {"lib", ".so"},        [LATHE_EMIT_OBJ] = {"", ".o"},
        [LATHE_EMIT_ARCHIVE] = {"lib", ".a"},    [LATHE_EMIT_IR] = {"", ".ir"},
        [LATHE_EMIT_LLVM] = {"", ".ll"},         [LATHE_EMIT_ASM] = {"", ".s"},
        [LATHE_EMIT_PROGRAM] = {"", ".program"},
    };
    const lathe_options *o = w->o;
    ir_arena *arena = &w->arena;
    if ((size_t)o->emit >= sizeof formats / sizeof *formats)
        return diag_add(w->diag, LATHE_BAD_INPUT, NULL, "unknown kind of output %d", (int)o->emit);
    if (o->name && !cg_c_is_prefix(o->name))
        return diag_add(w->diag, LATHE_BAD_INPUT, NULL, "'%s' cannot be the prefix of names in C",
                        o->name);
    w->name = o->name ? o->name : cg_c_prefix(arena, o->model);
    const char *slash = o->output ? strrchr(o->output, '/') : NULL;
    w->folder = o->directory;
    if (!w->folder)
        w->folder = slash ? ir_format(arena, "%.*s", (int)(slash - o->output), o->output) : ".";
    if (!*w->folder) w->folder = slash && !o->directory ? "/" : ".";
    w->output = o->output ? o->output
                          : ir_format(arena, "%s/%s%s%s", w->folder, formats[o->emit][0], w->name,
                                      formats[o->emit][1]);
    return LATHE_OK;
}

/* A product that may be in i8 and has no codes for it would run in floats. */
static lathe_status require_blocks(const work *w)
{
    const ir_graph *g = w->g;
    lathe_status status = LATHE_OK;
    for (ir_node_id id = 1; id < g->nnodes; id++) {
        const ir_node *n = &g->nodes[id];
        const diag_place place = {.node = ir_text(g, n->name), .op = ir_text(g, n->origin)};
        if (strcmp(ir_attr_str(g, n, IR_KEY_precision), "i8") != 0) continue;
        if (w->p->stored[id] && strstr(w->p->stored[id], "i8")) continue;
        status = diag_add(
            w->diag, LATHE_UNSUPPORTED, &place,
            "a product would run in f32, not in i8: its weight is not in blocks of numbers");
    }
    return status;
}

static lathe_status lower(work *w)
{
    progress(w, "lowering", 20);
    TRY(cg_lower(w->g, w->name, w->o->level, cg_targets_pair(&w->targets),
                 w->checking ? NULL : cg_encoded_decodes, &w->p));
    w->p->precision = w->precision.name;
    if (w->o->require) TRY(require_blocks(w));
    bool verify = w->o->emit == LATHE_EMIT_PROGRAM;
    if (verify || w->o->all_origins || w->o->inspection) cg_list_origins(w->p);
#if !defined NDEBUG || defined LATHE_SANITIZED
    verify = true;
#endif
    return verify ? cg_program_verify(w->p, w->diag) : LATHE_OK;
}

static lathe_status emit(work *w, cg_form form)
{
    w->p->embed_weights = w->o->embed_weights && w->p->weights_size > 0;
    if (w->o->all_origins) cg_name_kernels(w->p);
    TRY(cg_program_open(w->p, w->diag));
    cg_hash(w->p);
    cg_name_narrowed(w->p, &w->targets);
    progress(w, "generating code", 30);
    return cg_emit(w->p, &w->targets, form, w->o->level, w->diag, &w->code, &w->code_size);
}

/* ---- artefacts ---- */

static lathe_status write_staged(work *w, const char *file, lathe_status (*writer)(work *, FILE *))
{
    const char *path = cg_output_stage(&w->outputs, ir_format(&w->arena, "%s/%s", w->folder, file));
    FILE *f = path ? cg_output_open(&w->outputs, path) : NULL;
    if (!f) return LATHE_IO;
    TRY(writer(w, f));
    return cg_output_close(&w->outputs);
}

static lathe_status header(work *w, FILE *f) { return cg_write_header(w->p, f, w->diag); }
static lathe_status weights(work *w, FILE *f) { return cg_write_weights(w->p, f, w->diag); }

/* Paths in a rule for make: a blank is escaped and a $ doubled. */
static void put_path(void *ctx, const char *path)
{
    FILE *f = ctx;
    if (ftell(f) > 0) fputc(' ', f);
    for (; *path; path++) {
        if (*path == ' ' || *path == '#') fputc('\\', f);
        if (*path == '$') fputc('$', f);
        fputc(*path, f);
    }
}

static lathe_status write_depfile(work *w)
{
    if (!w->o->depfile) return LATHE_OK;
    const cg_outputs made = w->outputs;
    const char *path = cg_output_stage(&w->outputs, w->o->depfile);
    FILE *f = path ? cg_output_open(&w->outputs, path) : NULL;
    if (!f) return LATHE_IO;
    cg_output_each(&made, put_path, f);
    fputc(':', f);
    if (w->files) fe_files_each(w->files, put_path, f);
    else put_path(f, w->o->model);
    fputc('\n', f);
    return cg_output_close(&w->outputs);
}

static lathe_status write_beside(work *w)
{
    progress(w, "writing weights", 85);
    TRY(write_staged(w, ir_format(&w->arena, "%s.h", w->name), header));
    if (w->p->embed_weights || w->p->weights_size == 0) return LATHE_OK;
    return write_staged(w, ir_format(&w->arena, "%s.weights", w->name), weights);
}

static lathe_status write_weights_object(work *w, const char *path)
{
    FILE *f = path ? cg_output_open(&w->outputs, path) : NULL;
    if (!f) return LATHE_IO;
    TRY(cg_write_weights_object(w->p, w->targets.isa[0], f, w->diag));
    return cg_output_close(&w->outputs);
}

static lathe_status find_runtime(work *w, char *path, size_t size, const char **runtime)
{
    *runtime = w->o->runtime;
    if (*runtime || w->o->emit != LATHE_EMIT_SO) return LATHE_OK;
    *runtime = path;
    if (cg_find_runtime(w->targets.isa[0], path, size)) return LATHE_OK;
    return diag_add(w->diag, LATHE_NOT_FOUND, NULL,
                    "the runtime archive for %s (liblathe_rt.a) was not found",
                    w->targets.isa[0]->library_dir);
}

/* The code's object and the weights' one, joined by the linker or the archiver. */
static lathe_status write_linked(work *w, const char *path)
{
    char found[PATH_MAX];
    const char *runtime, *inputs[2];
    size_t n = 0;
    TRY(find_runtime(w, found, sizeof found, &runtime));
    inputs[n++] =
        cg_output_between(&w->outputs, w->output, ir_format(&w->arena, "%s.code.o", w->name));
    if (!inputs[0]) return LATHE_IO;
    TRY(cg_output_write(&w->outputs, inputs[0], w->code, w->code_size));
    if (w->p->embed_weights) {
        inputs[n] = cg_output_between(&w->outputs, w->output,
                                      ir_format(&w->arena, "%s.weights.o", w->name));
        TRY(write_weights_object(w, inputs[n++]));
    }
    progress(w, "linking", 60);
    return cg_link(w->targets.isa[0], inputs, n, runtime, path, w->o->emit, w->diag);
}

static lathe_status write_object(work *w)
{
    const char *path = cg_output_stage(&w->outputs, w->output);
    if (!path) return LATHE_IO;
    bool alone = w->o->emit == LATHE_EMIT_OBJ && !w->p->embed_weights;
    TRY(alone ? cg_output_write(&w->outputs, path, w->code, w->code_size) : write_linked(w, path));
    return write_beside(w);
}

/* The graph, the lowered program or the code as text. */
static lathe_status write_text(work *w)
{
    const char *path = cg_output_stage(&w->outputs, w->output);
    if (!path) return LATHE_IO;
    if (w->o->emit != LATHE_EMIT_IR && w->o->emit != LATHE_EMIT_PROGRAM)
        return cg_output_write(&w->outputs, path, w->code, w->code_size);
    FILE *f = cg_output_open(&w->outputs, path);
    if (!f) return LATHE_IO;
    TRY(w->o->emit == LATHE_EMIT_IR ? ir_print(w->g, f) : cg_program_print(w->p, f));
    return cg_output_close(&w->outputs);
}

static void compile_report(work *w)
{
    if (!w->o->report) return;
    if (w->p) {
        w->report.stored = w->p->stored;
        w->report.kernels = w->p->nkernels;
        w->report.weight_bytes = w->p->weights_size;
    }
    w->report.code_bytes = w->code_size;
    pass_report_print(w->g, &w->report, w->o->report_json, w->o->report);
}

/* What the kind of output needs. */
static lathe_status compile_make(work *w, lathe_emit kind)
{
    if (kind == LATHE_EMIT_IR) return LATHE_OK;
    TRY(lower(w));
    if (kind == LATHE_EMIT_PROGRAM) return LATHE_OK;
    if (!w->o->target) w->targets.isa[0] = cg_isa_needed(w->targets.isa[0], w->p);
    return emit(w, kind == LATHE_EMIT_LLVM ? CG_LLVM : kind == LATHE_EMIT_ASM ? CG_ASM : CG_OBJECT);
}

/* The code once more, as assembly. */
static lathe_status inspect_end(work *w)
{
    char *text = NULL;
    size_t size = 0;
    if (!w->p) return diag_add(w->diag, LATHE_BAD_INPUT, NULL, "only a program can be inspected");
    lathe_status s = cg_emit(w->p, &w->targets, CG_ASM, w->o->level, w->diag, &text, &size);
    if (s == LATHE_OK) s = cg_inspect_end(w->inspector, w->p, text, size);
    free(text);
    return s;
}

/* What can be said of the options without a look at any file. */
static lathe_status check_options(work *w)
{
    const pass_options passes = options_of_passes(w);
    TRY(cg_targets_parse(w->o->target, &w->targets, w->diag));
    TRY(pass_check_names(&passes, w->diag));
    TRY(pass_read_precision(w->o->precision, &w->arena, &w->precision, w->diag));
    TRY(pass_check_activations(w->o->activations, w->diag));
    return choose_names(w);
}

lathe_status lathe_options_check(const lathe_options *o, lathe_diag *diag)
{
    return compile_run(&(work){.o = o, .diag = diag}, check_options);
}

static lathe_status compile(work *w)
{
    lathe_emit kind = w->o->emit;
    TRY(check_options(w));
    TRY(read_model(w));
    TRY(run_passes(w));
    TRY(compile_make(w, kind));
    if (w->inspector) TRY(inspect_end(w));
    bool text = kind == LATHE_EMIT_IR || kind == LATHE_EMIT_LLVM || kind == LATHE_EMIT_ASM ||
                kind == LATHE_EMIT_PROGRAM;
    TRY(text ? write_text(w) : write_object(w));
    TRY(write_depfile(w));
    TRY(cg_output_commit(&w->outputs));
    if (w->o->written) cg_output_each(&w->outputs, w->o->written, w->o->written_ctx);
    compile_report(w);
    progress(w, "done", 100);
    return LATHE_OK;
}

lathe_status lathe_compile(const lathe_options *o, lathe_diag *diag)
{
    return compile_run(&(work){.o = o, .diag = diag}, compile);
}

/* ---- check ---- */

static lathe_status compile_check(work *w)
{
    w->checking = true;
    TRY(check_options(w));
    TRY(read_model(w));
    TRY(run_passes(w));
    return lower(w);
}

lathe_status lathe_check(const lathe_options *o, lathe_diag *diag)
{
    return compile_run(&(work){.o = o, .diag = diag}, compile_check);
}

/* ---- opt ---- */

static lathe_status opt(work *w)
{
    const pass_options options = {.level = w->o->level, .states = "auto", .verify = true};
    TRY(read_ir(w, w->o->model));
    TRY(pass_run_named(w->g, w->passes, &options, w->diag));
    return ir_print(w->g, w->out);
}

lathe_status lathe_opt(const char *path, const char *passes, FILE *out, lathe_diag *diag)
{
    const lathe_options o = {.model = path, .level = 2};
    return compile_run(&(work){.o = &o, .diag = diag, .passes = passes, .out = out}, opt);
}
