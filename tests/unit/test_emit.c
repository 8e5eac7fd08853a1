/* Scalar operators: every operator on every type, in vectors and alone, against ir_x_eval.
 *
 * Operands are all pairs of values that are likely to go wrong. Integers and exactly rounded float
 * operators must agree exactly; elementary functions within the ulps below. */
#include "tests/unit/kernels.h"

#include <fenv.h>
#include <math.h>

enum { MAX_VALUES = 64, MAX_PAIRS = MAX_VALUES * MAX_VALUES };

typedef struct element {
    union {
        uint8_t bytes[8];
        int64_t i;
        double f;
        float f32;
    };
} element;

static const ir_elem types[] = {IR_F32, IR_F64, IR_I8,  IR_I16, IR_I32, IR_I64,
                                IR_U8,  IR_U16, IR_U32, IR_U64, IR_BOOL};
enum { NTYPES = sizeof types / sizeof *types };

static const struct {
    ir_scalar op;
    int arity;
    const char *text;
} ops[] = {
#define SCALAR(NAME, text, arity, result, traits) {IR_X_##NAME, arity, text},
#include "ir/scalar.def"
#undef SCALAR
};
enum { NOPS = sizeof ops / sizeof *ops };

static bool fits(ir_scalar op, ir_elem t)
{
    bool is_float = ir_elem_is_float(t), is_bool = t == IR_BOOL, is_int = ir_elem_is_int(t);
    if (op < IR_X_ADD || op >= IR_X_SELECT) return false;
    if (op >= IR_X_AND && op <= IR_X_NOT) return !is_float;
    if (op == IR_X_SHL || op == IR_X_SHR) return is_int;
    if (op >= IR_X_EQ && op <= IR_X_ISINF) return true;
    if (is_bool) return op == IR_X_MIN || op == IR_X_MAX;
    if ((op >= IR_X_SQRT && op <= IR_X_ATANH) || op == IR_X_ATAN2) return is_float;
    return true;
}

/* Largest error allowed, in units of the last place. */
static int ulps(ir_scalar op, ir_elem t)
{
    if (op == IR_X_POW || op == IR_X_ATAN2 || (op >= IR_X_EXP && op <= IR_X_ATANH))
        return t == IR_F64 ? 1 : 4;
    return 0;
}

/* erfc is as exact as 1 - erf would be: near 0 it has few digits (emit_math_f32.c). */
#define ERFC_ERROR (1.2 * 0x1p-23)

static size_t interesting(ir_elem t, ir_scalar_value *out)
{
    static const double floats[] = {
        0,
        -0.0,
        1,
        -1,
        0.5,
        -0.5,
        1.5,
        -1.5,
        2,
        -2,
        2.5,
        3,
        -3,
        7,
        0.1,
        -0.3,
        10,
        -17.25,
        88,
        89,
        -87,
        -104,
        103.9,
        1e-3,
        1e-10,
        -1e-20,
        1e-38,
        1e-40,
        -1e-45,
        1e10,
        -1e15,
        1e20,
        3e38,
        -3e38,
        8388607.5,
        8388608,
        16777217,
        2147483648.0,
        -2147483648.0,
        4294967296.0,
        9.3e18,
        -9.3e18,
        1.9e19,
        0.9999999,
        1.0000001,
        3.1415927,
        -0.7853982,
        127.5,
        128,
        255.5,
        -128.5,
        65535.5,
        INFINITY,
        -INFINITY,
        NAN,
    };
    static const int64_t ints[] = {
        0,     1,         -1,        2,          -2,        3,         5,
        -7,    8,         13,        31,         32,        63,        64,
        100,   -100,      127,       -128,       255,       32767,     -32768,
        65535, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    size_t n = 0;
    if (ir_elem_is_float(t))
        for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
            out[n++].f = t == IR_F32 ? (float)floats[i] : floats[i];
    else
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
            int bits = ir_elem_bits(t), spare = 64 - bits;
            uint64_t high = (uint64_t)ints[i] << spare;
            out[n++].i = t == IR_BOOL              ? (int64_t)i % 2
                         : ir_elem_class(t) == 'S' ? (int64_t)high >> spare
                                                   : (int64_t)(high >> spare);
        }
    return n;
}

