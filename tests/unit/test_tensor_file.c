/* Tensor files: round trips, typed fields, damaged bytes, and comparing. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/tensor_file.h"

static tensor_message message;
static char path[64];

static void begin(void)
{
    snprintf(path, sizeof path, "/tmp/lathe-tensor-XXXXXX");
    close(mkstemp(path));
}

static void end(void) { unlink(path); }

TestSuite(tensor, .init = begin, .fini = end);

static lathe_tensor make(lathe_elem elem, void *data, int rank, const int64_t *dims)
{
    lathe_tensor t = {.data = data, .rank = rank, .elem = elem};
    for (int i = 0; i < rank; i++) t.dims[i] = dims[i];
    tensor_bytes(&t, &t.size);
    return t;
}

/* ---- .pb ---- */

Test(tensor, pb_round_trip_of_every_type)
{
    unsigned char data[16 * 6];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 37 + 1);
    for (int elem = 1; elem < 27; elem++) {
        if (elem == LATHE_STRING) continue;
        lathe_tensor t = make((lathe_elem)elem, data, 2, (int64_t[]){2, 3});
        tensor_file back;
        cr_assert_eq(tensor_write_pb(path, "a name", &t, &message), LATHE_OK, "%s", message.text);
        cr_assert_eq(tensor_read(path, &back, &message), LATHE_OK, "%s", message.text);
        cr_expect_str_eq(back.name, "a name");
        cr_expect_eq(back.tensor.elem, t.elem);
        cr_expect_eq(back.tensor.dims[1], 3);
        cr_expect_eq(back.tensor.size, t.size);
        cr_expect_eq(memcmp(back.tensor.data, data, t.size), 0);
        tensor_free(&back);
    }
}

Test(tensor, pb_strings_and_scalars)
{
    lathe_string strings[] = {{NULL, 0}, {"two words", 9}, {"\xC3\xA9\0x", 4}};
    lathe_tensor t = make(LATHE_STRING, strings, 1, (int64_t[]){3});
    tensor_file back;
    cr_assert_eq(tensor_write_pb(path, NULL, &t, &message), LATHE_OK);
    cr_assert_eq(tensor_read_pb(path, &back, &message), LATHE_OK, "%s", message.text);
    cr_expect(tensor_compare(&back.tensor, &t, 0, 0, &message));
    strings[2].size--;
    cr_expect_not(tensor_compare(&back.tensor, &t, 0, 0, &message));
    strings[2].size++;
    strings[1].size--;
    cr_expect_not(tensor_compare(&back.tensor, &t, 0, 0, &message));
    cr_expect_str_eq(message.text, "[1] is 'two words', expected 'two word'; 1 of 3 differ");
    tensor_free(&back);
    double scalar = 2.5;
    t = make(LATHE_F64, &scalar, 0, NULL);
    cr_assert_eq(tensor_write_pb(path, NULL, &t, &message), LATHE_OK);
    cr_assert_eq(tensor_read_pb(path, &back, &message), LATHE_OK);
    cr_expect_eq(back.tensor.rank, 0);
    cr_expect_float_eq(tensor_value(&back.tensor, 0), 2.5, 0);
    tensor_free(&back);
}

/* ---- sequences and optionals ---- */

#define LIST(...)                                                                                  \
    tensor_list_parse((unsigned char[]){__VA_ARGS__}, sizeof((unsigned char[]){__VA_ARGS__}), &l,  \
                      &message)

Test(tensor, pb_sequences_are_lists_of_tensors)
{
    tensor_list l;
    /* name "x", kind 1, two u8 tensors of dims [1] and [2] */
    cr_assert_eq(
        LIST(10, 1, 'x', 16, 1, 26, 7, 8, 1, 16, 2, 74, 1, 5, 26, 8, 8, 2, 16, 2, 74, 2, 6, 7),
        LATHE_OK, "%s", message.text);
    cr_expect(l.is_list);
    cr_expect_str_eq(l.name, "x");
    cr_assert_eq(l.n, 2);
    cr_expect_eq(l.items[1].tensor.dims[0], 2);
    cr_expect_float_eq(tensor_value(&l.items[1].tensor, 1), 7, 0);
    tensor_list_free(&l);
    cr_assert_eq(LIST(10, 1, 'x', 16, 0), LATHE_OK, "an empty optional");
    cr_expect(l.is_list && l.n == 0);
    tensor_list_free(&l);
    /* an optional, name "o", kind 3, that holds a sequence of one tensor */
    cr_assert_eq(LIST(10, 1, 'o', 16, 3, 42, 12, 10, 1, 's', 26, 7, 8, 1, 16, 2, 74, 1, 9),
                 LATHE_OK);
    cr_expect_str_eq(l.name, "o");
    cr_assert_eq(l.n, 1);
    cr_expect_float_eq(tensor_value(&l.items[0].tensor, 0), 9, 0);
    tensor_list_free(&l);
}

