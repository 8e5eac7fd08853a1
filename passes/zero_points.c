/* zero_points: zero points of products of codes leave the sum.
 *
 * In: contracts of i32, sum of (cast(a) - za) * (cast(b) - zb), as integer_products leaves them,
 * where b is the factor along the result's innermost axis. Out: what integer kernels take, the sum
 * of cast(a) * cast(b), with as its epilogue
 *
 *     acc - za * (sum of b) - zb * ((sum of a) - terms * za)
 *
 * in front of the epilogue that there was. A sum is a node, made only where the other zero point is
 * not 0; that of a constant is a constant when folding has seen it. A constant factor gets a sign:
 * codes of u8 become those of i8, 128 less, and so does its zero point. Integers wrap, so that this
 * is the same number whatever the sizes. */
#include "passes/nest.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

typedef struct factor {
    ir_expr load, zero; /* zero: IR_NONE: 0 */
    ir_value value;     /* what is loaded */
    ir_value codes;     /* what is loaded instead: the same, or with a sign */
} factor;

typedef struct product {
    ir_graph *g;
    ir_builder *b;
    const ir_node *n;
    const ir_dim *space;
    int rank, nred;
    factor of[2]; /* as the body has them */
    ir_nest nest; /* of the new node */
} product;

/* ---- reading ---- */

static bool read_factor(product *p, ir_expr x, factor *f)
{
    ir_graph *g = p->g;
    const ir_expr_node *n = ir_expr_get(g, x);
    *f = (factor){0};
    if (n->op == IR_X_SUB) {
        f->zero = n->args[1];
        n = ir_expr_get(g, n->args[0]);
    }
    if (n->op != IR_X_CAST || n->type != IR_I32) return false;
    f->load = n->args[0];
    n = ir_expr_get(g, f->load);
    if (n->op != IR_X_LOAD) return false;
    f->value = f->codes = p->n->operands[n->imm];
    ir_elem elem = ir_type_of(g, f->value)->elem;
    return (elem == IR_U8 || elem == IR_I8) &&
           (f->zero == IR_NONE || !ir_x_uses_axes(g, f->zero, p->rank - p->nred));
}

/* The number of the factor that alone moves along the result's innermost axis; -1: none. */
static int right_factor(const product *p)
{
    int axis = p->rank - p->nred - 1;
    while (axis >= 0 && ir_dim_equals(p->g, p->space[axis], 1)) axis--;
    if (axis < 0) return -1;
    bool moves[2];
    for (int i = 0; i < 2; i++) moves[i] = ir_x_axes(p->g, p->of[i].load) >> axis & 1;
    return moves[0] == moves[1] ? -1 : moves[1];
}

static bool gets_sign(const ir_graph *g, const factor *f)
{
    return g->nodes[g->values[f->value].def].op == IR_OP_CONST &&
           ir_type_of(g, f->value)->elem == IR_U8;
}

/* ---- building ---- */

typedef struct renaming {
    ir_nest *nest;
    const product *p;
    const factor *f; /* loads of its value become plain loads of its codes */
    const int *to;   /* new axes; NULL: the same */
} renaming;

static ir_expr rename_load(void *ctx, const ir_expr_node *load)
{
    const renaming *r = ctx;
    ir_value v = r->p->n->operands[load->imm];
    return r->f ? pass_plain_load(r->nest, r->f->codes, load->args)
                : ir_nest_load(r->nest, v, load->args);
}

static ir_expr rename_index(void *ctx, int axis)
{
    const renaming *r = ctx;
    return r->to ? ir_nest_index(r->nest, r->to[axis]) : IR_NONE;
}

static ir_expr renamed(const product *p, ir_nest *nest, ir_expr e, const factor *f, const int *to)
{
    renaming r = {nest, p, f, to};
    return ir_x_rewrite(p->g, e,
                        &(ir_rewrite){.ctx = &r, .load = rename_load, .index = rename_index});
}

/* The factor as a term of a sum. */
static ir_expr term(const product *p, ir_nest *nest, const factor *f, const int *to)
{
    return ir_x_cast(p->g, renamed(p, nest, f->load, f, to), IR_I32);
}

/* Codes of u8 as those of i8. */
static ir_value with_sign(const product *p, ir_value v)
{
    ir_graph *g = p->g;
    ir_nest nest;
    const ir_type *t = ir_type_of(g, v);
    ir_nest_begin(&nest, p->b, t->rank, t->dims, 0);
    ir_expr x = ir_x_cast(g, ir_nest_read(&nest, v), IR_I32);
    x = ir_x_2(g, IR_X_SUB, x, ir_x_int(g, IR_I32, 128));
    return ir_nest_map(&nest, IR_I8, ir_x_cast(g, x, IR_I8));
}

/* The sum of a factor's codes, over the axes that it moves along; where it is in the new node. */
static ir_expr sum_of(product *p, const factor *f)
{
    ir_nest nest;
    ir_dim space[IR_MAX_SPACE];
    ir_expr idx[IR_MAX_RANK];
    int to[IR_MAX_SPACE], n = 0, parallel = p->rank - p->nred;
    uint32_t axes = ir_x_axes(p->g, f->load);
    for (int i = 0; i < p->rank; i++) {
        bool kept = i >= parallel || axes >> i & 1;
        if (kept && i < parallel) idx[n] = ir_nest_index(&p->nest, i);
        to[i] = kept ? n : 0;
        if (kept) space[n++] = p->space[i];
    }
    ir_nest_begin(&nest, p->b, n, space, p->nred);
    ir_value v = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I32, term(p, &nest, f, to));
    return v == IR_NONE ? IR_NONE : ir_nest_load(&p->nest, v, idx);
}

