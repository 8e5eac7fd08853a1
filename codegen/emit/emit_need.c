/* Which instruction set a program's code needs.
 *
 * In: a row of the targets' table. Out: the first one of those before it from which on only tiles
 * are added that the program does not take. */
#include <string.h>

#include "codegen/emit/emit_gemm.h"

static bool differs_in_tiles_only(const cg_isa *a, const cg_isa *b)
{
    return strcmp(a->cpu, b->cpu) == 0 && a->vector_bits == b->vector_bits;
}

static bool takes_same_tile(const cg_isa *a, const cg_isa *b, const ir_graph *g, const cg_nest *n)
{
    if (!n->gemm) return true;
    const cg_tile_use of_a = cg_product_use(a, g, n), of_b = cg_product_use(b, g, n);
    return strcmp(cg_tile_name_of(a, &of_a), cg_tile_name_of(b, &of_b)) == 0;
}

static bool makes_same_code(const cg_isa *a, const cg_isa *b, const cg_program *p)
{
    for (size_t i = 0; i < p->nkernels; i++)
        if (!takes_same_tile(a, b, p->g, &p->kernels[i].nest)) return false;
    return true;
}

const cg_isa *cg_isa_needed(const cg_isa *isa, const cg_program *p)
{
    for (const cg_isa *i = isa; i != cg_isa_at(0) && differs_in_tiles_only(i - 1, isa); i--)
        if (makes_same_code(i - 1, isa, p)) isa = i - 1;
    return isa;
}
