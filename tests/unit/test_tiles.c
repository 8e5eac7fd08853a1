/* Every tile, the plain one too, against the general emitter, with its processor's instructions if
 * this machine has them, or else what they are by definition: each remainder of rows, columns and
 * k, both signs of a's codes, and codes that are as large as they can be, so that a sum which
 * saturates or wraps on its way is seen. */
#include "codegen/emit/emit_gemm.h"
#include "tests/unit/linked.h"

enum { MOST_ROWS = 70, WIDTH = 1100, COLUMNS = 75, MOST_OUT = 96, MOST_SIZES = 24 };

/* Of what the run gives: factors with their rows, and right factors by signs. */
enum { U8_ROWS, I8_ROWS, U8_COLUMNS, U8_RIGHT, I8_RIGHT, INPUTS };
static const ir_elem elems[INPUTS] = {IR_U8, IR_I8, IR_U8, IR_U8, IR_I8};

static bool pairs; /* whether weights become CG_FORMAT_PAIRS, and have few large codes */
static ir_dim m;
static ir_value a[INPUTS]; /* [m, WIDTH] twice, [WIDTH, m], [WIDTH, COLUMNS] twice */

static void begin(void)
{
    fixture_begin();
    ir_graph *g = fx.g;
    ir_block_new(g, IR_NONE);
    m = ir_dim_sym(g, ir_sym_new(g, "m", IR_SYM_INPUT, 0, MOST_ROWS, IR_NONE));
    const ir_dim width = ir_dim_const(g, WIDTH), columns = ir_dim_const(g, COLUMNS);
    const ir_dim dims[INPUTS][2] = {
        {m, width}, {m, width}, {width, m}, {width, columns}, {width, columns}};
    for (int i = 0; i < INPUTS; i++) {
        const ir_type t = ir_type_make(elems[i], 2, dims[i]);
        a[i] = ir_param(g, 1, &t, ir_format(&fx.arena, "a%d", i));
    }
}

TestSuite(tiles, .init = begin, .fini = fixture_end, .timeout = 600);

/* Codes of a byte: mostly extremes, in runs, so that pairs of them meet. */
static uint8_t code(uint64_t i)
{
    static const uint8_t extremes[] = {0, 255, 128, 127, 255, 127, 128, 1};
    uint64_t h = (i / 3 * 0x9e3779b97f4a7c15u) >> 40;
    return h % 4 ? extremes[h / 4 % 8] : (uint8_t)(h >> 8);
}

/* Small codes, and one time in 200 a run of extremes. */
static uint8_t rare_code(uint64_t i)
{
    static const uint8_t extremes[] = {127, 128, 64, 129, 65, 191};
    uint64_t h = (i / 80 * 0x9e3779b97f4a7c15u) >> 40;
    return h % 5 == 0 && i % 80 < 2 ? extremes[h / 5 % 6]
                                    : (uint8_t)(i * 2654435761u >> 13) % 128 - 64;
}

static ir_value weight(int64_t rows, int64_t columns)
{
    ir_graph *g = fx.g;
    size_t n = (size_t)(rows * columns);
    uint8_t *w = ir_alloc(&fx.arena, n, 1);
    for (size_t i = 0; i < n; i++) w[i] = pairs ? rare_code(i) : code(i * 7 + n);
    const ir_type t =
        ir_type_make(IR_I8, 2, (ir_dim[]){ir_dim_const(g, rows), ir_dim_const(g, columns)});
    return ir_const(&fx.b, &t, &(ir_blob){.bytes = w, .size = n});
}

/* i32[m, n] = the sum of a[m, k] * w[k, n], or w[n, k]. */
static void add_sum(int input, ir_value w, int64_t n, int64_t k, bool turned)
{
    ir_graph *g = fx.g;
    ir_nest nest;
    const ir_dim space[] = {m, ir_dim_const(g, n), ir_dim_const(g, k)};
    ir_nest_begin(&nest, &fx.b, 3, space, 1);
    ir_expr i[3];
    for (int axis = 0; axis < 3; axis++) i[axis] = ir_nest_index(&nest, axis);
    const bool left = input == U8_COLUMNS; /* k is a's rows */
    ir_expr x = ir_nest_load(&nest, a[input], (ir_expr[]){i[left ? 2 : 0], i[left ? 0 : 2]}),
            y = ir_nest_load(&nest, w, (ir_expr[]){i[turned ? 1 : 2], i[turned ? 2 : 1]});
    ir_expr body = ir_x_2(g, IR_X_MUL, ir_x_cast(g, x, IR_I32), ir_x_cast(g, y, IR_I32));
    ir_value v = ir_nest_reduce(&nest, IR_OP_CONTRACT, "sum", IR_I32, body);
    cr_assert_neq(v, IR_NONE);
    ir_output(g, v, ir_format(&fx.arena, "y%zu", g->blocks[1].nresults));
}

