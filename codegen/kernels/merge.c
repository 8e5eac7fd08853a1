/* Kernels that differ only in constants become one, which is told the constants.
 *
 * In: the lowered program, each step with a kernel whose constants are in its code: the steps of an
 * unrolled recurrence, the parts of a split or a concat, layers with a scale each. Out: the same
 * steps; of kernels that are alike but for such constants one is left, and constants that differ
 * are dims of its steps.
 *
 * It is looked for afterwards, as one kernel alone cannot tell which of its constants will differ,
 * and a program in which nothing differs stays what it was. At first only constants count whose
 * value code does not depend on: a term of an index or of an address, a bound that an index is
 * compared with, a whole index, a number in arithmetic. Extents and strides shape loops and lanes.
 * They are worth a slower kernel only where MANY share it, as where every step of a recurrence has
 * a row more than the one before; and only where no sum depends on them (the column `stretch` of
 * kernels.def). To the emitter a parameter is a size between the least and the greatest of its
 * values, so all that it knew of the constants' range it still knows. */
#include "codegen/kernels/nest_walk.h"

#include <inttypes.h>
#include <string.h>

enum {
    MOST_PARAMETERS = 16, /* of one kernel that were constants */
    MANY = 16,            /* kernels that must differ in sizes to become one */
};

/* A kernel as it is looked at. */
typedef struct shape {
    const char *text; /* its key without the values of its places */
    uint64_t hash;
    int64_t *values; /* of the places, in the order of the walk */
    size_t n, cap;
    uint32_t leader; /* the first kernel of the same text */
    uint32_t next;   /* one, LATHE_NO_SLOT: the last */
    uint32_t count;  /* of a leader: of all */
} shape;

/* What a merged kernel is given in a dim: one of the leader's params, or a place. */
typedef struct source {
    bool is_place;
    uint32_t from; /* number of the param or of the place */
} source;

typedef struct merging {
    cg_lowering *lw;
    ir_graph *g;
    ir_arena *arena;
    bool sizes;       /* extents, strides and factors are places, too */
    shape *shapes;    /* by kernel */
    source **sources; /* by leader; NULL: nothing was merged */
    /* of the nest being walked: */
    const cg_nest *nest;
    shape *s;
    cg_text text;
    cg_map values;
    uint32_t nodes;
    const ir_dim *parameter; /* by place: what stands for it, IR_NONE: it stays */
    size_t at;               /* places seen */
    bool failed;
} merging;

/* ---- places ---- */

/* A number that could be a parameter, as it would be passed. A NaN keeps its bits only here. */
static bool is_constant(const ir_graph *g, ir_expr e, int64_t *value)
{
    const ir_expr_node *x = ir_expr_get(g, e);
    double number;
    if (x->op == IR_X_DIM) return ir_dim_is_const(g, (ir_dim)x->imm, value);
    *value = x->imm;
    if (x->op != IR_X_CONST || x->type == IR_I64) return x->op == IR_X_CONST;
    memcpy(&number, &x->imm, sizeof number);
    return ir_elem_is_float(x->type) && number == number;
}

/* Whether code for the operator is the same whatever the value of this argument. */
static bool takes_places(const merging *m, ir_scalar op, ir_elem type, int arg)
{
    switch (op) {
    case IR_X_LOAD:
    case IR_X_ADD:
    case IR_X_SUB:
    case IR_X_MIN:
    case IR_X_MAX:
    case IR_X_EQ:
    case IR_X_NE:
    case IR_X_LT:
    case IR_X_LE:
        return true;
    case IR_X_MUL:
        return ir_elem_is_float(type) || (m->sizes && !cg_family_of(m->nest)->stretch);
    case IR_X_DIV:
        return ir_elem_is_float(type);
    case IR_X_SELECT:
        return arg > 0;
    case IR_X_CHECK:
        return arg == 0;
    default:
        return false;
    }
}

static bool is_place(void *ctx, const ir_expr_node *x, int arg)
{
    const merging *m = ctx;
    int64_t value;
    return takes_places(m, x->op, x->type, arg) && is_constant(m->g, x->args[arg], &value);
}

/* What the program passes for a place, as the number that it is. */
static ir_expr read_parameter(ir_graph *g, ir_dim parameter, ir_elem type)
{
    ir_expr x = ir_x_dim(g, parameter);
    if (type == IR_I64) return x;
    x = ir_x_make(g, IR_X_BITCAST, IR_F64, (int64_t)IR_I64 | (int64_t)IR_F64 << 8, &x, 1);
    return type == IR_F64 ? x : ir_x_cast(g, x, type);
}

