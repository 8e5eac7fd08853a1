/* Reading a model. In: the path of an ONNX file, any bytes. Out: a graph in the caller's arena, or
 * messages. The file is mapped, pre-scanned (wire.c), unpacked into the arena, and its graph
 * imported node by node. Invariant: whatever is not in the arena belongs to `files`, since running
 * out of memory jumps over everything here. */
#include "frontend/import.h"

#include <string.h>

#include "frontend/format.h"
#include "frontend/wire.h"

/* ---- messages ---- */

lathe_status fe_note(fe_import *im, lathe_status status)
{
    if (im->status == LATHE_OK) im->status = status;
    return status;
}

lathe_status fe_error(fe_import *im, lathe_status status, const char *tensor, const char *format,
                      ...)
{
    diag_place place = {.file = im->path, .tensor = tensor};
    va_list args;
    va_start(args, format);
    const char *text = ir_vformat(im->arena, format, args);
    va_end(args);
    return fe_note(im, diag_add(im->diag, status, &place, "%s", text));
}

/* ---- unpacking ---- */

/* protobuf-c allocates in the arena and frees nothing; a failure jumps, so it never sees NULL. */
static void *arena_alloc(void *arena, size_t size) { return ir_alloc(arena, 1, size); }

static void arena_free(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

static lathe_status unpack(fe_import *im)
{
    fe_wire wire;
    ProtobufCAllocator allocator = {arena_alloc, arena_free, im->arena};
    TRY(fe_wire_scan(im->diag, im->path, im->file->bytes, im->file->size, &wire));
    fe_files_keep(im->files, wire.bytes);
    im->model = onnx__model_proto__unpack(&allocator, wire.size, wire.bytes);
    fe_files_keep(im->files, NULL);
    if (!im->model) return fe_error(im, LATHE_INTERNAL, NULL, "the model cannot be unpacked");
    return LATHE_OK;
}

/* ---- the model ---- */

/* Two imports of a domain would leave open which version its nodes mean. */
static lathe_status check_twice(fe_import *im, size_t k)
{
    const char *domain = fe_domain(im->model->opset_import[k]->domain);
    for (size_t i = 0; i < k; i++) {
        if (strcmp(fe_domain(im->model->opset_import[i]->domain), domain)) continue;
        return fe_error(im, LATHE_BAD_INPUT, NULL, "the opset of domain %s is imported twice",
                        *domain ? domain : "ai.onnx");
    }
    return LATHE_OK;
}

static lathe_status check_versions(fe_import *im)
{
    const Onnx__ModelProto *m = im->model;
    int64_t version = m->has_ir_version ? m->ir_version : 0;
    if (!m->graph) return fe_error(im, LATHE_BAD_INPUT, NULL, "this is no ONNX model: no graph");
    if (version < FE_IR_OLDEST) {
        return fe_error(im, LATHE_UNSUPPORTED, NULL, "IR version %lld, the oldest supported is %d",
                        (long long)version, FE_IR_OLDEST);
    }
    if (version > FE_IR_NEWEST) {
        diag_warn(im->diag, &(diag_place){.file = im->path},
                  "IR version %lld is newer than the newest known, %d", (long long)version,
                  FE_IR_NEWEST);
    }
    if (m->n_opset_import > FE_MAX_OPSETS)
        return fe_error(im, LATHE_LIMIT, NULL, "more than %d opset imports", FE_MAX_OPSETS);
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = m->opset_import[i];
        TRY(check_twice(im, i));
        if (*fe_domain(set->domain) || !set->has_version) continue;
        if (set->version > FE_OPSET_NEWEST) {
            return fe_error(im, LATHE_UNSUPPORTED, NULL,
                            "opset version %lld, the newest known is %d", (long long)set->version,
                            FE_OPSET_NEWEST);
        }
    }
    return LATHE_OK;
}

static lathe_status check_options(fe_import *im)
{
    im->dim_used = IR_NEW_N(im->arena, bool, im->options->ndims + 1);
    im->custom_used = IR_NEW_N(im->arena, bool, im->options->ncustom + 1);
    im->items_used = IR_NEW_N(im->arena, bool, im->options->nitems + 1);
    im->set_used = IR_NEW_N(im->arena, bool, im->options->nset + 1);
    for (size_t i = 0; i < im->options->ndims; i++) {
        const lathe_dim_option *d = &im->options->dims[i];
        if (d->value < LATHE_DIM_EACH || !d->name) {
            return fe_error(im, LATHE_BAD_INPUT, NULL,
                            "option --dim: '%s' is %lld, expected 0 or more", fe_text(d->name),
                            (long long)d->value);
        }
    }
    return LATHE_OK;
}

static lathe_status import_graph(fe_import *im)
{
    const Onnx__GraphProto *graph = im->model->graph;
    im->frame = (fe_frame){
        .prefix = "", .opsets = im->model->opset_import, .nopsets = im->model->n_opset_import};
    fe_scope *s = fe_scope_new(im, NULL, &im->frame, 1);
    TRY(fe_functions_index(im));
    TRY(fe_scope_add_initializers(s, graph));
    fe_read_inputs(s, graph);
    fe_check_dims(im);
    TRY(fe_import_nodes(s, fe_graph_nodes(im, graph), 1));
    fe_check_custom(im);
    TRY(fe_read_outputs(s, graph));
    fe_keep_values(s, graph);
    if (im->status == LATHE_OK && im->g->overflow) {
        return fe_error(im, LATHE_LIMIT, NULL, "a size is more than 64 bits hold");
    }
    return im->status;
}

static const char *folder_of(fe_import *im)
{
    const char *slash = strrchr(im->path, '/');
    if (!slash) return ".";
    if (slash == im->path) return "/";
    return ir_format(im->arena, "%.*s", (int)(slash - im->path), im->path);
}

/* Before protobuf is tried, whose complaint would be about some byte. */
static lathe_status check_format(fe_import *im)
{
    const fe_format *other = fe_format_find(im->file->bytes, im->file->size);
    if (!other) return LATHE_OK;
    fe_error(im, LATHE_BAD_INPUT, NULL, "this is no ONNX model: it is %s", other->name);
    if (other->hint) diag_hint(im->diag, "%s", other->hint);
    return LATHE_BAD_INPUT;
}

static lathe_status read_model(fe_import *im)
{
    TRY(check_options(im));
    TRY(fe_file_open(im->files, im->diag, im->path, &im->file));
    TRY(check_format(im));
    TRY(unpack(im));
    TRY(check_versions(im));
    im->folder = folder_of(im);
    im->g = ir_graph_new(im->arena, im->diag, fe_text(im->model->graph->name), im->path);
    TRY(import_graph(im));
    return fe_files_check(im->files, im->diag);
}

lathe_status fe_read(ir_arena *arena, lathe_diag *diag, fe_files *files, const char *path,
                     const fe_options *options, ir_graph **out)
{
    fe_import *im = IR_NEW(arena, fe_import);
    *out = NULL;
    im->arena = arena;
    im->diag = diag;
    im->files = files;
    im->path = path;
    im->options = options;
    lathe_status status = read_model(im);
    if (status == LATHE_OK) *out = im->g;
    return status;
}
