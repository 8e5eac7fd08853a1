/* fuse_attention: the scores, the softmax over them and the weighted sum of values are one node.
 *
 * In: any graph, fused. Out: where a contract of f32 reads a row node as one factor, and that reads
 * another contract, nobody else reading either, all three are one attention node: the scores and
 * weights are never stored. What is looked at are indices alone, so masks, biases, heads that share
 * keys and layouts need no rules; reshapes in between become divisions of batch indices. The view
 * that puts heads behind positions is taken in as well, as the order of the result's axes. */
#include "passes/fuse.h"
#include "passes/nest.h"
#include "passes/pass.h"

#include <string.h>

/* Sizes from which a product pays off at all, as for tiles. */
enum { LEAST_ROWS = 4, LEAST_KEYS = 8, LEAST_COLUMNS = 8 };

typedef struct match {
    ir_graph *g;
    const fuse_uses *uses;
    ir_node values, row, scores; /* by value: building moves the array */
    const ir_node *reading;      /* whose loads are rewritten */
    uint32_t score_operand;      /* of the row */
    ir_expr score;               /* with acc0, the product's sum */
    int rank;                    /* of the new space; the keys and the terms are its last axes */
    ir_dim space[IR_MAX_SPACE];
    ir_expr row_at[IR_MAX_SPACE], score_at[IR_MAX_SPACE]; /* axes of the row, of the scores */
    ir_expr body[IR_MAX_STAGES + 3];
    size_t nbody;
    ir_nest nest;
    bool failed;
} match;

/* ---- following values ---- */

static bool is_private(const match *m, ir_value v)
{
    return m->uses->count[v] == 1 && !m->uses->result[v];
}

/* The node of this operator behind a value that is read at idx, which become indices into its
 * result; nobody else reads anything of it. */
static const ir_node *behind(match *m, ir_value v, ir_op op, ir_expr *idx)
{
    ir_graph *g = m->g;
    const ir_node *reshape;
    while (is_private(m, v) && (reshape = fuse_def(g, v, IR_OP_RESHAPE, m->values.block))) {
        const ir_type *from = ir_type_of(g, reshape->operands[0]), *to = ir_type_of(g, v);
        if (!ir_reshape_indices(g, from, to->dims, to->rank, true, idx)) return NULL;
        v = reshape->operands[0];
    }
    return is_private(m, v) ? fuse_def(g, v, op, m->values.block) : NULL;
}

static const ir_attr *space_of(const ir_node *n) { return ir_attr_find(n, IR_KEY_space); }
static int64_t nred_of(const ir_node *n) { return ir_attr_int(n, IR_KEY_nred, 0); }

/* The two sizes are the same in every run. */
static bool are_equal(const ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == b) return true;
    for (size_t i = 0; i < g->nguards; i++) {
        const ir_guard *u = &g->guards[i];
        if (!u->or_one && ((u->a == a && u->b == b) || (u->a == b && u->b == a))) return true;
    }
    return false;
}

/* ---- expressions in the new space ---- */

/* The d of 1 - (d == 1); IR_NONE: the dim is something else. */
static ir_dim size_unless_one(ir_graph *g, ir_dim d)
{
    ir_dim rest = ir_dim_sub(g, ir_dim_const(g, 1), d);
    if (rest == IR_NONE || ir_dim_get(g, rest)->kind != IR_DIM_EQ) return IR_NONE;
    ir_dim a = ir_dim_get(g, rest)->a, b = ir_dim_get(g, rest)->b;
    return ir_dim_equals(g, a, 1) ? b : ir_dim_equals(g, b, 1) ? a : IR_NONE;
}

/* i * (1 - (d == 1)), with i < d: that is i. */
static ir_expr simpler_index(void *ctx, ir_expr e)
{
    const match *m = ctx;
    ir_graph *g = m->g;
    const ir_expr_node x = *ir_expr_get(g, e);
    ir_dim by;
    if (x.op != IR_X_MUL || !ir_x_is_dim(g, x.args[1], &by)) return IR_NONE;
    const ir_expr_node index = *ir_expr_get(g, x.args[0]);
    ir_dim size = index.op == IR_X_INDEX ? size_unless_one(g, by) : IR_NONE;
    if (size == IR_NONE) return IR_NONE;
    return ir_dim_min(g, m->space[index.imm], size) == m->space[index.imm] ? x.args[0] : IR_NONE;
}

