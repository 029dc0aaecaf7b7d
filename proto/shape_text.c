#include "proto/shape_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static struct shape_text show(const uint64_t *shape, size_t rank, bool is_signed)
{
    struct shape_text text = {"["};
    size_t used = 1;
    assert(rank <= SHAPE_TEXT_RANK_MAX);
    for (size_t i = 0; i < rank; i++) {
        const bool negative = is_signed && shape[i] > INT64_MAX;
        used += (size_t)snprintf(text.text + used, SHAPE_TEXT_MAX - used, "%s%s%" PRIu64,
                                 i == 0 ? "" : ",", negative ? "-" : "",
                                 negative ? 0 - shape[i] : shape[i]);
    }
    text.text[used] = ']';
    return text;
}

struct shape_text shape_text_of(const uint64_t *shape, size_t rank)
{
    return show(shape, rank, false);
}

struct shape_text shape_text_of_wanted(const int64_t *shape, size_t rank)
{
    return show((const uint64_t *)shape, rank, true);
}
