/* What graphs are made of: arena, diagnostics, element types, tables, constants' elements. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/graph_fixture.h"

TestSuite(ir_base, .init = graph_begin, .fini = fixture_end);

/* ---- arena ---- */

Test(ir_base, arena_gives_zeroed_aligned_memory)
{
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = ir_alloc(&fx.arena, n, 3);
        cr_assert_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < 3 * n; i++) cr_assert_eq(p[i], 0);
        memset(p, 0xFF, 3 * n);
    }
    cr_expect_neq(ir_alloc(&fx.arena, 10 << 20, 1), NULL);
}

Test(ir_base, arena_jumps_on_overflow)
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

Test(ir_base, arena_jumps_at_its_limit)
{
    fx.arena.limit = fx.arena.used + 4096;
    volatile int made = 0;
    if (setjmp(fx.jmp) == 0) {
        for (;; made++) ir_alloc(&fx.arena, 1, 1024);
    }
    cr_expect_eq(made, 4);
}

Test(ir_base, grow_keeps_elements_and_zeroes_the_rest)
{
    size_t cap = 0;
    int *a = ir_grow(&fx.arena, NULL, &cap, 1, sizeof *a);
    cr_assert_geq(cap, 1);
    for (size_t i = 0; i < cap; i++) a[i] = (int)i;
    size_t old = cap;
    a = ir_grow(&fx.arena, a, &cap, old + 1, sizeof *a);
    for (size_t i = 0; i < cap; i++) cr_expect_eq(a[i], i < old ? (int)i : 0);
}

Test(ir_base, format_takes_any_length)
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

Test(ir_base, diag_formats_what_applies)
{
    diag_place all = {"m.onnx", "x", "MatMul", "y", 13}, node = {.node = "x"},
               op = {.op = "MatMul"};
    cr_expect_eq(diag_add(fx.diag, LATHE_BAD_INPUT, &all, "bad %d", 1), LATHE_BAD_INPUT);
    diag_hint(fx.diag, "do %s", "this");
    diag_add(fx.diag, LATHE_UNSUPPORTED, &node, "two");
    diag_add(fx.diag, LATHE_UNSUPPORTED, &op, "three");
    diag_warn(fx.diag, NULL, "four");
    cr_expect_str_eq(formatted(0),
                     "m.onnx: node 'x' (MatMul-13): tensor 'y': bad 1; hint: do this");
    cr_expect_str_eq(formatted(1), "node 'x': two");
    cr_expect_str_eq(formatted(2), "MatMul: three");
    cr_expect_str_eq(formatted(3), "four");
    cr_expect_eq(lathe_diag_count(fx.diag), 4);
    cr_expect_eq(lathe_diag_errors(fx.diag), 3);
    cr_expect_eq(lathe_diag_get(fx.diag, 3).severity, LATHE_WARNING);
}

Test(ir_base, diag_counts_equal_complaints_about_other_nodes)
{
    diag_place place = {.file = "m.onnx", .node = "n0", .op = "Foo", .version = 9};
    static const char *const nodes[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        place.node = nodes[i];
        diag_add(fx.diag, LATHE_UNSUPPORTED, &place, "not supported");
    }
    place.op = "Bar";
    diag_add(fx.diag, LATHE_UNSUPPORTED, &place, "not supported");
    diag_hint(fx.diag, "another");
    place.op = "Foo";
    place.node = "d";
    diag_add(fx.diag, LATHE_UNSUPPORTED, &place, "not supported");
    diag_hint(fx.diag, "of one that has no message");
    cr_expect_eq(lathe_diag_count(fx.diag), 2);
    cr_expect_eq(lathe_diag_errors(fx.diag), 5);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 0).text,
                     "not supported (and 3 more nodes of this kind)");
    cr_expect_str_eq(lathe_diag_get(fx.diag, 1).hint, "another");
}

