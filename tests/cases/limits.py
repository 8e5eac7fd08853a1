#!/usr/bin/env python3
"""Writes models of tests/limits: small files that ask for much work (tests/cli/limits.sh).

    python3 tests/cases/limits.py            the models that the tests read
    python3 tests/cases/limits.py FOLDER     files of 1 MB as well, of every shape that grows: to be timed by hand"""
import os
import sys

from onnx_text import *

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "limits")
FLAG = [value("go", BOOL, [])]


def function(name, nodes, inputs=("x",), outputs=("y",)):
    return (field(1, name) + fields(4, inputs) + fields(5, outputs) + fields(7, nodes) + field(9, field(1, "") + field(2, 18)) +
            field(9, field(1, "own") + field(2, 1)) + field(10, "own"))


def calls(depth, used):
    """Functions that call the one before twice: 2^depth nodes."""
    body = [function("f0", [node("Relu", ["x"], ["y"])])]
    for k in range(1, depth):
        call = "f%d" % (k - 1)
        body.append(function("f%d" % k, [node(call, ["x"], ["t"], "own"), node(call, ["t"], ["y"], "own")]))
    nodes = [node("f%d" % (depth - 1), ["x"], ["y" if used else "z"], "own")]
    if not used:
        nodes.append(node("If", ["go"], ["y"], then_branch=("graph", graph([node("Relu", ["z"], ["a"])], [], [value("a", FLOAT)])),
                          else_branch=("graph", graph([node("Neg", ["x"], ["b"])], [], [value("b", FLOAT)]))))
    inputs = [value("x", FLOAT, [2]), *([] if used else FLAG)]
    return model(graph(nodes, inputs, [value("y", FLOAT)]), domains={"own": 1}) + fields(25, body)


def loops(depth, turns):
    """Loops in loops, each of whose values grows: valid, and each is 2 turns where turns is 2."""
    def body(k):
        inside = [node("Identity", ["c%d" % k], ["d%d" % k])]
        inside += [loop(k - 1, "v%d" % k, "w%d" % k)] if k else [node("Concat", ["v0", "x"], ["w0"], axis=0)]
        return graph(inside, [value("i%d" % k, INT64, []), value("c%d" % k, BOOL, []), value("v%d" % k, FLOAT)],
                     [value("d%d" % k, BOOL), value("w%d" % k, FLOAT)])

    def loop(k, source, result):
        return node("Loop", ["turns", "yes", source], [result], body=("graph", body(k)))

    first = [tensor("yes", [], [True], BOOL)] + ([tensor("turns", [], [turns], INT64)] if turns else [])
    inputs = [value("x", FLOAT, [1])] + ([] if turns else [value("turns", INT64, [])])
    return model(graph([loop(depth - 1, "x", "y")], inputs, [value("y", FLOAT, ["n"])], first))


def branches(depth):
    """Ifs in both branches of an If."""
    def inside(k, side):
        name = "%s%d" % (side, k)
        nodes = [choice(k - 1, name)] if k else [node("Relu" if side == "a" else "Neg", ["x"], [name])]
        return ("graph", graph(nodes, [], [value(name, FLOAT)]))

    def choice(k, result):
        return node("If", ["go"], [result], then_branch=inside(k, "a"), else_branch=inside(k, "b"))

    return model(graph([choice(depth - 1, "y")], [value("x", FLOAT, [2]), *FLAG], [value("y", FLOAT)]))


SMALL = {"functions": lambda: calls(30, True), "functions_in_a_branch": lambda: calls(30, False), "loops": lambda: loops(18, 0),
         "loops_twice": lambda: loops(9, 2), "branches": lambda: branches(9)}


def chain(n, op, inputs=("x",), **attributes):
    names = ["x"] + ["t%d" % i for i in range(n - 1)] + ["y"]
    return [node(op, [names[i], *inputs[1:]], [names[i + 1]], **attributes) for i in range(n)]


