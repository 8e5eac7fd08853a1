/* Attempts in child processes, and runs in guarded memory.
 *
 * A child's processor time is limited, not its wall clock's, so that a busy machine is no hang; a
 * far wall clock limit catches what sleeps for ever. What the child was doing is told through a
 * page that both share. A run that takes more than two seconds of processor time is
 * cancelled through the runtime's own means: a model may ask for a loop of 2^60 turns. */
#include "tests/tools/trial.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTE_SIZE = 4096, WALL_LIMIT_S = 300, CANCEL_S = 2 };
#define MOST_BYTES ((size_t)1 << 26) /* of one allocation of a trial */

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
int trial_leaks(void) { return __lsan_do_recoverable_leak_check() ? TRIAL_LEAK : TRIAL_FINE; }
#else
int trial_leaks(void) { return TRIAL_FINE; }
#endif

/* ---- children ---- */

static struct shared {
    char note[NOTE_SIZE];
    trial_stage stage; /* of the newest child */
} * shared;

static long counted[TRIAL_STAGES];

void trial_reached(trial_stage stage)
{
    if (stage > shared->stage) shared->stage = stage;
}

trial_stage trial_how_far(void) { return shared ? shared->stage : TRIAL_AT_START; }
long trial_counted(trial_stage stage) { return counted[stage]; }

void trial_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(shared->note, NOTE_SIZE, format, args);
    va_end(args);
}

static void limit(unsigned seconds)
{
    const struct rlimit time = {seconds, seconds + 1}, core = {0, 0};
    setrlimit(RLIMIT_CPU, &time);
    setrlimit(RLIMIT_CORE, &core);
#if !defined(__SANITIZE_ADDRESS__)
    const struct rlimit memory = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    setrlimit(RLIMIT_DATA, &memory);
#endif
    alarm(WALL_LIMIT_S);
}

static int last_status;

bool trial_refused(void)
{
    return WIFEXITED(last_status) && WEXITSTATUS(last_status) == TRIAL_REFUSED;
}

static const char *verdict_text(int status)
{
    static const char *const texts[] = {
        [TRIAL_SILENT - TRIAL_SILENT] = "a failure without a message",
        [TRIAL_INTERNAL - TRIAL_SILENT] = "an internal error",
        [TRIAL_LEAK - TRIAL_SILENT] = "a leak",
        [TRIAL_REFUSED - TRIAL_SILENT] = "refused",
        [TRIAL_OTHER - TRIAL_SILENT] = "no trial",
    };
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        return sig == SIGALRM || sig == SIGXCPU || sig == SIGKILL ? "a hang" : strsignal(sig);
    }
    int code = WEXITSTATUS(status) - TRIAL_SILENT;
    return code >= 0 && code <= TRIAL_OTHER - TRIAL_SILENT ? texts[code] : "a sanitizer's report";
}

const char *trial_in_child(int (*attempt)(void *), void *ctx, unsigned seconds)
{
    static char text[NOTE_SIZE + 128];
    int status = 0;
    if (!shared)
        shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return "no memory for a trial";
    shared->note[0] = '\0';
    shared->stage = TRIAL_AT_START;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return "no process for a trial";
    if (pid == 0) {
        limit(seconds);
        _exit(attempt(ctx));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    last_status = status;
    counted[shared->stage]++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == TRIAL_FINE) return NULL;
    snprintf(text, sizeof text, "%s (%s)", verdict_text(status), shared->note);
    return text;
}

/* ---- memory ---- */

size_t trial_align(lathe_elem elem)
{
    int bits = tensor_elem_bits(elem);
    if (elem == LATHE_C64 || elem == LATHE_C128) bits /= 2;
    return bits < 8 ? 1 : (size_t)bits / 8;
}

static void *session_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return size > MOST_BYTES ? NULL : guard_alloc(size, align);
}

static void session_free(void *ctx, void *data, size_t size)
{
    (void)ctx;
    guard_free(data, size, 64);
}

static const lathe_allocator allocator = {session_alloc, session_free, NULL};

/* ---- models ---- */

/* The weight file beside the library; none is no error: the weights may be embedded. */
static void read_weights(trial_model *m, const char *path, lathe_open_options *o)
{
    char name[PATH_MAX];
    struct stat st;
    const char *slash = strrchr(path, '/');
    int n = snprintf(name, sizeof name, "%.*s%s.weights", slash ? (int)(slash - path + 1) : 0, path,
                     m->lib.name);
    FILE *f = n < (int)sizeof name ? fopen(name, "rb") : NULL;
    if (!f) return;
    if (fstat(fileno(f), &st) == 0 && st.st_size > 0) {
        m->weights_size = (size_t)st.st_size;
        m->weights = guard_alloc(m->weights_size, 64);
        if (m->weights && fread(m->weights, 1, m->weights_size, f) == m->weights_size) {
            o->weights = m->weights;
            o->weights_size = m->weights_size;
        }
    }
    fclose(f);
}

