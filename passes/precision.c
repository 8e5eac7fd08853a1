/* precision: weights of products in the precision that the caller asked for.
 *
 * In: any graph. Out: a constant of floats that a product reads as its b (the factor that is put in
 * panels) is computed from narrower constants: codes with a scale and perhaps a zero point for each
 * block of the sum, or halves. What lowering makes of that is what it makes of a model that was
 * quantised before: panels of codes (codegen/lower/encode.c), so nothing behind this pass knows of
 * it. Tables that such a product reads as well as a lookup are one constant for both.
 *
 * Scales change along the sum, so products that sum over different axes of a weight (W and its
 * transpose) get codes of their own. Kept as they are: weights with elements that are no numbers or
 * that the type does not hold, and what is not stored in panels; each is noted for the report.
 *
 * The pass runs when all products are contracts and before anything is fused into or out of them.
 * Rewriting the model file instead (a quantiser in front) would need no pass, but a second copy of
 * the weights on disk, and the axes that are summed are known here, whatever the operator was. */
#include "passes/precision.h"
#include "passes/fuse.h"
#include "passes/fold.h"
#include "passes/pass.h"
#include "passes/quantize.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_COLUMNS = 8, LEAST_K = 8, LEAST_BLOCK = 8, MOST_BLOCK = 1 << 20 };

static const struct {
    const char *name;
    ir_elem stored;
    int64_t block;
    const char *small;
} rows[] = {
#define PRECISION(name, stored, block, small, summary) {name, stored, block, small},
#include "passes/precisions.def"
#undef PRECISION
};
enum { ROWS = sizeof rows / sizeof *rows };

/* What follows the name: nothing, or a colon and the length of blocks. */
static lathe_status read_block(const char *text, const char *colon, ir_arena *arena,
                               pass_precision_choice *choice, lathe_diag *diag)
{
    char *end;
    if (!*colon) return LATHE_OK;
    long long block = strtoll(colon + 1, &end, 10);
    if (!choice->block)
        return diag_add(diag, LATHE_BAD_INPUT, NULL, "precision %s has no blocks", choice->name);
    if (*end || !colon[1] || block < LEAST_BLOCK || block > MOST_BLOCK || block % 8)
        return diag_add(diag, LATHE_BAD_INPUT, NULL,
                        "precision '%s': a block is a multiple of 8 from %d to %d", text,
                        LEAST_BLOCK, MOST_BLOCK);
    choice->block = block;
    choice->name = ir_format(arena, "%s:%lld", choice->name, block);
    return LATHE_OK;
}

lathe_status pass_read_precision(const char *text, ir_arena *arena, pass_precision_choice *choice,
                                 lathe_diag *diag)
{
    const char *names[ROWS];
    if (!text) text = "f32";
    size_t n = strcspn(text, ":");
    for (int i = 0; i < ROWS; i++) {
        names[i] = rows[i].name;
        if (strlen(rows[i].name) != n || memcmp(rows[i].name, text, n) != 0) continue;
        *choice = (pass_precision_choice){rows[i].name, rows[i].stored, rows[i].block, NULL};
        if (strcmp(rows[i].small, rows[i].name) != 0) choice->small = rows[i].small;
        return read_block(text, text + n, arena, choice, diag);
    }
    diag_add(diag, LATHE_NOT_FOUND, NULL, "no precision is called '%s'", text);
    diag_suggest(diag, text, names, ROWS);
    return LATHE_NOT_FOUND;
}

/* ---- which weights ---- */

/* A weight as some products read it: the dims that they sum over, outermost first. */
typedef struct reading {
    ir_value value;
    ir_value source; /* the constant that it is, or is a cast of */
    ir_value coded;  /* what replaces it; IR_NONE: it stays */
    ir_node_id node; /* its first reader, for messages */
    const char *why; /* it stays */
    uint8_t k[IR_MAX_RANK];
    int nk;
    const pass_precision_choice *as;
} reading;

/* Operand number `operand` of a node is to become what replaces a reading. */
typedef struct use {
    ir_node_id node;
    uint32_t operand;
    size_t reading;
} use;

