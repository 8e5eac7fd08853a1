/* Shared by the files that lower a graph: lower*.c, nest_key.c, slots.c, buffers.c; private to
 * codegen/. One cg_lowering lives for one call of cg_lower; all memory is the graph's arena. */
#ifndef LATHE_CODEGEN_LOWER_H
#define LATHE_CODEGEN_LOWER_H

#include "codegen/lower/encode.h"
#include "codegen/program.h"

/* Append to a table of the program; the entry's number. */
#define CG_PUSH(p, table, ...)                                                                     \
    ((p)->table = ir_grow((p)->arena, (p)->table, &(p)->cap_##table, (p)->n##table + 1,            \
                          sizeof *(p)->table),                                                     \
     (p)->table[(p)->n##table] = (__VA_ARGS__), (uint32_t)(p)->n##table++)

/* Numbers by 64-bit keys (map.c). Forgetting all of them costs nothing. */
typedef struct cg_map_entry {
    uint64_t key;
    uint32_t value, generation;
} cg_map_entry;
typedef struct cg_map {
    cg_map_entry *entries;
    size_t cap, used;
    uint32_t generation;
} cg_map;
uint32_t cg_map_get(const cg_map *, uint64_t key, uint32_t otherwise);
void cg_map_put(ir_arena *, cg_map *, uint64_t key, uint32_t value);
void cg_map_clear(cg_map *);
uint64_t cg_hash_text(const char *);

/* A growing text. */
typedef struct cg_text {
    ir_arena *arena;
    char *s;
    size_t n, cap;
} cg_text;
void cg_text_add(cg_text *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A loop whose body is being lowered. What its body uses from outside must survive the last turn.
 */
typedef struct cg_frame {
    struct cg_frame *outer;
    uint32_t depth; /* 1 for an outermost loop */
    uint32_t *pinned;
    size_t npinned, cap;
} cg_frame;

typedef struct cg_held cg_held;

/* Of a value: the node that first reads it for its extremes, or IR_NONE; once its kernel stores
 * them, 1 + their buffer, and for how many parts. */
typedef struct cg_extremes {
    ir_node_id first;
    uint32_t buffer;
    ir_dim parts;
} cg_extremes;

typedef struct cg_lowering {
    ir_graph *g;
    cg_program *p;
    ir_node_id node;     /* being lowered, for messages */
    uint32_t node_entry; /* its entry in nodes[] */
    lathe_status status; /* of the first failure inside a function that returns a number */
    int level;           /* 0: general kernels only */
    bool pairs;          /* weights of codes may become CG_FORMAT_PAIRS */
    ir_dim scratch;      /* bytes that a worker needs; IR_NONE: none */
    int nesting;         /* regions around the node */
    cg_frame *frame;     /* innermost loop around the node, or NULL */
    cg_map slots, dim_ops, syms, strings, entries, kernels, weights, funcs, locals;
    uint32_t *sym_segment;   /* by ir_sym: where it gets its value; LATHE_NO_SLOT: not yet */
    uint32_t *block_segment; /* by block: computed at its start */
    uint8_t *grows;          /* by slot: no bound is known before the run */
    size_t cap_grows;
    uint32_t *buffer;      /* by value: 1 + number, 0: none yet */
    uint32_t *home;        /* by value: 1 + the buffer that its producer must fill, or 0 */
    ir_value *root;        /* by value: whose memory it shares; IR_NONE: not yet asked */
    uint32_t *uses;        /* by root: reads that are not lowered yet, see inplace.c */
    ir_node_id *part;      /* by value: the concat that it is stored into, or IR_NONE */
    cg_decodes decodes;    /* NULL: matrices with checked indices are not encoded */
    cg_encoded **encoded;  /* by contract: its weight, or NULL */
    cg_held **held;        /* by root: panels that it is looked up in, or NULL */
    bool *dead;            /* by node: it only decodes what is decoded already */
    cg_extremes *extremes; /* by root */
    ir_value *extremes_of; /* by node: what it finds the extremes of, or IR_NONE */
    uint32_t *depth;       /* by buffer: loops around its definition */
    size_t cap_depth;
    cg_text text;
} cg_lowering;

/* Records a failure at the node being lowered; the status. */
lathe_status cg_refuse(cg_lowering *, lathe_status, ir_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- slots.c ---- */
/* Number of the slot that holds a dim. */
uint32_t cg_slot(cg_lowering *, ir_dim);
/* The same, with the dim's text for messages and for the generic interface. */
uint32_t cg_named_slot(cg_lowering *, ir_dim);
uint32_t cg_symbol(cg_lowering *, ir_sym);
/* Index in u32s of the slots of n dims. */
uint32_t cg_slot_list(cg_lowering *, const ir_dim *, int n, bool named);
bool cg_slot_grows(const cg_lowering *, uint32_t slot);
/* Whether every symbol of the dim is set by the nodes lowered so far. */
bool cg_size_known(cg_lowering *, ir_dim);
/* A new segment, in which the n symbols get their values. */
uint32_t cg_segment(cg_lowering *, const ir_sym *, size_t n);
uint32_t cg_string(cg_lowering *, const char *);
uint32_t cg_interned(cg_lowering *, ir_str);
lathe_status cg_lower_guards(cg_lowering *);
/* ceil(elements * bits / 8). */
ir_dim cg_bytes(ir_graph *, const ir_type *);

/* ---- buffers.c ---- */
/* The value whose memory v shares: v itself, or the operand at the end of a chain of reshapes. */
ir_value cg_root(cg_lowering *, ir_value);
/* Number of the buffer of v's root; made on first use. */
uint32_t cg_buffer(cg_lowering *, ir_value);
/* Number of the buffer of a constant; panels may be NULL. */
uint32_t cg_weight_buffer(cg_lowering *, const ir_blob *, const cg_panels *);
/* Number of the buffer of a matrix that is decoded into panels. */
uint32_t cg_encoded_buffer(cg_lowering *, cg_encoded *);
/* A new buffer; kind ARENA becomes GROWING where the size has no bound. */
uint32_t cg_buffer_new(cg_lowering *, uint32_t kind, uint32_t index, uint32_t bytes);
/* Makes v's producer write into a given buffer, if it can; false: a copy is needed. */
bool cg_set_home(cg_lowering *, ir_value, ir_block_id, ir_dim bytes, uint32_t buffer);
/* The buffer is in use at this step. */
void cg_touch(cg_lowering *, uint32_t buffer, uint32_t step);
/* Gives a value that no node of its own produces the memory that holds it. */
void cg_bind_buffer(cg_lowering *, ir_value, uint32_t buffer);
void cg_frame_enter(cg_lowering *, cg_frame *);
void cg_frame_leave(cg_lowering *, uint32_t last_step);

/* ---- inplace.c ---- */
void cg_count_uses(cg_lowering *);
void cg_uses_done(cg_lowering *, const ir_node *);
/* Gives the result of a map the buffer of an operand, where that is possible. */
void cg_map_in_place(cg_lowering *, const ir_node *);
/* The same for a row, whose stages are known. */
void cg_row_in_place(cg_lowering *, const ir_node *, const cg_nest *);
/* The same for a scatter and its data; false: the data must be copied. */
bool cg_scatter_in_place(cg_lowering *, const ir_node *);

/* ---- parts.c ---- */
/* Fills part[]; after cg_count_uses. */
void cg_find_parts(cg_lowering *);
/* Lets the nest that makes v store into the concat that v is a part of, if it is one; the value
 * whose buffer the nest writes. */
ir_value cg_store_as_part(cg_lowering *, ir_value v, cg_nest *);

/* ---- encode.c ---- */
/* Fills encoded[], held[] and dead[]; after cg_find_parts. */
void cg_find_encoded(cg_lowering *);

/* ---- panel_reads.c ---- */
/* A product has the matrix in panels, of codes if it is encoded: holds its value if it can be
 * looked up there. */
void cg_hold(cg_lowering *, const cg_matrix *, cg_encoded *);
/* Clears held[] where a reader needs the tensor. reads: by root, how many reads are products'; the
 * lookups are added. */
void cg_release_others(cg_lowering *, uint32_t *reads);
/* Whether the node looks its operand up in panels. */
bool cg_looks_up(cg_lowering *, const ir_node *, uint32_t operand);
/* The buffers of a nest's operands; what is held is read there, which changes the nest. bufs has
 * room for three times as many. */
void cg_read_panels(cg_lowering *, const ir_node *, cg_nest *, uint32_t *bufs);

/* ---- extremes.c ---- */
/* Fills extremes[] and extremes_of[]; after cg_find_parts. */
void cg_find_extremes(cg_lowering *);
/* If somebody wants the extremes of the value and the nest's kernel can store them, lets it. bufs
 * has room for one more behind the result's. */
void cg_give_extremes(cg_lowering *, ir_value, cg_nest *, uint32_t *bufs);
/* Lowers a node that finds extremes which are there; false: nothing is done. */
bool cg_lower_extremes(cg_lowering *, const ir_node *);

/* ---- steps (lower.c) ---- */
/* Number of a node's name and operator in nodes[]. */
uint32_t cg_node_entry(cg_lowering *, const ir_node *);
/* Appends a step with its buffers and slots; its number. */
uint32_t cg_step(cg_lowering *, lathe_step, const uint32_t *bufs, size_t nbufs,
                 const uint32_t *slots, size_t nslots);
void cg_copy(cg_lowering *, uint32_t from, uint32_t to, uint32_t bytes);
void cg_segment_step(cg_lowering *, uint32_t segment);
lathe_status cg_lower_block(cg_lowering *, ir_block_id);

/* ---- nodes ---- */
typedef lathe_status (*cg_lower_node)(cg_lowering *, const ir_node *);
lathe_status cg_lower_nest(cg_lowering *, const ir_node *); /* lower_nest.c */
/* By its name, of so many bytes; a sum if there is none. */
lathe_status cg_read_combine(cg_lowering *, const char *kind, size_t length, cg_combine *);
/* An operand of a value's type. */
cg_operand cg_operand_of(const ir_type *);
/* Lets the stages of a row store in its result what later ones need again. */
void cg_keep_stages(cg_lowering *, cg_nest *);
/* lower_row.c: the stages of a row node; the nest has everything else, its place in memory too. */
lathe_status cg_read_row(cg_lowering *, const ir_node *, cg_nest *);
/* What the attributes of a node in nest form say: a contract is not looked at as a product yet. */
lathe_status cg_read_nest(cg_lowering *, const ir_node *, cg_nest *);
/* contract.c: lowers a node with the roles of a product in tiles; false: nothing is done. The nest
 * is the node's. weight: its b in panels, if it is to be decoded into them, or NULL. */
bool cg_lower_product(cg_lowering *, const ir_node *, const cg_nest *, ir_value result,
                      cg_encoded *weight);
/* What cg_lower_product would pack of its b, a weight; false: it would not. */
bool cg_product_weight(cg_lowering *, const ir_node *, const cg_nest *, cg_matrix *);
lathe_status cg_lower_attention(cg_lowering *, const ir_node *); /* attention.c */
void cg_reserve_scratch(cg_lowering *, ir_dim bytes);
lathe_status cg_lower_view(cg_lowering *, const ir_node *);
lathe_status cg_lower_scatter(cg_lowering *, const ir_node *);
lathe_status cg_lower_concat(cg_lowering *, const ir_node *);
/* In front of a kernel that only brings rows of a state to where the session has them already. */
void cg_step_past(cg_lowering *);
lathe_status cg_lower_values(cg_lowering *, const ir_node *);
lathe_status cg_lower_guard(cg_lowering *, const ir_node *);
lathe_status cg_lower_bind(cg_lowering *, const ir_node *); /* lower_control.c */
lathe_status cg_lower_call(cg_lowering *, const ir_node *);
lathe_status cg_lower_if(cg_lowering *, const ir_node *); /* lower_region.c */
lathe_status cg_lower_loop(cg_lowering *, const ir_node *);

/* A step of the nest's kernel. The nest gets its params. bufs: operands, the result, extremes. */
lathe_status cg_kernel_step(cg_lowering *, cg_nest *, const uint32_t *bufs);
/* nest_key.c: the nest's params, in order of first appearance, and its text with the run-time dims
 * replaced by their numbers. The text is valid until the next call. */
const char *cg_nest_key(cg_lowering *, cg_nest *);
/* merge.c: after all steps. Makes one kernel of those that differ in places only. */
void cg_merge_kernels(cg_lowering *);
/* attention.c: what is implied of its scores and rows, after its own operands and sizes changed. */
void cg_imply_attention(cg_nest *);

#endif
