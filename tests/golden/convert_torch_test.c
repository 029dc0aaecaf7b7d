/* tests/golden/torch converted from the state_dicts that torch saved, computed in this process: the
 * error against float64 has the same bound as with the weights as safetensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/support/convert/convert_file.h"
#include "tests/support/golden_case.h"
#include "tests/support/golden_run.h"

static void a_golden_case_is_within_its_bound(void **state)
{
    char path[256];
    const char *batch_first[] = {"--batch-first", NULL};
    const struct golden_plan at_once = {.chunk = 0};
    struct golden_case golden;
    struct golden_answer answer;
    struct convert_file file;
    struct fault fault = {0};
    golden_case_open(&golden, *state);
    snprintf(path, sizeof path, "%s/model.pt", golden.folder);
    if (!convert_file_open(&file, path, golden.batch_first ? batch_first : NULL, &fault))
        fail_msg("%s", fault.text);
    assert_true(file.config.batch_first == golden.batch_first);
    golden_run(&golden, file.model, &at_once, &answer);
    if (golden_error(&golden, &answer) > golden.bound)
        fail_msg("error %.3g, allowed %.3g", golden_error(&golden, &answer), golden.bound);
    golden_answer_fini(&answer);
    convert_file_close(&file);
    golden_case_close(&golden);
}

/* One LSTM alone needs no config beside it. */
static void weights_alone_convert_to_themselves(void **state)
{
    struct convert_file file;
    struct converted again = {0};
    struct fault fault = {0};
    (void)state;
    assert_true(
        convert_file_open(&file, "tests/golden/torch_files/checkpoint/model.pt", NULL, &fault));
    const struct blob *first = &file.converted.weights;
    assert_true(convert_bytes(first->bytes, first->size, &again, &fault));
    assert_int_equal(again.weights.size, first->size);
    assert_memory_equal(again.weights.bytes, first->bytes, first->size);
    converted_fini(&again);
    convert_file_close(&file);
}

int main(void)
{
/* clang-format off */
#define GOLDEN_TEST(case) {#case ": within its bound", a_golden_case_is_within_its_bound, NULL, NULL, (char[]){#case}},
    /* clang-format on */
    const struct CMUnitTest tests[] = {GOLDEN_CASES(GOLDEN_TEST)
                                           cmocka_unit_test(weights_alone_convert_to_themselves)};
    return _cmocka_run_group_tests("convert_torch", tests, sizeof tests / sizeof tests[0], NULL,
                                   NULL);
}
