#!/usr/bin/env python3
"""Cases of com.microsoft's GroupQueryAttention."""
import struct

from attention import *

B, N, G, PAST = 2, 4, 2, 5


def written(past, new, before):
    """A cache with the new rows after those that count: `before` of them in each batch."""
    length = max(past.dims[2], max(before) + new.dims[2])

    def element(b, h, s, i):
        if s < before[b]:
            return past(b, h, s, i)
        return new(b, h, s - before[b], i) if s < before[b] + new.dims[2] else 0
    return Array(past.dims[:2] + [length, new.dims[3]], element)


class Step:
    """Queries after a past of which `before` rows of each batch count."""

    def __init__(self, rows, before, width=8):
        self.m, self.before, self.width, self.nodes = Nodes(), before, width, 0
        self.flat = [numbers(i, B, rows, n * width) for i, n in ((1, N), (2, G), (3, G))]
        self.heads = [heads(x, n) for x, n in zip(self.flat, (N, G, G))]
        self.past = [numbers(4 + i, B, G, PAST, width) for i in range(2)]
        valid = [x + rows for x in before]
        self.total = max(valid)
        for name, x in zip("qkv", self.flat):
            self.m.give(name, x, dims=["batch", "rows", x.dims[2]])
        self.m.give("valid", Array([B], lambda b: valid[b] - 1), INT32, ["batch"])
        self.m.give("total", Array([1], lambda b: self.total), INT32)

    def give_past(self):
        for name, x in zip(("pk", "pv"), self.past):
            self.m.give(name, x, dims=["batch", G, "before", self.width])
        return ["q", "k", "v", "pk", "pv", "valid", "total"]

    def sees(self, window=None):
        def allowed(b, h, i, j):
            at = i + self.before[b]
            return j <= at and (window is None or j > at - window)
        return allowed

    def keys(self):
        return [written(p, x, self.before) for p, x in zip(self.past, self.heads[1:])]

    def attend(self, *rules, **more):
        return attend(self.heads[0], *self.keys(), *rules, **more)

    def node(self, inputs, name, y, k=None, more=(), **attributes):
        """One more node. Its caches are always asked for: ONNX Runtime reads them."""
        k, v = k or self.keys()[0], self.keys()[1]
        self.m.node("GroupQueryAttention", inputs,
                    [(name, merged(y)), ("k_" + name, k), ("v_" + name, v), *more], num_heads=N,
                    kv_num_heads=G, **attributes)


