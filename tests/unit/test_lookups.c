/* A table that is the weight of a product, too, is stored once: rows that are looked up in its
 * panels are those of the tensor, whatever the panels hold, for any order of its axes. */
#include "passes/pass.h"
#include "tests/unit/linked.h"

enum { DEPTH = 48, ROWS = 9 };

TestSuite(lookups, .init = fixture_begin, .fini = fixture_end, .timeout = 600);

typedef struct table {
    const char *constants, *operands, *element; /* of [row, i1] */
    int rows;
    cg_code code;
} table;

#define CODES4 "  %c: i4[16] = const() data=hex(\"1032547698badcfe\")\n"
#define BYTES "  %c: u8[7] = const() data=[0, 255, 3, 128, 77, 200, 15]\n"
#define SCALES "  %s: f32[5] = const() data=[0.5, 2.0, 1.0, 0.25, 4.0]\n"
#define HALVES "  %s: f16[5] = const() data=[0x3800, 0x4000, 0x3c00, 0x4400, 0x3400]\n"
#define AT(size) "$0[mod(add(mul(i1, 3), mul(i0, 5)), " #size ")]"
#define BLOCK(size) "mod(add(floordiv(i1, " #size "), i0), 5)"

static const table tables[] = {
    {CODES4 HALVES "  %z: u4[5] = const() data=hex(\"53910c\")\n", "%c, %s, %z",
     "mul(cast(sub(cast(" AT(16) ", i32), cast($2[" BLOCK(16) "], i32)), f32), $1[" BLOCK(32) "])",
     70, CG_CODE_4},
    {CODES4 SCALES, "%c, %s", "mul($1[mod(i0, 5)], cast(" AT(16) ", f32))", 64, CG_CODE_4},
    {BYTES SCALES "  %z: u8[5] = const() data=[3, 128, 0, 255, 7]\n", "%c, %s, %z",
     "mul(sub(cast(" AT(7) ", f32), cast($2[" BLOCK(24) "], f32)), $1[" BLOCK(24) "])", 40,
     CG_CODE_8},
    {BYTES, "%c", "sub(cast(" AT(7) ", f32), 128.0)", 33, CG_CODE_S8},
    {CODES4 SCALES
     "  %b: f32[16] = const() data=[-8, -7, -5.5, -4, -3, -2, -1, 0, 0.5, 1, 2, 3, 4, "
     "5, 6.5, 8]\n",
     "%c, %s, %b", "mul($2[add(cast(" AT(16) ", i64), 8)], $1[" BLOCK(24) "])", 41, CG_CODE_4},
    {"  %c: u2[8] = const() data=hex(\"1be4\")\n", "%c", "sub(cast(" AT(8) ", f32), 1.0)", 40,
     CG_CODE_2},
    {"  %c: f16[5] = const() data=[0x3800, 0x4000, 0xbc00, 0x0000, 0x4200]\n", "%c",
     "$0[mod(add(i1, mul(i0, 2)), 5)]", 8, CG_CODE_F16},
    {"  %c: f32[3] = const() data=[1.5, -2, 0.25]\n", "%c",
     "add($0[mod(add(i1, mul(i0, 2)), 3)], mul($0[mod(i0, 3)], $0[mod(i1, 3)]))", 96, CG_CODE_NONE},
};
enum { TABLES = sizeof tables / sizeof *tables };

/* Numbers of rows and columns that differ, of so many bytes: floats, or codes. */
static void put_numbers(FILE *f, int n, int bytes)
{
    fputs("hex(\"", f);
    for (int i = 0; i < n; i++) {
        const int v = (i * 7 + i / DEPTH) % 41 - 20;
        const float x = (float)v;
        unsigned char at[sizeof x] = {(unsigned char)v};
        if (bytes > 1) memcpy(at, &x, sizeof x);
        for (int k = 0; k < bytes; k++) fprintf(f, "%02x", at[k]);
    }
    fputs("\")\n", f);
}

static void put_named(FILE *f, const char *text, int i)
{
    for (; *text; text++) {
        fputc(*text, f);
        if (*text == '%') fprintf(f, "v%d", i);
    }
}

