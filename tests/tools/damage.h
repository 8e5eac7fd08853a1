/* Spoiling copies of models; see damage.c. */
#ifndef LATHE_TESTS_DAMAGE_H
#define LATHE_TESTS_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { DAMAGE_ROOM = 4096 }; /* that a damage may add */

typedef struct damage_copy {
    uint8_t *at;
    size_t n, room;
    const char *how; /* what was done, for the message */
} damage_copy;

/* Chance: repeatable. */
void damage_seed(uint64_t);
uint64_t damage_next(void);
size_t damage_below(size_t n);   /* 0 for n = 0 */
int64_t damage_odd_number(void); /* of the kind that sizes overflow with */

/* Bytes changed, inserted, cut; lengths blown up. Tensor data is left alone. */
void damage_bytes(damage_copy *);
/* Well-formed nonsense: the message is read, changed and written again. */
void damage_graph(damage_copy *);

#endif
