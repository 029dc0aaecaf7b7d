#include "server/log.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "server/clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long dropped; /* lines not written since the last one that was; under lock */

size_t log_escape(char *out, size_t capacity, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t size = 0;
    assert(capacity > 0);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        const int escape = *c < 0x20 || *c == 0x7f || *c == '\\';
        if (size + (escape ? 4 : 1) >= capacity)
            break;
        if (escape) {
            out[size++] = '\\';
            out[size++] = 'x';
            out[size++] = hex[*c >> 4];
            out[size++] = hex[*c & 15];
        } else {
            out[size++] = (char)*c;
        }
    }
    out[size] = '\0';
    return size;
}

/* A pipe that polls writable has room for PIPE_BUF bytes, and no line is longer, so with other
 * threads shut out the write does not block. */
static int write_line(const char *line, size_t size)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&pollfd, 1, 0) != 1 || (pollfd.revents & POLLOUT) == 0)
        return 0;
    return write(STDERR_FILENO, line, size) == (ssize_t)size;
}

static void tell_dropped(void)
{
    char line[64];
    if (dropped == 0)
        return;
    const int size = snprintf(line, sizeof line, "lstmd: %lu log lines dropped\n", dropped);
    if (write_line(line, (size_t)size))
        dropped = 0;
}

static void log_text(const char *format, va_list arguments)
{
    char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    size_t size = log_escape(line, sizeof line - 1, text);
    line[size++] = '\n';
    pthread_mutex_lock(&lock);
    tell_dropped();
    if (!write_line(line, size))
        dropped++;
    pthread_mutex_unlock(&lock);
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_text(format, arguments);
    va_end(arguments);
}

static atomic_bool requests;

bool log_requests(void)
{
    return atomic_load_explicit(&requests, memory_order_relaxed);
}

void log_set_requests(bool wanted)
{
    atomic_store_explicit(&requests, wanted, memory_order_relaxed);
}

/* false: this second's lines are used up. */
static int take_turn(void)
{
    static uint64_t second;
    static unsigned lines;
    const uint64_t now = clock_now() / CLOCK_NS_PER_S;
    pthread_mutex_lock(&lock);
    if (now != second) {
        second = now;
        lines = 0;
    }
    const int turn = lines < LOG_LIMITED_PER_SECOND;
    if (turn)
        lines++;
    else
        dropped++;
    pthread_mutex_unlock(&lock);
    return turn;
}

void log_limited(const char *format, ...)
{
    if (!take_turn())
        return;
    va_list arguments;
    va_start(arguments, format);
    log_text(format, arguments);
    va_end(arguments);
}
