/* The fixture's graph, lowered, emitted for one ISA, linked with its weights and loaded. */
#ifndef LATHE_TESTS_LINKED_H
#define LATHE_TESTS_LINKED_H

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/program.h"
#include "passes/pass.h"
#include "runtime/rt.h"
#include "tests/unit/fixture.h"

enum { LINKED_MOST = 4 };

typedef struct linked {
    void *library;
    const lathe_desc *desc;
} linked;

static inline const char *linked_put(const char *folder, const char *name, const void *bytes,
                                     size_t size)
{
    const char *path = ir_format(&fx.arena, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
    return path;
}

static inline linked linked_of(const cg_isa *isa, int level, bool pairs)
{
    char folder[] = "/tmp/lathe-linked-XXXXXX", *data = NULL;
    size_t size = 0;
    cg_program *p;
    linked c;
    cr_assert(mkdtemp(folder));
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", level, pairs, cg_encoded_decodes, &p), LATHE_OK);
    cr_assert_eq(cg_program_open(p, fx.diag), LATHE_OK);
    p->embed_weights = p->weights_size > 0;
    cg_hash(p);
    cr_assert_eq(cg_emit(p, ONE_TARGET(isa), CG_OBJECT, level, fx.diag, &data, &size), LATHE_OK,
                 "%s", lathe_diag_count(fx.diag) ? lathe_diag_get(fx.diag, 0).text : "");
    const char *inputs[] = {linked_put(folder, "code.o", data, size),
                            ir_format(&fx.arena, "%s/weights.o", folder)};
    const char *library = ir_format(&fx.arena, "%s/libt.so", folder);
    free(data);
    FILE *f = fopen(inputs[1], "wb");
    cr_assert(f);
    cr_assert_eq(cg_write_weights_object(p, isa, f, fx.diag), LATHE_OK);
    fclose(f);
    cg_program_close(p);
    cr_assert_eq(cg_link(isa, inputs, p->embed_weights ? 2 : 1, LATHE_RUNTIME_ARCHIVE, library,
                         LATHE_EMIT_SO, fx.diag),
                 LATHE_OK);
    c.library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    cr_assert(c.library, "%s", dlerror());
    c.desc = dlsym(c.library, "t_desc");
    unlink(inputs[0]);
    unlink(inputs[1]);
    unlink(library);
    rmdir(folder);
    return c;
}

static inline linked linked_make(const cg_isa *isa, int level)
{
    return linked_of(isa, level, false);
}

/* The instruction sets that this machine runs; their number. */
static inline size_t linked_runnable(const cg_isa **out)
{
    static const char *const names[LINKED_MOST] = {"x86-64", "x86-64-v3", "x86-64-v4", "aarch64"};
    const cg_isa *host = cg_isa_host();
    size_t n = 0;
    for (size_t i = 0; i < LINKED_MOST; i++) {
        const cg_isa *isa = cg_isa_find(names[i]);
        if (strcmp(isa->triple, host->triple) == 0 && (isa->cpu_bits & ~rt_cpu_features()) == 0)
            out[n++] = isa;
    }
    return n;
}

#endif
