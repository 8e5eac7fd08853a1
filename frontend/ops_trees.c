/* Importers of TreeEnsemble and its older forms. In: trees as parallel lists of attributes. Out:
 * one call of runtime/ops_trees.c with the trees as tables, then maps of the scores. Everything
 * that the runtime does not check - children, targets, kinds of nodes - is checked here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/ml.h"
#include "frontend/strings.h"

/* As in runtime/ops_trees.c. */
enum { FEATURE, MODE, YES, NO, MISSING, BEGIN, END, NODE_FIELDS };
enum { MEMBER = 6, LEAF = 7, MODES };
static const char *const modes[MODES] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                         "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
static const char *const transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
enum { AGGREGATES = 4, TRANSFORMS = 5 };

typedef struct forest {
    int64_t *nodes, *targets, *roots;
    double *splits, *weights, *members;
    size_t n, leaves, nroots, nmembers;
    int64_t ntargets, aggregate;
} forest;

/* A list that has one entry for each of `count`. */
static lathe_status same_length(const fe_node *n, const char *name, size_t length, size_t count)
{
    if (length == count) return LATHE_OK;
    return fe_expect(n, ir_format(n->g->arena, "attribute %s has length", name),
                     fe_number(n, (int64_t)length), fe_number(n, (int64_t)count));
}

static lathe_status list_of(const fe_node *n, const char *name, size_t count, const int64_t **out)
{
    size_t length;
    *out = fe_attr_ints(n, name, &length);
    return same_length(n, name, length, count);
}

static lathe_status check_range(const fe_node *n, const char *name, int64_t value, int64_t end)
{
    if (value >= 0 && value < end) return LATHE_OK;
    return fe_expect(n, ir_format(n->g->arena, "attribute %s has", name), fe_number(n, value),
                     ir_format(n->g->arena, "numbers in [0, %lld)", (long long)end));
}

static lathe_status find_word(const fe_node *n, const char *name, const char *word,
                              const char *const *words, int64_t count, int64_t *out)
{
    for (*out = 0; *out < count; ++*out)
        if (!strcmp(words[*out], word)) return LATHE_OK;
    return fe_fail(n, LATHE_BAD_INPUT, "attribute %s has an unknown value '%s'", name, word);
}

static void allocate(const fe_node *n, forest *f, size_t nodes)
{
    f->nodes = IR_NEW_N(n->g->arena, int64_t, nodes * NODE_FIELDS + 1);
    f->splits = IR_NEW_N(n->g->arena, double, nodes + 1);
}

/* ---- the call ---- */

static lathe_status check_forest(const fe_node *n, const forest *f, int64_t *features)
{
    *features = 0;
    for (size_t i = 0; i < f->n; i++) {
        const int64_t *node = f->nodes + i * NODE_FIELDS;
        if (node[MODE] == LEAF) continue;
        TRY(check_range(n, "nodes_featureids", node[FEATURE], INT64_MAX));
        TRY(check_range(n, "nodes_truenodeids", node[YES], (int64_t)f->n));
        TRY(check_range(n, "nodes_falsenodeids", node[NO], (int64_t)f->n));
        if (node[FEATURE] >= *features) *features = node[FEATURE] + 1;
    }
    for (size_t i = 0; i < f->nroots; i++)
        TRY(check_range(n, "tree_roots", f->roots[i], (int64_t)f->n));
    for (size_t i = 0; i < f->leaves; i++) {
        TRY(check_range(n, "target ids", f->targets[i], f->ntargets));
        if (isnan(f->weights[i])) return fe_fail(n, LATHE_BAD_INPUT, "the weight of a leaf is NaN");
    }
    return LATHE_OK;
}

