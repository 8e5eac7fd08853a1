#!/usr/bin/env python3
"""Writes more models of tests/refused, called as refused.py is: control flow, sequences that a run decides, results of too many axes."""
import refused
from refused import *

models.clear()
MANY = "f32[1,1,1,1,1,1,1,1,1,1,1,1]"
TURN = [("i", "i64[]"), ("c", "bool[]")]
UNLIKE = [node("Unsqueeze", ["x0", "zero"], ["row"]), node("SequenceConstruct", ["x0", "row"], ["unlike"])]
ZERO = constant("zero", [1], [0])


def whole(name, nodes, inputs, outputs=(("y0", "f32"),), opset=21, domains={}):
    """inputs and outputs: (name, spec) as operand takes them."""
    models[name] = model(graph(nodes, [operand(n, s)[0] for n, s in inputs], [operand(n, s)[0] for n, s in outputs]), opset, domains)


def first_of(sequence):
    return [constant("first", [], [0]), node("SequenceAt", [sequence, "first"], ["y0"])]


def loop(body_outputs, nodes, carried=(), outputs=("y0",), given=("n", "go")):
    """A node; carried: (name outside, name inside, spec)."""
    return node("Loop", [*given, *[c[0] for c in carried]], outputs,
                body=body_of(TURN + [(c[1], c[2]) for c in carried], body_outputs, nodes))


GIVEN = [("n", "i64[]"), ("go", "bool[]")]

# ---- If ----
whole("if_lengths", [ZERO, *UNLIKE, node("SequenceConstruct", ["x0"], ["one"]),
                     node("If", ["b"], ["s"], then_branch=body_of([], ["t"], [node("SequenceInsert", ["unlike", "x0"], ["t"])]),
                          else_branch=body_of([], ["e"], [node("SequenceInsert", ["one", "x0"], ["e"])])), *first_of("s")],
      [("b", "bool[]"), ("x0", "f32[2]")])
whole("if_carried", [node("SequenceConstruct", ["x0"], ["s"]), node("SequenceConstruct", ["x0"], ["t"]),
                     loop(["c", "u", "v"], [node("If", ["c"], ["w"], then_branch=body_of([], ["p"], [node("Identity", ["u"], ["p"])]),
                                                 else_branch=body_of([], ["q"], [node("Identity", ["v"], ["q"])]))],
                          [("s", "u", "seq f32"), ("t", "v", "seq f32")], ["r", "z"]), *first_of("r")],
      GIVEN + [("x0", "f32[2]")])

# ---- Loop ----
whole("loop_condition_size", [loop(["c2", "w"], [node("Greater", ["w", "w"], ["c2"])], [("x0", "w", "f32[2]")])], GIVEN + [("x0", "f32[2]")])
whole("loop_items", [ZERO, *UNLIKE, loop(["c", "t"], [node("SequenceInsert", ["u", "x0"], ["t"])], [("unlike", "u", "seq f32")], ["s"]), *first_of("s")],
      GIVEN + [("x0", "f32[2]")])
whole("loop_no_item", [node("SequenceEmpty", [], ["e"]), loop(["c", "u"], [], [("e", "u", "seq f32")], ["s"]), *first_of("s")],
      GIVEN)
whole("loop_two_axes", [ZERO, constant("one", [], [1]),
                        loop(["c", "t"], [node("Add", ["i", "one"], ["m"]), node("Unsqueeze", ["m", "zero"], ["mm"]),
                                          node("Concat", ["mm", "mm"], ["d"], axis=0), node("Expand", ["x0", "d"], ["t"])])],
      GIVEN + [("x0", "f32[]")])
whole("loop_unknown_condition", [constant("n", [], [3]), constant("k0", [], [0]), constant("five", [], [5]), node("SequenceConstruct", ["x0"], ["s0"]),
                                 loop(["g", "k", "t"], [node("Less", ["k1", "five"], ["g"]), node("SequenceInsert", ["u", "x0"], ["t"])],
                                      [("k0", "k1", "i64[]"), ("s0", "u", "seq f32")], ["k2", "s"], ("n", "")), *first_of("s")],
      [("k", "i64[]"), ("x0", "f32[2]")])
whole("loop_map", [node("SequenceConstruct", ["x0"], ["s"]),
                   loop(["c", "t"], [node("SequenceMap", ["u"], ["t"], body=body_of([("a", "f32[2]")], ["a"]))],
                        [("s", "u", "seq f32")], ["r"]), *first_of("r")], GIVEN + [("x0", "f32[2]")])

# ---- Scan ----
row("scan_outputs", "Scan", ["f32[2]", "f32[2]", "f32[3,2]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[2]"), ("b", "f32[2]"), ("d", "f32[2]")], ["a"])})
row("scan_growing", "Scan", ["f32[3,4]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[4]")], ["z"], [node("NonZero", ["a"], ["z"])])})

# ---- sequences ----
whole("sequence_unknown_length", [node("SplitToSequence", ["x0", "p"], ["y0"])], [("x0", "f32[m]"), ("p", "i64[k]")], [("y0", "seq f32")])
whole("sequence_at_of_unlike", [ZERO, *UNLIKE, node("SequenceAt", ["unlike", "p"], ["y0"])], [("x0", "f32[2]"), ("p", "i64[]")])
whole("sequence_insert_unlike", [node("SplitToSequence", ["x0", "p"], ["s"]), node("SequenceInsert", ["s", "z"], ["t"]), *first_of("t")],
      [("x0", "f32[m]"), ("p", "i64[k]"), ("z", "f32[2,2]")])
