/* Reading producers at indices: through reshapes, views, maps and concats. */
#include "tests/unit/graph_fixture.h"

TestSuite(element, .init = graph_begin, .fini = fixture_end);

static const ir_rewrite plain;

static ir_expr element_of(ir_value v)
{
    ir_expr idx[IR_MAX_RANK];
    for (int i = 0; i < ir_type_of(g, v)->rank; i++) idx[i] = ir_x_index(g, i);
    return ir_element(g, node_of(v), idx, &plain);
}

/* An operand's element is 1000 times the operand's number, plus its place in steps of 10. */
static bool load_place(void *ctx, int operand, const int64_t *idx, int n, ir_scalar_value *out)
{
    (void)ctx;
    *out = (ir_scalar_value){.i = 0};
    for (int i = 0; i < n; i++) out->i = out->i * 10 + idx[i];
    out->i += 1000 * operand;
    return true;
}

static int64_t at(ir_expr e, int64_t i, int64_t k)
{
    const ir_x_env env = {.index = (int64_t[]){i, k}, .load = load_place};
    ir_scalar_value v = {0};
    cr_assert(ir_x_eval(g, e, &env, &v));
    return v.i;
}

Test(element, a_reshape_counts_the_same_elements)
{
    ir_value x = INPUT(IR_I64, D(2), D(1), D(6)), y = ir_reshape(&b, x, 2, (ir_dim[]){D(3), D(4)});
    ir_expr e = element_of(y);
    for (int i = 0; i < 12; i++) cr_expect_eq(at(e, i / 4, i % 4), i / 6 * 100 + i % 6, "%d", i);
}

Test(element, merging_needs_no_division)
{
    ir_dim s = symbol("s", 1), to[] = {s, D(1), D(3), D(4)}, other[] = {D(4), s, D(3)};
    ir_expr i0 = ir_x_index(g, 0), i2 = ir_x_index(g, 2), i3 = ir_x_index(g, 3);
    ir_expr idx[] = {i0, ir_x_index(g, 1), i2, i3};
    const ir_type *t = ir_type_of(g, INPUT(IR_F32, s, D(12)));
    cr_assert(ir_reshape_indices(g, t, to, 4, false, idx));
    cr_expect_eq(idx[0], i0);
    cr_expect_eq(idx[1], ir_x_2(g, IR_X_ADD, ir_x_2(g, IR_X_MUL, i2, ir_x_int(g, IR_I64, 4)), i3));
    cr_expect_not(ir_reshape_indices(g, t, other, 3, false, idx), "12 s in another order");
    cr_expect(ir_reshape_indices(g, t, other, 3, true, idx));
}

Test(element, sizes_that_do_not_multiply_to_the_same_tell_nothing)
{
    ir_dim s = symbol("s", 1), u = symbol("u", 1), to[] = {u, D(12)};
    ir_expr idx[] = {ir_x_index(g, 0), ir_x_index(g, 1)};
    const ir_type *t = ir_type_of(g, INPUT(IR_F32, s, D(12)));
    cr_expect_not(ir_reshape_indices(g, t, to, 2, true, idx));
    cr_expect_not(ir_reshape_indices(g, t, to, 1, true, idx), "12 elements are left over");
}

Test(element, a_concat_reads_the_part_that_the_index_falls_into)
{
    ir_value parts[] = {INPUT(IR_I64, D(2), D(3)), INPUT(IR_I64, D(2), D(1)),
                        INPUT(IR_I64, D(2), D(2))};
    ir_expr e = element_of(ir_concat(&b, parts, 3, 1));
    const int64_t want[] = {10, 11, 12, 1010, 2010, 2011};
    for (int i = 0; i < 6; i++) cr_expect_eq(at(e, 1, i), want[i], "%d", i);
    parts[1] = INPUT(IR_I64, D(2), symbol("n", 0));
    cr_expect_eq(element_of(ir_concat(&b, parts, 3, 1)), IR_NONE, "a part may be empty");
}

Test(element, a_map_rounds_and_a_view_moves)
{
    ir_value x = INPUT(IR_F32, D(2), D(3)), half = ir_cast(&b, x, IR_F16);
    ir_expr idx[] = {ir_x_index(g, 0), ir_x_index(g, 1)}, load = ir_x_load(g, IR_F32, 0, idx, 2);
    cr_expect_eq(element_of(half), ir_x_cast(g, load, IR_F16));
    ir_expr turned[] = {idx[1], idx[0]};
    cr_expect_eq(element_of(ir_permute(&b, half, (int[]){1, 0})),
                 ir_x_load(g, IR_F32, 0, turned, 2));
}

Test(element, other_operators_have_none)
{
    ir_value x = INPUT(IR_F32, D(2), D(3));
    cr_expect_eq(element_of(x), IR_NONE);
    for (int op = IR_OP_NONE; op < IR_OP_COUNT; op++)
        cr_expect_eq(ir_op_is(op, IR_TRAIT_POINTWISE),
                     op == IR_OP_MAP || op == IR_OP_VIEW || op == IR_OP_RESHAPE ||
                         op == IR_OP_CONCAT,
                     "%s", ir_op_get(op)->name);
}
