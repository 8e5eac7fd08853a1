/* ONNX TensorProto: bytes in, a dense tensor out, and back.
 *
 * The message is flat, so a loop over its fields reads it; no length is believed before it is
 * compared with what is left. Two walks: the first finds type, dims and where data are and counts
 * them, the second decodes, after the count has been compared with the dims. So memory is taken
 * only in proportion to the file. */
#include "driver/tensor_util.h"

#include <stdlib.h>
#include <string.h>

/* Field numbers of TensorProto. */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    NAME = 8,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    DATA_LOCATION = 14
};
enum { VARINT = PB_VARINT, FIXED64 = 1, BYTES = PB_BYTES, FIXED32 = 5 };
typedef pb_reader reader;
typedef pb_field field;

static bool read_varint(reader *r, uint64_t *value)
{
    uint64_t x = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char b = *r->at++;
        x |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *value = x;
            return true;
        }
    }
    return false;
}

static bool read_fixed(reader *r, size_t width, uint64_t *value)
{
    if ((size_t)(r->end - r->at) < width) return false;
    *value = 0;
    memcpy(value, r->at, width);
    r->at += width;
    return true;
}

static bool read_number(reader *r, uint32_t wire, uint64_t *value)
{
    switch (wire) {
    case VARINT:
        return read_varint(r, value);
    case FIXED64:
        return read_fixed(r, 8, value);
    case FIXED32:
        return read_fixed(r, 4, value);
    default:
        return false;
    }
}

bool pb_next(pb_reader *r, pb_field *f)
{
    uint64_t key, size;
    if (!read_varint(r, &key) || key >> 32) return false;
    f->number = (uint32_t)key >> 3;
    f->wire = (uint32_t)key & 7;
    if (!f->number) return false;
    if (f->wire != BYTES) return read_number(r, f->wire, &f->value);
    if (!read_varint(r, &size) || size > (uint64_t)(r->end - r->at)) return false;
    f->bytes = (reader){r->at, r->at + size};
    r->at += size;
    return true;
}

/* ---- the first walk ---- */

/* Where elements that are not raw are: field, encoding, bytes a number stands for. */
typedef struct source {
    uint32_t field, wire, width;
} source;

static source source_of(lathe_elem elem)
{
    uint32_t width = (uint32_t)tensor_elem_bits(elem) / 8;
    switch (elem) {
    case LATHE_F32:
    case LATHE_C64:
        return (source){FLOAT_DATA, FIXED32, 4};
    case LATHE_F64:
    case LATHE_C128:
        return (source){DOUBLE_DATA, FIXED64, 8};
    case LATHE_I64:
        return (source){INT64_DATA, VARINT, 8};
    case LATHE_U32:
    case LATHE_U64:
        return (source){UINT64_DATA, VARINT, width};
    case LATHE_STRING:
        return (source){STRING_DATA, BYTES, sizeof(lathe_string)};
    default:
        return (source){INT32_DATA, VARINT, width ? width : 1};
    }
}

typedef struct tensor_proto {
    lathe_tensor tensor;
    reader all, raw;
    bool has_raw, external;
    char *name; /* of the result, 256 bytes */
} tensor_proto;

static lathe_status add_dim(tensor_proto *p, uint64_t value, tensor_message *m)
{
    lathe_tensor *t = &p->tensor;
    if (t->rank == LATHE_MAX_RANK)
        return tensor_fail(m, LATHE_UNSUPPORTED, "more than %d dims", LATHE_MAX_RANK);
    if (value > INT64_MAX) return tensor_fail(m, LATHE_BAD_INPUT, "dim %d is negative", t->rank);
    t->dims[t->rank++] = (int64_t)value;
    return LATHE_OK;
}

static lathe_status read_dims(tensor_proto *p, const field *f, tensor_message *m)
{
    if (f->wire == VARINT) return add_dim(p, f->value, m);
    reader r = f->bytes;
    lathe_status s = f->wire == BYTES ? LATHE_OK : LATHE_BAD_INPUT;
    uint64_t value;
    while (s == LATHE_OK && r.at < r.end)
        s = read_varint(&r, &value) ? add_dim(p, value, m) : LATHE_BAD_INPUT;
    return s;
}

