/* A request's body while it arrives: a buffer that grows with what really came (a length that was
 * only announced reserves nothing beyond the first step), never past the body limit, every byte of
 * it counted in the memory budget. */
#ifndef SERVER_BODY_H
#define SERVER_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/budget.h"
#include "server/payload.h"

struct body {
    char *text; /* NUL-terminated once something was appended; NULL before */
    size_t size;
    size_t capacity; /* bytes held and charged to the budget */
    size_t limit;
    size_t expected; /* bytes announced, 0 when unknown */
    struct budget *budget;
};

/* limit: most bytes taken; expected: the announced length (at most limit), or 0. Takes no memory.
 */
void body_init(struct body *body, struct budget *budget, size_t limit, size_t expected);

/* false: 413 over the limit, 503 without memory; what was there stays. */
bool body_append(struct body *body, const char *data, size_t size, struct fault *fault);

/* For writing what comes next where it belongs: the memory behind what is there, and in *room how
 * many bytes it takes, more of it if it was full. NULL: what body_append would say. body_extend
 * says how many of them were written. */
char *body_room(struct body *body, size_t *room, struct fault *fault);
void body_extend(struct body *body, size_t size);

/* Frees everything, gives the charge back. The body is then empty and may take more. */
void body_fini(struct body *body);

/* Moves the contents and their charge to payload: the first head_size bytes, and what is behind
 * them, if anything. The body is then as after body_fini. */
void body_move(struct body *body, size_t head_size, struct payload *payload);

#endif
