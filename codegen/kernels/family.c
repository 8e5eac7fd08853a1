/* The families of kernels.def, and what follows from a row for the axes of a nest: which are
 * counted by the kernel's range, and which are inside of a row; and what a step needs. */
#include "codegen/program.h"

static const cg_family families[] = {
#define KERNEL(id, name, rows, inside, stretch, traits, needs, emit)                               \
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

/* ---- what a step needs ---- */

static ir_dim number(ir_graph *g, int64_t v) { return ir_dim_const(g, v); }

/* Units of at most so many, rounded up. */
static ir_dim parts(ir_graph *g, ir_dim of, int64_t most)
{
    return ir_dim_ceildiv(g, of, number(g, most));
}

static cg_needs needs_of_nest(ir_graph *g, const cg_nest *n, int64_t expressions)
{
    cg_needs r = {.units = cg_nest_rows(g, n), .parts = cg_nest_rows(g, n)};
    if (!cg_one_worker(n)) r.work = ir_dim_mul(g, count_axes(g, n, false), number(g, expressions));
    return r;
}

/* Reading b costs a unit as much as about fifteen rows. */
static ir_dim rows_and_reading(ir_graph *g, ir_dim rows)
{
    return ir_dim_add(g, ir_dim_min(g, rows, number(g, CG_ROWS)), number(g, 15));
}

/* Of a panel of b, which is packed or decoded by the run, and a row into which packing may write.
 */
static ir_dim panel_scratch(ir_graph *g, cg_format format, ir_dim k)
{
    int64_t rows;
    if (!ir_dim_is_const(g, k, &rows) || rows > CG_LONGEST_K) rows = CG_LONGEST_K;
    return ir_dim_add(g, cg_panel_bytes(g, format, number(g, rows)), number(g, CG_PANEL * CG_CELL));
}

/* Multiplications, sixteen at a time. */
static cg_needs needs_of_gemm(ir_graph *g, const cg_nest *n, int64_t expressions)
{
    const cg_gemm *gm = n->gemm;
    const int batch = n->rank - 3;
    const ir_dim m = n->space[batch], columns = n->space[batch + 1], k = n->space[batch + 2];
    const int64_t group = gm->group * CG_PANEL;
    (void)expressions;
    const ir_dim chunks = ir_dim_mul(g, ir_dim_product(g, n->space, batch), parts(g, m, CG_ROWS));
    cg_needs r = {
        .units = ir_dim_mul(g, chunks, parts(g, columns, group)),
        .parts = ir_dim_mul(g, chunks, parts(g, columns, CG_PANEL)),
        .work = ir_dim_mul(g, rows_and_reading(g, m), ir_dim_mul(g, k, number(g, group / 16)))};
    if (!gm->packed || gm->codes.code) r.scratch = panel_scratch(g, gm->format, k);
    if (gm->narrow == CG_NARROW_I8) {
        int64_t terms = 0;
        ir_dim_is_const(g, k, &terms);
        r.scratch = cg_i8_bytes(g, &gm->codes, m, terms);
    } else if (gm->narrow) {
        r.scratch = cg_narrow_bytes(g, gm->narrow, m, k);
    }
    return r;
}

static ir_dim panels_bytes(ir_graph *g, cg_format format, ir_dim columns, ir_dim k)
{
    return ir_dim_mul(g, parts(g, columns, CG_PANEL), cg_panel_bytes(g, format, k));
}

/* Multiplications, sixteen at a time, packing, and a few operations a score. Scratch: see
 * cg_attention. */
static cg_needs needs_of_attention(ir_graph *g, const cg_nest *n, int64_t expressions)
{
    const cg_attention *a = n->attention;
    const int batch = n->rank - 3;
    const cg_format format = n->gemm->format;
    const ir_dim m = n->space[batch], d = n->space[batch + 1], keys = n->space[batch + 2],
                 k = a->scores.space[batch + 2];
    (void)expressions;
    ir_dim terms = parts(g, ir_dim_add(g, ir_dim_add(g, k, d), number(g, 32)), 16);
    ir_dim rows = ir_dim_mul(g, a->step, number(g, CG_SCORE_ROWS * sizeof(float)));
    ir_dim bytes =
        ir_dim_add(g, panels_bytes(g, format, keys, k), panels_bytes(g, format, d, keys));
    bytes = ir_dim_add(g, ir_dim_add(g, bytes, rows), number(g, CG_PANEL * CG_CELL));
    ir_dim units = ir_dim_mul(g, ir_dim_product(g, n->space, batch), parts(g, m, CG_ROWS));
    return (cg_needs){.units = units,
                      .parts = units,
                      .work = ir_dim_mul(g, ir_dim_mul(g, terms, keys), rows_and_reading(g, m)),
                      .scratch = bytes};
}

static cg_needs (*const needs_functions[])(ir_graph *, const cg_nest *, int64_t) = {
#define KERNEL(id, name, rows, inside, stretch, traits, needs, emit)                               \
    [CG_NEST_##id] = needs_of_##needs,
#include "codegen/kernels/kernels.def"
#undef KERNEL
};

cg_needs cg_needs_of(ir_graph *g, const cg_nest *n, int64_t expressions)
{
    return needs_functions[n->kind](g, n, expressions);
}

size_t cg_nest_buffers(const cg_nest *n) { return n->noperands + 1 + n->extremes; }
