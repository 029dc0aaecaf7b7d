#include "server/supervisor.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/tls.h"

#define SERVING "serving"

/* ---- signals ---- */

/* Programs that run others hand a signal on that went to the whole group already (timeout(1), npm):
 * what comes so close behind the first one is the same. */
#define SAME_SIGNAL (100 * CLOCK_NS_PER_MS)

static uint64_t told_to_stop; /* when; set before the handler is */

static void exit_at_once(int signal)
{
    (void)signal;
    if (clock_now() - told_to_stop >= SAME_SIGNAL)
        _exit(EXIT_FAILURE);
}

static sigset_t held_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void supervisor_hold_signals(void)
{
    const sigset_t set = held_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* 0: none came for so long; timeout 0: it is waited for ever. */
static int next_signal(uint64_t timeout)
{
    const sigset_t set = held_signals();
    const struct timespec wait = clock_timespec(timeout);
    const int got = timeout != 0 ? sigtimedwait(&set, NULL, &wait) : sigwaitinfo(&set, NULL);
    return got > 0 ? got : 0;
}

/* SIGHUP stays blocked: it comes too late. */
static void heed_second_signal(void)
{
    sigset_t set = held_signals();
    sigdelset(&set, SIGHUP);
    told_to_stop = clock_now();
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- the service manager ---- */

void supervisor_reloaded(void *context)
{
    (void)context;
    notify_ready(SERVING);
}

static void tell_alive(struct scheduler *scheduler, struct scheduler_progress *before)
{
    const struct scheduler_progress now = scheduler_look(scheduler, clock_now());
    if (!scheduler_is_stuck(before, &now))
        notify_alive();
    *before = now;
}

/* ---- what is asked ---- */

static void reload(struct service *service, bool tls)
{
    struct fault fault;
    log_line("lstmd: SIGHUP, reloading");
    notify_reloading();
    if (service->access != NULL && !access_reload(service->access, &fault))
        log_line("lstmd: the tokens stay as they were: tokens_file: %s", fault.text);
    if (tls && !tls_reload(&fault))
        log_line("lstmd: the certificate stays as it was: %s", fault.text);
    model_control_reload(service->control);
}

void supervisor_wait(struct service *service, bool tls)
{
    struct scheduler_progress progress = {0};
    const uint64_t interval = notify_watchdog_interval();
    int got = 0;
    notify_ready(SERVING);
    while (got != SIGTERM && got != SIGINT) {
        got = next_signal(interval);
        if (got == SIGHUP)
            reload(service, tls);
        if (interval != 0)
            tell_alive(service->scheduler, &progress);
    }
    heed_second_signal();
    notify_stopping();
    log_line("lstmd: %s, stopping", got == SIGTERM ? "SIGTERM" : "SIGINT");
}
