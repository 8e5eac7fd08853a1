/* Adds numbers with a compiled transformer.
 *
 *   adder problems.npy   answers every problem of the file and counts the right ones
 *   adder 123 456        adds two numbers of three digits
 *
 * The model reads tokens - digits, 10 for '+', 11 for '=' - and predicts the next one at every
 * place; the sum comes out as four digits, the lowest first. Many problems go through one run as a
 * batch; the sequence grows by one token a step. Both sizes are given with each run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adder.h"

enum {
    PROMPT = 8,
    DIGITS = 4,
    LENGTH = PROMPT + DIGITS,
    VOCABULARY = ADDER_OUT_LOGITS_DIM_2,
    BATCH = 100
};

static int64_t most_likely(const float *logits)
{
    int64_t best = 0;
    for (int64_t i = 1; i < VOCABULARY; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Appends DIGITS tokens to each of n prompts. tokens: n rows of LENGTH, of which PROMPT are set. */
static lathe_status answer(lathe_session *session, int64_t n, int64_t *tokens)
{
    static float logits[BATCH * LENGTH * VOCABULARY];
    static int64_t ids[BATCH * LENGTH];
    for (int64_t length = PROMPT; length < LENGTH; length++) {
        for (int64_t i = 0; i < n; i++)
            memcpy(ids + i * length, tokens + i * LENGTH, (size_t)length * sizeof *ids);
        adder_io io = {0};
        io.dims.batch = n;
        io.dims.sequence = length;
        io.in.input_ids = ids;
        io.out.logits = (lathe_buffer){logits, sizeof logits};
        lathe_status status = adder_run(session, &io);
        if (status != LATHE_OK) return status;
        for (int64_t i = 0; i < n; i++)
            tokens[i * LENGTH + length] = most_likely(logits + ((i + 1) * length - 1) * VOCABULARY);
    }
    return LATHE_OK;
}

static long value(const int64_t *digits, int first, int last, int step)
{
    long v = 0;
    for (int i = first; i != last + step; i += step) v = 10 * v + (long)digits[i];
    return v;
}

/* Reads an int64 .npy file of rows of LENGTH; *rows of them. NULL if it is not one. */
static int64_t *read_problems(const char *path, size_t *rows)
{
    unsigned char head[10];
    FILE *file = fopen(path, "rb");
    int64_t *data = NULL;
    long size = 0;
    if (file && fread(head, 1, sizeof head, file) == sizeof head &&
        memcmp(head, "\x93NUMPY\1", 7) == 0) {
        long start = 10 + head[8] + 256L * head[9];
        if (fseek(file, 0, SEEK_END) == 0) size = ftell(file) - start;
        *rows = size > 0 ? (size_t)size / (LENGTH * sizeof *data) : 0;
        data = malloc(*rows * LENGTH * sizeof *data + 1);
        if (data && (fseek(file, start, SEEK_SET) != 0 ||
                     fread(data, LENGTH * sizeof *data, *rows, file) != *rows)) {
            free(data);
            data = NULL;
        }
    }
    if (file) fclose(file);
    return data;
}

static int solve_file(lathe_session *session, const char *path)
{
    size_t rows = 0, right = 0;
    int64_t *problems = read_problems(path, &rows);
    if (!problems) {
        fprintf(stderr, "%s: not a file of problems\n", path);
        return 1;
    }
    for (size_t at = 0; at < rows; at += BATCH) {
        int64_t tokens[BATCH * LENGTH];
        size_t n = rows - at < BATCH ? rows - at : BATCH;
        memcpy(tokens, problems + at * LENGTH, n * LENGTH * sizeof *tokens);
        for (size_t i = 0; i < n; i++)
            memset(tokens + i * LENGTH + PROMPT, 0, DIGITS * sizeof *tokens);
        if (answer(session, (int64_t)n, tokens) != LATHE_OK) {
            fprintf(stderr, "run: %s\n", lathe_session_message(session));
            free(problems);
            return 1;
        }
        for (size_t i = 0; i < n; i++) {
            const int64_t *t = tokens + i * LENGTH;
            right += memcmp(t, problems + (at + i) * LENGTH, LENGTH * sizeof *t) == 0;
            if (at + i < 5)
                printf("%ld + %ld = %ld\n", value(t, 0, 2, 1), value(t, 4, 6, 1),
                       value(t, LENGTH - 1, PROMPT, -1));
        }
    }
    printf("%zu of %zu problems right\n", right, rows);
    free(problems);
    return right == rows ? 0 : 1;
}

static int solve_one(lathe_session *session, long a, long b)
{
    int64_t t[LENGTH] = {a / 100 % 10, a / 10 % 10, a % 10, 10,
                         b / 100 % 10, b / 10 % 10, b % 10, 11};
    if (answer(session, 1, t) != LATHE_OK) {
        fprintf(stderr, "run: %s\n", lathe_session_message(session));
        return 1;
    }
    printf("%ld + %ld = %ld\n", a, b, value(t, LENGTH - 1, PROMPT, -1));
    return 0;
}

int main(int argc, char **argv)
{
    char message[256] = "";
    lathe_open_options options = {.message = message, .message_size = sizeof message};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    adder_dims max = {.batch = BATCH, .sequence = LENGTH};
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: adder PROBLEMS.npy | adder A B\n");
        return 2;
    }
    int code = 1;
    if (adder_open(&options, &model) != LATHE_OK) {
        fprintf(stderr, "open: %s\n", message);
    } else if (adder_session_new(model, &max, &session) != LATHE_OK) {
        fprintf(stderr, "no memory for a session\n");
    } else {
        code = argc == 2 ? solve_file(session, argv[1])
                         : solve_one(session, atol(argv[1]), atol(argv[2]));
    }
    lathe_session_free(session);
    lathe_model_close(model);
    return code;
}
