#include "tests/support/convert/convert_file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/kernel.h"
#include "core/model.h"
#include "deploy/convert/command_line.h"
#include "deploy/convert/companions.h"
#include "proto/model_builder.h"
#include "tests/support/die.h"
#include "tests/support/run_rows.h"
#include "tests/support/whole_file.h"

#define ARGUMENTS_MAX 32

/* HDF5's own library keeps 72 bytes of every file that it opened in memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:H5LTopen_file_image\n";
}

/* From the folder whose descriptor the context points to. */
static bool read_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const int fd = companions_open(*(const int *)context, name, fault);
    if (fd < 0)
        return false;
    blob->bytes = (unsigned char *)whole_file_read_open(fd, &blob->size);
    close(fd);
    return true;
}

static bool none_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    (void)context;
    (void)blob;
    return fault_set(fault, 400, "%s: there is no such file", name);
}

static void parse_arguments(struct command_line *line, const char *path,
                            const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {"lstm-convert", path, "--out", "out", "--name", "model"};
    int argc = 6;
    struct fault fault = {0};
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        if (argc == ARGUMENTS_MAX)
            die("%s: too many arguments", path);
        argv[argc++] = *arguments;
    }
    if (!command_line_parse(line, argc, (char **)(void *)argv, &fault))
        die("%s: %s", path, fault.text);
}

static void load(struct convert_file *file, const char *path)
{
    struct fault fault = {0};
    const struct converted *converted = &file->converted;
    if (!model_config_parse(&file->config, (const char *)converted->config.bytes,
                            converted->config.size, "none", &fault) ||
        !safetensors_init(&file->weights, converted->weights.bytes, converted->weights.size,
                          &fault) ||
        !model_build(&file->config, &file->weights, kernel_find(NULL), &file->model, &fault))
        die("%s: %s", path, fault.text);
}

bool convert_file_open(struct convert_file *file, const char *path, const char *const *arguments,
                       struct fault *fault)
{
    struct command_line line;
    parse_arguments(&line, path, arguments);
    char *copy = strdup(path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        die("%s: no such folder", path);
    struct input input = {
        .name = path, .options = line.read, .beside = read_beside, .context = &folder};
    input.file.bytes = (unsigned char *)whole_file_read(path, &input.file.size);
    if (line.config != NULL)
        input.config.bytes = (unsigned char *)whole_file_read(line.config, &input.config.size);
    *file = (struct convert_file){0};
    const bool done = convert(&input, line.name, &file->converted, fault);
    if (done)
        load(file, path);
    free(input.file.bytes);
    free(input.config.bytes);
    close(folder);
    free(copy);
    return done;
}

void convert_file_close(struct convert_file *file)
{
    model_destroy(file->model);
    safetensors_fini(&file->weights);
    model_config_fini(&file->config);
    converted_fini(&file->converted);
}

bool convert_bytes(const void *bytes, size_t size, struct converted *converted, struct fault *fault)
{
    unsigned char *copy = must_allocate(size + 1);
    const struct input input = {
        .name = "bytes", .file = {.bytes = copy, .size = size}, .beside = none_beside};
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    const bool done = convert(&input, "bytes", converted, fault);
    free(copy);
    return done;
}

/* The config that the context is. */
static bool config_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const struct blob *config = context;
    if (strcmp(name, "model.json") != 0)
        return none_beside(context, name, blob, fault);
    blob->bytes = must_allocate(config->size + 1);
    memcpy(blob->bytes, config->bytes, config->size + 1);
    blob->size = config->size;
    return true;
}

bool convert_again(const struct converted *first, struct converted *second, struct fault *fault)
{
    struct blob config = first->config;
    const struct input input = {.name = "model.safetensors",
                                .file = first->weights,
                                .beside = config_beside,
                                .context = &config};
    return convert(&input, "model", second, fault);
}

void convert_file_run(const struct convert_file *file, const float *input, size_t steps,
                      size_t rows, float *output)
{
    const struct model *model = file->model;
    const bool batch_first = file->config.batch_first;
    const size_t in = model_input_size(model), out = model_output_size(model);
    const size_t out_steps = model_output_steps(model, steps);
    float *states = must_allocate_zeros(rows, (model_state_size(model) + 1) * sizeof(float));
    struct model_row *list = must_allocate_zeros(rows, sizeof *list);
    for (size_t row = 0; row < rows; row++)
        list[row] = (struct model_row){
            .input = input + (batch_first ? row * steps : row) * in,
            .output = output + (batch_first ? row * out_steps : row) * out,
            .input_stride = (batch_first ? 1 : rows) * in,
            .output_stride = (batch_first ? 1 : rows) * out,
            .steps = steps,
            .ends = true,
            .state = states + row * model_state_size(model),
        };
    run_rows(model, list, rows);
    free(list);
    free(states);
}
