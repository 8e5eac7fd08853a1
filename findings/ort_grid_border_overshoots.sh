#!/bin/sh
# ONNX Runtime 1.30.0: GridSample, mode cubic, padding_mode border, a place outside of the image.
#
# Guess: the border's value, as ONNX has it ("use border values for out-of-bound grid locations") and as mode
# linear gives it.
# Seen: the place stays where it is, only the four elements around it are clamped to the image. Up to one pixel
# outside the inner neighbour still counts: right of the row 0 0 0 1 the result is 1.0938, beyond everything
# that is in the image. PyTorch does so, too; ONNX's reference implementation gives 1.
set -eu
set -- onnxruntime-node@1.30.0
. "$(dirname "$0")/install.sh"
cat >try.mjs <<'JS'
import ort from 'onnxruntime-node';
import {FLOAT, model, run} from './onnx.mjs';
const image = Float32Array.from({length: 16}, (_, i) => i % 4 === 3 ? 1 : 0);
const at = async (mode, pixels) => {
    const bytes = model({
        node: {op: 'GridSample', domain: '', inputs: ['x', 'grid'], outputs: ['y'], attributes: {mode, padding_mode: 'border', align_corners: 1}},
        inputs: [['x', FLOAT, [1, 1, 4, 4]], ['grid', FLOAT, [1, 1, 1, 2]]], outputs: [['y', FLOAT, [1, 1, 1, 1]]], imports: {'': 20}});
    const grid = Float32Array.of(pixels / 1.5 - 1, -1 / 3);  // column `pixels`, row 1
    const feeds = {x: new ort.Tensor('float32', image, [1, 1, 4, 4]), grid: new ort.Tensor('float32', grid, [1, 1, 1, 2])};
    return (await run(ort, bytes, feeds)).y.data[0];
};
const found = {linear: await at('linear', 3.5), cubic: await at('cubic', 3.5), 'cubic, far outside': await at('cubic', 6)};
console.log(JSON.stringify(found));
if (found.linear !== 1 || found.cubic < 1.05 || found['cubic, far outside'] !== 1) throw new Error('another result than was seen');
JS
node try.mjs
