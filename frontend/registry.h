/* Declares every importer that onnx_ops.def names. */
#ifndef LATHE_FRONTEND_REGISTRY_H
#define LATHE_FRONTEND_REGISTRY_H

#include "frontend/fe.h"

#define ONNX(domain, name, since, until, importer, ...) lathe_status importer(fe_node *);
#include "frontend/onnx_ops.def"
#undef ONNX

#endif