whole("sequence_type", [node("SplitToSequence", ["x0", "p"], ["s"]), node("SequenceInsert", ["s", "z"], ["t"]), *first_of("t")],
      [("x0", "f32[m]"), ("p", "i64[k]"), ("z", "i32[2]")])
whole("sequence_map_unlike", [ZERO, *UNLIKE, node("SplitToSequence", ["x0", "p"], ["s"]),
                              node("SequenceMap", ["s", "unlike"], ["t"], body=body_of([("a", "f32[2]"), ("b", "f32[2]")], ["a"])), *first_of("t")],
      [("x0", "f32[m]"), ("p", "i64[k]")])
whole("sequence_many_axes", [node("SequenceConstruct", ["x0"], ["s"]), node("SequenceAt", ["s", "p"], ["y0"])], [("x0", MANY), ("p", "i64[]")])
whole("sequence_position", [node("SequenceEmpty", [], ["e"]), constant("n", [], [3000]), constant("many", [], [3001]),
                            loop(["c", "t"], [node("SequenceInsert", ["u", "x1"], ["t"]), node("Slice", ["x0", "zero", "length", "zero"], ["x1"]), node("Unsqueeze", ["i", "zero"], ["length"])],
                                 [("e", "u", "seq f32")], ["s"], ("n", "")), ZERO,
                            node("SequenceAt", ["s", "many"], ["y0"])], [("x0", "f32[9000]")])
whole("sequence_stack_many", [node("SplitToSequence", ["x0", "p"], ["s"]), node("ConcatFromSequence", ["s"], ["y0"], axis=0, new_axis=1)],
      [("x0", MANY.replace("[1", "[m", 1)), ("p", "i64[k]")])
whole("sequence_as_shape", [node("SequenceConstruct", ["p"], ["s"]), node("Reshape", ["x0", "s"], ["y0"])], [("x0", "f32[2]"), ("p", "i64[1]")])

# ---- sizes ----
row("matmul_batch", "MatMul", ["f32[2,3,4]", "f32[3,4,5]"])
ms("unfold_many", "UnfoldTensor", [MANY], {"size": 1})
ms("expand_dims_many", "ExpandDims", [MANY, "i32[1]=0"])
row("string_split_many", "StringSplit", [MANY.replace("f32", "str")], outputs=2)
FOREST = {"aggregate_function": 1, "leaf_targetids": [0, 0], "leaf_weights": dense([2], [1.0, 2.0]), "n_targets": 1, "nodes_falseleafs": [1],
          "nodes_falsenodeids": [1], "nodes_featureids": [0], "nodes_modes": ("tensor", tensor("", [1], [6], UINT8)), "nodes_splits": dense([1], [0.5]),
          "nodes_trueleafs": [1], "nodes_truenodeids": [0], "post_transform": 0, "tree_roots": [0], "membership_values": dense([4], [1.0, float("nan"), 2.0, float("nan")])}
ml("tree_members", "TreeEnsemble", ["f32[1,1]"], FOREST, version=5)

row("expand_size", "Expand", ["f32[2,3]", "i64[2]=2,4"])
row("reshape_elements", "Reshape", ["f32[2,3]", "i64[2]=2,2"])
whole("two_errors", [node("Softmax", ["x0"], ["y0"], axis=9), node("Reshape", ["x0", "p"], ["y1"])], [("x0", "f32[2]"), ("p", "i64[2,2]")],
      [("y0", "f32"), ("y1", "f32")])
row("pool_axes", "MaxPool", ["f32[1,1,2,2,2,2,2,2]"], {"kernel_shape": [1] * 6})
row("types_together", "QLinearMatMul", ["i8[2,4]", "f32[1]", "i8[1]", "f32[4,2]", "f32[1]", "i8[1]", "f32[1]", "i8[1]"])
row("batch_norm_outputs", "BatchNormalization", ["f32[1,2,3]"] + ["f32[2]"] * 4, outputs=3, opset=15)
whole("custom_size", [node("Wave", ["x0"], ["y0"], "com.example")], [("x0", "f32[n]")], [("y0", "f32[m]")], domains={"com.example": 1})
row("flag_value", "ReduceSum", ["f32[2,3]"], {"keepdims": 2})
row("triu_offset", "Trilu", ["f32[2,3]", "bool[]"])
whole("sequence_insert_axes", [node("SequenceConstruct", ["x0"], ["s"]), node("SequenceInsert", ["s", "x0", "p"], ["t"]), *first_of("t")],
      [("x0", MANY), ("p", "i64[]")])

# ---- attributes, functions, files ----
models["constant_no_tensor"] = model(graph([field(2, "y0") + field(4, "Constant") + field(5, field(1, "value") + field(20, 4))], [], [value("y0", FLOAT)]), 21)
models["function_attributes"] = model(graph([node("own", ["x"], ["y"], "own")], [value("x", FLOAT, [2])], [value("y", FLOAT)]), 21, {"own": 1}) + field(
    25, field(1, "own") + field(4, "x") + field(5, "y") + field(7, node("Relu", ["x"], ["y"])) + field(9, field(1, "") + field(2, 21)) + field(10, "own") +
    fields(11, [attribute("a%d" % i, 1) for i in range(1025)]))
models["model_newer"] = field(1, 99) + field(8, field(1, "") + field(2, 99)) + field(7, graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT, [2])], [value("y", FLOAT)]))


def external(location):
    entry = field(13, field(1, "location") + field(2, location))
    return model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)], [field(1, 1) + field(2, 1) + field(8, "w") + entry + field(14, 1)]), 21)


models["external_name"] = external("w" * 300)
models["external_pointer"] = external("external_pointer.bin")

if __name__ == "__main__":
    with open(os.path.join(FOLDER, "external_pointer.bin"), "w") as f:
        f.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n")
    main()
