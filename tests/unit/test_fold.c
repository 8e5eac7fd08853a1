/* fold with an evaluator: what depends on constants alone is computed by compiled code, or left. */
#include <stdlib.h>
#include <string.h>

#include "codegen/evaluate/evaluate.h"
#include "passes/pass.h"
#include "tests/unit/graph_fixture.h"

static int calls;

static lathe_status evaluate(void *ctx, ir_graph *graph, const ir_blob *in, void *const *out)
{
    const pass_options plain = {.level = 0};
    (void)ctx;
    calls++;
    TRY(pass_run_all(graph, &plain, fx.diag));
    TRY(ir_verify(graph));
    return cg_evaluate(graph, in, out, fx.diag);
}

static void begin(void)
{
    graph_begin();
    calls = 0;
}

TestSuite(fold, .init = begin, .fini = fixture_end);

static void run(ir_graph *graph, int expected_calls)
{
    const pass_options options = {.level = 2, .verify = true, .evaluate = evaluate};
    lathe_status s = pass_run_named(graph, "fold,dce", &options, fx.diag);
    cr_assert_eq(s, LATHE_OK, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_expect_eq(lathe_diag_errors(fx.diag), 0, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_expect_eq(calls, expected_calls, "%d calls", calls);
}

/* The nodes between the first line of the body and its return. */
static void expect(const char *before, const char *after, int expected_calls)
{
    const char *text = ir_format(&fx.arena, "graph \"t\"\n%s", before);
    ir_graph *graph = ir_parse(&fx.arena, fx.diag, "t.ir", text, strlen(text));
    cr_assert_not_null(graph, "%s", lathe_diag_get(fx.diag, 0).text);
    run(graph, expected_calls);
    char *got;
    size_t size;
    cr_assert_eq(ir_print_text(graph, &got, &size), LATHE_OK);
    const char *wanted = ir_format(&fx.arena, "graph \"t\"\n%s", after);
    cr_expect_str_eq(got, wanted, "got:\n%s", got);
    free(got);
}

Test(fold, a_subgraph_becomes_its_result)
{
    expect("region() {\n"
           "  %a: f32[2, 2] = const() data=[0, 0, 0, 0]\n"
           "  %i: i64[2] = const() data=[1, -1]\n"
           "  %e: f32[2, 2] = map(%a) space=[2, 2] body=[exp($0[i0, i1])]\n"
           "  %s: f32[2] = reduce(%e) space=[2, 2] nred=1 body=[$0[i0, i1]] kind=\"sum\"\n"
           "  %g: f32[2] = map(%s, %i) space=[2] body=[$0[check($1[i0], 2)]]\n"
           "  return %g \"g\"\n}\n",
           "region() {\n"
           "  %0: f32[2] = const() data=[2.0, 2.0]\n"
           "  return %0 \"g\"\n}\n",
           1);
}

Test(fold, a_fault_is_left_to_the_run)
{
    expect("region() {\n"
           "  %a: f32[2] = const() data=[0, 0]\n"
           "  %i: i64[2] = const() data=[1, 2]\n"
           "  %g: f32[2] = map(%a, %i) space=[2] body=[$0[check($1[i0], 2)]]\n"
           "  %e: f32[2] = map(%a) space=[2] body=[exp($0[i0])]\n"
           "  return %g \"g\", %e \"e\"\n}\n",
           "region() {\n"
           "  %0: f32[2] = const() data=[0.0, 0.0]\n"
           "  %1: i64[2] = const() data=[1, 2]\n"
           "  %2: f32[2] = map(%0, %1) space=[2] body=[$0[check($1[i0], 2)]]\n"
           "  %3: f32[2] = const() data=[1.0, 1.0]\n"
           "  return %2 \"g\", %3 \"e\"\n}\n",
           2);
}

Test(fold, what_grows_stays_and_reads_what_does_not)
{
    expect("region() {\n"
           "  %a: f32[2] = const() data=[0, 0]\n"
           "  %e: f32[2] = map(%a) space=[2] body=[exp($0[i0])]\n"
           "  %w: f32[8192, 2] = map(%e) space=[8192, 2] body=[exp(mul($0[i1], cast(i0, f32)))]\n"
           "  %x: f32[8193, 2] = map(%e) space=[8193, 2] body=[exp(mul($0[i1], cast(i0, f32)))]\n"
           "  %r: f32[2] = reduce(%w) space=[2, 8192] nred=1 body=[$0[i1, i0]] kind=\"min\"\n"
           "  return %x \"x\", %r \"r\"\n}\n",
           "region() {\n"
           "  %0: f32[2] = const() data=[1.0, 1.0]\n"
           "  %1: f32[8193, 2] = map(%0) space=[8193, 2] body=[exp(mul($0[i1], cast(i0, f32)))]\n"
           "  %2: f32[2] = const() data=[1.0, 1.0]\n"
           "  return %1 \"x\", %2 \"r\"\n}\n",
           1);
}

Test(fold, codes_stay_codes)
{
    static const char same[] =
        "region() {\n"
        "  %0: u8[2, 2] = const() data=[1, 2, 3, 4]\n"
        "  %1: f32[2] = const() data=[0.5, 2.0]\n"
        "  %2: f32[2, 2] = map(%0, %1) space=[2, 2] body=[mul(exp(cast($0[i0, i1], f32)), "
        "$1[i1])]\n"
        "  %3: f32[2] = reduce(%2) space=[2, 2] nred=1 body=[exp($0[i0, i1])] kind=\"sum\"\n"
        "  return %3 \"r\"\n}\n";
    expect(same, same, 0);
}

Test(fold, sizes_of_the_run_stay)
{
    static const char same[] =
        "symbol s: input [1, 8]\n"
        "region(%0: f32[s] \"x\") {\n"
        "  %1: f32[2] = const() data=[0.5, 2.0]\n"
        "  %2: f32[2] = map(%1) space=[2] body=[exp(add($0[i0], cast(dim(s), f32)))]\n"
        "  %3: f32[s, 2] = map(%1) space=[s, 2] body=[exp($0[i1])]\n"
        "  return %2 \"a\", %3 \"b\", %0 \"c\"\n}\n";
    expect(same, same, 0);
}

Test(fold, what_costs_nothing_to_read_stays)
{
    static const char same[] = "region() {\n"
                               "  %0: f32[2] = const() data=[0.5, 2.0]\n"
                               "  %1: f32[40, 2] = view(%0) space=[40, 2] body=[$0[i1]]\n"
                               "  %2: f32[100] = map() space=[100] body=[cast(i0, f32)]\n"
                               "  return %1 \"a\", %2 \"b\"\n}\n";
    expect(same, same, 0);
}

Test(fold, nothing_to_do_asks_nobody)
{
    static const char same[] = "region(%0: f32[2] \"x\") {\n"
                               "  %1: f32[2] = map(%0) space=[2] body=[exp($0[i0])]\n"
                               "  return %1 \"a\"\n}\n";
    expect(same, same, 0);
}

/* exp of 128 KB of zeros. */
static ir_value large(ir_value *result)
{
    static const float zeros[32768];
    ir_type t = ir_type_make(IR_F32, 1, (ir_dim[]){D(32768)});
    ir_value v = ir_const(&b, &t, &(ir_blob){.bytes = zeros, .size = sizeof zeros});
    ir_nest n;
    ir_nest_begin(&n, &b, 1, t.dims, 0);
    *result = ir_nest_map(&n, IR_F32, ir_x_1(g, IR_X_EXP, ir_nest_read(&n, v)));
    ir_output(g, *result, "e");
    return v;
}

Test(fold, a_large_constant_makes_room_for_one_as_large)
{
    ir_value e;
    large(&e);
    run(g, 1);
    const ir_node *n = node_of(g->blocks[1].results[0]);
    cr_assert_eq(n->op, IR_OP_CONST);
    const float *got = ir_attr_find(n, IR_KEY_data)->u.blob.bytes;
    for (int i = 0; i < 32768; i++) cr_assert_eq(got[i], 1.0f);
}

Test(fold, a_large_constant_that_stays_makes_none)
{
    ir_value e, v = large(&e);
    ir_output(g, v, "v");
    run(g, 0);
    cr_expect_eq(node_of(g->blocks[1].results[0])->op, IR_OP_MAP);
}

Test(fold, a_large_constant_makes_room_only_once)
{
    ir_value e, v = large(&e);
    ir_nest n;
    ir_nest_begin(&n, &b, 1, ir_type_of(g, v)->dims, 0);
    ir_value l = ir_nest_map(&n, IR_F32, ir_x_1(g, IR_X_LOG, ir_nest_read(&n, v)));
    ir_output(g, l, "l");
    run(g, 0);
    cr_expect_eq(node_of(g->blocks[1].results[0])->op, IR_OP_MAP);
    cr_expect_eq(node_of(g->blocks[1].results[1])->op, IR_OP_MAP);
}
