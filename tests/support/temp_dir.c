#include "tests/support/temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"

void temp_dir_create(struct temp_dir *dir)
{
    strcpy(dir->path, "/tmp/lstmd-test-XXXXXX");
    if (mkdtemp(dir->path) == NULL)
        die("mkdtemp: %s", strerror(errno));
}

void temp_dir_remove(const struct temp_dir *dir)
{
    DIR *stream = opendir(dir->path);
    if (stream == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        char *path = temp_dir_file(dir, entry->d_name);
        if (unlink(path) != 0 && entry->d_name[0] != '.')
            rmdir(path);
        free(path);
    }
    closedir(stream);
    rmdir(dir->path);
}

void temp_dir_write(const struct temp_dir *dir, const char *name, const char *format, ...)
{
    char *path = temp_dir_file(dir, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    if (fclose(file) != 0)
        die("%s: %s", path, strerror(errno));
    free(path);
}

char *temp_dir_file(const struct temp_dir *dir, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir->path, name) < 0)
        die("no memory");
    return path;
}
