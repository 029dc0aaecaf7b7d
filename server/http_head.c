/* A request's head, between libmicrohttpd and the guard: what the library would make of it by
 * itself, and what it does not tell.
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

/* ---- what the library looks up for itself ---- */

static enum MHD_Result (*lookup)(struct MHD_Connection *, enum MHD_ValueKind, const char *, size_t,
                                 const char **, size_t *);

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
    if (name != NULL && strcasecmp(name, MHD_HTTP_HEADER_COOKIE) == 0)
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
    exchange->target_size = strlen(target);
    if (mark == NULL)
        return true;
    exchange->query = strdup(mark + 1);
    ((char *)(uintptr_t)mark)[1] = '\0'; /* the library's own memory, as above */
    return exchange->query != NULL;
}

void http_head_note_query(struct exchange *exchange)
{
    struct route *route = &exchange->route;
    char *rest = exchange->query, *pair;
    while ((pair = strsep(&rest, "&")) != NULL) {
        const char *name = strsep(&pair, "=");
        if (strcmp(name, "limit") == 0)
            route->limit = pair;
        else if (strcmp(name, "after") == 0)
            route->after = pair;
    }
}

/* ---- the check ---- */

struct lines {
    const char *next; /* where the next line must begin */
    bool whole;       /* all so far were what the library saw of them */
    size_t count;
    struct http_header headers[HTTP_GUARD_HEADERS_MAX + 1];
};

/* A line's end is CR and LF, over which the library wrote two NULs. */
static const char *behind_line(const char *end)
{
    return end + 2;
}

static enum MHD_Result collect_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    struct lines *lines = argument;
    (void)kind;
    if (lines->count > HTTP_GUARD_HEADERS_MAX)
        return MHD_NO;
    lines->whole = lines->whole && name == lines->next;
    lines->next = behind_line(value + value_size);
    lines->headers[lines->count++] =
        (struct http_header){name, value, name_size, trimmed(value, value_size)};
    return MHD_YES;
}

static const char *end_of_head(struct MHD_Connection *connection, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info != NULL ? method + info->header_size : NULL;
}

/* For the library a NUL ends what it reads, and a line with a NUL in front is the empty one that
 * ends the head; a lone LF ends a line; of a folded header it takes the first line. It tells
 * nothing of that, but reads in place, so that what it left out lies between what it found. */
static bool check_lines(struct exchange *exchange, const struct lines *lines, const char *method,
                        const char *target, const char *version)
{
    if (method + strlen(method) + 1 != target || target + exchange->target_size + 1 != version)
        return fault_set(&exchange->refusal, 400,
                         "a request line of three parts expected, one space between them, no NUL");
    const bool whole =
        lines->whole && behind_line(lines->next) == end_of_head(exchange->connection, method);
    return whole ||
           fault_set(&exchange->refusal, 400,
                     "a head of lines that end in CRLF expected, without a NUL, none folded");
}

bool http_head_check(struct exchange *exchange, const char *method, const char *target,
                     const char *version)
{
    struct lines lines = {.next = behind_line(version + strlen(version)), .whole = true};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, collect_header, &lines);
    const struct http_head head = {.method = method,
                                   .target = target,
                                   .version = version,
                                   .query = exchange->query,
                                   .headers = lines.headers,
                                   .header_count = lines.count,
                                   .body_optional = exchange->route.body_optional};
    return http_guard_check(&head, exchange->http->config.max_body, &exchange->facts,
                            &exchange->refusal) &&
           check_lines(exchange, &lines, method, target, version);
}
