#include "server/http_library_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_refusals.h"
#include "server/log.h"

static const char REFUSING[] = "Error processing request";

/* What the library has to say of every client that leaves early or sends nonsense. Logged, it would
 * hand the log to whoever can connect. */
static bool is_client_s_doing(const char *text)
{
    static const char *const beginnings[] = {
        "Connection socket is closed",   "Connection was closed by remote side",
        "Socket has been disconnected",  REFUSING,
        "Failed to parse `Content-Len",  "Too large value of 'Content-Len",
        "Failed to send the response",   "Failed to send data",
        "Application reported internal", "Not enough memory in pool",
        "Error: received handshake",     "Closing connection (failed to queue",
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

void http_library_log(void *argument, const char *format, va_list arguments)
{
    char text[LOG_LINE_MAX];
    (void)argument;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, REFUSING, sizeof REFUSING - 1) == 0)
        http_refusals_note(text);
    if (!is_client_s_doing(text))
        log_limited("lstmd: http: %s", text);
}

void http_library_log_panic(void *argument, const char *file, unsigned line, const char *reason)
{
    (void)argument;
    log_line("lstmd: http: fatal: %s (%s:%u)", reason != NULL ? reason : "no reason given", file,
             line);
    abort();
}
