/* Contents that are known while a graph is built. */

#include "tests/unit/graph_fixture.h"

TestSuite(ir_content, .init = graph_begin, .fini = fixture_end);

/* ---- contents ---- */

Test(ir_content, constants_are_read_when_asked)
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

Test(ir_content, large_and_unknown_tensors_have_no_content)
{
    int64_t many[65] = {0};
    size_t n;
    cr_expect_null(ir_content(g, ints(65, many), &n));
    cr_expect_null(ir_content(g, INPUT(IR_I64, D(2)), &n));
    cr_expect_null(ir_content(g, IR_NONE, &n));
    cr_expect_not_null(ir_content(g, ints(0, many), &n));
    cr_expect_eq(n, 0);
}

Test(ir_content, shape_gather_unsqueeze_concat_reshape)
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

Test(ir_content, gather_wraps_negative_indices)
{
    EXPECT_INTS(gather(INTS(10, 11, 12), INTS(-1, 0)), 12, 10);
    expect_valid();
}

Test(ir_content, a_gather_out_of_range_stays_a_node)
{
    size_t n;
    cr_expect_null(ir_content(g, gather(INTS(10, 11), INTS(2, 0)), &n));
    cr_expect_null(ir_content(g, gather(INTS(10), INTS(1, 0)), &n), "the fault must remain");
    expect_valid();
}

Test(ir_content, arithmetic_over_dims)
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

Test(ir_content, contents_pass_through_views)
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

Test(ir_content, a_view_of_a_known_element_keeps_the_element_type)
{
    ir_value half = ir_const_ints(&b, IR_F16, 1, (int64_t[]){1}, (int64_t[]){2});
    ir_dim s = symbol("s", 0);
    ir_value y = ir_expand(&b, half, 1, &s);
    cr_expect_str_eq(text_of(y), "f16[s]");
    cr_expect_eq(node_of(y)->noperands, 0);
    expect_valid();
}

Test(ir_content, one_known_element_is_read_without_a_load)
{
    ir_value x = INPUT(IR_F32, symbol("s", 0)), two = ir_scalar_const(&b, IR_F32, 2);
    ir_value y = binary(IR_X_MUL, x, two);
    cr_expect_eq(node_of(y)->noperands, 1);
    cr_expect_eq(binary(IR_X_ADD, y, ir_scalar_const(&b, IR_F32, 0)) != IR_NONE, true);
    expect_valid();
}

Test(ir_content, reductions_of_contents)
{
    int64_t dims[2] = {2, 3}, values[6] = {1, 2, 3, 4, 5, 6};
    ir_value m = ir_const_ints(&b, IR_I64, 2, dims, values);
    static const struct {
        const char *kind;
        int64_t rows[2];
    } cases[] = {
        {"sum", {6, 15}},
        {"prod", {6, 120}},
        {"max", {3, 6}},
        {"min", {1, 4}},
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

Test(ir_content, nests_over_known_elements_need_no_operands)
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

Test(ir_content, a_product_of_dims_is_a_dim)
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

Test(ir_content, scatter_over_contents)
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

Test(ir_content, stores_round_contents)
{
    ir_value x = ir_cast(&b, ir_scalar_const(&b, IR_F32, 0x1.0002p0), IR_F16);
    size_t n;
    double f;
    const ir_expr *content = ir_content(g, x, &n);
    cr_assert(content && ir_x_is_const(g, content[0], NULL, &f));
    cr_expect_eq(f, 1);
    EXPECT_INTS(ir_cast(&b, INTS(300, -1), IR_U8), 44, 255);
}

Test(ir_content, long_chains_of_scalars_stay_nodes)
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

Test(ir_content, values_check_their_number)
{
    ir_dim two = D(2);
    ir_expr e[2] = {ir_x_int(g, IR_I64, 1), ir_x_int(g, IR_I64, 2)};
    cr_expect_eq(ir_values(&b, IR_I64, 1, &two, e, 1), IR_NONE);
    EXPECT_INTS(ir_values(&b, IR_I64, 1, &two, e, 2), 1, 2);
}

Test(ir_content, constants_check_their_bytes)
{
    ir_type t = ir_type_make(IR_F32, 1, (ir_dim[]){D(3)});
    cr_expect_eq(ir_const(&b, &t, &(ir_blob){.bytes = "1234567", .size = 8}), IR_NONE);
    t.dims[0] = symbol("s", 0);
    cr_expect_eq(ir_const(&b, &t, &(ir_blob){.bytes = "1234567", .size = 8}), IR_NONE);
    cr_expect_eq(ir_const_ints(&b, IR_I64, 2, (int64_t[]){INT64_MAX, 3}, NULL), IR_NONE);
}
