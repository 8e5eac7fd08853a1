/* Dims -> slots: every size that the run needs becomes ops of the dim program.
 *
 * A slot belongs to the latest segment of the symbols that it depends on, so it is computed as
 * soon as they are known and once a run (once a turn in a loop). Equal dims share a slot because
 * they are one id. Dims may nest as deep as a model has nodes: the walk keeps its own stack. */
#include <string.h>

#include "codegen/lower/lower.h"

ir_dim cg_bytes(ir_graph *g, const ir_type *t)
{
    ir_dim bits = ir_dim_mul(g, ir_type_count(g, t), ir_dim_const(g, ir_elem_bits(t->elem)));
    return ir_dim_ceildiv(g, bits, ir_dim_const(g, 8));
}

/* ---- strings ---- */

uint32_t cg_string(cg_lowering *lw, const char *text)
{
    cg_program *p = lw->p;
    size_t n = strlen(text) + 1;
    if (n == 1) return 0;
    p->strings = ir_grow(p->arena, p->strings, &p->cap_strings, p->nstrings + n, 1);
    memcpy(p->strings + p->nstrings, text, n);
    p->nstrings += n;
    return (uint32_t)(p->nstrings - n);
}

uint32_t cg_interned(cg_lowering *lw, ir_str s)
{
    uint32_t at = cg_map_get(&lw->strings, s, LATHE_NO_SLOT);
    if (at != LATHE_NO_SLOT) return at;
    at = cg_string(lw, ir_text(lw->g, s));
    cg_map_put(lw->p->arena, &lw->strings, s, at);
    return at;
}

/* ---- ops ---- */

static uint32_t push_op(cg_lowering *lw, lathe_dim_op op, bool grows)
{
    uint32_t slot = CG_PUSH(lw->p, dims, op);
    lw->grows = ir_grow(lw->p->arena, lw->grows, &lw->cap_grows, slot + 1, 1);
    lw->grows[slot] = grows;
    return slot;
}

/* An op of two slots, the only one of its kind. A minimum is bounded if one side is, a remainder by
 * its divisor. */
static uint32_t binary(cg_lowering *lw, uint32_t op, uint32_t a, uint32_t b)
{
    const lathe_dim_op *dims = lw->p->dims;
    bool ga = lw->grows[a], gb = lw->grows[b];
    bool grows = op == LATHE_DIM_MIN ? ga && gb : op == LATHE_DIM_MOD ? gb : ga || gb;
    if (op == LATHE_DIM_EQ || op == LATHE_DIM_LT) grows = false;
    uint32_t segment = dims[a].segment > dims[b].segment ? dims[a].segment : dims[b].segment;
    uint64_t key = ((uint64_t)a << 32 | b) * 31 + op;
    for (;; key++) {
        uint32_t at = cg_map_get(&lw->dim_ops, key, LATHE_NO_SLOT);
        if (at == LATHE_NO_SLOT) break;
        if (dims[at].op == op && dims[at].a == a && dims[at].b == b) return at;
    }
    uint32_t at = push_op(lw, (lathe_dim_op){.op = op, .segment = segment, .a = a, .b = b}, grows);
    cg_map_put(lw->p->arena, &lw->dim_ops, key, at);
    return at;
}

static uint32_t slots_constant(cg_lowering *lw, int64_t value)
{
    ir_dim dim = ir_dim_const(lw->g, value);
    uint32_t slot = cg_map_get(&lw->slots, dim, LATHE_NO_SLOT);
    if (slot != LATHE_NO_SLOT) return slot;
    slot = push_op(lw, (lathe_dim_op){.op = LATHE_DIM_CONST, .imm = value}, false);
    cg_map_put(lw->p->arena, &lw->slots, dim, slot);
    return slot;
}

static uint32_t slot_of(const cg_lowering *lw, ir_dim dim)
{
    return cg_map_get(&lw->slots, dim, LATHE_NO_SLOT);
}

static uint32_t slots_product(cg_lowering *lw, const ir_term *t)
{
    if (t->natoms == 0) return slots_constant(lw, t->coef);
    uint32_t at = slot_of(lw, t->atoms[0]);
    for (int i = 1; i < t->natoms; i++)
        at = binary(lw, LATHE_DIM_MUL, at, slot_of(lw, t->atoms[i]));
    return t->coef == 1 ? at : binary(lw, LATHE_DIM_MUL, at, slots_constant(lw, t->coef));
}

static uint32_t sum(cg_lowering *lw, const ir_dim_node *d)
{
    uint32_t at = slots_product(lw, &d->terms[0]);
    for (int i = 1; i < d->nterms; i++)
        at = binary(lw, LATHE_DIM_ADD, at, slots_product(lw, &d->terms[i]));
    return at;
}

/* ---- symbols ---- */

