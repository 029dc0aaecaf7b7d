#include "server/http_wire.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/http_epoll.h"
#include "server/http_library.h"
#include "server/http_refusals.h"
#include "server/http_stream.h"

/* More descriptors than this no connection has. */
#define DESCRIPTORS_MAX (1 << 20)

struct wire {
    struct http_stream stream;
    uint64_t answered; /* of its whole requests */
    int refused;       /* with that status, not logged yet; else 0 */
    bool tls;
    bool greeting; /* the handshake is not over */
    struct http_epoll_event to_read;
    bool filled;  /* the library's room, when it read last: it will read on by itself */
    size_t past;  /* bytes of the body that were read past the library, which it was not given */
    size_t given; /* or was, but has not handed on */
};

/* By descriptor. Others of the program's threads look here too, for descriptors of their own. */
static struct {
    _Atomic(struct wire *) *wires;
    size_t count;
} table;

static ssize_t (*record_recv)(gnutls_session_t, void *, size_t);
static int (*handshake)(gnutls_session_t);

bool http_wire_init(struct fault *fault)
{
    struct rlimit limit;
    table.count = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < DESCRIPTORS_MAX
                      ? (size_t)limit.rlim_max
                      : DESCRIPTORS_MAX;
    table.wires = calloc(table.count, sizeof *table.wires);
    if (table.wires == NULL)
        return fault_set(fault, 503, "out of memory");
    return http_library_find("gnutls_record_recv", &record_recv, fault) &&
           http_library_find("gnutls_handshake", &handshake, fault);
}

static struct wire *find(int fd)
{
    if (table.wires == NULL || fd < 0 || (size_t)fd >= table.count)
        return NULL;
    return atomic_load_explicit(&table.wires[fd], memory_order_acquire);
}

bool http_wire_open(int fd, bool tls)
{
    struct wire *wire = fd >= 0 && (size_t)fd < table.count ? calloc(1, sizeof *wire) : NULL;
    if (wire == NULL)
        return false;
    assert(find(fd) == NULL);
    wire->tls = wire->greeting = tls;
    http_stream_init(&wire->stream);
    atomic_store_explicit(&table.wires[fd], wire, memory_order_release);
    return true;
}

bool http_wire_close(int fd)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return false;
    const bool faulty = wire->stream.place == STREAM_FAULT;
    atomic_store_explicit(&table.wires[fd], NULL, memory_order_release);
    http_epoll_forget(&wire->to_read);
    free(wire);
    return faulty;
}

bool http_wire_has_read(int fd)
{
    const struct wire *wire = find(fd);
    return wire != NULL && (wire->stream.place != STREAM_BEFORE || wire->stream.whole > 0);
}

/* All before the one that the follower is at, or was lost in, is answered. */
static bool is_at_next(const struct wire *wire)
{
    return wire->stream.whole <= wire->answered;
}

bool http_wire_is_lost(int fd)
{
    const struct wire *wire = find(fd);
    return wire != NULL && wire->stream.in_doubt && is_at_next(wire);
}

bool http_wire_is_head(int fd)
{
    const struct wire *wire = find(fd);
    if (wire == NULL)
        return false;
    if (is_at_next(wire))
        return wire->stream.head;
    const uint64_t ended = wire->stream.whole - wire->answered;
    return ended <= 64 && (wire->stream.heads >> (ended - 1) & 1) != 0;
}

int http_wire_swap_refusal(int fd, int status)
{
    struct wire *wire = find(fd);
    const int before = wire != NULL ? wire->refused : 0;
    if (wire != NULL)
        wire->refused = status;
    return before;
}

static void tell(int fd, const struct wire *wire, gnutls_session_t session)
{
    char error[256];
    const int size = snprintf(error, sizeof error, "{\"error\":\"%s\"}", wire->stream.fault);
    assert(size > 0 && (size_t)size < sizeof error);
    http_refusals_send_to(fd, session, 400, error, (size_t)size);
}

/* With nothing left to be answered. */
static bool is_to_tell(const struct wire *wire)
{
    return wire->stream.place == STREAM_FAULT && is_at_next(wire);
}

/* The library, if it goes on with the connection, reads no more before it hears that there is
 * something; then it is told. The socket stays open for what the client still sends, or the answers
 * on their way would be lost with it (see lingering.h). */
void http_wire_answered(struct MHD_Connection *connection)
{
    struct wire *wire = find(http_library_descriptor(connection));
    if (wire == NULL)
        return;
    wire->answered++;
    if (is_to_tell(wire))
        http_epoll_wake(&wire->to_read, connection);
}

enum received { GOOD, NOT_YET, NEVER };

/* Before anything is read: of a connection with a fault nothing is. */
static enum received prospect(const struct wire *wire, int fd, gnutls_session_t session)
{
    if (wire->stream.place != STREAM_FAULT)
        return GOOD;
    if (!is_to_tell(wire))
        return NOT_YET;
    tell(fd, wire, session);
    return NEVER;
}