static ir_expr simplify(match *m, ir_expr e)
{
    return ir_x_rewrite(m->g, e, &(ir_rewrite){.ctx = m, .node = simpler_index});
}

static ir_expr read_operand(void *ctx, const ir_expr_node *load)
{
    match *m = ctx;
    ir_expr e = pass_plain_load(&m->nest, m->reading->operands[load->imm], load->args);
    m->failed |= e == IR_NONE;
    return e;
}

/* An expression of a node whose axes are at idx. */
static ir_expr fuse_attention_place(match *m, const ir_node *n, ir_expr e, const ir_expr *idx)
{
    m->reading = n;
    e = ir_x_rewrite(m->g, e, &(ir_rewrite){.ctx = m, .at = idx, .load = read_operand});
    m->failed |= e == IR_NONE;
    return e == IR_NONE ? e : simplify(m, e);
}

/* ---- the three nodes ---- */

typedef struct only_load {
    uint32_t operand;
    int count;
    ir_expr_node load;
} only_load;

static void visit_load(void *ctx, const ir_expr_node *load)
{
    only_load *o = ctx;
    if (load->imm != o->operand) return;
    o->load = *load;
    o->count++;
}

static bool has_plain_indices(ir_graph *g, const ir_expr_node *load)
{
    return ir_x_measure(g, load->args, (size_t)load->nargs).loads == 0;
}

/* The load of an operand that a node's body has; false: there are several, or tables in it. */
static bool find_load(ir_graph *g, const ir_node *n, uint32_t operand, ir_expr_node *load)
{
    const ir_attr *body = ir_attr_find(n, IR_KEY_body);
    only_load o = {.operand = operand};
    fuse_each_load(g, body->u.exprs, body->n, &o, visit_load);
    *load = o.load;
    return o.count == 1 && has_plain_indices(g, load);
}

/* The row that is one factor of the product; the other one is left in place. */
static bool find_row(match *m, ir_expr *value)
{
    ir_graph *g = m->g;
    const ir_expr_node x = *ir_expr_get(g, fuse_body(&m->values));
    if (x.op != IR_X_MUL || nred_of(&m->values) != 1) return false;
    for (int side = 0; side < 2; side++) {
        const ir_expr_node load = *ir_expr_get(g, x.args[side]);
        if (load.op != IR_X_LOAD || !has_plain_indices(g, &load)) return false;
        memcpy(m->row_at, load.args, (size_t)load.nargs * sizeof *load.args);
        const ir_node *row = behind(m, m->values.operands[load.imm], IR_OP_ROW, m->row_at);
        if (!row || nred_of(row) != 1) continue;
        m->row = *row;
        *value = x.args[1 - side];
        return true;
    }
    return false;
}

/* The space: the axes of the result, the keys, the terms. The row must go along the keys. */
static bool fuse_attention_set_space(match *m)
{
    ir_graph *g = m->g;
    const ir_attr *outer = space_of(&m->values), *row = space_of(&m->row),
                  *inner = space_of(&m->scores);
    int keys = (int)outer->n - 1, last = (int)row->n - 1;
    if (outer->n + 1 > IR_MAX_SPACE) return false;
    m->rank = keys + 2;
    memcpy(m->space, outer->u.dims, outer->n * sizeof *m->space);
    m->space[keys] = row->u.dims[last];
    m->space[keys + 1] = inner->u.dims[inner->n - 1];
    if (!are_equal(g, outer->u.dims[keys], row->u.dims[last])) return false;
    const ir_expr_node *along = ir_expr_get(g, m->row_at[last]);
    if (along->op != IR_X_INDEX || along->imm != keys) return false;
    for (int i = 0; i < last; i++)
        if (ir_x_axes(g, m->row_at[i]) >> keys & 1) return false;
    return true;
}