typedef struct precision {
    ir_graph *g;
    const pass_options *o;
    const pass_precision_choice *choice;
    pass_precision_choice small;
    reading *readings;
    use *uses;
    size_t nreadings, cap_readings, nuses, cap_uses;
    float (*x)[QUANTIZE_LANES]; /* room for blocks of numbers, and their codes */
    uint8_t (*codes)[QUANTIZE_LANES];
    size_t cap_x, cap_codes;
} precision;

static bool has_codes(const precision *p) { return ir_elem_is_int(p->choice->stored); }

/* The constant of floats that v is, or whose elements, cast, it has in the same order. */
static ir_value source_of(const ir_graph *g, ir_value v)
{
    const ir_node *n = &g->nodes[g->values[v].def];
    const ir_type *t = ir_type_of(g, v);
    if (n->op == IR_OP_CONST) return ir_elem_is_float(t->elem) ? v : IR_NONE;
    if (n->op != IR_OP_MAP || n->noperands != 1) return IR_NONE;
    const ir_type *from = ir_type_of(g, n->operands[0]);
    ir_expr e = fuse_body(n);
    const ir_expr_node *x = ir_expr_get(g, e);
    if (x->op == IR_X_CAST) x = ir_expr_get(g, x->args[0]);
    if (x->op != IR_X_LOAD || x->nargs != t->rank || from->rank != t->rank) return IR_NONE;
    for (int i = 0; i < t->rank; i++) {
        const ir_expr_node *index = ir_expr_get(g, x->args[i]);
        if (from->dims[i] != t->dims[i]) return IR_NONE;
        if (!ir_dim_equals(g, t->dims[i], 1) && (index->op != IR_X_INDEX || index->imm != i))
            return IR_NONE;
    }
    bool constant = g->nodes[g->values[n->operands[0]].def].op == IR_OP_CONST;
    return constant && ir_elem_is_float(from->elem) ? n->operands[0] : IR_NONE;
}

enum { NO_DIM = -1, OTHERWISE = -2 };

/* The dim of the weight that an axis of the space walks, alone and all of it. */
static int dim_of_axis(ir_graph *g, const ir_type *t, const ir_expr_node *load, int axis,
                       ir_dim extent)
{
    int found = NO_DIM;
    for (int i = 0; i < load->nargs; i++) {
        const ir_expr_node *x = ir_expr_get(g, load->args[i]);
        if (!(ir_x_axes(g, load->args[i]) >> axis & 1)) continue;
        if (found >= 0 || x->op != IR_X_INDEX || t->dims[i] != extent) return OTHERWISE;
        found = i;
    }
    return found;
}

/* NULL: each dim of the weight is walked by one axis of the product; *r says which make up k. */
static const char *read_axes(precision *p, const ir_node *n, const ir_product *product,
                             const ir_expr_node *load, reading *r)
{
    ir_graph *g = p->g;
    const ir_attr *space = ir_attr_find(n, IR_KEY_space);
    const ir_type *t = ir_type_of(g, r->value);
    int64_t columns = 1, k = 1, size;
    uint32_t walked = 0;
    for (int a = 0; a < (int)space->n; a++) {
        int dim = dim_of_axis(g, t, load, a, space->u.dims[a]);
        if (dim == NO_DIM || product->roles[a] == '1') continue;
        if (dim == OTHERWISE) return "its elements are not read axis by axis";
        walked |= 1u << dim;
        if (!ir_dim_is_const(g, t->dims[dim], &size)) return "its size is not known";
        if (product->roles[a] == 'n') columns *= size;
        if (product->roles[a] != 'k') continue;
        k *= size;
        r->k[r->nk++] = (uint8_t)dim;
    }
    for (int i = 0; i < t->rank; i++)
        if (!(walked >> i & 1) && !ir_dim_equals(g, t->dims[i], 1)) return "a part of it is read";
    if (columns < LEAST_COLUMNS || k < LEAST_K) return "it is too small";
    return NULL;
}

static bool same_reading(const precision *p, const reading *a, const reading *b)
{
    if (a->value != b->value || (a->why != NULL) != (b->why != NULL)) return false;
    if (!has_codes(p) || a->why) return true;
    return a->nk == b->nk && memcmp(a->k, b->k, (size_t)a->nk) == 0;
}

