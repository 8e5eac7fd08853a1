/* Lowers attention to one kernel.
 *
 * In: an attention node, whose form the verifier has checked. Out: its nest - the product of
 * weights and values - with those of the scores and of their rows, all over the same batch axes and
 * rows, and a step over batches and chunks of rows. What the batch's indices do to a factor's place
 * is one expression; everything inside is affine. Keys and values of a batch are packed into panels
 * in the worker's scratch, so a chunk must be long enough to pay for that. */
#include <string.h>

#include "codegen/lower/lower.h"

enum { LONG_ROW = 2048, LINE = 16 }; /* floats */

typedef struct attention {
    cg_lowering *lw;
    ir_graph *g;
    const ir_node *node;
    ir_attention form;
    int nbatch;
    int to[IR_MAX_SPACE]; /* axis of the batch, or m, of an axis of the node; the others follow */
    cg_nest out;
    cg_attention all;
    ir_expr row_store[2];
} attention;

static ir_dim attention_constant(attention *a, int64_t v) { return ir_dim_const(a->g, v); }
static const ir_dim *space_of(const attention *a)
{
    return ir_attr_find(a->node, IR_KEY_space)->u.dims;
}

/* ---- axes ---- */

static void number_axes(attention *a)
{
    for (int i = 0; i < a->form.n; i++)
        if (i != a->form.m && i != a->form.d) a->to[i] = a->nbatch++;
    a->to[a->form.m] = a->nbatch;
    a->to[a->form.d] = a->to[a->form.n] = a->nbatch + 1;
    a->to[a->form.k] = a->nbatch + 2;
}

/* The batch, the rows, and up to two axes more. */
static void attention_set_space(attention *a, cg_nest *n, int inner, int innermost)
{
    const ir_dim *space = space_of(a);
    for (int i = 0; i < a->form.n; i++) n->space[a->to[i]] = space[i];
    n->rank = a->nbatch + 1;
    n->space[n->rank++] = space[inner];
    if (innermost >= 0) n->space[n->rank++] = space[innermost];
    n->nred = 1;
    n->noperands = a->node->noperands;
    n->operands = a->out.operands;
}

static ir_expr new_index(void *ctx, int axis)
{
    const attention *a = ctx;
    return ir_x_index(a->g, a->to[axis]);
}

static ir_expr renumber(attention *a, ir_expr e)
{
    return e ? ir_x_rewrite(a->g, e, &(ir_rewrite){.ctx = a, .index = new_index}) : e;
}

void cg_imply_attention(cg_nest *n)
{
    cg_attention *a = (cg_attention *)n->attention; /* the nest's own */
    const int m = n->rank - 3;
    a->scores.operands = a->row.operands = n->operands;
    for (int i = 0; i <= m; i++) a->scores.space[i] = a->row.space[i] = n->space[i];
    a->scores.space[m + 1] = a->row.space[m + 1] = n->space[m + 2];
    for (int i = 0; i < 2; i++) a->row.out.dims[i] = a->row.space[m + i];
}

/* ---- the products ---- */

static ir_affine nowhere(attention *a)
{
    ir_affine r = {.konst = attention_constant(a, 0)};
    for (int i = 0; i < IR_MAX_SPACE; i++) r.coef[i] = r.konst;
    return r;
}

static cg_gemm product_of(attention *a)
{
    const ir_affine still = nowhere(a);
    return (cg_gemm){.a = still, .b = still, .c = still, .format = cg_format_of(a->form.panel)};
}

static cg_axes one_axis(const attention *a, const ir_walk *w, int axis)
{
    return (cg_axes){.n = 1, .extent = {space_of(a)[axis]}, .stride = {w->coef[axis]}};
}

static void add_factors(attention *a)
{
    const ir_walk *w[] = {[CG_Q] = &a->form.q, [CG_KEY] = &a->form.key, [CG_VALUE] = &a->form.v};
    for (int i = 0; i < CG_FACTORS; i++) {
        a->all.operand[i] = w[i]->operand;
        a->all.base[i] = renumber(a, w[i]->base);
    }
}

static void make_scores(attention *a)
{
    const ir_attention *f = &a->form;
    cg_gemm gm = product_of(a);
    cg_nest *n = &a->all.scores;
    n->kind = CG_NEST_GEMM;
    attention_set_space(a, n, f->n, f->k);
    gm.a.coef[a->nbatch] = f->q.coef[f->m];
    gm.a.coef[a->nbatch + 2] = f->q.coef[f->k];
    gm.n = one_axis(a, &f->key, f->n);
    gm.k = one_axis(a, &f->key, f->k);
    n->gemm = ir_copy(a->lw->p->arena, &gm, 1, sizeof gm);
}

