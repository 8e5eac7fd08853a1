/* Sequences and optionals in files: bytes in, a list of tensors out. A file does not say what it
 * is. Both kinds have a name as field 1 and tensors or a sequence in fields that a tensor has not;
 * a tensor has fields that they have not, or dims as field 1, among whose bytes is a control
 * character or which no name follows. */
#include "driver/tensor_util.h"

#include <stdlib.h>
#include <string.h>

enum { NAME = 1, KIND = 2, TENSOR = 3, SEQUENCE = 5 };
enum { MOST_DEPTH = 4 };

static bool is_text(pb_reader bytes)
{
    for (const unsigned char *c = bytes.at; c < bytes.end; c++)
        if (*c < ' ') return false;
    return bytes.at < bytes.end;
}

static bool is_list(pb_reader r)
{
    bool named = false, filled = false;
    pb_field f;
    while (r.at < r.end) {
        if (!pb_next(&r, &f)) return false;
        if (f.number == NAME) {
            if (f.wire != PB_BYTES || named || !is_text(f.bytes)) return false;
            named = true;
        } else if (f.number == TENSOR || f.number == SEQUENCE) {
            if (f.wire != PB_BYTES) return false;
            filled |= f.number == TENSOR;
        } else if (f.number != KIND || f.wire != PB_VARINT) {
            return false;
        }
    }
    return named || filled;
}

static lathe_status list_add(tensor_list *l, pb_reader bytes, tensor_message *m)
{
    tensor_file *items = realloc(l->items, (l->n + 1) * sizeof *items);
    if (!items) return tensor_fail(m, LATHE_OUT_OF_MEMORY, "out of memory");
    l->items = items;
    lathe_status s = tensor_parse_pb(bytes.at, (size_t)(bytes.end - bytes.at), &items[l->n], m);
    if (s == LATHE_OK) l->n++;
    return s;
}

static lathe_status add_fields(tensor_list *l, pb_reader r, int depth, tensor_message *m)
{
    pb_field f;
    lathe_status s = LATHE_OK;
    while (s == LATHE_OK && r.at < r.end) {
        if (!pb_next(&r, &f)) return tensor_fail(m, LATHE_BAD_INPUT, "not a sequence");
        if (f.number == TENSOR) s = list_add(l, f.bytes, m);
        if (f.number == SEQUENCE && depth < MOST_DEPTH) s = add_fields(l, f.bytes, depth + 1, m);
        if (f.number == NAME && depth == 0)
            snprintf(l->name, sizeof l->name, "%.*s",
                     (int)(f.bytes.end - f.bytes.at > 255 ? 255 : f.bytes.end - f.bytes.at),
                     (const char *)f.bytes.at);
    }
    return s;
}

lathe_status tensor_list_parse(const void *bytes, size_t size, tensor_list *l, tensor_message *m)
{
    pb_reader all = {bytes, (const unsigned char *)bytes + size};
    *l = (tensor_list){.is_list = is_list(all)};
    lathe_status s = l->is_list ? add_fields(l, all, 0, m) : list_add(l, all, m);
    if (s != LATHE_OK) tensor_list_free(l);
    return s;
}

static lathe_status parse_list(const void *bytes, size_t size, void *out, tensor_message *m)
{
    return tensor_list_parse(bytes, size, out, m);
}

lathe_status tensor_list_read(const char *path, tensor_list *l, tensor_message *m)
{
    *l = (tensor_list){0};
    return tensor_with_file(path, l, m, parse_list);
}

lathe_status tensor_list_move(tensor_list *l, tensor_file *to, int room, int *n, tensor_message *m)
{
    if (l->n > (size_t)(room - *n)) {
        tensor_list_free(l);
        return tensor_fail(m, LATHE_BAD_INPUT, "more tensors than the model has inputs, %d", room);
    }
    for (size_t i = 0; i < l->n; i++) to[(*n)++] = l->items[i];
    l->n = 0;
    tensor_list_free(l);
    return LATHE_OK;
}

void tensor_list_free(tensor_list *l)
{
    for (size_t i = 0; i < l->n; i++) tensor_free(&l->items[i]);
    free(l->items);
    *l = (tensor_list){0};
}
