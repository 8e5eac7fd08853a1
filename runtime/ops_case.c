/* StringNormalizer. In: strings and words to leave out. Out: those that stay, in other letters.
 *
 * Letters change one for one, by the table below: Latin, Greek, Cyrillic and Armenian as Unicode
 * has them. Others stay what they are, and no locale plays a part. */
#include <stdio.h>

#include "runtime/strings.h"

/* Upper-case letters first .. last, each `step` apart; the lower-case one is `add` above. */
static const struct {
    uint16_t first, last, add, step;
} letters[] = {
    {0x41, 0x5A, 32, 1},   {0xC0, 0xD6, 32, 1},    {0xD8, 0xDE, 32, 1},    {0x100, 0x12E, 1, 2},
    {0x132, 0x136, 1, 2},  {0x139, 0x147, 1, 2},   {0x14A, 0x176, 1, 2},   {0x179, 0x17D, 1, 2},
    {0x1CD, 0x1DB, 1, 2},  {0x1DE, 0x1EE, 1, 2},   {0x1F8, 0x21E, 1, 2},   {0x222, 0x232, 1, 2},
    {0x386, 0x386, 38, 1}, {0x388, 0x38A, 37, 1},  {0x38C, 0x38C, 64, 1},  {0x38E, 0x38F, 63, 1},
    {0x391, 0x3A1, 32, 1}, {0x3A3, 0x3AB, 32, 1},  {0x400, 0x40F, 80, 1},  {0x410, 0x42F, 32, 1},
    {0x460, 0x480, 1, 2},  {0x48A, 0x4BE, 1, 2},   {0x4C1, 0x4CD, 1, 2},   {0x4D0, 0x52E, 1, 2},
    {0x531, 0x556, 48, 1}, {0x1E00, 0x1E94, 1, 2}, {0x1EA0, 0x1EFE, 1, 2},
};
enum { LETTERS = sizeof letters / sizeof *letters };
enum { NONE, LOWER, UPPER };

static uint32_t change(uint32_t code, int64_t how)
{
    if (how == LOWER && code == 0x178) return 0xFF;
    if (how == UPPER && code == 0xFF) return 0x178;
    if (how == UPPER && code == 0x3C2) return 0x3A3;
    for (size_t i = 0; i < LETTERS; i++) {
        uint32_t first = letters[i].first, add = letters[i].add;
        if (how == UPPER) first += add;
        if (code < first || code - first > (uint32_t)letters[i].last - letters[i].first ||
            (code - first) % letters[i].step)
            continue;
        return how == LOWER ? code + add : code - add;
    }
    return code;
}

/* No letter takes more than twice the bytes of its other. */
static lathe_status convert(lathe_call *c, lathe_string s, int64_t how, lathe_string *out)
{
    *out = s;
    if (how == NONE) return LATHE_OK;
    if (s.size > SIZE_MAX / 2) return LATHE_LIMIT;
    char *room = rt_string_room(c, 2 * s.size), *to = room;
    if (!room) return LATHE_OUT_OF_MEMORY;
    for (size_t at = 0; at < s.size;) {
        uint32_t code = rt_utf8_next(s, &at);
        if (code == RT_NO_CODE) {
            snprintf(c->message, 256, "a string is not UTF-8 (byte %zu)", at - 1);
            return LATHE_BAD_VALUE;
        }
        to += rt_utf8_put(to, change(code, how));
    }
    *out = (lathe_string){room, (size_t)(to - room)};
    return LATHE_OK;
}

lathe_status lathe_rt_string_case(lathe_call *c)
{
    lathe_status status = LATHE_OK;
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count && !status; i++)
        status =
            convert(c, rt_string_at(&c->in[0], i), c->ints[0], (lathe_string *)c->out[0].data + i);
    return status;
}

static bool is_stopped(const lathe_tensor *words, lathe_string s)
{
    int64_t count = rt_element_count(words);
    for (int64_t i = 0; i < count; i++)
        if (!rt_string_compare(s, rt_string_at(words, i))) return true;
    return false;
}

/* Words that are compared in lower case are in lower case. */
lathe_status lathe_rt_string_normalize(lathe_call *c)
{
    lathe_tensor *out = &c->out[0];
    lathe_string *to = out->data;
    int64_t count = rt_element_count(&c->in[0]), kept = 0;
    for (int64_t i = 0; i < count; i++) {
        lathe_string s = rt_string_at(&c->in[0], i), key;
        lathe_status status = convert(c, s, c->ints[1] ? LOWER : NONE, &key);
        if (status) return status;
        if (is_stopped(&c->in[1], key)) continue;
        status = convert(c, s, c->ints[0], &to[kept++]);
        if (status) return status;
    }
    if (!kept) to[kept++] = (lathe_string){"", 0};
    out->dims[out->rank - 1] = c->syms[0] = kept;
    return LATHE_OK;
}
