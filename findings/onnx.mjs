// The least of ONNX's protobuf that the findings and tests/cases/ort.mjs write: a model as bytes.
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

export const FLOAT = 1, UINT8 = 2, INT8 = 3, UINT16 = 4, INT16 = 5, INT32 = 6, INT64 = 7, STRING = 8, BOOL = 9, FLOAT16 = 10,
             UINT32 = 12, UINT4 = 21, INT4 = 22;

export const tensor = (name, type, dims, data) =>
    [...dims.flatMap((d) => int(1, d)), ...int(2, type), ...text(8, name),
     ...(type === STRING ? data.flatMap((s) => text(6, s)) : bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))];
const info = ([name, type, dims]) => {
    const shape = dims ? bytes(2, dims.flatMap((d) => bytes(1, typeof d === 'string' ? text(2, d) : int(1, d)))) : [];
    return [...text(1, name), ...bytes(2, bytes(1, [...int(1, type), ...shape]))];
};
const float = (field, x) => [...varint(field * 8 + 5), ...new Uint8Array(Float32Array.of(x).buffer)];
// A number is an integer, {float: x} a float, a list one of integers, {floats: [...]} one of floats.
const attribute = ([name, v]) => {
    let payload;
    if (typeof v === 'number') payload = [...int(3, v), ...int(20, 2)];
    else if (typeof v === 'string') payload = [...text(4, v), ...int(20, 3)];
    else if (Array.isArray(v)) payload = [...v.flatMap((n) => int(8, n)), ...int(20, 7)];
    else if (v.floats) payload = [...v.floats.flatMap((x) => float(7, x)), ...int(20, 6)];
    else if (v.strings) payload = [...v.strings.flatMap((x) => text(9, x)), ...int(20, 8)];
    else payload = [...float(2, v.float), ...int(20, 1)];
    return [...text(1, name), ...payload];
};
const encode = ({op, domain = '', inputs, outputs, attributes = {}}) =>
    [...inputs.flatMap((s) => text(1, s)), ...outputs.flatMap((s) => text(2, s)), ...text(3, `${op} ${outputs[0]}`),
     ...text(4, op), ...Object.entries(attributes).flatMap((a) => bytes(5, attribute(a))), ...text(7, domain)];

// node or nodes: {op, domain, inputs, outputs, attributes}; inputs, outputs: [name, type, dims], outputs
// also without dims; imports: {domain: version}.
export const model = ({node, nodes = [node], inputs, outputs, initializers = [], imports}) => {
    const graph = [...nodes.flatMap((n) => bytes(1, encode(n))), ...text(2, 'g'),
                   ...initializers.flatMap((t) => bytes(5, t)), ...inputs.flatMap((i) => bytes(11, info(i))),
                   ...outputs.flatMap((o) => bytes(12, info(o)))];
    const opsets = Object.entries(imports).flatMap(([domain, v]) => bytes(8, [...text(1, domain), ...int(2, v)]));
    return new Uint8Array([...int(1, 10), ...opsets, ...bytes(7, graph)]);
};

// Runs it in ONNX Runtime without optimisation of the graph; the outputs by name.
export const run = async (ort, bytesOfModel, feeds) => {
    const session = await ort.InferenceSession.create(bytesOfModel, {graphOptimizationLevel: 'disabled', logSeverityLevel: 4});
    return session.run(feeds);
};
