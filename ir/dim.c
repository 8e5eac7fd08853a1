/* Symbolic sizes. In: polynomials over atoms; out: interned canonical ids.
 *
 * Every node carries its polynomial (`terms`), an atom the single term 1*itself, so arithmetic has
 * one form to work on. Terms are in a structural order (ir_dim_compare) that does not depend on the
 * order of creation: that makes a dump and what is parsed from it print alike. All coefficient
 * arithmetic is checked; overflow gives IR_NONE and marks the graph. Range reasoning and what
 * follows from it (min, max, eq, lt, floordiv) is in dim_ops.c and dim_range.c. */
#include "ir/dim_impl.h"

#include <string.h>

enum { MAX_TERMS = 256, MAX_ATOMS = 16, MAX_WEIGHT = 16384 };

const ir_dim_node *ir_dim_get(const ir_graph *g, ir_dim d) { return &g->pool->dims[d]; }

/* ---- interning ---- */

typedef struct dim_key {
    const ir_pool *pool;
    const ir_dim_node *node;
} dim_key;

static uint64_t hash_terms(uint64_t h, const ir_term *t, int n)
{
    for (int i = 0; i < n; i++) {
        h = ir_hash_mix(h, (uint64_t)t[i].coef);
        h = ir_hash_bytes(h, t[i].atoms, (size_t)t[i].natoms * sizeof(ir_dim));
    }
    return h;
}

/* Terms identify a sum; atoms and constants are identified by their own fields. */
static uint64_t hash_dim(const ir_dim_node *n)
{
    uint64_t h = ir_hash_mix(7, (uint64_t)n->kind);
    h = ir_hash_mix(h, (uint64_t)n->value);
    h = ir_hash_mix(h, ((uint64_t)n->sym << 32) ^ n->a);
    h = ir_hash_mix(h, n->b);
    return n->kind == IR_DIM_SUM ? hash_terms(h, n->terms, n->nterms) : h;
}

static bool terms_equal(const ir_term *a, const ir_term *b, int n)
{
    for (int i = 0; i < n; i++) {
        if (a[i].coef != b[i].coef || a[i].natoms != b[i].natoms) return false;
        for (int j = 0; j < a[i].natoms; j++)
            if (a[i].atoms[j] != b[i].atoms[j]) return false;
    }
    return true;
}

static bool dim_equal(const void *ctx, uint32_t id)
{
    const dim_key *k = ctx;
    const ir_dim_node *a = &k->pool->dims[id], *b = k->node;
    if (a->kind != b->kind || a->value != b->value || a->sym != b->sym || a->a != b->a ||
        a->b != b->b)
        return false;
    if (a->kind != IR_DIM_SUM) return true;
    return a->nterms == b->nterms && terms_equal(a->terms, b->terms, a->nterms);
}

static uint64_t dim_hash_of(const ir_pool *p, uint32_t id) { return p->dim_hashes[id]; }

static ir_term *own_terms(ir_arena *arena, const ir_term *terms, int n)
{
    ir_term *own = ir_copy(arena, terms, (size_t)n, sizeof *terms);
    for (int i = 0; i < n; i++)
        own[i].atoms = ir_copy(arena, terms[i].atoms, (size_t)terms[i].natoms, sizeof(ir_dim));
    return own;
}

/* Equal parts are stored once but walked each time, so that a chain of sizes that mention the one
 * before twice would take exponential time: what is too long to write out is an overflow. */
static uint64_t weigh(const ir_pool *p, const ir_dim_node *n)
{
    uint64_t weight = 1;
    if (n->kind == IR_DIM_CONST || n->kind == IR_DIM_SYM) return weight;
    if (n->kind != IR_DIM_SUM) return weight + p->dims[n->a].weight + p->dims[n->b].weight;
    for (int i = 0; i < n->nterms; i++)
        for (int j = 0; j < n->terms[i].natoms; j++) weight += p->dims[n->terms[i].atoms[j]].weight;
    return weight;
}

