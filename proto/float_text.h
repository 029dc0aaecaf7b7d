/* float32 numbers as JSON text: correctly rounded in, shortest round trip out. Independent of the
 * locale. The tokens NaN, Infinity and -Infinity are understood and written bare, as Triton and
 * TensorFlow Serving do. */
#ifndef PROTO_FLOAT_TEXT_H
#define PROTO_FLOAT_TEXT_H

#include <stddef.h>

/* Reads one number by JSON's grammar, nothing before it skipped. Any length, any exponent; rounded
 * to nearest-even; what is too large becomes an infinity with its sign (callers decide whether to
 * refuse it), what is too small becomes a zero with its sign.
 * Returns the byte after the number, or NULL when there is no number at text.
 * text[0, end) must be followed by a readable byte that cannot belong to a number: JSON numbers in
 * an array always are (by ',' ']' or a space). */
const char *float_parse(const char *text, const char *end, float *value);

/* The fewest digits that float_parse turns into the same float: "0.1", "-0.0", "1.0", "16777216.0",
 * "1e-7", "3.4028235e38". Always holds a '.' or an exponent, so that typed readers see a float.
 * Returns the length; writes at most FLOAT_TEXT_MAX bytes and no NUL. */
#define FLOAT_TEXT_MAX 24
size_t float_print(char *out, float value);

/* count numbers, each followed by a comma. Writes at most count * (FLOAT_TEXT_MAX + 1) bytes. */
size_t float_print_list(char *out, const float *values, size_t count);

#endif
