/* Numeric building blocks. In: values of a graph under construction. Out: values, or IR_NONE where
 * an operand was IR_NONE or dims contradict each other (reported here). Invariant: whatever is read
 * with a computed index is in range, because every dim pair was required equal or is a known 1. A
 * contraction is described by which axis of the space each operand's axes run along; matmul, gemm,
 * einsum and attention differ in that description only. */
#include "frontend/build.h"

#include <math.h>
#include <string.h>

/* ---- checks ---- */

/* The element types of these classes, in words. */
static const char *class_names(const fe_node *n, const char *classes)
{
    static const struct {
        const char *classes, *name;
    } names[] = {{"FL", "floats"},   {"F", "f32 or f64"},      {"L", "narrow floats"},
                 {"SU", "integers"}, {"S", "signed integers"}, {"U", "unsigned integers"},
                 {"B", "bool"},      {"T", "string"}};
    const char *list = NULL, *done = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *c = names[i].classes;
        if (strchr(done, *c) || !strchr(classes, *c) || (c[1] && !strchr(classes, c[1]))) continue;
        list = list ? ir_format(n->g->arena, "%s or %s", list, names[i].name) : names[i].name;
        done = ir_format(n->g->arena, "%s%s", done, c);
    }
    return list ? list : "another one";
}

lathe_status fe_need_class(const fe_node *n, size_t k, const char *classes)
{
    TRY(fe_need_rank(n, k, -1));
    ir_elem elem = fe_type(n, k)->elem;
    char class = ir_elem_class(elem);
    if (class == 0 || !strchr(classes, class))
        return fe_expect_input(n, k, "has element type", ir_elem_name(elem),
                               class_names(n, classes));
    return LATHE_OK;
}

lathe_status fe_need_same(const fe_node *n, size_t a, size_t b)
{
    if (!fe_has(n, a) || !fe_has(n, b)) return LATHE_OK;
    TRY(fe_need_rank(n, a, -1));
    TRY(fe_need_rank(n, b, -1));
    if (fe_type(n, a)->elem != fe_type(n, b)->elem)
        return fe_expect_input(n, b, "has element type", ir_elem_name(fe_type(n, b)->elem),
                               ir_elem_name(fe_type(n, a)->elem));
    return LATHE_OK;
}

lathe_status fe_need_dim(const fe_node *n, size_t k, int axis, ir_dim want)
{
    const ir_type *t = fe_type(n, k);
    if (axis >= t->rank)
        return fe_expect_input(n, k, "has rank", fe_number(n, t->rank),
                               ir_format(n->g->arena, "more than %d", axis));
    if (ir_dim_require(n->g, t->dims[axis], want)) return LATHE_OK;
    ir_type wanted = *t;
    wanted.dims[axis] = want;
    return fe_expect_input(n, k, "has dims", ir_dims_text(n->g, t), ir_dims_text(n->g, &wanted));
}

lathe_status fe_need_one(const fe_node *n, size_t k)
{
    const ir_type *t = fe_type(n, k);
    if (ir_dim_require(n->g, ir_type_count(n->g, t), ir_dim_const(n->g, 1))) return LATHE_OK;
    return fe_expect_input(n, k, "is", ir_type_text(n->g, t), "one element");
}

lathe_status fe_need_product(const fe_node *n, bool ta, bool tb)
{
    const ir_type *a = fe_type(n, 0), *b = fe_type(n, 1);
    if (a->rank < 1 || b->rank < 1) return LATHE_OK; /* has a message of its own */
    return fe_need_dim(n, 1, b->rank > 1 ? b->rank - 2 + tb : 0,
                       a->dims[a->rank > 1 ? a->rank - 1 - ta : 0]);
}

lathe_status fe_attr_axis(const fe_node *n, const char *name, int rank, int *axis)
{
    return fe_axis(n, fe_attr_int(n, name), rank, axis);
}

