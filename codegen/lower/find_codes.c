/* Finds what a weight's elements are computed from: scale * (code - zero), scale * codebook[code],
 * or scale * a narrow float.
 *
 * In: the expression of an element at a row and lane of the panels, over constants. Out: code,
 * scale and zero as expressions of their own, and how long blocks of k are in which scale and zero
 * do not change; or elements that a narrower type holds. Nothing is computed here: whether an
 * expression changes along k follows from its indices, what range a code has from its types.
 *
 * An expression is constant on blocks of b if it has one value for all k from a multiple of b up to
 * the next one, whatever the other indices are; 0 stands for every b. A function of expressions is
 * constant on blocks of the greatest common divisor of theirs. */
#include "codegen/lower/lower.h"

enum { LEAST_BLOCK = 8, MOST_STEPS = 2000 };

typedef struct finding {
    ir_graph *g;
    const cg_element *x;
    int steps;
} finding;

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

static ir_expr_node node(const finding *f, ir_expr e) { return *ir_expr_get(f->g, e); }

static bool number_of(const finding *f, ir_expr e, int64_t *v)
{
    double unused;
    return node(f, e).type != IR_F32 && ir_x_is_const(f->g, e, v, &unused);
}

/* ---- what changes along k ---- */

/* step * k + a multiple of `rest`. */
typedef struct line {
    int64_t step, rest;
} line;

static int64_t blocks_of(finding *f, ir_expr e);

/* a of floordiv(a, c) * c + mod(a, c), as which axes are walked as one; IR_NONE: it is not that. */
static ir_expr whole_of(const finding *f, const ir_expr_node *sum)
{
    const ir_expr_node x = node(f, sum->args[0]), y = node(f, sum->args[1]);
    if (sum->op != IR_X_ADD || x.op != IR_X_MUL || y.op != IR_X_MOD) return IR_NONE;
    const ir_expr_node quotient = node(f, x.args[0]);
    bool same = quotient.op == IR_X_FLOORDIV && quotient.args[0] == y.args[0] &&
                quotient.args[1] == y.args[1] && x.args[1] == y.args[1];
    return same ? y.args[0] : IR_NONE;
}

static bool line_of(finding *f, ir_expr e, line *out)
{
    const ir_expr_node x = node(f, e);
    line other;
    int64_t by;
    *out = (line){0, 1};
    if (--f->steps < 0) return false;
    if (e == f->x->k) {
        *out = (line){1, 0};
        return true;
    }
    if (number_of(f, e, &by)) {
        *out = (line){0, by};
        return true;
    }
    if (x.op == IR_X_MUL && number_of(f, x.args[1], &by) && line_of(f, x.args[0], out))
        return !__builtin_mul_overflow(out->step, by, &out->step) &&
               !__builtin_mul_overflow(out->rest, by, &out->rest);
    if (x.op == IR_X_MOD && number_of(f, x.args[1], &by) && by > 0 && line_of(f, x.args[0], out)) {
        out->rest = gcd(out->rest, by);
        return true;
    }
    if (x.op == IR_X_ADD && whole_of(f, &x)) return line_of(f, whole_of(f, &x), out);
    if ((x.op == IR_X_ADD || x.op == IR_X_SUB) && line_of(f, x.args[0], out) &&
        line_of(f, x.args[1], &other)) {
        out->step += x.op == IR_X_ADD ? other.step : -other.step;
        out->rest = gcd(out->rest, other.rest);
        return true;
    }
    *out = (line){0, 1};
    return blocks_of(f, e) == 0;
}

/* floor(line / by) does not change before the line has passed what divides both by and rest. */
static int64_t blocks_of_quotient(finding *f, const ir_expr_node *x)
{
    line a;
    int64_t by;
    if (!number_of(f, x->args[1], &by) || by <= 0 || !line_of(f, x->args[0], &a) || a.step < 1)
        return 1;
    int64_t all = gcd(a.rest, by);
    return all % a.step == 0 ? all / a.step : 1;
}

static int64_t blocks_of(finding *f, ir_expr e)
{
    const ir_expr_node x = node(f, e);
    int64_t all = 0;
    if (e == f->x->panel) return 0;
    if (e == f->x->k || --f->steps < 0) return 1;
    if (x.op == IR_X_LOAD && x.imm == 0) return 1; /* the number of the row */
    for (int i = 0; i < x.nargs && all != 1; i++) all = gcd(all, blocks_of(f, x.args[i]));
    if (x.op == IR_X_FLOORDIV && all == 1) all = blocks_of_quotient(f, &x);
    return all;
}

