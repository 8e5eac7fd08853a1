#!/usr/bin/env python3
"""Writes the models of tests/fused: attention of real sizes, each of which must become one kernel."""
import os

from attention import *

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fused")
H, G, D = 8, 2, 32
ROWS, KEYS = ["batch", "rows", H * D], ["batch", "rows", G * D]


def write(name, op, inputs, outputs, before=(), domain="com.microsoft", given=None, **attributes):
    """inputs: names with an element type and dims; given: names that the node reads, if not these."""
    nodes = [*before, node(op, given or [i[0] if i else "" for i in inputs], outputs, domain, **attributes)]
    with open(os.path.join(FOLDER, name + ".onnx"), "wb") as f:
        f.write(model(graph(nodes, [value(*i) for i in inputs if i],
                            [value(o, FLOAT) for o in outputs]), 25, MS))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    q, k, v = (("q", FLOAT, ROWS), ("k", FLOAT, ROWS), ("v", FLOAT, ROWS))
    write("multihead", "MultiHeadAttention", [q, k, v, None, ("mask", INT32, ["batch", "rows"])], ["y"],
          num_heads=H, unidirectional=1)
    write("multihead_lengths", "MultiHeadAttention", [q, k, v, None, ("lengths", INT32, ["batch"])],
          ["y"], num_heads=H)
    write("multihead_bias", "MultiHeadAttention",
          [q, k, v, None, None, ("bias", FLOAT, [1, H, "rows", "rows"])], ["y"], num_heads=H)
    write("multihead_packed", "MultiHeadAttention", [("q", FLOAT, ["batch", "rows", H, 3, D])], ["y"],
          num_heads=H)
    cache = [("pk", FLOAT, ["batch", H, "past", D]), ("pv", FLOAT, ["batch", H, "past", D])]
    write("multihead_past", "MultiHeadAttention", [q, k, v, None, None, None, *cache],
          ["y", "k_out", "v_out"], num_heads=H, unidirectional=1)
    # Lengths as ONNX Runtime's generators make them: from the attention mask.
    lengths = [constant("one", [], [1]), constant("axis", [1], [1]), node("Shape", ["mask"], ["dims"]),
               node("Gather", ["dims", "one"], ["all"], axis=0), node("Cast", ["all"], ["total"], to=6),
               node("ReduceSum", ["mask", "axis"], ["sum"], keepdims=0),
               node("Sub", ["sum", "one"], ["last"]), node("Cast", ["last"], ["valid"], to=6)]
    cache = [("pk", FLOAT, ["batch", G, "past", D]), ("pv", FLOAT, ["batch", G, "past", D])]
    group = [("q", FLOAT, ROWS), ("k", FLOAT, KEYS), ("v", FLOAT, KEYS), *cache,
             ("mask", INT64, ["batch", "total"])]
    for name, more in (("group_query", {}), ("group_query_window", {"local_window_size": 64})):
        write(name, "GroupQueryAttention", group, ["y", "k_out", "v_out"], lengths,
              given=["q", "k", "v", "pk", "pv", "valid", "total"], num_heads=H, kv_num_heads=G, **more)
    heads_of = lambda name, rows: (name, FLOAT, ["batch", H, rows, D])
    write("window", "Attention", [heads_of("q", "rows"), heads_of("k", "keys"), heads_of("v", "keys")],
          ["y"], domain="", left_window_size=64, right_window_size=0)
    write("filled", "Attention", [heads_of("q", "rows"), heads_of("k", "keys"), heads_of("v", "keys"),
                                  None, None, None, ("filled", INT64, ["batch"])],
          ["y"], domain="", is_causal=1)


if __name__ == "__main__":
    main()
