/* Child processes with a time limit. The child's stdout is read through a pipe; stderr is kept. */
#include "driver/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until end of file or the deadline; what does not fit is dropped. false: too late. */
static bool drain(int fd, long long deadline, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        long long left = deadline - now_ms();
        struct pollfd p = {fd, POLLIN, 0};
        if (left <= 0) break;
        if (poll(&p, 1, left > 1000 ? 1000 : (int)left) <= 0) continue;
        char block[4096];
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            out[n] = '\0';
            return true;
        }
        size_t keep = (size_t)got < size - 1 - n ? (size_t)got : size - 1 - n;
        memcpy(out + n, block, keep);
        n += keep;
    }
    out[n] = '\0';
    return false;
}

static bool process_start(const char *const *argv, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) return false;
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    union {
        const char *const *in;
        char *const *out;
    } args = {argv}; /* spawn wants no const */
    int error = posix_spawnp(pid, argv[0], &actions, NULL, args.out, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0;
}

bool process_run(const char *const *argv, long timeout_s, process_result *r)
{
    int ends[2], status = 0;
    pid_t pid;
    *r = (process_result){.code = -1};
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    bool started = process_start(argv, ends[1], &pid);
    close(ends[1]);
    if (started) {
        r->timed_out = !drain(ends[0], now_ms() + timeout_s * 1000LL, r->output, sizeof r->output);
        if (r->timed_out) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (WIFEXITED(status)) r->code = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) r->signal = WTERMSIG(status);
    }
    close(ends[0]);
    return started;
}
