/* The typed header of one model: NAME.h over lathe_rt.h.
 *
 * In: the graph's inputs, outputs and free symbols. Out: C text that compiles as C11 and C++17
 * without a warning: structs whose fields are the model's own names, macros for ranks and fixed
 * dims, and static inline functions. A caller fills sizes and pointers; the header computes the
 * dims of every input from the sizes, so that derived ones cannot be given wrongly. */
#include "codegen/object/c_names.h"

#include <inttypes.h>
#include <string.h>

typedef struct header {
    FILE *f;
    const cg_program *p;
    ir_graph *g;
    const ir_block *body;
    const char *name, *upper;
    const char **in, **out, **sizes; /* field names */
    ir_type *out_types;
    lathe_status status;
} header;

/* ---- names and types ---- */

static const char *c_type(ir_elem elem)
{
    static const char *const types[IR_ELEM_COUNT] = {
        [IR_F32] = "float",     [IR_F64] = "double",          [IR_I8] = "int8_t",
        [IR_I16] = "int16_t",   [IR_I32] = "int32_t",         [IR_I64] = "int64_t",
        [IR_U8] = "uint8_t",    [IR_U16] = "uint16_t",        [IR_U32] = "uint32_t",
        [IR_U64] = "uint64_t",  [IR_BOOL] = "bool",           [IR_F16] = "uint16_t",
        [IR_BF16] = "uint16_t", [IR_STRING] = "lathe_string",
    };
    return types[elem] ? types[elem] : "uint8_t";
}

static const char *enum_name(ir_elem elem)
{
    switch (elem) {
#define ELEM(NAME, text, onnx, bits, class)                                                        \
    case IR_##NAME:                                                                                \
        return "LATHE_" #NAME;
#include "ir/types.def"
#undef ELEM
    default:
        return "LATHE_U8";
    }
}

static const ir_type *in_type(const header *h, size_t i)
{
    return ir_type_of(h->g, h->body->params[i]);
}
static const ir_type *out_type(const header *h, size_t i) { return &h->out_types[i]; }

static const char *type_comment(const header *h, const ir_type *t)
{
    return cg_c_comment(h->g->arena, ir_type_text(h->g, t));
}

static void make_names(header *h)
{
    ir_arena *arena = h->g->arena;
    cg_scope in = {.arena = arena}, out = {.arena = arena}, sizes = {.arena = arena};
    h->in = IR_NEW_N(arena, const char *, h->body->nparams + 1);
    h->out = IR_NEW_N(arena, const char *, h->body->nresults + 1);
    h->sizes = IR_NEW_N(arena, const char *, h->p->n_free + 1);
    for (size_t i = 0; i < h->body->nparams; i++)
        h->in[i] = cg_c_name(&in, ir_text(h->g, h->g->values[h->body->params[i]].name));
    for (size_t i = 0; i < h->body->nresults; i++)
        h->out[i] = cg_c_name(&out, ir_text(h->g, h->g->output_names[i]));
    for (uint32_t i = 0; i < h->p->n_free; i++)
        h->sizes[i] = cg_c_name(&sizes, h->p->strings + h->p->syms[i].name);
}

/* ---- dims as C expressions ---- */

enum { MAX_DIM_DEPTH = 32 };

static void put_dim(header *h, ir_dim dim, int depth);

/* The field of a free symbol: found by name, which is unique among a graph's symbols. */
static void put_symbol(header *h, ir_sym sym)
{
    const char *name = ir_text(h->g, h->g->syms[sym].name);
    for (uint32_t i = 0; i < h->p->n_free; i++)
        if (strcmp(h->p->strings + h->p->syms[i].name, name) == 0) {
            fprintf(h->f, "io->dims.%s", h->sizes[i]);
            return;
        }
    fputs("0", h->f);
}

static void put_sum(header *h, const ir_dim_node *d, int depth)
{
    fputc('(', h->f);
    for (int i = 0; i < d->nterms; i++) {
        const ir_term *t = &d->terms[i];
        fprintf(h->f, "%sINT64_C(%" PRId64 ")", i ? " + " : "", t->coef);
        for (int k = 0; k < t->natoms; k++) {
            fputs(" * ", h->f);
            put_dim(h, t->atoms[k], depth - 1);
        }
    }
    fputc(')', h->f);
}

