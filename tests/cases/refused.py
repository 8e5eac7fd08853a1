#!/usr/bin/env python3
"""Writes models of tests/refused: each is one node that is refused, or a file that is damaged in one place.

    python3 tests/cases/refused.py             writes NAME.onnx
    python3 tests/cases/refused.py LATHE       writes NAME.txt too where there is none: what LATHE says, to be read

The text beside a model is what `lathe check` must say of it (tests/cli/refused.sh)."""
import os
import re
import subprocess
import sys

from onnx_text import *

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "refused")
ELEMS = {"f32": FLOAT, "u8": UINT8, "i8": INT8, "i32": INT32, "i64": INT64, "str": STRING, "bool": BOOL, "f16": FLOAT16,
         "f64": DOUBLE, "u16": 4, "c64": 14, "u4": 21}
ML = {"ai.onnx.ml": 5}
MICROSOFT = {"com.microsoft": 1}
models = {}


def operand(name, spec):
    """(input, initializer): "f32[2,n]" is an input, "i64[2]=1,2" an initializer, "seq f32" a sequence."""
    if spec.startswith("seq "):
        return sequence(name, ELEMS[spec[4:]]), None
    if spec.startswith("opt "):
        return optional(name, FLOAT, [2]), None
    elem, dims, data = re.fullmatch(r"(\w+)(?:\[(.*?)\])?(?:=(.*))?", spec).groups()
    elem = ELEMS[elem]
    dims = None if dims is None else [int(d) if d.isdigit() else d for d in dims.split(",") if d]
    if data is None:
        return value(name, elem, dims), None
    convert = float if elem in (FLOAT, DOUBLE, FLOAT16) else int
    return None, tensor(name, dims or [], [convert(v) for v in data.split(",") if v], elem)


def row(name, op, inputs, attributes={}, outputs=1, opset=21, domain="", domains={}, extra=()):
    operands = [("x%d" % k, spec) for k, spec in enumerate(inputs) if spec]
    pairs = [operand(n, spec) for n, spec in operands]
    names = ["x%d" % k if spec else "" for k, spec in enumerate(inputs)]
    outs = ["y%d" % k for k in range(outputs)]
    body = graph([*extra, node(op, names, outs, domain, **attributes)], [i for i, _ in pairs if i],
                 [value(o, FLOAT) for o in outs], [t for _, t in pairs if t])
    models[name] = model(body, opset, domains)


def ms(name, op, inputs, attributes={}, outputs=1):
    row(name, op, inputs, attributes, outputs, 21, "com.microsoft", MICROSOFT)


def ml(name, op, inputs, attributes={}, outputs=1, version=3):
    row(name, op, inputs, attributes, outputs, 21, "ai.onnx.ml", {"ai.onnx.ml": version})


def body_of(inputs, outputs, nodes=()):
    """A subgraph; inputs and outputs as in row."""
    return ("graph", graph(nodes, [operand(n, s)[0] for n, s in inputs], [value(n, FLOAT) for n in outputs]))


def dense(dims, values, elem=FLOAT):
    return ("tensor", tensor("", dims, values, elem))


# ---- ranks and shapes that many operators ask for ----
row("matmul_scalar", "MatMul", ["f32[]", "f32[2]"])
row("matmul_inner", "MatMul", ["f32[2,3]", "f32[4,5]"])
row("add_shapes", "Add", ["f32[2,3]", "f32[2,4]"])
row("axis_outside", "Softmax", ["f32[2,3]"], {"axis": 2})
row("attribute_zero_byte", "DepthToSpace", ["f32[1,4,2,2]"], {"blocksize": 2, "mode": "D\0R"})
row("opset_too_old", "Erf", ["f32[2]"], opset=8)
row("top_k_numbers", "TopK", ["f32[2,3]", "i64[2]=1,2"], outputs=2)

# ---- casts, constants ----
row("cast_to_nothing", "Cast", ["f32[2]"], {"to": 99})
row("cast_to_complex", "Cast", ["f32[2]"], {"to": 14})
row("cast_round_mode", "Cast", ["f32[2]"], {"to": 24, "round_mode": "sideways"}, opset=24)
row("bitcast_width", "BitCast", ["f32[2]"], {"to": INT64}, opset=26)
row("bitcast_to_complex", "BitCast", ["f32[2]"], {"to": 14}, opset=26)
row("constant_of_nothing", "Constant", [])
row("fill_two_values", "ConstantOfShape", ["i64[1]=2"], {"value": dense([2], [1, 2])})
row("fill_rank", "ConstantOfShape", ["i64[13]=1,1,1,1,1,1,1,1,1,1,1,1,1"])
row("fill_negative", "ConstantOfShape", ["i64[1]=-1"])
row("range_step", "Range", ["i64[]=0", "i64[]=3", "i64[]=0"])
row("eye_dtype", "EyeLike", ["f32[2,2]"], {"dtype": 14})
row("one_hot_depth", "OneHot", ["i64[2]", "i64[2]=3,4", "f32[2]"])

