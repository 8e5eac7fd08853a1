/* Weights of com.microsoft that are quantised in blocks: MatMulNBits, MatMulBnb4 and
 * GatherBlockQuantized. In: codes packed in bytes, a scale a block, perhaps zero points. Out: a map
 * that unpacks an element where it is read, and a product or the rows asked for; the codes are
 * never unpacked as a whole. Which bits of a byte come first belongs to each operator. */
#include "frontend/quant.h"

/* ---- checks ---- */

/* A count of rows or columns, so small that products of two fit. */
static lathe_status need_count(const fe_node *n, const char *name, int64_t count)
{
    if (count >= 1 && count <= INT32_MAX) return LATHE_OK;
    return fe_expect(n, ir_format(n->g->arena, "attribute %s is", name), fe_number(n, count),
                     "1 to 2147483647");
}

/* Input k holds rows x columns elements, as a matrix or as one list. */
static lathe_status need_table(const fe_node *n, size_t k, int64_t rows, int64_t columns)
{
    const ir_type *t = fe_type(n, k);
    ir_graph *g = n->g;
    if (t->rank == 1) return fe_need_dim(n, k, 0, ir_dim_const(g, rows * columns));
    TRY(fe_need_rank(n, k, 2));
    TRY(fe_need_dim(n, k, 0, ir_dim_const(g, rows)));
    return fe_need_dim(n, k, 1, ir_dim_const(g, columns));
}

static ir_value as_table(ir_builder *b, ir_value v, int64_t rows, int64_t columns)
{
    return ir_reshape(b, v, 2, fe_const_dims(b->g, (int64_t[]){rows, columns}, 2));
}

/* ---- MatMulNBits ---- */

enum { A, B, SCALES, ZEROS, G_IDX, BIAS };

typedef struct nbits {
    fe_node *n;
    int64_t k, columns, bits, block, blocks, zero_bytes;
    bool packed; /* the zero points */
} nbits;

static lathe_status read_nbits(fe_node *n, nbits *q)
{
    *q = (nbits){.n = n,
                 .k = fe_attr_int(n, "K"),
                 .columns = fe_attr_int(n, "N"),
                 .bits = fe_attr_int(n, "bits"),
                 .block = fe_attr_int(n, "block_size"),
                 .packed = fe_in(n, ZEROS) != IR_NONE && fe_type(n, ZEROS)->elem == IR_U8};
    TRY(need_count(n, "K", q->k));
    TRY(need_count(n, "N", q->columns));
    TRY(fe_need_code_bits(n, "bits", q->bits));
    TRY(fe_need_block(n, q->block));
    q->blocks = (q->k + q->block - 1) / q->block;
    q->zero_bytes = (q->blocks * q->bits + 7) / 8;
    return LATHE_OK;
}

static lathe_status check_nbits(const nbits *q)
{
    fe_node *n = q->n;
    int64_t dims[] = {q->columns, q->blocks, q->block * q->bits / 8};
    TRY(fe_need_class(n, A, "FL"));
    TRY(fe_need_class(n, B, "U"));
    TRY(fe_need_rank(n, B, 3));
    for (int i = 0; i < 3; i++) TRY(fe_need_dim(n, B, i, ir_dim_const(n->g, dims[i])));
    TRY(fe_need_class(n, SCALES, "FL"));
    TRY(need_table(n, SCALES, q->columns, q->blocks));
    if (fe_has(n, ZEROS)) {
        TRY(fe_need_class(n, ZEROS, q->packed ? "U" : "FL"));
        TRY(need_table(n, ZEROS, q->columns, q->packed ? q->zero_bytes : q->blocks));
    }
    if (fe_has(n, G_IDX)) {
        int64_t padded = q->blocks * q->block;
        TRY(fe_need_class(n, G_IDX, "S"));
        TRY(fe_need_rank(n, G_IDX, 1));
        bool whole = ir_dim_equals(n->g, fe_type(n, G_IDX)->dims[0], padded);
        TRY(fe_need_dim(n, G_IDX, 0, ir_dim_const(n->g, whole ? padded : q->k)));
    }
    if (!fe_has(n, BIAS)) return LATHE_OK;
    TRY(fe_need_class(n, BIAS, "FL"));
    TRY(fe_need_rank(n, BIAS, 1));
    return fe_need_dim(n, BIAS, 0, ir_dim_const(n->g, q->columns));
}