/* ---- ranges of integers ---- */

typedef struct range {
    int64_t low, high;
} range;

/* Of more than 32 bits as if they were 32. */
static bool range_of_elem(ir_elem elem, range *r)
{
    int bits = ir_elem_bits(elem) < 32 ? ir_elem_bits(elem) : 32;
    if (!ir_elem_is_int(elem)) return false;
    int64_t half = INT64_C(1) << (bits - 1);
    *r = ir_elem_class(elem) == 'S' ? (range){-half, half - 1} : (range){0, 2 * half - 1};
    return true;
}

static bool is_inside(const range *r, const range *all)
{
    return r->low >= all->low && r->high <= all->high;
}

static bool range_of(finding *f, ir_expr e, range *r);

static bool range_of_bits(finding *f, const ir_expr_node *x, range *r)
{
    range a, b;
    int64_t by;
    bool first = range_of(f, x->args[0], &a) && a.low >= 0;
    if (x->op == IR_X_AND && number_of(f, x->args[1], &by) && by >= 0) {
        *r = (range){0, first && a.high < by ? a.high : by};
        return true;
    }
    if (x->op == IR_X_SHR && first) {
        *r =
            (range){0, number_of(f, x->args[1], &by) && by >= 0 && by < 63 ? a.high >> by : a.high};
        return true;
    }
    if ((x->op == IR_X_OR || x->op == IR_X_XOR) && first && range_of(f, x->args[1], &b) &&
        b.low >= 0) {
        *r = (range){0, 1};
        while (r->high < a.high || r->high < b.high) r->high = 2 * r->high + 1;
        return true;
    }
    return false;
}

static bool range_of_sum(finding *f, const ir_expr_node *x, range *r)
{
    range a, b;
    if (!range_of(f, x->args[0], &a) || !range_of(f, x->args[1], &b)) return false;
    *r = x->op == IR_X_ADD ? (range){a.low + b.low, a.high + b.high}
                           : (range){a.low - b.high, a.high - b.low};
    return true;
}

