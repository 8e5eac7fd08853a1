/* Memory accesses of a kernel: addresses, loads, stores and the record of a fault.
 *
 * An element's offset is the sum of index * stride. Its parts are added outermost loop first, so
 * that what an inner loop does not change is computed outside of it. A load in an arm of a select
 * may have an index out of range where the arm is not chosen: it then reads nothing or element 0,
 * which always exists. */
#include <stddef.h>

#include "codegen/emit/emit.h"

typedef struct offset {
    cg_val first; /* of lane 0 */
    cg_val lane;  /* run-time part of the distance between lanes, or NULL */
    int64_t step; /* the constant part */
    cg_val rest;  /* what general indices add, or NULL */
} offset;

static bool is_contiguous(const offset *o) { return !o->lane && !o->rest && o->step == 1; }

static cg_val sum(cg_unit *u, cg_val a, cg_val b) { return a ? LLVMBuildAdd(u->b, a, b, "") : b; }

static cg_val times(cg_unit *u, cg_val a, const cg_place *p, int axis)
{
    if (p->step[axis] == 1) return a;
    return LLVMBuildMul(u->b, a, cg_splat(u, p->stride[axis], cg_lanes(a)), "");
}

static void add_axis(cg_kern *k, offset *o, cg_item *it, const cg_place *p, int axis)
{
    cg_unit *u = k->u;
    if (it->general) {
        o->rest = sum(u, o->rest, times(u, it->v, p, axis));
        return;
    }
    if (!LLVMIsConstant(it->s) || !LLVMIsNull(it->s))
        o->first = sum(u, o->first, times(u, it->s, p, axis));
    if (it->coef == 0) return;
    if (p->step[axis] != 0) o->step += (int64_t)((uint64_t)it->coef * (uint64_t)p->step[axis]);
    else o->lane = sum(u, o->lane, times(u, cg_int(u->i64, it->coef), p, axis));
}

static offset make_offset(cg_kern *k, cg_list *l, const uint32_t *idx, const cg_place *p)
{
    offset o = {0};
    int depth_max = 0;
    for (int a = 0; a < p->o->rank; a++)
        if (l->items[idx[a]].depth > depth_max) depth_max = l->items[idx[a]].depth;
    for (int depth = 0; depth <= depth_max; depth++)
        for (int a = 0; a < p->o->rank; a++)
            if (l->items[idx[a]].depth == depth) add_axis(k, &o, &l->items[idx[a]], p, a);
    if (!o.first) o.first = cg_int(k->u->i64, 0);
    return o;
}

static cg_val spread(cg_kern *k, const offset *o)
{
    cg_unit *u = k->u;
    cg_val v = cg_splat(u, o->first, k->lanes), lanes = cg_iota(u->i64, k->lanes);
    if (o->lane || o->step != 0) {
        cg_val step = cg_int(u->i64, o->step);
        if (o->lane) step = LLVMBuildAdd(u->b, step, o->lane, "");
        v = LLVMBuildAdd(u->b, v, LLVMBuildMul(u->b, lanes, cg_splat(u, step, k->lanes), ""), "");
    }
    return sum(u, o->rest, v);
}

static int alignment(ir_elem elem)
{
    int bits = ir_elem_bits(elem);
    return bits < 8 ? 1 : bits > 64 ? 8 : bits / 8;
}

static cg_val address(cg_unit *u, const cg_place *p, cg_val at)
{
    return LLVMBuildGEP2(u->b, cg_storage_type(u, p->o->elem), p->base, &at, 1, "");
}

bool cg_load_gathers(const cg_kern *k, const cg_list *l, const cg_item *it)
{
    const cg_place *p = &k->places[it->x->imm];
    int64_t step = 0;
    if (ir_elem_bits(p->o->elem) < 8) return true;
    for (int a = 0; a < p->o->rank; a++) {
        const cg_item *idx = &l->items[it->args[a]];
        if (idx->general || (idx->coef != 0 && p->step[a] == 0)) return true;
        step += (int64_t)((uint64_t)idx->coef * (uint64_t)p->step[a]);
    }
    return step != 1;
}

/* ---- loads ---- */

static bool known_inside(const cg_kern *k, const cg_list *l, const cg_item *idx, ir_dim dim)
{
    const ir_graph *g = k->u->g;
    int64_t lo, hi;
    if (idx->x->op == IR_X_INDEX && k->n->space[idx->x->imm] == dim) return true;
    if (idx->x->op == IR_X_CHECK) {
        const ir_expr_node *limit = l->items[idx->args[1]].x;
        if (limit->op == IR_X_DIM && (ir_dim)limit->imm == dim) return true;
        if (limit->op == IR_X_CONST && ir_dim_equals(g, dim, limit->imm)) return true;
    }
    ir_dim_range(g, dim, &lo, &hi);
    return idx->lo >= 0 && idx->hi < lo;
}

