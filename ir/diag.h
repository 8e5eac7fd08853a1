/* Diagnostics: a list of messages that one compilation collects. All of them are kept (up to a
 * cap), not only the first. Owned by the caller of the library; survives the arena. */
#ifndef LATHE_IR_DIAG_H
#define LATHE_IR_DIAG_H

#include <stdarg.h>
#include "lathe_experimental.h"

/* Where a message points; any field may be NULL. Strings are copied. */
typedef struct diag_place {
    const char *file, *node, *op, *tensor;
    int version; /* of op's operator set; 0: none */
} diag_place;

/* Adds one message and returns `status`, so that `return diag_add(...)` reads well.
 * NULL diag: only the status. Running out of memory loses the text, never the status. */
lathe_status diag_add(lathe_diag *, lathe_status, const diag_place *, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* What is not as it must be, its two sides kept apart as well: "WHAT FOUND, expected EXPECTED". */
lathe_status diag_mismatch(lathe_diag *, lathe_status, const diag_place *, const char *what,
                           const char *found, const char *expected);
/* A hint appended to the newest message. */
void diag_hint(lathe_diag *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The hint "did you mean 'NAME'?", if one of the names is near the word. */
void diag_suggest(lathe_diag *, const char *word, const char *const *names, size_t n);
/* Takes back the messages after the first n, and errors after so many: those of an attempt. */
void diag_rewind(lathe_diag *, size_t n, size_t errors);
void diag_warn(lathe_diag *, const diag_place *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct ir_arena;
/* Says why the arena jumped. */
lathe_status diag_stopped(lathe_diag *, const struct ir_arena *);

#define TRY(call)                                                                                  \
    do {                                                                                           \
        lathe_status try_status_ = (call);                                                         \
        if (try_status_ != LATHE_OK) return try_status_;                                           \
    } while (0)

#endif
