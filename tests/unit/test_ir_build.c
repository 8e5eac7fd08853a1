/* Building graphs: arena, diagnostics, types, nests with broadcasting and guards, contents. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fixture.h"

static ir_graph *g;
static ir_builder b;

static void begin(void)
{
    fixture_begin();
    g = fx.g;
    b = (ir_builder){.g = g, .block = 1, .name = ir_intern(g, "n"), .origin = ir_intern(g, "Op")};
}

TestSuite(ir_build, .init = begin, .fini = fixture_end);

static ir_dim D(int64_t v) { return ir_dim_const(g, v); }

static ir_dim symbol(const char *name, int64_t lo)
{
    ir_sym s = ir_sym_find(g, name);
    return ir_dim_sym(g, s ? s : ir_sym_new(g, name, IR_SYM_INPUT, lo, INT64_MAX, IR_NONE));
}

/* An input whose dims are given; IR_NONE ends the list. */
static ir_value input(ir_elem elem, const ir_dim *dims)
{
    int rank = 0;
    while (dims[rank] != IR_NONE) rank++;
    ir_type t = ir_type_make(elem, rank, dims);
    return ir_param(g, 1, &t, "x");
}
#define INPUT(elem, ...) input(elem, (ir_dim[]){__VA_ARGS__, IR_NONE})

static ir_value ints(int64_t n, const int64_t *values)
{
    return ir_const_ints(&b, IR_I64, 1, &n, values);
}
#define INTS(...) ints(sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

/* What Shape gives: the dims of v as a tensor. */
static ir_value shape_of(ir_value v)
{
    ir_type t = *ir_type_of(g, v);
    ir_expr e[IR_MAX_RANK];
    ir_dim n = D(t.rank);
    for (int i = 0; i < t.rank; i++) e[i] = ir_x_dim(g, t.dims[i]);
    return ir_values(&b, IR_I64, 1, &n, e, (size_t)t.rank);
}

static ir_value binary(ir_scalar op, ir_value x, ir_value y)
{
    ir_nest n;
    int bad;
    if (!ir_nest_broadcast(&n, &b, (ir_value[]){x, y}, 2, &bad)) return IR_NONE;
    ir_expr e = ir_x_2(g, op, ir_nest_read(&n, x), ir_nest_read(&n, y));
    return ir_nest_map(&n, ir_type_of(g, x)->elem, e);
}

/* data[idx] along axis 0, as Gather is imported. */
static ir_value gather(ir_value data, ir_value idx)
{
    ir_nest n;
    ir_type t = *ir_type_of(g, idx);
    ir_nest_begin(&n, &b, t.rank, t.dims, 0);
    ir_expr at =
        ir_x_2(g, IR_X_CHECK, ir_nest_read(&n, idx), ir_x_dim(g, ir_type_of(g, data)->dims[0]));
    return ir_nest_map(&n, ir_type_of(g, data)->elem, ir_nest_load(&n, data, &at));
}

static const char *text_of(ir_value v) { return v ? ir_type_text(g, ir_type_of(g, v)) : "none"; }

static const ir_node *node_of(ir_value v) { return &g->nodes[g->values[v].def]; }

static void expect_ints(ir_value v, size_t n, const int64_t *expected)
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

static void expect_valid(void)
{
    cr_expect_eq(lathe_diag_errors(fx.diag), 0, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_expect_eq(ir_verify(g), LATHE_OK, "%s", lathe_diag_get(fx.diag, 0).text);
}

/* ---- arena ---- */

Test(ir_build, arena_gives_zeroed_aligned_memory)
{
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = ir_alloc(&fx.arena, n, 3);
        cr_assert_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < 3 * n; i++) cr_assert_eq(p[i], 0);
        memset(p, 0xFF, 3 * n);
    }
    cr_expect_neq(ir_alloc(&fx.arena, 10 << 20, 1), NULL);
}

Test(ir_build, arena_jumps_on_overflow)
{
    if (setjmp(fx.jmp) == 0) {
        ir_alloc(&fx.arena, SIZE_MAX / 2, 3);
        cr_assert_fail("no jump");
    }
    if (setjmp(fx.jmp) == 0) {
        ir_alloc(&fx.arena, SIZE_MAX, 1);
        cr_assert_fail("no jump");
    }
    if (setjmp(fx.jmp) == 0) {
        size_t cap = 4;
        ir_grow(&fx.arena, NULL, &cap, SIZE_MAX / 4, 16);
        cr_assert_fail("no jump");
    }
}

Test(ir_build, arena_jumps_at_its_limit)
{
    fx.arena.limit = fx.arena.used + 4096;
    volatile int made = 0;
    if (setjmp(fx.jmp) == 0) {
        for (;; made++) ir_alloc(&fx.arena, 1, 1024);
    }
    cr_expect_eq(made, 4);
}

Test(ir_build, grow_keeps_elements_and_zeroes_the_rest)
{
    size_t cap = 0;
    int *a = ir_grow(&fx.arena, NULL, &cap, 1, sizeof *a);
    cr_assert_geq(cap, 1);
    for (size_t i = 0; i < cap; i++) a[i] = (int)i;
    size_t old = cap;
    a = ir_grow(&fx.arena, a, &cap, old + 1, sizeof *a);
    for (size_t i = 0; i < cap; i++) cr_expect_eq(a[i], i < old ? (int)i : 0);
}

