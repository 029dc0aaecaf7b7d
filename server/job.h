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
#include "server/model_store.h"
#include "server/payload.h"
#include "server/reply.h"
#include "server/scheduler.h"

struct job;

/* What the wire knows of a request beside its bytes. Moments of clock_now's. */
struct job_terms {
    const struct codec *codec; /* what form it is of */
    uint64_t arrived;          /* with its last byte */
    uint64_t deadline;         /* for its answer, by the wire's own rules */
    uint64_t client;           /* whose request it is (server/work.h) */
};

/* Takes over the payload, also on failure. NULL: 400 what is wrong with the request, 413 it needs
 * more than the whole budget, 503 more than is left of it. served and scheduler must outlive the
 * job. */
struct job *job_create(const struct served_model *served, struct payload *payload,
                       struct budget *budget, struct scheduler *scheduler,
                       struct sequences *sequences, const struct job_terms *terms,
                       struct fault *fault);
void job_destroy(struct job *job);

/* The deadline it is held to: that of the terms, or the request's own when it is earlier. */
uint64_t job_deadline(const struct job *job);

/* Is running it no more trouble than handing it to another thread? */
bool job_is_light(const struct job *job);

/* Runs a light job here and now, instead of job_submit; the reply is then there. */
void job_run(struct job *job);

/* done(context) is called by a worker when the reply is there, exactly once, unless the job was
 * abandoned. The reply may be a 504. false, 503: the model's queue is full, the job is still the
 * waiter's. */
bool job_submit(struct job *job, void (*done)(void *context), void *context, struct fault *fault);

/* Gives the job up wherever it is. true: done will not be called and the job is no longer the
 * waiter's; a worker that is at it stops soon. false: done was called or is about to be. */
bool job_abandon(struct job *job);

/* After done or job_run: moves the reply out. */
void job_take_reply(struct job *job, struct reply *reply);

#endif
