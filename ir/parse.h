/* Shared by the parse*.c files. */
#ifndef LATHE_IR_PARSE_H
#define LATHE_IR_PARSE_H

#include "ir/lex.h"
#include "ir/text.h"

/* A value's name -> its id; indexed by the interned name. */
typedef struct ir_parse_names {
    ir_value *of;
    size_t cap;
} ir_parse_names;

/* After the first failure `failed` is set and the token is END, so that every loop stops; the
 * functions return neutral values from then on, and nobody needs to check in between. */
typedef struct ir_parser {
    ir_graph *g;
    ir_arena *arena;
    lathe_diag *diag;
    const char *file;
    ir_lexer lexer;
    ir_token token;
    bool failed;
    ir_parse_names visible, all; /* all: also of regions that have ended */
    ir_str *scope;               /* names visible now, in order of definition */
    size_t nscope, cap_scope;
    int depth;        /* of regions, dims and expressions being read */
    ir_token *places; /* of nodes, by id */
    size_t cap_places;
    const ir_value *operands; /* of the node being read, for its loads */
    size_t noperands;
} ir_parser;

void ir_parse_fail(ir_parser *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same at an earlier token's place. */
void ir_parse_fail_at(ir_parser *, const ir_token *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ir_parse_advance(ir_parser *);
bool ir_parse_at(const ir_parser *, int punct);
bool ir_parse_accept(ir_parser *, int punct);
void ir_parse_expect(ir_parser *, int punct);
bool ir_parse_at_name(const ir_parser *, const char *);
bool ir_parse_accept_name(ir_parser *, const char *);
const char *ir_parse_string(ir_parser *); /* never NULL */
/* One level deeper; false and a failure at the limit. Each successful enter needs a leave. */
bool ir_parse_enter(ir_parser *);
void ir_parse_leave(ir_parser *);

int64_t ir_parse_int(ir_parser *);
double ir_parse_float(ir_parser *);
ir_elem ir_parse_elem(ir_parser *);
ir_dim ir_parse_dim(ir_parser *);
ir_sym ir_parse_symbol(ir_parser *);
size_t ir_parse_dims(ir_parser *, ir_dim **dims); /* "[...]" */
ir_type ir_parse_type(ir_parser *);
size_t ir_parse_exprs(ir_parser *, ir_expr **exprs); /* "[...]" */
/* One element of a constant: its bits, of which the low ir_elem_bits(elem) count. */
uint64_t ir_parse_element(ir_parser *, ir_elem);
/* One attribute; the current token is its key's name. type: of the node's first result. */
ir_attr ir_parse_attr(ir_parser *, ir_key, const ir_type *type);
ir_key ir_parse_key(const ir_parser *); /* IR_KEY_NONE: not at a key */

/* load.c: `length` bytes of the file `name`, which may be relative to the folder of `beside`. In
 * the arena. NULL and *why (static text) if that is not possible. */
const void *ir_load_bytes(ir_arena *, const char *beside, const char *name, uint64_t offset,
                          uint64_t length, const char **why);

#endif
