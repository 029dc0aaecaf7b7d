/* ONNX files that are cut, bent, or made to harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/convert/convert_file.h"
#include "tests/support/die.h"
#include "tests/support/whole_file.h"

#define FILES "tests/golden/onnx_files/"

static const char *const files[] = {
    FILES "everything/model.onnx",          FILES "branch_wide/model.onnx",
    FILES "torch_script9_words/model.onnx", FILES "torch_dynamo_final/model.onnx",
    FILES "tf2onnx_17_tagger/model.onnx",   FILES "weights_float16/model.onnx",
};
#define FILE_COUNT (sizeof files / sizeof files[0])

static void expect_refusal(const void *bytes, size_t size, const char *wanted)
{
    struct converted converted;
    struct fault fault = {0};
    if (convert_bytes(bytes, size, &converted, &fault))
        fail_msg("converted, though '%s'", wanted);
    if (fault.status == 0 || strstr(fault.text, wanted) == NULL)
        fail_msg("'%s' expected, got %d '%s'", wanted, fault.status, fault.text);
}

static void cut_anywhere_it_is_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILE_COUNT; f++) {
        size_t size;
        char *bytes = whole_file_read(files[f], &size);
        for (size_t cut = 0; cut < size; cut += 97)
            expect_refusal(bytes, cut, "");
        free(bytes);
    }
}

/* A bit of a weight may be another: then it is another model. Otherwise there is a reason. */
static void bent_anywhere_there_is_an_answer(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILE_COUNT; f++) {
        size_t size;
        char *bytes = whole_file_read(files[f], &size);
        for (size_t at = 0; at < size; at += 23) {
            const char bit = (char)(1 << at % 8);
            struct converted converted;
            struct fault fault = {0};
            bytes[at] = (char)(bytes[at] ^ bit);
            if (convert_bytes(bytes, size, &converted, &fault))
                converted_fini(&converted);
            else
                assert_true(fault.status != 0 && fault.text[0] != '\0');
            bytes[at] = (char)(bytes[at] ^ bit);
        }
        free(bytes);
    }
}

/* ---- messages by hand ---- */

/* Bytes that grow at their front: a message is written from the inside out. */
struct message {
    unsigned char *bytes; /* [MESSAGE_MAX], the last size of them */
    size_t size;
};
#define MESSAGE_MAX ((size_t)8 << 20)

static void put(struct message *message, unsigned char byte)
{
    assert_true(message->size < MESSAGE_MAX);
    message->bytes[MESSAGE_MAX - ++message->size] = byte;
}

static void put_number(struct message *message, size_t number)
{
    unsigned char digits[10];
    size_t count = 0;
    for (; number >= 0x80; number >>= 7)
        digits[count++] = (unsigned char)(number | 0x80);
    digits[count++] = (unsigned char)number;
    while (count-- > 0)
        put(message, digits[count]);
}

/* All there is becomes field number `field` of a message around it. */
static void wrap(struct message *message, unsigned char field)
{
    put_number(message, message->size);
    put(message, (unsigned char)(field << 3 | 2));
}

static struct message message_begin(void)
{
    return (struct message){.bytes = must_allocate(MESSAGE_MAX)};
}

/* ir_version, a producer's name (a file's first bytes), and what is there as the graph. */
static void expect_graph_refused(struct message *graph, const char *wanted)
{
    static const char head[] = "\x08\x08\x12\x10written by hand.";
    wrap(graph, 7);
    for (size_t i = sizeof head - 1; i-- > 0;)
        put(graph, (unsigned char)head[i]);
    expect_refusal(graph->bytes + MESSAGE_MAX - graph->size, graph->size, wanted);
    free(graph->bytes);
}

static void graphs_in_graphs_are_bounded(void **state)
{
    struct message graph = message_begin();
    (void)state;
    for (size_t depth = 0; depth < 100000; depth++) {
        wrap(&graph, 6); /* an attribute's graph */
        wrap(&graph, 5);
        wrap(&graph, 1);
    }
    expect_graph_refused(&graph, "messages in messages, deeper than 64");
}

/* Two bytes each, hundreds in memory. */
static void empty_messages_are_bounded(void **state)
{
    struct message graph = message_begin();
    (void)state;
    for (size_t i = 0; i < ((size_t)1 << 20) + 1; i++) {
        put(&graph, 0);
        put(&graph, 1 << 3 | 2);
    }
    expect_graph_refused(&graph, "more than 2^20 messages");
}

/* The library would put them together, again and again. */
static void a_message_is_there_once(void **state)
{
    struct message graph = message_begin();
    (void)state;
    for (int i = 0; i < 2; i++) { /* an input with two types */
        put(&graph, 0);
        put(&graph, 2 << 3 | 2);
    }
    wrap(&graph, 11);
    expect_graph_refused(&graph, "a message is there twice");
}

static void text_is_utf_8(void **state)
{
    struct message graph = message_begin();
    (void)state;
    put(&graph, 0xff);
    wrap(&graph, 2);
    expect_graph_refused(&graph, "a text that is not UTF-8");
}

static void a_model_says_its_version(void **state)
{
    struct message graph = message_begin();
    (void)state;
    put(&graph, 'g');
    wrap(&graph, 2);
    expect_graph_refused(&graph, "opset_import");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(bent_anywhere_there_is_an_answer),
        cmocka_unit_test(graphs_in_graphs_are_bounded),
        cmocka_unit_test(empty_messages_are_bounded),
        cmocka_unit_test(a_message_is_there_once),
        cmocka_unit_test(text_is_utf_8),
        cmocka_unit_test(a_model_says_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
