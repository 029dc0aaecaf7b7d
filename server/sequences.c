#include "server/sequences.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/sequence_steps.h"
#include "server/clock.h"
#include "server/deadline_heap.h"
#include "server/events.h"
#include "server/random_number.h"
#include "server/sequence_index.h"

/* The longest that the lock is held for the sake of eviction. */
#define EVICTED_AT_ONCE 64

/* alive to steps change only when the first ticket leaves, so its holder reads them without the
 * lock; so it does state's numbers, which it also writes before it takes the lock to leave. */
struct sequence {
    struct sequence_node node;            /* first: the index's node is the sequence */
    struct deadline idle_end;             /* in the heap while at rest, if there is a time-out */
    struct sequence_ticket *first, *last; /* it is the first's turn */
    bool alive;   /* a start has been completed; else there are tickets and no state */
    bool retired; /* it is of a model that is served no more */
    uint64_t layout;
    size_t rows, state_size;
    float *state; /* [rows][state_size] */
    uint64_t steps;
    uint64_t rest_since;
    uint64_t idle_timeout; /* ns, 0: never */
};

struct sequences {
    struct sequences_config config;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* an idle_end came before alarm, or woken */
    struct sequence_index index;
    struct deadline_heap idle_ends;
    uint64_t alarm; /* until then sleeps who evicts; 0: it does not */
    bool woken;
    size_t count; /* sequences in the index */
    struct sequences_counts counts;
};

/* ---- creation ---- */

bool sequences_create(struct sequences **created, const struct sequences_config *config,
                      struct fault *fault)
{
    struct sequences *sequences = calloc(1, sizeof *sequences);
    if (sequences == NULL)
        return fault_set(fault, 503, "out of memory");
    sequences->config = *config;
    sequence_index_init(&sequences->index, random_number());
    if (!deadline_heap_init(&sequences->idle_ends, config->count_limit)) {
        free(sequences);
        return fault_set(fault, 503, "no memory for a table of %zu sequences (sequence_limit)",
                         config->count_limit);
    }
    pthread_mutex_init(&sequences->lock, NULL);
    pthread_cond_init(&sequences->wake, NULL);
    *created = sequences;
    return true;
}

/* ---- memory ---- */

/* A limit of bytes counts what was asked of malloc. */
static bool take_bytes(struct sequences *sequences, size_t bytes, struct fault *fault)
{
    const struct sequences_config *config = &sequences->config;
    if (bytes > config->bytes_limit - sequences->counts.bytes)
        return fault_set(fault, 503,
                         "the states of all sequences together may take %zu bytes "
                         "(sequence_bytes_limit)",
                         config->bytes_limit);
    sequences->counts.bytes += bytes;
    return true;
}

static size_t state_bytes(size_t rows, size_t state_size)
{
    return rows * state_size * sizeof(float);
}

/* NULL: 503. A state of no rows has an address too. */
static float *take_state(struct sequences *sequences, size_t rows, size_t state_size,
                         struct fault *fault)
{
    size_t bytes;
    if (!checked_mul(rows, state_size, &bytes) || !checked_mul(bytes, sizeof(float), &bytes))
        bytes = SIZE_MAX;
    if (!take_bytes(sequences, bytes, fault))
        return NULL;
    float *state = malloc(bytes != 0 ? bytes : 1);
    if (state == NULL) {
        sequences->counts.bytes -= bytes;
        fault_set(fault, 503, "out of memory");
    }
    return state;
}

static void give_state(struct sequences *sequences, float *state, size_t rows, size_t state_size)
{
    if (state == NULL)
        return;
    sequences->counts.bytes -= state_bytes(rows, state_size);
    free(state);
}

static struct sequence *take_sequence(struct sequences *sequences, struct fault *fault)
{
    if (sequences->count >= sequences->config.count_limit) {
        fault_set(fault, 503, "there are %zu sequences already (sequence_limit)", sequences->count);
        return NULL;
    }
    if (!take_bytes(sequences, sizeof(struct sequence), fault))
        return NULL;
    struct sequence *sequence = calloc(1, sizeof *sequence);
    if (sequence == NULL) {
        sequences->counts.bytes -= sizeof *sequence;
        fault_set(fault, 503, "out of memory");
    }
    return sequence;
}

