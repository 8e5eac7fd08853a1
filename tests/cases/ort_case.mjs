// A model of many nodes over the same inputs, run by ONNX Runtime (npm: onnxruntime-node, in the folder ORT_NODE_DIR).
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, UINT32, model, tensor } from '../../findings/onnx.mjs';
export * from '../../findings/onnx.mjs';
const require = createRequire(path.join(process.env.ORT_NODE_DIR || process.cwd(), 'package.json'));
const ort = require('onnxruntime-node');
const here = path.dirname(new URL(import.meta.url).pathname);

export const MS = 'com.microsoft';
const KINDS = { [FLOAT]: ['float32', Float32Array], [UINT8]: ['uint8', Uint8Array], [INT8]: ['int8', Int8Array], [UINT16]: ['uint16', Uint16Array],
                [INT16]: ['int16', Int16Array], [INT32]: ['int32', Int32Array], [INT64]: ['int64', BigInt64Array], [BOOL]: ['bool', Uint8Array],
                [FLOAT16]: ['float16', Uint16Array], [UINT32]: ['uint32', Uint32Array], [STRING]: ['string', Array] };
const count = (dims) => dims.reduce((a, b) => a * b, 1);

const wanted = (name) => process.argv.length < 3 || process.argv.slice(2).includes(name);

export class Case {
    constructor(name, opset = 17) { Object.assign(this, { name, opset, seed: 12345, inputs: [], feeds: {}, initializers: [], nodes: [], outputs: [], other: {}, data: {}, shared: {} }); }
    // Small multiples of 1/16: sums of products are exact in every order.
    next(range) { this.seed = (this.seed * 1103515245 + 12345) % 2147483648; return Math.floor(this.seed / 65536) % range; }
    floats(dims, scale = 1) { return Float32Array.from({ length: count(dims) }, () => (this.next(64) - 32) / 16 * scale); }
    codes(type, dims, lo, hi) { return KINDS[type][1].from({ length: count(dims) }, () => lo + this.next(hi - lo + 1)); }
    input(name, type, dims, data = this.floats(dims)) {
        this.inputs.push([name, type, dims]);
        this.feeds[name] = [type, dims, KINDS[type][1].from(data)];
        return name;
    }
    // Dims that the model leaves open, by names.
    open(name, dims) { this.inputs.find(([n]) => n === name)[2] = dims; }
    weight(name, type, dims, data = this.floats(dims)) {
        this.data[name] = data;
        this.initializers.push(tensor(name, type, dims, Array.isArray(data) ? KINDS[type][1].from(data) : data));
        return name;
    }
    // outputs: names of graph outputs, of type `type`, or [name, type] each.
    node(op, inputs, outputs, attributes = {}, type = FLOAT, domain = MS) {
        this.nodes.push({ op, domain, inputs, outputs: outputs.map((o) => (Array.isArray(o) ? o[0] : o)), attributes });
        for (const o of outputs) if (o) this.outputs.push(Array.isArray(o) ? o : [o, type]);
    }
    // An output for which ONNX Runtime needs the buffer of an input.
    share(output, input) { this.shared[output] = input; }
    // An output of which ONNX Runtime has another opinion; docs/deviations.md says why.
    expect(name, dims, data) { this.other[name] = { dims, data: Float32Array.from(data) }; }
    // known: without the nodes whose outputs are given.
    bytes(known = false) {
        const nodes = this.nodes.filter(({ outputs }) => !known || !(outputs[0] in this.other));
        const outputs = this.outputs.filter(([name]) => !known || !(name in this.other));
        return model({ ...this, nodes, outputs, imports: { '': this.opset, [MS]: 1, ...Object.fromEntries(nodes.filter((n) => n.domain).map((n) => [n.domain, 1])) } });
    }
    async run() {
        const session = await ort.InferenceSession.create(this.bytes(true), { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });
        const feeds = Object.fromEntries(Object.entries(this.feeds).map(([name, [type, dims, data]]) => [name, new ort.Tensor(KINDS[type][0], data.slice(), dims)]));
        const fetches = Object.fromEntries(session.outputNames.map((name) => [name, feeds[this.shared[name]] ?? null]));
        return session.run(feeds, fetches);
    }
    // A model that lathe refuses with this text, in tests/refused; says whether ONNX Runtime refuses it too.
    async refuse(message) {
        if (!wanted(this.name)) return;
        const error = await this.run().then(() => 'runs', (e) => `refuses: ${e.message.replace(/\s+/g, ' ').slice(-120)}`);
        const folder = path.join(here, '..', 'refused');
        fs.mkdirSync(folder, { recursive: true });
        fs.writeFileSync(path.join(folder, `${this.name}.onnx`), this.bytes());
        fs.writeFileSync(path.join(folder, `${this.name}.txt`), `${message}\n`);
        console.log(`${this.name}: ONNX Runtime ${error}`);
    }
    async write() {
        if (!wanted(this.name)) return;
        const asked = this.outputs.some(([name]) => !(name in this.other));
        const results = { ...(asked ? await this.run() : {}), ...this.other }, folder = path.join(here, this.name), data = path.join(folder, 'test_data_set_0');
        fs.rmSync(folder, { recursive: true, force: true });
        fs.mkdirSync(data, { recursive: true });
        fs.writeFileSync(path.join(folder, 'model.onnx'), this.bytes());
        if (this.tolerance) fs.writeFileSync(path.join(folder, 'meta.json'), `${JSON.stringify(this.tolerance)}\n`);
        this.inputs.forEach(([name, type], i) =>
            fs.writeFileSync(path.join(data, `input_${i}.pb`), new Uint8Array(tensor(name, type, ...this.feeds[name].slice(1)))));
        this.outputs.forEach(([name, type], i) =>
            fs.writeFileSync(path.join(data, `output_${i}.pb`), new Uint8Array(tensor(name, type, results[name].dims, results[name].data))));
        console.log(`${this.name}: ${this.outputs.length} outputs`);
    }
}

