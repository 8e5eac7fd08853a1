/* Any text -> an identifier that C11 and C++17 accept and that no header defines as a macro.
 *
 * Every run of other characters becomes one underscore (two are reserved in C++), none stands in
 * front (reserved too), and a name that is taken or reserved gets a suffix. */
#include "codegen/object/c_names.h"

#include <string.h>
#include <strings.h>

static const char *const reserved[] = {
    /* C and C++ */
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    /* macros of the compiler and of the headers that come along */
    "errno",
    "i386",
    "linux",
    "unix",
    "stdin",
    "stdout",
    "stderr",
    "NULL",
    "EOF",
    "offsetof",
    /* types that the header's own structs are declared with */
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "size_t",
    "lathe_buffer",
};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0) return true;
    return false;
}

/* Locale does not matter here. */
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char to_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

static char *identifier(ir_arena *arena, const char *text)
{
    char *out = IR_NEW_N(arena, char, strlen(text) + 3);
    size_t n = 0;
    if (is_digit(text[0])) out[n++] = 'x';
    for (; *text; text++) {
        if (is_letter(*text) || is_digit(*text)) out[n++] = *text;
        else if (n && out[n - 1] != '_') out[n++] = '_';
    }
    while (n && out[n - 1] == '_') n--;
    if (!n) out[n++] = 'x';
    if (is_digit(out[0])) {
        memmove(out + 1, out, n++);
        out[0] = 'x';
    }
    out[n] = '\0';
    return out;
}

static uint64_t hash_upper(const char *s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *s; s++) h = (h ^ (unsigned char)to_upper(*s)) * 0x100000001B3u;
    return h;
}

const char *cg_c_name(cg_scope *scope, const char *text)
{
    const char *stem = identifier(scope->arena, text), *name = stem;
    uint32_t suffix = cg_map_get(&scope->taken, hash_upper(stem), 0);
    if (is_reserved(name)) name = ir_format(scope->arena, "%s_", stem);
    while (suffix && cg_map_get(&scope->taken, hash_upper(name), 0))
        name = ir_format(scope->arena, "%s_%u", stem, (unsigned)++suffix);
    cg_map_put(scope->arena, &scope->taken, hash_upper(stem), suffix ? suffix : 1);
    if (name != stem) cg_map_put(scope->arena, &scope->taken, hash_upper(name), 1);
    return name;
}

const char *cg_c_upper(ir_arena *arena, const char *text)
{
    char *out = ir_copy(arena, text, strlen(text) + 1, 1);
    for (char *c = out; *c; c++) *c = to_upper(*c);
    return out;
}

const char *cg_c_comment(ir_arena *arena, const char *text)
{
    char *out = ir_copy(arena, text, strlen(text) + 1, 1);
    for (char *c = out; *c; c++) {
        bool star = *c == '*' && (c[1] == '/' || (c != out && c[-1] == '/'));
        if (*c < ' ' || *c > '~' || *c == '?' || *c == '\\' || star) *c = '.';
    }
    return out;
}

bool cg_c_is_prefix(const char *name)
{
    bool own = strncasecmp(name, "lathe", 5) == 0 && (!name[5] || name[5] == '_');
    if (!is_letter(name[0]) || is_reserved(name) || own || strlen(name) > 200) return false;
    for (const char *c = name; *c; c++)
        if (!is_letter(*c) && !is_digit(*c) && (*c != '_' || c[1] == '_')) return false;
    return true;
}

const char *cg_c_prefix(ir_arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file,
               *dot = strrchr(base, '.');
    size_t n = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    const char *name = identifier(arena, ir_format(arena, "%.*s", (int)(n < 200 ? n : 200), base));
    return cg_c_is_prefix(name) ? name : ir_format(arena, "model_%.190s", name);
}
