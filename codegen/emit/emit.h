/* Shared by the emit*.c files; private to codegen/.
 *
 * A value is either one scalar or one vector of `lanes` scalars; most functions work on both and
 * take the lane count from their arguments. bool is i1 in values and a byte in memory. No LLVM
 * pass is run on what is emitted: nodes are shared because expressions are, and each is placed in
 * the outermost loop that it depends on. That is legal since every operator is total. */
#ifndef LATHE_CODEGEN_EMIT_H
#define LATHE_CODEGEN_EMIT_H

#include <llvm-c/Core.h>
#include "codegen/program.h"

typedef LLVMValueRef cg_val;

/* One module under construction. */
typedef struct cg_unit {
    const cg_program *p;
    const ir_graph *g;
    const cg_targets *targets;
    const cg_isa *isa; /* the target whose kernels are being emitted */
    int level;
    ir_arena arena; /* of this emission; its boundary is cg_emit */
    LLVMContextRef ctx;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, ptr, none;
    cg_val fault;           /* of the target: records a fault; made when first used */
    struct cg_tiles *tiles; /* of the target; emit_tile.c: what is made so far */
    uint32_t *item_of;      /* expression -> 1 + item, of the list under construction */
    size_t cap_item_of;
    lathe_status status; /* the first defect found while emitting, with its text */
    const char *defect;
} cg_unit;

/* Attributes of every function that is emitted: whose instructions it may use, among others. */
void cg_set_attributes(cg_unit *, LLVMValueRef fn);
/* Notes a defect of the caller (a malformed nest); emission goes on with some value. */
void cg_defect(cg_unit *, const char *text);

/* ---- values (emit_value.c) ---- */
int cg_lanes(cg_val);
LLVMTypeRef cg_wide(LLVMTypeRef scalar, int lanes);
LLVMTypeRef cg_arith_type(cg_unit *, ir_elem, int lanes);
/* A type or constant with as many lanes as `like`. */
LLVMTypeRef cg_as(cg_val like, LLVMTypeRef scalar);
cg_val cg_int(LLVMTypeRef, int64_t);
cg_val cg_real(LLVMTypeRef, double);
cg_val cg_int_like(cg_val like, int64_t);
cg_val cg_real_like(cg_val like, double);
cg_val cg_splat(cg_unit *, cg_val scalar, int lanes);
cg_val cg_iota(LLVMTypeRef scalar, int lanes);
cg_val cg_lane(cg_unit *, cg_val, int lane);
cg_val cg_in_turn(cg_unit *, cg_val x, cg_val y);      /* elements of x and y in turn */
cg_val cg_bits(cg_unit *, cg_val, LLVMTypeRef scalar); /* bit cast, lane by lane */
cg_val cg_select(cg_unit *, cg_val cond, cg_val, cg_val);
/* An intrinsic overloaded on the type of its first argument alone. */
cg_val cg_intrinsic(cg_unit *, const char *name, const cg_val *args, int n);
cg_val cg_intrinsic_of(cg_unit *, const char *name, LLVMTypeRef *overload, int noverload,
                       const cg_val *args, int n);
/* Asks for the line at a place, to be read: into all caches (3), all but the first (2), ... */
void cg_prefetch(cg_unit *, cg_val at, int locality);
/* double name(double, ...) of the runtime for each lane; converts from and to f32. */
cg_val cg_call_lanes(cg_unit *, const char *name, const cg_val *args, int n);
cg_val cg_any(cg_unit *, cg_val mask);                  /* i1 */
cg_val cg_fma(cg_unit *, cg_val a, cg_val b, cg_val c); /* a*b + c; fused where the target can */

/* ---- sizes and places, i64 (emit_size.c) ---- */
cg_val cg_num(cg_unit *, int64_t);
cg_val cg_add(cg_unit *, cg_val, cg_val);
cg_val cg_sub(cg_unit *, cg_val, cg_val);
cg_val cg_mul(cg_unit *, cg_val, cg_val);
cg_val cg_quotient(cg_unit *, cg_val, cg_val); /* of what is not negative */
cg_val cg_modulo(cg_unit *, cg_val, cg_val);
cg_val cg_ceiling(cg_unit *, cg_val, int64_t by); /* divided, rounded up */
cg_val cg_less(cg_unit *, cg_val, cg_val);
cg_val cg_lesser(cg_unit *, cg_val, cg_val);
cg_val cg_greater(cg_unit *, cg_val, cg_val);
cg_val cg_at(cg_unit *, LLVMTypeRef elements, cg_val base, cg_val at);