static lathe_status scores(fe_node *n, const forest *f, ir_value *out)
{
    ir_graph *g = n->g;
    int64_t features, dims[] = {(int64_t)f->n, NODE_FIELDS};
    TRY(fe_need_class(n, 0, "FLSU"));
    ir_value x = ir_cast(&n->b, fe_in(n, 0), IR_F64);
    if (fe_type(n, 0)->rank == 1) x = ir_unsqueeze(&n->b, x, 0);
    if (x == IR_NONE || ir_type_of(g, x)->rank != 2)
        return fe_expect_input(n, 0, "has rank", fe_number(n, fe_type(n, 0)->rank), "1 or 2");
    if (f->ntargets < 1)
        return fe_expect(n, "the number of targets is", fe_number(n, f->ntargets), "1 or more");
    TRY(check_forest(n, f, &features));
    const ir_value in[] = {x,
                           ir_const_ints(&n->b, IR_I64, 2, dims, f->nodes),
                           fe_const_f64(n, f->splits, f->n),
                           fe_const_i64(n, f->roots, f->nroots),
                           fe_const_i64(n, f->targets, f->leaves),
                           fe_const_f64(n, f->weights, f->leaves),
                           fe_const_f64(n, f->members, f->nmembers)};
    const int64_t ints[] = {f->aggregate, features};
    const ir_attr attr = ir_a_ints(g, IR_KEY_ints, ints, 2);
    const ir_dim space[] = {ir_type_of(g, x)->dims[0], ir_dim_const(g, f->ntargets)};
    const ir_type type = ir_type_make(IR_F64, 2, space);
    return fe_call(n, "lathe_rt_trees", in, 7, &attr, 1, &type, 1, out);
}

/* ---- TreeEnsemble: indices of nodes and leaves ---- */

/* A leaf of the lists becomes a node behind the others, with one weight. */
static lathe_status read_leaves(fe_node *n, forest *f, size_t inner)
{
    fe_numbers weights;
    const int64_t *targets;
    TRY(fe_attr_numbers(n, NULL, "leaf_weights", &weights));
    TRY(list_of(n, "leaf_targetids", weights.n, &targets));
    f->leaves = weights.n;
    f->weights = IR_NEW_N(n->g->arena, double, weights.n + 1);
    f->targets = IR_NEW_N(n->g->arena, int64_t, weights.n + 1);
    f->n = inner + weights.n;
    allocate(n, f, f->n);
    for (size_t i = 0; i < weights.n; i++) {
        int64_t *node = f->nodes + (inner + i) * NODE_FIELDS;
        f->weights[i] = weights.values[i];
        f->targets[i] = targets[i];
        node[MODE] = LEAF;
        node[BEGIN] = (int64_t)i;
        node[END] = (int64_t)i + 1;
    }
    return LATHE_OK;
}

/* Child k of a node, which is a node or a leaf. */
static lathe_status child(const fe_node *n, const char *name, int64_t k, bool is_leaf, size_t inner,
                          size_t leaves, int64_t *out)
{
    TRY(check_range(n, name, k, (int64_t)(is_leaf ? leaves : inner)));
    *out = is_leaf ? (int64_t)inner + k : k;
    return LATHE_OK;
}

static lathe_status read_children(fe_node *n, forest *f, size_t inner)
{
    const int64_t *yes, *no, *yes_leaf, *no_leaf;
    TRY(list_of(n, "nodes_truenodeids", inner, &yes));
    TRY(list_of(n, "nodes_falsenodeids", inner, &no));
    TRY(list_of(n, "nodes_trueleafs", inner, &yes_leaf));
    TRY(list_of(n, "nodes_falseleafs", inner, &no_leaf));
    for (size_t i = 0; i < inner; i++) {
        int64_t *node = f->nodes + i * NODE_FIELDS;
        TRY(child(n, "nodes_truenodeids", yes[i], yes_leaf[i] != 0, inner, f->leaves, &node[YES]));
        TRY(child(n, "nodes_falsenodeids", no[i], no_leaf[i] != 0, inner, f->leaves, &node[NO]));
    }
    return LATHE_OK;
}

