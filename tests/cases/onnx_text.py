"""ONNX models and tensors as bytes, with nothing but Python's own library: as much of the format as
the cases beside it need. Every function returns the bytes of one message."""
import struct

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE = 1, 2, 3, 6, 7, 8, 9, 10, 11
FORMATS = {FLOAT: "f", UINT8: "B", INT8: "b", INT32: "i", INT64: "q", BOOL: "?", FLOAT16: "e",
           DOUBLE: "d"}


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(number, values):
    return b"".join(field(number, v) for v in values)


def tensor(name, dims, values, elem=FLOAT):
    if elem == STRING:
        return fields(1, dims) + field(2, elem) + fields(6, values) + field(8, name)
    raw = struct.pack("<%d%s" % (len(values), FORMATS[elem]), *values)
    return fields(1, dims) + field(2, elem) + field(8, name) + field(9, raw)


def attribute(name, value):
    """A graph or a tensor comes as ("graph", bytes) or ("tensor", bytes)."""
    if isinstance(value, tuple):
        number, kind = {"tensor": (5, 4), "graph": (6, 5)}[value[0]]
        return field(1, name) + field(number, value[1]) + field(20, kind)
    for python, number, kind in ((int, 3, 2), (float, 2, 1), (str, 4, 3)):
        if isinstance(value, python):
            return field(1, name) + field(number, value) + field(20, kind)
    if value and isinstance(value[0], float):
        return field(1, name) + b"".join(field(7, v) for v in value) + field(20, 6)
    if value and isinstance(value[0], (str, bytes)):
        return field(1, name) + fields(9, value) + field(20, 8)
    return field(1, name) + fields(8, value) + field(20, 7)


def node(op, inputs, outputs, domain="", **attributes):
    body = fields(1, inputs) + fields(2, outputs) + field(3, outputs[0] + "_" + op) + field(4, op)
    body += fields(5, [attribute(k, v) for k, v in attributes.items()])
    return body + (field(7, domain) if domain else b"")


def constant(name, dims, values, elem=INT64):
    return node("Constant", [], [name], value=("tensor", tensor("", dims, values, elem)))


def value(name, elem, dims=None):
    """A tensor; without dims its rank is not declared either."""
    shape = b""
    if dims is not None:
        shape = field(2, b"".join(field(1, field(1 if isinstance(d, int) else 2, d)) for d in dims))
    return field(1, name) + field(2, field(1, field(1, elem) + shape))


def sequence(name, elem):
    return field(1, name) + field(2, field(4, field(1, field(1, field(1, elem)))))


def optional(name, elem, dims):
    kind = value(name, elem, dims)[len(field(1, name)):]  # field 2, the type
    return field(1, name) + field(2, field(9, kind.replace(b"\x12", b"\x0a", 1)))


def listed(name, tensors):
    """A SequenceProto, or, of one tensor or none, an OptionalProto."""
    return field(1, name) + field(2, 1) + fields(3, tensors)


def graph(nodes, inputs, outputs, initializers=()):
    return (fields(1, nodes) + field(2, "g") + fields(5, initializers) + fields(11, inputs) +
            fields(12, outputs))


def function(domain, name, inputs, outputs, nodes, opset=18):
    imports = [field(1, "") + field(2, opset)]
    return (field(1, name) + fields(4, inputs) + fields(5, outputs) + fields(7, nodes) + fields(9, imports) +
            field(10, domain))


def model(body, opset=18, domains={}, functions=()):
    """domains: versions of others than ai.onnx."""
    imports = [field(1, d) + field(2, v) for d, v in [("", opset), *domains.items()]]
    return field(1, 10) + field(7, body) + fields(8, imports) + fields(25, functions)
