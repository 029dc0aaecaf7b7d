/* Where requests come in: HTTP's address, the admin's, ZeroMQ's endpoints, as the set-up has them.
 */
#ifndef SERVER_FRONTS_H
#define SERVER_FRONTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/address.h"
#include "server/http.h"
#include "server/log.h"
#include "server/service.h"
#include "server/setup.h"
#include "server/zmq_front.h"

struct fronts {
    struct http *http, *admin; /* NULL: not there */
    struct zmq_front *zmq;     /* the same */
};

/* They serve at once. setup and service must stay until fronts_stop. On failure nothing is left. */
bool fronts_start(struct fronts *fronts, const struct setup *setup, struct service *service,
                  struct fault *fault);

/* Takes in nothing new, lets what was accepted finish until that moment of clock_now's, and answers
 * the rest 503. The admin's address answers probes to the end. */
void fronts_stop(struct fronts *fronts, uint64_t deadline);

struct fronts_text {
    char http[ADDRESS_TEXT_MAX], admin[ADDRESS_TEXT_MAX];
    char zmq[LOG_LINE_MAX / 2]; /* commas between them; cut, so that others have room beside it */
    char events[ZMQ_ENDPOINT_MAX];
};

/* Where each listens, the real ports in it; "none" for what is not there. */
void fronts_print(const struct fronts *fronts, struct fronts_text *text);

#endif
