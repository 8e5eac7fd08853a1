/* Values -> buffers: who shares memory with whom, where constants lie, and how long each lives.
 *
 * A value's memory is that of its root: reshapes, and views whose elements stand where the
 * operand's do, are no copies. A buffer lives from the first to the last step that touches it;
 * what a loop's body uses from outside lives to the loop's end, because the next turn reads it
 * again. Outputs are written by their producer where one value fills exactly one output. */
#include <string.h>

#include "codegen/lower/lower.h"

/* ---- sharing ---- */

ir_value cg_root(cg_lowering *lw, ir_value v)
{
    ir_value at = v;
    while (!lw->root[at]) {
        const ir_value_info *info = &lw->g->values[at];
        const ir_node *node = info->def ? &lw->g->nodes[info->def] : NULL;
        if (!node || !ir_is_alias(lw->g, node)) lw->root[at] = at;
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

/* Of w.size bytes, behind the weights that there are. */
static uint32_t place_weight(cg_lowering *lw, cg_weight w)
{
    cg_program *p = lw->p;
    enum { ALIGN = 64 };
    uint64_t size = w.size, room = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    w.offset = p->weights_size;
    uint32_t number = CG_PUSH(p, weights, w);
    lathe_buf b = blank(LATHE_BUF_WEIGHT, number, cg_slot(lw, ir_dim_const(lw->g, (int64_t)size)));
    b.offset = p->weights_size;
    b.size = room;
    b.first = 0;
    p->weights_size += room;
    return push_buffer(lw, &b);
}

static bool same_panels(const cg_panels *a, const cg_panels *b)
{
    if (!a || !b) return a == b;
    size_t n = (size_t)(a->nbatch + a->nk + a->nn);
    return a->format == b->format && a->nbatch == b->nbatch && a->nk == b->nk && a->nn == b->nn &&
           a->base == b->base && memcmp(a->size, b->size, n * sizeof *a->size) == 0 &&
           memcmp(a->stride, b->stride, n * sizeof *a->stride) == 0;
}

/* Constants that are the same bytes in the same order share one place. A key may collide. */
uint32_t cg_weight_buffer(cg_lowering *lw, const ir_blob *blob, const cg_panels *panels)
{
    uint64_t key = (uint64_t)(uintptr_t)blob->bytes * 31 + blob->size;
    for (;; key++) {
        uint32_t b = cg_map_get(&lw->weights, key, LATHE_NO_SLOT);
        if (b == LATHE_NO_SLOT) break;
        const cg_weight *w = &lw->p->weights[lw->p->bufs[b].index];
        if (w->blob.bytes == blob->bytes && w->blob.size == blob->size &&
            same_panels(w->panels, panels))
            return b;
    }
    cg_weight w = {.blob = *blob, .size = panels ? cg_panels_size(panels) : blob->size};
    if (panels) w.panels = ir_copy(lw->p->arena, panels, 1, sizeof *panels);
    uint32_t b = place_weight(lw, w);
    cg_map_put(lw->p->arena, &lw->weights, key, b);
    return b;
}

uint32_t cg_encoded_buffer(cg_lowering *lw, cg_encoded *e)
{
    if (e->buffer == LATHE_NO_SLOT)
        e->buffer = place_weight(lw, (cg_weight){.panels = &e->matrix.panels,
                                                 .encoded = e,
                                                 .size = cg_panels_size(&e->matrix.panels)});
    return e->buffer;
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
        b = cg_weight_buffer(lw, &ir_attr_find(node, IR_KEY_data)->u.blob, NULL);
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
    if (!node || node->block != block || ir_op_is(node->op, IR_TRAIT_FIXED_MEMORY)) return false;
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

void cg_frame_enter(cg_lowering *lw, cg_frame *f)
{
    *f = (cg_frame){.outer = lw->frame, .depth = lw->frame ? lw->frame->depth + 1 : 1};
    lw->frame = f;
}

void cg_frame_leave(cg_lowering *lw, uint32_t last_step)
{
    const cg_frame *f = lw->frame;
    lw->frame = f->outer;
    for (size_t i = 0; i < f->npinned; i++) cg_touch(lw, f->pinned[i], last_step);
}
