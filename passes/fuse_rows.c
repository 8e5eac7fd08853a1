/* fuse_rows: a map together with the reductions along its innermost axes that it reads.
 *
 * In: any graph. Out: row nodes for softmax, layer and RMS norm and whatever else has that form,
 * however it was written: the group of a map are the reductions over its last axes and the maps in
 * between, if nobody else reads them. Reductions become stages, each after those that it needs;
 * maps become shared expressions. All is expressed in the space of the last map. */
#include "passes/fuse.h"
#include "passes/nest.h"
#include "passes/pass.h"

#include <string.h>

enum { MOST_MEMBERS = 32 };

typedef struct user {
    ir_node_id node;
    uint32_t next; /* user of the same value, 1 + index; 0: none */
} user;

typedef struct users {
    ir_graph *g;
    size_t nvalues;  /* that there were before the sweep */
    bool *result;    /* of a block, by value */
    bool *last;      /* the map in which a row ends, by node */
    uint32_t *first; /* by value: 1 + index into list */
    user *list;
    size_t n, cap;
} users;

typedef struct member {
    ir_node_id node;
    bool excluded;            /* cannot be part of the row after all */
    int stage;                /* of a reduction: 1 + its number */
    ir_expr idx[IR_MAX_RANK]; /* where its results are read */
} member;

typedef struct group {
    ir_graph *g;
    const users *u;
    ir_node map; /* the last one */
    const ir_dim *space;
    int rank, row; /* axes; the first of the row */
    member members[MOST_MEMBERS];
    int nmembers;
    ir_nest nest;
    ir_expr bodies[IR_MAX_STAGES + 1];
    const char *kinds[IR_MAX_STAGES];
    int nstages;
    bool failed;
} group;

/* ---- users ---- */

static void add_user(users *u, ir_value v, ir_node_id node)
{
    u->list = ir_grow(u->g->arena, u->list, &u->cap, u->n + 1, sizeof *u->list);
    u->list[u->n++] = (user){node, u->first[v]};
    u->first[v] = (uint32_t)u->n;
}

static void find_users(users *u, ir_graph *g)
{
    fuse_uses uses;
    fuse_count(g, &uses);
    *u = (users){.g = g,
                 .nvalues = g->nvalues,
                 .result = uses.result,
                 .last = IR_NEW_N(g->arena, bool, g->nnodes),
                 .first = IR_NEW_N(g->arena, uint32_t, g->nvalues)};
    for (size_t id = 1; id < g->nnodes; id++) {
        const ir_node *n = &g->nodes[id];
        for (uint32_t i = 0; n->op != IR_OP_NONE && i < n->noperands; i++)
            if (n->operands[i] != IR_NONE) add_user(u, n->operands[i], (ir_node_id)id);
    }
}

/* ---- the group ---- */

static member *member_of(group *r, ir_node_id node)
{
    for (int i = 0; i < r->nmembers; i++)
        if (r->members[i].node == node && !r->members[i].excluded) return &r->members[i];
    return NULL;
}

static bool all_users_inside(group *r, ir_value v)
{
    if (v >= r->u->nvalues || r->u->result[v]) return false;
    for (uint32_t at = r->u->first[v]; at; at = r->u->list[at - 1].next)
        if (!member_of(r, r->u->list[at - 1].node)) return false;
    return true;
}

/* The axes of the space that the reduced axes are, -1 for those of size 1; the row's first axis, or
 * -1 if they are not the last ones. */
static int match_row(const group *r, const ir_node *red, int *axes)
{
    const ir_attr *space = ir_attr_find(red, IR_KEY_space);
    int nred = (int)ir_attr_int(red, IR_KEY_nred, 0), parallel = (int)space->n - nred, a = r->rank,
        first = -1;
    for (int i = nred - 1; i >= 0; i--) {
        ir_dim d = space->u.dims[parallel + i];
        axes[i] = -1;
        if (ir_dim_equals(r->g, d, 1)) continue;
        do a--;
        while (a >= 0 && ir_dim_equals(r->g, r->space[a], 1));
        if (a < 0 || r->space[a] != d) return -1;
        axes[i] = first = a;
    }
    return first;
}

