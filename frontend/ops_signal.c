/* Importers of DFT and STFT. In: signals as [..., n, ..., 1 or 2]. Out: contracts with matrices of
 * roots of unity. A length known to be large and composite is split, n = n1 * n2, into transforms
 * of n1 and n2 with a map of twiddle factors between them, and so on: the work is then near n log n
 * in matrix products of small constants. Phases are integers, (k * n) mod N, reduced before they
 * become angles, and angles are computed in f64; so large N stay accurate. */
#include "frontend/build.h"

#include <math.h>

enum {
    DIRECT = 128,     /* lengths that one contract transforms */
    SPLIT = 64,       /* the largest first factor of a split */
    MATRIX = 1 << 18, /* elements of a constant matrix */
    TABLE = 1 << 16,  /* roots in a constant table */
};

typedef struct transform {
    ir_builder *b;
    ir_elem elem; /* in which it computes */
    bool inverse;
    ir_expr scale; /* f64: what results are multiplied by */
} transform;

/* ---- roots of unity ---- */

static ir_value floats_const(ir_builder *b, ir_elem elem, int rank, const int64_t *dims,
                             const double *values)
{
    ir_dim sizes[IR_MAX_RANK];
    int64_t count = 1, bytes;
    for (int i = 0; i < rank; i++) {
        sizes[i] = ir_dim_const(b->g, dims[i]);
        count *= dims[i];
    }
    if (!ir_elem_bytes(elem, count, &bytes)) return IR_NONE;
    void *data = ir_alloc(b->g->arena, (size_t)bytes, 8);
    for (int64_t i = 0; i < count; i++)
        ir_blob_put(elem, data, i, (ir_scalar_value){.f = values[i]});
    ir_type type = ir_type_make(elem, rank, sizes);
    return ir_const(b, &type, &(ir_blob){.bytes = data, .size = (size_t)bytes});
}

/* Real (0) or imaginary (1) part of scale * e^(+-2 pi i phase / n). */
static double root(const transform *t, int64_t phase, int64_t n, int part, double scale)
{
    double angle = 2 * acos(-1.0) * (double)(phase % n) / (double)n;
    return scale * (part == 0 ? cos(angle) : t->inverse ? sin(angle) : -sin(angle));
}

/* [n, 2]: the roots in order, as a constant where n is one. */
static ir_value roots(const transform *t, ir_elem elem, ir_dim n)
{
    ir_graph *g = t->b->g;
    int64_t known;
    if (ir_dim_is_const(g, n, &known) && known > 0 && known <= TABLE) {
        double *values = IR_NEW_N(g->arena, double, (size_t)known * 2);
        for (int64_t i = 0; i < 2 * known; i++) values[i] = root(t, i / 2, known, (int)(i % 2), 1);
        return floats_const(t->b, elem, 2, (int64_t[]){known, 2}, values);
    }
    ir_nest nest;
    ir_nest_begin(&nest, t->b, 2, (ir_dim[]){n, ir_dim_const(g, 2)}, 0);
    ir_expr turn = ir_x_num(g, IR_F64, 2 * acos(-1.0)), size = ir_x_cast(g, XD(n), IR_F64);
    ir_expr angle = X2(DIV, X2(MUL, turn, ir_x_cast(g, ir_x_index(g, 0), IR_F64)), size);
    ir_expr sine = X1(SIN, t->inverse ? angle : X1(NEG, angle));
    ir_expr part = ir_x_select(g, X2(EQ, ir_x_index(g, 1), XI(0)), X1(COS, angle), sine);
    return ir_nest_map(&nest, elem, ir_x_cast(g, part, elem));
}

/* ---- transforms of v = [before, n, after, parts] into [before, bins, after, 2] ---- */

/* The matrix [n, parts, bins, 2] as a constant. */
static ir_value matrix(const transform *t, int64_t n, int64_t parts, int64_t bins, double scale)
{
    double *m = IR_NEW_N(t->b->g->arena, double, (size_t)(n * parts * bins * 2)), *to = m;
    for (int64_t i = 0; i < n; i++)
        for (int64_t p = 0; p < parts; p++)
            for (int64_t k = 0; k < bins; k++) {
                *to++ = p == 0 ? root(t, i * k, n, 0, scale) : -root(t, i * k, n, 1, scale);
                *to++ = root(t, i * k, n, p == 0, scale);
            }
    return floats_const(t->b, t->elem, 4, (int64_t[]){n, parts, bins, 2}, m);
}