Test(ir_build, format_takes_any_length)
{
    const char *s = ir_format(&fx.arena, "%0*d|%s", 1000, 7, "end");
    cr_expect_eq(strlen(s), 1004);
    cr_expect_str_eq(s + 999, "7|end");
}

/* ---- diagnostics ---- */

static const char *formatted(size_t index)
{
    static char buf[256];
    lathe_message m = lathe_diag_get(fx.diag, index);
    lathe_diag_format(&m, buf, sizeof buf);
    return buf;
}

Test(ir_build, diag_formats_what_applies)
{
    diag_place all = {"m.onnx", "x", "MatMul", "y"}, node = {.node = "x"}, op = {.op = "MatMul"};
    cr_expect_eq(diag_add(fx.diag, LATHE_BAD_INPUT, &all, "bad %d", 1), LATHE_BAD_INPUT);
    diag_hint(fx.diag, "do %s", "this");
    diag_add(fx.diag, LATHE_UNSUPPORTED, &node, "two");
    diag_add(fx.diag, LATHE_UNSUPPORTED, &op, "three");
    diag_warn(fx.diag, NULL, "four");
    cr_expect_str_eq(formatted(0), "m.onnx: node 'x' (MatMul): tensor 'y': bad 1; hint: do this");
    cr_expect_str_eq(formatted(1), "node 'x': two");
    cr_expect_str_eq(formatted(2), "MatMul: three");
    cr_expect_str_eq(formatted(3), "four");
    cr_expect_eq(lathe_diag_count(fx.diag), 4);
    cr_expect_eq(lathe_diag_errors(fx.diag), 3);
    cr_expect_eq(lathe_diag_get(fx.diag, 3).severity, LATHE_WARNING);
}

Test(ir_build, diag_format_truncates_and_tells_the_length)
{
    char buf[8];
    diag_add(fx.diag, LATHE_IO, NULL, "0123456789");
    lathe_message m = lathe_diag_get(fx.diag, 0);
    cr_expect_eq(lathe_diag_format(&m, buf, sizeof buf), 10);
    cr_expect_str_eq(buf, "0123456");
    cr_expect_eq(lathe_diag_format(&m, NULL, 0), 10);
}

Test(ir_build, diag_is_capped_but_counts)
{
    for (int i = 0; i < 2500; i++) diag_add(fx.diag, LATHE_LIMIT, NULL, "%d", i);
    cr_expect_eq(lathe_diag_errors(fx.diag), 2500);
    cr_expect_eq(lathe_diag_count(fx.diag), 1000);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 998).text, "998");
    cr_expect_str_neq(lathe_diag_get(fx.diag, 999).text, "999");
}

Test(ir_build, diag_may_be_absent)
{
    cr_expect_eq(diag_add(NULL, LATHE_IO, NULL, "x"), LATHE_IO);
    diag_hint(NULL, "x");
    diag_warn(NULL, NULL, "x");
    cr_expect_eq(lathe_diag_count(NULL), 0);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 5).text, "");
    lathe_diag_free(NULL);
}

/* ---- types and tables ---- */

Test(ir_build, element_types)
{
    int64_t bytes;
    cr_expect_eq(ir_elem_parse("f32", 3), IR_F32);
    cr_expect_eq(ir_elem_parse("f321", 3), IR_F32);
    cr_expect_eq(ir_elem_parse("f3", 2), IR_ELEM_NONE);
    cr_expect_eq(ir_elem_arith(IR_BF16), IR_F32);
    cr_expect_eq(ir_elem_arith(IR_U4), IR_U8);
    cr_expect_eq(ir_elem_arith(IR_I2), IR_I8);
    cr_expect_eq(ir_elem_arith(IR_STRING), IR_ELEM_NONE);
    cr_expect_str_eq(ir_elem_name((ir_elem)99), "?");
    cr_expect(ir_elem_bytes(IR_I4, 3, &bytes) && bytes == 2);
    cr_expect(ir_elem_bytes(IR_F64, 3, &bytes) && bytes == 24);
    cr_expect_not(ir_elem_bytes(IR_F64, INT64_MAX / 4, &bytes));
    cr_expect_not(ir_elem_bytes(IR_F64, -1, &bytes));
    cr_expect_not(ir_elem_bytes(IR_STRING, 1, &bytes));
}

Test(ir_build, tables)
{
    cr_expect_str_eq(ir_op_get(IR_OP_SCATTER)->name, "scatter");
    cr_expect_eq(ir_op_get(IR_OP_VIEW)->traits, IR_TRAIT_N | IR_TRAIT_V);
    cr_expect_eq(ir_op_get((ir_op)1000)->results, 0);
    cr_expect_eq(ir_key_kind(IR_KEY_floats), IR_ATTR_FLOATS);
    cr_expect_str_eq(ir_key_name(IR_KEY_body), "body");
}

Test(ir_build, type_text)
{
    ir_type t = ir_type_make(IR_F16, 2, (ir_dim[]){symbol("batch", 0), D(4)});
    cr_expect_str_eq(ir_type_text(g, &t), "f16[batch, 4]");
    cr_expect_str_eq(ir_type_text(g, &(ir_type){.elem = IR_BOOL}), "bool[]");
    cr_expect_eq(ir_type_count(g, &t), ir_dim_mul(g, D(4), symbol("batch", 0)));
}

