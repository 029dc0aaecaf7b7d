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
    ROUTE_INFER,
    ROUTE_SEQUENCE_LIST,
    ROUTE_SEQUENCE, /* one; the verb says what is done with it */
};

enum route_verb { VERB_GET /* HEAD too */, VERB_POST, VERB_PUT, VERB_DELETE };

struct route {
    enum route_kind kind;
    enum route_verb verb;
    const char *model, *version, *sequence; /* spans of the path; NULL where it names none */
    size_t model_size, version_size, sequence_size;
    const char *allow; /* the path's verbs, for a 405; static text, NULL for an unknown path */
};

/* path starts with '/' and has no query. false: 404, or 405 with route->allow set. */
bool route_find(struct route *route, const char *method, const char *path, struct fault *fault);

#endif