/* One result a row, and the same row for all reductions. */
static bool is_row_reduction(group *r, const ir_node *n)
{
    int axes[IR_MAX_SPACE], first = match_row(r, n, axes);
    if (first < 0 || (r->row >= 0 && r->row != first)) return false;
    if (ir_type_count(r->g, ir_type_of(r->g, n->results[0])) !=
        ir_dim_product(r->g, r->space, first))
        return false;
    r->row = first;
    return true;
}

static bool is_candidate(group *r, ir_value v)
{
    if (v == IR_NONE) return false;
    const ir_node *n = &r->g->nodes[r->g->values[v].def];
    if (n->block != r->map.block || !all_users_inside(r, v)) return false;
    return n->op == IR_OP_MAP || (n->op == IR_OP_REDUCE && is_row_reduction(r, n));
}

static bool is_known(const group *r, ir_node_id node)
{
    for (int i = 0; i < r->nmembers; i++)
        if (r->members[i].node == node) return true;
    return false;
}

/* Takes in what only the group reads, until nothing is left. */
static void fuse_rows_collect(group *r)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < r->nmembers; i++) {
            const ir_node *n = &r->g->nodes[r->members[i].node];
            for (uint32_t k = 0; k < n->noperands && !r->members[i].excluded; k++) {
                ir_node_id def = n->operands[k] ? r->g->values[n->operands[k]].def : IR_NONE;
                if (!def || r->nmembers == MOST_MEMBERS || is_known(r, def)) continue;
                if (!is_candidate(r, n->operands[k])) continue;
                r->members[r->nmembers++] = (member){.node = def};
                changed = true;
            }
        }
    }
}

/* ---- expressions in the space of the map ---- */

typedef struct place {
    group *r;
    const ir_node *n;   /* whose expression is rewritten */
    const ir_expr *idx; /* of its axes; NULL: they are the space's */
    int stage;          /* of its own ACC */
} place;

static ir_expr rewrite_at(group *r, const ir_node *n, ir_expr e, const ir_expr *idx, int stage);

static bool is_row_constant(const group *r, const ir_expr *idx, int n)
{
    for (int i = 0; i < n; i++)
        if (ir_x_uses_axes(r->g, idx[i], r->row)) return false;
    return true;
}

static ir_expr exclude(group *r, member *m)
{
    m->excluded = true;
    r->failed = true;
    return IR_NONE;
}

static ir_expr read_map(group *r, member *m, const ir_expr_node *load)
{
    const ir_node *n = &r->g->nodes[m->node];
    const ir_type *t = ir_type_of(r->g, n->results[0]);
    bool once = ir_type_count(r->g, t) == ir_dim_product(r->g, r->space, r->rank);
    if (!once && !is_row_constant(r, load->args, load->nargs)) return exclude(r, m);
    return ir_x_cast(r->g, rewrite_at(r, n, fuse_body(n), load->args, 0), t->elem);
}

/* A new stage behind those that its body needs; -1: there is no room. */
static int add_stage(group *r, const ir_node *n, const ir_expr *idx)
{
    ir_expr body = rewrite_at(r, n, fuse_body(n), idx, 0);
    if (body == IR_NONE || r->nstages == IR_MAX_STAGES) return -1;
    r->bodies[r->nstages] = body;
    r->kinds[r->nstages] = ir_attr_str(r->g, n, IR_KEY_kind);
    return r->nstages++;
}

