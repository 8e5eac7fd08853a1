/* NumPy's .npy: versions 1 to 3, little-endian, C order.
 *
 * The header is a Python dict literal with exactly the keys descr, fortran_order and shape; it is
 * read strictly, and the data must have exactly the size that it says. */
#include "driver/tensor_util.h"

#include <stdlib.h>
#include <string.h>

/* NumPy's letter and width of each element type that it has. */
static const struct {
    lathe_elem elem;
    char text[4];
} types[] = {
    {LATHE_F32, "f4"}, {LATHE_F64, "f8"},   {LATHE_F16, "f2"}, {LATHE_I8, "i1"},
    {LATHE_I16, "i2"}, {LATHE_I32, "i4"},   {LATHE_I64, "i8"}, {LATHE_U8, "u1"},
    {LATHE_U16, "u2"}, {LATHE_U32, "u4"},   {LATHE_U64, "u8"}, {LATHE_BOOL, "b1"},
    {LATHE_C64, "c8"}, {LATHE_C128, "c16"},
};
enum { NTYPES = sizeof types / sizeof types[0] };
static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6 };

/* ---- the header ---- */

typedef struct text {
    const char *at, *end;
} text;

static void skip_space(text *t)
{
    while (t->at < t->end && strchr(" \t\n\r", *t->at) && *t->at) t->at++;
}

/* Takes a word and the spaces before it. */
static bool take(text *t, const char *word)
{
    size_t n = strlen(word);
    skip_space(t);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

static bool take_quoted(text *t, char *out, size_t size)
{
    skip_space(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"')) return false;
    char quote = *t->at++;
    size_t n = 0;
    for (; t->at < t->end && *t->at != quote; t->at++) {
        if (n + 1 == size) return false;
        out[n++] = *t->at;
    }
    out[n] = '\0';
    return t->at < t->end && *t->at++ == quote;
}

static bool take_int(text *t, int64_t *value)
{
    skip_space(t);
    const char *begin = t->at;
    for (*value = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (int64_t)(*t->at - '0'), value))
            return false;
    if (t->at > begin && t->at < t->end && *t->at == 'L') t->at++; /* Python 2 */
    return t->at > begin;
}

static bool take_shape(text *t, lathe_tensor *tensor)
{
    if (!take(t, "(")) return false;
    while (!take(t, ")")) {
        if (tensor->rank == LATHE_MAX_RANK || !take_int(t, &tensor->dims[tensor->rank]))
            return false;
        tensor->rank++;
        if (!take(t, ",")) return take(t, ")");
    }
    return true;
}

static lathe_elem find_type(const char *descr)
{
    char order = descr[0];
    bool one_byte = order && descr[1] && descr[2] == '1' && !descr[3];
    if (!strchr("<=|", order) || !order || (order == '|' && !one_byte)) return (lathe_elem)0;
    for (int i = 0; i < NTYPES; i++)
        if (strcmp(types[i].text, descr + 1) == 0) return types[i].elem;
    return (lathe_elem)0;
}

static lathe_status read_dict(text t, lathe_tensor *tensor, tensor_message *m)
{
    char key[16], descr[16] = "";
    unsigned seen = 0;
    bool ok = take(&t, "{");
    while (ok && !take(&t, "}")) {
        unsigned bit = 0;
        ok = take_quoted(&t, key, sizeof key) && take(&t, ":");
        if (ok && strcmp(key, "descr") == 0) ok = (bit = 1, take_quoted(&t, descr, sizeof descr));
        else if (ok && strcmp(key, "shape") == 0) ok = (bit = 2, take_shape(&t, tensor));
        else if (ok && strcmp(key, "fortran_order") == 0) ok = (bit = 4, take(&t, "False"));
        else ok = false;
        if (!ok && bit == 4)
            return tensor_fail(m, LATHE_UNSUPPORTED,
                               "the array is in Fortran order, only C order is read");
        ok = ok && !(seen & bit);
        seen |= bit;
        if (ok && !take(&t, ",")) {
            ok = take(&t, "}");
            break;
        }
    }
    skip_space(&t);
    if (!ok || seen != 7 || t.at != t.end)
        return tensor_fail(m, LATHE_BAD_INPUT, "not an npy header");
    tensor->elem = find_type(descr);
    if (!tensor->elem)
        return tensor_fail(m, LATHE_UNSUPPORTED, "element type '%s' is not read", descr);
    return LATHE_OK;
}

lathe_status tensor_parse_npy(const void *bytes, size_t size, tensor_file *out, tensor_message *m)
{
    const unsigned char *b = bytes;
    *out = (tensor_file){0};
    if (m) m->text[0] = '\0';
    if (size < MAGIC + 6 || memcmp(b, magic, MAGIC) != 0 || b[6] < 1 || b[6] > 3)
        return tensor_fail(m, LATHE_BAD_INPUT, "not an npy file");
    size_t head = b[6] == 1 ? 10 : 12, length = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > size - head) return tensor_fail(m, LATHE_BAD_INPUT, "the header is cut off");
    const char *header = (const char *)b + head;
    lathe_tensor tensor = {0};
    lathe_status s = read_dict((text){header, header + length}, &tensor, m);
    if (s != LATHE_OK) return s;
    size_t has = size - head - length;
    if (!tensor_bytes(&tensor, &tensor.size) || tensor.size != has)
        return tensor_fail(m, LATHE_BAD_INPUT, "%zu bytes of data do not match the shape", has);
    tensor.data = malloc(has + 1);
    if (!tensor.data) return tensor_fail(m, LATHE_OUT_OF_MEMORY, "out of memory");
    memcpy(tensor.data, header + length, has);
    out->tensor = tensor;
    return LATHE_OK;
}

/* ---- writing ---- */

static const char *type_text(lathe_elem elem)
{
    for (int i = 0; i < NTYPES; i++)
        if (types[i].elem == elem) return types[i].text;
    return tensor_elem_bits(elem) == 16 ? "u2" : "u1";
}

static lathe_status write_npy(FILE *out, const lathe_tensor *t, const char *name, tensor_message *m)
{
    (void)name;
    size_t bytes;
    int64_t count;
    char header[512];
    if (t->elem == LATHE_STRING)
        return tensor_fail(m, LATHE_UNSUPPORTED,
                           "strings in an npy file are not supported; a .pb file holds them");
    if (!tensor_bytes(t, &bytes) || !tensor_count(t, &count))
        return tensor_fail(m, LATHE_BAD_INPUT, "a tensor that cannot be");
    const char *type = type_text(t->elem);
    int n = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     type[1] == '1' && !type[2] ? '|' : '<', type);
    for (int i = 0; i < t->rank; i++)
        n += snprintf(header + n, sizeof header - (size_t)n, i ? " %lld," : "%lld,",
                      (long long)t->dims[i]);
    if (t->rank > 1) n--;
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    while ((10 + n + 1) % 64) header[n++] = ' ';
    header[n++] = '\n';
    fwrite(magic, 1, MAGIC, out);
    const unsigned char head[4] = {1, 0, (unsigned char)n, (unsigned char)(n >> 8)};
    fwrite(head, 1, sizeof head, out);
    fwrite(header, 1, (size_t)n, out);
    if (tensor_elem_bits(t->elem) >= 8) fwrite(t->data, 1, bytes, out);
    else
        for (int64_t i = 0; i < count; i++) putc((int)tensor_element_bits(t, i), out);
    return LATHE_OK;
}

lathe_status tensor_write_npy(const char *path, const lathe_tensor *t, tensor_message *m)
{
    return tensor_to_file(path, t, NULL, m, write_npy);
}
