/* Criterion's names without Criterion, for ThreadSanitizer: Criterion runs each test in a process
 * whose memory ThreadSanitizer does not let it place. Tests run in order, in this process. */
#ifndef LATHE_TESTS_PLAIN_TEST_H
#define LATHE_TESTS_PLAIN_TEST_H

#include <stdio.h>

enum { PLAIN_MOST = 64 };
static struct {
    const char *name;
    void (*run)(void);
} plain_tests[PLAIN_MOST];
static int plain_count, plain_failures;

#define Test(suite, test)                                                                          \
    static void plain_##test(void);                                                                \
    __attribute__((constructor)) static void plain_add_##test(void)                                \
    {                                                                                              \
        plain_tests[plain_count].name = #test;                                                     \
        plain_tests[plain_count++].run = plain_##test;                                             \
    }                                                                                              \
    static void plain_##test(void)

#define plain_check(condition)                                                                     \
    do {                                                                                           \
        if (condition) break;                                                                      \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
        __atomic_add_fetch(&plain_failures, 1, __ATOMIC_RELAXED);                                  \
    } while (0)
#define cr_assert_eq(a, b, ...) plain_check((a) == (b))
#define cr_assert_neq(a, b, ...) plain_check((a) != (b))
#define cr_expect_eq(a, b, ...) plain_check((a) == (b))

int main(void)
{
    for (int i = 0; i < plain_count; i++) plain_tests[i].run();
    printf("%d tests, %d failures\n", plain_count, plain_failures);
    return plain_failures != 0;
}

#endif
