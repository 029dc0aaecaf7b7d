/* ONNX tensors in files beside the model: which bytes of which file, and what is no such place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_external.h"
#include "tests/support/die.h"

/* ---- a model in memory and the files beside it ---- */

static size_t files_read;

/* "digits", ten bytes, or "letters", of a million: the first is 'a', the last 'z'. */
static bool file_beside(void *context, const char *name, struct blob *blob, struct fault *fault)
{
    const bool letters = strcmp(name, "letters") == 0;
    (void)context;
    if (!letters && strcmp(name, "digits") != 0)
        return fault_set(fault, 400, "%s: there is no such file", name);
    blob->size = letters ? 1000000 : 10;
    blob->bytes = must_allocate(blob->size + 1);
    memset(blob->bytes, 'a', blob->size);
    if (letters)
        blob->bytes[blob->size - 1] = 'z';
    else
        memcpy(blob->bytes, "0123456789", 10);
    files_read++;
    return true;
}

#define ENTRIES_MAX 3

struct place {
    const char *entries[ENTRIES_MAX][2]; /* ended by a key that is NULL */
};

/* The tensors of those places are called t. What was read is the caller's: release(). */
static bool load(OnnxTensor *tensors, const struct place *places, size_t count, size_t *size,
                 struct fault *fault)
{
    static const struct input input = {.name = "model.onnx", .beside = file_beside};
    OnnxModel model = ONNX_MODEL__INIT;
    OnnxGraph graph = ONNX_GRAPH__INIT;
    OnnxTensor **list = must_allocate(count * sizeof *list);
    OnnxEntry *entries = must_allocate(count * ENTRIES_MAX * sizeof *entries);
    OnnxEntry **entry_list = must_allocate(count * ENTRIES_MAX * sizeof *entry_list);
    for (size_t i = 0; i < count; i++) {
        list[i] = &tensors[i];
        tensors[i] = (OnnxTensor)ONNX_TENSOR__INIT;
        tensors[i].name = (char *)(uintptr_t) "t";
        tensors[i].data_location = 1;
        tensors[i].external_data = &entry_list[i * ENTRIES_MAX];
        for (size_t e = 0; e < ENTRIES_MAX && places[i].entries[e][0] != NULL; e++) {
            OnnxEntry *entry = &entries[i * ENTRIES_MAX + e];
            *entry = (OnnxEntry)ONNX_ENTRY__INIT;
            entry->key = (char *)(uintptr_t)places[i].entries[e][0];
            entry->value = (char *)(uintptr_t)places[i].entries[e][1];
            tensors[i].external_data[e] = entry;
            tensors[i].n_external_data++;
        }
    }
    graph.initializer = list;
    graph.n_initializer = count;
    model.graph = &graph;
    files_read = 0;
    const bool loaded = onnx_external_load(&model, &input, size, fault);
    free(list);
    free(entries);
    free(entry_list);
    return loaded;
}

static void release(OnnxTensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(tensors[i].raw_data.data);
}

/* ---- */

static void expect_bytes(const struct place *place, const char *wanted)
{
    OnnxTensor tensor;
    size_t size;
    struct fault fault = {0};
    if (!load(&tensor, place, 1, &size, &fault))
        fail_msg("'%s' expected, got %s", wanted, fault.text);
    assert_int_equal(size, strlen(wanted));
    assert_true(tensor.has_raw_data);
    assert_int_equal(tensor.data_location, 0);
    assert_int_equal(tensor.raw_data.len, size);
    assert_memory_equal(tensor.raw_data.data, wanted, size);
    release(&tensor, 1);
}

static void bug_477_numbers_lie_where_the_tensor_says(void **state)
{
    (void)state;
    expect_bytes(&(struct place){{{"location", "digits"}}}, "0123456789");
    expect_bytes(&(struct place){{{"location", "digits"}, {"offset", "7"}}}, "789");
    expect_bytes(&(struct place){{{"length", "4"}, {"location", "digits"}}}, "0123");
    expect_bytes(&(struct place){{{"location", "digits"}, {"offset", "3"}, {"length", "2"}}}, "34");
    expect_bytes(&(struct place){{{"location", "digits"}, {"offset", "10"}}}, "");
    expect_bytes(&(struct place){{{"location", "digits"}, {"checksum", "?"}, {"length", "1"}}},
                 "0");
}

