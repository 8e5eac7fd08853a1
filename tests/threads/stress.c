/* Models, libraries, sessions and threads all at once; meant for ThreadSanitizer.
 *
 *   stress SECONDS EXAMPLES LIBRARIES
 *
 * Three models are linked into this program and share one runtime; two come as shared libraries
 * that each hold their own. Each is opened on the caller's thread alone, on one pool for all, and
 * on the job system below, which all share too. 64 sessions over these 15 models are run by 8
 * threads: a thread takes a session that nobody runs, gives it one of several inputs and compares
 * every bit of the results with those of one session on one thread. Meanwhile one more thread
 * cancels runs, and now and then a thread opens and closes a model of its own. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adder.h"
#include "digits.h"
#include "driver/library.h"
#include "driver/tensor_file.h"
#include "licence_lm.h"

enum { MODELS = 5, VARIANTS = 4, MODES = 3, OPEN = MODELS * MODES, SESSIONS = 64, CALLERS = 8 };
enum { MOST = 32, HELPERS = 2, POOL = 3 };

typedef struct subject {
    const char *folder; /* of EXAMPLES */
    const lathe_desc *desc;
    library lib;
    int nin, nout, nsyms;
    int64_t sizes[MOST]; /* of the free symbols */
    lathe_tensor in[VARIANTS][MOST], want[VARIANTS][MOST];
} subject;

typedef struct stage {
    const subject *of;
    lathe_model *model;
} stage;

typedef struct seat {
    const subject *of;
    lathe_session *session;
    atomic_flag taken;
} seat;

static subject subjects[MODELS];
static stage stages[OPEN];
static seat seats[SESSIONS];
static atomic_bool stop;
static _Atomic long runs, cancelled, opened, wrong;

static void must(bool good, const char *what, const char *detail)
{
    if (good) return;
    fprintf(stderr, "stress: %s: %s\n", what, detail);
    exit(1);
}

/* ---- the program's own job system: one region at a time, a second caller works alone ---- */

typedef struct jobs {
    pthread_mutex_t busy, lock;
    pthread_cond_t begun, ended;
    pthread_t helpers[HELPERS];
    int numbers, active;
    unsigned round;
    bool stop;
    lathe_task task;
    void *arg;
    int64_t next, chunks;
} jobs;

static jobs own = {PTHREAD_MUTEX_INITIALIZER,
                   PTHREAD_MUTEX_INITIALIZER,
                   PTHREAD_COND_INITIALIZER,
                   PTHREAD_COND_INITIALIZER,
                   {0},
                   0,
                   0,
                   0,
                   false,
                   NULL,
                   NULL,
                   0,
                   0};

/* With j->lock held. */
static void take_chunks(jobs *j, int worker)
{
    while (j->next < j->chunks) {
        int64_t chunk = j->next++;
        pthread_mutex_unlock(&j->lock);
        j->task(j->arg, chunk, worker);
        pthread_mutex_lock(&j->lock);
    }
}

