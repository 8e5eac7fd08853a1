/* In: the graph behind each pass, then the lowered program. Out: one JSON object (docs/inspect.md).
 *
 * A pass changes few nodes, and numbers of nodes stay what they are: behind each pass only the
 * nodes whose text has changed are written, and the numbers of those that are gone. Whoever reads
 * the object plays them in order. Sizes are kept as text; bytes of buffers are those at the sizes
 * that the caller gives, null where these do not say them. */
#include "codegen/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/program_uses.h"
#include "ir/text.h"
#include "passes/pass.h"

enum { MOST_ATTRS = 600 }; /* bytes of a node's attributes that are shown */

struct cg_inspector {
    FILE *f;
    ir_arena *arena;
    uint64_t *seen; /* by node: hash of what was written; 0: not there */
    size_t nseen, cap_seen;
    size_t npasses;
};

/* ---- text ---- */

static void put_string(FILE *f, const char *name, const char *text)
{
    fprintf(f, "\"%s\": ", name);
    lathe_json_string(f, text);
}

/* What `print` writes, as a JSON string of at most so many bytes. */
static void put_printed(FILE *f, void (*print)(FILE *, const void *, const void *), const void *a,
                        const void *b, size_t most)
{
    char *text = NULL;
    size_t size = 0;
    FILE *m = open_memstream(&text, &size);
    if (!m) {
        fputs("null", f);
        return;
    }
    print(m, a, b);
    bool whole = fclose(m) == 0;
    if (whole && size > most) strcpy(text + most - 3, "...");
    lathe_json_string(f, whole ? text : "");
    free(text);
}

static void print_attrs(FILE *f, const void *g, const void *n) { ir_print_attrs(f, g, n); }
static void print_nest(FILE *f, const void *g, const void *n)
{
    cg_print_nest(f, (ir_graph *)(uintptr_t)g, n);
}

/* ---- graphs ---- */

static void put_value(FILE *f, ir_graph *g, ir_value v)
{
    const ir_value_info *info = &g->values[v];
    fprintf(f, "[%" PRIu32 ", ", v);
    lathe_json_string(f, ir_type_text(g, &info->type));
    fputs(", ", f);
    lathe_json_string(f, ir_text(g, info->name));
    fputc(']', f);
}

static void put_values(FILE *f, const char *name, ir_graph *g, const ir_value *v, size_t n)
{
    fprintf(f, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", f);
        put_value(f, g, v[i]);
    }
    fputc(']', f);
}

static void put_numbers(FILE *f, const char *name, const uint32_t *v, size_t n)
{
    fprintf(f, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) fprintf(f, "%s%" PRIu32, i ? ", " : "", v[i]);
    fputc(']', f);
}

static void put_origins(const cg_inspector *w, FILE *f, ir_graph *g, uint32_t set)
{
    ir_origin *list;
    size_t n = ir_origins_list(g, set, w->arena, &list);
    fputs("\"origins\": [", f);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", [" : "[", f);
        lathe_json_string(f, ir_text(g, list[i].name));
        fputs(", ", f);
        lathe_json_string(f, ir_text(g, list[i].op));
        fputc(']', f);
    }
    fputc(']', f);
}

static void put_node(const cg_inspector *w, FILE *f, ir_graph *g, ir_node_id id)
{
    const ir_node *n = &g->nodes[id];
    fprintf(f, "{\"id\": %" PRIu32 ", \"op\": \"%s\", ", id, ir_op_get(n->op)->name);
    put_string(f, "name", ir_text(g, n->name));
    fputs(", ", f);
    put_string(f, "from", ir_text(g, n->origin));
    fputs(", ", f);
    put_numbers(f, "in", n->operands, n->noperands);
    fputs(", ", f);
    put_values(f, "out", g, n->results, n->nresults);
    fprintf(f, ", \"block\": %" PRIu32 ", \"attrs\": ", n->block);
    if (n->op == IR_OP_CONST) fputs("\"\"", f); /* printing bytes hashes them all */
    else put_printed(f, print_attrs, g, n, MOST_ATTRS);
    if (n->nregions) {
        fputs(", ", f);
        put_numbers(f, "regions", n->regions, n->nregions);
    }
    if (n->origins && g->origins[n->origins].left) {
        fputs(", ", f);
        put_origins(w, f, g, n->origins);
    }
    fputc('}', f);
}

/* Its text, if that is not what was written last. */
static bool put_changed(cg_inspector *w, ir_graph *g, ir_node_id id, bool first)
{
    char *text = NULL;
    size_t size = 0;
    FILE *m = open_memstream(&text, &size);
    if (!m) return false;
    put_node(w, m, g, id);
    bool changed = false;
    if (fclose(m) == 0) {
        uint64_t hash = ir_blob_hash(text, size) | 1;
        changed = hash != w->seen[id];
        w->seen[id] = hash;
        if (changed) fprintf(w->f, "%s\n%s", first ? "" : ",", text);
    }
    free(text);
    return changed;
}

