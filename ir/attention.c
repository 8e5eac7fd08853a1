/* The form of attention: which axis of its space is what, and where its three factors stand.
 *
 * In: a node whose attributes have the right numbers. Out: the roles of the axes, or why there are
 * none. The scores are a product of q, which moves along the rows m, and the keys, which move along
 * n; both move along k. The values move along n and d, the innermost axis of the result. Everything
 * else is batch, where places may be any function of the indices: heads that share keys divide
 * theirs. Invariant: a node that has the form can be lowered. */
#include "ir/ir.h"

#include <string.h>

typedef struct form {
    ir_graph *g;
    const ir_node *n;
    ir_attention *a;
    const char *roles; /* what the node says, or "" */
    uint32_t inner;    /* axes that are no batch */
} form;

static uint32_t bit(int axis) { return 1u << axis; }

/* ---- places ---- */

static bool find_walk(form *f, const ir_expr_node *load, ir_walk *w)
{
    ir_graph *g = f->g;
    const ir_type *t = ir_type_of(g, f->n->operands[load->imm]);
    w->operand = (int)load->imm;
    if (!ir_walk_place(g, t->dims, load->args, t->rank, f->inner, w) || g->overflow) return false;
    ir_x_cost cost = ir_x_measure(g, &w->base, 1);
    return cost.loads == 0 && !cost.checks;
}

/* ---- axes ---- */

static ir_expr body_at(const form *f, size_t i)
{
    return ir_attr_find(f->n, IR_KEY_body)->u.exprs[i];
}

/* A load of an f32 tensor, by value: building expressions moves them. */
static bool read_load(const form *f, ir_expr e, ir_expr_node *out)
{
    *out = *ir_expr_get(f->g, e);
    return out->op == IR_X_LOAD && ir_type_of(f->g, f->n->operands[out->imm])->elem == IR_F32;
}

static uint32_t axes_of(ir_graph *g, const ir_expr_node *load)
{
    uint32_t axes = 0;
    for (int i = 0; i < load->nargs; i++) axes |= ir_x_axes(g, load->args[i]);
    return axes;
}

static int64_t attention_most(const form *f, const ir_dim *space, int axis)
{
    int64_t lo, hi;
    ir_dim_range(f->g, space[axis], &lo, &hi);
    return hi;
}

/* The rows: of the axes along which q moves, and the keys and values do not, the longest one. */
static int find_rows(const form *f, const ir_dim *space, uint32_t q, uint32_t others)
{
    int best = -1;
    for (int a = f->a->n - 1; a >= 0; a--) {
        if (a == f->a->d || !(q >> a & 1) || (others >> a & 1)) continue;
        if (best < 0 || attention_most(f, space, a) > attention_most(f, space, best)) best = a;
    }
    return best;
}

static const char *check_rows(const form *f, size_t count)
{
    const ir_attention *a = f->a;
    for (size_t i = 1; i + 1 < count; i++)
        if (ir_x_axes(f->g, body_at(f, i)) & (bit(a->d) | bit(a->k)))
            return "a row of scores depends on a column of the result or a term";
    return NULL;
}

/* The three loads; the one that moves along n is the keys. */
static bool read_factors(const form *f, size_t count, ir_expr_node *q, ir_expr_node *key,
                         ir_expr_node *v)
{
    const ir_expr_node product = *ir_expr_get(f->g, body_at(f, 0));
    if (product.op != IR_X_MUL || !read_load(f, product.args[0], q) ||
        !read_load(f, product.args[1], key) || !read_load(f, body_at(f, count - 1), v))
        return false;
    if (axes_of(f->g, q) & bit(f->a->n)) {
        ir_expr_node swap = *q;
        *q = *key;
        *key = swap;
    }
    return true;
}

static int find_columns(const form *f, const ir_dim *space)
{
    int d = f->a->n - 1;
    while (d >= 0 && ir_dim_equals(f->g, space[d], 1)) d--;
    return d;
}

/* The columns and rows are as the node says, or else found. */
static const char *find_axes(form *f, const ir_dim *space, uint32_t q, uint32_t key, uint32_t v)
{
    ir_attention *a = f->a;
    a->d = *f->roles ? (int)strcspn(f->roles, "d") : find_columns(f, space);
    if (a->d < 0) return "the result has no column";
    a->m = *f->roles ? (int)strcspn(f->roles, "m") : find_rows(f, space, q, key | v);
    if (a->m < 0) return "no axis of rows";
    if ((q & (bit(a->n) | bit(a->d))) || (key & bit(a->d)) || (v & bit(a->k)))
        return "a factor moves along an axis of another one";
    f->inner = bit(a->m) | bit(a->d) | bit(a->n) | bit(a->k);
    return NULL;
}

static const char *read_form(ir_graph *g, const ir_node *n, const char *roles, ir_attention *a)
{
    const ir_attr *space = ir_attr_find(n, IR_KEY_space);
    size_t count = ir_attr_find(n, IR_KEY_body)->n;
    form f = {.g = g, .n = n, .a = a, .roles = roles};
    ir_expr_node q, key, v;
    *a = (ir_attention){.rank = (int)space->n, .n = (int)space->n - 2, .k = (int)space->n - 1};
    if (!read_factors(&f, count, &q, &key, &v)) return "a factor is no load of f32";
    if (ir_expr_get(g, body_at(&f, count - 2))->type != IR_F32) return "the weight is no f32";
    const char *wrong =
        find_axes(&f, space->u.dims, axes_of(g, &q), axes_of(g, &key), axes_of(g, &v));
    if (wrong) return wrong;
    if (!find_walk(&f, &q, &a->q) || !find_walk(&f, &key, &a->key) || !find_walk(&f, &v, &a->v))
        return "a factor's place is not affine";
    const char *panel = ir_attr_str(g, n, IR_KEY_panel);
    a->panel = *roles && *panel ? panel : ir_panel_of(IR_F32, false);
    return check_rows(&f, count);
}

const char *ir_attention_form(ir_graph *g, const ir_node *n, ir_attention *a)
{
    return read_form(g, n, "", a);
}

const char *ir_attention_read(ir_graph *g, const ir_node *n, ir_attention *a)
{
    return read_form(g, n, ir_attr_str(g, n, IR_KEY_roles), a);
}
