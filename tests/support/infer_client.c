#include "tests/support/infer_client.h"

#include <stdio.h>
#include <stdlib.h>

bool infer_post_text(struct http_client *client, const char *model, const char *text, size_t size,
                     struct infer_result *result)
{
    char path[160];
    struct http_response response;
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    if (!http_post(client, path, text, size, &response))
        return false;

    struct fault fault = {0};
    const bool good = response.status == 200 &&
                      infer_result_parse(result, response.body, response.body_size, &fault);
    if (!good) {
        fprintf(stderr, "# %s: status %ld, %.300s, %s\n", path, response.status, response.body,
                fault.text);
        if (response.status == 200)
            infer_result_fini(result);
    }
    http_response_fini(&response);
    return good;
}

bool infer_post(struct http_client *client, const char *model, struct infer_body *body,
                struct infer_result *result)
{
    size_t size;
    char *text = infer_body_end(body, &size);
    const bool good = infer_post_text(client, model, text, size, result);
    free(text);
    return good;
}