# ---- control flow ----
row("if_outputs", "If", ["bool[]"], {"then_branch": body_of([], ["a"], [constant("a", [1], [1])]),
                                     "else_branch": body_of([], [], [constant("b", [1], [1])])})
row("loop_outputs", "Loop", ["i64[]", "bool[]", "f32[2]"],
    {"body": body_of([("i", "i64[]"), ("c", "bool[]"), ("x", "f32[2]")], ["c"])})
row("loop_carried_type", "Loop", ["i64[]", "bool[]", "f32[2]"],
    {"body": body_of([("i", "i64[]"), ("c", "bool[]"), ("x", "f32[2]")], ["c", "z"], [constant("z", [2], [1, 2])])})
row("loop_carried_absent", "Loop", ["i64[]", "bool[]", "", "f32[2]"],
    {"body": body_of([("i", "i64[]"), ("c", "bool[]"), ("x", "f32[2]"), ("w", "f32[2]")], ["c", "x", "w"])}, outputs=2)
row("loop_too_few", "Loop", ["i64[]"], {"body": body_of([("i", "i64[]"), ("c", "bool[]")], ["c"])})
row("scan_too_few", "Scan", ["f32[2]"], {"num_scan_inputs": 2, "body": body_of([("a", "f32[]")], ["a"])})
row("scan_of_a_scalar", "Scan", ["f32[]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[]")], ["a"])})
row("scan_lengths", "Scan", ["f32[2,3]", "f32[3,3]"],
    {"num_scan_inputs": 2, "body": body_of([("a", "f32[3]"), ("b", "f32[3]")], ["a"])})
row("scan_8_lengths", "Scan", ["i64[1]", "f32[1,2,3]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[3]")], ["a"])}, opset=8)
row("scan_8_batch", "Scan", ["", "f32[n,2,3]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[3]")], ["a"])}, opset=8)
row("subgraph_inputs", "Scan", ["f32[2,3]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[3]"), ("b", "f32[3]")], ["a"])})

# ---- convolutions and windows ----
row("conv_group", "Conv", ["f32[1,4,5]", "f32[4,4,3]"], {"group": 0})
row("conv_groups", "Conv", ["f32[1,4,5]", "f32[4,1,3]"], {"group": 3})
row("conv_kernel", "Conv", ["f32[1,4,5]", "f32[4,4,3]"], {"kernel_shape": [2]})
row("conv_strides", "Conv", ["f32[1,4,5]", "f32[4,4,3]"], {"strides": [0]})
row("conv_pads", "Conv", ["f32[1,4,5]", "f32[4,4,3]"], {"pads": [1]})
row("conv_auto_pad", "Conv", ["f32[1,4,5]", "f32[4,4,3]"], {"auto_pad": "FULL"})
row("conv_window", "Conv", ["f32[1,4,2]", "f32[4,4,5]"])
row("conv_transpose_padding", "ConvTranspose", ["f32[1,4,5,5]", "f32[4,4,3,3]"], {"output_padding": [1]})
row("pool_kernel_length", "MaxPool", ["f32[1,1,4,4]"], {"kernel_shape": [2]})
row("pool_kernel", "MaxPool", ["f32[1,1,4,4]"], {"kernel_shape": [2, 0]})
row("pool_p", "LpPool", ["f32[1,1,4,4]"], {"kernel_shape": [2, 2], "p": 0})
row("unpool_length", "MaxUnpool", ["f32[1,1,2,2]", "i64[1,1,2,2]", "i64[3]=1,4,4"], {"kernel_shape": [2, 2]})
row("conv_integer_zero", "ConvInteger", ["u8[1,1,4]", "u8[1,1,2]", "u8[2]=1,2"])
row("qlinear_conv_result", "QLinearConv", ["u8[1,1,4]", "f32[]=1", "u8[]=0", "i8[1,1,2]", "f32[]=1", "i8[]=0", "f32[]=1", "i32[]=0"])
row("deform_groups", "DeformConv", ["f32[1,2,4,4]", "f32[2,2,2,2]", "f32[1,8,3,3]"], {"offset_group": 0})
row("col2im_blocks", "Col2Im", ["f32[1,4,9]", "i64[2]=4,4", "i64[1]=2"])

