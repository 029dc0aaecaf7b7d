/* A job from the inside: what the files that it is made of share. job_create.c makes it,
 * job_slices.c is its work, job.c its life with the scheduler and its waiter. Nobody else includes
 * this. */
#ifndef SERVER_JOB_STATE_H
#define SERVER_JOB_STATE_H

#include "server/compression.h"
#include "server/compute.h"
#include "server/job.h"
#include "server/job_parts.h"
#include "server/job_turn.h"

enum job_stage { JOB_DECODING, JOB_COMPUTED, JOB_ENCODING, JOB_PACKING, JOB_PAUSED };

struct job {
    struct work work; /* first: the scheduler's work is the job */
    uint64_t arrived; /* from then on its time is counted */
    struct scheduler *scheduler;
    struct served_model *served; /* a reference */
    enum job_stage stage;
    bool light;
    bool alone;        /* as the terms say */
    uint64_t guess_ns; /* that computing it all takes */
    bool in_parts, submitted;
    struct payload payload; /* what message points into */
    struct message message;
    struct job_turn turn;
    bool begun; /* on its turn, the sequence's state is known */
    struct compute compute;
    void *block;
    size_t block_size;
    struct json_writer writer;
    size_t json_size; /* of the last answer that was written, as a reply's */
    enum content_coding coding;
    size_t coding_from;
    struct deflater *deflater; /* JOB_PACKING */
    struct job_parts parts;    /* instead of writer, when in_parts */
    struct budget *budget;
    size_t charge; /* of the budget, beside body's own */
    struct reply reply;
    size_t room; /* bytes that the reply's text has, where it is the answer's; else 0 */
    void (*done)(void *context);
    void *context;
    struct request_times times; /* once it has a reply */
    enum work_end how;          /* it ended; in its sequence it may still have to be finished */
};

/* What the scheduler and the sequence's turn call. */
extern const struct work_type job_work_type;
extern const struct job_turn_type job_turn_type;

/* One slice of a job's work, as struct work_type wants it. */
enum work_next job_slice(struct work *work);

/* The same without a scheduler: of WORK_TICKS the strands are not added to the work. */
enum work_next job_go_on(struct job *job);

/* The reply says what went wrong. */
enum work_next job_fail(struct job *job, const struct fault *fault);

/* What stands around the outputs of the answer, or of the part that is due. */
void job_begin_answer(const struct job *job, struct infer_answer *answer);

/* Counts that the model's queue had no room. Returns false. */
bool job_note_refusal(struct served_model *served, struct scheduler *scheduler);

#endif