/* A size of 1 is never one: an axis of one point counts neither as rows nor as lanes, a step of 1
 * is contiguous, and the range of a step was computed for what its own nest has. */
static bool is_size_place(const merging *m, ir_dim dim, bool place, int64_t *value)
{
    return ir_dim_is_const(m->g, dim, value) &&
           (place || (m->sizes && *value != 1 && *value >= cg_family_of(m->nest)->stretch));
}

static void start_walk(merging *m, uint32_t kernel)
{
    m->nest = &m->lw->p->kernels[kernel].nest;
    m->s = &m->shapes[kernel];
    m->text.n = m->at = 0;
    m->nodes = 0;
    cg_map_clear(&m->values);
}

static uint32_t walk_expr(merging *m, ir_expr e, uint32_t (*node)(void *, ir_expr))
{
    cg_expr_walk w = {.g = m->g,
                      .arena = m->arena,
                      .values = &m->values,
                      .ctx = m,
                      .node = node,
                      .inlines = is_place};
    return cg_walk_expr(&w, e);
}

/* ---- shapes ---- */

static void put_place(merging *m, ir_elem type, int64_t value)
{
    shape *s = m->s;
    s->values = ir_grow(m->arena, s->values, &s->cap, s->n + 1, sizeof *s->values);
    s->values[s->n++] = value;
    cg_text_add(&m->text, "#%d", (int)type);
}

static void put_size(merging *m, ir_dim dim)
{
    int64_t value;
    size_t i = 0;
    if (ir_dim_is_const(m->g, dim, &value)) {
        cg_text_add(&m->text, "%" PRId64 ",", value);
        return;
    }
    while (i < m->nest->nparams && m->nest->params[i] != dim) i++;
    cg_text_add(&m->text, "p%zu,", i);
}

static void put_text(void *ctx, const char *text)
{
    cg_text_add(&((merging *)ctx)->text, "%s", text);
}

static void put_number(void *ctx, void *at, size_t size)
{
    cg_text_add(&((merging *)ctx)->text, "%" PRId64, cg_number_at(at, size));
}

static void put_dim(void *ctx, ir_dim *dim, bool place)
{
    merging *m = ctx;
    int64_t value;
    if (is_size_place(m, *dim, place, &value)) put_place(m, IR_I64, value);
    else put_size(m, *dim);
}

static uint32_t put_node(void *ctx, ir_expr id)
{
    merging *m = ctx;
    const ir_expr_node *x = ir_expr_get(m->g, id);
    int64_t value;
    cg_text_add(&m->text, ";%d.%d ", (int)x->op, (int)x->type);
    if (x->op == IR_X_DIM) put_size(m, (ir_dim)x->imm);
    else cg_text_add(&m->text, "%" PRId64, x->imm);
    for (int i = 0; i < x->nargs; i++) {
        if (is_place(m, x, i) && is_constant(m->g, x->args[i], &value))
            put_place(m, ir_expr_get(m->g, x->args[i])->type, value);
        else cg_text_add(&m->text, " %" PRIu32, cg_map_get(&m->values, x->args[i], 0));
    }
    return ++m->nodes;
}

static void put_expr(void *ctx, ir_expr *root)
{
    merging *m = ctx;
    int64_t value;
    if (is_constant(m->g, *root, &value)) {
        put_place(m, ir_expr_get(m->g, *root)->type, value);
        return;
    }
    uint32_t number = walk_expr(m, *root, put_node);
    cg_text_add(&m->text, "=%" PRIu32, number);
}

static void find_shape(merging *m, uint32_t kernel)
{
    const cg_visitor v = {
        .ctx = m, .text = put_text, .number = put_number, .dim = put_dim, .expr = put_expr};
    start_walk(m, kernel);
    cg_walk_nest(&v, &m->lw->p->kernels[kernel].nest);
    m->s->text = ir_copy(m->arena, m->text.s, m->text.n + 1, 1);
}

/* Links each kernel to those before it that have its text. */
static void find_groups(merging *m)
{
    cg_map leaders = {0};
    uint32_t *last = IR_NEW_N(m->arena, uint32_t, m->lw->p->nkernels + 1);
    for (uint32_t i = 0; i < m->lw->p->nkernels; i++) {
        find_shape(m, i);
        shape *s = &m->shapes[i];
        uint64_t key = cg_hash_text(s->text);
        uint32_t at;
        while ((at = cg_map_get(&leaders, key, LATHE_NO_SLOT)) != LATHE_NO_SLOT &&
               strcmp(m->shapes[at].text, s->text) != 0)
            key++;
        s->next = LATHE_NO_SLOT;
        s->leader = at == LATHE_NO_SLOT ? i : at;
        if (at == LATHE_NO_SLOT) cg_map_put(m->arena, &leaders, key, i);
        else m->shapes[last[at]].next = i;
        last[s->leader] = i;
        m->shapes[s->leader].count++;
    }
}

