/* The option parser: one walk over argv, driven by options.def. A misspelt option is answered with
 * the nearest one. */
#include "driver/diagnose.h"
#include "driver/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_row option_rows[] = {
#define OPTION(name, letter, arg, kind, field, commands, help)                                     \
    {name, letter, arg, kind, offsetof(cli_options, field), commands, help},
#include "driver/options.def"
#undef OPTION
};
const size_t option_count = sizeof option_rows / sizeof *option_rows;
enum { NROWS = sizeof option_rows / sizeof *option_rows };

const char *const *option_choices(const option_row *r)
{
    static const struct {
        const char *option, *words[9];
    } choices[] = {
        {"emit", {"so", "obj", "a", "ir", "llvm", "asm", "program"}},
        {"weights", {"file", "embed"}},
        {"output-format", {"npy", "pb"}},
        {"report", {"text", "json"}},
        {"require", {"i8"}},
        {"level", {"0", "2"}},
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strcmp(choices[i].option, r->name) == 0) return choices[i].words;
    return NULL;
}

void options_print(unsigned command)
{
    for (size_t i = 0; i < NROWS; i++) {
        const option_row *r = &option_rows[i];
        if (!(r->commands & command)) continue;
        char text[64];
        const char *space = r->arg && r->kind != MAYBE ? " " : "";
        snprintf(text, sizeof text, "--%s%s%s", r->name, space, r->arg ? r->arg : "");
        if (r->letter) {
            printf("  -%c, %-24s %s\n", r->letter, text, r->help);
        } else {
            printf("      %-24s %s\n", text, r->help);
        }
    }
}

static bool unknown_option(unsigned command, const char *text, size_t length)
{
    const char *names[NROWS];
    char word[64], message[128];
    size_t n = 0;
    snprintf(word, sizeof word, "%.*s", (int)length, text);
    snprintf(message, sizeof message, "unknown option '--%s'", word);
    for (size_t i = 0; i < NROWS; i++)
        if (option_rows[i].commands & command) names[n++] = option_rows[i].name;
    const char *near = lathe_nearest(word, names, n);
    char hint[128] = "";
    if (near) snprintf(hint, sizeof hint, "did you mean '--%s'?", near);
    fail_hint(LATHE_BAD_INPUT, message, hint);
    return false;
}

static bool list_add(option_list *list, const char *item)
{
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (!items) {
        fail(LATHE_OUT_OF_MEMORY, "out of memory");
        return false;
    }
    list->items = items;
    list->items[list->n++] = item;
    return true;
}

/* Numbers of options are counts, seconds and tolerances: finite, not negative, of sane size. */
static bool set_number(const option_row *r, void *field, const char *value)
{
    char *end;
    errno = 0;
    bool sane;
    if (r->kind == INT) {
        long n = strtol(value, &end, 10);
        *(long *)field = n;
        sane = n >= 0 && n <= INT_MAX;
    } else {
        double x = strtod(value, &end);
        *(double *)field = x;
        sane = isfinite(x) && x >= 0;
    }
    if (*value && !*end && sane && errno != ERANGE) return true;
    usage_error("option '--%s' takes %s, not '%s'", r->name,
                r->kind == INT ? "a number from 0 to 2147483647" : "a number of 0 or more", value);
    return false;
}

/* "--emit takes so, obj or a, not 'exe'" */
static bool is_choice(const option_row *r, const char *value)
{
    const char *const *words = option_choices(r);
    char list[200] = "";
    size_t n = 0;
    for (size_t i = 0; words && words[i]; i++) {
        if (strcmp(words[i], value) == 0) return true;
        const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", before, words[i]);
    }
    if (words) usage_error("--%s takes %s, not '%s'", r->name, list, value);
    return !words;
}

static bool set_option(cli_options *o, const option_row *r, const char *value)
{
    void *field = (char *)o + r->offset;
    if (r->kind != FLAG && !(r->kind == MAYBE && !*value) && !is_choice(r, value)) return false;
    switch (r->kind) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case STR:
    case MAYBE:
        *(const char **)field = value;
        return true;
    case LIST:
        return list_add(field, value);
    default:
        return set_number(r, field, value);
    }
}

static const option_row *find_row(unsigned command, const char *name, size_t length, char letter)
{
    for (size_t i = 0; i < NROWS; i++) {
        const option_row *r = &option_rows[i];
        bool match = letter ? r->letter == letter
                            : strlen(r->name) == length && !strncmp(r->name, name, length);
        if ((r->commands & command) && match) return r;
    }
    return NULL;
}

/* One option at argv[*i]; *i moves to the last word used. */
static bool parse_option(cli_options *o, unsigned command, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *value = NULL;
    bool is_long = text[1] == '-';
    const char *name = text + (is_long ? 2 : 1), *equals = is_long ? strchr(name, '=') : NULL;
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option_row *r = find_row(command, name, length, is_long ? 0 : name[0]);
    if (!r) return unknown_option(command, name, length);
    if (equals) value = equals + 1;
    if (!is_long && name[1]) value = name + 1; /* -O2, -j4 */
    if (r->kind == FLAG && value) {
        usage_error("option '--%s' takes no value", r->name);
        return false;
    }
    if (r->kind == MAYBE && !value) value = "";
    if (r->kind != FLAG && !value) {
        if (*i + 1 >= argc) {
            usage_error("option '--%s' needs a value: %s", r->name, r->arg);
            return false;
        }
        value = argv[++*i];
    }
    return set_option(o, r, value);
}

bool options_parse(cli_options *o, unsigned command, int argc, char **argv)
{
    bool ok = true, only_paths = false;
    *o = (cli_options){.level = 2, .timeout = 120, .threads = 1, .seconds = 2};
    for (int i = 1; i < argc; i++) {
        if (!only_paths && strcmp(argv[i], "--") == 0) {
            only_paths = true;
        } else if (!only_paths && argv[i][0] == '-' && argv[i][1]) {
            ok = parse_option(o, command, argc, argv, &i) && ok;
        } else {
            ok = list_add(&o->paths, argv[i]) && ok;
        }
    }
    return ok;
}

void options_free(cli_options *o)
{
    free(o->paths.items);
    free(o->dims.items);
    free(o->at.items);
    free(o->items.items);
    free(o->set.items);
    free(o->custom.items);
    free(o->disabled.items);
    free(o->inputs.items);
    free(o->kept.items);
}
