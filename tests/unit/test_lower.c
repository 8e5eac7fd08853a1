/* Lowering: slots, sharing of memory and kernels, lifetimes, steps of each kind, refusals. How a
 * size is computed is in the golden files program_*. */
#include <criterion/criterion.h>
#include <string.h>

#include "codegen/program.h"
#include "passes/pass.h"
#include "tests/unit/fixture.h"

static cg_program *p;

static lathe_status try_lower(const char *text)
{
    fx.g = ir_parse(&fx.arena, fx.diag, "test.ir", text, strlen(text));
    if (!fx.g) {
        char line[500];
        lathe_message m = lathe_diag_get(fx.diag, 0);
        lathe_diag_format(&m, line, sizeof line);
        cr_log_error("%s", line);
        return LATHE_BAD_INPUT;
    }
    pass_products(fx.g, NULL, fx.diag);
    TRY(cg_lower(fx.g, "m", 2, false, cg_encoded_decodes, &p));
    return cg_program_verify(p, fx.diag);
}

static void lower(const char *text) { cr_assert_eq(try_lower(text), LATHE_OK); }

/* A transpose: reads all of its operand in another order. */
#define TURN(to, from)                                                                             \
    "  %" #to ": f32[2, 2] = map(%" #from ") space=[2, 2] body=[add($0[i1, i0], 1.0)]\n"

static uint32_t number(uint32_t list, uint32_t i) { return p->u32s[list + i]; }
static uint32_t buf(uint32_t step, uint32_t i) { return number(p->steps[step].args, i); }

TestSuite(lower, .init = fixture_begin, .fini = fixture_end);

#define HEAD "graph \"t\" file \"t.onnx\"\n"
#define RELU(to, from, dims)                                                                       \
    "  %" #to ": f32[" dims "] = map(%" #from ") space=[" dims "] body=[max($0[i0, i1], 0.0)]\n"
#define TWICE(to, from, dims)                                                                      \
    "  %" #to ": f32[" dims "] = map(%" #from ") space=[" dims                                     \
    "] body=[add($0[i0, i1], $0[i0, i1])]\n"

Test(lower, dims_are_computed_by_the_dim_program)
{
    lower(HEAD "symbol s: input [0, inf]\nsymbol t: input [0, inf]\n"
               "region(%0: f32[s, t] \"x\", %1: f32[2*s*t + floordiv(s, 3) - 5, max(s, mod(t, 4))] "
               "\"y\") {\n" RELU(
                   2, 1, "2*s*t + floordiv(s, 3) - 5, max(s, mod(t, 4))") "  return %2 \"z\"\n}\n");
    const lathe_io *y = &p->inputs[1];
    cr_assert_eq(p->n_free, 2);
    cr_expect_str_eq(p->strings + p->syms[0].name, "s");
    cr_expect_str_eq(p->strings + y->name, "y");
    cr_expect_neq(p->dims[number(y->dims, 0)].imm, 0, "a derived dim has a text");
    cr_expect_str_eq(p->strings + p->dims[number(y->dims, 1)].imm, "max(s, mod(t, 4))");
    cr_expect_eq(number(p->outputs[0].dims, 0), number(y->dims, 0), "equal dims share a slot");
    for (size_t i = 0; i < p->ndims; i++) {
        if (p->dims[i].op <= LATHE_DIM_SYM) continue;
        cr_expect(p->dims[i].a < i && p->dims[i].b < i);
    }
}

Test(lower, layers_share_kernels)
{
    lower(HEAD "symbol s: input [0, inf]\nsymbol t: input [0, inf]\n"
               "region(%0: f32[s, 8] \"x\", %1: f32[t, 8] \"y\", %2: f32[t, t] \"z\") {\n" RELU(
                   3, 0, "s, 8") RELU(4, 1, "t, 8") RELU(5, 4, "t, 8")
                   RELU(6, 2, "t, t") "  return %3 \"a\", %5 \"b\", %6 \"c\"\n}\n");
    cr_assert_eq(p->nsteps, 4);
    cr_expect_eq(p->nkernels, 2, "one for [p, 8], one for [p, p]");
    cr_expect_eq(p->steps[0].func, p->steps[1].func);
    cr_expect_eq(p->steps[1].func, p->steps[2].func);
    cr_expect_neq(p->steps[2].func, p->steps[3].func);
    cr_expect_eq(p->steps[0].ndims, 1);
    cr_expect_neq(number(p->steps[0].args, 2), number(p->steps[1].args, 2), "their sizes differ");
}

