/* The generator of random operators: its numbers are those of the published algorithm as NumPy's
 * RandomState gives them, and a session's stream goes on from run to run. */
#include <criterion/criterion.h>
#include <math.h>

#include "runtime/ops.h"
#include "tests/unit/hand_session.h"

TestSuite(random);

enum { COUNT = 700 }; /* more than the generator makes at a time */

static void draw(double *out, int normal, bool seeded, int64_t seed, lathe_random *stream)
{
    const int64_t ints[] = {normal, seeded, seed};
    const double floats[] = {1, 0};
    lathe_tensor t = {
        .data = out, .size = COUNT * 8, .dims = {COUNT}, .rank = 1, .elem = LATHE_F64};
    lathe_call call = {.out = &t, .ints = ints, .floats = floats, .nout = 1, .random = stream};
    cr_assert_eq(lathe_rt_random(&call), LATHE_OK);
}

Test(random, numbers_of_a_seed_are_the_published_ones)
{
    double x[COUNT];
    draw(x, 0, true, 0, NULL);
    cr_expect_eq(x[0], 0.5488135039273248);
    cr_expect_eq(x[1], 0.7151893663724195);
    cr_expect_eq(x[9], 0.3834415188257777);
    draw(x, 1, true, 0, NULL);
    cr_expect_lt(fabs(x[0] - 1.764052345967664), 1e-15);
    cr_expect_lt(fabs(x[1] - 0.4001572083672233), 1e-15);
    cr_expect_lt(fabs(x[4] - 1.8675579901499675), 1e-15);
}

Test(random, uniform_numbers_fill_the_interval)
{
    double x[COUNT], sum = 0;
    draw(x, 0, true, 17, NULL);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(x[i] >= 0 && x[i] < 1);
        sum += x[i];
    }
    cr_expect_lt(fabs(sum / COUNT - 0.5), 0.05);
}

Test(random, seeds_of_more_than_32_bits_differ_in_all_of_them)
{
    double x[COUNT], y[COUNT];
    draw(x, 0, true, 1, NULL);
    draw(y, 0, true, 1 + (INT64_C(1) << 32), NULL);
    cr_expect_neq(x[0], y[0]);
    draw(x, 0, true, -1, NULL);
    cr_expect_neq(x[0], y[0]);
}

Test(random, a_stream_goes_on_and_starts_again)
{
    double x[COUNT], y[COUNT], again[COUNT];
    lathe_random stream = {0};
    draw(x, 0, false, 0, &stream);
    draw(y, 0, false, 0, &stream);
    cr_expect_eq(stream.draws, 2);
    cr_expect_neq(x[0], y[0]);
    stream.draws = 0;
    draw(again, 0, false, 0, &stream);
    cr_expect_arr_eq(x, again, sizeof x);
    stream = (lathe_random){.seed = 1};
    draw(again, 0, false, 0, &stream);
    cr_expect_neq(x[0], again[0]);
}

/* ---- sessions ---- */

static double seen[3];

static lathe_status call_draw(lathe_call *c)
{
    seen[0] = (double)c->random->seed;
    seen[1] = (double)c->random->draws++;
    return LATHE_OK;
}

Test(random, a_session_keeps_its_stream, .fini = close_all)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 8), x = hand_io(&h, false, "x", LATHE_U8, n, n);
    uint32_t y = hand_io(&h, true, "y", LATHE_U8, n, n);
    uint32_t vx = PUSH(&h, values, (lathe_value){x, LATHE_U8, 1, LIST(&h, n)});
    uint32_t vy = PUSH(&h, values, (lathe_value){y, LATHE_U8, 1, LIST(&h, n)});
    uint32_t call = PUSH(&h, calls, (lathe_call_info){.nin = 1, .nout = 1});
    h.funcs[h.n_funcs++] = call_draw;
    push((lathe_step){.kind = LATHE_STEP_CALL, .a = call, .nbufs = 2, .args = LIST(&h, vx, vy)});
    open_with(NULL, 0);
    uint8_t bytes[2] = {0}, results[2];
    lathe_tensor in = hand_tensor(LATHE_U8, bytes, 2), out = hand_tensor(LATHE_U8, results, 2);
    for (int run = 0; run < 2; run++) {
        cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
        cr_expect_eq(seen[0], 0);
        cr_expect_eq(seen[1], run);
    }
    cr_assert_eq(lathe_session_seed(session, 7), LATHE_OK);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(seen[0], 7);
    cr_expect_eq(seen[1], 0);
}
