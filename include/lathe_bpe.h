/* lathe_bpe.h - byte-level BPE as GPT-2 and its kin have it: text to tokens and back, from the
 * model's tokenizer.json. For an app to take or leave: only this header and lathe_unicode.h;
 * nothing of it is in the runtime. Nothing here exits or prints. C11 and C++17.
 *
 * Read: a model of type BPE whose pre_tokenizer is ByteLevel with its own pattern; no normalizer.
 * Anything else is refused by its name. Special tokens are not looked for in a text, so that what
 * a user types cannot be one: lathe_bpe_find gives their numbers. */
#ifndef LATHE_BPE_H
#define LATHE_BPE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe_unicode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A token's bytes: text[start, start + size). size 0: there is no such token. */
typedef struct lathe_bpe_token {
    size_t start, size;
} lathe_bpe_token;

/* What two tokens side by side become; rank: the lesser is done first. left < 0: free. */
typedef struct lathe_bpe_merge {
    int32_t left, right, to, rank;
} lathe_bpe_merge;

typedef struct lathe_bpe {
    lathe_bpe_token *tokens; /* by number */
    size_t ntokens;
    char *text;
    size_t ntext;
    int32_t *slots; /* tokens by a hash of their bytes; -1: free */
    size_t nslots;  /* a power of 2, as nmerges */
    lathe_bpe_merge *merges;
    size_t nmerges;
    int32_t byte[256]; /* the token of a byte */
    bool prefix_space; /* a text begins as if behind a blank */
} lathe_bpe;

static inline void lathe_bpe_free(lathe_bpe *t)
{
    free(t->tokens);
    free(t->text);
    free(t->slots);
    free(t->merges);
    memset(t, 0, sizeof *t);
}

/* ---- JSON ---- */

/* at: the next byte. Whatever is no JSON makes it bad, and every later step do nothing. */
typedef struct lathe_bpe_json_ {
    const char *at, *end;
    bool bad;
} lathe_bpe_json_;

static inline char lathe_bpe_peek_(lathe_bpe_json_ *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
    return j->at < j->end && !j->bad ? *j->at : '\0';
}

static inline bool lathe_bpe_accept_(lathe_bpe_json_ *j, char c)
{
    if (lathe_bpe_peek_(j) != c) return false;
    j->at++;
    return true;
}

static inline void lathe_bpe_expect_(lathe_bpe_json_ *j, char c)
{
    if (!lathe_bpe_accept_(j, c)) j->bad = true;
}

static inline uint32_t lathe_bpe_hex_(lathe_bpe_json_ *j)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) {
        char c = j->at < j->end ? *j->at++ : '\0';
        const char *digits = "0123456789abcdef",
                   *d = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!d) j->bad = true;
        n = n * 16 + (uint32_t)(d ? d - digits : 0);
    }
    return n;
}

static inline size_t lathe_bpe_utf8_(uint32_t c, char *to)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(n == 1 ? c : (0xF0 << (4 - n) & 0xFF) | c);
    return n;
}

/* A string, at most as many bytes as it has in the file; its length. */
static inline size_t lathe_bpe_string_(lathe_bpe_json_ *j, char *to)
{
    size_t n = 0;
    lathe_bpe_expect_(j, '"');
    while (!j->bad && j->at < j->end && *j->at != '"') {
        char c = *j->at++;
        if (c != '\\') {
            to[n++] = c;
            continue;
        }
        const char *from = "\"\\/bfnrt", *is = "\"\\/\b\f\n\r\t";
        c = j->at < j->end ? *j->at++ : '\0';
        const char *plain = c ? strchr(from, c) : NULL;
        if (plain) {
            to[n++] = is[plain - from];
        } else if (c == 'u') {
            uint32_t u = lathe_bpe_hex_(j);
            if (u >= 0xD800 && u < 0xDC00 && j->end - j->at >= 6 && j->at[0] == '\\' &&
                j->at[1] == 'u') {
                j->at += 2;
                u = 0x10000 + ((u & 0x3FF) << 10) + (lathe_bpe_hex_(j) & 0x3FF);
            }
            n += lathe_bpe_utf8_(u, to + n);
        } else {
            j->bad = true;
        }
    }
    if (j->at < j->end) j->at++;
    else j->bad = true;
    return n;
}

