/* Heads of any bytes: what passes the guard has one length, one host, one meaning. Input: "METHOD
 * TARGET VERSION\n", then "name:value\n" lines, values and names taken as they are.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_guard.h"

#define MAX_BODY 100000
#define MOST     (HTTP_GUARD_HEADERS_MAX + 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts the text at the first of separator; returns what is behind it, the text's end if none. */
static char *cut(char *text, char separator)
{
    char *at = strchr(text, separator);
    if (at == NULL)
        return text + strlen(text);
    *at = '\0';
    return at + 1;
}

static size_t count(const struct http_head *head, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < head->header_count; i++)
        found += head->headers[i].name_size == strlen(name) &&
                 strncasecmp(head->headers[i].name, name, strlen(name)) == 0;
    return found;
}

static void check_good(const struct http_head *head, const struct http_head_facts *facts)
{
    const size_t lengths = count(head, "content-length"),
                 codings = count(head, "transfer-encoding");
    assert(lengths + codings <= 1 && facts->chunked == (codings == 1));
    assert(facts->length <= MAX_BODY && (lengths == 1 || facts->length == 0));
    assert(facts->has_body == (facts->chunked || facts->length > 0));
    assert(!facts->has_body ||
           (strcmp(head->method, "GET") != 0 && strcmp(head->method, "HEAD") != 0));
    assert(strcmp(head->method, "POST") != 0 || lengths + codings == 1 || head->body_optional);
    assert(facts->length_missing == (head->method[0] == 'P' && lengths + codings == 0));
    assert(count(head, "host") == 1 || (count(head, "host") == 0 && head->version[7] == '0'));
    assert(count(head, "content-encoding") <= 1 && count(head, "expect") <= 1);
    assert(head->target[0] == '/' && strpbrk(head->target, " \t\r\n\x7f") == NULL);
    assert(head->query == NULL || strpbrk(head->query, " \t\r\n\x7f") == NULL);
    for (size_t i = 0; i < head->header_count; i++)
        for (size_t j = 0; j < head->headers[i].name_size; j++)
            assert(head->headers[i].name[j] > 32 && head->headers[i].name[j] < 127);
}

static void try(const struct http_head *head)
{
    struct http_head_facts facts;
    struct fault fault = {0};
    if (http_guard_check(head, MAX_BODY, &facts, &fault))
        check_good(head, &facts);
    else
        assert(fault.status >= 400 && fault.status <= 505 && fault.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_header headers[MOST];
    struct http_head head = {.headers = headers};
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = cut(text, '\n'), *target = cut(text, ' '), *version = cut(target, ' ');
    char *query = strchr(target, '?');
    head.method = text;
    if (query != NULL)
        head.query = cut(query, '?');
    head.target = target;
    head.version = version;
    while (*rest != '\0' && head.header_count < MOST) {
        char *line = rest;
        rest = cut(line, '\n');
        char *value = cut(line, ':');
        struct http_header *header = &headers[head.header_count++];
        *header = (struct http_header){line, value, strlen(line), strlen(value)};
    }
    try(&head);
    head.body_optional = true;
    try(&head);
    free(text);
    return 0;
}
