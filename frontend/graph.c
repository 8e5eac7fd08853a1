/* Importing the nodes of a graph, a subgraph or a function's body. In: nodes and a scope. Out: core
 * operators appended to a block, and values in the scope.
 * A node that is refused does not end the import: its outputs become POISON and whoever reads them
 * is skipped in silence, so that one run reports every node that is unsupported by itself. */
#include "frontend/import.h"

#include <string.h>

#include "frontend/signature.h"

typedef struct node_context {
    fe_scope *scope;
    fe_node n;
    diag_place place;
} node_context;

static lathe_status graph_refuse(node_context *c, lathe_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static lathe_status graph_refuse(node_context *c, lathe_status status, const char *format, ...)
{
    fe_import *im = c->scope->im;
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(im->arena, format, args);
    va_end(args);
    return diag_add(im->diag, status, &c->place, "%s", text);
}

/* ---- inputs and outputs ---- */

/* Resolves inputs; *poisoned if one of them stands for a node that was refused. */
static lathe_status bind_inputs(node_context *c, bool *poisoned)
{
    const Onnx__NodeProto *p = c->n.proto;
    fe_value *in = IR_NEW_N(c->scope->im->arena, fe_value, p->n_input + 1);
    for (size_t i = 0; i < p->n_input; i++) {
        if (!fe_scope_get(c->scope, p->input[i], &in[i])) {
            return graph_refuse(c, LATHE_BAD_INPUT, "input %zu ('%s') is not defined", i,
                                p->input[i]);
        }
        *poisoned |= in[i].kind == FE_POISON;
    }
    c->n.in = in;
    c->n.nin = p->n_input;
    return LATHE_OK;
}

static void name_value(node_context *c, const fe_value *v, const char *name)
{
    if (v->kind != FE_TENSOR || c->scope->frame->function) return;
    ir_value_info *info = &c->n.g->values[v->tensor];
    if (!info->name) info->name = ir_intern(c->n.g, name);
}

static void bind_outputs(node_context *c, lathe_status status)
{
    const Onnx__NodeProto *p = c->n.proto;
    for (size_t i = 0; i < p->n_output; i++) {
        if (!*p->output[i]) continue;
        fe_value v = {.kind = FE_POISON};
        if (status == LATHE_OK) v = c->n.out[i];
        name_value(c, &v, p->output[i]);
        fe_scope_add(c->scope, p->output[i], v);
    }
}

/* An importer says OK by its status; what it left behind must agree. */
static lathe_status check_outputs(node_context *c)
{
    for (size_t i = 0; i < c->n.nout; i++) {
        const fe_value *v = &c->n.out[i];
        if (!*c->n.proto->output[i]) continue;
        if (v->kind == FE_ABSENT) {
            return graph_refuse(c, LATHE_UNSUPPORTED,
                                "output %zu ('%s') is not made in this form of the operator", i,
                                c->n.proto->output[i]);
        }
        if (v->kind == FE_POISON || (v->kind == FE_TENSOR && !v->tensor)) return LATHE_BAD_INPUT;
    }
    return LATHE_OK;
}

/* ---- one node ---- */

const char *fe_domain(const char *domain)
{
    return !domain || !strcmp(domain, "ai.onnx") ? "" : domain;
}

/* The highest opset version imported for a domain; 0: none. */
static int64_t opset_version(const fe_frame *frame, const char *domain)
{
    int64_t version = 0;
    for (size_t i = 0; i < frame->nopsets; i++) {
        const Onnx__OperatorSetIdProto *set = frame->opsets[i];
        if (strcmp(fe_domain(set->domain), domain)) continue;
        if (set->has_version && set->version > version) version = set->version;
    }
    return version;
}

/* ONNX Runtime 1.30 runs its own operators without an import of their domain, at version 1, so
 * exporters leave it out. Said once a model. */
static int64_t contrib_version(fe_import *im, const char *domain)
{
    if (strcmp(domain, "com.microsoft")) return 0;
    if (!im->assumed)
        diag_warn(im->diag, &(diag_place){.file = im->path},
                  "no opset is imported for the domain '%s'; version 1 is assumed", domain);
    im->assumed = true;
    return 1;
}

/* Domains of which nothing is read, and what to do about it. */
static const struct {
    const char *domain, *advice;
} hopeless[] = {
    {"com.microsoft.nchwc",
     ": ONNX Runtime laid the channels out for one processor's kernels; save the "
     "graph at optimisation level extended"},
};

static const char *advice_on(const char *domain)
{
    for (size_t i = 0; i < sizeof hopeless / sizeof *hopeless; i++)
        if (!strcmp(hopeless[i].domain, domain)) return hopeless[i].advice;
    return "";
}

static lathe_status unsupported(node_context *c, const char *domain, int64_t version)
{
    const char *shown = *domain ? domain : "ai.onnx";
    for (size_t i = 0; i < fe_op_count(); i++) {
        const fe_op *op = fe_op_at(i);
        if (strcmp(op->name, c->n.op) || strcmp(op->domain, domain)) continue;
        return graph_refuse(c, LATHE_UNSUPPORTED,
                            "operator %s of %s is not supported at opset version %lld", c->n.op,
                            shown, (long long)version);
    }
    return graph_refuse(c, LATHE_UNSUPPORTED,
                        "operator %s of %s (opset version %lld) is not supported%s", c->n.op, shown,
                        (long long)version, advice_on(domain));
}

/* A node that reads what a refused one would have made is looked at, but not imported. */
static lathe_status run_importer(node_context *c, bool poisoned)
{
    const char *domain = fe_domain(c->n.proto->domain);
    const lathe_custom_option *custom = fe_custom_find(c->scope->im, c->n.proto);
    const Onnx__FunctionProto *function = fe_function_find(c->scope->im, c->n.proto);
    if (poisoned && (custom || function)) return LATHE_BAD_INPUT;
    if (custom) return fe_custom_call(&c->n, custom);
    if (function) return fe_function_call(&c->n, function);
    int64_t version = opset_version(c->scope->frame, domain);
    if (version == 0) version = contrib_version(c->scope->im, domain);
    if (version == 0) {
        return graph_refuse(c, LATHE_BAD_INPUT, "no opset is imported for the domain '%s'", domain);
    }
    const fe_op *op = version > INT32_MAX ? NULL : fe_op_find(domain, c->n.op, (int)version);
    if (!op) return unsupported(c, domain, version);
    c->n.version = c->n.b.version = c->place.version = (int)version;
    c->n.row = op;
    TRY(fe_check_signature(&c->n, op));
    return poisoned ? LATHE_BAD_INPUT : op->import(&c->n);
}

static const char *types_of(const node_context *c)
{
    const char *list = "no inputs";
    for (size_t k = 0; k < c->n.nin; k++) {
        const char *one =
            fe_in(&c->n, k) ? ir_type_text(c->n.g, fe_type(&c->n, k)) : fe_kind_name(&c->n, k);
        list = k ? ir_format(c->n.g->arena, "%s, %s", list, one) : one;
    }
    return list;
}

/* The importer's verdict; a refusal always has a message, from here if from nowhere else. */
static lathe_status import_checked(node_context *c, bool poisoned)
{
    fe_import *im = c->scope->im;
    lathe_status fault = LATHE_OK;
    size_t errors = lathe_diag_errors(im->diag);
    uint32_t skipped = im->skipped;
    im->skipped += poisoned;
    c->n.fault = &fault;
    lathe_status status = run_importer(c, poisoned);
    if (status == LATHE_OK) status = fault;
    if (status == LATHE_OK && !c->scope->rest.taken) status = check_outputs(c);
    if (status != LATHE_OK && lathe_diag_errors(im->diag) == errors && im->skipped == skipped) {
        if (im->g->overflow) status = LATHE_LIMIT;
        if (im->g->overflow) graph_refuse(c, status, "a size is more than 64 bits hold");
        else graph_refuse(c, status, "the operator does not take these together: %s", types_of(c));
    }
    return status;
}

static lathe_status prepare(node_context *c, const Onnx__NodeProto *p, bool *poisoned)
{
    fe_import *im = c->scope->im;
    fe_node *n = &c->n;
    n->proto = p;
    n->op = fe_text(p->op_type);
    char name[FE_MAX_NAME];
    const char *own = *fe_text(p->name) ? p->name : p->n_output ? p->output[0] : "";
    snprintf(name, sizeof name, "%s%s", c->scope->frame->prefix, own);
    n->b.name = ir_intern(im->g, name);
    n->b.origin = ir_intern(im->g, n->op);
    c->place = (diag_place){.file = im->path, .node = ir_text(im->g, n->b.name), .op = n->op};
    if (p->n_attribute > FE_MAX_ATTRS)
        return graph_refuse(c, LATHE_LIMIT, "%zu attributes, at most %d are supported",
                            p->n_attribute, FE_MAX_ATTRS);
    TRY(fe_resolve_attrs(im, c->scope->frame, p, &n->proto));
    n->nout = p->n_output;
    n->out = IR_NEW_N(im->arena, fe_value, p->n_output + 1);
    return bind_inputs(c, poisoned);
}

static void import_node(fe_scope *scope, const Onnx__NodeProto *p, ir_block_id block)
{
    fe_import *im = scope->im;
    node_context c = {.scope = scope};
    bool poisoned = false;
    c.n = (fe_node){.im = im, .g = im->g, .scope = scope, .b = {.g = im->g, .block = block}};
    lathe_status status = prepare(&c, p, &poisoned);
    if (status == LATHE_OK) status = import_checked(&c, poisoned);
    fe_note(im, status);
    if (!scope->rest.taken) bind_outputs(&c, status);
}

lathe_status fe_import_rest(fe_scope *scope, ir_block_id block)
{
    fe_import *im = scope->im;
    fe_rest *r = &scope->rest;
    size_t count = r->nodes.n - r->next;
    if (im->depth == FE_MAX_DEPTH) {
        return fe_error(im, LATHE_LIMIT, NULL, "graphs and functions nest deeper than %d",
                        FE_MAX_DEPTH);
    }
    if (count > FE_MAX_IMPORTED - im->imported)
        return fe_error(im, LATHE_LIMIT, NULL, "more than %u nodes", FE_MAX_IMPORTED);
    im->imported += (uint32_t)count;
    im->depth++;
    while (r->next < r->nodes.n && !r->taken)
        import_node(scope, r->nodes.list[r->order[r->next++]], block);
    im->depth--;
    return LATHE_OK;
}

lathe_status fe_import_nodes(fe_scope *scope, fe_nodes nodes, ir_block_id block)
{
    scope->rest = (fe_rest){.nodes = nodes};
    TRY(fe_order(scope->im, nodes, &scope->rest.order));
    return fe_import_rest(scope, block);
}

fe_nodes fe_graph_nodes(fe_import *im, const Onnx__GraphProto *graph)
{
    const char **names = IR_NEW_N(im->arena, const char *, graph->n_output + 1);
    for (size_t i = 0; i < graph->n_output; i++) names[i] = fe_text(graph->output[i]->name);
    return (fe_nodes){graph->node, graph->n_node, names, graph->n_output};
}

/* ---- subgraphs ---- */

static lathe_status bind_args(const fe_node *n, fe_scope *s, const Onnx__GraphProto *graph,
                              const fe_value *args, size_t nargs)
{
    size_t inputs = 0;
    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = fe_text(graph->input[i]->name);
        if (fe_scope_is_initializer(s, name)) continue;
        if (inputs < nargs) TRY(fe_scope_add(s, name, args[inputs]));
        inputs++;
    }
    if (inputs == nargs) return LATHE_OK;
    return fe_note(s->im, fe_expect(n, "a subgraph's number of inputs is",
                                    fe_number(n, (int64_t)inputs), fe_number(n, (int64_t)nargs)));
}

