#include "proto/utf8.h"

#include <string.h>

size_t utf8_size(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    const unsigned char lead = p[0];
    const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size == 1)
        return 1;
    if (lead < 0xc2 || lead > 0xf4 || left < size)
        return 0;
    /* The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF. */
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool utf8_is_valid(const char *text, size_t size)
{
    size_t at = 0, step = 1;
    for (; at < size && step != 0; at += step)
        step = utf8_size(text + at, size - at);
    return step != 0;
}

size_t utf8_mark(const char *text, size_t size)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t length = sizeof mark - 1;
    return size >= length && memcmp(text, mark, length) == 0 ? length : 0;
}
