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

#include "server/api.h"

bool api_sequences_list(struct api_call *call, struct fault *fault);
bool api_sequences_export(struct api_call *call, struct fault *fault);
bool api_sequences_import(struct api_call *call, struct fault *fault);
bool api_sequences_drop(struct api_call *call, struct fault *fault);

#endif
