/* Where lathe's own files are, and temporary folders. */
#include "driver/driver.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static bool program_dir(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n <= 0) return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = '\0';
    return true;
}

static const char *target_arch(const char *target)
{
    if (target) return strncmp(target, "aarch64", 7) == 0 ? "aarch64" : "x86_64";
#ifdef __aarch64__
    return "aarch64";
#else
    return "x86_64";
#endif
}

static bool is_host(const char *arch) { return strcmp(arch, target_arch(NULL)) == 0; }

/* The first of the places that has `name`; formats take the program's folder, arch and name. */
static bool find_file(const char *target, const char *name, char *path, size_t size)
{
    char dir[4096];
    const char *arch = target_arch(target);
    if (!program_dir(dir, sizeof dir)) return false;
    int n = is_host(arch) ? snprintf(path, size, "%s/%s", dir, name)
                          : snprintf(path, size, "%s/%s/%s", dir, arch, name);
    if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
    n = snprintf(path, size, "%s/../lib/lathe/%s-linux-gnu/%s", dir, arch, name);
    return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

bool find_runtime(const char *target, char *path, size_t size)
{
    return find_file(target, "liblathe_rt.a", path, size);
}

bool find_runner(const char *target, char *path, size_t size)
{
    return find_file(target, "lathe-runner", path, size);
}

bool make_work_dir(char *path, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(path, size, "%s/lathe-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n > 0 && (size_t)n < size && mkdtemp(path)) return true;
    fail(LATHE_IO, "cannot make a folder for temporary files: %s", strerror(errno));
    return false;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    remove(path);
    return 0;
}

void remove_tree(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

bool make_folders(const char *path)
{
    char copy[4096];
    struct stat st;
    if (stat(path, &st) == 0) {
        errno = ENOTDIR;
        return S_ISDIR(st.st_mode);
    }
    int n = snprintf(copy, sizeof copy, "%s", path);
    if (n < 0 || (size_t)n >= sizeof copy) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (char *slash = copy + 1; *copy && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) return false;
        *slash = '/';
    }
    return mkdir(copy, 0777) == 0 || errno == EEXIST;
}

bool write_file(const char *path, bool (*writer)(void *ctx, FILE *), void *ctx)
{
    char part[4200];
    if (strcmp(path, "-") == 0) return writer(ctx, stdout) && fflush(stdout) == 0;
    int n = snprintf(part, sizeof part, "%s.part", path);
    FILE *f = n > 0 && n < (int)sizeof part ? fopen(part, "w") : NULL;
    if (!f) return false;
    bool ok = writer(ctx, f) && !ferror(f);
    ok = fclose(f) == 0 && ok && rename(part, path) == 0;
    if (!ok) remove(part);
    return ok;
}
