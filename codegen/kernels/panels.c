/* Formats of panels, and packing a matrix into them as it is written.
 *
 * In: the elements of a constant and cg_panels, which says where in them each matrix's elements
 * stand. Out: the packed bytes in pieces of a few rows, so that memory does not grow with the
 * weight. A panel's columns are found once; a row of a panel is then one gather.
 *
 * PAIRS is for processors that add products of two bytes, one without a sign, as i16 that saturate.
 * A sum cannot if the pair's codes of one sign come to 128 at most. What a pair has beyond that is
 * taken out of it, and stands in the panel's list: a word that counts them, then entries of
 * cg_listed. Sums of columns are those of what is left. */
#include <stdlib.h>
#include <string.h>

#include "codegen/program.h"

enum { ROWS = 64, MOST_LISTED = 1 << 15, LIST = MOST_LISTED / 144 * CG_PANEL };

typedef struct packing {
    const cg_panels *p;
    const cg_panel_form *form;
    const char *elements;
    bool (*put)(void *ctx, const void *bytes, size_t size);
    void *ctx;
    int64_t base;              /* of the matrix */
    int64_t column[CG_PANEL];  /* offsets of the panel's columns */
    int columns;               /* of the panel that exist */
    uint32_t list[LIST], room; /* words */
    char rows[ROWS][CG_PANEL * CG_CELL];
} packing;

static const cg_panel_form forms[] = {
#define PANEL(id, name, b, from, elem, sum, group, sums, listed)                                   \
    {name, elem, sum, group, sums, listed},
#include "ir/panels.def"
#undef PANEL
};

const cg_panel_form *cg_panel_form_of(cg_format f) { return &forms[f]; }

cg_format cg_format_of(const char *name)
{
    int f = 0;
    while (f < CG_FORMATS && strcmp(forms[f].name, name) != 0) f++;
    return (cg_format)f;
}

int64_t cg_panel_front(const cg_panel_form *form, int64_t k)
{
    int64_t rows = form->listed && k < form->listed ? 1 : form->listed ? k / form->listed : 0;
    return form->sums + rows;
}

/* Only weights, whose k is known, have lists. */
static ir_dim rows_of(ir_graph *g, const cg_panel_form *form, ir_dim k)
{
    int64_t known = 0;
    ir_dim_is_const(g, k, &known);
    ir_dim front = ir_dim_const(g, cg_panel_front(form, known));
    if (form->group > 1) k = ir_dim_ceildiv(g, k, ir_dim_const(g, form->group));
    return ir_dim_add(g, k, front);
}

ir_dim cg_panel_elements(ir_graph *g, cg_format f, ir_dim k)
{
    const int64_t row = (int64_t)CG_PANEL * forms[f].group;
    return ir_dim_mul(g, rows_of(g, &forms[f], k), ir_dim_const(g, row));
}

ir_dim cg_panel_bytes(ir_graph *g, cg_format f, ir_dim k)
{
    return ir_dim_mul(g, rows_of(g, &forms[f], k), ir_dim_const(g, CG_PANEL * CG_CELL));
}

static int64_t count(const cg_panels *p, int first, int n)
{
    int64_t total = 1;
    for (int i = first; i < first + n; i++) total *= p->size[i];
    return total;
}

uint64_t cg_panels_size(const cg_panels *p)
{
    const cg_panel_form *form = &forms[p->format];
    int64_t n = count(p, p->nbatch + p->nk, p->nn), k = count(p, p->nbatch, p->nk);
    int64_t panels = (n + CG_PANEL - 1) / CG_PANEL * count(p, 0, p->nbatch),
            rows = (k + form->group - 1) / form->group + cg_panel_front(form, k);
    if (p->codes.code)
        return (uint64_t)(cg_codes_book(&p->codes) + panels * cg_codes_panel(&p->codes, k));
    return (uint64_t)(panels * rows) * CG_PANEL * CG_CELL;
}

/* Offset of the i-th point of the n axes from `first` on, counted row-major. */
static int64_t panels_place(const cg_panels *p, int first, int n, int64_t i)
{
    int64_t at = 0;
    for (int a = first + n - 1; a >= first; a--) {
        at += i % p->size[a] * p->stride[a];
        i /= p->size[a];
    }
    return at;
}

/* The elements of one k, in their places of a group. */
static void pack_row(packing *w, int64_t at, char *row)
{
    const size_t size = CG_CELL / (size_t)w->form->group;
    const char *from = w->elements + (w->base + at) * (int64_t)size;
    for (int c = 0; c < w->columns; c++)
        memcpy(row + c * CG_CELL, from + w->column[c] * (int64_t)size, size);
}

/* ---- pairs ---- */

/* What a pair has too much, taken out of the one of the two that has more; *which. */
static int take_excess(int8_t *pair[2], int *which)
{
    enum { MOST = 128 };
    int up = 0, down = 0;
    for (int i = 0; i < 2; i++) *(*pair[i] > 0 ? &up : &down) += *pair[i];
    int excess = up > MOST ? up - MOST : down < -MOST ? down + MOST : 0;
    *which = abs(*pair[1]) > abs(*pair[0]);
    *pair[*which] = (int8_t)(*pair[*which] - excess);
    return excess;
}

