/* integer_products: products of numbers that stand for codes, as products of the codes.
 *
 * In: any graph. Out: where both factors of a contract are scale * (code - zero), and neither scale
 * nor zero point changes along the sum, the contract is one of i32,
 *
 *     sum of (cast(a) - za) * (cast(b) - zb),   a and b loads of codes of at most 8 bits,
 *
 * and the scales are its epilogue, one multiplication a result. So codes stay codes in memory: what
 * quantises is a map with bytes as its result, which no product takes in, and what dequantises is
 * dead unless somebody else reads it. A sum of integers is exact: it is what the sum of floats
 * rounds, and the same on every target.
 *
 * A float contract must not overflow 32 bits, whatever the codes; one of integers (MatMulInteger,
 * ConvInteger) is defined to wrap, and only gets its codes back. */
#include <string.h>

#include "passes/codes.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

enum { MOST_DEPTH = 32 }; /* of maps behind a weight */

typedef struct product {
    ir_graph *g;
    const ir_node *n;
    codes_reader reader;
    codes_form of[2];
    ir_value factor[2]; /* what the node loads, for messages */
    bool coded[2];
} product;

static int parallel_axes(const product *p)
{
    return (int)(ir_attr_find(p->n, IR_KEY_space)->n - (size_t)ir_attr_int(p->n, IR_KEY_nred, 0));
}

static bool is_fixed(const product *p, ir_expr e)
{
    return e == IR_NONE || !ir_x_uses_axes(p->g, e, parallel_axes(p));
}

/* Whether a sum of this many terms stays inside of an i32. */
static bool is_in_range(const product *p)
{
    const ir_attr *space = ir_attr_find(p->n, IR_KEY_space);
    int first = parallel_axes(p);
    int64_t low, most,
        term = codes_reach(&p->reader, &p->of[0]) * codes_reach(&p->reader, &p->of[1]);
    ir_dim terms = ir_dim_product(p->g, space->u.dims + first, (int)space->n - first);
    if (terms == IR_NONE) return false;
    ir_dim_range(p->g, terms, &low, &most);
    return most <= INT32_MAX / (term ? term : 1);
}

/* NULL: both are codes as the form needs them; else why not. */
static const char *read_factors(product *p, ir_builder *b)
{
    ir_graph *g = p->g;
    const ir_expr_node x = *ir_expr_get(g, ir_attr_find(p->n, IR_KEY_body)->u.exprs[0]);
    codes_begin(&p->reader, b);
    for (int i = 0; i < 2; i++) {
        ir_expr e = codes_of(&p->reader, x.args[i], p->n->operands);
        p->coded[i] = e != IR_NONE && codes_read(&p->reader, e, &p->of[i]);
    }
    for (int i = 0; i < 2; i++) {
        const char *name = ir_text(g, g->values[p->factor[i]].name);
        const codes_form *c = &p->of[i];
        if (!p->coded[i]) return ir_format(g->arena, "'%s' holds no codes of 8 bits or less", name);
        if (!is_fixed(p, c->scale))
            return ir_format(g->arena, "the scale of '%s' changes along the sum", name);
        if (!is_fixed(p, c->zero))
            return ir_format(g->arena, "the zero point of '%s' changes along the sum", name);
    }
    return x.type == IR_I32 || is_in_range(p) ? NULL : "the sum may exceed 32 bits";
}

/* Whether v is made of constants alone, of which one has elements of at most 8 bits. */
static bool is_decoded_weight(const ir_graph *g, ir_value v, int depth, bool *narrow)
{
    const ir_node *n = v == IR_NONE ? NULL : &g->nodes[g->values[v].def];
    ir_elem elem = v == IR_NONE ? IR_ELEM_NONE : ir_type_of(g, v)->elem;
    if (!n || depth == MOST_DEPTH) return false;
    *narrow |= n->op == IR_OP_CONST && elem != IR_BOOL && ir_elem_bits(elem) <= 8;
    if (n->op == IR_OP_CONST || n->op == IR_OP_VALUES) return true;
    if (!ir_op_is(n->op, IR_TRAIT_POINTWISE)) return false;
    for (uint32_t i = 0; i < n->noperands; i++)
        if (!is_decoded_weight(g, n->operands[i], depth + 1, narrow)) return false;
    return true;
}

/* Whether a product of floats is to be one of blocks in i8 (products.c). */
static bool in_blocks(const pass_options *o, const product *p)
{
    static const char i8[] = "i8";
    if (o->activations) return strcmp(o->activations, i8) == 0;
    return strcmp(ir_attr_str(p->g, p->n, IR_KEY_precision), i8) == 0;
}

