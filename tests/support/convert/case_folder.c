#include "tests/support/convert/case_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/whole_file.h"

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "refused") != 0;
}

void case_folders_add(struct case_folders *folders, const char *path)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, is_case, alphasort);
    if (count < 0)
        die("%s is missing", path);
    for (int i = 0; i < count; i++) {
        if (folders->count == CASE_FOLDERS_MAX)
            die("%s: too many cases", path);
        snprintf(folders->paths[folders->count++], sizeof folders->paths[0], "%.60s/%.60s", path,
                 entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* FOLDER/model.ANYTHING */
static void find_model(const char *folder, char path[256])
{
    DIR *stream = opendir(folder);
    path[0] = '\0';
    for (const struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;)
        if (strncmp(entry->d_name, "model.", 6) == 0)
            snprintf(path, 256, "%.127s/%.100s", folder, entry->d_name);
    if (path[0] == '\0')
        die("%s has no model", folder);
    closedir(stream);
}

/* The file's lines; NULL when there is no such file. The text is the caller's to free. */
static char *read_lines(const char *folder, const char *name, const char *lines[CASE_ARGUMENTS_MAX])
{
    char path[256];
    size_t size, count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    lines[0] = NULL;
    if (access(path, R_OK) != 0)
        return NULL;
    char *text = whole_file_read(path, &size);
    for (char *line = strtok(text, "\n"); line != NULL && count < CASE_ARGUMENTS_MAX - 1;
         line = strtok(NULL, "\n"))
        lines[count++] = line;
    lines[count] = NULL;
    return text;
}

char *case_folder_read(const char *path, char model[256], const char *arguments[CASE_ARGUMENTS_MAX])
{
    find_model(path, model);
    return read_lines(path, "arguments", arguments);
}

bool case_folder_convert(const char *path, struct convert_file *file, struct fault *fault)
{
    char model[256];
    const char *arguments[CASE_ARGUMENTS_MAX];
    char *text = case_folder_read(path, model, arguments);
    const bool converted = convert_file_open(file, model, arguments, fault);
    free(text);
    return converted;
}

void case_folder_expect_refusal(const char *path)
{
    struct convert_file file;
    struct fault fault = {0};
    const char *because[CASE_ARGUMENTS_MAX];
    char *text = read_lines(path, "because", because);
    if (text == NULL || because[0] == NULL)
        die("%s does not say why", path);
    if (case_folder_convert(path, &file, &fault))
        die("%s was converted", path);
    if (fault.status != 400 || strstr(fault.text, because[0]) == NULL)
        die("%s: '%s' expected, got %d '%s'", path, because[0], fault.status, fault.text);
    free(text);
}
