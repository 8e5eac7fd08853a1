/* Ensembles of decision trees. In: rows of features and trees as tables. Out: for each row and
 * target the sum, mean, least or largest of the weights of the leaves that the row reaches.
 *
 * A node is NODE_FIELDS integers. The tables were checked when the model was compiled, except for
 * the number of features, which only a run has; a path is as long as there are nodes at most. */
#include <math.h>
#include <stdio.h>

#include "runtime/ops.h"

enum { FEATURE, MODE, YES, NO, MISSING, BEGIN, END, NODE_FIELDS };
enum { LE, LT, GE, GT, EQ, NE, MEMBER, LEAF };
enum { MEAN, SUM, LEAST, LARGEST };

typedef struct forest {
    const int64_t *nodes, *targets, *roots;
    const double *splits, *weights, *members;
    int64_t count;
} forest;

static bool is_member(const forest *f, const int64_t *node, double x)
{
    for (int64_t i = node[BEGIN]; i < node[END]; i++)
        if (f->members[i] == x) return true;
    return false;
}

static bool decide(const forest *f, const int64_t *node, double x, double split)
{
    if (isnan(x) && node[MISSING]) return true;
    switch (node[MODE]) {
    case LE:
        return x <= split;
    case LT:
        return x < split;
    case GE:
        return x >= split;
    case GT:
        return x > split;
    case EQ:
        return x == split;
    case NE:
        return x != split;
    default:
        return is_member(f, node, x);
    }
}

/* NULL: the path goes round. */
static const int64_t *find_leaf(const forest *f, int64_t root, const double *row)
{
    int64_t at = root;
    for (int64_t steps = 0; steps < f->count; steps++) {
        const int64_t *node = f->nodes + at * NODE_FIELDS;
        if (node[MODE] == LEAF) return node;
        at = decide(f, node, row[node[FEATURE]], f->splits[at]) ? node[YES] : node[NO];
    }
    return NULL;
}

/* A score that no leaf has given yet is NaN, which weights never are. */
static void add(double *score, double weight, int64_t how)
{
    if (isnan(*score)) *score = weight;
    else if (how == LEAST) *score = weight < *score ? weight : *score;
    else if (how == LARGEST) *score = weight > *score ? weight : *score;
    else *score += weight;
}

static bool score_row(const forest *f, int64_t nroots, const double *row, int64_t how,
                      double *scores)
{
    for (int64_t r = 0; r < nroots; r++) {
        const int64_t *leaf = find_leaf(f, f->roots[r], row);
        if (!leaf) return false;
        for (int64_t i = leaf[BEGIN]; i < leaf[END]; i++)
            add(&scores[f->targets[i]], f->weights[i], how);
    }
    return true;
}

lathe_status lathe_rt_trees(lathe_call *c)
{
    const lathe_tensor *x = &c->in[0], *roots = &c->in[3];
    const forest f = {.nodes = c->in[1].data,
                      .splits = c->in[2].data,
                      .roots = roots->data,
                      .targets = c->in[4].data,
                      .weights = c->in[5].data,
                      .members = c->in[6].data,
                      .count = c->in[1].dims[0]};
    int64_t how = c->ints[0], used = c->ints[1], rows = x->dims[0], width = x->dims[1],
            targets = c->out[0].dims[1], trees = roots->dims[0];
    if (rows && used > width) {
        snprintf(c->message, 256, "the trees read %lld features, the input has %lld",
                 (long long)used, (long long)width);
        return LATHE_BAD_VALUE;
    }
    for (int64_t i = 0; i < rows; i++) {
        double *scores = (double *)c->out[0].data + i * targets;
        for (int64_t t = 0; t < targets; t++) scores[t] = NAN;
        if (!score_row(&f, trees, (const double *)x->data + i * width, how, scores)) {
            snprintf(c->message, 256, "a tree has a cycle");
            return LATHE_BAD_VALUE;
        }
        for (int64_t t = 0; t < targets; t++) {
            if (isnan(scores[t])) scores[t] = 0;
            if (how == MEAN && trees) scores[t] /= (double)trees;
        }
    }
    return LATHE_OK;
}
