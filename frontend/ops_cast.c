/* Cast, CastLike and BitCast. In: their nodes; out: one map each. Casts of the IR round to nearest
 * and saturate integers of eight bits and more; what ONNX wants otherwise is an expression around
 * them: sub-byte integers keep the low bits, float8 saturates unless told not to, and the
 * exponent-only float8 has rounding modes, which are arithmetic on the bits of an f32. */
#include "frontend/build.h"

#include <string.h>

#define NUMBERS "FLSU"

/* x as a power of two that the cast to f8e8m0, which rounds up, leaves as it is. */
static ir_expr round_exponent(ir_graph *g, ir_expr x, bool nearest)
{
    int64_t to_bits = IR_F32 | IR_U32 << 8, to_float = IR_U32 | IR_F32 << 8;
    ir_expr bits = ir_x_make(g, IR_X_BITCAST, IR_U32, to_bits, &x, 1);
    if (nearest) bits = X2(ADD, bits, ir_x_int(g, IR_U32, 0x400000));
    bits = X2(AND, bits, ir_x_int(g, IR_U32, 0xFF800000));
    bits = ir_x_make(g, IR_X_BITCAST, IR_F32, to_float, &bits, 1);
    return ir_x_select(g, X2(OR, X1(ISNAN, x), X1(ISINF, x)), x, bits);
}

static ir_expr converted(const fe_node *n, ir_expr x, ir_elem to)
{
    ir_graph *g = n->g;
    const char *mode = fe_attr_str(n, "round_mode");
    bool narrow_float = ir_elem_class(to) == 'L' && ir_elem_bits(to) <= 8;
    if (ir_elem_is_float(ir_expr_get(g, x)->type) && ir_elem_is_int(to) && ir_elem_bits(to) < 8)
        x = ir_x_cast(g, x, IR_I32);
    if (narrow_float) x = ir_x_cast(g, x, IR_F32);
    if (to == IR_F8E8M0 && strcmp(mode, "up") != 0)
        x = round_exponent(g, x, strcmp(mode, "nearest") == 0);
    if (!narrow_float || !fe_attr_int(n, "saturate")) return ir_x_cast(g, x, to);
    return ir_x_make(g, IR_X_CASTSAT, IR_F32, to, &x, 1);
}

static lathe_status import_cast(fe_node *n, ir_elem to)
{
    ir_nest nest;
    TRY(fe_need_rank(n, 0, -1));
    if (ir_elem_class(to) == 0)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute to names no element type");
    ir_value v = fe_in(n, 0);
    if (fe_type(n, 0)->elem == to) {
        fe_out(n, 0, v);
        return LATHE_OK;
    }
    const char *mode = fe_attr_str(n, "round_mode");
    if (strcmp(mode, "up") != 0 && strcmp(mode, "down") != 0 && strcmp(mode, "nearest") != 0)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute round_mode is '%s', expected up, down or nearest", mode);
    TRY(fe_need_class(n, 0, NUMBERS "B"));
    if (!ir_elem_computes(to))
        return fe_fail(n, LATHE_UNSUPPORTED, "element type %s cannot be cast to", ir_elem_name(to));
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    fe_out(n, 0, ir_nest_map(&nest, to, converted(n, ir_nest_read(&nest, v), to)));
    return LATHE_OK;
}

/* Opset < 6 names the type by a string. */
static ir_elem attr_elem(const fe_node *n)
{
    static const struct {
        const char *name;
        ir_elem elem;
    } names[] = {
        {"FLOAT", IR_F32},   {"UINT8", IR_U8},   {"INT8", IR_I8},    {"UINT16", IR_U16},
        {"INT16", IR_I16},   {"INT32", IR_I32},  {"INT64", IR_I64},  {"BOOL", IR_BOOL},
        {"FLOAT16", IR_F16}, {"DOUBLE", IR_F64}, {"UINT32", IR_U32}, {"UINT64", IR_U64},
    };
    if (n->version >= 6) {
        int64_t to = fe_attr_int(n, "to");
        return to > 0 && to < IR_ELEM_COUNT ? (ir_elem)to : IR_ELEM_NONE;
    }
    const char *to = fe_attr_str(n, "to");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, to) == 0) return names[i].elem;
    return IR_ELEM_NONE;
}

lathe_status fe_import_cast(fe_node *n) { return import_cast(n, attr_elem(n)); }

lathe_status fe_import_castlike(fe_node *n)
{
    TRY(fe_need_rank(n, 1, -1));
    return import_cast(n, fe_type(n, 1)->elem);
}

lathe_status fe_import_bitcast(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    TRY(fe_need_class(n, 0, NUMBERS "B"));
    ir_elem from = fe_type(n, 0)->elem, to = attr_elem(n);
    if (!ir_elem_computes(to))
        return fe_fail(n, LATHE_UNSUPPORTED, "attribute to is %lld, expected numbers or bool",
                       (long long)fe_attr_int(n, "to"));
    if (ir_elem_bits(from) != ir_elem_bits(to))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "%s cannot be cast bit by bit to %s, which has another width",
                       ir_elem_name(from), ir_elem_name(to));
    ir_value v = fe_in(n, 0);
    if (!fe_broadcast(&nest, &n->b, &v, 1)) return LATHE_BAD_INPUT;
    ir_expr x = ir_nest_read(&nest, v);
    if (from != to)
        x = ir_x_make(g, IR_X_BITCAST, ir_elem_arith(to), (int64_t)from | (int64_t)to << 8, &x, 1);
    fe_out(n, 0, ir_nest_map(&nest, to, x));
    return LATHE_OK;
}