static void expect_refusal(const struct place *place, const char *wanted)
{
    OnnxTensor tensor;
    size_t size;
    struct fault fault = {0};
    assert_false(load(&tensor, place, 1, &size, &fault));
    if (fault.status != 400 || strstr(fault.text, wanted) == NULL ||
        strstr(fault.text, "tensor 't': its numbers are in another file: ") == NULL)
        fail_msg("'%s' expected, got %d '%s'", wanted, fault.status, fault.text);
    release(&tensor, 1);
}

#define IN_DIGITS(key, value) (&(struct place){{{"location", "digits"}, {key, value}}})

static void bug_477_what_is_no_place_is_refused(void **state)
{
    (void)state;
    expect_refusal(&(struct place){{{NULL, NULL}}}, "location is missing");
    expect_refusal(&(struct place){{{"location", NULL}}}, "location is missing");
    expect_refusal(&(struct place){{{"location", "elsewhere"}}}, "elsewhere: there is no such");
    expect_refusal(IN_DIGITS("offset", "11"), "0 bytes at 11 of a file of 10");
    expect_refusal(IN_DIGITS("length", "11"), "11 bytes at 0 of a file of 10");
    expect_refusal(&(struct place){{{"location", "digits"}, {"offset", "1"}, {"length", "10"}}},
                   "10 bytes at 1 of a file of 10");
    expect_refusal(IN_DIGITS("offset", "18446744073709551615"), "of a file of 10");
    expect_refusal(IN_DIGITS("offset", "18446744073709551616"), "offset: a number of bytes");
    expect_refusal(IN_DIGITS("offset", "-1"), "offset: a number of bytes expected, got -1");
    expect_refusal(IN_DIGITS("length", ""), "length: a number of bytes expected");
    expect_refusal(IN_DIGITS("length", "0x4"), "length: a number of bytes expected, got 0x4");
}

static void bug_477_numbers_in_both_places_are_refused(void **state)
{
    static unsigned char byte;
    OnnxTensor tensor = ONNX_TENSOR__INIT, *list = &tensor;
    OnnxGraph graph = ONNX_GRAPH__INIT;
    OnnxModel model = ONNX_MODEL__INIT;
    size_t size;
    struct fault fault = {0};
    (void)state;
    tensor.data_location = 1;
    tensor.has_raw_data = 1;
    tensor.raw_data = (ProtobufCBinaryData){.len = 1, .data = &byte};
    graph.initializer = &list;
    graph.n_initializer = 1;
    model.graph = &graph;
    assert_false(onnx_external_load(&model, &(struct input){.beside = file_beside}, &size, &fault));
    assert_string_equal(fault.text, "tensor '': its numbers are in another file: and in the model "
                                    "too");
}

/* One after the other they lie in few files; and many may name the same bytes. */
static void bug_477_a_file_is_read_once_for_tensors_in_a_row(void **state)
{
    static const struct place letters = {{{"location", "letters"}}};
    static const struct place digits = {{{"location", "digits"}}};
    const struct place places[] = {letters, letters, digits, digits, letters};
    OnnxTensor tensors[5];
    size_t size;
    struct fault fault = {0};
    (void)state;
    assert_true(load(tensors, places, 5, &size, &fault));
    assert_int_equal(files_read, 3);
    assert_int_equal(size, 3000020);
    assert_int_equal(tensors[4].raw_data.data[999999], 'z');
    release(tensors, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bug_477_numbers_lie_where_the_tensor_says),
        cmocka_unit_test(bug_477_what_is_no_place_is_refused),
        cmocka_unit_test(bug_477_numbers_in_both_places_are_refused),
        cmocka_unit_test(bug_477_a_file_is_read_once_for_tensors_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