static void add_product(int input, int64_t n, int64_t k, bool turned)
{
    add_sum(input, turned ? weight(n, k) : weight(k, n), n, k, turned);
}

/* ---- running ---- */

typedef struct results {
    int32_t *out[MOST_OUT];
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

/* Inputs lie in memory of exactly their size, for those who look for reads beyond it. */
static results run(const linked *c, int64_t rows)
{
    results r = {.n = (int)lathe_count(c->desc, LATHE_OUTPUTS)};
    lathe_model *model;
    lathe_session *session;
    lathe_tensor in[INPUTS], out[MOST_OUT];
    cr_assert_leq(r.n, MOST_OUT);
    for (int i = 0; i < INPUTS; i++) {
        int64_t left = i >= U8_COLUMNS ? WIDTH : rows, right = i == U8_COLUMNS  ? rows
                                                               : i > U8_COLUMNS ? COLUMNS
                                                                                : WIDTH;
        size_t n = (size_t)(left * right);
        uint8_t *x = malloc(n ? n : 1);
        for (size_t k = 0; k < n; k++) x[k] = code(k * 5 + (size_t)i);
        in[i] = (lathe_tensor){.data = x,
                               .size = n,
                               .rank = 2,
                               .elem = elems[i] == IR_I8 ? LATHE_I8 : LATHE_U8,
                               .dims = {left, right}};
    }
    for (int i = 0; i < r.n; i++) {
        r.count[i] = elements(c->desc, i, rows);
        r.out[i] = calloc(r.count[i] + 1, sizeof(int32_t));
        out[i] = (lathe_tensor){.data = r.out[i], .size = r.count[i] * sizeof(int32_t)};
    }
    cr_assert_eq(
        lathe_model_open(c->desc, &(lathe_open_options){.flags = LATHE_OPEN_POISON}, &model),
        LATHE_OK);
    cr_assert_eq(lathe_session_new(model, (int64_t[]){rows}, &session), LATHE_OK);
    cr_assert_eq(lathe_run(session, in, out), LATHE_OK, "%s", lathe_session_message(session));
    lathe_session_free(session);
    lathe_model_close(model);
    for (int i = 0; i < INPUTS; i++) free(in[i].data);
    return r;
}

static void free_results(results *r)
{
    for (int i = 0; i < r->n; i++) free(r->out[i]);
}

static void expect_same(const results *x, const results *y, const char *tile, int64_t rows)
{
    for (int i = 0; i < x->n; i++)
        for (size_t k = 0; k < x->count[i]; k++)
            cr_assert_eq(x->out[i][k], y->out[i][k],
                         "%s: output %d, %d rows, element %zu: %d, not %d", tile, i, (int)rows, k,
                         y->out[i][k], x->out[i][k]);
}

/* Every number of rows up to what a tile of vectors takes, then some, all edges of a unit's. */
static int64_t rows_of(int i) { return i < 18 ? i : 18 + 13 * (i - 18); }

typedef struct plain {
    linked code;
    results of[MOST_SIZES]; /* by number of rows */
} plain;

static plain make_plain(void)
{
    plain p = {.code = linked_make(cg_isa_at(0), 0)};
    for (int i = 0; rows_of(i) <= MOST_ROWS; i++) p.of[i] = run(&p.code, rows_of(i));
    return p;
}

static void free_plain(plain *p)
{
    for (int i = 0; rows_of(i) <= MOST_ROWS; i++) free_results(&p->of[i]);
    dlclose(p->code.library);
}

static void check(const cg_isa *isa, const plain *expected)
{
    linked c = linked_of(isa, 2, pairs);
    for (int i = 0; rows_of(i) <= MOST_ROWS; i++) {
        results found = run(&c, rows_of(i));
        expect_same(&expected->of[i], &found, isa->tile, rows_of(i));
        free_results(&found);
    }
    dlclose(c.library);
}

static bool serves(const cg_isa *isa, const cg_format *formats, size_t n)
{
    for (size_t f = 0; f < n; f++)
        for (int i = 0; i <= I8_ROWS; i++) {
            const cg_tile_use use = {.a = elems[i], .format = formats[f]};
            if (strcmp(cg_tile_name_of(isa, &use), isa->tile) == 0) return true;
        }
    return false;
}

/* Each tile of each width of vectors that the machine has. */
static bool check_natively(const char *tile, const plain *expected, const cg_format *formats,
                           size_t n)
{
    bool checked = false;
    for (size_t i = 0; cg_isa_at(i); i++) {
        cg_isa isa = *cg_isa_at(i), less = i ? *cg_isa_at(i - 1) : isa;
        isa.tile = less.tile = tile;
        if (strcmp(isa.triple, cg_isa_host()->triple) != 0 || isa.cpu_bits & ~rt_cpu_features())
            continue;
        bool again = i && less.vector_bits == isa.vector_bits && serves(&less, formats, n);
        if (again || !serves(&isa, formats, n)) continue;
        check(&isa, expected);
        checked = true;
    }
    return checked;
}

/* Those of other machines with their instructions' definitions. */
static void check_all(const cg_format *formats, size_t n)
{
    plain expected = make_plain();
    cg_isa isa = *cg_isa_at(0);
    const char *tile;
    isa.defines = UINT32_MAX;
    isa.vector_registers = 32;
    for (size_t t = 0; (tile = cg_tile_name(t)); t++) {
        isa.tile = tile;
        if (!serves(&isa, formats, n) || check_natively(tile, &expected, formats, n)) continue;
        check(&isa, &expected);
    }
    free_plain(&expected);
}

Test(tiles, of_weights)
{
    static const int64_t n[] = {32, 33, 71}, k[] = {1, 2, 3, 4, 5, 18, 67, 1099};
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < 3; c++)
            for (int d = 0; d < 8; d++) add_product(i, n[c], k[d], (c + d) % 2);
    for (int d = 0; d < 4; d++) add_product(U8_COLUMNS, n[d % 3], k[2 * d + 1], d % 2);
    check_all((cg_format[]){CG_FORMAT_I8}, 1);
}

