/* Reads numbers as scale * (code - zero).
 *
 * In: an expression, and the maps behind its loads, looked into only as far as the form goes on. A
 * value whose elements are integers of at most 8 bits is the end: its elements are the codes,
 * whatever made them. Out: the load of the code, the zero point and the scale at that point.
 *
 * What commutes with the form is done to the codes: zeros around a tensor are zero points around
 * its codes, max(x, 0) is max(code, zero) for a scale that is not negative. A reader that has no
 * such codes in memory gets them: a map that stores bytes is appended where the builder stands. */
#include "passes/codes.h"
#include "passes/nest.h"

#include <math.h>
#include <string.h>

enum { MOST_DEPTH = 32, MOST_UNIFORM = 1 << 16 };

static bool read(codes_reader *r, ir_expr e, codes_form *c);

/* ---- loads ---- */

static ir_value loaded(const codes_reader *r, const ir_expr_node *load)
{
    return r->loads.args[load->imm];
}

static bool holds_codes(const ir_graph *g, ir_value v)
{
    ir_elem elem = ir_type_of(g, v)->elem;
    return ir_elem_is_int(elem) && ir_elem_bits(elem) <= 8;
}

typedef struct renumbering {
    ir_nest *to;
    const ir_value *operands;
    bool known; /* known elements take the place of loads */
} renumbering;

static ir_expr renumber_load(void *ctx, const ir_expr_node *load)
{
    const renumbering *n = ctx;
    ir_value v = n->operands[load->imm];
    return n->known ? ir_nest_load(n->to, v, load->args) : pass_plain_load(n->to, v, load->args);
}

static ir_expr renumber(ir_graph *g, ir_expr e, ir_nest *to, const ir_value *operands, bool known)
{
    renumbering n = {to, operands, known};
    return e == IR_NONE ? IR_NONE
                        : ir_x_rewrite(g, e, &(ir_rewrite){.ctx = &n, .load = renumber_load});
}

/* e at another point. */
static ir_expr at(ir_graph *g, ir_expr e, const ir_expr *idx)
{
    return ir_x_rewrite(g, e, &(ir_rewrite){.at = idx});
}

void codes_begin(codes_reader *r, ir_builder *b)
{
    *r = (codes_reader){.g = b->g};
    ir_nest_begin(&r->loads, b, 0, NULL, 0);
}

ir_expr codes_of(codes_reader *r, ir_expr e, const ir_value *operands)
{
    return renumber(r->g, e, &r->loads, operands, false);
}

ir_expr codes_load(codes_reader *r, ir_expr e, ir_nest *nest, bool known)
{
    return renumber(r->g, e, nest, r->loads.args, known);
}

/* ---- zero points ---- */

/* The one value that all elements of a constant have. */
static bool is_uniform(const ir_graph *g, ir_value v, int64_t *value)
{
    const ir_node *def = &g->nodes[g->values[v].def];
    const ir_type *t = ir_type_of(g, v);
    ir_scalar_value first, x;
    if (def->op != IR_OP_CONST || !ir_elem_is_int(t->elem)) return false;
    const ir_blob *blob = &ir_attr_find(def, IR_KEY_data)->u.blob;
    if (!ir_blob_get(t->elem, blob, 0, &first)) return false;
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t size;
        if (!ir_dim_is_const(g, t->dims[i], &size) || size <= 0 || size > MOST_UNIFORM / n)
            return false;
        n *= size;
    }
    for (int64_t i = 1; i < n; i++)
        if (!ir_blob_get(t->elem, blob, i, &x) || x.i != first.i) return false;
    *value = first.i;
    return true;
}

/* An integer of at most 8 bits, as an i32. */
static ir_expr small_integer(codes_reader *r, ir_expr e)
{
    ir_graph *g = r->g;
    const ir_expr_node n = *ir_expr_get(g, e);
    int64_t value;
    double real;
    if (ir_x_is_const(g, e, NULL, &real))
        return fabs(real) < 256 && floor(real) == real ? ir_x_int(g, IR_I32, (int64_t)real)
                                                       : IR_NONE;
    if (n.op == IR_X_CAST && (n.imm == IR_I32 || n.imm == IR_F32))
        return small_integer(r, n.args[0]);
    if (n.op != IR_X_LOAD) return IR_NONE;
    ir_value v = loaded(r, &n);
    if (is_uniform(g, v, &value)) return small_integer(r, ir_x_int(g, IR_I32, value));
    return holds_codes(g, v) ? ir_x_cast(g, e, IR_I32) : IR_NONE;
}

static bool set_zero(codes_reader *r, codes_form *c, ir_expr zero)
{
    int64_t value;
    if (c->zero != IR_NONE || c->scale != IR_NONE || zero == IR_NONE) return false;
    if (!ir_x_is_const(r->g, zero, &value, NULL) || value != 0) c->zero = zero;
    return true;
}

/* ---- the form ---- */

static bool apply_scale(codes_reader *r, codes_form *c, ir_scalar op, ir_expr by)
{
    ir_graph *g = r->g;
    if (ir_x_measure(g, &by, 1).checks) return false;
    if (c->scale == IR_NONE) c->scale = ir_x_float(g, IR_F32, 1);
    c->scale = ir_x_2(g, op, c->scale, by);
    return true;
}

