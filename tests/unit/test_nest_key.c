/* Keys of kernels: every field that nest_fields.def lists changes the key, and it lists every
 * field there is. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "codegen/kernels/nest_walk.h"
#include "tests/unit/fixture.h"

static cg_program program;
static cg_lowering lowering;

static void begin(void)
{
    fixture_begin();
    fx.g = ir_graph_new(&fx.arena, fx.diag, "t", "t.onnx");
    program = (cg_program){.g = fx.g, .arena = &fx.arena};
    lowering = (cg_lowering){.g = fx.g, .p = &program, .text = {.arena = &fx.arena}};
}

TestSuite(nest_key, .init = begin, .fini = fixture_end);

static const char *key_of(cg_nest *n)
{
    return ir_format(&fx.arena, "%s", cg_nest_key(&lowering, n));
}

/* ---- nests in which every field says something ---- */

static int64_t next_size = 100;
static ir_dim size(void) { return ir_dim_const(fx.g, next_size++); }

static void set_sizes(ir_dim *dims, size_t n)
{
    for (size_t i = 0; i < n; i++) dims[i] = size();
}
#define SET_SIZES(dims) set_sizes(dims, sizeof(dims) / sizeof *(dims))

static ir_expr expr(void)
{
    return ir_x_2(fx.g, IR_X_ADD, ir_x_index(fx.g, 0), ir_x_int(fx.g, IR_I64, next_size++));
}

static cg_gemm *full_gemm(void)
{
    cg_gemm *gm = IR_NEW(&fx.arena, cg_gemm);
    ir_affine *places[] = {&gm->a, &gm->b, &gm->c};
    cg_axes *axes[] = {&gm->n, &gm->k};
    for (int i = 0; i < 3; i++) {
        places[i]->konst = size();
        SET_SIZES(places[i]->coef);
    }
    for (int i = 0; i < 2; i++) {
        axes[i]->n = 2;
        SET_SIZES(axes[i]->extent);
        SET_SIZES(axes[i]->stride);
    }
    gm->group = 3;
    gm->codes = (cg_codes){.code = CG_CODE_4, .block = 32, .book = 16};
    return gm;
}

static cg_stage *full_stages(void)
{
    cg_stage *stages = IR_NEW_N(&fx.arena, cg_stage, 2);
    for (int i = 0; i < 2; i++) stages[i] = (cg_stage){CG_MAX, expr(), i ? expr() : IR_NONE};
    return stages;
}

static cg_nest full_nest(void)
{
    cg_nest n = {.kind = CG_NEST_REDUCE,
                 .rank = 3,
                 .nred = 1,
                 .noperands = 2,
                 .operands = IR_NEW_N(&fx.arena, cg_operand, 2),
                 .nstages = 2,
                 .stages = full_stages(),
                 .extremes = true,
                 .body = expr(),
                 .epilogue = expr()};
    cg_operand *operands[] = {&n.operands[0], &n.operands[1], &n.out};
    for (int i = 0; i < 3; i++) {
        *operands[i] = (cg_operand){.elem = IR_F32, .rank = 2};
        SET_SIZES(operands[i]->dims);
    }
    SET_SIZES(n.space);
    for (int i = 0; i < IR_MAX_RANK; i++) n.store[i] = expr();
    return n;
}

static cg_nest full_attention(void)
{
    cg_nest n = full_nest();
    cg_attention *a = IR_NEW(&fx.arena, cg_attention);
    n.gemm = full_gemm();
    n.attention = a;
    a->scores = (cg_nest){.rank = 4, .gemm = full_gemm()};
    SET_SIZES(a->scores.space);
    a->row = (cg_nest){.nstages = 2, .stages = full_stages(), .body = expr()};
    for (int i = 0; i < CG_FACTORS; i++) a->base[i] = expr();
    a->step = size();
    return n;
}

/* ---- changing one thing ---- */

typedef struct change {
    int countdown; /* 0: the next thing is changed */
} change;

static void own(void *ctx, void **at, size_t bytes)
{
    (void)ctx;
    *at = ir_copy(&fx.arena, *at, bytes, 1);
}

static void change_number(void *ctx, void *at, size_t bytes)
{
    change *c = ctx;
    if (c->countdown-- != 0) return;
    *(unsigned char *)at = (unsigned char)(bytes == 1 ? !*(bool *)at : *(unsigned char *)at + 1);
}

static void change_dim(void *ctx, ir_dim *at, bool place)
{
    change *c = ctx;
    (void)place;
    if (c->countdown-- == 0) *at = size();
}

static void change_expr(void *ctx, ir_expr *at)
{
    change *c = ctx;
    if (c->countdown-- == 0) *at = expr();
}