Test(lower, reshapes_and_identity_views_are_no_copies)
{
    lower(HEAD "symbol s: input [0, inf]\n"
               "region(%0: f32[s, 6] \"x\") {\n" RELU(
                   1, 0, "s, 6") "  %2: f32[6*s] = reshape(%1) dims=[6*s]\n"
                                 "  %3: f32[s, 1, 6] = view(%1) space=[s, 1, 6] body=[$0[i0, i2]]\n"
                                 "  %4: f32[6, s] = view(%1) space=[6, s] body=[$0[i1, i0]]\n"
                                 "  %5: f32[6*s] = map(%2, %3) space=[6*s] body=[add($0[i0], "
                                 "$1[floordiv(i0, 6), 0, mod(i0, 6)])]\n"
                                 "  return %5 \"a\", %4 \"b\"\n}\n");
    cr_assert_eq(p->nsteps, 3, "relu, the transposing copy, add");
    uint32_t relu = buf(0, 1);
    cr_expect_eq(buf(1, 0), relu);
    cr_expect_neq(buf(1, 1), relu);
    cr_expect_eq(buf(2, 0), relu);
    cr_expect_eq(buf(2, 1), relu);
    cr_expect_eq(p->bufs[relu].kind, LATHE_BUF_ARENA);
    cr_expect_eq(p->bufs[relu].last, 2);
}

Test(lower, a_prefix_shares_memory_but_is_no_output_by_itself)
{
    lower(HEAD "region(%0: f32[4, 6] \"x\") {\n" RELU(
        1, 0, "4, 6") "  %2: f32[2, 6] = view(%1) space=[2, 6] body=[$0[i0, i1]]\n"
                      "  %3: f32[2, 6] = view(%1) space=[2, 6] body=[$0[add(i0, 2), i1]]\n"
                      "  return %2 \"a\", %3 \"b\"\n}\n");
    cr_assert_eq(p->nsteps, 3);
    cr_expect_eq(p->steps[0].kind, LATHE_STEP_KERNEL);
    cr_expect_eq(p->steps[1].kind, LATHE_STEP_KERNEL, "the part at an offset is copied");
    cr_expect_eq(buf(1, 1), p->outputs[1].buffer);
    cr_expect_eq(p->steps[2].kind, LATHE_STEP_COPY);
    cr_expect_eq(buf(2, 0), buf(0, 1));
    cr_expect_eq(buf(2, 1), p->outputs[0].buffer);
    cr_expect_eq(p->dims[p->steps[2].range].imm, 2 * 6 * 4);
}

Test(lower, producers_write_outputs)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n" RELU(1, 0, "2, 2")
              TWICE(2, 1, "2, 2") "  %3: f32[4] = reshape(%1) dims=[4]\n"
                                  "  return %3 \"a\", %2 \"b\", %1 \"c\", %0 \"d\"\n}\n");
    cr_assert_eq(p->noutputs, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(p->bufs[p->outputs[i].buffer].kind, LATHE_BUF_OUTPUT);
        cr_expect_eq(p->bufs[p->outputs[i].buffer].index, i);
    }
    cr_expect_eq(buf(0, 1), p->outputs[0].buffer, "through the reshape");
    cr_expect_eq(buf(1, 0), p->outputs[0].buffer, "read back by the next node");
    cr_expect_eq(buf(1, 1), p->outputs[1].buffer);
    cr_assert_eq(p->nsteps, 4, "two copies: the second use of a value, and an input");
    cr_expect_eq(buf(2, 1), p->outputs[2].buffer);
    cr_expect_eq(buf(3, 0), p->inputs[0].buffer);
    cr_expect_eq(buf(3, 1), p->outputs[3].buffer);
}

