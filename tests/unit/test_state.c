/* States that a session owns, on a model by hand: a row of numbers that grows, a total that each
 * run replaces, and every refusal with its text. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/hand_model.h"

static hand_model h;
static lathe_model *model;
static lathe_session *session, *other;
static bool poisoned;   /* the kernel that comes last fails */
static int64_t written; /* rows, old and new ones */

/* y[offset + i] = x[i] */
static void kernel_behind(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *x = a->buf[0];
    float *y = a->buf[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++) y[a->dim[0] + i] = x[i];
    written += end - begin;
}

static void kernel_sum(const lathe_args *a, int64_t begin, int64_t end, int worker)
{
    const float *all = a->buf[0], *total = a->buf[1];
    float *next = a->buf[2];
    (void)worker, (void)begin, (void)end;
    next[0] = total[0];
    for (int64_t i = 0; i < a->dim[0]; i++) next[0] += all[i];
    if (poisoned) *a->fault = (lathe_fault){1, LATHE_FAULT_INDEX, 7, 3};
}

/* present = past and new; total_out = total_in + the sum of present. */
static void make(bool total)
{
    hand_begin(&h);
    uint32_t past = hand_free(&h, "past", 0, 100), n = hand_free(&h, "n", 0, 100);
    uint32_t four = hand_const(&h, 4), zero = hand_const(&h, 0), one = hand_const(&h, 1);
    uint32_t all = hand_op(&h, LATHE_DIM_ADD, past, n, 0);
    uint32_t room = hand_op(&h, LATHE_DIM_CAPACITY, all, all, 0);
    uint32_t past_bytes = hand_op(&h, LATHE_DIM_MUL, past, four, 0);
    uint32_t new_bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, room, four, 0);
    uint32_t x = hand_io(&h, false, "new", LATHE_F32, n, new_bytes);
    uint32_t from = hand_io(&h, false, "past", LATHE_F32, past, past_bytes);
    uint32_t to = hand_io(&h, true, "present", LATHE_F32, all, bytes);
    uint32_t copy = hand_kernel(&h, kernel_behind);
    PUSH(&h, steps, (lathe_step){.kind = LATHE_STEP_PAST, .node = NONE});
    hand_step(&h, copy, 2, 1, LIST(&h, from, to, zero), past, NONE);
    hand_step(&h, copy, 2, 1, LIST(&h, x, to, past), n, NONE);
    PUSH(&h, states, (lathe_state){1, 0, 0, NONE, to, LATHE_F32});
    if (!total) return;
    uint32_t in = hand_io(&h, false, "total_in", LATHE_F32, one, four);
    uint32_t out = hand_io(&h, true, "total_out", LATHE_F32, one, four);
    hand_step(&h, hand_kernel(&h, kernel_sum), 3, 1, LIST(&h, to, in, out, all), one, NONE);
    PUSH(&h, states, (lathe_state){2, 1, NONE, NONE, out, LATHE_F32});
}

static void opened(const int64_t *maxima)
{
    char message[256] = "";
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    cr_assert_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_OK, "%s", message);
    cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, maxima, &other), LATHE_OK);
}

static void close_all(void)
{
    lathe_session_free(session);
    lathe_session_free(other);
    lathe_model_close(model);
    free(h.block);
}

static lathe_status feed(lathe_session *s, float first, int64_t n)
{
    float x[100];
    for (int64_t i = 0; i < n; i++) x[i] = first + (float)i;
    const lathe_tensor in[3] = {hand_tensor(LATHE_F32, x, n)};
    lathe_tensor out[2] = {{0}};
    return lathe_state_run(s, in, out);
}

#define SAYS(status, call, text)                                                                   \
    do {                                                                                           \
        cr_assert_eq(call, status);                                                                \
        cr_assert_str_eq(lathe_session_message(session), text);                                    \
    } while (0)

/* What a session holds, through the caller's form of the same model. */
static void holds(lathe_session *s, int64_t length, float total)
{
    lathe_buffer b = {0};
    cr_assert_eq(lathe_state_length(s), length);
    cr_assert_eq(lathe_state_save(s, &b), LATHE_OK);
    char *bytes = malloc(b.size);
    b.data = bytes;
    cr_assert_eq(lathe_state_save(s, &b), LATHE_OK);
    const float *rows = (const float *)(bytes + b.size) - length - (h.nstates > 1);
    for (int64_t i = 0; i < length; i++) cr_expect_eq(rows[i], (float)i);
    if (h.nstates > 1) cr_expect_eq(rows[length], total);
    free(bytes);
}

