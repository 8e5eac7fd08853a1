/* Products that compute their b from codes as they put it in panels, against the same graph in
 * general kernels: rows and columns that fill no panel, long sums, codes of 8 bits with scales of
 * channels, nibbles, and halves. All numbers are small, so that every order gives the same bits. */
#include "passes/pass.h"
#include "tests/unit/linked.h"

TestSuite(computed, .init = fixture_begin, .fini = fixture_end, .timeout = 600);

enum { CHANNELS = 48, OUTPUTS = 3 };

/* Scores of keys in codes, then values in nibbles weighed by them. */
static void make(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs(
        "graph \"t\"\nsymbol m: input [0, 100]\nsymbol n: input [0, 3000]\n"
        "region(%x: f32[2, m, 48] \"x\", %c: i8[2, n, 48] \"c\", %s: f32[48] \"s\", "
        "%p: u8[2, n, 24] \"p\") {\n"
        "  %w: f32[2, n, 48] = map(%c, %s) space=[2, n, 48] "
        "body=[mul(cast(cast($0[i0, i1, i2], i32), f32), $1[i2])]\n"
        "  %y: f32[2, m, n] = contract(%x, %w) space=[2, m, n, 48] nred=1 "
        "body=[mul($0[i0, i1, i3], $1[i0, i2, i3])] epilogue=[mul(acc0, 0.25)]\n"
        "  %q: f32[2, m, n] = map(%y) space=[2, m, n] body=[max(min($0[i0, i1, i2], 2.0), -1.0)]\n"
        "  %h: f32[2, n, 48] = map(%p) space=[2, n, 48] "
        "body=[t0 = cast($0[i0, i1, floordiv(i2, 2)], i32); "
        "sub(cast(select(eq(mod(i2, 2), 1), shr(t0, 4:i32), and(t0, 15:i32)), f32), 8.0)]\n"
        "  %z: f32[2, m, 48] = contract(%q, %h) space=[2, m, 48, n] nred=1 "
        "body=[mul($0[i0, i1, i3], $1[i0, i3, i2])]\n"
        "  %v: f32[2, n, 48] = map(%c, %s) space=[2, n, 48] "
        "body=[mul($1[i2], cast($0[i0, i1, i2], f32))]\n"
        "  %k: f32[2, m, 48] = contract(%q, %v) space=[2, m, 48, n] nred=1 "
        "body=[mul($0[i0, i1, i3], $1[i0, i3, i2])]\n"
        "  return %y \"y\", %z \"z\", %k \"k\"\n}\n",
        f);
    fclose(f);
    fx.g = ir_parse(&fx.arena, fx.diag, "t.ir", text, size);
    cr_assert_not_null(fx.g, "%s", lathe_diag_get(fx.diag, 0).text);
    free(text);
}

static size_t elements(int64_t m, int64_t n, int output)
{
    return 2 * (size_t)m * (size_t)(output ? CHANNELS : n);
}

static void run(const linked *c, int64_t m, int64_t n, float *out[OUTPUTS])
{
    lathe_model *model;
    lathe_session *session;
    const size_t codes = 2 * (size_t)n * CHANNELS, values = 2 * (size_t)m * CHANNELS;
    float *x = malloc(values * sizeof *x + 1), s[CHANNELS];
    signed char *bytes = malloc(codes + 1);
    for (size_t i = 0; i < values; i++) x[i] = (float)((i * 37 + i / 7) % 5) - 2;
    for (size_t i = 0; i < codes; i++) bytes[i] = (signed char)(i * 11 + i / 5);
    for (int i = 0; i < CHANNELS; i++) s[i] = i % 3 ? 0.5f : 2;
    const lathe_tensor in[] = {
        {.data = x,
         .size = values * sizeof *x,
         .dims = {2, m, CHANNELS},
         .rank = 3,
         .elem = LATHE_F32},
        {.data = bytes, .size = codes, .dims = {2, n, CHANNELS}, .rank = 3, .elem = LATHE_I8},
        {.data = s, .size = sizeof s, .dims = {CHANNELS}, .rank = 1, .elem = LATHE_F32},
        {.data = bytes,
         .size = codes / 2,
         .dims = {2, n, CHANNELS / 2},
         .rank = 3,
         .elem = LATHE_U8}};
    lathe_tensor to[OUTPUTS];
    for (int i = 0; i < OUTPUTS; i++) {
        size_t size = elements(m, n, i) * sizeof(float);
        out[i] = malloc(size + 1);
        to[i] = (lathe_tensor){.data = out[i], .size = size};
    }
    const int64_t most[] = {m, n};
    const lathe_open_options options = {.flags = LATHE_OPEN_POISON};
    cr_assert_eq(lathe_model_open(c->desc, &options, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, most, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, in, to), LATHE_OK, "%s", lathe_session_message(session));
    lathe_session_free(session);
    lathe_model_close(model);
    free(x);
    free(bytes);
}

static void expect_same(const linked *plain, const linked *tiled, int64_t m, int64_t n,
                        const char *target)
{
    float *a[OUTPUTS], *b[OUTPUTS];
    run(plain, m, n, a);
    run(tiled, m, n, b);
    for (int i = 0; i < OUTPUTS; i++) {
        for (size_t e = 0; e < elements(m, n, i); e++)
            cr_assert_eq(a[i][e], b[i][e], "%s, %d x %d, output %d, element %zu: %g, not %g",
                         target, (int)m, (int)n, i, e, (double)b[i][e], (double)a[i][e]);
        free(a[i]);
        free(b[i]);
    }
}

Test(computed, every_target)
{
    static const int64_t sizes[][2] = {{1, 1},  {1, 32},   {3, 33}, {5, 64},
                                       {18, 7}, {4, 1100}, {0, 9}};
    const cg_isa *isas[LINKED_MOST];
    size_t n = linked_runnable(isas);
    make();
    linked plain = linked_make(isas[0], 0);
    cr_assert_eq(pass_fuse_codes(fx.g, NULL, fx.diag), LATHE_OK);
    ir_compact(fx.g);
    for (size_t id = 1; id < fx.g->nnodes; id++) /* only the map between the products is left */
        cr_assert(fx.g->nodes[id].op != IR_OP_MAP || fx.g->nodes[id].noperands == 1);
    for (size_t t = 0; t < n; t++) {
        linked tiled = linked_make(isas[t], 2);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            expect_same(&plain, &tiled, sizes[i][0], sizes[i][1], isas[t]->name);
        dlclose(tiled.library);
    }
    dlclose(plain.library);
}

/* What b is computed from is read by the product itself: no buffer holds it as floats. */
Test(computed, no_copy_in_floats)
{
    cg_program *p;
    make();
    cr_assert_eq(pass_fuse_codes(fx.g, NULL, fx.diag), LATHE_OK);
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    cr_expect_eq(p->nsteps, 4, "%zu steps", p->nsteps);
    for (size_t i = 0; i < p->nkernels; i++)
        cr_expect_eq(p->kernels[i].nest.kind == CG_NEST_GEMM, p->kernels[i].nest.nred == 1);
    cg_program_close(p);
}
