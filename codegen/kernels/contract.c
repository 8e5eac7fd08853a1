/* Puts products of matrices into the form of cg_gemm.
 *
 * In: a node whose attributes say which factor is b and what each axis is (ir/product.c), and its
 * nest, which says where the result stands. Axes of one role that everything walks as if they were
 * one are merged, so that [batch, sequence] becomes rows and [heads, size] columns; what does not
 * merge is batch. Out: a nest over batch..., m, n, k with flat operands. What does not pay off in
 * tiles, or stands with its columns apart in a larger result, is left alone. */
#include <string.h>

#include "codegen/lower/lower.h"

typedef enum { ONE, BATCH, ROW, COLUMN, SUM } role;

/* Everything that moves: the two factors, the result, then the epilogue's affine loads. */
enum { A, B, C, FACTORS = 2, MOST_WALKS = C + 1 + IR_PRODUCT_LOADS };

typedef struct product {
    cg_lowering *lw;
    ir_graph *g;
    const ir_node *node;
    const cg_nest *n;        /* as it comes */
    ir_expr factor[FACTORS]; /* loads */
    ir_expr computed;        /* b, if it is no load but computed from codes as it is packed */
    ir_elem elem[FACTORS];   /* of what they read */
    ir_affine walk[MOST_WALKS];
    int nwalks;
    uint32_t bare; /* axes that the epilogue uses outside of affine loads */
    role role[IR_MAX_SPACE];
    ir_expr epilogue; /* with contract_place(w) where walk w's place belongs */
    /* the result: */
    cg_nest out;
    cg_gemm gemm;
    ir_value *operands;
    const char *weight;   /* how b is packed when the model is compiled, or "" */
    bool decoded;         /* b is a weight that is decoded into panels */
    int of[IR_MAX_SPACE]; /* old axis of the new one, -1: none */
    int to[IR_MAX_SPACE]; /* new axis of the old one, for bare axes */
} product;

/* ---- reading ---- */

/* b along the axes that its expression has; its places are those of its loads. */
static void read_computed(product *p, ir_expr x)
{
    uint32_t axes = ir_x_axes(p->g, x);
    ir_affine *w = &p->walk[B];
    p->computed = x;
    p->elem[B] = ir_expr_get(p->g, x)->type;
    p->operands[B] = p->operands[A]; /* is not read */
    w->konst = ir_dim_const(p->g, 0);
    for (int i = 0; i < IR_MAX_SPACE; i++) w->coef[i] = ir_dim_const(p->g, axes >> i & 1);
}

static void read_factor(product *p, int walk, ir_expr x)
{
    const ir_expr_node *load = ir_product_load(p->g, &x);
    const cg_operand *o = &p->n->operands[load->imm];
    p->factor[walk] = x;
    p->elem[walk] = o->elem;
    p->operands[walk] = p->node->operands[load->imm];
    ir_affine_place(p->g, o->dims, load->args, o->rank, &p->walk[walk]);
}

static role role_of(char letter)
{
    switch (letter) {
    case 'm':
        return ROW;
    case 'n':
        return COLUMN;
    case 'k':
        return SUM;
    case 'b':
        return BATCH;
    default:
        return ONE;
    }
}

/* The innermost axis of the result is b's alone: columns. */
static bool stores_columns_together(const product *p)
{
    int axis = p->n->rank - p->n->nred - 1;
    while (p->role[axis] == ONE) axis--;
    return ir_dim_equals(p->g, p->walk[C].coef[axis], 1);
}

static bool read_product(product *p)
{
    const cg_nest *n = p->n;
    const char *roles = ir_attr_str(p->g, p->node, IR_KEY_roles);
    const ir_expr_node *x = ir_expr_get(p->g, n->body);
    int64_t b = ir_attr_int(p->node, IR_KEY_factor, 0);
    if (!*roles) return false;
    for (int i = 0; i < n->rank; i++) p->role[i] = role_of(roles[i]);
    read_factor(p, A, x->args[1 - b]);
    ir_expr factor = x->args[b];
    if (ir_product_load(p->g, &factor)->op == IR_X_LOAD) read_factor(p, B, factor);
    else read_computed(p, factor);
    p->nwalks = C + 1;
    p->gemm.format = cg_format_of(ir_attr_str(p->g, p->node, IR_KEY_panel));
    p->weight = ir_attr_str(p->g, p->node, IR_KEY_weight);
    return p->gemm.format != CG_FORMATS &&
           ir_affine_place(p->g, n->out.dims, n->store, n->out.rank, &p->walk[C]) &&
           stores_columns_together(p);
}

