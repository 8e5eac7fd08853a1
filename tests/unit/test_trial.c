/* Attempts in child processes: what the robustness tools rely on to notice a failure. Each way in
 * which an attempt can go wrong is told from the others and from success. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/tools/trial.h"

static int well(void *ctx)
{
    trial_note("%s", "well");
    trial_reached(TRIAL_AT_END);
    return *(int *)ctx;
}

static int reach_outside(void *ctx)
{
    (void)ctx;
    volatile char *data = guard_alloc(64, 1);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it */
    trial_note("reading");
    trial_reached(TRIAL_AT_RUN);
    return data[64];
}

static int turn_for_ever(void *ctx)
{
    (void)ctx;
    trial_note("turning");
    for (volatile int on = 1; on;) continue;
    return TRIAL_FINE;
}

static void must_say(int (*attempt)(void *), int code, const char *what)
{
    const char *said = trial_in_child(attempt, &code, 1);
    if (what) cr_assert_str_eq(said ? said : "nothing", what);
    else cr_assert_null(said);
}

Test(trial, verdicts)
{
    must_say(well, TRIAL_FINE, NULL);
    must_say(well, TRIAL_SILENT, "a failure without a message (well)");
    must_say(well, TRIAL_INTERNAL, "an internal error (well)");
    must_say(well, TRIAL_LEAK, "a leak (well)");
    must_say(well, TRIAL_OTHER, "no trial (well)");
    must_say(well, 1, "a sanitizer's report (well)");
    cr_assert_not(trial_refused());
    must_say(well, TRIAL_REFUSED, "refused (well)");
    cr_assert(trial_refused());
    must_say(reach_outside, 0, "Segmentation fault (reading)");
    must_say(turn_for_ever, 0, "a hang (turning)");
}

Test(trial, stages)
{
    cr_assert_eq(trial_counted(TRIAL_AT_END), 0);
    must_say(well, TRIAL_FINE, NULL);
    cr_assert_eq(trial_how_far(), TRIAL_AT_END);
    must_say(reach_outside, 0, "Segmentation fault (reading)");
    cr_assert_eq(trial_how_far(), TRIAL_AT_RUN);
    must_say(turn_for_ever, 0, "a hang (turning)");
    cr_assert_eq(trial_how_far(), TRIAL_AT_START);
    cr_assert_eq(trial_counted(TRIAL_AT_END), 1);
    cr_assert_eq(trial_counted(TRIAL_AT_RUN), 1);
    cr_assert_eq(trial_counted(TRIAL_AT_START), 1);
}
