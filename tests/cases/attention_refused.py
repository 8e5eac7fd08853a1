#!/usr/bin/env python3
"""Writes the models of attention in tests/refused: each a small change of a node that is accepted,
with what `lathe check` must say."""
import os

from attention import *

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "refused")
B, S, P, H, G, D = 2, 3, 2, 4, 2, 8


def kind(dims, elem=FLOAT):
    return dims, elem


ROW, GROUP = kind([B, S, H * D]), kind([B, S, G * D])
CACHE, GROUP_CACHE = kind([B, H, P, D]), kind([B, G, P, D])
CODES, BYTES = kind([B, G, P, D], INT8), kind([B, G, P, D // 2], UINT8)
ONE, ONE_INT, LENGTHS, POSITIONS = kind([1]), kind([1], INT32), kind([B], INT32), kind([B, S], INT64)
TABLE = kind([9, D // 2])

MULTIHEAD = ("MultiHeadAttention", {0: ROW, 1: ROW, 2: ROW}, {"num_heads": H}, 1)
BUFFER = ("MultiHeadAttention", {0: kind([B, 1, H * D]), 1: kind([B, 1, H * D]), 2: kind([B, 1, H * D]),
                                 6: CACHE, 7: CACHE, 8: ONE_INT}, {"num_heads": H}, 1)
DECODER = ("DecoderMaskedMultiHeadAttention", {
    0: kind([B, 1, H * D]), 1: kind([B, 1, H * D]), 2: kind([B, 1, H * D]), 5: CACHE, 6: CACHE, 7: ONE_INT,
    8: ONE_INT, 9: kind([1, B, P], INT32)}, {"num_heads": H, "past_present_share_buffer": 1}, 1)
ATTENTION = ("Attention", {0: kind([B, S, 5]), 1: kind([5, 3 * H * D]), 2: kind([3 * H * D])},
             {"num_heads": H}, 1)
QUERY = ("GroupQueryAttention", {0: ROW, 1: GROUP, 2: GROUP, 3: GROUP_CACHE, 4: GROUP_CACHE, 5: LENGTHS,
                                 6: ONE_INT}, {"num_heads": H, "kv_num_heads": G}, 3)
CODED = ("GroupQueryAttention", {**QUERY[1], 3: CODES, 4: CODES, 12: ONE, 13: ONE},
         {**QUERY[2], "k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR",
          "kv_cache_bit_width": 8}, 3)
ROTARY = ("RotaryEmbedding", {0: ROW, 1: POSITIONS, 2: TABLE, 3: TABLE}, {}, 1)
STREAMS = ("MRotaryEmbedding", {0: ROW, 1: kind([3, B, S], INT64), 2: TABLE, 3: TABLE},
           {"num_heads": H, "mrope_section": [2, 1, 1]}, 1)
CONV = ("CausalConvWithState", {0: kind([B, 6, S]), 1: kind([6, 1, 3])}, {}, 2)
LINEAR = ("LinearAttention", {0: ROW, 1: GROUP, 2: GROUP, 4: kind([B, S, G]), 5: kind([B, S, G])},
          {"q_num_heads": H, "kv_num_heads": G}, 2)
GATE = ("LinearAttentionGate", {0: ROW, 1: kind([H * D]), 2: kind([H * D]), 3: ROW}, {}, 2)
NORM = ("GatedRMSNorm", {0: ROW, 1: kind([D]), 2: ROW}, {}, 1)
PLAIN = ("Attention", {0: kind([B, H, S, D]), 1: kind([B, H, S, D]), 2: kind([B, H, S, D])}, {}, 1)

# Name, node, inputs that are put in place (None: taken away), attributes (None: taken away), text,
# outputs if not the node's own.
REFUSED = [
    ("multihead_no_heads", MULTIHEAD, {}, {"num_heads": 0}, "attribute num_heads is 0, expected a positive number"),
    ("multihead_uneven", MULTIHEAD, {}, {"num_heads": 5}, "the last axis has size 32, expected a multiple of the 5 heads"),
    ("multihead_value_alone", MULTIHEAD, {1: None}, {}, "a value without a key"),
    ("multihead_rank", MULTIHEAD, {1: kind([B, S])}, {}, "input 1 has rank 2, expected 3 or 4"),
    ("multihead_ranks", MULTIHEAD, {2: CACHE}, {}, "key and value differ in rank"),
    ("multihead_packed", MULTIHEAD, {0: kind([B, S, H, 2, D]), 1: None, 2: None}, {},
     "input 0 has dims [2, 3, 4, 2, 8], expected [2, 3, 4, 3, 8]"),
    ("multihead_bias_length", MULTIHEAD, {3: kind([3 * H * D + 1])}, {}, "input 3 has dims [97], expected [96]"),
    ("multihead_mask_rank", MULTIHEAD, {4: kind([1, 1, 1, 1, S], INT32)}, {}, "input 4 has rank 5, expected 1 to 4"),
    ("multihead_mask_keys", MULTIHEAD, {4: kind([B, S + 1], INT32)}, {}, "input 4 has dims [2, 4], expected [2, 3]"),
    ("multihead_lengths", MULTIHEAD, {4: kind([3], INT32)}, {}, "input 4 has dims [3], expected [2]"),
    ("multihead_square", MULTIHEAD, {4: kind([B, 1, 2, 2], INT32)}, {},
     "input 4 has a last dim of 2, expected at least 3"),
    ("multihead_square_causal", MULTIHEAD, {4: kind([B, 1, S, S], INT32)}, {"unidirectional": 1},
     "input 4 is a mask of rank 4, which unidirectional does not take"),
    ("multihead_score_bias", MULTIHEAD, {5: kind([1, 3, S, S])}, {}, "input 5 has dims [1, 3, 3, 3], expected [1, 4, 3, 3]"),
    ("multihead_past_alone", MULTIHEAD, {6: CACHE}, {}, "past_key and past_value come together"),
    ("multihead_past_width", MULTIHEAD, {6: CACHE, 7: kind([B, H, P, 7])}, {},
     "input 7 has dims [2, 4, 2, 7], expected [2, 4, 2, 8]"),
    ("buffer_lengths", BUFFER, {8: LENGTHS}, {}, "input 8 has 2, expected one element"),
    ("buffer_beams", BUFFER, {9: kind([1, 3, P], INT32)}, {}, "input 9 has beams 3, expected 2"),
    ("decoder_rows", DECODER, {0: ROW}, {}, "input 0 has dims [2, 3, 32], expected [2, 1, 32]"),
    ("decoder_no_buffer", DECODER, {}, {"past_present_share_buffer": 0},
     "a past without past_present_share_buffer and past_sequence_length"),
    ("decoder_width", DECODER, {8: LENGTHS}, {}, "input 8 is i32[2], expected one element"),
    ("ms_attention_sizes", ATTENTION, {}, {"qkv_hidden_sizes": [32, 16, 48]},
     "attribute qkv_hidden_sizes must have three positive sizes, of which q and k are equal"),
    ("ms_attention_columns", ATTENTION, {1: kind([5, 97]), 2: None}, {},
     "input 1 has columns 97, expected a multiple of three"),
    ("ms_attention_past", ATTENTION, {1: kind([5, 80]), 2: None, 4: kind([2, B, H, P, D])},
     {"qkv_hidden_sizes": [32, 32, 16]}, "input 4 is a past of keys and values whose heads differ in width"),
    ("ms_attention_rotary", ATTENTION, {}, {"do_rotary": 1}, "attribute do_rotary is 1, only 0 is supported"),
    ("ms_attention_buffer", ATTENTION, {}, {"past_present_share_buffer": 1},
     "attribute past_present_share_buffer is 1, only 0 is supported"),
    ("gqa_no_heads", QUERY, {}, {"kv_num_heads": 0}, "kv_num_heads 0, expected a positive number"),
    ("gqa_groups", QUERY, {1: kind([B, S, 24]), 2: kind([B, S, 24]), 3: None, 4: None}, {"kv_num_heads": 3},
     "the query has 4 heads, expected a multiple of the 3 of key and value"),
    ("gqa_key_alone", QUERY, {2: None}, {}, "key and value come together"),
    ("gqa_packed_width", QUERY, {0: kind([B, S, 65]), 1: None, 2: None}, {},
     "input 0 has a width of 65, expected a multiple of num_heads + 2 kv_num_heads"),
    ("gqa_lengths", QUERY, {5: kind([3], INT32)}, {}, "input 5 is i32[3], expected a number a batch"),
    ("gqa_totals", QUERY, {6: LENGTHS}, {}, "input 6 has 2, expected one element"),
    ("gqa_past_alone", QUERY, {4: None}, {}, "past_key and past_value come together"),
    ("gqa_past_type", QUERY, {3: CODES}, {}, "input 3 is of i8, expected f32"),
    ("gqa_slide_alone", QUERY, {}, {"sliding_window_cache": 1}, "sliding_window_cache needs past_key, past_value and a positive local_window_size"),
    ("gqa_slide_keys", QUERY, {1: kind([B, 1, G * D]), 2: kind([B, 1, G * D])},
     {"sliding_window_cache": 1, "local_window_size": 2}, "sliding_window_cache needs as many keys as queries"),
    ("gqa_slide_scores", QUERY, {}, {"sliding_window_cache": 1, "local_window_size": 2, "qk_output": 1},
     "qk_output together with sliding_window_cache", 4),
    ("gqa_kinds", CODED, {}, {"v_quant_type": "PER_CHANNEL"},
     "k_quant_type is PER_TENSOR, v_quant_type is PER_CHANNEL, expected PER_TENSOR"),
    ("gqa_kind", CODED, {}, {"k_quant_type": "PER_ROW", "v_quant_type": "PER_ROW"},
     "attribute k_quant_type is PER_ROW, expected NONE, PER_TENSOR or PER_CHANNEL"),
    ("gqa_scales_alone", QUERY, {12: ONE, 13: ONE}, {}, "k_scale or v_scale, but k_quant_type is NONE"),
    ("gqa_bits", CODED, {}, {"kv_cache_bit_width": 2}, "attribute kv_cache_bit_width is 2, expected 4 or 8"),
    ("gqa_scales", CODED, {12: kind([3])}, {}, "input 12 is f32[3], expected 1 numbers"),
    ("gqa_odd_codes", CODED, {0: kind([B, S, H * 5]), 1: kind([B, S, G * 5]), 2: kind([B, S, G * 5])},
     {"kv_cache_bit_width": 4}, "codes of 4 bits for heads of 5 values"),
    ("gqa_scores", QUERY, {}, {"qk_output": 3}, "attribute qk_output is 3, expected 0, 1 or 2", 4),
    ("gqa_no_scores", QUERY, {}, {}, "output 3 needs qk_output 1 or 2", 4),
    ("gqa_causal", QUERY, {}, {"causal": 2}, "attribute causal is 2, expected 0 or 1"),
    ("gqa_window", QUERY, {}, {"causal": 0, "local_window_size": 2}, "local_window_size together with causal=0"),
    ("gqa_norm", QUERY, {14: kind([D])}, {}, "q_norm_weight and k_norm_weight come together"),
    ("gqa_norm_width", QUERY, {14: kind([D]), 15: kind([D - 1])}, {}, "input 15 has dims"),
    ("gqa_bias_rank", QUERY, {10: kind([1, 1, 1, S, P + S])}, {}, "a mask of rank 5"),
    ("gqa_bias", QUERY, {10: kind([1, 3, S, P + S + 9])}, {}, "a mask of f32[1, 3, 3, 14] does not fit"),
    ("rotary_rank", ROTARY, {0: kind([B, S])}, {}, "input 0 has rank 2, expected 3 or 4"),
    ("rotary_ranks", ROTARY, {0: kind([1, B, S, H, D]), 1: kind([1], INT64)}, {}, "input 0 has rank 5, expected 3 or 4"),
    ("rotary_counts", ROTARY, {}, {"num_heads": -1}, "num_heads -1, rotary_embedding_dim 0"),
    ("rotary_tables", ROTARY, {2: kind([9, 3])}, {"num_heads": H}, "cos and sin of f32[9, 3] do not fit f32[2, 4, 3, 8]"),
    ("rotary_wide", ROTARY, {}, {"num_heads": H, "rotary_embedding_dim": 10}, "10 values of a head are to be turned, expected an even number of at most its 8"),
    ("mrotary_layout", STREAMS, {}, {"mrope_layout": 2}, "attribute mrope_layout is 2, expected 0 or 1"),
    ("mrotary_parts", STREAMS, {}, {"mrope_section": [2, 2]}, "attribute mrope_section must have three sizes"),
    ("mrotary_sum", STREAMS, {}, {"mrope_section": [2, 2, 1]}, "input 2 has dims [9, 4], expected [9, 5]"),
    ("causal_conv_activation", CONV, {}, {"activation": "relu"}, "attribute activation is relu, expected none, silu or swish"),
    ("causal_conv_dilation", CONV, {}, {"dilation": 0}, "attribute dilation is 0, expected at least 1"),
    ("causal_conv_past", CONV, {3: kind([B, 6, 3])}, {}, "input 3 has dims [2, 6, 3], expected [2, 6, 2]"),
    ("causal_conv_channels", CONV, {0: kind([B, "channels", S]), 1: kind(["channels", 1, 3])}, {},
     "input 0 channels channels"),
    ("causal_conv_axes", CONV, {}, {"ndim": 2}, "attribute ndim is 2, only 1 is supported"),
    ("causal_conv_states", CONV, {}, {"state_window": 2}, "attribute state_window is 2, only 0 is supported"),
    ("linear_rule", LINEAR, {}, {"update_rule": "none"}, "attribute update_rule is 'none'"),
    ("linear_heads", LINEAR, {}, {"q_num_heads": 3}, "q_num_heads is 3, kv_num_heads 2, of which one must divide the other"),
    ("linear_keys", LINEAR, {1: kind([B, S, 12])}, {}, "input 1 has dims [2, 3, 12], expected [2, 3, 8]"),
    ("gate_heads", GATE, {1: kind([3])}, {}, "input 1 is f32[3], expected 32 numbers"),
    ("gate_scalar", GATE, {0: kind([])}, {}, "input 0 has rank 0, expected 1 or more"),
    ("gated_norm_activation", NORM, {}, {"activation": "relu"}, "attribute activation is relu, expected silu, swish or sigmoid"),
    ("gated_norm_width", NORM, {1: kind([5])}, {}, "input 0 has a last dim of 32, expected a multiple of 5"),
    ("attention_window", PLAIN, {}, {"left_window_size": -2}, "attribute left_window_size is -2, expected -1 or a number of keys"),
    ("attention_mode", PLAIN, {}, {"qk_matmul_output_mode": 4}, "attribute qk_matmul_output_mode is 4, expected 0 to 3"),
    ("attention_rank", PLAIN, {0: kind([H, D])}, {}, "input 0 has rank 2, expected 3 or 4"),
    ("attention_heads", PLAIN, {0: ROW}, {}, "attribute q_num_heads is needed for operands of rank 3"),
    ("attention_past", PLAIN, {4: CACHE}, {}, "past_key and past_value come together"),
    ("attention_mask", PLAIN, {3: kind([1, 1, 1, S, S])}, {}, "input 3 has rank 5, expected at most 4"),
    ("attention_widths", PLAIN, {1: kind([B, H, S, 7])}, {}, "f32[2, 4, 3, 8] and f32[2, 4, 3, 7], heads apart, differ in the batch or in the size that is summed over"),
    ("range_stash", ("Range", {0: kind([], FLOAT16), 1: kind([], FLOAT16), 2: kind([], FLOAT16)}, {}, 1), {},
     {"stash_type": 10}, "attribute stash_type is 10, expected 1 (float) or 11 (double)"),
    ("space_to_depth_mode", ("SpaceToDepth", {0: kind([1, 1, 2, 2])}, {"blocksize": 2}, 1), {}, {"mode": "RCD"},
     "attribute mode is RCD, expected DCR or CRD"),
    ("swiglu_dims", ("SwiGLU", {0: kind([2, 3]), 1: kind([1, 3])}, {}, 1), {}, {},
     "input 1 has dims [1, 3], expected [2, 3]"),
    ("log_sum_int", ("ReduceLogSum", {0: kind([2, 3], INT32)}, {}, 1), {}, {}, "input 0 has element type i32, expected floats"),
]


def write(name, node_, inputs, attributes, text, outputs=None):
    op, own_inputs, own_attributes, count = node_
    inputs = {k: v for k, v in {**own_inputs, **inputs}.items() if v}
    attributes = {k: v for k, v in {**own_attributes, **attributes}.items() if v is not None}
    names = ["x%d" % k if k in inputs else "" for k in range(max(inputs) + 1)]
    outs = ["y%d" % k for k in range(outputs or count)]
    domain = "" if node_ is PLAIN or op in ("Range", "SpaceToDepth", "SwiGLU", "ReduceLogSum") else "com.microsoft"
    body = graph([node(op, names, outs, domain, **attributes)],
                 [value("x%d" % k, elem, dims) for k, (dims, elem) in inputs.items()],
                 [value(o, FLOAT) for o in outs])
    with open(os.path.join(FOLDER, name + ".onnx"), "wb") as f:
        f.write(model(body, 28, MS))
    with open(os.path.join(FOLDER, name + ".txt"), "w") as f:
        f.write(text + "\n")


if __name__ == "__main__":
    for entry in REFUSED:
        write(*entry)
