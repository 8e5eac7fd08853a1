/* The verifier of lowered programs: each rule is broken once, and its message is expected. */
#include <criterion/criterion.h>
#include <string.h>

#include "codegen/program.h"
#include "tests/unit/fixture.h"

static cg_program *p;

/* A Relu, a product with a weight in panels, a size that data decides, a guard, an if. */
static const char text[] =
    "graph \"t\" file \"t.onnx\"\n"
    "symbol n: data [0, 100]\nsymbol s: input [0, inf]\n"
    "region(%0: f32[2, 2] \"x\", %1: i64[1] \"n\", %2: f32[s] \"y\", %3: bool[] \"c\") {\n"
    "  %4: f32[2, 2] = map(%0) space=[2, 2] body=[max($0[i1, i0], 0.0)] @\"r\" from \"Relu\"\n"
    "  %5: f32[2] \"w\" = const() data=[1.0, 2.0]\n"
    "  %6: f32[2, 2] = map(%4, %5) space=[2, 2] body=[add($0[i1, i0], $1[i0])]\n"
    "  bind(%1) syms=[n]\n"
    "  %7: f32[n + s] = map(%2) space=[n + s] body=[$0[0]]\n"
    "  %8: f32[2, 2] = if(%3)\n"
    "    region() {\n"
    "      %9: f32[2, 2] = map(%6) space=[2, 2] body=[sub($0[i1, i0], 1.0)]\n"
    "      return %9\n    }\n"
    "    region() {\n      return %6\n    }\n"
    "  return %8 \"a\", %7 \"b\"\n}\n";

/* A loop with a value that grows, a call whose result has a size of its own, sizes that must be
 * equal. */
static const char calls_text[] =
    "graph \"t\" file \"t.onnx\"\n"
    "symbol s: input [0, inf]\nsymbol u: input [0, inf]\nsymbol n: data [0, inf]\n"
    "symbol r: region [0, inf]\nsymbol f: data [0, inf]\nsymbol picked: data [0, 50]\n"
    "region(%0: i64[] \"m\", %1: bool[] \"c\", %2: f32[3] \"x\", %3: f32[s, u] \"y\") {\n"
    "  %4: f32[f] = loop(%0, %1, %2) syms=[n, f]\n"
    "    region(%5: i64[] \"i\", %6: bool[] \"k\", %7: f32[r] \"a\") {\n"
    "      %8: f32[r + 3] = concat(%7, %2) axis=0\n"
    "      return %6, %8\n    }\n"
    "  %9: f32[s, u] = map(%3) space=[s, u] body=[neg($0[i0, i1])]\n"
    "  %10: i64[2, picked], %11: i64[] \"count\" = call(%9) syms=[picked] func=\"rt_nonzero\"\n"
    "  return %4 \"a\", %10 \"b\", %11 \"n\"\n}\nguard s = u at %9\n";

static void begin_with(const char *graph)
{
    fixture_begin();
    fx.g = ir_parse(&fx.arena, fx.diag, "test.ir", graph, strlen(graph));
    cr_assert(fx.g);
    cr_assert_eq(cg_lower(fx.g, "m", 0, false, NULL, &p), LATHE_OK);
    cr_assert_eq(cg_program_verify(p, fx.diag), LATHE_OK);
}

static void begin(void) { begin_with(text); }
static void begin_calls(void) { begin_with(calls_text); }

TestSuite(program, .init = begin, .fini = fixture_end);
TestSuite(program_calls, .init = begin_calls, .fini = fixture_end);

static void breaks(const char *message)
{
    cr_assert_eq(cg_program_verify(p, fx.diag), LATHE_INTERNAL);
    const char *said = lathe_diag_get(fx.diag, lathe_diag_count(fx.diag) - 1).text;
    cr_assert(strstr(said, message), "'%s' instead of '%s'", said, message);
}

static lathe_step *step_of(uint32_t kind)
{
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].kind == kind) return &p->steps[i];
    cr_assert_fail("no step of kind %u", kind);
    return NULL;
}

