/* Products of floats that may be computed in bf16, or in three products of bf16, on every target
 * that has tiles for it, by instructions or by their definition: each remainder of rows, columns
 * and k, weights and factors of the run, an a whose k stand apart. Small integers come out exactly;
 * other numbers as closely as the parts hold them. */
#include <math.h>

#include "codegen/emit/emit_gemm.h"
#include "tests/unit/linked.h"

enum { WIDTH = 1100, COLUMNS = 75, MOST_ROWS = 70, MOST_OUT = 32, INPUTS = 3 };
enum { ROWS, LEFT, RIGHT }; /* [m, WIDTH], [WIDTH, m], [WIDTH, COLUMNS] */

static ir_dim m;
static ir_value in[INPUTS];

static void begin(void)
{
    fixture_begin();
    ir_graph *g = fx.g;
    ir_block_new(g, IR_NONE);
    m = ir_dim_sym(g, ir_sym_new(g, "m", IR_SYM_INPUT, 0, MOST_ROWS, IR_NONE));
    const ir_dim width = ir_dim_const(g, WIDTH), columns = ir_dim_const(g, COLUMNS);
    const ir_dim dims[INPUTS][2] = {{m, width}, {width, m}, {width, columns}};
    for (int i = 0; i < INPUTS; i++) {
        const ir_type t = ir_type_make(IR_F32, 2, dims[i]);
        in[i] = ir_param(g, 1, &t, ir_format(&fx.arena, "x%d", i));
    }
}

TestSuite(narrow, .init = begin, .fini = fixture_end, .timeout = 600);

/* ---- numbers ---- */

typedef float (*numbers)(uint64_t i);

static uint64_t mix(uint64_t i)
{
    uint64_t h = i * 0x9e3779b97f4a7c15u;
    return (h ^ h >> 29) >> 20;
}

static float small_integer(uint64_t i) { return (float)(int)(mix(i) % 17) - 8; }
static float any_number(uint64_t i) { return ((float)(int)(mix(i) % 2000001) - 1000000) / 333333; }

static numbers number;

/* ---- products ---- */

static ir_value weight(int64_t rows, int64_t columns)
{
    size_t n = (size_t)(rows * columns);
    float *w = ir_alloc(&fx.arena, n, sizeof *w);
    for (size_t i = 0; i < n; i++) w[i] = number(i * 7 + n);
    const ir_type t =
        ir_type_make(IR_F32, 2, (ir_dim[]){ir_dim_const(fx.g, rows), ir_dim_const(fx.g, columns)});
    return ir_const(&fx.b, &t, &(ir_blob){.bytes = w, .size = n * sizeof *w});
}

/* f32[m, n] = the sum of a[m, k] * w[k, n]. */
static void add_sum(int input, ir_value w, int64_t n, int64_t k, const char *precision)
{
    ir_graph *g = fx.g;
    ir_nest nest;
    const ir_dim space[] = {m, ir_dim_const(g, n), ir_dim_const(g, k)};
    ir_nest_begin(&nest, &fx.b, 3, space, 1);
    ir_expr i[3];
    for (int axis = 0; axis < 3; axis++) i[axis] = ir_nest_index(&nest, axis);
    const bool left = input == LEFT;
    ir_expr x = ir_nest_load(&nest, in[input], (ir_expr[]){i[left ? 2 : 0], i[left ? 0 : 2]}),
            y = ir_nest_load(&nest, w, (ir_expr[]){i[2], i[1]});
    ir_value v = ir_nest_reduce(&nest, IR_OP_CONTRACT, "sum", IR_F32, ir_x_2(g, IR_X_MUL, x, y));
    cr_assert_neq(v, IR_NONE);
    const ir_attr a = ir_a_str(g, IR_KEY_precision, precision);
    ir_replace_attrs(g, g->values[v].def, UINT64_C(1) << IR_KEY_precision, &a, 1);
    ir_output(g, v, ir_format(&fx.arena, "y%zu", g->blocks[1].nresults));
}

static void add_all(const char *precision)
{
    static const int64_t n[] = {32, 33, 71}, k[] = {1, 2, 31, 32, 67, 1099};
    for (int c = 0; c < 3; c++)
        for (int d = c; d < 6; d += 2) add_sum(ROWS, weight(k[d], n[c]), n[c], k[d], precision);
    add_sum(LEFT, weight(37, 40), 40, 37, precision);
    add_sum(ROWS, in[RIGHT], 71, 67, precision);
    add_sum(ROWS, in[RIGHT], 64, 1100, precision);
}

/* ---- running ---- */

typedef struct results {
    float *out[MOST_OUT];
    size_t count[MOST_OUT];
    int n;
} results;

static size_t elements(const lathe_desc *desc, int output, int64_t rows)
{
    lathe_tensor_info info;
    size_t n = 1;
    lathe_info(desc, LATHE_OUTPUTS, output, &info);
    for (int i = 0; i < info.rank; i++) n *= (size_t)(info.dims[i] < 0 ? rows : info.dims[i]);
    return n;
}

