/* Bytes in, a 64-bit number out; the same for any split of the bytes into calls.
 *
 * Four independent lanes each take 16 bytes of a 64-byte block through one 64 x 64 -> 128 bit
 * multiplication whose halves are added, so that the multipliers of the processor stay busy.
 * The last, incomplete block is padded with zeros; the length goes into the end. */
#include "runtime/hash.h"

#include <string.h>

static const uint64_t keys[4] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu, 0x165667B19E3779F9u,
                                 0xD6E8FEB86659FD93u};

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word(const unsigned char *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static void block(rt_hash_state *h, const unsigned char *at)
{
    for (int i = 0; i < 4; i++) {
        uint64_t a = word(at + 16 * i), b = word(at + 16 * i + 8);
        /* b is added outside of the product too: a factor of 0 must not hide the other one. */
        h->lane[i] = mix(a ^ keys[i], b ^ h->lane[i]) + b + (a << 32 | a >> 32);
    }
}

void rt_hash_begin(rt_hash_state *h)
{
    memset(h, 0, sizeof *h);
    memcpy(h->lane, keys, sizeof h->lane);
}

void rt_hash_add(rt_hash_state *h, const void *bytes, size_t size)
{
    if (!size) return;
    const unsigned char *at = bytes;
    size_t held = h->length % sizeof h->rest;
    h->length += size;
    if (held) {
        size_t take = sizeof h->rest - held < size ? sizeof h->rest - held : size;
        memcpy(h->rest + held, at, take);
        at += take;
        size -= take;
        if (held + take < sizeof h->rest) return;
        block(h, h->rest);
    }
    for (; size >= sizeof h->rest; at += sizeof h->rest, size -= sizeof h->rest) block(h, at);
    memcpy(h->rest, at, size);
}

uint64_t rt_hash_end(rt_hash_state *h)
{
    size_t held = h->length % sizeof h->rest;
    if (held) {
        memset(h->rest + held, 0, sizeof h->rest - held);
        block(h, h->rest);
    }
    uint64_t x = h->length * keys[0];
    for (int i = 0; i < 4; i++) x = mix(x ^ h->lane[i], keys[(i + 1) % 4]) + h->lane[i];
    x ^= x >> 32;
    x *= keys[1];
    return x ^ x >> 29;
}

uint64_t rt_hash(const void *bytes, size_t size)
{
    rt_hash_state h;
    rt_hash_begin(&h);
    rt_hash_add(&h, bytes, size);
    return rt_hash_end(&h);
}
