/* Nests of the graph -> kernels and the steps that run them.
 *
 * In: map, reduce, contract, arg_reduce, cumulate, scatter, view, concat, values and guard nodes.
 * Out: a cg_nest each, found again by its canonical text so that equal ones share one kernel, and
 * a KERNEL step with this node's buffers and sizes. A scatter runs in place on its data or a copy;
 * a part of a concat is stored there by its own nest, or copied by a map (parts.c); a view that is
 * no alias is a copying map. */
#include "codegen/lower/lower.h"

#include <string.h>

static const char *const combine_names[] = {
    [CG_SUM] = "sum", [CG_PROD] = "prod", [CG_MAX] = "max", [CG_MIN] = "min",
    [CG_AND] = "and", [CG_OR] = "or",     [CG_SET] = "set",
};

const char *cg_combine_name(cg_combine combine) { return combine_names[combine]; }

lathe_status cg_read_combine(cg_lowering *lw, const char *kind, size_t length, cg_combine *out)
{
    *out = CG_SUM;
    if (!length) return LATHE_OK;
    for (size_t i = 0; i < sizeof combine_names / sizeof *combine_names; i++)
        if (strlen(combine_names[i]) == length && memcmp(kind, combine_names[i], length) == 0) {
            *out = (cg_combine)i;
            return LATHE_OK;
        }
    return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "unknown kind '%.*s'", (int)length, kind);
}

/* ---- kernels ---- */

static uint32_t add_kernel(cg_lowering *lw, const cg_nest *nest, const char *key)
{
    cg_program *p = lw->p;
    cg_kernel k = {.nest = *nest,
                   .key = ir_format(p->arena, "%s", key),
                   .name = ir_format(p->arena, "%s_%zu", cg_family_of(nest)->name, p->nkernels)};
    return CG_PUSH(p, kernels, k);
}

/* Number of the kernel of a nest, which gets its params. */
static uint32_t kernel_of(cg_lowering *lw, cg_nest *nest)
{
    const char *text = cg_nest_key(lw, nest);
    uint64_t key = cg_hash_text(text);
    for (;; key++) {
        uint32_t at = cg_map_get(&lw->kernels, key, LATHE_NO_SLOT);
        if (at == LATHE_NO_SLOT) break;
        if (strcmp(lw->p->kernels[at].key, text) == 0) return at;
    }
    uint32_t at = add_kernel(lw, nest, text);
    cg_map_put(lw->p->arena, &lw->kernels, key, at);
    return at;
}

/* Expression nodes that are evaluated at a point, roughly: those that the key lists. */
static int64_t count_nodes(const char *key)
{
    int64_t n = 1;
    for (; *key; key++) n += *key == ';';
    return n;
}

/* What the nest multiplies in, if it is a product of matrices or a sum of products in its place. */
static const char *precision_of(const ir_graph *g, const cg_nest *n)
{
    if (cg_has(n, CG_TERMS)) {
        if (n->gemm->codes.code)
            return cg_code_precision(n->gemm->codes.code, n->gemm->narrow == CG_NARROW_I8);
        ir_elem elem = n->operands[0].elem;
        return ir_elem_name(ir_elem_is_int(elem) && ir_elem_bits(elem) <= 8 ? IR_I8 : elem);
    }
    if (!cg_has(n, CG_REDUCES) || n->combine != CG_SUM) return NULL;
    const ir_expr_node *x = ir_expr_get(g, n->body);
    if (x->op != IR_X_MUL) return NULL;
    bool loads = true;
    for (int i = 0; i < 2; i++) loads &= ir_expr_get(g, x->args[i])->op == IR_X_LOAD;
    return loads ? ir_elem_name(x->type) : x->type == IR_I32 ? ir_elem_name(IR_I8) : NULL;
}

/* What profiles are told of a step, see lathe_step in abi.h. An operand of 64-bit integers beside
 * others is an index, which reads fewer bytes than the widest element has. */
static void describe_cost(cg_lowering *lw, const cg_nest *n, lathe_step *step)
{
    ir_graph *g = lw->g;
    const char *precision = precision_of(g, n);
    if (precision) {
        ir_dim terms = ir_dim_product(g, n->space, n->rank);
        if (n->attention)
            terms = ir_dim_add(
                g, terms, ir_dim_product(g, n->attention->scores.space, n->attention->scores.rank));
        step->a = 1 + cg_slot(lw, terms);
        step->b = cg_string(lw, precision);
        return;
    }
    int64_t nodes = count_nodes(lw->p->kernels[step->func].key);
    int widest = ir_elem_bits(n->out.elem);
    for (size_t i = 0; i < n->noperands; i++) {
        int bits = ir_elem_bits(n->operands[i].elem);
        if (bits > widest && n->operands[i].elem != IR_I64) widest = bits;
    }
    if (nodes < 1 << 24) step->b = (uint32_t)nodes << 8 | (uint32_t)(widest + 7) / 8;
}

