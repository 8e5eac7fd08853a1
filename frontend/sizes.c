/* Sizes and indices of importers. In: values whose contents may be known. Out: dims and i64
 * expressions. Invariant: a dim that leaves here is closed or a symbol that an emitted node defines
 * before its first use. What is data goes through one `bind` node, so that every formula above can
 * be over dims alone. */
#include "frontend/sizes.h"

ir_dim fe_dim_clamp(ir_graph *g, ir_dim x, ir_dim lo, ir_dim hi)
{
    return ir_dim_min(g, ir_dim_max(g, x, lo), hi);
}

ir_expr fe_x_clamp(ir_graph *g, ir_expr x, ir_expr lo, ir_expr hi)
{
    return X2(MAX, X2(MIN, x, hi), lo);
}

ir_expr fe_x_within(ir_graph *g, ir_expr x, ir_expr lo, ir_expr hi)
{
    return X2(AND, X2(LE, lo, x), X2(LT, x, hi));
}

/* Known to be inside for all sizes: no check is left for the run. */
static bool known_inside(ir_graph *g, ir_expr x, ir_dim d, ir_dim *index)
{
    ir_dim at;
    if (!ir_x_is_dim(g, x, &at)) return false;
    int64_t lo, hi, left, top;
    ir_dim_range(g, at, &lo, &hi);
    if (lo < 0 && hi < 0) at = ir_dim_add(g, at, d);
    ir_dim_range(g, at, &lo, &hi);
    ir_dim_range(g, ir_dim_sub(g, d, at), &left, &top);
    *index = at;
    return lo >= 0 && left >= 1;
}

ir_expr fe_x_index(ir_graph *g, ir_expr x, ir_dim d)
{
    ir_dim known;
    if (known_inside(g, x, d, &known)) return XD(known);
    return X2(CHECK, x, XD(d));
}

ir_expr fe_load_i64(ir_nest *nest, ir_value v, const ir_expr *idx)
{
    return ir_x_cast(nest->b->g, ir_nest_load(nest, v, idx), IR_I64);
}

ir_expr fe_load_scalar(ir_nest *nest, ir_value v)
{
    ir_expr zero[IR_MAX_RANK];
    for (int i = 0; i < IR_MAX_RANK; i++) zero[i] = ir_x_int(nest->b->g, IR_I64, 0);
    return ir_nest_load(nest, v, zero);
}

ir_value fe_as_scalar(fe_node *n, ir_value v, ir_elem elem)
{
    ir_value cast = ir_cast(&n->b, v, elem);
    return cast == IR_NONE || ir_type_of(n->g, cast)->rank == 0 ? cast
                                                                : ir_reshape(&n->b, cast, 0, NULL);
}

ir_value fe_nest_move(ir_nest *nest, bool affine, ir_elem elem, ir_expr load)
{
    return affine ? ir_nest_view(nest, load) : ir_nest_map(nest, elem, load);
}

lathe_status fe_need_rank(const fe_node *n, size_t k, int rank)
{
    if (!fe_has(n, k) || n->in[k].kind != FE_TENSOR)
        return fe_expect_input(n, k, "is", fe_kind_name(n, k), "a tensor");
    if (rank >= 0 && fe_type(n, k)->rank != rank)
        return fe_expect_input(n, k, "has rank", fe_number(n, fe_type(n, k)->rank),
                               fe_number(n, rank));
    return LATHE_OK;
}

lathe_status fe_need_movable(const fe_node *n, size_t k)
{
    TRY(fe_need_rank(n, k, -1));
    return fe_type(n, k)->elem == IR_STRING ? LATHE_OK : fe_need_arith(n, k);
}

lathe_status fe_need_arith(const fe_node *n, size_t k)
{
    TRY(fe_need_rank(n, k, -1));
    if (!ir_elem_computes(fe_type(n, k)->elem))
        return fe_fail_input(n, k, LATHE_UNSUPPORTED, "element type %s is not supported here",
                             ir_elem_name(fe_type(n, k)->elem));
    return LATHE_OK;
}

ir_sym fe_data_symbol(fe_node *n, int64_t lo, int64_t hi, ir_dim bound)
{
    const char *name;
    size_t k = n->g->nsyms;
    do name = ir_format(n->g->arena, "n%zu", k++);
    while (ir_sym_find(n->g, name) != IR_NONE);
    return ir_sym_new(n->g, name, IR_SYM_DATA, lo, hi, bound);
}

