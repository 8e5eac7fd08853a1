/* Expression lists: the nodes below some roots, in order, and how each is computed in a loop nest.
 *
 * In: expression ids. Out: LLVM values, placed by cg_list_emit in the outermost loop that they
 * depend on. Along the vector axis a node is uniform, affine in the lane or general; only general
 * nodes cost a vector operation. Walks are loops, not recursion: an expression may be deep. */
#include "codegen/emit/emit.h"

/* ---- construction ---- */

typedef struct frame {
    ir_expr e;
    int next;
} frame;

static uint32_t *item_of(cg_unit *u, ir_expr e)
{
    u->item_of = ir_grow(&u->arena, u->item_of, &u->cap_item_of, (size_t)e + 1, sizeof *u->item_of);
    return &u->item_of[e];
}

static void list_append(cg_unit *u, cg_list *l, ir_expr e)
{
    const ir_expr_node *x = ir_expr_get(u->g, e);
    l->items = ir_grow(&u->arena, l->items, &l->cap, l->n + 1, sizeof *l->items);
    cg_item *it = &l->items[l->n++];
    *it = (cg_item){.x = x, .id = e, .args = IR_NEW_N(&u->arena, uint32_t, (size_t)x->nargs + 1)};
    for (int i = 0; i < x->nargs; i++) it->args[i] = *item_of(u, x->args[i]) - 1;
    *item_of(u, e) = (uint32_t)l->n;
}

static void add_below(cg_unit *u, cg_list *l, ir_expr root)
{
    size_t cap = 0, depth = 1;
    frame *stack = ir_grow(&u->arena, NULL, &cap, 16, sizeof *stack);
    stack[0] = (frame){root, 0};
    while (depth > 0) {
        frame *top = &stack[depth - 1];
        const ir_expr_node *x = ir_expr_get(u->g, top->e);
        if (*item_of(u, top->e) == 0 && top->next < x->nargs) {
            ir_expr arg = x->args[top->next++];
            stack = ir_grow(&u->arena, stack, &cap, depth + 1, sizeof *stack);
            if (*item_of(u, arg) == 0) stack[depth++] = (frame){arg, 0};
            continue;
        }
        if (*item_of(u, top->e) == 0) list_append(u, l, top->e);
        depth--;
    }
}

/* An arm of a select is wanted only where it is chosen. */
static void mark_eager(cg_list *l)
{
    for (int i = 0; i < l->nroots; i++) l->items[l->roots[i]].eager = true;
    for (size_t i = l->n; i-- > 0;) {
        const cg_item *it = &l->items[i];
        if (!it->eager) continue;
        int n = it->x->op == IR_X_SELECT ? 1 : it->x->nargs;
        for (int a = 0; a < n; a++) l->items[it->args[a]].eager = true;
    }
}

cg_list *cg_list_new(cg_unit *u, const ir_expr *roots, int n)
{
    cg_list *l = IR_NEW(&u->arena, cg_list);
    l->roots = IR_NEW_N(&u->arena, uint32_t, (size_t)n + 1);
    l->nroots = n;
    for (int i = 0; i < n; i++) {
        add_below(u, l, roots[i]);
        l->roots[i] = *item_of(u, roots[i]) - 1;
    }
    for (size_t i = 0; i < l->n; i++) *item_of(u, l->items[i].id) = 0;
    mark_eager(l);
    return l;
}

/* ---- planning ---- */

/* Lanes of affine values differ by at most this much from one to the next. */
#define MOST_STEP (INT64_C(1) << 20)
/* No loop ever comes this far, nor is there memory for a result of this size. */
#define MOST_TURNS (INT64_C(1) << 48)

