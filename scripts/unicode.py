#!/usr/bin/env python3
"""Writes include/lathe_unicode.h: which code points are letters, numbers and white space, for
lathe_bpe.h. Unicode's version is that of the Python that runs this."""
import unicodedata

WHITE = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]


def ranges(has):
    """[first, last] of each run of code points that has() says yes to."""
    runs, first = [], None
    for c in range(0x110001):
        if c < 0x110000 and has(c):
            first = c if first is None else first
        elif first is not None:
            runs.append((first, c - 1))
            first = None
    return runs


def table(name, runs):
    cells = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in runs]
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {cell},"
    body = "\n".join([*lines, line])
    return f"static const uint32_t {name}[][2] = {{\n{body}\n}};\n"


print("/* Letters, numbers and white space of Unicode %s, as ranges. Written by scripts/unicode.py. */"
      % unicodedata.unidata_version)
print("#ifndef LATHE_UNICODE_H\n#define LATHE_UNICODE_H\n\n#include <stdint.h>\n\n/* clang-format off */")
print(table("lathe_unicode_letters_", ranges(lambda c: unicodedata.category(chr(c))[0] == "L")), end="")
print(table("lathe_unicode_numbers_", ranges(lambda c: unicodedata.category(chr(c))[0] == "N")), end="")
print(table("lathe_unicode_white_", ranges(lambda c: c in WHITE)), end="")
print("/* clang-format on */\n#endif")