static size_t find_or_add(precision *p, const reading *r)
{
    for (size_t i = 0; i < p->nreadings; i++)
        if (same_reading(p, &p->readings[i], r)) return i;
    p->readings =
        ir_grow(p->g->arena, p->readings, &p->cap_readings, p->nreadings + 1, sizeof *p->readings);
    p->readings[p->nreadings] = *r;
    return p->nreadings++;
}

static void add_use(precision *p, ir_node_id id, uint32_t operand, size_t at)
{
    p->uses = ir_grow(p->g->arena, p->uses, &p->cap_uses, p->nuses + 1, sizeof *p->uses);
    p->uses[p->nuses++] = (use){id, operand, at};
}

typedef struct loads {
    uint32_t operand;
    int n, gathered;
    ir_graph *g;
} loads;

static void count_load(void *ctx, const ir_expr_node *load)
{
    loads *l = ctx;
    if (load->imm != l->operand) return;
    l->n++;
    l->gathered += ir_x_measure(l->g, load->args, (size_t)load->nargs).checks;
}

/* How the node reads an operand, its epilogue included. */
static loads loads_of(ir_graph *g, const ir_node *n, uint32_t operand)
{
    loads l = {.operand = operand, .g = g};
    for (uint32_t i = 0; i < n->nattrs; i++)
        if (ir_key_kind(n->attrs[i].key) == IR_ATTR_EXPRS)
            fuse_each_load(g, n->attrs[i].u.exprs, n->attrs[i].n, &l, count_load);
    return l;
}

static void read_product(precision *p, ir_node_id id)
{
    ir_graph *g = p->g;
    const ir_node n = g->nodes[id];
    ir_product product;
    if (n.op != IR_OP_CONTRACT || ir_product_form(g, &n, &product)) return;
    ir_expr x = ir_expr_get(g, fuse_body(&n))->args[product.b];
    const ir_expr_node load = *ir_product_load(g, &x);
    uint32_t operand = (uint32_t)load.imm;
    reading r = {.value = n.operands[operand], .node = id};
    r.source = source_of(g, r.value);
    if (r.source == IR_NONE || ir_type_of(g, r.value)->elem != IR_F32) return;
    int bits = ir_elem_bits(ir_type_of(g, r.source)->elem);
    if (bits <= ir_elem_bits(p->choice->stored)) return;
    int64_t elements = 0;
    ir_dim_is_const(g, ir_type_count(g, ir_type_of(g, r.value)), &elements);
    r.as = elements > PASS_SMALL_WEIGHT ? p->choice : &p->small;
    r.why = read_axes(p, &n, &product, &load, &r);
    if (!r.why && loads_of(g, &n, operand).n != 1) r.why = "it is read otherwise, too";
    size_t at = find_or_add(p, &r);
    if (!r.why) add_use(p, id, operand, at);
}

/* A table that is looked up and that products read in one way only. A lookup in the body of a loop
 * would not be fused with what decodes a table outside of it. */
static void read_lookups(precision *p, ir_node_id id)
{
    ir_graph *g = p->g;
    const ir_node *n = &g->nodes[id];
    if (!ir_op_is(n->op, IR_TRAIT_POINTWISE | IR_TRAIT_NEST)) return;
    for (uint32_t k = 0; k < n->noperands; k++) {
        size_t found = 0, at = 0;
        for (size_t i = 0; i < p->nreadings; i++)
            if (p->readings[i].value == n->operands[k]) found++, at = i;
        if (found == 1 && g->values[n->operands[k]].block != n->block) continue;
        loads l = found == 1 ? loads_of(g, n, k) : (loads){0};
        if (l.n == 1 && l.gathered == 1 && !p->readings[at].why) add_use(p, id, k, at);
    }
}

/* ---- codes ---- */

/* A constant as rows of k, in the order in which products sum; each other element of it starts one.
 * Strides are elements. */
typedef struct matrix {
    const ir_blob *blob;
    ir_elem elem;
    int nk, nn;
    int64_t k, n, blocks; /* rows, columns, blocks of k */
    int64_t size_k[IR_MAX_RANK], step_k[IR_MAX_RANK];
    int64_t size_n[IR_MAX_RANK], step_n[IR_MAX_RANK];
    int dim_n[IR_MAX_RANK];
} matrix;