/* Passes a value. Nesting is counted, not recursed into. */
static inline void lathe_bpe_skip_(lathe_bpe_json_ *j)
{
    long depth = 0;
    do {
        char c = lathe_bpe_peek_(j);
        if (!c) {
            j->bad = true;
        } else if (c == '"') {
            for (j->at++; j->at < j->end && *j->at != '"'; j->at++)
                if (*j->at == '\\' && j->at + 1 < j->end) j->at++;
            lathe_bpe_expect_(j, '"');
        } else if (strchr("{[", c)) {
            depth++;
            j->at++;
        } else if (strchr("}]", c)) {
            depth--;
            j->at++;
        } else if (strchr(",:", c)) {
            j->at++;
        } else {
            while (j->at < j->end && !strchr(",:{}[]\" \n\r\t", *j->at)) j->at++;
        }
    } while (!j->bad && depth > 0);
}

/* Enters the value of a key of the object that begins here; false: it has none. */
static inline bool lathe_bpe_key_(lathe_bpe_json_ *j, const char *key)
{
    size_t n = strlen(key);
    if (!lathe_bpe_accept_(j, '{')) return false;
    while (!j->bad && lathe_bpe_peek_(j) == '"') {
        bool same = (size_t)(j->end - j->at) > n + 1 && memcmp(j->at + 1, key, n) == 0 &&
                    j->at[n + 1] == '"';
        lathe_bpe_skip_(j);
        lathe_bpe_expect_(j, ':');
        if (same) return !j->bad;
        lathe_bpe_skip_(j);
        lathe_bpe_accept_(j, ',');
    }
    return false;
}

/* Whether the value at a path is there and has this text, "*" for any but null. */
static inline bool lathe_bpe_is_(lathe_bpe_json_ j, const char *a, const char *b, const char *text)
{
    if (!lathe_bpe_key_(&j, a) || (b && !lathe_bpe_key_(&j, b)) || !lathe_bpe_peek_(&j))
        return false;
    size_t n = strlen(text);
    if (strcmp(text, "*") == 0) return *j.at != 'n';
    return (size_t)(j.end - j.at) >= n && memcmp(j.at, text, n) == 0;
}

/* ---- tables ---- */

static inline uint64_t lathe_bpe_hash_(const char *s, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h ^ h >> 29;
}

/* The number of the token that has these bytes, or -1. */
static inline int32_t lathe_bpe_find(const lathe_bpe *t, const char *bytes, size_t n)
{
    size_t at = (size_t)lathe_bpe_hash_(bytes, n) & (t->nslots - 1);
    for (; t->slots[at] >= 0; at = (at + 1) & (t->nslots - 1)) {
        const lathe_bpe_token *k = &t->tokens[t->slots[at]];
        if (k->size == n && memcmp(t->text + k->start, bytes, n) == 0) return t->slots[at];
    }
    return -1;
}

static inline lathe_bpe_merge *lathe_bpe_pair_(const lathe_bpe *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(h >> 32) & (t->nmerges - 1);
    while (t->merges[at].left >= 0 && (t->merges[at].left != left || t->merges[at].right != right))
        at = (at + 1) & (t->nmerges - 1);
    return &t->merges[at];
}

/* Tokens are written as printable characters: a byte that is one as itself, the others as the
 * characters from 256 on, in order. The byte of the character at s[*i], *i then at its end; -1:
 * none. */