lathe_status cg_kernel_step(cg_lowering *lw, cg_nest *nest, const uint32_t *bufs)
{
    uint32_t func = kernel_of(lw, nest);
    cg_needs needs = cg_needs_of(lw->g, nest, count_nodes(lw->p->kernels[func].key));
    if (needs.scratch) cg_reserve_scratch(lw, needs.scratch);
    uint32_t *slots = IR_NEW_N(lw->p->arena, uint32_t, nest->nparams + 1);
    for (size_t i = 0; i < nest->nparams; i++) slots[i] = cg_slot(lw, nest->params[i]);
    lathe_step step = {.kind = LATHE_STEP_KERNEL,
                       .func = func,
                       .range = cg_slot(lw, needs.units),
                       .work = needs.work ? cg_slot(lw, needs.work) : LATHE_NO_SLOT};
    describe_cost(lw, nest, &step);
    cg_step(lw, step, bufs, cg_nest_buffers(nest), slots, nest->nparams);
    return lw->status;
}

/* bufs: of the operands; there is room for the result's. */
static lathe_status push_kernel_of(cg_lowering *lw, cg_nest *nest, uint32_t *bufs, uint32_t out)
{
    bufs[nest->noperands] = out;
    return cg_kernel_step(lw, nest, bufs);
}

static lathe_status push_kernel(cg_lowering *lw, cg_nest *nest, const ir_value *operands,
                                uint32_t out)
{
    uint32_t *bufs = IR_NEW_N(lw->p->arena, uint32_t, nest->noperands + 1);
    for (size_t i = 0; i < nest->noperands; i++) bufs[i] = cg_buffer(lw, operands[i]);
    return push_kernel_of(lw, nest, bufs, out);
}

/* ---- nests ---- */

cg_operand cg_operand_of(const ir_type *t)
{
    cg_operand o = {.elem = t->elem, .rank = t->rank};
    memcpy(o.dims, t->dims, sizeof o.dims);
    return o;
}

static void nest_set_space(cg_nest *n, const ir_dim *space, int rank)
{
    n->rank = rank;
    for (int i = 0; i < rank; i++) n->space[i] = space[i];
}

static void set_operands(cg_lowering *lw, cg_nest *n, const ir_value *values, size_t count)
{
    n->noperands = count;
    n->operands = IR_NEW_N(lw->p->arena, cg_operand, count + 1);
    for (size_t i = 0; i < count; i++) n->operands[i] = cg_operand_of(ir_type_of(lw->g, values[i]));
}

static void store_at_point(ir_graph *g, cg_nest *n)
{
    for (int i = 0; i < n->out.rank; i++) n->store[i] = ir_x_index(g, i);
}

static const cg_nest_kind kind_of[IR_OP_COUNT] = {
#define NODE(op, kind) [IR_OP_##op] = CG_NEST_##kind,
#include "codegen/kernels/kernels.def"
#undef NODE
};

/* What the attributes of a node in nest form say. */
lathe_status cg_read_nest(cg_lowering *lw, const ir_node *node, cg_nest *n)
{
    const ir_attr *space = ir_attr_find(node, IR_KEY_space),
                  *body = ir_attr_find(node, IR_KEY_body);
    const ir_attr *epilogue = ir_attr_find(node, IR_KEY_epilogue);
    if (!space || !body || !body->n || space->n > IR_MAX_SPACE)
        return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "a nest without space or body");
    for (uint32_t i = 0; i < node->noperands; i++)
        if (!node->operands[i])
            return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "operand %u is absent", i);
    *n = (cg_nest){.nred = (int)ir_attr_int(node, IR_KEY_nred, 0), .body = body->u.exprs[0]};
    if (epilogue) n->epilogue = epilogue->u.exprs[0];
    n->out = cg_operand_of(ir_type_of(lw->g, node->results[0]));
    nest_set_space(n, space->u.dims, (int)space->n);
    set_operands(lw, n, node->operands, node->noperands);
    store_at_point(lw->g, n);
    n->kind = kind_of[node->op];
    n->last = ir_attr_int(node, IR_KEY_last, 0) != 0;
    n->exclusive = ir_attr_int(node, IR_KEY_exclusive, 0) != 0;
    n->reverse = ir_attr_int(node, IR_KEY_reverse, 0) != 0;
    if (cg_family_of(n)->rows == CG_ROWS_ALL_BUT) n->axis = (int)ir_attr_int(node, IR_KEY_axis, 0);
    if (node->op == IR_OP_ROW) return LATHE_OK;
    const char *kind = ir_attr_str(lw->g, node, IR_KEY_kind);
    return cg_read_combine(lw, kind, strlen(kind), &n->combine);
}

