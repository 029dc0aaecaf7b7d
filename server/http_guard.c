#include "server/http_guard.h"

#include <string.h>
#include <strings.h>

#include "server/http_characters.h"

/* The headers whose doubling would let two readers disagree. */
enum single {
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    EXPECT,
    JSON_SIZE,
    TIMEOUT,
    SINGLE_COUNT,
};

static const char *const single_names[SINGLE_COUNT] = {
    [HOST] = "Host",
    [CONTENT_LENGTH] = "Content-Length",
    [TRANSFER_ENCODING] = "Transfer-Encoding",
    [CONTENT_TYPE] = "Content-Type",
    [CONTENT_ENCODING] = "Content-Encoding",
    [EXPECT] = "Expect",
    [JSON_SIZE] = "Inference-Header-Content-Length",
    [TIMEOUT] = "X-Request-Timeout-Ms",
};

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!http_is_token_char(text[i]))
            return false;
    return size != 0;
}

static bool is_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!http_is_value_char(text[i]))
            return false;
    return true;
}

static bool is_uri(const char *text)
{
    for (; *text != '\0'; text++)
        if (!http_is_visible_char(*text) || (unsigned char)*text > 0x7f)
            return false;
    return true;
}

/* HOST or HOST:PORT; empty is allowed. Nothing that would make a URL of it another one. */
static bool is_host(const struct http_header *host)
{
    for (size_t i = 0; i < host->value_size; i++) {
        const char c = host->value[i];
        if (!http_is_letter_or_digit(c) && (c == '\0' || strchr("-._~!$&'()*+,;=:[]%", c) == NULL))
            return false;
    }
    return true;
}

static bool equals(const struct http_header *header, const char *text)
{
    return header->value_size == strlen(text) &&
           strncasecmp(header->value, text, header->value_size) == 0;
}

