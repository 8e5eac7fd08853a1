/* Pre-scan of protobuf bytes. In: a mapped model file, any bytes at all. Out: the same ModelProto
 * reduced to the fields of onnx.proto, in which long raw_data is a view (offset, size) of the file.
 * Invariant: what is written is well-formed, at most FE_WIRE_DEPTH deep and bounded in count, since
 * protobuf-c recurses without a limit and copies every byte it is given.
 * One forward pass with an explicit stack: the length of a message, not known when its header is
 * written, takes a varint padded to five bytes that is filled in at its end. The generated
 * descriptors are the schema, so that onnx.proto states each field once. */
#include "frontend/wire.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx.pb-c.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5, WIRE_BAD = -1 };
enum { LENGTH_BYTES = 5, MAX_KINDS = 32, PRIVATE_FIELDS = 10000, RAW_DATA = 9 };

typedef const ProtobufCFieldDescriptor *field_type;

/* A message being read. */
typedef struct frame {
    const ProtobufCMessageDescriptor *type;
    field_type field;         /* of the parent that holds it; NULL for the model */
    size_t end;               /* in the file */
    size_t header;            /* in the output: where its length is to be written */
    uint32_t seen[MAX_KINDS]; /* occurrences of each field, by its place in the descriptor */
} frame;

typedef struct scanner {
    const uint8_t *bytes;
    size_t at;
    const char *file;
    lathe_diag *diag;
    frame frames[FE_WIRE_DEPTH];
    int depth;
    field_type current; /* the field being read, for messages */
    uint32_t fields, messages;
    uint8_t *out;
    size_t size, cap;
} scanner;

static size_t field_index(const frame *f, field_type field)
{
    return (size_t)(field - f->type->fields);
}

/* ".graph.node[3]": what `field` of `f` is called, for the occurrence seen last. */
static size_t append_step(char *text, size_t used, size_t cap, const frame *f, field_type field)
{
    const char *dot = used ? "." : "";
    int n;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        uint32_t seen = f->seen[field_index(f, field)];
        n = snprintf(text + used, cap - used, "%s%s[%u]", dot, field->name, seen ? seen - 1 : 0);
    } else {
        n = snprintf(text + used, cap - used, "%s%s", dot, field->name);
    }
    return n < 0 || (size_t)n >= cap - used ? cap - 1 : used + (size_t)n;
}

static lathe_status wire_fail(scanner *s, lathe_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static lathe_status wire_fail(scanner *s, lathe_status status, const char *format, ...)
{
    char path[1024] = "", why[256];
    size_t used = 0;
    for (int i = 1; i < s->depth; i++) {
        used = append_step(path, used, sizeof path, &s->frames[i - 1], s->frames[i].field);
    }
    if (s->current && s->depth > 0) {
        append_step(path, used, sizeof path, &s->frames[s->depth - 1], s->current);
    }
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return diag_add(s->diag, status, &(diag_place){.file = s->file}, "offset %zu, %s: %s", s->at,
                    path[0] ? path : "the model", why);
}

/* ---- output ---- */

static lathe_status wire_reserve(scanner *s, size_t more)
{
    if (more <= s->cap - s->size) return LATHE_OK;
    size_t cap = s->cap ? s->cap : 4096;
    while (cap - s->size < more) {
        if (cap > SIZE_MAX / 2) return wire_fail(s, LATHE_OUT_OF_MEMORY, "out of memory");
        cap *= 2;
    }
    uint8_t *grown = realloc(s->out, cap);
    if (!grown) return wire_fail(s, LATHE_OUT_OF_MEMORY, "out of memory");
    s->out = grown;
    s->cap = cap;
    return LATHE_OK;
}

static lathe_status put_bytes(scanner *s, size_t from, size_t count)
{
    TRY(wire_reserve(s, count));
    if (count) memcpy(s->out + s->size, s->bytes + from, count);
    s->size += count;
    return LATHE_OK;
}

static lathe_status put_varint(scanner *s, uint64_t value)
{
    TRY(wire_reserve(s, 10));
    for (; value >= 0x80; value >>= 7) s->out[s->size++] = (uint8_t)(value | 0x80);
    s->out[s->size++] = (uint8_t)value;
    return LATHE_OK;
}

static lathe_status put_key(scanner *s, uint32_t number, int wire)
{
    return put_varint(s, (uint64_t)number << 3 | (unsigned)wire);
}

/* ---- input ---- */

static lathe_status get_varint(scanner *s, size_t end, uint64_t *value)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (s->at >= end) return wire_fail(s, LATHE_BAD_INPUT, "the file ends inside a number");
        uint8_t byte = s->bytes[s->at++];
        if (shift == 63 && byte > 1) break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = v;
            return LATHE_OK;
        }
    }
    return wire_fail(s, LATHE_BAD_INPUT, "a number is longer than 64 bits");
}

