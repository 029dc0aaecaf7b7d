/* A folder of a test's own, for model configs that exist only while it runs. */
#ifndef TESTS_SUPPORT_TEMP_DIR_H
#define TESTS_SUPPORT_TEMP_DIR_H

struct temp_dir {
    char path[64];
};

void temp_dir_create(struct temp_dir *dir);
/* With everything in it; folders in it must be empty. */
void temp_dir_remove(const struct temp_dir *dir);

/* Writes dir/name, formatted. */
void temp_dir_write(const struct temp_dir *dir, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "dir/name", the caller's to free. */
char *temp_dir_file(const struct temp_dir *dir, const char *name);

#endif