static lathe_status read_head_field(tensor_proto *p, const field *f, tensor_message *m)
{
    bool is_number = f->wire == VARINT, is_bytes = f->wire == BYTES, ok = true;
    switch (f->number) {
    case DIMS:
        return read_dims(p, f, m);
    case DATA_TYPE:
        ok = is_number && f->value < 1000;
        if (ok) p->tensor.elem = (lathe_elem)f->value;
        break;
    case NAME:
        ok = is_bytes;
        if (ok)
            snprintf(p->name, 256, "%.*s",
                     (int)(f->bytes.end - f->bytes.at > 255 ? 255 : f->bytes.end - f->bytes.at),
                     (const char *)f->bytes.at);
        break;
    case RAW_DATA:
        ok = is_bytes;
        if (ok) p->raw = f->bytes;
        p->has_raw = true;
        break;
    case DATA_LOCATION:
        ok = is_number;
        p->external = ok && f->value == 1;
        break;
    }
    return ok ? LATHE_OK
              : tensor_fail(m, LATHE_BAD_INPUT, "not a TensorProto (field %u)", f->number);
}

static lathe_status read_head(tensor_proto *p, tensor_message *m)
{
    for (reader r = p->all; r.at < r.end;) {
        field f;
        if (!pb_next(&r, &f)) return tensor_fail(m, LATHE_BAD_INPUT, "not a TensorProto");
        lathe_status s = read_head_field(p, &f, m);
        if (s != LATHE_OK) return s;
    }
    if (!tensor_elem_bits(p->tensor.elem))
        return tensor_fail(m, LATHE_BAD_INPUT, "element type %d is unknown", (int)p->tensor.elem);
    if (p->external)
        return tensor_fail(m, LATHE_UNSUPPORTED, "its data is in another file, which is not read");
    if (!tensor_bytes(&p->tensor, &p->tensor.size))
        return tensor_fail(m, LATHE_BAD_INPUT, "dims whose product overflows");
    return LATHE_OK;
}

/* ---- the second walk ---- */

/* Decodes the numbers of a source; with a NULL `to` they are only counted. */
static bool walk_numbers(const tensor_proto *p, source from, unsigned char *to, size_t *count)
{
    *count = 0;
    for (reader r = p->all; r.at < r.end;) {
        field f;
        uint64_t value;
        if (!pb_next(&r, &f)) return false;
        if (f.number != from.field) continue;
        if (f.wire != BYTES && f.wire != from.wire) return false;
        reader packed = f.bytes;
        bool one = f.wire != BYTES;
        while (one || packed.at < packed.end) {
            if (one) value = f.value;
            else if (!read_number(&packed, from.wire, &value)) return false;
            if (to) memcpy(to + *count * from.width, &value, from.width);
            ++*count;
            if (one) break;
        }
    }
    return true;
}

/* Elements first, then their bytes. */
static lathe_status read_strings(const tensor_proto *p, size_t n, tensor_file *out,
                                 tensor_message *m)
{
    size_t count = 0, chars = 0;
    for (reader r = p->all; r.at < r.end;) {
        field f;
        if (!pb_next(&r, &f)) return tensor_fail(m, LATHE_BAD_INPUT, "not a TensorProto");
        if (f.number != STRING_DATA) continue;
        if (f.wire != BYTES) return tensor_fail(m, LATHE_BAD_INPUT, "its strings have no text");
        chars += (size_t)(f.bytes.end - f.bytes.at) + 1;
        count++;
    }
    if (count != n) return tensor_fail(m, LATHE_BAD_INPUT, "%zu strings, dims say %zu", count, n);
    lathe_string *strings = malloc(n * sizeof *strings + chars + 1);
    if (!strings) return tensor_fail(m, LATHE_OUT_OF_MEMORY, "out of memory");
    char *at = (char *)(strings + n);
    count = 0;
    for (reader r = p->all; r.at < r.end;) {
        field f;
        if (!pb_next(&r, &f)) break;
        if (f.number != STRING_DATA) continue;
        size_t size = (size_t)(f.bytes.end - f.bytes.at);
        if (size) memcpy(at, f.bytes.at, size);
        strings[count++] = (lathe_string){at, size};
        at[size] = '\0';
        at += size + 1;
    }
    out->tensor = p->tensor;
    out->tensor.data = strings;
    return LATHE_OK;
}

