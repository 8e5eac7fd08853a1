/* Contents: the elements of small tensors as closed expressions over sizes and constants.
 *
 * In: a node whose operands' contents may be known; out: the content of its result, or nothing.
 * This is what makes shape arithmetic disappear: a nest is evaluated by writing constants for its
 * INDEX leaves and operands' elements for its LOADs, and the folding constructors do the rest.
 * A content is all or nothing, of the arithmetic type, and rounded to the element type.
 * Constants are read when first asked for. Work is bounded by MAX_POINTS points a node, and an
 * element by MAX_ELEMENT leaves and operators, so that long chains of small tensors stay nodes. */
#include "ir/text.h"

#include <string.h>

enum { MAX_POINTS = 4096, MAX_ELEMENT = 64 };

/* Number of elements if they are few and computable. */
static bool small_count(const ir_graph *g, const ir_type *t, int64_t *count)
{
    return ir_elem_arith(t->elem) != IR_ELEM_NONE && ir_type_static_count(g, t, count) &&
           *count <= IR_MAX_CONTENT;
}

/* ---- asking ---- */

static void read_constant(ir_graph *g, ir_value v, const ir_blob *blob)
{
    ir_value_info *info = &g->values[v];
    ir_elem elem = info->type.elem, arith = ir_elem_arith(elem);
    int64_t count;
    if (!small_count(g, &info->type, &count)) return;
    ir_expr *content = IR_NEW_N(g->arena, ir_expr, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        ir_scalar_value x;
        if (!ir_blob_get(elem, blob, i, &x)) return;
        content[i] = ir_elem_is_float(arith) ? ir_x_float(g, arith, x.f) : ir_x_int(g, arith, x.i);
    }
    info->content = content;
    info->ncontent = (uint32_t)count;
}

const ir_expr *ir_content(ir_graph *g, ir_value v, size_t *n)
{
    *n = 0;
    if (v == IR_NONE) return NULL;
    ir_value_info *info = &g->values[v];
    const ir_node *def = &g->nodes[info->def];
    if (!info->content && info->def != IR_NONE && def->op == IR_OP_CONST)
        read_constant(g, v, &ir_attr_find(def, IR_KEY_data)->u.blob);
    if (info->content) *n = info->ncontent;
    return info->content;
}

bool ir_content_ints(ir_graph *g, ir_value v, int64_t *out, size_t cap, size_t *n)
{
    const ir_expr *content = ir_content(g, v, n);
    if (!content || *n > cap) return false;
    for (size_t i = 0; i < *n; i++)
        if (ir_elem_is_float(ir_expr_get(g, content[i])->type) ||
            !ir_x_is_const(g, content[i], &out[i], NULL))
            return false;
    return true;
}

/* Narrower integers stand for sizes too; the cast keeps their value. */
static bool as_dim(ir_graph *g, ir_expr e, ir_dim *d)
{
    return ir_elem_is_int(ir_expr_get(g, e)->type) && ir_x_is_dim(g, ir_x_cast(g, e, IR_I64), d);
}

bool ir_content_dims(ir_graph *g, ir_value v, ir_dim *out, size_t cap, size_t *n)
{
    const ir_expr *content = ir_content(g, v, n);
    if (!content || *n > cap) return false;
    for (size_t i = 0; i < *n; i++)
        if (!as_dim(g, content[i], &out[i])) return false;
    return true;
}

/* Row-major place of constant indices in v; false: not constant, or outside. */
static bool eval_place_of(const ir_graph *g, const ir_type *t, const ir_expr *idx, size_t *place)
{
    *place = 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t at, size;
        if (!ir_dim_is_const(g, t->dims[i], &size) || !ir_x_is_const(g, idx[i], &at, NULL))
            return false;
        if (at < 0 || at >= size) return false;
        *place = *place * (size_t)size + (size_t)at;
    }
    return true;
}

static bool may_fault(const ir_graph *g, const ir_expr *idx, int n)
{
    for (int i = 0; i < n; i++)
        if (ir_expr_get(g, idx[i])->op == IR_X_CHECK) return true;
    return false;
}

ir_expr ir_content_at(ir_graph *g, ir_value v, const ir_expr *idx, int n)
{
    size_t count, place;
    const ir_expr *content = ir_content(g, v, &count);
    if (!content || !count || n != ir_type_of(g, v)->rank) return IR_NONE;
    for (int i = 0; i < n; i++)
        if (idx[i] == IR_NONE) return IR_NONE;
    if (eval_place_of(g, ir_type_of(g, v), idx, &place)) return content[place];
    return count == 1 && !may_fault(g, idx, n) ? content[0] : IR_NONE;
}

/* ---- evaluating a nest ---- */

