#include "server/job.h"

#include <assert.h>
#include <stdlib.h>

#include "core/checked.h"
#include "proto/float_text.h"
#include "proto/infer_message.h"
#include "proto/json_writer.h"
#include "proto/signature.h"
#include "server/compute.h"

/* An answer's text beside its numbers: names, shapes and braces, all of them short, and an id whose
 * every byte may become six. */
#define ANSWER_TEXT_FIXED   (1024 + 6 * (size_t)INFER_ID_MAX)
#define ANSWER_TEXT_TENSOR  (512 + 6 * (size_t)TENSOR_NAME_MAX)
#define ANSWER_TEXT_ELEMENT ((size_t)FLOAT_TEXT_MAX + 1)

/* With AVX2 some 50 microseconds of reading, computing and printing together: about what it takes
 * to suspend, wake a worker and resume. */
#define LIGHT_BYTES ((size_t)32 << 10)
#define LIGHT_FLOPS 1e6

struct job {
    struct pool_task task; /* first: the pool's task is the job */
    struct pool *pool;
    const struct served_model *served;
    struct body body; /* what request points into */
    struct infer_request request;
    struct compute compute;
    void *block;
    struct json_writer writer;
    size_t text_size; /* at most so long is the answer's text */
    struct budget *budget;
    size_t charge; /* of the budget, beside body's own */
    struct reply reply;

    /* Set by the first of worker (reply is there) and waiter (gives up); the other finds it set. */
    atomic_bool settled;
    void (*done)(void *context);
    void *context;
};

/* ---- creation ---- */

static bool answer_text_size(const struct binding *binding, size_t *size)
{
    size_t numbers;
    return checked_mul(binding->output_elements, ANSWER_TEXT_ELEMENT, &numbers) &&
           checked_add(numbers, ANSWER_TEXT_FIXED + binding->output_count * ANSWER_TEXT_TENSOR,
                       size);
}

static bool fail_size(const struct job *job, struct fault *fault)
{
    return fault_set(fault, 413,
                     "the request needs more memory than the server's whole budget of %zu bytes "
                     "(max_memory_bytes)",
                     job->budget->limit);
}

/* Block and text, charged and taken together. */
static bool take_memory(struct job *job, size_t block, size_t text, struct fault *fault)
{
    size_t bytes;
    if (!checked_add(block, text, &bytes))
        return fail_size(job, fault);
    if (!budget_take(job->budget, bytes, job->charge + job->body.capacity, fault))
        return false;
    job->charge += bytes;
    job->text_size = text;
    job->block = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, block);
    json_reserve(&job->writer, text);
    if (job->block == NULL || job->writer.failed)
        return fault_set(fault, 503, "out of memory");
    compute_place(&job->compute, job->block);
    return true;
}

static bool prepare(struct job *job, struct fault *fault)
{
    struct binding binding;
    size_t block, text;
    const struct served_model *served = job->served;
    const struct infer_parameters *parameters = &job->request.parameters;
    const size_t json_size = job->body.size - job->body.tail;
    const struct infer_span tail = {job->body.text + json_size, job->body.tail};
    if (!infer_request_parse(&job->request, job->body.text, json_size, &tail, tail.size != 0,
                             served->name, fault))
        return false;
    for (size_t i = 0; i < job->request.output_count; i++)
        if (infer_output_classification(&job->request, i) != 0)
            return fault_set(fault, 400, "classification is not available in this build");
    if (parameters->sequence_id.kind != SEQUENCE_ID_NONE || parameters->sequence_start ||
        parameters->sequence_end)
        return fault_set(fault, 400,
                         "parameters: sequences kept by the server are not available in this "
                         "build; send h_0 and c_0");
    if (!signature_bind(&served->signature, &job->request, served->name, &binding, fault))
        return false;
    if (!compute_plan(&job->compute, served->model, &served->signature, &binding, job->pool,
                      &block) ||
        !answer_text_size(&binding, &text))
        return fail_size(job, fault);
    return take_memory(job, block, text, fault);
}

