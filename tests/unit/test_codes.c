/* Products with weights in codes against the same graph in general kernels: rows below and above
 * what is multiplied in registers, blocks that end inside of k, parts of k, columns that fill no
 * panel. All numbers are small and scales powers of two, so that every order gives the same bits.
 * The same as products of blocks in i8: every block has 127 as its largest number then, so that
 * rounding changes none.
 */
#include "codegen/emit/emit_gemm.h"
#include "passes/pass.h"
#include "tests/unit/linked.h"

enum { MOST_ROWS = 70, CANARY = 64 };

TestSuite(codes, .init = fixture_begin, .fini = fixture_end, .timeout = 600);

typedef struct form {
    const char *constants, *operands, *element; /* of [k, n] */
    cg_code code;
} form;

#define CODES4 "  %c: i4[16] = const() data=hex(\"1032547698badcfe\")\n"
#define BYTES "  %c: u8[7] = const() data=[0, 255, 3, 128, 77, 200, 15]\n"
#define SCALES "  %s: f32[5] = const() data=[0.5, 2.0, 1.0, 0.25, 4.0]\n"
#define AT4 "$0[mod(add(mul(i0, 3), mul(i1, 5)), 16)]"
#define AT8 "$0[mod(add(mul(i0, 3), mul(i1, 5)), 7)]"
#define BLOCK(size) "mod(add(floordiv(i0, " #size "), i1), 5)"

static const form forms[] = {
    {CODES4 SCALES "  %z: u4[5] = const() data=hex(\"53910c\")\n", "%c, %s, %z",
     "mul(cast(sub(cast(" AT4 ", i32), cast($2[" BLOCK(16) "], i32)), f32), $1[" BLOCK(32) "])",
     CG_CODE_4},
    {CODES4 SCALES, "%c, %s", "mul($1[mod(i1, 5)], cast(" AT4 ", f32))", CG_CODE_4},
    {BYTES SCALES "  %z: u8[5] = const() data=[3, 128, 0, 255, 7]\n", "%c, %s, %z",
     "mul(sub(cast(" AT8 ", f32), cast($2[" BLOCK(24) "], f32)), $1[" BLOCK(24) "])", CG_CODE_8},
    {BYTES, "%c", "sub(cast(" AT8 ", f32), 128.0)", CG_CODE_S8},
    {BYTES SCALES, "%c, %s", "mul(sub(cast(" AT8 ", f32), 3.0), $1[" BLOCK(16) "])", CG_CODE_8},
    {"  %c: f16[5] = const() data=[0x3800, 0x4000, 0xbc00, 0x0000, 0x4200]\n", "%c",
     "$0[mod(add(i0, mul(i1, 2)), 5)]", CG_CODE_F16},
    {"  %c: u2[8] = const() data=hex(\"1be4\")\n" SCALES "  %z: u2[4] = const() data=hex(\"6c\")\n",
     "%c, %s, %z",
     "mul(cast(sub(cast($0[mod(add(mul(i0, 3), mul(i1, 5)), 8)], i32), "
     "cast($2[mod(floordiv(i0, 16), 4)], i32)), f32), $1[" BLOCK(16) "])",
     CG_CODE_2},
    {CODES4 SCALES
     "  %b: f32[16] = const() data=[-8, -7, -5.5, -4, -3, -2, -1, 0, 0.5, 1, 2, 3, 4, "
     "5, 6.5, 8]\n",
     "%c, %s, %b", "mul($2[add(cast(" AT4 ", i64), 8)], $1[" BLOCK(32) "])", CG_CODE_4},
    {BYTES SCALES "  %b: f16[9] = const() data=[0x3800, 0x4000, 0xbc00, 0x0000, 0x4200, 0x3400, "
                  "0x3c00, 0xc000, 0xb800]\n",
     "%c, %b", "$1[mod(cast(" AT8 ", i64), 9)]", CG_CODE_4},
    {BYTES
     "  %b: f32[20] = const() data=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, -2, -3, -4, -5, -6, -7, "
     "-8, -9, -10]\n",
     "%c, %b", "$1[mod(cast(" AT8 ", i64), 20)]", CG_CODE_8},
    {"  %c: f8e4m3fn[8] = const() data=hex(\"b838c03000c44048\")\n" SCALES, "%c, %s",
     "mul($0[mod(add(mul(i0, 3), mul(i1, 5)), 8)], $1[" BLOCK(16) "])", CG_CODE_F8E4M3FN},
    {"  %c: f8e5m2[8] = const() data=hex(\"bc3cc03800444048\")\n", "%c",
     "$0[mod(add(mul(i0, 3), mul(i1, 5)), 8)]", CG_CODE_F8E5M2},
    {CODES4 "  %s: f16[5] = const() data=[0x3800, 0x4000, 0x3c00, 0x4400, 0x3400]\n", "%c, %s",
     "mul(cast(" AT4 ", f32), $1[" BLOCK(16) "])", CG_CODE_4},
    {"  %c: bf16[5] = const() data=[0x3f00, 0x4000, 0xbf80, 0x0000, 0x4040]\n", "%c",
     "$0[mod(add(i0, mul(i1, 2)), 5)]", CG_CODE_BF16},
};

