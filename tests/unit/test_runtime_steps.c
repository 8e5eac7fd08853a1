/* The runtime's steps: plans, faults, data-dependent sizes, calls, branches, loops, cancelling. */
#include <criterion/criterion.h>

#include "runtime/rt.h"
#include "tests/unit/hand_model.h"

static hand_model h;
static lathe_model *model;
static lathe_session *session;

static void open_with(const int64_t *maxima, unsigned flags)
{
    char message[256] = "";
    lathe_open_options o = {.flags = flags, .message = message, .message_size = sizeof message};
    cr_assert_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_OK, "%s", message);
    cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK);
}

static void close_all(void)
{
    lathe_session_free(session);
    lathe_model_close(model);
    free(h.block);
}

TestSuite(steps, .fini = close_all);

static uint32_t push(lathe_step step) { return PUSH(&h, steps, step); }

/* ---- the plan ---- */

/* x -> chain of `length` intermediate buffers -> y: two are alive at a time. */
static void make_chain(uint32_t length)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 1 << 20), four = hand_const(&h, 4);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_F32, n, bytes), k = hand_kernel(&h, kernel_add_one);
    uint32_t at = x;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t next = hand_buf(&h, LATHE_BUF_ARENA, 0, bytes, i, i + 1);
        hand_step(&h, k, 2, 0, LIST(&h, at, next), n, four);
        at = next;
    }
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes);
    hand_step(&h, k, 2, 0, LIST(&h, at, y), n, four);
}

Test(steps, a_chain_needs_two_buffers)
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

/* Buffers of many sizes and lives: those alive together must not overlap. */
Test(steps, buffers_alive_together_do_not_overlap)
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

Test(steps, a_size_that_falls_is_planned_at_its_largest)
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
Test(steps, a_quotient_is_not_planned_at_its_interval)
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
Test(steps, a_size_that_peaks_inside_grows)
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

Test(steps, grown_sessions_keep_working)
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

Test(steps, intervals_hold_every_value)
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

Test(steps, division_rounds_down)
{
    int64_t q, r;
    cr_expect(rt_dim_apply(LATHE_DIM_FLOORDIV, -7, 2, &q) && q == -4);
    cr_expect(rt_dim_apply(LATHE_DIM_MOD, -7, 2, &r) && r == 1);
    cr_expect(rt_dim_apply(LATHE_DIM_MOD, 7, -2, &r) && r == -1);
    cr_expect_not(rt_dim_apply(LATHE_DIM_FLOORDIV, 1, 0, &q));
    cr_expect_not(rt_dim_apply(LATHE_DIM_FLOORDIV, INT64_MIN, -1, &q));
    cr_expect_not(rt_dim_apply(LATHE_DIM_ADD, INT64_MAX, 1, &q));
}

/* ---- faults ---- */

/* y[i] = table[x[i]] with 5 entries. */
static void kernel_gather(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const int64_t *x = a->buf[0];
    int64_t *y = a->buf[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        if (x[i] >= 0 && x[i] < 5) {
            y[i] = 10 * x[i];
            continue;
        }
        uint32_t none = 0;
        if (!__atomic_compare_exchange_n(&a->fault->node, &none, a->node, false, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED))
            return;
        a->fault->kind = LATHE_FAULT_INDEX;
        a->fault->value = x[i];
        a->fault->limit = 5;
    }
}

Test(steps, a_fault_names_node_index_and_bound)
{
    int64_t x[3] = {1, 51, 2}, y[3];
    hand_begin(&h);
    uint32_t n = hand_free(&h, "n", 0, 100), eight = hand_const(&h, 8);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, eight, 0);
    uint32_t from = hand_io(&h, false, "x", LATHE_I64, n, bytes);
    uint32_t to = hand_io(&h, true, "y", LATHE_I64, n, bytes);
    hand_step(&h, hand_kernel(&h, kernel_gather), 2, 0, LIST(&h, from, to), n, NONE);
    open_with(NULL, 0);
    lathe_tensor in = hand_tensor(LATHE_I64, x, 3), out = hand_tensor(LATHE_I64, y, 3);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_VALUE);
    cr_expect_str_eq(lathe_session_message(session),
                     "node 'layer.0' (Gather): index 51 is out of range for a size of 5");
    x[1] = 4;
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(y[1], 40);
}