Test(ir_base, diag_leaves_out_what_follows_from_a_refusal)
{
    cr_expect_eq(diag_add(fx.diag, LATHE_INTERNAL, NULL, "broken"), LATHE_INTERNAL);
    diag_add(fx.diag, LATHE_LIMIT, NULL, "too large");
    cr_expect_eq(diag_add(fx.diag, LATHE_INTERNAL, NULL, "broken"), LATHE_LIMIT);
    cr_expect_eq(lathe_diag_count(fx.diag), 2);
}

Test(ir_base, diag_keeps_both_sides_of_a_mismatch)
{
    diag_place place = {.op = "MatMul", .version = 13};
    cr_expect_eq(
        diag_mismatch(fx.diag, LATHE_BAD_INPUT, &place, "input 1 has rank", "3", "2 or less"),
        LATHE_BAD_INPUT);
    lathe_message m = lathe_diag_get(fx.diag, 0);
    cr_expect_str_eq(formatted(0), "MatMul-13: input 1 has rank 3, expected 2 or less");
    cr_expect_str_eq(m.found, "3");
    cr_expect_str_eq(m.expected, "2 or less");
    cr_expect_eq(m.version, 13);
    for (int i = 0; i < 1000; i++) diag_mismatch(fx.diag, LATHE_LIMIT, NULL, "a", "b", "c");
    cr_expect_str_eq(lathe_diag_get(fx.diag, 999).found, "");
    cr_expect_eq(diag_mismatch(NULL, LATHE_IO, NULL, "a", "b", "c"), LATHE_IO);
}

static const char *near(const char *word)
{
    static const char *const names[] = {"sequence", "batch", "past_sequence", "heads", "a"};
    const char *name = lathe_nearest(word, names, sizeof names / sizeof *names);
    return name ? name : "";
}

Test(ir_base, nearest_name)
{
    cr_expect_str_eq(near("sequnce"), "sequence");
    cr_expect_str_eq(near("seuqence"), "sequence");
    cr_expect_str_eq(near("btach"), "batch");
    cr_expect_str_eq(near("seq"), "sequence"); /* the only one that it begins */
    cr_expect_str_eq(near("past"), "past_sequence");
    cr_expect_str_eq(near("bat"), "batch");
    cr_expect_str_eq(near("width"), "");
    cr_expect_str_eq(near("b"), "");
    cr_expect_str_eq(near(""), "");
    char word[200];
    memset(word, 'x', sizeof word);
    word[199] = '\0';
    cr_expect_str_eq(near(word), "");
    cr_expect_null(lathe_nearest("a", NULL, 0));
}

Test(ir_base, suggestion_is_a_hint)
{
    static const char *const names[] = {"sequence"};
    diag_add(fx.diag, LATHE_NOT_FOUND, NULL, "no");
    diag_suggest(fx.diag, "width", names, 1);
    cr_expect_str_eq(formatted(0), "no");
    diag_suggest(fx.diag, "seq", names, 1);
    cr_expect_str_eq(formatted(0), "no; hint: did you mean 'sequence'?");
}

Test(ir_base, diag_format_truncates_and_tells_the_length)
{
    char buf[8];
    diag_add(fx.diag, LATHE_IO, NULL, "0123456789");
    lathe_message m = lathe_diag_get(fx.diag, 0);
    cr_expect_eq(lathe_diag_format(&m, buf, sizeof buf), 10);
    cr_expect_str_eq(buf, "0123456");
    cr_expect_eq(lathe_diag_format(&m, NULL, 0), 10);
}

Test(ir_base, diag_is_capped_but_counts)
{
    for (int i = 0; i < 2500; i++) diag_add(fx.diag, LATHE_LIMIT, NULL, "%d", i);
    cr_expect_eq(lathe_diag_errors(fx.diag), 2500);
    cr_expect_eq(lathe_diag_count(fx.diag), 1000);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 998).text, "998");
    cr_expect_str_neq(lathe_diag_get(fx.diag, 999).text, "999");
}

Test(ir_base, diag_may_be_absent)
{
    cr_expect_eq(diag_add(NULL, LATHE_IO, NULL, "x"), LATHE_IO);
    diag_hint(NULL, "x");
    diag_warn(NULL, NULL, "x");
    cr_expect_eq(lathe_diag_count(NULL), 0);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 5).text, "");
    lathe_diag_free(NULL);
}

