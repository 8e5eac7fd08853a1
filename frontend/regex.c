/* Regular expressions. In: a pattern in RE2's syntax, any bytes. Out: a program, or what in the
 * pattern is wrong or not known, and where.
 *
 * The pattern is parsed into a tree - repetition needs a part several times - which then becomes
 * instructions (regex_build.c). Both recurse as deep as groups are nested, which has a limit. */
#include <string.h>

#include "frontend/regex_part.h"

enum { MOST_DEPTH = 1000, MOST_REPEAT = 1000, LAST_CODE = 0x10FFFF };

typedef struct flags {
    bool fold, dot_all, lines;
} flags;

typedef struct range {
    uint32_t lo, hi;
} range;

typedef struct set {
    range *list;
    size_t n, cap;
} set;

typedef struct parser {
    ir_arena *arena;
    const uint8_t *text;
    size_t size, at, cap_ranges;
    flags flags;
    int depth;
    fe_regex *r;
} parser;

/* ---- messages and characters ---- */

static fe_part *wrong(parser *p, size_t at, const char *why, bool unsupported)
{
    if (p->r->why) return NULL;
    p->r->why = why;
    p->r->at = at;
    p->r->unsupported = unsupported;
    return NULL;
}

static fe_part *new_part(parser *p, fe_part_kind k, fe_part *a, fe_part *b)
{
    fe_part *n = IR_NEW(p->arena, fe_part);
    n->kind = k;
    n->a = a;
    n->b = b;
    return n;
}

static bool more(const parser *p) { return p->at < p->size; }

static bool take(parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->size - p->at < n || memcmp(p->text + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

/* The next code point of the pattern; false: it is not UTF-8. */
static bool take_code(parser *p, uint32_t *code)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = p->text[p->at];
    size_t n = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    bool ok = (first < 0x80 || first >= 0xC2) && first < 0xF5 && p->size - p->at > n;
    *code = n ? first & (0x3Fu >> n) : first;
    for (size_t i = 1; ok && i <= n; i++) {
        ok = p->text[p->at + i] >> 6 == 2;
        *code = *code << 6 | (p->text[p->at + i] & 0x3Fu);
    }
    ok = ok && *code >= least[n] && *code <= LAST_CODE && *code >> 11 != 0x1B;
    if (!ok) wrong(p, p->at, "bytes that are not UTF-8", false);
    p->at += ok ? n + 1 : 0;
    return ok;
}

/* ---- sets of code points ---- */

static void add(parser *p, set *s, uint32_t lo, uint32_t hi)
{
    s->list = ir_grow(p->arena, s->list, &s->cap, s->n + 1, sizeof *s->list);
    s->list[s->n++] = (range){lo, hi};
}

/* With the other case of ASCII letters, if (?i) says so: k and s have a third form each. */
static bool add_folded(parser *p, set *s, uint32_t lo, uint32_t hi)
{
    add(p, s, lo, hi);
    if (!p->flags.fold) return true;
    if (hi > 0x7F && !(lo == 0 && hi == LAST_CODE)) {
        wrong(p, p->at, "(?i) with letters that are not ASCII's", true);
        return false;
    }
    for (uint32_t c = 'a'; c <= 'z'; c++) {
        uint32_t upper = c - 'a' + 'A';
        bool has_lower = lo <= c && c <= hi, has_upper = lo <= upper && upper <= hi;
        if (has_upper) add(p, s, c, c);
        if (has_lower) add(p, s, upper, upper);
        if ((has_lower || has_upper) && c == 'k') add(p, s, 0x212A, 0x212A);
        if ((has_lower || has_upper) && c == 's') add(p, s, 0x17F, 0x17F);
    }
    return true;
}

/* Sorted, without overlaps. */
static void normalize(set *s)
{
    for (size_t i = 1; i < s->n; i++)
        for (size_t k = i; k > 0 && s->list[k].lo < s->list[k - 1].lo; k--) {
            range swap = s->list[k];
            s->list[k] = s->list[k - 1];
            s->list[k - 1] = swap;
        }
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        range *last = kept ? &s->list[kept - 1] : NULL;
        if (last && s->list[i].lo <= last->hi + 1) {
            if (s->list[i].hi > last->hi) last->hi = s->list[i].hi;
        } else {
            s->list[kept++] = s->list[i];
        }
    }
    s->n = kept;
}