static bool is_k(const reading *r, int dim) { return memchr(r->k, dim, (size_t)r->nk) != NULL; }

static bool describe(const precision *p, const reading *r, matrix *m)
{
    const ir_graph *g = p->g;
    const ir_type *t = ir_type_of(g, r->source);
    int64_t sizes[IR_MAX_RANK], strides[IR_MAX_RANK], count, bytes;
    *m = (matrix){.blob = fold_blob_of(g, r->source), .elem = t->elem, .k = 1, .n = 1};
    if (!fold_static_count(g, t->dims, t->rank, sizes, &count) || count == 0 ||
        !ir_elem_bytes(t->elem, count, &bytes) || (uint64_t)bytes > m->blob->size)
        return false;
    for (int i = t->rank - 1; i >= 0; i--)
        strides[i] = i == t->rank - 1 ? 1 : strides[i + 1] * sizes[i + 1];
    for (int i = 0; i < r->nk; i++, m->nk++) {
        m->size_k[i] = sizes[r->k[i]];
        m->step_k[i] = strides[r->k[i]];
        m->k *= m->size_k[i];
    }
    for (int i = 0; i < t->rank; i++) {
        if (is_k(r, i)) continue;
        m->size_n[m->nn] = sizes[i];
        m->step_n[m->nn] = strides[i];
        m->dim_n[m->nn++] = i;
        m->n *= sizes[i];
    }
    int64_t block = r->as->block;
    m->blocks = block ? (m->k + block - 1) / block : 0;
    return true;
}

/* Where the point of this row-major number stands. */
static int64_t place(int64_t number, const int64_t *size, const int64_t *step, int n)
{
    int64_t at = 0;
    for (int i = n - 1; i >= 0; i--) {
        at += number % size[i] * step[i];
        number /= size[i];
    }
    return at;
}

/* An element as an f32; false: it is no number, or none of f32. */
static bool element(const matrix *m, int64_t at, float *x)
{
    ir_scalar_value v;
    if (m->elem == IR_F32) memcpy(x, (const char *)m->blob->bytes + at * 4, sizeof *x);
    else if (ir_blob_get(m->elem, m->blob, at, &v)) *x = (float)v.f;
    else return false;
    return isfinite(*x);
}

/* The parts of a weight in codes, as they are made. */
typedef struct coded {
    const pass_precision_choice *as;
    matrix m;
    int64_t *places; /* of each k */
    unsigned char *codes, *scales, *zeros;
} coded;

static void put_bf16(unsigned char *bytes, int64_t i, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    ir_bits_set(bytes, 16, i, bits >> 16);
}

/* Rounded; false: to no number. */
static bool put_half(ir_elem elem, unsigned char *bytes, int64_t i, float v)
{
    if (elem == IR_F16) {
        uint16_t bits = quantize_to_f16(v);
        ir_bits_set(bytes, 16, i, bits);
        return (bits & 0x7FFF) < 0x7C00;
    }
    v = quantize_to_bf16(v);
    put_bf16(bytes, i, v);
    return isfinite(v);
}

/* The blocks of QUANTIZE_LANES columns from `first` on, or of fewer: the last one repeats. */
static bool code_columns(precision *p, coded *c, int64_t first, int64_t block)
{
    const matrix *m = &c->m;
    ir_elem stored = c->as->stored;
    const quantize_form form = {ir_elem_bits(stored), stored == IR_U4};
    int64_t size = c->as->block, from = block * size, n = m->k - from < size ? m->k - from : size;
    int64_t column[QUANTIZE_LANES];
    int lanes = m->n - first < QUANTIZE_LANES ? (int)(m->n - first) : QUANTIZE_LANES;
    float scale[QUANTIZE_LANES], zero[QUANTIZE_LANES];
    for (int l = 0; l < QUANTIZE_LANES; l++)
        column[l] = place(first + (l < lanes ? l : 0), m->size_n, m->step_n, m->nn);
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < QUANTIZE_LANES; l++)
            if (!element(m, column[l] + c->places[from + i], &p->x[i][l])) return false;
    quantize_blocks(&form, p->x, n, scale, zero, p->codes);
    for (int l = 0; l < lanes; l++) {
        int64_t at = (first + l) * m->blocks + block;
        put_bf16(c->scales, at, scale[l]);
        if (form.zeros) ir_bits_set(c->zeros, form.bits, at, (uint64_t)zero[l]);
        uint64_t middle = form.zeros ? 0 : (uint64_t)zero[l];
        for (int64_t i = 0; i < n; i++)
            ir_bits_set(c->codes, form.bits, column[l] + c->places[from + i],
                        (uint64_t)p->codes[i][l] - middle);
    }
    return true;
}

