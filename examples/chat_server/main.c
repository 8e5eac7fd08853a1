/* Several conversations at a time, all behind one prompt that the model reads once.
 *
 *   chat_server PROMPT < LINES
 *
 * A line "NAME TEXT" goes on with the conversation NAME; the answer, up to the end of a line, is
 * printed as "NAME: ANSWER". A new conversation is a fork of the prompt's session: it shares what
 * the model keeps of the prompt, and its runs share the other sessions' threads. */
#include <stdio.h>

#include "lathe_generate.h"
#include "licence_lm.h"

enum {
    VOCABULARY = LICENCE_LM_OUT_LOGITS_DIM_2,
    CONTEXT = 1024,
    CHUNK = 256,
    ANSWER = 80,
    MOST = 64
};

typedef struct conversation {
    char name[16];
    lathe_session *session;
    int64_t last; /* token of the answer, which the session has not seen; -1: none */
} conversation;

static const float *feed(void *session, const int64_t *tokens, int64_t n)
{
    licence_lm_io io = {.dims = {.batch = 1, .sequence = n}, .in.input_ids = tokens};
    if (licence_lm_state_run(session, &io) != LATHE_OK) return NULL;
    return (const float *)io.out.logits.data + (n - 1) * VOCABULARY;
}

/* Up to CHUNK bytes of text, as tokens. */
static int64_t to_tokens(const char *text, int64_t *tokens, int64_t n)
{
    for (; n < CHUNK && *text && *text != '\n'; text++) tokens[n++] = (unsigned char)*text;
    return n;
}

static bool answer(conversation *c, lathe_sampler *sampler, const char *text)
{
    int64_t tokens[CHUNK], chosen[ANSWER], n = 0;
    const int64_t end_of_line = '\n', *const stops[] = {&end_of_line, NULL}, lengths[] = {1};
    const lathe_generate g = {
        .feed = feed, .ctx = c->session, .stops = stops, .stop_lengths = lengths, .most = ANSWER};
    if (c->last >= 0) tokens[n++] = c->last;
    n = to_tokens(text, tokens, n);
    int64_t count = n ? lathe_generate_text(sampler, &g, tokens, n, chosen) : -1;
    if (count < 1) return false;
    c->last = chosen[count - 1];
    printf("%s: ", c->name);
    for (int64_t i = 0; i < count - (c->last == '\n'); i++) putchar((int)chosen[i]);
    putchar('\n');
    return fflush(stdout) == 0;
}

/* The conversation of a name; a new one begins behind the prompt. NULL: there are too many. */
static conversation *find(conversation *all, const char *name, lathe_model *model,
                          const licence_lm_dims *max, lathe_session *prompt)
{
    conversation *c = all;
    while (c->session && strcmp(c->name, name) != 0) c++;
    if (c->session) return c;
    if (c == all + MOST || licence_lm_session_new(model, max, &c->session) != LATHE_OK ||
        licence_lm_state_fork(prompt, c->session) != LATHE_OK)
        return NULL;
    strcpy(c->name, name);
    c->last = -1;
    return c;
}

static bool serve(lathe_model *model, const licence_lm_dims *max, lathe_session *prompt)
{
    conversation all[MOST + 1] = {{{0}, NULL, 0}}, *c;
    char line[CHUNK], name[16];
    int at = 0;
    lathe_sampler sampler;
    bool ok = lathe_sampler_init(&sampler, VOCABULARY, NULL);
    while (ok && fgets(line, sizeof line, stdin)) {
        ok = sscanf(line, "%15s%n", name, &at) == 1 && (c = find(all, name, model, max, prompt)) &&
             answer(c, &sampler, line + at + (line[at] == ' '));
        if (!ok) fprintf(stderr, "cannot answer: %s", line);
    }
    lathe_sampler_free(&sampler);
    for (c = all; c->session; c++) licence_lm_session_free(c->session);
    return ok;
}

int main(int argc, char **argv)
{
    int64_t tokens[CHUNK];
    licence_lm_dims max = {.batch = 1, .sequence = CHUNK, .past = CONTEXT};
    lathe_threads *threads = NULL;
    lathe_model *model = NULL;
    lathe_session *prompt = NULL;
    int64_t n = argc == 2 ? to_tokens(argv[1], tokens, 0) : 0;
    if (!n) return 2;
    bool ok = lathe_threads_new(&licence_lm_desc, 2, &threads) == LATHE_OK;
    const lathe_open_options options = {.threads = threads};
    ok = ok && licence_lm_open(&options, &model) == LATHE_OK &&
         licence_lm_session_new(model, &max, &prompt) == LATHE_OK && feed(prompt, tokens, n) &&
         serve(model, &max, prompt);
    licence_lm_session_free(prompt);
    licence_lm_close(model);
    lathe_threads_free(&licence_lm_desc, threads);
    return !ok;
}
