/* One infer request over HTTP, from its body to the tensors of its answer. */
#ifndef TESTS_SUPPORT_INFER_CLIENT_H
#define TESTS_SUPPORT_INFER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/http_client.h"
#include "tests/support/infer_body.h"
#include "tests/support/infer_result.h"

/* Ends the body, posts it to the model and reads the answer. false, with the reason on stderr, when
 * the status was not 200 or the answer is not one; else the result is the caller's:
 * infer_result_fini. */
bool infer_post(struct http_client *client, const char *model, struct infer_body *body,
                struct infer_result *result);

/* The same for a body that is text already. */
bool infer_post_text(struct http_client *client, const char *model, const char *text, size_t size,
                     struct infer_result *result);

#endif
