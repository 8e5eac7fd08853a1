/* Strings: constants, equality, concatenation, and what other operators on strings share. */
#include <stdio.h>

#include "runtime/strings.h"

/* ---- memory until the next run ---- */

enum { PAGE = 1 << 12 };

char *rt_string_room(lathe_call *c, size_t size)
{
    lathe_pages *pages = c->pages;
    lathe_page *page = pages->first;
    size_t whole;
    bool fits = !__builtin_add_overflow(size, sizeof *page + PAGE, &whole);
    size = fits ? (size + 7) / 8 * 8 : size; /* so that any number may stand there */
    if (!page || page->size - page->used < size) {
        page = fits ? pages->allocator->alloc(pages->allocator->ctx, whole, 64) : NULL;
        if (!page) {
            snprintf(c->message, 256, "no memory for %zu bytes of strings", size);
            return NULL;
        }
        *page = (lathe_page){.next = pages->first, .size = whole - sizeof *page};
        pages->first = page;
    }
    char *room = (char *)(page + 1) + page->used;
    page->used += size;
    return room;
}

/* ---- elements ---- */

lathe_string rt_string_at(const lathe_tensor *t, int64_t i)
{
    lathe_string s = ((const lathe_string *)t->data)[i];
    if (!s.data) s = (lathe_string){"", 0};
    return s;
}

int rt_string_compare(lathe_string a, lathe_string b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

static uint64_t word(const void *pool, int64_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)pool + i * 8, sizeof value);
    return value;
}

int64_t rt_pool_count(const void *pool) { return (int64_t)word(pool, 0); }

lathe_string rt_pool_at(const void *pool, int64_t k)
{
    const char *bytes = (const char *)pool + 8 * (1 + rt_pool_count(pool));
    uint64_t begin = k ? word(pool, k) : 0, end = word(pool, k + 1);
    return (lathe_string){bytes + begin, (size_t)(end - begin)};
}

/* ---- UTF-8 ---- */

/* The shortest form only, no surrogates. */
uint32_t rt_utf8_next(lathe_string s, size_t *at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)s.data[*at];
    size_t more = first < 0x80 ? 0 : first < 0xC0 ? 4 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    ++*at;
    if (more == 0) return first;
    if (more == 4 || first >= 0xF8 || s.size - *at < more) return RT_NO_CODE;
    uint32_t code = first & (0x3Fu >> more);
    for (size_t i = 0; i < more; i++) {
        unsigned char next = (unsigned char)s.data[*at + i];
        if (next >> 6 != 2) return RT_NO_CODE;
        code = code << 6 | (next & 0x3Fu);
    }
    if (code < least[more] || code > 0x10FFFF || code >> 11 == 0x1B) return RT_NO_CODE;
    *at += more;
    return code;
}

size_t rt_utf8_put(char *to, uint32_t code)
{
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char marks[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (char)(marks[more] | code >> 6 * more);
    for (size_t i = 1; i <= more; i++) to[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3F));
    return more + 1;
}

/* ---- operators ---- */

lathe_status lathe_rt_strings(lathe_call *c)
{
    lathe_string *out = c->out[0].data;
    for (int64_t i = 0; i < rt_pool_count(c->in[0].data); i++)
        out[i] = rt_pool_at(c->in[0].data, i);
    return LATHE_OK;
}

lathe_status lathe_rt_string_equal(lathe_call *c)
{
    bool *out = c->out[0].data;
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count; i++)
        out[i] = !rt_string_compare(rt_string_at(&c->in[0], i), rt_string_at(&c->in[1], i));
    return LATHE_OK;
}

lathe_status lathe_rt_string_concat(lathe_call *c)
{
    lathe_string *out = c->out[0].data;
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count; i++) {
        lathe_string a = rt_string_at(&c->in[0], i), b = rt_string_at(&c->in[1], i);
        size_t size;
        if (__builtin_add_overflow(a.size, b.size, &size)) size = SIZE_MAX;
        char *room = rt_string_room(c, size);
        if (!room) return LATHE_OUT_OF_MEMORY;
        if (a.size) memcpy(room, a.data, a.size);
        if (b.size) memcpy(room + a.size, b.data, b.size);
        out[i] = (lathe_string){room, size};
    }
    return LATHE_OK;
}
