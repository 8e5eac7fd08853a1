/* Kernels for tests: nests built by hand, emitted for one ISA, linked and loaded.
 *
 * Use: kernels_begin; add nests with kernels_add; kernels_load; kernels_run ...; kernels_end. The
 * graph, its arena and diag are those of fixture.h. */
#ifndef LATHE_TESTS_KERNELS_H
#define LATHE_TESTS_KERNELS_H

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/program.h"
#include "runtime/rt.h"
#include "tests/unit/fixture.h"

enum { MAX_KERNELS = 2048 };

static struct kernels {
    cg_program p;
    cg_kernel all[MAX_KERNELS];
    void *library;
    const lathe_desc *desc;
    lathe_fault fault;
} ks;

static inline ir_dim cdim(int64_t v) { return ir_dim_const(fx.g, v); }
static inline ir_expr idx(int axis) { return ir_x_index(fx.g, axis); }
static inline ir_expr lit(int64_t v) { return ir_x_int(fx.g, IR_I64, v); }

static inline cg_operand operand(ir_elem elem, int rank, const ir_dim *dims)
{
    cg_operand o = {.elem = elem, .rank = rank};
    for (int i = 0; i < rank; i++) o.dims[i] = dims[i];
    return o;
}

static inline void kernels_begin(void)
{
    fixture_begin();
    ks.p = (cg_program){.g = fx.g, .arena = &fx.arena, .name = "t", .kernels = ks.all};
}

/* The store of maps and reductions: the parallel indices. */
static inline void store_at_point(cg_nest *n)
{
    for (int i = 0; i < n->out.rank; i++) n->store[i] = idx(i);
}

static inline size_t kernels_add(const cg_nest *n)
{
    size_t i = ks.p.nkernels++;
    cr_assert_lt(i, MAX_KERNELS);
    ks.all[i] = (cg_kernel){.nest = *n, .key = "test", .name = ir_format(&fx.arena, "k%zu", i)};
    ks.all[i].nest.operands = ir_copy(&fx.arena, n->operands, n->noperands, sizeof *n->operands);
    ks.all[i].nest.params = ir_copy(&fx.arena, n->params, n->nparams, sizeof *n->params);
    return i;
}

extern char **environ;

/* A sanitized runtime finds the sanitizer in this process. */
static inline void link_library(const char *object, const char *library)
{
#ifdef LATHE_SANITIZED
    char undefined[] = "-Wl,--unresolved-symbols=ignore-all";
#else
    char undefined[] = "-Wl,--no-undefined";
#endif
    char *argv[] = {
        "cc",  "-shared", undefined,   "-o", (char *)library, (char *)object, LATHE_RUNTIME_ARCHIVE,
        "-lm", "-ldl",    "-lpthread", NULL};
    pid_t pid;
    int status = -1;
    cr_assert_eq(posix_spawnp(&pid, "cc", NULL, NULL, argv, environ), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "the linker failed");
}

static inline void expect_ok(lathe_status status)
{
    if (status == LATHE_OK) return;
    cr_assert_gt(lathe_diag_count(fx.diag), 0);
    lathe_message m = lathe_diag_get(fx.diag, 0);
    cr_assert_fail("%s", m.text);
}

static inline void kernels_load(const cg_isa *isa, int level)
{
    char dir[] = "/tmp/lathe-test-XXXXXX", object[64], library[64], *data = NULL;
    size_t size = 0;
    expect_ok(cg_emit(&ks.p, ONE_TARGET(isa), CG_OBJECT, level, fx.diag, &data, &size));
    cr_assert_not_null(mkdtemp(dir));
    snprintf(object, sizeof object, "%s/k.o", dir);
    snprintf(library, sizeof library, "%s/k.so", dir);
    FILE *f = fopen(object, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    fclose(f);
    free(data);
    link_library(object, library);
    ks.library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(ks.library, "%s", dlerror());
    ks.desc = dlsym(ks.library, "t_desc");
    cr_assert_not_null(ks.desc);
    unlink(object);
    unlink(library);
    rmdir(dir);
}

static inline void kernels_unload(void)
{
    dlclose(ks.library);
    ks.library = NULL;
}

static inline void kernels_end(void) { fixture_end(); }

/* bufs: operands, then the result. */
static inline void kernels_run_rows(size_t kernel, void *const *bufs, const int64_t *dims,
                                    int64_t begin, int64_t end)
{
    lathe_args args = {.buf = bufs, .dim = dims, .fault = &ks.fault, .node = 7};
    ks.desc->kernels[kernel](&args, begin, end, 0);
}

static inline void kernels_run(size_t kernel, void *const *bufs, const int64_t *dims, int64_t rows)
{
    ks.fault = (lathe_fault){0};
    kernels_run_rows(kernel, bufs, dims, 0, rows);
}

/* The ISAs that this machine can run, best last. */
static inline size_t runnable(const cg_isa **out, size_t cap)
{
    static const char *const names[] = {"x86-64", "x86-64-v3", "x86-64-v4", "aarch64",
                                        "aarch64+bf16"};
    const cg_isa *host = cg_isa_host();
    uint32_t has = rt_cpu_features();
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && n < cap; i++) {
        const cg_isa *isa = cg_isa_find(names[i]);
        if (strcmp(isa->triple, host->triple) == 0 && (isa->cpu_bits & ~has) == 0) out[n++] = isa;
    }
    return n;
}

#endif
