/* Diagnostics: messages with copies of all their strings, on the C heap, because they outlive the
 * arena of the compilation that made them.
 *
 * In: places and printf formats. Out: lathe_message. Invariant: `nerrors` counts every error, also
 * those whose message was lost to the cap or to a lack of memory, or that are counted by an equal
 * one about another node; strings are never NULL for a reader. The last message kept says that
 * others follow. */
#include "ir/diag.h"

#include "ir/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 1000 };

/* The strings of one message, in the order of the fields of lathe_message. */
enum { FILE_NAME, NODE, OP, TENSOR, TEXT, FOUND, EXPECTED, HINT, NSTRINGS };

typedef struct message {
    lathe_severity severity;
    lathe_status status;
    int version;
    char *strings[NSTRINGS]; /* NULL: none */
    size_t more;             /* nodes with the same complaint, which have no message of their own */
    size_t length;           /* of the text without their number */
} message;

struct lathe_diag {
    message *messages;
    size_t n, cap, nerrors;
    bool merged; /* the message added last is counted by an earlier one */
};

lathe_diag *lathe_diag_new(void) { return calloc(1, sizeof(lathe_diag)); }

void lathe_diag_free(lathe_diag *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n; i++)
        for (int s = 0; s < NSTRINGS; s++) free(d->messages[i].strings[s]);
    free(d->messages);
    free(d);
}

size_t lathe_diag_count(const lathe_diag *d) { return d ? d->n : 0; }
size_t lathe_diag_errors(const lathe_diag *d) { return d ? d->nerrors : 0; }

lathe_message lathe_diag_get(const lathe_diag *d, size_t index)
{
    static const message none = {.status = LATHE_OK};
    const message *m = d && index < d->n ? &d->messages[index] : &none;
    const char *s[NSTRINGS];
    for (int i = 0; i < NSTRINGS; i++) s[i] = m->strings[i] ? m->strings[i] : "";
    return (lathe_message){.severity = m->severity,
                           .status = m->status,
                           .version = m->version,
                           .file = s[FILE_NAME],
                           .node = s[NODE],
                           .op = s[OP],
                           .tensor = s[TENSOR],
                           .text = s[TEXT],
                           .found = s[FOUND],
                           .expected = s[EXPECTED],
                           .hint = s[HINT]};
}

/* ---- adding ---- */

static message *new_message(lathe_diag *d)
{
    if (d->n == MAX_MESSAGES) return NULL;
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 16;
        message *grown = realloc(d->messages, cap * sizeof *grown);
        if (!grown) return NULL;
        d->messages = grown;
        d->cap = cap;
    }
    d->messages[d->n] = (message){.status = LATHE_OK};
    return &d->messages[d->n++];
}

static char *copy_string(const char *s) { return s && *s ? strdup(s) : NULL; }