static void reserve(precision *p, int64_t n)
{
    p->x = ir_grow(p->g->arena, p->x, &p->cap_x, (size_t)n, sizeof *p->x);
    p->codes = ir_grow(p->g->arena, p->codes, &p->cap_codes, (size_t)n, sizeof *p->codes);
}

static bool make_codes(precision *p, const reading *r, coded *c)
{
    ir_arena *arena = p->g->arena;
    matrix *m = &c->m;
    int64_t bytes, zeros;
    int bits = ir_elem_bits(r->as->stored);
    c->as = r->as;
    if (!describe(p, r, m) || !ir_elem_bytes(r->as->stored, m->k * m->n, &bytes) ||
        !ir_elem_bytes(r->as->stored, m->blocks * m->n, &zeros))
        return false;
    reserve(p, m->k < r->as->block ? m->k : r->as->block);
    c->places = IR_NEW_N(arena, int64_t, m->k);
    c->codes = ir_alloc(arena, (size_t)bytes, 1);
    c->scales = ir_alloc(arena, (size_t)(m->blocks * m->n), 2);
    c->zeros = bits < 8 ? ir_alloc(arena, (size_t)zeros, 1) : NULL;
    for (int64_t k = 0; k < m->k; k++) c->places[k] = place(k, m->size_k, m->step_k, m->nk);
    for (int64_t b = 0; b < m->blocks; b++)
        for (int64_t n = 0; n < m->n; n += QUANTIZE_LANES)
            if (!code_columns(p, c, n, b)) return false;
    return true;
}

/* ---- nodes ---- */

static ir_value constant(ir_builder *b, ir_elem elem, int rank, const ir_dim *dims, void *bytes)
{
    int64_t count = 1, size = 0;
    fold_static_count(b->g, dims, rank, NULL, &count);
    ir_elem_bytes(elem, count, &size);
    const ir_type type = ir_type_make(elem, rank, dims);
    return ir_const(b, &type, &(ir_blob){.bytes = bytes, .size = (size_t)size});
}

static ir_expr as_float(ir_graph *g, ir_expr e) { return ir_x_cast(g, e, IR_F32); }

/* scale * (code - zero), in the weight's own shape. */
static ir_value build_codes(precision *p, ir_builder *b, const reading *r, const coded *c)
{
    ir_graph *g = p->g;
    const matrix *m = &c->m;
    const ir_type t = *ir_type_of(g, r->value);
    ir_dim dims[IR_MAX_RANK + 1];
    ir_expr idx[IR_MAX_RANK + 1], k = ir_x_int(g, IR_I64, 0);
    ir_nest nest;
    ir_nest_begin(&nest, b, t.rank, t.dims, 0);
    ir_expr own[IR_MAX_RANK];
    for (int i = 0; i < t.rank; i++) own[i] = ir_nest_index(&nest, i);
    for (int i = 0; i < m->nk; i++)
        k = ir_x_2(g, IR_X_ADD, ir_x_2(g, IR_X_MUL, k, ir_x_int(g, IR_I64, m->size_k[i])),
                   own[r->k[i]]);
    for (int i = 0; i < m->nn; i++) {
        dims[i] = t.dims[m->dim_n[i]];
        idx[i] = own[m->dim_n[i]];
    }
    dims[m->nn] = ir_dim_const(g, m->blocks);
    idx[m->nn] = m->blocks == 1 ? ir_x_int(g, IR_I64, 0)
                                : ir_x_2(g, IR_X_FLOORDIV, k, ir_x_int(g, IR_I64, r->as->block));
    ir_value codes = constant(b, r->as->stored, t.rank, t.dims, c->codes);
    ir_value scales = constant(b, IR_BF16, m->nn + 1, dims, c->scales);
    ir_expr x = as_float(g, ir_nest_load(&nest, codes, own));
    if (c->zeros) {
        ir_value zeros = constant(b, r->as->stored, m->nn + 1, dims, c->zeros);
        x = ir_x_2(g, IR_X_SUB, x, as_float(g, ir_nest_load(&nest, zeros, idx)));
    }
    x = ir_x_2(g, IR_X_MUL, x, as_float(g, ir_nest_load(&nest, scales, idx)));
    return nest.failed ? IR_NONE : ir_nest_map(&nest, IR_F32, x);
}

