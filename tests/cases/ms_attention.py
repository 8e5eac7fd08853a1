#!/usr/bin/env python3
"""Cases of com.microsoft's MultiHeadAttention, DecoderMaskedMultiHeadAttention and Attention."""
from attention import *

B, S, T, H, D = 2, 3, 5, 2, 4
LOWEST = -3.4028234663852886e38
DIMS = ["batch", "rows", H * D]


def causal(past=0):
    return lambda b, h, i, j: j <= i + past


def padded(mask, by=-10000.0):
    """The change of a score by a mask of rank 2 or 3."""
    at = mask if len(mask.dims) == 3 else lambda b, i, j: mask(b, j)
    return lambda x, b, h, i, j: x if at(b, i, j) > 0 else x + by


def with_lowest(scores, allowed):
    return Array(scores.dims, lambda *at: scores(*at) if allowed(*at) else LOWEST)


def multihead_masks():
    m = Nodes()
    q, k, v = numbers(1, B, S, H * D), numbers(2, B, S, H * D), numbers(3, B, S, H * D)
    q4, k4, v4 = heads(q, H), heads(k, H), heads(v, H)
    x = [m.give("q", q, dims=DIMS), m.give("k", k, dims=DIMS), m.give("v", v, dims=DIMS)]
    left = integers(5, 0, 1, B, S)
    left.data = [0, 1, 1, 0, 0, 1]
    full = integers(6, -1, 2, B, S, S)
    m.give("left", left, INT32, ["batch", "rows"])
    m.give("full", full, INT32, ["batch", "rows", "rows"])
    lengths, packed = Array([B], lambda b: 2 + b), Array([3 * B + 2], lambda i: [2, 3][i] if i < B else i)
    m.give("lengths", lengths, INT32, ["batch"])
    m.give("packed", packed, INT32)
    ends = lambda x, b, h, i, j: x if j < lengths(b) else x - 10000
    m.node("MultiHeadAttention", x, [("plain", merged(attend(q4, k4, v4)[0]))], num_heads=H)
    m.node("MultiHeadAttention", x, [("scaled", merged(attend(q4, k4, v4, scale=0.75)[0]))],
           num_heads=H, scale=0.75)
    for name, change in (("left", padded(left)), ("full", padded(full)), ("lengths", ends),
                         ("packed", ends)):
        y = attend(q4, k4, v4, change=change)[0]
        m.node("MultiHeadAttention", x + ["", name], [("by_" + name, merged(y))], num_heads=H)
    y, scores, _ = attend(q4, k4, v4, causal(), padded(left, -1.5))
    m.node("MultiHeadAttention", x + ["", "left"],
           [("both", merged(y)), None, None, ("scores", with_lowest(scores, causal()))],
           num_heads=H, unidirectional=1, mask_filter_value=-1.5)
    hidden = lambda b, h, i, j: left(b, j) > 0
    m.node("MultiHeadAttention", x + ["", "left"],
           [("forbidden", merged(attend(q4, k4, v4, hidden)[0]))],
           num_heads=H, mask_filter_value=-math.inf)
    for i, dims in enumerate(([1, 1, S, S], [B, 1, S, S], [1, H, S, S], [B, H, S, S])):
        bias = numbers(10 + i, *dims)
        if i == 1:  # a query that sees nothing
            bias.data[S:2 * S] = [-math.inf] * S
        add = lambda x, b, h, i, j: x + bias(b % dims[0], h % dims[1], i, j)
        y, scores, _ = attend(q4, k4, v4, change=add)
        m.give("bias%d" % i, bias)
        m.node("MultiHeadAttention", x + ["", "", "bias%d" % i],
               [("biased%d" % i, merged(y)), None, None, ("scores%d" % i, scores)], num_heads=H)
    m.write("ms_multihead_masks")


def multihead_operands():
    m = Nodes()
    q, k, v, bias = numbers(1, B, S, H * D), numbers(2, B, T, H * D), numbers(3, B, T, H * 3), \
        numbers(4, 2 * H * D + H * 3)
    plus = lambda x, at: Array(x.dims, lambda b, s, i: x(b, s, i) + bias(at + i))
    for name, x in (("q", q), ("k", k), ("v", v), ("bias", bias)):
        m.give(name, x)
    qb, kb, vb = heads(plus(q, 0), H), heads(plus(k, H * D), H), heads(plus(v, 2 * H * D), H)
    m.node("MultiHeadAttention", ["q", "k", "v", "bias"],
           [("cross", merged(attend(qb, kb, vb)[0])), ("cross_k", kb), ("cross_v", vb)], num_heads=H)
    kh, vh = heads(k, H), numbers(7, B, H, T, D)
    m.give("kh", kh), m.give("vh", vh)
    m.node("MultiHeadAttention", ["q", "kh", "vh"],
           [("given_heads", merged(attend(heads(q, H), kh, vh)[0]))], num_heads=H)
    m.give("long_bias", Array([3 * H * D], lambda i: bias(i) if i < H * D else 9))
    m.node("MultiHeadAttention", ["q", "kh", "vh", "long_bias"],
           [("given_heads_bias", merged(attend(qb, kh, vh)[0]))], num_heads=H)
    parts = [numbers(20 + i, B, S, H * D) for i in range(3)]
    m.give("qkv", Array([B, S, H, 3, D], lambda b, s, h, p, i: parts[p](b, s, h * D + i)))
    m.node("MultiHeadAttention", ["qkv"],
           [("all_packed", merged(attend(*(heads(p, H) for p in parts))[0]))], num_heads=H)
    m.give("kv", Array([B, S, H, 2, D], lambda b, s, h, p, i: parts[1 + p](b, s, h * D + i)))
    m.node("MultiHeadAttention", ["q", "kv"],
           [("packed", merged(attend(heads(q, H), heads(parts[1], H), heads(parts[2], H))[0]))],
           num_heads=H)
    m.write("ms_multihead_operands")


