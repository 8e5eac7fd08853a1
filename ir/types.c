/* What the .def tables say about element types, operators and attribute keys, and functions of
 * whole tensor types. In: ids, some of them from files; out: table rows, with a neutral answer for
 * numbers outside a table. */
#include "ir/ir.h"

#include <string.h>

/* ---- element types ---- */

typedef struct elem_info {
    const char *name;
    int bits;
    char class;
} elem_info;

static const elem_info elems[IR_ELEM_COUNT] = {
    [IR_ELEM_NONE] = {"?", 0, 0},
#define ELEM(NAME, text, onnx, bits, class) [IR_##NAME] = {text, bits, #class[0]},
#include "ir/types.def"
#undef ELEM
};

static const elem_info *elem_get(ir_elem e)
{
    return &elems[(unsigned)e < IR_ELEM_COUNT ? e : IR_ELEM_NONE];
}

const char *ir_elem_name(ir_elem e) { return elem_get(e)->name; }
int ir_elem_bits(ir_elem e) { return elem_get(e)->bits; }
char ir_elem_class(ir_elem e) { return elem_get(e)->class; }
bool ir_elem_is_float(ir_elem e) { return ir_elem_class(e) == 'F' || ir_elem_class(e) == 'L'; }
bool ir_elem_is_int(ir_elem e) { return ir_elem_class(e) == 'S' || ir_elem_class(e) == 'U'; }

ir_elem ir_elem_parse(const char *text, size_t length)
{
    for (int e = IR_ELEM_NONE + 1; e < IR_ELEM_COUNT; e++)
        if (strlen(elems[e].name) == length && memcmp(elems[e].name, text, length) == 0)
            return (ir_elem)e;
    return IR_ELEM_NONE;
}

ir_elem ir_elem_arith(ir_elem e)
{
    switch (ir_elem_class(e)) {
    case 'L':
        return IR_F32;
    case 'S':
        return ir_elem_bits(e) < 8 ? IR_I8 : e;
    case 'U':
        return ir_elem_bits(e) < 8 ? IR_U8 : e;
    case 'F':
    case 'B':
    case 'T':
        return e;
    default:
        return IR_ELEM_NONE;
    }
}

bool ir_elem_computes(ir_elem e) { return ir_elem_arith(e) != IR_ELEM_NONE && e != IR_STRING; }

bool ir_elem_bytes(ir_elem e, int64_t count, int64_t *bytes)
{
    int64_t bits;
    if (count < 0 || ir_elem_bits(e) == 0) return false;
    if (ir_elem_bits(e) % 8 == 0) return !__builtin_mul_overflow(count, ir_elem_bits(e) / 8, bytes);
    if (__builtin_mul_overflow(count, ir_elem_bits(e), &bits) || bits > INT64_MAX - 7) return false;
    *bytes = (bits + 7) / 8;
    return true;
}

/* ---- operators and keys ---- */

/* ops.def writes traits as sums of these letters. */
enum {
    N = IR_TRAIT_NEST,
    P = IR_TRAIT_POINTWISE,
    V = IR_TRAIT_VIEW,
    K = IR_TRAIT_KEEPS,
    S = IR_TRAIT_SUMS,
    W = IR_TRAIT_ROWS,
    A = IR_TRAIT_ACCUMULATES,
    O = IR_TRAIT_STORES_ONCE,
    L = IR_TRAIT_LOOKS_UP,
    M = IR_TRAIT_FIXED_MEMORY,
    G = IR_TRAIT_GAPS,
    C = IR_TRAIT_CALLS,
    R = IR_TRAIT_REGIONS,
    D = IR_TRAIT_DEFINES,
    E = IR_TRAIT_EFFECT
};

static const ir_op_info ops[IR_OP_COUNT] = {
    [IR_OP_NONE] = {"?", 0, 0, 0, 0, 0},
#define OP(NAME, text, omin, omax, results, regions, traits)                                       \
    [IR_OP_##NAME] = {text, omin, omax, results, regions, traits},
#include "ir/ops.def"
#undef OP
};

const ir_op_info *ir_op_get(ir_op op) { return &ops[(unsigned)op < IR_OP_COUNT ? op : IR_OP_NONE]; }

bool ir_op_is(ir_op op, unsigned traits) { return (ir_op_get(op)->traits & traits) == traits; }

bool ir_op_is_any(ir_op op, unsigned traits) { return ir_op_get(op)->traits & traits; }

typedef struct key_info {
    const char *name;
    ir_attr_kind kind;
} key_info;

static const key_info keys[IR_KEY_COUNT] = {
    [IR_KEY_NONE] = {"?", IR_ATTR_INT},
#define KEY(name, kind) [IR_KEY_##name] = {#name, IR_ATTR_##kind},
#include "ir/keys.def"
#undef KEY
};

static const key_info *key_get(ir_key k)
{
    return &keys[(unsigned)k < IR_KEY_COUNT ? k : IR_KEY_NONE];
}

ir_attr_kind ir_key_kind(ir_key k) { return key_get(k)->kind; }
const char *ir_key_name(ir_key k) { return key_get(k)->name; }

/* ---- tensor types ---- */

ir_type ir_type_make(ir_elem elem, int rank, const ir_dim *dims)
{
    ir_type t = {.elem = elem, .rank = rank};
    for (int i = 0; i < rank && i < IR_MAX_RANK; i++) t.dims[i] = dims ? dims[i] : IR_NONE;
    return t;
}

bool ir_type_equal(const ir_type *a, const ir_type *b)
{
    if (a->elem != b->elem || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

const char *ir_dims_text(const ir_graph *g, const ir_type *t)
{
    const char *text = "[";
    for (int i = 0; i < t->rank; i++)
        text = ir_format(g->arena, "%s%s%s", text, i ? ", " : "",
                         t->dims[i] == IR_NONE ? "?" : ir_dim_text(g, t->dims[i]));
    return ir_format(g->arena, "%s]", text);
}

const char *ir_type_text(const ir_graph *g, const ir_type *t)
{
    return ir_format(g->arena, "%s%s", ir_elem_name(t->elem), ir_dims_text(g, t));
}

ir_dim ir_type_count(ir_graph *g, const ir_type *t) { return ir_dim_product(g, t->dims, t->rank); }
