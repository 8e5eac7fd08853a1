/* Where a product's narrowed factors stand in a worker's scratch; see cg_narrow. */
#include <string.h>

#include "codegen/program.h"

static const char *const names[] = {[CG_NARROW_NOT] = "f32",
                                    [CG_NARROW_BF16] = "bf16",
                                    [CG_NARROW_F32X3] = "f32x3",
                                    [CG_NARROW_I8] = "i8"};

const char *cg_narrow_name(cg_narrow n) { return names[n]; }

cg_narrow cg_narrow_of(const char *precision)
{
    int n = CG_NARROW_I8;
    while (n > CG_NARROW_NOT && strcmp(names[n], precision) != 0) n--;
    return (cg_narrow)n;
}

int cg_narrow_count(cg_narrow n) { return n == CG_NARROW_F32X3 ? CG_NARROW_PARTS : 1; }

/* The longest part of a panel that a worker holds. */
static int64_t held(int64_t k) { return k <= 0 || k > CG_LONGEST_K ? CG_LONGEST_K : k; }
int64_t cg_narrow_padded(int64_t k)
{
    return (k + CG_NARROW_STEP - 1) / CG_NARROW_STEP * CG_NARROW_STEP;
}

/* One row of floats more, into which packing may write. */
int64_t cg_narrow_offset(int64_t k) { return (held(k) + 1) * CG_PANEL * CG_CELL; }
int64_t cg_narrow_part(int64_t k) { return cg_narrow_padded(held(k)) * CG_PANEL * CG_CELL / 2; }

ir_dim cg_narrow_bytes(ir_graph *g, cg_narrow n, ir_dim rows, ir_dim k)
{
    int64_t known, parts = cg_narrow_count(n);
    if (!ir_dim_is_const(g, k, &known)) known = 0;
    ir_dim step = ir_dim_const(g, CG_NARROW_STEP),
           of_a = ir_dim_mul(g, ir_dim_ceildiv(g, k, step), step);
    of_a = ir_dim_mul(g, of_a, ir_dim_min(g, rows, ir_dim_const(g, CG_ROWS)));
    of_a = ir_dim_mul(g, of_a, ir_dim_const(g, parts * CG_CELL / 2));
    return ir_dim_add(g, of_a,
                      ir_dim_const(g, cg_narrow_offset(known) + parts * cg_narrow_part(known)));
}
