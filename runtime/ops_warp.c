/* DynamicTimeWarping. In: costs of the cells of a matrix. Out: the cheapest way from its first cell
 * to its last, each step one row on, one column on, or both. The sums of the ways to every cell and
 * where each came from are kept in results of their own; row 0 and column 0 stand outside. */
#include "runtime/ops.h"

enum { BOTH, ROW, COLUMN };

/* Of equal sums the step along the columns is taken; NaN is never less. */
static int cheapest(float both, float row, float column)
{
    if (both < row && both < column) return BOTH;
    return row < both && row < column ? ROW : COLUMN;
}

static void add_up(const float *costs, int64_t rows, int64_t columns, float *sums, uint8_t *from)
{
    int64_t width = columns + 1;
    for (int64_t i = 0; i < (rows + 1) * width; i++) sums[i] = __builtin_inff();
    sums[0] = 0;
    for (int64_t i = 1; i <= rows; i++)
        for (int64_t j = 1; j <= columns; j++) {
            float before[] = {sums[(i - 1) * width + j - 1], sums[(i - 1) * width + j],
                              sums[i * width + j - 1]};
            int step = cheapest(before[BOTH], before[ROW], before[COLUMN]);
            sums[i * width + j] = before[step] + costs[(i - 1) * columns + j - 1];
            from[i * width + j] = (uint8_t)step;
        }
}

/* Follows the steps back; writes the way, of n cells, from its end if out is not NULL. */
static int64_t trace(const uint8_t *from, int64_t i, int64_t j, int64_t width, int64_t n,
                     int32_t *out)
{
    int64_t count = 0;
    while (i > 0 && j > 0) {
        count++;
        if (out) {
            out[n - count] = (int32_t)(i - 1);
            out[2 * n - count] = (int32_t)(j - 1);
        }
        int step = from[i * width + j];
        i -= step != COLUMN;
        j -= step != ROW;
    }
    return count;
}

lathe_status lathe_rt_time_warping(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0];
    int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
    uint8_t *from = c->out[2].data;
    add_up(x->data, rows, columns, c->out[1].data, from);
    int64_t n = trace(from, rows, columns, columns + 1, 0, NULL);
    trace(from, rows, columns, columns + 1, n, c->out[0].data);
    c->out[0].rank = 2;
    c->out[0].dims[0] = 2;
    c->out[0].dims[1] = n;
    for (int k = 1; k < 3; k++) {
        c->out[k].rank = 2;
        c->out[k].dims[0] = rows + 1;
        c->out[k].dims[1] = columns + 1;
    }
    c->syms[0] = n;
    return LATHE_OK;
}
