#include "server/job.h"

#include <assert.h>
#include <stdlib.h>

#include "core/checked.h"
#include "proto/json_writer.h"
#include "proto/signature.h"
#include "server/clock.h"
#include "server/compression.h"
#include "server/compute.h"
#include "server/job_parts.h"
#include "server/job_turn.h"
#include "server/tick.h"

/* Printed in one slice: half a millisecond's work. */
#define SLICE_NUMBERS ((size_t)16 << 10)

/* With AVX2 some 50 microseconds of reading, computing and printing together: about what it takes
 * to suspend, wake a worker and resume. */
#define LIGHT_BYTES ((size_t)32 << 10)
#define LIGHT_FLOPS 2e6

enum job_stage { JOB_DECODING, JOB_COMPUTED, JOB_ENCODING, JOB_PACKING, JOB_PAUSED };

struct job {
    struct work work; /* first: the scheduler's work is the job */
    uint64_t arrived; /* from then on its time is counted */
    struct scheduler *scheduler;
    struct served_model *served; /* a reference */
    enum job_stage stage;
    bool light;
    double flops; /* of it all */
    bool in_parts, submitted;
    struct payload payload; /* what message points into */
    struct message message;
    struct job_turn turn;
    bool begun; /* on its turn, the sequence's state is known */
    struct compute compute;
    void *block;
    size_t block_size;
    struct json_writer writer;
    size_t json_size; /* of the last answer that was written */
    enum content_coding coding;
    size_t coding_from;
    struct deflater *deflater; /* JOB_PACKING */
    struct job_parts parts;    /* instead of writer, when in_parts */
    struct budget *budget;
    size_t charge; /* of the budget, beside body's own */
    struct reply reply;
    void (*done)(void *context);
    void *context;
    struct request_times times; /* once it has a reply */
    enum work_end how;          /* it ended; in its sequence it may still have to be finished */
};

static enum work_next slice(struct work *work);
static void end(struct work *work, enum work_end how);

static const struct work_type work_type = {.slice = slice, .end = end};

static void begin_on_turn(struct job_turn *turn);
static void finish_on_turn(struct job_turn *turn);

static const struct job_turn_type turn_type = {.begin = begin_on_turn, .finish = finish_on_turn};

/* ---- overload ---- */

static bool note_refusal(struct served_model *served, struct scheduler *scheduler)
{
    const struct lane_load load = scheduler_load(scheduler, served->lane);
    overload_refused(&served->lane->overload, served->name, load.requests);
    return false;
}

static void note_end(const struct job *job)
{
    struct overload *overload = &job->served->lane->overload;
    if (overload_is_on(overload))
        overload_eased(overload, job->served->name,
                       scheduler_load(job->scheduler, job->served->lane).requests);
}

/* ---- creation ---- */

static bool fail_size(const struct job *job, struct fault *fault)
{
    return fault_set(fault, 413,
                     "the request needs more memory than the server's whole budget of %zu bytes "
                     "(max_memory_bytes)",
                     job->budget->limit);
}

/* Bytes: of the block, the compute's and then the message's, and of the answer. */
struct job_sizes {
    size_t compute, message, answer;
};

static bool reserve_answer(struct job *job, size_t bytes)
{
    if (job->in_parts)
        return job_parts_reserve(&job->parts, bytes);
    json_reserve(&job->writer, bytes);
    return !job->writer.failed;
}

/* All charged and taken together. */
static bool take_memory(struct job *job, const struct job_sizes *sizes, struct fault *fault)
{
    size_t block, bytes;
    if (!checked_add(sizes->compute, sizes->message, &block) ||
        !checked_add(block, MODEL_SCRATCH_ALIGNMENT - 1, &block))
        return fail_size(job, fault);
    block &= ~(size_t)(MODEL_SCRATCH_ALIGNMENT - 1);
    if (!checked_mul(sizes->answer, job->in_parts ? JOB_PARTS_ROOM : 1, &bytes) ||
        !checked_add(block, bytes, &bytes))
        return fail_size(job, fault);
    if (!budget_take(job->budget, bytes, job->charge + job->payload.held, fault))
        return false;
    job->charge += bytes;
    job->block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, block);
    job->block_size = block;
    if (job->block == NULL || !reserve_answer(job, sizes->answer))
        return fault_set(fault, 503, "out of memory");
    compute_place(&job->compute, job->block);
    job->message.codec->place(&job->message, (char *)job->block + sizes->compute);
    return true;
}

