#!/usr/bin/env python3
"""Writes the cases of strings in this folder, as make.py does the others."""
import re

from make import case
from onnx_text import *

ML = "ai.onnx.ml"


def strings(name, dims, values):
    return tensor(name, dims, values, STRING)


# ---- strings move as numbers do: any bytes ----

def strings_moved():
    x = [b"", b"a", b"nul\0inside", b"\xff\xfe", "gr\u00fc\u00df".encode(), b"last"]
    y = [b"1", b"22", b"", b"4444", b"5", b"66"]
    pick, mask = [5, 0, -2], [True, False, True, False, False, True]
    pairs = [b"left", b"right"]
    branch = {k: graph([node("Identity", [k], ["%s_out" % k])], [], [value("%s_out" % k, STRING, [6])]) for k in "xy"}
    nodes = [node("Gather", ["x", "pick"], ["gathered"]), node("Where", ["mask", "x", "y"], ["chosen"]),
             node("Concat", ["x", "pairs"], ["joined"], axis=0),
             node("Slice", ["x", "four", "zero", "zero", "minus"], ["reversed"]),
             node("Reshape", ["x", "shape"], ["table"]), node("Transpose", ["table"], ["turned"], perm=[1, 0]),
             node("Compress", ["x", "mask"], ["kept"], axis=0),
             node("If", ["flag"], ["branch"], then_branch=("graph", branch["x"]), else_branch=("graph", branch["y"]))]
    ints = [("pick", [3], pick), ("shape", [2], [2, 3]), ("four", [1], [4]), ("zero", [1], [0]), ("minus", [1], [-2])]
    # starts 4, ends 0, axes 0, steps -2
    outs = [("gathered", [3], [x[5], x[0], x[4]]), ("chosen", [6], [a if m else b for a, b, m in zip(x, y, mask)]),
            ("joined", [8], x + pairs), ("reversed", [2], [x[4], x[2]]),
            ("turned", [3, 2], [x[0], x[3], x[1], x[4], x[2], x[5]]), ("kept", [3], [x[0], x[2], x[5]])]

    def sets(flag):
        return ([strings("x", [6], x), strings("y", [6], y), tensor("mask", [6], mask, BOOL), tensor("flag", [], [flag], BOOL)],
                [strings(*out) for out in outs] + [strings("branch", [6], x if flag else y)])
    case("strings_moved",
         graph(nodes, [value("x", STRING, [6]), value("y", STRING, [6]), value("mask", BOOL, [6]), value("flag", BOOL, [])],
               [value(name, STRING, [None if name in ("kept",) else d for d in dims] if name != "kept" else ["k"])
                for name, dims, _ in outs] + [value("branch", STRING, [6])],
               [tensor(name, dims, v, INT64) for name, dims, v in ints] + [strings("pairs", [2], pairs)]),
         [sets(True), sets(False)])


# ---- operators on bytes ----

def string_ops():
    a, b = [b"x\0", b"", b"\xff"], [b"\0y", b""]
    cells = [(p, q) for p in a for q in b]
    texts = [b"a, b,c", b", ", b"", b"one", b"a, , b", b"  spaced\t\nout  ", b", a, b, c"]

    def split(s, by, most):
        if by:
            return s.split(by, most)
        return s.split(None, most) if most >= 0 else s.split()
    nodes = [node("StringConcat", ["a", "b"], ["ab"]), node("Equal", ["a", "b"], ["same"])]
    outs = [value("ab", STRING, [3, 2]), value("same", BOOL, [3, 2])]
    want = [strings("ab", [3, 2], [p + q for p, q in cells]), tensor("same", [3, 2], [p == q for p, q in cells], BOOL)]
    for k, (by, most) in enumerate(((b", ", -1), (b", ", 1), (b",", -1), (b"", -1), (b"", 1), (b"", 0))):
        parts = [split(s, by, most) for s in texts]
        width = max(map(len, parts))
        more = {"maxsplit": most} if most >= 0 else {}
        nodes.append(node("StringSplit", ["texts"], ["parts%d" % k, "counts%d" % k], delimiter=by.decode(), **more))
        outs += [value("parts%d" % k, STRING, ["n", "w%d" % k]), value("counts%d" % k, INT64, ["n"])]
        want += [strings("parts%d" % k, [len(texts), width], [s for p in parts for s in p + [b""] * (width - len(p))]),
                 tensor("counts%d" % k, [len(texts)], [len(p) for p in parts], INT64)]
    case("string_ops", graph(nodes, [value("a", STRING, [3, 1]), value("b", STRING, [2]), value("texts", STRING, ["n"])], outs),
         [([strings("a", [3, 1], a), strings("b", [2], b), strings("texts", [len(texts)], texts)], want)], opset=20)


