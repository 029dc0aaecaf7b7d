/* lstm-convert as its users meet it: what it writes, prints and exits with, and that nothing is
 * written where it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"
#include "tests/support/whole_file.h"

#define FILES    "tests/golden/torch_files/"
#define PATIENCE 60000 /* ms, for a machine under load */

/* A run that has ended. */
struct run {
    int exit_status;
    char *output, *errors;
};

static const char *program_path(void)
{
    static char path[256];
    const char *bin = getenv("BIN");
    snprintf(path, sizeof path, "%s/lstm-convert", bin != NULL ? bin : "build");
    return path;
}

static struct run run(const char *const *arguments)
{
    struct program program;
    struct run run = {0};
    program_start(&program, arguments, NULL);
    run.exit_status = program_wait(&program, PATIENCE);
    run.output = program_output(&program);
    run.errors = program_errors(&program);
    program_fini(&program);
    return run;
}

static void run_fini(struct run *run)
{
    free(run->output);
    free(run->errors);
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' expected in: %s", part, text);
}

static bool is_there(const struct temp_dir *dir, const char *name)
{
    char *path = temp_dir_file(dir, name);
    const bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* INPUT --out DIR and two more. */
static struct run convert_into(const struct temp_dir *dir, const char *input, const char *option,
                               const char *value)
{
    const char *const arguments[] = {program_path(), input, "--out", dir->path,
                                     option,         value, NULL};
    return run(arguments);
}

static void assert_refused(const char *input, const char *option, const char *value,
                           int exit_status, const char *because)
{
    struct temp_dir dir;
    temp_dir_create(&dir);
    struct run refused = convert_into(&dir, input, option, value);
    if (refused.exit_status != exit_status)
        fail_msg("%s: exit %d expected, got %d: %s", input, exit_status, refused.exit_status,
                 refused.errors);
    assert_contains(refused.errors, because);
    assert_int_equal(strlen(refused.output), 0);
    run_fini(&refused);
    assert_int_equal(rmdir(dir.path), 0); /* which takes an empty folder */
}

static void it_writes_two_files_and_prints_the_layers(void **state)
{
    static const char wanted[] = "layer    type        output shape    parameters\n"
                                 "encoder  lstm        [-1,-1,4]              144\n"
                                 "fc.0     dense       [-1,-1,6]               30\n"
                                 "relu     activation  [-1,-1,6]                0\n"
                                 "fc.2     dense       [-1,-1,2]               14\n"
                                 "total                                       188\n";
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    struct run done = convert_into(&dir, FILES "head/model.pt", "--layers",
                                   "lstm encoder, linear fc.0, relu, linear fc.2");
    if (done.exit_status != 0)
        fail_msg("exit %d: %s", done.exit_status, done.errors);
    assert_string_equal(done.errors, "");
    assert_memory_equal(done.output, wanted, sizeof wanted - 1);
    assert_contains(done.output, "written: ");
    assert_true(is_there(&dir, "model.json") && is_there(&dir, "model.safetensors"));
    assert_false(is_there(&dir, ".model.json.new") || is_there(&dir, ".model.safetensors.new"));

    char *config = temp_dir_file(&dir, "model.json");
    struct stat st;
    assert_int_equal(stat(config, &st), 0);
    assert_true((st.st_mode & 0444) != 0);
    free(config);
    run_fini(&done);
    temp_dir_remove(&dir);
}

/* The files NAME.json and NAME.safetensors of both folders are the same, byte for byte. */
static void assert_same_pair(const struct temp_dir *first, const struct temp_dir *second,
                             const char *name)
{
    static const char *const suffixes[] = {"json", "safetensors"};
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.%s", name, suffixes[i]);
        char *a = temp_dir_file(first, file), *b = temp_dir_file(second, file);
        char *a_bytes = whole_file_read(a, &sizes[0]), *b_bytes = whole_file_read(b, &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(a_bytes, b_bytes, sizes[0]);
        free(a_bytes);
        free(b_bytes);
        free(a);
        free(b);
    }
}

static void must_convert(const struct temp_dir *dir, const char *input, const char *name)
{
    struct run done = convert_into(dir, input, "--name", name);
    if (done.exit_status != 0)
        fail_msg("%s: exit %d: %s", input, done.exit_status, done.errors);
    run_fini(&done);
}

/* Either file of the pair, converted again under its name. */
static void its_own_files_convert_to_themselves(void **state)
{
    static const char *const inputs[] = {FILES "half/model.pt",
                                         "tests/golden/keras_files/k3_states_keras/model.keras"};
    static const char *const written[] = {"mine.json", "mine.safetensors"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct temp_dir first, second;
        temp_dir_create(&first);
        temp_dir_create(&second);
        must_convert(&first, inputs[i / 2], "mine");
        char *again = temp_dir_file(&first, written[i % 2]);
        must_convert(&second, again, "mine");
        assert_same_pair(&first, &second, "mine");
        free(again);
        temp_dir_remove(&first);
        temp_dir_remove(&second);
    }
}

/* The config is the one that names these weights, and nothing on the command line says otherwise.
 */
static void weights_are_bare_without_their_config(void **state)
{
    struct temp_dir first, second;
    (void)state;
    temp_dir_create(&first);
    temp_dir_create(&second);
    must_convert(&first, "tests/golden/keras_files/k3_states_keras/model.keras", "mine");
    char *weights = temp_dir_file(&first, "mine.safetensors");
    struct run refused = convert_into(&second, weights, "--prefix", "nothing");
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "no LSTM found: weights named 'nothingweight_ih_l0'");
    run_fini(&refused);
    temp_dir_write(&first, "mine.json", "%s", "{\"weights\":\"others.safetensors\"}");
    refused = convert_into(&second, weights, NULL, NULL);
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "several LSTMs");
    run_fini(&refused);
    char *config = temp_dir_file(&first, "mine.json");
    refused = convert_into(&second, config, NULL, NULL);
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "lstmd model: others.safetensors: No such file");
    run_fini(&refused);
    assert_int_equal(rmdir(second.path), 0);
    free(weights);
    free(config);
    temp_dir_remove(&first);
}