static lathe_buf *buffer_of(uint32_t kind)
{
    for (size_t i = 0; i < p->nbufs; i++)
        if (p->bufs[i].kind == kind) return &p->bufs[i];
    cr_assert_fail("no buffer of kind %u", kind);
    return NULL;
}

/* A slot that is computed from two others. */
static lathe_dim_op *computed(void)
{
    for (size_t i = 0; i < p->ndims; i++)
        if (p->dims[i].op > LATHE_DIM_SYM && p->dims[i].segment) return &p->dims[i];
    cr_assert_fail("no computed slot");
    return NULL;
}

static lathe_step *last_kernel(void)
{
    size_t i = p->nsteps;
    while (p->steps[i - 1].kind != LATHE_STEP_KERNEL) i--;
    return &p->steps[i - 1];
}

static uint32_t slot_in(uint32_t segment)
{
    uint32_t i = 0;
    while (p->dims[i].segment != segment) i++;
    return i;
}

#define BREAKS_IN(suite, name, message, ...)                                                       \
    Test(suite, name)                                                                              \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
        breaks(message);                                                                           \
    }
#define BREAKS(...) BREAKS_IN(program, __VA_ARGS__)
#define CALLS_BREAK(...) BREAKS_IN(program_calls, __VA_ARGS__)

BREAKS(slot_operator, "has no operator or segment", p->dims[0].op = 99)
BREAKS(slot_segment, "has no operator or segment", p->dims[0].segment = p->n_segments)
BREAKS(slot_symbol, "reads symbol", p->dims[0] = (lathe_dim_op){.op = LATHE_DIM_SYM, .a = 9})
BREAKS(slot_order, "is computed from later ones", computed()->a = (uint32_t)p->ndims - 1)
BREAKS(slot_early, "is computed before its operands", computed()->segment = 0)
BREAKS(symbol, "has no values", p->syms[0].lo = 1, p->syms[0].hi = 0)
BREAKS(input_dims, "input 2 has dims without slots", p->u32s[p->inputs[2].dims] = 9999)
BREAKS(input_buffer, "input 0 has not the buffer", p->inputs[0].buffer = p->inputs[1].buffer)
BREAKS(output_buffer, "output 1 has not the buffer", p->outputs[1].buffer = p->inputs[1].buffer)
BREAKS(buffer_kind, "has no kind or size", p->bufs[0].kind = 77)
BREAKS(buffer_size, "has no kind or size", p->bufs[0].bytes = LATHE_NO_SLOT)
BREAKS(buffer_life, "ends before it starts", buffer_of(LATHE_BUF_ARENA)->last = 9999)
BREAKS(weight_number, "holds weight 5", buffer_of(LATHE_BUF_WEIGHT)->index = 5)
BREAKS(weight_size, "weight 0 is not of its size", p->weights[0].size = 4)
BREAKS(weight_place, "weight 0 is not at its buffer's place",
       buffer_of(LATHE_BUF_WEIGHT)->offset = 64)
BREAKS(scratch, "the scratch has no size", p->scratch_slot = 9999)
BREAKS(step_kind, "step 1 names what is not there", p->steps[1].kind = 55)
BREAKS(step_node, "step 1 names what is not there", p->steps[1].node = 55)
BREAKS(step_segment, "names what is not there", step_of(LATHE_STEP_SEGMENT)->a = 55)
BREAKS(bind_symbols, "names what is not there", step_of(LATHE_STEP_BIND)->a = 55)
BREAKS(copy_slot, "names what is not there", step_of(LATHE_STEP_COPY)->range = 9999)
BREAKS(kernel_number, "step 0 names what is not there", p->steps[0].func = 55)
BREAKS(kernel_buffer, "step 0 names what is not there", p->u32s[p->steps[0].args] = 9999)
BREAKS(kernel_buffers, "step 1 passes 2 buffers and 0 dims to kernel map_1 of 3 and 0",
       p->steps[1].nbufs = 2)