/* ---- sizes that are data ---- */

/* x[n] i64 -> its nonzero elements y[m], by a call that sets m. */
static lathe_status call_nonzero(lathe_call *c)
{
    const int64_t *x = c->in[0].data;
    int64_t *y = c->out[0].data, m = 0;
    for (int64_t i = 0; i < c->in[0].dims[0]; i++) {
        if (x[i] == c->ints[0]) {
            strcpy(c->message, "a forbidden element");
            return LATHE_BAD_VALUE;
        }
        if (!x[i]) continue;
        if ((size_t)(m + 1) * 8 > c->out[0].size) return LATHE_INTERNAL;
        y[m++] = x[i];
    }
    c->out[0].dims[0] = c->syms[0] = m;
    return LATHE_OK;
}

/* bounded: m <= n. grows: the call's result has a buffer of its own that grows. */
static void make_nonzero(bool bounded, bool grows)
{
    hand_begin(&h);
    h.head.n_segments = 2;
    uint32_t n = hand_free(&h, "n", 0, 1 << 20), eight = hand_const(&h, 8);
    uint32_t in_bytes = hand_op(&h, LATHE_DIM_MUL, n, eight, 0);
    uint32_t sym =
        PUSH(&h, syms, (lathe_sym){hand_string(&h, "m"), bounded ? n : NONE, 0, INT64_MAX});
    uint32_t m = hand_op(&h, LATHE_DIM_SYM, sym, 0, 1);
    uint32_t out_bytes = hand_op(&h, LATHE_DIM_MUL, m, eight, 1);
    uint32_t x = hand_io(&h, false, "x", LATHE_I64, n, in_bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_I64, m, out_bytes);
    if (grows) {
        y = hand_buf(&h, LATHE_BUF_GROWING, 0, out_bytes, 0, 0);
        h.outputs[0].buffer = y;
        h.bufs[y - 1].kind = LATHE_BUF_GROWING;
    }
    uint32_t vx = PUSH(&h, values, (lathe_value){x, LATHE_I64, 1, LIST(&h, n)});
    uint32_t vy = PUSH(&h, values, (lathe_value){y, LATHE_I64, 1, LIST(&h, m)});
    uint32_t ints = PUSH(&h, i64s, -99);
    uint32_t call =
        PUSH(&h, calls,
             (lathe_call_info){
                 .nin = 1, .nout = 1, .ints = ints, .nints = 1, .syms = LIST(&h, sym), .nsyms = 1});
    h.funcs[h.n_funcs++] = call_nonzero;
    push((lathe_step){.kind = LATHE_STEP_CALL, .a = call, .nbufs = 2, .args = LIST(&h, vx, vy)});
    push((lathe_step){.kind = LATHE_STEP_SEGMENT, .a = 1});
}

static void check_nonzero(void)
{
    int64_t x[6] = {3, 0, 0, 5, 0, 7}, y[6], two[2];
    lathe_tensor in = hand_tensor(LATHE_I64, x, 6), out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    cr_expect_eq(out.dims[0], 3);
    cr_expect_eq(out.size, 24);
    cr_expect_eq(((int64_t *)out.data)[2], 7);
    out = hand_tensor(LATHE_I64, y, 6);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(y[1], 5);
    out = hand_tensor(LATHE_I64, y, 3);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK,
                 "smaller than the bound but large enough");
    cr_expect_eq(y[0], 3);
    out = hand_tensor(LATHE_I64, two, 2);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BUFFER_TOO_SMALL);
    x[0] = -99;
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_VALUE);
    cr_expect_str_eq(lathe_session_message(session),
                     "node 'layer.0' (Gather): a forbidden element");
}

Test(steps, a_data_symbol_is_planned_at_its_bound)
{
    lathe_memory memory;
    int64_t max = 6;
    make_nonzero(true, false);
    open_with(&max, LATHE_OPEN_POISON);
    lathe_session_memory(session, &memory);
    cr_expect_eq(memory.kind, LATHE_MEMORY_BOUND);
    check_nonzero();
}

