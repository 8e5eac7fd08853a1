/* canonicalize: one way to say a thing.
 *
 * In: a verified graph, as imported. Out: no node but const and values makes elements that are
 * known; nests read the values behind views and behind reshapes that need no division, so that
 * view and reshape nodes die unless somebody needs them whole; identities are gone. Every index
 * stays inside: the indices of a read inside a view are inside what the view reads, by the view's
 * own guards. Expressions are shared DAGs, so reading through a chain of views costs no more than
 * the chain. */
#include "passes/nest.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <string.h>

enum { MAX_SWEEPS = 4, MAX_CHAIN = 64 };

/* ---- known contents ---- */

static bool all_constant(const ir_graph *g, const ir_expr *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!ir_x_is_const(g, e[i], NULL, NULL)) return false;
    return true;
}

/* The elements as bytes; NULL for element types that cannot be written. */
static void *encode(ir_graph *g, ir_elem elem, const ir_expr *content, size_t n, int64_t size)
{
    void *bytes = ir_alloc(g->arena, (size_t)size, 1);
    for (size_t i = 0; i < n; i++) {
        ir_scalar_value v;
        const ir_x_env none = {0};
        if (!ir_x_eval(g, content[i], &none, &v) || !ir_blob_put(elem, bytes, (int64_t)i, v))
            return NULL;
    }
    return bytes;
}

/* A node that holds v's content. */
static ir_value materialize(ir_builder *b, ir_value v)
{
    ir_graph *g = b->g;
    const ir_value_info info = g->values[v];
    int64_t size;
    if (all_constant(g, info.content, info.ncontent) &&
        ir_elem_bytes(info.type.elem, info.ncontent, &size)) {
        void *bytes = encode(g, info.type.elem, info.content, info.ncontent, size);
        if (bytes) return ir_const(b, &info.type, &(ir_blob){.bytes = bytes, .size = (size_t)size});
    }
    return ir_values(b, info.type.elem, info.type.rank, info.type.dims, info.content,
                     info.ncontent);
}

/* A const is its own best form, and so is a values node that sizes enter. */
static bool is_settled(const ir_graph *g, const ir_node *n)
{
    if (n->op == IR_OP_CONST || !n->nresults) return true;
    if (ir_op_is_any(n->op, IR_TRAIT_DEFINES | IR_TRAIT_EFFECT)) return true;
    const ir_attr *body = ir_attr_find(n, IR_KEY_body);
    return n->op == IR_OP_VALUES && !all_constant(g, body->u.exprs, body->n);
}

/* True if all results are replaced or not used. */
static bool replace_known(pass_sweep *s, const ir_node *n)
{
    const uint32_t *uses = s->ctx;
    bool all = true;
    if (is_settled(s->g, n)) return false;
    for (uint32_t i = 0; i < n->nresults; i++) {
        ir_value old = n->results[i];
        if (!uses[old]) continue;
        ir_value with = s->g->values[old].content ? materialize(&s->b, old) : IR_NONE;
        if (with == IR_NONE) all = false;
        else pass_replace(s, old, with);
    }
    return all;
}

/* ---- reading through views ---- */

typedef struct nest_fold {
    ir_graph *g;
    const ir_node *n;
    ir_nest nest;  /* collects the operands */
    bool contents; /* known elements may take the place of loads */
} nest_fold;

/* Replaces the indices into a view by those into its operand. */
static bool through_view(ir_graph *g, const ir_node *view, ir_expr *idx)
{
    ir_expr e = ir_element(g, view, idx, &(ir_rewrite){0});
    if (e == IR_NONE) return false;
    const ir_expr_node *load = ir_expr_get(g, e);
    memcpy(idx, load->args, (size_t)load->nargs * sizeof *idx);
    return true;
}

/* From an element of v to the same element further back; v and idx are changed. */
static void read_behind(ir_graph *g, ir_value *v, ir_expr *idx)
{
    for (int i = 0; i < MAX_CHAIN; i++) {
        const ir_node *def = &g->nodes[g->values[*v].def];
        bool moved = false;
        if (def->op == IR_OP_VIEW) moved = through_view(g, def, idx);
        if (def->op == IR_OP_RESHAPE)
            moved = ir_reshape_indices(g, ir_type_of(g, def->operands[0]), ir_type_of(g, *v)->dims,
                                       ir_type_of(g, *v)->rank, false, idx);
        if (!moved) return;
        *v = def->operands[0];
    }
}

/* What a map that fills a tensor with one value stores everywhere. */
static ir_expr fill_of(ir_graph *g, ir_value v)
{
    const ir_node *def = &g->nodes[g->values[v].def];
    if (def->op != IR_OP_MAP) return IR_NONE;
    ir_expr body = ir_attr_find(def, IR_KEY_body)->u.exprs[0];
    return ir_x_is_closed(g, body) ? ir_x_cast(g, body, ir_type_of(g, v)->elem) : IR_NONE;
}

