/* Writes text, a byte at a time, with a small language model.
 *
 *   licence_lm [-n BYTES] [-t TEMPERATURE] [-p TOP_P] [-s SEED] PROMPT
 *   licence_lm -e eval_tokens.npy     how surprised the model is by a text, in nats per byte
 *
 * The model takes the tokens that it has not seen yet and, for each layer, keys and values of those
 * that it has; it returns them with the new ones appended. So there are two sets of cache buffers,
 * and every run reads one and writes the other. Temperature 0, the default, always takes the most
 * likely byte. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "licence_lm.h"

enum { VOCABULARY = LICENCE_LM_OUT_LOGITS_DIM_2, CONTEXT = 1024, CHUNK = 256 };
enum { HEADS = LICENCE_LM_IN_PAST_K_0_DIM_1, WIDTH = LICENCE_LM_IN_PAST_K_0_DIM_3 };

/* The cache tensors, by the end of their names. */
#define CACHES(X) X(k_0) X(v_0) X(k_1) X(v_1) X(k_2) X(v_2) X(k_3) X(v_3)
#define COUNT(name) +1
enum { NCACHES = 0 CACHES(COUNT) };

typedef struct writer {
    lathe_session *session;
    float *cache[2][NCACHES];
    int now;       /* the set that holds the past */
    int64_t past;  /* tokens in it */
    float *logits; /* of the last run */
} writer;

/* Feeds n tokens; the logits of the last one, or of all, are in w->logits afterwards. */
static lathe_status feed(writer *w, const int64_t *tokens, int64_t n)
{
    licence_lm_io io = {0};
    int k = 0;
    const size_t bytes = (size_t)HEADS * CONTEXT * WIDTH * sizeof(float);
    io.dims.batch = 1;
    io.dims.sequence = n;
    io.dims.past = w->past;
    io.in.input_ids = tokens;
#define BIND(name)                                                                                 \
    io.in.past_##name = w->cache[w->now][k];                                                       \
    io.out.present_##name = (lathe_buffer){w->cache[!w->now][k++], bytes};
    CACHES(BIND)
    io.out.logits = (lathe_buffer){w->logits, (size_t)CHUNK * VOCABULARY * sizeof(float)};
    lathe_status status = licence_lm_run(w->session, &io);
    w->now = !w->now;
    w->past += n;
    return status;
}

/* ---- choosing the next byte ---- */

