/* The name that a misspelt word was most likely meant to be.
 *
 * In: a word and the names that would have been right. Out: the nearest by edit distance (letters
 * inserted, dropped, replaced, or two neighbours exchanged), or the only one that the word begins.
 * Invariant: only the first MAX_WORD bytes are looked at, so the tables have a fixed size; a name
 * counts as near when less than half of the word, and at most three letters, would have to change.
 */
#include <string.h>

#include "ir/diag.h"

enum { MAX_WORD = 63, MAX_CHANGES = 3 };

static size_t suggest_least(size_t a, size_t b) { return a < b ? a : b; }

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][MAX_WORD + 1], na = strnlen(a, MAX_WORD), nb = strnlen(b, MAX_WORD);
    for (size_t j = 0; j <= nb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = suggest_least(last[j - 1] + (a[i - 1] != b[j - 1]),
                                   suggest_least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = suggest_least(now[j], before[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

static const char *only_begun(const char *word, const char *const *names, size_t n)
{
    const char *found = NULL;
    size_t length = strlen(word);
    for (size_t i = 0; length > 1 && i < n; i++) {
        if (strncmp(word, names[i], length) != 0) continue;
        if (found) return NULL;
        found = names[i];
    }
    return found;
}

const char *lathe_nearest(const char *word, const char *const *names, size_t n)
{
    const char *near = NULL;
    size_t length = strnlen(word, MAX_WORD),
           best = length ? suggest_least(MAX_CHANGES, (length - 1) / 2) + 1 : 0;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d >= best) continue;
        best = d;
        near = names[i];
    }
    return near ? near : only_begun(word, names, n);
}
