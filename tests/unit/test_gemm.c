/* Products in tiles against the general emitter: sizes around every edge of blocks, panels and
 * parts of k, weights and operands packed at run time, batches, epilogues, threads. All numbers are
 * small integers, so that every order of a sum gives the same bits. */
#include <math.h>

#include "tests/unit/linked.h"

enum {
    WIDTH = 1700,
    DEPTH = 40,
    HEADS = 3,
    MOST_M = 340,
    MOST_OUT = 128,
    CANARY = 64,
    MOST_INPUTS = 4
};

static ir_dim m;
static ir_value x, z, image,
    fixed; /* f32[m, WIDTH], f32[HEADS, m, DEPTH], f32[3, 32, 40], f32[17, 96] */

static void setup(void)
{
    fixture_begin();
    ir_graph *g = fx.g;
    ir_block_new(g, IR_NONE);
    m = ir_dim_sym(g, ir_sym_new(g, "m", IR_SYM_INPUT, 0, INT64_MAX, IR_NONE));
    ir_type t = ir_type_make(IR_F32, 2, (ir_dim[]){m, ir_dim_const(g, WIDTH)});
    x = ir_param(g, 1, &t, "x");
    t = ir_type_make(IR_F32, 3, (ir_dim[]){ir_dim_const(g, HEADS), m, ir_dim_const(g, DEPTH)});
    z = ir_param(g, 1, &t, "z");
    t = ir_type_make(IR_F32, 3,
                     (ir_dim[]){ir_dim_const(g, 3), ir_dim_const(g, 32), ir_dim_const(g, 40)});
    image = ir_param(g, 1, &t, "image");
    t = ir_type_make(IR_F32, 2, (ir_dim[]){ir_dim_const(g, 17), ir_dim_const(g, 96)});
    fixed = ir_param(g, 1, &t, "fixed");
}

TestSuite(gemm, .init = setup, .fini = fixture_end, .timeout = 600);

static float number(int64_t i) { return (float)((i * 37 + i / 7 + 11) % 5 - 2); }

static ir_value weight(int rank, const int64_t *dims)
{
    int64_t count = 1;
    ir_dim d[IR_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        count *= dims[i];
        d[i] = ir_dim_const(fx.g, dims[i]);
    }
    float *w = ir_alloc(&fx.arena, (size_t)count, sizeof *w);
    for (int64_t i = 0; i < count; i++) w[i] = number(i * 3 + count);
    const ir_type t = ir_type_make(IR_F32, rank, d);
    return ir_const(&fx.b, &t, &(ir_blob){.bytes = w, .size = (size_t)count * sizeof *w});
}
#define WEIGHT(...) weight((int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__})

static ir_dim num(int64_t v) { return ir_dim_const(fx.g, v); }
static ir_expr at(ir_nest *n, int axis) { return ir_nest_index(n, axis); }
static ir_expr lit(int64_t v) { return ir_x_int(fx.g, IR_I64, v); }
static ir_expr add(ir_expr a, ir_expr b) { return ir_x_2(fx.g, IR_X_ADD, a, b); }
static ir_expr mul(ir_expr a, ir_expr b) { return ir_x_2(fx.g, IR_X_MUL, a, b); }

static void begin(ir_nest *n, int rank, const ir_dim *space, int nred)
{
    ir_nest_begin(n, &fx.b, rank, space, nred);
}
#define BEGIN(n, nred, ...)                                                                        \
    begin(n, (int)(sizeof((ir_dim[]){__VA_ARGS__}) / sizeof(ir_dim)), (ir_dim[]){__VA_ARGS__}, nred)
#define LOAD(n, v, ...) ir_nest_load(n, v, (ir_expr[]){__VA_ARGS__})

static ir_value end(ir_nest *n, ir_expr a, ir_expr b)
{
    ir_value v = ir_nest_reduce(n, IR_OP_CONTRACT, "sum", IR_F32, mul(a, b));
    cr_assert_neq(v, IR_NONE);
    ir_output(fx.g, v, ir_format(&fx.arena, "y%zu", fx.g->blocks[1].nresults));
    return v;
}

/* ---- compiling and running ---- */

/* Outputs in memory of exactly their size, and a canary behind it. */
typedef struct results {
    lathe_tensor out[MOST_OUT];
    size_t n;
} results;

static int64_t sizes(const linked *c, int i, int64_t rows)
{
    lathe_tensor_info info;
    int64_t count = 1;
    lathe_info(c->desc, LATHE_OUTPUTS, i, &info);
    for (int a = 0; a < info.rank; a++) count *= info.dims[a] < 0 ? rows : info.dims[a];
    return count;
}

