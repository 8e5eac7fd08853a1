/* The lowered program: what lower.c makes of a graph, and the emitters turn into an object.
 *
 * Values are assigned to buffers, nodes to steps; the numerical work of a step is a kernel. Equal
 * kernels (same key) are emitted once and shared by all steps that use them; what differs between
 * steps (buffers, run-time sizes) is passed in lathe_args. */
#ifndef LATHE_CODEGEN_PROGRAM_H
#define LATHE_CODEGEN_PROGRAM_H

#include "ir/ir.h"
#include "runtime/abi.h"

typedef enum {
#define KERNEL(id, ...) CG_NEST_##id,
#include "codegen/kernels/kernels.def"
#undef KERNEL
} cg_nest_kind;
typedef enum { CG_SUM, CG_PROD, CG_MAX, CG_MIN, CG_AND, CG_OR, CG_SET } cg_combine;

/* A dense row-major operand or result. Run-time dims are kernel parameters (params of the nest). */
typedef struct cg_operand {
    ir_elem elem;
    int rank;
    ir_dim dims[IR_MAX_RANK];
} cg_operand;

/* Axes that are walked as one, outermost first. */
typedef struct cg_axes {
    int n;
    ir_dim extent[IR_MAX_SPACE], stride[IR_MAX_SPACE];
} cg_axes;

/* panels.def: how a product's b is stored. A row of a panel has so many bytes a column. */
enum { CG_PANEL = 32, CG_CELL = 4 };
typedef enum cg_format {
#define PANEL(id, ...) CG_FORMAT_##id,
#include "ir/panels.def"
#undef PANEL
    CG_FORMATS
} cg_format;
typedef struct cg_panel_form {
    const char *name;
    ir_elem elem, sum; /* of the panel; of the product's sums */
    int group;         /* k of a group */
    int sums;          /* rows of sums in front of each panel */
    int listed;        /* so many k have a row of the list in front of those; 0: there is none */
} cg_panel_form;
const cg_panel_form *cg_panel_form_of(cg_format);
/* An entry of a list: `excess` times the element of a at k is to be added to a column's sum. */
#define CG_LISTED(k, column, excess)                                                               \
    ((uint32_t)(k) << 13 | (uint32_t)(column) << 8 | (uint8_t)(excess))
/* Rows in front of a panel's groups, of so many k in all. */
int64_t cg_panel_front(const cg_panel_form *, int64_t k);
cg_format cg_format_of(const char *name); /* CG_FORMATS: none has it */
/* codes.def: what an element of a panel is stored as. A panel in codes is, block by block along k:
 * a row of scales, a row of zero points, then a row of codes for each k of the block, which the
 * last one may have less of. An element is scale * (code - zero point - offset), or
 * scale * codebook[code]; without scales 1 is the scale, without zero points 0. The codebook, of
 * f32, stands in front of all panels. */
typedef enum cg_code {
    CG_CODE_NONE, /* f32 as it is */
#define CODE(NAME, text, bits, elem) CG_CODE_##NAME,
#include "codegen/kernels/codes.def"
#undef CODE
} cg_code;
typedef struct cg_codes {
    cg_code code;
    ir_elem scale;               /* IR_ELEM_NONE: no scales */
    bool zeros;                  /* zero points, stored as codes are */
    int64_t offset, block, book; /* book: entries of the codebook, 0: there is none */
} cg_codes;
enum { CG_SMALL_BOOK = 16, CG_LARGE_BOOK = 256 };
/* codes.c */
const char *cg_code_text(cg_code);
int cg_code_bits(cg_code);
ir_elem cg_code_elem(cg_code);
/* What a product of floats with weights stored so is in: "w4", "w8", "f16"; i8: of blocks in i8,
 * "w4i8". */
const char *cg_code_precision(cg_code, bool i8);
/* The kind of an element that is a code by itself; CG_CODE_NONE: there is none. */
cg_code cg_code_of(ir_elem);
/* The element type of which a row of codes is an array: of 2 and 4 bits in another order. */
ir_elem cg_code_storage(cg_code);
/* Bytes of the codebook; of a row of codes, of the rows in front of a block, and of those the
 * scales; of a panel. */
int64_t cg_codes_book(const cg_codes *);
int64_t cg_codes_row(const cg_codes *);
int64_t cg_codes_head(const cg_codes *);
int64_t cg_codes_scales(const cg_codes *);
int64_t cg_codes_panel(const cg_codes *, int64_t k);

