/* TensorProto -> constant, through a whole import: the tensor is an initializer that is the output.
 */
#include <criterion/criterion.h>

#include "tests/unit/model.h"

TestSuite(tensor, .init = trial_begin, .fini = trial_end);

static const int64_t three[] = {3};

/* Imports a model that returns t; the constant's bytes. */
static const ir_blob *import_tensor(Onnx__TensorProto *t)
{
    model m = model_new(8, 17);
    PUSH(m->graph, initializer, t);
    PUSH(m->graph, output, value_new("w", t->data_type, "3"));
    if (read_model(m) != LATHE_OK) return NULL;
    ir_value v = trial.g->blocks[1].results[0];
    return &ir_attr_find(&trial.g->nodes[trial.g->values[v].def], IR_KEY_data)->u.blob;
}

static void expect(Onnx__TensorProto *t, const void *bytes, size_t size)
{
    const ir_blob *blob = import_tensor(t);
    cr_assert_not_null(blob, "%s", messages());
    cr_assert_eq(blob->size, size);
    cr_assert_eq(memcmp(blob->bytes, bytes, size), 0);
}

static void refused(Onnx__TensorProto *t, lathe_status status, const char *why)
{
    cr_assert_null(import_tensor(t));
    cr_assert_eq(trial.status, status, "%d: %s", trial.status, messages());
    SAYS(why);
}

static Onnx__TensorProto *tensor3(int elem) { return tensor_new("w", elem, 1, three); }

