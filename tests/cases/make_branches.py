#!/usr/bin/env python3
"""Writes the cases of Ifs whose branches differ in rank, and of SequenceMap over a sequence whose length
a run decides; see make.py."""
import os

from make import HERE, case
from make_control import floats, ints
from onnx_text import *


def squeezing(x, y, axis, cond):
    """y is x without an axis where cond says so: what exporters write for a squeeze."""
    squeezed = graph([node("Squeeze", [x, axis], [y + "_s"])], [], [value(y + "_s", FLOAT)])
    kept = graph([node("Identity", [x], [y + "_k"])], [], [value(y + "_k", FLOAT)])
    return node("If", [cond], [y], then_branch=("graph", squeezed), else_branch=("graph", kept))


def size_is_one(x, axis, to):
    """axis: the name of a list of one number."""
    return [node("Shape", [x], [to + "_shape"]), node("Gather", [to + "_shape", axis], [to + "_size"]),
            node("Equal", [to + "_size", "one"], [to])]


ONE, ZERO = ints("one", [1], [1]), ints("zero", [1], [0])


def by_sizes():
    """Both branches are valid: the sum of all, rows of four, and a product by a weight."""
    nodes = [node("Neg", ["x"], ["before"]), *size_is_one("x", "zero", "c"),
             squeezing("x", "y", "zero", "c"), node("MatMul", ["y", "w"], ["m"]),
             node("ReduceSum", ["m"], ["sum"], keepdims=0), node("Reshape", ["y", "rows"], ["r"]),
             node("Add", ["r", "r"], ["twice"])]
    weight = [1.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 1.0]
    body = graph(nodes, [value("x", FLOAT, ["b", 3, 4])],
                 [value(n, FLOAT) for n in ("before", "sum", "twice")],
                 [ONE, ZERO, ints("rows", [2], [-1, 4]), tensor("w", [4, 2], weight)])
    sets = []
    for b in (1, 2, 3):
        x = floats(12 * b)
        total = sum(x[i] * (weight[2 * (i % 4)] + weight[2 * (i % 4) + 1]) for i in range(12 * b))
        sets.append(([tensor("x", [b, 3, 4], x)],
                     [tensor("before", [b, 3, 4], [-v for v in x]), tensor("sum", [], [total]),
                      tensor("twice", [3 * b, 4], [2 * v for v in x])]))
    case("branches_by_sizes", body, sets)


def two_of_them():
    nodes = [*size_is_one("x", "zero", "c"), squeezing("x", "y", "zero", "c"),
             *size_is_one("z", "zero", "d"), squeezing("z", "u", "zero", "d"),
             node("ReduceMax", ["y"], ["my"], keepdims=0), node("ReduceMax", ["u"], ["mu"], keepdims=0),
             node("Sub", ["my", "mu"], ["diff"]), node("Mul", ["u", "diff"], ["v"]),
             node("ReduceSum", ["v"], ["sum"], keepdims=0)]
    body = graph(nodes, [value("x", FLOAT, ["a", 2]), value("z", FLOAT, ["b", 3])],
                 [value("diff", FLOAT), value("sum", FLOAT)], [ONE, ZERO])
    sets = []
    for a in (1, 2):
        for b in (1, 3):
            x, z = floats(2 * a), floats(3 * b)
            diff = x[-1] - z[-1]
            sets.append(([tensor("x", [a, 2], x), tensor("z", [b, 3], z)],
                         [tensor("diff", [], [diff]), tensor("sum", [], [diff * sum(z)])]))
    case("branches_twice", body, sets)


def by_data():
    longer = graph([node("Unsqueeze", ["x", "zero"], ["l"])], [], [value("l", FLOAT)])
    kept = graph([node("Identity", ["x"], ["k"])], [], [value("k", FLOAT)])
    nodes = [node("If", ["c"], ["y"], then_branch=("graph", longer), else_branch=("graph", kept)),
             node("Shape", ["y"], ["shape"]), node("Size", ["shape"], ["rank"]),
             node("ReduceMean", ["y"], ["mean"], keepdims=0)]
    body = graph(nodes, [value("x", FLOAT, ["n"]), value("c", BOOL, [])],
                 [value("rank", INT64), value("mean", FLOAT)], [ZERO])
    case("branches_by_data", body,
         [([tensor("x", [5], floats(5)), tensor("c", [], [c], BOOL)],
           [ints("rank", [], [2 if c else 1]), tensor("mean", [], [2.0])]) for c in (True, False)])