/* The weight rounded to a half. *why: it has elements that the type does not hold. */
static ir_value build_halves(precision *p, ir_builder *b, const reading *r, const char **why)
{
    ir_graph *g = p->g;
    const ir_type t = *ir_type_of(g, r->value);
    reading whole = *r;
    matrix m;
    whole.nk = 0;
    if (!describe(p, &whole, &m)) return IR_NONE;
    unsigned char *bytes = ir_alloc(g->arena, (size_t)m.n, 2);
    for (int64_t i = 0; i < m.n; i++) {
        float x;
        if (!element(&m, i, &x) || !put_half(p->choice->stored, bytes, i, x)) {
            *why = "it has elements that the type does not hold";
            return IR_NONE;
        }
    }
    return ir_cast(b, constant(b, p->choice->stored, t.rank, t.dims, bytes), IR_F32);
}

/* Behind the node that makes a weight: what replaces it. */
static bool code_weights(pass_sweep *s, ir_node_id id)
{
    precision *p = s->ctx;
    const ir_node n = s->g->nodes[id]; /* by value: building moves the array */
    for (size_t i = 0; i < p->nreadings && n.nresults == 1; i++) {
        reading *r = &p->readings[i];
        if (r->value != n.results[0] || r->why) continue;
        coded c = {0};
        if (!has_codes(p)) r->coded = build_halves(p, &s->b, r, &r->why);
        else if (make_codes(p, r, &c)) r->coded = build_codes(p, &s->b, r, &c);
        if (r->coded == IR_NONE && !r->why) r->why = "it has elements that are no numbers";
        if (p->o->forget) p->o->forget(p->o->ctx, fold_blob_of(s->g, r->source));
    }
    return false;
}

/* ---- the report ---- */

static void note(const precision *p)
{
    pass_report *report = p->o->report;
    ir_graph *g = p->g;
    if (!report) return;
    report->precision = p->choice->name;
    for (size_t i = 0; i < p->nreadings; i++) {
        const reading *r = &p->readings[i];
        const ir_node *n = &g->nodes[r->node];
        if (r->coded) continue;
        report->kept = ir_grow(g->arena, report->kept, &report->cap_kept, report->nkept + 1,
                               sizeof *report->kept);
        report->kept[report->nkept++] =
            (pass_float){{.node = ir_text(g, n->name),
                          .op = ir_text(g, n->origin),
                          .tensor = ir_text(g, g->values[r->value].name)},
                         r->why};
    }
}

lathe_status pass_precision(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    const pass_precision_choice *choice = options->precision;
    precision p = {.g = g, .o = options, .choice = choice};
    if (!choice || choice->stored == IR_F32) return LATHE_OK;
    p.small = *choice;
    if (choice->small) TRY(pass_read_precision(choice->small, g->arena, &p.small, diag));
    for (size_t id = 1; id < g->nnodes; id++) read_product(&p, (ir_node_id)id);
    for (size_t id = 1; id < g->nnodes; id++) read_lookups(&p, (ir_node_id)id);
    pass_rewrite(g, code_weights, &p);
    for (size_t i = 0; i < p.nuses; i++)
        if (p.readings[p.uses[i].reading].coded)
            g->nodes[p.uses[i].node].operands[p.uses[i].operand] =
                p.readings[p.uses[i].reading].coded;
    note(&p);
    return pass_dce(g, options, diag);
}