static void what_is_refused_writes_nothing(void **state)
{
    (void)state;
    assert_refused(FILES "refused/gru/model.pt", NULL, NULL, 1, "is a GRU, not an LSTM");
    assert_refused(FILES "refused/system/model.pt", NULL, NULL, 1, "wants 'os.system'");
    assert_refused(FILES "refused/head/model.pt", NULL, NULL, 1, "'fc.0.weight' [6,4]");
    assert_refused("tests/golden/README.md", NULL, NULL, 1, "none of the formats");
    assert_refused("tests/golden/keras_files/k2_weights_alone/architecture.json", NULL, NULL, 1,
                   "a Keras architecture without weights");
    assert_refused("tests/golden/none.pt", NULL, NULL, 1, "No such file");
    assert_refused(FILES "half/model.pt", "--subgraph", "decoder", 1,
                   "--subgraph: this file, PyTorch, holds weights alone");
    assert_refused("tests/golden", NULL, NULL, 1, "a regular file expected");
    /* The daemon's own code refuses a chain that does not fit together. */
    assert_refused(FILES "head/model.pt", "--layers", "linear fc.2, lstm encoder", 1,
                   "layer 'encoder'");
    assert_refused(FILES "head/model.pt", "--layers", "lstm encoder speed=fast", 1, "speed");
}

/* The folder, and the file in it. */
static void a_saved_model_is_told_what_to_do_instead(void **state)
{
    static const char wanted[] = "a TensorFlow SavedModel: save the model as .keras or .h5, or "
                                 "convert it to ONNX with tf2onnx";
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    assert_refused(dir.path, NULL, NULL, 1, "a regular file expected");
    temp_dir_write(&dir, "saved_model.pb", "\x08\x01\x12\xa0\x01\x0a\x07\x22\x05serve%s", "more");
    char *file = temp_dir_file(&dir, "saved_model.pb");
    assert_refused(file, NULL, NULL, 1, wanted);
    assert_refused(dir.path, NULL, NULL, 1, wanted);
    free(file);
    temp_dir_remove(&dir);
}

