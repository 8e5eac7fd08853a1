/* StringSplit. In: strings, a delimiter (empty: runs of white space), how many splits at most. Out:
 * the parts, which lie in the strings themselves, filled up with empty ones; how many there are. */
#include "runtime/strings.h"

typedef struct splitter {
    lathe_string rest, delimiter;
    int64_t left; /* splits; negative: any number */
    bool done;
} splitter;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void skip_space(lathe_string *s)
{
    while (s->size && is_space(*s->data)) s->data++, s->size--;
}

static splitter start(lathe_call *c, int64_t i)
{
    splitter s = {rt_string_at(&c->in[0], i), rt_pool_at(c->in[1].data, 0), c->ints[0], false};
    if (s.delimiter.size) return s;
    skip_space(&s.rest);
    s.done = !s.rest.size;
    return s;
}

/* Where the next delimiter begins; the string's size if there is none. */
static size_t find(const splitter *s)
{
    size_t n = s->delimiter.size, at = 0;
    if (!n) {
        while (at < s->rest.size && !is_space(s->rest.data[at])) at++;
        return at;
    }
    for (; at + n <= s->rest.size && s->rest.size >= n; at++)
        if (!memcmp(s->rest.data + at, s->delimiter.data, n)) return at;
    return s->rest.size;
}

static bool next_part(splitter *s, lathe_string *part)
{
    if (s->done) return false;
    size_t at = s->left == 0 ? s->rest.size : find(s);
    *part = (lathe_string){s->rest.data, at};
    if (s->left > 0) s->left--;
    if (at == s->rest.size) {
        s->done = true;
        return true;
    }
    size_t skip = at + (s->delimiter.size ? s->delimiter.size : 1);
    s->rest = (lathe_string){s->rest.data + skip, s->rest.size - skip};
    if (s->delimiter.size) return true;
    skip_space(&s->rest);
    s->done = !s->rest.size;
    return true;
}

lathe_status lathe_rt_string_count(lathe_call *c)
{
    int64_t *counts = c->out[0].data, count = rt_element_count(&c->out[0]);
    lathe_string part;
    for (int64_t i = 0; i < count; i++) {
        splitter s = start(c, i);
        for (counts[i] = 0; next_part(&s, &part);) counts[i]++;
        if (counts[i] > c->syms[0]) c->syms[0] = counts[i];
    }
    return LATHE_OK;
}

lathe_status lathe_rt_string_split(lathe_call *c)
{
    const lathe_tensor *t = &c->out[0];
    lathe_string *out = t->data;
    int64_t count = rt_element_count(&c->in[0]), most = t->dims[t->rank - 1];
    for (int64_t i = 0; i < count; i++) {
        splitter s = start(c, i);
        for (int64_t k = 0; k < most; k++)
            if (!next_part(&s, &out[i * most + k])) out[i * most + k] = (lathe_string){"", 0};
    }
    return LATHE_OK;
}