/* How many things there are; each one makes another key. */
static int change_each(cg_nest n)
{
    const char *key = key_of(&n);
    for (int i = 0;; i++) {
        change c = {i};
        const cg_visitor v = {.ctx = &c,
                              .number = change_number,
                              .dim = change_dim,
                              .expr = change_expr,
                              .behind = own};
        cg_nest changed = n;
        cg_walk_nest(&v, &changed);
        if (c.countdown >= 0) return i;
        cr_expect_str_neq(key_of(&changed), key, "thing %d changes nothing", i);
    }
}

enum {
    FLAGS = 9, /* from kind to last, and extremes */
    OPERANDS = 3 * (1 + 2),
    STAGES = 2 * 2 + 1,
    GEMM = 2 + 6 + 2 * 2 * 2 + 3, /* and three times its rank */
};

Test(nest_key, every_field_of_a_nest_counts)
{
    cr_expect_eq(change_each(full_nest()), FLAGS + 3 + OPERANDS + STAGES + 2 + 2);
}

Test(nest_key, every_field_of_attention_counts)
{
    int products = GEMM + 3 * 3 + GEMM + 3 * 4, rows = STAGES + 1;
    cr_expect_eq(change_each(full_attention()),
                 FLAGS + 3 + OPERANDS + STAGES + 2 + products + 4 + 2 * CG_FACTORS + 1 + rows);
}

Test(nest_key, sizes_of_a_run_are_numbered)
{
    cg_nest n = full_nest();
    ir_dim a = ir_dim_sym(fx.g, ir_sym_new(fx.g, "a", IR_SYM_INPUT, 0, 9, IR_NONE)),
           b = ir_dim_sym(fx.g, ir_sym_new(fx.g, "b", IR_SYM_INPUT, 0, 9, IR_NONE));
    n.space[0] = n.out.dims[0] = a;
    const char *key = key_of(&n);
    cr_expect_eq(n.nparams, 1);
    n.space[0] = n.out.dims[0] = b;
    cr_expect_str_eq(key_of(&n), key, "another name is the same code");
    n.out.dims[0] = a;
    cr_expect_str_neq(key_of(&n), key, "two sizes are not one");
    cr_assert_eq(n.nparams, 2);
    cr_expect(n.params[0] == b && n.params[1] == a);
}

/* ---- the table and the structs ---- */

static char *read_source(const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", LATHE_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    char *text = IR_NEW_N(&fx.arena, char, 100000);
    text[fread(text, 1, 99999, f)] = '\0';
    fclose(f);
    return text;
}

/* The text between two others, without comments. */
static char *between(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from), *end = at ? strstr(at + strlen(from), to) : NULL;
    cr_assert(end, "no %s", from);
    at += strlen(from);
    char *copy = ir_copy(&fx.arena, at, (size_t)(end - at) + 1, 1);
    copy[end - at] = '\0';
    for (char *c = strstr(copy, "/*"); c; c = strstr(c, "/*")) {
        char *stop = strstr(c, "*/");
        memset(c, ' ', stop ? (size_t)(stop + 2 - c) : strlen(c));
    }
    return copy;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static bool has_word(const char *text, const char *word, size_t n)
{
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if ((at == text || !is_word(at[-1])) && !is_word(at[n])) return true;
    return false;
}

/* The first name in a struct's text - what is followed by a comma, a semicolon or a bracket - that
 * no row has; NULL: there is none. */
static const char *first_missing(const char *members, const char *rows)
{
    for (const char *at = members; *at; at++) {
        size_t n = 0;
        if (!is_word(*at) || (at > members && is_word(at[-1]))) continue;
        while (is_word(at[n])) n++;
        const char *name = ir_format(&fx.arena, "%.*s", (int)n, at);
        if (strchr(",;[", at[n]) && !has_word(rows, name, n)) return name;
    }
    return NULL;
}

Test(nest_key, every_field_has_a_row)
{
    static const struct {
        const char *file, *prefix, *name;
    } structs[] = {
        {"codegen/program.h", "cg", "operand"},   {"ir/ir.h", "ir", "affine"},
        {"codegen/program.h", "cg", "axes"},      {"codegen/program.h", "cg", "gemm"},
        {"codegen/program.h", "cg", "codes"},     {"codegen/program.h", "cg", "stage"},
        {"codegen/program.h", "cg", "attention"}, {"codegen/program.h", "cg", "nest"},
    };
    const char *table = strstr(read_source("codegen/kernels/nest_fields.def"), "*/");
    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++) {
        const char *name = structs[i].name,
                   *head = ir_format(&fx.arena, "typedef struct %s_%s {", structs[i].prefix, name);
        const char *members = between(read_source(structs[i].file), head, "\n}");
        const char *rows = between(table, ir_format(&fx.arena, "FIELDS_OF_%s\n", name), "\n#");
        const char *missing = first_missing(members, rows);
        cr_expect_null(missing, "%s has no row for %s", name, missing);
        cr_expect_str_eq(first_missing("int added; bool flag[2];", rows), "added");
    }
}
