#!/usr/bin/env python3
"""Writes the cases of attributes that no model of ONNX's suite sets: the outputs are written out from the texts of ONNX and of
com.microsoft. Needs numpy."""
import numpy as np

from make import case
from onnx_text import *

F = np.float32


def dense(dims, values, elem=FLOAT):
    return ("tensor", tensor("", dims, values, elem))


def of(name, array, elem=FLOAT):
    return tensor(name, list(array.shape), array.reshape(-1).tolist(), elem)


def constants():
    case("attributes_strings", graph(
        [node("Constant", [], ["one"], value_string="left"), node("Constant", [], ["two"], value_strings=["on", "right"]),
         node("StringConcat", ["x", "one"], ["y"]), node("StringConcat", ["x", "two"], ["z"])],
        [value("x", STRING, [2])], [value("y", STRING, [2]), value("z", STRING, [2])]),
         [([tensor("x", [2], ["a", "b"], STRING)], [tensor("y", [2], ["aleft", "bleft"], STRING), tensor("z", [2], ["aon", "bright"], STRING)])],
         opset=20)


def numbers():
    """LSTM with the batch first, MaxUnpool with pads, float8 codes that overflow to NaN, noise of deviation 0."""
    rng = np.random.default_rng(1)
    x, w, r = (rng.standard_normal(s).astype(F) for s in ((2, 3, 2), (1, 8, 2), (1, 8, 2)))
    h, c, ys = np.zeros((2, 2)), np.zeros((2, 2)), []
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    for t in range(3):
        i, o, f, g = np.split(x[:, t] @ w[0].T + h @ r[0].T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    y = np.stack(ys, axis=1)[:, :, None, :]
    nodes = [node("LSTM", ["x", "w", "r"], ["y", "h"], hidden_size=2, layout=1),
             node("MaxUnpool", ["u", "at"], ["wide"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
             node("QuantizeLinear", ["big", "one", "none"], ["codes"], saturate=0), node("Cast", ["codes"], ["back"], to=FLOAT),
             node("RandomNormalLike", ["u"], ["noise"], mean=3.0, scale=0.0),
             node("MelWeightMatrix", ["bins", "length", "rate", "low", "high"], ["mel"], output_datatype=DOUBLE)]
    mel = np.zeros((9, 8))
    steps = 2595 * np.log10(1 + 4096 / 700) / 10 * np.arange(10)
    edges = (17 * 700 * (10 ** (steps / 2595) - 1) // 8192).astype(int)
    for k in range(8):
        lo, mid, hi = edges[k:k + 3]
        if mid == lo: mel[mid, k] = 1
        else: mel[lo:mid + 1, k] = np.arange(mid + 1 - lo) / (mid - lo)
        if hi > mid: mel[mid:hi, k] = (hi - np.arange(mid, hi)) / (hi - mid)
    initializers = [of("w", w), of("r", r), tensor("one", [], [1.0]), field(2, 17) + field(8, "none") + field(9, bytes(1)),
                    tensor("bins", [], [8], INT64), tensor("length", [], [16], INT64), tensor("rate", [], [8192], INT64),
                    tensor("low", [], [0.0]), tensor("high", [], [4096.0])]
    case("attributes_numbers", graph(
        nodes, [value("x", FLOAT, [2, 3, 2]), value("u", FLOAT, [1, 1, 2, 2]), value("at", INT64, [1, 1, 2, 2]), value("big", FLOAT, [3])],
        [value("y", FLOAT, [2, 3, 1, 2]), value("h", FLOAT, [2, 1, 2]), value("wide", FLOAT, [1, 1, 3, 3]), value("back", FLOAT, [3]),
         value("noise", FLOAT, [1, 1, 2, 2]), value("mel", DOUBLE, [9, 8])], initializers),
         [([of("x", x), tensor("u", [1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0]), tensor("at", [1, 1, 2, 2], [0, 2, 6, 8], INT64), tensor("big", [3], [1e6, -1e6, 1.0])],
           [of("y", y), of("h", h[:, None, :]), tensor("wide", [1, 1, 3, 3], [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 4.0]),
            tensor("back", [3], [float("nan"), float("nan"), 1.0]), tensor("noise", [1, 1, 2, 2], [3.0] * 4), of("mel", mel, DOUBLE)])], opset=22)


def trees():
    """One split at 0.5; the weights, values and base values of the older forms as tensors of doubles."""
    wide = lambda *v: dense([len(v)], v, DOUBLE)
    split = {"nodes_falsenodeids": [2, 0, 0], "nodes_featureids": [0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_nodeids": [0, 1, 2],
             "nodes_treeids": [0, 0, 0], "nodes_truenodeids": [1, 0, 0], "nodes_values_as_tensor": wide(0.5, 0.0, 0.0)}
    nodes = [node("TreeEnsembleRegressor", ["x"], ["r"], "ai.onnx.ml", **split, n_targets=1, target_ids=[0, 0], target_nodeids=[1, 2],
                  target_treeids=[0, 0], target_weights_as_tensor=wide(1.0, 2.0), base_values_as_tensor=wide(0.5)),
             node("TreeEnsembleClassifier", ["x"], ["label", "scores"], "ai.onnx.ml", **split, class_ids=[0, 1], class_nodeids=[1, 2],
                  class_treeids=[0, 0], class_weights_as_tensor=wide(1.0, 2.0), base_values_as_tensor=wide(0.25, 0.5), classlabels_int64s=[7, 9])]
    case("attributes_trees", graph(nodes, [value("x", DOUBLE, [2, 1])], [value("r", FLOAT, [2, 1]), value("label", INT64, [2]), value("scores", FLOAT, [2, 2])]),
         [([tensor("x", [2, 1], [0.0, 1.0], DOUBLE)],
           [tensor("r", [2, 1], [1.5, 2.5]), tensor("label", [2], [7, 9], INT64), tensor("scores", [2, 2], [1.25, 0.5, 0.25, 2.5])])],
         domains={"ai.onnx.ml": 3})
    forest = node("TreeEnsemble", ["x"], ["y"], "ai.onnx.ml", aggregate_function=1, leaf_targetids=[0, 0], leaf_weights=dense([2], [1.0, 2.0]),
                  n_targets=1, nodes_falseleafs=[1], nodes_falsenodeids=[1], nodes_featureids=[0], nodes_modes=("tensor", tensor("", [1], [0], UINT8)),
                  nodes_splits=dense([1], [0.5]), nodes_trueleafs=[1], nodes_truenodeids=[0], post_transform=0, tree_roots=[0],
                  nodes_missing_value_tracks_true=[1])
    case("attributes_missing", graph([forest], [value("x", FLOAT, [3, 1])], [value("y", FLOAT, [3, 1])]),
         [([tensor("x", [3, 1], [float("nan"), 0.0, 1.0])], [tensor("y", [3, 1], [1.0, 1.0, 2.0])])], domains={"ai.onnx.ml": 5})
    label = node("LabelEncoder", ["x"], ["y"], "ai.onnx.ml", classes_strings=["a", "b", "c"], default_int64=-3)
    case("attributes_classes", graph([label], [value("x", STRING, [3])], [value("y", INT64, [3])]),
         [([tensor("x", [3], ["c", "z", "a"], STRING)], [tensor("y", [3], [2, -3, 0], INT64)])], domains={"ai.onnx.ml": 1})


def contrib():
    rng = np.random.default_rng(2)
    a, b, flat = (rng.standard_normal(s).astype(F) for s in ((4, 2, 3), (4, 2, 5), (4, 3)))
    front = np.einsum("kim,kin->imn", a, b)  # transA: [k, batch, m]; transBatchB: [k, batch, n]
    plain = flat.T @ b[:, 0]
    pixels, skip = (rng.standard_normal((1, 2, 2, 4)).astype(F) for _ in range(2))
    gamma, beta = (rng.standard_normal(4).astype(F) for _ in range(2))
    summed = (pixels + skip).reshape(1, 4, 2, 2)  # [N, H * W, groups, channels of one]
    spread = summed - summed.mean(axis=(1, 3), keepdims=True)
    normal = spread / np.sqrt((spread ** 2).mean(axis=(1, 3), keepdims=True) + 0.5)
    nodes = [node("FusedMatMulActivation", ["a", "b"], ["front"], "com.microsoft", transA=1, transBatchA=1, transBatchB=1, activation="HardSigmoid",
                  activation_alpha=0.25, activation_beta=0.125),
             node("FusedMatMulActivation", ["flat", "b0"], ["plain"], "com.microsoft", transA=1, activation="Selu", activation_alpha=1.5,
                  activation_gamma=0.75),
             node("QLinearReduceMean", ["q", "s", "z", "t", "z"], ["kept"], "com.microsoft", axes=[1], keepdims=1),
             node("QLinearReduceMean", ["q", "s", "z", "t", "z"], ["mean"], "com.microsoft", axes=[0], keepdims=0),
             node("SkipGroupNorm", ["pixels", "gamma", "beta", "skip"], ["normal"], "com.microsoft", groups=2, activation=0, epsilon=0.5)]
    initializers = [of("b0", b[:, 0]), tensor("s", [], [0.5]), tensor("t", [], [0.25]), tensor("z", [], [10], UINT8), of("gamma", gamma), of("beta", beta)]
    case("attributes_contrib", graph(
        nodes, [value("a", FLOAT, [4, 2, 3]), value("b", FLOAT, [4, 2, 5]), value("flat", FLOAT, [4, 3]), value("q", UINT8, [2, 2]),
                value("pixels", FLOAT, [1, 2, 2, 4]), value("skip", FLOAT, [1, 2, 2, 4])],
        [value("front", FLOAT, [2, 3, 5]), value("plain", FLOAT, [3, 5]), value("kept", UINT8, [2, 1]), value("mean", UINT8, [2]),
         value("normal", FLOAT, [1, 2, 2, 4])], initializers),
         [([of("a", a), of("b", b), of("flat", flat), tensor("q", [2, 2], [12, 16, 10, 22], UINT8), of("pixels", pixels), of("skip", skip)],
           [of("front", np.clip(0.25 * front + 0.125, 0, 1)), of("plain", 0.75 * np.where(plain > 0, plain, 1.5 * (np.exp(plain) - 1))),
            tensor("kept", [2, 1], [18, 22], UINT8), tensor("mean", [2], [12, 28], UINT8),
            of("normal", normal.reshape(1, 2, 2, 4) * gamma + beta)])], domains={"com.microsoft": 1})


if __name__ == "__main__":
    constants()
    numbers()
    trees()
    contrib()