static int64_t saturated(__int128 v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

static void set_range(cg_item *it, __int128 lo, __int128 hi)
{
    /* A saturated end means that the value may have wrapped. */
    bool wraps = lo < INT64_MIN || hi > INT64_MAX;
    it->lo = wraps ? INT64_MIN : saturated(lo);
    it->hi = wraps ? INT64_MAX : saturated(hi);
}

static void binary_range(cg_item *it, const cg_item *a, const cg_item *b)
{
    bool natural = a->lo >= 0 && b->lo >= 0;
    switch (it->x->op) {
    case IR_X_ADD:
        set_range(it, (__int128)a->lo + b->lo, (__int128)a->hi + b->hi);
        return;
    case IR_X_SUB:
        set_range(it, (__int128)a->lo - b->hi, (__int128)a->hi - b->lo);
        return;
    case IR_X_MUL:
        if (natural) set_range(it, (__int128)a->lo * b->lo, (__int128)a->hi * b->hi);
        return;
    case IR_X_DIV:
    case IR_X_FLOORDIV:
        if (natural && b->lo > 0) set_range(it, a->lo / b->hi, a->hi / b->lo);
        return;
    case IR_X_REM:
        if (!natural) return;
        /* fall through */
    case IR_X_MOD:
        if (b->lo > 0) set_range(it, 0, b->hi - 1);
        return;
    case IR_X_MIN:
        set_range(it, a->lo < b->lo ? a->lo : b->lo, a->hi < b->hi ? a->hi : b->hi);
        return;
    case IR_X_MAX:
        set_range(it, a->lo > b->lo ? a->lo : b->lo, a->hi > b->hi ? a->hi : b->hi);
        return;
    case IR_X_CHECK:
        set_range(it, 0, b->hi > 0 ? b->hi - 1 : 0);
        return;
    default:
        return;
    }
}

static void plan_range(const cg_kern *k, const cg_list *l, cg_item *it)
{
    const ir_graph *g = k->u->g;
    const ir_expr_node *x = it->x;
    it->lo = INT64_MIN;
    it->hi = INT64_MAX;
    if (x->type != IR_I64) return;
    const cg_item *a = x->nargs > 0 ? &l->items[it->args[0]] : NULL;
    if (x->op == IR_X_CONST) {
        it->lo = it->hi = x->imm;
    } else if (x->op == IR_X_DIM) {
        ir_dim_range(g, (ir_dim)x->imm, &it->lo, &it->hi);
    } else if (x->op == IR_X_INDEX) {
        ir_dim_range(g, k->n->space[x->imm], &it->lo, &it->hi);
        set_range(it, 0, it->hi > MOST_TURNS ? MOST_TURNS : it->hi > 0 ? it->hi - 1 : 0);
    } else if (x->op == IR_X_CAST && a->x->type == IR_BOOL) {
        set_range(it, 0, 1);
    } else if (x->op == IR_X_SELECT) {
        const cg_item *b = &l->items[it->args[1]], *c = &l->items[it->args[2]];
        set_range(it, b->lo < c->lo ? b->lo : c->lo, b->hi > c->hi ? b->hi : c->hi);
    } else if (x->nargs == 2) {
        binary_range(it, a, &l->items[it->args[1]]);
    }
}

/* The coefficient of the lane in an i64 node whose arguments are uniform or affine. */
static bool affine(const cg_list *l, const cg_item *it, int64_t *coef)
{
    const cg_item *a[2] = {NULL, NULL};
    if (it->x->type != IR_I64 || it->x->nargs < 1 || it->x->nargs > 2) return false;
    for (int i = 0; i < it->x->nargs; i++) {
        a[i] = &l->items[it->args[i]];
        if (a[i]->general || a[i]->x->type != IR_I64) return false;
    }
    switch (it->x->op) {
    case IR_X_NEG:
        return !__builtin_sub_overflow((int64_t)0, a[0]->coef, coef);
    case IR_X_ADD:
        return !__builtin_add_overflow(a[0]->coef, a[1]->coef, coef);
    case IR_X_SUB:
        return !__builtin_sub_overflow(a[0]->coef, a[1]->coef, coef);
    case IR_X_MUL:
        for (int i = 0; i < 2; i++)
            if (a[i]->x->op == IR_X_CONST)
                return !__builtin_mul_overflow(a[i]->x->imm, a[1 - i]->coef, coef);
        return false;
    default:
        return false;
    }
}

bool cg_has_exact_lanes(const cg_item *it)
{
    bool known = it->lo != INT64_MIN || it->hi != INT64_MAX;
    return !it->general && it->coef >= -MOST_STEP && it->coef <= MOST_STEP &&
           (it->coef == 0 || known);
}

/* A comparison of indices that is one of small numbers: see cg_affine_compare. */
static bool is_affine_compare(const cg_kern *k, const cg_list *l, const cg_item *it)
{
    if (k->lanes == 1 || !ir_x_op_is(it->x->op, IR_X_COMPARES)) return false;
    const cg_item *a = &l->items[it->args[0]], *b = &l->items[it->args[1]];
    return a->x->type == IR_I64 && cg_has_exact_lanes(a) && cg_has_exact_lanes(b);
}

static void plan_item(const cg_kern *k, cg_list *l, cg_item *it)
{
    it->deps = it->x->op == IR_X_INDEX ? 1u << it->x->imm : 0;
    if (it->x->op == IR_X_ACC) it->deps = (1u << (k->n->rank - k->n->nred)) - 1;
    for (int i = 0; i < it->x->nargs; i++) it->deps |= l->items[it->args[i]].deps;
    it->depth = 0;
    for (int a = 0; a < k->n->rank; a++)
        if ((it->deps >> a & 1) && k->depth_of[a] > it->depth) it->depth = k->depth_of[a];
    it->s = it->v = it->bad = NULL;
    it->coef = 0;
    it->general = it->wide = false;
    if (k->lanes > 1 && (it->deps >> k->vaxis & 1)) {
        if (it->x->op == IR_X_INDEX) it->coef = 1;
        else it->general = !affine(l, it, &it->coef);
    }
    if (it->general) it->coef = 0;
    if (!it->general || it->x->op == IR_X_LOAD) return;
    if (is_affine_compare(k, l, it)) return;
    for (int i = it->x->op == IR_X_SELECT; i < it->x->nargs; i++)
        if (!l->items[it->args[i]].general) l->items[it->args[i]].wide = true;
}

void cg_list_plan(cg_kern *k, cg_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        plan_range(k, l, &l->items[i]);
        plan_item(k, l, &l->items[i]);
    }
}

