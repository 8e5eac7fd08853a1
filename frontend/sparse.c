/* Sparse tensors: made dense while they are small, refused otherwise. In: values, one index (or one
 * index an axis) for each, and dims. Out: a constant. Invariant: every index is inside the dims. */
#include <string.h>

#include "frontend/import.h"

enum { MAX_DENSE = 16 << 20 }; /* bytes */

typedef struct sparse {
    const int64_t *dims;
    size_t rank;
    int64_t count, bytes;
    ir_type type; /* of the dense tensor */
    ir_blob values, indices;
    size_t nnz, index_width; /* numbers that make one index: 1 or rank */
} sparse;

static lathe_status sparse_refuse(fe_import *im, const diag_place *place, const char *why)
{
    return diag_add(im->diag, LATHE_BAD_INPUT, place, "sparse tensor: %s", why);
}

static lathe_status read_dims(fe_import *im, const diag_place *place,
                              const Onnx__SparseTensorProto *t, sparse *s)
{
    s->dims = t->dims;
    s->rank = t->n_dims;
    s->count = 1;
    if (t->n_dims > IR_MAX_RANK)
        return sparse_refuse(im, place,
                             ir_format(im->arena, "it has %zu axes, at most %d are supported",
                                       t->n_dims, IR_MAX_RANK));
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] <= 0) return sparse_refuse(im, place, "a dim is not positive");
        if (__builtin_mul_overflow(s->count, t->dims[i], &s->count)) {
            return sparse_refuse(im, place, "it has too many elements");
        }
        s->type.dims[i] = ir_dim_const(im->g, t->dims[i]);
    }
    s->type.rank = (int)t->n_dims;
    return LATHE_OK;
}

static lathe_status read_parts(fe_import *im, const diag_place *place,
                               const Onnx__SparseTensorProto *t, sparse *s)
{
    ir_type values, indices;
    if (!t->values || !t->indices) return sparse_refuse(im, place, "values or indices are missing");
    TRY(fe_tensor_data(im, place, t->values, &values, &s->values));
    TRY(fe_tensor_data(im, place, t->indices, &indices, &s->indices));
    s->nnz = t->values->n_dims == 1 ? (size_t)t->values->dims[0] : 0;
    s->type.elem = values.elem;
    s->index_width = indices.rank == 2 ? s->rank : 1;
    if (values.rank != 1 || indices.elem != IR_I64 || indices.rank < 1 || indices.rank > 2 ||
        s->indices.size / 8 / (s->index_width ? s->index_width : 1) != s->nnz) {
        return sparse_refuse(im, place, "values and indices do not fit each other");
    }
    return LATHE_OK;
}

/* Position of value k in row-major order; false: outside. */
static bool position(const sparse *s, size_t k, int64_t *at)
{
    int64_t index, flat = 0;
    for (size_t i = 0; i < s->index_width; i++) {
        memcpy(&index, (const char *)s->indices.bytes + 8 * (k * s->index_width + i), 8);
        int64_t dim = s->index_width == 1 ? s->count : s->dims[i];
        if (index < 0 || index >= dim) return false;
        flat = flat * dim + index;
    }
    *at = flat;
    return flat < s->count;
}

lathe_status fe_sparse_tensor(fe_import *im, ir_builder *b, const Onnx__SparseTensorProto *t,
                              const char *name, ir_value *out)
{
    diag_place place = ir_place(b, IR_NONE);
    place.file = im->path;
    place.tensor = name;
    sparse s = {0};
    *out = IR_NONE;
    TRY(read_dims(im, &place, t, &s));
    TRY(read_parts(im, &place, t, &s));
    if (ir_elem_bits(s.type.elem) < 8)
        return sparse_refuse(im, &place, "elements smaller than a byte are not supported");
    size_t width = (size_t)ir_elem_bits(s.type.elem) / 8;
    if (!ir_elem_bytes(s.type.elem, s.count, &s.bytes) || s.bytes > MAX_DENSE) {
        return diag_add(im->diag, LATHE_UNSUPPORTED, &place,
                        "sparse tensor: more than %d bytes when dense", MAX_DENSE);
    }
    char *dense = ir_alloc(im->arena, (size_t)s.count, width);
    for (size_t k = 0; k < s.nnz; k++) {
        int64_t at;
        if (!position(&s, k, &at)) return sparse_refuse(im, &place, "an index is outside the dims");
        memcpy(dense + (size_t)at * width, (const char *)s.values.bytes + k * width, width);
    }
    *out = ir_const(b, &s.type, &(ir_blob){.bytes = dense, .size = (size_t)s.bytes});
    return LATHE_OK;
}
