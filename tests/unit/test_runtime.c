/* The runtime's interface over hand-made descriptors: sizes, guards, outputs, weights, refusals. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/hash.h"
#include "tests/unit/hand_model.h"

static hand_model h;

/* y = x + 1 for a vector of n floats. */
static void make_add_one(void)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "sequence", 1, 1000), four = hand_const(&h, 4);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t x = hand_io(&h, false, "x", LATHE_F32, n, bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes);
    hand_step(&h, hand_kernel(&h, kernel_add_one), 2, 0, LIST(&h, x, y), n, four);
}

/* y = a + b; both inputs are called n long. */
static void make_add(void)
{
    hand_begin(&h);
    uint32_t n = hand_free(&h, "sequence", 0, 1000), four = hand_const(&h, 4);
    uint32_t bytes = hand_op(&h, LATHE_DIM_MUL, n, four, 0);
    uint32_t a = hand_io(&h, false, "input_ids", LATHE_F32, n, bytes);
    uint32_t b = hand_io(&h, false, "attention_mask", LATHE_F32, n, bytes);
    uint32_t y = hand_io(&h, true, "y", LATHE_F32, n, bytes);
    hand_step(&h, hand_kernel(&h, kernel_add), 3, 0, LIST(&h, a, b, y), n, four);
}

static lathe_model *model;
static lathe_session *session;

static void open_with(const int64_t *maxima, const lathe_open_options *o)
{
    char message[256] = "";
    lathe_open_options options = o ? *o : (lathe_open_options){0};
    options.message = message;
    options.message_size = sizeof message;
    cr_assert_eq(lathe_model_open(hand_finish(&h), &options, &model), LATHE_OK, "%s", message);
    cr_assert_eq(lathe_session_new(model, maxima, &session), LATHE_OK);
}

static void close_all(void)
{
    lathe_session_free(session);
    lathe_model_close(model);
    free(h.block);
    session = NULL;
    model = NULL;
}

TestSuite(runtime, .fini = close_all);

static void expect_message(const char *text)
{
    cr_expect_str_eq(lathe_session_message(session), text);
}

/* ---- queries ---- */

Test(runtime, describes_a_model)
{
    make_add_one();
    const lathe_desc *d = hand_finish(&h);
    lathe_tensor_info info;
    cr_assert_eq(lathe_count(d, LATHE_INPUTS), 1);
    cr_assert_eq(lathe_count(d, LATHE_OUTPUTS), 1);
    cr_assert_eq(lathe_count(d, LATHE_SYMBOLS), 1);
    cr_assert_str_eq(lathe_symbol(d, 0), "sequence");
    cr_assert_null(lathe_symbol(d, 1));
    cr_assert_eq(lathe_info(d, LATHE_INPUTS, 0, &info), LATHE_OK);
    cr_assert_str_eq(info.name, "x");
    cr_assert_eq(info.rank, 1);
    cr_assert_eq(info.dims[0], -1);
    cr_assert_str_eq(info.dim_names[0], "sequence");
    cr_assert_eq(lathe_info(d, LATHE_OUTPUTS, 1, &info), LATHE_NOT_FOUND);
    cr_assert_eq(lathe_info(d, 7, 0, &info), LATHE_BAD_INPUT);
}

/* ---- running ---- */

Test(runtime, runs_and_describes_the_output)
{
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    make_add_one();
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 4), out = hand_tensor(LATHE_F32, y, 4);
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    cr_assert_eq(out.data, y);
    cr_assert_eq(out.dims[0], 4);
    cr_assert_eq(out.elem, LATHE_F32);
    cr_assert_float_eq(y[3], 5, 0);
}

Test(runtime, gives_its_own_memory_when_data_is_null)
{
    float x[3] = {1, 2, 3};
    int64_t max = 8;
    make_add_one();
    open_with(&max, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 3), out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    cr_assert_eq(out.size, 12);
    cr_assert_float_eq(((float *)out.data)[2], 4, 0);
    cr_assert_eq((uintptr_t)out.data % 64, 0);
}

