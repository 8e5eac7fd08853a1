/* Loop nests: every kind, with constant and run-time sizes, on every ISA that this machine runs. */
#include "tests/unit/kernels.h"

#include <math.h>

static ir_dim n_sym, m_sym;

static void setup(void)
{
    kernels_begin();
    n_sym = ir_dim_sym(fx.g, ir_sym_new(fx.g, "n", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
    m_sym = ir_dim_sym(fx.g, ir_sym_new(fx.g, "m", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
}

TestSuite(emit_nest, .init = setup, .fini = kernels_end, .timeout = 120);

#define EACH_TARGET(i, count)                                                                      \
    const cg_isa *isas[8];                                                                         \
    size_t count = runnable(isas, 8) * 2;                                                          \
    for (size_t i = 0; i < count; i++)
#define TARGET_ISA(i) isas[(i) / 2]
#define TARGET_LEVEL(i) ((int)(i) % 2 * 2)

static ir_expr load(ir_elem type, int number, int n, ...)
{
    ir_expr at[IR_MAX_RANK];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) at[i] = va_arg(list, ir_expr);
    va_end(list);
    return ir_x_load(fx.g, type, number, at, n);
}

static float value(int64_t i) { return (float)((i * 37 + 11) % 101) / 8 - 6; }

static void fill(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = value(i);
}

Test(emit_nest, map_adds_with_broadcast)
{
    enum { ROWS = 5, COLS = 83 };
    static float a[ROWS * COLS], b[COLS], c[ROWS], out[ROWS * COLS];
    fill(a, ROWS * COLS);
    fill(b, COLS);
    fill(c, ROWS);
    ir_dim sizes[2][2] = {{cdim(ROWS), cdim(COLS)}, {m_sym, n_sym}};
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        ir_dim *d = sizes[dynamic];
        cg_operand ops[] = {operand(IR_F32, 2, d), operand(IR_F32, 1, d + 1),
                            operand(IR_F32, 1, d)};
        cg_nest n = {.kind = CG_NEST_MAP,
                     .rank = 2,
                     .space = {d[0], d[1]},
                     .noperands = 3,
                     .operands = ops,
                     .out = operand(IR_F32, 2, d),
                     .nparams = dynamic ? 2 : 0,
                     .params = d};
        ir_expr sum =
            ir_x_2(fx.g, IR_X_ADD, load(IR_F32, 0, 2, idx(0), idx(1)), load(IR_F32, 1, 1, idx(1)));
        n.body = ir_x_2(fx.g, IR_X_MUL, sum, load(IR_F32, 2, 1, idx(0)));
        store_at_point(&n);
        kernels_add(&n);
        cr_assert_eq(cg_nest_rows(fx.g, &n), d[0]);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t k = 0; k < 2; k++) {
            memset(out, 0xFF, sizeof out);
            kernels_run(k, (void *[]){a, b, c, out}, (int64_t[]){ROWS, COLS}, ROWS);
            for (int i = 0; i < ROWS * COLS; i++)
                cr_assert_float_eq(out[i], (a[i] + b[i % COLS]) * c[i / COLS], 0, "%s %d",
                                   TARGET_ISA(t)->name, i);
        }
        kernels_unload();
    }
}

/* c[i, j] = sum over k of a[i, k] * b[k, j] or, transposed, b[j, k]. */
static void add_product(bool transposed, ir_dim m, ir_dim n, ir_dim k, ir_dim *params,
                        size_t nparams)
{
    cg_operand ops[] = {operand(IR_F32, 2, (ir_dim[]){m, k}),
                        operand(IR_F32, 2, transposed ? (ir_dim[]){n, k} : (ir_dim[]){k, n})};
    cg_nest nest = {.kind = CG_NEST_REDUCE,
                    .combine = CG_SUM,
                    .rank = 3,
                    .nred = 1,
                    .space = {m, n, k},
                    .noperands = 2,
                    .operands = ops,
                    .out = operand(IR_F32, 2, (ir_dim[]){m, n}),
                    .nparams = nparams,
                    .params = params};
    ir_expr b =
        transposed ? load(IR_F32, 1, 2, idx(1), idx(2)) : load(IR_F32, 1, 2, idx(2), idx(1));
    nest.body = ir_x_2(fx.g, IR_X_MUL, load(IR_F32, 0, 2, idx(0), idx(2)), b);
    store_at_point(&nest);
    kernels_add(&nest);
}

Test(emit_nest, reduce_multiplies_matrices)
{
    enum { M = 3, N = 77, K = 70 };
    static float a[M * K], b[K * N], out[M * N];
    fill(a, M * K);
    fill(b, K * N);
    ir_dim k_sym = ir_dim_sym(fx.g, ir_sym_new(fx.g, "k", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
    for (int v = 0; v < 4; v++) {
        if (v < 2) add_product(v, cdim(M), cdim(N), cdim(K), NULL, 0);
        else add_product(v - 2, m_sym, n_sym, k_sym, (ir_dim[]){m_sym, n_sym, k_sym}, 3);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 4; v++) {
            kernels_run(v, (void *[]){a, b, out}, (int64_t[]){M, N, K}, M);
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    double sum = 0;
                    for (int k = 0; k < K; k++)
                        sum += (double)a[i * K + k] * (v % 2 ? b[j * K + k] : b[k * N + j]);
                    cr_assert_float_eq(out[i * N + j], sum, 1e-3, "%s v%zu %d %d: %g, not %g",
                                       TARGET_ISA(t)->name, v, i, j, out[i * N + j], sum);
                }
        }
        /* An empty sum is 0, also where the operands are empty. */
        kernels_run(2, (void *[]){a, b, out}, (int64_t[]){M, N, 0}, M);
        for (int i = 0; i < M * N; i++) cr_assert_eq(out[i], 0);
        kernels_unload();
    }
}

Test(emit_nest, reduce_takes_extrema_over_two_axes)
{
    enum { A = 4, B = 3, C = 37 };
    static float x[A * B * C], out[A];
    fill(x, A * B * C);
    x[1 * B * C + 50] = NAN;
    for (int v = 0; v < 2; v++) {
        cg_operand op = operand(IR_F32, 3, (ir_dim[]){cdim(A), cdim(B), cdim(C)});
        cg_nest n = {.kind = CG_NEST_REDUCE,
                     .combine = v ? CG_MAX : CG_MIN,
                     .rank = 3,
                     .nred = 2,
                     .space = {cdim(A), cdim(B), cdim(C)},
                     .noperands = 1,
                     .operands = &op,
                     .out = operand(IR_F32, 1, (ir_dim[]){cdim(A)})};
        n.body = load(IR_F32, 0, 3, idx(0), idx(1), idx(2));
        store_at_point(&n);
        kernels_add(&n);
        cr_assert_eq(cg_nest_rows(fx.g, &n), cdim(1));
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 2; v++) {
            kernels_run(v, (void *[]){x, out}, NULL, 1);
            for (int i = 0; i < A; i++) {
                float best = x[i * B * C];
                for (int j = 0; j < B * C; j++) best = (v ? fmaxf : fminf)(best, x[i * B * C + j]);
                if (i == 1) cr_assert(isnan(out[i]));
                else cr_assert_eq(out[i], best);
            }
        }
        kernels_unload();
    }
}