/* How the factors of a product of floats may be narrowed where a target has tiles for it: rounded
 * to bf16; or to two bf16 parts each, of which three products are added. A worker's scratch holds,
 * behind the part of a panel, the same part narrowed, then the rows of a chunk of a, all parts of
 * each (narrow.c). */
typedef enum { CG_NARROW_NOT, CG_NARROW_BF16, CG_NARROW_F32X3, CG_NARROW_I8 } cg_narrow;
enum { CG_NARROW_STEP = 32, CG_NARROW_PARTS = 2 };

/* CG_NARROW_I8: b is in codes that are numbers; each block of a row of a, as long as those of b, is
 * rounded to i8 with a scale of its own, so that 127 is its largest number. A block's sum is exact
 * in i32; times both scales it is added, in the order of blocks, to the sum of floats. Every target
 * does that, so that all give the same bits (blocks.c). In a worker's scratch stand the number
 * of the segment whose rows are there, which the kernel's next range need not round again, the part
 * of a panel, then the rows of a chunk of a. A block of b there: CG_PANEL cells each of what its
 * sums start from, scales and, where it has them, zero points, then its k in groups as in panels of
 * i8. One of a row of a: a cell each of its scale and of the sum of its codes, then these. Both are
 * filled up with zeros to whole groups, and the last block to the length of all. */
enum { CG_I8_STARTS, CG_I8_SCALES, CG_I8_ZEROS };
enum { CG_I8_GROUP = 4, CG_I8_FRONT = 8, CG_I8_HELD = 64 };

/* c[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n], in tiles (contract.c). The nest's
 * space is batch..., m, n, k; operand 0 is a, operand 1 is b, and all operands are flat. The
 * kernel's range counts, outermost first, the batch, chunks of nearly equal numbers of rows, at
 * most CG_ROWS, and groups of panels. If b is not packed, a worker's scratch takes CG_LONGEST_K
 * rows of a panel, or k if that is known to be less, and one more, into which packing may write;
 * the same for codes, of which more than a few rows are decoded there. */
enum { CG_ROWS = 256, CG_LONGEST_K = 1024 };
typedef struct cg_gemm {
    ir_affine a, b, c; /* places of elements; c is contiguous along n */
    cg_format format;  /* of b's panels, whose elements b's coefs count if it is packed */
    bool packed;       /* b is a weight in panels: b places the first one of its batch */
    cg_narrow narrow;  /* of f32 */
    cg_codes codes;    /* of the panels, whose bytes b counts if they are any */
    cg_axes n, k;      /* not packed: what these axes are in b, whose coefs they replace */
    int64_t group;     /* panels of a group */
} cg_gemm;

/* narrow.c: the form that a product's attribute `precision` names; CG_NARROW_NOT: "" or "f32". */
cg_narrow cg_narrow_of(const char *precision);
const char *cg_narrow_name(cg_narrow);
int cg_narrow_count(cg_narrow); /* parts of a factor */
/* k with what is padded; bytes in a worker's scratch in front of b's parts, and of one of these; k
 * of a product, or 0 if it is not known. Bytes of all, for such rows and k. */
int64_t cg_narrow_padded(int64_t k);
int64_t cg_narrow_offset(int64_t k);
int64_t cg_narrow_part(int64_t k);
ir_dim cg_narrow_bytes(ir_graph *, cg_narrow, ir_dim rows, ir_dim k);

/* blocks.c: whether such codes can be products of blocks in i8; whether code - zero point is an i8,
 * of -64 to 64; else a code less AWAY is, and whether zero points other than that one are left. */
bool cg_i8_serves(const cg_codes *, int64_t k);
bool cg_i8_is_whole(const cg_codes *);
bool cg_i8_is_small(const cg_codes *);
int64_t cg_i8_away(const cg_codes *);
bool cg_i8_has_zeros(const cg_codes *);
/* Blocks of so many k; k of a block in scratch; k of a part, whole blocks. */
int64_t cg_i8_blocks(const cg_codes *, int64_t k);
int64_t cg_i8_length(const cg_codes *, int64_t k);
int64_t cg_i8_part(const cg_codes *, int64_t k);
/* Bytes of the rows in front of a block of b's groups; of a block of b; of a row's; of the part of
 * b in front of a's rows; of all. */