Test(lower, constants_are_aligned_and_equal_bytes_are_stored_once)
{
    fx.g = ir_graph_new(&fx.arena, fx.diag, "t", "t.onnx");
    fx.b = (ir_builder){.g = fx.g, .block = 1};
    static const float numbers[200];
    const ir_dim dims[] = {ir_dim_const(fx.g, 100)};
    const ir_type t = ir_type_make(IR_F32, 1, dims);
    const ir_blob blobs[] = {
        {numbers, 400, IR_NONE, 0}, {numbers + 100, 400, IR_NONE, 0}, {numbers, 400, IR_NONE, 0}};
    ir_nest n;
    ir_nest_begin(&n, &fx.b, 1, dims, 0);
    ir_expr sum = ir_x_num(fx.g, IR_F32, 0);
    for (int i = 0; i < 3; i++)
        sum = ir_x_2(fx.g, IR_X_ADD, ir_nest_read(&n, ir_const(&fx.b, &t, &blobs[i])), sum);
    ir_output(fx.g, ir_nest_map(&n, IR_F32, sum), "y");
    cr_assert_eq(cg_lower(fx.g, "m", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    cr_assert_eq(p->nweights, 2);
    cr_expect_eq(p->weights[0].offset, 0);
    cr_expect_eq(p->weights[1].offset, 448);
    cr_expect_eq(p->weights_size, 896);
    cr_expect_eq(buf(0, 0), buf(0, 2));
    cr_expect_neq(buf(0, 0), buf(0, 1));
}

Test(lower, buffers_live_from_first_to_last_use)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n" RELU(1, 0, "2, 2") TURN(2, 1) TURN(
        3, 2) "  %4: f32[2, 2] = map(%1, %3) space=[2, 2] body=[add($0[i0, i1], $1[i1, i0])]\n"
              "  return %4 \"a\"\n}\n");
    const lathe_buf *a = &p->bufs[buf(0, 1)], *b = &p->bufs[buf(1, 1)], *c = &p->bufs[buf(2, 1)];
    cr_expect(a->first == 0 && a->last == 3);
    cr_expect(b->first == 1 && b->last == 2);
    cr_expect(c->first == 2 && c->last == 3);
}

Test(lower, a_map_takes_over_what_nobody_reads_afterwards)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n" RELU(1, 0, "2, 2") RELU(2, 1, "2, 2")
              TURN(3, 2) "  %4: f32[2, 2] = map(%3, %2) space=[2, 2] body=[add($0[i0, i1], $1[i0, "
                         "i1])]\n" TURN(5, 4) "  return %5 \"a\"\n}\n");
    cr_expect_eq(buf(1, 1), buf(0, 1), "relu of relu");
    cr_expect_neq(buf(2, 1), buf(1, 1), "a transpose reads elsewhere");
    cr_expect_eq(buf(3, 2), buf(2, 1), "the first operand that ends here");
    cr_expect_neq(buf(0, 1), p->inputs[0].buffer, "inputs are the caller's");
    cr_expect_eq(buf(4, 1), p->outputs[0].buffer);
}

Test(lower, memory_that_is_read_in_two_ways_is_not_taken_over)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n" RELU(
        1, 0,
        "2, 2") "  %2: f32[4] = reshape(%1) dims=[4]\n"
                "  %3: f32[2, 2] = map(%1, %2) space=[2, 2] body=[add($0[i0, i1], $1[i1])]\n" TURN(
                    4, 3) "  return %4 \"a\"\n}\n");
    cr_expect_eq(buf(1, 0), buf(1, 1));
    cr_expect_neq(buf(1, 2), buf(1, 0));
}

Test(lower, parts_of_a_concat_are_stored_at_offsets)
{
    lower(HEAD "symbol s: input [0, inf]\nsymbol t: input [0, inf]\n"
               "region(%0: f32[3, s, 4] \"x\", %1: f32[3, t, 4] \"y\") {\n"
               "  %2: f32[3, 2*s + t, 4] = concat(%0, %1, %0) axis=1\n"
               "  return %2 \"a\"\n}\n");
    cr_assert_eq(p->nsteps, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const lathe_step *st = &p->steps[i];
        cr_expect_eq(buf(i, 1), p->outputs[0].buffer);
        const cg_nest *n = &p->kernels[st->func].nest;
        cr_expect_eq(n->kind, CG_NEST_MAP);
        cr_expect_eq(n->out.rank, 2);
    }
    cr_expect_eq(p->steps[1].ndims, 3, "part, whole, offset");
}

