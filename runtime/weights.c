/* Where a model's weight data is: in the library, in memory that the caller gives, or in a file
 * that is mapped read-only.
 *
 * Invariant: m->weights is readable for tables->weights_size bytes and 64-byte aligned, and its
 * header names the same build as the tables. Opening reads only the header; hashing everything is
 * asked for by LATHE_OPEN_VERIFY. A file is searched beside the library (or program) that holds
 * the tables, then beside the running program; the descriptor itself does not tell, because a
 * linker may copy it from the library into the program. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/hash.h"
#include "runtime/rt.h"

static lathe_status use(lathe_model *m, const void *bytes, size_t size, const char *where,
                        rt_text *text)
{
    const lathe_tables *t = m->v.t;
    const lathe_weights_header *h = bytes;
    if ((uintptr_t)bytes % RT_ALIGN)
        return rt_fail(text, LATHE_BAD_INPUT, "weights %s: not aligned to %u bytes", where,
                       RT_ALIGN);
    if (size < LATHE_WEIGHTS_DATA || h->magic != LATHE_MAGIC)
        return rt_fail(text, LATHE_BAD_INPUT, "weights %s: not a weight file", where);
    if (h->abi_version != t->abi_version || h->build_id != t->build_id ||
        h->size != t->weights_size || h->hash != t->weights_hash)
        return rt_fail(text, LATHE_MISMATCH,
                       "weights %s: of another build (%016llx, the model is %016llx)", where,
                       (unsigned long long)h->build_id, (unsigned long long)t->build_id);
    if (h->size > size - LATHE_WEIGHTS_DATA)
        return rt_fail(text, LATHE_MISMATCH, "weights %s: %zu bytes, expected %llu", where, size,
                       (unsigned long long)h->size + LATHE_WEIGHTS_DATA);
    m->weights = (const char *)bytes + LATHE_WEIGHTS_DATA;
    return LATHE_OK;
}

/* A file that is too short for weights is often one that Git LFS has not fetched. */
static lathe_status too_short(int fd, const char *path, rt_text *text)
{
    static const char lfs[] = "version https://git-lfs";
    char start[sizeof lfs - 1];
    bool pointer = pread(fd, start, sizeof start, 0) == (ssize_t)sizeof start &&
                   memcmp(start, lfs, sizeof start) == 0;
    return rt_fail(text, LATHE_BAD_INPUT, "weights '%s': %s", path,
                   pointer
                       ? "a Git LFS pointer, which stands for the file; `git lfs pull` fetches it"
                       : "not a weight file");
}

static lathe_status map(lathe_model *m, int fd, const char *path, rt_text *text)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return rt_fail(text, LATHE_IO, "weights '%s': not a regular file", path);
    if (st.st_size < LATHE_WEIGHTS_DATA) return too_short(fd, path, text);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return rt_fail(text, LATHE_IO, "weights '%s': %s", path, strerror(errno));
    m->mapping = bytes;
    m->mapping_size = (size_t)st.st_size;
    char where[256];
    snprintf(where, sizeof where, "'%s'", path);
    return use(m, bytes, m->mapping_size, where, text);
}

/* LATHE_NOT_FOUND only if there is no such file. Opening a pipe or device must not wait. */
static lathe_status open_file(lathe_model *m, const char *path, rt_text *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return rt_fail(text, errno == ENOENT ? LATHE_NOT_FOUND : LATHE_IO, "weights '%s': %s", path,
                       strerror(errno));
    lathe_status s = map(m, fd, path, text);
    close(fd);
    return s;
}

/* The directory part of `file` with its slash, then NAME.weights. */
static bool beside(char path[PATH_MAX], const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    int n =
        snprintf(path, PATH_MAX, "%.*s%s.weights", slash ? (int)(slash - file + 1) : 0, file, name);
    return n > 0 && n < PATH_MAX;
}

/* The message of a file that is nowhere names the first place. */
static lathe_status search(lathe_model *m, rt_text *text)
{
    const char *name = rt_string(&m->v, m->v.t->name);
    char path[PATH_MAX], program[PATH_MAX];
    Dl_info info;
    rt_text second;
    lathe_status s = rt_fail(text, LATHE_NOT_FOUND, "weights '%s.weights': not found", name);
    if (dladdr(m->v.t, &info) && info.dli_fname && beside(path, info.dli_fname, name))
        s = open_file(m, path, text);
    if (s != LATHE_NOT_FOUND) return s;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return s;
    program[n] = 0;
    if (beside(path, program, name)) s = open_file(m, path, &second);
    if (s != LATHE_OK && s != LATHE_NOT_FOUND) *text = second;
    return s;
}

static lathe_status locate(lathe_model *m, const lathe_open_options *o, rt_text *text)
{
    if (o->weights) return use(m, o->weights, o->weights_size, "in memory", text);
    if (o->weights_path) return open_file(m, o->weights_path, text);
    if (!m->v.desc->weights) return search(m, text);
    m->weights = m->v.desc->weights;
    if ((uintptr_t)m->weights % RT_ALIGN)
        return rt_fail(text, LATHE_MISMATCH, "the embedded weights are not aligned");
    return LATHE_OK;
}

/* Reads ahead, then a byte of each page: whatever the weights come from, no run waits for them. */
static void prefault(const char *weights, size_t size)
{
    enum { PAGE = 4096 };
    const volatile char *bytes = weights;
    size_t before = (uintptr_t)weights % PAGE;
    madvise((char *)(uintptr_t)weights - before, before + size, MADV_WILLNEED);
    for (size_t i = 0; i < size; i += PAGE) (void)bytes[i];
}

static lathe_status verify(const lathe_model *m, rt_text *text)
{
    const lathe_tables *t = m->v.t;
    uint64_t hash = rt_hash(m->weights, (size_t)t->weights_size);
    if (hash == t->weights_hash) return LATHE_OK;
    return rt_fail(text, LATHE_MISMATCH, "the weights are damaged: hash %016llx, expected %016llx",
                   (unsigned long long)hash, (unsigned long long)t->weights_hash);
}

lathe_status rt_weights_open(lathe_model *m, const lathe_open_options *o, rt_text *text)
{
    const lathe_tables *t = m->v.t;
    if (!t->weights_size) return LATHE_OK;
    if (t->weights_size > (uint64_t)SIZE_MAX / 2)
        return rt_fail(text, LATHE_MISMATCH,
                       "the model's weights are larger than the address space");
    lathe_status s = locate(m, o, text);
    if (s == LATHE_OK && o->flags & LATHE_OPEN_PREFAULT)
        prefault(m->weights, (size_t)t->weights_size);
    return s == LATHE_OK && o->flags & LATHE_OPEN_VERIFY ? verify(m, text) : s;
}

void rt_weights_close(lathe_model *m)
{
    if (m->mapping) munmap(m->mapping, m->mapping_size);
}
