#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/binding.h"
#include "tests/support/zero_signatures.h"

static void add_input(struct infer_request *request, const char *name, enum datatype datatype,
                      const char *datatype_text, size_t rank, uint64_t a, uint64_t b, uint64_t c)
{
    struct infer_input *input = &request->inputs[request->input_count++];
    snprintf(input->name, sizeof input->name, "%s", name);
    snprintf(input->datatype_text, sizeof input->datatype_text, "%s", datatype_text);
    input->datatype = datatype;
    input->rank = rank;
    memcpy(input->shape, (const uint64_t[]){a, b, c}, sizeof(uint64_t[3]));
}

static void add_f32(struct infer_request *request, const char *name, uint64_t a, uint64_t b,
                    uint64_t c)
{
    add_input(request, name, DATATYPE_FP32, "FP32", 3, a, b, c);
}

static void add_output(struct infer_request *request, const char *name)
{
    struct infer_output *output = &request->outputs[request->output_count++];
    snprintf(output->name, sizeof output->name, "%s", name);
}

static void expect_unbound(const struct signature *signature, const struct infer_request *request,
                           const char *text)
{
    struct binding binding;
    struct fault fault = {0};
    assert_false(binding_init(&binding, signature, request, "m", &fault));
    assert_string_equal(fault.text, text);
    assert_int_equal(fault.status, 400);
}

static struct binding bound(const struct signature *signature, const struct infer_request *request)
{
    struct binding binding;
    struct fault fault = {0};
    const bool good = binding_init(&binding, signature, request, "m", &fault);
    assert_string_equal(fault.text, "");
    assert_true(good);
    return binding;
}

static void the_input_alone_is_a_request(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request;
    add_f32(&request, "input", 17, 2, 10);
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 2);
    assert_ptr_equal(binding.input, &request.inputs[0]);
    assert_null(binding.lengths);
    assert_null(binding.h_0[0]);
    assert_null(binding.c_0[0]);
    assert_int_equal(binding.output_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(binding.outputs[i], &s.outputs[i]);
    assert_int_equal(binding.output_elements, 17 * 2 * 7 + 2 * 7 + 2 * 7);
}

static void all_tensors_are_bound_in_any_order(void **state)
{
    (void)state;
    const struct signature s = simple(true);
    static struct infer_request request;
    add_input(&request, "lengths", DATATYPE_INT32, "INT32", 1, 2, 0, 0);
    add_f32(&request, "c_0", 1, 2, 7);
    add_f32(&request, "h_0", 1, 2, 7);
    add_f32(&request, "input", 2, 17, 10);
    add_output(&request, "c_n");
    add_output(&request, "output");
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 2);
    assert_ptr_equal(binding.lengths, &request.inputs[0]);
    assert_ptr_equal(binding.c_0[0], &request.inputs[1]);
    assert_ptr_equal(binding.h_0[0], &request.inputs[2]);
    assert_ptr_equal(binding.input, &request.inputs[3]);
    assert_int_equal(binding.output_count, 2);
    assert_string_equal(binding.outputs[0]->name, "c_n");
    assert_string_equal(binding.outputs[1]->name, "output");
    assert_int_equal(binding.output_elements, 2 * 7 + 2 * 17 * 7);
}

static void states_of_several_groups_find_their_group(void **state)
{
    (void)state;
    const struct layer_spec layers[] = {lstm(5, 4, 2, false), lstm(4, 3, 1, false)};
    const struct signature s = signature_of(layers, 2, false);
    static struct infer_request request;
    add_f32(&request, "input", 1, 6, 5);
    add_f32(&request, "h_0.1", 1, 6, 3);
    add_f32(&request, "c_0.1", 1, 6, 3);
    const struct binding binding = bound(&s, &request);
    assert_null(binding.h_0[0]);
    assert_ptr_equal(binding.h_0[1], &request.inputs[1]);
    assert_ptr_equal(binding.c_0[1], &request.inputs[2]);
}

