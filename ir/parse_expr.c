/* Reads numbers, dims, types and expressions of the text form, through the constructors of dim.c
 * and expr.c: what comes out is canonical whatever was written. Nesting is limited, both of the
 * text and of what definitions (`t0 = ...;`) build up, because walks over expressions recurse. */
#include "ir/parse.h"
#include "ir/pool.h"

#include <math.h>
#include <string.h>

enum { MAX_HEIGHT = 1000, MAX_ARGS = IR_MAX_RANK };

/* ---- numbers ---- */

static bool at_number(const ir_parser *p)
{
    return p->token.kind == LEX_INT || p->token.kind == LEX_FLOAT || ir_parse_at(p, '-') ||
           ir_parse_at_name(p, "inf") || ir_parse_at_name(p, "nan");
}

typedef struct number {
    bool is_int;
    int64_t bits; /* of an integer in [-2^63, 2^64) */
    double f;
} number;

static double double_of_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static number parse_literal(ir_parser *p)
{
    bool negative = ir_parse_accept(p, '-');
    const ir_token t = p->token;
    if (ir_parse_accept_name(p, "inf")) return (number){.f = negative ? -INFINITY : INFINITY};
    if (t.kind != LEX_INT && t.kind != LEX_FLOAT) {
        ir_parse_fail(p, "expected a number");
        return (number){0};
    }
    ir_parse_advance(p);
    if (t.kind == LEX_FLOAT) return (number){.f = negative ? -t.f : t.f};
    if (negative && t.i > UINT64_C(1) << 63) ir_parse_fail_at(p, &t, "integer out of range");
    double size = (double)t.i;
    return (number){true, (int64_t)(negative ? 0 - t.i : t.i), negative ? -size : size};
}

/* nan or nan(bits); `bits` of the double, or of the element where a constant's bytes are meant. */
static uint64_t parse_nan_bits(ir_parser *p, uint64_t otherwise)
{
    if (!ir_parse_accept(p, '(')) return otherwise;
    const ir_token t = p->token;
    if (t.kind != LEX_INT) ir_parse_fail(p, "expected the bits of a NaN");
    ir_parse_advance(p);
    ir_parse_expect(p, ')');
    return p->failed ? otherwise : t.i;
}

static number parse_number(ir_parser *p)
{
    const ir_token at = p->token;
    if (!ir_parse_accept_name(p, "nan")) return parse_literal(p);
    number v = {.f = double_of_bits(parse_nan_bits(p, UINT64_C(0x7ff8000000000000)))};
    if (!isnan(v.f)) ir_parse_fail_at(p, &at, "these bits are no NaN");
    return v;
}

int64_t ir_parse_int(ir_parser *p)
{
    const ir_token at = p->token;
    number v = parse_literal(p);
    if (!v.is_int) ir_parse_fail_at(p, &at, "expected an integer");
    else if ((v.bits < 0) != (v.f < 0)) ir_parse_fail_at(p, &at, "integer out of range");
    return p->failed ? 0 : v.bits;
}

double ir_parse_float(ir_parser *p) { return parse_number(p).f; }

ir_elem ir_parse_elem(ir_parser *p)
{
    ir_elem e = IR_ELEM_NONE;
    if (p->token.kind == LEX_NAME) e = ir_elem_parse(p->token.text, p->token.length);
    if (e == IR_ELEM_NONE) ir_parse_fail(p, "expected an element type");
    else ir_parse_advance(p);
    return e;
}

/* ---- dims ---- */

typedef ir_dim (*dim_binary)(ir_graph *, ir_dim, ir_dim);
static const struct {
    const char *name;
    dim_binary make;
} dim_functions[] = {
    {"floordiv", ir_dim_floordiv}, {"mod", ir_dim_mod}, {"min", ir_dim_min},
    {"max", ir_dim_max},           {"eq", ir_dim_eq},   {"lt", ir_dim_lt},
};

