/* Names of a model as C and C++ identifiers. */
#ifndef LATHE_CODEGEN_C_NAMES_H
#define LATHE_CODEGEN_C_NAMES_H

#include "codegen/lower/lower.h"

/* The names of one scope: fields of a struct, say. Unique even if letter case is ignored, so that
 * their upper-case forms are unique as well. */
typedef struct cg_scope {
    ir_arena *arena;
    cg_map taken;
} cg_scope;

/* An identifier made of text, unlike all others of the scope; in the arena. */
const char *cg_c_name(cg_scope *, const char *text);
/* In capitals; in the arena. */
const char *cg_c_upper(ir_arena *, const char *);
/* As the inside of a comment: printable, and nothing that could end it; in the arena. */
const char *cg_c_comment(ir_arena *, const char *);
/* Whether it can prefix all names of a header: an identifier, no keyword, none of lathe's names. */
bool cg_c_is_prefix(const char *);
/* What is needed to make a prefix of a file's name; in the arena. */
const char *cg_c_prefix(ir_arena *, const char *file);

#endif
