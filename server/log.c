#include "server/log.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/utf8.h"
#include "server/clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long dropped; /* lines not written since the last one that was; under lock */
static uint64_t dropped_in_all;
static atomic_bool json;

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
    const int size = snprintf(line, sizeof line,
                              atomic_load(&json) ? "{\"message\":\"%lu log lines dropped\"}\n"
                                                 : "lstmd: %lu log lines dropped\n",
                              dropped);
    if (write_line(line, (size_t)size))
        dropped = 0;
}

static void drop(void)
{
    dropped++;
    dropped_in_all++;
}

uint64_t log_dropped(void)
{
    pthread_mutex_lock(&lock);
    const uint64_t lines = dropped_in_all;
    pthread_mutex_unlock(&lock);
    return lines;
}

/* line has room for a newline. */
static void put(char *line, size_t size)
{
    line[size++] = '\n';
    pthread_mutex_lock(&lock);
    tell_dropped();
    if (!write_line(line, size))
        drop();
    pthread_mutex_unlock(&lock);
}

/* ---- lines of JSON ---- */

/* Room for what closes the line is kept. */
struct line {
    char text[LOG_LINE_MAX];
    size_t size;
    bool full;
};

enum { CLOSING = 4 };

static void add(struct line *line, const char *text, size_t size)
{
    if (line->full || line->size + size > sizeof line->text - CLOSING) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

/* Bytes of the character that begins with this one, in UTF-8. */
static size_t character_size(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Cut where there is no more room, never inside of an escape or a character. Bytes that are no
 * UTF-8 are shown as the characters of their numbers. */
static void add_string(struct line *line, const char *text)
{
    const bool whole = utf8_is_valid(text, strlen(text));
    add(line, "\"", 1);
    if (line->full)
        return;
    size_t shown = 1;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && !line->full;
         c += shown) {
        char escaped[8];
        const bool plain = *c >= 0x20 && *c != '"' && *c != '\\' && *c != 0x7f;
        shown = whole ? character_size(*c) : 1;
        if (plain && (*c < 0x80 || whole))
            add(line, (const char *)c, shown);
        else
            add(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *c));
    }
    line->text[line->size++] = '"';
}

static void open_object(struct line *line, const char *message)
{
    struct timespec now;
    struct tm tm;
    char time[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    const int size = snprintf(
        time, sizeof time, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
    *line = (struct line){.size = 0};
    add(line, time, (size_t)size);
    add(line, ",\"message\":", 11);
    add_string(line, message);
}

static void close_object(struct line *line)
{
    line->text[line->size++] = '}';
    put(line->text, line->size);
}

static void add_member(struct line *line, const struct log_field *field)
{
    char text[96];
    const int size = field->text != NULL ? snprintf(text, sizeof text, ",\"%s\":", field->key)
                                         : snprintf(text, sizeof text, ",\"%s\":%" PRIu64,
                                                    field->key, field->number);
    const size_t before = line->size;
    add(line, text, (size_t)size);
    if (field->text == NULL || line->full)
        return;
    add_string(line, field->text);
    if (line->size == before + (size_t)size) /* not even its quotes */
        line->size = before;
}

/* ---- lines of text ---- */

/* What a space or a quote would make hard to read stands in quotes, without any inside. */
static size_t print_value(char *out, size_t capacity, const char *text)
{
    const bool quoted = text[0] == '\0' || strpbrk(text, " \"=") != NULL;
    const size_t size = (size_t)snprintf(out, capacity, quoted ? "\"%s\"" : "%s", text);
    const size_t shown = size < capacity ? size : capacity - 1;
    for (size_t i = 1; quoted && i + 1 < shown; i++)
        if (out[i] == '"')
            out[i] = '\'';
    return shown;
}

static size_t print_field(char *out, size_t capacity, const struct log_field *field)
{
    const int key = snprintf(out, capacity, " %s=", field->key);
    if (key < 0 || (size_t)key >= capacity)
        return 0;
    out += key;
    capacity -= (size_t)key;
    if (field->text != NULL)
        return (size_t)key + print_value(out, capacity, field->text);
    const int size = snprintf(out, capacity, "%" PRIu64, field->number);
    return (size_t)key + ((size_t)size < capacity ? (size_t)size : capacity - 1);
}

static void put_text(const char *text)
{
    char line[LOG_LINE_MAX];
    put(line, log_escape(line, sizeof line - 1, text));
}

/* ---- both ---- */

static bool is_json(void)
{
    return atomic_load_explicit(&json, memory_order_relaxed);
}

void log_set_json(bool wanted)
{
    atomic_store_explicit(&json, wanted, memory_order_relaxed);
}

void log_event(const char *event, const struct log_field *fields, size_t count)
{
    if (is_json()) {
        struct line line;
        open_object(&line, event);
        for (size_t i = 0; i < count; i++)
            add_member(&line, &fields[i]);
        close_object(&line);
        return;
    }
    char text[LOG_LINE_MAX];
    size_t size = (size_t)snprintf(text, sizeof text, "lstmd: %s", event);
    for (size_t i = 0; i < count && size + 1 < sizeof text; i++)
        size += print_field(text + size, sizeof text - size, &fields[i]);
    text[size] = '\0';
    put_text(text);
}

/* A program's name before a line of JSON is of no use. */
static void log_text(const char *format, va_list arguments)
{
    static const char name[] = "lstmd: ";
    char text[LOG_LINE_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    if (!is_json()) {
        put_text(text);
        return;
    }
    struct line line;
    open_object(&line, strncmp(text, name, strlen(name)) == 0 ? text + strlen(name) : text);
    close_object(&line);
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
        drop();
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
