/* Outputs of which only the largest elements are wanted, as strings (proto/classification.h):
 * turned from the one into the other, group by group, before the answer is written. */
#ifndef PROTO_ANSWER_CLASSES_H
#define PROTO_ANSWER_CLASSES_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/classification.h"
#include "proto/infer_message.h"

struct answer_classes {
    /* private */
    size_t output_count;
    struct {
        bool wanted; /* or the numbers themselves */
        struct classification what;
        size_t bound; /* bytes of strings, at most */
        size_t size;  /* so many so far */
        char *strings;
    } outputs[INFER_TENSOR_MAX]; /* by infer_answer_tensor.wanted */
    size_t longest;              /* most strings of a group */
    size_t *best;
    size_t output, group; /* the next one */
};

/* answer: with all outputs, none of which will be larger in any part; without data yet. *bytes: of
 * memory that is wanted. false when that does not fit. */
bool answer_classes_plan(struct answer_classes *classes, const struct infer_request *request,
                         const struct infer_answer *answer, size_t *bytes);

/* memory: of that size, aligned for size_t, the caller's throughout. */
void answer_classes_place(struct answer_classes *classes, void *memory);

/* Turns back to the first group. */
void answer_classes_begin(struct answer_classes *classes);

/* Looks at about *limit further numbers of the answer, or part of one, *limit > 0, and takes them
 * off it. true when all strings are made. */
bool answer_classes_make(struct answer_classes *classes, const struct infer_answer *answer,
                         size_t *limit);

/* Puts the strings in the numbers' place; before they are made, as many bytes as they may have. */
void answer_classes_show(const struct answer_classes *classes, struct infer_answer *answer);

#endif
