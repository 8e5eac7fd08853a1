/* Text -> graph, see docs/ir.md for the grammar. In: any bytes; out: a graph that passes ir_verify,
 * or NULL and a message with file:line:column.
 *
 * Nothing is filled in behind the constructors' back: dims, expressions and nodes are rebuilt by
 * them, so types and contents are inferred anew and the types in the text are only compared. Before
 * a node is built, ir_check_node makes sure that inference may look at it. */
#include "ir/parse.h"
#include "ir/check.h"

#include <string.h>

enum { MAX_DEPTH = 200 };

/* ---- tokens ---- */

static void fail_text(ir_parser *p, const ir_token *at, const char *text)
{
    if (p->failed) return;
    p->failed = true;
    p->token.kind = LEX_END;
    const char *place = ir_format(p->arena, "%s:%d:%d", p->file, at->line, at->column);
    diag_add(p->diag, LATHE_BAD_INPUT, &(diag_place){.file = place}, "%s", text);
}

void ir_parse_fail_at(ir_parser *p, const ir_token *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_text(p, at, ir_vformat(p->arena, format, args));
    va_end(args);
}

void ir_parse_fail(ir_parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const ir_token *t = &p->token;
    const char *text = ir_vformat(p->arena, format, args);
    if (t->kind == LEX_END) text = ir_format(p->arena, "%s, found the end", text);
    else if (t->kind != LEX_VALUE && t->kind != LEX_OPERAND && t->kind != LEX_STRING && t->length)
        text = ir_format(p->arena, "%s, found '%.*s'", text, t->length < 40 ? (int)t->length : 40,
                         t->text);
    fail_text(p, t, text);
    va_end(args);
}

void ir_parse_advance(ir_parser *p)
{
    if (p->failed) return;
    p->token = ir_lex_next(&p->lexer);
    if (p->token.kind == LEX_BAD) fail_text(p, &p->token, p->token.string);
}

bool ir_parse_at(const ir_parser *p, int punct)
{
    return p->token.kind == LEX_PUNCT && p->token.i == (uint64_t)punct;
}

bool ir_parse_accept(ir_parser *p, int punct)
{
    if (!ir_parse_at(p, punct)) return false;
    ir_parse_advance(p);
    return true;
}

void ir_parse_expect(ir_parser *p, int punct)
{
    if (!ir_parse_accept(p, punct)) ir_parse_fail(p, "expected '%c'", punct);
}

bool ir_parse_at_name(const ir_parser *p, const char *name)
{
    const ir_token *t = &p->token;
    return t->kind == LEX_NAME && strlen(name) == t->length &&
           memcmp(name, t->text, t->length) == 0;
}

bool ir_parse_accept_name(ir_parser *p, const char *name)
{
    if (!ir_parse_at_name(p, name)) return false;
    ir_parse_advance(p);
    return true;
}

static void expect_name(ir_parser *p, const char *name)
{
    if (!ir_parse_accept_name(p, name)) ir_parse_fail(p, "expected '%s'", name);
}

const char *ir_parse_string(ir_parser *p)
{
    const char *text = p->token.kind == LEX_STRING ? p->token.string : "";
    if (p->token.kind != LEX_STRING) ir_parse_fail(p, "expected a quoted string");
    ir_parse_advance(p);
    return text;
}

bool ir_parse_enter(ir_parser *p)
{
    if (p->depth >= MAX_DEPTH) ir_parse_fail(p, "nested too deeply");
    if (p->failed) return false;
    p->depth++;
    return true;
}

void ir_parse_leave(ir_parser *p) { p->depth--; }

/* ---- values ---- */

static ir_value *name_slot(ir_parser *p, ir_parse_names *names, ir_str name)
{
    names->of = ir_grow(p->arena, names->of, &names->cap, (size_t)name + 1, sizeof *names->of);
    return &names->of[name];
}

static ir_str value_name(ir_parser *p)
{
    const ir_token t = p->token;
    if (t.kind != LEX_VALUE) ir_parse_fail(p, "expected a value");
    ir_parse_advance(p);
    return p->failed ? IR_NONE : ir_intern_n(p->g, t.text, t.length);
}

static ir_value parse_use(ir_parser *p, ir_parse_names *names)
{
    const ir_token at = p->token;
    ir_str name = value_name(p);
    if (p->failed) return IR_NONE;
    ir_value v = *name_slot(p, names, name);
    if (v == IR_NONE) ir_parse_fail_at(p, &at, "%%%s is not defined here", ir_text(p->g, name));
    return v;
}

