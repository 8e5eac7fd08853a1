/* RegexFullMatch. In: strings and a program that the compiler made of the pattern. Out: whether the
 * whole string matches.
 *
 * All ways through the program are followed at once, code point by code point, so a match takes
 * time in proportion to the string and the program, whatever the pattern. An instruction is three
 * integers; see frontend/regex.h. */
#include "runtime/strings.h"

enum { ANY_OF, SPLIT, ASSERT, MATCH };
enum { FIELDS = 3 };
enum { AT_BEGIN, AT_END, AT_EDGE, AT_NO_EDGE, AT_LINE_BEGIN, AT_LINE_END };

typedef struct matcher {
    const int64_t *program, *ranges;
    lathe_string s;
    int64_t *now, *next, *seen, *stack; /* instructions; seen: the turn that reached each */
    int64_t nnow, nnext, turn;
} matcher;

static bool is_word(const matcher *m, size_t at)
{
    if (at >= m->s.size) return false;
    char c = m->s.data[at];
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool holds(const matcher *m, int64_t what, size_t at)
{
    bool first = at == 0, last = at == m->s.size;
    bool edge = (!first && is_word(m, at - 1)) != is_word(m, at);
    switch (what) {
    case AT_BEGIN:
        return first;
    case AT_END:
        return last;
    case AT_EDGE:
        return edge;
    case AT_NO_EDGE:
        return !edge;
    case AT_LINE_BEGIN:
        return first || m->s.data[at - 1] == '\n';
    default:
        return last || m->s.data[at] == '\n';
    }
}

/* Puts an instruction on the stack once a turn, so the stack has room for all of them. */
static int64_t reach(matcher *m, int64_t pc, int64_t depth)
{
    if (m->seen[pc] == m->turn) return depth;
    m->seen[pc] = m->turn;
    m->stack[depth] = pc;
    return depth + 1;
}

/* Adds what can be reached from pc without a code point. True: the end of the program. */
static bool follow(matcher *m, int64_t pc, size_t at)
{
    bool matched = false;
    for (int64_t depth = reach(m, pc, 0); depth > 0;) {
        pc = m->stack[--depth];
        const int64_t *i = m->program + pc * FIELDS;
        if (i[0] == ANY_OF) m->next[m->nnext++] = pc;
        if (i[0] == MATCH) matched = true;
        if (i[0] == ASSERT && holds(m, i[1], at)) depth = reach(m, pc + 1, depth);
        if (i[0] == SPLIT) {
            depth = reach(m, i[1], depth);
            depth = reach(m, i[2], depth);
        }
    }
    return matched;
}

static bool is_any(const matcher *m, const int64_t *i, uint32_t code)
{
    for (int64_t r = i[1]; r < i[2]; r++)
        if (code >= m->ranges[2 * r] && code <= m->ranges[2 * r + 1]) return true;
    return false;
}

static bool match(matcher *m, lathe_string s)
{
    m->s = s;
    m->nnext = 0;
    m->turn++;
    bool matched = follow(m, 0, 0);
    for (size_t at = 0; at < s.size;) {
        uint32_t code = rt_utf8_next(s, &at);
        int64_t *was = m->now;
        m->now = m->next;
        m->nnow = m->nnext;
        m->next = was;
        m->nnext = 0;
        m->turn++;
        matched = false;
        for (int64_t i = 0; i < m->nnow; i++)
            if (is_any(m, m->program + m->now[i] * FIELDS, code))
                matched |= follow(m, m->now[i] + 1, at);
        if (!m->nnext && !matched) return false;
    }
    return matched;
}

lathe_status lathe_rt_regex(lathe_call *c)
{
    int64_t n = c->in[1].dims[0];
    matcher m = {.program = c->in[1].data, .ranges = c->in[2].data};
    int64_t *memory = (int64_t *)(void *)rt_string_room(c, (size_t)n * 4 * sizeof *memory);
    if (!memory) return LATHE_OUT_OF_MEMORY;
    m.now = memory;
    m.next = memory + n;
    m.seen = memory + 2 * n;
    m.stack = memory + 3 * n;
    for (int64_t i = 0; i < n; i++) m.seen[i] = 0;
    bool *out = c->out[0].data;
    int64_t count = rt_element_count(&c->out[0]);
    for (int64_t i = 0; i < count; i++) out[i] = match(&m, rt_string_at(&c->in[0], i));
    return LATHE_OK;
}