def plain(nodes, dims=("a", "b"), more=(), first=(), out="y"):
    return model(graph(nodes, [value("x", FLOAT, list(dims)), *more], [value(out, FLOAT)], first))


LARGE = {
    "chain_relu": lambda: plain(chain(25000, "Relu")),
    "chain_softmax": lambda: plain(chain(18000, "Softmax", axis=1)),
    "chain_matmul": lambda: plain(chain(18000, "MatMul", ("", "w")), first=[tensor("w", [4, 4], [.5] * 16)], dims=("a", 4)),
    "chain_transpose": lambda: plain(chain(18000, "Transpose", perm=[1, 0])),
    "chain_concat": lambda: plain(chain(10000, "Concat", ("", "x"), axis=0)),
    "shapes_differ": lambda: plain([n for i in range(4000) for n in (
        node("Pad", ["x", "p%d" % i], ["t%d" % i]), node("ReduceSum", ["t%d" % i], ["s%d" % i], keepdims=0))] +
        [node("Sum", ["s%d" % i for i in range(4000)], ["y"])],
        first=[tensor("p%d" % i, [4], [i, i + 1, 2 * i, i * i % 997], INT64) for i in range(4000)], dims=(3, 5)),
    "wide_concat": lambda: plain([node("Concat", ["x"] * 100000, ["y"], axis=0)]),
    "wide_sum": lambda: plain([node("Sum", ["x"] * 100000, ["y"])]),
    "wide_split": lambda: plain([node("Split", ["x"], ["t%d" % i for i in range(30000)], num_outputs=30000, axis=0),
                                 node("Relu", ["t7"], ["y"])], dims=(30000, 2)),
    "wide_split_used": lambda: plain([node("Split", ["x"], ["t%d" % i for i in range(10000)], num_outputs=10000, axis=0),
                                      node("Sum", ["t%d" % i for i in range(10000)], ["y"])], dims=(10000, 2)),
    "many_inputs": lambda: plain([node("Sum", ["x"] + ["m%d" % i for i in range(15000)], ["y"])],
                                 more=[value("m%d" % i, FLOAT, ["a", "n%d" % i]) for i in range(15000)]),
    "many_outputs": lambda: model(graph([node("Mul", ["x", "k%d" % i], ["o%d" % i]) for i in range(8000)],
                                        [value("x", FLOAT, ["n"])], [value("o%d" % i, FLOAT, ["n"]) for i in range(8000)],
                                        [tensor("k%d" % i, [], [float(i)]) for i in range(8000)])),
    "shape_arithmetic": lambda: plain([node("Shape", ["x"], ["t0"])] + [
        node(("Add", "Mul", "Div", "Max")[i % 4], ["t%d" % i, "t%d" % max(0, i - 1)], ["t%d" % (i + 1)]) for i in range(15000)] +
        [node("ConstantOfShape", ["t15000"], ["y"])]),
    "gathers": lambda: plain([node("Gather", ["x", "i%d" % i], ["t%d" % i], axis=0) for i in range(10000)] +
                             [node("Sum", ["t%d" % i for i in range(10000)], ["y"])],
                             more=[value("i%d" % i, INT64, []) for i in range(10000)]),
    "einsums": lambda: plain([node("Einsum", ["x", "x"], ["t%d" % i], equation="ab,ac->bc") for i in range(9000)] +
                             [node("Sum", ["t%d" % i for i in range(9000)], ["y"])]),
    "convs": lambda: plain([n for i in range(3000) for n in (
        node("Conv", ["x", "w"], ["t%d" % i], pads=[i % 7, i % 5, i % 3, i % 2], strides=[1 + i % 4, 1 + i % 3],
             dilations=[1 + i % 6, 1]), node("ReduceMax", ["t%d" % i], ["s%d" % i], keepdims=0))] +
        [node("Sum", ["s%d" % i for i in range(3000)], ["y"])], dims=(1, 2, 40, 40), first=[tensor("w", [2, 2, 3, 3], [.1] * 36)]),
    "reshapes": lambda: plain([node("Reshape", ["x", "s%d" % (i % 500)], ["t%d" % i]) for i in range(9000)] + [
        node("ReduceSum", ["t%d" % i], ["u%d" % i], keepdims=0) for i in range(9000)] +
        [node("Sum", ["u%d" % i for i in range(9000)], ["y"])], dims=(720, 720),
        first=[tensor("s%d" % i, [2], [720 * 720 // d, d], INT64) for i, d in enumerate(([1, 2, 3, 4, 5, 6, 8, 9, 10, 12] * 50))]),
    "deep_expression": lambda: plain([n for i in range(8000) for n in (
        node("Mul", ["t%d" % i if i else "x", "t%d" % i if i else "x"], ["m%d" % i]),
        node("Add", ["m%d" % i, "t%d" % i if i else "x"], ["t%d" % (i + 1) if i < 7999 else "y"]))]),
    "constants_folded": lambda: plain([node("ConstantOfShape", ["big"], ["c"]), node("MatMul", ["c", "c"], ["d"]),
                                       node("MatMul", ["d", "d"], ["e"]), node("ReduceSum", ["e"], ["f"], keepdims=0),
                                       node("Add", ["x", "f"], ["y"])], first=[tensor("big", [2], [8192, 8192], INT64)]),
    "loop_of_constants": lambda: plain([node("Loop", ["n", "yes", "c"], ["d"], body=("graph", graph(
        [node("Identity", ["k"], ["l"]), node("Sin", ["v"], ["w"])], [value("i", INT64, []), value("k", BOOL, []), value("v", FLOAT)],
        [value("l", BOOL), value("w", FLOAT)]))), node("Add", ["x", "d"], ["y"])], first=[
            tensor("n", [], [1 << 40], INT64), tensor("yes", [], [True], BOOL), tensor("c", [1], [.5])]),
    "terabytes": lambda: plain([node("ConstantOfShape", ["big"], ["c"]), node("ReduceSum", ["c"], ["f"], keepdims=0),
                                node("Add", ["x", "f"], ["y"])], first=[tensor("big", [3], [1 << 16] * 3, INT64)]),
    "symbols": lambda: model(graph([node("Add", ["x%d" % i, "x%d" % i], ["y%d" % i]) for i in range(9000)],
                                   [value("x%d" % i, FLOAT, ["s%d" % i]) for i in range(9000)],
                                   [value("y%d" % i, FLOAT) for i in range(9000)])),
    "tfidf": lambda: plain([node("Gather", ["w", "i"], ["y"])], more=[value("i", INT64, ["n"])],
                           first=[tensor("w", [240000], [.5] * 240000)]),
    "ifs": lambda: plain([node("If", ["go"], ["t%d" % i if i < 3999 else "y"], then_branch=("graph", graph(
        [node("Relu", ["t%d" % (i - 1) if i else "x"], ["a"])], [], [value("a", FLOAT)])), else_branch=("graph", graph(
            [node("Concat", ["x", "t%d" % (i - 1) if i else "x"], ["b"], axis=0)], [], [value("b", FLOAT)]))) for i in range(4000)],
        more=FLAG),
    "loops_aside": lambda: plain([node("Loop", ["n", "", "t%d" % (i - 1) if i else "x"], ["t%d" % i if i < 3499 else "y"],
                                       body=("graph", graph([node("Relu", ["v"], ["w"]), node("Not", ["k"], ["l"])], [
                                           value("i", INT64, []), value("k", BOOL, []), value("v", FLOAT)], [
                                               value("l", BOOL), value("w", FLOAT)]))) for i in range(3500)],
                                 more=[value("n", INT64, [])]),
}


def write(folder, models):
    os.makedirs(folder, exist_ok=True)
    for name, make in models.items():
        with open(os.path.join(folder, name + ".onnx"), "wb") as f:
            f.write(make())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(sys.argv[1], {**SMALL, **LARGE})
    else:
        write(HERE, SMALL)