Test(emit_nest, arg_finds_the_first_and_the_last)
{
    enum { A = 35, B = 9 };
    static int32_t x[A * B];
    static int64_t out[A];
    for (int i = 0; i < A * B; i++) x[i] = (i * 7919) % 5 - 2;
    for (int v = 0; v < 8; v++) {
        bool last = v & 1, max = v & 2, transposed = v & 4;
        cg_operand op = operand(
            IR_I32, 2, transposed ? (ir_dim[]){cdim(B), cdim(A)} : (ir_dim[]){cdim(A), cdim(B)});
        cg_nest n = {.kind = CG_NEST_ARG,
                     .combine = max ? CG_MAX : CG_MIN,
                     .rank = 2,
                     .nred = 1,
                     .last = last,
                     .space = {cdim(A), cdim(B)},
                     .noperands = 1,
                     .operands = &op,
                     .out = operand(IR_I64, 1, (ir_dim[]){cdim(A)})};
        n.body =
            transposed ? load(IR_I32, 0, 2, idx(1), idx(0)) : load(IR_I32, 0, 2, idx(0), idx(1));
        store_at_point(&n);
        kernels_add(&n);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 8; v++) {
            bool last = v & 1, max = v & 2, transposed = v & 4;
            kernels_run(v, (void *[]){x, out}, NULL, 1);
            for (int i = 0; i < A; i++) {
                int best = 0;
                for (int j = 1; j < B; j++) {
                    int32_t a = transposed ? x[j * A + i] : x[i * B + j],
                            b = transposed ? x[best * A + i] : x[i * B + best];
                    if (max ? a > b : a < b) best = j;
                    if (last && a == b) best = j;
                }
                cr_assert_eq(out[i], best, "%s v%zu", TARGET_ISA(t)->name, v);
            }
        }
        kernels_unload();
    }
}

