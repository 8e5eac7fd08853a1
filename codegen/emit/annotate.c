/* What says in generated code which nodes of the model a kernel comes from: comments in its text,
 * and, where that is asked for, its symbol, which debuggers and profilers of the system show.
 *
 * In: the text of a module, LLVM IR or assembly, and the program. Out: the same text with a comment
 * above the start of each kernel. A kernel's function is found by its name at the start of a line,
 * since a module in memory carries no comments. A line that starts with # is a comment to the
 * assemblers of all targets. */
#include "codegen/emit/annotate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN = 64,        /* nodes of a kernel that many steps share */
    MOST_SYMBOL = 200, /* bytes of a symbol, the number of those left out aside */
};

/* The origins of all steps of each kernel. */
static uint32_t *sets_of_kernels(const cg_program *p)
{
    uint32_t *sets = IR_NEW_N(p->arena, uint32_t, p->nkernels + 1);
    for (size_t i = 0; i < p->nsteps; i++) {
        const lathe_step *s = &p->steps[i];
        if (s->kind != LATHE_STEP_KERNEL) continue;
        sets[s->func] = ir_origins_join(p->g, sets[s->func], p->origins[i]);
    }
    return sets;
}

/* The kernel whose function a line begins, or nkernels. */
static size_t kernel_at(const cg_program *p, const char *line, size_t n, bool llvm)
{
    const char *name = line, *end = line + n;
    if (llvm) {
        if (n < 7 || memcmp(line, "define ", 7) != 0) return p->nkernels;
        name = memchr(line, '@', n);
        if (!name) return p->nkernels;
        name += name[1] == '"' ? 2 : 1;
    }
    for (size_t i = 0; i < p->nkernels; i++) {
        size_t length = strlen(p->kernels[i].name);
        if ((size_t)(end - name) <= length || memcmp(name, p->kernels[i].name, length) != 0)
            continue;
        char next = name[length];
        if (llvm ? next == '(' || next == '.' : next == ':' || next == '.') return i;
    }
    return p->nkernels;
}

/* Names may hold anything, but a comment ends with its line. */
static void put_text(FILE *f, const char *s)
{
    for (; *s; s++) fputc((unsigned char)*s < ' ' ? '?' : *s, f);
}

static void put_origins(FILE *f, const cg_program *p, uint32_t set, const char *comment)
{
    ir_origin *list;
    size_t n = ir_origins_list(p->g, set, p->arena, &list);
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        fprintf(f, "%s", i ? ", " : comment);
        put_text(f, ir_text(p->g, list[i].name));
        fputs(" (", f);
        put_text(f, ir_text(p->g, list[i].op));
        fputc(')', f);
    }
    if (n > SHOWN) fprintf(f, " and %zu more", n - SHOWN);
    if (n) fputc('\n', f);
}

/* Behind the first `used` bytes of the symbol, a dot and the name with _ for what would have to be
 * quoted; the new length, or `used` if there is no room. */
static size_t add_name(char *symbol, size_t used, const char *name)
{
    size_t n = strlen(name);
    if (n >= MOST_SYMBOL - used) return used;
    symbol[used++] = '.';
    for (; *name; name++) {
        char c = *name;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        symbol[used++] = plain ? c : '_';
    }
    return used;
}

void cg_name_kernels(cg_program *p)
{
    const uint32_t *sets = sets_of_kernels(p);
    for (size_t i = 0; i < p->nkernels; i++) {
        ir_origin *list;
        char symbol[MOST_SYMBOL + 1] = "";
        size_t n = ir_origins_list(p->g, sets[i], p->arena, &list), shown = 0, used = 0;
        for (; shown < n; shown++) {
            const char *name = ir_text(p->g, list[shown].name);
            size_t end = add_name(symbol, used, *name ? name : ir_text(p->g, list[shown].op));
            if (end == used) break;
            used = end;
        }
        const char *rest = shown < n ? ir_format(p->arena, ".and_%zu_more", n - shown) : "";
        p->kernels[i].name = ir_format(p->arena, "%s%s%s", p->kernels[i].name, symbol, rest);
    }
}

char *cg_annotate(const cg_program *p, const char *text, size_t size, bool llvm, size_t *length)
{
    char *out = NULL;
    const char *comment = llvm ? "; from " : "# from ";
    const uint32_t *sets = sets_of_kernels(p);
    FILE *f = open_memstream(&out, length);
    if (!f) return NULL;
    for (const char *line = text, *end = text + size; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((stop ? stop + 1 : end) - line);
        size_t kernel = kernel_at(p, line, n, llvm);
        if (kernel < p->nkernels) put_origins(f, p, sets[kernel], comment);
        fwrite(line, 1, n, f);
        line += n;
    }
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(out);
        return NULL;
    }
    return out;
}