static inline int lathe_bpe_byte_(const char *s, size_t n, size_t *i)
{
    uint32_t c = (unsigned char)s[*i], other = 0;
    if (c < 0x80) return (int)c;
    if (c < 0xC0 || c >= 0xE0 || *i + 1 >= n) return -1;
    c = (c & 0x1F) << 6 | ((unsigned char)s[++*i] & 0x3F);
    if (c < 256) return (int)c;
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b != 173);
        if (!printable && other++ == c - 256) return b;
    }
    return -1;
}

/* The bytes of n characters, in place; false: some are no bytes, nothing is changed. */
static inline bool lathe_bpe_bytes_(char *s, size_t *n)
{
    size_t to = 0;
    for (size_t i = 0; i < *n; i++)
        if (lathe_bpe_byte_(s, *n, &i) < 0) return false;
    for (size_t i = 0; i < *n; i++) s[to++] = (char)lathe_bpe_byte_(s, *n, &i);
    *n = to;
    return true;
}

static inline size_t lathe_bpe_power_(size_t n)
{
    size_t p = 16;
    while (p < 2 * n) p *= 2;
    return p;
}

/* Entries of the object or list that begins here. */
static inline size_t lathe_bpe_count_(lathe_bpe_json_ j)
{
    size_t n = 0;
    bool object = lathe_bpe_accept_(&j, '{');
    if (!object) lathe_bpe_expect_(&j, '[');
    for (char c; (c = lathe_bpe_peek_(&j)) && !strchr("}]", c); lathe_bpe_accept_(&j, ',')) {
        lathe_bpe_skip_(&j);
        n++;
        if (object) {
            lathe_bpe_expect_(&j, ':');
            lathe_bpe_skip_(&j);
        }
    }
    return n;
}

static inline long lathe_bpe_number_(lathe_bpe_json_ *j)
{
    long n = 0;
    if (lathe_bpe_peek_(j) < '0' || *j->at > '9') j->bad = true;
    while (!j->bad && j->at < j->end && *j->at >= '0' && *j->at <= '9' && n < 100000000)
        n = n * 10 + (*j->at++ - '0');
    return n;
}

enum { LATHE_BPE_MOST_ = 1 << 22 };

static inline bool lathe_bpe_room_(lathe_bpe *t, size_t number)
{
    size_t n = 2 * number + 1024;
    if (number < t->ntokens) return true;
    lathe_bpe_token *more = (lathe_bpe_token *)realloc(t->tokens, n * sizeof *more);
    if (!more) return false;
    memset(more + t->ntokens, 0, (n - t->ntokens) * sizeof *more);
    t->tokens = more;
    t->ntokens = n;
    return true;
}

static inline const char *lathe_bpe_add_(lathe_bpe *t, long number, size_t size)
{
    if (number >= LATHE_BPE_MOST_) return "a token's number is too large";
    if (!lathe_bpe_room_(t, (size_t)number)) return "no memory";
    if (!size || t->tokens[number].size) return "a token is empty, or there twice";
    size_t at = (size_t)lathe_bpe_hash_(t->text + t->ntext, size) & (t->nslots - 1);
    while (t->slots[at] >= 0) at = (at + 1) & (t->nslots - 1);
    t->slots[at] = (int32_t)number;
    t->tokens[number].start = t->ntext;
    t->tokens[number].size = size;
    t->ntext += size;
    return NULL;
}

static inline const char *lathe_bpe_vocabulary_(lathe_bpe *t, lathe_bpe_json_ j)
{
    const char *wrong = NULL;
    lathe_bpe_expect_(&j, '{');
    while (!wrong && lathe_bpe_peek_(&j) == '"') {
        size_t n = lathe_bpe_string_(&j, t->text + t->ntext);
        lathe_bpe_expect_(&j, ':');
        long number = lathe_bpe_number_(&j);
        lathe_bpe_accept_(&j, ',');
        lathe_bpe_bytes_(t->text + t->ntext, &n); /* if not, it is the text of a special token */
        if (!j.bad) wrong = lathe_bpe_add_(t, number, n);
        else return "the vocabulary cannot be read";
    }
    lathe_bpe_expect_(&j, '}');
    if (j.bad && !wrong) wrong = "the vocabulary cannot be read";
    for (int b = 0; b < 256 && !wrong; b++) {
        char c = (char)b;
        t->byte[b] = lathe_bpe_find(t, &c, 1);
        if (t->byte[b] < 0) wrong = "a byte has no token";
    }
    return wrong;
}

