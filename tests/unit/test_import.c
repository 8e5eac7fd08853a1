/* Whole imports of small models: names, order, functions, inputs, dims, and what is refused. */
#include <criterion/criterion.h>

#include "frontend/signature.h"
#include "tests/unit/model.h"

TestSuite(import, .init = trial_begin, .fini = trial_end);

static model one_node(char *op)
{
    model m = model_new(8, 17);
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, node, node_new(op, "x", "y"));
    PUSH(m->graph, output, value_new("y", 1, ""));
    return m;
}

static void refused(model m, lathe_status status, const char *why)
{
    cr_assert_eq(read_model(m), status, "%d: %s", trial.status, messages());
    cr_assert_null(trial.g);
    SAYS(why);
}

static ir_type output_type(size_t i) { return *ir_type_of(trial.g, trial.g->blocks[1].results[i]); }

Test(import, not_a_model)
{
    cr_assert_eq(read_bytes("", 0), LATHE_BAD_INPUT);
    SAYS("this is no ONNX model: it is empty");
    cr_assert_eq(read_bytes("hello world", 11), LATHE_BAD_INPUT);
    trial.path[0] = 0;
    ir_graph *g;
    cr_assert_eq(fe_read(&trial.arena, trial.diag, trial.files, "/nowhere", &trial.options, &g),
                 LATHE_NOT_FOUND);
}

Test(import, versions)
{
    model m = one_node("Relu");
    m->ir_version = 2;
    refused(m, LATHE_UNSUPPORTED, "IR version 2");
    m->ir_version = 8;
    m->opset_import[0]->version = 1000;
    refused(m, LATHE_UNSUPPORTED, "opset version 1000");
    PUSH(m, opset_import, m->opset_import[0]);
    m->opset_import[0]->version = 17;
    refused(m, LATHE_BAD_INPUT, "the opset of domain ai.onnx is imported twice");
    m->n_opset_import = 0;
    refused(m, LATHE_BAD_INPUT, "no opset is imported");
}

Test(import, a_contrib_domain_without_an_import_is_read_at_version_1)
{
    model m = one_node("Gelu");
    m->graph->node[0]->domain = "com.microsoft";
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    SAYS("no opset is imported for the domain 'com.microsoft'; version 1 is assumed");
    m->graph->node[0]->domain = "com.example";
    refused(m, LATHE_BAD_INPUT, "no opset is imported for the domain 'com.example'");
}

Test(import, one_relu)
{
    cr_assert_eq(read_model(one_node("Relu")), LATHE_OK, "%s", messages());
    cr_assert_eq(output_type(0).rank, 1);
    cr_assert_str_eq(ir_type_text(trial.g, &(ir_type){IR_F32, 1, {output_type(0).dims[0]}}),
                     "f32[n]");
}

Test(import, pass_through)
{
    model m = model_new(8, 17);
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, output, value_new("x", 1, "n"));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
}

Test(import, every_unsupported_node_is_named_and_its_readers_are_not)
{
    model m = model_new(8, 17);
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, node, node_new("Bogus", "x", "a"));
    PUSH(m->graph, node, node_new("Relu", "a", "b"));
    Onnx__NodeProto *n = node_new("Weird", "x", "c");
    n->domain = "my.domain";
    Onnx__OperatorSetIdProto *set = MAKE(operator_set_id_proto);
    set->domain = "my.domain";
    set->has_version = true;
    set->version = 3;
    PUSH(m, opset_import, set);
    PUSH(m->graph, node, n);
    PUSH(m->graph, output, value_new("b", 1, ""));
    refused(m, LATHE_UNSUPPORTED, "operator Bogus of ai.onnx (opset version 17) is not supported");
    SAYS("operator Weird of my.domain (opset version 3) is not supported");
    cr_assert_eq(lathe_diag_count(trial.diag), 2);
}

Test(import, names)
{
    model m = one_node("Relu");
    PUSH(m->graph, node, node_new("Relu", "x", "y"));
    refused(m, LATHE_BAD_INPUT, "tensor 'y': the name is defined twice");
    m = one_node("Relu");
    PUSH(m->graph, node, node_new("Relu", "nothing", "z"));
    refused(m, LATHE_BAD_INPUT, "input 0 ('nothing') is not defined");
    m = one_node("Relu");
    PUSH(m->graph, output, value_new("nobody", 1, ""));
    refused(m, LATHE_BAD_INPUT, "tensor 'nobody': an output that nothing produces");
    m = one_node("Relu");
    PUSH(m->graph, output, value_new("y", 1, ""));
    refused(m, LATHE_BAD_INPUT, "listed twice");
    m = one_node("Relu");
    PUSH(m->graph, input, value_new("x", 1, "n"));
    refused(m, LATHE_BAD_INPUT, "tensor 'x': the name is defined twice");
    m = one_node("Relu");
    m->graph->n_output = 0;
    refused(m, LATHE_BAD_INPUT, "no output");
}