/* ---- loops (emit_loop.c) ---- */
enum { CG_MOST_CARRIED = 40 };
typedef struct cg_loop {
    LLVMBasicBlockRef guard, body, after; /* guard: NULL if it turns at least once */
    cg_val start, end, step, i;
    cg_val carried[CG_MOST_CARRIED], initial[CG_MOST_CARRIED];
    int ncarried;
} cg_loop;
/* A new block of the function being emitted. */
LLVMBasicBlockRef cg_block(cg_unit *);
/* Positions where the loop is known to turn, in front of it. */
cg_loop cg_loop_guard(cg_unit *, cg_val start, cg_val end, int64_t step, bool may_be_empty);
void cg_loop_enter(cg_unit *, cg_loop *, const cg_val *initial, int n);
/* next: what the next turn carries; afterwards what is carried out of the loop. */
void cg_loop_end(cg_unit *, cg_loop *, cg_val *next);

/* ---- scalar operators ---- */
/* emit_expr.c: any operator but the leaves and CHECK; from: type of the (last) argument. */
cg_val cg_scalar(cg_unit *, const ir_expr_node *, ir_elem from, const cg_val *args);
/* One value of all lanes, in a fixed tree. */
cg_val cg_horizontal(cg_unit *, cg_combine, ir_elem, cg_val);
cg_val cg_combine_values(cg_unit *, cg_combine, ir_elem, cg_val acc, cg_val);
cg_val cg_identity(cg_unit *, cg_combine, ir_elem, int lanes);
/* emit_math.c: elementary functions; NULL if op is none. */
cg_val cg_math(cg_unit *, ir_scalar op, ir_elem type, const cg_val *args);
cg_val cg_round(cg_unit *, ir_scalar op, cg_val); /* FLOOR CEIL ROUND TRUNC of floats */
/* emit_convert.c: between memory and values. */
LLVMTypeRef cg_storage_type(cg_unit *, ir_elem); /* of one element; a byte if it is smaller */
cg_val cg_from_storage(cg_unit *, ir_elem, cg_val raw);
cg_val cg_to_storage(cg_unit *, ir_elem, cg_val, bool saturate);
cg_val cg_cast(cg_unit *, cg_val, ir_elem from, ir_elem to, bool saturate);

/* ---- kernels ---- */

typedef struct cg_place { /* an operand or the result of the kernel */
    const cg_operand *o;
    cg_val base;
    cg_val dim[IR_MAX_RANK], stride[IR_MAX_RANK]; /* in elements */
    int64_t step[IR_MAX_RANK];                    /* the stride if it is known, else 0 */
    cg_val count;                                 /* elements; only for results that share bytes */
} cg_place;

typedef struct cg_kern {
    cg_unit *u;
    const cg_nest *n;
    cg_val fn, args, begin, end;
    cg_val *params;   /* value of n->params[i] */
    cg_place *places; /* operands, then the result */
    cg_val extent[IR_MAX_SPACE];
    cg_val index[IR_MAX_SPACE]; /* at the point being emitted; of lane 0 */
    int depth_of[IR_MAX_SPACE]; /* nesting of the loop of each axis, from 1 */
    int vaxis, lanes;           /* the axis along which lanes go, -1 if lanes == 1 */
    cg_val extremes;   /* memory of the part that is being made, emit_extremes.c; or NULL */
    const cg_val *acc; /* values of ACC, by number; with k->lanes lanes if vaxis is parallel */
} cg_kern;

/* Value of a dim: a constant or one of the kernel's parameters. */
cg_val cg_dim(cg_kern *, ir_dim);

/* One expression node of a kernel. Its value is uniform (s), affine in the lane (s + coef * lane)
 * or general (v: a value per lane). */
typedef struct cg_item {
    const ir_expr_node *x;
    ir_expr id;
    uint32_t *args; /* earlier items */
    uint32_t deps;  /* axes that it depends on, bit a for axis a */
    int depth;      /* the deepest loop of those */
    bool general;
    bool eager;           /* wanted at every point, not only in an arm of a select */
    bool wide;            /* some item wants it as a vector */
    int64_t coef, lo, hi; /* lo, hi: interval of an i64 value */
    cg_val s, v;
    cg_val bad; /* CHECK in an arm: where the index is out of range */
} cg_item;

