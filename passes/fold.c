/* fold: nodes of small constants become constants.
 *
 * In: nodes all of whose operands are constants. Out: the constant, if computing it here gives
 * bit for bit what the compiled node would give on every machine: moving elements, integers, and
 * float operations that IEEE 754 defines to the last bit. What is indexed by a checked index stays:
 * its failure belongs to the run. A result that is larger than what it is made from stays a node,
 * which reads less memory than its elements would. Where code can be run, everything else that
 * depends on constants alone follows (fold_batch.c). */
#include "passes/fold.h"
#include "passes/rewrite.h"

#include <string.h>

enum { MAX_ELEMENTS = 4096, ALWAYS = 64, MAX_BODY = 1000 };

typedef struct folder {
    ir_graph *g;
    const ir_node *n;
    int rank;
    int64_t size[IR_MAX_SPACE], at[IR_MAX_SPACE];
} folder;

bool fold_static_count(const ir_graph *g, const ir_dim *dims, int n, int64_t *sizes, int64_t *count)
{
    int64_t size;
    *count = 1;
    for (int i = 0; i < n; i++) {
        if (!ir_dim_is_const(g, dims[i], &size) || size < 0 ||
            __builtin_mul_overflow(*count, size, count))
            return false;
        if (sizes) sizes[i] = size;
    }
    return true;
}

const ir_blob *fold_blob_of(const ir_graph *g, ir_value v)
{
    const ir_node *def = v == IR_NONE ? &g->nodes[IR_NONE] : &g->nodes[g->values[v].def];
    return def->op == IR_OP_CONST ? &ir_attr_find(def, IR_KEY_data)->u.blob : NULL;
}

/* ---- what may be evaluated ---- */

/* Looks at no more than *budget nodes: a shared DAG can be a huge tree. */
static bool is_exact(const ir_graph *g, ir_expr e, int *budget)
{
    const ir_expr_node *n = ir_expr_get(g, e);
    if (--*budget < 0) return false;
    bool rounds = n->op == IR_X_FLOORDIV || ir_x_op_is(n->op, IR_X_FUNCTION);
    if (n->op == IR_X_CHECK || n->op == IR_X_DIM || (rounds && ir_elem_is_float(n->type)))
        return false;
    for (int i = 0; i < n->nargs; i++)
        if (!is_exact(g, n->args[i], budget)) return false;
    return true;
}

/* All operands are constants, and the result is not much larger than they are. */
static bool is_worthwhile(const ir_graph *g, const ir_node *n, int64_t count)
{
    int64_t sizes[IR_MAX_RANK], total = 0, each;
    for (uint32_t i = 0; i < n->noperands; i++) {
        if (!fold_blob_of(g, n->operands[i])) return false;
        const ir_type *t = ir_type_of(g, n->operands[i]);
        if (!fold_static_count(g, t->dims, t->rank, sizes, &each)) return false;
        total += each < MAX_ELEMENTS ? each : MAX_ELEMENTS;
    }
    return n->noperands && count <= MAX_ELEMENTS && (count <= ALWAYS || count <= total);
}

/* ---- evaluation ---- */

/* Row-major place of an element; false: outside. */
static bool fold_place_of(const ir_graph *g, const ir_type *t, const int64_t *idx, int64_t *place)
{
    *place = 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t size;
        if (!ir_dim_is_const(g, t->dims[i], &size) || idx[i] < 0 || idx[i] >= size) return false;
        *place = *place * size + idx[i];
    }
    return true;
}

static bool fold_load(void *ctx, int operand, const int64_t *idx, int n, ir_scalar_value *out)
{
    const folder *f = ctx;
    int64_t place;
    (void)n;
    const ir_type *t = ir_type_of(f->g, f->n->operands[operand]);
    return fold_place_of(f->g, t, idx, &place) &&
           ir_blob_get(t->elem, fold_blob_of(f->g, f->n->operands[operand]), place, out);
}

static void next_point(folder *f)
{
    for (int i = f->rank; i-- > 0;) {
        if (++f->at[i] < f->size[i]) return;
        f->at[i] = 0;
    }
}

static bool map_element(const folder *f, ir_expr body, ir_elem elem, void *bytes, int64_t i)
{
    const ir_x_env env = {.ctx = (void *)(uintptr_t)f, .index = f->at, .load = fold_load};
    ir_scalar_value v;
    return ir_x_eval(f->g, body, &env, &v) && ir_blob_put(elem, bytes, i, v);
}

