/* Building a graph: blocks, nodes and the plain constructors.
 *
 * In: operands, attributes in any order. Out: a node at the end of the builder's block whose
 * results have types and, where it is known, content. Invariant: a node that cannot be built (a
 * missing operand, a size that overflowed, an inference error) leaves the graph as it was.
 * Guards recorded since the last node was made were needed by the new one, which is how a guard
 * gets the node that its message names. */
#include "ir/pool.h"

#include <string.h>

ir_graph *ir_graph_new(ir_arena *arena, lathe_diag *diag, const char *name, const char *file)
{
    ir_graph *g = IR_NEW(arena, ir_graph);
    *g = (ir_graph){
        .arena = arena, .diag = diag, .nvalues = 1, .nnodes = 1, .nblocks = 1, .nsyms = 1};
    g->pool = ir_pool_new(arena);
    g->values = ir_grow(arena, NULL, &g->cap_values, 64, sizeof *g->values);
    g->nodes = ir_grow(arena, NULL, &g->cap_nodes, 64, sizeof *g->nodes);
    g->syms = ir_grow(arena, NULL, &g->cap_syms, 8, sizeof *g->syms);
    g->name = ir_intern(g, name);
    g->file = ir_intern(g, file);
    ir_block_new(g, IR_NONE);
    return g;
}

diag_place ir_place(const ir_builder *b, ir_value v)
{
    const ir_graph *g = b->g;
    return (diag_place){.file = ir_text(g, g->file),
                        .node = ir_text(g, b->name),
                        .op = ir_text(g, b->origin),
                        .tensor = ir_text(g, g->values[v].name),
                        .version = b->version};
}

lathe_status ir_mismatch(const ir_builder *b, ir_value v, const char *what, const char *found,
                         const char *expected)
{
    const diag_place place = ir_place(b, v);
    return diag_mismatch(b->g->diag, LATHE_BAD_INPUT, &place, what, found, expected);
}

lathe_status ir_fail(const ir_builder *b, lathe_status status, ir_value v, const char *format, ...)
{
    const ir_graph *g = b->g;
    const diag_place place = ir_place(b, v);
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(g->arena, format, args);
    va_end(args);
    return diag_add(g->diag, status, &place, "%s", text);
}

/* ---- blocks and values ---- */

ir_block_id ir_block_new(ir_graph *g, ir_node_id parent)
{
    g->blocks = ir_grow(g->arena, g->blocks, &g->cap_blocks, g->nblocks + 1, sizeof *g->blocks);
    g->blocks[g->nblocks] = (ir_block){.parent = parent};
    return (ir_block_id)g->nblocks++;
}

static ir_value new_value(ir_graph *g, ir_value_info info)
{
    g->values = ir_grow(g->arena, g->values, &g->cap_values, g->nvalues + 1, sizeof *g->values);
    g->values[g->nvalues] = info;
    return (ir_value)g->nvalues++;
}

ir_value ir_param(ir_graph *g, ir_block_id block, const ir_type *type, const char *name)
{
    ir_block *b = &g->blocks[block];
    b->params = ir_grow(g->arena, b->params, &b->cap_params, b->nparams + 1, sizeof *b->params);
    ir_value v = new_value(g, (ir_value_info){.type = *type,
                                              .index = (uint32_t)b->nparams,
                                              .block = block,
                                              .name = ir_intern(g, name)});
    return b->params[b->nparams++] = v;
}

void ir_result(ir_graph *g, ir_block_id block, ir_value v)
{
    ir_block *b = &g->blocks[block];
    size_t cap = b->cap_results; /* of output_names too: both grow here only */
    b->results =
        ir_grow(g->arena, b->results, &b->cap_results, b->nresults + 1, sizeof *b->results);
    if (block == 1)
        g->output_names =
            ir_grow(g->arena, g->output_names, &cap, b->nresults + 1, sizeof *g->output_names);
    b->results[b->nresults++] = v;
}