static int most_likely(const float *logits)
{
    int best = 0;
    for (int i = 1; i < VOCABULARY; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

typedef struct choice {
    float p;
    int token;
} choice;

static int by_falling_p(const void *a, const void *b)
{
    float x = ((const choice *)a)->p, y = ((const choice *)b)->p;
    return (x < y) - (x > y);
}

/* One of the likeliest bytes that together have probability top_p. */
static int sample(const float *logits, double temperature, double top_p)
{
    choice c[VOCABULARY];
    double sum = 0, kept = 0, max = logits[most_likely(logits)];
    for (int i = 0; i < VOCABULARY; i++) {
        c[i] = (choice){(float)exp((logits[i] - max) / temperature), i};
        sum += c[i].p;
    }
    qsort(c, VOCABULARY, sizeof *c, by_falling_p);
    int n = 0;
    while (n < VOCABULARY && kept < top_p * sum) kept += c[n++].p;
    double at = drand48() * kept;
    for (int i = 0; i < n; i++)
        if ((at -= c[i].p) <= 0) return c[i].token;
    return c[0].token;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static lathe_status generate(writer *w, const char *prompt, int bytes, double temperature,
                             double top_p)
{
    int64_t tokens[CHUNK];
    int64_t n = (int64_t)strlen(prompt) < CHUNK ? (int64_t)strlen(prompt) : CHUNK;
    for (int64_t i = 0; i < n; i++) tokens[i] = (unsigned char)prompt[i];
    double start = seconds();
    for (int i = 0; i < bytes; i++) {
        lathe_status status = feed(w, tokens, n);
        if (status != LATHE_OK) return status;
        const float *last = w->logits + (n - 1) * VOCABULARY;
        tokens[0] = temperature > 0 ? sample(last, temperature, top_p) : most_likely(last);
        n = 1;
        putchar((int)tokens[0]);
        fflush(stdout);
    }
    fprintf(stderr, "\n%.0f tokens per second\n", bytes / (seconds() - start));
    return LATHE_OK;
}

/* ---- scoring ---- */

static double surprise(const float *logits, int token)
{
    double sum = 0, max = logits[most_likely(logits)];
    for (int i = 0; i < VOCABULARY; i++) sum += exp(logits[i] - max);
    return log(sum) + max - logits[token];
}

/* Each chunk of the file, a .npy of bytes, from an empty cache; every byte predicts the next. */
static lathe_status evaluate(writer *w, const char *path)
{
    static unsigned char text[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(text, 1, sizeof text, file) : 0;
    if (file) fclose(file);
    size_t start = size > 10 ? 10u + text[8] + 256u * text[9] : size, scored = 0;
    double total = 0;
    for (size_t at = start; at + CHUNK < size; at += CHUNK) {
        int64_t tokens[CHUNK];
        for (int i = 0; i < CHUNK; i++) tokens[i] = text[at + (size_t)i];
        w->past = 0;
        lathe_status status = feed(w, tokens, CHUNK);
        if (status != LATHE_OK) return status;
        for (int i = 0; i < CHUNK; i++)
            total += surprise(w->logits + i * VOCABULARY, text[at + (size_t)i + 1]);
        scored += CHUNK;
    }
    printf("%.6f nats per byte over %zu bytes\n", scored ? total / (double)scored : NAN, scored);
    return scored ? LATHE_OK : LATHE_BAD_INPUT;
}

/* ---- program ---- */

static bool writer_begin(writer *w, lathe_model *model)
{
    licence_lm_dims max = {.batch = 1, .sequence = CHUNK, .past = CONTEXT};
    w->logits = malloc((size_t)CHUNK * VOCABULARY * sizeof(float));
    bool ok = w->logits && licence_lm_session_new(model, &max, &w->session) == LATHE_OK;
    for (int k = 0; k < 2 * NCACHES; k++) {
        w->cache[k / NCACHES][k % NCACHES] = calloc((size_t)HEADS * CONTEXT * WIDTH, sizeof(float));
        ok = ok && w->cache[k / NCACHES][k % NCACHES];
    }
    return ok;
}

static void writer_end(writer *w)
{
    lathe_session_free(w->session);
    free(w->logits);
    for (int k = 0; k < 2 * NCACHES; k++) free(w->cache[k / NCACHES][k % NCACHES]);
}

static int usage(void)
{
    fprintf(stderr, "usage: licence_lm [-n BYTES] [-t TEMPERATURE] [-p TOP_P] [-s SEED] PROMPT | "
                    "-e TOKENS.npy\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *eval = NULL;
    int bytes = 200, option;
    double temperature = 0, top_p = 0.95;
    while ((option = getopt(argc, argv, "n:t:p:s:e:")) != -1) {
        if (option == 'n') bytes = atoi(optarg);
        else if (option == 't') temperature = atof(optarg);
        else if (option == 'p') top_p = atof(optarg);
        else if (option == 's') srand48(atol(optarg));
        else if (option == 'e') eval = optarg;
        else return usage();
    }
    if (bytes < 0 || bytes > CONTEXT - CHUNK || (!eval && (optind + 1 != argc || !*argv[optind])))
        return usage();
    char message[256] = "";
    lathe_open_options options = {.message = message, .message_size = sizeof message};
    lathe_model *model = NULL;
    writer w = {0};
    lathe_status status = licence_lm_open(&options, &model);
    if (status != LATHE_OK) {
        fprintf(stderr, "open: %s\n", message);
    } else if (!writer_begin(&w, model)) {
        status = LATHE_OUT_OF_MEMORY;
        fprintf(stderr, "no memory\n");
    } else {
        status = eval ? evaluate(&w, eval) : generate(&w, argv[optind], bytes, temperature, top_p);
        if (status != LATHE_OK) fprintf(stderr, "run: %s\n", lathe_session_message(w.session));
    }
    writer_end(&w);
    lathe_model_close(model);
    return status != LATHE_OK;
}