BREAKS(kernel_room, "step 0 takes 16 bytes of buffer",
       p->bufs[p->u32s[p->steps[0].args]].bytes = p->bufs[p->inputs[1].buffer].bytes)
BREAKS(most_buffers, "more arguments than the most", p->max_bufs = 1)
BREAKS(body, "a body that ends outside", step_of(LATHE_STEP_IF)->b = 99)
BREAKS(early_end, "which is alive in",
       p->bufs[p->u32s[p->steps[0].args + 1]].last = p->bufs[p->u32s[p->steps[0].args + 1]].first)
BREAKS(writes_input, "writes buffer 0, which is an input",
       p->u32s[p->steps[0].args + 1] = p->inputs[0].buffer)
BREAKS(reads_early, "which nothing has written",
       p->u32s[p->steps[0].args] = p->u32s[p->steps[0].args + 1])
BREAKS(early_slot, "which is not computed there", step_of(LATHE_STEP_SEGMENT)->a = 0)
BREAKS(symbol_bound, "symbol 0 has no values", p->syms[0].bound_slot = 9999)
BREAKS(weights_end, "weight 0 is not at its buffer's place", p->weights_size = 0)
BREAKS(kernel_dims, "names what is not there", p->steps[0].ndims = 1,
       p->u32s[p->steps[0].args + 2] = 9999)
BREAKS(kernel_range, "step 0 names what is not there", p->steps[0].range = 9999)
BREAKS(kernel_work, "step 0 names what is not there", p->steps[0].work = 9999)
BREAKS(if_condition, "names what is not there", p->u32s[step_of(LATHE_STEP_IF)->args] = 9999)

CALLS_BREAK(guard_slot, "guard 0 names what is not there", p->guards[0].b = 9999)
CALLS_BREAK(guard_node, "guard 0 names what is not there", p->guards[0].node = 9999)
CALLS_BREAK(guard_segment, "guard 0 is in no segment", p->guards[0].segment = p->n_segments)
CALLS_BREAK(value_buffer, "value 0 names what is not there", p->values[0].buffer = 9999)
CALLS_BREAK(value_dims, "value 0 names what is not there", p->values[0].dims = 9999)
CALLS_BREAK(call_number, "names what is not there", step_of(LATHE_STEP_CALL)->a = 9999)
CALLS_BREAK(call_function, "names what is not there", step_of(LATHE_STEP_CALL)->func = 9999)
CALLS_BREAK(call_values, "names what is not there", p->calls[0].nin++)
CALLS_BREAK(call_list, "names what is not there", p->u32s[step_of(LATHE_STEP_CALL)->args] = 9999)
CALLS_BREAK(call_symbols, "names what is not there", p->u32s[p->calls[0].syms] = 9999)
CALLS_BREAK(loop_number, "names what is not there", step_of(LATHE_STEP_LOOP)->a = 9999)
CALLS_BREAK(loop_trip, "names what is not there", p->loops[0].trip = 9999)
CALLS_BREAK(loop_condition, "names what is not there", p->loops[0].cond_result = 9999)
CALLS_BREAK(loop_turns, "names what is not there", p->loops[0].turns = 9999)
CALLS_BREAK(loop_segment, "names what is not there", p->loops[0].segment = 9999)
CALLS_BREAK(loop_carried, "names what is not there", p->u32s[p->loops[0].carried + 2] = 9999)
CALLS_BREAK(loop_bytes, "names what is not there", p->u32s[p->loops[0].carried + 4] = 9999)
CALLS_BREAK(loop_symbols, "names what is not there", p->u32s[p->loops[0].syms] = 9999)
CALLS_BREAK(loop_next, "names what is not there", p->u32s[p->loops[0].syms + 2] = 9999)
/* A carried result is read at the end of the turn. */
CALLS_BREAK(loop_result_life, "which is alive in",
            p->bufs[p->u32s[p->loops[0].carried + 2]].last =
                p->bufs[p->u32s[p->loops[0].carried + 2]].first)
CALLS_BREAK(body_slot_outside, "which is not computed there",
            last_kernel()->range = slot_in(p->loops[0].segment))
