#include "server/curve_clients.h"

#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"
#include "server/file.h"

#define FILE_MAX ((size_t)4 << 20)

/* ---- the list ---- */

static bool add(struct curve_clients *clients, const unsigned char key[ZEROMQ_KEY_SIZE],
                struct fault *fault)
{
    void *keys = realloc(clients->keys, (clients->count + 1) * sizeof *clients->keys);
    if (keys == NULL)
        return fault_set(fault, 503, "out of memory");
    clients->keys = keys;
    memcpy(clients->keys[clients->count++], key, ZEROMQ_KEY_SIZE);
    return true;
}

/* Cuts the line at its first word's end. */
static bool read_line(struct curve_clients *clients, char *line, struct fault *fault)
{
    unsigned char key[ZEROMQ_KEY_SIZE];
    line += strspn(line, " \t\r");
    line[strcspn(line, " \t\r")] = '\0';
    if (*line == '\0' || *line == '#')
        return true;
    if (!zeromq_read_key(line, key))
        return fault_set(fault, 400, "a CURVE public key of %d Z85 characters expected",
                         ZEROMQ_KEY_TEXT - 1);
    return add(clients, key, fault);
}

static bool read_lines(struct curve_clients *clients, char *text, struct fault *fault)
{
    size_t number = 1;
    for (char *line = text; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (!read_line(clients, line, fault))
            return fault_prefix(fault, "line %zu", number);
        line = end != NULL ? end + 1 : NULL;
    }
    return true;
}

bool curve_clients_read(struct curve_clients *clients, const char *path, struct fault *fault)
{
    char *text;
    size_t size;
    *clients = (struct curve_clients){0};
    if (!file_read(path, FILE_MAX, &text, &size, fault))
        return false;
    const bool done =
        read_lines(clients, text + utf8_mark(text, size), fault) || fault_prefix(fault, "%s", path);
    free(text);
    if (!done)
        curve_clients_fini(clients);
    return done;
}

void curve_clients_fini(struct curve_clients *clients)
{
    free(clients->keys);
    *clients = (struct curve_clients){0};
}

static bool holds(const struct curve_clients *clients, const void *key)
{
    for (size_t i = 0; i < clients->count; i++)
        if (memcmp(clients->keys[i], key, ZEROMQ_KEY_SIZE) == 0)
            return true;
    return false;
}

/* ---- the library's questions ---- */

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, CLIENT_KEY, QUESTION_FRAMES };

static bool is_text(struct zeromq_frame *frame, const char *text)
{
    return zeromq_frame_size(frame) == strlen(text) &&
           memcmp(zeromq_frame_data(frame), text, strlen(text)) == 0;
}

static bool is_let_in(const struct curve_clients *clients, struct zeromq_message *question)
{
    struct zeromq_frame *frames = question->frames;
    return question->count == QUESTION_FRAMES && is_text(&frames[VERSION], "1.0") &&
           is_text(&frames[MECHANISM], "CURVE") &&
           zeromq_frame_size(&frames[CLIENT_KEY]) == ZEROMQ_KEY_SIZE &&
           holds(clients, zeromq_frame_data(&frames[CLIENT_KEY]));
}

static struct zeromq_part text_part(const char *text)
{
    return (struct zeromq_part){.data = text, .size = strlen(text)};
}

void curve_clients_answer(const struct curve_clients *clients, struct zeromq_socket *authenticator)
{
    struct zeromq_message question;
    while (zeromq_receive(authenticator, &question)) {
        const bool good = is_let_in(clients, &question);
        struct zeromq_part parts[] = {
            text_part("1.0"),
            question.count > REQUEST_ID
                ? (struct zeromq_part){.data = zeromq_frame_data(&question.frames[REQUEST_ID]),
                                       .size = zeromq_frame_size(&question.frames[REQUEST_ID])}
                : text_part(""),
            text_part(good ? "200" : "400"),
            text_part(good ? "" : "the key is not known"),
            text_part(""),
            text_part(""),
        };
        zeromq_send(authenticator, parts, sizeof parts / sizeof *parts);
        zeromq_message_close(&question);
    }
}