ir_value fe_refuse(ir_builder *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(b->g->arena, format, args);
    va_end(args);
    const diag_place place = ir_place(b, IR_NONE);
    diag_add(b->g->diag, LATHE_BAD_INPUT, &place, "%s", text);
    return IR_NONE;
}

lathe_status fe_guard(fe_node *n, ir_value holds, const char *message)
{
    ir_graph *g = n->g;
    if (holds == IR_NONE) return fe_fail(n, LATHE_INTERNAL, "a condition cannot be computed");
    ir_expr body = ir_x_load(g, IR_BOOL, 0, NULL, 0);
    ir_attr attrs[] = {ir_a_exprs(g, IR_KEY_body, &body, 1), ir_a_str(g, IR_KEY_kind, message)};
    ir_node_new(&n->b, IR_OP_GUARD, &holds, 1, attrs, 2, NULL, 0, NULL, 0);
    return LATHE_OK;
}

/* ---- maps ---- */

bool fe_broadcast(ir_nest *nest, ir_builder *b, const ir_value *v, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        if (v[i] == IR_NONE) return false;
    if (ir_nest_broadcast(nest, b, v, n, &bad)) return true;
    const char *shapes = "";
    for (size_t i = 0; i < n; i++)
        shapes = ir_format(b->g->arena, "%s%s%s", shapes, i ? ", " : "",
                           ir_type_text(b->g, ir_type_of(b->g, v[i])));
    fe_refuse(b, "shapes do not broadcast (axis %d from the end): %s", bad, shapes);
    return false;
}

ir_value fe_unary(ir_builder *b, ir_scalar op, ir_value v)
{
    ir_nest nest;
    if (!fe_broadcast(&nest, b, &v, 1)) return IR_NONE;
    return ir_nest_map(&nest, ir_type_of(b->g, v)->elem, ir_x_1(b->g, op, ir_nest_read(&nest, v)));
}

ir_value fe_binary(ir_builder *b, ir_scalar op, ir_value x, ir_value y)
{
    ir_nest nest;
    if (!fe_broadcast(&nest, b, (ir_value[]){x, y}, 2)) return IR_NONE;
    ir_expr left = ir_nest_read(&nest, x), right = ir_nest_read(&nest, y);
    return ir_nest_map(&nest, ir_type_of(b->g, x)->elem, ir_x_2(b->g, op, left, right));
}

ir_value fe_fill(ir_builder *b, ir_elem elem, int rank, const ir_dim *dims, double value)
{
    ir_nest nest;
    ir_nest_begin(&nest, b, rank, dims, 0);
    return ir_nest_map(&nest, elem, ir_x_num(b->g, ir_elem_arith(elem), value));
}

ir_expr fe_x_gelu(ir_graph *g, ir_expr x, bool tanh_form)
{
    ir_expr inner;
    if (tanh_form) {
        ir_expr cube = X2(MUL, X2(MUL, x, x), x);
        inner = X2(ADD, x, X2(MUL, cube, XN(x, 0.044715)));
        inner = X1(TANH, X2(MUL, inner, XN(x, sqrt(2 / acos(-1.0)))));
    } else {
        inner = X1(ERF, X2(MUL, x, XN(x, sqrt(0.5))));
    }
    return X2(MUL, X2(MUL, x, XN(x, 0.5)), X2(ADD, inner, XN(x, 1)));
}

ir_expr fe_x_silu(ir_graph *g, ir_expr x, double alpha)
{
    return X2(MUL, x, X1(SIGMOID, X2(MUL, x, XN(x, alpha))));
}

/* ---- layout ---- */

ir_value fe_swap(ir_builder *b, ir_value v, int a, int c)
{
    if (v == IR_NONE) return IR_NONE;
    int rank = ir_type_of(b->g, v)->rank, perm[IR_MAX_RANK];
    for (int i = 0; i < rank; i++) perm[i] = i;
    a += a < 0 ? rank : 0;
    c += c < 0 ? rank : 0;
    perm[a] = c;
    perm[c] = a;
    return a == c ? v : ir_permute(b, v, perm);
}

