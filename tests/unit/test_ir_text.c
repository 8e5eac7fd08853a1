/* The text form: what is printed parses back to the same text; what is no graph is refused with a
 * place and a message, whatever its bytes; the verifier sees what passes might break. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fixture.h"

TestSuite(ir_text, .init = fixture_begin, .fini = fixture_end);

static const char sample[] =
    "// a comment\n"
    "graph \"sample\" file \"s.onnx\"\n"
    "symbol batch: input [1, 128]\n"
    "symbol \"past + 1\": input [0, 64]\n"
    "symbol n: data [0, inf] bound 4*batch\n"
    "region(%x: f32[batch, 4] \"x\", %flag: bool[]) {\n"
    "  %w: f32[2, 2] \"w\" = const() data=[1.5, -2, inf, nan]\n"
    "  %v: i64[2] = values() dims=[2] body=[dim(2*batch + floordiv(\"past + 1\", 2)), -3]\n"
    "  %m: f32[batch, 4] = map(%x, %w) space=[batch, 4]\n"
    "    body=[t0 = exp($0[i0, i1]); select(lt(t0, $1[0, 1]), t0, 2.5)] @\"node\" from \"Where\"\n"
    "  %f: i64[2, n] = call(%x, _) func=\"nonzero\" syms=[n] ints=[1, -2] floats=[0.5]\n"
    "  %e: f32[batch, 4] = if(%flag)\n"
    "    region() { return %m }\n"
    "    region() { %s: f32[batch, 4] = softmax(%x) axis=1 return %s }\n"
    "  return %e \"out\", %f \"where\"\n"
    "}\n"
    "guard batch = \"past + 1\" or 1 at %m\n";

/* Parses an exact-size heap copy, so that reading past the end is seen by a sanitizer. */
static ir_graph *parse(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, text, size);
    ir_graph *g = ir_parse(&fx.arena, fx.diag, "test.ir", copy, size);
    free(copy);
    return g;
}

static char *print(const ir_graph *g, size_t *size)
{
    char *text = NULL;
    cr_assert_eq(ir_print_text(g, &text, size), LATHE_OK);
    return text;
}

/* The graph's text, after it was parsed and printed again without a change. */
static char *round_trip(const ir_graph *g)
{
    size_t first_size, second_size;
    char *first = print(g, &first_size);
    ir_graph *again = parse(first, first_size);
    cr_assert_not_null(again, "%s\n%s", lathe_diag_get(fx.diag, 0).text, first);
    char *second = print(again, &second_size);
    cr_assert_str_eq(first, second);
    free(second);
    return first;
}

static void expect_failure(const char *text, const char *place, const char *message)
{
    size_t before = lathe_diag_errors(fx.diag);
    cr_assert_null(parse(text, strlen(text)), "%s", text);
    cr_assert_eq(lathe_diag_errors(fx.diag), before + 1);
    lathe_message m = lathe_diag_get(fx.diag, lathe_diag_count(fx.diag) - 1);
    cr_assert_str_eq(m.file, place);
    cr_assert_not_null(strstr(m.text, message), "'%s' has no '%s'", m.text, message);
}

/* ---- round trips ---- */

Test(ir_text, text_is_stable)
{
    ir_graph *g = parse(sample, sizeof sample - 1);
    cr_assert_not_null(g, "%s: %s", lathe_diag_get(fx.diag, 0).file,
                       lathe_diag_get(fx.diag, 0).text);
    free(round_trip(g));
}