# ---- images ----
row("grid_mode", "GridSample", ["f32[1,1,2,2]", "f32[1,2,2,2]"], {"mode": "sharp"})
row("grid_padding", "GridSample", ["f32[1,1,2,2]", "f32[1,2,2,2]"], {"padding_mode": "wrap"})
row("grid_rank", "GridSample", ["f32[1,1]", "f32[1,2]"])
row("affine_sizes", "AffineGrid", ["f32[1,2,3]", "i64[3]=1,1,2"])
row("roi_height", "RoiAlign", ["f32[1,1,2,2]", "f32[1,4]", "i64[1]"], {"output_height": 0})
row("roi_width", "RoiAlign", ["f32[1,1,2,2]", "f32[1,4]", "i64[1]"], {"output_width": -1})
row("roi_ratio", "RoiAlign", ["f32[1,1,2,2]", "f32[1,4]", "i64[1]"], {"sampling_ratio": -1})
row("roi_frame", "RoiAlign", ["f32[1,1,2,2]", "f32[1,4]", "i64[1]"], {"coordinate_transformation_mode": "pixel"})
row("roi_mode", "RoiAlign", ["f32[1,1,2,2]", "f32[1,4]", "i64[1]"], {"mode": "min"})
row("resize_mode", "Resize", ["f32[2,3]", "", "f32[2]=2,2"], {"mode": "area"})
row("resize_axes", "Resize", ["f32[2,3]", "", "f32[3]=2,2,2"], {"axes": [0, 1, 0]})
row("resize_no_sizes", "Resize", ["f32[2,3]"])
row("resize_sizes", "Resize", ["f32[2,3]", "", "", "i64[3]=2,2,2"])
row("upsample_scales", "Upsample", ["f32[2,3]"], {"scales": [2.0]}, opset=7)

# ---- indices ----
row("gather_floats", "Gather", ["f32[2,3]", "f32[2]"])
row("gather_nd_last", "GatherND", ["f32[2,3]", "i64[2,n]"])
row("gather_nd_tuples", "GatherND", ["f32[2,3]", "i64[1,13]"])
row("gather_nd_batch", "GatherND", ["f32[2,3]", "i64[2,2]"], {"batch_dims": 1})
row("gather_rank", "Gather", ["f32[1,1,1,1,1,1,1]", "i64[1,1,1,1,1,1,1]"])
row("scatter_reduction", "ScatterND", ["f32[2,3]", "i64[1,1]", "f32[1,3]"], {"reduction": "mean"})
row("scatter_nd_tuples", "ScatterND", ["f32[2,3]", "i64[1,3]", "f32[1]"])
row("tensor_scatter_axis", "TensorScatter", ["f32[2,3,4]", "f32[2,1,4]"], {"axis": 0}, opset=24)
row("unique_rank", "Unique", ["f32[2]"], {"axis": 1})

# ---- products, reductions, norms ----
row("gemm_alpha", "Gemm", ["i32[2,2]", "i32[2,2]"], {"alpha": 0.5})
row("einsum_letter", "Einsum", ["f32[2,3]"], {"equation": "i1->i"})
row("einsum_rank", "Einsum", ["f32[2,3]"], {"equation": "ijk->i"})
row("einsum_inputs", "Einsum", ["f32[2,3]"], {"equation": "ij,jk->ik"})
row("einsum_unknown", "Einsum", ["f32[2,3]"], {"equation": "ij->k"})
row("einsum_twice", "Einsum", ["f32[2,3]"], {"equation": "ij->ii"})
row("det_rank", "Det", ["f32[3]"])
row("reduce_axes", "ReduceSum", ["f32[2]", "i64[3]=0,0,0"])
row("reduce_data_axes", "ReduceSum", ["f32[1,1,1,1,1,1,1,1,1,1,1,1]", "i64[2]"])
row("cumsum_scalar", "CumSum", ["f32[]", "i64[]=0"])
row("loss_rank", "SoftmaxCrossEntropyLoss", ["f32[3]", "i64[3]"])
row("loss_reduction", "NegativeLogLikelihoodLoss", ["f32[2,3]", "i64[2]"], {"reduction": "max"})
row("group_norm_no_groups", "GroupNormalization", ["f32[1,4,2]", "f32[4]", "f32[4]"], {"num_groups": 0})
row("group_norm_channels", "GroupNormalization", ["f32[1,4,2]", "f32[4]", "f32[4]"], {"num_groups": 3})
row("batch_norm_spatial", "BatchNormalization", ["f32[1,2,3]"] + ["f32[2]"] * 4, {"spatial": 0}, opset=7)
row("batch_norm_training", "BatchNormalization", ["f32[1,2,3]"] + ["f32[2]"] * 4, outputs=3, opset=9)
row("lrn_size", "LRN", ["f32[1,2,3]"], {"size": 0})
row("prelu_axis", "Add", ["f32[2,3]", "f32[3,2]"], {"axis": 1, "broadcast": 1}, opset=6)
row("shift_direction", "BitShift", ["u8[2]", "u8[2]"], {"direction": "UP"})
row("dropout_training", "Dropout", ["f32[2]"], opset=6)
row("lstm_activations", "LSTM", ["f32[2,1,3]", "f32[1,8,3]", "f32[1,8,2]"], {"hidden_size": 2, "activations": ["Sigmoid"]})

# ---- quantisation ----
row("quantize_to_float", "QuantizeLinear", ["f32[2]", "f32[]=1"], {"output_dtype": FLOAT})
row("dequantize_to_int", "DequantizeLinear", ["u8[2]", "f32[]=1"], {"output_dtype": INT32}, opset=23)

# ---- random numbers ----
row("random_seed", "RandomNormal", [], {"shape": [2], "seed": 1e30})
row("random_type", "RandomNormal", [], {"shape": [2], "dtype": INT32})
row("random_shape", "RandomNormal", [], {"shape": [2, -1]})
row("bernoulli_type", "Bernoulli", ["f32[2]"], {"dtype": 14})
row("multinomial_type", "Multinomial", ["f32[1,2]"], {"dtype": FLOAT})
row("multinomial_samples", "Multinomial", ["f32[1,2]"], {"sample_size": -1})