int64_t cg_i8_head(bool zeros);
int64_t cg_i8_of_b(int64_t length, bool zeros);
int64_t cg_i8_of_a(int64_t length);
int64_t cg_i8_offset(const cg_codes *, int64_t k);
ir_dim cg_i8_bytes(ir_graph *, const cg_codes *, ir_dim rows, int64_t k);

/* A reduction of a row. */
typedef struct cg_stage {
    cg_combine combine;
    ir_expr body;
    ir_expr keep; /* IR_NONE, or of the type of out */
} cg_stage;

/* One loop nest. Rows: the flattened parallel axes but the innermost one (rank - nred <= 1: a
 * single row when 0 axes, see docs); begin..end of the kernel counts rows. Kinds:
 * MAP       out[store] = body                    for every point of the space
 * REDUCE    out[store] = combine over the nred innermost axes of body
 * ARG       the index along the one reduced axis of the best body (CG_MAX, CG_MIN; last)
 * CUMULATE  sequential along `axis`, carrying combine(acc, body); exclusive, reverse
 * SCATTER   out[store] = combine(out[store], body), points in row-major order, one worker only
 * body and store are expressions of the graph's pool whose LOADs name operands by number.
 * ROW       for each point of the parallel axes, a row: ACC(i) = combine of stage i over the nred
 *           innermost axes of its body, stage by stage; then out[store] = body all along the row.
 *           What a stage keeps it stores in out; later it is a LOAD of operand number noperands
 * epilogue, of a REDUCE: what is stored is its value at the parallel axes, with ACC(0) the reduced
 * value; the type of out is the epilogue's then. */
typedef struct cg_nest {
    cg_nest_kind kind;
    cg_combine combine;
    int rank, nred, axis;
    bool exclusive, reverse, last;
    ir_dim space[IR_MAX_SPACE];
    size_t noperands;
    cg_operand *operands;
    cg_operand out;
    ir_expr body;
    size_t nstages; /* ROW */
    cg_stage *stages;
    bool extremes;    /* [max(-x), max(x)] of each part of out are stored, too: cg_needs.parts */
    ir_expr epilogue; /* IR_NONE: the reduced value is stored as it is */
    ir_expr store[IR_MAX_RANK];           /* one index an axis of out */
    const cg_gemm *gemm;                  /* CG_NEST_GEMM, which has no store; body: of b, if it
                                             is computed as it is packed, over all axes */
    const struct cg_attention *attention; /* CG_NEST_ATTENTION; gemm is the product with v */
    size_t nparams; /* run-time dims that the kernel receives in lathe_args.dim */
    ir_dim *params;
} cg_nest;

/* The nest of an attention kernel is the product of weights and values, over batch..., m, d, n;
 * with it go the product of q and keys, over batch..., m, n, k, and the ROW over batch..., m, n
 * that makes weights of scores, which it finds as its result, in memory of the worker. All three
 * have the operands and params of the kernel. The kernel's range counts the batch and, inside of
 * it, chunks of rows as in a cg_gemm. Scratch: the keys of one batch in panels, a row of a panel
 * into which packing may write, the values in panels, then CG_SCORE_ROWS rows of scores. */
enum { CG_Q, CG_KEY, CG_VALUE, CG_FACTORS };
typedef struct cg_attention {
    cg_nest scores, row;
    int operand[CG_FACTORS];
    ir_expr base[CG_FACTORS]; /* place of the first element at the batch's indices */
    ir_dim step;              /* between rows of scores */
} cg_attention;
enum { CG_SCORE_ROWS = 16 };

