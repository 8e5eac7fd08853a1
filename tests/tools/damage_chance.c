/* Chance that a seed repeats. */
#include "tests/tools/damage.h"

static uint64_t state;

uint64_t damage_next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

size_t damage_below(size_t n) { return n ? (size_t)((damage_next() >> 11) % n) : 0; }

int64_t damage_odd_number(void)
{
    static const int64_t odd[] = {0,
                                  1,
                                  -1,
                                  2,
                                  3,
                                  7,
                                  -2,
                                  -3,
                                  63,
                                  64,
                                  65,
                                  1000,
                                  INT32_MAX,
                                  INT32_MIN,
                                  INT64_MAX,
                                  INT64_MIN,
                                  INT64_C(1) << 40,
                                  INT64_C(1) << 31,
                                  100000,
                                  UINT32_MAX};
    return odd[damage_below(sizeof odd / sizeof *odd)];
}

void damage_seed(uint64_t number)
{
    state = number * 1000003u + 88172645463325252u;
    for (int i = 0; i < 8; i++) damage_next();
}
