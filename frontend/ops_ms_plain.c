/* Operators of com.microsoft that are no fusions: what ai.onnx has in another form, and small ones
 * that ONNX Runtime has for other processors only, imported as their descriptions say. */
#include "frontend/registry.h"
#include "frontend/sample.h"

#include <math.h>
#include <string.h>

/* ---- what ai.onnx has, too ---- */

/* Pads may be a matrix of one row. */
lathe_status fe_import_ms_pad(fe_node *n)
{
    fe_value *in = IR_NEW_N(n->g->arena, fe_value, n->nin);
    TRY(fe_need_class(n, 1, "S"));
    for (size_t k = 0; k < n->nin; k++) in[k] = n->in[k];
    ir_dim count = ir_type_count(n->g, fe_type(n, 1));
    in[1].tensor = ir_reshape(&n->b, fe_in(n, 1), 1, &count);
    n->in = in;
    n->version = 13;
    return fe_import_pad(n);
}

lathe_status fe_import_expand_dims(fe_node *n)
{
    const int64_t *axes;
    size_t count;
    int axis;
    TRY(fe_need_movable(n, 0));
    TRY(fe_need_ints(n, 1, &axes, &count));
    if (count != 1)
        return fe_expect_input(n, 1, "has", fe_number(n, (int64_t)count), "one element");
    if (fe_type(n, 0)->rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported",
                       IR_MAX_RANK + 1, IR_MAX_RANK);
    TRY(fe_axis(n, axes[0], fe_type(n, 0)->rank + 1, &axis));
    fe_out(n, 0, ir_unsqueeze(&n->b, fe_in(n, 0), axis));
    return LATHE_OK;
}

lathe_status fe_import_matmul_integer16(fe_node *n)
{
    TRY(fe_need_class(n, 0, "S"));
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_product(n, false, false));
    ir_value a = ir_cast(&n->b, fe_in(n, 0), IR_I32), b = ir_cast(&n->b, fe_in(n, 1), IR_I32);
    fe_out(n, 0, fe_matmul(&n->b, a, b, false, false, IR_I32));
    return LATHE_OK;
}

/* Distances of rows: sums of squares of differences, which cannot come out negative. */
lathe_status fe_import_cdist(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const char *metric = fe_attr_str(n, "metric");
    bool root = strcmp(metric, "euclidean") == 0;
    if (!root && strcmp(metric, "sqeuclidean") != 0)
        return fe_expect(n, "attribute metric is", metric, "euclidean or sqeuclidean");
    for (size_t k = 0; k < 2; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 2));
    }
    TRY(fe_need_same(n, 0, 1));
    const ir_type a = *fe_type(n, 0), b = *fe_type(n, 1);
    TRY(fe_need_dim(n, 1, 1, a.dims[1]));
    ir_dim space[] = {a.dims[0], b.dims[0], a.dims[1]};
    ir_nest_begin(&nest, &n->b, 3, space, 1);
    ir_expr of_a[] = {ir_x_index(g, 0), ir_x_index(g, 2)},
            of_b[] = {ir_x_index(g, 1), ir_x_index(g, 2)};
    ir_expr d =
        X2(SUB, ir_nest_load(&nest, fe_in(n, 0), of_a), ir_nest_load(&nest, fe_in(n, 1), of_b));
    ir_value squares = ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", a.elem, X2(MUL, d, d));
    fe_out(n, 0, root ? fe_unary(&n->b, IR_X_SQRT, squares) : squares);
    return LATHE_OK;
}