/* What stands around the outputs. */
static void begin_answer(const struct job *job, struct infer_answer *answer)
{
    const struct compute *compute = &job->compute;
    const bool final = compute_is_last_part(compute);
    *answer = (struct infer_answer){
        .model_name = job->served->name,
        .model_version = MODEL_VERSION,
        .sequence_id = &job->message.request.parameters.sequence_id,
        .steps = job->turn.steps + (final ? compute->binding.steps : compute->part_end),
        .part = {job->in_parts, compute->part_begin, final},
    };
}

static bool is_light(const struct job *job, size_t answer)
{
    const size_t request = payload_size(&job->payload);
    return request <= LIGHT_BYTES && answer <= LIGHT_BYTES - request && job->flops <= LIGHT_FLOPS;
}

static bool has_room(const struct job *job, struct fault *fault)
{
    return scheduler_has_room(job->scheduler, job->work.lane, job->work.client, fault) ||
           note_refusal(job->served, job->scheduler);
}

static bool plan(struct job *job, struct fault *fault)
{
    struct infer_answer answer;
    struct job_sizes sizes;
    begin_answer(job, &answer);
    compute_largest_answer(&job->compute, &answer);
    if (!job->message.codec->plan(&job->message, &answer, &sizes.message, &sizes.answer))
        return fail_size(job, fault);
    job->flops = tick_rule_flops(&job->served->lane->rule, job->compute.binding.rows,
                                 job->compute.binding.steps);
    job->light = !job->in_parts && is_light(job, sizes.answer) && job_turn_is_now(&job->turn);
    job->work.rows = job->compute.binding.rows;
    /* Before memory is taken and the wire has put the request aside to wait. */
    if (!job->light && !has_room(job, fault))
        return false;
    if (!compute_plan(&job->compute, scheduler_team_size(job->scheduler), job->light,
                      &sizes.compute))
        return fail_size(job, fault);
    return take_memory(job, &sizes, fault);
}

static bool parse(struct job *job, const struct codec *codec, struct fault *fault)
{
    const struct message_model model = {job->served->name, &job->served->signature};
    job->message.codec = codec;
    return codec->parse(&job->message, &job->payload.bytes, &model, fault);
}

/* As asked for; else what is half a millisecond's work. */
static size_t part_steps(const struct job *job)
{
    const uint64_t asked = job->message.request.parameters.stream_steps;
    const size_t rows = job->compute.binding.rows;
    if (asked != 0)
        return asked < SIZE_MAX ? (size_t)asked : SIZE_MAX;
    return tick_rule_steps(&job->served->lane->rule, rows < TICK_ROWS ? rows : TICK_ROWS,
                           TICK_SHORT);
}

static bool brings_states(const struct binding *binding)
{
    for (size_t i = 0; i < SIGNATURE_STATES_MAX; i++)
        if (binding->h_0[i] != NULL || binding->c_0[i] != NULL)
            return true;
    return false;
}

static enum work_class class_of(uint64_t priority)
{
    return priority == 0 ? WORK_NORMAL : priority == 1 ? WORK_HIGH : WORK_LOW;
}

/* The earlier one of the wire's and the request's own. */
static uint64_t deadline_of(const struct job_terms *terms, uint64_t timeout_us)
{
    const uint64_t left = terms->deadline > terms->arrived ? terms->deadline - terms->arrived : 0;
    if (timeout_us == 0 || timeout_us >= left / CLOCK_NS_PER_US)
        return terms->deadline;
    return terms->arrived + timeout_us * CLOCK_NS_PER_US;
}

static bool prepare(struct job *job, struct sequences *sequences, const struct job_terms *terms,
                    struct fault *fault)
{
    struct binding binding;
    const struct served_model *served = job->served;
    struct infer_request *request = &job->message.request;
    if (!parse(job, terms->codec, fault) ||
        !signature_bind(&served->signature, request, served->name, &binding, fault))
        return false;
    job->arrived = terms->arrived;
    job->work.client = terms->client;
    job->coding = terms->coding;
    job->coding_from = terms->coding_from;
    job->work.priority = class_of(request->parameters.priority);
    job->work.deadline = deadline_of(terms, request->parameters.timeout_us);
    compute_init(&job->compute, served->model, &served->signature, &binding);
    if (job->in_parts && compute_is_divisible(&job->compute))
        compute_divide(&job->compute, part_steps(job));
    return job_turn_enter(&job->turn, sequences, &served->sequences, &request->parameters,
                          binding.rows, brings_states(&binding), fault) &&
           plan(job, fault);
}

