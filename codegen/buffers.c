/* Values -> buffers: who shares memory with whom, where constants lie, and how long each lives.
 *
 * A value's memory is that of its root: reshapes, and views whose elements stand where the
 * operand's do, are no copies. A buffer lives from the first to the last step that touches it;
 * what a loop's body uses from outside lives to the loop's end, because the next turn reads it
 * again. Outputs are written by their producer where one value fills exactly one output. */
#include <string.h>

#include "codegen/lower.h"

/* ---- sharing ---- */

/* An i64 expression as konst + sum of coef[axis] * index(axis). */
typedef struct affine {
    ir_dim konst, coef[IR_MAX_SPACE];
} affine;

/* Nodes looked at before an expression counts as too complicated to be affine. */
enum { AFFINE_BUDGET = 256 };

static void scale(ir_graph *g, affine *a, ir_dim by)
{
    a->konst = ir_dim_mul(g, a->konst, by);
    for (int i = 0; i < IR_MAX_SPACE; i++) a->coef[i] = ir_dim_mul(g, a->coef[i], by);
}

static void add(ir_graph *g, affine *a, const affine *b)
{
    a->konst = ir_dim_add(g, a->konst, b->konst);
    for (int i = 0; i < IR_MAX_SPACE; i++) a->coef[i] = ir_dim_add(g, a->coef[i], b->coef[i]);
}

static bool read_affine(ir_graph *g, ir_expr x, affine *out, int *budget)
{
    const ir_expr_node *n = ir_expr_get(g, x);
    affine b;
    ir_dim k;
    out->konst = ir_dim_const(g, 0);
    for (int i = 0; i < IR_MAX_SPACE; i++) out->coef[i] = out->konst;
    if (ir_x_is_dim(g, x, &k)) {
        out->konst = k;
        return true;
    }
    if (n->op == IR_X_INDEX) {
        out->coef[n->imm] = ir_dim_const(g, 1);
        return true;
    }
    if (--*budget < 0 || (n->op != IR_X_ADD && n->op != IR_X_SUB && n->op != IR_X_MUL)) return false;
    if (n->op == IR_X_MUL) {
        int side = ir_x_is_dim(g, n->args[0], &k) ? 1 : 0;
        if (!side && !ir_x_is_dim(g, n->args[1], &k)) return false;
        if (!read_affine(g, n->args[side], out, budget)) return false;
        scale(g, out, k);
        return true;
    }
    if (!read_affine(g, n->args[0], out, budget)) return false;
    if (!read_affine(g, n->args[1], &b, budget)) return false;
    if (n->op == IR_X_SUB) scale(g, &b, ir_dim_const(g, -1));
    add(g, out, &b);
    return true;
}

/* Whether element i of the view, counted row-major, is element i of its operand. */
static bool is_identity(ir_graph *g, const ir_node *node)
{
    const ir_type *from = ir_type_of(g, node->operands[0]), *to = ir_type_of(g, node->results[0]);
    const ir_attr *body = ir_attr_find(node, IR_KEY_body);
    const ir_expr_node *load = body ? ir_expr_get(g, body->u.exprs[0]) : NULL;
    if (!load || load->op != IR_X_LOAD || load->nargs != from->rank || from->elem != to->elem) return false;
    affine all, one;
    ir_dim stride = ir_dim_const(g, 1), zero = ir_dim_const(g, 0);
    int budget = AFFINE_BUDGET;
    all.konst = zero;
    for (int i = 0; i < IR_MAX_SPACE; i++) all.coef[i] = zero;
    for (int i = from->rank - 1; i >= 0; i--) {
        if (!read_affine(g, load->args[i], &one, &budget)) return false;
        scale(g, &one, stride);
        add(g, &all, &one);
        stride = ir_dim_mul(g, stride, from->dims[i]);
    }
    if (all.konst != zero) return false;
    stride = ir_dim_const(g, 1);
    for (int i = to->rank - 1; i >= 0; i--) {
        if (all.coef[i] != stride && !ir_dim_equals(g, to->dims[i], 1)) return false;
        stride = ir_dim_mul(g, stride, to->dims[i]);
    }
    return true;
}

ir_value cg_root(cg_lowering *lw, ir_value v)
{
    ir_value at = v;
    while (!lw->root[at]) {
        const ir_value_info *info = &lw->g->values[at];
        const ir_node *node = info->def ? &lw->g->nodes[info->def] : NULL;
        bool shares = node && (node->op == IR_OP_RESHAPE ||
                               (node->op == IR_OP_VIEW && is_identity(lw->g, node)));
        if (!shares) lw->root[at] = at;
        else at = node->operands[0];
    }
    ir_value root = lw->root[at];
    while (v != at) {
        ir_value next = lw->g->nodes[lw->g->values[v].def].operands[0];
        lw->root[v] = root;
        v = next;
    }
    return root;
}

/* ---- buffers ---- */

static uint32_t push_buffer(cg_lowering *lw, const lathe_buf *b)
{
    cg_program *p = lw->p;
    p->bufs = ir_grow(p->arena, p->bufs, &p->cap_bufs, p->nbufs + 1, sizeof *p->bufs);
    memcpy(&p->bufs[p->nbufs], b, sizeof *b);
    lw->depth = ir_grow(p->arena, lw->depth, &lw->cap_depth, p->nbufs + 1, sizeof *lw->depth);
    lw->depth[p->nbufs] = lw->frame ? lw->frame->depth : 0;
    return (uint32_t)p->nbufs++;
}

