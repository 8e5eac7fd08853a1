/* What the user is told: messages of the compiler, of the runtime and of the command line, as text,
 * coloured on a terminal, or as one JSON object a line (the fields are listed in
 * docs/troubleshooting.md).
 *
 * In: a lathe_message. Out: a line on stderr. Invariant: names come from files that nobody has
 * checked, so no byte of theirs reaches a terminal as a control code, and JSON is valid UTF-8
 * whatever they hold. */
#include "driver/diagnose.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/driver.h"

static struct {
    bool json, colour;
} style;

void diagnose_as(bool json)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    style.json = json;
    style.colour = isatty(STDERR_FILENO) && !(no_colour && *no_colour) && term && *term &&
                   strcmp(term, "dumb") != 0;
}

/* ---- JSON ---- */

static void json_field(FILE *f, const char *name, const char *value)
{
    fprintf(f, ", \"%s\": ", name);
    if (*value) lathe_json_string(f, value);
    else fputs("null", f);
}

static void print_json(const lathe_message *m)
{
    fprintf(stderr, "{\"severity\": \"%s\", \"status\": %d",
            m->severity == LATHE_WARNING ? "warning" : "error", (int)m->status);
    json_field(stderr, "file", m->file);
    json_field(stderr, "node", m->node);
    json_field(stderr, "op", m->op);
    if (m->version) fprintf(stderr, ", \"version\": %d", m->version);
    else fputs(", \"version\": null", stderr);
    json_field(stderr, "tensor", m->tensor);
    json_field(stderr, "message", m->text);
    json_field(stderr, "expected", m->expected);
    json_field(stderr, "found", m->found);
    json_field(stderr, "hint", m->hint);
    fputs("}\n", stderr);
}

/* ---- text ---- */

static void put_text(const char *text) { fputs(text, stderr); }

/* As lathe_diag_format writes it, control codes in hexadecimal; a message of another program (the
 * linker's) has lines. */
static void put_sentence(const lathe_message *m, const char *sentence)
{
    char shown[8192];
    while (*sentence) {
        const char *end = m->status == LATHE_TOOLCHAIN ? strchr(sentence, '\n') : NULL;
        char *line = strndup(sentence, end ? (size_t)(end - sentence) : strlen(sentence));
        lathe_message only = *m;
        only.file = only.node = only.op = only.tensor = only.hint = "";
        only.text = line ? line : "";
        lathe_diag_format(&only, shown, sizeof shown);
        fputs(shown, stderr);
        free(line);
        if (!end) return;
        fputc('\n', stderr);
        sentence = end + 1;
    }
}

static void put_coloured(const char *colour, const char *text)
{
    if (style.colour) fprintf(stderr, "\033[%sm", colour);
    put_text(text);
    if (style.colour) fputs("\033[0m", stderr);
}

static void print_text(const char *label, const lathe_message *m)
{
    char place[4096];
    lathe_message only_place = *m;
    only_place.text = only_place.hint = "";
    lathe_diag_format(&only_place, place, sizeof place);
    put_coloured(m->severity == LATHE_WARNING ? "1;35" : "1;31", label);
    fputc(' ', stderr);
    if (*place) put_coloured("1", place);
    put_sentence(m, m->text);
    if (*m->hint) {
        fputs("; ", stderr);
        put_coloured("36", "hint: ");
        put_sentence(m, m->hint);
    }
    fputc('\n', stderr);
}

void print_message(const lathe_message *m)
{
    if (style.json) print_json(m);
    else print_text(m->severity == LATHE_WARNING ? "warning:" : "error:", m);
}

void print_diag(const lathe_diag *diag)
{
    for (size_t i = 0; i < lathe_diag_count(diag); i++) {
        lathe_message m = lathe_diag_get(diag, i);
        print_message(&m);
    }
}

/* ---- the command's own ---- */

