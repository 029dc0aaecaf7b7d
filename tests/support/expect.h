/* What wire tests expect of an answer, as cmocka assertions. */
#ifndef TESTS_SUPPORT_EXPECT_H
#define TESTS_SUPPORT_EXPECT_H

#include "tests/support/http_client.h"
#include "tests/support/infer_result.h"

/* The answer has this status and is this JSON value, whatever the order of its keys. */
void expect_json(const struct http_response *response, long status, const char *json);

/* The answer has this status and is {"error": text}, the text holding this fragment. */
void expect_error(const struct http_response *response, long status, const char *fragment);

/* A GET is answered so. */
void expect_get_json(struct http_client *client, const char *path, long status, const char *json);
void expect_get_error(struct http_client *client, const char *path, long status,
                      const char *fragment);

/* The result has a float32 tensor of that name and shape ({a, b, c}); its values are returned. */
const float *expect_tensor(const struct infer_result *result, const char *name, size_t a, size_t b,
                           size_t c);

#endif