void ir_output(ir_graph *g, ir_value v, const char *name)
{
    ir_result(g, 1, v);
    g->output_names[g->blocks[1].nresults - 1] = ir_intern(g, name);
}

/* ---- attributes ---- */

const ir_attr *ir_attr_find(const ir_node *n, ir_key key)
{
    for (uint32_t i = 0; i < n->nattrs; i++)
        if (n->attrs[i].key == key) return &n->attrs[i];
    return NULL;
}

int64_t ir_attr_int(const ir_node *n, ir_key key, int64_t otherwise)
{
    const ir_attr *a = ir_attr_find(n, key);
    return a ? a->u.i : otherwise;
}

const char *ir_attr_str(const ir_graph *g, const ir_node *n, ir_key key)
{
    const ir_attr *a = ir_attr_find(n, key);
    return a ? ir_text(g, a->u.s) : "";
}

ir_attr ir_a_int(ir_key key, int64_t v) { return (ir_attr){.key = key, .u.i = v}; }
ir_attr ir_a_float(ir_key key, double v) { return (ir_attr){.key = key, .u.f = v}; }

ir_attr ir_a_str(ir_graph *g, ir_key key, const char *s)
{
    ir_attr a = {.key = key};
    a.u.s = ir_intern(g, s);
    return a;
}

#define LIST_ATTR(suffix, type)                                                                    \
    ir_attr ir_a_##suffix(ir_graph *g, ir_key key, const type *list, size_t n)                     \
    {                                                                                              \
        ir_attr a = {.key = key, .n = n};                                                          \
        a.u.suffix = ir_copy(g->arena, list, n, sizeof *list);                                     \
        return a;                                                                                  \
    }
LIST_ATTR(ints, int64_t)
LIST_ATTR(floats, double)
LIST_ATTR(dims, ir_dim)
LIST_ATTR(exprs, ir_expr)
LIST_ATTR(syms, ir_sym)
#undef LIST_ATTR

/* Dims that overflowed and expressions that are ill-typed are IR_NONE. */
static bool attr_complete(const ir_attr *a)
{
    ir_attr_kind kind = ir_key_kind(a->key);
    for (size_t i = 0; i < a->n; i++) {
        if (kind == IR_ATTR_DIMS && a->u.dims[i] == IR_NONE) return false;
        if (kind == IR_ATTR_EXPRS && a->u.exprs[i] == IR_NONE) return false;
    }
    return true;
}

static ir_attr *sorted_attrs(ir_graph *g, const ir_attr *attrs, size_t n)
{
    ir_attr *sorted = IR_NEW_N(g->arena, ir_attr, n);
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1].key > attrs[i].key; at--) sorted[at] = sorted[at - 1];
        sorted[at] = attrs[i];
    }
    return sorted;
}

/* ---- nodes ---- */

/* Operands past the least number may be absent where the number is limited, and in calls. */
static bool may_be_absent(ir_op op, size_t k)
{
    const ir_op_info *info = ir_op_get(op);
    return op == IR_OP_CALL || (info->operands_max >= 0 && k >= (size_t)info->operands_min);
}

static bool operands_present(ir_op op, const ir_value *operands, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (operands[k] == IR_NONE && !may_be_absent(op, k)) return false;
    return true;
}

static lathe_status check_count(ir_builder *b, ir_op op, const char *what, size_t got, int min,
                                int max)
{
    if (got >= (size_t)min && (max < 0 || got <= (size_t)max)) return LATHE_OK;
    const char *most = max < 0 ? "or more" : ir_format(b->g->arena, "to %d", max);
    return ir_fail(b, LATHE_BAD_INPUT, IR_NONE, "%s has %zu %s, expected %d %s",
                   ir_op_get(op)->name, got, what, min, most);
}