static bool is_slow(const cg_item *it)
{
    ir_scalar op = it->x->op;
    if (op == IR_X_REM || op == IR_X_POW || op == IR_X_ATAN2) return true;
    return ir_elem_is_int(it->x->type) ? ir_x_op_is(op, IR_X_DIVIDES)
                                       : it->x->type == IR_F64 && ir_x_op_is(op, IR_X_FUNCTION);
}

cg_cost cg_list_cost(cg_kern *k, const cg_list *l)
{
    cg_cost c = {0};
    for (size_t i = 0; i < l->n; i++) {
        const cg_item *it = &l->items[i];
        if (!it->general && !it->wide) continue;
        int bits = ir_elem_bits(it->x->type);
        c.items++;
        if (it->x->type != IR_BOOL && bits > c.widest) c.widest = bits;
        if (it->general && it->x->op == IR_X_LOAD && cg_load_gathers(k, l, it)) c.gathers++;
        if (it->general && is_slow(it)) c.slow++;
    }
    return c;
}

/* ---- emission ---- */

cg_val cg_item_wide(cg_kern *k, cg_item *it)
{
    cg_unit *u = k->u;
    if (k->lanes == 1) return it->s;
    if (it->v) return it->v;
    it->v = cg_splat(u, it->s, k->lanes);
    if (it->coef != 0) {
        cg_val lanes = cg_iota(u->i64, k->lanes);
        if (it->coef != 1) lanes = LLVMBuildMul(u->b, lanes, cg_int_like(lanes, it->coef), "");
        it->v = LLVMBuildAdd(u->b, it->v, lanes, "");
    }
    return it->v;
}

cg_val cg_dim(cg_kern *k, ir_dim d)
{
    int64_t v;
    if (ir_dim_is_const(k->u->g, d, &v)) return cg_int(k->u->i64, v);
    for (size_t i = 0; i < k->n->nparams; i++)
        if (k->n->params[i] == d) return k->params[i];
    cg_defect(k->u, "a kernel lacks a run-time size");
    return cg_int(k->u->i64, 0);
}