static uint32_t number_symbol(cg_lowering *lw, ir_sym sym)
{
    uint32_t number = cg_map_get(&lw->syms, sym, LATHE_NO_SLOT);
    if (number != LATHE_NO_SLOT) return number;
    const ir_symbol *s = &lw->g->syms[sym];
    uint32_t bound = s->bound ? slot_of(lw, s->bound) : LATHE_NO_SLOT;
    uint32_t name = cg_interned(lw, s->name);
    number = CG_PUSH(lw->p, syms,
                     (lathe_sym){.name = name, .bound_slot = bound, .lo = s->lo, .hi = s->hi});
    cg_map_put(lw->p->arena, &lw->syms, sym, number);
    return number;
}

/* Its bound, unless the session owns the state. */
static uint32_t capacity_slot(cg_lowering *lw, const ir_symbol *s)
{
    uint32_t bound = slot_of(lw, s->bound), segment = lw->p->dims[bound].segment;
    lathe_dim_op op = {.op = LATHE_DIM_CAPACITY, .segment = segment, .a = bound, .b = bound};
    return push_op(lw, op, lw->grows[bound]);
}

static uint32_t symbol_slot(cg_lowering *lw, ir_sym sym)
{
    const ir_symbol *s = &lw->g->syms[sym];
    if (s->kind == IR_SYM_CAPACITY) return capacity_slot(lw, s);
    uint32_t segment = lw->sym_segment[sym];
    if (segment == LATHE_NO_SLOT) {
        cg_refuse(lw, s->kind == IR_SYM_INPUT ? LATHE_UNSUPPORTED : LATHE_INTERNAL, IR_NONE,
                  "the size '%s' is used before anything defines it", ir_text(lw->g, s->name));
        segment = 0;
    }
    uint32_t number = number_symbol(lw, sym), bound = lw->p->syms[number].bound_slot;
    bool grows = s->kind != IR_SYM_INPUT && s->hi == INT64_MAX &&
                 (bound == LATHE_NO_SLOT || lw->grows[bound]);
    return push_op(lw, (lathe_dim_op){.op = LATHE_DIM_SYM, .segment = segment, .a = number}, grows);
}

/* ---- the walk ---- */

typedef struct dim_stack {
    ir_dim *items;
    size_t n, cap;
} dim_stack;

static bool want(cg_lowering *lw, dim_stack *st, ir_dim dim)
{
    if (!dim || slot_of(lw, dim) != LATHE_NO_SLOT) return false;
    st->items = ir_grow(lw->p->arena, st->items, &st->cap, st->n + 1, sizeof *st->items);
    st->items[st->n++] = dim;
    return true;
}

/* Pushes the dims that d is made of and that have no slot yet; false: there are none. */
static bool want_parts(cg_lowering *lw, dim_stack *st, const ir_dim_node *d)
{
    bool some = false;
    if (d->kind == IR_DIM_SUM) {
        for (int i = 0; i < d->nterms; i++)
            for (int k = 0; k < d->terms[i].natoms; k++)
                if (want(lw, st, d->terms[i].atoms[k])) some = true;
    } else if (d->kind == IR_DIM_SYM) {
        some = want(lw, st, lw->g->syms[d->sym].bound);
    } else if (d->kind != IR_DIM_CONST) {
        some = want(lw, st, d->a);
        if (want(lw, st, d->b)) some = true;
    }
    return some;
}

static uint32_t slots_make(cg_lowering *lw, const ir_dim_node *d)
{
    static const uint32_t ops[] = {
        [IR_DIM_FLOORDIV] = LATHE_DIM_FLOORDIV,
        [IR_DIM_MOD] = LATHE_DIM_MOD,
        [IR_DIM_MIN] = LATHE_DIM_MIN,
        [IR_DIM_MAX] = LATHE_DIM_MAX,
        [IR_DIM_EQ] = LATHE_DIM_EQ,
        [IR_DIM_LT] = LATHE_DIM_LT,
    };
    switch (d->kind) {
    case IR_DIM_CONST:
        return slots_constant(lw, d->value);
    case IR_DIM_SYM:
        return symbol_slot(lw, d->sym);
    case IR_DIM_SUM:
        return sum(lw, d);
    default:
        return binary(lw, ops[d->kind], slot_of(lw, d->a), slot_of(lw, d->b));
    }
}

uint32_t cg_slot(cg_lowering *lw, ir_dim dim)
{
    uint32_t known = slot_of(lw, dim);
    if (dim && known != LATHE_NO_SLOT) return known;
    if (!dim) {
        cg_refuse(lw, LATHE_LIMIT, IR_NONE, "a size overflows 64 bits");
        return slots_constant(lw, 0);
    }
    dim_stack st = {0};
    want(lw, &st, dim);
    while (st.n) {
        ir_dim top = st.items[st.n - 1];
        const ir_dim_node d = *ir_dim_get(lw->g, top);
        if (slot_of(lw, top) == LATHE_NO_SLOT && want_parts(lw, &st, &d)) continue;
        st.n--;
        if (slot_of(lw, top) == LATHE_NO_SLOT)
            cg_map_put(lw->p->arena, &lw->slots, top, slots_make(lw, &d));
    }
    return slot_of(lw, dim);
}

