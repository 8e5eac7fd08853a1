#!/usr/bin/env python3
"""make.py ENCODER.json VOCAB.bpe > gpt2_part.json: GPT-2's tokenizer (MIT licence, OpenAI) as a
tokenizer.json, of which only what the texts of test_bpe.c can need is left: the tokens of bytes, and each
merge whose result stands in one of the texts. Numbers and the order of merges are as they were."""
import json
import sys

TEXTS = ["This is some text", "indivisible", "hello 👋 world 🌍", "toString constructor hasOwnProperty valueOf",
         "Hello world", " Hello world", "hello world", "It's we'll they're  two\n\n three 1234 ½ naïve"]
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
sign, other = {b: chr(b) for b in printable}, 0
for b in range(256):
    if b not in sign:
        sign[b] = chr(256 + other)
        other += 1
written = ["".join(sign[b] for b in t.encode()) for t in TEXTS]
encoder = json.load(open(sys.argv[1], encoding="utf-8"))
merges = open(sys.argv[2], encoding="utf-8").read().split("\n")[1:]
merges = [m for m in merges if m and any(m.replace(" ", "") in t for t in written)]
vocabulary = {c: encoder[c] for c in sign.values()}
for m in merges:
    for part in [*m.split(" "), m.replace(" ", "")]:
        vocabulary[part] = encoder[part]
end = "<|endoftext|>"
json.dump({"added_tokens": [{"id": encoder[end], "content": end, "special": True}], "normalizer": None,
           "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
           "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                     "end_of_word_suffix": "", "vocab": vocabulary, "merges": merges}},
          sys.stdout, ensure_ascii=True, indent=0)
