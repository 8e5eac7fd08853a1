/* The list of mapped files. In: paths and descriptors. Out: bytes that stay valid until
 * fe_files_free. Invariant: one mapping a file, whatever names lead to it. A file that another
 * process changes meanwhile cannot be made safe entirely; fe_files_check says afterwards that it
 * happened, so that no artefact is kept that was made from it. */
#include "frontend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fe_files {
    fe_file *first;
    void *block;
};

fe_files *fe_files_new(void) { return calloc(1, sizeof(fe_files)); }

static void file_free(fe_file *f)
{
    if (f->size) munmap((void *)f->bytes, f->size);
    free(f->path);
    free(f);
}

void fe_files_free(fe_files *files)
{
    if (!files) return;
    while (files->first) {
        fe_file *f = files->first;
        files->first = f->next;
        file_free(f);
    }
    free(files->block);
    free(files);
}

/* Whole pages only; they are read from the file again when they are needed. */
void fe_files_forget(const fe_files *files, const void *bytes, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)bytes;
    for (const fe_file *f = files->first; f; f = f->next) {
        uintptr_t start = (uintptr_t)f->bytes;
        if (!f->size || from < start || size > f->size || from - start > f->size - size) continue;
        uintptr_t first = (from + page - 1) / page * page, end = (from + size) / page * page;
        if (first < end) madvise((void *)first, end - first, MADV_DONTNEED);
    }
}

void fe_files_keep(fe_files *files, void *block)
{
    free(files->block);
    files->block = block;
}

const fe_file *fe_file_find(const fe_files *files, const char *path)
{
    for (const fe_file *f = files->first; f; f = f->next) {
        if (!strcmp(f->path, path)) return f;
    }
    return NULL;
}

static const fe_file *find_inode(const fe_files *files, const struct stat *st)
{
    for (const fe_file *f = files->first; f; f = f->next) {
        if (f->stat.st_ino == st->st_ino && f->stat.st_dev == st->st_dev) return f;
    }
    return NULL;
}

/* A list entry for an open regular file; NULL without memory or address space. */
static fe_file *map_new(int fd, const char *path, const struct stat *st)
{
    fe_file *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->path = strdup(path);
    f->size = (size_t)st->st_size;
    f->stat = *st;
    f->bytes = (const uint8_t *)"";
    if (f->size) f->bytes = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (f->bytes == MAP_FAILED) f->size = 0;
    if (f->path && f->bytes != MAP_FAILED) return f;
    file_free(f);
    return NULL;
}

static lathe_status map_open(fe_files *files, lathe_diag *diag, const diag_place *place, int fd,
                             const char *path, const fe_file **out)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return diag_add(diag, LATHE_IO, place, "cannot read '%s': %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return diag_add(diag, LATHE_BAD_INPUT, place, "'%s' is not a regular file", path);
    }
    *out = find_inode(files, &st);
    if (*out) return LATHE_OK;
    fe_file *f = map_new(fd, path, &st);
    if (!f) return diag_add(diag, LATHE_OUT_OF_MEMORY, place, "cannot map '%s'", path);
    f->next = files->first;
    files->first = f;
    *out = f;
    return LATHE_OK;
}

lathe_status fe_file_map(fe_files *files, lathe_diag *diag, const diag_place *place, int fd,
                         const char *path, const fe_file **out)
{
    lathe_status status = map_open(files, diag, place, fd, path, out);
    close(fd);
    return status;
}

lathe_status fe_file_open(fe_files *files, lathe_diag *diag, const char *path, const fe_file **out)
{
    diag_place place = {.file = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return diag_add(diag, errno == ENOENT ? LATHE_NOT_FOUND : LATHE_IO, &place,
                        "cannot open the model: %s", strerror(errno));
    }
    return fe_file_map(files, diag, &place, fd, path, out);
}

size_t fe_files_size(const fe_files *files)
{
    size_t size = 0;
    for (const fe_file *f = files->first; f; f = f->next)
        if (__builtin_add_overflow(size, f->size, &size)) return SIZE_MAX;
    return size;
}

void fe_files_each(const fe_files *files, void (*visit)(void *ctx, const char *path), void *ctx)
{
    for (const fe_file *f = files->first; f; f = f->next) visit(ctx, f->path);
}

/* A file replaced by another one of the same name is no harm: the mapping keeps the old one. */
static bool has_changed(const fe_file *f)
{
    struct stat now;
    if (stat(f->path, &now) != 0) return false;
    if (now.st_ino != f->stat.st_ino || now.st_dev != f->stat.st_dev) return false;
    return now.st_size != f->stat.st_size || now.st_mtim.tv_sec != f->stat.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != f->stat.st_mtim.tv_nsec;
}

lathe_status fe_files_check(const fe_files *files, lathe_diag *diag)
{
    for (const fe_file *f = files->first; f; f = f->next) {
        if (has_changed(f)) {
            return diag_add(diag, LATHE_IO, &(diag_place){.file = f->path},
                            "the file was changed while it was read");
        }
    }
    return LATHE_OK;
}