def in_place():
    """The If stands in a function's body, called in a branch that is chosen while compiling: what follows
    it there, in the function and behind both, goes on for each rank. Of the function's results one was
    there before the If."""
    longer = graph([node("Unsqueeze", ["v", "axis"], ["l"])], [], [value("l", FLOAT)])
    kept = graph([node("Identity", ["v"], ["k"])], [], [value("k", FLOAT)])
    f = function("local", "Raise", ["v", "cond", "axis"], ["w", "neg"],
                 [node("Neg", ["v"], ["neg"]),
                  node("If", ["cond"], ["r"], then_branch=("graph", longer), else_branch=("graph", kept)),
                  node("Add", ["r", "v"], ["w"])])
    chosen = graph([node("Raise", ["x", "c", "zero"], ["w", "neg"], domain="local"),
                    node("Mul", ["w", "w"], ["square"])], [], [value(v, FLOAT) for v in ("square", "neg")])
    other = graph([node("Identity", ["x"], ["o1"]), node("Identity", ["x"], ["o2"])], [],
                  [value(v, FLOAT) for v in ("o1", "o2")])
    nodes = [node("If", ["yes"], ["y", "minus"], then_branch=("graph", chosen), else_branch=("graph", other)),
             node("Size", ["y"], ["size"]), node("Shape", ["y"], ["shape"]), node("Size", ["shape"], ["rank"]),
             node("Add", ["y", "minus"], ["sum"]), node("ReduceSum", ["sum"], ["total"], keepdims=0)]
    body = graph(nodes, [value("x", FLOAT, ["n"]), value("c", BOOL, [])],
                 [value("rank", INT64), value("size", INT64), value("total", FLOAT)],
                 [ZERO, tensor("yes", [], [True], BOOL)])
    x = floats(4)
    case("branches_in_place", body,
         [([tensor("x", [4], x), tensor("c", [], [c], BOOL)],
           [ints("rank", [], [2 if c else 1]), ints("size", [], [4]),
            tensor("total", [], [sum(4 * v * v - v for v in x)])]) for c in (True, False)],
         domains={"local": 1}, functions=[f])


def valid_alone():
    """A transpose of three axes follows, so x must have several rows; invalid/ has an input with one."""
    body = graph([*size_is_one("x", "one", "c"), squeezing("x", "y", "one", "c"),
                  node("Transpose", ["y"], ["z"], perm=[0, 2, 1])],
                 [value("x", FLOAT, ["b", "s", 2])], [value("z", FLOAT)], [ONE])
    case("branch_valid_alone", body,
         [([tensor("x", [1, s, 2], floats(2 * s))],
           [tensor("z", [1, 2, s], floats(2 * s)[::2] + floats(2 * s)[1::2])]) for s in (2, 3)])
    folder = os.path.join(HERE, "branch_valid_alone", "invalid")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "input_0.pb"), "wb") as f:
        f.write(tensor("x", [1, 1, 2], floats(2)))


def maps():
    """Parts of two rows (the last may have one), each plus k, and each one's sum; beside a list of
    tensors, where the run must find three parts."""
    each = graph([node("Add", ["part", "k_in"], ["more"]), node("ReduceSum", ["part"], ["sum"], keepdims=0)],
                 [value("part", FLOAT), value("k_in", FLOAT)],
                 [value("more", FLOAT), value("sum", FLOAT)])
    nodes = [node("SplitToSequence", ["x", "two"], ["parts"], axis=0),
             node("SequenceMap", ["parts", "k"], ["mores", "sums"], body=("graph", each)),
             node("ConcatFromSequence", ["mores"], ["more_all"], axis=0),
             node("ConcatFromSequence", ["sums"], ["sum_all"], axis=0, new_axis=1)]
    body = graph(nodes, [value("x", FLOAT, ["n", 2]), value("k", FLOAT, [2])],
                 [value("more_all", FLOAT), value("sum_all", FLOAT)], [ints("two", [], [2])])
    sets = []
    for n in (1, 2, 5, 6):
        x, k = floats(2 * n), [100.0, 200.0]
        more = [v + k[i % 2] for i, v in enumerate(x)]
        sums = [sum(x[i:i + 4]) for i in range(0, 2 * n, 4)]
        sets.append(([tensor("x", [n, 2], x), tensor("k", [2], k)],
                     [tensor("more_all", [n, 2], more), tensor("sum_all", [len(sums)], sums)]))
    case("sequence_map_of_any_length", body, sets)

    pairs = graph([node("Mul", ["part", "item"], ["p"])], [value("part", FLOAT), value("item", FLOAT)],
                  [value("p", FLOAT)])
    nodes = [node("SplitToSequence", ["x", "two"], ["parts"], axis=0),
             node("SequenceConstruct", ["a", "b", "c"], ["list"]),
             node("SequenceMap", ["parts", "list"], ["ps"], body=("graph", pairs)),
             node("ConcatFromSequence", ["ps"], ["y"], axis=0)]
    body = graph(nodes, [value("x", FLOAT, ["n"])] + [value(v, FLOAT, [1]) for v in "abc"],
                 [value("y", FLOAT)], [ints("two", [], [2])])
    lists = [tensor(v, [1], [10.0 ** i]) for i, v in enumerate("abc")]
    case("sequence_map_of_two", body,
         [([tensor("x", [6], floats(6))] + lists,
           [tensor("y", [6], [0.0, 1.0, 20.0, 30.0, 400.0, 500.0])])])


if __name__ == "__main__":
    by_sizes()
    two_of_them()
    by_data()
    in_place()
    valid_alone()
    maps()
