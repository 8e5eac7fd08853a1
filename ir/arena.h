/* Memory and time of one compilation. Everything is freed together by ir_arena_destroy; nothing
 * singly, so that what an attempt made and dropped counts as well.
 *
 * Allocation never returns NULL: when memory, its limit or the time is exhausted, or a size
 * overflows, it jumps to the boundary set by the library's entry function (`jmp`), which says why
 * (ir_arena_report). Code between the two must therefore own nothing that the arena does not:
 * files, LLVM objects and child processes are held by the entry function's frame. */
#ifndef LATHE_IR_ARENA_H
#define LATHE_IR_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { IR_STOP_MEMORY, IR_STOP_LIMIT, IR_STOP_TIME } ir_stop;

typedef struct ir_arena {
    struct ir_chunk *chunks;
    char *at, *end;
    size_t used, limit; /* bytes handed out; 0 = no limit */
    double deadline;    /* of ir_thread_seconds; 0 = none */
    double time_limit;  /* what the deadline was made of, for the message */
    unsigned ticks;
    ir_stop stop; /* why it jumped */
    jmp_buf *jmp; /* must be set before the first allocation */
} ir_arena;

void ir_arena_init(ir_arena *, jmp_buf *);
void ir_arena_destroy(ir_arena *);
/* Jumps if the time is over. Every allocation ticks; what works long without one does so itself. */
void ir_tick(ir_arena *);
/* The same, looking at the clock in any case. */
void ir_check_time(ir_arena *);
/* Processor time of this thread: a busy machine does not change what is refused. */
double ir_thread_seconds(void);
/* Limits of another arena, for one that works for it. */
void ir_arena_inherit(ir_arena *, const ir_arena *from);

/* count * size bytes, zeroed, aligned for any type. */
void *ir_alloc(ir_arena *, size_t count, size_t size);
/* Grows an arena array of *cap elements to hold at least `need`; the old block stays in the arena.
 */
void *ir_grow(ir_arena *, void *array, size_t *cap, size_t need, size_t size);
void *ir_copy(ir_arena *, const void *bytes, size_t count, size_t size);
char *ir_format(ir_arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *ir_vformat(ir_arena *, const char *format, va_list);

#define IR_NEW(arena, type) ((type *)ir_alloc(arena, 1, sizeof(type)))
#define IR_NEW_N(arena, type, n) ((type *)ir_alloc(arena, n, sizeof(type)))

#endif