Test(ir_build, blob_elements_round_trip)
{
    static const struct { ir_elem elem; double value; } cases[] = {
        {IR_F32, 1.5}, {IR_F64, 0.1}, {IR_F16, -65504}, {IR_F16, 0x1p-24}, {IR_F16, -0x1.8p-15},
        {IR_BF16, 3.0}, {IR_F16, 1}, {IR_F16, 0}, {IR_BF16, 0x1p-130},
    };
    unsigned char bytes[64] = {0};
    ir_blob blob = {.bytes = bytes, .size = sizeof bytes};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ir_scalar_value v = {.f = cases[i].value}, got;
        cr_assert(ir_blob_put(cases[i].elem, bytes, 3, v) &&
                  ir_blob_get(cases[i].elem, &blob, 3, &got));
        cr_expect_eq(got.f, v.f, "%s %g, got %g", ir_elem_name(cases[i].elem), v.f, got.f);
    }
    for (int64_t i = 0; i < 16; i++) ir_blob_put(IR_I4, bytes, i, (ir_scalar_value){.i = i - 8});
    for (int64_t i = 0; i < 16; i++) {
        ir_scalar_value got;
        cr_assert(ir_blob_get(IR_I4, &blob, i, &got));
        cr_expect_eq(got.i, i - 8);
    }
}

Test(ir_build, blob_decodes_float8)
{
    static const struct { ir_elem elem; unsigned char bits; double value;
    } cases[] = {
        {IR_F8E4M3FN, 0x7E, 448},     {IR_F8E4M3FN, 0x01, 0x1p-9}, {IR_F8E5M2, 0x7B, 57344},
        {IR_F8E5M2FNUZ, 0x7F, 57344}, {IR_F8E4M3FNUZ, 0xFF, -240}, {IR_F8E8M0, 127, 1},
        {IR_F4E2M1, 0x07, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ir_scalar_value got;
        ir_blob blob = {.bytes = &cases[i].bits, .size = 1};
        cr_assert(ir_blob_get(cases[i].elem, &blob, 0, &got));
        cr_expect_eq(got.f, cases[i].value, "%s: %g", ir_elem_name(cases[i].elem), got.f);
        cr_expect_not(ir_blob_get(cases[i].elem, &blob, 2, &got));
    }
}

/* ---- nodes ---- */

Test(ir_build, attributes_are_sorted)
{
    ir_value x = INPUT(IR_F32, D(2), D(3));
    ir_attr attrs[] = {ir_a_int(IR_KEY_log, 1), ir_a_int(IR_KEY_axis, 1)};
    ir_node_id id = ir_node_new(&b, IR_OP_SOFTMAX, &x, 1, attrs, 2, NULL, 1, NULL, 0);
    cr_assert_neq(id, IR_NONE);
    const ir_node *n = &g->nodes[id];
    cr_expect_eq(n->attrs[0].key, IR_KEY_axis);
    cr_expect_eq(n->attrs[1].key, IR_KEY_log);
    cr_expect_eq(ir_attr_int(n, IR_KEY_log, 0), 1);
    cr_expect_eq(ir_attr_int(n, IR_KEY_last, 7), 7);
    cr_expect_str_eq(ir_text(g, n->origin), "Op");
    expect_valid();
}

Test(ir_build, a_missing_operand_builds_nothing)
{
    size_t nodes = g->nnodes, values = g->nvalues;
    cr_expect_eq(ir_cast(&b, IR_NONE, IR_F16), IR_NONE);
    cr_expect_eq(ir_reshape(&b, IR_NONE, 0, NULL), IR_NONE);
    cr_expect_eq(ir_concat(&b, (ir_value[]){IR_NONE, IR_NONE}, 2, 0), IR_NONE);
    cr_expect_eq(
        ir_node_new(&b, IR_OP_CONV, (ir_value[]){IR_NONE, 1}, 2, NULL, 0, NULL, 1, NULL, 0),
        IR_NONE);
    cr_expect_eq(g->nnodes, nodes);
    cr_expect_eq(g->nvalues, values);
    cr_expect_eq(lathe_diag_errors(fx.diag), 0);
}

Test(ir_build, a_refused_node_leaves_no_trace)
{
    ir_value x = INPUT(IR_F32, D(2), symbol("n", 0));
    size_t nodes = g->nnodes, values = g->nvalues;
    ir_value y = INPUT(IR_F32, D(3), symbol("m", 0));
    cr_expect_eq(ir_concat(&b, (ir_value[]){x, y}, 2, 1), IR_NONE);
    cr_expect_eq(g->nnodes, nodes);
    cr_expect_eq(g->nvalues, values + 1);
    cr_expect_eq(g->nguards, 0);
    cr_expect_eq(g->blocks[1].nnodes, 0);
    cr_expect_eq(lathe_diag_errors(fx.diag), 1);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 0).node, "n");
}