/* Padding is zeroed as well: the tables go into the object byte by byte. */
static lathe_buf blank(uint32_t kind, uint32_t index, uint32_t bytes)
{
    lathe_buf b;
    memset(&b, 0, sizeof b);
    b.kind = kind;
    b.index = index;
    b.bytes = bytes;
    b.first = LATHE_NO_SLOT;
    return b;
}

uint32_t cg_buffer_new(cg_lowering *lw, uint32_t kind, uint32_t index, uint32_t bytes)
{
    if (kind == LATHE_BUF_ARENA && cg_slot_grows(lw, bytes)) kind = LATHE_BUF_GROWING;
    lathe_buf b = blank(kind, index, bytes);
    return push_buffer(lw, &b);
}

static uint32_t place_weight(cg_lowering *lw, const ir_blob *blob)
{
    cg_program *p = lw->p;
    enum { ALIGN = 64 };
    uint64_t room = blob->size ? (blob->size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    uint32_t number = CG_PUSH(p, weights, (cg_weight){.blob = *blob, .offset = p->weights_size});
    lathe_buf b = blank(LATHE_BUF_WEIGHT, number, cg_slot(lw, ir_dim_const(lw->g, (int64_t)blob->size)));
    b.offset = p->weights_size;
    b.size = room;
    b.first = 0;
    p->weights_size += room;
    return push_buffer(lw, &b);
}

/* Constants that are the same bytes share one place. A key may collide: the blob is compared. */
static uint32_t weight_buffer(cg_lowering *lw, const ir_blob *blob)
{
    uint64_t key = (uint64_t)(uintptr_t)blob->bytes * 31 + blob->size;
    for (;; key++) {
        uint32_t b = cg_map_get(&lw->weights, key, LATHE_NO_SLOT);
        if (b == LATHE_NO_SLOT) break;
        const ir_blob *w = &lw->p->weights[lw->p->bufs[b].index].blob;
        if (w->bytes == blob->bytes && w->size == blob->size) return b;
    }
    uint32_t b = place_weight(lw, blob);
    cg_map_put(lw->p->arena, &lw->weights, key, b);
    return b;
}

static bool storable(cg_lowering *lw, ir_value v)
{
    ir_elem elem = ir_type_of(lw->g, v)->elem;
    if (ir_elem_arith(elem) != IR_ELEM_NONE) return true;
    cg_refuse(lw, LATHE_UNSUPPORTED, v, "element type %s", ir_elem_name(elem));
    return false;
}

uint32_t cg_buffer(cg_lowering *lw, ir_value v)
{
    ir_value root = cg_root(lw, v);
    if (lw->buffer[root]) return lw->buffer[root] - 1;
    const ir_value_info *info = &lw->g->values[root];
    const ir_node *node = info->def ? &lw->g->nodes[info->def] : NULL;
    uint32_t b;
    if (!storable(lw, root)) {
        b = cg_buffer_new(lw, LATHE_BUF_ARENA, 0, cg_slot(lw, ir_dim_const(lw->g, 0)));
    } else if (node && node->op == IR_OP_CONST) {
        b = weight_buffer(lw, &ir_attr_find(node, IR_KEY_data)->u.blob);
    } else if (lw->home[root]) {
        b = lw->home[root] - 1;
    } else {
        b = cg_buffer_new(lw, LATHE_BUF_ARENA, 0, cg_slot(lw, cg_bytes(lw->g, &info->type)));
    }
    lw->buffer[root] = b + 1;
    return b;
}

bool cg_set_home(cg_lowering *lw, ir_value v, ir_block_id block, ir_dim bytes, uint32_t buffer)
{
    ir_value root = cg_root(lw, v);
    const ir_value_info *info = &lw->g->values[root];
    const ir_node *node = info->def ? &lw->g->nodes[info->def] : NULL;
    if (!node || node->block != block || node->op == IR_OP_CONST || node->op == IR_OP_LOOP) return false;
    if (lw->home[root] || lw->buffer[root] || cg_bytes(lw->g, &info->type) != bytes) return false;
    lw->home[root] = buffer + 1;
    return true;
}

void cg_bind_buffer(cg_lowering *lw, ir_value v, uint32_t buffer)
{
    lw->root[v] = v;
    lw->buffer[v] = buffer + 1;
}

/* ---- lifetimes ---- */

void cg_touch(cg_lowering *lw, uint32_t buffer, uint32_t step)
{
    lathe_buf *b = &lw->p->bufs[buffer];
    if (b->first == LATHE_NO_SLOT || step < b->first) b->first = step;
    if (step > b->last) b->last = step;
    cg_frame *f = lw->frame;
    if (!f || f->depth <= lw->depth[buffer]) return;
    while (f->depth > lw->depth[buffer] + 1) f = f->outer;
    f->pinned = ir_grow(lw->p->arena, f->pinned, &f->cap, f->npinned + 1, sizeof *f->pinned);
    f->pinned[f->npinned++] = buffer;
}

void cg_loop_enter(cg_lowering *lw, cg_frame *f)
{
    *f = (cg_frame){.outer = lw->frame, .depth = lw->frame ? lw->frame->depth + 1 : 1};
    lw->frame = f;
}

void cg_loop_leave(cg_lowering *lw, uint32_t last_step)
{
    const cg_frame *f = lw->frame;
    lw->frame = f->outer;
    for (size_t i = 0; i < f->npinned; i++) cg_touch(lw, f->pinned[i], last_step);
}
