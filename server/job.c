#include "server/job.h"

#include <assert.h>
#include <stdlib.h>

#include "core/checked.h"
#include "proto/infer_message.h"
#include "proto/json_writer.h"
#include "proto/signature.h"
#include "server/clock.h"
#include "server/compute.h"
#include "server/sequence_turn.h"
#include "server/tick.h"

/* Printed in one slice: half a millisecond's work. */
#define SLICE_NUMBERS ((size_t)16 << 10)

/* With AVX2 some 50 microseconds of reading, computing and printing together: about what it takes
 * to suspend, wake a worker and resume. */
#define LIGHT_BYTES ((size_t)32 << 10)
#define LIGHT_FLOPS 2e6

enum job_stage { JOB_BEGINNING, JOB_DECODING, JOB_ENCODING };

struct job {
    struct work work; /* first: the scheduler's work is the job */
    uint64_t arrived; /* from then on its time is counted */
    struct service *service;
    const struct served_model *served;
    enum job_stage stage;
    bool light;

    bool sequenced;            /* it is one of a sequence */
    bool entered;              /* it has a turn there, and neither ran nor was submitted */
    struct sequence_turn turn; /* when sequenced, from then on */
    uint64_t steps;            /* of the sequence so far, this request's included */

    struct body body; /* what request points into */
    struct infer_request request;
    struct compute compute;
    void *block;
    struct json_writer writer;
    struct infer_answer_cursor answering;
    size_t charge; /* of the service's budget, beside body's own */
    struct reply reply;
    void (*done)(void *context);
    void *context;
};

static enum work_next slice(struct work *work);
static void end(struct work *work, enum work_end how);

static const struct work_type work_type = {.slice = slice, .end = end};

/* ---- creation ---- */

static bool fail_size(const struct job *job, struct fault *fault)
{
    return fault_set(fault, 413,
                     "the request needs more memory than the server's whole budget of %zu bytes "
                     "(max_memory_bytes)",
                     job->service->budget.limit);
}

/* Block and answer, charged and taken together. */
static bool take_memory(struct job *job, size_t block, size_t answer, struct fault *fault)
{
    size_t bytes;
    if (!checked_add(block, answer, &bytes))
        return fail_size(job, fault);
    if (!budget_take(&job->service->budget, bytes, job->charge + job->body.capacity, fault))
        return false;
    job->charge += bytes;
    job->block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, block);
    json_reserve(&job->writer, answer);
    if (job->block == NULL || job->writer.failed)
        return fault_set(fault, 503, "out of memory");
    compute_place(&job->compute, job->block);
    return true;
}

/* All but the data, which is there when it has been computed. */
static void describe_answer(const struct job *job, struct infer_answer *answer)
{
    *answer = (struct infer_answer){
        .model_name = job->served->name,
        .model_version = MODEL_VERSION,
        .id = job->request.id,
        .sequence_id = job->sequenced ? &job->request.parameters.sequence_id : NULL,
        .steps = job->steps,
    };
    compute_answer(&job->compute, answer);
    for (size_t i = 0; i < answer->output_count; i++)
        answer->outputs[i].form = infer_output_form(&job->request, i);
}

static bool is_light(const struct job *job, size_t answer)
{
    const struct binding *binding = &job->compute.binding;
    const double flops = tick_rule_flops(&job->served->lane->rule, binding->rows, binding->steps);
    return job->body.size <= LIGHT_BYTES && answer <= LIGHT_BYTES - job->body.size &&
           flops <= LIGHT_FLOPS;
}

/* The sequence's number may still have to be made, and its steps are not known. */
static bool answer_size(const struct job *job, size_t *size)
{
    const struct sequence_id widest = sequence_id_of_number(UINT64_MAX);
    struct infer_answer message;
    describe_answer(job, &message);
    if (job->sequenced && message.sequence_id->kind == SEQUENCE_ID_NONE)
        message.sequence_id = &widest;
    message.steps = UINT64_MAX;
    return infer_answer_size(&message, size);
}

static bool plan(struct job *job, struct fault *fault)
{
    size_t block, answer;
    if (!answer_size(job, &answer))
        return fail_size(job, fault);
    job->light = is_light(job, answer);
    job->work.rows = job->compute.binding.rows;
    infer_answer_begin(&job->answering);
    if (!compute_plan(&job->compute, job->light ? 0 : scheduler_team_size(job->service->scheduler),
                      &block))
        return fail_size(job, fault);
    return take_memory(job, block, answer, fault);
}

static bool parse(struct job *job, struct fault *fault)
{
    const size_t json_size = job->body.size - job->body.tail;
    const struct infer_span tail = {job->body.text + json_size, job->body.tail};
    if (!infer_request_parse(&job->request, job->body.text, json_size, &tail, tail.size != 0,
                             job->served->name, fault))
        return false;
    for (size_t i = 0; i < job->request.output_count; i++)
        if (infer_output_classification(&job->request, i) != 0)
            return fault_set(fault, 400, "classification is not available in this build");
    return true;
}

