/* Signatures: what a row of onnx_ops.def says about a node's inputs, outputs and attributes. */
#ifndef LATHE_FRONTEND_SIGNATURE_H
#define LATHE_FRONTEND_SIGNATURE_H

#include "frontend/fe.h"

#define FE_ANY 0xffff /* as many as there are */

typedef struct fe_word {
    const char *text;
    size_t n;
} fe_word;

typedef struct fe_span {
    unsigned lo, hi;
} fe_span;

/* One entry. A name of length 0: the numbers of inputs and outputs, otherwise an attribute. */
typedef struct fe_rule {
    fe_word name, otherwise, only, harmless; /* otherwise: the default */
    int type;                                /* of AttributeProto */
    bool required, flag;                     /* flag: an int that is 0 or 1 */
    int since, until;                        /* until 0: the newest */
    fe_span in, out;
} fe_rule;

/* Reads the entry at *at and moves on; false at the end, or, with *at not at the end, where the
 * text is no entry. */
bool fe_rule_next(const char **at, fe_rule *);

/* The attribute's entry: the one in force at the version or, where it came later or is gone, the
 * first of that type, as its default is what happened without it. */
bool fe_rule_of(const fe_op *, int version, const char *name, int type, fe_rule *);

/* "float", "ints" ... of an AttributeProto's type. */
const char *fe_type_name(int type);

/* Reports everything about the node that its row does not know. */
lathe_status fe_check_signature(const fe_node *, const fe_op *);

#endif
