/* Encoded matrices as they are written: graphs become code, code makes panels.
 *
 * In: the graphs of encode.c. Out: the panels, some thousand rows at a time, so that no matrix ever
 * exists as floats in memory. Matrices of one form, the layers of a model, share their code. The
 * program owns the code until cg_program_close. */
#include <string.h>

#include "codegen/evaluate/evaluate.h"
#include "codegen/lower/encode.h"
#include "codegen/lower/lower.h"

/* Code that computes rows of a part; it serves all matrices of one form. Rows of several parts are
 * used at a time. */
struct cg_decoder {
    ir_graph *graph;
    ir_expr body;
    ir_elem elem;
    int number;              /* of the part */
    cg_evaluator *evaluator; /* the program's */
    int64_t *numbers;        /* of the rows to compute, and room for them */
    unsigned char *rows;
};

typedef struct writing {
    const cg_encoded *e;
    bool (*put)(void *ctx, const void *bytes, size_t size);
    void *ctx;
} writing;

static bool same_form(const cg_decoder *d, const cg_decoding *e)
{
    const ir_block *a = &d->graph->blocks[1], *b = &e->graph->blocks[1];
    if (d->body != e->body || d->elem != e->elem || d->number != e->number ||
        a->nparams != b->nparams)
        return false;
    for (size_t i = 0; i < a->nparams; i++)
        if (!ir_type_equal(ir_type_of(d->graph, a->params[i]), ir_type_of(e->graph, b->params[i])))
            return false;
    return true;
}

/* ---- writing ---- */

/* n rows of a part, `step` apart from `first` on; NULL: an index was outside. */
static unsigned char *compute(const cg_decoding *part, int64_t first, int64_t step, int64_t n)
{
    const cg_decoder *d = part->decoder;
    for (int64_t i = 0; i < n; i++) d->numbers[i] = first + i * step;
    part->in[0] = (lathe_tensor){.data = d->numbers,
                                 .size = (size_t)n * sizeof *d->numbers,
                                 .dims = {n},
                                 .rank = 1,
                                 .elem = LATHE_I64};
    size_t size = (size_t)n * CG_PANEL * (size_t)ir_elem_bits(part->elem) / 8;
    lathe_tensor out = {.data = d->rows, .size = size};
    return cg_evaluator_run(d->evaluator, part->in, &out, NULL) == LATHE_OK ? d->rows : NULL;
}

/* Numbers of less than a byte, in place: a byte has a column of each half or quarter, the first
 * one lowest. */
static void pack_columns(unsigned char *rows, int64_t n, int bits)
{
    const int bytes = CG_PANEL * bits / 8;
    for (int64_t r = 0; r < n; r++)
        for (int i = 0; i < bytes; i++) {
            unsigned all = 0;
            for (int part = 0; part * bits < 8; part++)
                all |= (unsigned)rows[r * CG_PANEL + part * bytes + i] << part * bits;
            rows[r * bytes + i] = (unsigned char)all;
        }
}

/* Rows of codes, or of zero points, which are stored as codes are. */
static unsigned char *compute_codes(const writing *w, int part, int64_t first, int64_t step,
                                    int64_t n)
{
    unsigned char *rows = compute(&w->e->part[part], first, step, n);
    int bits = cg_code_bits(w->e->matrix.panels.codes.code);
    if (rows && bits < 8) pack_columns(rows, n, bits);
    return rows;
}

/* The rows of a panel from k on, at most so many that there is room for: whole blocks, or a part of
 * one; how many, or -1. */
static int64_t write_blocks(const writing *w, int64_t panel, int64_t k)
{
    const cg_encoded *e = w->e;
    const cg_codes *c = &e->matrix.panels.codes;
    int64_t row = panel * e->k + k, n = e->k - k < CG_DECODED_ROWS ? e->k - k : CG_DECODED_ROWS,
            into = k % c->block;
    if (into + n > c->block && c->block <= CG_DECODED_ROWS && k + n < e->k) n -= n % c->block;
    if (c->block > CG_DECODED_ROWS && n > c->block - into) n = c->block - into;
    int64_t heads = into ? 0 : (n + c->block - 1) / c->block;
    size_t of_scales = (size_t)cg_codes_scales(c), of_codes = (size_t)cg_codes_row(c);
    unsigned char *scales = NULL, *zeros = NULL, *codes = compute_codes(w, CG_PART_CODE, row, 1, n);
    if (!codes) return -1;
    if (heads && of_scales) scales = compute(&e->part[CG_PART_SCALE], row, c->block, heads);
    if (heads && of_scales && !scales) return -1;
    if (heads && c->zeros) zeros = compute_codes(w, CG_PART_ZERO, row, c->block, heads);
    if (heads && c->zeros && !zeros) return -1;
    for (int64_t done = 0, i = 0; done < n; i++) {
        int64_t rows = n - done < c->block ? n - done : c->block;
        if (scales && !w->put(w->ctx, scales + (size_t)i * of_scales, of_scales)) return -1;
        if (zeros && !w->put(w->ctx, zeros + (size_t)i * of_codes, of_codes)) return -1;
        if (!w->put(w->ctx, codes + (size_t)done * of_codes, (size_t)rows * of_codes)) return -1;
        done += rows;
    }
    return n;
}

