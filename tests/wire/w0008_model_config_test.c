/* --check, and model configs that must be refused by file and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

/* The table's row of that model, its widths apart: name, layers, input, output, parameters. */
static void expect_row(const char *table_text, const char *name, const char *wanted)
{
    const char *line = strstr(table_text, name);
    size_t layers = 0, parameters = 0;
    char input[32] = "", output[32] = "", found[128];
    assert_non_null(line);
    sscanf(line + strlen(name), "%zu %31s %31s %zu", &layers, input, output, &parameters);
    snprintf(found, sizeof found, "%zu %s %s %zu", layers, input, output, parameters);
    assert_string_equal(found, wanted);
}

static void check_says_what_would_be_served(void **state)
{
    static const char *const arguments[] = {"--check", "--models", "deploy/models", NULL};
    char *output, *errors;
    (void)state;
    assert_int_equal(daemon_run(arguments, NULL, &output, &errors), 0);
    assert_string_equal(errors, "");
    expect_row(output, "\nseed-simple ", "1 [-1,-1,10] [-1,-1,7] 532");
    expect_row(output, "\nseed-bidirectional ", "1 [-1,-1,10] [-1,-1,14] 1064");
    expect_row(output, "\nseed-stacked3-bidirectional ", "1 [-1,-1,10] [-1,-1,14] 3640");
    expect_row(output, "\nsilero-vad ", "3 [-1,-1,128] [-1,-1,1] 132225");
    assert_non_null(strstr(output, "\nsilero-vad\n"
                                   "layer              type        output shape    parameters\n"
                                   "decoder.rnn        lstm        [-1,-1,128]         132096\n"
                                   "activation         activation  [-1,-1,128]              0\n"
                                   "decoder.decoder.2  dense       [-1,-1,1]              129\n"
                                   "total                                              132225\n"));
    free(output);
    free(errors);
}

/* ---- refusals ---- */

/* Weights of a config; the folder also holds torn.safetensors. */
#define SIMPLE "\"weights\":\"simple.safetensors\""
#define VAD    "\"weights\":\"vad.safetensors\""
#define LSTM   "{\"type\":\"lstm\",\"weights\":\"decoder.rnn\"}"
#define DENSE  "{\"type\":\"dense\",\"weights\":\"decoder.decoder.2\"}"