# ---- sequences ----
row("sequence_of_a_tensor", "SequenceLength", ["f32[2]"])
PAIR = node("SequenceConstruct", ["x0", "x0"], ["s"])
for name, op, attributes in (("sequence_at", "SequenceAt", {}), ("sequence_insert", "SequenceInsert", {})):
    for at in (5, 2)[:2 - (op == "SequenceInsert")]:
        inputs = [value("x0", FLOAT, [2])]
        nodes = [PAIR, constant("at", [], [at]), node(op, ["s", "at"] if op == "SequenceAt" else ["s", "x0", "at"], ["y0"])]
        models["%s_%d" % (name, at)] = model(graph(nodes, inputs, [value("y0", FLOAT)]), 21)
row("split_to_parts", "SplitToSequence", ["f32[4]", "i64[]=0"])
row("split_rank", "SplitToSequence", ["f32[3,6]", "i64[2,2]"])
row("split_sum", "SplitToSequence", ["f32[4]", "i64[2]=1,2"])
models["join_nothing"] = model(graph([node("SequenceEmpty", [], ["s"]), node("ConcatFromSequence", ["s"], ["y0"], axis=0)], [],
                                     [value("y0", FLOAT)]), 21)
models["join_ranks"] = model(graph([node("SequenceConstruct", ["a", "b"], ["s"]), node("ConcatFromSequence", ["s"], ["y0"], axis=0)],
                                   [value("a", FLOAT, [2]), value("b", FLOAT, [2, 2])], [value("y0", FLOAT)]), 21)
models["optional_of_nothing"] = model(graph([node("Optional", [], ["o"]), node("OptionalGetElement", ["o"], ["y0"])], [],
                                            [value("y0", FLOAT)]), 21)

# ---- shapes ----
row("reshape_negative", "Reshape", ["f32[4]", "i64[1]=-2"])
row("reshape_copy", "Reshape", ["f32[4]", "i64[2]=4,0"])
row("reshape_rank", "Reshape", ["f32[4]", "i64[n]"])
row("reshape_axes", "Reshape", ["f32[1]", "i64[13]"])
row("reshape_axes_1", "Reshape", ["f32[1]"], {"shape": [1] * 13}, opset=1)
row("flatten_axis", "Flatten", ["f32[2,3]"], {"axis": 3})
row("squeeze_axes", "Squeeze", ["f32[1,3]", "i64[n]"])
row("squeeze_twice", "Squeeze", ["f32[1,3]", "i64[2]=0,0"])
row("unsqueeze_axes", "Unsqueeze", ["f32[1,1,1,1,1,1,1,1,1,1,1]", "i64[2]=0,1"])
row("transpose_length", "Transpose", ["f32[2,3]"], {"perm": [0]})
row("transpose_twice", "Transpose", ["f32[2,3]"], {"perm": [1, 1]})
row("split_outputs", "Split", ["f32[4]"], {"num_outputs": 1}, outputs=2)
row("split_parts", "Split", ["f32[4]", "i64[1]=4"], outputs=2)
row("expand_axes", "Expand", ["f32[1]", "i64[13]=1,1,1,1,1,1,1,1,1,1,1,1,1"])
row("tile_repeats", "Tile", ["f32[2,3]", "i64[1]=2"])
row("depth_block", "DepthToSpace", ["f32[1,4,2,2]"], {"blocksize": 0})
row("slice_step", "Slice", ["f32[4]", "i64[1]=0", "i64[1]=2", "i64[1]=0", "i64[1]=0"])
row("slice_1_lists", "Slice", ["f32[4]"], {"starts": [0, 1], "ends": [2]}, opset=9)
row("slice_1_axes", "Slice", ["f32[4,4]"], {"starts": [0], "ends": [2], "axes": [0, 1]}, opset=9)
row("slice_lists", "Slice", ["f32[4]", "i64[1]=0", "i64[2]=2,3"])
row("slice_steps", "Slice", ["f32[4]", "i64[1]=0", "i64[1]=2", "i64[1]=0", "i64[2]=1,1"])
row("slice_starts", "Slice", ["f32[4]", "i64[2]=0,0", "i64[2]=2,2"])
row("pad_length", "Pad", ["f32[4]", "i64[3]=0,0,0"])
row("pad_mode", "Pad", ["f32[4]", "i64[2]=0,0"], {"mode": "mirror"})
row("crop_length", "CenterCropPad", ["f32[2,3]", "i64[1]=2"])

# ---- signals ----
row("window_type", "HannWindow", ["i64[]=4"], {"output_datatype": 14})
row("dft_parts", "DFT", ["f32[1,4,3]"])
row("dft_axis", "DFT", ["f32[1,4,2]", "", "i64[]=2"], opset=20)
row("dft_inverse", "DFT", ["f32[1,4,1]"], {"inverse": 1, "onesided": 1})

