/* Packs a matrix into panels for the tiled product, as it is written.
 *
 * In: the elements of an f32 constant and cg_panels, which says where in them each matrix's
 * elements stand. Out: the packed bytes in pieces of a few rows, so that memory does not grow with
 * the weight. A panel's columns are found once; a row of a panel is then one gather. */
#include <string.h>

#include "codegen/program.h"

enum { ROWS = 64 };

typedef struct packing {
    const cg_panels *p;
    const char *elements;
    bool (*put)(void *ctx, const void *bytes, size_t size);
    void *ctx;
    int64_t base;             /* of the matrix */
    int64_t column[CG_PANEL]; /* offsets of the panel's columns */
    int columns;              /* of the panel that exist */
    float rows[ROWS][CG_PANEL];
} packing;

static int64_t count(const cg_panels *p, int first, int n)
{
    int64_t total = 1;
    for (int i = first; i < first + n; i++) total *= p->size[i];
    return total;
}

uint64_t cg_panels_size(const cg_panels *p)
{
    int64_t n = count(p, p->nbatch + p->nk, p->nn);
    int64_t panels = (n + CG_PANEL - 1) / CG_PANEL * count(p, 0, p->nbatch);
    return (uint64_t)(panels * count(p, p->nbatch, p->nk)) * CG_PANEL * sizeof(float);
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

static void pack_row(packing *w, int64_t at, float *row)
{
    const char *from = w->elements + (w->base + at) * (int64_t)sizeof(float);
    for (int c = 0; c < w->columns; c++)
        memcpy(&row[c], from + w->column[c] * (int64_t)sizeof(float), sizeof(float));
}

static bool pack_panel(packing *w, int64_t first)
{
    const cg_panels *p = w->p;
    int at_n = p->nbatch + p->nk;
    int64_t n = count(p, at_n, p->nn), k = count(p, p->nbatch, p->nk);
    w->columns = n - first < CG_PANEL ? (int)(n - first) : CG_PANEL;
    for (int c = 0; c < w->columns; c++) w->column[c] = panels_place(p, at_n, p->nn, first + c);
    memset(w->rows, 0, sizeof w->rows);
    for (int64_t row = 0; row < k; row += ROWS) {
        int64_t rows = k - row < ROWS ? k - row : ROWS;
        for (int64_t r = 0; r < rows; r++)
            pack_row(w, panels_place(p, p->nbatch, p->nk, row + r), w->rows[r]);
        if (!w->put(w->ctx, w->rows, (size_t)rows * sizeof w->rows[0])) return false;
    }
    return true;
}

bool cg_panels_write(const cg_panels *p, const void *elements,
                     bool (*put)(void *ctx, const void *bytes, size_t size), void *ctx)
{
    packing w = {.p = p, .elements = elements, .put = put, .ctx = ctx};
    int64_t matrices = count(p, 0, p->nbatch), n = count(p, p->nbatch + p->nk, p->nn);
    for (int64_t i = 0; i < matrices; i++) {
        w.base = p->base + panels_place(p, 0, p->nbatch, i);
        for (int64_t first = 0; first < n; first += CG_PANEL)
            if (!pack_panel(&w, first)) return false;
    }
    return true;
}
