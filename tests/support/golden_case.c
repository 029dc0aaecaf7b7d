#include "tests/support/golden_case.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "proto/model_config.h"
#include "tests/support/die.h"
#include "tests/support/whole_file.h"

static const cJSON *must_get(const cJSON *json, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    if (value == NULL)
        die("case.json has no '%s'", key);
    return value;
}

static size_t get_size(const cJSON *json, const char *key)
{
    return (size_t)must_get(json, key)->valuedouble;
}

static bool get_bool(const cJSON *json, const char *key)
{
    return cJSON_IsTrue(must_get(json, key));
}

static void read_arguments(struct golden_case *golden)
{
    char path[192];
    size_t size;
    snprintf(path, sizeof path, "%s/case.json", golden->folder);
    char *text = whole_file_read(path, &size);
    cJSON *json = cJSON_Parse(text);
    free(text);

    golden->input_size = get_size(json, "input_size");
    golden->hidden_size = get_size(json, "hidden_size");
    golden->num_layers = get_size(json, "num_layers");
    golden->proj_size = get_size(json, "proj_size");
    golden->bias = get_bool(json, "bias");
    golden->bidirectional = get_bool(json, "bidirectional");
    golden->batch_first = get_bool(json, "batch_first");
    const double own = must_get(json, "max_abs_error_of_source_vs_f64")->valuedouble;
    golden->bound = 2 * own > 3e-7 ? 2 * own : 3e-7;
    cJSON_Delete(json);
}

static void open_tensors(struct golden_case *golden, const char *file, struct tensor_file *tensors)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s.safetensors", golden->folder, file);
    tensor_file_open(tensors, path);
}

static float *read_if_there(const struct tensor_file *file, const char *name)
{
    return tensor_file_has(file, name) ? tensor_file_f32(file, name) : NULL;
}

static void read_tensors(struct golden_case *golden)
{
    open_tensors(golden, "model", &golden->weights);
    open_tensors(golden, "io", &golden->io);

    const struct safetensors_tensor *input = safetensors_find(&golden->io.tensors, "input");
    if (input == NULL || input->rank != 3)
        die("%s has no input of three dimensions", golden->folder);
    golden->steps = input->shape[golden->batch_first ? 1 : 0];
    golden->rows = input->shape[golden->batch_first ? 0 : 1];

    golden->input = tensor_file_f32(&golden->io, "input");
    golden->h_0 = read_if_there(&golden->io, "h_0");
    golden->c_0 = read_if_there(&golden->io, "c_0");
    if (tensor_file_has(&golden->io, "lengths"))
        golden->lengths = tensor_file_i64(&golden->io, "lengths");
}

void golden_case_open(struct golden_case *golden, const char *name)
{
    *golden = (struct golden_case){0};
    snprintf(golden->folder, sizeof golden->folder, "tests/golden/torch/%s", name);
    read_arguments(golden);
    read_tensors(golden);

    const size_t directions = golden->bidirectional ? 2 : 1;
    golden->cells = golden->num_layers * directions;
    golden->h_size = golden->proj_size != 0 ? golden->proj_size : golden->hidden_size;
    golden->output_size = directions * golden->h_size;
}

void golden_case_close(struct golden_case *golden)
{
    free(golden->input);
    free(golden->h_0);
    free(golden->c_0);
    free(golden->lengths);
    tensor_file_close(&golden->weights);
    tensor_file_close(&golden->io);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

char *golden_case_config(const struct golden_case *golden, bool infer, const char *weights)
{
    char *text;
    int length;
    if (infer)
        length = asprintf(&text, "{\"weights\":\"%s\",\"lstm\":{\"batch_first\":%s}}", weights,
                          truth(golden->batch_first));
    else
        length = asprintf(&text,
                          "{\"weights\":\"%s\",\"lstm\":{\"input_size\":%zu,\"hidden_size\":%zu,"
                          "\"num_layers\":%zu,\"proj_size\":%zu,\"bidirectional\":%s,\"bias\":%s,"
                          "\"batch_first\":%s,\"dropout\":0}}",
                          weights, golden->input_size, golden->hidden_size, golden->num_layers,
                          golden->proj_size, truth(golden->bidirectional), truth(golden->bias),
                          truth(golden->batch_first));
    if (length < 0)
        die("no memory");
    return text;
}

struct model *golden_case_model(const struct golden_case *golden, bool infer,
                                const struct kernel *kernel)
{
    struct fault fault = {0};
    struct model_config config;
    struct model *model = NULL;
    char *text = golden_case_config(golden, infer, "model.safetensors");

    if (!model_config_parse(&config, text, strlen(text), "golden", &fault))
        die("%s: %s", golden->folder, fault.text);
    if (config.batch_first != golden->batch_first)
        die("%s: batch_first was not understood", golden->folder);
    if (!model_build(&config, &golden->weights.tensors, kernel, &model, &fault))
        die("%s: %s", golden->folder, fault.text);
    model_config_fini(&config);
    free(text);
    return model;
}