ir_value fe_split_heads(ir_builder *b, ir_value v, ir_dim heads)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return IR_NONE;
    const ir_dim *d = ir_type_of(g, v)->dims;
    if (!ir_dim_require(g, ir_dim_mod(g, d[2], heads), ir_dim_const(g, 0)))
        return fe_refuse(b, "the last axis has size %s, expected a multiple of the %s heads",
                         ir_dim_text(g, d[2]), ir_dim_text(g, heads));
    ir_dim dims[] = {d[0], d[1], heads, ir_dim_floordiv(g, d[2], heads)};
    return fe_swap(b, ir_reshape(b, v, 4, dims), 1, 2);
}

ir_value fe_merge_heads(ir_builder *b, ir_value v)
{
    ir_graph *g = b->g;
    if (v == IR_NONE) return IR_NONE;
    const ir_dim *d = ir_type_of(g, v)->dims;
    ir_dim dims[] = {d[0], d[2], ir_dim_mul(g, d[1], d[3])};
    return ir_reshape(b, fe_swap(b, v, 1, 2), 3, dims);
}

ir_value fe_part(ir_builder *b, ir_value v, int axis, ir_dim start, ir_dim count)
{
    if (v == IR_NONE) return IR_NONE;
    ir_type t = *ir_type_of(b->g, v);
    ir_dim starts[IR_MAX_RANK];
    int64_t steps[IR_MAX_RANK];
    for (int i = 0; i < t.rank; i++) {
        starts[i] = ir_dim_const(b->g, 0);
        steps[i] = 1;
    }
    starts[axis] = start;
    t.dims[axis] = count;
    return ir_slice(b, v, starts, steps, t.dims);
}

/* ---- reductions ---- */

bool fe_fold_begin(fe_fold *f, ir_builder *b, ir_value v, unsigned axes)
{
    if (v == IR_NONE) return false;
    const ir_type *t = ir_type_of(b->g, v);
    ir_dim space[IR_MAX_RANK];
    int at[IR_MAX_RANK], rank = 0, nred = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < t->rank; i++) {
            if ((axes >> i & 1) != (unsigned)pass) continue;
            at[i] = rank;
            space[rank++] = t->dims[i];
            nred += pass;
        }
    f->v = v;
    f->axes = axes;
    ir_nest_begin(&f->nest, b, rank, space, nred);
    for (int i = 0; i < t->rank; i++) f->at[i] = ir_nest_index(&f->nest, at[i]);
    f->x = ir_nest_load(&f->nest, v, f->at);
    return true;
}

static ir_value keep_axes(ir_builder *b, ir_value folded, ir_value v, unsigned axes)
{
    if (folded == IR_NONE) return IR_NONE;
    ir_type t = *ir_type_of(b->g, v);
    for (int i = 0; i < t.rank; i++)
        if (axes >> i & 1) t.dims[i] = ir_dim_const(b->g, 1);
    return ir_reshape(b, folded, t.rank, t.dims);
}

ir_value fe_fold_end(fe_fold *f, const char *kind, ir_elem out, ir_expr body, bool keep)
{
    ir_builder *b = f->nest.b;
    ir_value r = f->nest.nred == 0 ? ir_nest_map(&f->nest, out, body)
                                   : ir_nest_reduce(&f->nest, IR_OP_REDUCE, kind, out, body);
    return keep && f->nest.nred ? keep_axes(b, r, f->v, f->axes) : r;
}

ir_value fe_reduce(ir_builder *b, const char *kind, ir_value v, unsigned axes, ir_elem out,
                   bool keep)
{
    fe_fold f;
    if (!fe_fold_begin(&f, b, v, axes)) return IR_NONE;
    return fe_fold_end(&f, kind, out, f.x, keep);
}

