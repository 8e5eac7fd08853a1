/* Building graphs: nodes, nests with broadcasting and guards, views, editing. */
#include <string.h>

#include "tests/unit/graph_fixture.h"

TestSuite(ir_build, .init = graph_begin, .fini = fixture_end);

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

Test(ir_build, of_two_sizes_that_a_run_decides_either_may_be_one)
{
    ir_dim s = symbol("s", 0), t = symbol("t", 0), a, c;
    ir_value sum = binary(IR_X_ADD, INPUT(IR_F32, s), INPUT(IR_F32, t));
    ir_dim met = ir_type_of(g, sum)->dims[0];
    cr_expect(ir_dims_met(g, met, &a, &c) && a + c == s + t && (a == s || c == s));
    const int64_t sizes[][3] = {{3, 3, 3}, {1, 3, 3}, {3, 1, 3}, {0, 1, 0}, {1, 0, 0}, {1, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t syms[3] = {0, sizes[i][0], sizes[i][1]}, result;
        cr_expect(ir_dim_eval(g, met, syms, &result) && result == sizes[i][2]);
    }
    cr_assert_eq(g->nguards, 2);
    cr_expect(g->guards[0].or_one && g->guards[1].or_one);
    expect_valid();
}

Test(ir_build, an_expansion_by_one_keeps_the_dim_and_is_checked)
{
    ir_dim s = symbol("s", 0);
    ir_value x = INPUT(IR_F32, D(3), D(4));
    cr_expect_eq(ir_expand(&b, x, 2, (ir_dim[]){s, D(1)}), x);
    cr_assert_eq(g->nguards, 1);
    cr_expect_eq(g->guards[0].a, D(3));
    cr_expect_eq(g->guards[0].b, s);
    cr_expect(g->guards[0].or_one);
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
