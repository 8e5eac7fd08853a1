/* In: a graph; out: its text, see docs/ir.md. Values are numbered in the order in which the text
 * defines them, so the text depends on the graph's structure only and a parsed text prints alike.
 * Graphs that break invariants print too (they are dumped to be looked at): what cannot be named is
 * written as `%?`, which the parser refuses. */
#include "ir/check.h"
#include "ir/lex.h"
#include "ir/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct printer {
    const ir_graph *g;
    FILE *f;
    uint32_t *numbers; /* of values; 1 + number, 0: not yet defined */
    uint32_t next;
} printer;

static void indent(const printer *p, int depth) { fprintf(p->f, "%*s", 2 * depth, ""); }

static void print_quoted(const printer *p, const char *text)
{
    fputs(ir_lex_quoted(p->g->arena, text), p->f);
}

static void print_use(const printer *p, ir_value v)
{
    if (v == IR_NONE) fputc('_', p->f);
    else if (v >= p->g->nvalues || !p->numbers[v]) fputs("%?", p->f);
    else fprintf(p->f, "%%%u", p->numbers[v] - 1);
}

static void print_uses(const printer *p, const ir_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", p->f);
        print_use(p, values[i]);
    }
}

static void print_definition(printer *p, ir_value v)
{
    const ir_value_info *info = &p->g->values[v];
    p->numbers[v] = ++p->next;
    print_use(p, v);
    fprintf(p->f, ": %s", ir_type_text(p->g, &info->type));
    if (info->name != IR_NONE) {
        fputc(' ', p->f);
        print_quoted(p, ir_text(p->g, info->name));
    }
}

static void print_definitions(printer *p, const ir_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", p->f);
        print_definition(p, values[i]);
    }
}

static void print_symbol_name(const printer *p, ir_sym s)
{
    fputs(ir_lex_name(p->g->arena, ir_text(p->g, p->g->syms[s].name)), p->f);
}

/* ---- attributes ---- */

static void print_numbers(const printer *p, const ir_attr *a)
{
    fputc('[', p->f);
    for (size_t i = 0; i < a->n; i++) {
        if (i) fputs(", ", p->f);
        switch (ir_key_kind(a->key)) {
        case IR_ATTR_INTS:
            fprintf(p->f, "%" PRId64, a->u.ints[i]);
            break;
        case IR_ATTR_FLOATS:
            ir_print_float(p->f, a->u.floats[i], false);
            break;
        default:
            print_symbol_name(p, a->u.syms[i]);
            break;
        }
    }
    fputc(']', p->f);
}

static void print_attr(const printer *p, const ir_node *n, const ir_attr *a)
{
    fprintf(p->f, " %s=", ir_key_name(a->key));
    switch (ir_key_kind(a->key)) {
    case IR_ATTR_INT:
        fprintf(p->f, "%" PRId64, a->u.i);
        break;
    case IR_ATTR_FLOAT:
        ir_print_float(p->f, a->u.f, false);
        break;
    case IR_ATTR_STR:
        print_quoted(p, ir_text(p->g, a->u.s));
        break;
    case IR_ATTR_DIMS:
        ir_print_dims(p->f, p->g, a->u.dims, a->n);
        break;
    case IR_ATTR_EXPRS:
        ir_print_exprs(p->f, p->g, a->u.exprs, a->n);
        break;
    case IR_ATTR_BLOB:
        ir_print_blob(p->f, p->g, ir_type_of(p->g, n->results[0]), &a->u.blob);
        break;
    default:
        print_numbers(p, a);
        break;
    }
}

/* Attribute `elem` of a nest repeats the result's type, which is written anyway. */
static bool says_type(const printer *p, const ir_node *n, const ir_attr *a)
{
    return a->key == IR_KEY_elem && ir_check_needs(n->op, IR_KEY_elem) && n->nresults == 1 &&
           strcmp(ir_text(p->g, a->u.s), ir_elem_name(ir_type_of(p->g, n->results[0])->elem)) == 0;
}

void ir_print_attrs(FILE *f, const ir_graph *g, const ir_node *n)
{
    const printer p = {.g = g, .f = f};
    for (uint32_t i = 0; i < n->nattrs; i++)
        if (!says_type(&p, n, &n->attrs[i])) print_attr(&p, n, &n->attrs[i]);
}

/* ---- nodes and regions ---- */

static void print_region(printer *p, ir_block_id b, int depth);

static void print_node(printer *p, const ir_node *n, int depth)
{
    indent(p, depth);
    print_definitions(p, n->results, n->nresults);
    fprintf(p->f, "%s%s(", n->nresults ? " = " : "", ir_op_get(n->op)->name);
    print_uses(p, n->operands, n->noperands);
    fputc(')', p->f);
    for (uint32_t i = 0; i < n->nattrs; i++)
        if (!says_type(p, n, &n->attrs[i])) print_attr(p, n, &n->attrs[i]);
    if (n->name != IR_NONE) {
        fputs(" @", p->f);
        print_quoted(p, ir_text(p->g, n->name));
    }
    if (n->origin != IR_NONE) {
        fputs(" from ", p->f);
        print_quoted(p, ir_text(p->g, n->origin));
    }
    fputc('\n', p->f);
    for (uint32_t i = 0; i < n->nregions; i++) print_region(p, n->regions[i], depth + 1);
}