static ir_expr read_reduction(group *r, member *m, const ir_expr_node *load)
{
    const ir_node *n = &r->g->nodes[m->node];
    const ir_attr *space = ir_attr_find(n, IR_KEY_space), *end = ir_attr_find(n, IR_KEY_epilogue);
    int axes[IR_MAX_SPACE], nred = (int)ir_attr_int(n, IR_KEY_nred, 0),
                            parallel = (int)space->n - nred;
    ir_expr idx[IR_MAX_SPACE];
    size_t bytes = (size_t)load->nargs * sizeof *idx;
    if (!is_row_constant(r, load->args, load->nargs)) return exclude(r, m);
    if (m->stage && bytes && memcmp(m->idx, load->args, bytes) != 0) return exclude(r, m);
    match_row(r, n, axes);
    for (int i = 0; i < parallel; i++) idx[i] = load->args[i];
    for (int i = 0; i < nred; i++)
        idx[parallel + i] = axes[i] < 0 ? ir_x_int(r->g, IR_I64, 0) : ir_x_index(r->g, axes[i]);
    if (!m->stage) m->stage = add_stage(r, n, idx) + 1;
    if (!m->stage) return exclude(r, m);
    if (bytes) memcpy(m->idx, load->args, bytes);
    ir_expr x = ir_x_acc(r->g, ir_expr_get(r->g, fuse_body(n))->type, m->stage - 1);
    if (end) x = rewrite_at(r, n, end->u.exprs[0], idx, m->stage - 1);
    return ir_x_cast(r->g, x, ir_type_of(r->g, n->results[0])->elem);
}

static ir_expr load_at(void *ctx, const ir_expr_node *load)
{
    const place *p = ctx;
    ir_value v = p->n->operands[load->imm];
    member *m = member_of(p->r, p->r->g->values[v].def);
    if (!m || p->r->failed) return ir_nest_load(&p->r->nest, v, load->args);
    const ir_node *n = &p->r->g->nodes[m->node];
    return n->op == IR_OP_MAP ? read_map(p->r, m, load) : read_reduction(p->r, m, load);
}

static ir_expr acc_at(void *ctx, ir_expr e)
{
    const place *p = ctx;
    const ir_expr_node *x = ir_expr_get(p->r->g, e);
    return x->op == IR_X_ACC ? ir_x_acc(p->r->g, x->type, p->stage) : IR_NONE;
}

static ir_expr rewrite_at(group *r, const ir_node *n, ir_expr e, const ir_expr *idx, int stage)
{
    place p = {r, n, idx, stage};
    return ir_x_rewrite(r->g, e,
                        &(ir_rewrite){.ctx = &p, .node = acc_at, .at = idx, .load = load_at});
}

/* ---- division ---- */

/* What divides without harm if it is inverted first: never so large or small that its inverse is
 * not exact to the last bits. */
static bool is_tame(const group *r, const ir_expr_node *x)
{
    if (x->type != IR_F32) return false;
    if (x->op == IR_X_SQRT) return true;
    return x->op == IR_X_ACC && strcmp(r->kinds[x->imm], "sum") == 0 &&
           ir_expr_get(r->g, r->bodies[x->imm])->op == IR_X_EXP;
}

/* e / d is e * (1 / d) where d is the same all along the row: one division a row. */
static ir_expr invert(void *ctx, ir_expr e)
{
    const group *r = ctx;
    const ir_expr_node x = *ir_expr_get(r->g, e);
    if (x.op != IR_X_DIV || !is_tame(r, ir_expr_get(r->g, x.args[1])) ||
        ir_x_uses_axes(r->g, x.args[1], r->row))
        return IR_NONE;
    ir_expr inverse = ir_x_2(r->g, IR_X_DIV, ir_x_float(r->g, x.type, 1), x.args[1]);
    ir_expr over = ir_x_rewrite(r->g, x.args[0], &(ir_rewrite){.ctx = ctx, .node = invert});
    return ir_x_2(r->g, IR_X_MUL, over, inverse);
}

/* ---- the node ---- */

