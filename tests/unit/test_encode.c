/* Weights that are computed from constants are decoded into panels, and nothing is left of the
 * nodes that computed them; all others stay what they are. */
#include <stdlib.h>
#include <string.h>

#include "codegen/lower/encode.h"
#include "passes/pass.h"
#include "tests/unit/graph_fixture.h"

static cg_program *program;

static void end(void)
{
    cg_program_close(program);
    fixture_end();
}

static void begin(void)
{
    graph_begin();
    program = NULL;
}

TestSuite(encode, .init = begin, .fini = end);

static void lower(const char *body)
{
    const char *text = ir_format(&fx.arena, "graph \"t\"\nsymbol m: input [0, 1000]\n%s", body);
    ir_graph *graph = ir_parse(&fx.arena, fx.diag, "t.ir", text, strlen(text));
    cr_assert_not_null(graph, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_assert_eq(ir_verify(graph), LATHE_OK);
    pass_products(graph, NULL, fx.diag);
    cr_assert_eq(cg_lower(graph, "t", 2, false, cg_encoded_decodes, &program), LATHE_OK);
    cr_assert_eq(cg_program_open(program, fx.diag), LATHE_OK, "%s",
                 lathe_diag_get(fx.diag, 0).text);
}

typedef struct sink {
    char *bytes;
    size_t size, room;
} sink;

static bool put(void *ctx, const void *bytes, size_t size)
{
    sink *s = ctx;
    if (size > s->room - s->size) return false;
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
    return true;
}

static float float_at(const char *bytes, ir_elem elem, int64_t i)
{
    ir_scalar_value v;
    const ir_blob blob = {.bytes = bytes, .size = (size_t)(i + 1) * ir_elem_bits(elem) / 8};
    cr_assert(ir_blob_get(elem, &blob, i, &v));
    return (float)v.f;
}

/* A number of a row of 4 or 8 bits. */
static int64_t number_at(const cg_codes *c, const char *row, int lane)
{
    const unsigned char *at = (const unsigned char *)row;
    if (c->code == CG_CODE_S8) return (signed char)row[lane];
    if (cg_code_bits(c->code) == 8) return at[lane];
    return lane < CG_PANEL / 2 ? at[lane] & 15 : at[lane - CG_PANEL / 2] >> 4;
}

/* What a panel of so many k holds at k and lane, read as program.h says. */
static float element_of(const cg_codes *c, const char *panel, int64_t k, int lane)
{
    if (!c->code) return float_at(panel, IR_F32, k * CG_PANEL + lane);
    const char *block =
        panel + k / c->block * (cg_codes_head(c) + c->block * CG_PANEL * cg_code_bits(c->code) / 8);
    const char *row = block + cg_codes_head(c) + k % c->block * cg_codes_row(c);
    if (cg_code_elem(c->code)) return float_at(row, cg_code_elem(c->code), lane);
    int64_t zero = c->zeros ? number_at(c, block + cg_codes_scales(c), lane) : 0;
    float scale = c->scale ? float_at(block, c->scale, lane) : 1;
    return scale * (float)(number_at(c, row, lane) - zero - c->offset);
}

/* The only encoded matrices' panels must be weight(batch, k, n), and zeros behind, in so many bits
 * a code. */
static void expect_panels(int bits, int64_t batch, int64_t k, int64_t n,
                          float (*weight)(int64_t, int64_t, int64_t))
{
    int64_t panels = (n + CG_PANEL - 1) / CG_PANEL * batch;
    cr_assert_eq(program->nencoded, 1);
    const cg_encoded *e = program->encoded[0];
    const cg_codes *c = &e->matrix.panels.codes;
    sink s = {.room = cg_panels_size(&e->matrix.panels)};
    size_t panel = s.room / (size_t)panels;
    s.bytes = malloc(s.room);
    cr_assert_eq(cg_code_bits(c->code), bits, "%d bits", cg_code_bits(c->code));
    cr_assert(e->write(e, put, &s));
    cr_assert_eq(s.size, s.room);
    for (int64_t i = 0; i < panels * k * CG_PANEL; i++) {
        int64_t row = i / CG_PANEL, p = row / k, matrix = p / (panels / batch),
                column = p % (panels / batch) * CG_PANEL + i % CG_PANEL;
        float got = element_of(c, s.bytes + (size_t)p * panel, row % k, (int)(i % CG_PANEL)),
              expected = column < n ? weight(matrix, row % k, column) : 0;
        if (c->code && column >= n) continue; /* never read */
        cr_assert_eq(got, expected, "element %lld: %g, expected %g", (long long)i, (double)got,
                     (double)expected);
    }
    free(s.bytes);
}

static size_t count_steps(uint32_t kind)
{
    size_t n = 0;
    for (size_t i = 0; i < program->nsteps; i++) n += program->steps[i].kind == kind;
    return n;
}

#define PRODUCT(k, n, load)                                                                        \
    "  %y: f32[m, " #n "] = contract(%x, %w) space=[m, " #n ", " #k "] nred=1 "                    \
    "body=[mul($0[i0, i2], $1[" load "])]\n"

/* Codes 0, 1, ... 7 and -8 ... -1 as i4, again and again by a view. */
#define CODES "  %c: i4[16] = const() data=hex(\"1032547698badcfe\")\n"

static int code(int64_t i) { return (int)(i % 16 < 8 ? i % 16 : i % 16 - 16); }

static float blocked(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    return (float)code(n + 3 * k) * (k < 8 ? 0.5f : 2.0f);
}

Test(encode, blocks_of_codes_with_scales)
{
    lower("region(%x: f32[m, 16] \"x\") {\n" CODES "  %s: f32[2] = const() data=[0.5, 2.0]\n"
          "  %w: f32[16, 64] = map(%c, %s) space=[16, 64] "
          "body=[mul(cast($0[mod(add(i1, mul(i0, 3)), 16)], f32), $1[floordiv(i0, 8)])]\n" PRODUCT(
              16, 64, "i2, i1") "  return %y \"y\"\n}\n");
    expect_panels(4, 1, 16, 64, blocked);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 1);
    cr_expect_eq(program->nweights, 1, "the codes are weights, too");
}