static void print_return(const printer *p, ir_block_id b, int depth)
{
    const ir_block *block = &p->g->blocks[b];
    indent(p, depth);
    fputs("return", p->f);
    for (size_t i = 0; i < block->nresults; i++) {
        fputs(i ? ", " : " ", p->f);
        print_use(p, block->results[i]);
        if (b != 1) continue;
        fputc(' ', p->f);
        print_quoted(p, ir_text(p->g, p->g->output_names[i]));
    }
    fputc('\n', p->f);
}

static void print_region(printer *p, ir_block_id b, int depth)
{
    const ir_block *block = &p->g->blocks[b];
    indent(p, depth);
    fputs("region(", p->f);
    print_definitions(p, block->params, block->nparams);
    fputs(") {\n", p->f);
    for (size_t i = 0; i < block->nnodes; i++) {
        const ir_node *n = &p->g->nodes[block->nodes[i]];
        if (n->op != IR_OP_NONE) print_node(p, n, depth + 1);
    }
    print_return(p, b, depth + 1);
    indent(p, depth);
    fputs("}\n", p->f);
}

/* ---- graph ---- */

static void print_symbol(const printer *p, ir_sym s)
{
    static const char *const kinds[] = {
        [IR_SYM_INPUT] = "input",
        [IR_SYM_DATA] = "data",
        [IR_SYM_REGION] = "region",
        [IR_SYM_CAPACITY] = "capacity",
    };
    const ir_symbol *sym = &p->g->syms[s];
    fputs("symbol ", p->f);
    print_symbol_name(p, s);
    fprintf(p->f, ": %s [%" PRId64 ", ", kinds[sym->kind], sym->lo);
    if (sym->hi == INT64_MAX) fputs("inf]", p->f);
    else fprintf(p->f, "%" PRId64 "]", sym->hi);
    if (sym->bound != IR_NONE) fprintf(p->f, " bound %s", ir_dim_text(p->g, sym->bound));
    fputc('\n', p->f);
}

static void print_guard(const printer *p, const ir_guard *guard)
{
    const ir_graph *g = p->g;
    fprintf(p->f, "guard %s = %s", ir_dim_text(g, guard->a), ir_dim_text(g, guard->b));
    if (guard->or_one) fputs(" or 1", p->f);
    const ir_node *n = guard->node ? &g->nodes[guard->node] : NULL;
    if (n && n->op != IR_OP_NONE && n->nresults && p->numbers[n->results[0]]) {
        fputs(" at ", p->f);
        print_use(p, n->results[0]);
    }
    fputc('\n', p->f);
}

static void print_state(const printer *p, const ir_state *state)
{
    fprintf(p->f, "state %u = %u", state->input, state->output);
    if (state->axis >= 0) fprintf(p->f, " axis %d", state->axis);
    fputc('\n', p->f);
}

lathe_status ir_print(const ir_graph *g, FILE *f)
{
    printer p = {.g = g, .f = f, .numbers = IR_NEW_N(g->arena, uint32_t, g->nvalues)};
    fputs("graph ", f);
    print_quoted(&p, ir_text(g, g->name));
    if (g->file != IR_NONE) {
        fputs(" file ", f);
        print_quoted(&p, ir_text(g, g->file));
    }
    fputc('\n', f);
    for (size_t s = 1; s < g->nsyms; s++) print_symbol(&p, (ir_sym)s);
    print_region(&p, 1, 0);
    for (size_t i = 0; i < g->nstates; i++) print_state(&p, &g->states[i]);
    for (size_t i = 0; i < g->nguards; i++) print_guard(&p, &g->guards[i]);
    return fflush(f) == 0 && !ferror(f)
               ? LATHE_OK
               : diag_add(g->diag, LATHE_IO, NULL, "cannot write the dump");
}

lathe_status ir_print_text(const ir_graph *g, char **text, size_t *size)
{
    *text = NULL;
    FILE *f = open_memstream(text, size);
    if (!f) return diag_add(g->diag, LATHE_OUT_OF_MEMORY, NULL, "out of memory while printing");
    /* Dims are formatted in the arena: running out there must not lose the stream. */
    jmp_buf here, *outer = g->arena->jmp;
    volatile lathe_status status = LATHE_OUT_OF_MEMORY;
    g->arena->jmp = &here;
    if (setjmp(here) == 0) status = ir_print(g, f);
    g->arena->jmp = outer;
    if (fclose(f) != 0 && status == LATHE_OK) status = LATHE_OUT_OF_MEMORY;
    if (status == LATHE_OK) return LATHE_OK;
    free(*text);
    *text = NULL;
    return status;
}