Test(emit_nest, cumulate_runs_both_ways)
{
    enum { A = 3, B = 11, C = 5 };
    static int64_t x[A * B * C], out[A * B * C];
    for (int i = 0; i < A * B * C; i++) x[i] = i * i % 17;
    for (int v = 0; v < 4; v++) {
        cg_operand op = operand(IR_I64, 3, (ir_dim[]){cdim(A), n_sym, cdim(C)});
        cg_nest n = {.kind = CG_NEST_CUMULATE,
                     .combine = CG_SUM,
                     .rank = 3,
                     .axis = 1,
                     .exclusive = v & 1,
                     .reverse = v & 2,
                     .space = {cdim(A), n_sym, cdim(C)},
                     .noperands = 1,
                     .operands = &op,
                     .out = op,
                     .nparams = 1,
                     .params = &n_sym};
        n.body = load(IR_I64, 0, 3, idx(0), idx(1), idx(2));
        store_at_point(&n);
        kernels_add(&n);
        cr_assert_eq(cg_nest_rows(fx.g, &n), cdim(A * C));
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 4; v++) {
            kernels_run(v, (void *[]){x, out}, (int64_t[]){B}, A * C);
            for (int r = 0; r < A * C; r++) {
                int64_t sum = 0;
                for (int j = 0; j < B; j++) {
                    int at = (r / C * B + (v & 2 ? B - 1 - j : j)) * C + r % C;
                    cr_assert_eq(out[at], v & 1 ? sum : sum + x[at]);
                    sum += x[at];
                }
            }
        }
        kernels_unload();
    }
}

Test(emit_nest, scatter_adds_and_faults)
{
    enum { N = 9, OUT = 5 };
    static int64_t where[N] = {0, -1, 2, 2, 3, -5, 4, 1, 1};
    static float v[N], out[OUT];
    fill(v, N);
    for (int c = 0; c < 2; c++) {
        cg_operand ops[] = {operand(IR_I64, 1, (ir_dim[]){n_sym}),
                            operand(IR_F32, 1, (ir_dim[]){n_sym})};
        cg_nest n = {.kind = CG_NEST_SCATTER,
                     .combine = c ? CG_SUM : CG_SET,
                     .rank = 1,
                     .space = {n_sym},
                     .noperands = 2,
                     .operands = ops,
                     .out = operand(IR_F32, 1, (ir_dim[]){cdim(OUT)}),
                     .nparams = 1,
                     .params = &n_sym};
        n.body = load(IR_F32, 1, 1, idx(0));
        n.store[0] = ir_x_2(fx.g, IR_X_CHECK, load(IR_I64, 0, 1, idx(0)), lit(OUT));
        kernels_add(&n);
        cr_assert_eq(cg_nest_rows(fx.g, &n), cdim(1));
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t c = 0; c < 2; c++) {
            float want[OUT] = {1, 2, 3, 4, 5};
            memcpy(out, want, sizeof out);
            kernels_run(c, (void *[]){where, v, out}, (int64_t[]){N}, 1);
            for (int i = 0; i < N; i++) {
                int64_t at = where[i] < 0 ? where[i] + OUT : where[i];
                want[at] = c ? want[at] + v[i] : v[i];
            }
            cr_assert_eq(ks.fault.node, 0);
            for (int i = 0; i < OUT; i++) cr_assert_eq(out[i], want[i]);
        }
        int64_t bad[N] = {0, 1, 5, -6, 2};
        kernels_run(0, (void *[]){bad, v, out}, (int64_t[]){5}, 1);
        cr_assert_eq(ks.fault.node, 7);
        cr_assert_eq(ks.fault.kind, LATHE_FAULT_INDEX);
        cr_assert_eq(ks.fault.value, 5);
        cr_assert_eq(ks.fault.limit, 5);
        kernels_unload();
    }
}

