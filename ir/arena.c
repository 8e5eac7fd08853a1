/* The arena: a list of zeroed chunks that grow with use, handed out from the front.
 *
 * In: sizes, which may come from a file. Out: zeroed memory aligned for any type. No size is added
 * or multiplied unchecked; on overflow, at the limit or without memory, arena_fail() jumps to the
 * library's entry function. Chunks are never reused, so calloc's zeroes are all that is needed. */
#include "ir/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ALIGN = alignof(max_align_t),
    FIRST_CHUNK = 1 << 16,
    LARGEST_CHUNK = 1 << 22,
    TICKS = 256 /* between two looks at the clock */
};

typedef struct ir_chunk {
    struct ir_chunk *next;
    size_t size; /* of the memory behind the header */
} ir_chunk;

static size_t header_size(void) { return (sizeof(ir_chunk) + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

static _Noreturn void arena_fail(ir_arena *a, ir_stop why)
{
    a->stop = why;
    longjmp(*a->jmp, 1);
}

double ir_thread_seconds(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void ir_check_time(ir_arena *a)
{
    if (a->deadline > 0 && ir_thread_seconds() > a->deadline) arena_fail(a, IR_STOP_TIME);
}

void ir_tick(ir_arena *a)
{
    if (++a->ticks % TICKS == 0) ir_check_time(a);
}

void ir_arena_inherit(ir_arena *a, const ir_arena *from)
{
    a->limit = from->limit && from->limit > from->used ? from->limit - from->used : from->limit;
    a->deadline = from->deadline;
    a->time_limit = from->time_limit;
}

void ir_arena_init(ir_arena *a, jmp_buf *jmp) { *a = (ir_arena){.jmp = jmp}; }

void ir_arena_destroy(ir_arena *a)
{
    for (ir_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    a->chunks = NULL;
    a->at = a->end = NULL;
    a->used = 0;
}

/* Chunks double up to a largest size; a bigger request gets a chunk of its own. */
static void add_chunk(ir_arena *a, size_t need)
{
    size_t size = a->chunks ? 2 * a->chunks->size : FIRST_CHUNK;
    if (size > LARGEST_CHUNK) size = LARGEST_CHUNK;
    if (size < need) size = need;
    if (size > SIZE_MAX - header_size()) arena_fail(a, IR_STOP_MEMORY);
    ir_chunk *c = calloc(1, header_size() + size);
    if (!c) arena_fail(a, IR_STOP_MEMORY);
    *c = (ir_chunk){.next = a->chunks, .size = size};
    a->chunks = c;
    a->at = (char *)c + header_size();
    a->end = a->at + size;
}

void *ir_alloc(ir_arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n) || n > SIZE_MAX - ALIGN)
        arena_fail(a, IR_STOP_MEMORY);
    n = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (n > SIZE_MAX - a->used || (a->limit && a->used + n > a->limit))
        arena_fail(a, IR_STOP_LIMIT);
    ir_tick(a);
    if (n > (size_t)(a->end - a->at)) add_chunk(a, n);
    void *p = a->at;
    a->at += n;
    a->used += n;
    return p;
}

void *ir_grow(ir_arena *a, void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return array;
    size_t grown = *cap > SIZE_MAX / 2 ? need : 2 * *cap;
    if (grown < 8) grown = 8;
    if (grown < need) grown = need;
    void *p = ir_alloc(a, grown, size);
    if (*cap) memcpy(p, array, *cap * size);
    *cap = grown;
    return p;
}

void *ir_copy(ir_arena *a, const void *bytes, size_t count, size_t size)
{
    void *p = ir_alloc(a, count, size);
    if (count && size) memcpy(p, bytes, count * size);
    return p;
}

char *ir_vformat(ir_arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) {
        va_end(again);
        arena_fail(a, IR_STOP_MEMORY);
    }
    char *text = ir_alloc(a, (size_t)n + 1, 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

char *ir_format(ir_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ir_vformat(a, format, args);
    va_end(args);
    return text;
}
