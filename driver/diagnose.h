/* Messages of the command, to stderr: text, coloured on a terminal, or JSON. */
#ifndef LATHE_DRIVER_DIAGNOSE_H
#define LATHE_DRIVER_DIAGNOSE_H

#include <stddef.h>
#include <stdio.h>
#include "lathe_experimental.h"

/* Once, before the first message: one JSON object a line, or text, in colour where stderr is a
 * terminal that shows colour and NO_COLOR is not set. */
void diagnose_as(bool json);
void print_message(const lathe_message *);
void print_diag(const lathe_diag *);

/* "lathe: ..." about the command line or the system; the status' exit code. */
int fail(lathe_status, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail_hint(lathe_status, const char *text, const char *hint);
/* The same about how the command was called: EXIT_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* With the hint "did you mean 'NAME'?" if one of the names is near the word. */
int fail_unknown(lathe_status, const char *text, const char *word, const char *const *names,
                 size_t n);
/* "error: FILE: ..." */
int fail_file(lathe_status, const char *file, const char *text);
/* What lathe_session_message said of a run of this model: its node or tensor become fields. */
int fail_run(lathe_status, const char *file, const char *message);

#endif
