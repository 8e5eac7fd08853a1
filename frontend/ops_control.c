/* The importer of If. In: two subgraphs. Out: an `if` node with two regions - or, where the
 * condition is known, just the nodes of the branch taken, which keeps contents known. Invariant: an
 * output has one rank; its sizes may depend on the branch.
 * Where a result has another rank in each branch, what stands behind the If goes into the branches,
 * up to the end of the graph. If it is valid behind one branch only, that one is taken, and a run
 * whose condition says otherwise fails. */
#include "frontend/sequence.h"

typedef struct branch {
    const Onnx__GraphProto *graph;
    ir_block_id block;
    fe_value *outs;
} branch;

static lathe_status import_branch(fe_node *n, branch *b)
{
    b->block = ir_block_new(n->g, IR_NONE);
    b->outs = IR_NEW_N(n->g->arena, fe_value, b->graph->n_output + 1);
    return fe_subgraph(n, b->graph, b->block, NULL, 0, b->outs);
}

/* The if node under construction: symbols for sizes that depend on the branch. */
typedef struct joint {
    fe_mark mark; /* before the branches */
    ir_sym *syms;
    size_t nsyms, cap;
} joint;

/* A size that is x in one branch, y in the other. */
static ir_dim join_dim(fe_node *n, joint *j, ir_dim x, ir_dim y)
{
    if (x == y) return x;
    bool inner = fe_dim_since(n->g, x, j->mark) || fe_dim_since(n->g, y, j->mark);
    ir_sym s = fe_data_symbol(n, 0, INT64_MAX, inner ? IR_NONE : ir_dim_max(n->g, x, y));
    j->syms = ir_grow(n->g->arena, j->syms, &j->cap, j->nsyms + 1, sizeof *j->syms);
    j->syms[j->nsyms++] = s;
    return ir_dim_sym(n->g, s);
}

typedef struct fixed_sizes {
    ir_graph *g;
    ir_dim *map; /* of symbols */
} fixed_sizes;

static ir_dim fix_size(void *ctx, ir_dim d)
{
    const fixed_sizes *f = ctx;
    return ir_dim_subst(f->g, d, f->map);
}

/* The inputs' sizes that decide a condition, as "a, b"; "" where data does. */
static const char *deciding_sizes(ir_graph *g, ir_value cond)
{
    size_t n;
    const char *list = "";
    const ir_expr *content = cond ? ir_content(g, cond, &n) : NULL;
    if (!content || n != 1) return list;
    fixed_sizes f = {g, IR_NEW_N(g->arena, ir_dim, g->nsyms)};
    const ir_rewrite fix = {.ctx = &f, .dim = fix_size};
    for (ir_sym s = 1; s < g->nsyms; s++) {
        f.map[s] = ir_dim_const(g, 1);
        if (g->syms[s].kind == IR_SYM_INPUT && ir_x_rewrite(g, content[0], &fix) != content[0])
            list =
                ir_format(g->arena, "%s%s%s", list, *list ? ", " : "", ir_text(g, g->syms[s].name));
        f.map[s] = IR_NONE;
    }
    return list;
}

static lathe_status ranks_differ(fe_node *n, size_t k, const ir_type *x, const ir_type *y)
{
    const char *sizes = deciding_sizes(n->g, fe_in(n, 0));
    fe_fail(n, LATHE_UNSUPPORTED,
            "output %zu is %s in one branch and %s in the other, expected one type and rank", k,
            ir_type_text(n->g, x), ir_type_text(n->g, y));
    if (*sizes) diag_hint(n->g->diag, "--dim NAME=N for %s decides which branch it is", sizes);
    return LATHE_UNSUPPORTED;
}

static lathe_status join(fe_node *n, joint *j, size_t k, ir_value a, ir_value b, ir_type *type)
{
    const ir_type x = *ir_type_of(n->g, a), y = *ir_type_of(n->g, b);
    if (x.elem != y.elem || x.rank != y.rank) return ranks_differ(n, k, &x, &y);
    *type = x;
    for (int i = 0; i < x.rank; i++) type->dims[i] = join_dim(n, j, x.dims[i], y.dims[i]);
    return LATHE_OK;
}

/* Lists the tensors that outputs consist of, sequences item by item. */
static size_t flatten(const fe_value *v, size_t n, ir_value *tensors)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == FE_SEQUENCE && v[i].tensor) {
            ir_value *next = tensors ? tensors + count : NULL;
            if (next) fe_seq_put(&v[i], &next);
            count += v[i].lens ? 2 : 1;
        } else if (v[i].kind == FE_SEQUENCE)
            count += flatten(v[i].items, v[i].nitems, tensors ? tensors + count : NULL);
        else if (v[i].kind == FE_TENSOR) {
            if (tensors) tensors[count] = v[i].tensor;
            count++;
        }
    }
    return count;
}

