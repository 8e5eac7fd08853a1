/* TensorProto -> constant. In: an unpacked tensor whose raw data may be a view of the model file or
 * of an external one. Out: a type and exactly as many bytes as it needs, little-endian, in
 * raw_data's layout. Invariant: no size from the file is used before it was checked.
 * Large raw data stays where it is, whatever its alignment; what is at most SMALL bytes is copied
 * to aligned memory. Typed fields of the right width are used in place, others are narrowed. */
#include <string.h>

#include "frontend/format.h"
#include "frontend/import.h"
#include "frontend/strings.h"

enum { SMALL = 4096 };

/* ---- type ---- */

/* Elements; false if the product of the dims other than 0 overflows. */
static bool count_elements(const int64_t *dims, size_t n, int64_t *count)
{
    int64_t product = 1;
    bool empty = false;
    for (size_t i = 0; i < n; i++) {
        if (dims[i] == 0) empty = true;
        else if (__builtin_mul_overflow(product, dims[i], &product)) return false;
    }
    *count = empty ? 0 : product;
    return true;
}

static lathe_status tensor_type(fe_import *im, const diag_place *place, const Onnx__TensorProto *t,
                                ir_type *type, int64_t *count)
{
    int32_t elem = t->has_data_type ? t->data_type : 0;
    if (elem <= 0 || elem >= IR_ELEM_COUNT) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: element type %d is unknown",
                        (int)elem);
    }
    if (t->n_dims > IR_MAX_RANK) {
        return diag_add(im->diag, LATHE_LIMIT, place, "tensor data: rank %zu, at most %d",
                        t->n_dims, IR_MAX_RANK);
    }
    *type = (ir_type){.elem = (ir_elem)elem, .rank = (int)t->n_dims};
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0) {
            return diag_add(im->diag, LATHE_BAD_INPUT, place,
                            "tensor data: dim %zu is %lld, expected 0 or more", i,
                            (long long)t->dims[i]);
        }
        type->dims[i] = ir_dim_const(im->g, t->dims[i]);
    }
    if (!count_elements(t->dims, t->n_dims, count)) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: too many elements");
    }
    return LATHE_OK;
}

/* ---- typed fields ---- */

typedef struct typed {
    const void *data;
    size_t n, width; /* entries and the bytes of one */
    const char *name;
} typed;

static typed typed_field(const Onnx__TensorProto *t, ir_elem elem)
{
    switch (elem) {
    case IR_F32:
    case IR_C64:
        return (typed){t->float_data, t->n_float_data, 4, "float_data"};
    case IR_F64:
    case IR_C128:
        return (typed){t->double_data, t->n_double_data, 8, "double_data"};
    case IR_I64:
        return (typed){t->int64_data, t->n_int64_data, 8, "int64_data"};
    case IR_U32:
    case IR_U64:
        return (typed){t->uint64_data, t->n_uint64_data, 8, "uint64_data"};
    default:
        return (typed){t->int32_data, t->n_int32_data, 4, "int32_data"};
    }
}

static size_t typed_total(const Onnx__TensorProto *t)
{
    return t->n_float_data + t->n_int32_data + t->n_int64_data + t->n_double_data +
           t->n_uint64_data + t->n_string_data;
}

/* Low bytes of each entry; false where the others say that the value does not fit. */
static bool narrow(uint8_t *out, size_t out_width, const typed *in)
{
    for (size_t i = 0; i < in->n; i++) {
        int64_t value, limit = (int64_t)1 << (8 * out_width);
        if (in->width == 4) {
            value = ((const int32_t *)in->data)[i];
        } else {
            memcpy(&value, (const char *)in->data + 8 * i, 8);
        }
        if (value < -(limit / 2) || value >= limit) return false;
        memcpy(out + i * out_width, &value, out_width);
    }
    return true;
}

static lathe_status typed_data(fe_import *im, const diag_place *place, const Onnx__TensorProto *t,
                               ir_elem elem, size_t need, ir_blob *blob)
{
    typed in = typed_field(t, elem);
    size_t bits = (size_t)ir_elem_bits(elem), width = bits < 8 ? 1 : bits / 8;
    if (ir_elem_class(elem) == 'C') width /= 2;
    if (in.n != need / width || typed_total(t) != in.n) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: %zu values, %zu of them in %s, expected %zu there",
                        typed_total(t), in.n, in.name, need / width);
    }
    *blob = (ir_blob){.bytes = in.data, .size = need};
    if (width == in.width || in.n == 0) return LATHE_OK;
    uint8_t *bytes = ir_alloc(im->arena, in.n, width);
    blob->bytes = bytes;
    if (narrow(bytes, width, &in)) return LATHE_OK;
    return diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: a value in %s does not fit %s",
                    in.name, ir_elem_name(elem));
}

/* ---- raw data ---- */

static lathe_status file_range(fe_import *im, const diag_place *place, const fe_file *file,
                               uint64_t offset, size_t need, ir_blob *blob)
{
    if (offset > file->size || need > file->size - offset) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: %zu bytes at offset %llu, but '%s' has %zu", need,
                        (unsigned long long)offset, file->path, file->size);
    }
    *blob = (ir_blob){.bytes = file->bytes + offset,
                      .size = need,
                      .offset = offset,
                      .file = ir_intern(im->g, file->path)};
    return LATHE_OK;
}