static cg_val emit_constant(cg_unit *u, const ir_expr_node *x)
{
    LLVMTypeRef t = cg_arith_type(u, x->type, 1);
    if (!ir_elem_is_float(x->type)) return cg_int(t, x->type == IR_BOOL ? x->imm != 0 : x->imm);
    union {
        int64_t i;
        double f;
    } bits = {x->imm};
    return cg_real(t, bits.f);
}

/* i wrapped once if it is negative; outside [-n, n) it is 0, and a fault if it is wanted. */
static cg_val emit_check(cg_kern *k, cg_item *it, const cg_val *a)
{
    LLVMBuilderRef b = k->u->b;
    cg_val zero = cg_int_like(a[0], 0);
    cg_val wrapped = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, a[0], zero, ""),
                                     LLVMBuildAdd(b, a[0], a[1], ""), a[0], "");
    cg_val bad = LLVMBuildOr(b, LLVMBuildICmp(b, LLVMIntSLT, wrapped, zero, ""),
                             LLVMBuildICmp(b, LLVMIntSGE, wrapped, a[1], ""), "");
    if (it->eager) cg_fault(k, bad, a[0], a[1]);
    else it->bad = bad;
    return LLVMBuildSelect(b, bad, zero, wrapped, "");
}

/* Sizes and indices are mostly known not to be negative, and their divisors to be positive. */
static cg_val emit_natural_division(cg_kern *k, const cg_list *l, const cg_item *it,
                                    const cg_val *a)
{
    ir_scalar op = it->x->op;
    if (it->x->type != IR_I64 || !ir_x_op_is(op, IR_X_DIVIDES)) return NULL;
    if (l->items[it->args[0]].lo < 0 || l->items[it->args[1]].lo <= 0) return NULL;
    return ir_x_op_is(op, IR_X_QUOTIENT) ? LLVMBuildUDiv(k->u->b, a[0], a[1], "")
                                         : LLVMBuildURem(k->u->b, a[0], a[1], "");
}

/* a + c*lane < b + d*lane is (c-d)*lane < b-a: all lanes of it fit i32 if b-a is clamped. */
cg_val cg_affine_compare(cg_kern *k, ir_scalar op, cg_val a, cg_val b, int64_t step)
{
    static const LLVMIntPredicate predicates[IR_X_COUNT] = {
        [IR_X_LT] = LLVMIntSLT,
        [IR_X_LE] = LLVMIntSLE,
        [IR_X_EQ] = LLVMIntEQ,
        [IR_X_NE] = LLVMIntNE,
    };
    cg_unit *u = k->u;
    cg_val most = cg_int(u->i64, INT64_C(1) << 30), least = cg_int(u->i64, -(INT64_C(1) << 30));
    cg_val gap = cg_intrinsic(u, "llvm.ssub.sat", (cg_val[]){b, a}, 2);
    gap = cg_intrinsic(u, "llvm.smin", (cg_val[]){gap, most}, 2);
    gap = cg_intrinsic(u, "llvm.smax", (cg_val[]){gap, least}, 2);
    gap = cg_splat(u, LLVMBuildTrunc(u->b, gap, u->i32, ""), k->lanes);
    cg_val lanes = cg_iota(u->i32, k->lanes);
    lanes = LLVMBuildMul(u->b, lanes, cg_int_like(lanes, step), "");
    return LLVMBuildICmp(u->b, predicates[op], lanes, gap, "");
}