Test(tensor, pb_tensors_are_no_sequences)
{
    tensor_list l;
    cr_assert_eq(LIST(8, 1, 16, 2, 74, 1, 5), LATHE_OK, "%s", message.text);
    cr_expect(!l.is_list && l.n == 1);
    tensor_list_free(&l);
    cr_assert_eq(LIST(10, 1, 0, 16, 2), LATHE_OK, "packed dims [0], no data");
    cr_expect(!l.is_list && l.n == 1);
    tensor_list_free(&l);
    cr_assert_eq(LIST(10, 1, 65, 16, 2, 66, 1, 'n', 74, 65, /* packed dims [65] */
                      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                      23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
                      42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60,
                      61, 62, 63, 64, 65),
                 LATHE_OK, "%s", message.text);
    cr_expect(!l.is_list && l.n == 1);
    tensor_list_free(&l);
    cr_expect_neq(LIST(10, 1, 'x', 16, 1, 26, 200, 8, 1), LATHE_OK, "a tensor beyond the end");
}

#define PARSE(...)                                                                                 \
    tensor_parse_pb((unsigned char[]){__VA_ARGS__}, sizeof((unsigned char[]){__VA_ARGS__}), &f,    \
                    &message)

Test(tensor, pb_typed_fields)
{
    tensor_file f;
    /* dims 2, float, float_data packed 1.0 and 2.0 */
    cr_assert_eq(PARSE(8, 2, 16, 1, 0x22, 8, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40), LATHE_OK, "%s",
                 message.text);
    cr_expect_float_eq(tensor_value(&f.tensor, 1), 2, 0);
    tensor_free(&f);
    /* float_data one by one */
    cr_assert_eq(PARSE(8, 2, 16, 1, 0x25, 0, 0, 0x80, 0x3F, 0x25, 0, 0, 0, 0x40), LATHE_OK);
    cr_expect_float_eq(tensor_value(&f.tensor, 0), 1, 0);
    tensor_free(&f);
    /* int8 in int32_data: -1 as ten bytes, and 5 */
    cr_assert_eq(
        PARSE(8, 2, 16, 3, 0x2A, 11, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 5),
        LATHE_OK);
    cr_expect_float_eq(tensor_value(&f.tensor, 0), -1, 0);
    cr_expect_float_eq(tensor_value(&f.tensor, 1), 5, 0);
    tensor_free(&f);
    /* float16 bits in int32_data; three int4 in two numbers; packed dims */
    cr_assert_eq(PARSE(8, 1, 16, 10, 0x28, 0x80, 0x78), LATHE_OK);
    cr_expect_float_eq(tensor_value(&f.tensor, 0), 1, 0);
    tensor_free(&f);
    cr_assert_eq(PARSE(10, 1, 3, 16, 22, 0x28, 0xF1, 1, 0x28, 7), LATHE_OK);
    cr_expect_float_eq(tensor_value(&f.tensor, 0), 1, 0);
    cr_expect_float_eq(tensor_value(&f.tensor, 1), -1, 0);
    cr_expect_float_eq(tensor_value(&f.tensor, 2), 7, 0);
    tensor_free(&f);
}

Test(tensor, pb_refusals)
{
    tensor_file f;
    cr_expect_eq(PARSE(0), LATHE_BAD_INPUT);
    cr_expect_eq(PARSE(8), LATHE_BAD_INPUT);
    cr_expect_eq(PARSE(16, 1, 0x4A, 3, 0, 0, 0), LATHE_BAD_INPUT, "3 bytes for a float");
    cr_expect_eq(PARSE(16, 99), LATHE_BAD_INPUT, "unknown type");
    cr_expect_eq(PARSE(8, 2, 16, 1), LATHE_BAD_INPUT, "no data");
    cr_expect_eq(PARSE(16, 1, 0x4A, 100, 0), LATHE_BAD_INPUT, "longer than the file");
    cr_expect_eq(PARSE(16, 1, 0x70, 1), LATHE_UNSUPPORTED, "external");
    cr_expect_eq(PARSE(8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 8, 4, 16, 1),
                 LATHE_BAD_INPUT, "a product that overflows");
    cr_expect_eq(PARSE(8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 16, 1),
                 LATHE_BAD_INPUT, "a negative dim");
    cr_expect_eq(tensor_read_pb("/nowhere/x.pb", &f, &message), LATHE_NOT_FOUND);
    cr_expect_eq(tensor_read_pb("/tmp", &f, &message), LATHE_IO);
    cr_expect_null(f.tensor.data);
}

