/* Signatures: a node is understood whole or refused. In: a node and its row's signature. Out: an
 * error for each attribute, input or output that the row does not know, or needs and does not find.
 * Invariant: a node that passes has nothing that its importer never looks at, but for attributes
 * that the row calls harmless. The grammar is explained in onnx_ops.def. */
#include "frontend/signature.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"

/* ---- reading ---- */

static bool next_word(const char **at, fe_word *w)
{
    const char *p = *at + strspn(*at, " ");
    *w = (fe_word){p, strcspn(p, " ;")};
    *at = p + w->n;
    return w->n > 0;
}

static bool is(fe_word w, const char *text)
{
    return strlen(text) == w.n && !strncmp(w.text, text, w.n);
}

/* "2", "1-3" or "1+". */
static bool read_span(const char **at, fe_span *s)
{
    fe_word w;
    char *end;
    if (!next_word(at, &w)) return false;
    s->lo = s->hi = (unsigned)strtoul(w.text, &end, 10);
    if (*end == '-') s->hi = (unsigned)strtoul(end + 1, &end, 10);
    if (*end == '+') s->hi = FE_ANY, end++;
    return end == w.text + w.n && s->lo <= s->hi;
}

static bool read_type(const char **at, int *type, bool *flag)
{
    fe_word w;
    if (!next_word(at, &w)) return false;
    *type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (is(w, "flag")) return *flag = true;
    for (*type = 1; *type <= ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO; ++*type) {
        if (is(w, fe_type_name(*type))) return true;
    }
    return false;
}

static bool read_version(const char **at, int *version)
{
    fe_word w;
    return next_word(at, &w) && (*version = atoi(w.text)) > 0;
}

