/* The targets that read files: models, graphs as text, tensors, words of a command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"
#include "driver/tensor_file.h"
#include "frontend/wire.h"
#include "lathe.h"
#include "lathe_experimental.h"
#include "passes/pass.h"
#include "tests/fuzz/fuzz.h"

/* A failure has a status and a message, a success has no error. */
static void judge(lathe_status status, lathe_diag *diag)
{
    size_t errors = lathe_diag_errors(diag);
    bool defect = status == LATHE_INTERNAL || (status != LATHE_OK) != (errors > 0);
    for (size_t i = 0; defect && i < lathe_diag_count(diag); i++)
        fprintf(stderr, "%s\n", lathe_diag_get(diag, i).text);
    if (defect) {
        fprintf(stderr, "status %d with %zu errors\n", (int)status, errors);
        abort();
    }
    lathe_diag_free(diag);
}

void fuzz_wire(const uint8_t *bytes, size_t size)
{
    lathe_diag *diag = lathe_diag_new();
    fe_wire wire = {0};
    judge(fe_wire_scan(diag, "fuzz.onnx", bytes, size, &wire), diag);
    free(wire.bytes);
}

static const lathe_options bounded = {
    .name = "fuzz", .emit = LATHE_EMIT_OBJ, .memory_limit = 64 << 20, .time_limit = 20};

void fuzz_import(const uint8_t *bytes, size_t size)
{
    lathe_diag *diag = lathe_diag_new();
    lathe_options o = bounded;
    o.model = fuzz_file("fuzz.onnx", bytes, size);
    judge(lathe_check(&o, diag), diag);
}

/* Both levels; what one compiles, the other does. */
void fuzz_compile(const uint8_t *bytes, size_t size)
{
    const char *model = fuzz_file("fuzz.onnx", bytes, size);
    for (int level = 0; level <= 2; level += 2) {
        lathe_diag *diag = lathe_diag_new();
        lathe_options o = bounded;
        o.model = model;
        o.output = fuzz_path("fuzz.o");
        o.level = level;
        judge(lathe_compile(&o, diag), diag);
    }
}

/* ---- graphs as text ---- */

static void optimise(const uint8_t *bytes, size_t size, const char *passes)
{
    const char *path = fuzz_file("fuzz.ir", bytes, size);
    FILE *out = fopen("/dev/null", "wb");
    lathe_diag *diag = lathe_diag_new();
    if (out) judge(lathe_opt(path, passes, out, diag), diag);
    else lathe_diag_free(diag);
    if (out) fclose(out);
}

void fuzz_text(const uint8_t *bytes, size_t size) { optimise(bytes, size, ""); }

/* All passes, with verify after each, then a compilation. */
void fuzz_passes(const uint8_t *bytes, size_t size)
{
    static char all[1024];
    if (!*all)
        for (size_t i = 0; i < lathe_pass_count(); i++)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "," : "",
                     lathe_pass_get(i).name);
    optimise(bytes, size, all);
    lathe_diag *diag = lathe_diag_new();
    lathe_options o = bounded;
    o.model = fuzz_file("fuzz.ir", bytes, size);
    o.output = fuzz_path("fuzz.o");
    o.level = 2;
    judge(lathe_compile(&o, diag), diag);
}

/* ---- tensors ---- */

void fuzz_tensors(const uint8_t *bytes, size_t size)
{
    tensor_file one;
    tensor_list list;
    tensor_message m[3] = {0};
    lathe_status status[3] = {tensor_parse_pb(bytes, size, &one, &m[0])};
    if (status[0] == LATHE_OK) tensor_free(&one);
    status[1] = tensor_parse_npy(bytes, size, &one, &m[1]);
    if (status[1] == LATHE_OK) tensor_free(&one);
    status[2] = tensor_list_parse(bytes, size, &list, &m[2]);
    if (status[2] == LATHE_OK) tensor_list_free(&list);
    for (int i = 0; i < 3; i++)
        if (status[i] != LATHE_OK && !*m[i].text) abort();
}

/* ---- options ---- */

/* Words, with a line each; the first byte chooses the command. */
void fuzz_options(const uint8_t *bytes, size_t size)
{
    enum { MOST = 64 };
    char *text = malloc(size + 1), *words[MOST + 1] = {"lathe"}, *rest = text;
    int n = 1;
    cli_options o;
    if (!text || size == 0) {
        free(text);
        return;
    }
    memcpy(text, bytes + 1, size - 1);
    text[size - 1] = '\0';
    for (char *word; n < MOST && (word = strsep(&rest, "\n"));) words[n++] = word;
    options_parse(&o, 1u << bytes[0] % 10, n, words);
    options_free(&o);
    free(text);
}
