/* How many lanes go along which axis of a nest.
 *
 * In: a nest, the target and what a vector of its body costs. Out: the tiers of a cg_shape, lane
 * counts in descending order that cover an axis together. Lanes pay where operands are then read
 * contiguously or not at all. */
#include "codegen/emit/emit_nest.h"

bool cg_may_be_empty(const cg_kern *k, int axis)
{
    int64_t lo, hi;
    ir_dim_range(k->u->g, k->n->space[axis], &lo, &hi);
    return lo < 1;
}

/* ---- lanes ---- */

static int floor_power(int64_t n, int most)
{
    int p = 1;
    while (p * 2 <= most && p * 2 <= n) p *= 2;
    return p;
}

static int64_t known_extent(const cg_shape *s, int axis)
{
    int64_t v;
    return ir_dim_is_const(s->k.u->g, s->k.n->space[axis], &v) ? v : INT64_MAX;
}

/* Lanes along an axis that pay off: 1 where operands would be gathered. */
static int choose_lanes(cg_shape *s, int axis, bool stored, cg_cost *cost)
{
    cg_kern *k = &s->k;
    cg_shape_lanes(s, 2, axis);
    *cost = cg_list_cost(k, cg_shape_plan(s, s->list));
    int bits = cost->widest, out_bits = ir_elem_bits(k->n->out.elem);
    if (stored && out_bits > bits) bits = out_bits;
    if (bits < ir_elem_bits(s->type)) bits = ir_elem_bits(s->type);
    if (bits > 64) return 1; /* strings */
    int most = k->u->isa->vector_bits / (bits < 8 ? 8 : bits);
    if (cost->slow > 0 && most > 8) most = 8;
    if (most > CG_MOST_LANES) most = CG_MOST_LANES;
    return floor_power(known_extent(s, axis), most);
}

/* What remains of a known extent is a few shorter vectors; of an unknown one, single elements. */
static void add_tail_tiers(cg_shape *s, int lanes)
{
    int64_t extent = s->inner >= 0 ? known_extent(s, s->inner) : 1;
    int64_t rest = extent == INT64_MAX || cg_may_overlap(s) ? 1 : extent % lanes;
    while (rest > 1 && s->ntiers < CG_MOST_TIERS - 1) {
        int shorter = floor_power(rest, lanes);
        s->tiers[s->ntiers++] = shorter;
        rest %= shorter;
    }
    s->tiers[s->ntiers++] = 1;
}

/* Whether four vectors are reduced side by side, so that none waits for the one before it. What
 * remains is done one by one: nothing may remain of the widest vectors. */
static bool worth_four(int64_t extent, int lanes)
{
    if (4 * lanes > CG_MOST_LANES || extent < 4 * lanes) return false;
    return 4 * lanes < CG_MOST_LANES || extent % (4 * lanes) == 0;
}

void cg_choose_tiers(cg_shape *s)
{
    cg_kern *k = &s->k;
    cg_cost cost = {0}, red_cost = {0};
    s->along = -1;
    int lanes = 1, red_lanes = 1, last = k->n->rank - 1;
    bool allowed = k->u->level > 0 && !cg_one_worker(k->n);
    bool sums = cg_is_reduction(s) && !cg_has(k->n, CG_FINDS);
    if (allowed && s->inner >= 0) lanes = choose_lanes(s, s->inner, true, &cost);
    if (allowed && sums && k->n->nred > 0 && known_extent(s, last) > 1)
        red_lanes = choose_lanes(s, last, false, &red_cost);
    if (red_lanes > 1 && red_cost.gathers == 0 && (cost.gathers > 0 || red_lanes > lanes)) {
        s->along = last;
        bool many = red_cost.items <= 6 && red_cost.slow == 0;
        if (many && worth_four(known_extent(s, last), red_lanes)) red_lanes *= 4;
        s->red_tiers[s->nred_tiers++] = red_lanes;
        if (known_extent(s, last) % red_lanes != 0) s->red_tiers[s->nred_tiers++] = 1;
        lanes = 1;
    }
    bool many = sums && cost.items <= 6 && cost.slow + cost.gathers == 0;
    if (lanes > 1 && many && lanes <= CG_MOST_LANES / 4 && known_extent(s, s->inner) >= 4 * lanes)
        s->tiers[s->ntiers++] = 4 * lanes;
    if (lanes > 1) s->tiers[s->ntiers++] = lanes;
    add_tail_tiers(s, lanes);
}