static ir_expr fold_load(void *ctx, const ir_expr_node *load)
{
    nest_fold *f = ctx;
    ir_value v = f->n->operands[load->imm];
    ir_expr idx[IR_MAX_RANK];
    memcpy(idx, load->args, (size_t)load->nargs * sizeof *idx);
    read_behind(f->g, &v, idx);
    ir_expr fill = f->contents ? fill_of(f->g, v) : IR_NONE;
    if (fill != IR_NONE) return fill;
    if (f->contents) return ir_nest_load(&f->nest, v, idx);
    return pass_plain_load(&f->nest, v, idx);
}

/* ---- nests ---- */

/* The operand whose elements the nest only repeats in their order; IR_NONE if it does more. */
static ir_value identity_of(const ir_graph *g, const ir_node *n)
{
    if (!ir_op_is(n->op, IR_TRAIT_POINTWISE | IR_TRAIT_NEST)) return IR_NONE;
    const ir_expr_node *load = ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0]);
    if (load->op != IR_X_LOAD) return IR_NONE;
    ir_value v = n->operands[load->imm];
    for (int i = 0; i < load->nargs; i++) {
        const ir_expr_node *index = ir_expr_get(g, load->args[i]);
        bool only = ir_dim_equals(g, ir_type_of(g, v)->dims[i], 1);
        if (!only && (index->op != IR_X_INDEX || index->imm != i)) return IR_NONE;
    }
    return ir_type_equal(ir_type_of(g, v), ir_type_of(g, n->results[0])) ? v : IR_NONE;
}

static bool same_operands(const ir_node *n, const ir_nest *nest)
{
    return n->noperands == nest->nargs &&
           (nest->nargs == 0 ||
            memcmp(n->operands, nest->args, nest->nargs * sizeof *nest->args) == 0);
}

static ir_value rebuild(pass_sweep *s, const ir_node *n, const ir_nest *nest, const ir_attr *attrs)
{
    if (nest->nargs < (size_t)ir_op_get(n->op)->operands_min) return IR_NONE;
    ir_node_id id =
        ir_node_new(&s->b, n->op, nest->args, nest->nargs, attrs, n->nattrs, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : s->g->nodes[id].results[0];
}

static bool fold_nest(pass_sweep *s, const ir_node *n)
{
    const ir_attr *space = ir_attr_find(n, IR_KEY_space);
    nest_fold f = {.g = s->g, .n = n, .contents = n->op != IR_OP_CONTRACT && n->op != IR_OP_VIEW};
    const ir_rewrite hooks = {.ctx = &f, .load = fold_load};
    bool changed = false;
    ir_nest_begin(&f.nest, &s->b, (int)space->n, space->u.dims, 0);
    if (n->op == IR_OP_SCATTER) { /* operand 0 is written, so it keeps a number of its own */
        f.nest.args = ir_grow(s->g->arena, f.nest.args, &f.nest.cap, 1, sizeof(ir_value));
        f.nest.args[f.nest.nargs++] = IR_NONE;
    }
    const ir_attr *attrs = pass_rewrite_attrs(s->g, n, &hooks, &changed);
    if (!attrs) return false;
    if (n->op == IR_OP_SCATTER) f.nest.args[0] = n->operands[0];
    if (!changed && same_operands(n, &f.nest)) return false;
    ir_value v = rebuild(s, n, &f.nest, attrs);
    if (v != IR_NONE) pass_replace(s, n->results[0], v);
    return v != IR_NONE;
}

/* ---- other operators ---- */

/* A reshape of a reshape skips it; of a constant, it is the constant with other dims. */
static ir_value simpler_reshape(pass_sweep *s, const ir_node *n)
{
    ir_graph *g = s->g;
    ir_value v = n->operands[0];
    const ir_type type = *ir_type_of(g, n->results[0]);
    const ir_node def = g->nodes[g->values[v].def];
    if (ir_type_equal(&type, ir_type_of(g, v))) return v;
    if (def.op == IR_OP_RESHAPE) return ir_reshape(&s->b, def.operands[0], type.rank, type.dims);
    return def.op == IR_OP_CONST ? ir_const(&s->b, &type, &ir_attr_find(&def, IR_KEY_data)->u.blob)
                                 : IR_NONE;
}

static ir_value simpler(pass_sweep *s, const ir_node *n)
{
    if (n->op == IR_OP_RESHAPE) return simpler_reshape(s, n);
    if (n->op == IR_OP_CONCAT) return n->noperands == 1 ? n->operands[0] : IR_NONE;
    return identity_of(s->g, n);
}

static bool canonicalize(pass_sweep *s, ir_node_id id)
{
    const ir_node n = s->g->nodes[id]; /* by value: building moves the array */
    if (replace_known(s, &n)) return true;
    ir_value v = simpler(s, &n);
    if (v != IR_NONE) {
        pass_replace(s, n.results[0], v);
        return true;
    }
    return ir_op_is(n.op, IR_TRAIT_NEST) && fold_nest(s, &n);
}

lathe_status pass_canonicalize(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    (void)diag;
    for (int i = 0; i < MAX_SWEEPS; i++)
        if (!pass_rewrite(g, canonicalize, ir_count_uses(g))) break;
    return LATHE_OK;
}
