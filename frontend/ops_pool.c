/* Importers of pools. In: data [n, channels, spatial...]. Out: `pool` nodes, and nests written out
 * where a pool node has no form: the maximum's place is an arg_reduce over the flattened kernel, Lp
 * a reduction of powers. Elements beside the input are masked, never read. */
#include "frontend/window.h"
#include <float.h>
#include <math.h>

typedef struct pool {
    fe_window w;
    ir_type x;
    ir_dim dims[2 + FE_MAX_SPATIAL];
} pool;

static lathe_status read_pool(fe_node *n, pool *p)
{
    TRY(fe_need_arith(n, 0));
    p->x = *fe_type(n, 0);
    p->w.kernel[0] = IR_NONE;
    TRY(fe_window_read(n, p->x.rank - 2, &p->w));
    p->dims[0] = p->x.dims[0];
    p->dims[1] = p->x.dims[1];
    return fe_window_slide(n, &p->w, p->x.dims + 2, fe_attr_int_or(n, "ceil_mode", 0) != 0,
                           p->dims + 2);
}

static ir_value pool_node(fe_node *n, const pool *p, const char *kind, bool include_pad)
{
    ir_value x = fe_in(n, 0);
    ir_attr attrs[FE_WINDOW_ATTRS + 2];
    fe_window_attrs(n->g, &p->w, p->dims, attrs);
    attrs[FE_WINDOW_ATTRS] = ir_a_str(n->g, IR_KEY_kind, kind);
    attrs[FE_WINDOW_ATTRS + 1] = ir_a_int(IR_KEY_include_pad, include_pad);
    ir_node_id id =
        ir_node_new(&n->b, IR_OP_POOL, &x, 1, attrs, FE_WINDOW_ATTRS + 2, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : n->g->nodes[id].results[0];
}

lathe_status fe_import_average_pool(fe_node *n)
{
    pool p;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(read_pool(n, &p));
    fe_out(n, 0, pool_node(n, &p, "avg", fe_attr_int(n, "count_include_pad") != 0));
    return LATHE_OK;
}

/* ---- MaxPool with places ---- */

static ir_expr lowest(ir_graph *g, ir_elem arith)
{
    if (ir_elem_is_float(arith)) return ir_x_float(g, arith, -HUGE_VAL);
    if (ir_elem_class(arith) != 'S') return ir_x_int(g, arith, 0);
    return ir_x_int(g, arith, (int64_t)(UINT64_MAX << (ir_elem_bits(arith) - 1)));
}

static void lead_indices(ir_graph *g, const pool *p, ir_expr *lead, ir_expr *at)
{
    for (int i = 0; i < 2; i++) lead[i] = ir_x_index(g, i);
    for (int i = 0; i < p->w.n; i++) at[i] = ir_x_index(g, 2 + i);
}

/* For every window, which element of the kernel is the greatest. */
static ir_value greatest(fe_node *n, const pool *p)
{
    ir_graph *g = n->g;
    ir_dim space[3 + FE_MAX_SPATIAL];
    ir_expr lead[2], at[FE_MAX_SPATIAL], k[FE_MAX_SPATIAL];
    int rank = 2 + p->w.n;
    for (int i = 0; i < rank; i++) space[i] = p->dims[i];
    space[rank] = ir_dim_product(g, p->w.kernel, p->w.n);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, rank + 1, space, 1);
    lead_indices(g, p, lead, at);
    fe_window_unflatten(g, &p->w, ir_x_index(g, rank), k);
    for (int i = 0; i < p->w.n; i++) at[i] = fe_window_position(g, &p->w, i, at[i], k[i]);
    ir_expr none = lowest(g, ir_elem_arith(p->x.elem));
    return ir_nest_arg(&nest, "max", false,
                       fe_window_load(&nest, fe_in(n, 0), lead, at, p->w.n, none));
}

/* Positions in the input of what `places` says, in a nest over the result. */
static void place_positions(ir_nest *nest, const pool *p, ir_value places, ir_expr *lead,
                            ir_expr *at)
{
    ir_graph *g = nest->b->g;
    ir_expr idx[2 + FE_MAX_SPATIAL], k[FE_MAX_SPATIAL];
    lead_indices(g, p, lead, at);
    for (int i = 0; i < 2 + p->w.n; i++) idx[i] = ir_x_index(g, i);
    fe_window_unflatten(g, &p->w, ir_nest_load(nest, places, idx), k);
    for (int i = 0; i < p->w.n; i++) at[i] = fe_window_position(g, &p->w, i, at[i], k[i]);
}

static ir_value place_values(fe_node *n, const pool *p, ir_value places)
{
    ir_nest nest;
    ir_expr lead[2], at[FE_MAX_SPATIAL];
    ir_nest_begin(&nest, &n->b, 2 + p->w.n, p->dims, 0);
    place_positions(&nest, p, places, lead, at);
    ir_expr none = lowest(n->g, ir_elem_arith(p->x.elem));
    return ir_nest_map(&nest, p->x.elem,
                       fe_window_load(&nest, fe_in(n, 0), lead, at, p->w.n, none));
}