Test(runtime, an_empty_run_touches_nothing)
{
    make_add();
    open_with(NULL, NULL);
    lathe_tensor in[2] = {hand_tensor(LATHE_F32, NULL, 0), hand_tensor(LATHE_F32, NULL, 0)},
                 out = {0};
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK);
    cr_assert_eq(out.size, 0);
    cr_assert_eq(out.dims[0], 0);
}

/* ---- what inputs must be ---- */

Test(runtime, names_a_dim_that_contradicts_another)
{
    float x[20] = {0};
    make_add();
    open_with(NULL, NULL);
    lathe_tensor in[2] = {hand_tensor(LATHE_F32, x, 17), hand_tensor(LATHE_F32, x, 18)}, out = {0};
    cr_assert_eq(lathe_run(session, in, &out), LATHE_BAD_DIMS);
    expect_message("input 1 'attention_mask': dim 0 is 18, expected 17 (sequence)");
}

Test(runtime, names_type_rank_and_range)
{
    float x[4] = {0};
    make_add_one();
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_I64, x, 1), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_INPUT);
    expect_message("input 0 'x': element type is i64, expected f32");
    in = hand_tensor(LATHE_F32, x, 4);
    in.rank = 2;
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    expect_message("input 0 'x': rank is 2, expected 1");
    in = hand_tensor(LATHE_F32, x, 0);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    expect_message("input 0 'x': dim 0 is 0, expected at least 1 (sequence)");
    in = hand_tensor(LATHE_F32, x, 4);
    in.size = 15;
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BUFFER_TOO_SMALL);
    expect_message("input 0 'x': 15 bytes, expected 16");
    in = hand_tensor(LATHE_F32, NULL, 4);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_INPUT);
    in = hand_tensor(LATHE_F32, (char *)x + 1, 3);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_INPUT);
    in = hand_tensor(LATHE_F32, x, 4);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK, "usable after errors");
    expect_message("");
}

Test(runtime, refuses_missing_arguments)
{
    lathe_model *m;
    make_add_one();
    open_with(NULL, NULL);
    cr_expect_eq(lathe_run(session, NULL, NULL), LATHE_BAD_INPUT);
    cr_expect_eq(lathe_rt_api_v1.run(NULL, NULL, NULL), LATHE_BAD_INPUT);
    lathe_session *none;
    cr_expect_eq(lathe_rt_api_v1.session_new(NULL, NULL, NULL, &none), LATHE_BAD_INPUT);
    cr_expect_eq(lathe_rt_api_v1.model_open(NULL, NULL, &m), LATHE_MISMATCH);
    cr_expect_eq(lathe_rt_api_v1.model_open(&h.desc, NULL, NULL), LATHE_BAD_INPUT);
    lathe_open_options o = {.flags = 0x100};
    cr_expect_eq(lathe_model_open(&h.desc, &o, &m), LATHE_BAD_INPUT);
}

/* ---- outputs ---- */

Test(runtime, refuses_small_and_overlapping_outputs)
{
    float x[8] = {0}, y[8];
    make_add_one();
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 4), out = hand_tensor(LATHE_F32, y, 3);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BUFFER_TOO_SMALL);
    expect_message("output 0 'y': 12 bytes, 16 are needed");
    out = hand_tensor(LATHE_F32, x + 3, 4);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_INPUT);
    expect_message("output 0 'y': overlaps input 0");
    out = hand_tensor(LATHE_F32, x + 4, 4);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
}

