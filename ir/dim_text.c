/* Dims as text: "2*batch*seq + floordiv(s, 2) - 3", the form that ir/parse.c reads. */
#include "ir/dim_impl.h"
#include "ir/lex.h"

static const char *atom_name(ir_dim_kind kind)
{
    switch (kind) {
    case IR_DIM_FLOORDIV:
        return "floordiv";
    case IR_DIM_MOD:
        return "mod";
    case IR_DIM_MIN:
        return "min";
    case IR_DIM_MAX:
        return "max";
    case IR_DIM_EQ:
        return "eq";
    default:
        return "lt";
    }
}

/* |coef| * atoms, without a sign. */
static const char *term_text(const ir_graph *g, const ir_term *t)
{
    uint64_t size = t->coef < 0 ? -(uint64_t)t->coef : (uint64_t)t->coef;
    const char *text = NULL;
    if (t->natoms == 0 || size != 1) text = ir_format(g->arena, "%llu", (unsigned long long)size);
    for (int i = 0; i < t->natoms; i++) {
        const char *atom = ir_dim_text(g, t->atoms[i]);
        text = text ? ir_format(g->arena, "%s*%s", text, atom) : atom;
    }
    return text;
}

/* Constants are stored first and written last. */
static const char *sum_text(const ir_graph *g, const ir_dim_node *n)
{
    const char *text = NULL;
    for (int i = 0; i < n->nterms; i++) {
        const ir_term *t = &n->terms[(i + (n->terms[0].natoms == 0)) % n->nterms];
        const char *term = term_text(g, t);
        if (text) {
            text = ir_format(g->arena, "%s %c %s", text, t->coef < 0 ? '-' : '+', term);
        } else {
            text = t->coef < 0 ? ir_format(g->arena, "-%s", term) : term;
        }
    }
    return text;
}

const char *ir_dim_text(const ir_graph *g, ir_dim d)
{
    if (d == IR_NONE) return "?";
    const ir_dim_node *n = ir_dim_get(g, d);
    switch (n->kind) {
    case IR_DIM_CONST:
        return ir_format(g->arena, "%lld", (long long)n->value);
    case IR_DIM_SYM:
        return ir_lex_name(g->arena, ir_text(g, g->syms[n->sym].name));
    case IR_DIM_SUM:
        return sum_text(g, n);
    default:
        return ir_format(g->arena, "%s(%s, %s)", atom_name(n->kind), ir_dim_text(g, n->a),
                         ir_dim_text(g, n->b));
    }
}
