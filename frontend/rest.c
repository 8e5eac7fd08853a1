/* What stands behind a node, imported into the node's own regions. In: a node whose results differ
 * between two branches in what no value can differ in, their rank. Out: each branch with the rest
 * of the graph behind it, for the ranks that it has; the node then returns what the graph returns.
 * Where that still differs in rank, and the graph stands in the place of a node, a branch that was
 * chosen or a function's body, what stands behind that node follows, and so on outwards.
 * The nodes are imported again for each branch, into a scope inside of the graph's own, so that
 * constants are shared. The alternative, values of an unknown rank, would be a second kind of value
 * in every operator. */
#include "frontend/import.h"

/* Whether a name is yet to come. */
static bool is_new(fe_scope *s, const char *name)
{
    fe_value v;
    return *name && !fe_scope_get(s, name, &v);
}

static lathe_status import_behind(fe_node *n, const fe_value *outs, ir_block_id block,
                                  fe_value *results)
{
    fe_import *im = n->im;
    const fe_rest *r = &n->scope->rest;
    fe_scope *s = fe_scope_new(im, n->scope, n->scope->frame, block);
    s->rest = *r;
    for (size_t i = 0; i < n->nout; i++) TRY(fe_scope_add(s, n->proto->output[i], outs[i]));
    TRY(fe_import_rest(s, block));
    for (size_t i = 0; i < r->nodes.noutputs; i++)
        if (is_new(n->scope, r->nodes.outputs[i]))
            results[i] = fe_scope_output(s, r->nodes.outputs[i]);
    return im->status;
}

static const char *first_error(const fe_import *im, size_t from)
{
    for (size_t i = from; i < lathe_diag_count(im->diag); i++) {
        lathe_message m = lathe_diag_get(im->diag, i);
        char text[FE_MAX_NAME];
        if (m.severity != LATHE_ERROR) continue;
        m.file = "";
        lathe_diag_format(&m, text, sizeof text);
        return ir_format(im->arena, "%s", text);
    }
    return "";
}

lathe_status fe_rest_import(fe_node *n, const fe_value *outs, ir_block_id block, fe_value **results,
                            size_t *count, const char **why)
{
    fe_import *im = n->im;
    const fe_nodes *nodes = &n->scope->rest.nodes;
    size_t kept = lathe_diag_count(im->diag), errors = lathe_diag_errors(im->diag);
    lathe_status before = im->status;
    *why = "";
    if (im->splits == FE_MAX_SPLITS || before != LATHE_OK) return LATHE_UNSUPPORTED;
    *count = nodes->noutputs;
    *results = IR_NEW_N(im->arena, fe_value, *count + 1);
    im->splits++;
    lathe_status status = import_behind(n, outs, block, *results);
    im->splits--;
    if (status == LATHE_OK) return LATHE_OK;
    *why = first_error(im, kept);
    diag_rewind(im->diag, kept, errors);
    im->status = before;
    return status;
}

fe_node *fe_rest_around(fe_node *n, fe_value *results)
{
    fe_scope *s = n->scope;
    for (size_t i = 0; i < s->rest.nodes.noutputs && s->around; i++)
        if (results[i].kind == FE_ABSENT) results[i] = fe_scope_output(s, s->rest.nodes.outputs[i]);
    return s->around;
}

lathe_status fe_rest_replace(fe_node *n, fe_node *inner, const fe_value *results)
{
    fe_rest *r = &n->scope->rest;
    for (size_t i = 0; i < r->nodes.noutputs; i++)
        if (is_new(n->scope, r->nodes.outputs[i]))
            TRY(fe_scope_add(n->scope, r->nodes.outputs[i], results[i]));
    for (; inner != n; inner = inner->scope->around) inner->scope->rest.taken = true;
    r->taken = true;
    return LATHE_OK;
}
