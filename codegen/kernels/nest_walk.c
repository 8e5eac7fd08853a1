/* One function a struct of nest_fields.def, which shows a visitor its fields; and the walk over
 * expressions that visitors share. */
#include "codegen/kernels/nest_walk.h"

int64_t cg_number_at(const void *at, size_t size)
{
    return size == 1   ? *(const uint8_t *)at
           : size == 4 ? *(const int32_t *)at
                       : *(const int64_t *)at;
}

static void see_text(const cg_visitor *v, const char *text)
{
    if (v->text && *text) v->text(v->ctx, text);
}

static void see_number(const cg_visitor *v, const char *before, void *at, size_t size,
                       const char *after)
{
    see_text(v, before);
    if (v->number) v->number(v->ctx, at, size);
    see_text(v, after);
}

static void see_dim(const cg_visitor *v, ir_dim *at, bool place)
{
    if (v->dim) v->dim(v->ctx, at, place);
}

static void see_expr(const cg_visitor *v, ir_expr *at)
{
    if (v->expr && *at) v->expr(v->ctx, at);
}

static void see_behind(const cg_visitor *v, void *at, size_t bytes)
{
    if (v->behind) v->behind(v->ctx, at, bytes);
}

#define TEXT(text) see_text(v, text);
#define NUMBER(before, field, after) see_number(v, before, &s->field, sizeof s->field, after);
#define THERE(field) see_text(v, s->field ? "1" : "0");
#define SIZE(field) see_dim(v, &s->field, false);
#define PLACE(field) see_dim(v, &s->field, true);
#define EXPR(field) see_expr(v, &s->field);
#define EACH(n, ...)                                                                               \
    for (int i = 0, end = (int)(n); i < end; i++) {                                                \
        __VA_ARGS__                                                                                \
    }
#define PART(type, field, rank) walk_##type(v, &s->field, rank);
#define BEHIND(type, field, rank)                                                                  \
    if (s->field) {                                                                                \
        see_behind(v, &s->field, sizeof *s->field);                                                \
        walk_##type(v, (cg_##type *)s->field, rank);                                               \
    }
#define LIST(type, field, n)                                                                       \
    see_behind(v, &s->field, (n) * sizeof *s->field);                                              \
    for (size_t i = 0; i < (n); i++) walk_##type(v, &s->field[i], 0);
#define IMPLIED(field, why)
#define RESULT(field)

static void walk_operand(const cg_visitor *v, cg_operand *s, int rank)
{
    (void)rank;
#define FIELDS_OF_operand
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_operand
}

static void walk_affine(const cg_visitor *v, ir_affine *s, int rank)
{
#define FIELDS_OF_affine
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_affine
}

static void walk_axes(const cg_visitor *v, cg_axes *s, int rank)
{
    (void)rank;
#define FIELDS_OF_axes
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_axes
}

static void walk_codes(const cg_visitor *v, cg_codes *s, int rank)
{
    (void)rank;
#define FIELDS_OF_codes
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_codes
}

static void walk_gemm(const cg_visitor *v, cg_gemm *s, int rank)
{
#define FIELDS_OF_gemm
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_gemm
}

static void walk_stage(const cg_visitor *v, cg_stage *s, int rank)
{
    (void)rank;
#define FIELDS_OF_stage
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_stage
}

static void walk_attention(const cg_visitor *v, cg_attention *s, int rank)
{
    (void)rank;
#define FIELDS_OF_attention
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_attention
}

void cg_walk_nest(const cg_visitor *v, cg_nest *s)
{
#define FIELDS_OF_nest
#include "codegen/kernels/nest_fields.def"
#undef FIELDS_OF_nest
}

/* ---- expressions ---- */

static void push(cg_expr_walk *w, ir_expr x)
{
    w->stack = ir_grow(w->arena, w->stack, &w->cap, w->n + 1, sizeof *w->stack);
    w->stack[w->n++] = x;
}

/* Pushes the arguments that have no value yet, the first on top; false: there are none. */
static bool push_args(cg_expr_walk *w, const ir_expr_node *x)
{
    bool some = false;
    for (int i = x->nargs; i-- > 0;) {
        if (cg_map_get(w->values, x->args[i], 0)) continue;
        if (w->inlines && w->inlines(w->ctx, x, i)) continue;
        push(w, x->args[i]);
        some = true;
    }
    return some;
}

uint32_t cg_walk_expr(cg_expr_walk *w, ir_expr root)
{
    for (push(w, root); w->n;) {
        ir_expr id = w->stack[w->n - 1];
        bool done = cg_map_get(w->values, id, 0);
        if (!done && push_args(w, ir_expr_get(w->g, id))) continue;
        w->n--;
        if (!done) cg_map_put(w->arena, w->values, id, w->node(w->ctx, id));
    }
    return cg_map_get(w->values, root, 0);
}