/* A table [rows, DEPTH] with a lookup by rows, y = lookup + 1, and its head, z = x * table'. */
static void put_readers(FILE *f, int i, int rows)
{
    fprintf(f,
            "  %%e%d: f32[m, %d] = map(%%ids, %%w%d) space=[m, %d] "
            "body=[add($1[check($0[i0], %d), i1], 1.0)]\n",
            i, DEPTH, i, DEPTH, rows);
    fprintf(f,
            "  %%y%d: f32[m, %d] = contract(%%x, %%w%d) space=[m, %d, %d] nred=1 "
            "body=[mul($0[i0, i2], $1[i1, i2])]\n",
            i, rows, i, rows, DEPTH);
}

static void parse(char *text, size_t size)
{
    fx.g = ir_parse(&fx.arena, fx.diag, "t.ir", text, size);
    cr_assert_not_null(fx.g, "%s", lathe_diag_get(fx.diag, 0).text);
    cr_assert_eq(ir_verify(fx.g), LATHE_OK, "%s", lathe_diag_get(fx.diag, 0).text);
    free(text);
}

#define HEAD                                                                                       \
    "graph \"t\"\nsymbol m: input [0, 1000]\nregion(%x: f32[m, 48] \"x\", %ids: i64[m] \"ids\") "  \
    "{\n"

/* All tables, then a constant of numbers by its rows, and one of bytes for a product of codes. */
static void make(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs(HEAD, f);
    for (int i = 0; i < TABLES; i++) {
        put_named(f, tables[i].constants, i);
        fprintf(f, "  %%w%d: f32[%d, %d] = map(", i, tables[i].rows, DEPTH);
        put_named(f, tables[i].operands, i);
        fprintf(f, ") space=[%d, %d] body=[%s]\n", tables[i].rows, DEPTH, tables[i].element);
        put_readers(f, i, tables[i].rows);
    }
    fprintf(f, "  %%w%d: f32[35, %d] = const() data=", TABLES, DEPTH);
    put_numbers(f, 35 * DEPTH, 4);
    put_readers(f, TABLES, 35);
    fprintf(f, "  %%b: i8[%d, 40] = const() data=", DEPTH);
    put_numbers(f, 40 * DEPTH, 1);
    fprintf(
        f,
        "  %%k: i8[m, %d] = map(%%x) space=[m, %d] body=[cast($0[i0, i1], i8)]\n"
        "  %%s: f32[m, 40] = contract(%%k, %%b) space=[m, 40, %d] nred=1 "
        "body=[mul(cast($0[i0, i2], i32), cast($1[i2, i1], i32))] epilogue=[cast(acc0:i32, f32)]\n"
        "  %%t: f32[m, %d] = map(%%ids, %%b) space=[m, %d] "
        "body=[cast($1[i1, check($0[i0], 40)], f32)]\n",
        DEPTH, DEPTH, DEPTH, DEPTH, DEPTH);
    fputs("  return %s \"s\", %t \"t\"", f);
    for (int i = 0; i <= TABLES; i++) fprintf(f, ", %%e%d \"e%d\", %%y%d \"y%d\"", i, i, i, i);
    fputs("\n}\n", f);
    fclose(f);
    parse(text, size);
}

enum { OUTPUTS = 2 * (TABLES + 1) + 2, MOST = ROWS * 96 };

static void run(const linked *c, float out[OUTPUTS][MOST])
{
    lathe_model *model;
    lathe_session *session;
    const int64_t rows = ROWS, ids[ROWS] = {0, 7, -1, 3, 1, 2, 7, 5, -8};
    float x[ROWS * DEPTH];
    lathe_tensor to[OUTPUTS];
    for (int i = 0; i < ROWS * DEPTH; i++) x[i] = (float)((i * 37 + i / 7) % 5 - 2);
    const lathe_tensor in[] = {
        {.data = x, .size = sizeof x, .dims = {ROWS, DEPTH}, .rank = 2, .elem = LATHE_F32},
        {.data = (void *)ids, .size = sizeof ids, .dims = {ROWS}, .rank = 1, .elem = LATHE_I64}};
    for (int i = 0; i < OUTPUTS; i++) {
        memset(out[i], 0x55, sizeof out[i]);
        to[i] = (lathe_tensor){.data = out[i], .size = sizeof out[i]};
    }
    const lathe_open_options options = {.flags = LATHE_OPEN_POISON};
    cr_assert_eq(lathe_model_open(c->desc, &options, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, &rows, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, in, to), LATHE_OK, "%s", lathe_session_message(session));
    lathe_session_free(session);
    lathe_model_close(model);
}

