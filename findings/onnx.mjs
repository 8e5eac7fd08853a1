// The least of ONNX's protobuf that the findings write: a model of one node as bytes.
const utf8 = new TextEncoder();
const varint = (n) => {
    const out = [];
    for (let v = BigInt.asUintN(64, BigInt(n)); ; v >>= 7n) {
        if (v < 128n) return [...out, Number(v)];
        out.push(Number(v & 127n) | 128);
    }
};
const bytes = (field, data) => [...varint(field * 8 + 2), ...varint(data.length), ...data];
const text = (field, s) => bytes(field, utf8.encode(s));
const int = (field, n) => [...varint(field * 8), ...varint(n)];

export const FLOAT = 1, UINT8 = 2, INT64 = 7;

export const tensor = (name, type, dims, data) =>
    [...dims.flatMap((d) => int(1, d)), ...int(2, type), ...text(8, name),
     ...bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
const info = ([name, type, dims]) => {
    const shape = dims.flatMap((d) => bytes(1, int(1, d)));
    return [...text(1, name), ...bytes(2, bytes(1, [...int(1, type), ...bytes(2, shape)]))];
};
const attribute = ([name, n]) => [...text(1, name), ...int(3, n), ...int(20, 2)];

// node: {op, domain, inputs, outputs, attributes: {name: integer}}; inputs, outputs: [name, type,
// dims]; imports: {domain: version}.
export const model = ({node, inputs, outputs, initializers = [], imports}) => {
    const n = [...node.inputs.flatMap((s) => text(1, s)), ...node.outputs.flatMap((s) => text(2, s)),
               ...text(3, 'node'), ...text(4, node.op),
               ...Object.entries(node.attributes ?? {}).flatMap((a) => bytes(5, attribute(a))),
               ...text(7, node.domain)];
    const graph = [...bytes(1, n), ...text(2, 'g'), ...initializers.flatMap((t) => bytes(5, t)),
                   ...inputs.flatMap((i) => bytes(11, info(i))),
                   ...outputs.flatMap((o) => bytes(12, info(o)))];
    const opsets = Object.entries(imports).flatMap(([domain, v]) => bytes(8, [...text(1, domain), ...int(2, v)]));
    return new Uint8Array([...int(1, 10), ...opsets, ...bytes(7, graph)]);
};

// Runs it in ONNX Runtime without optimisation of the graph; the outputs by name.
export const run = async (ort, bytesOfModel, feeds) => {
    const session = await ort.InferenceSession.create(bytesOfModel, {graphOptimizationLevel: 'disabled', logSeverityLevel: 4});
    return session.run(feeds);
};