TestSuite(state, .fini = close_all);

Test(state, grows_in_place_and_takes_back)
{
    make(false);
    opened(NULL);
    cr_assert_eq(feed(session, 0, 3), LATHE_OK);
    cr_assert_eq(feed(session, 3, 90), LATHE_OK);
    holds(session, 93, 0);
    cr_assert_eq(lathe_state_rewind(session, 91), LATHE_OK);
    cr_assert_eq(feed(session, 2, 1), LATHE_OK);
    holds(session, 3, 0);
    SAYS(LATHE_BAD_DIMS, lathe_state_rewind(session, 4), "4 rows are taken back, the state has 3");
    SAYS(LATHE_BAD_DIMS, lathe_state_rewind(session, -1),
         "-1 rows are taken back, the state has 3");
    cr_assert_eq(lathe_state_reset(session), LATHE_OK);
    holds(session, 0, 0);
}

Test(state, what_is_replaced_starts_as_zeros_and_survives_a_run_that_fails)
{
    make(true);
    opened(NULL);
    cr_assert_eq(feed(session, 0, 3), LATHE_OK);
    holds(session, 3, 3);
    poisoned = true;
    cr_assert_eq(feed(session, 3, 2), LATHE_BAD_VALUE);
    poisoned = false;
    holds(session, 3, 3);
    cr_assert_eq(feed(session, 3, 1), LATHE_OK);
    holds(session, 4, 9);
    SAYS(LATHE_UNSUPPORTED, lathe_state_rewind(session, 1),
         "state 'total_in' is replaced by each run and cannot be rewound");
    holds(session, 4, 9);
}

Test(state, forks_are_copies)
{
    make(true);
    opened(NULL);
    cr_assert_eq(feed(session, 0, 3), LATHE_OK);
    cr_assert_eq(lathe_state_fork(session, other), LATHE_OK);
    cr_assert_eq(feed(session, 3, 1), LATHE_OK);
    holds(session, 4, 9);
    holds(other, 3, 3);
    cr_assert_eq(feed(other, 3, 2), LATHE_OK);
    holds(other, 5, 13);
    cr_assert_eq(lathe_state_reset(session), LATHE_OK);
    cr_assert_eq(lathe_state_fork(session, other), LATHE_OK);
    holds(other, 0, 0);
}

/* Rows of a session that only grow, as numbers. */
static int64_t rows_of(lathe_session *s, float *rows)
{
    lathe_buffer b = {0};
    cr_assert_eq(lathe_state_save(s, &b), LATHE_OK);
    b.data = malloc(b.size);
    cr_assert_eq(lathe_state_save(s, &b), LATHE_OK);
    int64_t n = lathe_state_length(s);
    memcpy(rows, (char *)b.data + b.size - (size_t)n * sizeof *rows, (size_t)n * sizeof *rows);
    free(b.data);
    return n;
}

static int shared_maps(void)
{
    char line[512];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) n += strstr(line, "memfd:lathe state") != NULL;
    if (f) fclose(f);
    return n;
}

enum { SESSIONS = 3, MOST_ROWS = 1 << 16 };
static float expected[SESSIONS][MOST_ROWS], found[MOST_ROWS];

