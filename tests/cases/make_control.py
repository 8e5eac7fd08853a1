#!/usr/bin/env python3
"""Writes the cases of control flow, sequences and sizes that a run decides; see make.py."""
import os
import random

from make import HERE, case
from onnx_text import *


def refused(name, body, text):
    """A model of tests/refused with the text that its messages must have."""
    path = os.path.join(HERE, "..", "refused", name)
    with open(path + ".onnx", "wb") as f:
        f.write(model(body))
    with open(path + ".txt", "w") as f:
        f.write(text + "\n")


def floats(n):
    return [float(i) for i in range(n)]


def ints(name, dims, values):
    return tensor(name, dims, values, INT64)


# ---- dims that are 1 in one run and not in another ----

def at(flat, dims, index):
    """The element at an index that is broadcast to the dims, right-aligned."""
    index = index[len(index) - len(dims):]
    place = 0
    for i, d in zip(index, dims):
        place = place * d + (0 if d == 1 else i)
    return flat[place]


def broadcast(f, *operands):
    """(dims, values) of f over operands of the same kind."""
    rank = max(len(d) for d, _ in operands)
    padded = [[1] * (rank - len(d)) + list(d) for d, _ in operands]
    dims = [next((d for d in column if d != 1), 1) for column in zip(*padded)]
    indices = [[]]
    for d in dims:
        indices = [i + [k] for i in indices for k in range(d)]
    return dims, [f(*(at(v, d, i) for d, v in operands)) for i in indices]


def set_of(names, operands, f):
    dims, values = broadcast(f, *operands)
    return ([tensor(n, d, v) for n, (d, v) in zip(names, operands)], [tensor("y", dims, values)])


def run_time_ones():
    shapes = [((3, 4), (3, 4)), ((1, 4), (3, 4)), ((3, 4), (3, 1)), ((1, 4), (3, 1)), ((0, 1), (1, 4)),
              ((1, 1), (0, 1))]
    operands = [[(d, floats(d[0] * d[1])) for d in pair] for pair in shapes]
    add = graph([node("Add", ["x", "z"], ["y"])],
                [value("x", FLOAT, ["a", "b"]), value("z", FLOAT, ["c", "d"])], [value("y", FLOAT)])
    case("ones_add", add, [set_of("xz", pair, lambda x, z: x + z) for pair in operands])

    three = graph([node("Sum", ["x", "z", "w"], ["y"])],
                  [value(n, FLOAT, [n + "_n"]) for n in "xzw"], [value("y", FLOAT)])
    case("ones_sum", three,
         [set_of("xzw", [((n,), floats(n)) for n in sizes], lambda x, z, w: x + z + w)
          for sizes in ((1, 3, 1), (1, 1, 3), (3, 1, 1), (2, 2, 1), (1, 1, 1))])

    product = graph([node("MatMul", ["x", "z"], ["y"])],
                    [value("x", FLOAT, ["a", 1, 2]), value("z", FLOAT, ["b", 2, 1])],
                    [value("y", FLOAT)])
    sums = graph([node("Einsum", ["x", "z"], ["y"], equation="bij,bjk->bik")],
                 [value("x", FLOAT, ["a", 1, 2]), value("z", FLOAT, ["b", 2, 1])],
                 [value("y", FLOAT)])
    sets = []
    for a, b in ((3, 3), (1, 3), (3, 1), (1, 1)):
        x, z, n = floats(2 * a), floats(2 * b), max(a, b)
        y = [sum(x[2 * (i % a) + k] * z[2 * (i % b) + k] for k in range(2)) for i in range(n)]
        sets.append(([tensor("x", [a, 1, 2], x), tensor("z", [b, 2, 1], z)],
                     [tensor("y", [n, 1, 1], y)]))
    case("ones_matmul", product, sets)
    case("ones_einsum", sums, sets)


