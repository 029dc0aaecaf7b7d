#include "tests/support/convert/served_folders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"
#include "tests/support/program.h"

#define PATIENCE 60000 /* ms, for a machine under load */

const char *case_folder_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void convert_into(const char *out, const char *folder)
{
    const char *bin = getenv("BIN");
    char program_path[256], model[256];
    const char *lines[CASE_ARGUMENTS_MAX];
    struct program program;
    char *text = case_folder_read(folder, model, lines);
    snprintf(program_path, sizeof program_path, "%s/lstm-convert", bin != NULL ? bin : "build");
    const char *arguments[CASE_ARGUMENTS_MAX + 8] = {
        program_path, model, "--out", out, "--name", case_folder_name(folder)};
    for (size_t i = 0; lines[i] != NULL; i++)
        arguments[6 + i] = lines[i];
    program_start(&program, arguments, NULL);
    if (program_wait(&program, PATIENCE) != 0)
        die("%s: %s", folder, program_errors(&program));
    program_fini(&program);
    free(text);
}

bool served_folders_start(struct fixture *fixture, const struct case_folders *folders)
{
    fixture_init(fixture);
    for (size_t i = 0; i < folders->count; i++)
        convert_into(fixture->dir.path, folders->paths[i]);
    return fixture_start(fixture, NULL, NULL);
}