/* Whatever sessions do that share rows, each sees its own: against arrays that are copied. */
Test(state, forks_share_memory_and_see_nothing_of_each_other)
{
    make(false);
    opened(NULL);
    lathe_session *all[SESSIONS] = {session, other, NULL};
    cr_assert_eq(lathe_session_new(model, NULL, &all[2]), LATHE_OK);
    int64_t length[SESSIONS] = {0};
    uint32_t random = 1;
    int shared = 0;
    for (int turn = 0; turn < 3000; turn++) {
        random = random * 1664525 + 1013904223;
        uint32_t what = random >> 28, which = (random >> 8) % SESSIONS,
                 to = (random >> 16) % SESSIONS;
        if (what < 12 && length[which] + 100 < MOST_ROWS) {
            int64_t n = 1 + (int64_t)(random >> 20) % 100;
            for (int64_t i = 0; i < n; i++) expected[which][length[which] + i] = (float)(turn + i);
            cr_assert_eq(feed(all[which], (float)turn, n), LATHE_OK);
            length[which] += n;
        } else if (what == 12) {
            int64_t n = length[which] ? (int64_t)(random >> 4) % length[which] / 4 : 0;
            cr_assert_eq(lathe_state_rewind(all[which], n), LATHE_OK);
            length[which] -= n;
        } else if (what == 13 && turn % 16 == 0) {
            cr_assert_eq(lathe_state_reset(all[which]), LATHE_OK);
            length[which] = 0;
        } else if (what >= 14) {
            cr_assert_eq(lathe_state_fork(all[which], all[to]), LATHE_OK);
            memmove(expected[to], expected[which], sizeof expected[to]);
            length[to] = length[which];
        }
        shared += shared_maps() > 1;
        for (int k = 0; k < SESSIONS && turn % 8 == 0; k++) {
            cr_assert_eq(rows_of(all[k], found), length[k]);
            cr_assert(memcmp(found, expected[k], (size_t)length[k] * sizeof *found) == 0,
                      "turn %d, session %d", turn, k);
        }
    }
    cr_assert_gt(shared, 100);
    lathe_session_free(all[2]);
    lathe_session_free(other);
    other = NULL;
    lathe_session_free(session);
    session = NULL;
    cr_assert_eq(shared_maps(), 0);
}

Test(state, both_forms_share_a_session)
{
    make(false);
    opened(NULL);
    float past[2] = {0, 1}, x[1] = {2};
    const lathe_tensor in[2] = {hand_tensor(LATHE_F32, x, 1), hand_tensor(LATHE_F32, past, 2)};
    lathe_tensor out[1] = {{0}};
    cr_assert_eq(feed(session, 0, 5), LATHE_OK);
    cr_assert_eq(lathe_run(session, in, out), LATHE_OK);
    cr_assert_eq(out[0].dims[0], 3);
    for (int i = 0; i < 3; i++) cr_expect_eq(((float *)out[0].data)[i], (float)i);
    holds(session, 5, 0);
}

Test(state, room_ends_at_the_maxima)
{
    make(false);
    const int64_t maxima[2] = {4, 2};
    opened(maxima);
    for (int i = 0; i < 3; i++) cr_assert_eq(feed(session, (float)(2 * i), 2), LATHE_OK);
    SAYS(LATHE_BAD_DIMS, feed(session, 6, 1),
         "the state has 6 rows, above the session's maximum 4 (past)");
    holds(session, 6, 0);
    cr_assert_eq(lathe_state_rewind(session, 2), LATHE_OK);
    SAYS(LATHE_BAD_DIMS, feed(session, 4, 3),
         "input 0 'new': dim 0 is 3, above the session's maximum 2 (n)");
    holds(session, 4, 0);
}

static int allocations;
static void *count_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    allocations++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}
static void count_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
}

Test(state, within_what_is_reserved_no_run_allocates_or_copies)
{
    make(true);
    const lathe_allocator allocator = {count_alloc, count_free, NULL};
    const lathe_open_options o = {.allocator = &allocator};
    const int64_t maxima[2] = {50, 2};
    cr_assert_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_OK);
    cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK);
    cr_assert_eq(lathe_state_reserve(session, 52), LATHE_OK);
    lathe_memory m;
    lathe_session_memory(session, &m);
    cr_assert_geq(m.states, 52 * 4);
    int before = allocations;
    written = 0;
    for (int i = 0; i < 26; i++) cr_assert_eq(feed(session, (float)(2 * i), 2), LATHE_OK);
    cr_assert_eq(allocations, before);
    cr_assert_eq(written, 52);
    SAYS(LATHE_BAD_DIMS, lathe_state_reserve(session, -1), "room for -1 rows");
}

