/* Runs a tool of the system without a shell and waits for that one child.
 *
 * What the tool writes comes back through a pipe; its first KEPT bytes go into the message if it
 * fails. The caller's signal settings and other children are not touched: SIGPIPE cannot happen
 * here because we only read, and waitpid names our child. */
#include "codegen/object/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { KEPT = 2000 };

/* Reads to the end so that the tool never waits for us; keeps the start as text. */
static void drain(int fd, char text[KEPT + 1])
{
    char rest[4096];
    size_t n = 0;
    for (;;) {
        ssize_t got = n < KEPT ? read(fd, text + n, KEPT - n) : read(fd, rest, sizeof rest);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (n < KEPT) n += (size_t)got;
    }
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    text[n] = '\0';
}

/* Starts argv[0] with both outputs in the pipe; 0 or an error number. */
static int spawn_start(const char *const *argv, const int pipe_ends[2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int e = posix_spawn_file_actions_init(&actions);
    if (e) return e;
    e = posix_spawnattr_init(&attr);
    if (!e) {
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
        e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (!e) e = posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 1);
        if (!e) e = posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 2);
        /* posix_spawnp leaves argv as it is; its type is older than const. */
        if (!e)
            e = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
                             environ);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

static lathe_status wait_for(pid_t pid, const char *tool, const char *text, lathe_diag *diag)
{
    int state;
    pid_t got;
    while ((got = waitpid(pid, &state, 0)) < 0 && errno == EINTR) continue;
    if (got < 0) return diag_add(diag, LATHE_TOOLCHAIN, NULL, "waiting for %s failed: %m", tool);
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return LATHE_OK;
    if (WIFSIGNALED(state))
        return diag_add(diag, LATHE_TOOLCHAIN, NULL, "%s was ended by signal %d", tool,
                        WTERMSIG(state));
    return diag_add(diag, LATHE_TOOLCHAIN, NULL, "%s failed: %s", tool, text);
}

/* *found: whether there is such a tool. */
static lathe_status spawn_run(const char *const *argv, bool *found, lathe_diag *diag)
{
    int ends[2];
    pid_t pid;
    char text[KEPT + 1];
    *found = true;
    if (pipe2(ends, O_CLOEXEC) != 0) return diag_add(diag, LATHE_TOOLCHAIN, NULL, "no pipe: %m");
    int e = spawn_start(argv, ends, &pid);
    close(ends[1]);
    if (!e) drain(ends[0], text);
    close(ends[0]);
    if (!e) return wait_for(pid, argv[0], text, diag);
    *found = e != ENOENT && e != EACCES;
    return *found ? diag_add(diag, LATHE_TOOLCHAIN, NULL, "%s cannot be started: %s", argv[0],
                             strerror(e))
                  : LATHE_TOOLCHAIN;
}

static lathe_status run_first(const char *const *tools, const char **argv, lathe_diag *diag)
{
    for (const char *const *tool = tools; *tool; tool++) {
        bool found;
        argv[0] = *tool;
        lathe_status s = spawn_run(argv, &found, diag);
        if (found) return s;
    }
    diag_add(diag, LATHE_TOOLCHAIN, NULL, "no linker or archiver for this target: there is no %s",
             tools[0]);
    diag_hint(diag, "install lld or binutils, for another architecture its cross binutils");
    return LATHE_TOOLCHAIN;
}

lathe_status cg_spawn(const char *const *tools, const char *const *args, lathe_diag *diag)
{
    size_t n = 0;
    while (args[n]) n++;
    const char **argv = malloc((n + 2) * sizeof *argv);
    if (!argv) return diag_add(diag, LATHE_OUT_OF_MEMORY, NULL, "no memory to start %s", tools[0]);
    memcpy(argv + 1, args, (n + 1) * sizeof *argv);
    lathe_status s = run_first(tools, argv, diag);
    free(argv);
    return s;
}