static bool read_scaled(codes_reader *r, const ir_expr_node *n, codes_form *c)
{
    if (n->type != IR_F32) return false;
    for (int i = 0; i < (n->op == IR_X_MUL ? 2 : 1); i++)
        if (read(r, n->args[i], c)) return apply_scale(r, c, n->op, n->args[1 - i]);
    return false;
}

static bool read_shifted(codes_reader *r, const ir_expr_node *n, codes_form *c)
{
    if (n->type != IR_F32 && n->type != IR_I32) return false;
    return read(r, n->args[0], c) && set_zero(r, c, small_integer(r, n->args[1]));
}

/* Adding a constant, on either side, is a negative zero point. */
static bool read_added(codes_reader *r, const ir_expr_node *n, codes_form *c)
{
    ir_graph *g = r->g;
    if (n->type != IR_F32 && n->type != IR_I32) return false;
    for (int i = 0; i < 2; i++) {
        ir_expr zero = small_integer(r, n->args[1 - i]);
        int64_t value;
        if (zero == IR_NONE || !ir_x_is_const(g, zero, &value, NULL)) continue;
        return read(r, n->args[i], c) && set_zero(r, c, ir_x_int(g, IR_I32, -value));
    }
    return false;
}

/* What the number zero is as a code; IR_NONE: the type of the codes may not have it. */
static ir_expr zero_code(codes_reader *r, const codes_form *c)
{
    ir_graph *g = r->g;
    ir_elem type = ir_expr_get(g, c->code)->type;
    int64_t value = 0;
    if (c->zero == IR_NONE || ir_x_is_const(g, c->zero, &value, NULL)) {
        int64_t low = type == IR_I8 ? -128 : 0;
        return value >= low && value < low + 256 ? ir_x_int(g, type, value) : IR_NONE;
    }
    const ir_expr_node *cast = ir_expr_get(g, c->zero);
    ir_expr zero = cast->op == IR_X_CAST ? cast->args[0] : IR_NONE;
    return zero != IR_NONE && ir_expr_get(g, zero)->type == type ? zero : IR_NONE;
}

static bool is_zero(const ir_graph *g, ir_expr e)
{
    int64_t i;
    double f;
    if (!ir_x_is_const(g, e, &i, &f)) return false;
    return ir_elem_is_float(ir_expr_get(g, e)->type) ? f == 0 : i == 0;
}

/* select(inside, x, 0): padding. */
static bool read_padded(codes_reader *r, const ir_expr_node *n, codes_form *c)
{
    if (!is_zero(r->g, n->args[2]) || !read(r, n->args[1], c)) return false;
    ir_expr zero = zero_code(r, c);
    if (zero == IR_NONE) return false;
    c->code = ir_x_select(r->g, n->args[0], c->code, zero);
    return true;
}

static bool is_positive(codes_reader *r, ir_expr scale)
{
    double f;
    ir_nest none;
    if (scale == IR_NONE) return true;
    ir_nest_begin(&none, r->loads.b, 0, NULL, 0);
    ir_expr known = renumber(r->g, scale, &none, r->loads.args, true);
    return known != IR_NONE && ir_x_is_const(r->g, known, NULL, &f) && f > 0 && isfinite(f);
}

/* max(x, 0) */
static bool read_clipped(codes_reader *r, const ir_expr_node *n, codes_form *c)
{
    for (int i = 0; i < 2; i++) {
        if (!is_zero(r->g, n->args[1 - i]) || !read(r, n->args[i], c)) continue;
        ir_expr zero = zero_code(r, c);
        if (zero == IR_NONE || !is_positive(r, c->scale)) return false;
        c->code = ir_x_2(r->g, IR_X_MAX, c->code, zero);
        return true;
    }
    return false;
}

/* ---- behind a load ---- */

/* The codes as they are now, stored as a tensor like v. */
static ir_value store(codes_reader *r, ir_value v, ir_expr code)
{
    ir_graph *g = r->g;
    const ir_type t = *ir_type_of(g, v);
    ir_nest nest;
    ir_nest_begin(&nest, r->loads.b, t.rank, t.dims, 0);
    code = renumber(g, code, &nest, r->loads.args, true);
    return code == IR_NONE ? IR_NONE : ir_nest_map(&nest, ir_expr_get(g, code)->type, code);
}

static ir_expr load_in_order(codes_reader *r, ir_value v)
{
    ir_expr idx[IR_MAX_RANK];
    for (int i = 0; i < ir_type_of(r->g, v)->rank; i++) idx[i] = ir_x_index(r->g, i);
    return pass_plain_load(&r->loads, v, idx);
}

/* A code is loaded from a place that is known without reading anything. */
static bool is_in_memory(codes_reader *r, ir_expr code)
{
    const ir_expr_node *n = ir_expr_get(r->g, code);
    if (n->op != IR_X_LOAD) return false;
    ir_x_cost cost = ir_x_measure(r->g, n->args, (size_t)n->nargs);
    return cost.loads == 0 && !cost.checks;
}

