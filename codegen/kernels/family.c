/* The families of kernels.def, and what follows from a row for the axes of a nest: which are
 * counted by the kernel's range, and which are inside of a row. */
#include "codegen/program.h"

static const cg_family families[] = {
#define KERNEL(id, name, rows, inside, stretch, traits, emit)                                      \
    [CG_NEST_##id] = {name, CG_ROWS_##rows, CG_INSIDE_##inside, stretch, traits},
#include "codegen/kernels/kernels.def"
#undef KERNEL
};

const cg_family *cg_family_of(const cg_nest *n) { return &families[n->kind]; }
bool cg_has(const cg_nest *n, unsigned trait) { return families[n->kind].traits & trait; }

bool cg_is_one(const ir_graph *g, ir_dim d) { return ir_dim_equals(g, d, 1); }

/* Axes that are not reduced; they stand first. */
static int kept(const cg_nest *n)
{
    return families[n->kind].rows == CG_ROWS_ALL ? n->rank : n->rank - n->nred;
}

int cg_inner_axis(const ir_graph *g, const cg_nest *n)
{
    for (int a = kept(n) - 1; a >= 0 && families[n->kind].inside == CG_INSIDE_points; a--)
        if (!cg_is_one(g, n->space[a])) return a;
    return -1;
}

bool cg_is_row_axis(const ir_graph *g, const cg_nest *n, int axis)
{
    if (families[n->kind].rows == CG_ROWS_ALL_BUT) return axis != n->axis;
    return axis < kept(n) && axis != cg_inner_axis(g, n);
}

bool cg_one_worker(const cg_nest *n)
{
    return cg_has(n, CG_ORDERED) || ir_elem_bits(n->out.elem) < 8;
}

/* The product of the axes that are counted, or of the others. */
static ir_dim count_axes(ir_graph *g, const cg_nest *n, bool rows)
{
    ir_dim axes[IR_MAX_SPACE];
    int count = 0;
    for (int a = 0; a < n->rank; a++)
        if (cg_is_row_axis(g, n, a) == rows) axes[count++] = n->space[a];
    return ir_dim_product(g, axes, count);
}

ir_dim cg_nest_rows(ir_graph *g, const cg_nest *n)
{
    return cg_one_worker(n) ? ir_dim_const(g, 1) : count_axes(g, n, true);
}

ir_dim cg_row_points(ir_graph *g, const cg_nest *n) { return count_axes(g, n, false); }
