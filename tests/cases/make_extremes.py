#!/usr/bin/env python3
"""Writes the cases extremes_*: DynamicQuantizeLinear of what products, rows and attention make, whose
kernels find the extremes themselves. What is expected is that its scale is the one that ReduceMax and
ReduceMin of the same tensor give: a difference of 0, or NaN where the tensor has one. See make.py."""
import math
import random

from make import case
from onnx_text import *

TERMS, COLUMNS, LONG = 40, 70, 1056
draw = random.Random(10)


def floats(n, size=1.0):
    return [draw.uniform(-size, size) for _ in range(n)]


def compared(name):
    """Nodes that make the difference of the two scales of a tensor."""
    n = lambda s: f"{name}_{s}"
    return [node("DynamicQuantizeLinear", [name], [n("codes"), n("scale"), n("zero")]),
            node("ReduceMax", [name], [n("max")], keepdims=0), node("ReduceMin", [name], [n("min")], keepdims=0),
            node("Max", [n("max"), "zero"], [n("high")]), node("Min", [n("min"), "zero"], [n("low")]),
            node("Sub", [n("high"), n("low")], [n("range")]), node("Div", [n("range"), "most"], [n("expected")]),
            node("Sub", [n("scale"), n("expected")], [n("difference")])]


NODES = [node("MatMul", ["x", "w"], ["plain"]),                       # no epilogue
         node("Add", ["plain", "bias"], ["biased"]), node("Tanh", ["biased"], ["product"]),
         node("DequantizeLinear", ["wq", "ws"], ["wd"]),              # codes: few rows, and many
         node("MatMul", ["x", "wd"], ["coded_sum"]), node("Add", ["coded_sum", "bias"], ["coded"]),
         node("MatMulInteger", ["codes", "long"], ["sums"]),          # more than one part of k
         node("Cast", ["sums"], ["numbers"], to=FLOAT), node("Mul", ["numbers", "tiny"], ["integers"]),
         node("Softmax", ["product"], ["softmax"], axis=1),
         node("LayerNormalization", ["product", "scales", "bias"], ["norm"], axis=-1),
         node("Reshape", ["x", "split"], ["heads"]), node("Transpose", ["heads"], ["q"], perm=[1, 0, 2]),
         node("Transpose", ["heads"], ["k"], perm=[1, 2, 0]), node("MatMul", ["q", "k"], ["scores"]),
         node("Softmax", ["scores"], ["weights"], axis=2), node("MatMul", ["weights", "q"], ["values"]),
         node("Transpose", ["values"], ["turned"], perm=[1, 0, 2]), node("Reshape", ["turned", "joined"], ["attention"])]
TENSORS = ["plain", "product", "coded", "integers", "softmax", "norm", "attention"]


def extremes():
    constants = [tensor("w", [TERMS, COLUMNS], floats(TERMS * COLUMNS), FLOAT), tensor("bias", [COLUMNS], floats(COLUMNS), FLOAT),
                 tensor("scales", [COLUMNS], floats(COLUMNS), FLOAT), tensor("zero", [], [0.0], FLOAT), tensor("most", [], [255.0], FLOAT),
                 tensor("wq", [TERMS, COLUMNS], [draw.randrange(-128, 128) for _ in range(TERMS * COLUMNS)], INT8),
                 tensor("ws", [], [1 / 128], FLOAT), tensor("tiny", [], [1 / 4096], FLOAT),
                 tensor("long", [LONG, 36], [draw.randrange(-128, 128) for _ in range(LONG * 36)], INT8),
                 tensor("split", [3], [0, 2, TERMS // 2], INT64), tensor("joined", [2], [0, TERMS], INT64)]
    nodes = NODES + [n for t in TENSORS for n in compared(t)]
    body = graph(nodes, [value("x", FLOAT, ["m", TERMS]), value("codes", UINT8, ["few", LONG])],
                 [value(f"{t}_difference", FLOAT, []) for t in TENSORS], constants)
    runs = []
    for rows, spoiled in ((2, False), (300, False), (20, True)):
        x, codes = floats(rows * TERMS), [draw.randrange(256) for _ in range(3 * LONG)]
        if spoiled:
            x[7 * TERMS + 3] = math.nan
        expected = [math.nan if spoiled and t != "integers" else 0.0 for t in TENSORS]
        runs.append(([tensor("x", [rows, TERMS], x, FLOAT), tensor("codes", [3, LONG], codes, UINT8)],
                     [tensor(f"{t}_difference", [], [e], FLOAT) for t, e in zip(TENSORS, expected)]))
    case("extremes_of_kernels", body, runs, 17)


if __name__ == "__main__":
    extremes()
