/* Targets: lists of names, which one a model runs for which features, code for several in one
 * object. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "codegen/program.h"
#include "runtime/rt.h"
#include "tests/unit/hand_model.h"

enum {
    V3 = LATHE_CPU_SSE42 | LATHE_CPU_AVX2 | LATHE_CPU_FMA | LATHE_CPU_F16C,
    V4 = V3 | LATHE_CPU_AVX512,
    AMX = V4 | LATHE_CPU_AVX512_VNNI | LATHE_CPU_AVX512_BF16 | LATHE_CPU_AMX_TILE |
          LATHE_CPU_AMX_BF16 | LATHE_CPU_AMX_INT8
};

/* ---- lists ---- */

static lathe_diag *diag;

static void begin_list(void) { diag = lathe_diag_new(); }
static void end_list(void) { lathe_diag_free(diag); }
TestSuite(target_list, .init = begin_list, .fini = end_list);

Test(target_list, stands_from_the_best_to_the_least)
{
    static const char *const lists[] = {"x86-64-v4,x86-64,x86-64-v3", "x86-64,x86-64-v3,x86-64-v4"};
    cg_targets t;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(cg_targets_parse(lists[i], &t, diag), LATHE_OK);
        cr_assert_eq(t.n, 3);
        cr_expect_str_eq(t.isa[0]->name, "x86-64-v4");
        cr_expect_str_eq(t.isa[1]->name, "x86-64-v3");
        cr_expect_str_eq(t.isa[2]->name, "x86-64");
    }
    cr_assert_eq(cg_targets_parse("aarch64,aarch64+dotprod+i8mm+bf16", &t, diag), LATHE_OK);
    cr_expect_str_eq(t.isa[0]->name, "aarch64+bf16");
    cr_expect_str_eq(t.isa[1]->name, "aarch64");
    cr_assert_eq(cg_targets_parse(NULL, &t, diag), LATHE_OK);
    cr_assert_eq(t.n, 1);
    cr_expect_eq(t.isa[0], cg_isa_host());
}

/* Without products of codes a default needs no dot products, and never what no code uses. */
Test(target_list, a_default_needs_only_what_its_code_uses)
{
    static const struct {
        const char *best, *of_floats, *of_codes;
    } cases[] = {
        {"x86-64", "x86-64", "x86-64"},
        {"x86-64-v3", "x86-64-v3", "x86-64-v3"},
        {"x86-64-v3+avxvnni", "x86-64-v3", "x86-64-v3+avxvnni"},
        {"x86-64-v4+vnni", "x86-64-v4", "x86-64-v4+vnni"},
        {"x86-64-v4+bf16", "x86-64-v4", "x86-64-v4+vnni"},
        {"x86-64-v4+amx", "x86-64-v4", "x86-64-v4+amx"},
        {"aarch64+dotprod", "aarch64", "aarch64+dotprod"},
        {"aarch64+i8mm", "aarch64", "aarch64+i8mm"},
        {"aarch64+bf16", "aarch64", "aarch64+i8mm"},
    };
    cg_gemm floats = {.format = CG_FORMAT_F32}, codes = {.format = CG_FORMAT_I8};
    cg_operand a = {.elem = IR_F32};
    cg_kernel kernels[] = {{.nest = {.gemm = NULL}}, {.nest = {.gemm = &floats, .operands = &a}}};
    cg_program p = {.kernels = kernels, .nkernels = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cg_isa *best = cg_isa_find(cases[i].best);
        kernels[1].nest.gemm = &floats, a.elem = IR_F32;
        cr_expect_str_eq(cg_isa_needed(best, &p)->name, cases[i].of_floats);
        kernels[1].nest.gemm = &codes, a.elem = IR_I8;
        cr_expect_str_eq(cg_isa_needed(best, &p)->name, cases[i].of_codes);
    }
}