static float turned(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    return (float)code(k + 5 * n);
}

Test(encode, columns_that_fill_no_panel_and_a_turned_matrix)
{
    lower("region(%x: f32[m, 16] \"x\") {\n" CODES "  %w: f32[40, 16] = map(%c) space=[40, 16] "
          "body=[cast($0[mod(add(i1, mul(i0, 5)), 16)], f32)]\n" PRODUCT(
              16, 40, "i1, i2") "  return %y \"y\"\n}\n");
    expect_panels(4, 1, 16, 40, turned);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 1);
}

static float nibble(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    int byte = (int)((n + k / 2) % 4) * 16 + 3;
    return (float)(k % 2 ? byte / 16 : byte % 16);
}

/* Bytes with two codes each, as exporters unpack them: low and high ones side by side. */
Test(encode, nibbles_unpacked_by_a_concat)
{
    lower("region(%x: f32[m, 16] \"x\") {\n"
          "  %b: u8[4] = const() data=[3, 19, 35, 51]\n"
          "  %l: u8[8, 1, 32] = map(%b) space=[8, 1, 32] "
          "body=[and($0[mod(add(i0, i2), 4)], 15:u8)]\n"
          "  %h: u8[8, 1, 32] = map(%b) space=[8, 1, 32] "
          "body=[shr($0[mod(add(i0, i2), 4)], 4:u8)]\n"
          "  %p: u8[8, 2, 32] = concat(%l, %h) axis=1\n"
          "  %q: u8[16, 32] = reshape(%p) dims=[16, 32]\n"
          "  %w: f32[16, 32] = map(%q) space=[16, 32] body=[cast($0[i0, i1], f32)]\n" PRODUCT(
              16, 32, "i2, i1") "  return %y \"y\"\n}\n");
    expect_panels(4, 1, 16, 32, nibble);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 1);
}

static float batched(int64_t batch, int64_t k, int64_t n) { return (float)code(n + k + 4 * batch); }

Test(encode, several_matrices)
{
    lower("region(%x: f32[3, m, 16] \"x\") {\n" CODES
          "  %w: f32[3, 16, 32] = map(%c) space=[3, 16, 32] "
          "body=[cast($0[mod(add(i2, add(i1, mul(i0, 4))), 16)], f32)]\n"
          "  %y: f32[3, m, 32] = contract(%x, %w) space=[3, m, 32, 16] nred=1 "
          "body=[mul($0[i0, i1, i3], $1[i0, i3, i2])]\n"
          "  return %y \"y\"\n}\n");
    expect_panels(4, 3, 16, 32, batched);
}

