/* HTTP/1.1 over kept connections. */
#include "tests/bench/load_transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/http_scan.h"
#include "tests/support/die.h"

struct load_connection {
    struct sockaddr_storage address;
    socklen_t address_size;
    int family, fd; /* fd -1: not connected */
    int epoll;
    void *tag;
    bool kept; /* an answer has come over it before */
    uint64_t retries;
    const struct load_request *request; /* NULL: none is under way */
    size_t sent;
    struct http_scan scan;
};

/* ---- the request ---- */

static void prepare(struct load_request *request, const struct load_target *target,
                    const char *opening, const struct load_body *body)
{
    const size_t json_size = strlen(opening) + body->json_size;
    char json_header[64] = "";
    if (body->tensors != NULL)
        snprintf(json_header, sizeof json_header, "Inference-Header-Content-Length: %zu\r\n",
                 json_size);
    char *head;
    const int size = asprintf(&head,
                              "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/%s\r\n"
                              "%sContent-Length: %zu\r\n\r\n%s",
                              target->path, target->host, target->port,
                              body->tensors != NULL ? "octet-stream" : "json", json_header,
                              json_size + body->tensors_size, opening);
    if (size < 0)
        die("lstm-load: no memory for a request");
    *request = (struct load_request){
        .pieces = {{head, (size_t)size},
                   {body->json, body->json_size},
                   {body->tensors, body->tensors_size}},
        .piece_count = body->tensors != NULL ? 3 : 2,
        .size = (size_t)size + body->json_size + body->tensors_size,
    };
}

/* ---- the connection ---- */

static struct load_connection *create(const struct load_target *target, int epoll, void *tag)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error != 0)
        die("lstm-load: %s:%s: %s", target->host, target->port, gai_strerror(error));
    struct load_connection *connection = must_allocate_zeros(1, sizeof *connection);
    *connection = (struct load_connection){.address_size = found->ai_addrlen,
                                           .family = found->ai_family,
                                           .fd = -1,
                                           .epoll = epoll,
                                           .tag = tag};
    memcpy(&connection->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return connection;
}

static void disconnect(struct load_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->kept = false;
}

static void destroy(struct load_connection *connection)
{
    disconnect(connection);
    free(connection);
}

/* Begins to connect. What goes wrong later is met when the request is written. */
static bool connect_anew(struct load_connection *connection)
{
    const int one = 1;
    connection->fd = socket(connection->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return false;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection->tag};
    if (setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
        (connect(connection->fd, (const struct sockaddr *)&connection->address,
                 connection->address_size) == 0 ||
         errno == EINPROGRESS) &&
        epoll_ctl(connection->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0)
        return true;
    disconnect(connection);
    return false;
}

/* ---- sending ---- */

/* The pieces from connection->sent on. */
static size_t rest_of(const struct load_connection *connection, struct iovec rest[3])
{
    size_t skip = connection->sent, count = 0;
    for (size_t i = 0; i < connection->request->piece_count; i++) {
        const struct iovec *piece = &connection->request->pieces[i];
        const size_t skipped = skip < piece->iov_len ? skip : piece->iov_len;
        skip -= skipped;
        if (skipped < piece->iov_len)
            rest[count++] =
                (struct iovec){(char *)piece->iov_base + skipped, piece->iov_len - skipped};
    }
    return count;
}

/* Writes what the socket takes. false when it takes nothing any more: there may still be something
 * to read, said before the other side closed. */
static bool flush(struct load_connection *connection)
{
    while (connection->sent < connection->request->size) {
        struct iovec rest[3];
        const struct msghdr message = {.msg_iov = rest, .msg_iovlen = rest_of(connection, rest)};
        const ssize_t written = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (written < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->sent += (size_t)written;
    }
    return true;
}

static void begin(struct load_connection *connection)
{
    connection->sent = 0;
    http_scan_init(&connection->scan);
}

static enum load_progress fail(struct load_connection *connection, struct load_answer *answer,
                               const char *why)
{
    disconnect(connection);
    connection->request = NULL;
    *answer = (struct load_answer){.excerpt = why, .bytes = connection->scan.bytes};
    return LOAD_FAILED;
}

/* The connection is gone without an answer. One that had been kept may have been closed while the
 * request was on its way, which is nobody's fault: it is sent once more, on a new one. */
static enum load_progress lost(struct load_connection *connection, struct load_answer *answer,
                               const char *why)
{
    const bool again = connection->kept && connection->scan.bytes == 0;
    disconnect(connection);
    if (!again)
        return fail(connection, answer, why);
    connection->retries++;
    begin(connection);
    if (!connect_anew(connection) || !flush(connection))
        return fail(connection, answer, strerror(errno));
    return LOAD_PENDING;
}

static enum load_progress send_request(struct load_connection *connection,
                                       const struct load_request *request,
                                       struct load_answer *answer)
{
    connection->request = request;
    begin(connection);
    if (connection->fd < 0 && !connect_anew(connection))
        return fail(connection, answer, strerror(errno));
    if (!flush(connection))
        return lost(connection, answer, strerror(errno));
    return LOAD_PENDING;
}

/* ---- receiving ---- */

static enum load_progress answered(struct load_connection *connection, bool ended,
                                   struct load_answer *answer)
{
    const struct http_scan *scan = &connection->scan;
    const bool all_sent = connection->sent == connection->request->size;
    *answer = (struct load_answer){.status = scan->status,
                                   .retry_after = scan->retry_after,
                                   .retry_after_s = scan->retry_after_s,
                                   .bytes = scan->bytes,
                                   .excerpt = scan->excerpt};
    connection->request = NULL;
    connection->kept = true;
    if (ended || !scan->keep_alive || !all_sent)
        disconnect(connection);
    return LOAD_ANSWERED;
}

/* One connection is read at a time, and nothing of it is kept. */
static char buffer[1 << 18];

static enum load_progress receive(struct load_connection *connection, bool ended,
                                  struct load_answer *answer)
{
    for (;;) {
        const ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return LOAD_PENDING;
        if (got < 0)
            return lost(connection, answer, strerror(errno));
        if (got == 0)
            return http_scan_end(&connection->scan) == HTTP_SCAN_DONE
                       ? answered(connection, true, answer)
                       : lost(connection, answer, "closed before the answer's end");
        size_t used;
        const enum http_scan_result result =
            http_scan_feed(&connection->scan, buffer, (size_t)got, &used);
        if (result == HTTP_SCAN_BAD || used < (size_t)got)
            return fail(connection, answer, "not the HTTP answer that was expected");
        if (result == HTTP_SCAN_DONE)
            return answered(connection, ended, answer);
        /* Less than there was room for: the rest will come with an event of its own. */
        if ((size_t)got < sizeof buffer && !ended)
            return LOAD_PENDING;
    }
}

static enum load_progress progress(struct load_connection *connection, uint32_t events,
                                   struct load_answer *answer)
{
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (connection->request == NULL) {
        if (ended || (events & EPOLLIN) != 0)
            disconnect(connection); /* closed, or speaks unasked */
        return LOAD_PENDING;
    }
    if (!flush(connection) && connection->sent == 0)
        return lost(connection, answer, strerror(errno));
    return receive(connection, ended, answer);
}

static uint64_t retries(const struct load_connection *connection)
{
    return connection->retries;
}

const struct load_transport load_http = {
    .prepare = prepare,
    .create = create,
    .destroy = destroy,
    .send = send_request,
    .progress = progress,
    .retries = retries,
};
