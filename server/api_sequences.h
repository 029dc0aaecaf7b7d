/* The doors to the sequences whose state is kept, under /v2/models/M/sequences:
 *
 *   GET           those alive, ordered by id (numbers first), a page at a time:
 *                 {"sequences": [{"sequence_id", "rows", "steps", "idle_us", "requests"}...],
 *                  "more": bool}; ?limit=N (100, at most 1000), ?after=ID goes on behind that one
 *   GET    /ID    one with its state, as proto/sequence_message.h has it
 *   PUT    /ID    the same object back: makes the sequence, or takes the place of one at rest
 *   DELETE /ID    drops it; {}
 *
 * An ID stands there as sequence_id_read_url reads it: digits are a number, %22123%22 is the text
 * "123". Errors beside the usual: 404 unknown, 409 one that has requests running or waiting, 503 no
 * room for it. */
#ifndef SERVER_API_SEQUENCES_H
#define SERVER_API_SEQUENCES_H

#include "server/body.h"
#include "server/reply.h"
#include "server/router.h"
#include "server/service.h"

/* Values as they stand in the URL, NULL where it has none. */
struct sequence_query {
    const char *limit, *after;
};

/* route is ROUTE_SEQUENCE_LIST or ROUTE_SEQUENCE; body: what came with a PUT. Always leaves a
 * reply, an error's where need be. */
void api_sequences_answer(struct service *service, const struct route *route,
                          const struct sequence_query *query, const struct body *body,
                          struct reply *reply);

#endif