static lathe_status check_counts(ir_builder *b, ir_op op, size_t noperands, size_t nresults,
                                 size_t nregions)
{
    const ir_op_info *info = ir_op_get(op);
    int least = info->results < 0 ? 0 : info->results;
    TRY(check_count(b, op, "operands", noperands, info->operands_min, info->operands_max));
    TRY(check_count(b, op, "results", nresults, least, info->results));
    return check_count(b, op, "regions", nregions, info->regions, info->regions);
}

/* The node with results of the given types, not yet in any block. */
static ir_node_id add_node(ir_builder *b, ir_node node, const ir_type *types)
{
    ir_graph *g = b->g;
    g->nodes = ir_grow(g->arena, g->nodes, &g->cap_nodes, g->nnodes + 1, sizeof *g->nodes);
    ir_node_id id = (ir_node_id)g->nnodes++;
    node.results = IR_NEW_N(g->arena, ir_value, node.nresults);
    for (uint32_t i = 0; i < node.nresults; i++) {
        ir_value_info info = {.def = id, .index = i, .block = b->block};
        if (types) info.type = types[i];
        node.results[i] = new_value(g, info);
    }
    g->nodes[id] = node;
    return id;
}

/* A node of the same region has this guard already. */
static bool is_guarded(const ir_graph *g, const ir_guard *guard, ir_block_id block)
{
    for (size_t i = 0; i < g->guards_owned; i++) {
        const ir_guard *known = &g->guards[i];
        bool same = known->a == guard->a && known->b == guard->b && known->or_one == guard->or_one;
        if (same && g->nodes[known->node].block == block) return true;
    }
    return false;
}

/* The guards recorded since the last node was made are this one's. */
static void own_guards(ir_graph *g, ir_node_id id)
{
    if (g->guards_owned > g->nguards) g->guards_owned = g->nguards; /* an import was undone */
    size_t kept = g->guards_owned;
    for (size_t i = kept; i < g->nguards; i++) {
        ir_guard guard = g->guards[i];
        if (guard.node == IR_NONE) guard.node = id;
        if (!is_guarded(g, &guard, g->nodes[guard.node].block)) g->guards[kept++] = guard;
    }
    g->nguards = g->guards_owned = kept;
}

static void append_node(ir_graph *g, ir_block_id block, ir_node_id id)
{
    ir_block *b = &g->blocks[block];
    b->nodes = ir_grow(g->arena, b->nodes, &b->cap_nodes, b->nnodes + 1, sizeof *b->nodes);
    b->nodes[b->nnodes++] = id;
    const ir_node *n = &g->nodes[id];
    for (uint32_t i = 0; i < n->nregions; i++) g->blocks[n->regions[i]].parent = id;
    own_guards(g, id);
}

ir_node_id ir_node_new(ir_builder *b, ir_op op, const ir_value *operands, size_t n,
                       const ir_attr *attrs, size_t nattrs, const ir_type *types, size_t nresults,
                       const ir_block_id *regions, size_t nregions)
{
    ir_graph *g = b->g;
    bool limited = ir_op_get(op)->operands_max >= 0;
    while (limited && n > (size_t)ir_op_get(op)->operands_min && operands[n - 1] == IR_NONE) n--;
    if (!operands_present(op, operands, n)) return IR_NONE;
    for (size_t i = 0; i < nattrs; i++)
        if (!attr_complete(&attrs[i])) return IR_NONE;
    if (check_counts(b, op, n, nresults, nregions) != LATHE_OK) return IR_NONE;
    size_t values = g->nvalues, nodes = g->nnodes, guards = g->nguards;
    ir_node node = {.op = op,
                    .block = b->block,
                    .noperands = (uint32_t)n,
                    .nresults = (uint32_t)nresults,
                    .nregions = (uint32_t)nregions,
                    .nattrs = (uint32_t)nattrs,
                    .name = b->name,
                    .origin = b->origin,
                    .origins = b->origins};
    node.operands = ir_copy(g->arena, operands, n, sizeof *operands);
    node.regions = ir_copy(g->arena, regions, nregions, sizeof *regions);
    node.attrs = sorted_attrs(g, attrs, nattrs);
    ir_node_id id = add_node(b, node, types);
    if (ir_infer_node(g, id) != LATHE_OK) {
        g->nvalues = values;
        g->nnodes = nodes;
        g->nguards = guards;
        return IR_NONE;
    }
    append_node(g, b->block, id);
    ir_eval_node(g, id);
    return id;
}