uint32_t cg_named_slot(cg_lowering *lw, ir_dim dim)
{
    uint32_t slot = cg_slot(lw, dim);
    lathe_dim_op *op = &lw->p->dims[slot];
    if (op->op > LATHE_DIM_SYM && !op->imm) {
        uint32_t text = cg_string(lw, ir_dim_text(lw->g, dim));
        lw->p->dims[slot].imm = text;
    }
    return slot;
}

uint32_t cg_symbol(cg_lowering *lw, ir_sym sym)
{
    cg_slot(lw, ir_dim_sym(lw->g, sym));
    return number_symbol(lw, sym);
}

uint32_t cg_slot_list(cg_lowering *lw, const ir_dim *dims, int n, bool named)
{
    uint32_t slots[IR_MAX_SPACE];
    for (int i = 0; i < n; i++)
        slots[i] = named ? cg_named_slot(lw, dims[i]) : cg_slot(lw, dims[i]);
    uint32_t at = (uint32_t)lw->p->nu32s;
    for (int i = 0; i < n; i++) CG_PUSH(lw->p, u32s, slots[i]);
    return at;
}

bool cg_slot_grows(const cg_lowering *lw, uint32_t slot) { return lw->grows[slot]; }

uint32_t cg_segment(cg_lowering *lw, const ir_sym *syms, size_t n)
{
    uint32_t segment = lw->p->n_segments++;
    for (size_t i = 0; i < n; i++) lw->sym_segment[syms[i]] = segment;
    return segment;
}

/* ---- guards ---- */

/* Whether every symbol of the dim is set by something: the nodes that set the others are gone, and
 * with them whatever their guards protected. */
bool cg_size_known(cg_lowering *lw, ir_dim dim)
{
    if (slot_of(lw, dim) != LATHE_NO_SLOT) return true;
    dim_stack st = {0};
    cg_map_clear(&lw->locals);
    for (want(lw, &st, dim); st.n;) {
        ir_dim top = st.items[--st.n];
        if (cg_map_get(&lw->locals, top, 0)) continue;
        cg_map_put(lw->p->arena, &lw->locals, top, 1);
        const ir_dim_node *d = ir_dim_get(lw->g, top);
        bool set = d->kind != IR_DIM_SYM || lw->g->syms[d->sym].kind == IR_SYM_CAPACITY ||
                   lw->sym_segment[d->sym] != LATHE_NO_SLOT;
        if (!set) return false;
        want_parts(lw, &st, d);
    }
    return true;
}

static const char *size_text(const ir_graph *g, ir_dim d)
{
    ir_dim a, b;
    if (!ir_dims_met(g, d, &a, &b)) return ir_dim_text(g, d);
    return ir_format(g->arena, "the larger of %s and %s", size_text(g, a), size_text(g, b));
}

static lathe_status lower_guard(cg_lowering *lw, const ir_guard *guard)
{
    cg_program *p = lw->p;
    const ir_node *node = guard->node ? &lw->g->nodes[guard->node] : NULL;
    if (!guard->a || !guard->b || !cg_size_known(lw, guard->a) || !cg_size_known(lw, guard->b))
        return LATHE_OK;
    uint32_t a = cg_slot(lw, guard->a), b = cg_slot(lw, guard->b);
    uint32_t segment =
        p->dims[a].segment > p->dims[b].segment ? p->dims[a].segment : p->dims[b].segment;
    uint32_t block = node ? lw->block_segment[node->block] : 0;
    if (block > segment) segment = block;
    const char *text =
        ir_format(p->arena, "%s == %s", size_text(lw->g, guard->a), size_text(lw->g, guard->b));
    uint32_t entry = node ? cg_node_entry(lw, node) : LATHE_NO_SLOT, at = cg_string(lw, text);
    CG_PUSH(p, guards,
            (lathe_guard){.a = a,
                          .b = b,
                          .or_one = guard->or_one,
                          .node = entry,
                          .segment = segment,
                          .text = at});
    return lw->status;
}

/* After all nodes, when it is known where each symbol gets its value. A guard of a node inside a
 * region is checked where the region starts: it need not hold if the region is not entered. */
lathe_status cg_lower_guards(cg_lowering *lw)
{
    lw->node = IR_NONE;
    for (size_t i = 0; i < lw->g->nguards; i++) TRY(lower_guard(lw, &lw->g->guards[i]));
    return LATHE_OK;
}