/* A symbol's name. */
static ir_sym find_symbol(ir_parser *p, const ir_token *t)
{
    const char *name =
        t->kind == LEX_STRING ? t->string : ir_format(p->arena, "%.*s", (int)t->length, t->text);
    ir_sym s = ir_sym_find(p->g, name);
    if (s == IR_NONE) ir_parse_fail_at(p, t, "unknown symbol '%s'", name);
    return s;
}

ir_sym ir_parse_symbol(ir_parser *p)
{
    const ir_token t = p->token;
    if (t.kind != LEX_NAME && t.kind != LEX_STRING) {
        ir_parse_fail(p, "expected a symbol");
        return IR_NONE;
    }
    ir_parse_advance(p);
    return find_symbol(p, &t);
}

static ir_dim checked(ir_parser *p, const ir_token *at, ir_dim d)
{
    if (d == IR_NONE) ir_parse_fail_at(p, at, "this size overflows or divides by zero");
    return p->failed ? IR_NONE : d;
}

/* name is the token of a function or symbol, already passed. */
static ir_dim parse_dim_name(ir_parser *p, const ir_token *name)
{
    if (!ir_parse_accept(p, '(')) return ir_dim_sym(p->g, find_symbol(p, name));
    for (size_t i = 0; i < sizeof dim_functions / sizeof *dim_functions; i++) {
        const char *text = dim_functions[i].name;
        if (strlen(text) != name->length || memcmp(text, name->text, name->length) != 0) continue;
        ir_dim a = ir_parse_dim(p);
        ir_parse_expect(p, ',');
        ir_dim b = ir_parse_dim(p);
        ir_parse_expect(p, ')');
        return p->failed ? IR_NONE : checked(p, name, dim_functions[i].make(p->g, a, b));
    }
    ir_parse_fail_at(p, name, "unknown function of sizes '%.*s'", (int)name->length, name->text);
    return IR_NONE;
}

static ir_dim parse_factor(ir_parser *p)
{
    const ir_token t = p->token;
    if (t.kind == LEX_INT || ir_parse_at(p, '-')) return ir_dim_const(p->g, ir_parse_int(p));
    if (t.kind == LEX_STRING) return ir_dim_sym(p->g, ir_parse_symbol(p));
    if (t.kind == LEX_NAME) {
        ir_parse_advance(p);
        return parse_dim_name(p, &t);
    }
    ir_parse_expect(p, '(');
    ir_dim d = ir_parse_dim(p);
    ir_parse_expect(p, ')');
    return d;
}

static ir_dim parse_product(ir_parser *p)
{
    /* "-batch": a sign that no number follows. */
    ir_dim d = ir_dim_const(p->g, 1);
    ir_lexer ahead = p->lexer;
    if (ir_parse_at(p, '-') && ir_lex_next(&ahead).kind != LEX_INT) {
        ir_parse_advance(p);
        d = ir_dim_const(p->g, -1);
    }
    do {
        const ir_token at = p->token;
        ir_dim factor = parse_factor(p);
        if (!p->failed) d = checked(p, &at, ir_dim_mul(p->g, d, factor));
    } while (ir_parse_accept(p, '*'));
    return d;
}

ir_dim ir_parse_dim(ir_parser *p)
{
    if (!ir_parse_enter(p)) return IR_NONE;
    ir_dim sum = parse_product(p);
    while (ir_parse_at(p, '+') || ir_parse_at(p, '-')) {
        const ir_token at = p->token;
        bool minus = at.i == '-';
        ir_parse_advance(p);
        ir_dim d = parse_product(p);
        if (!p->failed)
            sum = checked(p, &at, minus ? ir_dim_sub(p->g, sum, d) : ir_dim_add(p->g, sum, d));
    }
    ir_parse_leave(p);
    return p->failed ? IR_NONE : sum;
}

size_t ir_parse_dims(ir_parser *p, ir_dim **dims)
{
    size_t n = 0, cap = 0;
    *dims = NULL;
    ir_parse_expect(p, '[');
    if (ir_parse_accept(p, ']')) return 0;
    do {
        *dims = ir_grow(p->arena, *dims, &cap, n + 1, sizeof **dims);
        (*dims)[n++] = ir_parse_dim(p);
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, ']');
    return p->failed ? 0 : n;
}

