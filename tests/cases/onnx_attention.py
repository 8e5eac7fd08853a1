#!/usr/bin/env python3
"""Cases of ai.onnx: Attention with caches, lengths and windows, and what opset 28 added."""
from attention import *

B, H, G, S, T, D = 2, 4, 2, 3, 6, 4
INF = math.inf


class Model(Nodes):
    def __init__(self, opset):
        super().__init__()
        self.opset = opset
        self.q, self.k, self.v = numbers(1, B, H, S, D), numbers(2, B, G, T, D), numbers(3, B, G, T, 3)
        for name, x in (("q", self.q), ("k", self.k), ("v", self.v)):
            self.give(name, x, dims=["batch", x.dims[1], "rows_" + name, x.dims[3]])

    def attention(self, name, inputs=(), rules=(), shown=None, k=None, v=None, outs=(), scale=0,
                  **attributes):
        """shown: (mode, a function of scores and weights)."""
        y, scores, p = attend(self.q, k or self.k, v or self.v, *rules, scale=scale)
        outputs = [("y_" + name, y), *(outs or (None, None))]
        if shown is not None:
            outputs.append(("shown_" + name, shown(y, scores, p)))
        if scale:
            attributes["scale"] = scale
        self.node("Attention", ["q", "k", "v", *inputs], outputs, domain="", **attributes)

    def finish(self, name):
        self.write(name, self.opset)


ANY = lambda *_: True
NOTHING = lambda x, *_: x


def causal():
    """By rows, after a past, before the end of a cache that is partly filled."""
    m = Model(24)
    m.attention("rows", rules=[lambda b, h, i, j: j <= i], is_causal=1)
    past = [numbers(4, B, G, 2, D), numbers(5, B, G, 2, 3)]
    m.give("pk", past[0]), m.give("pv", past[1])
    k, v = joined(past[0], m.k), joined(past[1], m.v)
    m.attention("past", ["", "pk", "pv"], [lambda b, h, i, j: j <= i + 2], k=k, v=v,
                outs=[("k_out", k), ("v_out", v)], is_causal=1)
    filled = Array([B], lambda b: [5, 2][b])  # of the second one, query 0 sees nothing
    m.give("filled", filled, INT64, ["batch"])
    m.attention("filled", ["", "", "", "filled"], [lambda b, h, i, j: j <= i + filled(b) - S],
                is_causal=1)
    m.attention("counted", ["", "", "", "filled"], [lambda b, h, i, j: j < filled(b)])
    m.finish("attention_causal")


def masks():
    m = Model(24)
    allowed = integers(6, 0, 1, B, 1, S, T)
    allowed.data[T:2 * T] = [0] * T
    m.give("allowed", Array(allowed.dims, lambda *at: bool(allowed(*at))), BOOL)
    by_mask = lambda b, h, i, j: allowed(b, 0, i, j)
    weights = lambda y, scores, p: p
    m.attention("allowed", ["allowed"], [by_mask], weights, qk_matmul_output_mode=3)
    m.attention("both", ["allowed"], [lambda b, h, i, j: by_mask(b, h, i, j) and j <= i], is_causal=1)
    add = numbers(7, S, T)
    add.data[T:2 * T] = [-INF] * T
    add.data[0] = -INF
    m.give("add", add)
    plus = lambda x, b, h, i, j: x + add(i, j)
    m.attention("add", ["add"], [ANY, plus], lambda y, scores, p: scores, qk_matmul_output_mode=2)
    short = numbers(8, S, 4)  # keys past its end are forbidden
    m.give("short", short)
    m.attention("short", ["short"], [lambda b, h, i, j: j < 4,
                                     lambda x, b, h, i, j: x + short(i, j) if j < 4 else x])
    plain = attend(m.q, m.k, m.v, scale=0.75)[1]
    capped = lambda x, *_: 2 * math.tanh(x / 2)
    for mode, scores in ((0, plain), (1, Array(plain.dims, lambda *at: capped(plain(*at))))):
        m.attention("mode%d" % mode, rules=[ANY, capped], shown=lambda *_: scores, scale=0.75,
                    softcap=2.0, qk_matmul_output_mode=mode)
    m.finish("attention_masks")


def windows():
    m = Model(25)
    filled = Array([B], lambda b: [6, 4][b])
    m.give("filled", filled, INT64, ["batch"])
    for left, right, causal in ((1, -1, 0), (-1, 1, 0), (0, 2, 0), (2, 0, 0), (1, 3, 1)):
        def near(at, b, j):
            return ((left < 0 or at - left <= j) and (right < 0 or j <= at + right) and
                    (not causal or j <= at))
        name = "%s_%s_%d" % (left if left >= 0 else "all", right if right >= 0 else "all", causal)
        m.attention("rows_" + name, rules=[lambda b, h, i, j: near(i, b, j)], left_window_size=left,
                    right_window_size=right, is_causal=causal)
        m.attention("end_" + name, ["", "", "", "filled"],
                    [lambda b, h, i, j: j < filled(b) and near(i + filled(b) - S, b, j)],
                    left_window_size=left, right_window_size=right, is_causal=causal)
    m.finish("attention_windows")


def opset_28():
    m = Nodes()
    a, b = numbers(1, 2, 3), numbers(2, 2, 3)
    m.give("a", a, dims=["rows", 3]), m.give("b", b, dims=["rows", 3])
    for alpha in (1.0, 1.5):
        swish = lambda x: x / (1 + math.exp(-alpha * x))
        y = Array(a.dims, lambda *at: swish(a(*at)) * b(*at))
        m.node("SwiGLU", ["a", "b"], [("swiglu%d" % (2 * alpha), y)], domain="",
               **({} if alpha == 1 else {"alpha": alpha}))
    m.give("half", a, FLOAT16)
    m.node("Celu", ["half"], [("celu", Array(a.dims, lambda *at: max(0, a(*at)) + min(
        0, 2 * math.expm1(a(*at) / 2))), FLOAT16)], domain="", alpha=2.0)
    picture = numbers(3, 1, 2, 4, 6)
    m.give("picture", picture)
    m.node("SpaceToDepth", ["picture"], [("column_first", Array([1, 8, 2, 3], lambda n, c, y, x: picture(
        n, c // 4, 2 * y + c // 2 % 2, 2 * x + c % 2)))], domain="", blocksize=2, mode="CRD")
    # Every element from its own number, in float32: 2,049 and 2,051 are no numbers of float16.
    for name, x in (("start", -1024.0), ("limit", 3.0), ("delta", 0.5)):
        m.give(name, Array([], lambda: x), FLOAT16)
    m.nodes.append(node("Range", ["start", "limit", "delta"], ["range"], stash_type=1))
    m.nodes.append(constant("last", [2], [2049, 2051]))
    m.node("Gather", ["range", "last"], [("range_end", Array([2], lambda i: i + 0.5), FLOAT16)],
           domain="", axis=0)
    m.write("opset_28", 28)


if __name__ == "__main__":
    causal()
    masks()
    windows()
    opset_28()