/* What a run left pointing to the session's memory: an output of the next one, never an input. */
Test(runtime, knows_its_own_memory)
{
    float x[8] = {1, 2}, more[1000] = {5};
    make_add();
    open_with(NULL, NULL);
    lathe_tensor in[2] = {hand_tensor(LATHE_F32, x, 2), hand_tensor(LATHE_F32, x, 2)}, out = {0};
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK);
    in[1] = out;
    lathe_tensor fresh = {0};
    cr_expect_eq(lathe_run(session, in, &fresh), LATHE_BAD_INPUT);
    expect_message("input 1 'attention_mask': lies in the session's own memory, which a run "
                   "overwrites: copy it, or give the output that it was memory of the app");
    cr_expect_float_eq(((float *)out.data)[1], 4, 0, "a refused run writes nothing");
    in[1] = hand_tensor(LATHE_F32, (char *)session + 8, 2);
    cr_expect_eq(lathe_run(session, in, &fresh), LATHE_BAD_INPUT);
    in[0] = in[1] = hand_tensor(LATHE_F32, more, 1000);
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK, "%s", lathe_session_message(session));
    cr_expect_eq(out.size, 4000);
    cr_expect_float_eq(((float *)out.data)[0], 10, 0);
    out.data = (char *)out.data + 64;
    out.size -= 64;
    cr_expect_eq(lathe_run(session, in, &out), LATHE_BAD_INPUT);
    expect_message("output 0 'y': lies in the session's own memory: NULL asks for that");
}

/* Tensors of no bytes do not lie in memory. */
Test(runtime, an_empty_output_may_be_used_again)
{
    float x[2] = {1, 2};
    make_add();
    open_with(NULL, NULL);
    lathe_tensor in[2] = {hand_tensor(LATHE_F32, NULL, 0), hand_tensor(LATHE_F32, NULL, 0)},
                 out = {0};
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK);
    in[0] = out;
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK, "%s", lathe_session_message(session));
    in[0] = in[1] = hand_tensor(LATHE_F32, x, 2);
    cr_assert_eq(lathe_run(session, in, &out), LATHE_OK, "%s", lathe_session_message(session));
    cr_expect_float_eq(((float *)out.data)[1], 4, 0);
}

/* A block that no plan bounds is the session's as well. */
Test(runtime, knows_what_it_has_grown)
{
    float x[2] = {1, 2};
    make_add_one();
    h.bufs[h.inputs[0].buffer].bytes = hand_const(&h, (int64_t)1 << 47);
    PUSH(&h, outputs,
         (lathe_io){hand_string(&h, "same"), LATHE_F32, 1, LIST(&h, 0), h.inputs[0].buffer});
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 2), out[2] = {{0}}, fresh[2] = {{0}};
    cr_assert_eq(lathe_run(session, &in, out), LATHE_OK, "%s", lathe_session_message(session));
    in = out[1];
    cr_expect_eq(lathe_run(session, &in, fresh), LATHE_BAD_INPUT);
    cr_expect(strstr(lathe_session_message(session), "lies in the session's own memory"));
}

/* An output that is an input, a weight or another output is copied. */
Test(runtime, copies_outputs_without_a_buffer_of_their_own)
{
    static const _Alignas(64) float weights[16] = {7, 8};
    float x[2] = {1, 2}, y[2], w[2];
    make_add_one();
    h.desc.weights = weights;
    h.head.weights_size = sizeof weights;
    uint32_t two = hand_const(&h, 2);
    uint32_t weight = PUSH(&h, bufs, (lathe_buf){.kind = LATHE_BUF_WEIGHT, .size = 8});
    PUSH(&h, outputs,
         (lathe_io){hand_string(&h, "same"), LATHE_F32, 1, LIST(&h, 0), h.inputs[0].buffer});
    PUSH(&h, outputs, (lathe_io){hand_string(&h, "weight"), LATHE_F32, 1, LIST(&h, two), weight});
    PUSH(&h, outputs,
         (lathe_io){hand_string(&h, "twice"), LATHE_F32, 1, LIST(&h, 0), h.outputs[0].buffer});
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 2);
    lathe_tensor out[4] = {{0}, hand_tensor(LATHE_F32, y, 2), hand_tensor(LATHE_F32, w, 2), {0}};
    cr_assert_eq(lathe_run(session, &in, out), LATHE_OK, "%s", lathe_session_message(session));
    cr_expect_float_eq(y[1], 2, 0);
    cr_expect_float_eq(w[1], 8, 0);
    cr_expect_float_eq(((float *)out[3].data)[1], 3, 0);
    cr_expect_neq(out[0].data, out[3].data);
}