ir_dim fe_axes_count(ir_graph *g, const ir_type *t, unsigned axes)
{
    ir_dim count = ir_dim_const(g, 1);
    for (int i = 0; i < t->rank; i++)
        if (axes >> i & 1) count = ir_dim_mul(g, count, t->dims[i]);
    return count;
}

/* Mean over the axes of v's elements or of their squares. */
static ir_value mean_of(ir_builder *b, ir_value v, unsigned axes, bool squares)
{
    ir_graph *g = b->g;
    fe_fold f;
    ir_nest nest;
    if (!fe_fold_begin(&f, b, v, axes)) return IR_NONE;
    ir_elem elem = ir_elem_arith(ir_type_of(g, v)->elem);
    ir_dim count = fe_axes_count(g, ir_type_of(g, v), axes);
    ir_value sum = fe_fold_end(&f, "sum", elem, squares ? X2(MUL, f.x, f.x) : f.x, true);
    if (!fe_broadcast(&nest, b, &sum, 1)) return IR_NONE;
    ir_expr x = ir_nest_read(&nest, sum);
    return ir_nest_map(&nest, elem, X2(DIV, x, ir_x_cast(g, ir_x_dim(g, count), elem)));
}

ir_value fe_mean(ir_builder *b, ir_value v, unsigned axes) { return mean_of(b, v, axes, false); }

ir_value fe_mean_square(ir_builder *b, ir_value v, unsigned axes)
{
    return mean_of(b, v, axes, true);
}

