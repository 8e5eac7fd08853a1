/* Arithmetic of sizes and places, which never wraps: a run's sizes are checked before. */
#include "codegen/emit/emit.h"

cg_val cg_num(cg_unit *u, int64_t v) { return cg_int(u->i64, v); }
cg_val cg_add(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildAdd(u->b, a, b, ""); }
cg_val cg_sub(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildSub(u->b, a, b, ""); }
cg_val cg_mul(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildMul(u->b, a, b, ""); }
cg_val cg_quotient(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildUDiv(u->b, a, b, ""); }
cg_val cg_modulo(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildURem(u->b, a, b, ""); }

cg_val cg_ceiling(cg_unit *u, cg_val a, int64_t by)
{
    return cg_quotient(u, cg_add(u, a, cg_num(u, by - 1)), cg_num(u, by));
}

cg_val cg_less(cg_unit *u, cg_val a, cg_val b) { return LLVMBuildICmp(u->b, LLVMIntSLT, a, b, ""); }

cg_val cg_lesser(cg_unit *u, cg_val a, cg_val b) { return cg_select(u, cg_less(u, a, b), a, b); }
cg_val cg_greater(cg_unit *u, cg_val a, cg_val b) { return cg_select(u, cg_less(u, a, b), b, a); }

cg_val cg_at(cg_unit *u, LLVMTypeRef elements, cg_val base, cg_val at)
{
    return LLVMBuildGEP2(u->b, elements, base, &at, 1, "");
}
