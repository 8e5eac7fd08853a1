/* run: one model on tensors from files, outputs to files. */
#include "driver/driver.h"
#include "driver/library.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void put_dims(const lathe_tensor *t)
{
    for (int d = 0; d < t->rank; d++) printf("%s%lld", d ? ", " : "", (long long)t->dims[d]);
}

static void tell_text(const char *path, const char *name, const lathe_tensor *t)
{
    printf("%s: %s %s[", path, name, tensor_elem_name(t->elem));
    put_dims(t);
    printf("]\n");
}

static void tell_json(const char *path, const char *name, const lathe_tensor *t)
{
    printf("{\"path\": ");
    lathe_json_string(stdout, path);
    printf(", \"output\": ");
    lathe_json_string(stdout, name);
    printf(", \"type\": \"%s\", \"dims\": [", tensor_elem_name(t->elem));
    put_dims(t);
    printf("]}\n");
}

static int write_outputs(const cli_options *o, loaded *m, bool npy)
{
    tensor_message message;
    const char *dir = o->output_dir ? o->output_dir : ".";
    if (!make_folders(dir)) return fail_file(LATHE_IO, dir, strerror(errno));
    if (!o->quiet && !o->json) printf("target: %s\n", lathe_model_target(m->model));
    for (int i = 0; i < m->nout; i++) {
        char path[4096];
        lathe_tensor_info info;
        lathe_info(m->lib->desc, LATHE_OUTPUTS, i, &info);
        snprintf(path, sizeof path, "%s/output_%d.%s", dir, i, npy ? "npy" : "pb");
        lathe_status s = npy ? tensor_write_npy(path, &m->out[i], &message)
                             : tensor_write_pb(path, info.name, &m->out[i], &message);
        if (s != LATHE_OK) return fail_file(s, path, message.text);
        if (o->json) tell_json(path, info.name, &m->out[i]);
        else if (!o->quiet) tell_text(path, info.name, &m->out[i]);
    }
    return EXIT_OK;
}

int command_run_model(const cli_options *o)
{
    bool npy = !o->output_format || strcmp(o->output_format, "npy") == 0;
    loaded m;
    int code = load_model(o, o->paths.items[0], false, &m);
    if (code == EXIT_OK) {
        lathe_status s = lathe_run(m.session, m.in, m.out);
        code = s == LATHE_OK ? write_outputs(o, &m, npy)
                             : fail_run(s, o->paths.items[0], lathe_session_message(m.session));
    }
    unload_model(&m);
    return code;
}