static void put(ir_elem t, void *data, size_t at, ir_scalar_value v)
{
    size_t size = (size_t)ir_elem_bits(t) / 8;
    float f = (float)v.f;
    memcpy((char *)data + at * size, t == IR_F32 ? (void *)&f : (void *)&v, size);
}

static ir_scalar_value get(ir_elem t, const void *data, size_t at)
{
    int bits = ir_elem_bits(t), spare = 64 - bits;
    ir_scalar_value v = {0};
    float f;
    memcpy(&v, (const char *)data + at * (size_t)bits / 8, (size_t)bits / 8);
    memcpy(&f, &v, sizeof f);
    if (t == IR_F32) v.f = f;
    else if (ir_elem_class(t) == 'S') v.i = (int64_t)((uint64_t)v.i << spare) >> spare;
    return v;
}

static int64_t ordered(ir_elem t, double v)
{
    union {
        double d;
        int64_t i;
    } d = {v};
    union {
        float f;
        int32_t i;
    } f = {(float)v};
    if (t == IR_F64) return d.i < 0 ? INT64_MIN - d.i : d.i;
    return f.i < 0 ? INT32_MIN - f.i : f.i;
}

static bool close_enough(ir_elem t, ir_scalar_value got, ir_scalar_value want, int most)
{
    if (!ir_elem_is_float(t)) return got.i == want.i;
    if (isnan(want.f) || isnan(got.f)) return isnan(want.f) && isnan(got.f);
    if (got.f == want.f) return true;
    if (isinf(want.f) || isinf(got.f)) return false;
    int64_t distance = ordered(t, got.f) - ordered(t, want.f);
    return distance <= most && distance >= -most;
}

static _Alignas(64) char left[MAX_PAIRS * 8], right[MAX_PAIRS * 8], result[MAX_PAIRS * 8];

static struct pairs {
    ir_elem t;
    size_t n;
} current;

static bool load_value(void *ctx, int number, const int64_t *at, int n, ir_scalar_value *out)
{
    (void)ctx, (void)n;
    *out = get(current.t, number ? right : left, (size_t)*at);
    return true;
}

static size_t fill(ir_elem t, bool pairs)
{
    ir_scalar_value v[MAX_VALUES];
    size_t n = interesting(t, v), total = pairs ? n * n : n;
    for (size_t i = 0; i < total; i++) {
        put(t, left, i, v[i % n]);
        put(t, right, i, v[i / n]);
    }
    current = (struct pairs){t, total};
    return total;
}

static void setup(void)
{
    kernels_begin();
    memset(left, 0, sizeof left);
    memset(right, 0, sizeof right);
}

TestSuite(emit, .init = setup, .fini = kernels_end, .timeout = 300);

static void add_map(ir_elem from, ir_elem out, ir_expr body)
{
    ir_dim n = ir_dim_sym(fx.g, ir_sym_find(fx.g, "n"));
    cg_operand operands[] = {operand(from, 1, &n), operand(from, 1, &n)};
    cg_nest nest = {.kind = CG_NEST_MAP,
                    .rank = 1,
                    .space = {n},
                    .noperands = 2,
                    .operands = operands,
                    .out = operand(out, 1, &n),
                    .nparams = 1,
                    .params = &n,
                    .body = body};
    nest.store[0] = idx(0);
    kernels_add(&nest);
}

static ir_expr argument(ir_elem t, int number)
{
    ir_expr at = idx(0);
    return ir_x_load(fx.g, t, number, &at, 1);
}

/* IR_X_EVAL computes f32 division in double; the kernel divides as f32 does. */
static void expected(ir_expr body, ir_elem t, ir_scalar op, int64_t at, ir_scalar_value *want)
{
    ir_x_env env = {.index = &at, .load = load_value};
    cr_assert(ir_x_eval(fx.g, body, &env, want));
    if (op == IR_X_FLOORDIV && t == IR_F32)
        want->f = floorf((float)get(t, left, (size_t)at).f / (float)get(t, right, (size_t)at).f);
    if (op == IR_X_SIGMOID && want->f == 0) want->f = exp(get(t, left, (size_t)at).f);
}