/* Members of the nodes that ask for them stand one list after another, each ended by a NaN. */
static lathe_status read_members(fe_node *n, forest *f, size_t inner)
{
    fe_numbers members;
    size_t at = 0, lists = 0, wanted = 0;
    TRY(fe_attr_numbers(n, NULL, "membership_values", &members));
    f->members = (double *)(uintptr_t)members.values;
    f->nmembers = members.n;
    for (size_t i = 0; i < inner; i++) {
        int64_t *node = f->nodes + i * NODE_FIELDS;
        if (node[MODE] != MEMBER) continue;
        wanted++;
        node[BEGIN] = (int64_t)at;
        while (at < members.n && !isnan(members.values[at])) at++;
        node[END] = (int64_t)at++;
    }
    for (size_t i = 0; i < members.n; i++) lists += isnan(members.values[i]) || i + 1 == members.n;
    if (lists == wanted) return LATHE_OK;
    return fe_fail(n, LATHE_BAD_INPUT,
                   "attribute membership_values has %zu lists, each ended by a NaN, but %zu nodes "
                   "have mode 6 (member)",
                   lists, wanted);
}

static lathe_status read_v5(fe_node *n, forest *f)
{
    fe_numbers splits, kinds;
    const int64_t *features, *missing = NULL;
    size_t length;
    TRY(fe_attr_numbers(n, NULL, "nodes_splits", &splits));
    TRY(fe_attr_numbers(n, NULL, "nodes_modes", &kinds));
    size_t inner = splits.n;
    TRY(same_length(n, "nodes_modes", kinds.n, inner));
    TRY(list_of(n, "nodes_featureids", inner, &features));
    if (fe_has_attr(n, "nodes_missing_value_tracks_true"))
        TRY(list_of(n, "nodes_missing_value_tracks_true", inner, &missing));
    TRY(read_leaves(n, f, inner));
    for (size_t i = 0; i < inner; i++) {
        int64_t *node = f->nodes + i * NODE_FIELDS;
        TRY(check_range(n, "nodes_modes", (int64_t)kinds.values[i], LEAF));
        node[FEATURE] = features[i];
        node[MODE] = (int64_t)kinds.values[i];
        node[MISSING] = missing && missing[i];
        f->splits[i] = splits.values[i];
    }
    TRY(read_children(n, f, inner));
    TRY(read_members(n, f, inner));
    f->roots = (int64_t *)(uintptr_t)fe_attr_ints(n, "tree_roots", &length);
    f->nroots = length;
    f->ntargets = fe_attr_int(n, "n_targets");
    f->aggregate = fe_attr_int(n, "aggregate_function");
    return check_range(n, "aggregate_function", f->aggregate, AGGREGATES);
}

lathe_status fe_import_tree_ensemble(fe_node *n)
{
    forest f = {0};
    ir_value v;
    int64_t how = fe_attr_int(n, "post_transform");
    TRY(fe_need_class(n, 0, "FL"));
    TRY(read_v5(n, &f));
    TRY(check_range(n, "post_transform", how, TRANSFORMS));
    TRY(scores(n, &f, &v));
    TRY(fe_post_transform(n, transforms[how], v, &v));
    fe_out(n, 0, ir_cast(&n->b, v, fe_type(n, 0)->elem));
    return LATHE_OK;
}

/* ---- the older forms: nodes have a tree and a number in it ---- */

typedef struct place {
    int64_t tree, node;
    size_t index;
} place;

static int compare(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static place *sorted(const fe_node *n, const int64_t *trees, const int64_t *nodes, size_t count)
{
    place *p = IR_NEW_N(n->g->arena, place, count + 1);
    for (size_t i = 0; i < count; i++) p[i] = (place){trees[i], nodes[i], i};
    qsort(p, count, sizeof *p, compare);
    return p;
}

/* The first place that is not before this node. */
static size_t first_of(const place *p, size_t count, int64_t tree, int64_t node)
{
    const place key = {tree, node, 0};
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare(&p[middle], &key) < 0) lo = middle + 1;
        else hi = middle;
    }
    return lo;
}

static bool is_place(const place *p, size_t count, size_t at, int64_t tree, int64_t node)
{
    return at < count && p[at].tree == tree && p[at].node == node;
}

