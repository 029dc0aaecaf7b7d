/* The bodies that lstm-load sends: infer requests of the Open Inference Protocol with random
 * numbers, as JSON or with binary tensors behind it. Made once, sent again and again. */
#ifndef TESTS_BENCH_LOAD_BODY_H
#define TESTS_BENCH_LOAD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/random.h"

#define LOAD_NAME_MAX   128
#define LOAD_STATES_MAX 2

/* A state that can be sent along: [layers, B, size]. */
struct load_state {
    char name[LOAD_NAME_MAX];
    size_t layers, size;
};

/* What a request must know of the model. */
struct load_model {
    char input[LOAD_NAME_MAX]; /* [T, B, input_size] */
    size_t input_size;
    struct load_state states[LOAD_STATES_MAX];
    size_t state_count; /* 0: none are sent */
};

/* From "inputs" on; what stands before is its opening. */
struct load_body {
    char *json; /* owned, without a NUL */
    size_t json_size;
    char *tensors; /* owned: raw little-endian numbers that follow the JSON; NULL: none */
    size_t tensors_size;
};

/* Ends the program where memory does not suffice. */
void load_body_init(struct load_body *body, const struct load_model *model, size_t steps,
                    size_t batch, bool binary, struct random *random);
void load_body_fini(struct load_body *body);

/* Which request of a sequence a body is. */
struct load_sequence {
    uint64_t id; /* 0: of none */
    bool start, end;
};

/* Writes what stands before load_body's json: "{" and the request's parameters. */
#define LOAD_OPENING_MAX 192
void load_opening_write(char opening[LOAD_OPENING_MAX], const struct load_sequence *sequence,
                        bool binary);

#endif
