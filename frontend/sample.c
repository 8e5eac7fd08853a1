/* Interpolation as expressions. In: real positions. Out: a weighted sum of loads at whole
 * positions, each taken back into the data or masked by the rule for what lies beside it, so that
 * no value of a position, NaN included, reads outside. */
#include "frontend/sample.h"

/* Mirrors a whole position into [0, size). */
static ir_expr mirror(ir_graph *g, ir_expr at, ir_dim size, bool half)
{
    ir_dim one = ir_dim_const(g, 1), last = half ? size : ir_dim_sub(g, size, one);
    ir_expr period = XD(ir_dim_add(g, last, last)), m = X2(MOD, at, period);
    ir_expr back = X2(SUB, half ? X2(SUB, period, XI(1)) : period, m);
    return X2(MAX, X2(MIN, m, back), XI(0));
}

static ir_expr sample_element(const fe_sample *s, const ir_expr *at)
{
    ir_graph *g = s->nest->b->g;
    const ir_type *t = ir_type_of(g, s->v);
    ir_expr place[FE_MAX_SPATIAL];
    for (int i = 0; i < s->spatial; i++) {
        place[i] = at[i];
        if (s->side >= FE_SIDE_MIRROR)
            place[i] = mirror(g, at[i], t->dims[2 + i], s->side == FE_SIDE_MIRROR_HALF);
    }
    ir_expr outside = s->side == FE_SIDE_ZERO ? ir_x_num(g, ir_elem_arith(t->elem), 0) : IR_NONE;
    return fe_window_load(s->nest, s->v, s->lead, place, s->spatial, outside);
}

ir_expr fe_sample_nearest(const fe_sample *s)
{
    ir_graph *g = s->nest->b->g;
    ir_expr at[FE_MAX_SPATIAL];
    for (int i = 0; i < s->spatial; i++) at[i] = ir_x_cast(g, X1(ROUND, s->at[i]), IR_I64);
    return sample_element(s, at);
}

/* Weighted elements at all combinations of `taps` whole positions an axis, the first at first[i],
 * combined by addition or maximum. */
static ir_expr weighted(const fe_sample *s, ir_scalar combine, const ir_expr *first, int taps,
                        const ir_expr weights[][4])
{
    ir_graph *g = s->nest->b->g;
    int total = 1;
    for (int i = 0; i < s->spatial; i++) total *= taps;
    ir_expr sum = IR_NONE;
    for (int c = 0; c < total; c++) {
        ir_expr at[FE_MAX_SPATIAL], weight = IR_NONE;
        for (int i = 0, rest = c; i < s->spatial; i++, rest /= taps) {
            at[i] = X2(ADD, first[i], XI(rest % taps));
            weight = i == 0 ? weights[i][rest % taps] : X2(MUL, weight, weights[i][rest % taps]);
        }
        ir_expr x = sample_element(s, at);
        x = X2(MUL, ir_x_cast(g, x, ir_expr_get(g, weight)->type), weight);
        sum = c == 0 ? x : ir_x_2(g, combine, sum, x);
    }
    return sum;
}

static ir_expr linear(const fe_sample *s, ir_scalar combine)
{
    ir_graph *g = s->nest->b->g;
    ir_expr first[FE_MAX_SPATIAL], weights[FE_MAX_SPATIAL][4];
    for (int i = 0; i < s->spatial; i++) {
        ir_expr floor = X1(FLOOR, s->at[i]), fraction = X2(SUB, s->at[i], floor);
        first[i] = ir_x_cast(g, floor, IR_I64);
        weights[i][0] = X2(SUB, XN(fraction, 1), fraction);
        weights[i][1] = fraction;
    }
    return weighted(s, combine, first, 2, (const ir_expr(*)[4])weights);
}

ir_expr fe_sample_linear(const fe_sample *s) { return linear(s, IR_X_ADD); }
ir_expr fe_sample_linear_max(const fe_sample *s) { return linear(s, IR_X_MAX); }

/* |x| <= 1: ((a+2)x - (a+3))x^2 + 1; |x| < 2: ((ax - 5a)x + 8a)x - 4a. */
static ir_expr cubic_near(ir_graph *g, ir_expr x, double a)
{
    ir_expr inner = X2(SUB, X2(MUL, XN(x, a + 2), x), XN(x, a + 3));
    return X2(ADD, X2(MUL, X2(MUL, inner, x), x), XN(x, 1));
}

static ir_expr cubic_far(ir_graph *g, ir_expr x, double a)
{
    ir_expr inner = X2(SUB, X2(MUL, XN(x, a), x), XN(x, 5 * a));
    inner = X2(ADD, X2(MUL, inner, x), XN(x, 8 * a));
    return X2(SUB, X2(MUL, inner, x), XN(x, 4 * a));
}

void fe_x_cubic_weights(ir_graph *g, ir_expr f, double a, ir_expr w[4])
{
    w[0] = cubic_far(g, X2(ADD, f, XN(f, 1)), a);
    w[1] = cubic_near(g, f, a);
    w[2] = cubic_near(g, X2(SUB, XN(f, 1), f), a);
    w[3] = cubic_far(g, X2(SUB, XN(f, 2), f), a);
}

ir_expr fe_sample_cubic(const fe_sample *s, double a)
{
    ir_graph *g = s->nest->b->g;
    ir_expr first[FE_MAX_SPATIAL], weights[FE_MAX_SPATIAL][4];
    for (int i = 0; i < s->spatial; i++) {
        ir_expr floor = X1(FLOOR, s->at[i]);
        first[i] = X2(SUB, ir_x_cast(g, floor, IR_I64), XI(1));
        fe_x_cubic_weights(g, X2(SUB, s->at[i], floor), a, weights[i]);
    }
    return weighted(s, IR_X_ADD, first, 4, (const ir_expr(*)[4])weights);
}