/* Expressions in an order in which arguments come first. */
typedef struct cg_list {
    cg_item *items;
    size_t n, cap;
    uint32_t *roots;
    int nroots;
} cg_list;

cg_list *cg_list_new(cg_unit *, const ir_expr *roots, int n);
/* Decides how each item is computed for k's vaxis and lanes, and forgets all values. */
void cg_list_plan(cg_kern *, cg_list *);
/* Emits what is not yet there and depends on loops up to `depth` only. */
void cg_list_emit(cg_kern *, cg_list *, int depth);
/* Faults of the indices in arms of selects; after the innermost cg_list_emit. */
void cg_list_faults(cg_kern *, cg_list *);
/* Value of a root with k->lanes lanes. */
cg_val cg_list_root(cg_kern *, cg_list *, int root);
cg_val cg_item_wide(cg_kern *, cg_item *);
/* The lanes of an i64 item that is not general are s + coef * lane without wrapping. */
bool cg_has_exact_lanes(const cg_item *);
/* a + step * lane op b for each lane; a and b uniform, op one of LT LE EQ NE. */
cg_val cg_affine_compare(cg_kern *, ir_scalar op, cg_val a, cg_val b, int64_t step);
/* What a vector along k->vaxis costs: widest type in bits, gathers, and operators done lane by
 * lane. */
typedef struct cg_cost {
    int widest, gathers, slow, items;
} cg_cost;
cg_cost cg_list_cost(cg_kern *, const cg_list *);

/* emit_access.c */
cg_val cg_load(cg_kern *, cg_list *, const cg_item *);
bool cg_load_gathers(const cg_kern *, const cg_list *, const cg_item *);
/* Roots first .. first + rank - 1 are the indices in the result. */
void cg_store(cg_kern *, cg_list *, int first, cg_val);
/* The lanes of the mask only, in memory that no other thread writes; NULL: all. */
void cg_store_lanes(cg_kern *, cg_list *, int first, cg_val, cg_val mask);
void cg_store_combined(cg_kern *, cg_list *, int first, cg_combine, cg_val);
/* Marks a fault where `bad` holds, from i and n of that lane. */
void cg_fault(cg_kern *, cg_val bad, cg_val i, cg_val n);

/* emit_nest.c: a field of a struct in memory; values of k's operands and sizes, from k->args. */
/* ---- extremes of the result's parts (emit_extremes.c) ---- */
enum { CG_EXTREMES_HELD = 3 };
/* A pointer for functions of the kernel's; null: the nest stores none, and these do nothing. */
cg_val cg_extremes_memory(cg_kern *);
void cg_extremes_begin(cg_kern *);
/* What is stored, k->lanes values, which count in the lanes from `lane` on. */
void cg_extremes_add(cg_kern *, int lane, cg_val);
void cg_extremes_end(cg_kern *, cg_val part);
/* The end where the parts are rows: the first one gets the extremes of all that the call made. */
void cg_extremes_of_rows(cg_kern *);
/* The same in registers, for a loop. */
void cg_extremes_load(cg_kern *, int lane, int lanes, cg_val held[CG_EXTREMES_HELD]);
void cg_extremes_count(cg_unit *, cg_val, cg_val held[CG_EXTREMES_HELD]);
void cg_extremes_store(cg_kern *, int lane, const cg_val held[CG_EXTREMES_HELD]);

cg_val cg_field(cg_unit *, cg_val base, size_t at, LLVMTypeRef);
/* The function of a kernel, positioned at its start. */
cg_kern cg_kern_begin(cg_unit *, const cg_kernel *);
void cg_kern_arguments(cg_kern *);
/* The function of one kernel. */
cg_val cg_emit_nest(cg_unit *, const cg_kernel *);
/* emit_gemm.c: the same, of a tiled product. */
cg_val cg_emit_gemm(cg_unit *, const cg_kernel *);
/* emit_attention.c: the same, of attention. */
cg_val cg_emit_attention(cg_unit *, const cg_kernel *);
/* desc.c: tables and descriptor; kernels[] are the functions, target by target. */
void cg_emit_desc(cg_unit *, const cg_val *kernels);

#endif