static char *format_string(const char *format, va_list args)
{
    char *text;
    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

static bool same_string(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The complaint about another node of the same operator that this one repeats. */
static message *equal_message(lathe_diag *d, const message *m)
{
    enum { LOOK_BACK = 64 };
    size_t length = m->strings[TEXT] ? strlen(m->strings[TEXT]) : 0;
    if (!m->strings[NODE] || !m->strings[OP] || !length) return NULL;
    for (size_t i = d->n; i-- > 0 && d->n - i <= LOOK_BACK;) {
        message *old = &d->messages[i];
        bool same = old->severity == m->severity && old->status == m->status &&
                    old->version == m->version && old->strings[NODE] && old->strings[TEXT] &&
                    old->length == length;
        same = same && !memcmp(old->strings[TEXT], m->strings[TEXT], length);
        for (int s = FILE_NAME; s <= TENSOR && same; s++)
            same = s == NODE || same_string(old->strings[s], m->strings[s]);
        if (same) return old;
    }
    return NULL;
}

/* Fifty equal complaints are one with their number. */
static bool count_as_equal(lathe_diag *d, message *m)
{
    char *text;
    message *old = equal_message(d, m);
    if (!old) return false;
    bool again = same_string(old->strings[NODE], m->strings[NODE]);
    old->more += !again;
    if (!again && asprintf(&text, "%.*s (and %zu more node%s of this kind)", (int)old->length,
                           old->strings[TEXT], old->more, old->more > 1 ? "s" : "") >= 0) {
        free(old->strings[TEXT]);
        old->strings[TEXT] = text;
    }
    for (int s = 0; s < NSTRINGS; s++) free(m->strings[s]);
    return true;
}

static void add(lathe_diag *d, lathe_severity severity, lathe_status status,
                const diag_place *place, const char *format, va_list args)
{
    message m = {.severity = severity, .status = status};
    m.strings[TEXT] = format_string(format, args);
    m.length = m.strings[TEXT] ? strlen(m.strings[TEXT]) : 0;
    if (place) {
        m.strings[FILE_NAME] = copy_string(place->file);
        m.strings[NODE] = copy_string(place->node);
        m.strings[OP] = copy_string(place->op);
        m.version = place->version;
        m.strings[TENSOR] = copy_string(place->tensor);
    }
    d->merged = count_as_equal(d, &m);
    if (d->merged) return;
    message *kept = new_message(d);
    if (kept && d->n < MAX_MESSAGES) {
        *kept = m;
        return;
    }
    for (int s = 0; s < NSTRINGS; s++) free(m.strings[s]);
    if (!kept) return;
    kept->severity = severity;
    kept->status = status;
    kept->strings[TEXT] = copy_string("too many messages; the others are not kept");
}

/* What goes wrong inside of the compiler after the model was refused follows from that. */
static bool is_consequence(const lathe_diag *d, lathe_status status, lathe_status *first)
{
    if (status != LATHE_INTERNAL) return false;
    for (size_t i = 0; i < d->n; i++) {
        if (d->messages[i].severity != LATHE_ERROR || d->messages[i].status == LATHE_INTERNAL)
            continue;
        *first = d->messages[i].status;
        return true;
    }
    return false;
}

lathe_status diag_add(lathe_diag *d, lathe_status status, const diag_place *place,
                      const char *format, ...)
{
    if (!d || is_consequence(d, status, &status)) return status;
    va_list args;
    va_start(args, format);
    add(d, LATHE_ERROR, status, place, format, args);
    va_end(args);
    d->nerrors++;
    return status;
}

void diag_warn(lathe_diag *d, const diag_place *place, const char *format, ...)
{
    if (!d) return;
    va_list args;
    va_start(args, format);
    add(d, LATHE_WARNING, LATHE_OK, place, format, args);
    va_end(args);
}

void diag_rewind(lathe_diag *d, size_t n, size_t errors)
{
    if (!d) return;
    for (; d->n > n; d->n--)
        for (int s = 0; s < NSTRINGS; s++) free(d->messages[d->n - 1].strings[s]);
    d->nerrors = errors;
}

lathe_status diag_mismatch(lathe_diag *d, lathe_status status, const diag_place *place,
                           const char *what, const char *found, const char *expected)
{
    size_t kept = lathe_diag_count(d);
    diag_add(d, status, place, "%s %s, expected %s", what, found, expected);
    if (lathe_diag_count(d) == kept || d->n == MAX_MESSAGES) return status;
    d->messages[kept].strings[FOUND] = copy_string(found);
    d->messages[kept].strings[EXPECTED] = copy_string(expected);
    return status;
}

lathe_status diag_stopped(lathe_diag *d, const ir_arena *a)
{
    enum { MB = 1 << 20 };
    switch (a->stop) {
    case IR_STOP_TIME:
        diag_add(d, LATHE_LIMIT, NULL, "more than %.3g seconds of processor time are needed",
                 a->time_limit);
        diag_hint(d, "--limit-time and lathe_options.time_limit allow more");
        return LATHE_LIMIT;
    case IR_STOP_LIMIT:
        diag_add(d, LATHE_OUT_OF_MEMORY, NULL, "more memory than the limit of %.3g MB is needed",
                 (double)a->limit / MB);
        diag_hint(d, "--limit-memory and lathe_options.memory_limit allow more");
        return LATHE_OUT_OF_MEMORY;
    default:
        return diag_add(d, LATHE_OUT_OF_MEMORY, NULL, "out of memory");
    }
}

void diag_hint(lathe_diag *d, const char *format, ...)
{
    if (!d || !d->n || d->n == MAX_MESSAGES || d->merged) return;
    va_list args;
    va_start(args, format);
    char **hint = &d->messages[d->n - 1].strings[HINT];
    free(*hint);
    *hint = format_string(format, args);
    va_end(args);
}

void diag_suggest(lathe_diag *d, const char *word, const char *const *names, size_t n)
{
    const char *near = lathe_nearest(word, names, n);
    if (near) diag_hint(d, "did you mean '%s'?", near);
}

/* ---- formatting ---- */

typedef struct out {
    char *buf;
    size_t size, length; /* length: as if buf were large enough */
} out;

static void put_bytes(out *o, const char *bytes, size_t n)
{
    size_t room = o->length < o->size ? o->size - o->length : 0;
    if (room) memcpy(o->buf + o->length, bytes, n < room ? n : room);
    o->length += n;
}

/* Bytes of the character of UTF-8 at s; 0 if it is none, or one that a terminal obeys or that hides
 * what stands beside it: control codes (C0, C1), separators of lines, changes of direction. */
static size_t shown_length(const unsigned char *s)
{
    if (*s < 0x80) return *s >= 0x20 && *s != 0x7F;
    size_t n = *s >= 0xF0 ? 4 : *s >= 0xE0 ? 3 : 2;
    if (*s < 0xC2 || *s > 0xF4) return 0;
    for (size_t i = 1; i < n; i++)
        if (s[i] >> 6 != 2) return 0;
    unsigned code = n == 2 ? (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu)
                           : (s[0] & 0xFu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    bool invalid = n == 3 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF));
    bool obeyed = n == 2 ? code < 0xA0
                         : n == 3 && ((code >= 0x2028 && code <= 0x202E) ||
                                      (code >= 0x2066 && code <= 0x2069));
    return invalid || obeyed ? 0 : n;
}

/* Names come from a file: what a terminal would obey is written as \xNN. */
static void put_text(out *o, const char *text)
{
    while (*text) {
        char escaped[8];
        size_t n = shown_length((const unsigned char *)text);
        if (n) put_bytes(o, text, n);
        else put_bytes(o, escaped, (size_t)sprintf(escaped, "\\x%02x", (unsigned char)*text));
        text += n ? n : 1;
    }
}

static void put(out *o, const char *before, const char *text, const char *after)
{
    if (!*text) return;
    put_bytes(o, before, strlen(before));
    put_text(o, text);
    put_bytes(o, after, strlen(after));
}

size_t lathe_diag_format(const lathe_message *m, char *buf, size_t size)
{
    out o = {buf, buf ? size : 0, 0};
    char op[128], version[16] = "";
    if (*m->op && m->version) snprintf(version, sizeof version, "-%d", m->version);
    snprintf(op, sizeof op, "%.100s%s", m->op, version);
    put(&o, "", m->file, ": ");
    put(&o, "node '", m->node, "'");
    if (*m->node) put(&o, " (", op, ")");
    else put(&o, "", op, "");
    if (*m->node || *m->op) put(&o, "", ": ", "");
    put(&o, "tensor '", m->tensor, "': ");
    put(&o, "", m->text, "");
    put(&o, "; hint: ", m->hint, "");
    if (o.size) o.buf[o.length < o.size ? o.length : o.size - 1] = '\0';
    return o.length;
}
