/* Numbers by 64-bit keys: an open-addressing table in the arena, and growing text.
 *
 * Entries of an older generation count as empty, so that a table which serves one nest after the
 * other is cleared in constant time. Keys are hashed: small ids and pointers may be used as they
 * are. */
#include "codegen/lower/lower.h"

#include <stdio.h>

static size_t map_place(const cg_map *m, uint64_t key)
{
    uint64_t h = key * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(h ^ h >> 32) & (m->cap - 1);
    while (m->entries[at].generation == m->generation && m->entries[at].key != key)
        at = (at + 1) & (m->cap - 1);
    return at;
}

uint32_t cg_map_get(const cg_map *m, uint64_t key, uint32_t otherwise)
{
    if (!m->cap) return otherwise;
    const cg_map_entry *e = &m->entries[map_place(m, key)];
    return e->generation == m->generation ? e->value : otherwise;
}

static void grow(ir_arena *arena, cg_map *m)
{
    cg_map old = *m;
    m->cap = old.cap ? 2 * old.cap : 64;
    m->entries = IR_NEW_N(arena, cg_map_entry, m->cap);
    m->generation = 1;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.entries[i].generation != old.generation) continue;
        cg_map_entry *e = &m->entries[map_place(m, old.entries[i].key)];
        *e = old.entries[i];
        e->generation = m->generation;
    }
}

void cg_map_put(ir_arena *arena, cg_map *m, uint64_t key, uint32_t value)
{
    if (2 * m->used >= m->cap) grow(arena, m);
    cg_map_entry *e = &m->entries[map_place(m, key)];
    if (e->generation != m->generation) m->used++;
    *e = (cg_map_entry){key, value, m->generation};
}

void cg_map_clear(cg_map *m)
{
    m->used = 0;
    m->generation++;
}

uint64_t cg_hash_text(const char *s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return h;
}

void cg_text_add(cg_text *t, const char *format, ...)
{
    char piece[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof piece ? (size_t)n : sizeof piece - 1;
    t->s = ir_grow(t->arena, t->s, &t->cap, t->n + size + 1, 1);
    for (size_t i = 0; i < size; i++) t->s[t->n++] = piece[i];
    t->s[t->n] = '\0';
}