# ---- com.microsoft ----
ms("skip_norm_scalar", "SkipLayerNormalization", ["f32[]", "f32[]", "f32[4]"])
ms("embed_segments", "EmbedLayerNormalization", ["i32[1,2]", "i32[1,2]", "f32[5,4]", "f32[3,4]", "", "f32[4]", "f32[4]"], outputs=2)
ms("moe_rank", "MoE", ["f32[4]", "f32[4,2]", "f32[2,4,8]", "", "f32[2,8,4]"])

# ---- ai.onnx.ml and strings ----
ml("binarizer_missing", "Normalizer", ["f32[2]"], {"norm": "L3"})
ml("scaler_rank", "Scaler", ["f32[1,2,3]"], {"scale": [1.0], "offset": [0.0]})
ml("label_keys", "LabelEncoder", ["i64[2]"], {"keys_int64s": [1], "keys_floats": [1.0], "values_int64s": [1]}, version=2)
ml("label_twice", "LabelEncoder", ["i64[2]"], {"keys_int64s": [1, 1], "values_int64s": [1, 2]}, version=2)
ml("label_default", "LabelEncoder", ["i64[2]"], {"keys_int64s": [1], "values_int64s": [1], "default_tensor": dense([2], [1, 2], INT64)}, version=4)
ml("label_elements", "LabelEncoder", ["i64[2]"], {"keys_tensor": dense([1], [1], BOOL), "values_int64s": [1]}, version=4)
ml("label_classes", "LabelEncoder", ["str[2]"], version=1)
TREE = {"n_targets": 1, "nodes_falsenodeids": [2, 0, 0], "nodes_featureids": [0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_nodeids": [0, 1, 2], "nodes_treeids": [0, 0, 0], "nodes_truenodeids": [1, 0, 0], "nodes_values": [0.5, 0.0, 0.0],
        "target_ids": [0, 0], "target_nodeids": [1, 2], "target_treeids": [0, 0], "target_weights": [1.0, 2.0]}
for name, change in {
        "tree_targets": {"n_targets": 0}, "tree_no_node": {"nodes_truenodeids": [7, 0, 0]}, "tree_two_nodes": {"nodes_nodeids": [0, 1, 1], "nodes_falsenodeids": [1, 0, 0]},
        "tree_roots": {"nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [1, 0, 0]}, "tree_mode": {"nodes_modes": ["BRANCH_X", "LEAF", "LEAF"]},
        "tree_member": {"nodes_modes": ["BRANCH_MEMBER", "LEAF", "LEAF"]}, "tree_feature": {"nodes_featureids": [-1, 0, 0]},
        "tree_target": {"target_ids": [0, 3]}, "tree_weight": {"target_weights": [1.0, float("nan")]},
        "tree_weight_of_none": {"target_nodeids": [1, 0]}, "tree_transform": {"post_transform": "HALF"},
        "tree_aggregate": {"aggregate_function": "MEDIAN"},
        "tree_both": {"nodes_values_as_tensor": dense([3], [0.5, 0, 0])}}.items():
    ml(name, "TreeEnsembleRegressor", ["f32[1,1]"], {**TREE, **change})
CLASSES = {k.replace("target_", "class_"): v for k, v in TREE.items() if k != "n_targets"}
for name, change in {
        "classes_none": {}, "classes_both": {"classlabels_int64s": [0, 1], "classlabels_strings": ["a", "b"]},
        "classes_one": {"classlabels_int64s": [0]},
        "classes_base": {"classlabels_int64s": [0, 1], "base_values": [0.5, 0.5]},
        "classes_transform": {"classlabels_int64s": [0, 1], "post_transform": "SOFTMAX"}}.items():
    ml(name, "TreeEnsembleClassifier", ["f32[1,1]"], {**CLASSES, **change}, outputs=2)
GRAMS = {"max_gram_length": 1, "min_gram_length": 1, "max_skip_count": 0, "mode": "TF", "ngram_counts": [0], "ngram_indexes": [0, 1],
         "pool_int64s": [3, 4]}
for name, change in {
        "grams_counts": {"ngram_counts": [0, 9]}, "grams_short": {"ngram_indexes": [0]}, "grams_long": {"ngram_indexes": [0, 1, 2]},
        "grams_twice": {"pool_int64s": [3, 3]}, "grams_column": {"ngram_indexes": [0, -1]}, "grams_weights": {"weights": [1.0]},
        "grams_two_weights": {"ngram_indexes": [0, 0], "weights": [1.0, 2.0]}, "grams_skip": {"max_skip_count": -1},
        "grams_mode": {"mode": "DF"}, "grams_no_pool": {"pool_int64s": None}, "grams_lengths": {"min_gram_length": 2},
        "grams_rank": {}}.items():
    attributes = {k: v for k, v in {**GRAMS, **change}.items() if v is not None}
    row(name, "TfIdfVectorizer", ["i64[1,1,2]" if name == "grams_rank" else "i64[2]"], attributes)
row("grams_no_words", "TfIdfVectorizer", ["str[2]"], GRAMS)
row("normalizer_case", "StringNormalizer", ["str[2]"], {"case_change_action": "TITLE"})
row("regex_class", "RegexFullMatch", ["str[2]"], {"pattern": "[a"}, opset=20)

# ---- tensors ----
BAD = {"raw_and_typed": tensor("w", [1], [1.0]) + field(4, struct.pack("<f", 1)), "segment": tensor("w", [1], [1.0]) + field(3, field(1, 0)),
       "location": tensor("w", [1], [1.0]) + field(14, 7), "type": field(1, 1) + field(2, 99) + field(8, "w"),
       "rank": fields(1, [1] * 13) + field(2, FLOAT) + field(8, "w") + field(9, bytes(4)),
       "dim": field(1, -1) + field(2, FLOAT) + field(8, "w"),
       "elements": field(1, 1 << 62) + field(1, 8) + field(2, FLOAT) + field(8, "w"),
       "bytes": field(1, 2) + field(2, FLOAT) + field(8, "w") + field(9, bytes(4)),
       "counts": field(1, 2) + field(2, FLOAT) + field(8, "w") + field(4, struct.pack("<f", 1)),
       "value": field(1, 1) + field(2, UINT8) + field(8, "w") + field(5, varint(300)),
       "nameless": tensor("", [1], [1.0])}
for name, bad in BAD.items():
    models["tensor_" + name] = model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)], [bad]), 21)


