/* What the robustness tools share: attempts in child processes under limits, and runs of a compiled
 * model whose tensors, weights and working memory end at pages that cannot be touched. */
#ifndef LATHE_TESTS_TRIAL_H
#define LATHE_TESTS_TRIAL_H

#include <stdbool.h>

#include "driver/library.h"
#include "driver/tensor_file.h"
#include "tests/tools/guard.h"

/* Verdicts of an attempt, the child's exit code; any other is a sanitizer's. */
enum { TRIAL_FINE = 0, TRIAL_SILENT = 90, TRIAL_INTERNAL, TRIAL_LEAK, TRIAL_REFUSED, TRIAL_OTHER };

/* Runs attempt(ctx) in a child. NULL if it returned TRIAL_FINE, else what went wrong; the text
 * lives until the next trial. A child that uses more than seconds of processor time hangs. */
const char *trial_in_child(int (*attempt)(void *ctx), void *ctx, unsigned seconds);
/* Whether the newest child returned TRIAL_REFUSED: there was nothing to try. */
bool trial_refused(void);

/* In the child: what is being tried, and what is known of it; shown with the verdict. */
void trial_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How far an attempt came, and how many of all children came how far. A child without a say of its
 * own is at the start. */
typedef enum {
    TRIAL_AT_START,
    TRIAL_AT_CHECK,
    TRIAL_AT_COMPILE,
    TRIAL_AT_OPEN,
    TRIAL_AT_SIZE,
    TRIAL_AT_RUN,
    TRIAL_AT_END,
    TRIAL_STAGES
} trial_stage;
void trial_reached(trial_stage);
trial_stage trial_how_far(void); /* of the newest child */
long trial_counted(trial_stage);

/* TRIAL_LEAK if memory was lost since the program began; only a leak sanitizer can tell. */
int trial_leaks(void);

/* What elements of a type are aligned to. */
size_t trial_align(lathe_elem);

/* A model's library, opened. */
typedef struct trial_model {
    library lib;
    lathe_model *model;
    lathe_session *session; /* NULL: the model was refused, with a message */
    int nin, nout;
    lathe_tensor *in, *out; /* inputs: for the caller to fill */
    void *weights;
    size_t weights_size;
} trial_model;

/* TRIAL_FINE also where the model cannot be opened. */
int trial_open(trial_model *, const char *path);
void trial_close(trial_model *);
/* Types and dims of the inputs as declared, with small sizes for the open ones, and zeroed guarded
 * data. TRIAL_OTHER if an input needs more memory than a test may take. */
int trial_inputs(trial_model *);
/* Data for an input whose type and dims are set; NULL strings are made empty ones. */
bool trial_allocate(lathe_tensor *);
/* A run, and if it succeeds one more into guarded outputs. A run that takes long is cancelled. */
int trial_run(trial_model *);

#endif
