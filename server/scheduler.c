#include "server/scheduler.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "server/admission.h"
#include "server/clock.h"
#include "server/lane.h"
#include "server/meeting.h"
#include "server/pool.h"
#include "server/random_number.h"
#include "server/tick.h"
#include "server/time_slice.h"
#include "server/work_queue.h"

/* Most slices take less; what they really took is put right afterwards. */
#define SLICE_GUESS_NS 100000

/* A unit that takes as many times its guess, and OVERDUE_NS more, never ends: machines differ by
 * less, the scalar kernel on one without fused multiply-add included. */
#define OVERDUE_GUESSES 1000
#define OVERDUE_NS      (10 * CLOCK_NS_PER_S)

/* A worker's processor is offered to other threads so often, between units (server/time_slice.h).
 */
#define OFFER_EVERY (200 * CLOCK_NS_PER_US)

/* A tick of a team that took twice what it was guessed to take one worker alone, and LATE_NS more,
 * waited for a member whom other programs kept from its processor. Teams are no help then: for
 * APART_NS there are none. */
#define LATE_NS  (2 * CLOCK_NS_PER_MS)
#define APART_NS (200 * CLOCK_NS_PER_MS)

/* Who came beside others was the last such for so long: then ticks may be long ones. */
#define CROWD_NS (10 * CLOCK_NS_PER_MS)

/* Most members of a team. */
enum { TEAM_MAX = 32 };

/* UNIT_SHARE: of another pump's tick. */
enum unit { UNIT_SLICE, UNIT_TICK, UNIT_SHARE };

/* Those who compute a pump's ticks with it. */
struct led_team {
    struct team team;
    struct meeting meeting;
    size_t missing; /* members that have not joined yet */
};

/* A worker's place while there is work: there are as many as workers. Its task is in the pool, or
 * running, or the pump is idle. */
struct pump {
    struct pool_task task; /* first: the pool's task is the pump */
    struct scheduler *scheduler;
    struct pump *next_idle;
    void *grown; /* larger scratch, to be had before the next unit */

    enum unit unit;
    struct lane *lane; /* of the slice or the tick */
    bool together;     /* with what else is there of the lane */
    struct work *work; /* UNIT_SLICE */
    bool after;        /* it had been computed before */
    struct tick tick;  /* UNIT_TICK */
    struct led_team led;
    const struct pump *leader; /* UNIT_SHARE: whose tick it is */
    size_t member;
    unsigned queue; /* whose turn it is */
    int64_t guess;  /* ns charged for it already */
    uint64_t since; /* when it was begun; 0: the worker is at none */
};

struct scheduler {
    struct scheduler_config config;
    struct admission_limits limits;
    struct pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t due;   /* for the sleeping pump: there is work, or stopping was set */
    pthread_cond_t empty; /* stopping, and everything has ended */
    struct work_queue queue;
    struct lane *holding; /* lanes that hold works back */
    struct work *ended;   /* whose end is to be called, without the lock */
    struct pump *idle;
    struct pump *forming;        /* whose team is not complete: who looks for work joins it first */
    const struct lane *awaiting; /* its company; only to be compared, it may be gone */
    uint64_t awaiting_until;     /* so long workers stay awake */
    size_t watching;             /* pumps that do */
    size_t busy;                 /* pumps at a unit */
    size_t at_length;            /* of these: of what takes long */
    size_t accepted;
    uint64_t crowded;     /* when a work was accepted beside others last */
    uint64_t apart_until; /* no teams before */
    uint64_t units;       /* done */
    size_t scratch_size;
    bool sleeping;         /* one pump waits for a held work's time */
    uint64_t sleeps_until; /* then: the first of them when it fell asleep */
    bool stopping;
    struct pump pumps[];
};

/* ---- under the lock: the end of a work ---- */

static void forget_lane(struct scheduler *s, struct lane *lane)
{
    if (lane->next != NULL)
        lane->next->prev = lane->prev;
    if (lane->prev != NULL)
        lane->prev->next = lane->next;
    else
        s->holding = lane->next;
    lane->next = lane->prev = NULL;
}

static void take_out(struct scheduler *s, struct work *work)
{
    struct lane *lane = work->lane;
    const bool held = work->list == &lane->held;
    lane_remove(lane, &s->queue, work);
    if (held && lane->held.first == NULL)
        forget_lane(s, lane);
}