/* Not that the file lacks the gates, which it would with hx too. */
static void bug_432_a_value_that_is_none_says_what_the_values_are(void **state)
{
    (void)state;
    assert_refused(FILES "half/model.pt", "--gate-columns", "zz", 1,
                   "--gate-columns: hx or xh expected, got 'zz'");
    assert_refused(FILES "half/model.pt", "--gate-columns", "hx", 1,
                   "--gate-columns: weights 'Wi', 'Wf', 'Wc' and 'Wo' expected");
}

static void bug_474_an_option_that_does_nothing_to_a_file_is_refused(void **state)
{
    static const char keras[] = "tests/golden/keras_files/k3_states_keras/model.keras";
    static const char architecture[] =
        "tests/golden/keras_files/k2_weights_alone/architecture.json";
    static const char onnx[] = "tests/golden/onnx/bidirectional/model.onnx";
    (void)state;
    assert_refused(keras, "--subgraph", "decoder", 1, "--subgraph: this file, Keras zip, says");
    assert_refused(keras, "--config", architecture, 1, "--config: this file, Keras zip, says");
    assert_refused(onnx, "--config", architecture, 1, "--config: this file, ONNX, says itself");
    assert_refused("tests/golden/keras_files/k2_states_h5/model.h5", "--subgraph", "decoder", 1,
                   "--subgraph: this file, Keras HDF5, says itself");
    assert_refused("deploy/models/seed-simple.json", "--subgraph", "decoder", 1,
                   "--subgraph: this file, lstmd model, says itself");
}

static void a_refusal_leaves_older_files_alone(void **state)
{
    struct temp_dir dir;
    size_t size;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "model.json", "%s", "old config");
    temp_dir_write(&dir, "model.safetensors", "%s", "old weights");
    struct run refused = convert_into(&dir, FILES "refused/rnn/model.pt", NULL, NULL);
    assert_int_equal(refused.exit_status, 1);
    run_fini(&refused);
    char *path = temp_dir_file(&dir, "model.json");
    char *text = whole_file_read(path, &size);
    assert_string_equal(text, "old config");
    free(text);
    struct run done = convert_into(&dir, FILES "half/model.pt", NULL, NULL);
    assert_int_equal(done.exit_status, 0);
    run_fini(&done);
    text = whole_file_read(path, &size);
    assert_contains(text, "\"model.safetensors\"");
    free(text);
    free(path);
    temp_dir_remove(&dir);
}

static void a_value_may_stand_behind_an_equals_sign(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    struct run done = convert_into(&dir, FILES "half/model.pt", "--name=mine", NULL);
    assert_int_equal(done.exit_status, 0);
    assert_contains(done.output, "/mine.json");
    run_fini(&done);
    temp_dir_remove(&dir);
}

static void a_bad_command_line_exits_2(void **state)
{
    const char *const no_out[] = {program_path(), FILES "half/model.pt", NULL};
    (void)state;
    assert_refused(FILES "half/model.pt", "--outt", "x", 2, "--outt: unknown option");
    assert_refused(FILES "half/model.pt", "--name", "a/b", 2, "--name: ");
    assert_refused(FILES "half/model.pt", "--out", "twice", 2, "--out: given twice");
    assert_refused(FILES "half/model.pt", "--out=twice", NULL, 2, "--out: given twice");
    assert_refused(FILES "half/model.pt", "--outt=x", NULL, 2, "--outt=x: unknown option");
    assert_refused(FILES "half/model.pt", "--batch-first=yes", NULL, 2,
                   "--batch-first: no value expected, got \"yes\"");
    assert_refused(FILES "half/model.pt", "another", NULL, 2, "another: one INPUT expected");
    assert_refused(FILES "half/model.pt", "--prefix", NULL, 2, "--prefix: a value expected");
    const char *const both[] = {program_path(),
                                FILES "half/model.pt",
                                "--out",
                                "/nowhere",
                                "--prefix",
                                "a",
                                "--layers",
                                "lstm a",
                                NULL};
    struct run refused = run(both);
    assert_int_equal(refused.exit_status, 2);
    assert_contains(refused.errors, "--prefix: --layers says the prefixes");
    run_fini(&refused);
    refused = run(no_out);
    assert_int_equal(refused.exit_status, 2);
    assert_contains(refused.errors, "--out: ");
    run_fini(&refused);
}

