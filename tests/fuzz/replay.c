/* Gives files to a target, where there is no libFuzzer: kept findings, in every build. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay(const char *path)
{
    enum { MOST = 1 << 22 };
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(MOST);
    if (!f || !bytes) {
        perror(path);
        return 1;
    }
    size_t n = fread(bytes, 1, MOST, f);
    uint8_t *exact = realloc(bytes, n + 1);
    LLVMFuzzerTestOneInput(exact ? exact : bytes, n);
    free(exact ? exact : bytes);
    fclose(f);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        fprintf(stderr, "%s\n", argv[i]); /* the last line names what ended the process */
        failed |= replay(argv[i]);
    }
    return failed;
}