/* ---- maxima ---- */

Test(runtime, holds_a_session_to_its_maxima)
{
    float x[40] = {0};
    int64_t max = 16, more = 32, zero = 0;
    make_add_one();
    open_with(&max, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 17), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    expect_message("input 0 'x': dim 0 is 17, above the session's maximum 16 (sequence)");
    cr_expect_eq(lathe_session_reserve(session, &zero), LATHE_BAD_DIMS);
    expect_message("maximum of 'sequence' is 0, expected at least 1");
    cr_expect_eq(lathe_session_reserve(session, &more), LATHE_OK);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK);
}

typedef struct counter {
    int live, calls, left;
} counter;

static void *count_alloc(void *ctx, size_t size, size_t align)
{
    counter *c = ctx;
    if (c->left == 0) return NULL;
    c->left--;
    c->calls++;
    c->live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void count_free(void *ctx, void *ptr, size_t size)
{
    (void)size;
    ((counter *)ctx)->live--;
    free(ptr);
}

Test(runtime, a_run_within_maxima_allocates_nothing)
{
    float x[16] = {0};
    int64_t max = 16;
    counter c = {.left = 1000};
    lathe_allocator a = {count_alloc, count_free, &c};
    make_add_one();
    open_with(&max, &(lathe_open_options){.allocator = &a});
    int before = c.calls;
    for (int64_t n = 1; n <= max; n++) {
        lathe_tensor in = hand_tensor(LATHE_F32, x, n), out = {0};
        cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK);
    }
    cr_assert_eq(c.calls, before);
    lathe_session_free(session);
    lathe_model_close(model);
    session = NULL;
    model = NULL;
    cr_assert_eq(c.live, 0);
}

Test(runtime, survives_every_failing_allocation)
{
    float x[16] = {0};
    make_add_one();
    hand_finish(&h);
    for (int n = 0; n < 12; n++) {
        counter c = {.left = n};
        lathe_allocator a = {count_alloc, count_free, &c};
        lathe_open_options o = {.allocator = &a};
        lathe_model *m;
        lathe_session *s;
        if (lathe_model_open(&h.desc, &o, &m) != LATHE_OK) continue;
        if (lathe_session_new(m, NULL, &s) == LATHE_OK) {
            lathe_tensor in = hand_tensor(LATHE_F32, x, 16), out = {0};
            lathe_status status = lathe_run(s, &in, &out);
            cr_expect(status == LATHE_OK || status == LATHE_OUT_OF_MEMORY);
            c.left = 100;
            out = (lathe_tensor){0};
            cr_expect_eq(lathe_run(s, &in, &out), LATHE_OK);
            lathe_session_free(s);
        }
        lathe_model_close(m);
        cr_expect_eq(c.live, 0);
    }
}

/* ---- guards and sizes ---- */

Test(runtime, a_guard_names_node_and_sizes)
{
    float x[8] = {0};
    make_add_one();
    uint32_t m = PUSH(&h, dims, (lathe_dim_op){.op = LATHE_DIM_FLOORDIV, .a = 0, .b = 1});
    PUSH(&h, guards,
         (lathe_guard){
             .a = m, .b = 1, .or_one = 0, .node = 0, .text = hand_string(&h, "sequence / 4 == 4")});
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 8), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    expect_message("node 'layer.0' (Gather): sizes 2 and 4 must be equal (sequence / 4 == 4)");
}

Test(runtime, an_overflowing_size_is_an_error)
{
    float x[8] = {0};
    make_add_one();
    uint32_t big = hand_const(&h, INT64_MAX);
    hand_op(&h, LATHE_DIM_MUL, 0, big, 0);
    open_with(NULL, NULL);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 8), out = {0};
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_BAD_DIMS);
    in = hand_tensor(LATHE_F32, x, 1);
    cr_expect_eq(lathe_run(session, &in, &out), LATHE_OK);
}

/* ---- weights ---- */

