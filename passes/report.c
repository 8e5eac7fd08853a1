/* What the passes did, for the user: nodes before and behind each pass, for each pair of nests that
 * still pass a tensor through memory why they are not one, and in what each product is computed.
 *
 * In: counts that the walk over the passes took, and the final graph. Out: text, or one JSON
 * object. The reasons are read off the final graph, not recorded by the fusing passes: what keeps
 * two nests apart there (a second reader, an output, another order of the elements) is what kept
 * them apart. */
#include <string.h>

#include "passes/pass.h"

enum { MANY, OUTPUT, SPLIT_SUM, ORDER, NREASONS };

static const char *const reasons[] = {
    [MANY] = "read by several nodes",
    [OUTPUT] = "an output of the graph or of a body",
    [SPLIT_SUM] = "a sum that would be made again for every reader's element",
    [ORDER] = "read in another order, or dearer to compute again than to load",
};

typedef struct pair_count {
    size_t n[NREASONS];
    ir_node_id first[NREASONS]; /* the reader of the first such pair */
} pair_count;

void pass_count_nodes(const ir_graph *g, size_t *count)
{
    *count = 0;
    for (ir_node_id n = 1; n < g->nnodes; n++) *count += g->nodes[n].op != IR_OP_NONE;
}

/* Nodes that compute and could be one; views are not counted. */
static bool is_nest(ir_op op)
{
    return ir_op_is(op, IR_TRAIT_STORES_ONCE) && !ir_op_is(op, IR_TRAIT_VIEW);
}

static bool is_result(const ir_graph *g, ir_value v)
{
    const ir_block *b = &g->blocks[g->values[v].block];
    for (size_t i = 0; i < b->nresults; i++)
        if (b->results[i] == v) return true;
    return false;
}

void pass_each_unfused(ir_graph *g, pass_unfused *visit, void *ctx)
{
    const uint32_t *uses = ir_count_uses(g);
    for (ir_node_id n = 1; n < g->nnodes; n++) {
        const ir_node *reader = &g->nodes[n];
        if (!is_nest(reader->op)) continue;
        for (uint32_t k = 0; k < reader->noperands; k++) {
            ir_value v = reader->operands[k];
            const ir_node *maker = v == IR_NONE ? NULL : &g->nodes[g->values[v].def];
            if (!maker || !is_nest(maker->op) || maker->block != reader->block) continue;
            int why = is_result(g, v)          ? OUTPUT
                      : uses[v] > 1            ? MANY
                      : maker->op != IR_OP_MAP ? SPLIT_SUM
                                               : ORDER;
            visit(ctx, g->values[v].def, n, reasons[why]);
        }
    }
}

static void count_pair(void *ctx, ir_node_id maker, ir_node_id reader, const char *reason)
{
    pair_count *pairs = ctx;
    int why = 0;
    (void)maker;
    while (reasons[why] != reason) why++;
    if (!pairs->n[why]++) pairs->first[why] = reader;
}

/* ---- products ---- */

/* The widest elements that a product multiplies decide its name; codes that are not wider than a
 * byte are one kind, whatever their width and sign. */
const char *pass_precision_of(const ir_graph *g, const ir_node *n)
{
    if (n->op != IR_OP_CONTRACT && n->op != IR_OP_ATTENTION) return NULL;
    const ir_expr_node *x = ir_expr_get(g, ir_attr_find(n, IR_KEY_body)->u.exprs[0]);
    if (x->op != IR_X_MUL || x->type != IR_I32) return ir_elem_name(x->type);
    return ir_expr_get(g, x->args[0])->op == IR_X_LOAD ? ir_elem_name(IR_I32) : ir_elem_name(IR_I8);
}

lathe_status pass_require(const pass_report *r, const char *precision, lathe_diag *diag)
{
    if (strcmp(precision, ir_elem_name(IR_I8)) != 0)
        return diag_add(diag, LATHE_BAD_INPUT, NULL, "precision '%s' cannot be required, only i8",
                        precision);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->passes[i].name, "integer_products") == 0 && !r->passes[i].run)
            return diag_add(diag, LATHE_BAD_INPUT, NULL,
                            "precision i8 is required, and the pass integer_products switched off");
    for (size_t i = 0; i < r->nfloats; i++)
        diag_add(diag, LATHE_UNSUPPORTED, &r->floats[i].place,
                 "a quantised product would run in f32, not in %s: %s", precision,
                 r->floats[i].why);
    return r->nfloats ? LATHE_UNSUPPORTED : LATHE_OK;
}

static void each_product(const ir_graph *g, const pass_report *r, FILE *f,
                         void (*print)(const ir_graph *, const ir_node *, const char *precision,
                                       bool first, FILE *))
{
    bool first = true;
    for (ir_node_id n = 1; n < g->nnodes; n++) {
        const char *precision = pass_precision_of(g, &g->nodes[n]);
        if (!precision) continue;
        if (r->stored && r->stored[n]) precision = r->stored[n];
        print(g, &g->nodes[n], precision, first, f);
        first = false;
    }
}

static void product_text(const ir_graph *g, const ir_node *n, const char *precision, bool first,
                         FILE *f)
{
    (void)first;
    fprintf(f, "product in %s: '%s' (%s)\n", precision, ir_text(g, n->name), ir_text(g, n->origin));
}