static lathe_status sizes_bind(fe_node *n, ir_value v, size_t count, int64_t lo, int64_t hi,
                               ir_dim bound, ir_dim *dims)
{
    ir_sym *syms = IR_NEW_N(n->g->arena, ir_sym, count + 1);
    for (size_t i = 0; i < count; i++) {
        syms[i] = fe_data_symbol(n, lo, hi, bound);
        dims[i] = ir_dim_sym(n->g, syms[i]);
    }
    ir_value wide = ir_cast(&n->b, v, IR_I64);
    if (wide == IR_NONE) return LATHE_BAD_INPUT;
    ir_attr attr = ir_a_syms(n->g, IR_KEY_syms, syms, count);
    ir_node_new(&n->b, IR_OP_BIND, &wide, 1, &attr, 1, NULL, 0, NULL, 0);
    return LATHE_OK;
}

void fe_known_sizes(ir_graph *g, ir_value v, ir_dim *dims, size_t count)
{
    const ir_node *def = &g->nodes[g->values[v].def];
    size_t known, at = 0;
    for (size_t i = 0; i < count; i++) dims[i] = IR_NONE;
    if (ir_content_dims(g, v, dims, count, &known) || !g->values[v].def) return;
    if (def->op != IR_OP_CONCAT || ir_type_of(g, v)->rank != 1) return;
    for (uint32_t k = 0; k < def->noperands; k++) {
        int64_t length;
        if (!ir_dim_is_const(g, ir_type_of(g, def->operands[k])->dims[0], &length)) return;
        fe_known_sizes(g, def->operands[k], dims + at, (size_t)length);
        at += (size_t)length;
    }
}

/* Sizes that are joined from several tensors: only what is not known becomes a symbol. */
static lathe_status bind_parts(fe_node *n, ir_value v, size_t count, int64_t lo, int64_t hi,
                               ir_dim bound, ir_dim *dims)
{
    ir_graph *g = n->g;
    const ir_node *def = &g->nodes[g->values[v].def];
    size_t known, at = 0;
    if (ir_content_dims(g, v, dims, count, &known)) return LATHE_OK;
    if (!g->values[v].def || def->op != IR_OP_CONCAT || ir_type_of(g, v)->rank != 1)
        return sizes_bind(n, v, count, lo, hi, bound, dims);
    for (uint32_t k = 0; k < def->noperands; k++) {
        int64_t length;
        ir_value part = g->nodes[g->values[v].def].operands[k];
        if (!ir_dim_is_const(g, ir_type_of(g, part)->dims[0], &length))
            return sizes_bind(n, v, count, lo, hi, bound, dims);
        TRY(bind_parts(n, part, (size_t)length, lo, hi, bound, dims + at));
        at += (size_t)length;
    }
    return LATHE_OK;
}

lathe_status fe_sizes(fe_node *n, ir_value v, int64_t lo, int64_t hi, ir_dim bound,
                      const ir_dim **out, size_t *count)
{
    ir_graph *g = n->g;
    const ir_type *t = ir_type_of(g, v);
    int64_t length = 1;
    if (!ir_elem_is_int(t->elem) || t->rank > 1)
        return fe_fail(n, LATHE_BAD_INPUT, "sizes are %s, expected a list of integers",
                       ir_type_text(g, t));
    if (t->rank == 1 && !ir_dim_is_const(g, t->dims[0], &length))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "sizes are %s, a list whose length must be known while compiling",
                       ir_type_text(g, t));
    if (length > IR_MAX_CONTENT)
        return fe_fail(n, LATHE_BAD_INPUT, "%lld sizes", (long long)length);
    ir_dim *dims = IR_NEW_N(g->arena, ir_dim, (size_t)length + 1);
    *out = dims;
    *count = (size_t)length;
    if (length) TRY(bind_parts(n, v, (size_t)length, lo, hi, bound, dims));
    for (int64_t i = 0; lo >= 0 && i < length; i++) {
        int64_t size;
        if (ir_dim_is_const(g, dims[i], &size) && size < lo)
            return fe_fail(n, LATHE_BAD_INPUT, "size %lld is %lld, expected %lld or more",
                           (long long)i, (long long)size, (long long)lo);
    }
    return LATHE_OK;
}