Test(steps, a_result_may_grow)
{
    lathe_memory memory;
    make_nonzero(true, true);
    open_with(NULL, LATHE_OPEN_POISON);
    check_nonzero();
    lathe_session_memory(session, &memory);
    cr_expect_eq(memory.kind, LATHE_MEMORY_UNBOUNDED);
}

Test(steps, a_result_without_any_bound_is_refused)
{
    int64_t x[1] = {1};
    make_nonzero(false, true);
    open_with(NULL, 0);
    lathe_tensor in = hand_tensor(LATHE_I64, x, 1), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_LIMIT);
}

/* BIND reads a size from a tensor; SET copies a slot to a symbol. */
Test(steps, bind_and_set_give_symbols_values)
{
    hand_begin(&h);
    h.head.n_segments = 3;
    uint32_t one = hand_const(&h, 1), eight = hand_const(&h, 8), three = hand_const(&h, 3);
    uint32_t a = PUSH(&h, syms, (lathe_sym){hand_string(&h, "count"), NONE, 0, 50});
    uint32_t b = PUSH(&h, syms, (lathe_sym){hand_string(&h, "tripled"), NONE, 0, 150});
    uint32_t sa = hand_op(&h, LATHE_DIM_SYM, a, 0, 1),
             times = hand_op(&h, LATHE_DIM_MUL, sa, three, 1);
    uint32_t sb = hand_op(&h, LATHE_DIM_SYM, b, 0, 2);
    uint32_t x = hand_io(&h, false, "x", LATHE_I64, one, eight);
    hand_io(&h, true, "y", LATHE_U8, sb, sb);
    push((lathe_step){.kind = LATHE_STEP_BIND, .a = a, .ndims = 1, .args = LIST(&h, x)});
    push((lathe_step){.kind = LATHE_STEP_SEGMENT, .a = 1});
    push((lathe_step){.kind = LATHE_STEP_SET, .a = b, .ndims = 1, .args = LIST(&h, times)});
    push((lathe_step){.kind = LATHE_STEP_SEGMENT, .a = 2});
    open_with(NULL, 0);
    int64_t value = 14;
    lathe_tensor in = hand_tensor(LATHE_I64, &value, 1), out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    cr_expect_eq(out.dims[0], 42);
    value = 51;
    out = (lathe_tensor){0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_VALUE);
    cr_expect_str_eq(lathe_session_message(session),
                     "node 'layer.0' (Gather): count is 51, must be in [0, 50]");
}

/* ---- branches ---- */

static void kernel_seven(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    (void)begin, (void)end, (void)worker;
    *(int64_t *)a->buf[0] = a->dim[0];
}

Test(steps, if_takes_one_branch)
{
    hand_begin(&h);
    uint32_t one = hand_const(&h, 1), eight = hand_const(&h, 8), seven = hand_const(&h, 7);
    uint32_t c = hand_io(&h, false, "c", LATHE_BOOL, one, one);
    uint32_t y = hand_io(&h, true, "y", LATHE_I64, one, eight), k = hand_kernel(&h, kernel_seven);
    push((lathe_step){.kind = LATHE_STEP_IF, .args = LIST(&h, c), .a = 1, .b = 2});
    hand_step(&h, k, 1, 1, LIST(&h, y, seven), NONE, NONE);
    hand_step(&h, k, 1, 1, LIST(&h, y, seven), NONE, NONE);
    hand_step(&h, k, 1, 1, LIST(&h, y, eight), NONE, NONE);
    push((lathe_step){
        .kind = LATHE_STEP_GUARD, .args = LIST(&h, c), .a = hand_string(&h, "c must hold")});
    open_with(NULL, 0);
    bool condition = true;
    int64_t result;
    lathe_tensor in = hand_tensor(LATHE_BOOL, &condition, 1),
                 out = hand_tensor(LATHE_I64, &result, 1);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(result, 7);
    condition = false;
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_VALUE);
    cr_expect_eq(result, 8);
    cr_expect_str_eq(lathe_session_message(session), "node 'layer.0' (Gather): c must hold");
}

/* ---- loops ---- */

/* result = param + iter; the carried tensor grows by that element each turn; cond: result < 100. */
static void kernel_turn(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const int64_t *param = a->buf[0], *iter = a->buf[1];
    int64_t *result = a->buf[2], *scan = a->buf[3], length = a->dim[0];
    (void)begin, (void)end, (void)worker;
    memcpy(result, param, (size_t)length * 8);
    result[length] = (length ? param[length - 1] : 0) + *iter;
    *scan = *iter * *iter;
    *(bool *)a->buf[4] = result[length] < 100;
}