#define KNOWN                                                                                      \
    "; the targets are x86-64, x86-64-v3, x86-64-v3+avxvnni, x86-64-v4, x86-64-v4+vnni, "          \
    "x86-64-v4+bf16, x86-64-v4+amx, aarch64, aarch64+dotprod, aarch64+i8mm, aarch64+bf16"

Test(target_list, refusals)
{
    static const struct {
        const char *list, *text;
        lathe_status status;
    } cases[] = {
        {"x86-64-v3,aarch64",
         "targets x86-64-v3 and aarch64 are of different architectures; an object holds one",
         LATHE_BAD_INPUT},
        {"x86-64-v3,x86-64,x86-64-v3", "target x86-64-v3 is given twice", LATHE_BAD_INPUT},
        {"x86-64-v3,", "unknown target ''" KNOWN, LATHE_NOT_FOUND},
        {"x86-64-v2", "unknown target 'x86-64-v2'" KNOWN, LATHE_NOT_FOUND},
        {"x86-64 ,x86-64-v3", "unknown target 'x86-64 '" KNOWN, LATHE_NOT_FOUND},
    };
    cg_targets t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(cg_targets_parse(cases[i].list, &t, diag), cases[i].status);
        cr_expect_str_eq(lathe_diag_get(diag, i).text, cases[i].text);
    }
}

/* AVX-VNNI alone is a branch: processors with AVX-512 may lack it. */
Test(target_list, a_better_target_has_all_of_a_lesser_one)
{
    size_t n = lathe_target_count();
    cr_assert_eq(n, 11);
    for (size_t i = 1; i < n; i++) {
        lathe_target_info less = lathe_target_get(i - 1), more = lathe_target_get(i);
        if (strcmp(less.architecture, more.architecture) != 0) continue;
        cr_expect_neq(more.features & ~less.features, 0, "%s", more.name);
        cr_expect_eq(less.features & ~LATHE_CPU_AVX_VNNI & ~more.features, 0, "%s", more.name);
    }
    cr_expect_eq(lathe_target_get(1).features, V3);
    cr_expect_str_eq(lathe_target_get(n).name, "");
}

/* ---- which one is run ---- */

static hand_model h;

static void kernel_add_two(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *x = a->buf[0];
    float *y = a->buf[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++) y[i] = x[i] + 2;
}

static void add_target(const char *name, uint32_t features, lathe_kernel kernel)
{
    PUSH(&h, targets, (lathe_target){hand_string(&h, name), features});
    hand_kernel(&h, kernel);
}

/* y = x + 1 for three floats, by a lesser and a better target; the better one adds 2 to tell. */
static void make_model(uint32_t least, uint32_t best)
{
    hand_begin(&h);
    h.ntargets = 0;
    add_target("better", best, kernel_add_two);
    add_target("lesser", least, kernel_add_one);
    uint32_t n = hand_const(&h, 3), bytes = hand_const(&h, 12);
    uint32_t x = hand_io(&h, false, "x", LATHE_F32, n, bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes);
    hand_step(&h, 0, 2, 0, LIST(&h, x, y), n, n);
}

static void end_model(void) { free(h.block); }
TestSuite(target, .fini = end_model);

/* What the run adds, or -1 with the refusal in `message`. */
static float added(uint32_t hide, const char **name, char message[512])
{
    lathe_open_options o = {.message = message, .message_size = 512, .hide_features = hide};
    lathe_model *model;
    lathe_session *session;
    float in[3] = {0, 10, 20};
    lathe_tensor x = hand_tensor(LATHE_F32, in, 3), y = {0};
    lathe_status s = lathe_model_open(hand_finish(&h), &o, &model);
    if (s != LATHE_OK) {
        cr_expect_eq(s, LATHE_UNSUPPORTED_CPU);
        return -1;
    }
    const char *target = lathe_model_target(model);
    *name = strcmp(target, "better") == 0   ? "better"
            : strcmp(target, "lesser") == 0 ? "lesser"
                                            : "";
    cr_assert_eq(lathe_session_new(model, NULL, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, &x, &y), LATHE_OK);
    float result = *(const float *)y.data;
    lathe_session_free(session);
    lathe_model_close(model);
    return result;
}

