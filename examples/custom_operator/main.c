/* A model with an operator that the app provides.
 *
 *   custom_operator A B C    prints the model's three results
 *
 * The model has a node Snake of the domain com.example, which no compiler knows. It was compiled
 * with
 * --custom com.example:Snake=my_snake:0, so it calls the function that is registered here as
 * my_snake; ":0" says that the result has the type and dims of input 0. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "snake.h"

/* x + sin(alpha x)^2 / alpha, element by element. ctx is the app's own. */
static lathe_status my_snake(const lathe_custom_call *call)
{
    const lathe_tensor *x = &call->in[0];
    const char *text = lathe_attribute(call, "alpha");
    double alpha = text ? strtod(text, NULL) : 1;
    if (call->nin != 1 || x->elem != LATHE_F32 || alpha == 0) {
        snprintf(call->message, call->message_size,
                 "takes one tensor of float32 and an alpha that is not 0");
        return LATHE_BAD_VALUE;
    }
    const float *from = x->data;
    float *to = call->out[0].data;
    for (size_t i = 0; i < x->size / sizeof *from; i++) {
        double s = sin(alpha * from[i]);
        to[i] = (float)(from[i] + s * s / alpha);
    }
    ++*(int *)call->ctx;
    return LATHE_OK;
}

int main(int argc, char **argv)
{
    int calls = 0;
    char message[256] = "";
    const lathe_custom functions[] = {{"my_snake", my_snake, &calls}};
    const lathe_open_options options = {
        .message = message, .message_size = sizeof message, .custom = functions, .ncustom = 1};
    lathe_model *model = NULL;
    lathe_session *session = NULL;
    snake_dims max = {.batch = 1};
    if (argc != 4) {
        fprintf(stderr, "usage: custom_operator A B C\n");
        return 2;
    }
    float x[3] = {(float)atof(argv[1]), (float)atof(argv[2]), (float)atof(argv[3])};
    snake_io io = {.dims = max, .in = {.x = x}};
    lathe_status s = snake_open(&options, &model);
    if (s == LATHE_OK) s = snake_session_new(model, &max, &session);
    if (s == LATHE_OK) s = snake_run(session, &io);
    if (s == LATHE_OK) {
        const float *y = io.out.y.data;
        printf("%.4f %.4f %.4f (%d call)\n", y[0], y[1], y[2], calls);
    } else {
        fprintf(stderr, "custom_operator: status %d %s\n", (int)s,
                session ? lathe_session_message(session) : message);
    }
    lathe_session_free(session);
    lathe_model_close(model);
    return s != LATHE_OK;
}
