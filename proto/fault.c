#include "proto/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

/* Bytes of the UTF-8 character that lead announces. */
static size_t character_size(unsigned char lead)
{
    if (lead >= 0xf0)
        return 4;
    if (lead >= 0xe0)
        return 3;
    return lead >= 0xc0 ? 2 : 1;
}

/* Drops a character at the end of text that was cut in two. */
static void drop_cut_character(char *text)
{
    size_t size = strlen(text);
    size_t lead = size;
    do {
        if (lead == 0)
            return;
        lead--;
    } while (((unsigned char)text[lead] & 0xc0) == 0x80);
    if (size - lead < character_size((unsigned char)text[lead]))
        text[lead] = '\0';
}

/* An argument may have been anybody's bytes, or cut anywhere. */
static void show_malformed(char *text)
{
    for (size_t left = strlen(text), size; left > 0; text += size, left -= size) {
        size = utf8_size(text, left);
        if (size == 0) {
            *text = '?';
            size = 1;
        }
    }
}

__attribute__((format(printf, 2, 0))) static void format_text(struct fault *fault,
                                                              const char *format, va_list arguments)
{
    /* An argument may be the old text, so the new one is made beside it. */
    char text[sizeof fault->text];
    const int size = vsnprintf(text, sizeof text, format, arguments);
    assert(size >= 0);
    if ((size_t)size >= sizeof text)
        drop_cut_character(text);
    show_malformed(text);
    memcpy(fault->text, text, strlen(text) + 1);
}

bool fault_set(struct fault *fault, int status, const char *format, ...)
{
    assert(fault != NULL && status != 0);
    va_list arguments;
    va_start(arguments, format);
    format_text(fault, format, arguments);
    va_end(arguments);
    fault->status = status;
    return false;
}

bool fault_prefix(struct fault *fault, const char *format, ...)
{
    assert(fault != NULL && fault->status != 0);
    struct fault place;
    va_list arguments;
    va_start(arguments, format);
    format_text(&place, format, arguments);
    va_end(arguments);
    return fault_set(fault, fault->status, "%s: %s", place.text, fault->text);
}