static void put_dim(header *h, ir_dim dim, int depth)
{
    static const char *const functions[] = {
        [IR_DIM_FLOORDIV] = "floordiv", [IR_DIM_MOD] = "mod", [IR_DIM_MIN] = "min",
        [IR_DIM_MAX] = "max",           [IR_DIM_EQ] = "eq",   [IR_DIM_LT] = "lt",
    };
    const ir_dim_node *d = ir_dim_get(h->g, dim);
    if (depth == 0) {
        h->status = LATHE_LIMIT;
    } else if (d->kind == IR_DIM_CONST) {
        fprintf(h->f, "INT64_C(%" PRId64 ")", d->value);
    } else if (d->kind == IR_DIM_SYM) {
        put_symbol(h, d->sym);
    } else if (d->kind == IR_DIM_SUM) {
        put_sum(h, d, depth);
    } else {
        fprintf(h->f, "%s_%s_(", h->name, functions[d->kind]);
        put_dim(h, d->a, depth - 1);
        fputs(", ", h->f);
        put_dim(h, d->b, depth - 1);
        fputc(')', h->f);
    }
}

/* ---- declarations ---- */

static void put_shape_macros(header *h, const char *group, const char *field, const ir_type *t)
{
    const char *name = cg_c_upper(h->g->arena, field);
    fprintf(h->f, "#define %s_%s_%s_RANK %d\n", h->upper, group, name, t->rank);
    for (int a = 0; a < t->rank; a++) {
        int64_t value;
        if (!ir_dim_is_const(h->g, t->dims[a], &value)) continue;
        const char *format = value <= INT32_MAX ? "#define %s_%s_%s_DIM_%d %" PRId64 "\n"
                                                : "#define %s_%s_%s_DIM_%d INT64_C(%" PRId64 ")\n";
        fprintf(h->f, format, h->upper, group, name, a, value);
    }
}

static void put_macros(header *h)
{
    fprintf(h->f, "#define %s_BUILD_ID UINT64_C(0x%016" PRIx64 ")\n", h->upper, h->p->build_id);
    fprintf(h->f, "#define %s_INPUTS %zu\n#define %s_OUTPUTS %zu\n#define %s_SIZES %u\n\n",
            h->upper, h->body->nparams, h->upper, h->body->nresults, h->upper, h->p->n_free);
    fputs("/* Ranks, and the dims that are the same in every run. */\n", h->f);
    for (size_t i = 0; i < h->body->nparams; i++)
        put_shape_macros(h, "IN", h->in[i], in_type(h, i));
    for (size_t i = 0; i < h->body->nresults; i++)
        put_shape_macros(h, "OUT", h->out[i], out_type(h, i));
}

static void put_dims_struct(header *h)
{
    fprintf(h->f, "\n/* The sizes that differ from run to run. */\ntypedef struct %s_dims {\n",
            h->name);
    for (uint32_t i = 0; i < h->p->n_free; i++) {
        const lathe_sym *s = &h->p->syms[i];
        fprintf(h->f, "    int64_t %s;", h->sizes[i]);
        if (s->hi == INT64_MAX) fprintf(h->f, "    /* at least %" PRId64 " */\n", s->lo);
        else fprintf(h->f, "    /* %" PRId64 " to %" PRId64 " */\n", s->lo, s->hi);
    }
    if (!h->p->n_free) fputs("    char none;\n", h->f);
    fprintf(h->f, "} %s_dims;\n", h->name);
}

