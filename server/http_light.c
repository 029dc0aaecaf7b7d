/* Light requests, computed by the thread that has read them. Those that come together are computed
 * together: each is held, without an answer, and the library, which is done with all that were
 * ready before it comes back to the first one, then has it run them all. A pass reads a model's
 * weights once for all its rows; for a small model's lone row reading them takes longer than
 * computing.
 *
 * Who is held is not suspended. The library asks a handler that has not answered again on its next
 * round, which waits for nothing then: just what is wanted here, and two system calls fewer for
 * each request than suspending and resuming. */
#include "server/http_exchange.h"

/* Who is held waits for the library's next round. So when one was and no other came, some more are
 * computed as they come: 1, 3, 7... up to so many each time that it happens again. */
#define UNHELD_MAX 255

static bool is_worth_holding(const struct http_thread *thread)
{
    return thread->light.unheld == 0 && thread->light.batch.row_limit > 1 &&
           connections_count(thread->http->connections) > thread->http->config.threads;
}

/* Who is held holds memory, which others may want before it is answered. */
static bool is_memory_short(const struct exchange *exchange)
{
    const struct budget *budget = &exchange->http->service->budget;
    return atomic_load_explicit(&budget->used, memory_order_relaxed) > budget->limit / 4;
}

static bool has_room(const struct http_light *light, const struct exchange *exchange)
{
    return light->count < JOB_TOGETHER_MAX - 1 &&
           light->guess_ns + job_guess_ns(exchange->job) <= JOB_TOGETHER_NS &&
           !is_memory_short(exchange);
}

static void add(struct http_light *light, struct exchange *exchange)
{
    light->held[light->count++] = exchange;
    light->guess_ns += job_guess_ns(exchange->job);
    exchange->held = true;
}

/* All that are held; each is answered when the library comes back to it. */
static void run(struct http_light *light)
{
    struct job *jobs[JOB_TOGETHER_MAX] = {0};
    const size_t count = light->count;
    for (size_t i = 0; i < count; i++)
        jobs[i] = light->held[i]->job;
    light->count = 0;
    light->guess_ns = 0;
    light->pause = count > 1 ? 0 : light->pause < UNHELD_MAX ? 2 * light->pause + 1 : UNHELD_MAX;
    light->unheld = light->pause;
    job_run_together(jobs, count, &light->batch);
    for (size_t i = 0; i < count; i++)
        light->held[i]->held = false;
}

static bool run_alone(struct exchange *exchange)
{
    job_run(exchange->job);
    return http_infer_send(exchange);
}

static bool run_with_held(struct http_light *light, struct exchange *exchange)
{
    add(light, exchange);
    run(light);
    return http_infer_send(exchange);
}

static bool hold(struct http_light *light, struct exchange *exchange)
{
    exchange->state = WORK;
    add(light, exchange);
    return true;
}

bool http_light_start(struct exchange *exchange)
{
    struct http_light *light = &exchange->thread->light;
    const bool room = has_room(light, exchange);
    if (light->count > 0)
        return room ? hold(light, exchange) : run_with_held(light, exchange);
    if (room && is_worth_holding(exchange->thread))
        return hold(light, exchange);
    if (light->unheld > 0)
        light->unheld--;
    return run_alone(exchange);
}

void http_light_finish(const struct exchange *exchange)
{
    if (exchange->held)
        run(&exchange->thread->light);
}
