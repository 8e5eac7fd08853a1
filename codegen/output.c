/* In: paths and bytes. Out: files at their places, all or none.
 *
 * Each destination folder gets a private folder inside of it, so that the files have their final
 * names from the start (an archive and a library record them) and moving them is a rename on one
 * file system. Every string is allocated before the file that it names is made, so that a failing
 * allocation leaves nothing behind that is not in the lists. */
#include "codegen/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FILES = sizeof((cg_outputs *)0)->files / sizeof((cg_outputs *)0)->files[0],
    MAX_STAGES = sizeof((cg_outputs *)0)->stages / sizeof((cg_outputs *)0)->stages[0]
};

static const char *folder_of(ir_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? "." : slash == path ? "/" : ir_format(arena, "%.*s", (int)(slash - path), path);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The private folder for a destination folder. */
static const char *stage_of(cg_outputs *o, const char *folder)
{
    for (size_t i = 0; i < o->nstages; i++)
        if (strcmp(o->stages[i].folder, folder) == 0) return o->stages[i].stage;
    char *stage = ir_format(o->arena, "%s/.lathe-XXXXXX", folder);
    if (o->nstages == MAX_STAGES || !mkdtemp(stage)) {
        diag_add(o->diag, LATHE_IO, &(diag_place){.file = folder},
                 "nothing can be written here: %m");
        return NULL;
    }
    o->stages[o->nstages].folder = folder;
    o->stages[o->nstages++].stage = stage;
    return stage;
}

static const char *output_add(cg_outputs *o, const char *beside, const char *name,
                              const char *final)
{
    const char *stage = stage_of(o, folder_of(o->arena, beside));
    if (!stage) return NULL;
    const char *path = ir_format(o->arena, "%s/%s", stage, name);
    if (o->nfiles == MAX_FILES) {
        diag_add(o->diag, LATHE_INTERNAL, NULL, "too many output files");
        return NULL;
    }
    o->files[o->nfiles].final = final;
    o->files[o->nfiles].old = ir_format(o->arena, "%s/.old-%zu", stage, o->nfiles);
    o->files[o->nfiles++].temporary = path;
    return path;
}

const char *cg_output_stage(cg_outputs *o, const char *final)
{
    if (*base_name(final)) return output_add(o, final, base_name(final), final);
    diag_add(o->diag, LATHE_IO, &(diag_place){.file = final},
             "this is a folder, not a file's name");
    return NULL;
}

const char *cg_output_between(cg_outputs *o, const char *beside, const char *name)
{
    return output_add(o, beside, name, NULL);
}

FILE *cg_output_open(cg_outputs *o, const char *temporary)
{
    o->open = fopen(temporary, "wbe");
    if (!o->open)
        diag_add(o->diag, LATHE_IO, &(diag_place){.file = temporary}, "cannot be written: %m");
    return o->open;
}

lathe_status cg_output_close(cg_outputs *o)
{
    FILE *f = o->open;
    o->open = NULL;
    bool bad = ferror(f);
    if (fclose(f) != 0 || bad)
        return diag_add(o->diag, LATHE_IO, NULL, "writing an output failed: %m");
    return LATHE_OK;
}

lathe_status cg_output_write(cg_outputs *o, const char *temporary, const void *bytes, size_t size)
{
    FILE *f = cg_output_open(o, temporary);
    if (!f) return LATHE_IO;
    bool ok = fwrite(bytes, 1, size, f) == size;
    TRY(cg_output_close(o));
    return ok ? LATHE_OK : diag_add(o->diag, LATHE_IO, NULL, "writing an output failed");
}

void cg_output_each(const cg_outputs *o, void (*each)(void *ctx, const char *path), void *ctx)
{
    for (size_t i = 0; i < o->nfiles; i++)
        if (o->files[i].final) each(ctx, o->files[i].final);
}

/* What is at a destination gets a second name in the private folder, so that it can come back. A
 * file system without hard links moves it there. */
static bool set_aside(cg_outputs *o, size_t i)
{
    struct stat st;
    if (lstat(o->files[i].final, &st) != 0) return errno == ENOENT;
    errno = EISDIR;
    if (S_ISDIR(st.st_mode)) return false;
    o->files[i].replaced = link(o->files[i].final, o->files[i].old) == 0 ||
                           rename(o->files[i].final, o->files[i].old) == 0;
    return o->files[i].replaced;
}

static void take_back(cg_outputs *o)
{
    for (size_t i = 0; i < o->nfiles; i++) {
        if (o->files[i].replaced) rename(o->files[i].old, o->files[i].final);
        else if (o->files[i].moved) unlink(o->files[i].final);
    }
}

lathe_status cg_output_commit(cg_outputs *o)
{
    for (size_t i = 0; i < o->nfiles; i++) {
        if (!o->files[i].final) continue;
        o->files[i].moved =
            set_aside(o, i) && rename(o->files[i].temporary, o->files[i].final) == 0;
        if (o->files[i].moved) continue;
        diag_add(o->diag, LATHE_IO, &(diag_place){.file = o->files[i].final},
                 "cannot be written: %m");
        take_back(o);
        return LATHE_IO;
    }
    return LATHE_OK;
}

void cg_output_discard(cg_outputs *o)
{
    if (o->open) fclose(o->open);
    for (size_t i = 0; i < o->nfiles; i++) {
        unlink(o->files[i].temporary);
        unlink(o->files[i].old);
    }
    for (size_t i = 0; i < o->nstages; i++) rmdir(o->stages[i].stage);
    *o = (cg_outputs){0};
}