/* Views move bits, whatever they mean. */
static bool view_element(const folder *f, ir_expr body, ir_elem elem, void *bytes, int64_t i)
{
    const ir_x_env env = {.index = f->at};
    const ir_expr_node *x = ir_expr_get(f->g, body);
    int64_t idx[IR_MAX_RANK], place;
    for (int k = 0; k < x->nargs; k++) {
        ir_scalar_value v;
        if (!ir_x_eval(f->g, x->args[k], &env, &v)) return false;
        idx[k] = v.i;
    }
    if (!fold_place_of(f->g, ir_type_of(f->g, f->n->operands[0]), idx, &place)) return false;
    ir_bits_set(
        bytes, ir_elem_bits(elem), i,
        ir_bits_get(fold_blob_of(f->g, f->n->operands[0])->bytes, ir_elem_bits(elem), place));
    return true;
}

static bool fold_points(folder *f, ir_elem elem, int64_t count, void *bytes)
{
    ir_expr body = ir_attr_find(f->n, IR_KEY_body)->u.exprs[0];
    const ir_attr *space = ir_attr_find(f->n, IR_KEY_space);
    int64_t points;
    int budget = MAX_BODY;
    f->rank = (int)space->n;
    if (!fold_static_count(f->g, space->u.dims, f->rank, f->size, &points) || points != count)
        return false;
    if (!is_exact(f->g, body, &budget)) return false;
    for (int64_t i = 0; i < count; i++, next_point(f)) {
        bool done = f->n->op == IR_OP_VIEW ? view_element(f, body, elem, bytes, i)
                                           : map_element(f, body, elem, bytes, i);
        if (!done) return false;
    }
    return true;
}

/* Rows of all operands, one after another, for every place before the axis. */
static bool fold_concat(const folder *f, ir_elem elem, int64_t count, void *bytes)
{
    int64_t done = 0, axis = ir_attr_int(f->n, IR_KEY_axis, 0), sizes[IR_MAX_RANK], outer, total;
    const ir_type *t = ir_type_of(f->g, f->n->results[0]);
    int bits = ir_elem_bits(elem);
    if (!fold_static_count(f->g, t->dims, (int)axis, sizes, &outer)) return false;
    for (int64_t o = 0; o < outer; o++) {
        for (uint32_t k = 0; k < f->n->noperands; k++) {
            const ir_type *part = ir_type_of(f->g, f->n->operands[k]);
            if (!fold_static_count(f->g, part->dims, part->rank, sizes, &total) ||
                total / outer > count - done)
                return false;
            for (int64_t i = 0; i < total / outer; i++, done++)
                ir_bits_set(bytes, bits, done,
                            ir_bits_get(fold_blob_of(f->g, f->n->operands[k])->bytes, bits,
                                        o * (total / outer) + i));
        }
    }
    return done == count;
}

/* The same bytes with other dims. */
static bool fold_reshape(pass_sweep *s, const ir_node *n)
{
    const ir_blob *bytes = fold_blob_of(s->g, n->operands[0]);
    const ir_type type = *ir_type_of(s->g, n->results[0]);
    if (!bytes) return false;
    const ir_blob same = *bytes;
    ir_value v = ir_const(&s->b, &type, &same);
    if (v != IR_NONE) pass_replace(s, n->results[0], v);
    return v != IR_NONE;
}

static bool fold(pass_sweep *s, ir_node_id id)
{
    ir_graph *g = s->g;
    const ir_node n = g->nodes[id]; /* by value: building moves the array */
    if (n.op == IR_OP_RESHAPE) return fold_reshape(s, &n);
    folder f = {.g = g, .n = &n};
    int64_t count, size, sizes[IR_MAX_RANK];
    if (!ir_op_is(n.op, IR_TRAIT_POINTWISE)) return false;
    const ir_type type = *ir_type_of(g, n.results[0]);
    if (!fold_static_count(g, type.dims, type.rank, sizes, &count) || !is_worthwhile(g, &n, count))
        return false;
    if (!ir_elem_bytes(type.elem, count, &size) || ir_elem_arith(type.elem) == IR_ELEM_NONE)
        return false;
    void *bytes = ir_alloc(g->arena, (size_t)size, 1);
    bool done = n.op == IR_OP_CONCAT ? fold_concat(&f, type.elem, count, bytes)
                                     : fold_points(&f, type.elem, count, bytes);
    ir_value v =
        done ? ir_const(&s->b, &type, &(ir_blob){.bytes = bytes, .size = (size_t)size}) : IR_NONE;
    if (v != IR_NONE) pass_replace(s, n.results[0], v);
    return v != IR_NONE;
}

lathe_status pass_fold(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    pass_rewrite(g, fold, NULL);
    return options->evaluate ? fold_batch(g, options, diag) : LATHE_OK;
}
