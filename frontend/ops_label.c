/* Importer of LabelEncoder. In: keys and values of any kinds. Out: the number of each element's key
 * by a call of runtime/ops_find.c, whose keys are sorted here, and a gather of the values, behind
 * which the default stands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/ml.h"
#include "frontend/strings.h"

/* A list of one kind: i64, f64 or strings hold the entries, elem is what they are in the model. */
typedef struct labels {
    ir_elem elem;
    size_t n;
    int64_t *ints;
    double *floats;
    fe_bytes *strings;
} labels;

/* ---- reading ---- */

static lathe_status from_tensor(const fe_node *n, const char *name, labels *l)
{
    const Onnx__TensorProto *t = fe_attr_tensor(n, name);
    ir_type type;
    ir_blob blob;
    ir_scalar_value v = {0};
    diag_place place = ir_place(&n->b, IR_NONE);
    place.tensor = name;
    if (!t) return LATHE_OK;
    if (t->has_data_type && t->data_type == IR_STRING) {
        *l = (labels){.elem = IR_STRING, .n = t->n_string_data, .strings = t->string_data};
        return LATHE_OK;
    }
    TRY(fe_tensor_data(n->im, &place, t, &type, &blob));
    int64_t count = 1;
    for (int i = 0; i < type.rank; i++) {
        int64_t size = 0;
        ir_dim_is_const(n->g, type.dims[i], &size);
        count *= size; /* fe_tensor_data has seen that it does not overflow */
    }
    *l = (labels){.elem = type.elem,
                  .n = (size_t)count,
                  .ints = IR_NEW_N(n->g->arena, int64_t, (size_t)count + 1),
                  .floats = IR_NEW_N(n->g->arena, double, (size_t)count + 1)};
    if (!ir_elem_is_int(type.elem) && type.elem != IR_F32 && type.elem != IR_F64)
        return fe_fail(n, LATHE_UNSUPPORTED, "attribute %s has elements of type %s", name,
                       ir_elem_name(type.elem));
    for (int64_t i = 0; i < count; i++) {
        ir_blob_get(type.elem, &blob, i, &v);
        l->ints[i] = v.i;
        l->floats[i] = v.f;
    }
    return LATHE_OK;
}

/* "keys" or "values" with the suffix of each kind; the first that is there. */
static lathe_status read_labels(const fe_node *n, const char *what, labels *l)
{
    ir_arena *arena = n->g->arena;
    const char *ints = ir_format(arena, "%s_int64s", what),
               *floats = ir_format(arena, "%s_floats", what),
               *strings = ir_format(arena, "%s_strings", what),
               *tensor = ir_format(arena, "%s_tensor", what);
    int found = fe_has_attr(n, ints) + fe_has_attr(n, floats) + fe_has_attr(n, strings) +
                fe_has_attr(n, tensor);
    *l = (labels){0};
    if (found != 1)
        return fe_fail(n, LATHE_BAD_INPUT, "%d attributes with %s, expected 1", found, what);
    if (fe_has_attr(n, tensor)) return from_tensor(n, tensor, l);
    size_t count;
    const int64_t *i = fe_attr_ints(n, ints, &count);
    if (i) {
        *l = (labels){.elem = IR_I64, .n = count, .ints = (int64_t *)(uintptr_t)i};
        return LATHE_OK;
    }
    const fe_bytes *s = fe_attr_bytes(n, strings, &count);
    if (s) {
        *l = (labels){.elem = IR_STRING, .n = count, .strings = (fe_bytes *)(uintptr_t)s};
        return LATHE_OK;
    }
    const float *f = fe_attr_floats(n, floats, &count);
    *l = (labels){.elem = IR_F32, .n = f ? count : 0, .floats = IR_NEW_N(arena, double, count + 1)};
    for (size_t k = 0; f && k < count; k++) l->floats[k] = (double)f[k];
    return LATHE_OK;
}

/* What stands for elements without a key. */
static lathe_status read_default(const fe_node *n, ir_elem elem, labels *d)
{
    size_t count;
    *d = (labels){.elem = elem,
                  .n = 1,
                  .ints = IR_NEW_N(n->g->arena, int64_t, 1),
                  .floats = IR_NEW_N(n->g->arena, double, 1),
                  .strings = IR_NEW_N(n->g->arena, fe_bytes, 1)};
    if (fe_has_attr(n, "default_tensor")) {
        TRY(from_tensor(n, "default_tensor", d));
        if (d->n == 1 && d->elem == elem) return LATHE_OK;
        return fe_fail(n, LATHE_BAD_INPUT,
                       "default_tensor has %zu elements of type %s, expected 1 of %s", d->n,
                       ir_elem_name(d->elem), ir_elem_name(elem));
    }
    const fe_bytes *text = fe_attr_bytes(n, "default_string", &count);
    d->strings[0] = text ? *text : (fe_bytes){.len = 7, .data = (uint8_t *)(uintptr_t) "_Unused"};
    d->ints[0] = fe_attr_int(n, "default_int64");
    d->floats[0] = fe_attr_float(n, "default_float");
    return LATHE_OK;
}

/* ---- sorting ---- */

typedef struct key {
    const labels *l;
    size_t at;
} key;

static int compare_floats(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) ? !isnan(b) : -1;
    return a < b ? -1 : a > b;
}

static int compare_keys(const void *a, const void *b)
{
    const key *x = a, *y = b;
    const labels *l = x->l;
    if (l->elem == IR_STRING) return fe_bytes_compare(&l->strings[x->at], &l->strings[y->at]);
    if (ir_elem_is_float(l->elem)) return compare_floats(l->floats[x->at], l->floats[y->at]);
    return l->ints[x->at] < l->ints[y->at] ? -1 : l->ints[x->at] > l->ints[y->at];
}

