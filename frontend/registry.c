/* The table of ONNX operators, from onnx_ops.def. In: domain, name and opset version. Out: the row
 * whose importer reads that version. The list is short enough to be searched from its start. */
#include "frontend/registry.h"

#include <string.h>

static const fe_op ops[] = {
#define ONNX(domain, name, since, until, importer, types, limits, signature)                       \
    {domain, name, since, until, importer, types, limits, signature},
#include "frontend/onnx_ops.def"
#undef ONNX
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

size_t fe_op_count(void) { return sizeof ops / sizeof *ops - 1; }

const fe_op *fe_op_at(size_t index) { return index < fe_op_count() ? &ops[index] : NULL; }

const fe_op *fe_op_find(const char *domain, const char *name, int version)
{
    for (const fe_op *op = ops; op->name; op++) {
        if (strcmp(op->name, name) || strcmp(op->domain, domain)) continue;
        if (version >= op->since && (!op->until || version <= op->until)) return op;
    }
    return NULL;
}
