#include "tests/bench/http_scan.h"

#include <string.h>
#include <strings.h>

void http_scan_init(struct http_scan *scan)
{
    scan->status = 0;
    scan->keep_alive = true;
    scan->retry_after = false;
    scan->retry_after_s = 0;
    scan->bytes = 0;
    scan->excerpt[0] = '\0';
    scan->in_body = scan->length_given = false;
    scan->left = UINT64_MAX;
    scan->excerpt_size = scan->line_size = 0;
}

/* A whole line of digits. */
static bool parse_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > UINT64_MAX / 100)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *number = value;
    return true;
}

/* "HTTP/1.1 200 OK" */
static bool scan_status_line(struct http_scan *scan, const char *line)
{
    static const char version[] = "HTTP/1.";
    if (strncmp(line, version, sizeof version - 1) != 0)
        return false;
    const char *at = line + sizeof version - 1;
    if ((*at != '0' && *at != '1') || at[1] != ' ')
        return false;
    scan->keep_alive = *at == '1';
    at += 2;
    int status = 0;
    for (int i = 0; i < 3; i++, at++) {
        if (*at < '0' || *at > '9')
            return false;
        status = status * 10 + (*at - '0');
    }
    scan->status = status;
    return status >= 100 && (*at == ' ' || *at == '\0');
}

/* The value behind "NAME:" and spaces, or NULL when line is another header. */
static const char *value_of(const char *line, const char *name)
{
    const size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':')
        return NULL;
    line += size + 1;
    return line + strspn(line, " \t");
}

static bool scan_length(struct http_scan *scan, const char *value)
{
    uint64_t length;
    if (!parse_number(value, &length) || (scan->length_given && length != scan->left))
        return false;
    scan->length_given = true;
    scan->left = length;
    return true;
}

static bool scan_header(struct http_scan *scan, const char *line)
{
    const char *value;
    if ((value = value_of(line, "Content-Length")) != NULL)
        return scan_length(scan, value);
    if (value_of(line, "Transfer-Encoding") != NULL)
        return false;
    if ((value = value_of(line, "Connection")) != NULL) {
        if (strcasecmp(value, "close") == 0)
            scan->keep_alive = false;
        else if (strcasecmp(value, "keep-alive") == 0)
            scan->keep_alive = true;
    } else if ((value = value_of(line, "Retry-After")) != NULL) {
        scan->retry_after = parse_number(value, &scan->retry_after_s);
    }
    return strchr(line, ':') != NULL;
}

/* Behind the head's empty line. */
static void begin_body(struct http_scan *scan)
{
    if (scan->status < 200) { /* an interim answer: the real one follows */
        const uint64_t bytes = scan->bytes;
        http_scan_init(scan);
        scan->bytes = bytes;
        return;
    }
    scan->in_body = true;
    if (scan->status == 204 || scan->status == 304)
        scan->left = 0;
    else if (!scan->length_given)
        scan->keep_alive = false; /* its end is the connection's */
}

/* One line of the head, without its end. */
static bool scan_line(struct http_scan *scan, char *line, size_t size)
{
    if (size > 0 && line[size - 1] == '\r')
        size--;
    line[size] = '\0';
    if (scan->status == 0)
        return scan_status_line(scan, line);
    if (size > 0)
        return scan_header(scan, line);
    begin_body(scan);
    return true;
}

/* Takes data up to the line's end, if that is in it. Of a line longer than any that counts the
 * beginning is kept. */
static bool feed_head(struct http_scan *scan, const char *data, size_t size, size_t *used)
{
    const char *end = memchr(data, '\n', size);
    const size_t length = end != NULL ? (size_t)(end - data) : size;
    const size_t room = sizeof scan->line - 1 - scan->line_size;
    const size_t kept = length < room ? length : room;
    memcpy(scan->line + scan->line_size, data, kept);
    scan->line_size += kept;
    *used = end != NULL ? length + 1 : size;
    scan->bytes += *used;
    if (end == NULL)
        return true;
    const size_t line_size = scan->line_size;
    scan->line_size = 0;
    return scan_line(scan, scan->line, line_size);
}

static void feed_body(struct http_scan *scan, const char *data, size_t size, size_t *used)
{
    const size_t taken = scan->left < size ? (size_t)scan->left : size;
    if (scan->status >= 400) {
        const size_t room = sizeof scan->excerpt - 1 - scan->excerpt_size;
        const size_t kept = taken < room ? taken : room;
        memcpy(scan->excerpt + scan->excerpt_size, data, kept);
        scan->excerpt_size += kept;
        scan->excerpt[scan->excerpt_size] = '\0';
    }
    if (scan->length_given)
        scan->left -= taken;
    scan->bytes += taken;
    *used = taken;
}

enum http_scan_result http_scan_feed(struct http_scan *scan, const char *data, size_t size,
                                     size_t *used)
{
    *used = 0;
    while (!scan->in_body && *used < size) {
        size_t part;
        const bool good = feed_head(scan, data + *used, size - *used, &part);
        *used += part;
        if (!good)
            return HTTP_SCAN_BAD;
    }
    if (!scan->in_body)
        return HTTP_SCAN_MORE;
    size_t part;
    feed_body(scan, data + *used, size - *used, &part);
    *used += part;
    return scan->left == 0 ? HTTP_SCAN_DONE : HTTP_SCAN_MORE;
}

enum http_scan_result http_scan_end(const struct http_scan *scan)
{
    return scan->in_body && !scan->length_given ? HTTP_SCAN_DONE : HTTP_SCAN_BAD;
}
