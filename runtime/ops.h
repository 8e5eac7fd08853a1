/* Operators that are plain C: those whose result size is data, or whose steps depend on data. A
 * call node names the function; the linker takes a file of them from the archive only where a model
 * calls it. They allocate nothing but the bytes of strings (strings.h): what else they need beside
 * their results, they keep in the results. See lathe_call in abi.h. */
#ifndef LATHE_RUNTIME_OPS_H
#define LATHE_RUNTIME_OPS_H

#include <stdbool.h>
#include <string.h>

#include "runtime/abi.h"

/* x -> i64[rank, n]; syms: n. */
lathe_status lathe_rt_nonzero(lathe_call *);
/* x, i64 k -> values, i64 indices; ints: axis, largest, sorted. Equal elements: lower index first.
 */
lathe_status lathe_rt_topk(lathe_call *);
/* x -> y, i64 first, inverse, counts; ints: axis, sorted; syms: number of distinct slices. */
lathe_status lathe_rt_unique(lathe_call *);
/* f32 costs[.., rows, columns] -> i32 path[2, n], and scratch of [rows + 1, columns + 1]: f32, u8;
 * syms: n. */
lathe_status lathe_rt_time_warping(lathe_call *);
/* boxes, scores, i64 limit, f32 overlap, f32 threshold -> i64[n, 3]; ints: center form; syms: n. */
lathe_status lathe_rt_nms(lathe_call *);

/* -> f32 or f64; ints: normal (else uniform of [0, 1)), seeded, seed; floats: scale, offset. */
lathe_status lathe_rt_random(lathe_call *);
/* f64 x[rows, features], i64 nodes[n, 7], f64 splits[n], i64 roots, i64 targets, f64 weights, f64
 * members -> f64[rows, targets]; ints: aggregate, features that the nodes read. */
lathe_status lathe_rt_trees(lathe_call *);
/* i64 x[rows, tokens], i64 pool, i64 grams[n, 3] sorted -> f32[rows, columns]; ints: least and
 * largest size, tokens that may be skipped. */
lathe_status lathe_rt_ngrams(lathe_call *);

/* ops_strings.c: a u8 constant, see strings.h -> its strings; two tensors of the same dims -> bool
 * or strings. */
lathe_status lathe_rt_strings(lathe_call *);
lathe_status lathe_rt_string_equal(lathe_call *);
lathe_status lathe_rt_string_concat(lathe_call *);
/* ops_murmur.c: x -> u32 hashes of its bytes; ints: seed. */
lathe_status lathe_rt_string_hash(lathe_call *);
/* ops_find.c: x, sorted keys -> i64 numbers of keys; ints: how many keys there are. */
lathe_status lathe_rt_find(lathe_call *);
/* ops_split.c: x, a constant with the delimiter -> i64 numbers of parts, the parts; ints: splits at
 * most; syms of the first: the largest number. */
lathe_status lathe_rt_string_count(lathe_call *);
lathe_status lathe_rt_string_split(lathe_call *);
/* ops_case.c: x -> x in other letters; ints: which. x, words -> x without the words; ints: which
 * letters, whether words are compared in lower case; syms: strings that stay. */
lathe_status lathe_rt_string_case(lathe_call *);
lathe_status lathe_rt_string_normalize(lathe_call *);
/* ops_regex.c: x, i64 program[n, 3], i64 ranges[m, 2] -> bool. */
lathe_status lathe_rt_regex(lathe_call *);

/* Width in bytes and kind ('U', 'S', 'F'; 0: none that can be compared) of an element type. */
typedef struct rt_scalar_kind {
    unsigned char bytes;
    char kind;
} rt_scalar_kind;
rt_scalar_kind rt_scalar_of(lathe_elem);
/* An unsigned number that orders as element i does; zero's key is that of either zero, and NaN is
 * above all. */
uint64_t rt_order_key(const void *data, rt_scalar_kind, int64_t i);

/* A tensor as outer x size x inner around one axis. */
typedef struct rt_axis {
    int64_t outer, size, inner;
} rt_axis;
rt_axis rt_split_axis(const lathe_tensor *, int64_t axis);
int64_t rt_element_count(const lathe_tensor *);

/* Sorts items[0], items[stride], ... ascending by before(), in place, n log n at worst. */
typedef bool (*rt_before)(const void *ctx, int64_t a, int64_t b);
void rt_sort(int64_t *items, int64_t n, int64_t stride, rt_before, const void *ctx);
/* Restores the heap, whose root comes last in order, after items[root] was replaced. */
void rt_sift(int64_t *items, int64_t n, int64_t stride, int64_t root, rt_before, const void *ctx);

#endif
