/* Sizes of panels that are stored as codes; their order is in program.h. */
#include "codegen/program.h"

typedef struct code_form {
    const char *text;
    int bits;
    ir_elem elem;
} code_form;

static const code_form forms[] = {
    [CG_CODE_NONE] = {"f32", 32, IR_F32},
#define CODE(NAME, text, bits, elem) [CG_CODE_##NAME] = {text, bits, elem},
#include "codegen/kernels/codes.def"
#undef CODE
};

const char *cg_code_text(cg_code code) { return forms[code].text; }
int cg_code_bits(cg_code code) { return forms[code].bits; }
ir_elem cg_code_elem(cg_code code) { return forms[code].elem; }

const char *cg_code_precision(cg_code code, bool i8)
{
    if (i8) return cg_code_bits(code) == 8 ? "w8i8" : cg_code_bits(code) == 4 ? "w4i8" : "w2i8";
    if (ir_elem_is_float(cg_code_elem(code))) return ir_elem_name(cg_code_elem(code));
    return cg_code_bits(code) == 8 ? "w8" : cg_code_bits(code) == 4 ? "w4" : "w2";
}

cg_code cg_code_of(ir_elem elem)
{
    int i = sizeof forms / sizeof *forms;
    while (--i > 0 && forms[i].elem != elem) continue;
    return elem == IR_ELEM_NONE ? CG_CODE_NONE : (cg_code)i;
}

ir_elem cg_code_storage(cg_code code)
{
    if (forms[code].elem) return forms[code].elem;
    if (code == CG_CODE_S8) return IR_I8;
    return forms[code].bits == 2 ? IR_U2 : forms[code].bits == 4 ? IR_U4 : IR_U8;
}

int64_t cg_codes_book(const cg_codes *c) { return c->book * (int64_t)sizeof(float); }

int64_t cg_codes_row(const cg_codes *c) { return CG_PANEL * cg_code_bits(c->code) / 8; }

int64_t cg_codes_scales(const cg_codes *c)
{
    return c->scale == IR_ELEM_NONE ? 0 : CG_PANEL * ir_elem_bits(c->scale) / 8;
}

int64_t cg_codes_head(const cg_codes *c)
{
    return cg_codes_scales(c) + (c->zeros ? cg_codes_row(c) : 0);
}

int64_t cg_codes_panel(const cg_codes *c, int64_t k)
{
    int64_t blocks = (k + c->block - 1) / c->block;
    return blocks * cg_codes_head(c) + k * cg_codes_row(c);
}