/* What follows the numbers or the type. */
static bool read_clauses(const char **at, fe_rule *r)
{
    for (fe_word w; next_word(at, &w);) {
        bool ok = true;
        if (is(w, "required")) {
            r->required = true;
        } else if (is(w, "default")) {
            ok = next_word(at, &r->otherwise);
        } else if (is(w, "since")) {
            ok = read_version(at, &r->since);
        } else if (is(w, "until")) {
            ok = read_version(at, &r->until);
        } else if (is(w, "only")) {
            ok = next_word(at, &r->only);
        } else if (is(w, "harmless")) {
            *at += strspn(*at, " ");
            r->harmless = (fe_word){*at, strcspn(*at, ";")};
            *at += r->harmless.n;
            ok = r->harmless.n > 0;
        } else {
            ok = false;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_rule(const char **at, fe_rule *r)
{
    fe_word w;
    const char *start = *at;
    if (!next_word(at, &w)) return false;
    if (*w.text >= '0' && *w.text <= '9') {
        *at = start;
        if (!read_span(at, &r->in) || !next_word(at, &w) || !is(w, "to")) return false;
        if (!read_span(at, &r->out)) return false;
    } else {
        r->name = w;
        if (!read_type(at, &r->type, &r->flag)) return false;
    }
    return read_clauses(at, r);
}

bool fe_rule_next(const char **at, fe_rule *r)
{
    if (!**at) return false;
    *r = (fe_rule){.since = 1};
    if (!read_rule(at, r)) return false;
    if (**at == ';') ++*at;
    return true;
}

/* ---- the rules that hold at the node's version ---- */

static bool in_force(const fe_rule *r, int version)
{
    return version >= r->since && (!r->until || version <= r->until);
}

static bool next_rule(const fe_node *n, const char **at, fe_rule *r)
{
    while (fe_rule_next(at, r)) {
        if (in_force(r, n->version)) return true;
    }
    return false;
}

bool fe_rule_of(const fe_op *op, int version, const char *name, int type, fe_rule *found)
{
    bool any = false;
    fe_rule r;
    for (const char *at = op ? op->signature : ""; fe_rule_next(&at, &r);) {
        if (!r.name.n || !is(r.name, name) || r.type != type) continue;
        if (!any || in_force(&r, version)) *found = r;
        if (in_force(&r, version)) return true;
        any = true;
    }
    return any;
}

static bool find_rule(const fe_node *n, const fe_op *op, const char *name, fe_rule *r)
{
    for (const char *at = op->signature; next_rule(n, &at, r);) {
        if (r->name.n && is(r->name, name)) return true;
    }
    return false;
}

static const char *accepted(const fe_node *n, const fe_op *op)
{
    const char *list = "";
    fe_rule r;
    for (const char *at = op->signature; next_rule(n, &at, &r);) {
        if (!r.name.n) continue;
        list =
            ir_format(n->g->arena, "%s%s%.*s", list, *list ? ", " : "", (int)r.name.n, r.name.text);
    }
    return *list ? list : "none";
}

/* ---- attributes ---- */

/* An attribute whose row accepts one value only. */
static lathe_status check_only(const fe_node *n, const fe_rule *r, const Onnx__AttributeProto *a)
{
    char *text = ir_format(n->g->arena, "%.*s", (int)r->only.n, r->only.text);
    const char *found = NULL;
    if (r->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT) {
        if (a->i != atoll(text)) found = fe_number(n, a->i);
    } else if (r->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT) {
        if (a->f != strtof(text, NULL)) found = ir_format(n->g->arena, "%g", (double)a->f);
    } else if (a->s.len != r->only.n || memcmp(a->s.data, text, a->s.len)) {
        found = ir_format(n->g->arena, "'%.*s'", (int)(a->s.len < 64 ? a->s.len : 64),
                          a->s.len ? (const char *)a->s.data : "");
    }
    if (!found) return LATHE_OK;
    return fe_fail(n, LATHE_UNSUPPORTED, "attribute %s is %s, only %s is supported", a->name, found,
                   text);
}

static lathe_status check_attribute(const fe_node *n, const fe_op *op, size_t k)
{
    const Onnx__AttributeProto *a = n->proto->attribute[k];
    const char *name = fe_text(a->name);
    fe_rule r;
    for (size_t i = 0; i < k; i++) {
        if (!strcmp(fe_text(n->proto->attribute[i]->name), name))
            return fe_fail(n, LATHE_BAD_INPUT, "attribute %s is given twice", name);
    }
    if (!strncmp(name, "__", 2)) return LATHE_OK; /* ONNX leaves these names to tools */
    if (!find_rule(n, op, name, &r)) {
        return fe_fail(n, LATHE_BAD_INPUT, "attribute '%s' is not known, accepted: %s", name,
                       accepted(n, op));
    }
    if (r.harmless.n) return LATHE_OK;
    if ((int)a->type != r.type) {
        return fe_expect(n, ir_format(n->g->arena, "attribute %s is of type", name),
                         fe_type_name((int)a->type), fe_type_name(r.type));
    }
    if (r.flag && a->i != 0 && a->i != 1) {
        return fe_expect(n, ir_format(n->g->arena, "attribute %s is", name), fe_number(n, a->i),
                         "0 or 1");
    }
    return r.only.n ? check_only(n, &r, a) : LATHE_OK;
}

static lathe_status check_required(const fe_node *n, const fe_rule *r)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        if (is(r->name, fe_text(n->proto->attribute[i]->name))) return LATHE_OK;
    }
    return fe_fail(n, LATHE_BAD_INPUT, "attribute %.*s (%s) is missing", (int)r->name.n,
                   r->name.text, fe_type_name(r->type));
}

/* ---- inputs and outputs ---- */

static const char *count_of(const fe_node *n, fe_span s, const char *what)
{
    const char *plural = s.hi == 1 ? "" : "s";
    if (s.hi == FE_ANY) return ir_format(n->g->arena, "at least %u %ss", s.lo, what);
    if (s.lo == s.hi) return ir_format(n->g->arena, "%u %s%s", s.lo, what, plural);
    return ir_format(n->g->arena, "%u to %u %ss", s.lo, s.hi, what);
}

static lathe_status check_inputs(const fe_node *n, const fe_rule *r)
{
    for (size_t k = r->in.hi; k < n->proto->n_input; k++) {
        if (*n->proto->input[k])
            return fe_fail_input(n, k, LATHE_BAD_INPUT, "is one too many: expected %s",
                                 count_of(n, r->in, "input"));
    }
    for (size_t k = 0; k < r->in.lo; k++) {
        if (k >= n->proto->n_input || !*n->proto->input[k])
            return fe_fail(n, LATHE_BAD_INPUT, "input %zu is missing: expected %s", k,
                           count_of(n, r->in, "input"));
    }
    return LATHE_OK;
}

static lathe_status check_outputs(const fe_node *n, const fe_rule *r)
{
    for (size_t k = r->out.hi; k < n->proto->n_output; k++) {
        if (*n->proto->output[k])
            return fe_fail(n, LATHE_BAD_INPUT, "output %zu ('%s') is one too many: expected %s", k,
                           n->proto->output[k], count_of(n, r->out, "output"));
    }
    return LATHE_OK;
}

lathe_status fe_check_signature(const fe_node *n, const fe_op *op)
{
    lathe_status status = LATHE_OK;
    fe_rule r;
    for (size_t k = 0; k < n->proto->n_attribute; k++) {
        const lathe_status one = check_attribute(n, op, k);
        if (status == LATHE_OK) status = one;
    }
    for (const char *at = op->signature; next_rule(n, &at, &r);) {
        lathe_status one = LATHE_OK;
        if (r.required) one = check_required(n, &r);
        if (!r.name.n) one = check_inputs(n, &r);
        if (status == LATHE_OK) status = one;
        if (!r.name.n) one = check_outputs(n, &r);
        if (status == LATHE_OK) status = one;
    }
    return status;
}
