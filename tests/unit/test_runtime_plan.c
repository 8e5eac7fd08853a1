/* The memory plan of a session: lifetimes, maxima, and what sizes within intervals need. */
#include "tests/unit/hand_session.h"

TestSuite(plan, .fini = close_all);

Test(plan, a_chain_needs_two_buffers)
{
    float x[100] = {1}, y[100];
    int64_t max = 160;
    lathe_memory memory;
    make_chain(20);
    open_with(&max, LATHE_OPEN_POISON);
    cr_assert_eq(lathe_session_memory(session, &memory), LATHE_OK);
    cr_expect_eq(memory.kind, LATHE_MEMORY_EXACT);
    cr_expect_eq(memory.arena, 3 * 640, "two of the chain and the output's own");
    cr_expect_eq(memory.lower_bound, memory.arena);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 100), out = hand_tensor(LATHE_F32, y, 100);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_float_eq(y[0], 22, 0);
    cr_expect_float_eq(y[99], 21, 0);
}

/* ---- watching ---- */

typedef struct watched {
    uint32_t steps, open, most_open;
    lathe_step_info last;
} watched;

static void on_begin(void *ctx, const lathe_step_info *info)
{
    watched *w = ctx;
    w->last = *info;
    w->steps++;
    if (++w->open > w->most_open) w->most_open = w->open;
}

static void on_end(void *ctx) { ((watched *)ctx)->open--; }

Test(plan, a_watcher_is_told_of_each_step)
{
    float x[100] = {1}, y[100];
    int64_t max = 160;
    watched w = {0};
    make_chain(20);
    h.steps[20].work = h.steps[20].range;
    h.steps[20].a = 1 + h.steps[20].range;
    open_with(&max, 0);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 100), out = hand_tensor(LATHE_F32, y, 100);
    const lathe_watch watch = {on_begin, on_end, &w}, half = {.begin = on_begin};
    cr_expect_eq(lathe_session_watch(session, &half), LATHE_BAD_INPUT);
    cr_assert_eq(lathe_session_watch(session, &watch), LATHE_OK);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(w.steps, 21);
    cr_expect_eq(w.most_open, 1);
    cr_expect_eq(w.open, 0);
    cr_expect_eq(w.last.step, 20);
    cr_expect_eq(w.last.kernel, 0);
    cr_expect_eq(w.last.multiply_adds, 100);
    cr_expect_eq(w.last.bytes, 800, "operand and result of 100 floats");
    cr_expect_str_eq(w.last.kind, "kernel");
    cr_expect_str_eq(w.last.node, "layer.0");
    cr_expect_str_eq(w.last.op, "Gather");
    cr_assert_eq(lathe_session_watch(session, NULL), LATHE_OK);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(w.steps, 21);
}

/* Buffers of many sizes and lives: those alive together must not overlap. */
Test(plan, buffers_alive_together_do_not_overlap)
{
    enum { N = 24 };
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 1, 100), x = hand_io(&h, false, "x", LATHE_U8, n, n);
    unsigned seed = 7;
    for (uint32_t i = 0; i < N; i++) {
        seed = seed * 1103515245 + 12345;
        uint32_t factor = hand_const(&h, 1 + (seed >> 16) % 300);
        uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, factor, 0), first = (seed >> 8) % 20;
        hand_buf(&h, LATHE_BUF_ARENA, 0, bytes, first, first + (seed >> 20) % 9);
    }
    (void)x;
    for (int i = 0; i < 30; i++) push((lathe_step){.kind = LATHE_STEP_SEGMENT, .node = 0});
    int64_t max = 100;
    open_with(&max, 0);
    for (uint32_t i = 1; i <= N; i++) {
        for (uint32_t k = i + 1; k <= N; k++) {
            const lathe_buf *a = &h.bufs[i], *b = &h.bufs[k];
            if (a->last < b->first || b->last < a->first) continue;
            const rt_store *s = &session->stores[i], *t = &session->stores[k];
            cr_expect(s->home + s->home_capacity <= t->home ||
                      t->home + t->home_capacity <= s->home);
        }
    }
    cr_expect_geq(session->memory.arena, session->memory.lower_bound);
    cr_expect_leq(session->memory.arena, session->memory.lower_bound * 5 / 4);
}

Test(plan, a_size_that_falls_is_planned_at_its_largest)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 1000), hundred = hand_const(&h, 100),
             minus = hand_const(&h, -1);
    uint32_t zero = hand_const(&h, 0), negated = hand_op(&h, LATHE_DIM_MUL, n, minus, 0);
    uint32_t rest = hand_op(&h, LATHE_DIM_ADD, hundred, negated, 0);
    uint32_t size = hand_op(&h, LATHE_DIM_MAX, rest, zero, 0);
    hand_io(&h, false, "x", LATHE_U8, n, n);
    hand_buf(&h, LATHE_BUF_ARENA, 0, size, 0, 0);
    push((lathe_step){.kind = LATHE_STEP_SEGMENT, .node = 0});
    int64_t max = 90;
    open_with(&max, 0);
    cr_expect_eq(session->stores[1].home_capacity, 100);
    char x[90];
    for (int64_t i = 0; i <= max; i += 30) {
        lathe_tensor in = hand_tensor(LATHE_U8, x, i);
        cr_expect_eq(lathe_run(session, &in, NULL), LATHE_OK, "%s", lathe_session_message(session));
    }
}

