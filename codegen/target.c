/* Instruction sets that code can be made for.
 *
 * In: a name from the command line, or the machine that this runs on. Out: a description that says
 * everything the emitters and the linker call ask about a target. A row's cpu_bits are what the
 * runtime checks before it lets the code run, so they must cover every instruction of cpu+features;
 * rows of one architecture stand from the least demanding to the most. */
#include <string.h>

#include "codegen/program.h"
#include "runtime/rt.h"

#define X86 "x86_64-unknown-linux-gnu"
#define ARM "aarch64-unknown-linux-gnu"

enum {
    V3 = LATHE_CPU_SSE42 | LATHE_CPU_AVX2 | LATHE_CPU_FMA | LATHE_CPU_F16C,
    V4 = V3 | LATHE_CPU_AVX512,
    AMX = V4 | LATHE_CPU_AVX512_VNNI | LATHE_CPU_AVX512_BF16 | LATHE_CPU_AMX_TILE |
          LATHE_CPU_AMX_BF16 | LATHE_CPU_AMX_INT8,
    ARM_DOT = LATHE_CPU_ARM_DOTPROD | LATHE_CPU_ARM_I8MM | LATHE_CPU_ARM_BF16,
};

static const cg_isa isas[] = {
    {.name = "x86-64", .triple = X86, .cpu = "x86-64", .features = "", .vector_bits = 128,
     .vector_registers = 16, .linker_emulation = "elf_x86_64", .library_dir = "x86_64"},
    {.name = "x86-64-v3", .triple = X86, .cpu = "x86-64-v3", .features = "", .vector_bits = 256,
     .vector_registers = 16, .has_fma = true, .has_f16 = true, .has_round = true, .cpu_bits = V3,
     .linker_emulation = "elf_x86_64", .library_dir = "x86_64"},
    {.name = "x86-64-v4", .triple = X86, .cpu = "x86-64-v4", .features = "", .vector_bits = 512,
     .vector_registers = 32, .has_fma = true, .has_f16 = true, .has_round = true, .cpu_bits = V4,
     .linker_emulation = "elf_x86_64", .library_dir = "x86_64"},
    {.name = "x86-64-v4+amx", .triple = X86, .cpu = "x86-64-v4",
     .features = "+avx512vnni,+avx512bf16,+amx-tile,+amx-bf16,+amx-int8", .vector_bits = 512,
     .vector_registers = 32, .has_fma = true, .has_f16 = true, .has_round = true, .cpu_bits = AMX,
     .linker_emulation = "elf_x86_64", .library_dir = "x86_64"},
    {.name = "aarch64", .triple = ARM, .cpu = "generic", .features = "+neon", .vector_bits = 128,
     .vector_registers = 32, .has_fma = true, .has_f16 = true, .has_round = true,
     .linker_emulation = "aarch64linux", .library_dir = "aarch64"},
    {.name = "aarch64+dotprod+i8mm+bf16", .triple = ARM, .cpu = "generic",
     .features = "+neon,+dotprod,+i8mm,+bf16", .vector_bits = 128,
     .vector_registers = 32, .has_fma = true, .has_f16 = true, .has_round = true,
     .cpu_bits = ARM_DOT,
     .linker_emulation = "aarch64linux", .library_dir = "aarch64"},
};

const cg_isa *cg_isa_find(const char *name)
{
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (strcmp(isas[i].name, name) == 0) return &isas[i];
    return NULL;
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
        if (strcmp(isas[i].triple, triple) == 0 && (isas[i].cpu_bits & ~has) == 0) best = &isas[i];
    return best;
}