/* l's entries in the order of keys, of which there are n. */
static labels reorder(const fe_node *n, const labels *l, const key *keys, size_t count)
{
    labels r = {.elem = l->elem,
                .n = count,
                .ints = IR_NEW_N(n->g->arena, int64_t, count + 1),
                .floats = IR_NEW_N(n->g->arena, double, count + 1),
                .strings = IR_NEW_N(n->g->arena, fe_bytes, count + 1)};
    for (size_t i = 0; i < count; i++) {
        if (l->elem == IR_STRING) r.strings[i] = l->strings[keys[i].at];
        else if (ir_elem_is_float(l->elem)) r.floats[i] = l->floats[keys[i].at];
        else r.ints[i] = l->ints[keys[i].at];
    }
    return r;
}

static lathe_status sort_keys(const fe_node *n, const labels *l, key **out)
{
    key *keys = IR_NEW_N(n->g->arena, key, l->n + 1);
    for (size_t i = 0; i < l->n; i++) keys[i] = (key){l, i};
    qsort(keys, l->n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < l->n; i++)
        if (!compare_keys(&keys[i - 1], &keys[i]))
            return fe_fail(n, LATHE_UNSUPPORTED, "a key is there twice (entries %zu and %zu)",
                           keys[i - 1].at, keys[i].at);
    *out = keys;
    return LATHE_OK;
}

/* ---- the nodes ---- */

lathe_status fe_find(fe_node *n, ir_value x, const fe_keys *k, ir_value *numbers)
{
    ir_graph *g = n->g;
    int64_t count = (int64_t)k->n;
    ir_value list = k->elem == IR_STRING ? fe_string_pool(&n->b, k->strings, k->n)
                    : k->elem == IR_F64  ? fe_const_f64(n, k->floats, k->n)
                                         : fe_const_i64(n, k->ints, k->n);
    const ir_value in[] = {ir_cast(&n->b, x, k->elem), list};
    const ir_attr ints = ir_a_ints(g, IR_KEY_ints, &count, 1);
    ir_type type = *ir_type_of(g, x);
    type.elem = IR_I64;
    return fe_call(n, "lathe_rt_find", in, 2, &ints, 1, &type, 1, numbers);
}

/* The values and the default behind them, [n + 1]. */
static ir_value value_table(fe_node *n, const labels *l, const labels *d)
{
    ir_dim length = ir_dim_const(n->g, (int64_t)l->n + 1);
    if (l->elem == IR_STRING) {
        l->strings[l->n] = d->strings[0];
        return fe_strings(&n->b, l->strings, l->n + 1, 1, &length);
    }
    if (ir_elem_is_float(l->elem)) {
        l->floats[l->n] = d->floats[0];
        return ir_cast(&n->b, fe_const_f64(n, l->floats, l->n + 1), l->elem);
    }
    l->ints[l->n] = d->ints[0];
    return ir_cast(&n->b, fe_const_i64(n, l->ints, l->n + 1), l->elem);
}

static lathe_status encode(fe_node *n, const labels *keys, const labels *values)
{
    key *order;
    labels otherwise;
    ir_value numbers;
    bool text = keys->elem == IR_STRING, is_float = ir_elem_is_float(keys->elem);
    if (keys->n != values->n)
        return fe_fail(n, LATHE_BAD_INPUT, "%zu keys and %zu values", keys->n, values->n);
    if (text) TRY(fe_need_string(n, 0));
    else TRY(fe_need_class(n, 0, is_float ? "FL" : "SU"));
    TRY(sort_keys(n, keys, &order));
    TRY(read_default(n, values->elem, &otherwise));
    const labels sorted = reorder(n, keys, order, keys->n),
                 results = reorder(n, values, order, keys->n);
    const fe_keys k = {.elem = text       ? IR_STRING
                               : is_float ? IR_F64
                                          : IR_I64,
                       .n = keys->n,
                       .ints = sorted.ints,
                       .floats = sorted.floats,
                       .strings = sorted.strings};
    TRY(fe_find(n, fe_in(n, 0), &k, &numbers));
    fe_out(n, 0, fe_gather(n, value_table(n, &results, &otherwise), numbers, 0));
    return LATHE_OK;
}

/* Version 1: classes, from strings to their numbers or back. */
static lathe_status encode_classes(fe_node *n)
{
    size_t count;
    const fe_bytes *classes = fe_attr_bytes(n, "classes_strings", &count);
    if (!classes) return fe_fail(n, LATHE_BAD_INPUT, "attribute classes_strings is missing");
    labels names = {.elem = IR_STRING, .n = count, .strings = (fe_bytes *)(uintptr_t)classes},
           numbers = {
               .elem = IR_I64, .n = count, .ints = IR_NEW_N(n->g->arena, int64_t, count + 1)};
    for (size_t i = 0; i < count; i++) numbers.ints[i] = (int64_t)i;
    return fe_is_string(n, 0) ? encode(n, &names, &numbers) : encode(n, &numbers, &names);
}

lathe_status fe_import_label_encoder(fe_node *n)
{
    labels keys, values;
    TRY(fe_need_movable(n, 0));
    if (n->version < 2) return encode_classes(n);
    TRY(read_labels(n, "keys", &keys));
    TRY(read_labels(n, "values", &values));
    return encode(n, &keys, &values);
}
