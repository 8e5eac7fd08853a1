/* bench --trace: when each step of a run began and ended, and what each thread did. */
#ifndef LATHE_DRIVER_TRACE_H
#define LATHE_DRIVER_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#include "lathe_rt.h"

typedef struct trace trace;
/* inner: threads that the model is to run on, or NULL. NULL: no memory. */
trace *trace_new(const lathe_threads *inner);
void trace_free(trace *);
/* What the model is opened with in place of `inner`; NULL if that is. Costs a test a chunk while
 * nothing is traced. */
const lathe_threads *trace_threads(const trace *);
/* From begin to end all steps and chunks are recorded. */
lathe_status trace_begin(trace *, lathe_session *);
/* false: memory was lacking, the trace is void. */
bool trace_end(trace *, lathe_session *);
/* As Chrome's about:tracing and Perfetto read it: complete events in microseconds; row 0 is the
 * thread that runs the session, with its steps, row 1 + w worker w with its chunks. */
void trace_write(const trace *, const lathe_session *, FILE *);

#endif