/* ---- the epilogue ---- */

/* Stands for the place of walk w until the new axes are known. */
static ir_expr contract_place(product *p, int w) { return ir_x_index(p->g, IR_MAX_SPACE + w); }

/* Number of a further operand of the result, flat or as it was. */
static int64_t operand_of(product *p, ir_value v, const cg_operand *o)
{
    cg_nest *n = &p->out;
    for (size_t i = 2; i < n->noperands; i++)
        if (p->operands[i] == v && n->operands[i].rank == o->rank) return (int64_t)i;
    n->operands[n->noperands] = *o;
    p->operands[n->noperands] = v;
    return (int64_t)n->noperands++;
}

static cg_operand flat(ir_graph *g, const cg_operand *o)
{
    return (cg_operand){.elem = o->elem, .rank = 1, .dims = {ir_dim_product(g, o->dims, o->rank)}};
}

static ir_expr read_load(void *ctx, const ir_expr_node *load)
{
    product *p = ctx;
    const cg_operand *o = &p->n->operands[load->imm];
    ir_value v = p->node->operands[load->imm];
    cg_operand one = flat(p->g, o);
    if (!ir_affine_place(p->g, o->dims, load->args, load->nargs, &p->walk[p->nwalks]))
        return ir_x_load(p->g, load->type, (int)operand_of(p, v, o), load->args, load->nargs);
    ir_expr at = contract_place(p, p->nwalks++);
    return ir_x_load(p->g, load->type, (int)operand_of(p, v, &one), &at, 1);
}

static ir_expr read_index(void *ctx, int axis)
{
    product *p = ctx;
    if (axis < IR_MAX_SPACE) p->bare |= 1u << axis;
    return IR_NONE;
}

static void read_epilogue(product *p)
{
    const ir_rewrite loads = {.ctx = p, .load = read_load},
                     indices = {.ctx = p, .index = read_index};
    p->epilogue = ir_x_rewrite(p->g, p->n->epilogue, &loads);
    ir_x_rewrite(p->g, p->epilogue, &indices);
}

/* Expressions over the old axes become ones over the new axes. */
static ir_expr new_index(void *ctx, int axis)
{
    product *p = ctx;
    ir_graph *g = p->g;
    if (axis < IR_MAX_SPACE)
        return p->role[axis] == ONE ? ir_x_int(g, IR_I64, 0) : ir_x_index(g, p->to[axis]);
    const ir_affine *w = &p->walk[axis - IR_MAX_SPACE];
    ir_expr sum = ir_x_dim(g, w->konst);
    for (int i = 0; i < p->out.rank - 1; i++) {
        if (p->of[i] < 0) continue;
        ir_expr step = ir_x_dim(g, w->coef[p->of[i]]);
        sum = ir_x_2(g, IR_X_ADD, sum, ir_x_2(g, IR_X_MUL, ir_x_index(g, i), step));
    }
    return sum;
}

/* ---- axes ---- */

/* Whether all walks take one step of `outer` as `size` steps of `inner`. b is packed, so that its
 * columns and its k need not. */
static bool can_merge(const product *p, int outer, int inner, ir_dim size)
{
    if ((p->bare >> outer | p->bare >> inner) & 1) return false;
    for (int w = 0; w < p->nwalks; w++) {
        if (w == B && p->role[inner] != ROW) continue;
        if (p->walk[w].coef[outer] != ir_dim_mul(p->g, p->walk[w].coef[inner], size)) return false;
    }
    return true;
}

