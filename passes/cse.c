/* cse: of nodes that compute the same, the first stays. In: any graph; out: no two equal pure nodes
 * of which one is visible to the other. Attributes are interned or compared bytewise; constants by
 * their bytes, so a weight that a model holds twice is held once afterwards. */
#include "ir/pool.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <string.h>

typedef struct cse_entry {
    ir_node_id node;
    uint64_t hash;
    uint32_t next; /* with the same bucket; 1 + index, 0: none */
} cse_entry;

typedef struct cse_table {
    uint32_t *buckets;
    size_t nbuckets; /* a power of two */
    cse_entry *entries;
    size_t n, cap;
} cse_table;

/* Calls may draw random numbers; binds and guards have no result to share. */
static bool is_pure(const ir_node *n)
{
    const unsigned impure = IR_TRAIT_CALLS | IR_TRAIT_REGIONS | IR_TRAIT_DEFINES | IR_TRAIT_EFFECT;
    return !ir_op_is_any(n->op, impure) && n->nresults == 1;
}

/* ---- attributes ---- */

static const void *attr_list(const ir_attr *a, size_t *size)
{
    switch (ir_key_kind(a->key)) {
    case IR_ATTR_INTS:
        *size = a->n * sizeof *a->u.ints;
        return a->u.ints;
    case IR_ATTR_FLOATS:
        *size = a->n * sizeof *a->u.floats;
        return a->u.floats;
    case IR_ATTR_DIMS:
        *size = a->n * sizeof *a->u.dims;
        return a->u.dims;
    case IR_ATTR_EXPRS:
        *size = a->n * sizeof *a->u.exprs;
        return a->u.exprs;
    case IR_ATTR_SYMS:
        *size = a->n * sizeof *a->u.syms;
        return a->u.syms;
    case IR_ATTR_BLOB:
        *size = a->u.blob.size;
        return a->u.blob.bytes;
    case IR_ATTR_STR:
        *size = sizeof a->u.s;
        return &a->u.s;
    case IR_ATTR_FLOAT:
        *size = sizeof a->u.f;
        return &a->u.f;
    default:
        *size = sizeof a->u.i;
        return &a->u.i;
    }
}

/* Large constants are told apart by their first bytes, nearly always. */
static uint64_t hash_attr(uint64_t h, const ir_attr *a)
{
    size_t size;
    const void *bytes = attr_list(a, &size);
    h = ir_hash_mix(h, ((uint64_t)a->key << 48) ^ size);
    return ir_hash_bytes(h, bytes, size < 4096 ? size : 4096);
}

static bool attr_equal(const ir_attr *a, const ir_attr *b)
{
    size_t m, n;
    const void *x = attr_list(a, &m), *y = attr_list(b, &n);
    return a->key == b->key && m == n && (m == 0 || x == y || memcmp(x, y, m) == 0);
}

/* ---- nodes ---- */

static uint64_t hash_node(const ir_graph *g, const ir_node *n)
{
    const ir_type *t = ir_type_of(g, n->results[0]);
    uint64_t h = ir_hash_mix((uint64_t)n->op, (uint64_t)t->elem);
    h = ir_hash_bytes(h, t->dims, (size_t)t->rank * sizeof *t->dims);
    h = ir_hash_bytes(h, n->operands, n->noperands * sizeof *n->operands);
    for (uint32_t i = 0; i < n->nattrs; i++) h = hash_attr(h, &n->attrs[i]);
    return h;
}

static bool node_equal(const ir_graph *g, const ir_node *a, const ir_node *b)
{
    if (a->op != b->op || a->noperands != b->noperands || a->nattrs != b->nattrs) return false;
    if (!ir_type_equal(ir_type_of(g, a->results[0]), ir_type_of(g, b->results[0]))) return false;
    for (uint32_t i = 0; i < a->noperands; i++)
        if (a->operands[i] != b->operands[i]) return false;
    for (uint32_t i = 0; i < a->nattrs; i++)
        if (!attr_equal(&a->attrs[i], &b->attrs[i])) return false;
    return true;
}

/* A node met earlier in this block or one around it. */
static bool is_visible(const ir_graph *g, ir_block_id of, ir_block_id from)
{
    while (from != of && from != 1) from = g->nodes[g->blocks[from].parent].block;
    return from == of;
}

static void cse_add(const ir_graph *g, cse_table *t, ir_node_id id, uint64_t hash)
{
    uint32_t *bucket = &t->buckets[hash & (t->nbuckets - 1)];
    t->entries = ir_grow(g->arena, t->entries, &t->cap, t->n + 1, sizeof *t->entries);
    t->entries[t->n++] = (cse_entry){id, hash, *bucket};
    *bucket = (uint32_t)t->n;
}

static bool cse_merge(pass_sweep *s, ir_node_id id)
{
    cse_table *t = s->ctx;
    const ir_node *n = &s->g->nodes[id];
    if (!is_pure(n)) return false;
    uint64_t hash = hash_node(s->g, n);
    for (uint32_t at = t->buckets[hash & (t->nbuckets - 1)]; at; at = t->entries[at - 1].next) {
        const cse_entry *e = &t->entries[at - 1];
        const ir_node *first = &s->g->nodes[e->node];
        if (e->hash != hash || !node_equal(s->g, first, n) ||
            !is_visible(s->g, first->block, n->block))
            continue;
        pass_replace(s, n->results[0], first->results[0]);
        return true;
    }
    cse_add(s->g, t, id, hash);
    return false;
}

lathe_status pass_cse(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    (void)options;
    (void)diag;
    cse_table t = {.nbuckets = 64};
    while (t.nbuckets < g->nnodes) t.nbuckets *= 2;
    t.buckets = IR_NEW_N(g->arena, uint32_t, t.nbuckets);
    pass_rewrite(g, cse_merge, &t);
    return LATHE_OK;
}
