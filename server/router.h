/* Which of the server's doors a verb and a path mean. Paths are compared byte for byte: nothing is
 * unescaped, no slash is forgiven, so that no proxy in front can see another path than we do. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

enum route_kind {
    ROUTE_NONE,
    ROUTE_SERVER_METADATA,
    ROUTE_LIVE,
    ROUTE_READY,
    ROUTE_MODEL_LIST,
    ROUTE_MODEL_METADATA,
    ROUTE_MODEL_READY,
    ROUTE_MODEL_CONFIG,
    ROUTE_MODEL_STATS,
    ROUTE_ALL_STATS,
    ROUTE_INFER,
    ROUTE_INFER_STREAM,
    ROUTE_SEQUENCE_LIST,
    ROUTE_SEQUENCE_EXPORT,
    ROUTE_SEQUENCE_IMPORT,
    ROUTE_SEQUENCE_DROP,
    ROUTE_REPOSITORY_INDEX,
    ROUTE_MODEL_LOAD,
    ROUTE_MODEL_UNLOAD,
    ROUTE_LOGGING,
    ROUTE_LOGGING_UPDATE,
    ROUTE_V1_LIVE,
    ROUTE_V1_PREDICT,
    ROUTE_V1_MODEL_STATUS,
    ROUTE_V1_MODEL_METADATA,
    ROUTE_METRICS,
    ROUTE_CONSOLE,
    ROUTE_CONSOLE_SCRIPT,
    ROUTE_DOCS,
    ROUTE_DOCS_SCRIPT,
    ROUTE_DOCS_STYLE,
    ROUTE_OPENAPI,
    ROUTE_COUNT,
};

struct route {
    enum route_kind kind;
    /* Spans of the path; NULL where it names none. */
    const char *model, *version, *label, *sequence;
    size_t model_size, version_size, label_size, sequence_size;
    /* ROUTE_SEQUENCE_LIST: the query's values, set by who has them; NULL where there is none. */
    const char *limit, *after;
    /* A POST there may come without a body, without even saying so; one that is refused too. */
    bool body_optional;
    const char *allow; /* the path's verbs, for a 405; static text, NULL for an unknown path */
};

/* path starts with '/' and has no query. false: 404, or 405 with route->allow set. */
bool route_find(struct route *route, const char *method, const char *path, struct fault *fault);

#endif
