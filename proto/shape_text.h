/* A shape as error texts show it: "[17,2,10]", "[-1,-1,10]". */
#ifndef PROTO_SHAPE_TEXT_H
#define PROTO_SHAPE_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { SHAPE_TEXT_RANK_MAX = 8, SHAPE_TEXT_MAX = SHAPE_TEXT_RANK_MAX * 21 + 3 };

struct shape_text {
    char text[SHAPE_TEXT_MAX];
};

/* shape[rank]. Meant for the argument list of fault_set: shape_text_of(shape, rank).text. */
struct shape_text shape_text_of(const uint64_t *shape, size_t rank);

/* The same where -1 stands for any size. */
struct shape_text shape_text_of_wanted(const int64_t *shape, size_t rank);

#endif