def external(**entries):
    pairs = b"".join(field(13, field(1, k) + field(2, v)) for k, v in entries.items())
    return model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)],
                       [field(1, 2) + field(2, FLOAT) + field(8, "w") + pairs + field(14, 1)]), 21)


models["external_nowhere"] = external(offset="0")
models["external_basepath"] = external(location="w.bin", basepath="/tmp")
models["external_missing"] = external(location="no_such.bin")
models["external_outside"] = external(location="../w.bin")
models["external_cut"] = external(location="external_cut.onnx", offset="4096")
models["external_size"] = external(location="refused.bin", offset="x")
models["external_key"] = model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)],
                                     [field(1, 2) + field(2, FLOAT) + field(8, "w") + 2 * field(13, field(1, "location") + field(2, "a")) +
                                      field(14, 1)]), 21)
models["external_and_inline"] = model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)],
                                            [tensor("w", [1], [1.0]) + field(13, field(1, "location") + field(2, "a")) + field(14, 1)]), 21)


def sparse(dims, values, indices):
    message = (field(1, values) if values else b"") + (field(2, indices) if indices else b"") + fields(3, dims)
    g = graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)]) + field(15, message)
    return model(g, 21)


ONE = tensor("w", [1], [1.0])
models["sparse_rank"] = sparse([1] * 13, ONE, tensor("", [1], [0], INT64))
models["sparse_dim"] = sparse([0], ONE, tensor("", [1], [0], INT64))
models["sparse_many"] = sparse([1 << 62, 8], ONE, tensor("", [1], [0], INT64))
models["sparse_no_indices"] = sparse([2], ONE, None)
models["sparse_counts"] = sparse([2], ONE, tensor("", [2], [0, 1], INT64))
models["sparse_outside"] = sparse([2], ONE, tensor("", [1], [5], INT64))
models["sparse_large"] = sparse([1 << 40], ONE, tensor("", [1], [5], INT64))
models["sparse_nameless"] = sparse([2], tensor("", [1], [1.0]), tensor("", [1], [0], INT64))

models["sparse_bits"] = sparse([2], field(1, 1) + field(2, 22) + field(8, "w") + field(9, bytes(1)), tensor("", [1], [0], INT64))

# ---- more of control flow and sequences ----
row("if_differ", "If", ["bool[]"], {"then_branch": body_of([], ["a", "a"], [constant("a", [1], [1])]),
                                    "else_branch": body_of([], ["b"], [constant("b", [1], [1])])})
row("if_kinds", "If", ["bool[]"], {"then_branch": body_of([], ["a"], [constant("a", [1], [1])]),
                                   "else_branch": body_of([], ["b"], [node("SequenceEmpty", [], ["b"])])})
VALUES = [("i", "i64[]"), ("c", "bool[]"), ("x", "f32[2]")]
row("loop_sequence", "Loop", ["i64[]", "bool[]", "f32[2]"],
    {"body": body_of(VALUES, ["c", "s"], [node("SequenceConstruct", ["x"], ["s"])])})
row("loop_scan_sequence", "Loop", ["i64[]", "bool[]", "f32[2]"],
    {"body": body_of(VALUES, ["c", "x", "s"], [node("SequenceConstruct", ["x"], ["s"])])}, outputs=2)
row("loop_condition", "Loop", ["i64[]", "bool[]", "f32[2]"],
    {"body": body_of(VALUES, ["s", "x"], [node("SequenceConstruct", ["x"], ["s"])])})