static void product_json(const ir_graph *g, const ir_node *n, const char *precision, bool first,
                         FILE *f)
{
    fprintf(f, "%s{\"precision\": \"%s\", \"node\": ", first ? "" : ", ", precision);
    lathe_json_string(f, ir_text(g, n->name));
    fputs(", \"op\": ", f);
    lathe_json_string(f, ir_text(g, n->origin));
    fputc('}', f);
}

/* ---- states ---- */

static void states_text(const pass_report *r, FILE *f)
{
    for (size_t i = 0; i < r->nstates; i++) {
        const pass_state *s = &r->states[i];
        if (s->why) fprintf(f, "no state: '%s': %s\n", s->input, s->why);
        else
            fprintf(f, "state: '%s' = '%s', %s\n", s->input, s->output,
                    s->grows ? "grows in place" : "replaced by each run");
    }
}

static void states_json(const pass_report *r, FILE *f)
{
    fputs("], \"states\": [", f);
    for (size_t i = 0; i < r->nstates; i++) {
        const pass_state *s = &r->states[i];
        fputs(i ? ", {\"input\": " : "{\"input\": ", f);
        lathe_json_string(f, s->input);
        fputs(s->why ? ", \"reason\": " : ", \"output\": ", f);
        lathe_json_string(f, s->why ? s->why : s->output);
        if (!s->why) fprintf(f, ", \"grows\": %s", s->grows ? "true" : "false");
        fputc('}', f);
    }
}

static void print_text(const ir_graph *g, const pass_report *r, const pair_count *pairs, FILE *f)
{
    fprintf(f, "%-16s %8s %8s\n", "pass", "nodes", "behind");
    for (size_t i = 0; i < r->n; i++) {
        const pass_line *p = &r->passes[i];
        if (p->run) fprintf(f, "%-16s %8zu %8zu\n", p->name, p->before, p->after);
        else fprintf(f, "%-16s switched off\n", p->name);
    }
    for (int i = 0; i < NREASONS; i++) {
        if (!pairs->n[i]) continue;
        fprintf(f, "not fused: %zu %s (first into '%s')\n", pairs->n[i], reasons[i],
                ir_text(g, g->nodes[pairs->first[i]].name));
    }
    each_product(g, r, f, product_text);
    for (size_t i = 0; i < r->nkept; i++)
        fprintf(f, "not in %s: '%s' of '%s' (%s): %s\n", r->precision, r->kept[i].place.tensor,
                r->kept[i].place.node, r->kept[i].place.op, r->kept[i].why);
    for (size_t i = 0; i < r->nfloats; i++)
        fprintf(f, "quantised, but in f32: '%s' (%s): %s\n", r->floats[i].place.node,
                r->floats[i].place.op, r->floats[i].why);
    states_text(r, f);
    fprintf(f, "kernels: %zu, code: %zu bytes, weights: %llu bytes\n", r->kernels, r->code_bytes,
            (unsigned long long)r->weight_bytes);
}

/* Products that are not as the caller might expect, and why. */
static void floats_json(const pass_float *floats, size_t n, FILE *f)
{
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", {\"node\": " : "{\"node\": ", f);
        lathe_json_string(f, floats[i].place.node);
        fputs(", \"reason\": ", f);
        lathe_json_string(f, floats[i].why);
        fputc('}', f);
    }
}

static void print_json(const ir_graph *g, const pass_report *r, const pair_count *pairs, FILE *f)
{
    fputs("{\"passes\": [", f);
    for (size_t i = 0; i < r->n; i++) {
        const pass_line *p = &r->passes[i];
        fprintf(f, "%s{\"name\": \"%s\", \"run\": %s, \"before\": %zu, \"after\": %zu}",
                i ? ", " : "", p->name, p->run ? "true" : "false", p->before, p->after);
    }
    fputs("], \"not_fused\": [", f);
    const char *comma = "";
    for (int i = 0; i < NREASONS; i++) {
        if (!pairs->n[i]) continue;
        fprintf(f, "%s{\"reason\": \"%s\", \"count\": %zu, \"first\": ", comma, reasons[i],
                pairs->n[i]);
        lathe_json_string(f, ir_text(g, g->nodes[pairs->first[i]].name));
        fputc('}', f);
        comma = ", ";
    }
    fputs("], \"products\": [", f);
    each_product(g, r, f, product_json);
    fputs("], \"quantised_in_float\": [", f);
    floats_json(r->floats, r->nfloats, f);
    fprintf(f, "], \"asked_for\": \"%s\", \"kept\": [", r->precision ? r->precision : "f32");
    floats_json(r->kept, r->nkept, f);
    states_json(r, f);
    fprintf(f, "], \"kernels\": %zu, \"code_bytes\": %zu, \"weight_bytes\": %llu}\n", r->kernels,
            r->code_bytes, (unsigned long long)r->weight_bytes);
}

void pass_report_print(ir_graph *g, const pass_report *r, bool json, FILE *f)
{
    pair_count pairs = {0};
    pass_each_unfused(g, count_pair, &pairs);
    if (json) print_json(g, r, &pairs, f);
    else print_text(g, r, &pairs, f);
}
