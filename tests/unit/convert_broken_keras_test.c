/* Files of Keras that are cut or bent. The HDF5 library crashes on some that are bent, which is why
 * lstm-convert reads in a process of its own: those go through the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/convert_file.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"
#include "tests/support/whole_file.h"

#define FILES    "tests/golden/keras_files/"
#define PATIENCE 200000 /* ms: what the program itself allows, on a machine under load */

static void cut_anywhere_it_is_refused(void **state)
{
    static const char *const files[] = {
        FILES "k2_masking_h5/model.h5",
        FILES "k1_tensorflow/model.h5",
        FILES "hdf5_deflated/model.h5",
        FILES "k3_masking_keras/model.keras",
        "tests/golden/keras/seed_simple/model.json",
    };
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        size_t size;
        char *bytes = whole_file_read(files[f], &size);
        for (size_t cut = 0; cut < size; cut += 97) {
            struct converted converted;
            struct fault fault = {0};
            if (convert_bytes(bytes, cut, &converted, &fault))
                fail_msg("%s: its first %zu bytes were taken for all %zu", files[f], cut, size);
            assert_true(fault.status == 400 && fault.text[0] != '\0');
        }
        free(bytes);
    }
}

/* The archive has a checksum of every entry: no other weights than those that were saved. */
static void a_bent_archive_is_noticed(void **state)
{
    struct converted whole, bent;
    struct fault fault = {0};
    size_t size, taken = 0;
    char *bytes = whole_file_read(FILES "k3_masking_keras/model.keras", &size);
    (void)state;
    assert_true(convert_bytes(bytes, size, &whole, &fault));
    for (size_t at = 0; at < size; at += 41) {
        bytes[at] ^= 0x10;
        if (convert_bytes(bytes, size, &bent, &fault)) {
            assert_int_equal(bent.weights.size, whole.weights.size);
            assert_memory_equal(bent.weights.bytes, whole.weights.bytes, whole.weights.size);
            converted_fini(&bent);
            taken++;
        }
        bytes[at] ^= 0x10;
    }
    assert_true(taken < size / 41 / 10);
    converted_fini(&whole);
    free(bytes);
}

/* ---- through the program ---- */

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Converted, or refused with a reason, whatever happened to the process that read. */
static void expect_an_answer(const struct temp_dir *dir, const char *input, size_t at)
{
    const char *bin = getenv("BIN");
    char path[256];
    snprintf(path, sizeof path, "%s/lstm-convert", bin != NULL ? bin : "build");
    const char *const arguments[] = {path, input, "--out", dir->path, "--name", "model", NULL};
    struct program program;
    program_start(&program, arguments, NULL);
    const int status = program_wait(&program, PATIENCE);
    char *errors = program_errors(&program);
    if (status != 0 && (status != 1 || errors[0] == '\0'))
        fail_msg("byte %zu bent: exit %d, '%s'", at, status, errors);
    free(errors);
    program_fini(&program);
}

static void bent_anywhere_there_is_an_answer(void **state)
{
    struct temp_dir dir;
    size_t size;
    char *bytes = whole_file_read(FILES "k2_masking_h5/model.h5", &size);
    (void)state;
    temp_dir_create(&dir);
    char *input = temp_dir_file(&dir, "bent.h5");
    for (size_t at = 0; at < size; at += 97) {
        const char bit = (char)(1 << at % 8);
        bytes[at] ^= bit;
        write_bytes(input, bytes, size);
        expect_an_answer(&dir, input, at);
        bytes[at] ^= bit;
    }
    free(input);
    free(bytes);
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(a_bent_archive_is_noticed),
        cmocka_unit_test(bent_anywhere_there_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
