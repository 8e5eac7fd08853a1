/* Encoded matrices as they are written: graphs become code, code makes panels.
 *
 * In: the graphs of encode.c. Out: the panels, some thousand rows at a time, so that no matrix ever
 * exists as floats in memory. Matrices of one form, the layers of a model, share their code. The
 * program owns the code until cg_program_close. */
#include "codegen/evaluate/evaluate.h"
#include "codegen/lower/encode.h"
#include "codegen/lower/lower.h"

/* Code that computes rows of panels; it serves all matrices of one form. */
struct cg_decoder {
    ir_graph *graph;
    ir_expr body;
    cg_evaluator *evaluator; /* the program's */
    int64_t *numbers;        /* of the rows to compute, and room for them */
    float *rows;
};

static bool same_form(const cg_decoder *d, const cg_encoded *e)
{
    const ir_block *a = &d->graph->blocks[1], *b = &e->graph->blocks[1];
    if (d->body != e->body || a->nparams != b->nparams) return false;
    for (size_t i = 0; i < a->nparams; i++)
        if (!ir_type_equal(ir_type_of(d->graph, a->params[i]), ir_type_of(e->graph, b->params[i])))
            return false;
    return true;
}

static bool write_panels(const cg_encoded *e,
                         bool (*put)(void *ctx, const void *bytes, size_t size), void *ctx)
{
    const cg_decoder *d = e->decoder;
    for (int64_t first = 0; first < e->rows; first += CG_DECODED_ROWS) {
        int64_t n = e->rows - first < CG_DECODED_ROWS ? e->rows - first : CG_DECODED_ROWS;
        for (int64_t i = 0; i < n; i++) d->numbers[i] = first + i;
        e->in[0] = (lathe_tensor){.data = d->numbers,
                                  .size = (size_t)n * sizeof *d->numbers,
                                  .dims = {n},
                                  .rank = 1,
                                  .elem = LATHE_I64};
        size_t size = (size_t)n * CG_PANEL * sizeof *d->rows;
        lathe_tensor out = {.data = d->rows, .size = size};
        if (cg_evaluator_run(d->evaluator, e->in, &out, NULL) != LATHE_OK ||
            !put(ctx, d->rows, size))
            return false;
    }
    return true;
}

static lathe_status decoder_of(cg_program *p, cg_encoded *e, lathe_diag *diag)
{
    static const int64_t most[] = {CG_DECODED_ROWS};
    for (size_t i = 0; i < p->ndecoders && !e->decoder; i++)
        if (same_form(p->decoders[i], e)) e->decoder = p->decoders[i];
    if (e->decoder) return LATHE_OK;
    cg_decoder *d = IR_NEW(p->arena, cg_decoder);
    *d = (cg_decoder){.graph = e->graph,
                      .body = e->body,
                      .numbers = IR_NEW_N(p->arena, int64_t, CG_DECODED_ROWS),
                      .rows = IR_NEW_N(p->arena, float, CG_DECODED_ROWS *CG_PANEL)};
    CG_PUSH(p, decoders, d);
    TRY(cg_evaluator_new(e->graph, most, diag, &d->evaluator));
    e->decoder = d;
    return LATHE_OK;
}

static lathe_status open_encoded(cg_program *p, cg_encoded *e, lathe_diag *diag)
{
    const ir_block *body = &e->graph->blocks[1];
    if (e->decoder) return LATHE_OK;
    e->write = write_panels;
    e->in = IR_NEW_N(p->arena, lathe_tensor, body->nparams);
    for (size_t i = 0; i < e->nblobs; i++)
        e->in[i + 1] = cg_evaluator_input(e->graph, body->params[i + 1], &e->blobs[i]);
    return decoder_of(p, e, diag);
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