/* Where the graph turned out to be the end of those around it, nothing reads its outputs. */
static lathe_status import_subgraph(fe_node *n, fe_scope *s, const Onnx__GraphProto *graph,
                                    const fe_value *args, size_t nargs, fe_value *outs)
{
    fe_import *im = n->im;
    for (size_t i = 0; i < graph->n_output; i++) outs[i] = (fe_value){.kind = FE_POISON};
    TRY(fe_scope_add_initializers(s, graph));
    TRY(bind_args(n, s, graph, args, nargs));
    TRY(fe_import_nodes(s, fe_graph_nodes(im, graph), s->block));
    lathe_status status = LATHE_OK;
    for (size_t i = 0; i < graph->n_output && !n->scope->rest.taken; i++) {
        outs[i] = fe_scope_output(s, fe_text(graph->output[i]->name));
        if (outs[i].kind == FE_POISON) status = im->status;
    }
    return status;
}

lathe_status fe_subgraph(fe_node *n, const Onnx__GraphProto *graph, ir_block_id block,
                         const fe_value *args, size_t nargs, fe_value *outs)
{
    fe_scope *s = fe_scope_new(n->im, n->scope, n->scope->frame, block);
    return import_subgraph(n, s, graph, args, nargs, outs);
}

lathe_status fe_inline(fe_node *n, const Onnx__GraphProto *graph)
{
    fe_value *outs = IR_NEW_N(n->im->arena, fe_value, graph->n_output + 1);
    fe_scope *s = fe_scope_new(n->im, n->scope, n->scope->frame, n->b.block);
    s->around = n;
    TRY(import_subgraph(n, s, graph, NULL, 0, outs));
    for (size_t k = 0; k < n->nout; k++)
        if (fe_wants(n, k)) fe_out_value(n, k, outs[k]);
    return LATHE_OK;
}