Test(import, unsorted_nodes)
{
    model m = model_new(8, 17);
    PUSH(m->graph, input, value_new("x", 1, "n"));
    PUSH(m->graph, node, node_new("Relu", "b", "c"));
    PUSH(m->graph, node, node_new("Relu", "a", "b"));
    PUSH(m->graph, node, node_new("Relu", "x", "a"));
    PUSH(m->graph, output, value_new("c", 1, ""));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
}

Test(import, cycles)
{
    model m = model_new(8, 17);
    PUSH(m->graph, node, node_new("Relu", "b", "a"));
    PUSH(m->graph, node, node_new("Relu", "a", "b"));
    PUSH(m->graph, output, value_new("a", 1, ""));
    refused(m, LATHE_BAD_INPUT, "depends on its own output");
}

/* A long chain listed backwards: the order's depth is not the machine's stack. */
Test(import, long_chain_backwards)
{
    enum { LENGTH = 50000 };
    static char names[LENGTH + 1][8];
    model m = model_new(8, 17);
    for (int i = LENGTH; i >= 0; i--) {
        snprintf(names[i], sizeof names[i], "v%d", i);
        if (i < LENGTH) PUSH(m->graph, node, node_new("Identity", names[i], names[i + 1]));
    }
    PUSH(m->graph, input, value_new("v0", 1, "n"));
    PUSH(m->graph, output, value_new(names[LENGTH], 1, ""));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
}

/* ---- inputs ---- */

Test(import, dims)
{
    static const lathe_dim_option fixed[] = {{"n", 5}};
    model m = one_node("Relu");
    PUSH(m->graph, input, value_new("u", 1, ""));
    PUSH(m->graph, input, value_new("v", 1, "a + b"));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert_neq(ir_sym_find(trial.g, "n"), IR_NONE);
    cr_assert_neq(ir_sym_find(trial.g, "u_dim0"), IR_NONE);
    cr_assert_neq(ir_sym_find(trial.g, "a___b"), IR_NONE);
    trial.options = (fe_options){.dims = fixed, .ndims = 1};
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert(ir_dim_equals(trial.g, output_type(0).dims[0], 5));
    m->graph->input[0] = value_new("x", 1, "other");
    refused(m, LATHE_NOT_FOUND, "no input has a dim called 'n'");
}

Test(import, equal_names_are_one_symbol)
{
    model m = one_node("Relu");
    PUSH(m->graph, input, value_new("z", 1, "n"));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    ir_value *params = trial.g->blocks[1].params;
    cr_assert_eq(ir_type_of(trial.g, params[0])->dims[0], ir_type_of(trial.g, params[1])->dims[0]);
}

Test(import, bad_inputs)
{
    model m = one_node("Relu");
    m->graph->input[0] = value_new("x", 1, "-1");
    refused(m, LATHE_BAD_INPUT, "dim 0 of the input is -1");
    m->graph->input[0] = value_new("x", 77, "n");
    refused(m, LATHE_BAD_INPUT, "element type 77");
    m->graph->input[0] = value_new("x", IR_STRING, "n");
    refused(m, LATHE_BAD_INPUT, "input 0 has element type string, expected ");
    m->graph->input[0] = value_new("x", 1, "n");
    m->graph->input[0]->type->tensor_type->shape = NULL;
    refused(m, LATHE_UNSUPPORTED, "no shape");
    m->graph->input[0]->type->tensor_type = NULL;
    refused(m, LATHE_UNSUPPORTED, "of unknown type");
    m->graph->input[0]->type->sequence_type = MAKE(type_proto__sequence);
    refused(m, LATHE_UNSUPPORTED, "the input is a sequence");
}

Test(import, declared_output_type)
{
    model m = one_node("Relu");
    m->graph->output[0] = value_new("y", IR_I64, "n");
    refused(m, LATHE_BAD_INPUT, "declared as i64 but is f32");
}

Test(import, initializers_among_the_inputs)
{
    model m = one_node("Relu");
    Onnx__TensorProto *t = tensor_new("x", 1, 1, (int64_t[]){1});
    m->ir_version = 3;
    tensor_raw(t, "\0\0\200?", 4);
    PUSH(m->graph, initializer, t);
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert_eq(trial.g->blocks[1].nparams, 0);
}

Test(import, an_unread_initializer_is_not_looked_at)
{
    model m = one_node("Relu");
    PUSH(m->graph, initializer, tensor_new("unused", 99, 0, NULL));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
}

/* ---- attributes and functions ---- */