static void help_and_version_go_to_standard_output(void **state)
{
    const char *const help[] = {program_path(), "--help", NULL};
    const char *const version[] = {program_path(), "--version", NULL};
    (void)state;
    struct run done = run(help);
    assert_int_equal(done.exit_status, 0);
    assert_contains(done.output, "lstm-convert INPUT --out DIR");
    run_fini(&done);
    done = run(version);
    assert_int_equal(done.exit_status, 0);
    assert_memory_equal(done.output, "lstm-convert ", 13);
    run_fini(&done);
}

/* The process that reads dies of a signal when it writes more than 512 bytes: its parent tells. */
static void the_end_of_the_reading_process_is_contained(void **state)
{
    char command[512];
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    snprintf(command, sizeof command, "ulimit -f 1; exec %s %s --out %s", program_path(),
             FILES "half/model.pt", dir.path);
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    struct run refused = run(arguments);
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "too large for one file");
    run_fini(&refused);
    assert_int_equal(rmdir(dir.path), 0);
}

/* Then its own files have other numbers, which the process that reads would lose. */
static void bug_451_closed_input_and_output_are_no_files_of_its_own(void **state)
{
    char command[512];
    struct temp_dir dir, plain;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_create(&plain);
    snprintf(command, sizeof command, "exec %s %s --out %s --name mine <&- >&-", program_path(),
             FILES "half/model.pt", dir.path);
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    struct run done = run(arguments);
    assert_int_equal(done.exit_status, 1); /* the summary could not be printed */
    assert_string_equal(done.errors, "");
    must_convert(&plain, FILES "half/model.pt", "mine");
    assert_same_pair(&dir, &plain, "mine");
    run_fini(&done);
    temp_dir_remove(&dir);
    temp_dir_remove(&plain);
}

static void a_folder_that_cannot_be_written_is_named(void **state)
{
    const char *const arguments[] = {program_path(), FILES "half/model.pt", "--out",
                                     "/proc/nowhere", NULL};
    (void)state;
    struct run refused = run(arguments);
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "/proc/nowhere: ");
    run_fini(&refused);
}

/* A folder in the place of the second file: the first one was replaced already. */
static void bug_558_a_file_that_has_no_place_leaves_the_other_alone(void **state)
{
    struct temp_dir dir;
    size_t size;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "model.safetensors", "%s", "old weights");
    char *config = temp_dir_file(&dir, "model.json");
    assert_int_equal(mkdir(config, 0777), 0);
    struct run refused = convert_into(&dir, FILES "half/model.pt", NULL, NULL);
    assert_int_equal(refused.exit_status, 1);
    assert_contains(refused.errors, "/model.json: Is a directory");
    run_fini(&refused);
    char *path = temp_dir_file(&dir, "model.safetensors");
    char *text = whole_file_read(path, &size);
    assert_string_equal(text, "old weights");
    assert_int_equal(rmdir(config), 0);
    free(text);
    free(path);
    free(config);
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_writes_two_files_and_prints_the_layers),
        cmocka_unit_test(its_own_files_convert_to_themselves),
        cmocka_unit_test(weights_are_bare_without_their_config),
        cmocka_unit_test(what_is_refused_writes_nothing),
        cmocka_unit_test(a_saved_model_is_told_what_to_do_instead),
        cmocka_unit_test(bug_432_a_value_that_is_none_says_what_the_values_are),
        cmocka_unit_test(bug_474_an_option_that_does_nothing_to_a_file_is_refused),
        cmocka_unit_test(a_refusal_leaves_older_files_alone),
        cmocka_unit_test(a_value_may_stand_behind_an_equals_sign),
        cmocka_unit_test(a_bad_command_line_exits_2),
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(the_end_of_the_reading_process_is_contained),
        cmocka_unit_test(bug_451_closed_input_and_output_are_no_files_of_its_own),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_named),
        cmocka_unit_test(bug_558_a_file_that_has_no_place_leaves_the_other_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
