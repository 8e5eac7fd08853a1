/* Shared by importers of quantised operators. In: codes, scales and zero points; out: maps between
 * codes and floats. Results are rounded half to even and saturated by the cast. */
#include "frontend/quant.h"

bool fe_is_single(ir_graph *g, const ir_type *t)
{
    return t->rank == 0 || (t->rank == 1 && ir_dim_equals(g, t->dims[0], 1));
}

lathe_status fe_need_single(const fe_node *n, size_t k, const char *classes)
{
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_need_class(n, k, classes));
    if (fe_is_single(n->g, fe_type(n, k))) return LATHE_OK;
    return fe_expect_input(n, k, "is", ir_type_text(n->g, fe_type(n, k)), "one element");
}

ir_value fe_single_as_scalar(ir_builder *b, ir_value v)
{
    if (v == IR_NONE) return v;
    const ir_type *t = ir_type_of(b->g, v);
    return t->rank == 1 && ir_dim_equals(b->g, t->dims[0], 1) ? ir_reshape(b, v, 0, NULL) : v;
}

ir_expr fe_x_centred(ir_graph *g, ir_expr code, ir_expr zero)
{
    ir_elem type = ir_elem_is_int(ir_expr_get(g, code)->type) ? IR_I32 : IR_F32;
    code = ir_x_cast(g, code, type);
    return zero == IR_NONE ? code : X2(SUB, code, ir_x_cast(g, zero, type));
}

ir_value fe_store_code(ir_nest *nest, ir_expr x, ir_expr zero, ir_elem out, bool saturate)
{
    ir_graph *g = nest->b->g;
    ir_elem type = ir_expr_get(g, x)->type;
    bool integer = ir_elem_is_int(out);
    if (integer) x = X1(ROUND, x);
    double known;
    bool none = zero == IR_NONE || (integer && ir_x_is_const(g, zero, NULL, &known) && known == 0);
    if (!none) x = X2(ADD, x, ir_x_cast(g, zero, type));
    if (integer || !saturate) return ir_nest_map(nest, out, ir_x_cast(g, x, out));
    x = ir_x_cast(g, x, IR_F32);
    return ir_nest_map(nest, out, ir_x_make(g, IR_X_CASTSAT, IR_F32, out, &x, 1));
}

/* ---- products ---- */

ir_value fe_row_parameter(ir_builder *b, ir_value v)
{
    v = fe_single_as_scalar(b, v);
    return v != IR_NONE && ir_type_of(b->g, v)->rank == 1 ? ir_unsqueeze(b, v, 1) : v;
}

ir_value fe_shifted(ir_builder *b, ir_value v, ir_value zero, bool left)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (v == IR_NONE) return IR_NONE;
    zero = left ? fe_row_parameter(b, zero) : fe_single_as_scalar(b, zero);
    const ir_type t = *ir_type_of(g, v);
    int zrank = zero == IR_NONE ? 0 : ir_type_of(g, zero)->rank;
    if (zrank > t.rank || (zrank && t.rank == 1))
        return fe_refuse(b, "zero points %s do not fit an operand %s",
                         ir_type_text(g, ir_type_of(g, zero)), ir_type_text(g, &t));
    if (!fe_broadcast(&nest, b, (ir_value[]){v, zero}, zero == IR_NONE ? 1 : 2)) return IR_NONE;
    ir_expr x = fe_x_centred(g, ir_nest_read(&nest, v),
                             zero == IR_NONE ? IR_NONE : ir_nest_read(&nest, zero));
    ir_value r = ir_nest_map(&nest, ir_expr_get(g, x)->type, x);
    const ir_type *made = ir_type_of(g, r);
    for (int i = 0; r != IR_NONE && i < t.rank; i++) {
        if (!ir_dim_require(g, made->dims[i], t.dims[i]))
            return fe_refuse(b, "zero points %s do not fit an operand %s",
                             ir_type_text(g, ir_type_of(g, zero)), ir_type_text(g, &t));
    }
    return r;
}

ir_value fe_scaled_sum(ir_builder *b, ir_value sum, ir_value p, ir_value q, ir_value bias,
                       ir_elem out)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_value v[] = {sum, fe_row_parameter(b, p), fe_single_as_scalar(b, q), bias};
    if (!fe_broadcast(&nest, b, v, bias == IR_NONE ? 3 : 4)) return IR_NONE;
    ir_expr scale = X2(MUL, ir_x_cast(g, ir_nest_read(&nest, v[1]), IR_F32),
                       ir_x_cast(g, ir_nest_read(&nest, v[2]), IR_F32));
    ir_expr x = X2(MUL, ir_x_cast(g, ir_nest_read(&nest, sum), IR_F32), scale);
    if (bias != IR_NONE) x = X2(ADD, x, ir_x_cast(g, ir_nest_read(&nest, bias), IR_F32));
    return ir_nest_map(&nest, out, x);
}

/* ---- packed codes ---- */