/* Flat index in the whole input; column-major counts the first spatial axis fastest. */
static ir_value place_indices(fe_node *n, const pool *p, ir_value places, bool column_major)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_expr lead[2], at[FE_MAX_SPATIAL];
    ir_nest_begin(&nest, &n->b, 2 + p->w.n, p->dims, 0);
    place_positions(&nest, p, places, lead, at);
    ir_expr flat = X2(ADD, X2(MUL, lead[0], XD(p->x.dims[1])), lead[1]);
    for (int j = 0; j < p->w.n; j++) flat = X2(MUL, flat, XD(p->x.dims[2 + j]));
    ir_expr inner = XI(0);
    for (int j = 0; j < p->w.n; j++) {
        int i = column_major ? p->w.n - 1 - j : j;
        inner = X2(ADD, X2(MUL, inner, XD(p->x.dims[2 + i])), at[i]);
    }
    return ir_nest_map(&nest, IR_I64, X2(ADD, flat, inner));
}

lathe_status fe_import_max_pool(fe_node *n)
{
    pool p;
    TRY(read_pool(n, &p));
    if (!fe_wants(n, 1)) {
        fe_out(n, 0, pool_node(n, &p, "max", false));
        return LATHE_OK;
    }
    ir_value places = greatest(n, &p);
    if (places == IR_NONE) return LATHE_BAD_INPUT;
    if (fe_wants(n, 0)) fe_out(n, 0, place_values(n, &p, places));
    fe_out(n, 1, place_indices(n, &p, places, fe_attr_int_or(n, "storage_order", 0) != 0));
    return LATHE_OK;
}

/* ---- MaxpoolWithMask, of com.microsoft ---- */

/* The last place along the last axis, up to each, where the mask is 0; -1 without one. Where there
 * is more than one spatial axis the first element of all is never masked. [channels, spatial...] */
static ir_value last_masked(fe_node *n, ir_dim channels)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_type t = *fe_type(n, 1);
    int rank = t.rank - 1;
    t.dims[1] = channels;
    ir_value mask = ir_reshape(&n->b, fe_in(n, 1), rank, t.dims + 1);
    if (mask == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, &n->b, rank, t.dims + 1, 0);
    ir_expr at = ir_x_index(g, rank - 1), x = ir_nest_read(&nest, mask),
            masked = X2(EQ, x, XN(x, 0)), first = ir_x_int(g, IR_BOOL, rank > 2);
    for (int i = 1; i < rank; i++) first = X2(AND, first, X2(EQ, ir_x_index(g, i), XI(0)));
    masked = X2(AND, masked, X1(NOT, first));
    return ir_nest_cumulate(&nest, "max", rank - 1, false, false, IR_I64,
                            ir_x_select(g, masked, at, XI(-1)));
}

static lathe_status read_mask(fe_node *n, const pool *p, ir_dim *channels)
{
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_rank(n, 1, p->x.rank));
    for (int i = 2; i < p->x.rank; i++) TRY(fe_need_dim(n, 1, i, p->x.dims[i]));
    *channels = ir_dim_mul(n->g, fe_type(n, 1)->dims[0], fe_type(n, 1)->dims[1]);
    if (!ir_dim_equals(n->g, *channels, 0)) return LATHE_OK;
    return fe_expect_input(n, 1, "has a number of channels of", "0", "a positive one");
}

/* Along the last axis a window ends where its mask is 0. The mask's channels repeat. */
lathe_status fe_import_masked_max_pool(fe_node *n)
{
    ir_graph *g = n->g;
    pool p;
    ir_dim channels, space[2 + 2 * FE_MAX_SPATIAL];
    ir_expr lead[2], at[FE_MAX_SPATIAL], inner, idx[1 + FE_MAX_SPATIAL];
    ir_nest nest;
    TRY(read_pool(n, &p));
    TRY(read_mask(n, &p, &channels));
    int rank = 2 + p.w.n, last = p.w.n - 1;
    ir_value ends = last_masked(n, channels);
    if (ends == IR_NONE) return LATHE_BAD_INPUT;
    for (int i = 0; i < rank; i++) space[i] = p.dims[i];
    for (int i = 0; i < p.w.n; i++) space[rank + i] = p.w.kernel[i];
    ir_nest_begin(&nest, &n->b, rank + p.w.n, space, p.w.n);
    lead_indices(g, &p, lead, at);
    inner = at[last];
    for (int i = 0; i < p.w.n; i++)
        at[i] = fe_window_position(g, &p.w, i, at[i], ir_x_index(g, rank + i));
    ir_expr from = X2(MAX, fe_window_position(g, &p.w, last, inner, XI(0)), XI(0));
    ir_expr lowest_one = ir_x_num(g, ir_elem_arith(p.x.elem), -FLT_MAX);
    ir_expr x = fe_window_load(&nest, fe_in(n, 0), lead, at, p.w.n, lowest_one);
    idx[0] = X2(MOD, X2(ADD, X2(MUL, lead[0], XD(p.x.dims[1])), lead[1]), XD(channels));
    for (int i = 0; i < p.w.n; i++)
        idx[1 + i] =
            fe_x_clamp(g, at[i], XI(0), XD(ir_dim_sub(g, p.x.dims[2 + i], ir_dim_const(g, 1))));
    x = ir_x_select(g, X2(LT, ir_nest_load(&nest, ends, idx), from), x, lowest_one);
    fe_out(n, 0, ir_nest_reduce(&nest, IR_OP_REDUCE, "max", p.x.elem, x));
    return LATHE_OK;
}