static void give_sequence(struct sequences *sequences, struct sequence *sequence)
{
    give_state(sequences, sequence->state, sequence->rows, sequence->state_size);
    sequences->counts.bytes -= sizeof *sequence;
    free(sequence);
}

static void drop_sequence(struct sequences *sequences, struct sequence *sequence)
{
    assert(sequence->first == NULL);
    deadline_heap_remove(&sequences->idle_ends, &sequence->idle_end);
    sequence_index_remove(&sequences->index, &sequence->node);
    sequences->count--;
    give_sequence(sequences, sequence);
}

void sequences_destroy(struct sequences *sequences)
{
    while (sequences->index.head.next[0] != NULL)
        drop_sequence(sequences, (struct sequence *)sequences->index.head.next[0]);
    assert(sequences->count == 0 && sequences->counts.bytes == 0);
    deadline_heap_fini(&sequences->idle_ends);
    pthread_cond_destroy(&sequences->wake);
    pthread_mutex_destroy(&sequences->lock);
    free(sequences);
}

/* ---- eviction ---- */

static struct sequence *first_to_evict(const struct sequences *sequences)
{
    struct deadline *first = deadline_heap_first(&sequences->idle_ends);
    return first == NULL ? NULL
                         : (struct sequence *)((char *)first - offsetof(struct sequence, idle_end));
}

static void drop_evicted(struct sequences *sequences, struct sequence *sequence)
{
    events_tell(EVENT_SEQUENCE_EVICTED, sequence->node.model_name, &sequence->node.id);
    drop_sequence(sequences, sequence);
    sequences->counts.evicted++;
    sequences->counts.alive--;
}

/* At most EVICTED_AT_ONCE. */
static void evict(struct sequences *sequences, uint64_t now)
{
    for (size_t i = 0; i < EVICTED_AT_ONCE; i++) {
        struct sequence *sequence = first_to_evict(sequences);
        if (sequence == NULL || sequence->idle_end.at > now)
            break;
        drop_evicted(sequences, sequence);
    }
}

uint64_t sequences_evict_idle(struct sequences *sequences, uint64_t now)
{
    uint64_t next;
    do {
        pthread_mutex_lock(&sequences->lock);
        evict(sequences, now);
        const struct sequence *first = first_to_evict(sequences);
        next = first != NULL ? first->idle_end.at : UINT64_MAX;
        pthread_mutex_unlock(&sequences->lock);
    } while (next <= now);
    return next;
}

bool sequences_sleep(struct sequences *sequences, uint64_t until)
{
    const struct timespec at = clock_timespec(until);
    pthread_mutex_lock(&sequences->lock);
    sequences->alarm = until;
    const struct deadline *first = deadline_heap_first(&sequences->idle_ends);
    if (first != NULL && first->at < until)
        sequences->alarm = first->at;
    while (!sequences->woken && sequences->alarm == until && clock_now() < until) {
        if (until == UINT64_MAX)
            pthread_cond_wait(&sequences->wake, &sequences->lock);
        else
            pthread_cond_clockwait(&sequences->wake, &sequences->lock, CLOCK_MONOTONIC, &at);
    }
    sequences->alarm = 0;
    const bool awake = !sequences->woken;
    pthread_mutex_unlock(&sequences->lock);
    return awake;
}

void sequences_wake(struct sequences *sequences)
{
    pthread_mutex_lock(&sequences->lock);
    sequences->woken = true;
    pthread_cond_signal(&sequences->wake);
    pthread_mutex_unlock(&sequences->lock);
}

/* The last ticket has left: time runs. */
static void rest(struct sequences *sequences, struct sequence *sequence)
{
    sequence->rest_since = clock_now();
    if (sequence->idle_timeout == 0)
        return;
    const uint64_t end = sequence->rest_since + sequence->idle_timeout;
    deadline_heap_set(&sequences->idle_ends, &sequence->idle_end, end);
    if (end < sequences->alarm) {
        sequences->alarm = end;
        pthread_cond_signal(&sequences->wake);
    }
}

/* ---- tickets ---- */

/* What the tickets that wait will make of the sequence, each of them successful. */
struct outlook {
    bool possible; /* that it is alive, if one or the other fails too */
    bool alive;
    size_t rows, state_size;
    uint64_t layout;
};

