/* Runs a graph inside of the compiler: lowered, emitted, linked in memory, opened like any model.
 *
 * In: a graph and its inputs. Out: its outputs, computed by the same code that a compiled model
 * would run, by general kernels for the host's baseline. LLVM's in-process linker takes the object:
 * no file, no linker and no folder from which code may be loaded is needed. All operators are
 * total and all indices checked, so the code is as safe as the compiler itself. */
#include "codegen/evaluate/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>

#include "codegen/program.h"

struct cg_evaluator {
    LLVMOrcLLJITRef jit;
    LLVMMemoryBufferRef object; /* until the linker has it */
    void *weights;              /* of constants that passes made */
    lathe_model *model;
    lathe_session *session;
};

#if defined(__aarch64__)
static const char baseline[] = "aarch64";
#else
static const char baseline[] = "x86-64";
#endif

static const char name[] = "evaluated";

/* ---- what the object refers to ---- */

extern const lathe_rt_api lathe_rt_api_v1;
/* clang-format off */
#define FUNCTIONS(F)                                                                               \
    F(exp) F(log) F(log1p) F(expm1) F(tanh) F(erf) F(erfc) F(sin) F(cos) F(tan) F(asin) F(acos) F(atan)    \
    F(sinh) F(cosh) F(asinh) F(acosh) F(atanh) F(pow) F(atan2) F(fmod) F(sigmoid) F(power_u64)     \
    F(power_i64)
/* clang-format on */
/* Only their addresses matter here. */
#define DECLARE(function) extern void lathe_rt_##function(void);
FUNCTIONS(DECLARE)
#undef DECLARE

typedef struct symbol {
    const char *name;
    void (*function)(void);
} symbol;

static const symbol symbols[] = {
#define SYMBOL(function) {"lathe_rt_" #function, lathe_rt_##function},
    FUNCTIONS(SYMBOL)
#undef SYMBOL
};

enum { SYMBOLS = sizeof symbols / sizeof symbols[0] };

static LLVMErrorRef define_symbols(cg_evaluator *e)
{
    LLVMOrcCSymbolMapPair pairs[SYMBOLS + 1];
    const LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported, 0};
    for (size_t i = 0; i < SYMBOLS; i++) {
        pairs[i].Name = LLVMOrcLLJITMangleAndIntern(e->jit, symbols[i].name);
        pairs[i].Sym = (LLVMJITEvaluatedSymbol){(uintptr_t)symbols[i].function, flags};
    }
    pairs[SYMBOLS].Name = LLVMOrcLLJITMangleAndIntern(e->jit, "lathe_rt_api_v1");
    pairs[SYMBOLS].Sym = (LLVMJITEvaluatedSymbol){(uintptr_t)&lathe_rt_api_v1, flags};
    return LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(e->jit),
                                 LLVMOrcAbsoluteSymbols(pairs, SYMBOLS + 1));
}

/* ---- loading ---- */

static lathe_status toolchain(lathe_diag *diag, LLVMErrorRef error)
{
    char *text = LLVMGetErrorMessage(error);
    lathe_status status = diag_add(diag, LATHE_TOOLCHAIN, NULL, "LLVM: %s", text);
    LLVMDisposeErrorMessage(text);
    return status;
}

static LLVMErrorRef evaluate_load(cg_evaluator *e, const lathe_desc **desc)
{
    LLVMOrcExecutorAddress address = 0;
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&e->jit, NULL);
    if (!error) error = define_symbols(e);
    if (!error) {
        error = LLVMOrcLLJITAddObjectFile(e->jit, LLVMOrcLLJITGetMainJITDylib(e->jit), e->object);
        e->object = NULL;
    }
    if (!error) error = LLVMOrcLLJITLookup(e->jit, &address, "evaluated_desc");
    *desc = (const lathe_desc *)(uintptr_t)address;
    return error;
}

/* The weight file, in memory. */
static lathe_status make_weights(cg_evaluator *e, const cg_program *p, size_t *size,
                                 lathe_diag *diag)
{
    enum { ALIGN = 64 };
    *size = LATHE_WEIGHTS_DATA + (size_t)p->weights_size;
    if (!p->weights_size) return LATHE_OK;
    e->weights = aligned_alloc(ALIGN, (*size + ALIGN) / ALIGN * ALIGN);
    FILE *f = e->weights ? fmemopen(e->weights, *size, "wb") : NULL;
    if (!f) return diag_add(diag, LATHE_OUT_OF_MEMORY, NULL, "no memory to compute constants");
    lathe_status status = cg_write_weights(p, f, diag);
    fclose(f);
    return status;
}

