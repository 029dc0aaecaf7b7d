/* A job's work: its numbers are decoded, its strands computed, its answer is written and packed, or
 * written part by part. */
#include "proto/json_writer.h"
#include "proto/sequence_steps.h"
#include "server/job_state.h"

/* Printed in one slice: half a millisecond's work. */
#define SLICE_NUMBERS ((size_t)16 << 10)

void job_begin_answer(const struct job *job, struct infer_answer *answer)
{
    const struct compute *compute = &job->compute;
    const bool final = compute_is_last_part(compute);
    *answer = (struct infer_answer){
        .model_name = job->served->name,
        .model_version = MODEL_VERSION,
        .sequence_id = &job->message.request.parameters.sequence_id,
        .steps =
            sequence_steps_add(job->turn.steps, final ? compute->binding.steps : compute->part_end),
        .part = {job->in_parts, compute->part_begin, final},
    };
}

enum work_next job_fail(struct job *job, const struct fault *fault)
{
    reply_fault(&job->reply, fault);
    return WORK_DONE;
}

/* false: no row has a step to do. */
static bool add_strands(struct job *job)
{
    struct compute *compute = &job->compute;
    for (size_t i = 0; i < compute->strand_count; i++)
        if (compute->strands[i].live > 0)
            work_add_strand(&job->work, &compute->strands[i]);
    return job->work.unfinished > 0;
}

/* On the job's turn, before anything else. */
static bool take_up_sequence(struct job *job, struct fault *fault)
{
    job->begun = true;
    return job_turn_state(&job->turn, &job->compute.initial, fault);
}

/* The text is of no more use; others may have its memory while this is computed. */
static enum work_next decode(struct job *job)
{
    struct fault fault;
    if (!job->begun && !take_up_sequence(job, &fault))
        return job_fail(job, &fault);
    const enum compute_decoded decoded = compute_decode(&job->compute, &fault);
    if (decoded == COMPUTE_FAILED)
        return job_fail(job, &fault);
    if (decoded == COMPUTE_MORE)
        return WORK_SLICE;
    payload_release(&job->payload);
    job->stage = JOB_COMPUTED;
    return WORK_TICKS;
}

static enum work_next reply_as_written(struct job *job)
{
    job->room = job->writer.capacity;
    reply_json(&job->reply, 200, &job->writer);
    job->reply.json_size = job->json_size;
    return WORK_DONE;
}

/* Without memory for it the answer goes as it is. */
static bool begin_packing(struct job *job)
{
    const struct json_writer *writer = &job->writer;
    if (job->coding == CODING_IDENTITY || writer->size < job->coding_from || writer->failed)
        return false;
    job->deflater = deflater_create(job->coding, writer->text, writer->size, job->budget);
    if (job->deflater == NULL)
        return false;
    job->stage = JOB_PACKING;
    return true;
}

static enum work_next pack(struct job *job)
{
    const enum deflater_progress progress = deflater_step(job->deflater);
    size_t charge;
    if (progress == DEFLATER_MORE)
        return WORK_SLICE;
    if (progress == DEFLATER_NO_GAIN)
        return reply_as_written(job);
    job->reply = (struct reply){
        .status = 200,
        .json_size = job->json_size,
        .coding = job->coding,
    };
    deflater_take(job->deflater, &job->reply.body, &job->reply.size, &charge);
    job->charge += charge;
    job->room = charge;
    return WORK_DONE;
}

static enum work_next begin_next_part(struct job *job)
{
    compute_next_part(&job->compute);
    job->stage = JOB_COMPUTED;
    return WORK_TICKS;
}

/* The waiter may take it from here on. */
static enum work_next hand_out_part(struct job *job)
{
    bool wake;
    const bool room = job_parts_put(&job->parts, job->json_size, &wake);
    if (wake)
        job->done(job->context);
    if (room)
        return begin_next_part(job);
    job->stage = JOB_PAUSED;
    return WORK_PAUSE;
}

/* The last one is handed out when everything else has been done. */
static enum work_next part_written(struct job *job, const struct infer_answer *answer)
{
    struct job_parts_slot *slot = job_parts_slot(&job->parts);
    struct fault fault;
    if (slot->writer.failed) {
        fault_set(&fault, 503, "out of memory");
        return job_fail(job, &fault);
    }
    slot->tensor_count = infer_answer_tensors(answer, slot->tensor_sizes);
    if (!compute_is_last_part(&job->compute))
        return hand_out_part(job);
    job->reply.status = 200;
    return WORK_DONE;
}

static enum work_next answer_written(struct job *job, const struct infer_answer *answer)
{
    if (begin_packing(job))
        return WORK_SLICE;
    const enum work_next next = reply_as_written(job);
    job->reply.tensor_count = infer_answer_tensors(answer, job->reply.tensor_sizes);
    return next;
}

static enum work_next encode(struct job *job)
{
    const struct codec *codec = job->message.codec;
    struct json_writer *writer =
        job->in_parts ? &job_parts_slot(&job->parts)->writer : &job->writer;
    struct infer_answer answer;
    size_t sizes[INFER_TENSOR_MAX];
    if (job->stage == JOB_COMPUTED) {
        compute_finish(&job->compute);
        codec->begin(&job->message);
        job->stage = JOB_ENCODING;
    }
    job_begin_answer(job, &answer);
    compute_answer(&job->compute, &answer);
    if (!codec->write(&job->message, writer, &answer, SLICE_NUMBERS, &job->json_size))
        return WORK_SLICE;
    if (infer_answer_tensors(&answer, sizes) == 0)
        job->json_size = 0; /* as replies say that all is JSON; binary tensors may be empty */
    return (job->in_parts ? part_written : answer_written)(job, &answer);
}

enum work_next job_go_on(struct job *job)
{
    switch (job->stage) {
    case JOB_DECODING:
        return decode(job);
    case JOB_COMPUTED:
    case JOB_ENCODING:
        return encode(job);
    case JOB_PACKING:
        return pack(job);
    case JOB_PAUSED:
        break;
    }
    return begin_next_part(job);
}

enum work_next job_slice(struct work *work)
{
    struct job *job = (struct job *)work;
    const enum work_next next = job_go_on(job);
    if (next != WORK_TICKS || add_strands(job))
        return next;
    work->computed = true;
    return WORK_SLICE;
}