static struct job *allocate(struct served_model *served, struct budget *budget, size_t held,
                            bool in_parts, struct fault *fault)
{
    if (!budget_take(budget, sizeof(struct job), held, fault))
        return NULL;
    struct job *job = malloc(sizeof *job);
    if (job == NULL) {
        budget_give(budget, sizeof *job);
        fault_set(fault, 503, "out of memory");
        return NULL;
    }
    job->work = (struct work){.type = &work_type, .lane = served->lane};
    job->served = served;
    served_model_acquire(served);
    job->stage = JOB_DECODING;
    job->in_parts = in_parts;
    job->submitted = false;
    job->begun = false;
    job_turn_init(&job->turn, &turn_type);
    job->block = NULL;
    job->deflater = NULL;
    job->budget = budget;
    job->charge = sizeof *job;
    job->reply = (struct reply){0};
    json_writer_init(&job->writer);
    if (in_parts)
        job_parts_init(&job->parts);
    return job;
}

struct job *job_create(struct served_model *served, struct payload *payload, struct budget *budget,
                       struct scheduler *scheduler, struct sequences *sequences,
                       const struct job_terms *terms, struct fault *fault)
{
    /* What would be refused anyway is not parsed first where that takes its time. */
    const bool refused = payload_size(payload) > LIGHT_BYTES &&
                         !scheduler_has_room(scheduler, served->lane, terms->client, fault) &&
                         !note_refusal(served, scheduler);
    struct job *job =
        refused ? NULL : allocate(served, budget, payload->held, terms->in_parts, fault);
    if (job == NULL) {
        payload_release(payload);
        return NULL;
    }
    job->payload = *payload;
    *payload = (struct payload){0};
    job->scheduler = scheduler;
    if (prepare(job, sequences, terms, fault)) {
        if (job->light)
            job->work.times.accepted = clock_now();
        return job;
    }
    job_destroy(job);
    return NULL;
}

/* What only the work itself needed. */
static void release_inputs(struct job *job)
{
    payload_release(&job->payload);
    free(job->block);
    job->block = NULL;
    deflater_destroy(job->deflater);
    job->deflater = NULL;
    json_writer_fini(&job->writer);
}

static void destroy(struct job *job)
{
    job_turn_leave(&job->turn, NULL, 0);
    release_inputs(job);
    if (job->in_parts)
        job_parts_fini(&job->parts);
    reply_fini(&job->reply);
    budget_give(job->budget, job->charge);
    served_model_release(job->served);
    free(job);
}

/* Of a waiter that is not to be woken any more, wherever the job is. true: it had not ended. */
static bool leave_parts(struct job *job)
{
    if (scheduler_abandon(job->scheduler, &job->work))
        return true;
    if (job_parts_leave(&job->parts))
        destroy(job);
    return false;
}

/* What was refused or given up while nobody held it is counted by those who did that. */
static void leave_in_the_middle(struct job *job)
{
    struct served_model *served = job->served;
    const uint64_t arrived = job->arrived;
    served_model_acquire(served);
    if (leave_parts(job))
        model_stats_failure(served->lane->stats, FAILURE_CANCELED, clock_now() - arrived);
    served_model_release(served);
}

void job_destroy(struct job *job)
{
    if (job->in_parts && job->submitted) {
        leave_in_the_middle(job);
        return;
    }
    job->how = WORK_ABANDONED;
    if (job_turn_ended(&job->turn))
        destroy(job);
}

uint64_t job_deadline(const struct job *job)
{
    return job->work.deadline;
}

/* ---- stages ---- */

/* The reply keeps of the job's charge what its text really takes. */
static void move_charge(struct job *job)
{
    struct reply *reply = &job->reply;
    char *exact = reply->body != NULL ? realloc(reply->body, reply->size) : NULL;
    if (exact != NULL)
        reply->body = exact;
    reply->charge = reply->size < job->charge ? reply->size : job->charge;
    reply->budget = job->budget;
    job->charge -= reply->charge;
}

static enum work_next fail(struct job *job, const struct fault *fault)
{
    reply_fault(&job->reply, fault);
    return WORK_DONE;
}

static void fail_late(struct job *job)
{
    struct fault fault;
    fault_set(&fault, 504, "Request timeout expired");
    fail(job, &fault);
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
        return fail(job, &fault);
    const enum compute_decoded decoded = compute_decode(&job->compute, &fault);
    if (decoded == COMPUTE_FAILED)
        return fail(job, &fault);
    if (decoded == COMPUTE_MORE)
        return WORK_SLICE;
    payload_release(&job->payload);
    job->stage = JOB_COMPUTED;
    return WORK_TICKS;
}

