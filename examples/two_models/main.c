/* Two compiled models in one program, on one set of threads.
 *
 *   two_models images.npy FIRST   reads six pictures of digits from FIRST on as two numbers of
 * three digits each and adds them
 *
 * Both models are linked statically and share one copy of the runtime. `digits` names the pictures,
 * `adder` adds. A model sees the threads when it is opened; they must outlive it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adder.h"
#include "digits.h"

enum { SIDE = DIGITS_IN_IMAGE_DIM_2, PIXELS = SIDE * SIDE, CLASSES = DIGITS_OUT_LOGITS_DIM_1 };
enum { PICTURES = 6, PROMPT = 8, LENGTH = 12, VOCABULARY = ADDER_OUT_LOGITS_DIM_2 };

typedef struct app {
    lathe_threads *threads;
    lathe_model *digits, *adder;
    lathe_session *reader, *summer;
} app;

static int most_likely(const float *logits, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static lathe_status start(app *a, char *message, size_t size)
{
    lathe_status s = lathe_threads_new(&adder_desc, 2, &a->threads);
    lathe_open_options options = {.threads = a->threads, .message = message, .message_size = size};
    digits_dims pictures = {.batch = PICTURES};
    adder_dims sums = {.batch = 1, .sequence = LENGTH};
    if (s == LATHE_OK) s = digits_open(&options, &a->digits);
    if (s == LATHE_OK) s = adder_open(&options, &a->adder);
    if (s == LATHE_OK) s = digits_session_new(a->digits, &pictures, &a->reader);
    if (s == LATHE_OK) s = adder_session_new(a->adder, &sums, &a->summer);
    return s;
}

/* Sessions first, then models, then threads. */
static void stop(app *a)
{
    lathe_session_free(a->reader);
    lathe_session_free(a->summer);
    lathe_model_close(a->digits);
    lathe_model_close(a->adder);
    if (a->threads) lathe_threads_free(&adder_desc, a->threads);
}

static lathe_status read_digits(app *a, const float *pictures, int64_t digits[PICTURES])
{
    digits_io io = {.dims = {.batch = PICTURES}, .in = {.image = pictures}};
    lathe_status s = digits_run(a->reader, &io);
    const float *logits = io.out.logits.data; /* no buffer was given: the session's own */
    for (int i = 0; s == LATHE_OK && i < PICTURES; i++)
        digits[i] = most_likely(logits + i * CLASSES, CLASSES);
    return s;
}

/* tokens: PROMPT of them set; the answer's digits, lowest first, are appended. */
static lathe_status add(app *a, int64_t tokens[LENGTH])
{
    for (int64_t n = PROMPT; n < LENGTH; n++) {
        adder_io io = {.dims = {.batch = 1, .sequence = n}, .in = {.input_ids = tokens}};
        lathe_status s = adder_run(a->summer, &io);
        if (s != LATHE_OK) return s;
        tokens[n] =
            most_likely((const float *)io.out.logits.data + (n - 1) * VOCABULARY, VOCABULARY);
    }
    return LATHE_OK;
}

/* Pictures of a .npy file of float32. */
static int load(const char *path, long first, float *pictures)
{
    unsigned char head[10];
    FILE *f = fopen(path, "rb");
    int ok =
        f && fread(head, 1, sizeof head, f) == sizeof head && memcmp(head, "\x93NUMPY\1", 7) == 0 &&
        fseek(f, 10 + head[8] + 256L * head[9] + first * PIXELS * (long)sizeof(float), SEEK_SET) ==
            0 &&
        fread(pictures, sizeof(float), PICTURES * PIXELS, f) == PICTURES * PIXELS;
    if (f) fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    static float pictures[PICTURES * PIXELS];
    int64_t d[PICTURES];
    char message[256] = "";
    app a = {0};
    if (argc != 3 || !load(argv[1], strtol(argv[2], NULL, 10), pictures)) {
        fprintf(stderr, "usage: two_models IMAGES.npy FIRST\n");
        return 2;
    }
    lathe_status s = start(&a, message, sizeof message);
    if (s == LATHE_OK) s = read_digits(&a, pictures, d);
    if (s == LATHE_OK) {
        int64_t t[LENGTH] = {d[0], d[1], d[2], 10, d[3], d[4], d[5], 11};
        s = add(&a, t);
        if (s == LATHE_OK)
            printf("%d%d%d + %d%d%d = %d%d%d%d\n", (int)d[0], (int)d[1], (int)d[2], (int)d[3],
                   (int)d[4], (int)d[5], (int)t[11], (int)t[10], (int)t[9], (int)t[8]);
    }
    if (s != LATHE_OK) fprintf(stderr, "two_models: status %d %s\n", (int)s, message);
    stop(&a);
    return s != LATHE_OK;
}