lathe_status cg_lower_nest(cg_lowering *lw, const ir_node *node)
{
    cg_nest n;
    if (cg_lower_extremes(lw, node)) return lw->status;
    TRY(cg_read_nest(lw, node, &n));
    ir_value result = cg_store_as_part(lw, node->results[0], &n);
    bool own = result == node->results[0];
    if (n.kind == CG_NEST_REDUCE && lw->level > 0 &&
        cg_lower_product(lw, node, &n, result, lw->encoded[lw->node]))
        return lw->status;
    if (n.kind == CG_NEST_ROW) TRY(cg_read_row(lw, node, &n));
    if (n.kind == CG_NEST_ROW && own) cg_row_in_place(lw, node, &n);
    if (n.kind == CG_NEST_MAP && own) cg_map_in_place(lw, node);
    uint32_t *bufs = IR_NEW_N(lw->p->arena, uint32_t, 3 * n.noperands + 2);
    uint32_t out = cg_buffer(lw, result);
    cg_read_panels(lw, node, &n, bufs);
    cg_give_extremes(lw, node->results[0], &n, bufs);
    return push_kernel_of(lw, &n, bufs, out);
}

lathe_status cg_lower_view(cg_lowering *lw, const ir_node *node)
{
    if (cg_root(lw, node->results[0]) != node->results[0]) return LATHE_OK;
    return cg_lower_nest(lw, node);
}

/* The result starts as operand 0; then every point of the space combines into its place. */
lathe_status cg_lower_scatter(cg_lowering *lw, const ir_node *node)
{
    cg_nest n;
    TRY(cg_read_nest(lw, node, &n));
    const ir_attr *body = ir_attr_find(node, IR_KEY_body);
    if (body->n != (size_t)n.out.rank + 1)
        return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "%zu indices for rank %d", body->n - 1,
                         n.out.rank);
    for (int i = 0; i < n.out.rank; i++) n.store[i] = body->u.exprs[i + 1];
    bool in_place = cg_scatter_in_place(lw, node);
    uint32_t out = cg_buffer(lw, node->results[0]), data = cg_buffer(lw, node->operands[0]);
    if (!in_place)
        cg_copy(lw, data, out, cg_slot(lw, cg_bytes(lw->g, ir_type_of(lw->g, node->results[0]))));
    return push_kernel(lw, &n, node->operands, out);
}

/* ---- concat ---- */

/* Part `v` of a concat, as a copy of outer x inner elements to a place `at` elements into each of
 * the result's outer rows; with one outer row, of the axis' rows, so that there are many. */
static lathe_status copy_part(cg_lowering *lw, ir_value v, const ir_type *to, int axis,
                              ir_dim before, uint32_t out)
{
    ir_graph *g = lw->g;
    const ir_type *from = ir_type_of(g, v);
    int tail = to->rank - axis - 1;
    ir_dim outer = ir_dim_product(g, to->dims, axis),
           inner = ir_dim_product(g, to->dims + axis + 1, tail);
    bool single = ir_dim_equals(g, outer, 1);
    ir_dim space[2] = {outer, ir_dim_mul(g, from->dims[axis], inner)};
    ir_dim whole[2] = {outer, ir_dim_mul(g, to->dims[axis], inner)};
    ir_dim offset = single ? before : ir_dim_mul(g, before, inner);
    if (single) {
        space[0] = from->dims[axis];
        whole[0] = to->dims[axis];
        space[1] = whole[1] = inner;
    }
    ir_expr index[2] = {ir_x_index(g, 0), ir_x_index(g, 1)};
    cg_nest n = {.kind = CG_NEST_MAP, .out = {.elem = to->elem, .rank = 2}};
    cg_operand operand = {.elem = from->elem, .rank = 2};
    nest_set_space(&n, space, 2);
    memcpy(n.out.dims, whole, sizeof whole);
    memcpy(operand.dims, space, sizeof space);
    n.noperands = 1;
    n.operands = ir_copy(lw->p->arena, &operand, 1, sizeof operand);
    n.body = ir_x_load(g, ir_elem_arith(from->elem), 0, index, 2);
    store_at_point(g, &n);
    n.store[single ? 0 : 1] = ir_x_2(g, IR_X_ADD, index[single ? 0 : 1], ir_x_dim(g, offset));
    return push_kernel(lw, &n, &v, out);
}

