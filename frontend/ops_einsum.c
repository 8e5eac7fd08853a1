/* Einsum. In: an equation and its operands; out: a chain of contracts of two operands each, from
 * left to right. Labels are numbers: letters, then the axes of the ellipsis, counted from its end
 * so that they align. A label that one operand alone has, and nothing later needs, is summed before
 * the product, so that the product's reduced axes are those of both operands. */
#include "frontend/build.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS = 52, LABELS = LETTERS + IR_MAX_RANK };

typedef struct term {
    ir_value v;
    int rank, labels[LABELS];
    uint64_t set[2]; /* of labels, as bits */
} term;

typedef struct einsum {
    fe_node *n;
    term *terms;
    size_t nterms;
    term out;
    ir_dim dims[LABELS];        /* IR_NONE: unused so far */
    int uses[LABELS], ellipsis; /* most axes that an ellipsis stands for */
} einsum;

static bool has(const term *t, int label) { return t->set[label / 64] >> label % 64 & 1; }

static void einsum_push(term *t, int label)
{
    t->labels[t->rank++] = label;
    t->set[label / 64] |= UINT64_C(1) << label % 64;
}

static int label_of(char c) { return c >= 'a' ? c - 'a' + 26 : c - 'A'; }

/* ---- the equation ---- */

/* One side's labels up to `end`; an ellipsis stands for `axes` axes. */
static lathe_status read_labels(einsum *e, const char *at, const char *end, int axes, term *t)
{
    bool dots = false;
    for (; at < end; at++) {
        if (*at == ' ') continue;
        if (*at == '.' && end - at >= 3 && at[1] == '.' && at[2] == '.' && !dots) {
            for (int i = 0; i < axes; i++) einsum_push(t, LETTERS + axes - 1 - i);
            dots = true;
            at += 2;
        } else if (isalpha((unsigned char)*at) && t->rank + 1 < LABELS) {
            einsum_push(t, label_of(*at));
        } else {
            return fe_fail(e->n, LATHE_BAD_INPUT, "attribute equation: '%c' is not understood",
                           *at);
        }
    }
    return LATHE_OK;
}

static int count_letters(const char *at, const char *end)
{
    int letters = 0;
    for (; at < end; at++) letters += isalpha((unsigned char)*at) != 0;
    return letters;
}

static lathe_status read_term(einsum *e, size_t k, const char *at, const char *end)
{
    fe_node *n = e->n;
    ir_graph *g = n->g;
    TRY(fe_need_class(n, k, "FLSU"));
    TRY(fe_need_same(n, 0, k));
    const ir_type *type = fe_type(n, k);
    bool dots = memchr(at, '.', (size_t)(end - at)) != NULL;
    int axes = dots ? type->rank - count_letters(at, end) : 0;
    term *t = &e->terms[k];
    t->v = fe_in(n, k);
    if (axes >= 0) TRY(read_labels(e, at, end, axes, t));
    if (axes < 0 || t->rank != type->rank)
        return fe_fail_input(n, k, LATHE_BAD_INPUT, "rank %d does not fit the term '%.*s'",
                             type->rank, (int)(end - at), at);
    if (axes > e->ellipsis) e->ellipsis = axes;
    for (int i = 0; i < t->rank; i++) {
        ir_dim *d = &e->dims[t->labels[i]];
        e->uses[t->labels[i]]++;
        ir_dim met = *d == IR_NONE ? type->dims[i] : fe_meet(g, *d, type->dims[i]);
        if (met == IR_NONE)
            return fe_expect_input(n, k, ir_format(g->arena, "has axis %d of size", i),
                                   ir_dim_text(g, type->dims[i]), ir_dim_text(g, *d));
        *d = met;
    }
    return LATHE_OK;
}

/* Without an arrow: the ellipsis, then the letters that occur once, in order. */
static void implied_output(einsum *e)
{
    for (int i = e->ellipsis - 1; i >= 0; i--) einsum_push(&e->out, LETTERS + i);
    for (int i = 0; i < LETTERS; i++)
        if (e->uses[i] == 1) einsum_push(&e->out, i);
}

static lathe_status read_equation(einsum *e)
{
    fe_node *n = e->n;
    const char *text = fe_attr_str(n, "equation"), *arrow = strstr(text, "->");
    const char *end = arrow ? arrow : text + strlen(text), *at = text;
    for (size_t k = 0; k < e->nterms; k++) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        if ((comma != NULL) != (k + 1 < e->nterms))
            return fe_fail(n, LATHE_BAD_INPUT, "%zu inputs do not fit the equation '%s'", e->nterms,
                           text);
        TRY(read_term(e, k, at, stop));
        at = comma ? comma + 1 : end;
    }
    if (arrow) TRY(read_labels(e, arrow + 2, text + strlen(text), e->ellipsis, &e->out));
    else implied_output(e);
    for (int i = 0; i < e->out.rank; i++) {
        if (e->dims[e->out.labels[i]] == IR_NONE)
            return fe_fail(n, LATHE_BAD_INPUT, "equation '%s': no input has output label %d", text,
                           i);
        for (int j = 0; j < i; j++)
            if (e->out.labels[i] == e->out.labels[j])
                return fe_fail(n, LATHE_BAD_INPUT, "equation '%s' repeats output label %d", text,
                               i);
    }
    return LATHE_OK;
}