static ir_value fuse_rows_build(pass_sweep *s, group *r)
{
    ir_graph *g = r->g;
    const char *kinds = "";
    size_t n = (size_t)r->nstages + 1;
    for (size_t i = 0; i < n; i++) {
        r->bodies[i] = ir_x_rewrite(g, r->bodies[i], &(ir_rewrite){.ctx = r, .node = invert});
        if (i + 1 < n) kinds = ir_format(g->arena, "%s%s%s", kinds, i ? "," : "", r->kinds[i]);
    }
    if (ir_x_measure(g, r->bodies, n).nodes > 2 * FUSE_MOST_NODES ||
        r->nest.nargs > FUSE_MOST_OPERANDS)
        return IR_NONE;
    ir_attr attrs[] = {ir_a_dims(g, IR_KEY_space, r->space, (size_t)r->rank),
                       ir_a_int(IR_KEY_nred, r->rank - r->row),
                       ir_a_exprs(g, IR_KEY_body, r->bodies, n), ir_a_str(g, IR_KEY_kind, kinds),
                       *ir_attr_find(&r->map, IR_KEY_elem)};
    ir_node_id id = ir_node_new(&s->b, IR_OP_ROW, r->nest.args, r->nest.nargs, attrs,
                                sizeof attrs / sizeof *attrs, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : g->nodes[id].results[0];
}

static bool express_once(group *r, ir_builder *b)
{
    r->failed = false;
    r->nstages = 0;
    ir_nest_begin(&r->nest, b, r->rank, r->space, 0);
    ir_expr body = rewrite_at(r, &r->map, fuse_body(&r->map), NULL, 0);
    r->bodies[r->nstages] = body;
    return body != IR_NONE && !r->failed;
}

/* Back to the last map, knowing what cannot be in its group. */
static void restart(group *r)
{
    int n = 1;
    for (int i = 1; i < r->nmembers; i++)
        if (r->members[i].excluded) r->members[n++] = r->members[i];
    r->nmembers = n;
    r->row = -1;
}

/* Finds the group of a map and its expressions; false: it reads no reduction. */
static bool express(group *r, const users *u, ir_node_id id, ir_builder *b)
{
    *r = (group){.g = u->g, .u = u, .map = u->g->nodes[id], .row = -1, .nmembers = 1};
    const ir_attr *space = ir_attr_find(&r->map, IR_KEY_space);
    r->space = space->u.dims;
    r->rank = (int)space->n;
    r->members[0].node = id;
    for (;; restart(r)) {
        int known = r->nmembers;
        fuse_rows_collect(r);
        if (r->row < 0) return false;
        if (express_once(r, b)) return r->nstages > 0;
        if (!r->failed || known == MOST_MEMBERS) return false;
    }
}

/* The last maps of all rows of a block; from its end, so that what is inside a row starts none. */
static void find_rows(users *u, ir_block_id block, bool *inside, group *r)
{
    ir_graph *g = u->g;
    ir_builder b = {.g = g, .block = block};
    for (size_t i = g->blocks[block].nnodes; i-- > 0;) {
        ir_node_id id = g->blocks[block].nodes[i];
        if (g->nodes[id].op != IR_OP_MAP || inside[id] || !express(r, u, id, &b)) continue;
        u->last[id] = true;
        for (int k = 0; k < r->nmembers; k++)
            if (!r->members[k].excluded) inside[r->members[k].node] = true;
    }
}

static bool fuse_rows_merge(pass_sweep *s, ir_node_id id)
{
    const users *u = s->ctx;
    if (!u->last[id]) return false;
    group *r = IR_NEW(s->g->arena, group);
    ir_value v = express(r, u, id, &s->b) ? fuse_rows_build(s, r) : IR_NONE;
    if (v != IR_NONE) pass_replace(s, r->map.results[0], v);
    return v != IR_NONE;
}

lathe_status pass_fuse_rows(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    users u;
    find_users(&u, g);
    bool *inside = IR_NEW_N(g->arena, bool, g->nnodes);
    group *r = IR_NEW(g->arena, group);
    for (size_t b = 1; b < g->nblocks; b++) find_rows(&u, (ir_block_id)b, inside, r);
    if (pass_rewrite(g, fuse_rows_merge, &u)) TRY(pass_dce(g, options, diag));
    return LATHE_OK;
}