ir_expr fe_x_packed_code(ir_nest *nest, ir_value v, const ir_expr *lead, int nlead, ir_expr at,
                         int64_t bits)
{
    ir_graph *g = nest->b->g;
    ir_expr idx[IR_MAX_RANK], per = XI(8 / bits);
    for (int i = 0; i < nlead; i++) idx[i] = lead[i];
    idx[nlead] = X2(FLOORDIV, at, per);
    ir_expr byte = ir_nest_load(nest, v, idx);
    if (bits == 8) return byte;
    ir_expr shift = ir_x_cast(g, X2(MUL, X2(MOD, at, per), XI(bits)), IR_U8);
    return X2(AND, X2(SHR, byte, shift), XN(byte, (double)((1 << bits) - 1)));
}

lathe_status fe_need_code_bits(const fe_node *n, const char *name, int64_t bits)
{
    if (bits == 2 || bits == 4 || bits == 8) return LATHE_OK;
    return fe_expect(n, ir_format(n->g->arena, "attribute %s is", name), fe_number(n, bits),
                     "2, 4 or 8");
}

lathe_status fe_need_block(const fe_node *n, int64_t block)
{
    if (block >= 16 && block <= INT32_MAX && !(block & (block - 1))) return LATHE_OK;
    return fe_expect(n, "attribute block_size is", fe_number(n, block), "a power of 2, 16 or more");
}

/* ---- DynamicQuantizeLinear ---- */

/* The last axes of x that hold enough elements to go along, and are short enough to be still in the
 * first-level cache when they are gone along again. */
static int rows_of(const ir_graph *g, const ir_type *x)
{
    enum { ENOUGH = 64 };
    int64_t size, along = 1;
    int rows = x->rank;
    while (rows > 0 && along < ENOUGH) {
        if (!ir_dim_is_const(g, x->dims[--rows], &size)) break;
        along = size < ENOUGH ? along * size : ENOUGH;
    }
    return rows;
}

/* [max(-x), max(x)]: first of each row, so that memory is read once, then of all rows. */
static ir_value extremes(ir_builder *b, ir_value x)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_dim space[IR_MAX_RANK + 1], two = ir_dim_const(g, 2);
    ir_expr idx[IR_MAX_RANK];
    if (ir_type_of(g, x)->rank == 0) x = ir_unsqueeze(b, x, 0);
    const ir_type t = *ir_type_of(g, x);
    int rows = rows_of(g, &t);
    for (int i = 0; i < t.rank; i++) space[i < rows ? i : i + 1] = t.dims[i];
    space[rows] = two;
    ir_nest_begin(&nest, b, t.rank + 1, space, t.rank - rows);
    for (int i = 0; i < t.rank; i++) idx[i] = ir_nest_index(&nest, i < rows ? i : i + 1);
    ir_expr first = X2(EQ, ir_nest_index(&nest, rows), XI(0));
    ir_expr sign = ir_x_select(g, first, ir_x_float(g, IR_F32, -1), ir_x_float(g, IR_F32, 1));
    ir_value r = ir_nest_reduce(&nest, IR_OP_REDUCE, "max", IR_F32,
                                X2(MUL, ir_nest_load(&nest, x, idx), sign));
    return rows && r != IR_NONE ? fe_reduce(b, "max", r, (1u << rows) - 1, IR_F32, false) : r;
}

/* The extreme of x and 0 that stands at this place of extremes(x). */
static ir_value extreme(ir_builder *b, ir_value of, int at)
{
    ir_graph *g = b->g;
    ir_nest nest;
    if (of == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, b, 0, NULL, 0);
    ir_expr place = XI(at), e = ir_nest_load(&nest, of, &place);
    return ir_nest_map(&nest, IR_F32, at ? X2(MAX, e, XN(e, 0)) : X2(MIN, X1(NEG, e), XN(e, 0)));
}

bool fe_dynamic_codes(ir_builder *b, ir_value x, fe_codes *q)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_value both = extremes(b, x), low = extreme(b, both, 0), high = extreme(b, both, 1);
    if (!fe_broadcast(&nest, b, (ir_value[]){low, high}, 2)) return false;
    ir_expr range = X2(SUB, ir_nest_read(&nest, high), ir_nest_read(&nest, low));
    /* A tensor of zeros has no range; any scale gives it back. */
    range = ir_x_select(g, X2(EQ, range, XN(range, 0)), XN(range, 255), range);
    q->scale = ir_nest_map(&nest, IR_F32, X2(DIV, range, XN(range, 255)));
    if (!fe_broadcast(&nest, b, (ir_value[]){low, q->scale}, 2)) return false;
    ir_expr offset = X2(DIV, X1(NEG, ir_nest_read(&nest, low)), ir_nest_read(&nest, q->scale));
    q->zero = ir_nest_map(&nest, IR_U8, ir_x_cast(g, X1(ROUND, offset), IR_U8));
    if (!fe_broadcast(&nest, b, (ir_value[]){x, q->scale, q->zero}, 3)) return false;
    ir_expr code = X2(DIV, ir_nest_read(&nest, x), ir_nest_read(&nest, q->scale));
    q->codes = fe_store_code(&nest, code, ir_nest_read(&nest, q->zero), IR_U8, true);
    return q->codes != IR_NONE;
}