/* The shape of `like` with tensors taken from *next on. */
static fe_value unflatten(fe_node *n, const fe_value *like, const ir_value **next)
{
    fe_value v = *like;
    if (v.kind == FE_TENSOR || v.tensor) v.tensor = *(*next)++;
    if (v.lens) v.lens = *(*next)++;
    if (v.kind != FE_SEQUENCE || v.tensor) return v;
    fe_value *items = IR_NEW_N(n->g->arena, fe_value, v.nitems + 1);
    for (size_t i = 0; i < v.nitems; i++) items[i] = unflatten(n, &like->items[i], next);
    v.items = items;
    return v;
}

static bool same_structure(const fe_value *a, const fe_value *b)
{
    if (a->kind != b->kind || a->nitems != b->nitems) return false;
    if (!a->tensor != !b->tensor || !a->lens != !b->lens || a->axis != b->axis) return false;
    for (size_t i = 0; i < a->nitems; i++)
        if (!same_structure(&a->items[i], &b->items[i])) return false;
    return true;
}

/* A sequence whose length depends on the branch, as tensors in both. */
static lathe_status pack_both(fe_node *n, branch *b, size_t k, fe_mark mark)
{
    fe_learn l = {.mark = mark};
    ir_block_id around = n->b.block;
    for (int i = 0; i < 2; i++) fe_learn_value(n->g, &l, &b[i].outs[k]);
    if (!l.items.known || l.irregular)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "output %zu is a sequence of another length in each branch, whose items "
                       "differ in rank, type or along two axes",
                       k);
    for (int i = 0; i < 2; i++) {
        fe_value v = b[i].outs[k];
        n->b.block = b[i].block;
        lathe_status status = fe_seq_pack(n, &l.items, &v, &b[i].outs[k]);
        n->b.block = around;
        TRY(status);
    }
    return LATHE_OK;
}

/* Gives an output one structure in both branches. In a trial import of a loop's body a sequence
 * that the loop carries stays open. */
static lathe_status level(fe_node *n, branch *b, size_t k, fe_mark mark)
{
    fe_value *x = &b[0].outs[k], *y = &b[1].outs[k];
    if (same_structure(x, y) && !x->open && !y->open) return LATHE_OK;
    if (x->kind != FE_SEQUENCE || y->kind != FE_SEQUENCE)
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "output %zu is not of one kind in both branches: a tensor, a sequence or "
                       "nothing",
                       k);
    if (!x->open && !y->open) return pack_both(n, b, k, mark);
    fe_value open = x->open ? *x : *y;
    if (x->open && y->open && x->open != y->open)
        return fe_fail(n, LATHE_UNSUPPORTED, "output %zu is one carried sequence or another", k);
    for (int i = 0; i < 2; i++)
        if (!b[i].outs[k].open) fe_learn_value(n->g, open.open, &b[i].outs[k]);
    open.open->other = true;
    open.nitems = 0;
    *x = *y = open;
    return LATHE_OK;
}

/* Sets the node's results, as b[0].outs has them, in `results`. */
static lathe_status if_node(fe_node *n, branch *b, size_t nout, joint *j, fe_value *results)
{
    ir_graph *g = n->g;
    for (size_t k = 0; k < nout; k++) TRY(level(n, b, k, j->mark));
    size_t count = flatten(b[0].outs, nout, NULL);
    ir_value *tensors[2];
    ir_type *types = IR_NEW_N(g->arena, ir_type, count + 1);
    for (int i = 0; i < 2; i++) {
        tensors[i] = IR_NEW_N(g->arena, ir_value, count + 1);
        flatten(b[i].outs, nout, tensors[i]);
    }
    for (size_t k = 0; k < count; k++) TRY(join(n, j, k, tensors[0][k], tensors[1][k], &types[k]));
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < count; k++) ir_result(g, b[i].block, tensors[i][k]);
    ir_value cond = fe_as_scalar(n, fe_in(n, 0), IR_BOOL);
    ir_block_id regions[2] = {b[0].block, b[1].block};
    ir_attr syms = ir_a_syms(g, IR_KEY_syms, j->syms, j->nsyms);
    ir_node_id id =
        ir_node_new(&n->b, IR_OP_IF, &cond, 1, &syms, j->nsyms ? 1 : 0, types, count, regions, 2);
    if (id == IR_NONE) return LATHE_BAD_INPUT;
    const ir_value *next = g->nodes[id].results;
    for (size_t k = 0; k < nout; k++) results[k] = unflatten(n, &b[0].outs[k], &next);
    return LATHE_OK;
}

