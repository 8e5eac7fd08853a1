#!/usr/bin/env python3
"""Writes the cases deviations_*: what docs/deviations.md says of operators of ai.onnx whose other tests do
not reach it. See make.py."""
import math
import struct

from make import case
from onnx_text import *

NAN, INF = math.nan, math.inf
UINT16, INT16, UINT64 = 4, 5, 13
FORMATS.update({UINT16: "H", INT16: "h", UINT64: "Q"})


def one_run(name, nodes, ins, outs, initializers=(), opset=18):
    """ins, outs: (name, element type, dims, values)."""
    body = graph(nodes, [value(n, t, d) for n, t, d, _ in ins], [value(n, t) for n, t, _, _ in outs],
                 initializers)
    case(name, body, [([tensor(n, d, v, t) for n, t, d, v in ins],
                       [tensor(n, d, v, t) for n, t, d, v in outs])], opset)


def not_numbers():
    """Whatever takes an extreme of a NaN, wherever it stands."""
    rows = [NAN, 1.0, 2.0, 1.0, NAN, 2.0, 1.0, 2.0, NAN, 3.0, 2.0, 1.0]
    axis = tensor("axis", [1], [1], INT64)
    nodes = [node("MaxPool", ["pool"], ["pooled"], kernel_shape=[2]),
             node("GlobalMaxPool", ["pool"], ["most"]),
             node("ReduceMax", ["rows", "axis"], ["max"], keepdims=0),
             node("ReduceMin", ["rows", "axis"], ["min"], keepdims=0),
             node("ArgMax", ["rows"], ["argmax"], axis=1, keepdims=0),
             node("ArgMin", ["rows"], ["argmin"], axis=1, keepdims=0)]
    one_run("deviations_nan", nodes,
            [("pool", FLOAT, [1, 1, 4], [NAN, 1.0, 2.0, NAN]), ("rows", FLOAT, [4, 3], rows)],
            [("pooled", FLOAT, [1, 1, 3], [NAN, 2.0, NAN]), ("most", FLOAT, [1, 1, 1], [NAN]),
             ("max", FLOAT, [4], [NAN, NAN, NAN, 3.0]), ("min", FLOAT, [4], [NAN, NAN, NAN, 1.0]),
             ("argmax", INT64, [4], [0, 1, 2, 0]), ("argmin", INT64, [4], [0, 1, 2, 2])], [axis])


def casts():
    """Floats that an integer does not hold, and nothing to take a mean or a place of."""
    x = [1e20, -1e20, 300.7, -1.5, NAN, INF, -INF, 2.5]
    kinds = (("i32", INT32, -2 ** 31, 2 ** 31 - 1), ("i8", INT8, -128, 127), ("u8", UINT8, 0, 255),
             ("i64", INT64, -2 ** 63, 2 ** 63 - 1))

    def held(v, least, most):
        if math.isnan(v):
            return 0
        return most if v >= most else least if v <= least else int(v)

    nodes = [node("Cast", ["x"], [name], to=kind) for name, kind, _, _ in kinds]
    nodes += [node("ReduceMean", ["none", "axis"], ["mean"], keepdims=0),
              node("ArgMax", ["none"], ["place"], axis=1, keepdims=0)]
    one_run("deviations_casts", nodes,
            [("x", FLOAT, [8], x), ("none", FLOAT, [2, 0], [])],
            [(name, kind, [8], [held(v, lo, hi) for v in x]) for name, kind, lo, hi in kinds] +
            [("mean", FLOAT, [2], [NAN, NAN]), ("place", INT64, [2], [0, 0])],
            [tensor("axis", [1], [1], INT64)])