Test(state, saved_states_are_checked)
{
    make(true);
    opened(NULL);
    cr_assert_eq(feed(session, 0, 3), LATHE_OK);
    char bytes[1024];
    lathe_buffer b = {bytes, 16};
    SAYS(LATHE_BUFFER_TOO_SMALL, lathe_state_save(session, &b), "16 bytes, 248 are needed");
    cr_assert_eq(b.size, 248);
    cr_assert_eq(lathe_state_save(session, &b), LATHE_OK);
    SAYS(LATHE_BAD_INPUT, lathe_state_load(session, bytes, 5), "this is no saved state");
    SAYS(LATHE_BAD_INPUT, lathe_state_load(session, bytes, 247),
         "the saved state is damaged or cut off");
    bytes[100] ^= 1;
    SAYS(LATHE_BAD_INPUT, lathe_state_load(session, bytes, 248),
         "the saved state is damaged or cut off");
    bytes[100] ^= 1;
    bytes[8] ^= 1;
    SAYS(LATHE_MISMATCH, lathe_state_load(session, bytes, 248),
         "the saved state is of another build of the model");
    bytes[8] ^= 1;
    bytes[0] ^= 1;
    SAYS(LATHE_BAD_INPUT, lathe_state_load(session, bytes, 248), "this is no saved state");
    bytes[0] ^= 1;
    holds(session, 3, 3);
    cr_assert_eq(lathe_state_load(other, bytes, 248), LATHE_OK);
    holds(other, 3, 3);
}

Test(state, orders_need_sequences)
{
    make(false);
    opened(NULL);
    const int64_t order[1] = {0};
    SAYS(LATHE_BAD_INPUT, lathe_state_reorder(session, NULL, 0), "no order is given");
    SAYS(LATHE_BAD_INPUT, lathe_state_reorder(session, order, 1),
         "the state holds nothing that has an order");
    cr_assert_eq(feed(session, 0, 1), LATHE_OK);
    SAYS(LATHE_UNSUPPORTED, lathe_state_reorder(session, order, 1),
         "state 'past' has no axis that is known to hold sequences");
}

Test(state, a_model_without_states_says_so)
{
    make(false);
    h.nstates = 0;
    opened(NULL);
    const int64_t order[1] = {0};
    lathe_buffer b = {0};
    const char *none = "the model has no state";
    SAYS(LATHE_UNSUPPORTED, feed(session, 0, 1), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_reset(session), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_rewind(session, 0), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_reserve(session, 1), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_fork(other, session), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_reorder(session, order, 1), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_save(session, &b), none);
    SAYS(LATHE_UNSUPPORTED, lathe_state_load(session, "", 0), none);
    cr_assert_eq(lathe_state_length(session), 0);
    cr_assert_eq(lathe_count(&h.desc, LATHE_STATES), 0);
}

Test(state, damaged_tables_are_refused)
{
    lathe_state *s = &h.states[0];
    make(false);
    const lathe_state right = *s;
    const uint32_t held = s->held, in = h.inputs[1].buffer;
    const lathe_state wrong[] = {
        {9, 0, 0, NONE, held, LATHE_F32}, {1, 9, 0, NONE, held, LATHE_F32},
        {1, 0, 1, NONE, held, LATHE_F32}, {1, 0, 0, 0, held, LATHE_F32},
        {1, 0, NONE, 1, held, LATHE_F32}, {0, 0, NONE, NONE, held, LATHE_F32},
        {1, 0, 0, NONE, 99, LATHE_F32},   {1, 0, 0, NONE, held, LATHE_F16},
        {1, 0, 0, NONE, held, 99},        {1, 0, 0, NONE, in, LATHE_F16}};
    char message[256];
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    make(false);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *s = wrong[i];
        cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_MISMATCH, "%zu", i);
        cr_expect_str_eq(message, "the model's state 0 is damaged");
    }
    *s = right;
    hand_finish(&h);
    h.desc.states = NULL;
    cr_expect_eq(lathe_model_open(&h.desc, &o, &model), LATHE_MISMATCH);
    lathe_state_place place;
    cr_expect_eq(lathe_state_info(&h.desc, 1, &place), LATHE_NOT_FOUND);
    cr_assert_eq(lathe_state_info(&h.desc, 0, &place), LATHE_OK);
    cr_expect(place.input == 1 && place.output == 0 && place.axis == 0 && place.batch == -1);
}