static ir_value by_matrix(const transform *t, ir_value v, ir_value m)
{
    ir_graph *g = t->b->g;
    const ir_dim *d = ir_type_of(g, v)->dims, *md = ir_type_of(g, m)->dims;
    ir_dim space[] = {d[0], md[2], d[2], md[3], d[1], d[3]};
    fe_factor f[] = {{v, {0, 4, 2, 5}}, {m, {4, 5, 1, 3}}};
    return fe_contract(t->b, f, 2, 6, space, 2, t->elem);
}

/* Any length, its matrix never written out: the sum, in f64 because it is long, reads the roots at
 * (k * n) mod N. */
static ir_value by_table(const transform *t, ir_value v, ir_dim bins)
{
    ir_graph *g = t->b->g;
    const ir_type in = *ir_type_of(g, v);
    const ir_dim *d = in.dims;
    ir_value table = roots(t, IR_F64, d[1]);
    ir_nest nest;
    ir_nest_begin(&nest, t->b, 5, (ir_dim[]){d[0], bins, d[2], ir_dim_const(g, 2), d[1]}, 1);
    ir_expr at[5], sum = IR_NONE;
    for (int i = 0; i < 5; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr phase = X2(MOD, X2(MUL, at[1], at[4]), XD(d[1])), real = X2(EQ, at[3], XI(0));
    int64_t parts = ir_dim_equals(g, d[3], 2) ? 2 : 1;
    for (int64_t p = 0; p < parts; p++) {
        ir_expr x = ir_nest_load(&nest, v, (ir_expr[]){at[0], at[4], at[2], XI(p)});
        ir_expr which = p == 0 ? at[3] : X2(SUB, XI(1), at[3]);
        x = X2(MUL, ir_x_cast(g, x, IR_F64), ir_nest_load(&nest, table, (ir_expr[]){phase, which}));
        sum = p == 0 ? x : X2(ADD, sum, ir_x_select(g, real, X1(NEG, x), x));
    }
    ir_value all = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_F64, sum);
    if (!fe_broadcast(&nest, t->b, &all, 1)) return IR_NONE;
    ir_expr scaled = X2(MUL, ir_nest_read(&nest, all), t->scale);
    return ir_nest_map(&nest, t->elem, ir_x_cast(g, scaled, t->elem));
}

