/* states: finds the outputs that a run hands to the next one as inputs, and gives them room.
 *
 * In: a graph at the end of the pipeline, and what the user said of states. Out: the same graph
 * with a list of states. A cache that grows, present = concat(past, new rows), gets an axis of
 * `capacity` rows, so that the session can own it: past and present are then one buffer and only
 * the new rows are written. Where the caller passes caches in and out, capacity is past + new and
 * nothing differs from before. Whoever reads the cache reads the same indices as before: what is
 * addressed through explicit indices needs no change, a reshape keeps the axis, and anything else
 * gets a copy without the room. A state that is replaced as a whole changes nothing in the graph.
 *
 * What a state is, is seen in the graph; names matter only for states that are replaced, as an
 * encoder's output may have its input's type by chance. */
#include <ctype.h>
#include <string.h>

#include "passes/pass.h"

enum { MAX_WEIGHT = 256 }; /* of a length: it is looked through by recursion */

typedef struct candidate {
    bool is;
    uint32_t output;
    int axis;          /* -1: replaced */
    ir_node_id concat; /* of one that grows */
} candidate;

typedef struct finder {
    ir_graph *g;
    pass_report *report;
    const uint32_t *uses;
    candidate *of; /* each input */
    bool *output_taken;
    ir_dim past; /* the one length of all states; IR_NONE: not known yet */
    const char *why;
} finder;

static const ir_block *body_of(const ir_graph *g) { return &g->blocks[1]; }

static const char *input_name(const ir_graph *g, size_t i)
{
    return ir_text(g, g->values[body_of(g)->params[i]].name);
}

static ir_sym symbol_of(const ir_graph *g, ir_dim d)
{
    const ir_dim_node *n = d ? ir_dim_get(g, d) : NULL;
    return n && n->kind == IR_DIM_SYM ? n->sym : IR_NONE;
}

static bool no(finder *f, const char *why)
{
    f->why = why;
    return false;
}

/* ---- what grows ---- */

/* Whether a size is known before a run starts: made of sizes of inputs alone. */
static bool from_inputs(const ir_graph *g, ir_dim d)
{
    const ir_dim_node *n = ir_dim_get(g, d);
    bool ok = n->weight <= MAX_WEIGHT;
    if (n->kind == IR_DIM_SYM) ok = g->syms[n->sym].kind == IR_SYM_INPUT;
    for (int i = 0; n->kind == IR_DIM_SUM && ok && i < n->nterms; i++)
        for (int k = 0; ok && k < n->terms[i].natoms; k++)
            ok = from_inputs(g, n->terms[i].atoms[k]);
    if (n->kind > IR_DIM_SUM) ok = ok && from_inputs(g, n->a) && from_inputs(g, n->b);
    return ok;
}

static ir_node_id reader_of(const ir_graph *g, ir_value v)
{
    const ir_block *b = body_of(g);
    for (size_t i = 0; i < b->nnodes; i++) {
        const ir_node *n = &g->nodes[b->nodes[i]];
        for (uint32_t k = 0; n->op != IR_OP_NONE && k < n->noperands; k++)
            if (n->operands[k] == v) return b->nodes[i];
    }
    return IR_NONE;
}

/* The number of the one output that a value is; false: it is none, or several. */
static bool output_of(const ir_graph *g, ir_value v, uint32_t *output)
{
    int found = 0;
    for (size_t i = 0; i < body_of(g)->nresults; i++) {
        if (body_of(g)->results[i] != v) continue;
        *output = (uint32_t)i;
        found++;
    }
    return found == 1;
}

/* Whether a value of the first type is the same again when it has been one of the second. */
static bool survives(ir_elem narrow, ir_elem wide)
{
    return wide == IR_F32 && (narrow == IR_F16 || narrow == IR_BF16);
}

/* What a model whose inputs and outputs keep their types makes of a cache: the value that only a
 * conversion to a narrower type makes of `past`; past itself if there is none. */
static ir_value narrowed(const finder *f, ir_value past)
{
    const ir_graph *g = f->g;
    const ir_node *n = f->uses[past] ? &g->nodes[reader_of(g, past)] : NULL;
    bool narrows = n && ir_converts(g, n) && f->uses[n->results[0]] == 1 &&
                   survives(ir_type_of(g, n->results[0])->elem, ir_type_of(g, past)->elem);
    return narrows ? n->results[0] : past;
}