/* Whether rows in some order lie in the blocks that g_idx names for them, as rows do without it;
 * *order: that order as [K], or IR_NONE if it is their own. */
static bool rows_by_block(const nbits *q, ir_value *order)
{
    fe_node *n = q->n;
    *order = IR_NONE;
    if (!fe_has(n, G_IDX)) return true;
    const ir_node *def = &n->g->nodes[n->g->values[fe_in(n, G_IDX)].def];
    ir_elem elem = fe_type(n, G_IDX)->elem;
    ir_scalar_value of;
    bool same = true;
    if (def->op != IR_OP_CONST) return false;
    int64_t *rows = IR_NEW_N(n->g->arena, int64_t, (size_t)q->k),
            *filled = IR_NEW_N(n->g->arena, int64_t, (size_t)q->blocks);
    for (int64_t k = 0; k < q->k; k++) {
        if (!ir_blob_get(elem, &ir_attr_find(def, IR_KEY_data)->u.blob, k, &of)) return false;
        if (of.i < 0 || of.i >= q->blocks) return false;
        int64_t at = of.i * q->block + filled[of.i]++;
        if (filled[of.i] > q->block || at >= q->k) return false;
        rows[at] = k;
        same = same && at == k;
    }
    if (!same) *order = ir_const_ints(&n->b, IR_I64, 1, &q->k, rows);
    return true;
}

/* x with its last axis in another order. */
static ir_value reordered(ir_builder *b, ir_value x, ir_value order)
{
    ir_nest nest;
    ir_expr idx[IR_MAX_RANK];
    if (x == IR_NONE || order == IR_NONE) return x;
    const ir_type t = *ir_type_of(b->g, x);
    ir_nest_begin(&nest, b, t.rank, t.dims, 0);
    for (int i = 0; i < t.rank; i++) idx[i] = ir_nest_index(&nest, i);
    idx[t.rank - 1] = fe_load_i64(&nest, order, &idx[t.rank - 1]);
    return ir_nest_map(&nest, t.elem, ir_nest_load(&nest, x, idx));
}

/* The weights [N, K] as floats: (code - zero) * scale, both of the block that g_idx names for the
 * row, or of the block that the row lies in: without g_idx, or if rows are in `order`. */
static ir_value nbits_weights(const nbits *q, bool by_block, ir_value order)
{
    fe_node *n = q->n;
    ir_graph *g = n->g;
    ir_nest nest;
    ir_value scales = as_table(&n->b, fe_in(n, SCALES), q->columns, q->blocks), zeros = IR_NONE;
    if (fe_has(n, ZEROS))
        zeros = as_table(&n->b, fe_in(n, ZEROS), q->columns, q->packed ? q->zero_bytes : q->blocks);
    ir_nest_begin(&nest, &n->b, 2, fe_const_dims(g, (int64_t[]){q->columns, q->k}, 2), 0);
    ir_expr k = ir_nest_index(&nest, 1), block = X2(FLOORDIV, k, XI(q->block));
    if (order != IR_NONE) k = fe_load_i64(&nest, order, &k);
    ir_expr at[2] = {ir_nest_index(&nest, 0), X2(FLOORDIV, k, XI(q->block))};
    ir_expr code = fe_x_packed_code(&nest, fe_in(n, B), at, 2, X2(MOD, k, XI(q->block)), q->bits);
    at[1] = block;
    if (!by_block)
        at[1] = fe_x_index(g, fe_load_i64(&nest, fe_in(n, G_IDX), &k), ir_dim_const(g, q->blocks));
    ir_expr scale = ir_nest_load(&nest, scales, at);
    if (scale == IR_NONE || (fe_has(n, ZEROS) && zeros == IR_NONE)) return IR_NONE;
    ir_elem type = ir_expr_get(g, scale)->type;
    ir_expr zero = XN(scale, (double)(1 << (q->bits - 1)));
    if (q->packed) zero = ir_x_cast(g, fe_x_packed_code(&nest, zeros, at, 1, at[1], q->bits), type);
    else if (zeros != IR_NONE) zero = ir_x_cast(g, ir_nest_load(&nest, zeros, at), type);
    return ir_nest_map(&nest, fe_type(n, A)->elem,
                       X2(MUL, X2(SUB, ir_x_cast(g, code, type), zero), scale));
}