Test(ir_build, absent_optional_operands_are_trimmed)
{
    ir_value x = INPUT(IR_F32, D(2), D(3));
    ir_attr attrs[] = {ir_a_str(g, IR_KEY_kind, "rms"), ir_a_int(IR_KEY_axis, 1),
                       ir_a_float(IR_KEY_eps, 1e-5)};
    ir_node_id id = ir_node_new(&b, IR_OP_NORM, (ir_value[]){x, IR_NONE, IR_NONE}, 3, attrs, 3,
                                NULL, 1, NULL, 0);
    cr_assert_neq(id, IR_NONE);
    cr_expect_eq(g->nodes[id].noperands, 1);
    expect_valid();
}

Test(ir_build, too_many_operands_are_refused)
{
    ir_value x = INPUT(IR_F32, D(2));
    ir_attr axis = ir_a_int(IR_KEY_axis, 0);
    cr_expect_eq(ir_node_new(&b, IR_OP_SOFTMAX, (ir_value[]){x, x}, 2, &axis, 1, NULL, 1, NULL, 0),
                 IR_NONE);
    cr_expect_eq(lathe_diag_errors(fx.diag), 1);
}

Test(ir_build, outputs_keep_their_names)
{
    ir_value x = INPUT(IR_F32, D(2));
    for (int i = 0; i < 20; i++) ir_output(g, x, ir_format(&fx.arena, "y%d", i));
    cr_expect_eq(g->blocks[1].nresults, 20);
    for (int i = 0; i < 20; i++)
        cr_expect_str_eq(ir_text(g, g->output_names[i]), ir_format(&fx.arena, "y%d", i));
}

/* ---- broadcasting and guards ---- */

Test(ir_build, broadcast_of_constants)
{
    ir_value x = INPUT(IR_F32, D(4), D(1), D(3)), y = INPUT(IR_F32, D(5), D(1));
    cr_expect_str_eq(text_of(binary(IR_X_ADD, x, y)), "f32[4, 5, 3]");
    cr_expect_eq(g->nguards, 0);
    expect_valid();
}

Test(ir_build, broadcast_refuses_different_constants)
{
    ir_nest n;
    int bad = 0;
    ir_value x = INPUT(IR_F32, D(4), D(3)), y = INPUT(IR_F32, D(5), D(1));
    cr_expect_not(ir_nest_broadcast(&n, &b, (ir_value[]){x, y}, 2, &bad));
    cr_expect_eq(bad, 2);
}

Test(ir_build, a_constant_wins_over_a_symbol)
{
    ir_dim s = symbol("s", 0);
    ir_value sum = binary(IR_X_ADD, INPUT(IR_F32, s), INPUT(IR_F32, D(8)));
    cr_expect_str_eq(text_of(sum), "f32[8]");
    cr_assert_eq(g->nguards, 1);
    cr_expect_eq(g->guards[0].a, D(8));
    cr_expect_eq(g->guards[0].b, s);
    cr_expect(g->guards[0].or_one);
    cr_expect_eq(g->guards[0].node, g->values[sum].def);
    expect_valid();
}

Test(ir_build, a_computed_dim_wins_over_a_symbol_and_one_guard_is_enough)
{
    ir_dim total = symbol("total", 0), scores = ir_dim_add(g, symbol("past", 0), symbol("seq", 0));
    ir_value mask = INPUT(IR_F32, total), x = INPUT(IR_F32, D(2), scores);
    cr_expect_eq(ir_type_of(g, binary(IR_X_ADD, mask, x))->dims[1], scores);
    binary(IR_X_MUL, x, mask);
    cr_assert_eq(g->nguards, 1);
    cr_expect_eq(g->guards[0].a, scores);
    cr_expect_eq(g->guards[0].b, total);
    expect_valid();
}

Test(ir_build, equal_dims_need_no_guard)
{
    ir_dim s = symbol("s", 0);
    ir_value x = INPUT(IR_F32, s, D(1)), y = INPUT(IR_F32, D(1), s);
    cr_expect_str_eq(text_of(binary(IR_X_ADD, x, y)), "f32[s, s]");
    cr_expect_eq(g->nguards, 0);
}

Test(ir_build, a_dim_that_may_be_one_gets_a_run_time_stride)
{
    ir_dim s = symbol("s", 0), t = symbol("t", 2);
    ir_nest n;
    ir_nest_begin(&n, &b, 1, (ir_dim[]){symbol("r", 0)}, 0);
    ir_expr may = ir_nest_read(&n, INPUT(IR_F32, s)), never = ir_nest_read(&n, INPUT(IR_F32, t));
    ir_expr stride = ir_x_dim(g, ir_dim_sub(g, D(1), ir_dim_eq(g, s, D(1))));
    cr_expect_eq(ir_expr_get(g, may)->args[0], ir_x_2(g, IR_X_MUL, ir_nest_index(&n, 0), stride));
    cr_expect_eq(ir_expr_get(g, never)->args[0], ir_nest_index(&n, 0));
    cr_expect(g->guards[0].or_one);
    cr_expect_not(g->guards[1].or_one);
}

Test(ir_build, operands_are_added_once)
{
    ir_value x = INPUT(IR_F32, D(2), D(2));
    ir_nest n;
    ir_nest_begin(&n, &b, 2, ir_type_of(g, x)->dims, 0);
    ir_expr idx[2] = {ir_nest_index(&n, 1), ir_nest_index(&n, 0)};
    ir_value y =
        ir_nest_map(&n, IR_F32, ir_x_2(g, IR_X_ADD, ir_nest_read(&n, x), ir_nest_load(&n, x, idx)));
    cr_expect_eq(node_of(y)->noperands, 1);
    expect_valid();
}

