/* The canonical text of a nest: nests with equal texts need the same machine code.
 *
 * Run-time dims appear as numbers in the order of their first appearance, which is also the order
 * in which the kernel receives them; so the layers of a model, and dims with other names, share
 * kernels. Expressions are written as a list of nodes, each once, so that the text is as short as
 * the shared expression and not as long as the tree that it stands for. */
#include "codegen/lower/lower.h"

#include <inttypes.h>

typedef struct keying {
    cg_lowering *lw;
    cg_nest *n;
    size_t cap_params;
    cg_map params;  /* dim -> number */
    uint32_t nodes; /* expression nodes written */
    ir_expr *stack;
    size_t nstack, cap_stack;
} keying;

static uint32_t nest_key_param(keying *k, ir_dim dim)
{
    cg_nest *n = k->n;
    ir_arena *arena = k->lw->p->arena;
    uint32_t at = cg_map_get(&k->params, dim, LATHE_NO_SLOT);
    if (at != LATHE_NO_SLOT) return at;
    n->params = ir_grow(arena, n->params, &k->cap_params, n->nparams + 1, sizeof *n->params);
    n->params[n->nparams] = dim;
    cg_map_put(arena, &k->params, dim, (uint32_t)n->nparams);
    return (uint32_t)n->nparams++;
}

static void put_dim(keying *k, ir_dim dim)
{
    int64_t value;
    if (ir_dim_is_const(k->lw->g, dim, &value)) cg_text_add(&k->lw->text, "%" PRId64 ",", value);
    else cg_text_add(&k->lw->text, "p%" PRIu32 ",", nest_key_param(k, dim));
}

static void put_operand(keying *k, const cg_operand *o)
{
    cg_text_add(&k->lw->text, "|%d:", (int)o->elem);
    for (int i = 0; i < o->rank; i++) put_dim(k, o->dims[i]);
}

static void nest_key_push(keying *k, ir_expr x)
{
    k->stack = ir_grow(k->lw->p->arena, k->stack, &k->cap_stack, k->nstack + 1, sizeof *k->stack);
    k->stack[k->nstack++] = x;
}

/* Pushes the arguments that are not written yet, the first on top; false: there are none. */
static bool push_args(keying *k, const ir_expr_node *x)
{
    bool some = false;
    for (int i = x->nargs; i-- > 0;)
        if (!cg_map_get(&k->lw->locals, x->args[i], 0)) {
            nest_key_push(k, x->args[i]);
            some = true;
        }
    return some;
}

static void put_node(keying *k, ir_expr id, const ir_expr_node *x)
{
    cg_lowering *lw = k->lw;
    int64_t value;
    cg_text_add(&lw->text, ";%d.%d", (int)x->op, (int)x->type);
    if (x->op == IR_X_DIM && !ir_dim_is_const(lw->g, (ir_dim)x->imm, &value)) {
        cg_text_add(&lw->text, " p%" PRIu32, nest_key_param(k, (ir_dim)x->imm));
    } else {
        if (x->op != IR_X_DIM) value = x->imm;
        cg_text_add(&lw->text, " %" PRId64, value);
    }
    for (int i = 0; i < x->nargs; i++)
        cg_text_add(&lw->text, " %" PRIu32, cg_map_get(&lw->locals, x->args[i], 0));
    cg_map_put(lw->p->arena, &lw->locals, id, ++k->nodes);
}

static void put_expr(keying *k, ir_expr root)
{
    cg_lowering *lw = k->lw;
    for (nest_key_push(k, root); k->nstack;) {
        ir_expr id = k->stack[k->nstack - 1];
        const ir_expr_node *x = ir_expr_get(lw->g, id);
        bool done = cg_map_get(&lw->locals, id, 0);
        if (!done && push_args(k, x)) continue;
        k->nstack--;
        if (!done) put_node(k, id, x);
    }
    cg_text_add(&lw->text, "=%" PRIu32, cg_map_get(&lw->locals, root, 0));
}

static void put_affine(keying *k, const ir_affine *a, int rank)
{
    put_dim(k, a->konst);
    for (int i = 0; i < rank; i++) put_dim(k, a->coef[i]);
}

static void put_axes(keying *k, const cg_axes *a)
{
    for (int i = 0; i < a->n; i++) {
        put_dim(k, a->extent[i]);
        put_dim(k, a->stride[i]);
    }
    cg_text_add(&k->lw->text, "/");
}

static void put_gemm(keying *k, const cg_gemm *gm, int rank)
{
    cg_text_add(&k->lw->text, ";%d %" PRId64 " ", gm->packed, gm->group);
    put_affine(k, &gm->a, rank);
    put_affine(k, &gm->b, rank);
    put_affine(k, &gm->c, rank);
    put_axes(k, &gm->n);
    put_axes(k, &gm->k);
}

static void put_stages(keying *k, const cg_nest *n)
{
    for (size_t i = 0; i < n->nstages; i++) {
        const cg_stage *stage = &n->stages[i];
        cg_text_add(&k->lw->text, "+%d%d", (int)stage->combine, stage->keep != IR_NONE);
        put_expr(k, stage->body);
        if (stage->keep) put_expr(k, stage->keep);
    }
    if (n->body) put_expr(k, n->body);
}

static void put_attention(keying *k, const cg_attention *a)
{
    put_gemm(k, a->scores.gemm, a->scores.rank);
    for (int i = 0; i < a->scores.rank; i++) put_dim(k, a->scores.space[i]);
    for (int i = 0; i < CG_FACTORS; i++) {
        cg_text_add(&k->lw->text, "*%d", a->operand[i]);
        put_expr(k, a->base[i]);
    }
    put_dim(k, a->step);
    put_stages(k, &a->row);
}

const char *cg_nest_key(cg_lowering *lw, cg_nest *n)
{
    keying k = {.lw = lw, .n = n};
    n->nparams = 0;
    lw->text.n = 0;
    cg_map_clear(&lw->locals);
    cg_text_add(&lw->text, "%d %d %d %d %d %d%d%d ", (int)n->kind, (int)n->combine, n->rank,
                n->nred, n->axis, n->exclusive, n->reverse, n->last);
    for (int i = 0; i < n->rank; i++) put_dim(&k, n->space[i]);
    for (size_t i = 0; i < n->noperands; i++) put_operand(&k, &n->operands[i]);
    put_operand(&k, &n->out);
    if (n->gemm) put_gemm(&k, n->gemm, n->rank);
    if (n->attention) put_attention(&k, n->attention);
    put_stages(&k, n);
    if (n->epilogue) put_expr(&k, n->epilogue);
    cg_text_add(&lw->text, "/");
    for (int i = 0; i < n->out.rank && !n->gemm; i++) put_expr(&k, n->store[i]);
    return lw->text.s;
}
