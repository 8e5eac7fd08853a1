/* What the processor and the system offer, as LATHE_CPU_* bits.
 *
 * A feature counts only if the system saves its registers (XCR0 on x86-64), so that code which is
 * let through here cannot fault. AMX needs a request to the kernel as well; it is made once a
 * process, when a model that uses it is opened or the compiler asks what this host can run. */
#include <stddef.h>

#include "runtime/rt.h"

static const char *const names[] = {
    "SSE4.2",      "AVX2",     "FMA",      "F16C",     "AVX-512",  "AVX512-VNNI", "AVX512-BF16",
    "AVX512-FP16", "AMX-TILE", "AMX-BF16", "AMX-INT8", "AVX-VNNI", "?",           "?",
    "?",           "?",        "DOTPROD",  "FP16",     "I8MM",     "BF16",        "SVE",
};

const char *rt_cpu_name(uint32_t lowest_bit)
{
    unsigned i = (unsigned)__builtin_ctz(lowest_bit);
    return i < sizeof names / sizeof names[0] ? names[i] : "?";
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct leaf {
    unsigned r[4];
} leaf; /* eax ebx ecx edx */
enum { EAX, EBX, ECX, EDX };

static leaf cpuid(unsigned number, unsigned sub)
{
    leaf l = {{0}};
    __get_cpuid_count(number, sub, &l.r[EAX], &l.r[EBX], &l.r[ECX], &l.r[EDX]);
    return l;
}

static uint64_t xcr0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Feature: all `mask` bits of register `reg` of leaf `which`, and `state` bits of XCR0. Several
 * rows of one feature must all hold. */
enum { LEAF_1, LEAF_7_0, LEAF_7_1, LEAF_EXT };
enum { STATE_NONE = 0, STATE_AVX = 0x6, STATE_512 = 0xE6, STATE_AMX = 0x60000 };
static const struct {
    uint32_t feature;
    uint8_t which, reg;
    uint32_t mask, state;
} rows[] = {
    {LATHE_CPU_SSE42, LEAF_1, ECX, 1u | 1u << 9 | 1u << 19 | 1u << 20 | 1u << 23, STATE_NONE},
    {LATHE_CPU_AVX2, LEAF_7_0, EBX, 1u << 5 | 1u << 3 | 1u << 8, STATE_AVX},
    {LATHE_CPU_AVX2, LEAF_1, ECX, 1u << 28 | 1u << 22, STATE_AVX},
    {LATHE_CPU_AVX2, LEAF_EXT, ECX, 1u << 5, STATE_AVX},
    {LATHE_CPU_FMA, LEAF_1, ECX, 1u << 12, STATE_AVX},
    {LATHE_CPU_F16C, LEAF_1, ECX, 1u << 29, STATE_AVX},
    {LATHE_CPU_AVX512, LEAF_7_0, EBX, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31,
     STATE_512},
    {LATHE_CPU_AVX512_VNNI, LEAF_7_0, ECX, 1u << 11, STATE_512},
    {LATHE_CPU_AVX512_BF16, LEAF_7_1, EAX, 1u << 5, STATE_512},
    {LATHE_CPU_AVX512_FP16, LEAF_7_0, EDX, 1u << 23, STATE_512},
    {LATHE_CPU_AMX_TILE, LEAF_7_0, EDX, 1u << 24, STATE_AMX},
    {LATHE_CPU_AMX_BF16, LEAF_7_0, EDX, 1u << 22, STATE_AMX},
    {LATHE_CPU_AMX_INT8, LEAF_7_0, EDX, 1u << 25, STATE_AMX},
    {LATHE_CPU_AVX_VNNI, LEAF_7_1, EAX, 1u << 4, STATE_AVX},
};

uint32_t rt_cpu_features(void)
{
    leaf leaves[] = {cpuid(1, 0), cpuid(7, 0), cpuid(7, 1), cpuid(0x80000001u, 0)};
    bool has_xgetbv = leaves[LEAF_1].r[ECX] >> 27 & 1;
    uint64_t saved = has_xgetbv ? xcr0() : 0;
    uint32_t seen = 0, missing = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        seen |= rows[i].feature;
        bool has = (leaves[rows[i].which].r[rows[i].reg] & rows[i].mask) == rows[i].mask &&
                   (saved & rows[i].state) == rows[i].state;
        if (!has) missing |= rows[i].feature;
    }
    return seen & ~missing;
}

bool rt_cpu_enable(uint32_t features)
{
    enum { REQUEST_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    if (!(features & (LATHE_CPU_AMX_TILE | LATHE_CPU_AMX_BF16 | LATHE_CPU_AMX_INT8))) return true;
    return syscall(SYS_arch_prctl, REQUEST_XCOMP_PERM, TILE_DATA) == 0;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP (word 0) and AT_HWCAP2 (word 1). */
static const struct {
    uint32_t feature;
    uint8_t word, bit;
} rows[] = {
    {LATHE_CPU_ARM_DOTPROD, 0, 20}, {LATHE_CPU_ARM_FP16, 0, 10}, {LATHE_CPU_ARM_I8MM, 1, 13},
    {LATHE_CPU_ARM_BF16, 1, 14},    {LATHE_CPU_ARM_SVE, 0, 22},
};

uint32_t rt_cpu_features(void)
{
    unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    uint32_t features = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (words[rows[i].word] >> rows[i].bit & 1) features |= rows[i].feature;
    return features;
}

bool rt_cpu_enable(uint32_t features)
{
    (void)features;
    return true;
}

#else
#error "lathe's runtime supports x86-64 and aarch64"
#endif