Test(ir_build, reads_of_low_precision_compute_in_f32)
{
    ir_value x = INPUT(IR_BF16, D(100));
    ir_nest n;
    ir_nest_begin(&n, &b, 1, ir_type_of(g, x)->dims, 0);
    ir_expr e = ir_nest_read(&n, x);
    cr_expect_eq(ir_expr_get(g, e)->type, IR_F32);
    cr_expect_str_eq(text_of(ir_nest_map(&n, IR_BF16, e)), "bf16[100]");
    expect_valid();
}

Test(ir_build, a_read_that_does_not_fit_fails_the_nest)
{
    ir_nest n;
    ir_nest_begin(&n, &b, 1, (ir_dim[]){D(3)}, 0);
    cr_expect_eq(ir_nest_read(&n, INPUT(IR_F32, D(2), D(3))), IR_NONE);
    cr_expect_eq(lathe_diag_errors(fx.diag), 1);
    cr_expect_eq(ir_nest_map(&n, IR_F32, ir_x_float(g, IR_F32, 1)), IR_NONE);
}

Test(ir_build, a_space_has_a_largest_rank)
{
    ir_nest n;
    ir_dim space[IR_MAX_SPACE + 1];
    for (int i = 0; i <= IR_MAX_SPACE; i++) space[i] = D(1);
    ir_nest_begin(&n, &b, IR_MAX_SPACE + 1, space, 0);
    cr_expect_eq(ir_nest_map(&n, IR_F32, ir_x_float(g, IR_F32, 1)), IR_NONE);
    cr_expect_eq(lathe_diag_get(fx.diag, 0).status, LATHE_LIMIT);
}

Test(ir_build, reductions)
{
    ir_dim s = symbol("s", 0);
    ir_value x = INPUT(IR_F32, s, D(100));
    ir_nest n;
    ir_nest_begin(&n, &b, 2, ir_type_of(g, x)->dims, 1);
    ir_expr idx[2] = {ir_nest_index(&n, 0), ir_nest_index(&n, 1)};
    ir_expr e = ir_nest_load(&n, x, idx);
    cr_expect_str_eq(text_of(ir_nest_reduce(&n, IR_OP_REDUCE, "max", IR_F32, e)), "f32[s]");
    cr_expect_str_eq(text_of(ir_nest_arg(&n, "max", false, e)), "i64[s]");
    cr_expect_str_eq(
        text_of(ir_nest_reduce(&n, IR_OP_CONTRACT, "sum", IR_F32, ir_x_2(g, IR_X_MUL, e, e))),
        "f32[s]");
    ir_nest_begin(&n, &b, 2, ir_type_of(g, x)->dims, 0);
    e = ir_nest_read(&n, x);
    cr_expect_str_eq(text_of(ir_nest_cumulate(&n, "sum", 1, false, true, IR_F32, e)),
                     "f32[s, 100]");
    expect_valid();
}

Test(ir_build, scatter_counts_operands_after_data)
{
    ir_value data = INPUT(IR_F32, D(100)), x = INPUT(IR_F32, D(70));
    ir_nest n;
    ir_nest_begin(&n, &b, 1, ir_type_of(g, x)->dims, 0);
    ir_expr at = ir_nest_index(&n, 0);
    ir_value y = ir_nest_scatter(&n, "sum", data, ir_nest_read(&n, x), &at);
    cr_expect_str_eq(text_of(y), "f32[100]");
    cr_expect_eq(node_of(y)->operands[1], x);
    cr_expect_eq(ir_expr_get(g, ir_attr_find(node_of(y), IR_KEY_body)->u.exprs[0])->imm, 1);
    expect_valid();
}

/* ---- views ---- */

Test(ir_build, views_infer_their_dims)
{
    ir_dim s = symbol("s", 1);
    ir_value x = INPUT(IR_F32, s, D(4), D(1));
    cr_expect_str_eq(text_of(ir_permute(&b, x, (int[]){2, 0, 1})), "f32[1, s, 4]");
    cr_expect_eq(ir_permute(&b, x, (int[]){0, 1, 2}), x);
    cr_expect_str_eq(text_of(ir_unsqueeze(&b, x, 0)), "f32[1, s, 4, 1]");
    cr_expect_str_eq(text_of(ir_unsqueeze(&b, x, 3)), "f32[s, 4, 1, 1]");
    cr_expect_str_eq(text_of(ir_squeeze(&b, x, 2)), "f32[s, 4]");
    cr_expect_str_eq(text_of(ir_expand(&b, x, 4, (ir_dim[]){D(2), D(1), D(4), D(7)})),
                     "f32[2, s, 4, 7]");
    cr_expect_eq(ir_expand(&b, x, 2, (ir_dim[]){D(1), D(1)}), x);
    cr_expect_str_eq(text_of(ir_cast(&b, x, IR_F16)), "f16[s, 4, 1]");
    cr_expect_eq(ir_cast(&b, x, IR_F32), x);
    ir_dim zero = D(0);
    ir_value part = ir_slice(&b, x, (ir_dim[]){zero, D(3), zero}, (int64_t[]){1, -2, 1},
                             (ir_dim[]){s, D(2), D(1)});
    cr_expect_str_eq(text_of(part), "f32[s, 2, 1]");
    expect_valid();
}