def rules():
    s = Step(1, [2, 4])
    inputs = s.give_past()
    s.node(inputs, "plain", s.attend(s.sees())[0])
    capped = lambda x, *_: 1.5 * math.tanh(x / 1.5)
    s.node(inputs, "capped", s.attend(s.sees(), capped, scale=0.75)[0], scale=0.75, softcap=1.5)
    for window in (2, 0):
        s.node(inputs, "window%d" % window, s.attend(s.sees(window))[0], local_window_size=window)
    s.node(inputs, "smooth", s.attend(s.sees(), sink=lambda h: 0)[0], smooth_softmax=1)
    sinks, bias = numbers(6, N), numbers(7, 1, N, 1, s.total)
    s.m.give("sinks", sinks), s.m.give("bias", bias)
    y, scores, p = s.attend(s.sees(), lambda x, b, h, i, j: x + bias(0, h, i, j) if j < s.total else x,
                            sink=sinks)
    for which, shown in ((1, scores), (2, p)):
        seen = Array([B, N, 1, s.total], lambda b, h, i, j: shown(b, h, i, j) if s.sees()(b, h, i, j) else 0)
        s.node(inputs + ["", "", "", "bias", "sinks"], "y%d" % which, y,
               more=[("shown%d" % which, seen)], qk_output=which)
    s.m.write("gqa_rules")


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def quantised():
    s = Step(1, [2, 5])
    m, D = s.m, s.width
    for bits, channels in ((8, 0), (8, 1), (4, 0), (4, 1)):
        name, half = "%d%s" % (bits, "c" if channels else "t"), 1 << bits - 1
        count = G * D if channels else 1
        source = random.Random(bits + channels)
        outs, whole = [], []
        for part, x in zip("kv", s.heads[1:]):
            scales = Array([1, G, 1, D] if channels else [1],
                           lambda *_: f32(source.randrange(8, 40) / (1000 if bits == 8 else 50)))
            factor = lambda h, i: scales.data[h * D + i if channels else 0]
            code = lambda b, h, r, i: max(-half, min(half - 1, round(
                f32(x(b, h, r, i) * f32(1 / factor(h, i))))))
            past = integers(10, -half, half - 1, B, G, PAST, D)
            after = written(past, Array(x.dims, code), s.before)
            whole.append(Array(after.dims, lambda b, h, r, i: after(b, h, r, i) * factor(h, i)))
            if bits == 4:
                byte = lambda a: Array(a.dims[:3] + [D // 2], lambda b, h, r, i: (
                    a(b, h, r, 2 * i) + 8 | a(b, h, r, 2 * i + 1) + 8 << 4))
                counted = lambda b, h, r, i: r < s.before[b] + 1
                past, packed = byte(past), byte(after)
                after = Array(packed.dims, lambda *at: packed(*at) if counted(*at) else 0)
            elem = INT8 if bits == 8 else UINT8
            m.give("p%s_%s" % (part, name), past, elem)
            m.give("s%s_%s" % (part, name), scales)
            outs.append(("%s_%s" % (part, name), after, elem))
        y = attend(s.heads[0], *whole, s.sees())[0]
        kind = "PER_CHANNEL" if channels else "PER_TENSOR"
        m.node("GroupQueryAttention",
               ["q", "k", "v", "pk_" + name, "pv_" + name, "valid", "total", "", "", "", "", "",
                "sk_" + name, "sv_" + name], [("y_" + name, merged(y)), *outs],
               k_quant_type=kind, v_quant_type=kind, kv_cache_bit_width=bits, num_heads=N,
               kv_num_heads=G)
    m.write("gqa_quantised")


def rotary():
    s, half = Step(1, [2, 4], 32), 8
    inputs = s.give_past() + ["cos", "sin"]
    cos, sin = numbers(8, 9, half), numbers(9, 9, half)
    s.m.give("cos", cos), s.m.give("sin", sin)

    def turned(x, pairs, at):
        """The first half of the columns turned; pairs: neighbours, else columns `half` apart."""
        def element(b, h, r, i):
            if i >= 2 * half:
                return x(b, h, r, i)
            first = i // 2 * 2 if pairs else i % half
            column, other = (i // 2, first + 1) if pairs else (first, first + half)
            c, d = cos(at(b, r), column), sin(at(b, r), column)
            if i == first:
                return x(b, h, r, first) * c - x(b, h, r, other) * d
            return x(b, h, r, other) * c + x(b, h, r, first) * d
        return Array(x.dims, element)

    def turn(pairs, at):
        k = written(s.past[0], turned(s.heads[1], pairs, at), s.before)
        v = written(s.past[1], s.heads[2], s.before)
        return attend(turned(s.heads[0], pairs, at), k, v, s.sees())[0], k

    follow = lambda b, r: s.before[b] + r
    for pairs in (0, 1):
        y, k = turn(pairs, follow)
        s.node(inputs, "turned%d" % pairs, y, k, do_rotary=1, rotary_interleaved=pairs)
    y, k = turn(0, follow)
    s.m.give("qkv", side_by_side(*s.flat))
    s.node(["qkv", "", ""] + inputs[3:], "packed", y, k, do_rotary=1)
    ids = integers(10, 0, 8, B, 1)
    s.m.give("ids", ids, INT64)
    s.node(inputs + ["ids"], "placed", *turn(0, ids), do_rotary=1)
    s.m.write("gqa_rotary")


def not_causal():
    s = Step(3, [0, 0])
    s.past = [Array([B, G, 0, 8], None)] * 2
    s.node(["q", "k", "v", "", "", "valid", "total"], "y", attend(*s.heads)[0], causal=0)
    s.m.write("gqa_not_causal")


if __name__ == "__main__":
    rules()
    quantised()
    rotary()
    not_causal()
