/* Folders of golden files: one folder a case, in it model.ANYTHING, `arguments` and either
 * io.safetensors or, for files that must be refused, `because`. */
#ifndef TESTS_SUPPORT_CONVERT_CASE_FOLDER_H
#define TESTS_SUPPORT_CONVERT_CASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "tests/support/convert/convert_file.h"

#define CASE_FOLDERS_MAX 192

struct case_folders {
    char paths[CASE_FOLDERS_MAX][128];
    size_t count;
};

/* Adds the cases of a folder, in the order of their names; "refused", which holds others, is left
 * out. Dies when the folder is not there or holds too many. */
void case_folders_add(struct case_folders *folders, const char *path);

#define CASE_ARGUMENTS_MAX 16

/* The path of the case's model, and the lines of its `arguments` (none where there is no such
 * file), ended by NULL. What these point into is returned, the caller's to free, NULL for none. */
char *case_folder_read(const char *path, char model[256],
                       const char *arguments[CASE_ARGUMENTS_MAX]);

/* Converts the case's model with its arguments. */
bool case_folder_convert(const char *path, struct convert_file *file, struct fault *fault);

/* Dies when the case's model is not refused with what `because` says. */
void case_folder_expect_refusal(const char *path);

#endif