static struct outlook look_now(const struct sequence *sequence)
{
    return (struct outlook){sequence->alive, sequence->alive, sequence->rows, sequence->state_size,
                            sequence->layout};
}

static struct outlook look_ahead(const struct sequence *sequence)
{
    struct outlook outlook = look_now(sequence);
    for (const struct sequence_ticket *t = sequence->first; t != NULL; t = t->behind) {
        if (t->start) {
            outlook.possible = true;
            outlook.rows = t->rows;
            outlook.state_size = t->owner->state_size;
            outlook.layout = t->owner->layout;
        }
        outlook.alive = (outlook.alive || t->start) && !t->end;
    }
    return outlook;
}

static bool check_causal(const struct sequence_owner *owner, struct fault *fault)
{
    return owner->causal ||
           fault_set(fault, 400,
                     "model '%s' is not causal: what it answers to a step depends on later steps "
                     "too, as with bidirectional layers, so a sequence has to be sent whole and "
                     "no state of it can be kept between requests",
                     owner->model_name);
}

static bool fail_unknown(const struct sequence_owner *owner, const struct sequence_id *id,
                         struct fault *fault)
{
    return fault_set(fault, 404,
                     "inference request for sequence %s to model '%s' must specify the START flag "
                     "on the first request of the sequence: there is no such sequence",
                     sequence_id_excerpt(id).text, owner->model_name);
}

static bool fail_alive(const struct sequence_owner *owner, const struct sequence_id *id,
                       struct fault *fault)
{
    return fault_set(fault, 409,
                     "sequence %s of model '%s' is alive: it has to end before it may start anew",
                     sequence_id_excerpt(id).text, owner->model_name);
}

static bool fail_rows(const struct sequence_owner *owner, const struct sequence_id *id,
                      size_t expected, size_t got, struct fault *fault)
{
    return fault_set(fault, 400, "sequence %s of model '%s': %zu rows expected as before, got %zu",
                     sequence_id_excerpt(id).text, owner->model_name, expected, got);
}

/* A model that was loaded anew may have another state: its old sequences are unknown to it. */
static bool is_of(const struct sequence_owner *owner, size_t state_size, uint64_t layout)
{
    return state_size == owner->state_size && layout == owner->layout;
}

static bool check_continuation(const struct sequence_owner *owner, const struct sequence_id *id,
                               const struct outlook *outlook, size_t rows, struct fault *fault)
{
    if (!outlook->possible || !is_of(owner, outlook->state_size, outlook->layout))
        return fail_unknown(owner, id, fault);
    return outlook->rows == rows || fail_rows(owner, id, outlook->rows, rows, fault);
}

static void join(struct sequences *sequences, struct sequence *sequence,
                 struct sequence_ticket *ticket)
{
    deadline_heap_remove(&sequences->idle_ends, &sequence->idle_end);
    ticket->sequence = sequence;
    ticket->before = sequence->last;
    ticket->behind = NULL;
    if (sequence->last != NULL)
        sequence->last->behind = ticket;
    else
        sequence->first = ticket;
    sequence->last = ticket;
}

static void part(struct sequence *sequence, struct sequence_ticket *ticket)
{
    if (ticket->before != NULL)
        ticket->before->behind = ticket->behind;
    else
        sequence->first = ticket->behind;
    if (ticket->behind != NULL)
        ticket->behind->before = ticket->before;
    else
        sequence->last = ticket->before;
}

/* A sequence that is not alive yet. */
static struct sequence *add_sequence(struct sequences *sequences,
                                     const struct sequence_owner *owner,
                                     const struct sequence_id *id, size_t rows, struct fault *fault)
{
    struct sequence *sequence = take_sequence(sequences, fault);
    if (sequence == NULL)
        return NULL;
    sequence->rows = rows;
    sequence->state_size = owner->state_size;
    sequence->layout = owner->layout;
    sequence->state = take_state(sequences, rows, owner->state_size, fault);
    if (sequence->state == NULL) {
        give_sequence(sequences, sequence);
        return NULL;
    }
    memcpy(sequence->node.model_name, owner->model_name, strlen(owner->model_name) + 1);
    sequence->node.id = *id;
    sequence_index_add(&sequences->index, &sequence->node);
    sequences->count++;
    return sequence;
}