static cg_val both(cg_unit *u, cg_val a, cg_val b)
{
    if (!a || !b) return a ? a : b;
    int lanes = cg_lanes(a) > cg_lanes(b) ? cg_lanes(a) : cg_lanes(b);
    if (cg_lanes(a) < lanes) a = cg_splat(u, a, lanes);
    if (cg_lanes(b) < lanes) b = cg_splat(u, b, lanes);
    return LLVMBuildAnd(u->b, a, b, "");
}

static cg_val index_inside(cg_kern *k, cg_item *idx, cg_val dim, int64_t least_dim)
{
    cg_unit *u = k->u;
    if (idx->general || (idx->coef != 0 && !cg_has_exact_lanes(idx)))
        return LLVMBuildICmp(u->b, LLVMIntULT, cg_item_wide(k, idx), cg_splat(u, dim, k->lanes),
                             "");
    if (idx->coef == 0) return LLVMBuildICmp(u->b, LLVMIntULT, idx->s, dim, "");
    cg_val in = NULL, least = cg_int(u->i64, -1);
    if (idx->lo < 0)
        in = LLVMBuildNot(u->b, cg_affine_compare(k, IR_X_LE, idx->s, least, idx->coef), "");
    if (idx->hi >= least_dim)
        in = both(u, in, cg_affine_compare(k, IR_X_LT, idx->s, dim, idx->coef));
    return in;
}

/* Where all indices are in range: one bit, or one a lane; NULL: everywhere. */
static cg_val inside(cg_kern *k, cg_list *l, const cg_item *it, const cg_place *p)
{
    cg_val one = NULL, lanes = NULL;
    if (it->eager) return NULL;
    for (int a = 0; a < p->o->rank; a++) {
        cg_item *idx = &l->items[it->args[a]];
        if (known_inside(k, l, idx, p->o->dims[a])) continue;
        int64_t lo, hi;
        ir_dim_range(k->u->g, p->o->dims[a], &lo, &hi);
        cg_val in = index_inside(k, idx, p->dim[a], lo);
        if (cg_lanes(in) == 1) one = both(k->u, one, in);
        else lanes = both(k->u, lanes, in);
    }
    return both(k->u, lanes, one);
}

static cg_val load_scalar(cg_unit *u, const cg_place *p, cg_val at)
{
    cg_val v = LLVMBuildLoad2(u->b, cg_storage_type(u, p->o->elem), address(u, p, at), "");
    LLVMSetAlignment(v, (unsigned)alignment(p->o->elem));
    return v;
}

static cg_val load_contiguous(cg_unit *u, const cg_place *p, cg_val at, int lanes, cg_val mask)
{
    LLVMTypeRef t = cg_wide(cg_storage_type(u, p->o->elem), lanes);
    cg_val ptr = address(u, p, at);
    if (mask) {
        LLVMTypeRef overload[] = {t, u->ptr};
        cg_val args[] = {ptr, cg_int(u->i32, alignment(p->o->elem)), mask, LLVMConstNull(t)};
        return cg_intrinsic_of(u, "llvm.masked.load", overload, 2, args, 4);
    }
    cg_val v = LLVMBuildLoad2(u->b, t, ptr, "");
    LLVMSetAlignment(v, (unsigned)alignment(p->o->elem));
    return v;
}

static cg_val gather(cg_unit *u, const cg_place *p, cg_val at)
{
    cg_val ptrs = address(u, p, at);
    LLVMTypeRef t = cg_as(at, cg_storage_type(u, p->o->elem)), overload[] = {t, LLVMTypeOf(ptrs)};
    cg_val args[] = {ptrs, cg_int(u->i32, alignment(p->o->elem)), cg_int(cg_as(at, u->i1), 1),
                     LLVMConstNull(t)};
    return cg_intrinsic_of(u, "llvm.masked.gather", overload, 2, args, 4);
}

static int shift_of(ir_elem elem) { return ir_elem_bits(elem) == 4 ? 1 : 2; }

/* Bits below the element in its byte. */
static cg_val bits_below(cg_unit *u, ir_elem elem, cg_val at)
{
    int shift = shift_of(elem);
    cg_val part = LLVMBuildAnd(u->b, at, cg_int_like(at, (1 << shift) - 1), "");
    part = LLVMBuildMul(u->b, part, cg_int_like(part, ir_elem_bits(elem)), "");
    return LLVMBuildTrunc(u->b, part, cg_as(part, u->i8), "");
}

