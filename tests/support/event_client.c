#include "tests/support/event_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/raw_socket.h"

#define PATIENCE 60000 /* milliseconds */

static void post(struct event_client *client, unsigned port, const char *path, const char *version,
                 const char *headers, const char *body)
{
    char head[512];
    const int size = snprintf(head, sizeof head,
                              "POST %s HTTP/%s\r\nHost: localhost\r\nContent-Length: %zu\r\n"
                              "%s\r\n",
                              path, version, strlen(body), headers);
    *client = (struct event_client){.fd = raw_connect(port)};
    if (client->fd < 0 || !raw_send(client->fd, head, (size_t)size) ||
        !raw_send(client->fd, body, strlen(body)))
        die("a request to %s could not be sent", path);
}

void event_client_post(struct event_client *client, unsigned port, const char *path,
                       const char *headers, const char *body)
{
    post(client, port, path, "1.1", headers, body);
}

void event_client_post_1_0(struct event_client *client, unsigned port, const char *path,
                           const char *body)
{
    post(client, port, path, "1.0", "", body);
}

/* false: the other side has closed. */
static bool receive(struct event_client *client, char *out, size_t room, size_t *size)
{
    struct pollfd readable = {.fd = client->fd, .events = POLLIN};
    if (poll(&readable, 1, PATIENCE) <= 0)
        die("nothing came for a minute");
    const ssize_t n = recv(client->fd, out, room, 0);
    *size = n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* A line without its CRLF, received byte by byte so that nothing behind it is taken. */
static bool receive_line(struct event_client *client, char *line, size_t capacity)
{
    size_t at = 0, size;
    while (at + 1 < capacity && receive(client, line + at, 1, &size)) {
        line[++at] = '\0';
        if (at >= 2 && strcmp(line + at - 2, "\r\n") == 0) {
            line[at - 2] = '\0';
            return true;
        }
    }
    return false;
}

bool event_client_head(struct event_client *client)
{
    char line[1024];
    size_t size = 0;
    client->head = must_allocate(1);
    client->head[0] = '\0';
    while (receive_line(client, line, sizeof line) && line[0] != '\0') {
        const size_t length = strlen(line);
        client->head = realloc(client->head, size + length + 2);
        if (client->head == NULL)
            die("no memory for a head");
        size += (size_t)sprintf(client->head + size, "%s\n", line);
        if (strncmp(line, "HTTP/1.", strlen("HTTP/1.")) == 0)
            client->status = atoi(line + strlen("HTTP/1.1 "));
    }
    client->chunked = strstr(client->head, "\nTransfer-Encoding: chunked\n") != NULL;
    return client->status != 0;
}

/* false: there is none, *end tells whether that is as it should be. */
static bool begin_chunk(struct event_client *client, bool *end)
{
    char line[64], empty[8];
    *end = false;
    if (!receive_line(client, line, sizeof line))
        return false;
    client->chunk_left = strtoul(line, NULL, 16);
    *end = client->chunk_left == 0 && receive_line(client, empty, sizeof empty);
    client->chunks += client->chunk_left > 0;
    return client->chunk_left > 0;
}

static bool end_chunk(struct event_client *client)
{
    char empty[8];
    return !client->chunked || client->chunk_left > 0 ||
           (receive_line(client, empty, sizeof empty) && empty[0] == '\0');
}

/* More of the text; false: nothing more comes. */
static bool receive_text(struct event_client *client)
{
    size_t size;
    if (client->chunked && client->chunk_left == 0 && !begin_chunk(client, &client->ended))
        return false;
    if (client->capacity - client->size < (1 << 16)) {
        client->capacity = 2 * client->capacity + (1 << 17);
        client->text = realloc(client->text, client->capacity);
        if (client->text == NULL)
            die("no memory for events");
    }
    size_t room = client->capacity - client->size - 1;
    if (client->chunked && room > client->chunk_left)
        room = client->chunk_left;
    if (!receive(client, client->text + client->size, room, &size)) {
        client->ended = !client->chunked;
        return false;
    }
    client->size += size;
    client->text[client->size] = '\0';
    if (!client->chunked)
        return true;
    client->chunk_left -= size;
    return end_chunk(client);
}

/* "event: NAME\ndata: DATA": the two fields that there are. */
static void split_event(struct event *event)
{
    static const char name[] = "event: ", data[] = "data: ";
    char *text = event->memory;
    event->name = "message";
    if (strncmp(text, name, strlen(name)) == 0) {
        event->name = text + strlen(name);
        text += strcspn(text, "\n");
        if (*text == '\0')
            die("an event without data: %s", event->memory);
        *text++ = '\0';
    }
    if (strncmp(text, data, strlen(data)) != 0 || strchr(text, '\n') != NULL)
        die("not an event: %s", text);
    event->data = text + strlen(data);
}

static void take_event(struct event_client *client, size_t size, struct event *event)
{
    event->memory = must_allocate(size + 1);
    memcpy(event->memory, client->text, size);
    event->memory[size] = '\0';
    client->size -= size + 2;
    memmove(client->text, client->text + size + 2, client->size + 1);
    split_event(event);
}

enum event_got event_client_next(struct event_client *client, struct event *event)
{
    for (;;) {
        const char *end = client->size > 0 ? strstr(client->text, "\n\n") : NULL;
        if (end != NULL) {
            take_event(client, (size_t)(end - client->text), event);
            return EVENT;
        }
        if (!receive_text(client))
            return client->ended && client->size == 0 ? EVENTS_END : EVENTS_CUT;
    }
}

void event_fini(struct event *event)
{
    free(event->memory);
}

void event_client_close(struct event_client *client)
{
    close(client->fd);
    free(client->head);
    free(client->text);
}
