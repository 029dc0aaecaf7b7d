#include "tests/bench/load_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/deadline_heap.h"
#include "tests/support/die.h"

/* A connection that failed is not tried again at once. */
#define REST_AFTER_FAILURE (100 * CLOCK_NS_PER_MS)

enum { EVENTS_MAX = 256, START = 1, END = 2, SEQUENCE_KINDS = 4 };

struct client {
    struct deadline rest; /* first: the heap's node */
    struct load_connection *connection;
    struct load_request *requests; /* [classes][SEQUENCE_KINDS] of its sequences; or NULL */
    size_t sequence_left;          /* requests of the sequence that goes on; 0: a new one begins */
    size_t class;                  /* of the request under way */
    const struct load_request *request; /* that one */
    uint64_t due;                       /* when it was due */
};

struct run {
    const struct load_options *options;
    struct load_result *result;
    struct random random;
    struct load_body bodies[LOAD_MIX_MAX];
    struct client *clients;      /* [connections] */
    struct load_request *shared; /* [classes]: requests outside sequences; or NULL */
    struct client **idle;        /* [connections]: a ring */
    size_t idle_first, idle_count;
    size_t under_way;
    struct deadline_heap resting;
    uint64_t begin, end;   /* of the measured time */
    uint64_t last_sending; /* after that nothing is sent */
    uint64_t next_arrival; /* UINT64_MAX in a closed loop */
    int epoll;
};

/* ---- requests ---- */

/* No two programs at a time use the same. */
static uint64_t sequence_id(size_t client)
{
    return ((uint64_t)getpid() << 24) + client + 1;
}

static void prepare(const struct run *run, struct load_request *request, size_t class,
                    const struct load_sequence *sequence)
{
    char opening[LOAD_OPENING_MAX];
    load_opening_write(opening, sequence, run->options->binary);
    run->options->transport->prepare(request, &run->options->target, opening, &run->bodies[class]);
}

static struct load_request *prepare_shared(const struct run *run)
{
    const size_t classes = run->options->mix.count;
    const struct load_sequence none = {0};
    struct load_request *requests = must_allocate_zeros(classes, sizeof *requests);
    for (size_t i = 0; i < classes; i++)
        prepare(run, &requests[i], i, &none);
    return requests;
}

static struct load_request *prepare_sequence(const struct run *run, uint64_t id)
{
    const size_t count = run->options->mix.count * SEQUENCE_KINDS;
    struct load_request *requests = must_allocate_zeros(count, sizeof *requests);
    for (size_t i = 0; i < count; i++) {
        const struct load_sequence sequence = {
            .id = id, .start = (i & START) != 0, .end = (i & END) != 0};
        prepare(run, &requests[i], i / SEQUENCE_KINDS, &sequence);
    }
    return requests;
}

static void free_requests(struct load_request *requests, size_t count)
{
    for (size_t i = 0; requests != NULL && i < count; i++)
        free(requests[i].pieces[0].iov_base);
    free(requests);
}

/* The next request of this client, of its class. */
static const struct load_request *next_request(const struct run *run, struct client *client)
{
    const size_t length = run->options->sequence_length;
    if (length == 0)
        return &run->shared[client->class];
    size_t kind = 0;
    if (client->sequence_left == 0) {
        client->sequence_left = length;
        kind |= START;
    }
    if (--client->sequence_left == 0)
        kind |= END;
    return &client->requests[client->class * SEQUENCE_KINDS + kind];
}

/* ---- arrivals ---- */

/* [0, 1) */
static double random_unit(struct random *random)
{
    return (double)(random_bits(random) >> 11) / 9007199254740992.0;
}

/* Between two arrivals there is an exponentially distributed time. */
static void plan_arrival(struct run *run)
{
    const double gap = -log(1 - random_unit(&run->random)) / run->options->rate;
    run->next_arrival += (uint64_t)(gap * (double)CLOCK_NS_PER_S);
}

static bool is_closed_loop(const struct run *run)
{
    return run->options->rate == 0;
}

static bool is_arrival_due(const struct run *run, uint64_t now)
{
    return run->next_arrival <= now && run->next_arrival < run->end && now < run->last_sending;
}

static void push_idle(struct run *run, struct client *client)
{
    const size_t capacity = run->options->connections;
    run->idle[(run->idle_first + run->idle_count++) % capacity] = client;
}

static struct client *take_idle(struct run *run)
{
    struct client *client = run->idle[run->idle_first];
    run->idle_first = (run->idle_first + 1) % run->options->connections;
    run->idle_count--;
    return client;
}

/* ---- counting ---- */