static set negate(parser *p, set *s)
{
    set r = {0};
    uint32_t next = 0;
    normalize(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->list[i].lo > next) add(p, &r, next, s->list[i].lo - 1);
        next = s->list[i].hi + 1;
    }
    if (next <= LAST_CODE) add(p, &r, next, LAST_CODE);
    return r;
}

static fe_part *set_part(parser *p, set *s)
{
    fe_regex *r = p->r;
    fe_part *n = new_part(p, FE_PART_SET, NULL, NULL);
    normalize(s);
    n->x = (int64_t)r->nranges;
    for (size_t i = 0; i < s->n; i++) {
        r->ranges =
            ir_grow(p->arena, r->ranges, &p->cap_ranges, 2 * (r->nranges + 1), sizeof *r->ranges);
        r->ranges[2 * r->nranges] = s->list[i].lo;
        r->ranges[2 * r->nranges++ + 1] = s->list[i].hi;
    }
    n->y = (int64_t)r->nranges;
    return n;
}

static fe_part *one_code(parser *p, uint32_t code)
{
    set s = {0};
    return add_folded(p, &s, code, code) ? set_part(p, &s) : NULL;
}

/* ---- named sets ---- */

/* Pairs of first and last; "" ends it. Of ASCII, as in RE2. */
static const struct {
    const char *name, *ranges;
} named[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"},   {"blank", "\t\t  "},  {"digit", "09"},
    {"graph", "!~"},     {"lower", "az"},     {"print", " ~"},      {"punct", "!/:@[`{~"},
    {"space", "\t\r  "}, {"upper", "AZ"},     {"word", "09AZaz__"}, {"xdigit", "09AFaf"},
    {"d", "09"},         {"s", "\t\n\f\r  "}, {"w", "09AZaz__"},
};
enum { NAMED = sizeof named / sizeof *named };

static bool add_ranges(parser *p, set *to, const char *ranges, bool negated)
{
    set s = {0};
    for (; *ranges; ranges += 2)
        if (!add_folded(p, &s, (unsigned char)ranges[0], (unsigned char)ranges[1])) return false;
    if (negated) s = negate(p, &s);
    for (size_t i = 0; i < s.n; i++) add(p, to, s.list[i].lo, s.list[i].hi);
    return true;
}

static bool add_named(parser *p, set *to, const char *name, size_t size, bool negated, bool *found)
{
    *found = false;
    for (size_t i = 0; i < NAMED; i++) {
        if (strlen(named[i].name) != size || memcmp(named[i].name, name, size) != 0) continue;
        *found = true;
        return add_ranges(p, to, named[i].ranges, negated);
    }
    /* NUL to DEL cannot be written as text. */
    bool ascii = size == 5 && !memcmp(name, "ascii", 5),
         cntrl = size == 5 && !memcmp(name, "cntrl", 5);
    if (!ascii && !cntrl) return true;
    set s = {0};
    *found = true;
    add(p, &s, 0, ascii ? 0x7F : 0x1F);
    if (cntrl) add(p, &s, 0x7F, 0x7F);
    if (negated) s = negate(p, &s);
    for (size_t i = 0; i < s.n; i++) add(p, to, s.list[i].lo, s.list[i].hi);
    return true;
}