static void put_io_struct(header *h)
{
    fprintf(h->f,
            "\n/* One run. in: dense row-major tensors. out: where to write and how many bytes "
            "there are, or\n"
            " * size 0: the session's own memory, to which run sets data; it is valid until the "
            "session's\n"
            " * next run. out_dims: what was produced, set by run. */\n"
            "typedef struct %s_io {\n    %s_dims dims;\n    struct {\n",
            h->name, h->name);
    for (size_t i = 0; i < h->body->nparams; i++)
        fprintf(h->f, "        const %s *%s;    /* %s */\n", c_type(in_type(h, i)->elem), h->in[i],
                type_comment(h, in_type(h, i)));
    if (!h->body->nparams) fputs("        char none;\n", h->f);
    fputs("    } in;\n    struct {\n", h->f);
    for (size_t i = 0; i < h->body->nresults; i++)
        fprintf(h->f, "        lathe_buffer %s;    /* %s */\n", h->out[i],
                type_comment(h, out_type(h, i)));
    if (!h->body->nresults) fputs("        char none;\n", h->f);
    fputs("    } out;\n    struct {\n", h->f);
    for (size_t i = 0; i < h->body->nresults; i++)
        fprintf(h->f, "        int64_t %s[%d];\n", h->out[i],
                out_type(h, i)->rank ? out_type(h, i)->rank : 1);
    if (!h->body->nresults) fputs("        char none;\n", h->f);
    fprintf(h->f, "    } out_dims;\n} %s_io;\n\n", h->name);
}

/* ---- functions ---- */

/* @ stands for the model's name, ## for it in capitals. */
static void put_template(const header *h, const char *text)
{
    for (; *text; text++) {
        if (*text == '@') fputs(h->name, h->f);
        else if (*text == '#' && text[1] == '#') fputs(h->upper, h->f), text++;
        else fputc(*text, h->f);
    }
}

static const char open_text[] =
    "extern const lathe_desc @_desc;\n"
    "\n"
    "/* options may be NULL. LATHE_MISMATCH: this header belongs to another build of the library. "
    "*/\n"
    "static inline lathe_status @_open(const lathe_open_options *options, lathe_model **model)\n"
    "{\n"
    "    lathe_open_options o;\n"
    "    memset(&o, 0, sizeof o);\n"
    "    if (options) o = *options;\n"
    "    o.build_id = ##_BUILD_ID;\n"
    "    if (LATHE_RT_(&@_desc)->abi_version != LATHE_ABI_VERSION) return LATHE_MISMATCH;\n"
    "    return lathe_model_open(&@_desc, &o, model);\n"
    "}\n"
    "static inline void @_close(lathe_model *model) { lathe_model_close(model); }\n"
    "\n";

static const char helpers_text[] =
    "static inline int64_t @_floordiv_(int64_t a, int64_t b) { return a < 0 || b <= 0 ? 0 : a / b; "
    "}\n"
    "static inline int64_t @_mod_(int64_t a, int64_t b) { return a < 0 || b <= 0 ? 0 : a % b; }\n"
    "static inline int64_t @_min_(int64_t a, int64_t b) { return a < b ? a : b; }\n"
    "static inline int64_t @_max_(int64_t a, int64_t b) { return a > b ? a : b; }\n"
    "static inline int64_t @_eq_(int64_t a, int64_t b) { return a == b; }\n"
    "static inline int64_t @_lt_(int64_t a, int64_t b) { return a < b; }\n"
    "\n";

static const char tensor_text[] =
    "static inline void @_in_(lathe_tensor *t, const void *data, lathe_elem elem, unsigned bits, "
    "int32_t rank,\n"
    "                         const int64_t *dims)\n"
    "{\n"
    "    uint64_t n = bits;\n"
    "    memset(t, 0, sizeof *t);\n"
    "    for (int32_t i = 0; i < rank; i++) n *= (uint64_t)(t->dims[i] = dims[i]);\n"
    "    t->data = (void *)(uintptr_t)data;\n"
    "    t->size = (size_t)((n + 7) / 8);\n"
    "    t->rank = rank;\n"
    "    t->elem = elem;\n"
    "}\n"
    "static inline void @_out_(lathe_tensor *t, const lathe_buffer *buffer)\n"
    "{\n"
    "    memset(t, 0, sizeof *t);\n"
    "    t->data = buffer->size ? buffer->data : NULL;\n"
    "    t->size = buffer->size;\n"
    "}\n"
    "static inline void @_done_(const lathe_tensor *t, lathe_buffer *buffer, int64_t *dims)\n"
    "{\n"
    "    if (!buffer->size) buffer->data = t->data;\n"
    "    for (int32_t i = 0; i < t->rank; i++) dims[i] = t->dims[i];\n"
    "}\n"
    "\n";

