/* The sequences whose state the server keeps: one table for all models, which knows nothing of
 * jobs, of the threads that run them, or of sockets.
 *
 * A request takes a ticket in its sequence. The tickets of one sequence have their turn one at a
 * time, in the order they were taken. On its turn the request reads the sequence's state, computes
 * on a copy of its own, and hands the new state over when it leaves; or leaves without one (it
 * failed, or was given up), and the sequence is as it was before. So h and c change together or not
 * at all.
 *
 * What a request builds upon may be gone when its turn comes, since a request before it ended the
 * sequence, or failed to start it: then sequences_state refuses.
 *
 * Threads: any function from any thread, but no two at once with the same ticket. */
#ifndef SERVER_SEQUENCES_H
#define SERVER_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/sequence_id.h"

struct sequences;
struct sequence;

struct sequences_config {
    size_t count_limit;    /* sequences, those that are being started included */
    size_t bytes_limit;    /* of memory for them and their states */
    uint64_t idle_timeout; /* ns at rest until a sequence is evicted; 0: never */
};

/* What a model says about its sequences; stays as long as a ticket of them is held. Models of one
 * name whose states are interchangeable have the same layout: their sequences go on from one to the
 * other. */
struct sequence_owner {
    const char *model_name;
    size_t state_size; /* floats a row */
    uint64_t layout;
    bool retired;          /* the table's: sequences_retire */
    bool causal;           /* else sequences have to be sent whole, and none is kept */
    bool strict;           /* to start one that is alive is an error; else it begins anew */
    uint64_t idle_timeout; /* of its own, ns; 0: the table's */
};

/* The caller's, usually inside a job. */
struct sequence_ticket {
    /* Called once, by whoever left before it, if the turn did not come at once: only makes the
     * holder ready to run, calls nothing of this table, and takes no lock that its caller may hold.
     */
    void (*turn)(struct sequence_ticket *ticket);

    /* private */
    struct sequence *sequence;
    struct sequence_ticket *before, *behind;
    const struct sequence_owner *owner;
    bool start, end;
    size_t rows;
    float *fresh; /* where a start's state goes when the sequence's own memory may not be used */
};

/* false: no memory. */
bool sequences_create(struct sequences **sequences, const struct sequences_config *config,
                      struct fault *fault);
/* No ticket may be held. */
void sequences_destroy(struct sequences *sequences);

/* Takes a ticket, whose turn is set already, and all memory that the sequence's state will need.
 * *now: it is its turn; otherwise turn(ticket) is called later. An id of kind NONE with start: a
 * number above 0 and below 2^53, which nobody can guess, is made and written to *id.
 * Fails with 400 a model that is not causal, 404 unknown id without start, 400 neither id nor
 * start, 400 other rows than the sequence has, 409 start of one that is alive and strict, 503 no
 * room; no ticket is then held. */
bool sequences_enter(struct sequences *sequences, const struct sequence_owner *owner,
                     struct sequence_id *id, bool start, bool end, size_t rows,
                     struct sequence_ticket *ticket, bool *now, struct fault *fault);

/* The same for an operator's hand: 409 unless the sequence is at rest, so that it is this ticket's
 * turn at once; never strict. rows are of a start; others take the sequence as it is. */
bool sequences_enter_at_rest(struct sequences *sequences, const struct sequence_owner *owner,
                             const struct sequence_id *id, bool start, bool end, size_t rows,
                             struct sequence_ticket *ticket, struct fault *fault);

/* On the ticket's turn only. *state: [rows][state_size] in core/model.h's order, readable until the
 * ticket leaves; NULL: the sequence starts, from zeros or what the request brought. *steps: done so
 * far. Fails with 404, 400 or 409 when what sequences_enter saw is no longer so. */
bool sequences_state(const struct sequence_ticket *ticket, const float **state, uint64_t *steps,
                     struct fault *fault);
size_t sequences_rows(const struct sequence_ticket *ticket);

/* Gives the turn to the next ticket. state: the new one (copied), steps more were done; the
 * sequence ends if the ticket said so. NULL: the sequence is as it was; one that was to start is
 * then not there. NULL where sequences_state refused. */
void sequences_leave(struct sequences *sequences, struct sequence_ticket *ticket,
                     const float *state, uint64_t steps);

/* Gives the ticket up before its turn. true: turn is not called and no ticket is held. false: it is
 * its turn, turn was called or is about to be; the holder still has to leave. */
bool sequences_withdraw(struct sequences *sequences, struct sequence_ticket *ticket);

/* ---- idle sequences ---- */

/* Evicts those that are at rest since longer than their time-out at now, a moment of clock_now's.
 * Returns when to call it next; UINT64_MAX: no sequence will be due. */
uint64_t sequences_evict_idle(struct sequences *sequences, uint64_t now);

/* Sleeps until that moment, or one that has come before it since. false: sequences_wake was called.
 * For one thread. */
bool sequences_sleep(struct sequences *sequences, uint64_t until);
/* Ends all sleep, for ever. */
void sequences_wake(struct sequences *sequences);

/* The owner's model is served no more, and none with its states comes after it: those of its
 * sequences that are at rest are evicted now, the others when their last request has left. */
void sequences_retire(struct sequences *sequences, struct sequence_owner *owner);

/* ---- watching ---- */

/* One that is alive. */
struct sequence_view {
    struct sequence_id id;
    size_t rows;
    uint64_t steps;
    uint64_t idle;      /* ns at rest */
    size_t requests;    /* running and waiting */
    const float *state; /* [rows][state_size]; only inside visit, and only without requests */
    size_t state_size;
};

/* Calls visit for the model's sequences behind that id (NONE: from the first), ordered by id, until
 * it returns false. With the table's lock held: visit is quick, and calls nothing of this table. */
void sequences_each(struct sequences *sequences, const char *model_name,
                    const struct sequence_id *after,
                    bool (*visit)(void *context, const struct sequence_view *view), void *context);

struct sequences_counts {
    size_t alive, bytes;     /* now */
    uint64_t started, ended; /* so far; one that begins anew counts for both */
    uint64_t evicted;  /* idle, or their model is gone; not in ended: started - ended - evicted are
                          alive */
    uint64_t rejected; /* not started: no room */
};
void sequences_count(struct sequences *sequences, struct sequences_counts *counts);

#endif