Test(ir_text, built_graph)
{
    ir_dim batch = ir_dim_sym(fx.g, ir_sym_new(fx.g, "batch size", IR_SYM_INPUT, 1, 64, IR_NONE));
    ir_type type = ir_type_make(IR_F16, 2, (ir_dim[]){batch, ir_dim_const(fx.g, 8)});
    ir_value x = ir_param(fx.g, 1, &type, "x\n\"quoted\"");
    ir_value bias =
        ir_const_ints(&fx.b, IR_I4, 1, (int64_t[]){8}, (int64_t[]){-8, 7, 0, 1, -1, 2, 3, 4});
    fx.b.name = ir_intern(fx.g, "layer/0");
    fx.b.origin = ir_intern(fx.g, "Add");
    ir_value cast = ir_cast(&fx.b, bias, IR_F16);
    ir_nest n;
    int bad;
    cr_assert(ir_nest_broadcast(&n, &fx.b, (ir_value[]){x, cast}, 2, &bad));
    ir_expr sum = ir_x_2(fx.g, IR_X_ADD, ir_nest_read(&n, x), ir_nest_read(&n, cast));
    ir_value y = ir_nest_map(&n, IR_F16, ir_x_2(fx.g, IR_X_MUL, sum, sum));
    ir_value t = ir_permute(&fx.b, y, (int[]){1, 0});
    ir_output(fx.g,
              ir_reshape(&fx.b, t, 1, (ir_dim[]){ir_dim_mul(fx.g, batch, ir_dim_const(fx.g, 8))}),
              "y");
    ir_output(fx.g, x, "same");
    cr_assert_eq(ir_verify(fx.g), LATHE_OK);
    char *text = round_trip(fx.g);
    cr_assert_not_null(strstr(text, "\"batch size\""));
    cr_assert_not_null(strstr(text, "@\"layer/0\" from \"Add\""));
    cr_assert_not_null(strstr(text, "data=[-8, 7, 0, 1, -1, 2, 3, 4]"));
    free(text);
}

/* An expression of 2^40 nodes as a tree: the text stays short. */
Test(ir_text, shared_expression)
{
    ir_type type = ir_type_make(IR_F64, 0, NULL);
    ir_value x = ir_param(fx.g, 1, &type, "x");
    ir_nest n;
    ir_nest_begin(&n, &fx.b, 0, NULL, 0);
    ir_expr e = ir_nest_read(&n, x);
    for (int i = 0; i < 40; i++) e = ir_x_2(fx.g, IR_X_MUL, e, ir_x_1(fx.g, IR_X_NEG, e));
    ir_output(fx.g, ir_nest_map(&n, IR_F64, e), "y");
    char *text = round_trip(fx.g);
    cr_assert_lt(strlen(text), 2000);
    free(text);
}

Test(ir_text, bytes_of_a_file)
{
    char path[] = "/tmp/lathe_blob_XXXXXX", bytes[300];
    int fd = mkstemp(path);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    cr_assert_eq(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    ir_type type = ir_type_make(IR_U8, 1, (ir_dim[]){ir_dim_const(fx.g, 200)});
    ir_blob blob = {.bytes = bytes + 50, .size = 200, .file = ir_intern(fx.g, path), .offset = 50};
    ir_output(fx.g, ir_const(&fx.b, &type, &blob), "y");
    char *text = round_trip(fx.g);
    cr_assert_not_null(strstr(text, "blob("));
    cr_assert_eq(pwrite(fd, "x", 1, 60), 1);
    cr_assert_null(parse(text, strlen(text)), "changed bytes must be refused");
    cr_assert_eq(ftruncate(fd, 249), 0);
    cr_assert_null(parse(text, strlen(text)), "a shorter file must be refused");
    close(fd);
    unlink(path);
    free(text);
}

/* ---- damaged texts ---- */

Test(ir_text, truncations)
{
    size_t end = strstr(sample, "guard") - sample; /* before it the text may be whole */
    for (size_t n = 0; n < end - 2; n++) cr_assert_null(parse(sample, n), "%.*s", (int)n, sample);
    for (size_t n = end - 1; n < sizeof sample; n++) parse(sample, n);
}

Test(ir_text, damaged_bytes)
{
    uint32_t state = 12345;
    char text[sizeof sample];
    for (int round = 0; round < 3000; round++) {
        memcpy(text, sample, sizeof sample);
        for (int k = 0; k < 3; k++) {
            state = state * 1664525 + 1013904223;
            text[(state >> 8) % (sizeof sample - 1)] = sample[(state >> 20) % (sizeof sample - 1)];
            if (state & 1) text[(state >> 6) % (sizeof sample - 1)] = (char)(state >> 24);
        }
        size_t before = lathe_diag_errors(fx.diag);
        ir_graph *g = parse(text, sizeof sample - 1);
        if (g) free(round_trip(g));
        else cr_assert_gt(lathe_diag_errors(fx.diag), before);
    }
}

static char *repeat(const char *head, const char *unit, size_t n, const char *tail)
{
    size_t h = strlen(head), u = strlen(unit), t = strlen(tail);
    char *text = malloc(h + n * u + t + 1), *at = text;
    memcpy(at, head, h);
    at += h;
    for (size_t i = 0; i < n; i++, at += u) memcpy(at, unit, u);
    memcpy(at, tail, t + 1);
    return text;
}

Test(ir_text, deep_nesting_is_refused)
{
    static const char *const cases[][3] = {
        {"graph \"g\" region(%x: f32[", "(", ""},
        {"graph \"g\" region(%x: f32[", "min(1, ", ""},
        {"graph \"g\" region(%x: f32[]) { %y: f32[] = map(%x) space=[] body=[", "neg(", ""},
        {"graph \"g\" region(%x: bool[]) { ", "%y: f32[] = if(%x) region() { ", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i][0], cases[i][1], 100000, cases[i][2]);
        size_t before = lathe_diag_errors(fx.diag);
        cr_assert_null(parse(text, strlen(text)));
        cr_assert_eq(lathe_diag_errors(fx.diag), before + 1);
        free(text);
    }
}

