/* RotaryEmbedding of ai.onnx and com.microsoft, MRotaryEmbedding. In: x as [B, S, H D] or heads,
 * tables of cosines and sines, positions. Out: what fe_rotate makes of them. */
#include "frontend/attend.h"

/* x turned by the tables at cos_input and behind it; r says where and how positions are read. */
static lathe_status rotary_node(fe_node *n, size_t cos_input, fe_rotary r)
{
    ir_graph *g = n->g;
    ir_builder *b = &n->b;
    for (size_t k = 0; k < 3; k++) TRY(fe_need_class(n, k ? cos_input + k - 1 : 0, "FL"));
    r.x = fe_in(n, 0);
    r.cos = fe_in(n, cos_input);
    r.sin = fe_in(n, cos_input + 1);
    r.interleaved = fe_attr_int(n, "interleaved") != 0;
    const ir_type t = *fe_type(n, 0);
    int64_t heads = fe_attr_int_or(n, "num_heads", 0), dim = fe_attr_int(n, "rotary_embedding_dim");
    if (t.rank != 3 && t.rank != 4)
        return fe_expect_input(n, 0, "has rank", fe_number(n, t.rank), "3 or 4");
    if (heads < 0 || dim < 0)
        return fe_fail(n, LATHE_BAD_INPUT, "num_heads %lld, rotary_embedding_dim %lld",
                       (long long)heads, (long long)dim);
    if (t.rank == 3 && heads == 0) {
        /* Without a number of heads the tables tell their width. */
        const ir_type *table = fe_type(n, cos_input);
        if (table->rank == 0) return fe_expect_input(n, cos_input, "has rank", "0", "2 or 3");
        ir_dim width = dim ? ir_dim_const(g, dim)
                           : ir_dim_mul(g, table->dims[table->rank - 1], ir_dim_const(g, 2));
        r.x = fe_split_heads(b, r.x, ir_dim_floordiv(g, t.dims[2], width));
    } else if (t.rank == 3) {
        r.x = fe_split_heads(b, r.x, ir_dim_const(g, heads));
    }
    if (r.x == IR_NONE) return LATHE_BAD_INPUT;
    r.dim = dim ? ir_dim_const(g, dim) : ir_type_of(g, r.x)->dims[3];
    ir_value y = fe_rotate(b, &r);
    fe_out(n, 0, t.rank == 3 ? fe_merge_heads(b, y) : y);
    return LATHE_OK;
}

static lathe_status need_rows(const fe_node *n)
{
    TRY(fe_need_rank(n, 0, -1));
    if (fe_type(n, 0)->rank >= 3) return LATHE_OK;
    return fe_expect_input(n, 0, "has rank", fe_number(n, fe_type(n, 0)->rank), "3 or 4");
}

/* Position ids are [B, S] or one offset. */
static lathe_status need_positions(const fe_node *n, size_t k)
{
    TRY(fe_need_class(n, k, "S"));
    const ir_type *t = fe_type(n, k), *in = fe_type(n, 0);
    if (t->rank == 0) return LATHE_OK;
    if (t->rank == 1) return fe_need_dim(n, k, 0, ir_dim_const(n->g, 1));
    TRY(fe_need_rank(n, k, 2));
    if (!ir_dim_equals(n->g, t->dims[0], 1)) TRY(fe_need_dim(n, k, 0, in->dims[0]));
    return fe_need_dim(n, k, 1, in->dims[in->rank == 4 ? 2 : 1]);
}

lathe_status fe_import_rotary(fe_node *n)
{
    TRY(need_rows(n));
    if (!fe_has(n, 3)) return rotary_node(n, 1, (fe_rotary){0});
    TRY(need_positions(n, 3));
    ir_value positions = fe_in(n, 3);
    return rotary_node(n, 1, (fe_rotary){.position = fe_position_ids, .ctx = &positions});
}

/* com.microsoft has the positions before the tables. */
lathe_status fe_import_ms_rotary(fe_node *n)
{
    TRY(need_rows(n));
    TRY(need_positions(n, 1));
    ir_value positions = fe_in(n, 1);
    return rotary_node(n, 2, (fe_rotary){.position = fe_position_ids, .ctx = &positions});
}

/* ---- MRotaryEmbedding: a token has three positions, in time, height and width ---- */

typedef struct streams {
    ir_value positions;   /* [3, B, S] */
    const int64_t *parts; /* columns of the tables that belong to each */
    bool mixed;           /* height and width have every third column, else the parts follow */
} streams;

/* Which of the three positions column k is read at. */
static ir_expr stream_of(const streams *s, ir_graph *g, ir_expr k)
{
    ir_expr stream = XI(0), turn = X2(MOD, k, XI(3));
    int64_t end = s->parts[0];
    for (int i = 1; i < 3; i++) {
        ir_expr mine = X2(AND, X2(EQ, turn, XI(i)), X2(LT, k, XI(3 * s->parts[i])));
        if (!s->mixed) mine = X2(LE, XI(end), k);
        stream = ir_x_select(g, mine, XI(i), stream);
        end += s->parts[i];
    }
    return stream;
}

static ir_expr stream_position(void *ctx, ir_nest *nest, ir_expr batch, ir_expr row, ir_expr k)
{
    const streams *s = ctx;
    ir_expr at[] = {stream_of(s, nest->b->g, k), batch, row};
    return fe_load_i64(nest, s->positions, at);
}

static lathe_status read_streams(const fe_node *n, streams *s)
{
    size_t count;
    const ir_type *in = fe_type(n, 0);
    int64_t layout = fe_attr_int(n, "mrope_layout"), sum = 0;
    s->positions = fe_in(n, 1);
    s->parts = fe_attr_ints(n, "mrope_section", &count);
    s->mixed = layout == 1;
    if (layout != 0 && layout != 1)
        return fe_expect(n, "attribute mrope_layout is", fe_number(n, layout), "0 or 1");
    for (size_t i = 0; i < count; i++) {
        if (s->parts[i] < 0 || s->parts[i] > INT32_MAX) count = 0;
        sum += count ? s->parts[i] : 0;
    }
    if (count != 3)
        return fe_fail(n, LATHE_BAD_INPUT, "attribute mrope_section must have three sizes");
    TRY(fe_need_class(n, 1, "S"));
    TRY(fe_need_rank(n, 1, 3));
    TRY(fe_need_dim(n, 1, 0, ir_dim_const(n->g, 3)));
    TRY(fe_need_dim(n, 1, 1, in->dims[0]));
    TRY(fe_need_dim(n, 1, 2, in->dims[in->rank == 4 ? 2 : 1]));
    TRY(fe_need_rank(n, 2, 2));
    return fe_need_dim(n, 2, 1, ir_dim_const(n->g, sum));
}

lathe_status fe_import_mrotary(fe_node *n)
{
    streams s;
    TRY(need_rows(n));
    TRY(read_streams(n, &s));
    return rotary_node(
        n, 2,
        (fe_rotary){.position = stream_position, .ctx = &s, .scale = fe_attr_float(n, "scale")});
}
