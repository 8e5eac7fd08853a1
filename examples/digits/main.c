/* Names handwritten digits with a small vision transformer.
 *
 *   digits images.npy labels.npy      how many of the pictures are named right
 *   digits images.npy K               draws picture K and names it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

enum {
    SIDE = DIGITS_IN_IMAGE_DIM_2,
    PIXELS = SIDE * SIDE,
    CLASSES = DIGITS_OUT_LOGITS_DIM_1,
    BATCH = 64
};

/* The elements of a .npy file, `size` bytes each; NULL if it is not one. */
static void *read_npy(const char *path, size_t size, size_t *count)
{
    unsigned char head[10];
    FILE *file = fopen(path, "rb");
    void *data = NULL;
    if (file && fread(head, 1, sizeof head, file) == sizeof head &&
        memcmp(head, "\x93NUMPY\1", 7) == 0) {
        long start = 10 + head[8] + 256L * head[9], bytes = 0;
        if (fseek(file, 0, SEEK_END) == 0) bytes = ftell(file) - start;
        *count = bytes > 0 ? (size_t)bytes / size : 0;
        data = malloc(*count * size + 1);
        if (data &&
            (fseek(file, start, SEEK_SET) != 0 || fread(data, size, *count, file) != *count)) {
            free(data);
            data = NULL;
        }
    }
    if (file) fclose(file);
    if (!data) fprintf(stderr, "%s: not a .npy file that can be read\n", path);
    return data;
}

/* names[i]: the digit that picture i shows. */
static lathe_status name_pictures(lathe_session *session, const float *pictures, size_t n,
                                  int *names)
{
    for (size_t at = 0; at < n; at += BATCH) {
        float logits[BATCH * CLASSES];
        digits_io io = {0};
        io.dims.batch = (int64_t)(n - at < BATCH ? n - at : BATCH);
        io.in.image = pictures + at * PIXELS;
        io.out.logits = (lathe_buffer){logits, sizeof logits};
        lathe_status status = digits_run(session, &io);
        if (status != LATHE_OK) return status;
        for (int64_t i = 0; i < io.dims.batch; i++) {
            const float *row = logits + i * CLASSES;
            int best = 0;
            for (int c = 1; c < CLASSES; c++)
                if (row[c] > row[best]) best = c;
            names[at + (size_t)i] = best;
        }
    }
    return LATHE_OK;
}

static void draw(const float *picture)
{
    static const char shades[] = " .:-=+*#%@";
    float max = 0;
    for (int i = 0; i < PIXELS; i++)
        if (picture[i] > max) max = picture[i];
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            float v = max > 0 ? picture[y * SIDE + x] / max : 0;
            char shade = shades[v > 0 ? (int)(v * 9) : 0];
            printf("%c%c", shade, shade);
        }
        printf("\n");
    }
}

static int count_right(lathe_session *session, const float *pictures, size_t n, const char *path)
{
    size_t nlabels = 0, right = 0;
    int64_t *labels = read_npy(path, sizeof *labels, &nlabels);
    int *names = calloc(n + 1, sizeof *names), code = 1;
    if (labels && names && nlabels == n) {
        lathe_status status = name_pictures(session, pictures, n, names);
        for (size_t i = 0; i < n; i++) right += names[i] == labels[i];
        if (status == LATHE_OK) {
            printf("%zu of %zu right, accuracy %.4f\n", right, n, (double)right / (double)n);
            code = 0;
        } else {
            fprintf(stderr, "run: %s\n", lathe_session_message(session));
        }
    }
    free(labels);
    free(names);
    return code;
}

static int show(lathe_session *session, const float *pictures, size_t n, size_t k)
{
    int name = 0;
    if (k >= n) {
        fprintf(stderr, "there are %zu pictures\n", n);
        return 1;
    }
    if (name_pictures(session, pictures + k * PIXELS, 1, &name) != LATHE_OK) {
        fprintf(stderr, "run: %s\n", lathe_session_message(session));
        return 1;
    }
    draw(pictures + k * PIXELS);
    printf("this is a %d\n", name);
    return 0;
}

int main(int argc, char **argv)
{
    char message[256] = "", *end;
    lathe_open_options options = {.message = message, .message_size = sizeof message};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    digits_dims max = {.batch = BATCH};
    size_t pixels = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: digits IMAGES.npy LABELS.npy | digits IMAGES.npy K\n");
        return 2;
    }
    float *pictures = read_npy(argv[1], sizeof *pictures, &pixels);
    int code = 1;
    if (!pictures) {
        code = 1;
    } else if (digits_open(&options, &model) != LATHE_OK) {
        fprintf(stderr, "open: %s\n", message);
    } else if (digits_session_new(model, &max, &session) != LATHE_OK) {
        fprintf(stderr, "no memory for a session\n");
    } else {
        size_t k = strtoul(argv[2], &end, 10), n = pixels / PIXELS;
        code = *end ? count_right(session, pictures, n, argv[2]) : show(session, pictures, n, k);
    }
    lathe_session_free(session);
    lathe_model_close(model);
    free(pictures);
    return code;
}