Test(lookups, every_target)
{
    static float expected[OUTPUTS][MOST], got[OUTPUTS][MOST];
    const cg_isa *isas[LINKED_MOST];
    size_t n = linked_runnable(isas);
    make();
    linked plain = linked_make(isas[0], 0);
    run(&plain, expected);
    cr_assert_neq(expected[2][0], expected[2][1]);
    for (size_t t = 0; t < n; t++) {
        linked shared = linked_make(isas[t], 2);
        run(&shared, got);
        for (int i = 0; i < OUTPUTS; i++)
            for (int k = 0; k < MOST; k++)
                cr_assert_eq(expected[i][k], got[i][k], "%s, output %d, element %d: %g, not %g",
                             isas[t]->name, i, k, (double)got[i][k], (double)expected[i][k]);
        dlclose(shared.library);
    }
    dlclose(plain.library);
}

static cg_program *lowered(void)
{
    cg_program *p;
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    return p;
}

Test(lookups, each_table_is_stored_once)
{
    make();
    cg_program *p = lowered();
    cr_assert_eq(p->nweights, TABLES + 2);
    for (int i = 0; i < TABLES; i++) {
        const cg_weight *w = NULL;
        for (size_t k = 0; k < p->nweights; k++)
            if (p->weights[k].encoded == p->encoded[i]) w = &p->weights[k];
        cr_assert(w && w->panels);
        cr_expect_eq(w->panels->codes.code, tables[i].code, "table %d", i);
    }
    cg_program_close(p);
}

static size_t weights_of(const char *readers)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs(HEAD, f);
    fprintf(f, "  %%w: f32[32, %d] = const() data=", DEPTH);
    put_numbers(f, 32 * DEPTH, 4);
    fprintf(f, "%s}\n", readers);
    fclose(f);
    parse(text, size);
    cg_program *p = lowered();
    size_t n = p->nweights;
    cg_program_close(p);
    return n;
}

#define PRODUCT                                                                                    \
    "  %y: f32[m, 32] = contract(%x, %w) space=[m, 32, 48] nred=1 body=[mul($0[i0, i2], "          \
    "$1[i1, i2])]\n"
#define LOOKUP "  %e: f32[m, 48] = map(%ids, %w) space=[m, 48] body=[$1[check($0[i0], 32), i1]]\n"

Test(lookups, who_reads_in_order_needs_the_tensor)
{
    cr_expect_eq(weights_of(PRODUCT LOOKUP "  return %y \"y\", %e \"e\"\n"), 1);
    cr_expect_eq(weights_of(PRODUCT LOOKUP "  return %y \"y\", %e \"e\", %w \"w\"\n"), 2);
    cr_expect_eq(weights_of(PRODUCT LOOKUP
                            "  %s: f32[48] = reduce(%w) space=[48, 32] nred=1 kind=\"sum\" "
                            "body=[$0[i1, i0]]\n  return %y \"y\", %e \"e\", %s \"s\"\n"),
                 2);
    cr_expect_eq(weights_of(LOOKUP "  return %e \"e\"\n"), 1);
}

/* Panels of a part have not all that a lookup may want. */
Test(lookups, a_product_with_a_part_of_the_table)
{
    cr_expect_eq(weights_of("  %y: f32[m, 16] = contract(%x, %w) space=[m, 16, 48] nred=1 "
                            "body=[mul($0[i0, i2], $1[add(i1, 8), i2])]\n" LOOKUP
                            "  return %y \"y\", %e \"e\"\n"),
                 2);
}