static void write_weights(const char *path, lathe_weights_header head, const void *data,
                          size_t size)
{
    FILE *f = fopen(path, "wb");
    static const char zeros[LATHE_WEIGHTS_DATA];
    fwrite(&head, 1, sizeof head, f);
    fwrite(zeros, 1, LATHE_WEIGHTS_DATA - sizeof head, f);
    fwrite(data, 1, size, f);
    fclose(f);
}

static lathe_status try_weights(const lathe_open_options *o)
{
    char message[256];
    lathe_open_options copy = *o;
    copy.message = message;
    copy.message_size = sizeof message;
    lathe_status s = lathe_model_open(&h.desc, &copy, &model);
    if (s == LATHE_OK) lathe_model_close(model);
    else cr_expect_neq(message[0], 0);
    model = NULL;
    return s;
}

Test(runtime, checks_the_weight_file)
{
    float data[32] = {1, 2, 3};
    char path[] = "/tmp/lathe-weights-XXXXXX";
    close(mkstemp(path));
    make_add_one();
    h.head.build_id = 42;
    h.head.weights_size = sizeof data;
    h.head.weights_hash = rt_hash(data, sizeof data);
    hand_finish(&h);
    lathe_weights_header head = {LATHE_MAGIC, LATHE_ABI_VERSION, 42, sizeof data,
                                 h.head.weights_hash};
    lathe_open_options o = {.weights_path = path},
                       verify = {.weights_path = path, .flags = LATHE_OPEN_VERIFY};
    write_weights(path, head, data, sizeof data);
    cr_expect_eq(try_weights(&o), LATHE_OK);
    cr_expect_eq(try_weights(&verify), LATHE_OK);
    data[5] = 1;
    write_weights(path, head, data, sizeof data);
    cr_expect_eq(try_weights(&o), LATHE_OK);
    cr_expect_eq(try_weights(&verify), LATHE_MISMATCH);
    write_weights(path, head, data, sizeof data - 1);
    cr_expect_eq(try_weights(&o), LATHE_MISMATCH);
    head.build_id = 43;
    write_weights(path, head, data, sizeof data);
    cr_expect_eq(try_weights(&o), LATHE_MISMATCH);
    cr_assert_eq(truncate(path, 100), 0);
    cr_expect_eq(try_weights(&o), LATHE_BAD_INPUT);
    unlink(path);
    cr_expect_eq(try_weights(&o), LATHE_NOT_FOUND);
    o.weights_path = NULL;
    cr_expect_eq(try_weights(&o), LATHE_NOT_FOUND, "hand.weights beside the test program");
}

/* The weights lie in the second place that is searched. */
Test(runtime, a_successful_open_leaves_no_message)
{
    char path[512], message[256] = "before";
    unsigned char data[100] = {0};
    make_add_one();
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    cr_assert_gt(n, 0);
    path[n] = 0;
    strcpy(strrchr(path, '/') + 1, "found_second.weights");
    h.head.name = hand_string(&h, "found_second");
    h.head.weights_size = sizeof data;
    h.head.weights_hash = rt_hash(data, sizeof data);
    lathe_weights_header head = {LATHE_MAGIC, LATHE_ABI_VERSION, 0, sizeof data,
                                 h.head.weights_hash};
    write_weights(path, head, data, sizeof data);
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    lathe_status status = lathe_model_open(hand_finish(&h), &o, &model);
    unlink(path);
    cr_expect_eq(status, LATHE_OK);
    cr_expect_str_eq(message, "");
}

/* Opening them does not wait for somebody to write. */
Test(runtime, weights_are_no_pipe_and_no_device)
{
    char path[] = "/tmp/lathe-pipe-XXXXXX", message[256], expected[128];
    make_add_one();
    h.head.weights_size = 64;
    cr_assert(mktemp(path) && mkfifo(path, 0600) == 0);
    lathe_open_options o = {
        .weights_path = path, .message = message, .message_size = sizeof message};
    alarm(20);
    cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_IO);
    alarm(0);
    snprintf(expected, sizeof expected, "weights '%s': not a regular file", path);
    cr_expect_str_eq(message, expected);
    unlink(path);
    o.weights_path = "/dev/zero";
    cr_expect_eq(lathe_model_open(&h.desc, &o, &model), LATHE_IO);
    cr_expect_str_eq(message, "weights '/dev/zero': not a regular file");
}