/* A state that somebody may still need is not written over: the start takes memory of its own. One
 * at rest of the right size is needed by nobody once the start is successful. */
static bool prepare_start(struct sequences *sequences, const struct sequence_owner *owner,
                          const struct sequence_id *id, struct sequence **sequence,
                          struct sequence_ticket *ticket, struct fault *fault)
{
    if (*sequence == NULL) {
        *sequence = add_sequence(sequences, owner, id, ticket->rows, fault);
        return *sequence != NULL;
    }
    const struct sequence *found = *sequence;
    if (found->first == NULL && found->rows == ticket->rows &&
        found->state_size == owner->state_size)
        return true;
    ticket->fresh = take_state(sequences, ticket->rows, owner->state_size, fault);
    return ticket->fresh != NULL;
}

static struct sequence *find(struct sequences *sequences, const struct sequence_owner *owner,
                             const struct sequence_id *id)
{
    return (struct sequence *)sequence_index_find(&sequences->index, owner->model_name, id);
}

/* JavaScript's numbers hold whole ones below 2^53. */
static struct sequence_id make_id(struct sequences *sequences, const struct sequence_owner *owner)
{
    struct sequence_id id;
    do
        id = sequence_id_of_number(random_number() >> 11);
    while (id.kind == SEQUENCE_ID_NONE || find(sequences, owner, &id) != NULL);
    return id;
}

static bool start(struct sequences *sequences, const struct sequence_owner *owner,
                  const struct sequence_id *id, struct sequence *sequence,
                  struct sequence_ticket *ticket, struct fault *fault)
{
    struct fault full;
    if (!prepare_start(sequences, owner, id, &sequence, ticket, &full)) {
        evict(sequences, clock_now()); /* of those that are due; this one may be among them */
        sequence = find(sequences, owner, id);
        if (!prepare_start(sequences, owner, id, &sequence, ticket, fault)) {
            sequences->counts.rejected++;
            return false;
        }
    }
    sequence->idle_timeout =
        owner->idle_timeout != 0 ? owner->idle_timeout : sequences->config.idle_timeout;
    join(sequences, sequence, ticket);
    return true;
}

static bool admit(struct sequences *sequences, const struct sequence_id *id,
                  struct sequence_ticket *ticket, struct fault *fault)
{
    const struct sequence_owner *owner = ticket->owner;
    struct sequence *sequence = find(sequences, owner, id);
    const struct outlook outlook =
        sequence != NULL ? look_ahead(sequence) : (struct outlook){.possible = false};
    if (ticket->start) {
        if (owner->strict && outlook.alive)
            return fail_alive(owner, id, fault);
        return start(sequences, owner, id, sequence, ticket, fault);
    }
    if (!check_continuation(owner, id, &outlook, ticket->rows, fault))
        return false;
    join(sequences, sequence, ticket);
    return true;
}

static void set_ticket(struct sequence_ticket *ticket, const struct sequence_owner *owner,
                       bool start, bool end, size_t rows)
{
    ticket->owner = owner;
    ticket->start = start;
    ticket->end = end;
    ticket->rows = rows;
    ticket->fresh = NULL;
}

bool sequences_enter(struct sequences *sequences, const struct sequence_owner *owner,
                     struct sequence_id *id, bool start, bool end, size_t rows,
                     struct sequence_ticket *ticket, bool *now, struct fault *fault)
{
    if (!check_causal(owner, fault))
        return false;
    if (id->kind == SEQUENCE_ID_NONE && !start)
        return fault_set(fault, 400,
                         "inference request to model '%s' must specify a non-zero or non-empty "
                         "correlation ID, or sequence_start to be given one",
                         owner->model_name);
    set_ticket(ticket, owner, start, end, rows);
    pthread_mutex_lock(&sequences->lock);
    const struct sequence_id named = id->kind != SEQUENCE_ID_NONE ? *id : make_id(sequences, owner);
    const bool admitted = admit(sequences, &named, ticket, fault);
    if (admitted) {
        *id = named;
        *now = ticket->sequence->first == ticket;
    }
    pthread_mutex_unlock(&sequences->lock);
    return admitted;
}