/* Merges the axes of a role, in set; the innermost one, or -1. */
static int contract_merge(product *p, role r, uint32_t *set, ir_dim *size)
{
    int inner = -1;
    *set = 0;
    *size = ir_dim_const(p->g, 1);
    for (int i = p->n->rank - 1; i >= 0; i--) {
        if (p->role[i] != r) continue;
        if (inner >= 0 && r != SUM && !can_merge(p, i, inner, *size)) {
            p->role[i] = BATCH;
            continue;
        }
        if (inner < 0) inner = i;
        *set |= 1u << i;
        *size = ir_dim_mul(p->g, *size, p->n->space[i]);
    }
    return inner;
}

/* The axes of a set in b, those as one that b walks as one. */
static cg_axes axes_of_b(const product *p, uint32_t set)
{
    cg_axes r = {0};
    for (int i = 0; i < p->n->rank; i++) {
        if (!(set >> i & 1)) continue;
        ir_dim extent = p->n->space[i], stride = p->walk[B].coef[i];
        if (r.n > 0 && r.stride[r.n - 1] == ir_dim_mul(p->g, extent, stride))
            extent = ir_dim_mul(p->g, extent, r.extent[--r.n]);
        r.extent[r.n] = extent;
        r.stride[r.n++] = stride;
    }
    return r;
}

static void make_space(product *p)
{
    static const role roles[] = {ROW, COLUMN, SUM};
    cg_nest *n = &p->out;
    ir_dim size[3];
    uint32_t set[3];
    int inner[3];
    for (int i = 0; i < 3; i++) inner[i] = contract_merge(p, roles[i], &set[i], &size[i]);
    for (int i = 0; i < p->n->rank; i++) {
        if (p->role[i] != BATCH) continue;
        p->of[n->rank] = i;
        p->to[i] = n->rank;
        n->space[n->rank++] = p->n->space[i];
    }
    for (int i = 0; i < 3; i++, n->rank++) {
        p->of[n->rank] = inner[i];
        if (inner[i] >= 0) p->to[inner[i]] = n->rank;
        n->space[n->rank] = size[i];
    }
    p->gemm.n = axes_of_b(p, set[1]);
    p->gemm.k = axes_of_b(p, set[2]);
}

/* A walk by the new axes. An axis that does not exist has steps of 1, which nobody takes. */
static ir_affine walk_of(product *p, int w)
{
    ir_affine r = {.konst = p->walk[w].konst};
    for (int i = 0; i < IR_MAX_SPACE; i++) {
        r.coef[i] = ir_dim_const(p->g, 1);
        if (i < p->out.rank && p->of[i] >= 0) r.coef[i] = p->walk[w].coef[p->of[i]];
    }
    return r;
}

/* ---- the weight ---- */

static bool add_axis(product *p, cg_panels *w, ir_dim extent, ir_dim stride)
{
    int at = w->nbatch + w->nk + w->nn;
    return ir_dim_is_const(p->g, extent, &w->size[at]) &&
           ir_dim_is_const(p->g, stride, &w->stride[at]) && w->size[at] > 0;
}

/* How b is packed; false: its sizes are not all known. */
static bool describe_panels(product *p, cg_panels *w)
{
    const cg_gemm *gm = &p->gemm;
    int n_axis = p->out.rank - 2;
    *w = (cg_panels){.format = gm->format};
    if (!ir_dim_is_const(p->g, gm->b.konst, &w->base)) return false;
    for (int i = 0; i < n_axis - 1; i++) {
        if (ir_dim_equals(p->g, gm->b.coef[i], 0)) continue;
        if (!add_axis(p, w, p->out.space[i], gm->b.coef[i])) return false;
        w->nbatch++;
    }
    for (int i = 0; i < gm->k.n; i++, w->nk++)
        if (!add_axis(p, w, gm->k.extent[i], gm->k.stride[i])) return false;
    for (int i = 0; i < gm->n.n; i++, w->nn++)
        if (!add_axis(p, w, gm->n.extent[i], gm->n.stride[i])) return false;
    return true;
}

