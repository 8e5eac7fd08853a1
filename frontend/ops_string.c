/* Importers of operators on strings. In: string tensors. Out: calls of the runtime (ops_strings.c,
 * ops_split.c, ops_case.c, ops_regex.c), around which maps spread operands of other dims. */
#include "frontend/strings.h"

#include <string.h>

#include "frontend/regex.h"

/* ---- constants ---- */

int fe_bytes_compare(const fe_bytes *a, const fe_bytes *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int order = n ? memcmp(a->data, b->data, n) : 0;
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

ir_value fe_string_pool(ir_builder *b, const fe_bytes *list, size_t n)
{
    size_t size = 8 * (1 + n);
    for (size_t i = 0; i < n; i++) size += list[i].len;
    unsigned char *bytes = ir_alloc(b->g->arena, size, 1), *at = bytes + 8 * (1 + n);
    uint64_t end = 0, count = n;
    memcpy(bytes, &count, 8);
    for (size_t i = 0; i < n; i++) {
        if (list[i].len) memcpy(at + end, list[i].data, list[i].len);
        end += list[i].len;
        memcpy(bytes + 8 * (1 + i), &end, 8);
    }
    ir_dim length = ir_dim_const(b->g, (int64_t)size);
    const ir_type type = ir_type_make(IR_U8, 1, &length);
    return ir_const(b, &type, &(ir_blob){.bytes = bytes, .size = size});
}

ir_value fe_strings(ir_builder *b, const fe_bytes *list, size_t n, int rank, const ir_dim *dims)
{
    ir_value pool = fe_string_pool(b, list, n);
    const ir_type type = ir_type_make(IR_STRING, rank, dims);
    const ir_attr func = ir_a_str(b->g, IR_KEY_func, "lathe_rt_strings");
    ir_node_id id = ir_node_new(b, IR_OP_CALL, &pool, 1, &func, 1, &type, 1, NULL, 0);
    return id == IR_NONE ? IR_NONE : b->g->nodes[id].results[0];
}

/* ---- checks ---- */

bool fe_is_string(const fe_node *n, size_t k)
{
    return fe_in(n, k) && fe_type(n, k)->elem == IR_STRING;
}

bool fe_are_strings(const fe_node *n) { return fe_is_string(n, 0) && fe_is_string(n, 1); }

lathe_status fe_need_string(const fe_node *n, size_t k)
{
    TRY(fe_need_rank(n, k, -1));
    if (fe_is_string(n, k)) return LATHE_OK;
    return fe_expect_input(n, k, "has element type", ir_elem_name(fe_type(n, k)->elem), "string");
}

/* ---- two strings ---- */

/* v spread over the space, unless it has those dims. */
static ir_value spread(fe_node *n, ir_value v, int rank, const ir_dim *space)
{
    const ir_type type = ir_type_make(IR_STRING, rank, space);
    ir_nest nest;
    if (ir_type_equal(ir_type_of(n->g, v), &type)) return v;
    ir_nest_begin(&nest, &n->b, rank, space, 0);
    return ir_nest_map(&nest, IR_STRING, ir_nest_read(&nest, v));
}

static lathe_status call_of_two(fe_node *n, const char *func, ir_elem elem)
{
    ir_nest nest;
    ir_value in[] = {fe_in(n, 0), fe_in(n, 1)}, out;
    for (size_t k = 0; k < 2; k++) TRY(fe_need_string(n, k));
    if (!fe_broadcast(&nest, &n->b, in, 2)) return LATHE_BAD_INPUT;
    for (size_t k = 0; k < 2; k++) in[k] = spread(n, in[k], nest.rank, nest.space);
    const ir_type type = ir_type_make(elem, nest.rank, nest.space);
    TRY(fe_call(n, func, in, 2, NULL, 0, &type, 1, &out));
    fe_out(n, 0, out);
    return LATHE_OK;
}

lathe_status fe_import_equal_strings(fe_node *n)
{
    return call_of_two(n, "lathe_rt_string_equal", IR_BOOL);
}

lathe_status fe_import_string_concat(fe_node *n)
{
    return call_of_two(n, "lathe_rt_string_concat", IR_STRING);
}

/* ---- StringSplit ---- */

lathe_status fe_import_string_split(fe_node *n)
{
    TRY(fe_need_string(n, 0));
    ir_graph *g = n->g;
    size_t given;
    static const fe_bytes none;
    const fe_bytes *delimiter = fe_attr_bytes(n, "delimiter", &given);
    int64_t most = fe_attr_int_or(n, "maxsplit", -1);
    const ir_type t = *fe_type(n, 0);
    if (t.rank == IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has %d axes, at most %d are supported",
                       t.rank + 1, IR_MAX_RANK);
    const ir_value in[] = {fe_in(n, 0), fe_string_pool(&n->b, given ? delimiter : &none, 1)};
    ir_sym parts = fe_data_symbol(n, 0, INT64_MAX, IR_NONE);
    const ir_attr attrs[] = {ir_a_ints(g, IR_KEY_ints, &most, 1),
                             ir_a_syms(g, IR_KEY_syms, &parts, 1)};
    ir_type counts = ir_type_make(IR_I64, t.rank, t.dims), split = t;
    ir_value count, strings;
    TRY(fe_call(n, "lathe_rt_string_count", in, 2, attrs, 2, &counts, 1, &count));
    split.dims[split.rank++] = ir_dim_sym(g, parts);
    TRY(fe_call(n, "lathe_rt_string_split", in, 2, attrs, 1, &split, 1, &strings));
    fe_out(n, 0, strings);
    fe_out(n, 1, count);
    return LATHE_OK;
}

/* ---- StringNormalizer ---- */

enum { NONE, LOWER, UPPER, ACTIONS }; /* as in runtime/ops_case.c */

static lathe_status read_action(const fe_node *n, int64_t *action)
{
    static const char *const names[ACTIONS] = {"NONE", "LOWER", "UPPER"};
    const char *name = fe_attr_str(n, "case_change_action");
    for (*action = 0; *action < ACTIONS; ++*action)
        if (!strcmp(names[*action], name)) return LATHE_OK;
    return fe_expect(n, "attribute case_change_action is", name, "NONE, LOWER or UPPER");
}

/* In lower case if that is how they are compared. */
static lathe_status stop_words(fe_node *n, bool lower, ir_value *out)
{
    size_t count;
    const fe_bytes *words = fe_attr_bytes(n, "stopwords", &count);
    ir_dim length = ir_dim_const(n->g, (int64_t)count);
    int64_t how = LOWER;
    *out = fe_strings(&n->b, words, count, 1, &length);
    if (!lower || !count) return LATHE_OK;
    const ir_attr ints = ir_a_ints(n->g, IR_KEY_ints, &how, 1);
    const ir_type type = *ir_type_of(n->g, *out);
    return fe_call(n, "lathe_rt_string_case", out, 1, &ints, 1, &type, 1, out);
}

lathe_status fe_import_string_normalizer(fe_node *n)
{
    TRY(fe_need_string(n, 0));
    ir_graph *g = n->g;
    int64_t action;
    ir_type t = *fe_type(n, 0);
    bool lower = !fe_attr_int(n, "is_case_sensitive") && fe_has_attr(n, "stopwords");
    if (t.rank != 1 && t.rank != 2)
        return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "1 or 2");
    if (t.rank == 2) TRY(fe_need_dim(n, 0, 0, ir_dim_const(g, 1)));
    TRY(read_action(n, &action));
    ir_value in[] = {fe_in(n, 0), IR_NONE}, out;
    TRY(stop_words(n, lower, &in[1]));
    ir_dim most = ir_dim_max(g, t.dims[t.rank - 1], ir_dim_const(g, 1));
    ir_sym kept = fe_data_symbol(n, 1, INT64_MAX, most);
    const int64_t ints[] = {action, lower};
    const ir_attr attrs[] = {ir_a_ints(g, IR_KEY_ints, ints, 2),
                             ir_a_syms(g, IR_KEY_syms, &kept, 1)};
    t.dims[t.rank - 1] = ir_dim_sym(g, kept);
    TRY(fe_call(n, "lathe_rt_string_normalize", in, 2, attrs, 2, &t, 1, &out));
    fe_out(n, 0, out);
    return LATHE_OK;
}

/* ---- RegexFullMatch ---- */

lathe_status fe_import_regex_full_match(fe_node *n)
{
    TRY(fe_need_string(n, 0));
    size_t given;
    fe_regex r;
    const fe_bytes *pattern = fe_attr_bytes(n, "pattern", &given);
    if (!fe_regex_compile(n->g->arena, pattern->data, pattern->len, &r))
        return fe_fail(n, r.unsupported ? LATHE_UNSUPPORTED : LATHE_BAD_INPUT,
                       "the pattern has %s at byte %zu", r.why, r.at);
    const int64_t program[] = {(int64_t)r.n, FE_REGEX_FIELDS}, ranges[] = {(int64_t)r.nranges, 2};
    const ir_value in[] = {fe_in(n, 0), ir_const_ints(&n->b, IR_I64, 2, program, r.program),
                           ir_const_ints(&n->b, IR_I64, 2, ranges, r.ranges)};
    ir_type type = *fe_type(n, 0);
    ir_value out;
    type.elem = IR_BOOL;
    TRY(fe_call(n, "lathe_rt_regex", in, 3, NULL, 0, &type, 1, &out));
    fe_out(n, 0, out);
    return LATHE_OK;
}