static lathe_status wrong_size(fe_import *im, const diag_place *place, const ir_type *type,
                               uint64_t size, size_t need)
{
    return diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: %llu bytes, %s needs %zu",
                    (unsigned long long)size, ir_type_text(im->g, type), need);
}

static lathe_status external_data(fe_import *im, const diag_place *place,
                                  const Onnx__TensorProto *t, const ir_type *type, size_t need,
                                  ir_blob *blob)
{
    fe_external ext;
    const fe_file *file;
    if (t->has_raw_data || t->has_view_size || typed_total(t)) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: it is external and inline, expected one of them");
    }
    TRY(fe_external_parse(im->diag, place, t, &ext));
    if (ext.length && ext.length != need) return wrong_size(im, place, type, ext.length, need);
    TRY(fe_external_open(im->files, im->diag, place, im->folder, ext.location,
                         im->options->allow_symlinks, &file));
    const fe_format *other = fe_format_find(file->bytes, file->size);
    if (other && other->placeholder && need) {
        diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: '%s' is %s", file->path,
                 other->name);
        diag_hint(im->diag, "%s", other->hint);
        return LATHE_BAD_INPUT;
    }
    return file_range(im, place, file, ext.offset, need, blob);
}

static lathe_status tensor_bytes(fe_import *im, const diag_place *place, const Onnx__TensorProto *t,
                                 const ir_type *type, size_t need, ir_blob *blob)
{
    if (t->segment)
        return diag_add(im->diag, LATHE_UNSUPPORTED, place,
                        "tensor data: segments of tensors are not supported");
    if (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return external_data(im, place, t, type, need, blob);
    }
    if (t->has_data_location && t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: location %d is unknown, expected 0 (inline) or 1 (external)",
                        (int)t->data_location);
    }
    if (!t->has_view_size && !(t->has_raw_data && t->raw_data.len)) {
        return typed_data(im, place, t, type->elem, need, blob);
    }
    uint64_t size = t->has_view_size ? t->view_size : t->raw_data.len;
    if (typed_total(t)) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: it is raw and typed, expected one of them");
    }
    if (size != need) return wrong_size(im, place, type, size, need);
    if (t->has_view_size) return file_range(im, place, im->file, t->view_offset, need, blob);
    *blob = (ir_blob){.bytes = t->raw_data.data, .size = need};
    return LATHE_OK;
}

/* Every byte of a bool is 0 or 1 from here on. */
static void normalise_bool(fe_import *im, ir_blob *blob)
{
    const uint8_t *from = blob->bytes;
    size_t i = 0;
    while (i < blob->size && from[i] <= 1) i++;
    if (i == blob->size) return;
    uint8_t *to = ir_alloc(im->arena, blob->size, 1);
    for (i = 0; i < blob->size; i++) to[i] = from[i] != 0;
    *blob = (ir_blob){.bytes = to, .size = blob->size};
}

lathe_status fe_tensor_data(fe_import *im, const diag_place *place, const Onnx__TensorProto *t,
                            ir_type *type, ir_blob *blob)
{
    int64_t count = 0, need = 0;
    TRY(tensor_type(im, place, t, type, &count));
    if (type->elem == IR_STRING)
        return diag_add(im->diag, LATHE_UNSUPPORTED, place,
                        "tensor data: strings are not supported here");
    if (!ir_elem_bytes(type->elem, count, &need)) {
        return diag_add(im->diag, LATHE_BAD_INPUT, place, "tensor data: too many elements");
    }
    TRY(tensor_bytes(im, place, t, type, (size_t)need, blob));
    if (type->elem == IR_BOOL) normalise_bool(im, blob);
    if (blob->size <= SMALL) blob->bytes = ir_copy(im->arena, blob->bytes, blob->size, 1);
    return LATHE_OK;
}

static lathe_status string_tensor(fe_import *im, ir_builder *b, const diag_place *place,
                                  const Onnx__TensorProto *t, ir_value *out)
{
    ir_type type;
    int64_t count;
    TRY(tensor_type(im, place, t, &type, &count));
    if (t->n_string_data != (uint64_t)count || typed_total(t) != t->n_string_data)
        return diag_add(im->diag, LATHE_BAD_INPUT, place,
                        "tensor data: %zu strings, the dims say %lld", t->n_string_data,
                        (long long)count);
    *out = fe_strings(b, t->string_data, t->n_string_data, type.rank, type.dims);
    return LATHE_OK;
}

lathe_status fe_tensor(fe_import *im, ir_builder *b, const Onnx__TensorProto *t, const char *name,
                       ir_value *out)
{
    ir_type type;
    ir_blob blob;
    const char *tensor = name && *name ? name : t->name;
    diag_place place = ir_place(b, IR_NONE);
    place.file = im->path;
    place.tensor = tensor;
    *out = IR_NONE;
    if (t->has_data_type && t->data_type == IR_STRING) {
        TRY(string_tensor(im, b, &place, t, out));
    } else {
        TRY(fe_tensor_data(im, &place, t, &type, &blob));
        *out = ir_const(b, &type, &blob);
    }
    if (*out && tensor && *tensor && !im->g->values[*out].name) {
        im->g->values[*out].name = ir_intern(im->g, tensor);
    }
    return *out ? LATHE_OK : diag_add(im->diag, LATHE_INTERNAL, &place, "no constant was made");
}
