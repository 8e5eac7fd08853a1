"""Runs a compiled model from Python with ctypes and numpy alone.

    python3 main.py ./libadder.so adder problems.npy

The library exports one symbol, NAME_desc. Its first member points to the table of the runtime's
functions, lathe_rt_api in lathe_rt.h; descriptors, models and sessions are opaque here.
"""
import ctypes as c
import sys

import numpy as np

MAX_RANK = 12
INPUTS, OUTPUTS = 0, 1
ELEMENTS = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8",
            12: "u4", 13: "u8"}


class Tensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t), ("dims", c.c_int64 * MAX_RANK),
                ("rank", c.c_int32), ("elem", c.c_int)]


class Info(c.Structure):
    _fields_ = [("name", c.c_char_p), ("elem", c.c_int), ("rank", c.c_int32),
                ("dims", c.c_int64 * MAX_RANK), ("dim_names", c.c_char_p * MAX_RANK)]


class OpenOptions(c.Structure):
    _fields_ = [("weights_path", c.c_char_p), ("weights", c.c_void_p), ("weights_size", c.c_size_t),
                ("threads", c.c_void_p), ("allocator", c.c_void_p), ("flags", c.c_uint),
                ("build_id", c.c_uint64), ("message", c.c_char_p), ("message_size", c.c_size_t),
                ("log", c.c_void_p), ("hide_features", c.c_uint32), ("custom", c.c_void_p),
                ("ncustom", c.c_size_t)]


HANDLE = c.c_void_p


class Api(c.Structure):
    _fields_ = [("abi_version", c.c_uint32), ("size", c.c_uint32), ("version", c.c_char_p),
                ("model_open", c.CFUNCTYPE(c.c_int, HANDLE, c.POINTER(OpenOptions), c.POINTER(HANDLE))),
                ("model_close", c.CFUNCTYPE(None, HANDLE)),
                ("count", c.CFUNCTYPE(c.c_int, HANDLE, c.c_int)),
                ("info", c.CFUNCTYPE(c.c_int, HANDLE, c.c_int, c.c_int, c.POINTER(Info))),
                ("symbol", c.CFUNCTYPE(c.c_char_p, HANDLE, c.c_int)),
                ("session_new", c.CFUNCTYPE(c.c_int, HANDLE, c.c_void_p, c.c_void_p, c.POINTER(HANDLE))),
                ("session_free", c.CFUNCTYPE(None, HANDLE)),
                ("session_reserve", c.CFUNCTYPE(c.c_int, HANDLE, c.c_void_p)),
                ("run", c.CFUNCTYPE(c.c_int, HANDLE, c.POINTER(Tensor), c.POINTER(Tensor))),
                ("message", c.CFUNCTYPE(c.c_char_p, HANDLE))]


class Model:
    """An open model with one session; a context manager. One thread at a time."""

    def __init__(self, path, name):
        self.library = c.CDLL(path)
        self.desc = c.addressof(c.c_char.in_dll(self.library, name + "_desc"))
        self.api = c.cast(c.c_void_p.from_address(self.desc), c.POINTER(Api)).contents
        if self.api.abi_version != 1:
            raise RuntimeError("the library has another ABI")
        self.model, self.session = HANDLE(), HANDLE()
        text = c.create_string_buffer(256)
        options = OpenOptions(message=c.addressof(text), message_size=len(text))
        if self.api.model_open(self.desc, c.byref(options), c.byref(self.model)):
            raise RuntimeError(text.value.decode())
        if self.api.session_new(self.model, None, None, c.byref(self.session)):
            self.close()
            raise MemoryError()

    def close(self):
        if self.session:
            self.api.session_free(self.session)
        if self.model:
            self.api.model_close(self.model)
        self.model, self.session = HANDLE(), HANDLE()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def infos(self, what):
        infos = (Info * self.api.count(self.desc, what))()
        for i in range(len(infos)):
            self.api.info(self.desc, what, i, c.byref(infos[i]))
        return infos

    def run(self, **inputs):
        """Arrays by the inputs' names in, a dict of arrays by the outputs' names out."""
        names, outputs = self.infos(INPUTS), self.infos(OUTPUTS)
        given, made = (Tensor * len(names))(), (Tensor * len(outputs))()
        arrays = [np.ascontiguousarray(inputs[n.name.decode()], ELEMENTS[n.elem]) for n in names]
        for t, a, n in zip(given, arrays, names):
            t.data, t.size, t.rank, t.elem = a.ctypes.data, a.nbytes, a.ndim, n.elem
            t.dims[:a.ndim] = a.shape
        if self.api.run(self.session, given, made):
            raise RuntimeError(self.api.message(self.session).decode())
        return {o.name.decode(): as_array(t) for o, t in zip(outputs, made)}


def as_array(t):
    """A copy: the session's memory changes with its next run."""
    flat = np.frombuffer(c.string_at(t.data, t.size) if t.size else b"", ELEMENTS[t.elem])
    return flat.reshape(t.dims[:t.rank])


def main():
    path, name, problems = sys.argv[1:]
    want = np.load(problems)                # rows of 12 tokens: 8 of the problem, 4 of the sum
    with Model(path, name) as model:
        tokens = want[:, :8]
        while tokens.shape[1] < 12:
            logits = model.run(input_ids=tokens)["logits"]
            tokens = np.column_stack([tokens, logits[:, -1].argmax(axis=1)])
    print((tokens == want).all(axis=1).sum(), "of", len(want), "problems right")


if __name__ == "__main__":
    main()