Test(ir_build, views_that_do_not_fit_are_refused)
{
    ir_value x = INPUT(IR_F32, D(3), D(4));
    cr_expect_eq(ir_squeeze(&b, x, 1), IR_NONE);
    cr_expect_eq(ir_permute(&b, x, (int[]){0, 0}), IR_NONE);
    cr_expect_eq(ir_expand(&b, x, 2, (ir_dim[]){D(2), D(4)}), IR_NONE);
    cr_expect_eq(ir_unsqueeze(&b, x, 5), IR_NONE);
    cr_expect_eq(lathe_diag_errors(fx.diag), 4);
}

Test(ir_build, reshape_requires_equal_counts)
{
    ir_dim s = symbol("s", 0), t = symbol("t", 0);
    ir_value x = INPUT(IR_F32, s, D(12));
    cr_expect_str_eq(text_of(ir_reshape(&b, x, 3, (ir_dim[]){s, D(3), D(4)})), "f32[s, 3, 4]");
    cr_expect_eq(ir_reshape(&b, x, 2, (ir_dim[]){s, D(12)}), x);
    cr_expect_eq(g->nguards, 0);
    cr_expect_neq(ir_reshape(&b, x, 2, (ir_dim[]){t, D(6)}), IR_NONE);
    cr_expect_eq(g->nguards, 1);
    ir_value y = INPUT(IR_F32, D(12));
    cr_expect_eq(ir_reshape(&b, y, 1, (ir_dim[]){D(13)}), IR_NONE);
}

Test(ir_build, concat_adds_dims)
{
    ir_dim past = symbol("past", 0), seq = symbol("seq", 0);
    ir_value x = INPUT(IR_F32, past, D(4)), y = INPUT(IR_F32, seq, D(4));
    ir_value both = ir_concat(&b, (ir_value[]){x, y}, 2, 0);
    cr_expect_eq(ir_type_of(g, both)->dims[0], ir_dim_add(g, past, seq));
    cr_expect_eq(ir_concat(&b, &x, 1, 0), x);
    cr_expect_eq(ir_concat(&b, (ir_value[]){x, INPUT(IR_I64, seq, D(4))}, 2, 0), IR_NONE);
    cr_expect_eq(ir_concat(&b, (ir_value[]){x, y}, 2, 2), IR_NONE);
}

/* ---- contents ---- */

Test(ir_build, constants_are_read_when_asked)
{
    ir_value c = INTS(3, -1, 7);
    cr_expect_null(g->values[c].content);
    EXPECT_INTS(c, 3, -1, 7);
    cr_expect_not_null(g->values[c].content);
    ir_value half = ir_const_ints(&b, IR_F16, 0, NULL, (int64_t[]){-3});
    size_t n;
    double f;
    const ir_expr *content = ir_content(g, half, &n);
    cr_assert(content && n == 1 && ir_x_is_const(g, content[0], NULL, &f));
    cr_expect_eq(f, -3);
    cr_expect_eq(ir_expr_get(g, content[0])->type, IR_F32);
}

Test(ir_build, large_and_unknown_tensors_have_no_content)
{
    int64_t many[65] = {0};
    size_t n;
    cr_expect_null(ir_content(g, ints(65, many), &n));
    cr_expect_null(ir_content(g, INPUT(IR_I64, D(2)), &n));
    cr_expect_null(ir_content(g, IR_NONE, &n));
    cr_expect_not_null(ir_content(g, ints(0, many), &n));
    cr_expect_eq(n, 0);
}

Test(ir_build, shape_gather_unsqueeze_concat_reshape)
{
    ir_dim batch = symbol("batch", 1), seq = symbol("seq", 1), got[8];
    ir_value x = INPUT(IR_F32, batch, seq, D(768));
    ir_value s = shape_of(x);
    ir_value zero = ir_const_ints(&b, IR_I64, 0, NULL, (int64_t[]){0});
    ir_value one = ir_const_ints(&b, IR_I64, 0, NULL, (int64_t[]){1});
    ir_value parts[3] = {ir_unsqueeze(&b, gather(s, zero), 0), ir_unsqueeze(&b, gather(s, one), 0),
                         INTS(12, 64)};
    ir_value target = ir_concat(&b, parts, 3, 0);
    size_t n;
    cr_assert(ir_content_dims(g, target, got, 8, &n));
    cr_assert_eq(n, 4);
    cr_expect_eq(got[0], batch);
    cr_expect_eq(got[1], seq);
    cr_expect_eq(got[3], D(64));
    cr_expect_not(ir_content_ints(g, target, (int64_t[8]){0}, 8, &n));
    cr_expect_str_eq(text_of(ir_reshape(&b, x, 4, got)), "f32[batch, seq, 12, 64]");
    cr_expect_eq(g->nguards, 0);
    expect_valid();
}

Test(ir_build, gather_wraps_negative_indices)
{
    EXPECT_INTS(gather(INTS(10, 11, 12), INTS(-1, 0)), 12, 10);
    expect_valid();
}

