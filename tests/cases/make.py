#!/usr/bin/env python3
"""Writes the cases in this folder: NAME/model.onnx with data sets whose outputs are computed here,
in plain Python. `lathe test --guard tests/cases` runs them; the files are kept in the repository, so
that it needs no Python."""
import os

from onnx_text import *

HERE = os.path.dirname(os.path.abspath(__file__))


def case(name, body, sets, opset=18, domains={}):
    """sets: pairs of lists of tensors, the inputs and the outputs of a run."""
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(model(body, opset, domains))
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


if __name__ == "__main__":
    greedy_loop()