static bool check_line(const struct http_head *head, struct fault *fault)
{
    if (!is_token(head->method, strlen(head->method)))
        return fault_set(fault, 400, "malformed request method");
    if (strcmp(head->version, "HTTP/1.1") != 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return fault_set(fault, 505, "HTTP/1.0 or HTTP/1.1 expected");
    if (head->target[0] != '/')
        return fault_set(fault, 400, "a request target that starts with '/' expected");
    if (!is_uri(head->target))
        return fault_set(fault, 400, "a path of printable ASCII expected");
    if (head->query != NULL && !is_uri(head->query))
        return fault_set(fault, 400, "a query of printable ASCII expected");
    return true;
}

static bool check_header(const struct http_header *header, struct fault *fault)
{
    if (!is_token(header->name, header->name_size))
        return fault_set(fault, 400, "malformed header name");
    if (!is_value(header->value, header->value_size))
        return fault_set(fault, 400, "malformed value of header %.*s",
                         (int)(header->name_size < 64 ? header->name_size : 64), header->name);
    return true;
}

static bool is_named(const struct http_header *header, const char *name)
{
    return header->name_size == strlen(name) &&
           strncasecmp(header->name, name, header->name_size) == 0;
}

static bool note_single(const struct http_header *header, const struct http_header **singles,
                        struct fault *fault)
{
    for (size_t i = 0; i < SINGLE_COUNT; i++) {
        if (!is_named(header, single_names[i]))
            continue;
        if (singles[i] != NULL)
            return fault_set(fault, 400, "more than one %s header", single_names[i]);
        singles[i] = header;
    }
    return true;
}

/* Lists, which may stand in several headers: the first one with a wish counts. */
static void note_wishes(const struct http_header *header, struct http_head_facts *facts)
{
    if (header->value_size == 0)
        return;
    if (is_named(header, "Accept"))
        facts->prefers_json =
            facts->prefers_json || content_coding_prefers_json(header->value, header->value_size);
    else if (is_named(header, "Accept-Encoding") && facts->answer_coding == CODING_IDENTITY)
        facts->answer_coding = content_coding_preferred(header->value, header->value_size);
}

static size_t size_of(const struct http_head *head)
{
    size_t size = strlen(head->method) + strlen(head->target) + strlen(head->version) +
                  (head->query != NULL ? strlen(head->query) : 0);
    for (size_t i = 0; i < head->header_count; i++)
        size += head->headers[i].name_size + head->headers[i].value_size + HTTP_GUARD_HEADER_COST;
    return size;
}

static bool check_headers(const struct http_head *head, const struct http_header **singles,
                          struct http_head_facts *facts, struct fault *fault)
{
    if (head->header_count > HTTP_GUARD_HEADERS_MAX)
        return fault_set(fault, 431, "at most %d headers expected", HTTP_GUARD_HEADERS_MAX);
    if (size_of(head) > HTTP_GUARD_HEAD_MAX)
        return fault_set(fault, 431, "a head of at most %d bytes expected, %d more for each header",
                         HTTP_GUARD_HEAD_MAX, HTTP_GUARD_HEADER_COST);
    for (size_t i = 0; i < head->header_count; i++) {
        if (!check_header(&head->headers[i], fault) ||
            !note_single(&head->headers[i], singles, fault))
            return false;
        note_wishes(&head->headers[i], facts);
    }
    return true;
}

static bool check_host(const struct http_head *head, const struct http_header *host,
                       struct fault *fault)
{
    if (host == NULL && strcmp(head->version, "HTTP/1.0") == 0)
        return true;
    if (host == NULL)
        return fault_set(fault, 400, "one Host header expected, got none");
    return is_host(host) || fault_set(fault, 400, "malformed Host header");
}

/* Digits and nothing else; a number past 2^64 - 1 is given as that. */
static bool parse_length(const struct http_header *header, uint64_t *length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < header->value_size; i++) {
        const char c = header->value[i];
        if (c < '0' || c > '9')
            return false;
        const uint64_t digit = (uint64_t)(c - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *length = value;
    return header->value_size != 0;
}

static bool check_coding(const struct http_head *head, const struct http_header *coding,
                         struct fault *fault)
{
    if (strcmp(head->version, "HTTP/1.1") != 0)
        return fault_set(fault, 400, "Transfer-Encoding is not allowed in HTTP/1.0");
    return equals(coding, "chunked") ||
           fault_set(fault, 400, "Transfer-Encoding: only chunked is understood");
}

/* Exactly one way to find the body's end. */
static bool check_framing(const struct http_head *head, const struct http_header **singles,
                          struct http_head_facts *facts, struct fault *fault)
{
    const struct http_header *length = singles[CONTENT_LENGTH];
    const struct http_header *coding = singles[TRANSFER_ENCODING];
    if (length != NULL && coding != NULL)
        return fault_set(fault, 400, "both Content-Length and Transfer-Encoding given");
    if (coding != NULL && !check_coding(head, coding, fault))
        return false;
    if (length != NULL && !parse_length(length, &facts->length))
        return fault_set(fault, 400, "malformed Content-Length header");
    facts->chunked = coding != NULL;
    facts->has_body = facts->chunked || facts->length > 0;
    return true;
}

static bool check_method(const struct http_head *head, const struct http_header **singles,
                         struct http_head_facts *facts, struct fault *fault)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    size_t i = 0;
    while (i < sizeof known / sizeof *known && strcmp(head->method, known[i]) != 0)
        i++;
    if (i == sizeof known / sizeof *known)
        return fault_set(fault, 405, "Method Not Allowed");
    if (i < 2 && facts->has_body)
        return fault_set(fault, 400, "a %s request with a body", head->method);
    if (head->method[0] != 'P' || singles[CONTENT_LENGTH] != NULL || facts->chunked)
        return true;
    /* A length that hid in a folded line would otherwise turn its body into the next request. Where
     * no body is needed the connection's end after the answer sees to that. */
    facts->length_missing = true;
    return head->body_optional ||
           fault_set(fault, 411, "a Content-Length header or chunks expected");
}

static bool note_timeout(const struct http_header *timeout, struct http_head_facts *facts,
                         struct fault *fault)
{
    if (timeout == NULL)
        return true;
    return (parse_length(timeout, &facts->timeout_ms) && facts->timeout_ms > 0 &&
            facts->timeout_ms <= HTTP_GUARD_TIMEOUT_MAX_MS) ||
           fault_set(fault, 400, "%s: a whole number from 1 to %d expected", single_names[TIMEOUT],
                     HTTP_GUARD_TIMEOUT_MAX_MS);
}

/* What has no part in framing. An empty Expect is what libcurl's users send to have none. */
static bool note_facts(const struct http_header **singles, struct http_head_facts *facts,
                       struct fault *fault)
{
    const struct http_header *expect = singles[EXPECT];
    const struct http_header *encoding = singles[CONTENT_ENCODING];
    const struct http_header *json_size = singles[JSON_SIZE];
    facts->expects_continue = expect != NULL && equals(expect, "100-continue");
    if (expect != NULL && expect->value_size != 0 && !facts->expects_continue)
        return fault_set(fault, 417, "Expect: only 100-continue is understood");
    facts->coding_unknown =
        encoding != NULL &&
        !content_coding_parse(encoding->value, encoding->value_size, &facts->coding);
    facts->json_size_given = json_size != NULL;
    if (json_size != NULL && !parse_length(json_size, &facts->json_size))
        return fault_set(fault, 400, "malformed %s header", single_names[JSON_SIZE]);
    return note_timeout(singles[TIMEOUT], facts, fault);
}

static bool check_size(const struct http_head_facts *facts, uint64_t max_body, struct fault *fault)
{
    return facts->length <= max_body ||
           fault_set(fault, 413, "the request body is larger than %ju bytes (max_body_bytes)",
                     (uintmax_t)max_body);
}

bool http_guard_check(const struct http_head *head, uint64_t max_body,
                      struct http_head_facts *facts, struct fault *fault)
{
    const struct http_header *singles[SINGLE_COUNT] = {0};
    *facts = (struct http_head_facts){0};
    return check_line(head, fault) && check_headers(head, singles, facts, fault) &&
           check_host(head, singles[HOST], fault) && check_framing(head, singles, facts, fault) &&
           check_method(head, singles, facts, fault) && note_facts(singles, facts, fault) &&
           check_size(facts, max_body, fault);
}
