/* A request's turn in its sequence, as the scheduler is concerned: the request is accepted at once
 * and counted in its lane's bounds, and it begins when it was submitted and its turn has come,
 * whichever is later.
 *
 * Threads: the waiter's calls (enter, submit, abandon, cancel) come from one thread at a time;
 * state and leave from whoever runs the work, on its turn. */
#ifndef SERVER_SEQUENCE_TURN_H
#define SERVER_SEQUENCE_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/scheduler.h"
#include "server/sequences.h"

struct sequence_turn {
    struct sequence_ticket ticket; /* first: the table's ticket is the turn */
    struct sequences *sequences;
    struct scheduler *scheduler;
    struct work *work;
    bool held;        /* the ticket */
    bool at_once;     /* it was the ticket's turn when it was taken */
    atomic_uint seen; /* SUBMITTED, CAME */
};

/* What a request asks of its sequence. */
struct sequence_request {
    const struct sequence_owner *owner;
    struct sequence_id *id; /* NONE: one is made and written to it */
    bool start, end;
    size_t rows;
};

/* Has the scheduler accept the work and takes a ticket. On failure nothing is held: 503 of either,
 * 400, 404 or 409 of the sequence (server/sequences.h). */
bool sequence_turn_enter(struct sequence_turn *turn, struct sequences *sequences,
                         const struct sequence_request *request, struct scheduler *scheduler,
                         struct work *work, struct fault *fault);

/* The work may begin from now on. */
void sequence_turn_submit(struct sequence_turn *turn);

/* After submit, as scheduler_abandon: true: the work's end is called with WORK_ABANDONED, soon, by
 * a worker or before this returns. */
bool sequence_turn_abandon(struct sequence_turn *turn);

/* Instead of submit, when it is the turn at_once and the work was not run by the scheduler. Leaves
 * the sequence if that was not done, and takes the work back. */
void sequence_turn_cancel(struct sequence_turn *turn);

/* On its turn: sequences_state. */
bool sequence_turn_state(const struct sequence_turn *turn, const float **state, uint64_t *steps,
                         struct fault *fault);

/* At the work's end: sequences_leave, if the ticket is still held. */
void sequence_turn_leave(struct sequence_turn *turn, const float *state, uint64_t steps);

#endif
