/* Leaves of the text form: dims, numbers, constants' bytes, and expressions.
 *
 * An expression is a DAG; written as a tree it could grow exponentially. So a body is a list of
 * definitions `t0 = ...;` followed by the results: what is used twice, or lies too deep for the
 * parser's limit, gets a name. Definitions come in postorder, which depends on structure alone. */
#include "ir/lex.h"
#include "ir/pool.h"
#include "ir/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const scalar_names[] = {
#define SCALAR(NAME, text, arity, result, traits) [IR_X_##NAME] = text,
#include "ir/scalar.def"
#undef SCALAR
};

void ir_print_dims(FILE *f, const ir_graph *g, const ir_dim *dims, size_t n)
{
    fputc('[', f);
    for (size_t i = 0; i < n; i++) fprintf(f, "%s%s", i ? ", " : "", ir_dim_text(g, dims[i]));
    fputc(']', f);
}

/* ---- numbers ---- */

void ir_print_float(FILE *f, double v, bool is_f32)
{
    char text[40];
    if (isnan(v)) {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (bits == UINT64_C(0x7ff8000000000000)) fputs("nan", f);
        else fprintf(f, "nan(0x%016" PRIx64 ")", bits);
        return;
    }
    if (isinf(v)) {
        fputs(v < 0 ? "-inf" : "inf", f);
        return;
    }
    bool whole = v == floor(v) && fabs(v) < 1e7;
    if (whole) snprintf(text, sizeof text, "%.0f", v);
    for (int precision = 1; precision <= 17 && !whole; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        double back = strtod(text, NULL);
        if (is_f32 ? (float)back == (float)v : back == v) break;
    }
    fprintf(f, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_int(FILE *f, ir_elem type, int64_t v)
{
    if (type == IR_BOOL) fputs(v ? "true" : "false", f);
    else if (type == IR_U64) fprintf(f, "%" PRIu64, (uint64_t)v);
    else fprintf(f, "%" PRId64, v);
}

static void print_const(FILE *f, const ir_expr_node *n)
{
    if (ir_elem_is_float(n->type)) {
        double v;
        memcpy(&v, &n->imm, sizeof v);
        ir_print_float(f, v, n->type == IR_F32);
    } else {
        print_int(f, n->type, n->imm);
    }
    if (n->type != IR_F32 && n->type != IR_I64 && n->type != IR_BOOL)
        fprintf(f, ":%s", ir_elem_name(n->type));
}

/* ---- expressions ---- */

typedef struct print_item {
    ir_expr expr;
    uint32_t uses, height, name; /* name: 1 + number, 0: written where it is used */
} print_item;

typedef struct expr_printer {
    FILE *f;
    const ir_graph *g;
    ir_memo memo; /* expression -> 1 + item */
    print_item *items;
    size_t nitems, cap;
} expr_printer;

static print_item *item_of(const expr_printer *p, ir_expr e)
{
    uint32_t at = ir_memo_get(p->g->pool, &p->memo, e);
    return at ? &p->items[at - 1] : NULL;
}

static void print_expr_collect(expr_printer *p, ir_expr e)
{
    print_item *known = item_of(p, e);
    if (known) {
        known->uses++;
        return;
    }
    const ir_expr_node *n = ir_expr_get(p->g, e);
    for (int i = 0; i < n->nargs; i++) print_expr_collect(p, n->args[i]);
    p->items = ir_grow(p->g->arena, p->items, &p->cap, p->nitems + 1, sizeof *p->items);
    p->items[p->nitems++] = (print_item){.expr = e, .uses = 1};
    ir_memo_put(p->g->pool, &p->memo, e, (uint32_t)p->nitems);
}

/* Short enough to be repeated: a leaf, or a load whose indices are leaves. */
static bool is_simple(const ir_graph *g, const ir_expr_node *n)
{
    if (n->op != IR_X_LOAD) return n->nargs == 0;
    for (int i = 0; i < n->nargs; i++)
        if (ir_expr_get(g, n->args[i])->nargs) return false;
    return true;
}

static void choose_names(expr_printer *p)
{
    uint32_t names = 0;
    for (size_t i = 0; i < p->nitems; i++) {
        print_item *item = &p->items[i];
        const ir_expr_node *n = ir_expr_get(p->g, item->expr);
        item->height = 1;
        for (int k = 0; k < n->nargs; k++) {
            const print_item *arg = item_of(p, n->args[k]);
            if (!arg->name && arg->height >= item->height) item->height = arg->height + 1;
        }
        if ((item->uses > 1 && !is_simple(p->g, n)) || item->height >= IR_TEXT_DEPTH)
            item->name = ++names;
    }
}

static void print_expr(const expr_printer *p, ir_expr e);

static void print_args(const expr_printer *p, const ir_expr_node *n)
{
    for (int i = 0; i < n->nargs; i++) {
        if (i) fputs(", ", p->f);
        print_expr(p, n->args[i]);
    }
}

static void print_unnamed(const expr_printer *p, const ir_expr_node *n)
{
    switch (n->op) {
    case IR_X_CONST:
        print_const(p->f, n);
        return;
    case IR_X_DIM:
        fprintf(p->f, "dim(%s)", ir_dim_text(p->g, (ir_dim)n->imm));
        return;
    case IR_X_INDEX:
        fprintf(p->f, "i%" PRId64, n->imm);
        return;
    case IR_X_ACC:
        fprintf(p->f, "acc%" PRId64, n->imm);
        if (n->type != IR_F32) fprintf(p->f, ":%s", ir_elem_name(n->type));
        return;
    case IR_X_LOAD:
        fprintf(p->f, "$%" PRId64 "[", n->imm);
        print_args(p, n);
        fputc(']', p->f);
        return;
    default:
        break;
    }
    fprintf(p->f, "%s(", scalar_names[n->op]);
    print_args(p, n);
    if (n->op == IR_X_CAST || n->op == IR_X_CASTSAT)
        fprintf(p->f, ", %s", ir_elem_name((ir_elem)n->imm));
    if (n->op == IR_X_BITCAST)
        fprintf(p->f, ", %s, %s", ir_elem_name((ir_elem)(n->imm & 255)),
                ir_elem_name((ir_elem)(n->imm >> 8)));
    fputc(')', p->f);
}

static void print_expr(const expr_printer *p, ir_expr e)
{
    const print_item *item = item_of(p, e);
    if (item->name) fprintf(p->f, "t%u", item->name - 1);
    else print_unnamed(p, ir_expr_get(p->g, e));
}

void ir_print_exprs(FILE *f, const ir_graph *g, const ir_expr *exprs, size_t n)
{
    expr_printer p = {.f = f, .g = g};
    ir_memo_begin(g->pool, &p.memo);
    for (size_t i = 0; i < n; i++) print_expr_collect(&p, exprs[i]);
    choose_names(&p);
    fputc('[', f);
    for (size_t i = 0; i < p.nitems; i++) {
        if (!p.items[i].name) continue;
        fprintf(f, "t%u = ", p.items[i].name - 1);
        print_unnamed(&p, ir_expr_get(g, p.items[i].expr));
        fputs("; ", f);
    }
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", f);
        print_expr(&p, exprs[i]);
    }
    fputc(']', f);
    ir_memo_end(g->pool, &p.memo);
}

/* ---- constants ---- */

uint64_t ir_blob_hash(const void *bytes, size_t size) { return ir_hash_bytes(0, bytes, size); }

bool ir_type_static_count(const ir_graph *g, const ir_type *t, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t d;
        if (t->dims[i] == IR_NONE || !ir_dim_is_const(g, t->dims[i], &d) || d < 0) return false;
        if (__builtin_mul_overflow(*count, d, count)) return false;
    }
    return true;
}

