/* A graph under construction for one test, with short names for what tests build and expect. */
#ifndef LATHE_TESTS_GRAPH_FIXTURE_H
#define LATHE_TESTS_GRAPH_FIXTURE_H

#include <criterion/criterion.h>

#include "tests/unit/fixture.h"

static ir_graph *g;
static ir_builder b;

static inline void graph_begin(void)
{
    fixture_begin();
    g = fx.g;
    b = (ir_builder){.g = g, .block = 1, .name = ir_intern(g, "n"), .origin = ir_intern(g, "Op")};
}

static inline ir_dim D(int64_t v) { return ir_dim_const(g, v); }

static inline ir_dim symbol(const char *name, int64_t lo)
{
    ir_sym s = ir_sym_find(g, name);
    return ir_dim_sym(g, s ? s : ir_sym_new(g, name, IR_SYM_INPUT, lo, INT64_MAX, IR_NONE));
}

/* An input whose dims are given; IR_NONE ends the list. */
static inline ir_value input(ir_elem elem, const ir_dim *dims)
{
    int rank = 0;
    while (dims[rank] != IR_NONE) rank++;
    ir_type t = ir_type_make(elem, rank, dims);
    return ir_param(g, 1, &t, "x");
}
#define INPUT(elem, ...) input(elem, (ir_dim[]){__VA_ARGS__, IR_NONE})

static inline ir_value ints(int64_t n, const int64_t *values)
{
    return ir_const_ints(&b, IR_I64, 1, &n, values);
}
#define INTS(...) ints(sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

/* What Shape gives: the dims of v as a tensor. */
static inline ir_value shape_of(ir_value v)
{
    ir_type t = *ir_type_of(g, v);
    ir_expr e[IR_MAX_RANK];
    ir_dim n = D(t.rank);
    for (int i = 0; i < t.rank; i++) e[i] = ir_x_dim(g, t.dims[i]);
    return ir_values(&b, IR_I64, 1, &n, e, (size_t)t.rank);
}

static inline ir_value binary(ir_scalar op, ir_value x, ir_value y)
{
    ir_nest n;
    int bad;
    if (!ir_nest_broadcast(&n, &b, (ir_value[]){x, y}, 2, &bad)) return IR_NONE;
    ir_expr e = ir_x_2(g, op, ir_nest_read(&n, x), ir_nest_read(&n, y));
    return ir_nest_map(&n, ir_type_of(g, x)->elem, e);
}

/* data[idx] along axis 0, as Gather is imported. */
static inline ir_value gather(ir_value data, ir_value idx)
{
    ir_nest n;
    ir_type t = *ir_type_of(g, idx);
    ir_nest_begin(&n, &b, t.rank, t.dims, 0);
    ir_expr at =
        ir_x_2(g, IR_X_CHECK, ir_nest_read(&n, idx), ir_x_dim(g, ir_type_of(g, data)->dims[0]));
    return ir_nest_map(&n, ir_type_of(g, data)->elem, ir_nest_load(&n, data, &at));
}

static inline const char *text_of(ir_value v)
{
    return v ? ir_type_text(g, ir_type_of(g, v)) : "none";
}

static inline const ir_node *node_of(ir_value v) { return &g->nodes[g->values[v].def]; }

static inline void expect_ints(ir_value v, size_t n, const int64_t *expected)
{
    int64_t got[IR_MAX_CONTENT];
    size_t count;
    cr_assert_neq(v, IR_NONE);
    cr_assert(ir_content_ints(g, v, got, IR_MAX_CONTENT, &count), "content is unknown");
    cr_assert_eq(count, n);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(got[i], expected[i], "element %zu is %ld", i, (long)got[i]);
}
#define EXPECT_INTS(v, ...)                                                                        \
    expect_ints(v, sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

static inline void expect_valid(void)
{
    cr_expect_eq(lathe_diag_errors(fx.diag), 0, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_expect_eq(ir_verify(g), LATHE_OK, "%s", lathe_diag_get(fx.diag, 0).text);
}

#endif