/* ---- escapes ---- */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Behind \x. */
static bool hex_escape(parser *p, size_t start, uint32_t *code)
{
    bool braces = take(p, "{"), fits = true;
    size_t digits = 0;
    for (*code = 0; more(p) && hex_digit(p->text[p->at]) >= 0 && (braces || digits < 2); digits++) {
        *code = *code << 4 | (uint32_t)hex_digit(p->text[p->at++]);
        fits = fits && *code <= LAST_CODE;
    }
    if (fits && digits > 0 && (braces ? take(p, "}") : digits == 2)) return true;
    wrong(p, start, "a bad \\x", false);
    return false;
}

/* The code point that an escape stands for; p is behind the backslash. */
static bool escaped_code(parser *p, size_t start, uint32_t *code)
{
    static const char letters[] = "aftnrv", codes[] = "\a\f\t\n\r\v";
    if (!more(p)) {
        wrong(p, start, "a backslash at its end", false);
        return false;
    }
    uint8_t c = p->text[p->at];
    const char *letter = c ? strchr(letters, c) : NULL;
    bool octal = c == '0' || (c >= '1' && c <= '7' && p->size - p->at > 1 &&
                              p->text[p->at + 1] >= '0' && p->text[p->at + 1] <= '7');
    if (octal) {
        *code = 0;
        for (int i = 0; i < 3 && more(p) && p->text[p->at] >= '0' && p->text[p->at] <= '7'; i++)
            *code = *code << 3 | (uint32_t)(p->text[p->at++] - '0');
        return true;
    }
    if (letter || c == 'x') p->at++;
    if (letter) *code = (uint32_t)codes[letter - letters];
    if (letter) return true;
    if (c == 'x') return hex_escape(p, start, code);
    bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!word && c < 0x80) {
        *code = c;
        p->at++;
        return true;
    }
    if (c >= '1' && c <= '9') wrong(p, start, "a back-reference, which RE2 has not", false);
    else if (c == 'p' || c == 'P') wrong(p, start, "a Unicode class \\p", true);
    else if (c == 'C') wrong(p, start, "\\C, a byte", true);
    else wrong(p, start, "an unknown escape", false);
    return false;
}

/* \d, \W, ...: false if what follows the backslash is no such set. */
static bool is_class(const parser *p, char *name, bool *negated)
{
    uint8_t c = more(p) ? p->text[p->at] : 0;
    *negated = c >= 'A' && c <= 'Z';
    *name = (char)(*negated ? c - 'A' + 'a' : c);
    return *name == 'd' || *name == 's' || *name == 'w';
}

/* ---- [...] ---- */

static bool posix_class(parser *p, set *s, size_t start)
{
    bool negated = take(p, "^"), found;
    size_t begin = p->at;
    while (more(p) && p->text[p->at] != ':' && p->text[p->at] != ']') p->at++;
    size_t size = p->at - begin;
    if (!take(p, ":]")) {
        wrong(p, start, "a bad [:class:]", false);
        return false;
    }
    if (!add_named(p, s, (const char *)p->text + begin, size, negated, &found)) return false;
    if (!found || size == 1) wrong(p, start, "an unknown [:class:]", false);
    return found && size > 1;
}

static bool class_code(parser *p, uint32_t *code)
{
    size_t start = p->at;
    return take(p, "\\") ? escaped_code(p, start, code) : take_code(p, code);
}

static bool class_item(parser *p, set *s)
{
    size_t start = p->at;
    uint32_t lo, hi;
    char name;
    bool negated, found;
    if (take(p, "[:")) return posix_class(p, s, start);
    if (p->text[p->at] == '\\') {
        p->at++;
        if (is_class(p, &name, &negated)) {
            p->at++;
            return add_named(p, s, &name, 1, negated, &found);
        }
        p->at = start;
    }
    if (!class_code(p, &lo)) return false;
    hi = lo;
    bool ranged = p->size - p->at > 1 && p->text[p->at] == '-' && p->text[p->at + 1] != ']';
    if (ranged) {
        p->at++;
        if (!class_code(p, &hi)) return false;
    }
    if (hi >= lo) return add_folded(p, s, lo, hi);
    wrong(p, start, "a range that ends before it begins", false);
    return false;
}