/* The lowest feature that this processor has, or 0. */
static uint32_t some_feature(void) { return rt_cpu_features() & -rt_cpu_features(); }

Test(target, the_best_that_the_processor_has_is_run)
{
    const char *name = "";
    char message[512] = "";
    make_model(0, some_feature());
    cr_expect_eq(added(0, &name, message), 2);
    cr_expect_str_eq(name, "better");
    make_model(0, 1u << 31);
    cr_expect_eq(added(0, &name, message), 1);
    cr_expect_str_eq(name, "lesser");
}

Test(target, hidden_features_are_missing)
{
    const char *name = "";
    char message[512] = "", expected[512];
    uint32_t one = some_feature();
    if (!one) cr_skip_test("a processor without any feature beyond the baseline");
    make_model(0, one);
    cr_expect_eq(added(one, &name, message), 1);
    cr_expect_str_eq(name, "lesser");
    make_model(one, one | 1u << 31);
    cr_expect_eq(added(0, &name, message), 1);
    cr_expect_eq(added(one, &name, message), -1);
    snprintf(expected, sizeof expected,
             "this processor lacks %s; the least target of 'hand' is lesser", rt_cpu_name(one));
    cr_expect_str_eq(message, expected);
}

static const char *chosen(uint32_t features, rt_text *text)
{
    rt_view v;
    const lathe_target *t = NULL;
    cr_assert_eq(rt_view_make(hand_finish(&h), &v, text), LATHE_OK);
    lathe_status s = rt_target_choose(&v, features, &t, text);
    cr_expect_eq(s, t ? LATHE_OK : LATHE_UNSUPPORTED_CPU);
    if (t) cr_expect_eq(v.kernels, h.kernels + (t - v.targets));
    return t ? rt_string(&v, t->name) : NULL;
}

Test(target, everything_that_is_missing_is_named)
{
    rt_text text = {{0}};
    make_model(V3, V4);
    cr_expect_null(chosen(0, &text));
    cr_expect_str_eq(text.s, "this processor lacks SSE4.2, AVX2, FMA, F16C; the least target of "
                             "'hand' is lesser");
    cr_expect_null(chosen(V4 & ~LATHE_CPU_AVX2, &text));
    cr_expect_str_eq(text.s, "this processor lacks AVX2; the least target of 'hand' is lesser");
    cr_expect_str_eq(chosen(V3, &text), "lesser");
    cr_expect_str_eq(chosen(V4, &text), "better");
    make_model(~0u >> 1, ~0u);
    cr_expect_null(chosen(0, &text));
    cr_expect_str_eq(strrchr(text.s, ';'), "; the least target of 'hand' is lesser");
}

/* Where the system refuses AMX, a target that needs it is passed over. */
Test(target, amx_needs_the_system)
{
    rt_text text = {{0}};
    if (rt_cpu_enable(AMX)) cr_skip_test("the system lets processes use AMX");
    make_model(V3, AMX);
    cr_expect_str_eq(chosen(AMX, &text), "lesser");
    make_model(AMX, AMX);
    cr_expect_null(chosen(AMX, &text));
    cr_expect_str_eq(text.s, "the system does not let this process use AMX; the least target of "
                             "'hand' is lesser");
}

Test(target, damaged_tables_are_refused)
{
    lathe_model *model;
    char message[256];
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    make_model(0, 0);
    hand_kernel(&h, kernel_add_one); /* three kernels for two targets */
    cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_MISMATCH);
    cr_expect_str_eq(message, "the model's header is damaged");
    make_model(0, 0);
    h.ntargets = 0;
    cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_MISMATCH);
    cr_expect_str_eq(message, "the model's header is damaged");
    make_model(0, 0);
    h.steps[0].func = 1; /* of the other target */
    cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_MISMATCH);
    cr_expect_str_eq(message, "the model's step 0 is damaged");
}
