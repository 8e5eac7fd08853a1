/* The form of products: which factor is which, and what each axis is; and what nodes say of it.
 *
 * In: a contract, or a reduce with the kind sum. Out: for a sum of mul(load, load) in f32, or of
 * such products of codes of a byte in i32, with affine places, the roles of the axes, which follow
 * from what moves along them: a alone (rows), b alone (columns), both or none (batch); b is the
 * factor that moves along the result's innermost axis. Invariant: what `roles` and the like say of
 * a node is what its expressions and operands give; a pass that changes those must drop or renew
 * them, or the verifier says so. */
#include "ir/ir.h"

#include <limits.h>
#include <string.h>

enum { A, B, MOST_STEPS = 200, MOST_COMPUTED = 64 /* nodes of a b that is computed */ };

/* ---- products ---- */

typedef struct form {
    ir_graph *g;
    const ir_node *n;
    ir_product *p;
    const ir_dim *space;
    int rank, nred;
} form;

static bool moves(const form *f, int factor, int axis)
{
    return !ir_dim_equals(f->g, f->p->walk[factor].coef[axis], 0);
}

const ir_expr_node *ir_product_load(const ir_graph *g, ir_expr *x)
{
    const ir_expr_node *n = ir_expr_get(g, *x);
    if (n->op == IR_X_CAST && n->type == IR_I32) n = ir_expr_get(g, *x = n->args[0]);
    return n;
}

/* Bits of the narrowest tensor that is read below an expression. */
static int narrowest(const form *f, ir_expr e)
{
    const ir_expr_node x = *ir_expr_get(f->g, e);
    int least = INT_MAX;
    if (x.op == IR_X_LOAD) least = ir_elem_bits(ir_type_of(f->g, f->n->operands[x.imm])->elem);
    for (int i = 0; i < x.nargs; i++) {
        int bits = narrowest(f, x.args[i]);
        if (bits < least) least = bits;
    }
    return least;
}

/* An f32 that is computed from codes: it moves along the axes that its expression has. */
static bool read_computed(const form *f, ir_expr x, ir_elem sum, ir_affine *walk)
{
    uint32_t axes = ir_x_axes(f->g, x);
    ir_x_cost cost = ir_x_measure(f->g, &x, 1);
    if (sum != IR_F32 || cost.checks || cost.nodes > MOST_COMPUTED || narrowest(f, x) > 8)
        return false;
    walk->konst = ir_dim_const(f->g, 0);
    for (int i = 0; i < IR_MAX_SPACE; i++) walk->coef[i] = ir_dim_const(f->g, axes >> i & 1);
    return true;
}

static bool is_load(const form *f, ir_expr x) { return ir_product_load(f->g, &x)->op == IR_X_LOAD; }

/* A load of an f32, or of a code of a byte made an i32; or what is computed from codes. */
static bool read_factor(const form *f, ir_expr x, ir_elem sum, ir_affine *walk)
{
    const ir_expr_node *load = ir_product_load(f->g, &x);
    if (load->op != IR_X_LOAD) return read_computed(f, x, sum, walk);
    const ir_type *t = ir_type_of(f->g, f->n->operands[load->imm]);
    bool fits = sum == IR_F32 ? t->elem == IR_F32 : t->elem == IR_I8 || t->elem == IR_U8;
    return fits && ir_affine_place(f->g, t->dims, load->args, t->rank, walk);
}

/* The factor that moves along the result's innermost axis, and the other one does not. */
static bool choose_factors(form *f)
{
    int axis = f->rank - f->nred - 1;
    while (axis >= 0 && ir_dim_equals(f->g, f->space[axis], 1)) axis--;
    if (axis < 0) return false;
    f->p->b = 1;
    if (moves(f, A, axis)) {
        ir_affine walk = f->p->walk[A];
        f->p->walk[A] = f->p->walk[B];
        f->p->walk[B] = walk;
        f->p->b = 0;
    }
    return moves(f, B, axis) && !moves(f, A, axis);
}

