#include "tests/support/tensor_file.h"

#include <stdlib.h>
#include <string.h>

#include "proto/tensor_bytes.h"
#include "tests/support/die.h"
#include "tests/support/whole_file.h"

void tensor_file_open(struct tensor_file *file, const char *path)
{
    size_t size;
    file->bytes = whole_file_read(path, &size);

    struct fault fault = {0};
    if (!safetensors_init(&file->tensors, file->bytes, size, &fault))
        die("%s: %s", path, fault.text);
}

void tensor_file_close(struct tensor_file *file)
{
    safetensors_fini(&file->tensors);
    free(file->bytes);
}

bool tensor_file_has(const struct tensor_file *file, const char *name)
{
    return safetensors_find(&file->tensors, name) != NULL;
}

static const struct safetensors_tensor *must_find(const struct tensor_file *file, const char *name)
{
    const struct safetensors_tensor *tensor = safetensors_find(&file->tensors, name);
    if (tensor == NULL)
        die("no tensor '%s' in the file", name);
    return tensor;
}

float *tensor_file_f32(const struct tensor_file *file, const char *name)
{
    const struct safetensors_tensor *tensor = must_find(file, name);
    float *values = must_allocate_zeros(tensor->elements, sizeof *values);
    struct fault fault = {0};
    if (!safetensors_read_f32(tensor, values, &fault))
        die("%s", fault.text);
    return values;
}

double *tensor_file_f64(const struct tensor_file *file, const char *name)
{
    const struct safetensors_tensor *tensor = must_find(file, name);
    if (tensor->dtype != SAFETENSORS_F64)
        die("tensor '%s' is not float64", name);
    double *values = must_allocate_zeros(tensor->elements, sizeof *values);
    memcpy(values, tensor->bytes, tensor->elements * sizeof *values);
    return values;
}

int64_t *tensor_file_i64(const struct tensor_file *file, const char *name)
{
    const struct safetensors_tensor *tensor = must_find(file, name);
    int64_t *values = must_allocate_zeros(tensor->elements, sizeof *values);
    if (tensor->dtype == SAFETENSORS_I64)
        tensor_bytes_read_i64((const char *)tensor->bytes, values, tensor->elements);
    else if (tensor->dtype == SAFETENSORS_I32)
        tensor_bytes_read_i32((const char *)tensor->bytes, values, tensor->elements);
    else
        die("tensor '%s' is neither int64 nor int32", name);
    return values;
}

static bool holds_floats(const struct tensor_file *file, const char *name)
{
    return must_find(file, name)->dtype == SAFETENSORS_F32;
}

float *tensor_file_any_f32(const struct tensor_file *file, const char *name)
{
    if (holds_floats(file, name))
        return tensor_file_f32(file, name);
    const size_t count = must_find(file, name)->elements;
    int64_t *numbers = tensor_file_i64(file, name);
    float *values = must_allocate_zeros(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)numbers[i];
    free(numbers);
    return values;
}

int64_t *tensor_file_any_i64(const struct tensor_file *file, const char *name)
{
    if (!holds_floats(file, name))
        return tensor_file_i64(file, name);
    const size_t count = must_find(file, name)->elements;
    float *values = tensor_file_f32(file, name);
    int64_t *numbers = must_allocate_zeros(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (int64_t)values[i];
    free(values);
    return numbers;
}