int trial_open(trial_model *m, const char *path)
{
    char message[256] = "";
    lathe_open_options o = {.message = message,
                            .message_size = sizeof message,
                            .allocator = &allocator,
                            .flags = LATHE_OPEN_POISON};
    *m = (trial_model){0};
    if (library_open(path, &m->lib, message, sizeof message) != LATHE_OK) return TRIAL_OTHER;
    read_weights(m, path, &o);
    lathe_status s = lathe_model_open(m->lib.desc, &o, &m->model);
    if (s == LATHE_INTERNAL || s == LATHE_MISMATCH) {
        trial_note("opening: %s", message);
        return TRIAL_INTERNAL;
    }
    if (s != LATHE_OK) return message[0] ? TRIAL_FINE : TRIAL_SILENT;
    m->nin = lathe_count(m->lib.desc, LATHE_INPUTS);
    m->nout = lathe_count(m->lib.desc, LATHE_OUTPUTS);
    m->in = calloc((size_t)m->nin + 1, sizeof *m->in);
    m->out = calloc((size_t)m->nout + 1, sizeof *m->out);
    if (!m->in || !m->out) return TRIAL_OTHER;
    s = lathe_session_new(m->model, NULL, &m->session);
    if (s == LATHE_OK || s == LATHE_OUT_OF_MEMORY)
        return TRIAL_FINE; /* nothing else can be missing */
    trial_note("a session: status %d", (int)s);
    return TRIAL_INTERNAL;
}

void trial_close(trial_model *m)
{
    for (int i = 0; i < m->nin && m->in; i++)
        guard_free(m->in[i].data, m->in[i].size, trial_align(m->in[i].elem));
    free(m->in);
    free(m->out);
    if (m->session) lathe_session_free(m->session);
    if (m->model) lathe_model_close(m->model);
    guard_free(m->weights, m->weights_size, 64);
    library_close(&m->lib);
}

bool trial_allocate(lathe_tensor *t)
{
    t->data = NULL;
    if (!tensor_bytes(t, &t->size) || t->size > MOST_BYTES) return false;
    t->data = guard_alloc(t->size, trial_align(t->elem));
    if (t->data && t->elem == LATHE_STRING)
        for (size_t i = 0; i < t->size / sizeof(lathe_string); i++)
            ((lathe_string *)t->data)[i] = (lathe_string){"", 0};
    return t->data != NULL;
}

/* Open sizes are the same for the same name. */
static int64_t small_size(const char *name)
{
    unsigned sum = 0;
    for (; name && *name; name++) sum = sum * 31 + (unsigned char)*name;
    return 1 + sum % 4;
}

int trial_inputs(trial_model *m)
{
    for (int i = 0; i < m->nin; i++) {
        lathe_tensor_info info;
        if (lathe_info(m->lib.desc, LATHE_INPUTS, i, &info) != LATHE_OK) return TRIAL_INTERNAL;
        m->in[i] = (lathe_tensor){.rank = info.rank, .elem = info.elem};
        for (int k = 0; k < info.rank; k++)
            m->in[i].dims[k] = info.dims[k] >= 0 ? info.dims[k] : small_size(info.dim_names[k]);
        if (!trial_allocate(&m->in[i])) return TRIAL_OTHER;
    }
    return TRIAL_FINE;
}

/* ---- runs ---- */

static lathe_session *running;

static void cancel(int sig)
{
    (void)sig;
    if (running) lathe_session_cancel(running);
}

static int run_once(trial_model *m, lathe_status *status)
{
    const struct itimerval after = {.it_interval.tv_sec = 1, .it_value.tv_sec = CANCEL_S},
                           never = {0};
    running = m->session;
    signal(SIGPROF, cancel);
    setitimer(ITIMER_PROF, &after, NULL);
    *status = lathe_run(m->session, m->in, m->out);
    setitimer(ITIMER_PROF, &never, NULL);
    running = NULL;
    if (*status == LATHE_OK) return TRIAL_FINE;
    if (!lathe_session_message(m->session)[0]) return TRIAL_SILENT;
    if (*status != LATHE_INTERNAL && *status != LATHE_MISMATCH) return TRIAL_FINE;
    trial_note("running: %s", lathe_session_message(m->session));
    return TRIAL_INTERNAL;
}

/* Puts every output, whose size the first run told, into guarded memory. */
static bool guard_outputs(lathe_tensor *out, int n)
{
    for (int i = 0; i < n; i++) {
        out[i].data = guard_alloc(out[i].size, trial_align(out[i].elem));
        if (!out[i].data) return false;
        memset(out[i].data, 0xA5, out[i].size);
    }
    return true;
}

int trial_run(trial_model *m)
{
    lathe_status status;
    size_t bytes = (size_t)m->nout * sizeof *m->out;
    memset(m->out, 0, bytes);
    trial_reached(TRIAL_AT_RUN);
    int verdict = run_once(m, &status);
    if (!verdict && !status) trial_reached(TRIAL_AT_END);
    lathe_tensor *guarded = verdict || status ? NULL : calloc(1, bytes + 1);
    if (!guarded) return verdict;
    for (int i = 0; i < m->nout; i++)
        guarded[i] = (lathe_tensor){.size = m->out[i].size, .elem = m->out[i].elem};
    if (guard_outputs(guarded, m->nout)) {
        memcpy(m->out, guarded, bytes);
        verdict = run_once(m, &status);
    }
    for (int i = 0; i < m->nout; i++)
        guard_free(guarded[i].data, guarded[i].size, trial_align(guarded[i].elem));
    free(guarded);
    return verdict;
}
