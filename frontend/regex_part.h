/* Between the two halves of frontend/regex.c: the tree of a pattern. */
#ifndef LATHE_FRONTEND_REGEX_PART_H
#define LATHE_FRONTEND_REGEX_PART_H

#include "frontend/regex.h"
#include "ir/ir.h"

typedef enum {
    FE_PART_EMPTY,
    FE_PART_SET,
    FE_PART_ASSERT,
    FE_PART_CAT,
    FE_PART_ALT,
    FE_PART_REPEAT
} fe_part_kind;

/* SET: ranges x to y; ASSERT: what, x; REPEAT: at least x, at most y times (-1: any number). Chains
 * of CAT and ALT lean to the left. */
typedef struct fe_part {
    fe_part_kind kind;
    struct fe_part *a, *b;
    int64_t x, y;
} fe_part;

/* Adds the program to the regex; false: it gets too long. */
bool fe_regex_build(ir_arena *, const fe_part *, fe_regex *);

#endif