/* Windows of `size` elements along an axis, `step` apart, as a new last axis. */
lathe_status fe_import_unfold(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_expr at[IR_MAX_RANK];
    int axis;
    int64_t size = fe_attr_int(n, "size"), step = fe_attr_int(n, "step"), known;
    TRY(fe_need_movable(n, 0));
    ir_type t = *fe_type(n, 0);
    TRY(fe_axis(n, fe_attr_int(n, "dim"), t.rank, &axis));
    if (t.rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has more than %d axes", IR_MAX_RANK);
    if (size < 1 || step < 1)
        return fe_expect(n, size < 1 ? "attribute size is" : "attribute step is",
                         fe_number(n, size < 1 ? size : step), "a positive number");
    ir_dim room = ir_dim_sub(g, t.dims[axis], ir_dim_const(g, size));
    if (ir_dim_is_const(g, room, &known) && known < 0)
        return fe_expect(n, "attribute size is", fe_number(n, size),
                         ir_format(g->arena, "at most %s", ir_dim_text(g, t.dims[axis])));
    t.dims[axis] =
        ir_dim_add(g, ir_dim_floordiv(g, room, ir_dim_const(g, step)), ir_dim_const(g, 1));
    t.dims[t.rank] = ir_dim_const(g, size);
    ir_nest_begin(&nest, &n->b, t.rank + 1, t.dims, 0);
    for (int i = 0; i < t.rank; i++) at[i] = ir_x_index(g, i);
    at[axis] = X2(ADD, X2(MUL, at[axis], XI(step)), ir_x_index(g, t.rank));
    fe_out(n, 0, fe_nest_move(&nest, true, t.elem, ir_nest_load(&nest, fe_in(n, 0), at)));
    return LATHE_OK;
}

/* ---- CropAndResize ---- */

/* Where row or column `index` of a box lies in the image, and whether that is inside. */
static ir_expr crop_place(fe_node *n, ir_nest *nest, int axis, ir_dim points, ir_expr *inside)
{
    ir_graph *g = n->g;
    ir_expr low[] = {ir_x_index(g, 0), XI(axis)}, high[] = {ir_x_index(g, 0), XI(axis + 2)};
    ir_expr from = ir_nest_load(nest, fe_in(n, 1), low), to = ir_nest_load(nest, fe_in(n, 1), high);
    ir_elem real = ir_expr_get(g, from)->type;
    ir_expr last = ir_x_cast(g, X2(SUB, XD(fe_type(n, 0)->dims[2 + axis]), XI(1)), real),
            steps = X2(SUB, XD(points), XI(1)), one = X2(LT, steps, XI(1));
    ir_expr step =
        X2(DIV, X2(MUL, X2(SUB, to, from), last), ir_x_cast(g, X2(MAX, steps, XI(1)), real));
    ir_expr at =
        X2(ADD, X2(MUL, from, last), X2(MUL, ir_x_cast(g, ir_x_index(g, 2 + axis), real), step));
    ir_expr middle = X2(MUL, X2(MUL, X2(ADD, from, to), XN(from, 0.5)), last);
    at = ir_x_select(g, one, middle, at);
    *inside = X2(AND, *inside, X2(AND, X2(LE, XN(at, 0), at), X2(LE, at, last)));
    return fe_x_clamp(g, at, XN(at, 0), last);
}

/* Image, boxes [R, 4] of corners between 0 and 1, the image of each, the size of the results. */
lathe_status fe_import_crop_and_resize(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const ir_dim *size;
    size_t count;
    const char *mode = fe_attr_str(n, "mode");
    bool nearest = strcmp(mode, "nearest") == 0;
    if (!nearest && strcmp(mode, "bilinear") != 0)
        return fe_expect(n, "attribute mode is", mode, "bilinear or nearest");
    static const int ranks[] = {4, 2, 1, 1};
    for (size_t k = 0; k < 4; k++) {
        TRY(fe_need_class(n, k, k < 2 ? "FL" : "S"));
        TRY(fe_need_rank(n, k, ranks[k]));
    }
    const ir_type x = *fe_type(n, 0), boxes = *fe_type(n, 1);
    TRY(fe_need_dim(n, 1, 1, ir_dim_const(g, 4)));
    TRY(fe_need_dim(n, 2, 0, boxes.dims[0]));
    TRY(fe_sizes(n, fe_in(n, 3), 1, INT32_MAX, IR_NONE, &size, &count));
    if (count != 2)
        return fe_expect_input(n, 3, "has", fe_number(n, (int64_t)count), "two elements");
    ir_dim space[] = {boxes.dims[0], x.dims[1], size[0], size[1]};
    ir_nest_begin(&nest, &n->b, 4, space, 0);
    ir_expr box = ir_x_index(g, 0), inside = ir_x_int(g, IR_BOOL, 1), at[2];
    for (int i = 0; i < 2; i++) at[i] = crop_place(n, &nest, i, size[i], &inside);
    for (int i = 0; i < 2 && nearest; i++) at[i] = X1(FLOOR, X2(ADD, at[i], XN(at[i], 0.5)));
    ir_expr lead[] = {fe_x_index(g, fe_load_i64(&nest, fe_in(n, 2), &box), x.dims[0]),
                      ir_x_index(g, 1)};
    fe_sample sample = {&nest, fe_in(n, 0), lead, at, 2, FE_SIDE_EDGE};
    ir_expr value = nearest ? fe_sample_nearest(&sample) : fe_sample_linear(&sample);
    value = ir_x_select(g, inside, value, XN(value, fe_attr_float(n, "extrapolation_value")));
    fe_out(n, 0, ir_nest_map(&nest, x.elem, value));
    return LATHE_OK;
}

/* ---- of other providers ---- */

/* X + bias + skip. */
lathe_status fe_import_bias_add(fe_node *n)
{
    for (size_t k = 0; k < 3; k++) TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_rank(n, 1, 1));
    ir_value sum = fe_binary(&n->b, IR_X_ADD, fe_in(n, 0), fe_in(n, 1));
    fe_out(n, 0, fe_binary(&n->b, IR_X_ADD, sum, fe_in(n, 2)));
    return LATHE_OK;
}