/* Tokens that stand beside the vocabulary only, as special ones may. */
static inline const char *lathe_bpe_added_(lathe_bpe *t, lathe_bpe_json_ j)
{
    lathe_bpe_expect_(&j, '[');
    while (lathe_bpe_peek_(&j) == '{') {
        lathe_bpe_json_ id = j, text = j;
        if (!lathe_bpe_key_(&id, "id") || !lathe_bpe_key_(&text, "content"))
            return "an added token has no id, or no content";
        long number = lathe_bpe_number_(&id);
        size_t n = lathe_bpe_string_(&text, t->text + t->ntext);
        bool known = number >= 0 && (size_t)number < t->ntokens && t->tokens[number].size;
        const char *wrong = known ? NULL : lathe_bpe_add_(t, number, n);
        if (wrong || id.bad || text.bad) return wrong ? wrong : "an added token cannot be read";
        lathe_bpe_skip_(&j);
        lathe_bpe_accept_(&j, ',');
    }
    lathe_bpe_expect_(&j, ']');
    return j.bad ? "the added tokens cannot be read" : NULL;
}

/* "left right", or a list of the two. The two and their joint bytes are in the file once more, so
 * the room behind the text is enough. */
static inline const char *lathe_bpe_merges_(lathe_bpe *t, lathe_bpe_json_ j)
{
    lathe_bpe_expect_(&j, '[');
    for (int32_t rank = 0; lathe_bpe_peek_(&j) && *j.at != ']'; rank++) {
        char *left = t->text + t->ntext, *right;
        bool list = lathe_bpe_accept_(&j, '[');
        size_t n = lathe_bpe_string_(&j, left), m = 0;
        if (list) lathe_bpe_expect_(&j, ',');
        right = list ? left + n : (char *)memchr(left, ' ', n);
        if (j.bad || !right) return "a merge cannot be read";
        if (list) {
            m = lathe_bpe_string_(&j, right);
            lathe_bpe_expect_(&j, ']');
        } else {
            m = n - (size_t)(++right - left);
            n = (size_t)(right - left) - 1;
        }
        lathe_bpe_accept_(&j, ',');
        if (!lathe_bpe_bytes_(left, &n) || !lathe_bpe_bytes_(right, &m))
            return "a merge has other characters";
        int32_t a = lathe_bpe_find(t, left, n), b = lathe_bpe_find(t, right, m);
        memmove(left + n, right, m);
        int32_t to = lathe_bpe_find(t, left, n + m);
        if (j.bad || a < 0 || b < 0 || to < 0) return "a merge is of no tokens";
        lathe_bpe_merge *merge = lathe_bpe_pair_(t, a, b);
        if (merge->left >= 0) continue;
        merge->left = a;
        merge->right = b;
        merge->to = to;
        merge->rank = rank;
    }
    lathe_bpe_expect_(&j, ']');
    return j.bad ? "the merges cannot be read" : NULL;
}

/* ---- reading ---- */

