/* The canonical text of a nest: nests with equal texts need the same machine code.
 *
 * What is in it, and in which order, says nest_fields.def. Run-time dims appear as numbers in the
 * order of their first appearance, which is also the order in which the kernel receives them; so
 * the layers of a model, and dims with other names, share kernels. Expressions are written as a
 * list of nodes, each once, so that the text is as short as the shared expression and not as long
 * as the tree that it stands for. */
#include "codegen/kernels/nest_walk.h"

#include <inttypes.h>

typedef struct keying {
    cg_lowering *lw;
    cg_nest *n;
    size_t cap_params;
    cg_map params;  /* dim -> number */
    uint32_t nodes; /* expression nodes written */
    cg_expr_walk walk;
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

static void put_text(void *ctx, const char *text)
{
    keying *k = ctx;
    cg_text_add(&k->lw->text, "%s", text);
}

static void put_number(void *ctx, void *at, size_t size)
{
    keying *k = ctx;
    cg_text_add(&k->lw->text, "%" PRId64, cg_number_at(at, size));
}

static void put_dim(void *ctx, ir_dim *dim, bool place)
{
    keying *k = ctx;
    int64_t value;
    (void)place;
    if (ir_dim_is_const(k->lw->g, *dim, &value)) cg_text_add(&k->lw->text, "%" PRId64 ",", value);
    else cg_text_add(&k->lw->text, "p%" PRIu32 ",", nest_key_param(k, *dim));
}

static uint32_t put_node(void *ctx, ir_expr id)
{
    keying *k = ctx;
    cg_lowering *lw = k->lw;
    const ir_expr_node *x = ir_expr_get(lw->g, id);
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
    return ++k->nodes;
}

static void put_expr(void *ctx, ir_expr *root)
{
    keying *k = ctx;
    uint32_t number = cg_walk_expr(&k->walk, *root);
    cg_text_add(&k->lw->text, "=%" PRIu32, number);
}

const char *cg_nest_key(cg_lowering *lw, cg_nest *n)
{
    keying k = {.lw = lw, .n = n};
    const cg_visitor v = {
        .ctx = &k, .text = put_text, .number = put_number, .dim = put_dim, .expr = put_expr};
    k.walk = (cg_expr_walk){
        .g = lw->g, .arena = lw->p->arena, .values = &lw->locals, .ctx = &k, .node = put_node};
    n->params = NULL;
    n->nparams = 0;
    lw->text.n = 0;
    cg_map_clear(&lw->locals);
    cg_walk_nest(&v, n);
    return lw->text.s;
}