/* The first half of X + bias times the gelu of the second. */
lathe_status fe_import_bias_split_gelu(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    for (size_t k = 0; k < 2; k++) TRY(fe_need_class(n, k, "FL"));
    TRY(fe_need_rank(n, 1, 1));
    ir_type t = *fe_type(n, 0);
    if (t.rank == 0) return fe_expect_input(n, 0, "has rank", "0", "1 or more");
    ir_dim *width = &t.dims[t.rank - 1], two = ir_dim_const(g, 2);
    TRY(fe_need_dim(n, 1, 0, *width));
    ir_dim half = ir_dim_floordiv(g, *width, two);
    if (!ir_dim_require(g, ir_dim_mul(g, half, two), *width))
        return fe_expect_input(n, 0, "has a width of", ir_dim_text(g, *width), "an even one");
    *width = half;
    ir_nest_begin(&nest, &n->b, t.rank, t.dims, 0);
    ir_expr part[2], at[IR_MAX_RANK];
    for (int i = 0; i < t.rank; i++) at[i] = ir_nest_index(&nest, i);
    ir_expr column = at[t.rank - 1];
    for (int i = 0; i < 2; i++) {
        ir_expr c = at[t.rank - 1] = i ? X2(ADD, column, XD(half)) : column;
        part[i] =
            X2(ADD, ir_nest_load(&nest, fe_in(n, 0), at), ir_nest_load(&nest, fe_in(n, 1), &c));
    }
    fe_out(n, 0, ir_nest_map(&nest, t.elem, X2(MUL, part[0], fe_x_gelu(g, part[1], false))));
    return LATHE_OK;
}