static fe_part *class_part(parser *p, size_t start)
{
    set s = {0};
    bool negated = take(p, "^"), first = true;
    while (more(p) && (first || p->text[p->at] != ']')) {
        first = false;
        if (!class_item(p, &s)) return NULL;
    }
    if (!take(p, "]")) return wrong(p, start, "a [ without its ]", false);
    if (negated) s = negate(p, &s);
    return set_part(p, &s);
}

/* ---- what stands alone ---- */

static fe_part *assertion(parser *p, int64_t what)
{
    fe_part *n = new_part(p, FE_PART_ASSERT, NULL, NULL);
    n->x = what;
    return n;
}

static fe_part *escape(parser *p, size_t start)
{
    set s = {0};
    char name;
    bool negated, found;
    uint32_t code;
    if (is_class(p, &name, &negated)) {
        p->at++;
        return add_named(p, &s, &name, 1, negated, &found) ? set_part(p, &s) : NULL;
    }
    if (take(p, "b")) return assertion(p, FE_REGEX_WORD);
    if (take(p, "B")) return assertion(p, FE_REGEX_NO_WORD);
    if (take(p, "A")) return assertion(p, FE_REGEX_BEGIN);
    if (take(p, "z")) return assertion(p, FE_REGEX_END);
    return escaped_code(p, start, &code) ? one_code(p, code) : NULL;
}

/* \Q...\E: its codes one after another. */
static fe_part *quoted(parser *p)
{
    fe_part *all = new_part(p, FE_PART_EMPTY, NULL, NULL);
    uint32_t code;
    while (more(p) && !take(p, "\\E")) {
        fe_part *next = take_code(p, &code) ? one_code(p, code) : NULL;
        if (!next) return NULL;
        all = new_part(p, FE_PART_CAT, all, next);
    }
    return all;
}

static fe_part *any_code(parser *p)
{
    set s = {0};
    add(p, &s, 0, p->flags.dot_all ? LAST_CODE : '\n' - 1);
    if (!p->flags.dot_all) add(p, &s, '\n' + 1, LAST_CODE);
    return set_part(p, &s);
}

/* ---- groups ---- */

static fe_part *alternatives(parser *p);

/* Flags behind "(?", up to ":" or ")"; *group: a group follows. */
static bool read_flags(parser *p, size_t start, bool *group)
{
    bool on = true;
    while (more(p)) {
        uint8_t c = p->text[p->at++];
        if (c == 'i') p->flags.fold = on;
        else if (c == 's') p->flags.dot_all = on;
        else if (c == 'm') p->flags.lines = on;
        else if (c == '-' && on) on = false;
        else if (c == ':' || c == ')') {
            *group = c == ':';
            return true;
        } else if (c != 'U') break;
    }
    wrong(p, start, "an unknown (? group", false);
    return false;
}

static bool skip_name(parser *p, size_t start)
{
    size_t begin = p->at;
    while (more(p) && p->text[p->at] != '>') p->at++;
    if (p->at > begin && take(p, ">")) return true;
    wrong(p, start, "a bad name of a group", false);
    return false;
}

static fe_part *group(parser *p, size_t start)
{
    flags before = p->flags;
    bool follows = true;
    if (take(p, "?P<") || (p->size - p->at > 2 && p->text[p->at + 2] != '=' &&
                           p->text[p->at + 2] != '!' && take(p, "?<"))) {
        if (!skip_name(p, start)) return NULL;
    } else if (take(p, "?=") || take(p, "?!") || take(p, "?<")) {
        return wrong(p, start, "a look-around, which RE2 has not", false);
    } else if (take(p, "?")) {
        if (!read_flags(p, start, &follows)) return NULL;
        if (!follows)
            return new_part(p, FE_PART_EMPTY, NULL, NULL); /* to the end of the group around it */
    }
    if (++p->depth > MOST_DEPTH) return wrong(p, start, "groups nested too deeply", false);
    fe_part *inner = alternatives(p);
    p->depth--;
    p->flags = before;
    if (!inner) return NULL;
    return take(p, ")") ? inner : wrong(p, start, "a ( without its )", false);
}

