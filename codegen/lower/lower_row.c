/* Rows: the stages of a row node, and what they keep.
 *
 * In: a row node. Out: the stages of its nest. Where a later stage needs again what an earlier one
 * has computed at great cost - the exponentials of a softmax, or what lies behind a fused operand -
 * the earlier one stores it in the result, which is written last, and the later ones load it. Only
 * values that the result holds exactly are kept, and one at a time. */
#include <string.h>

#include "codegen/lower/lower.h"
#include "ir/pool.h"

/* Cost from which storing and loading a value is cheaper than computing it again. */
enum { WORTH_KEEPING = 8 };

typedef struct keeper {
    ir_graph *g;
    cg_nest *n;
    ir_memo later; /* expressions of later stages */
    ir_memo seen;
    ir_expr load, best; /* of the result; what is kept */
    int cost;
} keeper;

static void mark(keeper *k, ir_expr e)
{
    if (ir_memo_get(k->g->pool, &k->later, e)) return;
    ir_memo_put(k->g->pool, &k->later, e, 1);
    const ir_expr_node *x = ir_expr_get(k->g, e);
    for (int i = 0; i < x->nargs; i++) mark(k, x->args[i]);
}

/* Finds the most expensive of the topmost expressions that are shared with later stages. */
static void search(keeper *k, ir_expr e)
{
    if (ir_memo_get(k->g->pool, &k->seen, e)) return;
    ir_memo_put(k->g->pool, &k->seen, e, 1);
    const ir_expr_node *x = ir_expr_get(k->g, e);
    if (x->type == k->n->out.elem && ir_memo_get(k->g->pool, &k->later, e)) {
        ir_x_cost c = ir_x_measure(k->g, &e, 1);
        if (c.work + c.loads > k->cost && ir_x_uses_axes(k->g, e, k->n->rank - k->n->nred)) {
            k->cost = c.work + c.loads;
            k->best = e;
        }
        return;
    }
    for (int i = 0; i < x->nargs; i++) search(k, x->args[i]);
}

/* Whether the expression loads the result other than below `but`. */
static bool reads_result(keeper *k, ir_expr e, ir_expr but)
{
    if (e == but || ir_memo_get(k->g->pool, &k->seen, e)) return false;
    if (e == k->load) return true;
    ir_memo_put(k->g->pool, &k->seen, e, 1);
    const ir_expr_node *x = ir_expr_get(k->g, e);
    for (int i = 0; i < x->nargs; i++)
        if (reads_result(k, x->args[i], but)) return true;
    return false;
}

/* Body of stage i; the last one is what is stored in the end. */
static ir_expr *body_at(cg_nest *n, size_t i)
{
    return i < n->nstages ? &n->stages[i].body : &n->body;
}

static ir_expr find_kept(keeper *k, size_t stage)
{
    ir_pool *pool = k->g->pool;
    k->best = IR_NONE;
    k->cost = WORTH_KEEPING - 1;
    ir_memo_begin(pool, &k->later);
    for (size_t i = stage + 1; i <= k->n->nstages; i++) mark(k, *body_at(k->n, i));
    ir_memo_begin(pool, &k->seen);
    search(k, *body_at(k->n, stage));
    ir_memo_end(pool, &k->seen);
    ir_memo_end(pool, &k->later);
    bool taken = false;
    ir_memo_begin(pool, &k->seen);
    for (size_t i = stage + 1; i <= k->n->nstages && k->best; i++)
        taken = taken || reads_result(k, *body_at(k->n, i), k->best);
    ir_memo_end(pool, &k->seen);
    return taken ? IR_NONE : k->best;
}

static ir_expr replace_kept(void *ctx, ir_expr e)
{
    const keeper *k = ctx;
    return e == k->best ? k->load : IR_NONE;
}

/* Later bodies with what is kept as a load. The last vector of a row overlaps the one before, and
 * computes again, to drop it, what is not kept any more: that must not be an index that is checked.
 */
static bool replace_later(keeper *k, size_t stage, ir_expr *later)
{
    const ir_rewrite hooks = {.ctx = k, .node = replace_kept};
    for (size_t i = stage + 1; i <= k->n->nstages; i++) {
        later[i] = ir_x_rewrite(k->g, *body_at(k->n, i), &hooks);
        if (ir_x_measure(k->g, &later[i], 1).checks) return false;
    }
    return true;
}

void cg_keep_stages(cg_lowering *lw, cg_nest *n)
{
    ir_elem elem = n->out.elem;
    ir_expr later[IR_MAX_STAGES + 1];
    if (!ir_elem_is_float(elem) || ir_elem_arith(elem) != elem) return;
    keeper k = {.g = lw->g, .n = n};
    k.load = ir_x_load(lw->g, elem, (int)n->noperands, n->store, n->out.rank);
    for (size_t s = 0; s < n->nstages; s++) {
        ir_expr kept = find_kept(&k, s);
        if (!kept || !replace_later(&k, s, later)) continue;
        n->stages[s].keep = kept;
        for (size_t i = s + 1; i <= n->nstages; i++) *body_at(n, i) = later[i];
    }
}

lathe_status cg_read_row(cg_lowering *lw, const ir_node *node, cg_nest *n)
{
    const ir_attr *body = ir_attr_find(node, IR_KEY_body);
    const char *kinds = ir_attr_str(lw->g, node, IR_KEY_kind);
    n->kind = CG_NEST_ROW;
    n->nstages = body->n - 1;
    n->stages = IR_NEW_N(lw->p->arena, cg_stage, body->n);
    n->body = body->u.exprs[n->nstages];
    for (size_t i = 0; i < n->nstages; i++) {
        size_t length = strcspn(kinds, ",");
        TRY(cg_read_combine(lw, kinds, length, &n->stages[i].combine));
        n->stages[i].body = body->u.exprs[i];
        kinds += length + (kinds[length] == ',');
    }
    cg_keep_stages(lw, n);
    return LATHE_OK;
}
