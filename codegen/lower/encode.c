/* Encoded constants: matrices that constants alone decide, computed when they are packed.
 *
 * In: products whose weight is not a constant but computed from constants: codes with scales and
 * zero points, packed nibbles, in any layout that nodes describe. Out: for each such product,
 * graphs that compute rows of its panels from the constants, or what these are stored as
 * (find_codes.c); the nodes in between are dead where nobody else reads them. When the weights are
 * written the graph runs, as code, a few thousand rows at a time. Two products that read the same
 * panels share them.
 *
 * Invariant: cg_product_weight says of a product here what contract.c will read of it later. */
#include <stdlib.h>
#include <string.h>

#include "codegen/lower/encode.h"
#include "codegen/lower/lower.h"

enum { MOST_STEPS = 200, ROW_AXIS = 0, LANE_AXIS = 1 };

/* A graph that is being made. */
typedef struct decoding {
    ir_graph *g; /* the model's, whose pool all parts share */
    cg_encoded *e;
    const cg_matrix *m;
    ir_type types[IR_MAX_SPACE]; /* of what is loaded, the numbers of rows first */
    ir_elem elems[IR_MAX_SPACE];
    size_t noperands;
    ir_expr at[IR_MAX_SPACE]; /* index of each axis of the panels, at this row and lane */
    ir_expr k, panel;         /* the row's, over all axes of k; counts panels of all matrices */
    int steps;
    bool failed;
} decoding;

static ir_expr encode_fail(decoding *d)
{
    d->failed = true;
    return IR_NONE;
}

static ir_expr number(decoding *d, int64_t v) { return ir_x_int(d->g, IR_I64, v); }

static ir_expr op(decoding *d, ir_scalar o, ir_expr x, ir_expr y) { return ir_x_2(d->g, o, x, y); }

/* ---- the element of a value at some indices ---- */

static ir_expr encode_element(decoding *d, ir_value v, const ir_expr *idx);

/* The number of the operand that holds a constant. */
static int operand_of(decoding *d, ir_value v, const ir_blob *blob)
{
    cg_encoded *e = d->e;
    for (size_t i = 0; i < e->nblobs; i++)
        if (e->blobs[i].bytes == blob->bytes && e->blobs[i].size == blob->size &&
            ir_type_equal(&d->types[i + 1], ir_type_of(d->g, v)))
            return (int)i + 1;
    if (d->noperands == IR_MAX_SPACE) return -1;
    d->types[d->noperands] = *ir_type_of(d->g, v);
    d->elems[d->noperands] = ir_type_of(d->g, v)->elem;
    e->blobs[e->nblobs++] = *blob;
    return (int)d->noperands++;
}

/* The integer that all elements of a constant are, as zero points often are. */
static bool is_uniform(ir_elem elem, const ir_blob *blob, int64_t *value)
{
    enum { MOST_BYTES = 1 << 20 };
    const unsigned char *bytes = blob->bytes;
    ir_scalar_value first, last;
    if (!ir_elem_is_int(elem) || ir_elem_bits(elem) > 8 || !blob->size || blob->size > MOST_BYTES)
        return false;
    if (memcmp(bytes, bytes + 1, blob->size - 1) != 0) return false;
    int in_byte = 8 / ir_elem_bits(elem);
    for (int i = 0; i < in_byte; i++) {
        if (!ir_blob_get(elem, blob, i, &last) || (i && last.i != first.i)) return false;
        first = last;
    }
    *value = first.i;
    return true;
}

static ir_expr of_constant(decoding *d, ir_value v, const ir_node *n, const ir_expr *idx)
{
    const ir_type *t = ir_type_of(d->g, v);
    const ir_blob *blob = &ir_attr_find(n, IR_KEY_data)->u.blob;
    int64_t value;
    bool checks = ir_x_measure(d->g, idx, (size_t)t->rank).checks;
    if (!checks && is_uniform(t->elem, blob, &value))
        return ir_x_int(d->g, ir_elem_arith(t->elem), value);
    int k = operand_of(d, v, blob);
    if (k < 0 || ir_elem_arith(t->elem) == IR_ELEM_NONE) return encode_fail(d);
    return ir_x_load(d->g, ir_elem_arith(t->elem), k, idx, t->rank);
}

typedef struct inside {
    decoding *d;
    const ir_node *n;
} inside;

static ir_expr load_inside(void *ctx, const ir_expr_node *load)
{
    const inside *in = ctx;
    return encode_element(in->d, in->n->operands[load->imm], load->args);
}

