/* Tokens of the IR's text form; private to ir/parse*.c. */
#ifndef LATHE_IR_LEX_H
#define LATHE_IR_LEX_H

#include "ir/ir.h"

typedef enum {
    LEX_END,
    LEX_BAD,
    LEX_NAME,
    LEX_INT,
    LEX_FLOAT,
    LEX_STRING,
    LEX_VALUE,
    LEX_OPERAND,
    LEX_PUNCT
} ir_lex_kind;

typedef struct ir_token {
    ir_lex_kind kind;
    const char *text; /* in the input: a NAME, or a VALUE without its % */
    size_t length;
    int line, column;
    uint64_t i;         /* INT: magnitude; OPERAND: number; PUNCT: the character */
    double f;           /* FLOAT */
    const char *string; /* STRING: unescaped, in the arena; BAD: what is wrong */
    size_t string_length;
} ir_token;

typedef struct ir_lexer {
    ir_arena *arena;
    const char *at, *end, *line_start;
    int line;
} ir_lexer;

void ir_lex_init(ir_lexer *, ir_arena *, const char *text, size_t size);
/* At the end, END for ever. A BAD token does not advance. */
ir_token ir_lex_next(ir_lexer *);
/* What the lexer reads back as this text: quoted, or bare where that is possible. In the arena. */
const char *ir_lex_quoted(ir_arena *, const char *text);
const char *ir_lex_name(ir_arena *, const char *text);

#endif
