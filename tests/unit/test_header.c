/* The generated header: compiles as C11 and C++17 without a warning, whatever a model's names are;
 * identifiers; the weight file and the object with embedded weights. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/object/c_names.h"
#include "codegen/program.h"
#include "codegen/object/spawn.h"
#include "runtime/hash.h"
#include "tests/unit/fixture.h"

static char folder[64];
static cg_program *p;

static void begin(void)
{
    fixture_begin();
    snprintf(folder, sizeof folder, "/tmp/lathe-header-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void end(void)
{
    cg_spawn((const char *const[]){"rm", NULL}, (const char *const[]){"-r", folder, NULL}, NULL);
    fixture_end();
}

TestSuite(header, .init = begin, .fini = end);

static void lower(const char *text)
{
    fx.g = ir_parse(&fx.arena, fx.diag, "test.ir", text, strlen(text));
    cr_assert(fx.g);
    cr_assert_eq(cg_lower(fx.g, "m", 2, false, cg_encoded_decodes, &p), LATHE_OK);
    cg_hash(p);
}

static const char *in_folder(const char *name)
{
    return ir_format(&fx.arena, "%s/%s", folder, name);
}

static void check_spawn(const char *const *tools, const char *const *args)
{
    lathe_status s = cg_spawn(tools, args, fx.diag);
    if (s != LATHE_OK)
        cr_log_error("%s", lathe_diag_get(fx.diag, lathe_diag_count(fx.diag) - 1).text);
    cr_assert_eq(s, LATHE_OK);
}

/* The header of the program and a use of it, through both compilers. */
static void compile_header(const char *use)
{
    FILE *f = fopen(in_folder("m.h"), "w");
    cr_assert(f);
    cr_assert_eq(cg_write_header(p, f, fx.diag), LATHE_OK);
    fclose(f);
    f = fopen(in_folder("use.c"), "w");
    cr_assert(f);
    fprintf(f, "#include \"m.h\"\n#include \"m.h\"\n%s\n", use);
    fclose(f);
    const char *include = LATHE_SOURCE_DIR "/include", *source = in_folder("use.c");
#define FLAGS                                                                                      \
    "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only", "-I", include
    check_spawn((const char *const[]){"gcc", "cc", NULL},
                (const char *const[]){"-std=c11", FLAGS, "-x", "c", source, NULL});
    check_spawn((const char *const[]){"g++", "c++", NULL},
                (const char *const[]){"-std=c++17", FLAGS, "-x", "c++", source, NULL});
}

Test(header, names_types_and_dims_of_a_model)
{
    lower("graph \"bert\" file \"bert.onnx\"\n"
          "symbol batch: input [1, 64]\nsymbol sequence: input [0, inf]\n"
          "region(%0: i64[batch, sequence] \"input_ids\", %1: f16[batch, 1, 2*sequence + 1] "
          "\"mask\", "
          "%2: bool[] \"flag\") {\n"
          "  %3: f32[batch, sequence, 768] = map(%0) space=[batch, sequence, 768] "
          "body=[cast($0[i0, i1], f32)]\n"
          "  return %3 \"last_hidden_state\"\n}\n");
    compile_header(
        "lathe_status use(const int64_t *ids, const uint16_t *mask, const bool *flag, float "
        "*out);\n"
        "lathe_status use(const int64_t *ids, const uint16_t *mask, const bool *flag, float *out) "
        "{\n"
        "    static float fixed[M_OUT_LAST_HIDDEN_STATE_DIM_2 == 768 ? M_IN_MASK_RANK : -1];\n"
        "    m_dims max; m_io io; lathe_model *model; lathe_session *session;\n"
        "    memset(&io, 0, sizeof io);\n"
        "    max.batch = 2; max.sequence = 128; (void)fixed;\n"
        "    io.dims = max;\n"
        "    io.in.input_ids = ids; io.in.mask = mask; io.in.flag = flag;\n"
        "    io.out.last_hidden_state.data = out; io.out.last_hidden_state.size = sizeof *out;\n"
        "    if (m_open(NULL, &model) || m_session_new(model, &max, &session)) return LATHE_IO;\n"
        "    if (m_session_reserve(session, NULL) || m_run(session, &io)) return LATHE_IO;\n"
        "    m_session_free(session); m_close(model);\n"
        "    return io.out_dims.last_hidden_state[2] == 768 ? LATHE_OK : LATHE_INTERNAL;\n}\n");
}

Test(header, hostile_names)
{
    lower("graph \"*/ #error\" file \"?.onnx\"\n"
          "symbol int: input [0, inf]\nsymbol INT: input [0, inf]\nsymbol \"a b\": input [0, inf]\n"
          "region(%0: f32[int, INT, \"a b\"] \"class\", %1: f32[] \"Class\", %2: f32[] \"/x/*/y\", "
          "%3: f32[] \"3d\", "
          "%4: u4[5] \"\\\"\", %5: f32[] \"linux\", %6: f32[] \"int64_t\", %7: f32[] \"a__b\", %8: "
          "f32[] \"a_b\") {\n"
          "  return %0 \"class\", %1 \"_\", %2 \"in\", %3 \"\", %4 \"none\"\n}\n");
    compile_header("lathe_status use(lathe_session *s, m_io *io);\n"
                   "lathe_status use(lathe_session *s, m_io *io) { return m_run(s, io); }\n");
}