/* Any bytes end in a tensor or an error; meant for the sanitizers. */
Test(tensor, random_bytes_do_no_harm)
{
    unsigned seed = 1;
    unsigned char bytes[80];
    const unsigned char start[] = {8, 2, 16, 1, 0x22, 8};
    const char npy[] =
        "\x93NUMPY\1\0\x40\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    for (int round = 0; round < 20000; round++) {
        tensor_file f;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
        size_t size = bytes[79] % 79;
        if (round % 2) memcpy(bytes, start, sizeof start);
        if (tensor_parse_pb(bytes, size, &f, &message) == LATHE_OK) tensor_free(&f);
        unsigned char keep = bytes[0], at = bytes[1];
        memcpy(bytes, npy, sizeof npy);
        bytes[at % sizeof npy] = keep;
        if (tensor_parse_npy(bytes, 10 + size, &f, &message) == LATHE_OK) tensor_free(&f);
    }
}

/* ---- .npy ---- */

Test(tensor, npy_round_trip)
{
    static const lathe_elem types[] = {LATHE_F32, LATHE_F64,  LATHE_F16, LATHE_I8,  LATHE_I16,
                                       LATHE_I32, LATHE_I64,  LATHE_U8,  LATHE_U16, LATHE_U32,
                                       LATHE_U64, LATHE_BOOL, LATHE_C64, LATHE_C128};
    unsigned char data[16 * 6] = {1, 0, 1, 1};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (int rank = 0; rank <= 3; rank++) {
            lathe_tensor t = make(types[i], data, rank, (int64_t[]){2, 1, 3});
            tensor_file back;
            cr_assert_eq(tensor_write_npy(path, &t, &message), LATHE_OK);
            cr_assert_eq(tensor_read_npy(path, &back, &message), LATHE_OK, "%s", message.text);
            cr_expect(tensor_compare(&back.tensor, &t, 0, 0, &message), "%s", message.text);
            tensor_free(&back);
        }
    }
}

Test(tensor, npy_writes_other_types_as_bits)
{
    unsigned char nibbles[] = {0x21, 0x03};
    lathe_tensor t = make(LATHE_U4, nibbles, 1, (int64_t[]){3});
    tensor_file back;
    cr_assert_eq(tensor_write_npy(path, &t, &message), LATHE_OK);
    cr_assert_eq(tensor_read_npy(path, &back, &message), LATHE_OK);
    cr_expect_eq(back.tensor.elem, LATHE_U8);
    cr_expect_eq(memcmp(back.tensor.data, "\1\2\3", 3), 0);
    tensor_free(&back);
}

static lathe_status parse_header(const char *dict, size_t data)
{
    char bytes[300] = "\x93NUMPY\1";
    tensor_file f;
    size_t n = strlen(dict);
    bytes[8] = (char)n;
    memcpy(bytes + 10, dict, n);
    lathe_status s = tensor_parse_npy(bytes, 10 + n + data, &f, &message);
    tensor_free(&f);
    return s;
}

Test(tensor, npy_headers)
{
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 12),
                 LATHE_OK);
    cr_expect_eq(parse_header("{\"shape\":(2,2L),'fortran_order':False,'descr':'|i1'}  \n", 4),
                 LATHE_OK);
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4),
                 LATHE_OK);
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11),
                 LATHE_BAD_INPUT);
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }", 12),
                 LATHE_UNSUPPORTED);
    cr_expect_eq(parse_header("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", 12),
                 LATHE_UNSUPPORTED);
    cr_expect_eq(parse_header("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", 12),
                 LATHE_UNSUPPORTED);
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': False}", 12), LATHE_BAD_INPUT);
    cr_expect_eq(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12),
                 LATHE_BAD_INPUT);
    cr_expect_eq(
        parse_header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 12),
        LATHE_BAD_INPUT);
    cr_expect_eq(
        parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                     12),
        LATHE_BAD_INPUT);
    cr_expect_eq(
        parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,9999999999,9)}",
                     12),
        LATHE_BAD_INPUT);
}

/* ---- values ---- */

static double decode(lathe_elem elem, unsigned bits)
{
    unsigned char bytes[2] = {(unsigned char)bits, (unsigned char)(bits >> 8)};
    lathe_tensor t = {.data = bytes, .elem = elem};
    return tensor_value(&t, 0);
}

