/* Sizes that a model calls by one name although a case's data has several for it, which ONNX
 * Runtime runs where the operators allow it. In: the compiled library, for its inputs' names, and
 * the data sets. Out: --dim NAME=each for each such name. */
#include "driver/driver.h"
#include "driver/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZES = 1024 };

/* The sizes of one data set, by name. */
typedef struct sizes {
    const char *names[MAX_SIZES];
    int64_t values[MAX_SIZES];
    size_t n;
} sizes;

static bool has_option(const option_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i], text) == 0) return true;
    return false;
}

static void set_apart(option_list *l, const char *name)
{
    char *text;
    if (l->n == MAX_SIZES || asprintf(&text, "%s=each", name) < 0) return;
    if (has_option(l, text)) free(text);
    else l->items[l->n++] = text;
}

static void note_size(sizes *s, const char *name, int64_t value, option_list *apart)
{
    size_t i = 0;
    while (i < s->n && strcmp(s->names[i], name) != 0) i++;
    if (i == s->n && s->n < MAX_SIZES) {
        s->names[s->n] = name;
        s->values[s->n++] = value;
    }
    if (i < s->n && s->values[i] != value) set_apart(apart, name);
}

static void note_input(const lathe_desc *desc, int index, const lathe_tensor *t, sizes *s,
                       option_list *apart)
{
    lathe_tensor_info info;
    if (lathe_info(desc, LATHE_INPUTS, index, &info) != LATHE_OK || info.rank != t->rank) return;
    for (int a = 0; a < t->rank; a++)
        if (info.dims[a] < 0) note_size(s, info.dim_names[a], t->dims[a], apart);
}

/* Files spread to tensors are the model's inputs. */
static void note_set(const lathe_desc *desc, const char *dir, int set, option_list *apart)
{
    sizes s = {.n = 0};
    int inputs = lathe_count(desc, LATHE_INPUTS);
    for (int file = 0, index = 0; index < inputs; file++) {
        char path[4300];
        tensor_list list;
        tensor_message message;
        snprintf(path, sizeof path, "%s/test_data_set_%d/input_%d.pb", dir, set, file);
        if (tensor_list_read(path, &list, &message) != LATHE_OK) return;
        for (size_t k = 0; k < list.n; k++)
            note_input(desc, index++, &list.items[k].tensor, &s, apart);
        tensor_list_free(&list);
    }
}

bool case_dims(const char *library_path, const char *dir, int nsets, option_list *dims)
{
    library lib;
    if (library_open(library_path, &lib, NULL, 0) != LATHE_OK) return false;
    dims->n = 0;
    dims->items = calloc(MAX_SIZES, sizeof *dims->items);
    for (int set = 0; dims->items && set < nsets; set++) note_set(lib.desc, dir, set, dims);
    library_close(&lib);
    return dims->n > 0;
}
