/* target LIBRARY [BITS]: opens a compiled model, with these LATHE_CPU_* taken as missing, and
 * prints the target that it runs, or the message of the refusal. Exit code 0 if it opened. */
#include "driver/library.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char message[512] = "";
    library lib;
    lathe_model *model;
    lathe_open_options o = {.message = message, .message_size = sizeof message};
    if (argc < 2) return 2;
    if (argc > 2) o.hide_features = (uint32_t)strtoul(argv[2], NULL, 0);
    if (library_open(argv[1], &lib, message, sizeof message) != LATHE_OK) return puts(message), 2;
    if (lathe_model_open(lib.desc, &o, &model) != LATHE_OK) return puts(message), 1;
    puts(lathe_model_target(model));
    lathe_model_close(model);
    library_close(&lib);
    return 0;
}
