/* Is it UTF-8? */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at text[0, left), left > 0 (Unicode 15, table 3-7); 0 when
 * there is none. */
size_t utf8_size(const char *text, size_t left);

bool utf8_is_valid(const char *text, size_t size);

#endif