static struct job *allocate(const struct served_model *served, struct budget *budget, size_t held,
                            struct fault *fault)
{
    if (!budget_take(budget, sizeof(struct job), held, fault))
        return NULL;
    struct job *job = malloc(sizeof *job);
    if (job == NULL) {
        budget_give(budget, sizeof *job);
        fault_set(fault, 503, "out of memory");
        return NULL;
    }
    job->pool = NULL;
    job->served = served;
    job->block = NULL;
    job->budget = budget;
    job->charge = sizeof *job;
    job->reply = (struct reply){0};
    json_writer_init(&job->writer);
    atomic_init(&job->settled, false);
    return job;
}

struct job *job_create(const struct served_model *served, struct body *body, struct budget *budget,
                       struct pool *pool, struct fault *fault)
{
    struct job *job = allocate(served, budget, body->capacity, fault);
    if (job == NULL) {
        body_fini(body);
        return NULL;
    }
    body_move(&job->body, body);
    job->pool = pool;
    if (prepare(job, fault))
        return job;
    job_destroy(job);
    return NULL;
}

/* What only the work itself needed. */
static void release_inputs(struct job *job)
{
    body_fini(&job->body);
    free(job->block);
    job->block = NULL;
    json_writer_fini(&job->writer);
}

void job_destroy(struct job *job)
{
    release_inputs(job);
    reply_fini(&job->reply);
    budget_give(job->budget, job->charge);
    free(job);
}

/* ---- work ---- */

bool job_is_light(const struct job *job)
{
    const struct binding *binding = &job->compute.binding;
    const double flops =
        model_flops_per_step(job->served->model) * (double)binding->steps * (double)binding->rows;
    return job->body.size + job->text_size <= LIGHT_BYTES && flops <= LIGHT_FLOPS;
}

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

static void answer(struct job *job)
{
    struct infer_answer message = {
        .model_name = job->served->name,
        .model_version = MODEL_VERSION,
        .id = job->request.id,
    };
    struct infer_answer_cursor cursor;
    size_t json_size;
    compute_answer(&job->compute, &message);
    for (size_t i = 0; i < message.output_count; i++)
        message.outputs[i].form = infer_output_form(&job->request, i);
    infer_answer_begin(&cursor);
    while (!infer_answer_write(&cursor, &job->writer, &message, SIZE_MAX, &json_size))
        ;
    reply_json(&job->reply, 200, &job->writer);
    job->reply.json_size = json_size < job->reply.size ? json_size : 0;
}

void job_run(struct job *job)
{
    struct fault fault;
    if (!compute_decode(&job->compute, &fault))
        reply_fault(&job->reply, &fault);
    else if (compute_run(&job->compute, &job->settled))
        answer(job);
    release_inputs(job);
    move_charge(job);
}

static void work(struct pool_task *task)
{
    struct job *job = (struct job *)task;
    job_run(job);
    if (atomic_exchange(&job->settled, true))
        job_destroy(job);
    else
        job->done(job->context);
}

bool job_submit(struct job *job, void (*done)(void *context), void *context, struct fault *fault)
{
    job->task = (struct pool_task){.run = work};
    job->done = done;
    job->context = context;
    return pool_submit(job->pool, &job->task) ||
           fault_set(fault, 503, "Exceeds maximum queue size");
}

bool job_withdraw(struct job *job)
{
    if (!pool_remove(job->pool, &job->task))
        return false;
    job_destroy(job);
    return true;
}

bool job_abandon(struct job *job)
{
    return job_withdraw(job) || !atomic_exchange(&job->settled, true);
}

void job_take_reply(struct job *job, struct reply *reply)
{
    assert(job->reply.status != 0);
    *reply = job->reply;
    job->reply = (struct reply){0};
}
