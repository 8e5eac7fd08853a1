/* Sequences whose length a run decides, as tensors. */
#ifndef LATHE_FRONTEND_SEQUENCE_H
#define LATHE_FRONTEND_SEQUENCE_H

#include "frontend/loop.h"

/* What the items of a sequence have in common. */
typedef struct fe_items {
    bool known;
    ir_type type; /* of an item; its size along `axis` is IR_NONE */
    int axis;     /* along which the items differ in size; -1: nowhere */
} fe_items;

/* What a trial import of a loop's body finds out about a sequence that the loop carries. */
typedef struct fe_learn {
    fe_items items;
    fe_mark mark;   /* sizes made since differ from turn to turn */
    bool other;     /* the body does more than append to it */
    bool irregular; /* items differ in rank, type, or along two axes */
} fe_learn;

/* Notes one more item. */
void fe_learn_item(const ir_graph *, fe_learn *, const ir_type *);
/* Notes the items of a sequence that exists. */
void fe_learn_value(const ir_graph *, fe_learn *, const fe_value *);

bool fe_seq_is_list(const fe_value *); /* its items are known one by one */
ir_dim fe_seq_length(ir_graph *, const fe_value *);
/* v, with as many items as it has, as tensors that hold such items. */
lathe_status fe_seq_pack(fe_node *, const fe_items *, const fe_value *v, fe_value *packed);
/* The packed sequence that begins at *values (a tensor and, where sizes differ, their list). */
fe_value fe_seq_take(const fe_items *, const ir_value **values);
void fe_seq_put(const fe_value *, ir_value **values);
size_t fe_seq_tensors(const fe_items *); /* 1 or 2 */

/* SequenceMap's outputs, of sequences that are all packed: the graph for each item. */
lathe_status fe_map_items(fe_node *, const Onnx__GraphProto *);

/* On packed ones. `at`: a scalar, negative from the end; IR_NONE: the end. */
lathe_status fe_seq_at(fe_node *, const fe_value *, ir_value at, ir_value *item);
lathe_status fe_seq_insert(fe_node *, const fe_value *, ir_value item, ir_value at, fe_value *);
lathe_status fe_seq_erase(fe_node *, const fe_value *, ir_value at, fe_value *);
/* All items along a new first axis; the run fails if they differ in size. */
lathe_status fe_seq_stack(fe_node *, const fe_value *, ir_value *);
lathe_status fe_seq_concat(fe_node *, const fe_value *, int axis, bool new_axis, ir_value *);

#endif