static bool choose_roles(form *f)
{
    for (int i = 0; i < f->rank; i++) {
        bool a = moves(f, A, i), b = moves(f, B, i);
        char *role = &f->p->roles[i];
        if (ir_dim_equals(f->g, f->space[i], 1)) *role = '1';
        else if (i >= f->rank - f->nred) *role = 'k';
        else *role = a == b ? 'b' : a ? 'm' : 'n';
        if (*role == 'k' && !(a && b)) return false;
    }
    f->p->roles[f->rank] = '\0';
    return true;
}

/* b is put in panels, so that its terms may stand anywhere. */
static bool walks_terms_as_one(const form *f)
{
    const ir_affine *a = &f->p->walk[A];
    ir_dim step = IR_NONE;
    for (int i = f->rank - 1; i >= f->rank - f->nred; i--) {
        if (f->p->roles[i] != 'k') continue;
        if (step != IR_NONE && a->coef[i] != step) return false;
        step = ir_dim_mul(f->g, a->coef[i], f->space[i]);
    }
    return true;
}

/* b is computed where it is put in panels, column by column and term by term. */
static bool may_be_computed(const form *f, const ir_expr *factor)
{
    int columns = 0, terms = 0;
    if (!is_load(f, factor[1 - f->p->b])) return false;
    if (is_load(f, factor[f->p->b])) return true;
    for (int i = 0; i < f->rank; i++) {
        columns += f->p->roles[i] == 'n';
        terms += f->p->roles[i] == 'k';
    }
    return columns == 1 && terms == 1;
}

static bool is_sum(const ir_graph *g, const ir_node *n)
{
    return n->op == IR_OP_CONTRACT ||
           (n->op == IR_OP_REDUCE && strcmp(ir_attr_str(g, n, IR_KEY_kind), "sum") == 0);
}

const char *ir_product_form(ir_graph *g, const ir_node *n, ir_product *p)
{
    if (!is_sum(g, n)) return "it is no sum";
    const ir_attr *space = ir_attr_find(n, IR_KEY_space), *end = ir_attr_find(n, IR_KEY_epilogue);
    const ir_expr_node x = *ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0]);
    form f = {.g = g, .n = n, .p = p, .space = space->u.dims, .rank = (int)space->n};
    f.nred = (int)ir_attr_int(n, IR_KEY_nred, 0);
    if (x.op != IR_X_MUL || (x.type != IR_F32 && x.type != IR_I32))
        return "its terms are no products of f32 or of codes in i32";
    if (ir_elem_bits(ir_type_of(g, n->results[0])->elem) % 8) return "results share bytes";
    if (end && ir_x_measure(g, end->u.exprs, 1).loads > IR_PRODUCT_LOADS)
        return "its epilogue reads too much";
    if (!read_factor(&f, x.args[0], x.type, &p->walk[A]) ||
        !read_factor(&f, x.args[1], x.type, &p->walk[B]))
        return "a factor is no load of f32, or of a code of a byte, at an affine place";
    if (!choose_factors(&f)) return "no factor alone moves along the result's innermost axis";
    if (!choose_roles(&f)) return "a factor stands still along a term";
    if (!may_be_computed(&f, x.args)) return "a is computed, or b along several axes at once";
    return walks_terms_as_one(&f) ? NULL : "a's terms are not evenly spaced";
}

ir_dim ir_product_columns(ir_graph *g, const ir_node *n, const ir_product *p)
{
    const ir_dim *space = ir_attr_find(n, IR_KEY_space)->u.dims;
    ir_dim columns = ir_dim_const(g, 1);
    for (int i = 0; p->roles[i]; i++)
        if (p->roles[i] == 'n') columns = ir_dim_mul(g, columns, space[i]);
    return columns;
}

/* ---- weights ---- */

static const ir_node *node_of(const ir_graph *g, ir_value v)
{
    return v ? &g->nodes[g->values[v].def] : &g->nodes[IR_NONE];
}

/* Whether nothing but constants and nodes that could compute one element by itself is behind it. */
static bool is_computed(const ir_graph *g, ir_value v, int *steps)
{
    const ir_node *n = node_of(g, v);
    if (--*steps < 0) return false;
    if (n->op == IR_OP_CONST) return true;
    if (!ir_op_is(n->op, IR_TRAIT_POINTWISE)) return false;
    for (uint32_t i = 0; i < n->noperands; i++)
        if (!is_computed(g, n->operands[i], steps)) return false;
    return true;
}

