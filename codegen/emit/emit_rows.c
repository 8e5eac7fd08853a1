/* Rows of a product in chunks and blocks.
 *
 * A chunk is what a call of a kernel works on at least; its boundaries depend on the number of rows
 * alone. A block is what one tile takes. Rows are spread evenly, so that no tile is much smaller
 * than the others. */
#include "codegen/emit/emit_gemm.h"

cg_val cg_chunks_of(cg_unit *u, cg_val rows) { return cg_ceiling(u, rows, CG_ROWS); }

cg_blocks cg_blocks_of(cg_unit *u, cg_val chunk, cg_val rows, int most)
{
    cg_val chunks = cg_chunks_of(u, rows), next = cg_add(u, chunk, cg_num(u, 1));
    cg_val end = cg_quotient(u, cg_mul(u, next, rows), chunks);
    cg_blocks r = {.first = cg_quotient(u, cg_mul(u, chunk, rows), chunks)};
    cg_val size = cg_sub(u, end, r.first);
    r.count = cg_ceiling(u, size, most);
    r.least = cg_quotient(u, size, r.count);
    r.more = cg_modulo(u, size, r.count);
    return r;
}

static cg_val is_longer(cg_unit *u, const cg_blocks *r, cg_val block)
{
    return LLVMBuildICmp(u->b, LLVMIntSLT, block, r->more, "");
}

cg_val cg_block_start(cg_unit *u, const cg_blocks *r, cg_val block)
{
    cg_val longer = cg_select(u, is_longer(u, r, block), block, r->more);
    return cg_add(u, cg_mul(u, block, r->least), longer);
}

cg_val cg_block_rows(cg_unit *u, const cg_blocks *r, cg_val block)
{
    return cg_add(u, r->least, LLVMBuildZExt(u->b, is_longer(u, r, block), u->i64, ""));
}

void cg_block_sizes(const ir_graph *g, ir_dim rows, int most, uint64_t *one, uint64_t *several)
{
    int64_t m;
    *one = *several = 0;
    if (!ir_dim_is_const(g, rows, &m)) {
        for (int r = 1; r <= most; r++) *one |= UINT64_C(1) << r;
        for (int r = most / 2; r <= most; r++) *several |= UINT64_C(1) << r;
        return;
    }
    for (int64_t i = 0, n = (m + CG_ROWS - 1) / CG_ROWS; i < n && i < 2 * CG_ROWS; i++) {
        int64_t size = (i + 1) * m / n - i * m / n, blocks = (size + most - 1) / most;
        uint64_t *set = blocks == 1 ? one : several;
        *set |= UINT64_C(1) << size / blocks;
        if (size % blocks) *set |= UINT64_C(2) << size / blocks;
    }
}
