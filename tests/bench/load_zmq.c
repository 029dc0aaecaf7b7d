/* ZeroMQ's wire protocol (ZMTP 3.0, rfc.zeromq.org/spec/23, without encryption), as a DEALER that
 * sends all requests over one connection. Spoken here rather than by libzmq, whose own thread would
 * take part of what is to be measured.
 *
 * Each of the load's connections has a number, which travels in the envelope and comes back. */
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
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/die.h"

enum { MORE = 1, LONG = 2, COMMAND = 4 };
enum { GREETING = 64, FRAME_HEAD_MAX = 9, FLUSH_AT = 1 << 16, READ_AT_ONCE = 1 << 18 };

struct load_connection {
    uint32_t number;
    void *tag;
    const struct load_request *request; /* NULL: none is under way */
    bool answered;
    struct load_answer answer;
    char excerpt[200];
    struct load_connection *next_answered;
};

struct buffer {
    char *bytes;
    size_t size, capacity;
};

/* The one that all connections share. */
static struct session {
    size_t users;
    int fd;
    struct load_connection **connections; /* [users], by number */
    struct buffer in, out;
    size_t in_used;
    struct load_connection *first, *last; /* answered and not told yet */
} session;

/* ---- bytes ---- */

static void make_room(struct buffer *buffer, size_t bytes)
{
    if (buffer->capacity - buffer->size >= bytes)
        return;
    buffer->capacity = (buffer->size + bytes) * 2;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (buffer->bytes == NULL)
        die("lstm-load: no memory");
}

static void append(struct buffer *buffer, const void *bytes, size_t size)
{
    make_room(buffer, size);
    memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
}

/* Flags and size that stand before a frame. */
static void append_head(struct buffer *buffer, int flags, size_t size)
{
    unsigned char head[FRAME_HEAD_MAX];
    const bool is_long = size > 255;
    head[0] = (unsigned char)(flags | (is_long ? LONG : 0));
    for (int i = 0; i < 8; i++)
        head[1 + i] = (unsigned char)(size >> (8 * (7 - i)));
    if (!is_long)
        head[1] = (unsigned char)size;
    append(buffer, head, is_long ? FRAME_HEAD_MAX : 2);
}

static void flush(void)
{
    size_t sent = 0;
    while (sent < session.out.size) {
        const ssize_t written =
            send(session.fd, session.out.bytes + sent, session.out.size - sent, MSG_NOSIGNAL);
        if (written < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (written < 0)
            die("lstm-load: the connection was lost: %s", strerror(errno));
        sent += (size_t)written;
    }
    memmove(session.out.bytes, session.out.bytes + sent, session.out.size - sent);
    session.out.size -= sent;
}

/* ---- the connection ---- */

static int connect_tcp(const struct load_target *target)
{
    const int one = 1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error != 0)
        die("lstm-load: %s:%s: %s", target->host, target->port, gai_strerror(error));
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        die("lstm-load: %s:%s: %s", target->host, target->port, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static int connect_ipc(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >=
        (int)sizeof address.sun_path)
        die("lstm-load: %s: too long a path", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        die("lstm-load: %s: %s", path, strerror(errno));
    return fd;
}

static void read_exactly(char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t got = recv(session.fd, bytes, size, 0);
        if (got <= 0)
            die("lstm-load: no ZeroMQ greeting came");
        bytes += got;
        size -= (size_t)got;
    }
}

/* Both sides send 64 bytes that name the protocol, then a READY command. */
static void shake_hands(void)
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    char greeting[GREETING] = "\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL", theirs[GREETING];
    unsigned char head[2];
    char body[255];
    append(&session.out, greeting, sizeof greeting);
    flush();
    read_exactly(theirs, sizeof theirs);
    append_head(&session.out, COMMAND, sizeof ready);
    append(&session.out, ready, sizeof ready);
    flush();
    read_exactly((char *)head, sizeof head);
    read_exactly(body, head[1]);
    if (head[0] != COMMAND || memcmp(body, "\5READY", 6) != 0)
        die("lstm-load: the other side did not get ready");
}

static void open_session(const struct load_target *target, int epoll, void *tag)
{
    session.fd = target->port != NULL ? connect_tcp(target) : connect_ipc(target->host);
    shake_hands();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = tag};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, session.fd, &event) != 0)
        die("lstm-load: epoll_ctl: %s", strerror(errno));
}

static struct load_connection *create(const struct load_target *target, int epoll, void *tag)
{
    struct load_connection *connection = must_allocate_zeros(1, sizeof *connection);
    if (session.users == 0)
        open_session(target, epoll, tag);
    connection->number = (uint32_t)session.users++;
    connection->tag = tag;
    session.connections = (struct load_connection **)realloc(
        (void *)session.connections, session.users * sizeof *session.connections);
    if (session.connections == NULL)
        die("lstm-load: no memory");
    session.connections[connection->number] = connection;
    return connection;
}

static void destroy(struct load_connection *connection)
{
    free(connection);
    if (--session.users > 0)
        return;
    close(session.fd);
    free((void *)session.connections);
    free(session.in.bytes);
    free(session.out.bytes);
    session = (struct session){0};
}

/* ---- requests ---- */

