/* Files that are no ONNX models: each is named for what it is, and no model is taken for one. */
#include <criterion/criterion.h>

#include "frontend/format.h"
#include "tests/unit/model.h"

TestSuite(format, .init = trial_begin, .fini = trial_end);

#define IS(bytes, what)                                                                            \
    do {                                                                                           \
        cr_assert_eq(read_bytes(bytes, sizeof(bytes) - 1), LATHE_BAD_INPUT);                       \
        SAYS("this is no ONNX model: it is " what "\n");                                           \
    } while (0)

Test(format, text)
{
    IS("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
       "a Git LFS pointer, which stands for the file; hint: `git lfs pull` fetches the file");
    IS("", "empty; hint: download the file itself");
    IS("\xef\xbb\xbf \r\n<!DOCTYPE HTML>", "an HTML page; hint: download the file itself");
    IS("<html lang=en>", "an HTML page; hint: download the file itself");
    IS("<?xml version=\"1.0\"?><net>", "an XML file, as OpenVINO writes them; hint: lathe reads "
                                       "ONNX: export the model to it first");
    IS("{\"a\": 1}", "JSON text; hint: lathe reads ONNX: export the model to it first");
    IS("ir_version: 8\n", "ONNX as protobuf text; hint: save it in the binary form");
}

Test(format, binary)
{
    IS("GGUF\3\0\0\0",
       "a GGUF file, as llama.cpp reads it; hint: lathe reads ONNX: export the model to it first");
    IS("PK\3\4\0\0", "a zip archive, as PyTorch and Keras write them; hint: unpack it, or export "
                     "the model to ONNX");
    IS("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2",
       "a file of PyTorch; hint: lathe reads ONNX: export the model to it first");
    IS("\x12\0\0\0\0\0\0\0{\"__metadata__\":{}}",
       "a safetensors file; hint: it holds weights alone: export the model to ONNX");
    IS("\x0c\0\0\0ORTM\0\0\0\0\0",
       "ONNX Runtime's own format (.ort); hint: take the .onnx that it is from");
    IS("\x0c\0\0\0TFL3\0\0\0\0\0",
       "a TensorFlow Lite model; hint: lathe reads ONNX: export the model to it first");
    IS("\x89HDF\r\n\x1a\n\0",
       "an HDF5 file, as Keras writes it; hint: lathe reads ONNX: export the model to it first");
    IS("\x1f\x8b\x08", "compressed by gzip; hint: decompress it");
    IS("\177ELF\2", "a compiled program or library");
}

/* dims, type, name, raw data. */
Test(format, a_tensor)
{
    IS("\x08\2\x10\1\x42\1x\x4a\2ab",
       "a TensorProto, one tensor without a model; hint: as test data it belongs beside a model");
    IS("\x0a\2\2\1\x10\1\x4a\2ab",
       "a TensorProto, one tensor without a model; hint: as test data it belongs beside a model");
    cr_expect_null(fe_format_find((const uint8_t *)"\x08\2\x10\1\x4a\3ab", 8), "cut short");
}

/* What is like the beginning of another format is inside of a model's strings. */
Test(format, models_are_models)
{
    static char *const names[] = {"ORTModule", "TFL3", "GGUF", "version https://git-lfs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model m = model_new(8, 17);
        m->producer_name = names[i];
        PUSH(m->graph, input, value_new("x", 1, "n"));
        PUSH(m->graph, node, node_new("Relu", "x", "y"));
        PUSH(m->graph, output, value_new("y", 1, ""));
        cr_expect_eq(read_model(m), LATHE_OK, "%s: %s", names[i], messages());
    }
}
