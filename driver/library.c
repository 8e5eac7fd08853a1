/* A shared library in, the one descriptor that it exports out.
 *
 * The descriptor's name depends on the model's, so it is found in the loaded object's own dynamic
 * symbol table, whose length the hash table tells: DT_HASH directly, DT_GNU_HASH by walking its
 * last chain. */
#include "driver/library.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct symbols {
    const ElfW(Sym) * table;
    const char *strings;
    size_t count, strings_size;
} symbols;

/* A pointer of the dynamic section: the loader of glibc relocates these, others may not. */
static const void *address(const struct link_map *map, ElfW(Addr) value)
{
    return (const void *)(value < map->l_addr ? map->l_addr + value : value);
}

static size_t count_gnu(const uint32_t *hash)
{
    uint32_t nbuckets = hash[0], first = hash[1], bloom = hash[2], last = 0;
    const uint32_t *buckets = hash + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof *hash);
    const uint32_t *chains = buckets + nbuckets;
    for (uint32_t i = 0; i < nbuckets; i++)
        if (buckets[i] > last) last = buckets[i];
    if (last < first) return first;
    while (!(chains[last - first] & 1)) last++;
    return (size_t)last + 1;
}

static bool symbols_read(void *handle, symbols *s)
{
    struct link_map *map;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || !map->l_ld) return false;
    *s = (symbols){0};
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        const void *at = address(map, d->d_un.d_ptr);
        if (d->d_tag == DT_SYMTAB) s->table = at;
        else if (d->d_tag == DT_STRTAB) s->strings = at;
        else if (d->d_tag == DT_STRSZ) s->strings_size = d->d_un.d_val;
        else if (d->d_tag == DT_HASH) s->count = ((const uint32_t *)at)[1];
        else if (d->d_tag == DT_GNU_HASH && !s->count) s->count = count_gnu(at);
    }
    return s->table && s->strings && s->count;
}

static lathe_status library_report(char *message, size_t size, lathe_status status,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));
static lathe_status library_report(char *message, size_t size, lathe_status status,
                                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (message) vsnprintf(message, size, format, args);
    va_end(args);
    return status;
}

/* The name of the only defined symbol NAME_desc; "" if there is none, NULL if there are several. */
static const char *find_desc(const symbols *s)
{
    static const char suffix[] = "_desc";
    const char *found = "";
    for (size_t i = 0; i < s->count; i++) {
        if (s->table[i].st_shndx == SHN_UNDEF || s->table[i].st_name >= s->strings_size) continue;
        const char *name = s->strings + s->table[i].st_name;
        size_t n = strlen(name);
        if (n < sizeof suffix || strcmp(name + n - (sizeof suffix - 1), suffix) != 0) continue;
        if (*found) return NULL;
        found = name;
    }
    return found;
}

static lathe_status library_find(library *lib, const char *path, char *message, size_t size)
{
    symbols s;
    if (!symbols_read(lib->handle, &s))
        return library_report(message, size, LATHE_BAD_INPUT, "'%s': no dynamic symbols", path);
    const char *name = find_desc(&s);
    if (!name || !*name)
        return library_report(message, size, LATHE_BAD_INPUT, "'%s': %s", path,
                              name ? "no compiled model in it"
                                   : "more than one compiled model in it");
    lib->desc = dlsym(lib->handle, name);
    if (!lib->desc)
        return library_report(message, size, LATHE_BAD_INPUT, "'%s': %s is nothing", path, name);
    int n = (int)(strlen(name) - strlen("_desc"));
    if (n >= (int)sizeof lib->name)
        return library_report(message, size, LATHE_LIMIT, "'%s': the model's name is too long",
                              path);
    snprintf(lib->name, sizeof lib->name, "%.*s", n, name);
    return LATHE_OK;
}

lathe_status library_open(const char *path, library *lib, char *message, size_t size)
{
    *lib = (library){0};
    if (message && size) message[0] = 0;
    char *full = realpath(path, NULL); /* dlopen looks up plain names elsewhere */
    if (!full) return library_report(message, size, LATHE_NOT_FOUND, "'%s': no such file", path);
    lib->handle = dlopen(full, RTLD_NOW | RTLD_LOCAL);
    free(full);
    if (!lib->handle) return library_report(message, size, LATHE_BAD_INPUT, "%s", dlerror());
    lathe_status s = library_find(lib, path, message, size);
    if (s != LATHE_OK) library_close(lib);
    return s;
}

void library_close(library *lib)
{
    if (lib->handle) dlclose(lib->handle);
    *lib = (library){0};
}