ir_type ir_parse_type(ir_parser *p)
{
    const ir_token at = p->token;
    ir_dim *dims;
    ir_elem elem = ir_parse_elem(p);
    size_t n = ir_parse_dims(p, &dims);
    if (n > IR_MAX_RANK)
        ir_parse_fail_at(p, &at, "rank %zu; at most %d axes are supported", n, IR_MAX_RANK);
    return p->failed ? (ir_type){0} : ir_type_make(elem, (int)n, dims);
}

/* ---- expressions ---- */

typedef struct parsed {
    ir_expr expr;
    int height;
} parsed;

typedef struct expr_parser {
    ir_parser *p;
    parsed *temps;
    size_t ntemps, cap;
} expr_parser;

static const struct {
    const char *name;
    signed char arity;
} scalars[] = {
#define SCALAR(NAME, text, arity, result, traits) [IR_X_##NAME] = {text, arity},
#include "ir/scalar.def"
#undef SCALAR
};

static parsed parse_expr(expr_parser *x);

static parsed made(expr_parser *x, const ir_token *at, ir_expr e, int height)
{
    if (e == IR_NONE) ir_parse_fail_at(x->p, at, "the operands' types do not fit this operator");
    else if (height > MAX_HEIGHT) ir_parse_fail_at(x->p, at, "expression nested too deeply");
    return x->p->failed ? (parsed){IR_NONE, 0} : (parsed){e, height};
}

/* At most max expressions, none if `close` stands here; *height: one above the highest. */
static int parse_args(expr_parser *x, int close, int max, ir_expr *args, int *height)
{
    int n = 0;
    *height = 1;
    if (ir_parse_accept(x->p, close)) return 0;
    do {
        parsed a = parse_expr(x);
        args[n++] = a.expr;
        if (a.height >= *height) *height = a.height + 1;
    } while (n < max && ir_parse_accept(x->p, ','));
    return n;
}

static parsed parse_load(expr_parser *x)
{
    ir_parser *p = x->p;
    const ir_token at = p->token;
    ir_expr idx[MAX_ARGS];
    int height;
    ir_parse_advance(p);
    if (at.i >= p->noperands || p->operands[at.i] == IR_NONE) {
        ir_parse_fail_at(p, &at, "$%llu: the node has no such operand", (unsigned long long)at.i);
        return (parsed){0};
    }
    const ir_type *type = ir_type_of(p->g, p->operands[at.i]);
    ir_parse_expect(p, '[');
    int n = parse_args(x, ']', MAX_ARGS, idx, &height);
    if (n) ir_parse_expect(p, ']');
    if (!p->failed && n != type->rank)
        ir_parse_fail_at(p, &at, "%d indices for an operand of rank %d", n, type->rank);
    if (p->failed) return (parsed){0};
    return made(x, &at, ir_x_load(p->g, ir_elem_arith(type->elem), (int)at.i, idx, n), height);
}

/* cast(x, f16), castsat(x, f8e5m2), bitcast(x, f32, i32): the element types behind the operand. */
static int64_t parse_cast_types(expr_parser *x, ir_scalar op, ir_elem *type)
{
    ir_parse_expect(x->p, ',');
    ir_elem first = ir_parse_elem(x->p);
    int64_t imm = first;
    *type = ir_elem_arith(first);
    if (op == IR_X_BITCAST) {
        ir_parse_expect(x->p, ',');
        ir_elem to = ir_parse_elem(x->p);
        imm |= (int64_t)to << 8;
        *type = ir_elem_arith(to);
    }
    return imm;
}

static parsed parse_call(expr_parser *x, const ir_token *name, ir_scalar op)
{
    ir_parser *p = x->p;
    ir_expr args[MAX_ARGS];
    ir_elem type = IR_ELEM_NONE;
    int64_t imm = 0;
    int height;
    int n = parse_args(x, ')', scalars[op].arity, args, &height);
    if (!p->failed && n != scalars[op].arity)
        ir_parse_fail(p, "'%s' takes %d operands", scalars[op].name, scalars[op].arity);
    if (op == IR_X_CAST || op == IR_X_CASTSAT || op == IR_X_BITCAST)
        imm = parse_cast_types(x, op, &type);
    ir_parse_expect(p, ')');
    if (p->failed) return (parsed){0};
    return made(x, name, ir_x_make(p->g, op, type, imm, args, n), height);
}

