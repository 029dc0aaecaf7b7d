#include "server/router.h"

#include <string.h>

#define MODEL    '$' /* in a pattern: one path segment, the model's name */
#define VERSION  '#' /* the same, its version */
#define SEQUENCE '@' /* the same, a sequence's id */

static const char READING[] = "GET, HEAD";
static const char POSTING[] = "POST";
static const char KEEPING[] = "GET, HEAD, PUT, DELETE";

static const struct {
    const char *pattern;
    enum route_kind kind;
    const char *allow;
} routes[] = {
    {"/v2", ROUTE_SERVER_METADATA, READING},
    {"/v2/", ROUTE_SERVER_METADATA, READING},
    {"/v2/health/live", ROUTE_LIVE, READING},
    {"/v2/health/ready", ROUTE_READY, READING},
    {"/v2/models", ROUTE_MODEL_LIST, READING},
    {"/v2/models/$", ROUTE_MODEL_METADATA, READING},
    {"/v2/models/$/versions/#", ROUTE_MODEL_METADATA, READING},
    {"/v2/models/$/ready", ROUTE_MODEL_READY, READING},
    {"/v2/models/$/versions/#/ready", ROUTE_MODEL_READY, READING},
    {"/v2/models/$/infer", ROUTE_INFER, POSTING},
    {"/v2/models/$/versions/#/infer", ROUTE_INFER, POSTING},
    {"/v2/models/$/sequences", ROUTE_SEQUENCE_LIST, READING},
    {"/v2/models/$/sequences/@", ROUTE_SEQUENCE, KEEPING},
};

static void set_span(struct route *route, char wildcard, const char *text, size_t size)
{
    if (wildcard == MODEL) {
        route->model = text;
        route->model_size = size;
    } else if (wildcard == VERSION) {
        route->version = text;
        route->version_size = size;
    } else {
        route->sequence = text;
        route->sequence_size = size;
    }
}

static bool match(struct route *route, const char *pattern, const char *path)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != MODEL && *pattern != VERSION && *pattern != SEQUENCE) {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        const size_t size = strcspn(path, "/");
        if (size == 0)
            return false;
        set_span(route, *pattern, path, size);
        path += size;
    }
    return *path == '\0';
}

/* Is the verb one of the list, a whole word of it? HEAD is answered wherever GET is. */
static bool allows(const char *list, const char *method)
{
    const size_t size = strlen(method);
    for (const char *word = list; *word != '\0';) {
        const size_t word_size = strcspn(word, ",");
        if (word_size == size && memcmp(word, method, size) == 0)
            return true;
        word += word_size;
        word += strspn(word, ", ");
    }
    return false;
}

/* Of one that a route allows. */
static enum route_verb verb_of(const char *method)
{
    return strcmp(method, "POST") == 0     ? VERB_POST
           : strcmp(method, "PUT") == 0    ? VERB_PUT
           : strcmp(method, "DELETE") == 0 ? VERB_DELETE
                                           : VERB_GET;
}

bool route_find(struct route *route, const char *method, const char *path, struct fault *fault)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        *route = (struct route){0};
        if (!match(route, routes[i].pattern, path))
            continue;
        route->kind = routes[i].kind;
        route->allow = routes[i].allow;
        route->verb = verb_of(method);
        return allows(route->allow, method) || fault_set(fault, 405, "Method Not Allowed");
    }
    *route = (struct route){0};
    return fault_set(fault, 404, "Not Found");
}
