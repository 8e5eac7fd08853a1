/* Instruction sets that code can be made for.
 *
 * In: names from the command line, or the machine that this runs on. Out: descriptions that say
 * everything the emitters and the linker call ask about a target. A row's cpu_bits are what the
 * runtime checks before it lets the code run, so they must cover every instruction of cpu+features;
 * rows of one architecture stand from the least to the best, so that "the best that a processor can
 * run" is the last row that it can. What a row has that the one before has not are tiles alone if
 * cpu and vectors are the same; the first one of an architecture differs from the one before. */
#include <stdio.h>
#include <string.h>

#include "codegen/program.h"
#include "runtime/rt.h"

#define X86 "x86_64-unknown-linux-gnu"
#define ARM "aarch64-unknown-linux-gnu"

enum {
    V3 = LATHE_CPU_SSE42 | LATHE_CPU_AVX2 | LATHE_CPU_FMA | LATHE_CPU_F16C,
    AVX_VNNI = V3 | LATHE_CPU_AVX_VNNI,
    V4 = V3 | LATHE_CPU_AVX512,
    VNNI = V4 | LATHE_CPU_AVX512_VNNI,
    X86_BF16 = VNNI | LATHE_CPU_AVX512_BF16,
    AMX = X86_BF16 | LATHE_CPU_AMX_TILE | LATHE_CPU_AMX_BF16 | LATHE_CPU_AMX_INT8,
    ARM_DOT = LATHE_CPU_ARM_DOTPROD,
    ARM_I8MM = ARM_DOT | LATHE_CPU_ARM_I8MM,
    ARM_BF16 = ARM_I8MM | LATHE_CPU_ARM_BF16,
};

static const cg_isa isas[] = {
    {.name = "x86-64",
     .triple = X86,
     .cpu = "x86-64",
     .features = "",
     .vector_bits = 128,
     .vector_registers = 16,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v3",
     .triple = X86,
     .cpu = "x86-64-v3",
     .features = "",
     .vector_bits = 256,
     .vector_registers = 16,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = V3,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v3+avxvnni",
     .triple = X86,
     .cpu = "x86-64-v3",
     .features = "+avxvnni",
     .vector_bits = 256,
     .vector_registers = 16,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = AVX_VNNI,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v4",
     .triple = X86,
     .cpu = "x86-64-v4",
     .features = "",
     .vector_bits = 512,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = V4,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v4+vnni",
     .triple = X86,
     .cpu = "x86-64-v4",
     .features = "+avx512vnni",
     .vector_bits = 512,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = VNNI,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v4+bf16",
     .triple = X86,
     .cpu = "x86-64-v4",
     .features = "+avx512vnni,+avx512bf16",
     .vector_bits = 512,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = X86_BF16,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "x86-64-v4+amx",
     .triple = X86,
     .cpu = "x86-64-v4",
     .features = "+avx512vnni,+avx512bf16,+amx-tile,+amx-bf16,+amx-int8",
     .vector_bits = 512,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = AMX,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
    {.name = "aarch64",
     .triple = ARM,
     .cpu = "generic",
     .features = "+neon",
     .vector_bits = 128,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .has_saturation = true,
     .linker_emulation = "aarch64linux",
     .library_dir = "aarch64"},
    {.name = "aarch64+dotprod",
     .triple = ARM,
     .cpu = "generic",
     .features = "+neon,+dotprod",
     .vector_bits = 128,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .has_saturation = true,
     .cpu_bits = ARM_DOT,
     .linker_emulation = "aarch64linux",
     .library_dir = "aarch64"},
    {.name = "aarch64+i8mm",
     .triple = ARM,
     .cpu = "generic",
     .features = "+neon,+dotprod,+i8mm",
     .vector_bits = 128,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .has_saturation = true,
     .cpu_bits = ARM_I8MM,
     .linker_emulation = "aarch64linux",
     .library_dir = "aarch64"},
    {.name = "aarch64+bf16",
     .also = "aarch64+dotprod+i8mm+bf16",
     .triple = ARM,
     .cpu = "generic",
     .features = "+neon,+dotprod,+i8mm,+bf16",
     .vector_bits = 128,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .has_saturation = true,
     .cpu_bits = ARM_BF16,
     .linker_emulation = "aarch64linux",
     .library_dir = "aarch64"},
};

/* Known by name alone, for tests: a unit that this machine may lack, as loops over memory. */
static const cg_isa emulated[] = {
    {.name = "x86-64-v4+amx-emulated",
     .triple = X86,
     .cpu = "x86-64-v4",
     .features = "+avx512vnni",
     .vector_bits = 512,
     .vector_registers = 32,
     .has_fma = true,
     .has_f16 = true,
     .has_round = true,
     .cpu_bits = VNNI,
     .defines = LATHE_CPU_AMX_TILE | LATHE_CPU_AMX_BF16 | LATHE_CPU_AMX_INT8,
     .linker_emulation = "elf_x86_64",
     .library_dir = "x86_64"},
};

const cg_isa *cg_isa_find(const char *name)
{
    for (size_t i = 0; i < sizeof emulated / sizeof emulated[0]; i++)
        if (strcmp(emulated[i].name, name) == 0) return &emulated[i];
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (strcmp(isas[i].name, name) == 0 || (isas[i].also && strcmp(isas[i].also, name) == 0))
            return &isas[i];
    return NULL;
}

const cg_isa *cg_isa_at(size_t index)
{
    return index < sizeof isas / sizeof isas[0] ? &isas[index] : NULL;
}

const cg_isa *cg_isa_host(void)
{
#if defined(__aarch64__)
    const char *triple = ARM;
#else
    const char *triple = X86;
#endif
    uint32_t has = rt_cpu_features();
    const cg_isa *best = NULL;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (strcmp(isas[i].triple, triple) == 0 && (isas[i].cpu_bits & ~has) == 0 &&
            rt_cpu_enable(isas[i].cpu_bits))
            best = &isas[i];
    return best;
}

/* ---- lists ---- */

static lathe_status unknown(lathe_diag *diag, const char *name)
{
    const char *names[sizeof isas / sizeof isas[0]];
    char known[256];
    size_t n = 0;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        names[i] = isas[i].name;
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", isas[i].name);
    }
    diag_add(diag, LATHE_NOT_FOUND, NULL, "unknown target '%s'; the targets are %s", name, known);
    diag_suggest(diag, name, names, sizeof isas / sizeof isas[0]);
    return LATHE_NOT_FOUND;
}