static Onnx__AttributeProto *attr_new(char *name, int type)
{
    Onnx__AttributeProto *a = MAKE(attribute_proto);
    a->name = name;
    a->has_type = true;
    a->type = (Onnx__AttributeProto__AttributeType)type;
    return a;
}

static Onnx__AttributeProto *attr_float(char *name, float value)
{
    Onnx__AttributeProto *a = attr_new(name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = true;
    a->f = value;
    return a;
}

Test(import, attribute_of_the_wrong_type)
{
    model m = one_node("LeakyRelu");
    PUSH(m->graph->node[0], attribute,
         attr_new("alpha", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT));
    refused(m, LATHE_BAD_INPUT, "attribute alpha is of type int, expected float");
}

Test(import, reference_outside_a_function)
{
    model m = one_node("LeakyRelu");
    Onnx__AttributeProto *a = attr_float("alpha", 0);
    a->ref_attr_name = "slope";
    PUSH(m->graph->node[0], attribute, a);
    refused(m, LATHE_BAD_INPUT, "in no function");
}

/* f(x) = LeakyRelu(x, alpha = slope), in "my" or in ai.onnx. */
static Onnx__FunctionProto *function_new(char *domain)
{
    Onnx__FunctionProto *f = MAKE(function_proto);
    Onnx__NodeProto *n = node_new("LeakyRelu", "a", "b");
    Onnx__AttributeProto *a = attr_float("alpha", 0);
    f->name = "F";
    f->domain = domain;
    a->ref_attr_name = "slope";
    PUSH(n, attribute, a);
    PUSH(f, node, n);
    PUSH(f, input, "a");
    PUSH(f, output, "b");
    PUSH(f, attribute, "slope");
    return f;
}

static model calling(Onnx__FunctionProto *f)
{
    model m = one_node("F");
    m->graph->node[0]->domain = f->domain;
    PUSH(m, functions, f);
    return m;
}

static const char *printed(void)
{
    char *text = NULL;
    size_t size;
    cr_assert_eq(ir_print_text(trial.g, &text, &size), LATHE_OK);
    return text;
}

Test(import, function_attributes)
{
    model m = calling(function_new("my"));
    PUSH(m->graph->node[0], attribute, attr_float("slope", 0.25f));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert(strstr(printed(), "0.25"), "%s", printed());
    m = calling(function_new("my"));
    PUSH(m->functions[0], attribute_proto, attr_float("slope", 0.125f));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert(strstr(printed(), "0.125"), "%s", printed());
    cr_assert_eq(read_model(calling(function_new("my"))), LATHE_OK, "%s", messages());
}

Test(import, function_takes_precedence)
{
    model m = calling(function_new("ai.onnx"));
    m->functions[0]->name = "Relu";
    m->graph->node[0]->op_type = "Relu";
    m->graph->node[0]->domain = "";
    PUSH(m->functions[0], attribute_proto, attr_float("slope", 0.125f));
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    cr_assert(strstr(printed(), "0.125"), "%s", printed());
}

Test(import, bad_functions)
{
    model m = calling(function_new("my"));
    PUSH(m, functions, function_new("my"));
    refused(m, LATHE_BAD_INPUT, "tensor 'F': the function is defined twice");
    m = calling(function_new("my"));
    m->functions[0]->node[0]->op_type = "F";
    m->functions[0]->node[0]->domain = "my";
    refused(m, LATHE_BAD_INPUT, "function F calls itself");
    m = calling(function_new("my"));
    PUSH(m->graph->node[0], input, "x");
    refused(m, LATHE_BAD_INPUT, "2 inputs and 1 outputs, but function F has 1 and 1");
    m = calling(function_new("my"));
    PUSH(m->graph->node[0], attribute, attr_float("slope", 0.25f));
    PUSH(m->graph->node[0], attribute, attr_float("slop", 0.25f));
    refused(m, LATHE_BAD_INPUT, "attribute 'slop' is not one of function F");
    m->graph->node[0]->attribute[1]->name = "__note";
    cr_assert_eq(read_model(m), LATHE_OK, "%s", messages());
    m->graph->node[0]->attribute[1]->name = "slope";
    refused(m, LATHE_BAD_INPUT, "attribute slope is given twice");
}

/* f0 calls f1 twice, f1 calls f2 twice, ...: 2^30 nodes from a small file. */
Test(import, doubling_functions)
{
    static char names[31][4];
    model m = one_node("f0");
    m->graph->node[0]->domain = "my";
    for (int i = 0; i < 30; i++) {
        Onnx__FunctionProto *f = MAKE(function_proto);
        snprintf(names[i], 4, "f%d", i);
        snprintf(names[i + 1], 4, "f%d", i + 1);
        f->name = names[i];
        f->domain = "my";
        PUSH(f, input, "a");
        PUSH(f, output, "c");
        PUSH(f, node, node_new(names[i + 1], "a", "b"));
        PUSH(f, node, node_new(names[i + 1], "b", "c"));
        f->node[0]->domain = f->node[1]->domain = "my";
        PUSH(m, functions, f);
    }
    PUSH(m->functions[29], node, node_new("Identity", "a", "d"));
    m->functions[29]->n_node = 0;
    m->functions[29]->output[0] = "a";
    refused(m, LATHE_LIMIT, "more than 1048576 nodes");
}

Test(import, mismatch_names_node_version_and_both_sides)
{
    model m = one_node("MatMul");
    PUSH(m->graph, input, value_new("w", 1, "4"));
    PUSH(m->graph->node[0], input, "w");
    m->graph->input[0] = value_new("x", 1, "3");
    refused(m, LATHE_BAD_INPUT,
            "node 'MatMul' (MatMul-17): tensor 'w': input 1 has dims [4], expected [3]");
    lathe_message at = lathe_diag_get(trial.diag, 0);
    cr_expect_str_eq(at.found, "[4]");
    cr_expect_str_eq(at.expected, "[3]");
    cr_expect_eq(at.version, 17);
}

Test(import, a_node_is_understood_whole)
{
    model m = one_node("Relu");
    PUSH(m->graph->node[0], input, "x");
    refused(m, LATHE_BAD_INPUT, "tensor 'x': input 1 is one too many: expected 1 input");
    m = one_node("Relu");
    PUSH(m->graph->node[0], output, "z");
    refused(m, LATHE_BAD_INPUT, "output 1 ('z') is one too many: expected 1 output");
    refused(one_node("Concat"), LATHE_BAD_INPUT, "attribute axis (int) is missing");
    m = one_node("Relu");
    PUSH(m->graph->node[0], attribute, attr_float("beta", 2));
    refused(m, LATHE_BAD_INPUT, "attribute 'beta' is not known, accepted: none");
    refused(one_node("Add"), LATHE_BAD_INPUT, "input 1 is missing: expected 2 inputs");
}

/* A default is a value of its type, and stands where it is read. */
static void check_default(const char *op, const fe_rule *r)
{
    if (!r->otherwise.n) return;
    const char *type = fe_type_name(r->type);
    char text[64], *end = text;
    snprintf(text, sizeof text, "%.*s", (int)r->otherwise.n, r->otherwise.text);
    if (!strcmp(type, "int")) (void)strtoll(text, &end, 10);
    if (!strcmp(type, "float")) (void)strtof(text, &end);
    cr_assert(!*end || !strcmp(type, "string") || !strcmp(type, "ints"), "%s: %s", op, text);
    cr_assert(!r->required && !r->harmless.n, "%s: %s", op, text);
}

Test(import, every_signature_can_be_read)
{
    for (size_t i = 0; i < fe_op_count(); i++) {
        const char *at = fe_op_at(i)->signature;
        fe_rule r;
        cr_assert(at && *at, "%s has no signature", fe_op_at(i)->name);
        while (fe_rule_next(&at, &r)) check_default(fe_op_at(i)->name, &r);
        cr_assert(!*at, "%s: '%s' is no entry", fe_op_at(i)->name, at);
    }
}

/* y = Conv(x[1, 2, 4], w[3, 2, 1], b). */
static model convolution(int bias_elem, int64_t bias_length)
{
    model m = one_node("Conv");
    Onnx__ValueInfoProto *x = value_new("x", 1, "1");
    for (int i = 0; i < 2; i++)
        PUSH(x->type->tensor_type->shape, dim,
             value_new("", 1, i ? "4" : "2")->type->tensor_type->shape->dim[0]);
    m->graph->input[0] = x;
    Onnx__TensorProto *w = tensor_new("w", 1, 3, (int64_t[]){3, 2, 1});
    Onnx__TensorProto *b = tensor_new("b", bias_elem, 1, &bias_length);
    tensor_raw(w, calloc(6, 4), 24);
    tensor_raw(b, calloc(4, 4), (size_t)bias_length * (bias_elem == 10 ? 2 : 4));
    PUSH(m->graph, initializer, w);
    PUSH(m->graph, initializer, b);
    PUSH(m->graph->node[0], input, "w");
    PUSH(m->graph->node[0], input, "b");
    return m;
}

Test(import, a_bias_fits_its_convolution)
{
    cr_assert_eq(read_model(convolution(1, 3)), LATHE_OK, "%s", messages());
    refused(convolution(1, 2), LATHE_BAD_INPUT, "tensor 'b': input 2 has dims [2], expected [3]");
    refused(convolution(10, 3), LATHE_BAD_INPUT,
            "tensor 'b': input 2 has element type f16, expected f32");
    refused(convolution(6, 3), LATHE_BAD_INPUT,
            "tensor 'b': input 2 has element type i32, expected f32");
}
