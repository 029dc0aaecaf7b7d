/* The numbers of one tensor as JSON text: an array, flat or nested as the shape says. They are read
 * in one pass, straight into their final place. */
#ifndef PROTO_TENSOR_TEXT_H
#define PROTO_TENSOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

/* Borrowed. text[0, size) begins with a '[' and ends with the ']' that closes it, as
 * json_skip_numbers finds them; what is between has been checked by nobody. */
struct tensor_text {
    const char *text;
    size_t size;
    const uint64_t *shape; /* [rank]; 0 dimensions: one number */
    size_t rank;
    size_t elements; /* product of shape */
};

/* Has the text room for that many numbers? To be asked before memory is taken for them. On failure
 * status 400, "N numbers are wanted by shape [...], got M". */
bool tensor_text_has_room(const struct tensor_text *tensor, struct fault *fault);

/* Fills out[elements]. A tensor with a dimension of 0 may be written [] or nested. Failures have
 * status 400; the text gives the element's index. A finite number too large for a float32 is
 * refused; the tokens NaN and Infinity are not. */
bool tensor_text_read_f32(const struct tensor_text *tensor, float *out, struct fault *fault);

/* Whole numbers from min to max, without an exponent; a fraction of zeros ("1.0") is let pass. */
bool tensor_text_read_i64(const struct tensor_text *tensor, int64_t min, int64_t max, int64_t *out,
                          struct fault *fault);

#endif