/* T5's buckets of distances: half of them one by one, the others on a logarithmic scale. */
static ir_expr bucket(fe_node *n, ir_expr distance, int64_t buckets)
{
    ir_graph *g = n->g;
    bool both = fe_attr_int(n, "is_bidirectional") != 0;
    ir_expr first = XI(0), far = X1(NEG, distance);
    if (both) {
        buckets /= 2;
        first = ir_x_select(g, X2(LT, XI(0), distance), XI(buckets), XI(0));
        far = X1(ABS, distance);
    }
    far = X2(MAX, far, XI(0));
    int64_t exact = buckets / 2;
    ir_expr x = ir_x_cast(g, X2(MAX, far, XI(1)), IR_F32);
    double range = log((double)fe_attr_int(n, "max_distance") / (double)exact);
    x = X2(DIV, X1(LOG, X2(DIV, x, XN(x, (double)exact))), XN(x, range));
    x = X2(MUL, x, XN(x, (double)(buckets - exact)));
    ir_expr more = X2(ADD, XI(exact), ir_x_cast(g, x, IR_I64));
    ir_expr place = ir_x_select(g, X2(LT, far, XI(exact)), far, X2(MIN, more, XI(buckets - 1)));
    return X2(ADD, first, place);
}

/* A table [buckets, H] and the numbers of queries and keys; [1, H, queries, keys]. */
lathe_status fe_import_relative_position_bias(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t buckets, most = fe_attr_int(n, "max_distance");
    ir_dim sizes[2];
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_rank(n, 0, 2));
    const ir_type t = *fe_type(n, 0);
    if (!ir_dim_is_const(g, t.dims[0], &buckets) || buckets < 4 || buckets > INT32_MAX)
        return fe_expect_input(n, 0, "has a number of rows of", ir_dim_text(g, t.dims[0]),
                               "a known one, 4 or more");
    if (most <= buckets / 2)
        return fe_expect(n, "attribute max_distance is", fe_number(n, most),
                         "more than half of the table's rows");
    for (size_t k = 0; k < 2; k++) {
        const ir_dim *size;
        size_t count;
        TRY(fe_need_class(n, 1 + k, "S"));
        TRY(fe_sizes(n, fe_in(n, 1 + k), 0, INT32_MAX, IR_NONE, &size, &count));
        if (count != 1)
            return fe_expect_input(n, 1 + k, "has", fe_number(n, (int64_t)count), "one element");
        sizes[k] = size[0];
    }
    ir_dim space[] = {ir_dim_const(g, 1), t.dims[1], sizes[0], sizes[1]};
    ir_nest_begin(&nest, &n->b, 4, space, 0);
    ir_expr distance = X2(SUB, ir_nest_index(&nest, 3), ir_nest_index(&nest, 2));
    ir_expr at[] = {fe_x_clamp(g, bucket(n, distance, buckets), XI(0), XI(buckets - 1)),
                    ir_nest_index(&nest, 1)};
    fe_out(n, 0, ir_nest_map(&nest, t.elem, ir_nest_load(&nest, fe_in(n, 0), at)));
    return LATHE_OK;
}

/* ---- GroupNorm: channels last or second ---- */

typedef struct groups {
    int channel;    /* the axis of a group's channels, behind that of the groups */
    ir_dim dims[4]; /* of the tensor with its channels split into groups and its places in one */
} groups;

/* X as [N, places, groups, channels] or [N, groups, channels, places]. */
static lathe_status group_split(fe_node *n, groups *s)
{
    ir_graph *g = n->g;
    const ir_type x = *fe_type(n, 0);
    bool last = fe_attr_int(n, "channels_last") != 0;
    int64_t count = fe_attr_int(n, "groups");
    TRY(fe_need_rank(n, 0, 4));
    ir_dim channels = x.dims[last ? 3 : 1], group = ir_dim_const(g, count);
    ir_dim places = ir_dim_mul(g, x.dims[last ? 1 : 2], x.dims[last ? 2 : 3]);
    if (count < 1)
        return fe_expect(n, "attribute groups is", fe_number(n, count), "a positive number");
    ir_dim each = ir_dim_floordiv(g, channels, group);
    if (!ir_dim_require(g, ir_dim_mul(g, each, group), channels))
        return fe_expect_input(n, 0, "has a number of channels of", ir_dim_text(g, channels),
                               "a multiple of groups");
    for (size_t k = 1; k < 3; k++) {
        TRY(fe_need_class(n, k, "FL"));
        TRY(fe_need_rank(n, k, 1));
        TRY(fe_need_dim(n, k, 0, channels));
    }
    ir_dim dims[2][4] = {{x.dims[0], group, each, places}, {x.dims[0], places, group, each}};
    memcpy(s->dims, dims[last], sizeof s->dims);
    s->channel = last ? 3 : 2;
    return LATHE_OK;
}