void cg_step_past(cg_lowering *lw)
{
    lathe_step past = {.kind = LATHE_STEP_PAST, .range = LATHE_NO_SLOT, .work = LATHE_NO_SLOT};
    cg_step(lw, past, NULL, 0, NULL, 0);
}

lathe_status cg_lower_concat(cg_lowering *lw, const ir_node *node)
{
    const ir_type *to = ir_type_of(lw->g, node->results[0]);
    int axis = (int)ir_attr_int(node, IR_KEY_axis, 0);
    uint32_t out = cg_buffer(lw, node->results[0]);
    ir_dim before = ir_dim_const(lw->g, 0);
    if (ir_elem_arith(to->elem) == IR_ELEM_NONE) return lw->status;
    for (uint32_t i = 0; i < node->noperands; i++) {
        ir_value v = node->operands[i];
        if (!i && !lw->part[v] && ir_attr_find(node, IR_KEY_capacity)) cg_step_past(lw);
        if (!lw->part[v]) TRY(copy_part(lw, v, to, axis, before, out));
        before = ir_dim_add(lw->g, before, ir_type_of(lw->g, v)->dims[axis]);
    }
    return LATHE_OK;
}

/* ---- values ---- */

/* Element of [from, to) that the index selects, by halving. */
static ir_expr nest_choose(ir_graph *g, const ir_expr *items, size_t from, size_t to)
{
    if (to - from == 1) return items[from];
    size_t middle = from + (to - from) / 2;
    ir_expr low = ir_x_2(g, IR_X_LT, ir_x_index(g, 0), ir_x_int(g, IR_I64, (int64_t)middle));
    return ir_x_select(g, low, nest_choose(g, items, from, middle),
                       nest_choose(g, items, middle, to));
}

lathe_status cg_lower_values(cg_lowering *lw, const ir_node *node)
{
    const ir_attr *body = ir_attr_find(node, IR_KEY_body);
    const ir_type *t = ir_type_of(lw->g, node->results[0]);
    uint32_t out = cg_buffer(lw, node->results[0]);
    if (!body || !body->n) return lw->status;
    ir_dim count = ir_dim_const(lw->g, (int64_t)body->n);
    cg_nest n = {.kind = CG_NEST_MAP, .out = {.elem = t->elem, .rank = 1}};
    n.out.dims[0] = count;
    nest_set_space(&n, &count, 1);
    n.body = nest_choose(lw->g, body->u.exprs, 0, body->n);
    store_at_point(lw->g, &n);
    return push_kernel(lw, &n, NULL, out);
}

/* ---- guard ---- */

/* All elements' conditions are reduced to one bool, which a GUARD step looks at. */
lathe_status cg_lower_guard(cg_lowering *lw, const ir_node *node)
{
    const ir_attr *space = ir_attr_find(node, IR_KEY_space),
                  *body = ir_attr_find(node, IR_KEY_body);
    const ir_type *t = ir_type_of(lw->g, node->operands[0]);
    if (!body || !body->n)
        return cg_refuse(lw, LATHE_INTERNAL, IR_NONE, "a guard without a condition");
    cg_nest n = {.kind = CG_NEST_REDUCE,
                 .combine = CG_AND,
                 .out = {.elem = IR_BOOL},
                 .body = body->u.exprs[0]};
    nest_set_space(&n, space ? space->u.dims : t->dims, space ? (int)space->n : t->rank);
    n.nred = n.rank;
    set_operands(lw, &n, node->operands, node->noperands);
    uint32_t out = cg_buffer_new(lw, LATHE_BUF_ARENA, 0, cg_slot(lw, ir_dim_const(lw->g, 1)));
    TRY(push_kernel(lw, &n, node->operands, out));
    const char *text = ir_attr_str(lw->g, node, IR_KEY_kind);
    lathe_step step = {.kind = LATHE_STEP_GUARD,
                       .a = cg_string(lw, text),
                       .range = LATHE_NO_SLOT,
                       .work = LATHE_NO_SLOT};
    cg_step(lw, step, &out, 1, NULL, 0);
    return lw->status;
}
