/* Names of a graph. In: initializers, inputs and node outputs as they come. Out: values by name,
 * through the scopes around. Invariant: a name has one value in a scope, and it is in the scope
 * before any node that reads it is imported (order.c).
 * An initializer becomes a constant only when it is read, since files carry many that are not; the
 * constant goes to the end of its own scope's block, which dominates every reader, because a region
 * is complete before the node that has it is appended. */
#include "frontend/import.h"

/* ---- map ---- */

static size_t slot_of(const fe_map *m, ir_str key)
{
    uint32_t h = key * 2654435769u;
    size_t at = (h ^ h >> 15) & m->mask;
    while (m->slots[at].value && m->slots[at].key != key) at = (at + 1) & m->mask;
    return at;
}

uint32_t fe_map_get(const fe_map *m, ir_str key)
{
    return m->slots ? m->slots[slot_of(m, key)].value : 0;
}

void fe_map_put(ir_arena *arena, fe_map *m, ir_str key, uint32_t value)
{
    if (!m->slots || 2 * m->n > m->mask) {
        fe_map old = *m;
        m->mask = old.slots ? 2 * old.mask + 1 : 15;
        m->slots = ir_alloc(arena, m->mask + 1, sizeof *m->slots);
        for (size_t i = 0; old.slots && i <= old.mask; i++) {
            if (old.slots[i].value) m->slots[slot_of(m, old.slots[i].key)] = old.slots[i];
        }
    }
    size_t at = slot_of(m, key);
    m->slots[at].key = key;
    m->slots[at].value = value;
    m->n++;
}

/* ---- scope ---- */

fe_scope *fe_scope_new(fe_import *im, fe_scope *parent, const fe_frame *frame, ir_block_id block)
{
    fe_scope *s = IR_NEW(im->arena, fe_scope);
    s->im = im;
    s->parent = parent;
    s->frame = frame;
    s->block = block;
    return s;
}

static lathe_status add_entry(fe_scope *s, const char *name, const fe_entry *entry)
{
    ir_str key = ir_intern(s->im->g, name);
    if (fe_map_get(&s->names, key)) {
        return fe_error(s->im, LATHE_BAD_INPUT, name, "the name is defined twice");
    }
    s->entries = ir_grow(s->im->arena, s->entries, &s->cap, s->n + 2, sizeof *s->entries);
    s->entries[++s->n] = *entry;
    fe_map_put(s->im->arena, &s->names, key, (uint32_t)s->n);
    return LATHE_OK;
}

lathe_status fe_scope_add(fe_scope *s, const char *name, fe_value value)
{
    if (!*name) return LATHE_OK;
    return add_entry(s, name, &(fe_entry){.value = value, .ready = true});
}

bool fe_scope_is_initializer(const fe_scope *s, const char *name)
{
    uint32_t at = fe_map_get(&s->names, ir_intern(s->im->g, name));
    return at && (s->entries[at].tensor || s->entries[at].sparse);
}

lathe_status fe_scope_add_initializers(fe_scope *s, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Onnx__TensorProto *t = graph->initializer[i];
        if (!*fe_text(t->name)) {
            return fe_error(s->im, LATHE_BAD_INPUT, NULL, "initializer %zu has no name", i);
        }
        TRY(add_entry(s, t->name, &(fe_entry){.tensor = t}));
    }
    for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *t = graph->sparse_initializer[i];
        if (!t->values || !*fe_text(t->values->name)) {
            return fe_error(s->im, LATHE_BAD_INPUT, NULL, "sparse initializer %zu has no name", i);
        }
        TRY(add_entry(s, t->values->name, &(fe_entry){.sparse = t}));
    }
    return LATHE_OK;
}

static void make_constant(fe_scope *s, fe_entry *e, const char *name)
{
    ir_graph *g = s->im->g;
    ir_builder b = {.g = g,
                    .block = s->block,
                    .name = ir_intern(g, name),
                    .origin = ir_intern(g, "initializer")};
    e->ready = true;
    e->value.kind = FE_TENSOR;
    lathe_status status = e->tensor
                              ? fe_tensor(s->im, &b, e->tensor, name, &e->value.tensor)
                              : fe_sparse_tensor(s->im, &b, e->sparse, name, &e->value.tensor);
    if (fe_note(s->im, status) != LATHE_OK) e->value.kind = FE_POISON;
}

bool fe_scope_get(fe_scope *s, const char *name, fe_value *out)
{
    *out = (fe_value){.kind = FE_ABSENT};
    if (!*name) return true;
    ir_str key = ir_intern(s->im->g, name);
    for (; s; s = s->parent) {
        uint32_t at = fe_map_get(&s->names, key);
        if (!at) continue;
        if (!s->entries[at].ready) make_constant(s, &s->entries[at], name);
        *out = s->entries[at].value;
        return true;
    }
    return false;
}

fe_value fe_scope_output(fe_scope *s, const char *name)
{
    fe_value v;
    if (fe_scope_get(s, name, &v)) return v;
    fe_error(s->im, LATHE_BAD_INPUT, name, "an output that nothing produces");
    return (fe_value){.kind = FE_POISON};
}
