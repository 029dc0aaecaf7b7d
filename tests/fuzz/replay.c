/* Feeds files to a fuzz target without a fuzzer:  NAME_replay [FILE|FOLDER]...
 *
 * Without arguments the files of tests/fuzz/corpus/NAME. Prints TAP, one test a file: a target that
 * does not like what it sees aborts, so a line that says "ok" is a file that came through. */
#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Paths, owned. */
struct list {
    char **paths;
    size_t count;
};

static void list_add(struct list *list, char *path)
{
    list->paths = realloc(list->paths, (list->count + 1) * sizeof *list->paths);
    assert(list->paths != NULL && path != NULL);
    list->paths[list->count++] = path;
}

static void list_fini(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The files in a folder, in the order of their names; anything else is taken for a file. */
static void list_add_all(struct list *list, const char *path)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0) {
        list_add(list, strdup(path));
        return;
    }
    for (int i = 0; i < count; i++) {
        char *file;
        const int size = asprintf(&file, "%s/%s", path, entries[i]->d_name);
        assert(size > 0);
        list_add(list, file);
        free(entries[i]);
    }
    free(entries);
}

/* "build/tests/fuzz/json_reader_replay" -> "tests/fuzz/corpus/json_reader" */
static char *default_folder(const char *program)
{
    static const char suffix[] = "_replay";
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    const char *end = strstr(name, suffix);
    char *folder;
    assert(end != NULL);
    const int size = asprintf(&folder, "tests/fuzz/corpus/%.*s", (int)(end - name), name);
    assert(size > 0);
    return folder;
}

/* In a block of exactly the file's size, so that a sanitizer sees a byte read past it. */
static bool feed(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return false;
    const long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    const bool whole = data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (whole)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return whole;
}

int main(int argc, char **argv)
{
    struct list list = {0};
    char *folder = default_folder(argv[0]);
    if (argc == 1)
        list_add_all(&list, folder);
    for (int i = 1; i < argc; i++)
        list_add_all(&list, argv[i]);

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", list.count);
    size_t failed = 0;
    for (size_t i = 0; i < list.count; i++) {
        printf("# %s\n", list.paths[i]); /* the last one before a crash */
        const bool fed = feed(list.paths[i]);
        printf("%s %zu - %s\n", fed ? "ok" : "not ok", i + 1, list.paths[i]);
        failed += !fed;
    }
    list_fini(&list);
    free(folder);
    return failed == 0 ? 0 : 1;
}