static bool range_of_select(finding *f, const ir_expr_node *x, range *r)
{
    range a, b;
    if (!range_of(f, x->args[1], &a) || !range_of(f, x->args[2], &b)) return false;
    *r = (range){a.low < b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
    return true;
}

static bool range_of_cast(finding *f, const ir_expr_node *x, range *r)
{
    range all;
    if (!range_of_elem((ir_elem)x->imm, &all)) return false;
    if (range_of(f, x->args[0], r) && is_inside(r, &all)) return true;
    *r = all;
    return true;
}

static bool range_by_operator(finding *f, const ir_expr_node *x, range *r)
{
    switch (x->op) {
    case IR_X_LOAD:
        return range_of_elem(f->x->elems[x->imm], r);
    case IR_X_CAST:
        return range_of_cast(f, x, r);
    case IR_X_AND:
    case IR_X_OR:
    case IR_X_XOR:
    case IR_X_SHR:
        return range_of_bits(f, x, r);
    case IR_X_ADD:
    case IR_X_SUB:
        return range_of_sum(f, x, r);
    case IR_X_SELECT:
        return range_of_select(f, x, r);
    default:
        return false;
    }
}

/* What the operators give if the type holds that, in which they wrap; else all of the type. */
static bool range_of(finding *f, ir_expr e, range *r)
{
    const ir_expr_node x = node(f, e);
    range all;
    int64_t v;
    if (--f->steps < 0 || !range_of_elem(x.type, &all)) return false;
    if (number_of(f, e, &v)) {
        *r = (range){v, v};
        return is_inside(r, &all);
    }
    if (!range_by_operator(f, &x, r) || !is_inside(r, &all)) *r = all;
    return true;
}

/* ---- the form ---- */

/* scale * (code - zero): f32, and two of i32; book: the operand that code is the index in, or 0;
 * narrow: the type of a code that is a float by itself, or IR_ELEM_NONE. */
typedef struct form {
    ir_expr scale, code, zero;
    int book;
    ir_elem narrow;
} form;

static bool is_steady(finding *f, ir_expr e)
{
    int64_t blocks = blocks_of(f, e);
    return blocks == 0 || blocks >= LEAST_BLOCK;
}

/* An integer that an f32 expression holds, or an i32 one itself. */
static bool integer_of(finding *f, ir_expr e, ir_expr *out)
{
    const ir_expr_node x = node(f, e);
    range r;
    int64_t i;
    double v;
    if (x.type == IR_F32 && ir_x_is_const(f->g, e, &i, &v)) {
        if (!(v >= INT8_MIN && v <= UINT8_MAX) || v != (double)(int)v) return false;
        *out = ir_x_int(f->g, IR_I32, (int64_t)v);
        return true;
    }
    if (x.type == IR_F32) e = x.op == IR_X_CAST ? x.args[0] : IR_NONE;
    if (e == IR_NONE || !range_of(f, e, &r)) return false;
    *out = ir_x_cast(f->g, e, IR_I32);
    return true;
}

static bool match_difference(finding *f, ir_expr e, form *out)
{
    ir_expr_node x = node(f, e);
    if (x.op == IR_X_CAST && x.type == IR_F32 && node(f, x.args[0]).type == IR_I32 &&
        node(f, x.args[0]).op == IR_X_SUB)
        x = node(f, x.args[0]);
    if (x.op == IR_X_SUB && (x.type == IR_F32 || x.type == IR_I32) && is_steady(f, x.args[1]) &&
        integer_of(f, x.args[0], &out->code) && integer_of(f, x.args[1], &out->zero))
        return true;
    out->zero = ir_x_int(f->g, IR_I32, 0);
    return integer_of(f, e, &out->code);
}

/* The type of one or two bytes that holds what an f32 expression is exactly. */
static ir_elem narrow_elem(const finding *f, ir_expr e)
{
    const ir_expr_node x = node(f, e);
    ir_elem elem = x.op == IR_X_LOAD && x.imm ? f->x->elems[x.imm] : IR_F32;
    if (x.op == IR_X_CAST) elem = (ir_elem)x.imm;
    return ir_elem_class(elem) == 'L' && ir_elem_bits(elem) >= 8 ? elem : IR_F32;
}

/* Something besides the number of the row. */
static bool reads_data(finding *f, ir_expr e)
{
    const ir_expr_node x = node(f, e);
    bool reads = x.op == IR_X_LOAD && x.imm != 0;
    for (int i = 0; i < x.nargs && !reads && --f->steps > 0; i++) reads = reads_data(f, x.args[i]);
    return reads;
}

/* An entry of a list that is not long, at a place that is data. All loads are inside of what they
 * read, so the index is a number below the list's length. */
static bool match_book(finding *f, ir_expr e, form *out)
{
    const ir_expr_node x = node(f, e);
    int64_t entries;
    if (x.op != IR_X_LOAD || x.imm == 0 || x.nargs != 1 || x.type != IR_F32) return false;
    if (!reads_data(f, x.args[0])) return false;
    const ir_type *t = &f->x->types[x.imm];
    if (!ir_dim_is_const(f->g, t->dims[0], &entries) || entries > CG_LARGE_BOOK) return false;
    out->book = (int)x.imm;
    out->code = x.args[0];
    return true;
}

/* What a scale is multiplied with. */
static bool match_code(finding *f, ir_expr e, form *out)
{
    out->book = 0;
    out->narrow = IR_ELEM_NONE;
    if (match_difference(f, e, out)) return true;
    if (match_book(f, e, out)) return true;
    out->code = e;
    out->narrow = narrow_elem(f, e);
    return cg_code_of(out->narrow) != CG_CODE_NONE;
}

static bool match(finding *f, ir_expr e, form *out)
{
    const ir_expr_node x = node(f, e);
    form other;
    if (--f->steps < 0) return false;
    if (x.op == IR_X_SELECT) {
        ir_expr c = x.args[0];
        if (!is_steady(f, c) || !match(f, x.args[1], out) || !match(f, x.args[2], &other) ||
            out->book != other.book || out->narrow != other.narrow)
            return false;
        out->scale = ir_x_select(f->g, c, out->scale, other.scale);
        out->code = ir_x_select(f->g, c, out->code, other.code);
        out->zero = ir_x_select(f->g, c, out->zero, other.zero);
        return true;
    }
    for (int i = 0; i < 2 && x.op == IR_X_MUL; i++) {
        out->scale = x.args[i];
        if (is_steady(f, x.args[i]) && match_code(f, x.args[1 - i], out)) return true;
    }
    out->scale = ir_x_float(f->g, IR_F32, 1);
    return match_code(f, e, out);
}

/* ---- how it is stored ---- */

static ir_expr less(const finding *f, ir_expr e, int64_t low, ir_elem as)
{
    return ir_x_cast(f->g, ir_x_2(f->g, IR_X_SUB, e, ir_x_int(f->g, IR_I32, low)), as);
}

static cg_code numbers_up_to(int64_t most)
{
    return most > 15 ? CG_CODE_8 : most > 3 ? CG_CODE_4 : CG_CODE_2;
}

static bool describe_book(finding *f, const form *m, cg_codes *codes, cg_coded_part *part)
{
    int64_t entries = 0;
    ir_dim_is_const(f->g, f->x->types[m->book].dims[0], &entries);
    *codes = (cg_codes){.code = numbers_up_to(entries - 1),
                        .book = entries > CG_SMALL_BOOK ? CG_LARGE_BOOK : CG_SMALL_BOOK};
    part[CG_PART_CODE] = (cg_coded_part){ir_x_cast(f->g, m->code, IR_U8), IR_U8};
    return true;
}

static bool describe_narrow(const form *m, cg_codes *codes, cg_coded_part *part)
{
    *codes = (cg_codes){.code = cg_code_of(m->narrow)};
    part[CG_PART_CODE] = (cg_coded_part){m->code, m->narrow};
    return true;
}

/* Numbers from 0 on; with a sign where that leaves nothing to subtract. */
static bool describe_numbers(finding *f, const form *m, cg_codes *codes, cg_coded_part *part)
{
    range c, z;
    if (!range_of(f, m->code, &c) || !range_of(f, m->zero, &z)) return false;
    int64_t most = c.high - c.low > z.high - z.low ? c.high - c.low : z.high - z.low;
    bool zeros = z.low != z.high;
    if (most > UINT8_MAX) return false;
    if (!zeros && most > 15 && c.low - z.low >= INT8_MIN && c.high - z.low <= INT8_MAX) {
        *codes = (cg_codes){.code = CG_CODE_S8};
        part[CG_PART_CODE] = (cg_coded_part){less(f, m->code, z.low, IR_I8), IR_I8};
        return true;
    }
    *codes = (cg_codes){.code = numbers_up_to(most), .zeros = zeros, .offset = z.low - c.low};
    part[CG_PART_CODE] = (cg_coded_part){less(f, m->code, c.low, IR_U8), IR_U8};
    if (zeros) part[CG_PART_ZERO] = (cg_coded_part){less(f, m->zero, z.low, IR_U8), IR_U8};
    return true;
}

static bool describe(finding *f, const form *m, cg_codes *codes, cg_coded_part *part)
{
    double one;
    int64_t unused;
    bool found = m->book     ? describe_book(f, m, codes, part)
                 : m->narrow ? describe_narrow(m, codes, part)
                             : describe_numbers(f, m, codes, part);
    if (!found) return false;
    codes->block = gcd(blocks_of(f, m->scale), blocks_of(f, m->zero));
    if (codes->block && codes->block < LEAST_BLOCK) return false;
    if (ir_x_is_const(f->g, m->scale, &unused, &one) && one == 1) return true;
    codes->scale = narrow_elem(f, m->scale);
    part[CG_PART_SCALE] = (cg_coded_part){m->scale, codes->scale};
    return true;
}

bool cg_find_codes(ir_graph *g, const cg_element *x, cg_codes *codes,
                   cg_coded_part part[CG_CODED_PARTS], int *book)
{
    finding f = {.g = g, .x = x, .steps = MOST_STEPS};
    form m;
    for (int i = 0; i < CG_CODED_PARTS; i++) part[i] = (cg_coded_part){IR_NONE, IR_ELEM_NONE};
    if (x->size_k < LEAST_BLOCK) return false;
    if (!match(&f, x->body, &m) || !describe(&f, &m, codes, part) || f.steps < 0) return false;
    *book = m.book;
    if (codes->block == 0 || codes->block > x->size_k) codes->block = x->size_k;
    return true;
}
