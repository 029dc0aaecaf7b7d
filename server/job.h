/* One infer request from the moment its bytes are there to its reply, whatever the wire and
 * whatever the form of its message (proto/codec.h).
 *
 * The connection's thread parses the message without decoding a number, holds it against the model,
 * and takes all the memory the job will ever need, so that what does not fit is refused at once.
 * Everything that grows with the data (decoding the numbers, computing, printing the answer) is the
 * workers', in turns with other requests (server/scheduler.h). So the few threads that serve
 * connections stay free for them. Light jobs may be run by the connection's thread itself.
 *
 * Owner: whoever created the job (the waiter), until job_submit; then nobody may touch it but
 * through job_abandon, until done is called; then the waiter again. */
#ifndef SERVER_JOB_H
#define SERVER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/fault.h"
#include "server/budget.h"
#include "server/model_stats.h"
#include "server/payload.h"
#include "server/reply.h"
#include "server/scheduler.h"
#include "server/served_model.h"
#include "server/tick_batch.h"

struct job;

/* What the wire knows of a request beside its bytes. Moments of clock_now's. */
struct job_terms {
    const struct codec *codec; /* what form it is of */
    uint64_t arrived;          /* with its last byte */
    uint64_t deadline;         /* for its answer, by the wire's own rules */
    bool in_parts;             /* the waiter takes the answer in parts, see below */
    uint64_t client;           /* whose request it is (server/work.h) */
    uint64_t answered;         /* its connection's last one (server/work.h) */
    bool alone;                /* nobody would wait while this thread computed */
    /* An answer of coding_from bytes or more is packed, unless it says that something is wrong. */
    enum content_coding coding;
    size_t coding_from;
};

/* For refusing a request of `size` bytes, or of that many at least, before any work is put into it.
 * false, 503: the model's queue has no room for it. true: it has, or the request may be light and
 * need none. */
bool job_has_room(struct served_model *served, size_t size, struct scheduler *scheduler,
                  uint64_t client, struct fault *fault);

/* Takes over the payload, also on failure. NULL: 400 what is wrong with the request, 413 it needs
 * more than the whole budget, 503 more than is left of it. The job takes a reference of served;
 * the others must outlive it. */
struct job *job_create(struct served_model *served, struct payload *payload, struct budget *budget,
                       struct scheduler *scheduler, struct sequences *sequences,
                       const struct job_terms *terms, struct fault *fault);
void job_destroy(struct job *job);

/* The deadline it is held to: that of the terms, or the request's own when it is earlier. */
uint64_t job_deadline(const struct job *job);

/* Is running it no more trouble than handing it to another thread? More are of those that come
 * alone, and while all workers are at requests that take long. */
bool job_is_light(const struct job *job);

/* How long computing all of it may take. */
uint64_t job_guess_ns(const struct job *job);

/* Runs a light job here and now; the reply is then there. It might as well be submitted. */
void job_run(struct job *job);

/* The same of several light jobs: those of one model share its passes. */
enum { JOB_TOGETHER_MAX = 64 };
/* Computing of some 50 microseconds, with all around it. Half and twice as much at a time each cost
 * a tenth of the requests a second with 32 of a small model in flight. */
#define JOB_TOGETHER_NS 42000
void job_run_together(struct job *const *jobs, size_t count, struct tick_batch *batch);

/* done(context) is called by a worker when the reply is there, exactly once, unless the job was
 * abandoned. The reply may be a 504. false, 503: the model's queue is full, the job is still the
 * waiter's. */
bool job_submit(struct job *job, void (*done)(void *context), void *context, struct fault *fault);

/* Gives the job up wherever it is. true: done will not be called and the job is no longer the
 * waiter's; a worker that is at it stops soon. false: done was called or is about to be. */
bool job_abandon(struct job *job);

/* The same: where its time went. */
const struct request_times *job_times(const struct job *job);

/* After done or job_run: moves the reply out. Of an answer in parts: an error that is its last one.
 */
void job_take_reply(struct job *job, struct reply *reply);

/* ---- an answer in parts ----
 *
 * Where the terms say in_parts, the answer is handed out while it is computed: each part is an
 * answer of its own, with a run of steps of all rows in the output (parameters first_step, and
 * final, false but in the last one), and what else was asked for in the last one. The outputs one
 * behind the other are those of the whole answer, bit for bit. How many steps a part has, the
 * request says (parameter stream_steps), else it is half a millisecond's work. Models that are not
 * causal, or do not give out steps, give one part: the whole answer, final.
 *
 * Such a job is never light. Instead of `done` once, the waiter is woken again and again: from
 * job_submit on it waits. When done(context) is called, which it is once for every wait, it holds
 * the job: it takes what there is, then waits again.
 *
 *     job_submit; done -> job_take_part ... JOB_NO_PART, job_wait; done -> ... JOB_LAST_PART,
 *     job_destroy
 *
 * An error is the last part, whatever came before it; the status says so. The state of a sequence
 * changes when the last part is ready, and only if that is no error.
 *
 * At most two parts are kept, the one in the waiter's hands included. Until it takes the next the
 * job pauses, computes nothing and has no deadline; but it keeps its memory, its place in the queue
 * and its turn in the sequence, so that a waiter which cannot go on has to give it up in time.
 *
 * Giving it up: job_abandon while it waits, from any thread; job_destroy while it holds the job,
 * which counts what had not ended as canceled. */

struct job_part {
    int status;       /* 200; anything else: an error */
    const char *body; /* the job's, until the next part is taken or the job is destroyed; NULL when
                       * there was no memory to say what is wrong */
    size_t size;
    size_t json_size; /* as a reply's, and so is what follows */
    size_t tensor_count;
    const size_t *tensor_sizes;
};

enum job_part_taken { JOB_NO_PART, JOB_PART, JOB_LAST_PART };

/* Does not wait. Of JOB_NO_PART *part is not set; after JOB_LAST_PART nothing more is taken. */
enum job_part_taken job_take_part(struct job *job, struct job_part *part);

/* done will be called when there is something to take; here and now if there is already. */
void job_wait(struct job *job);

#endif
