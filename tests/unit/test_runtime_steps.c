/* The runtime's steps: faults, data-dependent sizes, calls, branches, loops, cancelling. */
#include "tests/unit/hand_session.h"

TestSuite(steps, .fini = close_all);

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