/* The one output that is v in a wider type, and nothing else. */
static bool widened(const finder *f, ir_value v, ir_elem to, uint32_t *output)
{
    const ir_graph *g = f->g;
    for (size_t i = 0; i < body_of(g)->nresults; i++) {
        ir_value out = body_of(g)->results[i];
        const ir_node *n = &g->nodes[g->values[out].def];
        if (!g->values[out].def || f->uses[out] != 1 || !ir_converts(g, n) || n->operands[0] != v)
            continue;
        *output = (uint32_t)i;
        return ir_type_of(g, out)->elem == to;
    }
    return false;
}

static bool grows_in_branch(const ir_graph *g, ir_value past)
{
    for (ir_node_id id = 1; id < g->nnodes; id++) {
        const ir_node *n = &g->nodes[id];
        if (n->op == IR_OP_CONCAT && n->block != 1 && n->operands[0] == past) return true;
    }
    return false;
}

/* Whether an output is the input with rows behind it; f->why: what keeps it from being a state. */
static bool grows(finder *f, size_t input, candidate *c)
{
    ir_graph *g = f->g;
    ir_value past = body_of(g)->params[input], first = narrowed(f, past);
    f->why = NULL;
    ir_node_id id = f->uses[first] ? reader_of(g, first) : IR_NONE;
    const ir_node *n = id ? &g->nodes[id] : NULL;
    if (grows_in_branch(g, past))
        return no(f, "rows are added in a branch, which --set may decide");
    if (!n || n->op != IR_OP_CONCAT || n->operands[0] != first) return false;
    *c = (candidate){.is = true, .concat = id, .axis = (int)ir_attr_int(n, IR_KEY_axis, 0)};
    if (first == past ? !output_of(g, n->results[0], &c->output)
                      : !widened(f, n->results[0], ir_type_of(g, past)->elem, &c->output))
        return false;
    const ir_type *t = ir_type_of(g, past);
    ir_dim length = t->dims[c->axis], whole = ir_type_of(g, n->results[0])->dims[c->axis];
    if (f->uses[past] != 1) return no(f, "the input is read elsewhere, too");
    if (ir_elem_bits(t->elem) % 8) return no(f, "its elements are smaller than a byte");
    if (!symbol_of(g, length)) return no(f, "its length is fixed");
    if (f->past != IR_NONE && f->past != length)
        return no(f, "its length is not that of the others");
    if (!from_inputs(g, whole))
        return no(f, "how many rows are added is known during the run only");
    f->past = length;
    return true;
}

/* ---- what is replaced ---- */

/* Words that tell an input from an output; the last four are in names of any model, and make no
 * state by themselves. */
static const char *const hints[] = {"past", "present", "prev",  "previous", "next",
                                    "new",  "old",     "state", "states",   "cache",
                                    "in",   "out",     "input", "output"};
enum { HINTS = sizeof hints / sizeof *hints, TELLING = HINTS - 4 };

static bool is_hint(const char *word, size_t n, size_t of)
{
    for (size_t i = 0; i < of; i++)
        if (strlen(hints[i]) == n && memcmp(hints[i], word, n) == 0) return true;
    return false;
}

/* The next word of a name, without those that tell an input from an output; its length, 0: none. */
static size_t next_word(const char **at)
{
    for (;;) {
        while (**at && !isalnum((unsigned char)**at)) ++*at;
        size_t n = 0;
        while (isalnum((unsigned char)(*at)[n])) n++;
        if (!n || !is_hint(*at, n, HINTS)) return n;
        *at += n;
    }
}

static bool has_hint(const char *name)
{
    for (; *name; name++) {
        size_t n = 0;
        while (isalnum((unsigned char)name[n])) n++;
        if (n && is_hint(name, n, TELLING)) return true;
        name += n;
        if (!*name) break;
    }
    return false;
}

/* "past_0_ssm" and "present_0_ssm": the same words, and one of those that tell. */
static bool names_match(const char *in, const char *out)
{
    if (!has_hint(in) && !has_hint(out)) return false;
    for (;;) {
        size_t a = next_word(&in), b = next_word(&out);
        if (a != b || memcmp(in, out, a) != 0) return false;
        if (!a) return true;
        in += a;
        out += a;
    }
}

static bool can_replace(finder *f, size_t input, uint32_t output)
{
    const ir_graph *g = f->g;
    const ir_type *t = ir_type_of(g, body_of(g)->params[input]);
    uint32_t same;
    if (!ir_type_equal(t, ir_type_of(g, body_of(g)->results[output])))
        return no(f, "input and output differ in type");
    if (ir_elem_bits(t->elem) % 8 || t->elem == IR_STRING)
        return no(f, "its elements are no whole bytes");
    if (!output_of(g, body_of(g)->results[output], &same))
        return no(f, "the output is the same value as another one");
    return true;
}

