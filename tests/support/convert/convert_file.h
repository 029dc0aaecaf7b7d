/* A file converted in this process, as lstm-convert would, and what came of it computed. */
#ifndef TESTS_SUPPORT_CONVERT_CONVERT_FILE_H
#define TESTS_SUPPORT_CONVERT_CONVERT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/convert.h"
#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

struct convert_file {
    struct converted converted;
    struct model_config config;
    struct safetensors weights;
    struct model *model;
};

/* The file at path with these arguments (NULL-ended, lstm-convert's own without INPUT, --out and
 * --name; NULL: none); the model is called "model". false when it was refused; nothing is then
 * held. Dies when the file cannot be read, or what was written cannot be loaded. */
bool convert_file_open(struct convert_file *file, const char *path, const char *const *arguments,
                       struct fault *fault);
void convert_file_close(struct convert_file *file);

/* The same for bytes in memory, without arguments and without files beside it. They are copied
 * into a block of their size and a NUL, so that a sanitizer sees what is read past them. */
bool convert_bytes(const void *bytes, size_t size, struct converted *converted,
                   struct fault *fault);

/* What was converted, converted once more from its weights with its config beside them. */
bool convert_again(const struct converted *first, struct converted *second, struct fault *fault);

/* Zero initial states, rows of full length: input [T,B,I] or [B,T,I] by the config, output in the
 * same layout, of as many floats as the model gives. */
void convert_file_run(const struct convert_file *file, const float *input, size_t steps,
                      size_t rows, float *output);

#endif