Test(runtime, the_hash_does_not_depend_on_pieces)
{
    unsigned char bytes[1000];
    for (int i = 0; i < 1000; i++) bytes[i] = (unsigned char)(i * i + 7);
    uint64_t whole = rt_hash(bytes, sizeof bytes);
    for (size_t piece = 1; piece < 200; piece += 7) {
        rt_hash_state s;
        rt_hash_begin(&s);
        for (size_t at = 0; at < sizeof bytes; at += piece)
            rt_hash_add(&s, bytes + at, at + piece < sizeof bytes ? piece : sizeof bytes - at);
        cr_expect_eq(rt_hash_end(&s), whole);
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        cr_expect_neq(rt_hash(bytes, sizeof bytes), whole, "byte %zu", i);
        bytes[i] ^= 1;
    }
    cr_expect_neq(rt_hash(bytes, 999), whole);
}

/* ---- refusals ---- */

static lathe_status refusal(void)
{
    lathe_model *m = NULL;
    lathe_status s = lathe_model_open(hand_finish(&h), NULL, &m);
    if (s == LATHE_OK) lathe_model_close(m);
    return s;
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        make_add_one();                                                                            \
        change;                                                                                    \
        cr_expect_eq(refusal(), LATHE_MISMATCH, "%s", #change);                                    \
    } while (0)

Test(runtime, refuses_damaged_tables)
{
    make_add_one();
    cr_expect_eq(refusal(), LATHE_OK);
    REFUSED(h.head.magic++);
    REFUSED(h.head.abi_version++);
    REFUSED(h.head.n_segments = 0);
    REFUSED(h.head.n_free = 2);
    REFUSED(h.head.scratch_slot = 99);
    REFUSED(h.dims[2].a = 2);
    REFUSED(h.dims[2].op = 77);
    REFUSED(h.dims[0].a = 1);
    REFUSED(h.dims[2].segment = 1);
    REFUSED(h.syms[0].lo = 2000);
    REFUSED(h.inputs[0].rank = 13);
    REFUSED(h.inputs[0].elem = 0);
    REFUSED(h.inputs[0].dims = 1000);
    REFUSED(h.outputs[0].buffer = 9);
    REFUSED(h.bufs[1].index = 3);
    REFUSED(h.bufs[1].kind = 12);
    REFUSED(h.bufs[0].bytes = NONE);
    REFUSED(h.steps[0].func = 1);
    REFUSED(h.steps[0].kind = 50);
    REFUSED(h.steps[0].nbufs = 17);
    REFUSED(h.steps[0].args = 1000);
    REFUSED(h.steps[0].node = 1);
    REFUSED(h.steps[0].range = 50);
    REFUSED(h.strings[h.nstrings - 1] = 'x');
    REFUSED(h.kernels[0] = NULL);
    REFUSED((h.steps[0] = (lathe_step){.kind = LATHE_STEP_IF, .a = 1}));
    REFUSED((h.steps[0] = (lathe_step){.kind = LATHE_STEP_LOOP}));
    REFUSED((h.steps[0] = (lathe_step){.kind = LATHE_STEP_CALL}));
    REFUSED(PUSH(&h, bufs, (lathe_buf){.kind = LATHE_BUF_WEIGHT, .offset = 1}));
}

Test(runtime, refuses_a_processor_without_the_features)
{
    char message[256];
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    make_add_one();
    h.targets[0].features = 1u << 31;
    cr_expect_eq(lathe_model_open(hand_finish(&h), &o, &model), LATHE_UNSUPPORTED_CPU);
    cr_expect_str_eq(message, "this processor lacks ?; the least target of 'hand' is x86-64-v9");
}
