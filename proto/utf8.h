/* Is it UTF-8? Does it begin with the mark that says so? */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at text[0, left), left > 0 (Unicode 15, table 3-7); 0 when
 * there is none. */
size_t utf8_size(const char *text, size_t left);

bool utf8_is_valid(const char *text, size_t size);

/* Bytes of the byte order mark that text[0, size) begins with, as editors on Windows write it: 3,
 * or 0 where there is none. */
size_t utf8_mark(const char *text, size_t size);

#endif