static void check_op(size_t kernel, size_t op, ir_elem t, const char *isa)
{
    const cg_nest *n = &ks.all[kernel].nest;
    int64_t count = (int64_t)fill(t, ops[op].arity == 2);
    kernels_run(kernel, (void *[]){left, right, result}, &count, 1);
    for (int64_t i = 0; i < count; i++) {
        ir_scalar_value want, got = get(n->out.elem, result, (size_t)i);
        expected(n->body, t, ops[op].op, i, &want);
        if (close_enough(n->out.elem, got, want, ulps(ops[op].op, t))) continue;
        if (ops[op].op == IR_X_ERFC && t != IR_F64 && fabs(got.f - want.f) < ERFC_ERROR) continue;
        ir_scalar_value a = get(t, left, (size_t)i), b = get(t, right, (size_t)i);
        if (ir_elem_is_float(t))
            cr_assert_fail("%s %s.%s(%.9g, %.9g): %.17g (%ld), not %.17g (%ld)", isa, ops[op].text,
                           ir_elem_name(t), a.f, b.f, got.f, (long)got.i, want.f, (long)want.i);
        cr_assert_fail("%s %s.%s(%ld, %ld): %ld, not %ld", isa, ops[op].text, ir_elem_name(t),
                       (long)a.i, (long)b.i, (long)got.i, (long)want.i);
    }
}

static void check_all_ops(const cg_isa *isa, int level)
{
    size_t kernel = 0;
    kernels_load(isa, level);
    feclearexcept(FE_ALL_EXCEPT);
    for (size_t o = 0; o < NOPS; o++)
        for (size_t t = 0; t < NTYPES; t++)
            if (fits(ops[o].op, types[t])) check_op(kernel++, o, types[t], isa->name);
    kernels_unload();
}

static void add_all_ops(void)
{
    ir_sym_new(fx.g, "n", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE);
    for (size_t o = 0; o < NOPS; o++)
        for (size_t t = 0; t < NTYPES; t++) {
            if (!fits(ops[o].op, types[t])) continue;
            ir_expr a = argument(types[t], 0), b = argument(types[t], 1);
            ir_expr body =
                ops[o].arity == 1 ? ir_x_1(fx.g, ops[o].op, a) : ir_x_2(fx.g, ops[o].op, a, b);
            cr_assert_neq(body, IR_NONE, "%s %s", ops[o].text, ir_elem_name(types[t]));
            add_map(types[t], ir_expr_get(fx.g, body)->type, body);
        }
}

Test(emit, operators_agree_with_evaluation)
{
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    add_all_ops();
    for (size_t i = 0; i < n; i++) {
        check_all_ops(isas[i], 0);
        check_all_ops(isas[i], 2);
    }
}

static const ir_elem low[] = {IR_F16, IR_BF16, IR_I4, IR_U4, IR_I2, IR_U2};
enum { NTARGETS = NTYPES + 6 };

static ir_elem target(size_t i) { return i < NTYPES ? types[i] : low[i - NTYPES]; }

static void add_all_casts(void)
{
    ir_sym_new(fx.g, "n", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE);
    for (size_t f = 0; f < NTYPES; f++)
        for (size_t t = 0; t < NTARGETS; t++) {
            ir_expr body = ir_x_cast(fx.g, argument(types[f], 0), target(t));
            add_map(types[f], ir_elem_arith(target(t)), body);
        }
}

Test(emit, casts_agree_with_evaluation)
{
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    add_all_casts();
    for (size_t i = 0; i < n * 2; i++) {
        kernels_load(isas[i / 2], (int)(i % 2) * 2);
        for (size_t k = 0; k < NTYPES * NTARGETS; k++) {
            ir_elem from = types[k / NTARGETS], out = ks.all[k].nest.out.elem;
            int64_t count = (int64_t)fill(from, false);
            kernels_run(k, (void *[]){left, right, result}, &count, 1);
            for (int64_t at = 0; at < count; at++) {
                ir_scalar_value want, got = get(out, result, (size_t)at),
                                      a = get(from, left, (size_t)at);
                expected(ks.all[k].nest.body, from, IR_X_CAST, at, &want);
                cr_assert(close_enough(out, got, want, 0),
                          "%s cast %s -> %s of %.9g (%ld): %.9g (%ld), not %.9g (%ld)",
                          isas[i / 2]->name, ir_elem_name(from), ir_elem_name(target(k % NTARGETS)),
                          a.f, (long)a.i, got.f, (long)got.i, want.f, (long)want.i);
            }
        }
        kernels_unload();
    }
}

