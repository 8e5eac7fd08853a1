/* What an app brings along or asks for from outside of a run: memory for a session, a log, weights
 * in memory or mapped ahead, cancelling from another thread. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "runtime/hash.h"
#include "tests/unit/hand_model.h"

enum { MOST = 1000 };
static hand_model h;
static lathe_model *model;
static lathe_session *session;

/* y = x + 1 + 1: the first result needs memory of the session. */
static void make_chain(lathe_kernel first)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "sequence", 1, 100000), four = hand_const(&h, 4);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_F32, n, bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes);
    uint32_t t = hand_buf(&h, LATHE_BUF_ARENA, 0, bytes, 0, 1);
    hand_step(&h, hand_kernel(&h, first), 2, 0, LIST(&h, x, t), n, four);
    hand_step(&h, hand_kernel(&h, kernel_add_one), 2, 0, LIST(&h, t, y), n, four);
}

static lathe_status open_with(lathe_open_options o, char *message, size_t size)
{
    o.message = message;
    o.message_size = size;
    return lathe_model_open(hand_finish(&h), &o, &model);
}

static void opened(lathe_open_options o)
{
    char message[256] = "";
    cr_assert_eq(open_with(o, message, sizeof message), LATHE_OK, "%s", message);
}

static void close_all(void)
{
    lathe_session_free(session);
    lathe_model_close(model);
    free(h.block);
}

TestSuite(app, .fini = close_all);

/* ---- a log ---- */

typedef struct record {
    int count;
    lathe_status status;
    char text[512];
} record;

static void keep(void *ctx, lathe_status status, const char *text)
{
    record *r = ctx;
    r->count++;
    r->status = status;
    snprintf(r->text, sizeof r->text, "%s", text);
}

static void logged(const record *r, int count, lathe_status status, const char *text)
{
    cr_expect_eq(r->count, count);
    cr_expect_eq(r->status, status);
    cr_expect_str_eq(r->text, text);
}

Test(app, a_log_receives_each_failure_once)
{
    record r = {0};
    const lathe_log log = {keep, &r};
    float x[8] = {0};
    int64_t none = 0, four = 4;
    char message[256];
    make_chain(kernel_add_one);
    cr_assert_eq(
        open_with((lathe_open_options){.log = &log, .build_id = 7}, message, sizeof message),
        LATHE_MISMATCH);
    logged(&r, 1, LATHE_MISMATCH, "the header is of another build than the model");
    cr_expect_str_eq(message, r.text);
    opened((lathe_open_options){.log = &log});
    cr_assert_eq(lathe_session_new(model, &none, &session), LATHE_BAD_DIMS);
    logged(&r, 2, LATHE_BAD_DIMS, "maximum of 'sequence' is 0, expected at least 1");
    cr_assert_eq(lathe_session_new(model, &four, &session), LATHE_OK);
    cr_assert_eq(lathe_session_reserve(session, &none), LATHE_BAD_DIMS);
    cr_expect_eq(r.count, 3);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 8), out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    logged(&r, 4, LATHE_BAD_DIMS, lathe_session_message(session));
    in = hand_tensor(LATHE_F32, x, 4);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_expect_eq(r.count, 4, "nothing is said of what succeeds");
}

Test(app, another_interface_version_is_refused)
{
    lathe_rt_api other = lathe_rt_api_v1;
    make_chain(kernel_add_one);
    hand_finish(&h);
    other.abi_version++;
    h.desc.rt = &other;
    cr_expect_eq(lathe_model_open(&h.desc, NULL, &model), LATHE_MISMATCH);
}

/* ---- memory for a session ---- */

typedef struct balance {
    long live, calls;
} balance;

