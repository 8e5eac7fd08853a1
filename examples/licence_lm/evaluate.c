/* How surprised the model is by a text, in nats per byte.
 *
 *   evaluate eval_tokens.npy
 *
 * Each chunk of the file, a .npy of bytes, from an empty cache; every byte predicts the next. */
#include <math.h>
#include <stdio.h>

#include "licence_lm.h"

enum { VOCABULARY = LICENCE_LM_OUT_LOGITS_DIM_2, CHUNK = 256 };

static double surprise(const float *logits, int token)
{
    double sum = 0, max = logits[0];
    for (int i = 1; i < VOCABULARY; i++) max = fmax(max, logits[i]);
    for (int i = 0; i < VOCABULARY; i++) sum += exp(logits[i] - max);
    return log(sum) + max - logits[token];
}

/* The surprise of a chunk's bytes, each but the first and the one behind it; NAN: the run failed.
 */
static double chunk_surprise(lathe_session *session, const unsigned char *text)
{
    int64_t tokens[CHUNK];
    double total = 0;
    for (int i = 0; i < CHUNK; i++) tokens[i] = text[i];
    licence_lm_io io = {.dims = {.batch = 1, .sequence = CHUNK}, .in.input_ids = tokens};
    licence_lm_state_reset(session);
    if (licence_lm_state_run(session, &io) != LATHE_OK) return NAN;
    const float *logits = io.out.logits.data;
    for (int i = 0; i < CHUNK; i++) total += surprise(logits + i * VOCABULARY, text[i + 1]);
    return total;
}

int main(int argc, char **argv)
{
    static unsigned char text[1 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t size = file ? fread(text, 1, sizeof text, file) : 0;
    size_t start = size > 10 ? 10u + text[8] + 256u * text[9] : size, scored = 0;
    licence_lm_dims max = {.batch = 1, .sequence = CHUNK, .past = CHUNK};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    double total = 0;
    if (file) fclose(file);
    if (licence_lm_open(NULL, &model) == LATHE_OK &&
        licence_lm_session_new(model, &max, &session) == LATHE_OK)
        for (size_t at = start; at + CHUNK < size; at += CHUNK, scored += CHUNK)
            total += chunk_surprise(session, text + at);
    licence_lm_session_free(session);
    licence_lm_close(model);
    printf("%.6f nats per byte over %zu bytes\n", scored ? total / (double)scored : NAN, scored);
    return !scored || isnan(total);
}