static void run(const linked *c, const lathe_tensor *in, int64_t rows, int threads, results *r)
{
    lathe_model *model;
    lathe_session *session;
    lathe_threads *pool = NULL;
    r->n = (size_t)lathe_count(c->desc, LATHE_OUTPUTS);
    cr_assert_leq(r->n, MOST_OUT);
    if (threads > 1) cr_assert_eq(lathe_threads_new(c->desc, threads, &pool), LATHE_OK);
    cr_assert_eq(
        lathe_model_open(
            c->desc, &(lathe_open_options){.threads = pool, .flags = LATHE_OPEN_POISON}, &model),
        LATHE_OK);
    cr_assert_eq(lathe_session_new(model, (int64_t[]){rows}, &session), LATHE_OK);
    for (size_t i = 0; i < r->n; i++) {
        size_t count = (size_t)sizes(c, (int)i, rows), bytes = count * sizeof(float);
        float *y = malloc(bytes + CANARY);
        memset(y, 0x55, bytes + CANARY);
        r->out[i] = (lathe_tensor){.data = y, .size = bytes};
    }
    cr_assert_eq(lathe_run(session, in, r->out), LATHE_OK, "%s", lathe_session_message(session));
    for (size_t i = 0; i < r->n; i++)
        for (int k = 0; k < CANARY; k++)
            cr_assert_eq(((char *)r->out[i].data)[r->out[i].size + (size_t)k], 0x55,
                         "output %zu, %d rows", i, (int)rows);
    lathe_session_free(session);
    lathe_model_close(model);
    if (pool) lathe_threads_free(c->desc, pool);
}

static void free_results(results *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->out[i].data);
}

static void expect_same(const results *a, const results *b, const char *what, int64_t rows)
{
    cr_assert_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const float *p = a->out[i].data, *q = b->out[i].data;
        for (size_t k = 0; k < a->out[i].size / sizeof *p; k++)
            cr_assert_eq(p[k], q[k], "%s: output %zu, %d rows, element %zu: %g, not %g", what, i,
                         (int)rows, k, q[k], p[k]);
    }
}

static lathe_tensor make_input(int64_t a, int64_t b, int64_t c)
{
    int64_t count = a * b * c;
    lathe_tensor t = {.size = (size_t)count * sizeof(float),
                      .rank = a < 0 ? 2 : 3,
                      .elem = LATHE_F32,
                      .dims = {a, b, c}};
    if (a < 0)
        t = (lathe_tensor){
            .size = (size_t)(b * c) * sizeof(float), .rank = 2, .elem = LATHE_F32, .dims = {b, c}};
    float *v = malloc(t.size + 1);
    for (size_t i = 0; i < t.size / sizeof *v; i++) v[i] = number((int64_t)i);
    t.data = v;
    return t;
}

/* All rows against level 0, for every instruction set and with threads. */
static void check(const int64_t *rows, size_t nrows)
{
    const cg_isa *isas[LINKED_MOST];
    size_t n = linked_runnable(isas);
    linked plain = linked_make(isas[0], 0), tiled[LINKED_MOST];
    for (size_t i = 0; i < n; i++) tiled[i] = linked_make(isas[i], 2);
    for (size_t k = 0; k < nrows; k++) {
        lathe_tensor in[MOST_INPUTS] = {make_input(-1, rows[k], WIDTH),
                                        make_input(HEADS, rows[k], DEPTH), make_input(3, 32, 40),
                                        make_input(-1, 17, 96)};
        results expected, found;
        run(&plain, in, rows[k], 1, &expected);
        for (size_t i = 0; i < n; i++)
            for (int threads = 1; threads <= 3; threads += 2) {
                run(&tiled[i], in, rows[k], threads, &found);
                expect_same(&expected, &found, isas[i]->name, rows[k]);
                free_results(&found);
            }
        free_results(&expected);
        for (int i = 0; i < MOST_INPUTS; i++) free(in[i].data);
    }
    for (size_t i = 0; i < n; i++) dlclose(tiled[i].library);
    dlclose(plain.library);
}

static const int64_t few_rows[] = {0, 1, 5, 14, 15, 30, 57};
static const int64_t many_rows[] = {0,  1,  2,  3,  4,  5,  6,  7,   8,   9,   10,    11,
                                    12, 13, 14, 15, 16, 17, 18, 19,  20,  21,  22,    23,
                                    24, 25, 26, 27, 28, 29, 30, 100, 256, 257, MOST_M};
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