/* Of two targets the better one is behind; what is emulated is behind all. */
static size_t rank_of(const cg_isa *isa)
{
    size_t i = 0;
    while (i < sizeof isas / sizeof isas[0] && isa != &isas[i]) i++;
    return i;
}

/* Into its place: rows of the table stand from the least to the best. */
static lathe_status target_add(cg_targets *t, const cg_isa *isa, lathe_diag *diag)
{
    if (t->n && strcmp(t->isa[0]->triple, isa->triple) != 0)
        return diag_add(diag, LATHE_BAD_INPUT, NULL,
                        "targets %s and %s are of different architectures; an object holds one",
                        t->isa[0]->name, isa->name);
    size_t at = t->n;
    while (at && rank_of(t->isa[at - 1]) < rank_of(isa)) at--;
    if (at && t->isa[at - 1] == isa)
        return diag_add(diag, LATHE_BAD_INPUT, NULL, "target %s is given twice", isa->name);
    memmove(t->isa + at + 1, t->isa + at, (t->n - at) * sizeof *t->isa);
    t->isa[at] = isa;
    t->n++;
    return LATHE_OK;
}

lathe_status cg_targets_parse(const char *list, cg_targets *targets, lathe_diag *diag)
{
    _Static_assert(sizeof isas / sizeof isas[0] <= CG_MOST_TARGETS, "each may be given once");
    *targets = (cg_targets){.n = 0};
    if (!list) return target_add(targets, cg_isa_host(), diag);
    for (;;) {
        char name[64];
        size_t length = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name),
                 list);
        const cg_isa *isa = cg_isa_find(name);
        if (!isa) return unknown(diag, name);
        TRY(target_add(targets, isa, diag));
        if (!list[length]) return LATHE_OK;
        list += length + 1;
    }
}

bool cg_targets_pair(const cg_targets *t)
{
    const uint32_t sums_of_four = LATHE_CPU_AVX_VNNI | LATHE_CPU_AVX512_VNNI;
    for (size_t i = 0; i < t->n; i++)
        if (!(t->isa[i]->cpu_bits & LATHE_CPU_AVX2) || t->isa[i]->cpu_bits & sums_of_four)
            return false;
    return true;
}
