/* What is said beside the summary of a converted ONNX graph. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/convert_file.h"

#define FILES "tests/golden/onnx_files/"

/* The summary's lines behind the table are those, and no others. */
static void expect_notes(const char *path, const char *wanted)
{
    struct convert_file file;
    struct fault fault = {0};
    if (!convert_file_open(&file, path, NULL, &fault))
        fail_msg("%s: %s", path, fault.text);
    const struct blob *summary = &file.converted.summary;
    const char *total = memmem(summary->bytes, summary->size, "\ntotal ", 7);
    assert_non_null(total);
    const char *table_end = strchr(total + 1, '\n') + 1;
    const size_t size = summary->size - (size_t)(table_end - (const char *)summary->bytes);
    char *notes = strndup(table_end, size);
    assert_string_equal(notes, wanted);
    free(notes);
    convert_file_close(&file);
}

#define PAST_LENGTH                                                                                \
    "note: past a row's length the output is 0 here, where the graph computes with the LSTM's "    \
    "zeros\n"
#define LENGTH_0                                                                                   \
    "note: of a row of length 0 the final states are the initial ones that were given here, "      \
    "where ONNX Runtime gives zeros\n"

static void bug_442_what_differs_at_length_0_is_said_beside_other_notes(void **state)
{
    (void)state;
    expect_notes(FILES "bug_442_lengths_and_states/model.onnx", PAST_LENGTH LENGTH_0);
    expect_notes(FILES "everything/model.onnx", LENGTH_0);
    expect_notes(FILES "layout_1/model.onnx", "");              /* states without lengths */
    expect_notes(FILES "torch_script17_packed/model.onnx", ""); /* lengths without states */
}

static void bug_486_outputs_of_other_dimensions_are_said(void **state)
{
    (void)state;
    expect_notes(FILES "bug_486_rows/model.onnx",
                 "note: y is [B,1] here, where the graph gives [B]\n");
    expect_notes(FILES "bug_486_rows_of_one_step/model.onnx",
                 "note: y is [B,2] here, where the graph gives [B,1,2]\n");
    expect_notes(FILES "bug_486_steps/model.onnx",
                 "note: y is [B,T,1] here, where the graph gives [B,T]\n");
    expect_notes(FILES "bug_486_the_only_row/model.onnx",
                 "note: y is [B,2] here, where the graph gives [2]\n");
}

static void bug_541_an_input_that_is_turned_is_said(void **state)
{
    (void)state;
    expect_notes(FILES "bug_541_last_dynamo/model.onnx",
                 "note: clients send x as [B,T,4] here, where the graph takes [B,4,T]\n");
    expect_notes(FILES "bug_541_viewed_script17/model.onnx",
                 "note: clients send x as [B,T,1] here, where the graph takes [B,1,T]\n");
    expect_notes(FILES "bug_481_cnn_dynamo/model.onnx", "");
}

static void bug_542_an_output_that_is_turned_is_said(void **state)
{
    (void)state;
    expect_notes(FILES "bug_542_scores/model.onnx",
                 "note: clients send x as [B,T,4] here, where the graph takes [B,4,T]\n"
                 "note: y is [B,T,2] here, where the graph gives [B,2,T]\n");
    expect_notes(FILES "bug_542_one/model.onnx",
                 "note: y is [B,T,1] here, where the graph gives [B,1,T]\n");
}

static void bug_543_an_input_of_two_dimensions_is_said(void **state)
{
    (void)state;
    expect_notes(FILES "bug_543_signal_dynamo/model.onnx",
                 "note: clients send x as [B,T,1] here, where the graph takes [B,T]\n");
    expect_notes(FILES "bug_543_table_script17/model.onnx",
                 "note: clients send x as [B,1,4] here, where the graph takes [B,4]\n");
    expect_notes(FILES "bug_543_input_of_steps/model.onnx",
                 "note: clients send X as [T,B,1] here, where the graph takes [T,B]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bug_442_what_differs_at_length_0_is_said_beside_other_notes),
        cmocka_unit_test(bug_486_outputs_of_other_dimensions_are_said),
        cmocka_unit_test(bug_541_an_input_that_is_turned_is_said),
        cmocka_unit_test(bug_542_an_output_that_is_turned_is_said),
        cmocka_unit_test(bug_543_an_input_of_two_dimensions_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
