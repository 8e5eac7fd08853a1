/* The descriptor: the program's tables as one constant, and the symbol NAME_desc that leads to it.
 *
 * In: the tables of cg_program and the kernels' functions. Out: constants in the module. The block
 * of tables has no relocations; abi.h describes it. Host and targets are little-endian, so that
 * entries are copied as they are. */
#include <string.h>

#include "codegen/emit/emit.h"

typedef struct blob {
    ir_arena *arena;
    char *bytes;
    size_t size, cap;
} blob;

enum { TABLE_ALIGN = 16, BLOB_ALIGN = 64 };

static lathe_span add_table(blob *b, const void *entries, size_t count, size_t size)
{
    size_t at = (b->size + TABLE_ALIGN - 1) / TABLE_ALIGN * TABLE_ALIGN;
    b->bytes = ir_grow(b->arena, b->bytes, &b->cap, at + count * size + 1, 1);
    if (count > 0) memcpy(b->bytes + at, entries, count * size);
    b->size = at + count * size;
    return (lathe_span){(uint32_t)at, (uint32_t)count};
}

static uint32_t add_string(blob *strings, const char *text)
{
    return add_table(strings, text, strlen(text) + 1, 1).offset;
}

/* Names that are not the program's stand behind its strings. */
static void add_names(blob *b, const cg_unit *u, lathe_tables *t)
{
    const cg_program *p = u->p;
    lathe_target targets[CG_MOST_TARGETS];
    blob strings = {.arena = b->arena};
    add_table(&strings, p->strings, p->nstrings, 1);
    t->name = add_string(&strings, p->name);
    for (size_t i = 0; i < u->targets->n; i++)
        targets[i] = (lathe_target){.name = add_string(&strings, u->targets->isa[i]->name),
                                    .features = u->targets->isa[i]->cpu_bits};
    t->strings = add_table(b, strings.bytes, strings.size, 1);
    t->targets = add_table(b, targets, u->targets->n, sizeof *targets);
}

static cg_val desc_constant(cg_unit *u, const char *name, cg_val value, unsigned align)
{
    cg_val g = LLVMAddGlobal(u->m, LLVMTypeOf(value), name);
    LLVMSetInitializer(g, value);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(g, align);
    return g;
}

static cg_val make_tables(cg_unit *u)
{
    const cg_program *p = u->p;
    blob b = {.arena = &u->arena, .size = sizeof(lathe_tables)};
    lathe_tables t = {
        .magic = LATHE_MAGIC,
        .abi_version = LATHE_ABI_VERSION,
        .n_free = p->n_free,
        .build_id = p->build_id,
        .weights_size = p->weights_size,
        .weights_hash = p->weights_hash,
        .n_segments = p->n_segments,
        .max_bufs = p->max_bufs,
        .max_dims = p->max_dims,
        .scratch_slot = p->scratch_slot,
    };
    add_names(&b, u, &t);
#define TABLE(type, name) t.name = add_table(&b, p->name, p->n##name, sizeof(type));
#include "runtime/tables.def"
#undef TABLE
    if (b.size > UINT32_MAX) cg_defect(u, "the tables of the program exceed 4 GB");
    t.size = (uint32_t)b.size;
    memcpy(b.bytes, &t, sizeof t);
    cg_val bytes = LLVMConstStringInContext2(u->ctx, b.bytes, b.size, true);
    return desc_constant(u, "tables", bytes, BLOB_ALIGN);
}

/* The runtime's symbols have no visibility here: the archive hides its own, and a program may link
 * the shared runtime instead. */
static cg_val external(cg_unit *u, const char *name)
{
    cg_val g = LLVMGetNamedGlobal(u->m, name);
    return g ? g : LLVMAddGlobal(u->m, u->i8, name);
}

static cg_val function(cg_unit *u, const char *name)
{
    cg_val f = LLVMGetNamedFunction(u->m, name);
    if (f) return f;
    return LLVMAddFunction(u->m, name, LLVMFunctionType(u->i32, &u->ptr, 1, false));
}

static cg_val pointers(cg_unit *u, const char *name, cg_val *values, size_t n)
{
    if (n == 0) return LLVMConstNull(u->ptr);
    return desc_constant(u, name, LLVMConstArray2(u->ptr, values, n), sizeof(void *));
}

void cg_emit_desc(cg_unit *u, const cg_val *kernels)
{
    const cg_program *p = u->p;
    size_t nkernels = p->nkernels * u->targets->n;
    cg_val *funcs = IR_NEW_N(&u->arena, cg_val, p->nfuncs + 1);
    for (size_t i = 0; i < p->nfuncs; i++) funcs[i] = function(u, p->funcs[i]);
    cg_val weights = LLVMConstNull(u->ptr);
    if (p->embed_weights) {
        weights = external(u, ir_format(&u->arena, "%s_weights", p->name));
        LLVMSetVisibility(weights, LLVMHiddenVisibility);
    }
    cg_val fields[] = {
        external(u, "lathe_rt_api_v1"),
        make_tables(u),
        pointers(u, "kernels", (cg_val *)kernels, nkernels),
        pointers(u, "funcs", funcs, p->nfuncs),
        weights,
        p->nstates ? external(u, "lathe_rt_states_v1") : LLVMConstNull(u->ptr),
        cg_int(u->i32, (int64_t)nkernels),
        cg_int(u->i32, (int64_t)p->nfuncs),
    };
    cg_val value =
        LLVMConstStructInContext(u->ctx, fields, sizeof fields / sizeof fields[0], false);
    cg_val desc = LLVMAddGlobal(u->m, LLVMTypeOf(value), ir_format(&u->arena, "%s_desc", p->name));
    LLVMSetInitializer(desc, value);
    LLVMSetGlobalConstant(desc, true);
    LLVMSetAlignment(desc, sizeof(void *));
}
