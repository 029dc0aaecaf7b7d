/* The parts of an answer on their way from the worker that writes them to the waiter that sends
 * them (server/job.h). There is room for two, so that one is sent while the next is made; the
 * waiter gives one back by taking the next.
 *
 * Threads: one writes, one takes. Nobody is called with the lock held: who is to be woken or
 * resumed is said to the caller, once. */
#ifndef SERVER_JOB_PARTS_H
#define SERVER_JOB_PARTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/infer_message.h"
#include "proto/json_writer.h"

#define JOB_PARTS_ROOM 2

/* One part: JSON, behind which binary tensors may stand. */
struct job_parts_slot {
    struct json_writer writer;
    size_t json_size;
    size_t tensor_count; /* binary ones, and the bytes of each */
    size_t tensor_sizes[INFER_TENSOR_MAX];
};

struct job_parts {
    pthread_mutex_t lock;
    struct job_parts_slot slots[JOB_PARTS_ROOM];
    size_t written, taken; /* so far, the last part not counted */
    bool held;             /* the last one taken has not been given back */
    bool stopped;          /* the worker waits for room */
    bool waits;            /* the waiter wants to be woken */
    bool settled;          /* the worker or the waiter has said how the answer ended */
    bool ended, left;      /* the worker has written the last part; the waiter is gone */
};

/* The waiter waits, the worker has room. */
void job_parts_init(struct job_parts *parts);
void job_parts_fini(struct job_parts *parts);

/* So many bytes for every part. false: no memory. */
bool job_parts_reserve(struct job_parts *parts, size_t bytes);

/* ---- the worker's ---- */

/* Where the part that is due is written, its writer empty at first; the sizes are the worker's to
 * set, but for json_size. */
struct job_parts_slot *job_parts_slot(struct job_parts *parts);

/* It is written. *wake: the waiter is to be woken. false: there is no room for another one before
 * job_parts_take says that the worker is to be resumed. */
bool job_parts_put(struct job_parts *parts, size_t json_size, bool *wake);

/* The work is over, and the worker is about to say how. false: the waiter has said it, and nobody
 * will take another part. */
bool job_parts_settle(struct job_parts *parts);

/* The last one is written, or will not be. false: the waiter has left; nobody else looks at the
 * parts any more. true, and not *wake: the waiter may destroy them at any moment. */
bool job_parts_end(struct job_parts *parts, size_t json_size, bool *wake);

/* ---- the waiter's ---- */

enum job_parts_taken { JOB_PARTS_NONE, JOB_PARTS_ONE, JOB_PARTS_LAST };

/* Gives back the one taken before and takes the next, whose slot is then *slot. *resume: the worker
 * is to be resumed. */
enum job_parts_taken job_parts_take(struct job_parts *parts, const struct job_parts_slot **slot,
                                    bool *resume);

/* From now on the waiter waits. false: it need not, there is something to take. */
bool job_parts_wait(struct job_parts *parts);

/* true: the waiter waited, will not be woken any more, and has to say how the answer ended. false:
 * it does not wait, or it will be woken for the end that the worker has said. By any thread. */
bool job_parts_stop_waiting(struct job_parts *parts);

/* The waiter goes. true: the worker has ended; false: job_parts_end will say it. *settled: how the
 * answer ended had been said; else the waiter has to. */
bool job_parts_leave(struct job_parts *parts, bool *settled);

#endif