/* Its end is called by whoever leaves the lock next. */
static void end_work(struct scheduler *s, struct work *work, enum work_end how)
{
    assert(work->list == NULL && work->running == 0 && !work->ended);
    work->ended = true;
    work->how = how;
    work->times.total = clock_now() - work->times.accepted;
    admission_give(&work->lane->admission, &work->place);
    work->next = s->ended;
    s->ended = work;
    if (--s->accepted == 0 && s->stopping)
        pthread_cond_broadcast(&s->empty);
}

static void drop(struct scheduler *s, struct work *work, enum work_end how)
{
    work->dropped = true;
    work->how = how;
    if (work->list != NULL)
        take_out(s, work);
    if (work->running == 0)
        end_work(s, work, how);
}

/* ---- without the lock ---- */

static void call_ends(struct work *ended)
{
    while (ended != NULL) {
        struct work *work = ended;
        ended = work->next;
        work->type->end(work, work->how);
    }
}

/* Lets the lock go and calls the ends that are due. */
static void leave(struct scheduler *s)
{
    struct work *ended = s->ended;
    s->ended = NULL;
    pthread_mutex_unlock(&s->lock);
    call_ends(ended);
}

/* ---- under the lock: calling workers ---- */

static void call_idle(struct scheduler *s)
{
    struct pump *pump = s->idle;
    if (pump == NULL)
        return;
    s->idle = pump->next_idle;
    const bool submitted = pool_submit(s->pool, &pump->task);
    assert(submitted); /* the pool stops after the last work has ended */
}

/* One more worker for what is ready, if there is one. */
static void call_worker(struct scheduler *s)
{
    if (s->sleeping)
        pthread_cond_signal(&s->due);
    else
        call_idle(s);
}

/* ---- under the lock: where a work goes ---- */

static void hold(struct scheduler *s, struct work *work)
{
    struct lane *lane = work->lane;
    if (lane->held.first == NULL) {
        lane->next = s->holding;
        if (s->holding != NULL)
            s->holding->prev = lane;
        s->holding = lane;
    }
    lane_hold(lane, &s->queue, work, clock_now());
    if (s->sleeping && work->held_until < s->sleeps_until)
        pthread_cond_signal(&s->due);
}

/* ---- under the lock: what to do next ---- */

static void start_running(struct work *work, uint64_t now)
{
    if (work->running++ == 0)
        work->running_since = now;
}

/* Has a tick all rows that are ready, and all workers who have nothing else to do? */
static bool goes_together(const struct scheduler *s, const struct lane *lane, uint64_t now)
{
    return tick_rule_goes_together(&lane->rule) && s->config.tick_rows > 1 && now >= s->apart_until;
}

static enum lane_unit lane_unit_of(const struct pump *pump)
{
    return pump->unit == UNIT_TICK ? LANE_TICK : LANE_SLICE;
}

static void begin_unit(struct scheduler *s, struct pump *pump, enum unit unit, struct lane *lane,
                       uint64_t now)
{
    pump->unit = unit;
    pump->lane = lane;
    if (unit == UNIT_TICK && s->awaiting == lane)
        s->awaiting = NULL;
    lane_enter(lane, &s->queue, lane_unit_of(pump), pump->together, now);
}

/* false: what was first in the list is late. */
static bool set_slice(struct scheduler *s, struct pump *pump, struct work *work, uint64_t now)
{
    if (work->deadline <= now) {
        drop(s, work, WORK_LATE);
        return false;
    }
    take_out(s, work);
    start_running(work, now);
    pump->together = goes_together(s, work->lane, now);
    begin_unit(s, pump, UNIT_SLICE, work->lane, now);
    pump->work = work;
    pump->after = work->computed;
    pump->guess = SLICE_GUESS_NS;
    return true;
}

static void release(struct scheduler *s, struct lane *lane, uint64_t now)
{
    lane_release(lane, &s->queue, now);
    forget_lane(s, lane);
}

/* What is held back need not wait for a later tick; what is ready is shared with the workers that
 * have nothing to do at this moment. */
