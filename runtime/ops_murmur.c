/* MurmurHash3 of strings, the 32-bit form for x86. In: strings, a seed. Out: a number for each,
 * the same whatever the order of bytes in memory. */
#include "runtime/strings.h"

static uint32_t turn(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }

/* Up to four bytes from `at` on as a number, mixed. */
static uint32_t block(lathe_string s, size_t at, size_t n)
{
    uint32_t k = 0;
    for (size_t i = 0; i < n; i++) k |= (uint32_t)(unsigned char)s.data[at + i] << 8 * i;
    return turn(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static uint32_t hash(lathe_string s, uint32_t h)
{
    size_t at = 0;
    for (; s.size - at >= 4; at += 4) h = turn(h ^ block(s, at, 4), 13) * 5 + 0xe6546b64u;
    h ^= block(s, at, s.size - at) ^ (uint32_t)s.size;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

lathe_status lathe_rt_string_hash(lathe_call *c)
{
    uint32_t *out = c->out[0].data;
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count; i++)
        out[i] = hash(rt_string_at(&c->in[0], i), (uint32_t)c->ints[0]);
    return LATHE_OK;
}