lathe_status fe_size_expr(fe_node *n, ir_nest *nest, ir_expr x, int64_t lo, int64_t hi,
                          ir_dim bound, ir_dim *out)
{
    if (ir_x_is_dim(n->g, x, out)) return LATHE_OK;
    ir_value v = ir_nest_map(nest, IR_I64, x);
    if (v == IR_NONE) return fe_fail(n, LATHE_INTERNAL, "a size cannot be computed");
    size_t one = 1;
    if (ir_content_dims(n->g, v, out, 1, &one)) return LATHE_OK;
    return sizes_bind(n, v, 1, lo, hi, bound, out);
}

const ir_dim *fe_const_dims(ir_graph *g, const int64_t *values, size_t n)
{
    ir_dim *dims = IR_NEW_N(g->arena, ir_dim, n + 1);
    for (size_t i = 0; i < n; i++) dims[i] = ir_dim_const(g, values[i]);
    return dims;
}

/* Constant axes are checked here; those that are data are checked by the bounds of their symbols.
 */
static lathe_status normalise_axes(fe_node *n, const ir_dim *in, size_t count, int rank,
                                   ir_dim *out)
{
    ir_graph *g = n->g;
    for (size_t i = 0; i < count; i++) {
        int64_t axis;
        int at;
        if (!ir_dim_is_const(g, in[i], &axis)) {
            out[i] = ir_dim_mod(g, in[i], ir_dim_const(g, rank));
            continue;
        }
        TRY(fe_axis(n, axis, rank, &at));
        out[i] = ir_dim_const(g, at);
        for (size_t j = 0; j < i; j++)
            if (out[j] == out[i])
                return fe_fail(n, LATHE_BAD_INPUT, "axis %d is named twice, expected distinct axes",
                               at);
    }
    return LATHE_OK;
}

lathe_status fe_axes(fe_node *n, const char *name, size_t k, int rank, const ir_dim **axes,
                     size_t *count)
{
    const ir_dim *given = NULL;
    size_t nattr = 0;
    const int64_t *attr = fe_attr_ints(n, name, &nattr);
    *axes = NULL;
    *count = 0;
    if (attr) {
        given = fe_const_dims(n->g, attr, nattr);
        *count = nattr;
    } else if (fe_has(n, k)) {
        TRY(fe_sizes(n, fe_in(n, k), -rank, rank - 1, IR_NONE, &given, count));
    } else {
        return LATHE_OK;
    }
    ir_dim *out = IR_NEW_N(n->g->arena, ir_dim, *count + 1);
    TRY(normalise_axes(n, given, *count, rank, out));
    *axes = out;
    return LATHE_OK;
}

ir_dim fe_axis_among(ir_graph *g, const ir_dim *axes, size_t n, int a)
{
    ir_dim sum = ir_dim_const(g, 0);
    for (size_t j = 0; j < n; j++)
        sum = ir_dim_add(g, sum, ir_dim_eq(g, axes[j], ir_dim_const(g, a)));
    return sum;
}

ir_dim fe_axis_pick(ir_graph *g, const ir_dim *axes, size_t n, int a, const ir_dim *values,
                    ir_dim otherwise)
{
    ir_dim chosen = otherwise;
    for (size_t j = 0; j < n; j++)
        chosen = ir_dim_select(g, ir_dim_eq(g, axes[j], ir_dim_const(g, a)), values[j], chosen);
    return chosen;
}

lathe_status fe_call(fe_node *n, const char *func, const ir_value *operands, size_t count,
                     const ir_attr *more, size_t nmore, const ir_type *types, size_t nresults,
                     ir_value *results)
{
    ir_attr *attrs = IR_NEW_N(n->g->arena, ir_attr, nmore + 1);
    for (size_t i = 0; i < nmore; i++) attrs[i] = more[i];
    attrs[nmore] = ir_a_str(n->g, IR_KEY_func, func);
    ir_node_id id =
        ir_node_new(&n->b, IR_OP_CALL, operands, count, attrs, nmore + 1, types, nresults, NULL, 0);
    if (id == IR_NONE) return fe_fail(n, LATHE_INTERNAL, "the call of %s cannot be built", func);
    for (size_t i = 0; i < nresults; i++) results[i] = n->g->nodes[id].results[i];
    return LATHE_OK;
}