static void put_nodes(cg_inspector *w, ir_graph *g)
{
    bool first = true;
    w->seen = ir_grow(w->arena, w->seen, &w->cap_seen, g->nnodes, sizeof *w->seen);
    if (g->nnodes > w->nseen)
        memset(w->seen + w->nseen, 0, (g->nnodes - w->nseen) * sizeof *w->seen);
    w->nseen = g->nnodes;
    fputs("\"nodes\": [", w->f);
    for (ir_node_id id = 1; id < g->nnodes; id++)
        if (g->nodes[id].op != IR_OP_NONE && put_changed(w, g, id, first)) first = false;
    fputs("], \"gone\": [", w->f);
    first = true;
    for (ir_node_id id = 1; id < w->nseen; id++) {
        if (!w->seen[id] || g->nodes[id].op != IR_OP_NONE) continue;
        fprintf(w->f, "%s%" PRIu32, first ? "" : ", ", id);
        w->seen[id] = 0;
        first = false;
    }
    fputc(']', w->f);
}

static void put_blocks(const cg_inspector *w, ir_graph *g)
{
    fputs(", \"blocks\": [", w->f);
    for (ir_block_id b = 1; b < g->nblocks; b++) {
        const ir_block *block = &g->blocks[b];
        fprintf(w->f, "%s{\"id\": %" PRIu32 ", ", b > 1 ? ", " : "", b);
        put_values(w->f, "in", g, block->params, block->nparams);
        fputs(", ", w->f);
        put_numbers(w->f, "out", block->results, block->nresults);
        fputc('}', w->f);
    }
    fputc(']', w->f);
}

void cg_inspect_pass(cg_inspector *w, ir_graph *g, const char *name, const char *summary, bool run)
{
    fputs(w->npasses++ ? ",\n{" : "{", w->f);
    put_string(w->f, "name", name);
    fputs(", ", w->f);
    put_string(w->f, "summary", summary);
    fprintf(w->f, ", \"run\": %s, ", run ? "true" : "false");
    put_nodes(w, g);
    put_blocks(w, g);
    fputc('}', w->f);
}

cg_inspector *cg_inspect_begin(ir_arena *arena, FILE *json, ir_graph *g)
{
    cg_inspector *w = IR_NEW(arena, cg_inspector);
    *w = (cg_inspector){.f = json, .arena = arena};
    fputc('{', w->f);
    put_string(w->f, "model", ir_text(g, g->name));
    fputs(", ", w->f);
    put_string(w->f, "file", ir_text(g, g->file));
    fputs(", \"passes\": [", w->f);
    cg_inspect_pass(w, g, "import", "the model as it was read", true);
    return w;
}

/* ---- sizes ---- */

/* The dim program (runtime/abi.h): symbols by number, then a slot each as [op, a, b] or, of a
 * constant, [value]; a of "sym" is a symbol. */
static void put_sizes(const cg_inspector *w, const cg_program *p)
{
    fputs("\"symbols\": [", w->f);
    for (size_t i = 0; i < p->nsyms; i++) {
        fputs(i ? ", {" : "{", w->f);
        put_string(w->f, "name", p->strings + p->syms[i].name);
        fprintf(w->f, ", \"free\": %s, \"least\": %" PRId64 "}", i < p->n_free ? "true" : "false",
                p->syms[i].lo);
    }
    fputs("], \"slots\": [", w->f);
    for (size_t i = 0; i < p->ndims; i++) {
        const lathe_dim_op *op = &p->dims[i];
        fputs(i ? ", " : "", w->f);
        if (op->op == LATHE_DIM_CONST) fprintf(w->f, "[%" PRId64 "]", op->imm);
        else
            fprintf(w->f, "[\"%s\", %" PRIu32 ", %" PRIu32 "]",
                    op->op == LATHE_DIM_SYM ? "sym" : cg_dim_op_name(op->op), op->a, op->b);
    }
    fputs("], ", w->f);
}

/* ---- the program ---- */

static void put_weight(FILE *f, const cg_weight *x)
{
    fprintf(f, "{\"bytes\": %" PRIu64 ", \"offset\": %" PRIu64 ", \"format\": \"", x->size,
            x->offset);
    if (!x->panels) fputs("as stored", f);
    else if (x->panels->codes.code) fprintf(f, "%s panels", cg_code_text(x->panels->codes.code));
    else fprintf(f, "%s panels", ir_elem_name(cg_panel_form_of(x->panels->format)->elem));
    fputs("\"}", f);
}

static void put_slot(FILE *f, uint32_t slot)
{
    if (slot == LATHE_NO_SLOT) fputs("null", f);
    else fprintf(f, "%" PRIu32, slot);
}