/* The contract that makes the scores, which the row reads at one place. */
static bool find_scores(match *m)
{
    const ir_rewrite at = {.at = m->row_at};
    for (uint32_t k = 0; k < m->row.noperands; k++) {
        ir_expr_node load;
        if (!find_load(m->g, &m->row, k, &load)) continue;
        for (int i = 0; i < load.nargs; i++) m->score_at[i] = ir_x_rewrite(m->g, load.args[i], &at);
        const ir_node *n = behind(m, m->row.operands[k], IR_OP_CONTRACT, m->score_at);
        if (!n || nred_of(n) != 1) continue;
        m->scores = *n;
        m->score_operand = k;
        return true;
    }
    return false;
}

/* ---- the new node's expressions ---- */

static void fuse_attention_push(match *m, ir_expr e) { m->body[m->nbody++] = e; }

static void place_scores(match *m)
{
    ir_graph *g = m->g;
    const ir_attr *end = ir_attr_find(&m->scores, IR_KEY_epilogue);
    int parallel = (int)space_of(&m->scores)->n - 1;
    for (int i = 0; i < parallel; i++) m->score_at[i] = simplify(m, m->score_at[i]);
    m->score_at[parallel] = ir_x_index(g, m->rank - 1);
    ir_expr product = fuse_attention_place(m, &m->scores, fuse_body(&m->scores), m->score_at);
    m->score = end ? fuse_attention_place(m, &m->scores, end->u.exprs[0], m->score_at)
                   : ir_x_acc(g, ir_expr_get(g, fuse_body(&m->scores))->type, 0);
    if (m->failed) return;
    m->score = ir_x_cast(g, m->score, ir_type_of(g, m->scores.results[0])->elem);
    fuse_attention_push(m, product);
}

static ir_expr row_load(void *ctx, const ir_expr_node *load)
{
    match *m = ctx;
    return load->imm == m->score_operand ? m->score : read_operand(m, load);
}

static ir_expr row_node(void *ctx, ir_expr e)
{
    const match *m = ctx;
    const ir_expr_node x = *ir_expr_get(m->g, e);
    return x.op == IR_X_ACC ? ir_x_acc(m->g, x.type, (int)x.imm + 1) : IR_NONE;
}

static void place_row(match *m)
{
    const ir_attr *body = ir_attr_find(&m->row, IR_KEY_body);
    const ir_rewrite hooks = {.ctx = m, .node = row_node, .at = m->row_at, .load = row_load};
    m->reading = &m->row;
    for (size_t i = 0; i < body->n && !m->failed; i++) {
        ir_expr e = ir_x_rewrite(m->g, body->u.exprs[i], &hooks);
        m->failed |= e == IR_NONE;
        if (!m->failed && i + 1 == body->n)
            e = ir_x_cast(m->g, e, ir_type_of(m->g, m->row.results[0])->elem);
        if (!m->failed) fuse_attention_push(m, simplify(m, e));
    }
}

/* ---- what pays off, and what can be done ---- */

static bool may_reach(const match *m, int axis, int64_t v)
{
    int64_t lo, hi;
    ir_dim_range(m->g, m->space[axis], &lo, &hi);
    return hi >= v;
}

/* Whether constants alone decide the factor: it is put in panels once, when compiled. */
static bool is_weight(const match *m, const ir_walk *w)
{
    return *ir_product_weight(m->g, m->nest.args[w->operand]) != '\0';
}

/* Whether the size is known before the run: workers' memory depends on it. */
static bool is_planned(const ir_graph *g, ir_dim d)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    switch (n->kind) {
    case IR_DIM_CONST:
        return true;
    case IR_DIM_SYM:
        return g->syms[n->sym].kind == IR_SYM_INPUT;
    case IR_DIM_SUM:
        for (int i = 0; i < n->nterms; i++)
            for (int j = 0; j < n->terms[i].natoms; j++)
                if (!is_planned(g, n->terms[i].atoms[j])) return false;
        return true;
    default:
        return is_planned(g, n->a) && is_planned(g, n->b);
    }
}