/* A value's definition as written: `%3: f32[2] "name"`. */
typedef struct definition {
    ir_token at;
    ir_str name;
    ir_type type;
    const char *tensor; /* NULL: none */
} definition;

static definition parse_definition(ir_parser *p)
{
    definition d = {.at = p->token, .name = value_name(p)};
    ir_parse_expect(p, ':');
    d.type = ir_parse_type(p);
    if (p->token.kind == LEX_STRING) d.tensor = ir_parse_string(p);
    return d;
}

static void define(ir_parser *p, const definition *d, ir_value v)
{
    if (p->failed) return;
    if (*name_slot(p, &p->visible, d->name) != IR_NONE) {
        ir_parse_fail_at(p, &d->at, "%%%s is defined twice", ir_text(p->g, d->name));
        return;
    }
    *name_slot(p, &p->visible, d->name) = *name_slot(p, &p->all, d->name) = v;
    p->scope = ir_grow(p->arena, p->scope, &p->cap_scope, p->nscope + 1, sizeof *p->scope);
    p->scope[p->nscope++] = d->name;
    if (d->tensor) p->g->values[v].name = ir_intern(p->g, d->tensor);
}

/* ---- nodes ---- */

static void parse_region(ir_parser *p, ir_block_id block);

/* A node as written, before it is built. */
typedef struct statement {
    ir_token at;
    ir_op op;
    definition *results;
    ir_value *operands;
    ir_attr *attrs;
    ir_block_id *regions;
    size_t nresults, noperands, nattrs, nregions, cap_attrs;
    ir_str name, origin;
} statement;

static ir_op find_op(const ir_parser *p)
{
    for (int op = IR_OP_NONE + 1; op < IR_OP_COUNT; op++)
        if (ir_parse_at_name(p, ir_op_get((ir_op)op)->name)) return (ir_op)op;
    return IR_OP_NONE;
}

static void parse_results(ir_parser *p, statement *s)
{
    size_t cap = 0;
    if (p->token.kind != LEX_VALUE) return;
    do {
        s->results = ir_grow(p->arena, s->results, &cap, s->nresults + 1, sizeof *s->results);
        s->results[s->nresults++] = parse_definition(p);
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, '=');
}

static void parse_operands(ir_parser *p, statement *s)
{
    size_t cap = 0;
    ir_parse_expect(p, '(');
    if (ir_parse_accept(p, ')')) return;
    do {
        s->operands = ir_grow(p->arena, s->operands, &cap, s->noperands + 1, sizeof *s->operands);
        s->operands[s->noperands++] =
            ir_parse_accept_name(p, "_") ? IR_NONE : parse_use(p, &p->visible);
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, ')');
}

static void add_attr(ir_parser *p, statement *s, ir_attr a)
{
    s->attrs = ir_grow(p->arena, s->attrs, &s->cap_attrs, s->nattrs + 1, sizeof *s->attrs);
    s->attrs[s->nattrs++] = a;
}

static bool has_attr(const statement *s, ir_key key)
{
    for (size_t i = 0; i < s->nattrs; i++)
        if (s->attrs[i].key == key) return true;
    return false;
}

static void parse_attrs(ir_parser *p, statement *s)
{
    const ir_type none = {0}, *type = s->nresults ? &s->results[0].type : &none;
    p->operands = s->operands;
    p->noperands = s->noperands;
    for (ir_key key; (key = ir_parse_key(p)) != IR_KEY_NONE;) {
        if (has_attr(s, key)) ir_parse_fail(p, "attribute given twice");
        add_attr(p, s, ir_parse_attr(p, key, type));
    }
    /* The element type of a nest is written once, as the result's. */
    if (ir_check_needs(s->op, IR_KEY_elem) && !has_attr(s, IR_KEY_elem))
        add_attr(p, s, ir_a_str(p->g, IR_KEY_elem, ir_elem_name(type->elem)));
}

static void parse_names(ir_parser *p, statement *s)
{
    if (ir_parse_accept(p, '@')) s->name = ir_intern(p->g, ir_parse_string(p));
    if (ir_parse_accept_name(p, "from")) s->origin = ir_intern(p->g, ir_parse_string(p));
}

static void parse_regions(ir_parser *p, statement *s)
{
    size_t cap = 0;
    while (ir_parse_at_name(p, "region")) {
        s->regions = ir_grow(p->arena, s->regions, &cap, s->nregions + 1, sizeof *s->regions);
        s->regions[s->nregions++] = ir_block_new(p->g, IR_NONE);
        parse_region(p, s->regions[s->nregions - 1]);
    }
}