static fe_part *atom(parser *p)
{
    size_t start = p->at;
    uint32_t code;
    if (take(p, "(")) return group(p, start);
    if (take(p, "[")) return class_part(p, start);
    if (take(p, ".")) return any_code(p);
    if (take(p, "^")) return assertion(p, p->flags.lines ? FE_REGEX_LINE_BEGIN : FE_REGEX_BEGIN);
    if (take(p, "$")) return assertion(p, p->flags.lines ? FE_REGEX_LINE_END : FE_REGEX_END);
    if (take(p, "\\Q")) return quoted(p);
    if (take(p, "\\")) return escape(p, start);
    if (p->text[start] == '*' || p->text[start] == '+' || p->text[start] == '?')
        return wrong(p, start, "a repetition of nothing", false);
    return take_code(p, &code) ? one_code(p, code) : NULL;
}

/* ---- repetition ---- */

static bool number(parser *p, int64_t *value)
{
    size_t begin = p->at;
    for (*value = 0; more(p) && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++)
        if (*value <= MOST_REPEAT) *value = *value * 10 + (p->text[p->at] - '0');
    return p->at > begin;
}

/* {n}, {n,}, {n,m}; anything else behind a brace is text. */
static bool braces(parser *p, int64_t *least, int64_t *most)
{
    size_t start = p->at;
    bool ok = take(p, "{") && number(p, least);
    *most = *least;
    if (ok && take(p, ",") && !number(p, most)) *most = -1;
    if (ok && take(p, "}")) return true;
    p->at = start;
    return false;
}

static bool repetition(parser *p, int64_t *least, int64_t *most)
{
    *least = 0;
    *most = -1;
    if (take(p, "*")) return true;
    if (take(p, "+")) {
        *least = 1;
        return true;
    }
    if (take(p, "?")) {
        *most = 1;
        return true;
    }
    return braces(p, least, most);
}

static fe_part *repeated(parser *p)
{
    fe_part *a = atom(p);
    size_t start = p->at;
    int64_t least, most;
    if (!a || !repetition(p, &least, &most)) return a;
    take(p, "?"); /* as little as possible: the same strings match */
    if (least > MOST_REPEAT || most > MOST_REPEAT || (most >= 0 && most < least))
        return wrong(p, start, "a repetition that RE2 refuses", false);
    fe_part *r = new_part(p, FE_PART_REPEAT, a, NULL);
    r->x = least;
    r->y = most;
    start = p->at;
    if (repetition(p, &least, &most)) return wrong(p, start, "a repetition of a repetition", false);
    return r;
}

static fe_part *sequence(parser *p)
{
    fe_part *all = new_part(p, FE_PART_EMPTY, NULL, NULL);
    while (more(p) && p->text[p->at] != '|' && p->text[p->at] != ')') {
        fe_part *next = repeated(p);
        if (!next) return NULL;
        all = all->kind == FE_PART_EMPTY ? next : new_part(p, FE_PART_CAT, all, next);
    }
    return all;
}

static fe_part *alternatives(parser *p)
{
    fe_part *all = sequence(p);
    while (all && take(p, "|")) {
        fe_part *next = sequence(p);
        all = next ? new_part(p, FE_PART_ALT, all, next) : NULL;
    }
    return all;
}

bool fe_regex_compile(ir_arena *arena, const uint8_t *pattern, size_t size, fe_regex *r)
{
    *r = (fe_regex){0};
    parser p = {.arena = arena, .text = pattern, .size = size, .r = r};
    fe_part *all = alternatives(&p);
    if (all && more(&p)) wrong(&p, p.at, "a ) without its (", false);
    if (r->why || !all) return false;
    if (!r->ranges) r->ranges = IR_NEW_N(arena, int64_t, 2);
    return fe_regex_build(arena, all, r);
}