/* ---- Lp ---- */

static ir_expr power(ir_graph *g, ir_expr x, double p)
{
    x = X1(ABS, x);
    if (p == 1) return x;
    return p == 2 ? X2(MUL, x, x) : X2(POW, x, XN(x, p));
}

static ir_value root(fe_node *n, ir_value sums, double p, ir_elem elem)
{
    ir_graph *g = n->g;
    ir_nest nest;
    if (!fe_broadcast(&nest, &n->b, &sums, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, sums);
    if (p != 1) x = p == 2 ? X1(SQRT, x) : X2(POW, x, XN(x, 1 / p));
    return ir_nest_map(&nest, elem, x);
}

/* p is a float in opset 1, an integer since. */
static lathe_status exponent(fe_node *n, double *p)
{
    *p = n->version < 2 ? fe_attr_float(n, "p") : (double)fe_attr_int(n, "p");
    return *p > 0 ? LATHE_OK
                  : fe_expect(n, "attribute p is", ir_format(n->g->arena, "%g", *p), "more than 0");
}

lathe_status fe_import_lp_pool(fe_node *n)
{
    ir_graph *g = n->g;
    pool p;
    double exp;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(read_pool(n, &p));
    TRY(exponent(n, &exp));
    ir_dim space[2 + 2 * FE_MAX_SPATIAL];
    ir_expr lead[2], at[FE_MAX_SPATIAL];
    int rank = 2 + p.w.n;
    for (int i = 0; i < rank; i++) space[i] = p.dims[i];
    for (int i = 0; i < p.w.n; i++) space[rank + i] = p.w.kernel[i];
    ir_elem arith = ir_elem_arith(p.x.elem);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, rank + p.w.n, space, p.w.n);
    lead_indices(g, &p, lead, at);
    for (int i = 0; i < p.w.n; i++)
        at[i] = fe_window_position(g, &p.w, i, at[i], ir_x_index(g, rank + i));
    ir_expr x = fe_window_load(&nest, fe_in(n, 0), lead, at, p.w.n, ir_x_num(g, arith, 0));
    ir_value sums = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", arith, power(g, x, exp));
    fe_out(n, 0, root(n, sums, exp, p.x.elem));
    return LATHE_OK;
}

/* ---- over everything ---- */

static lathe_status spatial_axes(fe_node *n, unsigned *axes)
{
    TRY(fe_need_class(n, 0, "FL"));
    int rank = fe_type(n, 0)->rank;
    if (rank < 3) return fe_expect_input(n, 0, "has rank", fe_number(n, rank), "3 or more");
    *axes = ((1u << rank) - 1) & ~3u;
    return LATHE_OK;
}

lathe_status fe_import_global_average_pool(fe_node *n)
{
    unsigned axes;
    TRY(spatial_axes(n, &axes));
    ir_value mean = fe_mean(&n->b, fe_in(n, 0), axes);
    fe_out(n, 0, mean == IR_NONE ? IR_NONE : ir_cast(&n->b, mean, fe_type(n, 0)->elem));
    return LATHE_OK;
}

lathe_status fe_import_global_max_pool(fe_node *n)
{
    unsigned axes;
    TRY(spatial_axes(n, &axes));
    fe_out(n, 0, fe_reduce(&n->b, "max", fe_in(n, 0), axes, fe_type(n, 0)->elem, true));
    return LATHE_OK;
}

lathe_status fe_import_global_lp_pool(fe_node *n)
{
    unsigned axes;
    double p;
    TRY(spatial_axes(n, &axes));
    TRY(exponent(n, &p));
    ir_elem elem = fe_type(n, 0)->elem;
    fe_fold f;
    if (!fe_fold_begin(&f, &n->b, fe_in(n, 0), axes)) return LATHE_BAD_INPUT;
    ir_value sums = fe_fold_end(&f, "sum", ir_elem_arith(elem), power(n->g, f.x, p), true);
    fe_out(n, 0, root(n, sums, p, elem));
    return LATHE_OK;
}