static bool is_replaced(finder *f, size_t input, candidate *c)
{
    const ir_graph *g = f->g;
    for (uint32_t o = 0; o < body_of(g)->nresults; o++) {
        if (f->output_taken[o] ||
            !names_match(input_name(g, input), ir_text(g, g->output_names[o])))
            continue;
        *c = (candidate){.is = true, .output = o, .axis = -1};
        return can_replace(f, input, o);
    }
    return false;
}

/* ---- which are taken ---- */

static void note(finder *f, size_t input, const candidate *c, const char *why)
{
    pass_report *r = f->report;
    if (!r) return;
    r->states = ir_grow(f->g->arena, r->states, &r->cap_states, r->nstates + 1, sizeof *r->states);
    r->states[r->nstates++] = (pass_state){.input = input_name(f->g, input),
                                           .output = ir_text(f->g, f->g->output_names[c->output]),
                                           .grows = c->axis >= 0,
                                           .why = why};
}

static void find_all(finder *f)
{
    for (size_t i = 0; i < body_of(f->g)->nparams; i++) {
        candidate c = {0};
        bool ok = grows(f, i, &c) || (!f->why && is_replaced(f, i, &c));
        if (ok) {
            f->of[i] = c;
            f->output_taken[c.output] = true;
        } else if (f->why) {
            note(f, i, &c, f->why);
        }
    }
}

static const char unsized[] = "no input that is not a state has its sizes";

/* The other sizes of a state must be read off inputs that the caller gives. */
static bool size_given(const finder *f, ir_dim d)
{
    const ir_graph *g = f->g;
    int64_t value;
    if (ir_dim_is_const(g, d, &value)) return true;
    for (size_t i = 0; i < body_of(g)->nparams; i++) {
        const ir_type *t = ir_type_of(g, body_of(g)->params[i]);
        for (int a = 0; !f->of[i].is && a < t->rank; a++)
            if (t->dims[a] == d) return true;
    }
    return false;
}

/* The last one that is dropped, or the number of inputs. */
static size_t drop_unsized(finder *f)
{
    size_t dropped = body_of(f->g)->nparams;
    const ir_graph *g = f->g;
    for (size_t i = 0; i < body_of(g)->nparams; i++) {
        const ir_type *t = ir_type_of(g, body_of(g)->params[i]);
        bool given = true;
        for (int a = 0; f->of[i].is && a < t->rank; a++)
            given = given && (a == f->of[i].axis || size_given(f, t->dims[a]));
        if (given) continue;
        note(f, i, &f->of[i], unsized);
        f->of[i].is = false;
        dropped = i;
    }
    return dropped;
}

/* ---- room ---- */

/* Makes the node that was built last the one behind `before`. */
static void move_behind(ir_graph *g, ir_node_id before)
{
    ir_block *b = &g->blocks[g->nodes[before].block];
    ir_node_id made = b->nodes[--b->nnodes];
    size_t at = 0;
    while (b->nodes[at] != before) at++;
    memmove(b->nodes + at + 2, b->nodes + at + 1, (b->nnodes - at - 1) * sizeof *b->nodes);
    b->nodes[at + 1] = made;
    b->nnodes++;
}

/* The rows that are somebody's, as a value of the type that v had. */
static ir_value without_room(ir_graph *g, ir_value v, const ir_type *filled)
{
    ir_node_id def = g->values[v].def;
    const ir_node *n = &g->nodes[def];
    ir_builder b = {
        .g = g, .block = n->block, .name = n->name, .origin = n->origin, .origins = n->origins};
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK];
    ir_nest_begin(&nest, &b, filled->rank, filled->dims, 0);
    for (int a = 0; a < filled->rank; a++) idx[a] = ir_nest_index(&nest, a);
    ir_value view = ir_nest_view(&nest, ir_nest_load(&nest, v, idx));
    move_behind(g, def);
    return view;
}

/* The axis of a reshape's result that is `axis` of its operand; -1: the axis is cut or joined. */
static int axis_behind(ir_graph *g, const ir_type *from, int axis, const ir_type *to)
{
    ir_dim before = ir_dim_product(g, from->dims, axis);
    ir_dim behind = ir_dim_product(g, from->dims + axis + 1, from->rank - axis - 1);
    for (int a = 0; a < to->rank; a++)
        if (to->dims[a] == from->dims[axis] && ir_dim_product(g, to->dims, a) == before &&
            ir_dim_product(g, to->dims + a + 1, to->rank - a - 1) == behind)
            return a;
    return -1;
}