ir_value fe_softmax(ir_builder *b, ir_value v, int axis, bool log)
{
    if (v == IR_NONE) return IR_NONE;
    ir_attr attrs[] = {ir_a_int(IR_KEY_axis, axis), ir_a_int(IR_KEY_log, log)};
    ir_node_id id = ir_node_new(b, IR_OP_SOFTMAX, &v, 1, attrs, 2, NULL, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : b->g->nodes[id].results[0];
}

/* ---- contractions ---- */

ir_value fe_contract(ir_builder *b, const fe_factor *f, size_t n, int rank, const ir_dim *space,
                     int nred, ir_elem out)
{
    ir_graph *g = b->g;
    ir_nest nest;
    ir_expr body = IR_NONE;
    ir_nest_begin(&nest, b, rank, space, nred);
    for (size_t k = 0; k < n; k++) {
        if (f[k].v == IR_NONE) return IR_NONE;
        ir_expr idx[IR_MAX_RANK];
        for (int i = 0; i < ir_type_of(g, f[k].v)->rank; i++)
            idx[i] = f[k].axes[i] < 0 ? XI(0) : ir_nest_index(&nest, f[k].axes[i]);
        ir_expr x = ir_nest_load(&nest, f[k].v, idx);
        body = k == 0 ? x : X2(MUL, body, x);
    }
    if (nred == 0) return ir_nest_map(&nest, out, body);
    return ir_nest_reduce(&nest, n > 1 ? IR_OP_CONTRACT : IR_OP_REDUCE, "sum", out, body);
}

ir_dim fe_meet(ir_graph *g, ir_dim a, ir_dim c)
{
    int rank = 1;
    ir_dim met = a;
    if (ir_dims_broadcast(g, &met, &rank, &c, 1)) return IR_NONE;
    if (ir_dim_equals(g, a, 1) || ir_dim_equals(g, c, 1) || (met != a && met != c)) return met;
    return ir_dim_require(g, a, c) ? a : IR_NONE;
}

ir_value fe_spread(ir_builder *b, ir_value v, const ir_dim *dims)
{
    if (v == IR_NONE) return IR_NONE;
    ir_graph *g = b->g;
    ir_type t = *ir_type_of(g, v);
    bool same = true;
    for (int i = 0; i < t.rank; i++) {
        if (t.dims[i] == dims[i] || ir_dim_equals(g, t.dims[i], 1)) continue;
        t.dims[i] = dims[i];
        same = false;
    }
    if (same) return v;
    ir_nest nest;
    ir_nest_begin(&nest, b, t.rank, t.dims, 0);
    return ir_nest_view(&nest, ir_nest_read(&nest, v));
}

/* Runs a factor's leading axes along the space's, right-aligned at `batch`. */
static void align_batch(ir_builder *b, fe_factor *f, int batch, const ir_dim *space)
{
    ir_graph *g = b->g;
    ir_type wide = *ir_type_of(g, f->v);
    for (int i = 0; i < wide.rank - 2; i++) wide.dims[i] = space[batch - (wide.rank - 2) + i];
    f->v = fe_spread(b, f->v, wide.dims);
    if (f->v == IR_NONE) return;
    const ir_type *t = ir_type_of(g, f->v);
    for (int i = 0, at = batch - (t->rank - 2); i < t->rank - 2; i++, at++)
        f->axes[i] = ir_dim_equals(g, t->dims[i], 1) && !ir_dim_equals(g, space[at], 1) ? -1 : at;
}

/* matmul of operands of rank 2 or more. */
static ir_value matmul_full(ir_builder *b, ir_value x, ir_value y, bool tx, bool ty, ir_elem out)
{
    ir_graph *g = b->g;
    ir_type s = *ir_type_of(g, x), t = *ir_type_of(g, y);
    int batch = (s.rank > t.rank ? s.rank : t.rank) - 2;
    fe_factor f[2] = {{.v = x}, {.v = y}};
    ir_dim space[IR_MAX_SPACE];
    for (int i = 1; i <= batch; i++) {
        ir_dim one = ir_dim_const(g, 1);
        ir_dim p = i <= s.rank - 2 ? s.dims[s.rank - 2 - i] : one,
               q = i <= t.rank - 2 ? t.dims[t.rank - 2 - i] : one;
        space[batch - i] = fe_meet(g, p, q);
        if (space[batch - i] == IR_NONE) goto mismatch;
    }
    int m = s.rank - 2 + tx, k = s.rank - 1 - tx, k2 = t.rank - 2 + ty, n = t.rank - 1 - ty;
    if (!ir_dim_require(g, s.dims[k], t.dims[k2])) goto mismatch;
    space[batch] = s.dims[m];
    space[batch + 1] = t.dims[n];
    space[batch + 2] = t.dims[k2];
    align_batch(b, &f[0], batch, space);
    align_batch(b, &f[1], batch, space);
    f[0].axes[m] = batch;
    f[0].axes[k] = f[1].axes[k2] = batch + 2;
    f[1].axes[n] = batch + 1;
    return fe_contract(b, f, 2, batch + 3, space, 1, out);
mismatch:
    return fe_refuse(b, "shapes cannot be multiplied: %s and %s", ir_type_text(g, &s),
                     ir_type_text(g, &t));
}

ir_value fe_matmul(ir_builder *b, ir_value x, ir_value y, bool tx, bool ty, ir_elem out)
{
    ir_graph *g = b->g;
    if (x == IR_NONE || y == IR_NONE) return IR_NONE;
    int rx = ir_type_of(g, x)->rank, ry = ir_type_of(g, y)->rank;
    if (rx == 0 || ry == 0)
        return fe_refuse(b, "a matrix product needs operands of rank 1 or more");
    if (rx == 1) x = ir_unsqueeze(b, x, tx ? 1 : 0);
    if (ry == 1) y = ir_unsqueeze(b, y, ty ? 0 : 1);
    ir_value r = matmul_full(b, x, y, tx, ty, out);
    if (ry == 1 && r != IR_NONE) r = ir_squeeze(b, r, ir_type_of(g, r)->rank - 1);
    if (rx == 1 && r != IR_NONE) r = ir_squeeze(b, r, ir_type_of(g, r)->rank - 1 - (ry != 1));
    return r;
}
