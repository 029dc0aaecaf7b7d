#include "tests/support/convert/served_folders.h"

#include <stdlib.h>
#include <string.h>

const char *case_folder_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void add(struct fixture *fixture, const char *folder)
{
    char model[256];
    const char *arguments[CASE_ARGUMENTS_MAX];
    char *text = case_folder_read(folder, model, arguments);
    fixture_add_converted(fixture, case_folder_name(folder), model, arguments);
    free(text);
}

bool served_folders_start(struct fixture *fixture, const struct case_folders *folders)
{
    fixture_init(fixture);
    for (size_t i = 0; i < folders->count; i++)
        add(fixture, folders->paths[i]);
    return fixture_start(fixture, NULL, NULL);
}