static bool admit_at_rest(struct sequences *sequences, const struct sequence_id *id,
                          struct sequence_ticket *ticket, struct fault *fault)
{
    const struct sequence_owner *owner = ticket->owner;
    struct sequence *sequence = find(sequences, owner, id);
    if (sequence != NULL && sequence->first != NULL)
        return fault_set(fault, 409,
                         "sequence %s of model '%s' has requests running or waiting, try again",
                         sequence_id_excerpt(id).text, owner->model_name);
    if (ticket->start)
        return start(sequences, owner, id, sequence, ticket, fault);
    if (sequence == NULL || !is_of(owner, sequence->state_size, sequence->layout))
        return fault_set(fault, 404, "model '%s' has no sequence %s", owner->model_name,
                         sequence_id_excerpt(id).text);
    ticket->rows = sequence->rows;
    join(sequences, sequence, ticket);
    return true;
}

bool sequences_enter_at_rest(struct sequences *sequences, const struct sequence_owner *owner,
                             const struct sequence_id *id, bool start, bool end, size_t rows,
                             struct sequence_ticket *ticket, struct fault *fault)
{
    assert(id->kind != SEQUENCE_ID_NONE);
    if (!check_causal(owner, fault))
        return false;
    set_ticket(ticket, owner, start, end, rows);
    pthread_mutex_lock(&sequences->lock);
    const bool admitted = admit_at_rest(sequences, id, ticket, fault);
    pthread_mutex_unlock(&sequences->lock);
    return admitted;
}

bool sequences_state(const struct sequence_ticket *ticket, const float **state, uint64_t *steps,
                     struct fault *fault)
{
    const struct sequence *sequence = ticket->sequence;
    const struct sequence_owner *owner = ticket->owner;
    const struct sequence_id *id = &sequence->node.id;
    assert(sequence->first == ticket);
    if (ticket->start) {
        if (owner->strict && sequence->alive)
            return fail_alive(owner, id, fault);
        *state = NULL;
        *steps = 0;
        return true;
    }
    const struct outlook now = look_now(sequence);
    if (!check_continuation(owner, id, &now, ticket->rows, fault))
        return false;
    *state = sequence->state;
    *steps = sequence->steps;
    return true;
}

size_t sequences_rows(const struct sequence_ticket *ticket)
{
    return ticket->rows;
}

/* ---- leaving ---- */

/* The state's numbers are in their place already. */
static void complete_start(struct sequences *sequences, struct sequence *sequence,
                           struct sequence_ticket *ticket)
{
    if (ticket->fresh != NULL) {
        give_state(sequences, sequence->state, sequence->rows, sequence->state_size);
        sequence->state = ticket->fresh;
        sequence->rows = ticket->rows;
        sequence->state_size = ticket->owner->state_size;
        ticket->fresh = NULL;
    }
    sequences->counts.started++;
    if (sequence->alive)
        sequences->counts.ended++;
    else
        sequences->counts.alive++;
    sequence->alive = true;
    sequence->retired = ticket->owner->retired;
    sequence->layout = ticket->owner->layout;
    sequence->steps = 0;
}

static void complete(struct sequences *sequences, struct sequence *sequence,
                     struct sequence_ticket *ticket, uint64_t steps)
{
    if (ticket->start)
        complete_start(sequences, sequence, ticket);
    assert(sequence->alive);
    sequence->steps = sequence_steps_add(sequence->steps, steps);
    if (ticket->end) {
        sequence->alive = false;
        sequences->counts.ended++;
        sequences->counts.alive--;
    }
}

/* The caller alone is at the state's numbers: it is its turn. */
static void write_state(const struct sequence_ticket *ticket, const float *state)
{
    const struct sequence *sequence = ticket->sequence;
    const size_t state_size = ticket->owner->state_size;
    float *to = ticket->fresh != NULL ? ticket->fresh : sequence->state;
    assert(ticket->fresh != NULL ||
           (sequence->rows == ticket->rows && sequence->state_size == state_size));
    if (ticket->rows != 0 && to != state)
        memcpy(to, state, state_bytes(ticket->rows, state_size));
}

static void give_up_ticket(struct sequences *sequences, struct sequence_ticket *ticket)
{
    part(ticket->sequence, ticket);
    give_state(sequences, ticket->fresh, ticket->rows, ticket->owner->state_size);
}