static bool write_codes(const cg_encoded *e, bool (*put)(void *ctx, const void *bytes, size_t size),
                        void *ctx)
{
    const writing w = {e, put, ctx};
    if (e->book && !put(ctx, e->book, (size_t)cg_codes_book(&e->matrix.panels.codes))) return false;
    for (int64_t panel = 0; panel < e->panels; panel++)
        for (int64_t k = 0, n; k < e->k; k += n)
            if ((n = write_blocks(&w, panel, k)) < 0) return false;
    return true;
}

static bool write_floats(const cg_encoded *e,
                         bool (*put)(void *ctx, const void *bytes, size_t size), void *ctx)
{
    const int64_t rows = e->panels * e->k;
    for (int64_t first = 0; first < rows; first += CG_DECODED_ROWS) {
        int64_t n = rows - first < CG_DECODED_ROWS ? rows - first : CG_DECODED_ROWS;
        const void *made = compute(&e->part[CG_PART_CODE], first, 1, n);
        if (!made || !put(ctx, made, (size_t)n * CG_PANEL * sizeof(float))) return false;
    }
    return true;
}

/* ---- opening ---- */

static lathe_status decoder_of(cg_program *p, cg_decoding *e, lathe_diag *diag)
{
    static const int64_t most[] = {CG_DECODED_ROWS};
    for (size_t i = 0; i < p->ndecoders && !e->decoder; i++)
        if (same_form(p->decoders[i], e)) e->decoder = p->decoders[i];
    if (e->decoder) return LATHE_OK;
    cg_decoder *d = IR_NEW(p->arena, cg_decoder);
    *d =
        (cg_decoder){.graph = e->graph,
                     .body = e->body,
                     .elem = e->elem,
                     .number = e->number,
                     .numbers = IR_NEW_N(p->arena, int64_t, CG_DECODED_ROWS),
                     .rows = (unsigned char *)IR_NEW_N(p->arena, float, CG_DECODED_ROWS *CG_PANEL)};
    CG_PUSH(p, decoders, d);
    TRY(cg_evaluator_new(e->graph, most, diag, &d->evaluator));
    e->decoder = d;
    return LATHE_OK;
}

static lathe_status open_part(cg_program *p, const cg_encoded *e, cg_decoding *part,
                              lathe_diag *diag)
{
    const ir_block *body = &part->graph->blocks[1];
    part->in = IR_NEW_N(p->arena, lathe_tensor, body->nparams);
    for (size_t i = 0; i < e->nblobs; i++)
        part->in[i + 1] = cg_evaluator_input(part->graph, body->params[i + 1], &e->blobs[i]);
    return decoder_of(p, part, diag);
}

static lathe_status open_encoded(cg_program *p, cg_encoded *e, lathe_diag *diag)
{
    if (e->write) return LATHE_OK;
    for (int i = 0; i < CG_CODED_PARTS; i++)
        if (e->part[i].graph) TRY(open_part(p, e, &e->part[i], diag));
    e->write = e->matrix.panels.codes.code ? write_codes : write_floats;
    return LATHE_OK;
}

/* What is computed to see whether it can be. */
static bool nothing(void *ctx, const void *bytes, size_t size)
{
    (void)ctx;
    (void)bytes;
    (void)size;
    return true;
}

bool cg_encoded_decodes(cg_program *p, cg_encoded *e, lathe_diag *diag)
{
    return open_encoded(p, e, diag) == LATHE_OK && e->write(e, nothing, NULL);
}

lathe_status cg_program_open(cg_program *p, lathe_diag *diag)
{
    for (size_t i = 0; i < p->nencoded; i++) TRY(open_encoded(p, p->encoded[i], diag));
    return LATHE_OK;
}

void cg_program_close(cg_program *p)
{
    for (size_t i = 0; p && i < p->ndecoders; i++) cg_evaluator_free(p->decoders[i]->evaluator);
}