static ir_scalar find_scalar(const ir_token *name)
{
    for (int op = IR_X_ADD; op < IR_X_COUNT; op++)
        if (strlen(scalars[op].name) == name->length &&
            memcmp(scalars[op].name, name->text, name->length) == 0)
            return (ir_scalar)op;
    return IR_X_NONE;
}

/* The number behind the prefix of "i12", "t3", "acc0"; -1 if the name has another form. */
static int numbered(const ir_token *t, const char *prefix)
{
    int n = 0;
    size_t from = strlen(prefix);
    if (t->length <= from || t->length > from + 6 || memcmp(t->text, prefix, from) != 0) return -1;
    for (size_t i = from; i < t->length; i++) {
        if (t->text[i] < '0' || t->text[i] > '9') return -1;
        n = 10 * n + (t->text[i] - '0');
    }
    return n;
}

/* acc0, or with a type that is not f32 acc0:f64. */
static parsed parse_acc(expr_parser *x, const ir_token *name, int reduction)
{
    ir_elem type = IR_F32;
    if (ir_parse_accept(x->p, ':')) type = ir_parse_elem(x->p);
    if (!x->p->failed && type != ir_elem_arith(type))
        ir_parse_fail_at(x->p, name, "nothing is computed in %s", ir_elem_name(type));
    return x->p->failed ? (parsed){0} : made(x, name, ir_x_acc(x->p->g, type, reduction), 1);
}

static parsed parse_named(expr_parser *x)
{
    ir_parser *p = x->p;
    const ir_token name = p->token;
    int axis = numbered(&name, "i"), temp = numbered(&name, "t"), acc = numbered(&name, "acc");
    ir_parse_advance(p);
    if (acc >= 0) return parse_acc(x, &name, acc);
    if (axis >= IR_MAX_SPACE)
        ir_parse_fail_at(p, &name, "axis %d; a space has at most %d", axis, IR_MAX_SPACE);
    else if (axis >= 0) return (parsed){ir_x_index(p->g, axis), 1};
    if (temp >= 0 && (size_t)temp < x->ntemps) return x->temps[temp];
    if (!ir_parse_accept(p, '(')) {
        ir_parse_fail_at(p, &name, "unknown name '%.*s'", (int)name.length, name.text);
        return (parsed){0};
    }
    if (name.length == 3 && memcmp(name.text, "dim", 3) == 0) {
        ir_dim d = ir_parse_dim(p);
        ir_parse_expect(p, ')');
        return made(x, &name, ir_x_dim(p->g, d), 1);
    }
    ir_scalar op = find_scalar(&name);
    if (op != IR_X_NONE) return parse_call(x, &name, op);
    ir_parse_fail_at(p, &name, "unknown operator '%.*s'", (int)name.length, name.text);
    return (parsed){0};
}

/* 3 is i64, 2.5 is f32; others carry their type: 3:i32, 2.5:f64. */
static parsed parse_const(expr_parser *x)
{
    ir_parser *p = x->p;
    const ir_token at = p->token;
    number v = parse_number(p);
    ir_elem type = v.is_int ? IR_I64 : IR_F32;
    if (ir_parse_accept(p, ':')) type = ir_parse_elem(p);
    bool is_float = ir_elem_is_float(type);
    if (type != ir_elem_arith(type) || type == IR_BOOL || (!is_float && !v.is_int))
        ir_parse_fail_at(p, &at, "this is no number of type %s", ir_elem_name(type));
    else if (!is_float &&
             (ir_wrap_int(type, v.bits) != v.bits || (type != IR_U64 && (v.bits < 0) != (v.f < 0))))
        ir_parse_fail_at(p, &at, "does not fit %s", ir_elem_name(type));
    if (p->failed) return (parsed){0};
    if (type == IR_F32 && !isnan(v.f)) v.f = (float)v.f;
    if (is_float) memcpy(&v.bits, &v.f, sizeof v.bits);
    return made(x, &at, ir_x_make(p->g, IR_X_CONST, type, v.bits, NULL, 0), 1);
}