/* Reads left and right of the array in the arm that is not chosen, and a check that may only fail
 * where it is chosen. */
Test(emit_nest, arms_not_chosen_are_harmless)
{
    enum { N = 53, PAD = 7 };
    static float x[N], out[N + 2 * PAD];
    static int64_t where[N + 2 * PAD];
    fill(x, N);
    for (int i = 0; i < N + 2 * PAD; i++)
        where[i] = i < PAD || i >= N + PAD ? INT64_MAX - i : (i * 5) % N - (i % 2 ? N : 0);
    ir_dim size = ir_dim_add(fx.g, n_sym, cdim(2 * PAD));
    ir_expr i = ir_x_2(fx.g, IR_X_SUB, idx(0), lit(PAD)), d = ir_x_dim(fx.g, n_sym);
    ir_expr in =
        ir_x_2(fx.g, IR_X_AND, ir_x_2(fx.g, IR_X_LE, lit(0), i), ir_x_2(fx.g, IR_X_LT, i, d));
    for (int v = 0; v < 2; v++) {
        cg_operand ops[] = {operand(IR_F32, 1, &n_sym), operand(IR_I64, 1, &size)};
        cg_nest n = {.kind = CG_NEST_MAP,
                     .rank = 1,
                     .space = {size},
                     .noperands = 2,
                     .operands = ops,
                     .out = operand(IR_F32, 1, &size),
                     .nparams = 2,
                     .params = (ir_dim[]){n_sym, size}};
        ir_expr at = v ? ir_x_2(fx.g, IR_X_CHECK, load(IR_I64, 1, 1, idx(0)), d) : i;
        n.body = ir_x_select(fx.g, in, load(IR_F32, 0, 1, at), ir_x_float(fx.g, IR_F32, -1));
        store_at_point(&n);
        kernels_add(&n);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 2; v++) {
            kernels_run(v, (void *[]){x, where, out}, (int64_t[]){N, N + 2 * PAD}, 1);
            cr_assert_eq(ks.fault.node, 0);
            for (int j = 0; j < N + 2 * PAD; j++) {
                bool inner = j >= PAD && j < N + PAD;
                int64_t from = v && inner ? (where[j] < 0 ? where[j] + N : where[j]) : j - PAD;
                cr_assert_eq(out[j], inner ? x[from] : -1);
            }
        }
        int64_t saved = where[PAD + 20];
        where[PAD + 20] = N;
        kernels_run(1, (void *[]){x, where, out}, (int64_t[]){N, N + 2 * PAD}, 1);
        cr_assert_eq(ks.fault.node, 7);
        cr_assert_eq(ks.fault.value, N);
        where[PAD + 20] = saved;
        kernels_unload();
    }
}