typedef struct old_nodes {
    const int64_t *trees, *ids, *features, *yes, *no, *missing;
    const char *const *kinds;
    fe_numbers splits;
    size_t n;
} old_nodes;

static lathe_status read_lists(fe_node *n, old_nodes *o)
{
    size_t length;
    *o = (old_nodes){0};
    o->trees = fe_attr_ints(n, "nodes_treeids", &o->n);
    TRY(list_of(n, "nodes_nodeids", o->n, &o->ids));
    TRY(list_of(n, "nodes_featureids", o->n, &o->features));
    TRY(list_of(n, "nodes_truenodeids", o->n, &o->yes));
    TRY(list_of(n, "nodes_falsenodeids", o->n, &o->no));
    if (fe_has_attr(n, "nodes_missing_value_tracks_true"))
        TRY(list_of(n, "nodes_missing_value_tracks_true", o->n, &o->missing));
    o->kinds = fe_attr_strs(n, "nodes_modes", &length);
    TRY(same_length(n, "nodes_modes", length, o->n));
    TRY(fe_attr_numbers(n, "nodes_values", "nodes_values_as_tensor", &o->splits));
    return same_length(n, "nodes_values", o->splits.n, o->n);
}

static lathe_status find_child(const fe_node *n, const old_nodes *o, const place *p, size_t i,
                               int64_t id, bool *is_child, int64_t *out)
{
    size_t at = first_of(p, o->n, o->trees[i], id);
    if (!is_place(p, o->n, at, o->trees[i], id))
        return fe_fail(n, LATHE_BAD_INPUT, "tree %lld has no node %lld", (long long)o->trees[i],
                       (long long)id);
    *out = (int64_t)p[at].index;
    is_child[p[at].index] = true;
    return LATHE_OK;
}

/* A tree's root is the node that is nobody's child. */
static lathe_status find_roots(const fe_node *n, forest *f, const old_nodes *o, const place *p,
                               const bool *is_child)
{
    f->roots = IR_NEW_N(n->g->arena, int64_t, o->n + 1);
    for (size_t i = 0; i < o->n; i++) {
        size_t before = f->nroots, end = i;
        for (; end < o->n && p[end].tree == p[i].tree; end++) {
            bool twice = end > i && p[end].node == p[end - 1].node;
            if (twice)
                return fe_fail(n, LATHE_BAD_INPUT, "tree %lld has two nodes %lld",
                               (long long)p[end].tree, (long long)p[end].node);
            if (!is_child[p[end].index]) f->roots[f->nroots++] = (int64_t)p[end].index;
        }
        if (f->nroots - before != 1)
            return fe_fail(n, LATHE_BAD_INPUT, "tree %lld has %zu roots", (long long)p[i].tree,
                           f->nroots - before);
        i = end - 1;
    }
    return LATHE_OK;
}

/* Weights of the leaves, in the order of their places; prefix: "target" or "class". */
static lathe_status read_weights(fe_node *n, forest *f, const old_nodes *o, const char *prefix)
{
    ir_arena *arena = n->g->arena;
    fe_numbers weights;
    const int64_t *trees, *nodes, *ids;
    TRY(fe_attr_numbers(n, ir_format(arena, "%s_weights", prefix),
                        ir_format(arena, "%s_weights_as_tensor", prefix), &weights));
    TRY(list_of(n, ir_format(arena, "%s_treeids", prefix), weights.n, &trees));
    TRY(list_of(n, ir_format(arena, "%s_nodeids", prefix), weights.n, &nodes));
    TRY(list_of(n, ir_format(arena, "%s_ids", prefix), weights.n, &ids));
    const place *p = sorted(n, trees, nodes, weights.n);
    f->leaves = weights.n;
    f->weights = IR_NEW_N(arena, double, weights.n + 1);
    f->targets = IR_NEW_N(arena, int64_t, weights.n + 1);
    for (size_t i = 0; i < weights.n; i++) {
        f->weights[i] = weights.values[p[i].index];
        f->targets[i] = ids[p[i].index];
    }
    size_t used = 0;
    for (size_t i = 0; i < o->n; i++) {
        int64_t *node = f->nodes + i * NODE_FIELDS;
        if (node[MODE] != LEAF) continue;
        size_t at = first_of(p, weights.n, o->trees[i], o->ids[i]), end = at;
        while (is_place(p, weights.n, end, o->trees[i], o->ids[i])) end++;
        node[BEGIN] = (int64_t)at;
        node[END] = (int64_t)end;
        used += end - at;
    }
    if (used == weights.n) return LATHE_OK;
    return fe_fail(n, LATHE_BAD_INPUT, "%zu of %zu weights belong to no leaf", weights.n - used,
                   weights.n);
}