/* Of *size bytes so many are left as are good. */
static enum received look(struct wire *wire, int fd, gnutls_session_t session, const char *data,
                          ssize_t *size)
{
    *size = (ssize_t)http_stream_follow(&wire->stream, data, (size_t)*size);
    return *size > 0 ? GOOD : prospect(wire, fd, session);
}

/* ---- past the library ---- */

size_t http_wire_read_past(int fd, char *data, size_t room)
{
    struct wire *wire = find(fd);
    if (wire == NULL || !wire->filled || wire->stream.place != STREAM_BODY || wire->past > 0 ||
        wire->given > 0)
        return 0;
    const size_t most = room < wire->stream.left ? room : (size_t)wire->stream.left;
    const ssize_t size = recvfrom(fd, data, most, MSG_DONTWAIT, NULL, NULL);
    if (size <= 0) /* the library will find the same */
        return 0;
    wire->past = http_stream_follow(&wire->stream, data, (size_t)size);
    assert(wire->past == (size_t)size);
    return wire->past;
}

size_t http_wire_take_past(int fd, size_t size)
{
    struct wire *wire = find(fd);
    const size_t taken = wire == NULL ? 0 : wire->given < size ? wire->given : size;
    if (taken > 0)
        wire->given -= taken;
    return taken;
}

static size_t give_past(struct wire *wire, size_t room)
{
    const size_t given = wire->past < room ? wire->past : room;
    wire->past -= given;
    wire->given += given;
    return given;
}

/* ---- what the library calls ---- */

static ssize_t receive(struct wire *wire, int fd, char *data, size_t room, int flags)
{
    enum received received = prospect(wire, fd, NULL);
    ssize_t size = 0;
    if (received == GOOD) {
        size = recvfrom(fd, data, room, flags, NULL, NULL);
        if (size <= 0)
            return size;
        received = look(wire, fd, NULL, data, &size);
    }
    if (received == GOOD)
        return size;
    errno = received == NOT_YET ? EAGAIN : ECONNRESET;
    return -1;
}

/* From less than there was room for the library concludes that there is no more, and waits: so what
 * was read past it is filled up. */
static ssize_t give(struct wire *wire, int fd, char *data, size_t room, int flags)
{
    const size_t past = give_past(wire, room);
    const ssize_t size = past < room ? receive(wire, fd, data + past, room - past, flags) : 0;
    if (past == 0)
        return size;
    return size > 0 ? (ssize_t)past + size : (ssize_t)past;
}

/* Others' calls, as libzmq's, stay the system's: a sanitizer is not to take what they write for
 * ours. */
#undef recv
ssize_t recv(int fd, void *data, size_t room, int flags)
{
    struct wire *wire = find(fd);
    if (wire == NULL || wire->tls)
        return syscall(SYS_recvfrom, fd, data, room, flags, NULL, NULL);
    const ssize_t size = give(wire, fd, data, room, flags);
    wire->filled = size > 0 && (size_t)size == room;
    return size;
}

/* From a handshake that waits for its client the library concludes nothing: it comes back at once,
 * again and again. From a receiving that does, it knows what to do, and so the handshake is a part
 * of that. */
int gnutls_handshake(gnutls_session_t session)
{
    const struct wire *wire = find(gnutls_transport_get_int(session));
    return wire != NULL && wire->greeting ? GNUTLS_E_SUCCESS : handshake(session);
}

/* Nothing has come, nor the end. */
static bool is_drained(int fd)
{
    char byte;
    return recvfrom(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) < 0 && errno == EAGAIN;
}

/* An error unless it is over. AGAIN: when something comes. INTERRUPTED, at once: it is to send, for
 * which the library would not wait, or to read on; of an end right behind a part of a message
 * GnuTLS says nothing before it is asked again. */
static int greet(struct wire *wire, int fd, gnutls_session_t session)
{
    const int error = handshake(session);
    wire->greeting = error != GNUTLS_E_SUCCESS;
    if (error != GNUTLS_E_AGAIN)
        return error;
    return gnutls_record_get_direction(session) == 0 && is_drained(fd) ? GNUTLS_E_AGAIN
                                                                       : GNUTLS_E_INTERRUPTED;
}

ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t room)
{
    const int fd = gnutls_transport_get_int(session);
    struct wire *wire = find(fd);
    const int error = wire != NULL && wire->greeting ? greet(wire, fd, session) : GNUTLS_E_SUCCESS;
    if (error != GNUTLS_E_SUCCESS)
        return error;
    enum received received = wire != NULL ? prospect(wire, fd, session) : GOOD;
    ssize_t size = 0;
    if (received == GOOD) {
        size = record_recv(session, data, room);
        if (size <= 0 || wire == NULL)
            return size;
        received = look(wire, fd, session, data, &size);
    }
    return received == GOOD      ? size
           : received == NOT_YET ? GNUTLS_E_AGAIN
                                 : GNUTLS_E_PREMATURE_TERMINATION;
}
