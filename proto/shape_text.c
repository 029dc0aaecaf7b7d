#include "proto/shape_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* The i-th dimension's number, and what stands before it. */
#define ADD(text, used, i, format, number)                                                         \
    (size_t) snprintf((text).text + (used), SHAPE_TEXT_MAX - (used), "%s%" format,                 \
                      (i) == 0 ? "" : ",", number)

struct shape_text shape_text_of(const uint64_t *shape, size_t rank)
{
    struct shape_text text = {"["};
    size_t used = 1;
    assert(rank <= SHAPE_TEXT_RANK_MAX);
    for (size_t i = 0; i < rank; i++)
        used += ADD(text, used, i, PRIu64, shape[i]);
    text.text[used] = ']';
    return text;
}

struct shape_text shape_text_of_wanted(const int64_t *shape, size_t rank)
{
    struct shape_text text = {"["};
    size_t used = 1;
    assert(rank <= SHAPE_TEXT_RANK_MAX);
    for (size_t i = 0; i < rank; i++)
        used += ADD(text, used, i, PRId64, shape[i]);
    text.text[used] = ']';
    return text;
}