static results run(const linked *c, int64_t rows)
{
    results r = {.n = (int)lathe_count(c->desc, LATHE_OUTPUTS)};
    const int64_t dims[INPUTS][2] = {{rows, WIDTH}, {WIDTH, rows}, {WIDTH, COLUMNS}};
    lathe_model *model;
    lathe_session *session;
    lathe_tensor x[INPUTS], out[MOST_OUT];
    for (int i = 0; i < INPUTS; i++) {
        size_t n = (size_t)(dims[i][0] * dims[i][1]);
        float *v = malloc(n * sizeof *v + 1);
        for (size_t k = 0; k < n; k++) v[k] = number(k * 5 + (size_t)i);
        x[i] = (lathe_tensor){.data = v,
                              .size = n * sizeof *v,
                              .rank = 2,
                              .elem = LATHE_F32,
                              .dims = {dims[i][0], dims[i][1]}};
    }
    for (int i = 0; i < r.n; i++) {
        r.count[i] = elements(c->desc, i, rows);
        r.out[i] = calloc(r.count[i] + 1, sizeof(float));
        out[i] = (lathe_tensor){.data = r.out[i], .size = r.count[i] * sizeof(float)};
    }
    cr_assert_eq(
        lathe_model_open(c->desc, &(lathe_open_options){.flags = LATHE_OPEN_POISON}, &model),
        LATHE_OK);
    cr_assert_eq(lathe_session_new(model, (int64_t[]){rows}, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, x, out), LATHE_OK, "%s", lathe_session_message(session));
    lathe_session_free(session);
    lathe_model_close(model);
    for (int i = 0; i < INPUTS; i++) free(x[i].data);
    return r;
}

static void free_results(results *r)
{
    for (int i = 0; i < r->n; i++) free(r->out[i]);
}

/* The largest difference, as a part of the largest number of its output. */
static double distance(const results *x, const results *y)
{
    double most = 0;
    for (int i = 0; i < x->n; i++) {
        double largest = 1e-30, apart = 0;
        for (size_t k = 0; k < x->count[i]; k++) {
            largest = fmax(largest, fabs(x->out[i][k]));
            apart = fmax(apart, fabs((double)x->out[i][k] - y->out[i][k]));
            if (isnan(y->out[i][k])) return INFINITY;
        }
        most = fmax(most, apart / largest);
    }
    return most;
}

/* The targets: the machine's own, then each tile by its definition. */
enum { OWN = 2, TARGETS = 5 };
static bool target(int i, cg_isa *isa)
{
    static const char *const own[] = {"x86-64-v4+bf16", "x86-64-v4+amx-emulated"};
    static const char *const tiles[] = {"dpbf16ps", "bfmmla", "amx_bf16"};
    *isa = *cg_isa_at(0);
    if (i < OWN) *isa = *cg_isa_find(own[i]);
    else isa->tile = tiles[i - OWN], isa->defines = UINT32_MAX, isa->vector_registers = 32;
    return (isa->cpu_bits & ~rt_cpu_features()) == 0;
}

static const int64_t sizes[] = {0, 1, 5, 15, 16, 17, 31, 32, 33, 70};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* least: a product that was not narrowed would be closer than this. */
static void check(const char *precision, double least, double most)
{
    linked plain = linked_make(cg_isa_at(0), 0);
    results expected[SIZES];
    int narrowed = 0;
    for (int s = 0; s < SIZES; s++) expected[s] = run(&plain, sizes[s]);
    for (int i = 0; i < TARGETS; i++) {
        cg_isa isa;
        if (!target(i, &isa)) continue;
        const cg_gemm g = {.narrow = cg_narrow_of(precision)};
        if (!cg_narrow_parts(&isa, &g)) continue;
        linked c = linked_make(&isa, 2);
        double worst = 0;
        for (int s = 0; s < SIZES; s++) {
            results found = run(&c, sizes[s]);
            double d = distance(&expected[s], &found);
            cr_assert_leq(d, most, "%s %s, %d rows: %g", isa.name, isa.tile ? isa.tile : "",
                          (int)sizes[s], d);
            worst = fmax(worst, d);
            free_results(&found);
        }
        cr_expect_geq(worst, least, "%s %s: %g", isa.name, isa.tile ? isa.tile : "", worst);
        narrowed++;
        dlclose(c.library);
    }
    cr_expect_gt(narrowed, 0);
    for (int s = 0; s < SIZES; s++) free_results(&expected[s]);
    dlclose(plain.library);
}

Test(narrow, bf16_is_exact_for_small_integers)
{
    number = small_integer;
    add_all("bf16");
    check("bf16", 0, 0);
}

Test(narrow, bf16_rounds_factors)
{
    number = any_number;
    add_all("bf16");
    check("bf16", 1e-4, 1e-2);
}

Test(narrow, three_products_are_nearly_f32)
{
    number = any_number;
    add_all("f32x3");
    check("f32x3", 0, 3e-5);
}

/* From the largest to denormals, both signs. */
static float of_all_sizes(uint64_t i)
{
    uint64_t h = mix(i);
    return ldexpf((float)(h % 512) - 256, (int)(h / 512 % 140) - 140);
}

Test(narrow, a_definition_is_its_instruction)
{
    cg_isa own = *cg_isa_find("x86-64-v4+bf16"), defined = own;
    if (own.cpu_bits & ~rt_cpu_features()) cr_skip_test("no AVX512-BF16");
    number = of_all_sizes;
    add_all("bf16");
    own.tile = defined.tile = "dpbf16ps";
    defined.defines = LATHE_CPU_AVX512_BF16;
    linked x = linked_make(&own, 2), y = linked_make(&defined, 2);
    for (int s = 0; s < SIZES; s++) {
        results a = run(&x, sizes[s]), b = run(&y, sizes[s]);
        for (int i = 0; i < a.n; i++)
            for (size_t k = 0; k < a.count[i]; k++)
                cr_assert_eq(a.out[i][k], b.out[i][k], "output %d, element %zu: %a, not %a", i, k,
                             b.out[i][k], a.out[i][k]);
        free_results(&a);
        free_results(&b);
    }
    dlclose(x.library);
    dlclose(y.library);
}