/* v = [before, k, m, after, 2] times root number k * m of n = all k times all m. */
static ir_value twiddle(const transform *t, ir_value v, ir_dim n)
{
    ir_graph *g = t->b->g;
    if (v == IR_NONE) return IR_NONE;
    const ir_type in = *ir_type_of(g, v);
    ir_value table = roots(t, t->elem, n);
    ir_nest nest;
    ir_nest_begin(&nest, t->b, 5, in.dims, 0);
    ir_expr at[5];
    for (int i = 0; i < 5; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr phase = X2(MUL, at[1], at[2]), real = X2(EQ, at[4], XI(0));
    ir_expr same =
        X2(MUL, ir_nest_load(&nest, v, at), ir_nest_load(&nest, table, (ir_expr[]){phase, XI(0)}));
    at[4] = X2(SUB, XI(1), at[4]);
    ir_expr cross =
        X2(MUL, ir_nest_load(&nest, v, at), ir_nest_load(&nest, table, (ir_expr[]){phase, XI(1)}));
    return ir_nest_map(&nest, t->elem, X2(ADD, same, ir_x_select(g, real, X1(NEG, cross), cross)));
}

static int64_t largest_factor(int64_t n)
{
    for (int64_t f = SPLIT; f > 1; f--)
        if (f * f <= n && n % f == 0) return f;
    return 1;
}

static ir_value dft(const transform *t, ir_value v, ir_dim bins);

/* With index n2 * i1 + i2 and bin k1 + n1 * k2: transforms over i1, twiddles, then over i2. */
static ir_value by_factors(const transform *t, ir_value v, int64_t n1, int64_t n2, int64_t bins)
{
    ir_builder *b = t->b;
    ir_graph *g = b->g;
    const ir_type in = *ir_type_of(g, v);
    const ir_dim *d = in.dims;
    transform inner = *t;
    inner.scale = ir_x_num(g, IR_F64, 1);
    ir_dim first = ir_dim_const(g, n1), second = ir_dim_const(g, n2), pair = ir_dim_const(g, 2);
    ir_dim out = ir_dim_const(g, (bins + n1 - 1) / n1), before = ir_dim_mul(g, d[0], first);
    v = ir_reshape(b, v, 4, (ir_dim[]){d[0], first, ir_dim_mul(g, second, d[2]), d[3]});
    v = dft(&inner, v, first);
    v = twiddle(t, ir_reshape(b, v, 5, (ir_dim[]){d[0], first, second, d[2], pair}), d[1]);
    v = dft(t, ir_reshape(b, v, 4, (ir_dim[]){before, second, d[2], pair}), out);
    v = fe_swap(b, ir_reshape(b, v, 5, (ir_dim[]){d[0], first, out, d[2], pair}), 1, 2);
    v = ir_reshape(b, v, 4, (ir_dim[]){d[0], ir_dim_mul(g, out, first), d[2], pair});
    return fe_part(b, v, 1, ir_dim_const(g, 0), ir_dim_const(g, bins));
}

static ir_value dft(const transform *t, ir_value v, ir_dim bins)
{
    ir_graph *g = t->b->g;
    int64_t n, k, parts, left;
    double scale;
    if (v == IR_NONE) return IR_NONE;
    const ir_type in = *ir_type_of(g, v);
    bool known = ir_dim_is_const(g, in.dims[1], &n) && ir_dim_is_const(g, bins, &k) && n > 0 &&
                 k > 0 && ir_dim_is_const(g, in.dims[3], &parts) &&
                 ir_x_is_const(g, t->scale, &left, &scale);
    if (!known) return by_table(t, v, bins);
    int64_t factor = n > DIRECT ? largest_factor(n) : 1;
    if (factor > 1) return by_factors(t, v, factor, n / factor, k);
    if (n > MATRIX / k / parts / 2) return by_table(t, v, bins);
    return by_matrix(t, v, matrix(t, n, parts, k, scale));
}

/* ---- signals ---- */

/* v = [before, length, after, parts] cut or padded with zeros to n, in the arithmetic type. */
static ir_value fit(ir_builder *b, ir_value v, ir_dim n)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return IR_NONE;
    ir_type t = *ir_type_of(g, v);
    ir_elem arith = ir_elem_arith(t.elem);
    ir_dim length = t.dims[1], zero = ir_dim_const(g, 0);
    if (length == n) return ir_cast(b, v, arith);
    t.dims[1] = n;
    ir_nest nest;
    ir_nest_begin(&nest, b, 4, t.dims, 0);
    ir_expr idx[4], at = ir_nest_index(&nest, 1);
    for (int i = 0; i < 4; i++) idx[i] = ir_nest_index(&nest, i);
    idx[1] = X2(MIN, at, XD(ir_dim_max(g, ir_dim_sub(g, length, ir_dim_const(g, 1)), zero)));
    ir_expr x = ir_nest_load(&nest, v, idx);
    return ir_nest_map(&nest, arith,
                       ir_x_select(g, X2(LT, at, XD(length)), x, ir_x_num(g, arith, 0)));
}

/* All n bins of a real signal's spectrum, of which v has the first: the others mirror them. */
static ir_value mirror(ir_builder *b, ir_value v, ir_dim n)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return IR_NONE;
    ir_type t = *ir_type_of(g, v);
    ir_dim half = t.dims[1];
    t.dims[1] = n;
    ir_nest nest;
    ir_nest_begin(&nest, b, 4, t.dims, 0);
    ir_expr idx[4];
    for (int i = 0; i < 4; i++) idx[i] = ir_nest_index(&nest, i);
    ir_expr there = X2(LT, idx[1], XD(half)), imaginary = X2(EQ, idx[3], XI(1));
    idx[1] = ir_x_select(g, there, idx[1], X2(SUB, XD(n), idx[1]));
    ir_expr x = ir_nest_load(&nest, v, idx);
    ir_expr conjugate = ir_x_select(g, imaginary, X1(NEG, x), x);
    return ir_nest_map(&nest, t.elem, ir_x_select(g, there, x, conjugate));
}

typedef struct spectrum {
    bool inverse, onesided;
    ir_dim axis;
    ir_dim n; /* length of the signal, or the whole spectrum */
} spectrum;

static ir_dim half_of(ir_graph *g, ir_dim n)
{
    return ir_dim_add(g, ir_dim_floordiv(g, n, ir_dim_const(g, 2)), ir_dim_const(g, 1));
}