void sequences_leave(struct sequences *sequences, struct sequence_ticket *ticket,
                     const float *state, uint64_t steps)
{
    struct sequence *sequence = ticket->sequence;
    if (state != NULL)
        write_state(ticket, state);
    pthread_mutex_lock(&sequences->lock);
    assert(sequence->first == ticket);
    if (state != NULL)
        complete(sequences, sequence, ticket, steps);
    give_up_ticket(sequences, ticket);
    struct sequence_ticket *next = sequence->first;
    if (next == NULL && sequence->alive && sequence->retired)
        drop_evicted(sequences, sequence);
    else if (next == NULL && sequence->alive)
        rest(sequences, sequence);
    else if (next == NULL)
        drop_sequence(sequences, sequence);
    pthread_mutex_unlock(&sequences->lock);
    if (next != NULL)
        next->turn(next);
}

bool sequences_withdraw(struct sequences *sequences, struct sequence_ticket *ticket)
{
    pthread_mutex_lock(&sequences->lock);
    const bool waiting = ticket->sequence->first != ticket;
    if (waiting)
        give_up_ticket(sequences, ticket);
    pthread_mutex_unlock(&sequences->lock);
    return waiting;
}

/* ---- retiring ---- */

static void retire(struct sequences *sequences, struct sequence *sequence,
                   const struct sequence_owner *owner)
{
    if (!sequence->alive || !is_of(owner, sequence->state_size, sequence->layout))
        return;
    if (sequence->first == NULL)
        drop_evicted(sequences, sequence);
    else
        sequence->retired = true;
}

/* The owner's behind *after, EVICTED_AT_ONCE at most. false: there are no more. */
static bool retire_some(struct sequences *sequences, const struct sequence_owner *owner,
                        struct sequence_id *after)
{
    struct sequence_node *node = sequence_index_after(&sequences->index, owner->model_name, after);
    for (size_t i = 0; i < EVICTED_AT_ONCE; i++) {
        if (node == NULL || strcmp(node->model_name, owner->model_name) != 0)
            return false;
        struct sequence *sequence = (struct sequence *)node;
        *after = node->id;
        node = node->next[0];
        retire(sequences, sequence, owner);
    }
    return true;
}

void sequences_retire(struct sequences *sequences, struct sequence_owner *owner)
{
    struct sequence_id after = {.kind = SEQUENCE_ID_NONE};
    bool more = true;
    while (more) {
        pthread_mutex_lock(&sequences->lock);
        owner->retired = true;
        more = retire_some(sequences, owner, &after);
        pthread_mutex_unlock(&sequences->lock);
    }
}

/* ---- watching ---- */

static struct sequence_view view_of(const struct sequence *sequence, uint64_t now)
{
    struct sequence_view view = {
        .id = sequence->node.id,
        .rows = sequence->rows,
        .steps = sequence->steps,
        .idle =
            sequence->first == NULL && now > sequence->rest_since ? now - sequence->rest_since : 0,
        .state = sequence->state,
        .state_size = sequence->state_size,
    };
    for (const struct sequence_ticket *t = sequence->first; t != NULL; t = t->behind)
        view.requests++;
    return view;
}

void sequences_each(struct sequences *sequences, const char *model_name,
                    const struct sequence_id *after,
                    bool (*visit)(void *context, const struct sequence_view *view), void *context)
{
    const uint64_t now = clock_now();
    pthread_mutex_lock(&sequences->lock);
    const struct sequence_node *node = sequence_index_after(&sequences->index, model_name, after);
    for (bool more = true; more && node != NULL; node = node->next[0]) {
        const struct sequence *sequence = (const struct sequence *)node;
        if (strcmp(node->model_name, model_name) != 0)
            break;
        if (!sequence->alive)
            continue;
        const struct sequence_view view = view_of(sequence, now);
        more = visit(context, &view);
    }
    pthread_mutex_unlock(&sequences->lock);
}

void sequences_count(struct sequences *sequences, struct sequences_counts *counts)
{
    pthread_mutex_lock(&sequences->lock);
    *counts = sequences->counts;
    pthread_mutex_unlock(&sequences->lock);
}
