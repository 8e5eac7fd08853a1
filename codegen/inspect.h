/* The compilation as JSON, for `lathe inspect`. Private to codegen/. */
#ifndef LATHE_CODEGEN_INSPECT_H
#define LATHE_CODEGEN_INSPECT_H

#include "codegen/program.h"
#include "lathe_experimental.h"

typedef struct cg_inspector cg_inspector;

/* Starts the object with the graph as it was imported. Lives in the arena. */
cg_inspector *cg_inspect_begin(ir_arena *, FILE *json, ir_graph *);
/* The graph behind a pass: what differs from the one before. */
void cg_inspect_pass(cg_inspector *, ir_graph *, const char *name, const char *summary, bool run);
/* Ends the object with the lowered program and its assembly. */
lathe_status cg_inspect_end(cg_inspector *, const cg_program *, const char *assembly, size_t size);

#endif