/* values[axis], where the axis may be a symbol. */
static ir_dim at_axis(ir_graph *g, ir_dim axis, const ir_dim *values, int n)
{
    ir_dim sum = ir_dim_const(g, 0);
    for (int i = 0; i < n; i++)
        sum = ir_dim_add(g, sum, ir_dim_mul(g, ir_dim_eq(g, axis, ir_dim_const(g, i)), values[i]));
    return sum;
}

/* v as [before, n, after, parts], with the axis in the second place. */
static ir_value gather_axes(ir_builder *b, ir_value v, ir_dim axis)
{
    ir_graph *g = b->g;
    const ir_type t = *ir_type_of(g, v);
    int rank = t.rank - 1;
    ir_dim before[IR_MAX_RANK], after[IR_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        before[i] = ir_dim_product(g, t.dims, i);
        after[i] = ir_dim_product(g, t.dims + i + 1, rank - i - 1);
    }
    ir_dim dims[] = {at_axis(g, axis, before, rank), at_axis(g, axis, t.dims, rank),
                     at_axis(g, axis, after, rank), t.dims[rank]};
    return ir_reshape(b, v, 4, dims);
}

/* v, cut or padded, transformed along the axis. A onesided inverse gives a real signal. */
static ir_value transform_axis(ir_builder *b, ir_value v, const spectrum *s, ir_elem out)
{
    ir_graph *g = b->g;
    ir_type shape = *ir_type_of(g, v);
    transform t = {.b = b, .elem = ir_elem_arith(shape.elem), .inverse = s->inverse};
    t.scale = ir_x_num(g, IR_F64, 1);
    if (s->inverse) t.scale = X2(DIV, t.scale, ir_x_cast(g, XD(s->n), IR_F64));
    bool real = s->inverse && s->onesided;
    ir_dim bins = s->onesided && !s->inverse ? half_of(g, s->n) : s->n;
    v = fit(b, gather_axes(b, v, s->axis), real ? half_of(g, s->n) : s->n);
    if (real) v = mirror(b, v, s->n);
    v = dft(&t, v, bins);
    if (real) v = fe_part(b, v, 3, ir_dim_const(g, 0), ir_dim_const(g, 1));
    if (v == IR_NONE) return IR_NONE;
    for (int i = 0; i < shape.rank - 1; i++)
        shape.dims[i] =
            ir_dim_select(g, ir_dim_eq(g, s->axis, ir_dim_const(g, i)), bins, shape.dims[i]);
    shape.dims[shape.rank - 1] = ir_dim_const(g, real ? 1 : 2);
    return ir_cast(b, ir_reshape(b, v, shape.rank, shape.dims), out);
}

/* ---- DFT ---- */

/* Input k has 1 or 2 values, a real or a complex number, on its last axis. */
static lathe_status need_numbers(const fe_node *n, size_t k, int64_t *parts)
{
    const ir_type *t = fe_type(n, k);
    if (t->rank < 2 || !ir_dim_is_const(n->g, t->dims[t->rank - 1], parts) || *parts < 1 ||
        *parts > 2)
        return fe_expect_input(n, k, "has dims", ir_dims_text(n->g, t), "a last axis of 1 or 2");
    return LATHE_OK;
}

/* The axis is an attribute before opset 20, an input, which may be data, since. */
static lathe_status read_axis(fe_node *n, int rank, ir_dim *axis)
{
    ir_dim given = ir_dim_const(n->g, n->version < 20 ? fe_attr_int(n, "axis") : -2);
    int64_t known;
    int at;
    if (n->version >= 20 && fe_has(n, 2)) {
        const ir_dim *dims;
        size_t count;
        TRY(fe_dims_or_data(n, 2, -rank, rank - 2, &dims, &count));
        if (count != 1)
            return fe_expect_input(n, 2, "has length", fe_number(n, (int64_t)count), "1");
        given = dims[0];
    }
    *axis = ir_dim_mod(n->g, given, ir_dim_const(n->g, rank));
    if (!ir_dim_is_const(n->g, given, &known)) return LATHE_OK;
    TRY(fe_axis(n, known, rank, &at));
    if (at == rank - 1)
        return fe_fail(n, LATHE_BAD_INPUT, "axis %d holds the parts of the numbers", at);
    return LATHE_OK;
}

