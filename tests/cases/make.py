#!/usr/bin/env python3
"""Writes the cases in this folder: NAME/model.onnx with data sets whose outputs are computed here,
in plain Python. `lathe test --guard tests/cases` runs them; the files are kept in the repository, so
that it needs no Python."""
import math
import os
import random

from onnx_text import *

HERE = os.path.dirname(os.path.abspath(__file__))


def case(name, body, sets, opset=18, domains={}, functions=()):
    """sets: pairs of lists of tensors, the inputs and the outputs of a run."""
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(model(body, opset, domains, functions))
    for k, tensors in enumerate(sets):
        data = os.path.join(folder, "test_data_set_%d" % k)
        os.makedirs(data, exist_ok=True)
        for what, list_ in zip(("input", "output"), tensors):
            for i, t in enumerate(list_):
                with open(os.path.join(data, "%s_%d.pb" % (what, i)), "wb") as f:
                    f.write(t)


# ---- a greedy loop: the first turn reads all ids, later ones the last only, by an If ----

def greedy_loop():
    table = [[1, 2], [4, 1], [0, 3], [7, 2], [1, 5]]

    def best(tokens):
        """The larger of the column sums over the last token's row, after the way of all of them."""
        sums = [sum(table[t][j] for t in tokens) for j in range(2)]
        return 0 if sums[0] >= sums[1] else 1

    all_ids = graph([node("Gather", ["table", "ids"], ["all"])], [], [value("all", FLOAT)])
    last_id = graph([node("Slice", ["ids", "minus_one", "far", "one"], ["id"]),
                     node("Gather", ["table", "id"], ["last"])], [], [value("last", FLOAT)])
    body = graph(
        [constant("one", [1], [1]), constant("minus_one", [1], [-1]),
         constant("far", [1], [1 << 40]), constant("zero", [], [0]), constant("pair", [2], [1, 1]),
         constant("axes", [2], [0, 1]),
         node("Equal", ["turn", "zero"], ["first"]),
         node("If", ["first"], ["rows"], then_branch=("graph", all_ids),
              else_branch=("graph", last_id)),
         node("ReduceSum", ["rows", "axes"], ["sums"], keepdims=0),
         node("ArgMax", ["sums"], ["best"], axis=0, keepdims=0),
         node("Reshape", ["best", "pair"], ["next"]),
         node("Concat", ["ids", "next"], ["ids_next"], axis=1),
         node("Identity", ["go"], ["go_next"])],
        [value("turn", INT64, []), value("go", BOOL, []), value("ids", INT64, [1, "l"])],
        [value("go_next", BOOL, []), value("ids_next", INT64, [1, "m"])])
    outer = graph([node("Loop", ["trips", "", "start"], ["ids_end"], body=("graph", body))],
                  [value("start", INT64, [1, "n"])], [value("ids_end", INT64, [1, "e"])],
                  [tensor("table", [5, 2], [x for row in table for x in row]),
                   tensor("trips", [], [20], INT64)])
    sets = []
    for start in ([3], [0, 4], [2, 2, 1, 3]):
        ids = list(start)
        for turn in range(20):
            ids.append(best(ids if turn == 0 else ids[-1:]))
        sets.append(([tensor("start", [1, len(start)], start, INT64)],
                     [tensor("ids_end", [1, len(ids)], ids, INT64)]))
    case("greedy_loop", outer, sets)


# ---- random operators with a seed: NumPy's RandomState, whose generator Python has too ----

