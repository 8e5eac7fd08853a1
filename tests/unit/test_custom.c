/* Operators that the app brings along, as imported: what becomes of attributes, where the types of
 * results come from, and what is refused. Calling them is tested with the runtime (test_app.c). */
#include <criterion/criterion.h>

#include "tests/unit/model.h"

TestSuite(custom, .init = trial_begin, .fini = trial_end);

static const size_t first[] = {0}, ninth[] = {9};
static lathe_custom_option option;
#define TYPE(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

/* x f32[n] -> com.example:Wave -> y */
static model wave(Onnx__NodeProto **node)
{
    model m = model_new(8, 17);
    Onnx__OperatorSetIdProto *set = MAKE(operator_set_id_proto);
    set->domain = "com.example";
    set->has_version = true;
    set->version = 1;
    PUSH(m, opset_import, set);
    *node = node_new("Wave", "x", "y");
    (*node)->domain = "com.example";
    PUSH(m->graph, node, *node);
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, output, value_new("y", 1, "n"));
    option = (lathe_custom_option){.domain = "com.example", .op = "Wave", .function = "wave"};
    trial.options.custom = &option;
    trial.options.ncustom = 1;
    return m;
}

static Onnx__AttributeProto *attr(Onnx__NodeProto *node, char *name, int type)
{
    Onnx__AttributeProto *a = MAKE(attribute_proto);
    a->name = name;
    a->has_type = true;
    a->type = type;
    PUSH(node, attribute, a);
    return a;
}

static const ir_node *the_call(void)
{
    for (size_t i = 1; i < trial.g->nnodes; i++)
        if (trial.g->nodes[i].op == IR_OP_CALL) return &trial.g->nodes[i];
    cr_assert_fail("there is no call");
    return NULL;
}

Test(custom, attributes_are_lines_of_text)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    Onnx__AttributeProto *a = attr(node, "axis", TYPE(INT));
    a->has_i = true;
    a->i = -3;
    a = attr(node, "alpha", TYPE(FLOAT));
    a->has_f = true;
    a->f = 0.1f;
    a = attr(node, "mode", TYPE(STRING));
    a->has_s = true;
    a->s = (ProtobufCBinaryData){6, (uint8_t *)"a = \"b"};
    a = attr(node, "pads", TYPE(INTS));
    PUSH(a, ints, 1);
    PUSH(a, ints, 2);
    a = attr(node, "scales", TYPE(FLOATS));
    PUSH(a, floats, 0.5f);
    attr(node, "none", TYPE(INTS));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_expect_str_eq(ir_attr_str(trial.g, the_call(), IR_KEY_func), "wave");
    cr_expect_str_eq(ir_attr_str(trial.g, the_call(), IR_KEY_custom),
                     "axis=-3\nalpha=0.100000001\nmode=a = \"b\npads=1 2\nscales=0.5\nnone=\n");
}

static const ir_type *result_type(void) { return ir_type_of(trial.g, the_call()->results[0]); }

Test(custom, types_come_from_an_input_or_the_model)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    option.like = first;
    option.nlike = 1;
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_expect_eq(result_type()->dims[0], ir_type_of(trial.g, the_call()->operands[0])->dims[0]);
    option.nlike = 0;
    m->graph->output[0]->type->tensor_type->elem_type = 7;
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_expect_eq(result_type()->elem, IR_I64);
    cr_expect_eq(result_type()->dims[0], ir_type_of(trial.g, the_call()->operands[0])->dims[0]);
    m->graph->output[0] = value_new("y", 1, "7");
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_expect_eq(result_type()->dims[0], ir_dim_const(trial.g, 7));
}

Test(custom, value_info_declares_what_is_no_output)
{
    Onnx__NodeProto *node, *next = node_new("Neg", "h", "y");
    model m = wave(&node);
    node->output[0] = "h";
    PUSH(m->graph, node, next);
    cr_expect_eq(read_model(m), LATHE_UNSUPPORTED);
    SAYS("node 'Wave' (Wave): the model does not declare the type of output 0 ('h'); say which "
         "input it is like (--custom DOMAIN:OP=FUNCTION:INPUT)");
    PUSH(m->graph, value_info, value_new("h", 1, "n"));
    cr_expect_eq(read_model(m), LATHE_OK, "%s", messages());
}

Test(custom, an_operator_of_onnx_may_be_replaced)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    node->op_type = "Relu";
    node->domain = "";
    option.domain = "ai.onnx";
    option.op = "Relu";
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_expect_str_eq(ir_attr_str(trial.g, the_call(), IR_KEY_func), "wave");
}

Test(custom, refuses_what_is_not_known)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    option.like = ninth;
    option.nlike = 1;
    cr_expect_eq(read_model(m), LATHE_BAD_INPUT);
    SAYS("node 'Wave' (Wave): output 0 is to be like input 9, there are 1");
    option.nlike = 0;
    m->graph->output[0] = value_new("y", 1, "k");
    cr_expect_eq(read_model(m), LATHE_UNSUPPORTED);
    SAYS("output 'y' is declared with a size 'k' that no input has; say which input it is like");
    option.op = "Waves";
    cr_expect_neq(read_model(m), LATHE_OK);
    SAYS("no node is an operator Waves of the domain 'com.example'");
    SAYS("operator Wave of com.example (opset version 1) is not supported");
}

Test(custom, refuses_attributes_that_are_no_text)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    Onnx__AttributeProto *a = attr(node, "mode", TYPE(STRING));
    a->has_s = true;
    a->s = (ProtobufCBinaryData){3, (uint8_t *)"a\nb"};
    cr_expect_eq(read_model(m), LATHE_UNSUPPORTED);
    SAYS("node 'Wave' (Wave): attribute mode has control characters");
    a->type = TYPE(GRAPH);
    cr_expect_eq(read_model(m), LATHE_UNSUPPORTED);
    SAYS("attribute mode is no number, list of numbers or string, all that a custom operator can "
         "have");
    a->type = TYPE(INT);
    a->name = "a=b";
    cr_expect_eq(read_model(m), LATHE_BAD_INPUT);
    SAYS("an attribute is called 'a=b'");
}

Test(custom, refuses_an_absent_input)
{
    Onnx__NodeProto *node;
    model m = wave(&node);
    PUSH(node, input, "");
    cr_expect_eq(read_model(m), LATHE_UNSUPPORTED);
    SAYS("is absent; a custom operator takes tensors");
}