#define ELEM(NAME, text, onnx, width, class)                                                       \
    Test(tensor, raw_##NAME)                                                                       \
    {                                                                                              \
        static const uint8_t bytes[3 * 16] = {1, 0, 1};                                            \
        Onnx__TensorProto *t = tensor3(onnx);                                                      \
        size_t size = (3 * width + 7) / 8;                                                         \
        tensor_raw(t, bytes, size);                                                                \
        if (class == 'T') refused(t, LATHE_BAD_INPUT, "0 strings, the dims say 3");                \
        else expect(t, bytes, size);                                                               \
    }
enum { F = 'F', L = 'L', S = 'S', U = 'U', B = 'B', C = 'C', T = 'T' };
#include "ir/types.def"
#undef ELEM

#define FROM_INT32(NAME, elem, type, ...)                                                          \
    Test(tensor, int32_data_##NAME)                                                                \
    {                                                                                              \
        static const int32_t in[] = {__VA_ARGS__};                                                 \
        static const type out[] = {__VA_ARGS__};                                                   \
        Onnx__TensorProto *t = tensor3(elem);                                                      \
        for (size_t i = 0; i < 3; i++) PUSH(t, int32_data, in[i]);                                 \
        expect(t, out, sizeof out);                                                                \
    }
FROM_INT32(i32, IR_I32, int32_t, -5, 0, INT32_MAX)
FROM_INT32(i16, IR_I16, int16_t, -32768, 0, 32767)
FROM_INT32(u16, IR_U16, uint16_t, 1, 2, 65535)
FROM_INT32(i8, IR_I8, int8_t, -128, 0, 127)
FROM_INT32(u8, IR_U8, uint8_t, 1, 2, 255)
FROM_INT32(bool, IR_BOOL, uint8_t, 1, 0, 1)
FROM_INT32(f16, IR_F16, uint16_t, 0x3c00, 0xbc00, 0)
FROM_INT32(bf16, IR_BF16, uint16_t, 0x3f80, 0xff80, 0)
FROM_INT32(f8, IR_F8E4M3FN, uint8_t, 0x38, 0x80, 0)
FROM_INT32(f8e8m0, IR_F8E8M0, uint8_t, 0x7f, 0xff, 0)

Test(tensor, int32_data_of_sub_bytes)
{
    static const int elems[] = {IR_U4, IR_I4, IR_F4E2M1};
    Onnx__TensorProto *t;
    for (size_t i = 0; i < 3; i++) {
        t = tensor3(elems[i]);
        PUSH(t, int32_data, 0x21);
        PUSH(t, int32_data, 0x0f);
        expect(t, "\x21\x0f", 2);
    }
    t = tensor3(IR_U2);
    PUSH(t, int32_data, 0x39);
    expect(t, "\x39", 1);
}

Test(tensor, other_typed_fields)
{
    Onnx__TensorProto *f = tensor3(IR_F32), *d = tensor3(IR_F64), *i = tensor3(IR_I64);
    Onnx__TensorProto *u = tensor3(IR_U32), *v = tensor3(IR_U64), *c = tensor3(IR_C64);
    for (int k = 0; k < 3; k++) {
        PUSH(f, float_data, 0.5f * (float)k);
        PUSH(d, double_data, 0.5 * k);
        PUSH(i, int64_data, -k);
        PUSH(u, uint64_data, 4294967295u - (unsigned)k);
        PUSH(v, uint64_data, UINT64_MAX - (unsigned)k);
        PUSH(c, float_data, (float)k);
        PUSH(c, float_data, (float)-k);
    }
    expect(f, (float[]){0, 0.5f, 1}, 12);
    expect(d, (double[]){0, 0.5, 1}, 24);
    expect(i, (int64_t[]){0, -1, -2}, 24);
    expect(u, (uint32_t[]){4294967295u, 4294967294u, 4294967293u}, 12);
    expect(v, (uint64_t[]){UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2}, 24);
    expect(c, (float[]){0, 0, 1, -1, 2, -2}, 24);
}

Test(tensor, long_raw_data_is_a_view_of_the_file)
{
    static float bytes[3000];
    Onnx__TensorProto *t = tensor_new("w", IR_F32, 1, (int64_t[]){3000});
    bytes[2999] = 7;
    tensor_raw(t, bytes, sizeof bytes);
    expect(t, bytes, sizeof bytes);
    const fe_file *file = fe_file_find(trial.files, trial.path);
    const ir_blob *blob = &ir_attr_find(&trial.g->nodes[1], IR_KEY_data)->u.blob;
    cr_assert_eq((const uint8_t *)blob->bytes, file->bytes + blob->offset);
    cr_assert_str_eq(ir_text(trial.g, blob->file), trial.path);
}

Test(tensor, small_data_is_aligned)
{
    static const double bytes[40];
    Onnx__TensorProto *t = tensor_new("w", IR_F64, 1, (int64_t[]){40});
    tensor_raw(t, bytes, sizeof bytes);
    const ir_blob *blob = import_tensor(t);
    cr_assert_eq((uintptr_t)blob->bytes % _Alignof(max_align_t), 0);
}

Test(tensor, bool_is_zero_or_one)
{
    Onnx__TensorProto *t = tensor3(IR_BOOL);
    tensor_raw(t, "\x02\x00\xff", 3);
    expect(t, "\x01\x00\x01", 3);
}

Test(tensor, empty)
{
    Onnx__TensorProto *t = tensor_new("w", IR_F32, 2, (int64_t[]){0, 7});
    expect(t, "", 0);
}

Test(tensor, sizes_are_checked)
{
    Onnx__TensorProto *t = tensor3(IR_F32);
    refused(t, LATHE_BAD_INPUT, "0 values, 0 of them in float_data, expected 3");
    tensor_raw(t, "123456789012", 8);
    refused(t, LATHE_BAD_INPUT, "8 bytes, f32[3] needs 12");
    t->raw_data.len = 12;
    PUSH(t, int32_data, 1);
    refused(t, LATHE_BAD_INPUT, "raw and typed");
}

Test(tensor, values_must_fit)
{
    Onnx__TensorProto *t = tensor3(IR_U8);
    PUSH(t, int32_data, 1);
    PUSH(t, int32_data, 256);
    PUSH(t, int32_data, 1);
    refused(t, LATHE_BAD_INPUT, "does not fit u8");
}

Test(tensor, hostile_dims)
{
    refused(tensor_new("w", 1, 1, (int64_t[]){-1}), LATHE_BAD_INPUT, "dim 0 is -1");
    refused(tensor_new("w", 1, 3, (int64_t[]){INT64_MAX, 4, 4}), LATHE_BAD_INPUT, "too many");
    refused(tensor_new("w", 1, 2, (int64_t[]){0x4000000000000000, 4}), LATHE_BAD_INPUT, "too many");
    refused(tensor_new("w", 1, 1, (int64_t[]){INT64_MAX}), LATHE_BAD_INPUT, "too many");
    refused(tensor_new("w", 1, 13, (int64_t[13]){1}), LATHE_LIMIT, "rank 13");
    refused(tensor_new("w", 99, 0, NULL), LATHE_BAD_INPUT, "type 99");
    refused(tensor_new("w", -1, 0, NULL), LATHE_BAD_INPUT, "type -1");
}

static Onnx__TensorProto *external3(char *offset, char *length)
{
    Onnx__TensorProto *t = tensor3(IR_F32);
    static const float bytes[] = {1, 2, 3, 4};
    write_file("data", bytes, sizeof bytes);
    tensor_external(t, "location", "data");
    tensor_external(t, "offset", offset);
    if (length) tensor_external(t, "length", length);
    return t;
}

Test(tensor, external_data)
{
    static const float bytes[] = {1, 2, 3, 4};
    expect(external3("4", NULL), bytes + 1, 12);
    expect(external3("0", "12"), bytes, 12);
    refused(external3("5", NULL), LATHE_BAD_INPUT, "but '");
    refused(external3("9223372036854775807", "12"), LATHE_BAD_INPUT, "but '");
    refused(external3("0", "16"), LATHE_BAD_INPUT, "16 bytes, f32[3] needs 12");
    expect(external3("4", "0"), bytes + 1, 12);
    refused(external3("5", "0"), LATHE_BAD_INPUT, "but '");
    Onnx__TensorProto *t = external3("0", "12");
    tensor_raw(t, bytes, 12);
    refused(t, LATHE_BAD_INPUT, "external and inline");
}

/* What a failed download leaves is long enough to be read as weights. */
Test(tensor, placeholders_are_no_weights)
{
    static const char lfs[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n";
    static const char page[] = "\n<!DOCTYPE html>\n<html><body>Sign in</body></html>";
    Onnx__TensorProto *t = external3("4", "12");
    write_file("data", lfs, sizeof lfs - 1);
    refused(t, LATHE_BAD_INPUT, "data' is a Git LFS pointer, which stands for the file");
    SAYS("`git lfs pull` fetches the file");
    write_file("page", page, sizeof page - 1);
    t->external_data[0]->value = "page";
    refused(t, LATHE_BAD_INPUT, "page' is an HTML page");
    write_file("empty", "", 0);
    t->external_data[0]->value = "empty";
    refused(t, LATHE_BAD_INPUT, "empty' is empty");
}

static const ir_blob *import_sparse(Onnx__SparseTensorProto *s)
{
    model m = model_new(8, 17);
    PUSH(m->graph, sparse_initializer, s);
    PUSH(m->graph, output, value_new("w", 1, "3"));
    if (read_model(m) != LATHE_OK) return NULL;
    ir_value v = trial.g->blocks[1].results[0];
    return &ir_attr_find(&trial.g->nodes[trial.g->values[v].def], IR_KEY_data)->u.blob;
}

Test(tensor, sparse)
{
    static float values[] = {5, 6};
    static int64_t flat[] = {1, 5}, pairs[] = {0, 1, 1, 2};
    Onnx__SparseTensorProto *s = MAKE(sparse_tensor_proto);
    s->values = tensor_new("w", 1, 1, (int64_t[]){2});
    tensor_raw(s->values, values, sizeof values);
    s->indices = tensor_new("", IR_I64, 1, (int64_t[]){2});
    tensor_raw(s->indices, flat, sizeof flat);
    PUSH(s, dims, 2);
    PUSH(s, dims, 3);
    const ir_blob *blob = import_sparse(s);
    cr_assert_not_null(blob, "%s", messages());
    cr_assert_eq(memcmp(blob->bytes, (float[]){0, 5, 0, 0, 0, 6}, 24), 0);
    s->indices = tensor_new("", IR_I64, 2, (int64_t[]){2, 2});
    tensor_raw(s->indices, pairs, sizeof pairs);
    blob = import_sparse(s);
    cr_assert_eq(memcmp(blob->bytes, (float[]){0, 5, 0, 0, 0, 6}, 24), 0);
    pairs[3] = 3;
    cr_assert_null(import_sparse(s));
    SAYS("an index is outside");
    s->dims[0] = INT64_C(1) << 40;
    cr_assert_null(import_sparse(s));
    SAYS("when dense");
}