Test(lower, data_sizes_get_a_segment_after_their_node)
{
    lower(HEAD "symbol n: data [0, 100]\nsymbol s: input [0, inf]\n"
               "region(%0: i64[1] \"n\", %1: f32[s] \"x\") {\n"
               "  bind(%0) syms=[n]\n"
               "  %2: f32[n + s] = map(%1) space=[n + s] body=[$0[0]]\n"
               "  return %2 \"a\"\n}\n");
    cr_assert_eq(p->nsteps, 3);
    cr_expect_eq(p->steps[0].kind, LATHE_STEP_BIND);
    cr_expect_eq(p->steps[0].ndims, 1);
    cr_expect_eq(p->steps[0].a, 1, "after the free symbol");
    cr_expect_eq(p->steps[1].kind, LATHE_STEP_SEGMENT);
    cr_expect_eq(p->steps[1].a, 1);
    cr_expect_eq(p->n_segments, 2);
    cr_expect_eq(p->dims[number(p->outputs[0].dims, 0)].segment, 1);
    cr_expect_eq(p->dims[number(p->inputs[1].dims, 0)].segment, 0);
    cr_expect_eq(p->bufs[p->inputs[1].buffer].kind, LATHE_BUF_INPUT);
}

Test(lower, branches_write_the_results_of_an_if)
{
    lower(HEAD "region(%0: bool[] \"c\", %1: f32[2, 2] \"x\") {\n" RELU(
        2, 1, "2, 2") "  %3: f32[2, 2] = if(%0)\n"
                      "    region() {\n" TWICE(
                          4, 2, "2, 2") "      return %4\n    }\n"
                                        "    region() {\n      return %2\n    }\n" RELU(
                                            5, 3, "2, 2") "  return %5 \"a\"\n}\n");
    const uint32_t kinds[] = {LATHE_STEP_KERNEL, LATHE_STEP_IF,      LATHE_STEP_SEGMENT,
                              LATHE_STEP_KERNEL, LATHE_STEP_SEGMENT, LATHE_STEP_COPY,
                              LATHE_STEP_KERNEL};
    cr_assert_eq(p->nsteps, sizeof kinds / sizeof *kinds);
    for (uint32_t i = 0; i < p->nsteps; i++) cr_expect_eq(p->steps[i].kind, kinds[i]);
    cr_expect_eq(p->steps[1].a, 2);
    cr_expect_eq(p->steps[1].b, 2);
    uint32_t result = buf(6, 0);
    cr_expect_eq(buf(3, 1), result, "written by the branch's node");
    cr_expect_eq(buf(5, 1), result, "copied: the other branch passes a value on");
    cr_expect_eq(p->bufs[result].first, 1);
    cr_expect_eq(p->bufs[result].last, 6);
    cr_expect_eq(p->bufs[buf(0, 1)].last, 5, "alive in both branches");
}

#define LOOP(body_results)                                                                         \
    HEAD "symbol n: data [0, inf]\n"                                                               \
         "region(%0: i64[] \"m\", %1: bool[] \"c\", %2: f32[2, 2] \"x\", %3: f32[2, 2] \"y\") "    \
         "{\n" RELU(4, 2, "2, 2")                                                                  \
             RELU(5, 3, "2, 2") "  %6: f32[2, 2], %7: f32[2, 2] = loop(%0, %1, %2, %3) syms=[n]\n" \
                                "    region(%8: i64[] \"i\", %9: bool[] \"k\", %10: f32[2, 2] "    \
                                "\"a\", %11: f32[2, 2] \"b\") {\n"                                 \
                                "      %12: f32[2, 2] = map(%10, %4) space=[2, 2] "                \
                                "body=[add($0[i0, i1], $1[i0, i1])]\n"                             \
                                "      return %9, " body_results "\n    }\n"                       \
                                "  %13: f32[2, 2] = map(%6, %5) space=[2, 2] body=[add($0[i0, "    \
                                "i1], $1[i0, i1])]\n"                                              \
                                "  return %13 \"a\", %7 \"b\"\n}\n"

static uint32_t find_step(uint32_t kind)
{
    for (uint32_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].kind == kind) return i;
    cr_assert_fail("no step of kind %u", kind);
    return 0;
}