/* ---- the products ---- */

/* Product of the terms with result axes `out` and, behind them, the reduced ones. */
static lathe_status einsum_product(einsum *e, const term *t, size_t count, const term *out,
                                   const term *reduced, ir_elem elem, ir_value *result)
{
    ir_graph *g = e->n->g;
    ir_dim space[IR_MAX_SPACE];
    int place[LABELS], rank = 0;
    if (out->rank + reduced->rank > IR_MAX_SPACE)
        return fe_fail(e->n, LATHE_INTERNAL, "%d labels in one product, at most %d are supported",
                       out->rank + reduced->rank, IR_MAX_SPACE);
    for (int i = 0; i < out->rank + reduced->rank; i++) {
        int label = i < out->rank ? out->labels[i] : reduced->labels[i - out->rank];
        place[label] = rank;
        space[rank++] = e->dims[label];
    }
    fe_factor f[2];
    for (size_t k = 0; k < count; k++) {
        ir_dim dims[IR_MAX_RANK];
        for (int i = 0; i < t[k].rank; i++) dims[i] = e->dims[t[k].labels[i]];
        f[k].v = fe_spread(&e->n->b, t[k].v, dims);
        for (int i = 0; i < t[k].rank && f[k].v != IR_NONE; i++) {
            bool repeated = ir_dim_equals(g, ir_type_of(g, f[k].v)->dims[i], 1) &&
                            !ir_dim_equals(g, e->dims[t[k].labels[i]], 1);
            f[k].axes[i] = repeated ? -1 : place[t[k].labels[i]];
        }
    }
    *result = fe_contract(&e->n->b, f, count, rank, space, reduced->rank, elem);
    return *result == IR_NONE ? LATHE_BAD_INPUT : LATHE_OK;
}

/* Labels that operands from k on, or the output, need. */
static bool needed(const einsum *e, size_t k, int label)
{
    for (; k < e->nterms; k++)
        if (has(&e->terms[k], label)) return true;
    return has(&e->out, label);
}

/* Sums t over the labels that neither `other` nor anything from k on needs; diagonals are read. */
static lathe_status sum_alone(einsum *e, term *t, const term *other, size_t k)
{
    term keep = {0}, drop = {0};
    for (int i = 0; i < t->rank; i++) {
        int label = t->labels[i];
        if (has(&keep, label) || has(&drop, label)) continue;
        einsum_push(has(other, label) || needed(e, k, label) ? &keep : &drop, label);
    }
    if (keep.rank == t->rank) return LATHE_OK;
    ir_elem elem = ir_elem_arith(ir_type_of(e->n->g, t->v)->elem);
    TRY(einsum_product(e, t, 1, &keep, &drop, elem, &keep.v));
    *t = keep;
    return LATHE_OK;
}

/* left becomes left * right: batch labels, left's own, right's own. */
static lathe_status einsum_multiply(einsum *e, term *left, size_t k, ir_elem elem)
{
    term both[2] = {*left, e->terms[k]}, out = {0}, reduced = {0};
    TRY(sum_alone(e, &both[0], &both[1], k + 1));
    TRY(sum_alone(e, &both[1], &both[0], k + 1));
    for (int i = 0; i < both[0].rank; i++) {
        int label = both[0].labels[i];
        if (has(&both[1], label)) einsum_push(needed(e, k + 1, label) ? &out : &reduced, label);
    }
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < both[side].rank; i++)
            if (!has(&both[!side], both[side].labels[i])) einsum_push(&out, both[side].labels[i]);
    TRY(einsum_product(e, both, 2, &out, &reduced, elem, &out.v));
    *left = out;
    return LATHE_OK;
}

/* The result's labels in the output's order; sums and diagonals of a single operand. */
static lathe_status arrange(einsum *e, term *t, ir_elem elem)
{
    int perm[IR_MAX_RANK];
    term none = {0};
    TRY(sum_alone(e, t, &none, e->nterms));
    if (t->rank != e->out.rank) return fe_fail(e->n, LATHE_INTERNAL, "labels are left over");
    for (int i = 0; i < t->rank; i++)
        for (int j = 0; j < t->rank; j++)
            if (t->labels[j] == e->out.labels[i]) perm[i] = j;
    fe_out(e->n, 0, ir_cast(&e->n->b, ir_permute(&e->n->b, t->v, perm), elem));
    return LATHE_OK;
}

lathe_status fe_import_einsum(fe_node *n)
{
    einsum e = {.n = n, .nterms = n->nin};
    e.terms = IR_NEW_N(n->g->arena, term, n->nin);
    TRY(read_equation(&e));
    ir_elem elem = fe_type(n, 0)->elem;
    term left = e.terms[0];
    for (size_t k = 1; k < e.nterms; k++)
        TRY(einsum_multiply(&e, &left, k, k + 1 < e.nterms ? ir_elem_arith(elem) : elem));
    return arrange(&e, &left, elem);
}
