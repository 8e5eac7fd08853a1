/* From a lowered program to an object file, LLVM's text or assembly, in memory.
 *
 * This frame owns every LLVM object and the arena of the emission: a failing allocation comes back
 * here and is reported like any other error. No LLVM pass runs; the level only chooses how careful
 * code generation is. An object may refer to the runtime and nothing else, which is checked on the
 * finished object, since LLVM may turn an instruction into a library call. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Object.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/emit/annotate.h"
#include "codegen/emit/emit.h"

static void initialize_llvm(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
}

/* All that must be released. */
typedef struct session {
    cg_unit u;
    lathe_diag *diag;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef buffer;
    LLVMBinaryRef object;
    char *text;  /* an LLVM message */
    bool failed; /* LLVM reported an error */
} session;

static lathe_status toolchain(session *s, const char *what)
{
    lathe_status status =
        diag_add(s->diag, LATHE_TOOLCHAIN, NULL, "LLVM: %s", s->text ? s->text : what);
    LLVMDisposeMessage(s->text);
    s->text = NULL;
    return status;
}

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *ctx)
{
    session *s = ctx;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    s->failed = true;
    if (!s->text) s->text = LLVMGetDiagInfoDescription(info);
}

/* The machine is that of the least target; each function says by its attributes which one it is
 * for. */
static lathe_status open_machine(session *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const cg_isa *isa = s->u.targets->isa[s->u.targets->n - 1];
    LLVMTargetRef target;
    pthread_once(&once, initialize_llvm);
    if (LLVMGetTargetFromTriple(isa->triple, &target, &s->text))
        return toolchain(s, "unknown target");
    LLVMCodeGenOptLevel level = s->u.level > 0 ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone;
    s->machine = LLVMCreateTargetMachine(target, isa->triple, isa->cpu, isa->features, level,
                                         LLVMRelocPIC, LLVMCodeModelSmall);
    return s->machine ? LATHE_OK : toolchain(s, "no code generator for the target");
}

