/* External data: the one place where a model names another file. In: external_data of a tensor and
 * the model's folder. Out: a mapped file and a range, or a refusal. Invariant: nothing outside the
 * folder is ever opened: the path is relative without "..", the kernel resolves it beneath the
 * folder without symbolic links, and what was opened is a regular file with one name only (a hard
 * link could be anybody's file). Strings from the file are checked before they are used. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/file.h"

enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* ---- the keys ---- */

static bool parse_size(const char *text, uint64_t *value)
{
    uint64_t v = 0;
    if (!*text) return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)*text - '0';
        if (digit > 9 || v > ((uint64_t)INT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

enum { KEY_LOCATION, KEY_OFFSET, KEY_LENGTH, KEY_CHECKSUM, KEY_BASEPATH, KEY_COUNT };
static const char *const key_names[KEY_COUNT] = {"location", "offset", "length", "checksum",
                                                 "basepath"};

static int find_key(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        if (!strcmp(name, key_names[i])) return i;
    }
    return -1;
}

static lathe_status parse_number(lathe_diag *diag, const diag_place *place, int key,
                                 const char *text, uint64_t *out)
{
    if (text && parse_size(text, out)) return LATHE_OK;
    return diag_add(diag, LATHE_BAD_INPUT, place, "external data: %s '%s' is not a size",
                    key_names[key], text ? text : "");
}

lathe_status fe_external_parse(lathe_diag *diag, const diag_place *place,
                               const Onnx__TensorProto *t, fe_external *out)
{
    const char *given[KEY_COUNT] = {NULL};
    *out = (fe_external){0};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *name = t->external_data[i]->key ? t->external_data[i]->key : "";
        const char *text = t->external_data[i]->value ? t->external_data[i]->value : "";
        int key = find_key(name);
        if (key < 0 || given[key]) {
            return diag_add(diag, LATHE_BAD_INPUT, place, "external data: key '%s' is %s", name,
                            key < 0 ? "unknown" : "there twice");
        }
        given[key] = text;
    }
    if (given[KEY_BASEPATH] && *given[KEY_BASEPATH]) {
        return diag_add(
            diag, LATHE_UNSUPPORTED, place,
            "external data: key 'basepath' is not supported, paths start at the model's folder");
    }
    if (!given[KEY_LOCATION]) {
        return diag_add(diag, LATHE_BAD_INPUT, place, "external data: key 'location' is missing");
    }
    out->location = given[KEY_LOCATION];
    if (given[KEY_OFFSET]) {
        TRY(parse_number(diag, place, KEY_OFFSET, given[KEY_OFFSET], &out->offset));
    }
    if (!given[KEY_LENGTH]) return LATHE_OK;
    return parse_number(diag, place, KEY_LENGTH, given[KEY_LENGTH], &out->length);
}

/* ---- opening ---- */

static bool stays_inside(const char *location)
{
    if (!*location || *location == '/' || strlen(location) >= PATH_MAX) return false;
    for (const char *at = location; at; at = strchr(at, '/')) {
        if (*at == '/') at++;
        if (!strncmp(at, "..", 2) && (at[2] == '/' || !at[2])) return false;
    }
    return true;
}

static int open_kernel(int folder, const char *location, bool allow_symlinks)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (!allow_symlinks) how.resolve |= RESOLVE_NO_SYMLINKS;
    long fd = -1;
    /* EAGAIN: a rename elsewhere kept the kernel from proving that the path stays inside. */
    for (int attempt = 0; attempt < 8; attempt++) {
        fd = syscall(SYS_openat2, folder, location, &how, sizeof how);
        if (fd >= 0) return (int)fd;
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return -errno;
}

static int open_walk(int folder, const char *location)
{
    char name[NAME_MAX + 1];
    int dir = dup(folder);
    while (dir >= 0) {
        size_t n = strcspn(location, "/");
        const char *rest = location + n + strspn(location + n, "/");
        bool last = !location[n];
        if (n > NAME_MAX) {
            close(dir);
            return -ENAMETOOLONG;
        }
        memcpy(name, location, n);
        name[n] = 0;
        int next =
            openat(dir, name,
                   last ? OPEN_FLAGS | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(dir);
        if (next < 0) return error == ENOTDIR && !last ? -ELOOP : -error;
        if (last) return next;
        dir = next;
        location = *rest ? rest : ".";
    }
    return -errno;
}

int fe_open_beneath(int folder, const char *location, bool allow_symlinks, fe_open_how how)
{
    if (!stays_inside(location)) return -EXDEV;
    if (how == FE_OPEN_WALK) return open_walk(folder, location);
    int fd = open_kernel(folder, location, allow_symlinks);
    return fd == -ENOSYS || fd == -EPERM ? open_walk(folder, location) : fd;
}

static lathe_status external_refuse(lathe_diag *diag, const diag_place *place, const char *location,
                                    int why)
{
    switch (why) {
    case EXDEV:
        return diag_add(diag, LATHE_BAD_INPUT, place,
                        "external data: '%s' does not stay inside the model's folder", location);
    case ELOOP:
        diag_add(diag, LATHE_BAD_INPUT, place, "external data: '%s' is or passes a symbolic link",
                 location);
        diag_hint(diag, "--allow-symlinks permits links that stay inside the model's folder");
        return LATHE_BAD_INPUT;
    case ENOENT:
        return diag_add(diag, LATHE_NOT_FOUND, place, "external data: there is no file '%s'",
                        location);
    default:
        return diag_add(diag, LATHE_IO, place, "external data: cannot open '%s': %s", location,
                        strerror(why));
    }
}

static lathe_status check_links(lathe_diag *diag, const diag_place *place, const char *location,
                                int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1) {
        diag_add(diag, LATHE_BAD_INPUT, place, "external data: '%s' has %lu hard links", location,
                 (unsigned long)st.st_nlink);
        diag_hint(diag, "--allow-symlinks permits hard links as well");
        return LATHE_BAD_INPUT;
    }
    return LATHE_OK;
}

static int open_in(const char *folder, const char *location, bool allow_symlinks)
{
    int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -errno;
    int fd = fe_open_beneath(dir, location, allow_symlinks, FE_OPEN_KERNEL);
    close(dir);
    return fd;
}

lathe_status fe_external_open(fe_files *files, lathe_diag *diag, const diag_place *place,
                              const char *folder, const char *location, bool allow_symlinks,
                              const fe_file **out)
{
    char path[2 * PATH_MAX];
    if (!stays_inside(location)) return external_refuse(diag, place, location, EXDEV);
    int n = snprintf(path, sizeof path, "%s/%s", folder, location);
    if (n < 0 || (size_t)n >= sizeof path)
        return external_refuse(diag, place, location, ENAMETOOLONG);
    *out = fe_file_find(files, path);
    if (*out) return LATHE_OK;
    int fd = open_in(folder, location, allow_symlinks);
    if (fd < 0) return external_refuse(diag, place, location, -fd);
    lathe_status status = allow_symlinks ? LATHE_OK : check_links(diag, place, location, fd);
    if (status != LATHE_OK) {
        close(fd);
        return status;
    }
    return fe_file_map(files, diag, place, fd, path, out);
}