/* A product of floats that stands for one of codes goes to the report. */
static void note(const pass_options *o, const product *p, const char *why)
{
    ir_graph *g = p->g;
    pass_report *r = o->report;
    bool quantised = p->coded[0] && p->coded[1];
    for (int i = 0; i < 2; i++) {
        bool narrow = false;
        quantised |= is_decoded_weight(g, p->factor[i], 0, &narrow) && narrow;
    }
    if (!r || !quantised || in_blocks(o, p)) return;
    r->floats = ir_grow(g->arena, r->floats, &r->cap_floats, r->nfloats + 1, sizeof *r->floats);
    r->floats[r->nfloats++] =
        (pass_float){{.node = ir_text(g, p->n->name), .op = ir_text(g, p->n->origin)}, why};
}

/* cast(code) - zero */
static ir_expr centred(product *p, ir_nest *nest, const codes_form *c)
{
    ir_graph *g = p->g;
    ir_expr x = ir_x_cast(g, codes_load(&p->reader, c->code, nest, false), IR_I32);
    if (c->zero == IR_NONE) return x;
    return ir_x_2(g, IR_X_SUB, x, codes_load(&p->reader, c->zero, nest, true));
}

/* cast(acc0) * (scale * scale) */
static ir_expr scaled(product *p, ir_nest *nest)
{
    ir_graph *g = p->g;
    ir_expr sum = ir_x_cast(g, ir_x_acc(g, IR_I32, 0), IR_F32), scale = ir_x_float(g, IR_F32, 1);
    for (int i = 0; i < 2; i++)
        if (p->of[i].scale != IR_NONE)
            scale = ir_x_2(g, IR_X_MUL, scale, codes_load(&p->reader, p->of[i].scale, nest, true));
    return ir_x_2(g, IR_X_MUL, sum, scale);
}

static ir_value build(product *p, ir_builder *b)
{
    ir_graph *g = p->g;
    const ir_attr *space = ir_attr_find(p->n, IR_KEY_space);
    ir_nest nest;
    ir_attr attrs[5];
    size_t n = 0;
    ir_nest_begin(&nest, b, (int)space->n, space->u.dims, (int)ir_attr_int(p->n, IR_KEY_nred, 0));
    ir_expr x = centred(p, &nest, &p->of[0]), y = centred(p, &nest, &p->of[1]);
    ir_expr body = ir_x_2(g, IR_X_MUL, x, y);
    ir_elem elem = ir_type_of(g, p->n->results[0])->elem;
    ir_expr end = elem == IR_F32 ? scaled(p, &nest) : IR_NONE;
    if (body == IR_NONE || nest.failed || (elem == IR_F32 && end == IR_NONE)) return IR_NONE;
    attrs[n++] = *space;
    attrs[n++] = ir_a_int(IR_KEY_nred, nest.nred);
    attrs[n++] = ir_a_exprs(g, IR_KEY_body, &body, 1);
    if (end != IR_NONE) attrs[n++] = ir_a_exprs(g, IR_KEY_epilogue, &end, 1);
    attrs[n++] = *ir_attr_find(p->n, IR_KEY_elem);
    ir_node_id id =
        ir_node_new(b, IR_OP_CONTRACT, nest.args, nest.nargs, attrs, n, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

static ir_value factor_of(const ir_graph *g, const ir_node *n, ir_expr e)
{
    const ir_expr_node *load = ir_expr_get(g, e);
    return load->op == IR_X_LOAD ? n->operands[load->imm] : IR_NONE;
}

/* A sum of products of two loads; convolutions that are none yet have their operands. */
static bool find_factors(product *p)
{
    const ir_graph *g = p->g;
    const ir_node *n = p->n;
    ir_elem elem = n->nresults ? ir_type_of(g, n->results[0])->elem : IR_ELEM_NONE;
    if (n->op == IR_OP_CONV) {
        for (int i = 0; i < 2; i++) p->factor[i] = n->operands[i];
        return elem == IR_F32;
    }
    if (n->op != IR_OP_CONTRACT || ir_attr_find(n, IR_KEY_epilogue)) return false;
    const ir_expr_node *x = ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0]);
    if (x->op != IR_X_MUL || (elem != IR_F32 && elem != IR_I32)) return false;
    for (int i = 0; i < 2; i++) p->factor[i] = factor_of(g, n, x->args[i]);
    return p->factor[0] != IR_NONE && p->factor[1] != IR_NONE;
}

static bool rewrite(pass_sweep *s, ir_node_id id)
{
    const ir_node n = s->g->nodes[id]; /* by value: building moves the array */
    product p = {.g = s->g, .n = &n};
    if (!find_factors(&p)) return false;
    const char *why =
        n.op == IR_OP_CONV ? "its windows are no product of matrices" : read_factors(&p, &s->b);
    ir_value v = why ? IR_NONE : build(&p, &s->b);
    if (v == IR_NONE) {
        note(s->ctx, &p, why);
        return false;
    }
    pass_replace(s, n.results[0], v);
    return true;
}

lathe_status pass_integer_products(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    if (pass_rewrite(g, rewrite, (void *)options)) TRY(pass_dce(g, options, diag));
    return LATHE_OK;
}
