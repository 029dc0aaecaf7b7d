/* The cases of tests/golden/torch through the real daemon, from torch's own files converted by
 * lstm-convert and from the same weights as safetensors with a config written by hand: JSON over
 * HTTP loses nothing, so both answers are within the same bound of float64 and the bits of
 * model_run in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/support/differences.h"
#include "tests/support/golden_case.h"
#include "tests/support/golden_run.h"
#include "tests/support/infer_client.h"
#include "tests/support/fixture.h"

static struct fixture fixture;

static void request(const struct golden_case *golden, struct infer_body *body)
{
    const size_t first = golden->batch_first ? golden->rows : golden->steps;
    const size_t second = golden->batch_first ? golden->steps : golden->rows;
    const size_t input[] = {first, second, golden->input_size};
    const size_t h[] = {golden->cells, golden->rows, golden->h_size};
    const size_t c[] = {golden->cells, golden->rows, golden->hidden_size};

    infer_body_begin(body, golden->folder);
    infer_body_f32(body, "input", 3, input, golden->input);
    if (golden->h_0 != NULL) {
        infer_body_f32(body, "h_0", 3, h, golden->h_0);
        infer_body_f32(body, "c_0", 3, c, golden->c_0);
    }
    if (golden->lengths != NULL)
        infer_body_i64(body, "lengths", 1, &golden->rows, golden->lengths);
}

/* The answer's tensor, which must have this shape. Borrowed. */
static float *tensor_of_shape(const struct infer_result *result, const char *name, size_t a,
                              size_t b, size_t c)
{
    const struct infer_result_tensor *tensor = infer_result_find(result, name);
    assert_non_null(tensor);
    assert_string_equal(tensor->datatype, "FP32");
    assert_int_equal(tensor->rank, 3);
    assert_int_equal(tensor->shape[0], a);
    assert_int_equal(tensor->shape[1], b);
    assert_int_equal(tensor->shape[2], c);
    return tensor->values;
}

/* Borrows the result's tensors. */
static void read_answer(const struct golden_case *golden, const struct infer_result *result,
                        struct golden_answer *answer)
{
    const size_t first = golden->batch_first ? golden->rows : golden->steps;
    const size_t second = golden->batch_first ? golden->steps : golden->rows;
    assert_int_equal(result->tensor_count, 3);
    assert_string_equal(result->id, golden->folder);
    answer->output = tensor_of_shape(result, "output", first, second, golden->output_size);
    answer->h_n = tensor_of_shape(result, "h_n", golden->cells, golden->rows, golden->h_size);
    answer->c_n = tensor_of_shape(result, "c_n", golden->cells, golden->rows, golden->hidden_size);
    answer->output_elements = first * second * golden->output_size;
    answer->h_elements = golden->cells * golden->rows * golden->h_size;
    answer->c_elements = golden->cells * golden->rows * golden->hidden_size;
}

/* The model's answer is within the case's bound, and that of this process. */
static void check_model(const char *model_name, const struct golden_case *golden)
{
    struct infer_body body;
    struct infer_result result;
    struct golden_answer answer, own;
    request(golden, &body);
    assert_true(infer_post(&fixture.client, model_name, &body, &result));
    read_answer(golden, &result, &answer);

    const double error = golden_error(golden, &answer);
    if (error > golden->bound)
        fail_msg("%s: error %.3g, allowed %.3g", model_name, error, golden->bound);
    differences_note(model_name, error);

    struct model *model = golden_case_model(golden, false, kernel_find("scalar"));
    golden_run(golden, model, &(struct golden_plan){0}, &own);
    assert_true(golden_same_bits(&answer, &own));
    model_destroy(model);
    golden_answer_fini(&own);
    infer_result_fini(&result);
}

/* What lstm-convert makes of the case's model.pt. */
static void converted_name(const char *name, char out[64])
{
    snprintf(out, 64, "torch-pt-%.48s", name);
}

static void the_daemon_answers_exactly(void **state)
{
    char converted[64];
    struct golden_case golden;
    golden_case_open(&golden, *state);
    converted_name(*state, converted);
    check_model(*state, &golden);
    check_model(converted, &golden);
    golden_case_close(&golden);
}

static void add_case(const char *name)
{
    static const char *const batch_first[] = {"--batch-first", NULL};
    char converted[64], path[256];
    struct golden_case golden;
    golden_case_open(&golden, name);
    snprintf(path, sizeof path, "%s/model.pt", golden.folder);
    converted_name(name, converted);
    fixture_add_golden(&fixture, name);
    fixture_add_converted(&fixture, converted, path, golden.batch_first ? batch_first : NULL);
    golden_case_close(&golden);
}

static int start_daemon(void **state)
{
#define ADD(name) add_case(#name);
    (void)state;
    fixture_init(&fixture);
    GOLDEN_CASES(ADD)
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

int main(void)
{
/* clang-format off */
#define CASE_TEST(case) \
    {#case ": the_daemon_answers_exactly", the_daemon_answers_exactly, NULL, NULL, (char[]){#case}},
    /* clang-format on */
    const struct CMUnitTest tests[] = {GOLDEN_CASES(CASE_TEST)};
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