static const char *const all_targets[] = {"x86-64",        "x86-64-v3",      "x86-64-v3+avxvnni",
                                          "x86-64-v4",     "x86-64-v4+vnni", "x86-64-v4+bf16",
                                          "x86-64-v4+amx", "aarch64",        "aarch64+dotprod",
                                          "aarch64+i8mm",  "aarch64+bf16"};

/* cg_emit refuses an object that refers to anything but the runtime. */
Test(emit, objects_need_the_runtime_only)
{
    static const cg_form forms[] = {CG_OBJECT, CG_LLVM, CG_ASM};
    add_all_ops();
    add_all_casts();
    for (size_t i = 0; i < sizeof all_targets / sizeof *all_targets; i++)
        for (size_t form = 0; form < (i == 1 ? 3u : 1u); form++) {
            char *data = NULL;
            size_t size = 0;
            expect_ok(cg_emit(&ks.p, ONE_TARGET(cg_isa_find(all_targets[i])), forms[form], 2,
                              fx.diag, &data, &size));
            cr_assert_gt(size, 1000);
            free(data);
        }
    cr_assert_null(cg_isa_find("pentium"));
}

Test(emit, other_references_are_refused)
{
    static const char *functions[] = {"lathe_rt_sort", "puts"};
    char *data = NULL;
    size_t size = 0;
    ks.p.funcs = functions;
    ks.p.nfuncs = 1;
    expect_ok(cg_emit(&ks.p, ONE_TARGET(cg_isa_host()), CG_OBJECT, 2, fx.diag, &data, &size));
    free(data);
    ks.p.nfuncs = 2;
    cr_assert_eq(cg_emit(&ks.p, ONE_TARGET(cg_isa_host()), CG_OBJECT, 2, fx.diag, &data, &size),
                 LATHE_TOOLCHAIN);
    cr_assert_not_null(strstr(lathe_diag_get(fx.diag, 0).text, "'puts'"));
}

Test(emit, tables_go_into_the_object)
{
    static const int64_t numbers[] = {1, -2, INT64_MAX};
    static const lathe_node nodes[] = {{3, 4, 0}};
    ks.p.i64s = (int64_t *)numbers;
    ks.p.ni64s = 3;
    ks.p.nodes = (lathe_node *)nodes;
    ks.p.nnodes = 1;
    ks.p.weights_size = 77;
    kernels_load(cg_isa_host(), 2);
    const lathe_tables *t = ks.desc->tables;
    const char *base = (const char *)t;
    cr_assert_eq(t->magic, LATHE_MAGIC);
    cr_assert_eq((uintptr_t)base % 64, 0);
    cr_assert_eq(t->weights_size, 77);
    const lathe_target *target = (const lathe_target *)(const void *)(base + t->targets.offset);
    cr_assert_eq(t->targets.count, 1);
    cr_assert_eq(target->features, cg_isa_host()->cpu_bits);
    cr_assert_str_eq(base + t->strings.offset + t->name, "t");
    cr_assert_str_eq(base + t->strings.offset + target->name, cg_isa_host()->name);
    cr_assert_eq(t->i64s.count, 3);
    cr_assert_arr_eq(base + t->i64s.offset, numbers, sizeof numbers);
    cr_assert_arr_eq(base + t->nodes.offset, nodes, sizeof nodes);
    cr_assert_not_null(ks.desc->rt);
    cr_assert_null(ks.desc->weights);
    kernels_unload();
}

Test(emit, malformed_nests_are_reported)
{
    char *data = NULL;
    size_t size = 0;
    ir_sym_new(fx.g, "n", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE);
    add_map(IR_F32, IR_I32, argument(IR_F32, 0));
    cr_assert_eq(cg_emit(&ks.p, ONE_TARGET(cg_isa_host()), CG_OBJECT, 2, fx.diag, &data, &size),
                 LATHE_INTERNAL);
    cr_assert_eq(lathe_diag_count(fx.diag), 1);
}
