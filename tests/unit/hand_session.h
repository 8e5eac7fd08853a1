/* A hand-made model that a test opens, and its session; one of each at a time. */
#ifndef LATHE_TESTS_HAND_SESSION_H
#define LATHE_TESTS_HAND_SESSION_H

#include <criterion/criterion.h>

#include "runtime/rt.h"
#include "tests/unit/hand_model.h"

static hand_model h;
static lathe_model *model;
static lathe_session *session;

static inline void open_with(const int64_t *maxima, unsigned flags)
{
    char message[256] = "";
    lathe_open_options o = {.flags = flags, .message = message, .message_size = sizeof message};
    cr_assert_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_OK, "%s", message);
    cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK);
}

static inline void close_all(void)
{
    lathe_session_free(session);
    lathe_model_close(model);
    free(h.block);
}

static inline uint32_t push(lathe_step step) { return PUSH(&h, steps, step); }

/* x -> chain of `length` intermediate buffers -> y: two are alive at a time. */
static inline void make_chain(uint32_t length)
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

#endif
