/* Damage to a model's bytes. In: a copy. Out: the copy with bytes changed anywhere but in tensor
 * data, which is found by walking the messages by their field numbers: a changed weight is just
 * another weight, and most bytes of a model are weights. */
#include "tests/tools/damage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- where tensor data is ---- */

typedef enum { OTHER, MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, FUNCTION } message;

static message child(message in, uint64_t field)
{
    static const struct {
        message in;
        unsigned field;
        message is;
    } children[] = {
        {MODEL, 7, GRAPH},       {MODEL, 25, FUNCTION},  {GRAPH, 1, NODE},
        {GRAPH, 5, TENSOR},      {GRAPH, 15, SPARSE},    {FUNCTION, 7, NODE},
        {NODE, 5, ATTRIBUTE},    {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH},
        {ATTRIBUTE, 10, TENSOR}, {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 22, SPARSE},
        {ATTRIBUTE, 23, SPARSE}, {SPARSE, 1, TENSOR},    {SPARSE, 2, TENSOR},
    };
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        if (children[i].in == in && children[i].field == field) return children[i].is;
    return OTHER;
}

static bool is_data(message in, uint64_t field)
{
    return in == TENSOR && ((field >= 4 && field <= 7) || (field >= 9 && field <= 11));
}

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Sets mark[i] for the bytes of tensor data in [at, end); sources are whole models. */
static void mark_data(const uint8_t *base, const uint8_t *at, const uint8_t *end, message in,
                      uint8_t *mark)
{
    uint64_t tag, n = 0;
    while (at < end && varint(&at, end, &tag)) {
        const uint8_t *start = at;
        switch (tag & 7) {
        case 0:
            if (!varint(&at, end, &n)) return;
            break;
        case 1:
            at += 8;
            break;
        case 5:
            at += 4;
            break;
        case 2:
            if (!varint(&at, end, &n) || n > (uint64_t)(end - at)) return;
            start = at;
            at += n;
            break;
        default:
            return;
        }
        if (at > end) return;
        if (is_data(in, tag >> 3)) memset(mark + (start - base), 1, (size_t)(at - start));
        else if ((tag & 7) == 2) mark_data(base, start, at, child(in, tag >> 3), mark);
    }
}

/* ---- damages ---- */

typedef struct target {
    damage_copy *c;
    const uint8_t *mark;
} target;

/* A byte outside tensor data; any byte if there is hardly another. */
static size_t place(const target *t)
{
    size_t at = damage_below(t->c->n);
    for (int turn = 0; turn < 100000 && at < t->c->n && t->mark[at]; turn++)
        at = damage_below(t->c->n);
    return at;
}

static void change_bytes(target *t)
{
    for (size_t k = 1 + damage_below(8); k; k--) t->c->at[place(t)] = (uint8_t)damage_next();
}

static void flip_bit(target *t) { t->c->at[place(t)] ^= (uint8_t)(1u << damage_below(8)); }

static void truncate_copy(target *t) { t->c->n = damage_below(t->c->n + 1); }

/* A varint that says far more than there is. */
static void blow_up(target *t)
{
    size_t at = place(t), n = 1 + damage_below(9);
    for (size_t i = 0; i < n && at + i < t->c->n && !t->mark[at + i]; i++)
        t->c->at[at + i] = (uint8_t)(0x80 | damage_next());
}

static void insert_bytes(target *t)
{
    damage_copy *c = t->c;
    size_t at = place(t), n = 1 + damage_below(32);
    if (c->n + n > c->room) return;
    memmove(c->at + at + n, c->at + at, c->n - at);
    for (size_t i = 0; i < n; i++) c->at[at + i] = (uint8_t)damage_next();
    c->n += n;
}

static void remove_bytes(target *t)
{
    damage_copy *c = t->c;
    size_t at = place(t), n = 1 + damage_below(32);
    if (n > c->n - at) n = c->n - at;
    memmove(c->at + at, c->at + at + n, c->n - at - n);
    c->n -= n;
}

void damage_bytes(damage_copy *c)
{
    static const struct {
        void (*run)(target *);
        const char *name;
    } damages[] = {
        {change_bytes, "bytes changed"},  {flip_bit, "a bit flipped"},
        {truncate_copy, "cut"},           {blow_up, "a length blown up"},
        {insert_bytes, "bytes inserted"}, {remove_bytes, "bytes removed"},
    };
    uint8_t *mark = calloc(c->n, 1);
    size_t k = damage_below(sizeof damages / sizeof *damages);
    if (!mark) return;
    mark_data(c->at, c->at, c->at + c->n, MODEL, mark);
    c->how = damages[k].name;
    damages[k].run(&(target){c, mark});
    free(mark);
}