/* The result's place may lie in a concat, but its indices are sums all the same. */
static bool make_values(attention *a)
{
    const ir_attention *f = &a->form;
    cg_nest *n = &a->out;
    const ir_attr *end = ir_attr_find(a->node, IR_KEY_epilogue);
    cg_gemm gm = product_of(a);
    ir_affine c;
    n->kind = CG_NEST_ATTENTION;
    attention_set_space(a, n, f->d, f->n);
    if (!ir_affine_place(a->g, n->out.dims, n->store, n->out.rank, &c)) return false;
    gm.c.konst = c.konst;
    for (int i = 0; i < f->n; i++) gm.c.coef[a->to[i]] = c.coef[i];
    gm.n = one_axis(a, &f->v, f->d);
    gm.k = one_axis(a, &f->v, f->n);
    n->gemm = ir_copy(a->lw->p->arena, &gm, 1, sizeof gm);
    n->epilogue = renumber(a, end ? end->u.exprs[0] : IR_NONE);
    return true;
}

/* ---- the rows ---- */

static ir_expr row_acc(void *ctx, ir_expr e)
{
    const attention *a = ctx;
    const ir_expr_node x = *ir_expr_get(a->g, e);
    if (x.op != IR_X_ACC) return IR_NONE;
    if (x.imm > 0) return ir_x_acc(a->g, x.type, (int)x.imm - 1);
    return ir_x_load(a->g, IR_F32, (int)a->out.noperands, a->row_store, 2);
}

static lathe_status make_row(attention *a)
{
    const ir_attr *body = ir_attr_find(a->node, IR_KEY_body);
    const char *kinds = ir_attr_str(a->g, a->node, IR_KEY_kind);
    const ir_rewrite hooks = {.ctx = a, .node = row_acc, .index = new_index};
    cg_nest *n = &a->all.row;
    n->kind = CG_NEST_ROW;
    attention_set_space(a, n, a->form.n, -1);
    n->out = (cg_operand){.elem = IR_F32, .rank = 2};
    for (int i = 0; i < 2; i++) {
        n->out.dims[i] = n->space[a->nbatch + i];
        n->store[i] = a->row_store[i] = ir_x_index(a->g, a->nbatch + i);
    }
    n->nstages = body->n - 3;
    n->stages = IR_NEW_N(a->lw->p->arena, cg_stage, n->nstages);
    for (size_t i = 0; i < n->nstages; i++) {
        size_t length = strcspn(kinds, ",");
        TRY(cg_read_combine(a->lw, kinds, length, &n->stages[i].combine));
        n->stages[i].body = ir_x_rewrite(a->g, body->u.exprs[i + 1], &hooks);
        kinds += length + (kinds[length] == ',');
    }
    n->body = ir_x_rewrite(a->g, body->u.exprs[body->n - 2], &hooks);
    cg_keep_stages(a->lw, n);
    return LATHE_OK;
}

/* Short rows have a distance that the kernel knows; a line more than they need keeps rows that are
 * read together out of each other's cache sets. */
static ir_dim score_step(attention *a)
{
    int64_t lo, hi;
    ir_dim n = space_of(a)[a->form.n], panel = attention_constant(a, CG_PANEL);
    ir_dim_range(a->g, n, &lo, &hi);
    if (hi > LONG_ROW) hi = LONG_ROW;
    ir_dim step = ir_dim_mul(a->g, ir_dim_ceildiv(a->g, n, panel), panel);
    ir_dim least = attention_constant(a, (hi + CG_PANEL - 1) / CG_PANEL * CG_PANEL);
    return ir_dim_add(a->g, ir_dim_max(a->g, step, least), attention_constant(a, LINE));
}

/* ---- the step ---- */

static lathe_status push_step(attention *a, ir_value result)
{
    cg_nest *n = &a->out;
    uint32_t *bufs = IR_NEW_N(a->lw->p->arena, uint32_t, n->noperands + 2);
    n->attention = ir_copy(a->lw->p->arena, &a->all, 1, sizeof a->all);
    for (size_t i = 0; i < n->noperands; i++) bufs[i] = cg_buffer(a->lw, a->node->operands[i]);
    bufs[n->noperands] = cg_buffer(a->lw, result);
    cg_give_extremes(a->lw, a->node->results[0], n, bufs);
    return cg_kernel_step(a->lw, n, bufs);
}

lathe_status cg_lower_attention(cg_lowering *lw, const ir_node *node)
{
    attention *a = IR_NEW(lw->p->arena, attention);
    *a = (attention){.lw = lw, .g = lw->g, .node = node};
    const char *wrong = ir_attention_read(lw->g, node, &a->form);
    if (wrong) return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "%s", wrong);
    cg_nest *n = &a->out;
    n->out = cg_operand_of(ir_type_of(lw->g, node->results[0]));
    n->operands = IR_NEW_N(lw->p->arena, cg_operand, node->noperands + 1);
    for (uint32_t i = 0; i < node->noperands; i++)
        n->operands[i] = cg_operand_of(ir_type_of(lw->g, node->operands[i]));
    for (int i = 0; i < n->out.rank; i++) n->store[i] = ir_x_index(lw->g, i);
    ir_value result = cg_store_as_part(lw, node->results[0], n);
    number_axes(a);
    a->all.step = score_step(a);
    add_factors(a);
    make_scores(a);
    if (!make_values(a)) return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "a result without a place");
    TRY(make_row(a));
    return push_step(a, result);
}