Test(ir_text, deep_definitions_are_refused)
{
    const char *head =
        "graph \"g\" region(%x: f32[]) { %y: f32[] = map(%x) space=[] body=[t0 = $0[]; ";
    char *text = malloc(strlen(head) + 5000 * 32), *at = text + sprintf(text, "%s", head);
    for (int i = 1; i < 5000; i++) at += sprintf(at, "t%d = exp(t%d); ", i, i - 1);
    sprintf(at, "t4999] return %%y \"y\" }");
    cr_assert_null(parse(text, strlen(text)));
    cr_assert_not_null(strstr(lathe_diag_get(fx.diag, 0).text, "deep"));
    free(text);
}

Test(ir_text, messages)
{
    expect_failure("", "test.ir:1:1", "expected 'graph', found the end");
    expect_failure("graph \"g\"\nregion() {\n  foo() }", "test.ir:3:3",
                   "expected an operator, found 'foo'");
    expect_failure("graph \"g\"\nregion() { return %a \"a\" }", "test.ir:2:19",
                   "%a is not defined here");
    expect_failure("graph \"g\" region(%x: f99[]) { return }", "test.ir:1:22",
                   "expected an element type");
    expect_failure("graph \"g\" region() { return } region", "test.ir:1:31", "expected the end");
    expect_failure("graph \"g\" symbol s: input [3, 2] region() { return }", "test.ir:1:18",
                   "empty");
    expect_failure("graph \"g\" region(%x: f32[99999999999*99999999999]) { return }",
                   "test.ir:1:38", "overflows");
    expect_failure("graph \"a\xff\" \x01", "test.ir:1:12", "unexpected character");
}

/* ---- the verifier ---- */

static ir_graph *verified_sample(void)
{
    ir_graph *g = parse(sample, sizeof sample - 1);
    cr_assert_not_null(g);
    cr_assert_eq(ir_verify(g), LATHE_OK);
    return g;
}

Test(ir_text, verifier_sees_order)
{
    ir_graph *g = verified_sample();
    ir_node_id *nodes = g->blocks[1].nodes, first = nodes[0];
    nodes[0] = nodes[2];
    nodes[2] = first;
    cr_assert_eq(ir_verify(g), LATHE_INTERNAL);
}

Test(ir_text, verifier_sees_types)
{
    ir_graph *g = verified_sample();
    ir_value m = g->nodes[g->blocks[1].nodes[2]].results[0];
    g->values[m].type.dims[1] = ir_dim_const(g, 5);
    cr_assert_eq(ir_verify(g), LATHE_INTERNAL);
}

Test(ir_text, verifier_sees_operands_and_scopes)
{
    ir_graph *g = verified_sample();
    ir_node *branch = &g->nodes[g->blocks[1].nodes[4]];
    ir_value inner = g->blocks[branch->regions[1]].results[0];
    g->blocks[1].results[0] = inner;
    cr_assert_eq(ir_verify(g), LATHE_INTERNAL);
    g = verified_sample();
    g->nodes[g->blocks[1].nodes[2]].noperands = 1;
    cr_assert_eq(ir_verify(g), LATHE_INTERNAL);
}
