/* RFC 9110's and 9112's classes of bytes. */
#ifndef SERVER_HTTP_CHARACTERS_H
#define SERVER_HTTP_CHARACTERS_H

#include <stdbool.h>

static inline bool http_is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* tchar: what methods and names are made of. */
static inline bool http_is_token_char(char c)
{
    switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return http_is_letter_or_digit(c);
    }
}

/* Neither white space nor a control character; maybe beyond ASCII. */
static inline bool http_is_visible_char(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7f;
}

/* What a field's value may hold. */
static inline bool http_is_value_char(char c)
{
    return http_is_visible_char(c) || c == ' ' || c == '\t';
}

#endif
