/* In: bytes, any bytes; out: tokens with line and column. Nothing is read past `end`, and no input
 * makes a token that the parser must distrust: integers fit 64 bits, floats are finite, strings
 * have their escapes resolved. The input need not end in a NUL byte. */
#include "ir/lex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 63 }; /* characters of a number */

static bool is_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_word(int c) { return is_start(c) || is_digit(c) || c == '.'; }

void ir_lex_init(ir_lexer *l, ir_arena *arena, const char *text, size_t size)
{
    *l = (ir_lexer){arena, text, text + size, text, 1};
}

/* ---- writing ---- */

const char *ir_lex_quoted(ir_arena *arena, const char *text)
{
    char *out = ir_alloc(arena, strlen(text) + 1, 4), *at = out; /* an escape takes 4 characters */
    *at++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c == '\n' || c == '\t') {
            *at++ = '\\';
            *at++ = c == '\n' ? 'n' : c == '\t' ? 't' : (char)c;
        } else if (c < ' ' || c == 0x7f) {
            at += sprintf(at, "\\x%02x", c);
        } else {
            *at++ = (char)c;
        }
    }
    *at = '"';
    return out;
}

const char *ir_lex_name(ir_arena *arena, const char *text)
{
    const char *at = text;
    if (is_start((unsigned char)*at))
        while (is_word((unsigned char)*at)) at++;
    return at > text && *at == '\0' ? text : ir_lex_quoted(arena, text);
}

/* ---- reading ---- */

static void skip_blank(ir_lexer *l)
{
    for (; l->at < l->end; l->at++) {
        if (*l->at == '\n') {
            l->line++;
            l->line_start = l->at + 1;
        } else if (*l->at == '/' && l->end - l->at > 1 && l->at[1] == '/') {
            while (l->at + 1 < l->end && l->at[1] != '\n') l->at++;
        } else if (*l->at != ' ' && *l->at != '\t' && *l->at != '\r') {
            return;
        }
    }
}

static void bad(ir_token *t, const char *what)
{
    t->kind = LEX_BAD;
    t->string = what;
}

static size_t word_length(const ir_lexer *l, const char *from)
{
    const char *at = from;
    while (at < l->end && is_word((unsigned char)*at)) at++;
    return (size_t)(at - from);
}

/* A sign belongs to a number only after its exponent letter. */
static size_t number_length(const ir_lexer *l)
{
    const char *at = l->at;
    bool hex = l->end - at > 1 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    while (at < l->end) {
        char before = at > l->at ? at[-1] | 0x20 : 0;
        bool exponent = before == (hex ? 'p' : 'e');
        if (!is_word((unsigned char)*at) && !((*at == '-' || *at == '+') && exponent)) break;
        at++;
    }
    return (size_t)(at - l->at);
}

static bool parse_integer(const char *text, uint64_t *value)
{
    unsigned base = 10;
    if (text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        text += 2;
    }
    *value = 0;
    if (!*text) return false;
    for (; *text; text++) {
        unsigned digit =
            is_digit(*text) ? (unsigned)(*text - '0') : (unsigned)((*text | 0x20) - 'a') + 10;
        if (digit >= base || __builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value))
            return false;
    }
    return true;
}

static void lex_number(ir_lexer *l, ir_token *t)
{
    char text[MAX_NUMBER + 1];
    t->length = number_length(l);
    if (t->length > MAX_NUMBER) {
        bad(t, "number too long");
        return;
    }
    memcpy(text, l->at, t->length);
    text[t->length] = '\0';
    t->kind = LEX_INT;
    if (!parse_integer(text, &t->i)) {
        char *end;
        t->kind = LEX_FLOAT;
        t->f = strtod(text, &end);
        bool whole = strcspn(text, ".eEpP") == t->length;
        if (*end || whole) bad(t, "malformed number");
        else if (!isfinite(t->f)) bad(t, "number out of range");
    }
    if (t->kind != LEX_BAD) l->at += t->length;
}

static int hex_value(int c)
{
    if (is_digit(c)) return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* The byte behind a backslash at `at`; advances past the escape. -1: malformed. */
static int unescape(const ir_lexer *l, const char **at)
{
    if (l->end - *at < 2) return -1;
    char c = (*at)[1];
    *at += 2;
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return c;
    case 'x': {
        if (l->end - *at < 2) return -1;
        int high = hex_value((*at)[0]), low = hex_value((*at)[1]);
        *at += 2;
        return high < 0 || low < 0 || high + low == 0 ? -1 : 16 * high + low;
    }
    default:
        return -1;
    }
}

static void lex_string(ir_lexer *l, ir_token *t)
{
    const char *at = l->at + 1, *close = at;
    while (close < l->end && *close != '"' && *close != '\n')
        close += *close == '\\' && l->end - close > 1 ? 2 : 1;
    if (close == l->end || *close == '\n') {
        bad(t, "string without its closing quote");
        return;
    }
    char *out = ir_alloc(l->arena, (size_t)(close - at) + 1, 1);
    size_t n = 0;
    while (at < close) {
        int c = (unsigned char)*at;
        if (c == '\\') c = unescape(l, &at);
        else at++;
        if (c <= 0) {
            bad(t, "malformed string");
            return;
        }
        out[n++] = (char)c;
    }
    t->kind = LEX_STRING;
    t->string = out;
    t->string_length = n;
    l->at = close + 1;
}

static void lex_value(ir_lexer *l, ir_token *t)
{
    t->text = l->at + 1;
    t->length = word_length(l, t->text);
    t->kind = LEX_VALUE;
    if (t->length == 0) bad(t, "a value's number or name must follow %");
    else l->at += 1 + t->length;
}

static void lex_operand(ir_lexer *l, ir_token *t)
{
    const char *at = l->at + 1;
    t->kind = LEX_OPERAND;
    while (at < l->end && is_digit((unsigned char)*at) && t->i < 1000000)
        t->i = 10 * t->i + (uint64_t)(*at++ - '0');
    if (at == l->at + 1 || t->i >= 1000000) bad(t, "an operand's number must follow $");
    else l->at = at;
}

ir_token ir_lex_next(ir_lexer *l)
{
    skip_blank(l);
    ir_token t = {.kind = LEX_END,
                  .text = l->at,
                  .line = l->line,
                  .column = (int)(l->at - l->line_start) + 1};
    if (l->at == l->end) return t;
    int c = (unsigned char)*l->at;
    if (is_start(c)) {
        t.kind = LEX_NAME;
        t.length = word_length(l, l->at);
        l->at += t.length;
    } else if (is_digit(c)) {
        lex_number(l, &t);
    } else if (c == '"') {
        lex_string(l, &t);
    } else if (c == '%') {
        lex_value(l, &t);
    } else if (c == '$') {
        lex_operand(l, &t);
    } else if (c && strchr("()[]{},:=;+-*@<", c)) {
        t.kind = LEX_PUNCT;
        t.i = (uint64_t)c;
        l->at++;
    } else {
        bad(&t, "unexpected character");
    }
    return t;
}
