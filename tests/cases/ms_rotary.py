#!/usr/bin/env python3
"""Cases of com.microsoft's RotaryEmbedding and MRotaryEmbedding, and of the gates around linear
attention."""
from attention import *

B, H, S, D, ROWS = 2, 2, 3, 8, 10


def turned(x, half, pairs, position, cos, sin, by=1):
    """x [B, H, S, D] turned in its first 2 * half columns; position: of b, s and a table's column."""
    def element(b, h, s, i):
        if i >= 2 * half:
            return x(b, h, s, i)
        column, second = (i // 2, i % 2) if pairs else (i % half, i // half)
        first, other = (2 * column, 2 * column + 1) if pairs else (column, column + half)
        row = position(b, s, column)
        c, d = by * cos(row, column), by * sin(row, column)
        one, two = x(b, h, s, first), x(b, h, s, other)
        return two * c + one * d if second else one * c - two * d
    return Array(x.dims, element)


def rotary():
    m = Nodes()
    flat = numbers(1, B, S, H * D)
    x = heads(flat, H)
    m.give("flat", flat, dims=["batch", "rows", H * D]), m.give("heads", x)
    ids, streams = integers(2, 0, ROWS - 1, B, S), integers(3, 0, ROWS - 1, 3, B, S)
    m.give("ids", ids, INT64, ["batch", "rows"]), m.give("streams", streams, INT64)
    m.give("offset", Array([1], lambda i: 4), INT64)
    tables = {}
    for half in (4, 2):
        tables[half] = numbers(4 + half, ROWS, half), numbers(5 + half, ROWS, half)
        for name, t in zip(("cos", "sin"), tables[half]):
            m.give("%s%d" % (name, half), t)

    def node(op, name, positions, position, half=4, pairs=0, by=1, as_heads=False, **attributes):
        y = turned(x, half, pairs, position, *tables[half], by=by)
        m.node(op, ["heads" if as_heads else "flat", positions, "cos%d" % half, "sin%d" % half],
               [(name, y if as_heads else merged(y))], interleaved=pairs, **attributes)

    given = lambda b, s, k: ids(b, s)
    node("RotaryEmbedding", "plain", "ids", given)
    node("RotaryEmbedding", "from_offset", "offset", lambda b, s, k: 4 + s, as_heads=True, pairs=1)
    node("RotaryEmbedding", "part", "ids", given, half=2, num_heads=H, rotary_embedding_dim=4, scale=2.0)
    node("RotaryEmbedding", "packed", "ids", given, num_heads=H, is_packed_batching=1)
    follow = lambda b, s, k: streams((0, 0, 1, 2)[k], b, s)
    mixed = lambda b, s, k: streams((0, 1, 2, 0)[k], b, s)
    node("MRotaryEmbedding", "in_parts", "streams", follow, num_heads=H, mrope_section=[2, 1, 1])
    node("MRotaryEmbedding", "mixed", "streams", mixed, as_heads=True, mrope_section=[2, 1, 1],
         mrope_layout=1, pairs=1)
    node("MRotaryEmbedding", "scaled", "streams", lambda b, s, k: streams(k + 1, b, s), half=2, by=0.5,
         num_heads=H, rotary_embedding_dim=4, scale=0.5, mrope_section=[0, 1, 1])
    m.write("ms_rotary")


def gates():
    m, width = Nodes(), 4
    a, b, bias, scale = numbers(1, B, S, width), numbers(2, B, S, width), numbers(3, width), numbers(4, width)
    a.data[0], a.data[1], b.data[0] = 200, -200, -200
    for name, x in (("a", a), ("b", b), ("bias", bias), ("scale", scale)):
        m.give(name, x)
    sigmoid = lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0
    softplus = lambda x: max(x, 0) + math.log1p(math.exp(-abs(x)))
    decay = Array(a.dims, lambda n, s, i: scale(i) * softplus(a(n, s, i) + bias(i)))
    m.node("LinearAttentionGate", ["a", "bias", "scale", "b"],
           [("decay", decay), ("beta", Array(b.dims, lambda *at: sigmoid(b(*at))))])
    m.node("LinearAttentionGate", ["a", "bias", "scale"], [("decay_only", decay)])
    x, z = numbers(5, B, S, 8), numbers(6, B, S, 8)
    m.give("x", x), m.give("z", z)
    for name, epsilon in (("silu", 0), ("swish", 0), ("sigmoid", 0.25)):
        def normed(n, s, i):
            group = [x(n, s, j) for j in range(i // width * width, i // width * width + width)]
            deviation = math.sqrt(sum(v * v for v in group) / width + (epsilon or 1e-5))
            gate = sigmoid(z(n, s, i)) * (1 if name == "sigmoid" else z(n, s, i))
            return x(n, s, i) / deviation * scale(i % width) * gate
        more = {"epsilon": epsilon} if epsilon else {}
        m.node("GatedRMSNorm", ["x", "scale", "z"], [("norm_" + name, Array(x.dims, normed))],
               activation=name, **more)
    t = numbers(7, B, S, 1)
    m.give("t", t)
    m.node("GatedAdd", ["x", "z", "t"],
           [("sum", Array(x.dims, lambda n, s, i: x(n, s, i) + z(n, s, i) * t(n, s, 0)))])
    m.write("ms_gates")


if __name__ == "__main__":
    rotary()
    gates()
