/* NonMaxSuppression. In: boxes [batch, n, 4] and scores [batch, class, n]. Out: rows (batch, class,
 * box), best score first within a class. Candidates are met in order of score by a scan each, so
 * nothing is sorted or kept beside the result's rows. */
#include "runtime/ops.h"

typedef struct box {
    float y0, x0, y1, x1;
} box;

typedef struct search {
    const float *boxes, *scores; /* of one batch; of one class */
    int64_t n, limit;
    float overlap, threshold;
    bool center;
} search;

static float nms_least(float a, float b) { return a < b ? a : b; }
static float nms_most(float a, float b) { return a > b ? a : b; }

static box box_at(const search *s, int64_t i)
{
    const float *b = s->boxes + 4 * i;
    if (s->center) /* x center, y center, width, height */
        return (box){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    return (box){nms_least(b[0], b[2]), nms_least(b[1], b[3]), nms_most(b[0], b[2]),
                 nms_most(b[1], b[3])};
}

static float area(box b) { return (b.y1 - b.y0) * (b.x1 - b.x0); }

static bool overlaps(const search *s, int64_t i, int64_t j)
{
    box a = box_at(s, i), b = box_at(s, j);
    box both = {nms_most(a.y0, b.y0), nms_most(a.x0, b.x0), nms_least(a.y1, b.y1),
                nms_least(a.x1, b.x1)};
    if (both.y1 <= both.y0 || both.x1 <= both.x0) return false;
    float joint = area(both), whole = area(a) + area(b) - joint;
    return area(a) > 0 && area(b) > 0 && whole > 0 && joint / whole > s->overlap;
}

/* The candidate after `last` by falling score, then rising index; -1 if there is none. */
static int64_t next_candidate(const search *s, int64_t last)
{
    int64_t best = -1;
    for (int64_t i = 0; i < s->n; i++) {
        float score = s->scores[i];
        if (!(score > s->threshold)) continue;
        if (last >= 0 && !(score < s->scores[last] || (score == s->scores[last] && i > last)))
            continue;
        if (best < 0 || score > s->scores[best]) best = i;
    }
    return best;
}

/* Appends the rows of one class; returns how many. */
static int64_t select_class(const search *s, int64_t batch, int64_t class, int64_t *rows)
{
    int64_t kept = 0;
    for (int64_t i = -1; kept < s->limit && (i = next_candidate(s, i)) >= 0;) {
        int64_t k = 0;
        while (k < kept && !overlaps(s, i, rows[3 * k + 2])) k++;
        if (k < kept) continue;
        rows[3 * kept] = batch;
        rows[3 * kept + 1] = class;
        rows[3 * kept + 2] = i;
        kept++;
    }
    return kept;
}

lathe_status lathe_rt_nms(lathe_call *c)
{
    const int64_t *dims = c->in[1].dims;
    int64_t found = 0, *rows = c->out[0].data;
    search s = {.n = dims[2], .limit = *(const int64_t *)c->in[2].data, .center = c->ints[0] != 0};
    s.overlap = *(const float *)c->in[3].data;
    s.threshold = *(const float *)c->in[4].data;
    for (int64_t b = 0; b < dims[0]; b++)
        for (int64_t k = 0; k < dims[1]; k++) {
            s.boxes = (const float *)c->in[0].data + b * s.n * 4;
            s.scores = (const float *)c->in[1].data + (b * dims[1] + k) * s.n;
            found += select_class(&s, b, k, rows + 3 * found);
        }
    c->out[0].rank = 2;
    c->out[0].dims[0] = found;
    c->out[0].dims[1] = 3;
    c->syms[0] = found;
    return LATHE_OK;
}