static ir_expr find_acc(void *ctx, ir_expr e)
{
    match *m = ctx;
    m->failed |= ir_expr_get(m->g, e)->op == IR_X_ACC;
    return IR_NONE;
}

/* A score is overwritten while its row is worked on: it must not be an index. */
static void fuse_attention_check_load(void *ctx, const ir_expr_node *load)
{
    match *m = ctx;
    for (int i = 0; i < load->nargs; i++)
        ir_x_rewrite(m->g, load->args[i], &(ir_rewrite){.ctx = m, .node = find_acc});
}

static bool fuse_attention_fits(match *m, const ir_node *n)
{
    ir_attention form;
    if (m->failed || m->nest.nargs > FUSE_MOST_OPERANDS ||
        ir_x_measure(m->g, m->body, m->nbody).nodes > 2 * FUSE_MOST_NODES)
        return false;
    fuse_each_load(m->g, m->body, m->nbody, m, fuse_attention_check_load);
    if (m->failed || ir_attention_form(m->g, n, &form)) return false;
    return may_reach(m, form.m, LEAST_ROWS) && may_reach(m, form.n, LEAST_KEYS) &&
           may_reach(m, form.d, LEAST_COLUMNS) && !is_weight(m, &form.key) &&
           !is_weight(m, &form.v) && is_planned(m->g, m->space[form.n]) &&
           is_planned(m->g, m->space[form.k]) && is_planned(m->g, m->space[form.d]);
}

/* ---- the node ---- */

