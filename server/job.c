#include "server/job.h"

#include <assert.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/job_state.h"
#include "server/tick.h"

/* Bytes of a reply's room that go back to the allocator: cutting off less costs more than a small
 * model's pass brings. */
#define WORTH_TRIMMING ((size_t)4 << 10)

static void end(struct work *work, enum work_end how);

const struct work_type job_work_type = {.slice = job_slice, .end = end};

static void begin_on_turn(struct job_turn *turn);
static void finish_on_turn(struct job_turn *turn);

const struct job_turn_type job_turn_type = {.begin = begin_on_turn, .finish = finish_on_turn};

/* ---- the end of it ---- */

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

/* Of a waiter that is not to be woken any more, wherever the job is. true: nobody had said how it
 * ended. */
static bool leave_parts(struct job *job)
{
    bool settled;
    if (scheduler_abandon(job->scheduler, &job->work))
        return true;
    if (job_parts_leave(&job->parts, &settled))
        destroy(job);
    return !settled;
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

static void note_end(const struct job *job)
{
    struct overload *overload = &job->served->lane->overload;
    if (overload_is_on(overload))
        overload_eased(overload, job->served->name,
                       scheduler_load(job->scheduler, job->served->lane).requests);
}

/* Gives back the room that the reply does not need, where there is enough to be worth it; what it
 * holds after that. */
static size_t trim(const struct job *job, struct reply *reply)
{
    if (job->room < reply->size + WORTH_TRIMMING)
        return reply->size > job->room ? reply->size : job->room;
    char *exact = realloc(reply->body, reply->size);
    if (exact != NULL)
        reply->body = exact;
    return reply->size;
}

/* The reply keeps of the job's charge what it holds. */
static void move_charge(struct job *job)
{
    struct reply *reply = &job->reply;
    const size_t held = trim(job, reply);
    reply->charge = held < job->charge ? held : job->charge;
    reply->budget = job->budget;
    job->charge -= reply->charge;
}

static void fail_late(struct job *job)
{
    struct fault fault;
    fault_set(&fault, 504, "Request timeout expired");
    job_fail(job, &fault);
}

/* What was given up is counted by who did that, even where the work ended by itself meanwhile. */
static bool is_given_up(struct job *job)
{
    return job->in_parts && !job_parts_settle(&job->parts);
}

/* The sequence goes on from this job's states only if they are answered. */
static void settle(struct job *job)
{
    const bool good = job->reply.status == 200;
    job_turn_leave(&job->turn, good ? job->compute.states : NULL, job->compute.binding.steps);
    count(job);
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
    if (is_given_up(job))
        job_turn_leave(&job->turn, NULL, 0);
    else
        settle(job);
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
        return job_note_refusal(job->served, job->scheduler);
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

uint64_t job_guess_ns(const struct job *job)
{
    return job->guess_ns;
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
        next = job_go_on(job);
    const uint64_t decoded = clock_now();
    job->work.times.before = decoded - now;
    return decoded;
}

/* The same. */
static uint64_t run_after(struct job *job, uint64_t now)
{
    struct work_times *times = &job->work.times;
    if (job->stage == JOB_COMPUTED) {
        while (job_go_on(job) == WORK_SLICE)
            continue;
        const uint64_t written = clock_now();
        times->after = written - now;
        now = written;
    }
    times->total = now - times->accepted;
    settle(job);
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
        .json_size = slot->json_size,
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
