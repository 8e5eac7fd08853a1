/* Files that an import reads: the model and its external data, mapped read-only. */
#ifndef LATHE_FRONTEND_FILE_H
#define LATHE_FRONTEND_FILE_H

#include <sys/stat.h>

#include "frontend/fe.h"

typedef struct fe_file {
    char *path; /* as opened, for messages and dumps */
    const uint8_t *bytes;
    size_t size;
    struct stat stat; /* when it was mapped */
    struct fe_file *next;
} fe_file;

/* The model itself, by a path that the user gave. */
lathe_status fe_file_open(fe_files *, lathe_diag *, const char *path, const fe_file **);
/* Maps what fd (closed in any case) refers to, or finds it among the files mapped already. */
lathe_status fe_file_map(fe_files *, lathe_diag *, const diag_place *, int fd, const char *path,
                         const fe_file **);
const fe_file *fe_file_find(const fe_files *, const char *path);
/* A malloc'ed block that is freed with the files, or by the next call. */
void fe_files_keep(fe_files *, void *block);

/* ---- external.c ---- */

/* What external_data says about a tensor. */
typedef struct fe_external {
    const char *location;
    uint64_t offset, length; /* length 0: as the tensor's type says */
} fe_external;
lathe_status fe_external_parse(lathe_diag *, const diag_place *, const Onnx__TensorProto *,
                               fe_external *);
/* Opens `location` under `folder`; the only way by which a model can name another file. */
lathe_status fe_external_open(fe_files *, lathe_diag *, const diag_place *, const char *folder,
                              const char *location, bool allow_symlinks, const fe_file **);
typedef enum { FE_OPEN_KERNEL, FE_OPEN_WALK } fe_open_how;
/* A descriptor or -errno. KERNEL: one openat2 call; WALK: component by component, for kernels
 * without it, where symbolic links cannot be allowed safely. */
int fe_open_beneath(int folder, const char *location, bool allow_symlinks, fe_open_how);

#endif