/* Columns side by side and apart, k side by side, parts of k. */
Test(tiles, of_what_the_run_packs)
{
    static const int64_t n[] = {32, 33, 71}, k[] = {4, 5, 18, 67};
    for (int b = U8_RIGHT; b <= I8_RIGHT; b++) {
        for (int i = 0; i < 2; i++)
            for (int c = 0; c < 3; c++) add_sum(i, a[b], n[c], k[(c + i) % 4], c % 2);
        add_sum(U8_COLUMNS, a[b], 71, 23, false);
        add_sum(I8_ROWS, a[b], 40, 1099, false);
    }
    check_all((cg_format[]){CG_FORMAT_S8, CG_FORMAT_U8}, 2);
}

/* All weights are stored so, or the tiles would not be asked. */
static void expect_pairs(void)
{
    cg_program *p;
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, true, cg_encoded_decodes, &p), LATHE_OK);
    for (size_t i = 0; i < p->nweights; i++)
        cr_expect(p->weights[i].panels && p->weights[i].panels->format == CG_FORMAT_PAIRS);
    cg_program_close(p);
}

/* A tile by its instructions' definitions alone. */
static void check_defined(const char *tile)
{
    plain expected = make_plain();
    cg_isa isa = *cg_isa_at(0);
    isa.defines = UINT32_MAX;
    isa.tile = tile;
    check(&isa, &expected);
    free_plain(&expected);
}

Test(tiles, of_weights_in_pairs)
{
    static const int64_t n[] = {32, 33, 71}, k[] = {1, 2, 3, 4, 5, 18, 67, 1099};
    if (strncmp(cg_isa_host()->triple, "x86_64", 6) != 0) return;
    pairs = true;
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < 3; c++)
            for (int d = 0; d < 8; d++) add_product(i, n[c], k[d], (c + d) % 2);
    for (int d = 0; d < 4; d++) add_product(U8_COLUMNS, n[d % 3], k[2 * d + 1], d % 2);
    expect_pairs();
    check_all((cg_format[]){CG_FORMAT_PAIRS}, 1);
    check_defined("pmaddubsw_u8");
    check_defined("pmaddubsw_i8");
}

/* A weight with more large pairs than a list holds stays as it is. */
Test(tiles, of_weights_with_too_many_pairs)
{
    cg_program *p;
    add_product(U8_ROWS, 71, 300, false);
    pass_products(fx.g, NULL, fx.diag);
    cr_assert_eq(cg_lower(fx.g, "t", 2, true, cg_encoded_decodes, &p), LATHE_OK);
    cr_assert_eq(p->nweights, 1);
    cr_expect_eq(p->weights[0].panels->format, CG_FORMAT_I8);
    cg_program_close(p);
}
