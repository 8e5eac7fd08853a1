/* Interning. In: strings, dim and expression nodes; out: ids that are equal exactly if the things
 * are. Ids are dense, so tables indexed by them are plain arrays. The sets hold ids only; hashes
 * are kept beside the items, so that growing a set touches no item. */
#include "ir/pool.h"

#include <string.h>

ir_pool *ir_pool_new(ir_arena *arena)
{
    ir_pool *p = IR_NEW(arena, ir_pool);
    p->arena = arena;
    p->nstrings = p->ndims = p->nexprs = 1;
    p->strings = ir_grow(arena, NULL, &p->cap_strings, 64, sizeof *p->strings);
    p->dims = ir_grow(arena, NULL, &p->cap_dims, 64, sizeof *p->dims);
    p->dim_hashes = ir_grow(arena, NULL, &p->cap_dim_hashes, 64, sizeof *p->dim_hashes);
    p->exprs = ir_grow(arena, NULL, &p->cap_exprs, 256, sizeof *p->exprs);
    p->expr_hashes = ir_grow(arena, NULL, &p->cap_expr_hashes, 256, sizeof *p->expr_hashes);
    p->closed = ir_grow(arena, NULL, &p->cap_closed, 256, sizeof *p->closed);
    p->strings[0] = "";
    return p;
}

uint64_t ir_hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t h = ir_hash_mix(seed, n);
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        h = ir_hash_mix(h, word);
    }
    uint64_t tail = 0;
    if (n) memcpy(&tail, at, n);
    return ir_hash_mix(h, tail);
}

uint32_t ir_idset_find(const ir_idset *set, uint64_t hash, ir_id_equal equal, const void *ctx,
                       size_t *slot)
{
    size_t i = (size_t)hash & (set->cap - 1);
    while (set->ids[i] != IR_NONE && !equal(ctx, set->ids[i])) i = (i + 1) & (set->cap - 1);
    *slot = i;
    return set->ids[i];
}

void ir_idset_reserve(ir_arena *arena, ir_idset *set,
                      uint64_t (*hash_of)(const ir_pool *, uint32_t), const ir_pool *pool)
{
    if (2 * (set->n + 1) <= set->cap) return;
    size_t cap = set->cap ? 2 * set->cap : 256;
    uint32_t *ids = IR_NEW_N(arena, uint32_t, cap);
    for (size_t i = 0; i < set->cap; i++) {
        if (set->ids[i] == IR_NONE) continue;
        size_t at = (size_t)hash_of(pool, set->ids[i]) & (cap - 1);
        while (ids[at] != IR_NONE) at = (at + 1) & (cap - 1);
        ids[at] = set->ids[i];
    }
    set->ids = ids;
    set->cap = cap;
}

/* ---- strings ---- */

typedef struct string_key {
    const ir_pool *pool;
    const char *text;
    size_t length;
} string_key;

static bool string_equal(const void *ctx, uint32_t id)
{
    const string_key *k = ctx;
    const char *s = k->pool->strings[id];
    return strncmp(s, k->text, k->length) == 0 && s[k->length] == '\0';
}

static uint64_t string_hash(const ir_pool *p, uint32_t id)
{
    return ir_hash_bytes(1, p->strings[id], strlen(p->strings[id]));
}

ir_str ir_intern_n(ir_graph *g, const char *text, size_t length)
{
    if (!text) return IR_NONE;
    length = strnlen(text, length); /* a string ends at its first NUL */
    if (!length) return IR_NONE;
    ir_pool *p = g->pool;
    ir_idset_reserve(p->arena, &p->string_set, string_hash, p);
    string_key key = {p, text, length};
    size_t slot;
    uint32_t id =
        ir_idset_find(&p->string_set, ir_hash_bytes(1, text, length), string_equal, &key, &slot);
    if (id != IR_NONE) return id;
    p->strings =
        ir_grow(p->arena, p->strings, &p->cap_strings, p->nstrings + 1, sizeof *p->strings);
    char *copy = ir_alloc(p->arena, length + 1, 1);
    memcpy(copy, text, length);
    p->strings[p->nstrings] = copy;
    p->string_set.n++;
    return p->string_set.ids[slot] = (uint32_t)p->nstrings++;
}

ir_str ir_intern(ir_graph *g, const char *text)
{
    return text ? ir_intern_n(g, text, strlen(text)) : IR_NONE;
}

const char *ir_text(const ir_graph *g, ir_str s) { return g->pool->strings[s]; }

/* ---- memo tables ---- */

static void memo_reserve(ir_pool *p, size_t base, size_t size)
{
    p->memo = ir_grow(p->arena, p->memo, &p->cap_memo, base + size, sizeof *p->memo);
    memset(p->memo + base, 0, size * sizeof *p->memo);
    p->nmemo = base + size;
}

void ir_memo_begin(ir_pool *p, ir_memo *m)
{
    *m = (ir_memo){.base = p->nmemo, .size = 16};
    memo_reserve(p, m->base, m->size);
}

static ir_memo_entry *memo_slot(const ir_pool *p, const ir_memo *m, uint32_t key)
{
    size_t i = (key * 0x9E3779B1u) & (m->size - 1);
    while (p->memo[m->base + i].key != IR_NONE && p->memo[m->base + i].key != key)
        i = (i + 1) & (m->size - 1);
    return &p->memo[m->base + i];
}

uint32_t ir_memo_get(const ir_pool *p, const ir_memo *m, uint32_t key)
{
    return memo_slot(p, m, key)->value;
}

/* Tables begun later have ended by now, so this one is on top and may grow in place. */
static void memo_double(ir_pool *p, ir_memo *m)
{
    size_t old = m->size;
    memo_reserve(p, m->base + old, old);
    ir_memo_entry *copy = IR_NEW_N(p->arena, ir_memo_entry, old);
    memcpy(copy, p->memo + m->base, old * sizeof *copy);
    memset(p->memo + m->base, 0, 2 * old * sizeof *copy);
    m->size = 2 * old;
    for (size_t i = 0; i < old; i++)
        if (copy[i].key != IR_NONE) *memo_slot(p, m, copy[i].key) = copy[i];
}

void ir_memo_put(ir_pool *p, ir_memo *m, uint32_t key, uint32_t value)
{
    if (2 * (m->used + 1) > m->size) memo_double(p, m);
    ir_memo_entry *e = memo_slot(p, m, key);
    if (e->key == IR_NONE) m->used++;
    *e = (ir_memo_entry){key, value};
}

void ir_memo_end(ir_pool *p, ir_memo *m) { p->nmemo = m->base; }
