/* Loading a model while memory runs out: the first allocation fails, then the second, and so on
 * until one run meets no failure. Each run must end with a clear refusal and hold nothing.
 *
 * The linker routes this project's own allocations here (--wrap in the Makefile); libraries' are
 * left alone. Live blocks are counted, so a leak shows without a sanitizer too. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "proto/model_summary.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"
#include "tests/fault/failing_calls.h"

enum { FILE_MAX = 1 << 20, RUNS_MAX = 1000 };

static char file[FILE_MAX];

static size_t read_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    const size_t size = fread(file, 1, sizeof file, stream);
    assert_true(size > 0 && size < sizeof file);
    fclose(stream);
    return size;
}

static bool summarize(const struct model_config *config, const struct safetensors *weights,
                      struct fault *fault)
{
    struct model_summary summary;
    if (!model_summary_init(&summary, config, weights, fault))
        return false;
    char *text = model_summary_text(&summary);
    model_summary_fini(&summary);
    free(text);
    return text != NULL || fault_set(fault, 503, "not enough memory for the text");
}

static bool load(const char *config_text, const char *weights_bytes, size_t size,
                 struct fault *fault)
{
    struct model_config config;
    struct safetensors weights;
    struct model *model = NULL;
    if (!model_config_parse(&config, config_text, strlen(config_text), "m", fault))
        return false;
    bool loaded = safetensors_init(&weights, weights_bytes, size, fault);
    if (loaded) {
        loaded = model_build(&config, &weights, kernel_find(NULL), &model, fault) &&
                 summarize(&config, &weights, fault);
        safetensors_fini(&weights);
    }
    model_config_fini(&config);
    model_destroy(model);
    return loaded;
}

static void fail_each_allocation(const char *config_text, const char *weights, size_t size)
{
    long failing = 0;
    for (bool done = false; !done; failing++) {
        struct fault fault = {0};
        assert_true(failing < RUNS_MAX);
        fail_memory_after(failing);
        done = load(config_text, weights, size, &fault);
        const bool refused = fail_memory_no_more();
        assert_int_equal(live_blocks(), 0);
        assert_true(done != refused);
        if (!done)
            assert_int_equal(fault.status, 503);
    }
    assert_true(failing > 10);
}

static void fail_each_allocation_of(const char *weights_path, const char *config_text)
{
    const size_t size = read_file(weights_path);
    fail_each_allocation(config_text, file, size);
}

/* A seed of the builder's fuzzer: the config, a NUL, the weights. */
static void fail_each_allocation_of_seed(const char *path)
{
    const size_t size = read_file(path), config_size = strlen(file) + 1;
    assert_true(config_size < size);
    fail_each_allocation(file, file + config_size, size - config_size);
}

static void a_bidirectional_stack_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation_of("tests/golden/torch/projection/model.safetensors",
                            "{\"weights\":\"w\"}");
}

static void a_network_of_layers_is_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation_of(
        "deploy/models/silero-vad.safetensors",
        "{\"weights\":\"w\",\"layers\":[{\"type\":\"lstm\",\"weights\":\"decoder.rnn\"},"
        "{\"type\":\"activation\",\"function\":\"relu\"},"
        "{\"type\":\"dense\",\"weights\":\"decoder.decoder.2\",\"activation\":\"sigmoid\"}]}");
}

static void keras_layers_are_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation_of_seed("tests/fuzz/corpus/model_builder/keras_all");
    fail_each_allocation_of_seed("tests/fuzz/corpus/model_builder/conv_flatten");
}

static void onnx_options_are_refused_whole(void **state)
{
    (void)state;
    fail_each_allocation_of_seed("tests/fuzz/corpus/model_builder/onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bidirectional_stack_is_refused_whole),
        cmocka_unit_test(a_network_of_layers_is_refused_whole),
        cmocka_unit_test(keras_layers_are_refused_whole),
        cmocka_unit_test(onnx_options_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