static void print_element(FILE *f, ir_elem elem, uint64_t bits)
{
    if (elem == IR_F32) {
        uint32_t low = (uint32_t)bits;
        float v;
        memcpy(&v, &low, sizeof v);
        if (isnan(v) && low != 0x7fc00000) fprintf(f, "nan(0x%08" PRIx32 ")", low);
        else ir_print_float(f, isnan(v) ? (double)NAN : v, true);
    } else if (elem == IR_F64) {
        double v;
        memcpy(&v, &bits, sizeof v);
        ir_print_float(f, v, false);
    } else if (ir_elem_class(elem) == 'L') {
        fprintf(f, "0x%0*" PRIx64, (ir_elem_bits(elem) + 3) / 4, bits);
    } else {
        print_int(f, elem, ir_wrap_int(elem, (int64_t)bits));
    }
}

static bool is_listed(const ir_graph *g, const ir_type *t, const ir_blob *b, int64_t *count)
{
    int64_t size;
    char class = ir_elem_class(t->elem);
    return class != 'C' && class != 'T' && ir_type_static_count(g, t, count) &&
           *count <= IR_TEXT_ELEMENTS && ir_elem_bytes(t->elem, *count, &size) &&
           (size_t)size == b->size;
}

void ir_print_blob(FILE *f, const ir_graph *g, const ir_type *t, const ir_blob *b)
{
    int64_t count;
    const unsigned char *bytes = b->bytes;
    if (is_listed(g, t, b, &count)) {
        fputc('[', f);
        for (int64_t i = 0; i < count; i++) {
            if (i) fputs(", ", f);
            print_element(f, t->elem, ir_bits_get(bytes, ir_elem_bits(t->elem), i));
        }
        fputc(']', f);
    } else if (b->file != IR_NONE) {
        fputs("blob(", f);
        fputs(ir_lex_quoted(g->arena, ir_text(g, b->file)), f);
        fprintf(f, ", %" PRIu64 ", %zu, 0x%016" PRIx64 ")", b->offset, b->size,
                ir_blob_hash(b->bytes, b->size));
    } else {
        static const char digits[] = "0123456789abcdef";
        fputs("hex(\"", f);
        for (size_t i = 0; i < b->size; i++) {
            putc(digits[bytes[i] >> 4], f);
            putc(digits[bytes[i] & 15], f);
        }
        fputs("\")", f);
    }
}
