/* The weight data: as a file of its own, or as a relocatable object for the linker.
 *
 * Constants are views of the mapped model file; they are written one after the other, packed piece
 * by piece where a kernel wants panels, so that no copy of all of them ever exists in memory. Both
 * forms hold the same bytes: blobs in ascending order of offset, the gaps filled with zeros up to
 * weights_size. The hash covers those bytes; the build id covers them and everything else that the
 * object and its weights must agree on. */
#include <elf.h>
#include <string.h>

#include "codegen/lower/encode.h"
#include "runtime/hash.h"

static const char zeros[LATHE_WEIGHTS_DATA];

/* Where bytes go: a file, or a hash if file is NULL. */
typedef struct sink {
    FILE *file;
    rt_hash_state hash;
} sink;

static bool put(sink *s, const void *bytes, size_t size)
{
    if (s->file) return size == 0 || fwrite(bytes, 1, size, s->file) == size;
    rt_hash_add(&s->hash, bytes, size);
    return true;
}

static bool put_zeros(sink *s, uint64_t n)
{
    for (; n > sizeof zeros; n -= sizeof zeros)
        if (!put(s, zeros, sizeof zeros)) return false;
    return put(s, zeros, (size_t)n);
}

static bool put_piece(void *ctx, const void *bytes, size_t size) { return put(ctx, bytes, size); }

static bool put_weight(sink *s, const cg_weight *w)
{
    if (w->encoded) return w->encoded->write(w->encoded, put_piece, s);
    if (w->panels) return cg_panels_write(w->panels, w->blob.bytes, put_piece, s);
    return put(s, w->blob.bytes, w->blob.size);
}

static bool put_weights(sink *s, const cg_program *p)
{
    uint64_t at = 0;
    for (size_t i = 0; i < p->nweights; i++) {
        const cg_weight *w = &p->weights[i];
        if (!put_zeros(s, w->offset - at) || !put_weight(s, w)) return false;
        at = w->offset + w->size;
    }
    return put_zeros(s, p->weights_size - at);
}

static lathe_status written(bool ok, FILE *f, lathe_diag *diag)
{
    if (ok && fflush(f) == 0) return LATHE_OK;
    return diag_add(diag, LATHE_IO, NULL, "writing the weights failed: %m");
}

/* ---- identity ---- */

static void hash_text(sink *s, const char *text) { put(s, text, strlen(text) + 1); }

static void hash_tables(sink *s, const cg_program *p)
{
#define TABLE(type, name) put(s, p->name, p->n##name * sizeof(type));
    TABLE(char, strings)
#include "runtime/tables.def"
#undef TABLE
}

void cg_hash(cg_program *p)
{
    sink s = {0};
    rt_hash_begin(&s.hash);
    put_weights(&s, p);
    p->weights_hash = rt_hash_end(&s.hash);
    rt_hash_begin(&s.hash);
    hash_text(&s, lathe_version());
    hash_text(&s, p->precision ? p->precision : "");
    put(&s, &p->weights_hash, sizeof p->weights_hash);
    hash_tables(&s, p);
    for (size_t i = 0; i < p->nkernels; i++) hash_text(&s, p->kernels[i].key);
    for (size_t i = 0; i < p->nfuncs; i++) hash_text(&s, p->funcs[i]);
    p->build_id = rt_hash_end(&s.hash);
}

/* ---- the file ---- */

lathe_status cg_write_weights(const cg_program *p, FILE *f, lathe_diag *diag)
{
    sink s = {.file = f};
    lathe_weights_header h = {.magic = LATHE_MAGIC,
                              .abi_version = LATHE_ABI_VERSION,
                              .build_id = p->build_id,
                              .size = p->weights_size,
                              .hash = p->weights_hash};
    bool ok =
        put(&s, &h, sizeof h) && put_zeros(&s, LATHE_WEIGHTS_DATA - sizeof h) && put_weights(&s, p);
    return written(ok, f, diag);
}

/* ---- the object ---- */

/* Code reaches its own data with 32-bit distances, so the weights must not lie between the two. On
 * x86-64 a large section is placed outside of everything else, and only the descriptor's pointer of
 * 64 bits leads to it. aarch64 has no such sections: there the weights must leave room. */
#define MAX_BETWEEN ((uint64_t)1900 << 20)

enum { SEC_NONE, SEC_DATA, SEC_SYMTAB, SEC_STRTAB, SEC_NAMES, SEC_STACK, SEC_COUNT };
static const char section_names[] =
    "\0.lrodata.weights\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack\0.rodata.weights";