/* b's walk becomes one over packed matrices: their elements, or bytes of codes. */
static void walk_panels(product *p, int64_t panels)
{
    ir_affine *b = &p->gemm.b;
    int64_t k = 0;
    int n_axis = p->out.rank - 2;
    ir_dim_is_const(p->g, p->out.space[n_axis + 1], &k);
    ir_dim panel = p->gemm.codes.code
                       ? ir_dim_const(p->g, cg_codes_panel(&p->gemm.codes, k))
                       : cg_panel_elements(p->g, p->gemm.format, p->out.space[n_axis + 1]);
    ir_dim step = ir_dim_mul(p->g, panel, ir_dim_const(p->g, panels));
    b->konst = ir_dim_const(p->g, cg_codes_book(&p->gemm.codes));
    for (int i = n_axis - 1; i < p->out.rank; i++) b->coef[i] = ir_dim_const(p->g, 0);
    for (int i = n_axis - 2; i >= 0; i--) {
        if (ir_dim_equals(p->g, b->coef[i], 0)) continue;
        b->coef[i] = step;
        step = ir_dim_mul(p->g, step, p->out.space[i]);
    }
}

enum { GROUPS = 16 };

static bool is_constant(const product *p) { return strcmp(p->weight, "constant") == 0; }

static const ir_blob *blob_of(product *p)
{
    const ir_value_info *root = &p->g->values[cg_root(p->lw, p->operands[B])];
    return &ir_attr_find(&p->g->nodes[root->def], IR_KEY_data)->u.blob;
}

/* b's buffer, which is packed if it is a weight. */
static uint32_t place_b(product *p, cg_encoded *encoded)
{
    cg_panels w;
    int64_t n, panels;
    if (!p->decoded && !is_constant(p)) {
        p->gemm.group = 1;
        return cg_buffer(p->lw, p->operands[B]);
    }
    if (!describe_panels(p, &w) || !ir_dim_is_const(p->g, p->out.space[p->out.rank - 2], &n)) {
        cg_refuse(p->lw, LATHE_INTERNAL, p->operands[B], "weight \"%s\" without sizes", p->weight);
        return 0;
    }
    if (p->lw->pairs && w.format == CG_FORMAT_I8) {
        w.format = CG_FORMAT_PAIRS;
        if (!cg_panels_fit(&w, blob_of(p)->bytes)) w.format = CG_FORMAT_I8;
        p->gemm.format = w.format;
    }
    panels = (n + CG_PANEL - 1) / CG_PANEL;
    if (encoded) p->gemm.codes = encoded->matrix.panels.codes;
    walk_panels(p, panels);
    p->gemm.packed = true;
    p->gemm.group = (panels + GROUPS - 1) / GROUPS;
    p->gemm.n = p->gemm.k = (cg_axes){0};
    return encoded ? cg_encoded_buffer(p->lw, encoded) : cg_weight_buffer(p->lw, blob_of(p), &w);
}

static bool may_reach(const product *p, ir_dim d, int64_t v)
{
    int64_t lo, hi;
    ir_dim_range(p->g, d, &lo, &hi);
    return hi >= v;
}

/* What the caller allows the product to be computed in. */
static void choose_precision(product *p)
{
    p->gemm.narrow = cg_narrow_of(ir_attr_str(p->g, p->node, IR_KEY_precision));
    int64_t k = 0;
    ir_dim_is_const(p->g, p->out.space[p->out.rank - 1], &k);
    bool serves = p->gemm.narrow != CG_NARROW_I8 || cg_i8_serves(&p->gemm.codes, k);
    if (p->gemm.format != CG_FORMAT_F32 || !serves) p->gemm.narrow = CG_NARROW_NOT;
}

/* Whether tiles pay off: packing at run time costs as much as a few rows. */
static bool is_large(product *p)
{
    enum { LEAST_ROWS = 4, LEAST_K = 4 };
    const ir_dim *space = p->out.space + p->out.rank - 3;
    if (!may_reach(p, space[1], IR_PRODUCT_COLUMNS)) return false;
    return p->decoded || is_constant(p) ||
           (may_reach(p, space[0], LEAST_ROWS) && may_reach(p, space[2], LEAST_K));
}

/* ---- the step ---- */

/* A load of b's expression, with its indices as they are. */
static ir_expr read_code(void *ctx, const ir_expr_node *load)
{
    product *p = ctx;
    int64_t k = operand_of(p, p->node->operands[load->imm], &p->n->operands[load->imm]);
    return ir_x_load(p->g, load->type, (int)k, load->args, load->nargs);
}