ir_dim ir_dim_intern(ir_graph *g, const ir_dim_node *node)
{
    ir_pool *p = g->pool;
    uint64_t weight = weigh(p, node);
    if (weight > MAX_WEIGHT) return ir_dim_overflow(g);
    ir_idset_reserve(p->arena, &p->dim_set, dim_hash_of, p);
    dim_key key = {p, node};
    uint64_t hash = hash_dim(node);
    size_t slot;
    ir_dim id = ir_idset_find(&p->dim_set, hash, dim_equal, &key, &slot);
    if (id != IR_NONE) return id;
    p->dims = ir_grow(p->arena, p->dims, &p->cap_dims, p->ndims + 1, sizeof *p->dims);
    p->dim_hashes =
        ir_grow(p->arena, p->dim_hashes, &p->cap_dim_hashes, p->ndims + 1, sizeof *p->dim_hashes);
    id = (ir_dim)p->ndims++;
    ir_dim_node *own = &p->dims[id];
    *own = *node;
    own->weight = (uint32_t)weight;
    p->dim_hashes[id] = hash;
    if (node->kind == IR_DIM_SUM) {
        own->terms = own_terms(p->arena, node->terms, node->nterms);
    } else if (node->kind == IR_DIM_CONST) {
        own->nterms = node->value != 0;
        own->terms = ir_copy(p->arena, &(ir_term){node->value, 0, NULL}, 1, sizeof(ir_term));
    } else {
        own->nterms = 1;
        own->terms = own_terms(p->arena, &(ir_term){1, 1, &id}, 1);
    }
    p->dim_set.n++;
    return p->dim_set.ids[slot] = id;
}

ir_dim ir_dim_const(ir_graph *g, int64_t value)
{
    return ir_dim_intern(g, &(ir_dim_node){.kind = IR_DIM_CONST, .value = value});
}

ir_dim ir_dim_sym(ir_graph *g, ir_sym s)
{
    return s == IR_NONE ? IR_NONE : ir_dim_intern(g, &(ir_dim_node){.kind = IR_DIM_SYM, .sym = s});
}

ir_dim ir_dim_atom(ir_graph *g, ir_dim_kind kind, ir_dim a, ir_dim b)
{
    return ir_dim_intern(g, &(ir_dim_node){.kind = kind, .a = a, .b = b});
}

ir_dim ir_dim_overflow(ir_graph *g)
{
    g->overflow = true;
    return IR_NONE;
}

/* ---- symbols ---- */

/* Names are unique and never empty, so that a text can refer to them. */
static ir_str unique_name(ir_graph *g, const char *name)
{
    if (!name || !*name) name = "size";
    bool taken = ir_sym_find(g, name) != IR_NONE;
    for (size_t k = g->nsyms; taken; k++) {
        const char *text = ir_format(g->arena, "%s.%zu", name, k);
        taken = ir_sym_find(g, text) != IR_NONE;
        if (!taken) return ir_intern(g, text);
    }
    return ir_intern(g, name);
}

ir_sym ir_sym_new(ir_graph *g, const char *name, ir_sym_kind kind, int64_t lo, int64_t hi,
                  ir_dim bound)
{
    g->syms = ir_grow(g->arena, g->syms, &g->cap_syms, g->nsyms + 1, sizeof *g->syms);
    /* One axis has fewer than 2^31 elements: what makes min(s, INT32_MAX) equal s. */
    if (kind == IR_SYM_INPUT && hi > INT32_MAX) hi = INT32_MAX;
    g->syms[g->nsyms] = (ir_symbol){unique_name(g, name), kind, lo, hi, bound};
    return (ir_sym)g->nsyms++;
}

ir_sym ir_sym_find(const ir_graph *g, const char *name)
{
    for (size_t s = 1; s < g->nsyms; s++)
        if (strcmp(ir_text(g, g->syms[s].name), name) == 0) return (ir_sym)s;
    return IR_NONE;
}

/* ---- structural order ---- */

static int compare_terms(const ir_graph *g, const ir_term *a, const ir_term *b)
{
    if (a->natoms != b->natoms) return a->natoms < b->natoms ? -1 : 1;
    for (int i = 0; i < a->natoms; i++) {
        int c = ir_dim_compare(g, a->atoms[i], b->atoms[i]);
        if (c) return c;
    }
    return 0;
}

static int compare_sums(const ir_graph *g, const ir_dim_node *x, const ir_dim_node *y)
{
    if (x->nterms != y->nterms) return x->nterms < y->nterms ? -1 : 1;
    for (int i = 0; i < x->nterms; i++) {
        int c = compare_terms(g, &x->terms[i], &y->terms[i]);
        if (c) return c;
        if (x->terms[i].coef != y->terms[i].coef)
            return x->terms[i].coef < y->terms[i].coef ? -1 : 1;
    }
    return 0;
}

int ir_dim_compare(const ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == b) return 0;
    const ir_dim_node *x = ir_dim_get(g, a), *y = ir_dim_get(g, b);
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    switch (x->kind) {
    case IR_DIM_CONST:
        return x->value < y->value ? -1 : 1;
    case IR_DIM_SYM:
        return x->sym < y->sym ? -1 : 1;
    case IR_DIM_SUM:
        return compare_sums(g, x, y);
    default: {
        int c = ir_dim_compare(g, x->a, y->a);
        return c ? c : ir_dim_compare(g, x->b, y->b);
    }
    }
}

/* ---- polynomials ---- */

/* A sum under construction, terms in canonical order. */
typedef struct poly {
    ir_term terms[MAX_TERMS];
    int n;
} poly;