static int scalar_wire(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_ENUM:
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    default:
        return WIRE_BAD;
    }
}

/* A packed list: whole elements only. Moves s->at to its end. */
static lathe_status check_packed(scanner *s, int wire, size_t end)
{
    if (wire != WIRE_VARINT) {
        size_t element = wire == WIRE_32 ? 4 : 8;
        if ((end - s->at) % element) {
            return wire_fail(s, LATHE_BAD_INPUT, "a packed list ends inside an element");
        }
        s->at = end;
    }
    while (s->at < end) {
        uint64_t ignored;
        TRY(get_varint(s, end, &ignored));
    }
    return LATHE_OK;
}

/* Where the value of a field ends; s->at is moved to where its contents begin. */
static lathe_status value_extent(scanner *s, int wire, size_t limit, size_t *end)
{
    uint64_t value, length = wire == WIRE_64 ? 8 : 4;
    size_t start = s->at;
    switch (wire) {
    case WIRE_VARINT:
        TRY(get_varint(s, limit, &value));
        *end = s->at;
        s->at = start;
        return LATHE_OK;
    case WIRE_LENGTH:
        TRY(get_varint(s, limit, &length));
        break;
    case WIRE_64:
    case WIRE_32:
        break;
    default:
        return wire_fail(s, LATHE_BAD_INPUT, "wire type %d, which no ONNX field has", wire);
    }
    if (length > limit - s->at) {
        return wire_fail(s, LATHE_BAD_INPUT, "a length of %llu bytes, but %zu are left",
                         (unsigned long long)length, limit - s->at);
    }
    *end = s->at + (size_t)length;
    return LATHE_OK;
}

/* ---- fields ---- */

static lathe_status open_message(scanner *s, field_type field, size_t end)
{
    if (s->depth == FE_WIRE_DEPTH) {
        return wire_fail(s, LATHE_LIMIT, "messages nest deeper than %d", FE_WIRE_DEPTH);
    }
    if (++s->messages > FE_WIRE_MAX_MESSAGES) {
        return wire_fail(s, LATHE_LIMIT, "more than %u messages", FE_WIRE_MAX_MESSAGES);
    }
    TRY(put_key(s, field->id, WIRE_LENGTH));
    TRY(wire_reserve(s, LENGTH_BYTES));
    frame *f = &s->frames[s->depth++];
    memset(f, 0, sizeof *f);
    f->type = field->descriptor;
    f->field = field;
    f->end = end;
    f->header = s->size;
    s->size += LENGTH_BYTES;
    return LATHE_OK;
}

static lathe_status close_message(scanner *s)
{
    frame *f = &s->frames[s->depth - 1];
    s->current = NULL;
    if (f->field) {
        size_t length = s->size - f->header - LENGTH_BYTES;
        if (length > INT32_MAX)
            return wire_fail(s, LATHE_LIMIT, "more than 2 GiB without raw data");
        for (int i = 0; i < LENGTH_BYTES; i++) {
            unsigned more = i < LENGTH_BYTES - 1 ? 0x80 : 0;
            s->out[f->header + (size_t)i] = (uint8_t)((length >> (7 * i) & 0x7f) | more);
        }
    }
    s->depth--;
    return LATHE_OK;
}