static struct refusal {
    const char *name, *config;
    const char *text; /* what follows "m.json: " */
} table[] = {
    /* form */
    {"an empty file", "", "line 1: a value is wanted, got the end"},
    {"broken JSON", "{" SIMPLE, "line 1: ',' or '}' is wanted, got the end at byte 31"},
    {"a list", "[]", "an object expected, got an array"},
    {"no weights", "{}", "weights: missing"},
    {"weights of a wrong type", "{\"weights\":5}", "weights: a string expected, got 5"},
    {"an unknown key", "{" SIMPLE ",\"weihgts\":1}", "weihgts: unknown key; known are name, "},
    {"a key given twice", "{" SIMPLE "," SIMPLE "}", "weights: given twice"},
    {"an unknown key of lstm", "{" SIMPLE ",\"lstm\":{\"hiden_size\":7}}",
     "lstm.hiden_size: unknown key; known are input_size, "},
    {"a key of lstm given twice", "{" SIMPLE ",\"lstm\":{\"bias\":true,\"bias\":true}}",
     "lstm.bias: given twice"},
    {"a size in quotes", "{" SIMPLE ",\"lstm\":{\"hidden_size\":\"7\"}}",
     "lstm.hidden_size: an integer of at least 1 expected, got \"7\""},
    {"a size that is no whole number", "{" SIMPLE ",\"lstm\":{\"hidden_size\":7.5}}",
     "lstm.hidden_size: an integer of at least 1 expected, got 7.5"},
    {"a negative size", "{" SIMPLE ",\"lstm\":{\"num_layers\":-1}}",
     "lstm.num_layers: an integer of at least 1 expected, got -1"},
    {"no layers", "{" SIMPLE ",\"lstm\":{\"num_layers\":0}}",
     "lstm.num_layers: an integer of at least 1 expected, got 0"},
    {"a number for true", "{" SIMPLE ",\"lstm\":{\"bidirectional\":1}}",
     "lstm.bidirectional: true or false expected, got 1"},
    {"dropout of more than everything", "{" SIMPLE ",\"lstm\":{\"dropout\":1.5}}",
     "lstm.dropout: a number from 0 to 1 expected, got 1.5"},
    {"a name with a slash", "{\"name\":\"a/b\"," SIMPLE "}", "got \"a/b\""},
    {"a name of 65 characters",
     "{\"name\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg\"," SIMPLE "}",
     "name: at most 64 of "},
    {"both forms", "{" SIMPLE ",\"lstm\":{},\"layers\":[]}",
     "layers: either lstm or layers expected, got both"},
    {"an empty list of layers", "{" SIMPLE ",\"layers\":[]}",
     "layers: 1 to 256 layers expected, got 0"},
    {"a layer without a type", "{" SIMPLE ",\"layers\":[{}]}", "layers[0].type: missing"},
    {"an unknown type of layer", "{" SIMPLE ",\"layers\":[{\"type\":\"gru\"}]}",
     "layers[0].type: \"gru\" is not a layer type"},
    {"an unknown activation",
     "{" VAD ",\"layers\":[" LSTM ",{\"type\":\"activation\",\"function\":\"rely\"}]}",
     "layers[1].function: \"rely\" is not an activation"},

    /* against the weights */
    {"weights that are not there", "{\"weights\":\"none.safetensors\"}",
     "/none.safetensors: No such file or directory"},
    {"weights that are no safetensors", "{\"weights\":\"m.json\"}",
     "a safetensors header of at most 1048576 bytes expected"},
    {"weights that are torn", "{\"weights\":\"torn.safetensors\"}",
     "/torn.safetensors: header of 9 bytes does not fit the file of 10"},
    {"another hidden_size", "{" SIMPLE ",\"lstm\":{\"hidden_size\":64}}",
     "lstm.hidden_size: 7 expected from weight_hh_l0 [28,7], got 64"},
    {"another input_size", "{" SIMPLE ",\"lstm\":{\"input_size\":11}}",
     "lstm.input_size: 10 expected from weight_ih_l0 [28,10], got 11"},
    {"more layers than there are", "{" SIMPLE ",\"lstm\":{\"num_layers\":2}}",
     "lstm.num_layers: 1 expected, as weight_ih_l0 is of the last layer, got 2"},
    {"a direction that is not there", "{" SIMPLE ",\"lstm\":{\"bidirectional\":true}}",
     "lstm.bidirectional: false expected, as there is no weight_ih_l0_reverse, got true"},
    {"no bias where there is one", "{" SIMPLE ",\"lstm\":{\"bias\":false}}",
     "lstm.bias: true expected, as there is bias_ih_l0, got false"},
    {"a projection that is not there", "{" SIMPLE ",\"lstm\":{\"proj_size\":3}}",
     "lstm.proj_size: 0 expected, as there is no weight_hr_l0, got 3"},
    {"a prefix that fits nothing", "{" SIMPLE ",\"prefix\":\"encoder.\"}",
     "'encoder.weight_ih_l0' is missing"},
    {"units unlike the weights",
     "{" VAD ",\"layers\":[" LSTM ",{\"type\":\"dense\",\"weights\":\"decoder.decoder.2\","
     "\"units\":2}]}",
     "layers[1].units: 1 expected from decoder.decoder.2.weight [1,128,1], got 2"},
    {"layers that do not fit each other", "{" VAD ",\"layers\":[" LSTM "," DENSE "," DENSE "]}",
     "layers[2]: an input of size 1 expected from layers[1], got 128"},
};
enum { COUNT = sizeof table / sizeof table[0] };

static void copy_weights(const struct temp_dir *dir, const char *from, const char *to)
{
    char *path = realpath(from, NULL), *link = temp_dir_file(dir, to);
    assert_int_equal(symlink(path, link), 0);
    free(path);
    free(link);
}

/* The daemon refuses with this status; its error names the file and says the text. */
static void expect_refusal(const char *const *arguments, int status, const char *path,
                           const char *text)
{
    char *output, *errors, *wanted;
    const int found = daemon_run(arguments, NULL, &output, &errors);
    assert_true(asprintf(&wanted, "lstmd: %s: ", path) > 0);
    if (found != status || strstr(errors, wanted) == NULL || strstr(errors, text) == NULL)
        fail_msg("exit %d, '%s' and '%s' wanted, got exit %d and: %s", status, wanted, text, found,
                 errors);
    free(wanted);
    free(output);
    free(errors);
}

static void is_refused(void **state)
{
    const struct refusal *refusal = *state;
    struct temp_dir dir;
    temp_dir_create(&dir);
    copy_weights(&dir, "tests/golden/torch/seed_simple/model.safetensors", "simple.safetensors");
    copy_weights(&dir, "tests/golden/silero/model.safetensors", "vad.safetensors");
    temp_dir_write(&dir, "torn.safetensors", "%c%c%c%c%c%c%c%c{}", 9, 0, 0, 0, 0, 0, 0, 0);
    temp_dir_write(&dir, "m.json", "%s", refusal->config);
    char *path = temp_dir_file(&dir, "m.json");
    const char *const serve[] = {"--http", "127.0.0.1:0", "--model", path, NULL};
    const char *const check[] = {"--check", "--models", dir.path, NULL};
    expect_refusal(serve, 2, path, refusal->text);
    expect_refusal(check, 1, path, refusal->text);
    free(path);
    temp_dir_remove(&dir);
}