/* A size that only the run knows has no place here. */
static ir_dim no_dim(void *ctx, ir_dim dim)
{
    ((const inside *)ctx)->d->failed = true;
    return dim;
}

/* Whether the value has elements, as many in every run. */
static bool is_sized(const decoding *d, ir_value v)
{
    const ir_type *t = ir_type_of(d->g, v);
    int64_t size;
    for (int i = 0; i < t->rank; i++)
        if (!ir_dim_is_const(d->g, t->dims[i], &size) || size < 1) return false;
    return true;
}

static ir_expr encode_element(decoding *d, ir_value v, const ir_expr *idx)
{
    if (!v || d->failed || d->steps++ == MOST_STEPS || !is_sized(d, v)) return encode_fail(d);
    const ir_node n = d->g->nodes[d->g->values[v].def];
    if (n.op == IR_OP_CONST) return of_constant(d, v, &n, idx);
    inside in = {d, &n};
    ir_expr x =
        ir_element(d->g, &n, idx, &(ir_rewrite){.ctx = &in, .load = load_inside, .dim = no_dim});
    return x == IR_NONE || d->failed ? encode_fail(d) : x;
}

/* x counts points of n axes, row-major; their indices. */
static void split(decoding *d, ir_expr x, const int64_t *size, int n, ir_expr *idx)
{
    for (int i = n - 1; i > 0; i--) {
        idx[i] = op(d, IR_X_MOD, x, number(d, size[i]));
        x = op(d, IR_X_FLOORDIV, x, number(d, size[i]));
    }
    if (n) idx[0] = x;
}

/* ---- the panels' graph ---- */

static int64_t encode_product(const int64_t *size, int n)
{
    int64_t r = 1;
    for (int i = 0; i < n; i++) r *= size[i];
    return r;
}

/* Columns are lanes of a panel: where a panel never crosses the innermost axis, lanes are steps of
 * it, which vectors can follow. Lanes past the end read the last column. */
static void split_columns(decoding *d, ir_expr panel, ir_expr *at)
{
    const cg_panels *w = &d->m->panels;
    const int64_t *size = w->size + w->nbatch + w->nk;
    int64_t inner = w->nn ? size[w->nn - 1] : 1, n = encode_product(size, w->nn);
    ir_expr lane = ir_x_index(d->g, LANE_AXIS), first = op(d, IR_X_MUL, panel, number(d, CG_PANEL));
    if (inner % CG_PANEL == 0) {
        split(d, first, size, w->nn, at);
        at[w->nn - 1] = op(d, IR_X_ADD, at[w->nn - 1], lane);
    } else {
        first = op(d, IR_X_ADD, first, lane);
        split(d, op(d, IR_X_MIN, first, number(d, n - 1)), size, w->nn, at);
    }
}

/* Rows count matrices, their panels, and the panel's k. */
static ir_expr read_row(decoding *d)
{
    const cg_panels *w = &d->m->panels;
    ir_expr zero = ir_x_index(d->g, ROW_AXIS), row = ir_x_load(d->g, IR_I64, 0, &zero, 1);
    int at_n = w->nbatch + w->nk;
    int64_t n = encode_product(w->size + at_n, w->nn),
            k = encode_product(w->size + w->nbatch, w->nk), panels = (n + CG_PANEL - 1) / CG_PANEL;
    d->panel = op(d, IR_X_FLOORDIV, row, number(d, k));
    d->k = op(d, IR_X_MOD, row, number(d, k));
    ir_expr panel = op(d, IR_X_MOD, d->panel, number(d, panels));
    split(d, d->k, w->size + w->nbatch, w->nk, d->at + w->nbatch);
    split(d, op(d, IR_X_FLOORDIV, d->panel, number(d, panels)), w->size, w->nbatch, d->at);
    split_columns(d, panel, d->at + at_n);
    if (n % CG_PANEL == 0) return IR_NONE;
    ir_expr column =
        op(d, IR_X_ADD, op(d, IR_X_MUL, panel, number(d, CG_PANEL)), ir_x_index(d->g, LANE_AXIS));
    return op(d, IR_X_LT, column, number(d, n));
}

static ir_expr index_of_axis(void *ctx, int axis)
{
    decoding *d = ctx;
    const cg_panels *w = &d->m->panels;
    for (int i = 0; i < w->nbatch + w->nk + w->nn; i++)
        if (d->m->axis[i] == axis) return d->at[i];
    return number(d, 0);
}