static void fill(struct scheduler *s, struct pump *pump, struct lane *lane, uint64_t now)
{
    const size_t workers = s->config.workers - s->busy;
    struct work *late = NULL;
    if (lane->held.first != NULL)
        release(s, lane, now);
    const size_t ticks = pump->together ? 1 : workers;
    const size_t share = (lane->ready_rows + ticks - 1) / ticks;
    tick_clear(&pump->tick);
    lane_fill(lane, &s->queue, pump->queue, share, s->config.tick_rows, now, &pump->tick, &late);
    while (late != NULL) {
        struct work *work = late;
        late = work->next;
        drop(s, work, WORK_LATE);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Called before this worker counts as busy. */
static size_t helpers_of(const struct scheduler *s, uint64_t now)
{
    if (now < s->apart_until || !work_queue_is_empty(&s->queue))
        return 0;
    return least(s->config.workers - s->busy, scheduler_team_size(s)) - 1;
}

/* Calls those who are to compute the pump's tick with it. All of them come: there are so many that
 * are at no unit, and before they look for another they join. */
static void form_team(struct scheduler *s, struct pump *pump)
{
    struct led_team *led = &pump->led;
    size_t calls = pump->tick.members - 1;
    led->team.size = pump->tick.members;
    led->missing = calls;
    if (calls == 0)
        return;
    assert(s->forming == NULL);
    meeting_resize(&led->meeting, (unsigned)led->team.size);
    s->forming = pump;
    if (s->sleeping) {
        pthread_cond_signal(&s->due);
        calls--;
    }
    for (; calls > 0; calls--)
        call_idle(s);
}

/* false: no team wants members. */
static bool join_team(struct scheduler *s, struct pump *pump)
{
    struct pump *leader = s->forming;
    if (leader == NULL)
        return false;
    pump->unit = UNIT_SHARE;
    pump->together = leader->together;
    pump->leader = leader;
    pump->queue = leader->queue;
    pump->member = leader->led.team.size - leader->led.missing;
    pump->guess = leader->guess;
    if (--leader->led.missing == 0)
        s->forming = NULL;
    return true;
}

/* false: all that was there is late. */
static bool set_tick(struct scheduler *s, struct pump *pump, struct lane *lane, uint64_t now)
{
    struct tick *tick = &pump->tick;
    pump->together = goes_together(s, lane, now);
    fill(s, pump, lane, now);
    if (tick->part_count == 0)
        return false;
    begin_unit(s, pump, UNIT_TICK, lane, now);
    /* What else is ready of a lane that goes together has no turn now, and keeps nobody busy. */
    const bool quiet =
        work_queue_is_empty(&s->queue) && s->busy == 0 && now - s->crowded >= CROWD_NS;
    tick_set_steps(tick, &lane->rule, lane->model, quiet ? TICK_PATIENT : TICK_SHORT,
                   helpers_of(s, now));
    for (size_t i = 0; i < tick->part_count; i++)
        start_running(tick->parts[i].work, now);
    tick_begin(tick);
    pump->guess = (int64_t)tick_rule_guess_ns(&lane->rule, tick->row_count, tick->steps);
    form_team(s, pump);
    return true;
}

static void release_due(struct scheduler *s, uint64_t now)
{
    for (struct lane *lane = s->holding, *next; lane != NULL; lane = next) {
        next = lane->next;
        if (lane_is_due(lane, s->config.tick_rows, now))
            release(s, lane, now);
    }
}

/* A lane's slices go before its ticks, whichever of the two the turn is: each is short, and what it
 * makes ready shares the tick that follows. Taking turns, a tick of a millisecond would come after
 * every slice of ten microseconds, and hold hardly a row. */
static bool set_unit(struct scheduler *s, struct pump *pump, struct work_list *list, uint64_t now)
{
    struct lane *lane = list->first->lane;
    const struct work_list *slices = &lane->slices[list->queue];
    pump->queue = list->queue;
    if (slices->first != NULL)
        return set_slice(s, pump, slices->first, now);
    return set_tick(s, pump, lane, now);
}

/* false: nothing is ready. */
static bool take_turn(struct scheduler *s, struct pump *pump, uint64_t now)
{
    struct work_list *list;
    release_due(s, now);
    if (s->awaiting != NULL && now >= s->awaiting_until) {
        s->awaiting = NULL;
        lane_open_due(&s->queue, now);
    }
    do {
        list = work_queue_turn(&s->queue);
        if (list == NULL)
            return false;
    } while (!set_unit(s, pump, list, now));
    work_queue_charge(&s->queue, pump->queue, pump->guess);
    return true;
}

/* false: there is nothing to do. */
static bool pick(struct scheduler *s, struct pump *pump, uint64_t now)
{
    if (!join_team(s, pump) && !take_turn(s, pump, now))
        return false;
    /* Who slept until a held work's time may be this one, called for its team and for what is ready
     * at once: another has to. So of who watched for company. */
    if (!work_queue_is_empty(&s->queue) || (s->holding != NULL && !s->sleeping) ||
        (s->awaiting != NULL && s->watching == 0))
        call_worker(s);
    return true;
}

/* ---- under the lock: what a unit has led to ---- */

static void stop_running(struct work *work, uint64_t now, uint64_t *times)
{
    if (--work->running == 0)
        *times += now - work->running_since;
}

/* After a slice or a tick that was not its last. */
static void go_on(struct scheduler *s, struct work *work, uint64_t now)
{
    if (work->ended)
        return;
    if (!work->dropped && work->deadline <= now)
        drop(s, work, WORK_LATE);
    else if (work->dropped && work->running == 0)
        end_work(s, work, work->how);
    else if (work->dropped || work->list != NULL)
        return;
    else if (work->ready != NULL)
        lane_put_strands(work->lane, &s->queue, work);
    else if (work->running == 0)
        lane_put_slice(work->lane, &s->queue, work);
}

static void begin_pause(struct scheduler *s, struct work *work, uint64_t now)
{
    if (!work->resumed)
        work->paused_since = now;
    else
        go_on(s, work, now);
    work->resumed = false;
}

static void settle_slice(struct scheduler *s, const struct pump *pump, enum work_next next,
                         uint64_t now)
{
    struct work *work = pump->work;
    stop_running(work, now, pump->after ? &work->times.after : &work->times.before);
    work->attained += now - work->running_since;
    if (next == WORK_TICKS)
        work->computed = false;
    if (next == WORK_DONE && !work->dropped)
        end_work(s, work, WORK_ANSWERED);
    else if (next == WORK_TICKS && !pump->after && work->lane->delay > 0 && !work->dropped)
        hold(s, work);
    else if (next == WORK_PAUSE && !work->dropped)
        begin_pause(s, work, now);
    else
        go_on(s, work, now);
}

static void settle_part(const struct tick_part *part, uint64_t share, uint64_t now)
{
    struct work *work = part->work;
    stop_running(work, now, &work->times.ticks);
    work->attained += share;
    if (part->strand->live > 0)
        lane_return_strand(work->lane, work, part->strand);
    else if (--work->unfinished == 0)
        work->computed = true;
}

static void settle_tick(struct scheduler *s, const struct pump *pump, uint64_t ns, uint64_t now)
{
    const struct tick *tick = &pump->tick;
    if (tick->members > 1 && ns > 2 * (uint64_t)pump->guess + LATE_NS)
        s->apart_until = now + APART_NS;
    for (size_t i = 0; i < tick->part_count; i++)
        settle_part(&tick->parts[i], ns * tick->parts[i].rows / tick->row_count, now);
    for (size_t i = 0; i < tick->part_count; i++)
        go_on(s, tick->parts[i].work, now);
}

/* ---- a worker's loop ---- */

static uint64_t first_due(const struct scheduler *s)
{
    uint64_t first = UINT64_MAX;
    for (const struct lane *lane = s->holding; lane != NULL; lane = lane->next)
        if (lane->held.first->held_until < first)
            first = lane->held.first->held_until;
    return first;
}

/* true: something may be ready now. */
static bool sleep_until_due(struct scheduler *s)
{
    if (s->holding == NULL || s->sleeping)
        return false;
    s->sleeps_until = first_due(s);
    const struct timespec until = clock_timespec(s->sleeps_until);
    s->sleeping = true;
    pthread_cond_clockwait(&s->due, &s->lock, CLOCK_MONOTONIC, &until);
    s->sleeping = false;
    return true;
}

static void adopt_scratch(struct pump *pump)
{
    if (pump->grown == NULL)
        return;
    free(pump->tick.scratch.memory);
    pump->tick.scratch = (struct model_scratch){pump->grown, pump->scheduler->scratch_size};
    pump->grown = NULL;
}

static void compute_share(const struct pump *leader, size_t member)
{
    tick_run_member(&leader->tick, leader->lane->model, &(struct share){&leader->led.team, member});
}

/* What comes next for a work whose slice it was. */
static enum work_next do_unit(struct pump *pump)
{
    if (pump->unit == UNIT_SLICE)
        return pump->work->type->slice(pump->work);
    if (pump->unit == UNIT_SHARE) {
        compute_share(pump->leader, pump->member);
    } else {
        compute_share(pump, 0);
        tick_end(&pump->tick);
    }
    return WORK_TICKS;
}

/* One lane at a time: none waits for the moment of another. */
static void expect_company(struct scheduler *s, struct lane *lane, size_t rows, uint64_t ns,
                           uint64_t now)
{
    if (s->awaiting != NULL)
        rows = 0;
    if (!company_expect(&lane->company, rows, lane->ready_rows, ns, now))
        return;
    s->awaiting = lane;
    s->awaiting_until = lane->company.until;
}

/* A share is its leader's to settle. */
static void settle(struct scheduler *s, const struct pump *pump, enum work_next next, uint64_t ns,
                   uint64_t now)
{
    struct lane *lane = pump->lane;
    s->units++;
    if (pump->unit == UNIT_SHARE)
        return;
    work_queue_charge(&s->queue, pump->queue, (int64_t)ns - pump->guess);
    if (pump->unit == UNIT_SLICE) {
        settle_slice(s, pump, next, now);
    } else {
        const size_t rows = pump->tick.row_count + lane->ready_rows;
        settle_tick(s, pump, ns, now);
        if (pump->together)
            expect_company(s, lane, rows, ns, now);
    }
    lane_leave(lane, &s->queue, lane_unit_of(pump), now);
}

/* Called with the lock held, and again when it returns. */
static void run_unit(struct scheduler *s, struct pump *pump, uint64_t started)
{
    const bool others_ended = s->ended != NULL, at_length = !work_queue_is_short(pump->queue);
    s->busy++;
    s->at_length += at_length;
    pump->since = started;
    leave(s);
    if (others_ended) /* this unit's queue does not pay for their ends */
        started = clock_now();
    const enum work_next next = do_unit(pump);
    const uint64_t now = clock_now(), ns = now - started;
    if (pump->unit == UNIT_TICK)
        model_stats_tick(pump->lane->stats, pump->tick.row_count, tick_steps_done(&pump->tick), ns);
    pthread_mutex_lock(&s->lock);
    s->busy--;
    s->at_length -= at_length;
    pump->since = 0;
    settle(s, pump, next, ns, now);
}

/* Called with the lock held, and again when it returns. After the ends of what is done, so that
 * nobody waits for them meanwhile. */
static uint64_t offer_processor(struct scheduler *s)
{
    leave(s);
    const uint64_t offered = clock_now();
    sched_yield();
    const uint64_t now = clock_now();
    time_slice_offered(offered, now);
    pthread_mutex_lock(&s->lock);
    return now;
}

/* true: something may be ready now. */
static bool watch_for_company(struct scheduler *s, uint64_t now)
{
    if (s->awaiting == NULL || now >= s->awaiting_until || s->watching >= scheduler_team_size(s))
        return false;
    s->watching++;
    offer_processor(s);
    s->watching--;
    return true;
}

static void pump_run(struct pool_task *task)
{
    struct pump *pump = (struct pump *)task;
    struct scheduler *s = pump->scheduler;
    pthread_mutex_lock(&s->lock);
    for (uint64_t offered = clock_now();;) {
        uint64_t now = clock_now();
        if (pump->together || now - offered >= OFFER_EVERY)
            now = offered = offer_processor(s);
        adopt_scratch(pump);
        if (pick(s, pump, now)) {
            run_unit(s, pump, now);
        } else if (s->ended != NULL) {
            leave(s);
            pthread_mutex_lock(&s->lock);
        } else if (!watch_for_company(s, now) && !sleep_until_due(s)) {
            break;
        }
    }
    pump->next_idle = s->idle;
    s->idle = pump;
    pthread_mutex_unlock(&s->lock);
}

/* ---- what owners call ---- */

struct lane_load scheduler_load(struct scheduler *s, const struct lane *lane)
{
    pthread_mutex_lock(&s->lock);
    const struct lane_load load = {lane->admission.requests, lane->admission.rows};
    pthread_mutex_unlock(&s->lock);
    return load;
}

static bool is_overdue(const struct pump *pump, uint64_t now)
{
    const uint64_t guess = (uint64_t)pump->guess,
                   most = (UINT64_MAX - OVERDUE_NS) / OVERDUE_GUESSES;
    const uint64_t limit = (guess < most ? guess : most) * OVERDUE_GUESSES + OVERDUE_NS;
    return pump->since != 0 && now > pump->since && now - pump->since > limit;
}

struct scheduler_progress scheduler_look(struct scheduler *s, uint64_t now)
{
    pthread_mutex_lock(&s->lock);
    struct scheduler_progress progress = {
        .units = s->units,
        .waiting = s->busy == 0 && !work_queue_is_empty(&s->queue),
    };
    for (size_t i = 0; i < s->config.workers; i++)
        progress.overdue = progress.overdue || is_overdue(&s->pumps[i], now);
    pthread_mutex_unlock(&s->lock);
    return progress;
}

bool scheduler_is_stuck(const struct scheduler_progress *before,
                        const struct scheduler_progress *now)
{
    return now->overdue || (before->waiting && now->waiting && before->units == now->units);
}

bool scheduler_is_at_length(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    const bool at_length = s->at_length == s->config.workers && !work_queue_has_short(&s->queue);
    pthread_mutex_unlock(&s->lock);
    return at_length;
}

static bool check(enum admission_answer answer, bool stopping, struct fault *fault)
{
    if (stopping)
        return fault_set(fault, 503, "the server is shutting down");
    if (answer == ADMISSION_CLIENT_FULL)
        return fault_set(fault, 503,
                         "Exceeds maximum queue size: the rest is left to other clients "
                         "(queue_client_percent)");
    return answer == ADMISSION_GRANTED || fault_set(fault, 503, "Exceeds maximum queue size");
}

bool scheduler_has_room(struct scheduler *s, const struct lane *lane, uint64_t client,
                        struct fault *fault)
{
    pthread_mutex_lock(&s->lock);
    const bool stopping = s->stopping;
    const enum admission_answer answer = admission_ask(&lane->admission, &s->limits, client, 1);
    pthread_mutex_unlock(&s->lock);
    return check(answer, stopping, fault);
}

bool scheduler_accept(struct scheduler *s, struct work *work, struct fault *fault)
{
    enum admission_answer answer = ADMISSION_FULL;
    pthread_mutex_lock(&s->lock);
    const bool stopping = s->stopping;
    if (!stopping)
        answer = admission_take(&work->lane->admission, &s->limits, work->client, work->rows,
                                &work->place);
    if (answer == ADMISSION_GRANTED) {
        work->times.accepted = clock_now();
        if (s->accepted++ > 0)
            s->crowded = work->times.accepted;
        company_note(&work->lane->company,
                     work->answered != 0 ? work->times.accepted - work->answered : UINT64_MAX);
    }
    pthread_mutex_unlock(&s->lock);
    return check(answer, stopping, fault);
}

void scheduler_begin(struct scheduler *s, struct work *work)
{
    pthread_mutex_lock(&s->lock);
    assert(work->list == NULL);
    if (!work->ended) {
        lane_put_slice(work->lane, &s->queue, work);
        call_worker(s);
    }
    pthread_mutex_unlock(&s->lock);
}

static void end_pause(struct scheduler *s, struct work *work)
{
    const uint64_t paused = clock_now() - work->paused_since;
    const uint64_t later = work->deadline + paused;
    work->paused_since = 0;
    work->deadline = later > work->deadline ? later : UINT64_MAX;
    work->times.after += paused;
    lane_put_slice(work->lane, &s->queue, work);
    call_worker(s);
}

void scheduler_resume(struct scheduler *s, struct work *work)
{
    pthread_mutex_lock(&s->lock);
    if (work->paused_since == 0)
        work->resumed = true;
    else if (!work->ended)
        end_pause(s, work);
    pthread_mutex_unlock(&s->lock);
}

bool scheduler_abandon(struct scheduler *s, struct work *work)
{
    pthread_mutex_lock(&s->lock);
    const bool mine = !work->dropped && !work->ended;
    if (mine)
        drop(s, work, WORK_ABANDONED);
    leave(s);
    return mine;
}

size_t scheduler_tick_rows(const struct scheduler *s)
{
    return s->config.tick_rows;
}

size_t scheduler_team_size(const struct scheduler *s)
{
    return least(s->config.processors, TEAM_MAX);
}

/* ---- start and stop ---- */

static void meet(void *context)
{
    meeting_wait(context);
}

static void pump_init(struct pump *pump, struct scheduler *s)
{
    pump->task.run = pump_run;
    pump->scheduler = s;
    meeting_init(&pump->led.meeting, 1);
    pump->led.team = (struct team){.size = 1, .meet = meet, .context = &pump->led.meeting};
    pump->next_idle = s->idle;
    s->idle = pump;
}

static void destroy(struct scheduler *s)
{
    for (size_t i = 0; i < s->config.workers; i++) {
        free(s->pumps[i].tick.scratch.memory);
        free(s->pumps[i].grown);
    }
    pthread_cond_destroy(&s->empty);
    pthread_cond_destroy(&s->due);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool scheduler_start(struct scheduler **started, const struct scheduler_config *config,
                     struct fault *fault)
{
    assert(config->workers > 0 && config->workers < SIZE_MAX / (2 * sizeof(struct pump)));
    assert(config->tick_rows <= TICK_ROWS);
    struct scheduler *s = calloc(1, sizeof *s + config->workers * sizeof *s->pumps);
    if (s == NULL)
        return fault_set(fault, 503, "out of memory");
    s->config = *config;
    s->limits = (struct admission_limits){.requests = config->queue_limit,
                                          .rows = config->queue_rows_limit,
                                          .client_percent = config->client_percent,
                                          .seed = random_number()};
    if (s->config.tick_rows == 0)
        s->config.tick_rows = TICK_ROWS;
    if (s->config.processors == 0 || s->config.processors > s->config.workers)
        s->config.processors = s->config.workers;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->due, NULL);
    pthread_cond_init(&s->empty, NULL);
    for (size_t i = 0; i < config->workers; i++)
        pump_init(&s->pumps[i], s);
    if (pool_start(&s->pool, config->workers, fault)) {
        *started = s;
        return true;
    }
    destroy(s);
    return false;
}

/* false: none was taken. */
static bool take_scratch(void **blocks, size_t count, size_t bytes)
{
    size_t taken = 0;
    while (taken < count && (blocks[taken] = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, bytes)) != NULL)
        taken++;
    if (taken == count)
        return true;
    while (taken > 0)
        free(blocks[--taken]);
    return false;
}

/* A pump changes to its larger scratch before its next unit, which is before the model's first. */
static void give_scratch(struct scheduler *s, void **blocks, size_t bytes)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->config.workers; i++) {
        free(s->pumps[i].grown);
        s->pumps[i].grown = blocks[i];
    }
    s->scratch_size = bytes;
    pthread_mutex_unlock(&s->lock);
}

