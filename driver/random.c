/* Inputs for bench where none are given: the declared type, sizes from --dim, values from a fixed
 * seed. */
#include "driver/driver.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* NAME of --dim NAME=N; the last one counts. -1: it is not given. */
static int64_t given_size(const cli_options *o, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = o->dims.n; i--;) {
        const char *text = o->dims.items[i];
        char *end;
        if (strncmp(text, name, n) != 0 || text[n] != '=') continue;
        long long value = strtoll(text + n + 1, &end, 10);
        if (end != text + n + 1 && !*end) return value;
    }
    return -1;
}

static int find_sizes(const cli_options *o, const lathe_tensor_info *info, lathe_tensor *t)
{
    t->rank = info->rank;
    t->elem = info->elem;
    for (int i = 0; i < info->rank; i++) {
        t->dims[i] = info->dims[i] >= 0 ? info->dims[i] : given_size(o, info->dim_names[i]);
        if (t->dims[i] < 0)
            return fail(LATHE_BAD_DIMS,
                        "input '%s' is not given and its size '%s' is free: --dim gives a size, "
                        "--input or --case the tensor",
                        info->name, info->dim_names[i]);
    }
    return EXIT_OK;
}

/* Floats with random sign and mantissa, below 1: the exponent, which ends in zeros, is set. */
static bool draw(lathe_elem elem, void *at, uint64_t r)
{
    uint16_t half = (uint16_t)((r & 0x83FF) | 0x3800), bfloat = (uint16_t)((r & 0x807F) | 0x3F00);
    float f = (float)((double)(r >> 11) * 0x1p-52 - 1);
    double d = (double)(r >> 11) * 0x1p-52 - 1;
    switch (elem) {
    case LATHE_F32:
        memcpy(at, &f, sizeof f);
        return true;
    case LATHE_F64:
        memcpy(at, &d, sizeof d);
        return true;
    case LATHE_F16:
        memcpy(at, &half, sizeof half);
        return true;
    case LATHE_BF16:
        memcpy(at, &bfloat, sizeof bfloat);
        return true;
    case LATHE_BOOL:
    case LATHE_U8:
    case LATHE_I8:
    case LATHE_U16:
    case LATHE_I16:
    case LATHE_U32:
    case LATHE_I32:
    case LATHE_U64:
    case LATHE_I64:
        *(unsigned char *)at = r & 1; /* little-endian; the other bytes are 0 */
        return true;
    default:
        return false;
    }
}

int random_input(const cli_options *o, const lathe_tensor_info *info, int at, tensor_file *file)
{
    lathe_tensor t = {0};
    int64_t count;
    int code = find_sizes(o, info, &t);
    if (code != EXIT_OK) return code;
    if (!tensor_count(&t, &count) || !tensor_bytes(&t, &t.size))
        return fail(LATHE_LIMIT, "input '%s' is too large", info->name);
    t.data = calloc(t.size + 1, 1);
    if (!t.data) return fail(LATHE_OUT_OF_MEMORY, "no memory for input '%s'", info->name);
    file->tensor = t;
    uint64_t state = (uint64_t)at;
    size_t width = (size_t)tensor_elem_bits(t.elem) / 8;
    for (int64_t i = 0; i < count; i++)
        if (!draw(t.elem, (char *)t.data + (size_t)i * width, next(&state)))
            return fail(LATHE_UNSUPPORTED,
                        "input '%s' has elements of type %s, of which none are made; give it with "
                        "--input",
                        info->name, tensor_elem_name(t.elem));
    return EXIT_OK;
}
