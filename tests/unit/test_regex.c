/* Patterns: what is refused, by name and place, and that no pattern takes long. That what is taken
 * matches as it should is shown by the case tests/cases/regex. */
#include <criterion/criterion.h>
#include <string.h>

#include "frontend/regex.h"
#include "frontend/strings.h"
#include "runtime/strings.h"

static ir_arena arena;
static jmp_buf jump;
static fe_regex r;

static bool compile(const char *pattern, size_t size)
{
    ir_arena_init(&arena, &jump);
    if (setjmp(jump)) cr_assert_fail("out of memory");
    return fe_regex_compile(&arena, (const uint8_t *)pattern, size, &r);
}

static void refused(const char *pattern, bool unsupported, const char *why, size_t at)
{
    cr_assert_not(compile(pattern, strlen(pattern)), "'%s' is taken", pattern);
    cr_expect_str_eq(r.why, why, "'%s' has %s", pattern, r.why);
    cr_expect_eq(r.at, at, "'%s': at %zu", pattern, r.at);
    cr_expect_eq(r.unsupported, unsupported);
    ir_arena_destroy(&arena);
}

Test(regex, what_is_no_pattern_is_named)
{
    refused("a(b", false, "a ( without its )", 1);
    refused("ab)", false, "a ) without its (", 2);
    refused("x[a-", false, "a [ without its ]", 1);
    refused("[b-a]", false, "a range that ends before it begins", 1);
    refused("*a", false, "a repetition of nothing", 0);
    refused("a|+", false, "a repetition of nothing", 2);
    refused("a**", false, "a repetition of a repetition", 2);
    refused("a{1001}", false, "a repetition that RE2 refuses", 1);
    refused("a{3,2}", false, "a repetition that RE2 refuses", 1);
    refused("a\\", false, "a backslash at its end", 1);
    refused("\\y", false, "an unknown escape", 0);
    refused("\\xg", false, "a bad \\x", 0);
    refused("\\x{110000}", false, "a bad \\x", 0);
    refused("(a)\\1", false, "a back-reference, which RE2 has not", 3);
    refused("(?=a)", false, "a look-around, which RE2 has not", 0);
    refused("(?<!a)", false, "a look-around, which RE2 has not", 0);
    refused("(?P<>a)", false, "a bad name of a group", 0);
    refused("(?q)", false, "an unknown (? group", 0);
    refused("[[:alfa:]]", false, "an unknown [:class:]", 1);
    refused("[[:alpha]", false, "a bad [:class:]", 1);
    refused("a\xff", false, "bytes that are not UTF-8", 1);
    refused("\xed\xa0\x80", false, "bytes that are not UTF-8", 0);
}

Test(regex, what_re2_has_and_we_have_not_is_named)
{
    refused("\\pL", true, "a Unicode class \\p", 0);
    refused("\\C", true, "\\C, a byte", 0);
    refused("(?i)\xc3\xa9", true, "(?i) with letters that are not ASCII's", 6);
    refused("((a{1000}){1000}){1000}", true, "too many parts, repeated ones counted", 0);
    refused("(((){1000}){1000}){1000}", true, "too many parts, repeated ones counted", 0);
}

Test(regex, groups_may_be_nested_so_deeply)
{
    enum { DEPTH = 1001 };
    char deep[2 * DEPTH + 1] = "";
    memset(deep, '(', DEPTH);
    memset(deep + DEPTH, ')', DEPTH);
    refused(deep, false, "groups nested too deeply", DEPTH - 1);
    cr_assert(compile(deep + 1, 2 * DEPTH - 2));
    ir_arena_destroy(&arena);
}

/* ---- the matcher ---- */

static void *take(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static bool matches(const char *pattern, size_t pattern_size, lathe_string s)
{
    const lathe_allocator allocator = {.alloc = take};
    lathe_pages pages = {.allocator = &allocator};
    bool out = false;
    char message[256];
    cr_assert(compile(pattern, pattern_size));
    lathe_tensor in[] = {{.data = &s, .size = sizeof s, .elem = LATHE_STRING},
                         {.data = r.program, .dims = {(int64_t)r.n, 3}, .rank = 2},
                         {.data = r.ranges, .dims = {(int64_t)r.nranges, 2}, .rank = 2}},
                 result = {.data = &out, .size = 1, .elem = LATHE_BOOL};
    lathe_call call = {
        .in = in, .out = &result, .nin = 3, .nout = 1, .message = message, .pages = &pages};
    cr_assert_eq(lathe_rt_regex(&call), LATHE_OK);
    free(pages.first);
    ir_arena_destroy(&arena);
    return out;
}

Test(regex, time_is_linear, .timeout = 20)
{
    enum { LONG = 20000 };
    static char text[LONG];
    memset(text, 'a', sizeof text);
    const char *pattern = "(a*)*(a|aa)*(a*a*)*b";
    cr_expect_not(matches(pattern, strlen(pattern), (lathe_string){text, sizeof text}));
    text[LONG - 1] = 'b';
    cr_expect(matches(pattern, strlen(pattern), (lathe_string){text, sizeof text}));
}

Test(regex, bytes_that_are_no_text)
{
    cr_expect(matches("a\0b", 3, (lathe_string){"a\0b", 3}));
    cr_expect_not(matches("a", 1, (lathe_string){"a\0", 2}));
    cr_expect(matches(".", 1, (lathe_string){"\0", 1}));
    cr_expect_not(matches(".*", 2, (lathe_string){"\xff", 1}),
                  "RE2 takes no byte that is not UTF-8");
    cr_expect_not(matches("[^a]", 4, (lathe_string){"\xc0\x80", 2}));
    cr_expect(matches("", 0, (lathe_string){NULL, 0}));
}

/* ---- letters ---- */

Test(strings, letters_change_by_the_table_and_bad_bytes_are_named)
{
    const lathe_allocator allocator = {.alloc = take};
    lathe_pages pages = {.allocator = &allocator};
    char message[256] = "";
    const int64_t lower = 1;
    lathe_string in[] = {{"\xc5\xb8\xc4\xb0z", 5}, {"A\xff", 2}}, out[2];
    lathe_tensor x = {.data = in, .dims = {1}, .rank = 1, .elem = LATHE_STRING},
                 y = {.data = out, .dims = {1}, .rank = 1, .elem = LATHE_STRING};
    lathe_call call = {.in = &x, .out = &y, .ints = &lower, .message = message, .pages = &pages};
    cr_assert_eq(lathe_rt_string_case(&call), LATHE_OK);
    cr_assert_eq(out[0].size, 5);
    cr_expect_eq(memcmp(out[0].data, "\xc3\xbf\xc4\xb0z", 5), 0);
    x.dims[0] = y.dims[0] = 2;
    cr_expect_eq(lathe_rt_string_case(&call), LATHE_BAD_VALUE);
    cr_expect_str_eq(message, "a string is not UTF-8 (byte 1)");
    free(pages.first);
}