def no_kernel():
    """Types and forms for which ONNX Runtime has no kernel."""
    x, w = [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 0, 2, 1, 3, 3, 0, 1]
    sums = [sum((x[3 * (i + a) + j + b] - 1) * (w[4 * f + 2 * a + b] - f) for a in range(2) for b in range(2))
            for f in range(2) for i in range(2) for j in range(2)]
    nodes = [node("ConvInteger", ["image", "filters", "one", "each"], ["conv"]),
             node("BitShift", ["short", "by"], ["shifted"], direction="LEFT"),
             node("Max", ["signed", "other"], ["larger"]), node("Min", ["signed", "other"], ["smaller"]),
             node("TopK", ["long", "two"], ["top", "at"], axis=0),
             node("Pow", ["base", "exponent"], ["power"]),
             node("Where", ["choice", "bytes", "bytes2"], ["chosen"])]
    one_run("deviations_no_kernel", nodes,
            [("image", UINT8, [1, 1, 3, 3], x), ("filters", UINT8, [2, 1, 2, 2], w),
             ("short", UINT16, [3], [1, 300, 65535]), ("by", UINT16, [3], [15, 3, 1]),
             ("signed", INT16, [3], [-5, 7, 32767]), ("other", INT16, [3], [4, -7, -32768]),
             ("long", UINT64, [4], [3, 2 ** 63 + 1, 2 ** 63, 9]),
             ("base", FLOAT, [3], [2.0, -3.0, 0.5]), ("exponent", UINT8, [3], [3, 2, 1]),
             ("choice", BOOL, [3], [True, False, True]), ("bytes", INT8, [3], [1, 2, 3]),
             ("bytes2", INT8, [3], [-1, -2, -3])],
            [("conv", INT32, [1, 2, 2, 2], sums), ("shifted", UINT16, [3], [32768, 2400, 65534]),
             ("larger", INT16, [3], [4, 7, 32767]), ("smaller", INT16, [3], [-5, -7, -32768]),
             ("top", UINT64, [2], [2 ** 63 + 1, 2 ** 63]), ("at", INT64, [2], [1, 2]),
             ("power", FLOAT, [3], [8.0, 9.0, 0.5]), ("chosen", INT8, [3], [1, -2, 3])],
            [tensor("one", [], [1], UINT8), tensor("each", [2], [0, 1], UINT8),
             tensor("two", [1], [2], INT64)])


def batch_first():
    """RNN and GRU with their batch in front are those with it second, turned."""
    size, hidden = 2, 2

    def weights(rows, shift):
        return [((i * 5 + shift) % 9 - 4) / 8 for i in range(rows * size)]

    x = [(i % 7 - 3) / 4 for i in range(3 * 2 * size)]
    ins = [("x", FLOAT, [3, 2, size], x)]
    inits, nodes, outs = [], [node("Transpose", ["x"], ["xt"], perm=[1, 0, 2])], []
    for op, gates in (("RNN", 1), ("GRU", 3)):
        w, r = op + "_w", op + "_r"
        inits += [tensor(w, [1, gates * hidden, size], weights(gates * hidden, 1)),
                  tensor(r, [1, gates * hidden, hidden], weights(gates * hidden, 3))]
        nodes += [node(op, ["x", w, r], [op + "_y", op + "_h"], hidden_size=hidden, layout=1),
                  node(op, ["xt", w, r], [op + "_yt", op + "_ht"], hidden_size=hidden),
                  node("Transpose", [op + "_yt"], [op + "_y2"], perm=[2, 0, 1, 3]),
                  node("Transpose", [op + "_ht"], [op + "_h2"], perm=[1, 0, 2]),
                  node("Equal", [op + "_y", op + "_y2"], [op + "_same_y"]),
                  node("Equal", [op + "_h", op + "_h2"], [op + "_same_h"])]
        outs += [(op + "_same_y", BOOL, [3, 2, 1, hidden], [True] * 12),
                 (op + "_same_h", BOOL, [3, 1, hidden], [True] * 6)]
    one_run("deviations_batch_first", nodes, ins, outs, inits)


def one_rounding():
    """InstanceNormalization of float16, where the bias takes most of the result away."""
    x = [i % 7 - 3.0 for i in range(12)]
    scale, bias, y = [1.5, -1.5], [1.25, -1.25], []
    for c in range(2):
        row = x[6 * c:6 * c + 6]
        mean = sum(row) / 6
        deviation = math.sqrt(sum((v - mean) ** 2 for v in row) / 6 + 1e-5)
        y += [(v - mean) / deviation * scale[c] + bias[c] for v in row]
    body = graph([node("InstanceNormalization", ["x", "scale", "bias"], ["h"]),
                  node("Cast", ["h"], ["y"], to=FLOAT)],
                 [value("x", FLOAT16, [1, 2, "n"])], [value("y", FLOAT)],
                 [tensor("scale", [2], scale, FLOAT16), tensor("bias", [2], bias, FLOAT16)])
    rounded = [struct.unpack("<e", struct.pack("<e", v))[0] for v in y]
    case("instance_norm_half", body,
         [([tensor("x", [1, 2, 6], x, FLOAT16)], [tensor("y", [1, 2, 6], rounded)])])


if __name__ == "__main__":
    one_rounding()
    not_numbers()
    casts()
    no_kernel()
    batch_first()
