/* Regular expressions of RE2's syntax, compiled to what runtime/ops_regex.c runs.
 *
 * An instruction is FE_REGEX_FIELDS integers: the operator, then
 *   ANY_OF  first and last + 1 of the ranges of code points that it takes; the next one follows
 *   SPLIT   two instructions that follow
 *   ASSERT  what must hold here; the next one follows
 *   MATCH   the end
 * Only whether a whole string matches is asked, so that groups and greediness mean nothing. */
#ifndef LATHE_FRONTEND_REGEX_H
#define LATHE_FRONTEND_REGEX_H

#include "ir/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { FE_REGEX_FIELDS = 3 };
enum { FE_REGEX_ANY_OF, FE_REGEX_SPLIT, FE_REGEX_ASSERT, FE_REGEX_MATCH };
enum {
    FE_REGEX_BEGIN,
    FE_REGEX_END,
    FE_REGEX_WORD,
    FE_REGEX_NO_WORD,
    FE_REGEX_LINE_BEGIN,
    FE_REGEX_LINE_END
};

typedef struct fe_regex {
    int64_t *program, *ranges;
    size_t n, nranges;
    const char *why;  /* of a failure: what is there */
    size_t at;        /* in the pattern */
    bool unsupported; /* RE2 has it, lathe does not */
} fe_regex;

bool fe_regex_compile(ir_arena *, const uint8_t *pattern, size_t size, fe_regex *);

#endif
