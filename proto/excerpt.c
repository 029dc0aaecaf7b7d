#include "proto/excerpt.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* The bytes of text, at most limit, that end with a whole character. */
static size_t whole_characters(const char *text, size_t limit)
{
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

struct excerpt excerpt_of(const char *text)
{
    static const char more[] = "...";
    assert(text != NULL);
    struct excerpt excerpt = {{0}};
    size_t size = strlen(text);
    if (size < EXCERPT_MAX) {
        memcpy(excerpt.text, text, size);
    } else {
        size = whole_characters(text, EXCERPT_MAX - sizeof more);
        memcpy(excerpt.text, text, size);
        memcpy(excerpt.text + size, more, sizeof more);
    }
    for (size_t i = 0; i < size; i++)
        if (is_control((unsigned char)excerpt.text[i]))
            excerpt.text[i] = '?';
    return excerpt;
}
