/* What the tests asked of a daemon and what it answered, kept for those who check it afterwards
 * (tests/wire/openapi_test.py).
 *
 * With WIRE_RECORD=FOLDER in the environment each process appends to a file of its own there; else
 * nothing happens. One exchange: a line "method path status request_size body_size\n", then the
 * answer's headers' size as a line of its own, then those headers, the request's body and the
 * answer's body, one behind the other. */
#ifndef TESTS_SUPPORT_EXCHANGE_RECORD_H
#define TESTS_SUPPORT_EXCHANGE_RECORD_H

#include <stddef.h>

#include "tests/support/http_client.h"

/* body: the request's, NULL for none. Any thread may call. */
void exchange_record(const char *method, const char *path, const char *body, size_t body_size,
                     const struct http_response *response);

#endif
