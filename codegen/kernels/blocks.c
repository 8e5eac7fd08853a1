/* Products of blocks in i8: which codes serve, and where their factors stand in a worker's scratch;
 * see CG_NARROW_I8. */
#include "codegen/program.h"

enum { LONGEST_BLOCK = 1024, MOST_OFFSET = 1024, PART = 4096, SMALL = 64 };

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
static int64_t most(int64_t x, int64_t y) { return x > y ? x : y; }

/* The range of code - zero point - offset. */
static void range_of(const cg_codes *c, int64_t *lo, int64_t *hi)
{
    int bits = cg_code_bits(c->code);
    int64_t low = c->code == CG_CODE_S8 ? INT8_MIN : 0, high = low + (INT64_C(1) << bits) - 1;
    *lo = low - (c->zeros ? high : 0) - c->offset;
    *hi = high - (c->zeros ? low : 0) - c->offset;
}

bool cg_i8_serves(const cg_codes *c, int64_t k)
{
    bool numbers = c->code != CG_CODE_NONE && cg_code_elem(c->code) == IR_ELEM_NONE && !c->book;
    return numbers && k > 0 && c->block > 0 && least(c->block, k) <= LONGEST_BLOCK &&
           c->offset >= -MOST_OFFSET && c->offset <= MOST_OFFSET;
}

bool cg_i8_is_whole(const cg_codes *c)
{
    int64_t lo, hi;
    range_of(c, &lo, &hi);
    return lo >= INT8_MIN && hi <= INT8_MAX;
}

bool cg_i8_is_small(const cg_codes *c)
{
    int64_t lo, hi;
    range_of(c, &lo, &hi);
    return lo >= -SMALL && hi <= SMALL;
}

int64_t cg_i8_away(const cg_codes *c)
{
    return cg_i8_is_whole(c) || c->code == CG_CODE_S8 ? 0
                                                      : INT64_C(1) << (cg_code_bits(c->code) - 1);
}

bool cg_i8_has_zeros(const cg_codes *c)
{
    return !cg_i8_is_whole(c) && (c->zeros || c->offset != cg_i8_away(c));
}

int64_t cg_i8_blocks(const cg_codes *c, int64_t k) { return (k + c->block - 1) / c->block; }

int64_t cg_i8_length(const cg_codes *c, int64_t k)
{
    return (least(c->block, k) + CG_I8_GROUP - 1) / CG_I8_GROUP * CG_I8_GROUP;
}

int64_t cg_i8_part(const cg_codes *c, int64_t k)
{
    return least(cg_i8_blocks(c, k), most(PART / c->block, 1)) * c->block;
}

int64_t cg_i8_head(bool zeros)
{
    return (zeros ? CG_I8_ZEROS + 1 : CG_I8_ZEROS) * CG_PANEL * CG_CELL;
}

int64_t cg_i8_of_b(int64_t length, bool zeros) { return cg_i8_head(zeros) + length * CG_PANEL; }

int64_t cg_i8_of_a(int64_t length) { return CG_I8_FRONT + length; }

int64_t cg_i8_offset(const cg_codes *c, int64_t k)
{
    int64_t blocks = cg_i8_blocks(c, cg_i8_part(c, k));
    return CG_I8_HELD + blocks * cg_i8_of_b(cg_i8_length(c, k), cg_i8_has_zeros(c));
}

ir_dim cg_i8_bytes(ir_graph *g, const cg_codes *c, ir_dim rows, int64_t k)
{
    int64_t row = cg_i8_blocks(c, k) * cg_i8_of_a(cg_i8_length(c, k));
    ir_dim chunk = ir_dim_min(g, rows, ir_dim_const(g, CG_ROWS));
    return ir_dim_add(g, ir_dim_mul(g, chunk, ir_dim_const(g, row)),
                      ir_dim_const(g, cg_i8_offset(c, k)));
}