static void open_module(session *s)
{
    cg_unit *u = &s->u;
    u->ctx = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(u->ctx, on_diagnostic, s);
    u->m = LLVMModuleCreateWithNameInContext(u->p->name, u->ctx);
    u->b = LLVMCreateBuilderInContext(u->ctx);
    LLVMSetSourceFileName(u->m, "", 0);
    LLVMSetTarget(u->m, u->targets->isa[0]->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(s->machine);
    LLVMSetModuleDataLayout(u->m, layout);
    LLVMDisposeTargetData(layout);
    u->i1 = LLVMInt1TypeInContext(u->ctx);
    u->i8 = LLVMInt8TypeInContext(u->ctx);
    u->i16 = LLVMInt16TypeInContext(u->ctx);
    u->i32 = LLVMInt32TypeInContext(u->ctx);
    u->i64 = LLVMInt64TypeInContext(u->ctx);
    u->f16 = LLVMHalfTypeInContext(u->ctx);
    u->f32 = LLVMFloatTypeInContext(u->ctx);
    u->f64 = LLVMDoubleTypeInContext(u->ctx);
    u->ptr = LLVMPointerTypeInContext(u->ctx, 0);
    u->none = LLVMVoidTypeInContext(u->ctx);
}

static void set_text_attribute(cg_unit *u, cg_val f, const char *name, const char *value)
{
    LLVMAttributeRef a = LLVMCreateStringAttribute(u->ctx, name, (unsigned)strlen(name), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

void cg_set_attributes(cg_unit *u, cg_val f)
{
    unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", strlen("nounwind"));
    LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(u->ctx, kind, 0));
    set_text_attribute(u, f, "no-builtins", "");
    set_text_attribute(u, f, "target-cpu", u->isa->cpu);
    set_text_attribute(u, f, "target-features", u->isa->features);
}

static cg_val (*const emitters[])(cg_unit *, const cg_kernel *) = {
#define KERNEL(id, name, rows, inside, stretch, traits, needs, emit)                               \
    [CG_NEST_##id] = cg_emit_##emit,
#include "codegen/kernels/kernels.def"
#undef KERNEL
};

static lathe_status build_target(session *s, const cg_isa *isa, cg_val *kernels)
{
    cg_unit *u = &s->u;
    u->isa = isa;
    u->fault = NULL;
    u->tiles = NULL;
    for (size_t i = 0; i < u->p->nkernels; i++) {
        const cg_kernel *k = &u->p->kernels[i];
        kernels[i] = emitters[k->nest.kind](u, k);
        cg_set_attributes(u, kernels[i]);
        if (u->status != LATHE_OK)
            return diag_add(s->diag, u->status, NULL, "kernel '%s': %s", k->key, u->defect);
        if (u->targets->n == 1) continue;
        const char *name = ir_format(&u->arena, "%s.%s", k->name, isa->name);
        LLVMSetValueName2(kernels[i], name, strlen(name));
    }
    if (u->fault) cg_set_attributes(u, u->fault);
    return LATHE_OK;
}

static lathe_status emit_build(session *s)
{
    cg_unit *u = &s->u;
    size_t n = u->p->nkernels;
    cg_val *kernels = IR_NEW_N(&u->arena, cg_val, n * u->targets->n + 1);
    for (size_t t = 0; t < u->targets->n; t++)
        TRY(build_target(s, u->targets->isa[t], kernels + t * n));
    cg_emit_desc(u, kernels);
    if (u->status != LATHE_OK) return diag_add(s->diag, u->status, NULL, "%s", u->defect);
    if (!LLVMVerifyModule(u->m, LLVMReturnStatusAction, &s->text)) {
        LLVMDisposeMessage(s->text);
        s->text = NULL;
        return LATHE_OK;
    }
    lathe_status status =
        diag_add(s->diag, LATHE_INTERNAL, NULL, "emitted code is malformed: %s", s->text);
    LLVMDisposeMessage(s->text);
    s->text = NULL;
    return status;
}

/* ---- results ---- */

static bool is_undefined(session *s, LLVMSymbolIteratorRef symbol)
{
    LLVMSectionIteratorRef section = LLVMObjectFileCopySectionIterator(s->object);
    LLVMMoveToContainingSection(section, symbol);
    bool undefined = LLVMObjectFileIsSectionIteratorAtEnd(s->object, section);
    LLVMDisposeSectionIterator(section);
    return undefined;
}

static bool is_allowed(const cg_unit *u, const char *name)
{
    static const char runtime[] = "lathe_rt_";
    size_t n = strlen(u->p->name);
    if (*name == '\0' || strncmp(name, runtime, sizeof runtime - 1) == 0) return true;
    return u->p->embed_weights && strncmp(name, u->p->name, n) == 0 &&
           strcmp(name + n, "_weights") == 0;
}

static lathe_status check_symbols(session *s)
{
    lathe_status status = LATHE_OK;
    s->object = LLVMCreateBinary(s->buffer, NULL, &s->text);
    if (!s->object) return toolchain(s, "unreadable object");
    LLVMSymbolIteratorRef it = LLVMObjectFileCopySymbolIterator(s->object);
    for (; !LLVMObjectFileIsSymbolIteratorAtEnd(s->object, it); LLVMMoveToNextSymbol(it)) {
        const char *name = LLVMGetSymbolName(it);
        if (is_undefined(s, it) && !is_allowed(&s->u, name))
            status = diag_add(s->diag, LATHE_TOOLCHAIN, NULL,
                              "the object refers to '%s', which is not the runtime's", name);
    }
    LLVMDisposeSymbolIterator(it);
    return status;
}

static lathe_status hand_out(session *s, const char *bytes, size_t n, char **data, size_t *size)
{
    *data = malloc(n + 1);
    if (!*data)
        return diag_add(s->diag, LATHE_OUT_OF_MEMORY, NULL, "no memory for %zu bytes of code", n);
    memcpy(*data, bytes, n);
    (*data)[n] = '\0';
    *size = n;
    return LATHE_OK;
}

/* Text, with comments. */
static lathe_status hand_out_text(session *s, const char *text, size_t n, bool llvm, char **data,
                                  size_t *size)
{
    *data = cg_annotate(s->u.p, text, n, llvm, size);
    return *data ? LATHE_OK : hand_out(s, text, n, data, size);
}

static lathe_status write(session *s, cg_form form, char **data, size_t *size)
{
    if (form == CG_LLVM) {
        char *text = LLVMPrintModuleToString(s->u.m);
        lathe_status status = hand_out_text(s, text, strlen(text), true, data, size);
        LLVMDisposeMessage(text);
        return status;
    }
    LLVMCodeGenFileType type = form == CG_ASM ? LLVMAssemblyFile : LLVMObjectFile;
    bool bad = LLVMTargetMachineEmitToMemoryBuffer(s->machine, s->u.m, type, &s->text, &s->buffer);
    if (bad || s->failed) return toolchain(s, "code generation failed");
    if (form == CG_OBJECT) TRY(check_symbols(s));
    const char *bytes = LLVMGetBufferStart(s->buffer);
    size_t n = LLVMGetBufferSize(s->buffer);
    return form == CG_ASM ? hand_out_text(s, bytes, n, false, data, size)
                          : hand_out(s, bytes, n, data, size);
}

static void close_session(session *s)
{
    if (s->object) LLVMDisposeBinary(s->object);
    if (s->buffer) LLVMDisposeMemoryBuffer(s->buffer);
    LLVMDisposeMessage(s->text);
    if (s->u.b) LLVMDisposeBuilder(s->u.b);
    if (s->u.m) LLVMDisposeModule(s->u.m);
    if (s->u.ctx) LLVMContextDispose(s->u.ctx);
    if (s->machine) LLVMDisposeTargetMachine(s->machine);
    ir_arena_destroy(&s->u.arena);
}

static lathe_status emit_run(session *s, cg_form form, char **data, size_t *size)
{
    TRY(open_machine(s));
    open_module(s);
    TRY(emit_build(s));
    return write(s, form, data, size);
}

lathe_status cg_emit(const cg_program *p, const cg_targets *targets, cg_form form, int level,
                     lathe_diag *diag, char **data, size_t *size)
{
    jmp_buf boundary;
    session *s = calloc(1, sizeof *s); /* on the heap: survives the jump */
    if (!s) return diag_add(diag, LATHE_OUT_OF_MEMORY, NULL, "no memory for code generation");
    s->diag = diag;
    s->u.p = p;
    s->u.g = p->g;
    s->u.targets = targets;
    s->u.level = level;
    ir_arena_init(&s->u.arena, &boundary);
    ir_arena_inherit(&s->u.arena, p->g->arena);
    volatile lathe_status status = LATHE_OUT_OF_MEMORY;
    if (setjmp(boundary) == 0) status = emit_run(s, form, data, size);
    else status = diag_stopped(diag, &s->u.arena);
    close_session(s);
    free(s);
    return status;
}