static lathe_status read_old(fe_node *n, forest *f, const char *prefix)
{
    old_nodes o;
    TRY(read_lists(n, &o));
    const place *p = sorted(n, o.trees, o.ids, o.n);
    bool *is_child = IR_NEW_N(n->g->arena, bool, o.n + 1);
    f->n = o.n;
    allocate(n, f, o.n);
    for (size_t i = 0; i < o.n; i++) {
        int64_t *node = f->nodes + i * NODE_FIELDS;
        TRY(find_word(n, "nodes_modes", o.kinds[i], modes, MODES, &node[MODE]));
        if (node[MODE] == MEMBER)
            return fe_fail(
                n, LATHE_BAD_INPUT,
                "attribute nodes_modes has 'BRANCH_MEMBER', which TreeEnsemble alone takes");
        if (node[MODE] == LEAF) continue;
        node[FEATURE] = o.features[i];
        node[MISSING] = o.missing && o.missing[i];
        f->splits[i] = o.splits.values[i];
        TRY(find_child(n, &o, p, i, o.yes[i], is_child, &node[YES]));
        TRY(find_child(n, &o, p, i, o.no[i], is_child, &node[NO]));
    }
    TRY(find_roots(n, f, &o, p, is_child));
    return read_weights(n, f, &o, prefix);
}

lathe_status fe_import_tree_regressor(fe_node *n)
{
    forest f = {.ntargets = fe_attr_int(n, "n_targets")};
    fe_numbers base;
    ir_value v;
    TRY(find_word(n, "aggregate_function", fe_attr_str(n, "aggregate_function"), aggregates,
                  AGGREGATES, &f.aggregate));
    TRY(read_old(n, &f, "target"));
    TRY(fe_attr_numbers(n, "base_values", "base_values_as_tensor", &base));
    if (base.n) TRY(same_length(n, "base_values", base.n, (size_t)f.ntargets));
    TRY(scores(n, &f, &v));
    v = fe_add_columns(n, v, base.values, base.n);
    TRY(fe_post_transform(n, fe_attr_str(n, "post_transform"), v, &v));
    fe_out(n, 0, ir_cast(&n->b, v, IR_F32));
    return LATHE_OK;
}

/* ---- the classifier ---- */

typedef struct classes {
    size_t n;
    int64_t only; /* the one class that has weights, if it is one of two; else -1 */
    bool positive;
    fe_numbers base;
    const char *transform;
} classes;

static lathe_status read_classes(fe_node *n, const forest *f, classes *c)
{
    TRY(fe_attr_numbers(n, "base_values", "base_values_as_tensor", &c->base));
    c->transform = fe_attr_str(n, "post_transform");
    c->only = c->n == 2 && f->leaves ? f->targets[0] : -1;
    c->positive = true;
    for (size_t i = 0; i < f->leaves; i++) {
        if (f->targets[i] != c->only) c->only = -1;
        c->positive = c->positive && f->weights[i] >= 0;
    }
    if (c->n < 2)
        return fe_fail(n, LATHE_UNSUPPORTED, "there are %zu class labels; 2 or more are supported",
                       c->n);
    if (c->only < 0) {
        if (c->base.n) TRY(same_length(n, "base_values", c->base.n, c->n));
        return LATHE_OK;
    }
    if (c->base.n > 1 || (c->base.n && c->only))
        return fe_fail(n, LATHE_UNSUPPORTED, "base_values of two classes of which one has weights");
    if (!c->only && strcmp(c->transform, "NONE") && strcmp(c->transform, "LOGISTIC"))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "post_transform %s for two classes of which one has weights", c->transform);
    return LATHE_OK;
}