static ir_value group_norm(fe_node *n, const groups *s, ir_value x)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    ir_nest nest;
    const ir_type t = *ir_type_of(g, x);
    unsigned axes = s->channel == 3 ? 1u << 1 | 1u << 3 : 1u << 2 | 1u << 3;
    ir_value split = ir_reshape(b, x, 4, s->dims);
    ir_value centred = fe_binary(b, IR_X_SUB, split, fe_mean(b, split, axes));
    ir_value square = fe_mean_square(b, centred, axes), both[] = {centred, square};
    if (square == IR_NONE || !fe_broadcast(&nest, b, both, 2)) return IR_NONE;
    ir_expr group = ir_nest_index(&nest, s->channel - 1),
            at = X2(ADD, X2(MUL, group, XD(s->dims[s->channel])), ir_nest_index(&nest, s->channel));
    ir_expr y = ir_nest_read(&nest, square);
    y = X1(SQRT, X2(ADD, y, XN(y, fe_attr_float(n, "epsilon"))));
    y = X2(DIV, ir_nest_read(&nest, centred), y);
    ir_elem real = ir_expr_get(g, y)->type;
    y = X2(MUL, y, ir_x_cast(g, ir_nest_load(&nest, fe_in(n, 1), &at), real));
    y = X2(ADD, y, ir_x_cast(g, ir_nest_load(&nest, fe_in(n, 2), &at), real));
    if (fe_attr_int(n, "activation") == 1) y = fe_x_silu(g, y, 1);
    return ir_reshape(b, ir_nest_map(&nest, t.elem, y), t.rank, t.dims);
}

/* A skip of [N, C] is the same in all places. */
static lathe_status skip_sum(fe_node *n, ir_value *sum)
{
    ir_graph *g = n->g;
    const ir_type x = *fe_type(n, 0), t = *fe_type(n, 3);
    bool last = fe_attr_int(n, "channels_last") != 0;
    ir_value skip = fe_in(n, 3);
    TRY(fe_need_class(n, 3, "FL"));
    ir_dim one = ir_dim_const(g, 1),
           wide[2][4] = {{x.dims[0], x.dims[1], one, one}, {x.dims[0], one, one, x.dims[3]}};
    if (t.rank == 2) skip = ir_reshape(&n->b, skip, 4, wide[last]);
    else TRY(fe_need_rank(n, 3, 4));
    *sum = fe_binary(&n->b, IR_X_ADD, *sum, skip);
    if (!fe_has(n, 4)) return LATHE_OK;
    TRY(fe_need_class(n, 4, "FL"));
    TRY(fe_need_rank(n, 4, 1));
    ir_dim channels[] = {x.dims[last ? 3 : 1], one, one};
    ir_value bias = ir_reshape(&n->b, fe_in(n, 4), last ? 1 : 3, channels);
    *sum = fe_binary(&n->b, IR_X_ADD, *sum, bias);
    return LATHE_OK;
}

/* X, gamma, beta; SkipGroupNorm: skip and bias, whose sum with X is the second output. */
lathe_status fe_import_ms_group_norm(fe_node *n)
{
    groups s;
    int64_t activation = fe_attr_int(n, "activation");
    ir_value x = fe_in(n, 0);
    TRY(fe_need_class(n, 0, "FL"));
    TRY(group_split(n, &s));
    if (activation != 0 && activation != 1)
        return fe_expect(n, "attribute activation is", fe_number(n, activation), "0 or 1");
    if (n->nin > 3) TRY(skip_sum(n, &x));
    if (x == IR_NONE) return LATHE_BAD_INPUT;
    fe_out(n, 0, group_norm(n, &s, x));
    if (fe_wants(n, 1)) fe_out(n, 1, x);
    return LATHE_OK;
}