static void note_error(struct run *run, const struct client *client,
                       const struct load_answer *answer)
{
    struct load_result *result = run->result;
    if (result->first_error[0] == '\0')
        snprintf(result->first_error, sizeof result->first_error, "status %d: %s", answer->status,
                 answer->excerpt);
    if (client->due >= run->begin)
        result->errors++;
}

static void count(const struct run *run, const struct client *client, struct load_counts *counts,
                  uint64_t now)
{
    if (client->due >= run->begin)
        load_histogram_add(&counts->latency, now - client->due);
    if (now >= run->begin && now < run->end)
        counts->in_time++;
}

static bool is_refusal(const struct run *run, const struct load_answer *answer)
{
    return run->options->expect_503 && answer->status == 503;
}

static void count_answer(struct run *run, const struct client *client,
                         const struct load_answer *answer, uint64_t now)
{
    struct load_result *result = run->result;
    if (now >= run->begin && now < run->end) {
        result->bytes_in += answer->bytes;
        result->bytes_out += client->request->size;
    }
    if (answer->status == 200) {
        count(run, client, &result->good[client->class], now);
    } else if (is_refusal(run, answer)) {
        count(run, client, &result->refused, now);
        if (client->due >= run->begin && !answer->retry_after)
            result->refused_silently++;
    } else {
        note_error(run, client, answer);
    }
}

/* ---- one request ---- */

static void rest(struct run *run, struct client *client, uint64_t until)
{
    deadline_heap_set(&run->resting, &client->rest, until);
}

static void request_failed(struct run *run, struct client *client, const struct load_answer *answer)
{
    run->under_way--;
    client->sequence_left = 0;
    note_error(run, client, answer);
    rest(run, client, clock_now() + REST_AFTER_FAILURE);
}

static void send_request(struct run *run, struct client *client, uint64_t due)
{
    struct load_answer answer;
    const struct load_mix *mix = &run->options->mix;
    client->class = mix->count == 1 ? 0 : load_mix_pick(mix, random_unit(&run->random));
    client->due = due;
    client->request = next_request(run, client);
    run->under_way++;
    if (run->options->transport->send(client->connection, client->request, &answer) == LOAD_FAILED)
        request_failed(run, client, &answer);
}

/* What a client does that has nothing under way. */
static void client_is_free(struct run *run, struct client *client, uint64_t now)
{
    if (is_closed_loop(run)) {
        if (now < run->end)
            send_request(run, client, now);
    } else if (is_arrival_due(run, now)) {
        const uint64_t due = run->next_arrival;
        plan_arrival(run);
        send_request(run, client, due);
    } else {
        push_idle(run, client);
    }
}

/* A client that is told to come back later does, unless arrivals are none of its choice. */
static void request_answered(struct run *run, struct client *client,
                             const struct load_answer *answer)
{
    const uint64_t now = clock_now();
    run->under_way--;
    count_answer(run, client, answer, now);
    if (answer->status != 200)
        client->sequence_left = 0;
    if (is_closed_loop(run) && is_refusal(run, answer) && answer->retry_after)
        rest(run, client, now + answer->retry_after_s * CLOCK_NS_PER_S);
    else
        client_is_free(run, client, now);
}

static void make_progress(struct run *run, struct client *client, uint32_t events)
{
    struct load_answer answer;
    switch (run->options->transport->progress(client->connection, events, &answer)) {
    case LOAD_PENDING:
        break;
    case LOAD_ANSWERED:
        request_answered(run, client, &answer);
        break;
    case LOAD_FAILED:
        request_failed(run, client, &answer);
    }
}

static void handle_shared(struct run *run)
{
    struct client *client;
    if (run->options->transport->next == NULL)
        return;
    while ((client = run->options->transport->next()) != NULL)
        make_progress(run, client, 0);
}

/* ---- the loop ---- */