def multihead_past():
    m = Nodes()
    q, k, v = (numbers(1 + i, B, S, H * D) for i in range(3))
    pk, pv = numbers(4, B, H, 2, D), numbers(5, B, H, 2, D)
    for name, x in (("q", q), ("k", k), ("v", v)):
        m.give(name, x, dims=DIMS)
    for name, x in (("pk", pk), ("pv", pv)):
        m.give(name, x, dims=["batch", H, "past", D])
    all_k, all_v = joined(pk, heads(k, H)), joined(pv, heads(v, H))
    past = ["q", "k", "v", "", "", "", "pk", "pv"]
    m.node("MultiHeadAttention", past,
           [("y", merged(attend(heads(q, H), all_k, all_v, causal(2))[0])), ("k_out", all_k),
            ("v_out", all_v)], num_heads=H, unidirectional=1)
    mask = integers(6, 0, 1, B, S + 2)
    m.give("mask", mask, INT32)
    past[4] = "mask"
    m.node("MultiHeadAttention", past,
           [("masked", merged(attend(heads(q, H), all_k, all_v, change=padded(mask))[0])),
            ("k_masked", all_k), ("v_masked", all_v)], num_heads=H)
    m.write("ms_multihead_past")


def one_row(seed):
    return numbers(seed, B, 1, H * D)


def buffers(m, room):
    """Operands of one step whose caches are buffers with `room` rows, of which three count."""
    q, k, v = one_row(1), one_row(2), one_row(3)
    pk, pv = numbers(4, B, H, room, D), numbers(5, B, H, room, D)
    for name, x in (("q", q), ("k", k), ("v", v), ("pk", pk), ("pv", pv)):
        m.give(name, x)
    m.give("filled", Array([1], lambda i: 3), INT32)
    write = lambda old, new: joined(rows(old, 0, 3), new, rows(old, 4, room))
    return heads(q, H), heads(k, H), heads(v, H), pk, pv, write


