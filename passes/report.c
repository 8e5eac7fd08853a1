/* What the passes did, for the user: nodes before and behind each pass, and for each pair of nests
 * that still pass a tensor through memory why they are not one.
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

static bool is_nest(ir_op op)
{
    return op == IR_OP_MAP || op == IR_OP_REDUCE || op == IR_OP_CONTRACT || op == IR_OP_ROW;
}

static bool is_result(const ir_graph *g, ir_value v)
{
    const ir_block *b = &g->blocks[g->values[v].block];
    for (size_t i = 0; i < b->nresults; i++)
        if (b->results[i] == v) return true;
    return false;
}

static void count_pairs(ir_graph *g, pair_count *pairs)
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
            if (!pairs->n[why]++) pairs->first[why] = n;
        }
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
    fprintf(f, "kernels: %zu, code: %zu bytes, weights: %llu bytes\n", r->kernels, r->code_bytes,
            (unsigned long long)r->weight_bytes);
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
    fprintf(f, "], \"kernels\": %zu, \"code_bytes\": %zu, \"weight_bytes\": %llu}\n", r->kernels,
            r->code_bytes, (unsigned long long)r->weight_bytes);
}

void pass_report_print(ir_graph *g, const pass_report *r, bool json, FILE *f)
{
    pair_count pairs = {0};
    count_pairs(g, &pairs);
    if (json) print_json(g, r, &pairs, f);
    else print_text(g, r, &pairs, f);
}
