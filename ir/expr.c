/* Scalar expressions: interning, constructors, and walks over the DAG.
 *
 * Every node goes through ir_x_make, which types it, simplifies it (expr_fold.c) and interns what
 * is left. So two expressions that fold to the same thing have the same id, however they were
 * written, and passes never need to simplify again. */
#include "ir/expr_impl.h"

#include <string.h>

const ir_expr_node *ir_expr_get(const ir_graph *g, ir_expr e) { return &g->pool->exprs[e]; }

/* ---- interning ---- */

typedef struct expr_key {
    const ir_pool *pool;
    const ir_expr_node *node;
} expr_key;

static uint64_t hash_expr(const ir_expr_node *n)
{
    uint64_t h = ir_hash_mix(11, ((uint64_t)n->op << 8) ^ (uint64_t)n->type);
    h = ir_hash_mix(h, (uint64_t)n->imm);
    return ir_hash_bytes(h, n->args, (size_t)n->nargs * sizeof *n->args);
}

static bool expr_equal(const void *ctx, uint32_t id)
{
    const expr_key *k = ctx;
    const ir_expr_node *a = &k->pool->exprs[id], *b = k->node;
    if (a->op != b->op || a->type != b->type || a->imm != b->imm || a->nargs != b->nargs)
        return false;
    return a->nargs == 0 || memcmp(a->args, b->args, (size_t)a->nargs * sizeof *a->args) == 0;
}

static uint64_t expr_hash_of(const ir_pool *p, uint32_t id) { return p->expr_hashes[id]; }

static bool compute_closed(const ir_pool *p, const ir_expr_node *n)
{
    if (n->op == IR_X_INDEX || n->op == IR_X_LOAD || n->op == IR_X_ACC) return false;
    for (int i = 0; i < n->nargs; i++)
        if (!p->closed[n->args[i]]) return false;
    return true;
}

ir_expr ir_x_intern(ir_graph *g, const ir_expr_node *node)
{
    ir_pool *p = g->pool;
    ir_idset_reserve(p->arena, &p->expr_set, expr_hash_of, p);
    expr_key key = {p, node};
    uint64_t hash = hash_expr(node);
    size_t slot;
    ir_expr id = ir_idset_find(&p->expr_set, hash, expr_equal, &key, &slot);
    if (id != IR_NONE) return id;
    p->exprs = ir_grow(p->arena, p->exprs, &p->cap_exprs, p->nexprs + 1, sizeof *p->exprs);
    p->expr_hashes =
        ir_grow(p->arena, p->expr_hashes, &p->cap_expr_hashes, p->nexprs + 1, sizeof hash);
    p->closed = ir_grow(p->arena, p->closed, &p->cap_closed, p->nexprs + 1, 1);
    id = (ir_expr)p->nexprs++;
    p->exprs[id] = *node;
    p->exprs[id].args =
        node->nargs ? ir_copy(p->arena, node->args, (size_t)node->nargs, sizeof *node->args) : NULL;
    p->expr_hashes[id] = hash;
    p->closed[id] = compute_closed(p, node);
    p->expr_set.n++;
    return p->expr_set.ids[slot] = id;
}

/* ---- typing ---- */

enum result_rule { RESULT_A, RESULT_B, RESULT_I, RESULT_N };

/* scalar.def writes traits as sums of these letters. */
enum { C = IR_X_COMPARES, D = IR_X_DIVIDES, Q = IR_X_QUOTIENT, W = IR_X_WHOLE, F = IR_X_FUNCTION };

static const struct {
    signed char arity;
    enum result_rule result;
    unsigned traits;
} scalar_info[IR_X_COUNT] = {
#define SCALAR(NAME, text, arity, result, traits) [IR_X_##NAME] = {arity, RESULT_##result, traits},
#include "ir/scalar.def"
#undef SCALAR
};

bool ir_x_op_is(ir_scalar op, unsigned traits)
{
    return (scalar_info[op].traits & traits) == traits;
}