/* The one element of input k as a size, `otherwise` if it is absent. */
static lathe_status read_size(fe_node *n, size_t k, ir_dim otherwise, ir_dim *out)
{
    const ir_dim *dims;
    size_t count;
    *out = otherwise;
    if (!fe_has(n, k)) return LATHE_OK;
    TRY(fe_dims_or_data(n, k, 1, INT64_MAX, &dims, &count));
    if (count != 1) return fe_expect_input(n, k, "has length", fe_number(n, (int64_t)count), "1");
    int64_t known;
    if (ir_dim_is_const(n->g, dims[0], &known) && known < 1)
        return fe_expect_input(n, k, "is", fe_number(n, known), "1 or more");
    *out = dims[0];
    return LATHE_OK;
}

lathe_status fe_import_dft(fe_node *n)
{
    ir_graph *g = n->g;
    spectrum s = {.inverse = fe_attr_int(n, "inverse") != 0,
                  .onesided = fe_attr_int(n, "onesided") != 0};
    int64_t parts;
    TRY(fe_need_class(n, 0, "FL"));
    TRY(need_numbers(n, 0, &parts));
    const ir_type t = *fe_type(n, 0);
    TRY(read_axis(n, t.rank, &s.axis));
    bool real = s.inverse && s.onesided;
    if (real && parts != 2)
        return fe_fail_input(n, 0, LATHE_BAD_INPUT,
                             "has real numbers, expected a spectrum of complex ones");
    ir_dim one = ir_dim_const(g, 1), length = at_axis(g, s.axis, t.dims, t.rank - 1);
    ir_dim whole = ir_dim_mul(g, ir_dim_const(g, 2), ir_dim_sub(g, length, one));
    TRY(read_size(n, 1, real ? whole : length, &s.n));
    fe_out(n, 0, transform_axis(&n->b, fe_in(n, 0), &s, t.elem));
    return LATHE_OK;
}

/* ---- STFT ---- */

/* [batch, frames, n, parts]: frames of the signal [batch, length, parts], weighted by the window.
 */
static ir_value frames_of(fe_node *n, ir_value signal, ir_dim step, ir_dim length, ir_dim frames)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, signal);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 4, (ir_dim[]){t.dims[0], frames, length, t.dims[2]}, 0);
    ir_expr at = ir_nest_index(&nest, 2), start = X2(MUL, ir_nest_index(&nest, 1), XD(step));
    ir_expr idx[] = {ir_nest_index(&nest, 0), X2(ADD, start, at), ir_nest_index(&nest, 3)};
    ir_expr x = ir_nest_load(&nest, signal, idx);
    if (fe_has(n, 2)) x = X2(MUL, x, ir_nest_load(&nest, fe_in(n, 2), &at));
    return ir_nest_map(&nest, ir_elem_arith(t.elem), x);
}

lathe_status fe_import_stft(fe_node *n)
{
    ir_graph *g = n->g;
    spectrum s = {.onesided = fe_attr_int(n, "onesided") != 0, .axis = ir_dim_const(g, 2)};
    int64_t parts;
    ir_dim step, zero = ir_dim_const(g, 0), one = ir_dim_const(g, 1);
    TRY(fe_need_class(n, 0, "FL"));
    ir_value signal = fe_in(n, 0);
    ir_elem elem = fe_type(n, 0)->elem;
    if (fe_type(n, 0)->rank == 2) {
        signal = ir_unsqueeze(&n->b, signal, 2);
    } else {
        TRY(fe_need_rank(n, 0, 3));
        TRY(need_numbers(n, 0, &parts));
    }
    ir_dim length = ir_type_of(g, signal)->dims[1];
    TRY(read_size(n, 1, one, &step));
    if (fe_has(n, 2)) {
        TRY(fe_need_rank(n, 2, 1));
        TRY(fe_need_same(n, 0, 2));
    }
    TRY(read_size(n, 3, fe_has(n, 2) ? fe_type(n, 2)->dims[0] : length, &s.n));
    if (fe_has(n, 2)) TRY(fe_need_dim(n, 2, 0, s.n));
    ir_dim frames = ir_dim_add(g, ir_dim_floordiv(g, ir_dim_sub(g, length, s.n), step), one);
    ir_value framed = frames_of(n, signal, step, s.n, ir_dim_max(g, frames, zero));
    if (framed == IR_NONE) return LATHE_BAD_INPUT;
    fe_out(n, 0, transform_axis(&n->b, framed, &s, elem));
    return LATHE_OK;
}