/* Lets the product that v is made by be computed with its rows of a as blocks in i8. */
static void allow_i8(ir_graph *g, ir_value v)
{
    if (v == IR_NONE) return;
    ir_node_id id = g->values[v].def;
    while (g->nodes[id].op != IR_OP_CONTRACT && g->nodes[id].noperands == 1)
        id = g->values[g->nodes[id].operands[0]].def;
    const ir_attr a = ir_a_str(g, IR_KEY_precision, "i8");
    if (g->nodes[id].op == IR_OP_CONTRACT)
        ir_replace_attrs(g, id, UINT64_C(1) << IR_KEY_precision, &a, 1);
}

lathe_status fe_import_matmulnbits(fe_node *n)
{
    enum { I8 = 4 }; /* an accuracy_level */
    nbits q;
    TRY(read_nbits(n, &q));
    TRY(check_nbits(&q));
    ir_value order;
    bool by_block = rows_by_block(&q, &order);
    ir_value w = nbits_weights(&q, by_block, order), a = reordered(&n->b, fe_in(n, A), order);
    ir_value r = fe_matmul(&n->b, a, w, false, true, fe_type(n, A)->elem);
    if (fe_attr_int(n, "accuracy_level") == I8) allow_i8(n->g, r);
    fe_out(n, 0, fe_has(n, BIAS) ? fe_binary(&n->b, IR_X_ADD, r, fe_in(n, BIAS)) : r);
    return LATHE_OK;
}

/* ---- MatMulBnb4: codes of two tables, high halves of the bytes first, over the flat matrix ----
 */

static const float fp4[16] = {0,
                              0.0052083334885537624f,
                              0.6666666865348816f,
                              1,
                              0.3333333432674408f,
                              0.5f,
                              0.1666666716337204f,
                              0.25f,
                              0,
                              -0.0052083334885537624f,
                              -0.6666666865348816f,
                              -1,
                              -0.3333333432674408f,
                              -0.5f,
                              -0.1666666716337204f,
                              -0.25f};
static const float nf4[16] = {-1,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1};

static ir_value bnb4_weights(fe_node *n, int64_t rows, int64_t k, int64_t block, const float *table)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const ir_type t = {.elem = IR_F32, .rank = 1, .dims = {ir_dim_const(g, 16)}};
    ir_value values = ir_const(&n->b, &t, &(ir_blob){.bytes = table, .size = sizeof fp4});
    ir_nest_begin(&nest, &n->b, 2, fe_const_dims(g, (int64_t[]){rows, k}, 2), 0);
    ir_expr at = X2(ADD, X2(MUL, ir_nest_index(&nest, 0), XI(k)), ir_nest_index(&nest, 1));
    ir_expr pair = X2(FLOORDIV, at, XI(2)), of = X2(FLOORDIV, at, XI(block));
    ir_expr byte = ir_nest_load(&nest, fe_in(n, 1), &pair);
    ir_expr shift = ir_x_cast(g, X2(MUL, X2(SUB, XI(1), X2(MOD, at, XI(2))), XI(4)), IR_U8);
    ir_expr code = ir_x_cast(g, X2(AND, X2(SHR, byte, shift), XN(byte, 15)), IR_I64);
    ir_expr value = ir_nest_load(&nest, values, &code),
            scale = ir_nest_load(&nest, fe_in(n, 2), &of);
    return ir_nest_map(&nest, fe_type(n, 0)->elem, X2(MUL, value, ir_x_cast(g, scale, IR_F32)));
}