/* ---- types and tables ---- */

Test(ir_base, element_types)
{
    int64_t bytes;
    cr_expect_eq(ir_elem_parse("f32", 3), IR_F32);
    cr_expect_eq(ir_elem_parse("f321", 3), IR_F32);
    cr_expect_eq(ir_elem_parse("f3", 2), IR_ELEM_NONE);
    cr_expect_eq(ir_elem_arith(IR_BF16), IR_F32);
    cr_expect_eq(ir_elem_arith(IR_U4), IR_U8);
    cr_expect_eq(ir_elem_arith(IR_I2), IR_I8);
    cr_expect_eq(ir_elem_arith(IR_STRING), IR_STRING);
    cr_expect_not(ir_elem_computes(IR_STRING));
    cr_expect(ir_elem_computes(IR_BOOL));
    cr_expect_eq(ir_elem_arith(IR_C64), IR_ELEM_NONE);
    cr_expect_str_eq(ir_elem_name((ir_elem)99), "?");
    cr_expect(ir_elem_bytes(IR_I4, 3, &bytes) && bytes == 2);
    cr_expect(ir_elem_bytes(IR_F64, 3, &bytes) && bytes == 24);
    cr_expect_not(ir_elem_bytes(IR_F64, INT64_MAX / 4, &bytes));
    cr_expect_not(ir_elem_bytes(IR_F64, -1, &bytes));
    cr_expect(ir_elem_bytes(IR_STRING, 3, &bytes) && bytes == 48);
}

Test(ir_base, tables)
{
    cr_expect_str_eq(ir_op_get(IR_OP_SCATTER)->name, "scatter");
    cr_expect(ir_op_is(IR_OP_VIEW, IR_TRAIT_NEST | IR_TRAIT_VIEW));
    cr_expect_not(ir_op_is(IR_OP_MAP, IR_TRAIT_NEST | IR_TRAIT_VIEW));
    cr_expect(ir_op_is_any(IR_OP_MAP, IR_TRAIT_NEST | IR_TRAIT_VIEW));
    cr_expect_not(ir_op_is_any(IR_OP_SOFTMAX, IR_TRAIT_NEST | IR_TRAIT_VIEW));
    cr_expect(ir_x_op_is(IR_X_ATANH, IR_X_FUNCTION) && !ir_x_op_is(IR_X_SQRT, IR_X_FUNCTION));
    cr_expect(ir_x_op_is(IR_X_REM, IR_X_DIVIDES) && !ir_x_op_is(IR_X_REM, IR_X_QUOTIENT));
    cr_expect_eq(ir_op_get((ir_op)1000)->results, 0);
    cr_expect_eq(ir_key_kind(IR_KEY_floats), IR_ATTR_FLOATS);
    cr_expect_str_eq(ir_key_name(IR_KEY_body), "body");
}

Test(ir_base, type_text)
{
    ir_type t = ir_type_make(IR_F16, 2, (ir_dim[]){symbol("batch", 0), D(4)});
    cr_expect_str_eq(ir_type_text(g, &t), "f16[batch, 4]");
    cr_expect_str_eq(ir_type_text(g, &(ir_type){.elem = IR_BOOL}), "bool[]");
    cr_expect_eq(ir_type_count(g, &t), ir_dim_mul(g, D(4), symbol("batch", 0)));
}

Test(ir_base, blob_elements_round_trip)
{
    static const struct {
        ir_elem elem;
        double value;
    } cases[] = {
        {IR_F32, 1.5},  {IR_F64, 0.1}, {IR_F16, -65504}, {IR_F16, 0x1p-24},   {IR_F16, -0x1.8p-15},
        {IR_BF16, 3.0}, {IR_F16, 1},   {IR_F16, 0},      {IR_BF16, 0x1p-130},
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

Test(ir_base, blob_decodes_float8)
{
    static const struct {
        ir_elem elem;
        unsigned char bits;
        double value;
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