static ir_value new_value_node(ir_builder *b, ir_op op, const ir_value *operands, size_t n,
                               const ir_attr *attrs, size_t nattrs, const ir_type *type)
{
    ir_node_id id = ir_node_new(b, op, operands, n, attrs, nattrs, type, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : b->g->nodes[id].results[0];
}

/* ---- constructors ---- */

ir_value ir_const(ir_builder *b, const ir_type *type, const ir_blob *blob)
{
    ir_attr data = {.key = IR_KEY_data};
    data.u.blob = *blob;
    return new_value_node(b, IR_OP_CONST, NULL, 0, &data, 1, type);
}

ir_value ir_const_ints(ir_builder *b, ir_elem elem, int rank, const int64_t *dims,
                       const int64_t *values)
{
    ir_graph *g = b->g;
    ir_type type = {.elem = elem, .rank = rank};
    int64_t count = 1, size;
    if (rank < 0 || rank > IR_MAX_RANK) return IR_NONE;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count)) return IR_NONE;
        type.dims[i] = ir_dim_const(g, dims[i]);
    }
    if (!ir_elem_bytes(elem, count, &size)) return IR_NONE;
    void *bytes = ir_alloc(g->arena, (size_t)size, 1);
    for (int64_t i = 0; i < count; i++) {
        ir_scalar_value v = {.i = values[i]};
        if (ir_elem_is_float(elem)) v.f = (double)values[i];
        if (!ir_blob_put(elem, bytes, i, v)) return IR_NONE;
    }
    return ir_const(b, &type, &(ir_blob){.bytes = bytes, .size = (size_t)size});
}

ir_value ir_values(ir_builder *b, ir_elem elem, int rank, const ir_dim *dims, const ir_expr *body,
                   size_t n)
{
    ir_graph *g = b->g;
    ir_attr attrs[] = {ir_a_str(g, IR_KEY_elem, ir_elem_name(elem)),
                       ir_a_dims(g, IR_KEY_dims, dims, (size_t)rank),
                       ir_a_exprs(g, IR_KEY_body, body, n)};
    return new_value_node(b, IR_OP_VALUES, NULL, 0, attrs, 3, NULL);
}

ir_value ir_scalar_const(ir_builder *b, ir_elem elem, double v)
{
    ir_elem arith = ir_elem_arith(elem);
    if (arith == IR_ELEM_NONE) return IR_NONE;
    ir_expr e = ir_x_cast(b->g, ir_x_num(b->g, arith, v), elem);
    return ir_values(b, elem, 0, NULL, &e, 1);
}

static bool same_dims(const ir_type *t, int rank, const ir_dim *dims)
{
    if (t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (t->dims[i] != dims[i]) return false;
    return true;
}

ir_value ir_reshape(ir_builder *b, ir_value v, int rank, const ir_dim *dims)
{
    if (v == IR_NONE) return IR_NONE;
    if (same_dims(ir_type_of(b->g, v), rank, dims)) return v;
    ir_attr attr = ir_a_dims(b->g, IR_KEY_dims, dims, (size_t)rank);
    return new_value_node(b, IR_OP_RESHAPE, &v, 1, &attr, 1, NULL);
}

ir_value ir_concat(ir_builder *b, const ir_value *v, size_t n, int axis)
{
    if (n == 1) return v[0];
    ir_attr attr = ir_a_int(IR_KEY_axis, axis);
    return new_value_node(b, IR_OP_CONCAT, v, n, &attr, 1, NULL);
}
