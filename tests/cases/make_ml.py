#!/usr/bin/env python3
"""Writes the cases of ai.onnx.ml in this folder, as make.py does the others."""
import math

from make import case
from onnx_text import *

ML = "ai.onnx.ml"


# ---- numbers ----

def ml_numbers():
    x = [[1.0, -2.0, 3.0], [0.0, 0.0, 0.0], [-1.5, 4.0, -0.5]]
    offset, scale = [0.5, -1.0, 2.0], [2.0, 3.0, -0.5]
    nodes = [node("Scaler", ["x"], ["scaled"], ML, offset=offset, scale=scale),
             node("Scaler", ["x"], ["moved"], ML, offset=[1.0], scale=[0.5]),
             node("Normalizer", ["x"], ["most"], ML, norm="MAX"),
             node("Normalizer", ["x"], ["l1"], ML, norm="L1"),
             node("Normalizer", ["x"], ["l2"], ML, norm="L2"),
             node("Binarizer", ["x"], ["above"], ML, threshold=0.5),
             node("ArrayFeatureExtractor", ["x", "picks"], ["picked"], ML)]

    def normal(by):
        return [v / by(row) if by(row) else v for row in x for v in row]
    shape = [3, 3]
    outs = [("scaled", shape, [(row[k] - offset[k]) * scale[k] for row in x for k in range(3)]),
            ("moved", shape, [(v - 1) / 2 for row in x for v in row]),
            ("most", shape, normal(max)), ("l1", shape, normal(lambda row: sum(map(abs, row)))),
            ("l2", shape, normal(lambda row: math.sqrt(sum(v * v for v in row)))),
            ("above", shape, [float(v > 0.5) for row in x for v in row]),
            ("picked", [3, 2], [v for row in x for v in (row[2], row[0])])]
    case("ml_numbers", graph(nodes, [value("x", FLOAT, ["n", 3]), value("picks", INT64, [2])],
                             [value(name, FLOAT, ["n", dims[1]]) for name, dims, _ in outs]),
         [([tensor("x", shape, sum(x, [])), tensor("picks", [2], [2, 0], INT64)],
           [tensor(*out) for out in outs])], domains={ML: 3})


# Two trees over two features, with every comparison. A node: feature, mode, split, yes, no, missing;
# a leaf: its weights by target.
TREES = [
    [(0, "BRANCH_LEQ", 0.5, 1, 2, 0), (1, "BRANCH_LT", -1.0, 3, 4, 1), (1, "BRANCH_GTE", 2.0, 5, 6, 0),
     {0: 1.0}, {0: -0.5, 1: 2.0}, {1: -3.0}, {0: 0.25}],
    [(1, "BRANCH_GT", 0.0, 1, 2, 0), (0, "BRANCH_EQ", 1.0, 3, 4, 0), (0, "BRANCH_NEQ", 2.0, 5, 6, 1),
     {0: 4.0}, {1: 0.5}, {0: -2.0}, {0: 1.5, 1: 1.5}]]
ROWS = [[0.0, -2.0], [0.0, -1.0], [1.0, 2.0], [1.0, 0.5], [2.0, -3.0], [3.0, 0.0],
        [float("nan"), 1.0], [0.25, float("nan")]]


def leaf(tree, row):
    test = {"BRANCH_LEQ": lambda a, b: a <= b, "BRANCH_LT": lambda a, b: a < b,
            "BRANCH_GTE": lambda a, b: a >= b, "BRANCH_GT": lambda a, b: a > b,
            "BRANCH_EQ": lambda a, b: a == b, "BRANCH_NEQ": lambda a, b: a != b}
    at = tree[0]
    while isinstance(at, tuple):
        v = row[at[0]]
        at = tree[at[3] if (v != v and at[5]) or test[at[1]](v, at[2]) else at[4]]
    return at


def tree_lists(prefix, trees=TREES):
    flat = [(t, i, n) for t, tree in enumerate(trees) for i, n in enumerate(tree)]
    inner = [n if isinstance(n, tuple) else (0, "LEAF", 0.0, 0, 0, 0) for _, _, n in flat]
    weights = [(t, i, k, w) for t, i, n in flat if isinstance(n, dict) for k, w in n.items()]
    lists = {"nodes_treeids": [t for t, _, _ in flat], "nodes_nodeids": [i for _, i, _ in flat],
             "nodes_featureids": [n[0] for n in inner], "nodes_modes": [n[1] for n in inner],
             "nodes_values": [n[2] for n in inner], "nodes_truenodeids": [n[3] for n in inner],
             "nodes_falsenodeids": [n[4] for n in inner],
             "nodes_missing_value_tracks_true": [n[5] for n in inner]}
    for name, part in zip(("treeids", "nodeids", "ids", "weights"), zip(*weights)):
        lists["%s_%s" % (prefix, name)] = list(part)
    return lists


def tree_scores(row, how, targets=2, trees=TREES):
    reached = [leaf(tree, row) for tree in trees]
    scores = []
    for k in range(targets):
        w = [n[k] for n in reached if k in n]
        scores.append({"SUM": sum, "AVERAGE": lambda w: sum(w) / 2, "MIN": min, "MAX": max}[how](w) if w else 0.0)
    return scores


def softmax(s):
    e = [math.exp(v) for v in s]
    return [v / sum(e) for v in e]