Test(ir_build, a_gather_out_of_range_stays_a_node)
{
    size_t n;
    cr_expect_null(ir_content(g, gather(INTS(10, 11), INTS(2, 0)), &n));
    cr_expect_null(ir_content(g, gather(INTS(10), INTS(1, 0)), &n), "the fault must remain");
    expect_valid();
}

Test(ir_build, arithmetic_over_dims)
{
    ir_dim s = symbol("s", 1), got[2];
    ir_value dims = shape_of(INPUT(IR_F32, s, D(6)));
    ir_value half = binary(IR_X_FLOORDIV, binary(IR_X_MUL, dims, INTS(4)), INTS(2));
    size_t n;
    cr_assert(ir_content_dims(g, half, got, 2, &n));
    cr_expect_eq(got[0], ir_dim_mul(g, D(2), s));
    cr_expect_eq(got[1], D(12));
    ir_value back = ir_cast(&b, ir_cast(&b, dims, IR_F32), IR_I64);
    cr_assert(ir_content_dims(g, back, got, 2, &n));
    cr_expect_eq(got[0], s);
    cr_assert(ir_content_dims(g, ir_cast(&b, dims, IR_I32), got, 2, &n) == false || got[1] == D(6));
    expect_valid();
}

Test(ir_build, contents_pass_through_views)
{
    int64_t dims[2] = {2, 3}, values[6] = {1, 2, 3, 4, 5, 6};
    ir_value m = ir_const_ints(&b, IR_I64, 2, dims, values);
    EXPECT_INTS(ir_permute(&b, m, (int[]){1, 0}), 1, 4, 2, 5, 3, 6);
    EXPECT_INTS(ir_slice(&b, m, (ir_dim[]){D(1), D(2)}, (int64_t[]){1, -2}, (ir_dim[]){D(1), D(2)}),
                6, 4);
    EXPECT_INTS(ir_expand(&b, INTS(9), 2, (ir_dim[]){D(2), D(2)}), 9, 9, 9, 9);
    EXPECT_INTS(ir_concat(&b, (ir_value[]){m, m}, 2, 1), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
    EXPECT_INTS(ir_reshape(&b, m, 1, (ir_dim[]){D(6)}), 1, 2, 3, 4, 5, 6);
    expect_valid();
}

Test(ir_build, a_view_of_a_known_element_keeps_the_element_type)
{
    ir_value half = ir_const_ints(&b, IR_F16, 1, (int64_t[]){1}, (int64_t[]){2});
    ir_dim s = symbol("s", 0);
    ir_value y = ir_expand(&b, half, 1, &s);
    cr_expect_str_eq(text_of(y), "f16[s]");
    cr_expect_eq(node_of(y)->noperands, 0);
    expect_valid();
}

Test(ir_build, one_known_element_is_read_without_a_load)
{
    ir_value x = INPUT(IR_F32, symbol("s", 0)), two = ir_scalar_const(&b, IR_F32, 2);
    ir_value y = binary(IR_X_MUL, x, two);
    cr_expect_eq(node_of(y)->noperands, 1);
    cr_expect_eq(binary(IR_X_ADD, y, ir_scalar_const(&b, IR_F32, 0)) != IR_NONE, true);
    expect_valid();
}

Test(ir_build, reductions_of_contents)
{
    int64_t dims[2] = {2, 3}, values[6] = {1, 2, 3, 4, 5, 6};
    ir_value m = ir_const_ints(&b, IR_I64, 2, dims, values);
    static const struct { const char *kind; int64_t rows[2]; } cases[] = {
        {"sum", {6, 15}}, {"prod", {6, 120}}, {"max", {3, 6}}, {"min", {1, 4}},
    };
    for (size_t i = 0; i < 4; i++) {
        ir_nest n;
        ir_nest_begin(&n, &b, 2, ir_type_of(g, m)->dims, 1);
        ir_expr idx[2] = {ir_nest_index(&n, 0), ir_nest_index(&n, 1)};
        ir_value r =
            ir_nest_reduce(&n, IR_OP_REDUCE, cases[i].kind, IR_I64, ir_nest_load(&n, m, idx));
        expect_ints(r, 2, cases[i].rows);
    }
    expect_valid();
}

Test(ir_build, nests_over_known_elements_need_no_operands)
{
    ir_value three = INTS(3);
    ir_nest n;
    ir_expr at = ir_x_int(g, IR_I64, 0);
    ir_nest_begin(&n, &b, 1, (ir_dim[]){D(2)}, 1);
    ir_expr x = ir_nest_load(&n, three, &at);
    ir_value sum = ir_nest_reduce(&n, IR_OP_CONTRACT, NULL, IR_I64, ir_x_2(g, IR_X_MUL, x, x));
    EXPECT_INTS(sum, 18);
    cr_expect_eq(node_of(sum)->op, IR_OP_REDUCE);
    cr_expect_str_eq(text_of(ir_nest_arg(&n, "max", true, x)), "i64[]");
    expect_valid();
}

Test(ir_build, a_product_of_dims_is_a_dim)
{
    ir_dim s = symbol("s", 1), got;
    ir_value dims = shape_of(INPUT(IR_F32, s, D(6)));
    ir_nest n;
    size_t count;
    ir_nest_begin(&n, &b, 1, (ir_dim[]){D(2)}, 1);
    ir_expr at = ir_nest_index(&n, 0);
    ir_value size = ir_nest_reduce(&n, IR_OP_REDUCE, "prod", IR_I64, ir_nest_load(&n, dims, &at));
    cr_assert(ir_content_dims(g, size, &got, 1, &count));
    cr_expect_eq(got, ir_dim_mul(g, s, D(6)));
    cr_expect_str_eq(text_of(size), "i64[]");
}

Test(ir_build, scatter_over_contents)
{
    ir_value data = INTS(0, 0, 5), updates = INTS(7, 8), where = INTS(2, 0);
    static const struct {
        const char *kind;
        int64_t out[3];
    } cases[] = {{"set", {8, 0, 7}}, {"sum", {8, 0, 12}}};
    for (size_t i = 0; i < 2; i++) {
        ir_nest n;
        ir_nest_begin(&n, &b, 1, (ir_dim[]){D(2)}, 0);
        ir_expr at = ir_nest_read(&n, where);
        expect_ints(ir_nest_scatter(&n, cases[i].kind, data, ir_nest_read(&n, updates), &at), 3,
                    cases[i].out);
    }
    expect_valid();
}

Test(ir_build, stores_round_contents)
{
    ir_value x = ir_cast(&b, ir_scalar_const(&b, IR_F32, 0x1.0002p0), IR_F16);
    size_t n;
    double f;
    const ir_expr *content = ir_content(g, x, &n);
    cr_assert(content && ir_x_is_const(g, content[0], NULL, &f));
    cr_expect_eq(f, 1);
    EXPECT_INTS(ir_cast(&b, INTS(300, -1), IR_U8), 44, 255);
}

Test(ir_build, long_chains_of_scalars_stay_nodes)
{
    size_t n = 0;
    ir_value x = ir_scalar_const(&b, IR_F32, 0.5);
    for (int i = 0; i < 200; i++) {
        ir_nest nest;
        ir_nest_begin(&nest, &b, 0, NULL, 0);
        x = ir_nest_map(&nest, IR_F32, ir_x_1(g, IR_X_TANH, ir_nest_read(&nest, x)));
    }
    cr_expect_neq(x, IR_NONE);
    cr_expect_null(ir_content(g, x, &n));
    expect_valid();
}

Test(ir_build, values_check_their_number)
{
    ir_dim two = D(2);
    ir_expr e[2] = {ir_x_int(g, IR_I64, 1), ir_x_int(g, IR_I64, 2)};
    cr_expect_eq(ir_values(&b, IR_I64, 1, &two, e, 1), IR_NONE);
    EXPECT_INTS(ir_values(&b, IR_I64, 1, &two, e, 2), 1, 2);
}

Test(ir_build, constants_check_their_bytes)
{
    ir_type t = ir_type_make(IR_F32, 1, (ir_dim[]){D(3)});
    cr_expect_eq(ir_const(&b, &t, &(ir_blob){.bytes = "1234567", .size = 8}), IR_NONE);
    t.dims[0] = symbol("s", 0);
    cr_expect_eq(ir_const(&b, &t, &(ir_blob){.bytes = "1234567", .size = 8}), IR_NONE);
    cr_expect_eq(ir_const_ints(&b, IR_I64, 2, (int64_t[]){INT64_MAX, 3}, NULL), IR_NONE);
}

/* ---- editing ---- */

Test(ir_build, uses_are_replaced_and_counted)
{
    ir_value x = INPUT(IR_F32, D(2)), y = binary(IR_X_ADD, x, x), z = binary(IR_X_MUL, y, x);
    ir_output(g, y, "out");
    uint32_t *uses = ir_count_uses(g);
    cr_expect_eq(uses[x], 2);
    cr_expect_eq(uses[y], 2);
    cr_expect_eq(uses[z], 0);
    ir_delete_node(g, g->values[z].def);
    ir_replace_uses(g, y, x);
    ir_delete_node(g, g->values[y].def);
    ir_compact(g);
    uses = ir_count_uses(g);
    cr_expect_eq(uses[x], 1);
    cr_expect_eq(uses[y], 0);
    cr_expect_eq(g->blocks[1].nnodes, 0);
    cr_expect_eq(g->blocks[1].results[0], x);
}

Test(ir_build, deleting_a_node_deletes_its_regions)
{
    ir_value x = INPUT(IR_F32, D(2)), cond = ir_param(g, 1, &(ir_type){.elem = IR_BOOL}, "c");
    ir_block_id regions[2];
    for (int i = 0; i < 2; i++) {
        regions[i] = ir_block_new(g, IR_NONE);
        ir_builder inner = b;
        inner.block = regions[i];
        ir_result(g, regions[i], ir_cast(&inner, x, IR_F64));
    }
    ir_type t = ir_type_make(IR_F64, 1, (ir_dim[]){D(2)});
    ir_node_id id = ir_node_new(&b, IR_OP_IF, &cond, 1, NULL, 0, &t, 1, regions, 2);
    cr_assert_neq(id, IR_NONE);
    cr_expect_eq(g->blocks[regions[1]].parent, id);
    expect_valid();
    cr_expect_eq(ir_count_uses(g)[x], 2);
    ir_delete_node(g, id);
    ir_compact(g);
    cr_expect_eq(ir_count_uses(g)[x], 0);
}