/* A row of kernels.def. */
enum {
    CG_COMBINES = 1 << 0,
    CG_REDUCES = 1 << 1,
    CG_FINDS = 1 << 2,
    CG_ORDERED = 1 << 3,
    CG_REREADS = 1 << 4,
    CG_TERMS = 1 << 5,
    CG_EXTREMES = 1 << 6,
};
typedef enum { CG_ROWS_ALL, CG_ROWS_KEPT, CG_ROWS_ALL_BUT, CG_ROWS_OWN } cg_rows;
typedef enum {
    CG_INSIDE_points,
    CG_INSIDE_cumulated,
    CG_INSIDE_stages,
    CG_INSIDE_nothing
} cg_inside;
typedef struct cg_family {
    const char *name;
    cg_rows rows;
    cg_inside inside;
    int64_t stretch;
    unsigned traits;
} cg_family;
/* family.c */
const cg_family *cg_family_of(const cg_nest *);
bool cg_has(const cg_nest *, unsigned trait);
bool cg_is_one(const ir_graph *, ir_dim);
/* The axis of the innermost parallel loop; -1: there is none. */
int cg_inner_axis(const ir_graph *, const cg_nest *);
bool cg_is_row_axis(const ir_graph *, const cg_nest *, int axis);
/* Rows cannot be told apart safely: they are ordered, or elements of the result share bytes. */
bool cg_one_worker(const cg_nest *);
/* Rows that the kernel of a nest without units of its own may be given, [0, rows). */
ir_dim cg_nest_rows(ir_graph *, const cg_nest *);
/* What a step of the nest's kernel needs. expressions: about how many are evaluated at a point. */
typedef struct cg_needs {
    ir_dim units;   /* that the kernel's range counts */
    ir_dim work;    /* scalar operations of a unit; IR_NONE: in order, on one thread */
    ir_dim scratch; /* bytes of each worker; IR_NONE: none */
    ir_dim parts;   /* of the result, whose extremes it can store (CG_EXTREMES) */
} cg_needs;
cg_needs cg_needs_of(ir_graph *, const cg_nest *, int64_t expressions);
/* Buffers of a step: of the operands, the result, and the extremes of its parts. */
size_t cg_nest_buffers(const cg_nest *);

typedef struct cg_kernel {
    cg_nest nest;
    const char *key;  /* canonical text; equal keys: same code */
    const char *name; /* symbol, local to the object */
} cg_kernel;

/* A matrix, or several, for cg_gemm: panels of CG_PANEL columns, the last one filled up with
 * zeros, of elements or, of f32, of codes of them. Of the axes, the first nbatch count matrices,
 * the next nk make up k, the last nn make up n; strides are elements of the blob. */
typedef struct cg_panels {
    cg_format format;
    cg_codes codes;
    int nbatch, nk, nn;
    int64_t base, size[IR_MAX_SPACE], stride[IR_MAX_SPACE];
} cg_panels;

typedef struct cg_encoded cg_encoded;
typedef struct cg_decoder cg_decoder;

typedef struct cg_weight {
    ir_blob blob;
    const cg_panels *panels;   /* NULL: the bytes as they are */
    const cg_encoded *encoded; /* what the panels are computed from; NULL: the blob */
    uint64_t offset, size;     /* in the weight data; offset is 64-byte aligned */
} cg_weight;

/* Tables as they go into the object, still as growable arrays. Slots are numbered in the order in
 * which dims are added. strings starts with "". */
typedef struct cg_program {
    ir_graph *g;
    ir_arena *arena;
    const char *name, *precision; /* --precision; NULL: none */
    cg_kernel *kernels;
    size_t nkernels, cap_kernels;
    const char **funcs; /* runtime functions called, by symbol */
    size_t nfuncs, cap_funcs;
    cg_weight *weights;
    size_t nweights, cap_weights;
    uint64_t weights_size, weights_hash, build_id;
    const char **stored;  /* by node of the graph: what a product's weights are stored as */
    cg_encoded **encoded; /* matrices that are decoded when they are written (encode.h) */
    size_t nencoded, cap_encoded;
    cg_decoder **decoders;
    size_t ndecoders, cap_decoders;
    bool embed_weights; /* the object refers to NAME_weights, see weights.c */
#define TABLE(type, name)                                                                          \
    type *name;                                                                                    \
    size_t n##name, cap_##name;
    TABLE(char, strings)
    TABLE(uint32_t, origins) /* one a step; not in the object */
#include "runtime/tables.def"
#undef TABLE
    uint32_t n_free, n_segments, max_bufs, max_dims, scratch_slot;
} cg_program;

/* Computes an encoded matrix once, to see that no index of it is outside. */
typedef bool (*cg_decodes)(cg_program *, cg_encoded *, lathe_diag *);
/* lower.c: graph -> program. The graph must be verified and hold only operators that lower. At
 * level 0 all kernels are general nests. pairs: PAIRS is the best format for all targets. The
 * program, also that of a failure, must be closed; nothing is left to close at level 0. */
lathe_status cg_lower(ir_graph *, const char *name, int level, bool pairs, cg_decodes,
                      cg_program **);
bool cg_encoded_decodes(cg_program *, cg_encoded *, lathe_diag *); /* decode.c; compiles and runs */
/* decode.c: makes its encoded weights ready to be hashed and written. */
lathe_status cg_program_open(cg_program *, lathe_diag *);
void cg_program_close(cg_program *); /* NULL: none */

