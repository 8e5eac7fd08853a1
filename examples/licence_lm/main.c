/* Writes text, a byte at a time, with a small language model.
 *
 *   licence_lm [-n BYTES] [-t TEMPERATURE] [-p TOP_P] [-s SEED] PROMPT
 *   licence_lm -e eval_tokens.npy     how surprised the model is by a text, in nats per byte
 *
 * The model's keys and values of what it has seen are states of the session: each run is given the
 * tokens that are new. Temperature 0, the default, always takes the most likely byte. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lathe_generate.h"
#include "licence_lm.h"

enum { VOCABULARY = LICENCE_LM_OUT_LOGITS_DIM_2, CONTEXT = 1024, CHUNK = 256 };

/* The logits behind each of n new tokens; NULL: the run failed. */
static const float *run(lathe_session *session, const int64_t *tokens, int64_t n)
{
    licence_lm_io io = {.dims = {.batch = 1, .sequence = n}, .in.input_ids = tokens};
    return licence_lm_state_run(session, &io) == LATHE_OK ? io.out.logits.data : NULL;
}

/* ---- writing ---- */

static const float *feed(void *session, const int64_t *tokens, int64_t n)
{
    const float *logits = run(session, tokens, n);
    return logits ? logits + (n - 1) * VOCABULARY : NULL;
}

static bool show(void *session, int64_t token)
{
    (void)session;
    putchar((int)token);
    return fflush(stdout) == 0;
}

static bool generate(lathe_session *session, const char *prompt, int bytes,
                     const lathe_sampling *how)
{
    int64_t tokens[CHUNK], text[CONTEXT], n = 0;
    lathe_sampler sampler;
    const lathe_generate g = {.feed = feed, .token = show, .ctx = session, .most = bytes};
    struct timespec start, end;
    for (; n < CHUNK && prompt[n]; n++) tokens[n] = (unsigned char)prompt[n];
    clock_gettime(CLOCK_MONOTONIC, &start);
    bool done = lathe_sampler_init(&sampler, VOCABULARY, how) &&
                lathe_generate_text(&sampler, &g, tokens, n, text) >= 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    lathe_sampler_free(&sampler);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
    if (done) fprintf(stderr, "\n%.0f tokens per second\n", bytes / seconds);
    return done;
}

/* ---- scoring ---- */

static double surprise(const float *logits, int token)
{
    double sum = 0, max = logits[0];
    for (int i = 1; i < VOCABULARY; i++) max = fmax(max, logits[i]);
    for (int i = 0; i < VOCABULARY; i++) sum += exp(logits[i] - max);
    return log(sum) + max - logits[token];
}

/* Each chunk of the file, a .npy of bytes, from an empty cache; every byte predicts the next. */
static bool evaluate(lathe_session *session, const char *path)
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
        licence_lm_state_reset(session);
        const float *logits = run(session, tokens, CHUNK);
        if (!logits) return false;
        for (int i = 0; i < CHUNK; i++)
            total += surprise(logits + i * VOCABULARY, text[at + (size_t)i + 1]);
        scored += CHUNK;
    }
    printf("%.6f nats per byte over %zu bytes\n", scored ? total / (double)scored : NAN, scored);
    return scored > 0;
}

/* ---- program ---- */

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
    lathe_sampling how = {.top_p = 0.95f};
    while ((option = getopt(argc, argv, "n:t:p:s:e:")) != -1) {
        if (option == 'n') bytes = atoi(optarg);
        else if (option == 't') how.temperature = (float)atof(optarg);
        else if (option == 'p') how.top_p = (float)atof(optarg);
        else if (option == 's') how.seed = strtoull(optarg, NULL, 10);
        else if (option == 'e') eval = optarg;
        else return usage();
    }
    if (bytes < 0 || bytes > CONTEXT - CHUNK || (!eval && (optind + 1 != argc || !*argv[optind])))
        return usage();
    char message[256] = "";
    lathe_open_options options = {.message = message, .message_size = sizeof message};
    licence_lm_dims max = {.batch = 1, .sequence = CHUNK, .past = CONTEXT};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    bool done = false;
    if (licence_lm_open(&options, &model) != LATHE_OK) {
        fprintf(stderr, "open: %s\n", message);
    } else if (licence_lm_session_new(model, &max, &session) != LATHE_OK) {
        fprintf(stderr, "no memory\n");
    } else {
        done = eval ? evaluate(session, eval) : generate(session, argv[optind], bytes, &how);
        if (!done) fprintf(stderr, "run: %s\n", lathe_session_message(session));
    }
    licence_lm_session_free(session);
    licence_lm_close(model);
    return !done;
}