typedef struct nest_eval {
    ir_graph *g;
    const ir_node *n;
    int rank; /* of the space */
    int64_t size[IR_MAX_SPACE], at[IR_MAX_SPACE];
    int64_t points;
} nest_eval;

static ir_expr eval_index(void *ctx, int axis)
{
    const nest_eval *e = ctx;
    return axis >= 0 && axis < e->rank ? ir_x_int(e->g, IR_I64, e->at[axis]) : IR_NONE;
}

static ir_expr eval_load(void *ctx, const ir_expr_node *load)
{
    const nest_eval *e = ctx;
    if (load->imm < 0 || load->imm >= e->n->noperands) return IR_NONE;
    return ir_content_at(e->g, e->n->operands[load->imm], load->args, load->nargs);
}

/* e at the current point, closed, or IR_NONE. */
static ir_expr eval_at_point(nest_eval *e, ir_expr body)
{
    ir_rewrite hooks = {.ctx = e, .index = eval_index, .load = eval_load};
    ir_expr r = ir_x_rewrite(e->g, body, &hooks);
    return ir_x_is_closed(e->g, r) ? r : IR_NONE;
}

static bool operands_known(ir_graph *g, const ir_node *n)
{
    size_t count;
    for (uint32_t k = 0; k < n->noperands; k++)
        if (!ir_content(g, n->operands[k], &count)) return false;
    return true;
}

/* The space, if its axes are constants and its points few, and all operands are known. */
static bool eval_begin(nest_eval *e, ir_graph *g, const ir_node *n)
{
    const ir_attr *space = ir_attr_find(n, IR_KEY_space);
    *e = (nest_eval){.g = g, .n = n, .rank = (int)space->n, .points = 1};
    for (int i = 0; i < e->rank; i++) {
        if (!ir_dim_is_const(g, space->u.dims[i], &e->size[i]) || e->size[i] < 0) return false;
        if (__builtin_mul_overflow(e->points, e->size[i], &e->points)) return false;
    }
    return e->points <= MAX_POINTS && operands_known(g, n);
}

static void next_point(nest_eval *e)
{
    for (int i = e->rank; i-- > 0;) {
        if (++e->at[i] < e->size[i]) return;
        e->at[i] = 0;
    }
}

static const ir_expr *eval_body_of(const ir_node *n)
{
    return ir_attr_find(n, IR_KEY_body)->u.exprs;
}

/* The operator that combines elements in a reduction or scatter of this kind. */
static ir_scalar combine_op(const char *kind)
{
    static const struct {
        const char *kind;
        ir_scalar op;
    } ops[] = {
        {"sum", IR_X_ADD}, {"prod", IR_X_MUL}, {"max", IR_X_MAX},
        {"min", IR_X_MIN}, {"and", IR_X_AND},  {"or", IR_X_OR},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(kind, ops[i].kind) == 0) return ops[i].op;
    return IR_X_NONE;
}

/* ---- operators: each fills `out`, of `count` elements; false: not known ---- */

static bool eval_values(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    const ir_expr *body = eval_body_of(n);
    for (int64_t i = 0; i < count; i++) {
        if (!ir_x_is_closed(g, body[i])) return false;
        out[i] = body[i];
    }
    return true;
}

static bool eval_map(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    nest_eval e;
    if (!eval_begin(&e, g, n) || e.points != count) return false;
    for (int64_t i = 0; i < count; i++, next_point(&e))
        if ((out[i] = eval_at_point(&e, eval_body_of(n)[0])) == IR_NONE) return false;
    return true;
}

/* An empty sum or product has a value; other empty reductions are left to the run. */
static ir_expr empty_value(ir_graph *g, ir_scalar op, ir_elem arith)
{
    if (op == IR_X_ADD || op == IR_X_MUL) return ir_x_num(g, arith, op == IR_X_MUL);
    return IR_NONE;
}

static bool eval_reduce(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    nest_eval e;
    if (ir_attr_find(n, IR_KEY_epilogue) || !eval_begin(&e, g, n)) return false;
    ir_scalar op = n->op == IR_OP_CONTRACT ? IR_X_ADD : combine_op(ir_attr_str(g, n, IR_KEY_kind));
    ir_expr body = eval_body_of(n)[0];
    int64_t each = count ? e.points / count : 0;
    for (int64_t i = 0; i < count; i++) {
        out[i] = each ? IR_NONE : empty_value(g, op, ir_expr_get(g, body)->type);
        for (int64_t k = 0; k < each; k++, next_point(&e)) {
            ir_expr x = eval_at_point(&e, body);
            out[i] = k ? ir_x_2(g, op, out[i], x) : x;
        }
        if (out[i] == IR_NONE) return false;
    }
    return true;
}