/* Made only if it has the form; by then nothing has been appended to the block. */
static ir_value fuse_attention_build(pass_sweep *s, match *m, const ir_attr *end,
                                     const ir_node *kinds)
{
    ir_graph *g = m->g;
    ir_attr attrs[6];
    uint32_t n = 0;
    attrs[n++] = ir_a_dims(g, IR_KEY_space, m->space, (size_t)m->rank);
    attrs[n++] = ir_a_int(IR_KEY_nred, 2);
    attrs[n++] = ir_a_exprs(g, IR_KEY_body, m->body, m->nbody);
    if (end) attrs[n++] = *end;
    attrs[n++] = *ir_attr_find(kinds, IR_KEY_kind);
    attrs[n++] = *ir_attr_find(&m->values, IR_KEY_elem);
    const ir_node made = {.op = IR_OP_ATTENTION,
                          .noperands = (uint32_t)m->nest.nargs,
                          .operands = m->nest.args,
                          .nattrs = n,
                          .attrs = attrs};
    if (!fuse_attention_fits(m, &made)) return IR_NONE;
    ir_node_id id =
        ir_node_new(&s->b, made.op, made.operands, made.noperands, attrs, n, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

static ir_attr epilogue_of(match *m, const ir_expr *idx)
{
    ir_expr e = fuse_attention_place(m, &m->values,
                                     ir_attr_find(&m->values, IR_KEY_epilogue)->u.exprs[0], idx);
    return m->failed ? (ir_attr){0} : ir_a_exprs(m->g, IR_KEY_epilogue, &e, 1);
}

static bool merge_contract(pass_sweep *s, const ir_node *n)
{
    ir_expr value, same[IR_MAX_SPACE];
    match *m = IR_NEW(s->g->arena, match);
    *m = (match){.g = s->g, .uses = s->ctx, .values = *n};
    if (!find_row(m, &value) || !find_scores(m) || !fuse_attention_set_space(m)) return false;
    for (int i = 0; i < m->rank; i++) same[i] = ir_x_index(m->g, i);
    ir_nest_begin(&m->nest, &s->b, m->rank, m->space, 2);
    place_scores(m);
    place_row(m);
    if (!m->failed) fuse_attention_push(m, fuse_attention_place(m, &m->values, value, same));
    ir_attr end = {0};
    if (!m->failed && ir_attr_find(n, IR_KEY_epilogue)) end = epilogue_of(m, same);
    ir_value v = m->failed ? IR_NONE : fuse_attention_build(s, m, end.n ? &end : NULL, &m->row);
    if (v != IR_NONE) fuse_replace(s, s->ctx, n->results[0], v);
    return v != IR_NONE;
}

/* ---- the view behind ---- */

/* Marks the axes of i or, where i counts through two of them, of both. */
static bool mark_axes(match *m, ir_expr e, uint32_t *seen)
{
    ir_graph *g = m->g;
    const ir_expr_node x = *ir_expr_get(g, e);
    ir_dim by;
    if (x.op == IR_X_INDEX) {
        bool is_new = !(*seen >> x.imm & 1);
        *seen |= 1u << x.imm;
        return is_new;
    }
    if (x.op != IR_X_ADD) return ir_x_is_dim(g, e, &by) && ir_dim_equals(g, by, 0);
    const ir_expr_node outer = *ir_expr_get(g, x.args[0]), inner = *ir_expr_get(g, x.args[1]);
    return outer.op == IR_X_MUL && inner.op == IR_X_INDEX && ir_x_is_dim(g, outer.args[1], &by) &&
           by == m->space[inner.imm] && mark_axes(m, outer.args[0], seen) &&
           mark_axes(m, x.args[1], seen);
}

/* The view has every element once. */
static bool is_reordering(match *m, const ir_node *view, const ir_expr_node *load)
{
    uint32_t seen = 0;
    for (int i = 0; i < load->nargs; i++)
        if (!mark_axes(m, load->args[i], &seen)) return false;
    for (int i = 0; i < m->rank - 2; i++)
        if (!(seen >> i & 1) && !ir_dim_equals(m->g, m->space[i], 1)) return false;
    return ir_type_count(m->g, ir_type_of(m->g, view->results[0])) ==
           ir_type_count(m->g, ir_type_of(m->g, m->values.results[0]));
}

static bool merge_view(pass_sweep *s, const ir_node *view)
{
    ir_graph *g = s->g;
    match *m = IR_NEW(g->arena, match);
    *m = (match){.g = g, .uses = s->ctx};
    const ir_node *n = fuse_def(g, view->operands[0], IR_OP_ATTENTION, view->block);
    if (!n || !is_private(m, view->operands[0])) return false;
    m->values = *n;
    const ir_attr *outer = space_of(view), *inner = space_of(n),
                  *body = ir_attr_find(n, IR_KEY_body);
    const ir_expr_node load = *ir_expr_get(g, fuse_body(view));
    if (outer->n + 2 > IR_MAX_SPACE) return false;
    m->rank = (int)outer->n + 2;
    memcpy(m->space, outer->u.dims, outer->n * sizeof *m->space);
    memcpy(m->space + outer->n, inner->u.dims + inner->n - 2, 2 * sizeof *m->space);
    if (!is_reordering(m, view, &load)) return false;
    ir_expr idx[IR_MAX_SPACE];
    memcpy(idx, load.args, (size_t)load.nargs * sizeof *idx);
    for (int i = 0; i < 2; i++) idx[load.nargs + i] = ir_x_index(g, (int)outer->n + i);
    ir_nest_begin(&m->nest, &s->b, m->rank, m->space, 2);
    for (size_t i = 0; i < body->n && !m->failed; i++)
        fuse_attention_push(m, fuse_attention_place(m, &m->values, body->u.exprs[i], idx));
    ir_attr end = {0};
    if (!m->failed && ir_attr_find(&m->values, IR_KEY_epilogue)) end = epilogue_of(m, idx);
    ir_value v = m->failed ? IR_NONE : fuse_attention_build(s, m, end.n ? &end : NULL, &m->values);
    if (v != IR_NONE) fuse_replace(s, s->ctx, view->results[0], v);
    return v != IR_NONE;
}

static bool fuse_attention_merge(pass_sweep *s, ir_node_id id)
{
    const ir_node n = s->g->nodes[id]; /* by value: building moves the array */
    if (n.op == IR_OP_CONTRACT) return merge_contract(s, &n);
    return n.op == IR_OP_VIEW && merge_view(s, &n);
}

lathe_status pass_fuse_attention(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    fuse_uses uses;
    fuse_count(g, &uses);
    if (pass_rewrite(g, fuse_attention_merge, &uses)) TRY(pass_dce(g, options, diag));
    return LATHE_OK;
}
