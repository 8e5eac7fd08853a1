/* Reads attributes: `key=value`, the form of the value given by the key's kind in keys.def. The
 * bytes of a constant are a list of elements, a hex string, or a range of a file with its hash. */
#include "ir/parse.h"

#include <string.h>

ir_key ir_parse_key(const ir_parser *p)
{
    for (int k = IR_KEY_NONE + 1; k < IR_KEY_COUNT; k++)
        if (ir_parse_at_name(p, ir_key_name((ir_key)k))) return (ir_key)k;
    return IR_KEY_NONE;
}

/* ---- lists ---- */

/* Items of `size` bytes up to "]", each read by `item` into its place. */
static void *parse_list(ir_parser *p, size_t size, void (*item)(ir_parser *, void *out), size_t *n)
{
    char *list = NULL;
    size_t cap = 0;
    *n = 0;
    ir_parse_expect(p, '[');
    if (ir_parse_accept(p, ']')) return NULL;
    do {
        list = ir_grow(p->arena, list, &cap, *n + 1, size);
        item(p, list + size * (*n)++);
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, ']');
    if (p->failed) *n = 0;
    return list;
}

static void int_item(ir_parser *p, void *out) { *(int64_t *)out = ir_parse_int(p); }
static void float_item(ir_parser *p, void *out) { *(double *)out = ir_parse_float(p); }
static void symbol_item(ir_parser *p, void *out) { *(ir_sym *)out = ir_parse_symbol(p); }

/* ---- bytes ---- */

static ir_blob parse_elements(ir_parser *p, const ir_type *type)
{
    int64_t count, size;
    char class = ir_elem_class(type->elem);
    if (class == 'C' || class == 'T' || !ir_type_static_count(p->g, type, &count) ||
        count > IR_TEXT_ELEMENTS || !ir_elem_bytes(type->elem, count, &size)) {
        ir_parse_fail(p, "elements are listed for a constant of at most %d numbers",
                      IR_TEXT_ELEMENTS);
        return (ir_blob){0};
    }
    unsigned char *bytes = ir_alloc(p->arena, (size_t)size + 1, 1);
    ir_parse_expect(p, '[');
    for (int64_t i = 0; i < count && !p->failed; i++) {
        if (i && !ir_parse_accept(p, ','))
            ir_parse_fail(p, "%lld elements, the type has %lld", (long long)i, (long long)count);
        ir_bits_set(bytes, ir_elem_bits(type->elem), i, ir_parse_element(p, type->elem));
    }
    if (ir_parse_at(p, ','))
        ir_parse_fail(p, "more elements than the type's %lld", (long long)count);
    ir_parse_expect(p, ']');
    return (ir_blob){.bytes = bytes, .size = (size_t)size};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static ir_blob parse_hex(ir_parser *p)
{
    const ir_token t = p->token;
    size_t n = t.kind == LEX_STRING ? t.string_length / 2 : 0;
    unsigned char *bytes = ir_alloc(p->arena, n + 1, 1);
    if (t.kind != LEX_STRING || t.string_length % 2)
        ir_parse_fail(p, "expected pairs of hexadecimal digits");
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(t.string[2 * i]), low = hex_digit(t.string[2 * i + 1]);
        if (high < 0 || low < 0) ir_parse_fail(p, "expected lower-case hexadecimal digits");
        bytes[i] = (unsigned char)((unsigned)high << 4 | (unsigned)low);
    }
    ir_parse_advance(p);
    return (ir_blob){.bytes = bytes, .size = n};
}

/* blob("file", offset, length, hash) */
static ir_blob parse_file(ir_parser *p)
{
    const ir_token at = p->token;
    const char *name = ir_parse_string(p), *why;
    ir_parse_expect(p, ',');
    int64_t offset = ir_parse_int(p);
    ir_parse_expect(p, ',');
    int64_t length = ir_parse_int(p);
    ir_parse_expect(p, ',');
    uint64_t hash = ir_parse_element(p, IR_U64);
    if (offset < 0 || length < 0) ir_parse_fail_at(p, &at, "negative offset or length");
    if (p->failed) return (ir_blob){0};
    const void *bytes =
        ir_load_bytes(p->arena, p->file, name, (uint64_t)offset, (uint64_t)length, &why);
    if (!bytes) ir_parse_fail_at(p, &at, "file '%s' %s", name, why);
    else if (ir_blob_hash(bytes, (size_t)length) != hash)
        ir_parse_fail_at(p, &at, "file '%s': these are not the bytes that were dumped", name);
    return (ir_blob){bytes, (size_t)length, ir_intern(p->g, name), (uint64_t)offset};
}

static ir_blob parse_blob(ir_parser *p, const ir_type *type)
{
    if (ir_parse_at(p, '[')) return parse_elements(p, type);
    const ir_token at = p->token;
    bool is_hex = ir_parse_accept_name(p, "hex");
    if (!is_hex && !ir_parse_accept_name(p, "blob"))
        ir_parse_fail(p, "expected elements, hex(...) or blob(...)");
    ir_parse_expect(p, '(');
    ir_blob blob = is_hex ? parse_hex(p) : parse_file(p);
    ir_parse_expect(p, ')');
    int64_t count, size;
    if (ir_type_static_count(p->g, type, &count) && ir_elem_bytes(type->elem, count, &size) &&
        (uint64_t)size != blob.size)
        ir_parse_fail_at(p, &at, "%zu bytes; the type takes %lld", blob.size, (long long)size);
    return blob;
}

/* ---- one attribute ---- */

ir_attr ir_parse_attr(ir_parser *p, ir_key key, const ir_type *type)
{
    ir_attr a = {.key = key};
    ir_parse_advance(p);
    ir_parse_expect(p, '=');
    switch (ir_key_kind(key)) {
    case IR_ATTR_INT:
        a.u.i = ir_parse_int(p);
        break;
    case IR_ATTR_FLOAT:
        a.u.f = ir_parse_float(p);
        break;
    case IR_ATTR_STR:
        a.u.s = ir_intern(p->g, ir_parse_string(p));
        break;
    case IR_ATTR_INTS:
        a.u.ints = parse_list(p, sizeof(int64_t), int_item, &a.n);
        break;
    case IR_ATTR_FLOATS:
        a.u.floats = parse_list(p, sizeof(double), float_item, &a.n);
        break;
    case IR_ATTR_SYMS:
        a.u.syms = parse_list(p, sizeof(ir_sym), symbol_item, &a.n);
        break;
    case IR_ATTR_DIMS: {
        ir_dim *dims;
        a.n = ir_parse_dims(p, &dims);
        a.u.dims = dims;
        break;
    }
    case IR_ATTR_EXPRS: {
        ir_expr *exprs;
        a.n = ir_parse_exprs(p, &exprs);
        a.u.exprs = exprs;
        break;
    }
    case IR_ATTR_BLOB:
        a.u.blob = parse_blob(p, type);
        break;
    }
    return a;
}