static bool is_result_of_block(const ir_graph *g, ir_value v)
{
    for (size_t b = 1; b < g->nblocks; b++)
        for (size_t i = 0; i < g->blocks[b].nresults; i++)
            if (g->blocks[b].results[i] == v) return true;
    return false;
}

/* A value that gets room along an axis. */
typedef struct room {
    ir_value v, rows; /* rows: the same without the room, once somebody needs it */
    ir_type filled;
    int axis;
    ir_dim capacity;
} room;

static void give_room(ir_graph *g, ir_value v, int axis, ir_dim capacity);

static ir_value rows_of(ir_graph *g, room *r)
{
    if (r->rows == IR_NONE) r->rows = without_room(g, r->v, &r->filled);
    return r->rows;
}

static bool keeps_room(ir_graph *g, const room *r, const ir_node *n)
{
    if (n->op != IR_OP_RESHAPE || is_result_of_block(g, n->results[0])) return false;
    ir_value to = n->results[0];
    int axis = axis_behind(g, &r->filled, r->axis, ir_type_of(g, to));
    if (axis < 0) return false;
    give_room(g, to, axis, r->capacity);
    return true;
}

/* A scatter's result has the sizes of its data. */
static bool reads_at_indices(const ir_node *n, ir_value v)
{
    return ir_op_is(n->op, IR_TRAIT_NEST) && !(n->op == IR_OP_SCATTER && n->operands[0] == v);
}

static void adapt_reader(ir_graph *g, room *r, ir_node_id id)
{
    bool reads = false;
    for (uint32_t k = 0; k < g->nodes[id].noperands; k++) reads |= g->nodes[id].operands[k] == r->v;
    if (!reads || reads_at_indices(&g->nodes[id], r->v) || keeps_room(g, r, &g->nodes[id])) return;
    ir_value rows = rows_of(g, r);
    ir_node *n = &g->nodes[id];
    for (uint32_t k = 0; k < n->noperands; k++)
        if (n->operands[k] == r->v) n->operands[k] = rows;
}

/* Bodies that end with the value itself; the graph's outputs keep the room. */
static void adapt_results(ir_graph *g, room *r)
{
    for (size_t b = 2; b < g->nblocks; b++)
        for (size_t i = 0; i < g->blocks[b].nresults; i++)
            if (g->blocks[b].results[i] == r->v) {
                ir_value rows = rows_of(g, r);
                g->blocks[b].results[i] = rows;
            }
}

/* Gives what a node makes room along an axis. A reshape's `dims`, a concat's `capacity` say so. */
static void give_room(ir_graph *g, ir_value v, int axis, ir_dim capacity)
{
    room r = {.v = v, .filled = *ir_type_of(g, v), .axis = axis, .capacity = capacity};
    size_t nnodes = g->nnodes;
    g->values[v].type.dims[axis] = capacity;
    const ir_type *t = ir_type_of(g, v);
    ir_node_id def = g->values[v].def;
    if (g->nodes[def].op == IR_OP_RESHAPE) {
        ir_attr dims = ir_a_dims(g, IR_KEY_dims, t->dims, (size_t)t->rank);
        ir_replace_attrs(g, def, UINT64_C(1) << IR_KEY_dims, &dims, 1);
    } else {
        ir_attr rows = ir_a_dims(g, IR_KEY_capacity, &capacity, 1);
        ir_replace_attrs(g, def, UINT64_C(1) << IR_KEY_capacity, &rows, 1);
    }
    for (ir_node_id id = 1; id < nnodes; id++)
        if (g->nodes[id].op != IR_OP_NONE) adapt_reader(g, &r, id);
    adapt_results(g, &r);
}

/* States whose rows are as many have one capacity. */
static ir_dim capacity_of(ir_graph *g, ir_dim whole)
{
    for (size_t s = 1; s < g->nsyms; s++)
        if (g->syms[s].kind == IR_SYM_CAPACITY && g->syms[s].bound == whole)
            return ir_dim_sym(g, (ir_sym)s);
    int64_t lo, hi;
    ir_dim_range(g, whole, &lo, &hi);
    return ir_dim_sym(
        g, ir_sym_new(g, "capacity", IR_SYM_CAPACITY, lo > 0 ? lo : 0, INT32_MAX, whole));
}

