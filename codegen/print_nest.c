/* The nest of a kernel as text: its space, the format of each operand, what is computed, where the
 * result goes. Dims are those of the first node that the kernel was made for; params says which of
 * them each step passes. */
#include <inttypes.h>
#include <string.h>

#include "codegen/program_uses.h"

typedef struct nest_printer {
    FILE *f;
    ir_graph *g;
} nest_printer;

static void put_dims(const nest_printer *w, const ir_dim *dims, size_t n)
{
    fputc('[', w->f);
    for (size_t i = 0; i < n; i++) fprintf(w->f, "%s%s", i ? ", " : "", ir_dim_text(w->g, dims[i]));
    fputc(']', w->f);
}

static void put_operand(const nest_printer *w, const cg_operand *o)
{
    fputs(ir_elem_name(o->elem), w->f);
    put_dims(w, o->dims, (size_t)o->rank);
}

static void put_exprs(const nest_printer *w, const char *name, const ir_expr *e, size_t n)
{
    fprintf(w->f, "  %s ", name);
    ir_print_exprs(w->f, w->g, e, n);
    fputc('\n', w->f);
}

/* A term: a factor that is a sum stands in parentheses, a factor 1 is left out. */
static void put_term(const nest_printer *w, ir_dim factor, int axis)
{
    const char *text = ir_dim_text(w->g, factor);
    if (!ir_dim_equals(w->g, factor, 1)) fprintf(w->f, strchr(text, ' ') ? "(%s)*" : "%s*", text);
    fprintf(w->f, "i%d", axis);
}

/* "a at 4 + 64*i1 + i3" */
static void put_affine(const nest_printer *w, const char *name, const ir_affine *a, int rank)
{
    bool some = !ir_dim_equals(w->g, a->konst, 0);
    fprintf(w->f, "  %s at ", name);
    if (some) fputs(ir_dim_text(w->g, a->konst), w->f);
    for (int i = 0; i < rank; i++) {
        if (ir_dim_equals(w->g, a->coef[i], 0)) continue;
        if (some) fputs(" + ", w->f);
        put_term(w, a->coef[i], i);
        some = true;
    }
    fputs(some ? "\n" : "0\n", w->f);
}

static void put_axes(const nest_printer *w, const char *name, const cg_axes *a)
{
    fprintf(w->f, " %s=", name);
    for (int i = 0; i < a->n; i++)
        fprintf(w->f, "%s%s:%s", i ? "," : "", ir_dim_text(w->g, a->extent[i]),
                ir_dim_text(w->g, a->stride[i]));
}

void cg_print_codes(FILE *f, const cg_codes *c)
{
    fputs(cg_code_text(c->code), f);
    fprintf(f, " codes in blocks of %" PRId64, c->block);
    if (c->book) fprintf(f, ", a codebook of %" PRId64, c->book);
    if (c->scale) fprintf(f, ", scales %s", ir_elem_name(c->scale));
    if (c->zeros) fputs(", zero points", f);
    if (c->offset) fprintf(f, ", offset %" PRId64, c->offset);
}

static void put_gemm(const nest_printer *w, const char *what, const cg_gemm *gm, int rank)
{
    fprintf(w->f, "  %s: b is %s", what,
            gm->packed ? "a weight in panels" : "put in panels by the run, size:stride");
    if (!gm->packed) {
        put_axes(w, "n", &gm->n);
        put_axes(w, "k", &gm->k);
    }
    if (gm->group) fprintf(w->f, ", %" PRId64 " a group", gm->group);
    if (gm->codes.code) {
        fputs(", ", w->f);
        cg_print_codes(w->f, &gm->codes);
    }
    if (gm->narrow) fprintf(w->f, ", %s where there are tiles of it", cg_narrow_name(gm->narrow));
    fputc('\n', w->f);
    put_affine(w, "a", &gm->a, rank);
    put_affine(w, "b", &gm->b, rank);
    put_affine(w, "c", &gm->c, rank);
}

static void put_stages(const nest_printer *w, const cg_nest *n)
{
    for (size_t i = 0; i < n->nstages; i++) {
        const cg_stage *s = &n->stages[i];
        fprintf(w->f, "  stage acc%zu = %s of ", i, cg_combine_name(s->combine));
        ir_print_exprs(w->f, w->g, &s->body, 1);
        if (s->keep) {
            fputs(", keeps ", w->f);
            ir_print_exprs(w->f, w->g, &s->keep, 1);
        }
        fputc('\n', w->f);
    }
    if (n->body) put_exprs(w, "body", &n->body, 1);
}

static void put_attention(const nest_printer *w, const cg_attention *a)
{
    static const char *const factors[CG_FACTORS] = {"q", "key", "value"};
    for (int i = 0; i < CG_FACTORS; i++) {
        fprintf(w->f, "  %s: operand %d from ", factors[i], a->operand[i]);
        ir_print_exprs(w->f, w->g, &a->base[i], 1);
        fputc('\n', w->f);
    }
    fputs("  scores over ", w->f);
    put_dims(w, a->scores.space, (size_t)a->scores.rank);
    fprintf(w->f, ", rows %s apart\n", ir_dim_text(w->g, a->step));
    put_gemm(w, "scores product", a->scores.gemm, a->scores.rank);
    put_stages(w, &a->row);
}

static void put_flags(const nest_printer *w, const cg_nest *n)
{
    fprintf(w->f, "  %s", cg_family_of(n)->name);
    if (cg_has(n, CG_COMBINES)) fprintf(w->f, " %s", cg_combine_name(n->combine));
    fputs(" over ", w->f);
    put_dims(w, n->space, (size_t)n->rank);
    if (n->nred) fprintf(w->f, ", the last %d reduced", n->nred);
    if (cg_family_of(n)->rows == CG_ROWS_ALL_BUT) fprintf(w->f, ", along axis %d", n->axis);
    fprintf(w->f, "%s%s%s\n", n->exclusive ? ", exclusive" : "", n->reverse ? ", reverse" : "",
            n->last ? ", the last one" : "");
}

void cg_print_nest(FILE *f, ir_graph *g, const cg_nest *n)
{
    const nest_printer w = {f, g};
    put_flags(&w, n);
    if (n->nparams) {
        fputs("  params ", f);
        put_dims(&w, n->params, n->nparams);
        fputc('\n', f);
    }
    for (size_t i = 0; i < n->noperands; i++) {
        fprintf(f, "  $%zu ", i);
        if (n->gemm && !n->attention && i < 2)
            fprintf(f, "%s, placed below", ir_elem_name(n->operands[i].elem));
        else put_operand(&w, &n->operands[i]);
        fputc('\n', f);
    }
    fputs("  out ", f);
    put_operand(&w, &n->out);
    fputs(n->extremes ? ", its extremes\n" : "\n", f);
    if (n->attention) put_attention(&w, n->attention);
    if (n->gemm) put_gemm(&w, n->attention ? "values product" : "product", n->gemm, n->rank);
    put_stages(&w, n);
    if (n->epilogue) put_exprs(&w, "epilogue", &n->epilogue, 1);
    if (!n->gemm) put_exprs(&w, "store", n->store, (size_t)n->out.rank);
}
