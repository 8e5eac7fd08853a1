/* Fuzz targets: each takes bytes and gives them to one entrance of lathe. What they look for are
 * crashes, reports of sanitizers, hangs, and results that contradict each other, for which a
 * target calls abort(). */
#ifndef LATHE_TESTS_FUZZ_H
#define LATHE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *, size_t);
    int takes_models; /* the mutator knows ONNX */
} fuzz_target;

/* A file in a private folder, which goes when the program ends; overwritten by the next call. */
const char *fuzz_file(const char *name, const void *bytes, size_t size);
/* A name in that folder, in one of two buffers that take turns. */
const char *fuzz_path(const char *name);

void fuzz_wire(const uint8_t *, size_t);
void fuzz_import(const uint8_t *, size_t);
void fuzz_text(const uint8_t *, size_t);
void fuzz_passes(const uint8_t *, size_t);
void fuzz_compile(const uint8_t *, size_t);
void fuzz_tables(const uint8_t *, size_t);
void fuzz_tensors(const uint8_t *, size_t);
void fuzz_options(const uint8_t *, size_t);

#endif