/* 8*batch*n / (4*batch) is 2*n, which intervals do not see. */
Test(plan, a_quotient_is_not_planned_at_its_interval)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 1 << 20), batch = hand_free(&h, "batch", 0, 1 << 20);
    uint32_t four = hand_const(&h, 4), all = hand_op(&h, LATHE_DIM_MUL, n, batch, 0);
    uint32_t times = hand_op(&h, LATHE_DIM_MUL, all, hand_const(&h, 8), 0);
    uint32_t by = hand_op(&h, LATHE_DIM_MUL, batch, four, 0);
    uint32_t size = hand_op(&h, LATHE_DIM_FLOORDIV, times, by, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_U8, n, n);
    hand_io(&h, false, "y", LATHE_U8, batch, batch);
    hand_buf(&h, LATHE_BUF_ARENA, 0, size, 0, 0);
    push((lathe_step){.kind = LATHE_STEP_COPY, .args = LIST(&h, x, 2), .range = n});
    int64_t max[] = {10000, 1000};
    open_with(max, LATHE_OPEN_POISON);
    cr_expect_eq(session->stores[2].home_capacity, 20000);
    static char data[10000];
    lathe_tensor in[2] = {hand_tensor(LATHE_U8, data, 10000), hand_tensor(LATHE_U8, data, 1000)};
    cr_expect_eq(lathe_run(session, in, NULL), LATHE_OK, "%s", lathe_session_message(session));
    in[1].dims[0] = 0;
    cr_expect_eq(lathe_run(session, in, NULL), LATHE_BAD_DIMS);
}

/* n * (100 - n) is largest inside of the maxima; what is planned for a corner grows. */
Test(plan, a_size_that_peaks_inside_grows)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 1000), many = hand_const(&h, 1000),
             minus = hand_const(&h, -1);
    uint32_t rest = hand_op(&h, LATHE_DIM_ADD, many, hand_op(&h, LATHE_DIM_MUL, n, minus, 0), 0);
    uint32_t size = hand_op(&h, LATHE_DIM_MUL, n, rest, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_U8, n, n);
    hand_buf(&h, LATHE_BUF_ARENA, 0, size, 0, 0);
    push((lathe_step){.kind = LATHE_STEP_COPY, .args = LIST(&h, x, 1), .range = n});
    int64_t max = 1000;
    open_with(&max, LATHE_OPEN_POISON);
    static char data[1000];
    for (int64_t i = 0; i <= max; i += 100) {
        lathe_tensor in = hand_tensor(LATHE_U8, data, i);
        cr_expect_eq(lathe_run(session, &in, NULL), LATHE_OK, "%s", lathe_session_message(session));
        cr_expect_geq(session->stores[1].capacity, (uint64_t)(i * (1000 - i)));
    }
    cr_expect_eq(lathe_session_reserve(session, &max), LATHE_OK);
}

Test(plan, grown_sessions_keep_working)
{
    static float x[4000], y[4000];
    make_chain(3);
    open_with(NULL, 0);
    for (int64_t n = 1; n < 4000; n = n * 3 / 2 + 1) {
        x[n - 1] = (float)n;
        lathe_tensor in = hand_tensor(LATHE_F32, x, n), out = hand_tensor(LATHE_F32, y, n);
        cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
        cr_expect_float_eq(y[n - 1], (float)n + 4, 0);
    }
}

/* ---- intervals ---- */

Test(plan, intervals_hold_every_value)
{
    int64_t picks[] = {-7, -1, 0, 1, 2, 5, 9};
    enum { N = sizeof picks / sizeof picks[0] };
    hand_begin(&h);
    for (uint32_t i = 0; i < 2; i++) {
        PUSH(&h, syms, (lathe_sym){0, NONE, INT64_MIN, INT64_MAX});
        hand_op(&h, LATHE_DIM_SYM, i, 0, 0);
    }
    for (uint32_t op = LATHE_DIM_ADD; op <= LATHE_DIM_LT; op++) hand_op(&h, op, 0, 1, 0);
    rt_view v;
    rt_text text;
    cr_assert_eq(rt_view_make(hand_finish(&h), &v, &text), LATHE_OK);
    for (int c = 0; c < N * N * N * N; c++) {
        int64_t e[4] = {picks[c % N], picks[c / N % N], picks[c / N / N % N], picks[c / N / N / N]};
        rt_range syms[2] = {{e[0], e[1]}, {e[2], e[3]}}, slots[10];
        if (e[0] > e[1] || e[2] > e[3]) continue;
        rt_ranges(&v, syms, slots);
        for (int64_t a = e[0]; a <= e[1]; a++)
            for (int64_t b = e[2]; b <= e[3]; b++)
                for (uint32_t op = LATHE_DIM_ADD; op <= LATHE_DIM_LT; op++) {
                    int64_t r;
                    if (!rt_dim_apply(op, a, b, &r)) continue;
                    cr_assert(r >= slots[op].lo && r <= slots[op].hi, "op %u of %d and %d", op,
                              (int)a, (int)b);
                }
    }
}

Test(plan, division_rounds_down)
{
    int64_t q, r;
    cr_expect(rt_dim_apply(LATHE_DIM_FLOORDIV, -7, 2, &q) && q == -4);
    cr_expect(rt_dim_apply(LATHE_DIM_MOD, -7, 2, &r) && r == 1);
    cr_expect(rt_dim_apply(LATHE_DIM_MOD, 7, -2, &r) && r == -1);
    cr_expect_not(rt_dim_apply(LATHE_DIM_FLOORDIV, 1, 0, &q));
    cr_expect_not(rt_dim_apply(LATHE_DIM_FLOORDIV, INT64_MIN, -1, &q));
    cr_expect_not(rt_dim_apply(LATHE_DIM_ADD, INT64_MAX, 1, &q));
}