static inline const char *lathe_bpe_refused_(lathe_bpe_json_ j, const lathe_bpe_json_ *model)
{
    lathe_bpe_json_ pre = j;
    if (!lathe_bpe_is_(*model, "type", NULL, "\"BPE\"")) return "the model's type is not BPE";
    if (lathe_bpe_is_(j, "normalizer", NULL, "*")) return "a normalizer is not supported";
    if (!lathe_bpe_is_(j, "pre_tokenizer", "type", "\"ByteLevel\""))
        return "the pre_tokenizer's type is not ByteLevel";
    if (lathe_bpe_key_(&pre, "pre_tokenizer") && lathe_bpe_is_(pre, "use_regex", NULL, "false"))
        return "ByteLevel without its pattern is not supported";
    const char *const plain[] = {"dropout", "unk_token", "continuing_subword_prefix",
                                 "end_of_word_suffix"};
    for (int i = 0; i < 4; i++)
        if (lathe_bpe_is_(*model, plain[i], NULL, "*") &&
            !lathe_bpe_is_(*model, plain[i], NULL, "\"\""))
            return "the model has a dropout, an unk_token, a prefix or a suffix";
    return lathe_bpe_is_(*model, "ignore_merges", NULL, "true") ? "ignore_merges is not supported"
                                                                : NULL;
}

/* NULL, or what is wrong with the tokenizer.json of `size` bytes; t can be freed in any case. */
static inline const char *lathe_bpe_read(lathe_bpe *t, const char *json, size_t size)
{
    lathe_bpe_json_ j = {json, json + size, false}, model = j, vocabulary, merges, added = j;
    memset(t, 0, sizeof *t);
    if (!lathe_bpe_key_(&model, "model")) return "no tokenizer.json: it has no model";
    const char *wrong = lathe_bpe_refused_(j, &model);
    if (wrong) return wrong;
    vocabulary = merges = model;
    if (!lathe_bpe_key_(&vocabulary, "vocab") || !lathe_bpe_key_(&merges, "merges"))
        return "the model has no vocab, or no merges";
    bool more = lathe_bpe_key_(&added, "added_tokens");
    size_t count = lathe_bpe_count_(vocabulary) + (more ? lathe_bpe_count_(added) : 0);
    t->nslots = lathe_bpe_power_(count);
    t->nmerges = lathe_bpe_power_(lathe_bpe_count_(merges));
    t->text = (char *)malloc(size + 1);
    t->slots = (int32_t *)malloc(t->nslots * sizeof *t->slots);
    t->merges = (lathe_bpe_merge *)malloc(t->nmerges * sizeof *t->merges);
    if (!t->text || !t->slots || !t->merges) return "no memory";
    memset(t->slots, 0xFF, t->nslots * sizeof *t->slots);
    memset(t->merges, 0xFF, t->nmerges * sizeof *t->merges);
    lathe_bpe_json_ pre = j;
    t->prefix_space = lathe_bpe_key_(&pre, "pre_tokenizer") &&
                      !lathe_bpe_is_(pre, "add_prefix_space", NULL, "false");
    wrong = lathe_bpe_vocabulary_(t, vocabulary);
    if (!wrong && more) wrong = lathe_bpe_added_(t, added);
    return wrong ? wrong : lathe_bpe_merges_(t, merges);
}

/* ---- pieces ---- */

static inline bool lathe_bpe_among_(const uint32_t (*ranges)[2], size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle][1]) low = middle + 1;
        else high = middle;
    }
    return low < n && c >= ranges[low][0];
}

/* What a character is for the pattern. */
enum { LATHE_BPE_LETTER_, LATHE_BPE_NUMBER_, LATHE_BPE_WHITE_, LATHE_BPE_OTHER_, LATHE_BPE_END_ };

static inline int lathe_bpe_class_(const char *s, size_t n, size_t *size)
{
    *size = 0;
    if (!n) return LATHE_BPE_END_;
    unsigned char first = (unsigned char)*s;
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    uint32_t c = more ? first & (0x3Fu >> more) : first;
    *size = 1;
    if (first >= 0x80 && !more) return LATHE_BPE_OTHER_;
    for (size_t i = 1; i <= more; i++) {
        if (i >= n || ((unsigned char)s[i] & 0xC0) != 0x80) return LATHE_BPE_OTHER_;
        c = c << 6 | ((unsigned char)s[i] & 0x3F);
    }
    *size = more + 1;
#define LATHE_BPE_IS_(table) lathe_bpe_among_(table, sizeof table / sizeof *table, c)
    return LATHE_BPE_IS_(lathe_unicode_letters_)   ? LATHE_BPE_LETTER_
           : LATHE_BPE_IS_(lathe_unicode_numbers_) ? LATHE_BPE_NUMBER_
           : LATHE_BPE_IS_(lathe_unicode_white_)   ? LATHE_BPE_WHITE_
                                                   : LATHE_BPE_OTHER_;
#undef LATHE_BPE_IS_
}