const char *ir_product_weight(ir_graph *g, ir_value v)
{
    int steps = MOST_STEPS;
    ir_value root = v;
    for (const ir_node *n = node_of(g, v); ir_is_alias(g, n); n = node_of(g, root))
        root = n->operands[0];
    if (node_of(g, root)->op == IR_OP_CONST) return "constant";
    return is_computed(g, v, &steps) ? "computed" : "";
}

/* Whether b's sizes and places are known, it reads nothing outside of its elements, and packing
 * does not multiply them. */
static bool can_pack(ir_graph *g, const ir_dim *space, const ir_product *p, const ir_type *t)
{
    enum { MOST_GROWTH = 8, ROOM = 1024 }; /* ROOM: bytes of what is packed fit in 63 bits, too */
    const ir_affine *b = &p->walk[B];
    int64_t low, high, size, step, reach, packed = ROOM, elements;
    if (!ir_dim_is_const(g, ir_type_count(g, t), &elements)) return false;
    if (!ir_dim_is_const(g, b->konst, &low)) return false;
    high = low;
    for (int i = 0; p->roles[i]; i++) {
        if (p->roles[i] == '1' || ir_dim_equals(g, b->coef[i], 0)) continue;
        if (!ir_dim_is_const(g, space[i], &size) || !ir_dim_is_const(g, b->coef[i], &step) ||
            size < 1 || __builtin_mul_overflow(size - 1, step, &reach) ||
            __builtin_add_overflow(reach < 0 ? low : high, reach, reach < 0 ? &low : &high) ||
            __builtin_mul_overflow(packed, size, &packed))
            return false;
    }
    return low >= 0 && high < elements && packed / ROOM / MOST_GROWTH <= elements;
}

/* ---- panels ---- */

/* Where a format's b comes from. */
typedef enum { CONSTANT, ANY } origin;

static const struct {
    const char *name;
    ir_elem b;
    origin from;
} panels[] = {
#define PANEL(id, name, b, from, elem, sum, group, sums, listed) {name, b, from},
#include "ir/panels.def"
#undef PANEL
};

const char *ir_panel_of(ir_elem b, bool is_constant)
{
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++)
        if (panels[i].b == b && (panels[i].from == ANY || is_constant)) return panels[i].name;
    return NULL;
}

/* ---- what a node says ---- */

enum { ROLES, PANEL, FACTOR, WEIGHT, MOST_SAID };

static const uint64_t said = UINT64_C(1) << IR_KEY_roles | UINT64_C(1) << IR_KEY_factor |
                             UINT64_C(1) << IR_KEY_weight | UINT64_C(1) << IR_KEY_panel;

/* The letters of attention: rows m, columns d, keys n, terms k, all others b. */
static void attention_roles(const ir_attention *a, char *roles)
{
    memset(roles, 'b', (size_t)a->rank);
    roles[a->m] = 'm';
    roles[a->d] = 'd';
    roles[a->n] = 'n';
    roles[a->k] = 'k';
    roles[a->rank] = '\0';
}

/* How b is packed beforehand, if it is. Nodes that compute b become code that makes floats. */
static const char *weight_of(ir_graph *g, const ir_dim *space, const ir_product *p, ir_value b)
{
    const ir_type *t = ir_type_of(g, b);
    const char *weight = ir_product_weight(g, b);
    bool serves = strcmp(weight, "constant") == 0 || t->elem == IR_F32;
    return *weight && serves && can_pack(g, space, p, t) ? weight : "";
}

