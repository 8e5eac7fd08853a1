/* What printer and verifier of lowered programs share; private to codegen/. */
#ifndef LATHE_CODEGEN_PROGRAM_USES_H
#define LATHE_CODEGEN_PROGRAM_USES_H

#include "codegen/program.h"

/* NULL: no such number. */
const char *cg_dim_op_name(uint32_t op);
const char *cg_buffer_kind_name(uint32_t kind);
const char *cg_step_kind_name(uint32_t kind);

/* AT_END: when the loop's body, whose step this is, has run. */
typedef enum { CG_READS, CG_WRITES, CG_READS_AT_END } cg_use;
typedef void cg_visit(void *ctx, uint32_t buffer, cg_use);
/* Every buffer of a step whose numbers are in range: what it reads first, then what it writes. */
void cg_step_uses(const cg_program *, const lathe_step *, cg_visit *, void *ctx);

/* print_nest.c: a kernel's nest, in lines that are indented by two. */
void cg_print_nest(FILE *, ir_graph *, const cg_nest *);
void cg_print_codes(FILE *, const cg_codes *);

#endif
