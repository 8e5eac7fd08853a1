/* Files that are often given in a model's place. In: the bytes of a file. Out: what it is, if it is
 * known and no ONNX model.
 *
 * Invariant: an ONNX model is never taken for one of these. A model is a protobuf message of fields
 * 1 to 26, and every signature here starts with a tag that none of its fields has, or contradicts a
 * model elsewhere. */
#include "frontend/format.h"

#include <string.h>
#include <strings.h>

#define EXPORT "lathe reads ONNX: export the model to it first"
#define FETCH "download the file itself"

typedef struct signature {
    size_t at, size;
    const char *bytes;
    fe_format is;
} signature;
#define SIGNATURE(at, bytes, ...)                                                                  \
    {                                                                                              \
        at, sizeof bytes - 1, bytes, { __VA_ARGS__ }                                               \
    }

static const signature signatures[] = {
    SIGNATURE(0, "version https://git-lfs.github.com/spec/",
              "a Git LFS pointer, which stands for the file", "`git lfs pull` fetches the file",
              true),
    SIGNATURE(0, "GGUF", "a GGUF file, as llama.cpp reads it", EXPORT, false),
    SIGNATURE(0, "PK\3\4", "a zip archive, as PyTorch and Keras write them",
              "unpack it, or export the model to ONNX", false),
    SIGNATURE(0, "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", "a file of PyTorch", EXPORT, false),
    SIGNATURE(0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", EXPORT, false),
    SIGNATURE(0, "\x93NUMPY", "a NumPy array", EXPORT, false),
    SIGNATURE(0, "\x1f\x8b", "compressed by gzip", "decompress it", false),
    SIGNATURE(0, "\3757zXZ", "compressed by xz", "decompress it", false),
    SIGNATURE(0, "BZh", "compressed by bzip2", "decompress it", false),
    SIGNATURE(257, "ustar", "a tar archive", "unpack it", false),
    SIGNATURE(0, "\177ELF", "a compiled program or library", NULL, false),
    SIGNATURE(0, "ir_version:", "ONNX as protobuf text", "save it in the binary form", false),
};

static const fe_format empty = {"empty", FETCH, true};
static const fe_format html = {"an HTML page", FETCH, true};
static const fe_format xml = {"an XML file, as OpenVINO writes them", EXPORT, false};
static const fe_format json = {"JSON text", EXPORT, false};
static const fe_format safetensors = {"a safetensors file",
                                      "it holds weights alone: export the model to ONNX", false};
static const fe_format ort = {"ONNX Runtime's own format (.ort)", "take the .onnx that it is from",
                              false};
static const fe_format tflite = {"a TensorFlow Lite model", EXPORT, false};
static const fe_format tensor = {"a TensorProto, one tensor without a model",
                                 "as test data it belongs beside a model", false};

static bool starts(const uint8_t *bytes, size_t size, const char *word)
{
    size_t n = strlen(word);
    return size >= n && strncasecmp((const char *)bytes, word, n) == 0;
}

/* ---- text ---- */

static const fe_format *find_text(const uint8_t *bytes, size_t size)
{
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) bytes += 3, size -= 3;
    while (size && memchr(" \t\r\n", *bytes, 4)) bytes++, size--;
    if (starts(bytes, size, "<!doctype html") || starts(bytes, size, "<html")) return &html;
    if (starts(bytes, size, "<?xml")) return &xml;
    bool object = size > 1 && *bytes == '{' && memchr("\" \t\r\n", bytes[1], 5);
    return object ? &json : NULL;
}

/* ---- little-endian lengths and offsets ---- */

static uint64_t word(const uint8_t *bytes, int width)
{
    uint64_t value = 0;
    for (int i = 0; i < width; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* An offset to the root, then four letters; in a model of that beginning the third byte would be
 * a tag. */
static const fe_format *find_flatbuffer(const uint8_t *bytes, size_t size)
{
    if (size < 8 || word(bytes, 4) >= size || bytes[2] || bytes[3]) return NULL;
    if (memcmp(bytes + 4, "ORTM", 4) == 0) return &ort;
    return memcmp(bytes + 4, "TFL3", 4) == 0 ? &tflite : NULL;
}

/* The size of a JSON header, then the header. */
static bool is_safetensors(const uint8_t *bytes, size_t size)
{
    return size > 8 && bytes[8] == '{' && word(bytes, 8) <= size - 8;
}

/* ---- a tensor ---- */

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* One field of a TensorProto, whose data_type is a varint where a model has a string. */
static bool tensor_field(const uint8_t **at, const uint8_t *end, bool *has_type)
{
    enum { DIMS = 1, TYPE = 2, LOCATION = 14, METADATA = 16 };
    uint64_t tag, value;
    if (!varint(at, end, &tag) || !tag || tag >> 3 > METADATA || !varint(at, end, &value))
        return false;
    uint64_t field = tag >> 3, kind = tag & 7;
    if (kind == 0) {
        *has_type |= field == TYPE;
        return field == DIMS || field == TYPE || field == LOCATION;
    }
    if (kind != 2 || field == TYPE || field == LOCATION || value > (uint64_t)(end - *at))
        return false;
    *at += value;
    return true;
}

static bool is_tensor(const uint8_t *bytes, size_t size)
{
    const uint8_t *at = bytes, *end = bytes + size;
    bool has_type = false;
    while (at < end)
        if (!tensor_field(&at, end, &has_type)) return false;
    return has_type;
}

const fe_format *fe_format_find(const uint8_t *bytes, size_t size)
{
    if (!size) return &empty;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (s->at + s->size <= size && memcmp(bytes + s->at, s->bytes, s->size) == 0) return &s->is;
    }
    if (is_safetensors(bytes, size)) return &safetensors;
    if (is_tensor(bytes, size)) return &tensor;
    const fe_format *found = find_flatbuffer(bytes, size);
    return found ? found : find_text(bytes, size);
}