static bool read_map(codes_reader *r, const ir_node *map, codes_form *c)
{
    ir_value v = map->results[0];
    ir_expr body =
        renumber(r->g, ir_attr_find(map, IR_KEY_body)->u.exprs[0], &r->loads, map->operands, false);
    if (body == IR_NONE || !read(r, body, c)) return false;
    if (is_in_memory(r, c->code)) return true;
    ir_value codes = store(r, v, c->code);
    if (codes == IR_NONE) return false;
    c->code = load_in_order(r, codes);
    return true;
}

/* The whole of v as codes in v's order, under one scale and zero point. */
static bool read_reshape(codes_reader *r, const ir_node *n, codes_form *c)
{
    ir_graph *g = r->g;
    const ir_type t = *ir_type_of(g, n->results[0]);
    ir_expr whole = load_in_order(r, n->operands[0]);
    if (!read(r, whole, c)) return false;
    if ((c->zero != IR_NONE && ir_x_axes(g, c->zero)) ||
        (c->scale != IR_NONE && ir_x_axes(g, c->scale)))
        return false;
    const ir_expr_node load = *ir_expr_get(g, c->code);
    ir_value codes = loaded(r, &load), like = n->operands[0];
    bool in_order = c->code == load_in_order(r, codes) &&
                    ir_type_of(g, codes)->rank == ir_type_of(g, like)->rank;
    if (!in_order) codes = store(r, like, c->code);
    codes = codes == IR_NONE ? IR_NONE : ir_reshape(r->loads.b, codes, t.rank, t.dims);
    if (codes == IR_NONE) return false;
    c->code = load_in_order(r, codes);
    return true;
}

static bool read_load(codes_reader *r, ir_expr e, codes_form *c)
{
    ir_graph *g = r->g;
    const ir_expr_node load = *ir_expr_get(g, e);
    ir_value v = loaded(r, &load);
    ir_elem elem = ir_type_of(g, v)->elem;
    if (holds_codes(g, v)) {
        c->code = e;
        return true;
    }
    const ir_node def = g->nodes[g->values[v].def]; /* by value: building moves the array */
    if (elem != IR_F32 && elem != IR_I32) return false;
    bool found = ir_op_is(def.op, IR_TRAIT_POINTWISE | IR_TRAIT_NEST) ? read_map(r, &def, c)
                 : def.op == IR_OP_RESHAPE                            ? read_reshape(r, &def, c)
                                                                      : false;
    if (!found) return false;
    c->code = at(g, c->code, load.args);
    c->zero = at(g, c->zero, load.args);
    c->scale = at(g, c->scale, load.args);
    return true;
}

static bool read(codes_reader *r, ir_expr e, codes_form *c)
{
    const ir_expr_node n = *ir_expr_get(r->g, e); /* by value: building moves the array */
    bool found = false;
    *c = (codes_form){0};
    if (++r->depth > MOST_DEPTH) return false;
    switch (n.op) {
    case IR_X_LOAD:
        found = read_load(r, e, c);
        break;
    case IR_X_CAST: /* a code has no sign to lose, nor a fraction */
        found = (n.imm == IR_F32 || n.imm == IR_I32) && read(r, n.args[0], c) &&
                (c->scale == IR_NONE || n.imm == IR_F32);
        break;
    case IR_X_MUL:
    case IR_X_DIV:
        found = read_scaled(r, &n, c);
        break;
    case IR_X_SUB:
        found = read_shifted(r, &n, c);
        break;
    case IR_X_ADD:
        found = read_added(r, &n, c);
        break;
    case IR_X_SELECT:
        found = read_padded(r, &n, c);
        break;
    case IR_X_MAX:
        found = read_clipped(r, &n, c);
        break;
    default:
        break;
    }
    r->depth--;
    return found;
}

bool codes_read(codes_reader *r, ir_expr e, codes_form *c)
{
    r->depth = 0;
    return read(r, e, c) && is_in_memory(r, c->code) &&
           (c->zero == IR_NONE || !ir_x_measure(r->g, &c->zero, 1).checks);
}

/* ---- ranges ---- */

static void range_of(ir_elem elem, int64_t *low, int64_t *high)
{
    int64_t values = INT64_C(1) << ir_elem_bits(elem);
    *low = ir_elem_class(elem) == 'S' ? -values / 2 : 0;
    *high = *low + values - 1;
}

int64_t codes_reach(const codes_reader *r, const codes_form *c)
{
    const ir_graph *g = r->g;
    int64_t low, high, zero_low = 0, zero_high = 0;
    range_of(ir_type_of(g, loaded(r, ir_expr_get(g, c->code)))->elem, &low, &high);
    if (ir_x_is_const(g, c->zero, &zero_low, NULL)) {
        zero_high = zero_low;
    } else if (c->zero != IR_NONE) { /* a cast of a load of codes */
        const ir_expr_node *load = ir_expr_get(g, ir_expr_get(g, c->zero)->args[0]);
        range_of(ir_type_of(g, loaded(r, load))->elem, &zero_low, &zero_high);
    }
    int64_t below = zero_high - low, above = high - zero_low;
    return below > above ? below : above;
}