/* The score of the one class that has weights, [rows, 2], as both classes'. If no weight is
 * negative it is a probability, else it is above 0 for the second class. */
static ir_value pair(fe_node *n, const classes *c, ir_value v)
{
    ir_graph *g = n->g;
    ir_nest nest;
    ir_nest_begin(&nest, &n->b, 2, ir_type_of(g, v)->dims, 0);
    ir_expr at[] = {ir_nest_index(&nest, 0), XI(0)}, s = ir_nest_load(&nest, v, at);
    ir_expr base = XN(s, c->base.n ? c->base.values[0] : 0);
    s = X2(ADD, s, base);
    bool logistic = !strcmp(c->transform, "LOGISTIC");
    ir_expr first = X1(NEG, s), second = s;
    if (logistic) {
        first = X1(SIGMOID, first);
        second = X1(SIGMOID, second);
    } else if (c->positive) {
        first = X2(SUB, XN(s, 1), s);
    }
    return ir_nest_map(&nest, IR_F64,
                       ir_x_select(g, X2(EQ, ir_nest_index(&nest, 1), XI(0)), first, second));
}

/* The class of each row, from the scores before they are transformed. */
static ir_value best_class(fe_node *n, const classes *c, ir_value v)
{
    ir_graph *g = n->g;
    const ir_type t = *ir_type_of(g, v);
    ir_nest nest;
    if (c->only < 0) {
        ir_nest_begin(&nest, &n->b, 2, t.dims, 1);
        ir_expr here[] = {ir_nest_index(&nest, 0), ir_nest_index(&nest, 1)};
        return ir_nest_arg(&nest, "max", false, ir_nest_load(&nest, v, here));
    }
    ir_nest_begin(&nest, &n->b, 1, t.dims, 0);
    ir_expr at[] = {ir_nest_index(&nest, 0), XI(c->only)}, s = ir_nest_load(&nest, v, at);
    ir_expr most = XN(s, (c->positive ? 0.5 : 0) - (c->base.n ? c->base.values[0] : 0));
    return ir_nest_map(&nest, IR_I64, ir_x_cast(g, X2(LT, most, s), IR_I64));
}

lathe_status fe_import_tree_classifier(fe_node *n)
{
    forest f = {.aggregate = 1};
    classes c = {0};
    size_t nints, nnames;
    const int64_t *ints = fe_attr_ints(n, "classlabels_int64s", &nints);
    const fe_bytes *names = fe_attr_bytes(n, "classlabels_strings", &nnames);
    if (!ints == !names)
        return fe_fail(
            n, LATHE_BAD_INPUT,
            "expected either attribute classlabels_int64s or classlabels_strings, found %s",
            ints ? "both" : "none");
    c.n = ints ? nints : nnames;
    f.ntargets = (int64_t)c.n;
    ir_value v, labels;
    TRY(read_old(n, &f, "class"));
    TRY(read_classes(n, &f, &c));
    TRY(scores(n, &f, &v));
    if (c.only < 0) v = fe_add_columns(n, v, c.base.values, c.base.n);
    ir_value best = best_class(n, &c, v);
    if (c.only == 0) v = pair(n, &c, v);
    else TRY(fe_post_transform(n, c.transform, v, &v));
    ir_dim count = ir_dim_const(n->g, (int64_t)c.n);
    labels = ints ? fe_const_i64(n, ints, nints) : fe_strings(&n->b, names, nnames, 1, &count);
    fe_out(n, 0, fe_gather(n, labels, best, 0));
    fe_out(n, 1, ir_cast(&n->b, v, IR_F32));
    return LATHE_OK;
}