def softmax_zero(s):
    e = [math.exp(v - max(s)) if v else 0.0 for v in s]
    return [v / sum(e) if sum(e) else 0.0 for v in e]


def logistic(s):
    return [1 / (1 + math.exp(-v)) for v in s]


TRANSFORMS = {"NONE": lambda s: s, "SOFTMAX": softmax, "SOFTMAX_ZERO": softmax_zero, "LOGISTIC": logistic}


def tree_regressor():
    base = [0.5, -0.25]
    nodes, outs = [], []
    for how, transform, with_base in (("SUM", "NONE", True), ("AVERAGE", "NONE", False),
                                      ("MIN", "NONE", False), ("MAX", "NONE", True),
                                      ("SUM", "SOFTMAX", False), ("SUM", "LOGISTIC", True),
                                      ("SUM", "SOFTMAX_ZERO", False)):
        name = "y%d" % len(nodes)
        more = {"base_values": base} if with_base else {}
        nodes.append(node("TreeEnsembleRegressor", ["x"], [name], ML, n_targets=2, aggregate_function=how,
                          post_transform=transform, **more, **tree_lists("target")))
        y = []
        for row in ROWS:
            s = tree_scores(row, how)
            y += TRANSFORMS[transform]([a + b for a, b in zip(s, base)] if with_base else s)
        outs.append((name, [len(ROWS), 2], y))
    case("tree_regressor", graph(nodes, [value("x", FLOAT, ["n", 2])],
                                 [value(name, FLOAT, ["n", 2]) for name, _, _ in outs]),
         [([tensor("x", [len(ROWS), 2], sum(ROWS, []))], [tensor(*out) for out in outs])], domains={ML: 3})


# Trees of one feature for classes: of one of two classes, all weights positive or not; of both; of three.
def stump(split, yes, no):
    return [(0, "BRANCH_LEQ", split, 1, 2, 0), yes, no]


ONE = [stump(0.5, {0: 0.3}, {0: 0.9}), stump(0.0, {0: 0.0}, {0: 0.15})]
MIXED = [stump(0.5, {0: -0.3}, {0: 0.9}), stump(0.0, {0: 0.0}, {0: 0.15})]
SECOND = [stump(0.5, {1: 0.3}, {1: 0.9}), stump(0.0, {1: 0.0}, {1: 0.15})]
BOTH = [stump(0.5, {0: 0.7, 1: 0.3}, {0: 0.2, 1: 0.8}), stump(0.0, {0: 0.0, 1: 0.1}, {1: 0.15})]
THREE = [stump(0.5, {0: 0.7, 1: -0.3, 2: 0.1}, {2: 0.2, 1: 0.8}), stump(0.0, {0: -0.9}, {1: -0.15})]


def tree_classifier():
    rows = [[0.2], [0.8], [-1.0]]
    nodes, outs, want = [], [], []

    def add(trees, labels, transform="NONE", base=()):
        k, n = len(nodes), len(labels)
        only = {c for t in trees for leaf_ in t if isinstance(leaf_, dict) for c in leaf_}
        positive = all(w >= 0 for t in trees for leaf_ in t if isinstance(leaf_, dict) for w in leaf_.values())
        more = {"base_values": list(base)} if base else {}
        more["classlabels_int64s" if isinstance(labels[0], int) else "classlabels_strings"] = labels
        nodes.append(node("TreeEnsembleClassifier", ["x"], ["y%d" % k, "z%d" % k], ML, post_transform=transform, **more,
                          **tree_lists("class", trees)))
        chosen, z = [], []
        for row in rows:
            s = tree_scores(row, "SUM", n, trees)
            if n == 2 and len(only) == 1:
                c = only.pop()
                only.add(c)
                one = s[c] + (base[0] if base else 0.0)
                best = int(one > (0.5 if positive else 0.0))
                if c == 0:
                    s = logistic([-one, one]) if transform == "LOGISTIC" else [1 - one if positive else -one, one]
                else:
                    s = TRANSFORMS[transform](s)
            else:
                s = [a + b for a, b in zip(s, base)] if base else s
                best = s.index(max(s))
                s = TRANSFORMS[transform](s)
            chosen.append(labels[best])
            z += s
        elem = INT64 if isinstance(labels[0], int) else STRING
        outs.extend([value("y%d" % k, elem, ["n"]), value("z%d" % k, FLOAT, ["n", n])])
        want.extend([tensor("y%d" % k, [3], chosen, elem), tensor("z%d" % k, [3, n], z)])
    for transform in ("NONE", "LOGISTIC"):
        for trees in (ONE, MIXED, SECOND):
            add(trees, [10, 20], transform)
        add(ONE, ["no", "yes"], transform, [0.25])
        add(MIXED, [0, 1], transform, [0.25])
    for transform in TRANSFORMS:
        add(SECOND, [10, 20], transform)
        add(THREE, ["a", "b", "c"], transform)
        add(THREE, [7, 8, 9], transform, [0.25, 0.5, 0.75])
        add(BOTH, [10, 20], transform)
    case("tree_classifier", graph(nodes, [value("x", FLOAT, ["n", 1])], outs), [([tensor("x", [3, 1], sum(rows, []))], want)],
         domains={ML: 3})


if __name__ == "__main__":
    tree_classifier()
    ml_numbers()
    tree_regressor()