/* ---- parameters ---- */

static bool same_values(const merging *m, uint32_t leader, size_t a, size_t b)
{
    for (uint32_t i = leader; i != LATHE_NO_SLOT; i = m->shapes[i].next)
        if (m->shapes[i].values[a] != m->shapes[i].values[b]) return false;
    return true;
}

/* A size that has the values of a place in all kernels of the group; IR_NONE: they are one. */
static ir_dim new_parameter(merging *m, uint32_t leader, size_t place)
{
    int64_t lo = m->shapes[leader].values[place], hi = lo;
    for (uint32_t i = leader; i != LATHE_NO_SLOT; i = m->shapes[i].next) {
        int64_t value = m->shapes[i].values[place];
        if (value < lo) lo = value;
        if (value > hi) hi = value;
    }
    if (lo == hi) return IR_NONE;
    const char *name = ir_format(m->arena, "place%zu", m->g->nsyms);
    return ir_dim_sym(m->g, ir_sym_new(m->g, name, IR_SYM_DATA, lo, hi, IR_NONE));
}

/* By place, what stands for it: places whose values are the same everywhere share a parameter.
 * first: those places that have one of their own, n of them; false: too many. */
static bool choose_parameters(merging *m, uint32_t leader, ir_dim *parameter, uint32_t *first,
                              size_t *n)
{
    *n = 0;
    for (size_t at = 0; at < m->shapes[leader].n; at++) {
        size_t i = 0;
        while (i < *n && !same_values(m, leader, first[i], at)) i++;
        if (i < *n) {
            parameter[at] = parameter[first[i]];
            continue;
        }
        parameter[at] = new_parameter(m, leader, at);
        if (!parameter[at]) continue;
        if (*n == MOST_PARAMETERS) return false;
        first[(*n)++] = (uint32_t)at;
    }
    return true;
}

/* ---- the merged nest ---- */

static void own_behind(void *ctx, void **at, size_t bytes)
{
    merging *m = ctx;
    *at = ir_copy(m->arena, *at, bytes, 1);
}

static void replace_dim(void *ctx, ir_dim *dim, bool place)
{
    merging *m = ctx;
    int64_t value;
    if (!is_size_place(m, *dim, place, &value)) return;
    ir_dim to = m->parameter[m->at++];
    if (to) *dim = to;
}

static ir_expr replaced(merging *m, ir_expr e)
{
    ir_dim to = m->parameter[m->at++];
    return to ? read_parameter(m->g, to, ir_expr_get(m->g, e)->type) : e;
}

static uint32_t replace_node(void *ctx, ir_expr id)
{
    merging *m = ctx;
    const ir_expr_node x = *ir_expr_get(m->g, id); /* by value: building moves the array */
    ir_expr *args = IR_NEW_N(m->arena, ir_expr, (size_t)x.nargs + 1);
    bool same = true;
    for (int i = 0; i < x.nargs; i++) {
        args[i] = is_place(m, &x, i) ? replaced(m, x.args[i])
                                     : (ir_expr)cg_map_get(&m->values, x.args[i], 0);
        same = same && args[i] == x.args[i];
    }
    ir_expr r = same ? id : ir_x_make(m->g, x.op, x.type, x.imm, args, x.nargs);
    if (!r) m->failed = true;
    return r ? r : id;
}

static void replace_expr(void *ctx, ir_expr *root)
{
    merging *m = ctx;
    int64_t value;
    *root = is_constant(m->g, *root, &value) ? replaced(m, *root)
                                             : (ir_expr)walk_expr(m, *root, replace_node);
}

static cg_nest replace_places(merging *m, uint32_t leader, const ir_dim *parameter)
{
    const cg_visitor v = {.ctx = m, .dim = replace_dim, .expr = replace_expr, .behind = own_behind};
    cg_nest n = m->lw->p->kernels[leader].nest;
    start_walk(m, leader);
    m->parameter = parameter;
    m->failed = false;
    cg_walk_nest(&v, &n);
    if (n.attention) cg_imply_attention(&n);
    return n;
}

