/* Writes text, a byte at a time, with a small language model.
 *
 *   licence_lm [-n BYTES] [-t TEMPERATURE] [-p TOP_P] [-s SEED] PROMPT
 *
 * The model's keys and values of what it has seen are states of the session: each run is given the
 * tokens that are new. Temperature 0, the default, always takes the most likely byte. */
#include <stdio.h>
#include <unistd.h>

#include "lathe_generate.h"
#include "licence_lm.h"

enum { VOCABULARY = LICENCE_LM_OUT_LOGITS_DIM_2, CONTEXT = 1024, CHUNK = 256 };

/* The logits behind the last of n new tokens; NULL: the run failed. */
static const float *feed(void *session, const int64_t *tokens, int64_t n)
{
    licence_lm_io io = {.dims = {.batch = 1, .sequence = n}, .in.input_ids = tokens};
    if (licence_lm_state_run(session, &io) != LATHE_OK) return NULL;
    return (const float *)io.out.logits.data + (n - 1) * VOCABULARY;
}

static bool show(void *session, int64_t token)
{
    (void)session;
    putchar((int)token);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    int64_t tokens[CHUNK], text[CONTEXT], n = 0, bytes = 200, written = -1;
    lathe_sampling how = {.top_p = 0.95f};
    for (int option; (option = getopt(argc, argv, "n:t:p:s:")) != -1;) {
        if (option == 'n') bytes = atoi(optarg);
        else if (option == 't') how.temperature = (float)atof(optarg);
        else if (option == 'p') how.top_p = (float)atof(optarg);
        else if (option == 's') how.seed = strtoull(optarg, NULL, 10);
        else return 2;
    }
    if (bytes < 0 || bytes > CONTEXT - CHUNK || optind + 1 != argc || !*argv[optind]) return 2;
    while (n < CHUNK && argv[optind][n]) tokens[n] = (unsigned char)argv[optind][n], n++;

    licence_lm_dims max = {.batch = 1, .sequence = CHUNK, .past = CONTEXT};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    lathe_sampler sampler;
    if (lathe_sampler_init(&sampler, VOCABULARY, &how) &&
        licence_lm_open(NULL, &model) == LATHE_OK &&
        licence_lm_session_new(model, &max, &session) == LATHE_OK) {
        const lathe_generate g = {.feed = feed, .token = show, .ctx = session, .most = bytes};
        written = lathe_generate_text(&sampler, &g, tokens, n, text);
    }
    if (written < 0)
        fprintf(stderr, "%s\n",
                session ? lathe_session_message(session) : "no model, or no memory");
    licence_lm_session_free(session);
    licence_lm_close(model);
    lathe_sampler_free(&sampler);
    return written < 0;
}
