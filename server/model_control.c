#include "server/model_control.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"

/* More than any operator's tools have under way. */
enum { COMMANDS_MAX = 32 };

enum command_state { NEW, WAITING, RUNNING, ABANDONED, DONE };

struct model_command {
    enum model_command_kind kind;
    char name[MODEL_NAME_MAX];
    void (*done)(void *context);
    void *context;
    bool failed;
    struct fault fault;
    enum command_state state; /* under the control's lock */
    struct model_command *next;
};

struct model_control {
    struct model_control_config config; /* its update is the thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, ended;
    struct model_command *first, *last; /* that wait */
    size_t waiting;
    bool reload_wanted, stopping, has_ended;
    struct model_control_counts counts;
};

/* ---- counting ---- */

static void count(struct model_control *control, bool done)
{
    pthread_mutex_lock(&control->lock);
    struct model_control_counts *counts = &control->counts;
    if (done)
        counts->succeeded++;
    else
        counts->failed++;
    counts->last_failed = !done;
    if (done)
        counts->last_success_ms = clock_wall_ms();
    pthread_mutex_unlock(&control->lock);
}

void model_control_count(struct model_control *control, struct model_control_counts *counts)
{
    *counts = (struct model_control_counts){0};
    if (control == NULL)
        return;
    pthread_mutex_lock(&control->lock);
    *counts = control->counts;
    pthread_mutex_unlock(&control->lock);
}

/* ---- the thread ---- */

static void change_models(struct model_control *control, struct model_command *command)
{
    struct model_update *update = &control->config.update;
    if (command->kind == MODEL_UNLOAD) {
        command->failed = !model_update_unload(update, command->name, &command->fault);
        return;
    }
    command->failed = !model_update_load(update, command->name, &command->fault);
    count(control, !command->failed);
}

/* Called with the lock held, which is let go meanwhile. */
static void carry_out(struct model_control *control, struct model_command *command)
{
    command->state = RUNNING;
    pthread_mutex_unlock(&control->lock);
    change_models(control, command);
    pthread_mutex_lock(&control->lock);
    const bool wanted = command->state == RUNNING;
    command->state = DONE;
    pthread_mutex_unlock(&control->lock);
    if (wanted)
        command->done(command->context);
    else
        model_command_destroy(command);
    pthread_mutex_lock(&control->lock);
}

static void carry_out_reload(struct model_control *control)
{
    control->reload_wanted = false;
    pthread_mutex_unlock(&control->lock);
    count(control, model_update_all(&control->config.update));
    pthread_mutex_lock(&control->lock);
    if (control->reload_wanted || control->config.reloaded == NULL)
        return;
    pthread_mutex_unlock(&control->lock);
    control->config.reloaded(control->config.context);
    pthread_mutex_lock(&control->lock);
}

static struct model_command *take_first(struct model_control *control)
{
    struct model_command *command = control->first;
    control->first = command->next;
    if (control->first == NULL)
        control->last = NULL;
    control->waiting--;
    return command;
}

static void *serve_commands(void *argument)
{
    struct model_control *control = argument;
    pthread_setname_np(pthread_self(), "model-control");
    pthread_mutex_lock(&control->lock);
    while (!control->stopping) {
        if (control->reload_wanted)
            carry_out_reload(control);
        else if (control->first != NULL)
            carry_out(control, take_first(control));
        else
            pthread_cond_wait(&control->wake, &control->lock);
    }
    control->has_ended = true;
    pthread_cond_signal(&control->ended);
    pthread_mutex_unlock(&control->lock);
    return NULL;
}

/* ---- start and stop ---- */

static void destroy(struct model_control *control)
{
    pthread_cond_destroy(&control->ended);
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

bool model_control_start(struct model_control **started, const struct model_control_config *config,
                         struct fault *fault)
{
    struct model_control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return fault_set(fault, 503, "out of memory");
    control->config = *config;
    control->counts.last_success_ms = clock_wall_ms();
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->wake, NULL);
    pthread_cond_init(&control->ended, NULL);
    const int error = pthread_create(&control->thread, NULL, serve_commands, control);
    if (error != 0) {
        destroy(control);
        return fault_set(fault, 503, "model control thread: %s", strerror(error));
    }
    *started = control;
    return true;
}

bool model_control_stop(struct model_control *control, uint64_t deadline)
{
    const struct timespec until = clock_timespec(deadline);
    int error = 0;
    pthread_mutex_lock(&control->lock);
    assert(control->first == NULL);
    control->stopping = true;
    pthread_cond_signal(&control->wake);
    while (!control->has_ended && error == 0)
        error = pthread_cond_clockwait(&control->ended, &control->lock, CLOCK_MONOTONIC, &until);
    const bool ended = control->has_ended;
    pthread_mutex_unlock(&control->lock);
    if (!ended)
        return false;
    pthread_join(control->thread, NULL);
    destroy(control);
    return true;
}

void model_control_reload(struct model_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->reload_wanted = true;
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
}

/* ---- commands ---- */

struct model_command *model_command_create(const struct model_control *control,
                                           enum model_command_kind kind, const char *name,
                                           size_t name_size, struct fault *fault)
{
    if (control == NULL || !control->config.allowed) {
        fault_set(fault, 503,
                  "explicit model load / unload is not allowed: the models are those given when "
                  "the server was started (without --allow-model-control)");
        return NULL;
    }
    if (name_size >= MODEL_NAME_MAX) {
        fault_set(fault, 404, "none of the configured models has that name");
        return NULL;
    }
    struct model_command *command = calloc(1, sizeof *command);
    if (command == NULL) {
        fault_set(fault, 503, "out of memory");
        return NULL;
    }
    command->kind = kind;
    memcpy(command->name, name, name_size);
    return command;
}

void model_command_destroy(struct model_command *command)
{
    free(command);
}

bool model_control_submit(struct model_control *control, struct model_command *command,
                          void (*done)(void *context), void *context, struct fault *fault)
{
    command->done = done;
    command->context = context;
    pthread_mutex_lock(&control->lock);
    const bool room = control->waiting < COMMANDS_MAX && !control->stopping;
    if (room) {
        command->state = WAITING;
        command->next = NULL;
        if (control->last != NULL)
            control->last->next = command;
        else
            control->first = command;
        control->last = command;
        control->waiting++;
        pthread_cond_signal(&control->wake);
    }
    pthread_mutex_unlock(&control->lock);
    return room || fault_set(fault, 503, "too many models are waiting to be loaded or unloaded");
}

static void take_out(struct model_control *control, const struct model_command *command)
{
    struct model_command *before = NULL;
    for (struct model_command *at = control->first; at != command; at = at->next)
        before = at;
    if (before != NULL)
        before->next = command->next;
    else
        control->first = command->next;
    if (control->last == command)
        control->last = before;
    control->waiting--;
}

bool model_control_abandon(struct model_control *control, struct model_command *command)
{
    pthread_mutex_lock(&control->lock);
    const enum command_state state = command->state;
    if (state == WAITING)
        take_out(control, command);
    else if (state == RUNNING)
        command->state = ABANDONED;
    pthread_mutex_unlock(&control->lock);
    if (state == WAITING)
        model_command_destroy(command);
    return state == WAITING || state == RUNNING;
}

bool model_command_result(const struct model_command *command, struct fault *fault)
{
    if (command->failed)
        *fault = command->fault;
    return !command->failed;
}
