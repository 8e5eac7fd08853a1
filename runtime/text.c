/* Messages and the names of element types.
 *
 * Every failure formats one line into a fixed buffer, cut where it is too long; nothing allocates.
 * The element types come from the table that the compiler uses, so that numbers cannot differ. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/rt.h"

lathe_status rt_fail(rt_text *text, lathe_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text->s, sizeof text->s, format, args);
    va_end(args);
    return status;
}

lathe_status rt_tell(const lathe_log *log, lathe_status status, const rt_text *text)
{
    if (status != LATHE_OK && log->write) log->write(log->ctx, status, text->s);
    return status;
}

static const struct {
    char name[10];
    unsigned char bits, align;
} elems[] = {
#define ELEM(NAME, text, onnx, width, class)                                                       \
    [onnx] = {text, width,                                                                         \
              #class[0] == 'T'   ? 8                                                               \
              : #class[0] == 'C' ? width / 16                                                      \
              : width < 8        ? 1                                                               \
                                 : width / 8},
#include "ir/types.def"
#undef ELEM
};

static bool text_known(uint32_t elem)
{
    return elem < sizeof elems / sizeof elems[0] && elems[elem].bits;
}

const char *rt_elem_name(uint32_t elem) { return text_known(elem) ? elems[elem].name : "?"; }

unsigned rt_elem_bits(uint32_t elem) { return text_known(elem) ? elems[elem].bits : 0; }

unsigned rt_elem_align(uint32_t elem) { return text_known(elem) ? elems[elem].align : 1; }
