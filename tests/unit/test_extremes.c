/* Hostile indices and sizes: kernels neither reach outside their operands nor turn for ever.
 *
 * Operands end at pages that cannot be touched. What single operators give for extreme values is
 * in test_emit.c; whole models on hostile inputs are the work of tests/tools/extremes.c. */
#include "tests/tools/guard.h"
#include "tests/unit/kernels.h"

#include <math.h>

enum { COUNT = 67, SIZE = 5 };

static ir_dim n_sym, m_sym;

static void setup(void)
{
    kernels_begin();
    n_sym = ir_dim_sym(fx.g, ir_sym_new(fx.g, "n", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
    m_sym = ir_dim_sym(fx.g, ir_sym_new(fx.g, "m", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
}

TestSuite(extremes, .init = setup, .fini = kernels_end, .timeout = 120);

static const int64_t hostile[] = {-1,
                                  SIZE,
                                  -SIZE - 1,
                                  INT64_MAX,
                                  INT64_MIN,
                                  INT64_MIN + 1,
                                  INT32_MAX,
                                  INT32_MIN,
                                  INT64_C(1) << 62,
                                  -(INT64_C(1) << 61),
                                  1 << 20,
                                  INT64_C(0x1111111111111111)};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void *guarded(size_t size)
{
    void *data = guard_alloc(size, 8);
    cr_assert_not_null(data);
    return data;
}

static ir_expr load_1(ir_elem elem, int number, ir_expr at)
{
    return ir_x_load(fx.g, ir_elem_arith(elem), number, &at, 1);
}

/* The index of the point, read from operand 1 and checked against m. */
static ir_expr checked(ir_elem type)
{
    ir_expr i = load_1(type, 1, idx(0));
    if (ir_elem_arith(type) != IR_I64) i = ir_x_cast(fx.g, i, IR_I64);
    return ir_x_2(fx.g, IR_X_CHECK, i, ir_x_dim(fx.g, m_sym));
}

/* Operand 0, of type elem, gathered at checked indices, or operand 0 scattered there. */
static void add_indexed(ir_elem elem, ir_elem index, bool scatter)
{
    cg_operand ops[] = {operand(elem, 1, scatter ? &n_sym : &m_sym), operand(index, 1, &n_sym)};
    cg_nest n = {.kind = scatter ? CG_NEST_SCATTER : CG_NEST_MAP,
                 .combine = scatter ? CG_SUM : 0,
                 .rank = 1,
                 .space = {n_sym},
                 .noperands = 2,
                 .operands = ops,
                 .out = operand(elem, 1, scatter ? &m_sym : &n_sym),
                 .nparams = 2,
                 .params = (ir_dim[]){n_sym, m_sym}};
    n.body = load_1(elem, 0, scatter ? idx(0) : checked(index));
    n.store[0] = scatter ? checked(index) : idx(0);
    kernels_add(&n);
}

/* Runs kernel k on indices that are in range but for every third one. */
static void try_indices(size_t k, size_t element, size_t index, int64_t size, bool scatter)
{
    void *wide = guarded(COUNT * element), *narrow = guarded(size ? (size_t)size * element : 64);
    void *where = guarded(COUNT * index);
    for (size_t h = 0; h < HOSTILE; h++) {
        bool any = size == 0;
        for (int i = 0; i < COUNT; i++) {
            int64_t at = i % 3 == 2 ? hostile[h] : i % SIZE;
            if (index == 4) at = (int32_t)at;
            any |= at < -size || at >= size;
            memcpy((char *)where + (size_t)i * index, &at, index);
        }
        void *bufs[] = {scatter ? wide : narrow, where, scatter ? narrow : wide};
        kernels_run(k, bufs, (int64_t[]){COUNT, size}, 1);
        cr_assert_eq(ks.fault.node, any ? 7 : 0, "size %ld, index %ld", (long)size,
                     (long)hostile[h]);
    }
    guard_free(wide, COUNT * element, 8);
    guard_free(narrow, size ? (size_t)size * element : 64, 8);
    guard_free(where, COUNT * index, 8);
}

Test(extremes, indices_stay_inside)
{
    static const ir_elem elems[] = {IR_F32, IR_U8, IR_F64, IR_F16}, indices[] = {IR_I64, IR_I32};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    for (int k = 0; k < 16; k++) add_indexed(elems[k / 4], indices[k / 2 % 2], k % 2);
    for (size_t t = 0; t < 2 * n; t++) {
        kernels_load(isas[t / 2], (int)(t % 2) * 2);
        for (int k = 0; k < 16; k++)
            for (int64_t size = 0; size <= SIZE; size += SIZE)
                try_indices((size_t)k, (size_t)ir_elem_bits(elems[k / 4]) / 8,
                            (size_t)ir_elem_bits(indices[k / 2 % 2]) / 8, size, k % 2);
        kernels_unload();
    }
}

/* [2^62, 0]: nothing to do, however many rows of it there are. */
Test(extremes, rows_without_points_are_not_walked)
{
    static const cg_nest_kind kinds[] = {CG_NEST_MAP, CG_NEST_CUMULATE, CG_NEST_SCATTER,
                                         CG_NEST_REDUCE};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    ir_dim dims[] = {m_sym, n_sym};
    cg_operand op = operand(IR_F32, 2, dims);
    for (int k = 0; k < 4; k++) {
        bool reduce = kinds[k] == CG_NEST_REDUCE;
        cg_nest nest = {.kind = kinds[k],
                        .rank = 2,
                        .nred = reduce ? 2 : 0,
                        .axis = 1,
                        .space = {m_sym, n_sym},
                        .noperands = 1,
                        .operands = &op,
                        .out = operand(IR_F32, reduce ? 0 : 2, dims),
                        .nparams = 2,
                        .params = dims};
        ir_expr at[] = {idx(0), idx(1)};
        nest.body = ir_x_load(fx.g, IR_F32, 0, at, 2);
        store_at_point(&nest);
        kernels_add(&nest);
    }
    for (size_t t = 0; t < 2 * n; t++) {
        float nothing[16] = {0}, out[16] = {1};
        kernels_load(isas[t / 2], (int)(t % 2) * 2);
        for (size_t k = 0; k < 4; k++) {
            bool rows = kinds[k] == CG_NEST_MAP || kinds[k] == CG_NEST_CUMULATE;
            kernels_run(k, (void *[]){nothing, out}, (int64_t[]){INT64_C(1) << 62, 0},
                        rows ? INT64_C(1) << 62 : 1);
        }
        cr_assert_eq(out[0], 0, "the sum of nothing");
        kernels_unload();
    }
}

/* The index that an arg_reduce gives is used without a check. */
Test(extremes, places_of_nan_are_places)
{
    static const float values[] = {NAN, INFINITY, -INFINITY, 0, -NAN};
    const cg_isa *isas[8];
    size_t n = runnable(isas, 8);
    cg_operand op = operand(IR_F32, 1, &n_sym);
    for (int k = 0; k < 4; k++) {
        cg_nest nest = {.kind = CG_NEST_ARG,
                        .combine = k & 1 ? CG_MAX : CG_MIN,
                        .last = k & 2,
                        .rank = 1,
                        .nred = 1,
                        .space = {n_sym},
                        .noperands = 1,
                        .operands = &op,
                        .out = operand(IR_I64, 0, NULL),
                        .nparams = 1,
                        .params = &n_sym};
        nest.body = load_1(IR_F32, 0, idx(0));
        kernels_add(&nest);
    }
    for (size_t t = 0; t < 2 * n; t++) {
        kernels_load(isas[t / 2], (int)(t % 2) * 2);
        for (size_t k = 0; k < 4 * 5; k++) {
            float x[COUNT];
            int64_t place = -1;
            for (int i = 0; i < COUNT; i++) x[i] = k / 4 == 3 ? values[i % 4] : values[k / 4];
            kernels_run(k % 4, (void *[]){x, &place}, (int64_t[]){COUNT}, 1);
            cr_assert(place >= 0 && place < COUNT, "place %ld", (long)place);
        }
        kernels_unload();
    }
}
