/* How many of users' Keras models the layers run. 52 architectures of LSTM models from 44 public
 * repositories were counted (2026-11) by what each added layer lets run beyond the ones above it; a
 * row counts when the golden file that has these layers is converted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/case_folder.h"
#include "tests/support/whole_file.h"

#define CLASSES_MAX 5
#define WANTED      45 /* of the 52 */

static struct row {
    unsigned models; /* that this adds */
    const char *folder;
    const char *classes[CLASSES_MAX + 1];
} rows[] = {
    {30, "keras_files/k2_masked_h5", {"InputLayer", "Embedding", "LSTM", "Dropout", "Dense"}},
    {0, "keras_files/k2_trained_h5", {"Activation"}},
    {5, "keras_files/k2_bidirectional_h5", {"Bidirectional"}},
    {2, "keras_files/k2_convolutions_h5", {"Flatten"}},
    {2, "keras_files/k2_bidirectional_h5", {"SpatialDropout1D"}},
    {5, "keras_files/k2_convolutions_h5", {"Conv1D", "MaxPooling1D"}},
    {1, "keras_files/k2_norms_h5", {"BatchNormalization"}},
    {3, "keras_files/refused/two_inputs", {"Concatenate"}},
    {1, "keras_files/k2_nested_h5", {"Functional", "Sequential"}},
    {1, "keras_files/k2_reshaped_h5", {"Reshape"}},
    {1, "keras_files/k2_autoencoder_h5", {"RepeatVector", "TimeDistributed"}},
    {1, "keras_files/refused/gru", {"GRU"}},
};

/* Its architecture stands in the file as plain text. */
static void assert_has_classes(const char *folder, const char *const *classes)
{
    char model[256], name[64];
    const char *arguments[CASE_ARGUMENTS_MAX];
    size_t size;
    char *text = case_folder_read(folder, model, arguments);
    char *bytes = whole_file_read(model, &size);
    for (; *classes != NULL; classes++) {
        snprintf(name, sizeof name, "\"%s\"", *classes);
        if (memmem(bytes, size, name, strlen(name)) == NULL)
            fail_msg("%s: no %s in it", folder, *classes);
    }
    free(bytes);
    free(text);
}

static void at_least_45_of_52_architectures_are_run(void **state)
{
    unsigned all = 0, run = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char folder[128];
        struct convert_file file;
        struct fault fault = {0};
        snprintf(folder, sizeof folder, "tests/golden/%s", rows[i].folder);
        assert_has_classes(folder, rows[i].classes);
        const bool converts = case_folder_convert(folder, &file, &fault);
        if (converts)
            convert_file_close(&file);
        printf("# %2u %s %s\n", rows[i].models, rows[i].classes[0],
               converts ? "converted" : fault.text);
        all += rows[i].models;
        run += converts ? rows[i].models : 0;
    }
    printf("# %u of %u\n", run, all);
    assert_int_equal(all, 52);
    assert_true(run >= WANTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_least_45_of_52_architectures_are_run)};
    return _cmocka_run_group_tests("convert_coverage", tests, 1, NULL, NULL);
}