static void *helper_main(void *arg)
{
    jobs *j = arg;
    unsigned seen = 0;
    pthread_mutex_lock(&j->lock);
    int worker = ++j->numbers;
    while (!j->stop) {
        if (j->round == seen) {
            pthread_cond_wait(&j->begun, &j->lock);
            continue;
        }
        seen = j->round;
        j->active++;
        take_chunks(j, worker);
        if (--j->active == 0) pthread_cond_signal(&j->ended);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void own_parallel_for(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    jobs *j = ctx;
    if (pthread_mutex_trylock(&j->busy) != 0) {
        for (int64_t i = 0; i < chunks; i++) task(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&j->lock);
    j->task = task;
    j->arg = arg;
    j->next = 0;
    j->chunks = chunks;
    j->round++;
    pthread_cond_broadcast(&j->begun);
    take_chunks(j, 0);
    while (j->active) pthread_cond_wait(&j->ended, &j->lock);
    pthread_mutex_unlock(&j->lock);
    pthread_mutex_unlock(&j->busy);
}

static void own_stop(void)
{
    pthread_mutex_lock(&own.lock);
    own.stop = true;
    pthread_cond_broadcast(&own.begun);
    pthread_mutex_unlock(&own.lock);
    for (int i = 0; i < HELPERS; i++) pthread_join(own.helpers[i], NULL);
}

/* ---- inputs and what they must give ---- */

/* Numbers move by `variant` places, so that ids stay ids. */
static lathe_tensor rotated(const lathe_tensor *t, int variant)
{
    lathe_tensor r = *t;
    size_t by = (size_t)variant * (size_t)tensor_elem_bits(t->elem) / 8;
    r.data = malloc(t->size);
    must(r.data, "memory", "out");
    for (size_t i = 0; i < t->size; i++)
        ((char *)r.data)[i] = ((const char *)t->data)[(i + by) % t->size];
    return r;
}

static void read_sizes(subject *s, const lathe_tensor_info *info, const lathe_tensor *t)
{
    for (int axis = 0; axis < info->rank; axis++)
        for (int k = 0; k < s->nsyms; k++)
            if (info->dims[axis] < 0 && !strcmp(info->dim_names[axis], lathe_symbol(s->desc, k)))
                s->sizes[k] = t->dims[axis];
}

static void load_inputs(subject *s, const char *examples)
{
    s->nin = lathe_count(s->desc, LATHE_INPUTS);
    s->nout = lathe_count(s->desc, LATHE_OUTPUTS);
    s->nsyms = lathe_count(s->desc, LATHE_SYMBOLS);
    must(s->nin <= MOST && s->nout <= MOST && s->nsyms <= MOST, s->folder, "too many tensors");
    for (int i = 0; i < s->nin; i++) {
        char path[512];
        tensor_file file;
        tensor_message message;
        lathe_tensor_info info;
        snprintf(path, sizeof path, "%s/%s/test_data_set_0/input_%d.pb", examples, s->folder, i);
        must(tensor_read_pb(path, &file, &message) == LATHE_OK, path, message.text);
        must(lathe_info(s->desc, LATHE_INPUTS, i, &info) == LATHE_OK, path, "no such input");
        read_sizes(s, &info, &file.tensor);
        for (int v = 0; v < VARIANTS; v++) s->in[v][i] = rotated(&file.tensor, v);
        tensor_free(&file);
    }
}

static lathe_model *open_model(const subject *s, const lathe_threads *threads)
{
    char message[512] = "";
    lathe_model *m = NULL;
    const lathe_open_options o = {
        .threads = threads, .message = message, .message_size = sizeof message};
    must(lathe_model_open(s->desc, &o, &m) == LATHE_OK, s->folder, message);
    return m;
}

/* maxima: every second session plans for the sizes beforehand. */
static lathe_session *new_session(const subject *s, lathe_model *m, bool maxima)
{
    lathe_session *session = NULL;
    lathe_status status = lathe_session_new(m, maxima ? s->sizes : NULL, &session);
    must(status == LATHE_OK, s->folder, "no session");
    return session;
}

static void compute_answers(subject *s)
{
    lathe_model *m = open_model(s, NULL);
    lathe_session *session = new_session(s, m, true);
    for (int v = 0; v < VARIANTS; v++) {
        lathe_tensor out[MOST] = {0};
        must(lathe_run(session, s->in[v], out) == LATHE_OK, s->folder,
             lathe_session_message(session));
        for (int i = 0; i < s->nout; i++) s->want[v][i] = rotated(&out[i], 0);
    }
    lathe_session_free(session);
    lathe_model_close(m);
}

/* ---- the threads ---- */

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*seed * n) >> 32);
}

static void run_once(const subject *s, lathe_session *session, int variant)
{
    lathe_tensor out[MOST] = {0};
    lathe_status status = lathe_run(session, s->in[variant], out);
    atomic_fetch_add(&runs, 1);
    if (status == LATHE_CANCELLED) {
        atomic_fetch_add(&cancelled, 1);
        return;
    }
    bool same = status == LATHE_OK;
    for (int i = 0; same && i < s->nout; i++) {
        const lathe_tensor *want = &s->want[variant][i];
        same = out[i].size == want->size && !memcmp(out[i].data, want->data, want->size);
    }
    if (same) return;
    atomic_fetch_add(&wrong, 1);
    fprintf(stderr, "stress: %s, variant %d: status %d %s\n", s->folder, variant, (int)status,
            lathe_session_message(session));
}

static void open_and_run(uint32_t *seed)
{
    const subject *s = &subjects[random_below(seed, MODELS)];
    lathe_model *m = open_model(s, NULL);
    lathe_session *session = new_session(s, m, false);
    run_once(s, session, (int)random_below(seed, VARIANTS));
    lathe_session_free(session);
    lathe_model_close(m);
    atomic_fetch_add(&opened, 1);
}