static void check_statement(ir_parser *p, const statement *s)
{
    const ir_node n = {.op = s->op,
                       .noperands = (uint32_t)s->noperands,
                       .nresults = (uint32_t)s->nresults,
                       .nregions = (uint32_t)s->nregions,
                       .nattrs = (uint32_t)s->nattrs,
                       .operands = s->operands,
                       .attrs = s->attrs,
                       .regions = s->regions};
    const char *wrong = p->failed ? NULL : ir_check_node(p->g, &n);
    if (wrong) ir_parse_fail_at(p, &s->at, "%s: %s", ir_op_get(s->op)->name, wrong);
}

static void parse_build(ir_parser *p, const statement *s, ir_block_id block)
{
    ir_builder b = {.g = p->g, .block = block, .name = s->name, .origin = s->origin};
    ir_type *types = IR_NEW_N(p->arena, ir_type, s->nresults);
    for (size_t i = 0; i < s->nresults; i++) types[i] = s->results[i].type;
    check_statement(p, s);
    if (p->failed) return;
    ir_node_id id = ir_node_new(&b, s->op, s->operands, s->noperands, s->attrs, s->nattrs, types,
                                s->nresults, s->regions, s->nregions);
    if (id == IR_NONE)
        ir_parse_fail_at(p, &s->at, "%s: operands and attributes do not fit",
                         ir_op_get(s->op)->name);
    if (p->failed) return;
    p->places = ir_grow(p->arena, p->places, &p->cap_places, (size_t)id + 1, sizeof *p->places);
    p->places[id] = s->at;
    for (size_t i = 0; i < s->nresults && !p->failed; i++) {
        ir_value v = p->g->nodes[id].results[i];
        define(p, &s->results[i], v);
        if (!ir_type_equal(&types[i], ir_type_of(p->g, v)))
            ir_parse_fail_at(p, &s->results[i].at, "declared %s, inferred %s",
                             ir_type_text(p->g, &types[i]),
                             ir_type_text(p->g, ir_type_of(p->g, v)));
    }
}

static void parse_node(ir_parser *p, ir_block_id block)
{
    statement s = {.at = p->token};
    parse_results(p, &s);
    s.at = p->token;
    s.op = find_op(p);
    if (s.op == IR_OP_NONE) ir_parse_fail(p, "expected an operator");
    ir_parse_advance(p);
    parse_operands(p, &s);
    parse_attrs(p, &s);
    parse_names(p, &s);
    parse_regions(p, &s);
    parse_build(p, &s, block);
}

/* ---- regions ---- */

static void parse_params(ir_parser *p, ir_block_id block)
{
    ir_parse_expect(p, '(');
    if (ir_parse_accept(p, ')')) return;
    do {
        definition d = parse_definition(p);
        if (!p->failed) define(p, &d, ir_param(p->g, block, &d.type, d.tensor));
    } while (ir_parse_accept(p, ','));
    ir_parse_expect(p, ')');
}

static void parse_return(ir_parser *p, ir_block_id block)
{
    if (p->token.kind != LEX_VALUE) return;
    do {
        ir_value v = parse_use(p, &p->visible);
        const char *name = block == 1 ? ir_parse_string(p) : NULL;
        if (p->failed) return;
        if (name) ir_output(p->g, v, name);
        else ir_result(p->g, block, v);
    } while (ir_parse_accept(p, ','));
}

static void parse_region(ir_parser *p, ir_block_id block)
{
    size_t outer = p->nscope;
    expect_name(p, "region");
    if (!ir_parse_enter(p)) return;
    parse_params(p, block);
    ir_parse_expect(p, '{');
    while (!p->failed && !ir_parse_accept_name(p, "return")) parse_node(p, block);
    parse_return(p, block);
    ir_parse_expect(p, '}');
    while (p->nscope > outer) *name_slot(p, &p->visible, p->scope[--p->nscope]) = IR_NONE;
    ir_parse_leave(p);
}

/* ---- graph ---- */

static ir_sym_kind parse_symbol_kind(ir_parser *p)
{
    if (ir_parse_accept_name(p, "input")) return IR_SYM_INPUT;
    if (ir_parse_accept_name(p, "data")) return IR_SYM_DATA;
    if (ir_parse_accept_name(p, "capacity")) return IR_SYM_CAPACITY;
    expect_name(p, "region");
    return IR_SYM_REGION;
}

