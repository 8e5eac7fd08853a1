#!/usr/bin/env python3
"""Writes the cases of attributes that ONNX Runtime does not read any more, or not without a subgraph: the outputs are written
out from ONNX's text."""
from make import case
from onnx_text import *

X = [float(v) for v in (3, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5, -8, 9, 7, 9, -3, 2, 3, 8, 4, -6, 2, 6, 4)]
Y = [2.0, 4.0, 0.5]


def broadcasts():
    """Before opset 7 operand 1 stands at an axis of operand 0."""
    at = [i // 4 % 3 for i in range(24)]  # of Y, for each element of X[2, 3, 4]
    nodes, outs = [], []
    for op, fn in (("Add", lambda a, b: a + b), ("Sub", lambda a, b: a - b), ("Mul", lambda a, b: a * b), ("Div", lambda a, b: a / b)):
        nodes.append(node(op, ["x", "y"], [op], axis=1, broadcast=1))
        outs.append((op, FLOAT, [fn(X[i], Y[at[i]]) for i in range(24)]))
    nodes.append(node("Abs", ["x"], ["positive"]))
    nodes.append(node("Pow", ["positive", "y"], ["Pow"], axis=1, broadcast=1))
    outs.append(("Pow", FLOAT, [abs(X[i]) ** Y[at[i]] for i in range(24)]))
    for op, fn in (("Less", lambda a, b: a < b), ("Greater", lambda a, b: a > b)):
        nodes.append(node(op, ["x", "y"], [op], axis=1, broadcast=1))
        outs.append((op, BOOL, [fn(X[i], Y[at[i]]) for i in range(24)]))
    nodes.append(node("Equal", ["i", "j"], ["Equal"], axis=1, broadcast=1))
    outs.append(("Equal", BOOL, [int(X[i]) == [4, -5, 2][at[i]] for i in range(24)]))
    p, q = [v > 0 for v in X], [True, False, True]
    for op, fn in (("And", lambda a, b: a and b), ("Or", lambda a, b: a or b), ("Xor", lambda a, b: a != b)):
        nodes.append(node(op, ["p", "q"], [op], axis=1, broadcast=1))
        outs.append((op, BOOL, [fn(p[i], q[at[i]]) for i in range(24)]))
    big, small = [2, 3, 4], [3]
    case("attributes_broadcast_6", graph(
        nodes, [value("x", FLOAT, big), value("y", FLOAT, small), value("i", INT32, big), value("j", INT32, small),
                value("p", BOOL, big), value("q", BOOL, small)], [value(n, e, big) for n, e, _ in outs]),
         [([tensor("x", big, X), tensor("y", small, Y), tensor("i", big, [int(v) for v in X], INT32),
            tensor("j", small, [4, -5, 2], INT32), tensor("p", big, p, BOOL), tensor("q", small, q, BOOL)],
           [tensor(n, big, v, e) for n, e, v in outs])], opset=6)


def scans():
    """A running sum and the difference of two scan inputs, along other axes and backwards."""
    a, b = X[:6], X[6:12]  # a[2, 3] along axis 1 backwards, b[3, 2] along axis 0
    body = graph([node("Add", ["s", "u"], ["t"]), node("Sub", ["u", "v"], ["w"]), node("Identity", ["t"], ["z"])],
                 [value("s", FLOAT, [2]), value("u", FLOAT, [2]), value("v", FLOAT, [2])],
                 [value("t", FLOAT, [2]), value("w", FLOAT, [2]), value("z", FLOAT, [2])])
    state, w, z = [0.0, 0.0], [], []
    for turn in range(3):
        u, v = [a[2 - turn], a[3 + 2 - turn]], b[2 * turn:2 * turn + 2]
        state = [state[0] + u[0], state[1] + u[1]]
        w.append([u[0] - v[0], u[1] - v[1]])
        z.append(state)
    last = [w[i][r] for r in range(2) for i in range(3)]      # axis 1
    back = [z[2 - i][r] for i in range(3) for r in range(2)]  # axis 0, backwards
    scan = node("Scan", ["s0", "a", "b"], ["s1", "w1", "z1"], body=("graph", body), num_scan_inputs=2, scan_input_axes=[1, 0],
                scan_input_directions=[1, 0], scan_output_axes=[1, 0], scan_output_directions=[0, 1])
    case("attributes_scan", graph([scan], [value("s0", FLOAT, [2]), value("a", FLOAT, [2, 3]), value("b", FLOAT, [3, 2])],
                                  [value("s1", FLOAT, [2]), value("w1", FLOAT, [2, 3]), value("z1", FLOAT, [3, 2])]),
         [([tensor("s0", [2], [0.0, 0.0]), tensor("a", [2, 3], a), tensor("b", [3, 2], b)],
           [tensor("s1", [2], state), tensor("w1", [2, 3], last), tensor("z1", [3, 2], back)])])
    turn = graph([node("Add", ["s", "u"], ["t"]), node("Identity", ["t"], ["z"])],
                 [value("s", FLOAT, [2]), value("u", FLOAT, [2])], [value("t", FLOAT, [2]), value("z", FLOAT, [2])])
    scan = node("Scan", ["", "s0", "a"], ["s1", "z1"], body=("graph", turn), num_scan_inputs=1, directions=[1])
    rows, state, z = [b[0:2], b[2:4], b[4:6]], [0.0, 0.0], []
    for row in reversed(rows):
        state = [state[0] + row[0], state[1] + row[1]]
        z += state
    case("attributes_scan_8", graph([scan], [value("s0", FLOAT, [1, 2]), value("a", FLOAT, [1, 3, 2])],
                                    [value("s1", FLOAT, [1, 2]), value("z1", FLOAT, [1, 3, 2])]),
         [([tensor("s0", [1, 2], [0.0, 0.0]), tensor("a", [1, 3, 2], b)], [tensor("s1", [1, 2], state), tensor("z1", [1, 3, 2], z)])],
         opset=8)


def old_forms():
    x = X[:6]
    case("attributes_1", graph(
        [node("Pad", ["x"], ["padded"], paddings=[0, 1, 1, 0], value=7.0), node("TopK", ["x"], ["most", "where"], k=2, axis=1),
         node("Dropout", ["x"], ["kept"], is_test=1, ratio=0.75)],
        [value("x", FLOAT, [2, 3])], [value("padded", FLOAT, [3, 4]), value("most", FLOAT, [2, 2]), value("where", INT64, [2, 2]),
                                      value("kept", FLOAT, [2, 3])]),
         [([tensor("x", [2, 3], x)],
           [tensor("padded", [3, 4], [7.0, *x[:3], 7.0, *x[3:], 7.0, 7.0, 7.0, 7.0]), tensor("most", [2, 2], [4.0, 3.0, 9.0, 1.0]),
            tensor("where", [2, 2], [2, 0, 2, 0], INT64), tensor("kept", [2, 3], x)])], opset=1)
    case("attributes_constants", graph(
        [node("Constant", [], ["f"], value_floats=[1.5, -2.0, 0.25]), node("Add", ["x", "f"], ["y"])],
        [value("x", FLOAT, [2, 3])], [value("y", FLOAT, [2, 3])]),
         [([tensor("x", [2, 3], x)], [tensor("y", [2, 3], [v + [1.5, -2.0, 0.25][i % 3] for i, v in enumerate(x)])])])


if __name__ == "__main__":
    broadcasts()
    scans()
    old_forms()
