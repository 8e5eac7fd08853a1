/* lathe_bpe.h: GPT-2's published numbers (those of its encoder, of tiktoken and of GPT-3-Encoder's
 * tests) with the part of its tokenizer that they need, bytes of all kinds there and back, damaged
 * and unsupported files. */
#include <criterion/criterion.h>

#include "lathe_bpe.h"

static char *file;
static size_t file_size;
static lathe_bpe bpe;

static void open_file(void)
{
    FILE *f = fopen("tests/bpe/gpt2_part.json", "rb");
    cr_assert_not_null(f);
    file = malloc(1 << 20);
    file_size = fread(file, 1, 1 << 20, f);
    fclose(f);
    const char *wrong = lathe_bpe_read(&bpe, file, file_size);
    cr_assert_null(wrong, "%s", wrong);
}

static void close_file(void)
{
    lathe_bpe_free(&bpe);
    free(file);
}

TestSuite(bpe, .init = open_file, .fini = close_file);

enum { MOST = 16 };
static const struct {
    const char *text;
    int64_t tokens[MOST]; /* up to a 0 */
} published[] = {
    {"", {0}},
    {" ", {220}},
    {"\t", {197}},
    {"This is some text", {1212, 318, 617, 2420}},
    {"indivisible", {521, 452, 12843}},
    {"hello \xF0\x9F\x91\x8B world \xF0\x9F\x8C\x8D", {31373, 50169, 233, 995, 12520, 234, 235}},
    {"toString constructor hasOwnProperty valueOf",
     {1462, 10100, 23772, 468, 23858, 21746, 1988, 5189}},
    {"Hello world", {15496, 995}},
    {" Hello world", {18435, 995}},
    {"hello world", {31373, 995}},
    {"It's we'll they're  two\n\n three 1234 \xC2\xBD na\xC3\xAFve",
     {1026, 338, 356, 1183, 484, 821, 220, 734, 628, 1115, 1105, 2682, 25208, 41492}}};

Test(bpe, gives_the_published_numbers)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        int64_t tokens[64], n = 0;
        const char *text = published[i].text;
        while (n < MOST && published[i].tokens[n]) n++;
        cr_assert_eq(lathe_bpe_encode(&bpe, text, strlen(text), tokens, 64), n, "'%s'", text);
        for (int64_t k = 0; k < n; k++)
            cr_expect_eq(tokens[k], published[i].tokens[k], "'%s'", text);
        cr_expect_eq(lathe_bpe_encode(&bpe, text, strlen(text), tokens, 0), n);
    }
}

Test(bpe, any_bytes_come_back)
{
    static char text[400], back[400];
    int64_t tokens[400];
    uint32_t random = 1;
    for (int turn = 0; turn < 400; turn++) {
        size_t n = (size_t)turn, m = 0, size;
        for (size_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223;
            const char some[] = " 'strewl\n\xC3";
            text[i] = turn % 2 ? (char)(random >> 24) : some[random >> 24 & 7];
        }
        int64_t count = lathe_bpe_encode(&bpe, text, n, tokens, 400);
        cr_assert(count >= 0 && count <= (int64_t)n);
        for (int64_t i = 0; i < count; i++) {
            const char *bytes = lathe_bpe_decode(&bpe, tokens[i], &size);
            cr_assert(bytes && m + size <= n);
            memcpy(back + m, bytes, size);
            m += size;
        }
        cr_assert(m == n && memcmp(text, back, n) == 0);
    }
}

Test(bpe, special_tokens_are_found_by_name_only)
{
    static const char end[] = "<|endoftext|>";
    int64_t tokens[16];
    size_t size;
    cr_expect_eq(lathe_bpe_find(&bpe, end, strlen(end)), 50256);
    cr_expect_gt(lathe_bpe_encode(&bpe, end, strlen(end), tokens, 16), 1);
    cr_expect(lathe_bpe_decode(&bpe, 50256, &size) && size == strlen(end));
    cr_expect_null(lathe_bpe_decode(&bpe, 50255, &size));
    cr_expect_null(lathe_bpe_decode(&bpe, -1, &size));
    cr_expect_null(lathe_bpe_decode(&bpe, INT64_MAX, &size));
}

/* Reads the file with the first `old` replaced; both of one length. */
static const char *changed(const char *old, const char *new)
{
    static lathe_bpe other;
    char *copy = malloc(file_size);
    memcpy(copy, file, file_size);
    char *at = memmem(copy, file_size, old, strlen(old));
    cr_assert(at && strlen(old) == strlen(new), "%s", old);
    memcpy(at, new, strlen(new));
    const char *wrong = lathe_bpe_read(&other, copy, file_size);
    lathe_bpe_free(&other);
    free(copy);
    return wrong ? wrong : "read";
}

Test(bpe, says_what_it_does_not_support)
{
    cr_expect_str_eq(changed("\"model\"", "\"modem\""), "no tokenizer.json: it has no model");
    cr_expect_str_eq(changed("\"BPE\"", "\"WPE\""), "the model's type is not BPE");
    cr_expect_str_eq(changed("\"normalizer\": null", "\"normalizer\": true"),
                     "a normalizer is not supported");
    cr_expect_str_eq(changed("\"ByteLevel\"", "\"MyteLevel\""),
                     "the pre_tokenizer's type is not ByteLevel");
    cr_expect_str_eq(changed("\"trim_offsets\": true", "\"use_regex\": false  "),
                     "ByteLevel without its pattern is not supported");
    cr_expect_str_eq(changed("\"unk_token\": null", "\"unk_token\": \"u\" "),
                     "the model has a dropout, an unk_token, a prefix or a suffix");
}

Test(bpe, damaged_files_are_refused_or_read)
{
    lathe_bpe other;
    for (size_t n = 0; n < file_size; n++) {
        char *copy = malloc(n + 1); /* so that reading behind it is seen */
        memcpy(copy, file, n);
        cr_assert(n + 8 > file_size || lathe_bpe_read(&other, copy, n));
        if (n + 8 <= file_size) lathe_bpe_free(&other);
        if (n) copy[n * n / 3 % n] ^= (char)(1 << n % 8);
        lathe_bpe_read(&other, copy, n);
        lathe_bpe_free(&other);
        free(copy);
    }
    char *copy = malloc(file_size);
    for (size_t i = 0; i < file_size; i++) {
        memcpy(copy, file, file_size);
        copy[i] ^= (char)(1 << i % 8);
        lathe_bpe_read(&other, copy, file_size);
        lathe_bpe_free(&other);
    }
    free(copy);
}