/* The element at a row and lane; *exists: where there is one, or IR_NONE: everywhere. */
static ir_expr element_of_row(decoding *d, ir_expr *exists)
{
    const ir_expr_node load = *ir_expr_get(d->g, d->m->load);
    const ir_rewrite hooks = {.ctx = d, .index = index_of_axis};
    ir_expr idx[IR_MAX_RANK];
    *exists = read_row(d);
    for (int i = 0; i < load.nargs; i++) idx[i] = ir_x_rewrite(d->g, load.args[i], &hooks);
    ir_expr x = encode_element(d, d->m->value, idx);
    return d->failed ? IR_NONE : x;
}

/* A graph that computes elements [rows, CG_PANEL] from the numbers of the rows and the constants;
 * zeros where there are none. */
static bool make_part(decoding *d, const cg_coded_part *part, ir_expr exists, int number,
                      cg_decoding *out)
{
    ir_graph *own = ir_graph_part(d->g);
    ir_builder b = {.g = own, .block = 1};
    ir_sym sym = ir_sym_new(own, "rows", IR_SYM_INPUT, 0, CG_DECODED_ROWS, IR_NONE);
    const ir_dim rows = ir_dim_sym(own, sym), space[] = {rows, ir_dim_const(own, CG_PANEL)};
    ir_value operands[IR_MAX_SPACE];
    d->types[0] = ir_type_make(IR_I64, 1, &rows);
    for (size_t i = 0; i < d->noperands; i++) operands[i] = ir_param(own, 1, &d->types[i], "");
    ir_expr body = part->body, none = ir_x_num(own, ir_elem_arith(part->elem), 0);
    if (exists) body = ir_x_select(own, exists, body, none);
    const ir_attr attrs[] = {ir_a_dims(own, IR_KEY_space, space, 2),
                             ir_a_exprs(own, IR_KEY_body, &body, 1),
                             ir_a_str(own, IR_KEY_elem, ir_elem_name(part->elem))};
    ir_node_id id = ir_node_new(&b, IR_OP_MAP, operands, d->noperands, attrs, 3, NULL, 1, NULL, 0);
    if (id == IR_NONE) return false;
    ir_output(own, own->nodes[id].results[0], "");
    *out = (cg_decoding){.graph = own, .body = body, .elem = part->elem, .number = number};
    return true;
}

/* The codebook that operand k is, as floats; NULL: it has fewer elements than its type says. */
static const float *read_book(decoding *d, int k)
{
    int64_t entries = d->e->matrix.panels.codes.book, given = 0;
    float *book = IR_NEW_N(d->g->arena, float, (size_t)entries);
    ir_scalar_value v;
    ir_dim_is_const(d->g, d->types[k].dims[0], &given);
    for (int64_t i = 0; i < given && i < entries; i++) {
        if (!ir_blob_get(d->elems[k], &d->e->blobs[k - 1], i, &v)) return NULL;
        book[i] = (float)v.f;
    }
    return book;
}

static bool encode_build(decoding *d)
{
    cg_encoded *e = d->e;
    cg_coded_part part[CG_CODED_PARTS] = {0};
    d->elems[d->noperands++] = IR_I64;
    ir_expr exists, x = element_of_row(d, &exists);
    if (x == IR_NONE) return false;
    e->checks = ir_x_measure(d->g, &x, 1).checks;
    const cg_element element = {x, d->k, d->panel, e->k, d->elems, d->types};
    int book = 0;
    if (!cg_find_codes(d->g, &element, &e->matrix.panels.codes, part, &book) ||
        (book && !(e->book = read_book(d, book)))) {
        e->matrix.panels.codes = (cg_codes){0};
        for (int i = 0; i < CG_CODED_PARTS; i++) part[i] = (cg_coded_part){0};
        part[CG_PART_CODE] = (cg_coded_part){x, IR_F32};
    }
    for (int i = 0; i < CG_CODED_PARTS; i++)
        if (part[i].body && !make_part(d, &part[i], exists, i, &e->part[i])) return false;
    return true;
}

/* ---- which products ---- */

static bool same_matrix(const cg_matrix *a, const cg_matrix *b)
{
    int n = a->panels.nbatch + a->panels.nk + a->panels.nn;
    return a->value == b->value && a->load == b->load && a->panels.format == b->panels.format &&
           a->panels.nbatch == b->panels.nbatch && a->panels.nk == b->panels.nk &&
           a->panels.nn == b->panels.nn &&
           memcmp(a->axis, b->axis, (size_t)n * sizeof *a->axis) == 0 &&
           memcmp(a->panels.size, b->panels.size, (size_t)n * sizeof *a->panels.size) == 0;
}

