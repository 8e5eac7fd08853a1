/* Damaged tables and weights. In: places and values, 8 bytes each, of 32 bits. Out: a compiled
 * model whose tables and weight file are changed at these places, opened, asked about, given a
 * session. A model that is accepted is not run: the tables say what its code may touch, not the
 * bytes. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe.h"
#include "runtime/abi.h"
#include "tests/fuzz/fuzz.h"

typedef struct original {
    lathe_desc desc;
    size_t tables, weights; /* bytes */
    uint8_t *file;          /* the weights */
} original;

static void need(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "fuzz_tables: %s\n", what);
    exit(2);
}

static void read_weights(original *o, const char *path)
{
    enum { MOST = 1 << 24 };
    FILE *f = fopen(path, "rb");
    o->file = malloc(MOST);
    need(f && o->file, path);
    o->weights = fread(o->file, 1, MOST, f);
    fclose(f);
}

static const original *make(void)
{
    static original o;
    if (o.tables) return &o;
    lathe_diag *diag = lathe_diag_new();
    const char *path = fuzz_path("libfuzz.so");
    const lathe_options options = {.model = LATHE_SOURCE_DIR "/examples/adder/model.onnx",
                                   .name = "fuzz",
                                   .output = path,
                                   .target = "x86-64",
                                   .runtime = LATHE_RUNTIME_ARCHIVE};
    need(lathe_compile(&options, diag) == LATHE_OK, "the model does not compile");
    lathe_diag_free(diag);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    need(library, "the library does not load");
    const lathe_desc *desc = dlsym(library, "fuzz_desc");
    need(desc, "no descriptor");
    o.desc = *desc;
    o.desc.rt = &lathe_rt_api_v1;
    o.tables = desc->tables->size;
    read_weights(&o, fuzz_path("fuzz.weights"));
    return &o;
}

static void change(uint8_t *tables, size_t tables_size, uint8_t *weights, size_t weights_size,
                   const uint8_t *bytes, size_t size)
{
    for (; size >= 8; bytes += 8, size -= 8) {
        uint32_t at, value;
        memcpy(&at, bytes, 4);
        memcpy(&value, bytes + 4, 4);
        size_t place = (size_t)(at >> 2) * 4;
        if (at & 1) memcpy(weights + place % (weights_size - 3), &value, at & 2 ? 1 : 4);
        else memcpy(tables + place % (tables_size - 3), &value, at & 2 ? 1 : 4);
    }
}

static void visit(const lathe_desc *desc, const lathe_open_options *options)
{
    lathe_model *model;
    lathe_session *session;
    lathe_tensor_info info;
    for (int what = 0; what < 4; what++)
        for (int i = 0; i < desc->rt->count(desc, what) && i < 100; i++)
            desc->rt->info(desc, what, i, &info);
    lathe_status status = lathe_model_open(desc, options, &model);
    if (status != LATHE_OK && !*options->message) abort();
    if (status != LATHE_OK) return;
    const int64_t maxima[64] = {1, 1, 1, 1, 1, 1, 1, 1};
    if (lathe_session_new(model, maxima, &session) == LATHE_OK) lathe_session_free(session);
    lathe_model_close(model);
}

void fuzz_tables(const uint8_t *bytes, size_t size)
{
    const original *o = make();
    size_t room = (o->weights + 63) / 64 * 64;
    uint8_t *tables = malloc(o->tables), *weights = aligned_alloc(64, room);
    char message[256] = "";
    if (!tables || !weights) abort();
    memcpy(tables, o->desc.tables, o->tables);
    memcpy(weights, o->file, o->weights);
    change(tables, o->tables, weights, o->weights, bytes, size);
    lathe_tables *head = (lathe_tables *)(void *)tables;
    if (head->size > o->tables) head->size = (uint32_t)o->tables; /* only the linker knows better */
    lathe_desc desc = o->desc;
    desc.tables = (const lathe_tables *)(const void *)tables;
    const lathe_open_options options = {.weights = weights,
                                        .weights_size = o->weights,
                                        .message = message,
                                        .message_size = sizeof message};
    visit(&desc, &options);
    free(tables);
    free(weights);
}
