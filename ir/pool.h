/* Interned strings, dims and expressions of one graph; private to ir/. */
#ifndef LATHE_IR_POOL_H
#define LATHE_IR_POOL_H

#include "ir/ir.h"

/* Open-addressing set of ids; the items live in arrays beside it. */
typedef struct ir_idset {
    uint32_t *ids;
    size_t cap, n;
} ir_idset;

typedef struct ir_memo_entry {
    uint32_t key, value;
} ir_memo_entry;

typedef struct ir_pool {
    ir_arena *arena;
    const char **strings; /* [1, nstrings) */
    size_t nstrings, cap_strings;
    ir_dim_node *dims; /* [1, ndims) */
    uint64_t *dim_hashes;
    size_t ndims, cap_dims, cap_dim_hashes;
    ir_expr_node *exprs; /* [1, nexprs) */
    uint64_t *expr_hashes;
    uint8_t *closed; /* parallel to exprs: no INDEX or LOAD below */
    size_t nexprs, cap_exprs, cap_expr_hashes, cap_closed;
    ir_idset string_set, dim_set, expr_set;
    ir_memo_entry *memo; /* stack of memo tables, see ir_memo_begin */
    size_t nmemo, cap_memo;
} ir_pool;

ir_pool *ir_pool_new(ir_arena *);

uint64_t ir_hash_bytes(uint64_t seed, const void *, size_t);
static inline uint64_t ir_hash_mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

/* Finds an id with this hash for which equal(ctx, id), or IR_NONE and *slot where to put one.
 * hash_of gives the stored hash of an id. */
typedef bool (*ir_id_equal)(const void *ctx, uint32_t id);
uint32_t ir_idset_find(const ir_idset *, uint64_t hash, ir_id_equal, const void *ctx, size_t *slot);
/* Makes room for one more; rehash: the stored hash of an id. Call before ir_idset_find. */
void ir_idset_reserve(ir_arena *, ir_idset *, uint64_t (*hash_of)(const ir_pool *, uint32_t),
                      const ir_pool *);

/* A memo table from ids to ids, for one walk over a DAG. Tables nest like calls do. */
typedef struct ir_memo {
    size_t base, size, used;
} ir_memo;
void ir_memo_begin(ir_pool *, ir_memo *);
uint32_t ir_memo_get(const ir_pool *, const ir_memo *, uint32_t key);
void ir_memo_put(ir_pool *, ir_memo *, uint32_t key, uint32_t value);
void ir_memo_end(ir_pool *, ir_memo *);

/* Structural order of dims, the same in every graph that has the same symbols. */
int ir_dim_compare(const ir_graph *, ir_dim, ir_dim);

/* Arithmetic of one operator on constants (scalar.c). false: not folded, because the result
 * would depend on the host's libm or the operator is no arithmetic. */
bool ir_scalar_fold(ir_scalar, ir_elem type, ir_elem arg_type, int64_t imm,
                    const ir_scalar_value *args, int n, ir_scalar_value *out);
/* The same, with libm for the rest; false for leaves only. */
bool ir_scalar_apply(ir_scalar, ir_elem type, ir_elem arg_type, int64_t imm,
                     const ir_scalar_value *args, int n, ir_scalar_value *out);
/* Wraps or rounds a value to an element type (the arithmetic type's representation). */
int64_t ir_wrap_int(ir_elem, int64_t);
double ir_round_float(ir_elem, double);

#endif