/* The arguments' common type; IR_ELEM_NONE if they differ. */
static ir_elem common_type(const ir_graph *g, const ir_expr *args, int n)
{
    for (int i = 1; i < n; i++)
        if (ir_expr_get(g, args[i])->type != ir_expr_get(g, args[0])->type) return IR_ELEM_NONE;
    return ir_expr_get(g, args[0])->type;
}

/* The type of the node, `type` where the operator leaves it open; IR_ELEM_NONE: ill-typed. */
static ir_elem type_node(const ir_graph *g, ir_scalar op, ir_elem type, const ir_expr *args, int n)
{
    if (op <= IR_X_NONE || op >= IR_X_COUNT ||
        (scalar_info[op].arity >= 0 && scalar_info[op].arity != n))
        return IR_ELEM_NONE;
    if (op == IR_X_LOAD) {
        for (int i = 0; i < n; i++)
            if (ir_expr_get(g, args[i])->type != IR_I64) return IR_ELEM_NONE;
        return type;
    }
    if (op == IR_X_SELECT) {
        if (ir_expr_get(g, args[0])->type != IR_BOOL) return IR_ELEM_NONE;
        return common_type(g, args + 1, 2);
    }
    for (int i = 0; i < n; i++)
        if (ir_expr_get(g, args[i])->type == IR_STRING) return IR_ELEM_NONE;
    switch (scalar_info[op].result) {
    case RESULT_A:
        return common_type(g, args, n);
    case RESULT_B:
        return common_type(g, args, n) == IR_ELEM_NONE ? IR_ELEM_NONE : IR_BOOL;
    case RESULT_I:
        return IR_I64;
    default:
        return type;
    }
}

ir_expr ir_x_make(ir_graph *g, ir_scalar op, ir_elem type, int64_t imm, const ir_expr *args, int n)
{
    for (int i = 0; i < n; i++)
        if (args[i] == IR_NONE) return IR_NONE;
    type = type_node(g, op, type, args, n);
    if (type == IR_ELEM_NONE) return IR_NONE;
    ir_expr_node node = {op, type, n, args, imm};
    ir_expr folded = ir_x_fold(g, &node);
    return folded != IR_NONE ? folded : ir_x_intern(g, &node);
}

/* ---- constructors ---- */

