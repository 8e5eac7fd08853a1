/* Strings as JSON. In: any bytes. Out: a JSON string that is valid UTF-8: what is no UTF-8 becomes
 * U+FFFD byte by byte, control characters become escapes. */
#include <stdio.h>

#include "lathe_experimental.h"

/* Length of the UTF-8 sequence at s; 0: there is none. Overlong forms and surrogates are none. */
static size_t utf8(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : 4;
    if (n == 4 && (s[0] < 0xF0 || s[0] > 0xF4)) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
    return n;
}

void lathe_json_string(FILE *f, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    fputc('"', f);
    while (*s) {
        size_t n = utf8(s);
        if (!n) fputs("\\ufffd", f);
        else if (*s == '"' || *s == '\\') fprintf(f, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7F) fprintf(f, "\\u%04x", *s);
        else fwrite(s, 1, n, f);
        s += n ? n : 1;
    }
    fputc('"', f);
}
