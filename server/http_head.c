/* A request's head, between libmicrohttpd and the guard, and what the library would make of it by
 * itself.
 *
 * By itself it keeps a record for each of a query's parameters and for each cookie, in the memory
 * that the head lies in. A thousand of them fit a head, their records do not, and then it does not
 * answer, or twice. Nobody here wants them from it, so it finds none. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_exchange.h"
#include "server/http_library.h"
#include "server/http_wire.h"

/* ---- what the library looks up for itself ---- */

static enum MHD_Result (*lookup)(struct MHD_Connection *, enum MHD_ValueKind, const char *, size_t,
                                 const char **, size_t *);

/* Whose head this thread checked last, if there is no body behind it. The library would ask even
 * such a client to go on, and then take what comes next for the body. */
static _Thread_local const struct MHD_Connection *bodiless;

bool http_head_init(struct fault *fault)
{
    return http_library_find("MHD_lookup_connection_value_n", &lookup, fault);
}

/* The size of a value without the white space behind it, which the library leaves there, and
 * without the NUL that this puts into it. Others it has none. */
static size_t trimmed(const char *value, size_t size)
{
    while (size > 0 &&
           (value[size - 1] == ' ' || value[size - 1] == '\t' || value[size - 1] == '\0'))
        size--;
    return size;
}

/* A function of the library's interface, by which it looks itself for the headers that it obeys.
 * Bound as MHD_queue_response is (see http_refusals.h). */
enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *connection,
                                              enum MHD_ValueKind kind, const char *name,
                                              size_t name_size, const char **found,
                                              size_t *found_size)
{
    const char *value = NULL;
    size_t size = 0;
    if (name != NULL && (strcasecmp(name, MHD_HTTP_HEADER_COOKIE) == 0 ||
                         (connection == bodiless && strcasecmp(name, MHD_HTTP_HEADER_EXPECT) == 0)))
        return MHD_NO;
    if (lookup(connection, kind, name, name_size, &value, &size) != MHD_YES)
        return MHD_NO;
    if (value != NULL && trimmed(value, size) != size) {
        /* Its own memory, read to be written to: for some headers it asks for the NUL alone. */
        size = trimmed(value, size);
        ((char *)(uintptr_t)value)[size] = '\0';
    }
    if (found != NULL)
        *found = value;
    if (found_size != NULL)
        *found_size = size;
    return MHD_YES;
}

/* ---- the query ---- */

/* Called with the target as it came, before the library looks for the query's parameters. They are
 * taken from its sight with the query's first byte. */
bool http_head_begin(struct exchange *exchange, const char *target)
{
    const char *mark = strchr(target, '?');
    if (mark == NULL)
        return true;
    exchange->query = strdup(mark + 1);
    ((char *)(uintptr_t)mark)[1] = '\0'; /* the library's own memory, as above */
    return exchange->query != NULL;
}

/* Forms write a space as a plus, a plus as %2B. */
static void restore_spaces(char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if (*text == '+')
            *text = ' ';
}

void http_head_note_query(struct exchange *exchange)
{
    struct route *route = &exchange->route;
    char *rest = exchange->query, *pair;
    restore_spaces(rest);
    while ((pair = strsep(&rest, "&")) != NULL) {
        const char *name = strsep(&pair, "=");
        if (route->limit == NULL && strcmp(name, "limit") == 0)
            route->limit = pair;
        else if (route->after == NULL && strcmp(name, "after") == 0)
            route->after = pair;
    }
}

/* ---- the check ---- */

struct header_list {
    size_t count;
    struct http_header headers[HTTP_GUARD_HEADERS_MAX + 1];
};

static enum MHD_Result collect_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    struct header_list *list = argument;
    (void)kind;
    if (list->count > HTTP_GUARD_HEADERS_MAX)
        return MHD_NO;
    list->headers[list->count++] =
        (struct http_header){name, value, name_size, trimmed(value, value_size)};
    return MHD_YES;
}

/* The head may leave the library too little memory for that of an answer. */
static bool is_crowded(struct exchange *exchange)
{
    const int headers =
        MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, NULL, NULL);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info == NULL ||
           info->header_size + (size_t)headers * HTTP_GUARD_HEADER_COST > HTTP_GUARD_HEAD_MAX;
}

bool http_head_check(struct exchange *exchange, const char *method, const char *target,
                     const char *version)
{
    struct header_list list = {.count = 0};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, collect_header, &list);
    const struct http_head head = {.method = method,
                                   .target = target,
                                   .version = version,
                                   .query = exchange->query,
                                   .headers = list.headers,
                                   .header_count = list.count,
                                   .body_optional = exchange->route.body_optional};
    exchange->crowded = is_crowded(exchange);
    const bool good =
        http_guard_check(&head, exchange->http->config.max_body, &exchange->facts,
                         &exchange->refusal) &&
        (!http_wire_is_lost(http_library_descriptor(exchange->connection)) ||
         fault_set(&exchange->refusal, 400, "a request whose end is not in doubt expected"));
    bodiless = good && !exchange->facts.has_body ? exchange->connection : NULL;
    return good;
}
