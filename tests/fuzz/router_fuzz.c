/* Verbs and paths of any bytes: what a route names stands in the path, in order, and is one
 * segment. Input: "METHOD PATH". */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the span's end. */
static const char *check_span(const char *from, const char *end, const char *span, size_t size)
{
    if (span == NULL) {
        assert(size == 0);
        return from;
    }
    assert(span > from && size > 0 && size <= (size_t)(end - span));
    assert(memchr(span, '/', size) == NULL);
    return span + size;
}

static void check_found(const struct route *route, const char *path)
{
    const char *end = path + strlen(path);
    assert(route->kind > ROUTE_NONE && route->kind < ROUTE_COUNT && route->allow != NULL);
    const char *at = check_span(path, end, route->model, route->model_size);
    check_span(at, end, route->version, route->version_size);
    check_span(at, end, route->label, route->label_size);
    check_span(at, end, route->sequence, route->sequence_size);
    assert(route->version == NULL || route->label == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route route;
    struct fault fault = {0};
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char *path = strchr(text, ' ');
    path = path != NULL ? path : text + strlen(text);
    if (*path == ' ')
        *path++ = '\0';
    if (route_find(&route, text, path, &fault))
        check_found(&route, path);
    else
        assert(fault.status == 404 ? route.kind == ROUTE_NONE && route.allow == NULL
                                   : fault.status == 405 && route.allow != NULL);
    free(text);
    return 0;
}
