/* Compiled models as shared libraries: loading one and finding its descriptor. */
#ifndef LATHE_DRIVER_LIBRARY_H
#define LATHE_DRIVER_LIBRARY_H

#include "lathe_rt.h"

typedef struct library {
    void *handle;
    const lathe_desc *desc;
    char name[256]; /* the model's prefix: NAME of NAME_desc */
} library;

/* The library must export exactly one symbol that ends in _desc. message may be NULL. */
lathe_status library_open(const char *path, library *, char *message, size_t size);
void library_close(library *);

#endif