static int64_t float_bits(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

ir_expr ir_x_const(ir_graph *g, ir_elem type, ir_scalar_value v)
{
    int64_t bits = ir_elem_is_float(type) ? float_bits(v.f) : v.i;
    return ir_x_intern(g, &(ir_expr_node){.op = IR_X_CONST, .type = type, .imm = bits});
}

ir_expr ir_x_int(ir_graph *g, ir_elem type, int64_t v)
{
    return ir_x_const(g, type, (ir_scalar_value){.i = ir_wrap_int(type, v)});
}

ir_expr ir_x_float(ir_graph *g, ir_elem type, double v)
{
    return ir_x_const(g, type, (ir_scalar_value){.f = ir_round_float(type, v)});
}

ir_expr ir_x_num(ir_graph *g, ir_elem type, double v)
{
    return ir_elem_is_float(type) ? ir_x_float(g, type, v) : ir_x_int(g, type, (int64_t)v);
}

ir_expr ir_x_dim(ir_graph *g, ir_dim d)
{
    int64_t v;
    if (d == IR_NONE) return IR_NONE;
    if (ir_dim_is_const(g, d, &v)) return ir_x_int(g, IR_I64, v);
    return ir_x_intern(g, &(ir_expr_node){.op = IR_X_DIM, .type = IR_I64, .imm = d});
}

ir_expr ir_x_index(ir_graph *g, int axis)
{
    return ir_x_intern(g, &(ir_expr_node){.op = IR_X_INDEX, .type = IR_I64, .imm = axis});
}

ir_expr ir_x_acc(ir_graph *g, ir_elem type, int reduction)
{
    return ir_x_intern(g, &(ir_expr_node){.op = IR_X_ACC, .type = type, .imm = reduction});
}

ir_expr ir_x_load(ir_graph *g, ir_elem arith, int operand, const ir_expr *idx, int n)
{
    return ir_x_make(g, IR_X_LOAD, arith, operand, idx, n);
}

ir_expr ir_x_1(ir_graph *g, ir_scalar op, ir_expr a)
{
    return ir_x_make(g, op, IR_ELEM_NONE, 0, &a, 1);
}

ir_expr ir_x_2(ir_graph *g, ir_scalar op, ir_expr a, ir_expr b)
{
    return ir_x_make(g, op, IR_ELEM_NONE, 0, (ir_expr[]){a, b}, 2);
}

ir_expr ir_x_select(ir_graph *g, ir_expr cond, ir_expr a, ir_expr b)
{
    return ir_x_make(g, IR_X_SELECT, IR_ELEM_NONE, 0, (ir_expr[]){cond, a, b}, 3);
}

ir_expr ir_x_cast(ir_graph *g, ir_expr e, ir_elem to)
{
    return ir_x_make(g, IR_X_CAST, ir_elem_arith(to), to, &e, 1);
}

/* ---- queries ---- */

bool ir_x_value(const ir_graph *g, ir_expr e, ir_scalar_value *v)
{
    const ir_expr_node *n = ir_expr_get(g, e);
    if (n->op != IR_X_CONST) return false;
    if (ir_elem_is_float(n->type)) {
        memcpy(&v->f, &n->imm, sizeof v->f);
    } else {
        v->i = n->imm;
    }
    return true;
}

bool ir_x_is_const(const ir_graph *g, ir_expr e, int64_t *i, double *f)
{
    ir_scalar_value v;
    if (e == IR_NONE || !ir_x_value(g, e, &v)) return false;
    bool is_float = ir_elem_is_float(ir_expr_get(g, e)->type);
    if (i) *i = is_float ? (int64_t)v.f : v.i;
    if (f) *f = is_float ? v.f : (double)v.i;
    return true;
}

bool ir_x_is_dim(const ir_graph *g, ir_expr e, ir_dim *d)
{
    if (e == IR_NONE) return false;
    const ir_expr_node *n = ir_expr_get(g, e);
    if (n->op == IR_X_DIM) {
        *d = (ir_dim)n->imm;
        return true;
    }
    if (n->op != IR_X_CONST || n->type != IR_I64) return false;
    *d = ir_dim_const((ir_graph *)(uintptr_t)g, n->imm);
    return true;
}

bool ir_x_is_closed(const ir_graph *g, ir_expr e) { return e != IR_NONE && g->pool->closed[e]; }

/* ---- rewriting ---- */

typedef struct rewrite_walk {
    ir_graph *g;
    const ir_rewrite *hooks;
    ir_memo memo;
} rewrite_walk;

static ir_expr rewrite(rewrite_walk *w, ir_expr e);

static ir_expr rewrite_leaf(rewrite_walk *w, ir_expr e, const ir_expr_node *n)
{
    ir_expr r = IR_NONE;
    if (n->op == IR_X_INDEX && w->hooks->at) return w->hooks->at[n->imm];
    if (n->op == IR_X_INDEX && w->hooks->index) r = w->hooks->index(w->hooks->ctx, (int)n->imm);
    if (n->op == IR_X_DIM && w->hooks->dim)
        r = ir_x_dim(w->g, w->hooks->dim(w->hooks->ctx, (ir_dim)n->imm));
    return r == IR_NONE ? e : r;
}

static ir_expr rewrite_inner(rewrite_walk *w, const ir_expr_node *n)
{
    ir_expr few[8], *args = few;
    if (n->nargs > 8) args = IR_NEW_N(w->g->arena, ir_expr, (size_t)n->nargs);
    for (int i = 0; i < n->nargs; i++)
        if ((args[i] = rewrite(w, n->args[i])) == IR_NONE) return IR_NONE;
    if (n->op == IR_X_LOAD && w->hooks->load) {
        ir_expr_node load = *n;
        load.args = args;
        ir_expr r = w->hooks->load(w->hooks->ctx, &load);
        if (r != IR_NONE) return r;
    }
    return ir_x_make(w->g, n->op, n->type, n->imm, args, n->nargs);
}

static ir_expr rewrite(rewrite_walk *w, ir_expr e)
{
    ir_expr known = ir_memo_get(w->g->pool, &w->memo, e);
    if (known != IR_NONE) return known;
    const ir_expr_node n = *ir_expr_get(w->g, e); /* by value: building moves the array */
    bool inner = n.nargs > 0 || n.op == IR_X_LOAD;
    ir_expr r = w->hooks->node ? w->hooks->node(w->hooks->ctx, e) : IR_NONE;
    if (r == IR_NONE) r = inner ? rewrite_inner(w, &n) : rewrite_leaf(w, e, &n);
    if (r != IR_NONE) ir_memo_put(w->g->pool, &w->memo, e, r);
    return r;
}

ir_expr ir_x_rewrite(ir_graph *g, ir_expr e, const ir_rewrite *hooks)
{
    if (e == IR_NONE) return IR_NONE;
    rewrite_walk w = {g, hooks, {0}};
    ir_memo_begin(g->pool, &w.memo);
    ir_expr r = rewrite(&w, e);
    ir_memo_end(g->pool, &w.memo);
    return r;
}

/* ---- evaluation ---- */

/* A direct-mapped cache keeps walks over shared subexpressions linear in practice. */
enum { EVAL_CACHE = 64 };
typedef struct eval_walk {
    const ir_graph *g;
    const ir_x_env *env;
    ir_expr key[EVAL_CACHE];
    ir_scalar_value value[EVAL_CACHE];
} eval_walk;

static bool eval(eval_walk *w, ir_expr e, ir_scalar_value *out);

static bool eval_load(eval_walk *w, const ir_expr_node *n, ir_scalar_value *out)
{
    int64_t idx[IR_MAX_RANK];
    if (!w->env->load || n->nargs > IR_MAX_RANK) return false;
    for (int i = 0; i < n->nargs; i++) {
        ir_scalar_value v;
        if (!eval(w, n->args[i], &v)) return false;
        idx[i] = v.i;
    }
    return w->env->load(w->env->ctx, (int)n->imm, idx, n->nargs, out);
}

static bool eval_node(eval_walk *w, ir_expr e, ir_scalar_value *out)
{
    const ir_expr_node *n = ir_expr_get(w->g, e);
    ir_scalar_value args[3];
    switch (n->op) {
    case IR_X_CONST:
        return ir_x_value(w->g, e, out);
    case IR_X_DIM:
        return w->env->symbols && ir_dim_eval(w->g, (ir_dim)n->imm, w->env->symbols, &out->i);
    case IR_X_INDEX:
        if (!w->env->index) return false;
        out->i = w->env->index[n->imm];
        return true;
    case IR_X_LOAD:
        return eval_load(w, n, out);
    case IR_X_ACC:
        return false;
    default:
        break;
    }
    for (int i = 0; i < n->nargs; i++)
        if (!eval(w, n->args[i], &args[i])) return false;
    ir_elem from = ir_expr_get(w->g, n->args[n->op == IR_X_SELECT ? 1 : 0])->type;
    return ir_scalar_apply(n->op, n->type, from, n->imm, args, n->nargs, out);
}

static bool eval(eval_walk *w, ir_expr e, ir_scalar_value *out)
{
    unsigned slot = e % EVAL_CACHE;
    if (w->key[slot] == e) {
        *out = w->value[slot];
        return true;
    }
    if (!eval_node(w, e, out)) return false;
    w->key[slot] = e;
    w->value[slot] = *out;
    return true;
}

bool ir_x_eval(const ir_graph *g, ir_expr e, const ir_x_env *env, ir_scalar_value *out)
{
    eval_walk w = {.g = g, .env = env};
    return e != IR_NONE && eval(&w, e, out);
}
