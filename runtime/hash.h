/* A fast 64-bit hash of bytes that arrive in pieces: identity of weights, not security. */
#ifndef LATHE_RUNTIME_HASH_H
#define LATHE_RUNTIME_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct rt_hash_state {
    uint64_t lane[4], length;
    unsigned char rest[64];
} rt_hash_state;

void rt_hash_begin(rt_hash_state *);
/* How the bytes are split over calls does not matter. */
void rt_hash_add(rt_hash_state *, const void *bytes, size_t size);
uint64_t rt_hash_end(rt_hash_state *);
uint64_t rt_hash(const void *bytes, size_t size);

#endif
