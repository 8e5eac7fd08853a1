/* One copy of a weight: what a product stores in panels is looked up in them, too.
 *
 * In: the products of the graph and their weights. Out: for each weight of which the panels have
 * every element, and that nobody else reads but other products and nests that look elements up at
 * places that are data (an embedding that is also the head), where the element at some indices
 * stands; the loads of such nests become loads of the panels, of numbers or of codes. Who reads all
 * of a weight in its order keeps the tensor, which is stored then anyway.
 *
 * Invariant: a weight is held only if all of its readers are found, so that nothing is stored twice
 * or not at all. */
#include <string.h>

#include "codegen/lower/lower.h"

struct cg_held {
    cg_panels places; /* strides are those of the weight's elements, row-major */
    cg_encoded *encoded;
    const ir_blob *blob; /* of a constant */
};

/* ---- where an element stands ---- */

typedef struct place {
    cg_lowering *lw;
    ir_graph *g;
    const cg_panels *w;
    int rank; /* of the operand */
    int64_t dims[IR_MAX_RANK], strides[IR_MAX_RANK];
    const ir_expr *idx;
} place;

static ir_expr number(place *p, int64_t v) { return ir_x_int(p->g, IR_I64, v); }
static ir_expr add(place *p, ir_expr a, ir_expr b) { return ir_x_2(p->g, IR_X_ADD, a, b); }

static ir_expr times(place *p, ir_expr a, int64_t by)
{
    return by == 1 ? a : ir_x_2(p->g, IR_X_MUL, a, number(p, by));
}

static ir_expr divided(place *p, ir_expr a, int64_t by)
{
    return by == 1 ? a : ir_x_2(p->g, IR_X_FLOORDIV, a, number(p, by));
}

static ir_expr rest(place *p, ir_expr a, int64_t by)
{
    return by == 1 ? number(p, 0) : ir_x_2(p->g, IR_X_MOD, a, number(p, by));
}

/* The index along an axis of the panels: an index of the operand, a part of one, or of the place
 * that all of them make. */
static ir_expr along(place *p, int axis)
{
    int64_t stride = p->w->stride[axis], size = p->w->size[axis];
    for (int i = 0; i < p->rank; i++) {
        int64_t step = p->strides[i], steps = stride / step;
        if (stride % step || p->dims[i] % (steps * size)) continue;
        ir_expr x = divided(p, p->idx[i], steps);
        return p->dims[i] == steps * size ? x : rest(p, x, size);
    }
    ir_expr flat = number(p, 0);
    for (int i = 0; i < p->rank; i++) flat = add(p, flat, times(p, p->idx[i], p->strides[i]));
    return rest(p, divided(p, flat, stride), size);
}

/* Counts the points of n axes from `first` on, row-major; *size: how many there are. */
static ir_expr counted(place *p, int first, int n, int64_t *size)
{
    ir_expr at = number(p, 0);
    *size = 1;
    for (int i = first; i < first + n; i++) {
        at = add(p, times(p, at, p->w->size[i]), along(p, i));
        *size *= p->w->size[i];
    }
    return at;
}

/* A panel, a k and a lane of it. */
typedef struct spot {
    ir_expr panel, k, lane;
    int64_t size_k;
} spot;

static spot find_spot(place *p)
{
    const cg_panels *w = p->w;
    int64_t matrices, columns;
    spot s;
    ir_expr batch = counted(p, 0, w->nbatch, &matrices);
    s.k = counted(p, w->nbatch, w->nk, &s.size_k);
    ir_expr column = counted(p, w->nbatch + w->nk, w->nn, &columns);
    s.lane = rest(p, column, CG_PANEL);
    s.panel =
        add(p, times(p, batch, (columns + CG_PANEL - 1) / CG_PANEL), divided(p, column, CG_PANEL));
    return s;
}

/* ---- panels of numbers ---- */

static ir_expr number_place(place *p, const spot *s)
{
    const cg_panel_form *form = cg_panel_form_of(p->w->format);
    int64_t row = (int64_t)CG_PANEL * form->group,
            rows = (s->size_k + form->group - 1) / form->group + form->sums;
    ir_expr group = add(p, divided(p, s->k, form->group), number(p, form->sums));
    ir_expr in_row = add(p, times(p, s->lane, form->group), rest(p, s->k, form->group));
    return add(p, times(p, s->panel, rows * row), add(p, times(p, group, row), in_row));
}

/* ---- panels of codes ---- */

/* Column `lane` of a row that starts at byte `row`, counting codes. */
static ir_expr code_place(place *p, const cg_codes *c, ir_expr row, ir_expr lane)
{
    int bits = cg_code_bits(c->code), in_byte = 8 / bits, bytes = CG_PANEL * bits / 8;
    if (bits >= 8) return add(p, divided(p, row, bits / 8), lane);
    ir_expr byte = add(p, row, rest(p, lane, bytes));
    return add(p, times(p, byte, in_byte), divided(p, lane, bytes));
}