/* Offset of the k-th name in section_names; behind those of the sections, the weights' on aarch64.
 */
static Elf64_Word name_at(int k)
{
    const char *at = section_names;
    while (k--) at += strlen(at) + 1;
    return (Elf64_Word)(at - section_names);
}

typedef struct layout {
    uint64_t data, symtab, strtab, names, sections;
} layout;

static layout weights_place(uint64_t size, size_t strtab_size)
{
    layout l = {.data = LATHE_WEIGHTS_DATA};
    l.symtab = (l.data + size + 7) / 8 * 8;
    l.strtab = l.symtab + 2 * sizeof(Elf64_Sym);
    l.names = l.strtab + strtab_size;
    l.sections = (l.names + sizeof section_names + 7) / 8 * 8;
    return l;
}

static bool is_arm(const cg_isa *isa) { return strncmp(isa->triple, "aarch64", 7) == 0; }

static bool put_header(sink *s, const cg_isa *isa, const layout *l)
{
    Elf64_Ehdr h = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_version = EV_CURRENT,
        .e_shoff = l->sections,
        .e_ehsize = sizeof h,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SEC_COUNT,
        .e_shstrndx = SEC_NAMES};
    h.e_machine = is_arm(isa) ? EM_AARCH64 : EM_X86_64;
    return put(s, &h, sizeof h) && put_zeros(s, l->data - sizeof h);
}

static bool put_sections(sink *s, const cg_isa *isa, const layout *l, uint64_t size,
                         size_t strtab_size)
{
    enum { X86_64_LARGE = 0x10000000 };
    Elf64_Shdr h[SEC_COUNT] = {
        [SEC_DATA] = {.sh_type = SHT_PROGBITS,
                      .sh_flags = SHF_ALLOC | (is_arm(isa) ? 0 : X86_64_LARGE),
                      .sh_offset = l->data,
                      .sh_size = size,
                      .sh_addralign = 64},
        [SEC_SYMTAB] = {.sh_type = SHT_SYMTAB,
                        .sh_offset = l->symtab,
                        .sh_size = 2 * sizeof(Elf64_Sym),
                        .sh_link = SEC_STRTAB,
                        .sh_info = 1,
                        .sh_addralign = 8,
                        .sh_entsize = sizeof(Elf64_Sym)},
        [SEC_STRTAB] = {.sh_type = SHT_STRTAB,
                        .sh_offset = l->strtab,
                        .sh_size = strtab_size,
                        .sh_addralign = 1},
        [SEC_NAMES] = {.sh_type = SHT_STRTAB,
                       .sh_offset = l->names,
                       .sh_size = sizeof section_names,
                       .sh_addralign = 1},
        [SEC_STACK] = {.sh_type = SHT_PROGBITS, .sh_offset = l->names, .sh_addralign = 1},
    };
    for (int i = SEC_DATA; i < SEC_COUNT; i++) h[i].sh_name = name_at(i);
    if (is_arm(isa)) h[SEC_DATA].sh_name = name_at(SEC_COUNT);
    return put(s, h, sizeof h);
}

lathe_status cg_write_weights_object(const cg_program *p, const cg_isa *isa, FILE *f,
                                     lathe_diag *diag)
{
    if (is_arm(isa) && p->weights_size > MAX_BETWEEN) {
        diag_add(diag, LATHE_LIMIT, NULL, "%llu bytes of weights are too many to embed",
                 (unsigned long long)p->weights_size);
        diag_hint(diag, "write them to a file of their own (--weights file)");
        return LATHE_LIMIT;
    }
    static const char suffix[] = "_weights";
    size_t name = strlen(p->name), strtab_size = 1 + name + sizeof suffix;
    layout l = weights_place(p->weights_size, strtab_size);
    Elf64_Sym syms[2] = {{0},
                         {.st_name = 1,
                          .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                          .st_other = STV_HIDDEN,
                          .st_shndx = SEC_DATA,
                          .st_size = p->weights_size}};
    sink s = {.file = f};
    bool ok = put_header(&s, isa, &l) && put_weights(&s, p) &&
              put_zeros(&s, l.symtab - l.data - p->weights_size) && put(&s, syms, sizeof syms) &&
              put(&s, "", 1) && put(&s, p->name, name) && put(&s, suffix, sizeof suffix) &&
              put(&s, section_names, sizeof section_names) &&
              put_zeros(&s, l.sections - l.names - sizeof section_names) &&
              put_sections(&s, isa, &l, p->weights_size, strtab_size);
    return written(ok, f, diag);
}