static void split_row(char *row)
{
    int which;
    for (int8_t *p = (int8_t *)row, *end = p + CG_PANEL * CG_CELL; p < end; p += 2)
        take_excess((int8_t *[]){p, p + 1}, &which);
}

/* The list, and with `sums` what is left of each column. False: the list has no room for all. */
static bool list_pairs(packing *w, int64_t k, int32_t *sums)
{
    const char *base = w->elements + w->base;
    uint32_t n = 0;
    for (int64_t i = 0; i < k; i += 2) {
        const int64_t at[] = {panels_place(w->p, w->p->nbatch, w->p->nk, i),
                              panels_place(w->p, w->p->nbatch, w->p->nk, i + 1 < k ? i + 1 : i)};
        for (int c = 0; c < w->columns; c++) {
            int8_t one = *(const int8_t *)(base + at[0] + w->column[c]),
                   other = i + 1 < k ? *(const int8_t *)(base + at[1] + w->column[c]) : 0;
            int which, excess = take_excess((int8_t *[]){&one, &other}, &which);
            sums[c] += one + other;
            if (!excess) continue;
            if (++n == w->room) return false;
            w->list[n] = CG_LISTED(i + which, c, excess);
        }
    }
    w->list[0] = n;
    return true;
}

static bool pack_list(packing *w, int64_t k)
{
    int32_t sums[CG_PANEL] = {0};
    memset(w->list, 0, sizeof w->list);
    return list_pairs(w, k, sums) && w->put(w->ctx, w->list, w->room * sizeof *w->list) &&
           w->put(w->ctx, sums, sizeof sums);
}

static bool pack_groups(packing *w, int64_t k)
{
    const cg_panels *p = w->p;
    const int group = w->form->group;
    memset(w->rows, 0, sizeof w->rows);
    for (int64_t first = 0; first < k; first += (int64_t)ROWS * group) {
        int64_t end = k - first < (int64_t)ROWS * group ? k : first + (int64_t)ROWS * group,
                rows = (end - first + group - 1) / group;
        if (end == k && group > 1) memset(w->rows[rows - 1], 0, sizeof w->rows[0]);
        for (int64_t i = first; i < end; i++)
            pack_row(w, panels_place(p, p->nbatch, p->nk, i),
                     w->rows[(i - first) / group] + (i - first) % group * (CG_CELL / group));
        for (int64_t i = 0; w->room && i < rows; i++) split_row(w->rows[i]);
        if (!w->put(w->ctx, w->rows, (size_t)rows * sizeof w->rows[0])) return false;
    }
    return true;
}

/* The sum over all k of each column, of integers of a byte. */
static bool pack_sums(packing *w, int64_t k)
{
    int32_t sums[CG_PANEL] = {0};
    _Static_assert(sizeof sums == CG_PANEL * CG_CELL, "a row of sums is a row of the panel");
    for (int64_t i = 0; i < k; i++) {
        const char *from = w->elements + w->base + panels_place(w->p, w->p->nbatch, w->p->nk, i);
        for (int c = 0; c < w->columns; c++) sums[c] += *(const int8_t *)(from + w->column[c]);
    }
    return w->put(w->ctx, sums, sizeof sums);
}

static bool pack_panel(packing *w, int64_t k)
{
    if (w->room ? !pack_list(w, k) : w->form->sums && !pack_sums(w, k)) return false;
    return pack_groups(w, k);
}

static bool fits_panel(packing *w, int64_t k)
{
    int32_t sums[CG_PANEL] = {0};
    return list_pairs(w, k, sums);
}

/* Panel by panel, until one of them is false. */
static bool each_panel(packing *w, bool (*visit)(packing *, int64_t k))
{
    const cg_panels *p = w->p;
    int at_n = p->nbatch + p->nk;
    int64_t matrices = count(p, 0, p->nbatch), n = count(p, at_n, p->nn),
            k = count(p, p->nbatch, p->nk);
    w->form = &forms[p->format];
    w->room = (uint32_t)(cg_panel_front(w->form, k) - w->form->sums) * CG_PANEL;
    for (int64_t i = 0; i < matrices; i++) {
        w->base = p->base + panels_place(p, 0, p->nbatch, i);
        for (int64_t first = 0; first < n; first += CG_PANEL) {
            w->columns = n - first < CG_PANEL ? (int)(n - first) : CG_PANEL;
            for (int c = 0; c < w->columns; c++)
                w->column[c] = panels_place(p, at_n, p->nn, first + c);
            if (!visit(w, k)) return false;
        }
    }
    return true;
}

bool cg_panels_write(const cg_panels *p, const void *elements,
                     bool (*put)(void *ctx, const void *bytes, size_t size), void *ctx)
{
    packing w = {.p = p, .elements = elements, .put = put, .ctx = ctx};
    return each_panel(&w, pack_panel);
}

bool cg_panels_fit(const cg_panels *p, const void *elements)
{
    packing w = {.p = p, .elements = elements};
    return count(p, p->nbatch, p->nk) < MOST_LISTED && each_panel(&w, fits_panel);
}
