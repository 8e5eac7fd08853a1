#!/bin/sh
# ONNX Runtime 1.30.0: the product of unsigned and signed bytes on x86-64 without VNNI.
#
# Guess: exact, since MatMulInteger is defined as sums in int32 and all of its results fit.
# Seen: pairs of products are added in 16 bits and saturate: 255 * 127 four times gives 65534 where
# the sum is 129540. Only u8 x s8 in MatMulInteger: u8 x u8, ConvInteger, and the same model on a
# processor with VNNI are exact. So a quantised model that is right on the developer's machine may
# be wrong on an older one; quantisers know this as "reduce_range".
# Needs qemu-x86_64 (Debian: qemu-user), which stands for a processor with AVX2 and no more.
set -eu
command -v qemu-x86_64 >/dev/null || { echo "qemu-x86_64 is not installed"; exit 2; }
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {UINT8, INT8, INT32, model, run, tensor} from './onnx.mjs';
const sum = async (op, type, shape, result) => {
    const bytes = model({
        node: {op, domain: '', inputs: ['a', 'b'], outputs: ['y']},
        inputs: [['a', UINT8, shape]], outputs: [['y', INT32, result]],
        initializers: [tensor('b', type, op === 'ConvInteger' ? shape : [4, 1], new Uint8Array(4).fill(127))],
        imports: {'': 17}});
    const a = new ort.Tensor('uint8', new Uint8Array(4).fill(255), shape);
    return Number((await run(ort, bytes, {a})).y.data[0]);
};
const found = [await sum('MatMulInteger', INT8, [1, 4], [1, 1]), await sum('MatMulInteger', UINT8, [1, 4], [1, 1]),
               await sum('ConvInteger', INT8, [1, 4, 1, 1], [1, 1, 1, 1])];
console.log(`4 * 255 * 127 = 129540; MatMulInteger u8 x s8 ${found[0]}, u8 x u8 ${found[1]}, ConvInteger u8 x s8 ${found[2]}`);
if (found.join() !== '65534,129540,129540') throw new Error('another result than was seen');
JS
qemu-x86_64 -cpu Haswell "$(command -v node)" try.mjs 2>&1 | grep -v 'TCG doesn'