static void do_what_is_due(struct run *run)
{
    const uint64_t now = clock_now();
    struct deadline *first;
    while ((first = deadline_heap_first(&run->resting)) != NULL && first->at <= now) {
        deadline_heap_remove(&run->resting, first);
        client_is_free(run, (struct client *)first, now);
    }
    while (run->idle_count > 0 && is_arrival_due(run, now))
        client_is_free(run, take_idle(run), now);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The moment after which something is to be done without an event. */
static uint64_t next_moment(const struct run *run, uint64_t until)
{
    const struct deadline *first = deadline_heap_first(&run->resting);
    uint64_t moment = first != NULL ? least(first->at, until) : until;
    if (run->idle_count > 0 && run->next_arrival < run->end)
        moment = least(moment, run->next_arrival);
    return moment;
}

static int wait_for_events(const struct run *run, struct epoll_event *events, uint64_t until)
{
    const uint64_t moment = next_moment(run, until), now = clock_now();
    const struct timespec left = clock_timespec(moment > now ? moment - now : 0);
    const int ready = epoll_pwait2(run->epoll, events, EVENTS_MAX, &left, NULL);
    if (ready < 0 && errno != EINTR)
        die("lstm-load: epoll_pwait2: %s", strerror(errno));
    return ready;
}

static void turn(struct run *run, uint64_t until)
{
    struct epoll_event events[EVENTS_MAX];
    handle_shared(run);
    const int ready = wait_for_events(run, events, until);
    for (int i = 0; i < ready; i++)
        make_progress(run, events[i].data.ptr, events[i].events);
    do_what_is_due(run);
    handle_shared(run); /* so that nobody waits for an answer that is there */
}

static void run_until(struct run *run, uint64_t moment)
{
    while (clock_now() < moment)
        turn(run, moment);
}

/* Whether an arrival of the measured time has not been sent. */
static bool is_behind(const struct run *run)
{
    return !is_closed_loop(run) && run->next_arrival < run->end;
}

/* What was due is sent as connections get free, for so long; then what is under way has as long
 * again to be answered. */
static void drain(struct run *run)
{
    const uint64_t patience = (uint64_t)(run->options->drain * (double)CLOCK_NS_PER_S);
    run->last_sending = run->end + patience;
    while (is_behind(run) && clock_now() < run->last_sending)
        turn(run, run->last_sending);
    while (run->under_way > 0 && clock_now() < run->last_sending + patience)
        turn(run, run->last_sending + patience);
    run->result->unanswered = run->under_way;
    run->result->errors += run->under_way;
    for (; is_behind(run); plan_arrival(run))
        run->result->unsent++;
}

/* ---- beginning and end ---- */

static double cpu_seconds(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e-6;
}

static void open_clients(struct run *run)
{
    const struct load_options *options = run->options;
    if (options->sequence_length == 0)
        run->shared = prepare_shared(run);
    run->clients = must_allocate_zeros(options->connections, sizeof *run->clients);
    run->idle = must_allocate_zeros(options->connections, sizeof *run->idle);
    for (size_t i = 0; i < options->connections; i++) {
        struct client *client = &run->clients[i];
        client->connection = options->transport->create(&options->target, run->epoll, client);
        if (options->sequence_length > 0)
            client->requests = prepare_sequence(run, sequence_id(i));
    }
}

static void open_run(struct run *run, const struct load_model *model)
{
    const struct load_options *options = run->options;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll < 0)
        die("lstm-load: epoll_create1: %s", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1UL); /* else arrivals may be 50 us late */
    if (!deadline_heap_init(&run->resting, options->connections))
        die("lstm-load: no memory for %zu connections", options->connections);
    for (size_t i = 0; i < options->mix.count; i++)
        load_body_init(&run->bodies[i], model, options->mix.steps[i], options->batch,
                       options->binary, &run->random);
    open_clients(run);
}

static void close_run(struct run *run)
{
    const struct load_options *options = run->options;
    for (size_t i = 0; i < options->connections; i++) {
        struct client *client = &run->clients[i];
        run->result->retries += options->transport->retries(client->connection);
        options->transport->destroy(client->connection);
        free_requests(client->requests, options->mix.count * SEQUENCE_KINDS);
    }
    free_requests(run->shared, options->mix.count);
    for (size_t i = 0; i < options->mix.count; i++)
        load_body_fini(&run->bodies[i]);
    free(run->clients);
    free((void *)run->idle);
    deadline_heap_fini(&run->resting);
    close(run->epoll);
}

static void start(struct run *run)
{
    const struct load_options *options = run->options;
    const uint64_t now = clock_now();
    run->begin = now + (uint64_t)(options->warmup * (double)CLOCK_NS_PER_S);
    run->end = run->begin + (uint64_t)(options->seconds * (double)CLOCK_NS_PER_S);
    run->last_sending = UINT64_MAX;
    run->next_arrival = is_closed_loop(run) ? UINT64_MAX : now;
    if (!is_closed_loop(run))
        plan_arrival(run);
    for (size_t i = 0; i < options->connections; i++)
        client_is_free(run, &run->clients[i], now);
}

void load_run(const struct load_options *options, const struct load_model *model,
              struct load_result *result)
{
    /* A seed near its neighbours gives numbers near theirs at first; and it must not be 0. */
    struct run run = {
        .options = options, .result = result, .random = {options->seed * 0x9E3779B97F4A7C15u | 1}};
    struct rusage before, after;
    *result = (struct load_result){0};
    open_run(&run, model);
    start(&run);
    run_until(&run, run.begin);
    getrusage(RUSAGE_SELF, &before);
    run_until(&run, run.end);
    getrusage(RUSAGE_SELF, &after);
    result->own_cpu = (cpu_seconds(&after) - cpu_seconds(&before)) / options->seconds;
    drain(&run);
    close_run(&run);
}