Test(tensor, decodes_low_precision)
{
    cr_expect_float_eq(decode(LATHE_F16, 0x3C01), 1 + 1.0 / 1024, 0);
    cr_expect_float_eq(decode(LATHE_F16, 1), ldexp(1, -24), 0);
    cr_expect(isinf(decode(LATHE_F16, 0xFC00)) && decode(LATHE_F16, 0xFC00) < 0);
    cr_expect(isnan(decode(LATHE_BF16, 0x7FC0)));
    cr_expect_float_eq(decode(LATHE_BF16, 0xC040), -3, 0);
    cr_expect_float_eq(decode(LATHE_F8E4M3FN, 0x7E), 448, 0);
    cr_expect(isnan(decode(LATHE_F8E4M3FN, 0x7F)));
    cr_expect_float_eq(decode(LATHE_F8E4M3FNUZ, 0x7F), 240, 0);
    cr_expect(isnan(decode(LATHE_F8E4M3FNUZ, 0x80)));
    cr_expect_float_eq(decode(LATHE_F8E5M2, 0x7B), 57344, 0);
    cr_expect(isinf(decode(LATHE_F8E5M2, 0x7C)));
    cr_expect_float_eq(decode(LATHE_F8E5M2FNUZ, 0x7F), 57344, 0);
    cr_expect_float_eq(decode(LATHE_F4E2M1, 0x7), 6, 0);
    cr_expect_float_eq(decode(LATHE_F4E2M1, 0x9), -0.5, 0);
    cr_expect_float_eq(decode(LATHE_F8E8M0, 128), 2, 0);
    cr_expect_float_eq(decode(LATHE_I4, 0xF), -1, 0);
    cr_expect_float_eq(decode(LATHE_U2, 0x3), 3, 0);
    cr_expect_float_eq(decode(LATHE_I16, 0xFFFE), -2, 0);
}

/* ---- comparing ---- */

Test(tensor, compares_within_tolerance)
{
    float got[4] = {1, NAN, INFINITY, 100}, want[4] = {1.00001f, NAN, INFINITY, 100.05f};
    int64_t dims[] = {2, 2};
    lathe_tensor a = make(LATHE_F32, got, 2, dims), b = make(LATHE_F32, want, 2, dims);
    cr_expect(tensor_compare(&a, &b, 1e-5, 1e-3, &message), "%s", message.text);
    cr_expect_not(tensor_compare(&a, &b, 1e-5, 1e-4, &message));
    cr_expect_str_eq(message.text,
                     "[1,1] is 100, expected 100.050003; 1 of 4 differ, by at most 0.05");
    got[2] = -INFINITY;
    cr_expect_not(tensor_compare(&a, &b, 1e-5, 1e-3, NULL));
    got[2] = INFINITY;
    got[1] = 0;
    cr_expect_not(tensor_compare(&a, &b, 1e-5, 1e-3, &message));
}

Test(tensor, compares_exactly_what_is_no_float)
{
    int64_t got[2] = {1, INT64_MAX}, want[2] = {1, INT64_MAX - 1}, dims[] = {2};
    lathe_tensor a = make(LATHE_I64, got, 1, dims), b = make(LATHE_I64, want, 1, dims);
    cr_expect_not(tensor_compare(&a, &b, 1, 1, &message));
    lathe_tensor c = make(LATHE_I32, got, 1, dims);
    cr_expect_not(tensor_compare(&c, &b, 1, 1, &message));
    cr_expect_str_eq(message.text, "is i32[2], expected i64[2]");
    unsigned char codes[] = {7, 9}, near[] = {8, 8};
    a = make(LATHE_U8, codes, 1, dims);
    b = make(LATHE_U8, near, 1, dims);
    cr_expect(tensor_compare(&a, &b, 1, 0, &message)); /* a tolerance of whole codes */
    cr_expect_not(tensor_compare(&a, &b, 0.5, 1, &message));
    unsigned char yes[] = {1, 0}, also[] = {255, 0};
    a = make(LATHE_BOOL, yes, 1, dims);
    b = make(LATHE_BOOL, also, 1, dims);
    cr_expect(tensor_compare(&a, &b, 0, 0, &message));
    float x[4] = {1, 2, 3, 4}, y[4] = {1, 2, 3, 5};
    a = make(LATHE_C64, x, 1, dims);
    b = make(LATHE_C64, y, 1, dims);
    cr_expect_not(tensor_compare(&a, &b, 0, 0, &message));
    cr_expect(tensor_compare(&a, &b, 1, 0, &message));
}
