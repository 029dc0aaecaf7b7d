/* The numbers of one tensor as JSON text: an array, flat or nested as the shape says. They are read
 * once, in slices, straight into their final place. */
#ifndef PROTO_TENSOR_TEXT_H
#define PROTO_TENSOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

#define TENSOR_TEXT_RANK_MAX 8

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
 * status 400: "N numbers are wanted by shape [...], got M", or what is there that is no number. */
bool tensor_text_has_room(const struct tensor_text *tensor, struct fault *fault);

/* Where the reading has come to. */
struct tensor_text_cursor {
    size_t index; /* numbers read so far */
    bool done;    /* all of them, and the brackets after them */
    /* private */
    struct tensor_text tensor;
    const char *at;
    const char *last; /* the closing bracket of the whole array */
    bool nested;      /* or flat */
    bool row;         /* of a larger tensor */
    size_t gap;       /* places of out left free between two innermost arrays */
    size_t skipped;   /* so many of them so far */
    size_t level;     /* arrays open, less one */
    uint64_t members[TENSOR_TEXT_RANK_MAX]; /* of the array open at each level: read so far */
};

void tensor_text_begin(struct tensor_text_cursor *cursor, const struct tensor_text *tensor);

/* The same for a tensor that is one row of a larger one: always nested, gap places of out left free
 * between two innermost arrays (out is then not index but the place in the larger tensor). One of 0
 * dimensions is a bare number without brackets, which json_skip has checked. */
void tensor_text_begin_row(struct tensor_text_cursor *cursor, const struct tensor_text *tensor,
                           size_t gap);

/* Fills out[index...] with up to limit further numbers; out is the place of the first one of all.
 * To be called until the cursor is done, at least once. A tensor with a dimension of 0 may be
 * written [] or nested. Failures have status 400; the text gives the element's index. A finite
 * number too large for a float32 is refused; the tokens NaN and Infinity are not. */
bool tensor_text_read_f32(struct tensor_text_cursor *cursor, float *out, size_t limit,
                          struct fault *fault);

/* Whole numbers from min to max, without an exponent; a fraction of zeros ("1.0") is let pass. */
bool tensor_text_read_i64(struct tensor_text_cursor *cursor, int64_t min, int64_t max, int64_t *out,
                          size_t limit, struct fault *fault);

#endif
