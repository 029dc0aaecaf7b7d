/* openvino-bench: the pass of lstm-bench computed by OpenVINO on the CPU, through its C interface.
 *
 *   openvino-bench --shape T,B,I,H,L,D --threads N [--seconds S] [--output FILE] --model FILE.onnx
 *
 * The model is onnx_model.py's of that shape. One synchronous inference request with preset
 * tensors, hint LATENCY, float32 kept. */
#include <stdio.h>
#include <string.h>

#include <openvino/c/openvino.h>

#include "tests/bench/bench_line.h"
#include "tests/bench/bench_options.h"
#include "tests/bench/lstm_case.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/die.h"

#define MUST(call) must((call), #call)

static void must(ov_status_e status, const char *call)
{
    if (status != OK)
        die("OpenVINO: %s: %s in %s", ov_get_error_info(status), ov_get_last_err_msg(), call);
}

/* It lives as long as the program. */
static ov_infer_request_t *create_request(const struct bench_options *options)
{
    ov_core_t *core;
    ov_compiled_model_t *model;
    ov_infer_request_t *request;
    char threads[32];
    snprintf(threads, sizeof threads, "%zu", options->threads);
    MUST(ov_core_create(&core));
    MUST(ov_core_compile_model_from_file(
        core, options->model, "CPU", 8, &model, ov_property_key_inference_num_threads, threads,
        ov_property_key_hint_performance_mode, "LATENCY", ov_property_key_hint_inference_precision,
        "f32", ov_property_key_num_streams, "1"));
    MUST(ov_compiled_model_create_infer_request(model, &request));
    return request;
}

static float *tensor_data(ov_tensor_t *tensor, size_t count)
{
    size_t size;
    void *data;
    MUST(ov_tensor_get_size(tensor, &size));
    if (size != count)
        die("the model's tensor has %zu floats, %zu expected: not of this shape", size, count);
    MUST(ov_tensor_data(tensor, &data));
    ov_tensor_free(tensor);
    return data;
}

static void set_input(ov_infer_request_t *request, size_t index, const float *from, size_t count)
{
    ov_tensor_t *tensor;
    MUST(ov_infer_request_get_input_tensor_by_index(request, index, &tensor));
    memcpy(tensor_data(tensor, count), from, count * sizeof *from);
}

static void get_output(ov_infer_request_t *request, size_t index, float *to, size_t count)
{
    ov_tensor_t *tensor;
    MUST(ov_infer_request_get_output_tensor_by_index(request, index, &tensor));
    memcpy(to, tensor_data(tensor, count), count * sizeof *to);
}

/* Inputs are X, then each layer's h_0 and c_0; outputs Y, then each layer's h_n and c_n. */
static void set_inputs(ov_infer_request_t *request, const struct lstm_case *lstm)
{
    const size_t count = lstm_shape_state_count(&lstm->shape) / lstm->shape.layers;
    set_input(request, 0, lstm->input, lstm_shape_input_count(&lstm->shape));
    for (size_t layer = 0; layer < lstm->shape.layers; layer++) {
        set_input(request, 1 + 2 * layer, lstm->h_0 + layer * count, count);
        set_input(request, 2 + 2 * layer, lstm->c_0 + layer * count, count);
    }
}

static void write_answer(ov_infer_request_t *request, struct lstm_case *lstm, const char *path)
{
    const size_t count = lstm_shape_state_count(&lstm->shape) / lstm->shape.layers;
    get_output(request, 0, lstm->output, lstm_shape_output_count(&lstm->shape));
    for (size_t layer = 0; layer < lstm->shape.layers; layer++) {
        get_output(request, 1 + 2 * layer, lstm->h_n + layer * count, count);
        get_output(request, 2 + 2 * layer, lstm->c_n + layer * count, count);
    }
    lstm_case_write(lstm, path);
}

static void run_request(void *context)
{
    MUST(ov_infer_request_infer(context));
}

/* "openvino-2026.4.1": the build number up to its first dash. */
static void name_version(char *name, size_t size)
{
    ov_version_t version;
    MUST(ov_get_openvino_version(&version));
    snprintf(name, size, "openvino-%.*s", (int)strcspn(version.buildNumber, "-"),
             version.buildNumber);
    ov_version_free(&version);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    bench_options_parse(argc, argv, "--model FILE.onnx", &options);
    struct lstm_case *lstm = lstm_case_create(&options.shape);
    ov_infer_request_t *request = create_request(&options);
    set_inputs(request, lstm);
    const struct stopwatch_times times = stopwatch_measure(run_request, request, options.seconds);
    char name[64];
    name_version(name, sizeof name);
    bench_line_print("peer", name, &options, &times, lstm_shape_flops(&options.shape));
    if (options.output != NULL)
        write_answer(request, lstm, options.output);
    lstm_case_destroy(lstm);
    return 0;
}
