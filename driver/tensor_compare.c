/* Two tensors in, equal within tolerance or not out, with a message that says where and by how
 * much. */
#include "driver/tensor_util.h"

#include <math.h>
#include <string.h>

static const char *dims_text(const lathe_tensor *t, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, i ? ",%lld" : "%lld", (long long)t->dims[i]);
    if (n < size) snprintf(out + n, size - n, "]");
    return out;
}

static bool same_type(const lathe_tensor *got, const lathe_tensor *want, tensor_message *m)
{
    char a[300], b[300];
    bool dims = got->rank == want->rank;
    for (int i = 0; dims && i < got->rank; i++) dims = got->dims[i] == want->dims[i];
    if (dims && got->elem == want->elem) return true;
    tensor_fail(m, LATHE_OK, "is %s%.200s, expected %s%.200s", tensor_elem_name(got->elem),
                dims_text(got, a, sizeof a), tensor_elem_name(want->elem),
                dims_text(want, b, sizeof b));
    return false;
}

static bool close_enough(double got, double want, double atol, double rtol)
{
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    if (isinf(got) || isinf(want)) return got == want;
    return fabs(got - want) <= atol + rtol * fabs(want);
}

typedef struct tally {
    int64_t wrong, first;
    double largest;
} tally;

static bool element_equal(const lathe_tensor *got, const lathe_tensor *want, int64_t i, double atol,
                          double rtol, double *difference)
{
    char class = tensor_elem_class(want->elem);
    if (class == 'T') {
        *difference = 0;
        lathe_string a = ((const lathe_string *)got->data)[i],
                     b = ((const lathe_string *)want->data)[i];
        return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
    }
    double a = tensor_value(got, i), b = tensor_value(want, i);
    *difference = fabs(a - b);
    if (class == 'F' || class == 'L') return close_enough(a, b, atol, rtol);
    if (class == 'B') return !tensor_element_bits(got, i) == !tensor_element_bits(want, i);
    if (tensor_element_bits(got, i) == tensor_element_bits(want, i)) return true;
    /* Codes that a case allows to be rounded otherwise. */
    return atol >= 1 && tensor_elem_bits(want->elem) <= 16 && *difference <= atol;
}

/* "[1,2]" of a flat index. */
static const char *index_text(const lathe_tensor *t, int64_t flat, char *out, size_t size)
{
    lathe_tensor index = {.rank = t->rank};
    for (int i = t->rank - 1; i >= 0; i--) {
        index.dims[i] = flat % t->dims[i];
        flat /= t->dims[i];
    }
    return dims_text(&index, out, size);
}

static void explain(const lathe_tensor *got, const lathe_tensor *want, int64_t n, const tally *c,
                    tensor_message *m)
{
    char at[300];
    index_text(want, c->first, at, sizeof at);
    if (want->elem == LATHE_STRING) {
        lathe_string a = ((const lathe_string *)got->data)[c->first],
                     b = ((const lathe_string *)want->data)[c->first];
        tensor_fail(m, LATHE_OK, "%s is '%.*s', expected '%.*s'; %lld of %lld differ", at,
                    (int)(a.size < 100 ? a.size : 100), a.size ? a.data : "",
                    (int)(b.size < 100 ? b.size : 100), b.size ? b.data : "", (long long)c->wrong,
                    (long long)n);
        return;
    }
    tensor_fail(m, LATHE_OK, "%s is %.9g, expected %.9g; %lld of %lld differ, by at most %.3g", at,
                tensor_value(got, c->first), tensor_value(want, c->first), (long long)c->wrong,
                (long long)n, c->largest);
}

bool tensor_compare(const lathe_tensor *got, const lathe_tensor *want, double atol, double rtol,
                    tensor_message *m)
{
    lathe_tensor a = *got, b = *want;
    int64_t n;
    if (m) m->text[0] = '\0';
    if (!same_type(got, want, m)) return false;
    if (!tensor_elem_bits(b.elem) || !tensor_count(&b, &n)) {
        tensor_fail(m, LATHE_OK, "a tensor that cannot be");
        return false;
    }
    if (b.elem == LATHE_C64 || b.elem == LATHE_C128) { /* as one more axis of two parts */
        a.elem = b.elem = b.elem == LATHE_C64 ? LATHE_F32 : LATHE_F64;
        if (b.rank < LATHE_MAX_RANK) a.dims[a.rank++] = b.dims[b.rank++] = 2;
        n *= 2;
    }
    tally c = {.first = -1};
    for (int64_t i = 0; i < n; i++) {
        double difference;
        if (element_equal(&a, &b, i, atol, rtol, &difference)) continue;
        if (!c.wrong++) c.first = i;
        if (difference > c.largest || isnan(difference)) c.largest = difference;
    }
    if (c.wrong) explain(&a, &b, n, &c, m);
    return !c.wrong;
}