def string_normalizer():
    words = ["Monday", "ÄÖÜ straße", "ΣΊΣΥΦΟΣ", "Привет", "ŸĀŐ", "the", "The", "1 日本"]
    stop = ["the", "monday"]
    nodes, outs, want = [], [], []
    for k, (action, exact, stopped) in enumerate((("LOWER", 1, True), ("UPPER", 0, True), ("NONE", 0, True), ("UPPER", 1, False))):
        kept = [w for w in words if not stopped or (w if exact else w.lower()) not in stop]
        more = {"stopwords": stop} if stopped else {}
        nodes.append(node("StringNormalizer", ["x"], ["y%d" % k], case_change_action=action, is_case_sensitive=exact, **more))
        change = {"LOWER": lambda c: c.lower(), "UPPER": lambda c: c if c in "ß" else c.upper(), "NONE": lambda c: c}[action]
        kept = ["".join(map(change, w)) for w in kept]
        outs.append(value("y%d" % k, STRING, ["k%d" % k]))
        want.append(strings("y%d" % k, [len(kept)], kept))
    case("string_normalizer", graph(nodes, [value("x", STRING, ["n"])], outs), [([strings("x", [len(words)], words)], want)])


# ---- patterns: Python's matcher, ASCII classes, says what matches ----

PATTERNS = [
    "", "a", "a*", "a+b?", "(ab|cd)*e", "[a-c]{2,3}", "[^a-c]+", "\\d+\\.\\d*", "\\w+@\\w+\\.(com|org)", "(?i)hello", "(?i:he)llo",
    "a.c", "(?s)a.c", "(?:a|b)(?P<name>c)", "x{3}", "x{2,}", "a{,2}", "[]a]+", "[\\w-]+", "[a\\-z]+", "\\bfoo\\b.*", "^abc$", "\\x41\\x{42}",
    "\\t\\n", "(a*)*b", "((a|b)?){5}", ".*\\Bx", "é+", "[а-я]+", "a|b|", "\\.\\*\\\\", "(a{2}){2}", "[[:alpha:]]+", "[^[:space:]]+", "\\Qa.b\\E", "\\S\\D\\W"]
SUBJECTS = ["", "a", "aab", "ababe", "abc", "ab", "xyz", "3.", "3.14", "me@x.org", "HeLLo", "hEllo", "heLLo", "a\nc", "axc", "bc", "xxx", "xxxxx", "a{,2}",
            "]a]", "a-b_9", "a-z", "foo bar", "foobar", "AB", "\t\n", "aaab", "b", "ababa", "xx", "éé", "привет", ".*\\", "aaaa", "a.b", "a1 ", "ſ", "xx."]


def regex():
    nodes, outs, want = [], [], []
    for k, p in enumerate(PATTERNS):
        python = {"\\x41\\x{42}": "AB", "[[:alpha:]]+": "[A-Za-z]+", "[^[:space:]]+": "[^\\t\\n\\v\\f\\r ]+", "\\Qa.b\\E": "a\\.b",
                  "a{,2}": "a\\{,2\\}"}.get(p, p)
        nodes.append(node("RegexFullMatch", ["x"], ["y%d" % k], pattern=p))
        outs.append(value("y%d" % k, BOOL, ["n"]))
        want.append(tensor("y%d" % k, [len(SUBJECTS)], [re.fullmatch(python, s, re.ASCII) is not None for s in SUBJECTS], BOOL))
    case("regex", graph(nodes, [value("x", STRING, ["n"])], outs), [([strings("x", [len(SUBJECTS)], SUBJECTS)], want)], opset=20)


# ---- dictionaries and n-grams ----

