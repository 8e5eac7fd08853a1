/* A node that passes made of several stands for all of them. */
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"
#include "tests/unit/graph_fixture.h"

TestSuite(origins, .init = graph_begin, .fini = fixture_end);

static ir_graph *parse(const char *body)
{
    const char *text = ir_format(&fx.arena, "graph \"t\"\n%s", body);
    ir_graph *graph = ir_parse(&fx.arena, fx.diag, "t.ir", text, strlen(text));
    cr_assert_not_null(graph, "%s", lathe_diag_get(fx.diag, 0).text);
    return graph;
}

/* "name op, name op" of the node that makes the graph's first result. */
static const char *after(ir_graph *graph, const char *passes)
{
    const pass_options options = {.level = 2, .verify = true};
    cr_assert_eq(pass_run_named(graph, passes, &options, fx.diag), LATHE_OK);
    ir_node_id id = graph->values[graph->blocks[1].results[0]].def;
    ir_origin *list;
    size_t n = ir_origins_list(graph, ir_origins_of(graph, id), &fx.arena, &list);
    const char *text = "";
    for (size_t i = 0; i < n; i++)
        text = ir_format(&fx.arena, "%s%s%s %s", text, i ? ", " : "", ir_text(graph, list[i].name),
                         ir_text(graph, list[i].op));
    return text;
}

Test(origins, of_a_chain_of_maps)
{
    ir_graph *graph =
        parse("region(%x: f32[4] \"x\") {\n"
              "  %a: f32[4] = map(%x) space=[4] body=[exp($0[i0])] @\"a\" from \"Exp\"\n"
              "  %b: f32[4] = map(%a) space=[4] body=[neg($0[i0])] @\"b\" from \"Neg\"\n"
              "  %c: f32[4] = map(%b) space=[4] body=[sqrt($0[i0])] @\"c\" from \"Sqrt\"\n"
              "  return %c \"y\"\n}\n");
    cr_expect_str_eq(after(graph, "fuse_maps"), "a Exp, b Neg, c Sqrt");
}

Test(origins, of_equal_nodes)
{
    ir_graph *graph = parse(
        "region(%x: f32[4] \"x\") {\n"
        "  %a: f32[4] = map(%x) space=[4] body=[exp($0[i0])] @\"a\" from \"Exp\"\n"
        "  %b: f32[4] = map(%x) space=[4] body=[exp($0[i0])] @\"b\" from \"Exp\"\n"
        "  %c: f32[4] = map(%a, %b) space=[4] body=[add($0[i0], $1[i0])] @\"c\" from \"Add\"\n"
        "  return %a \"y\", %c \"z\"\n}\n");
    cr_expect_str_eq(after(graph, "cse"), "a Exp, b Exp");
}

/* What a replacement still reads is no part of it, however it was computed. */
Test(origins, are_not_those_of_operands)
{
    ir_graph *graph =
        parse("region(%x: f32[4] \"x\") {\n"
              "  %a: f32[4] = map(%x) space=[4] body=[exp($0[i0])] @\"a\" from \"Exp\"\n"
              "  %s: f32[1] = reduce(%a) space=[1, 4] nred=1 body=[$0[i1]] "
              "kind=\"sum\" @\"s\" from \"ReduceSum\"\n"
              "  %b: f32[4] = map(%a, %s) space=[4] body=[div($0[i0], $1[0])] @\"b\" "
              "from \"Div\"\n"
              "  %c: f32[4] = map(%b) space=[4] body=[neg($0[i0])] @\"c\" from \"Neg\"\n"
              "  return %c \"y\"\n}\n");
    cr_expect_str_eq(after(graph, "fuse_maps"), "b Div, c Neg");
}

Test(origins, are_listed_once_whichever_way_they_were_joined)
{
    ir_graph *graph =
        parse("region(%x: f32[4] \"x\") {\n"
              "  %a: f32[4] = map(%x) space=[4] body=[exp($0[i0])] @\"a\" from \"Exp\"\n"
              "  %b: f32[4] = map(%a) space=[4] body=[neg($0[i0])] @\"b\" from \"Neg\"\n"
              "  return %b \"y\"\n}\n");
    uint32_t a = ir_origins_of(graph, 1), n = ir_origins_of(graph, 2),
             ab = ir_origins_join(graph, a, n);
    ir_origin *list;
    cr_expect_eq(ir_origins_join(graph, 0, a), a);
    cr_expect_eq(ir_origins_join(graph, a, a), a);
    uint32_t all =
        ir_origins_join(graph, ir_origins_join(graph, ab, a), ir_origins_join(graph, n, ab));
    cr_expect_eq(ir_origins_list(graph, all, &fx.arena, &list), 2);
    cr_expect_eq(ir_origins_list(graph, 0, &fx.arena, &list), 0);
}