static cg_val emit_item(cg_kern *k, cg_list *l, cg_item *it)
{
    cg_unit *u = k->u;
    cg_val a[3] = {NULL, NULL, NULL};
    switch (it->x->op) {
    case IR_X_CONST:
        return emit_constant(u, it->x);
    case IR_X_DIM:
        return cg_dim(k, (ir_dim)it->x->imm);
    case IR_X_INDEX:
        return k->index[it->x->imm];
    case IR_X_LOAD:
        return cg_load(k, l, it);
    case IR_X_ACC:
        return k->acc[it->x->imm];
    default:
        break;
    }
    if (it->general && is_affine_compare(k, l, it)) {
        const cg_item *x = &l->items[it->args[0]], *y = &l->items[it->args[1]];
        return cg_affine_compare(k, it->x->op, x->s, y->s, x->coef - y->coef);
    }
    for (int i = 0; i < it->x->nargs && i < 3; i++) {
        cg_item *arg = &l->items[it->args[i]];
        bool scalar = !it->general || (it->x->op == IR_X_SELECT && i == 0 && !arg->general);
        a[i] = scalar ? arg->s : cg_item_wide(k, arg);
    }
    if (it->x->op == IR_X_CHECK) return emit_check(k, it, a);
    cg_val r = emit_natural_division(k, l, it, a);
    if (r) return r;
    return cg_scalar(u, it->x, l->items[it->args[it->x->nargs - 1]].x->type, a);
}

void cg_list_emit(cg_kern *k, cg_list *l, int depth)
{
    for (size_t i = 0; i < l->n; i++) {
        cg_item *it = &l->items[i];
        if (it->s || it->v || it->depth > depth) continue;
        cg_val r = emit_item(k, l, it);
        if (it->general) it->v = r;
        else it->s = r;
        if (it->wide) cg_item_wide(k, it);
    }
}

cg_val cg_list_root(cg_kern *k, cg_list *l, int root)
{
    cg_item *it = &l->items[l->roots[root]];
    return it->general ? it->v : cg_item_wide(k, it);
}

/* ---- faults in arms ---- */

/* wanted[i] |= cond, NULL being false. */
static void want(cg_unit *u, cg_val *wanted, uint32_t i, cg_val cond)
{
    wanted[i] = wanted[i] ? LLVMBuildOr(u->b, wanted[i], cond, "") : cond;
}

static void spread_want(cg_kern *k, cg_list *l, const bool *leads, cg_val *wanted, size_t i)
{
    cg_unit *u = k->u;
    cg_item *it = &l->items[i];
    for (int a = 0; a < it->x->nargs; a++) {
        uint32_t arg = it->args[a];
        cg_val cond = wanted[i];
        if (!leads[arg] || l->items[arg].eager) continue;
        if (it->x->op == IR_X_SELECT && a > 0) {
            cg_val c = cg_item_wide(k, &l->items[it->args[0]]);
            cond = LLVMBuildAnd(u->b, cond, a == 1 ? c : LLVMBuildNot(u->b, c, ""), "");
        }
        want(u, wanted, arg, cond);
    }
}

/* Items below which a CHECK waits for its fault. */
static bool *find_leads(cg_kern *k, const cg_list *l)
{
    bool *leads = IR_NEW_N(&k->u->arena, bool, l->n);
    for (size_t i = 0; i < l->n; i++) {
        leads[i] = l->items[i].bad != NULL;
        for (int a = 0; a < l->items[i].x->nargs; a++) leads[i] |= leads[l->items[i].args[a]];
    }
    return leads;
}

/* A node is wanted where some user of it is wanted and, in an arm of a select, the arm is chosen.
 */
void cg_list_faults(cg_kern *k, cg_list *l)
{
    const bool *leads = find_leads(k, l);
    cg_val *wanted = IR_NEW_N(&k->u->arena, cg_val, l->n);
    for (size_t i = l->n; i-- > 0;) {
        cg_item *it = &l->items[i];
        if (!leads[i]) continue;
        if (it->eager) wanted[i] = cg_int(cg_wide(k->u->i1, k->lanes), 1);
        spread_want(k, l, leads, wanted, i);
        if (!it->bad) continue;
        cg_val bad = cg_lanes(it->bad) == k->lanes ? it->bad : cg_splat(k->u, it->bad, k->lanes);
        cg_fault(k, LLVMBuildAnd(k->u->b, bad, wanted[i], ""),
                 cg_item_wide(k, &l->items[it->args[0]]), cg_item_wide(k, &l->items[it->args[1]]));
    }
}
