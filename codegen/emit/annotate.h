/* Origins of kernels in generated code. Private to codegen/. */
#ifndef LATHE_CODEGEN_ANNOTATE_H
#define LATHE_CODEGEN_ANNOTATE_H

#include "codegen/program.h"

/* The text with a comment above each kernel that names the nodes of the model it comes from;
 * malloc'ed, NUL-terminated; NULL: no memory. llvm: LLVM IR, else assembly. */
char *cg_annotate(const cg_program *, const char *text, size_t size, bool llvm, size_t *length);
/* Appends to each kernel's name the names of the nodes it comes from. */
void cg_name_kernels(cg_program *);

#endif
