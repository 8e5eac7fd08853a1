/* Files under construction: nothing appears at its place before everything is written. */
#ifndef LATHE_CODEGEN_OUTPUT_H
#define LATHE_CODEGEN_OUTPUT_H

#include "ir/arena.h"
#include "ir/diag.h"

typedef struct cg_outputs {
    ir_arena *arena;
    lathe_diag *diag;
    struct {
        const char *final, *temporary;
        const char *old; /* another name of what was at `final` */
        bool moved, replaced;
    } files[8]; /* final NULL: a file between */
    struct {
        const char *folder, *stage;
    } stages[4];
    size_t nfiles, nstages;
    FILE *open; /* the one being written */
} cg_outputs;

/* Where to write what shall become `final`; NULL with a message on failure. */
const char *cg_output_stage(cg_outputs *, const char *final);
/* Where to write a file that is needed only meanwhile; beside is a final path. */
const char *cg_output_between(cg_outputs *, const char *beside, const char *name);
/* Opens a staged file for writing; NULL with a message. */
FILE *cg_output_open(cg_outputs *, const char *temporary);
lathe_status cg_output_close(cg_outputs *);
/* Writes a whole staged file. */
lathe_status cg_output_write(cg_outputs *, const char *temporary, const void *bytes, size_t size);
/* Calls `each` with every final path, in the order of staging. */
void cg_output_each(const cg_outputs *, void (*each)(void *ctx, const char *path), void *ctx);
/* Moves all staged files to their places, or none: what was there stays. */
lathe_status cg_output_commit(cg_outputs *);
/* Removes all that is left; also after a commit. */
void cg_output_discard(cg_outputs *);

#endif