static void no_steps_and_no_rows_are_allowed(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request, empty;
    add_f32(&request, "input", 0, 2, 10);
    add_input(&request, "lengths", DATATYPE_INT64, "INT64", 1, 2, 0, 0);
    struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 0);
    assert_int_equal(binding.rows, 2);
    assert_int_equal(binding.output_elements, 28);
    add_f32(&empty, "input", 5, 0, 10);
    binding = bound(&s, &empty);
    assert_int_equal(binding.steps, 5);
    assert_int_equal(binding.rows, 0);
    assert_int_equal(binding.output_elements, 0);
}

static void unknown_and_missing_and_repeated_inputs_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request unknown, missing, repeated, none;
    add_f32(&unknown, "input", 17, 2, 10);
    add_f32(&unknown, "foo", 1, 2, 7);
    expect_unbound(&s, &unknown, "unexpected inference input 'foo' for model 'm'");
    add_f32(&missing, "h_0", 1, 2, 7);
    expect_unbound(&s, &missing, "missing inference input 'input' for model 'm'");
    expect_unbound(&s, &none, "missing inference input 'input' for model 'm'");
    add_f32(&repeated, "input", 17, 2, 10);
    add_f32(&repeated, "input", 17, 2, 10);
    expect_unbound(&s, &repeated, "inference input 'input' given twice for model 'm'");
}

static void each_state_may_come_alone(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request only_h, only_c;
    add_f32(&only_h, "input", 17, 2, 10);
    add_f32(&only_h, "h_0", 1, 2, 7);
    struct binding binding = bound(&s, &only_h);
    assert_ptr_equal(binding.h_0[0], &only_h.inputs[1]);
    assert_null(binding.c_0[0]);
    add_f32(&only_c, "input", 17, 2, 10);
    add_f32(&only_c, "c_0", 1, 2, 7);
    binding = bound(&s, &only_c);
    assert_null(binding.h_0[0]);
    assert_ptr_equal(binding.c_0[0], &only_c.inputs[1]);
}

