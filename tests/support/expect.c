#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static void expect_status(const struct http_response *response, long status)
{
    char type[64] = "";
    if (response->status != status)
        fail_msg("status %ld wanted, got %ld: %.300s", status, response->status, response->body);
    http_header(response, "Content-Type", type, sizeof type);
    assert_string_equal(type, "application/json");
}

void expect_json(const struct http_response *response, long status, const char *json)
{
    expect_status(response, status);
    cJSON *wanted = cJSON_Parse(json), *found = cJSON_Parse(response->body);
    assert_non_null(wanted);
    const bool equal = cJSON_Compare(wanted, found, true);
    cJSON_Delete(wanted);
    cJSON_Delete(found);
    if (!equal)
        fail_msg("wanted %s, got %s", json, response->body);
}

void expect_error(const struct http_response *response, long status, const char *fragment)
{
    expect_status(response, status);
    cJSON *found = cJSON_Parse(response->body);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(found, "error");
    const bool good = cJSON_GetArraySize(found) == 1 && cJSON_IsString(error) &&
                      strstr(error->valuestring, fragment) != NULL;
    cJSON_Delete(found);
    if (!good)
        fail_msg("an error with \"%s\" wanted, got %s", fragment, response->body);
}

void expect_get_json(struct http_client *client, const char *path, long status, const char *json)
{
    struct http_response response;
    assert_true(http_get(client, path, &response));
    expect_json(&response, status, json);
    http_response_fini(&response);
}

void expect_get_error(struct http_client *client, const char *path, long status,
                      const char *fragment)
{
    struct http_response response;
    assert_true(http_get(client, path, &response));
    expect_error(&response, status, fragment);
    http_response_fini(&response);
}

const float *expect_tensor(const struct infer_result *result, const char *name, size_t a, size_t b,
                           size_t c)
{
    const struct infer_result_tensor *tensor = infer_result_find(result, name);
    if (tensor == NULL)
        fail_msg("there is no '%s' in the answer", name);
    else if (tensor->rank != 3 || tensor->shape[0] != a || tensor->shape[1] != b ||
             tensor->shape[2] != c)
        fail_msg("'%s' of shape [%zu,%zu,%zu] wanted, got rank %zu [%zu,%zu,%zu]", name, a, b, c,
                 tensor->rank, tensor->shape[0], tensor->shape[1], tensor->shape[2]);
    assert_non_null(tensor);
    assert_string_equal(tensor->datatype, "FP32");
    return tensor->values;
}