/* 0 in replies: all of it. */
static size_t json_size_of(const struct job *job)
{
    return job->json_size < job->writer.size ? job->json_size : 0;
}

static enum work_next reply_as_written(struct job *job)
{
    const size_t json_size = json_size_of(job);
    reply_json(&job->reply, 200, &job->writer);
    job->reply.json_size = json_size;
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
        .json_size = json_size_of(job),
        .coding = job->coding,
    };
    deflater_take(job->deflater, &job->reply.body, &job->reply.size, &charge);
    job->charge += charge;
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
        return fail(job, &fault);
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
    if (job->stage == JOB_COMPUTED) {
        compute_finish(&job->compute);
        codec->begin(&job->message);
        job->stage = JOB_ENCODING;
    }
    begin_answer(job, &answer);
    compute_answer(&job->compute, &answer);
    if (!codec->write(&job->message, writer, &answer, SLICE_NUMBERS, &job->json_size))
        return WORK_SLICE;
    return (job->in_parts ? part_written : answer_written)(job, &answer);
}

static enum work_next go_on(struct job *job)
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

static enum work_next slice(struct work *work)
{
    struct job *job = (struct job *)work;
    const enum work_next next = go_on(job);
    if (next != WORK_TICKS || add_strands(job))
        return next;
    work->computed = true;
    return WORK_SLICE;
}

/* ---- counting ---- */

/* Before it was accepted it was parsed. */
static void count(struct job *job)
{
    const struct work_times *times = &job->work.times;
    const uint64_t parsing = times->accepted - job->arrived;
    struct model_stats *stats = job->served->lane->stats;
    const struct request_times counted = {
        .queue = times->total - times->before - times->ticks - times->after,
        .compute_input = parsing + times->before,
        .compute_infer = times->ticks,
        .compute_output = times->after,
        .request = parsing + times->total,
    };
    job->times = counted;
    if (job->reply.status == 200)
        model_stats_success(stats, &counted, job->work.rows);
    else
        model_stats_failure(stats, request_failure_of(job->reply.status), counted.request);
}

/* ---- by the scheduler ---- */

/* The sequence goes on from this job's states only if they are answered. */
static void leave_sequence(struct job *job)
{
    const bool good = job->reply.status == 200;
    job_turn_leave(&job->turn, good ? job->compute.states : NULL, job->compute.binding.steps);
}

/* What is left of the charge is that of the parts. */
static void end_parts(struct job *job)
{
    bool wake;
    job->charge -= job->block_size;
    budget_give(job->budget, job->block_size);
    if (!job_parts_end(&job->parts, job->json_size, &wake))
        destroy(job);
    else if (wake)
        job->done(job->context);
}

static void finish(struct job *job)
{
    if (job->how == WORK_ABANDONED) {
        destroy(job);
        return;
    }
    if (job->how == WORK_LATE)
        fail_late(job);
    leave_sequence(job);
    count(job);
    release_inputs(job);
    if (job->in_parts) {
        end_parts(job);
        return;
    }
    move_charge(job);
    job->done(job->context);
}

static void end(struct work *work, enum work_end how)
{
    struct job *job = (struct job *)work;
    job->how = how;
    note_end(job);
    if (job_turn_ended(&job->turn))
        finish(job);
}

static struct job *job_of(struct job_turn *turn)
{
    return (struct job *)((char *)turn - offsetof(struct job, turn));
}

static void begin_on_turn(struct job_turn *turn)
{
    struct job *job = job_of(turn);
    scheduler_begin(job->scheduler, &job->work);
}

static void finish_on_turn(struct job_turn *turn)
{
    finish(job_of(turn));
}

bool job_submit(struct job *job, void (*done)(void *context), void *context, struct fault *fault)
{
    job->done = done;
    job->context = context;
    if (!scheduler_accept(job->scheduler, &job->work, fault))
        return note_refusal(job->served, job->scheduler);
    job->submitted = true;
    if (job_turn_accepted(&job->turn))
        scheduler_begin(job->scheduler, &job->work);
    return true;
}

bool job_abandon(struct job *job)
{
    if (!job->in_parts)
        return scheduler_abandon(job->scheduler, &job->work);
    if (!job_parts_stop_waiting(&job->parts))
        return false;
    leave_parts(job);
    return true;
}

/* ---- on the spot ---- */

bool job_is_light(const struct job *job)
{
    return job->light;
}

double job_flops(const struct job *job)
{
    return job->flops;
}