row("loop_scan_rank", "Loop", ["i64[]", "bool[]", "f32[1,1,1,1,1,1,1,1,1,1,1,1]"],
    {"body": body_of(VALUES[:2] + [("x", "f32[1,1,1,1,1,1,1,1,1,1,1,1]")], ["c", "x", "x"])}, outputs=2)
row("scan_sequence", "Scan", ["f32[2,3]"], {"num_scan_inputs": 1, "body": body_of([("a", "f32[3]")], ["s"],
                                                                          [node("SequenceConstruct", ["a"], ["s"])])})
models["sequence_of_sequences"] = model(graph([node("SequenceConstruct", ["x"], ["s"]), node("SequenceConstruct", ["s"], ["y0"])],
                                              [value("x", FLOAT, [2])], [value("y0", FLOAT)]), 21)
models["map_lengths"] = model(graph(
    [node("SequenceConstruct", ["x", "x"], ["s"]), node("SequenceConstruct", ["x"], ["t"]),
     node("SequenceMap", ["s", "t"], ["m"], body=body_of([("a", "f32[2]"), ("b", "f32[2]")], ["a"])),
     constant("at", [], [0]), node("SequenceAt", ["m", "at"], ["y0"])], [value("x", FLOAT, [2])], [value("y0", FLOAT)]), 21)
models["map_outputs"] = model(graph(
    [node("SequenceConstruct", ["x"], ["s"]), node("SequenceMap", ["s"], ["m", "k"], body=body_of([("a", "f32[2]")], ["a"])),
     constant("at", [], [0]), node("SequenceAt", ["m", "at"], ["y0"])], [value("x", FLOAT, [2])], [value("y0", FLOAT)]), 21)

# ---- more of shapes and sizes ----
row("size_overflow", "Tile", ["f32[4,4]", "i64[2]=4611686018427387904,4611686018427387904"])
row("sizes_rank", "Expand", ["f32[2]", "i64[1,1]"])
row("sizes_unknown", "Expand", ["f32[2]", "i64[n]"])
row("squeeze_many", "Squeeze", ["f32[1]", "i64[2]=0,0"])
row("reduce_many", "ReduceSum", ["f32[2]", "i64[3]"])
row("gather_nd_rank", "GatherND", ["f32[1,1,1,1,1,1,1]", "i64[1,1,1,1,1,1,1,1]"])
row("one_hot_rank", "OneHot", ["i64[1,1,1,1,1,1,1,1,1,1,1,1]", "i64[]=2", "f32[2]"])
row("random_rank", "RandomNormal", [], {"shape": [1] * 13})
row("top_k_type", "TopK", ["u4[2]", "i64[1]=1"], outputs=2)
row("range_elements", "Range", ["i64[2]", "i64[]=3", "i64[]=1"])
row("attributes_many", "Relu", ["f32[2]"], {"a%d" % i: 1 for i in range(1025)})
row("qlinear_matmul_zero", "QLinearMatMul", ["u8[4]", "f32[]=1", "u8[2]=1,2", "u8[4,2]", "f32[]=1", "u8[]=0", "f32[]=1", "u8[]=0"])
row("matmul_integer_zeros", "MatMulInteger", ["u8[4]", "u8[4,2]", "u8[4]"])
row("batch_norm_rank", "BatchNormalization", ["f32[1]"] + ["f32[2]"] * 4, opset=15)
ml("tree_tensor", "TreeEnsembleRegressor", ["f32[1,1]"], {**{k: v for k, v in TREE.items() if k != "nodes_values"},
                                                        "nodes_values_as_tensor": dense([3, 1], [0.5, 0, 0])})
ms("rotary_table", "RotaryEmbedding", ["f32[1,2,8]", "i64[1,2]", "f32[]", "f32[]"])
ms("gather_blocks_rank", "GatherBlockQuantized", ["u8[4,8]", "i64[1,1,1,1,1,1,1,1,1,1,1,1]", "f32[4,1]"], {"block_size": 16})
ms("gqa_sliding", "GroupQueryAttention", ["f32[1,2,8]", "f32[1,2,8]", "f32[1,2,8]", "", "", "i32[1]", "i32[1]"],
   {"num_heads": 1, "kv_num_heads": 1, "sliding_window_cache": 1, "local_window_size": 2}, 3)
FLEX = {"ai.onnx.preview": 1}
for name, body in (("flex_outputs", body_of([("a", "f32[]"), ("b", "f32[]")], ["a"])),
                   ("flex_type", body_of([("a", "f32[1,1,2,2]")], ["b"], [node("Cast", ["a"], ["b"], to=INT32)]))):
    row(name, "FlexAttention", ["f32[1,1,2,4]"] * 3, {"score_mod": body}, domain="ai.onnx.preview", domains=FLEX, opset=26)

# ---- attributes of which one value is read ----
row("quantize_precision", "QuantizeLinear", ["f32[2]", "f32[]=1"], {"precision": 1}, opset=23)
row("cast_like_mode", "CastLike", ["f32[2]", "f64[2]"], {"round_mode": "sideways"}, opset=24)
row("constant_sparse", "Constant", [], {"sparse_value": 1})
ms("qmoe_sparse", "QMoE", ["f32[2,4]", "f32[2,2]", "u8[2,8,2]", "f32[2,8]", "", "u8[2,4,4]", "f32[2,4]"], {"use_sparse_mixer": 1})
ms("linear_attention_window", "LinearAttention", ["f32[1,2,8]", "f32[1,2,8]", "f32[1,2,8]"],
   {"q_num_heads": 1, "kv_num_heads": 1, "state_window": 2}, 2)