static void finish_nest(product *p)
{
    cg_nest *n = &p->out;
    const ir_rewrite indices = {.ctx = p, .index = new_index};
    n->kind = CG_NEST_GEMM;
    n->nred = 1;
    n->out = flat(p->g, &p->n->out);
    n->epilogue = ir_x_rewrite(p->g, p->epilogue, &indices);
    if (p->computed) n->body = ir_x_rewrite(p->g, p->computed, &indices);
    n->gemm = ir_copy(p->lw->p->arena, &p->gemm, 1, sizeof p->gemm);
    for (int i = 0; i < 2; i++)
        n->operands[i] =
            (cg_operand){.elem = p->elem[i], .rank = 1, .dims = {ir_dim_const(p->g, 0)}};
}

/* NULL: it is not to be done in tiles. */
static product *contract_read(cg_lowering *lw, const ir_node *node, const cg_nest *n, bool decoded)
{
    ir_arena *arena = lw->p->arena;
    product *p = IR_NEW(arena, product);
    *p = (product){.lw = lw, .g = lw->g, .node = node, .n = n, .decoded = decoded};
    p->operands = IR_NEW_N(arena, ir_value, 2 * n->noperands + 2);
    p->out.operands = IR_NEW_N(arena, cg_operand, 2 * n->noperands + 2);
    p->out.noperands = 2;
    if (!read_product(p)) return NULL;
    read_epilogue(p);
    if (p->computed)
        p->computed = ir_x_rewrite(lw->g, p->computed, &(ir_rewrite){.ctx = p, .load = read_code});
    make_space(p);
    if (!is_large(p)) return NULL;
    p->gemm.a = walk_of(p, A);
    p->gemm.b = walk_of(p, B);
    p->gemm.c = walk_of(p, C);
    return p;
}

/* The panels' axes by the product's own, each by itself, also where b walks some as one. */
static void name_axes(const product *p, cg_matrix *m)
{
    static const role roles[] = {SUM, COLUMN};
    cg_panels *w = &m->panels;
    int *count[] = {&w->nk, &w->nn}, at = 0;
    for (int i = 0; i < p->out.rank - 3; i++)
        if (!ir_dim_equals(p->g, p->gemm.b.coef[i], 0)) m->axis[at++] = p->of[i];
    w->nk = w->nn = 0;
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < p->n->rank; i++) {
            if (p->role[i] != roles[r]) continue;
            ir_dim_is_const(p->g, p->n->space[i], &w->size[at]);
            m->axis[at++] = i;
            ++*count[r];
        }
}

bool cg_product_weight(cg_lowering *lw, const ir_node *node, const cg_nest *n, cg_matrix *m)
{
    bool decoded = strcmp(ir_attr_str(lw->g, node, IR_KEY_weight), "computed") == 0;
    product *p = contract_read(lw, node, n, decoded);
    *m = (cg_matrix){0};
    if (!p || !describe_panels(p, &m->panels)) return false;
    m->places = m->panels;
    for (size_t i = 0; i < p->out.noperands; i++)
        if (i != B && p->operands[i] == p->operands[B]) return false;
    m->value = p->operands[B];
    m->load = p->factor[B];
    name_axes(p, m);
    return true;
}

bool cg_lower_product(cg_lowering *lw, const ir_node *node, const cg_nest *n, ir_value result,
                      cg_encoded *weight)
{
    product *p = contract_read(lw, node, n, weight != NULL);
    if (!p) return false;
    uint32_t b = place_b(p, weight);
    choose_precision(p);
    finish_nest(p);
    uint32_t *bufs = IR_NEW_N(lw->p->arena, uint32_t, p->out.noperands + 2);
    for (size_t i = 0; i < p->out.noperands; i++)
        bufs[i] = i == B ? b : cg_buffer(lw, p->operands[i]);
    bufs[p->out.noperands] = cg_buffer(lw, result);
    cg_give_extremes(lw, node->results[0], &p->out, bufs);
    cg_kernel_step(lw, &p->out, bufs);
    return true;
}
