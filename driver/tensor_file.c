/* What all tensor files share: element types, sizes, files, and values as doubles.
 *
 * A tensor's dims come from files, so every product is checked before it sizes anything. */
#include "driver/tensor_util.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

lathe_status tensor_fail(tensor_message *m, lathe_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (m) vsnprintf(m->text, sizeof m->text, format, args);
    va_end(args);
    return status;
}

/* ---- element types ---- */

static const struct {
    char name[10], class;
    unsigned char bits;
} elems[] = {
#define ELEM(NAME, text, onnx, width, kind) [onnx] = {text, #kind[0], width},
#include "ir/types.def"
#undef ELEM
};

static bool tensor_file_known(lathe_elem elem)
{
    return elem > 0 && (size_t)elem < sizeof elems / sizeof elems[0] && elems[elem].class;
}

const char *tensor_elem_name(lathe_elem elem)
{
    return tensor_file_known(elem) ? elems[elem].name : "?";
}

int tensor_elem_bits(lathe_elem elem) { return tensor_file_known(elem) ? elems[elem].bits : 0; }

char tensor_elem_class(lathe_elem elem) { return tensor_file_known(elem) ? elems[elem].class : 0; }

bool tensor_count(const lathe_tensor *t, int64_t *count)
{
    int64_t n = 1;
    bool empty = false;
    if (t->rank < 0 || t->rank > LATHE_MAX_RANK) return false;
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0) return false;
        empty |= t->dims[i] == 0;
    }
    for (int i = 0; i < t->rank && !empty; i++)
        if (__builtin_mul_overflow(n, t->dims[i], &n)) return false;
    *count = empty ? 0 : n;
    return true;
}

bool tensor_bytes(const lathe_tensor *t, size_t *bytes)
{
    int64_t n;
    int bits = tensor_elem_bits(t->elem);
    if (!bits || !tensor_count(t, &n)) return false;
    if (__builtin_mul_overflow(n, (int64_t)bits, &n)) return false;
    *bytes = (size_t)(n / 8 + (n % 8 != 0));
    return true;
}

/* ---- values ---- */

uint64_t tensor_element_bits(const lathe_tensor *t, int64_t i)
{
    int bits = tensor_elem_bits(t->elem);
    const unsigned char *data = t->data;
    uint64_t x = 0;
    if (bits < 8) {
        int per = 8 / bits;
        return (uint64_t)(data[i / per] >> (i % per * bits)) & ((1u << bits) - 1);
    }
    memcpy(&x, data + (size_t)i * (size_t)(bits / 8), (size_t)bits / 8);
    return x;
}

/* Small floats: widths of exponent and fraction, bias, and which codes are no numbers. */
enum { IEEE, NO_INF, NAN_AT_MINUS_ZERO, NUMBERS_ONLY };
typedef struct float_form {
    int exponent, fraction, bias, special;
} float_form;

static double decode_small(uint64_t bits, float_form f)
{
    int e = (int)(bits >> f.fraction & ((1u << f.exponent) - 1));
    int top = (1 << f.exponent) - 1;
    uint64_t fraction = bits & ((1ull << f.fraction) - 1), all = (1ull << f.fraction) - 1;
    bool minus = bits >> (f.exponent + f.fraction) & 1;
    double sign = minus ? -1.0 : 1.0;
    if (f.special == NAN_AT_MINUS_ZERO && minus && !e && !fraction) return NAN;
    if (f.special == NO_INF && e == top && fraction == all) return NAN;
    if (f.special == IEEE && e == top) return fraction ? NAN : sign * INFINITY;
    if (!e) return sign * ldexp((double)fraction, 1 - f.bias - f.fraction);
    return sign * ldexp((double)(fraction + (1ull << f.fraction)), e - f.bias - f.fraction);
}