static void put_maxima(header *h, const char *function, const char *handle, const char *args,
                       const char *pass)
{
    fprintf(h->f, "static inline lathe_status %s_session_%s(%s, const %s_dims *max%s)\n{\n",
            h->name, function, handle, h->name, args);
    fprintf(h->f, "    int64_t maxima[%u] = {0};\n", h->p->n_free ? h->p->n_free : 1);
    for (uint32_t i = 0; i < h->p->n_free; i++)
        fprintf(h->f, "    if (max) maxima[%u] = max->%s;\n", i, h->sizes[i]);
    fprintf(h->f, "    return lathe_session_%s(%s);\n}\n", function, pass);
}

static void put_sessions(header *h)
{
    fputs("/* max: the largest sizes that a run may have; all memory is taken here, and a run "
          "takes none. NULL:\n"
          " * every run may raise them. */\n",
          h->f);
    put_maxima(h, "new", "lathe_model *model", ", lathe_session **session",
               "model, max ? maxima : NULL, session");
    put_maxima(h, "reserve", "lathe_session *session", "", "session, max ? maxima : NULL");
    put_template(h, "static inline void @_session_free(lathe_session *session) { "
                    "lathe_session_free(session); }\n\n");
}

static void put_run_input(header *h, size_t i)
{
    const ir_type *t = in_type(h, i);
    fputs("    {\n        const int64_t dims[] = {", h->f);
    for (int a = 0; a < t->rank; a++) {
        if (a) fputs(", ", h->f);
        put_dim(h, t->dims[a], MAX_DIM_DEPTH);
    }
    fprintf(h->f, "%s};\n        %s_in_(&in[%zu], io->in.%s, %s, %d, %d, dims);\n    }\n",
            t->rank ? "" : "0", h->name, i, h->in[i], enum_name(t->elem), ir_elem_bits(t->elem),
            t->rank);
}

static bool is_state(const header *h, size_t number, bool output)
{
    for (size_t i = 0; i < h->g->nstates; i++)
        if ((output ? h->g->states[i].output : h->g->states[i].input) == number) return true;
    return false;
}

/* The rows that the states have are a size of other inputs, too. */
static void put_length(header *h)
{
    for (size_t i = 0; i < h->g->nstates; i++) {
        const ir_state *s = &h->g->states[i];
        if (s->axis < 0) continue;
        fputs("    ", h->f);
        put_dim(h, in_type(h, s->input)->dims[s->axis], MAX_DIM_DEPTH);
        fputs(" = lathe_state_length(session);\n", h->f);
        return;
    }
}

/* With states of the session, their entries are not looked at: zeros. */
static void put_run(header *h, bool owns)
{
    size_t nin = h->body->nparams, nout = h->body->nresults;
    const char *prefix = owns ? "state_" : "";
    fprintf(h->f, "static inline lathe_status %s_%srun(lathe_session *session, %s_io *io)\n{\n",
            h->name, prefix, h->name);
    fprintf(h->f, "    lathe_tensor in[%zu], out[%zu];\n    lathe_status status;\n", nin ? nin : 1,
            nout ? nout : 1);
    if (!nin || owns) fputs("    memset(in, 0, sizeof in);\n", h->f);
    if (!nout || owns) fputs("    memset(out, 0, sizeof out);\n", h->f);
    if (!nin && !nout) fputs("    (void)io;\n", h->f);
    if (owns) put_length(h);
    for (size_t i = 0; i < nin; i++)
        if (!owns || !is_state(h, i, false)) put_run_input(h, i);
    for (size_t i = 0; i < nout; i++)
        if (!owns || !is_state(h, i, true))
            fprintf(h->f, "    %s_out_(&out[%zu], &io->out.%s);\n", h->name, i, h->out[i]);
    fprintf(h->f,
            "    status = lathe_%srun(session, in, out);\n"
            "    if (status != LATHE_OK) return status;\n",
            prefix);
    for (size_t i = 0; i < nout; i++)
        if (!owns || !is_state(h, i, true))
            fprintf(h->f, "    %s_done_(&out[%zu], &io->out.%s, io->out_dims.%s);\n", h->name, i,
                    h->out[i], h->out[i]);
    fputs("    return LATHE_OK;\n}\n", h->f);
}