static void put_memory(const cg_inspector *w, const cg_program *p)
{
    fputs("\"weights\": [", w->f);
    for (size_t i = 0; i < p->nweights; i++) {
        fputs(i ? ", " : "", w->f);
        put_weight(w->f, &p->weights[i]);
    }
    fputs("], \"buffers\": [", w->f);
    for (size_t i = 0; i < p->nbufs; i++) {
        const lathe_buf *b = &p->bufs[i];
        fprintf(w->f, "%s{\"kind\": \"%s\", ", i ? ", " : "", cg_buffer_kind_name(b->kind));
        if (b->kind == LATHE_BUF_WEIGHT) {
            fprintf(w->f, "\"weight\": %" PRIu32 "}", b->index);
            continue;
        }
        fprintf(w->f, "\"first\": %" PRIu32 ", \"last\": %" PRIu32 ", \"slot\": ", b->first,
                b->last);
        put_slot(w->f, b->bytes);
        fputc('}', w->f);
    }
    fputs("], \"scratch\": ", w->f);
    put_slot(w->f, p->scratch_slot);
    fputs(", ", w->f);
}

static void put_kernels(const cg_inspector *w, const cg_program *p)
{
    fputs("\"kernels\": [", w->f);
    for (size_t i = 0; i < p->nkernels; i++) {
        const cg_kernel *k = &p->kernels[i];
        fprintf(w->f, "%s\n{\"name\": \"%s\", \"family\": \"%s\", \"nest\": ", i ? "," : "",
                k->name, cg_family_of(&k->nest)->name);
        put_printed(w->f, print_nest, p->g, &k->nest, 4000);
        fputc('}', w->f);
    }
    fputs("], ", w->f);
}

typedef struct step_uses {
    FILE *f;
    cg_use use;
    size_t n;
} step_uses;

static void put_use(void *ctx, uint32_t buffer, cg_use use)
{
    step_uses *u = ctx;
    if ((use == CG_WRITES) != (u->use == CG_WRITES)) return;
    fprintf(u->f, "%s%" PRIu32, u->n++ ? ", " : "", buffer);
}

static void put_uses(FILE *f, const char *name, const cg_program *p, const lathe_step *s,
                     cg_use use)
{
    step_uses u = {.f = f, .use = use};
    fprintf(f, ", \"%s\": [", name);
    cg_step_uses(p, s, put_use, &u);
    fputc(']', f);
}

static void put_step(const cg_inspector *w, const cg_program *p, size_t i)
{
    const lathe_step *s = &p->steps[i];
    fprintf(w->f, "%s\n{\"kind\": \"%s\"", i ? "," : "", cg_step_kind_name(s->kind));
    if (s->kind == LATHE_STEP_KERNEL) fprintf(w->f, ", \"kernel\": %" PRIu32, s->func);
    if (s->kind == LATHE_STEP_CALL && !p->calls[s->a].custom)
        fprintf(w->f, ", \"function\": \"%s\"", p->funcs[s->func]);
    if (s->node != LATHE_NO_SLOT) {
        fputs(", ", w->f);
        put_string(w->f, "node", p->strings + p->nodes[s->node].name);
        fputs(", ", w->f);
        put_string(w->f, "op", p->strings + p->nodes[s->node].op);
    }
    if (p->origins[i]) {
        fputs(", ", w->f);
        put_origins(w, w->f, p->g, p->origins[i]);
    }
    put_uses(w->f, "reads", p, s, CG_READS);
    put_uses(w->f, "writes", p, s, CG_WRITES);
    fputc('}', w->f);
}

typedef struct unfused_list {
    FILE *f;
    size_t n;
} unfused_list;

static void put_unfused(void *ctx, ir_node_id maker, ir_node_id reader, const char *reason)
{
    unfused_list *list = ctx;
    fprintf(list->f, "%s[%" PRIu32 ", %" PRIu32 ", \"%s\"]", list->n++ ? ", " : "", maker, reader,
            reason);
}

static void print_bytes(FILE *f, const void *text, const void *size)
{
    fwrite(text, 1, *(const size_t *)size, f);
}

lathe_status cg_inspect_end(cg_inspector *w, const cg_program *p, const char *assembly, size_t size)
{
    unfused_list list = {.f = w->f};
    fputs("], \"unfused\": [", w->f);
    pass_each_unfused(p->g, put_unfused, &list);
    fputs("], \"program\": {", w->f);
    put_sizes(w, p);
    put_memory(w, p);
    put_kernels(w, p);
    fputs("\"steps\": [", w->f);
    for (size_t i = 0; i < p->nsteps; i++) put_step(w, p, i);
    fputs("]}, \"assembly\": ", w->f);
    put_printed(w->f, print_bytes, assembly, &size, SIZE_MAX);
    fputs("}\n", w->f);
    return fflush(w->f) == 0 && !ferror(w->f)
               ? LATHE_OK
               : diag_add(p->g->diag, LATHE_IO, NULL, "the inspection cannot be written");
}
