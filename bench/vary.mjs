// vary.mjs OUT CASE...: new cases from old ones: the inputs of CASE/test_data_set_0 cropped or repeated to other sizes
// of the dims that the model leaves open, with what ONNX Runtime gives for them as expected outputs. OUT/NAME gets a link to
// the model and one data set a choice of sizes; `lathe test --guard OUT` then tries one library on all. Choices that the
// peer refuses (dims that depend on one another) are left out. ORT_NODE_DIR: see peer.sh.
import fs from 'node:fs';
import path from 'node:path';
import { ort, tensor } from '../../shared/peer/onnx_case.mjs';

const elems = { float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13 };
const varint = (n) => { const b = []; for (n = BigInt(n); n > 127n; n >>= 7n) b.push(Number(n & 127n) | 128); b.push(Number(n)); return Buffer.from(b); };
const field = (number, bytes) => Buffer.concat([varint(number << 3 | 2), varint(bytes.length), bytes]);
const proto = (t) => Buffer.concat([
  ...t.dims.map((d) => Buffer.concat([varint(1 << 3), varint(d)])), varint(2 << 3), varint(elems[t.type]),
  field(9, Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength))]);

// The tensor at new dims: element [i, j, ...] is the old one at [i mod old, j mod old, ...].
function resized(x, dims) {
  const count = dims.reduce((a, b) => a * b, 1), data = new x.data.constructor(count);
  for (let at = 0; at < count; at++) {
    let rest = at, from = 0, stride = 1;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += rest % dims[axis] % x.dims[axis] * stride;
      stride *= x.dims[axis];
      rest = Math.floor(rest / dims[axis]);
    }
    data[at] = x.data[from];
  }
  return new ort.Tensor(x.t, data, dims);
}

// Sizes to try: one name at a time 1, one less, one more, doubled; and all names one more.
function choices(sizes) {
  const all = [];
  const each = (f) => all.push(Object.fromEntries(Object.entries(sizes).map(([k, v]) => [k, f(k, v)])));
  for (const name of Object.keys(sizes))
    for (const f of [() => 1, (v) => v - 1, (v) => v + 1, (v) => 2 * v + 3]) each((k, v) => (k === name ? f(v) : v));
  each((k, v) => v + 1);
  each(() => 1);
  return all.filter((c) => Object.values(c).every((v) => v > 0));
}

async function vary(out, dir) {
  const session = await ort.InferenceSession.create(path.join(dir, 'model.onnx'), { logSeverityLevel: 4 });
  const set = path.join(dir, 'test_data_set_0'), inputs = [], sizes = {};
  for (let i = 0; fs.existsSync(path.join(set, `input_${i}.pb`)); i++) {
    const x = tensor(fs.readFileSync(path.join(set, `input_${i}.pb`)));
    const name = x.name && session.inputNames.includes(x.name) ? x.name : session.inputNames[i];
    const meta = session.inputMetadata.find((m) => m.name === name);
    x.names = meta.shape.map((d, a) => (typeof d === 'string' && d !== '' && x.dims[a] > 0 ? d : null));
    x.names.forEach((d, a) => { if (d) sizes[d] = x.dims[a]; });
    inputs.push({ name, x });
  }
  let n = 0;
  const folder = path.join(out, path.basename(path.resolve(dir)));
  for (const choice of choices(sizes)) {
    const feeds = Object.fromEntries(inputs.map(({ name, x }) =>
      [name, resized(x, x.dims.map((d, a) => (x.names[a] ? choice[x.names[a]] : d)))]));
    let results;
    try { results = await session.run(feeds); } catch { continue; }
    const to = path.join(folder, `test_data_set_${n++}`);
    fs.mkdirSync(to, { recursive: true });
    fs.writeFileSync(path.join(to, 'sizes'), JSON.stringify(choice));
    inputs.forEach(({ name }, i) => fs.writeFileSync(path.join(to, `input_${i}.pb`), proto(feeds[name])));
    session.outputNames.forEach((name, i) => fs.writeFileSync(path.join(to, `output_${i}.pb`), proto(results[name])));
  }
  if (n)
    for (const f of fs.readdirSync(dir))
      if (!f.startsWith('test_data_set')) fs.copyFileSync(path.join(dir, f), path.join(folder, f));
  console.log(`${path.basename(dir)}: ${n} choices of ${JSON.stringify(sizes)}`);
  await session.release();
}

const [out, ...cases] = process.argv.slice(2);
for (const dir of cases) await vary(out, dir).catch((e) => console.log(`${path.basename(dir)}: ${String(e.message).slice(0, 100)}`));
