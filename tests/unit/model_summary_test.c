#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_summary.h"
#include "tests/unit/weights_file.h"

static void summarize(const struct weights_tensor *tensors, const char *text,
                      struct model_summary *summary)
{
    struct weights_file file = weights_file_make(tensors);
    struct safetensors weights;
    struct model_config config;
    struct fault fault = {0};
    assert_true(safetensors_init(&weights, file.bytes, file.size, &fault));
    assert_true(model_config_parse(&config, text, strlen(text), "m", &fault));
    if (!model_summary_init(summary, &config, &weights, &fault))
        fail_msg("%s", fault.text);
    model_config_fini(&config);
    safetensors_fini(&weights);
    weights_file_fini(&file); /* the summary keeps nothing of it */
}

/* A Keras LSTM's: one bias. */
#define LSTM_TENSORS(prefix, in, units)                                                            \
    {prefix ".weight_ih_l0", 4 * (units), in}, {prefix ".weight_hh_l0", 4 * (units), units},       \
    {                                                                                              \
        prefix ".bias_ih_l0", 4 * (units), 0                                                       \
    }

static void three_keras_lstms_have_1344_parameters(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {
        LSTM_TENSORS("a", 10, 7), LSTM_TENSORS("b", 7, 7), LSTM_TENSORS("c", 7, 7), {NULL, 0, 0}};
    struct model_summary summary;
    summarize(tensors,
              "{\"weights\":\"w\",\"batch_first\":true,\"layers\":["
              "{\"type\":\"lstm\",\"weights\":\"a\",\"name\":\"first\"},"
              "{\"type\":\"lstm\",\"weights\":\"b\"},"
              "{\"type\":\"lstm\",\"weights\":\"c\",\"return_sequences\":false}]}",
              &summary);
    assert_int_equal(summary.layer_count, 3);
    assert_int_equal(summary.parameters, 1344);
    char *text = model_summary_text(&summary);
    assert_string_equal(text, "layer  type  output shape    parameters\n"
                              "first  lstm  [-1,-1,7]              504\n"
                              "b      lstm  [-1,-1,7]              420\n"
                              "c      lstm  [-1,7]                 420\n"
                              "total                              1344\n");
    free(text);
    struct json_writer writer;
    json_writer_init(&writer);
    model_summary_write(&summary, &writer);
    static const char wanted[] =
        "[{\"name\":\"first\",\"type\":\"lstm\",\"shape\":[-1,-1,7],\"parameters\":504},"
        "{\"name\":\"b\",\"type\":\"lstm\",\"shape\":[-1,-1,7],\"parameters\":420},"
        "{\"name\":\"c\",\"type\":\"lstm\",\"shape\":[-1,7],\"parameters\":420}]";
    size_t size;
    char *json;
    assert_true(json_writer_take(&writer, &json, &size));
    assert_int_equal(size, sizeof wanted - 1);
    assert_memory_equal(json, wanted, size);
    free(json);
    model_summary_fini(&summary);
}

static void every_layer_has_its_shape(void **state)
{
    (void)state;
    static const struct weights_tensor tensors[] = {
        {"e.weight", 30, 8},     {"n.weight", 8, 0},  {"n.bias", 8, 0}, {"n.running_mean", 8, 0},
        {"n.running_var", 8, 0}, {"d.weight", 5, 16}, {"d.bias", 5, 0}, {NULL, 0, 0}};
    static const struct {
        const char *name, *shape;
        uint64_t parameters;
    } wanted[] = {
        {"e", "[-1,12,8]", 240},     {"dropout", "[-1,12,8]", 0},
        {"n", "[-1,12,8]", 32},      {"max_pool1d", "[-1,6,8]", 0},
        {"reshape", "[-1,3,16]", 0}, {"d", "[-1,3,5]", 85},
        {"flatten", "[-1,15]", 0},   {"repeat_vector", "[-1,4,15]", 0},
        {"last_step", "[-1,15]", 0},
    };
    struct model_summary summary;
    summarize(tensors,
              "{\"weights\":\"w\",\"batch_first\":true,\"steps\":12,\"layers\":["
              "{\"type\":\"embedding\",\"weights\":\"e\"},{\"type\":\"dropout\"},"
              "{\"type\":\"batch_norm\",\"weights\":\"n\"},{\"type\":\"max_pool1d\"},"
              "{\"type\":\"reshape\",\"target_shape\":[-1,16]},"
              "{\"type\":\"dense\",\"weights\":\"d\"},{\"type\":\"flatten\"},"
              "{\"type\":\"repeat_vector\",\"n\":4},{\"type\":\"last_step\"}]}",
              &summary);
    assert_int_equal(summary.layer_count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < summary.layer_count; i++) {
        char shape[MODEL_SUMMARY_SHAPE_MAX];
        model_summary_shape_text(&summary.layers[i], shape, sizeof shape);
        assert_string_equal(summary.layers[i].name, wanted[i].name);
        assert_string_equal(shape, wanted[i].shape);
        assert_int_equal(summary.layers[i].parameters, wanted[i].parameters);
    }
    assert_int_equal(summary.parameters, 240 + 32 + 85);
    model_summary_fini(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_keras_lstms_have_1344_parameters),
        cmocka_unit_test(every_layer_has_its_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