static void make_loop(void)
{
    hand_begin(&h);
    h.head.n_segments = 3;
    uint32_t one = hand_const(&h, 1), eight = hand_const(&h, 8), zero = hand_const(&h, 0);
    uint32_t length = PUSH(&h, syms, (lathe_sym){hand_string(&h, "length"), NONE, 0, INT64_MAX});
    uint32_t turns = PUSH(&h, syms, (lathe_sym){hand_string(&h, "turns"), NONE, 0, INT64_MAX});
    uint32_t now = hand_op(&h, LATHE_DIM_SYM, length, 0, 1),
             next = hand_op(&h, LATHE_DIM_ADD, now, one, 1);
    uint32_t param_bytes = hand_op(&h, LATHE_DIM_MUL, now, eight, 1);
    uint32_t result_bytes = hand_op(&h, LATHE_DIM_MUL, next, eight, 1);
    uint32_t last = hand_op(&h, LATHE_DIM_SYM, length, 0, 2),
             last_bytes = hand_op(&h, LATHE_DIM_MUL, last, eight, 2);
    uint32_t count = hand_op(&h, LATHE_DIM_SYM, turns, 0, 2),
             count_bytes = hand_op(&h, LATHE_DIM_MUL, count, eight, 2);
    uint32_t trip = hand_io(&h, false, "trip", LATHE_I64, one, eight);
    uint32_t cond = hand_io(&h, false, "cond", LATHE_BOOL, one, one);
    uint32_t init = hand_buf(&h, LATHE_BUF_ARENA, 0, zero, 0, 9);
    uint32_t param = hand_buf(&h, LATHE_BUF_GROWING, 0, param_bytes, 0, 9);
    uint32_t result = hand_buf(&h, LATHE_BUF_GROWING, 0, result_bytes, 0, 9);
    uint32_t iter = hand_buf(&h, LATHE_BUF_ARENA, 0, eight, 0, 9);
    uint32_t scan = hand_buf(&h, LATHE_BUF_ARENA, 0, eight, 0, 9);
    uint32_t go_on = hand_buf(&h, LATHE_BUF_ARENA, 0, one, 0, 9);
    uint32_t scans = hand_buf(&h, LATHE_BUF_GROWING, 0, count_bytes, 0, 9);
    PUSH(&h, outputs, (lathe_io){hand_string(&h, "final"), LATHE_I64, 1, LIST(&h, last), param});
    PUSH(&h, outputs, (lathe_io){hand_string(&h, "scanned"), LATHE_I64, 1, LIST(&h, count), scans});
    uint32_t loop = PUSH(&h, loops,
                         (lathe_loop){.trip = trip,
                                      .cond = cond,
                                      .iter = iter,
                                      .cond_param = NONE,
                                      .cond_result = go_on,
                                      .turns = turns,
                                      .carried = LIST(&h, init, param, result, zero, result_bytes),
                                      .ncarried = 1,
                                      .syms = LIST(&h, length, zero, next),
                                      .nsyms = 1,
                                      .scans = LIST(&h, scan, scans, eight),
                                      .nscans = 1,
                                      .segment = 1});
    push((lathe_step){.kind = LATHE_STEP_LOOP, .a = loop, .b = 1});
    hand_step(&h, hand_kernel(&h, kernel_turn), 5, 1,
              LIST(&h, param, iter, result, scan, go_on, now), NONE, NONE);
    push((lathe_step){.kind = LATHE_STEP_SEGMENT, .a = 2});
    (void)last_bytes;
}

static lathe_status run_loop(int64_t trip, bool cond, lathe_tensor out[2])
{
    lathe_tensor in[2] = {hand_tensor(LATHE_I64, &trip, 1), hand_tensor(LATHE_BOOL, &cond, 1)};
    memset(out, 0, 2 * sizeof *out);
    return lathe_run(session, in, out);
}