/* Loads of the codes, of the scales, and of the codebook; numbers of the operands. */
typedef struct loads {
    int codes, scales, book;
} loads;

static ir_expr code_at(place *p, const cg_codes *c, const loads *l, ir_expr row, ir_expr lane)
{
    ir_expr at = code_place(p, c, row, lane);
    return ir_x_load(p->g, ir_elem_arith(cg_code_storage(c->code)), l->codes, &at, 1);
}

static ir_expr decoded(place *p, const cg_codes *c, const loads *l)
{
    ir_graph *g = p->g;
    const spot s = find_spot(p);
    int64_t head = cg_codes_head(c), row = cg_codes_row(c);
    ir_expr panel =
                add(p, number(p, cg_codes_book(c)), times(p, s.panel, cg_codes_panel(c, s.size_k))),
            block = add(p, panel, times(p, divided(p, s.k, c->block), head + c->block * row));
    ir_expr in_block = add(p, number(p, head), times(p, rest(p, s.k, c->block), row));
    ir_expr x = code_at(p, c, l, add(p, block, in_block), s.lane);
    if (c->book) {
        ir_expr entry = ir_x_cast(g, x, IR_I64);
        x = ir_x_load(g, IR_F32, l->book, &entry, 1);
    } else if (!cg_code_elem(c->code)) {
        ir_expr zero_row = add(p, block, number(p, cg_codes_scales(c)));
        x = ir_x_cast(g, x, IR_I32);
        if (c->zeros)
            x = ir_x_2(g, IR_X_SUB, x, ir_x_cast(g, code_at(p, c, l, zero_row, s.lane), IR_I32));
        if (c->offset) x = ir_x_2(g, IR_X_SUB, x, ir_x_int(g, IR_I32, c->offset));
        x = ir_x_cast(g, x, IR_F32);
    }
    if (!c->scale) return x;
    ir_expr at = add(p, divided(p, block, ir_elem_bits(c->scale) / 8), s.lane);
    return ir_x_2(g, IR_X_MUL, x, ir_x_load(g, IR_F32, l->scales, &at, 1));
}

/* ---- a nest that looks up ---- */

/* What the operands of a nest become. */
typedef struct lookups {
    cg_lowering *lw;
    const ir_node *node;
    cg_nest *n;
    size_t noperands; /* before */
    loads of[IR_MAX_SPACE + 1];
    bool failed;
} lookups;

static cg_held *held_of(cg_lowering *lw, ir_value v) { return v ? lw->held[cg_root(lw, v)] : NULL; }

static ir_expr look_up(void *ctx, const ir_expr_node *load)
{
    lookups *u = ctx;
    ir_graph *g = u->lw->g;
    size_t k = (size_t)load->imm;
    const cg_held *h = k < u->noperands ? held_of(u->lw, u->node->operands[k]) : NULL;
    if (k == u->noperands)
        return ir_x_load(g, load->type, (int)u->n->noperands, load->args, load->nargs);
    if (!h) return IR_NONE;
    const ir_type *t = ir_type_of(g, u->node->operands[k]);
    place p = {.lw = u->lw, .g = g, .w = &h->places, .rank = t->rank, .idx = load->args};
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        ir_dim_is_const(g, t->dims[i], &p.dims[i]);
        p.strides[i] = stride;
        stride *= p.dims[i];
    }
    if (h->encoded && h->encoded->matrix.panels.codes.code)
        return decoded(&p, &h->encoded->matrix.panels.codes, &u->of[k]);
    const spot s = find_spot(&p);
    ir_expr at = number_place(&p, &s);
    return ir_x_load(g, load->type, (int)k, &at, 1);
}

static void rewrite(lookups *u, ir_expr *e)
{
    if (*e) *e = ir_x_rewrite(u->lw->g, *e, &(ir_rewrite){.ctx = u, .load = look_up});
}

static cg_operand bytes_as(cg_lowering *lw, ir_elem elem, uint64_t bytes)
{
    int64_t count = (int64_t)(bytes * 8 / (uint64_t)ir_elem_bits(elem));
    return (cg_operand){.elem = elem, .rank = 1, .dims = {ir_dim_const(lw->g, count)}};
}

static uint32_t buffer_of(cg_lowering *lw, const cg_held *h)
{
    return h->encoded ? cg_encoded_buffer(lw, h->encoded)
                      : cg_weight_buffer(lw, h->blob, &h->places);
}

static int one_more(lookups *u, const cg_held *h, ir_elem elem, uint64_t bytes, uint32_t *bufs)
{
    cg_nest *n = u->n;
    bufs[n->noperands] = buffer_of(u->lw, h);
    n->operands[n->noperands] = bytes_as(u->lw, elem, bytes);
    return (int)n->noperands++;
}

