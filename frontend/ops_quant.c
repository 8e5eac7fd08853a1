/* Quantization. In: integer or float8 codes with scales and zero points that are one for the
 * tensor, one a slice of an axis, or one a block of an axis. Out: maps between codes and floats,
 * and integer contracts. A code minus its zero point is exact in i32; results are rounded half to
 * even and saturated by the cast. */
#include "frontend/quant.h"

/* ---- parameters along an axis or its blocks ---- */

typedef struct grid {
    int axis;
    int64_t block; /* 0: no blocks */
} grid;

static lathe_status read_grid(const fe_node *n, grid *q)
{
    const ir_type *x = fe_type(n, 0), *s = fe_type(n, 1);
    ir_graph *g = n->g;
    q->axis = 0;
    q->block = fe_attr_int_or(n, "block_size", 0);
    if (q->block < 0)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute block_size is %lld", (long long)q->block);
    if (fe_is_single(g, s) && !q->block) return LATHE_OK;
    TRY(fe_attr_axis(n, "axis", x->rank, &q->axis));
    if (!q->block) {
        TRY(fe_need_rank(n, 1, 1));
        return fe_need_dim(n, 1, 0, x->dims[q->axis]);
    }
    TRY(fe_need_rank(n, 1, x->rank));
    for (int i = 0; i < x->rank; i++) {
        ir_dim size =
            i == q->axis ? ir_dim_ceildiv(g, x->dims[i], ir_dim_const(g, q->block)) : x->dims[i];
        TRY(fe_need_dim(n, 1, i, size));
    }
    return LATHE_OK;
}

/* The zero point has the scale's shape. */
static lathe_status need_zero(const fe_node *n, size_t k)
{
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_class(n, k, FE_NUMBERS));
    const ir_type *s = fe_type(n, 1);
    if (fe_is_single(n->g, s) && fe_is_single(n->g, fe_type(n, k))) return LATHE_OK;
    TRY(fe_need_rank(n, k, s->rank));
    for (int i = 0; i < s->rank; i++) TRY(fe_need_dim(n, k, i, s->dims[i]));
    return LATHE_OK;
}

/* The element of v, a scale or zero point, for this point of x's space. */
static ir_expr parameter(ir_nest *nest, const grid *q, ir_value v)
{
    ir_graph *g = nest->b->g;
    const ir_type *t = ir_type_of(g, v);
    ir_expr idx[IR_MAX_RANK];
    if (fe_is_single(g, t) && !q->block) return fe_load_scalar(nest, v);
    for (int i = 0; i < t->rank; i++) idx[i] = ir_nest_index(nest, q->block ? i : q->axis);
    if (q->block) idx[q->axis] = X2(FLOORDIV, idx[q->axis], XI(q->block));
    return ir_nest_load(nest, v, idx);
}

lathe_status fe_import_dequantize(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    grid q;
    TRY(fe_need_class(n, 0, FE_NUMBERS));
    TRY(fe_need_class(n, 1, "FL"));
    TRY(read_grid(n, &q));
    TRY(need_zero(n, 2));
    TRY(fe_need_same(n, 0, 2));
    ir_elem out = (ir_elem)fe_attr_int_or(n, "output_dtype", 0);
    if (out == IR_ELEM_NONE) out = fe_type(n, 1)->elem;
    if (!ir_elem_is_float(out))
        return fe_fail(n, LATHE_BAD_INPUT, "attribute output_dtype is %d, no float type", (int)out);
    const ir_type t = *fe_type(n, 0);
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr zero = fe_has(n, 2) ? parameter(&nest, &q, fe_in(n, 2)) : IR_NONE;
    ir_expr x = fe_x_centred(g, ir_nest_read(&nest, fe_in(n, 0)), zero),
            scale = parameter(&nest, &q, fe_in(n, 1));
    x = X2(MUL, ir_x_cast(g, x, ir_expr_get(g, scale)->type), scale);
    fe_out(n, 0, ir_nest_map(&nest, out, ir_x_cast(g, x, ir_elem_arith(out))));
    return LATHE_OK;
}

