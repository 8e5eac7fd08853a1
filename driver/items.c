/* --items NAME=N[:RANK] -> lathe_items_option; --set NAME=VALUE -> lathe_set_option. */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>

static bool parse(char *text, lathe_items_option *item)
{
    char *equals = strrchr(text, '='), *end;
    *item = (lathe_items_option){.name = text, .rank = -1};
    if (!equals || equals == text || equals[1] < '0' || equals[1] > '9') return false;
    *equals = '\0';
    item->count = strtoll(equals + 1, &end, 10);
    if (!*end) return true;
    if (*end != ':' || end[1] < '0' || end[1] > '9') return false;
    long rank = strtol(end + 1, &end, 10);
    item->rank = rank > LATHE_MAX_RANK ? LATHE_MAX_RANK + 1 : (int)rank;
    return !*end;
}

bool items_split(const cli_options *o, compile_storage *s)
{
    s->items = calloc(o->items.n + 1, sizeof *s->items);
    s->item_names = calloc(o->items.n + 1, sizeof *s->item_names);
    bool memory = s->items && s->item_names;
    for (size_t i = 0; memory && i < o->items.n; i++) {
        memory = (s->item_names[i] = strdup(o->items.items[i])) != NULL;
        s->nitems++;
        if (!memory || parse(s->item_names[i], &s->items[i])) continue;
        usage_error("--items takes NAME=N or NAME=N:RANK, not '%s'", o->items.items[i]);
        return false;
    }
    return memory || (fail(LATHE_OUT_OF_MEMORY, "out of memory"), false);
}

void items_free(compile_storage *s)
{
    for (size_t i = 0; i < s->nitems; i++) free(s->item_names[i]);
    free(s->item_names);
    free(s->items);
}

/* ---- --set ---- */

static bool parse_set(char *text, lathe_set_option *set)
{
    char *equals = strrchr(text, '='), *end;
    *set = (lathe_set_option){.name = text};
    if (!equals || equals == text || !equals[1]) return false;
    *equals = '\0';
    set->value = strtod(equals + 1, &end);
    return !*end;
}

bool set_split(const cli_options *o, compile_storage *s)
{
    s->set = calloc(o->set.n + 1, sizeof *s->set);
    s->set_names = calloc(o->set.n + 1, sizeof *s->set_names);
    bool memory = s->set && s->set_names;
    for (size_t i = 0; memory && i < o->set.n; i++) {
        memory = (s->set_names[i] = strdup(o->set.items[i])) != NULL;
        s->nset++;
        if (!memory || parse_set(s->set_names[i], &s->set[i])) continue;
        usage_error("--set takes NAME=VALUE, not '%s'", o->set.items[i]);
        return false;
    }
    return memory || (fail(LATHE_OUT_OF_MEMORY, "out of memory"), false);
}

void set_free(compile_storage *s)
{
    for (size_t i = 0; i < s->nset; i++) free(s->set_names[i]);
    free(s->set_names);
    free(s->set);
}
