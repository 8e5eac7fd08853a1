/* A graph in an arena for one test. Running out of memory fails the test by returning NULL data. */
#ifndef LATHE_TESTS_FIXTURE_H
#define LATHE_TESTS_FIXTURE_H

#include "ir/ir.h"

static struct fixture {
    ir_arena arena;
    jmp_buf jmp;
    lathe_diag *diag;
    ir_graph *g;
    ir_builder b;
} fx;

/* An allocation that fails jumps back here and leaves fx.g NULL, which the test trips over. */
static inline void fixture_begin(void)
{
    fx.diag = lathe_diag_new();
    fx.g = NULL;
    if (setjmp(fx.jmp)) return;
    ir_arena_init(&fx.arena, &fx.jmp);
    fx.g = ir_graph_new(&fx.arena, fx.diag, "test", "test.onnx");
    fx.b = (ir_builder){.g = fx.g, .block = 1};
}

/* What cg_emit takes to make code for one target. */
#define ONE_TARGET(target) (&(const cg_targets){.isa = {target}, .n = 1})

static inline void fixture_end(void)
{
    ir_arena_destroy(&fx.arena);
    lathe_diag_free(fx.diag);
}

#endif