static lathe_status evaluate_open_model(cg_evaluator *e, const lathe_desc *desc,
                                        size_t weights_size, const int64_t *maxima,
                                        lathe_diag *diag)
{
    char message[256] = "";
    const lathe_open_options options = {.weights = e->weights,
                                        .weights_size = weights_size,
                                        .message = message,
                                        .message_size = sizeof message};
    lathe_status status = lathe_model_open(desc, &options, &e->model);
    if (status == LATHE_OK) status = lathe_session_new(e->model, maxima, &e->session);
    if (status == LATHE_OK) return LATHE_OK;
    return diag_add(diag, status, NULL, "computing constants: %s", message);
}

static lathe_status evaluate_start(cg_evaluator *e, const cg_program *p, const int64_t *maxima,
                                   lathe_diag *diag)
{
    const lathe_desc *desc;
    size_t weights_size;
    TRY(make_weights(e, p, &weights_size, diag));
    LLVMErrorRef error = evaluate_load(e, &desc);
    return error ? toolchain(diag, error)
                 : evaluate_open_model(e, desc, weights_size, maxima, diag);
}

lathe_status cg_evaluator_new(ir_graph *g, const int64_t *maxima, lathe_diag *diag,
                              cg_evaluator **result)
{
    cg_program *p;
    char *code = NULL;
    size_t size;
    cg_isa isa = *cg_isa_find(baseline);
    isa.has_fma = false;
    const cg_targets targets = {.isa = {&isa}, .n = 1};
    TRY(cg_lower(g, name, 0, false, NULL, &p));
    cg_hash(p);
    TRY(cg_emit(p, &targets, CG_OBJECT, 2, diag, &code, &size));
    cg_evaluator *e = calloc(1, sizeof *e);
    lathe_status status = e ? LATHE_OK : LATHE_OUT_OF_MEMORY;
    if (e) {
        e->object = LLVMCreateMemoryBufferWithMemoryRangeCopy(code, size, name);
        status = evaluate_start(e, p, maxima, diag);
    }
    free(code);
    if (status == LATHE_OK) *result = e;
    else cg_evaluator_free(e);
    return status;
}

void cg_evaluator_free(cg_evaluator *e)
{
    if (!e) return;
    lathe_session_free(e->session);
    lathe_model_close(e->model);
    if (e->object) LLVMDisposeMemoryBuffer(e->object);
    if (e->jit) LLVMConsumeError(LLVMOrcDisposeLLJIT(e->jit));
    free(e->weights);
    free(e);
}

lathe_status cg_evaluator_run(cg_evaluator *e, const lathe_tensor *in, lathe_tensor *out,
                              lathe_diag *diag)
{
    lathe_status status = lathe_run(e->session, in, out);
    if (status == LATHE_OK || status == LATHE_BAD_VALUE) return status;
    return diag_add(diag, status, NULL, "computing constants: %s",
                    lathe_session_message(e->session));
}

/* ---- tensors ---- */

static lathe_tensor tensor_of(const ir_graph *g, ir_value v)
{
    const ir_type *t = ir_type_of(g, v);
    lathe_tensor r = {.rank = t->rank, .elem = (lathe_elem)t->elem};
    int64_t count = 1, bytes = 0;
    for (int i = 0; i < t->rank; i++) {
        ir_dim_is_const(g, t->dims[i], &r.dims[i]);
        count *= r.dims[i];
    }
    ir_elem_bytes(t->elem, count, &bytes);
    r.size = (size_t)bytes;
    return r;
}

/* Constants stand in the model's file wherever they happen to. */
lathe_tensor cg_evaluator_input(const ir_graph *g, ir_value v, const ir_blob *blob)
{
    lathe_tensor r = tensor_of(g, v);
    void *there = (void *)(uintptr_t)blob->bytes;
    if (!r.size) return r;
    bool aligned = (uintptr_t)there % sizeof(double) == 0;
    r.data = aligned ? there : ir_copy(g->arena, there, blob->size, 1);
    return r;
}

lathe_status cg_evaluate(ir_graph *g, const ir_blob *in, void *const *out, lathe_diag *diag)
{
    const ir_block body = g->blocks[1];
    lathe_tensor *inputs = IR_NEW_N(g->arena, lathe_tensor, body.nparams + 1),
                 *outputs = IR_NEW_N(g->arena, lathe_tensor, body.nresults + 1);
    for (size_t i = 0; i < body.nparams; i++)
        inputs[i] = cg_evaluator_input(g, body.params[i], &in[i]);
    for (size_t i = 0; i < body.nresults; i++) {
        outputs[i] = tensor_of(g, body.results[i]);
        outputs[i].data = out[i];
    }
    cg_evaluator *e;
    TRY(cg_evaluator_new(g, NULL, diag, &e));
    lathe_status status = cg_evaluator_run(e, inputs, outputs, diag);
    cg_evaluator_free(e);
    return status;
}
