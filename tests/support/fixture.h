/* A daemon that serves a test's own models, with a client at hand. */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include <stdbool.h>

#include "tests/support/daemon.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"

struct fixture {
    struct temp_dir dir; /* its models' configs */
    struct daemon daemon;
    struct http_client client;
};

/* A folder without models. */
void fixture_init(struct fixture *fixture);

/* Adds a case of tests/golden/torch under the case's name, or under that of model; its sizes are
 * read off the weights. */
void fixture_add_golden(struct fixture *fixture, const char *name);
void fixture_add_golden_as(struct fixture *fixture, const char *name, const char *model);

/* Adds what lstm-convert makes of the file under the model's name, with these further arguments
 * (NULL-ended; NULL: none). */
void fixture_add_converted(struct fixture *fixture, const char *model, const char *file,
                           const char *const *arguments);

/* Starts the daemon on the folder, with these further arguments. false when it did not get ready;
 * its log is then on stderr. */
bool fixture_start(struct fixture *fixture, const char *const *arguments,
                   const char *const *environment);

/* Stops the daemon with SIGTERM, removes everything, returns the exit status. */
int fixture_stop(struct fixture *fixture);

#endif