/* y[m, n] = sum of x[m, k] * w[k, n], or w[n, k] if it is transposed. */
static void add_plain(int64_t columns, int64_t k, bool transposed)
{
    ir_nest n;
    ir_value w = transposed ? WEIGHT(columns, k) : WEIGHT(k, columns);
    BEGIN(&n, 1, m, num(columns), num(k));
    ir_expr b = transposed ? LOAD(&n, w, at(&n, 1), at(&n, 2)) : LOAD(&n, w, at(&n, 2), at(&n, 1));
    end(&n, LOAD(&n, x, at(&n, 0), at(&n, 2)), b);
}

Test(gemm, every_number_of_rows)
{
    add_plain(40, 67, false);
    add_plain(64, 8, true);
    add_plain(33, 1100, false);
    CHECK(many_rows);
}

Test(gemm, columns_and_k)
{
    static const int64_t columns[] = {1, 8, 31, 32, 33, 64, 100, 130, 600},
                         k[] = {1, 2, 3, 4, 5, 66};
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < 6; j++) add_plain(columns[i], k[j], (i + j) % 2);
    CHECK(few_rows);
}

Test(gemm, long_k)
{
    static const int64_t k[] = {1023, 1024, 1025, 1100, 1537, WIDTH};
    for (size_t i = 0; i < 6; i++) {
        add_plain(64, k[i], i % 2);
        add_plain(70, k[i], i % 2 == 0);
    }
    CHECK(few_rows);
}

Test(gemm, views_of_weights_and_results)
{
    ir_nest n;
    /* heads are columns that do not merge in the result */
    BEGIN(&n, 1, num(4), m, num(24), num(50));
    ir_expr column = add(mul(at(&n, 0), lit(24)), at(&n, 2));
    end(&n, LOAD(&n, x, at(&n, 1), at(&n, 3)), LOAD(&n, WEIGHT(50, 96), at(&n, 3), column));
    /* two axes of k around the columns of the weight */
    BEGIN(&n, 2, m, num(33), num(3), num(7));
    ir_expr k = add(mul(at(&n, 2), lit(7)), at(&n, 3));
    end(&n, LOAD(&n, x, at(&n, 0), add(k, lit(5))),
        LOAD(&n, WEIGHT(3, 40, 7), at(&n, 2), add(at(&n, 1), lit(2)), at(&n, 3)));
    /* a matrix for each head */
    BEGIN(&n, 1, num(HEADS), m, num(48), num(DEPTH));
    end(&n, LOAD(&n, z, at(&n, 0), at(&n, 1), at(&n, 3)),
        LOAD(&n, WEIGHT(HEADS, DEPTH, 48), at(&n, 0), at(&n, 3), at(&n, 2)));
    /* rows of all heads are one run of rows */
    BEGIN(&n, 1, num(HEADS), m, num(2), num(20), num(DEPTH));
    end(&n, LOAD(&n, z, at(&n, 0), at(&n, 1), at(&n, 4)),
        LOAD(&n, WEIGHT(2, 20, DEPTH), at(&n, 2), at(&n, 3), at(&n, 4)));
    /* no rows at all, and a known number of them */
    BEGIN(&n, 1, num(1), num(50), num(96));
    end(&n, LOAD(&n, fixed, add(at(&n, 0), lit(3)), at(&n, 2)),
        LOAD(&n, WEIGHT(96, 50), at(&n, 2), at(&n, 1)));
    BEGIN(&n, 1, num(17), num(50), num(96));
    end(&n, LOAD(&n, fixed, at(&n, 0), at(&n, 2)), LOAD(&n, WEIGHT(96, 50), at(&n, 2), at(&n, 1)));
    CHECK(few_rows);
}

Test(gemm, packed_at_run_time)
{
    ir_nest n;
    BEGIN(&n, 1, num(HEADS), m, m, num(DEPTH));
    ir_value scores = end(&n, LOAD(&n, z, at(&n, 0), at(&n, 1), at(&n, 3)),
                          LOAD(&n, z, at(&n, 0), at(&n, 2), at(&n, 3)));
    BEGIN(&n, 1, num(HEADS), m, num(DEPTH), m);
    end(&n, LOAD(&n, scores, at(&n, 0), at(&n, 1), at(&n, 3)),
        LOAD(&n, z, at(&n, 0), at(&n, 3), at(&n, 2)));
    /* the result's contiguous axis is the operand's rows */
    BEGIN(&n, 1, num(20), m, num(1100));
    end(&n, LOAD(&n, WEIGHT(20, 1100), at(&n, 0), at(&n, 2)), LOAD(&n, x, at(&n, 1), at(&n, 2)));
    /* k is the operands' rows, of which there may be none */
    BEGIN(&n, 1, num(50), num(70), m);
    end(&n, LOAD(&n, x, at(&n, 2), at(&n, 0)), LOAD(&n, x, at(&n, 2), add(at(&n, 1), lit(9))));
    /* columns with steps */
    BEGIN(&n, 1, num(9), num(40), m);
    end(&n, LOAD(&n, x, at(&n, 2), at(&n, 0)), LOAD(&n, x, at(&n, 2), mul(at(&n, 1), lit(3))));
    CHECK(many_rows);
}