/* Operand k as panels; scales and the codebook are one more operand each, of the same bytes. */
static void set_operand(lookups *u, size_t k, const cg_held *h, uint32_t *bufs)
{
    cg_nest *n = u->n;
    const cg_panels *w = h->encoded ? &h->encoded->matrix.panels : &h->places;
    uint64_t size = cg_panels_size(w);
    const cg_codes *c = &w->codes;
    bufs[k] = buffer_of(u->lw, h);
    u->of[k] = (loads){.codes = (int)k};
    n->operands[k] = bytes_as(
        u->lw, c->code ? cg_code_storage(c->code) : cg_panel_form_of(w->format)->elem, size);
    if (c->scale) u->of[k].scales = one_more(u, h, c->scale, size, bufs);
    if (c->book) u->of[k].book = one_more(u, h, IR_F32, (uint64_t)cg_codes_book(c), bufs);
}

void cg_read_panels(cg_lowering *lw, const ir_node *node, cg_nest *n, uint32_t *bufs)
{
    lookups u = {.lw = lw, .node = node, .n = n, .noperands = n->noperands};
    cg_operand *operands = IR_NEW_N(lw->p->arena, cg_operand, 3 * n->noperands + 1);
    memcpy(operands, n->operands, n->noperands * sizeof *operands);
    bool any = false;
    for (size_t k = 0; k < u.noperands; k++) {
        const cg_held *h = held_of(lw, node->operands[k]);
        if (h && !any) n->operands = operands;
        if (h) set_operand(&u, k, h, bufs);
        else bufs[k] = cg_buffer(lw, node->operands[k]);
        any = any || h;
    }
    if (!any) return;
    rewrite(&u, &n->body);
    rewrite(&u, &n->epilogue);
    for (size_t i = 0; i < n->nstages; i++) {
        rewrite(&u, &n->stages[i].body);
        rewrite(&u, &n->stages[i].keep);
    }
}

/* ---- which weights ---- */

/* Whether the axes count each element once. */
static bool counts_all(const cg_panels *w, int64_t elements)
{
    int axes = w->nbatch + w->nk + w->nn;
    int64_t total = 1;
    for (int i = 0; i < axes; i++) {
        int next = 0;
        while (next < axes && (w->size[next] == 1 || w->stride[next] != total)) next++;
        if (next < axes) total *= w->size[next];
    }
    return w->base == 0 && total == elements;
}

void cg_hold(cg_lowering *lw, const cg_matrix *m, cg_encoded *e)
{
    ir_graph *g = lw->g;
    ir_value root = cg_root(lw, m->value);
    const ir_node *def = &g->nodes[g->values[root].def];
    int64_t elements;
    if (lw->held[root] || !ir_dim_is_const(g, ir_type_count(g, ir_type_of(g, root)), &elements) ||
        !counts_all(&m->places, elements))
        return;
    cg_held *h = IR_NEW(g->arena, cg_held);
    *h = (cg_held){.places = m->places, .encoded = e};
    if (!e) h->blob = &ir_attr_find(def, IR_KEY_data)->u.blob;
    lw->held[root] = h;
}

typedef struct finding {
    ir_graph *g;
    uint32_t operand;
    bool in_order;
} finding;

static ir_expr note_load(void *ctx, const ir_expr_node *load)
{
    finding *f = ctx;
    ir_x_cost cost = ir_x_measure(f->g, load->args, (size_t)load->nargs);
    if ((uint32_t)load->imm == f->operand && !cost.loads) f->in_order = true;
    return IR_NONE;
}

/* At places that are data, and nowhere else. */
bool cg_looks_up(cg_lowering *lw, const ir_node *n, uint32_t operand)
{
    finding f = {.g = lw->g, .operand = operand};
    if (!held_of(lw, n->operands[operand]) || !ir_op_is(n->op, IR_TRAIT_LOOKS_UP)) return false;
    for (uint32_t i = 0; i < n->nattrs; i++)
        for (size_t e = 0; ir_key_kind(n->attrs[i].key) == IR_ATTR_EXPRS && e < n->attrs[i].n; e++)
            ir_x_rewrite(lw->g, n->attrs[i].u.exprs[e],
                         &(ir_rewrite){.ctx = &f, .load = note_load});
    return !f.in_order;
}

void cg_release_others(cg_lowering *lw, uint32_t *reads)
{
    const ir_graph *g = lw->g;
    for (size_t id = 1; id < g->nnodes; id++) {
        const ir_node *n = &g->nodes[id];
        for (uint32_t k = 0; k < n->noperands; k++)
            if (cg_looks_up(lw, n, k)) reads[cg_root(lw, n->operands[k])]++;
    }
    for (size_t v = 1; v < g->nvalues; v++)
        if (lw->held[v] && lw->uses[v] != reads[v]) lw->held[v] = NULL;
}