/* ---- branches that differ in rank ---- */

static bool unlike(const ir_graph *g, const fe_value *x, const fe_value *y, size_t nout, size_t *at)
{
    for (size_t k = 0; k < nout; k++) {
        if (x[k].kind != FE_TENSOR || y[k].kind != FE_TENSOR) continue;
        const ir_type *a = ir_type_of(g, x[k].tensor), *b = ir_type_of(g, y[k].tensor);
        if (a->elem == b->elem && a->rank == b->rank) continue;
        *at = k;
        return true;
    }
    return false;
}

/* What stands behind the If is not valid behind the other branch. */
static lathe_status only_branch(fe_node *n, const branch *b, int taken, fe_mark mark,
                                const char *why)
{
    fe_discard(n->g, mark);
    ir_value cond = fe_as_scalar(n, fe_in(n, 0), IR_BOOL);
    if (taken != 0) cond = fe_unary(&n->b, IR_X_NOT, cond);
    TRY(fe_guard(n, cond,
                 ir_format(n->g->arena, "the model is not valid for these sizes: %s", why)));
    return fe_inline(n, b[taken].graph);
}

static lathe_status if_with_rest(fe_node *n, const branch *b, size_t at, joint *j)
{
    branch whole[2] = {b[0], b[1]};
    lathe_status status[2];
    const char *why[2];
    size_t count = 0, k;
    fe_node *end = n;
    for (bool more = true; more;) {
        fe_value *outs[2];
        for (int i = 0; i < 2; i++)
            status[i] = fe_rest_import(end, whole[i].outs, b[i].block, &outs[i], &count, &why[i]);
        for (int i = 0; i < 2; i++)
            if (status[i] == LATHE_OK && status[1 - i] == LATHE_BAD_INPUT)
                return only_branch(n, b, i, j->mark, why[1 - i]);
        more = status[0] == LATHE_OK && status[1] == LATHE_OK &&
               unlike(n->g, outs[0], outs[1], count, &k);
        fe_node *around = more ? fe_rest_around(end, outs[0]) : NULL;
        if (status[0] != LATHE_OK || status[1] != LATHE_OK || (more && !around))
            return ranks_differ(n, at, ir_type_of(n->g, b[0].outs[at].tensor),
                                ir_type_of(n->g, b[1].outs[at].tensor));
        for (int i = 0; i < 2; i++) whole[i].outs = outs[i];
        if (more) fe_rest_around(end, outs[1]);
        if (more) end = around;
    }
    fe_value *results = IR_NEW_N(n->g->arena, fe_value, count + 1);
    TRY(if_node(n, whole, count, j, results));
    return fe_rest_replace(end, n, results);
}

lathe_status fe_import_if(fe_node *n)
{
    TRY(fe_need_class(n, 0, "B"));
    branch b[2] = {{.graph = fe_attr_graph(n, "then_branch")},
                   {.graph = fe_attr_graph(n, "else_branch")}};
    for (int i = 0; i < 2; i++)
        if (!b[i].graph || b[i].graph->n_output < n->nout)
            return fe_fail(n, LATHE_BAD_INPUT, "attribute %s has %zu outputs, expected %zu",
                           i ? "else_branch" : "then_branch", b[i].graph ? b[i].graph->n_output : 0,
                           n->nout);
    int64_t cond;
    if (fe_known_int(n, 0, &cond)) return fe_inline(n, b[cond ? 0 : 1].graph);
    if (b[0].graph->n_output != b[1].graph->n_output)
        return fe_fail(n, LATHE_BAD_INPUT,
                       "attribute then_branch has %zu outputs, else_branch %zu, expected as many",
                       b[0].graph->n_output, b[1].graph->n_output);
    joint j = {.mark = fe_mark_now(n->g)};
    for (int i = 0; i < 2; i++) TRY(import_branch(n, &b[i]));
    size_t nout = b[0].graph->n_output, at;
    if (unlike(n->g, b[0].outs, b[1].outs, nout, &at)) return if_with_rest(n, b, at, &j);
    fe_value *results = IR_NEW_N(n->g->arena, fe_value, nout + 1);
    TRY(if_node(n, b, nout, &j, results));
    for (size_t k = 0; k < n->nout; k++)
        if (fe_wants(n, k)) fe_out_value(n, k, results[k]);
    return LATHE_OK;
}