static void wrong_datatypes_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request wide, float_lengths;
    add_input(&wide, "input", DATATYPE_OTHER, "FP64", 3, 17, 2, 10);
    expect_unbound(&s, &wide,
                   "inference input 'input' data-type is 'FP64', but model 'm' expects 'FP32'");
    add_f32(&float_lengths, "input", 17, 2, 10);
    add_input(&float_lengths, "lengths", DATATYPE_FP32, "FP32", 1, 2, 0, 0);
    expect_unbound(
        &s, &float_lengths,
        "inference input 'lengths' data-type is 'FP32', but model 'm' expects 'INT64' or 'INT32'");
    static struct infer_request whole;
    add_input(&whole, "input", DATATYPE_INT32, "INT32", 3, 17, 2, 10);
    expect_unbound(&s, &whole,
                   "inference input 'input' data-type is 'INT32', but model 'm' expects 'FP32'");
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request narrow, flat, scalar;
    add_f32(&narrow, "input", 17, 2, 9);
    expect_unbound(&s, &narrow,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [17,2,9]");
    add_input(&flat, "input", DATATYPE_FP32, "FP32", 2, 17, 10, 0);
    expect_unbound(&s, &flat,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [17,10]");
    add_input(&scalar, "input", DATATYPE_FP32, "FP32", 0, 0, 0, 0);
    expect_unbound(&s, &scalar,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got []");
    static struct infer_request huge;
    add_f32(&huge, "input", UINT64_MAX, 0, 10);
    expect_unbound(&s, &huge,
                   "unexpected shape for input 'input' for model 'm'. Expected "
                   "[-1,-1,10], got [18446744073709551615,0,10]");
}

static void all_tensors_must_have_the_input_s_rows(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request states, lengths, cells_wrong;
    add_f32(&states, "input", 17, 2, 10);
    add_f32(&states, "h_0", 1, 2, 7);
    add_f32(&states, "c_0", 1, 3, 7);
    expect_unbound(&s, &states,
                   "unexpected shape for input 'c_0' for model 'm'. Expected [1,2,7], "
                   "got [1,3,7]");
    add_input(&lengths, "lengths", DATATYPE_INT64, "INT64", 1, 17, 0, 0);
    add_f32(&lengths, "input", 17, 2, 10);
    expect_unbound(&s, &lengths,
                   "unexpected shape for input 'lengths' for model 'm'. Expected [2],"
                   " got [17]");
    add_f32(&cells_wrong, "input", 17, 2, 10);
    add_f32(&cells_wrong, "h_0", 2, 2, 7);
    add_f32(&cells_wrong, "c_0", 2, 2, 7);
    expect_unbound(&s, &cells_wrong,
                   "unexpected shape for input 'h_0' for model 'm'. Expected "
                   "[1,2,7], got [2,2,7]");
}

static void unknown_and_repeated_outputs_are_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request unknown, repeated;
    add_f32(&unknown, "input", 17, 2, 10);
    add_output(&unknown, "output");
    add_output(&unknown, "foo");
    expect_unbound(&s, &unknown, "unexpected inference output 'foo' for model 'm'");
    add_f32(&repeated, "input", 17, 2, 10);
    add_output(&repeated, "h_n");
    add_output(&repeated, "h_n");
    expect_unbound(&s, &repeated, "inference output 'h_n' given twice for model 'm'");
}

static void an_answer_too_large_to_count_is_refused(void **state)
{
    (void)state;
    const struct signature s = simple(false);
    static struct infer_request request;
    add_f32(&request, "input", 0, (uint64_t)1 << 62, 10);
    expect_unbound(&s, &request, "outputs for 4611686018427387904 rows of 0 steps are too large");
    add_output(&request, "output");
    assert_int_equal(bound(&s, &request).output_elements, 0);
}

static void an_embedding_takes_either_whole_datatype(void **state)
{
    (void)state;
    const struct signature rows_first = embedded(true);
    const struct signature s = embedded(false);
    struct infer_request request = {0};
    add_input(&request, "input", DATATYPE_INT32, "INT32", 2, 17, 3, 0);
    const struct binding binding = bound(&s, &request);
    assert_int_equal(binding.steps, 17);
    assert_int_equal(binding.rows, 3);
    assert_int_equal(bound(&rows_first, &request).steps, 3);
    request.inputs[0].datatype = DATATYPE_FP32;
    strcpy(request.inputs[0].datatype_text, "FP32");
    expect_unbound(
        &s, &request,
        "inference input 'input' data-type is 'FP32', but model 'm' expects 'INT64' or 'INT32'");
}

static void fixed_steps_are_asked_for(void **state)
{
    (void)state;
    const struct signature s = of_nine_steps();
    struct infer_request request = {0};
    add_input(&request, "input", DATATYPE_FP32, "FP32", 3, 2, 8, 3);
    expect_unbound(
        &s, &request,
        "unexpected shape for input 'input' for model 'm'. Expected [-1,9,3], got [2,8,3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_alone_is_a_request),
        cmocka_unit_test(all_tensors_are_bound_in_any_order),
        cmocka_unit_test(states_of_several_groups_find_their_group),
        cmocka_unit_test(no_steps_and_no_rows_are_allowed),
        cmocka_unit_test(unknown_and_missing_and_repeated_inputs_are_refused),
        cmocka_unit_test(each_state_may_come_alone),
        cmocka_unit_test(wrong_datatypes_are_refused),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(all_tensors_must_have_the_input_s_rows),
        cmocka_unit_test(unknown_and_repeated_outputs_are_refused),
        cmocka_unit_test(an_answer_too_large_to_count_is_refused),
        cmocka_unit_test(an_embedding_takes_either_whole_datatype),
        cmocka_unit_test(fixed_steps_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, destroy_models);
}