static void *own_alloc(void *ctx, size_t size, size_t align)
{
    balance *b = ctx;
    b->live++;
    b->calls++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void own_free(void *ctx, void *ptr, size_t size)
{
    (void)size;
    ((balance *)ctx)->live--;
    free(ptr);
}

static void expect_chain(int64_t n)
{
    static float x[MOST];
    for (int64_t i = 0; i < n; i++) x[i] = (float)i;
    lathe_tensor in = hand_tensor(LATHE_F32, x, n), out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    for (int64_t i = 0; i < n; i++) cr_assert_eq(((float *)out.data)[i], (float)i + 2);
}

static bool inside(const void *p, const lathe_buffer *b)
{
    return (const char *)p >= (char *)b->data && (const char *)p < (char *)b->data + b->size;
}

Test(app, a_session_lives_in_the_given_memory)
{
    balance b = {0};
    const lathe_allocator allocator = {own_alloc, own_free, &b};
    int64_t max = MOST;
    make_chain(kernel_add_one);
    h.head.scratch_slot = 1;
    opened((lathe_open_options){.allocator = &allocator});
    long before = b.live;
    lathe_buffer ask = {0};
    cr_assert_eq(lathe_session_new_in(model, &max, &ask, &session), LATHE_OK);
    cr_expect_null(session);
    cr_expect_gt(ask.size, 2 * MOST * sizeof(float), "both results and the session");
    char *block = aligned_alloc(64, ask.size + 128);
    memset(block, 0x5A, ask.size + 128);
    lathe_buffer memory = {block, ask.size};
    cr_assert_eq(lathe_session_new_in(model, &max, &memory, &session), LATHE_OK);
    cr_expect_eq(memory.size, ask.size);
    cr_expect(inside(session, &memory));
    cr_expect_eq(b.live, before, "nothing stays in the allocator");
    long calls = b.calls;
    for (int64_t n = 1; n <= max; n += 111) expect_chain(n);
    cr_expect_eq(b.calls, calls, "a run allocates nothing");
    for (size_t i = ask.size; i < ask.size + 128; i++) cr_assert_eq(block[i], 0x5A);
    lathe_session_free(session);
    session = NULL;
    memset(block, 0, ask.size);
    free(block);
    cr_expect_eq(b.live, before);
}

Test(app, too_small_a_block_is_told_its_size)
{
    record r = {0};
    const lathe_log log = {keep, &r};
    int64_t max = MOST, less = MOST / 2;
    char expected[128];
    make_chain(kernel_add_one);
    opened((lathe_open_options){.log = &log});
    lathe_buffer ask = {0};
    cr_assert_eq(lathe_session_new_in(model, &max, &ask, &session), LATHE_OK);
    char *block = aligned_alloc(64, ask.size + 64);
    lathe_buffer memory = {block, ask.size - 1};
    cr_expect_eq(lathe_session_new_in(model, &max, &memory, &session), LATHE_BUFFER_TOO_SMALL);
    snprintf(expected, sizeof expected, "the session needs %zu bytes, %zu are given", ask.size,
             ask.size - 1);
    logged(&r, 1, LATHE_BUFFER_TOO_SMALL, expected);
    cr_expect_eq(memory.size, ask.size);
    memory.data = block + 8;
    cr_expect_eq(lathe_session_new_in(model, &max, &memory, &session), LATHE_BAD_INPUT);
    logged(&r, 2, LATHE_BAD_INPUT, "the session's memory is not aligned to 64 bytes");
    memory.data = block;
    cr_expect_eq(lathe_session_new_in(model, NULL, &memory, &session), LATHE_BAD_INPUT);
    logged(&r, 3, LATHE_BAD_INPUT, "maxima is NULL");
    cr_expect_eq(lathe_session_new_in(model, &max, NULL, &session), LATHE_BAD_INPUT);
    cr_assert_eq(lathe_session_new_in(model, &less, &memory, &session), LATHE_OK);
    cr_expect_lt(memory.size, ask.size, "of a larger block only a part is taken");
    lathe_session_free(session);
    session = NULL;
    free(block);
}

Test(app, reserving_stays_in_the_block)
{
    int64_t max = 100, more = MOST;
    make_chain(kernel_add_one);
    opened((lathe_open_options){0});
    lathe_buffer ask = {0};
    cr_assert_eq(lathe_session_new_in(model, &max, &ask, &session), LATHE_OK);
    lathe_buffer memory = {aligned_alloc(64, ask.size), ask.size};
    cr_assert_eq(lathe_session_new_in(model, &max, &memory, &session), LATHE_OK);
    cr_expect_eq(lathe_session_reserve(session, &more), LATHE_BUFFER_TOO_SMALL);
    cr_expect_str_eq(lathe_session_message(session),
                     "the plan needs 8064 bytes, the session's memory has 896 left for it");
    expect_chain(100);
    max = 112;
    cr_expect_eq(lathe_session_reserve(session, &max), LATHE_OK, "the blocks of 64 hold 112");
    expect_chain(112);
    lathe_session_free(session);
    session = NULL;
    free(memory.data);
}

/* ---- weights ---- */

static void make_weights(const float *data, size_t size)
{
    make_chain(kernel_add_one);
    h.head.build_id = 42;
    h.head.weights_size = size;
    h.head.weights_hash = rt_hash(data, size);
}

Test(app, weights_come_from_memory)
{
    static _Alignas(64) char file[LATHE_WEIGHTS_DATA + 128 + 64];
    float data[32] = {1, 2, 3};
    char message[256] = "";
    make_weights(data, sizeof data);
    const lathe_weights_header head = {LATHE_MAGIC, LATHE_ABI_VERSION, 42, sizeof data,
                                       h.head.weights_hash};
    memcpy(file, &head, sizeof head);
    memcpy(file + LATHE_WEIGHTS_DATA, data, sizeof data);
    lathe_open_options o = {.weights = file,
                            .weights_size = LATHE_WEIGHTS_DATA + sizeof data,
                            .flags = LATHE_OPEN_VERIFY | LATHE_OPEN_PREFAULT};
    opened(o);
    int64_t max = MOST;
    cr_assert_eq(lathe_session_new(model, &max, &session), LATHE_OK);
    expect_chain(10);
    lathe_session_free(session);
    session = NULL;
    lathe_model_close(model);
    o.weights_size--;
    cr_expect_eq(open_with(o, message, sizeof message), LATHE_MISMATCH);
    cr_expect_str_eq(message, "weights in memory: 4223 bytes, expected 4224");
    memmove(file + 4, file, LATHE_WEIGHTS_DATA + sizeof data);
    o.weights = file + 4;
    cr_expect_eq(open_with(o, message, sizeof message), LATHE_BAD_INPUT);
    cr_expect_str_eq(message, "weights in memory: not aligned to 64 bytes");
}

/* ---- cancelling ---- */

static _Atomic int chunks_run, chunks_waiting;
static atomic_bool cancel_called;

/* Each chunk waits until the run has been cancelled. */
static void kernel_wait(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    (void)a, (void)begin, (void)end, (void)worker;
    atomic_fetch_add(&chunks_run, 1);
    atomic_fetch_add(&chunks_waiting, 1);
    while (!atomic_load(&cancel_called)) sched_yield();
}

static void *canceller(void *arg)
{
    while (atomic_load(&chunks_waiting) < *(int *)arg) sched_yield();
    lathe_session_cancel(session);
    atomic_store(&cancel_called, true);
    return NULL;
}

/* The bound: no chunk begins after the call; what the workers are at, they finish. */
static void cancel_with(int workers)
{
    static float x[64000];
    pthread_t other;
    lathe_threads *threads = NULL;
    int64_t max = 64000;
    make_chain(kernel_wait);
    h.steps[0].work = hand_const(&h, 1 << 16);
    cr_assert_eq(lathe_rt_api_v1.threads_new(workers, &threads), LATHE_OK);
    opened((lathe_open_options){.threads = threads});
    cr_assert_eq(lathe_session_new(model, &max, &session), LATHE_OK);
    chunks_run = chunks_waiting = 0;
    cancel_called = false;
    cr_assert_eq(pthread_create(&other, NULL, canceller, &workers), 0);
    lathe_tensor in = hand_tensor(LATHE_F32, x, max), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_CANCELLED);
    pthread_join(other, NULL);
    cr_expect_str_eq(lathe_session_message(session), "the run was cancelled");
    cr_expect_eq(chunks_run, workers, "%d chunks on %d workers", (int)chunks_run, workers);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK, "the next run is not concerned");
    lathe_session_free(session);
    lathe_model_close(model);
    lathe_rt_api_v1.threads_free(threads);
    session = NULL;
    model = NULL;
}

