/* Importers of HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix. In: sizes. Out: maps
 * whose expression is the definition, computed in f64 and rounded once. */
#include "frontend/build.h"

#include <math.h>
#include <string.h>

/* The element type asked for; expressions can compute it. */
static lathe_status output_type(const fe_node *n, ir_elem *elem)
{
    int64_t number = fe_attr_int(n, "output_datatype");
    *elem = number > 0 && number < IR_ELEM_COUNT ? (ir_elem)number : IR_ELEM_NONE;
    if (!ir_elem_computes(*elem))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "attribute output_datatype is %lld, which is no numeric element type",
                       (long long)number);
    return LATHE_OK;
}

/* Input k, one integer, as a size of at least `least`. */
static lathe_status one_size(fe_node *n, size_t k, int64_t least, ir_dim *out)
{
    const ir_dim *dims;
    size_t count;
    int64_t known;
    TRY(fe_dims_or_data(n, k, least, INT64_MAX, &dims, &count));
    if (count != 1) return fe_expect_input(n, k, "has length", fe_number(n, (int64_t)count), "1");
    if (ir_dim_is_const(n->g, dims[0], &known) && known < least)
        return fe_expect_input(n, k, "is", fe_number(n, known),
                               ir_format(n->g->arena, "%lld or more", (long long)least));
    *out = dims[0];
    return LATHE_OK;
}

/* ---- windows: a - b * cos(angle) + c * cos(2 * angle) ---- */

static const struct {
    const char *op;
    double a, b, c;
} windows[] = {
    {"HannWindow", 0.5, 0.5, 0},
    {"HammingWindow", 25.0 / 46, 21.0 / 46, 0},
    {"BlackmanWindow", 0.42, 0.5, 0.08},
};

lathe_status fe_import_window(fe_node *n)
{
    ir_graph *g = n->g;
    ir_elem elem;
    ir_dim size, one = ir_dim_const(g, 1);
    size_t w = 0;
    while (w < sizeof windows / sizeof *windows && strcmp(windows[w].op, n->op) != 0) w++;
    if (w == sizeof windows / sizeof *windows)
        return fe_fail(n, LATHE_INTERNAL, "not in the table");
    TRY(output_type(n, &elem));
    TRY(one_size(n, 0, 0, &size));
    ir_dim period =
        fe_attr_int(n, "periodic") ? size : ir_dim_max(g, ir_dim_sub(g, size, one), one);
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &size, 0);
    ir_expr x = ir_x_cast(g, ir_nest_index(&nest, 0), IR_F64);
    ir_expr angle = X2(DIV, X2(MUL, x, XN(x, 2 * acos(-1.0))), ir_x_cast(g, XD(period), IR_F64));
    ir_expr value = X2(SUB, XN(x, windows[w].a), X2(MUL, XN(x, windows[w].b), X1(COS, angle)));
    if (windows[w].c != 0) {
        ir_expr twice = X1(COS, X2(MUL, angle, XN(x, 2)));
        value = X2(ADD, value, X2(MUL, XN(x, windows[w].c), twice));
    }
    fe_out(n, 0, ir_nest_map(&nest, elem, ir_x_cast(g, value, elem)));
    return LATHE_OK;
}

/* ---- MelWeightMatrix ---- */

#define MEL 2595.0
#define HERTZ 700.0

static ir_expr load_f64(ir_nest *nest, ir_value v)
{
    return ir_x_cast(nest->b->g, fe_load_scalar(nest, v), IR_F64);
}

static ir_expr to_mel(ir_graph *g, ir_expr hertz)
{
    ir_expr x = X2(ADD, X2(DIV, hertz, XN(hertz, HERTZ)), XN(hertz, 1));
    return X2(MUL, X1(LOG, x), XN(x, MEL / log(10)));
}

/* [bands + 2]: the bins of the spectrum at which the bands begin, peak and end. */
static ir_value band_edges(fe_node *n, ir_dim bands, ir_dim length)
{
    ir_graph *g = n->g;
    ir_dim edges = ir_dim_add(g, bands, ir_dim_const(g, 2));
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 1, &edges, 0);
    ir_expr rate = load_f64(&nest, fe_in(n, 2));
    ir_expr low = to_mel(g, load_f64(&nest, fe_in(n, 3))),
            high = to_mel(g, load_f64(&nest, fe_in(n, 4)));
    ir_expr step = X2(DIV, X2(SUB, high, low), ir_x_cast(g, XD(edges), IR_F64));
    ir_expr mel = X2(ADD, X2(MUL, ir_x_cast(g, ir_nest_index(&nest, 0), IR_F64), step), low);
    ir_expr hertz = X2(POW, XN(mel, 10), X2(DIV, mel, XN(mel, MEL)));
    hertz = X2(MUL, X2(SUB, hertz, XN(hertz, 1)), XN(hertz, HERTZ));
    ir_expr points = ir_x_cast(g, XD(ir_dim_add(g, length, ir_dim_const(g, 1))), IR_F64);
    ir_expr bin = X1(FLOOR, X2(DIV, X2(MUL, points, hertz), rate));
    return ir_nest_map(&nest, IR_I64, ir_x_cast(g, bin, IR_I64));
}

/* Rises from 0 at the band's begin to 1 at its peak, falls to 0 at its end. */
static ir_expr triangle(ir_graph *g, ir_expr at, const ir_expr *edge)
{
    ir_expr zero = ir_x_num(g, IR_F64, 0), one = ir_x_num(g, IR_F64, 1), slope[2];
    for (int i = 0; i < 2; i++) {
        ir_expr part = i == 0 ? X2(SUB, at, edge[0]) : X2(SUB, edge[2], at);
        slope[i] = X2(DIV, ir_x_cast(g, part, IR_F64),
                      ir_x_cast(g, X2(SUB, edge[i + 1], edge[i]), IR_F64));
    }
    ir_expr rising = ir_x_select(g, X2(EQ, at, edge[1]), one, slope[0]);
    rising = ir_x_select(g, X2(AND, X2(LE, edge[0], at), X2(LE, at, edge[1])), rising, zero);
    return ir_x_select(g, fe_x_within(g, at, edge[1], edge[2]), slope[1], rising);
}

lathe_status fe_import_mel_weight_matrix(fe_node *n)
{
    ir_graph *g = n->g;
    ir_elem elem;
    ir_dim bands, length;
    TRY(output_type(n, &elem));
    TRY(one_size(n, 0, 0, &bands));
    TRY(one_size(n, 1, 0, &length));
    TRY(fe_need_class(n, 2, "SU"));
    for (size_t k = 3; k < 5; k++) TRY(fe_need_class(n, k, "FL"));
    ir_value edges = band_edges(n, bands, length);
    ir_dim half = ir_dim_floordiv(g, length, ir_dim_const(g, 2));
    ir_dim space[] = {ir_dim_add(g, half, ir_dim_const(g, 1)), bands};
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, space, 0);
    ir_expr edge[3], band = ir_nest_index(&nest, 1);
    for (int i = 0; i < 3; i++) {
        ir_expr at = X2(ADD, band, XI(i));
        edge[i] = ir_nest_load(&nest, edges, &at);
    }
    ir_expr body = triangle(g, ir_nest_index(&nest, 0), edge);
    fe_out(n, 0, ir_nest_map(&nest, elem, ir_x_cast(g, body, elem)));
    return LATHE_OK;
}