static cg_encoded *new_encoded(cg_lowering *lw, const cg_matrix *m)
{
    ir_arena *arena = lw->p->arena;
    cg_encoded *e = IR_NEW(arena, cg_encoded);
    decoding *d = IR_NEW(arena, decoding);
    const cg_panels *w = &m->panels;
    int64_t n = encode_product(w->size + w->nbatch + w->nk, w->nn);
    *e = (cg_encoded){.matrix = *m, .buffer = LATHE_NO_SLOT};
    e->blobs = IR_NEW_N(arena, ir_blob, IR_MAX_SPACE);
    e->k = encode_product(w->size + w->nbatch, w->nk);
    e->panels = (n + CG_PANEL - 1) / CG_PANEL * encode_product(w->size, w->nbatch);
    *d = (decoding){.g = lw->g, .e = e, .m = m};
    return encode_build(d) ? e : NULL;
}

static cg_encoded *find_or_make(cg_lowering *lw, const cg_matrix *m)
{
    for (size_t i = 0; i < lw->p->nencoded; i++)
        if (same_matrix(&lw->p->encoded[i]->matrix, m)) return lw->p->encoded[i];
    cg_encoded *e = new_encoded(lw, m);
    if (!e) return NULL;
    /* A check that fails belongs to the run; it is known only when all has been computed. */
    if (e->checks && !(lw->decodes && lw->decodes(lw->p, e, lw->g->diag))) return NULL;
    CG_PUSH(lw->p, encoded, e);
    return e;
}

/* Nodes that only decode are dead when the last reader is gone. */
static void drop_use(cg_lowering *lw, uint32_t *uses, ir_value v)
{
    const ir_node *n = &lw->g->nodes[lw->g->values[v].def];
    if (--uses[v] || !ir_op_is(n->op, IR_TRAIT_POINTWISE)) return;
    lw->dead[lw->g->values[v].def] = true;
    for (uint32_t i = 0; i < n->noperands; i++) drop_use(lw, uses, n->operands[i]);
}

/* Finds the weight of a product; false: it has none in panels. */
static bool find_weight(cg_lowering *lw, ir_node_id id, cg_matrix *m)
{
    const ir_node *node = &lw->g->nodes[id];
    const char *weight = ir_attr_str(lw->g, node, IR_KEY_weight);
    cg_nest nest;
    if (!*weight || cg_read_nest(lw, node, &nest) != LATHE_OK) return false;
    bool computed = strcmp(weight, "computed") == 0;
    if (computed && (node->op != IR_OP_CONTRACT || lw->part[node->results[0]])) return false;
    if (!cg_product_weight(lw, node, &nest, m)) return false;
    if (computed) lw->encoded[id] = find_or_make(lw, m);
    return !computed || lw->encoded[id];
}

/* What is decoded where it is looked up has one reader less. */
static void drop_lookups(cg_lowering *lw, uint32_t *uses)
{
    for (size_t id = 1; id < lw->g->nnodes; id++) {
        const ir_node *n = &lw->g->nodes[id];
        for (uint32_t k = 0; k < n->noperands; k++)
            if (cg_looks_up(lw, n, k)) drop_use(lw, uses, n->operands[k]);
    }
}

void cg_find_encoded(cg_lowering *lw)
{
    ir_graph *g = lw->g;
    uint32_t *uses = ir_count_uses(g), *reads = IR_NEW_N(g->arena, uint32_t, g->nvalues);
    size_t n = g->nnodes;
    lw->dead = IR_NEW_N(g->arena, bool, n);
    lw->encoded = IR_NEW_N(g->arena, cg_encoded *, n);
    lw->held = IR_NEW_N(g->arena, cg_held *, g->nvalues);
    lw->p->stored = IR_NEW_N(g->arena, const char *, n);
    for (size_t id = 1; id < n && lw->level > 0; id++) {
        cg_matrix m;
        if (!find_weight(lw, (ir_node_id)id, &m)) continue;
        cg_hold(lw, &m, lw->encoded[id]);
        reads[cg_root(lw, m.value)]++;
        if (!lw->encoded[id]) continue;
        drop_use(lw, uses, m.value);
        cg_code code = lw->encoded[id]->matrix.panels.codes.code;
        const char *precision = ir_attr_str(g, &g->nodes[id], IR_KEY_precision);
        bool i8 = cg_narrow_of(precision) == CG_NARROW_I8 &&
                  cg_i8_serves(&lw->encoded[id]->matrix.panels.codes, lw->encoded[id]->k);
        if (code) lw->p->stored[id] = cg_code_precision(code, i8);
    }
    cg_release_others(lw, reads);
    drop_lookups(lw, uses);
}