static void two_models_of_one_name_are_refused(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    copy_weights(&dir, "tests/golden/torch/seed_simple/model.safetensors", "simple.safetensors");
    temp_dir_write(&dir, "a.json", "{\"name\":\"b\"," SIMPLE "}");
    temp_dir_write(&dir, "b.json", "{" SIMPLE "}");
    char *path = temp_dir_file(&dir, "b.json"), text[128];
    const char *const arguments[] = {"--models", dir.path, NULL};
    snprintf(text, sizeof text, "name: another model is named 'b' already, that of %s/a.json",
             dir.path);
    expect_refusal(arguments, 2, path, text);
    free(path);
    temp_dir_remove(&dir);
}

static void a_folder_without_configs_is_refused(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    const char *const arguments[] = {"--models", dir.path, NULL};
    expect_refusal(arguments, 2, dir.path, "no *.json file in this folder");
    temp_dir_remove(&dir);
}

/* One bad model keeps the good ones from being served: better no start than half of one. */
static void nothing_is_served_beside_a_bad_model(void **state)
{
    struct temp_dir dir;
    (void)state;
    temp_dir_create(&dir);
    temp_dir_write(&dir, "m.json", "{}");
    char *path = temp_dir_file(&dir, "m.json");
    const char *const arguments[] = {"--models", "deploy/models", "--model", path, NULL};
    expect_refusal(arguments, 2, path, "weights: missing");
    free(path);
    temp_dir_remove(&dir);
}

/* What follows --check here: serving and it end alike. */
static void expect_both_refuse(const char *const *options, const char *text)
{
    const char *arguments[9] = {"--check", "--models", "deploy/models", "--http", "127.0.0.1:0"};
    for (int i = 0; options[i] != NULL; i++)
        arguments[5 + i] = options[i];
    for (int first = 0; first < 2; first++) {
        char *output, *errors;
        assert_int_equal(daemon_run(arguments + first, NULL, &output, &errors), 2);
        assert_string_equal(output, "");
        if (strstr(errors, text) == NULL)
            fail_msg("'%s' wanted, got: %s", text, errors);
        free(output);
        free(errors);
    }
}

static void bug_473_check_reads_tokens_and_certificate_as_serving_does(void **state)
{
    static const char *const tokens[] = {"--tokens-file", "tests/wire/tls/server.pem", NULL};
    static const char *const no_tokens[] = {"--tokens-file", "/nowhere", NULL};
    static const char *const other_key[] = {"--tls-certificate=tests/wire/tls/server.pem",
                                            "--tls-key=tests/wire/tls/stranger.key", NULL};
    static const char *const no_ca[] = {"--tls-certificate=tests/wire/tls/server.pem",
                                        "--tls-key=tests/wire/tls/server.key",
                                        "--tls-client-ca=/nowhere", NULL};
    static const char *const good[] = {"--check", "--models=deploy/models",
                                       "--tls-certificate=tests/wire/tls/server.pem",
                                       "--tls-key=tests/wire/tls/server.key", NULL};
    char *output, *errors;
    (void)state;
    expect_both_refuse(tokens, "tokens_file: tests/wire/tls/server.pem: line 1: ");
    expect_both_refuse(no_tokens, "tokens_file: /nowhere: No such file");
    expect_both_refuse(other_key, "lstmd: tls_");
    expect_both_refuse(no_ca, "lstmd: tls_client_ca: /nowhere: No such file");
    assert_int_equal(daemon_run(good, NULL, &output, &errors), 0);
    assert_string_equal(errors, "");
    free(output);
    free(errors);
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(check_says_what_would_be_served),
        cmocka_unit_test(two_models_of_one_name_are_refused),
        cmocka_unit_test(a_folder_without_configs_is_refused),
        cmocka_unit_test(nothing_is_served_beside_a_bad_model),
        cmocka_unit_test(bug_473_check_reads_tokens_and_certificate_as_serving_does),
    };
    enum { OTHERS = sizeof others / sizeof others[0] };
    struct CMUnitTest tests[COUNT + OTHERS];
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < COUNT; i++)
        tests[OTHERS + i] = (struct CMUnitTest){table[i].name, is_refused, NULL, NULL, &table[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