/* Heads and their columns, which b walks as one axis, and two axes of k. */
Test(encode, axes_that_are_walked_as_one)
{
    lower("region(%x: f32[m, 2, 8] \"x\") {\n" CODES "  %s: f32[2] = const() data=[0.5, 2.0]\n"
          "  %w: f32[16, 64] = map(%c, %s) space=[16, 64] "
          "body=[mul(cast($0[mod(add(i1, mul(i0, 3)), 16)], f32), $1[floordiv(i0, 8)])]\n"
          "  %y: f32[m, 2, 32] = contract(%x, %w) space=[m, 2, 32, 2, 8] nred=2 "
          "body=[mul($0[i0, i3, i4], $1[add(mul(i3, 8), i4), add(mul(i1, 32), i2)])]\n"
          "  return %y \"y\"\n}\n");
    expect_panels(4, 1, 16, 64, blocked);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 1);
}

#define CHECKED(index)                                                                             \
    "region(%x: f32[m, 16] \"x\") {\n" CODES "  %g: i64[2] = const() data=[0, " index "]\n"        \
    "  %s: f32[2] = const() data=[0.5, 2.0]\n"                                                     \
    "  %w: f32[16, 64] = map(%c, %s, %g) space=[16, 64] "                                          \
    "body=[mul(cast($0[mod(add(i1, mul(i0, 3)), 16)], f32), "                                      \
    "$1[check($2[floordiv(i0, 8)], 2)])]\n" PRODUCT(16, 64, "i2, i1") "  return %y \"y\"\n}\n"

Test(encode, checked_indices_that_are_inside)
{
    lower(CHECKED("-1"));
    expect_panels(4, 1, 16, 64, blocked);
}

Test(encode, a_fault_is_left_to_the_run)
{
    lower(CHECKED("2"));
    cr_expect_eq(program->nencoded, 0);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 2);
}

#define READ_TWICE(uses)                                                                           \
    "region(%x: f32[m, 16] \"x\") {\n" CODES "  %w: f32[40, 16] = map(%c) space=[40, 16] "         \
    "body=[cast($0[mod(add(i1, mul(i0, 5)), 16)], f32)]\n" PRODUCT(16, 40, "i1, i2") uses "}\n"

Test(encode, a_weight_that_is_read_otherwise_is_computed_as_well)
{
    lower(READ_TWICE("  return %y \"y\", %w \"w\"\n"));
    expect_panels(4, 1, 16, 40, turned);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 2);
}

Test(encode, two_products_share_one_matrix)
{
    lower(READ_TWICE("  %z: f32[m, 40] = contract(%x, %w) space=[m, 40, 16] nred=1 "
                     "body=[mul($0[i0, i2], $1[i1, i2])] epilogue=[exp(acc0)]\n"
                     "  return %y \"y\", %z \"z\"\n"));
    expect_panels(4, 1, 16, 40, turned);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 2);
    cr_expect_eq(program->nweights, 1);
}

Test(encode, what_an_input_scales_is_no_weight)
{
    lower("region(%x: f32[m, 16] \"x\", %s: f32[64] \"s\") {\n" CODES
          "  %w: f32[16, 64] = map(%c, %s) space=[16, 64] "
          "body=[mul(cast($0[mod(add(i1, i0), 16)], f32), $1[i1])]\n" PRODUCT(
              16, 64, "i2, i1") "  return %y \"y\"\n}\n");
    cr_expect_eq(program->nencoded, 0);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 2);
}

Test(encode, what_a_size_of_the_run_decides_is_no_weight)
{
    lower("region(%x: f32[m, 16] \"x\") {\n" CODES "  %w: f32[16, 64] = map(%c) space=[16, 64] "
          "body=[add(cast($0[mod(add(i1, i0), 16)], f32), cast(dim(m), f32))]\n" PRODUCT(
              16, 64, "i2, i1") "  return %y \"y\"\n}\n");
    cr_expect_eq(program->nencoded, 0);
    cr_expect_eq(count_steps(LATHE_STEP_KERNEL), 2);
}

/* ---- what is stored ---- */

#define WEIGHT(constants, operands, body)                                                          \
    "region(%x: f32[m, 48] \"x\") {\n" constants "  %w: f32[48, 32] = map(" operands               \
    ") space=[48, 32] body=[" body "]\n" PRODUCT(48, 32, "i2, i1") "  return %y \"y\"\n}\n"

static const cg_codes *found(void)
{
    cr_assert_eq(program->nencoded, 1);
    return &program->encoded[0]->matrix.panels.codes;
}

#define ZEROS "  %z: u4[3] = const() data=hex(\"530c\")\n"
#define SCALES "  %s: f16[3] = const() data=[0x3800, 0x4000, 0x3c00]\n"
#define CODE "cast($0[mod(add(i1, mul(i0, 3)), 16)], i32)"
#define BLOCK "floordiv(i0, 16)"

