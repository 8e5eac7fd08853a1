#!/usr/bin/env python3
"""Writes the cases of attention in this folder, as make.py does. Their values come from one plain
definition: a softmax over the keys that a query may see, and zeros where it may see none."""
import math
import random

from make import case
from onnx_text import *

MS = {"com.microsoft": 1}


class Array:
    """A tensor of numbers in row-major order, made from a function of its indices."""

    def __init__(self, dims, element):
        self.dims, self.data = list(dims), []
        self.fill([], element)

    def fill(self, at, element):
        if len(at) == len(self.dims):
            self.data.append(element(*at))
        else:
            for i in range(self.dims[len(at)]):
                self.fill(at + [i], element)

    def __call__(self, *at):
        place = 0
        for i, d in zip(at, self.dims):
            assert 0 <= i < d, (at, self.dims)
            place = place * d + i
        return self.data[place]

    def tensor(self, name, elem=FLOAT):
        return tensor(name, self.dims, self.data, elem)


def numbers(seed, *dims, steps=16):
    """Eighths, so that they are exact in every type."""
    source = random.Random(seed)
    return Array(dims, lambda *_: source.randrange(-steps, steps + 1) / 8)


def integers(seed, lo, hi, *dims):
    source = random.Random(seed)
    return Array(dims, lambda *_: source.randrange(lo, hi + 1))


def heads(x, count):
    """[B, S, H D] -> [B, H, S, D]"""
    b, s, width = x.dims
    d = width // count
    return Array([b, count, s, d], lambda b, h, s, i: x(b, s, h * d + i))


def merged(x):
    b, h, s, d = x.dims
    return Array([b, s, h * d], lambda b, s, i: x(b, i // d, s, i % d))


def rows(x, start, stop):
    dims = x.dims[:2] + [stop - start, x.dims[3]]
    return Array(dims, lambda b, h, s, i: x(b, h, start + s, i))


def joined(*parts):
    """Along the rows."""
    b, h, _, d = parts[0].dims
    owner = [(p, r) for p in parts for r in range(p.dims[2])]
    return Array([b, h, len(owner), d],
                 lambda b, h, s, i: owner[s][0](b, h, owner[s][1], i))


def side_by_side(x, y, z):
    """[B, S, ...] of three, along the last axis."""
    owner = [(p, c) for p in (x, y, z) for c in range(p.dims[2])]
    return Array(x.dims[:2] + [len(owner)], lambda b, s, i: owner[i][0](b, s, owner[i][1]))


def attend(q, k, v, allowed=lambda *_: True, change=lambda x, *_: x, scale=0, sink=None):
    """The result, the scores with `change`, the weights. q [B, H, S, D], k and v [B, G, T, ...];
    allowed, change: of b, h, i, j; sink: of h, a score that has no value."""
    b, h, s, d = q.dims
    share, t = h // k.dims[1], k.dims[2]
    scale = scale or 1 / math.sqrt(d)
    scores = Array([b, h, s, t], lambda b, h, i, j: change(
        scale * sum(q(b, h, i, c) * k(b, h // share, j, c) for c in range(d)), b, h, i, j))
    p = Array([b, h, s, t], lambda *_: 0.0)
    for at in range(b * h * s):
        where = at // (h * s), at // s % h, at % s
        seen = [j for j in range(t) if allowed(*where, j) and scores(*where, j) > -math.inf]
        known = [scores(*where, j) for j in seen] + ([sink(where[1])] if sink else [])
        total = sum(math.exp(x - max(known)) for x in known)
        for j in seen:
            p.data[at * t + j] = math.exp(scores(*where, j) - max(known)) / total
    y = Array([b, h, s, v.dims[3]], lambda b, h, i, c: sum(
        p(b, h, i, j) * v(b, h // share, j, c) for j in range(t)))
    return y, scores, p


# ---- models of several nodes over the same inputs ----

class Nodes:
    """Inputs and nodes with the values that are right for them."""

    def __init__(self):
        self.inputs, self.outputs, self.nodes, self.given, self.wanted = [], [], [], [], []

    def give(self, name, array, elem=FLOAT, dims=None):
        self.inputs.append(value(name, elem, dims or array.dims))
        self.given.append(array.tensor(name, elem))
        return name

    def node(self, op, inputs, outputs, domain="com.microsoft", **attributes):
        """outputs: pairs of a name and an Array, or (name, Array, elem); None: not asked for."""
        self.nodes.append(node(op, inputs, [o[0] if o else "" for o in outputs], domain,
                               **attributes))
        for o in outputs:
            if o:
                elem = o[2] if len(o) > 2 else FLOAT
                self.outputs.append(value(o[0], elem, o[1].dims))
                self.wanted.append(o[1].tensor(o[0], elem))

    def write(self, name, opset=18):
        case(name, graph(self.nodes, self.inputs, self.outputs), [(self.given, self.wanted)], opset,
             MS)