static const int64_t depths[] = {8, 50, 64, 1500}, widths[] = {40, 96};
enum {
    FORMS = sizeof forms / sizeof *forms,
    DEPTHS = sizeof depths / sizeof *depths,
    WIDTHS = sizeof widths / sizeof *widths,
    OUTPUTS = FORMS * WIDTHS
};

static bool i8;               /* products may be of blocks in i8 */
static int outputs = OUTPUTS; /* those that are made */

/* A product a form and width, with terms in this order. */
static void make(int64_t k)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "graph \"t\"\nsymbol m: input [0, 1000]\nregion(%%x: f32[m, %d] \"x\") {\n", (int)k);
    for (int i = 0; i < outputs; i++) {
        const form *w = &forms[i / WIDTHS];
        int n = (int)widths[i % WIDTHS];
        const char *constants = w->constants;
        for (; *constants; constants++) {
            fputc(*constants, f);
            if (*constants == '%') fprintf(f, "v%d", i);
        }
        fprintf(f, "  %%w%d: f32[%d, %d] = map(", i, (int)k, n);
        for (const char *c = w->operands; *c; c++) {
            fputc(*c, f);
            if (*c == '%') fprintf(f, "v%d", i);
        }
        fprintf(f, ") space=[%d, %d] body=[%s]\n", (int)k, n, w->element);
        fprintf(f,
                "  %%y%d: f32[m, %d] = contract(%%x, %%w%d) space=[m, %d, %d] nred=1 "
                "body=[mul($0[i0, i2], $1[i2, i1])] epilogue=[add(acc0, 1.0)]%s\n",
                i, n, i, n, (int)k, i8 ? " precision=\"i8\"" : "");
    }
    for (int i = 0; i < outputs; i++) fprintf(f, "%s%%y%d \"y%d\"", i ? ", " : "  return ", i, i);
    fputs("\n}\n", f);
    fclose(f);
    fx.g = ir_parse(&fx.arena, fx.diag, "t.ir", text, size);
    cr_assert_not_null(fx.g, "%s", lathe_diag_get(fx.diag, 0).text);
    free(text);
}

/* Of blocks: each eight k from a multiple of eight on have 127 or -127, and few others. */
static float number(int64_t i, int64_t k)
{
    int64_t h = i * 37 + i / 7 + 11, at = i % k % 8;
    if (!i8) return (float)(h % 5 - 2);
    return at == 0 ? h % 2 ? 127 : -127 : at == 3 ? (float)(h % 5 - 2) : 0;
}

typedef struct results {
    float *y[OUTPUTS];
} results;

static size_t elements(int i, int64_t rows) { return (size_t)(rows * widths[i % WIDTHS]); }

static results run(const linked *c, int64_t rows, int64_t k, int threads)
{
    lathe_model *model;
    lathe_session *session;
    lathe_threads *pool = NULL;
    lathe_tensor out[OUTPUTS];
    results r;
    float *x = malloc((size_t)(rows * k) * sizeof *x);
    for (int64_t i = 0; i < rows * k; i++) x[i] = number(i, k);
    const lathe_tensor in = {.data = x,
                             .size = (size_t)(rows * k) * sizeof *x,
                             .dims = {rows, k},
                             .rank = 2,
                             .elem = LATHE_F32};
    if (threads > 1) cr_assert_eq(lathe_threads_new(c->desc, threads, &pool), LATHE_OK);
    const lathe_open_options options = {.threads = pool, .flags = LATHE_OPEN_POISON};
    cr_assert_eq(lathe_model_open(c->desc, &options, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, &rows, &session), LATHE_OK);
    for (int i = 0; i < outputs; i++) {
        size_t bytes = elements(i, rows) * sizeof(float);
        r.y[i] = malloc(bytes + CANARY);
        memset(r.y[i], 0x55, bytes + CANARY);
        out[i] = (lathe_tensor){.data = r.y[i], .size = bytes};
    }
    cr_assert_eq(lathe_run(session, &in, out), LATHE_OK, "%s", lathe_session_message(session));
    for (int i = 0; i < outputs; i++)
        for (int b = 0; b < CANARY; b++)
            cr_assert_eq(((char *)r.y[i])[elements(i, rows) * sizeof(float) + (size_t)b], 0x55);
    lathe_session_free(session);
    lathe_model_close(model);
    if (pool) lathe_threads_free(c->desc, pool);
    free(x);
    return r;
}