/* Where the steps of the merged nest get its params from; false: from nowhere. */
static bool find_sources(const merging *m, uint32_t leader, const cg_nest *merged,
                         const ir_dim *parameter, source *sources)
{
    const cg_nest *was = &m->lw->p->kernels[leader].nest;
    for (size_t i = 0; i < merged->nparams; i++) {
        uint32_t from = 0;
        while (from < was->nparams && was->params[from] != merged->params[i]) from++;
        sources[i] = (source){false, from};
        if (from < was->nparams) continue;
        for (from = 0; from < m->shapes[leader].n && parameter[from] != merged->params[i];) from++;
        if (from == m->shapes[leader].n) return false;
        sources[i] = (source){true, from};
    }
    return true;
}

static void merge_group(merging *m, uint32_t leader)
{
    cg_kernel *k = &m->lw->p->kernels[leader];
    size_t places = m->shapes[leader].n, n;
    ir_dim *parameter = IR_NEW_N(m->arena, ir_dim, places + 1);
    uint32_t first[MOST_PARAMETERS];
    if (!choose_parameters(m, leader, parameter, first, &n)) return;
    cg_nest merged = replace_places(m, leader, parameter);
    const char *key = cg_nest_key(m->lw, &merged);
    source *sources = IR_NEW_N(m->arena, source, merged.nparams + 1);
    if (m->failed || !find_sources(m, leader, &merged, parameter, sources)) return;
    k->nest = merged;
    k->key = ir_format(m->arena, "%s", key);
    m->sources[leader] = sources;
}

/* ---- steps ---- */

static void pass_places(merging *m, lathe_step *step, uint32_t leader)
{
    cg_program *p = m->lw->p;
    const source *from = m->sources[leader];
    const shape *s = &m->shapes[step->func];
    uint32_t args = step->args, ndims = (uint32_t)p->kernels[leader].nest.nparams;
    uint32_t *slots = IR_NEW_N(m->arena, uint32_t, ndims + 1);
    for (uint32_t i = 0; i < ndims; i++)
        slots[i] = from[i].is_place ? cg_slot(m->lw, ir_dim_const(m->g, s->values[from[i].from]))
                                    : p->u32s[args + step->nbufs + from[i].from];
    step->args = (uint32_t)p->nu32s;
    step->ndims = ndims;
    for (uint32_t i = 0; i < step->nbufs; i++) CG_PUSH(p, u32s, p->u32s[args + i]);
    for (uint32_t i = 0; i < ndims; i++) CG_PUSH(p, u32s, slots[i]);
    if (ndims > p->max_dims) p->max_dims = ndims;
}

/* Takes out the kernels that have another one's code. */
static void renumber(merging *m)
{
    cg_program *p = m->lw->p;
    uint32_t *number = IR_NEW_N(m->arena, uint32_t, p->nkernels + 1), n = 0;
    for (uint32_t i = 0; i < p->nkernels; i++) {
        uint32_t leader = m->shapes[i].leader;
        bool gone = leader != i && m->sources[leader];
        number[i] = gone ? number[leader] : n;
        if (!gone) p->kernels[n++] = p->kernels[i];
    }
    p->nkernels = n;
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].kind == LATHE_STEP_KERNEL) p->steps[i].func = number[p->steps[i].func];
}

/* What stands in front of such panels, or of their blocks, goes by k. */
static bool has_known_k(const cg_gemm *g)
{
    return g->codes.code != CG_CODE_NONE || cg_panel_form_of(g->format)->listed;
}

static bool may_merge(const merging *m, uint32_t leader)
{
    const cg_nest *nest = &m->lw->p->kernels[leader].nest;
    if (m->shapes[leader].leader != leader) return false;
    if (!m->sizes) return m->shapes[leader].count > 1;
    if (nest->gemm && has_known_k(nest->gemm)) return false;
    return m->shapes[leader].count >= MANY;
}

static void merge_alike(cg_lowering *lw, bool sizes)
{
    cg_program *p = lw->p;
    merging m = {
        .lw = lw, .g = lw->g, .arena = p->arena, .sizes = sizes, .text = {.arena = p->arena}};
    m.shapes = IR_NEW_N(m.arena, shape, p->nkernels + 1);
    m.sources = IR_NEW_N(m.arena, source *, p->nkernels + 1);
    find_groups(&m);
    for (uint32_t i = 0; i < p->nkernels; i++)
        if (may_merge(&m, i)) merge_group(&m, i);
    for (size_t i = 0; i < p->nsteps; i++) {
        lathe_step *step = &p->steps[i];
        if (step->kind != LATHE_STEP_KERNEL) continue;
        uint32_t leader = m.shapes[step->func].leader;
        if (m.sources[leader]) pass_places(&m, step, leader);
    }
    renumber(&m);
}

void cg_merge_kernels(cg_lowering *lw)
{
    merge_alike(lw, false);
    if (lw->p->nkernels >= MANY) merge_alike(lw, true);
}