static const char states_text[] =
    "\n/* States that the session owns, see lathe_rt.h. @_state_run looks at neither the states in "
    "io"
    " nor, in io->dims,\n"
    " * at the rows that they have: @_state_length knows. */\n"
    "static inline int64_t @_state_length(const lathe_session *session) { return "
    "lathe_state_length(session); }\n"
    "static inline lathe_status @_state_reserve(lathe_session *session, int64_t rows)\n"
    "{\n    return lathe_state_reserve(session, rows);\n}\n"
    "static inline lathe_status @_state_reset(lathe_session *session) { return "
    "lathe_state_reset(session); }\n"
    "static inline lathe_status @_state_rewind(lathe_session *session, int64_t rows)\n"
    "{\n    return lathe_state_rewind(session, rows);\n}\n"
    "static inline lathe_status @_state_fork(lathe_session *from, lathe_session *to)\n"
    "{\n    return lathe_state_fork(from, to);\n}\n"
    "static inline lathe_status @_state_reorder(lathe_session *session, const int64_t *from, "
    "int64_t "
    "n)\n"
    "{\n    return lathe_state_reorder(session, from, n);\n}\n"
    "static inline lathe_status @_state_save(lathe_session *session, lathe_buffer *buffer)\n"
    "{\n    return lathe_state_save(session, buffer);\n}\n"
    "static inline lathe_status @_state_load(lathe_session *session, const void *data, size_t "
    "size)\n"
    "{\n    return lathe_state_load(session, data, size);\n}\n";

static void put_states(header *h)
{
    if (!h->g->nstates) return;
    put_template(h, states_text);
    put_run(h, true);
}

static bool has_derived_dims(const header *h)
{
    for (size_t i = 0; i < h->body->nparams; i++)
        for (int a = 0; a < in_type(h, i)->rank; a++)
            if (ir_dim_get(h->g, in_type(h, i)->dims[a])->kind > IR_DIM_SYM) return true;
    return false;
}

static void put_functions(header *h)
{
    put_template(h, open_text);
    put_sessions(h);
    if (has_derived_dims(h)) put_template(h, helpers_text);
    put_template(h, tensor_text);
    put_run(h, false);
    put_states(h);
}

lathe_status cg_write_header(const cg_program *p, FILE *f, lathe_diag *diag)
{
    header h = {.f = f,
                .p = p,
                .g = p->g,
                .body = &p->g->blocks[1],
                .name = p->name,
                .upper = cg_c_upper(p->arena, p->name)};
    h.out_types = IR_NEW_N(p->arena, ir_type, h.body->nresults + 1);
    for (size_t i = 0; i < h.body->nresults; i++) h.out_types[i] = ir_output_type(h.g, i);
    make_names(&h);
    fprintf(f, "/* %s.h - made by lathe %s from %s; do not edit. C11 and C++17. */\n", p->name,
            cg_c_comment(p->arena, lathe_version()),
            cg_c_comment(p->arena, ir_text(p->g, p->g->name)));
    put_template(&h, "#ifndef ##_H\n#define ##_H\n\n#include <stdbool.h>\n#include <stdint.h>\n"
                     "#include <string.h>\n\n#include \"lathe_rt.h\"\n\n");
    put_macros(&h);
    fputs("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n", f);
    put_dims_struct(&h);
    put_io_struct(&h);
    put_functions(&h);
    fputs("\n#ifdef __cplusplus\n}\n#endif\n#endif\n", f);
    if (h.status != LATHE_OK)
        return diag_add(diag, h.status, NULL,
                        "the dims of an input are too complicated for a header");
    if (fflush(f) != 0 || ferror(f))
        return diag_add(diag, LATHE_IO, NULL, "writing the header failed: %m");
    return LATHE_OK;
}