class RandomState(random.Random):
    def __init__(self, seed):
        super().__init__()
        words = [seed]
        for i in range(1, 624):
            words.append((1812433253 * (words[-1] ^ words[-1] >> 30) + i) & 0xffffffff)
        self.setstate((3, tuple(words) + (624,), None))
        self.spare = None

    def normal(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        while True:
            x, y = 2 * self.random() - 1, 2 * self.random() - 1
            r = x * x + y * y
            if 0 < r < 1:
                f = math.sqrt(-2 * math.log(r) / r)
                self.spare = f * x
                return f * y


def random_seeds():
    p = [0.1, 0.5, 0.9, 0.25, 0.75, 0.0]
    logs = [[0.0, 1.0, -1.0], [2.0, 0.0, 2.0]]
    nodes = [node("RandomUniform", [], ["a"], shape=[2, 350], seed=5.0, low=-2.0, high=3.0, dtype=DOUBLE),
             node("RandomNormal", [], ["b"], shape=[7], seed=3.0, mean=1.0, scale=0.5, dtype=DOUBLE),
             node("RandomUniformLike", ["p"], ["c"], seed=9.0),
             node("RandomNormalLike", ["p"], ["d"], seed=0.0, dtype=DOUBLE),
             node("Bernoulli", ["p"], ["e"], seed=2.0, dtype=INT64),
             node("Multinomial", ["logs"], ["f"], seed=4.0, sample_size=5, dtype=INT64)]
    outs = [value("a", DOUBLE, [2, 350]), value("b", DOUBLE, [7]), value("c", FLOAT, ["n"]),
            value("d", DOUBLE, ["n"]), value("e", INT64, ["n"]), value("f", INT64, ["m", 5])]
    r = RandomState(5)
    a = [r.random() * 5 - 2 for _ in range(700)]
    r = RandomState(3)
    b = [r.normal() * 0.5 + 1 for _ in range(7)]
    r = RandomState(9)
    c = [r.random() for _ in p]
    r = RandomState(0)
    d = [r.normal() for _ in p]
    r = RandomState(2)
    e = [int(r.random() < x) for x in p]
    r = RandomState(4)
    f = []
    for row in logs:
        weights = [math.exp(x) for x in row]
        for _ in range(5):
            passed = r.random() * sum(weights)
            f.append(sum(sum(weights[:k + 1]) <= passed for k in range(2)))
    case("random_seeds", graph(nodes, [value("p", FLOAT, ["n"]), value("logs", FLOAT, ["m", 3])], outs),
         [([tensor("p", [6], p), tensor("logs", [2, 3], sum(logs, []))],
           [tensor("a", [2, 350], a, DOUBLE), tensor("b", [7], b, DOUBLE), tensor("c", [6], c),
            tensor("d", [6], d, DOUBLE), tensor("e", [6], e, INT64), tensor("f", [2, 5], f, INT64)])])


# ---- products of codes: both signs, zero points of every kind, codes as large as they can be ----

def integer_products():
    r = random.Random(11)

    def codes(elem, count):
        least = -128 if elem == INT8 else 0
        extremes = [least, least + 255, 0, 127]
        return [r.choice(extremes) if r.random() < 0.7 else least + r.randrange(256)
                for _ in range(count)]

    products = []  # of a's and b's element, b's columns, kinds of their zero points
    for a in (UINT8, INT8):
        for b in (UINT8, INT8):
            for za in ("none", "run", "rows"):
                for zb in ("none", "one", "columns"):
                    products.append((a, b, (33, 40, 7)[len(products) % 3], za, zb))
    k = 23
    nodes, inits, outs, zeros = [], [], [], []
    for i, (a, b, n, za, zb) in enumerate(products):
        weight, zero = codes(b, k * n), codes(b, n)
        inits.append(tensor("w%d" % i, [k, n], weight, b))
        if zb == "one":
            inits.append(tensor("zb%d" % i, [], zero[:1], b))
        elif zb == "columns":
            inits.append(tensor("zb%d" % i, [n], zero, b))
        zeros.append((weight, {"none": [0] * n, "one": zero[:1] * n, "columns": zero}[zb]))
        side = "u" if a == UINT8 else "s"
        inputs = [side, "w%d" % i, "" if za == "none" else "z%s_%s" % (side, za),
                  "" if zb == "none" else "zb%d" % i]
        nodes.append(node("MatMulInteger", inputs, ["y%d" % i]))
        outs.append(value("y%d" % i, INT32, ["m", n]))
    ins = []
    for side, elem in (("u", UINT8), ("s", INT8)):
        ins += [value(side, elem, ["m", k]), value("z%s_run" % side, elem, []),
                value("z%s_rows" % side, elem, ["m"])]
    sets = []
    for m in (1, 2, 5, 17):
        given, x = [], {}
        for side, elem in (("u", UINT8), ("s", INT8)):
            x[side, "codes"], one, rows = codes(elem, m * k), codes(elem, 1), codes(elem, m)
            x[side, "none"], x[side, "run"], x[side, "rows"] = [0] * m, one * m, rows
            given += [tensor(side, [m, k], x[side, "codes"], elem),
                      tensor("z%s_run" % side, [], one, elem),
                      tensor("z%s_rows" % side, [m], rows, elem)]
        results = []
        for i, (a, b, n, za, zb) in enumerate(products):
            side, (weight, zero) = "u" if a == UINT8 else "s", zeros[i]
            left, shift = x[side, "codes"], x[side, za]
            y = [sum((left[row * k + j] - shift[row]) * (weight[j * n + c] - zero[c])
                     for j in range(k)) for row in range(m) for c in range(n)]
            results.append(tensor("y%d" % i, [m, n], y, INT32))
        sets.append((given, results))
    case("integer_products", graph(nodes, ins, outs, inits), sets)


# ---- an unrolled history: each step attends over all rows so far, so that no two sizes are equal ----

def unrolled_history():
    steps, rows, d = 20, 5, 8
    rng = random.Random(7)
    nodes, inits, value_of = [], [], {}
    for name in ("wq", "wk", "wv"):
        value_of[name] = [rng.uniform(-1, 1) for _ in range(d * d)]
        inits.append(tensor(name, [d, d], value_of[name]))
    inits += [tensor("scale", [], [d ** -0.5]), tensor("first", [1], [0], INT64)]
    for t in range(steps):
        inits += [tensor("from%d" % t, [1], [t * rows], INT64),
                  tensor("to%d" % t, [1], [(t + 1) * rows], INT64)]
        nodes.append(node("Slice", ["x", "from%d" % t, "to%d" % t, "first"], ["x%d" % t]))
        for w in "qkv":
            nodes.append(node("MatMul", ["x%d" % t, "w" + w], ["%s%d" % (w, t)]))
        for w in "kv":
            before = ["%ss%d" % (w, t - 1)] if t else []
            nodes.append(node("Concat", before + ["%s%d" % (w, t)], ["%ss%d" % (w, t)], axis=0))
        nodes += [node("Transpose", ["ks%d" % t], ["kt%d" % t], perm=[1, 0]),
                  node("MatMul", ["q%d" % t, "kt%d" % t], ["s%d" % t]),
                  node("Mul", ["s%d" % t, "scale"], ["scaled%d" % t]),
                  node("Softmax", ["scaled%d" % t], ["p%d" % t], axis=-1),
                  node("MatMul", ["p%d" % t, "vs%d" % t], ["y%d" % t])]
    nodes.append(node("Concat", ["y%d" % t for t in range(steps)], ["y"], axis=0))

    def times(x, w):
        return [[sum(row[k] * w[k * d + j] for k in range(d)) for j in range(d)] for row in x]

    sets = []
    for _ in range(2):
        x = [[rng.uniform(-1, 1) for _ in range(d)] for _ in range(steps * rows)]
        q, k, v = (times(x, value_of[w]) for w in ("wq", "wk", "wv"))
        y = []
        for i, row in enumerate(q):
            n = (i // rows + 1) * rows
            weights = [math.exp(sum(a * b for a, b in zip(row, k[j])) * d ** -0.5)
                       for j in range(n)]
            y += [sum(weights[j] * v[j][c] for j in range(n)) / sum(weights) for c in range(d)]
        sets.append(([tensor("x", [steps * rows, d], [e for row in x for e in row])],
                     [tensor("y", [steps * rows, d], y)]))
    case("unrolled_history", graph(nodes, [value("x", FLOAT, [steps * rows, d])],
                                   [value("y", FLOAT, [steps * rows, d])], inits), sets)


if __name__ == "__main__":
    integer_products()
    greedy_loop()
    random_seeds()
    unrolled_history()