def expand():
    """By data, by the shape of another input, and of an operand whose dims are known."""
    def expanded(x, want):
        return broadcast(lambda v, _: v, x, (want, [0] * max(1, eval("*".join(map(str, want))))))

    sets = []
    for dims, want in (((3, 4), [3, 4]), ((3, 4), [1, 4]), ((3, 4), [3, 1]), ((3, 1), [1, 5]),
                       ((1, 4), [2, 1]), ((3, 1), [3, 0])):
        x = (dims, floats(dims[0] * dims[1]))
        y = expanded(x, want)
        sets.append(([tensor("x", *x), ints("s", [2], want)], [tensor("y", *y)]))
    body = [node("Expand", ["x", "s"], ["y"])]
    case("expand_data", graph(body, [value("x", FLOAT, ["a", "b"]), value("s", INT64, [2])],
                              [value("y", FLOAT)]), sets)
    known = [s for s in sets if s is sets[0] or s is sets[1] or s is sets[2]]
    case("expand_known", graph(body, [value("x", FLOAT, [3, 4]), value("s", INT64, [2])],
                               [value("y", FLOAT)]), known)
    shape = graph([node("Shape", ["z"], ["s"])] + body,
                  [value("x", FLOAT, ["a", "b"]), value("z", FLOAT, ["c", "d"])],
                  [value("y", FLOAT)])
    sets = []
    for dims, want in (((3, 4), (1, 4)), ((1, 4), (3, 1)), ((2, 2), (2, 2))):
        x = (dims, floats(dims[0] * dims[1]))
        y = expanded(x, list(want))
        sets.append(([tensor("x", *x), tensor("z", want, floats(want[0] * want[1]))],
                     [tensor("y", *y)]))
    case("expand_shape", shape, sets)


# ---- sequences that a loop carries: any position, any use, rows of equal and of other lengths ----

def const(name, v):
    return constant(name, [], [v])


def sequence_loop(name, body, f, longer=False):
    """A loop over the rows of x whose sequence goes through `body`, nodes from s and r to s2; f does
    it to a list of rows in Python. In one set the first count of d is the row's length."""
    turn = [node("Gather", ["x", "i"], ["r0"]), node("Unsqueeze", ["r0", "zero_"], ["r1"])]
    if longer:
        turn += [node("Gather", ["d", "i"], ["n0"]), node("Unsqueeze", ["n0", "zero_"], ["n1"]),
                 node("Concat", ["n1", "one_"], ["times"], axis=0),
                 node("Tile", ["r1", "times"], ["r"])]
    else:
        turn += [node("Identity", ["r1"], ["r"])]
    loop = graph(turn + body + [node("Identity", ["go"], ["go2"])],
                 [value("i", INT64, []), value("go", BOOL, []), sequence("s", FLOAT)],
                 [value("go2", BOOL, []), sequence("s2", FLOAT)])
    outer = graph([node("Shape", ["x"], ["dims"]), node("Gather", ["dims", "zero"], ["rows"]),
                   node("SequenceEmpty", [], ["s0"], dtype=FLOAT),
                   node("Loop", ["rows", "", "s0"], ["all"], body=("graph", loop)),
                   node("ConcatFromSequence", ["all"], ["y"], axis=0)],
                  [value("x", FLOAT, ["n", 2])] + [value("d", INT64, ["n"])] * longer,
                  [value("y", FLOAT)],
                  [ints("zero", [], [0]), ints("one", [], [1]), ints("last", [], [-1]),
                   ints("two", [], [2]), ints("zero_", [1], [0]), ints("one_", [1], [1])])
    sets = []
    for counts in ([2, 0, 3, 1], [1], [0, 0, 5], [1] * 40):
        counts = counts if longer else [1] * len(counts)
        x, items = floats(2 * len(counts)), []
        for i, c in enumerate(counts):
            items = f(items, [x[2 * i:2 * i + 2]] * c)
        rows = [row for item in items for row in item]
        inputs = [tensor("x", [len(counts), 2], x)]
        inputs += [ints("d", [len(counts)], counts)] * longer
        sets.append((inputs, [tensor("y", [len(rows), 2], [v for row in rows for v in row])]))
    case(name, outer, sets)