/* What there is to say, as attributes; how many. *wrong: why there is nothing. */
static size_t find_roles(ir_graph *g, const ir_node *n, ir_attr attrs[MOST_SAID],
                         const char **wrong)
{
    ir_attention attention;
    ir_product p;
    if (n->op == IR_OP_ATTENTION) {
        *wrong = ir_attention_form(g, n, &attention);
        if (*wrong) return 0;
        attention_roles(&attention, p.roles);
        attrs[ROLES] = ir_a_str(g, IR_KEY_roles, p.roles);
        attrs[PANEL] = ir_a_str(g, IR_KEY_panel, attention.panel);
        return FACTOR;
    }
    *wrong = ir_product_form(g, n, &p);
    if (*wrong) return 0;
    ir_expr b = ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0])->args[p.b];
    const ir_expr_node *load = ir_product_load(g, &b);
    const char *weight = "", *panel = ir_panel_of(load->type, false);
    if (load->op == IR_X_LOAD) {
        ir_value operand = n->operands[load->imm];
        weight = weight_of(g, ir_attr_find(n, IR_KEY_space)->u.dims, &p, operand);
        panel = ir_panel_of(ir_type_of(g, operand)->elem, strcmp(weight, "constant") == 0);
    }
    *wrong = panel ? NULL : "no panels hold b";
    if (*wrong) return 0;
    attrs[ROLES] = ir_a_str(g, IR_KEY_roles, p.roles);
    attrs[PANEL] = ir_a_str(g, IR_KEY_panel, panel);
    attrs[FACTOR] = ir_a_int(IR_KEY_factor, p.b);
    if (*weight) attrs[WEIGHT] = ir_a_str(g, IR_KEY_weight, weight);
    return *weight ? MOST_SAID : WEIGHT;
}

void ir_roles_set(ir_graph *g, ir_node_id id)
{
    ir_attr attrs[MOST_SAID];
    const ir_node n = g->nodes[id];
    const char *wrong;
    if (!ir_op_is(n.op, IR_TRAIT_ACCUMULATES)) return;
    size_t count = find_roles(g, &n, attrs, &wrong);
    if (count || ir_attr_find(&n, IR_KEY_roles)) ir_replace_attrs(g, id, said, attrs, count);
}

const char *ir_roles_check(ir_graph *g, const ir_node *n)
{
    ir_attr attrs[MOST_SAID];
    const char *wrong = NULL, *roles = ir_attr_str(g, n, IR_KEY_roles);
    const char *precision = ir_attr_str(g, n, IR_KEY_precision);
    uint64_t found = 0;
    if (*precision && strcmp(precision, "bf16") != 0 && strcmp(precision, "f32x3") != 0 &&
        strcmp(precision, "i8") != 0)
        return ir_format(g->arena, "precision \"%s\" is none of bf16, f32x3 and i8", precision);
    for (uint32_t i = 0; i < n->nattrs; i++) found |= UINT64_C(1) << n->attrs[i].key & said;
    if (!found) return NULL;
    if (!ir_op_is(n->op, IR_TRAIT_ACCUMULATES)) return "roles of a node that has none";
    size_t count = find_roles(g, n, attrs, &wrong);
    if (wrong) return ir_format(g->arena, "roles \"%s\" of what is no product: %s", roles, wrong);
    for (size_t i = 0; i < count; i++) found &= ~(UINT64_C(1) << attrs[i].key);
    if (strcmp(roles, ir_text(g, attrs[ROLES].u.s)) != 0)
        return ir_format(g->arena, "roles \"%s\", but its axes are \"%s\"", roles,
                         ir_text(g, attrs[ROLES].u.s));
    if (count > FACTOR && ir_attr_int(n, IR_KEY_factor, -1) != attrs[FACTOR].u.i)
        return ir_format(g->arena, "factor %lld, but b is %lld",
                         (long long)ir_attr_int(n, IR_KEY_factor, -1),
                         (long long)attrs[FACTOR].u.i);
    const char *weight = count > WEIGHT ? ir_text(g, attrs[WEIGHT].u.s) : "";
    if (strcmp(ir_attr_str(g, n, IR_KEY_weight), weight) != 0)
        return ir_format(g->arena, "weight \"%s\", but b is %s", ir_attr_str(g, n, IR_KEY_weight),
                         *weight ? weight : "packed by the run");
    if (strcmp(ir_attr_str(g, n, IR_KEY_panel), ir_text(g, attrs[PANEL].u.s)) != 0)
        return ir_format(g->arena, "panel \"%s\", but its panels are \"%s\"",
                         ir_attr_str(g, n, IR_KEY_panel), ir_text(g, attrs[PANEL].u.s));
    return found ? "roles that its operator does not have" : NULL;
}