static lathe_status read_data(const tensor_proto *p, tensor_file *out, tensor_message *m)
{
    size_t bytes = p->tensor.size, raw = (size_t)(p->raw.end - p->raw.at), count = 0;
    source from = source_of(p->tensor.elem);
    if (p->tensor.elem == LATHE_STRING) return read_strings(p, bytes / from.width, out, m);
    if (p->has_raw ? raw != bytes : !walk_numbers(p, from, NULL, &count))
        return tensor_fail(m, LATHE_BAD_INPUT, "%zu bytes of raw data, dims say %zu", raw, bytes);
    if (!p->has_raw && count != bytes / from.width)
        return tensor_fail(m, LATHE_BAD_INPUT, "%zu numbers, dims say %zu", count,
                           bytes / from.width);
    out->tensor = p->tensor;
    out->tensor.data = malloc(bytes + 1);
    if (!out->tensor.data) return tensor_fail(m, LATHE_OUT_OF_MEMORY, "out of memory");
    if (!p->has_raw) walk_numbers(p, from, out->tensor.data, &count);
    else if (bytes) memcpy(out->tensor.data, p->raw.at, bytes);
    return LATHE_OK;
}

lathe_status tensor_parse_pb(const void *bytes, size_t size, tensor_file *out, tensor_message *m)
{
    const unsigned char *at = bytes;
    *out = (tensor_file){0};
    tensor_proto p = {.all = {at, at + size}, .name = out->name};
    tensor_message unused;
    if (!m) m = &unused;
    snprintf(m->text, sizeof m->text, "not a TensorProto");
    lathe_status s = read_head(&p, m);
    if (s == LATHE_OK) s = read_data(&p, out, m);
    if (s == LATHE_OK) m->text[0] = '\0';
    return s;
}

/* ---- writing ---- */

static void put_varint(FILE *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) putc((int)(value & 0x7F) | 0x80, out);
    putc((int)value, out);
}

static void put_key(FILE *out, uint32_t number, uint32_t wire)
{
    put_varint(out, number << 3 | wire);
}

static void put_bytes(FILE *out, uint32_t number, const void *bytes, size_t size)
{
    put_key(out, number, BYTES);
    put_varint(out, size);
    if (size) fwrite(bytes, 1, size, out);
}

static lathe_status write_pb(FILE *out, const lathe_tensor *t, const char *name, tensor_message *m)
{
    size_t bytes;
    if (!tensor_bytes(t, &bytes)) return tensor_fail(m, LATHE_BAD_INPUT, "a tensor that cannot be");
    for (int i = 0; i < t->rank; i++) {
        put_key(out, DIMS, VARINT);
        put_varint(out, (uint64_t)t->dims[i]);
    }
    put_key(out, DATA_TYPE, VARINT);
    put_varint(out, (uint64_t)t->elem);
    if (name && *name) put_bytes(out, NAME, name, strlen(name));
    if (t->elem != LATHE_STRING) {
        put_bytes(out, RAW_DATA, t->data, bytes);
        return LATHE_OK;
    }
    const lathe_string *strings = t->data;
    for (size_t i = 0; i < bytes / sizeof *strings; i++)
        put_bytes(out, STRING_DATA, strings[i].data, strings[i].size);
    return LATHE_OK;
}

lathe_status tensor_write_pb(const char *path, const char *name, const lathe_tensor *t,
                             tensor_message *m)
{
    return tensor_to_file(path, t, name, m, write_pb);
}
