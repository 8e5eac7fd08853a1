/* Regular expressions: the tree of a pattern becomes instructions. A part that is repeated is built
 * several times, so that the length has a limit; parts without instructions count too. */
#include "frontend/regex_part.h"

enum { MOST_PROGRAM = 1 << 16 };

typedef struct builder {
    ir_arena *arena;
    fe_regex *r;
    size_t cap_program, visits;
} builder;

static bool has_room(builder *p)
{
    fe_regex *r = p->r;
    if (!r->why && r->n < MOST_PROGRAM && p->visits < 4 * (size_t)MOST_PROGRAM) return true;
    if (r->why) return false;
    r->why = "too many parts, repeated ones counted";
    r->unsupported = true;
    return false;
}

static int64_t emit(builder *p, int64_t op, int64_t a, int64_t b)
{
    fe_regex *r = p->r;
    if (!has_room(p)) return 0;
    r->program = ir_grow(p->arena, r->program, &p->cap_program, FE_REGEX_FIELDS * (r->n + 1),
                         sizeof *r->program);
    int64_t *i = r->program + FE_REGEX_FIELDS * r->n;
    i[0] = op;
    i[1] = a;
    i[2] = b;
    return (int64_t)r->n++;
}

/* Sets where a SPLIT goes. */
static void point(builder *p, int64_t split, int64_t a, int64_t b)
{
    if (p->r->why) return;
    p->r->program[FE_REGEX_FIELDS * split + 1] = a;
    p->r->program[FE_REGEX_FIELDS * split + 2] = b;
}

static int64_t here(const builder *p) { return (int64_t)p->r->n; }

static void build(builder *p, const fe_part *n);

static void build_repeat(builder *p, const fe_part *n)
{
    for (int64_t i = 0; i < n->x && !p->r->why; i++) build(p, n->a);
    if (n->y < 0) {
        int64_t split = emit(p, FE_REGEX_SPLIT, 0, 0);
        build(p, n->a);
        emit(p, FE_REGEX_SPLIT, split, split);
        point(p, split, split + 1, here(p));
    }
    for (int64_t i = n->x; i < n->y && !p->r->why; i++) {
        int64_t split = emit(p, FE_REGEX_SPLIT, 0, 0);
        build(p, n->a);
        point(p, split, split + 1, here(p));
    }
}

/* A chain of FE_PART_CAT leans to the left and may be as long as the pattern. */
static void build_chain(builder *p, const fe_part *n)
{
    size_t count = 0;
    for (const fe_part *at = n; at->kind == FE_PART_CAT; at = at->a) count++;
    const fe_part **list = IR_NEW_N(p->arena, const fe_part *, count + 1);
    size_t i = count;
    for (; n->kind == FE_PART_CAT; n = n->a) list[i--] = n->b;
    list[0] = n;
    for (i = 0; i <= count && !p->r->why; i++) build(p, list[i]);
}

static void build_choice(builder *p, const fe_part *n)
{
    size_t count = 0;
    for (const fe_part *at = n; at->kind == FE_PART_ALT; at = at->a) count++;
    const fe_part **list = IR_NEW_N(p->arena, const fe_part *, count + 1);
    int64_t *ends = IR_NEW_N(p->arena, int64_t, count + 1);
    size_t i = count;
    for (; n->kind == FE_PART_ALT; n = n->a) list[i--] = n->b;
    list[0] = n;
    for (i = 0; i < count && !p->r->why; i++) {
        int64_t split = emit(p, FE_REGEX_SPLIT, 0, 0);
        build(p, list[i]);
        ends[i] = emit(p, FE_REGEX_SPLIT, 0, 0);
        point(p, split, split + 1, here(p));
    }
    if (!p->r->why) build(p, list[count]);
    for (i = 0; i < count; i++) point(p, ends[i], here(p), here(p));
}

static void build(builder *p, const fe_part *n)
{
    p->visits++;
    if (!has_room(p)) return;
    switch (n->kind) {
    case FE_PART_SET:
        emit(p, FE_REGEX_ANY_OF, n->x, n->y);
        break;
    case FE_PART_ASSERT:
        emit(p, FE_REGEX_ASSERT, n->x, 0);
        break;
    case FE_PART_CAT:
        build_chain(p, n);
        break;
    case FE_PART_ALT:
        build_choice(p, n);
        break;
    case FE_PART_REPEAT:
        build_repeat(p, n);
        break;
    case FE_PART_EMPTY:
        break;
    }
}

bool fe_regex_build(ir_arena *arena, const fe_part *all, fe_regex *r)
{
    builder p = {.arena = arena, .r = r};
    build(&p, all);
    emit(&p, FE_REGEX_MATCH, 0, 0);
    return !r->why;
}