static lathe_status code_type(const fe_node *n, size_t zero, ir_elem *out)
{
    *out = fe_has(n, zero) ? fe_type(n, zero)->elem : (ir_elem)fe_attr_int_or(n, "output_dtype", 0);
    if (*out == IR_ELEM_NONE) *out = IR_U8;
    bool narrow_float = ir_elem_class(*out) == 'L' && ir_elem_bits(*out) <= 8;
    if (ir_elem_is_int(*out) || narrow_float) return LATHE_OK;
    return fe_expect(n, "the codes have element type", ir_elem_name(*out),
                     "integers or floats of at most 8 bits");
}

lathe_status fe_import_quantize(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    grid q;
    ir_elem out;
    TRY(fe_need_class(n, 0, "FLS"));
    TRY(fe_need_class(n, 1, "FLS"));
    TRY(read_grid(n, &q));
    TRY(need_zero(n, 2));
    TRY(code_type(n, 2, &out));
    const ir_type t = *fe_type(n, 0);
    ir_elem type = t.elem == IR_F64 ? IR_F64 : IR_F32;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, fe_in(n, 0)), type);
    x = X2(DIV, x, ir_x_cast(g, parameter(&nest, &q, fe_in(n, 1)), type));
    ir_expr zero = fe_has(n, 2) ? parameter(&nest, &q, fe_in(n, 2)) : IR_NONE;
    fe_out(n, 0, fe_store_code(&nest, x, zero, out, fe_attr_int_or(n, "saturate", 1) != 0));
    return LATHE_OK;
}

lathe_status fe_import_dynamic_quantize(fe_node *n)
{
    fe_codes q;
    TRY(fe_need_class(n, 0, "F"));
    if (!fe_dynamic_codes(&n->b, fe_in(n, 0), &q)) return LATHE_BAD_INPUT;
    fe_out(n, 0, q.codes);
    fe_out(n, 1, q.scale);
    fe_out(n, 2, q.zero);
    return LATHE_OK;
}

/* ---- products of codes ---- */

lathe_status fe_import_matmulinteger(fe_node *n)
{
    for (size_t k = 0; k < 4; k++)
        if (k < 2 || fe_has(n, k)) TRY(fe_need_class(n, k, "SU"));
    ir_value a = fe_shifted(&n->b, fe_in(n, 0), fe_in(n, 2), true);
    ir_value b = fe_shifted(&n->b, fe_in(n, 1), fe_in(n, 3), false);
    fe_out(n, 0, fe_matmul(&n->b, a, b, false, false, IR_I32));
    return LATHE_OK;
}

/* a, scale, zero; b, scale, zero; scale and zero of y. */
lathe_status fe_import_qlinearmatmul(fe_node *n)
{
    ir_graph *g = n->g;
    ir_builder *to = &n->b;
    ir_nest nest;
    ir_elem out;
    for (size_t k = 0; k < 8; k++)
        TRY(fe_need_class(n, k, k == 1 || k == 4 || k == 6 ? "FL" : FE_NUMBERS));
    TRY(code_type(n, 7, &out));
    ir_value a = fe_shifted(to, fe_in(n, 0), fe_in(n, 2), true);
    ir_value b = fe_shifted(to, fe_in(n, 3), fe_in(n, 5), false);
    if (a == IR_NONE || b == IR_NONE) return LATHE_BAD_INPUT;
    ir_value sum = fe_matmul(to, a, b, false, false, ir_type_of(g, a)->elem);
    ir_value v[] = {sum, fe_row_parameter(to, fe_in(n, 1)), fe_single_as_scalar(to, fe_in(n, 4)),
                    fe_row_parameter(to, fe_in(n, 6)), fe_row_parameter(to, fe_in(n, 7))};
    if (!fe_broadcast(&nest, to, v, 5)) return LATHE_BAD_INPUT;
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, v[0]), IR_F32), scale[3];
    for (int i = 0; i < 3; i++) scale[i] = ir_x_cast(g, ir_nest_read(&nest, v[i + 1]), IR_F32);
    x = X2(MUL, x, X2(DIV, X2(MUL, scale[0], scale[1]), scale[2]));
    fe_out(n, 0, fe_store_code(&nest, x, ir_nest_read(&nest, v[4]), out, true));
    return LATHE_OK;
}