def beams(which, past):
    """Rows of the beam that is meant; two beams a batch."""
    return Array(past.dims, lambda b, h, s, i: past(b // 2 * 2 + which(b // 2, b % 2, s), h, s, i))


def multihead_buffer():
    m, room = Nodes(), 6
    q, k, v, pk, pv, write = buffers(m, room)
    all_k, all_v = joined(rows(pk, 0, 3), k), joined(rows(pv, 0, 3), v)
    inputs = ["q", "k", "v", "", "", "", "pk", "pv", "filled"]
    y, scores, _ = attend(q, all_k, all_v)
    m.node("MultiHeadAttention", inputs,
           [("y", merged(y)), ("k_out", write(pk, k)), ("v_out", write(pv, v)), ("scores", scores)],
           num_heads=H)
    which = integers(6, 0, 1, 1, B, room)
    m.give("which", which, INT32)
    all_k, all_v = joined(rows(beams(which, pk), 0, 3), k), joined(rows(beams(which, pv), 0, 3), v)
    m.node("MultiHeadAttention", inputs + ["which"],
           [("beams", merged(attend(q, all_k, all_v)[0])), ("beams_k", write(pk, k)),
            ("beams_v", write(pv, v))], num_heads=H)
    m.write("ms_multihead_buffer")


def decoder():
    m, room = Nodes(), 6
    q, k, v, pk, pv, write = buffers(m, room)
    which, mask, bias = integers(6, 0, 1, 1, B, room), integers(7, 0, 1, B, 4), numbers(8, 1, H, 1, 4)
    m.give("which", which, INT32), m.give("mask", mask, INT32), m.give("bias", bias)
    m.give("width", Array([1], lambda i: 2), INT32)
    all_k, all_v = joined(rows(beams(which, pk), 0, 3), k), joined(rows(beams(which, pv), 0, 3), v)
    inputs = ["q", "k", "v", "mask", "bias", "pk", "pv", "filled", "width", "which"]
    change = lambda x, *at: padded(mask, -2.0)(x + bias(0, *at[1:]), *at)
    y, scores, _ = attend(q, all_k, all_v, change=change, scale=0.625)
    m.node("DecoderMaskedMultiHeadAttention", inputs,
           [("y", merged(y)), ("k_out", write(pk, k)), ("v_out", write(pv, v)), ("scores", scores)],
           num_heads=H, past_present_share_buffer=1, scale=0.625, mask_filter_value=-2.0, output_qk=1)
    first = numbers(9, 3 * H * D)
    m.give("first", first)
    plus = lambda x, at: Array(x.dims, lambda b, h, s, i: x(b, h, s, i) + first(at + h * D + i))
    k, v = plus(k, H * D), plus(v, 2 * H * D)
    y, _, _ = attend(plus(q, 0), joined(rows(pk, 0, 3), k), joined(rows(pv, 0, 3), v))
    m.node("DecoderMaskedMultiHeadAttention", ["q", "k", "v", "", "", "pk", "pv", "filled", "", "", "first"],
           [("y_bias", merged(y)), ("k_bias", write(pk, k)), ("v_bias", write(pv, v))], num_heads=H,
           past_present_share_buffer=1)
    m.node("DecoderMaskedMultiHeadAttention", ["q", "pk", "pv"],
           [("cross", merged(attend(q, pk, pv)[0]))], num_heads=H)
    m.write("ms_decoder")


def attention():
    m, width = Nodes(), 3
    x, w, bias = numbers(1, B, S, width), numbers(2, width, 3 * H * D), numbers(3, 3 * H * D)
    m.give("x", x, dims=["batch", "rows", width]), m.give("w", w), m.give("b", bias)
    m.give("uneven_w", Array([width, 2 * H * D + 2 * H], lambda i, j: w(i, j)))

    def parts(sizes=(H * D,) * 3, bias=bias):
        starts = [0, sizes[0], 2 * sizes[0]]
        at = lambda b, s, c: sum(x(b, s, i) * w(i, c) for i in range(width)) + (bias(c) if bias else 0)
        return [heads(Array([B, S, n], lambda b, s, i: at(b, s, o + i)), H)
                for o, n in zip(starts, sizes)]

    q, k, v = parts()
    past = numbers(4, 2, B, H, 2, D)
    m.give("past", past, dims=[2, "batch", H, "before", D])
    before = [Array([B, H, 2, D], lambda *at: past(0, *at)), Array([B, H, 2, D], lambda *at: past(1, *at))]
    all_k, all_v = joined(before[0], k), joined(before[1], v)
    present = Array([2, B, H, S + 2, D], lambda p, *at: (all_v if p else all_k)(*at))
    m.node("Attention", ["x", "w", "b"], [("plain", merged(attend(q, k, v)[0]))], num_heads=H)
    m.node("Attention", ["x", "w"], [("no_bias", merged(attend(*parts(bias=None))[0]))], num_heads=H,
           unidirectional=0)
    m.node("Attention", ["x", "uneven_w"],
           [("uneven", merged(attend(*parts((H * D, H * D, 2 * H), None), scale=0.25)[0]))],
           num_heads=H, qkv_hidden_sizes=[H * D, H * D, 2 * H], scale=0.25)
    m.node("Attention", ["x", "w", "b", "", "past"],
           [("y", merged(attend(q, all_k, all_v, causal(2))[0])), ("present", present)],
           num_heads=H, unidirectional=1)
    ends = Array([2 * B], lambda i: [2, 3, 1, 0][i])
    m.give("ends", ends, INT32)
    within = lambda x, b, h, i, j: x if ends(B + b) <= j < ends(b) else x - 4
    m.node("Attention", ["x", "w", "b", "ends"],
           [("by_ends", merged(attend(q, k, v, causal(), within)[0]))], num_heads=H,
           mask_filter_value=-4.0, unidirectional=1)
    m.give("same", Array([B, 1], lambda b, i: b), INT32)
    m.node("Attention", ["x", "w", "b", "same"], [("by_same", merged(attend(q, k, v)[0]))], num_heads=H)
    square = integers(5, 0, 1, B, 1, 6, 6)
    m.give("square", square, INT32)
    m.node("Attention", ["x", "w", "b", "square", "past"],
           [("by_square", merged(attend(q, all_k, all_v, change=lambda x, b, h, i, j:
                                        x if square(b, 0, i + 2, j) else x - 10000)[0]))], num_heads=H)
    add = numbers(6, B, 1, S, S)
    m.give("add", add)
    m.node("Attention", ["x", "w", "b", "", "", "add"],
           [("biased", merged(attend(q, k, v, change=lambda x, b, h, i, j: x + add(b, 0, i, j))[0]))],
           num_heads=H)
    m.write("ms_attention")


if __name__ == "__main__":
    multihead_masks()
    multihead_operands()
    multihead_past()
    multihead_buffer()
    decoder()
    attention()