/* Adds coef * atoms; the atoms stay the caller's until ir_dim_intern copies them. */
static bool poly_add(ir_graph *g, poly *p, int64_t coef, int natoms, const ir_dim *atoms)
{
    ir_term t = {coef, natoms, atoms};
    int at = 0;
    while (at < p->n && compare_terms(g, &p->terms[at], &t) < 0) at++;
    if (at < p->n && compare_terms(g, &p->terms[at], &t) == 0) {
        if (__builtin_add_overflow(p->terms[at].coef, coef, &p->terms[at].coef)) return false;
        if (p->terms[at].coef == 0) {
            p->n--;
            memmove(&p->terms[at], &p->terms[at + 1], (size_t)(p->n - at) * sizeof t);
        }
        return true;
    }
    if (coef == 0) return true;
    if (p->n == MAX_TERMS) return false;
    memmove(&p->terms[at + 1], &p->terms[at], (size_t)(p->n - at) * sizeof t);
    p->terms[at] = t;
    p->n++;
    return true;
}

static ir_dim poly_intern(ir_graph *g, const poly *p)
{
    if (p->n == 0) return ir_dim_const(g, 0);
    const ir_term *t = &p->terms[0];
    if (p->n == 1 && t->natoms == 0) return ir_dim_const(g, t->coef);
    if (p->n == 1 && t->natoms == 1 && t->coef == 1) return t->atoms[0];
    return ir_dim_intern(g, &(ir_dim_node){.kind = IR_DIM_SUM, .nterms = p->n, .terms = p->terms});
}

/* a + scale * b */
static ir_dim add_scaled(ir_graph *g, ir_dim a, ir_dim b, int64_t scale)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    poly p;
    p.n = 0;
    const ir_dim_node *x = ir_dim_get(g, a), *y = ir_dim_get(g, b);
    for (int i = 0; i < x->nterms; i++)
        if (!poly_add(g, &p, x->terms[i].coef, x->terms[i].natoms, x->terms[i].atoms))
            return ir_dim_overflow(g);
    for (int i = 0; i < y->nterms; i++) {
        int64_t coef;
        if (__builtin_mul_overflow(y->terms[i].coef, scale, &coef) ||
            !poly_add(g, &p, coef, y->terms[i].natoms, y->terms[i].atoms))
            return ir_dim_overflow(g);
    }
    return poly_intern(g, &p);
}

ir_dim ir_dim_add(ir_graph *g, ir_dim a, ir_dim b) { return add_scaled(g, a, b, 1); }
ir_dim ir_dim_sub(ir_graph *g, ir_dim a, ir_dim b) { return add_scaled(g, a, b, -1); }

/* Merges two ascending atom lists into out; false if there are too many. */
static bool merge_atoms(const ir_graph *g, const ir_term *a, const ir_term *b, ir_dim *out, int *n)
{
    int i = 0, j = 0;
    *n = a->natoms + b->natoms;
    if (*n > MAX_ATOMS) return false;
    for (int k = 0; k < *n; k++) {
        bool take_a =
            j == b->natoms || (i < a->natoms && ir_dim_compare(g, a->atoms[i], b->atoms[j]) <= 0);
        out[k] = take_a ? a->atoms[i++] : b->atoms[j++];
    }
    return true;
}

ir_dim ir_dim_mul(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == IR_NONE || b == IR_NONE) return IR_NONE;
    const ir_dim_node *x = ir_dim_get(g, a), *y = ir_dim_get(g, b);
    if (x->nterms * y->nterms > MAX_TERMS) return ir_dim_overflow(g);
    poly p;
    p.n = 0;
    ir_dim atoms[MAX_TERMS][MAX_ATOMS]; /* interning copies what it keeps */
    for (int i = 0; i < x->nterms; i++) {
        for (int j = 0; j < y->nterms; j++) {
            ir_dim *product = atoms[i * y->nterms + j];
            int64_t coef;
            int n;
            if (__builtin_mul_overflow(x->terms[i].coef, y->terms[j].coef, &coef) ||
                !merge_atoms(g, &x->terms[i], &y->terms[j], product, &n) ||
                !poly_add(g, &p, coef, n, product))
                return ir_dim_overflow(g);
        }
    }
    return poly_intern(g, &p);
}

ir_dim ir_dim_product(ir_graph *g, const ir_dim *dims, int n)
{
    ir_dim product = ir_dim_const(g, 1);
    for (int i = 0; i < n; i++) product = ir_dim_mul(g, product, dims[i]);
    return product;
}

/* ---- walks ---- */

typedef ir_dim (*dim_binary)(ir_graph *, ir_dim, ir_dim);

