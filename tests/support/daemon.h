/* The real daemon, started on a free port and stopped again. */
#ifndef TESTS_SUPPORT_DAEMON_H
#define TESTS_SUPPORT_DAEMON_H

#include <stdbool.h>

#include "tests/support/program.h"

struct daemon {
    struct program program;
    unsigned port; /* its HTTP front listens on 127.0.0.1 here */
    char zmq[512]; /* its ZeroMQ endpoints, by commas; "none" */
};

#define DAEMON_PATIENCE 60000 /* milliseconds; generous, for sanitizers on a busy machine */

/* $LSTMD_BINARY, else $BIN/lstmd, else build/lstmd. */
const char *daemon_binary(void);

/* Starts it with "--http 127.0.0.1:0", then these arguments (NULL-ended), and waits until it says
 * that it is ready. false when it ended or said nothing in time: daemon_log tells. Either way
 * daemon_fini is due. */
bool daemon_start(struct daemon *daemon, const char *const *arguments,
                  const char *const *environment);

/* The same with exactly these arguments; the port is 0 when its HTTP front is off. */
bool daemon_start_exactly(struct daemon *daemon, const char *const *arguments,
                          const char *const *environment);

/* SIGTERM; the exit status, or PROGRAM_STILL_RUNNING. */
int daemon_stop(struct daemon *daemon);

/* Everything it said on stderr, the caller's to free. */
char *daemon_log(const struct daemon *daemon);

/* Waits until that holds the text, at most DAEMON_PATIENCE. */
bool daemon_wait_for_log(const struct daemon *daemon, const char *text);

void daemon_fini(struct daemon *daemon);

/* Runs it to its end, as for --check, and returns the exit status. *output and *errors are the
 * caller's to free. */
int daemon_run(const char *const *arguments, const char *const *environment, char **output,
               char **errors);

#endif