Test(app, another_thread_cancels_between_chunks)
{
    for (int workers = 1; workers <= 3; workers++) cancel_with(workers);
}

/* ---- operators of the app ---- */

typedef struct seen {
    int calls;
    size_t in_size, out_size;
    char alpha[32];
    const char *missing;
    lathe_status answer;
} seen;

static lathe_status negate(const lathe_custom_call *c)
{
    seen *s = c->ctx;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    s->calls++;
    s->in_size = c->in[0].size;
    s->out_size = c->out[0].size;
    s->missing = lathe_attribute(c, "alph");
    const char *alpha = lathe_attribute(c, "alpha");
    snprintf(s->alpha, sizeof s->alpha, "%.*s", (int)strcspn(alpha, "\n"), alpha);
    if (s->answer) snprintf(c->message, c->message_size, "no answer today");
    for (int64_t i = 0; i < c->in[0].dims[0]; i++) y[i] = -x[i];
    return s->answer;
}

/* y = negate(x) */
static void make_custom(void)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "sequence", 1, MOST), four = hand_const(&h, 4);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_F32, n, bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes), dims = LIST(&h, n);
    uint32_t vx = PUSH(&h, values, (lathe_value){x, LATHE_F32, 1, dims});
    uint32_t vy = PUSH(&h, values, (lathe_value){y, LATHE_F32, 1, dims});
    uint32_t call =
        PUSH(&h, calls,
             (lathe_call_info){.nin = 1,
                               .nout = 1,
                               .custom = hand_string(&h, "negate"),
                               .attributes = hand_string(&h, "alphabet=x\nalpha=1 2\n")});
    PUSH(&h, steps,
         (lathe_step){.kind = LATHE_STEP_CALL,
                      .a = call,
                      .nbufs = 2,
                      .args = LIST(&h, vx, vy),
                      .range = NONE,
                      .work = NONE});
}