static void parse_symbol_line(ir_parser *p)
{
    const ir_token at = p->token;
    bool named = at.kind == LEX_NAME || at.kind == LEX_STRING;
    const char *name =
        at.kind == LEX_STRING ? at.string : ir_format(p->arena, "%.*s", (int)at.length, at.text);
    if (!named || !*name) ir_parse_fail(p, "expected a symbol's name");
    if (!p->failed && ir_sym_find(p->g, name) != IR_NONE) ir_parse_fail(p, "symbol declared twice");
    ir_parse_advance(p);
    ir_parse_expect(p, ':');
    ir_sym_kind kind = parse_symbol_kind(p);
    ir_parse_expect(p, '[');
    int64_t lo = ir_parse_int(p), hi = INT64_MAX;
    ir_parse_expect(p, ',');
    if (!ir_parse_accept_name(p, "inf")) hi = ir_parse_int(p);
    ir_parse_expect(p, ']');
    ir_dim bound = ir_parse_accept_name(p, "bound") ? ir_parse_dim(p) : IR_NONE;
    if (lo > hi || (kind != IR_SYM_DATA && lo < 0))
        ir_parse_fail_at(p, &at, "this interval is empty or holds negative sizes");
    if (!p->failed) ir_sym_new(p->g, name, kind, lo, hi, bound);
}

static void parse_guard(ir_parser *p, ir_guard *guard)
{
    guard->a = ir_parse_dim(p);
    ir_parse_expect(p, '=');
    guard->b = ir_parse_dim(p);
    const ir_token at = p->token;
    if (ir_parse_accept_name(p, "or")) {
        if (ir_parse_int(p) != 1) ir_parse_fail_at(p, &at, "expected 'or 1'");
        guard->or_one = true;
    }
    if (ir_parse_accept_name(p, "at")) {
        ir_value v = parse_use(p, &p->all);
        if (!p->failed) guard->node = p->g->values[v].def;
    }
}

/* Inference has recorded guards on the way; those in the text are the graph's, in their order. */
static void parse_guards(ir_parser *p)
{
    p->g->nguards = 0;
    while (ir_parse_accept_name(p, "guard")) {
        ir_guard guard = {0};
        parse_guard(p, &guard);
        if (!p->failed) ir_guard_add(p->g, guard.a, guard.b, guard.or_one, guard.node);
    }
    p->g->guards_owned = p->g->nguards;
}

static void parse_states(ir_parser *p)
{
    while (ir_parse_accept_name(p, "state")) {
        const ir_token at = p->token;
        int64_t input = ir_parse_int(p), axis = -1;
        ir_parse_expect(p, '=');
        int64_t output = ir_parse_int(p);
        if (ir_parse_accept_name(p, "axis")) axis = ir_parse_int(p);
        if (input < 0 || output < 0 || input > INT32_MAX || output > INT32_MAX || axis < -1 ||
            axis >= IR_MAX_RANK)
            ir_parse_fail_at(p, &at, "expected the numbers of an input, an output and an axis");
        if (!p->failed)
            ir_state_add(p->g, (ir_state){(uint32_t)input, (uint32_t)output, (int)axis});
    }
}

static void report_violation(void *ctx, ir_node_id id, const char *text)
{
    ir_parser *p = ctx;
    const ir_token start = {.line = 1, .column = 1};
    ir_parse_fail_at(p, id == IR_NONE ? &start : &p->places[id], "%s%s%s",
                     id == IR_NONE ? "" : ir_op_get(p->g->nodes[id].op)->name,
                     id == IR_NONE ? "" : ": ", text);
}

ir_graph *ir_parse(ir_arena *arena, lathe_diag *diag, const char *file, const char *text,
                   size_t size)
{
    ir_parser p = {.arena = arena, .diag = diag, .file = file ? file : "input"};
    p.g = ir_graph_new(arena, diag, "", NULL);
    ir_lex_init(&p.lexer, arena, text, size);
    ir_parse_advance(&p);
    expect_name(&p, "graph");
    p.g->name = ir_intern(p.g, ir_parse_string(&p));
    if (ir_parse_accept_name(&p, "file")) p.g->file = ir_intern(p.g, ir_parse_string(&p));
    while (ir_parse_accept_name(&p, "symbol")) parse_symbol_line(&p);
    parse_region(&p, 1);
    parse_states(&p);
    parse_guards(&p);
    if (!p.failed && p.token.kind != LEX_END) ir_parse_fail(&p, "expected the end");
    return p.failed || ir_check_graph(p.g, report_violation, &p) ? NULL : p.g;
}