Test(lower, what_a_loop_uses_from_outside_survives_it)
{
    lower(LOOP("%12, %11"));
    uint32_t at = find_step(LATHE_STEP_LOOP), end = at + p->steps[at].b;
    const lathe_loop *l = &p->loops[p->steps[at].a];
    cr_expect_eq(p->steps[at].b, 1);
    cr_expect_eq(p->bufs[buf(0, 1)].last, end, "read again by the next turn");
    cr_expect_gt(p->bufs[buf(1, 1)].last, end);
    cr_assert_eq(l->ncarried, 2);
    uint32_t init = number(l->carried, 0), param = number(l->carried, 1),
             result = number(l->carried, 2);
    cr_expect_eq(init, p->inputs[2].buffer);
    cr_expect_eq(p->bufs[param].first, at);
    cr_expect_gt(p->bufs[param].last, end, "holds the loop's result");
    cr_expect_eq(p->bufs[result].last, end);
    cr_expect_eq(number(l->carried, 7), number(l->carried, 6), "passed on: its own param");
    cr_expect_lt(l->turns, p->nsyms);
}

Test(lower, carried_values_that_change_places_are_copied)
{
    lower(LOOP("%11, %10"));
    uint32_t at = find_step(LATHE_STEP_LOOP), copies = 0;
    const lathe_loop *l = &p->loops[p->steps[at].a];
    for (uint32_t i = at + 1; i <= at + p->steps[at].b; i++)
        copies += p->steps[i].kind == LATHE_STEP_COPY;
    cr_expect_eq(copies, 2);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < 2; k++)
            cr_expect_neq(number(l->carried, 5 * i + 2), number(l->carried, 5 * k + 1));
}

Test(lower, dims_that_change_in_a_loop_are_set_each_turn)
{
    lower(HEAD "symbol n: data [0, inf]\nsymbol r: region [0, inf]\nsymbol f: data [0, inf]\n"
               "region(%0: i64[] \"m\", %1: bool[] \"c\", %2: f32[3] \"x\") {\n"
               "  %3: f32[f] = loop(%0, %1, %2) syms=[n, f]\n"
               "    region(%4: i64[] \"i\", %5: bool[] \"k\", %6: f32[r] \"a\") {\n"
               "      %7: f32[r + 3] = concat(%6, %2) axis=0\n"
               "      return %5, %7\n    }\n"
               "  return %3 \"a\"\n}\n");
    const lathe_loop *l = &p->loops[p->steps[find_step(LATHE_STEP_LOOP)].a];
    cr_assert_eq(l->nsyms, 1);
    uint32_t sym = number(l->syms, 0);
    cr_expect_eq(p->dims[number(l->syms, 2)].segment, l->segment);
    uint32_t last = number(p->outputs[0].dims, 0);
    cr_expect_eq(p->dims[last].op, LATHE_DIM_SYM);
    cr_expect_eq(p->dims[last].a, sym, "the final size is the symbol's last value");
    cr_expect_gt(p->dims[last].segment, l->segment);
    cr_expect_eq(p->bufs[number(l->carried, 1)].kind, LATHE_BUF_GROWING);
}

Test(lower, scatter_starts_from_a_copy)
{
    lower(HEAD "region(%0: f32[8] \"x\", %1: i64[3] \"i\", %2: f32[3] \"u\") {\n"
               "  %3: f32[8] = scatter(%0, %1, %2) space=[3] body=[$2[i0], check($1[i0], 8)] "
               "kind=\"sum\"\n"
               "  return %3 \"a\"\n}\n");
    cr_assert_eq(p->nsteps, 2);
    cr_expect_eq(p->steps[0].kind, LATHE_STEP_COPY);
    cr_expect_eq(p->steps[1].kind, LATHE_STEP_KERNEL);
    cr_expect_eq(p->steps[1].work, LATHE_NO_SLOT, "rows in order");
    cr_expect_eq(buf(1, 3), p->outputs[0].buffer);
}

Test(lower, scatters_into_data_that_ends_here_copy_nothing)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n" RELU(
        1, 0,
        "2, 2") "  %2: f32[2, 2] = scatter(%1) space=[2] body=[3.0, i0, i0] kind=\"set\"\n"
                "  %3: f32[2, 2] = scatter(%2, %2) space=[2] body=[$1[0, i0], i0, 0] kind=\"set\"\n"
                "  return %3 \"a\"\n}\n");
    cr_assert_eq(p->nsteps, 4);
    cr_expect_eq(p->steps[1].kind, LATHE_STEP_KERNEL);
    cr_expect_eq(buf(1, 1), buf(0, 1));
    cr_expect_eq(p->steps[2].kind, LATHE_STEP_COPY, "its data is read as an update as well");
}