static void take(finder *f, size_t input)
{
    ir_graph *g = f->g;
    const candidate c = f->of[input];
    if (c.axis >= 0) {
        ir_value v = g->nodes[c.concat].results[0];
        give_room(g, v, c.axis, capacity_of(g, ir_type_of(g, v)->dims[c.axis]));
    }
    ir_state_add(g, (ir_state){(uint32_t)input, c.output, c.axis});
    note(f, input, &c, NULL);
}

/* ---- what the user says ---- */

static lathe_status unknown_name(finder *f, const char *what, const char *name, size_t n,
                                 const char *const *names, size_t count, lathe_diag *diag)
{
    const char *text = ir_format(f->g->arena, "%.*s", (int)n, name);
    diag_place place = {.file = ir_text(f->g, f->g->file)};
    diag_add(diag, LATHE_NOT_FOUND, &place, "--state: no %s is called '%s'", what, text);
    diag_suggest(diag, text, names, count);
    return LATHE_NOT_FOUND;
}

static size_t find_name(const char *const *names, size_t count, const char *name, size_t n)
{
    size_t i = 0;
    while (i < count && (strlen(names[i]) != n || memcmp(names[i], name, n) != 0)) i++;
    return i;
}

/* One "IN=OUT". */
static lathe_status state_said(finder *f, const char *in, size_t nin, const char *out, size_t nout,
                               lathe_diag *diag)
{
    ir_graph *g = f->g;
    const ir_block *b = body_of(g);
    const char **names = IR_NEW_N(g->arena, const char *, b->nparams + b->nresults + 1);
    for (size_t i = 0; i < b->nparams; i++) names[i] = input_name(g, i);
    size_t i = find_name(names, b->nparams, in, nin);
    if (i == b->nparams) return unknown_name(f, "input", in, nin, names, b->nparams, diag);
    for (size_t o = 0; o < b->nresults; o++) names[o] = ir_text(g, g->output_names[o]);
    size_t o = find_name(names, b->nresults, out, nout);
    if (o == b->nresults) return unknown_name(f, "output", out, nout, names, b->nresults, diag);
    candidate c = {0};
    bool ok = grows(f, i, &c) && c.output == o;
    if (!ok && !f->why) {
        c = (candidate){.is = true, .output = (uint32_t)o, .axis = -1};
        ok = can_replace(f, i, c.output);
    }
    if (ok && (f->of[i].is || f->output_taken[o])) ok = no(f, "it is one already");
    diag_place place = {.file = ir_text(g, g->file), .tensor = input_name(g, i)};
    if (!ok)
        return diag_add(diag, LATHE_UNSUPPORTED, &place, "output '%s' cannot be its state: %s",
                        ir_text(g, g->output_names[o]), f->why ? f->why : "it has another output");
    f->of[i] = c;
    f->output_taken[o] = true;
    return LATHE_OK;
}

static lathe_status states_said(finder *f, const char *list, lathe_diag *diag)
{
    while (*list) {
        size_t n = strcspn(list, ","), in = strcspn(list, "=");
        if (in >= n)
            return diag_add(diag, LATHE_BAD_INPUT, NULL,
                            "--state '%.*s': expected INPUT=OUTPUT, auto or off", (int)n, list);
        TRY(state_said(f, list, in, list + in + 1, n - in - 1, diag));
        list += list[n] == ',' ? n + 1 : n;
    }
    return LATHE_OK;
}

lathe_status pass_states(ir_graph *g, const pass_options *options, lathe_diag *diag)
{
    const char *said = options->states ? options->states : "off";
    if (strcmp(said, "off") == 0 || g->nstates) return LATHE_OK;
    finder f = {.g = g,
                .report = options->report,
                .uses = ir_count_uses(g),
                .of = IR_NEW_N(g->arena, candidate, body_of(g)->nparams + 1),
                .output_taken = IR_NEW_N(g->arena, bool, body_of(g)->nresults + 1)};
    if (strcmp(said, "auto") == 0) find_all(&f);
    else TRY(states_said(&f, said, diag));
    size_t dropped = drop_unsized(&f);
    if (strcmp(said, "auto") != 0 && dropped < body_of(g)->nparams) {
        diag_place place = {.file = ir_text(g, g->file), .tensor = input_name(g, dropped)};
        return diag_add(diag, LATHE_UNSUPPORTED, &place, "cannot be a state: %s", unsized);
    }
    for (size_t i = 0; i < body_of(g)->nparams; i++)
        if (f.of[i].is) take(&f, i);
    return LATHE_OK;
}