static cg_val load_packed(cg_unit *u, const cg_place *p, cg_val at)
{
    cg_val byte_at = LLVMBuildLShr(u->b, at, cg_int_like(at, shift_of(p->o->elem)), "");
    cg_val byte = cg_lanes(at) > 1 ? gather(u, p, byte_at) : load_scalar(u, p, byte_at);
    return LLVMBuildLShr(u->b, byte, bits_below(u, p->o->elem, at), "");
}

cg_val cg_load(cg_kern *k, cg_list *l, const cg_item *it)
{
    cg_unit *u = k->u;
    size_t readable = k->n->noperands + cg_has(k->n, CG_REREADS);
    if (it->x->imm < 0 || (size_t)it->x->imm >= readable ||
        it->x->nargs != k->places[it->x->imm].o->rank) {
        cg_defect(u, "a load does not fit its operand");
        return LLVMConstNull(cg_arith_type(u, it->x->type, it->general ? k->lanes : 1));
    }
    const cg_place *p = &k->places[it->x->imm];
    bool packed = ir_elem_bits(p->o->elem) < 8;
    offset o = make_offset(k, l, it->args, p);
    cg_val mask = inside(k, l, it, p), raw;
    if (it->general && is_contiguous(&o) && !packed) {
        if (mask && cg_lanes(mask) == 1) mask = cg_splat(u, mask, k->lanes);
        raw = load_contiguous(u, p, o.first, k->lanes, mask);
    } else {
        cg_val at = it->general ? spread(k, &o) : o.first;
        if (mask) at = LLVMBuildSelect(u->b, mask, at, LLVMConstNull(LLVMTypeOf(at)), "");
        raw = packed        ? load_packed(u, p, at)
              : it->general ? gather(u, p, at)
                            : load_scalar(u, p, at);
    }
    return cg_from_storage(u, p->o->elem, raw);
}

/* ---- stores ---- */

/* Elements that share a byte: one worker writes the result, see cg_nest_rows. The bits after the
 * last element become 0. */
static void store_packed(cg_unit *u, const cg_place *p, cg_val at, cg_val raw)
{
    LLVMBuilderRef b = u->b;
    int bits = ir_elem_bits(p->o->elem);
    cg_val below = bits_below(u, p->o->elem, at);
    cg_val last =
        LLVMBuildICmp(b, LLVMIntEQ, LLVMBuildAdd(b, at, cg_int(u->i64, 1), ""), p->count, "");
    cg_val mask = cg_select(u, last, cg_int(u->i8, -1), cg_int(u->i8, (1 << bits) - 1));
    mask = LLVMBuildShl(b, mask, below, "");
    cg_val byte_at = LLVMBuildLShr(b, at, cg_int(u->i64, shift_of(p->o->elem)), "");
    cg_val old = LLVMBuildAnd(b, load_scalar(u, p, byte_at), LLVMBuildNot(b, mask, ""), "");
    raw = LLVMBuildOr(b, old, LLVMBuildShl(b, raw, below, ""), "");
    LLVMBuildStore(b, raw, address(u, p, byte_at));
}

/* mask: the lanes that are stored, NULL: all. */
static void store_at(cg_kern *k, const offset *o, const cg_place *p, cg_val v, cg_val mask)
{
    cg_unit *u = k->u;
    cg_val raw = cg_to_storage(u, p->o->elem, v, false);
    unsigned align = (unsigned)alignment(p->o->elem);
    if (ir_elem_bits(p->o->elem) < 8) {
        store_packed(u, p, o->first, raw);
    } else if (k->lanes == 1 || is_contiguous(o)) {
        if (mask) raw = cg_select(u, mask, raw, load_contiguous(u, p, o->first, k->lanes, NULL));
        LLVMSetAlignment(LLVMBuildStore(u->b, raw, address(u, p, o->first)), align);
    } else {
        cg_val ptrs = address(u, p, spread(k, o));
        LLVMTypeRef overload[] = {LLVMTypeOf(raw), LLVMTypeOf(ptrs)};
        if (!mask) mask = cg_int(cg_as(raw, u->i1), 1);
        cg_val args[] = {raw, ptrs, cg_int(u->i32, align), mask};
        cg_intrinsic_of(u, "llvm.masked.scatter", overload, 2, args, 4);
    }
}

void cg_store(cg_kern *k, cg_list *l, int first, cg_val v) { cg_store_lanes(k, l, first, v, NULL); }

void cg_store_lanes(cg_kern *k, cg_list *l, int first, cg_val v, cg_val mask)
{
    const cg_place *p = &k->places[k->n->noperands];
    offset o = make_offset(k, l, &l->roots[first], p);
    store_at(k, &o, p, v, mask);
}

