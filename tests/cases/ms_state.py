#!/usr/bin/env python3
"""Cases of com.microsoft's CausalConvWithState and LinearAttention."""
from attention import *

B = 2


def causal_conv():
    m, channels, length, taps = Nodes(), 3, 4, 3
    x, w, bias = numbers(1, B, channels, length), numbers(2, channels, 1, taps), numbers(3, channels)
    m.give("x", x, dims=["batch", channels, "length"]), m.give("w", w), m.give("bias", bias)
    m.give("x_last", Array([B, length, channels], lambda b, i, c: x(b, c, i)))
    for dilation, name, silu in ((1, "none", False), (2, "silu", True), (1, "swish", True)):
        before = (taps - 1) * dilation
        past = numbers(3 + dilation, B, channels, before)
        row = lambda b, c, i: past(b, c, i) if i < before else x(b, c, i - before)

        def y(b, c, i):
            total = bias(c) + sum(w(c, 0, t) * row(b, c, i + t * dilation) for t in range(taps))
            return total / (1 + math.exp(-total)) if silu else total
        after = lambda b, c, i: row(b, c, length + i)
        case = "%s%d" % (name, dilation)
        m.give("past_" + case, past)
        m.give("last_" + case, Array([B, before, channels], lambda b, i, c: past(b, c, i)))
        more = {"dilation": dilation} if dilation > 1 else {}
        m.node("CausalConvWithState", ["x", "w", "bias", "past_" + case],
               [("y_" + case, Array(x.dims, y)), ("next_" + case, Array(past.dims, after))],
               activation=name, ndim=1, **more)
        m.node("CausalConvWithState", ["x_last", "w", "bias", "last_" + case],
               [("y_last_" + case, Array([B, length, channels], lambda b, i, c: y(b, c, i))),
                ("next_last_" + case, Array([B, before, channels], lambda b, i, c: after(b, c, i)))],
               activation=name, channels_last=1, **more)
    m.node("CausalConvWithState", ["x", "w"],
           [("bare", Array(x.dims, lambda b, c, i: sum(
               w(c, 0, t) * x(b, c, i + t - 2) for t in range(taps) if i + t >= 2))),
            ("bare_next", Array([B, channels, 2], lambda b, c, i: x(b, c, length - 2 + i)))])
    m.write("ms_causal_conv")


def linear_attention():
    m, steps, dk, dv = Nodes(), 3, 4, 2
    rules = ["linear", "gated", "delta", "gated_delta", "gated_delta", "gated_delta", "gated"]
    heads_of = [(4, 2, 2), (2, 2, 2), (4, 2, 2), (4, 2, 2), (2, 4, 4), (2, 4, 1), (4, 4, 2)]
    for n, (rule, (qh, states, kh)) in enumerate(zip(rules, heads_of)):
        fine, one, scale = n % 2 == 1, n == 5, 0.75 if n == 3 else 0
        q, k, v = (numbers(10 * n + i, B, steps, w, steps=6) for i, w in
                   ((1, qh * dk), (2, kh * dk), (3, states * dv)))
        past = numbers(10 * n + 4, B, states, dk, dv, steps=6)
        decay = numbers(10 * n + 5, B, steps, states * dk if fine else states, steps=6)
        decay.data = [-abs(x) for x in decay.data]
        beta = numbers(10 * n + 6, B, steps, 1 if one else states, steps=6)
        out = max(qh, states)
        state, y = [past(*at) for at in ((b, h, i, j) for b in range(B) for h in range(states)
                                         for i in range(dk) for j in range(dv))], {}
        for b in range(B):
            for t in range(steps):
                for h in range(states):
                    at = lambda i, j: ((b * states + h) * dk + i) * dv + j
                    key = [k(b, t, h * kh // states * dk + i) for i in range(dk)]
                    if "gated" in rule:
                        for i in range(dk):
                            rate = math.exp(decay(b, t, h * dk + i if fine else h))
                            for j in range(dv):
                                state[at(i, j)] *= rate
                    for j in range(dv):
                        new = v(b, t, h * dv + j)
                        if "delta" in rule:
                            found = sum(state[at(i, j)] * key[i] for i in range(dk))
                            new = beta(b, t, 0 if one else h) * (new - found)
                        for i in range(dk):
                            state[at(i, j)] += key[i] * new
                for h in range(out):
                    s = b * states + h * states // out
                    for j in range(dv):
                        total = sum(q(b, t, h * qh // out * dk + i) * state[(s * dk + i) * dv + j]
                                    for i in range(dk))
                        y[b, t, h * dv + j] = total * (scale or 1 / math.sqrt(dk))
        names = ["%s%d" % (name, n) for name in ("q", "k", "v", "past", "decay", "beta")]
        if "gated" not in rule:
            names[4] = ""
        if "delta" not in rule:
            names[5] = ""
        for name, x in zip(names, (q, k, v, past, decay, beta)):
            if name:
                m.give(name, x)
        after = Array(past.dims, lambda *_: 0)
        after.data = state
        attributes = {"scale": scale} if scale else {}
        if n != 3:
            attributes["update_rule"] = rule
        m.node("LinearAttention", names,
               [("y%d" % n, Array([B, steps, out * dv], lambda *at: y[at])), ("state%d" % n, after)],
               q_num_heads=qh, kv_num_heads=states, **attributes)
    m.write("ms_linear_attention")


if __name__ == "__main__":
    causal_conv()
    linear_attention()