Test(header, neither_inputs_nor_sizes)
{
    lower("graph \"t\" file \"t.onnx\"\nregion() {\n"
          "  %0: f32[2] = map() space=[2] body=[cast(i0, f32)]\n  return %0 \"y\"\n}\n");
    compile_header("lathe_status use(lathe_session *s, m_io *io);\n"
                   "lathe_status use(lathe_session *s, m_io *io) { return m_run(s, io); }\n");
}

Test(header, identifiers)
{
    static const char *const pairs[][2] = {
        {"input_ids", "input_ids"},
        {"Input_IDs", "Input_IDs_2"},
        {"/model/out.0", "model_out_0"},
        {"", "x"},
        {"...", "x_2"},
        {"for", "for_"},
        {"for_", "for_2"},
        {"9", "x9"},
        {"\xC3\xA9t\xC3\xA9", "t"},
        {"input_ids", "input_ids_3"},
        {"x_2", "x_2_2"},
        {"_Bool", "Bool_2"},
    };
    cg_scope scope = {.arena = &fx.arena};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *name = cg_c_name(&scope, pairs[i][0]);
        if (strcmp(pairs[i][0], "_Bool") != 0) cr_expect_str_eq(name, pairs[i][1]);
    }
    cr_expect(cg_c_is_prefix("bert_base2"));
    const char *const refused[] = {"",    "2x",    "_x",      "a__b",  "a-b",
                                   "int", "lathe", "lathe_x", "LATHE", "a_"};
    for (size_t i = 0; i + 1 < sizeof refused / sizeof *refused; i++)
        cr_expect_not(cg_c_is_prefix(refused[i]), "%s", refused[i]);
    cr_expect_str_eq(cg_c_prefix(&fx.arena, "/tmp/My model-v1.2.onnx"), "My_model_v1_2");
    cr_expect_str_eq(cg_c_prefix(&fx.arena, "7b.onnx"), "x7b");
    cr_expect_str_eq(cg_c_prefix(&fx.arena, "lathe.onnx"), "model_lathe");
}

/* ---- weights ---- */

#define WEIGHTS                                                                                    \
    "graph \"t\" file \"t.onnx\"\nregion() {\n"                                                    \
    "  %0: f32[3] = const() data=[1, 2, 3]\n  %1: f32[3] = const() data=[4, 5, 6]\n"               \
    "  %2: f32[3] = map(%0, %1) space=[3] body=[add($0[i0], $1[i0])]\n  return %2 \"y\"\n}\n"

static size_t read_file(const char *path, char *bytes, size_t size)
{
    FILE *f = fopen(path, "r");
    cr_assert(f);
    size_t n = fread(bytes, 1, size, f);
    fclose(f);
    return n;
}

Test(header, weight_file)
{
    static char bytes[8192];
    lower(WEIGHTS);
    FILE *f = fopen(in_folder("m.weights"), "w");
    cr_assert(f);
    cr_assert_eq(cg_write_weights(p, f, fx.diag), LATHE_OK);
    fclose(f);
    size_t n = read_file(in_folder("m.weights"), bytes, sizeof bytes);
    const lathe_weights_header *h = (const void *)bytes;
    cr_assert_eq(n, LATHE_WEIGHTS_DATA + 128);
    cr_expect_eq(h->magic, LATHE_MAGIC);
    cr_expect_eq(h->size, 128);
    cr_expect_eq(h->build_id, p->build_id);
    cr_expect_eq(h->hash, rt_hash(bytes + LATHE_WEIGHTS_DATA, 128));
    const float *data = (const void *)(bytes + LATHE_WEIGHTS_DATA);
    cr_expect_eq(data[2], 3);
    cr_expect_eq(data[16 + 2], 6);
}

Test(header, build_id_changes_with_the_weights)
{
    lower(WEIGHTS);
    uint64_t first = p->build_id;
    cg_hash(p);
    cr_expect_eq(p->build_id, first);
    static const float other[3] = {1, 2, 4};
    p->weights[0].blob.bytes = other;
    cg_hash(p);
    cr_expect_neq(p->build_id, first);
}

Test(header, weights_as_an_object)
{
    static char bytes[16384];
    lower(WEIGHTS);
    const cg_isa *arm = cg_isa_find("aarch64");
    cr_assert(arm);
    FILE *f = fopen(in_folder("w.o"), "w");
    cr_assert(f);
    cr_assert_eq(cg_write_weights_object(p, arm, f, fx.diag), LATHE_OK);
    fclose(f);
    size_t n = read_file(in_folder("w.o"), bytes, sizeof bytes);
    const Elf64_Ehdr *h = (const void *)bytes;
    cr_assert(n > sizeof *h && memcmp(h->e_ident, ELFMAG, SELFMAG) == 0);
    cr_expect_eq(h->e_machine, EM_AARCH64);
    cr_assert_eq(n, h->e_shoff + h->e_shnum * sizeof(Elf64_Shdr));
    const Elf64_Shdr *s = (const void *)(bytes + h->e_shoff);
    const Elf64_Sym *sym = (const Elf64_Sym *)(const void *)(bytes + s[2].sh_offset) + 1;
    cr_expect_str_eq(bytes + s[3].sh_offset + sym->st_name, "m_weights");
    cr_expect_eq(ELF64_ST_VISIBILITY(sym->st_other), STV_HIDDEN);
    cr_expect_eq(sym->st_size, 128);
    cr_expect_eq(((const float *)(const void *)(bytes + s[sym->st_shndx].sh_offset))[17], 5);
}