static void expect_same(const linked *plain, const linked *coded, int64_t rows, int64_t k,
                        const char *target)
{
    results a = run(plain, rows, k, 1), b = run(coded, rows, k, rows % 3 ? 1 : 2);
    for (int i = 0; i < outputs; i++) {
        for (size_t e = 0; e < elements(i, rows); e++)
            cr_assert_eq(a.y[i][e], b.y[i][e], "%s, form %d, %d x %d, element %zu: %g, not %g",
                         target, i / WIDTHS, (int)rows, (int)k, e, (double)b.y[i][e],
                         (double)a.y[i][e]);
        free(a.y[i]);
        free(b.y[i]);
    }
}

static void check_targets(void)
{
    static const int64_t rows[] = {1, 2, 3, 4, 5, 7, 18, MOST_ROWS};
    const cg_isa *isas[LINKED_MOST];
    size_t n = linked_runnable(isas);
    for (int d = 0; d < DEPTHS; d++) {
        make(depths[d]);
        linked plain = linked_make(isas[0], 0);
        for (size_t t = 0; t < n; t++) {
            linked coded = linked_make(isas[t], 2);
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                expect_same(&plain, &coded, rows[i], depths[d], isas[t]->name);
            dlclose(coded.library);
        }
        dlclose(plain.library);
    }
}

Test(codes, each_form_is_found)
{
    cg_program *p;
    make(64);
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    cr_assert_eq(p->nweights, OUTPUTS);
    for (int i = 0; i < outputs; i++)
        cr_expect_eq(p->weights[i].panels->codes.code, forms[i / WIDTHS].code, "form %d",
                     i / WIDTHS);
    cg_program_close(p);
}

Test(codes, every_target) { check_targets(); }

Test(codes, every_target_in_blocks)
{
    i8 = true;
    check_targets();
}

static bool serves(const cg_isa *isa, const char *tile)
{
    const cg_codes all[] = {{.code = CG_CODE_4, .block = 16}, {.code = CG_CODE_8, .block = 16}};
    for (int i = 0; i < 2; i++) {
        const cg_tile_use use = cg_i8_use(isa, &all[i], 64);
        if (strcmp(cg_tile_name_of(isa, &use), tile) == 0) return true;
    }
    return false;
}

/* Those of other machines with their instructions' definitions. */
Test(codes, every_tile_in_blocks)
{
    static const int64_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 33};
    const char *tile;
    int tiles = 0;
    cg_isa isa = *cg_isa_at(0);
    i8 = true;
    outputs = 3 * WIDTHS;
    isa.defines = UINT32_MAX;
    isa.vector_registers = 32;
    make(50);
    linked plain = linked_make(cg_isa_at(0), 0);
    for (size_t t = 0; (tile = cg_tile_name(t)); t++) {
        isa.tile = tile;
        if (!serves(&isa, tile)) continue;
        linked coded = linked_make(&isa, 2);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            expect_same(&plain, &coded, rows[i], 50, tile);
        dlclose(coded.library);
        tiles++;
    }
    cr_expect_geq(tiles, 10);
    dlclose(plain.library);
}

/* Numbers in blocks that are not too long. */
Test(codes, blocks_are_found)
{
    cg_program *p;
    int found = 0;
    i8 = true;
    make(64);
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    for (size_t i = 0; i < p->nkernels; i++)
        found += p->kernels[i].nest.gemm && p->kernels[i].nest.gemm->narrow == CG_NARROW_I8;
    cr_expect_eq(found, 7 * WIDTHS);
    cg_program_close(p);
    cr_expect(cg_i8_serves(&(cg_codes){.code = CG_CODE_4, .block = 1024}, 5000));
    cr_expect_not(cg_i8_serves(&(cg_codes){.code = CG_CODE_4, .block = 2048}, 5000));
    cr_expect_not(cg_i8_serves(&(cg_codes){.code = CG_CODE_4, .block = 16, .book = 16}, 64));
    cr_expect_not(cg_i8_serves(&(cg_codes){.code = CG_CODE_F16, .block = 16}, 64));
}