Test(emit_nest, gathers_transposes_and_strides)
{
    enum { A = 19, B = 23 };
    static int16_t x[A * B], out[A * B];
    for (int i = 0; i < A * B; i++) x[i] = (int16_t)(i * 13);
    for (int v = 0; v < 3; v++) {
        ir_dim dims[2][2] = {{cdim(A), cdim(B)}, {m_sym, n_sym}};
        ir_dim *d = dims[v > 0];
        cg_operand op = operand(IR_I16, 2, d);
        cg_nest n = {.kind = CG_NEST_MAP,
                     .rank = 2,
                     .space = {d[1], d[0]},
                     .noperands = 1,
                     .operands = &op,
                     .out = operand(IR_I16, 2, (ir_dim[]){d[1], d[0]}),
                     .nparams = v ? 2 : 0,
                     .params = (ir_dim[]){m_sym, n_sym}};
        n.body = load(IR_I16, 0, 2, idx(1), idx(0));
        store_at_point(&n);
        if (v == 2) { /* the other way round: read in order, store across */
            n.space[0] = d[0];
            n.space[1] = d[1];
            n.body = load(IR_I16, 0, 2, idx(0), idx(1));
            n.store[0] = idx(1);
            n.store[1] = idx(0);
        }
        kernels_add(&n);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t v = 0; v < 3; v++) {
            memset(out, 0, sizeof out);
            kernels_run(v, (void *[]){x, out}, (int64_t[]){A, B}, v == 2 ? A : B);
            for (int i = 0; i < A; i++)
                for (int j = 0; j < B; j++) cr_assert_eq(out[j * A + i], x[i * B + j]);
        }
        kernels_unload();
    }
}

/* Rows in pieces give what all rows at once give. */
Test(emit_nest, rows_split_anywhere)
{
    enum { A = 4, B = 5, C = 6 };
    static int32_t x[A * B * C], once[A * B * C], pieces[A * B * C];
    for (int i = 0; i < A * B * C; i++) x[i] = i;
    ir_dim d[] = {cdim(A), m_sym, cdim(1), n_sym};
    cg_operand op = operand(IR_I32, 4, d);
    cg_nest n = {.kind = CG_NEST_MAP,
                 .rank = 4,
                 .space = {d[0], d[1], d[2], d[3]},
                 .noperands = 1,
                 .operands = &op,
                 .out = op,
                 .nparams = 2,
                 .params = (ir_dim[]){m_sym, n_sym}};
    ir_expr place = ir_x_2(fx.g, IR_X_ADD, ir_x_2(fx.g, IR_X_MUL, idx(1), lit(1000)), idx(3));
    n.body = ir_x_2(fx.g, IR_X_ADD, load(IR_I32, 0, 4, idx(0), idx(1), idx(2), idx(3)),
                    ir_x_cast(fx.g, place, IR_I32));
    store_at_point(&n);
    kernels_add(&n);
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        memset(once, 0, sizeof once);
        memset(pieces, 0, sizeof pieces);
        kernels_run(0, (void *[]){x, once}, (int64_t[]){B, C}, A * B);
        for (int64_t r = 0; r < A * B; r += 3)
            kernels_run_rows(0, (void *[]){x, pieces}, (int64_t[]){B, C}, r,
                             r + 3 < A * B ? r + 3 : A * B);
        cr_assert_arr_eq(once, pieces, sizeof once);
        for (int i = 0; i < A * B * C; i++) cr_assert_eq(once[i], i + i / C % B * 1000 + i % C);
        kernels_unload();
    }
}

