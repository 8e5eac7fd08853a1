/* What the checks of a node and the builders of views say of what neither a model nor the text form
 * can write: such nodes are made by hand. */
#include <string.h>

#include "ir/check.h"
#include "tests/unit/graph_fixture.h"

TestSuite(ir_refused, .init = graph_begin, .fini = fixture_end);

/* ---- views and nests ---- */

static void says(ir_value built, const char *text)
{
    size_t n = lathe_diag_count(fx.diag);
    cr_assert_eq(built, IR_NONE);
    cr_assert_gt(n, 0);
    const char *found = lathe_diag_get(fx.diag, n - 1).text;
    cr_expect(strstr(found, text), "expected '%s', found '%s'", text, found);
}

Test(ir_refused, views)
{
    ir_dim many[13];
    for (int i = 0; i < 13; i++) many[i] = D(1);
    ir_value x = INPUT(IR_F32, D(2), D(3));
    says(ir_permute(&b, x, (int[]){0, 0}),
         "axis 0 of f32[2, 3] cannot be moved: it is not there, or named twice");
    says(ir_expand(&b, x, 13, many),
         "axis 12 of f32[2, 3] cannot be made: it is beyond the largest rank");
    says(ir_unsqueeze(&b, x, 3), "axis 3 of f32[2, 3] cannot be made: it is beyond the rank");
    says(ir_squeeze(&b, x, 1), "axis 1 of f32[2, 3] cannot be removed: its size is not 1");
}

Test(ir_refused, nests)
{
    ir_dim many[21];
    ir_nest n;
    for (int i = 0; i < 21; i++) many[i] = D(1);
    ir_nest_begin(&n, &b, 21, many, 0);
    says(ir_nest_map(&n, IR_F32, ir_x_num(g, IR_F32, 1)),
         "21 axes to iterate over, expected at most 20");
}

/* ---- nodes ---- */

static void wrong(ir_op op, ir_value operand, const ir_attr *attrs, uint32_t nattrs,
                  const char *text)
{
    ir_value result = 1;
    ir_node n = {.op = op,
                 .block = 1,
                 .noperands = operand != IR_NONE,
                 .nresults = 1,
                 .nattrs = nattrs,
                 .operands = &operand,
                 .results = &result,
                 .attrs = (ir_attr *)(uintptr_t)attrs};
    const char *found = ir_check_node(g, &n);
    cr_assert_not_null(found);
    cr_expect(strstr(found, text), "expected '%s', found '%s'", text, found);
}

Test(ir_refused, counts_and_attributes)
{
    ir_dim dims[13] = {IR_NONE};
    ir_value x = INPUT(IR_F32, D(2), D(3));
    const ir_attr nameless = {.key = IR_KEY_NONE};
    wrong(IR_OP_SOFTMAX, IR_NONE, NULL, 0, "0 operands, expected 1");
    wrong(IR_OP_SOFTMAX, 9999, NULL, 0, "operand 0 is no value of the graph");
    wrong(IR_OP_SOFTMAX, x, &nameless, 1, "attribute 0 has no name");
    ir_attr a = ir_a_dims(g, IR_KEY_dims, dims, 1);
    wrong(IR_OP_RESHAPE, x, &a, 1, "attribute dims has an unknown size");
    for (int i = 0; i < 13; i++) dims[i] = D(1);
    a = ir_a_dims(g, IR_KEY_dims, dims, 13);
    wrong(IR_OP_RESHAPE, x, &a, 1, "a result of 13 axes, expected at most 12");
    ir_node n = {.op = IR_OP_VALUES, .block = 1};
    cr_expect(strstr(ir_check_node(g, &n), "0 results, expected 1"));
}

/* A map over `rank` axes of size 1 with this expression. */
static void wrong_map(ir_value x, int rank, ir_expr e, const char *text)
{
    ir_dim dims[21];
    for (int i = 0; i < rank; i++) dims[i] = D(1);
    const ir_attr attrs[] = {ir_a_dims(g, IR_KEY_space, dims, (size_t)rank),
                             ir_a_exprs(g, IR_KEY_body, &e, 1), ir_a_str(g, IR_KEY_elem, "f32")};
    wrong(IR_OP_MAP, x, attrs, 3, text);
}

Test(ir_refused, bodies)
{
    ir_value x = INPUT(IR_F32, D(1), D(1));
    ir_expr at[] = {ir_x_index(g, 0), ir_x_index(g, 1)}, one = ir_x_num(g, IR_F32, 1);
    wrong_map(x, 21, one, "a space of 21 axes, expected at most 20");
    wrong_map(x, 13, one, "a result of 13 axes, expected at most 12");
    wrong_map(x, 2, IR_NONE, "expression 0 of the body is missing");
    wrong_map(x, 2, ir_x_load(g, IR_F32, 3, at, 2), "$3 is loaded, but that operand is absent");
    wrong_map(x, 2, ir_x_load(g, IR_F32, 0, at, 1), "$0 has 1 indices, expected 2");
    wrong_map(x, 2, ir_x_load(g, IR_F64, 0, at, 2), "$0 is loaded as f64, expected f32");
}
