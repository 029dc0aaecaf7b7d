/* Lines on stderr. A reader of stderr that stands still never stops the server: a line that would
 * block is dropped and counted, and the count is told with the next line that passes. Control
 * characters are escaped, so that no client can forge a line.
 *
 * Threads: may be called from any thread. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 1024 /* bytes with the newline; what is longer is cut */

/* One line; the newline is added. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for events that a client or a full machine may cause without end: at most
 * LOG_LIMITED_PER_SECOND of them all together, the rest is counted. */
#define LOG_LIMITED_PER_SECOND 10
void log_limited(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on each line is a JSON object with `time`, `message` and an event's fields. */
void log_set_json(bool wanted);

/* A line whose parts programs are to read: key=value, or members of its object. What does not fit
 * is left out from the end. */
struct log_field {
    const char *key;
    const char *text; /* NULL: a number */
    uint64_t number;
};
void log_event(const char *event, const struct log_field *fields, size_t count);

/* Lines that were not written so far, since nobody took them. */
uint64_t log_dropped(void);

/* Is a line wanted for every request? Not before it was asked for. */
bool log_requests(void);
void log_set_requests(bool wanted);

/* Copies text with bytes below 0x20, 0x7f and backslashes as \xNN, cut to capacity - 1 bytes, and
 * ends it with a NUL. Returns its length. */
size_t log_escape(char *out, size_t capacity, const char *text);

#endif
