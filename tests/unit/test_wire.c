/* The pre-scan on hand-made bytes: what it refuses, where it says so, and what it hands on. */
#include <criterion/criterion.h>

#include "frontend/wire.h"
#include "tests/unit/model.h"

static fe_wire wire;
static lathe_diag *diag;

static lathe_status scan(const void *bytes, size_t size)
{
    diag = lathe_diag_new();
    return fe_wire_scan(diag, "m", bytes, size, &wire);
}
#define SCAN(...) scan((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static const char *said(void) { return lathe_diag_count(diag) ? lathe_diag_get(diag, 0).text : ""; }
#define SAID(part) cr_assert(strstr(said(), part), "expected '%s' in '%s'", part, said())

static Onnx__ModelProto *unpack(void)
{
    return onnx__model_proto__unpack(NULL, wire.size, wire.bytes);
}

Test(wire, descriptors_fit_the_scanner)
{
    const ProtobufCMessageDescriptor *all[] = {
        &onnx__model_proto__descriptor,  &onnx__graph_proto__descriptor,
        &onnx__node_proto__descriptor,   &onnx__attribute_proto__descriptor,
        &onnx__tensor_proto__descriptor, &onnx__function_proto__descriptor,
        &onnx__type_proto__descriptor,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cr_assert_lt(all[i]->n_fields, 32);
}

Test(wire, empty_file_is_an_empty_model)
{
    cr_assert_eq(scan("", 0), LATHE_OK);
    cr_assert_eq(wire.size, 0);
}

Test(wire, scalar_is_kept)
{
    cr_assert_eq(SCAN(0x08, 0x0a), LATHE_OK);
    cr_assert_eq(unpack()->ir_version, 10);
}

Test(wire, unknown_fields_are_dropped)
{
    /* 200: varint, 201: bytes, 202: fixed32, 203: fixed64, then ir_version */
    cr_assert_eq(SCAN(0xc0, 0x0c, 1, 0xca, 0x0c, 2, 'a', 'b', 0xd5, 0x0c, 1, 2, 3, 4, 0xd9, 0x0c, 1,
                      2, 3, 4, 5, 6, 7, 8, 0x08, 7),
                 LATHE_OK);
    cr_assert_eq(wire.size, 2);
}

Test(wire, truncated_number)
{
    cr_assert_eq(SCAN(0x08, 0x80), LATHE_BAD_INPUT);
    SAID("offset 2, ir_version");
}

Test(wire, overlong_number)
{
    cr_assert_eq(SCAN(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
                 LATHE_BAD_INPUT);
    SAID("longer than 64 bits");
}

Test(wire, padded_number_is_fine)
{
    cr_assert_eq(SCAN(0x08, 0x87, 0x80, 0x80, 0x00), LATHE_OK);
    cr_assert_eq(unpack()->ir_version, 7);
}

Test(wire, length_beyond_the_parent)
{
    cr_assert_eq(SCAN(0x3a, 0x04, 0x0a, 0x03, 0x1a, 0x00), LATHE_BAD_INPUT);
    SAID("graph.node[0]: a length of 3 bytes, but 2 are left");
}

Test(wire, path_counts_repeated_fields)
{
    /* graph { node {} node { attribute {} attribute { t { dims: (truncated) */
    cr_assert_eq(SCAN(0x3a, 12, 0x0a, 0, 0x0a, 8, 0x2a, 0, 0x2a, 4, 0x2a, 2, 0x08, 0x80),
                 LATHE_BAD_INPUT);
    SAID("graph.node[1].attribute[1].t.dims[0]: the file ends inside a number");
}

Test(wire, huge_length)
{
    cr_assert_eq(SCAN(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
                 LATHE_BAD_INPUT);
}

Test(wire, wrong_wire_type)
{
    cr_assert_eq(SCAN(0x38, 0x01), LATHE_BAD_INPUT);
    SAID("graph: wire type 0, expected 2");
    cr_assert_eq(SCAN(0x0a, 0x01, 0x01), LATHE_BAD_INPUT);
    cr_assert_eq(SCAN(0x0b), LATHE_BAD_INPUT);
    cr_assert_eq(SCAN(0x00, 0x00), LATHE_BAD_INPUT);
}

Test(wire, singular_field_twice)
{
    cr_assert_eq(SCAN(0x3a, 0, 0x3a, 0), LATHE_BAD_INPUT);
    SAID("twice");
}

Test(wire, zero_byte_in_a_name)
{
    cr_assert_eq(SCAN(0x12, 3, 'a', 0, 'b'), LATHE_BAD_INPUT);
    SAID("producer_name: a string has a zero byte");
}

Test(wire, packed_list_ends_inside_an_element)
{
    /* graph { initializer { float_data: 5 bytes packed */
    cr_assert_eq(SCAN(0x3a, 9, 0x2a, 7, 0x22, 5, 1, 2, 3, 4, 5), LATHE_BAD_INPUT);
    SAID("graph.initializer[0].float_data[0]");
}

/* A TypeProto's contents: sequence_type { elem_type { sequence_type { ... }}}, n messages deep; n
 * is odd, so that the outermost is a sequence_type. */
static size_t nested_type(uint8_t *out, int n)
{
    uint8_t *at = out + (1 << 16);
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t keys[2] = {0x22, 0x0a};
        uint8_t head[3] = {keys[i % 2], (uint8_t)(size | 0x80), (uint8_t)(size >> 7)};
        at -= 3;
        memcpy(at, head, 3);
        size += 3;
    }
    memmove(out, at, size);
    return size;
}

Test(wire, deep_nesting_is_refused)
{
    static uint8_t inner[1 << 17], bytes[1 << 17];
    for (int depth = 21; depth <= 2001; depth += 1980) {
        size_t size = nested_type(inner, depth);
        /* graph { node { attribute { tp { */
        size_t body = size + 3, attr = body + 3, node = attr + 3;
        uint8_t head[] = {0x3a, (uint8_t)(node | 0x80), (uint8_t)(node >> 7),
                          0x0a, (uint8_t)(attr | 0x80), (uint8_t)(attr >> 7),
                          0x2a, (uint8_t)(body | 0x80), (uint8_t)(body >> 7),
                          0x72, (uint8_t)(size | 0x80), (uint8_t)(size >> 7)};
        memcpy(bytes, head, sizeof head);
        memcpy(bytes + sizeof head, inner, size);
        lathe_status status = scan(bytes, sizeof head + size);
        cr_assert_eq(status, depth == 21 ? LATHE_OK : LATHE_LIMIT, "%s", said());
    }
    SAID("nest deeper");
}

/* A model with one initializer of n bytes; more is appended inside the tensor. */
static size_t tensor_model(uint8_t *out, size_t n, const uint8_t *more, size_t nmore)
{
    size_t tensor = 3 + n + nmore, graph = 3 + tensor;
    uint8_t head[] = {0x3a, (uint8_t)(graph | 0x80),  (uint8_t)(graph >> 7),
                      0x2a, (uint8_t)(tensor | 0x80), (uint8_t)(tensor >> 7),
                      0x4a, (uint8_t)(n | 0x80),      (uint8_t)(n >> 7)};
    memcpy(out, head, sizeof head);
    memset(out + sizeof head, 0x55, n);
    memcpy(out + sizeof head + n, more, nmore);
    return sizeof head + n + nmore;
}

Test(wire, long_raw_data_becomes_a_view)
{
    uint8_t bytes[2048];
    size_t size = tensor_model(bytes, 1000, (const uint8_t *)"", 0);
    cr_assert_eq(scan(bytes, size), LATHE_OK);
    Onnx__TensorProto *t = unpack()->graph->initializer[0];
    cr_assert(t->has_view_size && !t->has_raw_data);
    cr_assert_eq(t->view_offset, 9);
    cr_assert_eq(t->view_size, 1000);
    cr_assert_lt(wire.size, 64);
}

Test(wire, short_raw_data_stays)
{
    uint8_t bytes[256];
    size_t size = tensor_model(bytes, 100, (const uint8_t *)"", 0);
    cr_assert_eq(scan(bytes, size), LATHE_OK);
    Onnx__TensorProto *t = unpack()->graph->initializer[0];
    cr_assert(!t->has_view_size && t->has_raw_data);
    cr_assert_eq(t->raw_data.len, 100);
}

Test(wire, private_fields_cannot_be_forged)
{
    /* 10001 = 0x138 0x89 ..: view_offset 5, view_size 1000000 */
    const uint8_t forged[] = {0x88, 0xf1, 0x04, 5, 0x90, 0xf1, 0x04, 0xc0, 0x84, 0x3d};
    uint8_t bytes[256];
    size_t size = tensor_model(bytes, 100, forged, sizeof forged);
    cr_assert_eq(scan(bytes, size), LATHE_OK);
    Onnx__TensorProto *t = unpack()->graph->initializer[0];
    cr_assert(!t->has_view_offset && !t->has_view_size);
}

/* Every prefix and every single changed byte of a real message: a status, never a crash. */
Test(wire, damaged_bytes)
{
    model m = model_new(8, 17);
    PUSH(m->graph, node, node_new("Relu", "x", "y"));
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, initializer, tensor_new("w", 1, 2, (int64_t[]){2, 3}));
    uint8_t bytes[1024];
    size_t size = onnx__model_proto__pack(m, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        if (scan(bytes, cut) == LATHE_OK) cr_assert_not_null(unpack());
    }
    for (size_t i = 0; i < size * 255; i++) {
        uint8_t old = bytes[i / 255];
        bytes[i / 255] = (uint8_t)(old + 1 + i % 255);
        if (scan(bytes, size) == LATHE_OK) cr_assert_not_null(unpack());
        bytes[i / 255] = old;
    }
}