static float with_zeros(int64_t batch, int64_t k, int64_t n)
{
    static const float scale[] = {0.5f, 2, 1};
    static const int zero[] = {3, 5, 12};
    (void)batch;
    return (float)(code(n + 3 * k) - zero[k / 16] - 1) * scale[k / 16];
}

/* GPTQ adds 1 to its zero points. */
Test(encode, zero_points_and_scales_of_blocks)
{
    lower(WEIGHT(CODES ZEROS SCALES, "%c, %z, %s",
                 "mul($2[" BLOCK "], cast(sub(" CODE ", add(cast($1[" BLOCK
                 "], i32), 1:i32)), f32))"));
    expect_panels(4, 1, 48, 32, with_zeros);
    cr_expect_eq(found()->block, 16);
    cr_expect_eq(found()->scale, IR_F16);
    cr_expect(found()->zeros);
}

static float in_bytes(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    return (float)(((n + k) % 2 ? 255 : 16) - 128);
}

Test(encode, bytes_with_one_zero_point_have_no_rows_of_it)
{
    lower(WEIGHT("  %c: u8[2] = const() data=[16, 255]\n", "%c",
                 "sub(cast($0[mod(add(i0, i1), 2)], f32), 128.0)"));
    expect_panels(8, 1, 48, 32, in_bytes);
    cr_expect_eq(found()->code, CG_CODE_S8);
    cr_expect_eq(found()->offset, 0);
    cr_expect_eq(found()->scale, IR_ELEM_NONE);
}

static float halves(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    return (k + n) % 2 ? 0.0999755859375f : 2;
}

Test(encode, narrow_floats_stay_narrow)
{
    lower(
        WEIGHT("  %c: f16[2] = const() data=[0x4000, 0x2e66]\n", "%c", "$0[mod(add(i0, i1), 2)]"));
    expect_panels(16, 1, 48, 32, halves);
    cr_expect_eq(found()->code, CG_CODE_F16);
}

Test(encode, what_changes_inside_of_short_blocks_is_no_scale)
{
    lower(WEIGHT(CODES SCALES, "%c, %s", "mul(cast(" CODE ", f32), $1[mod(floordiv(i0, 4), 3)])"));
    cr_expect_eq(found()->code, CG_CODE_NONE);
}

Test(encode, scales_of_columns_are_one_block)
{
    lower(WEIGHT(CODES SCALES, "%c, %s", "mul(cast(" CODE ", f32), $1[mod(i1, 3)])"));
    cr_expect_eq(found()->block, 48);
    cr_expect_eq(cg_codes_panel(found(), 48), CG_PANEL * 2 + 48 * CG_PANEL / 2);
}

/* A difference of u8 wraps: it is a code by itself. */
Test(encode, a_difference_that_wraps_is_not_taken_apart)
{
    lower(WEIGHT("  %c: u8[2] = const() data=[16, 255]\n  %z: u8[3] = const() data=[17, 0, 1]\n",
                 "%c, %z", "cast(sub($0[mod(add(i0, i1), 2)], $1[" BLOCK "]), f32)"));
    cr_expect_eq(found()->code, CG_CODE_8);
    cr_expect_not(found()->zeros);
}

static float uniform(int64_t batch, int64_t k, int64_t n)
{
    (void)batch;
    return (float)(code(n + 3 * k) - 5);
}

Test(encode, equal_zero_points_are_one_number)
{
    lower(WEIGHT(CODES "  %z: u4[4] = const() data=hex(\"5555\")\n", "%c, %z",
                 "cast(sub(" CODE ", cast($1[" BLOCK "], i32)), f32)"));
    expect_panels(4, 1, 48, 32, uniform);
    cr_expect_not(found()->zeros);
    cr_expect_eq(found()->offset, 13);
}

Test(encode, wider_numbers_stay_floats)
{
    lower(WEIGHT("  %c: i16[2] = const() data=[16, 255]\n", "%c",
                 "cast($0[mod(add(i0, i1), 2)], f32)"));
    cr_expect_eq(found()->code, CG_CODE_NONE);
}

Test(encode, equal_zero_points_hide_no_fault)
{
    lower(WEIGHT(CODES "  %z: u4[4] = const() data=hex(\"5555\")\n"
                       "  %g: i64[3] = const() data=[0, 1, 9]\n",
                 "%c, %z, %g", "cast(sub(" CODE ", cast($1[check($2[" BLOCK "], 4)], i32)), f32)"));
    cr_expect_eq(program->nencoded, 0);
}
