#!/usr/bin/env python3
"""Writes the cases of control flow, sequences and sizes that a run decides; see make.py."""
from make import case
from onnx_text import *


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


if __name__ == "__main__":
    run_time_ones()
    expand()