lathe_status fe_import_matmulbnb4(fe_node *n)
{
    ir_graph *g = n->g;
    int64_t k = fe_attr_int(n, "K"), rows = fe_attr_int(n, "N");
    int64_t block = fe_attr_int(n, "block_size"), kind = fe_attr_int(n, "quant_type");
    TRY(need_count(n, "K", k));
    TRY(need_count(n, "N", rows));
    TRY(fe_need_block(n, block));
    if (kind != 0 && kind != 1)
        return fe_expect(n, "attribute quant_type is", fe_number(n, kind), "0 (FP4) or 1 (NF4)");
    TRY(fe_need_class(n, 0, "FL"));
    TRY(fe_need_class(n, 1, "U"));
    TRY(fe_need_same(n, 0, 2));
    TRY(fe_need_rank(n, 1, 1));
    TRY(fe_need_rank(n, 2, 1));
    TRY(fe_need_dim(n, 1, 0, ir_dim_const(g, (rows * k + 1) / 2)));
    TRY(fe_need_dim(n, 2, 0, ir_dim_const(g, (rows * k + block - 1) / block)));
    ir_value w = bnb4_weights(n, rows, k, block, kind ? nf4 : fp4);
    fe_out(n, 0,
           fe_matmul(&n->b, fe_in(n, 0), w, false, fe_attr_int(n, "transB") != 0,
                     fe_type(n, 0)->elem));
    return LATHE_OK;
}

/* ---- GatherBlockQuantized ---- */

typedef struct table {
    fe_node *n;
    int64_t bits, block, per; /* per: codes in an element of the last axis */
    int gather, quantized;
} table;

static lathe_status read_table(fe_node *n, table *t)
{
    TRY(fe_need_rank(n, 0, -1));
    const ir_type *data = fe_type(n, 0);
    bool bytes = data->elem == IR_U8;
    *t = (table){
        .n = n, .bits = fe_attr_int(n, "bits"), .block = fe_attr_int(n, "block_size"), .per = 1};
    if (!bytes && data->elem != IR_I4 && data->elem != IR_U4)
        return fe_expect_input(n, 0, "has element type", ir_elem_name(data->elem), "u8, i4 or u4");
    TRY(fe_need_code_bits(n, "bits", t->bits));
    TRY(fe_need_block(n, t->block));
    if (!bytes && t->bits != 4)
        return fe_expect(n, "attribute bits over codes of 4 is", fe_number(n, t->bits), "4");
    TRY(fe_attr_axis(n, "gather_axis", data->rank, &t->gather));
    TRY(fe_attr_axis(n, "quantize_axis", data->rank, &t->quantized));
    if (bytes) t->per = 8 / t->bits;
    if (bytes && (t->gather != 0 || data->rank < 2 || t->quantized != data->rank - 1))
        return fe_fail(n, LATHE_UNSUPPORTED,
                       "gather_axis %d and quantize_axis %d over bytes: only the first and the "
                       "last of several axes are supported",
                       t->gather, t->quantized);
    return LATHE_OK;
}