Test(app, a_custom_function_is_called)
{
    seen s = {0};
    float x[8] = {1, 2, 3}, y[8];
    int64_t max = 8;
    make_custom();
    const lathe_custom functions[] = {{"other", negate, NULL}, {"negate", negate, &s}};
    opened((lathe_open_options){.custom = functions, .ncustom = 2});
    cr_assert_eq(lathe_session_new(model, &max, &session), LATHE_OK);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 3), out = {.data = y, .size = sizeof y};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    for (int i = 0; i < 3; i++) cr_expect_eq(y[i], -x[i]);
    cr_expect_eq(s.calls, 1);
    cr_expect_eq(s.in_size, 12, "the tensor's bytes, not the buffer's");
    cr_expect_eq(s.out_size, 12);
    cr_expect_str_eq(s.alpha, "1 2");
    cr_expect_null(s.missing);
    s.answer = LATHE_BAD_VALUE;
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_BAD_VALUE);
    cr_expect_str_eq(lathe_session_message(session), "node 'layer.0' (Gather): no answer today");
}

Test(app, a_missing_custom_function_is_named)
{
    char message[256] = "";
    const lathe_custom other[] = {{"negat", negate, NULL}, {"negate", NULL, NULL}};
    const lathe_custom unnamed[] = {{NULL, negate, NULL}};
    make_custom();
    cr_expect_eq(open_with((lathe_open_options){0}, message, sizeof message), LATHE_NOT_FOUND);
    cr_expect_str_eq(message, "the model calls a function 'negate' of the app, which is not among "
                              "the custom functions given");
    cr_expect_eq(
        open_with((lathe_open_options){.custom = other, .ncustom = 2}, message, sizeof message),
        LATHE_NOT_FOUND);
    cr_expect_eq(
        open_with((lathe_open_options){.custom = unnamed, .ncustom = 1}, message, sizeof message),
        LATHE_BAD_INPUT);
    cr_expect_str_eq(message, "custom: function 0 has no name");
}
