/* libzmq, as much of it as the server uses and set up as the server wants it. The only file that
 * knows the library.
 *
 * Threads: a socket is one thread's at a time. The context, and the functions that release what was
 * sent, are the library's own thread's too. */
#ifndef SERVER_ZEROMQ_H
#define SERVER_ZEROMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"

/* ---- keys ---- */

#define ZEROMQ_KEY_TEXT 41 /* a CURVE key as Z85, with the NUL */
#define ZEROMQ_KEY_SIZE 32

/* A new pair. false, 503: this libzmq was built without CURVE. */
bool zeromq_make_keys(char public_key[ZEROMQ_KEY_TEXT], char secret_key[ZEROMQ_KEY_TEXT],
                      struct fault *fault);
/* text: NUL-terminated. false: it is no key. */
bool zeromq_read_key(const char *text, unsigned char key[ZEROMQ_KEY_SIZE]);

/* ---- frames ---- */

/* A zmq_msg_t: to be moved by zeromq_frame_move, never by assignment. */
struct zeromq_frame {
    _Alignas(void *) unsigned char opaque[64];
};

const void *zeromq_frame_data(struct zeromq_frame *frame);
size_t zeromq_frame_size(const struct zeromq_frame *frame);
/* to holds nothing before; from is empty afterwards and need not be closed. */
void zeromq_frame_move(struct zeromq_frame *to, struct zeromq_frame *from);
/* to holds nothing before; both are to be closed. */
void zeromq_frame_copy(struct zeromq_frame *to, struct zeromq_frame *from);
void zeromq_frame_close(struct zeromq_frame *frame);

#define ZEROMQ_FRAMES_MAX 48

/* A message as it came. */
struct zeromq_message {
    size_t count;
    size_t size;  /* bytes of all its frames, those that were dropped too */
    bool cut_off; /* it had more frames; they were dropped */
    struct zeromq_frame frames[ZEROMQ_FRAMES_MAX];
};

void zeromq_message_close(struct zeromq_message *message);

/* ---- sockets ---- */

struct zeromq; /* a context */
struct zeromq_socket;

struct zeromq_socket_options {
    size_t frame_limit;     /* bytes; a peer that sends a larger one is disconnected */
    int receive_limit;      /* messages of a peer that wait to be received */
    int send_limit;         /* messages to a peer that wait to be sent */
    const char *secret_key; /* CURVE's, as Z85; NULL: no encryption, no authentication */
};

/* false, 503: the library did not give it. */
bool zeromq_open(struct zeromq **context, struct fault *fault);
/* All sockets must have been closed. Waits until what they still had to send is sent, a second at
 * most. */
void zeromq_close(struct zeromq *context);

/* Sockets to bind. Any peer may connect, without secret_key; with it, whom the authenticator lets
 * in, which must have been opened before. NULL: 503. */
struct zeromq_socket *zeromq_router(struct zeromq *context,
                                    const struct zeromq_socket_options *options,
                                    struct fault *fault);

struct zeromq_socket *zeromq_publisher(struct zeromq *context,
                                       const struct zeromq_socket_options *options,
                                       struct fault *fault);
/* To be called now and then while nothing is sent: takes in who has come and subscribed. */
void zeromq_attend(struct zeromq_socket *socket);

/* Receives the library's questions (ZAP, rfc.zeromq.org/spec/27) about who connects, each to be
 * answered by zeromq_send. */
struct zeromq_socket *zeromq_authenticator(struct zeromq *context, struct fault *fault);

/* What happens to the connections of a socket. name: of this process' monitors. */
struct zeromq_socket *zeromq_monitor(struct zeromq *context, struct zeromq_socket *socket,
                                     const char *name, struct fault *fault);

void zeromq_socket_close(struct zeromq_socket *socket);

/* Puts where it really listens into bound. false: 503. */
bool zeromq_bind(struct zeromq_socket *socket, const char *endpoint, bool ipv6, char *bound,
                 size_t capacity, struct fault *fault);

/* Polls readable when there may be something to receive; it need not when something was there
 * already the last time zeromq_receive (or zeromq_next_event) did not return true. */
int zeromq_descriptor(const struct zeromq_socket *socket);

/* Does not wait. true: message is the caller's to close. */
bool zeromq_receive(struct zeromq_socket *socket, struct zeromq_message *message);

/* ---- sending ---- */

/* A frame to send: one that came, or bytes. */
struct zeromq_part {
    struct zeromq_frame *frame; /* moved out; NULL: bytes */
    const void *data;
    size_t size;
    /* Called once, by any thread, when the bytes are not needed any more; NULL: they are copied. */
    void (*release)(void *data, void *hint);
    void *hint;
};

enum zeromq_sent {
    ZEROMQ_SENT,
    ZEROMQ_GONE, /* a router has no peer of that name, which is the first part */
    ZEROMQ_FULL, /* as much waits for the peer as may */
    ZEROMQ_NO_MEMORY,
};

/* One message of at most ZEROMQ_FRAMES_MAX parts. Does not wait. Whatever the result, frames were
 * moved and bytes are released; but for ZEROMQ_SENT nothing of it is sent. */
enum zeromq_sent zeromq_send(struct zeromq_socket *socket, struct zeromq_part *parts, size_t count);

/* ---- monitor ---- */

enum zeromq_event {
    ZEROMQ_CONNECTED,
    ZEROMQ_DISCONNECTED,
    ZEROMQ_HANDSHAKE_FAILED, /* the connection is not a peer's; DISCONNECTED comes too */
    ZEROMQ_ACCEPT_FAILED,    /* no file descriptor was left, or the like */
    ZEROMQ_OTHER,
};

/* Does not wait; false: nothing has happened. */
bool zeromq_next_event(struct zeromq_socket *monitor, enum zeromq_event *event);

#endif
