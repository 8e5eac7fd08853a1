/* The one place of ir/ that opens files: bytes of constants that a dump refers to.
 *
 * In: a name, offset and length from an untrusted text. A relative name is looked for below the
 * dump's folder and then below the current one, which is where the model was when it was dumped.
 * The range is checked against the file before memory is asked for, and no file is open while the
 * arena is called. What is read is worth nothing to a forger: the parser refuses bytes whose hash
 * the text does not already know. */
#include "ir/parse.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static int open_beside(const char *beside, const char *name)
{
    char path[4096];
    const char *slash = *name == '/' ? NULL : strrchr(beside, '/');
    size_t folder = slash ? (size_t)(slash - beside) + 1 : 0, length = strlen(name);
    if (folder && length < sizeof path - folder) {
        memcpy(path, beside, folder);
        memcpy(path + folder, name, length + 1);
        int fd = open_file(path);
        if (fd >= 0) return fd;
    }
    return open_file(name);
}

static bool holds(int fd, uint64_t offset, uint64_t length, const char **why)
{
    struct stat st;
    uint64_t end;
    *why = "is not a regular file";
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    *why = "is shorter than offset and length say";
    return !__builtin_add_overflow(offset, length, &end) && end <= (uint64_t)st.st_size &&
           length < SIZE_MAX;
}

static bool read_all(int fd, char *out, uint64_t offset, uint64_t length)
{
    while (length) {
        ssize_t n = pread(fd, out, length < (1u << 30) ? (size_t)length : 1u << 30, (off_t)offset);
        if (n <= 0) return false;
        out += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return true;
}

const void *ir_load_bytes(ir_arena *arena, const char *beside, const char *name, uint64_t offset,
                          uint64_t length, const char **why)
{
    int fd = open_beside(beside, name);
    *why = "cannot be opened";
    if (fd < 0) return NULL;
    bool ok = holds(fd, offset, length, why);
    close(fd);
    if (!ok) return NULL;
    char *bytes = ir_alloc(arena, (size_t)length + 1, 1);
    *why = "cannot be read";
    fd = open_beside(beside, name);
    ok = fd >= 0 && holds(fd, offset, length, why) && read_all(fd, bytes, offset, length);
    if (fd >= 0) close(fd);
    return ok ? bytes : NULL;
}