dim_binary ir_dim_function(ir_dim_kind kind)
{
    switch (kind) {
    case IR_DIM_FLOORDIV:
        return ir_dim_floordiv;
    case IR_DIM_MOD:
        return ir_dim_mod;
    case IR_DIM_MIN:
        return ir_dim_min;
    case IR_DIM_MAX:
        return ir_dim_max;
    case IR_DIM_EQ:
        return ir_dim_eq;
    default:
        return ir_dim_lt;
    }
}

static ir_dim subst_sum(ir_graph *g, ir_dim d, const ir_dim *map)
{
    ir_dim sum = ir_dim_const(g, 0);
    for (int i = 0; i < ir_dim_get(g, d)->nterms; i++) {
        const ir_term t = ir_dim_get(g, d)->terms[i];
        ir_dim product = ir_dim_const(g, t.coef);
        for (int j = 0; j < t.natoms; j++)
            product = ir_dim_mul(g, product, ir_dim_subst(g, t.atoms[j], map));
        sum = ir_dim_add(g, sum, product);
    }
    return sum;
}

ir_dim ir_dim_subst(ir_graph *g, ir_dim d, const ir_dim *map)
{
    if (d == IR_NONE) return IR_NONE;
    ir_dim_node n = *ir_dim_get(g, d); /* by value: building dims moves the array */
    switch (n.kind) {
    case IR_DIM_CONST:
        return d;
    case IR_DIM_SYM:
        return map[n.sym] ? map[n.sym] : d;
    case IR_DIM_SUM:
        return subst_sum(g, d, map);
    default:
        return ir_dim_function(n.kind)(g, ir_dim_subst(g, n.a, map), ir_dim_subst(g, n.b, map));
    }
}

static bool eval_sum(const ir_graph *g, const ir_dim_node *n, const int64_t *symbols,
                     int64_t *value)
{
    *value = 0;
    for (int i = 0; i < n->nterms; i++) {
        int64_t product = n->terms[i].coef;
        for (int j = 0; j < n->terms[i].natoms; j++) {
            int64_t factor;
            if (!ir_dim_eval(g, n->terms[i].atoms[j], symbols, &factor) ||
                __builtin_mul_overflow(product, factor, &product))
                return false;
        }
        if (__builtin_add_overflow(*value, product, value)) return false;
    }
    return true;
}

static bool eval_atom(ir_dim_kind kind, int64_t a, int64_t b, int64_t *value)
{
    switch (kind) {
    case IR_DIM_FLOORDIV:
    case IR_DIM_MOD:
        if (b == 0 || (a == INT64_MIN && b == -1)) return false;
        *value = kind == IR_DIM_MOD ? ir_floormod(a, b) : ir_floordiv(a, b);
        return true;
    case IR_DIM_MIN:
        *value = a < b ? a : b;
        return true;
    case IR_DIM_MAX:
        *value = a > b ? a : b;
        return true;
    case IR_DIM_EQ:
        *value = a == b;
        return true;
    default:
        *value = a < b;
        return true;
    }
}

bool ir_dim_eval(const ir_graph *g, ir_dim d, const int64_t *symbols, int64_t *value)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    int64_t a, b;
    switch (n->kind) {
    case IR_DIM_CONST:
        *value = n->value;
        return true;
    case IR_DIM_SYM:
        *value = symbols[n->sym];
        return true;
    case IR_DIM_SUM:
        return eval_sum(g, n, symbols, value);
    default:
        return ir_dim_eval(g, n->a, symbols, &a) && ir_dim_eval(g, n->b, symbols, &b) &&
               eval_atom(n->kind, a, b, value);
    }
}

/* ---- guards ---- */

/* Checked in every run: not only where some region is entered. */
static bool is_unconditional(const ir_graph *g, const ir_guard *guard)
{
    return guard->node == IR_NONE || g->nodes[guard->node].block == 1;
}

void ir_guard_add(ir_graph *g, ir_dim a, ir_dim b, bool or_one, ir_node_id node)
{
    for (size_t i = 0; i < g->nguards; i++) {
        const ir_guard *known = &g->guards[i];
        bool same = known->a == a && known->b == b && known->or_one == or_one;
        if (same && is_unconditional(g, known)) return;
    }
    g->guards = ir_grow(g->arena, g->guards, &g->cap_guards, g->nguards + 1, sizeof *g->guards);
    g->guards[g->nguards++] = (ir_guard){a, b, or_one, node};
}

bool ir_dim_require(ir_graph *g, ir_dim a, ir_dim b)
{
    if (a == b) return true;
    ir_dim same = ir_dim_eq(g, a, b);
    if (same == IR_NONE || ir_dim_equals(g, same, 0)) return false;
    if (!ir_dim_equals(g, same, 1)) ir_guard_add(g, a, b, false, IR_NONE);
    return true;
}
