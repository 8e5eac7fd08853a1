/* Random numbers. In: which, a seed or none, scale and offset. Out: f32 or f64 numbers.
 *
 * The generator is the Mersenne twister MT19937, read as NumPy's RandomState reads it: 53 bits a
 * uniform number of [0, 1), normal ones in pairs by the polar method. So a node that has a seed
 * gives what ONNX's reference implementation gives for that seed. Numbers come one after another on
 * the caller's thread and products are rounded before they are added, so that they are the same for
 * any target and any number of threads (normal ones as far as the C library's log is). */
#include <math.h>

#include "runtime/ops.h"

enum { WORDS = 624, SHIFT = 397 };

typedef struct twister {
    uint32_t word[WORDS];
    int at;
    bool has_spare;
    double spare;
} twister;

static void start(twister *t, uint32_t seed)
{
    t->word[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        t->word[i] = 1812433253u * (t->word[i - 1] ^ t->word[i - 1] >> 30) + i;
    t->at = WORDS;
    t->has_spare = false;
}

/* The published initialisation by an array of words. */
static void start_by_key(twister *t, const uint32_t *key, uint32_t n)
{
    start(t, 19650218u);
    uint32_t *w = t->word, i = 1;
    for (uint32_t k = 0; k < WORDS; k++) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1664525u) + key[k % n] + k % n;
        if (++i == WORDS) w[0] = w[WORDS - 1], i = 1;
    }
    for (uint32_t k = 0; k < WORDS - 1; k++) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1566083941u) - i;
        if (++i == WORDS) w[0] = w[WORDS - 1], i = 1;
    }
    w[0] = 0x80000000u;
}

static void twist(twister *t)
{
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % WORDS] & 0x7FFFFFFFu);
        t->word[i] = t->word[(i + SHIFT) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
    }
    t->at = 0;
}

static uint32_t next(twister *t)
{
    if (t->at == WORDS) twist(t);
    uint32_t y = t->word[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

static double uniform(twister *t)
{
    uint32_t high = next(t) >> 5, low = next(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0; /* exact up to the division by 2^53 */
}

static double normal(twister *t)
{
    double x, y, r;
    t->has_spare = !t->has_spare;
    if (!t->has_spare) return t->spare;
    do {
        x = 2 * uniform(t) - 1;
        y = 2 * uniform(t) - 1;
        volatile double xx = x * x, yy = y * y; /* never fused into the sum */
        r = xx + yy;
    } while (r >= 1 || r == 0);
    double f = sqrt(-2 * log(r) / r);
    t->spare = f * x;
    return f * y;
}

static void store(lathe_tensor *out, int64_t i, double value, const double *form)
{
    if (out->elem == LATHE_F32) {
        volatile float scaled = (float)value * (float)form[0];
        ((float *)out->data)[i] = scaled + (float)form[1];
    } else {
        volatile double scaled = value * form[0];
        ((double *)out->data)[i] = scaled + form[1];
    }
}

lathe_status lathe_rt_random(lathe_call *c)
{
    twister t;
    uint64_t seed = (uint64_t)c->ints[2];
    if (c->ints[1] && seed <= UINT32_MAX) {
        start(&t, (uint32_t)seed);
    } else if (c->ints[1]) {
        start_by_key(&t, (const uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)}, 2);
    } else {
        uint64_t draw = c->random->draws++;
        seed = c->random->seed;
        start_by_key(&t,
                     (const uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)draw,
                                        (uint32_t)(draw >> 32)},
                     4);
    }
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count; i++)
        store(&c->out[0], i, c->ints[0] ? normal(&t) : uniform(&t), c->floats);
    return LATHE_OK;
}