/* A scale a block; zero points likewise, packed as the data are. */
static lathe_status check_table(const table *t)
{
    fe_node *n = t->n;
    ir_graph *g = n->g;
    ir_dim per = ir_dim_const(g, t->per), block = ir_dim_const(g, t->block);
    const ir_type data = *fe_type(n, 0);
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_class(n, 2, "FL"));
    TRY(fe_need_rank(n, 2, data.rank));
    TRY(fe_need_same(n, 0, 3));
    if (fe_has(n, 3)) TRY(fe_need_rank(n, 3, data.rank));
    for (int i = 0; i < data.rank; i++) {
        ir_dim scales = data.dims[i];
        if (i == t->quantized) scales = ir_dim_ceildiv(g, ir_dim_mul(g, scales, per), block);
        TRY(fe_need_dim(n, 2, i, scales));
        if (!fe_has(n, 3)) continue;
        TRY(fe_need_dim(n, 3, i, i == t->quantized ? ir_dim_ceildiv(g, scales, per) : scales));
    }
    return LATHE_OK;
}

/* Code number idx[rank - 1] of the rows of input k. */
static ir_expr load_code(const table *t, ir_nest *nest, size_t k, const ir_expr *idx)
{
    ir_value v = fe_in(t->n, k);
    int last = ir_type_of(nest->b->g, v)->rank - 1;
    return t->per == 1 ? ir_nest_load(nest, v, idx)
                       : fe_x_packed_code(nest, v, idx, last, idx[last], t->bits);
}

/* (code - zero) * scale; bytes have the middle of their range as zero if nothing else is said. */
static ir_expr element(const table *t, ir_nest *nest, ir_expr *idx)
{
    ir_graph *g = nest->b->g;
    bool bytes = fe_type(t->n, 0)->elem == IR_U8;
    ir_expr code = ir_x_cast(g, load_code(t, nest, 0, idx), IR_I32), zero = IR_NONE;
    idx[t->quantized] = X2(FLOORDIV, idx[t->quantized], XI(t->block));
    ir_expr scale = ir_nest_load(nest, fe_in(t->n, 2), idx);
    if (fe_has(t->n, 3)) zero = ir_x_cast(g, load_code(t, nest, 3, idx), IR_I32);
    else if (bytes) zero = XN(code, (double)(1 << (t->bits - 1)));
    if (zero != IR_NONE) code = X2(SUB, code, zero);
    return X2(MUL, ir_x_cast(g, code, ir_expr_get(g, scale)->type), scale);
}

lathe_status fe_import_gather_block_quantized(fe_node *n)
{
    ir_graph *g = n->g;
    ir_nest nest;
    table t;
    ir_dim space[IR_MAX_RANK];
    ir_expr idx[IR_MAX_RANK], at[IR_MAX_RANK];
    TRY(read_table(n, &t));
    TRY(check_table(&t));
    const ir_type data = *fe_type(n, 0), which = *fe_type(n, 1);
    int rank = data.rank - 1 + which.rank;
    if (rank > IR_MAX_RANK)
        return fe_fail(n, LATHE_LIMIT, "the result has rank %d, more than %d", rank, IR_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        int from = i < t.gather ? i : i - which.rank + 1;
        bool gathered = i >= t.gather && i < t.gather + which.rank;
        space[i] = gathered ? which.dims[i - t.gather] : data.dims[from];
        if (!gathered && from == data.rank - 1)
            space[i] = ir_dim_mul(g, space[i], ir_dim_const(g, t.per));
    }
    ir_nest_begin(&nest, &n->b, rank, space, 0);
    for (int i = 0; i < rank; i++) at[i] = ir_nest_index(&nest, i);
    for (int i = 0; i < data.rank; i++)
        if (i != t.gather) idx[i] = at[i < t.gather ? i : i + which.rank - 1];
    idx[t.gather] =
        fe_x_index(g, fe_load_i64(&nest, fe_in(n, 1), at + t.gather), data.dims[t.gather]);
    fe_out(n, 0, ir_nest_map(&nest, fe_type(n, 2)->elem, element(&t, &nest, idx)));
    return LATHE_OK;
}