/* lower/origins.c: lets each step name all nodes of the model that it comes from (lathe_node). */
void cg_list_origins(cg_program *);

/* program_print.c: the program as text. */
lathe_status cg_program_print(const cg_program *, FILE *);
/* program_verify.c: whether it keeps its promises; LATHE_INTERNAL and a message if not. */
lathe_status cg_program_verify(const cg_program *, lathe_diag *);
const char *cg_combine_name(cg_combine);

/* target.c: ISA descriptions. */
/* Needs of a tile besides LATHE_CPU_*: the family. */
enum { CG_TILE_X86 = 1 << 30, CG_TILE_ARM = 1 << 29 };
typedef struct cg_isa {
    const char *name; /* "x86-64-v3" */
    const char *also; /* another name; NULL: none */
    const char *triple, *cpu, *features;
    int vector_bits, vector_registers;
    bool has_fma, has_f16, has_round; /* f16 <-> f32; floor, ceil and the like in one instruction */
    bool has_saturation;              /* vectors of f32 to i32, saturating, in one instruction */
    uint32_t cpu_bits;                /* lathe_target.features */
    const char *linker_emulation, *library_dir;
    const char *tile; /* of tiles.def: the only one besides the plain one (tests); NULL: all */
    uint32_t defines; /* needs of tiles that are there as their definitions alone (tests) */
} cg_isa;
const cg_isa *cg_isa_find(const char *name); /* NULL: unknown */
const cg_isa *cg_isa_at(size_t index);       /* NULL: past the end */
const cg_isa *cg_isa_host(void);

/* What an object holds code for: ISAs of one architecture, from the best to the least. */
enum { CG_MOST_TARGETS = 12 };
typedef struct cg_targets {
    const cg_isa *isa[CG_MOST_TARGETS];
    size_t n;
} cg_targets;
/* emit_narrow.c: lets steps whose products are computed in narrowed factors say so, for each target
 * from the best to the least where they differ. After cg_hash: weights are those of all targets. */
void cg_name_narrowed(cg_program *, const cg_targets *);
/* "x86-64-v3,x86-64-v4"; NULL: this host. */
lathe_status cg_targets_parse(const char *list, cg_targets *, lathe_diag *);
/* Whether what each has for products of codes adds them in pairs with saturation. */
bool cg_targets_pair(const cg_targets *);
/* emit_need.c: the least one whose code for the program is the same. */
const cg_isa *cg_isa_needed(const cg_isa *, const cg_program *);

/* emit.c: program -> object file (or LLVM/assembly text) in memory, malloc'ed. Every target has its
 * own kernels; all else is there once. */
typedef enum { CG_OBJECT, CG_LLVM, CG_ASM } cg_form;
lathe_status cg_emit(const cg_program *, const cg_targets *, cg_form, int level, lathe_diag *,
                     char **data, size_t *size);

/* panels.c: size of one panel, its rows of sums included; bytes of a packed weight, which must fit
 * in 63 bits; packs and hands out piece by piece. */
ir_dim cg_panel_elements(ir_graph *, cg_format, ir_dim k);
ir_dim cg_panel_bytes(ir_graph *, cg_format, ir_dim k);
uint64_t cg_panels_size(const cg_panels *);
/* Whether the lists of PAIRS have room for all that they must hold. */
bool cg_panels_fit(const cg_panels *, const void *elements);
bool cg_panels_write(const cg_panels *, const void *elements,
                     bool (*put)(void *ctx, const void *bytes, size_t size), void *ctx);
/* weights.c: writes the weight file, or a relocatable object with symbol NAME_weights. Streams. */
lathe_status cg_write_weights(const cg_program *, FILE *, lathe_diag *);
lathe_status cg_write_weights_object(const cg_program *, const cg_isa *, FILE *, lathe_diag *);
/* Sets weights_hash and build_id. */
void cg_hash(cg_program *);
/* header.c: the typed header. */
lathe_status cg_write_header(const cg_program *, FILE *, lathe_diag *);
/* link.c: the runtime archive for a target, found from the place of the running program. */
bool cg_find_runtime(const cg_isa *, char *path, size_t size);
/* Spawns the linker (and ar). */
lathe_status cg_link(const cg_isa *, const char *const *inputs, size_t n, const char *runtime,
                     const char *output, lathe_emit, lathe_diag *);

#endif
