/* How much of a model one tick takes: rows and steps that keep a worker for about a fifth of a
 * millisecond, so that whoever comes next never waits long, at the price of a lock or two.
 *
 * Pure functions of the model, whose kernel says how fast it is. */
#ifndef SERVER_TICK_RULE_H
#define SERVER_TICK_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"

enum {
    TICK_ROWS = 64,   /* most rows in a tick */
    STRAND_ROWS = 32, /* rows of one request that go through the model together */
};

/* How many times as long a tick may be: of rows that cannot be cut (and a streamed part); and when
 * nobody else waits, has come lately or has another worker busy, for with a crowd about whoever
 * comes next would find all workers in such long ones. */
enum tick_patience { TICK_SHORT = 1, TICK_WHOLE = 2, TICK_PATIENT = 8 };

struct tick_rule {
    bool causal;         /* false: rows come whole */
    double flops_per_ns; /* the model's kernel's */
    double step_flops;   /* one step of one row, what it costs beside arithmetic included */
    size_t cheap_rows;   /* so many rows take hardly longer than one */
    size_t least_steps;  /* steps worth taking with no more rows than that */
    bool from_memory;    /* reading the weights is what takes a tick of few rows its time */
};

void tick_rule_init(struct tick_rule *rule, const struct model *model);

/* Steps for so many rows, at least 1. Causal rows advance by no more; whole rows of different
 * requests go together when none is longer. */
size_t tick_rule_steps(const struct tick_rule *rule, size_t rows, enum tick_patience patience);

/* A guess of the nanoseconds that a tick's work takes one worker; never more than three hours. */
uint64_t tick_rule_guess_ns(const struct tick_rule *rule, size_t rows, size_t steps);

/* Should one reading of the weights do for all rows and for all workers? Not of rows that come
 * whole: they may take seconds. */
bool tick_rule_goes_together(const struct tick_rule *rule);

/* Is the work worth calling other workers in for? */
bool tick_rule_is_for_team(const struct tick_rule *rule, size_t rows, size_t steps);

/* Bytes of scratch for any tick under this rule, by a team of up to so many; false when the number
 * does not fit a size_t. */
bool tick_rule_scratch(const struct model *model, size_t team_size, size_t *bytes);

#endif
