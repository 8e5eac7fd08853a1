/* Objects -> shared library, archive or one object, by the system's linker or archiver.
 *
 * A library holds the model and its own copy of the runtime. It exports NAME_desc alone: all else
 * is hidden in the object, and the archive's symbols are excluded. No compiler driver and no start
 * files take part; libc and libm are given as files where they are found, so that the library names
 * them as needed and a function that nobody defines fails here and not in the user's program. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codegen/program.h"
#include "codegen/object/spawn.h"

enum { MAX_ARGS = 64, PATH_SIZE = 128 };

typedef struct arguments {
    const char *items[MAX_ARGS];
    size_t n;
    char paths[8][PATH_SIZE]; /* of system libraries */
    size_t npaths;
} arguments;

static void arg(arguments *a, const char *text)
{
    if (a->n + 1 < MAX_ARGS) a->items[a->n++] = text;
    a->items[a->n] = NULL;
}

static void args(arguments *a, const char *const *texts)
{
    for (; *texts; texts++) arg(a, *texts);
}

static bool is_arm(const cg_isa *isa) { return strncmp(isa->triple, "aarch64", 7) == 0; }

static bool is_host(const cg_isa *isa)
{
#if defined(__aarch64__)
    return is_arm(isa);
#else
    return !is_arm(isa);
#endif
}

/* Adds `file` from the first of the folders where distributions keep a target's libraries. */
static bool add_library(arguments *a, const cg_isa *isa, const char *file)
{
    /* The first three name the architecture, in the order (architecture, file). */
    static const char *const places[] = {"/lib/%s-linux-gnu/%s",
                                         "/usr/lib/%s-linux-gnu/%s",
                                         "/usr/%s-linux-gnu/lib/%s",
                                         "/lib64",
                                         "/usr/lib64",
                                         "/lib",
                                         "/usr/lib"};
    enum { BY_ARCH = 3, PLACES = sizeof places / sizeof *places };
    char *path = a->paths[a->npaths];
    for (int i = 0; i < (is_host(isa) ? PLACES : BY_ARCH); i++) {
        if (i < BY_ARCH) snprintf(path, PATH_SIZE, places[i], isa->library_dir, file);
        else snprintf(path, PATH_SIZE, "%s/%s", places[i], file);
        if (access(path, R_OK) != 0) continue;
        arg(a, path);
        a->npaths++;
        return true;
    }
    return false;
}

/* A runtime built with a sanitizer refers to functions that only the program brings along. */
#ifdef LATHE_SANITIZED
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* C libraries older than glibc 2.34 keep threads and dlopen apart; those files are optional. */
static void add_libraries(arguments *a, const cg_isa *isa)
{
    arg(a, "--as-needed");
    bool complete = add_library(a, isa, "libc.so.6") && add_library(a, isa, "libm.so.6");
    add_library(a, isa, "libpthread.so.0");
    add_library(a, isa, "libdl.so.2");
    add_library(a, isa, is_arm(isa) ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2");
    if (complete && !sanitized) args(a, (const char *const[]){"-z", "defs", NULL});
}

static lathe_status run_linker(const cg_isa *isa, const char *const *list, lathe_diag *diag)
{
    static const char *const host[] = {"ld.lld-19", "ld.lld", "mold", "ld", NULL};
    static const char *const arm[] = {"ld.lld-19", "ld.lld", "mold", "aarch64-linux-gnu-ld", NULL};
    static const char *const x86[] = {"ld.lld-19", "ld.lld", "mold", "x86_64-linux-gnu-ld", NULL};
    return cg_spawn(is_host(isa) ? host : is_arm(isa) ? arm : x86, list, diag);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static lathe_status link_library(const cg_isa *isa, const char *const *inputs, size_t n,
                                 const char *runtime, const char *output, lathe_diag *diag)
{
    static const char *const fixed[] = {"-shared",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "now",
                                        "-z",
                                        "noexecstack",
                                        "--exclude-libs",
                                        "ALL",
                                        "--gc-sections",
                                        "--build-id=none",
                                        "--hash-style=gnu",
                                        NULL};
    arguments a = {0};
    args(&a, (const char *const[]){"-m", isa->linker_emulation, NULL});
    args(&a, fixed);
    args(&a, (const char *const[]){"-soname", base_name(output), "-o", output, NULL});
    for (size_t i = 0; i < n; i++) arg(&a, inputs[i]);
    arg(&a, runtime);
    add_libraries(&a, isa);
    return run_linker(isa, a.items, diag);
}

static lathe_status join_objects(const cg_isa *isa, const char *const *inputs, size_t n,
                                 const char *output, lathe_diag *diag)
{
    arguments a = {0};
    args(&a, (const char *const[]){"-m", isa->linker_emulation, "-r", "-o", output, NULL});
    for (size_t i = 0; i < n; i++) arg(&a, inputs[i]);
    return run_linker(isa, a.items, diag);
}

static lathe_status make_archive(const cg_isa *isa, const char *const *inputs, size_t n,
                                 const char *output, lathe_diag *diag)
{
    static const char *const host[] = {"ar", "llvm-ar", "llvm-ar-19", NULL};
    static const char *const arm[] = {"llvm-ar", "llvm-ar-19", "aarch64-linux-gnu-ar", "ar", NULL};
    static const char *const x86[] = {"llvm-ar", "llvm-ar-19", "x86_64-linux-gnu-ar", "ar", NULL};
    arguments a = {0};
    args(&a, (const char *const[]){"rcsD", output, NULL});
    for (size_t i = 0; i < n; i++) arg(&a, inputs[i]);
    return cg_spawn(is_host(isa) ? host : is_arm(isa) ? arm : x86, a.items, diag);
}

/* In a build folder beside the program or above it, installed below lib. */
bool cg_find_runtime(const cg_isa *isa, char *path, size_t size)
{
    static const char *const places[] = {"%s/%s", "%s/../%s", "%s/../lib/lathe/%s-linux-gnu",
                                         "%s/../lib64/lathe/%s-linux-gnu"};
    static const char name[] = "/liblathe_rt.a";
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (int plain = 0; plain < 2; plain++) {
            if (plain && !is_host(isa)) continue;
            int length = snprintf(path, size, places[i], program, plain ? "." : isa->library_dir);
            if (length <= 0 || (size_t)length + sizeof name > size) continue;
            memcpy(path + length, name, sizeof name);
            if (access(path, R_OK) == 0) return true;
        }
    return false;
}

lathe_status cg_link(const cg_isa *isa, const char *const *inputs, size_t n, const char *runtime,
                     const char *output, lathe_emit emit, lathe_diag *diag)
{
    if (emit == LATHE_EMIT_OBJ) return join_objects(isa, inputs, n, output, diag);
    if (emit == LATHE_EMIT_ARCHIVE) return make_archive(isa, inputs, n, output, diag);
    return link_library(isa, inputs, n, runtime, output, diag);
}