Test(gemm, patches)
{
    ir_nest n;
    BEGIN(&n, 3, num(12), num(4), num(5), num(3), num(8), num(8));
    ir_expr row = add(mul(at(&n, 1), lit(8)), at(&n, 4)),
            column = add(mul(at(&n, 2), lit(8)), at(&n, 5));
    end(&n, LOAD(&n, WEIGHT(12, 3, 8, 8), at(&n, 0), at(&n, 3), at(&n, 4), at(&n, 5)),
        LOAD(&n, image, at(&n, 3), row, column));
    BEGIN(&n, 3, num(12), num(30), num(38), num(3), num(3), num(3));
    row = add(at(&n, 1), at(&n, 4));
    column = add(at(&n, 2), at(&n, 5));
    end(&n, LOAD(&n, WEIGHT(12, 3, 3, 3), at(&n, 0), at(&n, 3), at(&n, 4), at(&n, 5)),
        LOAD(&n, image, at(&n, 3), row, column));
    CHECK(few_rows);
}

/* ---- epilogues ---- */

/* y = f(sum of a[m, k] * w[k, n]) with operands: a, w, bias[n], x. */
static void add_epilogue(ir_value w, int64_t columns, int64_t k, ir_elem out, ir_expr epilogue)
{
    ir_graph *g = fx.g;
    ir_expr i[3] = {ir_x_index(g, 0), ir_x_index(g, 1), ir_x_index(g, 2)};
    ir_expr body = mul(ir_x_load(g, IR_F32, 0, (ir_expr[]){i[0], i[2]}, 2),
                       ir_x_load(g, IR_F32, 1, (ir_expr[]){i[2], i[1]}, 2));
    const ir_attr attrs[] = {ir_a_dims(g, IR_KEY_space, (ir_dim[]){m, num(columns), num(k)}, 3),
                             ir_a_int(IR_KEY_nred, 1), ir_a_exprs(g, IR_KEY_body, &body, 1),
                             ir_a_exprs(g, IR_KEY_epilogue, &epilogue, 1),
                             ir_a_str(g, IR_KEY_elem, ir_elem_name(out))};
    ir_node_id id = ir_node_new(&fx.b, IR_OP_CONTRACT, (ir_value[]){x, w, WEIGHT(columns), x}, 4,
                                attrs, 5, NULL, 1, NULL, 0);
    cr_assert_neq(id, IR_NONE, "%s",
                  lathe_diag_count(fx.diag) ? lathe_diag_get(fx.diag, 0).text : "");
    ir_value v = fx.g->nodes[id].results[0];
    if (out != IR_F32) v = ir_cast(&fx.b, v, IR_F32);
    ir_output(g, v, ir_format(&fx.arena, "y%zu", g->blocks[1].nresults));
}

Test(gemm, epilogues)
{
    static const int64_t columns[] = {32, 100}, k[] = {7, 1100};
    ir_graph *g = fx.g;
    ir_expr acc = ir_x_acc(g, IR_F32, 0), i = ir_x_index(g, 0), j = ir_x_index(g, 1);
    ir_expr bias = ir_x_load(g, IR_F32, 2, &j, 1),
            rest = ir_x_load(g, IR_F32, 3, (ir_expr[]){i, j}, 2);
    ir_expr sum = add(add(acc, bias), rest), above = ir_x_2(g, IR_X_LT, i, j);
    const ir_expr epilogues[] = {
        sum,
        ir_x_2(g, IR_X_MAX, mul(sum, acc), ir_x_float(g, IR_F32, 0)),
        ir_x_select(g, above, ir_x_float(g, IR_F32, -9), sum),
        ir_x_cast(g, ir_x_2(g, IR_X_MIN, acc, ir_x_float(g, IR_F32, 90)), IR_F16),
    };
    for (int c = 0; c < 2; c++)
        for (int d = 0; d < 2; d++)
            for (size_t e = 0; e < 4; e++)
                add_epilogue(WEIGHT(k[d], columns[c]), columns[c], k[d], e == 3 ? IR_F16 : IR_F32,
                             epilogues[e]);
    add_epilogue(fixed, 45, 17, IR_F32, sum);
    CHECK(few_rows);
}