def sequences_in_loops():
    def double(item):
        return [[2 * v for v in row] for row in item]

    forms = {
        "append": ([node("SequenceInsert", ["s", "r"], ["s2"])], lambda s, r: s + [r]),
        "front": ([node("SequenceInsert", ["s", "r", "zero"], ["s2"])], lambda s, r: [r] + s),
        "middle": ([node("SequenceLength", ["s"], ["n"]), node("Div", ["n", "two"], ["at"]),
                    node("SequenceInsert", ["s", "r", "at"], ["s2"])],
                   lambda s, r: s[:len(s) // 2] + [r] + s[len(s) // 2:]),
        "queue": ([node("SequenceInsert", ["s", "r"], ["s_1"]),
                   node("SequenceInsert", ["s_1", "r"], ["s_2"]),
                   node("SequenceErase", ["s_2", "zero"], ["s2"])],
                  lambda s, r: (s + [r, r])[1:]),
        "drop_last": ([node("SequenceInsert", ["s", "r", "zero"], ["s_1"]),
                       node("SequenceInsert", ["s_1", "r", "zero"], ["s_2"]),
                       node("SequenceErase", ["s_2"], ["s2"])],
                      lambda s, r: ([r, r] + s)[:-1]),
        "read": ([node("SequenceInsert", ["s", "r"], ["s_1"]),
                  node("SequenceAt", ["s_1", "last"], ["z"]), node("Add", ["z", "z"], ["z2"]),
                  node("SequenceInsert", ["s_1", "z2"], ["s2"])],
                 lambda s, r: s + [r, double(r)]),
        "sum": ([node("SequenceInsert", ["s", "r"], ["s_1"]),
                 node("ConcatFromSequence", ["s_1"], ["z"], axis=0),
                 node("ReduceSum", ["z", "zero_"], ["z1"], keepdims=1),
                 node("SequenceInsert", ["s_1", "z1"], ["s2"])],
                lambda s, r: s + [r, [[sum(row[j] for item in s + [r] for row in item)
                                       for j in range(2)]]]),
    }
    for name, (body, f) in forms.items():
        if name != "sum":
            sequence_loop("sequence_" + name, body, f)
        sequence_loop("sequence_" + name + "_of_any_length", body, f, longer=True)
    some = graph([node("SequenceInsert", ["s", "r"], ["taken"])], [], [sequence("taken", FLOAT)])
    none = graph([node("Identity", ["s"], ["left"])], [], [sequence("left", FLOAT)])
    sequence_loop("sequence_if", [node("ReduceSum", ["r"], ["t"], keepdims=0),
                                  constant("ten", [], [10], FLOAT),
                                  node("Less", ["t", "ten"], ["small"]),
                                  node("If", ["small"], ["s2"], then_branch=("graph", some),
                                       else_branch=("graph", none))],
                  lambda s, r: s + [r] if sum(v for row in r for v in row) < 10 else s, longer=True)


def split_to_sequence():
    def split(name, more, tail, f, x_dims, sets, extra=()):
        body = graph(more + tail, [value("x", FLOAT, x_dims)] + list(extra), [value("y", FLOAT)],
                     [ints("one", [], [1]), ints("two", [], [2])])
        case(name, body, [f(*s) for s in sets])

    def matrix(rows):
        return [[float(2 * i), float(2 * i + 1)] for i in range(rows)]

    def flat(rows):
        return [v for row in rows for v in row]

    def by_two(n):
        last = matrix(n)[(n - 1) // 2 * 2:]
        return [tensor("x", [n, 2], flat(matrix(n)))], [tensor("y", [len(last), 2], flat(last))]

    split("split_by_number", [node("SplitToSequence", ["x", "two"], ["s"], axis=0)],
          [const("end", -1), node("SequenceAt", ["s", "end"], ["y"])], by_two, ["n", 2],
          [(5,), (4,), (1,)])

    def by_list(n, sizes):
        part = matrix(n)[sizes[0]:sizes[0] + sizes[1]]
        return ([tensor("x", [n, 2], flat(matrix(n))), ints("k", [len(sizes)], sizes)],
                [tensor("y", [len(part), 2], flat(part))])

    split("split_by_list", [node("SplitToSequence", ["x", "k"], ["s"], axis=0)],
          [node("SequenceAt", ["s", "one"], ["y"])], by_list, ["n", 2],
          [(5, [2, 3]), (5, [1, 2, 2]), (4, [0, 0, 4])], [value("k", INT64, ["m"])])

    def side_by_side(n):
        halves = [matrix(n)[i] + matrix(n)[i + n // 2] for i in range(n // 2)]
        return [tensor("x", [n, 2], flat(matrix(n))), ints("half", [], [n // 2])], \
            [tensor("y", [n // 2, 4], flat(halves))]

    split("split_and_join_otherwise", [node("SplitToSequence", ["x", "half"], ["s"], axis=0)],
          [node("ConcatFromSequence", ["s"], ["y"], axis=1)], side_by_side, ["n", 2], [(4,), (6,)],
          [value("half", INT64, [])])


def scan_of_data_size():
    """Every turn makes as many values as the data says, the same number in each."""
    body = graph([node("Gather", ["d", "i"], ["k"]), node("Unsqueeze", ["k", "zero_"], ["k1"]),
                  node("Cast", ["i"], ["f"], to=FLOAT), node("Expand", ["f", "k1"], ["row"]),
                  node("Identity", ["go"], ["go2"])],
                 [value("i", INT64, []), value("go", BOOL, [])],
                 [value("go2", BOOL, []), value("row", FLOAT)])
    outer = graph([node("Shape", ["d"], ["n1"]), node("Squeeze", ["n1"], ["rows"]),
                   node("Loop", ["rows", ""], ["y"], body=("graph", body))],
                  [value("d", INT64, ["n"])], [value("y", FLOAT)], [ints("zero_", [1], [0])])
    case("scan_of_data_size", outer,
         [([ints("d", [n], [k] * n)],
           [tensor("y", [n, k], [float(i) for i in range(n) for _ in range(k)])])
          for n, k in ((3, 2), (1, 4), (2, 1))])


def sizes_of_one_name():
    """One name for sizes that differ, which ONNX Runtime runs where the operators allow it."""
    body = graph([node("Add", ["x", "z"], ["y"]), node("Concat", ["x", "z"], ["all"], axis=0)],
                 [value("x", FLOAT, ["n", 2]), value("z", FLOAT, ["n", 2])],
                 [value("y", FLOAT), value("all", FLOAT)])
    sets = []
    for m, n in ((3, 3), (3, 1), (1, 2)):
        x, z = floats(2 * m), floats(2 * n)
        ins, outs = set_of("xz", [((m, 2), x), ((n, 2), z)], lambda a, b: a + b)
        sets.append((ins, outs + [tensor("all", [m + n, 2], x + z)]))
    case("sizes_of_one_name", body, sets)


def determinants():
    def det(m):
        if not m:
            return 1.0
        return sum((-1) ** j * m[0][j] * det([row[:j] + row[j + 1:] for row in m[1:]])
                   for j in range(len(m)))

    def matrices(count, n, seed):
        r = random.Random(seed)
        return [[[float(r.randint(-3, 3)) for _ in range(n)] for _ in range(n)]
                for _ in range(count)]

    def set_of(ms, n):
        return ([tensor("x", [len(ms), n, n], [v for m in ms for row in m for v in row])],
                [tensor("y", [len(ms)], [det(m) for m in ms])])

    def body(n):
        return graph([node("Det", ["x"], ["y"])], [value("x", FLOAT, ["b", n, n])],
                     [value("y", FLOAT)])

    singular = [[1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5, [1.0, 0.0, 1.0, 0.0, 1.0],
                [2.0, 1.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0, 0.0]]
    case("det_5", body(5), [set_of(matrices(3, 5, 1) + [singular], 5)])
    case("det_of_any_size", body("n"), [set_of(matrices(2, n, n), n) for n in (1, 2, 3, 6, 7)])


def far_slices():
    """Positions and steps at the ends of int64."""
    least, most = -1 << 63, (1 << 63) - 1
    forms = [(-1, -100, least), (4, least, least), (most, least, -1), (0, most, most),
             (-1, least, -2), (1, most, 2)]
    x = floats(5)

    def cut(start, end, step):
        return x[slice(max(start, -100), max(end, -100), max(min(step, 100), -100))]

    def inputs(f):
        return [tensor("x", [5], x)] + [ints(n, [1], [v]) for n, v in zip("abc", f)]

    nodes = [node("Slice", ["x", "a", "b", "axes", "c"], ["y"])]
    data = graph(nodes, [value("x", FLOAT, ["n"])] + [value(n, INT64, [1]) for n in "abc"],
                 [value("y", FLOAT)], [ints("axes", [1], [0])])
    case("slice_far", data, [(inputs(f), [tensor("y", [len(cut(*f))], cut(*f))]) for f in forms])
    known = [node("Slice", ["x", "a%d" % i, "b%d" % i, "axes", "c%d" % i], ["y%d" % i])
             for i in range(len(forms))]
    case("slice_far_known",
         graph(known, [value("x", FLOAT, ["n"])],
               [value("y%d" % i, FLOAT) for i in range(len(forms))],
               [ints("axes", [1], [0])] + [ints("abc"[k] + str(i), [1], [f[k]])
                                           for i, f in enumerate(forms) for k in range(3)]),
         [([tensor("x", [5], x)],
           [tensor("y%d" % i, [len(cut(*f))], cut(*f)) for i, f in enumerate(forms)])])


def refusals():
    squeezed = graph([node("Squeeze", ["x", "axis"], ["t"])], [], [value("t", FLOAT)])
    kept = graph([node("Identity", ["x"], ["e"])], [], [value("e", FLOAT)])
    refused("if_ranks", graph(
        [node("Shape", ["x"], ["s"]), node("Gather", ["s", "axis"], ["d"]),
         node("Equal", ["d", "axis"], ["one"]),
         node("If", ["one"], ["y"], then_branch=("graph", squeezed), else_branch=("graph", kept))],
        [value("x", FLOAT, ["a", "b"])], [value("y", FLOAT)], [ints("axis", [1], [1])]),
        "node 'y_If' (If-18): output 0 is f32[a] in one branch and f32[a, b] in the other, expected "
        "one type and rank; hint: --dim NAME=N for b decides which branch it is")
    scale = tensor("w", [5], [1.0] * 5)
    refused("norm_scale", graph(
        [node("LayerNormalization", ["x", "w"], ["y"])], [value("x", FLOAT, [1, 1, 1, 1])],
        [value("y", FLOAT)], [scale]), "tensor 'w': dims that do not broadcast: f32[5]")
    items = graph([node("SequenceAt", ["s", "i"], ["r"]), node("SequenceInsert", ["s", "r"], ["s2"]),
                   node("Identity", ["go"], ["go2"])],
                  [value("i", INT64, []), value("go", BOOL, []), sequence("s", FLOAT)],
                  [value("go2", BOOL, []), sequence("s2", FLOAT)])
    refused("sequence_read_first", graph(
        [node("SequenceEmpty", [], ["s0"], dtype=FLOAT),
         node("Loop", ["n", "", "s0"], ["all"], body=("graph", items)),
         node("ConcatFromSequence", ["all"], ["y"], axis=0)],
        [value("n", INT64, [])], [value("y", FLOAT)]),
        "node 'r_SequenceAt' (SequenceAt-18): the loop reads the sequence before it is known what its "
        "items are; start it with a sequence that has an item, or insert one first")
    fifty = [node("Whatever", ["x"], ["y%d" % i]) for i in range(50)]
    refused("fifty_equal", graph(fifty, [value("x", FLOAT, [1])], [value("y0", FLOAT)]),
            "node 'y0_Whatever' (Whatever): operator Whatever of ai.onnx (opset version 18) is not "
            "supported (and 49 more nodes of this kind)")


if __name__ == "__main__":
    refusals()
    far_slices()
    sequences_in_loops()
    split_to_sequence()
    scan_of_data_size()
    determinants()
    sizes_of_one_name()
    run_time_ones()
    expand()