Test(steps, a_loop_carries_scans_and_stops)
{
    lathe_tensor out[2];
    make_loop();
    open_with(NULL, LATHE_OPEN_POISON);
    for (int again = 0; again < 2; again++) {
        cr_assert_eq(run_loop(6, true, out), LATHE_OK, "%s", lathe_session_message(session));
        cr_assert_eq(out[0].dims[0], 6);
        cr_assert_eq(out[1].dims[0], 6);
        cr_expect_eq(((int64_t *)out[0].data)[5], 15);
        cr_expect_eq(((int64_t *)out[0].data)[3], 6);
        cr_expect_eq(((int64_t *)out[1].data)[5], 25);
        cr_assert_eq(run_loop(INT64_MAX, true, out), LATHE_OK);
        cr_assert_eq(out[0].dims[0], 15, "0 + 1 + ... + 14 = 105 ends it");
        cr_expect_eq(((int64_t *)out[0].data)[14], 105);
        cr_assert_eq(run_loop(9, false, out), LATHE_OK);
        cr_expect_eq(out[1].dims[0], 0);
        cr_assert_eq(run_loop(0, true, out), LATHE_OK);
        cr_expect_eq(out[0].dims[0], 0);
    }
}

Test(steps, refuses_damaged_loops)
{
    lathe_model *m;
    make_loop();
    h.loops[0].turns = 2;
    cr_expect_eq(lathe_model_open(hand_finish(&h), NULL, &m), LATHE_MISMATCH);
    make_loop();
    h.steps[0].b = 3;
    cr_expect_eq(lathe_model_open(hand_finish(&h), NULL, &m), LATHE_MISMATCH);
    make_loop();
    h.u32s[h.loops[0].carried + 1] = h.loops[0].trip;
    cr_expect_eq(lathe_model_open(hand_finish(&h), NULL, &m), LATHE_MISMATCH,
                 "an input is not written");
    make_loop();
    h.loops[0].nscans = 1000;
    cr_expect_eq(lathe_model_open(hand_finish(&h), NULL, &m), LATHE_MISMATCH);
}

/* ---- cancelling ---- */

static void kernel_cancel(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    (void)a, (void)begin, (void)end, (void)worker;
    lathe_session_cancel(session);
}

Test(steps, cancelling_ends_the_run_at_the_next_step)
{
    float x[2] = {0};
    make_chain(1);
    hand_step(&h, hand_kernel(&h, kernel_cancel), 0, 0, 0, NONE, NONE);
    open_with(NULL, 0);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 2), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_CANCELLED,
                 "the last step too: its chunks may have been left out");
    lathe_step swap = h.steps[0];
    h.steps[0] = h.steps[2];
    h.steps[2] = swap;
    lathe_session_free(session);
    lathe_model_close(model);
    open_with(NULL, 0);
    out = (lathe_tensor){0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_CANCELLED);
}

/* ---- damage ---- */

static void *small_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return size > 1 << 26 ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void small_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
}

/* Whatever the tables say, opening ends in a model or an error; meant for the sanitizers. */
Test(steps, opening_survives_any_damage)
{
    const lathe_allocator small = {small_alloc, small_free, NULL};
    const lathe_open_options options = {.allocator = &small};
    unsigned seed = 5;
    int opened = 0;
    make_loop();
    const lathe_desc *desc = hand_finish(&h);
    uint32_t *words = (uint32_t *)(void *)h.block, nwords = h.head.size / 4;
    for (int round = 0; round < 30000; round++) {
        uint32_t at[2], keep[2];
        for (int i = 0; i < 2; i++) {
            seed = seed * 1664525 + 1013904223;
            at[i] = (seed >> 8) % nwords;
            keep[i] = words[at[i]];
            words[at[i]] = round % 3 ? (seed >> 4) % 40 : seed;
        }
        if (words[2] == h.head.size) {
            lathe_model *m;
            lathe_tensor_info info;
            for (int i = 0; i < 3; i++) lathe_info(desc, LATHE_INPUTS, i, &info);
            if (lathe_model_open(desc, &options, &m) == LATHE_OK) {
                lathe_session *s;
                opened++;
                if (lathe_session_new(m, NULL, &s) == LATHE_OK) lathe_session_free(s);
                lathe_model_close(m);
            }
        }
        for (int i = 1; i >= 0; i--) words[at[i]] = keep[i];
    }
    cr_expect_gt(opened, 100);
}