static parsed parse_inner(expr_parser *x)
{
    ir_parser *p = x->p;
    if (at_number(p)) return parse_const(x);
    if (p->token.kind == LEX_OPERAND) return parse_load(x);
    if (ir_parse_accept_name(p, "true")) return (parsed){ir_x_int(p->g, IR_BOOL, 1), 1};
    if (ir_parse_accept_name(p, "false")) return (parsed){ir_x_int(p->g, IR_BOOL, 0), 1};
    if (p->token.kind == LEX_NAME) return parse_named(x);
    ir_parse_fail(p, "expected an expression");
    return (parsed){0};
}

static parsed parse_expr(expr_parser *x)
{
    if (!ir_parse_enter(x->p)) return (parsed){0};
    parsed e = parse_inner(x);
    ir_parse_leave(x->p);
    return x->p->failed ? (parsed){0} : e;
}

/* `t0 = expr;` if one stands here. */
static bool parse_definition(expr_parser *x)
{
    ir_parser *p = x->p;
    ir_lexer ahead = p->lexer;
    ir_token next = p->token.kind == LEX_NAME ? ir_lex_next(&ahead) : p->token;
    if (p->token.kind != LEX_NAME || next.kind != LEX_PUNCT || next.i != '=') return false;
    if (numbered(&p->token, "t") != (int)x->ntemps) ir_parse_fail(p, "expected t%zu", x->ntemps);
    ir_parse_advance(p);
    ir_parse_expect(p, '=');
    parsed e = parse_expr(x);
    ir_parse_expect(p, ';');
    x->temps = ir_grow(p->arena, x->temps, &x->cap, x->ntemps + 1, sizeof *x->temps);
    x->temps[x->ntemps++] = e;
    return !p->failed;
}

size_t ir_parse_exprs(ir_parser *p, ir_expr **exprs)
{
    expr_parser x = {.p = p};
    size_t n = 0, cap = 0;
    *exprs = NULL;
    ir_parse_expect(p, '[');
    if (ir_parse_accept(p, ']')) return 0;
    while (parse_definition(&x)) continue;
    do {
        *exprs = ir_grow(p->arena, *exprs, &cap, n + 1, sizeof **exprs);
        (*exprs)[n++] = parse_expr(&x).expr;
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, ']');
    return p->failed ? 0 : n;
}

/* ---- elements of a constant ---- */

static uint64_t float_element(ir_parser *p, ir_elem elem)
{
    uint64_t bits = 0;
    if (ir_parse_accept_name(p, "nan"))
        return parse_nan_bits(p, elem == IR_F32 ? 0x7fc00000 : UINT64_C(0x7ff8) << 48);
    double v = parse_literal(p).f;
    float low = (float)v;
    if (elem == IR_F32) memcpy(&bits, &low, sizeof low);
    else memcpy(&bits, &v, sizeof v);
    return bits;
}

uint64_t ir_parse_element(ir_parser *p, ir_elem elem)
{
    const ir_token at = p->token;
    char class = ir_elem_class(elem);
    int width = ir_elem_bits(elem);
    if (class == 'F') return float_element(p, elem);
    if (class == 'B' && ir_parse_accept_name(p, "true")) return 1;
    if (class == 'B' && ir_parse_accept_name(p, "false")) return 0;
    number v = parse_literal(p);
    bool fits = class == 'L' ? width >= 64 || (uint64_t)v.bits >> width == 0
                             : ir_wrap_int(elem, v.bits) == v.bits;
    if (!v.is_int || !fits || (elem != IR_U64 && (v.bits < 0) != (v.f < 0)))
        ir_parse_fail_at(p, &at, "this is no element of type %s", ir_elem_name(elem));
    return (uint64_t)v.bits;
}
