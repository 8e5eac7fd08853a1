/* What the runtime says of arguments and weights that do not fit: the texts, word for word. What is
 * done then is tested with each part. */
#include <stdio.h>

#include "tests/unit/hand_session.h"

TestSuite(runtime_refused, .fini = close_all);

static void chain(void) { make_chain(1); }

/* ---- opening ---- */

static void no_open(const lathe_desc *desc, lathe_open_options o, const char *text)
{
    char message[256] = "";
    lathe_model *m;
    o.message = message;
    o.message_size = sizeof message;
    cr_expect_neq(lathe_rt_api_v1.model_open(desc, &o, &m), LATHE_OK);
    cr_expect(strstr(message, text), "expected '%s', found '%s'", text, message);
}

Test(runtime_refused, descriptors)
{
    const lathe_open_options o = {0};
    no_open(NULL, o, "this is no descriptor of a compiled model");
    chain();
    h.head.abi_version = 77;
    no_open(hand_finish(&h), o, "the model has ABI version 77, the runtime ");
    h.head.abi_version = LATHE_ABI_VERSION;
    hand_finish(&h);
    ((lathe_tables *)(uintptr_t)h.desc.tables)->size = 8;
    no_open(&h.desc, o, "the model's tables are damaged");
}

Test(runtime_refused, options)
{
    chain();
    const lathe_desc *desc = hand_finish(&h);
    const lathe_threads threads = {0};
    const lathe_allocator allocator = {0};
    no_open(desc, (lathe_open_options){.threads = &threads},
            "threads: no parallel_for or no workers");
    no_open(desc, (lathe_open_options){.allocator = &allocator}, "allocator: no alloc or no free");
    no_open(desc, (lathe_open_options){.flags = 0x100}, "unknown flags 0x100");
}

Test(runtime_refused, weights)
{
    static _Alignas(64) char bytes[LATHE_WEIGHTS_DATA + 64];
    chain();
    h.head.build_id = 42;
    h.head.weights_size = 32;
    h.head.weights_hash = 7;
    const lathe_desc *desc = hand_finish(&h);
    const lathe_open_options none = {0}, given = {.weights = bytes, .weights_size = sizeof bytes},
                             hashed = {.weights = bytes,
                                       .weights_size = sizeof bytes,
                                       .flags = LATHE_OPEN_VERIFY};
    no_open(desc, none, "weights 'hand.weights': not found");
    lathe_weights_header head = {LATHE_MAGIC, LATHE_ABI_VERSION, 43, 32, 7};
    memcpy(bytes, &head, sizeof head);
    no_open(desc, given,
            "weights in memory: of another build (000000000000002b, the model is "
            "000000000000002a)");
    head.build_id = 42;
    memcpy(bytes, &head, sizeof head);
    no_open(desc, hashed, "the weights are damaged: hash ");
    h.desc.weights = bytes + 1;
    no_open(desc, none, "the embedded weights are not aligned");
}

/* ---- a run ---- */

static void no_run(const lathe_tensor *in, lathe_tensor *out, const char *text)
{
    cr_expect_neq(lathe_run(session, in, out), LATHE_OK);
    const char *found = lathe_session_message(session);
    cr_expect(strstr(found, text), "expected '%s', found '%s'", text, found);
}

Test(runtime_refused, tensors)
{
    float x[8] = {0}, y[8];
    chain();
    open_with(NULL, 0);
    lathe_tensor in = hand_tensor(LATHE_F32, x, 4), out = hand_tensor(LATHE_F32, y, 4);
    no_run(NULL, NULL, "inputs or outputs is NULL");
    in.data = NULL;
    no_run(&in, &out, "input 0 'x': data is NULL");
    in.data = (char *)x + 1;
    no_run(&in, &out, "input 0 'x': data is not aligned to its elements");
    in.data = x;
    out.data = (char *)y + 1;
    no_run(&in, &out, "output 0 'y': data is not aligned to its elements");
}
