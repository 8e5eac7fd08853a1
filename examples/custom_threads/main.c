/* A model that runs on the app's own threads.
 *
 *   custom_threads images.npy WORKERS   names all the pictures, on the app's threads and on the
 *                                       caller's alone, and compares every bit of the results
 *
 * An app that has a job system gives it to the model as a lathe_threads: parallel_for calls
 * task(arg, chunk, worker) once for each chunk and returns when all of them are done; `worker` is
 * below `workers`, and never the same in two calls at a time. `jobs` below is the smallest such
 * system. How many threads there are changes no bit of a result. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

enum {
    PIXELS = DIGITS_IN_IMAGE_DIM_2 * DIGITS_IN_IMAGE_DIM_3,
    CLASSES = DIGITS_OUT_LOGITS_DIM_1,
    BATCH = 400
};
enum { MAX_WORKERS = 64 };

typedef struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    pthread_t threads[MAX_WORKERS];
    int workers, numbers, active; /* active: threads that have not finished the round */
    unsigned round;
    bool stop;
    lathe_task task;
    void *arg;
    int64_t chunks;
    _Atomic int64_t next;
} jobs;

/* ---- the app's job system ---- */

static void work(jobs *j, int worker)
{
    int64_t chunk;
    while ((chunk = atomic_fetch_add(&j->next, 1)) < j->chunks) j->task(j->arg, chunk, worker);
}

static void *thread_main(void *arg)
{
    jobs *j = arg;
    unsigned seen = 0;
    pthread_mutex_lock(&j->lock);
    int worker = ++j->numbers; /* the caller is worker 0 */
    for (;;) {
        while (j->round == seen && !j->stop) pthread_cond_wait(&j->begun, &j->lock);
        if (j->stop) break;
        seen = j->round;
        pthread_mutex_unlock(&j->lock);
        work(j, worker);
        pthread_mutex_lock(&j->lock);
        if (--j->active == 0) pthread_cond_signal(&j->ended);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void parallel_for(void *ctx, lathe_task task, void *arg, int64_t chunks)
{
    jobs *j = ctx;
    pthread_mutex_lock(&j->lock);
    j->task = task;
    j->arg = arg;
    j->chunks = chunks;
    atomic_store(&j->next, 0);
    j->active = j->workers - 1;
    j->round++;
    pthread_cond_broadcast(&j->begun);
    pthread_mutex_unlock(&j->lock);
    work(j, 0);
    pthread_mutex_lock(&j->lock);
    while (j->active) pthread_cond_wait(&j->ended, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

/* Fewer workers than asked for if the system has no more threads. */
static void jobs_start(jobs *j, int workers)
{
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->begun, NULL);
    pthread_cond_init(&j->ended, NULL);
    j->workers = 1;
    while (j->workers < workers &&
           pthread_create(&j->threads[j->workers], NULL, thread_main, j) == 0)
        j->workers++;
}

static void jobs_stop(jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->stop = true;
    pthread_cond_broadcast(&j->begun);
    pthread_mutex_unlock(&j->lock);
    for (int i = 1; i < j->workers; i++) pthread_join(j->threads[i], NULL);
}

/* ---- the model ---- */

/* threads NULL: the caller's thread alone. */
static lathe_status name_pictures(const lathe_threads *threads, const float *pictures,
                                  float *logits)
{
    char message[256] = "";
    lathe_open_options options = {
        .threads = threads, .message = message, .message_size = sizeof message};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    digits_dims max = {.batch = BATCH};
    digits_io io = {.dims = max, .in = {.image = pictures}};
    io.out.logits = (lathe_buffer){logits, BATCH * CLASSES * sizeof *logits};
    lathe_status s = digits_open(&options, &model);
    if (s == LATHE_OK) s = digits_session_new(model, &max, &session);
    if (s == LATHE_OK) s = digits_run(session, &io);
    if (s != LATHE_OK) fprintf(stderr, "custom_threads: status %d %s\n", (int)s, message);
    lathe_session_free(session);
    lathe_model_close(model);
    return s;
}

static bool load(const char *path, float *pictures)
{
    unsigned char head[10];
    FILE *f = fopen(path, "rb");
    bool ok = f && fread(head, 1, sizeof head, f) == sizeof head &&
              memcmp(head, "\x93NUMPY\1", 7) == 0 &&
              fseek(f, 10 + head[8] + 256L * head[9], SEEK_SET) == 0 &&
              fread(pictures, sizeof(float), BATCH * PIXELS, f) == BATCH * PIXELS;
    if (f) fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    static float pictures[BATCH * PIXELS], ours[BATCH * CLASSES], alone[BATCH * CLASSES];
    static jobs j;
    int workers = argc == 3 ? atoi(argv[2]) : 0;
    if (workers < 1 || workers > MAX_WORKERS || !load(argv[1], pictures)) {
        fprintf(stderr, "usage: custom_threads IMAGES.npy WORKERS\n");
        return 2;
    }
    jobs_start(&j, workers);
    lathe_threads threads = {.parallel_for = parallel_for, .ctx = &j, .workers = j.workers};
    lathe_status s = name_pictures(&threads, pictures, ours);
    if (s == LATHE_OK) s = name_pictures(NULL, pictures, alone);
    jobs_stop(&j);
    if (s != LATHE_OK) return 1;
    bool same = memcmp(ours, alone, sizeof ours) == 0;
    printf("%d workers: %s\n", j.workers,
           same ? "the same bits as on one thread" : "not what one thread gives");
    return !same;
}