/* From the envelope's empty frame on; target->path is the model's name. */
static void prepare(struct load_request *request, const struct load_target *target,
                    const char *opening, const struct load_body *body)
{
    struct buffer buffer = {0};
    char begin[LOAD_OPENING_MAX + LOAD_NAME_MAX + 32];
    const int size =
        snprintf(begin, sizeof begin, "{\"model_name\":\"%s\",%s", target->path, opening + 1);
    append_head(&buffer, MORE, 0);
    append_head(&buffer, body->tensors != NULL ? MORE : 0, (size_t)size + body->json_size);
    append(&buffer, begin, (size_t)size);
    append(&buffer, body->json, body->json_size);
    if (body->tensors != NULL) {
        append_head(&buffer, 0, body->tensors_size);
        append(&buffer, body->tensors, body->tensors_size);
    }
    *request = (struct load_request){
        .pieces = {{buffer.bytes, buffer.size}}, .piece_count = 1, .size = buffer.size};
}

static enum load_progress send_request(struct load_connection *connection,
                                       const struct load_request *request,
                                       struct load_answer *answer)
{
    (void)answer;
    connection->request = request;
    append_head(&session.out, MORE, sizeof connection->number);
    append(&session.out, &connection->number, sizeof connection->number);
    append(&session.out, request->pieces[0].iov_base, request->size);
    if (session.out.size >= FLUSH_AT)
        flush();
    return LOAD_PENDING;
}

/* ---- answers ---- */

struct frame {
    int flags;
    const char *bytes;
    size_t size;
};

/* The frame that begins *at bytes into what has come; false: it is not whole yet. */
static bool next_frame(size_t *at, struct frame *frame)
{
    const unsigned char *head = (const unsigned char *)session.in.bytes + *at;
    const size_t left = session.in.size - *at;
    if (left < 2)
        return false;
    frame->flags = head[0];
    const size_t head_size = (head[0] & LONG) != 0 ? FRAME_HEAD_MAX : 2;
    if (left < head_size)
        return false;
    frame->size = 0;
    for (size_t i = 1; i < head_size; i++)
        frame->size = frame->size << 8 | head[i];
    if (left - head_size < frame->size)
        return false;
    frame->bytes = session.in.bytes + *at + head_size;
    *at += head_size + frame->size;
    return true;
}

static int status_of(const struct frame *json)
{
    static const char error[] = "{\"error\":", status[] = ",\"status\":";
    if (json->size < sizeof error || memcmp(json->bytes, error, sizeof error - 1) != 0)
        return 200;
    const char *at = memmem(json->bytes, json->size, status, sizeof status - 1);
    return at != NULL ? atoi(at + sizeof status - 1) : 0;
}

static void note_answer(const struct frame *number, const struct frame *json, size_t bytes)
{
    uint32_t index;
    if (number->size != sizeof index)
        die("lstm-load: an answer to nobody");
    memcpy(&index, number->bytes, sizeof index);
    if (index >= session.users || session.connections[index]->request == NULL)
        die("lstm-load: an answer to nothing");
    struct load_connection *connection = session.connections[index];
    snprintf(connection->excerpt, sizeof connection->excerpt, "%.*s", (int)json->size, json->bytes);
    connection->answer = (struct load_answer){
        .status = status_of(json), .bytes = bytes, .excerpt = connection->excerpt};
    connection->answer.retry_after = connection->answer.status == 503;
    connection->answered = true;
    connection->next_answered = NULL;
    if (session.first != NULL)
        session.last->next_answered = connection;
    else
        session.first = connection;
    session.last = connection;
}

static void answer_command(const struct frame *command)
{
    static const char ping[] = "\4PING", pong[] = "\4PONG";
    if (command->size < 7 || memcmp(command->bytes, ping, 5) != 0)
        return;
    append_head(&session.out, COMMAND, command->size - 2);
    append(&session.out, pong, 5);
    append(&session.out, command->bytes + 7, command->size - 7); /* what follows the TTL */
}

/* false: no whole message, or command, is there. */
static bool take_message(void)
{
    struct frame frames[3] = {{0}}, frame;
    size_t at = session.in_used, count = 0;
    do {
        if (!next_frame(&at, &frame))
            return false;
        if (count < 3)
            frames[count] = frame;
        count++;
    } while ((frame.flags & MORE) != 0);
    if ((frame.flags & COMMAND) != 0)
        answer_command(&frame);
    else
        note_answer(&frames[0], &frames[2], at - session.in_used);
    session.in_used = at;
    return true;
}

static void receive(void)
{
    for (;;) {
        make_room(&session.in, READ_AT_ONCE);
        const size_t room = session.in.capacity - session.in.size;
        const ssize_t got =
            recv(session.fd, session.in.bytes + session.in.size, room, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0)
            die("lstm-load: the connection was lost: %s", got < 0 ? strerror(errno) : "closed");
        session.in.size += (size_t)got;
        while (take_message())
            continue;
        memmove(session.in.bytes, session.in.bytes + session.in_used,
                session.in.size - session.in_used);
        session.in.size -= session.in_used;
        session.in_used = 0;
        if ((size_t)got < room)
            return; /* the rest will come with an event of its own */
    }
}

/* Events are the session's, whoever has them; EPOLLET is for the connection that came first. */
static enum load_progress progress(struct load_connection *connection, uint32_t events,
                                   struct load_answer *answer)
{
    if (events != 0)
        receive();
    if (!connection->answered || events != 0)
        return LOAD_PENDING;
    connection->answered = false;
    connection->request = NULL;
    *answer = connection->answer;
    return LOAD_ANSWERED;
}

static void *next(void)
{
    struct load_connection *connection = session.first;
    if (connection == NULL) {
        flush();
        return NULL;
    }
    session.first = connection->next_answered;
    return connection->tag;
}

static uint64_t retries(const struct load_connection *connection)
{
    (void)connection;
    return 0;
}

const struct load_transport load_zmq = {
    .prepare = prepare,
    .create = create,
    .destroy = destroy,
    .send = send_request,
    .progress = progress,
    .next = next,
    .retries = retries,
};
