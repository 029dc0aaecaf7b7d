#include "server/admission.h"

#include <assert.h>
#include <stdbool.h>

#include "server/random_number.h"

static size_t index_of(uint64_t client, uint64_t seed)
{
    return (size_t)(random_scatter(client + seed) % ADMISSION_CLIENTS);
}

static bool is_capped(const struct admission_limits *limits)
{
    return limits->client_percent != 0 && limits->client_percent < 100;
}

/* `wanted` more, of which `left` are there. Limits are far from where the products overflow. */
static bool client_may(const struct admission_limits *limits, size_t has, size_t wanted,
                       size_t left)
{
    const uint64_t percent = limits->client_percent;
    return !is_capped(limits) || has == 0 ||
           (uint64_t)(has + wanted) * (100 - percent) <= percent * (uint64_t)(left - wanted);
}

/* Rounded up, so that a bound of few rows is not one of fewer. */
static size_t counted_rows(const struct admission_limits *limits, size_t rows)
{
    const uint64_t most =
        is_capped(limits) ? ((uint64_t)limits->rows * limits->client_percent + 99) / 100 : SIZE_MAX;
    return rows < most ? rows : (size_t)most;
}

static enum admission_answer answer_to(const struct admission *admission,
                                       const struct admission_limits *limits,
                                       const struct admission_place *place)
{
    const struct admission_client *client = &admission->clients[place->client];
    if (admission->requests >= limits->requests)
        return ADMISSION_FULL;
    if (!client_may(limits, client->requests, 1, limits->requests - admission->requests))
        return ADMISSION_CLIENT_FULL;
    if (admission->rows == 0)
        return ADMISSION_GRANTED;
    const size_t left = admission->rows < limits->rows ? limits->rows - admission->rows : 0;
    if (place->rows > left)
        return ADMISSION_FULL;
    return client_may(limits, client->rows, place->rows, left) ? ADMISSION_GRANTED
                                                               : ADMISSION_CLIENT_FULL;
}

static struct admission_place place_of(const struct admission_limits *limits, uint64_t client,
                                       size_t rows)
{
    return (struct admission_place){index_of(client, limits->seed), counted_rows(limits, rows)};
}

enum admission_answer admission_ask(const struct admission *admission,
                                    const struct admission_limits *limits, uint64_t client,
                                    size_t rows)
{
    const struct admission_place place = place_of(limits, client, rows);
    return answer_to(admission, limits, &place);
}

enum admission_answer admission_take(struct admission *admission,
                                     const struct admission_limits *limits, uint64_t client,
                                     size_t rows, struct admission_place *place)
{
    *place = place_of(limits, client, rows);
    const enum admission_answer answer = answer_to(admission, limits, place);
    if (answer != ADMISSION_GRANTED)
        return answer;
    admission->requests++;
    admission->rows += place->rows;
    admission->clients[place->client].requests++;
    admission->clients[place->client].rows += place->rows;
    return ADMISSION_GRANTED;
}

void admission_give(struct admission *admission, const struct admission_place *place)
{
    struct admission_client *client = &admission->clients[place->client];
    assert(client->requests > 0 && client->rows >= place->rows);
    admission->requests--;
    admission->rows -= place->rows;
    client->requests--;
    client->rows -= place->rows;
}