Test(lower, guards_are_reduced_to_one_bool)
{
    lower(HEAD "symbol s: input [0, inf]\n"
               "region(%0: f32[s, 2] \"x\") {\n"
               "  guard(%0) space=[s, 2] body=[lt($0[i0, i1], 1.0)] kind=\"x must be below 1\"\n"
               "  return %0 \"a\"\n}\n");
    uint32_t at = find_step(LATHE_STEP_GUARD);
    cr_expect_str_eq(p->strings + p->steps[at].a, "x must be below 1");
    cr_expect_eq(buf(at, 0), buf(at - 1, 1));
    cr_expect_eq(p->kernels[p->steps[at - 1].func].nest.nred, 2);
}

/* n nodes, each of a row of x more than the one before. Sums are along the rows. */
static const char *longer_and_longer(int n, int rows, bool sums)
{
    const char *text = HEAD "region(%0: f32[200, 8] \"x\") {\n", *end = "";
    for (int i = 1; i <= n; i++, rows++) {
        const char *node =
            sums
                ? ir_format(
                      &fx.arena,
                      "f32[8] = reduce(%%0) space=[8, %d] nred=1 kind=\"sum\" body=[$0[i1, i0]]",
                      rows)
                : ir_format(&fx.arena, "f32[%d, 8] = map(%%0) space=[%d, 8] body=[exp($0[i0, i1])]",
                            rows, rows);
        text = ir_format(&fx.arena, "%s  %%%d: %s\n", text, i, node);
        end = ir_format(&fx.arena, "%s%s%%%d \"y%d\"", end, i > 1 ? ", " : "", i, i);
    }
    return ir_format(&fx.arena, "%s  return %s\n}\n", text, end);
}

Test(lower, kernels_that_differ_in_sizes_are_one_if_they_are_many)
{
    lower(longer_and_longer(15, 3, false));
    cr_expect_eq(p->nkernels, 15);
    lower(longer_and_longer(16, 3, false));
    cr_assert_eq(p->nkernels, 1);
    cr_expect_eq(p->kernels[0].nest.nparams, 1, "space and result have one size");
    for (uint32_t i = 0; i < 16; i++) {
        cr_assert_eq(p->steps[i].ndims, 1);
        cr_expect_eq(p->dims[buf(i, 2)].imm, i + 3);
    }
}

/* An axis of one point is walked otherwise, and the range of a step counts other rows. */
Test(lower, a_size_of_1_is_no_size_among_others)
{
    lower(longer_and_longer(17, 1, false));
    cr_expect_eq(p->nkernels, 2);
}

Test(lower, sums_are_one_only_where_their_order_does_not_depend_on_the_length)
{
    lower(longer_and_longer(16, 48, true));
    cr_expect_eq(p->nkernels, 16);
    lower(longer_and_longer(16, 64, true));
    cr_expect_eq(p->nkernels, 1);
}

Test(lower, names_go_with_the_steps)
{
    lower(HEAD "region(%0: f32[2, 2] \"x\") {\n"
               "  %1: f32[2, 2] = map(%0) space=[2, 2] body=[max($0[i0, i1], 0.0)] @\"layer.0\" "
               "from \"Relu\"\n"
               "  return %1 \"a\"\n}\n");
    const lathe_node *n = &p->nodes[p->steps[0].node];
    cr_expect_str_eq(p->strings + n->name, "layer.0");
    cr_expect_str_eq(p->strings + n->op, "Relu");
}

Test(lower, what_cannot_be_lowered_is_refused_by_name)
{
    cr_assert_eq(try_lower(HEAD "region(%0: c64[2] \"x\") {\n  return %0 \"a\"\n}\n"),
                 LATHE_UNSUPPORTED);
    cr_assert_gt(lathe_diag_count(fx.diag), 0);
    cr_expect(strstr(lathe_diag_get(fx.diag, 0).text, "c64"));
    cr_expect_str_eq(lathe_diag_get(fx.diag, 0).tensor, "x");
}

Test(lower, operators_left_by_the_passes_are_a_defect)
{
    cr_assert_eq(try_lower(HEAD "region(%0: f32[2, 2] \"x\") {\n"
                                "  %1: f32[2, 2] = softmax(%0) axis=1 @\"here\" from \"Softmax\"\n"
                                "  return %1 \"a\"\n}\n"),
                 LATHE_INTERNAL);
    cr_assert_gt(lathe_diag_count(fx.diag), 0);
    cr_expect_str_eq(lathe_diag_get(fx.diag, 0).node, "here");
}
