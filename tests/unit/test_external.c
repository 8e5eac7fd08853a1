/* External data: every way out of the model's folder that has been found in other readers. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/model.h"

static const fe_file *file;

static lathe_status open_location(const char *location, bool allow)
{
    diag_place place = {.file = "m", .tensor = "w"};
    return fe_external_open(trial.files, trial.diag, &place, trial.folder, location, allow, &file);
}

static int open_walking(const char *location)
{
    int dir = open(trial.folder, O_PATH | O_DIRECTORY);
    int fd = fe_open_beneath(dir, location, false, FE_OPEN_WALK);
    close(dir);
    return fd;
}

static void path_in(char *out, const char *name) { strcpy(out, trial_file(name)); }

/* data, sub/data, link -> data, linkdir -> sub, out -> /etc/passwd, hard = data's second name. */
static void populate(void)
{
    char a[256], b[256];
    trial_begin();
    write_file("data", "0123456789", 10);
    mkdir(trial_file("sub"), 0700);
    write_file("sub/data", "abc", 3);
    cr_assert_eq(symlink("data", trial_file("link")), 0);
    cr_assert_eq(symlink("sub", trial_file("linkdir")), 0);
    cr_assert_eq(symlink("/etc/passwd", trial_file("out")), 0);
    path_in(a, "sub/data");
    path_in(b, "hard");
    cr_assert_eq(link(a, b), 0);
}

TestSuite(external, .init = populate, .fini = trial_end);

Test(external, plain_file_is_mapped_once)
{
    cr_assert_eq(open_location("data", false), LATHE_OK);
    const fe_file *first = file;
    cr_assert_eq(first->size, 10);
    cr_assert_eq(memcmp(first->bytes, "0123456789", 10), 0);
    cr_assert_eq(open_location("./data", false), LATHE_OK);
    cr_assert_eq(file, first);
    cr_assert_eq(open_location("data", false), LATHE_OK);
    cr_assert_eq(file, first);
}

Test(external, ways_out_are_refused)
{
    static const char *const bad[] = {
        "",         "/etc/passwd",  "..",   "../x", "sub/../data",  "sub/..",
        "./../x",   "sub//../../x", "out",  "link", "linkdir/data", "hard",
        "sub/data", "sub",          "sub/", "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(open_location(bad[i], false), LATHE_BAD_INPUT, "'%s'", bad[i]);
    }
    cr_assert_eq(open_location("none", false), LATHE_NOT_FOUND);
    SAYS("symbolic link");
    SAYS("hard links");
    SAYS("stay inside");
}

Test(external, links_that_stay_inside_may_be_allowed)
{
    cr_assert_eq(open_location("link", true), LATHE_OK);
    cr_assert_eq(file->size, 10);
    cr_assert_eq(open_location("linkdir/data", true), LATHE_OK);
    cr_assert_eq(file->size, 3);
    cr_assert_eq(open_location("hard", true), LATHE_OK);
    cr_assert_eq(open_location("out", true), LATHE_BAD_INPUT);
    cr_assert_eq(open_location("../x", true), LATHE_BAD_INPUT);
}

Test(external, a_pipe_does_not_block)
{
    cr_assert_eq(mkfifo(trial_file("pipe"), 0600), 0);
    cr_assert_eq(open_location("pipe", false), LATHE_BAD_INPUT);
    remove(trial_file("pipe"));
}

Test(external, walking_finds_the_same)
{
    static const char *const bad[] = {"/etc/passwd", "../x",         "sub/../data", "out",
                                      "link",        "linkdir/data", "data/x",      "none"};
    int fd = open_walking("sub//./data");
    char text[4] = "";
    cr_assert_geq(fd, 0);
    cr_assert_eq(read(fd, text, 4), 3);
    cr_assert_str_eq(text, "abc");
    close(fd);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_lt(open_walking(bad[i]), 0, "'%s'", bad[i]);
    }
}

Test(external, a_changed_file_is_noticed)
{
    cr_assert_eq(open_location("data", false), LATHE_OK);
    cr_assert_eq(fe_files_check(trial.files, trial.diag), LATHE_OK);
    write_file("data", "01234", 5);
    cr_assert_eq(fe_files_check(trial.files, trial.diag), LATHE_IO);
}

static lathe_status parse(char *key, char *value, fe_external *out)
{
    Onnx__TensorProto *t = tensor_new("w", 1, 0, NULL);
    diag_place place = {.file = "m"};
    tensor_external(t, "location", "data");
    tensor_external(t, key, value);
    return fe_external_parse(trial.diag, &place, t, out);
}

Test(external, keys)
{
    fe_external e;
    cr_assert_eq(parse("offset", "4096", &e), LATHE_OK);
    cr_assert(e.offset == 4096 && !e.length && !strcmp(e.location, "data"));
    cr_assert_eq(parse("length", "0", &e), LATHE_OK);
    cr_assert_eq(e.length, 0);
    cr_assert_eq(parse("checksum", "abc", &e), LATHE_OK);
    static char *const bad[][2] = {
        {"offset", "-1"},
        {"offset", ""},
        {"offset", "0x10"},
        {"length", " 4"},
        {"length", "9223372036854775808"},
        {"length", "1e3"},
        {"location", "twice"},
        {"__class__", "x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(parse(bad[i][0], bad[i][1], &e), LATHE_BAD_INPUT, "%s=%s", bad[i][0],
                     bad[i][1]);
    }
    cr_assert_eq(parse("basepath", "/etc", &e), LATHE_UNSUPPORTED);
}