# ---- models ----
PLAIN = graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT, [2])], [value("y", FLOAT)])
models["model_old"] = field(1, 2) + field(7, PLAIN) + field(8, field(1, "") + field(2, 7))
models["model_opset"] = model(PLAIN, 99)
models["model_no_graph"] = field(1, 10) + field(8, field(1, "") + field(2, 7))
models["model_no_output"] = model(graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT, [2])], []), 21)
models["model_untyped"] = model(graph([node("Relu", ["x"], ["y"])], [field(1, "x")], [value("y", FLOAT)]), 21)
models["model_map"] = model(graph([node("Relu", ["x"], ["y"])], [field(1, "x") + field(2, field(5, field(1, 7)))], [value("y", FLOAT)]), 21)
models["model_elements"] = model(graph([node("Relu", ["x"], ["y"])], [value("x", 14, [2])], [value("y", FLOAT)]), 21)
models["model_shapeless"] = model(graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT)], [value("y", FLOAT)]), 21)
models["model_nameless"] = model(graph([node("Relu", ["x"], ["y"])], [value("", FLOAT, [2])], [value("y", FLOAT)]), 21)
models["model_output_type"] = model(graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT, [2])], [value("y", INT64)]), 21)
models["model_cycle"] = model(graph([node("Add", ["x", "z"], ["y"]), node("Relu", ["y"], ["z"])], [value("x", FLOAT, [2])],
                                    [value("y", FLOAT)]), 21)
models["model_optional_output"] = model(graph([node("Optional", [], ["y"])], [], [value("y", FLOAT)]), 21)
models["model_sequences"] = model(graph([node("SequenceEmpty", [], ["y"])], [], [sequence("y", FLOAT)]), 21)
models["model_reference"] = model(graph([field(1, "x") + field(2, "y") + field(4, "LeakyRelu") + field(5, field(1, "alpha") + field(20, 1) + field(21, "a"))],
                                        [value("x", FLOAT, [2])], [value("y", FLOAT)]), 21)
models["model_opsets"] = model(PLAIN, 21) + b"".join(field(8, field(1, "d%d" % i) + field(2, 1)) for i in range(1100))
CALLS = [field(1, "f%d" % i) + field(4, "x") + field(5, "y") + field(7, node("f%d" % (i + 1) if i < 60 else "Relu", ["x"], ["y"], "own" if i < 60 else "")) +
         field(9, field(1, "") + field(2, 21)) + field(9, field(1, "own") + field(2, 1)) + field(10, "own") for i in range(61)]
models["model_deep"] = model(graph([node("f0", ["x"], ["y"], "own")], [value("x", FLOAT, [2])], [value("y", FLOAT)]), 21,
                             {"own": 1}) + fields(25, CALLS)
nested = b""
for _ in range(200):
    nested = field(5, field(6, field(1, nested)))
models["wire_deep"] = field(1, 10) + field(7, field(1, nested)) + field(8, field(1, "") + field(2, 7))
models["wire_packed"] = model(graph([node("Relu", ["w"], ["y"])], [], [value("y", FLOAT)], [field(1, 1) + field(2, 1) + field(8, "w") + field(4, b"abc")]), 21)
models["wire_number"] = model(PLAIN, 21) + varint(1 << 29 << 3) + varint(1)
models["wire_type"] = model(PLAIN, 21) + bytes([1 << 3 | 3])
models["wire_long"] = bytes([8] + [255] * 10)
models["wire_zero"] = field(1, 10) + field(2, "a\0b") + field(7, PLAIN) + field(8, field(1, "") + field(2, 7))
models["wire_twice"] = model(PLAIN, 21) + field(7, PLAIN)


def main():
    lathe = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
    for name, data in models.items():
        at = os.path.join(FOLDER, name)
        with open(at + ".onnx", "wb") as f:
            f.write(data)
        if lathe and not os.path.exists(at + ".txt"):
            run = subprocess.run([lathe, "check", name + ".onnx"], cwd=FOLDER, capture_output=True, text=True, timeout=60)
            said = (run.stderr + run.stdout).splitlines()
            first = next((line for line in said if line.startswith("error: ")), "")
            text = re.sub(r"^error: \S+?\.onnx: ", "", first)
            text = re.sub(r"^node '[^']*' \([^)]*\): ", "", text)
            if run.returncode not in (2, 3, 4) or not text:
                print("%s: status %d: %s" % (name, run.returncode, said[:2]))
                os.remove(at + ".onnx")
                continue
            with open(at + ".txt", "w") as f:
                f.write(text + "\n")
            print("%-24s %s" % (name, text))


if __name__ == "__main__":
    main()