static lathe_status put_view(scanner *s, size_t end)
{
    TRY(put_key(s, PRIVATE_FIELDS + 1, WIRE_VARINT));
    TRY(put_varint(s, s->at));
    TRY(put_key(s, PRIVATE_FIELDS + 2, WIRE_VARINT));
    TRY(put_varint(s, end - s->at));
    s->at = end;
    return LATHE_OK;
}

/* Strings become C strings, which a zero byte would cut short. */
static lathe_status put_block(scanner *s, field_type field, int wire, size_t end)
{
    size_t start = s->at;
    if (field->type == PROTOBUF_C_TYPE_STRING && memchr(s->bytes + start, 0, end - start)) {
        return wire_fail(s, LATHE_BAD_INPUT, "a string has a zero byte");
    }
    if (wire != WIRE_LENGTH) TRY(check_packed(s, wire, end));
    TRY(put_key(s, field->id, WIRE_LENGTH));
    TRY(put_varint(s, end - start));
    TRY(put_bytes(s, start, end - start));
    s->at = end;
    return LATHE_OK;
}

static field_type find_field(const frame *f, uint64_t number)
{
    if (number > PRIVATE_FIELDS) return NULL;
    return protobuf_c_message_descriptor_get_field(f->type, (unsigned)number);
}

static lathe_status known_field(scanner *s, field_type field, int wire, size_t end)
{
    frame *f = &s->frames[s->depth - 1];
    bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
    int natural = scalar_wire(field->type);
    if (++s->fields > FE_WIRE_MAX_FIELDS) {
        return wire_fail(s, LATHE_LIMIT, "more than %u fields", FE_WIRE_MAX_FIELDS);
    }
    if (f->seen[field_index(f, field)]++ && !list) {
        return wire_fail(s, LATHE_BAD_INPUT, "the field is there twice");
    }
    if (wire != natural && !(wire == WIRE_LENGTH && list)) {
        return wire_fail(s, LATHE_BAD_INPUT, "wire type %d, expected %d", wire, natural);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) return open_message(s, field, end);
    if (f->type == &onnx__tensor_proto__descriptor && field->id == RAW_DATA &&
        end - s->at >= FE_WIRE_VIEW) {
        return put_view(s, end);
    }
    if (wire == WIRE_LENGTH) return put_block(s, field, natural, end);
    TRY(put_key(s, field->id, wire));
    TRY(put_bytes(s, s->at, end - s->at));
    s->at = end;
    return LATHE_OK;
}

static lathe_status next_field(scanner *s)
{
    const frame *f = &s->frames[s->depth - 1];
    uint64_t key;
    size_t end = 0;
    s->current = NULL;
    TRY(get_varint(s, f->end, &key));
    if (key >> 3 == 0 || key > UINT32_MAX) {
        return wire_fail(s, LATHE_BAD_INPUT, "no field has the number %llu",
                         (unsigned long long)(key >> 3));
    }
    field_type field = find_field(f, key >> 3);
    s->current = field;
    TRY(value_extent(s, (int)(key & 7), f->end, &end));
    if (field) return known_field(s, field, (int)(key & 7), end);
    s->at = end;
    return LATHE_OK;
}

lathe_status fe_wire_scan(lathe_diag *diag, const char *file, const uint8_t *bytes, size_t size,
                          fe_wire *out)
{
    *out = (fe_wire){0};
    scanner s = {.bytes = bytes, .file = file, .diag = diag, .depth = 1, .messages = 1};
    s.frames[0] = (frame){.type = &onnx__model_proto__descriptor, .end = size};
    lathe_status status = wire_reserve(&s, size < (1u << 20) ? size + 1 : 1u << 20);
    while (status == LATHE_OK && s.depth > 0) {
        bool done = s.at == s.frames[s.depth - 1].end;
        status = done ? close_message(&s) : next_field(&s);
    }
    if (status != LATHE_OK) {
        free(s.out);
        return status;
    }
    *out = (fe_wire){s.out, s.size};
    return LATHE_OK;
}
