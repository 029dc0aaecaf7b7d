/* Whatever the bytes: a text is a number for float_parse exactly when it is one for the JSON
 * reader; it is rounded as strtof rounds it; and every float survives being printed. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/float_text.h"
#include "proto/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void check_print(float value)
{
    char *text = malloc(FLOAT_TEXT_MAX + 1);
    assert(text != NULL);
    const size_t size = float_print(text, value);
    assert(size > 0 && size <= FLOAT_TEXT_MAX);
    text[size] = ']';
    float back;
    assert(float_parse(text, text + size, &back) == text + size);
    assert(same(back, value));
    free(text);
}

/* The first numbers of the data: their list is their texts, each with a comma. */
static void check_list(const uint8_t *data, size_t size)
{
    enum { COUNT_MAX = 8 };
    float values[COUNT_MAX];
    char *list = malloc(COUNT_MAX * (FLOAT_TEXT_MAX + 1));
    assert(list != NULL);
    const size_t count = size < sizeof values ? size / sizeof *values : COUNT_MAX;
    memcpy(values, data, count * sizeof *values);
    const size_t list_size = float_print_list(list, values, count);
    const char *at = list;
    for (size_t i = 0; i < count; i++) {
        char text[FLOAT_TEXT_MAX];
        const size_t text_size = float_print(text, values[i]);
        assert(memcmp(at, text, text_size) == 0 && at[text_size] == ',');
        at += text_size + 1;
    }
    assert(at == list + list_size);
    free(list);
}

static bool is_json_number(const char *text, size_t size)
{
    struct json_reader reader;
    struct fault fault = {0};
    json_reader_init(&reader, text, size, &fault);
    reader.words = true;
    return json_peek(&reader) == JSON_NUMBER && reader.at == text &&
           json_skip(&reader, NULL, NULL) && reader.at == text + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy with the byte behind it that ends a number in an array. */
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = ']';
    float value;
    const char *after = float_parse(text, text + size, &value);
    assert((after == text + size) == is_json_number(text, size));
    if (after != NULL) {
        const size_t length = (size_t)(after - text);
        assert(length > 0 && length <= size && is_json_number(text, length));
        check_print(value);
        text[length] = '\0';
        assert(same(value, strtof(text, NULL)));
    }
    free(text);
    check_list(data, size);
    for (size_t i = 0; i + sizeof value <= size; i += sizeof value) {
        memcpy(&value, data + i, sizeof value);
        check_print(value);
    }
    return 0;
}