void cg_store_combined(cg_kern *k, cg_list *l, int first, cg_combine c, cg_val v)
{
    cg_unit *u = k->u;
    const cg_place *p = &k->places[k->n->noperands];
    offset o = make_offset(k, l, &l->roots[first], p);
    if (c != CG_SET) {
        cg_val raw =
            ir_elem_bits(p->o->elem) < 8 ? load_packed(u, p, o.first) : load_scalar(u, p, o.first);
        v = cg_combine_values(u, c, ir_elem_arith(p->o->elem), cg_from_storage(u, p->o->elem, raw),
                              v);
    }
    store_at(k, &o, p, v, NULL);
}

/* ---- faults ---- */

static cg_val field(cg_unit *u, cg_val base, size_t at)
{
    cg_val n = cg_int(u->i64, (int64_t)at);
    return LLVMBuildGEP2(u->b, u->i8, base, &n, 1, "");
}

static void fault_body(cg_unit *u, cg_val f)
{
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(u->ctx, f, "");
    LLVMBasicBlockRef won = LLVMAppendBasicBlockInContext(u->ctx, f, "");
    LLVMBasicBlockRef lost = LLVMAppendBasicBlockInContext(u->ctx, f, "");
    LLVMPositionBuilderAtEnd(u->b, entry);
    cg_val args = LLVMGetParam(f, 0);
    cg_val cell = LLVMBuildLoad2(u->b, u->ptr, field(u, args, offsetof(lathe_args, fault)), "");
    cg_val node = LLVMBuildLoad2(u->b, u->i32, field(u, args, offsetof(lathe_args, node)), "");
    cg_val swap = LLVMBuildAtomicCmpXchg(u->b, field(u, cell, offsetof(lathe_fault, node)),
                                         cg_int(u->i32, 0), node, LLVMAtomicOrderingMonotonic,
                                         LLVMAtomicOrderingMonotonic, false);
    LLVMBuildCondBr(u->b, LLVMBuildExtractValue(u->b, swap, 1, ""), won, lost);
    LLVMPositionBuilderAtEnd(u->b, won);
    LLVMBuildStore(u->b, cg_int(u->i32, LATHE_FAULT_INDEX),
                   field(u, cell, offsetof(lathe_fault, kind)));
    LLVMBuildStore(u->b, LLVMGetParam(f, 1), field(u, cell, offsetof(lathe_fault, value)));
    LLVMBuildStore(u->b, LLVMGetParam(f, 2), field(u, cell, offsetof(lathe_fault, limit)));
    LLVMBuildRetVoid(u->b);
    LLVMPositionBuilderAtEnd(u->b, lost);
    LLVMBuildRetVoid(u->b);
}

static LLVMTypeRef fault_type(cg_unit *u)
{
    return LLVMFunctionType(u->none, (LLVMTypeRef[]){u->ptr, u->i64, u->i64}, 3, false);
}

static cg_val fault_function(cg_unit *u)
{
    if (u->fault) return u->fault;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
    u->fault = LLVMAddFunction(u->m, "record_fault", fault_type(u));
    LLVMSetLinkage(u->fault, LLVMInternalLinkage);
    fault_body(u, u->fault);
    LLVMPositionBuilderAtEnd(u->b, here);
    return u->fault;
}

/* The value of the first lane that is bad, as i64. */
static cg_val first_bad(cg_unit *u, cg_val bad, cg_val v)
{
    int lanes = cg_lanes(bad);
    if (lanes > 1) {
        LLVMTypeRef t = LLVMIntTypeInContext(u->ctx, (unsigned)lanes);
        cg_val args[] = {LLVMBuildBitCast(u->b, bad, t, ""), cg_int(u->i1, 0)};
        cg_val lane = cg_intrinsic(u, "llvm.cttz", args, 2);
        v = LLVMBuildExtractElement(u->b, v, LLVMBuildZExtOrBitCast(u->b, lane, u->i64, ""), "");
    }
    return LLVMTypeOf(v) == u->i64 ? v : LLVMBuildSExt(u->b, v, u->i64, "");
}

void cg_fault(cg_kern *k, cg_val bad, cg_val i, cg_val n)
{
    cg_unit *u = k->u;
    if (LLVMIsConstant(bad) && LLVMIsNull(bad)) return;
    cg_val f = fault_function(u);
    LLVMBasicBlockRef cold = LLVMAppendBasicBlockInContext(u->ctx, k->fn, "");
    LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(u->ctx, k->fn, "");
    LLVMBuildCondBr(u->b, cg_any(u, bad), cold, next);
    LLVMPositionBuilderAtEnd(u->b, cold);
    cg_val args[] = {k->args, first_bad(u, bad, i), first_bad(u, bad, n)};
    LLVMBuildCall2(u->b, fault_type(u), f, args, 3, "");
    LLVMBuildBr(u->b, next);
    LLVMPositionBuilderAtEnd(u->b, next);
}
