#include "server/router.h"

#include <string.h>

/* In a pattern: one path segment; of all but a sequence's, only what is before a colon. */
#define MODEL    '$'
#define VERSION  '#'
#define LABEL    '@'
#define SEQUENCE '?'

static const char READING[] = "GET, HEAD";
static const char POSTING[] = "POST";
static const char BOTH[] = "GET, HEAD, POST";
static const char PUTTING[] = "PUT";
static const char DELETING[] = "DELETE";
static const char KEEPING[] = "GET, HEAD, PUT, DELETE";

/* The first pattern that matches counts: doors stand before models that are named like them. What
 * is asked for most, and is like no other, stands first. */
static const struct row {
    const char *pattern;
    enum route_kind kind;
    const char *verbs;
    const char *allow; /* what all rows of the pattern serve, where that is more than verbs */
} routes[] = {
    {"/v2/models/$/infer", ROUTE_INFER, POSTING, NULL},
    {"/v2/models/$/versions/#/infer", ROUTE_INFER, POSTING, NULL},
    {"/v1/models/$:predict", ROUTE_V1_PREDICT, POSTING, NULL},
    {"/v2", ROUTE_SERVER_METADATA, READING, NULL},
    {"/v2/", ROUTE_SERVER_METADATA, READING, NULL},
    {"/v2/health/live", ROUTE_LIVE, READING, NULL},
    {"/v2/health/ready", ROUTE_READY, READING, NULL},
    {"/v2/models", ROUTE_MODEL_LIST, READING, NULL},
    {"/v2/models/stats", ROUTE_ALL_STATS, READING, NULL},
    {"/v2/models/$", ROUTE_MODEL_METADATA, READING, NULL},
    {"/v2/models/$/versions/#", ROUTE_MODEL_METADATA, READING, NULL},
    {"/v2/models/$/ready", ROUTE_MODEL_READY, READING, NULL},
    {"/v2/models/$/versions/#/ready", ROUTE_MODEL_READY, READING, NULL},
    {"/v2/models/$/config", ROUTE_MODEL_CONFIG, READING, NULL},
    {"/v2/models/$/versions/#/config", ROUTE_MODEL_CONFIG, READING, NULL},
    {"/v2/models/$/stats", ROUTE_MODEL_STATS, READING, NULL},
    {"/v2/models/$/versions/#/stats", ROUTE_MODEL_STATS, READING, NULL},
    {"/v2/models/$/infer_stream", ROUTE_INFER_STREAM, POSTING, NULL},
    {"/v2/models/$/versions/#/infer_stream", ROUTE_INFER_STREAM, POSTING, NULL},
    {"/v2/models/$/sequences", ROUTE_SEQUENCE_LIST, READING, NULL},
    {"/v2/models/$/sequences/?", ROUTE_SEQUENCE_EXPORT, READING, KEEPING},
    {"/v2/models/$/sequences/?", ROUTE_SEQUENCE_IMPORT, PUTTING, KEEPING},
    {"/v2/models/$/sequences/?", ROUTE_SEQUENCE_DROP, DELETING, KEEPING},
    {"/v2/repository/index", ROUTE_REPOSITORY_INDEX, POSTING, NULL},
    {"/v2/repository/models/$/load", ROUTE_MODEL_LOAD, POSTING, NULL},
    {"/v2/repository/models/$/unload", ROUTE_MODEL_UNLOAD, POSTING, NULL},
    {"/v2/logging", ROUTE_LOGGING, READING, BOTH},
    {"/v2/logging", ROUTE_LOGGING_UPDATE, POSTING, BOTH},
    {"/", ROUTE_V1_LIVE, READING, NULL},
    {"/v1/models", ROUTE_MODEL_LIST, READING, NULL},
    {"/v1/models/$/versions/#:predict", ROUTE_V1_PREDICT, POSTING, NULL},
    {"/v1/models/$/labels/@:predict", ROUTE_V1_PREDICT, POSTING, NULL},
    {"/v1/models/$", ROUTE_V1_MODEL_STATUS, READING, NULL},
    {"/v1/models/$/versions/#", ROUTE_V1_MODEL_STATUS, READING, NULL},
    {"/v1/models/$/labels/@", ROUTE_V1_MODEL_STATUS, READING, NULL},
    {"/v1/models/$/metadata", ROUTE_V1_MODEL_METADATA, READING, NULL},
    {"/v1/models/$/versions/#/metadata", ROUTE_V1_MODEL_METADATA, READING, NULL},
    {"/v1/models/$/labels/@/metadata", ROUTE_V1_MODEL_METADATA, READING, NULL},
    {"/metrics", ROUTE_METRICS, READING, NULL},
    {"/docs", ROUTE_DOCS, READING, NULL},
    {"/docs/console.js", ROUTE_CONSOLE_SCRIPT, READING, NULL},
    {"/docs/docs.js", ROUTE_DOCS_SCRIPT, READING, NULL},
    {"/docs/style.css", ROUTE_DOCS_STYLE, READING, NULL},
    {"/docs/openapi.json", ROUTE_OPENAPI, READING, NULL},
};

static void note_span(struct route *route, char placeholder, const char *text, size_t size)
{
    if (placeholder == MODEL) {
        route->model = text;
        route->model_size = size;
    } else if (placeholder == VERSION) {
        route->version = text;
        route->version_size = size;
    } else if (placeholder == LABEL) {
        route->label = text;
        route->label_size = size;
    } else {
        route->sequence = text;
        route->sequence_size = size;
    }
}

static bool match(struct route *route, const char *pattern, const char *path)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != MODEL && *pattern != VERSION && *pattern != LABEL && *pattern != SEQUENCE) {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        const size_t size = strcspn(path, *pattern == SEQUENCE ? "/" : "/:");
        if (size == 0)
            return false;
        note_span(route, *pattern, path, size);
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

static bool is_body_optional(enum route_kind kind)
{
    return kind == ROUTE_REPOSITORY_INDEX || kind == ROUTE_MODEL_LOAD || kind == ROUTE_MODEL_UNLOAD;
}

bool route_find(struct route *route, const char *method, const char *path, struct fault *fault)
{
    struct route found = {0};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct row *row = &routes[i];
        *route = (struct route){0};
        if (!match(route, row->pattern, path))
            continue;
        route->kind = row->kind;
        route->allow = row->allow != NULL ? row->allow : row->verbs;
        route->body_optional = is_body_optional(row->kind);
        if (allows(row->verbs, method))
            return true;
        if (found.kind == ROUTE_NONE)
            found = *route;
    }
    *route = found;
    route->body_optional = true; /* what is refused wants none */
    return found.kind != ROUTE_NONE ? fault_set(fault, 405, "Method Not Allowed")
                                    : fault_set(fault, 404, "Not Found");
}