static void *caller_main(void *arg)
{
    uint32_t seed = 17 * (uint32_t)(size_t)arg + 1;
    while (!atomic_load(&stop)) {
        seat *at = &seats[random_below(&seed, SESSIONS)];
        if (random_below(&seed, 64) == 0) open_and_run(&seed);
        if (atomic_flag_test_and_set(&at->taken)) continue;
        run_once(at->of, at->session, (int)random_below(&seed, VARIANTS));
        atomic_flag_clear(&at->taken);
    }
    return NULL;
}

static void *canceller_main(void *arg)
{
    uint32_t seed = 99;
    (void)arg;
    while (!atomic_load(&stop)) {
        const struct timespec pause = {.tv_nsec = 200000};
        lathe_session_cancel(seats[random_below(&seed, SESSIONS)].session);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- setting up ---- */

static void name_subjects(const char *libraries)
{
    static char paths[2][512];
    static const char *const folders[MODELS] = {"adder", "digits", "licence_lm", "adder", "digits"};
    const lathe_desc *linked[] = {&adder_desc, &digits_desc, &licence_lm_desc};
    for (int i = 0; i < MODELS; i++) {
        subject *s = &subjects[i];
        char message[512];
        s->folder = folders[i];
        if (i < 3) s->desc = linked[i];
        if (i < 3) continue;
        snprintf(paths[i - 3], sizeof *paths, "%s/libso_%s.so", libraries, folders[i]);
        must(library_open(paths[i - 3], &s->lib, message, sizeof message) == LATHE_OK, s->folder,
             message);
        s->desc = s->lib.desc;
    }
}

static void run_threads(int seconds)
{
    pthread_t callers[CALLERS], canceller;
    for (size_t i = 0; i < CALLERS; i++)
        must(pthread_create(&callers[i], NULL, caller_main, (void *)i) == 0, "thread", "refused");
    must(pthread_create(&canceller, NULL, canceller_main, NULL) == 0, "thread", "refused");
    for (int i = 0; i < seconds; i++) nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
    pthread_join(canceller, NULL);
}

static void tear_down(lathe_threads *pool)
{
    for (int i = 0; i < SESSIONS; i++) lathe_session_free(seats[i].session);
    for (int i = 0; i < OPEN; i++) lathe_model_close(stages[i].model);
    lathe_threads_free(&adder_desc, pool);
    own_stop();
    for (int i = 0; i < MODELS; i++) {
        for (int v = 0; v < VARIANTS; v++) {
            for (int k = 0; k < subjects[i].nin; k++) free(subjects[i].in[v][k].data);
            for (int k = 0; k < subjects[i].nout; k++) free(subjects[i].want[v][k].data);
        }
        if (subjects[i].lib.handle) library_close(&subjects[i].lib);
    }
}

int main(int argc, char **argv)
{
    int seconds = argc == 4 ? atoi(argv[1]) : 0;
    lathe_threads *pool;
    must(seconds > 0, "usage", "stress SECONDS EXAMPLES LIBRARIES");
    name_subjects(argv[3]);
    for (int i = 0; i < MODELS; i++) load_inputs(&subjects[i], argv[2]);
    for (int i = 0; i < MODELS; i++) compute_answers(&subjects[i]);
    must(lathe_threads_new(&adder_desc, POOL, &pool) == LATHE_OK, "pool", "refused");
    for (int i = 0; i < HELPERS; i++)
        must(pthread_create(&own.helpers[i], NULL, helper_main, &own) == 0, "thread", "refused");
    const lathe_threads mine = {own_parallel_for, &own, HELPERS + 1};
    const lathe_threads *const modes[MODES] = {NULL, pool, &mine};
    for (int i = 0; i < OPEN; i++) {
        stages[i].of = &subjects[i % MODELS];
        stages[i].model = open_model(stages[i].of, modes[i / MODELS]);
    }
    for (int i = 0; i < SESSIONS; i++) {
        const stage *st = &stages[i % OPEN];
        seats[i] = (seat){st->of, new_session(st->of, st->model, i % 2), ATOMIC_FLAG_INIT};
    }
    run_threads(seconds);
    tear_down(pool);
    printf("%ld runs, %ld of them cancelled, %ld models opened, %ld wrong answers\n", (long)runs,
           (long)cancelled, (long)opened, (long)wrong);
    return wrong || runs == cancelled || opened == 0;
}