static bool is_sequenced(const struct infer_parameters *parameters)
{
    return parameters->sequence_id.kind != SEQUENCE_ID_NONE || parameters->sequence_start ||
           parameters->sequence_end;
}

/* Where the sequence's state is the one to go on with, no other may be sent. */
static bool check_states(const struct job *job, const struct binding *binding, struct fault *fault)
{
    if (!job->sequenced || job->request.parameters.sequence_start)
        return true;
    for (size_t i = 0; i < SIGNATURE_STATES_MAX; i++) {
        const struct infer_input *state =
            binding->h_0[i] != NULL ? binding->h_0[i] : binding->c_0[i];
        if (state != NULL)
            return fault_set(fault, 400,
                             "unexpected inference input '%s' for model '%s': a sequence takes "
                             "states with sequence_start only",
                             state->name, job->served->name);
    }
    return true;
}

static bool enter_sequence(struct job *job, struct fault *fault)
{
    struct infer_parameters *parameters = &job->request.parameters;
    const struct sequence_request request = {
        .owner = &job->served->sequences,
        .id = &parameters->sequence_id,
        .start = parameters->sequence_start,
        .end = parameters->sequence_end,
        .rows = job->compute.binding.rows,
    };
    job->entered =
        job->sequenced && sequence_turn_enter(&job->turn, job->service->sequences, &request,
                                              job->service->scheduler, &job->work, fault);
    return job->entered || !job->sequenced;
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

static bool prepare(struct job *job, const struct job_terms *terms, struct fault *fault)
{
    struct binding binding;
    const struct served_model *served = job->served;
    if (!parse(job, fault) ||
        !signature_bind(&served->signature, &job->request, served->name, &binding, fault))
        return false;
    job->sequenced = is_sequenced(&job->request.parameters);
    if (!check_states(job, &binding, fault))
        return false;
    job->arrived = terms->arrived;
    job->work.priority = class_of(job->request.parameters.priority);
    job->work.deadline = deadline_of(terms, job->request.parameters.timeout_us);
    compute_init(&job->compute, served->model, &served->signature, &binding);
    return plan(job, fault) && enter_sequence(job, fault);
}

/* What only the work itself needed. */
static void release_inputs(struct job *job)
{
    body_fini(&job->body);
    free(job->block);
    job->block = NULL;
    json_writer_fini(&job->writer);
}

static void destroy(struct job *job)
{
    release_inputs(job);
    reply_fini(&job->reply);
    budget_give(&job->service->budget, job->charge);
    free(job);
}

static struct job *allocate(struct service *service, const struct served_model *served, size_t held,
                            struct fault *fault)
{
    if (!budget_take(&service->budget, sizeof(struct job), held, fault))
        return NULL;
    struct job *job = malloc(sizeof *job);
    if (job == NULL) {
        budget_give(&service->budget, sizeof *job);
        fault_set(fault, 503, "out of memory");
        return NULL;
    }
    job->work = (struct work){.type = &work_type, .lane = served->lane};
    job->service = service;
    job->served = served;
    job->stage = JOB_BEGINNING;
    job->sequenced = job->entered = false;
    job->steps = 0;
    job->block = NULL;
    job->charge = sizeof *job;
    job->reply = (struct reply){0};
    json_writer_init(&job->writer);
    return job;
}

struct job *job_create(struct service *service, const struct served_model *served,
                       struct body *body, const struct job_terms *terms, struct fault *fault)
{
    struct job *job = allocate(service, served, body->capacity, fault);
    if (job == NULL) {
        body_fini(body);
        return NULL;
    }
    body_move(&job->body, body);
    if (prepare(job, terms, fault))
        return job;
    destroy(job);
    return NULL;
}

/* A turn that has yet to come is given up like any other: the end follows. */
void job_destroy(struct job *job)
{
    if (!job->entered) {
        destroy(job);
    } else if (job->turn.at_once) {
        sequence_turn_cancel(&job->turn);
        destroy(job);
    } else {
        sequence_turn_submit(&job->turn);
        job_abandon(job);
    }
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
    reply->budget = &job->service->budget;
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

/* Where a sequence goes on from. */
static bool begin(struct job *job, struct fault *fault)
{
    const float *state = NULL;
    if (job->sequenced && !sequence_turn_state(&job->turn, &state, &job->steps, fault))
        return false;
    compute_continue(&job->compute, state);
    job->steps += job->compute.binding.steps;
    job->stage = JOB_DECODING;
    return true;
}

/* The text is of no more use; others may have its memory while this is computed. */
static enum work_next decode(struct job *job)
{
    struct fault fault;
    if (job->stage == JOB_BEGINNING && !begin(job, &fault))
        return fail(job, &fault);
    const enum compute_decoded decoded = compute_decode(&job->compute, &fault);
    if (decoded == COMPUTE_FAILED)
        return fail(job, &fault);
    if (decoded == COMPUTE_MORE)
        return WORK_SLICE;
    body_fini(&job->body);
    job->stage = JOB_ENCODING;
    return WORK_TICKS;
}

static enum work_next encode(struct job *job)
{
    struct infer_answer message;
    size_t json_size;
    describe_answer(job, &message);
    if (!infer_answer_write(&job->answering, &job->writer, &message, SLICE_NUMBERS, &json_size))
        return WORK_SLICE;
    reply_json(&job->reply, 200, &job->writer);
    job->reply.json_size = json_size < job->reply.size ? json_size : 0;
    return WORK_DONE;
}

static enum work_next slice(struct work *work)
{
    struct job *job = (struct job *)work;
    if (job->stage == JOB_ENCODING)
        return encode(job);
    const enum work_next next = decode(job);
    if (next != WORK_TICKS || add_strands(job))
        return next;
    work->computed = true;
    return WORK_SLICE;
}

/* ---- counting ---- */

/* Before it was accepted it was parsed. */
static void count(const struct job *job)
{
    const struct work_times *times = &job->work.times;
    const uint64_t parsing = times->accepted - job->arrived;
    struct model_stats *stats = &job->served->lane->stats;
    const struct request_times counted = {
        .queue = times->total - times->before - times->ticks - times->after,
        .compute_input = parsing + times->before,
        .compute_infer = times->ticks,
        .compute_output = times->after,
        .request = parsing + times->total,
    };
    if (job->reply.status == 200)
        model_stats_success(stats, &counted, job->work.rows);
    else
        model_stats_failure(stats, request_failure_of(job->reply.status), counted.request);
}

/* ---- by the scheduler ---- */

/* With the new state, if somebody hears of it. */
static void leave_sequence(struct job *job, enum work_end how)
{
    const bool good = how == WORK_ANSWERED && job->reply.status == 200;
    if (job->sequenced)
        sequence_turn_leave(&job->turn, good ? job->compute.states : NULL,
                            job->compute.binding.steps);
}

static void end(struct work *work, enum work_end how)
{
    struct job *job = (struct job *)work;
    if (how == WORK_LATE)
        fail_late(job);
    leave_sequence(job, how);
    if (how == WORK_ABANDONED) {
        destroy(job);
        return;
    }
    count(job);
    release_inputs(job);
    move_charge(job);
    job->done(job->context);
}

bool job_submit(struct job *job, void (*done)(void *context), void *context, struct fault *fault)
{
    struct scheduler *scheduler = job->service->scheduler;
    job->done = done;
    job->context = context;
    if (job->sequenced) {
        job->entered = false;
        sequence_turn_submit(&job->turn);
        return true;
    }
    if (!scheduler_accept(scheduler, &job->work, fault))
        return false;
    scheduler_begin(scheduler, &job->work);
    return true;
}

bool job_abandon(struct job *job)
{
    return job->sequenced ? sequence_turn_abandon(&job->turn)
                          : scheduler_abandon(job->service->scheduler, &job->work);
}

/* ---- on the spot ---- */

bool job_is_light(const struct job *job)
{
    return job->light && (!job->sequenced || job->turn.at_once);
}

static void run(struct job *job)
{
    struct work_times *times = &job->work.times;
    enum work_next next = WORK_SLICE;
    while (next == WORK_SLICE)
        next = decode(job);
    const uint64_t decoded = clock_now();
    times->before = decoded - times->accepted;
    if (next == WORK_DONE)
        return;
    tick_run_alone(&job->compute, &job->served->lane->stats);
    const uint64_t computed = clock_now();
    times->ticks = computed - decoded;
    for (next = WORK_SLICE; next == WORK_SLICE;)
        next = encode(job);
    times->after = clock_now() - computed;
}

void job_run(struct job *job)
{
    struct work_times *times = &job->work.times;
    assert(job_is_light(job));
    times->accepted = clock_now();
    if (job->work.deadline <= times->accepted)
        fail_late(job);
    else
        run(job);
    times->total = times->before + times->ticks + times->after;
    leave_sequence(job, WORK_ANSWERED);
    if (job->entered)
        sequence_turn_cancel(&job->turn);
    job->entered = false;
    count(job);
    release_inputs(job);
    move_charge(job);
}

void job_take_reply(struct job *job, struct reply *reply)
{
    assert(job->reply.status != 0);
    *reply = job->reply;
    job->reply = (struct reply){0};
}