static bool scatter_point(nest_eval *e, ir_expr *out, const ir_expr *body, ir_scalar op)
{
    const ir_type *t = ir_type_of(e->g, e->n->operands[0]);
    ir_expr idx[IR_MAX_RANK], x = eval_at_point(e, body[0]);
    size_t place;
    for (int i = 0; i < t->rank; i++)
        if ((idx[i] = eval_at_point(e, body[i + 1])) == IR_NONE) return false;
    if (x == IR_NONE || !eval_place_of(e->g, t, idx, &place)) return false;
    out[place] = op == IR_X_NONE ? x : ir_x_2(e->g, op, out[place], x);
    return out[place] != IR_NONE;
}

static bool eval_scatter(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    nest_eval e;
    size_t ndata;
    const char *kind = ir_attr_str(g, n, IR_KEY_kind);
    ir_scalar op = combine_op(kind);
    if (!eval_begin(&e, g, n) || (op == IR_X_NONE && strcmp(kind, "set") != 0)) return false;
    const ir_expr *data = ir_content(g, n->operands[0], &ndata);
    if ((int64_t)ndata != count) return false;
    memcpy(out, data, ndata * sizeof *out);
    for (int64_t i = 0; i < e.points; i++, next_point(&e))
        if (!scatter_point(&e, out, eval_body_of(n), op)) return false;
    return true;
}

static bool eval_reshape(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    size_t known;
    const ir_expr *content = ir_content(g, n->operands[0], &known);
    if (!content || (int64_t)known != count) return false;
    memcpy(out, content, known * sizeof *out);
    return true;
}

/* Rows of all operands one after another, for every place before the axis. */
static bool eval_concat(ir_graph *g, const ir_node *n, ir_expr *out, int64_t count)
{
    if (!operands_known(g, n)) return false;
    const ir_type *t = ir_type_of(g, n->results[0]);
    int64_t outer = 1, size, done = 0;
    for (int64_t i = 0, axis = ir_attr_int(n, IR_KEY_axis, 0); i < axis; i++)
        if (!ir_dim_is_const(g, t->dims[i], &size) || (outer *= size) == 0) return count == 0;
    for (int64_t o = 0; o < outer; o++) {
        for (uint32_t k = 0; k < n->noperands; k++) {
            size_t total;
            const ir_expr *content = ir_content(g, n->operands[k], &total);
            int64_t row = (int64_t)total / outer;
            if (row > count - done) return false;
            if (row) memcpy(out + done, content + o * row, (size_t)row * sizeof *out);
            done += row;
        }
    }
    return done == count;
}

/* ---- entry ---- */

typedef bool (*eval_op)(ir_graph *, const ir_node *, ir_expr *out, int64_t count);

static const eval_op table[IR_OP_COUNT] = {
    [IR_OP_VALUES] = eval_values,   [IR_OP_MAP] = eval_map,         [IR_OP_VIEW] = eval_map,
    [IR_OP_REDUCE] = eval_reduce,   [IR_OP_CONTRACT] = eval_reduce, [IR_OP_SCATTER] = eval_scatter,
    [IR_OP_RESHAPE] = eval_reshape, [IR_OP_CONCAT] = eval_concat,
};

/* Whether e, written as a tree, has at most *budget nodes. */
static bool is_short(const ir_graph *g, ir_expr e, int *budget)
{
    if (--*budget < 0) return false;
    const ir_expr_node *n = ir_expr_get(g, e);
    for (int i = 0; i < n->nargs; i++)
        if (!is_short(g, n->args[i], budget)) return false;
    return true;
}

/* Storing rounds, moving does not; the type check is for texts that the verifier will refuse. */
static ir_expr stored(ir_graph *g, const ir_node *n, ir_elem elem, ir_expr e)
{
    int budget = MAX_ELEMENT;
    if (ir_expr_get(g, e)->type != ir_elem_arith(elem) || !is_short(g, e, &budget)) return IR_NONE;
    return ir_op_is(n->op, IR_TRAIT_KEEPS) ? e : ir_x_cast(g, e, elem);
}

void ir_eval_node(ir_graph *g, ir_node_id id)
{
    const ir_node *n = &g->nodes[id];
    ir_expr out[IR_MAX_CONTENT];
    int64_t count;
    if (!table[n->op]) return;
    ir_value_info *info = &g->values[n->results[0]];
    if (!small_count(g, &info->type, &count) || !table[n->op](g, n, out, count)) return;
    for (int64_t i = 0; i < count; i++)
        if ((out[i] = stored(g, n, info->type.elem, out[i])) == IR_NONE) return;
    info->content = ir_copy(g->arena, out, (size_t)count, sizeof *out);
    info->ncontent = (uint32_t)count;
}
