/* A job's place in its sequence: its ticket, and who goes on with the job when several may. Until
 * its turn has come a job is submitted but not begun, and it may end (given up) at the very moment
 * at which its turn comes: of the two that meet, the second goes on.
 *
 * A job of no sequence has no ticket; it is always its turn.
 *
 * Threads: as struct job. */
#ifndef SERVER_JOB_TURN_H
#define SERVER_JOB_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/infer_message.h"
#include "server/sequences.h"

struct job_turn {
    struct sequence_ticket ticket; /* first */
    struct sequences *sequences;
    bool held;            /* a ticket */
    bool now;             /* it was the ticket's turn as soon as it was taken */
    atomic_bool begins;   /* set by the first of: the turn has come, job_turn_accepted */
    atomic_bool finishes; /* set by the first of: what came with the turn is done, job_turn_ended */
    const struct job_turn_type *type;
    uint64_t steps; /* of the sequence, before this job */
};

struct job_turn_type {
    void (*begin)(struct job_turn *turn);  /* it was accepted before, its turn has come */
    void (*finish)(struct job_turn *turn); /* it ended before; job_turn_leave is due */
};

/* No ticket. */
void job_turn_init(struct job_turn *turn, const struct job_turn_type *type);

/* Takes a ticket if the parameters speak of a sequence; makes the id that is missing.
 * brings_states: the request has h_0 or c_0, which only a start may. Fails like sequences_enter. */
bool job_turn_enter(struct job_turn *turn, struct sequences *sequences,
                    const struct sequence_owner *owner, struct infer_parameters *parameters,
                    size_t rows, bool brings_states, struct fault *fault);

/* No need to wait. */
bool job_turn_is_now(const struct job_turn *turn);

/* The job may be begun from now on. true: here and now; false: type->begin will be called. */
bool job_turn_accepted(struct job_turn *turn);

/* On its turn: as sequences_state; without a ticket *state is NULL. */
bool job_turn_state(struct job_turn *turn, const float **state, struct fault *fault);

/* The job has ended, or will not be accepted. true: the caller leaves and finishes it; false:
 * type->finish will be called, by another thread, maybe already. */
bool job_turn_ended(struct job_turn *turn);

/* Hands over the state, NULL for none, and gives the ticket up. */
void job_turn_leave(struct job_turn *turn, const float *state, uint64_t steps);

#endif