static double decode_float(lathe_elem elem, uint64_t bits)
{
    float f;
    double d;
    uint32_t low = (uint32_t)bits;
    switch (elem) {
    case LATHE_F32:
        memcpy(&f, &low, sizeof f);
        return f;
    case LATHE_F64:
        memcpy(&d, &bits, sizeof d);
        return d;
    case LATHE_F16:
        return decode_small(bits, (float_form){5, 10, 15, IEEE});
    case LATHE_BF16:
        return decode_small(bits, (float_form){8, 7, 127, IEEE});
    case LATHE_F8E4M3FN:
        return decode_small(bits, (float_form){4, 3, 7, NO_INF});
    case LATHE_F8E4M3FNUZ:
        return decode_small(bits, (float_form){4, 3, 8, NAN_AT_MINUS_ZERO});
    case LATHE_F8E5M2:
        return decode_small(bits, (float_form){5, 2, 15, IEEE});
    case LATHE_F8E5M2FNUZ:
        return decode_small(bits, (float_form){5, 2, 16, NAN_AT_MINUS_ZERO});
    case LATHE_F4E2M1:
        return decode_small(bits, (float_form){2, 1, 1, NUMBERS_ONLY});
    case LATHE_F8E8M0:
        return bits == 0xFF ? NAN : ldexp(1.0, (int)bits - 127);
    default:
        return 0;
    }
}

double tensor_value(const lathe_tensor *t, int64_t i)
{
    if (t->elem == LATHE_STRING) return 0;
    if (t->elem == LATHE_C64 || t->elem == LATHE_C128) {
        lathe_tensor parts = *t;
        parts.elem = t->elem == LATHE_C64 ? LATHE_F32 : LATHE_F64;
        return tensor_value(&parts, 2 * i);
    }
    uint64_t bits = tensor_element_bits(t, i);
    int width = tensor_elem_bits(t->elem);
    switch (tensor_elem_class(t->elem)) {
    case 'F':
    case 'L':
        return decode_float(t->elem, bits);
    case 'S':
        return (double)((int64_t)(bits << (64 - width)) >> (64 - width));
    default:
        return (double)bits;
    }
}

/* ---- files ---- */

void tensor_free(tensor_file *f)
{
    free(f->tensor.data);
    *f = (tensor_file){0};
}

lathe_status tensor_with_file(const char *path, void *out, tensor_message *m, tensor_parser parse)
{
    static const char nothing[1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        return tensor_fail(m, errno == ENOENT ? LATHE_NOT_FOUND : LATHE_IO, "%s: %s", path,
                           strerror(errno));
    struct stat st;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t size = ok ? (size_t)st.st_size : 0;
    void *bytes =
        size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : (void *)(uintptr_t)nothing;
    close(fd);
    if (!ok) return tensor_fail(m, LATHE_IO, "%s: not a regular file", path);
    if (bytes == MAP_FAILED) return tensor_fail(m, LATHE_IO, "%s: cannot be read", path);
    tensor_message inner = {{0}};
    lathe_status s = parse(bytes, size, out, &inner);
    if (size) munmap(bytes, size);
    return s == LATHE_OK ? s : tensor_fail(m, s, "%.250s: %.250s", path, inner.text);
}

lathe_status tensor_to_file(const char *path, const lathe_tensor *t, const char *name,
                            tensor_message *m,
                            lathe_status (*write)(FILE *, const lathe_tensor *, const char *name,
                                                  tensor_message *))
{
    FILE *out = fopen(path, "wb");
    if (!out) return tensor_fail(m, LATHE_IO, "%s: %s", path, strerror(errno));
    lathe_status s = write(out, t, name, m);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (s == LATHE_OK && failed) s = tensor_fail(m, LATHE_IO, "%s: cannot be written", path);
    if (s != LATHE_OK) unlink(path);
    return s;
}

static lathe_status parse_pb(const void *bytes, size_t size, void *out, tensor_message *m)
{
    return tensor_parse_pb(bytes, size, out, m);
}

static lathe_status parse_npy(const void *bytes, size_t size, void *out, tensor_message *m)
{
    return tensor_parse_npy(bytes, size, out, m);
}

lathe_status tensor_read_pb(const char *path, tensor_file *f, tensor_message *m)
{
    *f = (tensor_file){0};
    return tensor_with_file(path, f, m, parse_pb);
}

lathe_status tensor_read_npy(const char *path, tensor_file *f, tensor_message *m)
{
    *f = (tensor_file){0};
    return tensor_with_file(path, f, m, parse_npy);
}

lathe_status tensor_read(const char *path, tensor_file *f, tensor_message *m)
{
    size_t n = strlen(path);
    bool npy = n >= 4 && strcmp(path + n - 4, ".npy") == 0;
    return npy ? tensor_read_npy(path, f, m) : tensor_read_pb(path, f, m);
}