Test(emit_nest, packed_elements_round_trip)
{
    enum { N = 37 };
    static int8_t x[N];
    static uint8_t bytes[(N + 1) / 2], again[N];
    static int8_t back[N];
    for (int i = 0; i < N; i++) x[i] = (int8_t)(i % 16 - 8);
    static const ir_elem elems[] = {IR_I4, IR_U4, IR_I2, IR_U2};
    for (int e = 0; e < 4; e++) {
        ir_dim d = cdim(N);
        ir_elem arith = ir_elem_arith(elems[e]);
        cg_operand packed = operand(elems[e], 1, &d), plain = operand(arith, 1, &d);
        cg_nest pack = {.kind = CG_NEST_MAP,
                        .rank = 1,
                        .space = {d},
                        .noperands = 1,
                        .operands = &plain,
                        .out = packed};
        pack.body = load(arith, 0, 1, idx(0));
        store_at_point(&pack);
        kernels_add(&pack);
        cg_nest unpack = {.kind = CG_NEST_MAP,
                          .rank = 1,
                          .space = {d},
                          .noperands = 1,
                          .operands = &packed,
                          .out = plain};
        unpack.body = load(arith, 0, 1, idx(0));
        store_at_point(&unpack);
        kernels_add(&unpack);
    }
    EACH_TARGET(t, count)
    {
        kernels_load(TARGET_ISA(t), TARGET_LEVEL(t));
        for (size_t e = 0; e < 4; e++) {
            int bits = ir_elem_bits(elems[e]), mask = (1 << bits) - 1;
            memset(bytes, 0xA5, sizeof bytes);
            kernels_run(2 * e, (void *[]){x, bytes}, NULL, 1);
            for (int i = 0; i < N; i++)
                cr_assert_eq(bytes[i * bits / 8] >> i * bits % 8 & mask, x[i] & mask);
            cr_assert_eq(bytes[(N * bits - 1) / 8] >> (N * bits - 1) % 8 >> 1, 0);
            kernels_run(2 * e + 1, (void *[]){bytes, e % 2 ? (void *)again : back}, NULL, 1);
            for (int i = 0; i < N; i++) {
                int low = x[i] & mask, want = e % 2 || low <= mask / 2 ? low : low - mask - 1;
                cr_assert_eq(e % 2 ? again[i] : back[i], want);
            }
        }
        kernels_unload();
    }
}

/* All sizes around the lane counts: vectors, overlapping vectors and single elements together. */
Test(emit_nest, every_size_is_covered_once)
{
    enum { MOST = 75, K = 3, M = 2 };
    static float a[M * MOST], b[K * MOST], sum[M * MOST + 1], twice[M * MOST + 1];
    fill(a, M * MOST);
    fill(b, K * MOST);
    for (int v = 0; v <= MOST; v++) { /* v == 0: run-time size */
        ir_dim n = v ? cdim(v) : n_sym;
        cg_operand x = operand(IR_F32, 2, (ir_dim[]){cdim(M), n}),
                   y = operand(IR_F32, 2, (ir_dim[]){cdim(K), n});
        cg_nest map = {.kind = CG_NEST_MAP,
                       .rank = 2,
                       .space = {cdim(M), n},
                       .noperands = 1,
                       .operands = &x,
                       .out = x,
                       .nparams = v ? 0 : 1,
                       .params = &n};
        ir_expr e = load(IR_F32, 0, 2, idx(0), idx(1));
        map.body = ir_x_2(fx.g, IR_X_ADD, e, e);
        store_at_point(&map);
        kernels_add(&map);
        cg_nest reduce = {.kind = CG_NEST_REDUCE,
                          .combine = CG_SUM,
                          .rank = 3,
                          .nred = 1,
                          .space = {cdim(M), n, cdim(K)},
                          .noperands = 2,
                          .operands = (cg_operand[]){x, y},
                          .out = x,
                          .nparams = v ? 0 : 1,
                          .params = &n};
        reduce.body = ir_x_2(fx.g, IR_X_MUL, load(IR_F32, 0, 2, idx(0), idx(1)),
                             load(IR_F32, 1, 2, idx(2), idx(1)));
        store_at_point(&reduce);
        kernels_add(&reduce);
    }
    const cg_isa *isas[8];
    kernels_load(isas[runnable(isas, 8) - 1], 2);
    for (int v = 0; v <= MOST; v++)
        for (int dynamic = 0; dynamic < 2; dynamic++) {
            size_t kernel = dynamic || v == 0 ? 0 : 2 * (size_t)v;
            sum[M * v] = twice[M * v] = 99;
            kernels_run(kernel, (void *[]){a, twice}, (int64_t[]){v}, M);
            kernels_run(kernel + 1, (void *[]){a, b, sum}, (int64_t[]){v}, M);
            for (int i = 0; i < M * v; i++) {
                cr_assert_eq(twice[i], 2 * a[i]);
                cr_assert_float_eq(sum[i], a[i] * (b[i % v] + b[v + i % v] + b[2 * v + i % v]),
                                   1e-4);
            }
            cr_assert_eq(sum[M * v], 99);
            cr_assert_eq(twice[M * v], 99);
        }
    kernels_unload();
}
