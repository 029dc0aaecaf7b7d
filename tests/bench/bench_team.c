#include "tests/bench/bench_team.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/meeting.h"
#include "tests/support/die.h"

struct helper {
    struct bench_team *team;
    struct share share;
    pthread_t thread;
};

/* Members meet before work, as often as the work wants, and after it. */
struct bench_team {
    struct team team;
    struct meeting meeting;
    struct helper *helpers; /* [size - 1] */

    /* Written by member 0 before the first meeting. */
    void (*work)(void *context, const struct share *share);
    void *context;
    bool over;
};

static void meet(void *context)
{
    meeting_wait(context);
}

static void *run_helper(void *argument)
{
    const struct helper *helper = argument;
    struct bench_team *team = helper->team;
    for (;;) {
        share_meet(&helper->share);
        if (team->over)
            return NULL;
        team->work(team->context, &helper->share);
        share_meet(&helper->share);
    }
}

struct bench_team *bench_team_create(size_t size)
{
    struct bench_team *team = must_allocate_zeros(1, sizeof *team);
    meeting_init(&team->meeting, (unsigned)size);
    team->team = (struct team){.size = size, .meet = meet, .context = &team->meeting};
    team->helpers = must_allocate_zeros(size - 1, sizeof *team->helpers);
    for (size_t i = 0; i < size - 1; i++) {
        struct helper *helper = &team->helpers[i];
        helper->team = team;
        helper->share = (struct share){.team = &team->team, .member = i + 1};
        const int error = pthread_create(&helper->thread, NULL, run_helper, helper);
        if (error != 0)
            die("no thread: %s", strerror(error));
    }
    return team;
}

void bench_team_destroy(struct bench_team *team)
{
    const struct share share = {.team = &team->team, .member = 0};
    team->over = true;
    share_meet(&share);
    for (size_t i = 0; i < team->team.size - 1; i++)
        pthread_join(team->helpers[i].thread, NULL);
    free(team->helpers);
    free(team);
}

void bench_team_run(struct bench_team *team, void (*work)(void *context, const struct share *share),
                    void *context)
{
    const struct share share = {.team = &team->team, .member = 0};
    team->work = work;
    team->context = context;
    share_meet(&share);
    work(context, &share);
    share_meet(&share);
}
