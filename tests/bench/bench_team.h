/* Threads that compute passes together, as the daemon's workers do: they meet at server/meeting.h's
 * barrier, and between passes they are where a busy worker would be. */
#ifndef TESTS_BENCH_BENCH_TEAM_H
#define TESTS_BENCH_BENCH_TEAM_H

#include <stddef.h>

#include "core/team.h"

struct bench_team;

/* The caller is member 0; size - 1 threads are started. The program ends with a text when that
 * fails. */
struct bench_team *bench_team_create(size_t size);

/* The threads end. */
void bench_team_destroy(struct bench_team *team);

/* Every member calls work with its share; returns when all have returned from it. */
void bench_team_run(struct bench_team *team, void (*work)(void *context, const struct share *share),
                    void *context);

#endif
