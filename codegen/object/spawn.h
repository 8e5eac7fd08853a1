/* Child processes: one tool, run to its end. */
#ifndef LATHE_CODEGEN_SPAWN_H
#define LATHE_CODEGEN_SPAWN_H

#include "ir/diag.h"

/* Runs the first of the NULL-terminated `tools` that PATH has, with args (NULL-terminated, the
 * tool's own name not among them). A failure's message holds what the tool wrote. LATHE_TOOLCHAIN:
 * none was found, or it failed. */
lathe_status cg_spawn(const char *const *tools, const char *const *args, lathe_diag *);

#endif
