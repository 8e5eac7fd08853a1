/* Rows of a product in chunks and blocks.
 *
 * A chunk is what a call of a kernel works on at least; its boundaries depend on the number of rows
 * alone. A block is what one tile takes. Rows are spread evenly, so that no tile is much smaller
 * than the others. */
#include "codegen/emit/emit_gemm.h"

static cg_val rows_num(cg_unit *u, int64_t v) { return cg_int(u->i64, v); }

static cg_val ceiling(cg_unit *u, cg_val a, int64_t by)
{
    return LLVMBuildUDiv(u->b, LLVMBuildAdd(u->b, a, rows_num(u, by - 1), ""), rows_num(u, by), "");
}

cg_val cg_chunks_of(cg_unit *u, cg_val rows) { return ceiling(u, rows, CG_ROWS); }

cg_blocks cg_blocks_of(cg_unit *u, cg_val chunk, cg_val rows, int most)
{
    LLVMBuilderRef b = u->b;
    cg_val chunks = cg_chunks_of(u, rows), next = LLVMBuildAdd(b, chunk, rows_num(u, 1), "");
    cg_val end = LLVMBuildUDiv(b, LLVMBuildMul(b, next, rows, ""), chunks, "");
    cg_blocks r = {.first = LLVMBuildUDiv(b, LLVMBuildMul(b, chunk, rows, ""), chunks, "")};
    cg_val size = LLVMBuildSub(b, end, r.first, "");
    r.count = ceiling(u, size, most);
    r.least = LLVMBuildUDiv(b, size, r.count, "");
    r.more = LLVMBuildURem(b, size, r.count, "");
    return r;
}

static cg_val is_longer(cg_unit *u, const cg_blocks *r, cg_val block)
{
    return LLVMBuildICmp(u->b, LLVMIntSLT, block, r->more, "");
}

cg_val cg_block_start(cg_unit *u, const cg_blocks *r, cg_val block)
{
    cg_val longer = cg_select(u, is_longer(u, r, block), block, r->more);
    return LLVMBuildAdd(u->b, LLVMBuildMul(u->b, block, r->least, ""), longer, "");
}

cg_val cg_block_rows(cg_unit *u, const cg_blocks *r, cg_val block)
{
    return LLVMBuildAdd(u->b, r->least, LLVMBuildZExt(u->b, is_longer(u, r, block), u->i64, ""),
                        "");
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