bool scheduler_reserve(struct scheduler *s, const struct model *model, struct fault *fault)
{
    size_t bytes;
    if (!tick_rule_scratch(model, scheduler_team_size(s), &bytes))
        return fault_set(fault, 503, "out of memory");
    if (bytes <= s->scratch_size)
        return true;
    void **blocks = (void **)calloc(s->config.workers, sizeof *blocks);
    const bool taken = blocks != NULL && take_scratch(blocks, s->config.workers, bytes);
    if (taken)
        give_scratch(s, blocks, bytes);
    free((void *)blocks);
    return taken || fault_set(fault, 503, "out of memory");
}

/* Called with the lock held; false when the deadline came first. */
static bool wait_until_empty(struct scheduler *s, uint64_t deadline)
{
    const struct timespec until = clock_timespec(deadline);
    int error = 0;
    while (s->accepted != 0 && error == 0)
        error = pthread_cond_clockwait(&s->empty, &s->lock, CLOCK_MONOTONIC, &until);
    return s->accepted == 0;
}

bool scheduler_stop(struct scheduler *s, uint64_t deadline)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    const bool empty = wait_until_empty(s, deadline);
    pthread_cond_signal(&s->due);
    pthread_mutex_unlock(&s->lock);
    if (!empty || !pool_stop(s->pool, deadline))
        return false;
    destroy(s);
    return true;
}
