/* --custom DOMAIN:OP=FUNCTION[:INPUT,...] -> lathe_custom_option. The texts are split in copies
 * that the storage owns; the domain may hold colons, its operator and function may not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

/* Numbers, separated by commas, into a new array; NULL if that is not what text holds. */
static size_t *parse_inputs(char *text, size_t *n)
{
    size_t *like = calloc(strlen(text) + 1, sizeof *like);
    *n = 0;
    for (char *end; like; text = end + 1) {
        unsigned long input = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || (*end && *end != ',')) break;
        like[(*n)++] = input;
        if (!*end) return like;
    }
    free(like);
    return NULL;
}

static bool parse(char *text, lathe_custom_option *c)
{
    char *equals = strchr(text, '=');
    if (!equals) return false;
    *equals = '\0';
    char *op = strrchr(text, ':'), *function = equals + 1, *inputs = strchr(function, ':');
    if (!op) return false;
    *op++ = '\0';
    *c = (lathe_custom_option){.domain = text, .op = op, .function = function};
    if (inputs) {
        *inputs = '\0';
        c->like = parse_inputs(inputs + 1, &c->nlike);
    }
    return *op && *function && (!inputs || c->like);
}

bool custom_split(const cli_options *o, compile_storage *s)
{
    s->custom = calloc(o->custom.n + 1, sizeof *s->custom);
    s->custom_texts = calloc(o->custom.n + 1, sizeof *s->custom_texts);
    bool memory = s->custom && s->custom_texts;
    for (size_t i = 0; memory && i < o->custom.n; i++) {
        memory = (s->custom_texts[i] = strdup(o->custom.items[i])) != NULL;
        s->ncustom++;
        if (!memory || parse(s->custom_texts[i], &s->custom[i])) continue;
        fprintf(stderr, "lathe: --custom takes DOMAIN:OP=FUNCTION[:INPUT,...], not '%s'\n",
                o->custom.items[i]);
        return false;
    }
    return memory || (fail(LATHE_OUT_OF_MEMORY, "out of memory"), false);
}

void custom_free(compile_storage *s)
{
    for (size_t i = 0; i < s->ncustom; i++) {
        free(s->custom_texts[i]);
        free((size_t *)s->custom[i].like);
    }
    free(s->custom_texts);
    free(s->custom);
}
