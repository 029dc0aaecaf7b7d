#include "tests/support/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"

#define ARGUMENTS_MAX 64

const char *daemon_binary(void)
{
    static char path[512];
    const char *binary = getenv("LSTMD_BINARY");
    if (binary != NULL)
        return binary;
    const char *folder = getenv("BIN");
    snprintf(path, sizeof path, "%s/lstmd", folder != NULL ? folder : "build");
    return path;
}

/* Appends the NULL-ended list to arguments[count...], returns the new count. */
static size_t append(const char **arguments, size_t count, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++) {
        if (count + 1 >= ARGUMENTS_MAX)
            die("too many arguments");
        arguments[count++] = *list;
    }
    arguments[count] = NULL;
    return count;
}

/* What the line says between name and the next space. */
static void copy_value(const char *line, const char *name, char *value, size_t capacity)
{
    const char *at = strstr(line, name);
    value[0] = '\0';
    if (at == NULL)
        die("there is no %s in: %s", name, line);
    at += strlen(name);
    snprintf(value, capacity, "%.*s", (int)strcspn(at, " \n"), at);
}

/* Reads the line that says "lstmd ready", once that line is whole. */
static bool find_ready_line(struct daemon *daemon, const char *log)
{
    char http[64];
    const char *line = strstr(log, "lstmd ready ");
    if (line == NULL || strchr(line, '\n') == NULL)
        return false;
    copy_value(line, " http=", http, sizeof http);
    copy_value(line, " zmq=", daemon->zmq, sizeof daemon->zmq);
    if (sscanf(http, "127.0.0.1:%u", &daemon->port) != 1)
        daemon->port = 0;
    return true;
}

static void show_log(const struct daemon *daemon)
{
    char *log = daemon_log(daemon);
    fprintf(stderr, "# the daemon did not get ready:\n%s", log);
    free(log);
}

static bool wait_until_ready(struct daemon *daemon)
{
    for (int waited = 0; waited < DAEMON_PATIENCE; waited += 2) {
        const bool ended = program_wait(&daemon->program, 2) != PROGRAM_STILL_RUNNING;
        char *log = daemon_log(daemon);
        const bool ready = find_ready_line(daemon, log);
        free(log);
        if (ready || ended)
            return ready && !ended;
    }
    return false;
}

bool daemon_start_exactly(struct daemon *daemon, const char *const *arguments,
                          const char *const *environment)
{
    const char *all[ARGUMENTS_MAX] = {daemon_binary()};
    append(all, 1, arguments);
    daemon->port = 0;
    daemon->zmq[0] = '\0';
    program_start(&daemon->program, all, environment);
    const bool ready = wait_until_ready(daemon);
    if (!ready)
        show_log(daemon);
    return ready;
}

bool daemon_start(struct daemon *daemon, const char *const *arguments,
                  const char *const *environment)
{
    const char *all[ARGUMENTS_MAX] = {"--http", "127.0.0.1:0"};
    append(all, 2, arguments);
    return daemon_start_exactly(daemon, all, environment) && daemon->port != 0;
}

int daemon_stop(struct daemon *daemon)
{
    program_signal(&daemon->program, SIGTERM);
    return program_wait(&daemon->program, DAEMON_PATIENCE);
}

char *daemon_log(const struct daemon *daemon)
{
    return program_errors(&daemon->program);
}

bool daemon_wait_for_log(const struct daemon *daemon, const char *text)
{
    for (int waited = 0; waited < DAEMON_PATIENCE; waited += 10) {
        char *log = daemon_log(daemon);
        const bool there = strstr(log, text) != NULL;
        free(log);
        if (there)
            return true;
        usleep(10000);
    }
    fprintf(stderr, "# '%s' was never logged\n", text);
    return false;
}

void daemon_fini(struct daemon *daemon)
{
    program_fini(&daemon->program);
}

int daemon_run(const char *const *arguments, const char *const *environment, char **output,
               char **errors)
{
    const char *all[ARGUMENTS_MAX] = {daemon_binary()};
    append(all, 1, arguments);

    struct program program;
    program_start(&program, all, environment);
    const int status = program_wait(&program, DAEMON_PATIENCE);
    *output = program_output(&program);
    *errors = program_errors(&program);
    program_fini(&program);
    return status;
}
