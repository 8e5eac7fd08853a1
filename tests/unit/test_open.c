/* Opening a model with many weights: they are mapped, not read and not copied, unless hashing all
 * of them is asked for. */
#include <criterion/criterion.h>
#include <fcntl.h>

#include "ir/text.h"
#include "tests/unit/compiled.h"

enum { ROWS = 65536, COLUMNS = 256 };
#define BYTES ((size_t)ROWS * COLUMNS * 4)

/* A table of 64 MB, of which the model reads the rows that the input names. */
static const char text[] =
    "graph \"t\" file \"t.onnx\"\nsymbol s: input [0, inf]\nregion(%%0: i64[s] \"x\") {\n"
    "  %%1: f32[65536, 256] = const() data=blob(\"table.bin\", 0, %zu, 0x%016llx)\n"
    "  %%2: f32[s, 256] = map(%%0, %%1) space=[s, 256] body=[$1[check($0[i0], 65536), i1]]\n"
    "  return %%2 \"y\"\n}\n";

static char folder[64];
static library lib;

static const char *in_folder(const char *name)
{
    static char path[2][128];
    static int next;
    char *p = path[next++ % 2];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void write_table(void)
{
    float *table = calloc(BYTES, 1);
    for (size_t i = 0; i < ROWS; i++) table[i * COLUMNS] = (float)i;
    FILE *f = fopen(in_folder("table.bin"), "wb");
    cr_assert(table && f && fwrite(table, 1, BYTES, f) == BYTES && fclose(f) == 0);
    f = fopen(in_folder("model.ir"), "w");
    cr_assert(f && fprintf(f, text, BYTES, (unsigned long long)ir_blob_hash(table, BYTES)) > 0 &&
              fclose(f) == 0);
    free(table);
}

static void begin(void)
{
    char message[512];
    snprintf(folder, sizeof folder, "/tmp/lathe-open-XXXXXX");
    cr_assert(mkdtemp(folder));
    write_table();
    lathe_diag *diag = lathe_diag_new();
    const lathe_options o = {.model = in_folder("model.ir"),
                             .name = "m",
                             .directory = folder,
                             .level = 2,
                             .runtime = LATHE_RUNTIME_ARCHIVE};
    cr_assert_eq(lathe_compile(&o, diag), LATHE_OK, "%s", lathe_diag_get(diag, 0).text);
    lathe_diag_free(diag);
    cr_assert_eq(library_open(in_folder("libm.so"), &lib, message, sizeof message), LATHE_OK);
}

static void end(void)
{
    static const char *const names[] = {"table.bin", "model.ir", "libm.so", "m.h", "m.weights"};
    library_close(&lib);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(in_folder(names[i]));
    rmdir(folder);
}

TestSuite(open, .init = begin, .fini = end);

static long resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert(f && fscanf(f, "%*s %ld", &pages) == 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static lathe_model *open_with(unsigned flags)
{
    lathe_model *model;
    char message[512] = "";
    const lathe_open_options o = {
        .flags = flags, .message = message, .message_size = sizeof message};
    cr_assert_eq(lathe_model_open(lib.desc, &o, &model), LATHE_OK, "%s", message);
    return model;
}

Test(open, touches_no_weights)
{
    lathe_session *session;
    long start = resident();
    lathe_model *model = open_with(0);
    int64_t rows[3] = {0, 30000, ROWS - 1}, max = 3;
    cr_expect_lt(resident() - start, 1 << 20, "opening makes %ld bytes resident",
                 resident() - start);
    cr_assert_eq(lathe_session_new(model, &max, &session), LATHE_OK);
    const lathe_tensor in = {rows, sizeof rows, {3}, 1, LATHE_I64};
    lathe_tensor out = {0};
    cr_assert_eq(lathe_run(session, &in, &out), LATHE_OK, "%s", lathe_session_message(session));
    for (int i = 0; i < 3; i++) cr_expect_eq(((float *)out.data)[i * COLUMNS], (float)rows[i]);
    cr_expect_lt(resident() - start, 4 << 20, "a run makes %ld bytes resident", resident() - start);
    lathe_session_free(session);
    lathe_model_close(model);
}

Test(open, hashes_them_on_request)
{
    long start = resident();
    lathe_model *model = open_with(LATHE_OPEN_VERIFY);
    cr_expect_gt(resident() - start, (long)(BYTES / 2), "hashing reads them all");
    lathe_model_close(model);
}

Test(open, maps_them_ahead_on_request)
{
    long start = resident();
    lathe_model *model = open_with(LATHE_OPEN_PREFAULT);
    cr_expect_gt(resident() - start, (long)(BYTES / 8 * 7), "only %ld bytes are resident",
                 resident() - start);
    lathe_model_close(model);
}

Test(open, sees_damage_only_when_hashing)
{
    int fd = open(in_folder("m.weights"), O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, "x", 1, LATHE_WEIGHTS_DATA + 12345) == 1 && close(fd) == 0);
    lathe_model_close(open_with(0));
    lathe_model *model;
    const lathe_open_options o = {.flags = LATHE_OPEN_VERIFY};
    cr_expect_eq(lathe_model_open(lib.desc, &o, &model), LATHE_MISMATCH);
}
