/* A served model's pair of files, converted once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/convert_file.h"

#define NORM "tests/golden/onnx_files/bug_449_norm_without_weights/model.onnx"

/* The weights of NORM, an LSTM's, with another config beside them. */
static bool convert_with(const char *config, struct converted *converted, struct fault *fault)
{
    struct convert_file file;
    struct fault none = {0};
    assert_true(convert_file_open(&file, NORM, NULL, &none));
    struct converted pair = file.converted;
    char *copy = strdup(config);
    pair.config = (struct blob){.bytes = (unsigned char *)copy, .size = strlen(copy)};
    const bool done = convert_again(&pair, converted, fault);
    free(copy);
    convert_file_close(&file);
    return done;
}

#define PAIR(root, lstm, norm)                                                                     \
    "{\"weights\":\"model.safetensors\"," root                                                     \
    "\"layers\":[{\"type\":\"lstm\",\"weights\":\"" lstm "\"},{\"type\":\"layer_norm\"" norm "}]}"

/* The converter could not read again what it had written itself. */
static void bug_449_a_layer_norm_that_names_no_weights_needs_none(void **state)
{
    static const char *const configs[] = {
        PAIR("", "lstm_0", ""),
        PAIR("", "lstm_0", ",\"weights\":\"\""),
        PAIR("\"prefix\":\"lstm\",", "_0", ""),
    };
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct converted converted;
        struct fault fault = {0};
        if (!convert_with(configs[i], &converted, &fault))
            fail_msg("%s: %s", configs[i], fault.text);
        char *written = strndup((const char *)converted.config.bytes, converted.config.size);
        assert_non_null(strstr(written, "lstm_0"));
        assert_null(strstr(strstr(written, "layer_norm"), "weights"));
        free(written);
        converted_fini(&converted);
    }
}

static void weights_that_are_named_are_there(void **state)
{
    static const struct {
        const char *config, *because;
    } cases[] = {
        {PAIR("", "lstm_0", ",\"weights\":\"norm\""),
         "layer 'norm': no weights 'norm.weight' found"},
        {PAIR("", "", ""), "layer 'lstm': no weights 'weight_ih_l0' found"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct converted converted;
        struct fault fault = {0};
        if (convert_with(cases[i].config, &converted, &fault))
            fail_msg("converted, though '%s'", cases[i].because);
        if (strstr(fault.text, cases[i].because) == NULL)
            fail_msg("'%s' expected, got '%s'", cases[i].because, fault.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bug_449_a_layer_norm_that_names_no_weights_needs_none),
        cmocka_unit_test(weights_that_are_named_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
