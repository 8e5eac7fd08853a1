/* SparseAttention of com.microsoft. In: the operands of GroupQueryAttention, and which blocks of
 * keys a block of queries reads, as rows of a compressed matrix, one matrix for every so many
 * heads. Out: GroupQueryAttention with a bias, minus infinity for keys in other blocks. */
#include "frontend/ms_attend.h"

#include <math.h>
#include <string.h>

enum { STARTS = 5, COLUMNS = 6, TOTAL = 7, LENGTHS = 8, COS = 9, SIN = 10 }; /* inputs */

/* The row of each entry of the columns' lists: how many rows end before it. [layouts, entries] */
static ir_value entry_rows(fe_node *n, ir_dim rows)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const ir_type t = *fe_type(n, COLUMNS);
    ir_dim space[] = {t.dims[0], t.dims[1], rows};
    ir_nest_begin(&nest, &n->b, 3, space, 1);
    ir_expr end[] = {ir_x_index(g, 0), X2(ADD, ir_x_index(g, 2), XI(1))};
    ir_expr before = X2(LE, fe_load_i64(&nest, fe_in(n, STARTS), end), ir_x_index(g, 1));
    return ir_nest_reduce(&nest, IR_OP_REDUCE, "sum", IR_I64, ir_x_cast(g, before, IR_I64));
}

/* Which blocks are read: u8 [layouts, rows, rows]. What stands behind the last row's end marks
 * nothing. */
static ir_value blocks(fe_node *n, ir_dim rows)
{
    ir_graph *g = n->g;
    ir_nest nest;
    const ir_type t = *fe_type(n, COLUMNS);
    ir_dim dims[] = {t.dims[0], rows, rows};
    ir_value row = entry_rows(n, rows), none = fe_fill(&n->b, IR_U8, 3, dims, 0);
    if (row == IR_NONE || none == IR_NONE) return IR_NONE;
    ir_nest_begin(&nest, &n->b, 2, t.dims, 0);
    ir_expr here[] = {ir_x_index(g, 0), ir_x_index(g, 1)}, r = ir_nest_load(&nest, row, here),
            held = X2(LT, r, XD(rows)), column = fe_load_i64(&nest, fe_in(n, COLUMNS), here);
    ir_expr last = XD(ir_dim_sub(g, rows, ir_dim_const(g, 1))),
            at[] = {here[0], X2(MIN, r, last),
                    fe_x_index(g, ir_x_select(g, held, column, XI(0)), rows)};
    return ir_nest_scatter(&nest, "max", none, ir_x_cast(g, held, IR_U8), at);
}

/* 0 for keys in a block that the query's block reads, else minus infinity. [B, H, S, total] */
static ir_value block_bias(fe_node *n, ir_value read, ir_dim rows, ir_dim queries, ir_dim total)
{
    ir_graph *g = n->g;
    ir_nest nest;
    int64_t size = fe_attr_int(n, "sparse_block_size");
    if (read == IR_NONE) return IR_NONE;
    ir_dim space[] = {fe_type(n, 0)->dims[0], ir_dim_const(g, fe_attr_int(n, "num_heads")), queries,
                      total};
    ir_nest_begin(&nest, &n->b, 4, space, 0);
    ir_expr batch = ir_x_index(g, 0), zero = XI(0),
            past = X2(SUB, fe_load_i64(&nest, fe_in(n, LENGTHS), &batch), XD(queries)),
            place = X2(ADD, X2(MAX, past, zero), ir_x_index(g, 2)),
            last = XD(ir_dim_sub(g, rows, ir_dim_const(g, 1)));
    ir_expr at[] = {X2(MOD, ir_x_index(g, 1), XD(fe_type(n, STARTS)->dims[0])),
                    fe_x_clamp(g, X2(FLOORDIV, place, XI(size)), zero, last),
                    fe_x_clamp(g, X2(FLOORDIV, ir_x_index(g, 3), XI(size)), zero, last)};
    ir_expr mark = ir_nest_load(&nest, read, at), seen = X2(NE, mark, XN(mark, 0));
    return ir_nest_map(
        &nest, IR_F32,
        ir_x_select(g, seen, ir_x_num(g, IR_F32, 0), ir_x_num(g, IR_F32, -HUGE_VAL)));
}

static lathe_status check_layout(const fe_node *n)
{
    ir_graph *g = n->g;
    int64_t size = fe_attr_int(n, "sparse_block_size"), layouts,
            heads = fe_attr_int(n, "num_heads");
    if (size < 1)
        return fe_expect(n, "attribute sparse_block_size is", fe_number(n, size),
                         "a positive number");
    for (size_t k = STARTS; k <= COLUMNS; k++) {
        TRY(fe_need_class(n, k, "S"));
        TRY(fe_need_rank(n, k, 2));
    }
    const ir_dim *dims = fe_type(n, STARTS)->dims;
    TRY(fe_need_dim(n, COLUMNS, 0, dims[0]));
    if (ir_dim_is_const(g, dims[0], &layouts) && (layouts < 1 || heads % layouts))
        return fe_expect_input(n, STARTS, "has a number of layouts of", fe_number(n, layouts),
                               "one that divides num_heads");
    TRY(fe_need_class(n, LENGTHS, "S"));
    return fe_need_rank(n, LENGTHS, 1);
}

/* q, k, v, past key, past value, starts of rows, columns, total length, lengths, cos, sin. */
lathe_status fe_import_sparse_attention(fe_node *n)
{
    ir_graph *g = n->g;
    fe_value in[11] = {{0}};
    const ir_dim *total;
    size_t count;
    TRY(fe_need_rank(n, 0, 3));
    TRY(check_layout(n));
    if (!fe_has(n, 3) || !fe_has(n, 4))
        return fe_fail(n, LATHE_BAD_INPUT, "past_key and past_value are missing");
    TRY(fe_need_class(n, TOTAL, "S"));
    TRY(fe_sizes(n, fe_in(n, TOTAL), 0, INT32_MAX, IR_NONE, &total, &count));
    if (count != 1)
        return fe_expect_input(n, TOTAL, "has", fe_number(n, (int64_t)count), "one element");
    ir_dim rows = ir_dim_sub(g, fe_type(n, STARTS)->dims[1], ir_dim_const(g, 1));
    ir_value bias = block_bias(n, blocks(n, rows), rows, fe_type(n, 0)->dims[1], total[0]);
    ir_nest nest;
    ir_value lengths = fe_in(n, LENGTHS);
    if (bias == IR_NONE || !fe_broadcast(&nest, &n->b, &lengths, 1)) return LATHE_BAD_INPUT;
    ir_expr valid = ir_nest_read(&nest, lengths);
    memcpy(in, n->in, 5 * sizeof *in);
    in[5] = (fe_value){
        .kind = FE_TENSOR,
        .tensor = ir_nest_map(&nest, ir_type_of(g, lengths)->elem, X2(SUB, valid, XN(valid, 1)))};
    in[6] = n->in[TOTAL];
    if (fe_has(n, COS)) in[7] = n->in[COS];
    if (fe_has(n, SIN)) in[8] = n->in[SIN];
    in[10] = (fe_value){.kind = FE_TENSOR, .tensor = bias};
    n->in = in;
    n->nin = 11;
    n->row = fe_op_find("com.microsoft", "GroupQueryAttention", 1); /* for its defaults */
    return fe_group_query(n, true);
}
