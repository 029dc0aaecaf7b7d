/* From a request's bytes to a job that has all the memory it will ever need. */
#include <stdlib.h>

#include "core/checked.h"
#include "proto/binding.h"
#include "proto/json_writer.h"
#include "server/clock.h"
#include "server/job_state.h"
#include "server/preemption.h"
#include "server/tick_rule.h"

/* Some 50 microseconds of reading, computing and printing together: about what it takes to suspend,
 * wake a worker and resume. */
#define LIGHT_BYTES ((size_t)32 << 10)
#define LIGHT_NS    21000

/* Beside workers who are all at requests that take long: there it would wait for a tick's end, and
 * whatever reaches this thread would interrupt who computes it. Beside a flood of 2,000 steps,
 * requests of 32 had a p50 of 0.23 ms where it had been 0.31, a p99 of 1.4 where it had been 1.9
 * (AVX-512, 2 processors). To compute here while a worker is between two units or free, too, was
 * far worse than not at all, p99 6 ms: threads that take more time than is their fair share get it
 * late. */
#define BESIDE_BYTES ((size_t)64 << 10)
#define BESIDE_NS    100000

/* Where nobody waits meanwhile: what no second worker would be called in for. */
#define LONE_BYTES ((size_t)256 << 10)

bool job_note_refusal(struct served_model *served, struct scheduler *scheduler)
{
    const struct lane_load load = scheduler_load(scheduler, served->lane);
    preemption_give_up(clock_now());
    overload_refused(&served->lane->overload, served->name, load.requests);
    return false;
}

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

static bool is_alone(const struct job *job)
{
    return job->alone && scheduler_load(job->scheduler, job->served->lane).requests == 0;
}

static bool is_light(const struct job *job, size_t answer)
{
    const size_t request = payload_size(&job->payload);
    const size_t bytes = answer <= SIZE_MAX - request ? request + answer : SIZE_MAX;
    const struct binding *binding = &job->compute.binding;
    if (bytes <= LIGHT_BYTES && job->guess_ns <= LIGHT_NS)
        return true;
    if (bytes <= BESIDE_BYTES && job->guess_ns <= BESIDE_NS &&
        scheduler_is_at_length(job->scheduler))
        return true;
    return bytes <= LONE_BYTES &&
           !tick_rule_is_for_team(&job->served->lane->rule, binding->rows, binding->steps) &&
           is_alone(job);
}

static bool has_room(struct served_model *served, struct scheduler *scheduler, uint64_t client,
                     struct fault *fault)
{
    return scheduler_has_room(scheduler, served->lane, client, fault) ||
           job_note_refusal(served, scheduler);
}

bool job_has_room(struct served_model *served, size_t size, struct scheduler *scheduler,
                  uint64_t client, struct fault *fault)
{
    const uint64_t least_ns = tick_rule_guess_ns(&served->lane->rule, 1, 1);
    const bool perhaps_light =
        (size <= LIGHT_BYTES && least_ns <= LIGHT_NS) ||
        (size <= BESIDE_BYTES && least_ns <= BESIDE_NS && scheduler_is_at_length(scheduler));
    return perhaps_light || has_room(served, scheduler, client, fault);
}

static bool plan(struct job *job, struct fault *fault)
{
    struct infer_answer answer;
    struct job_sizes sizes;
    job_begin_answer(job, &answer);
    compute_largest_answer(&job->compute, &answer);
    if (!job->message.codec->plan(&job->message, &answer, &sizes.message, &sizes.answer))
        return fail_size(job, fault);
    job->guess_ns = tick_rule_guess_ns(&job->served->lane->rule, job->compute.binding.rows,
                                       job->compute.binding.steps);
    job->light = !job->in_parts && is_light(job, sizes.answer) && job_turn_is_now(&job->turn);
    job->work.rows = job->compute.binding.rows;
    /* The first part of a streamed answer is wanted soon, however long all of it takes. */
    job->work.expected = job->in_parts ? 0 : job->guess_ns;
    /* Before memory is taken and the wire has put the request aside to wait. */
    if (!job->light && !has_room(job->served, job->scheduler, job->work.client, fault))
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
                           TICK_WHOLE);
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
        !binding_init(&binding, &served->signature, request, served->name, fault))
        return false;
    job->arrived = terms->arrived;
    job->alone = terms->alone;
    job->work.client = terms->client;
    job->work.answered = terms->answered;
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
    job->work = (struct work){.type = &job_work_type, .lane = served->lane};
    job->served = served;
    served_model_acquire(served);
    job->stage = JOB_DECODING;
    job->in_parts = in_parts;
    job->submitted = false;
    job->begun = false;
    job_turn_init(&job->turn, &job_turn_type);
    job->block = NULL;
    job->deflater = NULL;
    job->budget = budget;
    job->charge = sizeof *job;
    job->reply = (struct reply){0};
    job->room = 0;
    json_writer_init(&job->writer);
    if (in_parts)
        job_parts_init(&job->parts);
    return job;
}

struct job *job_create(struct served_model *served, struct payload *payload, struct budget *budget,
                       struct scheduler *scheduler, struct sequences *sequences,
                       const struct job_terms *terms, struct fault *fault)
{
    struct job *job = job_has_room(served, payload_size(payload), scheduler, terms->client, fault)
                          ? allocate(served, budget, payload->held, terms->in_parts, fault)
                          : NULL;
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
