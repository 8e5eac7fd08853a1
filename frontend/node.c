/* What importers use to read a node's inputs, set its outputs and report what is wrong with it.
 * Every message names the node and its operator; one about an input also its number and name. */
#include "frontend/import.h"
#include "frontend/sizes.h"

/* ---- inputs and outputs ---- */

bool fe_has(const fe_node *n, size_t k) { return k < n->nin && n->in[k].kind != FE_ABSENT; }

ir_value fe_in(const fe_node *n, size_t k)
{
    return k < n->nin && n->in[k].kind == FE_TENSOR ? n->in[k].tensor : IR_NONE;
}

const ir_type *fe_type(const fe_node *n, size_t k) { return ir_type_of(n->g, fe_in(n, k)); }

bool fe_wants(const fe_node *n, size_t k) { return k < n->nout && *n->proto->output[k]; }

void fe_out_value(fe_node *n, size_t k, fe_value v)
{
    if (k < n->nout) n->out[k] = v;
}

void fe_out(fe_node *n, size_t k, ir_value v)
{
    fe_out_value(n, k, (fe_value){.kind = v ? FE_TENSOR : FE_POISON, .tensor = v});
}

/* ---- messages ---- */

static diag_place node_place_of(const fe_node *n, const char *tensor)
{
    return (diag_place){.file = n->im->path,
                        .node = ir_text(n->g, n->b.name),
                        .op = n->op,
                        .tensor = tensor,
                        .version = n->version};
}

static const char *input_name(const fe_node *n, size_t k)
{
    return k < n->proto->n_input ? n->proto->input[k] : "";
}

static lathe_status node_fail(const fe_node *n, lathe_status status, const char *tensor,
                              const char *format, va_list args)
{
    const diag_place place = node_place_of(n, tensor);
    return diag_add(n->im->diag, status, &place, "%s", ir_vformat(n->g->arena, format, args));
}

lathe_status fe_fail(const fe_node *n, lathe_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = node_fail(n, status, NULL, format, args);
    va_end(args);
    return status;
}

lathe_status fe_fail_input(const fe_node *n, size_t k, lathe_status status, const char *format, ...)
{
    const char *prefixed = ir_format(n->g->arena, "input %zu %s", k, format);
    va_list args;
    va_start(args, format);
    status = node_fail(n, status, input_name(n, k), prefixed, args);
    va_end(args);
    return status;
}

lathe_status fe_expect(const fe_node *n, const char *what, const char *found, const char *expected)
{
    const diag_place place = node_place_of(n, NULL);
    return diag_mismatch(n->im->diag, LATHE_BAD_INPUT, &place, what, found, expected);
}

lathe_status fe_expect_input(const fe_node *n, size_t k, const char *what, const char *found,
                             const char *expected)
{
    const diag_place place = node_place_of(n, input_name(n, k));
    return diag_mismatch(n->im->diag, LATHE_BAD_INPUT, &place,
                         ir_format(n->g->arena, "input %zu %s", k, what), found, expected);
}

const char *fe_number(const fe_node *n, int64_t v)
{
    return ir_format(n->g->arena, "%lld", (long long)v);
}

const char *fe_kind_name(const fe_node *n, size_t k)
{
    static const char *const names[] = {
        [FE_ABSENT] = "missing",      [FE_TENSOR] = "a tensor",
        [FE_SEQUENCE] = "a sequence", [FE_OPTIONAL_NONE] = "an optional that holds nothing",
        [FE_POISON] = "refused",
    };
    return names[k < n->nin ? n->in[k].kind : FE_ABSENT];
}

/* ---- contents ---- */

static lathe_status need_integers(const fe_node *n, size_t k)
{
    if (!fe_in(n, k)) return fe_expect_input(n, k, "is", fe_kind_name(n, k), "a tensor");
    if (ir_elem_is_int(fe_type(n, k)->elem)) return LATHE_OK;
    return fe_expect_input(n, k, "has element type", ir_elem_name(fe_type(n, k)->elem), "integers");
}

lathe_status fe_need_ints(const fe_node *n, size_t k, const int64_t **values, size_t *count)
{
    TRY(need_integers(n, k));
    int64_t *out = IR_NEW_N(n->g->arena, int64_t, IR_MAX_CONTENT);
    *values = out;
    if (ir_content_ints(n->g, fe_in(n, k), out, IR_MAX_CONTENT, count)) return LATHE_OK;
    return fe_fail_input(n, k, LATHE_UNSUPPORTED, "must be known while compiling");
}

lathe_status fe_dims_or_data(fe_node *n, size_t k, int64_t lo, int64_t hi, const ir_dim **dims,
                             size_t *count)
{
    TRY(need_integers(n, k));
    return fe_sizes(n, fe_in(n, k), lo, hi, IR_NONE, dims, count);
}

lathe_status fe_axis(const fe_node *n, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank) {
        return fe_fail(n, LATHE_BAD_INPUT, "axis %lld is outside [%d, %d)", (long long)axis, -rank,
                       rank);
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return LATHE_OK;
}