/* Bytes of the first piece: a contraction; a blank or none and a run of letters, of numbers or of
 * others; white space, whose last character is left to the word behind it. */
static inline size_t lathe_bpe_piece_(const char *s, size_t n)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (int i = 0; i < 7; i++) {
        size_t size = strlen(endings[i]);
        if (size <= n && memcmp(s, endings[i], size) == 0) return size;
    }
    size_t at = *s == ' ', size, last = 0;
    int is = lathe_bpe_class_(s + at, n - at, &size);
    if (is == LATHE_BPE_WHITE_ || is == LATHE_BPE_END_) {
        for (at = 0; lathe_bpe_class_(s + at, n - at, &size) == LATHE_BPE_WHITE_; at += size)
            last = at;
        return at < n && last ? last : at;
    }
    int next = is;
    while (next == is) {
        at += size;
        next = lathe_bpe_class_(s + at, n - at, &size);
    }
    return at;
}

/* ---- encoding ---- */

/* Merges in place; the number left. */
static inline size_t lathe_bpe_join_(const lathe_bpe *t, int32_t *tokens, size_t n)
{
    for (;;) {
        const lathe_bpe_merge *best = NULL;
        for (size_t i = 0; i + 1 < n; i++) {
            const lathe_bpe_merge *m = lathe_bpe_pair_(t, tokens[i], tokens[i + 1]);
            if (m->left >= 0 && (!best || m->rank < best->rank)) best = m;
        }
        if (!best) return n;
        size_t to = 0;
        for (size_t i = 0; i < n; i++) {
            bool pair = i + 1 < n && tokens[i] == best->left && tokens[i + 1] == best->right;
            tokens[to++] = pair ? best->to : tokens[i];
            i += pair;
        }
        n = to;
    }
}

/* The tokens of a text of n bytes; how many there are, of which the first `room` are written, or
 * -1: no memory. A piece takes time in the square of its length, so a word of a megabyte is slow.
 */
static inline int64_t lathe_bpe_encode(const lathe_bpe *t, const char *text, size_t n,
                                       int64_t *tokens, size_t room)
{
    bool prefix = t->prefix_space && n && *text != ' ';
    char *own = prefix ? (char *)malloc(n + 1) : NULL;
    int32_t *piece = (int32_t *)malloc((n + 1) * sizeof *piece);
    size_t count = 0;
    bool memory = piece && (own || !prefix);
    if (memory && prefix) {
        own[0] = ' ';
        memcpy(own + 1, text, n++);
        text = own;
    }
    for (size_t at = 0, size; memory && at < n; at += size) {
        size = lathe_bpe_piece_(text + at, n - at);
        for (size_t i = 0; i < size; i++) piece[i] = t->byte[(unsigned char)text[at + i]];
        size_t left = lathe_bpe_join_(t, piece, size);
        for (size_t i = 0; i < left; i++, count++)
            if (count < room) tokens[count] = piece[i];
    }
    free(own);
    free(piece);
    return memory ? (int64_t)count : -1;
}

/* A token's bytes, which may be part of a character; NULL: there is no such token. */
static inline const char *lathe_bpe_decode(const lathe_bpe *t, int64_t token, size_t *size)
{
    *size = 0;
    if (token < 0 || (uint64_t)token >= t->ntokens || !t->tokens[token].size) return NULL;
    *size = t->tokens[token].size;
    return t->text + t->tokens[token].start;
}

#ifdef __cplusplus
}
#endif
#endif