static ir_expr terms(const product *p)
{
    ir_dim n = ir_dim_product(p->g, p->space + p->rank - p->nred, p->nred);
    return ir_x_cast(p->g, ir_x_dim(p->g, n), IR_I32);
}

/* The zero point of what is loaded instead; IR_NONE: 0. */
static ir_expr zero_of(product *p, const factor *f)
{
    ir_graph *g = p->g;
    ir_expr z = f->zero;
    if (z != IR_NONE) z = renamed(p, &p->nest, z, NULL, NULL);
    if (f->codes == f->value) return z;
    ir_expr most = ir_x_int(g, IR_I32, 128);
    return z == IR_NONE ? ir_x_int(g, IR_I32, -128) : ir_x_2(g, IR_X_SUB, z, most);
}

/* What the sum with zero points is, of the sum without. */
static ir_expr corrected(product *p, const factor *a, const factor *b)
{
    ir_graph *g = p->g;
    ir_expr acc = ir_x_acc(g, IR_I32, 0), za = zero_of(p, a), zb = zero_of(p, b);
    if (za != IR_NONE) acc = ir_x_2(g, IR_X_SUB, acc, ir_x_2(g, IR_X_MUL, za, sum_of(p, b)));
    if (zb == IR_NONE) return acc;
    ir_expr sum = sum_of(p, a);
    if (za != IR_NONE) sum = ir_x_2(g, IR_X_SUB, sum, ir_x_2(g, IR_X_MUL, terms(p), za));
    return ir_x_2(g, IR_X_SUB, acc, ir_x_2(g, IR_X_MUL, zb, sum));
}

typedef struct ending {
    renaming r;
    ir_expr acc;
} ending;

static ir_expr end_node(void *ctx, ir_expr e)
{
    const ending *x = ctx;
    return ir_expr_get(x->r.p->g, e)->op == IR_X_ACC ? x->acc : IR_NONE;
}

static ir_expr epilogue(product *p, ir_expr acc)
{
    const ir_attr *end = ir_attr_find(p->n, IR_KEY_epilogue);
    ending x = {{&p->nest, p, NULL, NULL}, acc};
    if (!end) return acc;
    return ir_x_rewrite(p->g, end->u.exprs[0],
                        &(ir_rewrite){.ctx = &x, .node = end_node, .load = rename_load});
}

static ir_value build(product *p, int right)
{
    ir_graph *g = p->g;
    for (int i = 0; i < 2; i++)
        if (gets_sign(g, &p->of[i])) p->of[i].codes = with_sign(p, p->of[i].value);
    ir_nest_begin(&p->nest, p->b, p->rank, p->space, p->nred);
    ir_expr body =
        ir_x_2(g, IR_X_MUL, term(p, &p->nest, &p->of[0], NULL), term(p, &p->nest, &p->of[1], NULL));
    ir_expr end = epilogue(p, corrected(p, &p->of[1 - right], &p->of[right]));
    if (body == IR_NONE || end == IR_NONE || p->nest.failed) return IR_NONE;
    const ir_attr attrs[] = {*ir_attr_find(p->n, IR_KEY_space), ir_a_int(IR_KEY_nred, p->nred),
                             ir_a_exprs(g, IR_KEY_body, &body, 1),
                             ir_a_exprs(g, IR_KEY_epilogue, &end, 1),
                             *ir_attr_find(p->n, IR_KEY_elem)};
    ir_node_id id =
        ir_node_new(p->b, IR_OP_CONTRACT, p->nest.args, p->nest.nargs, attrs, 5, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

static bool rewrite(pass_sweep *s, ir_node_id id)
{
    ir_graph *g = s->g;
    const ir_node n = g->nodes[id]; /* by value: building moves the array */
    if (n.op != IR_OP_CONTRACT) return false;
    const ir_attr *space = ir_attr_find(&n, IR_KEY_space);
    product p = {.g = g,
                 .b = &s->b,
                 .n = &n,
                 .space = space->u.dims,
                 .rank = (int)space->n,
                 .nred = (int)ir_attr_int(&n, IR_KEY_nred, 0)};
    const ir_expr_node x = *ir_expr_get(g, ir_attr_find(&n, IR_KEY_body)->u.exprs[0]);
    if (x.op != IR_X_MUL || x.type != IR_I32) return false;
    if (!read_factor(&p, x.args[0], &p.of[0]) || !read_factor(&p, x.args[1], &p.of[1]))
        return false;
    int right = right_factor(&p);
    bool done = true;
    for (int i = 0; i < 2; i++) done = done && p.of[i].zero == IR_NONE && !gets_sign(g, &p.of[i]);
    if (right < 0 || done) return false;
    ir_value v = build(&p, right);
    if (v != IR_NONE) pass_replace(s, n.results[0], v);
    return v != IR_NONE;
}

lathe_status pass_zero_points(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    if (pass_rewrite(g, rewrite, NULL)) TRY(pass_dce(g, options, diag));
    return LATHE_OK;
}
