/* The classification extension of the infer message: in place of a tensor's last dimension of n
 * numbers, its k largest, as strings "value:index" or "value:index:label". */
#ifndef PROTO_CLASSIFICATION_H
#define PROTO_CLASSIFICATION_H

#include <stdbool.h>
#include <stddef.h>

struct classification {
    size_t classes;            /* n */
    size_t count;              /* k, at most n */
    const char *const *labels; /* [n] of UTF-8, or NULL; borrowed */
};

/* At most so many bytes have the strings of that many groups of n numbers; false when the number
 * does not fit. */
bool classification_size(const struct classification *classification, size_t groups, size_t *bytes);

/* Writes the strings of values[groups][n], the largest first: [groups][k] times the length as a
 * little-endian uint32 and the bytes. Of equal numbers the one of the lower index comes first, NaN
 * comes last. best[k] is scratch. Returns the bytes written. */
size_t classification_write(const struct classification *classification, const float *values,
                            size_t groups, size_t *best, char *out);

#endif