static const lathe_message empty = {.file = "",
                                    .node = "",
                                    .op = "",
                                    .tensor = "",
                                    .text = "",
                                    .found = "",
                                    .expected = "",
                                    .hint = ""};

int exit_code(lathe_status s)
{
    if (s == LATHE_OK) return EXIT_OK;
    if (s < 20) return EXIT_INPUT;
    if (s < 30) return EXIT_UNSUPPORTED;
    if (s < 40) return EXIT_RESOURCES;
    return s < 50 ? EXIT_TOOLCHAIN : EXIT_DEFECT;
}

int fail(lathe_status s, const char *format, ...)
{
    char text[4608];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail_hint(s, text, "");
    return exit_code(s);
}

void fail_hint(lathe_status s, const char *text, const char *hint)
{
    lathe_message m = empty;
    m.status = s;
    m.text = text;
    m.hint = hint;
    if (style.json) print_json(&m);
    else print_text("lathe:", &m);
}

int usage_error(const char *format, ...)
{
    char text[4608];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail_hint(LATHE_BAD_INPUT, text, "");
    return EXIT_USAGE;
}

int fail_unknown(lathe_status s, const char *text, const char *word, const char *const *names,
                 size_t n)
{
    char hint[300] = "";
    const char *near = lathe_nearest(word, names, n);
    if (near) snprintf(hint, sizeof hint, "did you mean '%.250s'?", near);
    fail_hint(s, text, hint);
    return exit_code(s);
}

int fail_file(lathe_status s, const char *file, const char *text)
{
    lathe_message m = empty;
    size_t n = strlen(file);
    /* The tensor readers name the file themselves. */
    if (strncmp(text, file, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    m.status = s;
    m.file = file;
    m.text = text;
    print_message(&m);
    return exit_code(s);
}

/* ---- the runtime's ---- */

/* text begins with before: what follows it, NUL-terminated at `after`; *rest is behind that. */
static char *between(char *text, const char *before, const char *after, char **rest)
{
    size_t n = strlen(before);
    if (strncmp(text, before, n) != 0) return NULL;
    char *end = strstr(text + n, after);
    if (!end) return NULL;
    *end = '\0';
    *rest = end + strlen(after);
    return text + n;
}

/* "... is FOUND, expected EXPECTED (symbol)": both sides, in copies of their own. */
static void take_sides(const char *text, lathe_message *m, char *sides, size_t size)
{
    snprintf(sides, size, "%s", text);
    char *expected = strstr(sides, ", expected "), *found = strstr(sides, " is ");
    if (!expected || !found || found > expected) return;
    *expected = '\0';
    expected += strlen(", expected ");
    expected[strcspn(expected, "(")] = '\0';
    for (size_t n = strlen(expected); n && expected[n - 1] == ' ';) expected[--n] = '\0';
    m->found = found + strlen(" is ");
    m->expected = expected;
}

int fail_run(lathe_status s, const char *file, const char *message)
{
    char copy[600], sides[600], text[600], *rest;
    lathe_message m = empty;
    snprintf(copy, sizeof copy, "%s", message);
    m.status = s;
    m.file = file;
    m.text = message;
    char *node = between(copy, "node '", "' (", &rest), *op = node ? strstr(rest, "): ") : NULL;
    size_t number = strcspn(copy, " "); /* "input 0 'ids': ..." */
    if (op) {
        *op = '\0';
        m.node = node;
        m.op = rest;
        m.text = op + strlen("): ");
    } else if (strncmp(message, "input ", 6) == 0 || strncmp(message, "output ", 7) == 0) {
        size_t head = number + 1 + strcspn(copy + number + 1, " ");
        char *name = copy[head] ? between(copy + head, " '", "': ", &rest) : NULL;
        if (name) {
            snprintf(text, sizeof text, "%.*s: %s", (int)head, message, rest);
            m.tensor = name;
            m.text = text;
        }
    }
    take_sides(m.text, &m, sides, sizeof sides);
    print_message(&m);
    return exit_code(s);
}