/* Returns when it was done. */
static uint64_t run_before(struct job *job, uint64_t now)
{
    enum work_next next = WORK_SLICE;
    if (job->work.deadline <= now) {
        fail_late(job);
        return now;
    }
    while (next == WORK_SLICE)
        next = decode(job);
    const uint64_t decoded = clock_now();
    job->work.times.before = decoded - now;
    return decoded;
}

/* The same. */
static uint64_t run_after(struct job *job, uint64_t now)
{
    struct work_times *times = &job->work.times;
    if (job->stage == JOB_COMPUTED) {
        while (go_on(job) == WORK_SLICE)
            continue;
        const uint64_t written = clock_now();
        times->after = written - now;
        now = written;
    }
    times->total = now - times->accepted;
    leave_sequence(job);
    count(job);
    release_inputs(job);
    move_charge(job);
    return now;
}

void job_run(struct job *job)
{
    assert(job->light);
    uint64_t now = run_before(job, job->work.times.accepted);
    if (job->stage == JOB_COMPUTED) {
        tick_run_alone(&job->compute, job->served->lane->stats);
        const uint64_t computed = clock_now();
        job->work.times.ticks = computed - now;
        now = computed;
    }
    run_after(job, now);
}

/* Those of jobs[begin..count) that are of the first one's model, and wait to be computed. */
static size_t company_of(struct job *const *jobs, size_t begin, size_t count, struct job **company)
{
    size_t found = 0;
    for (size_t i = begin; i < count; i++)
        if (jobs[i]->stage == JOB_COMPUTED && !jobs[i]->work.computed &&
            jobs[i]->served == jobs[begin]->served)
            company[found++] = jobs[i];
    return found;
}

/* Returns when it was done. */
static uint64_t compute_together(struct job *const *jobs, size_t count, struct tick_batch *batch,
                                 uint64_t now)
{
    struct compute *computes[JOB_TOGETHER_MAX];
    for (size_t i = 0; i < count; i++)
        computes[i] = &jobs[i]->compute;
    tick_batch_run(batch, computes, count, jobs[0]->served->lane);
    const uint64_t computed = clock_now();
    for (size_t i = 0; i < count; i++) {
        jobs[i]->work.computed = true;
        jobs[i]->work.times.ticks = computed - now;
    }
    return computed;
}

void job_run_together(struct job *const *jobs, size_t count, struct tick_batch *batch)
{
    struct job *company[JOB_TOGETHER_MAX];
    uint64_t now = clock_now();
    assert(count <= JOB_TOGETHER_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(jobs[i]->light);
        now = run_before(jobs[i], now);
    }
    for (size_t i = 0; i < count; i++)
        if (jobs[i]->stage == JOB_COMPUTED && !jobs[i]->work.computed)
            now = compute_together(company, company_of(jobs, i, count, company), batch, now);
    for (size_t i = 0; i < count; i++)
        now = run_after(jobs[i], now);
}

const struct request_times *job_times(const struct job *job)
{
    return &job->times;
}

void job_take_reply(struct job *job, struct reply *reply)
{
    assert(job->reply.status != 0);
    *reply = job->reply;
    job->reply = (struct reply){0};
}

/* ---- in parts ---- */

static void show_part(const struct job_parts_slot *slot, struct job_part *part)
{
    const struct json_writer *writer = &slot->writer;
    *part = (struct job_part){
        .status = 200,
        .body = writer->text,
        .size = writer->size,
        .json_size = slot->json_size < writer->size ? slot->json_size : 0,
        .tensor_count = slot->tensor_count,
        .tensor_sizes = slot->tensor_sizes,
    };
}

static void show_error(const struct reply *reply, struct job_part *part)
{
    *part = (struct job_part){
        .status = reply->status,
        .body = reply->body,
        .size = reply->size,
    };
}

enum job_part_taken job_take_part(struct job *job, struct job_part *part)
{
    const struct job_parts_slot *slot;
    bool resume;
    const enum job_parts_taken taken = job_parts_take(&job->parts, &slot, &resume);
    if (resume)
        scheduler_resume(job->scheduler, &job->work);
    switch (taken) {
    case JOB_PARTS_NONE:
        return JOB_NO_PART;
    case JOB_PARTS_ONE:
        show_part(slot, part);
        return JOB_PART;
    case JOB_PARTS_LAST:
        break;
    }
    if (job->reply.status == 200)
        show_part(slot, part);
    else
        show_error(&job->reply, part);
    return JOB_LAST_PART;
}

void job_wait(struct job *job)
{
    if (!job_parts_wait(&job->parts))
        job->done(job->context);
}