def label_encoder():
    nan = float("nan")
    words, numbers, floats = ["b", "", "zz", "a\0", "a"], [5, -1, 2, 7], [1.5, nan, -0.0, 3.0]
    nodes = [node("LabelEncoder", ["words"], ["w_i"], ML, keys_strings=["zz", "a", "b", ""], values_int64s=[4, 3, 2, 1]),
             node("LabelEncoder", ["words"], ["w_w"], ML, keys_strings=["b", "a"], values_strings=["B", "A"], default_string="none"),
             node("LabelEncoder", ["numbers"], ["n_w"], ML, keys_int64s=[7, 5], values_strings=["seven", "five"]),
             node("LabelEncoder", ["numbers"], ["n_f"], ML, keys_int64s=[2, -1], values_floats=[0.5, -0.5], default_float=9.0),
             node("LabelEncoder", ["floats"], ["f_i"], ML, keys_floats=[nan, 0.0, 1.5], values_int64s=[10, 20, 30], default_int64=-7)]
    outs = [value("w_i", INT64, ["n"]), value("w_w", STRING, ["n"]), value("n_w", STRING, ["m"]), value("n_f", FLOAT, ["m"]),
            value("f_i", INT64, ["k"])]
    want = [tensor("w_i", [5], [2, 1, 4, -1, 3], INT64), strings("w_w", [5], ["B", "none", "none", "none", "A"]),
            strings("n_w", [4], ["five", "_Unused", "_Unused", "seven"]), tensor("n_f", [4], [9.0, -0.5, 0.5, 9.0]),
            tensor("f_i", [4], [30, 10, 20, -7], INT64)]
    case("label_encoder", graph(nodes, [value("words", STRING, ["n"]), value("numbers", INT64, ["m"]), value("floats", FLOAT, ["k"])], outs),
         [([strings("words", [5], words), tensor("numbers", [4], numbers, INT64), tensor("floats", [4], floats)], want)], domains={ML: 3})


def tfidf_words():
    text = ["the", "cat", "sat", "the", "cat", "ran", "off"]
    grams = [["the"], ["cat"], ["dog"], ["the", "cat"], ["cat", "the"], ["sat", "ran"]]
    columns, weights = [0, 1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 0.5, 0.25, 4.0]

    def count(g):
        n, total = len(g), 0
        for step in range(1, 3) if n > 1 else (1,):
            total += sum(text[i:i + (n - 1) * step + 1:step] == g for i in range(len(text) - (n - 1) * step))
        return float(total)
    pool = [w for g in grams for w in g]
    counts = [count(g) for g in grams]
    nodes, outs, want = [], [], []
    for mode, f in (("TF", lambda c, w: c), ("IDF", lambda c, w: w if c else 0.0), ("TFIDF", lambda c, w: c * w)):
        nodes.append(node("TfIdfVectorizer", ["x"], [mode], mode=mode, min_gram_length=1, max_gram_length=2, max_skip_count=1,
                          ngram_counts=[0, 3], ngram_indexes=columns, pool_strings=pool, weights=weights))
        outs.append(value(mode, FLOAT, [6]))
        want.append(tensor(mode, [6], [f(c, w) for c, w in zip(counts, weights)]))
    case("tfidf_words", graph(nodes, [value("x", STRING, ["n"])], outs), [([strings("x", [7], text)], want)])


# ---- sequences and optionals among the inputs and outputs ----

def sequence_io():
    x = [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0]]
    words = [[b"a", b"b"], [b"\0"]]
    body = graph([node("Add", ["item", "item"], ["twice"])], [value("item", FLOAT, ["n"])], [value("twice", FLOAT, ["n"])])
    nodes = [node("SequenceMap", ["x"], ["doubled"], body=("graph", body)),
             node("SequenceInsert", ["x", "o"], ["longer"]),
             node("SequenceErase", ["words"], ["shorter"]),
             node("OptionalHasElement", ["e"], ["there"]), node("SequenceLength", ["x"], ["length"]),
             node("OptionalGetElement", ["o"], ["held"])]
    ins = [sequence("x", FLOAT), sequence("words", STRING), optional("o", FLOAT, [2]), optional("e", FLOAT, [2])]
    outs = [sequence("doubled", FLOAT), sequence("longer", FLOAT), sequence("shorter", STRING), value("there", BOOL, []),
            value("length", INT64, []), value("held", FLOAT, [2])]

    def floats(lists):
        return [tensor("", [len(v)], v) for v in lists]
    held = [7.0, 8.0]
    case("sequence_io", graph(nodes, ins, outs),
         [([listed("x", floats(x)), listed("words", [strings("", [len(w)], w) for w in words]), listed("o", floats([held])), listed("e", [])],
           [listed("doubled", floats([[2 * v for v in item] for item in x])), listed("longer", floats(x + [held])),
            listed("shorter", [strings("", [2], words[0])]), tensor("there", [], [False], BOOL), tensor("length", [], [3], INT64),
            tensor("held", [2], held)])])


if __name__ == "__main__":
    sequence_io()
    strings_moved()
    string_ops()
    string_normalizer()
    regex()
    label_encoder()
    tfidf_words()
