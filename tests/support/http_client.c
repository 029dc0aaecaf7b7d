#include "tests/support/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/support/die.h"
#include "tests/support/exchange_record.h"

struct received {
    char *text;
    size_t size, capacity; /* capacity > size: there is a NUL behind the text */
};

static void received_init(struct received *received)
{
    *received = (struct received){.text = must_allocate(4096), .capacity = 4096};
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *context)
{
    struct received *received = context;
    const size_t size = one * count;
    if (size >= received->capacity - received->size) {
        received->capacity = 2 * received->capacity + size;
        received->text = realloc(received->text, received->capacity);
        if (received->text == NULL)
            die("no memory for an answer");
    }
    memcpy(received->text + received->size, bytes, size);
    received->size += size;
    received->text[received->size] = '\0';
    return size;
}

/* A status line begins the headers anew: "100 Continue" comes with some of its own. */
static size_t on_header(char *bytes, size_t one, size_t count, void *context)
{
    struct received *received = context;
    if (one * count >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        received->size = 0;
    return on_bytes(bytes, one, count, context);
}

void http_client_init(struct http_client *client, unsigned port)
{
    client->curl = curl_easy_init();
    if (client->curl == NULL)
        die("curl_easy_init failed");
    client->port = port;
}

void http_client_fini(struct http_client *client)
{
    curl_easy_cleanup(client->curl);
}

static struct curl_slist *header_list(const char *const *headers)
{
    struct curl_slist *list = NULL;
    for (; headers != NULL && *headers != NULL; headers++)
        list = curl_slist_append(list, *headers);
    return list;
}

static void set_request(struct http_client *client, const char *method, const char *path,
                        const char *body, size_t body_size)
{
    char url[512];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", client->port, path);

    CURL *curl = client->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

bool http_send(struct http_client *client, const char *method, const char *path, const char *body,
               size_t body_size, const char *const *headers, struct http_response *response)
{
    struct received head, content;
    received_init(&head);
    received_init(&content);
    struct curl_slist *list = header_list(headers);

    set_request(client, method, path, body, body_size);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, &head);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &content);
    const CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(list);

    *response = (struct http_response){
        .headers = head.text, .body = content.text, .body_size = content.size};
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &response->status);
    if (code == CURLE_OK) {
        exchange_record(method, path, body, body != NULL ? body_size : 0, response);
        return true;
    }
    fprintf(stderr, "# %s %s: %s\n", method, path, curl_easy_strerror(code));
    http_response_fini(response);
    return false;
}

bool http_get(struct http_client *client, const char *path, struct http_response *response)
{
    return http_send(client, "GET", path, NULL, 0, NULL, response);
}

bool http_post(struct http_client *client, const char *path, const char *body, size_t body_size,
               struct http_response *response)
{
    static const char *const json[] = {"Content-Type: application/json", NULL};
    return http_send(client, "POST", path, body, body_size, json, response);
}

bool http_header(const struct http_response *response, const char *name, char *value,
                 size_t capacity)
{
    const size_t length = strlen(name);
    const char *line = response->headers;
    for (; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL) {
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line += length + 1 + strspn(line + length + 1, " ");
        snprintf(value, capacity, "%.*s", (int)strcspn(line, "\r\n"), line);
        return true;
    }
    return false;
}

void http_response_fini(struct http_response *response)
{
    free(response->headers);
    free(response->body);
}
