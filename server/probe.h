/* lstmd --probe URL: one GET, for health checks of containers that hold nothing else to ask with.
 */
#ifndef SERVER_PROBE_H
#define SERVER_PROBE_H

#include <stdbool.h>

#include "proto/fault.h"

/* url: http://ADDR:PORT/PATH, ADDR in numbers or localhost. true: answered 200 within 5 seconds. */
bool probe(const char *url, struct fault *fault);

#endif
